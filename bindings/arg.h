/* arg.h - arguments and results of C functions as scripts see them.
 * Errors carry the position of the script's own line, however many of our Lua files lie between: chunks named "[httpsrv…]" and "[msys…]" are ours. */
#ifndef HS_BINDINGS_ARG_H
#define HS_BINDINGS_ARG_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/view.h"

/* Pushes "file.lua:12: ", or "" when no script is on the stack. May throw (memory). */
void hs_lua_where(lua_State *L);
/* Raises an error with the script's position. fmt as lua_pushfstring. Does not return. */
int hs_lua_throw(lua_State *L, const char *fmt, ...) __attribute__((noreturn));
/* Raises "bad argument #n to 'fname' (text)". */
int hs_lua_arg_error(lua_State *L, int n, const char *fname, const char *text) __attribute__((noreturn));
/* Raises "bad argument #n to 'fname' (expected expected, got type)". idx: the stack index of the argument. */
int hs_lua_type_error(lua_State *L, int idx, int n, const char *fname, const char *expected) __attribute__((noreturn));

/* The bytes of a string or number argument; a number is converted in place. Others raise. Borrowed while it is on the stack. */
struct hs_view hs_lua_arg_bytes(lua_State *L, int idx, int n, const char *fname);
/* The same; a NULL p for nil and none. */
struct hs_view hs_lua_arg_bytes_or_nil(lua_State *L, int idx, int n, const char *fname);
/* A NUL-terminated string without NULs inside; NULL for nil and none when optional. */
const char *hs_lua_arg_cstring(lua_State *L, int idx, int n, const char *fname, bool optional);
/* An integer within min..max. */
int64_t hs_lua_arg_integer(lua_State *L, int idx, int n, const char *fname, int64_t min, int64_t max);
/* A number of seconds, not negative, as nanoseconds (at most ten years). */
int64_t hs_lua_arg_seconds(lua_State *L, int idx, int n, const char *fname);
/* A flag: false for nil, false and the number 0. */
bool hs_lua_flag(lua_State *L, int idx);

/* Pushes nil, message, name of err; returns 3. */
int hs_lua_fail(lua_State *L, int err);
int hs_lua_fail_as(lua_State *L, int err, const char *message);

#endif
