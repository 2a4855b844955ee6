/* session_int.h - what the files of the session floor share.
 *   env.c       the sessions of one loop: free list, index by serial, upcalls from the protocols
 *   session.c   life of a session: handler, suspend and resume, abort, end, waiters
 *   request.c   what the request said
 *   client.c    who asks, and what the request is called
 *   body.c      the request's content
 *   response.c  status, fields, what is appended
 *   ready_head.c  the statuses and content types that are set over and over
 *   segments.c  the queue of what the content is made of
 *   pump.c      its way to the client
 *   remote.c    handlers in threads of pools
 *
 *   RUNNING --handler returned ASYNC--> SUSPENDED --resumed--> RUNNING
 *      |                                    |
 *      `------------handler ended-----------+--> SENDING --all given to the protocol--> ENDED
 *
 * An abort takes the stream away (st is NULL) in whatever state; the session then only waits for its handler to end.
 * References: one for the request (dropped by session_end; by user_begin of one that ends within it), one while suspended, one for each armed
 * callback. */
#ifndef HS_SESSION_SESSION_INT_H
#define HS_SESSION_SESSION_INT_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/short.h"
#include "http/stream.h"
#include "io/io.h"
#include "session/session.h"

enum {
    SESSION_ARENA_MAX = 64 * 1024 * 1024, /* header fields and strings of one request */
    SESSION_FREE_MAX = 1024,              /* structs kept for reuse */
    SESSION_FIELDS = 4,                   /* room for so many at first */
    SEGMENT_SMALL = 4 * 1024 - 64,        /* first block of a response */
    SEGMENT_LARGE = 64 * 1024 - 64,
    SEGMENT_FREE_MAX = 256, /* blocks of each size kept for reuse */
    PUMP_SCRATCH = 64 * 1024,
    WINDOW_MAX = 2 * 1024 * 1024,
};

/* REMOTE: a face of one, given to a thread of a pool (remote.c). It stands last, so that one comparison tells it and ENDED from the others. */
enum session_state { SESSION_RUNNING, SESSION_SUSPENDED, SESSION_SENDING, SESSION_ENDED, SESSION_REMOTE };

/* Part of the response's content, in the order added. */
struct segment {
    TAILQ_ENTRY(segment) link;
    io_object *io;     /* claimed and referenced; NULL: bytes */
    off_t left;        /* io: bytes promised by the response's length, -1: to its end */
    bool no_window;    /* io: no sendfile */
    bool no_peek;
    bool sized;        /* io: left has been looked at */
    uint32_t off, len; /* bytes: off..len of data are unsent */
    uint32_t cap;
    char data[];
};
TAILQ_HEAD(segments, segment);

enum body_mode { BODY_UNREAD, BODY_COLLECT, BODY_STREAM, BODY_SPOOL };

struct session_body {
    enum body_mode mode;
    bool expected; /* the request has content */
    bool complete; /* nothing more will come; see err */
    bool reader_waiting; /* a reader of the channel has a wake-up armed */
    bool collecting;     /* BODY_STREAM: somebody waits for all of it */
    int err;       /* 0, EMSGSIZE, ECONNABORTED, EPROTO, ETIMEDOUT, ENOSPC, ENOMEM */
    unsigned ntrailers;
    uint64_t got;
    int64_t max;              /* -1: none */
    struct hs_view lent;      /* BODY_COLLECT, while the handler runs for the first time: all of it, where the protocol has read it */
    struct hs_buf collected;  /* BODY_COLLECT, and what get_string gives */
    struct hs_channel *channel;
    io_object *spool, *unspool; /* unspool: while it is being read back into memory */
    string *str;              /* get_string's, made once */
    const struct hs_field *trailers;
    const char *trailers_base;
};

struct cached_string {
    struct cached_string *next;
    const char *name;
    const char *value;
};

/* Where a suspended handler stands. Changed by resume from any thread. */
enum suspend_state { NOT_SUSPENDED, IS_SUSPENDED, RESUME_AGAIN, RESUME_FINISHED };

struct _ec_httpsrv_session {
    /* set in every new session */
    _Atomic int refs;
    _Atomic int suspend; /* enum suspend_state */
    enum session_state state;
    int status;
    struct hs_session_env *env;
    struct hs_stream *st; /* NULL once the exchange is over */
    uint64_t serial;
    struct hs_request req;
    int64_t started;
    struct hs_peer *who; /* until the request has ended; a reference once it has outlived its begin. NULL: not noted */
    int64_t script_length; /* a Content-Length of the script's, -1 none */
    int64_t length_left;   /* content that the head has promised and that is not sent yet; -1 no promise */
    struct segments segments;
    TAILQ_HEAD(, hs_session_waiter) waiters;
    TAILQ_ENTRY(_ec_httpsrv_session) retained_link; /* while hashed */

    /* zeroed in every new session */
    struct {
    } zero_begin;
    struct session_body body; /* body_init */
    bool hashed, retained, in_begin, aborted, discard, self_waiting, peer_fin, tell_abort;
    bool head_sent, final, no_content, body_called, message_is_body, flush_wanted, pumping, pump_again, waiting_writable, failed;
    bool script_close, script_date;
    bool head_waited; /* the head has waited a turn for the io at the front */
    bool fired;       /* what was armed came while the handler was still running */
    bool pinned_gone; /* pinned has left the queue meanwhile */
    bool cut;         /* the response could not be sent to its end */
    unsigned armed; /* 1 << enum hs_session_wait_for, and ARMED_IO: resume the C handler when it comes */
    int abort_err;
    struct hs_view path;
    const char *method_c;
    struct cached_string *strings;
    ec_url_details *url;
    const char *username;
    ec_sockaddr *peer, *local, *client;
    const char *request_id; /* NULL: nobody has asked for it */
    void *route;
    void *guard;
    const struct hs_route_options *options;
    void (*route_release)(void *route);
    ec_blobject *closure, *ctx;
    size_t base_len;
    struct hs_view reason;
    const struct hs_head_start *start; /* status, reason and the first field as text, while they are what a ready head holds */
    const struct hs_out_field *fields;
    unsigned nfields, fields_cap; /* fields_cap 0: there are none, or the one of a ready head */
    size_t queued; /* bytes in byte segments */
    uint64_t body_sent; /* body bytes handed to the transport */
    int64_t head_at; /* loop time: the head was given to the protocol; 0 before, and where that was the end of the request as well */
    struct segment *pinned; /* the pump is inside its io */
    io_object *io_waited;   /* the front io, a wake-up is armed */
    io_object *armed_io;    /* the one that has said EAGAIN to the C handler */
    struct hs_timer *handler_timer; /* runs while the handler of a route with a handler_timeout is suspended; few have one */
    void (*on_abort)(ec_httpsrv_session *sess, void *arg);
    const struct hs_session_binding *binding;
    struct {
    } zero_end;

    /* valid from one request to the next, or set together with what says that they are */
    struct hs_arena arena;
    struct _ec_httpsrv_session *hash_next;
    struct hs_deferred pump_later;
    struct hs_deferred wake_later; /* waiters that are ready, aborts to be told */
    union { /* one resume can be under way at a time, and the end of the last reference only when there is none */
        struct hs_deferred resume_later;
        struct hs_post resume_post;
    };
    void *on_abort_arg;
    void *binding_data;
};

enum { ARMED_IO = 1 << 8 };

enum { READY_HEADS = 64, READY_MESSAGE_MAX = 40, READY_TYPE_MAX = 72 };

/* A status with its message and content type, found to be good and written once. */
struct ready_head {
    int status;
    unsigned message_len, type_len;
    struct hs_view reason; /* as in the session: n == 0 for the standard phrase */
    struct hs_out_field field; /* Content-Type; its value lies in type */
    struct hs_head_start start;
    char message[READY_MESSAGE_MAX + 1];
    char type[READY_TYPE_MAX + 1];
};

struct hs_session_env {
    struct hs_loop *loop;
    struct hs_limits limits;
    const struct hs_session_app *app;
    void *app_arg;
    uint64_t next_serial;
    ec_httpsrv_session *current; /* last one looked up or begun; not referenced */
    double current_handle;       /* its serial; 0: none */
    ec_httpsrv_session *beginning; /* its handler runs for the first time: not indexed yet */
    ec_httpsrv_session *free;    /* by hash_next */
    unsigned nfree;
    TAILQ_HEAD(, _ec_httpsrv_session) retained; /* all live ones but for the one that is beginning */
    size_t nlive, nsuspended;
    ec_httpsrv_session **buckets;
    size_t nbuckets, nhashed;
    struct ready_head *ready[READY_HEADS]; /* by ready_head_slot; each stays as long as the env, since responses point into it */
    struct segment *small, *large; /* free blocks, by their links' next */
    unsigned nsmall, nlarge;
    char *scratch; /* PUMP_SCRATCH */
    const struct hs_cidr_list *trusted; /* NULL: nobody is */
    enum hs_forwarded_field forwarded;
    bool ids_named, ids_sent;
    unsigned char random[4096]; /* for request ids; random_left of it are unused */
    unsigned random_left;
    LIST_HEAD(, remote_run) runs; /* handlers in threads of pools */
};

/* --- env.c --- */
ec_httpsrv_session *session_new(struct hs_session_env *env, struct hs_stream *st, const struct hs_request *req);
/* Makes the session findable by serial and copies what it still needs of the protocol's buffers. 0 or ENOMEM. */
int session_retain(ec_httpsrv_session *s);
void session_unindex(ec_httpsrv_session *s);
/* The last reference has gone, on the loop's thread: the struct goes back to the free list. */
void session_recycle(void *sess);

/* Drops a reference; true: it was the last. */
static inline bool
session_unref(ec_httpsrv_session *s)
{
    /* The last holder needs no atomic change: nobody is left to see it. */
    return atomic_load_explicit(&s->refs, memory_order_acquire) == 1 || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1;
}

/* As ec_httpsrv_session_delref, for calls that are made on the loop's thread. */
static inline void
session_delref(ec_httpsrv_session *s)
{
    if (session_unref(s)) {
        session_recycle(s);
    }
}

/* A response without content (RFC 9110 9.3.2, 15.3.5, 15.3.6, 15.4.5). */
static inline bool
session_is_bodiless(const ec_httpsrv_session *s)
{
    return s->req.method_id == HS_METHOD_HEAD || s->status == 204 || s->status == 205 || s->status == 304;
}

/* --- session.c --- */
/* 0 while the response can be changed: EBADF, ECONNABORTED; EREMOTE of a face, whose call is to be made by session_remote. */
int session_check(const ec_httpsrv_session *s);
/* The handler has returned rc: to be waited for, or over. */
void session_returned(ec_httpsrv_session *s, int rc);
/* Whether a FIN of the client's now ends the request: its handler is suspended and the route does not allow it. */
bool session_gives_up(const ec_httpsrv_session *s);
/* The client is gone (or cannot be served further): takes the stream away; the handler, if it still runs, is told from the loop. */
void session_abort(ec_httpsrv_session *s, int err);
/* The protocol refuses the rest of the request. */
void session_refuse(ec_httpsrv_session *s, int status, int err);
void session_end(ec_httpsrv_session *s);
/* Logs an error with the request that it is about: its method and path, and its id where errors are logged with that. */
void session_complain(ec_httpsrv_session *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Wakes all who wait for what; err as their fn gets it. */
void session_wake(ec_httpsrv_session *s, enum hs_session_wait_for what, int err);
/* A function is about to give EAGAIN: the C handler is to be resumed when what comes. */
void session_arm(ec_httpsrv_session *s, enum hs_session_wait_for what);
/* The same for an io that has said EAGAIN. EAGAIN, or EBUSY or ENOMEM when there will be no waking. */
int session_arm_io(ec_httpsrv_session *s, io_object *io);
/* Cancels that; there must be one. */
void session_disarm_io(ec_httpsrv_session *s);
/* Something armed has come. */
void session_fire(ec_httpsrv_session *s, unsigned bit);

/* --- client.c --- */
/* Adds the request's id to the response, where the handler has not set one. To be called before the head goes, where env->ids_sent. */
void session_add_request_id(ec_httpsrv_session *s);

/* --- body.c --- */
void body_init(ec_httpsrv_session *s);
void body_fini(ec_httpsrv_session *s);
/* Copies what the protocol has lent, if it has; without memory for it the content is lost, and who asks for it again is told. */
void body_keep(ec_httpsrv_session *s);
size_t body_space(void *sess, char **p);
void body_data(void *sess, const char *p, size_t n);
void body_end(void *sess, int err, struct hs_view raw, const struct hs_field *fields, unsigned n);

/* --- pump.c --- */
void pump(ec_httpsrv_session *s);
/* The handler has ended and its content is one small run of bytes: all of it in one call. False: it is not so, pump. */
bool pump_whole(ec_httpsrv_session *s);
/* Lets the pump run in the next turn. */
void pump_soon(ec_httpsrv_session *s);
void pump_on_writable(void *sess);
/* Somebody has begun to wait for room or for everything to be sent. */
void pump_watch_output(ec_httpsrv_session *s);

/* --- segments.c --- */
/* A block of at least want bytes (those kept for reuse first); first: it may be a small one. NULL: no memory. */
struct segment *segment_new(struct hs_session_env *env, size_t want, bool first);
void segment_free(struct hs_session_env *env, struct segment *g);
/* Takes the first segment out and frees it, or leaves it to the pump that has pinned it. */
void segments_pop(ec_httpsrv_session *s);
/* Cancels the wake-up on the front io. */
void segments_unwait(ec_httpsrv_session *s);
/* Drops all segments unsent. */
void segments_drop(ec_httpsrv_session *s);
/* The same for one small block of bytes and nothing else, as most responses have it. False: it is not so, nothing was done. */
static inline bool
segments_drop_small(ec_httpsrv_session *s)
{
    struct segment *g = TAILQ_FIRST(&s->segments);
    struct hs_session_env *env = s->env;

    if (!g || g->io || g->cap != SEGMENT_SMALL || TAILQ_NEXT(g, link) || g == s->pinned || env->nsmall == SEGMENT_FREE_MAX) {
        return false;
    }
    TAILQ_INIT(&s->segments);
    s->queued = 0;
    TAILQ_NEXT(g, link) = env->small;
    env->small = g;
    env->nsmall++;
    return true;
}
/* Appends a copy of bytes. 0, ENOMEM. */
int segments_append(ec_httpsrv_session *s, const void *p, size_t n);
/* Appends an io: claims and references it. 0, EBUSY, EBADF, ENOMEM. */
int segments_append_io(ec_httpsrv_session *s, io_object *io);
void segments_env_fini(struct hs_session_env *env);

/* --- ready_head.c --- */
/* Which of the env's places a status may have. type is not empty. */
static inline unsigned
ready_head_slot(int status, struct hs_view message, struct hs_view type)
{
    unsigned last = (unsigned char)type.p[type.n - 1];

    return ((unsigned)status + (unsigned)message.n + (unsigned)type.n * 5 + last) % READY_HEADS;
}

static inline bool
ready_head_matches(const struct ready_head *r, int status, struct hs_view message, struct hs_view type)
{
    return r->status == status && r->message_len == message.n && r->type_len == type.n &&
           hs_short_equal(r->message, message.p, message.n) && hs_short_equal(r->type, type.p, type.n);
}

/* Keeps a status that has been checked, where its place is free and it is short. reason: as the session keeps it. */
void ready_head_keep(struct hs_session_env *env, int status, struct hs_view message, struct hs_view type, bool standard);
void ready_heads_fini(struct hs_session_env *env);

/* --- response.c --- */
/* Adds a field that is known to be good, copied. 0, ENOMEM. */
int response_add_field(ec_httpsrv_session *s, struct hs_view name, struct hs_view value, enum hs_field_id id);
/* Before the head goes: the status message as content, where nothing else was given. */
void response_default_body(ec_httpsrv_session *s);
/* Everything back to 200 without fields or content. */
void response_clear(ec_httpsrv_session *s);

#endif
