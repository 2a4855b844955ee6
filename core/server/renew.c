/* renew.c - the settings of a server that runs are read again.
 * All that can fail is done before anything changes: lists are made, files opened, gates set up. What remains for the commit are assignments. */
#include "server/renew.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "bindings/memory.h"
#include "server/config_file.h"
#include "server/error_log.h"
#include "server/lifecycle.h"

/* --- where they come from --- */

/* The first problem is the reason why the reload fails; all are logged. */
static void
note_problem(void *arg, const char *message)
{
    if (!server_note_problem(arg, message)) {
        hs_log(HS_LOG_ERROR, "%s", message);
    }
}

static int
read_config(struct httpsrv_server *s, struct hs_settings *next)
{
    struct hs_scripts_place place = { .path = NULL };

    int err = s->path != NULL ? hs_scripts_find(s->path, &place) : 0;
    if (err != 0) {
        return server_fail(s, err, "%s: %s", s->path, strerror(err));
    }
    err = hs_config_read(next, &place, note_problem, s);
    hs_scripts_place_fini(&place);
    return err;
}

/* The settings of the command line, and those of whoever else has a say. 0 or errno, and what is wrong is noted. */
static int
gather(struct httpsrv_server *s, struct hs_settings *next)
{
    struct server_renewal *r = &s->renewal;
    const struct hs_setting *which;
    char why[256];

    int err = hs_settings_copy(next, &s->settings);
    if (err == 0) {
        err = r->handed ? hs_settings_unpack(next, hs_buf_peek(&r->packed)) : hs_settings_forget_file(next);
    }
    if (err != 0) {
        return server_fail(s, err, "settings: %s", strerror(err));
    }
    err = r->handed ? 0 : read_config(s, next);
    if (err == 0) {
        err = hs_settings_settle(next, &s->settings, &r->change);
    }
    if (err == 0 && hs_settings_check(next, &which, why, sizeof why) != 0) { /* what needs a restart is as it was */
        return server_fail(s, EINVAL, "%s: %s", which->name, why);
    }
    return err;
}

/* --- the change --- */

/* Where there was no limit, states are counted only from here on: those of the next generation are to be. */
static void
begin_to_count(struct httpsrv_server *s, const struct hs_settings *next)
{
    if (s->settings.memory_limit < 0 && next->memory_limit >= 0) {
        hs_lua_memory_set_limit(s->memory, next->memory_limit);
    }
}

static int
take_access_fd(struct server_renewal *r)
{
    int fd = r->access_fd;

    r->access_fd = -1;
    return fd;
}

int
server_renewal_prepare(struct httpsrv_server *s)
{
    struct server_renewal *r = &s->renewal;

    server_renewal_drop(s);
    if (!r->reads && !r->handed) {
        return 0;
    }
    s->error[0] = '\0';
    int err = gather(s, &r->next);
    if (err == 0 && r->reads && strcmp(r->next.error_log, s->settings.error_log) != 0) {
        err = hs_error_log_try(r->next.error_log);
        if (err != 0) {
            (void)server_fail(s, err, "error-log: cannot open %s: %s", r->next.error_log, strerror(err));
        }
    }
    if (err == 0) {
        err = server_logs_prepare(s, &r->next, take_access_fd(r), &r->logs);
    }
    if (err == 0) {
        err = server_entrance_prepare(s, &r->next, &r->entrance);
        r->ready = err == 0;
    }
    if (err != 0) {
        if (s->error[0] == '\0') {
            (void)server_fail(s, err, "settings: %s", strerror(err));
        }
        server_renewal_drop(s);
        return err;
    }
    begin_to_count(s, &r->next);
    return 0;
}

const struct hs_settings *
server_renewal_settings(const struct httpsrv_server *s)
{
    return s->renewal.ready ? &s->renewal.next : &s->settings;
}

/* The process's logs, when they are ours to change. former: by the settings before. */
static void
change_process_logs(struct httpsrv_server *s, const struct hs_settings *former)
{
    if (former->log_level != s->settings.log_level) { /* else what was set by a command stays */
        hs_log_set_level((enum hs_log_level)s->settings.log_level);
    }
    int err = strcmp(former->error_log, s->settings.error_log) != 0 ? hs_error_log_open(s->settings.error_log, NULL) : 0;
    if (err != 0) { /* it could be opened a moment ago */
        hs_log(HS_LOG_ERROR, "error-log: cannot open %s: %s; the former goes on", s->settings.error_log, strerror(err));
    }
}

void
server_renewal_commit(struct httpsrv_server *s)
{
    struct server_renewal *r = &s->renewal;
    struct hs_settings former = s->settings;

    if (!r->ready) {
        return;
    }
    r->ready = r->handed = false;
    s->settings = r->next;
    memset(&r->next, 0, sizeof r->next);
    const struct hs_limits limits = server_session_limits(&s->settings);
    const struct hs_h1_limits h1 = server_h1_limits(&s->settings);
    hs_session_env_set_limits(s->env, &limits);
    hs_h1_set_limits(s->h1, &h1);
    hs_lua_memory_set_limit(s->memory, s->settings.memory_limit);
    server_entrance_commit(s, &r->entrance);
    server_logs_commit(s, &r->logs);
    if (r->reads) {
        change_process_logs(s, &former);
        hs_settings_change_log(&r->change);
    }
    hs_settings_fini(&former);
}

void
server_renewal_drop(struct httpsrv_server *s)
{
    struct server_renewal *r = &s->renewal;

    if (r->ready && s->settings.memory_limit < 0 && s->memory != NULL) {
        hs_lua_memory_set_limit(s->memory, -1);
    }
    r->ready = false;
    server_entrance_drop(&r->entrance);
    server_logs_drop(&r->logs);
    hs_settings_fini(&r->next);
    memset(&r->next, 0, sizeof r->next);
}

void
server_renewal_fini(struct httpsrv_server *s)
{
    struct server_renewal *r = &s->renewal;

    server_renewal_drop(s);
    hs_buf_fini(&r->packed);
    if (r->access_fd >= 0) {
        (void)close(r->access_fd);
        r->access_fd = -1;
    }
}

/* --- for whoever runs the process --- */

void
hs_server_read_config_again(struct httpsrv_server *s)
{
    s->renewal.reads = true;
}

int
hs_server_hand_settings(struct httpsrv_server *s, struct hs_view packed, int access_fd)
{
    struct server_renewal *r = &s->renewal;

    if (r->access_fd >= 0) {
        (void)close(r->access_fd); /* the reload that it was for has been overtaken */
    }
    r->access_fd = access_fd;
    hs_buf_fini(&r->packed);
    hs_buf_init(&r->packed, SIZE_MAX);
    int err = hs_buf_append(&r->packed, packed.p, packed.n);
    r->handed = err == 0;
    return err;
}

int
hs_server_renew(struct httpsrv_server *s)
{
    int err = server_renewal_prepare(s);

    server_renewal_commit(s);
    return err;
}

const struct hs_settings_change *
hs_server_settings_change(const struct httpsrv_server *s)
{
    return &s->renewal.change;
}
