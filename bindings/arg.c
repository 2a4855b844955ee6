/* arg.c - arguments and results of C functions as scripts see them.
 * Owns nothing. Every function here may throw unless it says otherwise. */
#include "bindings/arg.h"

#include <lauxlib.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "base/errname.h"
#include "io/loop.h"

#define TEN_YEARS ((double)(10 * 366) * 86400.0)

static bool
is_script(const lua_Debug *ar)
{
    return ar->currentline > 0 && strncmp(ar->source, "=[httpsrv", 9) != 0 && strncmp(ar->source, "=[msys", 6) != 0;
}

void
hs_lua_where(lua_State *L)
{
    lua_Debug ar;
    for (int level = 0; lua_getstack(L, level, &ar) == 1; level++) {
        lua_getinfo(L, "Sl", &ar);
        if (is_script(&ar)) {
            lua_pushfstring(L, "%s:%d: ", ar.short_src, ar.currentline);
            return;
        }
    }
    lua_pushliteral(L, "");
}

int
hs_lua_throw(lua_State *L, const char *fmt, ...)
{
    hs_lua_where(L);
    va_list ap;
    va_start(ap, fmt);
    lua_pushvfstring(L, fmt, ap);
    va_end(ap);
    lua_concat(L, 2);
    lua_error(L);
    __builtin_unreachable();
}

int
hs_lua_arg_error(lua_State *L, int n, const char *fname, const char *text)
{
    hs_lua_throw(L, "bad argument #%d to '%s' (%s)", n, fname, text);
}

int
hs_lua_type_error(lua_State *L, int idx, int n, const char *fname, const char *expected)
{
    const char *got = lua_type(L, idx) == LUA_TNONE ? "no value" : luaL_typename(L, idx);
    hs_lua_throw(L, "bad argument #%d to '%s' (%s expected, got %s)", n, fname, expected, got);
}

struct hs_view
hs_lua_arg_bytes(lua_State *L, int idx, int n, const char *fname)
{
    struct hs_view v;
    v.p = lua_tolstring(L, idx, &v.n);
    if (v.p == NULL) {
        hs_lua_type_error(L, idx, n, fname, "string");
    }
    return v;
}

struct hs_view
hs_lua_arg_bytes_or_nil(lua_State *L, int idx, int n, const char *fname)
{
    if (lua_isnoneornil(L, idx)) {
        return (struct hs_view){ NULL, 0 };
    }
    return hs_lua_arg_bytes(L, idx, n, fname);
}

const char *
hs_lua_arg_cstring(lua_State *L, int idx, int n, const char *fname, bool optional)
{
    if (optional && lua_isnoneornil(L, idx)) {
        return NULL;
    }
    struct hs_view v = hs_lua_arg_bytes(L, idx, n, fname);
    if (memchr(v.p, '\0', v.n) != NULL) {
        hs_lua_arg_error(L, n, fname, "string contains a NUL");
    }
    return v.p;
}

int64_t
hs_lua_arg_integer(lua_State *L, int idx, int n, const char *fname, int64_t min, int64_t max)
{
    if (!lua_isnumber(L, idx)) {
        hs_lua_type_error(L, idx, n, fname, "number");
    }
    double d = lua_tonumber(L, idx);
    /* max may round up as a double: compare after the conversion too. */
    if (!(d >= (double)min && d <= (double)max) || d != floor(d) || fabs(d) > 9007199254740992.0 || (int64_t)d > max) {
        hs_lua_where(L);
        lua_pushfstring(L, "bad argument #%d to '%s' (integer from %f to %f expected, got %s)", n, fname, (double)min,
                        (double)max, lua_tostring(L, idx));
        lua_concat(L, 2);
        lua_error(L);
    }
    return (int64_t)d;
}

int64_t
hs_lua_arg_seconds(lua_State *L, int idx, int n, const char *fname)
{
    if (!lua_isnumber(L, idx)) {
        hs_lua_type_error(L, idx, n, fname, "number");
    }
    double d = lua_tonumber(L, idx);
    if (!(d >= 0)) {
        hs_lua_arg_error(L, n, fname, "seconds cannot be negative");
    }
    return (int64_t)((d > TEN_YEARS ? TEN_YEARS : d) * (double)HS_SEC);
}

bool
hs_lua_flag(lua_State *L, int idx)
{
    if (lua_type(L, idx) == LUA_TNUMBER) {
        return lua_tonumber(L, idx) != 0;
    }
    return lua_toboolean(L, idx) != 0;
}

int
hs_lua_fail(lua_State *L, int err)
{
    char text[128];
    /* The GNU strerror_r: always a string, in text or static. */
    return hs_lua_fail_as(L, err, strerror_r(err, text, sizeof(text)));
}

int
hs_lua_fail_as(lua_State *L, int err, const char *message)
{
    lua_pushnil(L);
    lua_pushstring(L, message);
    lua_pushstring(L, hs_errname(err));
    return 3;
}
