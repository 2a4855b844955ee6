/* enter.h - the one door from C into Lua. Loop thread only, and only when Lua is not running. */
#ifndef HS_BINDINGS_ENTER_H
#define HS_BINDINGS_ENTER_H

#include "base/buf.h"
#include "bindings/internal.h"

/* Enough for any traceback. */
#define HS_LUA_TRACEBACK_MAX ((size_t)32 * 1024)

/* Resumes a task's coroutine with the nargs values on its stack; returns what lua_resume gave. */
int hs_enter_resume(struct hs_task *t, int nargs);
/* Runs fn with ud as its light userdata argument, protected. 0; ENOMEM; EINVAL when it raised an error, which is logged as
 * "what: error". what NULL: not logged. */
int hs_enter_protected(struct hs_lua_runtime *rt, lua_CFunction fn, void *ud, const char *what);
/* Appends "message\nstack traceback:…" of a failed resume to out: the error value is at the top of co's stack, any value,
 * and stays there where there is room for a copy. Never fails: without memory, or past out's limit, the text is short. */
void hs_enter_describe(struct hs_lua_runtime *rt, lua_State *co, int status, struct hs_buf *out);

#endif
