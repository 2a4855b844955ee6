/* task.c - tasks: the only place where a coroutine of ours is begun, resumed and ended.
 * Owns the coroutine through a registry reference, dropped exactly once: when the task ends badly or the runtime closes; after a
 * good end task and coroutine go to the spare list together. While a task waits, nobody but its one waker holds a pointer to it,
 * and disarm takes that back before the task goes. */
#include "bindings/task.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/live.h"
#include "base/log.h"
#include "base/tally.h"
#include "bindings/arg.h"
#include "bindings/enter.h"
#include "bindings/req.h"

#define MAX_SPARE 1024
#define FURTHER_WAITS 16

struct hs_shield {
    struct hs_task *task;
    unsigned depth;
    int64_t limit; /* ns that it holds after a cancellation */
    bool expired;
    struct hs_timer timer;
};

/* --- coroutines --- */

/* Gives t a coroutine. L: where to make it. Throws out of memory; t is whole then. */
static void
attach_coroutine(lua_State *L, struct hs_task *t)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, t->rt->ref_blocked);
    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, -1);
    lua_pushboolean(L, 1);
    lua_rawset(L, -4);
    t->co_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    t->co = co;
    lua_pop(L, 1);
}

static int
attach_protected(lua_State *L)
{
    attach_coroutine(L, lua_touserdata(L, 1));
    return 0;
}

/* Drops the coroutine, where there is one, and frees t. */
static void
task_free(struct hs_task *t)
{
    if (t->co != NULL) {
        luaL_unref(t->rt->L, LUA_REGISTRYINDEX, t->co_ref);
    }
    free(t->timer);
    free(t);
}

/* A spare task with a coroutine, in no list. NULL: out of memory (only without L), or the runtime closes. */
static __attribute__((noinline)) struct hs_task *
take_slowly(struct hs_lua_runtime *rt, lua_State *L)
{
    if (!hs_lua_open(rt)) {
        return NULL;
    }
    struct hs_task *t = rt->spare;
    if (t == NULL) {
        t = calloc(1, sizeof(*t));
        if (t == NULL) {
            if (L != NULL) {
                hs_lua_throw(L, "not enough memory");
            }
            return NULL;
        }
        t->rt = rt;
        rt->spare = t;
        rt->nspare++;
    }
    if (t->co == NULL) {
        if (L != NULL) {
            attach_coroutine(L, t);
        } else if (hs_enter_protected(rt, attach_protected, t, NULL) != 0 &&
                   (rt->share.memory == NULL || hs_enter_protected(rt, attach_protected, t, NULL) != 0)) { /* garbage has been collected meanwhile */
            return NULL;
        }
    }
    rt->spare = TAILQ_NEXT(t, link);
    rt->nspare--;
    return t;
}

static inline struct hs_task *
take(struct hs_lua_runtime *rt, lua_State *L, const struct hs_task_ops *ops, void *data)
{
    struct hs_task *t = rt->spare;
    if (__builtin_expect(t != NULL && t->co != NULL && hs_lua_open(rt), 1)) {
        rt->spare = TAILQ_NEXT(t, link);
        rt->nspare--;
    } else {
        t = take_slowly(rt, L);
        if (t == NULL) {
            return NULL;
        }
    }
    t->ops = ops;
    t->data = data;
    return t;
}

/* Puts t back, which is clean. */
static inline void
put_back(struct hs_task *t)
{
    struct hs_lua_runtime *rt = t->rt;
    t->state = HS_TASK_SPARE;
    TAILQ_NEXT(t, link) = rt->spare;
    rt->spare = t;
    rt->nspare++;
}

void
hs_task_enlist(struct hs_task *t)
{
    struct hs_lua_runtime *rt = t->rt;
    if (!t->listed) {
        t->listed = true;
        TAILQ_INSERT_TAIL(&rt->tasks, t, link);
        rt->ntasks++;
        hs_live_add(HS_LIVE_TASK, 1);
    }
}

struct hs_task *
hs_task_new(struct hs_lua_runtime *rt, lua_State *L, const struct hs_task_ops *ops, void *data)
{
    struct hs_task *t = take(rt, L, ops, data);
    if (t != NULL) {
        hs_task_enlist(t);
    }
    return t;
}

struct hs_task *
hs_task_take(struct hs_lua_runtime *rt, const struct hs_task_ops *ops, void *data)
{
    return take(rt, NULL, ops, data);
}

/* Takes t out of the live ones. reusable: its coroutine can run another function. */
static void
retire(struct hs_task *t, bool reusable)
{
    struct hs_lua_runtime *rt = t->rt;
    if (t->listed) {
        t->listed = false;
        TAILQ_REMOVE(&rt->tasks, t, link);
        rt->ntasks--;
        hs_live_add(HS_LIVE_TASK, -1);
    }
    if (!reusable || rt->nspare >= MAX_SPARE) {
        hs_lua_locks_end(t);
        task_free(t);
        return;
    }
    if (lua_gettop(t->co) != 0) {
        lua_settop(t->co, 0);
    }
    t->ops = NULL;
    t->data = NULL;
    t->req = NULL;
    t->sess = NULL;
    t->id = 0;
    t->started = t->raise = t->drop = t->cancelled = t->continues = false;
    t->refused = 0;
    put_back(t);
}

void
hs_task_discard(struct hs_task *t)
{
    assert(t->state == HS_TASK_SPARE);
    if (t->req != NULL) {
        hs_req_remove_task(t);
    }
    retire(t, true);
}

static void
shield_free(struct hs_task *t)
{
    if (t->shield != NULL) {
        hs_timer_cancel(&t->shield->timer);
        free(t->shield);
        t->shield = NULL;
    }
}

static void
disarm(struct hs_task *t)
{
    if (t->disarm != NULL) {
        void (*fn)(struct hs_task *) = t->disarm;
        t->disarm = NULL;
        fn(t);
    }
    if (t->timer != NULL) {
        hs_timer_cancel(t->timer);
    }
}

/* The task is over: tells its owner, then takes it apart. */
static void
finish(struct hs_task *t, int status)
{
    struct hs_lua_runtime *rt = t->rt;
    disarm(t);
    shield_free(t);
    if (t->ops->ended != NULL) {
        t->ops->ended(t, status);
    }
    if (t->req != NULL) {
        hs_req_remove_task(t);
    }
    retire(t, status == 0 && !t->spoilt);
    hs_unload_task_ended(rt);
}

/* --- running --- */

static bool
is_cancellation(struct hs_task *t)
{
    if (!t->cancelled || lua_gettop(t->co) == 0) {
        return false;
    }
    /* A plain comparison on co's own stack; the error value is there to be popped anyway. */
    lua_rawgeti(t->rt->L, LUA_REGISTRYINDEX, t->rt->ref_cancelled);
    const void *cancelled = lua_touserdata(t->rt->L, -1);
    lua_pop(t->rt->L, 1);
    return lua_type(t->co, -1) == LUA_TUSERDATA && lua_touserdata(t->co, -1) == cancelled;
}

static int
push_resume_values(struct hs_task *t)
{
    if (!t->started) {
        t->started = true;
        return t->nargs;
    }
    if (t->raise) {
        t->raise = false;
        lua_pushlightuserdata(t->co, (void *)&hs_lua_raise);
        lua_rawgeti(t->co, LUA_REGISTRYINDEX, t->rt->ref_cancelled);
    } else {
        lua_pushlightuserdata(t->co, (void *)&hs_lua_again);
        lua_pushinteger(t->co, t->wake_err);
    }
    return 2;
}

/* What lua_resume has led to. */
static void
settle(struct hs_task *t, int status)
{
    if (status == LUA_YIELD && t->state == HS_TASK_WAITING) {
        hs_task_enlist(t);
        lua_settop(t->co, 0);
    } else if (status == LUA_YIELD) {
        if (!t->drop) {
            hs_log(HS_LOG_ERROR, "%s: attempt to yield from outside a coroutine of the script's own", t->ops->what);
        }
        finish(t, HS_TASK_DROPPED);
    } else if (status != 0 && is_cancellation(t)) {
        finish(t, HS_TASK_CANCELLED);
    } else {
        finish(t, status);
    }
}

static inline void
leave(struct hs_lua_runtime *rt)
{
    if (--rt->busy == 0) {
        hs_runtime_left(rt);
    }
}

/* Runs t until it waits or ends. It is in no run list. */
static void
run(struct hs_task *t)
{
    struct hs_lua_runtime *rt = t->rt;
    rt->busy++;
    if (t->drop) {
        finish(t, HS_TASK_DROPPED);
    } else {
        t->state = HS_TASK_RUNNING;
        settle(t, hs_enter_resume(t, push_resume_values(t)));
    }
    leave(rt);
}

static void
make_ready(struct hs_task *t)
{
    struct hs_lua_runtime *rt = t->rt;
    t->state = HS_TASK_READY;
    TAILQ_INSERT_TAIL(&rt->ready, t, run_link);
    hs_defer(rt->loop, &rt->run);
}

void
hs_task_run_ready(void *arg)
{
    struct hs_lua_runtime *rt = arg;
    hs_runtime_addref(rt);
    TAILQ_CONCAT(&rt->turn, &rt->ready, run_link);
    struct hs_task *t;
    while ((t = TAILQ_FIRST(&rt->turn)) != NULL) {
        TAILQ_REMOVE(&rt->turn, t, run_link);
        run(t);
    }
    hs_runtime_delref(rt);
}

void
hs_task_start(struct hs_task *t, int nargs)
{
    t->nargs = nargs;
    if (t->rt->busy == 0 && t->rt->entered == 0) {
        run(t);
    } else {
        make_ready(t);
    }
}

/* Whether t, whose function has returned, has nothing that must be seen to: asked in few steps. */
static inline bool
is_plain(const struct hs_task *t, const struct hs_lua_runtime *rt)
{
    return ((uintptr_t)t->req | (uintptr_t)t->shield | (uintptr_t)rt->unloader | t->cancelled | t->spoilt | t->listed) == 0 &&
           rt->nspare < MAX_SPARE;
}

int
hs_task_run_taken(struct hs_task *t, int nargs)
{
    struct hs_lua_runtime *rt = t->rt;
    rt->busy++;
    t->started = true;
    t->state = HS_TASK_RUNNING;
    int status = hs_enter_resume(t, nargs);
    if (__builtin_expect(status != 0 || !is_plain(t, rt), 0)) {
        return status;
    }
    if (lua_gettop(t->co) != 0) {
        lua_settop(t->co, 0);
    }
    t->started = t->continues = false;
    t->sess = NULL;
    put_back(t);
    leave(rt);
    return HS_TASK_OVER;
}

void
hs_task_settle(struct hs_task *t, int status)
{
    struct hs_lua_runtime *rt = t->rt;
    settle(t, status);
    leave(rt);
}

void
hs_task_run(struct hs_task *t, int nargs)
{
    int status = hs_task_run_taken(t, nargs);
    if (status != HS_TASK_OVER) {
        hs_task_settle(t, status);
    }
}

void
hs_task_drop(struct hs_task *t)
{
    struct hs_lua_runtime *rt = t->rt;
    assert(t->state == HS_TASK_WAITING);
    rt->busy++;
    finish(t, HS_TASK_DROPPED); /* t is gone */
    if (--rt->busy == 0) {
        hs_runtime_left(rt);
    }
}

void
hs_task_hold(struct hs_task *t, int nargs)
{
    t->nargs = nargs;
    t->state = HS_TASK_HELD;
}

void
hs_task_release_held(struct hs_lua_runtime *rt)
{
    struct hs_task *t;
    TAILQ_FOREACH (t, &rt->tasks, link) {
        if (t->state == HS_TASK_HELD) {
            make_ready(t);
        }
    }
}

/* --- waking and cancelling --- */

void
hs_task_wake(struct hs_task *t, int err)
{
    if (t->state != HS_TASK_WAITING) {
        return;
    }
    disarm(t);
    t->wake_err = err;
    if (t->rt->busy == 0 && t->rt->entered == 0) {
        run(t);
    } else {
        make_ready(t);
    }
}

void
hs_task_wake_later(struct hs_task *t, int err)
{
    if (t->state == HS_TASK_WAITING) {
        disarm(t);
        t->wake_err = err;
        make_ready(t);
    }
}

static void
deadline_passed(void *arg)
{
    struct hs_task *t = arg;
    if (TAILQ_EMPTY(&t->rt->ready)) {
        hs_task_wake(t, ETIMEDOUT);
    } else {
        hs_task_wake_later(t, ETIMEDOUT); /* after those that were ready before: they may have been spawned by it */
    }
}

int
hs_task_set_timer(struct hs_task *t, int64_t ns)
{
    if (t->timer == NULL) {
        t->timer = malloc(sizeof(*t->timer));
        if (t->timer == NULL) {
            return ENOMEM;
        }
        hs_timer_init(t->timer, t->rt->loop, deadline_passed, t);
    }
    return hs_timer_set(t->timer, ns);
}

bool
hs_task_refused(const struct hs_task *t)
{
    return t->cancelled && (t->shield == NULL || t->shield->depth == 0 || t->shield->expired);
}

/* Delivers the cancellation to the wait that t is in. */
static void
raise_in_wait(struct hs_task *t)
{
    disarm(t);
    t->raise = true;
    t->refused = 1;
    make_ready(t);
}

static void
shield_passed(void *arg)
{
    struct hs_shield *s = arg;
    s->expired = true;
    if (s->task->state == HS_TASK_WAITING) {
        raise_in_wait(s->task);
    }
}

void
hs_task_cancel(struct hs_task *t)
{
    if (t->cancelled || t->state == HS_TASK_SPARE) {
        return;
    }
    t->cancelled = true;
    switch (t->state) {
    case HS_TASK_HELD:
        t->drop = true;
        make_ready(t);
        break;
    case HS_TASK_READY:
        t->drop = !t->started;
        break;
    case HS_TASK_WAITING:
        if (hs_task_refused(t)) {
            raise_in_wait(t);
        }
        break;
    default:
        break;
    }
    if (t->shield != NULL && t->shield->depth > 0 && hs_timer_set(&t->shield->timer, t->shield->limit) != 0) {
        shield_passed(t->shield);
    }
}

void
hs_task_log_error(struct hs_task *t, int status)
{
    if (status == 0 || status == HS_TASK_CANCELLED || status == HS_TASK_CLOSED) {
        return;
    }
    if (status == HS_TASK_DROPPED) {
        if (t->refused > FURTHER_WAITS) {
            hs_log(HS_LOG_WARN, "%s: went on waiting after it was cancelled; dropped", t->ops->what);
        }
        return;
    }
    struct hs_buf text;
    hs_buf_init(&text, HS_LUA_TRACEBACK_MAX);
    hs_enter_describe(t->rt, t->co, status, &text);
    hs_tally(HS_TALLY_LUA_ERRORS);
    hs_log(HS_LOG_ERROR, "%s: %.*s", t->ops->what, (int)text.len, text.p != NULL ? text.p : "");
    hs_buf_fini(&text);
}

void
hs_task_close_all(struct hs_lua_runtime *rt)
{
    struct hs_task *t;
    TAILQ_INIT(&rt->ready);
    TAILQ_INIT(&rt->turn);
    hs_deferred_cancel(rt->loop, &rt->run);
    while ((t = TAILQ_FIRST(&rt->tasks)) != NULL) {
        t->state = HS_TASK_RUNNING; /* no wake-up or cancellation can queue it any more */
        finish(t, HS_TASK_CLOSED);
    }
    while ((t = rt->spare) != NULL) {
        rt->spare = TAILQ_NEXT(t, link);
        rt->nspare--;
        task_free(t);
    }
}

/* --- shields --- */

int
hs_task_shield(struct hs_task *t, int64_t limit)
{
    if (t->shield == NULL) {
        t->shield = calloc(1, sizeof(*t->shield));
        if (t->shield == NULL) {
            return ENOMEM;
        }
        t->shield->task = t;
        hs_timer_init(&t->shield->timer, t->rt->loop, shield_passed, t->shield);
    }
    struct hs_shield *s = t->shield;
    if (s->depth++ == 0) {
        s->limit = limit;
        s->expired = t->cancelled && hs_timer_set(&s->timer, limit) != 0;
    }
    return 0;
}

void
hs_task_unshield(struct hs_task *t)
{
    struct hs_shield *s = t->shield;
    if (s != NULL && s->depth > 0 && --s->depth == 0) {
        hs_timer_cancel(&s->timer);
    }
}
