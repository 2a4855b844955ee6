/* admin_events.c - the live page's stream of events.
 * Nothing is asked or written while nobody looks on. An event is made once for all streams; what requests are under way is asked after each event, for the
 * next one, so that no event ever waits for a worker. */
#include "server/admin_events.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "io/io.h"
#include "server/session_list.h"
#include "server/status.h"

#define PERIOD HS_SEC

struct stream {
    LIST_ENTRY(stream) link;
    struct hs_admin_events *ev;
    struct hs_channel *channel;
};

struct hs_admin_events {
    struct hs_loop *loop;
    const struct hs_oversight *o;
    LIST_HEAD(, stream) streams;
    size_t n;
    struct hs_timer timer;
    struct hs_session_query query;
    struct hs_buf sessions; /* the last answer */
    struct hs_times last;   /* as of the last event */
    bool has_last;
    bool ended; /* no stream is begun any more */
};

/* --- streams --- */

static void
drop(struct stream *s)
{
    LIST_REMOVE(s, link);
    s->ev->n--;
    hs_channel_free(s->channel);
    free(s);
}

static void
drop_all(struct hs_admin_events *ev)
{
    while (!LIST_EMPTY(&ev->streams)) {
        drop(LIST_FIRST(&ev->streams));
    }
}

/* The response is over, for whatever reason. */
static void
on_closed(void *arg)
{
    drop(arg);
}

/* --- events --- */

static void
on_sessions(void *arg, struct hs_view list)
{
    struct hs_admin_events *ev = arg;

    hs_buf_clear(&ev->sessions);
    (void)hs_buf_append_view(&ev->sessions, list); /* else the page shows none for a second */
}

static void
ask(struct hs_admin_events *ev)
{
    if (!ev->query.pending) {
        ev->o->ops->ask_sessions(ev->o->arg, &ev->query);
    }
}

/* "data: {…}" and an empty line. 0, ENOMEM, EMSGSIZE. */
static int
make_event(struct hs_admin_events *ev, bool recent, struct hs_buf *out)
{
    struct hs_times now, since;

    ev->o->ops->refresh(ev->o->arg);
    int err = hs_buf_append(out, "data: ", 6);
    if (recent) {
        hs_times_gather(ev->o->page, &now);
        since = now;
        hs_times_subtract(&since, &ev->last);
        ev->last = now;
    }
    err = err != 0 ? err : hs_status_live(ev->o, recent ? &since : NULL, hs_buf_peek(&ev->sessions), out);
    return err != 0 ? err : hs_buf_append_char(out, '\n');
}

/* To all who have read what came before. */
static void
send_all(struct hs_admin_events *ev, struct hs_view event)
{
    struct stream *s, *next;

    for (s = LIST_FIRST(&ev->streams); s != NULL; s = next) {
        next = LIST_NEXT(s, link);
        if (hs_channel_queued(s->channel) < HS_ADMIN_UNREAD_MAX) {
            (void)hs_channel_write(s->channel, event.p, event.n); /* without memory this one is missed */
        }
    }
}

static void
on_tick(void *arg)
{
    struct hs_admin_events *ev = arg;
    struct hs_buf b;

    if (ev->n == 0) {
        hs_buf_clear(&ev->sessions);
        ev->has_last = false;
        return;
    }
    hs_buf_init(&b, HS_ADMIN_EVENT_MAX);
    int err = make_event(ev, true, &b);
    if (err == 0) {
        send_all(ev, hs_buf_peek(&b));
    } else {
        hs_log(HS_LOG_WARN, "admin: an event is left out: %s", strerror(err));
    }
    hs_buf_fini(&b);
    ask(ev);
    if (hs_timer_set(&ev->timer, PERIOD) != 0) {
        hs_log(HS_LOG_ERROR, "admin: out of memory: the streams of events end");
        drop_all(ev);
    }
}

/* The first event, which tells how everything stands. */
static int
begin(struct hs_admin_events *ev, struct stream *s)
{
    struct hs_buf b;

    if (!ev->has_last) {
        hs_times_gather(ev->o->page, &ev->last);
        ev->has_last = true;
    }
    hs_buf_init(&b, HS_ADMIN_EVENT_MAX);
    int err = hs_buf_append(&b, "retry: 2000\n", 12);
    err = err != 0 ? err : make_event(ev, false, &b);
    err = err != 0 ? err : hs_channel_write(s->channel, b.p, b.len);
    hs_buf_fini(&b);
    if (err == 0 && !hs_timer_pending(&ev->timer)) {
        err = hs_timer_set(&ev->timer, PERIOD);
    }
    return err;
}

int
hs_admin_events_add(struct hs_admin_events *ev, ec_httpsrv_session *sess)
{
    static const struct hs_channel_events events = { .closed = on_closed };

    if (ev->ended || ev->n >= HS_ADMIN_STREAMS_MAX) {
        return EBUSY;
    }
    struct stream *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return ENOMEM;
    }
    s->ev = ev;
    int err = hs_channel_new(HS_ADMIN_UNREAD_MAX, 0, &events, s, &s->channel);
    if (err != 0) {
        free(s);
        return err;
    }
    LIST_INSERT_HEAD(&ev->streams, s, link);
    ev->n++;
    err = begin(ev, s);
    io_object *reader = err == 0 ? hs_channel_reader(s->channel) : NULL;
    if (reader == NULL) {
        drop(s);
        return err != 0 ? err : ENOMEM;
    }
    err = ec_httpsrv_response_io(sess, reader, 0);
    io_wrapper_delref(reader); /* the last one when it failed: the stream is gone then */
    if (err == 0) {
        ask(ev);
    }
    return err;
}

void
hs_admin_events_end(struct hs_admin_events *ev)
{
    struct stream *s, *next;

    ev->ended = true;
    hs_timer_cancel(&ev->timer);
    for (s = LIST_FIRST(&ev->streams); s != NULL; s = next) { /* each goes when its client has read it */
        next = LIST_NEXT(s, link);
        hs_channel_end(s->channel, 0, false);
    }
}

/* --- life --- */

int
hs_admin_events_new(struct hs_loop *loop, const struct hs_oversight *o, struct hs_admin_events **out)
{
    struct hs_admin_events *ev = calloc(1, sizeof *ev);

    if (ev == NULL) {
        return ENOMEM;
    }
    ev->loop = loop;
    ev->o = o;
    ev->query = (struct hs_session_query){ .done = on_sessions, .arg = ev };
    LIST_INIT(&ev->streams);
    hs_buf_init(&ev->sessions, HS_SESSION_LIST_BYTES);
    hs_timer_init(&ev->timer, loop, on_tick, ev);
    *out = ev;
    return 0;
}

void
hs_admin_events_free(struct hs_admin_events *ev)
{
    if (ev == NULL) {
        return;
    }
    ev->o->ops->cancel_sessions(ev->o->arg, &ev->query);
    hs_timer_cancel(&ev->timer);
    drop_all(ev);
    hs_buf_fini(&ev->sessions);
    free(ev);
}
