/* unload.c - the end of a generation's own work: on_unload functions, then timers and the tasks of no session.
 * The functions run on one task, cancelled when the time is over. Whoever waits for the end is told once, from the loop. */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "bindings/enter.h"
#include "bindings/internal.h"
#include "bindings/task.h"

struct waiter {
    STAILQ_ENTRY(waiter) link;
    hs_lua_done_func *done;
    void *arg;
};

struct hs_unloader {
    struct hs_lua_runtime *rt;
    struct hs_task *task; /* runs the functions */
    bool stopping;        /* they have run */
    bool ended;
    struct hs_timer timer;
    struct hs_deferred step;
    STAILQ_HEAD(, waiter) waiters;
};

static void
tell(struct hs_unloader *u)
{
    struct hs_lua_runtime *rt = u->rt;
    struct waiter *w;
    hs_runtime_addref(rt);
    while (rt->unloader == u && (w = STAILQ_FIRST(&u->waiters)) != NULL) {
        hs_lua_done_func *done = w->done;
        void *arg = w->arg;
        STAILQ_REMOVE_HEAD(&u->waiters, link);
        free(w);
        done(arg, 0); /* may close the runtime, and u with it */
    }
    hs_runtime_delref(rt);
}

static bool
is_ours(const struct hs_task *t)
{
    return t->req == NULL && t->sess == NULL;
}

static void
step(void *arg)
{
    struct hs_unloader *u = arg;
    if (!u->stopping) {
        if (u->task != NULL) {
            return;
        }
        u->stopping = true;
        hs_timer_cancel(&u->timer);
        hs_timers_stop(u->rt);
    }
    bool left = false;
    struct hs_task *t;
    TAILQ_FOREACH (t, &u->rt->tasks, link) {
        if (is_ours(t)) {
            left = true; /* its end calls again */
            hs_task_cancel(t);
        }
    }
    if (!left) {
        u->ended = true;
        tell(u);
    }
}

static void
functions_ended(struct hs_task *t, int status)
{
    struct hs_unloader *u = t->data;
    u->task = NULL;
    if (status == HS_TASK_CANCELLED || status == HS_TASK_DROPPED) {
        hs_log(HS_LOG_WARN, "on_unload functions took too long");
    } else {
        hs_task_log_error(t, status);
    }
}

static const struct hs_task_ops unload_ops = { "on_unload", functions_ended };

static void
timed_out(void *arg)
{
    struct hs_unloader *u = arg;
    if (u->task != NULL) {
        hs_task_cancel(u->task);
    }
}

static int
prepare(lua_State *L)
{
    struct hs_unloader *u = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, u->rt->ref_core);
    lua_getfield(L, -1, "unload");
    u->task = hs_task_new(u->rt, L, &unload_ops, u);
    if (u->task != NULL) {
        lua_xmove(L, u->task->co, 1);
    }
    return 0;
}

static void
begin(void *arg)
{
    struct hs_unloader *u = arg;
    u->step.fn = step;
    (void)hs_enter_protected(u->rt, prepare, u, "on_unload");
    if (u->task == NULL || hs_timer_set(&u->timer, u->rt->unload_timeout) != 0) {
        hs_log(HS_LOG_ERROR, "on_unload functions were not run: out of memory");
        if (u->task != NULL) {
            hs_task_discard(u->task);
            u->task = NULL;
        }
        step(u);
        return;
    }
    hs_task_start(u->task, 0);
}

int
hs_lua_runtime_unload(struct hs_lua_runtime *rt, hs_lua_done_func *done, void *arg)
{
    if (!hs_lua_open(rt)) {
        return EBADF;
    }
    struct waiter *w = malloc(sizeof(*w));
    struct hs_unloader *u = rt->unloader;
    if (w != NULL && u == NULL && (u = calloc(1, sizeof(*u))) != NULL) {
        u->rt = rt;
        STAILQ_INIT(&u->waiters);
        hs_timer_init(&u->timer, rt->loop, timed_out, u);
        hs_deferred_init(&u->step, begin, u);
        rt->unloader = u;
    }
    if (w == NULL || u == NULL) {
        free(w);
        return ENOMEM;
    }
    w->done = done;
    w->arg = arg;
    STAILQ_INSERT_TAIL(&u->waiters, w, link);
    hs_defer(rt->loop, &u->step);
    return 0;
}

void
hs_unload_task_ended(struct hs_lua_runtime *rt)
{
    struct hs_unloader *u = rt->unloader;
    if (u != NULL && u->step.fn == step && !u->ended) {
        hs_defer(rt->loop, &u->step);
    }
}

void
hs_unload_close(struct hs_lua_runtime *rt)
{
    struct hs_unloader *u = rt->unloader;
    struct waiter *w;
    if (u == NULL) {
        return;
    }
    rt->unloader = NULL;
    hs_timer_cancel(&u->timer);
    hs_deferred_cancel(rt->loop, &u->step);
    while ((w = STAILQ_FIRST(&u->waiters)) != NULL) {
        STAILQ_REMOVE_HEAD(&u->waiters, link);
        free(w);
    }
    free(u);
}
