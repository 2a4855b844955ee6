/* shows: ec_httpsrv_session_addref, ec_httpsrv_session_delref, ec_httpsrv_session_on_abort, ec_queue_async_job_
 * Work in a thread; meanwhile the client may go away. */
#include <modules/listeners/httpsrv.h>
#include <stdatomic.h>
#include <stdlib.h>

struct work {
    ec_async_job job;
    ec_httpsrv_session *sess;
    atomic_int aborted;
    int result;
};

static void
compute(ec_async_job *job, void *closure) /* in a thread of a pool */
{
    struct work *w = closure;
    (void)job;
    for (int i = 1; i <= 100 && !w->aborted; i++) {
        w->result += i;
    }
}

static void
computed(ec_async_job *job, void *closure) /* on the loop again */
{
    struct work *w = closure;
    (void)job;
    ec_httpsrv_session_on_abort(w->sess, NULL, NULL);
    ec_httpsrv_response_printf(w->sess, "%d\n", w->result); /* EBADF, when the request has ended */
    ec_httpsrv_session_resume(w->sess, 1);
    ec_httpsrv_session_delref(w->sess);
    free(w);
}

static void
gone(ec_httpsrv_session *sess, void *arg)
{
    struct work *w = arg;
    (void)sess;
    w->aborted = 1;
}

static int
sum(ec_httpsrv_session *sess)
{
    struct work *w = calloc(1, sizeof *w);
    if (w == NULL) {
        ec_httpsrv_response_status_error(sess, "text/plain");
        return EC_HTTPSRV_HANDLER_DONE;
    }
    w->sess = sess;
    w->job = (ec_async_job){
        .completion = ECTP_COMPLETE_CALLBACK_SCHED,
        .job_class = ECTP_CLASS_CPU,
        .worker = compute,
        .closure = w,
        .r.cb = { .func = computed, .closure = w },
    };
    ec_httpsrv_session_addref(sess); /* the struct stays, whatever becomes of the request */
    ec_httpsrv_session_on_abort(sess, gone, w);
    ec_httpsrv_session_suspend(sess);
    if (!ec_queue_async_job(&w->job)) { /* ec_queue_async_job_, with file and line */
        computed(&w->job, w);
    }
    return EC_HTTPSRV_HANDLER_ASYNC;
}

int
routes(void *arg)
{
    (void)arg;
    return ec_httpsrv_register(NULL, "GET", "/sum", ECTP_CLASS_SHORT_LIVED, NULL, sum);
}
//$ curl http://127.0.0.1:8080/sum
//> 5050
