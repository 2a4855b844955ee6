/* admin_events.h - the live page's stream of events: once a second what a server does, to each browser that looks on (server-sent events).
 * Each stream is a channel that the session's pump drains at the client's pace: one that does not read misses events, and is cut off by the write time-out.
 * The thread of the loop. */
#ifndef HS_SERVER_ADMIN_EVENTS_H
#define HS_SERVER_ADMIN_EVENTS_H

#include "io/loop.h"
#include "modules/listeners/httpsrv.h"
#include "server/oversight.h"

enum {
    HS_ADMIN_STREAMS_MAX = 32,
    HS_ADMIN_EVENT_MAX = 1024 * 1024,
    HS_ADMIN_UNREAD_MAX = 128 * 1024, /* a stream with more than this unread gets no further event */
};

struct hs_admin_events;

/* o stays as long. 0; ENOMEM. */
int hs_admin_events_new(struct hs_loop *loop, const struct hs_oversight *o, struct hs_admin_events **out);
/* Ends all streams: the sessions end when they have been told. NULL is ignored. */
void hs_admin_events_free(struct hs_admin_events *ev);
/* Has a session's response be the stream from now on. 0; EBUSY: there are HS_ADMIN_STREAMS_MAX, or shall be none; ENOMEM; errors of ec_httpsrv_response_io. */
int hs_admin_events_add(struct hs_admin_events *ev, ec_httpsrv_session *sess);
/* Ends all streams, and there shall be no more: add gives EBUSY. */
void hs_admin_events_end(struct hs_admin_events *ev);

#endif
