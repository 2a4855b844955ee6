/* shows: ec_httpsrv_request_accept_construct_get, ec_httpsrv_request_event_get, ec_httpsrv_request_event_get_scheduler_inst
 * Where a request came in, and the loop that sees to it, used for a timer of our own. */
#include <event2/event.h>
#include <modules/listeners/httpsrv.h>
#include <string.h>

static void
later(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    ec_httpsrv_response_printf(arg, "later\n");
    ec_httpsrv_session_resume(arg, 1);
}

static int
wait_a_little(ec_httpsrv_session *sess)
{
    const accept_construct *in = ec_httpsrv_request_accept_construct_get(sess);
    const Event *event = ec_httpsrv_request_event_get(sess);
    ec_scheduler_inst *loop = ec_httpsrv_request_event_get_scheduler_inst(sess);
    const struct timeval soon = { 0, 10000 };

    ec_httpsrv_response_printf(sess, "by .../%s, %s\n", strrchr(in->name, '/') + 1, event->inst == loop ? "one loop" : "two loops");
    if (event_base_once(loop, -1, EV_TIMEOUT, later, sess, &soon) != 0) {
        return EC_HTTPSRV_HANDLER_DONE;
    }
    ec_httpsrv_session_suspend(sess);
    return EC_HTTPSRV_HANDLER_ASYNC;
}

int
routes(void *arg)
{
    (void)arg;
    return ec_httpsrv_register(NULL, "GET", "/", ECTP_CLASS_SHORT_LIVED, NULL, wait_a_little);
}
//$ curl http://127.0.0.1:8080/
//> by .../socket, one loop
//> later
