/* pool.c - named sets of threads.
 *
 * A pool owns its threads and its queue; the jobs are their submitters'. One lock a pool guards all of it and is never held
 * while a job runs or ends. A thread is started when more jobs wait than threads are free, and stays until hs_pools_stop.
 * "IO" and "CPU" are static, so that they are there even when memory is not; the others live in a list that only
 * hs_pools_stop shortens, so a pool once found stays valid.
 *
 * Pool threads take no signals: those belong to whoever runs the loops. What the processor itself raises (SIGSEGV and its
 * like) is left open, since a handler that reports it must run in the thread that caused it. */
#include "io/pool.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Many of the IO pool's threads may wait for disks, or for the other end of a FIFO, at the same time. */
#define IO_THREADS 32
#define CPU_THREADS_MAX 64
#define THREADS_MAX 1024
#define THREAD_NAME_MAX 16 /* with its NUL: prctl(2), PR_SET_NAME */

STAILQ_HEAD(job_list, hs_job);

struct hs_pool {
    SLIST_ENTRY(hs_pool) link;
    const char *name;
    pthread_t *handles; /* room for max */
    size_t queue_max;   /* 0: no limit */
    unsigned max;       /* threads */

    pthread_mutex_t lock; /* for all below */
    pthread_cond_t work;  /* there is a job, or the end */
    struct job_list jobs;
    size_t queued;
    unsigned threads, active; /* active: in a job */
    bool stopping;
    unsigned long long begun, done;
    int64_t wait_sum, run_sum; /* nanoseconds, over begun and done */
};

#define POOL_INITIALIZER(p, its_name, its_handles)                                                                         \
    {                                                                                                                      \
        .name = (its_name), .handles = (its_handles), .max = sizeof(its_handles) / sizeof *(its_handles),                  \
        .lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER, .jobs = STAILQ_HEAD_INITIALIZER((p).jobs)      \
    }

static pthread_t io_handles[IO_THREADS];
static pthread_t cpu_handles[CPU_THREADS_MAX];
static struct hs_pool io_pool = POOL_INITIALIZER(io_pool, "IO", io_handles);
static struct hs_pool cpu_pool = POOL_INITIALIZER(cpu_pool, "CPU", cpu_handles);

static pthread_once_t cpu_once = PTHREAD_ONCE_INIT;
static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static SLIST_HEAD(, hs_pool) registry = SLIST_HEAD_INITIALIZER(registry); /* under registry_lock */

static int64_t
now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * HS_SEC + ts.tv_nsec;
}

/* --- threads --- */

static void
call_done(void *arg)
{
    struct hs_job *job = arg;
    job->done(job);
    /* job may be gone */
}

/* The next job, NULL when the pool is being stopped and none is left. With the lock held. */
static struct hs_job *
next_job(struct hs_pool *pool)
{
    struct hs_job *job;
    while ((job = STAILQ_FIRST(&pool->jobs)) == NULL && !pool->stopping) {
        pthread_cond_wait(&pool->work, &pool->lock);
    }
    if (job != NULL) {
        STAILQ_REMOVE_HEAD(&pool->jobs, link);
        pool->queued--;
    }
    return job;
}

static void *
thread_main(void *arg)
{
    struct hs_pool *pool = arg;
    struct hs_job *job;

    char name[THREAD_NAME_MAX] = { 0 };
    strncpy(name, pool->name, sizeof name - 1);
    (void)pthread_setname_np(pthread_self(), name); /* for those who look on, no more */

    pthread_mutex_lock(&pool->lock);
    while ((job = next_job(pool)) != NULL) {
        int64_t begin = now();
        pool->active++;
        pool->begun++;
        pool->wait_sum += begin - job->queued_at;
        pthread_mutex_unlock(&pool->lock);

        struct hs_loop *loop = job->loop;
        job->run(job); /* without a loop to go back to, job may be gone now */

        pthread_mutex_lock(&pool->lock);
        pool->active--;
        pool->done++;
        pool->run_sum += now() - begin;
        pthread_mutex_unlock(&pool->lock);

        if (loop != NULL) {
            hs_loop_post(loop, &job->post, call_done, job);
        }
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* Starts one more thread, all its signals blocked from its first instruction on. With the lock held. 0 or EAGAIN. */
static int
start_thread(struct hs_pool *pool)
{
    static const int own[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS };
    sigset_t all, saved;
    sigfillset(&all);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        sigdelset(&all, own[i]);
    }
    int err = pthread_sigmask(SIG_SETMASK, &all, &saved);
    if (err != 0) {
        return err;
    }
    err = pthread_create(&pool->handles[pool->threads], NULL, thread_main, pool);
    (void)pthread_sigmask(SIG_SETMASK, &saved, NULL); /* fails for a bad first argument only */
    if (err == 0) {
        pool->threads++;
    }
    return err;
}

/* --- pools --- */

/* As many as there are processors; the array stays as it is. */
static void
size_cpu_pool(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    cpu_pool.max = n < 1 ? 1 : n > CPU_THREADS_MAX ? CPU_THREADS_MAX : (unsigned)n;
}

struct hs_pool *
hs_pool_io(void)
{
    return &io_pool;
}

struct hs_pool *
hs_pool_cpu(void)
{
    pthread_once(&cpu_once, size_cpu_pool);
    return &cpu_pool;
}

/* With registry_lock held. */
static struct hs_pool *
find(const char *name)
{
    if (strcmp(name, io_pool.name) == 0) {
        return hs_pool_io();
    }
    if (strcmp(name, cpu_pool.name) == 0) {
        return hs_pool_cpu();
    }
    struct hs_pool *pool;
    SLIST_FOREACH (pool, &registry, link) {
        if (strcmp(name, pool->name) == 0) {
            return pool;
        }
    }
    return NULL;
}

struct hs_pool *
hs_pool_find(const char *name)
{
    pthread_mutex_lock(&registry_lock);
    struct hs_pool *pool = find(name);
    pthread_mutex_unlock(&registry_lock);
    return pool;
}

static void
free_pool(struct hs_pool *pool)
{
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    free(pool->handles);
    free(pool);
}

/* The pool, its name behind it. NULL: out of memory. */
static struct hs_pool *
make_pool(const char *name, unsigned threads, size_t queue)
{
    size_t name_size = strlen(name) + 1;
    struct hs_pool *pool = calloc(1, sizeof *pool + name_size);
    if (pool == NULL) {
        return NULL;
    }
    pool->handles = calloc(threads, sizeof *pool->handles);
    if (pool->handles == NULL) {
        goto fail_handles;
    }
    if (pthread_mutex_init(&pool->lock, NULL) != 0) {
        goto fail_lock;
    }
    if (pthread_cond_init(&pool->work, NULL) != 0) {
        goto fail_cond;
    }
    pool->name = memcpy(pool + 1, name, name_size);
    pool->max = threads;
    pool->queue_max = queue;
    STAILQ_INIT(&pool->jobs);
    return pool;

fail_cond:
    pthread_mutex_destroy(&pool->lock);
fail_lock:
    free(pool->handles);
fail_handles:
    free(pool);
    return NULL;
}

int
hs_pool_new(const char *name, unsigned threads, size_t queue, struct hs_pool **out)
{
    if (name == NULL || *name == '\0' || threads == 0 || threads > THREADS_MAX) {
        return EINVAL;
    }
    int err = 0;
    pthread_mutex_lock(&registry_lock);
    if (find(name) != NULL) {
        err = EEXIST;
    } else if ((*out = make_pool(name, threads, queue)) == NULL) {
        err = ENOMEM;
    } else {
        SLIST_INSERT_HEAD(&registry, *out, link);
    }
    pthread_mutex_unlock(&registry_lock);
    return err;
}

/* --- jobs --- */

/* Whether the queue is full. Jobs that idle threads are about to take, or threads yet to be started, do not count. */
static bool
is_full(const struct hs_pool *pool)
{
    unsigned idle = pool->max - pool->active;
    return pool->queue_max != 0 && pool->queued >= idle && pool->queued - idle >= pool->queue_max;
}

/* With the lock held. */
static int
enqueue(struct hs_pool *pool, struct hs_job *job)
{
    if (pool->stopping || is_full(pool)) {
        return EAGAIN;
    }
    if (pool->queued >= pool->threads - pool->active && pool->threads < pool->max) {
        int err = start_thread(pool);
        if (err != 0 && pool->threads == 0) {
            return err;
        }
    }
    STAILQ_INSERT_TAIL(&pool->jobs, job, link);
    pool->queued++;
    pthread_cond_signal(&pool->work);
    return 0;
}

int
hs_pool_submit(struct hs_pool *pool, struct hs_job *job)
{
    job->loop = job->done != NULL ? hs_loop_current() : NULL;
    assert(job->done == NULL || job->loop != NULL);
    job->queued_at = now();
    pthread_mutex_lock(&pool->lock);
    int err = enqueue(pool, job);
    pthread_mutex_unlock(&pool->lock);
    return err;
}

bool
hs_pool_cancel(struct hs_pool *pool, struct hs_job *job)
{
    struct hs_job *it;
    pthread_mutex_lock(&pool->lock);
    STAILQ_FOREACH (it, &pool->jobs, link) {
        if (it == job) {
            STAILQ_REMOVE(&pool->jobs, job, hs_job, link);
            pool->queued--;
            break;
        }
    }
    pthread_mutex_unlock(&pool->lock);
    return it != NULL;
}

static double
average(int64_t sum, unsigned long long n)
{
    return n == 0 ? 0 : (double)sum / (double)n / (double)HS_SEC;
}

void
hs_pool_get_stat(struct hs_pool *pool, struct hs_pool_stat *st)
{
    pthread_mutex_lock(&pool->lock);
    *st = (struct hs_pool_stat){
        .threads = pool->threads,
        .active = pool->active,
        .queued = pool->queued,
        .done = pool->done,
        .wait_avg = average(pool->wait_sum, pool->begun),
        .run_avg = average(pool->run_sum, pool->done),
    };
    pthread_mutex_unlock(&pool->lock);
}

/* --- the end --- */

/* From now on the pool takes no more jobs; its threads end when those that it has are done. */
static void
tell_stop(struct hs_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
}

/* Leaves the pool as it was before its first job. */
static void
join(struct hs_pool *pool)
{
    for (unsigned i = 0; i < pool->threads; i++) {
        int err = pthread_join(pool->handles[i], NULL);
        assert(err == 0);
        (void)err;
    }
    assert(STAILQ_EMPTY(&pool->jobs));
    pool->threads = 0;
    pool->stopping = false;
    pool->begun = pool->done = 0;
    pool->wait_sum = pool->run_sum = 0;
}

void
hs_pools_stop(void)
{
    struct hs_pool *pool;
    tell_stop(&io_pool);
    tell_stop(&cpu_pool);
    SLIST_FOREACH (pool, &registry, link) {
        tell_stop(pool);
    }
    join(&io_pool);
    join(&cpu_pool);
    while ((pool = SLIST_FIRST(&registry)) != NULL) {
        SLIST_REMOVE_HEAD(&registry, link);
        join(pool);
        free_pool(pool);
    }
}
