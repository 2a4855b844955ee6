/* h1_int.h - what the files of the HTTP/1 driver share: the connection and the buffers of its loop.
 *   h1.c         life of a connection, events, time-outs, closing
 *   h1_input.c   heads, bodies, pipelining
 *   h1_output.c  heads, framing, gathered writes
 *
 * One exchange at a time. Input goes through these states; each request returns to HEAD or ends in LINGER or the close:
 *
 *   HEAD --head complete--> BODY --last byte--> READ --response finished--> HEAD
 *     |                      |  `--response finished first--> DRAIN --last byte--> HEAD
 *     `-- refused, or the connection is to end with bytes unread --> CLOSING --output sent--> LINGER --FIN or time--> closed
 *
 * Lifetime: a connection is freed when it is dead and no function of the driver that works on it is on the stack (busy). */
#ifndef HS_HTTP_H1_INT_H
#define HS_HTTP_H1_INT_H

#include <event2/buffer.h>

#include "base/buf.h"
#include "http/chunked.h"
#include "http/h1.h"

enum {
    H1_READ_MAX = 64 * 1024,              /* a read that may bring a head takes this much: no more content comes with it */
    H1_SCRATCH = H1_READ_MAX + 32 * 1024, /* there is room for it behind an incomplete head, and for the rest of a body behind it */
    H1_PAD = 16,                           /* the parser may look so far past the end */
    H1_GATHER = 64 * 1024,   /* small writes of one burst leave together */
    H1_COPY_MAX = 16 * 1024, /* larger content is given to writev(2) where it lies */
    H1_TRAILERS = 8 * 1024,
};

enum h1_state { H1_HEAD, H1_BODY, H1_READ, H1_DRAIN, H1_CLOSING, H1_LINGER };

/* The time-out that the input of a connection is under. */
enum h1_queue { H1_NO_Q, H1_HEAD_Q, H1_IDLE_Q, H1_BODY_Q, H1_LINGER_Q };

struct h1_body {
    uint64_t left;    /* Content-Length framing: bytes still to come */
    uint64_t drained; /* bytes thrown away in H1_DRAIN */
    struct hs_chunked chunked;
    struct hs_buf trailers;
    /* the rate while a reader waits: bytes and nanoseconds of waiting in the current window */
    uint64_t window_bytes;
    int64_t window_waited;
    int64_t waiting_since; /* 0: nobody waits */
    bool is_chunked;
};

struct h1_conn {
    struct hs_stream stream; /* stream.user: the session while an exchange runs */
    struct hs_h1 *h;
    struct hs_transport *t; /* NULL once closed */
    TAILQ_ENTRY(h1_conn) link;
    struct h1_body *body;   /* while the request has one */
    struct evbuffer *out;   /* what the kernel has not taken yet; NULL when nothing */
    char *in;               /* bytes read but not used yet (an incomplete head, pipelined requests), in_len of them */
    struct hs_timeq_entry in_timer;
    struct hs_timeq_entry out_timer;
    struct hs_deferred again; /* go on with the input, or tell the session that the connection broke */
    uint64_t chunk_left;      /* of the output chunk whose size has been sent */
    /* so packed that an idle connection fits a smaller piece of malloc's */
    uint32_t in_len;
    uint32_t requests;
    uint16_t seen; /* of an incomplete head: bytes that the parser has looked at */
    uint8_t busy;  /* functions of the driver on the stack */
    uint8_t state; /* enum h1_state */
    uint8_t in_q;  /* enum h1_queue: the queue that in_timer is in */
    bool keep;     /* the peer may keep the connection after this exchange */
    bool chunked_out : 1;
    bool close_delimited : 1; /* the end of the connection ends the content */
    bool head_out : 1;        /* respond was called */
    bool body_on : 1;         /* the session takes body bytes */
    bool expect : 1;          /* 100-continue was asked for and not sent */
    bool is_1_0 : 1;          /* the current request is HTTP/1.0 */
    bool exchange : 1;        /* a session is attached */
    bool want_writable : 1;
    bool peer_fin : 1;
    bool broken : 1; /* a write failed */
    bool unsent : 1; /* and what it was to write belonged to requests that are over, or it may have */
    bool dead : 1;   /* closed; freed when busy is 0 */
};
_Static_assert(H1_SCRATCH - H1_READ_MAX <= UINT16_MAX, "no incomplete head is longer than seen can say");
/* With malloc's own word: what an idle connection takes beside its transport. One byte more, and it takes 16 more. */
_Static_assert(sizeof(void *) != 8 || sizeof(struct h1_conn) <= 184, "a connection fits a piece of 192 bytes");

struct hs_h1 {
    struct hs_loop *loop;
    struct hs_h1_limits limits;
    const struct hs_stream_user *user;
    void *arg;
    TAILQ_HEAD(, h1_conn) conns;
    union {
        struct {
            struct hs_timeq head_q, idle_q, body_q, linger_q; /* in the order of enum h1_queue */
        };
        struct hs_timeq in_queues[H1_LINGER_Q];
    };
    struct hs_timeq write_q;
    struct hs_h1_stats stats;
    void (*on_refused)(void *arg, const struct hs_h1_refused *r);
    void *on_refused_arg;
    struct hs_peer *(*note_peer)(void *arg, struct hs_transport *t); /* NULL: none is noted */
    void *note_peer_arg;
    void (*on_burst)(void *arg);
    void *on_burst_arg;
    bool draining;
    /* input: the bytes that are being worked on, and whose they are */
    struct h1_conn *input; /* NULL: scratch is free */
    const char *cur, *end;
    bool emptied; /* the rest of a body was read, and with it all that there was */
    struct hs_field fields[HS_MAX_FIELDS];
    char *scratch;
    /* output: what one burst has produced for one connection */
    struct h1_conn *gather_owner;
    size_t gather_len;
    char *gather;
    struct iovec gather_out; /* what is being given to the kernel: no array on the stack of the hot path */
};

/* --- h1.c --- */
void h1_set_state(struct h1_conn *c, enum h1_state to);
void h1_enter(struct h1_conn *c);
void h1_leave(struct h1_conn *c); /* may free c */
/* Moves in_timer to q, stamped now. */
void h1_time_input(struct h1_conn *c, enum h1_queue q);
/* Sets what the transport reports from the connection's state. */
void h1_set_interest(struct h1_conn *c);
/* Closes at once. */
void h1_close(struct h1_conn *c, bool reset);
/* Closes once the output has left; lingers when the peer may still be sending. */
void h1_close_when_sent(struct h1_conn *c);
/* The connection is of no more use: tells the session, closes. */
void h1_lost(struct h1_conn *c, int err);
/* Answers with an error of the driver's own and closes. req: the head, where it was understood, else NULL. started: when it began to come. */
void h1_refuse(struct h1_conn *c, const struct hs_refusal *why, const struct hs_request *req, int64_t started);

/* --- h1_input.c --- */
void h1_on_readable(struct h1_conn *c);
/* After a FIN or a reset, while nothing is wanted from the peer: keeps what came before it (as much as the buffer holds), to find out which it was. */
void h1_read_to_end(struct h1_conn *c);
/* Goes on with bytes that were kept. */
void h1_continue(struct h1_conn *c);
void h1_want_body(struct hs_stream *st, bool on, bool waiting);
bool h1_take_body(struct hs_stream *st, struct hs_view *content);
void h1_body_free(struct h1_conn *c);
/* The session has finished its response. */
void h1_exchange_over(struct h1_conn *c);
/* True when the request's body could be drained cheaply, so that the connection may be kept. */
bool h1_body_drainable(const struct h1_conn *c);

/* --- h1_output.c --- */
/* The connection is of no more use; the session is told from the loop. */
void h1_break(struct h1_conn *c);
extern const struct hs_stream_ops h1_stream_ops;
/* Copies bytes to the burst's buffer. */
void h1_gather(struct h1_conn *c, const void *p, size_t n);
/* Gives the burst's bytes to the kernel; more: other bytes follow at once. */
void h1_push(struct h1_conn *c, bool more);
void h1_on_writable(struct h1_conn *c);

/* --- what is asked for at every request --- */

/* Bytes that have not been given to the kernel. */
static inline size_t
h1_queued(const struct h1_conn *c)
{
    size_t n = c->h->gather_owner == c ? c->h->gather_len : 0;

    return __builtin_expect(c->out != NULL, 0) ? n + evbuffer_get_length(c->out) : n;
}

static inline bool
h1_wants_read(const struct h1_conn *c)
{
    switch ((enum h1_state)c->state) {
    case H1_HEAD: return h1_queued(c) <= c->h->limits.pipeline_output;
    case H1_BODY: return c->body_on;
    case H1_DRAIN:
    case H1_LINGER: return true;
    case H1_READ:
    case H1_CLOSING: return false;
    }
    return false;
}

/* As h1_set_interest, which has nothing to do for a connection that waits for its next request with all output gone. */
static inline void
h1_update_interest(struct h1_conn *c)
{
    bool idle = c->state == H1_HEAD && c->in_len == 0 && c->out == NULL && !c->want_writable && !c->peer_fin &&
                c->out_timer.stamp == 0 && c->t != NULL && c->t->interest == (HS_READ | HS_CLOSED);

    if (__builtin_expect(!idle, 0)) {
        h1_set_interest(c);
    }
}

#endif
