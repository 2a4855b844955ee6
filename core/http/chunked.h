/* chunked.h - decoder for the chunked transfer coding (RFC 9112 7.1), at any split. No I/O, no allocation. */
#ifndef HS_HTTP_CHUNKED_H
#define HS_HTTP_CHUNKED_H

#include <stdint.h>

#include "base/buf.h"
#include "base/view.h"
#include "http/request_parser.h"

struct hs_chunked {
    uint64_t left;     /* data bytes left of the current chunk */
    uint64_t overhead; /* framing bytes (extensions, size lines) so far */
    uint64_t data;     /* data bytes so far */
    uint32_t line;     /* bytes of the current size line, extension or trailer section so far */
    uint8_t state;
    uint8_t digits;
};

enum hs_chunked_result {
    HS_CHUNKED_MORE,   /* all input used, the body goes on */
    HS_CHUNKED_DATA,   /* *data is a run of body bytes inside the input */
    HS_CHUNKED_END,    /* the last chunk and the trailer section are complete; *used says where the next message starts */
    HS_CHUNKED_REFUSED /* malformed or over its framing budget */
};

void hs_chunked_init(struct hs_chunked *c);

/* Takes bytes of in from its start: sets *used to how many were consumed (the data run included), *data when DATA.
 * Trailer field lines are appended raw (with their CRLFs) to trailers (a capped buffer; over its limit: REFUSED 431) to be parsed by
 * hs_trailers_parse at END. Call again with the rest until MORE, END or REFUSED. */
enum hs_chunked_result hs_chunked_decode(struct hs_chunked *c, struct hs_view in, size_t *used, struct hs_view *data,
                                         struct hs_buf *trailers, struct hs_refusal *why);

/* Parses a complete trailer section (as collected above) into fields[0..max): same syntax rules as a head's field lines; framing, routing,
 * authentication and content fields are refused (RFC 9110 6.5.1). *n gets the count, offsets are relative to raw.p. false: refused. */
bool hs_trailers_parse(struct hs_view raw, struct hs_field *fields, unsigned max, unsigned *n, struct hs_refusal *why);

/* Writes "SIZE CRLF" for a chunk of n bytes (n > 0) to dst (room for 18 bytes); returns its length. The CRLF after the data is the caller's. */
size_t hs_chunk_header(char *dst, uint64_t n);

#endif
