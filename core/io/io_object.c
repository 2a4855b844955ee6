/* io_object.c - the life of io_objects, who has claimed them, and what can be looked up in them.
 * References are counted atomically; everything else of an io belongs to one thread at a time. The last reference
 * closes and frees, in the thread that drops it unless the kind says otherwise. A closed io whose references live on
 * is a shell that answers EBADF. */
#include "io/io_kind.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/live.h"

/* --- life --- */

void *
hs_io_alloc(size_t size, const struct hs_io_kind *kind, const io_wrapper *methods)
{
    assert(size >= sizeof(struct hs_io));
    struct hs_io *x = calloc(1, size);
    if (x == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    x->pub.methods = kind != NULL ? &kind->w : methods;
    x->pub.ref = 1;
    x->kind = kind;
    hs_live_add(HS_LIVE_IO, 1);
    return x;
}

void
hs_io_discard(struct hs_io *x)
{
    int saved = errno;
    hs_io_backup_free(x);
    dict_drop(x->pub.context);
    free(x->pub.path);
    free(x->pub.scheme);
    free(x);
    hs_live_add(HS_LIVE_IO, -1);
    errno = saved;
}

int
hs_io_close(struct hs_io *x)
{
    if (x->closed) {
        return 0;
    }
    x->closed = true;
    hs_io_wait_stop(x);
    int r = 0;
    if (!hs_io_pool_busy(x)) { /* else the end of that read closes */
        int (*close_method)(io_object *) = HS_IO_METHOD(x->pub.methods, close);
        r = close_method != NULL ? close_method(&x->pub) : 0;
    }
    if (x->wait_fn != NULL) {
        int saved = errno;
        hs_io_wake(x);
        errno = saved;
    }
    return r;
}

void
hs_io_finish(struct hs_io *x)
{
    /* A waiter holds a reference, so there is none. */
    assert(x->wait_fn == NULL);
    if (x->pub.on_destroy != NULL) {
        x->pub.ref = 1; /* what the application adds and drops in there does not bring us back here */
        x->pub.on_destroy(&x->pub);
    }
    hs_io_close(x);
    hs_io_discard(x);
}

static void
last_reference(struct hs_io *x)
{
    if (x->kind != NULL && x->kind->last != NULL) {
        x->kind->last(x);
    } else {
        hs_io_finish(x);
    }
}

void
io_wrapper_addref(io_object *io)
{
    __atomic_add_fetch(&io->ref, 1, __ATOMIC_RELAXED);
}

static bool
drop(io_object *io)
{
    int left = __atomic_sub_fetch(&io->ref, 1, __ATOMIC_ACQ_REL);
    assert(left >= 0);
    return left == 0;
}

void
io_wrapper_delref(io_object *io)
{
    if (io != NULL && drop(io)) {
        int saved = errno;
        last_reference(hs_io_of(io));
        errno = saved;
    }
}

void
io_wrapper_destroy(io_object *io)
{
    io_wrapper_delref(io);
}

/* Closing in the IO pool. */
struct close_job {
    struct hs_job job;
    struct hs_io *x;
    bool destroy; /* else: only closes, and drops the reference that the job holds */
};

static void
close_run(struct hs_job *job)
{
    struct close_job *c = (struct close_job *)job;
    if (c->destroy) {
        last_reference(c->x);
    } else {
        int (*close_method)(io_object *) = HS_IO_METHOD(c->x->pub.methods, close);
        if (close_method != NULL) {
            close_method(&c->x->pub);
        }
        io_wrapper_delref(&c->x->pub);
    }
    free(c);
}

/* False when it cannot be done there. */
static bool
close_in_pool(struct hs_io *x, bool destroy)
{
    if (x->kind != NULL && !x->kind->slow_close) {
        return false;
    }
    struct hs_pool *pool = hs_pool_io();
    struct close_job *c = pool != NULL ? calloc(1, sizeof *c) : NULL;
    if (c == NULL) {
        return false;
    }
    c->job.run = close_run;
    c->x = x;
    c->destroy = destroy;
    if (hs_pool_submit(pool, &c->job) != 0) {
        free(c);
        return false;
    }
    return true;
}

void
io_wrapper_async_destroy(io_object *io)
{
    if (io == NULL || !drop(io)) {
        return;
    }
    int saved = errno;
    struct hs_io *x = hs_io_of(io);
    if (!close_in_pool(x, true)) {
        last_reference(x);
    }
    errno = saved;
}

int
io_wrapper_close(io_object *io)
{
    return hs_io_close(hs_io_of(io));
}

void
io_wrapper_async_close(io_object *io)
{
    struct hs_io *x = hs_io_of(io);
    if (x->closed) {
        return;
    }
    if (hs_io_pool_busy(x)) {
        hs_io_close(x);
        return;
    }
    io_wrapper_addref(io);
    x->closed = true;
    hs_io_wait_stop(x);
    if (x->wait_fn != NULL) {
        hs_io_wake(x);
    }
    if (!close_in_pool(x, false)) {
        x->closed = false;
        hs_io_close(x);
        io_wrapper_delref(io);
    }
}

/* --- make --- */

io_object *
io_wrapper_create_object(const io_wrapper *wrapper, void *handle)
{
    if (wrapper == NULL || wrapper->sizeof_self < sizeof wrapper->sizeof_self) {
        errno = EINVAL;
        return NULL;
    }
    struct hs_io *x = hs_io_alloc(sizeof *x, NULL, wrapper);
    if (x == NULL) {
        return NULL;
    }
    x->pub.io.handle = handle;
    return &x->pub;
}

io_object *
io_wrapper_clone(io_object *io)
{
    struct hs_io *x = hs_io_of(io);
    if (x->closed) {
        errno = EBADF;
        return NULL;
    }
    io_object *(*cloner)(io_object *) = HS_IO_METHOD(io->methods, cloner);
    if (cloner == NULL) {
        errno = ENOTSUP;
        return NULL;
    }
    io_object *copy = cloner(io);
    if (copy == NULL) {
        return NULL;
    }
    if (io->path != NULL && copy->path == NULL && (copy->path = strdup(io->path)) == NULL) {
        io_wrapper_delref(copy);
        errno = ENOMEM;
        return NULL;
    }
    copy->mode = io->mode;
    copy->options = io->options;
    return copy;
}

/* --- ownership --- */

int
hs_io_claim(io_object *io)
{
    struct hs_io *x = hs_io_of(io);
    if (x->closed) {
        return EBADF;
    }
    if (x->claimed || x->wait_fn != NULL) {
        return EBUSY;
    }
    int err = x->kind != NULL && x->kind->claim != NULL ? x->kind->claim(x) : 0;
    x->claimed = err == 0;
    return err;
}

void
hs_io_release(io_object *io)
{
    hs_io_of(io)->claimed = false;
}

bool
hs_io_is_claimed(const io_object *io)
{
    return ((const struct hs_io *)io)->claimed;
}

void
hs_io_bind(io_object *io)
{
    hs_io_of(io)->bound = true;
}

int
hs_io_source_travels(io_object *source)
{
    if (source == NULL) {
        return 0;
    }
    struct hs_io *x = hs_io_of(source);
    if (x->bound) {
        return ENOTSUP;
    }
    if (x->wait_fn != NULL || hs_io_pool_busy(x)) {
        return EBUSY;
    }
    return x->kind != NULL && x->kind->travels != NULL ? x->kind->travels(x) : 0;
}

int
hs_io_travels(io_object *io)
{
    const struct hs_io *x = hs_io_of(io);
    if (x->closed) {
        return EBADF;
    }
    return x->claimed ? EBUSY : hs_io_source_travels(io);
}

/* --- look --- */

static void
set_string(char **field, const char *value)
{
    char *copy = NULL;
    if (value != NULL && (copy = strdup(value)) == NULL) {
        errno = ENOMEM;
        return;
    }
    free(*field);
    *field = copy;
}

const char *
io_wrapper_get_path(io_object *io)
{
    return io->path;
}

void
io_wrapper_set_path(io_object *io, const char *path)
{
    set_string(&io->path, path);
}

const char *
io_wrapper_get_scheme(io_object *io)
{
    return io->scheme != NULL ? io->scheme : HS_IO_METHOD(io->methods, scheme);
}

void
io_wrapper_set_scheme(io_object *io, const char *scheme)
{
    set_string(&io->scheme, scheme);
}

int
io_wrapper_get_mode(io_object *io)
{
    return io->mode;
}

int
io_wrapper_get_options(io_object *io)
{
    return io->options;
}

void *
io_wrapper_get_handle(io_object *io)
{
    return hs_io_of(io)->kind == NULL ? io->io.handle : NULL;
}

void
io_wrapper_set_handle(io_object *io, void *handle)
{
    if (hs_io_of(io)->kind == NULL) {
        io->io.handle = handle;
    }
}

ECDict
io_wrapper_get_context(io_object *io)
{
    return io->context;
}

void
io_wrapper_set_context(io_object *io, ECDict context)
{
    ECDict old = io->context;
    echash_addref(context);
    io->context = context;
    dict_drop(old);
}

void *
io_wrapper_get_app_context(io_object *io)
{
    return io->app_closure;
}

void
io_wrapper_set_app_context_and_dtor(io_object *io, void *context, void (*dtor)(io_object *io))
{
    io->app_closure = context;
    io->on_destroy = dtor;
}
