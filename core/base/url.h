/* url.h - URLs as the core itself takes them apart, beyond the public misc/ec_url_parse.h. Any thread. */
#ifndef HS_BASE_URL_H
#define HS_BASE_URL_H

#include <stdbool.h>

#include "base/view.h"
#include "misc/ec_url_parse.h"

/* Percent-decodes src into dst, which has room for src.n + 1 bytes, once, and adds a NUL; plus: '+' is a blank (HTML's
 * application/x-www-form-urlencoded). dst may be src's own memory. 0, or EINVAL: a bad or cut %XX, %00 or a NUL in src
 * (a C string cannot hold it). RFC 3986 2.1. */
int hs_url_decode(struct hs_view src, bool plus, char *dst, size_t *len);

/* The parts of a request's URL (RFC 9112 3.2, RFC 9110 7.1).
 *   target     the request target as sent: origin-form, absolute-form (a scheme and a host, both) or "*". What begins with '/' is all path, "//x" too
 *   scheme     "http", "https": for a target that names none; or empty
 *   authority  the Host field's value: for a target that names none; or empty. No userinfo
 *   path       when its p is not NULL: the path to report, normalised already, in place of the decoded one
 * url is the target as sent. *out is freed with ec_url_details_free. 0, EINVAL (as ec_parse_url), ENOMEM. */
int hs_url_parse_request(struct hs_view target, struct hs_view scheme, struct hs_view authority, struct hs_view path, ec_url_details **out);

#endif
