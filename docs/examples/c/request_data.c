/* shows: ec_httpsrv_request_data_get, ec_httpsrv_request_data_spool, ec_httpsrv_response_io
 * An upload comes back: as it arrives, or after all of it has been looked at. */
#include <errno.h>
#include <modules/listeners/httpsrv.h>

static int
echo(ec_httpsrv_session *sess)
{
    io_object *body;

    if (ec_httpsrv_request_data_get(sess, &body) == 0) {
        ec_httpsrv_response_io(sess, body, 0); /* takes its own reference, and both ends at the client's pace */
        io_wrapper_delref(body);
    }
    return EC_HTTPSRV_HANDLER_DONE;
}

static int
twice(ec_httpsrv_session *sess)
{
    if (ec_httpsrv_request_data_spool(sess) == EAGAIN) {
        ec_httpsrv_session_suspend(sess);
        return EC_HTTPSRV_HANDLER_ASYNC;
    }
    echo(sess); /* from now on each io has its own position */
    return echo(sess);
}

int
routes(void *arg)
{
    (void)arg;
    int err = ec_httpsrv_register(NULL, "POST", "/echo", ECTP_CLASS_SHORT_LIVED, NULL, echo);
    return err != 0 ? err : ec_httpsrv_register(NULL, "POST", "/twice", ECTP_CLASS_SHORT_LIVED, NULL, twice);
}
//$ printf 'again\n' | curl --data-binary @- http://127.0.0.1:8080/echo
//> again
//$ printf 'again\n' | curl --data-binary @- http://127.0.0.1:8080/twice
//> again
//> again
