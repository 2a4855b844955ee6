/* watch.c - a descriptor's readiness, over one libevent event.
 *
 * Two things that libevent does not do by itself:
 *
 * Changing a mask. libevent wants the event taken off and put on again, two calls to the kernel. Here an event on the
 * stack holds the new mask while the watch's own is changed, so that libevent sees a change of one mask into the other:
 * one EPOLL_CTL_MOD when one contains the other, as READ and READ|WRITE do.
 *
 * HS_CLOSED alone, and HS_RESET. libevent turns EPOLLERR, which a reset brings, into EV_READ|EV_WRITE and drops it when the event wants
 * neither: the reset would never be seen, and the loop would spin on it. So the watch asks for EV_READ too, but
 * edge-triggered, and when that fires poll(2) tells a hang-up or an error from mere data. */
#include <assert.h>
#include <errno.h>
#include <poll.h>

#include "io/loop_int.h"

static void on_ready(evutil_socket_t fd, short what, void *arg);

static bool
is_edge_triggered(unsigned mask)
{
    return mask == HS_CLOSED || mask == HS_RESET;
}

static short
libevent_mask(unsigned mask)
{
    if (is_edge_triggered(mask)) {
        return EV_READ | EV_ET | EV_PERSIST | (mask == HS_CLOSED ? EV_CLOSED : 0);
    }
    unsigned what = EV_PERSIST;
    what |= mask & HS_READ ? EV_READ : 0;
    what |= mask & HS_WRITE ? EV_WRITE : 0;
    what |= mask & HS_CLOSED ? EV_CLOSED : 0;
    return (short)what;
}

static unsigned
watch_mask(short what)
{
    unsigned mask = 0;
    mask |= what & EV_READ ? HS_READ : 0;
    mask |= what & EV_WRITE ? HS_WRITE : 0;
    mask |= what & EV_CLOSED ? HS_CLOSED : 0;
    return mask;
}

/* Whether what an edge-triggered watch waits for has come, and not just data. */
static __attribute__((noinline)) bool
has_come(int fd, unsigned mask)
{
    struct pollfd p = { .fd = fd, .events = mask == HS_CLOSED ? POLLRDHUP : 0 };
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

static void
on_ready(evutil_socket_t fd, short what, void *arg)
{
    struct hs_watch *w = arg;
    unsigned events = watch_mask(what) & w->mask;

    hs_loop_turn_enter(w->loop);
    if (events == 0 && is_edge_triggered(w->mask) && has_come(fd, w->mask)) {
        events = w->mask;
    }
    if (events != 0) {
        w->fn(w->arg, events);
        /* w may be gone */
    }
}

void
hs_watch_init(struct hs_watch *w, struct hs_loop *loop, int fd, void (*fn)(void *arg, unsigned events), void *arg)
{
    w->loop = loop;
    w->fd = fd;
    w->mask = 0;
    w->fn = fn;
    w->arg = arg;
}

/* Adds ev with a mask. 0 or errno. */
static int
add(struct hs_watch *w, struct event *ev, unsigned mask)
{
    if (event_assign(ev, w->loop->base, w->fd, libevent_mask(mask), on_ready, w) != 0) {
        return EINVAL;
    }
    errno = 0;
    if (event_add(ev, NULL) != 0) {
        return errno != 0 ? errno : EINVAL; /* what libevent itself refuses sets no errno */
    }
    return 0;
}

static int
start(struct hs_watch *w, unsigned mask)
{
    int err = add(w, &w->ev, mask);
    if (err == 0) {
        w->mask = mask;
        w->loop->n_watches++;
    }
    return err;
}

static void
stop(struct hs_watch *w)
{
    event_del(&w->ev);
    w->mask = 0;
    w->loop->n_watches--;
}

/* From one mask to another, both level-triggered. */
static int
change(struct hs_watch *w, unsigned mask)
{
    struct event holder;
    int err = add(w, &holder, mask);
    if (err != 0) {
        return err;
    }
    stop(w);
    err = start(w, mask);
    event_del(&holder);
    return err;
}

int
hs_watch_set(struct hs_watch *w, unsigned mask)
{
    assert((mask & ~(unsigned)(HS_READ | HS_WRITE | HS_CLOSED)) == 0 || mask == HS_RESET);
    if (mask == w->mask) {
        return 0;
    }
    if (w->mask == 0) {
        return start(w, mask);
    }
    if (mask != 0 && !is_edge_triggered(mask) && !is_edge_triggered(w->mask)) {
        return change(w, mask);
    }
    /* One edge-triggered event makes all of its descriptor's so: no overlap here. */
    stop(w);
    return mask == 0 ? 0 : start(w, mask);
}
