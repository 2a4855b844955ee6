/* io_range.c - an io_object over a part of another.
 * Owns its source: claimed, referenced, and let go when it is closed. The source has to be seekable. Bytes that are not
 * there when they are read end the range early; windows and lent memory are the source's own. */
#include <errno.h>
#include <stdint.h>

#include "io/io_kind.h"

struct range {
    struct hs_io x;
    io_object *source;
    off_t first;
    off_t len; /* bytes at most */
    off_t pos;
    bool sized; /* len was there when the range was made */
};

static const struct hs_io_kind range_kind;

/* n, or what the range has left. */
static size_t
at_most(const struct range *g, size_t n)
{
    off_t left = g->pos < g->len ? g->len - g->pos : 0;
    return (uint64_t)left < n ? (size_t)left : n;
}

static ssize_t
range_read(io_object *io, void *buf, size_t n)
{
    struct range *g = (struct range *)io;
    n = at_most(g, n);
    ssize_t r = n != 0 ? hs_io_read(g->source, buf, n) : 0;
    g->pos += r > 0 ? r : 0;
    return r;
}

static int
range_window(struct hs_io *x, size_t max, struct hs_io_window *w)
{
    struct range *g = (struct range *)x;
    return hs_io_window(g->source, at_most(g, max), w);
}

static int
range_peek(struct hs_io *x, const char **p, size_t *len)
{
    struct range *g = (struct range *)x;
    int err = hs_io_peek(g->source, p, len);
    *len = err == 0 ? at_most(g, *len) : 0;
    return err;
}

static void
range_consume(struct hs_io *x, size_t n)
{
    struct range *g = (struct range *)x;
    n = at_most(g, n);
    hs_io_consume(g->source, n);
    g->pos += (off_t)n;
}

static void
on_source(io_object *io, void *arg)
{
    (void)io;
    hs_io_deliver(arg);
}

static int
range_wait(io_object *io, int what, io_wrapper_wait_func fn, void *arg)
{
    (void)arg;
    struct range *g = (struct range *)io;
    int err = hs_io_wait(g->source, what, fn != NULL ? on_source : NULL, g);
    errno = err;
    return err == 0 ? 0 : -1;
}

static off_t
range_get_size(io_object *io)
{
    struct range *g = (struct range *)io;
    if (!g->sized) {
        errno = ENOTSUP;
    }
    return g->sized ? g->len : -1;
}

static off_t
range_lseek(io_object *io, off_t offset, int whence)
{
    struct range *g = (struct range *)io;
    off_t to = hs_io_seek_to(g->pos, g->sized ? g->len : -1, offset, whence);
    if (to < 0 || to == g->pos) {
        return to;
    }
    off_t there;
    if (__builtin_add_overflow(g->first, to, &there)) {
        errno = EOVERFLOW;
        return -1;
    }
    if (hs_io_lseek(g->source, there, SEEK_SET) < 0) {
        return -1;
    }
    g->pos = to;
    return to;
}

static int
range_close(io_object *io)
{
    struct range *g = (struct range *)io;
    hs_io_release(g->source);
    io_wrapper_delref(g->source);
    g->source = NULL;
    return 0;
}

/* Takes the source over. NULL with errno. */
static struct range *
range_new(io_object *source, off_t first)
{
    struct range *g = hs_io_alloc(sizeof *g, &range_kind, NULL);
    if (g == NULL) {
        return NULL;
    }
    int err = hs_io_claim(source);
    if (err == 0 && hs_io_lseek(source, first, SEEK_SET) < 0) {
        err = errno;
        hs_io_release(source);
    }
    if (err != 0) {
        hs_io_discard(&g->x);
        errno = err;
        return NULL;
    }
    io_wrapper_addref(source);
    g->source = source;
    g->first = first;
    g->x.pub.options = O_RDONLY;
    return g;
}

static io_object *
range_clone(io_object *io)
{
    struct range *g = (struct range *)io;
    io_object *source = io_wrapper_clone(g->source);
    struct range *copy = source != NULL ? range_new(source, g->first) : NULL;
    io_wrapper_delref(source); /* keeps errno */
    if (copy == NULL) {
        return NULL;
    }
    copy->len = g->len;
    copy->sized = g->sized;
    return &copy->x.pub;
}

static int
range_travels(struct hs_io *x)
{
    return hs_io_source_travels(((struct range *)x)->source);
}

static const struct hs_io_kind range_kind = {
    .travels = range_travels,
    .w = {
        .sizeof_self = sizeof(io_wrapper),
        .read = range_read,
        .close = range_close,
        .lseek = range_lseek,
        .scheme = "range",
        .get_size = range_get_size,
        .cloner = range_clone,
        .wait = range_wait,
    },
    .window = range_window,
    .peek = range_peek,
    .consume = range_consume,
};

io_object *
hs_io_range(io_object *source, off_t first, off_t last)
{
    if (source == NULL || first < 0 || last < -1 || (last >= 0 && first > last)) {
        errno = EINVAL;
        return NULL;
    }
    struct range *g = range_new(source, first);
    if (g == NULL) {
        return NULL;
    }
    off_t most = last < 0 || last - first == INT64_MAX ? INT64_MAX : last - first + 1;
    off_t size = io_wrapper_get_size(source);
    off_t there = size > first ? size - first : 0;
    g->sized = size >= 0;
    g->len = g->sized && there < most ? there : most;
    return &g->x.pub;
}
