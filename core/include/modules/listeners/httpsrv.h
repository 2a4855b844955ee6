/* httpsrv.h - HTTP sessions: register handlers, read requests, stream responses.
 * Functions return 0 or an errno value: ENOMEM, EINVAL (bad argument), EBADF (the session has finished or is in the wrong
 * state), ECONNABORTED (the client is gone), EAGAIN ("not now": a wake-up has been armed; suspend the session, return
 * EC_HTTPSRV_HANDLER_ASYNC and the handler is called again). Loop thread only unless said otherwise.
 * Borrowed strings stay valid until the request ends. */
#ifndef MODULES_LISTENERS_HTTPSRV_H
#define MODULES_LISTENERS_HTTPSRV_H

#include <stdarg.h>
#include <stddef.h>

#include "ec_thread_pool.h" /* ECTP_CLASS_... */
#include "io_wrapper.h"
#include "misc/ec_blobject.h"
#include "misc/ec_sockaddr.h"
#include "misc/ec_string.h"
#include "misc/ec_url_parse.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct _ec_httpsrv_session ec_httpsrv_session;

/* Documents of json-c and libxml2 (xmlDocPtr): programs that use neither need not have them. */
struct json_object;
struct _xmlDoc;

/* What is known of how a connection was accepted. */
typedef struct _accept_construct {
    const ec_sockaddr *address; /* the listener's, as the connection has it */
    char name[128];             /* the same as text: "127.0.0.1:8080", "unix:/path" */
} accept_construct;

/* What the loop has seen to when the session runs: its connection. */
typedef struct _ec_httpsrv_event {
    int fd; /* of the connection; the core's: not to be read, written or closed. -1: it has none */
    ec_scheduler_inst *inst; /* the loop */
} Event;

enum { EC_HTTPSRV_HANDLER_DONE = 0, EC_HTTPSRV_HANDLER_ASYNC = 1 };

typedef int (*ec_httpsrv_handler_func)(ec_httpsrv_session *sess);

/* Registers handler for a base path, for the generation that the calling thread is building.
 *   instance   NULL, or a virtual host name (compared with the request's host, without port, case-insensitively)
 *   method     NULL: every method; else matched exactly
 *   path       base path: "/foo" and "/foo/" match /foo, /foo/ and all below, never /foobar
 *   job_class  ECTP_CLASS_SHORT_LIVED: called on the event loop. Else a pool's id or class (ec_thread_pool.h): called in a thread of that pool, where it
 *              may block. Each function on its session is made on the loop meanwhile and waited for; where the loop would get EAGAIN it
 *              waits until the call succeeds, and append waits while the client is slow (trailer_next alone says EAGAIN before the body has
 *              been read). What was lent stays until the handler returns, which ends the request: it has to return DONE (else 500), and
 *              suspend and resume give EBADF. Once the client is gone, a time-out has struck or the server is being freed, calls
 *              give ECONNABORTED, and getters NULL with that errno. on_abort is called on the loop. When the queue is full the answer is 503
 *              with Retry-After. Ios of data_get are to be read in the handler's thread. Handlers that wait for a client keep threads; those of IO
 *              also read files for the loop, so such handlers better have a pool of their own
 *   closure    NULL or an object given by service_ctx_get; a reference is taken
 * EINVAL (bad path or method, no generation is being built, unknown job_class), EEXIST (host, method and path registered already), ENOMEM. */
HTTPSRV_API int ec_httpsrv_register(const char *instance, const char *method, const char *path, int job_class, ec_blobject *closure,
                                    ec_httpsrv_handler_func handler);

/* What an auth handler returns. Anything else is a mistake and answered 500.
 *   NOT_AUTHENTICATED  401, with the challenges that the handler has added (ec_httpsrv_response_header_add(sess, "WWW-Authenticate", ...));
 *                      without any it is DENIED, since a 401 must name one
 *   LATER              after ec_httpsrv_session_suspend: it is called again after the resume (whose finished does not matter), or when what gave
 *                      EAGAIN has come
 *   DENIED             403
 *   ALLOWED            the request goes on to its handler; response fields that have been set stay set
 * DENIED and NOT_AUTHENTICATED leave a response alone whose status the handler has set itself (a redirect, a page of its own). */
enum {
    EC_HTTPSRV_AUTH_NOT_AUTHENTICATED = 0, /* EC_HTTPSRV_HANDLER_DONE does not let anybody in */
    EC_HTTPSRV_AUTH_LATER = 1,
    EC_HTTPSRV_AUTH_DENIED = 2,
    EC_HTTPSRV_AUTH_ALLOWED = 3,
};

typedef int (*ec_httpsrv_auth_handler_func)(ec_httpsrv_session *sess);

/* Registers who decides about requests below a base path, as ec_httpsrv_register does for handlers: of all that match host, path and method the one
 * with the longest base path is asked, then one for the named method (GET's for HEAD, where HEAD has none) before one for every method. It is
 * called on the event loop, before the handler and before any answer made without one (404, 405, OPTIONS), and again after each suspension until it has decided. While it
 * runs service_ctx_get gives its closure and path_rest is relative to its path. "OPTIONS *" has no path and is answered without.
 * Errors as ec_httpsrv_register. */
HTTPSRV_API int ec_httpsrv_register_auth(const char *instance, const char *method, const char *path, ec_blobject *closure,
                                         ec_httpsrv_auth_handler_func handler);
/* Ours: the user that an auth handler has found (copied), for username_get and the access log; NULL for none.
 * EINVAL (control characters), ENOMEM, EBADF. */
HTTPSRV_API int ec_httpsrv_request_username_set(ec_httpsrv_session *sess, const char *user);

/* The closure given at registration, with a reference added; NULL when there is none. */
HTTPSRV_API ec_blobject *ec_httpsrv_service_ctx_get(ec_httpsrv_session *sess);
/* Per-request state. get adds a reference; set takes one and drops it when the request ends; NULL clears. */
HTTPSRV_API ec_blobject *ec_httpsrv_ctx_get(ec_httpsrv_session *sess);
HTTPSRV_API void ec_httpsrv_ctx_set(ec_httpsrv_session *sess, ec_blobject *ctx);

/* --- request --- */

/* The method as sent, borrowed until the request ends; NULL once it has. */
HTTPSRV_API const char *ec_httpsrv_request_method_get(ec_httpsrv_session *sess);
/* The parsed target, owned by the session; NULL with errno (ENOMEM, EBADF). path is the normalised one. */
HTTPSRV_API ec_url_details *ec_httpsrv_request_url_get(ec_httpsrv_session *sess);
/* Case-insensitive; repeated fields joined with ", " (Cookie with "; "). ENOENT when absent. */
HTTPSRV_API int ec_httpsrv_request_header_get(ec_httpsrv_session *sess, const char *name, const char **value);
/* Ours: walks all fields in the order sent. *iter is 0 at first; ENOENT at the end. */
HTTPSRV_API int ec_httpsrv_request_header_next(ec_httpsrv_session *sess, size_t *iter, const char **name, const char **value);
/* Ours: the same for trailer fields, there once the body has been read to its end. EAGAIN before that. */
HTTPSRV_API int ec_httpsrv_request_trailer_next(ec_httpsrv_session *sess, size_t *iter, const char **name, const char **value);
/* Media type in lower case without parameters, and the charset parameter or NULL; either pointer may be NULL. ENOENT: no Content-Type. */
HTTPSRV_API int ec_httpsrv_request_content_type_get(ec_httpsrv_session *sess, const char **type, const char **charset);
/* A new io_object on the body (the caller's to delref), transfer coding decoded; all of a session's share one cursor. Reads give EAGAIN until
 * bytes arrive, 0 at the end, ECONNABORTED, EMSGSIZE (past max_body), ETIMEDOUT, EPROTO. Makes the core send 100 Continue. */
HTTPSRV_API int ec_httpsrv_request_data_get(ec_httpsrv_session *sess, io_object **io);
/* The whole body; the session owns *str; can be repeated. EAGAIN until all is there, EMSGSIZE past max_body, EALREADY after a partial streaming read. */
HTTPSRV_API int ec_httpsrv_request_data_get_string(ec_httpsrv_session *sess, string **str);
/* Ours: reads the whole body (memory up to the limit, then an unnamed file); from then on request_data_get gives seekable ios, each with its own
 * position. EAGAIN as above; ENOSPC. */
HTTPSRV_API int ec_httpsrv_request_data_spool(ec_httpsrv_session *sess);
/* The whole body as a document, which is the caller's: json_object_put. 0 and NULL when the text is not JSON (and for null itself).
 * Errors as data_get_string. */
HTTPSRV_API int ec_httpsrv_request_data_get_json(ec_httpsrv_session *sess, struct json_object **json);
/* The same of XML, to be freed by xmlFreeDoc. No network, no external entities; 0 and NULL when it is not well formed or declares entities or
 * defaults of attributes; EMSGSIZE also when it has more than 262,144 nodes. */
HTTPSRV_API int ec_httpsrv_request_data_get_xml(ec_httpsrv_session *sess, struct _xmlDoc **doc);
/* The listener's accept record, the event being dispatched, and the event loop that owns the session. Borrowed until the request ends;
 * NULL when it has ended (errno EBADF) or for want of memory. */
HTTPSRV_API accept_construct *ec_httpsrv_request_accept_construct_get(ec_httpsrv_session *sess);
HTTPSRV_API Event *ec_httpsrv_request_event_get(ec_httpsrv_session *sess);
HTTPSRV_API ec_scheduler_inst *ec_httpsrv_request_event_get_scheduler_inst(ec_httpsrv_session *sess);
/* Verified client certificate's CN; authenticated user; NULL when there is none. */
HTTPSRV_API const char *ec_httpsrv_request_subject_cn_get(ec_httpsrv_session *sess);
HTTPSRV_API const char *ec_httpsrv_request_username_get(ec_httpsrv_session *sess);
/* Borrowed until the request ends; NULL when unknown. */
HTTPSRV_API ec_sockaddr *ec_httpsrv_request_peer_address(ec_httpsrv_session *sess);
HTTPSRV_API ec_sockaddr *ec_httpsrv_request_local_address(ec_httpsrv_session *sess);
/* Ours: the client's address as far as it can be trusted: the peer's, unless that is one of the proxies named as trusted; then what those say in
 * X-Forwarded-For (or Forwarded, as the server is set), read from its end up to the first address that is not trusted. Borrowed until the request
 * ends; the port is 0 where none was said. NULL when unknown, with errno EBADF when the request has ended. */
HTTPSRV_API ec_sockaddr *ec_httpsrv_request_client_address(ec_httpsrv_session *sess);
/* Ours: the request's id: what a trusted proxy has sent as X-Request-Id (up to 128 token characters), else 32 hexadecimal digits, random, made at
 * the first call. Borrowed until the request ends. NULL with errno EBADF (it has ended), ENOMEM, EAGAIN (the system has no randomness yet). */
HTTPSRV_API const char *ec_httpsrv_session_request_id(ec_httpsrv_session *sess);
/* Ours: what follows the registration's base path in the normalised path ("" or without its leading slash). */
HTTPSRV_API const char *ec_httpsrv_request_path_rest(ec_httpsrv_session *sess);
/* Ours: "HTTP/1.1". */
HTTPSRV_API const char *ec_httpsrv_request_protocol_get(ec_httpsrv_session *sess);

/* --- response --- */
/* code 200..599, message NULL for the standard phrase; EINVAL for another code or control characters. EBADF once the head is sent. */
HTTPSRV_API int ec_httpsrv_response_status_set(ec_httpsrv_session *sess, int code, const char *message);
/* The same, and sets Content-Type when mimetype is not NULL. When no body function is called, the message is the body (mimetype NULL or text/...). */
HTTPSRV_API int ec_httpsrv_response_status_set_std(ec_httpsrv_session *sess, int code, const char *message, const char *mimetype);
HTTPSRV_API int ec_httpsrv_response_status_ok(ec_httpsrv_session *sess, const char *type);
HTTPSRV_API int ec_httpsrv_response_status_denied(ec_httpsrv_session *sess, const char *type);
HTTPSRV_API int ec_httpsrv_response_status_not_found(ec_httpsrv_session *sess, const char *type);
HTTPSRV_API int ec_httpsrv_response_status_error(ec_httpsrv_session *sess, const char *type);
/* Replaces the field (case-insensitive); value NULL removes it. EINVAL: CR, LF, NUL or other controls, a name that is no token, Transfer-Encoding and
 * hop-by-hop fields other than "Connection: close", a Content-Length that is no number. EBADF once the head is sent. */
HTTPSRV_API int ec_httpsrv_response_header_set(ec_httpsrv_session *sess, const char *name, const char *value);
/* Ours: adds another field line of that name. */
HTTPSRV_API int ec_httpsrv_response_header_add(ec_httpsrv_session *sess, const char *name, const char *value);
/* Copies len bytes to the tail of the response body. EBADF after flush(final) or the handler's end. */
HTTPSRV_API int ec_httpsrv_response_append(ec_httpsrv_session *sess, const void *buf, size_t len);
HTTPSRV_API int ec_httpsrv_response_printf(ec_httpsrv_session *sess, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
HTTPSRV_API int ec_httpsrv_response_vprintf(ec_httpsrv_session *sess, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/* Sets the payload: replaces what is queued; the content type becomes text/plain where none was set. EBADF once the head is sent. */
HTTPSRV_API int ec_httpsrv_response_string(ec_httpsrv_session *sess, string *str);
/* The same with a document's text: application/json, application/xml in UTF-8. NULL is JSON's null. The document stays the caller's. ENOMEM; EINVAL. */
HTTPSRV_API int ec_httpsrv_response_json(ec_httpsrv_session *sess, struct json_object *json);
HTTPSRV_API int ec_httpsrv_response_xml(ec_httpsrv_session *sess, struct _xmlDoc *doc);
/* immediate 0: takes its own reference and streams the io from its current position to the client, after what was added before, at the client's
 * pace, and drops the reference when done, however the request ends; EBUSY when the io is claimed already. immediate non-zero: reads the io to its
 * end now, appending; EAGAIN keeps what was read, call again to continue; EMSGSIZE past response_buffer_max; a read error is returned. */
HTTPSRV_API int ec_httpsrv_response_io(ec_httpsrv_session *sess, io_object *io, int immediate);
/* Sends what is pending; EAGAIN when the client cannot take it yet. final: no more will be added. */
HTTPSRV_API int ec_httpsrv_response_flush(ec_httpsrv_session *sess, int final);

/* --- suspend and resume --- */
/* Before a handler returns EC_HTTPSRV_HANDLER_ASYNC: takes a reference that the matching resume drops. EBADF when suspended already, and in a pool. */
HTTPSRV_API int ec_httpsrv_session_suspend(ec_httpsrv_session *sess);
/* Any thread. finished 0: the handler is called again on the loop (not after an abort); else the request ends as if it had returned DONE.
 * EBADF: not suspended. */
HTTPSRV_API int ec_httpsrv_session_resume(ec_httpsrv_session *sess, int finished);
/* Ours, any thread: keeps the struct valid past the end of the request (its functions then give EBADF). */
HTTPSRV_API void ec_httpsrv_session_addref(ec_httpsrv_session *sess);
HTTPSRV_API void ec_httpsrv_session_delref(ec_httpsrv_session *sess);
/* Ours: fn is called once on the loop when the client goes away or a time-out ends the request; NULL clears. EBADF. */
HTTPSRV_API int ec_httpsrv_session_on_abort(ec_httpsrv_session *sess, void (*fn)(ec_httpsrv_session *sess, void *arg), void *arg);

#ifdef __cplusplus
}
#endif

#endif
