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
    struct hs_view client = { NULL, 0 };

    if (__builtin_expect((e->peer == NULL || e->peer->trusted) && e->sess != NULL, 0)) { /* else it is the peer */
        client = hs_session_client_text(e->sess);
    }
    hs_access_log_add(l->access, e, client);
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

static bool
parse_access_log(const struct hs_settings *settings, struct hs_log_target *target)
{
    return hs_log_target_parse(settings->access_log, target) == 0 && target->kind != HS_LOG_TO_NONE;
}

static struct hs_access_log_options
options_of(const struct httpsrv_server *s, const struct hs_settings *settings, const struct hs_log_target *target)
{
    return (struct hs_access_log_options){ *target, (enum hs_access_format)settings->access_log_format, s->logs.worker, NULL };
}

/* Lines are made of requests that end from now on, or not. */
static void
turn(struct httpsrv_server *s, bool on)
{
    struct server_logs *l = &s->logs;

    if (on && !l->is_on) {
        (void)hs_request_ends_add(&s->ends, on_request_end, l); /* there is room: it is one of few */
    } else if (!on && l->is_on) {
        hs_request_ends_remove(&s->ends, on_request_end, l);
    }
    l->is_on = on;
    l->wants_ids = on && s->settings.access_log_format == HS_ACCESS_JSON;
    hs_h1_note_peers(s->h1, on ? note_peer : NULL, s);
    hs_session_env_set_request_ids(s->env, l->wants_ids, s->settings.request_id != 0);
}

static int
open_access_log(struct httpsrv_server *s, const struct hs_log_target *target)
{
    struct server_logs *l = &s->logs;
    const struct hs_access_log_options options = options_of(s, &s->settings, target);
    int err = 0;

    if (l->fd < 0 && target->kind != HS_LOG_TO_SYSLOG) {
        err = hs_log_target_open(target, &l->fd);
    }
    if (err == 0) {
        err = hs_access_log_new(s->loop, &options, l->fd, &l->access);
    }
    if (err == 0) {
        l->fd = -1; /* the log's own */
    }
    return err;
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
    bool on = parse_access_log(&s->settings, &target);
    if (on) {
        err = open_access_log(s, &target);
    }
    if (err != 0) {
        return fail(s, "access-log", s->settings.access_log, err);
    }
    turn(s, on);
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
    if (s->logs.is_on) {
        hs_request_ends_remove(&s->ends, on_request_end, &s->logs);
        s->logs.is_on = false;
    }
    hs_access_log_free(s->logs.access);
    s->logs.access = NULL;
    if (s->logs.fd >= 0) { /* it has never come to use it */
        (void)close(s->logs.fd);
        s->logs.fd = -1;
    }
}

/* --- another one --- */

int
server_logs_prepare(struct httpsrv_server *s, const struct hs_settings *next, int fd, struct server_logs_change *c)
{
    struct hs_log_target target;
    int err = 0;

    *c = (struct server_logs_change){ .differs = !hs_settings_same_access_log(next, &s->settings) };
    bool on = parse_access_log(next, &target);
    if (!c->differs || target.kind == HS_LOG_TO_SYSLOG || !on) {
        if (fd >= 0) {
            (void)close(fd);
        }
        fd = -1;
    } else if (fd < 0) {
        err = hs_log_target_open(&target, &fd);
    }
    const struct hs_access_log_options options = options_of(s, next, &target);
    if (err == 0 && c->differs && s->logs.access != NULL) {
        err = hs_access_change_new(&options, fd, &c->change);
    } else if (err == 0 && c->differs && on) {
        err = hs_access_log_new(s->loop, &options, fd, &c->first);
    }
    if (err != 0 && fd >= 0) {
        (void)close(fd);
    }
    return err != 0 ? fail(s, "access-log", next->access_log, err) : 0;
}

void
server_logs_commit(struct httpsrv_server *s, struct server_logs_change *c)
{
    struct hs_log_target target;

    if (c->change != NULL) {
        hs_access_log_apply(s->logs.access, c->change);
    } else if (c->first != NULL) {
        s->logs.access = c->first;
    }
    *c = (struct server_logs_change){ .differs = false };
    turn(s, parse_access_log(&s->settings, &target));
    server_logs_trust(s);
}

void
server_logs_drop(struct server_logs_change *c)
{
    hs_access_change_free(c->change);
    hs_access_log_free(c->first);
    *c = (struct server_logs_change){ .differs = false };
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
    return s->logs.is_on;
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
