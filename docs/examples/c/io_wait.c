/* shows: io_wrapper_wait
 * A handler that reads a slow source itself: it is called again when the io is worth trying. */
#include <errno.h>
#include <modules/listeners/httpsrv.h>

static void
readable(io_object *io, void *arg)
{
    (void)io;
    ec_httpsrv_session_resume(arg, 0);
}

static int
count(ec_httpsrv_session *sess)
{
    char buf[4096];
    io_object *body;
    ssize_t n;

    if (ec_httpsrv_request_data_get(sess, &body) != 0) {
        return EC_HTTPSRV_HANDLER_DONE;
    }
    while ((n = io_wrapper_read(body, buf, sizeof buf)) > 0) {
        ec_httpsrv_response_printf(sess, "%zd\n", n);
    }
    if (n < 0 && errno == EAGAIN && io_wrapper_wait(body, IO_WAIT_READ, readable, sess) == 0) {
        io_wrapper_delref(body); /* it lives on until readable is called */
        ec_httpsrv_session_suspend(sess);
        return EC_HTTPSRV_HANDLER_ASYNC;
    }
    io_wrapper_delref(body);
    return EC_HTTPSRV_HANDLER_DONE;
}

int
routes(void *arg)
{
    (void)arg;
    return ec_httpsrv_register(NULL, "POST", "/", ECTP_CLASS_SHORT_LIVED, NULL, count);
}
//$ (printf 'four'; sleep 0.3; printf 'seven..') | curl -N -T - -X POST http://127.0.0.1:8080/
//> 4
//> 7
