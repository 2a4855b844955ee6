/* lua_base.c - what our Lua files need of C beside sessions and ios: the clock, the log, errors, the runtime itself. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/live.h"
#include "base/log.h"
#include "bindings/arg.h"
#include "bindings/chunk.h"
#include "bindings/control.h"
#include "bindings/internal.h"
#include "bindings/task.h"

/* now() -> seconds of the loop's clock, which never jumps */
static int
l_now(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)hs_loop_now(hs_lua_rt(L)->loop) / (lua_Number)HS_SEC);
    return 1;
}

/* walltime() -> seconds since 1970 */
static int
l_walltime(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)hs_loop_walltime(hs_lua_rt(L)->loop));
    return 1;
}

/* live() -> { sessions =, ios =, tasks =, timers =, connections =, states =, generations = }: how many of each the process has now */
static int
l_live(lua_State *L)
{
    static const struct {
        const char *name;
        enum hs_live_kind kind;
    } kinds[] = {
        { "sessions", HS_LIVE_SESSION }, { "ios", HS_LIVE_IO },           { "tasks", HS_LIVE_TASK },
        { "timers", HS_LIVE_TIMER },     { "connections", HS_LIVE_CONN }, { "states", HS_LIVE_STATE },
        { "generations", HS_LIVE_GENERATION },
    };
    lua_createtable(L, 0, sizeof kinds / sizeof *kinds);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        lua_pushinteger(L, hs_live_get(kinds[i].kind));
        lua_setfield(L, -2, kinds[i].name);
    }
    return 1;
}

/* log(level, text) */
static int
l_log(lua_State *L)
{
    const char *name = hs_lua_arg_cstring(L, 1, 1, "log", false);
    struct hs_view v = hs_lua_arg_bytes(L, 2, 2, "log");
    enum hs_log_level level;
    if (hs_log_level_parse(name, &level) != 0) {
        hs_lua_arg_error(L, 1, "log", "\"debug\", \"info\", \"notice\", \"warn\" or \"error\" expected");
    }
    hs_log(level, "%.*s", v.n > HS_LOG_MAX ? HS_LOG_MAX : (int)v.n, v.p);
    return 0;
}

/* print_separator() -> what stands between the values of print: the log would show a tab as \x09 */
static int
l_print_separator(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    lua_pushstring(L, rt->to_stdout || hs_lua_command_print(rt, HS_VIEW("")) ? "\t" : " ");
    return 1;
}

/* print(text): a line for who has sent the command that is being carried out; else on stdout for httpsrv lua; else in the log */
static int
l_print(lua_State *L)
{
    struct hs_view v = hs_lua_arg_bytes(L, 1, 1, "print");
    if (hs_lua_command_print(hs_lua_rt(L), v)) {
        (void)hs_lua_command_print(hs_lua_rt(L), HS_VIEW("\n"));
    } else if (hs_lua_rt(L)->to_stdout) {
        (void)fwrite(v.p, 1, v.n, stdout);
        (void)fputc('\n', stdout);
    } else {
        hs_log(HS_LOG_INFO, "%.*s", v.n > HS_LOG_MAX ? HS_LOG_MAX : (int)v.n, v.p);
    }
    return 0;
}

/* fail(errno) -> nil, message, name */
static int
l_fail(lua_State *L)
{
    return hs_lua_fail(L, (int)lua_tointeger(L, 1));
}

/* throw(message): raises it with the script's position */
static int
l_throw(lua_State *L)
{
    hs_lua_throw(L, "%s", luaL_checkstring(L, 1));
}

/* arg_error(n, function, text) */
static int
l_arg_error(lua_State *L)
{
    hs_lua_arg_error(L, (int)lua_tointeger(L, 1), luaL_checkstring(L, 2), luaL_checkstring(L, 3));
}

/* where() -> "file.lua:12: " of the script */
static int
l_where(lua_State *L)
{
    hs_lua_where(L);
    return 1;
}

/* phase() -> "load", "check" or "run" */
static int
l_phase(lua_State *L)
{
    static const char *const names[] = { [HS_LUA_LOAD] = "load", [HS_LUA_CHECK] = "check", [HS_LUA_RUN] = "run" };
    lua_pushstring(L, names[hs_lua_rt(L)->phase]);
    return 1;
}

/* is_last() -> whether the server ends with this generation */
static int
l_is_last(lua_State *L)
{
    lua_pushboolean(L, hs_lua_rt(L)->last);
    return 1;
}

/* dir() -> the script directory */
static int
l_dir(lua_State *L)
{
    lua_pushstring(L, hs_lua_rt(L)->dir);
    return 1;
}

/* exit(status): closes the state and ends the process */
static int
l_exit(lua_State *L)
{
    int status = EXIT_SUCCESS;
    if (lua_isboolean(L, 1)) {
        status = lua_toboolean(L, 1) ? EXIT_SUCCESS : EXIT_FAILURE;
    } else if (!lua_isnoneornil(L, 1)) {
        status = (int)hs_lua_arg_integer(L, 1, 1, "exit", INT_MIN, INT_MAX);
    }
    hs_runtime_exit(hs_lua_rt(L), status);
}

/* loadfile(name | nil, mode[, env]) -> function | nil, message */
static int
l_loadfile(lua_State *L)
{
    const char *name = hs_lua_arg_cstring(L, 1, 1, "loadfile", true);
    const char *mode = hs_lua_arg_cstring(L, 2, 2, "loadfile", false);
    const bool with_env = !lua_isnone(L, 3);
    lua_settop(L, 3);
    if (hs_chunk_load_file(L, hs_lua_rt(L), name, mode) != 0) {
        lua_pushnil(L);
        lua_insert(L, -2);
        return 2;
    }
    if (with_env) {
        lua_pushvalue(L, 3);
        if (lua_istable(L, -1)) {
            lua_setfenv(L, -2);
        } else {
            lua_pop(L, 1);
        }
    }
    return 1;
}

void
hs_lua_open_base(lua_State *L, struct hs_lua_runtime *rt)
{
    static const luaL_Reg functions[] = {
        { "now", l_now },     { "walltime", l_walltime },
    { "live", l_live }, { "log", l_log },     { "print", l_print },
        { "fail", l_fail },   { "throw", l_throw },       { "arg_error", l_arg_error }, { "where", l_where },
        { "phase", l_phase }, { "dir", l_dir }, { "is_last", l_is_last },           { "exit", l_exit },   { "loadfile", l_loadfile },
        { "print_separator", l_print_separator },
        { NULL, NULL },
    };
    hs_lua_functions(L, rt, functions);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
}
