/* request_end.h - what is known of a request when it is over, for whoever logs or counts.
 * One record for each request that ends, by whatever way: answered, refused by a protocol driver before there was a session, refused or aborted
 * later, timed out. It is filled from what lies about: nothing is copied, formatted or asked of the kernel. All of it is borrowed for the call
 * that gives it. Loop thread only. */
#ifndef HS_SESSION_REQUEST_END_H
#define HS_SESSION_REQUEST_END_H

#include "http/peer.h"
#include "session/session.h"

struct hs_request_end {
    ec_httpsrv_session *sess;     /* its getters still work; NULL: a driver has answered by itself */
    const struct hs_request *req; /* method, target, version, host, fields; NULL: the head was not understood, see line */
    struct hs_view line;          /* without req: the first line as far as it came, any bytes, maybe none */
    const struct hs_peer *peer;   /* addresses of both ends; NULL where they are not noted (hs_h1_note_peers) */
    const char *username;         /* NULL: none */
    int status;                   /* that was sent; 0: none was */
    bool aborted;                 /* the client did not get all of the response: it went away, was too slow, or the response failed */
    uint64_t bytes;               /* of content, handed to the transport */
    /* ns, as hs_loop_clock tells them. started and first_byte are those of their loop turn, ended is exact: what a handler took is in between */
    int64_t started;    /* the head was there */
    int64_t first_byte; /* the response's head was given to the protocol; 0: none was */
    int64_t ended;      /* now */
};

/* Fills e from a session whose request ends (hs_session_app.ended). */
void hs_session_get_end(ec_httpsrv_session *sess, struct hs_request_end *e);

#endif
