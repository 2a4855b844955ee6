/* io_concat.c - an io_object over several others, one after the other.
 * Owns its sources: claimed, referenced, and let go when it is closed. Each is read from where it stood. What each has
 * left is noted at the beginning; a source that turns out to be shorter ends the whole, since whatever followed would
 * stand at the wrong place, and one that has grown is cut. Windows and lent memory are the sources' own. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "io/io_kind.h"

struct part {
    io_object *io; /* NULL past the last one that was taken over */
    off_t start;   /* its position at the beginning; -1: cannot be sought */
    off_t len;     /* what it had left; -1: not known */
};

struct concat {
    struct hs_io x;
    size_t n;
    size_t at;     /* the part that is read */
    off_t in;      /* bytes read of it */
    off_t pos;     /* of the whole */
    off_t total;   /* -1: not known */
    bool seekable; /* all parts are, and their lengths are known */
    bool cut;      /* a part was shorter than it had said */
    bool moved;    /* later parts may not stand at their start */
    size_t waits;  /* the part that is waited on */
    struct part parts[];
};

static const struct hs_io_kind concat_kind;

/* Bytes that the part may still give; -1: not known. */
static off_t
left_of(const struct concat *c)
{
    const struct part *p = &c->parts[c->at];
    return p->len < 0 ? -1 : p->len - c->in;
}

/* On to the next part. 0 or errno. */
static int
next_part(struct concat *c)
{
    size_t next = c->at + 1;
    if (next < c->n && c->moved && hs_io_lseek(c->parts[next].io, c->parts[next].start, SEEK_SET) < 0) {
        return errno;
    }
    c->at = next;
    c->in = 0;
    return 0;
}

/* Leaves parts that have given all they had. 0 or errno. */
static int
settle(struct concat *c)
{
    int err = 0;
    while (err == 0 && c->at < c->n && left_of(c) == 0) {
        err = next_part(c);
    }
    return err;
}

static bool
at_end(const struct concat *c)
{
    return c->cut || c->at == c->n;
}

/* The part has come to its end by itself. 0 or errno. */
static int
part_ended(struct concat *c)
{
    if (left_of(c) > 0) {
        c->cut = true;
        return 0;
    }
    return next_part(c);
}

/* n, or what the part has left. */
static size_t
at_most(const struct concat *c, size_t n)
{
    off_t left = left_of(c);
    return left >= 0 && (uint64_t)left < n ? (size_t)left : n;
}

static void
used(struct concat *c, size_t n)
{
    c->in += (off_t)n;
    c->pos += (off_t)n;
}

static ssize_t
concat_read(io_object *io, void *buf, size_t n)
{
    struct concat *c = (struct concat *)io;
    int err = n != 0 ? settle(c) : 0;
    while (err == 0 && n != 0 && !at_end(c)) {
        ssize_t r = hs_io_read(c->parts[c->at].io, buf, at_most(c, n));
        if (r > 0) {
            used(c, (size_t)r);
            return r;
        }
        err = r < 0 ? errno : part_ended(c);
        err = err == 0 ? settle(c) : err;
    }
    errno = err;
    return err != 0 ? -1 : 0;
}

static int
concat_window(struct hs_io *x, size_t max, struct hs_io_window *w)
{
    struct concat *c = (struct concat *)x;
    int err = settle(c);
    while (err == 0 && !at_end(c)) {
        err = hs_io_window(c->parts[c->at].io, at_most(c, max), w);
        if (err != 0 || w->len != 0 || max == 0) {
            return err;
        }
        err = part_ended(c);
        err = err == 0 ? settle(c) : err;
    }
    *w = (struct hs_io_window){ .fd = -1 };
    return err;
}

static int
concat_peek(struct hs_io *x, const char **p, size_t *len)
{
    struct concat *c = (struct concat *)x;
    int err = settle(c);
    while (err == 0 && !at_end(c)) {
        err = hs_io_peek(c->parts[c->at].io, p, len);
        if (err != 0 || *len != 0) {
            *len = err == 0 ? at_most(c, *len) : 0;
            return err;
        }
        err = part_ended(c);
        err = err == 0 ? settle(c) : err;
    }
    *p = NULL;
    *len = 0;
    return err;
}

static void
concat_consume(struct hs_io *x, size_t n)
{
    struct concat *c = (struct concat *)x;
    if (!at_end(c)) {
        n = at_most(c, n);
        hs_io_consume(c->parts[c->at].io, n);
        used(c, n);
    }
}

/* --- waiting --- */

static void
on_part(io_object *io, void *arg)
{
    (void)io;
    hs_io_deliver(arg);
}

static int
concat_wait(io_object *io, int what, io_wrapper_wait_func fn, void *arg)
{
    (void)arg;
    struct concat *c = (struct concat *)io;
    if (fn == NULL) {
        return c->waits < c->n ? hs_io_wait(c->parts[c->waits].io, 0, NULL, NULL) : 0;
    }
    c->waits = c->n;
    if (settle(c) != 0 || at_end(c)) {
        hs_io_wake(&c->x);
        return 0;
    }
    int err = hs_io_wait(c->parts[c->at].io, what, on_part, c);
    c->waits = err == 0 ? c->at : c->n;
    errno = err;
    return err == 0 ? 0 : -1;
}

/* --- where --- */

static off_t
concat_get_size(io_object *io)
{
    struct concat *c = (struct concat *)io;
    if (c->total < 0) {
        errno = ENOTSUP;
    }
    return c->total;
}

static off_t
concat_remaining(struct hs_io *x)
{
    struct concat *c = (struct concat *)x;
    if (c->total < 0 || c->pos >= c->total) {
        return c->total < 0 ? -1 : 0;
    }
    return c->total - c->pos;
}

static off_t
concat_lseek(io_object *io, off_t offset, int whence)
{
    struct concat *c = (struct concat *)io;
    if (!c->seekable) {
        errno = ESPIPE;
        return -1;
    }
    off_t to = hs_io_seek_to(c->pos, c->total, offset, whence);
    if (to < 0 || to == c->pos) {
        return to;
    }
    size_t at = 0;
    off_t in = to;
    while (at < c->n && in >= c->parts[at].len) {
        in -= c->parts[at].len;
        at++;
    }
    if (at < c->n && hs_io_lseek(c->parts[at].io, c->parts[at].start + in, SEEK_SET) < 0) {
        return -1;
    }
    c->at = at;
    c->in = at < c->n ? in : 0;
    c->pos = to;
    c->moved = true;
    c->cut = false;
    return to;
}

/* --- life --- */

static int
concat_close(io_object *io)
{
    struct concat *c = (struct concat *)io;
    for (size_t i = 0; i < c->n && c->parts[i].io != NULL; i++) {
        hs_io_release(c->parts[i].io);
        io_wrapper_delref(c->parts[i].io);
        c->parts[i].io = NULL;
    }
    return 0;
}

/* Takes a source over. 0 or errno. */
static int
take_part(struct concat *c, struct part *p, io_object *source)
{
    int err = source != NULL ? hs_io_claim(source) : EINVAL;
    if (err != 0) {
        return err;
    }
    io_wrapper_addref(source);
    p->io = source;
    p->len = hs_io_remaining(source);
    p->start = p->len >= 0 ? hs_io_lseek(source, 0, SEEK_CUR) : -1;
    off_t end;
    if (p->start < 0 || __builtin_add_overflow(p->start, p->len, &end)) {
        c->seekable = false;
    }
    if (p->len < 0) {
        c->total = -1;
    } else if (c->total >= 0 && __builtin_add_overflow(c->total, p->len, &c->total)) {
        return EOVERFLOW;
    }
    return 0;
}

static io_object *
concat_clone(io_object *io)
{
    struct concat *c = (struct concat *)io;
    if (!c->seekable) {
        errno = ENOTSUP;
        return NULL;
    }
    io_object **copies = calloc(c->n != 0 ? c->n : 1, sizeof *copies);
    int err = copies != NULL ? 0 : ENOMEM;
    for (size_t i = 0; err == 0 && i < c->n; i++) {
        copies[i] = io_wrapper_clone(c->parts[i].io);
        if (copies[i] == NULL || hs_io_lseek(copies[i], c->parts[i].start, SEEK_SET) < 0) {
            err = errno;
        }
    }
    io_object *copy = err == 0 ? hs_io_concat(copies, c->n) : NULL;
    err = err == 0 && copy == NULL ? errno : err;
    for (size_t i = 0; copies != NULL && i < c->n; i++) {
        io_wrapper_delref(copies[i]);
    }
    free(copies);
    errno = err;
    return copy;
}

static int
concat_travels(struct hs_io *x)
{
    const struct concat *c = (const struct concat *)x;
    int err = 0;
    for (size_t i = 0; i < c->n && err != ENOTSUP; i++) {
        int of_part = hs_io_source_travels(c->parts[i].io);
        err = of_part != 0 ? of_part : err;
    }
    return err;
}

static const struct hs_io_kind concat_kind = {
    .travels = concat_travels,
    .w = {
        .sizeof_self = sizeof(io_wrapper),
        .read = concat_read,
        .close = concat_close,
        .lseek = concat_lseek,
        .scheme = "concat",
        .get_size = concat_get_size,
        .cloner = concat_clone,
        .wait = concat_wait,
    },
    .window = concat_window,
    .peek = concat_peek,
    .consume = concat_consume,
    .remaining = concat_remaining,
};

io_object *
hs_io_concat(io_object *const *sources, size_t n)
{
    if (n > (SIZE_MAX / 2 - sizeof(struct concat)) / sizeof(struct part)) {
        errno = ENOMEM;
        return NULL;
    }
    struct concat *c = hs_io_alloc(sizeof *c + n * sizeof(struct part), &concat_kind, NULL);
    if (c == NULL) {
        return NULL;
    }
    c->n = n;
    c->waits = n;
    c->seekable = true;
    c->x.pub.options = O_RDONLY;
    int err = 0;
    for (size_t i = 0; err == 0 && i < n; i++) {
        err = take_part(c, &c->parts[i], sources[i]);
    }
    if (err == 0) {
        return &c->x.pub;
    }
    concat_close(&c->x.pub);
    hs_io_discard(&c->x);
    errno = err;
    return NULL;
}
