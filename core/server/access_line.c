/* access_line.c - lines of the access log: of a request that has ended, as text.
 * On the path of every request while there is such a log: no printf, no allocation. Runs that need no escaping, as nearly all are, are looked at and
 * copied sixteen bytes at a time; dst has room for a block past whatever is written. */
#include "server/access_line.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/ascii.h"
#include "base/short.h"
#include "base/utf8.h"
#include "http/scan.h"

#if defined(__SSE2__) && !defined(HS_SCAN_PORTABLE)
#define USE_SSE2 1
#include <emmintrin.h>
#endif

enum { BLOCK = 16, FIELD_MAX = 512, REFERER_MAX = 2048, AGENT_MAX = 1024, NO_STATUS = 499 };

/* All fields at their limit, and a block, fit. */
_Static_assert((int)HS_ACCESS_TARGET_MAX + (int)REFERER_MAX + (int)AGENT_MAX + 7 * (int)FIELD_MAX + 512 + (int)BLOCK <= (int)HS_ACCESS_LINE_MAX,
               "a line has room");
_Static_assert((int)EC_SOCKADDR_TEXT_MAX <= (int)FIELD_MAX, "an address of a peer is no longer than a field");

#define NS_PER_US 1000
#define US_PER_S 1000000
#define NS_PER_S 1000000000

/* --- copying and escaping --- */

#define PUT(d, literal) (memcpy((d), (literal), sizeof(literal) - 1), (d) + sizeof(literal) - 1)

/* Whether bytes are written as they are: 0x20 to 0x7e but '"' and '\'. */
#ifdef USE_SSE2

static inline bool
is_plain_block(__m128i x)
{
    /* with one added, as signed numbers: controls are below 0x21, and so are those from 0x7f on */
    __m128i odd = _mm_cmplt_epi8(_mm_add_epi8(x, _mm_set1_epi8(1)), _mm_set1_epi8(0x21));
    __m128i quote = _mm_cmpeq_epi8(x, _mm_set1_epi8('"'));
    __m128i slash = _mm_cmpeq_epi8(x, _mm_set1_epi8('\\'));
    return _mm_movemask_epi8(_mm_or_si128(odd, _mm_or_si128(quote, slash))) == 0;
}

/* A block of them. */
static inline bool
is_plain(const char *p)
{
    return is_plain_block(_mm_loadu_si128((const __m128i *)(const void *)p));
}

/* Fewer than a block, maybe none: they are taken twice where they do not fill one. */
static inline bool
is_plain_short(const char *p, size_t n)
{
    uint64_t first, last;

    if (n >= 8) {
        first = hs_scan_load64(p);
        last = hs_scan_load64(p + n - 8);
    } else if (n >= 4) {
        first = last = hs_scan_load32(p) | (uint64_t)hs_scan_load32(p + n - 4) << 32;
    } else if (n > 0) {
        first = last = 0x0000010101010101u * (unsigned char)p[0] | (uint64_t)(unsigned char)p[n >> 1] << 48 | (uint64_t)(unsigned char)p[n - 1] << 56;
    } else {
        return true;
    }
    return is_plain_block(_mm_set_epi64x((long long)last, (long long)first));
}

#else

static inline bool
is_plain_short(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\') {
            return false;
        }
    }
    return true;
}

static inline bool
is_plain(const char *p)
{
    return is_plain_short(p, BLOCK);
}

#endif

/* Writes one character of a view, escaped where it must be, unless it would go beyond end; *i is moved behind it. */
typedef char *put_char_func(char *d, const char *end, struct hs_view v, size_t *i);

/* Copies v to d, at most up to end, what must be escaped escaped. */
static __attribute__((noinline)) char *
put_slowly(char *d, const char *end, struct hs_view v, put_char_func *put_char)
{
    for (size_t i = 0; i < v.n;) {
        size_t stop = i + BLOCK;
        if (v.n - i >= BLOCK && end - d >= BLOCK && is_plain(v.p + i)) {
            memcpy(d, v.p + i, BLOCK);
            d += BLOCK;
            i += BLOCK;
            continue;
        }
        while (i < v.n && i < stop) {
            char *next = put_char(d, end, v, &i);
            if (next == d) {
                return d; /* cut */
            }
            d = next;
        }
    }
    return d;
}

/* The same, at most max bytes. Mostly nothing is to be escaped, and there is room. */
static inline __attribute__((always_inline)) char *
put_escaped(char *d, size_t max, struct hs_view v, put_char_func *put_char)
{
    bool plain = v.n <= max;

    if (v.n >= BLOCK) {
        for (size_t i = 0; plain && i + BLOCK < v.n; i += BLOCK) {
            plain = is_plain(v.p + i);
            memcpy(d + i, v.p + i, BLOCK);
        }
        plain = plain && is_plain(v.p + v.n - BLOCK);
        if (plain) { /* the last block may begin in the one before */
            memcpy(d + v.n - BLOCK, v.p + v.n - BLOCK, BLOCK);
        }
    } else {
        plain = plain && is_plain_short(v.p, v.n);
        (void)hs_short_copy(d, v.p, v.n);
    }
    return __builtin_expect(plain, 1) ? d + v.n : put_slowly(d, d + max, v, put_char);
}

static char *
put_hex(char *d, const char *prefix, size_t n, unsigned char c)
{
    static const char upper[] = "0123456789ABCDEF";

    memcpy(d, prefix, n);
    d[n] = upper[c >> 4];
    d[n + 1] = upper[c & 15];
    return d + n + 2;
}

static char *
put_combined_char(char *d, const char *end, struct hs_view v, size_t *i)
{
    unsigned char c = (unsigned char)v.p[*i];

    if (d < end && c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
        *d++ = (char)c;
    } else if (end - d >= 4) {
        d = put_hex(d, "\\x", 2, c);
    } else {
        return d;
    }
    (*i)++;
    return d;
}

/* U+0080 to U+009F, U+2028, U+2029. */
static bool
is_line_breaker(const unsigned char *p, size_t n)
{
    return (n == 2 && p[0] == 0xc2 && p[1] < 0xa0) || (n == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9));
}

static char *
put_json_char(char *d, const char *end, struct hs_view v, size_t *i)
{
    const unsigned char *p = (const unsigned char *)v.p + *i;
    size_t room = (size_t)(end - d), n;

    if (room != 0 && *p >= 0x20 && *p < 0x7f && *p != '"' && *p != '\\') {
        *d++ = (char)*p;
        (*i)++;
        return d;
    }
    if (room < 6) { /* all that follow take so much at most */
        return d;
    }
    if (*p == '"' || *p == '\\') {
        *d++ = '\\';
        *d++ = (char)*p;
        n = 1;
    } else if (*p < 0x80 || (n = hs_utf8_sequence(v.p + *i, v.n - *i)) == 0) {
        d = put_hex(d, "\\u00", 4, *p);
        n = 1;
    } else if (!is_line_breaker(p, n)) {
        memcpy(d, p, n);
        d += n;
    } else if (n == 2) {
        d = put_hex(d, "\\u00", 4, p[1]);
    } else {
        d = put_hex(d, "\\u20", 4, (unsigned char)(p[2] - 0x80));
    }
    *i += n;
    return d;
}

/* --- numbers and times --- */

/* Decimal digits; few of them mostly. */
static inline char *
put_number(char *d, uint64_t v)
{
    if (v >= 100) {
        return d + hs_ascii_from_uint64(d, v);
    }
    if (v < 10) {
        *d = (char)('0' + v);
        return d + 1;
    }
    memcpy(d, hs_ascii_pairs + v * 2, 2);
    return d + 2;
}

/* Three of them, which a status has. */
static inline char *
put_status(char *d, int status)
{
    unsigned s = (unsigned)status, hundreds = s / 100;

    if (__builtin_expect(hundreds - 1 > 8, 0)) { /* fewer digits, or more */
        return put_number(d, s);
    }
    d[0] = (char)('0' + hundreds);
    memcpy(d + 1, hs_ascii_pairs + (size_t)(s - hundreds * 100) * 2, 2);
    return d + 3;
}

/* Seconds with six decimals. */
static char *
put_seconds(char *d, int64_t ns)
{
    uint64_t us = ns > 0 ? (uint64_t)ns / NS_PER_US : 0;
    uint64_t part = us % US_PER_S;

    d = put_number(d, us / US_PER_S);
    *d = '.';
    for (int k = 6; k > 0; k--) {
        d[k] = (char)('0' + part % 10);
        part /= 10;
    }
    return d + 7;
}

/* The text of a second: " - - [26/Nov/2026:06:21:09 +0100] \"" where the server is, or "2026-11-26T06:21:09" in UTC. */
static __attribute__((noinline)) void
set_clock(struct hs_access_clock *c, enum hs_access_format format, int64_t wallclock)
{
    time_t t = (time_t)(wallclock / NS_PER_S);
    struct tm tm;
    struct tm *made = format == HS_ACCESS_JSON ? gmtime_r(&t, &tm) : localtime_r(&t, &tm);

    c->begin = wallclock - wallclock % NS_PER_S;
    c->n = 0;
    if (made == NULL) { /* a year beyond all reason */
        c->n = (size_t)snprintf(c->text, sizeof c->text, "%s", format == HS_ACCESS_JSON ? "0000-00-00T00:00:00" : " - - [-] \"");
        return;
    }
    if (format == HS_ACCESS_JSON) {
        c->n = strftime(c->text, sizeof c->text, "%Y-%m-%dT%H:%M:%S", &tm);
    } else {
        static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec"; /* whatever the locale */
        char zone[8] = "+0000";
        (void)strftime(zone, sizeof zone, "%z", &tm);
        c->n = (size_t)snprintf(c->text, sizeof c->text, " - - [%02d/%.3s/%d:%02d:%02d:%02d %s] \"", tm.tm_mday, months + (size_t)tm.tm_mon * 3,
                                tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec, zone);
    }
}

static inline void
move_clock(struct hs_access_clock *c, enum hs_access_format format, int64_t wallclock)
{
    if (__builtin_expect((uint64_t)(wallclock - c->begin) >= NS_PER_S || c->n == 0, 0)) {
        set_clock(c, format, wallclock);
    }
}

static inline char *
put_clock(char *d, const struct hs_access_clock *c)
{
    memcpy(d, c->text, sizeof c->text); /* more than there is: of a fixed size it is three moves */
    return d + c->n;
}

/* --- what is in a request's head --- */

struct head {
    const struct hs_field *referer, *agent;
};

/* The first field of each name. */
static inline struct head
find_fields(const struct hs_request *req)
{
    struct head h = { NULL, NULL };

    for (const struct hs_field *f = req->fields, *end = f + req->nfields; f < end; f++) {
        if (__builtin_expect(f->id == HS_FIELD_USER_AGENT, 0) && h.agent == NULL) {
            h.agent = f;
        } else if (__builtin_expect(f->id == HS_FIELD_REFERER, 0) && h.referer == NULL) {
            h.referer = f;
        }
    }
    return h;
}

/* The value of a field that there may be. */
static inline struct hs_view
value_of(const struct hs_request *req, const struct hs_field *f)
{
    return f != NULL ? hs_field_value(req, f) : (struct hs_view){ NULL, 0 };
}

/* "HTTP/1.1" */
static inline char *
put_version(char *d, const struct hs_request *req)
{
    memcpy(d, "HTTP/1.1", 8);
    d[5] = (char)('0' + req->version_major);
    d[7] = (char)('0' + req->version_minor);
    return d + 8;
}

/* --- combined --- */

static __attribute__((noinline)) void
set_status(struct hs_access_clock *c, int status)
{
    char *d = PUT(c->status_text, "\" ");

    d = put_status(d, status);
    *d++ = ' ';
    c->status = status;
    c->status_n = (size_t)(d - c->status_text);
}

/* Behind the request line, with the blanks around it. */
static inline char *
put_kept_status(char *d, struct hs_access_clock *c, int status)
{
    if (__builtin_expect(c->status != status, 0)) {
        set_status(c, status);
    }
    memcpy(d, c->status_text, sizeof c->status_text);
    return d + c->status_n;
}

/* The user's name has no quotes around it: blanks are escaped too. */
static __attribute__((noinline)) char *
put_user(char *d, const char *user)
{
    const char *end = d + FIELD_MAX;
    struct hs_view v = hs_view_of(user);

    if (v.n == 0) {
        return PUT(d, "-");
    }
    for (size_t i = 0; i < v.n && end - d >= 4;) {
        if (v.p[i] == ' ') {
            d = put_hex(d, "\\x", 2, ' ');
            i++;
        } else {
            d = put_combined_char(d, end, v, &i);
        }
    }
    return d;
}

static inline char *
put_or_dash(char *d, size_t max, struct hs_view v)
{
    return v.n == 0 ? PUT(d, "-") : put_escaped(d, max, v, put_combined_char);
}

/* What the parser lets through as a method is a token, as a target printable ASCII without '"' (http/scan.h), and a path that is plain has no '\': there
 * is nothing to be escaped. */
static inline bool
is_plain_line(const struct hs_request *req)
{
    return req->plain_path && !req->has_query;
}

static __attribute__((noinline)) char *
put_request_slowly(char *d, const struct hs_request *req)
{
    d = put_escaped(d, FIELD_MAX, hs_request_view(req, req->method), put_combined_char);
    *d++ = ' ';
    d = put_escaped(d, HS_ACCESS_TARGET_MAX, hs_request_view(req, req->target), put_combined_char);
    *d++ = ' ';
    return put_version(d, req);
}

/* "GET /path HTTP/1.1". In HTTP/1 that is what came, byte for byte, where it has not been forgotten for want of memory. */
static inline char *
put_request_line(char *d, const struct hs_request *req)
{
    size_t end = (size_t)req->target.off + req->target.len + sizeof " HTTP/1.1" - 1;
    struct hs_view line = { req->base + req->method.off, end - req->method.off };

    if (__builtin_expect(req->version_major != 1 || end > req->size || line.n > HS_ACCESS_TARGET_MAX - FIELD_MAX, 0)) {
        return put_request_slowly(d, req);
    }
    return is_plain_line(req) ? hs_short_copy(d, line.p, line.n) : put_escaped(d, HS_ACCESS_TARGET_MAX, line, put_combined_char);
}

/* Where the request came from, and who says what he is. */
static inline char *
put_fields(char *d, const struct hs_request *req)
{
    struct head h = req != NULL ? find_fields(req) : (struct head){ NULL, NULL };

    if (h.referer == NULL && h.agent == NULL) {
        return PUT(d, " \"-\" \"-\"\n");
    }
    d = PUT(d, " \"");
    d = put_or_dash(d, REFERER_MAX, value_of(req, h.referer));
    d = PUT(d, "\" \"");
    d = put_or_dash(d, AGENT_MAX, value_of(req, h.agent));
    return PUT(d, "\"\n");
}

/* Where there is a user: all up to the request line. */
static __attribute__((noinline)) char *
put_user_and_time(char *d, const struct hs_access_clock *clock, const char *user)
{
    enum { AFTER_USER = sizeof " - -" - 1 };

    d = put_user(PUT(d, " - "), user);
    memcpy(d, clock->text + AFTER_USER, sizeof clock->text - AFTER_USER);
    return d + clock->n - AFTER_USER;
}

size_t
hs_access_combined(char dst[HS_ACCESS_LINE_MAX], struct hs_access_clock *clock, const struct hs_request_end *e, struct hs_view client, int64_t wallclock)
{
    char *d;

    if (__builtin_expect(client.p == NULL && e->peer != NULL, 1)) {
        d = hs_short_copy(dst, e->peer->address.p, e->peer->address.n); /* that we have formatted ourselves */
    } else {
        d = put_or_dash(dst, FIELD_MAX, client);
    }
    move_clock(clock, HS_ACCESS_COMBINED, wallclock);
    d = __builtin_expect(e->username == NULL, 1) ? put_clock(d, clock) : put_user_and_time(d, clock, e->username);
    d = __builtin_expect(e->req != NULL, 1) ? put_request_line(d, e->req) : put_or_dash(d, HS_ACCESS_TARGET_MAX, e->line);
    d = put_kept_status(d, clock, e->status != 0 ? e->status : NO_STATUS);
    d = put_number(d, e->bytes);
    d = put_fields(d, e->req);
    return (size_t)(d - dst);
}

/* --- JSON --- */

/* A string, or null where there is none. */
static inline char *
put_string(char *d, size_t max, struct hs_view v)
{
    if (v.p == NULL) {
        return PUT(d, "null");
    }
    *d++ = '"';
    d = put_escaped(d, max, v, put_json_char);
    *d++ = '"';
    return d;
}

static char *
put_addresses(char *d, const struct hs_request_end *e, const struct hs_access_more *more)
{
    struct hs_view client = more->client.p == NULL && e->peer != NULL ? e->peer->address : more->client;

    d = PUT(d, ",\"client\":");
    d = put_string(d, FIELD_MAX, client);
    if (e->peer == NULL) {
        return PUT(d, ",\"listener\":null");
    }
    if (!hs_view_eq(e->peer->address, client)) {
        d = PUT(d, ",\"peer\":");
        d = put_string(d, FIELD_MAX, e->peer->address);
    }
    d = PUT(d, ",\"listener\":");
    return put_string(d, FIELD_MAX, e->peer->local);
}

static char *
put_request(char *d, const struct hs_request *req)
{
    struct hs_view host = hs_request_view(req, req->host);
    struct head h = find_fields(req);

    d = PUT(d, ",\"method\":");
    d = put_string(d, FIELD_MAX, hs_request_view(req, req->method));
    d = PUT(d, ",\"target\":");
    d = put_string(d, HS_ACCESS_TARGET_MAX, hs_request_view(req, req->target));
    d = PUT(d, ",\"protocol\":\"");
    d = put_version(d, req);
    d = PUT(d, "\",\"host\":");
    d = host.n != 0 ? put_string(d, FIELD_MAX, host) : PUT(d, "null");
    d = PUT(d, ",\"referer\":");
    d = put_string(d, REFERER_MAX, value_of(req, h.referer));
    d = PUT(d, ",\"user_agent\":");
    return put_string(d, AGENT_MAX, value_of(req, h.agent));
}

static char *
put_line(char *d, struct hs_view line)
{
    d = PUT(d, ",\"line\":");
    d = put_string(d, HS_ACCESS_TARGET_MAX, line.n != 0 ? line : HS_VIEW(""));
    return PUT(d, ",\"method\":null,\"target\":null,\"protocol\":null,\"host\":null,\"referer\":null,\"user_agent\":null");
}

static size_t
json(char *dst, struct hs_access_clock *clock, const struct hs_request_end *e, const struct hs_access_more *more)
{
    move_clock(clock, HS_ACCESS_JSON, more->wallclock);
    char *d = put_clock(PUT(dst, "{\"time\":\""), clock);
    unsigned ms = (unsigned)(more->wallclock % NS_PER_S / (NS_PER_S / 1000));

    *d++ = '.';
    *d++ = (char)('0' + ms / 100);
    *d++ = (char)('0' + ms / 10 % 10);
    *d++ = (char)('0' + ms % 10);
    d = PUT(d, "Z\",\"id\":");
    d = put_string(d, FIELD_MAX, more->request_id);
    d = put_addresses(d, e, more);
    d = PUT(d, ",\"worker\":");
    d = put_number(d, more->worker);
    d = e->req != NULL ? put_request(d, e->req) : put_line(d, e->line);
    d = PUT(d, ",\"user\":");
    d = put_string(d, FIELD_MAX, hs_view_of(e->username));
    d = PUT(d, ",\"status\":");
    if (e->status != 0) {
        d = put_status(d, e->status);
    } else {
        d = PUT(d, "null");
    }
    d = PUT(d, ",\"bytes\":");
    d = put_number(d, e->bytes);
    d = PUT(d, ",\"first_byte\":");
    d = e->first_byte != 0 ? put_seconds(d, e->first_byte - e->started) : PUT(d, "null");
    d = PUT(d, ",\"total\":");
    d = put_seconds(d, e->ended - e->started);
    d = e->aborted ? PUT(d, ",\"aborted\":true}\n") : PUT(d, ",\"aborted\":false}\n");
    return (size_t)(d - dst);
}

size_t
hs_access_line(enum hs_access_format format, char dst[HS_ACCESS_LINE_MAX], struct hs_access_clock *clock, const struct hs_request_end *e,
               const struct hs_access_more *more)
{
    return format == HS_ACCESS_COMBINED ? hs_access_combined(dst, clock, e, more->client, more->wallclock) : json(dst, clock, e, more);
}
