/* lua_pool.c - thread pools in the hands of scripts: declaring them, looking at them, running functions in them.
 * A job is held by a userdata, which cancels it when it goes; lua/httpsrv/pool.lua makes httpsrv.run_in_pool of it. */
#include <errno.h>
#include <string.h>

#include "bindings/arg.h"
#include "bindings/pool_job.h"
#include "bindings/task.h"
#include "bindings/wait.h"

#define THREADS_MAX 1024
#define QUEUE_MAX 1000000

struct job_box {
    struct hs_lua_job *job;
};

/* --- pools --- */

/* pool_new(name, threads, queue) -> true, or nil, message, code. A pool that an earlier generation has made gets these limits. */
static int
l_pool_new(lua_State *L)
{
    const char *name = hs_lua_arg_cstring(L, 1, 1, "pool", false);
    const unsigned threads = (unsigned)hs_lua_arg_integer(L, 2, 2, "pool", 1, THREADS_MAX);
    const size_t queue = (size_t)hs_lua_arg_integer(L, 3, 2, "pool", 0, QUEUE_MAX);
    struct hs_pool *pool;
    int err = hs_pool_new(name, threads, queue, &pool);
    if (err == EEXIST) {
        err = hs_pool_set(hs_pool_find(name), threads, queue);
    }
    if (err != 0) {
        return hs_lua_fail(L, err);
    }
    lua_pushboolean(L, 1);
    return 1;
}

/* pool_known(name) */
static int
l_pool_known(lua_State *L)
{
    lua_pushboolean(L, hs_pool_find(luaL_checkstring(L, 1)) != NULL);
    return 1;
}

static void
set_number(lua_State *L, const char *name, double n)
{
    lua_pushnumber(L, n);
    lua_setfield(L, -2, name);
}

/* pool_stat(name) -> table, or nil when there is no such pool */
static int
l_pool_stat(lua_State *L)
{
    struct hs_pool *pool = hs_pool_find(luaL_checkstring(L, 1));
    if (pool == NULL) {
        lua_pushnil(L);
        return 1;
    }
    struct hs_pool_stat st;
    hs_pool_get_stat(pool, &st);
    lua_createtable(L, 0, 10);
    lua_pushstring(L, hs_pool_name(pool));
    lua_setfield(L, -2, "name");
    set_number(L, "id", hs_pool_id(pool));
    set_number(L, "threads_max", st.threads_max);
    set_number(L, "queue_max", (double)st.queue_max);
    set_number(L, "threads", st.threads);
    set_number(L, "active", st.active);
    set_number(L, "queued", (double)st.queued);
    set_number(L, "done", (double)st.done);
    set_number(L, "wait", st.wait_avg);
    set_number(L, "run", st.run_avg);
    return 1;
}

/* pool_names() -> { "IO", "CPU", … } */
static int
l_pool_names(lua_State *L)
{
    struct hs_pool *pool;
    lua_newtable(L);
    for (size_t i = 0; (pool = hs_pool_at(i)) != NULL; i++) {
        lua_pushstring(L, hs_pool_name(pool));
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

/* in_pool() -> whether this is a pool thread's state, and the name of the pool that runs its job */
static int
l_in_pool(lua_State *L)
{
    const struct hs_lua_runtime *rt = hs_lua_rt(L);
    lua_pushboolean(L, rt->pooled);
    if (rt->job == NULL) {
        return 1;
    }
    lua_pushstring(L, hs_pool_name(rt->job->pool));
    return 2;
}

/* --- jobs --- */

static int
l_gc(lua_State *L)
{
    struct job_box *box = lua_touserdata(L, 1);
    if (box->job != NULL) {
        struct hs_lua_job *j = box->job;
        box->job = NULL;
        hs_lua_job_cancel(j);
        hs_lua_job_delref(j);
    }
    return 0;
}

static struct hs_lua_job *
job_of(lua_State *L)
{
    return ((struct job_box *)lua_touserdata(L, 1))->job;
}

/* pool_job(pool, route | -1, serial, function, …) -> job; nil, message, code. Raises where it could not be waited for, and for what cannot
 * travel. */
static int
l_pool_job(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    const char *name = luaL_checkstring(L, 1);
    const int route = (int)lua_tointeger(L, 2);
    const double serial = lua_tonumber(L, 3);
    const int n = lua_gettop(L) - 3;
    struct hs_pool *pool = hs_pool_find(name);
    if (pool == NULL) {
        return hs_lua_fail_as(L, ENOENT, lua_pushfstring(L, "there is no pool '%s'", name));
    }
    if (rt->pooled && hs_pool_thread() != NULL && hs_pool_of_thread(hs_pool_thread()) == pool) {
        return hs_lua_fail_as(L, EDEADLK, lua_pushfstring(L, "a thread of pool '%s' cannot wait for another one of it", name));
    }
    if (hs_wait_begin(L, rt) == NULL) {
        return hs_wait_refuse(L, rt);
    }
    struct job_box *box = lua_newuserdata(L, sizeof(*box));
    box->job = NULL;
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_setmetatable(L, -2);
    const int at = lua_gettop(L);
    box->job = hs_lua_open(rt) ? hs_lua_job_new(rt->unit, pool, route, serial) : NULL;
    if (box->job == NULL) {
        hs_lua_throw(L, "not enough memory");
    }
    struct hs_lua_job *j = box->job;
    j->scripts = rt->phase == HS_LUA_RUN;
    if (route < 0) {
        lua_getglobal(L, "package");
        lua_getfield(L, -1, "path");
        j->path = lua_type(L, -1) == LUA_TSTRING ? strdup(lua_tostring(L, -1)) : NULL;
        lua_pop(L, 2);
    }
    j->done = true; /* not under way */
    int err = hs_pack_values(L, rt, 4, n, "argument", 0, &j->args);
    if (err == EINVAL) {
        hs_lua_throw(L, "%s", j->args.why);
    }
    if (err != 0) {
        return hs_lua_fail(L, err);
    }
    j->done = false;
    err = hs_lua_job_submit(j, rt);
    if (err != 0) {
        hs_pack_return(L, rt, lua_gettop(L), &j->args);
        return err == EAGAIN ? hs_lua_fail_as(L, EAGAIN, lua_pushfstring(L, "pool '%s' is full", name)) : hs_lua_fail(L, err);
    }
    lua_setfenv(L, at);
    lua_settop(L, at);
    return 1;
}

static void
disarm(struct hs_task *t)
{
    struct hs_lua_job *j = t->w.ptr;
    j->waiter = NULL;
    hs_lua_job_cancel(j);
}

/* pool_wait(job) -> true when it is done. Waits. */
static int
l_pool_wait(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    struct hs_lua_job *j = job_of(L);
    if (j->done) {
        lua_pushboolean(L, 1);
        return 1;
    }
    struct hs_task *t = hs_wait_begin(L, rt);
    if (t == NULL) {
        hs_lua_job_cancel(j);
        return hs_wait_refuse(L, rt);
    }
    t->w.ptr = j;
    j->waiter = t;
    return hs_wait_yield(L, t, disarm);
}

/* pool_results(job) -> "ok", results… | "raised", error value, text | "cancelled" | "failed", text. Once. */
static int
l_pool_results(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    struct hs_lua_job *j = job_of(L);
    lua_getfenv(L, 1);
    const int lent = lua_gettop(L);
    hs_pack_return(L, rt, lent, &j->args);
    switch (j->outcome) {
    case HS_LUA_JOB_OK: {
        lua_pushliteral(L, "ok");
        const int n = hs_pack_push(L, rt, lent, &j->results);
        lua_remove(L, -n - 1);
        return n + 1;
    }
    case HS_LUA_JOB_RAISED: {
        lua_pushliteral(L, "raised");
        const int n = hs_pack_push(L, rt, lent, &j->results);
        lua_remove(L, -n - 1);
        if (n == 0) {
            lua_pushlstring(L, j->text.p != NULL ? j->text.p : "", j->text.len);
        }
        break;
    }
    case HS_LUA_JOB_CANCELLED:
        lua_pushliteral(L, "cancelled");
        return 1;
    default:
        lua_pushliteral(L, "failed");
        break;
    }
    lua_pushlstring(L, j->text.p != NULL ? j->text.p : "", j->text.len);
    return j->outcome == HS_LUA_JOB_RAISED ? 3 : 2;
}

/* pool_exit(status): os.exit of a pool thread: the home state's */
static int
l_pool_exit(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    int status = 0;
    if (lua_isboolean(L, 1)) {
        status = lua_toboolean(L, 1) ? 0 : 1;
    } else if (!lua_isnoneornil(L, 1)) {
        status = (int)hs_lua_arg_integer(L, 1, 1, "exit", INT32_MIN, INT32_MAX);
    }
    hs_pool_unit_exit(rt->unit, status);
    struct hs_task *t = rt->current;
    if (t != NULL && hs_wait_possible(L, rt)) {
        t->drop = true;
        lua_pushlightuserdata(L, (void *)&hs_lua_wait);
        return lua_yield(L, 1);
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, rt->ref_cancelled);
    return lua_error(L);
}

void
hs_lua_open_pool(lua_State *L, struct hs_lua_runtime *rt)
{
    static const luaL_Reg functions[] = {
        { "pool_new", l_pool_new },   { "pool_known", l_pool_known },     { "pool_stat", l_pool_stat },
        { "pool_names", l_pool_names }, { "in_pool", l_in_pool },         { "pool_wait", l_pool_wait },
        { "pool_results", l_pool_results }, { "pool_exit", l_pool_exit }, { NULL, NULL },
    };
    hs_lua_functions(L, rt, functions);
    lua_pushlightuserdata(L, rt);
    lua_newtable(L);
    lua_pushcfunction(L, l_gc);
    lua_setfield(L, -2, "__gc");
    lua_pushcclosure(L, l_pool_job, 2);
    lua_setfield(L, -2, "pool_job");
}
