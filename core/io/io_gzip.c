/* io_gzip.c - an io_object that gives the bytes of another in gzip format (RFC 1952).
 * Owns its source: claimed, referenced, and let go when it is closed. When the source has nothing for now, all that was
 * read so far is flushed out, so that a slow stream arrives as it is made. On a loop a limited amount of the source is
 * taken at a time: bytes that compress to almost nothing would else hold up the loop until a whole buffer is full.
 * EAGAIN then means the next turn. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "io/io_kind.h"

#define IN_SIZE ((size_t)16384)
#define IN_PER_TURN (4 * IN_SIZE)   /* of the source, on a loop */
#define OUT_MIN ((size_t)256)       /* zlib wants room for its markers; smaller reads are served from a buffer */
#define OUT_MAX ((size_t)1 << 30)   /* zlib counts in 32 bits */
#define GZIP_WINDOW (15 + 16)       /* 32 KiB, gzip header and trailer */
#define DEFAULT_MEM_LEVEL 8

enum state {
    FEEDING,   /* takes the source's bytes */
    FLUSHING,  /* the source has none for now */
    FINISHING, /* it has come to its end */
    ENDED,
};

struct gzip {
    struct hs_io x;
    io_object *source;
    z_stream z;
    enum state state;
    bool unflushed; /* took bytes since the last flush */
    bool paused;    /* EAGAIN was ours, not the source's */
    size_t fed;     /* bytes taken since the last EAGAIN */
    int err;        /* the source's, given when what came before it is out */
    unsigned out_pos, out_len;
    unsigned char out[OUT_MIN];
    unsigned char in[IN_SIZE];
};

/* zlib's memory is counted and made to fail like all other. */
static void *
z_alloc(void *opaque, unsigned n, unsigned size)
{
    (void)opaque;
    return calloc(n, size);
}

static void
z_free(void *opaque, void *p)
{
    (void)opaque;
    free(p);
}

/* Asks the source for more. */
static void
feed(struct gzip *g)
{
    ssize_t r = hs_io_read(g->source, g->in, IN_SIZE);
    if (r > 0) {
        g->z.next_in = g->in;
        g->z.avail_in = (unsigned)r;
        g->unflushed = true;
    } else if (r == 0) {
        g->state = FINISHING;
    } else if (errno == EAGAIN && g->unflushed) {
        g->state = FLUSHING;
    } else {
        g->err = errno;
    }
}

/* Compresses what there is. */
static void
squeeze(struct gzip *g)
{
    static const int modes[] = { [FEEDING] = Z_NO_FLUSH, [FLUSHING] = Z_SYNC_FLUSH, [FINISHING] = Z_FINISH };
    int r = deflate(&g->z, modes[g->state]);
    if (r == Z_STREAM_END) {
        g->state = ENDED;
    } else if (r != Z_OK && r != Z_BUF_ERROR) {
        g->err = EIO;
    } else if (g->state == FLUSHING && g->z.avail_out != 0) {
        g->state = FEEDING;
        g->unflushed = false;
    }
}

/* Up to n bytes into buf, n >= OUT_MIN: how many; when none, err says why or the state is ENDED. */
static size_t
compress_into(struct gzip *g, unsigned char *buf, size_t n)
{
    bool limited = hs_io_loop() != NULL;
    g->z.next_out = buf;
    g->z.avail_out = (unsigned)n;
    while (g->z.avail_out != 0 && g->state != ENDED && g->err == 0) {
        if (g->state == FEEDING && g->z.avail_in == 0) {
            if (limited && g->fed >= IN_PER_TURN) {
                g->paused = g->z.avail_out == n;
                break;
            }
            feed(g);
            g->fed += g->z.avail_in;
        }
        if (g->err == 0) {
            squeeze(g);
        }
    }
    size_t got = n - g->z.avail_out;
    g->z.next_out = NULL;
    g->z.avail_out = 0;
    return got;
}

static ssize_t
take_out(struct gzip *g, void *buf, size_t n)
{
    n = n < g->out_len - g->out_pos ? n : g->out_len - g->out_pos;
    memcpy(buf, g->out + g->out_pos, n);
    g->out_pos += (unsigned)n;
    return (ssize_t)n;
}

static ssize_t
gzip_read(io_object *io, void *buf, size_t n)
{
    struct gzip *g = (struct gzip *)io;
    g->paused = false;
    if (n == 0 || g->out_pos < g->out_len) {
        return n != 0 ? take_out(g, buf, n) : 0;
    }
    bool small = n < OUT_MIN;
    size_t got = small ? compress_into(g, g->out, OUT_MIN) : compress_into(g, buf, n < OUT_MAX ? n : OUT_MAX);
    if (got != 0) {
        if (g->err == EAGAIN) {
            g->err = 0; /* the next read asks again */
        }
        g->out_pos = 0;
        g->out_len = small ? (unsigned)got : 0;
        return small ? take_out(g, buf, n) : (ssize_t)got;
    }
    if (g->state == ENDED) {
        return 0;
    }
    g->fed = 0;
    errno = g->paused ? EAGAIN : g->err;
    g->err = errno == EAGAIN ? 0 : g->err;
    return -1;
}

static void
on_source(io_object *io, void *arg)
{
    (void)io;
    hs_io_deliver(arg);
}

static int
gzip_wait(io_object *io, int what, io_wrapper_wait_func fn, void *arg)
{
    (void)arg;
    struct gzip *g = (struct gzip *)io;
    int err = 0;
    if (fn == NULL) {
        err = hs_io_wait(g->source, 0, NULL, NULL);
    } else if (g->paused || g->state != FEEDING || g->z.avail_in != 0 || g->out_pos < g->out_len || g->err != 0) {
        hs_io_wake(&g->x);
    } else {
        err = hs_io_wait(g->source, what, on_source, g);
    }
    errno = err;
    return err == 0 ? 0 : -1;
}

static int
gzip_close(io_object *io)
{
    struct gzip *g = (struct gzip *)io;
    deflateEnd(&g->z);
    hs_io_release(g->source);
    io_wrapper_delref(g->source);
    g->source = NULL;
    return 0;
}

static int
gzip_travels(struct hs_io *x)
{
    return hs_io_source_travels(((struct gzip *)x)->source);
}

static const struct hs_io_kind gzip_kind = {
    .travels = gzip_travels,
    .w = {
        .sizeof_self = sizeof(io_wrapper),
        .read = gzip_read,
        .close = gzip_close,
        .scheme = "gzip",
        .wait = gzip_wait,
    },
};

io_object *
hs_io_gzip(io_object *source, int level)
{
    if (source == NULL || (level != Z_DEFAULT_COMPRESSION && (level < 1 || level > 9))) {
        errno = EINVAL;
        return NULL;
    }
    struct gzip *g = hs_io_alloc(sizeof *g, &gzip_kind, NULL);
    if (g == NULL) {
        return NULL;
    }
    g->z.zalloc = z_alloc;
    g->z.zfree = z_free;
    int err = hs_io_claim(source);
    if (err == 0 && deflateInit2(&g->z, level, Z_DEFLATED, GZIP_WINDOW, DEFAULT_MEM_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
        hs_io_release(source);
        err = ENOMEM;
    }
    if (err != 0) {
        hs_io_discard(&g->x);
        errno = err;
        return NULL;
    }
    io_wrapper_addref(source);
    g->source = source;
    g->x.pub.options = O_RDONLY;
    return &g->x.pub;
}
