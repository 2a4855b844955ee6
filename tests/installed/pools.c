/* pools.c - ec_thread_pool.h: named pools of threads, how they are made, found, watched, and given jobs. */
#include "installed.h"

#include <ec_thread_pool.h>
#include <io_wrapper.h>

static sem_t done;

static void
work(ec_async_job *job, void *closure)
{
    (void)job;
    *(atomic_int *)closure += 1;
}

static void
jobs(int pool)
{
    static atomic_int worked;
    struct httpsrv_pool_stat st;

    CHECK(sem_init(&done, 0, 0) == 0);
    for (int i = 0; i < 10; i++) {
        ec_async_job *job = calloc(1, sizeof *job);
        job->completion = ECTP_COMPLETE_SEMAPHORE;
        job->job_class = pool;
        job->worker = work;
        job->closure = &worked;
        job->r.sema = &done;
        job->free_on_completion_memtype = MEMTYPE_IS_MALLOC_3C;
        CHECK(ec_queue_async_job(job) == 1);
    }
    for (int i = 0; i < 10; i++) {
        CHECK(sem_wait(&done) == 0);
    }
    CHECK(worked == 10);
    CHECK(httpsrv_pool_stat(pool, &st) == 0 && st.threads_max == 3 && st.queue_max == 0 && st.threads >= 1 && st.threads <= 3);
    worked = 0;
}

void
test_pools(void)
{
    struct httpsrv_pool_stat st;

    int pool = httpsrv_pool_new("installed", 3, 0);
    CHECK(pool >= 16 && httpsrv_pool_find("installed") == pool && httpsrv_pool_new("installed", 3, 0) == pool);
    CHECK(httpsrv_pool_new("installed", 2, 0) == -1 && errno == EEXIST);
    CHECK(httpsrv_pool_find("no such pool") == -1 && errno == ENOENT && httpsrv_pool_find("CPU") == ECTP_CLASS_CPU);
    CHECK(strcmp(httpsrv_pool_name(0), "IO") == 0 && strcmp(httpsrv_pool_name(2), "installed") == 0 && httpsrv_pool_name(3) == NULL);
    CHECK(httpsrv_pool_stat(4711, &st) == ENOENT);
    jobs(pool);
}
