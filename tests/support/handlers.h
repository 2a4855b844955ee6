/* handlers.h - handlers in C for whole exchanges, and exchanges with what is to come of them. They go through the API as an application
 * does, and survive when any of its functions fails. */
#ifndef TESTS_SUPPORT_HANDLERS_H
#define TESTS_SUPPORT_HANDLERS_H

#include <stddef.h>

#include "rig.h"

/* Registers, on a rig whose generation is being built:
 *   GET  /hello     Hello, in one piece
 *   GET  /parts     one,two,three with flushes between
 *   GET  /memory    an io_object over memory
 *   GET  /file      one over a file of 26 bytes
 *   GET  /large     one over a file of 200,000 bytes
 *   GET  /generator a channel that somebody fills turn by turn
 *   GET  /late      suspends, resumed two turns later
 *   GET  /stuck     suspends until its client is gone
 *   GET  /broken    an io_object that fails at once; with a query: after its first bytes
 *        /ignore    reads nothing
 *   POST /collect   the body, from get_string
 *   POST /stream    the body in upper case, read as it comes
 *   POST /echo      the body as response io
 *   POST /spool     the body, spooled
 *   POST /trailers  the body, then its trailers */
void handlers_register(struct rig *r);

struct exchange {
    const char *name;
    const char *request; /* one or more requests */
    const char *result;  /* as exchange_result gives it */
};
extern const struct exchange exchanges[];
extern const size_t n_exchanges;

/* What came in one run of text: for each response its status, '*' when chunked, a blank and the body; separated by '|'; at the end '.' when
 * the server has closed, '!' when it has reset the connection. An incomplete response ends it with '~', however the
 * connection did. Responses to HEAD are told by the requests. */
void exchange_result(const char *requests, const struct rig_client *c, struct hs_buf *out);
/* The heads and decoded bodies of all responses, byte by byte, and the end; for comparing. */
void exchange_transcript(const char *requests, const struct rig_client *c, struct hs_buf *out);

#endif
