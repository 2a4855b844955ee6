/* timer.c - one-shot timers.
 * On a real clock each is a libevent time-out. libevent reckons with a coarse clock, a few milliseconds behind ours, so a
 * time-out that fires too early by that is set again for the rest: a timer never fires before its deadline.
 * On a test clock they stand in a list by deadline, where only hs_loop_advance takes them from; nothing is allocated. */
#include <assert.h>
#include <errno.h>

#include "io/loop_int.h"

#define USEC ((int64_t)1000)

/* libevent adds the time-out to its clock without a check: no timer is set further ahead than this (a hundred years). */
#define FOREVER (HS_SEC * 86400 * 36500)

static int
arm(struct hs_timer *t, int64_t ns)
{
    if (ns > FOREVER) {
        ns = FOREVER;
    }
    int64_t us = (ns + USEC - 1) / USEC;
    struct timeval tv = { .tv_sec = us / 1000000, .tv_usec = us % 1000000 };
    return event_add(&t->ev, &tv) == 0 ? 0 : ENOMEM;
}

/* The timer has come due and is out of all lists. */
static void
fire(struct hs_timer *t)
{
    t->deadline = 0;
    t->loop->n_timers--;
    t->fn(t->arg);
    /* t may be gone */
}

static void
on_timeout(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct hs_timer *t = arg;

    hs_loop_turn_enter(t->loop);
    int64_t left = t->deadline - t->loop->now;
    if (left > 0 && arm(t, left) == 0) {
        return;
    }
    fire(t);
}

void
hs_timer_init(struct hs_timer *t, struct hs_loop *loop, hs_callback *fn, void *arg)
{
    t->loop = loop;
    t->fn = fn;
    t->arg = arg;
    t->deadline = 0;
    if (!loop->test_clock) {
        int err = evtimer_assign(&t->ev, loop->base, on_timeout, t);
        assert(err == 0); /* fails for signals and descriptors only */
        (void)err;
    }
}

/* Behind those that are due at the same time. */
static void
list_insert(struct hs_timer_list *list, struct hs_timer *t)
{
    struct hs_timer *before = TAILQ_LAST(list, hs_timer_list);
    while (before != NULL && before->deadline > t->deadline) {
        before = TAILQ_PREV(before, hs_timer_list, link);
    }
    if (before != NULL) {
        TAILQ_INSERT_AFTER(list, before, t, link);
    } else {
        TAILQ_INSERT_HEAD(list, t, link);
    }
}

static void
set_test(struct hs_timer *t, int64_t ns)
{
    struct hs_loop *loop = t->loop;
    if (hs_timer_pending(t)) {
        TAILQ_REMOVE(&loop->timers, t, link);
        loop->n_timers--;
    }
    t->deadline = hs_loop_time_add(loop->now, ns);
    if (ns == 0 && loop->advancing) {
        t->deadline = hs_loop_time_add(loop->advance_until, 1); /* not in this turn */
    }
    list_insert(&loop->timers, t);
    loop->n_timers++;
}

int
hs_timer_set(struct hs_timer *t, int64_t ns)
{
    if (ns < 0) {
        ns = 0;
    }
    if (t->loop->test_clock) {
        set_test(t, ns);
        return 0;
    }
    int err = arm(t, ns); /* cannot fail when the timer is pending */
    if (err != 0) {
        return err;
    }
    if (!hs_timer_pending(t)) {
        t->loop->n_timers++;
    }
    t->deadline = hs_loop_time_add(hs_loop_now(t->loop), ns);
    return 0;
}

void
hs_timer_cancel(struct hs_timer *t)
{
    if (!hs_timer_pending(t)) {
        return;
    }
    if (t->loop->test_clock) {
        TAILQ_REMOVE(&t->loop->timers, t, link);
    } else {
        event_del(&t->ev);
    }
    t->deadline = 0;
    t->loop->n_timers--;
}

void
hs_loop_advance(struct hs_loop *loop, int64_t ns)
{
    assert(loop->test_clock && !loop->advancing && ns >= 0);
    loop->advancing = true;
    loop->advance_until = hs_loop_time_add(loop->now, ns);
    struct hs_timer *t;
    while ((t = TAILQ_FIRST(&loop->timers)) != NULL && t->deadline <= loop->advance_until) {
        TAILQ_REMOVE(&loop->timers, t, link);
        if (t->deadline > loop->now) {
            loop->now = t->deadline;
        }
        fire(t);
    }
    loop->now = loop->advance_until;
    loop->advancing = false;
}
