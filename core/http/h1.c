/* h1.c - the life of an HTTP/1 connection: events, time-outs and the several ways to end.
 * Owns the connection structs and the buffers that all connections of a loop share. Parsing is in h1_input.c,
 * writing in h1_output.c; h1_int.h draws the states and states the lifetime rule. */
#include "http/h1.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/live.h"
#include "http/h1_int.h"

void
hs_h1_limits_default(struct hs_h1_limits *l)
{
    *l = (struct hs_h1_limits){
        .head = { .head_size = 16384, .target_size = 8192, .method_size = 32, .fields = HS_MAX_FIELDS },
        .head_timeout = 10 * HS_SEC,
        .idle_timeout = 60 * HS_SEC,
        .write_timeout = 30 * HS_SEC,
        .body_window = 30 * HS_SEC,
        .body_rate = 1024,
        .max_requests = 10000,
        .drain_max = 64 * 1024,
        .linger_max = 1024 * 1024 * 1024,
        .linger_timeout = 2 * HS_SEC,
        .linger_count = 1024,
        .pipeline_output = 256 * 1024,
    };
}

/* --- states --- */

static const char edges[][6] = {
    /* from       HEAD BODY READ DRAIN CLOSING LINGER */
    [H1_HEAD] = { 0, 1, 1, 0, 1, 1 },
    [H1_BODY] = { 0, 0, 1, 1, 1, 1 },
    [H1_READ] = { 1, 0, 0, 0, 1, 1 },
    [H1_DRAIN] = { 1, 0, 0, 0, 1, 1 },
    [H1_CLOSING] = { 0, 0, 0, 0, 0, 1 },
    [H1_LINGER] = { 0, 0, 0, 0, 0, 0 },
};

void
h1_set_state(struct h1_conn *c, enum h1_state to)
{
    assert(edges[c->state][to]);
    if (c->state == H1_LINGER) {
        c->h->stats.lingering--;
    }
    c->state = (uint8_t)to;
}

void
h1_enter(struct h1_conn *c)
{
    assert(c->busy != UINT8_MAX);
    c->busy++;
}

static __attribute__((noinline)) void
conn_free(struct h1_conn *c)
{
    hs_deferred_cancel(c->h->loop, &c->again);
    hs_peer_delref(c->stream.peer);
    free(c);
    hs_live_add(HS_LIVE_CONN, -1);
}

void
h1_leave(struct h1_conn *c)
{
    if (--c->busy == 0 && c->dead) {
        conn_free(c);
    }
}

void
h1_time_input(struct h1_conn *c, enum h1_queue q)
{
    struct hs_h1 *h = c->h;

    if (c->in_q != H1_NO_Q && c->in_q != q) {
        hs_timeq_remove(&h->in_queues[c->in_q - 1], &c->in_timer);
    }
    if (q == H1_IDLE_Q) {
        hs_timeq_touch_coarse(&h->idle_q, &c->in_timer);
    } else if (q != H1_NO_Q) {
        hs_timeq_touch(&h->in_queues[q - 1], &c->in_timer);
    }
    c->in_q = (uint8_t)q;
}

void
h1_set_interest(struct h1_conn *c)
{
    if (!c->t) {
        return;
    }
    unsigned mask = 0;
    if (h1_wants_read(c)) {
        mask |= HS_READ;
    } else if (c->t->interest & HS_READ && !c->in_len) {
        mask |= HS_READ; /* left on until something comes: most requests are answered before the next arrives */
    }
    if (!c->peer_fin) {
        mask |= HS_CLOSED;
    }
    bool blocked = c->out || c->want_writable;
    if (blocked) {
        mask |= HS_WRITE;
    }
    if (mask == 0 && c->exchange) {
        mask = HS_RESET; /* a FIN has come, and the session stays */
    }
    if (mask != c->t->interest && c->t->ops->set_interest(c->t, mask) != 0) {
        h1_break(c);
        return;
    }
    if (blocked && c->out_timer.stamp == 0) {
        hs_timeq_touch(&c->h->write_q, &c->out_timer);
    } else if (!blocked) {
        hs_timeq_remove(&c->h->write_q, &c->out_timer);
    }
}

/* --- the end --- */

void
h1_close(struct h1_conn *c, bool reset)
{
    struct hs_h1 *h = c->h;

    if (c->dead) {
        return;
    }
    assert(!c->exchange);
    c->dead = true;
    h1_enter(c);
    if (h->gather_owner == c) {
        h->gather_owner = NULL;
        h->gather_len = 0;
    }
    h->stats.unsent += c->out || c->unsent;
    if (c->out) {
        evbuffer_free(c->out);
        c->out = NULL;
    }
    h1_body_free(c);
    free(c->in);
    c->in = NULL;
    c->in_len = 0;
    h1_time_input(c, H1_NO_Q);
    hs_timeq_remove(&h->write_q, &c->out_timer);
    if (c->state == H1_LINGER) {
        h->stats.lingering--;
    }
    TAILQ_REMOVE(&h->conns, c, link);
    h->stats.live--;
    c->t->ops->close(c->t, reset);
    c->t = NULL;
    h1_leave(c);
}

/* Output has left: FIN, then wait for the peer's, so that a reset does not destroy what it has not read yet (RFC 9112 9.6). */
static void
begin_linger(struct h1_conn *c)
{
    struct hs_h1 *h = c->h;

    if (c->peer_fin || h->stats.lingering >= h->limits.linger_count || c->t->ops->shutdown_write(c->t) != 0) {
        h1_close(c, false);
        return;
    }
    h1_set_state(c, H1_LINGER);
    h->stats.lingering++;
    if (!c->body && !(c->body = calloc(1, sizeof *c->body))) {
        h1_close(c, false);
        return;
    }
    c->body->drained = 0;
    h1_time_input(c, H1_LINGER_Q);
    h1_update_interest(c);
}

/* Nothing of the peer's is unread: an immediate close loses nothing. */
static bool
may_close_at_once(const struct h1_conn *c)
{
    return c->state == H1_READ && c->in_len == 0 && !(c->h->input == c && c->h->cur != c->h->end);
}

static void
closing_sent(struct h1_conn *c)
{
    if (c->state == H1_CLOSING) {
        begin_linger(c);
    } else {
        h1_close(c, false);
    }
}

void
h1_close_when_sent(struct h1_conn *c)
{
    if (c->dead) {
        return;
    }
    c->keep = false;
    if (!may_close_at_once(c) && c->state != H1_CLOSING) {
        h1_set_state(c, H1_CLOSING);
    }
    h1_time_input(c, H1_NO_Q);
    h1_push(c, false);
    if (c->broken) {
        h1_close(c, false);
    } else if (!c->out) {
        closing_sent(c);
    } else {
        if (c->state == H1_READ) {
            h1_set_state(c, H1_CLOSING); /* who knows what will have come by then */
        }
        h1_update_interest(c);
    }
}

void
h1_lost(struct h1_conn *c, int err)
{
    h1_enter(c);
    if (c->exchange) {
        void *sess = c->stream.user;
        c->exchange = false;
        c->stream.user = NULL;
        if (sess) {
            c->h->user->aborted(sess, err);
        }
    }
    h1_close(c, err == ETIMEDOUT);
    h1_leave(c);
}

/* The first line of the head that is being read, as far as it is here. */
static struct hs_view
first_line(const struct h1_conn *c)
{
    const struct hs_h1 *h = c->h;
    struct hs_view v = h->input == c ? (struct hs_view){ h->cur, (size_t)(h->end - h->cur) } : (struct hs_view){ c->in, c->in_len };

    while (v.n != 0 && (*v.p == '\r' || *v.p == '\n')) {
        v.p++;
        v.n--;
    }
    const char *end = v.n != 0 ? memchr(v.p, '\n', v.n) : NULL;
    v.n = end ? (size_t)(end - v.p) : v.n;
    v.n -= v.n != 0 && v.p[v.n - 1] == '\r';
    return v;
}

static void
tell_refused(struct h1_conn *c, const struct hs_refusal *why, const struct hs_request *req, int64_t started, size_t bytes)
{
    struct sockaddr_storage from = { 0 };
    socklen_t len = sizeof from;
    struct hs_h1_refused r = { .why = why, .req = req, .from = &from, .peer = c->stream.peer, .started = started, .bytes = bytes };

    if (!req) {
        r.line = first_line(c);
    }
    if (c->t->ops->addr(c->t, true, &from, &len) != 0) {
        from.ss_family = AF_UNSPEC;
    }
    c->h->on_refused(c->h->on_refused_arg, &r);
}

void
h1_refuse(struct h1_conn *c, const struct hs_refusal *why, const struct hs_request *req, int64_t started)
{
    struct hs_h1 *h = c->h;
    struct hs_view phrase = hs_status_reason(why->status);
    const struct hs_out_field type = { HS_VIEW("Content-Type"), HS_VIEW("text/plain"), HS_FIELD_CONTENT_TYPE };
    struct hs_response r = {
        .head = { .status = why->status, .fields = &type, .nfields = 1, .content_length = (int64_t)phrase.n + 1, .close = true, .date = true },
    };
    struct iovec iov[2] = { { (void *)(uintptr_t)phrase.p, phrase.n }, { (void *)(uintptr_t) "\n", 1 } };

    h->stats.refused++;
    if (h->on_refused) {
        tell_refused(c, why, req, started, phrase.n + 1);
    }
    c->head_out = false;
    c->is_1_0 = false;
    c->keep = false;
    if (h1_stream_ops.respond(&c->stream, &r) != 0 || h1_stream_ops.write(&c->stream, iov, 2, 0) < 0) {
        h1_close(c, true);
        return;
    }
    h1_close_when_sent(c);
}

/* --- time-outs --- */

#define CONN_OF(entry, member) ((struct h1_conn *)(void *)((char *)(entry) - offsetof(struct h1_conn, member)))

static void
head_expired(struct hs_timeq_entry *e)
{
    struct h1_conn *c = CONN_OF(e, in_timer);

    c->in_q = H1_NO_Q;
    if (c->state == H1_DRAIN) {
        h1_close_when_sent(c);
        return;
    }
    if (c->state != H1_HEAD) {
        return; /* the request came in time, its entry was left where it was */
    }
    c->h->stats.timeouts++;
    if (c->in_len == 0) {
        h1_close(c, false); /* silent since accept */
        return;
    }
    h1_refuse(c, &(struct hs_refusal){ 408, "head not complete in time" }, NULL, hs_loop_now(c->h->loop) - c->h->limits.head_timeout);
}

static void
idle_expired(struct hs_timeq_entry *e)
{
    struct h1_conn *c = CONN_OF(e, in_timer);

    c->in_q = H1_NO_Q;
    if (c->state != H1_HEAD || c->in_len != 0) {
        return;
    }
    if (c->out) {
        h1_time_input(c, H1_IDLE_Q); /* it is not idle yet */
    } else {
        h1_close(c, false);
    }
}

static void
linger_expired(struct hs_timeq_entry *e)
{
    struct h1_conn *c = CONN_OF(e, in_timer);

    c->in_q = H1_NO_Q;
    h1_close(c, false);
}

static void
write_expired(struct hs_timeq_entry *e)
{
    struct h1_conn *c = CONN_OF(e, out_timer);

    c->h->stats.timeouts++;
    h1_lost(c, ETIMEDOUT);
}

/* A window of the body's rate is over. It counts only the time in which a reader stood waiting. */
static void
body_expired(struct hs_timeq_entry *e)
{
    struct h1_conn *c = CONN_OF(e, in_timer);
    struct hs_h1 *h = c->h;
    struct h1_body *b = c->body;

    c->in_q = H1_NO_Q;
    if (!b || !c->exchange) {
        return;
    }
    int64_t waited = b->window_waited + (b->waiting_since ? hs_loop_now(h->loop) - b->waiting_since : 0);
    if (waited < h->limits.body_window || b->window_bytes >= (uint64_t)(waited / HS_SEC) * h->limits.body_rate) {
        if (waited >= h->limits.body_window) {
            b->window_waited = 0;
            b->window_bytes = 0;
            b->waiting_since = b->waiting_since ? hs_loop_now(h->loop) : 0;
        }
        h1_time_input(c, H1_BODY_Q);
        return;
    }
    h->stats.timeouts++;
    h1_enter(c);
    c->keep = false;
    h->user->refuse(c->stream.user, 408);
    h1_leave(c);
}

/* --- events --- */

/* The session wants no more of a peer that has half-closed. What is queued is still sent. */
static void
give_up(struct h1_conn *c)
{
    void *sess = c->stream.user;

    c->exchange = false;
    c->stream.user = NULL;
    c->want_writable = false;
    c->body_on = false;
    c->h->user->aborted(sess, ECONNABORTED);
    if (c->head_out && c->close_delimited) {
        h1_close(c, true);
    } else {
        h1_close_when_sent(c);
    }
}

/* The peer has half-closed, or reset the connection. What a FIN means is judged when those have run who were woken by the bytes before it. */
static void
on_closed(struct h1_conn *c)
{
    c->peer_fin = true;
    if (c->exchange && !h1_wants_read(c)) {
        h1_read_to_end(c);
    }
    h1_update_interest(c);
    if (c->exchange) {
        hs_defer(c->h->loop, &c->again);
    }
}

static void
on_event(void *arg, unsigned events)
{
    struct h1_conn *c = arg;

    h1_enter(c);
    if (events & HS_WRITE && !c->dead) {
        h1_on_writable(c);
        if (!c->dead && !c->out && (c->state == H1_CLOSING || (!c->keep && c->state == H1_READ && !c->exchange))) {
            closing_sent(c);
        } else if (!c->dead && c->state == H1_HEAD && c->in_len && h1_wants_read(c)) {
            h1_continue(c); /* requests that waited for the output */
        }
    }
    if (events & HS_READ && !c->dead) {
        h1_on_readable(c);
    }
    if (events & HS_CLOSED && !c->dead) {
        on_closed(c);
    }
    if (events & HS_RESET && !c->dead) {
        h1_break(c);
    }
    h1_leave(c);
}

static void
on_again(void *arg)
{
    struct h1_conn *c = arg;

    h1_enter(c);
    if (c->dead) {
        h1_leave(c);
        return;
    }
    if (c->broken) {
        h1_lost(c, ECONNABORTED);
    } else {
        h1_continue(c);
        if (c->peer_fin && c->exchange && c->stream.user && c->h->user->peer_closed(c->stream.user)) {
            give_up(c);
        }
    }
    h1_leave(c);
}

int
hs_h1_accept_since(struct hs_h1 *h, struct hs_transport *t, int64_t begun)
{
    struct h1_conn *c = calloc(1, sizeof *c);

    if (!c) {
        t->ops->close(t, true);
        return ENOMEM;
    }
    c->stream.ops = &h1_stream_ops;
    c->h = h;
    c->t = t;
    hs_deferred_init(&c->again, on_again, c);
    t->on_event = on_event;
    t->arg = c;
    TAILQ_INSERT_TAIL(&h->conns, c, link);
    hs_live_add(HS_LIVE_CONN, 1);
    h->stats.connections++;
    h->stats.live++;
    c->in_q = H1_HEAD_Q;
    hs_timeq_touch_since(&h->head_q, &c->in_timer, begun);
    if (h->note_peer) {
        c->stream.peer = h->note_peer(h->note_peer_arg, t);
    }
    if (t->ops->set_interest(t, HS_READ | HS_CLOSED) != 0) {
        h1_close(c, true);
        return ENOMEM;
    }
    h1_enter(c);
    h1_on_readable(c); /* the request is often here already */
    h1_leave(c);
    return 0;
}

int
hs_h1_accept(struct hs_h1 *h, struct hs_transport *t)
{
    return hs_h1_accept_since(h, t, hs_loop_now(h->loop));
}

/* --- all connections --- */

static void
set_limits(struct hs_h1 *h, const struct hs_h1_limits *limits)
{
    h->limits = *limits;
    if (h->limits.head.head_size > H1_SCRATCH - H1_READ_MAX) {
        h->limits.head.head_size = H1_SCRATCH - H1_READ_MAX;
    }
}

void
hs_h1_set_limits(struct hs_h1 *h, const struct hs_h1_limits *limits)
{
    set_limits(h, limits);
    hs_timeq_set_duration(&h->head_q, limits->head_timeout);
    hs_timeq_set_duration(&h->idle_q, limits->idle_timeout);
    hs_timeq_set_duration(&h->body_q, limits->body_window);
    hs_timeq_set_duration(&h->linger_q, limits->linger_timeout);
    hs_timeq_set_duration(&h->write_q, limits->write_timeout);
}

int
hs_h1_new(struct hs_loop *loop, const struct hs_h1_limits *limits, const struct hs_stream_user *user, void *arg, struct hs_h1 **out)
{
    struct hs_h1 *h = calloc(1, sizeof *h);

    if (!h) {
        return ENOMEM;
    }
    h->scratch = malloc(H1_SCRATCH + H1_PAD);
    h->gather = malloc(H1_GATHER);
    if (!h->scratch || !h->gather) {
        free(h->scratch);
        free(h->gather);
        free(h);
        return ENOMEM;
    }
    memset(h->scratch + H1_SCRATCH, 0, H1_PAD);
    h->loop = loop;
    set_limits(h, limits);
    h->user = user;
    h->arg = arg;
    TAILQ_INIT(&h->conns);
    hs_h1_on_burst(h, NULL, NULL);
    hs_timeq_init(&h->head_q, loop, limits->head_timeout, head_expired);
    hs_timeq_init(&h->idle_q, loop, limits->idle_timeout, idle_expired);
    hs_timeq_init(&h->body_q, loop, limits->body_window, body_expired);
    hs_timeq_init(&h->linger_q, loop, limits->linger_timeout, linger_expired);
    hs_timeq_init(&h->write_q, loop, limits->write_timeout, write_expired);
    *out = h;
    return 0;
}

void
hs_h1_free(struct hs_h1 *h)
{
    assert(TAILQ_EMPTY(&h->conns));
    hs_timeq_fini(&h->head_q);
    hs_timeq_fini(&h->idle_q);
    hs_timeq_fini(&h->body_q);
    hs_timeq_fini(&h->linger_q);
    hs_timeq_fini(&h->write_q);
    free(h->scratch);
    free(h->gather);
    free(h);
}

void
hs_h1_drain(struct hs_h1 *h)
{
    h->draining = true;
}

static void
close_where(struct hs_h1 *h, bool all)
{
    struct h1_conn *c = TAILQ_FIRST(&h->conns);

    while (c) {
        struct h1_conn *next = TAILQ_NEXT(c, link);
        /* Sessions that end here may touch other connections, but only their output: next stays. */
        if (all) {
            if (next) {
                h1_enter(next);
            }
            h1_lost(c, ECONNABORTED);
            if (next) {
                bool gone = next->dead;
                h1_leave(next);
                next = gone ? TAILQ_FIRST(&h->conns) : next;
            }
        } else if (c->state == H1_HEAD && c->in_len == 0 && !c->out) {
            h1_close(c, false);
        }
        c = next;
    }
}

void
hs_h1_close_idle(struct hs_h1 *h)
{
    close_where(h, false);
}

void
hs_h1_close_all(struct hs_h1 *h)
{
    close_where(h, true);
}

void
hs_h1_get_stats(const struct hs_h1 *h, struct hs_h1_stats *st)
{
    struct h1_conn *c;

    *st = h->stats;
    TAILQ_FOREACH(c, &h->conns, link)
    {
        st->idle += c->state == H1_HEAD && c->in_len == 0;
    }
}

const struct hs_h1_stats *
hs_h1_stats(const struct hs_h1 *h)
{
    return &h->stats;
}

static void
nobody(void *arg)
{
    (void)arg;
}

void
hs_h1_on_burst(struct hs_h1 *h, void (*fn)(void *arg), void *arg)
{
    h->on_burst = fn ? fn : nobody; /* no question at each burst */
    h->on_burst_arg = arg;
}

void
hs_h1_on_refused(struct hs_h1 *h, void (*fn)(void *arg, const struct hs_h1_refused *r), void *arg)
{
    h->on_refused = fn;
    h->on_refused_arg = arg;
}

void
hs_h1_note_peers(struct hs_h1 *h, struct hs_peer *(*fn)(void *arg, struct hs_transport *t), void *arg)
{
    h->note_peer = fn;
    h->note_peer_arg = arg;
}
