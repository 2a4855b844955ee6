/* session.h - the session as the floors above see it: dispatch starts it, a binding attaches itself to it and waits on it.
 * A session is reference counted; the request it stands for can end before the struct does. Loop thread only. */
#ifndef HS_SESSION_SESSION_H
#define HS_SESSION_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/view.h"
#include "http/forwarded.h"
#include "http/request.h"
#include "http/stream.h"
#include "io/loop.h"
#include "modules/listeners/httpsrv.h"

/* What may differ by route; held by the registration, pointed to by the session. */
struct hs_route_options {
    int64_t max_body;      /* bytes; -1: no limit for streaming reads; INT64_MIN: the server's default */
    int64_t handler_timeout; /* ns; 0: the server's default; -1: none */
    bool half_close_allowed; /* a FIN while suspended does not abort (client_half_close = "allow") */
    bool abort_continue;     /* on_abort = "continue": the handler runs to its end, output discarded */
    bool encoded_slash;      /* %2F and %5C are allowed in the path, kept encoded */
};

/* Limits and time-outs of a server; the same for all its sessions; may be replaced between requests. */
struct hs_limits {
    int64_t handler_timeout;      /* ns for a handler that has suspended, where its route says nothing; 0, -1: none */
    int64_t max_body;             /* 16 MiB */
    size_t body_memory;           /* 1 MiB: a spooled body goes to a file past this */
    size_t body_ahead;            /* 64 KiB read ahead of the handler */
    size_t response_high;         /* unsent bytes past which append waits and sources are not read */
    size_t response_low;          /* below it they go on */
    size_t response_buffer_max;   /* 16 MiB: most that an immediate response_io may hold */
    size_t turn_bytes;            /* most that one session may send in one loop turn */
};

/* --- the worker's side --- */
/* Everything the sessions of one loop share: free lists, the current one, the index by serial, limits. */
struct hs_session_env;
/* Upcalls to dispatch. */
struct hs_session_app {
    /* Finds the route of a new session and sets it (hs_session_set_route) or answers by itself; then calls the handler.
     * Returns what the handler returned: EC_HTTPSRV_HANDLER_DONE or _ASYNC. */
    int (*begin)(void *arg, ec_httpsrv_session *sess);
    /* Calls the handler again, after a resume(…, 0) or an armed wake-up. */
    int (*again)(void *arg, ec_httpsrv_session *sess);
    /* The request is over: log and count. */
    void (*ended)(void *arg, ec_httpsrv_session *sess);
};
/* A loop may have several (the server's, and that of its admin listener): the first one made is the thread's current one. 0, ENOMEM. */
int hs_session_env_new(struct hs_loop *loop, const struct hs_limits *limits, const struct hs_session_app *app, void *arg,
                       struct hs_session_env **out);
void hs_session_env_free(struct hs_session_env *env); /* all sessions have ended */
/* What protocol drivers are made with; their arg is the env. */
extern const struct hs_stream_user hs_session_stream_user;
/* The environment of this thread's loop, NULL in a thread without. */
struct hs_session_env *hs_session_env_current(void);
void hs_limits_default(struct hs_limits *l);
/* Other limits from now on; what has begun may still go by the former. */
void hs_session_env_set_limits(struct hs_session_env *env, const struct hs_limits *limits);
/* Peers in trusted, which stays the caller's, are believed when they say in that field for whom they ask, and which id the request has. NULL: nobody
 * is (the default). */
void hs_session_env_set_trust(struct hs_session_env *env, const struct hs_cidr_list *trusted, enum hs_forwarded_field field);
/* named: somebody will ask for the id of most requests, so errors are logged with theirs; sent: each response has it as X-Request-Id. */
void hs_session_env_set_request_ids(struct hs_session_env *env, bool named, bool sent);
/* Live sessions (their request has not ended). */
size_t hs_session_env_live(const struct hs_session_env *env);
/* Handlers that are suspended, those included whose client is gone and who have not noticed yet. */
size_t hs_session_env_suspended(const struct hs_session_env *env);
/* Calls fn for those that have outlived their handler's first run, oldest first, at most max; fn must change nothing. */
void hs_session_env_each(struct hs_session_env *env, size_t max, void (*fn)(void *arg, ec_httpsrv_session *sess), void *arg);
/* Ends the requests of those that which() picks as if their time were over: 503 where the head is not out, else an abort; their handlers are told as of
 * any abort. Returns how many. From the loop, not from within a session's handler or callback. */
size_t hs_session_env_refuse(struct hs_session_env *env, bool (*which)(void *arg, ec_httpsrv_session *sess), void *arg);

/* Frees the handlers in pools that wait for this loop, which will turn no more, and has their calls fail. Before hs_pools_stop. */
void hs_session_env_shut_runs(struct hs_session_env *env);

/* --- dispatch's side --- */
struct hs_pool;
/* Has handler called in a thread of pool, with a session of its own whose functions are made on this one, in the loop; the request ends when it
 * returns. Called while the session's handler is to run (begin, again), not a second time; it suspends the session, ASYNC is then to be
 * returned. 0; EAGAIN (the queue is full), ENOMEM. */
int hs_session_run_in_pool(ec_httpsrv_session *sess, struct hs_pool *pool, ec_httpsrv_handler_func handler);
const struct hs_request *hs_session_request(ec_httpsrv_session *sess);
/* The normalised path (NUL-terminated) when dispatch has set it. */
struct hs_view hs_session_path(ec_httpsrv_session *sess);
int hs_session_set_path(ec_httpsrv_session *sess, const char *path, size_t len); /* copies to the arena unless path lies in the request's own bytes */
/* closure: what service_ctx_get gives, kept by the route; route: dispatch's own pointer, kept with the session; base_len: length of the matched
 * base path; on_route_release(route) is called when the request has ended (NULL: nothing), until which options and closure must stay. */
/* Returns 0, or EMSGSIZE when the request's Content-Length is above the route's limit: the route has been set, its handler must not be
 * called, 413 is the answer. */
int hs_session_set_route(ec_httpsrv_session *sess, void *route, const struct hs_route_options *options, ec_blobject *closure, size_t base_len,
                         void (*on_route_release)(void *route));
/* Puts another route in the place of the one that there may be, which is released: from now on the request is that one's. The limit of
 * the body stays where options names none. */
void hs_session_change_route(ec_httpsrv_session *sess, void *route, const struct hs_route_options *options, ec_blobject *closure,
                             size_t base_len, void (*on_route_release)(void *route));
void *hs_session_route(ec_httpsrv_session *sess);
/* As ec_httpsrv_service_ctx_get, without a reference: borrowed until the request ends. */
ec_blobject *hs_session_closure(ec_httpsrv_session *sess);
/* Dispatch's own, while an auth handler decides; else NULL. A session with one that is resumed is always dispatched again. */
void hs_session_set_guard(ec_httpsrv_session *sess, void *guard);
void *hs_session_guard(ec_httpsrv_session *sess);
/* Another handler takes over within the same run: what the one before has armed, and its on_abort, are forgotten. 0; EBUSY: it has suspended the
 * session. */
int hs_session_hand_over(ec_httpsrv_session *sess);
/* Zeroed memory of the request's own; NULL: there is none. */
void *hs_session_alloc(ec_httpsrv_session *sess, size_t n);
/* Whether a body function has been called. */
bool hs_session_body_called(ec_httpsrv_session *sess);

/* The client's address without its port, as text, as far as it can be trusted; "unix:" for a unix socket. Empty: not known. Borrowed until the
 * request ends; still there when that is told (hs_session_app.ended). */
struct hs_view hs_session_client_text(ec_httpsrv_session *sess);
/* The request's id, where it has been asked for, or where errors are logged with it (hs_session_env_set_request_ids); else NULL. */
const char *hs_session_named_id(ec_httpsrv_session *sess);

/* Response state as set so far (after the end: as sent). */
int hs_session_status(ec_httpsrv_session *sess);
bool hs_session_head_sent(ec_httpsrv_session *sess);
int64_t hs_session_started(ec_httpsrv_session *sess); /* hs_loop_now at the request's head */
bool hs_session_is_kept(ec_httpsrv_session *sess); /* it has outlived its handler's first run */
bool hs_session_is_cut(ec_httpsrv_session *sess);  /* the client did not get all of the response */
const char *hs_session_response_header(ec_httpsrv_session *sess, const char *name); /* value or NULL */
/* Drops everything the response has so far (status 200, no fields, no body). EBADF once the head is sent. */
int hs_session_response_reset(ec_httpsrv_session *sess);
/* The same but for the fields that go with an error's status, whatever its body: Allow, Retry-After, WWW-Authenticate. */
int hs_session_response_restart(ec_httpsrv_session *sess);
/* The response cannot be completed: when the head is not out yet 500 (or status) replaces it, else the connection or stream is aborted. */
void hs_session_fail(ec_httpsrv_session *sess, int status);

/* --- a binding's side --- */
/* Serial: identifies a session for ever, never reused, fits a double. */
uint64_t hs_session_serial(ec_httpsrv_session *sess);
/* The live session of that serial, NULL when its request has ended. Borrowed. Cheapest for the session whose handler runs now. */
ec_httpsrv_session *hs_session_by_serial(struct hs_session_env *env, uint64_t serial);
/* The serial as the number that scripts get. */
double hs_session_handle(ec_httpsrv_session *sess);
/* The same as by_serial for such a number, which may be any, among the sessions of this thread's loop. */
ec_httpsrv_session *hs_session_by_handle(double handle);

/* Where the code of a handler stands, for people who look on. */
struct hs_session_where {
    char place[160]; /* "file.lua:12" */
    char call[48];   /* what it has called there: "sleep"; "" when that is not known */
};
/* What a live session is doing: "running", "waiting" (its handler is suspended) or "sending" (its handler has ended). */
const char *hs_session_doing(ec_httpsrv_session *sess);
/* Where, as far as its binding knows: else false, and w is empty. From the loop, with no code of a handler running. */
bool hs_session_find_where(ec_httpsrv_session *sess, struct hs_session_where *w);

/* One attachment per session. aborted: the client is gone or a time-out struck (at most once, from the loop, never from within a session function);
 * the handler has not ended. ended: the request is over, last call; sess's getters still work inside it. */
struct hs_session_binding {
    void (*aborted)(ec_httpsrv_session *sess, void *data, int err); /* err: ECONNABORTED, ETIMEDOUT */
    void (*ended)(ec_httpsrv_session *sess, void *data);
    /* Says where the code stands that works for the session; false: not known. NULL: never. */
    bool (*where)(ec_httpsrv_session *sess, void *data, struct hs_session_where *w);
};
void hs_session_bind(ec_httpsrv_session *sess, const struct hs_session_binding *ops, void *data);
void *hs_session_binding_data(ec_httpsrv_session *sess);

/* Waiting for what gave EAGAIN. The waiter is the caller's, in no list when fn is called (once, on the loop, never from within a session function).
 * err 0: try again; ECONNABORTED when the request was aborted; EBADF when it ended. Several may wait. */
enum hs_session_wait_for {
    HS_WAIT_BODY,    /* the request body is complete (get_string, spool) or failed */
    HS_WAIT_ROOM,    /* unsent output is below the low mark */
    HS_WAIT_FLUSHED, /* nothing is unsent */
};
struct hs_session_waiter {
    TAILQ_ENTRY(hs_session_waiter) link;
    void (*fn)(void *arg, int err);
    void *arg;
    enum hs_session_wait_for what;
    int err;     /* what fn will be told */
    bool queued; /* in the session's list */
    bool ready;  /* fn will be called in the next turn */
};
void hs_session_wait(ec_httpsrv_session *sess, enum hs_session_wait_for what, struct hs_session_waiter *w);
void hs_session_wait_cancel(ec_httpsrv_session *sess, struct hs_session_waiter *w);
/* False past the high mark: an append should wait for HS_WAIT_ROOM. */
bool hs_session_has_room(ec_httpsrv_session *sess);
/* Wakes are disarmed / armed by the session functions themselves for C handlers; a binding that waits by itself turns that off. */
void hs_session_set_self_waiting(ec_httpsrv_session *sess, bool on);

/* Lua-shaped access without NUL-terminated copies: views valid until the next loop turn at most. */
struct hs_view hs_session_method_view(ec_httpsrv_session *sess);
/* First matching field's value when it occurs once (0), ENOENT, or E2BIG when it is repeated (use ec_httpsrv_request_header_get). */
int hs_session_header_view(ec_httpsrv_session *sess, struct hs_view name, struct hs_view *value);
/* The same contract as header_set/_add with lengths. */
/* Appends when that is all there is to do: 0. EAGAIN, and nothing was done: ec_httpsrv_response_append says why, or the pump is to run. Calls nothing
 * but the allocator. */
int hs_session_append_now(ec_httpsrv_session *sess, const char *p, size_t n);
int hs_session_header_put(ec_httpsrv_session *sess, struct hs_view name, struct hs_view value, bool replace);
int hs_session_status_put(ec_httpsrv_session *sess, int code, struct hs_view message, struct hs_view mimetype);
/* As after response_status_set_std: where no body function is called the message is the body (mimetype unset or text/...). */
void hs_session_set_message_body(ec_httpsrv_session *sess, bool on);
/* The whole body as one run, once complete: as ec_httpsrv_request_data_get_string without making a string. */
int hs_session_body_view(ec_httpsrv_session *sess, struct hs_view *body);
/* Replaces the payload (as response_string) from bytes; content_type where none was set. */
int hs_session_payload_put(ec_httpsrv_session *sess, struct hs_view bytes, struct hs_view content_type);

#endif
