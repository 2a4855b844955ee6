/* lua_task.c - tasks in the hands of scripts: spawn, cancel, shields. lua/httpsrv/task.lua makes httpsrv.spawn of them.
 * A task made by spawn is known to Lua by its id; when it has ended, however it did, spawn_ended is called with the outcome. */
#include "bindings/arg.h"
#include "bindings/enter.h"
#include "bindings/req.h"
#include "bindings/task.h"

/* How a task made by spawn ends: spawn_ended(id, true, results…) or spawn_ended(id, false, error value, text) in lua/httpsrv/task.lua. */
struct spawn_end {
    struct hs_task *task;
    int status;
    struct hs_buf text;
};

static int
call_spawn_ended(lua_State *L)
{
    struct spawn_end *e = lua_touserdata(L, 1);
    struct hs_task *t = e->task;
    lua_rawgeti(L, LUA_REGISTRYINDEX, t->rt->ref_tasks);
    lua_pushnumber(L, (lua_Number)t->id);
    lua_pushnil(L);
    lua_rawset(L, -3);
    lua_rawgeti(L, LUA_REGISTRYINDEX, t->rt->ref_core);
    lua_getfield(L, -1, "spawn_ended");
    lua_pushnumber(L, (lua_Number)t->id);
    const bool value_kept = e->status < HS_TASK_CANCELLED && lua_gettop(t->co) > 0;
    int n = 2;
    if (e->status == 0) {
        const int results = lua_gettop(t->co);
        luaL_checkstack(L, results + 1, "too many results of a task");
        lua_pushboolean(L, 1);
        lua_xmove(t->co, L, results);
        n += results;
    } else {
        lua_pushboolean(L, 0);
        if (value_kept) {
            lua_xmove(t->co, L, 1);
        } else if (e->status == LUA_ERRMEM) {
            lua_pushliteral(L, "not enough memory");
        } else if (e->text.len != 0) {
            lua_pushlstring(L, e->text.p, e->text.len);
        } else {
            lua_rawgeti(L, LUA_REGISTRYINDEX, t->rt->ref_cancelled);
        }
        lua_pushlstring(L, e->text.p != NULL ? e->text.p : "", e->text.len);
        n += 2;
    }
    lua_call(L, n, 0);
    return 0;
}

static void
spawn_ended(struct hs_task *t, int status)
{
    if (status == HS_TASK_CLOSED) {
        return;
    }
    struct spawn_end e = { .task = t, .status = status };
    hs_buf_init(&e.text, HS_LUA_TRACEBACK_MAX);
    if (status != 0 && status < HS_TASK_CANCELLED) {
        hs_enter_describe(t->rt, t->co, status, &e.text);
    }
    if (hs_enter_protected(t->rt, call_spawn_ended, &e, "task") != 0) {
        e.status = LUA_ERRMEM; /* without its results: whoever waits must not wait for ever */
        hs_buf_clear(&e.text);
        lua_settop(t->co, 0);
        (void)hs_enter_protected(t->rt, call_spawn_ended, &e, "task");
    }
    hs_buf_fini(&e.text);
}

static const struct hs_task_ops spawn_ops = { "task", spawn_ended };

/* spawn(detached, fn, …) -> id */
static int
l_spawn(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    const bool detached = lua_toboolean(L, 1) != 0;
    const int n = lua_gettop(L) - 1;
    struct hs_req *req = detached ? NULL : hs_req_current(rt, L);
    const uint64_t id = ++rt->last_id;
    /* The entry first: what comes after the task was made cannot throw. */
    lua_rawgeti(L, LUA_REGISTRYINDEX, rt->ref_tasks);
    lua_pushnumber(L, (lua_Number)id);
    lua_pushboolean(L, 0);
    lua_rawset(L, -3);
    struct hs_task *t = hs_task_new(rt, L, &spawn_ops, NULL);
    if (t == NULL || lua_checkstack(t->co, n) == 0) {
        if (t != NULL) {
            hs_task_discard(t);
        }
        hs_lua_throw(L, "cannot start a task");
    }
    lua_pushnumber(L, (lua_Number)id);
    lua_pushlightuserdata(L, t);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    t->id = id;
    if (req != NULL) {
        hs_req_add_task(req, t);
    }
    lua_xmove(L, t->co, n);
    if (rt->phase == HS_LUA_RUN) {
        hs_task_start(t, n - 1);
    } else {
        hs_task_hold(t, n - 1);
    }
    lua_pushnumber(L, (lua_Number)id);
    return 1;
}

static struct hs_task *
task_by_id(lua_State *L, struct hs_lua_runtime *rt, int idx)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, rt->ref_tasks);
    lua_pushvalue(L, idx);
    lua_rawget(L, -2);
    struct hs_task *t = lua_touserdata(L, -1);
    lua_pop(L, 2);
    return t;
}

/* task_cancel(id) */
static int
l_task_cancel(lua_State *L)
{
    struct hs_task *t = task_by_id(L, hs_lua_rt(L), 1);
    if (t != NULL) {
        hs_task_cancel(t);
    }
    return 0;
}

/* task_held(id): it starts when the scripts go live */
static int
l_task_held(lua_State *L)
{
    struct hs_task *t = task_by_id(L, hs_lua_rt(L), 1);
    lua_pushboolean(L, t != NULL && t->state == HS_TASK_HELD);
    return 1;
}

/* task_self() -> what identifies the running task, and its id when spawn made it (0) */
static int
l_task_self(lua_State *L)
{
    struct hs_task *t = hs_lua_rt(L)->current;
    lua_pushlightuserdata(L, t);
    lua_pushnumber(L, t != NULL ? (lua_Number)t->id : 0);
    return 2;
}

/* task_spoil(): the running task's coroutine cannot be used again */
static int
l_task_spoil(lua_State *L)
{
    struct hs_task *t = hs_lua_rt(L)->current;
    if (t != NULL) {
        t->spoilt = true;
    }
    return 0;
}

/* shield_enter(seconds) */
static int
l_shield_enter(lua_State *L)
{
    const int64_t limit = hs_lua_arg_seconds(L, 1, 2, "shield");
    struct hs_task *t = hs_lua_rt(L)->current;
    if (t != NULL && hs_task_shield(t, limit) != 0) {
        hs_lua_throw(L, "not enough memory");
    }
    return 0;
}

/* shield_leave() */
static int
l_shield_leave(lua_State *L)
{
    struct hs_task *t = hs_lua_rt(L)->current;
    if (t != NULL) {
        hs_task_unshield(t);
    }
    return 0;
}

void
hs_lua_open_task(lua_State *L, struct hs_lua_runtime *rt)
{
    static const luaL_Reg functions[] = {
        { "spawn", l_spawn },
        { "task_cancel", l_task_cancel },
        { "task_held", l_task_held },
        { "task_self", l_task_self },
        { "task_spoil", l_task_spoil },
        { "shield_enter", l_shield_enter },
        { "shield_leave", l_shield_leave },
        { NULL, NULL },
    };
    hs_lua_functions(L, rt, functions);
}
