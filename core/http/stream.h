/* stream.h - the seam between a protocol and a session: one request and its response.
 * The protocol driver (HTTP/1, HTTP/2) embeds a struct hs_stream and offers hs_stream_ops downward calls; it calls the
 * session through hs_stream_user, a table that is declared here and filled in above. A session never sees a protocol's
 * types, a protocol never sees a session's.
 *
 * Lifetime: the stream is valid from user->begin until the session's last call on it: finish or abort, or until the
 * protocol has called user->aborted. After any of these neither side calls the other for this exchange. */
#ifndef HS_HTTP_STREAM_H
#define HS_HTTP_STREAM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "http/peer.h"
#include "http/request.h"
#include "http/request_parser.h"
#include "http/response_head.h"

struct hs_stream;

/* The response's head as the session knows it: of head all but the flags of framing and persistence, which the protocol fills in. */
struct hs_response {
    struct hs_response_head head; /* content_length: of the content, -1 when not known; close: the script asked for it; date: no field
                                   * of the script's is Date */
    bool no_content;              /* no content bytes follow, whatever the length says (HEAD, 204, 304) */
};

enum { HS_WRITE_KEEP = 1 }; /* the caller keeps what is not taken and offers the same bytes first next time */

struct hs_stream_ops {
    /* Takes the response head; once. It leaves with the first content, at flush or finish. 0, ENOMEM. */
    int (*respond)(struct hs_stream *st, struct hs_response *r);
    /* Content bytes. Without HS_WRITE_KEEP all are taken (what the kernel does not accept is queued: look at room first). With it, as many
     * as can be given to the kernel now, possibly 0. Returns the number taken; -1 with errno ENOMEM or ECONNABORTED. */
    ssize_t (*write)(struct hs_stream *st, const struct iovec *iov, int iovcnt, unsigned flags);
    /* Content bytes from a file: as write with HS_WRITE_KEEP. -1 with ENOTSUP: read and write instead; EIO: the file is shorter. */
    ssize_t (*sendfile)(struct hs_stream *st, int fd, off_t off, size_t n);
    /* A whole small response at once: as respond, write of all its content, finish. 0; ENOMEM or E2BIG: nothing was done, use those. */
    int (*send)(struct hs_stream *st, struct hs_response *r, struct hs_view content);
    /* Gives everything taken so far to the kernel. */
    void (*flush)(struct hs_stream *st);
    /* No more content: the exchange is over for the session. */
    void (*finish)(struct hs_stream *st);
    /* The response cannot be completed: what was sent must not look complete. Over for the session. */
    void (*abort)(struct hs_stream *st);
    /* Unsent bytes that the protocol holds for this stream. */
    size_t (*queued)(struct hs_stream *st);
    /* Asks for user->writable to be called when queued bytes have left; the write time-out runs while this is on. */
    void (*want_writable)(struct hs_stream *st, bool on);
    /* The session wants body bytes: interim 100 is sent if asked for, reading goes on; bytes that are here already are delivered
     * from within. off: body bytes are not wanted now (back-pressure). waiting: a reader stands waiting (the rate is watched). */
    void (*want_body)(struct hs_stream *st, bool on, bool waiting);
    /* Within user->begin, for content whose length was announced: all of it in one piece, when it is here or a read gives it; it stays until
     * begin returns. True: it is complete, neither body nor body_end will be called. False: nothing was taken. NULL: not to be had. */
    bool (*take_body)(struct hs_stream *st, struct hs_view *content);
    /* Addresses of the connection. 0 or errno. */
    int (*addr)(struct hs_stream *st, bool peer, struct sockaddr_storage *ss, socklen_t *len);
    /* The connection's descriptor, -1 when there is none. NULL: none ever. */
    int (*fd)(struct hs_stream *st);
};

struct hs_stream {
    const struct hs_stream_ops *ops;
    void *user; /* the session */
    struct hs_peer *peer; /* with whom the connection is, where that is noted; NULL: it is not. Who outlives the exchange takes a reference */
};

struct hs_stream_user {
    /* A request head is complete; req and its bytes stay valid until begin returns (take copies before). Sets st->user and returns true,
     * or false when out of memory (the protocol answers 503 by itself). The response may be finished before it returns. */
    bool (*begin)(void *arg, struct hs_stream *st, const struct hs_request *req);
    /* Memory where the next body bytes may be read straight into: *p, and its size is returned. *p NULL: there is none, use body; no more bytes than
     * returned are wanted now (SIZE_MAX: no limit). */
    size_t (*body_space)(void *sess, char **p);
    /* Decoded body bytes; p NULL: n bytes lie in the space given. The session may finish or abort inside. */
    void (*body)(void *sess, const char *p, size_t n);
    /* The body is complete (err 0) or will not be: ECONNABORTED, EPROTO, ETIMEDOUT. Trailers are borrowed, their slices relative to trailers. */
    void (*body_end)(void *sess, int err, struct hs_view trailers, const struct hs_field *fields, unsigned n);
    /* Queued output has left. */
    void (*writable)(void *sess);
    /* The peer has half-closed. true: the session gives up; the protocol calls aborted next. */
    bool (*peer_closed)(void *sess);
    /* The connection is gone or timed out: err ECONNABORTED or ETIMEDOUT. Last call. */
    void (*aborted)(void *sess, int err);
    /* The request cannot be read to its end (malformed body 400, deadline 408): the session answers with this status when its head is not
     * out, else it aborts. It wants no more of the body; the exchange is over as soon as the answer has been given. */
    void (*refuse)(void *sess, int status);
};

#endif
