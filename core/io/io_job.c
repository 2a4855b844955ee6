/* io_job.c - jobs of the documented thread-pool API, and the one that reads a resource into a string.
 * A queued job is carried by a struct of ours, which goes when the job completes. */
#include "ec_thread_pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/io_kind.h"

#define READ_SIZE 16384

/* --- queueing --- */

struct carrier {
    struct hs_job job;
    struct hs_deferred deferred; /* class SHORT_LIVED */
    ec_async_job *j;
};

static bool
on_loop(const ec_async_job *j)
{
    return j->completion == ECTP_COMPLETE_CALLBACK_SCHED || j->completion == ECTP_COMPLETE_CALLBACK_SCHED_INST;
}

static void
work(ec_async_job *j)
{
    if (j->concurrency != NULL) {
        while (sem_wait(j->concurrency) != 0 && errno == EINTR) {
        }
    }
    j->worker(j, j->closure);
    if (j->concurrency != NULL) {
        sem_post(j->concurrency);
    }
}

/* What completing does with the job's memory is read first: afterwards the job may be gone. */
static void
complete(ec_async_job *j)
{
    if (j->skip_completion) {
        return;
    }
    bool give = j->free_on_completion_memtype == MEMTYPE_IS_MALLOC_3C;
    if (j->completion == ECTP_COMPLETE_SEMAPHORE) {
        sem_t *sema = j->r.sema;
        if (give) {
            free(j);
        }
        sem_post(sema);
        return;
    }
    if (j->completion == ECTP_COMPLETE_CALLBACK || on_loop(j)) {
        j->r.cb.func(j, j->r.cb.closure);
    }
    if (give) {
        free(j);
    }
}

static void
carrier_run(struct hs_job *job)
{
    struct carrier *c = (struct carrier *)job;
    work(c->j);
    if (c->job.done == NULL) {
        ec_async_job *j = c->j;
        free(c);
        complete(j);
    }
}

static void
carrier_done(struct hs_job *job)
{
    struct carrier *c = (struct carrier *)job;
    ec_async_job *j = c->j;
    free(c);
    complete(j);
}

static void
carrier_deferred(void *arg)
{
    struct carrier *c = arg;
    ec_async_job *j = c->j;
    free(c);
    work(j);
    complete(j);
}

/* 0 or errno. */
static int
check(const ec_async_job *j)
{
    if (j == NULL || j->worker == NULL || (j->job_class != ECTP_CLASS_SHORT_LIVED && hs_pool_of_class(j->job_class) == NULL)) {
        return EINVAL;
    }
    switch (j->completion) {
    case ECTP_COMPLETE_NONE:
    case ECTP_COMPLETE_SYNC:
        break;
    case ECTP_COMPLETE_SEMAPHORE:
        if (j->r.sema == NULL) {
            return EINVAL;
        }
        break;
    case ECTP_COMPLETE_CALLBACK:
    case ECTP_COMPLETE_CALLBACK_SCHED:
    case ECTP_COMPLETE_CALLBACK_SCHED_INST:
        if (j->r.cb.func == NULL) {
            return EINVAL;
        }
        break;
    case ECTP_COMPLETE_EVENT:
    case ECTP_COMPLETE_MODULE:
    case ECTP_COMPLETE_EVENT_INST:
    default:
        return ENOTSUP;
    }
    struct hs_loop *loop = hs_loop_current();
    bool needs_loop = on_loop(j) || (j->job_class == ECTP_CLASS_SHORT_LIVED && j->completion != ECTP_COMPLETE_SYNC);
    if (needs_loop && loop == NULL) {
        return EDEADLK;
    }
    if (j->completion == ECTP_COMPLETE_CALLBACK_SCHED_INST && j->r.cb.inst != NULL && j->r.cb.inst != hs_loop_base(loop)) {
        return ENOTSUP;
    }
    return 0;
}

/* 0 or errno. */
static int
queue(ec_async_job *j)
{
    if (j->completion == ECTP_COMPLETE_SYNC) {
        bool before = hs_io_blocking;
        hs_io_blocking = true;
        work(j);
        hs_io_blocking = before;
        complete(j);
        return 0;
    }
    struct carrier *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return ENOMEM;
    }
    c->j = j;
    if (j->job_class == ECTP_CLASS_SHORT_LIVED) {
        hs_deferred_init(&c->deferred, carrier_deferred, c);
        hs_defer(hs_loop_current(), &c->deferred);
        return 0;
    }
    c->job.run = carrier_run;
    c->job.done = on_loop(j) ? carrier_done : NULL;
    int err = hs_pool_submit(hs_pool_of_class(j->job_class), &c->job);
    if (err != 0) {
        free(c);
    }
    return err;
}

int
ec_queue_async_job_(void *job, const char *file, int line, int flags)
{
    (void)flags;
    ec_async_job *j = job;
    int err = check(j);
    if (err == 0) {
        j->file = file;
        j->line = line;
        err = queue(j);
    }
    if (err != 0) {
        errno = err;
        return 0;
    }
    return 1;
}

/* --- reading a resource --- */

static enum _io_job_status
read_into(io_job *job, int *err)
{
    char buf[READ_SIZE];
    if (job->buffer == NULL) {
        return IOJ_MISUSED;
    }
    io_object *io = io_wrapper_open(job->filename, O_RDONLY, 0);
    if (io == NULL) {
        *err = errno;
        return IOJ_OPEN_FAILED;
    }
    enum _io_job_status status = IOJ_COMPLETED;
    ssize_t n;
    while (status == IOJ_COMPLETED && (n = io_wrapper_read(io, buf, sizeof buf)) != 0) {
        if (n < 0) {
            status = IOJ_READ_FAILED;
        } else if (stringwrite2(job->buffer, buf, (size_t)n) != n) {
            status = IOJ_STORE_FAILED;
        }
        *err = status != IOJ_COMPLETED ? errno : 0;
    }
    io_wrapper_delref(io);
    return status;
}

static void
read_worker(ec_async_job *job, void *closure)
{
    (void)job;
    io_job *j = closure;
    j->errorcode = 0;
    j->status = read_into(j, &j->errorcode);
}

io_job *
io_wrapper_create_read_job(const char *filename)
{
    if (filename == NULL) {
        errno = EINVAL;
        return NULL;
    }
    size_t n = strlen(filename) + 1;
    io_job *job = calloc(1, sizeof *job + n);
    if (job == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    char *name = (char *)(job + 1);
    memcpy(name, filename, n);
    job->filename = name;
    job->job.job_class = ECTP_CLASS_IO;
    job->job.worker = read_worker;
    job->job.closure = job;
    return job;
}
