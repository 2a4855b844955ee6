/* own_commands.c - the commands of httpsrv ctl that every server knows.
 * Each is given to servers of both kinds in tests/acceptance: admin.py, logs.py (log-level, reopen), workers.py. */
#include "server/own_commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "server/command.h"
#include "server/session_list.h"
#include "server/status.h"

enum { STATUS_MAX = 8 * 1024 * 1024 };

static void
fail(struct hs_control_call *call, int err)
{
    hs_control_printf(call, HS_CONTROL_ERR, "httpsrv: %s: %s\n", hs_control_argv(call)[0], strerror(err));
    hs_control_end(call, HS_EXIT_FAILED);
}

/* The call's only word beside its name may be "--json". False: there is another, which has been complained about, and the call has ended. */
static bool
take_json(struct hs_control_call *call, bool *json)
{
    *json = hs_control_argc(call) == 2 && strcmp(hs_control_argv(call)[1], "--json") == 0;
    if (hs_control_argc(call) > 1 && !*json) {
        hs_control_printf(call, HS_CONTROL_ERR, "httpsrv: %s takes no word but --json\n", hs_control_argv(call)[0]);
        hs_control_end(call, HS_EXIT_USAGE);
        return false;
    }
    return true;
}

static void
command_status(const struct hs_oversight *o, struct hs_control_call *call)
{
    struct hs_buf b;
    bool json;

    if (!take_json(call, &json)) {
        return;
    }
    hs_buf_init(&b, STATUS_MAX);
    o->ops->refresh(o->arg);
    int err = json ? hs_status_json(o, &b) : hs_status_text(o, &b);
    if (err != 0) {
        fail(call, err);
    } else {
        hs_control_write(call, HS_CONTROL_OUT, b.p, b.len);
        hs_control_end(call, HS_EXIT_OK);
    }
    hs_buf_fini(&b);
}

/* --- sessions --- */

struct sessions_call {
    struct hs_session_query query;
    const struct hs_oversight *o;
    struct hs_control_call *call;
    bool json;
};

static void
show_sessions(void *arg, struct hs_view list)
{
    struct sessions_call *s = arg;
    struct hs_buf b;

    hs_buf_init(&b, 2 * HS_SESSION_LIST_BYTES);
    int err = s->json ? hs_status_sessions_json(list, &b) : hs_session_list_show(list, s->o->ops->workers(s->o->arg) > 1, &b);
    if (err != 0) {
        fail(s->call, err);
    } else {
        hs_control_write(s->call, HS_CONTROL_OUT, b.p, b.len);
        hs_control_end(s->call, HS_EXIT_OK);
    }
    hs_buf_fini(&b);
    free(s);
}

/* Nobody waits for the answer any more. */
static void
forget_sessions(void *arg)
{
    struct sessions_call *s = arg;
    struct hs_control_call *call = s->call;

    s->o->ops->cancel_sessions(s->o->arg, &s->query);
    free(s);
    hs_control_end(call, HS_EXIT_FAILED);
}

static void
command_sessions(const struct hs_oversight *o, struct hs_control_call *call)
{
    bool json;

    if (!take_json(call, &json)) {
        return;
    }
    struct sessions_call *s = calloc(1, sizeof *s);
    if (s == NULL) {
        fail(call, ENOMEM);
        return;
    }
    *s = (struct sessions_call){ .query = { .done = show_sessions, .arg = s }, .o = o, .call = call, .json = json };
    hs_control_on_gone(call, forget_sessions, s);
    o->ops->ask_sessions(o->arg, &s->query); /* s may be gone */
}

/* --- the rest --- */

static void
command_reload(const struct hs_oversight *o, struct hs_control_call *call)
{
    o->ops->reload(o->arg, call);
}

void
hs_own_command_tell_change(struct hs_control_call *call, const struct hs_settings_change *change)
{
    if (change->changed[0] != '\0') {
        hs_control_printf(call, HS_CONTROL_OUT, "settings that have changed: %s\n", change->changed);
    }
    if (change->fixed[0] != '\0') {
        hs_control_printf(call, HS_CONTROL_OUT, "settings that would change, but need a restart: %s\n", change->fixed);
    }
}

static void
command_stop(const struct hs_oversight *o, struct hs_control_call *call)
{
    o->ops->stop(o->arg, call);
}

/* "log-level [LEVEL]": says it, or sets it. */
static void
command_log_level(const struct hs_oversight *o, struct hs_control_call *call)
{
    enum hs_log_level level;

    if (hs_control_argc(call) == 1) {
        hs_control_printf(call, HS_CONTROL_OUT, "%s\n", hs_log_level_name(hs_log_get_level()));
        hs_control_end(call, HS_EXIT_OK);
        return;
    }
    if (hs_control_argc(call) > 2 || hs_log_level_parse(hs_control_argv(call)[1], &level) != 0) {
        hs_control_printf(call, HS_CONTROL_ERR, "httpsrv: log-level takes one of debug, info, notice, warning, error\n");
        hs_control_end(call, HS_EXIT_USAGE);
        return;
    }
    o->ops->set_log_level(o->arg, level);
    hs_control_end(call, HS_EXIT_OK);
}

static void
command_reopen(const struct hs_oversight *o, struct hs_control_call *call)
{
    char why[512];

    int err = o->ops->reopen_logs(o->arg, why, sizeof why);
    if (err != 0) {
        hs_control_printf(call, HS_CONTROL_ERR, "httpsrv: %s\n", why);
    }
    hs_control_end(call, err == 0 ? HS_EXIT_OK : HS_EXIT_FAILED);
}

static void command_help(const struct hs_oversight *o, struct hs_control_call *call);

static const struct own_command {
    const char *name, *summary;
    void (*run)(const struct hs_oversight *o, struct hs_control_call *call);
} commands[] = {
    { "help", "list the commands", command_help },
    { "log-level", "say from which level on messages are logged, or set it: debug, info, notice, warning, error", command_log_level },
    { "reload", "load the scripts and the settings anew; ends when they hold everywhere, or with what is wrong", command_reload },
    { "reopen", "open the log files anew", command_reopen },
    { "sessions", "the requests under way, oldest first, and where each one waits; --json", command_sessions },
    { "status", "what the server is and does, a name and a value on each line; --json", command_status },
    { "stop", "stop when all requests have ended, or after drain-timeout", command_stop },
};

enum { N_COMMANDS = sizeof commands / sizeof *commands };

static void
command_help(const struct hs_oversight *o, struct hs_control_call *call)
{
    for (size_t i = 0; i < N_COMMANDS; i++) {
        hs_control_printf(call, HS_CONTROL_OUT, "  %-10s %s\n", commands[i].name, commands[i].summary);
    }
    hs_control_printf(call, HS_CONTROL_OUT, "  %-10s %s\n", "top", "what happens, each second anew; --once, --count N");
    o->ops->script_names(o->arg, call);
}

static const struct own_command *
find(const char *name)
{
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

bool
hs_own_command_is(const char *name)
{
    return find(name) != NULL;
}

bool
hs_own_command_run(const struct hs_oversight *o, struct hs_control_call *call)
{
    const struct own_command *c = find(hs_control_argv(call)[0]);

    if (c == NULL) {
        return false;
    }
    c->run(o, call);
    return true;
}
