/* shows: ec_httpsrv_request_trailer_next, ec_httpsrv_request_data_get_string
 * The whole body, and the fields that came behind it. */
#include <errno.h>
#include <modules/listeners/httpsrv.h>

static int
tell(ec_httpsrv_session *sess)
{
    const char *name, *value;
    size_t iter = 0;
    string *body;

    int err = ec_httpsrv_request_data_get_string(sess, &body);
    if (err == EAGAIN) { /* not all there yet: be called again when it is */
        ec_httpsrv_session_suspend(sess);
        return EC_HTTPSRV_HANDLER_ASYNC;
    }
    if (err != 0) {
        ec_httpsrv_response_status_set_std(sess, err == EMSGSIZE ? 413 : 400, NULL, "text/plain");
        return EC_HTTPSRV_HANDLER_DONE;
    }
    ec_httpsrv_response_printf(sess, "%d bytes\n", body->len);
    while (ec_httpsrv_request_trailer_next(sess, &iter, &name, &value) == 0) {
        ec_httpsrv_response_printf(sess, "%s = %s\n", name, value);
    }
    return EC_HTTPSRV_HANDLER_DONE;
}

int
routes(void *arg)
{
    (void)arg;
    return ec_httpsrv_register(NULL, "POST", "/", ECTP_CLASS_SHORT_LIVED, NULL, tell);
}
//$ curl -d 'twelve bytes' http://127.0.0.1:8080/
//> 12 bytes
