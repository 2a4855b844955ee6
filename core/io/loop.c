/* loop.c - the loop itself: turns, the clock, deferred calls, wake-ups from other threads.
 *
 * A turn is what happens between two polls. Nothing in libevent 2.1 says when one begins, so it is opened by the first
 * of our callbacks in it (hs_loop_turn_enter), which reads the clock once for all that follow. It is closed by
 * hs_loop_turn, or, where somebody else dispatches a borrowed base, by an event that the first callback makes active:
 * libevent queues it behind everything that the same poll made ready. Outside a turn the clock is read at each question.
 *
 * Deferred calls wait for the turn after the one that they were made in. A turn begins by putting a boundary behind
 * those that are there; only what stands before it is run. hs_loop_turn runs them itself, for free; where somebody else
 * dispatches, an event with a zero time-out does, which libevent takes up after I/O.
 *
 * The base is made without libevent's locks, so nothing but the post queue (a mutex and an eventfd) may be touched from
 * other threads. It does without EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST: a change that is still in the list when its
 * descriptor is closed is lost, and the registration then lives on as long as a forked child holds a copy, to be
 * reported under a number that belongs to another connection by then. hs_watch_set saves what the list would have. */
#include "io/loop_int.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

/* What a test clock shows at first: a time that is not 0, and a date that is known by heart (RFC 9110 5.6.7). */
#define TEST_START (1000 * HS_SEC)
#define TEST_WALLTIME 784111777

static _Thread_local struct hs_loop *current;
static pthread_once_t log_once = PTHREAD_ONCE_INIT;

/* Not inlined: whoever asks for the time of an open turn needs no room for a struct timespec, nor a guard for it. */
static __attribute__((noinline)) int64_t
clock_now(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * HS_SEC + ts.tv_nsec;
}

/* --- turns --- */

/* Puts the boundary behind the calls that were deferred so far. */
static void
mark_due(struct hs_loop *loop)
{
    if (!TAILQ_EMPTY(&loop->deferred) && !loop->boundary_queued) {
        TAILQ_INSERT_TAIL(&loop->deferred, &loop->boundary, link);
        loop->boundary_queued = true;
    }
}

void
hs_loop_turn_open(struct hs_loop *loop)
{
    loop->turn_open = true;
    loop->turn_start = clock_now(CLOCK_MONOTONIC);
    loop->walltime = 0;
    if (!loop->test_clock) {
        loop->now = loop->turn_start;
    }
    if (!loop->driven) {
        mark_due(loop);
        event_active(&loop->turn_end, EV_TIMEOUT, 1);
    }
}

static void
turn_close(struct hs_loop *loop)
{
    if (!loop->turn_open) {
        return;
    }
    int64_t took = clock_now(CLOCK_MONOTONIC) - loop->turn_start;
    if (took > loop->longest) {
        loop->longest = took;
    }
    if (loop->tick_failed) {
        hs_timeq_loop_retry(loop);
    }
    loop->turn_open = false;
}

static void
on_turn_end(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct hs_loop *loop = arg;
    if (!loop->driven) {
        turn_close(loop);
    }
}

/* --- deferred calls --- */

static void
wake(struct hs_loop *loop)
{
    /* Fails only when the counter is about to overflow, after 2^64 wake-ups. */
    while (eventfd_write(loop->wake_fd, 1) != 0 && errno == EINTR) {
    }
}

static void
kick(struct hs_loop *loop)
{
    static const struct timeval zero = { 0, 0 };
    if (event_add(&loop->kick, &zero) != 0) {
        loop->kick_failed = true;
        wake(loop);
    }
}

static void
take_out(struct hs_loop *loop, struct hs_deferred *d)
{
    TAILQ_REMOVE(&loop->deferred, d, link);
    d->link.tqe_prev = NULL;
}

/* Runs the calls that were deferred before this turn. Needs an open turn. */
static void
run_deferred(struct hs_loop *loop)
{
    if (!loop->boundary_queued) {
        return;
    }
    struct hs_deferred *d;
    while ((d = TAILQ_FIRST(&loop->deferred)) != &loop->boundary) {
        take_out(loop, d);
        d->fn(d->arg);
    }
    TAILQ_REMOVE(&loop->deferred, &loop->boundary, link);
    loop->boundary_queued = false;
}

/* A turn of somebody else's loop has come to the deferred calls. */
static void
run_deferred_undriven(struct hs_loop *loop)
{
    if (loop->driven) {
        return;
    }
    hs_loop_turn_enter(loop);
    run_deferred(loop);
    if (!TAILQ_EMPTY(&loop->deferred)) {
        kick(loop);
    }
}

static void
on_kick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    run_deferred_undriven(arg);
}

void
hs_defer(struct hs_loop *loop, struct hs_deferred *d)
{
    if (hs_deferred_is_queued(d)) {
        return;
    }
    bool first = TAILQ_EMPTY(&loop->deferred);
    TAILQ_INSERT_TAIL(&loop->deferred, d, link);
    if (first && !loop->driven) {
        kick(loop);
    }
}

void
hs_deferred_cancel(struct hs_loop *loop, struct hs_deferred *d)
{
    if (hs_deferred_is_queued(d)) {
        take_out(loop, d);
    }
}

/* --- from other threads --- */

void
hs_loop_post(struct hs_loop *loop, struct hs_post *p, hs_callback *fn, void *arg)
{
    p->fn = fn;
    p->arg = arg;
    pthread_mutex_lock(&loop->post_lock);
    bool first = STAILQ_EMPTY(&loop->posts);
    STAILQ_INSERT_TAIL(&loop->posts, p, link);
    if (first) {
        wake(loop); /* under the lock: once it is released, the loop may run the call and be freed */
    }
    pthread_mutex_unlock(&loop->post_lock);
}

/* Runs what is posted; true when there was something. */
static bool
run_posts(struct hs_loop *loop)
{
    struct hs_post_list batch = STAILQ_HEAD_INITIALIZER(batch);
    pthread_mutex_lock(&loop->post_lock);
    STAILQ_CONCAT(&batch, &loop->posts);
    pthread_mutex_unlock(&loop->post_lock);

    bool any = !STAILQ_EMPTY(&batch);
    struct hs_post *p;
    while ((p = STAILQ_FIRST(&batch)) != NULL) {
        STAILQ_REMOVE_HEAD(&batch, link);
        p->fn(p->arg);
    }
    return any;
}

static void
on_wake(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct hs_loop *loop = arg;
    hs_loop_turn_enter(loop);
    run_posts(loop);
    if (loop->kick_failed) {
        loop->kick_failed = false;
        run_deferred_undriven(loop);
    }
}

/* --- life --- */

/* libevent reports every failure to its caller as well, who knows better whether it matters. */
static void
on_libevent_log(int severity, const char *msg)
{
    int saved = errno;
    hs_log(severity == EVENT_LOG_ERR ? HS_LOG_ERROR : HS_LOG_DEBUG, "libevent: %s", msg);
    errno = saved;
}

static void
set_log(void)
{
    event_set_log_callback(on_libevent_log);
}

/* What the watches need: edge-triggered events and EV_CLOSED. On Linux this means epoll. */
#define NEEDED_FEATURES (EV_FEATURE_ET | EV_FEATURE_EARLY_CLOSE)

static struct event_base *
new_base(void)
{
    pthread_once(&log_once, set_log);
    struct event_config *config = event_config_new();
    if (config == NULL) {
        return NULL;
    }
    struct event_base *base = NULL;
    if (event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV) == 0 &&
        event_config_require_features(config, NEEDED_FEATURES) == 0) {
        base = event_base_new_with_config(config);
    }
    event_config_free(config);
    return base;
}

/* The events of the loop's own on its base. 0 or errno. */
static int
add_events(struct hs_loop *loop)
{
    if (event_assign(&loop->turn_end, loop->base, -1, 0, on_turn_end, loop) != 0 ||
        event_assign(&loop->kick, loop->base, -1, EV_TIMEOUT, on_kick, loop) != 0 ||
        event_assign(&loop->wake, loop->base, loop->wake_fd, EV_READ | EV_ET | EV_PERSIST, on_wake, loop) != 0) {
        return EINVAL;
    }
    return event_add(&loop->wake, NULL) == 0 ? 0 : ENOMEM;
}

int
hs_loop_new(const struct hs_loop_options *options, struct hs_loop **out)
{
    if (current != NULL) {
        return EBUSY;
    }
    struct hs_loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL) {
        return ENOMEM;
    }
    int err = ENOMEM;
    TAILQ_INIT(&loop->deferred);
    TAILQ_INIT(&loop->timers);
    STAILQ_INIT(&loop->posts);
    loop->test_clock = options != NULL && options->test_clock;
    loop->now = TEST_START;
    loop->base = options != NULL ? options->base : NULL;
    if (loop->base == NULL) {
        loop->owns_base = true;
        loop->base = new_base();
        if (loop->base == NULL) {
            goto fail_base;
        }
    } else if ((event_base_get_features(loop->base) & NEEDED_FEATURES) != NEEDED_FEATURES) {
        err = ENOTSUP;
        goto fail_base;
    }
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->wake_fd < 0) {
        err = errno;
        goto fail_eventfd;
    }
    err = pthread_mutex_init(&loop->post_lock, NULL);
    if (err != 0) {
        goto fail_lock;
    }
    err = add_events(loop);
    if (err != 0) {
        goto fail_events;
    }
    hs_timeq_loop_init(loop);
    current = loop;
    *out = loop;
    return 0;

fail_events:
    pthread_mutex_destroy(&loop->post_lock);
fail_lock:
    close(loop->wake_fd);
fail_eventfd:
    if (loop->owns_base) {
        event_base_free(loop->base);
    }
fail_base:
    free(loop);
    return err;
}

/* Runs posted and deferred calls until there are none. */
static void
drain(struct hs_loop *loop)
{
    bool any;
    loop->driven = true;
    do {
        hs_loop_turn_enter(loop);
        mark_due(loop);
        any = run_posts(loop);
        run_deferred(loop);
        any = any || !TAILQ_EMPTY(&loop->deferred);
        loop->turn_open = false;
    } while (any);
    loop->driven = false;
}

void
hs_loop_free(struct hs_loop *loop)
{
    if (loop == NULL) {
        return;
    }
    assert(loop == current && !loop->driven && !loop->advancing);
    drain(loop);
    hs_open_files_free(loop->open_files);
    hs_timeq_loop_fini(loop);
    assert(loop->n_timers == 0 && loop->n_watches == 0);
    event_del(&loop->turn_end);
    event_del(&loop->kick);
    event_del(&loop->wake);
    /* The last poster may still be on its way out of the lock. */
    pthread_mutex_lock(&loop->post_lock);
    assert(STAILQ_EMPTY(&loop->posts));
    pthread_mutex_unlock(&loop->post_lock);
    pthread_mutex_destroy(&loop->post_lock);
    close(loop->wake_fd);
    if (loop->owns_base) {
        event_base_free(loop->base);
    }
    current = NULL;
    free(loop);
}

int
hs_loop_after_fork(struct hs_loop *loop)
{
    assert(loop == current && !loop->driven);
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0) {
        return ENOMEM;
    }
    /* The number stays, so that libevent finds the new one where the old was: event_reinit(3) registers everything anew. */
    if (dup3(fd, loop->wake_fd, O_CLOEXEC) < 0) {
        close(fd);
        return EIO;
    }
    close(fd);
    return event_reinit(loop->base) == 0 ? 0 : EIO;
}

struct hs_loop *
hs_loop_current(void)
{
    return current;
}

void
hs_loop_set_current(struct hs_loop *loop)
{
    assert(loop == NULL || current == NULL || current == loop);
    current = loop;
}

struct event_base *
hs_loop_base(struct hs_loop *loop)
{
    return loop->base;
}

/* --- running --- */

int
hs_loop_turn(struct hs_loop *loop, bool may_block)
{
    if (loop->driven) {
        return EIO;
    }
    turn_close(loop); /* left open when somebody else's dispatching was broken off */
    loop->driven = true;
    mark_due(loop);
    int flags = EVLOOP_ONCE;
    if (!may_block || loop->boundary_queued) {
        flags |= EVLOOP_NONBLOCK;
    }
    int err = event_base_loop(loop->base, flags) < 0 ? EIO : 0;
    if (err == 0 && loop->boundary_queued) {
        hs_loop_turn_enter(loop);
        run_deferred(loop);
    }
    turn_close(loop);
    loop->driven = false;
    if (!loop->owns_base && !TAILQ_EMPTY(&loop->deferred)) {
        kick(loop); /* the next turn may be its owner's */
    }
    return err;
}

int
hs_loop_run(struct hs_loop *loop)
{
    int err = 0;
    while (err == 0 && !loop->stop) {
        err = hs_loop_turn(loop, true);
    }
    loop->stop = false;
    return err;
}

void
hs_loop_stop(struct hs_loop *loop)
{
    loop->stop = true;
}

/* --- the clock --- */

int64_t
hs_loop_now(struct hs_loop *loop)
{
    if (loop->turn_open || loop->test_clock) {
        return loop->now;
    }
    return clock_now(CLOCK_MONOTONIC);
}

int64_t
hs_loop_walltime(struct hs_loop *loop)
{
    if (loop->test_clock) {
        return TEST_WALLTIME + (loop->now - TEST_START) / HS_SEC;
    }
    if (!loop->turn_open) {
        return (int64_t)time(NULL);
    }
    if (loop->walltime == 0) {
        loop->walltime = (int64_t)time(NULL);
    }
    return loop->walltime;
}

int64_t
hs_loop_clock(struct hs_loop *loop)
{
    if (loop->test_clock) {
        return loop->now;
    }
    clock_gettime(CLOCK_MONOTONIC, &loop->moment);
    return (int64_t)loop->moment.tv_sec * HS_SEC + loop->moment.tv_nsec;
}

int64_t
hs_loop_elapsed(struct hs_loop *loop)
{
    return hs_loop_clock(loop) - loop->now;
}

int64_t
hs_loop_wallclock(struct hs_loop *loop)
{
    return loop->test_clock ? TEST_WALLTIME * HS_SEC + (loop->now - TEST_START) : clock_now(CLOCK_REALTIME);
}

int64_t
hs_loop_longest_turn(struct hs_loop *loop, bool reset)
{
    int64_t longest = loop->longest;
    if (reset) {
        loop->longest = 0;
    }
    return longest;
}
