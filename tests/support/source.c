/* source.c - an io_object that a test plays; see source.h. A wrapper as an application would write it. */
#include "source.h"

#include <errno.h>
#include <string.h>

char
source_byte(size_t at)
{
    return (char)('a' + (at + at / 251) % 26);
}

static struct source *
source_of(io_object *io)
{
    return io_wrapper_get_handle(io);
}

static ssize_t
source_read(io_object *io, void *buf, size_t n)
{
    struct source *s = source_of(io);
    char *p = buf;

    s->reads++;
    if (s->on_read) {
        s->on_read(s);
    }
    if (s->read_err) {
        errno = s->read_err;
        s->read_err = 0;
        return -1;
    }
    if (s->pos == s->allowed) {
        errno = s->ended ? s->err : EAGAIN;
        return errno ? -1 : 0;
    }
    n = n < s->allowed - s->pos ? n : s->allowed - s->pos;
    n = s->step && n > s->step ? s->step : n;
    for (size_t i = 0; i < n; i++, s->pos++) {
        p[i] = s->data ? s->data[s->pos] : source_byte(s->pos);
    }
    return (ssize_t)n;
}

static int
source_wait(io_object *io, int what, io_wrapper_wait_func fn, void *arg)
{
    struct source *s = source_of(io);

    (void)what;
    s->wait_fn = fn;
    s->wait_arg = arg;
    if (fn && (s->pos < s->allowed || s->ended)) {
        hs_defer(s->loop, &s->wake);
    }
    return 0;
}

static int
source_close(io_object *io)
{
    struct source *s = source_of(io);

    hs_deferred_cancel(s->loop, &s->wake);
    s->closed = true;
    return 0;
}

static off_t
source_size(io_object *io)
{
    struct source *s = source_of(io);

    if (s->size) {
        return s->size;
    }
    errno = ENOTSUP;
    return -1;
}

static off_t
source_lseek(io_object *io, off_t offset, int whence)
{
    struct source *s = source_of(io);

    if (offset != 0 || whence != SEEK_CUR || !s->size) {
        errno = ESPIPE;
        return -1;
    }
    return (off_t)s->pos;
}

static const io_wrapper methods = {
    .sizeof_self = sizeof(io_wrapper),
    .read = source_read,
    .close = source_close,
    .lseek = source_lseek,
    .scheme = "test",
    .get_size = source_size,
    .wait = source_wait,
};

static void
wake(void *arg)
{
    struct source *s = arg;
    io_wrapper_wait_func fn = s->wait_fn;

    s->wait_fn = NULL;
    if (fn) {
        fn(s->io, s->wait_arg);
    }
}

io_object *
source_open(struct source *s, struct hs_loop *loop, const char *data)
{
    memset(s, 0, sizeof *s);
    s->loop = loop;
    s->data = data;
    hs_deferred_init(&s->wake, wake, s);
    s->io = io_wrapper_create_object(&methods, s);
    return s->io;
}

void
source_allow(struct source *s, size_t n)
{
    s->allowed += n;
    if (s->wait_fn) {
        hs_defer(s->loop, &s->wake);
    }
}

void
source_end(struct source *s, int err)
{
    s->ended = true;
    s->err = err;
    if (s->wait_fn) {
        hs_defer(s->loop, &s->wake);
    }
}
