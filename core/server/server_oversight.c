/* server_oversight.c - the one process that serves by itself, as those see it who watch and steer it: fills in oversight.h.
 * What that shows: tests/server/test_admin.c, test_server_control.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "bindings/control.h"
#include "server/command.h"
#include "server/lifecycle.h"
#include "server/own_commands.h"
#include "server/server_control.h"
#include "server/session_list.h"

static const char *
state(void *arg)
{
    static const char *const names[] = {
        [SERVER_NEW] = "starting",    [SERVER_LOADING] = "loading",     [SERVER_SERVING] = "serving", [SERVER_DRAINING] = "draining",
        [SERVER_ENDING] = "stopping", [SERVER_UNLOADING] = "unloading", [SERVER_STOPPED] = "stopped",
    };
    const struct httpsrv_server *s = arg;

    return names[s->state];
}

static bool
ready(void *arg)
{
    struct httpsrv_server *s = arg;

    return s->state == SERVER_SERVING && !hs_server_stopping(s);
}

static const char *
address(void *arg, size_t i)
{
    return httpsrv_server_address(arg, i);
}

static size_t
routes(void *arg)
{
    return hs_server_routes(arg);
}

static size_t
workers(void *arg)
{
    (void)arg;
    return 0;
}

/* The page's slot says what a worker's would say. */
static void
refresh(void *arg)
{
    struct httpsrv_server *s = arg;
    struct hs_page_slot *slot = s->publisher.slot;

    if (slot == NULL) {
        return;
    }
    atomic_store(&slot->beat, hs_page_now());
    atomic_store(&slot->state, s->state < SERVER_SERVING    ? HS_WORKER_STARTING
                               : s->state == SERVER_SERVING ? HS_WORKER_SERVING
                                                            : HS_WORKER_DRAINING);
    hs_server_publish(s);
}

static void
ask_sessions(void *arg, struct hs_session_query *q)
{
    struct httpsrv_server *s = arg;
    struct hs_buf b;

    hs_buf_init(&b, HS_SESSION_LIST_BYTES);
    (void)hs_server_list_sessions(s, 0, &b); /* what there is room for */
    q->done(q->arg, hs_buf_peek(&b));
    hs_buf_fini(&b);
}

static void
cancel_sessions(void *arg, struct hs_session_query *q)
{
    (void)arg;
    (void)q;
}

int
hs_server_list_sessions(struct httpsrv_server *s, size_t worker, struct hs_buf *out)
{
    return hs_session_list_gather(s->env, worker, hs_loop_now(s->loop), out);
}

/* --- commands --- */

/* Ended when the reload has, also when its client does not wait so long. */
struct reload_call {
    struct server_reload_waiter waiter;
    struct httpsrv_server *server;
    struct hs_control_call *call;
};

static void
reload_ended(void *arg, int err)
{
    struct reload_call *r = arg;

    if (err == 0) {
        hs_control_printf(r->call, HS_CONTROL_OUT, "generation %lu, %zu routes\n", httpsrv_server_generation(r->server), hs_server_routes(r->server));
        hs_own_command_tell_change(r->call, hs_server_settings_change(r->server));
    } else {
        hs_control_printf(r->call, HS_CONTROL_ERR, "httpsrv: reload failed, everything stays as it was: %s\n",
                          err == ECANCELED ? "the server stops" : httpsrv_server_error(r->server));
    }
    hs_control_end(r->call, err == 0 ? HS_EXIT_OK : HS_EXIT_FAILED);
    free(r);
}

static void
reload(void *arg, struct hs_control_call *call)
{
    struct httpsrv_server *s = arg;
    struct reload_call *r = calloc(1, sizeof *r);

    if (r == NULL) {
        hs_control_printf(call, HS_CONTROL_ERR, "httpsrv: reload: %s\n", strerror(ENOMEM));
        hs_control_end(call, HS_EXIT_FAILED);
        return;
    }
    *r = (struct reload_call){ .waiter = { .fn = reload_ended, .arg = r }, .server = s, .call = call };
    if (server_reload_ask(s, &r->waiter) != 0) {
        hs_control_printf(call, HS_CONTROL_ERR, "httpsrv: reload: %s\n", httpsrv_server_error(s));
        hs_control_end(call, HS_EXIT_FAILED);
        free(r);
    }
}

static void
stop(void *arg, struct hs_control_call *call)
{
    struct httpsrv_server *s = arg;

    if (!hs_server_stopping(s)) {
        hs_log(HS_LOG_NOTICE, "told to stop by a control command");
    }
    httpsrv_server_stop(s, 0);
    hs_control_end(call, HS_EXIT_OK);
}

static void
set_log_level(void *arg, enum hs_log_level level)
{
    (void)arg;
    hs_log_set_level(level);
}

static int
reopen_logs(void *arg, char *why, size_t size)
{
    return hs_server_reopen_logs(arg, why, size);
}

static void
help_line(void *arg, const char *name)
{
    if (!hs_own_command_is(name)) {
        hs_control_printf(arg, HS_CONTROL_OUT, "  %-10s (of the scripts)\n", name);
    }
}

static void
script_names(void *arg, struct hs_control_call *call)
{
    const struct httpsrv_server *s = arg;

    if (s->scripts.runtime != NULL) {
        (void)hs_lua_commands_each(s->scripts.runtime, help_line, call);
    }
    hs_control_end(call, HS_EXIT_OK);
}

const struct hs_oversight *
hs_server_oversight(const struct httpsrv_server *s)
{
    return &s->oversight;
}

const struct hs_oversight_ops server_oversight_ops = {
    .state = state,
    .ready = ready,
    .address = address,
    .routes = routes,
    .workers = workers,
    .refresh = refresh,
    .ask_sessions = ask_sessions,
    .cancel_sessions = cancel_sessions,
    .set_log_level = set_log_level,
    .reopen_logs = reopen_logs,
    .reload = reload,
    .stop = stop,
    .script_names = script_names,
};
