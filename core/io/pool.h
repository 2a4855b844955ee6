/* pool.h - named sets of threads for what would block a loop. "IO" and "CPU" always exist; threads start with the first job.
 * A pool outlives the jobs; hs_pools_stop joins them all. */
#ifndef HS_IO_POOL_H
#define HS_IO_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "io/loop.h"

struct hs_pool;

/* One job. run is called in a pool thread; done, when not NULL, on the loop that submitted it, after run. The struct
 * is the caller's and must live until done (or until run has ended when done is NULL: run may free it). */
struct hs_job {
    STAILQ_ENTRY(hs_job) link;
    void (*run)(struct hs_job *job);
    void (*done)(struct hs_job *job);
    struct hs_loop *loop;
    struct hs_post post;
};

struct hs_pool_stat {
    unsigned threads, active;
    size_t queued;
    unsigned long long done;
    double wait_avg, run_avg; /* seconds */
};

/* Finds a pool by name (case-sensitive); NULL when there is none. Any thread. */
struct hs_pool *hs_pool_find(const char *name);
/* Makes a pool of up to threads threads whose queue holds up to queue waiting jobs (0: no limit). 0, EEXIST, EINVAL, ENOMEM. Any thread. */
int hs_pool_new(const char *name, unsigned threads, size_t queue, struct hs_pool **out);
struct hs_pool *hs_pool_io(void);
struct hs_pool *hs_pool_cpu(void);
/* Queues a job. 0; EAGAIN when the queue is full, ENOMEM/EAGAIN when no thread could be started and none runs. Any thread; done needs a
 * thread with a loop (asserted). */
int hs_pool_submit(struct hs_pool *pool, struct hs_job *job);
/* Takes a job back that no thread has begun: true, and neither run nor done will be called; false: it runs or has run. */
bool hs_pool_cancel(struct hs_pool *pool, struct hs_job *job);
void hs_pool_get_stat(struct hs_pool *pool, struct hs_pool_stat *st);
/* Waits for queued jobs, joins all threads, frees all pools. Only with no other users left. Posts of ended jobs still need a loop turn. */
void hs_pools_stop(void);

#endif
