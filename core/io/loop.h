/* loop.h - one event loop per thread: clock, timers, deferred calls, descriptor watches and wake-ups from other threads.
 * Wraps a libevent base made with EVENT_BASE_FLAG_NOLOCK; everything here but hs_loop_post belongs to
 * the loop's own thread. With a test clock, time stands still until hs_loop_advance moves it. */
#ifndef HS_IO_LOOP_H
#define HS_IO_LOOP_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct hs_loop;

#define HS_SEC ((int64_t)1000000000)
#define HS_MSEC ((int64_t)1000000)

struct hs_loop_options {
    struct event_base *base; /* NULL: an own one is made; otherwise borrowed, and who owns it dispatches it */
    bool test_clock;         /* timers fire only from hs_loop_advance */
};

/* Makes the calling thread's loop; *out is its owner's to hs_loop_free. 0, ENOMEM, EBUSY when the thread has one, eventfd(2)'s
 * error, or ENOTSUP when a borrowed base has no edge-triggered events and no EV_CLOSED (on Linux: is not over epoll). */
int hs_loop_new(const struct hs_loop_options *options, struct hs_loop **out);
/* Runs what is still posted and deferred, then frees. Timers, watches and time-out queues must have been cancelled before
 * (asserted). Not from within a callback of the loop. NULL is fine. */
void hs_loop_free(struct hs_loop *loop);
/* The loop of the calling thread, NULL in a thread without one. */
struct hs_loop *hs_loop_current(void);
/* For a thread that runs a loop of its own only at times: takes its loop off the thread, so that others find none there (NULL), and gives it
 * back. Not from within a callback of the loop. */
void hs_loop_set_current(struct hs_loop *loop);
struct event_base *hs_loop_base(struct hs_loop *loop);
/* In a child after fork(2), outside of turns: the loop polls through a set of its own from now on, so that whatever the child does to its watches leaves the
 * parent's alone. What was watched and timed still is. 0; ENOMEM, EIO: the child can only _exit(2). */
int hs_loop_after_fork(struct hs_loop *loop);

/* Runs until hs_loop_stop; at once back when that was called since the last run. 0 or EIO. */
int hs_loop_run(struct hs_loop *loop);
/* One turn: waits for events (only when may_block and nothing is deferred), runs what is due. 0 or EIO, as from within
 * a callback of the same loop. */
int hs_loop_turn(struct hs_loop *loop, bool may_block);
/* Ends hs_loop_run after the current turn. */
void hs_loop_stop(struct hs_loop *loop);

/* Monotonic nanoseconds, cached for the turn: read at its first callback, and outside of turns at each call. Never 0. */
int64_t hs_loop_now(struct hs_loop *loop);
/* Wall clock seconds since 1970, cached for the turn. */
int64_t hs_loop_walltime(struct hs_loop *loop);
/* The same two as they are at this moment, read at each call and not to be mixed up with the time of the turn: monotonic, and since 1970, both in
 * nanoseconds. With a test clock they are what that shows. */
int64_t hs_loop_clock(struct hs_loop *loop);
int64_t hs_loop_wallclock(struct hs_loop *loop);
/* Nanoseconds from the time of the turn to this moment: hs_loop_clock less hs_loop_now, for who asks often, from within callbacks. 0 with a test clock. */
int64_t hs_loop_elapsed(struct hs_loop *loop);
/* Test clock only: moves time on by ns and fires the timers that come due, in order of their deadlines; each sees its
 * deadline as the time. One that is set to 0 meanwhile waits for the next call. The clock starts at 1994-11-06 08:49:37. */
void hs_loop_advance(struct hs_loop *loop, int64_t ns);
/* Nanoseconds that the longest turn so far took, callbacks only (for tests and metrics); reset: starts anew. */
int64_t hs_loop_longest_turn(struct hs_loop *loop, bool reset);

/* --- timers: one shot --- */
typedef void hs_callback(void *arg);

struct hs_timer {
    struct event ev;
    struct hs_loop *loop;
    hs_callback *fn;
    void *arg;
    int64_t deadline;           /* loop time, 0 when not pending */
    TAILQ_ENTRY(hs_timer) link; /* test clock */
};

/* Readies t, which calls fn(arg) on the loop when it fires. To be done once; nothing is owned until hs_timer_set. */
void hs_timer_init(struct hs_timer *t, struct hs_loop *loop, hs_callback *fn, void *arg);
/* (Re)arms to fire once, ns nanoseconds from now (0, or less: next turn), never earlier. 0; ENOMEM, never when it is pending. */
int hs_timer_set(struct hs_timer *t, int64_t ns);
void hs_timer_cancel(struct hs_timer *t);
static inline bool
hs_timer_pending(const struct hs_timer *t)
{
    return t->deadline != 0;
}

/* --- time-out queues: many equal time-outs for the price of a list ---
 * Entries expire duration after they were last touched, looked at once a second (so up to a second late). */
struct hs_timeq_entry {
    TAILQ_ENTRY(hs_timeq_entry) link;
    int64_t stamp; /* loop time of the last touch; 0 when not queued */
};
struct hs_timeq {
    TAILQ_HEAD(hs_timeq_list, hs_timeq_entry) list;
    struct hs_loop *loop;
    int64_t duration;
    void (*expired)(struct hs_timeq_entry *e); /* the entry is out of the queue already */
    TAILQ_ENTRY(hs_timeq) link;                /* all queues of the loop */
};
/* duration in nanoseconds, 0: entries never expire. The queue is registered with the loop until fini (which asserts that it is empty). */
void hs_timeq_init(struct hs_timeq *q, struct hs_loop *loop, int64_t duration, void (*expired)(struct hs_timeq_entry *));
void hs_timeq_fini(struct hs_timeq *q);
/* Another duration from now on, also for the entries that are there. */
void hs_timeq_set_duration(struct hs_timeq *q, int64_t duration);
/* Enters the entry, or moves it to the tail with a fresh stamp. */
void hs_timeq_touch(struct hs_timeq *q, struct hs_timeq_entry *e);
/* As touch, as of an earlier loop time (not 0): an entry whose time began before it could be entered. Costs a step for each that was touched since then. */
void hs_timeq_touch_since(struct hs_timeq *q, struct hs_timeq_entry *e, int64_t stamp);
/* As touch, as of up to a quarter of a second later, so that most calls find nothing to do. For all entries of a queue, or none. */
void hs_timeq_touch_coarse(struct hs_timeq *q, struct hs_timeq_entry *e);
void hs_timeq_remove(struct hs_timeq *q, struct hs_timeq_entry *e); /* harmless when not queued */

/* --- deferred calls: run in the next turn, after I/O was looked at; never from within hs_defer --- */
struct hs_deferred {
    TAILQ_ENTRY(hs_deferred) link; /* tqe_prev: NULL while it is not queued */
    hs_callback *fn;
    void *arg;
};
static inline void
hs_deferred_init(struct hs_deferred *d, hs_callback *fn, void *arg)
{
    *d = (struct hs_deferred){ .fn = fn, .arg = arg };
}
static inline bool
hs_deferred_is_queued(const struct hs_deferred *d)
{
    return d->link.tqe_prev != NULL;
}
void hs_defer(struct hs_loop *loop, struct hs_deferred *d); /* harmless when queued already */
void hs_deferred_cancel(struct hs_loop *loop, struct hs_deferred *d);

/* --- watches: a descriptor's readiness --- */
/* CLOSED: the peer has sent FIN or reset, whether or not data is unread. RESET, which stands alone: an error, or closed in both directions; what
 * is left to wait for after a FIN. */
enum { HS_READ = 1, HS_WRITE = 2, HS_CLOSED = 4, HS_RESET = 8 };
struct hs_watch {
    struct event ev;
    struct hs_loop *loop;
    int fd;
    unsigned mask;
    void (*fn)(void *arg, unsigned events);
    void *arg;
};
void hs_watch_init(struct hs_watch *w, struct hs_loop *loop, int fd, void (*fn)(void *arg, unsigned events), void *arg);
/* Changes what is waited for (level-triggered, persistent); 0 stops. The kernel is only called when the mask changes. HS_CLOSED
 * alone and HS_RESET may be reported only once; HS_READ and HS_WRITE also come for errors and hang-ups, which the next read or write then
 * tells. The descriptor must not be closed before its watch is stopped, and must have no other watch beside one for HS_CLOSED
 * alone or HS_RESET, which would make that one edge-triggered. 0, ENOMEM, EPERM for a descriptor that cannot be polled (a regular file),
 * EBADF; after an error w->mask says what is still waited for. */
int hs_watch_set(struct hs_watch *w, unsigned mask);

/* --- from other threads --- */
struct hs_post {
    STAILQ_ENTRY(hs_post) link;
    hs_callback *fn;
    void *arg;
};
/* Any thread: fn(arg) will be called on the loop, in the order of the posts of each thread. p is the caller's and must stay
 * until then. The loop must not be freed before the last post was made. */
void hs_loop_post(struct hs_loop *loop, struct hs_post *p, hs_callback *fn, void *arg);

#endif
