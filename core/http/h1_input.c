/* h1_input.c - what an HTTP/1 connection reads: heads, bodies, pipelined requests.
 * Bytes are read into a buffer that all connections of the loop share and are worked on in place; only what is left over
 * (an incomplete head, requests behind one that is not answered yet) is copied to the connection. Refuses whatever the
 * codecs refuse. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "http/h1_int.h"

enum { H1_READS_PER_EVENT = 4, H1_NESTED_MIN = 4096, H1_DIRECT_MAX = 256 * 1024 };

/* --- bodies --- */

void
h1_body_free(struct h1_conn *c)
{
    if (c->body) {
        hs_buf_fini(&c->body->trailers);
        free(c->body);
        c->body = NULL;
    }
}

static bool
body_new(struct h1_conn *c, const struct hs_request *req)
{
    struct h1_body *b = calloc(1, sizeof *b);

    if (!b) {
        return false;
    }
    b->is_chunked = req->chunked;
    b->left = req->chunked ? 0 : (uint64_t)req->content_length;
    hs_chunked_init(&b->chunked);
    hs_buf_init(&b->trailers, H1_TRAILERS);
    c->body = b;
    return true;
}

bool
h1_body_drainable(const struct h1_conn *c)
{
    return c->state != H1_BODY || (!c->expect && (c->body->is_chunked || c->body->left <= c->h->limits.drain_max));
}

/* Stops the clock of a waiting reader. */
static void
waiting_off(struct h1_conn *c)
{
    struct h1_body *b = c->body;

    if (b->waiting_since) {
        b->window_waited += hs_loop_now(c->h->loop) - b->waiting_since;
        b->waiting_since = 0;
    }
}

static void
body_complete(struct h1_conn *c)
{
    struct hs_h1 *h = c->h;
    struct h1_body *b = c->body;
    bool drained = c->state == H1_DRAIN;
    struct hs_field fields[HS_MAX_FIELDS];
    struct hs_view raw = { b->trailers.p, b->trailers.len };
    unsigned n = 0;
    struct hs_refusal why;

    c->body_on = false;
    if (c->in_q == H1_BODY_Q) {
        h1_time_input(c, H1_NO_Q);
    }
    if (raw.n && !hs_trailers_parse(raw, fields, HS_MAX_FIELDS, &n, &why)) {
        c->keep = false;
        if (drained) {
            h1_close_when_sent(c);
        } else {
            h->user->refuse(c->stream.user, why.status);
        }
        return;
    }
    h1_set_state(c, drained ? H1_HEAD : H1_READ);
    if (drained) {
        h1_time_input(c, H1_NO_Q);
    } else {
        h->user->body_end(c->stream.user, 0, raw, fields, n);
        if (c->peer_fin && !c->dead) {
            hs_defer(h->loop, &c->again); /* a FIN behind the body: judged after its reader has run */
        }
    }
    if (!c->dead) {
        h1_body_free(c);
    }
}

/* Decoded bytes: to the session, or nowhere. */
static void
deliver(struct h1_conn *c, const char *p, size_t n)
{
    if (c->state == H1_DRAIN) {
        c->body->drained += n;
        return;
    }
    c->body->window_bytes += n;
    c->h->user->body(c->stream.user, p, n);
}

/* Uses input for the body. False: no more can be done with it now. */
static bool
feed_chunked(struct h1_conn *c)
{
    struct hs_h1 *h = c->h;
    struct h1_body *b = c->body;
    struct hs_view data = { NULL, 0 };
    struct hs_refusal why = { 400, NULL };
    size_t used = 0;
    enum hs_chunked_result r =
        hs_chunked_decode(&b->chunked, (struct hs_view){ h->cur, (size_t)(h->end - h->cur) }, &used, &data, &b->trailers, &why);

    h->cur += used;
    switch (r) {
    case HS_CHUNKED_DATA: deliver(c, data.p, data.n); return true;
    case HS_CHUNKED_END: body_complete(c); return true;
    case HS_CHUNKED_MORE: return false;
    case HS_CHUNKED_REFUSED:
        h->stats.refused++;
        c->keep = false;
        if (c->state == H1_DRAIN) {
            h1_close_when_sent(c);
        } else {
            h->user->refuse(c->stream.user, why.status);
        }
        return false;
    }
    return false;
}

static bool
feed_length(struct h1_conn *c)
{
    struct hs_h1 *h = c->h;
    struct h1_body *b = c->body;
    size_t n = (size_t)(h->end - h->cur);

    if (n > b->left) {
        n = (size_t)b->left;
    }
    if (n == 0 && b->left > 0) {
        return false;
    }
    const char *p = h->cur;
    h->cur += n;
    b->left -= n;
    deliver(c, p, n);
    if (!c->dead && c->body == b && b->left == 0 && (c->state == H1_BODY || c->state == H1_DRAIN)) {
        body_complete(c);
    }
    return true;
}

static bool
feed_body(struct h1_conn *c)
{
    bool more = c->body->is_chunked ? feed_chunked(c) : feed_length(c);

    if (!c->dead && c->state == H1_DRAIN && c->body->drained > c->h->limits.drain_max) {
        h1_close_when_sent(c);
        return false;
    }
    return more;
}

/* --- heads --- */

static void
start_exchange(struct h1_conn *c, const struct hs_request *req)
{
    struct hs_h1 *h = c->h;

    h->stats.requests++;
    c->requests++;
    c->seen = 0;
    if (c->in_q != H1_IDLE_Q) { /* which means nothing while a request is there */
        h1_time_input(c, H1_NO_Q);  /* the deadline of this head is not that of the next */
    }
    c->keep = req->keep_alive && c->requests < h->limits.max_requests && !h->draining;
    c->head_out = c->chunked_out = c->close_delimited = c->body_on = c->expect = c->is_1_0 = false;
    if (__builtin_expect(req->expect_continue || req->version_minor == 0, 0)) {
        c->expect = req->expect_continue;
        c->is_1_0 = req->version_minor == 0;
    }
    c->chunk_left = 0;
    if ((req->chunked || req->content_length > 0) && !body_new(c, req)) {
        h1_refuse(c, &(struct hs_refusal){ 503, "out of memory" }, req, hs_loop_now(h->loop));
        return;
    }
    h1_set_state(c, c->body ? H1_BODY : H1_READ);
    c->exchange = true;
    if (!h->user->begin(h->arg, &c->stream, req)) {
        c->exchange = false;
        h1_refuse(c, &(struct hs_refusal){ 503, "out of memory" }, req, hs_loop_now(h->loop));
    } else if (c->peer_fin && c->exchange) {
        hs_defer(h->loop, &c->again); /* the FIN came before this session, which is to hear of it */
    }
}

/* False: the head is not complete. */
static bool
parse_head(struct h1_conn *c)
{
    struct hs_h1 *h = c->h;
    size_t n = (size_t)(h->end - h->cur);
    struct hs_request req;
    struct hs_refusal why;

    if (n == 0 || h1_queued(c) > h->limits.pipeline_output) {
        return false;
    }
    req.fields = h->fields;
    switch (hs_request_parse(h->cur, n, c->seen, &h->limits.head, &req, &why)) {
    case HS_PARSE_MORE: c->seen = (uint16_t)n; return false;
    case HS_PARSE_REFUSED: h1_refuse(c, &why, NULL, hs_loop_now(h->loop)); return false;
    case HS_PARSE_DONE:
        h->cur += req.size;
        start_exchange(c, &req);
        return true;
    }
    return false;
}

/* --- the input as a whole --- */

static bool
linger(struct h1_conn *c)
{
    c->body->drained += (uint64_t)(c->h->end - c->h->cur);
    c->h->cur = c->h->end;
    if (c->body->drained > c->h->limits.linger_max) {
        h1_close(c, false);
    }
    return false;
}

/* A step in any state but HEAD. False: nothing more can be done now. */
static __attribute__((noinline)) bool
step(struct h1_conn *c)
{
    switch ((enum h1_state)c->state) {
    case H1_BODY: return c->body_on && feed_body(c);
    case H1_DRAIN: return feed_body(c);
    case H1_CLOSING: c->h->cur = c->h->end; return false;
    case H1_LINGER: return linger(c);
    case H1_HEAD:
    case H1_READ: return false;
    }
    return false;
}

static void
process(struct h1_conn *c)
{
    bool more = true;

    while (more && !c->dead && !c->broken) {
        more = __builtin_expect(c->state == H1_HEAD, 1) ? parse_head(c) : step(c);
    }
}

/* Gives the shared buffer back, keeping what is left over, and sets what the connection waits for. */
static void
put_back_input(struct h1_conn *c)
{
    struct hs_h1 *h = c->h;
    size_t left = (size_t)(h->end - h->cur);

    h->input = NULL;
    if (c->dead) {
        return;
    }
    if (left && c->state != H1_CLOSING && c->state != H1_LINGER) {
        c->in = malloc(left);
        if (c->in) {
            memcpy(c->in, h->cur, left);
            c->in_len = (uint32_t)left;
        } else {
            h1_break(c);
        }
    }
    if (h->gather_owner == c) {
        bool held = c->state == H1_HEAD && c->in_len && !h1_wants_read(c);
        h1_push(c, false);
        if (held && h1_wants_read(c)) {
            hs_defer(h->loop, &c->again); /* requests that waited for output which has left at once */
        }
    }
    if (c->state == H1_HEAD) {
        if (c->in_len == 0 && c->in_q == H1_IDLE_Q) {
            hs_timeq_touch_coarse(&h->idle_q, &c->in_timer);
        } else if (c->in_len == 0 && c->requests) {
            h1_time_input(c, H1_IDLE_Q);
        } else if (c->in_len == 0) { /* the first head's time runs since the connection began */
        } else if (!h1_wants_read(c)) {
            h1_time_input(c, H1_NO_Q); /* it is we who do not read */
        } else if (c->in_q != H1_HEAD_Q) {
            h1_time_input(c, H1_HEAD_Q);
        }
    }
    h1_update_interest(c);
}

static void
end_input(struct h1_conn *c)
{
    struct hs_h1 *h = c->h;

    put_back_input(c);
    h->on_burst(h->on_burst_arg);
}

static __attribute__((noinline)) void
take_kept(struct h1_conn *c)
{
    struct hs_h1 *h = c->h;

    memcpy(h->scratch, c->in, c->in_len);
    h->end += c->in_len;
    free(c->in);
    c->in = NULL;
    c->in_len = 0;
}

static inline __attribute__((always_inline)) void
begin_input(struct h1_conn *c)
{
    struct hs_h1 *h = c->h;

    assert(!h->input);
    h->input = c;
    h->cur = h->end = h->scratch;
    h->emptied = false;
    if (__builtin_expect(c->in_len != 0, 0)) {
        take_kept(c);
    }
}

static void
on_eof(struct h1_conn *c)
{
    c->peer_fin = true;
    if (c->state == H1_LINGER) {
        h1_close(c, false);
        return;
    }
    if (c->state != H1_BODY) {
        h1_close_when_sent(c); /* HEAD: nothing or half a head; DRAIN: that was it */
        return;
    }
    c->keep = false;
    c->body_on = false;
    h1_time_input(c, H1_NO_Q);
    h1_set_state(c, H1_READ);
    c->h->user->body_end(c->stream.user, ECONNABORTED, (struct hs_view){ 0 }, NULL, 0);
    if (!c->dead) {
        hs_defer(c->h->loop, &c->again);
    }
}

/* What a read has given: true when there were bytes. */
static inline bool
has_read(struct h1_conn *c, ssize_t r)
{
    if (__builtin_expect(r > 0, 1)) {
        c->h->stats.received += (size_t)r;
        return true;
    }
    if (r == 0) {
        on_eof(c);
    } else if (errno != EAGAIN) {
        h1_break(c);
    }
    return false;
}

/* Reads once behind what is there, at most wanted bytes. False: nothing more is to be had now. */
static inline bool
read_behind(struct h1_conn *c, size_t wanted)
{
    struct hs_h1 *h = c->h;
    char *p = h->scratch + (h->end - h->scratch);
    size_t room = (size_t)(h->scratch + H1_SCRATCH - p);

    if (room < H1_NESTED_MIN) {
        return false;
    }
    room = room < wanted ? room : wanted;
    ssize_t r = c->t->ops->read(c->t, p, room);
    if (!has_read(c, r)) {
        return false;
    }
    h->end += r;
    return (size_t)r == room;
}

/* Reads content once, straight into the session's memory where it has some. False: nothing more is to be had now. */
static __attribute__((noinline)) bool
read_content(struct h1_conn *c)
{
    struct hs_h1 *h = c->h;
    char *own;
    size_t wanted = h->user->body_space(c->stream.user, &own);

    if (!own || h->cur != h->end || c->body->is_chunked || (wanted < H1_NESTED_MIN && wanted < c->body->left)) {
        return read_behind(c, own ? SIZE_MAX : wanted);
    }
    size_t room = wanted < c->body->left ? wanted : (size_t)c->body->left;
    room = room < H1_DIRECT_MAX ? room : H1_DIRECT_MAX;
    ssize_t r = c->t->ops->read(c->t, own, room);
    if (!has_read(c, r)) {
        return false;
    }
    c->body->left -= (uint64_t)r;
    bool last = c->body->left == 0; /* filled the room because the body ends there: that says nothing of what follows */
    deliver(c, NULL, (size_t)r);
    if (!c->dead && c->state == H1_BODY && c->body->left == 0) {
        body_complete(c);
    }
    return (size_t)r == room && !last;
}

static inline bool
read_some(struct h1_conn *c)
{
    if (__builtin_expect(c->state == H1_BODY, 0)) {
        return read_content(c);
    }
    return read_behind(c, c->state == H1_HEAD ? H1_READ_MAX : SIZE_MAX);
}

void
h1_on_readable(struct h1_conn *c)
{
    struct hs_h1 *h = c->h;

    if (!h1_wants_read(c)) {
        if (c->t->interest & HS_READ && c->t->ops->set_interest(c->t, c->t->interest & ~(unsigned)HS_READ) != 0) {
            h1_break(c);
        }
        return;
    }
    begin_input(c);
    for (int i = 0; i < H1_READS_PER_EVENT; i++) {
        bool full = read_some(c);
        if (c->dead || c->broken) {
            break;
        }
        process(c);
        if (!full || h->emptied || c->dead || !h1_wants_read(c)) {
            break;
        }
        if (h->cur == h->end) {
            h->cur = h->end = h->scratch;
        }
    }
    end_input(c);
}

void
h1_read_to_end(struct h1_conn *c)
{
    struct hs_h1 *h = c->h;
    size_t room;
    ssize_t r;

    begin_input(c);
    while ((room = (size_t)(h->scratch + H1_SCRATCH - h->end)) > 0) {
        r = c->t->ops->read(c->t, h->scratch + H1_SCRATCH - room, room);
        if (r < 0 && errno != EAGAIN) {
            h1_break(c);
        }
        if (r <= 0) {
            break;
        }
        h->end += r;
        h->stats.received += (size_t)r;
    }
    end_input(c);
}

void
h1_continue(struct h1_conn *c)
{
    if (c->h->input) {
        hs_defer(c->h->loop, &c->again);
        return;
    }
    begin_input(c);
    process(c);
    end_input(c);
}

void
h1_exchange_over(struct h1_conn *c)
{
    c->exchange = false;
    c->stream.user = NULL;
    c->want_writable = false;
    c->body_on = false;
    if (!c->keep) {
        h1_close_when_sent(c);
        return;
    }
    if (c->state == H1_READ) {
        h1_set_state(c, H1_HEAD);
    } else {
        h1_set_state(c, H1_DRAIN);
        c->body->drained = 0;
        h1_time_input(c, H1_HEAD_Q);
    }
    if (c->h->input != c) {
        h1_push(c, false);
        hs_defer(c->h->loop, &c->again);
    }
}

/* --- the session asks for body bytes --- */

static void
send_continue(struct h1_conn *c)
{
    static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";

    c->expect = false;
    if (c->head_out || c->in_len || (c->h->input == c && c->h->cur != c->h->end)) {
        return; /* it has its answer, or did not wait for one (RFC 9110 10.1.1) */
    }
    h1_gather(c, interim, sizeof interim - 1);
    h1_push(c, false);
}

/* Called from within the session's code, itself called from process(): goes on with what is here, and with what a read gives at once. */
static void
feed_nested(struct h1_conn *c)
{
    struct hs_h1 *h = c->h;
    bool full = true;

    for (int reads = 0;; reads++) {
        while (!c->dead && !c->broken && c->state == H1_BODY && c->body_on && feed_body(c)) {
        }
        if (c->dead || c->broken || c->state != H1_BODY || !c->body_on || !full || reads == H1_READS_PER_EVENT) {
            return; /* the rest comes as an event */
        }
        const char *end = h->end;
        full = read_some(c);
        if (!full && h->end == end) {
            return;
        }
    }
}

void
h1_want_body(struct hs_stream *st, bool on, bool waiting)
{
    struct h1_conn *c = (struct h1_conn *)st;
    struct hs_h1 *h = c->h;

    if (c->state != H1_BODY) {
        return;
    }
    bool was_on = c->body_on;
    c->body_on = on;
    if (!waiting) {
        waiting_off(c);
    } else if (!c->body->waiting_since) {
        c->body->waiting_since = hs_loop_now(h->loop);
        if (c->in_q != H1_BODY_Q) {
            h1_time_input(c, H1_BODY_Q);
        }
    }
    if (!on || was_on) {
        if (on != was_on) {
            h1_update_interest(c);
        }
        return;
    }
    h1_enter(c);
    if (c->expect) {
        send_continue(c);
    }
    if (h->input == c) {
        feed_nested(c);
    } else if (!h->input && !c->broken) {
        begin_input(c);
        feed_nested(c);
        end_input(c);
        if (!c->dead && (c->state == H1_HEAD || c->state == H1_DRAIN)) {
            hs_defer(h->loop, &c->again); /* refused: what follows is not begun within the code of its session */
        }
    } else {
        hs_defer(h->loop, &c->again);
    }
    h1_leave(c);
}

/* True when n bytes of input are here, if need be after one more read where there is room for them. */
static bool
have_input(struct h1_conn *c, size_t n)
{
    struct hs_h1 *h = c->h;
    size_t room = (size_t)(h->scratch + H1_SCRATCH - h->end);

    if (n <= (size_t)(h->end - h->cur)) {
        return true;
    }
    if (c->expect || c->broken || n - (size_t)(h->end - h->cur) > room) {
        return false;
    }
    ssize_t r = c->t->ops->read(c->t, h->scratch + H1_SCRATCH - room, room);
    if (r > 0) {
        h->end += r;
        h->stats.received += (size_t)r;
        h->emptied = (size_t)r < room;
    } else if (r < 0 && errno != EAGAIN) {
        h1_break(c);
    } /* the end of the input will be seen by the next read */
    return n <= (size_t)(h->end - h->cur);
}

bool
h1_take_body(struct hs_stream *st, struct hs_view *content)
{
    struct h1_conn *c = (struct h1_conn *)st;
    struct hs_h1 *h = c->h;

    if (h->input != c || c->state != H1_BODY || c->body_on || c->body->is_chunked || c->body->left > H1_SCRATCH ||
        !have_input(c, (size_t)c->body->left)) {
        return false;
    }
    *content = (struct hs_view){ h->cur, (size_t)c->body->left };
    h->cur += content->n;
    c->expect = false; /* it did not wait for one */
    h1_set_state(c, H1_READ);
    h1_body_free(c);
    if (c->peer_fin) {
        hs_defer(h->loop, &c->again); /* a FIN behind the body */
    }
    return true;
}
