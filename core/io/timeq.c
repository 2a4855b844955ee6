/* timeq.c - time-out queues: entries in the order of their last touch, looked at once a second.
 * A touch costs a move within a list: no heap, no call to libevent. All queues of a loop share one timer, the tick, which
 * runs only while some queue that expires has entries.
 * A callback may do anything to the queues, its own included, so none is trusted over it: the loop's cursor names the
 * queue in work, and hs_timeq_fini moves it on. */
#include <assert.h>

#include "io/loop_int.h"

#define TICK HS_SEC
#define COARSE (HS_SEC / 4)

static void
arm(struct hs_loop *loop)
{
    loop->tick_failed = hs_timer_set(&loop->tick, TICK) != 0;
}

static struct hs_timeq_entry *
expired_entry(struct hs_timeq *q, int64_t now)
{
    struct hs_timeq_entry *e = TAILQ_FIRST(&q->list);
    if (e == NULL || q->duration <= 0 || now - e->stamp < q->duration) {
        return NULL;
    }
    return e;
}

/* Expires what is due in q, as long as q is there. */
static void
expire(struct hs_loop *loop, struct hs_timeq *q)
{
    struct hs_timeq_entry *e;
    while (loop->timeq_cursor == q && (e = expired_entry(q, hs_loop_now(loop))) != NULL) {
        hs_timeq_remove(q, e);
        q->expired(e);
    }
}

static bool
any_waiting(const struct hs_loop *loop)
{
    const struct hs_timeq *q;
    TAILQ_FOREACH (q, &loop->timeqs, link) {
        if (q->duration > 0 && !TAILQ_EMPTY(&q->list)) {
            return true;
        }
    }
    return false;
}

static void
on_tick(void *arg)
{
    struct hs_loop *loop = arg;
    struct hs_timeq *q;

    loop->timeq_cursor = TAILQ_FIRST(&loop->timeqs);
    while ((q = loop->timeq_cursor) != NULL) {
        expire(loop, q);
        if (loop->timeq_cursor == q) {
            loop->timeq_cursor = TAILQ_NEXT(q, link);
        }
    }
    if (any_waiting(loop)) {
        arm(loop);
    }
}

void
hs_timeq_loop_init(struct hs_loop *loop)
{
    TAILQ_INIT(&loop->timeqs);
    hs_timer_init(&loop->tick, loop, on_tick, loop);
}

void
hs_timeq_loop_fini(struct hs_loop *loop)
{
    assert(TAILQ_EMPTY(&loop->timeqs));
    hs_timer_cancel(&loop->tick);
}

void
hs_timeq_loop_retry(struct hs_loop *loop)
{
    loop->tick_failed = false;
    if (any_waiting(loop)) {
        arm(loop);
    }
}

void
hs_timeq_init(struct hs_timeq *q, struct hs_loop *loop, int64_t duration, void (*expired)(struct hs_timeq_entry *))
{
    TAILQ_INIT(&q->list);
    q->loop = loop;
    q->duration = duration;
    q->expired = expired;
    TAILQ_INSERT_TAIL(&loop->timeqs, q, link);
}

void
hs_timeq_fini(struct hs_timeq *q)
{
    assert(TAILQ_EMPTY(&q->list));
    if (q->loop->timeq_cursor == q) {
        q->loop->timeq_cursor = TAILQ_NEXT(q, link);
    }
    TAILQ_REMOVE(&q->loop->timeqs, q, link);
}

void
hs_timeq_set_duration(struct hs_timeq *q, int64_t duration)
{
    q->duration = duration;
    if (duration > 0 && !TAILQ_EMPTY(&q->list) && !hs_timer_pending(&q->loop->tick)) {
        arm(q->loop);
    }
}

void
hs_timeq_touch(struct hs_timeq *q, struct hs_timeq_entry *e)
{
    if (e->stamp != 0) {
        TAILQ_REMOVE(&q->list, e, link);
    }
    e->stamp = hs_loop_now(q->loop);
    TAILQ_INSERT_TAIL(&q->list, e, link);
    if (q->duration > 0 && !hs_timer_pending(&q->loop->tick)) {
        arm(q->loop);
    }
}

void
hs_timeq_touch_since(struct hs_timeq *q, struct hs_timeq_entry *e, int64_t stamp)
{
    hs_timeq_touch(q, e);
    struct hs_timeq_entry *before = TAILQ_PREV(e, hs_timeq_list, link);
    TAILQ_REMOVE(&q->list, e, link);
    while (before != NULL && before->stamp > stamp) {
        before = TAILQ_PREV(before, hs_timeq_list, link);
    }
    if (before != NULL) {
        TAILQ_INSERT_AFTER(&q->list, before, e, link);
    } else {
        TAILQ_INSERT_HEAD(&q->list, e, link);
    }
    e->stamp = stamp;
}

void
hs_timeq_touch_coarse(struct hs_timeq *q, struct hs_timeq_entry *e)
{
    int64_t now = hs_loop_now(q->loop);
    if (e->stamp > now) {
        return; /* counted as touched then */
    }
    hs_timeq_touch(q, e);
    e->stamp = now + COARSE;
}

void
hs_timeq_remove(struct hs_timeq *q, struct hs_timeq_entry *e)
{
    if (e->stamp != 0) {
        TAILQ_REMOVE(&q->list, e, link);
        e->stamp = 0;
    }
}
