/* date.h - HTTP dates (RFC 9110 5.6.7). */
#ifndef HS_HTTP_DATE_H
#define HS_HTTP_DATE_H

#include <stdint.h>

#include "base/view.h"

enum { HS_HTTP_DATE_SIZE = 29 }; /* bytes of an IMF-fixdate, "Sun, 06 Nov 1994 08:49:37 GMT" */

/* The current IMF-fixdate, 29 bytes and a NUL, made anew once a second: unix_seconds is the wall clock. Per thread: the text belongs to the
 * calling thread and changes at its next call. Before 1970 or after 9999 the nearest date that can be written is given. */
const char *hs_http_date(int64_t unix_seconds);

/* The same as a whole field line, "Date: ... GMT" and its CRLF. */
struct hs_view hs_http_date_line(int64_t unix_seconds);

/* Writes the IMF-fixdate of any moment (Last-Modified, Expires) to dst, 29 bytes and no NUL; clamped as above. Any thread. */
void hs_http_date_write(char *dst, int64_t unix_seconds);

/* Any of the three date forms; EINVAL when it is none. Letter case counts, white space too. The name of the day must be one but need
 * not be the right one. A two-digit year more than 50 years ahead of the wall clock is taken for one in the past. Any thread. */
int hs_http_date_parse(struct hs_view v, int64_t *unix_seconds);

/* The same with the wall clock given: now is used for two-digit years only. */
int hs_http_date_parse_at(struct hs_view v, int64_t now, int64_t *unix_seconds);

#endif
