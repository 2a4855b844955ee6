/* shows: ec_httpsrv_response_status_set, ec_httpsrv_response_status_set_std, ec_httpsrv_response_status_ok, ec_httpsrv_response_status_denied,
 *   ec_httpsrv_response_status_not_found, ec_httpsrv_response_status_error
 * A status of one's own, and the four that are needed most. */
#include <modules/listeners/httpsrv.h>
#include <string.h>

static int
answer(ec_httpsrv_session *sess)
{
    const char *what = ec_httpsrv_request_path_rest(sess);

    if (strcmp(what, "ok") == 0) {
        ec_httpsrv_response_status_ok(sess, "text/html");
    } else if (strcmp(what, "denied") == 0) {
        ec_httpsrv_response_status_denied(sess, "text/plain");
    } else if (strcmp(what, "error") == 0) {
        ec_httpsrv_response_status_error(sess, "text/plain");
    } else if (strcmp(what, "empty") == 0) {
        ec_httpsrv_response_status_set(sess, 204, NULL);
    } else if (strcmp(what, "gone") == 0) {
        ec_httpsrv_response_status_set_std(sess, 410, "It has been deleted", "text/plain");
    } else {
        ec_httpsrv_response_status_not_found(sess, "text/plain");
    }
    return EC_HTTPSRV_HANDLER_DONE;
}

int
routes(void *arg)
{
    (void)arg;
    return ec_httpsrv_register(NULL, "GET", "/", ECTP_CLASS_SHORT_LIVED, NULL, answer);
}
//$ for p in ok denied error empty other; do curl -o /dev/null -w '%{http_code} ' http://127.0.0.1:8080/$p; done
//> 200 403 500 204 404 
//$ curl http://127.0.0.1:8080/gone
//> It has been deleted
