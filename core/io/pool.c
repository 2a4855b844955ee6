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
#define POOLS_MAX 256      /* beside IO and CPU */

STAILQ_HEAD(job_list, hs_job);

struct hs_pool_thread {
    SLIST_ENTRY(hs_pool_thread) link;
    struct hs_pool *pool;
    pthread_t handle;
    struct job_list mail; /* under the pool's lock */
};
SLIST_HEAD(thread_list, hs_pool_thread);

struct hs_pool {
    SLIST_ENTRY(hs_pool) link;
    const char *name;
    int id;
    struct hs_pool_thread *room; /* for max threads; NULL: they are allocated one by one */

    pthread_mutex_t lock; /* for all below */
    pthread_cond_t work;  /* there is a job, or mail, or the end */
    size_t queue_max;     /* 0: no limit */
    unsigned max;         /* threads */
    struct job_list jobs;
    size_t queued;
    struct thread_list list;
    unsigned threads, active; /* active: in a job */
    unsigned telling;         /* of a job's end */
    bool stopping;
    unsigned long long begun, done;
    int64_t wait_sum, run_sum; /* nanoseconds, over begun and done */
};

#define POOL_INITIALIZER(p, its_name, its_id, its_room)                                                                    \
    {                                                                                                                      \
        .name = (its_name), .id = (its_id), .room = (its_room), .max = sizeof(its_room) / sizeof *(its_room),              \
        .lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER, .jobs = STAILQ_HEAD_INITIALIZER((p).jobs),     \
        .list = SLIST_HEAD_INITIALIZER((p).list)                                                                           \
    }

static struct hs_pool_thread io_room[IO_THREADS];
static struct hs_pool_thread cpu_room[CPU_THREADS_MAX];
static struct hs_pool io_pool = POOL_INITIALIZER(io_pool, "IO", HS_POOL_IO, io_room);
static struct hs_pool cpu_pool = POOL_INITIALIZER(cpu_pool, "CPU", HS_POOL_CPU, cpu_room);

static _Thread_local struct hs_pool_thread *this_thread;

static pthread_once_t cpu_once = PTHREAD_ONCE_INIT;
static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static SLIST_HEAD(, hs_pool) registry = SLIST_HEAD_INITIALIZER(registry); /* under registry_lock */
static int npools;                                                          /* in it */

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

/* Runs what was sent to this thread. With the lock held, which is let go meanwhile. */
static void
read_mail(struct hs_pool_thread *t)
{
    struct hs_job *job;
    while ((job = STAILQ_FIRST(&t->mail)) != NULL) {
        STAILQ_REMOVE_HEAD(&t->mail, link);
        pthread_mutex_unlock(&t->pool->lock);
        job->run(job); /* job may be gone now */
        pthread_mutex_lock(&t->pool->lock);
    }
}

/* The next job, NULL when the pool is being stopped and none is left. A pool that was made smaller leaves jobs to those of its threads that
 * are busy. With the lock held. */
static struct hs_job *
next_job(struct hs_pool_thread *t)
{
    struct hs_pool *pool = t->pool;
    struct hs_job *job;
    for (;;) {
        read_mail(t);
        job = STAILQ_FIRST(&pool->jobs);
        if (job != NULL && pool->active < pool->max) {
            STAILQ_REMOVE_HEAD(&pool->jobs, link);
            pool->queued--;
            return job;
        }
        if (job == NULL && pool->stopping) {
            pthread_cond_broadcast(&pool->work); /* those that a smaller pool holds back */
            return NULL;
        }
        pthread_cond_wait(&pool->work, &pool->lock);
    }
}

static void *
thread_main(void *arg)
{
    struct hs_pool_thread *self = arg;
    struct hs_pool *pool = self->pool;
    struct hs_job *job;

    this_thread = self;
    char name[THREAD_NAME_MAX] = { 0 };
    strncpy(name, pool->name, sizeof name - 1);
    (void)pthread_setname_np(pthread_self(), name); /* for those who look on, no more */

    pthread_mutex_lock(&pool->lock);
    while ((job = next_job(self)) != NULL) {
        int64_t begin = now();
        pool->active++;
        pool->begun++;
        pool->wait_sum += begin - job->queued_at;
        pthread_mutex_unlock(&pool->lock);

        struct hs_loop *loop = job->loop;
        job->run(job); /* without a loop to go back to, job may be gone now */

        pthread_mutex_lock(&pool->lock);
        pool->active--;
        pool->telling++;
        pool->done++;
        pool->run_sum += now() - begin;
        pthread_mutex_unlock(&pool->lock);

        if (loop != NULL) {
            hs_loop_post(loop, &job->post, call_done, job);
        }
        pthread_mutex_lock(&pool->lock);
        pool->telling--;
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* Starts a thread, all its signals blocked from its first instruction on. 0 or EAGAIN. */
static int
start_thread(struct hs_pool_thread *t)
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
    err = pthread_create(&t->handle, NULL, thread_main, t);
    (void)pthread_sigmask(SIG_SETMASK, &saved, NULL); /* fails for a bad first argument only */
    return err;
}

/* The same for the pool's next one. With the lock held. 0, EAGAIN or ENOMEM. */
static int
add_thread(struct hs_pool *pool)
{
    struct hs_pool_thread *t = pool->room != NULL ? &pool->room[pool->threads] : malloc(sizeof *t);
    if (t == NULL) {
        return ENOMEM;
    }
    *t = (struct hs_pool_thread){ .pool = pool };
    STAILQ_INIT(&t->mail);
    int err = start_thread(t);
    if (err != 0) {
        if (pool->room == NULL) {
            free(t);
        }
        return err;
    }
    SLIST_INSERT_HEAD(&pool->list, t, link);
    pool->threads++;
    return 0;
}

struct hs_pool_thread *
hs_pool_thread(void)
{
    return this_thread;
}

struct hs_pool *
hs_pool_of_thread(const struct hs_pool_thread *t)
{
    return t->pool;
}

void
hs_pool_thread_send(struct hs_pool_thread *t, struct hs_job *job)
{
    struct hs_pool *pool = t->pool;
    pthread_mutex_lock(&pool->lock);
    STAILQ_INSERT_TAIL(&t->mail, job, link);
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
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
    SLIST_INIT(&pool->list);
    return pool;

fail_cond:
    pthread_mutex_destroy(&pool->lock);
fail_lock:
    free(pool);
    return NULL;
}

struct hs_pool *
hs_pool_by_id(int id)
{
    if (id == HS_POOL_IO || id == HS_POOL_CPU) {
        return id == HS_POOL_IO ? hs_pool_io() : hs_pool_cpu();
    }
    struct hs_pool *pool;
    pthread_mutex_lock(&registry_lock);
    SLIST_FOREACH (pool, &registry, link) {
        if (pool->id == id) {
            break;
        }
    }
    pthread_mutex_unlock(&registry_lock);
    return pool;
}

struct hs_pool *
hs_pool_at(size_t n)
{
    if (n < 2) {
        return n == 0 ? hs_pool_io() : hs_pool_cpu();
    }
    return hs_pool_by_id(HS_POOL_FIRST + (int)(n - 2));
}

size_t
hs_pool_count(void)
{
    pthread_mutex_lock(&registry_lock);
    const size_t n = (size_t)npools + 2;
    pthread_mutex_unlock(&registry_lock);
    return n;
}

int
hs_pool_id(const struct hs_pool *pool)
{
    return pool->id;
}

const char *
hs_pool_name(const struct hs_pool *pool)
{
    return pool->name;
}

int
hs_pool_set(struct hs_pool *pool, unsigned threads, size_t queue)
{
    if (threads == 0 || threads > THREADS_MAX || pool->room != NULL) {
        return EINVAL;
    }
    pthread_mutex_lock(&pool->lock);
    pool->max = threads;
    pool->queue_max = queue;
    while (pool->threads < pool->max && pool->queued > pool->threads - pool->active && add_thread(pool) == 0) {
    }
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    return 0;
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
    } else if (npools == POOLS_MAX) {
        err = ENOSPC;
    } else if ((*out = make_pool(name, threads, queue)) == NULL) {
        err = ENOMEM;
    } else {
        (*out)->id = HS_POOL_FIRST + npools++;
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
    unsigned idle = pool->max > pool->active ? pool->max - pool->active : 0; /* a pool that was made smaller */
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
        int err = add_thread(pool);
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
        .threads_max = pool->max,
        .queue_max = pool->queue_max,
        .active = pool->active,
        .telling = pool->telling,
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
    struct hs_pool_thread *t;
    while ((t = SLIST_FIRST(&pool->list)) != NULL) {
        SLIST_REMOVE_HEAD(&pool->list, link);
        int err = pthread_join(t->handle, NULL);
        assert(err == 0); /* mail that came too late is its senders' */
        (void)err;
        if (pool->room == NULL) {
            free(t);
        }
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
    SLIST_FOREACH (pool, &registry, link) {
        tell_stop(pool);
    }
    SLIST_FOREACH (pool, &registry, link) {
        join(pool);
    }
    tell_stop(&cpu_pool);
    join(&cpu_pool);
    tell_stop(&io_pool);
    join(&io_pool);
    while ((pool = SLIST_FIRST(&registry)) != NULL) {
        SLIST_REMOVE_HEAD(&registry, link);
        free_pool(pool);
    }
    npools = 0;
}
