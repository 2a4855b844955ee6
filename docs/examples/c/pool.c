/* shows: httpsrv_pool_new, httpsrv_pool_find, httpsrv_pool_name, httpsrv_pool_stat
 * A pool of threads of one's own, and a job that runs there. */
#include <ec_thread_pool.h>
#include <stdio.h>

static void
work(ec_async_job *job, void *closure)
{
    (void)job;
    *(int *)closure = 6 * 7;
}

int
main(void)
{
    sem_t done;
    int answer = 0;
    int pool = httpsrv_pool_new("computing", 2, 10);

    sem_init(&done, 0, 0);
    ec_async_job job = {
        .job_class = pool, .worker = work, .closure = &answer, .completion = ECTP_COMPLETE_SEMAPHORE, .r.sema = &done,
    };
    if (!ec_queue_async_job(&job)) {
        return 1;
    }
    sem_wait(&done);
    printf("%d\n", answer); //> 42

    struct httpsrv_pool_stat st;
    printf("%d\n", httpsrv_pool_stat(httpsrv_pool_find("computing"), &st)); //> 0
    printf("%u threads at most, %zu queued at most\n", st.threads_max, st.queue_max); //> 2 threads at most, 10 queued at most
    printf("%s %s %s\n", httpsrv_pool_name(0), httpsrv_pool_name(1), httpsrv_pool_name(2)); //> IO CPU computing
    return 0;
}
