/* wait.c - waiting: whether a place can wait, the yield itself, and the waits that need nothing but a timer or a ticket.
 * LuaJIT yields through pcall, iterators and metamethods, but not through C functions that call Lua (table.sort, string.gsub, __gc):
 * that is looked at before anything is armed, at this coroutine and at all those below that resumed it. */
#include "bindings/wait.h"

#include <errno.h>
#include <string.h>

#include "bindings/arg.h"
#include "bindings/req.h"

#define FURTHER_WAITS 16

const char hs_lua_wait;
const char hs_lua_again;
const char hs_lua_raise;

/* The coroutine of the running chain that cannot yield, NULL when all can. *unknown: it was resumed by something that is not ours. */
static lua_State *
unyieldable(lua_State *L, struct hs_lua_runtime *rt, bool *unknown)
{
    lua_State *const base = rt->current->co;
    *unknown = false;
    if (!lua_isyieldable(L)) {
        return L;
    }
    if (L == base) {
        return NULL;
    }
    luaL_checkstack(L, 4, NULL);
    lua_rawgeti(L, LUA_REGISTRYINDEX, rt->ref_parents);
    lua_pushthread(L);
    lua_State *found = NULL;
    for (;;) {
        lua_State *const co = lua_tothread(L, -1);
        if (!lua_isyieldable(co)) {
            found = co;
            break;
        }
        if (co == base) {
            break;
        }
        lua_rawget(L, -2);
        if (!lua_isthread(L, -1)) {
            found = co;
            *unknown = true;
            break;
        }
    }
    lua_pop(L, 2);
    return found;
}

/* Pushes the name under which package.loaded knows the function at the top of the stack, in its place; nil when it does not. */
static void
push_function_name(lua_State *L)
{
    const int fn = lua_gettop(L);
    lua_getfield(L, LUA_REGISTRYINDEX, "_LOADED");
    lua_pushnil(L);
    while (lua_istable(L, fn + 1) && lua_next(L, fn + 1) != 0) {
        if (lua_istable(L, -1) && lua_type(L, -2) == LUA_TSTRING) {
            lua_pushnil(L);
            while (lua_next(L, -2) != 0) {
                if (lua_rawequal(L, -1, fn) && lua_type(L, -2) == LUA_TSTRING) {
                    const char *module = lua_tostring(L, -4);
                    if (strcmp(module, "_G") == 0) {
                        lua_pushvalue(L, -2);
                    } else {
                        lua_pushfstring(L, "%s.%s", module, lua_tostring(L, -2));
                    }
                    lua_replace(L, fn);
                    lua_settop(L, fn);
                    return;
                }
                lua_pop(L, 1);
            }
        }
        lua_pop(L, 1);
    }
    lua_settop(L, fn);
    lua_pushnil(L);
    lua_replace(L, fn);
}

/* Raises the error that says why the chain cannot yield at coroutine co. */
static void
throw_unyieldable(lua_State *L, struct hs_lua_runtime *rt, lua_State *co, bool unknown)
{
    if (unknown) {
        hs_lua_throw(L, "cannot wait in a coroutine that was not resumed by coroutine.resume or coroutine.wrap");
    }
    luaL_checkstack(L, 10, NULL);
    lua_rawgeti(L, LUA_REGISTRYINDEX, rt->ref_safe);
    lua_Debug ar;
    for (int level = co == L ? 1 : 0; lua_getstack(co, level, &ar) == 1; level++) {
        lua_getinfo(co, "Sf", &ar);
        if (co != L) {
            lua_xmove(co, L, 1);
        }
        if (*ar.what != 'C') {
            lua_pop(L, 1);
            continue;
        }
        lua_pushvalue(L, -1);
        lua_rawget(L, -3);
        const bool safe = lua_toboolean(L, -1) != 0;
        lua_pop(L, 1);
        if (safe) {
            lua_pop(L, 1);
            continue;
        }
        push_function_name(L);
        if (lua_isstring(L, -1)) {
            hs_lua_throw(L, "cannot wait inside %s", lua_tostring(L, -1));
        }
        (void)lua_getstack(co, level, &ar);
        lua_getinfo(co, "n", &ar);
        hs_lua_throw(L, "cannot wait inside %s%s", ar.name != NULL ? "the C function " : "a C function",
                     ar.name != NULL ? ar.name : "");
    }
    hs_lua_throw(L, "cannot wait inside a __gc metamethod");
}

struct hs_task *
hs_wait_begin(lua_State *L, struct hs_lua_runtime *rt)
{
    struct hs_task *t = rt->current;
    if (t == NULL) {
        hs_lua_throw(L, "cannot wait outside a task");
    }
    bool unknown;
    lua_State *co = unyieldable(L, rt, &unknown);
    if (co != NULL) {
        throw_unyieldable(L, rt, co, unknown);
    }
    if (t->state != HS_TASK_RUNNING) {
        hs_lua_throw(L, "the task waits already");
    }
    return hs_task_refused(t) ? NULL : t;
}

bool
hs_wait_possible(lua_State *L, struct hs_lua_runtime *rt)
{
    bool unknown;
    return rt->current != NULL && unyieldable(L, rt, &unknown) == NULL;
}

int
hs_wait_refuse(lua_State *L, struct hs_lua_runtime *rt)
{
    struct hs_task *t = rt->current;
    if (++t->refused > FURTHER_WAITS + 1 && hs_wait_possible(L, rt)) {
        t->drop = true;
        lua_pushlightuserdata(L, (void *)&hs_lua_wait);
        return lua_yield(L, 1);
    }
    lua_pushlightuserdata(L, (void *)&hs_lua_raise);
    lua_rawgeti(L, LUA_REGISTRYINDEX, rt->ref_cancelled);
    return 2;
}

int
hs_wait_abandoned(lua_State *L, struct hs_lua_runtime *rt)
{
    rt->current->cancelled = true;
    return hs_task_refused(rt->current) ? hs_wait_refuse(L, rt) : hs_lua_fail(L, ECONNABORTED);
}

int
hs_wait_yield(lua_State *L, struct hs_task *t, void (*disarm)(struct hs_task *t))
{
    t->disarm = disarm;
    t->state = HS_TASK_WAITING;
    lua_pushlightuserdata(L, (void *)&hs_lua_wait);
    return lua_yield(L, 1);
}

/* --- sessions --- */

static void
session_ready(void *arg, int err)
{
    struct hs_task *t = arg;
    if (err != 0 && t->req != NULL && t->req->sess == t->w.session.sess) {
        hs_task_cancel(t); /* as it will be told in a moment */
    }
    hs_task_wake(t, err);
}

static void
disarm_session(struct hs_task *t)
{
    if (t->w.session.waiter.queued) {
        hs_session_wait_cancel(t->w.session.sess, &t->w.session.waiter);
    }
}

int
hs_wait_session(lua_State *L, struct hs_lua_runtime *rt, ec_httpsrv_session *sess, enum hs_session_wait_for what)
{
    struct hs_task *t = hs_wait_begin(L, rt);
    if (t == NULL) {
        return hs_wait_refuse(L, rt);
    }
    t->w.session.sess = sess;
    t->w.session.waiter = (struct hs_session_waiter){ .fn = session_ready, .arg = t };
    hs_session_wait(sess, what, &t->w.session.waiter);
    return hs_wait_yield(L, t, disarm_session);
}

/* --- for Lua --- */

/* sleep(seconds) */
static int
l_sleep(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    const int64_t ns = hs_lua_arg_seconds(L, 1, 1, "sleep");
    struct hs_task *t = hs_wait_begin(L, rt);
    if (t == NULL) {
        return hs_wait_refuse(L, rt);
    }
    int err = hs_task_set_timer(t, ns);
    if (err != 0) {
        return hs_lua_fail(L, err);
    }
    return hs_wait_yield(L, t, NULL);
}

static void
disarm_park(struct hs_task *t)
{
    /* On the main coroutine's stack: it runs no Lua, and clearing an entry allocates nothing. */
    lua_State *L = t->rt->L;
    lua_rawgeti(L, LUA_REGISTRYINDEX, t->rt->ref_parked);
    lua_pushnumber(L, (lua_Number)t->w.ticket);
    lua_pushnil(L);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

/* ticket() -> a number never given before */
static int
l_ticket(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)++hs_lua_rt(L)->last_id);
    return 1;
}

/* park(ticket, deadline | nil): waits until unpark(ticket); (again, ETIMEDOUT) past the deadline, in the seconds of now() */
static int
l_park(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    struct hs_task *t = hs_wait_begin(L, rt);
    if (t == NULL) {
        return hs_wait_refuse(L, rt);
    }
    const bool limited = !lua_isnoneornil(L, 2);
    double left = 0;
    if (limited) {
        left = lua_tonumber(L, 2) - (double)hs_loop_now(rt->loop) / (double)HS_SEC;
        if (!(left > 0)) {
            lua_pushlightuserdata(L, (void *)&hs_lua_again);
            lua_pushinteger(L, ETIMEDOUT);
            return 2;
        }
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, rt->ref_parked);
    lua_pushvalue(L, 1);
    lua_pushlightuserdata(L, t);
    lua_rawset(L, -3);
    t->w.ticket = (uint64_t)lua_tonumber(L, 1);
    /* A day at most at a time would do for the wake-up; ten years are as good and fit. */
    int err = limited ? hs_task_set_timer(t, (int64_t)((left < 3e8 ? left : 3e8) * (double)HS_SEC)) : 0;
    if (err != 0) {
        disarm_park(t);
        return hs_lua_fail(L, err);
    }
    return hs_wait_yield(L, t, disarm_park);
}

/* unpark(ticket) -> whether a task was parked with it */
static int
l_unpark(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    lua_rawgeti(L, LUA_REGISTRYINDEX, rt->ref_parked);
    lua_pushvalue(L, 1);
    lua_rawget(L, -2);
    struct hs_task *t = lua_touserdata(L, -1);
    if (t != NULL) {
        hs_task_wake(t, 0);
    }
    lua_pushboolean(L, t != NULL);
    return 1;
}

/* can_wait() */
static int
l_can_wait(lua_State *L)
{
    lua_pushboolean(L, hs_wait_possible(L, hs_lua_rt(L)));
    return 1;
}

void
hs_lua_open_wait(lua_State *L, struct hs_lua_runtime *rt)
{
    static const luaL_Reg functions[] = {
        { "sleep", l_sleep },   { "ticket", l_ticket },     { "park", l_park },
        { "unpark", l_unpark }, { "can_wait", l_can_wait }, { NULL, NULL },
    };
    hs_lua_functions(L, rt, functions);
    lua_pushlightuserdata(L, (void *)&hs_lua_wait);
    lua_setfield(L, -2, "WAIT");
    lua_pushlightuserdata(L, (void *)&hs_lua_again);
    lua_setfield(L, -2, "AGAIN");
    lua_pushlightuserdata(L, (void *)&hs_lua_raise);
    lua_setfield(L, -2, "RAISE");
}
