/* jobs.c - ec_thread_pool.h and read jobs, in each way of completing that needs no loop; threads.c has the one that does. */
#include "installed.h"

#include <ec_thread_pool.h>
#include <io_wrapper.h>

static sem_t done;
static atomic_int worked;

static void
work(ec_async_job *job, void *closure)
{
    (void)job;
    *(atomic_int *)closure += 1;
}

static void
completed(ec_async_job *job, void *closure)
{
    (void)job;
    CHECK(closure == &worked);
    (void)sem_post(&done);
}

static void
each_completion(void)
{
    ec_async_job sync = { .completion = ECTP_COMPLETE_SYNC, .job_class = ECTP_CLASS_CPU, .worker = work, .closure = &worked };
    ec_async_job callback = { .completion = ECTP_COMPLETE_CALLBACK, .job_class = ECTP_CLASS_IO, .worker = work, .closure = &worked,
                              .r.cb = { .func = completed, .closure = &worked } };
    ec_async_job semaphore = { .completion = ECTP_COMPLETE_SEMAPHORE, .job_class = ECTP_CLASS_CPU, .worker = work, .closure = &worked,
                               .r.sema = &done };
    ec_async_job wrong = { .completion = ECTP_COMPLETE_EVENT, .job_class = ECTP_CLASS_CPU, .worker = work };

    CHECK(ec_queue_async_job(&sync) == 1 && worked == 1);
    CHECK(ec_queue_async_job(&callback) == 1 && sem_wait(&done) == 0 && worked == 2);
    CHECK(ec_queue_async_job_(&semaphore, __FILE__, __LINE__, 0) == 1 && sem_wait(&done) == 0 && worked == 3);
    CHECK(ec_queue_async_job(&wrong) == 0 && errno == ENOTSUP);
    wrong.completion = ECTP_COMPLETE_CALLBACK_SCHED;
    wrong.r.cb.func = completed;
    CHECK(ec_queue_async_job(&wrong) == 0 && errno == EDEADLK); /* there is no loop here */
}

static void
read_jobs(void)
{
    string text;

    CHECK(string_init_type(&text, 64, STRING_TYPE_MALLOC) == 1);
    for (int missing = 0; missing < 2; missing++) {
        io_job *job = io_wrapper_create_read_job(missing ? "/no/such/file" : "/proc/self/comm");
        CHECK(job != NULL);
        job->buffer = &text;
        job->job.completion = ECTP_COMPLETE_SEMAPHORE;
        job->job.r.sema = &done;
        CHECK(ec_queue_async_job(job) == 1 && sem_wait(&done) == 0);
        CHECK(job->status == (missing ? IOJ_OPEN_FAILED : IOJ_COMPLETED) && job->errorcode == (missing ? ENOENT : 0));
        free(job);
    }
    CHECK(strcmp(text.buffer, "installed\n") == 0);
    (void)string_destroy(&text);
}

void
test_jobs(void)
{
    CHECK(sem_init(&done, 0, 0) == 0);
    each_completion();
    read_jobs();
    (void)sem_destroy(&done);
}
