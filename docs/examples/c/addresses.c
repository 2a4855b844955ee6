/* shows: ec_httpsrv_request_peer_address, ec_httpsrv_request_local_address
 * Both ends of the connection. */
#include <modules/listeners/httpsrv.h>
#include <string.h>

static int
tell(ec_httpsrv_session *sess)
{
    char peer[EC_SOCKADDR_TEXT_MAX], here[EC_SOCKADDR_TEXT_MAX];

    if (ec_sockaddr_format(ec_httpsrv_request_peer_address(sess), peer, sizeof peer) == 0 &&
        ec_sockaddr_format(ec_httpsrv_request_local_address(sess), here, sizeof here) == 0) {
        ec_httpsrv_response_printf(sess, "%s to .../%s\n", peer, strrchr(here, '/') + 1);
    }
    return EC_HTTPSRV_HANDLER_DONE;
}

int
routes(void *arg)
{
    (void)arg;
    return ec_httpsrv_register(NULL, "GET", "/", ECTP_CLASS_SHORT_LIVED, NULL, tell);
}
//$ curl http://127.0.0.1:8080/
//> unix: to .../socket
