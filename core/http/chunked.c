/* chunked.c - the chunked coding as a state machine that can stop between any two bytes, and the parser of trailer sections.
 *
 *   SIZE -> [EXT... ->] SIZE_LF -> DATA -> DATA_CR -> DATA_LF -> SIZE ...
 *                          |  size 0
 *                          v
 *                     TRAILER_START -> TRAILER_LINE -> TRAILER_LF -> TRAILER_START ...
 *                          |  CR
 *                          v
 *                      FINAL_LF -> ENDED                         any: -> FAILED
 *
 * Owns nothing and copies only trailer lines. Every byte of framing is looked at: what it may be is in the state, what it may cost in
 * the two counters (line, overhead). */
#include "http/chunked.h"

#include <errno.h>

#include "base/ascii.h"
#include "http/scan.h"

enum state {
    SIZE,          /* hexadecimal digits, ';' or CR after the first */
    EXT_START,     /* after ';': blanks, then a name */
    EXT_NAME,      /* name: '=', ';', CR or a blank ends it */
    EXT_AFTER,     /* blanks after a name: '=' or ';' */
    EXT_VALUE,     /* after '=': blanks, then a token or '"' */
    EXT_TOKEN,     /* value: ';', CR or a blank ends it */
    EXT_QUOTED,    /* value in quotes */
    EXT_QUOTED_ESC, /* after a backslash in quotes */
    EXT_DONE,      /* after a quoted value: ';', CR or a blank */
    EXT_BLANK,     /* blanks after a value: ';' */
    SIZE_LF,       /* the LF of the size line */
    DATA,          /* left bytes */
    DATA_CR,
    DATA_LF,
    TRAILER_START, /* start of a trailer line, or CR of the empty line */
    TRAILER_LINE,
    TRAILER_LF,
    FINAL_LF,
    ENDED,
    FAILED
};

void
hs_chunked_init(struct hs_chunked *c)
{
    *c = (struct hs_chunked){ .state = SIZE };
}

static enum hs_chunked_result
fail(struct hs_chunked *c, struct hs_refusal *why, int status, const char *reason)
{
    c->state = FAILED;
    *why = (struct hs_refusal){ status, reason };
    return HS_CHUNKED_REFUSED;
}

/* The state after byte b of an extension (RFC 9112 7.1.1), FAILED when b cannot stand there. */
static enum state
extension_step(enum state s, char b)
{
    bool blank = b == ' ' || b == '\t';
    switch (s) {
    case EXT_START:
        return blank ? EXT_START : hs_ascii_is_tchar(b) ? EXT_NAME : FAILED;
    case EXT_VALUE:
        return blank ? EXT_VALUE : b == '"' ? EXT_QUOTED : hs_ascii_is_tchar(b) ? EXT_TOKEN : FAILED;
    case EXT_QUOTED:
        return b == '"' ? EXT_DONE : b == '\\' ? EXT_QUOTED_ESC : hs_ascii_is_field_vchar(b) ? EXT_QUOTED : FAILED;
    case EXT_QUOTED_ESC:
        return hs_ascii_is_field_vchar(b) ? EXT_QUOTED : FAILED;
    case EXT_NAME:
        if (b == '=' || blank || hs_ascii_is_tchar(b)) {
            return b == '=' ? EXT_VALUE : blank ? EXT_AFTER : EXT_NAME;
        }
        break;
    case EXT_TOKEN:
        if (blank || hs_ascii_is_tchar(b)) {
            return blank ? EXT_BLANK : EXT_TOKEN;
        }
        break;
    case EXT_AFTER: /* a blank here is only there for what follows it: CR may not */
        return blank ? EXT_AFTER : b == '=' ? EXT_VALUE : b == ';' ? EXT_START : FAILED;
    case EXT_BLANK:
        return blank ? EXT_BLANK : b == ';' ? EXT_START : FAILED;
    default: /* EXT_DONE */
        if (blank) {
            return EXT_BLANK;
        }
        break;
    }
    return b == ';' ? EXT_START : b == '\r' ? SIZE_LF : FAILED;
}

/* One byte of a size line. NULL, or what is wrong with it. */
static const char *
size_line_byte(struct hs_chunked *c, char b)
{
    if (++c->line > HS_CHUNK_LINE_MAX) {
        return "chunk size line too long";
    }
    if (c->state == SIZE) {
        int digit = hs_ascii_hex(b);
        if (digit >= 0) {
            if (c->digits == 16 || c->left > (uint64_t)INT64_MAX >> 4) {
                return "chunk size out of range";
            }
            c->left = c->left << 4 | (uint64_t)digit;
            c->digits++;
            return NULL;
        }
        c->state = c->digits == 0 ? FAILED : b == ';' ? EXT_START : b == '\r' ? SIZE_LF : FAILED;
        return c->state == FAILED ? "malformed chunk size" : NULL;
    }
    if (c->state != SIZE_LF) {
        c->state = (uint8_t)extension_step((enum state)c->state, b);
        return c->state == FAILED ? "malformed chunk extension" : NULL;
    }
    if (b != '\n') {
        return "bare CR in a chunk size line";
    }
    c->overhead += c->line;
    if (c->left == 0) {
        c->state = TRAILER_START;
        c->line = 0;
    } else {
        c->state = DATA;
    }
    if (c->overhead > HS_CHUNK_OVERHEAD_FREE + c->data * HS_CHUNK_OVERHEAD_PER_BYTE) {
        return "chunk framing outweighs the data";
    }
    return NULL;
}

/* Trailer bytes of in from i on, up to the end of their line or the byte that spoils it. What is right goes to the buffer in one piece, and
 * before the rest is judged: so it does not depend on the split whether the section is too large or malformed. */
static enum hs_chunked_result
take_trailer_run(struct hs_chunked *c, struct hs_view in, size_t *i, struct hs_buf *trailers, struct hs_refusal *why)
{
    const char *start = in.p + *i;
    const char *end = in.p + in.n;
    const char *q = start;
    const char *wrong = NULL;
    if (c->state == TRAILER_START) {
        if (!hs_ascii_is_tchar(*q)) {
            return fail(c, why, 400, "trailer line does not start with a field name");
        }
        c->state = TRAILER_LINE;
    }
    if (c->state == TRAILER_LINE) {
        q = hs_scan_value_bytes(q, end);
        if (q < end && *q == '\r') {
            q++;
            c->state = TRAILER_LF;
        } else if (q < end) {
            wrong = *q == '\n' ? "bare LF in a trailer line" : "control byte in a trailer line";
        }
    }
    if (c->state == TRAILER_LF && q < end) {
        if (*q == '\n') {
            q++;
            c->state = TRAILER_START;
        } else {
            wrong = "bare CR in a trailer line";
        }
    }
    int err = hs_buf_append(trailers, start, (size_t)(q - start));
    if (err != 0) {
        return fail(c, why, err == EMSGSIZE ? 431 : 503, err == EMSGSIZE ? "trailer section too large" : "no memory for trailers");
    }
    *i += (size_t)(q - start);
    return wrong != NULL ? fail(c, why, 400, wrong) : HS_CHUNKED_MORE;
}

enum hs_chunked_result
hs_chunked_decode(struct hs_chunked *c, struct hs_view in, size_t *used, struct hs_view *data, struct hs_buf *trailers,
                  struct hs_refusal *why)
{
    size_t i = 0;
    enum hs_chunked_result result = c->state == ENDED ? HS_CHUNKED_END : HS_CHUNKED_MORE;
    if (c->state == FAILED) {
        result = fail(c, why, 400, "chunked body was refused before");
    }
    while (i < in.n && result == HS_CHUNKED_MORE) {
        char b = in.p[i];
        const char *wrong = NULL;
        switch ((enum state)c->state) {
        default: /* the size line */
            wrong = size_line_byte(c, b);
            i++;
            break;
        case DATA:
            *data = (struct hs_view){ in.p + i, c->left < in.n - i ? (size_t)c->left : in.n - i };
            i += data->n;
            c->left -= data->n;
            c->data += data->n;
            c->state = c->left == 0 ? DATA_CR : DATA;
            result = HS_CHUNKED_DATA;
            break;
        case DATA_CR:
            wrong = b == '\r' ? NULL : "chunk data longer than its size";
            c->state = DATA_LF;
            i++;
            break;
        case DATA_LF:
            wrong = b == '\n' ? NULL : "bare CR after chunk data";
            c->overhead += 2;
            c->line = 0;
            c->digits = 0;
            c->state = SIZE;
            i++;
            break;
        case TRAILER_START:
            if (b == '\r') {
                c->state = FINAL_LF;
                i++;
                break;
            }
            /* fall through */
        case TRAILER_LINE:
        case TRAILER_LF:
            result = take_trailer_run(c, in, &i, trailers, why);
            break;
        case FINAL_LF:
            if (b != '\n') {
                wrong = "bare CR in a trailer line";
            } else {
                c->state = ENDED;
                result = HS_CHUNKED_END;
            }
            i++;
            break;
        }
        if (wrong != NULL) {
            result = fail(c, why, 400, wrong);
        }
    }
    *used = i;
    return result;
}

/* Whether a field may not come after the body, because it frames, routes, authenticates, describes or modifies the message
 * (RFC 9110 6.5.1). That is so for every name that has an id, and for these: */
static bool
is_forbidden_trailer(struct hs_view name)
{
    static const char *const prefixes[] = { "content-", "if-", "x-forwarded-", "proxy-", "sec-" };
    static const char *const names[] = { "forwarded", "via", "www-authenticate", "max-forwards", "pragma", "http2-settings",
                                         "age", "expires", "retry-after", "vary", "warning" };
    if (hs_field_lookup(name) != HS_FIELD_OTHER) {
        return true;
    }
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        size_t n = strlen(prefixes[i]);
        if (name.n >= n && hs_ascii_ieq((struct hs_view){ name.p, n }, hs_view_of(prefixes[i]))) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (hs_ascii_ieq(name, hs_view_of(names[i]))) {
            return true;
        }
    }
    return false;
}

/* One field line at p; the place after it, or NULL with *wrong set. */
static const char *
trailer_line(const char *base, const char *p, const char *end, struct hs_field *f, const char **wrong)
{
    const char *colon = hs_scan_token_bytes(p, end);
    if (colon == p || colon == end || *colon != ':' || colon - p > UINT16_MAX) {
        *wrong = "malformed name of a trailer field";
        return NULL;
    }
    struct hs_view name = { p, (size_t)(colon - p) };
    if (is_forbidden_trailer(name)) {
        *wrong = "trailer field that belongs before the body";
        return NULL;
    }
    const char *value = colon + 1;
    while (value < end && hs_scan_is_blank(*value)) {
        value++;
    }
    const char *line_end = hs_scan_value_bytes(value, end);
    if (end - line_end < 2 || line_end[0] != '\r' || line_end[1] != '\n') {
        *wrong = "malformed value of a trailer field";
        return NULL;
    }
    const char *value_end = line_end;
    while (value_end > value && hs_scan_is_blank(value_end[-1])) {
        value_end--;
    }
    *f = (struct hs_field){ .name_off = (uint32_t)(p - base),
                            .value_off = (uint32_t)(value - base),
                            .value_len = (uint32_t)(value_end - value),
                            .name_len = (uint16_t)name.n,
                            .id = HS_FIELD_OTHER };
    return line_end + 2;
}

bool
hs_trailers_parse(struct hs_view raw, struct hs_field *fields, unsigned max, unsigned *n, struct hs_refusal *why)
{
    const char *p = raw.p;
    const char *end = raw.n != 0 ? raw.p + raw.n : raw.p;
    const char *wrong = NULL;
    *n = 0;
    if (raw.n > UINT32_MAX) {
        *why = (struct hs_refusal){ 431, "trailer section too large" };
        return false;
    }
    for (; p != end; (*n)++) {
        if (*n == max) {
            *why = (struct hs_refusal){ 431, "too many trailer fields" };
            return false;
        }
        p = trailer_line(raw.p, p, end, &fields[*n], &wrong);
        if (p == NULL) {
            *why = (struct hs_refusal){ 400, wrong };
            return false;
        }
    }
    return true;
}

size_t
hs_chunk_header(char *dst, uint64_t n)
{
    static const char digits[] = "0123456789abcdef";
    unsigned bits = 64 - (unsigned)__builtin_clzll(n | 1);
    size_t len = (bits + 3) / 4;
    for (size_t i = len; i > 0; i--) {
        dst[i - 1] = digits[n & 15];
        n >>= 4;
    }
    dst[len] = '\r';
    dst[len + 1] = '\n';
    return len + 2;
}
