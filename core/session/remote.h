/* remote.h - sessions as threads other than the loop's have them, for the files of this floor (remote.c). The functions of
 * modules/listeners/httpsrv.h come here where they find that their session is none of the loop's. */
#ifndef HS_SESSION_REMOTE_H
#define HS_SESSION_REMOTE_H

#include "session/session_int.h"

enum remote_op {
    REMOTE_CTX, /* those that give a pointer */
    REMOTE_METHOD,
    REMOTE_PATH_REST,
    REMOTE_URL,
    REMOTE_ACCEPT,
    REMOTE_EVENT,
    REMOTE_SCHEDULER,
    REMOTE_USERNAME,
    REMOTE_PEER,
    REMOTE_CLIENT,
    REMOTE_REQUEST_ID,
    REMOTE_LOCAL,
    REMOTE_CTX_SET, /* those that give an error: p */
    REMOTE_USERNAME_SET,  /* p */
    REMOTE_HEADER,        /* p, out: string */
    REMOTE_HEADER_NEXT,   /* iter, out, out2 */
    REMOTE_TRAILER_NEXT,  /* the same */
    REMOTE_CONTENT_TYPE,  /* out, out2 */
    REMOTE_BODY_IO,       /* result */
    REMOTE_BODY_STRING,   /* result */
    REMOTE_BODY_SPOOL,
    REMOTE_STATUS,        /* i, p message */
    REMOTE_STATUS_STD,    /* the same, q type */
    REMOTE_FIELD,         /* a name, b value, i: replaces */
    REMOTE_FIELD_REMOVE,  /* p */
    REMOTE_APPEND,        /* a */
    REMOTE_PAYLOAD,       /* a, b content type */
    REMOTE_IO,            /* io, i: immediate */
    REMOTE_FLUSH,         /* i */
    REMOTE_ON_ABORT,      /* fn, arg */
};

/* What a call is made with and what it brings; the caller's, who stands still meanwhile. */
struct remote_args {
    const char *p, *q;
    struct hs_view a, b;
    int i;
    size_t *iter;
    const char **out, **out2;
    io_object *io;
    ec_blobject *object;
    void (*fn)(ec_httpsrv_session *sess, void *arg);
    void *arg;
    void *result;
};

/* Makes the call on the real session, in the loop's thread, and waits until that does not say EAGAIN. What it says; ECONNABORTED when the request was
 * aborted, EBADF when it is over (or s is a session of the loop's own, which has ended), ENOMEM. */
int session_remote(ec_httpsrv_session *s, enum remote_op op, struct remote_args *a);
/* The same of a getter: NULL with errno. */
void *session_remote_get(ec_httpsrv_session *s, enum remote_op op);
/* The last reference has gone, in any thread. */
void session_remote_free(ec_httpsrv_session *s);

#endif
