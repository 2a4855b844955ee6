/* pool_api.c - the pools under their public names (ec_thread_pool.h): by id, which is also a job class. */
#include "ec_thread_pool.h"

#include <errno.h>

#include "io/pool.h"

struct hs_pool *
hs_pool_of_class(int job_class)
{
    if (job_class >= ECTP_CLASS_SWAPOUT && job_class <= ECTP_CLASS_SIEVE_IO) {
        return hs_pool_io();
    }
    return job_class >= 0 ? hs_pool_by_id(job_class) : NULL;
}

int
httpsrv_pool_new(const char *name, unsigned threads, size_t queue)
{
    struct hs_pool *pool;
    struct hs_pool_stat st;
    int err = hs_pool_new(name, threads, queue, &pool);
    if (err == EEXIST) {
        pool = hs_pool_find(name);
        hs_pool_get_stat(pool, &st);
        if (st.threads_max == threads && st.queue_max == queue) {
            err = 0;
        }
    }
    if (err != 0) {
        errno = err;
        return -1;
    }
    return hs_pool_id(pool);
}

int
httpsrv_pool_find(const char *name)
{
    struct hs_pool *pool = name != NULL ? hs_pool_find(name) : NULL;
    if (pool == NULL) {
        errno = name != NULL ? ENOENT : EINVAL;
        return -1;
    }
    return hs_pool_id(pool);
}

const char *
httpsrv_pool_name(size_t n)
{
    struct hs_pool *pool = hs_pool_at(n);
    return pool != NULL ? hs_pool_name(pool) : NULL;
}

int
httpsrv_pool_stat(int id, struct httpsrv_pool_stat *st)
{
    if (st == NULL) {
        return EINVAL;
    }
    struct hs_pool *pool = hs_pool_by_id(id);
    if (pool == NULL) {
        return ENOENT;
    }
    struct hs_pool_stat s;
    hs_pool_get_stat(pool, &s);
    *st = (struct httpsrv_pool_stat){
        .threads_max = s.threads_max,
        .queue_max = s.queue_max,
        .threads = s.threads,
        .active = s.active,
        .queued = s.queued,
        .done = s.done,
        .wait_avg = s.wait_avg,
        .run_avg = s.run_avg,
    };
    return 0;
}
