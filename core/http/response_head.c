/* response_head.c - response heads from ready-made pieces.
 * Writes to memory that the caller has measured with hs_response_head_bound; keeps nothing. */
#include "http/response_head.h"

#include <assert.h>
#include <time.h>

#include "base/ascii.h"
#include "base/short.h"
#include "http/scan.h"

static const char length_name[] = "Content-Length: ";
static const char chunked_line[] = "Transfer-Encoding: chunked\r\n";
static const char close_line[] = "Connection: close\r\n";
static const char keep_alive_line[] = "Connection: keep-alive\r\n";

enum {
    STATUS_LINE_FIXED = sizeof "HTTP/1.1 000 \r\n" - 1,
    LENGTH_LINE = sizeof length_name - 1 + 20 + 2,
    DATE_LINE = sizeof "Date: \r\n" - 1 + HS_HTTP_DATE_SIZE,
    START_COPY = 64, /* bytes of most starts, or less */
    REASON_MAX = 32, /* bytes of the longest standard phrase, and one more */
    /* Everything but the reason and the fields. */
    FIXED = STATUS_LINE_FIXED + LENGTH_LINE + sizeof chunked_line + sizeof keep_alive_line + DATE_LINE + 2
};

static const char two_digits[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748"
                                 "49505152535455565758596061626364656667686970717273747576777879808182838485868788899091929394959697"
                                 "9899";

static inline char *
put(char *dst, struct hs_view v)
{
    return hs_short_copy(dst, v.p, v.n);
}

static inline char *
put2(char *dst, char a, char b)
{
    dst[0] = a;
    dst[1] = b;
    return dst + 2;
}

/* A literal whose size the compiler knows. */
#define PUT(dst, literal) ((char *)memcpy((dst), (literal), sizeof(literal) - 1) + sizeof(literal) - 1)

static char *
put_status_line(char *dst, int status, struct hs_view reason)
{
    struct hs_view ready = hs_status_line(status);
    if (reason.n == 0 && ready.n != 0) {
        return put(dst, ready);
    }
    dst = PUT(dst, "HTTP/1.1 ");
    dst += hs_ascii_from_uint64(dst, (unsigned)status);
    *dst++ = ' '; /* there even when no phrase follows (RFC 9112 4) */
    return put2(put(dst, reason), '\r', '\n');
}

/* A number, most often a small one. */
static inline char *
put_number(char *dst, uint64_t v)
{
    if (v < 10) {
        *dst = (char)('0' + v);
        return dst + 1;
    }
    if (v < 100) {
        memcpy(dst, &two_digits[2 * v], 2);
        return dst + 2;
    }
    return dst + hs_ascii_from_uint64(dst, v);
}

size_t
hs_response_head_bound(const struct hs_response_head *h)
{
    size_t n = FIXED + (h->start != NULL ? h->start->len : h->reason.n != 0 ? h->reason.n : REASON_MAX);
    for (unsigned i = h->start != NULL ? h->start->nfields : 0; i < h->nfields; i++) {
        n += h->fields[i].name.n + h->fields[i].value.n + 4;
    }
    return n;
}

/* The fields from number i on. */
static inline char *
put_fields(char *dst, const struct hs_response_head *h, unsigned i)
{
    for (; i < h->nfields; i++) {
        const struct hs_out_field *f = &h->fields[i];
        dst = put2(put(dst, f->name), ':', ' ');
        dst = put2(put(dst, f->value), '\r', '\n');
    }
    return dst;
}

/* A short start goes in one piece of a known size, for which what follows every start has room enough. */
_Static_assert(START_COPY <= FIXED, "bound says that there is room for it");

static inline char *
put_start(char *dst, const struct hs_head_start *start)
{
    if (__builtin_expect(start->len <= START_COPY, 1)) {
        memcpy(dst, start->text, START_COPY);
    } else {
        memcpy(dst, start->text, start->len);
    }
    return dst + start->len;
}

bool
hs_head_start_write(struct hs_head_start *start, const struct hs_response_head *h)
{
    char text[HS_HEAD_START_MAX + FIXED];

    if (hs_response_head_bound(h) > sizeof text) {
        return false;
    }
    char *end = put_fields(put_status_line(text, h->status, h->reason), h, 0);
    size_t len = (size_t)(end - text);
    if (len > HS_HEAD_START_MAX) {
        return false;
    }
    *start = (struct hs_head_start){ .len = (uint16_t)len, .nfields = (uint16_t)h->nfields };
    memcpy(start->text, text, len);
    return true;
}

char *
hs_response_head_write(char *dst, const struct hs_response_head *h)
{
    assert(h->status >= 100 && h->status <= 599);
    assert(!h->chunked || h->content_length < 0);
    if (h->start != NULL) {
        dst = put_fields(put_start(dst, h->start), h, h->start->nfields);
    } else {
        dst = put_fields(put_status_line(dst, h->status, h->reason), h, 0);
    }
    bool framed = h->status >= 200 && h->status != 204;
    if (h->content_length >= 0 && framed) {
        dst = PUT(dst, length_name);
        dst = put_number(dst, (uint64_t)h->content_length);
        dst = put2(dst, '\r', '\n');
    }
    if (h->chunked && framed) {
        dst = PUT(dst, chunked_line);
    }
    if (h->close) {
        dst = PUT(dst, close_line);
    } else if (h->keep_alive) {
        dst = PUT(dst, keep_alive_line);
    }
    if (h->date) {
        struct hs_view date = hs_http_date_line(h->now != 0 ? h->now : (int64_t)time(NULL));
        memcpy(dst, date.p, DATE_LINE);
        dst += DATE_LINE;
    }
    return put2(dst, '\r', '\n');
}

bool
hs_field_name_ok(struct hs_view name)
{
    return name.n != 0 && hs_scan_token_bytes(name.p, name.p + name.n) == name.p + name.n;
}

bool
hs_field_value_ok(struct hs_view value)
{
    return hs_scan_is_value(value.p, value.n);
}
