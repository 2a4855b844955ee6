/* auth.c - who may: the auth handler of a request is asked before anything else about it is answered.
 * The case lies in the request's arena and is the session's guard until there is a verdict: as long as it is there the dispatcher calls
 * nothing but the auth handler, however the session is resumed. Whatever is no verdict lets nobody in. */
#include "dispatch/auth.h"

#include <errno.h>

#include "base/log.h"
#include "dispatch/generation.h"
#include "http/response_head.h"

const struct hs_route *
hs_auth_find(const struct hs_generation *g, const struct hs_request *req, struct hs_view path, const struct hs_route *route)
{
    const struct hs_route *auth = hs_route_tree_find_for(&g->auth_tree, hs_request_view(req, req->host), path, req->method_id,
                                                         hs_request_view(req, req->method));

    if (route == NULL || (route->auth == NULL && !route->reg.open)) {
        return auth;
    }
    return auth == NULL || auth->path_len <= route->path_len ? route->auth : auth;
}

/* Makes the response that goes with a verdict, unless the handler has made one. Returns as dispatch's begin. */
static int
refuse(ec_httpsrv_session *sess, int status)
{
    if (hs_session_head_sent(sess) || hs_session_status(sess) != 200) {
        return EC_HTTPSRV_HANDLER_DONE;
    }
    if (status == 401 && hs_session_response_header(sess, "WWW-Authenticate") == NULL) {
        status = 403;
    }
    if (!hs_session_body_called(sess)) {
        return hs_dispatch_answer(sess, status);
    }
    if (hs_session_status_put(sess, status, (struct hs_view){ NULL, 0 }, (struct hs_view){ NULL, 0 }) != 0) {
        hs_session_fail(sess, status);
    }
    return EC_HTTPSRV_HANDLER_DONE;
}

static void
complain(const struct hs_route *auth, const char *what)
{
    hs_log(HS_LOG_ERROR, "the auth handler of %s (%s) %s", auth->reg.path, auth->reg.where != NULL ? auth->reg.where : "C", what);
}

/* The handler has said something that means nothing, or at the wrong time. */
static int
mistaken(ec_httpsrv_session *sess, const struct hs_route *auth, const char *what)
{
    complain(auth, what);
    hs_session_fail(sess, 500);
    return EC_HTTPSRV_HANDLER_DONE;
}

static bool
ask(ec_httpsrv_session *sess, const struct hs_route *auth, int *result)
{
    int verdict = auth->reg.handler(sess);

    if (verdict == EC_HTTPSRV_AUTH_LATER) {
        *result = EC_HTTPSRV_HANDLER_ASYNC; /* the guard stays */
        return false;
    }
    if (hs_session_hand_over(sess) != 0) {
        *result = mistaken(sess, auth, "has suspended the session and given a verdict");
        return false;
    }
    hs_session_set_guard(sess, NULL); /* whoever runs now is called again in its own right */
    switch (verdict) {
    case EC_HTTPSRV_AUTH_ALLOWED: return true;
    case EC_HTTPSRV_AUTH_DENIED: *result = refuse(sess, 403); break;
    case EC_HTTPSRV_AUTH_NOT_AUTHENTICATED: *result = refuse(sess, 401); break;
    default: *result = mistaken(sess, auth, "returned what is no verdict"); break;
    }
    return false;
}

static void
release_route(void *arg)
{
    const struct hs_route *route = arg;

    generation_delref(route->generation);
}

bool
hs_auth_begin(ec_httpsrv_session *sess, struct hs_auth_case *c, int *result)
{
    struct hs_auth_case *guard = hs_session_alloc(sess, sizeof *guard);
    const struct hs_route *auth = c->auth;
    const struct hs_route_options *options = c->route != NULL ? &c->route->reg.options : &auth->reg.options;

    *result = EC_HTTPSRV_HANDLER_DONE;
    if (guard == NULL) {
        hs_session_fail(sess, 503);
        return false;
    }
    generation_addref(auth->generation);
    c->too_large = hs_session_set_route(sess, (void *)(uintptr_t)auth, options, auth->reg.closure, auth->path_len, release_route) != 0;
    *guard = *c;
    hs_session_set_guard(sess, guard);
    return ask(sess, auth, result);
}

bool
hs_auth_again(ec_httpsrv_session *sess, struct hs_auth_case *c, int *result)
{
    *c = *(const struct hs_auth_case *)hs_session_guard(sess);
    return ask(sess, c->auth, result);
}
