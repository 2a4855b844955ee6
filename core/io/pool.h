/* pool.h - named sets of threads for what would block a loop. "IO" and "CPU" always exist; threads start with the first job.
 * A pool outlives the jobs; hs_pools_stop joins them all. */
#ifndef HS_IO_POOL_H
#define HS_IO_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "io/loop.h"

struct hs_pool;
struct hs_pool_thread;

/* Ids, as job classes name pools (ec_thread_pool.h); those of hs_pool_new follow each other. */
enum { HS_POOL_CPU = 0, HS_POOL_IO = 1, HS_POOL_FIRST = 16 };

/* One job. run is called in a pool thread; done, when not NULL, on the loop that submitted it, after run. The struct
 * is the caller's and must live until done (or until run has ended when done is NULL: run may free it). */
struct hs_job {
    STAILQ_ENTRY(hs_job) link;
    void (*run)(struct hs_job *job);
    void (*done)(struct hs_job *job);
    struct hs_loop *loop;
    struct hs_post post;
    int64_t queued_at; /* monotonic nanoseconds */
};

struct hs_pool_stat {
    unsigned threads, active; /* started; in a job now */
    unsigned telling;         /* out of a job, and about to post its end to its loop */
    unsigned threads_max;     /* as hs_pool_new or hs_pool_set said */
    size_t queue_max;
    size_t queued;            /* jobs that no thread has begun */
    unsigned long long done;  /* jobs whose run has ended */
    double wait_avg, run_avg; /* seconds, over all jobs begun, and done */
};

/* Finds a pool by name (case-sensitive); NULL when there is none. Any thread. */
struct hs_pool *hs_pool_find(const char *name);
/* Makes a pool of up to threads (1 to 1024) threads whose queue holds up to queue jobs that no thread is free for (0: no
 * limit). 0, EEXIST, EINVAL, ENOMEM, ENOSPC (256 pools). Any thread. */
int hs_pool_new(const char *name, unsigned threads, size_t queue, struct hs_pool **out);
/* Changes the limits of a pool made by hs_pool_new; threads past a lower limit stay, and idle. 0, EINVAL. Any thread. */
int hs_pool_set(struct hs_pool *pool, unsigned threads, size_t queue);
/* Its id and its name, both for ever. A pool by its id, NULL when there is none. Any thread. */
int hs_pool_id(const struct hs_pool *pool);
const char *hs_pool_name(const struct hs_pool *pool);
struct hs_pool *hs_pool_by_id(int id);
/* The pool of a job class (ec_thread_pool.h), NULL: unknown, or the loop's. Any thread. */
struct hs_pool *hs_pool_of_class(int job_class);
/* All pools: "IO", "CPU", then the others in the order in which they were made; NULL past the last. Any thread. */
size_t hs_pool_count(void);
struct hs_pool *hs_pool_at(size_t n);
/* For what waits (disks, FIFOs): up to 32 threads; and for what computes: one a processor. Never NULL. Any thread. */
struct hs_pool *hs_pool_io(void);
struct hs_pool *hs_pool_cpu(void);
/* Queues a job. 0; EAGAIN when the queue is full or the pools are being stopped, ENOMEM/EAGAIN when no thread could be
 * started and none runs. Any thread; done needs a thread with a loop (asserted). */
int hs_pool_submit(struct hs_pool *pool, struct hs_job *job);
/* Takes a job back that no thread has begun: true, and neither run nor done will be called; false: it runs or has run. */
bool hs_pool_cancel(struct hs_pool *pool, struct hs_job *job);
void hs_pool_get_stat(struct hs_pool *pool, struct hs_pool_stat *st);
/* The calling thread as one of a pool, NULL elsewhere; and the pool of one. */
struct hs_pool_thread *hs_pool_thread(void);
struct hs_pool *hs_pool_of_thread(const struct hs_pool_thread *t);
/* Has job->run called in that very thread before its next job, also while the pool stops; it counts as no job, and done is not looked at. The
 * thread must not have ended. Any thread. */
void hs_pool_thread_send(struct hs_pool_thread *t, struct hs_job *job);
/* Waits for queued jobs, joins all threads, frees all pools. Only with no other users left. Posts of ended jobs still need
 * a loop turn (hs_loop_free takes it). The pools of hs_pool_new end first, since their jobs may need the others. "IO" and "CPU" may be used again afterwards. */
void hs_pools_stop(void);

#endif
