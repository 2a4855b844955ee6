/* request_parser.c - one strict reading of an HTTP/1.x request head.
 * Walks the bytes once, in order. Each step takes the place it starts at and returns the place after it, or NULL: then why->status says
 * whether the head is refused or (0) only not all there yet. A refusal is decided by the byte it is found at and never by how many follow,
 * so the answer does not depend on how the head was split; what needs the whole head (Host, framing) is looked at after the empty line.
 * Refuses where others guess: bare LF or CR, folded lines, blanks around names, every doubt about where the body ends.
 * Keeps nothing: all slices are offsets into the caller's bytes. */
#include "http/request_parser.h"

#include "base/ascii.h"
#include "http/field_match.h"
#include "http/framing.h"
#include "http/scan.h"
#include "http/target.h"

__attribute__((cold, noinline)) static const char *
refuse(struct hs_refusal *why, int status, const char *reason)
{
    why->status = status;
    why->reason = reason;
    return NULL;
}

static bool
reject(struct hs_refusal *why, int status, const char *reason)
{
    refuse(why, status, reason);
    return false;
}

/* The CRLFs that some clients send after a body, two at most (RFC 9112 2.2). */
static const char *
skip_empty_lines(const char *p, const char *end, struct hs_refusal *why)
{
    for (int lines = 0; p < end && (*p == '\r' || *p == '\n'); lines++) {
        if (*p == '\n') {
            return refuse(why, 400, "bare LF before the request line");
        }
        if (p + 1 == end) {
            return NULL;
        }
        if (p[1] != '\n') {
            return refuse(why, 400, "bare CR before the request line");
        }
        if (lines == 2) {
            return refuse(why, 400, "too many empty lines before the request line");
        }
        p += 2;
    }
    return p < end ? p : NULL;
}

/* Any method but those that parse_method knows at once. */
__attribute__((noinline)) static const char *
parse_any_method(const char *p, const char *end, const struct hs_head_limits *limits, struct hs_request *r, struct hs_refusal *why)
{
    enum { REGISTERED = 7 }; /* bytes of the longest method that the core knows: no limit is lower */
    const char *q = hs_scan_token_bytes(p, end);
    size_t n = (size_t)(q - p);
    if (n > REGISTERED && n > limits->method_size) {
        return refuse(why, 501, "method too long");
    }
    if (q == end) {
        return NULL;
    }
    if (n == 0 || *q != ' ') {
        return refuse(why, 400, "bad byte in the method");
    }
    if (hs_view_eq((struct hs_view){ p, n }, HS_VIEW("CONNECT"))) {
        return refuse(why, 501, "CONNECT");
    }
    r->method.len = (uint32_t)n;
    r->method_id = (uint8_t)hs_method_lookup((struct hs_view){ p, n });
    return q + 1;
}

static inline const char *
parse_method(const char *p, const char *end, const struct hs_head_limits *limits, struct hs_request *r, struct hs_refusal *why)
{
    r->method.off = (uint32_t)(p - r->base);
    uint32_t w = hs_scan_load32(p);
    if (w == hs_scan_load32("GET ") && p + 4 <= end) {
        r->method.len = 3;
        r->method_id = HS_METHOD_GET;
        return p + 4;
    }
    if (w == hs_scan_load32("POST") && p + 5 <= end && p[4] == ' ') {
        r->method.len = 4;
        r->method_id = HS_METHOD_POST;
        return p + 5;
    }
    return parse_any_method(p, end, limits, r, why);
}

/* The target that starts at p and stops at q does not end there with a blank, or is too long. */
__attribute__((cold, noinline)) static const char *
target_stopped(const char *p, const char *q, const char *end, const struct hs_head_limits *limits, struct hs_refusal *why)
{
    q = q < end ? q : end;
    if ((size_t)(q - p) > limits->target_size) {
        return refuse(why, 414, "request target too long");
    }
    if (q == end) {
        return NULL;
    }
    if (*q == '\r' || *q == '\n') {
        return refuse(why, 400, q == p ? "no request target" : "no HTTP version");
    }
    return refuse(why, 400, *q == ' ' ? "more than one blank before the request target" : "bad byte in the request target");
}

/* The target and the blank after it. Origin-form is taken apart on the way, the others by split_target. */
static inline const char *
parse_target(const char *p, const char *end, const struct hs_head_limits *limits, struct hs_request *r, struct hs_refusal *why)
{
    uint32_t off = (uint32_t)(p - r->base);
    const char *q;
    r->query = (struct hs_slice){ 0, 0 };
    r->has_query = false;
    r->target_form = HS_TARGET_ORIGIN;
    if (*p == '/') {
        bool plain;
        q = hs_scan_path(p, end, &plain);
        r->plain_path = plain;
        r->path = (struct hs_slice){ off, (uint32_t)(q - p) };
        if (q < end && *q == '?') {
            const char *query = q + 1;
            q = hs_scan_target(query, end);
            r->has_query = true;
            r->query = (struct hs_slice){ (uint32_t)(query - r->base), (uint32_t)(q - query) };
        }
    } else {
        q = hs_scan_target(p, end);
        r->plain_path = false;
        if (q == p) {
            return target_stopped(p, q, end, limits, why);
        }
    }
    uint32_t n = (uint32_t)(q - p);
    r->target = (struct hs_slice){ off, n };
    if (q >= end || *q != ' ' || n > limits->target_size) {
        return target_stopped(p, q, end, limits, why);
    }
    return q + 1;
}

/* HTTP-version and the CRLF after it, byte by byte: anything but HTTP/1.1, whole. */
__attribute__((noinline)) static const char *
parse_any_version(const char *p, const char *end, struct hs_request *r, struct hs_refusal *why)
{
    static const char form[] = "HTTP/0.0\r\n"; /* 0: a digit */
    for (size_t i = 0; i < sizeof form - 1; i++) {
        if (p + i == end) {
            return NULL;
        }
        if (form[i] == '0' ? !hs_ascii_is_digit(p[i]) : p[i] != form[i]) {
            return refuse(why, 400, i < 8 ? "malformed HTTP version" : "request line does not end after the HTTP version");
        }
    }
    if (p[5] != '1' || p[7] > '1') {
        return refuse(why, 505, "HTTP version");
    }
    r->version_minor = (uint8_t)(p[7] - '0');
    return p + 10;
}

static inline const char *
parse_version(const char *p, const char *end, struct hs_request *r, struct hs_refusal *why)
{
    r->version_major = 1;
    if (hs_scan_load64(p) == hs_scan_load64("HTTP/1.1") && hs_scan_load16(p + 8) == hs_scan_load16("\r\n") && p + 10 <= end) {
        r->version_minor = 1;
        return p + 10;
    }
    return parse_any_version(p, end, r, why);
}

/* Target forms that do not start with '/' (RFC 9112 3.2.2, 3.2.4). */
__attribute__((noinline)) static bool
split_target(struct hs_request *r, struct hs_refusal *why)
{
    struct hs_view t = hs_request_view(r, r->target);
    if (t.n == 1 && t.p[0] == '*') {
        if (r->method_id != HS_METHOD_OPTIONS) {
            return reject(why, 400, "'*' with a method other than OPTIONS");
        }
        r->target_form = HS_TARGET_ASTERISK;
        r->path = (struct hs_slice){ r->target.off, 0 };
        return true;
    }
    size_t scheme = hs_absolute_form(t);
    if (scheme == 0) {
        return reject(why, 400, "request target of no known form");
    }
    size_t host_end = scheme;
    while (host_end < t.n && t.p[host_end] != '/' && t.p[host_end] != '?') {
        host_end++;
    }
    size_t path_end = host_end;
    while (path_end < t.n && t.p[path_end] != '?') {
        path_end++;
    }
    if (!hs_authority_ok((struct hs_view){ t.p + scheme, host_end - scheme })) {
        return reject(why, 400, "bad authority in the request target");
    }
    r->target_form = HS_TARGET_ABSOLUTE;
    r->host = (struct hs_slice){ r->target.off + (uint32_t)scheme, (uint32_t)(host_end - scheme) };
    r->path = (struct hs_slice){ r->target.off + (uint32_t)host_end, (uint32_t)(path_end - host_end) };
    r->plain_path = hs_scan_path_is_plain(t.p + host_end, t.p + path_end);
    if (path_end < t.n) {
        r->has_query = true;
        r->query = (struct hs_slice){ r->target.off + (uint32_t)path_end + 1, (uint32_t)(t.n - path_end - 1) };
    }
    return true;
}

static inline const char *
parse_request_line(const char *p, const char *end, const struct hs_head_limits *limits, struct hs_request *r, struct hs_refusal *why)
{
    r->host = (struct hs_slice){ 0, 0 };
    p = parse_method(p, end, limits, r, why);
    if (p != NULL) {
        p = parse_target(p, end, limits, r, why);
    }
    if (p != NULL) {
        p = parse_version(p, end, r, why);
    }
    if (p != NULL && r->base[r->target.off] != '/' && !split_target(r, why)) {
        return NULL;
    }
    return p;
}

/* A field name that is no token: says what is wrong with its first bad byte q. start: of the line. */
__attribute__((cold, noinline)) static const char *
bad_name(const char *start, const char *q, struct hs_refusal *why)
{
    if (*q == ' ' || *q == '\t') {
        return refuse(why, 400, q == start ? "field line starts with a blank" : "blank before the colon");
    }
    if (q == start && *q == ':') {
        return refuse(why, 400, "empty field name");
    }
    if (*q == '\r' || *q == '\n') {
        return refuse(why, 400, *q == '\n' ? "bare LF" : q == start ? "bare CR" : "field line without a colon");
    }
    return refuse(why, 400, "bad byte in a field name");
}

/* A line that is not a name with its colon, or is one field too many. */
__attribute__((cold, noinline)) static const char *
line_stopped(const char *p, const char *end, bool full, struct hs_refusal *why)
{
    if (p >= end || (*p == '\r' && p + 1 == end)) {
        return NULL;
    }
    if (full && *p != '\r' && *p != '\n') {
        return refuse(why, 431, "too many fields");
    }
    const char *q = hs_scan_token_bytes(p, end);
    if (q - p > UINT16_MAX) {
        return refuse(why, 431, "field name too long");
    }
    return q == end ? NULL : bad_name(p, q, why);
}

/* The end of a value of which [.., q) is printable ASCII and q is not the start of its CRLF. */
__attribute__((cold, noinline)) static const char *
finish_value(const char *q, const char *end, struct hs_refusal *why)
{
    if (q < end) {
        q = hs_scan_value(q, end);
    }
    if (q >= end || (*q == '\r' && q + 1 == end)) {
        return NULL;
    }
    if (*q == '\r' && q[1] == '\n') {
        return q;
    }
    return refuse(why, 400,
                  *q == '\n'   ? "bare LF in a field line"
                  : *q == '\r' ? "bare CR in a field line"
                               : "control byte in a field value");
}

/* Where the value of a Host ends that is a name or IPv4 address with a port of up to four digits or none, as nearly all are, and goes
 * up to its CRLF. p is after the colon. NULL: any other value; it has to be looked at closely. */
static inline const char *
common_host_end(const char *p, const char *end)
{
    p += *p == ' ';
    if (p >= end) {
        return NULL;
    }
    bool labels;
    const char *q = hs_scan_host(p, end, &labels);
    if (q >= end || q - p > 255 || q == p || !labels) {
        return NULL;
    }
    if (*q == ':') {
        const char *port = ++q;
        while (q < end && hs_ascii_is_digit(*q)) {
            q++;
        }
        if (q == end || q - port > 4 || q == port) {
            return NULL;
        }
    }
    return *q == '\r' ? q : NULL;
}

/* The field lines and the empty line after them. */
static inline const char *
parse_fields(const char *p, const char *end, const struct hs_head_limits *limits, struct hs_request *r, struct hs_framing *fr,
             struct hs_refusal *why)
{
    const char *base = r->base;
    struct hs_field *f = r->fields;
    unsigned left = limits->fields;
    const uint16_t crlf = hs_scan_load16("\r\n");
    for (; hs_scan_load16(p) != crlf || p + 2 > end; f++, left--) {
        const char *colon = hs_scan_colon(p, end);
        size_t name_len = (size_t)(colon - p);
        if (colon >= end || name_len - 1 >= UINT16_MAX || left == 0) {
            return line_stopped(p, end, left == 0, why);
        }
        enum hs_field_id id = hs_field_match((struct hs_view){ p, name_len });
        if (id == HS_FIELD_OTHER && !hs_scan_is_token(p, colon)) {
            return line_stopped(p, end, false, why);
        }
        const char *value = colon + 1;
        const char *line_end = NULL;
        if (id == HS_FIELD_HOST) {
            if (fr->host != NULL) {
                return refuse(why, 400, "more than one Host");
            }
            fr->host = f;
            line_end = common_host_end(value, end);
            fr->host_ok = line_end != NULL;
        }
        if (line_end == NULL) {
            line_end = hs_scan_printable(value, end);
        }
        if (line_end + 2 > end || hs_scan_load16(line_end) != crlf) {
            line_end = finish_value(line_end, end, why);
            if (line_end == NULL) {
                return NULL;
            }
        }
        if (*value == ' ' && value[1] > ' ') {
            value++;
        } else {
            while (hs_scan_is_blank(*value)) { /* ends at the CR at the latest */
                value++;
            }
        }
        const char *value_end = line_end;
        while (value_end[-1] <= ' ' && hs_scan_is_blank(value_end[-1]) && value_end > value) {
            value_end--;
        }
        f->name_off = (uint32_t)(p - base);
        f->value_off = (uint32_t)(value - base);
        f->value_len = (uint32_t)(value_end - value);
        f->name_len = (uint16_t)name_len;
        f->id = (uint16_t)id;
        if ((HS_FRAMING_NOTED >> id & 1) != 0 && !hs_framing_note(r, f, fr, why)) {
            return NULL;
        }
        p = line_end + 2;
    }
    r->nfields = (uint16_t)(limits->fields - left);
    return p + 2;
}

/* Whether bytes [seen, len) can change nothing: they hold no LF and cross no limit. Where the longest method and the
 * longest target would have ended counts as a limit, so that a line without end is refused for what it is. */
static bool
nothing_new(const char *buf, size_t len, size_t seen, const struct hs_head_limits *limits)
{
    size_t method_end = 4 + (size_t)limits->method_size + 1; /* 4: the empty lines before it */
    size_t target_end = method_end + 1 + limits->target_size;
    return len < limits->head_size && !(seen < method_end && len >= method_end) && !(seen < target_end && len >= target_end) &&
           (len <= seen || memchr(buf + seen, '\n', len - seen) == NULL);
}

enum hs_parse
hs_request_parse(const char *buf, size_t len, size_t seen, const struct hs_head_limits *limits, struct hs_request *r,
                 struct hs_refusal *why)
{
    if (seen != 0 && nothing_new(buf, len, seen, limits)) {
        return HS_PARSE_MORE;
    }
    /* Bytes beyond the limit are never looked at, so they cannot change the answer. */
    const char *end = buf + (len < limits->head_size ? len : limits->head_size);
    const char *p = buf;
    struct hs_framing fr = { 0 };
    r->base = buf;
    *why = (struct hs_refusal){ 0, NULL };
    if (*p <= '\r') { /* also true of what no head starts with */
        p = skip_empty_lines(p, end, why);
    }
    if (p != NULL) {
        p = parse_request_line(p, end, limits, r, why);
    }
    if (p != NULL) {
        p = parse_fields(p, end, limits, r, &fr, why);
    }
    if (p != NULL) {
        r->size = (uint32_t)(p - buf);
        return hs_framing_is_common(r, &fr) || hs_framing_check(r, &fr, why) ? HS_PARSE_DONE : HS_PARSE_REFUSED;
    }
    if (why->status == 0 && len >= limits->head_size) {
        refuse(why, 431, "request head too large");
    }
    return why->status != 0 ? HS_PARSE_REFUSED : HS_PARSE_MORE;
}
