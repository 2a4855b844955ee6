/* lua_lock.c - locks by name between the tasks of all Lua states of the process: those of the loop and those of pool threads.
 * A lock is in the table while somebody has it. Its holder is a task; when that ends, however it does, what it still has is let go. Whoever
 * waits gets the lock in the order of asking: it is the next one's before that one knows, and the news goes through its own loop. So a
 * waiter that gives up may find that it has the lock already, and hands it on. The table is under one mutex, held for no longer than a list is
 * changed; the list of what a task has is touched in its own thread only. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "bindings/arg.h"
#include "bindings/internal.h"
#include "bindings/task.h"
#include "bindings/wait.h"

enum { N_BUCKETS = 256, NAME_MAX_BYTES = 4096 };

/* One who waits. Freed by the news of having got the lock, or by giving up before. */
struct waiter {
    TAILQ_ENTRY(waiter) link;
    struct hs_lua_lock *lock;
    struct hs_task *task; /* NULL: has given up, the lock is to be handed on */
    struct hs_loop *loop;
    struct hs_post post;
    bool granted;
};

struct hs_lua_lock {
    LIST_ENTRY(hs_lua_lock) bucket_link;
    LIST_ENTRY(hs_lua_lock) held_link; /* among the holder's */
    const void *holder;                /* the task, or the waiter that will learn of it */
    TAILQ_HEAD(, waiter) waiters;
    size_t n;
    char name[];
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(, hs_lua_lock) buckets[N_BUCKETS];
static atomic_ullong last_number;

static void granted(void *arg);

/* --- under the mutex --- */

static struct hs_lua_lock *
find(struct hs_view name)
{
    struct hs_lua_lock *k;

    LIST_FOREACH (k, &buckets[hs_hash(name) % N_BUCKETS], bucket_link) {
        if (k->n == name.n && memcmp(k->name, name.p, name.n) == 0) {
            return k;
        }
    }
    return NULL;
}

/* A lock that somebody has from the start. NULL: out of memory. */
static struct hs_lua_lock *
make(struct hs_view name, const void *holder)
{
    struct hs_lua_lock *k = malloc(sizeof *k + name.n);

    if (k != NULL) {
        k->holder = holder;
        k->n = name.n;
        memcpy(k->name, name.p, name.n);
        TAILQ_INIT(&k->waiters);
        LIST_INSERT_HEAD(&buckets[hs_hash(name) % N_BUCKETS], k, bucket_link);
    }
    return k;
}

/* Gives the lock to the next, or takes it out of the table and frees it. */
static void
pass_on(struct hs_lua_lock *k)
{
    struct waiter *w = TAILQ_FIRST(&k->waiters);

    if (w == NULL) {
        LIST_REMOVE(k, bucket_link);
        free(k);
        return;
    }
    TAILQ_REMOVE(&k->waiters, w, link);
    w->granted = true;
    k->holder = w;
    hs_loop_post(w->loop, &w->post, granted, w); /* its loop lives: it would have given up before */
}

/* --- holding --- */

static void
hold(struct hs_task *t, struct hs_lua_lock *k)
{
    LIST_INSERT_HEAD(&t->locks, k, held_link);
    t->spoilt = true; /* so that its end is looked at, and only of tasks that have locks */
}

void
hs_lua_locks_end(struct hs_task *t)
{
    struct hs_lua_lock *k;

    while ((k = LIST_FIRST(&t->locks)) != NULL) {
        LIST_REMOVE(k, held_link);
        pthread_mutex_lock(&mutex);
        pass_on(k);
        pthread_mutex_unlock(&mutex);
    }
}

/* --- waiting --- */

/* In the waiter's thread: it has the lock. */
static void
granted(void *arg)
{
    struct waiter *w = arg;
    struct hs_lua_lock *k = w->lock;
    struct hs_task *t = w->task;

    pthread_mutex_lock(&mutex);
    if (t != NULL) {
        k->holder = t;
    } else {
        pass_on(k);
    }
    pthread_mutex_unlock(&mutex);
    free(w);
    if (t != NULL) {
        t->w.ptr = NULL;
        hold(t, k);
        hs_task_wake(t, 0);
    }
}

static void
disarm(struct hs_task *t)
{
    struct waiter *w = t->w.ptr;

    if (w == NULL) {
        return; /* it has the lock */
    }
    pthread_mutex_lock(&mutex);
    const bool had = w->granted;
    w->task = NULL;
    if (!had) {
        TAILQ_REMOVE(&w->lock->waiters, w, link);
    }
    pthread_mutex_unlock(&mutex);
    if (!had) {
        free(w);
    }
}

/* --- for Lua --- */

static struct hs_view
name_at_1(lua_State *L, const char *fname)
{
    struct hs_view name = hs_lua_arg_bytes(L, 1, 1, fname);

    if (name.n > NAME_MAX_BYTES) {
        hs_lua_arg_error(L, 1, fname, "name is too long");
    }
    return name;
}

/* Takes the lock when it is free: 0; EDEADLK: the task has it; EBUSY: another has; ENOMEM. With w, which then waits for it, 0 in the first
 * case with w->lock NULL. */
static int
take(struct hs_task *t, struct hs_view name, struct waiter *w, struct hs_lua_lock **out)
{
    int err = 0;

    pthread_mutex_lock(&mutex);
    struct hs_lua_lock *k = find(name);
    if (k == NULL) {
        k = make(name, t);
        err = k == NULL ? ENOMEM : 0;
    } else if (k->holder == t) {
        err = EDEADLK;
    } else {
        err = EBUSY;
        if (w != NULL) {
            w->lock = k;
            TAILQ_INSERT_TAIL(&k->waiters, w, link);
        }
    }
    pthread_mutex_unlock(&mutex);
    *out = k;
    return err;
}

/* lock_take(name, fname, wait) -> true | false (another has it, and wait is false); or waits: (again, 0) once it has the lock */
static int
l_lock_take(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    const char *fname = luaL_checkstring(L, 2);
    struct hs_view name = name_at_1(L, fname);
    struct hs_task *t = rt->current;
    struct hs_lua_lock *k;

    if (t == NULL) {
        hs_lua_throw(L, "cannot lock outside a task");
    }
    int err = take(t, name, NULL, &k);
    if (err == EBUSY && lua_toboolean(L, 3)) {
        if (hs_wait_begin(L, rt) == NULL) {
            return hs_wait_refuse(L, rt);
        }
        struct waiter *w = calloc(1, sizeof *w);
        if (w == NULL) {
            hs_lua_throw(L, "not enough memory");
        }
        w->task = t;
        w->loop = rt->loop;
        err = take(t, name, w, &k);
        if (err == EBUSY) {
            t->w.ptr = w;
            return hs_wait_yield(L, t, disarm);
        }
        free(w); /* it has become free meanwhile */
    }
    if (err == ENOMEM) {
        hs_lua_throw(L, "not enough memory");
    }
    if (err == EDEADLK) {
        hs_lua_throw(L, "'%s': the lock is held already, by the same task", fname);
    }
    if (err == 0) {
        hold(t, k);
    }
    lua_pushboolean(L, err == 0);
    return 1;
}

/* lock_drop(name) -> true; false: the running task does not have it */
static int
l_lock_drop(lua_State *L)
{
    struct hs_task *t = hs_lua_rt(L)->current;
    struct hs_view name = name_at_1(L, "unlock");

    pthread_mutex_lock(&mutex);
    struct hs_lua_lock *k = find(name);
    const bool ours = k != NULL && t != NULL && k->holder == t;
    if (ours) {
        LIST_REMOVE(k, held_link);
        pass_on(k);
    }
    pthread_mutex_unlock(&mutex);
    lua_pushboolean(L, ours);
    return 1;
}

/* lock_mine(name) -> whether the running task has it */
static int
l_lock_mine(lua_State *L)
{
    const struct hs_task *t = hs_lua_rt(L)->current;
    struct hs_view name = name_at_1(L, "lock");

    pthread_mutex_lock(&mutex);
    const struct hs_lua_lock *k = find(name);
    const bool ours = k != NULL && t != NULL && k->holder == t;
    pthread_mutex_unlock(&mutex);
    lua_pushboolean(L, ours);
    return 1;
}

/* lock_name() -> a name that no script can give a lock, another at each call */
static int
l_lock_name(lua_State *L)
{
    char name[32];

    name[0] = '\0';
    int n = snprintf(name + 1, sizeof name - 1, "%llu", atomic_fetch_add(&last_number, 1) + 1);
    lua_pushlstring(L, name, (size_t)n + 1);
    return 1;
}

void
hs_lua_open_lock(lua_State *L, struct hs_lua_runtime *rt)
{
    static const luaL_Reg functions[] = {
        { "lock_take", l_lock_take },
        { "lock_drop", l_lock_drop },
        { "lock_mine", l_lock_mine },
        { "lock_name", l_lock_name },
        { NULL, NULL },
    };

    hs_lua_functions(L, rt, functions);
}
