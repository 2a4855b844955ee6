/* session.c - the life of a session: its handler, suspend and resume, abort, end, and those who wait on it.
 * session_int.h draws the states. Whatever tells a handler or a waiter something does so from the loop, never from within
 * a session function, so that no caller finds its session changed under it. */
#include "session/session.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/live.h"
#include "session/remote.h"
#include "session/session_int.h"

static void on_wake_later(void *arg);
static void on_resume_later(void *arg);

int
session_check(const ec_httpsrv_session *s)
{
    if (s->state >= SESSION_ENDED) {
        return s->state == SESSION_REMOTE ? EREMOTE : EBADF;
    }
    if (s->aborted) {
        return s->discard ? 0 : ECONNABORTED;
    }
    return s->st ? 0 : EBADF;
}

/* --- waiters --- */

/* The callback holds a reference until it has run. */
static void
wake_soon(ec_httpsrv_session *s)
{
    if (!hs_deferred_is_queued(&s->wake_later)) {
        hs_deferred_init(&s->wake_later, on_wake_later, s);
        ec_httpsrv_session_addref(s);
        hs_defer(s->env->loop, &s->wake_later);
    }
}

static void
make_ready(ec_httpsrv_session *s, struct hs_session_waiter *w, int err)
{
    w->ready = true;
    w->err = err;
    wake_soon(s);
}

void
session_wake(ec_httpsrv_session *s, enum hs_session_wait_for what, int err)
{
    struct hs_session_waiter *w;

    TAILQ_FOREACH(w, &s->waiters, link)
    {
        if (w->what == what && !w->ready) {
            make_ready(s, w, err);
        }
    }
    session_fire(s, 1U << what);
}

static void
wake_all(ec_httpsrv_session *s, int err)
{
    if (TAILQ_EMPTY(&s->waiters) && !s->armed) {
        return;
    }
    session_wake(s, HS_WAIT_BODY, err);
    session_wake(s, HS_WAIT_ROOM, err);
    session_wake(s, HS_WAIT_FLUSHED, err);
}

static bool
has_come(ec_httpsrv_session *s, enum hs_session_wait_for what)
{
    switch (what) {
    case HS_WAIT_BODY: return s->body.complete;
    case HS_WAIT_ROOM: return hs_session_has_room(s);
    case HS_WAIT_FLUSHED: return !s->st || (TAILQ_EMPTY(&s->segments) && s->st->ops->queued(s->st) == 0);
    }
    return true;
}

void
hs_session_wait(ec_httpsrv_session *s, enum hs_session_wait_for what, struct hs_session_waiter *w)
{
    assert(!w->queued);
    w->what = what;
    w->queued = true;
    w->ready = false;
    TAILQ_INSERT_TAIL(&s->waiters, w, link);
    int err = session_check(s);
    if (err) {
        make_ready(s, w, err);
    } else if (has_come(s, what)) {
        make_ready(s, w, 0);
    } else if (what != HS_WAIT_BODY) {
        pump_watch_output(s);
    }
}

void
hs_session_wait_cancel(ec_httpsrv_session *s, struct hs_session_waiter *w)
{
    if (w->queued) {
        TAILQ_REMOVE(&s->waiters, w, link);
        w->queued = false;
    }
}

static struct hs_session_waiter *
first_ready(ec_httpsrv_session *s)
{
    struct hs_session_waiter *w;

    TAILQ_FOREACH(w, &s->waiters, link)
    {
        if (w->ready) {
            return w;
        }
    }
    return NULL;
}

/* The handler learns that its client is gone, if it is there to learn it and has not been told. */
static void
tell_abort(ec_httpsrv_session *s)
{
    void (*fn)(ec_httpsrv_session *, void *) = s->on_abort;

    if (!s->tell_abort || s->state == SESSION_ENDED) {
        return;
    }
    s->tell_abort = false;
    s->on_abort = NULL;
    if (fn) {
        fn(s, s->on_abort_arg);
    }
    if (s->state != SESSION_ENDED && !s->discard && s->binding && s->binding->aborted) {
        s->binding->aborted(s, s->binding_data, s->abort_err);
    }
    if (s->state != SESSION_ENDED) {
        session_fire(s, s->armed); /* a C handler that left the waiting to us */
    }
}

static void
on_wake_later(void *arg)
{
    ec_httpsrv_session *s = arg;
    struct hs_session_waiter *w;

    size_t n = 0;

    TAILQ_FOREACH(w, &s->waiters, link)
    {
        n += w->ready;
    }
    while (n-- > 0 && (w = first_ready(s))) { /* those that come meanwhile stand behind, and wait for the next turn */
        TAILQ_REMOVE(&s->waiters, w, link);
        w->queued = false;
        w->fn(w->arg, w->err);
    }
    tell_abort(s);
    ec_httpsrv_session_delref(s);
}

/* --- wake-ups of C handlers --- */

void
session_arm(ec_httpsrv_session *s, enum hs_session_wait_for what)
{
    if (!s->self_waiting) {
        s->armed |= 1U << what;
    }
}

static void
armed_io_ready(io_object *io, void *arg)
{
    ec_httpsrv_session *s = arg;

    s->armed_io = NULL;
    io_wrapper_delref(io);
    if (s->state != SESSION_ENDED) {
        session_fire(s, ARMED_IO);
    }
    ec_httpsrv_session_delref(s);
}

void
session_disarm_io(ec_httpsrv_session *s)
{
    io_object *io = s->armed_io;

    s->armed_io = NULL;
    (void)hs_io_wait(io, IO_WAIT_READ, NULL, NULL);
    io_wrapper_delref(io);
    ec_httpsrv_session_delref(s);
}

int
session_arm_io(ec_httpsrv_session *s, io_object *io)
{
    if (s->self_waiting) {
        return EAGAIN;
    }
    if (s->armed_io && s->armed_io != io) {
        session_disarm_io(s);
    }
    if (!s->armed_io) {
        if (io_wrapper_wait(io, IO_WAIT_READ, armed_io_ready, s) != 0) {
            return errno;
        }
        io_wrapper_addref(io);
        ec_httpsrv_session_addref(s);
        s->armed_io = io;
    }
    s->armed |= ARMED_IO;
    return EAGAIN;
}

void
session_fire(ec_httpsrv_session *s, unsigned bit)
{
    if (!(s->armed & bit)) {
        return;
    }
    s->armed = 0;
    if (ec_httpsrv_session_resume(s, 0) != 0 && s->state == SESSION_RUNNING) {
        s->fired = true; /* it is about to suspend */
    }
}

void
hs_session_set_self_waiting(ec_httpsrv_session *s, bool on)
{
    s->self_waiting = on;
}

int
hs_session_hand_over(ec_httpsrv_session *s)
{
    if (atomic_load(&s->suspend) != NOT_SUSPENDED) {
        return EBUSY;
    }
    s->self_waiting = false;
    s->armed = 0;
    if (s->armed_io) {
        session_disarm_io(s);
    }
    s->on_abort = NULL;
    return 0;
}

/* --- the handler --- */

bool
session_gives_up(const ec_httpsrv_session *s)
{
    bool reading = s->body.mode != BODY_UNREAD && !s->body.complete; /* what came before the FIN counts */

    return s->state == SESSION_SUSPENDED && atomic_load(&s->suspend) == IS_SUSPENDED && !reading && !(s->options && s->options->half_close_allowed);
}

static void
on_handler_timeout(void *arg)
{
    session_refuse(arg, 503, ETIMEDOUT);
}

/* Starts the clock of a handler that has suspended for the first time, where its route or the server sets one. 0 or ENOMEM. */
static int
start_handler_timer(ec_httpsrv_session *s)
{
    int64_t ns = s->options != NULL ? s->options->handler_timeout : 0;
    if (ns == 0) {
        ns = s->env->limits.handler_timeout;
    }
    if (ns <= 0 || s->handler_timer) {
        return 0;
    }
    struct hs_timer *t = malloc(sizeof *t);
    if (!t) {
        return ENOMEM;
    }
    hs_timer_init(t, s->env->loop, on_handler_timeout, s);
    int err = hs_timer_set(t, ns);
    if (err) {
        free(t);
        return err;
    }
    s->handler_timer = t;
    return 0;
}

static __attribute__((noinline)) void
stop_handler_timer(ec_httpsrv_session *s)
{
    hs_timer_cancel(s->handler_timer);
    free(s->handler_timer);
    s->handler_timer = NULL;
}

static void
handler_ended(ec_httpsrv_session *s)
{
    if (__builtin_expect(s->handler_timer != NULL, 0)) {
        stop_handler_timer(s);
    }
    if (s->state == SESSION_ENDED) {
        return;
    }
    s->state = SESSION_SENDING;
    if (!s->st) {
        session_end(s);
        return;
    }
    if (!s->final) {
        s->final = true;
        response_default_body(s);
    }
    if (!pump_whole(s)) {
        pump(s);
    }
}

/* The handler has suspended its session. */
static void
begin_waiting(ec_httpsrv_session *s)
{
    s->env->nsuspended++;
    s->state = SESSION_SUSPENDED;
    if (s->st && TAILQ_FIRST(&s->segments)) {
        pump(s);
    }
    if (s->peer_fin && s->st && !s->aborted && !s->in_begin && session_gives_up(s)) {
        struct hs_stream *st = s->st;
        s->st = NULL;
        st->ops->abort(st);
        session_abort(s, ECONNABORTED);
    }
    if (start_handler_timer(s) != 0) {
        session_refuse(s, 503, ENOMEM);
    }
    if (s->fired) {
        (void)ec_httpsrv_session_resume(s, 0);
    }
}

static __attribute__((noinline)) void
returned_oddly(ec_httpsrv_session *s, int rc)
{
    if (rc == EC_HTTPSRV_HANDLER_ASYNC && atomic_load(&s->suspend) != NOT_SUSPENDED) {
        begin_waiting(s);
        return;
    }
    if (rc == EC_HTTPSRV_HANDLER_ASYNC) {
        session_complain(s, "handler returned ASYNC without ec_httpsrv_session_suspend");
        hs_session_fail(s, 500);
    } else if (rc != EC_HTTPSRV_HANDLER_DONE) {
        session_complain(s, "handler returned %d, which is neither DONE nor ASYNC", rc);
        hs_session_fail(s, 500);
    }
    bool suspended = atomic_exchange(&s->suspend, NOT_SUSPENDED) == IS_SUSPENDED;
    handler_ended(s);
    if (suspended) {
        ec_httpsrv_session_delref(s); /* else the resume that is under way drops it */
    }
}

void
session_returned(ec_httpsrv_session *s, int rc)
{
    /* Only the loop's thread suspends. */
    if (__builtin_expect(rc == EC_HTTPSRV_HANDLER_DONE && atomic_load(&s->suspend) == NOT_SUSPENDED, 1)) {
        handler_ended(s);
    } else {
        returned_oddly(s, rc);
    }
}

/* Calls the handler once more. */
static void
run_again(ec_httpsrv_session *s)
{
    s->state = SESSION_RUNNING;
    s->armed = 0;
    s->fired = false;
    if (s->armed_io) {
        session_disarm_io(s);
    }
    session_returned(s, s->env->app->again(s->env->app_arg, s));
}

/* What a resume has led to; drops the suspension's reference. */
static void
do_resume(ec_httpsrv_session *s)
{
    if (s->state == SESSION_RUNNING) {
        hs_deferred_init(&s->resume_later, on_resume_later, s);
        hs_defer(s->env->loop, &s->resume_later); /* its handler has not returned yet */
        return;
    }
    int how = atomic_exchange(&s->suspend, NOT_SUSPENDED);
    s->env->nsuspended -= how != NOT_SUSPENDED; /* begin_waiting has counted it */
    if (how == RESUME_FINISHED && s->guard) {
        how = RESUME_AGAIN; /* an auth handler has to decide */
    }
    if (how == RESUME_AGAIN && (!s->aborted || s->discard)) {
        run_again(s);
    } else if (how != NOT_SUSPENDED) { /* else its handler has said DONE after all */
        handler_ended(s);
    }
    ec_httpsrv_session_delref(s);
}

static void
on_resume_later(void *arg)
{
    tell_abort(arg);
    do_resume(arg);
}

int
ec_httpsrv_session_suspend(ec_httpsrv_session *s)
{
    int expected = NOT_SUSPENDED;

    if (s->state != SESSION_RUNNING || !atomic_compare_exchange_strong(&s->suspend, &expected, IS_SUSPENDED)) {
        return EBADF;
    }
    ec_httpsrv_session_addref(s);
    return 0;
}

int
ec_httpsrv_session_resume(ec_httpsrv_session *s, int finished)
{
    int expected = IS_SUSPENDED;

    if (!atomic_compare_exchange_strong(&s->suspend, &expected, finished ? RESUME_FINISHED : RESUME_AGAIN)) {
        return EBADF;
    }
    if (hs_loop_current() != s->env->loop) {
        hs_loop_post(s->env->loop, &s->resume_post, on_resume_later, s);
    } else if (finished && s->state == SESSION_SUSPENDED && !s->guard) {
        do_resume(s);
    } else {
        hs_deferred_init(&s->resume_later, on_resume_later, s);
        hs_defer(s->env->loop, &s->resume_later);
    }
    return 0;
}

int
ec_httpsrv_session_on_abort(ec_httpsrv_session *s, void (*fn)(ec_httpsrv_session *sess, void *arg), void *arg)
{
    int err = session_check(s);

    if (err) {
        return err == EREMOTE ? session_remote(s, REMOTE_ON_ABORT, &(struct remote_args){ .fn = fn, .arg = arg }) : err;
    }
    s->on_abort = fn;
    s->on_abort_arg = arg;
    return 0;
}

/* --- abort and end --- */

/* The handler, which goes on, is to be told first, then whoever waits for something. */
static void
set_aborted(ec_httpsrv_session *s, int err)
{
    s->aborted = true;
    s->abort_err = err;
    s->discard = s->options && s->options->abort_continue;
    s->tell_abort = true;
    wake_soon(s);
    if (s->armed_io) {
        session_disarm_io(s);
    }
    wake_all(s, s->discard ? 0 : ECONNABORTED);
    body_end(s, err, (struct hs_view){ 0 }, NULL, 0);
}

void
session_abort(ec_httpsrv_session *s, int err)
{
    s->st = NULL;
    if (s->state == SESSION_ENDED) {
        return;
    }
    s->cut = true;
    if (s->state == SESSION_SENDING) {
        session_end(s);
        return;
    }
    if (s->aborted) {
        return;
    }
    segments_drop(s);
    set_aborted(s, err);
}

/* Makes an error response in the place of whatever there was. */
static void
replace_response(ec_httpsrv_session *s, int status)
{
    struct hs_view text = hs_status_reason(status);

    response_clear(s);
    s->status = status;
    s->failed = true;
    s->final = true;
    (void)response_add_field(s, HS_VIEW("Content-Type"), HS_VIEW("text/plain"), HS_FIELD_CONTENT_TYPE);
    if (segments_append(s, text.p, text.n) == 0) {
        (void)segments_append(s, "\n", 1);
    }
}

void
session_refuse(ec_httpsrv_session *s, int status, int err)
{
    struct hs_stream *st = s->st;

    if (!st || s->state == SESSION_ENDED) {
        return;
    }
    ec_httpsrv_session_addref(s);
    bool handler_left = s->state != SESSION_SENDING;
    if (handler_left && !s->aborted) {
        set_aborted(s, err);
    } else {
        body_end(s, err, (struct hs_view){ 0 }, NULL, 0);
    }
    if (s->head_sent) {
        s->st = NULL;
        s->cut = true;
        st->ops->abort(st);
        if (!handler_left) {
            session_end(s);
        }
    } else {
        replace_response(s, status);
        pump(s);
    }
    ec_httpsrv_session_delref(s);
}

/* What ending one does to the others is unknown: each is held while it is looked at, and when the next one has ended meanwhile the walk
 * begins anew, which passes over those that it has been to. */
size_t
hs_session_env_refuse(struct hs_session_env *env, bool (*which)(void *arg, ec_httpsrv_session *sess), void *arg)
{
    ec_httpsrv_session *s = env->beginning, *next;
    size_t n = 0;

    if (!s || s->state == SESSION_ENDED) {
        s = TAILQ_FIRST(&env->retained);
    }
    if (s) {
        ec_httpsrv_session_addref(s);
    }
    for (; s; s = next) {
        if (s->st && !s->aborted && !s->failed && which(arg, s)) {
            n++;
            session_refuse(s, 503, ECONNABORTED);
        }
        next = s->hashed ? TAILQ_NEXT(s, retained_link) : TAILQ_FIRST(&env->retained);
        if (next) {
            ec_httpsrv_session_addref(next);
        }
        ec_httpsrv_session_delref(s);
    }
    return n;
}

void
hs_session_fail(ec_httpsrv_session *s, int status)
{
    struct hs_stream *st = s->st;

    if (!st || s->state == SESSION_ENDED) {
        return;
    }
    if (!s->head_sent) {
        replace_response(s, status);
        return;
    }
    s->st = NULL;
    s->cut = true;
    st->ops->abort(st);
    segments_drop(s);
    if (s->state == SESSION_SENDING) {
        session_end(s);
    } else {
        s->aborted = true; /* the handler is about to end, it needs not be told */
        s->abort_err = ECONNABORTED;
    }
}

/* Whether it has, beside the segments of its response, anything to release that most do not have: looked for in one step. */
static inline bool
has_more_than_segments(const ec_httpsrv_session *s)
{
    return ((uintptr_t)s->armed_io | (uintptr_t)s->ctx | (uintptr_t)s->url | (uintptr_t)s->body.mode) != 0;
}

/* What a script or a C handler keeps in ctx may be in use until its ios are gone. */
static __attribute__((noinline)) void
release_all(ec_httpsrv_session *s)
{
    if (s->armed_io) {
        session_disarm_io(s);
    }
    segments_drop(s);
    if (s->body.mode != BODY_UNREAD) {
        body_fini(s);
    }
    if (s->ctx) {
        ec_blobject_delref(s->ctx);
        s->ctx = NULL;
    }
    if (s->url) {
        ec_url_details_free(s->url);
        s->url = NULL;
    }
}

/* What a session has that has outlived its begin. */
static __attribute__((noinline)) void
drop_kept(ec_httpsrv_session *s)
{
    hs_peer_delref(s->who);
    s->who = NULL;
    session_delref(s); /* the request's */
}

void
session_end(ec_httpsrv_session *s)
{
    struct hs_session_env *env = s->env;

    assert(s->state != SESSION_ENDED && !s->st);
    wake_all(s, EBADF);
    if (s->binding && s->binding->ended) {
        s->binding->ended(s, s->binding_data);
    }
    env->app->ended(env->app_arg, s);
    s->state = SESSION_ENDED;
    s->binding = NULL;
    s->on_abort = NULL;
    if (hs_deferred_is_queued(&s->pump_later)) {
        hs_deferred_cancel(env->loop, &s->pump_later);
    }
    if (__builtin_expect(has_more_than_segments(s), 0)) {
        release_all(s);
    } else if (s->segments.tqh_first && !segments_drop_small(s)) {
        segments_drop(s);
    }
    s->closure = NULL;
    if (s->route_release) {
        s->route_release(s->route);
        s->route_release = NULL;
        s->route = NULL; /* it may be gone with its generation */
    }
    session_unindex(s);
    env->nlive--;
    hs_live_add(HS_LIVE_SESSION, -1);
    hs_arena_reset(&s->arena);
    if (__builtin_expect(s->in_begin, 1)) {
        s->who = NULL; /* the connection's; user_begin, which still works on the session, drops the request's reference */
    } else {
        drop_kept(s);
    }
}

void
hs_session_bind(ec_httpsrv_session *s, const struct hs_session_binding *ops, void *data)
{
    s->binding = ops;
    s->binding_data = data;
}

void *
hs_session_binding_data(ec_httpsrv_session *s)
{
    return s->binding_data;
}
