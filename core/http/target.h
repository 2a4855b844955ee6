/* target.h - the one normalised path that handlers, authentication and files all see. No I/O. */
#ifndef HS_HTTP_TARGET_H
#define HS_HTTP_TARGET_H

#include <stdbool.h>

#include "base/view.h"

/* Normalises an encoded path (it starts with '/'): percent-decoded once, dot segments removed, empty segments
 * merged. dst has room for path.n + 1 bytes and gets a NUL; *len its length. A final '/' (or "/.", "/..") is kept as '/'.
 * EINVAL: bad or truncated %XX, %00 or another control byte, overlong or invalid UTF-8, %2F or %5C (unless encoded_slash, which keeps
 * them as the three characters sent), a literal backslash, a ".." above the root, ';' parameters on dot segments ("..;"). */
int hs_path_normalise(struct hs_view path, bool encoded_slash, char *dst, size_t *len);

/* Percent-decodes src into dst (room for src.n + 1, NUL added); plus: '+' is a blank. EINVAL for a bad %XX or %00. */
int hs_percent_decode(struct hs_view src, bool plus, char *dst, size_t *len);

#endif
