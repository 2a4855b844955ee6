/* pool_call.c - methods of sessions, called in a pool thread: the call crosses to the loop with its arguments, is made there by a task of the
 * home state, which waits where the method waits, and its results cross back. Meanwhile the thread stands still.
 * In the task of a session that it works for, the call is cancelled with the session; it then raises httpsrv.cancelled in the pool. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bindings/arg.h"
#include "bindings/enter.h"
#include "bindings/lua_session.h"
#include "bindings/pool_job.h"
#include "bindings/req.h"

#define NAME_MAX_LEN 64

struct session_call {
    struct hs_crossing c;
    struct hs_pool_unit *unit; /* a reference */
    double serial;
    char name[NAME_MAX_LEN];
    bool own; /* the session is the job's */
    struct hs_pack args, results;
    enum hs_lua_job_outcome outcome;
    struct hs_buf text;
    /* home */
    struct hs_lua_runtime *rt;
    struct hs_task *task;
    int anchor;
};

static void
call_free(struct hs_crossing *c)
{
    struct session_call *s = (struct session_call *)c;
    hs_pack_fini(&s->args);
    hs_pack_fini(&s->results);
    hs_buf_fini(&s->text);
    hs_pool_unit_delref(s->unit);
    free(s);
}

/* --- on the loop --- */

static void
reply(struct session_call *s, enum hs_lua_job_outcome outcome)
{
    s->outcome = outcome;
    hs_crossing_reply(&s->c);
}

static int
pack_result(lua_State *L)
{
    struct session_call *s = lua_touserdata(L, 1);
    lua_State *co = s->task->co;
    const int n = lua_gettop(co);
    luaL_checkstack(L, n + 2, "too many results");
    lua_rawgeti(L, LUA_REGISTRYINDEX, s->anchor);
    lua_xmove(co, L, n);
    int err = hs_pack_values(L, s->rt, 3, n, "result", 2, &s->results);
    if (err != 0) {
        s->outcome = HS_LUA_JOB_RAISED;
        hs_buf_clear(&s->text);
        (void)hs_buf_printf(&s->text, "%s", err == EINVAL ? s->results.why : strerror(err));
    }
    return 0;
}

/* The error value as text, without a traceback: the pool has the one that matters. */
static int
take_error(lua_State *L)
{
    struct session_call *s = lua_touserdata(L, 1);
    size_t n = 0;
    lua_settop(L, 0);
    if (lua_gettop(s->task->co) > 0) {
        lua_xmove(s->task->co, L, 1);
        const char *p = lua_tolstring(L, -1, &n);
        (void)hs_buf_append(&s->text, p != NULL ? p : "", p != NULL ? n : 0);
    }
    return 0;
}

static int
collect(lua_State *L)
{
    struct session_call *s = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, s->anchor);
    hs_pack_collect(L, s->rt, lua_gettop(L), &s->args);
    return 0;
}

static void
ended(struct hs_task *t, int status)
{
    struct session_call *s = t->data;
    if (!hs_crossing_enter(&s->c) || status == HS_TASK_CLOSED) {
        if (status != HS_TASK_CLOSED) {
            hs_lua_unref(s->rt, &s->anchor);
        }
        reply(s, HS_LUA_JOB_CANCELLED);
        return;
    }
    s->outcome = HS_LUA_JOB_OK;
    if (status == HS_TASK_CANCELLED || status == HS_TASK_DROPPED) {
        s->outcome = HS_LUA_JOB_CANCELLED;
    } else if (status != 0) {
        s->outcome = HS_LUA_JOB_RAISED;
        (void)hs_enter_protected(s->rt, take_error, s, NULL);
        if (s->text.len == 0) {
            (void)hs_buf_append_view(&s->text, HS_VIEW("not enough memory"));
        }
    } else if (hs_enter_protected(s->rt, pack_result, s, NULL) != 0) {
        s->outcome = HS_LUA_JOB_RAISED;
        (void)hs_buf_append_view(&s->text, HS_VIEW("not enough memory"));
    }
    (void)hs_enter_protected(s->rt, collect, s, NULL);
    hs_lua_unref(s->rt, &s->anchor);
    reply(s, s->outcome);
}

static const struct hs_task_ops call_ops = { "session call of a pool", ended };

static int
prepare(lua_State *L)
{
    struct session_call *s = lua_touserdata(L, 1);
    const int n = hs_pack_push(L, s->rt, 0, &s->args);
    lua_pushvalue(L, 2);
    s->anchor = luaL_ref(L, LUA_REGISTRYINDEX);
    struct hs_task *t = hs_task_new(s->rt, L, &call_ops, s);
    if (t == NULL || lua_checkstack(t->co, n + 3) == 0) {
        if (t != NULL) {
            hs_task_discard(t);
        }
        return luaL_error(L, "not enough memory");
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, s->rt->ref_core);
    lua_getfield(L, -1, "session_serve");
    lua_xmove(L, t->co, 1);
    lua_pop(L, 1);
    lua_pushstring(t->co, s->name);
    lua_pushnumber(t->co, s->serial);
    lua_xmove(L, t->co, n);
    t->nargs = n + 2;
    s->task = t;
    return 0;
}

static void
serve(struct hs_crossing *c)
{
    struct session_call *s = (struct session_call *)c;
    struct hs_lua_runtime *rt = hs_pool_unit_home(s->unit);
    if (rt == NULL || !hs_lua_open(rt)) {
        reply(s, HS_LUA_JOB_CANCELLED);
        return;
    }
    s->rt = rt;
    ec_httpsrv_session *sess =
        s->own && rt->env != NULL && s->serial >= 1 ? hs_session_by_serial(rt->env, (uint64_t)s->serial) : NULL;
    struct hs_req *req = sess != NULL ? hs_req_get(rt, sess) : NULL;
    if (req != NULL && req->aborted && !req->continues) {
        reply(s, HS_LUA_JOB_CANCELLED);
        return;
    }
    if ((sess != NULL && req == NULL) || hs_enter_protected(rt, prepare, s, NULL) != 0) {
        (void)hs_buf_append_view(&s->text, HS_VIEW("not enough memory"));
        hs_lua_unref(rt, &s->anchor);
        reply(s, HS_LUA_JOB_RAISED);
        return;
    }
    if (req != NULL) {
        hs_req_add_task(req, s->task);
    }
    hs_crossing_leave(&s->c); /* nothing was lent: the caller may go while the task waits */
    hs_task_start(s->task, s->task->nargs);
}

/* --- in the pool thread --- */

/* Pushes what the reply said. */
static int
finish(lua_State *L, struct hs_lua_runtime *rt, int lent, struct session_call *s)
{
    switch (s->outcome) {
    case HS_LUA_JOB_OK: {
        lua_pushliteral(L, "ok");
        const int n = hs_pack_push(L, rt, lent, &s->results);
        lua_remove(L, -n - 1); /* the boxes are held by the values */
        return n + 1;
    }
    case HS_LUA_JOB_CANCELLED:
        lua_pushliteral(L, "cancelled");
        return 1;
    default:
        lua_pushliteral(L, "raised");
        lua_pushlstring(L, s->text.p != NULL ? s->text.p : "", s->text.len);
        return 2;
    }
}

/* What the pool thread has of a call, so that an error on the way loses nothing. */
struct call_box {
    struct session_call *call;
};

static int
l_gc(lua_State *L)
{
    struct call_box *b = lua_touserdata(L, 1);
    if (b->call != NULL) {
        struct session_call *s = b->call;
        b->call = NULL;
        if (s->c.group != NULL) {
            hs_crossing_drop(&s->c);
        } else {
            pthread_cond_destroy(&s->c.changed);
            call_free(&s->c);
        }
    }
    return 0;
}

/* session_call(name, session, …) -> "ok", results… | "cancelled" | "raised", message */
static int
l_session_call(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    const char *name = luaL_checkstring(L, 1);
    const int nargs = lua_gettop(L) - 2;
    if (lua_type(L, 2) != LUA_TTABLE) {
        hs_lua_throw(L, "calling '%s' on bad self (session expected, got %s)", name, luaL_typename(L, 2));
    }
    if (rt->job == NULL) {
        hs_lua_throw(L, "no session can be used while scripts are loaded");
    }
    lua_rawgeti(L, 2, 1);
    const double serial = lua_tonumber(L, -1);
    lua_pop(L, 1);

    struct call_box *box = lua_newuserdata(L, sizeof(*box));
    box->call = NULL;
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_setmetatable(L, -2);
    struct session_call *s = calloc(1, sizeof(*s));
    if (s == NULL || hs_crossing_init(&s->c, serve, call_free) != 0) {
        free(s);
        hs_lua_throw(L, "not enough memory");
    }
    s->unit = hs_pool_unit_addref(rt->unit);
    s->serial = serial;
    (void)snprintf(s->name, sizeof(s->name), "%s", name);
    s->own = serial == rt->job->serial;
    s->anchor = LUA_NOREF;
    hs_pack_init(&s->args);
    hs_pack_init(&s->results);
    hs_buf_init(&s->text, HS_LUA_TRACEBACK_MAX);
    box->call = s;
    int err = hs_pack_values(L, rt, 3, nargs, "argument", 0, &s->args);
    if (err != 0) {
        lua_pushliteral(L, "raised");
        lua_pushstring(L, err == EINVAL ? s->args.why : strerror(err));
        return 2;
    }
    const int lent = lua_gettop(L);
    err = hs_crossing_call(&s->c, rt->job->group, hs_pool_unit_loop(rt->unit));
    if (err != 0) {
        lua_pushliteral(L, "cancelled");
        return 1;
    }
    hs_pack_return(L, rt, lent, &s->args);
    return finish(L, rt, lent, s);
}

void
hs_lua_open_pool_call(lua_State *L, struct hs_lua_runtime *rt)
{
    lua_pushlightuserdata(L, rt);
    lua_newtable(L);
    lua_pushcfunction(L, l_gc);
    lua_setfield(L, -2, "__gc");
    lua_pushcclosure(L, l_session_call, 2);
    lua_setfield(L, -2, "session_call");
}
