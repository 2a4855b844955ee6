/* io_channel.c - bytes handed from one side of the program to another, in memory, with a limit.
 * The writer's side is struct hs_channel; readers are io_objects that share one cursor, so each byte is seen once. The
 * bytes lie in one run of memory, which is given back when it is large and empty. The struct lives until the writer has
 * freed it and the last reader is closed. Belongs to one loop's thread; the last reference of a reader may be dropped
 * in any thread, and is then carried to the loop. */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/io_kind.h"

/* An empty buffer up to this size is kept for the next bytes. */
#define KEEP 16384
#define FIRST 1024

struct hs_channel {
    char *p; /* head..tail is queued */
    size_t head, tail, cap;
    size_t high, low;
    struct hs_loop *loop;
    struct hs_channel_events ev; /* all NULL once the writer has let go */
    void *arg;
    size_t refs; /* the writer, the readers, calls under way */
    TAILQ_HEAD(hs_channel_readers, reader) readers;
    bool started, ended;
    int err;
};

struct reader {
    struct hs_io x;
    struct hs_channel *c;
    TAILQ_ENTRY(reader) link;
    struct hs_post post; /* the last reference, on its way to the loop */
};

static const struct hs_io_kind channel_kind;

static void
channel_drop(struct hs_channel *c)
{
    if (--c->refs == 0) {
        free(c->p);
        free(c);
    }
}

/* --- upcalls: the channel outlives them, whatever they do --- */

static void
upcall(struct hs_channel *c, void (*fn)(void *arg))
{
    if (fn != NULL) {
        c->refs++;
        fn(c->arg);
        channel_drop(c);
    }
}

static void
tell_waiting(struct hs_channel *c, bool on)
{
    if (c->ev.waiting != NULL) {
        c->refs++;
        c->ev.waiting(c->arg, on);
        channel_drop(c);
    }
}

/* True when the reader is still open afterwards. */
static bool
start(struct reader *r)
{
    if (!r->c->started) {
        r->c->started = true;
        upcall(r->c, r->c->ev.started);
    }
    return r->c != NULL;
}

static void
wake_readers(struct hs_channel *c)
{
    struct reader *r;
    TAILQ_FOREACH(r, &c->readers, link) {
        hs_io_wake(&r->x);
    }
}

/* --- the bytes --- */

static void
take(struct hs_channel *c, size_t n)
{
    c->head += n;
    if (c->head == c->tail) {
        c->head = c->tail = 0;
        if (c->cap > KEEP) {
            free(c->p);
            c->p = NULL;
            c->cap = 0;
        }
    }
    if (n != 0 && c->tail - c->head < c->low) {
        upcall(c, c->ev.room);
    }
}

/* Room for n more bytes at the tail. 0 or ENOMEM. */
static int
reserve(struct hs_channel *c, size_t n)
{
    if (n <= c->cap - c->tail) {
        return 0;
    }
    size_t used = c->tail - c->head;
    if (n > (size_t)PTRDIFF_MAX - used) {
        return ENOMEM;
    }
    if (used + n <= c->cap && c->head >= used) { /* moved at most once for each byte that was taken */
        memcpy(c->p, c->p + c->head, used);
        c->head = 0;
        c->tail = used;
        return 0;
    }
    size_t need = used + used / 2 + n; /* so that the next move is some way off */
    size_t cap = c->cap < FIRST ? FIRST : c->cap;
    while (cap < need) {
        cap = cap > PTRDIFF_MAX / 2 ? need : cap * 2;
    }
    char *p = malloc(cap);
    if (p == NULL) {
        return ENOMEM;
    }
    if (used != 0) {
        memcpy(p, c->p + c->head, used);
    }
    free(c->p);
    c->p = p;
    c->cap = cap;
    c->head = 0;
    c->tail = used;
    return 0;
}

/* --- a reader --- */

/* Another reader has claimed the bytes, or waits for them. */
static bool
taken_by_other(const struct reader *r)
{
    const struct reader *o;
    TAILQ_FOREACH(o, &r->c->readers, link) {
        if (o != r && !o->x.closed && (o->x.claimed || o->x.wait_fn != NULL)) {
            return true;
        }
    }
    return false;
}

static int
channel_peek(struct hs_io *x, const char **p, size_t *len)
{
    struct reader *r = (struct reader *)x;
    struct hs_channel *c = r->c;
    if (taken_by_other(r)) {
        return EBUSY;
    }
    if (!start(r)) {
        return EBADF;
    }
    *len = c->tail - c->head;
    *p = *len != 0 ? c->p + c->head : NULL;
    if (*len != 0) {
        return 0;
    }
    return c->ended ? c->err : EAGAIN;
}

static void
channel_consume(struct hs_io *x, size_t n)
{
    struct hs_channel *c = ((struct reader *)x)->c;
    size_t have = c->tail - c->head;
    take(c, n < have ? n : have);
}

static ssize_t
channel_read(io_object *io, void *buf, size_t n)
{
    const char *p;
    size_t have;
    if (n == 0) {
        return 0;
    }
    int err = channel_peek(hs_io_of(io), &p, &have);
    if (err != 0) {
        errno = err;
        return -1;
    }
    n = n < have ? n : have;
    if (n != 0) {
        memcpy(buf, p, n);
        take(((struct reader *)io)->c, n);
    }
    return (ssize_t)n;
}

static int
channel_wait(io_object *io, int what, io_wrapper_wait_func fn, void *arg)
{
    (void)what;
    (void)arg;
    struct reader *r = (struct reader *)io;
    if (fn == NULL) {
        tell_waiting(r->c, false);
        return 0;
    }
    if (taken_by_other(r)) {
        errno = EBUSY;
        return -1;
    }
    if (!start(r)) {
        errno = EBADF;
        return -1;
    }
    if (r->c->tail == r->c->head && !r->c->ended) {
        tell_waiting(r->c, true); /* may bring bytes */
    }
    if (r->c != NULL && (r->c->tail != r->c->head || r->c->ended)) {
        hs_io_wake(&r->x);
    }
    return 0;
}

static int
channel_claim(struct hs_io *x)
{
    return taken_by_other((struct reader *)x) ? EBUSY : 0;
}

static int
channel_close(io_object *io)
{
    struct reader *r = (struct reader *)io;
    struct hs_channel *c = r->c;
    TAILQ_REMOVE(&c->readers, r, link);
    r->c = NULL;
    if (TAILQ_EMPTY(&c->readers)) {
        if (c->ev.closed != NULL) {
            c->ev.closed(c->arg); /* the reader's reference holds the channel */
        }
    }
    channel_drop(c);
    return 0;
}

static void
last_on_loop(void *arg)
{
    hs_io_finish(arg);
}

static void
channel_last(struct hs_io *x)
{
    struct reader *r = (struct reader *)x;
    if (r->c == NULL || r->c->loop == hs_loop_current()) {
        hs_io_finish(x);
    } else {
        hs_loop_post(r->c->loop, &r->post, last_on_loop, x);
    }
}

static const struct hs_io_kind channel_kind = {
    .w = {
        .sizeof_self = sizeof(io_wrapper),
        .read = channel_read,
        .close = channel_close,
        .scheme = "channel",
        .wait = channel_wait,
    },
    .peek = channel_peek,
    .consume = channel_consume,
    .claim = channel_claim,
    .last = channel_last,
};

io_object *
hs_channel_reader(struct hs_channel *c)
{
    struct reader *r = hs_io_alloc(sizeof *r, &channel_kind, NULL);
    if (r == NULL) {
        return NULL;
    }
    r->c = c;
    c->refs++;
    TAILQ_INSERT_TAIL(&c->readers, r, link);
    r->x.pub.options = O_RDONLY;
    hs_io_bind(&r->x.pub);
    return &r->x.pub;
}

/* --- the writer's side --- */

int
hs_channel_new(size_t high, size_t low, const struct hs_channel_events *ev, void *arg, struct hs_channel **out)
{
    struct hs_channel *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return ENOMEM;
    }
    c->high = high;
    c->low = low;
    c->loop = hs_loop_current();
    if (ev != NULL) {
        c->ev = *ev;
    }
    c->arg = arg;
    c->refs = 1;
    TAILQ_INIT(&c->readers);
    *out = c;
    return 0;
}

size_t
hs_channel_queued(const struct hs_channel *c)
{
    return c->tail - c->head;
}

size_t
hs_channel_room(const struct hs_channel *c)
{
    size_t queued = hs_channel_queued(c);
    return queued < c->high ? c->high - queued : 0;
}

int
hs_channel_write(struct hs_channel *c, const void *data, size_t n)
{
    if (c->ended) {
        return EPIPE;
    }
    if (n == 0) {
        return 0;
    }
    int err = reserve(c, n);
    if (err != 0) {
        return err;
    }
    memcpy(c->p + c->tail, data, n);
    c->tail += n;
    wake_readers(c);
    return 0;
}

void
hs_channel_end(struct hs_channel *c, int err, bool discard)
{
    if (!c->ended) {
        c->ended = true;
        c->err = err;
    }
    if (discard && err != 0) {
        c->err = err;
        c->head = c->tail = 0;
    }
    wake_readers(c);
}

int
hs_channel_peek_all(struct hs_channel *c, const char **p, size_t *n)
{
    *n = hs_channel_queued(c);
    *p = *n != 0 ? c->p + c->head : NULL;
    return 0;
}

void
hs_channel_set_marks(struct hs_channel *c, size_t high, size_t low)
{
    c->high = high;
    c->low = low;
}

void
hs_channel_free(struct hs_channel *c)
{
    if (c == NULL) {
        return;
    }
    c->ev = (struct hs_channel_events){ 0 };
    c->arg = NULL;
    if (!c->ended) {
        hs_channel_end(c, ECONNABORTED, false);
    }
    channel_drop(c);
}
