/* auth.h - who may: the auth handler of a request is asked before anything else about it is answered. */
#ifndef HS_DISPATCH_AUTH_H
#define HS_DISPATCH_AUTH_H

#include "dispatch/route_tree.h"

/* What the request gets once it is allowed. */
struct hs_auth_case {
    const struct hs_route *auth;     /* who decides; NULL: nobody */
    const struct hs_route_set *set;  /* that the path matches; NULL: none, 404 */
    struct hs_route *route;          /* NULL: none for the method */
    bool too_large;                  /* the body is above the route's limit */
};

/* Who decides about a request for path (the one that its handler will see): the auth registration with the longest base path for
 * its host and method, or the route's own, which comes first among equals. NULL: nobody. */
const struct hs_route *hs_auth_find(const struct hs_generation *g, const struct hs_request *req, struct hs_view path, const struct hs_route *route);
/* Asks for the first time and fills in c->too_large. True: allowed, the request goes on; else *result is what the dispatcher returns. */
bool hs_auth_begin(ec_httpsrv_session *sess, struct hs_auth_case *c, int *result);
/* The session is being asked about. */
static inline bool
hs_auth_pending(ec_httpsrv_session *sess)
{
    return hs_session_guard(sess) != NULL;
}
/* Asks again. True: allowed, and *c is what to go on with. */
bool hs_auth_again(ec_httpsrv_session *sess, struct hs_auth_case *c, int *result);

#endif
