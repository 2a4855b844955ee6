/* test_io_job.c - io_job.c: jobs of the documented API, their completions, and reading a resource. */
#include "ec_thread_pool.h"

#include <pthread.h>
#include <semaphore.h>

#include "io/io_kind.h"

#include "io_test.h"

#include "alloc_fail.h"

static struct {
    int worked, completed;
    pthread_t worker, completer;
} seen;

static void
worker(ec_async_job *job, void *closure)
{
    assert_ptr_equal(closure, &seen);
    assert_non_null(job->file);
    assert_true(job->line > 0);
    seen.worked++;
    seen.worker = pthread_self();
}

static void
completion(ec_async_job *job, void *closure)
{
    assert_non_null(job);
    assert_ptr_equal(closure, &seen);
    seen.completed++;
    seen.completer = pthread_self();
}

static ec_async_job
make_job(enum ec_thread_pool_completion how, int job_class)
{
    memset(&seen, 0, sizeof seen);
    ec_async_job job = { .completion = how, .job_class = job_class, .worker = worker, .closure = &seen };
    job.r.cb.func = completion;
    job.r.cb.closure = &seen;
    return job;
}

static void
ruling_17_a_job_may_complete_in_its_thread(void **state)
{
    (void)state;
    for (int job_class = ECTP_CLASS_CPU; job_class <= ECTP_CLASS_SIEVE_IO; job_class++) {
        ec_async_job job = make_job(ECTP_COMPLETE_CALLBACK, job_class);
        assert_int_equal(ec_queue_async_job(&job), 1);
        hs_pools_stop();
        assert_int_equal(seen.worked, 1);
        assert_int_equal(seen.completed, 1);
        assert_false(pthread_equal(seen.worker, pthread_self()));
        assert_true(pthread_equal(seen.worker, seen.completer));
    }
}

static void
ruling_17_a_job_may_complete_without_a_word(void **state)
{
    (void)state;
    ec_async_job *job = malloc(sizeof *job);
    *job = make_job(ECTP_COMPLETE_NONE, ECTP_CLASS_IO);
    job->free_on_completion_memtype = MEMTYPE_IS_MALLOC_3C;
    assert_int_equal(ec_queue_async_job(job), 1);
    hs_pools_stop();
    assert_int_equal(seen.worked, 1);
    assert_int_equal(seen.completed, 0);
}

static void
ruling_17_a_job_may_complete_on_the_loop(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        ec_async_job job = make_job(i == 0 ? ECTP_COMPLETE_CALLBACK_SCHED : ECTP_COMPLETE_CALLBACK_SCHED_INST, ECTP_CLASS_IO);
        job.r.cb.inst = i == 2 ? hs_loop_base(loop) : NULL;
        assert_int_equal(ec_queue_async_job(&job), 1);
        while (seen.completed == 0) {
            hs_loop_turn(loop, true);
        }
        assert_false(pthread_equal(seen.worker, pthread_self()));
        assert_true(pthread_equal(seen.completer, pthread_self()));
    }
}

static void
ruling_17_a_job_may_post_a_semaphore(void **state)
{
    (void)state;
    sem_t sema;
    assert_int_equal(sem_init(&sema, 0, 0), 0);
    ec_async_job *job = malloc(sizeof *job);
    *job = make_job(ECTP_COMPLETE_SEMAPHORE, ECTP_CLASS_CPU);
    job->r.sema = &sema;
    job->free_on_completion_memtype = MEMTYPE_IS_MALLOC_3C;
    assert_int_equal(ec_queue_async_job(job), 1);
    assert_int_equal(sem_wait(&sema), 0);
    assert_int_equal(seen.worked, 1);
    sem_destroy(&sema);
}

static void
ruling_17_a_job_may_be_run_at_once(void **state)
{
    (void)state;
    ec_async_job job = make_job(ECTP_COMPLETE_SYNC, ECTP_CLASS_IO);
    assert_int_equal(ec_queue_async_job(&job), 1);
    assert_int_equal(seen.worked, 1);
    assert_int_equal(seen.completed, 0);
    assert_true(pthread_equal(seen.worker, pthread_self()));
}

static void
short_lived_jobs_run_on_the_loop(void **state)
{
    (void)state;
    ec_async_job job = make_job(ECTP_COMPLETE_CALLBACK, ECTP_CLASS_SHORT_LIVED);
    assert_int_equal(ec_queue_async_job(&job), 1);
    assert_int_equal(seen.worked, 0); /* from the loop, not from in here */
    hs_loop_turn(loop, false);
    assert_int_equal(seen.worked, 1);
    assert_int_equal(seen.completed, 1);
    assert_true(pthread_equal(seen.worker, pthread_self()));
}

static sem_t *limit;

static void
limited_worker(ec_async_job *job, void *closure)
{
    (void)job;
    int value;
    assert_int_equal(sem_getvalue(limit, &value), 0);
    assert_int_equal(value, 0); /* held by us alone */
    (*(int *)closure)++;
}

static void
concurrency_is_limited(void **state)
{
    (void)state;
    sem_t sema;
    int runs = 0;
    assert_int_equal(sem_init(&sema, 0, 1), 0);
    limit = &sema;
    ec_async_job jobs[20];
    for (int i = 0; i < 20; i++) {
        jobs[i] = make_job(ECTP_COMPLETE_NONE, ECTP_CLASS_IO);
        jobs[i].worker = limited_worker;
        jobs[i].closure = &runs;
        jobs[i].concurrency = &sema;
        assert_int_equal(ec_queue_async_job(&jobs[i]), 1);
    }
    hs_pools_stop();
    assert_int_equal(runs, 20);
    sem_destroy(&sema);
}

static void
skipping_worker(ec_async_job *job, void *closure)
{
    job->skip_completion = 1;
    worker(job, closure);
}

static void
a_worker_may_skip_the_completion(void **state)
{
    (void)state;
    ec_async_job job = make_job(ECTP_COMPLETE_CALLBACK, ECTP_CLASS_IO);
    job.worker = skipping_worker;
    job.free_on_completion_memtype = MEMTYPE_IS_MALLOC_3C;
    assert_int_equal(ec_queue_async_job(&job), 1);
    hs_pools_stop();
    assert_int_equal(seen.worked, 1);
    assert_int_equal(seen.completed, 0);
}

static void
assert_refused(ec_async_job *job, int err)
{
    assert_int_equal(ec_queue_async_job(job), 0);
    assert_int_equal(errno, err);
    assert_int_equal(seen.worked, 0);
}

static void
bad_jobs_are_refused(void **state)
{
    (void)state;
    const enum ec_thread_pool_completion none[] = { ECTP_COMPLETE_EVENT, ECTP_COMPLETE_MODULE, ECTP_COMPLETE_EVENT_INST };
    memset(&seen, 0, sizeof seen);
    assert_refused(NULL, EINVAL);
    for (size_t i = 0; i < 3; i++) {
        ec_async_job job = make_job(none[i], ECTP_CLASS_IO);
        assert_refused(&job, ENOTSUP);
    }
    ec_async_job job = make_job(ECTP_COMPLETE_NONE, 77);
    assert_refused(&job, EINVAL);
    job = make_job(ECTP_COMPLETE_NONE, -2);
    assert_refused(&job, EINVAL);
    job = make_job(ECTP_COMPLETE_NONE, ECTP_CLASS_IO);
    job.worker = NULL;
    assert_refused(&job, EINVAL);
    job = make_job(ECTP_COMPLETE_CALLBACK, ECTP_CLASS_IO);
    job.r.cb.func = NULL;
    assert_refused(&job, EINVAL);
    job = make_job(ECTP_COMPLETE_SEMAPHORE, ECTP_CLASS_IO);
    job.r.sema = NULL;
    assert_refused(&job, EINVAL);
    job = make_job(ECTP_COMPLETE_CALLBACK_SCHED_INST, ECTP_CLASS_IO);
    job.r.cb.inst = (ec_scheduler_inst *)&job;
    assert_refused(&job, loop != NULL ? ENOTSUP : EDEADLK);
    if (loop == NULL) {
        job = make_job(ECTP_COMPLETE_CALLBACK_SCHED, ECTP_CLASS_IO);
        assert_refused(&job, EDEADLK);
        job = make_job(ECTP_COMPLETE_NONE, ECTP_CLASS_SHORT_LIVED);
        assert_refused(&job, EDEADLK);
    }
}

/* --- reading a resource --- */

static void
read_completed(ec_async_job *job, void *closure)
{
    assert_ptr_equal(job, closure);
    seen.completed++;
}

static void
run_read_job(io_job *job)
{
    seen.completed = 0;
    job->job.completion = ECTP_COMPLETE_CALLBACK_SCHED;
    job->job.r.cb.func = read_completed;
    job->job.r.cb.closure = job;
    assert_int_equal(ec_queue_async_job(job), 1); /* the io_job itself, as the manual has it */
    while (seen.completed == 0) {
        hs_loop_turn(loop, true);
    }
}

/* proves: io_wrapper_create_read_job, ec_queue_async_job_ */
static void
a_read_job_stores_the_whole_resource(void **state)
{
    (void)state;
    char path[64], *data = malloc(200000);
    string str;
    fill(data, 200000, 21);
    make_file(path, "/tmp", data, 200000);
    assert_int_equal(string_init_type(&str, 16, STRING_TYPE_MALLOC), 1);
    io_job *job = io_wrapper_create_read_job(path);
    assert_non_null(job);
    job->buffer = &str;
    run_read_job(job);
    assert_int_equal(job->status, IOJ_COMPLETED);
    assert_int_equal(job->errorcode, 0);
    assert_int_equal(str.len, 200000);
    assert_memory_equal(str.buffer, data, 200000);
    free(job);

    /* at once, on a loop, and not in the page cache */
    string_destroy(&str);
    assert_int_equal(string_init_type(&str, 16, STRING_TYPE_MALLOC), 1);
    drop_cache(path);
    job = io_wrapper_create_read_job(path);
    job->buffer = &str;
    job->job.completion = ECTP_COMPLETE_SYNC;
    assert_int_equal(ec_queue_async_job(job), 1);
    assert_int_equal(job->status, IOJ_COMPLETED);
    assert_int_equal(str.len, 200000);
    assert_memory_equal(str.buffer, data, 200000);
    free(job);
    string_destroy(&str);
    unlink(path);
    free(data);
}

static ssize_t
bad_read(io_object *io, void *buf, size_t n)
{
    (void)io;
    (void)buf;
    (void)n;
    errno = EIO;
    return -1;
}

static int
bad_open(io_object *io, const char *filename, int options, int mode)
{
    (void)io;
    (void)filename;
    (void)options;
    (void)mode;
    return 0;
}

static const io_wrapper bad = { .sizeof_self = sizeof(io_wrapper), .open = bad_open, .read = bad_read, .scheme = "bad" };

static void
a_read_job_says_how_it_failed(void **state)
{
    (void)state;
    char small[4];
    string str = { .type = STRING_TYPE_STATIC, .buffer = small, .allocd = sizeof small };
    assert_null(io_wrapper_create_read_job(NULL));
    assert_int_equal(errno, EINVAL);

    io_job *job = io_wrapper_create_read_job("/dev/null");
    run_read_job(job);
    assert_int_equal(job->status, IOJ_MISUSED);
    free(job);

    job = io_wrapper_create_read_job("/nowhere/at/all");
    job->buffer = &str;
    run_read_job(job);
    assert_int_equal(job->status, IOJ_OPEN_FAILED);
    assert_int_equal(job->errorcode, ENOENT);
    free(job);

    assert_int_equal(io_wrapper_define(&bad), 0);
    job = io_wrapper_create_read_job("bad://x");
    job->buffer = &str;
    run_read_job(job);
    assert_int_equal(job->status, IOJ_READ_FAILED);
    assert_int_equal(job->errorcode, EIO);
    free(job);

    job = io_wrapper_create_read_job("/proc/self/status");
    job->buffer = &str;
    run_read_job(job);
    assert_int_equal(job->status, IOJ_STORE_FAILED);
    assert_int_equal(job->errorcode, ENOSPC);
    free(job);
}

static void
job_scenario(void *arg)
{
    (void)arg;
    string str;
    if (string_init_type(&str, 16, STRING_TYPE_MALLOC) == 0) {
        return;
    }
    io_job *job = io_wrapper_create_read_job("/proc/self/status");
    if (job != NULL) {
        job->buffer = &str;
        if (ec_queue_async_job(job) == 0) {
            assert_int_equal(errno, ENOMEM);
        }
        hs_pools_stop();
        assert_true(job->status == IOJ_COMPLETED || job->errorcode == ENOMEM || job->status == IOJ_MISUSED);
    }
    free(job);
    string_destroy(&str);
}

static void
threat_38_each_allocation_may_fail(void **state)
{
    (void)state;
    assert_true(alloc_fail_each(job_scenario, NULL) >= 6);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        io_test(ruling_17_a_job_may_complete_in_its_thread),
        io_test(ruling_17_a_job_may_complete_without_a_word),
        io_test(ruling_17_a_job_may_complete_on_the_loop),
        io_test(ruling_17_a_job_may_post_a_semaphore),
        io_test(ruling_17_a_job_may_be_run_at_once),
        io_test(short_lived_jobs_run_on_the_loop),
        io_test(concurrency_is_limited),
        io_test(a_worker_may_skip_the_completion),
        io_test(bad_jobs_are_refused),
        io_test_no_loop(bad_jobs_are_refused),
        io_test(a_read_job_stores_the_whole_resource),
        io_test(a_read_job_says_how_it_failed),
        io_test(threat_38_each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
