/* pool_job.h - one run of a Lua function in a pool thread, waited for by a task of another state.
 * The struct has two holders, the waiting side and the pool's; each touches its own half: the home half on the loop that has submitted it, the
 * other in the pool thread between run and done. */
#ifndef HS_BINDINGS_POOL_JOB_H
#define HS_BINDINGS_POOL_JOB_H

#include <stdatomic.h>

#include "bindings/pack.h"
#include "bindings/pool_unit.h"
#include "io/crossing.h"

enum hs_lua_job_outcome {
    HS_LUA_JOB_OK,        /* results */
    HS_LUA_JOB_RAISED,    /* results: the error value; text: it with its traceback */
    HS_LUA_JOB_CANCELLED, /* the cancellation went through it, or came before it began */
    HS_LUA_JOB_FAILED,    /* it could not be run: text */
};

struct hs_lua_job {
    struct hs_job job;
    _Atomic unsigned refs;
    struct hs_pool_unit *unit; /* a reference */
    struct hs_pool *pool;
    struct hs_crossing_group *group;
    int route;     /* number of the registration whose handler is run; -1: the function is in args */
    double serial; /* of the session that it works for, 0: none */
    bool scripts;  /* they are to be loaded before */
    char *path;    /* package.path to be set before; NULL: as it is */
    struct hs_pack args;

    /* home */
    struct hs_task *waiter;
    unsigned *pending; /* of the pool thread's state that waits: its jobs that are not done; NULL */
    bool done;

    /* pool thread, then home */
    enum hs_lua_job_outcome outcome;
    struct hs_pack results;
    struct hs_buf text;

    /* cancelling; under lock */
    pthread_mutex_t lock;
    bool cancelled;
    struct hs_loop *running; /* the pool thread's, while a cancellation can be posted there */
    struct hs_post post;
    bool posted;

    /* pool thread */
    struct hs_lua_runtime *rt;
    struct hs_task *task;
    int anchor; /* reference in rt: boxes of the ios in args */
    bool delivered;
};

/* A job with one reference, its args empty. NULL: out of memory. */
struct hs_lua_job *hs_lua_job_new(struct hs_pool_unit *unit, struct hs_pool *pool, int route, double serial);
void hs_lua_job_delref(struct hs_lua_job *j);
/* Submits it, for the state that runs in the calling thread. 0; EAGAIN: the queue is full; ENOMEM. The caller's thread has a loop. */
int hs_lua_job_submit(struct hs_lua_job *j, struct hs_lua_runtime *from);
/* Nobody waits for it any more: taken out of the queue, or its task cancelled. Home; harmless when it is done. */
void hs_lua_job_cancel(struct hs_lua_job *j);

#endif
