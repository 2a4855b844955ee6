/* request_parser.h - HTTP/1.x request heads (RFC 9112 2-3, RFC 9110 5), one strict mode.
 * Bytes in, struct out: no I/O, no allocation, no state between calls. Anything that two servers could read
 * two ways is refused. */
#ifndef HS_HTTP_REQUEST_PARSER_H
#define HS_HTTP_REQUEST_PARSER_H

#include "http/request.h"

struct hs_head_limits {
    uint32_t head_size;   /* bytes of the whole head; 431 beyond (default 16384) */
    uint32_t target_size; /* bytes of the request target; 414 beyond (default 8192) */
    uint16_t method_size; /* 501 beyond (default 32) */
    uint16_t fields;      /* 431 beyond (default 100, never above HS_MAX_FIELDS) */
};

enum hs_parse { HS_PARSE_DONE, HS_PARSE_MORE, HS_PARSE_REFUSED };

struct hs_refusal {
    int status;         /* 400, 414, 417, 431, 501, 505 */
    const char *reason; /* static text for the log, e.g. "bare LF in a field line" */
};

/* Parses the head at buf[0..len).
 *   r       filled in when DONE (r->fields must point to room for limits->fields entries before the call); r->base = buf
 *   seen    how many of the bytes an earlier call on the same head has already looked at without DONE (0 at first): when
 *           no LF is among the new bytes only the limits are checked, so that a head sent byte by byte costs little
 * Empty lines (CRLF) before the request line are skipped, two at most (RFC 9112 2.2); r->size counts them.
 * May read up to 16 bytes past buf+len-1 (their content never matters): buffers given here are padded.
 * Returns DONE, MORE, or REFUSED with *why set; after REFUSED nothing of the connection's further bytes may be read.
 * Checks framing as well (rows 1-5, 8-12, 15, 16 of the threat list): Content-Length, Transfer-Encoding, Host, Expect. */
enum hs_parse hs_request_parse(const char *buf, size_t len, size_t seen, const struct hs_head_limits *limits,
                               struct hs_request *r, struct hs_refusal *why);

#endif
