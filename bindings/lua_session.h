/* lua_session.h - sessions in the hands of scripts: a handle is a table whose first element is the session's serial.
 * The serial is never reused, so a kept handle is recognised when its request has ended. */
#ifndef HS_BINDINGS_LUA_SESSION_H
#define HS_BINDINGS_LUA_SESSION_H

#include "bindings/arg.h"
#include "bindings/internal.h"
#include "bindings/task.h"

/* The live session of the handle at index 1; NULL when its request has ended. Raises for something that is no handle. */
static inline ec_httpsrv_session *
hs_lua_session(lua_State *L, struct hs_lua_runtime *rt, const char *fname)
{
    if (lua_type(L, 1) != LUA_TTABLE) {
        hs_lua_throw(L, "calling '%s' on bad self (session expected, got %s)", fname, luaL_typename(L, 1));
    }
    lua_rawgeti(L, 1, 1);
    const double serial = lua_tonumber(L, -1);
    lua_pop(L, 1);
    if (rt->env == NULL || !(serial >= 1)) {
        return NULL;
    }
    return hs_session_by_serial(rt->env, (uint64_t)serial);
}

/* nil, "session has finished", "EBADF" */
static inline int
hs_lua_stale(lua_State *L)
{
    return hs_lua_fail_as(L, EBADF, "session has finished");
}

#endif
