/* pool_handler.c - handlers that are registered for a pool of threads: the route's handler on the loop is one that has the registered one called
 * there, so a route without a pool is called as if there were none. */
#include "dispatch/generation.h"

#include "io/pool.h"

int
hs_pool_handler(ec_httpsrv_session *sess)
{
    const struct hs_route *route = hs_session_route(sess);
    int err = hs_session_run_in_pool(sess, route->pool, route->blocking);

    if (err == 0) {
        return EC_HTTPSRV_HANDLER_ASYNC;
    }
    if (ec_httpsrv_response_header_set(sess, "Retry-After", "1") != 0) {
        hs_session_fail(sess, 503);
        return EC_HTTPSRV_HANDLER_DONE;
    }
    return hs_dispatch_answer(sess, 503);
}
