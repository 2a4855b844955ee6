/* remote.c - handlers that run in threads of a pool, and the sessions that they are given.
 * Such a session is a face: it owns nothing of the request. The real one stays on the loop, suspended until the handler has returned, and each
 * call crosses to it (io/crossing.h) and is waited for; so what getters lend, which lies in the real session, is there as long as the handler
 * runs. When the client goes away, the handler has ended or the server does, the run is shut: whoever waits is freed and further calls fail.
 * References of a face: one for the run, one for each call, and those that handlers take. */
#include "session/remote.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "io/crossing.h"
#include "io/pool.h"

/* One run of a handler. Loop thread only, but for what is said to be otherwise. */
struct remote_run {
    ec_httpsrv_session face; /* first: what the handler is given */
    struct hs_job job;
    struct hs_pool *pool;
    ec_httpsrv_handler_func handler; /* as all up to here, set before the job is queued */
    struct hs_crossing_group *group; /* any thread */
    _Atomic int gone; /* 0, or why no call is made any more: ECONNABORTED, EBADF; any thread */
    int result;       /* the job's */
    ec_httpsrv_session *real; /* referenced; NULL when the run has ended */
    LIST_HEAD(, remote_call) waiting;
    LIST_ENTRY(remote_run) link; /* in the env, while real */
    void (*on_abort)(ec_httpsrv_session *sess, void *arg);
    void *on_abort_arg;
    struct hs_post post; /* to be freed */
};

struct remote_call {
    struct hs_crossing c; /* first */
    struct remote_run *run; /* its face is referenced */
    enum remote_op op;
    struct remote_args *args; /* the caller's: valid inside */
    int err;
    LIST_ENTRY(remote_call) link; /* while it waits: for io, referenced, or by the waiter */
    io_object *io;
    struct hs_session_waiter waiter;
};

static void attempt(struct remote_call *k);

static struct remote_run *
run_of(ec_httpsrv_session *face)
{
    return (struct remote_run *)face;
}

/* --- the calls, on the loop --- */

/* The io is made to be read from other threads. */
static int
body_io(ec_httpsrv_session *s, struct remote_args *a)
{
    io_object *inner;
    int err = ec_httpsrv_request_data_get(s, &inner);

    if (err == 0) {
        a->result = hs_io_remote(inner);
        err = a->result != NULL ? 0 : ENOMEM;
        io_wrapper_delref(inner);
    }
    return err;
}

static int
body_string(ec_httpsrv_session *s, struct remote_args *a)
{
    string *str = NULL;
    int err = ec_httpsrv_request_data_get_string(s, &str);

    a->result = str;
    return err;
}

/* The handler runs, although its session is suspended: the head waits for its end or a flush, as it does on the loop. */
static int
response_io(ec_httpsrv_session *s, io_object *io, int immediate)
{
    bool pumped = hs_deferred_is_queued(&s->pump_later) || s->head_sent;
    int err = ec_httpsrv_response_io(s, io, immediate);

    if (!pumped && hs_deferred_is_queued(&s->pump_later)) {
        hs_deferred_cancel(s->env->loop, &s->pump_later);
    }
    return err;
}

/* Getters: their errno counts where they give NULL. */
static void *
get(ec_httpsrv_session *s, enum remote_op op)
{
    switch (op) {
    case REMOTE_CTX: return ec_httpsrv_ctx_get(s);
    case REMOTE_METHOD: return (void *)(uintptr_t)ec_httpsrv_request_method_get(s);
    case REMOTE_PATH_REST: return (void *)(uintptr_t)ec_httpsrv_request_path_rest(s);
    case REMOTE_URL: return ec_httpsrv_request_url_get(s);
    case REMOTE_ACCEPT: return ec_httpsrv_request_accept_construct_get(s);
    case REMOTE_EVENT: return ec_httpsrv_request_event_get(s);
    case REMOTE_SCHEDULER: return ec_httpsrv_request_event_get_scheduler_inst(s);
    case REMOTE_USERNAME: return (void *)(uintptr_t)ec_httpsrv_request_username_get(s);
    case REMOTE_PEER: return ec_httpsrv_request_peer_address(s);
    case REMOTE_CLIENT: return ec_httpsrv_request_client_address(s);
    case REMOTE_REQUEST_ID: return (void *)(uintptr_t)ec_httpsrv_session_request_id(s);
    default: return ec_httpsrv_request_local_address(s);
    }
}

/* 0 or an error, EAGAIN among them. */
static int
make(struct remote_run *r, enum remote_op op, struct remote_args *a)
{
    ec_httpsrv_session *s = r->real;

    switch (op) {
    case REMOTE_CTX_SET: ec_httpsrv_ctx_set(s, a->object); return 0;
    case REMOTE_USERNAME_SET: return ec_httpsrv_request_username_set(s, a->p);
    case REMOTE_HEADER: return ec_httpsrv_request_header_get(s, a->p, a->out);
    case REMOTE_HEADER_NEXT: return ec_httpsrv_request_header_next(s, a->iter, a->out, a->out2);
    case REMOTE_TRAILER_NEXT: return ec_httpsrv_request_trailer_next(s, a->iter, a->out, a->out2);
    case REMOTE_CONTENT_TYPE: return ec_httpsrv_request_content_type_get(s, a->out, a->out2);
    case REMOTE_BODY_IO: return body_io(s, a);
    case REMOTE_BODY_STRING: return body_string(s, a);
    case REMOTE_BODY_SPOOL: return ec_httpsrv_request_data_spool(s);
    case REMOTE_STATUS: return ec_httpsrv_response_status_set(s, a->i, a->p);
    case REMOTE_STATUS_STD: return ec_httpsrv_response_status_set_std(s, a->i, a->p, a->q);
    case REMOTE_FIELD: return hs_session_header_put(s, a->a, a->b, a->i != 0);
    case REMOTE_FIELD_REMOVE: return ec_httpsrv_response_header_set(s, a->p, NULL);
    case REMOTE_APPEND: return ec_httpsrv_response_append(s, a->a.p, a->a.n);
    case REMOTE_PAYLOAD: return hs_session_payload_put(s, a->a, a->b);
    case REMOTE_IO: return response_io(s, a->io, a->i);
    case REMOTE_FLUSH: return ec_httpsrv_response_flush(s, a->i);
    case REMOTE_ON_ABORT:
        r->on_abort = a->fn;
        r->on_abort_arg = a->arg;
        return session_check(s);
    default:
        errno = 0;
        a->result = get(s, op);
        return a->result == NULL ? errno : 0;
    }
}

/* --- their waiting, on the loop --- */

static void
stop_waiting(struct remote_call *k)
{
    LIST_REMOVE(k, link);
    if (k->io != NULL) {
        (void)hs_io_wait(k->io, IO_WAIT_READ, NULL, NULL);
        io_wrapper_delref(k->io);
        k->io = NULL;
    } else {
        hs_session_wait_cancel(k->run->real, &k->waiter);
    }
}

/* What was waited for has come, if err is 0. */
static void
go_on(struct remote_call *k, int err)
{
    LIST_REMOVE(k, link);
    if (!hs_crossing_enter(&k->c)) {
        hs_crossing_reply(&k->c);
    } else if (err != 0 || k->op == REMOTE_FLUSH || k->op == REMOTE_APPEND) { /* which have done their work: this is all that was left */
        k->err = err;
        hs_crossing_reply(&k->c);
    } else {
        attempt(k);
    }
}

static void
on_waiter(void *arg, int err)
{
    go_on(arg, err);
}

static void
on_io(io_object *io, void *arg)
{
    struct remote_call *k = arg;

    k->io = NULL;
    io_wrapper_delref(io);
    go_on(k, 0);
}

static void
wait_session(struct remote_call *k, enum hs_session_wait_for what)
{
    k->waiter = (struct hs_session_waiter){ .fn = on_waiter, .arg = k };
    LIST_INSERT_HEAD(&k->run->waiting, k, link);
    hs_session_wait(k->run->real, what, &k->waiter);
}

/* 0, or the error of waiting. */
static int
wait_io(struct remote_call *k, io_object *io)
{
    if (io_wrapper_wait(io, IO_WAIT_READ, on_io, k) != 0) {
        return errno;
    }
    io_wrapper_addref(io);
    k->io = io;
    LIST_INSERT_HEAD(&k->run->waiting, k, link);
    return 0;
}

/* Arms what the call is to go on with. False: there is nothing to wait for, see err. */
static bool
begin_waiting(struct remote_call *k)
{
    ec_httpsrv_session *s = k->run->real;

    if (k->err == 0 && k->op == REMOTE_APPEND && !hs_session_has_room(s)) {
        wait_session(k, HS_WAIT_ROOM);
    } else if (k->err != EAGAIN || k->op == REMOTE_TRAILER_NEXT) { /* nothing would come while its caller stands still */
        return false;
    } else if (k->op == REMOTE_FLUSH) {
        wait_session(k, HS_WAIT_FLUSHED);
    } else if (k->op == REMOTE_IO || (s->body.complete && s->body.unspool != NULL)) {
        k->err = wait_io(k, k->op == REMOTE_IO ? k->args->io : s->body.unspool);
        return k->err == 0;
    } else {
        wait_session(k, HS_WAIT_BODY);
    }
    return true;
}

/* Inside. */
static void
attempt(struct remote_call *k)
{
    k->err = k->run->gone;
    if (k->err == 0) {
        k->err = make(k->run, k->op, k->args);
        if (begin_waiting(k)) {
            hs_crossing_leave(&k->c);
            return;
        }
    }
    hs_crossing_reply(&k->c);
}

static void
arrive(struct hs_crossing *c)
{
    attempt((struct remote_call *)c);
}

/* --- the caller's side --- */

static void
call_free(struct hs_crossing *c)
{
    struct remote_call *k = (struct remote_call *)c;

    ec_httpsrv_session_delref(&k->run->face);
    free(k);
}

static int
cross(struct remote_run *r, enum remote_op op, struct remote_args *a)
{
    struct remote_call *k = calloc(1, sizeof *k);

    if (k == NULL || hs_crossing_init(&k->c, arrive, call_free) != 0) {
        free(k);
        return ENOMEM;
    }
    ec_httpsrv_session_addref(&r->face);
    k->run = r;
    k->op = op;
    k->args = a;
    int err = hs_crossing_call(&k->c, r->group, r->face.env->loop);
    err = err == 0 ? k->err : r->gone;
    hs_crossing_drop(&k->c);
    return err;
}

int
session_remote(ec_httpsrv_session *s, enum remote_op op, struct remote_args *a)
{
    struct remote_run *r = run_of(s);

    if (s->state != SESSION_REMOTE) {
        return EBADF;
    }
    if (r->gone != 0) {
        return r->gone;
    }
    return hs_session_env_current() == s->env ? make(r, op, a) : cross(r, op, a);
}

void *
session_remote_get(ec_httpsrv_session *s, enum remote_op op)
{
    struct remote_args a = { 0 };
    int err = session_remote(s, op, &a);

    if (err != 0) {
        errno = err;
        return NULL;
    }
    return a.result;
}

/* --- the run --- */

static void
run_free(void *arg)
{
    struct remote_run *r = arg;

    ec_blobject_delref(r->face.closure);
    hs_crossing_group_delref(r->group);
    free(r);
}

void
session_remote_free(ec_httpsrv_session *s)
{
    struct remote_run *r = run_of(s);

    if (hs_session_env_current() == s->env) {
        run_free(r);
    } else { /* a closure is dropped on the loop */
        hs_loop_post(s->env->loop, &r->post, run_free, r);
    }
}

/* No call is made from now on; those that wait are answered with err. */
static void
shut(struct remote_run *r, int err)
{
    int open = 0;

    (void)atomic_compare_exchange_strong(&r->gone, &open, err);
    hs_crossing_group_close(r->group);
    while (!LIST_EMPTY(&r->waiting)) {
        struct remote_call *k = LIST_FIRST(&r->waiting);
        stop_waiting(k);
        hs_crossing_reply(&k->c);
    }
}

/* The handler has returned, or will not be called. */
static void
finish(struct remote_run *r)
{
    ec_httpsrv_session *real = r->real;

    shut(r, EBADF);
    LIST_REMOVE(r, link);
    r->real = NULL;
    real->on_abort = NULL;
    (void)ec_httpsrv_session_resume(real, 1);
    ec_httpsrv_session_delref(real);
    ec_httpsrv_session_delref(&r->face);
}

static void
aborted(ec_httpsrv_session *real, void *arg)
{
    struct remote_run *r = arg;
    void (*fn)(ec_httpsrv_session *, void *) = r->on_abort;

    (void)real;
    r->on_abort = NULL;
    shut(r, ECONNABORTED);
    if (fn != NULL) {
        fn(&r->face, r->on_abort_arg);
    }
    if (hs_pool_cancel(r->pool, &r->job)) {
        finish(r);
    }
}

/* In the pool. */
static void
run(struct hs_job *job)
{
    struct remote_run *r = (struct remote_run *)((char *)job - offsetof(struct remote_run, job));

    if (r->gone == 0) {
        hs_crossing_group_set_current(r->group);
        r->result = r->handler(&r->face);
        hs_crossing_group_set_current(NULL);
    }
}

static void
done(struct hs_job *job)
{
    struct remote_run *r = (struct remote_run *)((char *)job - offsetof(struct remote_run, job));

    if (r->result != EC_HTTPSRV_HANDLER_DONE) {
        hs_log(HS_LOG_ERROR, "a handler in pool %s returned %d, which is not DONE", hs_pool_name(r->pool), r->result);
        hs_session_fail(r->real, 500);
    }
    finish(r);
}

int
hs_session_run_in_pool(ec_httpsrv_session *s, struct hs_pool *pool, ec_httpsrv_handler_func handler)
{
    struct remote_run *r = calloc(1, sizeof *r);

    if (r == NULL || (r->group = hs_crossing_group_new()) == NULL) {
        free(r);
        return ENOMEM;
    }
    r->face.state = SESSION_REMOTE;
    r->face.env = s->env;
    r->face.req.version_major = s->req.version_major;
    r->face.req.version_minor = s->req.version_minor;
    r->face.closure = ec_httpsrv_service_ctx_get(s);
    atomic_init(&r->face.refs, 1);
    atomic_init(&r->face.suspend, NOT_SUSPENDED);
    LIST_INIT(&r->waiting);
    r->pool = pool;
    r->handler = handler;
    r->job = (struct hs_job){ .run = run, .done = done };
    ec_httpsrv_session_addref(s);
    r->real = s; /* its calls, and done, come through the loop: not before this has returned */
    int err = hs_pool_submit(pool, &r->job);
    if (err != 0) {
        ec_httpsrv_session_delref(s);
        run_free(r);
        return err;
    }
    LIST_INSERT_HEAD(&s->env->runs, r, link);
    hs_session_set_self_waiting(s, true);
    s->on_abort = aborted;
    s->on_abort_arg = r;
    err = ec_httpsrv_session_suspend(s);
    assert(err == 0); /* it runs, and whoever ran before has handed it over */
    return err;
}

void
hs_session_env_shut_runs(struct hs_session_env *env)
{
    struct remote_run *r;

    LIST_FOREACH (r, &env->runs, link) {
        shut(r, ECONNABORTED);
    }
}
