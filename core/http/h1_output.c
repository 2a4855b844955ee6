/* h1_output.c - what an HTTP/1 connection writes: heads, content in its framing.
 * Small pieces are gathered in a buffer of the loop and leave in one send when the burst that made them ends, so that a
 * head and its content, or sixteen pipelined responses, cost one system call. Large content is given to writev(2) where
 * it lies. What the kernel does not take is queued with the connection. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/short.h"
#include "http/h1_int.h"

enum { H1_IOV = 64 };

static struct h1_conn *
conn_of(struct hs_stream *st)
{
    return (struct h1_conn *)st;
}

void
h1_break(struct h1_conn *c)
{
    if (!c->broken) {
        c->broken = true;
        hs_defer(c->h->loop, &c->again);
    }
}

/* Queues what the kernel did not take. */
static void
queue_out(struct h1_conn *c, const void *p, size_t n)
{
    if (n == 0 || c->broken) {
        return;
    }
    if (!c->out) {
        c->out = evbuffer_new();
    }
    if (!c->out || evbuffer_add(c->out, p, n) != 0) {
        h1_break(c);
    }
}

/* writev(2) that says how much went: 0 when the kernel is full or the connection broken. */
static inline __attribute__((always_inline)) size_t
put_iov(struct h1_conn *c, const struct iovec *iov, int n, bool more)
{
    ssize_t w = c->t->ops->writev(c->t, iov, n, more);

    if (w < 0) {
        if (errno != EAGAIN) {
            h1_break(c);
        }
        return 0;
    }
    c->h->stats.sent += (size_t)w;
    if (c->out_timer.stamp && w > 0) {
        hs_timeq_touch(&c->h->write_q, &c->out_timer);
    }
    return (size_t)w;
}

void
h1_push(struct h1_conn *c, bool more)
{
    struct hs_h1 *h = c->h;

    if (h->gather_owner != c) {
        return;
    }
    size_t n = h->gather_len;
    h->gather_owner = NULL;
    h->gather_len = 0;
    if (n == 0 || c->broken) {
        return;
    }
    size_t sent = 0;
    if (!c->out) {
        h->gather_out = (struct iovec){ h->gather, n };
        sent = put_iov(c, &h->gather_out, 1, more);
    }
    if (sent < n) {
        c->unsent = c->broken;
        queue_out(c, h->gather + sent, n - sent);
        h1_update_interest(c);
    }
}

static __attribute__((noinline)) char *
make_gather_space(struct h1_conn *c, size_t n)
{
    struct hs_h1 *h = c->h;

    if (h->gather_owner && (h->gather_owner != c || H1_GATHER - h->gather_len < n)) {
        h1_push(h->gather_owner, false);
    }
    if (n > H1_GATHER) {
        return NULL;
    }
    h->gather_owner = c;
    return h->gather + h->gather_len;
}

/* Room for n bytes in the burst's buffer, this connection's from now on; NULL when n is too much for it. */
static inline char *
gather_space(struct h1_conn *c, size_t n)
{
    struct hs_h1 *h = c->h;

    if (__builtin_expect(h->gather_owner == c && n <= H1_GATHER - h->gather_len, 0)) {
        return h->gather + h->gather_len;
    }
    if (__builtin_expect(h->gather_owner == NULL && n <= H1_GATHER, 1)) {
        h->gather_owner = c;
        return h->gather; /* gather_len is 0 while nobody owns it */
    }
    return make_gather_space(c, n);
}

void
h1_gather(struct h1_conn *c, const void *p, size_t n)
{
    char *dst = gather_space(c, n);

    memcpy(dst, p, n); /* callers give less than H1_GATHER */
    c->h->gather_len += n;
}

void
h1_on_writable(struct h1_conn *c)
{
    while (c->out) {
        struct evbuffer_iovec vec[H1_IOV];
        struct iovec iov[H1_IOV];
        size_t offered = 0;
        int n = evbuffer_peek(c->out, -1, NULL, vec, H1_IOV);
        n = n < H1_IOV ? n : H1_IOV;
        for (int i = 0; i < n; i++) {
            iov[i] = (struct iovec){ vec[i].iov_base, vec[i].iov_len };
            offered += vec[i].iov_len;
        }
        size_t sent = put_iov(c, iov, n, false);
        evbuffer_drain(c->out, sent);
        if (evbuffer_get_length(c->out) == 0) {
            evbuffer_free(c->out);
            c->out = NULL;
        } else if (sent < offered) {
            return;
        }
    }
    if (c->exchange && c->want_writable && !c->broken) {
        c->h->user->writable(c->stream.user);
    }
    if (!c->dead) {
        h1_update_interest(c);
    }
}

/* --- the session's calls --- */

/* Decides framing and persistence. */
static inline void
frame_head(struct h1_conn *c, struct hs_response *r)
{
    struct hs_response_head *head = &r->head;

    if (head->close || !h1_body_drainable(c) || c->h->draining) {
        c->keep = false;
    }
    c->head_out = true;
    c->chunked_out = c->close_delimited = false;
    if (__builtin_expect(head->content_length < 0 && !r->no_content, 0)) {
        c->chunked_out = head->chunked = !c->is_1_0;
        c->close_delimited = c->is_1_0;
        if (c->close_delimited) {
            c->keep = false;
        }
    }
    head->close = !c->keep;
    head->keep_alive = c->keep && c->is_1_0;
    head->now = hs_loop_walltime(c->h->loop);
}

static int
h1_respond(struct hs_stream *st, struct hs_response *r)
{
    struct h1_conn *c = conn_of(st);
    frame_head(c, r);
    size_t bound = hs_response_head_bound(&r->head);
    char *dst = gather_space(c, bound);

    if (dst) {
        c->h->gather_len += (size_t)(hs_response_head_write(dst, &r->head) - dst);
        return 0;
    }
    dst = malloc(bound); /* more fields than a burst holds */
    if (!dst) {
        return ENOMEM;
    }
    size_t n = (size_t)(hs_response_head_write(dst, &r->head) - dst);
    queue_out(c, dst, n);
    free(dst);
    h1_update_interest(c);
    return 0;
}

/* Data of one chunk, or unframed. Returns what was taken: all of it unless keep. */
static size_t
put_data(struct h1_conn *c, const struct iovec *iov, int iovcnt, size_t total, bool keep)
{
    struct hs_h1 *h = c->h;

    if (total <= H1_COPY_MAX) {
        if (keep && c->out) {
            return 0;
        }
        char *dst = gather_space(c, total);
        for (int i = 0; i < iovcnt; i++) {
            memcpy(dst, iov[i].iov_base, iov[i].iov_len);
            dst += iov[i].iov_len;
        }
        h->gather_len += total;
        return total;
    }
    struct iovec vec[H1_IOV + 1];
    int n = 0;
    size_t head = h->gather_owner == c ? h->gather_len : 0;
    if (head) {
        vec[n++] = (struct iovec){ h->gather, head };
        h->gather_owner = NULL;
        h->gather_len = 0;
    }
    for (int i = 0; i < iovcnt; i++) {
        vec[n++] = iov[i];
    }
    size_t sent = c->out ? 0 : put_iov(c, vec, n, false);
    if (sent < head) {
        queue_out(c, h->gather + sent, head - sent);
        sent = head;
    }
    sent -= head;
    if (sent < total && !keep) {
        size_t skip = sent;
        for (int i = 0; i < iovcnt; i++) {
            size_t s = skip < iov[i].iov_len ? skip : iov[i].iov_len;
            queue_out(c, (char *)iov[i].iov_base + s, iov[i].iov_len - s);
            skip -= s;
        }
        sent = total;
    }
    if (c->out) {
        h1_update_interest(c);
    }
    return sent;
}

/* Bytes of a chunk have gone: its CRLF follows the last. */
static void
chunk_sent(struct h1_conn *c, size_t n)
{
    c->chunk_left -= n;
    if (c->chunk_left == 0) {
        h1_gather(c, "\r\n", 2);
    }
}

static void
chunk_begin(struct h1_conn *c, uint64_t n)
{
    char size[20];

    h1_gather(c, size, hs_chunk_header(size, n));
    c->chunk_left = n;
}

static ssize_t
result(struct h1_conn *c, size_t taken)
{
    if (c->broken) {
        errno = ECONNABORTED;
        return -1;
    }
    return (ssize_t)taken;
}

static ssize_t
h1_write(struct hs_stream *st, const struct iovec *iov, int iovcnt, unsigned flags)
{
    struct h1_conn *c = conn_of(st);
    bool keep = flags & HS_WRITE_KEEP;
    struct iovec part[H1_IOV];
    size_t taken = 0;
    int i = 0;
    size_t off = 0;

    while (i < iovcnt && !c->broken) {
        /* the rest of the chunk that has begun, else everything (up to H1_IOV pieces) as one chunk */
        size_t limit = c->chunk_left ? (size_t)c->chunk_left : SIZE_MAX;
        size_t total = 0;
        int n = 0;
        int j = i;
        size_t o = off;
        while (j < iovcnt && n < H1_IOV && total < limit) {
            size_t len = iov[j].iov_len - o;
            size_t use = len < limit - total ? len : limit - total;
            part[n++] = (struct iovec){ (char *)iov[j].iov_base + o, use };
            total += use;
            o = use < len ? o + use : 0;
            j += use == len;
        }
        if (total == 0) {
            break;
        }
        if (keep && c->out && !c->chunk_left) {
            break; /* do not promise a chunk that cannot begin */
        }
        if (c->chunked_out && !c->chunk_left) {
            chunk_begin(c, total);
        }
        size_t sent = put_data(c, part, n, total, keep);
        taken += sent;
        if (c->chunked_out) {
            if (sent) {
                chunk_sent(c, sent);
            }
        }
        if (sent < total) {
            break;
        }
        i = j;
        off = o;
    }
    return result(c, taken);
}

static ssize_t
h1_sendfile(struct hs_stream *st, int fd, off_t off, size_t n)
{
    struct h1_conn *c = conn_of(st);

    if (!c->t->ops->sendfile) {
        errno = ENOTSUP;
        return -1;
    }
    if (c->chunked_out && !c->chunk_left && !c->out) {
        chunk_begin(c, n);
    }
    if (c->chunk_left && n > c->chunk_left) {
        n = (size_t)c->chunk_left;
    }
    h1_push(c, true);
    if (c->out || c->broken) {
        return result(c, 0);
    }
    ssize_t r = c->t->ops->sendfile(c->t, fd, &off, n);
    if (r < 0 && errno == EAGAIN) {
        return 0;
    }
    if (r == 0) {
        errno = EIO; /* the file has become shorter */
        return -1;
    }
    if (r < 0) {
        if (errno != EIO) {
            h1_break(c);
        }
        return result(c, 0) < 0 ? -1 : (errno = EIO, -1);
    }
    c->h->stats.sent += (size_t)r;
    if (c->out_timer.stamp) {
        hs_timeq_touch(&c->h->write_q, &c->out_timer);
    }
    if (c->chunked_out) {
        chunk_sent(c, (size_t)r);
    }
    return r;
}

static void
h1_flush(struct hs_stream *st)
{
    h1_push(conn_of(st), false);
}

static void
h1_abort(struct hs_stream *st)
{
    struct h1_conn *c = conn_of(st);

    h1_enter(c);
    c->exchange = false;
    c->stream.user = NULL;
    c->want_writable = false;
    c->body_on = false;
    if (c->broken || c->close_delimited) {
        h1_close(c, true);
    } else {
        h1_close_when_sent(c); /* what was said stays said; the missing end tells that it is not all */
    }
    h1_leave(c);
}

static void
h1_finish(struct hs_stream *st)
{
    struct h1_conn *c = conn_of(st);

    if (c->chunk_left) { /* a source ended before what it had announced */
        h1_abort(st);
        return;
    }
    h1_enter(c);
    if (c->chunked_out) {
        h1_gather(c, "0\r\n\r\n", 5);
    }
    if (c->broken) {
        c->exchange = false;
        c->stream.user = NULL;
        h1_close(c, false);
    } else {
        h1_exchange_over(c);
    }
    h1_leave(c);
}

static int
h1_send(struct hs_stream *st, struct hs_response *r, struct hs_view content)
{
    struct h1_conn *c = conn_of(st);
    struct hs_h1 *h = c->h;

    if (content.n > H1_COPY_MAX || c->broken) {
        return E2BIG;
    }
    char *dst = gather_space(c, hs_response_head_bound(&r->head) + content.n);
    if (!dst) {
        return E2BIG;
    }
    frame_head(c, r);
    char *end = hs_response_head_write(dst, &r->head);
    (void)hs_short_copy(end, content.p, content.n);
    h->gather_len += (size_t)(end - dst) + content.n;
    h1_enter(c);
    h1_exchange_over(c);
    h1_leave(c);
    return 0;
}

static size_t
h1_queued_op(struct hs_stream *st)
{
    return h1_queued(conn_of(st));
}

static void
h1_want_writable(struct hs_stream *st, bool on)
{
    struct h1_conn *c = conn_of(st);

    if (c->want_writable != on) {
        c->want_writable = on;
        h1_update_interest(c);
    }
}

static int
h1_addr(struct hs_stream *st, bool peer, struct sockaddr_storage *ss, socklen_t *len)
{
    struct h1_conn *c = conn_of(st);

    return c->t->ops->addr(c->t, peer, ss, len);
}

static int
h1_fd(struct hs_stream *st)
{
    struct h1_conn *c = conn_of(st);

    return c->t->ops->fd != NULL ? c->t->ops->fd(c->t) : -1;
}

const struct hs_stream_ops h1_stream_ops = {
    .respond = h1_respond,
    .write = h1_write,
    .sendfile = h1_sendfile,
    .send = h1_send,
    .flush = h1_flush,
    .finish = h1_finish,
    .abort = h1_abort,
    .queued = h1_queued_op,
    .want_writable = h1_want_writable,
    .want_body = h1_want_body,
    .take_body = h1_take_body,
    .addr = h1_addr,
    .fd = h1_fd,
};
