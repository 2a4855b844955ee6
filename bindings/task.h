/* task.h - everything that runs Lua runs on a task: a Lua coroutine with the one wait that it is in.
 *
 *            start                    yield (armed)
 *   SPARE --------> READY --> RUNNING -------------> WAITING
 *     ^      |        ^         |                      |
 *     |     HELD -----+         | return, error        | wake, cancel
 *     +---------------(ended)---+                      +--> READY
 *
 * HELD: made by spawn while scripts are loaded, starts when they go live. A task that is READY is on the run list, unless it is run at
 * once, which happens only when no other Lua is running. Loop thread only. */
#ifndef HS_BINDINGS_TASK_H
#define HS_BINDINGS_TASK_H

#include "bindings/internal.h"

struct hs_io_box;
struct hs_lua_lock;

enum hs_task_state { HS_TASK_SPARE, HS_TASK_HELD, HS_TASK_READY, HS_TASK_RUNNING, HS_TASK_WAITING };

/* How a task ended, beside lua_resume's status (0: its results are on co's stack; LUA_ERR*: the error value is on top). */
enum {
    HS_TASK_CANCELLED = 100, /* the cancellation was not caught */
    HS_TASK_DROPPED = 101,   /* waited on and on after its cancellation, or was cancelled before it began: not resumed any more */
    HS_TASK_CLOSED = 102,    /* the runtime closes: Lua must not be touched */
};

struct hs_task_ops {
    const char *what; /* "handler", for the log */
    /* The task is over; Lua is not running. What it leaves on its stack is dropped after. */
    void (*ended)(struct hs_task *t, int status);
};

enum { HS_TASK_OVER = -1 };

/* A span during which cancellation is not delivered (httpsrv.shield). */
struct hs_shield;

struct hs_task {
    TAILQ_ENTRY(hs_task) link;
    TAILQ_ENTRY(hs_task) run_link;
    LIST_ENTRY(hs_task) req_link;
    struct hs_lua_runtime *rt;
    lua_State *co;
    int co_ref; /* anchors co */
    enum hs_task_state state;
    const struct hs_task_ops *ops;
    void *data; /* the owner's */
    struct hs_req *req;        /* the session that it belongs to, NULL: none, or not attached yet */
    ec_httpsrv_session *sess;  /* a handler's own session, while its request lives */
    uint64_t id;               /* of spawn; 0 */
    int nargs;                 /* READY: values on co's stack, with the function when it has not started */
    int wake_err;
    unsigned refused; /* waits that raised since it was cancelled */
    bool cancelled;
    bool continues; /* its session's abort does not cancel it */
    bool listed; /* in rt->tasks */
    bool started;
    bool raise; /* resume with the cancellation instead of wake_err */
    bool drop;  /* do not resume: it is over */
    bool spoilt; /* its coroutine has an environment of its own (setfenv(0)), or it has had locks: not used again */
    LIST_HEAD(, hs_lua_lock) locks; /* that it has (lua_lock.c) */

    /* The wait. */
    void (*disarm)(struct hs_task *t);
    struct hs_timer *timer; /* for waits with an end; made at the first, kept with the task */
    union {
        struct {
            io_object *io; /* a reference */
            struct hs_io_box *box;
        } io;
        struct {
            ec_httpsrv_session *sess;
            struct hs_session_waiter waiter;
        } session;
        struct {
            struct hs_io_open_job *job;
            struct hs_io_box *box;
        } open;
        void *ptr;
        uint64_t ticket;
    } w;

    struct hs_shield *shield; /* NULL until one is needed */
};

/* Takes a task with a coroutine, empty stack, state SPARE, in the list of the live ones. L: the Lua code that is running, which may throw for
 * lack of memory; NULL: called from the loop. NULL when out of memory (only without L) or when the runtime closes. */
struct hs_task *hs_task_new(struct hs_lua_runtime *rt, lua_State *L, const struct hs_task_ops *ops, void *data);
/* The same from the loop for a handler's first run, which most often is its only one: not in the list of the live ones until it waits. */
struct hs_task *hs_task_take(struct hs_lua_runtime *rt, const struct hs_task_ops *ops, void *data);
/* Puts it in that list, if it is not there. */
void hs_task_enlist(struct hs_task *t);
/* Gives one back that was not started. */
void hs_task_discard(struct hs_task *t);
/* Starts the function that lies on its stack below nargs arguments: at once when no Lua is running (it may have ended on return, then ended has
 * been called), else from the run list. held: when the runtime goes live. */
void hs_task_start(struct hs_task *t, int nargs);
/* The same, at once, also while another task is being finished. Lua must not be running. */
void hs_task_run(struct hs_task *t, int nargs);
/* The same in two steps, for a task that was taken. HS_TASK_OVER: the function has returned and left nothing to be seen to (no request's record, no
 * error, no cancellation); the task is spare again and ended was not called. Else hs_task_settle is to be called next, with what this returned. */
int hs_task_run_taken(struct hs_task *t, int nargs);
/* What the first run has led to: the task waits, or it has ended. */
void hs_task_settle(struct hs_task *t, int status);
/* Ends a task that waits: it is not resumed any more. Lua must not be running. */
void hs_task_drop(struct hs_task *t);
void hs_task_hold(struct hs_task *t, int nargs);
void hs_task_release_held(struct hs_lua_runtime *rt);
/* Ends the wait: the task is resumed with err (0: worth trying again). Harmless when it does not wait. The task may have ended on return. */
void hs_task_wake(struct hs_task *t, int err);
/* The same, never at once. */
void hs_task_wake_later(struct hs_task *t, int err);
/* Cancels: its wait raises httpsrv.cancelled, and every later one. Takes effect from the loop. */
void hs_task_cancel(struct hs_task *t);
/* Cancelled, and no shield is up: a wait has to be refused. */
bool hs_task_refused(const struct hs_task *t);
/* Keeps cancellations away from the task, for at most limit nanoseconds after one came; nests, the outermost's limit counts. 0, ENOMEM. */
int hs_task_shield(struct hs_task *t, int64_t limit);
void hs_task_unshield(struct hs_task *t);
/* Ends every task at once, with HS_TASK_CLOSED, and frees all. */
void hs_task_close_all(struct hs_lua_runtime *rt);
/* Logs "what: message" with the traceback at level error; an uncaught cancellation is not logged. */
void hs_task_log_error(struct hs_task *t, int status);
/* Lets go of the locks that a task has (lua_lock.c). */
void hs_lua_locks_end(struct hs_task *t);
/* Wakes t with ETIMEDOUT in ns, unless it is woken before. For a task that is about to wait. 0 or ENOMEM. */
int hs_task_set_timer(struct hs_task *t, int64_t ns);
/* The run list's deferred call. */
void hs_task_run_ready(void *arg);

#endif
