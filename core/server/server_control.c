/* server_control.c - a server's control socket, and its admin listener: the commands that it knows itself (own_commands.h), and those of its scripts. */
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
#include "server/own_commands.h"

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

    if (!hs_own_command_run(&s->oversight, call)) {
        run_script(s, call);
    }
}

/* --- the socket --- */

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
    } else if (!hs_setting_is_none(path)) {
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
    const struct hs_settings *c = &s->settings;

    s->oversight = (struct hs_oversight){ &server_oversight_ops, s, s->publisher.page };
    int err = hs_server_control_listen(s->loop, c->control, s->default_control, run, s, &s->control, s->error, sizeof s->error);
    if (err == 0 && s->oversight.page != NULL) { /* else the slot is a worker's, whose master has the listener */
        const char *beside = s->control != NULL ? hs_control_path(s->control) : c->control;
        err = hs_admin_open(s->loop, c->admin, beside, s->default_control, NULL, &s->oversight, &s->admin, s->error, sizeof s->error);
    }
    return err;
}

void
server_control_close(struct httpsrv_server *s)
{
    hs_control_free(s->control);
    s->control = NULL;
    hs_admin_free(s->admin, true);
    s->admin = NULL;
}
