/* io_growbuf.c - io_objects over a growing buffer: chunks of memory up to a threshold, an unnamed temporary file past it.
 * Byte n of the content is in memory when n is below the threshold, else in the file at n less the threshold: nothing
 * is ever moved, so what was lent stays where it is. The content is shared by clones, which have a position each, and
 * goes with the last of them; its lock makes clones in different threads safe.
 *
 * The file is reached through file ios: each growbuf io has one of its own, which also does its waiting. */
#include "ec_growbuf.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/io_kind.h"

#define FIRST ((size_t)4096)                   /* bytes of the first chunk, its NUL included */
#define CHUNK_MIN ((off_t)4096 - 64)           /* later chunks double what there is, */
#define CHUNK_MAX ((off_t)256 * 1024 - 64)     /* between these */
#define FIRST_MAX ((size_t)1 << 30)            /* so that an int counts any chunk */
#define MEMORY_MAX ((size_t)1 << 20)           /* the threshold of the public call */
#define FILE_CHUNK ((size_t)65536)             /* what ec_growbuf_io_cur_chunk reads of the file */
#define OFF_MAX ((off_t)INT64_MAX)

struct chunk {
    struct chunk *next;
    off_t base; /* of its first byte in the content */
    off_t cap;
    char data[]; /* cap bytes and a NUL; zero where nothing was written */
};

struct content {
    int ref; /* atomic */
    pthread_mutex_t lock;
    off_t threshold;
    size_t first;
    /* Under the lock: */
    struct chunk *head, *tail; /* only ever added to */
    off_t in_chunks;           /* the sum of their caps */
    off_t size;
    io_object *file; /* NULL: not needed yet; only cloned */
};

struct growbuf {
    struct hs_io x;
    struct content *c;
    off_t pos;
    struct chunk *near; /* where the last look-up ended, or NULL */
    io_object *file;    /* a clone of the content's, once needed */
    char *lent;         /* FILE_CHUNK bytes, once needed */
    off_t lent_at;
    size_t lent_len;
};

static const struct hs_io_kind growbuf_kind;

/* --- the content --- */

static struct content *
content_new(size_t first, size_t memory_max)
{
    struct content *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return NULL;
    }
    c->ref = 1;
    c->threshold = memory_max < (size_t)PTRDIFF_MAX ? (off_t)memory_max : (off_t)PTRDIFF_MAX;
    c->first = first == 0 ? FIRST : first < FIRST_MAX ? first : FIRST_MAX;
    pthread_mutex_init(&c->lock, NULL);
    return c;
}

static void
content_drop(struct content *c)
{
    if (__atomic_sub_fetch(&c->ref, 1, __ATOMIC_ACQ_REL) != 0) {
        return;
    }
    while (c->head != NULL) {
        struct chunk *k = c->head;
        c->head = k->next;
        free(k);
    }
    io_wrapper_delref(c->file);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static off_t
content_size(struct content *c)
{
    pthread_mutex_lock(&c->lock);
    off_t size = c->size;
    pthread_mutex_unlock(&c->lock);
    return size;
}

/* Locked. 0 or ENOMEM. */
static int
add_chunk(struct content *c)
{
    off_t cap = c->in_chunks;
    if (c->head == NULL) {
        cap = c->first > 1 ? (off_t)c->first - 1 : 1;
    } else {
        cap = cap < CHUNK_MIN ? CHUNK_MIN : cap > CHUNK_MAX ? CHUNK_MAX : cap;
    }
    cap = cap > c->threshold - c->in_chunks ? c->threshold - c->in_chunks : cap;
    struct chunk *k = calloc(1, sizeof *k + (size_t)cap + 1);
    if (k == NULL) {
        return ENOMEM;
    }
    k->base = c->in_chunks;
    k->cap = cap;
    if (c->tail != NULL) {
        c->tail->next = k;
    } else {
        c->head = k;
    }
    c->tail = k;
    c->in_chunks += cap;
    return 0;
}

/* Locked: the chunk with that byte, NULL when there is none yet. */
static struct chunk *
find_chunk(struct growbuf *g, off_t pos)
{
    struct chunk *k = g->near != NULL && g->near->base <= pos ? g->near : g->c->head;
    while (k != NULL && pos - k->base >= k->cap) {
        k = k->next;
    }
    g->near = k != NULL ? k : g->near;
    return k;
}

/* Locked: the bytes in memory from the position to the end of its chunk; NULL when the position is not in memory, or at the end. */
static char *
in_memory(struct growbuf *g, size_t *len)
{
    struct content *c = g->c;
    *len = 0;
    if (g->pos >= c->size || g->pos >= c->threshold) {
        return NULL;
    }
    struct chunk *k = find_chunk(g, g->pos);
    off_t end = k->base + k->cap < c->size ? k->base + k->cap : c->size;
    *len = (size_t)(end - g->pos);
    return k->data + (g->pos - k->base);
}

static bool
in_file(const struct growbuf *g)
{
    return g->pos >= g->c->threshold;
}

/* The io's own view of the file, at its position. 0 or errno. */
static int
seek_file(struct growbuf *g)
{
    struct content *c = g->c;
    int err = 0;
    if (g->file == NULL) {
        pthread_mutex_lock(&c->lock);
        if (c->file == NULL) {
            c->file = io_wrapper_open_tmpspool();
        }
        g->file = c->file != NULL ? io_wrapper_clone(c->file) : NULL;
        err = g->file == NULL ? errno : 0;
        pthread_mutex_unlock(&c->lock);
    }
    if (err == 0 && hs_io_lseek(g->file, g->pos - c->threshold, SEEK_SET) < 0) {
        err = errno;
    }
    return err;
}

/* --- reading --- */

/* Up to n bytes of memory from the position on. */
static size_t
read_memory(struct growbuf *g, char *to, size_t n)
{
    size_t done = 0;
    pthread_mutex_lock(&g->c->lock);
    while (done < n) {
        size_t len;
        const char *p = in_memory(g, &len);
        if (p == NULL) {
            break;
        }
        len = len < n - done ? len : n - done;
        memcpy(to + done, p, len);
        done += len;
        g->pos += (off_t)len;
    }
    pthread_mutex_unlock(&g->c->lock);
    return done;
}

/* Bytes of the file at the position, which stays. 0 at the end; -1 with errno. */
static ssize_t
read_file(struct growbuf *g, char *to, size_t n)
{
    if (!in_file(g) || g->pos >= content_size(g->c)) {
        return 0;
    }
    int err = seek_file(g);
    if (err != 0) {
        errno = err;
        return -1;
    }
    return hs_io_read(g->file, to, n);
}

static ssize_t
growbuf_read(io_object *io, void *buf, size_t n)
{
    struct growbuf *g = (struct growbuf *)io;
    size_t done = read_memory(g, buf, n);
    if (done != 0 || n == 0) {
        return (ssize_t)done;
    }
    ssize_t r = read_file(g, buf, n);
    if (r > 0) {
        g->pos += r;
    }
    return r;
}

static int
growbuf_peek(struct hs_io *x, const char **p, size_t *len)
{
    struct growbuf *g = (struct growbuf *)x;
    pthread_mutex_lock(&g->c->lock);
    *p = in_memory(g, len);
    bool at_end = g->pos >= g->c->size;
    pthread_mutex_unlock(&g->c->lock);
    return *p != NULL || at_end ? 0 : ENOTSUP;
}

static int
growbuf_window(struct hs_io *x, size_t max, struct hs_io_window *w)
{
    struct growbuf *g = (struct growbuf *)x;
    if (!in_file(g) || g->pos >= content_size(g->c)) {
        return ENOTSUP;
    }
    int err = seek_file(g);
    return err != 0 ? err : hs_io_window(g->file, max, w);
}

static void
growbuf_consume(struct hs_io *x, size_t n)
{
    struct growbuf *g = (struct growbuf *)x;
    off_t size = content_size(g->c);
    off_t left = g->pos < size ? size - g->pos : 0;
    g->pos += n < (size_t)left ? (off_t)n : left;
}

/* --- writing --- */

/* Locked: fills the gap up to the position, as far as that is in memory. 0 or ENOMEM. */
static int
reach(struct content *c, off_t pos)
{
    while (c->in_chunks <= pos && c->in_chunks < c->threshold) {
        int err = add_chunk(c);
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

/* What of the n bytes belongs into memory; the number of bytes written. *err when it is not all of that. */
static size_t
write_memory(struct growbuf *g, const char *from, size_t n, int *err)
{
    struct content *c = g->c;
    size_t done = 0;
    pthread_mutex_lock(&c->lock);
    while (done < n) {
        *err = reach(c, g->pos);
        if (*err != 0 || in_file(g)) {
            break;
        }
        struct chunk *k = find_chunk(g, g->pos);
        size_t room = (size_t)(k->base + k->cap - g->pos);
        room = room < n - done ? room : n - done;
        memcpy(k->data + (g->pos - k->base), from + done, room);
        done += room;
        g->pos += (off_t)room;
        c->size = g->pos > c->size ? g->pos : c->size;
    }
    pthread_mutex_unlock(&c->lock);
    return done;
}

static ssize_t
write_file(struct growbuf *g, const char *from, size_t n)
{
    struct content *c = g->c;
    int err = seek_file(g);
    if (err != 0) {
        errno = err;
        return -1;
    }
    ssize_t r = io_wrapper_write(g->file, from, n);
    if (r > 0) {
        g->pos += r;
        pthread_mutex_lock(&c->lock);
        c->size = g->pos > c->size ? g->pos : c->size;
        pthread_mutex_unlock(&c->lock);
    }
    return r;
}

static ssize_t
growbuf_write(io_object *io, const char *buf, size_t n)
{
    struct growbuf *g = (struct growbuf *)io;
    n = n < HS_IO_MAX ? n : HS_IO_MAX;
    g->lent_len = 0;
    if (g->pos > OFF_MAX - (off_t)n) {
        errno = EFBIG;
        return -1;
    }
    int err = 0;
    size_t done = write_memory(g, buf, n, &err);
    if (err == 0 && done < n) {
        ssize_t r = write_file(g, buf + done, n - done);
        err = r < 0 ? errno : 0;
        done += r > 0 ? (size_t)r : 0;
    }
    if (done == 0 && err != 0) {
        errno = err;
        return -1;
    }
    return (ssize_t)done;
}

/* --- where, and when --- */

static off_t
growbuf_get_size(io_object *io)
{
    return content_size(((struct growbuf *)io)->c);
}

static off_t
growbuf_lseek(io_object *io, off_t offset, int whence)
{
    struct growbuf *g = (struct growbuf *)io;
    off_t to = hs_io_seek_to(g->pos, content_size(g->c), offset, whence);
    if (to >= 0) {
        g->pos = to;
    }
    return to;
}

static void
on_file(io_object *file, void *arg)
{
    (void)file;
    hs_io_deliver(arg);
}

/* Memory is always ready; the file's own io knows about the file. */
static int
growbuf_wait(io_object *io, int what, io_wrapper_wait_func fn, void *arg)
{
    (void)arg;
    struct growbuf *g = (struct growbuf *)io;
    if (fn == NULL) {
        return g->file != NULL ? hs_io_wait(g->file, 0, NULL, NULL) : 0;
    }
    if (g->file == NULL || !in_file(g)) {
        hs_io_wake(&g->x);
        return 0;
    }
    int err = hs_io_wait(g->file, what, on_file, g);
    errno = err;
    return err == 0 ? 0 : -1;
}

/* --- life --- */

static int
growbuf_close(io_object *io)
{
    struct growbuf *g = (struct growbuf *)io;
    free(g->lent);
    io_wrapper_delref(g->file);
    content_drop(g->c);
    g->lent = NULL;
    g->file = NULL;
    g->c = NULL;
    g->near = NULL;
    return 0;
}

static io_object *
growbuf_clone(io_object *io)
{
    struct content *c = ((struct growbuf *)io)->c;
    struct growbuf *copy = hs_io_alloc(sizeof *copy, &growbuf_kind, NULL);
    if (copy == NULL) {
        return NULL;
    }
    __atomic_add_fetch(&c->ref, 1, __ATOMIC_RELAXED);
    copy->c = c;
    return &copy->x.pub;
}

static int
growbuf_travels(struct hs_io *x)
{
    return hs_io_source_travels(((struct growbuf *)x)->file);
}

static const struct hs_io_kind growbuf_kind = {
    .travels = growbuf_travels,
    .w = {
        .sizeof_self = sizeof(io_wrapper),
        .write = growbuf_write,
        .read = growbuf_read,
        .close = growbuf_close,
        .lseek = growbuf_lseek,
        .scheme = "growbuf",
        .get_size = growbuf_get_size,
        .cloner = growbuf_clone,
        .wait = growbuf_wait,
    },
    .window = growbuf_window,
    .peek = growbuf_peek,
    .consume = growbuf_consume,
    .slow_close = true,
};

io_object *
hs_io_growbuf(size_t first, size_t memory_max)
{
    struct content *c = content_new(first, memory_max);
    struct growbuf *g = c != NULL ? hs_io_alloc(sizeof *g, &growbuf_kind, NULL) : NULL;
    if (g == NULL) {
        if (c != NULL) {
            content_drop(c);
        }
        errno = ENOMEM;
        return NULL;
    }
    g->c = c;
    g->x.pub.options = O_RDWR;
    return &g->x.pub;
}

io_object *
ec_growbuf_io_open(size_t size)
{
    return hs_io_growbuf(size, MEMORY_MAX);
}

/* --- chunk by chunk --- */

/* NULL with errno when the caller may not look at it. */
static struct growbuf *
chunks_of(io_object *io)
{
    struct hs_io *x = hs_io_of(io);
    int err = x->kind != &growbuf_kind ? EINVAL : x->closed ? EBADF : x->claimed ? EBUSY : 0;
    if (err == 0) {
        return (struct growbuf *)io;
    }
    errno = err;
    return NULL;
}

/* The bytes at the position; 0 at the end, -1 with errno. */
static int
chunk_here(struct growbuf *g, char **outbuf)
{
    size_t len;
    pthread_mutex_lock(&g->c->lock);
    *outbuf = in_memory(g, &len);
    pthread_mutex_unlock(&g->c->lock);
    if (*outbuf != NULL) {
        return (int)len;
    }
    g->lent_len = 0;
    if (g->lent == NULL && in_file(g) && (g->lent = malloc(FILE_CHUNK)) == NULL) {
        errno = ENOMEM;
        return -1;
    }
    ssize_t r = read_file(g, g->lent, FILE_CHUNK);
    if (r > 0) {
        g->lent_at = g->pos;
        g->lent_len = (size_t)r;
        *outbuf = g->lent;
    }
    return (int)r;
}

int
ec_growbuf_io_cur_chunk(io_object *io, char **outbuf)
{
    *outbuf = NULL;
    struct growbuf *g = chunks_of(io);
    return g != NULL ? chunk_here(g, outbuf) : -1;
}

int
ec_growbuf_io_next_chunk(io_object *io, char **outbuf)
{
    *outbuf = NULL;
    struct growbuf *g = chunks_of(io);
    if (g == NULL) {
        return -1;
    }
    int here = (int)g->lent_len;
    if (here == 0 || g->lent_at != g->pos) { /* the file's chunk is what was lent of it */
        here = chunk_here(g, outbuf);
        *outbuf = NULL;
    }
    if (here <= 0) {
        return here;
    }
    g->pos += here;
    return chunk_here(g, outbuf);
}
