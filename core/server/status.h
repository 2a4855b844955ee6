/* status.h - what a server is and does, as text: JSON for programs and the live page (docs/observability.md names every field), lines for people.
 * Reads the page, changes nothing. The thread of the loop. */
#ifndef HS_SERVER_STATUS_H
#define HS_SERVER_STATUS_H

#include "base/buf.h"
#include "server/oversight.h"
#include "server/times.h"

/* Logs in one line what is served, and where. */
void hs_status_announce(const struct hs_oversight *o, const char *path);
/* One JSON object and an end of line. 0, ENOMEM, EMSGSIZE. */
int hs_status_json(const struct hs_oversight *o, struct hs_buf *out);
/* A name and a value on each line. Errors as above. */
int hs_status_text(const struct hs_oversight *o, struct hs_buf *out);
/* A list of requests (session_list.h), all of it: a JSON array and an end of line. Errors as above. */
int hs_status_sessions_json(struct hs_view list, struct hs_buf *out);

enum { HS_STATUS_LIVE_SESSIONS = 200 };
/* What the live page is told each second, one JSON object in one line: the same object, but the time that requests took is that of recent ones alone (those of
 * all when recent is NULL), without its histogram; and the oldest HS_STATUS_LIVE_SESSIONS requests of a list. Errors as above. */
int hs_status_live(const struct hs_oversight *o, const struct hs_times *recent, struct hs_view sessions, struct hs_buf *out);

#endif
