/* io_open_async.c - opening on a loop: in the IO pool, or at once where the kernel has all it needs in memory.
 * FIFOs are opened without blocking and then wait for their other end here, looked after every 10 ms, so that they hold
 * no thread of the pool and can be given up at any time: a writer by trying again (ENXIO: nobody reads it yet), a
 * reader, which open(2) lets through, by asking the pipe whether it has a writer.
 *
 *             pool ---------> done
 *            |    ^
 *   ENXIO on |    | 10 ms      (a FIFO for reading)
 *   a FIFO   v    |
 *          WAITING -----> WAITING for a writer ---> done */
#include <errno.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "io/io_kind.h"

struct hs_io_open_job {
    struct hs_job job;
    struct hs_loop *loop;
    struct hs_timer timer;
    void (*done)(void *arg, io_object *io, int err);
    void *arg;
    io_object *io;
    int err;
    bool in_pool;
    bool cancelled;
    bool fifo_alone; /* ENXIO: a FIFO that nobody reads */
    int probe[2];    /* where a FIFO is looked into, -1: not needed yet */
    int options, mode;
    char name[];
};

/* --- FIFOs --- */

/* Opened for reading only: it may have no writer yet. */
static bool
waits_for_writer(io_object *io, int options)
{
    int fd = (options & O_ACCMODE) == O_RDONLY && (options & O_NONBLOCK) == 0 ? hs_io_pollable_fd(hs_io_of(io)) : -1;
    struct stat st;
    return fd >= 0 && fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

/* True when somebody writes, has written or has hung up. tee(2) tells an empty FIFO with writers from one without, and takes nothing. */
static bool
had_writer(struct hs_io_open_job *j, int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    if (poll(&p, 1, 0) != 0) {
        return true;
    }
    if (j->probe[0] < 0 && pipe2(j->probe, O_CLOEXEC | O_NONBLOCK) != 0) {
        return false; /* no descriptors left for now */
    }
    return tee(fd, j->probe[1], 1, SPLICE_F_NONBLOCK) != 0; /* EAGAIN, or bytes; 0: no writers */
}

/* --- the job --- */

static void
job_free(struct hs_io_open_job *j)
{
    if (j->probe[0] >= 0) {
        close(j->probe[0]);
        close(j->probe[1]);
    }
    free(j);
}

static void
job_end(struct hs_io_open_job *j, int err)
{
    void (*done)(void *arg, io_object *io, int err) = j->done;
    void *arg = j->arg;
    io_object *io = j->io;
    job_free(j);
    done(arg, io, err);
}

static void
open_run(struct hs_job *job)
{
    struct hs_io_open_job *j = (struct hs_io_open_job *)job;
    bool wait = (j->options & O_NONBLOCK) != 0; /* then open(2) does not wait either */
    struct stat st;
    j->io = hs_io_open_any(j->name, j->options, j->mode, NULL, wait);
    j->err = j->io == NULL ? errno : 0;
    j->fifo_alone = j->err == ENXIO && !wait && (j->options & O_ACCMODE) == O_WRONLY && !hs_io_name_has_scheme(j->name) &&
                    stat(j->name, &st) == 0 && S_ISFIFO(st.st_mode);
}

static void open_done(struct hs_job *job);

/* 0 or errno. */
static int
submit(struct hs_io_open_job *j)
{
    struct hs_pool *pool = hs_pool_io();
    j->job = (struct hs_job){ .run = open_run, .done = open_done };
    int err = pool != NULL ? hs_pool_submit(pool, &j->job) : ENOMEM;
    j->in_pool = err == 0;
    return err;
}

/* Looks again in a while; when even that cannot be had, ends. */
static void
wait_more(struct hs_io_open_job *j)
{
    int err = hs_timer_set(&j->timer, HS_IO_RETRY);
    if (err != 0) {
        io_wrapper_delref(j->io);
        j->io = NULL;
        job_end(j, err);
    }
}

static void
on_timer(void *arg)
{
    struct hs_io_open_job *j = arg;
    if (j->io == NULL) {
        int err = submit(j);
        if (err == EAGAIN) {
            wait_more(j);
        } else if (err != 0) {
            job_end(j, err);
        }
    } else if (had_writer(j, hs_io_pollable_fd(hs_io_of(j->io)))) {
        job_end(j, 0);
    } else {
        wait_more(j);
    }
}

static void
open_done(struct hs_job *job)
{
    struct hs_io_open_job *j = (struct hs_io_open_job *)job;
    j->in_pool = false;
    if (j->cancelled) {
        io_wrapper_delref(j->io);
        job_free(j);
    } else if (j->fifo_alone) {
        wait_more(j);
    } else if (j->io != NULL && waits_for_writer(j->io, j->options)) {
        on_timer(j);
    } else {
        job_end(j, j->err);
    }
}

void
hs_io_open_cancel(struct hs_io_open_job *job)
{
    if (job == NULL) {
        return;
    }
    if (job->in_pool && !hs_pool_cancel(hs_pool_io(), &job->job)) {
        job->cancelled = true; /* its end finds out */
        return;
    }
    hs_timer_cancel(&job->timer);
    io_wrapper_delref(job->io);
    job_free(job);
}

/* NULL with errno. */
static struct hs_io_open_job *
job_new(const char *name, int options, int mode, void (*done)(void *arg, io_object *io, int err), void *arg)
{
    struct hs_loop *loop = hs_loop_current();
    if (name == NULL || loop == NULL) {
        errno = name == NULL ? EINVAL : EDEADLK;
        return NULL;
    }
    size_t n = strlen(name) + 1;
    struct hs_io_open_job *j = calloc(1, sizeof *j + n);
    if (j == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    j->loop = loop;
    j->done = done;
    j->arg = arg;
    j->options = options;
    j->mode = mode;
    j->probe[0] = j->probe[1] = -1;
    memcpy(j->name, name, n);
    hs_timer_init(&j->timer, loop, on_timer, j);
    return j;
}

int
hs_io_open_async(const char *name, int options, int mode, void (*done)(void *arg, io_object *io, int err), void *arg,
                 struct hs_io_open_job **job)
{
    struct hs_io_open_job *j = job_new(name, options, mode, done, arg);
    *job = j;
    if (j == NULL) {
        return errno;
    }
    int err = submit(j);
    if (err != 0) {
        job_free(j);
        *job = NULL;
    }
    return err;
}

/* --- at once --- */

/* Set for good when a file turned up on a file system whose open(2) asks somebody else. */
static _Atomic bool no_cached_open;

/* Opening on these file systems is a matter of memory once the names are known. */
static bool
opens_locally(int fd, dev_t dev)
{
    static _Thread_local dev_t known;
    static _Thread_local bool any_known;
    struct statfs fs;
    if (any_known && dev == known) {
        return true;
    }
    if (fstatfs(fd, &fs) != 0) {
        return false;
    }
    switch ((unsigned long)fs.f_type) {
    case EXT4_SUPER_MAGIC: /* ext2 and ext3 as well */
    case XFS_SUPER_MAGIC:
    case BTRFS_SUPER_MAGIC:
    case F2FS_SUPER_MAGIC:
    case TMPFS_MAGIC:
    case RAMFS_MAGIC:
    case OVERLAYFS_SUPER_MAGIC:
    case SQUASHFS_MAGIC:
    case EROFS_SUPER_MAGIC_V1:
    case PROC_SUPER_MAGIC:
    case SYSFS_MAGIC:
        known = dev;
        any_known = true;
        return true;
    default:
        return false;
    }
}

/* EAGAIN: the pool has to do it. 0, and an io; or the error of open(2). */
static int
open_cached(const char *name, int options, int mode, io_object **io)
{
    const int unfit = O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY) | O_NONBLOCK | O_DIRECT;
    if (no_cached_open || (options & unfit) != 0 || hs_io_name_has_scheme(name)) {
        return EAGAIN;
    }
    *io = hs_io_file_kept(name, options);
    if (*io != NULL) {
        *io = hs_io_opened(*io, name, options, mode, NULL);
        return *io != NULL ? 0 : errno;
    }
    struct open_how how = {
        .flags = (uint64_t)(unsigned)(options | O_CLOEXEC | O_NOCTTY | O_NONBLOCK),
        .resolve = RESOLVE_CACHED,
    };
    int fd = (int)syscall(SYS_openat2, AT_FDCWD, name, &how, sizeof how);
    if (fd < 0) {
        bool final = errno == ENOENT || errno == ENOTDIR || errno == EACCES || errno == ELOOP || errno == ENAMETOOLONG ||
                     errno == EISDIR || errno == EROFS || errno == EMFILE || errno == ENFILE;
        return final ? errno : EAGAIN;
    }
    struct stat st;
    *io = fstat(fd, &st) == 0 ? hs_io_from_fd(fd, &st, options) : NULL;
    if (*io == NULL) {
        int err = errno;
        close(fd);
        return err;
    }
    if (S_ISREG(st.st_mode)) {
        if (opens_locally(fd, st.st_dev)) {
            hs_io_file_share(*io, &st);
            hs_io_file_keep(*io, name, &st);
        } else {
            no_cached_open = true;
        }
    }
    *io = hs_io_opened(*io, name, options, mode, NULL);
    return *io != NULL ? 0 : errno;
}

int
hs_io_open_start(const char *name, int options, int mode, void (*done)(void *arg, io_object *io, int err), void *arg,
                 struct hs_io_open_job **job, io_object **io)
{
    *job = NULL;
    *io = NULL;
    int err = name != NULL && hs_loop_current() != NULL ? open_cached(name, options, mode, io) : EAGAIN;
    if (err == 0 && waits_for_writer(*io, options)) {
        struct hs_io_open_job *j = job_new(name, options, mode, done, arg);
        err = j == NULL ? errno : hs_timer_set(&j->timer, 0);
        if (err != 0) {
            free(j);
            io_wrapper_delref(*io);
            *io = NULL;
            return err;
        }
        j->io = *io;
        *io = NULL;
        *job = j;
        return EINPROGRESS;
    }
    if (err != EAGAIN) {
        return err;
    }
    err = hs_io_open_async(name, options, mode, done, arg, job);
    return err == 0 ? EINPROGRESS : err;
}
