/* target.c - decoding and normalising paths, checking authorities.
 * A path is decoded exactly once, here, and whatever is ambiguous after that (encoded separators, control bytes, overlong
 * UTF-8, dot segments with parameters) is refused rather than repaired, so that nothing further down has to decode or clean again. */
#include "http/target.h"

#include <errno.h>

#include "base/ascii.h"
#include "base/ip.h"
#include "base/utf8.h"
#include "http/scan.h"

/* The byte of the %XX at p, or -1 when it is not one. */
static int
decode_byte(const char *p, const char *end)
{
    if (end - p < 3) {
        return -1;
    }
    int high = hs_ascii_hex(p[1]);
    int low = hs_ascii_hex(p[2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

int
hs_percent_decode(struct hs_view src, bool plus, char *dst, size_t *len)
{
    const char *p = src.p;
    const char *end = src.n != 0 ? src.p + src.n : src.p;
    char *d = dst;
    while (p < end) {
        int c = (uint8_t)*p;
        size_t used = 1;
        if (c == '%') {
            c = decode_byte(p, end);
            used = 3;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if (c <= 0) {
            return EINVAL;
        }
        *d++ = (char)c;
        p += used;
    }
    *d = '\0';
    *len = (size_t)(d - dst);
    return 0;
}

static bool
utf8_ok(const char *p, size_t n)
{
    const char *end = p + n;
    while (p < end) {
        size_t used = (unsigned char)*p < 0x80 ? 1 : hs_utf8_sequence(p, (size_t)(end - p));
        if (used == 0) {
            return false;
        }
        p += used;
    }
    return true;
}

/* 1 for ".", 2 for "..", 0 for any other segment, -1 for one of the two with parameters (".;x", "..;x"). */
static int
dots_of(const char *s, size_t n)
{
    size_t dots = 0;
    while (dots < n && dots < 3 && s[dots] == '.') {
        dots++;
    }
    if (dots == 0 || dots == 3) {
        return 0;
    }
    return n == dots ? (int)dots : s[dots] == ';' ? -1 : 0;
}

/* Decodes the segment that starts at p to d; stops before the '/' after it. kept: %2F, %5C and %25 stay as sent; a dot segment between
 * two such slashes is refused. NULL when the segment is refused, else where the input goes on, with *d moved. */
static const char *
decode_segment(const char *p, const char *end, bool kept, char **d)
{
    char *out = *d;
    char *part = out; /* start of what the last kept slash left open */
    bool parts = false;
    while (p < end && *p != '/') {
        int c = (uint8_t)*p;
        if (c != '%') {
            if (c < 0x20 || c == 0x7F || c == '\\') {
                return NULL;
            }
            *out++ = *p++;
            continue;
        }
        c = decode_byte(p, end);
        if (c < 0x20 || c == 0x7F) {
            return NULL;
        }
        if (c == '/' || c == '\\' || (c == '%' && kept)) {
            if (!kept) {
                return NULL;
            }
            if (c != '%') {
                if (dots_of(part, (size_t)(out - part)) != 0) {
                    return NULL;
                }
                parts = true;
                part = out + 3;
            }
            memcpy(out, p, 3);
            out += 3;
        } else {
            *out++ = (char)c;
        }
        p += 3;
    }
    if (parts && dots_of(part, (size_t)(out - part)) != 0) {
        return NULL;
    }
    *d = out;
    return p;
}

int
hs_path_normalise(struct hs_view path, bool encoded_slash, char *dst, size_t *len)
{
    if (path.n == 0 || path.p[0] != '/') {
        return EINVAL;
    }
    const char *p = path.p;
    const char *end = p + path.n;
    char *d = dst; /* what is written is "/seg/seg/": it always ends with the slash that the next segment goes after */
    *d++ = '/';
    while (p < end) {
        p++; /* the '/' before the segment */
        char *segment = d;
        p = decode_segment(p, end, encoded_slash, &d);
        if (p == NULL) {
            return EINVAL;
        }
        size_t n = (size_t)(d - segment);
        int dots = dots_of(segment, n);
        if (dots < 0 || (dots == 2 && segment == dst + 1) || !utf8_ok(segment, n)) {
            return EINVAL;
        }
        if (dots > 0) {
            d = segment;
            if (dots == 2) {
                do {
                    d--;
                    if (*d == '%' && encoded_slash) {
                        return EINVAL;
                    }
                } while (d[-1] != '/');
            }
        } else if (n > 0 && p < end) {
            *d++ = '/';
        }
    }
    *d = '\0';
    *len = (size_t)(d - dst);
    return 0;
}

/* The host part of an authority: its length, 0 when it is no host. */
static size_t
host_length(struct hs_view a)
{
    size_t n = 0;
    if (a.n > 0 && a.p[0] == '[') {
        struct in6_addr ignored;
        const char *close = memchr(a.p, ']', a.n);
        n = close != NULL ? (size_t)(close - a.p) - 1 : 0;
        return hs_ip_parse(AF_INET6, (struct hs_view){ a.p + 1, n }, &ignored) ? n + 2 : 0;
    }
    bool label = false; /* the label before a dot is not empty */
    for (; n < a.n && hs_scan_is_host(a.p[n]); n++) {
        if (a.p[n] != '.') {
            label = true;
        } else if (label) {
            label = false;
        } else {
            return 0;
        }
    }
    return n <= 255 ? n : 0;
}

/* Takes an authority apart. false: it is none. */
static bool
split_authority(struct hs_view a, struct hs_view *host, long *port)
{
    size_t n = host_length(a);
    *host = (struct hs_view){ a.p, n };
    *port = -1;
    if (n == 0 || n == a.n) {
        return n != 0;
    }
    size_t digits = a.n - n - 1;
    if (a.p[n] != ':' || digits == 0 || digits > 5) {
        return false;
    }
    long v = 0;
    for (size_t i = n + 1; i < a.n; i++) {
        if (!hs_ascii_is_digit(a.p[i])) {
            return false;
        }
        v = v * 10 + (a.p[i] - '0');
    }
    *port = v;
    return v <= 65535;
}

bool
hs_authority_ok(struct hs_view a)
{
    struct hs_view host;
    long port;
    return split_authority(a, &host, &port);
}

bool
hs_authority_same(struct hs_view a, struct hs_view b, uint16_t default_port)
{
    struct hs_view host_a, host_b;
    long port_a, port_b;
    if (!split_authority(a, &host_a, &port_a) || !split_authority(b, &host_b, &port_b)) {
        return false;
    }
    port_a = port_a < 0 ? default_port : port_a;
    port_b = port_b < 0 ? default_port : port_b;
    return port_a == port_b && hs_ascii_ieq(host_a, host_b);
}

size_t
hs_absolute_form(struct hs_view t)
{
    if (t.n >= 7 && hs_ascii_ieq((struct hs_view){ t.p, 7 }, HS_VIEW("http://"))) {
        return 7;
    }
    return t.n >= 8 && hs_ascii_ieq((struct hs_view){ t.p, 8 }, HS_VIEW("https://")) ? 8 : 0;
}
