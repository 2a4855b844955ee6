/* framing.h - what the fields of a request say about the message itself: Host, its length and coding, the connection after it, Expect
 * (RFC 9112 3.2, 6, 9.3; RFC 9110 7.6.1, 7.8, 10.1.1). The request parser's own; used by whoever has fields and no head to parse, too.
 * No I/O, no allocation. Any thread. */
#ifndef HS_HTTP_FRAMING_H
#define HS_HTTP_FRAMING_H

#include "http/request_parser.h"

/* The fields that were noted, until all of them are known. Zero it at first; the pointers are the request's. */
struct hs_framing {
    const struct hs_field *host;
    const struct hs_field *length; /* Content-Length */
    const struct hs_field *coding; /* Transfer-Encoding */
    const struct hs_field *expect;
    unsigned connection; /* HS_CONN_... */
    bool host_ok;        /* Host has already been found to be valid */
    bool noted;          /* hs_framing_note has been called */
};

enum { HS_CONN_CLOSE = 1, HS_CONN_KEEP_ALIVE = 2, HS_CONN_UPGRADE = 4 /* options of Connection */, HS_CONN_UPGRADE_FIELD = 8 };

/* The ids, as bits, of the fields that hs_framing_note wants; Host is noted by the parser itself. */
enum {
    HS_FRAMING_NOTED = 1 << HS_FIELD_CONTENT_LENGTH | 1 << HS_FIELD_TRANSFER_ENCODING | 1 << HS_FIELD_CONNECTION | 1 << HS_FIELD_EXPECT |
                       1 << HS_FIELD_UPGRADE
};
_Static_assert(HS_FIELD_IDS <= 31, "field ids fit the bits of an int");

/* Remembers field f of r, one of HS_FRAMING_NOTED. false: it may not be there a second time; *why says so (400, or 417 for Expect). */
bool hs_framing_note(const struct hs_request *r, const struct hs_field *f, struct hs_framing *fr, struct hs_refusal *why);

/* Decides over the whole head: sets host (but for the absolute-form, where it is set), chunked, content_length, keep_alive, upgrade and
 * expect_continue of r, whose target and version are known. false: refused, *why says with what (400, 417, 501). */
bool hs_framing_check(struct hs_request *r, const struct hs_framing *fr, struct hs_refusal *why);

/* The same for the head of most requests, inline: origin-form, a Host that has been found to be valid, nothing noted. false: it is another. */
static inline bool
hs_framing_is_common(struct hs_request *r, const struct hs_framing *fr)
{
    if (!fr->host_ok || fr->noted || r->target_form != HS_TARGET_ORIGIN) {
        return false;
    }
    r->host = (struct hs_slice){ fr->host->value_off, fr->host->value_len };
    r->chunked = false;
    r->content_length = -1;
    r->expect_continue = false;
    r->upgrade = false;
    r->keep_alive = r->version_minor != 0;
    return true;
}

#endif
