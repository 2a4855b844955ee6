/* chunked.h - decoder for the chunked transfer coding (RFC 9112 7.1), at any split. No I/O, no allocation (but for the trailers'
 * buffer, which is the caller's).
 *
 *     size line    1 to 16 hexadecimal digits, at most 2^63-1; extensions of the grammar are skipped; CRLF; at most
 *                  HS_CHUNK_LINE_MAX bytes
 *     data         as many bytes as the size said, then CRLF at once
 *     last chunk   a size of zero; then trailer field lines, then an empty line
 *
 * Nothing else passes: no blanks around the size, no sign, no 0x, no bare CR or LF, no empty extension, no extra CRLF between chunks.
 * The framing of a body (size lines and the CRLFs after data) may cost HS_CHUNK_OVERHEAD_FREE bytes and HS_CHUNK_OVERHEAD_PER_BYTE more for
 * each byte of data that came. One-byte chunks cost 5 each ("1 CRLF x CRLF" less the x), so they may go on for ever, also with the size padded
 * to four digits; one-byte chunks that carry extensions may not. */
#ifndef HS_HTTP_CHUNKED_H
#define HS_HTTP_CHUNKED_H

#include <stdint.h>

#include "base/buf.h"
#include "base/view.h"
#include "http/request_parser.h"

enum {
    HS_CHUNK_LINE_MAX = 256,       /* bytes of a size line with its extensions and CRLF */
    HS_CHUNK_OVERHEAD_FREE = 16384, /* framing bytes that any body may have */
    HS_CHUNK_OVERHEAD_PER_BYTE = 8, /* and those it may have for each byte of data */
    HS_CHUNK_HEADER_MAX = 18        /* what hs_chunk_header writes at most */
};

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

/* Starts a body. Nothing has to be undone. Any thread. */
void hs_chunked_init(struct hs_chunked *c);

/* Takes bytes of in from its start: sets *used to how many were consumed (the data run included), *data when DATA.
 * Trailer field lines are appended raw (with their CRLFs) to trailers (a capped buffer; over its limit: REFUSED 431) to be parsed by
 * hs_trailers_parse at END. Call again with the rest until MORE, END or REFUSED; after END every call gives END with nothing used,
 * after REFUSED every call refuses.
 * why is set when REFUSED: 400, 431, or 503 when memory for the trailers ran out. What was handed out before stands for itself: the bytes of
 * data and the place of the refusal do not depend on how the input was split.
 * Reads nothing outside in. One thread at a time for each decoder. */
enum hs_chunked_result hs_chunked_decode(struct hs_chunked *c, struct hs_view in, size_t *used, struct hs_view *data,
                                         struct hs_buf *trailers, struct hs_refusal *why);

/* Parses a complete trailer section (as collected above) into fields[0..max): same syntax rules as a head's field lines; framing, routing,
 * authentication and content fields are refused (RFC 9110 6.5.1). *n gets the count, offsets are relative to raw.p. false: refused, *why says
 * with what (400, or 431 for more than max fields). Reads nothing outside raw. Any thread. */
bool hs_trailers_parse(struct hs_view raw, struct hs_field *fields, unsigned max, unsigned *n, struct hs_refusal *why);

/* Writes "SIZE CRLF" for a chunk of n bytes (n > 0) to dst (room for 18 bytes); returns its length. The CRLF after the data is the caller's.
 * Any thread. */
size_t hs_chunk_header(char *dst, uint64_t n);

#endif
