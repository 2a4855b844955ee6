/* url_parse.c - splits a URL by RFC 3986 and copies its parts.
 * Two steps: split() finds the parts as views of the input and checks them, copies nothing; build() copies and
 * decodes them into one block whose size it has counted. Nothing is normalised here, and nothing guessed: what two readers
 * could split in two ways is refused. */
#include "misc/ec_url_parse.h"

#include <errno.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/dict.h"
#include "base/ip.h"
#include "base/url.h"

#define MAX_LEN (128u << 20) /* nine copies of a URL still fit a 32-bit size */

/* Views of the input, p NULL where there is no such part. */
struct parts {
    struct hs_view url;
    struct hs_view scheme;
    struct hs_view user;
    struct hs_view pass;
    struct hs_view host;
    struct hs_view path;
    struct hs_view query;
    struct hs_view fragment;
    bool path_is_decoded;
    int port;
};

int
hs_url_decode(struct hs_view src, bool plus, char *dst, size_t *len)
{
    char *out = dst;
    for (size_t i = 0; i < src.n; i++) {
        char c = src.p[i];
        if (c == '%') {
            int high = src.n - i > 2 ? hs_ascii_hex(src.p[i + 1]) : -1;
            int low = src.n - i > 2 ? hs_ascii_hex(src.p[i + 2]) : -1;
            if (high < 0 || low < 0 || (high | low) == 0) {
                return EINVAL;
            }
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '\0') {
            return EINVAL;
        } else if (plus && c == '+') {
            c = ' ';
        }
        *out++ = c;
    }
    *out = '\0';
    *len = (size_t)(out - dst);
    return 0;
}

/* --- splitting --- */

static bool
is_class(char c, int classes)
{
    return (hs_ascii_class[(unsigned char)c] & classes) != 0;
}

static struct hs_view
take(struct hs_view *rest, size_t n)
{
    struct hs_view head = { rest->p, n };
    rest->p += n;
    rest->n -= n;
    return head;
}

/* Bytes before the first stop, or all. */
static size_t
until(struct hs_view v, char stop)
{
    const char *at = v.n != 0 ? memchr(v.p, stop, v.n) : NULL;
    return at != NULL ? (size_t)(at - v.p) : v.n;
}

/* Bytes before the first of ':' (where colon), '/' (where slash), '?' and '#', or all. */
static size_t
until_delim(struct hs_view v, bool colon, bool slash)
{
    size_t n = 0;
    while (n < v.n) {
        char c = v.p[n];
        if (c == '?' || c == '#' || (colon && c == ':') || (slash && c == '/')) {
            break;
        }
        n++;
    }
    return n;
}

static bool
is_scheme(struct hs_view v)
{
    if (v.n == 0 || !hs_ascii_is_alpha(v.p[0])) {
        return false;
    }
    for (size_t i = 1; i < v.n; i++) {
        char c = v.p[i];
        if (!hs_ascii_is_alpha(c) && !hs_ascii_is_digit(c) && c != '+' && c != '-' && c != '.') {
            return false;
        }
    }
    return true;
}

/* Only unreserved bytes, sub-delims, %XX and, where allowed, colons. What %XX stand for must not be a byte that the part could
 * not hold as it is, below 0x80: no reader of the decoded part then sees a delimiter in it. */
static bool
is_strict(struct hs_view v, bool colon, bool decoded_too)
{
    for (size_t i = 0; i < v.n; i++) {
        char c = v.p[i];
        if (c == '%') {
            int high = v.n - i > 2 ? hs_ascii_hex(v.p[i + 1]) : -1;
            int low = v.n - i > 2 ? hs_ascii_hex(v.p[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return false;
            }
            i += 2;
            if (!decoded_too || high >= 8) {
                continue;
            }
            c = (char)(high << 4 | low);
        }
        if (!is_class(c, HS_ASCII_UNRESERVED | HS_ASCII_SUB_DELIM) && !(colon && c == ':')) {
            return false;
        }
    }
    return true;
}

/* RFC 3986 3.2.2: "[" ( IPv6address / IPvFuture ) "]", here without the brackets. */
static bool
is_ip_literal(struct hs_view v)
{
    if (v.n != 0 && hs_ascii_lower(v.p[0]) == 'v') {
        size_t dot = until(v, '.');
        for (size_t i = 1; i < dot; i++) {
            if (hs_ascii_hex(v.p[i]) < 0) {
                return false;
            }
        }
        struct hs_view tail = { v.p + dot, v.n - dot };
        bool has_both = dot > 1 && tail.n > 1;
        return has_both && memchr(tail.p, '%', tail.n) == NULL && is_strict(tail, true, false);
    }
    struct in6_addr ignored;
    return hs_ip_parse(AF_INET6, v, &ignored);
}

/* Digits up to 65535; none at all is 0. -1 for anything else. */
static int
parse_port(struct hs_view v)
{
    int port = 0;
    for (size_t i = 0; i < v.n; i++) {
        if (!hs_ascii_is_digit(v.p[i])) {
            return -1;
        }
        port = port * 10 + (v.p[i] - '0');
        if (port > 65535) {
            return -1;
        }
    }
    return port;
}

/* host [ ":" port ] */
static int
split_host(struct hs_view v, struct parts *out)
{
    bool literal = v.n != 0 && v.p[0] == '[';
    size_t n = until(v, literal ? ']' : ':');
    if (literal) {
        if (n == v.n) {
            return EINVAL;
        }
        n++; /* the bracket belongs to the host */
    }
    out->host = take(&v, n);
    bool good = literal ? is_ip_literal((struct hs_view){ out->host.p + 1, n - 2 }) : is_strict(out->host, false, true);
    if (!good) {
        return EINVAL;
    }
    if (v.n == 0) {
        return 0;
    }
    if (v.p[0] != ':') {
        return EINVAL;
    }
    take(&v, 1);
    out->port = parse_port(v);
    return out->port < 0 ? EINVAL : 0;
}

/* [ user [ ":" pass ] "@" ] host [ ":" port ] */
static int
split_authority(struct hs_view v, struct parts *out)
{
    size_t n = until(v, '@');
    if (n < v.n) {
        struct hs_view info = take(&v, n);
        take(&v, 1);
        if (!is_strict(info, true, false)) {
            return EINVAL;
        }
        out->user = take(&info, until(info, ':'));
        if (info.n != 0) {
            take(&info, 1);
            out->pass = info;
        }
    }
    return split_host(v, out);
}

/* path [ "?" query ] [ "#" fragment ] */
static void
split_tail(struct hs_view v, struct parts *out)
{
    out->path = take(&v, until_delim(v, false, false));
    if (v.n != 0 && v.p[0] == '?') {
        take(&v, 1);
        out->query = take(&v, until(v, '#'));
    }
    if (v.n != 0) {
        take(&v, 1);
        out->fragment = v;
    }
}

/* URI-reference */
static int
split(struct hs_view v, struct parts *out)
{
    size_t colon = until_delim(v, true, true);
    if (colon < v.n && v.p[colon] == ':') {
        out->scheme = take(&v, colon);
        take(&v, 1);
        if (!is_scheme(out->scheme)) {
            return EINVAL;
        }
    }
    if (v.n >= 2 && v.p[0] == '/' && v.p[1] == '/') {
        take(&v, 2);
        int err = split_authority(take(&v, until_delim(v, false, true)), out);
        if (err != 0) {
            return err;
        }
    }
    split_tail(v, out);
    return 0;
}

/* --- building --- */

static size_t
sum_sizes(const struct parts *in)
{
    const struct hs_view all[] = {
        in->url, in->scheme, in->user, in->pass, in->host, in->path, in->query, in->query, in->fragment,
    };
    size_t sum = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        sum += all[i].p != NULL ? all[i].n + 1 : 0;
    }
    return sum;
}

static char *
put(char **at, struct hs_view v)
{
    if (v.p == NULL) {
        return NULL;
    }
    char *to = *at;
    if (v.n != 0) {
        memcpy(to, v.p, v.n);
    }
    to[v.n] = '\0';
    *at += v.n + 1;
    return to;
}

static int
put_decoded(char **at, struct hs_view v, bool plus, char **field)
{
    *field = NULL;
    if (v.p == NULL) {
        return 0;
    }
    size_t len;
    int err = hs_url_decode(v, plus, *at, &len);
    if (err == 0) {
        *field = *at;
        *at += len + 1;
    }
    return err;
}

/* Adds one key=value. ENOENT when it is not of that form. scratch has room for the pair and a NUL. */
static int
add_attr(ECDict attrs, struct hs_view pair, char *scratch)
{
    struct hs_view key = take(&pair, until(pair, '='));
    if (key.n == 0 || pair.n == 0) {
        return ENOENT;
    }
    take(&pair, 1);
    struct hs_view val;
    int err = hs_url_decode(key, true, scratch, &key.n);
    key.p = scratch;
    if (err == 0) {
        char *to = scratch + key.n + 1;
        err = hs_url_decode(pair, true, to, &val.n);
        val.p = to;
    }
    return err != 0 ? err : hs_dict_set(attrs, key, val);
}

/* Fills *out from key=value(&key=value)*, leaves it NULL when query is anything else. */
static int
parse_attrs(struct hs_view query, ECDict *out)
{
    if (query.n == 0) {
        return 0;
    }
    ECDict attrs = dict_blank();
    char *scratch = attrs != NULL ? malloc(query.n + 1) : NULL;
    int err = scratch == NULL ? ENOMEM : 0;
    bool more = true;
    while (err == 0 && more) {
        struct hs_view pair = take(&query, until(query, '&'));
        more = query.n != 0;
        if (more) {
            take(&query, 1);
        }
        err = add_attr(attrs, pair, scratch);
    }
    free(scratch);
    if (err != 0) {
        dict_drop(attrs);
        return err == ENOENT ? 0 : err;
    }
    *out = attrs;
    return 0;
}

static int
build(const struct parts *in, ec_url_details **out)
{
    ec_url_details *d = malloc(sizeof *d + sum_sizes(in));
    if (d == NULL) {
        return ENOMEM;
    }
    char *at = (char *)(d + 1);
    *d = (ec_url_details){ .port = in->port };
    d->url = put(&at, in->url);
    d->scheme = put(&at, in->scheme);
    d->raw_query = put(&at, in->query);
    int err = put_decoded(&at, in->user, false, &d->userinfo.user);
    if (err == 0) {
        err = put_decoded(&at, in->pass, false, &d->userinfo.pass);
    }
    if (err == 0) {
        err = put_decoded(&at, in->host, false, &d->host);
    }
    if (err == 0 && in->path_is_decoded) {
        d->path = put(&at, in->path);
    } else if (err == 0) {
        err = put_decoded(&at, in->path, false, &d->path);
    }
    if (err == 0) {
        err = put_decoded(&at, in->query, true, &d->query);
    }
    if (err == 0) {
        err = put_decoded(&at, in->fragment, false, &d->fragment);
    }
    if (err == 0) {
        err = parse_attrs(in->query, &d->attrs);
    }
    if (err != 0) {
        ec_url_details_free(d);
        return err;
    }
    *out = d;
    return 0;
}

void
ec_url_details_free(ec_url_details *details)
{
    if (details != NULL) {
        dict_drop(details->attrs);
        free(details);
    }
}

/* No blank, no control byte; short enough that sums of lengths cannot wrap around. */
static bool
is_clean(struct hs_view v)
{
    if (v.n > MAX_LEN) {
        return false;
    }
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] == ' ' || is_class(v.p[i], HS_ASCII_CTL)) {
            return false;
        }
    }
    return true;
}

ec_url_details *
ec_parse_url(const char *url, size_t len)
{
    struct hs_view v = { url, len };
    struct parts parts = { .url = v };
    ec_url_details *d = NULL;
    int err = EINVAL;
    if (url != NULL && is_clean(v)) {
        err = split(v, &parts);
    }
    if (err == 0) {
        err = build(&parts, &d);
    }
    if (err != 0) {
        errno = err;
        return NULL;
    }
    return d;
}

int
hs_url_parse_request(struct hs_view target, struct hs_view scheme, struct hs_view authority, struct hs_view path, ec_url_details **out)
{
    struct parts parts = { .url = target };
    int err = 0;
    if (target.n == 0 || path.n > MAX_LEN || scheme.n > MAX_LEN || !is_clean(target) || !is_clean(authority)) {
        return EINVAL;
    }
    bool absolute = target.p[0] != '/' && !hs_view_eq(target, HS_VIEW("*"));
    if (absolute) {
        err = split(target, &parts);
        if (err == 0 && (parts.scheme.p == NULL || parts.host.n == 0)) {
            err = EINVAL;
        }
    } else {
        split_tail(target, &parts);
    }
    if (err == 0 && parts.scheme.p == NULL && scheme.n != 0) {
        parts.scheme = scheme;
        err = is_scheme(scheme) ? 0 : EINVAL;
    }
    if (err == 0 && parts.host.p == NULL && authority.n != 0) {
        err = split_host(authority, &parts);
    }
    if (path.p != NULL) {
        parts.path = path;
        parts.path_is_decoded = true;
    }
    return err != 0 ? err : build(&parts, out);
}
