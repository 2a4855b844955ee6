/* cmd_lua.c - httpsrv lua: runs a script on the event loop, without a server. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "bindings/runtime.h"
#include "io/pool.h"
#include "server/command.h"

struct run {
    struct hs_loop *loop;
    bool done;
    int status;
};

static void
on_done(void *arg, int status)
{
    struct run *r = arg;

    r->done = true;
    r->status = status;
    hs_loop_stop(r->loop);
}

int
hs_command_lua(const struct hs_command *self, int argc, char **argv)
{
    struct run r = { .status = HS_EXIT_FAILED };
    struct hs_lua_runtime *rt = NULL;

    if (argc == 0) {
        hs_command_complain("%s: which script? Usage: httpsrv %s %s", self->name, self->name, self->synopsis);
        return HS_EXIT_USAGE;
    }
    (void)signal(SIGPIPE, SIG_IGN); /* scripts get EPIPE from the pipes and sockets that they write to */
    int err = hs_loop_new(&(struct hs_loop_options){ .base = NULL }, &r.loop);
    if (err != 0) {
        hs_command_complain("cannot start: %s", strerror(err));
        return HS_EXIT_FAILED;
    }
    const struct hs_lua_options options = { .loop = r.loop, .phase = HS_LUA_RUN };
    err = hs_lua_runtime_new(&options, &rt);
    if (err == 0) { /* arg[-1] is "lua", arg[-2] the program */
        err = hs_lua_runtime_main(rt, argc + 2, argv - 2, 2, on_done, &r);
    }
    while (err == 0 && !r.done) {
        err = hs_loop_run(r.loop);
    }
    if (err != 0) {
        hs_command_complain("%s: %s", self->name, strerror(err));
        r.status = HS_EXIT_FAILED;
    }
    if (rt != NULL) {
        hs_lua_runtime_close(rt);
    }
    hs_pools_stop();
    (void)hs_loop_turn(r.loop, false);
    hs_loop_free(r.loop);
    return r.status;
}
