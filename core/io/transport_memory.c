/* transport_memory.c - two connected transports in memory, which behave to their users as a connected pair of sockets does.
 * For tests: no descriptors, one-byte I/O and failing calls on demand.
 *
 * Each end owns the queue of what it has still to read, of a fixed size; the other end writes into that. Readiness is
 * reported in the turn after it came to be, again and again while it lasts (level-triggered), and never from within a call.
 * As with TCP, an end that is closed with data unread, or on purpose, resets the other: that still reads what has reached it,
 * then gets ECONNRESET once. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/transport.h"

#define DEFAULT_CAPACITY ((size_t)65536)
#define SENDFILE_MAX ((size_t)2 << 20)
#define COPY_SIZE ((size_t)16384)

struct fault {
    unsigned n; /* the n-th call from now fails; 0: none */
    int err;
};

struct memory_transport {
    struct hs_transport base;
    struct memory_transport *peer; /* NULL when closed */
    struct hs_deferred report;
    size_t read_max, write_max;
    struct fault read_fault, write_fault;
    bool eof;      /* the peer writes no more */
    bool shut;     /* nor does this end */
    int reset_err; /* given once, to a read when the queue is empty, or a write */
    size_t head, len, capacity;
    char queue[];
};

static struct memory_transport *
self(struct hs_transport *t)
{
    return (struct memory_transport *)t;
}

/* --- readiness --- */

static unsigned
ready(const struct memory_transport *m)
{
    unsigned events = 0;
    if (m->len > 0 || m->eof || m->reset_err != 0) {
        events |= HS_READ;
    }
    if (m->shut || m->peer == NULL || m->reset_err != 0 || m->peer->len < m->peer->capacity) {
        events |= HS_WRITE;
    }
    if (m->eof || m->reset_err != 0) {
        events |= HS_CLOSED;
    }
    if (m->reset_err != 0) {
        events |= HS_RESET;
    }
    return events & m->base.interest;
}

/* To be called when something changed that may have made m ready. */
static void
changed(struct memory_transport *m)
{
    if (ready(m) != 0) {
        hs_defer(m->base.loop, &m->report);
    }
}

static void
report(void *arg)
{
    struct memory_transport *m = arg;
    unsigned events = ready(m);
    if (events == 0) {
        return;
    }
    hs_defer(m->base.loop, &m->report); /* still ready in the next turn? */
    m->base.on_event(m->base.arg, events);
    /* m may be gone */
}

/* --- faults --- */

/* True, with errno set, when this call is the one that fails. */
static bool
strikes(struct fault *f)
{
    if (f->n == 0 || --f->n != 0) {
        return false;
    }
    errno = f->err;
    return true;
}

void
hs_memory_transport_fail(struct hs_transport *t, bool on_write, unsigned n, int err)
{
    struct fault *f = on_write ? &self(t)->write_fault : &self(t)->read_fault;
    *f = (struct fault){ .n = n, .err = err };
}

static bool
take_reset(struct memory_transport *m)
{
    if (m->reset_err == 0) {
        return false;
    }
    errno = m->reset_err;
    m->reset_err = 0;
    return true;
}

/* --- bytes --- */

static size_t
min(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Queues n bytes, for which there is room. */
static void
put(struct memory_transport *to, const char *p, size_t n)
{
    size_t tail = (to->head + to->len) % to->capacity;
    size_t first = min(n, to->capacity - tail);
    memcpy(to->queue + tail, p, first);
    memcpy(to->queue, p + first, n - first);
    to->len += n;
}

/* Takes n bytes, which are there. */
static void
take(struct memory_transport *m, char *p, size_t n)
{
    size_t first = min(n, m->capacity - m->head);
    memcpy(p, m->queue + m->head, first);
    memcpy(p + first, m->queue, n - first);
    m->head = (m->head + n) % m->capacity;
    m->len -= n;
}

static ssize_t
memory_read(struct hs_transport *t, void *buf, size_t n)
{
    struct memory_transport *m = self(t);
    if (strikes(&m->read_fault)) {
        return -1;
    }
    n = min(n, m->len);
    if (m->read_max != 0) {
        n = min(n, m->read_max);
    }
    if (m->len > 0) {
        take(m, buf, n);
        if (m->peer != NULL) {
            changed(m->peer);
        }
        return (ssize_t)n;
    }
    if (take_reset(m)) {
        return -1;
    }
    if (m->eof) {
        return 0;
    }
    errno = EAGAIN;
    return -1;
}

/* How many bytes a write may give to the peer: 0 with errno set when it fails. */
static size_t
writable(struct memory_transport *m)
{
    if (strikes(&m->write_fault) || take_reset(m)) {
        return 0;
    }
    if (m->shut || m->peer == NULL) {
        errno = EPIPE;
        return 0;
    }
    size_t room = m->peer->capacity - m->peer->len;
    if (room == 0) {
        errno = EAGAIN;
        return 0;
    }
    return m->write_max != 0 ? min(room, m->write_max) : room;
}

static ssize_t
memory_writev(struct hs_transport *t, const struct iovec *iov, int iovcnt, bool more)
{
    (void)more;
    struct memory_transport *m = self(t);
    size_t room = writable(m);
    if (room == 0) {
        return -1;
    }
    size_t done = 0;
    for (int i = 0; i < iovcnt && done < room; i++) {
        size_t n = min(iov[i].iov_len, room - done);
        if (n > 0) { /* else iov_base may be NULL */
            put(m->peer, iov[i].iov_base, n);
        }
        done += n;
    }
    changed(m->peer);
    return (ssize_t)done;
}

static ssize_t
memory_sendfile(struct hs_transport *t, int fd, off_t *off, size_t n)
{
    struct memory_transport *m = self(t);
    size_t room = writable(m);
    if (room == 0) {
        return -1;
    }
    n = min(min(n, room), SENDFILE_MAX);
    char buf[COPY_SIZE];
    size_t done = 0;
    while (done < n) {
        ssize_t got = pread(fd, buf, min(sizeof buf, n - done), *off);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0 && done == 0) {
            return -1;
        }
        if (got <= 0) {
            break;
        }
        put(m->peer, buf, (size_t)got);
        *off += got;
        done += (size_t)got;
    }
    changed(m->peer);
    return (ssize_t)done;
}

/* --- the rest --- */

static int
memory_shutdown_write(struct hs_transport *t)
{
    struct memory_transport *m = self(t);
    if (m->peer == NULL) {
        return ENOTCONN;
    }
    m->shut = true;
    m->peer->eof = true;
    changed(m->peer);
    changed(m);
    return 0;
}

static int
memory_set_interest(struct hs_transport *t, unsigned mask)
{
    assert((mask & ~(unsigned)(HS_READ | HS_WRITE | HS_CLOSED)) == 0 || mask == HS_RESET);
    t->interest = mask;
    changed(self(t));
    return 0;
}

static void
memory_close(struct hs_transport *t, bool reset)
{
    struct memory_transport *m = self(t);
    struct memory_transport *peer = m->peer;

    hs_deferred_cancel(t->loop, &m->report);
    if (peer != NULL) {
        peer->peer = NULL;
        peer->eof = true;
        if (reset || m->len > 0) {
            peer->reset_err = ECONNRESET;
        }
        changed(peer);
    }
    free(m);
}

static int
memory_addr(struct hs_transport *t, bool peer, struct sockaddr_storage *ss, socklen_t *len)
{
    if (peer && self(t)->peer == NULL) {
        return ENOTCONN;
    }
    /* as socketpair(2): unix, without a name */
    memset(ss, 0, sizeof *ss);
    ss->ss_family = AF_UNIX;
    *len = sizeof ss->ss_family;
    return 0;
}

static const struct hs_transport_ops memory_ops = {
    .read = memory_read,
    .writev = memory_writev,
    .sendfile = memory_sendfile,
    .shutdown_write = memory_shutdown_write,
    .set_interest = memory_set_interest,
    .close = memory_close,
    .addr = memory_addr,
};

static struct memory_transport *
new_end(struct hs_loop *loop, const struct hs_memory_pair_options *o)
{
    size_t capacity = o != NULL && o->capacity != 0 ? o->capacity : DEFAULT_CAPACITY;
    struct memory_transport *m;
    if (capacity > SIZE_MAX / 2 || (m = malloc(sizeof *m + capacity)) == NULL) {
        return NULL;
    }
    *m = (struct memory_transport){
        .base = { .ops = &memory_ops, .loop = loop },
        .read_max = o != NULL ? o->read_max : 0,
        .write_max = o != NULL ? o->write_max : 0,
        .capacity = capacity,
    };
    hs_deferred_init(&m->report, report, m);
    return m;
}

int
hs_memory_transport_pair(struct hs_loop *loop, const struct hs_memory_pair_options *o, struct hs_transport **a,
                         struct hs_transport **b)
{
    struct memory_transport *one = new_end(loop, o);
    struct memory_transport *two = new_end(loop, o);
    if (one == NULL || two == NULL) {
        free(one);
        free(two);
        return ENOMEM;
    }
    one->peer = two;
    two->peer = one;
    *a = &one->base;
    *b = &two->base;
    return 0;
}
