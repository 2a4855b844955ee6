/* framing.c - one Host, one length, one way to read where the body ends.
 * Knows the fields that frame a message and decides over them when all are there; knows no bytes but their values. Refuses every doubt:
 * what is refused here is what makes two servers on one connection disagree. */
#include "http/framing.h"

#include "base/ascii.h"
#include "http/scan.h"
#include "http/target.h"

static bool
reject(struct hs_refusal *why, int status, const char *reason)
{
    *why = (struct hs_refusal){ status, reason };
    return false;
}

static bool
ieq(struct hs_view v, const char *lower)
{
    return hs_ascii_ieq(v, hs_view_of(lower));
}

/* The options of a Connection field (RFC 9110 7.6.1). */
static void
note_connection(struct hs_view v, struct hs_framing *fr)
{
    while (v.n > 0) {
        const char *comma = memchr(v.p, ',', v.n);
        size_t n = comma != NULL ? (size_t)(comma - v.p) : v.n;
        struct hs_view option = { v.p, n };
        while (option.n > 0 && hs_scan_is_blank(option.p[option.n - 1])) {
            option.n--;
        }
        while (option.n > 0 && hs_scan_is_blank(*option.p)) {
            option.p++;
            option.n--;
        }
        if (ieq(option, "close")) {
            fr->connection |= HS_CONN_CLOSE;
        } else if (ieq(option, "keep-alive")) {
            fr->connection |= HS_CONN_KEEP_ALIVE;
        } else if (ieq(option, "upgrade")) {
            fr->connection |= HS_CONN_UPGRADE;
        }
        n += comma != NULL;
        v = (struct hs_view){ v.p + n, v.n - n };
    }
}

bool
hs_framing_note(const struct hs_request *r, const struct hs_field *f, struct hs_framing *fr, struct hs_refusal *why)
{
    const struct hs_field **slot;
    const char *doubled;
    fr->noted = true;
    switch ((enum hs_field_id)f->id) {
    case HS_FIELD_CONTENT_LENGTH:
        slot = &fr->length;
        doubled = "more than one Content-Length";
        break;
    case HS_FIELD_TRANSFER_ENCODING:
        slot = &fr->coding;
        doubled = "more than one Transfer-Encoding";
        break;
    case HS_FIELD_EXPECT:
        if (fr->expect != NULL) {
            return reject(why, 417, "more than one Expect");
        }
        fr->expect = f;
        return true;
    case HS_FIELD_CONNECTION: {
        struct hs_view v = hs_field_value(r, f);
        if (v.n == 10 && hs_scan_ieq64(v.p, hs_scan_load64("keep-ali")) && hs_scan_ieq64(v.p + 2, hs_scan_load64("ep-alive"))) {
            fr->connection |= HS_CONN_KEEP_ALIVE; /* what browsers send */
        } else {
            note_connection(v, fr);
        }
        return true;
    }
    default: /* Upgrade */
        fr->connection |= HS_CONN_UPGRADE_FIELD;
        return true;
    }
    if (*slot != NULL) {
        return reject(why, 400, doubled);
    }
    *slot = f;
    return true;
}

/* Whether a field's value is set apart from its colon by one blank or none, and has none after it. */
static bool
is_tight(const struct hs_request *r, const struct hs_field *f)
{
    const char *p = r->base + f->value_off;
    return (p[-1] == ':' || (p[-1] == ' ' && p[-2] == ':')) && p[f->value_len] == '\r';
}

/* Transfer-Encoding has to be "chunked" and nothing else, without odd blanks even where the grammar lets them be. Codings that exist but are
 * not done here are told apart (501) from what is only a way to make two servers disagree (400). */
static bool
check_coding(struct hs_request *r, const struct hs_field *f, struct hs_refusal *why)
{
    static const char *const known[] = { "gzip", "deflate", "compress", "x-gzip", "x-compress" };
    struct hs_view v = hs_field_value(r, f);
    if (r->version_minor == 0) {
        return reject(why, 400, "Transfer-Encoding in HTTP/1.0");
    }
    if (!is_tight(r, f)) {
        return reject(why, 400, "odd blanks around Transfer-Encoding");
    }
    if (ieq(v, "chunked")) {
        r->chunked = true;
        return true;
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t n = strlen(known[i]);
        if (v.n < n || !ieq((struct hs_view){ v.p, n }, known[i])) {
            continue;
        }
        struct hs_view rest = { v.p + n, v.n - n };
        if (rest.n == 0 || ieq(rest, ", chunked") || ieq(rest, ",chunked")) {
            return reject(why, 501, "transfer coding that is not done here");
        }
    }
    return reject(why, 400, "Transfer-Encoding other than chunked");
}

/* Where the body ends (RFC 9112 6.3): one Content-Length or one Transfer-Encoding, never both. */
static bool
check_length(struct hs_request *r, const struct hs_framing *fr, struct hs_refusal *why)
{
    if (fr->coding != NULL) {
        if (fr->length != NULL) {
            return reject(why, 400, "Content-Length and Transfer-Encoding");
        }
        return check_coding(r, fr->coding, why);
    }
    long long n;
    if (hs_ascii_to_int64(hs_field_value(r, fr->length), &n) != 0) {
        return reject(why, 400, "Content-Length is no number in range");
    }
    r->content_length = n;
    return true;
}

/* Host as RFC 9112 3.2 and 3.2.2 want it, and as the authority of the absolute-form says it. */
static bool
check_host(struct hs_request *r, const struct hs_framing *fr, struct hs_refusal *why)
{
    if (fr->host == NULL) {
        return r->version_minor == 0 || reject(why, 400, "no Host");
    }
    struct hs_view host = hs_field_value(r, fr->host);
    if (r->target_form == HS_TARGET_ABSOLUTE) {
        bool https = r->base[r->target.off + 4] != ':';
        return hs_authority_same(hs_request_view(r, r->host), host, https ? 443 : 80) ||
               reject(why, 400, "Host differs from the request target");
    }
    if (host.n == 0) {
        return r->version_minor == 0 || r->target_form == HS_TARGET_ASTERISK || reject(why, 400, "empty Host");
    }
    r->host = (struct hs_slice){ fr->host->value_off, fr->host->value_len };
    return fr->host_ok || hs_authority_ok(host) || reject(why, 400, "bad Host");
}

bool
hs_framing_check(struct hs_request *r, const struct hs_framing *fr, struct hs_refusal *why)
{
    r->chunked = false;
    r->content_length = -1;
    r->expect_continue = false;
    r->keep_alive = r->version_minor != 0;
    r->upgrade = false;
    if (fr->connection != 0) {
        const unsigned upgrade = HS_CONN_UPGRADE | HS_CONN_UPGRADE_FIELD;
        r->upgrade = (fr->connection & upgrade) == upgrade && r->version_minor != 0; /* RFC 9110 7.8 */
        r->keep_alive = (fr->connection & HS_CONN_CLOSE) == 0 && (r->keep_alive || (fr->connection & HS_CONN_KEEP_ALIVE) != 0);
    }
    if (!check_host(r, fr, why)) {
        return false;
    }
    if ((fr->length != NULL || fr->coding != NULL) && !check_length(r, fr, why)) {
        return false;
    }
    if (fr->expect != NULL) {
        if (!ieq(hs_field_value(r, fr->expect), "100-continue")) {
            return reject(why, 417, "Expect other than 100-continue");
        }
        r->expect_continue = r->version_minor != 0; /* RFC 9110 10.1.1 */
    }
    return true;
}
