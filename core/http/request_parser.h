/* request_parser.h - HTTP/1.x request heads (RFC 9112 2-3, RFC 9110 5), one strict mode.
 * Bytes in, struct out: no I/O, no allocation, no state between calls. Anything that two servers could read
 * two ways is refused. Any thread.
 *
 * Where the standard leaves a choice, or advises one that this server does not follow:
 *   lines end with CRLF only; a bare LF is refused, though a recipient may take it for a line end (RFC 9112 2.2)
 *   HTTP/1.2 to HTTP/1.9 are refused (505), though a recipient should process them as HTTP/1.1 (RFC 9110 2.5): nobody sends them
 *   a target may hold what browsers leave unencoded ([ ] { } | \ ^ `), but not " # < > nor bytes above 0x7E
 *   Host is checked as hs_authority_ok says; it may be empty with '*' and in HTTP/1.0 only
 *   an absolute-form whose authority differs from Host is refused, though the Host should be ignored (RFC 9112 3.2.2)
 *   blanks around the value of Transfer-Encoding are refused but for the one after the colon
 *   Content-Length with Transfer-Encoding is refused, whatever the two say (RFC 9112 6.3) */
#ifndef HS_HTTP_REQUEST_PARSER_H
#define HS_HTTP_REQUEST_PARSER_H

#include "http/request.h"

struct hs_head_limits {
    uint32_t head_size;   /* bytes of the whole head; 431 beyond (default 16384) */
    uint32_t target_size; /* bytes of the request target; 414 beyond (default 8192) */
    uint16_t method_size; /* 501 beyond (default 32; methods of up to 7 bytes pass always) */
    uint16_t fields;      /* 431 beyond (default 100, never above HS_MAX_FIELDS) */
};

enum { HS_PARSE_PAD = 16 }; /* bytes that must be readable after those given to the parser */

enum hs_parse { HS_PARSE_DONE, HS_PARSE_MORE, HS_PARSE_REFUSED };

struct hs_refusal {
    int status;         /* 400, 414, 417, 431, 501, 503, 505 */
    const char *reason; /* static text for the log, e.g. "bare LF in a field line" */
};

/* Parses the head at buf[0..len).
 *   buf     len bytes of the connection, len >= 0; what follows the head (a body, the next request) is not looked at
 *   r       filled in when DONE (r->fields must point to room for limits->fields entries before the call); r->base = buf. After MORE
 *           and REFUSED its contents mean nothing
 *   seen    how many of the bytes an earlier call on the same head has already looked at without DONE (0 at first): when
 *           no LF is among the new bytes only the limits are checked, so that a head sent byte by byte costs little. 0 is always right
 * Empty lines (CRLF) before the request line are skipped, two at most (RFC 9112 2.2); r->size counts them.
 * May read up to HS_PARSE_PAD bytes past buf+len-1 (their content never matters): buffers given here are padded.
 * Returns DONE, MORE, or REFUSED with *why set; after REFUSED nothing of the connection's further bytes may be read. A head is refused
 * as soon as its bytes show that it will be, and always with the same status, however it was split.
 * Checks framing as well: Content-Length, Transfer-Encoding, Host, Expect. Statuses: 400 malformed or ambiguous; 414 target, 431 head,
 * name or number of fields over their limit; 417 an expectation other than 100-continue; 501 method over its limit, CONNECT, a transfer
 * coding that exists but is not done here; 505 another version. */
enum hs_parse hs_request_parse(const char *buf, size_t len, size_t seen, const struct hs_head_limits *limits,
                               struct hs_request *r, struct hs_refusal *why);

#endif
