/* forwarded.c - the address of the client behind proxies, as far as it can be trusted.
 * The lists are gone through once, from their beginning, and what counts is kept: after an address that is not trusted nothing before it matters, nor
 * after an entry that is no address. */
#include "http/forwarded.h"

#include <string.h>

#include "base/ascii.h"
#include "base/ip.h"
#include "http/scan.h"

enum { NODE_MAX = 128 }; /* longer than any address with its port */

/* --- one entry --- */

/* The digits behind the colon; obfuscated: 0. */
static bool
parse_port(struct hs_view v, in_port_t *port)
{
    if (v.n > 1 && v.p[0] == '_') {
        for (size_t i = 1; i < v.n; i++) {
            if (!hs_ascii_is_digit(v.p[i]) && !hs_ascii_is_alpha(v.p[i]) && v.p[i] != '.' && v.p[i] != '_' && v.p[i] != '-') {
                return false;
            }
        }
        *port = 0;
        return true;
    }
    return hs_port_parse(v, port);
}

/* "[…]" or "[…]:port" */
static bool
parse_brackets(struct hs_view v, ec_sockaddr *a)
{
    const char *close = memchr(v.p, ']', v.n);

    if (close == NULL || !hs_ip_parse(AF_INET6, (struct hs_view){ v.p + 1, (size_t)(close - v.p) - 1 }, &a->sin6.sin6_addr)) {
        return false;
    }
    size_t rest = (size_t)(v.p + v.n - close) - 1;
    a->sin6.sin6_family = AF_INET6;
    a->len = sizeof a->sin6;
    return rest == 0 || (close[1] == ':' && parse_port((struct hs_view){ close + 2, rest - 1 }, &a->sin6.sin6_port));
}

bool
hs_forwarded_parse(struct hs_view v, enum hs_forwarded_field field, ec_sockaddr *out)
{
    ec_sockaddr a;
    bool ok;

    memset(&a, 0, sizeof a);
    if (v.n == 0) {
        return false;
    }
    const char *colon = memchr(v.p, ':', v.n);
    if (v.p[0] == '[') {
        ok = parse_brackets(v, &a);
    } else if (colon != NULL && memchr(colon + 1, ':', (size_t)(v.p + v.n - colon) - 1) != NULL) {
        ok = field == HS_FORWARDED_X_FORWARDED_FOR && hs_ip_parse(AF_INET6, v, &a.sin6.sin6_addr);
        a.sin6.sin6_family = AF_INET6;
        a.len = sizeof a.sin6;
    } else {
        size_t n = colon != NULL ? (size_t)(colon - v.p) : v.n;
        ok = hs_ip_parse(AF_INET, (struct hs_view){ v.p, n }, &a.sin.sin_addr) &&
             (colon == NULL || parse_port((struct hs_view){ colon + 1, v.n - n - 1 }, &a.sin.sin_port));
        a.sin.sin_family = AF_INET;
        a.len = sizeof a.sin;
    }
    if (ok) {
        *out = a;
    }
    return ok;
}

/* --- the list --- */

struct walk {
    const struct hs_cidr_list *trusted;
    ec_sockaddr *out;
    bool found; /* out is the client, if all that come after it are trusted */
};

/* The next entry; valid: it is an address, a. */
static void
step(struct walk *w, bool valid, const ec_sockaddr *a)
{
    if (!valid) {
        w->found = false;
    } else if (!w->found || !hs_cidr_list_contains(w->trusted, &a->sa)) {
        *w->out = *a;
        w->found = true;
    }
}

static struct hs_view
trim(const char *p, const char *end)
{
    while (p < end && hs_scan_is_blank(*p)) {
        p++;
    }
    while (p < end && hs_scan_is_blank(end[-1])) {
        end--;
    }
    return (struct hs_view){ p, (size_t)(end - p) };
}

static void
walk_x_forwarded_for(struct walk *w, struct hs_view value)
{
    const char *p = value.p, *end = value.p + value.n;
    ec_sockaddr a;

    while (p < end) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        struct hs_view v = trim(p, comma != NULL ? comma : end);
        if (v.n != 0) {
            step(w, hs_forwarded_parse(v, HS_FORWARDED_X_FORWARDED_FOR, &a), &a);
        }
        p = comma != NULL ? comma + 1 : end;
    }
}

/* --- Forwarded --- */

/* The value of a pair, at *p, which is moved behind it: a token or a quoted string, unescaped into buf. False: it is neither, or too long to be an
 * address (then buf is useless, and *p has been moved all the same when *too_long). */
static bool
read_value(const char **p, const char *end, char buf[NODE_MAX], size_t *n, bool *too_long)
{
    const char *q = *p;
    bool quoted = q < end && *q == '"';

    *n = 0;
    *too_long = false;
    for (q += quoted; q < end; q++) {
        char c = *q;
        if (quoted && c == '"') {
            *p = q + 1;
            return true;
        }
        if (quoted && c == '\\') {
            if (++q == end) {
                return false;
            }
            c = *q;
        } else if (!quoted && !hs_ascii_is_tchar(c)) {
            break;
        }
        if (*n < NODE_MAX) {
            buf[(*n)++] = c;
        } else {
            *too_long = true;
        }
    }
    *p = q;
    return !quoted && *n != 0;
}

/* One element, "for=…;proto=…", at *p, which is moved to the comma behind it or the end. False: it is not well formed. *has_for: it names an address,
 * *a. */
static bool
read_element(const char **p, const char *end, bool *has_for, ec_sockaddr *a)
{
    const char *q = *p;
    unsigned fors = 0;

    *has_for = false;
    for (;;) {
        char buf[NODE_MAX];
        bool too_long = false;
        size_t n = 0;
        const char *name = q;
        q = hs_scan_token_bytes(q, end);
        if (q != name) { /* an empty pair is none */
            bool is_for = hs_ascii_ieq((struct hs_view){ name, (size_t)(q - name) }, HS_VIEW("for"));
            if (q == end || *q++ != '=' || !read_value(&q, end, buf, &n, &too_long)) {
                return false;
            }
            fors += is_for;
            if (is_for) {
                *has_for = !too_long && hs_forwarded_parse((struct hs_view){ buf, n }, HS_FORWARDED_FORWARDED, a);
            }
        }
        while (q < end && hs_scan_is_blank(*q)) {
            q++;
        }
        if (q == end || *q == ',') {
            *p = q;
            *has_for = *has_for && fors == 1;
            return true;
        }
        if (*q++ != ';') {
            return false;
        }
        while (q < end && hs_scan_is_blank(*q)) {
            q++;
        }
    }
}

/* Where an element is not well formed, it ends at the first comma, quotes or not: else a client could, with a quote that it does not close, hide what
 * a proxy adds behind it. */
static void
walk_forwarded(struct walk *w, struct hs_view value)
{
    const char *p = value.p, *end = value.p + value.n;

    while (p < end) {
        ec_sockaddr a;
        bool has_for;
        if (hs_scan_is_blank(*p) || *p == ',') {
            p++;
            continue;
        }
        if (!read_element(&p, end, &has_for, &a)) {
            const char *comma = memchr(p, ',', (size_t)(end - p));
            p = comma != NULL ? comma : end;
            has_for = false;
        }
        step(w, has_for, &a);
    }
}

bool
hs_forwarded_client(const struct hs_request *req, enum hs_forwarded_field field, const struct hs_cidr_list *trusted, ec_sockaddr *out)
{
    struct walk w = { .trusted = trusted, .out = out };
    struct hs_view name = field == HS_FORWARDED_FORWARDED ? HS_VIEW("Forwarded") : HS_VIEW("X-Forwarded-For");
    const struct hs_field *f;

    for (unsigned i = 0; (f = hs_request_find(req, name, &i)) != NULL;) {
        if (field == HS_FORWARDED_FORWARDED) {
            walk_forwarded(&w, hs_field_value(req, f));
        } else {
            walk_x_forwarded_for(&w, hs_field_value(req, f));
        }
    }
    return w.found;
}
