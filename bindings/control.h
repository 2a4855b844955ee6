/* control.h - commands that scripts have registered, as the server has them carried out. Loop thread only, with no Lua running.
 * lua/httpsrv/control.lua keeps them; where they come from and where their output goes is the server's to know. */
#ifndef HS_BINDINGS_CONTROL_H
#define HS_BINDINGS_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/view.h"
#include "bindings/runtime.h"

struct hs_lua_command; /* one that is being carried out */

struct hs_lua_command_ops {
    /* The command writes; to_err: for stderr. Called while Lua runs: it must not enter the runtime. */
    void (*write)(void *arg, bool to_err, struct hs_view text);
    /* It is over, for whatever reason, and gone: its exit status. From the loop, or from within hs_lua_command_start or a closing runtime. */
    void (*ended)(void *arg, int status);
};

/* Makes a command of words. 0; ENOENT: the scripts have none of that name; EBADF: the runtime is closing; ENOMEM. */
int hs_lua_command_new(struct hs_lua_runtime *rt, int argc, char *const *argv, const struct hs_lua_command_ops *ops, void *arg,
                       struct hs_lua_command **out);
/* Begins with it; it may have ended on return. */
void hs_lua_command_start(struct hs_lua_command *c);
/* Cancels it: ended is called once it has given up, not from within. */
void hs_lua_command_cancel(struct hs_lua_command *c);
/* Calls fn(arg, name) for the name of each. 0, EBADF, ENOMEM. */
int hs_lua_commands_each(struct hs_lua_runtime *rt, void (*fn)(void *arg, const char *name), void *arg);

/* For bindings: the output of the running task goes to a command; false: it carries out none. */
bool hs_lua_command_print(struct hs_lua_runtime *rt, struct hs_view text);

#endif
