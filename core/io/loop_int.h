/* loop_int.h - the body of struct hs_loop, for the files that make up the loop (loop, watch, timer, timeq, open_files) and no others. */
#ifndef HS_IO_LOOP_INT_H
#define HS_IO_LOOP_INT_H

#include <pthread.h>
#include <stddef.h>
#include <time.h>

#include "io/loop.h"

TAILQ_HEAD(hs_deferred_list, hs_deferred);
TAILQ_HEAD(hs_timer_list, hs_timer);
TAILQ_HEAD(hs_timeq_queues, hs_timeq);
STAILQ_HEAD(hs_post_list, hs_post);

struct hs_loop {
    struct event_base *base;
    bool owns_base;
    bool driven; /* inside hs_loop_turn: turns are opened and closed there, not by events */
    bool stop;

    /* the turn: opened by its first callback */
    bool turn_open;
    struct event turn_end; /* somebody else dispatches: made active by the first callback, so it runs after all others */
    int64_t turn_start;    /* real time, for longest */
    int64_t longest;
    int64_t now;      /* of the turn; with a test clock: the time */
    int64_t walltime; /* of the turn; 0: not looked at yet */
    struct timespec moment; /* hs_loop_clock's: none on the stack, whose guard would cost as much as the rest */

    /* deferred calls */
    struct hs_deferred_list deferred;
    struct hs_deferred boundary; /* what stands before it was deferred before this turn and is due */
    bool boundary_queued;
    bool kick_failed;  /* kick could not be added; the wake-up descriptor stands in for it */
    struct event kick; /* zero time-out: a turn that runs deferred calls, when somebody else dispatches */

    /* timers */
    bool test_clock;
    bool advancing;
    int64_t advance_until;       /* while advancing: where time will stand afterwards */
    struct hs_timer_list timers; /* test clock: by deadline */
    size_t n_timers;             /* pending */
    size_t n_watches;            /* with a mask */

    /* time-out queues */
    struct hs_timeq_queues timeqs;
    struct hs_timeq *timeq_cursor; /* the queue that is being looked at, moved on when that is removed */
    struct hs_timer tick;
    struct hs_open_files *open_files; /* NULL: none yet */
    bool tick_failed; /* tick could not be armed: again after the turn */

    /* from other threads */
    pthread_mutex_t post_lock;
    struct hs_post_list posts; /* under post_lock */
    int wake_fd;               /* eventfd, written under post_lock, watched edge-triggered and so never read */
    struct event wake;
};

/* To be called first by whatever libevent calls: notes a new turn and its time. */
void hs_loop_turn_open(struct hs_loop *loop);
static inline void
hs_loop_turn_enter(struct hs_loop *loop)
{
    if (!loop->turn_open) {
        hs_loop_turn_open(loop);
    }
}

/* a + b for b >= 0, INT64_MAX when that is too much. */
static inline int64_t
hs_loop_time_add(int64_t a, int64_t b)
{
    return b > INT64_MAX - a ? INT64_MAX : a + b;
}

/* Time-out queues (timeq.c): set-up, the end, and another try at arming the tick. */
void hs_timeq_loop_init(struct hs_loop *loop);
void hs_timeq_loop_fini(struct hs_loop *loop);
void hs_timeq_loop_retry(struct hs_loop *loop);

/* Descriptors kept open (open_files.c): closes all. NULL is ignored. */
void hs_open_files_free(struct hs_open_files *o);

#endif
