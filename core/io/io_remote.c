/* io_remote.c - an io_object that works only in the thread of a loop, as another thread reads it: each call crosses to the loop, and is waited
 * for there. In the loop's own thread it is the io itself.
 * Owns a reference of the io, dropped on the loop, whichever thread gives up the last of its own. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/crossing.h"
#include "io/io_kind.h"

#define READ_MAX ((size_t)65536) /* most that one call brings */

struct remote {
    struct hs_io x;
    io_object *inner;
    struct hs_loop *owner;
    struct hs_post post;
};

enum op { OP_READ, OP_SEEK, OP_SIZE };

struct call {
    struct hs_crossing c;
    io_object *inner; /* a reference of the remote's, which its caller holds or which is dropped on the loop later */
    enum op op;
    off_t offset;
    int whence;
    off_t result;
    int err;
    size_t n;
    char data[];
};

/* --- on the loop --- */

static void try_read(struct call *k);

static void
ready(io_object *io, void *arg)
{
    struct call *k = arg;
    (void)io;
    if (hs_crossing_enter(&k->c)) {
        try_read(k);
    } else {
        hs_crossing_reply(&k->c);
    }
}

static void
try_read(struct call *k)
{
    k->result = io_wrapper_read(k->inner, k->data, k->n);
    k->err = k->result < 0 ? errno : 0;
    if (k->err == EAGAIN) {
        if (io_wrapper_wait(k->inner, IO_WAIT_READ, ready, k) == 0) {
            hs_crossing_leave(&k->c); /* the bytes go to the call's own room: the caller may give up */
            return;
        }
        k->err = errno;
    }
    hs_crossing_reply(&k->c);
}

static void
run(struct hs_crossing *c)
{
    struct call *k = (struct call *)c;
    if (k->op == OP_READ) {
        try_read(k);
        return;
    }
    k->result = k->op == OP_SEEK ? io_wrapper_lseek(k->inner, k->offset, k->whence) : io_wrapper_get_size(k->inner);
    k->err = k->result < 0 ? errno : 0;
    hs_crossing_reply(c);
}

/* --- in the other thread --- */

static void
call_free(struct hs_crossing *c)
{
    free(c);
}

/* Makes the call; buf takes what was read. As the calls themselves. */
static off_t
cross(struct remote *r, enum op op, void *buf, size_t n, off_t offset, int whence)
{
    struct hs_crossing_group *g = hs_crossing_group_current();
    if (g == NULL) {
        errno = EDEADLK; /* nothing would free this thread when the loop ends */
        return -1;
    }
    n = n < READ_MAX ? n : READ_MAX;
    struct call *k = malloc(sizeof *k + n);
    if (k == NULL || hs_crossing_init(&k->c, run, call_free) != 0) {
        free(k);
        errno = ENOMEM;
        return -1;
    }
    k->inner = r->inner;
    k->op = op;
    k->offset = offset;
    k->whence = whence;
    k->n = n;
    off_t result = -1;
    int err = hs_crossing_call(&k->c, g, r->owner);
    if (err == 0) {
        result = k->result;
        err = k->err;
        if (op == OP_READ && result > 0) {
            memcpy(buf, k->data, (size_t)result);
        }
    } else {
        err = ECONNABORTED;
    }
    hs_crossing_drop(&k->c);
    errno = err;
    return result;
}

static bool
at_home(const struct remote *r)
{
    return hs_loop_current() == r->owner;
}

static ssize_t
remote_read(io_object *io, void *buf, size_t n)
{
    struct remote *r = (struct remote *)io;
    return at_home(r) ? hs_io_read(r->inner, buf, n) : (ssize_t)cross(r, OP_READ, buf, n, 0, 0);
}

static off_t
remote_lseek(io_object *io, off_t offset, int whence)
{
    struct remote *r = (struct remote *)io;
    return at_home(r) ? hs_io_lseek(r->inner, offset, whence) : cross(r, OP_SEEK, NULL, 0, offset, whence);
}

static off_t
remote_get_size(io_object *io)
{
    struct remote *r = (struct remote *)io;
    return at_home(r) ? io_wrapper_get_size(r->inner) : cross(r, OP_SIZE, NULL, 0, 0, 0);
}

static void
inner_ready(io_object *io, void *arg)
{
    (void)io;
    hs_io_deliver(arg);
}

static int
remote_wait(io_object *io, int what, io_wrapper_wait_func fn, void *arg)
{
    struct remote *r = (struct remote *)io;
    (void)arg;
    if (!at_home(r)) { /* reads wait by themselves */
        if (fn != NULL) {
            hs_io_wake(&r->x);
        }
        return 0;
    }
    const int err = hs_io_wait(r->inner, what, fn != NULL ? inner_ready : NULL, r);
    errno = err;
    return err == 0 ? 0 : -1;
}

static int
remote_close(io_object *io)
{
    struct remote *r = (struct remote *)io;
    io_wrapper_delref(r->inner);
    r->inner = NULL;
    return 0;
}

static void
last_on_loop(void *arg)
{
    hs_io_finish(arg);
}

static void
remote_last(struct hs_io *x)
{
    struct remote *r = (struct remote *)x;
    if (at_home(r)) {
        hs_io_finish(x);
    } else {
        hs_loop_post(r->owner, &r->post, last_on_loop, x);
    }
}

static const struct hs_io_kind remote_kind = {
    .w = {
        .sizeof_self = sizeof(io_wrapper),
        .read = remote_read,
        .close = remote_close,
        .lseek = remote_lseek,
        .scheme = "remote",
        .get_size = remote_get_size,
        .wait = remote_wait,
    },
    .last = remote_last,
};

io_object *
hs_io_remote(io_object *inner)
{
    struct remote *r = hs_io_alloc(sizeof *r, &remote_kind, NULL);
    if (r == NULL) {
        return NULL;
    }
    io_wrapper_addref(inner);
    r->inner = inner;
    r->owner = hs_loop_current();
    r->x.pub.options = O_RDONLY;
    return &r->x.pub;
}
