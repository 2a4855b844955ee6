/* status.h - status codes, their standard phrases and ready-made status lines (RFC 9110 15, RFC 9112 4).
 * Static text; any thread. */
#ifndef HS_HTTP_STATUS_H
#define HS_HTTP_STATUS_H

#include <stdbool.h>

#include "base/view.h"

/* "200 OK"'s phrase, NUL-terminated; "" for an unknown code. */
struct hs_view hs_status_reason(int status);

/* The whole status line, "HTTP/1.1 200 OK" with its CRLF; the empty view for an unknown code. */
struct hs_view hs_status_line(int status);

/* Whether a response of that status has no content whatever the method: 1xx, 204, 205 and 304 (RFC 9110 15; for 205 see 15.3.6). */
bool hs_status_is_bodiless(int status);

#endif
