/* reply.h - a response taken apart for tests, by a reader that is as strict as a test wants it: one framing, no stray byte. */
#ifndef TESTS_SUPPORT_REPLY_H
#define TESTS_SUPPORT_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum reply_end { REPLY_LENGTH, REPLY_CHUNKED, REPLY_CLOSE, REPLY_NONE };

struct reply {
    int status;
    char head[8192];    /* status line and fields, NUL-terminated, with their CRLFs */
    struct hs_buf body; /* decoded; NUL-terminated, the NUL is not counted */
    enum reply_end end; /* what ends the body; REPLY_NONE: HEAD, 204, 304, 1xx */
    long long length;   /* Content-Length; -1 */
    bool close;         /* Connection: close */
    bool complete;      /* all of the body is there */
    size_t size;        /* bytes of the message so far */
};

/* Takes the first response of p[0..n) apart. head: it answers HEAD. Fails the test when what is there is malformed (not when it is merely
 * short). False: not even the head is complete. */
bool reply_parse(struct reply *r, const char *p, size_t n, bool head);
void reply_free(struct reply *r);
/* The value of a field, "" when it is not there; static until the next call. Fails the test when the field is repeated. */
const char *reply_field(const struct reply *r, const char *name);
/* How often a field is there. */
unsigned reply_count(const struct reply *r, const char *name);

#endif
