/* target.h - the one normalised path that handlers, authentication and files all see, and the syntax of authorities.
 * No I/O, no allocation, no state: any thread. */
#ifndef HS_HTTP_TARGET_H
#define HS_HTTP_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/view.h"

/* Normalises an encoded path (it starts with '/'): percent-decoded once, dot segments removed (RFC 3986 5.2.4), empty segments
 * merged. dst has room for path.n + 1 bytes, does not overlap the path, and gets a NUL; *len its length. A final '/' (or "/.", "/..")
 * is kept as '/'. Empty segments go first: "/a//../b" is "/b".
 * encoded_slash: %2F and %5C stay the three characters sent, and %25 does too, so that the owner of the route can decode what it gets
 * once more without taking "%252F" for "%2F"; a dot segment that this second decoding would bring to light ("..%2Fx") is refused, and so
 * is a ".." after a segment in which something stayed encoded, which decoding first would have understood otherwise.
 * EINVAL: no leading '/', bad or truncated %XX, %00 or another control byte, overlong or invalid UTF-8 (RFC 3629), %2F or %5C (unless
 * encoded_slash), a literal backslash, a ".." above the root, ';' parameters on dot segments ("..;"). On error dst holds nothing of use. */
int hs_path_normalise(struct hs_view path, bool encoded_slash, char *dst, size_t *len);

/* Percent-decodes src into dst (room for src.n + 1, NUL added; may be the bytes of src); plus: '+' is a blank. *len gets the length.
 * EINVAL for a bad or truncated %XX, for %00 and for a NUL in src. The result may hold any other byte, valid UTF-8 or not. */
int hs_percent_decode(struct hs_view src, bool plus, char *dst, size_t *len);

/* Whether a is uri-host [ ":" port ] (RFC 3986 3.2.2) as a server may be asked for it: a name or IPv4 address of letters, digits, '-', '_'
 * and '.' without empty labels (one final dot may be there), at most 255 bytes, or an IPv6 address in brackets; the port 1 to 5 digits up to
 * 65535. No user information, no percent-encoding, no IPvFuture, no zone, no empty port: rarely sent, and read differently by different
 * servers. Any bytes may be given; false for the empty view. Reads nothing outside a. */
bool hs_authority_ok(struct hs_view a);

/* Whether two authorities, each valid or empty, name the same host and port: letter case does not count, and a missing port is
 * default_port. False when either is empty or invalid. */
bool hs_authority_same(struct hs_view a, struct hs_view b, uint16_t default_port);

/* The length of "http://" or "https://" (in any case) at the start of a request target, 0 when neither is there. */
size_t hs_absolute_form(struct hs_view target);

#endif
