/* io_wait.c - being told when an io is worth another try, and reading in the IO pool what knows no other way.
 * An io has one waiter. It holds a reference of the io until it is called or cancelled, so an io may be given up by
 * everybody else meanwhile. A wrapper's own wait is used where there is one; else the loop watches the descriptor;
 * else, when its reads may give EAGAIN, it is tried again each 10 ms; else its reads block, and are made in the IO pool
 * with at most one buffer read ahead.
 *
 * While the pool is inside such a wrapper nothing else enters it: reads, writes and seeks give EAGAIN, and closing is
 * left to the end of the read, which holds a reference as well. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/io_kind.h"

/* Bytes that one read in the pool asks a wrapper for. */
#define POOL_READ 65536

struct pool_read {
    struct hs_job job;
    struct hs_io *x;
    char *buf; /* POOL_READ bytes, while there is something in it or coming */
    size_t pos, len;
    int err;
    bool busy;  /* in the pool; holds a reference of x */
    bool ready; /* a result that has not been read to its end */
};

struct hs_io_backup {
    struct hs_watch watch;
    struct hs_timer timer;
    bool watching; /* watch and timer are set up for x->loop and running */
    bool timing;
    struct pool_read read;
};

static struct hs_io_backup *
backup_of(struct hs_io *x)
{
    if (x->backup == NULL) {
        x->backup = calloc(1, sizeof *x->backup);
        if (x->backup == NULL) {
            errno = ENOMEM;
        }
    }
    return x->backup;
}

void
hs_io_backup_free(struct hs_io *x)
{
    if (x->backup != NULL) {
        assert(!x->backup->read.busy && !x->backup->watching && !x->backup->timing);
        free(x->backup->read.buf);
        free(x->backup);
        x->backup = NULL;
    }
}

/* --- the waiter --- */

static void
stop_core(struct hs_io *x)
{
    struct hs_io_backup *b = x->backup;
    if (b != NULL && b->watching) {
        b->watching = false;
        hs_watch_set(&b->watch, 0);
    }
    if (b != NULL && b->timing) {
        b->timing = false;
        hs_timer_cancel(&b->timer);
    }
}

/* Stops all that could wake; the waiter stays. */
static void
disarm(struct hs_io *x)
{
    if (x->loop != NULL) {
        hs_deferred_cancel(x->loop, &x->wake);
    }
    if (x->armed == HS_IO_BY_METHOD) {
        int (*wait)(io_object *, int, io_wrapper_wait_func, void *) = HS_IO_METHOD(x->pub.methods, wait);
        wait(&x->pub, 0, NULL, NULL);
    }
    x->armed = HS_IO_IDLE;
    stop_core(x);
}

void
hs_io_wait_stop(struct hs_io *x)
{
    if (x->wait_fn != NULL) {
        disarm(x);
    }
}

void
hs_io_deliver(struct hs_io *x)
{
    io_wrapper_wait_func fn = x->wait_fn;
    if (fn == NULL) {
        return;
    }
    void *arg = x->wait_arg;
    hs_deferred_cancel(x->loop, &x->wake);
    x->armed = HS_IO_IDLE;
    stop_core(x);
    x->wait_fn = NULL;
    x->wait_arg = NULL;
    x->loop = NULL;
    fn(&x->pub, arg);
    io_wrapper_delref(&x->pub);
}

static void
on_deferred(void *arg)
{
    hs_io_deliver(arg);
}

void
hs_io_wake(struct hs_io *x)
{
    if (x->wait_fn != NULL) {
        hs_defer(x->loop, &x->wake);
    }
}

/* What an application's wrapper calls when it has something. */
static void
on_wrapper(io_object *io, void *arg)
{
    (void)arg;
    struct hs_io *x = hs_io_of(io);
    if (x->arming) {
        hs_io_wake(x);
    } else {
        hs_io_deliver(x);
    }
}

/* --- watching --- */

static void
on_watch(void *arg, unsigned events)
{
    (void)events;
    hs_io_deliver(arg);
}

static void
on_timer(void *arg)
{
    hs_io_deliver(arg);
}

int
hs_io_wait_fd(struct hs_io *x, int fd, unsigned mask)
{
    struct hs_io_backup *b = backup_of(x);
    if (b == NULL) {
        return -1;
    }
    hs_watch_init(&b->watch, x->loop, fd, on_watch, x);
    int err = hs_watch_set(&b->watch, mask);
    if (err == EPERM) { /* always ready */
        hs_io_wake(x);
        return 0;
    }
    b->watching = err == 0;
    errno = err;
    return err == 0 ? 0 : -1;
}

int
hs_io_wait_timer(struct hs_io *x, int64_t ns)
{
    struct hs_io_backup *b = backup_of(x);
    if (b == NULL) {
        return -1;
    }
    hs_timer_init(&b->timer, x->loop, on_timer, x);
    int err = hs_timer_set(&b->timer, ns);
    b->timing = err == 0;
    errno = err;
    return err == 0 ? 0 : -1;
}

static int wait_pool(struct hs_io *x, int what);

/* Sets up what will wake. 0, or -1 with errno. */
static int
arm(struct hs_io *x, int what)
{
    int (*wait)(io_object *, int, io_wrapper_wait_func, void *) = HS_IO_METHOD(x->pub.methods, wait);
    if (wait != NULL) {
        x->arming = true;
        x->armed = HS_IO_BY_METHOD;
        int r = wait(&x->pub, what, on_wrapper, NULL);
        x->arming = false;
        return r;
    }
    x->armed = HS_IO_BY_CORE;
    if (hs_io_pool_busy(x)) {
        return 0; /* what is under way ends with a wake-up */
    }
    int fd = hs_io_pollable_fd(x);
    if (fd >= 0) {
        return hs_io_wait_fd(x, fd, (what & IO_WAIT_READ ? HS_READ : 0u) | (what & IO_WAIT_WRITE ? HS_WRITE : 0u));
    }
    return hs_io_nonblocking(x) ? hs_io_wait_timer(x, HS_IO_RETRY) : wait_pool(x, what);
}

int
hs_io_wait(io_object *io, int what, io_wrapper_wait_func fn, void *arg)
{
    struct hs_io *x = hs_io_of(io);
    if (fn == NULL) {
        if (x->wait_fn != NULL) {
            disarm(x);
            x->wait_fn = NULL;
            x->wait_arg = NULL;
            x->loop = NULL;
            io_wrapper_delref(io);
        }
        return 0;
    }
    if (what == 0 || (what & ~(IO_WAIT_READ | IO_WAIT_WRITE)) != 0) {
        return EINVAL;
    }
    if (x->closed) {
        return EBADF;
    }
    if (x->wait_fn != NULL) {
        return EBUSY;
    }
    x->loop = hs_loop_current();
    if (x->loop == NULL) {
        return EDEADLK;
    }
    hs_deferred_init(&x->wake, on_deferred, x);
    x->wait_fn = fn;
    x->wait_arg = arg;
    io_wrapper_addref(io);
    if (arm(x, what) == 0) {
        return 0;
    }
    int err = errno;
    x->armed = HS_IO_IDLE; /* a wait that failed has armed nothing */
    disarm(x);
    x->wait_fn = NULL;
    x->wait_arg = NULL;
    x->loop = NULL;
    io_wrapper_delref(io);
    return err;
}

int
io_wrapper_wait(io_object *io, int what, io_wrapper_wait_func fn, void *arg)
{
    int err = hs_io_of(io)->claimed ? EBUSY : hs_io_wait(io, what, fn, arg);
    if (err != 0) {
        errno = err;
        return -1;
    }
    return 0;
}

/* --- reading in the pool --- */

bool
hs_io_pool_busy(const struct hs_io *x)
{
    return x->backup != NULL && x->backup->read.busy;
}

bool
hs_io_through_pool(struct hs_io *x)
{
    if (x->kind != NULL) {
        return false;
    }
    if (x->backup != NULL && (x->backup->read.busy || x->backup->read.ready)) {
        return true;
    }
    const io_wrapper *w = x->pub.methods;
    if (hs_io_disk_loop() == NULL || (HS_IO_METHOD(w, read) == NULL && HS_IO_METHOD(w, readv) == NULL)) {
        return false;
    }
    return HS_IO_METHOD(w, wait) == NULL && hs_io_pollable_fd(x) < 0 && !hs_io_nonblocking(x);
}

/* In the pool: one read of the wrapper's. */
static void
pool_run(struct hs_job *job)
{
    struct pool_read *r = (struct pool_read *)job;
    const io_wrapper *w = r->x->pub.methods;
    ssize_t (*read_method)(io_object *, void *, size_t) = HS_IO_METHOD(w, read);
    ssize_t (*readv_method)(io_object *, const struct iovec *, int) = HS_IO_METHOD(w, readv);
    ssize_t got = -1;
    errno = ENOTSUP;
    if (read_method != NULL) {
        got = read_method(&r->x->pub, r->buf, POOL_READ);
    } else if (readv_method != NULL) {
        struct iovec iov = { r->buf, POOL_READ };
        got = readv_method(&r->x->pub, &iov, 1);
    }
    if (got > POOL_READ) {
        got = -1;
        errno = EIO;
    }
    r->err = got < 0 ? errno : 0;
    r->len = got < 0 ? 0 : (size_t)got;
}

static void
pool_done(struct hs_job *job)
{
    struct pool_read *r = (struct pool_read *)job;
    struct hs_io *x = r->x;
    r->busy = false;
    r->ready = true;
    r->pos = 0;
    if (x->closed) {
        int (*close_method)(io_object *) = HS_IO_METHOD(x->pub.methods, close);
        if (close_method != NULL) {
            close_method(&x->pub);
        }
    }
    if (x->wait_fn != NULL && x->armed == HS_IO_BY_CORE) {
        hs_io_deliver(x);
    }
    io_wrapper_delref(&x->pub);
}

/* 0 or errno. */
static int
pool_start(struct hs_io *x)
{
    struct hs_io_backup *b = backup_of(x);
    struct hs_pool *pool = hs_pool_io();
    if (b == NULL || pool == NULL) {
        return ENOMEM;
    }
    struct pool_read *r = &b->read;
    if (r->buf == NULL && (r->buf = malloc(POOL_READ)) == NULL) {
        return ENOMEM;
    }
    r->x = x;
    r->job = (struct hs_job){ .run = pool_run, .done = pool_done };
    r->busy = true;
    io_wrapper_addref(&x->pub);
    int err = hs_pool_submit(pool, &r->job);
    if (err != 0) {
        r->busy = false;
        free(r->buf);
        r->buf = NULL;
        io_wrapper_delref(&x->pub);
    }
    return err;
}

static void
pool_forget(struct pool_read *r)
{
    free(r->buf);
    r->buf = NULL;
    r->ready = false;
    r->pos = r->len = 0;
}

ssize_t
hs_io_pool_read(struct hs_io *x, void *buf, size_t n)
{
    struct pool_read *r = x->backup != NULL ? &x->backup->read : NULL;
    if (n == 0) {
        return 0;
    }
    if (r != NULL && r->ready) {
        int err = r->err;
        size_t take = r->len - r->pos < n ? r->len - r->pos : n;
        if (take != 0) {
            memcpy(buf, r->buf + r->pos, take);
            r->pos += take;
        }
        if (r->pos == r->len) {
            pool_forget(r);
        }
        errno = err;
        return err != 0 ? -1 : (ssize_t)take;
    }
    int err = r != NULL && r->busy ? EAGAIN : pool_start(x);
    errno = err != 0 ? err : EAGAIN;
    return -1;
}

size_t
hs_io_pool_unread(struct hs_io *x)
{
    if (x->backup == NULL || !x->backup->read.ready) {
        return 0;
    }
    struct pool_read *r = &x->backup->read;
    size_t n = r->len - r->pos;
    pool_forget(r);
    return n;
}

/* Waits for the pool. Nothing under way: what was read is there, or the pool did not take it. */
static int
wait_pool(struct hs_io *x, int what)
{
    if ((what & IO_WAIT_WRITE) != 0 || x->backup == NULL || x->backup->read.ready) {
        hs_io_wake(x);
        return 0;
    }
    return hs_io_wait_timer(x, HS_IO_RETRY);
}
