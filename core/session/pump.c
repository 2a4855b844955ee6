/* pump.c - the response's content on its way: an ordered queue of segments, drained to the protocol at the client's pace.
 * One function moves: pump(). It stops when the client takes no more (writable comes), when a source says EAGAIN (its
 * wake-up comes), or when this session has had its share of the loop turn. It decides when the head goes and with which
 * length. Owns the segments and, through claims, the io_objects in them. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "session/session_int.h"

enum { PUMP_IOV = 32, PRIME_SIZE = 16 * 1024, READ_NOT_SENDFILE = 32 * 1024 };

enum step { STEP_ON, STEP_BLOCKED, STEP_WAIT, STEP_FAILED };

/* --- segments --- */

static struct segment *
segment_new(struct hs_session_env *env, size_t want, bool first)
{
    bool small = first && want <= SEGMENT_SMALL;
    struct segments *list = small ? &env->small : &env->large;
    size_t cap = small ? SEGMENT_SMALL : want <= SEGMENT_LARGE ? SEGMENT_LARGE : want;
    struct segment *g = cap == want && cap > SEGMENT_LARGE ? NULL : TAILQ_FIRST(list);

    if (g) {
        TAILQ_REMOVE(list, g, link);
        *(small ? &env->nsmall : &env->nlarge) -= 1;
    } else {
        g = malloc(sizeof *g + cap);
        if (!g) {
            return NULL;
        }
        g->cap = (uint32_t)cap;
    }
    g->io = NULL;
    g->off = g->len = 0;
    return g;
}

static void
segment_free(struct hs_session_env *env, struct segment *g)
{
    if (g->io) {
        hs_io_release(g->io);
        io_wrapper_delref(g->io);
        free(g);
    } else if (g->cap == SEGMENT_SMALL && env->nsmall < SEGMENT_FREE_MAX) {
        TAILQ_INSERT_HEAD(&env->small, g, link);
        env->nsmall++;
    } else if (g->cap == SEGMENT_LARGE && env->nlarge < SEGMENT_FREE_MAX) {
        TAILQ_INSERT_HEAD(&env->large, g, link);
        env->nlarge++;
    } else {
        free(g);
    }
}

void
segments_env_fini(struct hs_session_env *env)
{
    struct segments *lists[2] = { &env->small, &env->large };

    for (int i = 0; i < 2; i++) {
        while (!TAILQ_EMPTY(lists[i])) {
            struct segment *g = TAILQ_FIRST(lists[i]);
            TAILQ_REMOVE(lists[i], g, link);
            free(g);
        }
    }
}

int
segments_append(ec_httpsrv_session *s, const void *p, size_t n)
{
    struct segment *last = TAILQ_LAST(&s->segments, segments);
    const char *src = p;

    while (n) {
        if (!last || last->io || last->len == last->cap) {
            size_t want = n < UINT32_MAX / 2 ? n : UINT32_MAX / 2;
            last = segment_new(s->env, want, TAILQ_EMPTY(&s->segments));
            if (!last) {
                return ENOMEM;
            }
            TAILQ_INSERT_TAIL(&s->segments, last, link);
        }
        size_t room = last->cap - last->len;
        size_t use = n < room ? n : room;
        memcpy(last->data + last->len, src, use);
        last->len += (uint32_t)use;
        s->queued += use;
        src += use;
        n -= use;
    }
    return 0;
}

int
segments_append_io(ec_httpsrv_session *s, io_object *io)
{
    int err = hs_io_claim(io);

    if (err) {
        return err;
    }
    struct segment *g = calloc(1, sizeof *g);
    if (!g) {
        hs_io_release(io);
        return ENOMEM;
    }
    io_wrapper_addref(io);
    g->io = io;
    g->left = -1;
    TAILQ_INSERT_TAIL(&s->segments, g, link);
    return 0;
}

static void
pop(ec_httpsrv_session *s)
{
    struct segment *g = TAILQ_FIRST(&s->segments);

    TAILQ_REMOVE(&s->segments, g, link);
    if (!g->io) {
        s->queued -= g->len - g->off;
    }
    segment_free(s->env, g);
}

static void
unwait(ec_httpsrv_session *s)
{
    if (s->io_waited) {
        (void)hs_io_wait(s->io_waited, IO_WAIT_READ, NULL, NULL);
        s->io_waited = NULL;
        ec_httpsrv_session_delref(s);
    }
}

void
segments_drop(ec_httpsrv_session *s)
{
    unwait(s);
    while (!TAILQ_EMPTY(&s->segments)) {
        pop(s);
    }
}

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
            n = hs_io_remaining(g->io);
            g->left = n;
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

static enum step
send_head(ec_httpsrv_session *s)
{
    bool is_head = s->req.method_id == HS_METHOD_HEAD;
    int64_t length = s->final ? total_length(s) : -1;

    if (s->script_length >= 0) {
        if (length >= 0 && length != s->script_length && !(is_head && length == 0)) {
            hs_log(HS_LOG_ERROR, "Content-Length %lld was set but the content has %lld bytes", (long long)s->script_length,
                   (long long)length);
            s->script_length = -1;
            fail_early(s);
            length = total_length(s);
        } else {
            length = s->script_length;
        }
    }
    s->no_content = is_head || s->status == 204 || s->status == 304;
    if (s->status == 304 && length == 0 && s->script_length < 0) {
        length = -1; /* what GET would have had is not known */
    }
    if (is_head && length == 0 && s->script_length < 0 && !s->body_called) {
        length = -1;
    }
    const struct hs_response r = {
        .status = s->status,
        .reason = s->reason,
        .fields = s->fields,
        .nfields = s->nfields,
        .length = length,
        .no_content = s->no_content,
        .close = s->script_close,
        .has_date = s->script_date,
    };
    s->head_sent = true;
    if (s->no_content) {
        segments_drop(s);
    } else {
        s->length_left = length;
    }
    return s->st->ops->respond(s->st, &r) == 0 ? STEP_ON : STEP_FAILED;
}

/* --- one source --- */

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
    if (hs_io_wait(io, IO_WAIT_READ, io_ready, s) != 0) {
        return STEP_FAILED;
    }
    s->io_waited = io;
    ec_httpsrv_session_addref(s);
    return STEP_WAIT;
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
        return STEP_FAILED;
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
        pop(s);
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
    pop(s);
    return STEP_ON;
}

static enum step
pump_window(ec_httpsrv_session *s, struct segment *g, size_t limit, size_t *budget)
{
    struct hs_io_window w;
    int err = hs_io_window(g->io, limit < WINDOW_MAX ? limit : WINDOW_MAX, &w);

    if (err == EAGAIN) {
        return wait_io(s, g->io);
    }
    if (err) {
        errno = err;
        g->no_window = err == ENOTSUP;
        return err == ENOTSUP ? STEP_ON : STEP_FAILED;
    }
    if (w.len == 0) {
        return io_end(s, g);
    }
    ssize_t n = s->st->ops->sendfile(s->st, w.fd, w.off, w.len);
    if (n < 0) {
        g->no_window = errno == ENOTSUP;
        return g->no_window ? STEP_ON : STEP_FAILED;
    }
    hs_io_consume(g->io, (size_t)n);
    consumed(s, g, (size_t)n, budget);
    return (size_t)n < w.len ? STEP_BLOCKED : STEP_ON;
}

static enum step
pump_peek(ec_httpsrv_session *s, struct segment *g, size_t limit, size_t *budget)
{
    struct iovec iov;
    const char *p;
    size_t len;
    int err = hs_io_peek(g->io, &p, &len);

    if (err == EAGAIN) {
        return wait_io(s, g->io);
    }
    if (err) {
        errno = err;
        g->no_peek = err == ENOTSUP;
        return err == ENOTSUP ? STEP_ON : STEP_FAILED;
    }
    if (len == 0) {
        return io_end(s, g);
    }
    iov = (struct iovec){ (void *)(uintptr_t)p, len < limit ? len : limit };
    ssize_t n = s->st->ops->write(s->st, &iov, 1, HS_WRITE_KEEP);
    if (n < 0) {
        return STEP_FAILED;
    }
    hs_io_consume(g->io, (size_t)n);
    consumed(s, g, (size_t)n, budget);
    return (size_t)n < iov.iov_len ? STEP_BLOCKED : STEP_ON;
}

static enum step
pump_read(ec_httpsrv_session *s, struct segment *g, size_t limit, size_t *budget)
{
    struct hs_session_env *env = s->env;

    if (s->st->ops->queued(s->st) >= env->limits.response_high) {
        return STEP_BLOCKED;
    }
    ssize_t n = hs_io_read(g->io, env->scratch, limit < PUMP_SCRATCH ? limit : PUMP_SCRATCH);
    if (n < 0 && errno == EAGAIN) {
        return wait_io(s, g->io);
    }
    if (n <= 0) {
        return n < 0 ? STEP_FAILED : io_end(s, g);
    }
    const struct iovec iov = { env->scratch, (size_t)n };
    if (s->st->ops->write(s->st, &iov, 1, 0) < 0) {
        return STEP_FAILED;
    }
    consumed(s, g, (size_t)n, budget);
    return STEP_ON;
}

static enum step
pump_io(ec_httpsrv_session *s, size_t *budget)
{
    struct segment *g = TAILQ_FIRST(&s->segments);
    size_t limit = allowance(s, g->left, *budget);

    if (g->left == 0) {
        pop(s); /* what a longer file has beyond its promise is not sent */
        return STEP_ON;
    }
    if (!g->no_window && !(g->left >= 0 && g->left <= READ_NOT_SENDFILE)) {
        enum step r = pump_window(s, g, limit, budget);
        if (r != STEP_ON || !g->no_window) {
            return r;
        }
    }
    if (!g->no_peek) {
        enum step r = pump_peek(s, g, limit, budget);
        if (r != STEP_ON || !g->no_peek) {
            return r;
        }
    }
    return pump_read(s, g, limit, budget);
}

/* Before the head: has the io at the front its first bytes, its end, or an error? What was read is put before it. */
static enum step
prime(ec_httpsrv_session *s)
{
    struct segment *g = TAILQ_FIRST(&s->segments);
    struct segment *bytes;

    if (hs_io_remaining(g->io) >= 0) {
        return STEP_ON; /* its size is known, it is ready */
    }
    bytes = segment_new(s->env, PRIME_SIZE, false);
    if (!bytes) {
        errno = ENOMEM;
        return STEP_FAILED;
    }
    ssize_t n = hs_io_read(g->io, bytes->data, bytes->cap < PRIME_SIZE ? bytes->cap : PRIME_SIZE);
    if (n <= 0) {
        int err = errno;
        segment_free(s->env, bytes);
        errno = err;
        if (n == 0) {
            pop(s);
            return STEP_ON;
        }
        return err == EAGAIN ? wait_io(s, g->io) : STEP_FAILED;
    }
    bytes->len = (uint32_t)n;
    s->queued += (size_t)n;
    TAILQ_INSERT_HEAD(&s->segments, bytes, link);
    return STEP_ON;
}

/* --- the pump --- */

/* Looks whether it is time for the head, and sends it. WAIT: not yet. */
static enum step
pump_head(ec_httpsrv_session *s)
{
    const struct segment *g = TAILQ_FIRST(&s->segments);
    bool bodiless = s->req.method_id == HS_METHOD_HEAD || s->status == 204 || s->status == 304;

    if (g && g->io && !bodiless) {
        enum step r = prime(s);
        if (r == STEP_FAILED) {
            hs_log(HS_LOG_ERROR, "reading the response's io: %s", strerror(errno));
            unwait(s);
            fail_early(s);
        } else if (r == STEP_WAIT && !s->final && !s->flush_wanted) {
            return STEP_WAIT;
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
        if (s->length_left == 0) {
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
    if (ok) {
        st->ops->finish(st);
    } else {
        hs_log(HS_LOG_ERROR, "the content is %lld bytes shorter than its Content-Length", (long long)s->length_left);
        st->ops->abort(st);
    }
    if (s->state == SESSION_SENDING) {
        session_end(s);
    } else {
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

    if (s->head_sent || s->pumping || s->script_length >= 0 || s->req.method_id == HS_METHOD_HEAD || s->status == 204 ||
        s->status == 304 || (g && (g->io || TAILQ_NEXT(g, link)))) {
        return false;
    }
    if (g) {
        content = (struct hs_view){ g->data + g->off, g->len - g->off };
    }
    const struct hs_response r = {
        .status = s->status,
        .reason = s->reason,
        .fields = s->fields,
        .nfields = s->nfields,
        .length = (int64_t)content.n,
        .close = s->script_close,
        .has_date = s->script_date,
    };
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
    int err = errno;

    if (err != ECONNABORTED) {
        hs_log(HS_LOG_ERROR, "response aborted: %s", strerror(err));
    } else {
        return; /* the protocol knows, and tells from the loop */
    }
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

static void
pump_once(ec_httpsrv_session *s)
{
    enum step r = s->head_sent ? STEP_ON : pump_head(s);

    if (r == STEP_ON) {
        r = drain(s);
    } else if (!s->head_sent) {
        return;
    }
    if (r == STEP_FAILED) {
        fail_late(s);
        return;
    }
    if (r == STEP_ON && s->final) {
        complete(s);
        return;
    }
    set_waiting_writable(s, r == STEP_BLOCKED || s->st->ops->queued(s->st) > s->env->limits.response_high);
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
    if (!s->st || s->pumping || s->state == SESSION_ENDED) {
        return;
    }
    ec_httpsrv_session_addref(s);
    s->pumping = true;
    pump_once(s);
    s->pumping = false;
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
    if (!s->pump_later.queued) {
        hs_deferred_init(&s->pump_later, pump_later, s);
        hs_defer(s->env->loop, &s->pump_later);
    }
}

void
pump_on_writable(void *sess)
{
    pump(sess);
}
