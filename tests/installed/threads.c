/* threads.c - what any thread may do: resume sessions, count references, queue jobs. To be run under a race detector as well. */
#include "installed.h"

#include <io_wrapper.h>
#include <modules/listeners/httpsrv.h>
#include <pthread.h>
#include <unistd.h>

enum { THREADS = 4, ROUNDS = 200 };

/* --- references --- */

static ec_blobject *shared;
static io_object *shared_io;
static ECDict shared_dict;
static atomic_int dtors;

static void
drop(void *self)
{
    (void)self;
    dtors++;
}

static void
drop_io(io_object *io)
{
    (void)io;
    dtors++;
}

static void *
count(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        ec_blobject_addref(shared);
        io_wrapper_addref(shared_io);
        echash_addref(shared_dict);
        io_wrapper_delref(shared_io);
        echash_delref(shared_dict);
        ec_blobject_delref(shared);
    }
    ec_blobject_delref(shared); /* the last of the threads frees */
    io_wrapper_delref(shared_io);
    dict_drop(shared_dict);
    return arg;
}

static void
references(void)
{
    static ec_blobject_class cls = { .objectType = "shared", .dtor = drop };
    pthread_t threads[THREADS];

    dtors = 0;
    shared = ec_blobject_wrap(&cls, NULL);
    shared_io = io_wrapper_copy_memory("shared", 6, MEMTYPE_IS_MALLOC_3C);
    io_wrapper_set_app_context_and_dtor(shared_io, NULL, drop_io);
    shared_dict = dict_blank();
    CHECK(dict_add_key_value(shared_dict, "a", "b") == 0);
    for (int i = 1; i < THREADS; i++) {
        ec_blobject_addref(shared);
        io_wrapper_addref(shared_io);
        echash_addref(shared_dict);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, count, NULL) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    CHECK(dtors == 2);
}

/* --- jobs, queued by several threads, run by others --- */

static sem_t jobs_done;
static atomic_int jobs_run;

static void
work(ec_async_job *job, void *closure)
{
    (void)job;
    CHECK(closure == &jobs_run);
    jobs_run++;
}

static void *
queue_jobs(void *arg)
{
    for (int i = 0; i < 50; i++) {
        ec_async_job *job = calloc(1, sizeof *job);
        job->completion = ECTP_COMPLETE_SEMAPHORE;
        job->job_class = i % 2 != 0 ? ECTP_CLASS_CPU : ECTP_CLASS_IO;
        job->worker = work;
        job->closure = &jobs_run;
        job->r.sema = &jobs_done;
        job->free_on_completion_memtype = MEMTYPE_IS_MALLOC_3C;
        CHECK(ec_queue_async_job(job) == 1);
    }
    return arg;
}

static void
jobs(void)
{
    pthread_t threads[THREADS];

    jobs_run = 0;
    CHECK(sem_init(&jobs_done, 0, 0) == 0);
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, queue_jobs, NULL) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    for (int i = 0; i < THREADS * 50; i++) {
        CHECK(sem_wait(&jobs_done) == 0);
    }
    CHECK(jobs_run == THREADS * 50);
}

/* --- sessions that other threads resume --- */

struct errand {
    ec_async_job job;
    ec_httpsrv_session *sess;
    int sum; /* made in the pool, read on the loop */
};

static void
compute(ec_async_job *job, void *closure)
{
    struct errand *e = closure;

    (void)job;
    for (int i = 1; i <= 100; i++) {
        e->sum += i;
    }
}

/* In the same thread. From now on the errand belongs to the session, which may end at once. */
static void
resume_session(ec_async_job *job, void *closure)
{
    (void)job;
    CHECK(ec_httpsrv_session_resume(closure, 0) == 0);
    ec_httpsrv_session_delref(closure);
}

static void
free_errand(void *self)
{
    free(self);
}

static ec_blobject_class errand_class = { .objectType = "errand", .dtor = free_errand };

/* Called again when compute has resumed it. */
static int
from_pool(ec_httpsrv_session *sess)
{
    ec_blobject *ctx = ec_httpsrv_ctx_get(sess);

    if (ctx != NULL) {
        struct errand *e = ctx->self;
        CHECK(ec_httpsrv_response_printf(sess, "%d", e->sum) == 0);
        ec_blobject_delref(ctx);
        return EC_HTTPSRV_HANDLER_DONE;
    }
    struct errand *e = calloc(1, sizeof *e);
    ctx = ec_blobject_wrap(&errand_class, e);
    ec_httpsrv_ctx_set(sess, ctx);
    ec_blobject_delref(ctx);
    e->job.completion = ECTP_COMPLETE_CALLBACK;
    e->job.r.cb.func = resume_session;
    e->job.r.cb.closure = sess;
    e->job.job_class = ECTP_CLASS_CPU;
    e->job.worker = compute;
    e->job.closure = e;
    ec_httpsrv_session_addref(sess);
    CHECK(ec_httpsrv_session_suspend(sess) == 0);
    CHECK(ec_queue_async_job(&e->job) == 1);
    return EC_HTTPSRV_HANDLER_ASYNC;
}

/* The other way: the loop is told, and ends the request itself. */
static void
computed(ec_async_job *job, void *closure)
{
    struct errand *e = closure;

    (void)job;
    CHECK(ec_httpsrv_response_printf(e->sess, "%d", e->sum) == 0);
    CHECK(ec_httpsrv_session_resume(e->sess, 1) == 0);
    free(e);
}

static void
compute_only(ec_async_job *job, void *closure)
{
    struct errand *e = closure;

    (void)job;
    for (int i = 1; i <= 10; i++) {
        e->sum += i;
    }
}

static int
told_by_loop(ec_httpsrv_session *sess)
{
    struct errand *e = calloc(1, sizeof *e);

    e->sess = sess;
    e->job.completion = ECTP_COMPLETE_CALLBACK_SCHED;
    e->job.job_class = ECTP_CLASS_IO;
    e->job.worker = compute_only;
    e->job.closure = e;
    e->job.r.cb.func = computed;
    e->job.r.cb.closure = e;
    CHECK(ec_httpsrv_session_suspend(sess) == 0);
    CHECK(ec_queue_async_job(&e->job) == 1);
    return EC_HTTPSRV_HANDLER_ASYNC;
}

/* Two threads resume one session: one of them is told that it was too late. */
static atomic_int resumed, too_late;

static void *
resume(void *arg)
{
    int err = ec_httpsrv_session_resume(arg, 1);

    CHECK(err == 0 || err == EBADF);
    *(err == 0 ? &resumed : &too_late) += 1;
    ec_httpsrv_session_delref(arg);
    return NULL;
}

static int
raced(ec_httpsrv_session *sess)
{
    pthread_t thread;

    CHECK(ec_httpsrv_response_append(sess, "raced", 5) == 0 && ec_httpsrv_session_suspend(sess) == 0);
    for (int i = 0; i < 2; i++) {
        ec_httpsrv_session_addref(sess);
        CHECK(pthread_create(&thread, NULL, resume, sess) == 0 && pthread_detach(thread) == 0);
    }
    return EC_HTTPSRV_HANDLER_ASYNC;
}

/* A client goes away while another thread resumes. */
static atomic_int left;

static void *
resume_later(void *arg)
{
    (void)usleep(2000);
    (void)ec_httpsrv_session_resume(arg, 0);
    ec_httpsrv_session_delref(arg);
    left++;
    return NULL;
}

static int
abandoned(ec_httpsrv_session *sess)
{
    pthread_t thread;
    ec_blobject *seen = ec_httpsrv_ctx_get(sess);

    if (seen != NULL) { /* the client was still there */
        ec_blobject_delref(seen);
        return EC_HTTPSRV_HANDLER_DONE;
    }
    seen = ec_blobject_wrap(&errand_class, NULL);
    ec_httpsrv_ctx_set(sess, seen);
    ec_blobject_delref(seen);
    ec_httpsrv_session_addref(sess);
    CHECK(ec_httpsrv_session_suspend(sess) == 0);
    CHECK(pthread_create(&thread, NULL, resume_later, sess) == 0 && pthread_detach(thread) == 0);
    return EC_HTTPSRV_HANDLER_ASYNC;
}

/* A handler in a thread of a pool: its session's functions are made on the loop. */
static pthread_t loop_thread;

static int
blocking(ec_httpsrv_session *sess)
{
    const char *host = NULL;
    string *body = NULL;

    CHECK(!pthread_equal(pthread_self(), loop_thread));
    CHECK(ec_httpsrv_request_header_get(sess, "Host", &host) == 0 && host != NULL);
    CHECK(ec_httpsrv_request_data_get_string(sess, &body) == 0);
    CHECK(ec_httpsrv_response_status_ok(sess, "text/plain") == 0);
    CHECK(ec_httpsrv_response_printf(sess, "blocked for %.*s", (int)body->len, body->buffer) == 0);
    return EC_HTTPSRV_HANDLER_DONE;
}

static int
routes(void *arg)
{
    loop_thread = pthread_self();
    int pooled = ec_httpsrv_register(NULL, "POST", "/blocking", httpsrv_pool_new("blocking", 2, 0), NULL, blocking);
    int err = pooled != 0 ? pooled : ec_httpsrv_register(NULL, "GET", "/pool", ECTP_CLASS_SHORT_LIVED, NULL, from_pool);

    (void)arg;
    err = err != 0 ? err : ec_httpsrv_register(NULL, "GET", "/told", ECTP_CLASS_SHORT_LIVED, NULL, told_by_loop);
    err = err != 0 ? err : ec_httpsrv_register(NULL, "GET", "/raced", ECTP_CLASS_SHORT_LIVED, NULL, raced);
    return err != 0 ? err : ec_httpsrv_register(NULL, "GET", "/abandoned", ECTP_CLASS_SHORT_LIVED, NULL, abandoned);
}

static void *
ask(void *arg)
{
    for (int i = 0; i < 25; i++) {
        CHECK(has_body(exchange("GET /pool HTTP/1.1", NULL), "5050"));
        CHECK(has_body(exchange("GET /told HTTP/1.1", NULL), "55"));
        CHECK(has_body(exchange("GET /raced HTTP/1.1", NULL), "raced"));
        CHECK(has_body(exchange("POST /blocking HTTP/1.1", "me"), "blocked for me"));
        abandon("GET /abandoned HTTP/1.1", 0);
    }
    return arg;
}

static void
client(void)
{
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, ask, NULL) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    while (failures == 0 && (left != THREADS * 25 || resumed + too_late != 2 * THREADS * 25)) {
        (void)exchange("GET /told HTTP/1.1", NULL);
    }
    CHECK(resumed == THREADS * 25 && too_late == THREADS * 25);
}

void
test_threads(void)
{
    references();
    jobs();
    resumed = too_late = left = 0;
    serve(routes, client);
}
