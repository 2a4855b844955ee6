/* visits.c - a module in C: GET /visits counts, GET /visits/slow answers later from another thread.
 *
 *     make && httpsrv serve DIR --module ./visits.so
 *
 * The counter is the closure of its registrations, so it lives as long as a set of handlers that refers to it: each reload starts a new one, and each worker
 * has its own (with --workers 0 there is one process). */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include <httpsrv/module.h>

struct counter {
    atomic_ulong visits;
};

static ec_blobject_class counter_class = { .objectType = "visits.counter", .dtor = free };

static int
count(ec_httpsrv_session *sess)
{
    ec_blobject *closure = ec_httpsrv_service_ctx_get(sess); /* with a reference for us */
    struct counter *c = closure->self;

    int err = ec_httpsrv_response_status_set_std(sess, 200, "OK", "text/plain");
    if (err == 0) {
        err = ec_httpsrv_response_printf(sess, "visit %lu\n", atomic_fetch_add(&c->visits, 1) + 1);
    }
    ec_blobject_delref(closure);
    if (err != 0) {
        (void)ec_httpsrv_response_status_error(sess, "text/plain");
    }
    return EC_HTTPSRV_HANDLER_DONE;
}

/* What takes long happens in a thread of our own. It may keep the session and resume it; everything else is for the loop's thread. */
static void *
work(void *arg)
{
    const struct timespec pause = { .tv_nsec = 100 * 1000 * 1000 };

    (void)nanosleep(&pause, NULL);
    (void)ec_httpsrv_session_resume(arg, 0); /* the handler is called again, unless the client has gone meanwhile */
    return NULL;
}

static ec_blobject_class mark_class = { .objectType = "visits.begun" };

/* Called twice for each request: to begin, and when work has resumed the session. */
static int
slow(ec_httpsrv_session *sess)
{
    ec_blobject *mark = ec_httpsrv_ctx_get(sess);
    pthread_t thread;

    if (mark != NULL) {
        ec_blobject_delref(mark);
        return count(sess);
    }
    mark = ec_blobject_wrap(&mark_class, NULL);
    if (mark != NULL && ec_httpsrv_session_suspend(sess) == 0) {
        ec_httpsrv_ctx_set(sess, mark); /* takes a reference of its own */
        ec_blobject_delref(mark);
        if (pthread_create(&thread, NULL, work, sess) == 0) {
            (void)pthread_detach(thread);
        } else {
            (void)ec_httpsrv_response_status_error(sess, "text/plain");
            (void)ec_httpsrv_session_resume(sess, 1);
        }
        return EC_HTTPSRV_HANDLER_ASYNC;
    }
    ec_blobject_delref(mark);
    (void)ec_httpsrv_response_status_error(sess, "text/plain");
    return EC_HTTPSRV_HANDLER_DONE;
}

int
httpsrv_module_init(const struct httpsrv_module *module)
{
    int err = httpsrv_module_check(module); /* are we made for this httpsrv? */
    if (err != 0) {
        return err;
    }
    struct counter *c = calloc(1, sizeof *c);
    ec_blobject *closure = c != NULL ? ec_blobject_wrap(&counter_class, c) : NULL;
    if (closure == NULL) {
        free(c);
        return ENOMEM;
    }
    err = ec_httpsrv_register(NULL, "GET", "/visits", ECTP_CLASS_SHORT_LIVED, closure, count);
    if (err == 0) {
        err = ec_httpsrv_register(NULL, "GET", "/visits/slow", ECTP_CLASS_SHORT_LIVED, closure, slow);
    }
    ec_blobject_delref(closure); /* the registrations have their own */
    return err;
}
