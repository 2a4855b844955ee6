/* server_control.c - a server's control socket: the commands that it knows itself, and those of its scripts.
 * Its own come first: scripts cannot take them over. Each is a row of a table. */
#include "server/server_control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "bindings/control.h"
#include "server/control.h"
#include "server/control_client.h"
#include "server/lifecycle.h"
#include "server/log_commands.h"

/* --- commands of our own --- */

static void command_help(struct httpsrv_server *s, struct hs_control_call *call);

static const char *
state_name(const struct httpsrv_server *s)
{
    static const char *const names[] = {
        [SERVER_NEW] = "starting",    [SERVER_LOADING] = "loading",     [SERVER_SERVING] = "serving", [SERVER_DRAINING] = "draining",
        [SERVER_ENDING] = "stopping", [SERVER_UNLOADING] = "unloading", [SERVER_STOPPED] = "stopped",
    };

    return names[s->state];
}

static void
command_status(struct httpsrv_server *s, struct hs_control_call *call)
{
    size_t connections, requests;
    const char *address;

    hs_server_live(s, &connections, &requests);
    hs_control_printf(call, HS_CONTROL_OUT, "version %s\npid %ld\nstate %s\n", httpsrv_version(), (long)getpid(), state_name(s));
    for (size_t i = 0; (address = httpsrv_server_address(s, i)) != NULL; i++) {
        hs_control_printf(call, HS_CONTROL_OUT, "listen %s\n", address);
    }
    hs_control_printf(call, HS_CONTROL_OUT, "routes %zu\nconnections %zu\nrequests %zu\n", hs_server_routes(s), connections, requests);
    hs_control_printf(call, HS_CONTROL_OUT, "generation %lu\ngenerations %zu\n", httpsrv_server_generation(s), hs_server_generations(s));
    hs_control_end(call, 0);
}

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
    } else {
        hs_control_printf(r->call, HS_CONTROL_ERR, "httpsrv: reload failed, everything stays as it was: %s\n",
                          err == ECANCELED ? "the server stops" : httpsrv_server_error(r->server));
    }
    hs_control_end(r->call, err == 0 ? 0 : 1);
    free(r);
}

static void
command_reload(struct httpsrv_server *s, struct hs_control_call *call)
{
    struct reload_call *r = calloc(1, sizeof *r);

    if (r == NULL) {
        hs_control_printf(call, HS_CONTROL_ERR, "httpsrv: reload: %s\n", strerror(ENOMEM));
        hs_control_end(call, 1);
        return;
    }
    *r = (struct reload_call){ .waiter = { .fn = reload_ended, .arg = r }, .server = s, .call = call };
    if (server_reload_ask(s, &r->waiter) != 0) {
        hs_control_printf(call, HS_CONTROL_ERR, "httpsrv: reload: %s\n", httpsrv_server_error(s));
        hs_control_end(call, 1);
        free(r);
    }
}

static void
command_stop(struct httpsrv_server *s, struct hs_control_call *call)
{
    if (!hs_server_stopping(s)) {
        hs_log(HS_LOG_NOTICE, "told to stop by a control command");
    }
    httpsrv_server_stop(s, 0);
    hs_control_end(call, 0);
}

static void
set_level(void *arg, enum hs_log_level level)
{
    (void)arg;
    hs_log_set_level(level);
}

static void
command_log_level(struct httpsrv_server *s, struct hs_control_call *call)
{
    hs_log_command_level(call, set_level, s);
}

static int
reopen(void *arg, char *why, size_t size)
{
    return hs_server_reopen_logs(arg, why, size);
}

static void
command_reopen(struct httpsrv_server *s, struct hs_control_call *call)
{
    hs_log_command_reopen(call, reopen, s);
}

static const struct own_command {
    const char *name, *summary;
    void (*run)(struct httpsrv_server *s, struct hs_control_call *call);
} commands[] = {
    { "help", "list the commands", command_help },
    { "log-level", "say from which level on messages are logged, or set it: debug, info, notice, warning, error", command_log_level },
    { "reload", "load the scripts anew and say how it ended", command_reload },
    { "reopen", "open the log files anew", command_reopen },
    { "status", "what the server is and does, a name and a value on each line", command_status },
    { "stop", "stop when all requests have ended, or after drain-timeout", command_stop },
};

enum { N_COMMANDS = sizeof commands / sizeof *commands };

static const struct own_command *
find_own(const char *name)
{
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static void
help_line(void *arg, const char *name)
{
    if (find_own(name) == NULL) {
        hs_control_printf(arg, HS_CONTROL_OUT, "  %-10s (of the scripts)\n", name);
    }
}

static void
command_help(struct httpsrv_server *s, struct hs_control_call *call)
{
    for (size_t i = 0; i < N_COMMANDS; i++) {
        hs_control_printf(call, HS_CONTROL_OUT, "  %-10s %s\n", commands[i].name, commands[i].summary);
    }
    if (s->scripts.runtime != NULL) {
        (void)hs_lua_commands_each(s->scripts.runtime, help_line, call);
    }
    hs_control_end(call, 0);
}

/* --- commands of scripts --- */

static void
script_writes(void *arg, bool to_err, struct hs_view text)
{
    hs_control_write(arg, to_err ? HS_CONTROL_ERR : HS_CONTROL_OUT, text.p, text.n);
}

static void
script_ended(void *arg, int status)
{
    hs_control_end(arg, status);
}

static void
cancel_script(void *arg)
{
    hs_lua_command_cancel(arg);
}

static void
fail(struct hs_control_call *call, int err)
{
    const char *name = hs_control_argv(call)[0];

    if (err == ENOENT) {
        hs_control_printf(call, HS_CONTROL_ERR, "httpsrv: there is no command '%s' ('httpsrv ctl help' lists them)\n", name);
    } else {
        hs_control_printf(call, HS_CONTROL_ERR, "httpsrv: %s: %s\n", name, strerror(err));
    }
    hs_control_end(call, err == ENOENT ? 2 : 1);
}

static void
run_script(struct httpsrv_server *s, struct hs_control_call *call)
{
    static const struct hs_lua_command_ops ops = { script_writes, script_ended };
    struct hs_lua_command *command;

    if (s->scripts.runtime != NULL && s->state < SERVER_SERVING) {
        hs_control_printf(call, HS_CONTROL_ERR, "httpsrv: the scripts are still being loaded\n");
        hs_control_end(call, 1);
        return;
    }
    int err = s->scripts.runtime == NULL
        ? ENOENT
        : hs_lua_command_new(s->scripts.runtime, hs_control_argc(call), hs_control_argv(call), &ops, call, &command);
    if (err != 0) {
        fail(call, err);
        return;
    }
    hs_control_on_gone(call, cancel_script, command);
    hs_lua_command_start(command);
}

static void
run(void *arg, struct hs_control_call *call)
{
    struct httpsrv_server *s = arg;
    const struct own_command *own = find_own(hs_control_argv(call)[0]);

    if (own != NULL) {
        own->run(s, call);
    } else {
        run_script(s, call);
    }
}

/* --- the socket --- */

static bool
is_none(const char *path)
{
    return strcmp(path, "none") == 0 || strcmp(path, "false") == 0;
}

/* The socket that httpsrv serve has when nothing is said: going without it is no error. */
static int
open_default(struct hs_loop *loop, hs_control_func *run_it, void *arg, struct hs_control **out)
{
    char path[HS_CONTROL_PATH_MAX];

    int err = hs_control_default_path(path);
    if (err == 0) {
        err = hs_control_new(loop, path, run_it, arg, out);
    }
    if (err != 0) {
        char dir[HS_CONTROL_PATH_MAX] = "";
        (void)hs_control_dir(dir);
        hs_log(HS_LOG_INFO, "no control socket in %s: %s", dir, err == EPERM ? "it is not ours alone" : strerror(err));
    }
    return err == ENOMEM ? err : 0;
}

static void
explain(const char *path, int err, char *why, size_t size)
{
    switch (err) {
    case EPERM:
        (void)snprintf(why, size, "control: the directory of %s must be one's own, and not writable by others", path);
        break;
    case EADDRINUSE:
        (void)snprintf(why, size, "control: another server listens at %s", path);
        break;
    case EEXIST:
        (void)snprintf(why, size, "control: %s exists and is not a socket", path);
        break;
    case EINVAL:
        (void)snprintf(why, size, "control: the path is too long for a socket: %s", path);
        break;
    default:
        (void)snprintf(why, size, "control: cannot listen at %s: %s", path, strerror(err));
        break;
    }
}

int
hs_server_control_listen(struct hs_loop *loop, const char *path, bool use_default, hs_control_func *run_it, void *arg, struct hs_control **out,
                         char *why, size_t size)
{
    int err = 0;

    *out = NULL;
    if (path == NULL) {
        err = use_default ? open_default(loop, run_it, arg, out) : 0;
        path = "a path of its own";
    } else if (!is_none(path)) {
        err = hs_control_new(loop, path, run_it, arg, out);
    }
    if (err != 0) {
        explain(path, err, why, size);
    }
    return err;
}

int
server_control_open(struct httpsrv_server *s)
{
    return hs_server_control_listen(s->loop, s->settings.control, s->default_control, run, s, &s->control, s->error, sizeof s->error);
}

void
server_control_close(struct httpsrv_server *s)
{
    hs_control_free(s->control);
    s->control = NULL;
}
