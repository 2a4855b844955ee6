/* lua_timer.c - httpsrv.timer: functions run at a time, each run on a task of its own.
 * A timer that is set lives by itself; the script's object only steers it, and its collection stops nothing. Timers made while loading
 * are armed when the runtime goes live. A run that has not ended when the next is due lets that one out.
 * One that runs once for the whole server needs a lease (base/lease.h), which it asks for when it is due, and keeps until it is stopped. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/lease.h"
#include "base/live.h"
#include "base/log.h"
#include "bindings/arg.h"
#include "bindings/internal.h"
#include "bindings/task.h"

enum timer_kind { TIMER_AFTER, TIMER_AT, TIMER_EVERY };

struct timer_box {
    struct lua_timer *timer;
};

struct lua_timer {
    struct hs_resource res;
    struct hs_lua_runtime *rt;
    struct hs_timer timer;
    enum timer_kind kind;
    int64_t ns;  /* after, every */
    double when; /* at: seconds since 1970 */
    int64_t due; /* every: loop time of the next run */
    int fn_ref;
    bool set; /* armed, or will be when the runtime goes live */
    bool buried;
    struct hs_task *task; /* the run in progress */
    struct timer_box *box;
    const char *key; /* of its lease; NULL: every worker's own */
    struct hs_lease *lease;
    char name[]; /* and the key */
};

static void timer_close(struct hs_resource *r);

static struct lua_timer *
timer_of(struct hs_resource *r)
{
    return (struct lua_timer *)((char *)r - offsetof(struct lua_timer, res));
}

static void
timer_reap(struct hs_resource *r)
{
    struct lua_timer *t = timer_of(r);
    hs_lua_unref(t->rt, &t->fn_ref);
    free(t);
}

static void
set_state(struct lua_timer *t, bool set)
{
    if (t->set != set) {
        t->set = set;
        hs_live_add(HS_LIVE_TIMER, set ? 1 : -1);
    }
}

/* Nobody can start it again and nothing runs. */
static void
bury_if_over(struct lua_timer *t)
{
    if (!t->set && t->task == NULL && t->box == NULL && !t->buried) {
        t->buried = true;
        TAILQ_REMOVE(&t->rt->resources, &t->res, link);
        hs_lua_bury(t->rt, &t->res);
    }
}

/* Gives the lease back, when nothing runs under it any more. */
static void
give_lease(struct lua_timer *t)
{
    if (t->lease != NULL && !t->set && t->task == NULL) {
        hs_lease_give(t->lease);
        t->lease = NULL;
    }
}

static void
stop(struct lua_timer *t)
{
    hs_timer_cancel(&t->timer);
    set_state(t, false);
    give_lease(t);
}

static void
timer_close(struct hs_resource *r)
{
    struct lua_timer *t = timer_of(r);
    stop(t);
    if (t->box != NULL) {
        t->box->timer = NULL;
    }
    timer_reap(r); /* tasks are closed before resources */
}

/* --- running --- */

static void
run_ended(struct hs_task *task, int status)
{
    struct lua_timer *t = task->data;
    t->task = NULL;
    give_lease(t);
    if (status != HS_TASK_CLOSED) {
        if (status != 0 && status < HS_TASK_CANCELLED && t->name[0] != '\0') {
            hs_log(HS_LOG_ERROR, "timer %s failed:", t->name);
        }
        hs_task_log_error(task, status);
        bury_if_over(t);
    }
}

static const struct hs_task_ops run_ops = { "timer", run_ended };

/* Arms for the first or next time. */
static int
arm(struct lua_timer *t)
{
    const int64_t now = hs_loop_now(t->rt->loop);
    int64_t ns = t->ns;
    if (t->kind == TIMER_AT) {
        const double left = t->when - (double)hs_loop_walltime(t->rt->loop);
        ns = left <= 0 ? 0 : (int64_t)((left < 3e8 ? left : 3e8) * (double)HS_SEC);
    } else if (t->kind == TIMER_EVERY) {
        t->due += t->ns;
        if (t->due <= now) {
            t->due = now + t->ns; /* late: no burst of what was missed */
        }
        ns = t->due - now;
    }
    return hs_timer_set(&t->timer, ns);
}

static int64_t
monotonic_now(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts); /* that of all processes */
    return (int64_t)ts.tv_sec * HS_SEC + ts.tv_nsec;
}

/* Whether this worker is the one whose turn it is. Whoever takes the lease over keeps the pace of the one before. */
static bool
may_run(struct lua_timer *t)
{
    const int64_t now = monotonic_now();
    if (t->lease == NULL) {
        int err = hs_lease_take((struct hs_view){ t->key, strlen(t->key) }, &t->lease);
        if (err != 0) {
            if (err != EBUSY) {
                hs_log(HS_LOG_ERROR, "timer %s: not run, once_per_server is not possible: %s", t->name, strerror(err));
            }
            return false;
        }
        const int64_t last = hs_lease_last(t->lease);
        const int64_t left = last != 0 ? last + t->ns - now : 0;
        if (left > 0 && hs_timer_set(&t->timer, left) == 0) {
            t->due = hs_loop_now(t->rt->loop) + left;
            return false;
        }
    }
    hs_lease_set_last(t->lease, now);
    return true;
}

static void
fired(void *arg)
{
    struct lua_timer *t = arg;
    if (t->kind != TIMER_EVERY) {
        set_state(t, false);
    } else if (arm(t) != 0) {
        hs_log(HS_LOG_ERROR, "timer %s: out of memory, stopped", t->name);
        set_state(t, false);
    }
    if (t->task == NULL && t->key != NULL && !may_run(t)) {
        return;
    }
    if (t->task == NULL) {
        struct hs_task *task = hs_task_new(t->rt, NULL, &run_ops, t);
        if (task == NULL) {
            hs_log(HS_LOG_ERROR, "timer %s: out of memory", t->name);
            bury_if_over(t);
            return;
        }
        t->task = task;
        lua_rawgeti(task->co, LUA_REGISTRYINDEX, t->fn_ref);
        hs_task_start(task, 0);
    }
}

static int
start(struct lua_timer *t)
{
    stop(t);
    t->due = hs_loop_now(t->rt->loop);
    int err = t->rt->phase == HS_LUA_RUN ? arm(t) : 0;
    if (err == 0) {
        set_state(t, true);
    }
    return err;
}

void
hs_timers_go_live(struct hs_lua_runtime *rt)
{
    struct hs_resource *r;
    TAILQ_FOREACH (r, &rt->resources, link) {
        if (r->close == timer_close && timer_of(r)->set && start(timer_of(r)) != 0) {
            hs_log(HS_LOG_ERROR, "timer %s: out of memory, not started", timer_of(r)->name);
        }
    }
}

void
hs_timers_stop(struct hs_lua_runtime *rt)
{
    struct hs_resource *r, *next;
    for (r = TAILQ_FIRST(&rt->resources); r != NULL; r = next) {
        next = TAILQ_NEXT(r, link);
        if (r->close == timer_close) {
            stop(timer_of(r));
            bury_if_over(timer_of(r));
        }
    }
}

/* --- for Lua --- */

static struct lua_timer *
check(lua_State *L, const char *fname)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    bool ok = lua_type(L, 1) == LUA_TUSERDATA && lua_getmetatable(L, 1) != 0;
    if (ok) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, rt->ref_timer);
        ok = lua_rawequal(L, -1, -2) != 0;
        lua_pop(L, 2);
    }
    if (!ok) {
        hs_lua_throw(L, "calling '%s' on bad self (timer expected, got %s)", fname, luaL_typename(L, 1));
    }
    return ((struct timer_box *)lua_touserdata(L, 1))->timer;
}

static int
make(lua_State *L, enum timer_kind kind, const char *fname)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    int64_t ns = 0;
    double when = 0;
    if (kind == TIMER_AT) {
        if (!lua_isnumber(L, 1)) {
            hs_lua_type_error(L, 1, 1, fname, "number");
        }
        when = lua_tonumber(L, 1);
    } else {
        ns = hs_lua_arg_seconds(L, 1, 1, fname);
    }
    if (kind == TIMER_EVERY && ns == 0) {
        hs_lua_arg_error(L, 1, fname, "interval cannot be 0");
    }
    if (!lua_isfunction(L, 2)) {
        hs_lua_type_error(L, 2, 2, fname, "function");
    }
    const char *name = hs_lua_arg_cstring(L, 3, 3, fname, true);
    const char *key = hs_lua_arg_cstring(L, 4, 4, fname, true);
    const size_t n = name != NULL ? strlen(name) : 0;
    const size_t nkey = key != NULL ? strlen(key) : 0;
    lua_settop(L, 4);
    lua_rawgeti(L, LUA_REGISTRYINDEX, rt->ref_timer);
    struct timer_box *box = lua_newuserdata(L, sizeof(*box));
    box->timer = NULL;
    lua_insert(L, -2);
    lua_setmetatable(L, -2);
    lua_pushvalue(L, 2);
    int ref = luaL_ref(L, LUA_REGISTRYINDEX);
    struct lua_timer *t = hs_lua_open(rt) ? calloc(1, sizeof(*t) + n + nkey + 2) : NULL;
    if (t == NULL) {
        luaL_unref(L, LUA_REGISTRYINDEX, ref);
        hs_lua_throw(L, hs_lua_open(rt) ? "not enough memory" : "the runtime is closing");
    }
    t->res.close = timer_close;
    t->res.reap = timer_reap;
    t->rt = rt;
    t->kind = kind;
    t->ns = ns;
    t->when = when;
    t->fn_ref = ref;
    t->box = box;
    if (n != 0) {
        memcpy(t->name, name, n);
    }
    if (nkey != 0) {
        t->key = memcpy(t->name + n + 1, key, nkey);
    }
    hs_timer_init(&t->timer, rt->loop, fired, t);
    TAILQ_INSERT_TAIL(&rt->resources, &t->res, link);
    box->timer = t;
    int err = start(t);
    return err == 0 ? 1 : hs_lua_fail(L, err);
}

static int
l_after(lua_State *L)
{
    return make(L, TIMER_AFTER, "after");
}

static int
l_at(lua_State *L)
{
    return make(L, TIMER_AT, "at");
}

/* every(seconds, function, name, key of a lease | nil) -> timer */
static int
l_every(lua_State *L)
{
    return make(L, TIMER_EVERY, "every");
}

/* timer:stop() -> true when it was set. A run in progress goes on. */
static int
l_stop(lua_State *L)
{
    struct lua_timer *t = check(L, "stop");
    const bool was = t != NULL && t->set;
    if (t != NULL) {
        stop(t);
    }
    lua_pushboolean(L, was);
    return 1;
}

/* timer:start() -> true: set anew, from now on */
static int
l_start(lua_State *L)
{
    struct lua_timer *t = check(L, "start");
    int err = t != NULL ? start(t) : EBADF;
    if (err != 0) {
        return hs_lua_fail(L, err);
    }
    lua_pushboolean(L, 1);
    return 1;
}

/* timer:name() -> string | nil */
static int
l_name(lua_State *L)
{
    struct lua_timer *t = check(L, "name");
    lua_pushstring(L, t != NULL && t->name[0] != '\0' ? t->name : NULL);
    return 1;
}

static int
l_tostring(lua_State *L)
{
    struct lua_timer *t = check(L, "tostring");
    lua_pushfstring(L, "timer%s%s (%s)", t != NULL && t->name[0] != '\0' ? " " : "", t != NULL ? t->name : "",
                    t != NULL && t->set ? "set" : "stopped");
    return 1;
}

static int
l_gc(lua_State *L)
{
    struct lua_timer *t = check(L, "gc");
    if (t != NULL) {
        t->box = NULL;
        bury_if_over(t);
    }
    return 0;
}

void
hs_lua_open_timer(lua_State *L, struct hs_lua_runtime *rt)
{
    static const luaL_Reg functions[] = { { "after", l_after }, { "at", l_at }, { "every", l_every }, { NULL, NULL } };
    static const luaL_Reg methods[] = { { "stop", l_stop }, { "start", l_start }, { "name", l_name }, { NULL, NULL } };
    static const luaL_Reg meta[] = { { "__gc", l_gc }, { "__tostring", l_tostring }, { NULL, NULL } };
    lua_newtable(L);
    hs_lua_functions(L, rt, functions);
    lua_setfield(L, -2, "timer");
    lua_newtable(L);
    hs_lua_functions(L, rt, meta);
    lua_newtable(L);
    hs_lua_functions(L, rt, methods);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    rt->ref_timer = luaL_ref(L, LUA_REGISTRYINDEX);
}
