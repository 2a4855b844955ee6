/* pump.c - the response's content on its way: the queue of segments, drained to the protocol at the client's pace.
 * One function moves: pump(). It stops when the client takes no more (writable comes), when a source says EAGAIN (its
 * wake-up comes), or when this session has had its share of the loop turn. It decides when the head goes and with which
 * length. A call on a source may lead anywhere, back into the session too: the front segment is pinned meanwhile. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "session/session_int.h"

enum { PUMP_IOV = 32, PRIME_SIZE = 16 * 1024, READ_NOT_SENDFILE = 32 * 1024 };

enum step {
    STEP_ON,
    STEP_BLOCKED, /* the client takes no more */
    STEP_WAIT,    /* for a source, or for the next turn */
    STEP_OTHER,   /* not a way for this io */
    STEP_GONE,    /* what the source did has ended the exchange, or replaced the response */
    STEP_BROKEN,  /* the protocol cannot be written to: it tells from the loop */
    STEP_FAILED   /* errno */
};

/* --- the head --- */

/* All content there will be, when that is known; -1. Fixes how much each io owes. */
static int64_t
total_length(ec_httpsrv_session *s)
{
    struct segment *g;
    int64_t total = 0;

    TAILQ_FOREACH(g, &s->segments, link)
    {
        int64_t n = g->len - g->off;
        if (g->io) {
            g->left = g->left < 0 ? hs_io_remaining(g->io) : g->left; /* prime() may have looked just now */
            n = g->left;
        }
        if (n < 0 || total > INT64_MAX - n) {
            return -1;
        }
        total += n;
    }
    return total;
}

/* An error before anything was sent: 500 in the place of the response. */
static void
fail_early(ec_httpsrv_session *s)
{
    hs_session_fail(s, 500);
}

/* What the protocol is told of the head. */
static inline struct hs_response
response_begin(const ec_httpsrv_session *s, int64_t length, bool no_content)
{
    return (struct hs_response){
        .head = {
            .status = s->status,
            .reason = s->reason,
            .fields = s->fields,
            .nfields = s->nfields,
            .start = s->start,
            .content_length = length,
            .close = s->script_close,
            .date = !s->script_date,
        },
        .no_content = no_content,
    };
}

static enum step
send_head(ec_httpsrv_session *s)
{
    bool is_head = s->req.method_id == HS_METHOD_HEAD;
    int64_t length = s->final ? total_length(s) : -1;

    if (s->script_length >= 0) {
        if (length >= 0 && length != s->script_length && !(is_head && length == 0)) {
            session_complain(s, "Content-Length %lld was set but the content has %lld bytes", (long long)s->script_length,
                   (long long)length);
            s->script_length = -1;
            fail_early(s);
            length = total_length(s);
        } else {
            length = s->script_length;
        }
    }
    s->no_content = session_is_bodiless(s);
    if (s->status == 304 && length == 0 && s->script_length < 0) {
        length = -1; /* what GET would have had is not known */
    } else if (s->status == 205) {
        length = 0; /* RFC 9110 15.3.6 */
    }
    if (is_head && length == 0 && s->script_length < 0 && !s->body_called) {
        length = -1;
    }
    if (__builtin_expect(s->env->ids_sent, 0)) {
        session_add_request_id(s);
    }
    struct hs_response r = response_begin(s, length, s->no_content);
    s->head_sent = true;
    s->head_at = hs_loop_now(s->env->loop);
    if (s->no_content) {
        segments_drop(s);
    } else {
        s->length_left = length;
    }
    errno = s->st->ops->respond(s->st, &r);
    return errno == 0 ? STEP_ON : STEP_FAILED;
}

/* --- one source --- */

/* To be asked after each call on the front io: such a call can lead anywhere, through an application's wrapper or, on a request's body, through
 * the protocol. */
static bool
is_gone(const ec_httpsrv_session *s)
{
    return !s->st || s->pinned_gone;
}

static void
io_ready(io_object *io, void *arg)
{
    ec_httpsrv_session *s = arg;

    (void)io;
    s->io_waited = NULL;
    if (s->state != SESSION_ENDED) {
        pump(s);
    }
    ec_httpsrv_session_delref(s);
}

static enum step
wait_io(ec_httpsrv_session *s, io_object *io)
{
    if (s->io_waited) {
        return STEP_WAIT;
    }
    s->io_waited = io;
    ec_httpsrv_session_addref(s);
    int err = hs_io_wait(io, IO_WAIT_READ, io_ready, s);
    if (err && s->io_waited == io) {
        s->io_waited = NULL;
        ec_httpsrv_session_delref(s);
    }
    errno = err;
    return is_gone(s) ? STEP_GONE : err ? STEP_FAILED : STEP_WAIT;
}

static void
account(ec_httpsrv_session *s, size_t n, size_t *budget)
{
    s->body_sent += n;
    if (s->length_left >= 0) {
        s->length_left -= (int64_t)n;
    }
    *budget -= n < *budget ? n : *budget;
}

/* At most this much of a segment may go now. */
static size_t
allowance(const ec_httpsrv_session *s, off_t left, size_t budget)
{
    uint64_t n = budget;

    if (left >= 0 && (uint64_t)left < n) {
        n = (uint64_t)left;
    }
    if (s->length_left >= 0 && (uint64_t)s->length_left < n) {
        n = (uint64_t)s->length_left;
    }
    return (size_t)n;
}

static enum step
write_failed(void)
{
    return errno == ECONNABORTED ? STEP_BROKEN : STEP_FAILED;
}

/* The bytes segments at the front, as many as one writev takes. */
static enum step
pump_bytes(ec_httpsrv_session *s, size_t *budget)
{
    struct iovec iov[PUMP_IOV];
    size_t limit = allowance(s, -1, *budget);
    size_t offered = 0;
    int n = 0;
    struct segment *g;

    TAILQ_FOREACH(g, &s->segments, link)
    {
        size_t len = g->len - g->off;
        if (g->io || n == PUMP_IOV || offered == limit) {
            break;
        }
        len = len < limit - offered ? len : limit - offered;
        iov[n++] = (struct iovec){ g->data + g->off, len };
        offered += len;
    }
    ssize_t taken = s->st->ops->write(s->st, iov, n, HS_WRITE_KEEP);
    if (taken < 0) {
        return write_failed();
    }
    account(s, (size_t)taken, budget);
    for (size_t left = (size_t)taken; (g = TAILQ_FIRST(&s->segments)) && !g->io;) {
        size_t len = g->len - g->off;
        if (len > left) {
            g->off += (uint32_t)left;
            s->queued -= left;
            break;
        }
        left -= len;
        segments_pop(s);
    }
    return (size_t)taken < offered ? STEP_BLOCKED : STEP_ON;
}

static void
consumed(ec_httpsrv_session *s, struct segment *g, size_t n, size_t *budget)
{
    if (g->left >= 0) {
        g->left -= (off_t)n;
    }
    account(s, n, budget);
}

/* The source has no more. */
static enum step
io_end(ec_httpsrv_session *s, struct segment *g)
{
    if (g->left > 0) {
        errno = EIO; /* shorter than the head has promised */
        return STEP_FAILED;
    }
    segments_pop(s);
    return STEP_ON;
}

static enum step
pump_window(ec_httpsrv_session *s, struct segment *g, size_t limit, size_t *budget)
{
    struct hs_io_window w;
    int err = hs_io_window(g->io, limit < WINDOW_MAX ? limit : WINDOW_MAX, &w);

    if (is_gone(s)) {
        return STEP_GONE;
    }
    if (err == EAGAIN) {
        return wait_io(s, g->io);
    }
    if (err) {
        errno = err;
        return err == ENOTSUP ? STEP_OTHER : STEP_FAILED;
    }
    if (w.len == 0) {
        return io_end(s, g);
    }
    ssize_t n = s->st->ops->sendfile(s->st, w.fd, w.off, w.len);
    if (n < 0) {
        return errno == ENOTSUP ? STEP_OTHER : write_failed();
    }
    consumed(s, g, (size_t)n, budget);
    hs_io_consume(g->io, (size_t)n);
    return is_gone(s) ? STEP_GONE : (size_t)n < w.len ? STEP_BLOCKED : STEP_ON;
}

static enum step
pump_peek(ec_httpsrv_session *s, struct segment *g, size_t limit, size_t *budget)
{
    struct iovec iov;
    const char *p;
    size_t len;
    int err = hs_io_peek(g->io, &p, &len);

    if (is_gone(s)) {
        return STEP_GONE;
    }
    if (err == EAGAIN) {
        return wait_io(s, g->io);
    }
    if (err) {
        errno = err;
        return err == ENOTSUP ? STEP_OTHER : STEP_FAILED;
    }
    if (len == 0) {
        return io_end(s, g);
    }
    iov = (struct iovec){ (void *)(uintptr_t)p, len < limit ? len : limit };
    ssize_t n = s->st->ops->write(s->st, &iov, 1, HS_WRITE_KEEP);
    if (n < 0) {
        return write_failed();
    }
    consumed(s, g, (size_t)n, budget);
    hs_io_consume(g->io, (size_t)n);
    return is_gone(s) ? STEP_GONE : (size_t)n < iov.iov_len ? STEP_BLOCKED : STEP_ON;
}

static enum step
pump_read(ec_httpsrv_session *s, struct segment *g, size_t limit, size_t *budget)
{
    struct hs_session_env *env = s->env;

    if (s->st->ops->queued(s->st) >= env->limits.response_high) {
        return STEP_BLOCKED;
    }
    ssize_t n = hs_io_read(g->io, env->scratch, limit < PUMP_SCRATCH ? limit : PUMP_SCRATCH);
    if (is_gone(s)) {
        return STEP_GONE;
    }
    if (n < 0 && errno == EAGAIN) {
        return wait_io(s, g->io);
    }
    if (n <= 0) {
        return n < 0 ? STEP_FAILED : io_end(s, g);
    }
    const struct iovec iov = { env->scratch, (size_t)n };
    if (s->st->ops->write(s->st, &iov, 1, 0) < 0) {
        return write_failed();
    }
    consumed(s, g, (size_t)n, budget);
    return STEP_ON;
}

static enum step
pump_front(ec_httpsrv_session *s, struct segment *g, size_t *budget)
{
    if (!g->sized) { /* what the io had when it was given is what it owes */
        g->sized = true;
        g->left = g->left < 0 ? hs_io_remaining(g->io) : g->left;
    }
    if (g->left == 0) {
        segments_pop(s); /* what a longer file has beyond its promise is not sent */
        return STEP_ON;
    }
    size_t limit = allowance(s, g->left, *budget);
    enum step r = STEP_OTHER;
    if (!g->no_window && !(g->left >= 0 && g->left <= READ_NOT_SENDFILE)) {
        r = pump_window(s, g, limit, budget);
        g->no_window = r == STEP_OTHER;
    }
    if (r == STEP_OTHER && !g->no_peek) {
        r = pump_peek(s, g, limit, budget);
        g->no_peek = r == STEP_OTHER;
        g->no_window = g->no_window && !g->no_peek; /* what comes after memory may lie in a file (growbuf) */
    }
    return r == STEP_OTHER ? pump_read(s, g, limit, budget) : r;
}

/* Calls on the front io with its segment held: whatever they lead to, g is there until the end. */
static struct segment *
pin(ec_httpsrv_session *s)
{
    s->pinned = TAILQ_FIRST(&s->segments);
    s->pinned_gone = false;
    return s->pinned;
}

static void
unpin(ec_httpsrv_session *s)
{
    struct segment *g = s->pinned;

    s->pinned = NULL;
    if (s->pinned_gone) {
        s->pinned_gone = false;
        segment_free(s->env, g);
    }
}

static enum step
pump_io(ec_httpsrv_session *s, size_t *budget)
{
    enum step r = pump_front(s, pin(s), budget);

    unpin(s);
    return r;
}

/* Before the head: has the io at the front its first bytes, its end, or an error? What was read is put before it. */
static enum step
prime_front(ec_httpsrv_session *s, struct segment *g)
{
    g->left = hs_io_remaining(g->io);
    if (g->left >= 0) {
        return STEP_ON; /* its size is known, it is ready */
    }
    struct segment *bytes = segment_new(s->env, PRIME_SIZE, false);
    if (!bytes) {
        errno = ENOMEM;
        return STEP_FAILED;
    }
    ssize_t n = hs_io_read(g->io, bytes->data, bytes->cap < PRIME_SIZE ? bytes->cap : PRIME_SIZE);
    if (n <= 0 || is_gone(s)) {
        int err = errno;
        segment_free(s->env, bytes);
        errno = err;
        if (is_gone(s)) {
            return STEP_GONE;
        }
        if (n == 0) {
            segments_pop(s);
            return STEP_ON;
        }
        return err == EAGAIN ? wait_io(s, g->io) : STEP_FAILED;
    }
    bytes->len = (uint32_t)n;
    s->queued += (size_t)n;
    TAILQ_INSERT_HEAD(&s->segments, bytes, link);
    return STEP_ON;
}

static enum step
prime(ec_httpsrv_session *s)
{
    enum step r = prime_front(s, pin(s));

    unpin(s);
    return r;
}

/* --- the pump --- */

/* Looks whether it is time for the head, and sends it. WAIT: not yet. */
static enum step
pump_head(ec_httpsrv_session *s)
{
    const struct segment *g = TAILQ_FIRST(&s->segments);

    if (g && g->io && !session_is_bodiless(s)) {
        enum step r = prime(s);
        if (r == STEP_GONE) {
            return r;
        }
        if (r == STEP_FAILED) {
            session_complain(s, "reading the response's io: %s", strerror(errno));
            segments_unwait(s);
            fail_early(s);
        } else if (r == STEP_WAIT && !s->flush_wanted) {
            if (!s->final) {
                return STEP_WAIT;
            }
            if (!s->head_waited) { /* a source that begins when it is first read has one turn to fail in */
                s->head_waited = true;
                pump_soon(s);
                return STEP_WAIT;
            }
        }
    } else if (!s->final && !s->flush_wanted && s->queued <= s->env->limits.response_high) {
        return STEP_WAIT;
    }
    return send_head(s);
}

static enum step
drain(ec_httpsrv_session *s)
{
    size_t budget = s->env->limits.turn_bytes;
    const struct segment *g;

    while ((g = TAILQ_FIRST(&s->segments))) {
        if (s->length_left == 0 || s->no_content) {
            segments_drop(s); /* beyond the length that was said */
            break;
        }
        if (budget == 0) {
            pump_soon(s);
            return STEP_WAIT;
        }
        enum step r = g->io ? pump_io(s, &budget) : pump_bytes(s, &budget);
        if (r != STEP_ON) {
            return r;
        }
    }
    return STEP_ON;
}

/* Everything has been handed to the protocol, and no more will come. */
static void
complete(ec_httpsrv_session *s)
{
    struct hs_stream *st = s->st;
    bool ok = s->length_left <= 0;

    s->st = NULL;
    if (!ok) {
        session_complain(s, "the content is %lld bytes shorter than its Content-Length", (long long)s->length_left);
        st->ops->abort(st);
        session_abort(s, ECONNABORTED);
        return;
    }
    st->ops->finish(st);
    if (s->state == SESSION_SENDING) {
        session_end(s);
    } else {
        body_end(s, ECONNABORTED, (struct hs_view){ 0 }, NULL, 0); /* no more of it will come */
        session_wake(s, HS_WAIT_FLUSHED, 0);
        session_wake(s, HS_WAIT_ROOM, 0);
    }
}

bool
pump_whole(ec_httpsrv_session *s)
{
    const struct segment *g = TAILQ_FIRST(&s->segments);
    struct hs_stream *st = s->st;
    struct hs_view content = { "", 0 };

    if (s->head_sent || s->pumping || s->script_length >= 0 || session_is_bodiless(s) || (g && (g->io || TAILQ_NEXT(g, link)))) {
        return false;
    }
    if (g) {
        content = (struct hs_view){ g->data + g->off, g->len - g->off };
    }
    if (__builtin_expect(s->env->ids_sent, 0)) {
        session_add_request_id(s);
    }
    struct hs_response r = response_begin(s, (int64_t)content.n, false);
    s->st = NULL;
    if (st->ops->send(st, &r, content) != 0) {
        s->st = st;
        return false;
    }
    s->head_sent = true;
    s->body_sent = content.n;
    session_end(s);
    return true;
}

static void
fail_late(ec_httpsrv_session *s)
{
    struct hs_stream *st = s->st;

    session_complain(s, "response aborted: %s", strerror(errno));
    s->st = NULL;
    st->ops->abort(st);
    session_abort(s, ECONNABORTED);
}

static void
set_waiting_writable(ec_httpsrv_session *s, bool on)
{
    if (s->waiting_writable != on) {
        s->waiting_writable = on;
        s->st->ops->want_writable(s->st, on);
    }
}

/* Whether somebody waits for unsent output to become less. */
static bool
is_output_awaited(const ec_httpsrv_session *s)
{
    const struct hs_session_waiter *w;

    if (s->armed & (1U << HS_WAIT_ROOM | 1U << HS_WAIT_FLUSHED)) {
        return true;
    }
    TAILQ_FOREACH(w, &s->waiters, link)
    {
        if (w->what != HS_WAIT_BODY) {
            return true;
        }
    }
    return false;
}

void
pump_watch_output(ec_httpsrv_session *s)
{
    if (s->st && is_output_awaited(s) && s->st->ops->queued(s->st) > 0) {
        set_waiting_writable(s, true);
    }
}

static void
pump_once(ec_httpsrv_session *s)
{
    enum step r = s->head_sent ? STEP_ON : pump_head(s);

    if (r == STEP_ON) {
        r = drain(s);
    }
    if (r == STEP_FAILED) {
        fail_late(s);
        return;
    }
    if (r == STEP_GONE) {
        s->pump_again = true;
        return;
    }
    if (r == STEP_BROKEN || !s->head_sent) {
        return;
    }
    if (r == STEP_ON && s->final) {
        complete(s);
        return;
    }
    size_t queued = s->st->ops->queued(s->st);
    set_waiting_writable(s, r == STEP_BLOCKED || queued > s->env->limits.response_high || (queued > 0 && is_output_awaited(s)));
    if (!s->in_begin || r != STEP_ON) {
        s->st->ops->flush(s->st);
    }
    if (s->queued + s->st->ops->queued(s->st) <= s->env->limits.response_low) {
        session_wake(s, HS_WAIT_ROOM, 0);
    }
    if (TAILQ_EMPTY(&s->segments) && s->st->ops->queued(s->st) == 0) {
        s->flush_wanted = false;
        session_wake(s, HS_WAIT_FLUSHED, 0);
    }
}

void
pump(ec_httpsrv_session *s)
{
    if (!s->st || s->state == SESSION_ENDED) {
        return;
    }
    if (s->pumping) {
        s->pump_again = true;
        return;
    }
    ec_httpsrv_session_addref(s);
    s->pumping = true;
    s->pump_again = false;
    pump_once(s);
    s->pumping = false;
    if (s->pump_again && s->st) {
        pump_soon(s);
    }
    ec_httpsrv_session_delref(s);
}

static void
pump_later(void *arg)
{
    pump(arg);
}

void
pump_soon(ec_httpsrv_session *s)
{
    if (!hs_deferred_is_queued(&s->pump_later)) {
        hs_deferred_init(&s->pump_later, pump_later, s);
        hs_defer(s->env->loop, &s->pump_later);
    }
}

void
pump_on_writable(void *sess)
{
    pump(sess);
}
