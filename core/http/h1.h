/* h1.h - HTTP/1.x connections: what a listener hands over, and the limits they live by. */
#ifndef HS_HTTP_H1_H
#define HS_HTTP_H1_H

#include "http/request_parser.h"
#include "http/stream.h"
#include "io/loop.h"
#include "io/transport.h"

struct hs_h1; /* everything the HTTP/1 connections of one loop share: buffers, time-out queues, limits */

struct hs_h1_limits {
    struct hs_head_limits head;
    int64_t head_timeout;   /* ns, one deadline for the whole head (10 s) */
    int64_t idle_timeout;   /* ns between requests (60 s) */
    int64_t write_timeout;  /* ns without a byte taken by the peer while some wait (30 s) */
    int64_t body_window;    /* ns over which the rate of a body is averaged while a reader waits (30 s) */
    uint32_t body_rate;     /* bytes per second (1024) */
    uint32_t max_requests;  /* per connection (10000) */
    size_t drain_max;       /* bytes of an unread body that are drained to keep the connection (64 KiB) */
    size_t linger_max;      /* bytes discarded in a lingering close (1 GiB: the time ends it first; a client may send much before it looks) */
    int64_t linger_timeout; /* ns (2 s) */
    unsigned linger_count;  /* most connections lingering at once (1024) */
    size_t pipeline_output; /* unsent bytes above which no further pipelined request is begun (256 KiB) */
};

struct hs_h1_stats {
    unsigned long long connections, requests, refused, timeouts;
    unsigned long long received, sent; /* bytes */
    unsigned long long unsent; /* connections that ended before the kernel had taken all that was to be said, so also of requests that were over */
    size_t live, idle, lingering;
};

/* A request that was answered by the driver, without a session: it was refused. */
struct hs_h1_refused {
    const struct hs_refusal *why;
    const struct hs_request *req; /* NULL: its head was not understood, or did not come in time */
    struct hs_view line;          /* without req: its first line as far as it came, any bytes, maybe none */
    const struct sockaddr_storage *from; /* the peer's address; AF_UNSPEC when it has gone */
    const struct hs_peer *peer;   /* NULL: it was not noted */
    int64_t started;              /* loop time: of its head, as far as that is known */
    uint64_t bytes;               /* of the content of the answer */
};

/* The values named above. */
void hs_h1_limits_default(struct hs_h1_limits *l);
/* 0, ENOMEM. user and its arg live as long. */
int hs_h1_new(struct hs_loop *loop, const struct hs_h1_limits *limits, const struct hs_stream_user *user, void *arg, struct hs_h1 **out);
/* Other limits from now on, for the connections that are there too. */
void hs_h1_set_limits(struct hs_h1 *h, const struct hs_h1_limits *limits);
/* All connections must have ended (hs_h1_close_all). */
void hs_h1_free(struct hs_h1 *h);
/* Takes the transport over and starts to read; on ENOMEM it is closed. */
int hs_h1_accept(struct hs_h1 *h, struct hs_transport *t);
/* The same of a connection of which something was expected before: its head_timeout runs from a loop time that has passed. */
int hs_h1_accept_since(struct hs_h1 *h, struct hs_transport *t, int64_t begun);
/* Draining: responses from now on say Connection: close, also on idle connections' next request; nothing is closed by itself. */
void hs_h1_drain(struct hs_h1 *h);
/* Closes idle connections (nothing read of a next request). */
void hs_h1_close_idle(struct hs_h1 *h);
/* Aborts everything. */
void hs_h1_close_all(struct hs_h1 *h);
void hs_h1_get_stats(const struct hs_h1 *h, struct hs_h1_stats *st);
/* Called for each request refused before it reached a session, when its answer is about to be sent. All of r is borrowed for the call. */
void hs_h1_on_refused(struct hs_h1 *h, void (*fn)(void *arg, const struct hs_h1_refused *r), void *arg);
/* Has fn note with whom each connection is that begins from now on (as hs_peer_new); NULL from it: there is no memory, it goes on without. fn NULL:
 * nothing is noted (the default). */
void hs_h1_note_peers(struct hs_h1 *h, struct hs_peer *(*fn)(void *arg, struct hs_transport *t), void *arg);
/* The same but for idle, for which all connections have to be looked at. Borrowed. */
const struct hs_h1_stats *hs_h1_stats(const struct hs_h1 *h);
/* Called when the input of a connection has been used up and what was answered has been given to the kernel: after each burst of requests, and at other times. */
void hs_h1_on_burst(struct hs_h1 *h, void (*fn)(void *arg), void *arg);

#endif
