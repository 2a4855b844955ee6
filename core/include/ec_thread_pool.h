/* ec_thread_pool.h - jobs for the thread pools.
 * Fill in a job, queue it, and leave it alone until it has completed: its worker runs in a pool, then it completes in the way that was asked
 * for. The job and all it points to stay the caller's; free_on_completion_memtype gives the job itself away. */
#ifndef EC_THREAD_POOL_H
#define EC_THREAD_POOL_H

#include <semaphore.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef HTTPSRV_API
#define HTTPSRV_API __attribute__((visibility("default")))
#endif

struct event_base;
typedef struct event_base ec_scheduler_inst;

typedef struct ec_thread_pool_job ec_async_job;

typedef void (*ec_thread_pool_work_func)(ec_async_job *job, void *closure);
typedef void (*ec_thread_pool_completion_func)(ec_async_job *job, void *closure);

enum ec_thread_pool_completion {
    ECTP_COMPLETE_NONE = 0,
    ECTP_COMPLETE_EVENT = 1,               /* not offered */
    ECTP_COMPLETE_MODULE = 2,              /* not offered */
    ECTP_COMPLETE_CALLBACK = 3,            /* r.cb, in the thread that ran the worker */
    ECTP_COMPLETE_SEMAPHORE = 4,           /* sem_post(3) on r.sema */
    ECTP_COMPLETE_SYNC = 5,                /* the worker is run by ec_queue_async_job itself */
    ECTP_COMPLETE_CALLBACK_SCHED = 6,      /* r.cb, on the event loop of the thread that queued the job */
    ECTP_COMPLETE_EVENT_INST = 7,          /* not offered */
    ECTP_COMPLETE_CALLBACK_SCHED_INST = 8, /* the same as _CALLBACK_SCHED; r.cb.inst has to be that loop, or NULL */
};

/* Job classes. SHORT_LIVED runs on the event loop, CPU and IO in the pools of these names, the others of this list in the IO pool; the id of a
 * pool that httpsrv_pool_new has made is a job class too. ec_httpsrv_register takes them for handlers. */
enum {
    ECTP_CLASS_SHORT_LIVED = -1,
    ECTP_CLASS_CPU = 0,
    ECTP_CLASS_IO = 1,
    ECTP_CLASS_SWAPOUT = 2,
    ECTP_CLASS_SWAPIN = 3,
    ECTP_CLASS_CLOSE = 4,
    ECTP_CLASS_UNLINK = 5,
    ECTP_CLASS_BATCH_UNLINK = 6,
    ECTP_CLASS_SPOOL_IN = 7,
    ECTP_CLASS_ASYNC_BOUNCE = 8,
    ECTP_CLASS_SIEVE_IO = 9,
};

struct ec_thread_pool_job {
    ec_async_job *next; /* the core's while the job is queued */
    enum ec_thread_pool_completion completion;
    int job_class;
    sem_t *concurrency; /* when not NULL: waited for before the worker runs, posted after */
    ec_thread_pool_work_func worker;
    void *closure; /* for the worker */
    union {
        struct {
            ec_thread_pool_completion_func func;
            void *closure;
            ec_scheduler_inst *inst;
        } cb;
        sem_t *sema;
    } r;
    int free_on_completion_memtype; /* MEMTYPE_IS_MALLOC_3C: the job is given to free(3) after it has completed; 0: it is not */
    unsigned skip_completion : 1;   /* set by the worker: the job does not complete (and is not freed) */
    unsigned skip_on_shutdown : 1;  /* not looked at: queued jobs are always run */
    unsigned _spare_bits : 30;
    const char *file; /* who queued it */
    int line;
};

/* Queues job: an ec_async_job, or a struct that begins with one, such as io_job. 1; 0 with errno: EINVAL (no worker, unknown class), ENOTSUP (a
 * completion that is not offered), EDEADLK (a loop is asked for in a thread without one), ENOMEM, EAGAIN (the pool takes no more work); then
 * the job stays the caller's. Any thread. */
#define ec_queue_async_job(job) ec_queue_async_job_((job), __FILE__, __LINE__, 0)
HTTPSRV_API int ec_queue_async_job_(void *job, const char *file, int line, int flags);

/* --- ours: named pools --- */

/* Makes a pool of up to threads (1 to 1024) threads, in whose queue up to queue jobs wait for a free one (0: any number). Its id, 16 or more, which
 * is a job class; it exists until the server is freed. -1 with errno: EINVAL, EEXIST (of that name, with other limits; with the same ones it is
 * found), ENOSPC (256 pools), ENOMEM. Any thread. */
HTTPSRV_API int httpsrv_pool_new(const char *name, unsigned threads, size_t queue);
/* The id of a pool; "IO" and "CPU" always exist. -1 with errno: ENOENT, EINVAL (NULL). Any thread. */
HTTPSRV_API int httpsrv_pool_find(const char *name);
/* The pools' names in order, "IO" and "CPU" first; NULL past the last. The string lives as long as the pool. Any thread. */
HTTPSRV_API const char *httpsrv_pool_name(size_t n);

struct httpsrv_pool_stat {
    unsigned threads_max;    /* as it was made */
    size_t queue_max;        /* 0: any number */
    unsigned threads;        /* started */
    unsigned active;         /* in a job now */
    size_t queued;           /* jobs that no thread has begun */
    unsigned long long done; /* jobs that have been run */
    double wait_avg, run_avg; /* seconds that a job has waited, and run, on average */
};
/* 0, ENOENT (no such pool), EINVAL. Any thread. */
HTTPSRV_API int httpsrv_pool_stat(int id, struct httpsrv_pool_stat *st);

#ifdef __cplusplus
}
#endif

#endif
