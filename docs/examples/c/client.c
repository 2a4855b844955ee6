/* shows: ec_httpsrv_request_client_address, ec_httpsrv_session_request_id
 * Who asks, behind proxies too, and what the request is called in logs. */
#include <modules/listeners/httpsrv.h>
#include <string.h>

static int
tell(ec_httpsrv_session *sess)
{
    char client[EC_SOCKADDR_TEXT_MAX];
    const ec_sockaddr *address = ec_httpsrv_request_client_address(sess); /* the peer's, unless that is a trusted proxy */
    const char *id = ec_httpsrv_session_request_id(sess);

    if (address != NULL && id != NULL && ec_sockaddr_format(address, client, sizeof client) == 0) {
        ec_httpsrv_response_printf(sess, "%s %zu digits\n", client, strlen(id));
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
//> unix: 32 digits
