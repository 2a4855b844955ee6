/* wait.h - how a C function lets its task wait.
 *
 *     struct hs_task *t = hs_wait_begin(L, rt);   raises when this place cannot wait
 *     if (t == NULL) return hs_wait_refuse(L, rt);  cancelled
 *     … arm: something that will call hs_task_wake(t, err) from the loop …
 *     return hs_wait_yield(L, t, disarm);
 *
 * On resumption the function returns to its Lua wrapper (again, errno) or (raise, value): loops that try again live in Lua. */
#ifndef HS_BINDINGS_WAIT_H
#define HS_BINDINGS_WAIT_H

#include "bindings/task.h"

/* The running task, ready to wait. Raises "cannot wait inside table.sort" where it cannot. NULL: it has been cancelled. */
struct hs_task *hs_wait_begin(lua_State *L, struct hs_lua_runtime *rt);
/* Returns the cancellation to the wrapper; after too many times the task is dropped. */
int hs_wait_refuse(lua_State *L, struct hs_lua_runtime *rt);
/* Yields. disarm(t) is called once, before the task goes on or ends, and takes back what was armed; NULL: only the task's timer was. */
int hs_wait_yield(lua_State *L, struct hs_task *t, void (*disarm)(struct hs_task *t));
/* The request that the running task works for is over: as a wait of a cancelled task. */
int hs_wait_abandoned(lua_State *L, struct hs_lua_runtime *rt);
/* Whether the running task could wait here. */
bool hs_wait_possible(lua_State *L, struct hs_lua_runtime *rt);
/* Waits for something of a session. */
int hs_wait_session(lua_State *L, struct hs_lua_runtime *rt, ec_httpsrv_session *sess, enum hs_session_wait_for what);

#endif
