/* pool_job.c - one run of a Lua function in a pool thread.
 * The thread enters its state of the unit, starts a task there and turns its loop until that has ended, and all that it began beside it; so
 * whatever waits in a handler waits in a pool too. A cancellation reaches the task as a post to that loop, and a call into the home loop
 * through the job's group. */
#include "bindings/pool_job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "bindings/arg.h"
#include "bindings/enter.h"
#include "bindings/task.h"

struct hs_lua_job *
hs_lua_job_new(struct hs_pool_unit *unit, struct hs_pool *pool, int route, double serial)
{
    struct hs_lua_job *j = calloc(1, sizeof(*j));
    if (j == NULL) {
        return NULL;
    }
    j->group = hs_crossing_group_new();
    if (j->group == NULL || pthread_mutex_init(&j->lock, NULL) != 0) {
        hs_crossing_group_delref(j->group);
        free(j);
        return NULL;
    }
    atomic_init(&j->refs, 1);
    j->unit = hs_pool_unit_addref(unit);
    j->pool = pool;
    j->route = route;
    j->serial = serial;
    j->anchor = LUA_NOREF;
    hs_pack_init(&j->args);
    hs_pack_init(&j->results);
    hs_buf_init(&j->text, HS_LUA_TRACEBACK_MAX);
    return j;
}

void
hs_lua_job_delref(struct hs_lua_job *j)
{
    if (atomic_fetch_sub(&j->refs, 1) != 1) {
        return;
    }
    hs_pack_fini(&j->args);
    hs_pack_fini(&j->results);
    hs_buf_fini(&j->text);
    hs_crossing_group_delref(j->group);
    hs_pool_unit_delref(j->unit);
    free(j->path);
    pthread_mutex_destroy(&j->lock);
    free(j);
}

/* --- in the pool thread --- */

static int
pack_result(lua_State *L)
{
    struct hs_lua_job *j = lua_touserdata(L, 1);
    lua_State *co = j->task->co;
    int n = lua_gettop(co);
    if (j->outcome != HS_LUA_JOB_OK) {
        n = n > 0 ? 1 : 0;
    }
    luaL_checkstack(L, n + 2, "too many results");
    lua_rawgeti(L, LUA_REGISTRYINDEX, j->anchor); /* nil for a handler */
    lua_xmove(co, L, n);
    int err = hs_pack_values(L, j->rt, 3, n, "result", 2, &j->results);
    if (err == 0) {
        return 0;
    }
    hs_pack_fini(&j->results);
    if (j->outcome == HS_LUA_JOB_OK) {
        j->outcome = HS_LUA_JOB_FAILED;
        hs_buf_clear(&j->text);
        (void)hs_buf_printf(&j->text, "%s", err == EINVAL ? j->results.why : strerror(err));
    }
    return 0;
}

static void
ended(struct hs_task *t, int status)
{
    struct hs_lua_job *j = t->data;
    if (status == HS_TASK_CANCELLED || status == HS_TASK_DROPPED || status == HS_TASK_CLOSED) {
        j->outcome = HS_LUA_JOB_CANCELLED;
        if (status == HS_TASK_DROPPED) {
            hs_task_log_error(t, status);
        }
    } else {
        j->outcome = status == 0 ? HS_LUA_JOB_OK : HS_LUA_JOB_RAISED;
        if (status != 0) {
            hs_enter_describe(j->rt, t->co, status, &j->text);
        }
        if (hs_enter_protected(j->rt, pack_result, j, NULL) != 0 && j->outcome == HS_LUA_JOB_OK) {
            j->outcome = HS_LUA_JOB_FAILED;
            (void)hs_buf_append_view(&j->text, HS_VIEW("the results: not enough memory"));
        }
    }
    j->task = NULL;
}

static const struct hs_task_ops job_ops = { "pool", ended };

/* The function comes from a state whose package.path a script may have changed. */
static void
set_path(lua_State *L, const char *path)
{
    if (path != NULL) {
        lua_getglobal(L, "package");
        lua_pushstring(L, path);
        lua_setfield(L, -2, "path");
        lua_pop(L, 1);
    }
}

/* Makes the task, with the function and its arguments on its stack; their number is left in the task's nargs. */
static int
prepare(lua_State *L)
{
    struct hs_lua_job *j = lua_touserdata(L, 1);
    int n;
    if (j->route >= 0) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, j->rt->ref_pool_handlers);
        lua_rawgeti(L, -1, j->route + 1);
        lua_remove(L, -2);
        if (!lua_isfunction(L, -1)) {
            return luaL_error(L, "there is no such handler in this state");
        }
        lua_pushnumber(L, j->serial);
        n = 2;
    } else {
        set_path(L, j->path);
        n = hs_pack_push(L, j->rt, 0, &j->args);
        lua_pushvalue(L, 2);
        j->anchor = luaL_ref(L, LUA_REGISTRYINDEX);
    }
    struct hs_task *t = hs_task_new(j->rt, L, &job_ops, j);
    if (t == NULL || lua_checkstack(t->co, n) == 0) {
        if (t != NULL) {
            hs_task_discard(t);
        }
        return luaL_error(L, "not enough memory");
    }
    lua_xmove(L, t->co, n);
    t->nargs = n - 1;
    j->task = t;
    return 0;
}

/* The error of prepare is wanted as text, so it is caught here. */
static int
prepare_caught(lua_State *L)
{
    struct hs_lua_job *j = lua_touserdata(L, 1);
    lua_pushcfunction(L, prepare);
    lua_pushlightuserdata(L, j);
    if (lua_pcall(L, 1, 0, 0) != 0) {
        const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "(error object)";
        (void)hs_buf_printf(&j->text, "%s", text);
    }
    return 0;
}

static int
collect(lua_State *L)
{
    struct hs_lua_job *j = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, j->anchor);
    hs_pack_collect(L, j->rt, lua_gettop(L), &j->args);
    return 0;
}

static void
deliver_cancel(void *arg)
{
    struct hs_lua_job *j = arg;
    j->delivered = true;
    if (j->task != NULL) {
        hs_task_cancel(j->task);
    }
}

/* From now on a cancellation is posted to this thread's loop. False: it has been cancelled. */
static bool
listen_for_cancel(struct hs_lua_job *j)
{
    pthread_mutex_lock(&j->lock);
    const bool go = !j->cancelled;
    j->running = go ? j->rt->loop : NULL;
    pthread_mutex_unlock(&j->lock);
    return go;
}

static void
stop_listening(struct hs_lua_job *j)
{
    pthread_mutex_lock(&j->lock);
    j->running = NULL;
    const bool posted = j->posted;
    pthread_mutex_unlock(&j->lock);
    while (posted && !j->delivered && hs_loop_turn(j->rt->loop, true) == 0) {
    }
}

/* Ends what the job has begun beside it: a pool thread between jobs runs nothing, and nothing will be posted to its loop. */
static void
end_others(struct hs_lua_runtime *rt)
{
    for (;;) {
        bool left = rt->pending != 0;
        struct hs_task *t;
        TAILQ_FOREACH (t, &rt->tasks, link) {
            if (t->state != HS_TASK_HELD) {
                hs_task_cancel(t);
                left = true;
            }
        }
        if (!left || hs_loop_turn(rt->loop, true) != 0) {
            return;
        }
    }
}

static void
run_task(struct hs_lua_job *j)
{
    struct hs_lua_runtime *rt = j->rt;
    (void)hs_enter_protected(rt, prepare_caught, j, "pool");
    if (j->task == NULL) {
        j->outcome = HS_LUA_JOB_FAILED;
        if (j->text.len == 0) {
            (void)hs_buf_append_view(&j->text, HS_VIEW("not enough memory"));
        }
    } else if (!listen_for_cancel(j)) {
        hs_task_discard(j->task);
        j->task = NULL;
        j->outcome = HS_LUA_JOB_CANCELLED;
    } else {
        hs_task_start(j->task, j->task->nargs);
        while (j->task != NULL && hs_loop_turn(rt->loop, true) == 0) {
        }
        stop_listening(j);
    }
    end_others(rt);
    if (j->anchor != LUA_NOREF) {
        (void)hs_enter_protected(rt, collect, j, "pool");
        hs_lua_unref(rt, &j->anchor);
    }
}

static void
run(struct hs_job *job)
{
    struct hs_lua_job *j = (struct hs_lua_job *)job;
    pthread_mutex_lock(&j->lock);
    const bool cancelled = j->cancelled;
    pthread_mutex_unlock(&j->lock);
    if (cancelled) {
        j->outcome = HS_LUA_JOB_CANCELLED;
        return;
    }
    hs_crossing_group_set_current(j->group);
    j->rt = hs_pool_state_enter(j->unit, j->scripts, &j->text);
    if (j->rt == NULL) {
        j->outcome = HS_LUA_JOB_FAILED;
    } else {
        j->rt->job = j;
        run_task(j);
        j->rt->job = NULL;
        hs_pool_state_leave(j->rt);
    }
    hs_crossing_group_set_current(NULL);
}

/* --- home --- */

static void
now_done(struct hs_lua_job *j)
{
    j->done = true;
    if (j->pending != NULL) {
        --*j->pending;
    }
}

static void
done(struct hs_job *job)
{
    struct hs_lua_job *j = (struct hs_lua_job *)job;
    now_done(j);
    if (j->waiter != NULL) {
        hs_task_wake(j->waiter, 0);
    }
    hs_lua_job_delref(j);
}

int
hs_lua_job_submit(struct hs_lua_job *j, struct hs_lua_runtime *from)
{
    j->pending = from->pooled ? &from->pending : NULL;
    j->job = (struct hs_job){ .run = run, .done = done };
    atomic_fetch_add(&j->refs, 1);
    int err = hs_pool_submit(j->pool, &j->job);
    if (err != 0) {
        j->done = true;
        hs_lua_job_delref(j);
    } else if (j->pending != NULL) {
        ++*j->pending;
    }
    return err;
}

void
hs_lua_job_cancel(struct hs_lua_job *j)
{
    if (j->done) {
        return;
    }
    if (hs_pool_cancel(j->pool, &j->job)) {
        now_done(j);
        j->outcome = HS_LUA_JOB_CANCELLED;
        hs_lua_job_delref(j);
        return;
    }
    hs_crossing_group_close(j->group);
    pthread_mutex_lock(&j->lock);
    j->cancelled = true;
    if (j->running != NULL && !j->posted) {
        j->posted = true;
        hs_loop_post(j->running, &j->post, deliver_cancel, j);
    }
    pthread_mutex_unlock(&j->lock);
}
