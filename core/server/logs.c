/* logs.c - the logs of a server: its access log, request ids and whom it trusts to speak for others, as its settings say.
 * A worker is handed what its master has opened, since it may not be allowed to open it itself. */
#include "server/logs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "server/error_log.h"
#include "server/lifecycle.h"

/* --- requests --- */

static void
on_request_end(void *arg, const struct hs_request_end *e)
{
    const struct server_logs *l = arg;
    struct hs_view client = { NULL, 0 }, id = { NULL, 0 };

    if (__builtin_expect(e->peer != NULL && (!e->peer->trusted || e->sess == NULL), 1)) {
        client = e->peer->address;
    } else if (e->sess != NULL) {
        client = hs_session_client_text(e->sess);
    }
    if (l->wants_ids && e->sess != NULL) {
        id = hs_view_of(ec_httpsrv_session_request_id(e->sess));
    }
    hs_access_log_add(l->access, e, client, id);
}

/* Whom a connection is with, and whether that one is trusted. */
static struct hs_peer *
note_peer(void *arg, struct hs_transport *t)
{
    const struct httpsrv_server *s = arg;

    return hs_peer_new(t, &s->entrance.gates.trusted);
}

/* --- life --- */

static int
fail(struct httpsrv_server *s, const char *setting, const char *where, int err)
{
    return server_fail(s, err, "%s: cannot open %s: %s", setting, where, strerror(err));
}

static int
open_access_log(struct httpsrv_server *s, const struct hs_log_target *target)
{
    struct server_logs *l = &s->logs;
    const struct hs_access_log_options options = { *target, (enum hs_access_format)s->settings.access_log_format, l->worker, NULL };
    int err = 0;

    if (l->fd < 0 && target->kind != HS_LOG_TO_SYSLOG) {
        err = hs_log_target_open(target, &l->fd);
    }
    if (err == 0) {
        err = hs_access_log_new(s->loop, &options, l->fd, &l->access);
    }
    if (err != 0) {
        return err;
    }
    l->fd = -1; /* the log's own */
    l->wants_ids = options.format == HS_ACCESS_JSON;
    hs_h1_note_peers(s->h1, note_peer, s);
    return hs_request_ends_add(&s->ends, on_request_end, l);
}

int
server_logs_open(struct httpsrv_server *s)
{
    struct hs_log_target target;
    int err = 0;

    if (!s->logs.are_open && hs_setting_source_of(&s->settings, hs_setting_find("error-log")) != HS_SOURCE_DEFAULT) {
        err = hs_error_log_open(s->settings.error_log, NULL);
        if (err != 0) {
            return fail(s, "error-log", s->settings.error_log, err);
        }
    }
    if (hs_log_target_parse(s->settings.access_log, &target) == 0 && target.kind != HS_LOG_TO_NONE) {
        err = open_access_log(s, &target);
    }
    if (err != 0) {
        return fail(s, "access-log", s->settings.access_log, err);
    }
    hs_session_env_set_request_ids(s->env, s->logs.wants_ids, s->settings.request_id != 0);
    return 0;
}

void
server_logs_trust(struct httpsrv_server *s)
{
    hs_session_env_set_trust(s->env, &s->entrance.gates.trusted, (enum hs_forwarded_field)s->settings.client_address_from);
}

void
server_logs_close(struct httpsrv_server *s)
{
    if (s->logs.access != NULL) {
        hs_request_ends_remove(&s->ends, on_request_end, &s->logs);
        hs_access_log_free(s->logs.access);
        s->logs.access = NULL;
    }
    if (s->logs.fd >= 0) { /* it has never come to use it */
        (void)close(s->logs.fd);
        s->logs.fd = -1;
    }
}

/* --- for whoever runs the process --- */

void
hs_server_use_logs(struct httpsrv_server *s, int access_fd, unsigned worker)
{
    s->logs.are_open = true;
    s->logs.fd = access_fd;
    s->logs.worker = worker;
}

bool
hs_server_has_access_log(const struct httpsrv_server *s)
{
    struct hs_log_target target;

    return hs_log_target_parse(s->settings.access_log, &target) == 0 && target.kind != HS_LOG_TO_NONE;
}

void
hs_server_switch_access_log(struct httpsrv_server *s, int fd)
{
    if (s->logs.access != NULL) {
        hs_access_log_switch(s->logs.access, fd);
    } else {
        (void)close(fd);
    }
}

int
hs_server_reopen_logs(struct httpsrv_server *s, char *why, size_t size)
{
    int err = hs_error_log_reopen();
    const char *which = "error log";

    if (s->logs.access != NULL) {
        int access_err = hs_access_log_reopen(s->logs.access);
        which = access_err != 0 ? "access log" : which;
        err = access_err != 0 ? access_err : err;
    }
    if (err != 0) {
        (void)snprintf(why, size, "the %s cannot be opened anew, the former goes on: %s", which, strerror(err));
    }
    return err;
}
