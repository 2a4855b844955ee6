/* io_connect.c - io_objects over a stream socket that is being connected.
 * Addresses are numeric or paths, no name is looked up. Errors of connecting are those of each read and write: the
 * constructor fails only for what is not an address, or without a descriptor.
 *
 *   WAITING --SO_ERROR 0--> CONNECTED        WAITING: the kernel is at it (EINPROGRESS)
 *   WAITING --SO_ERROR----> FAILED
 *   FULL --connect(2)--> FULL, CONNECTED, FAILED        FULL: a unix listener's queue is; unix(7) gives EAGAIN and nothing to poll */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/io_kind.h"
#include "misc/ec_sockaddr.h"

enum connect_state { CONNECT_WAITING, CONNECT_FULL, CONNECT_CONNECTED, CONNECT_FAILED };

struct connect_io {
    struct hs_io x;
    int fd;
    enum connect_state state;
    int err; /* FAILED */
    ec_sockaddr addr;
};

static void
set_state(struct connect_io *c, enum connect_state state, int err)
{
    assert(c->state == CONNECT_WAITING || c->state == CONNECT_FULL);
    assert((state == CONNECT_FAILED) == (err != 0));
    c->state = state;
    c->err = err;
}

/* connect(2), of a new socket or again after EAGAIN. */
static void
try_connect(struct connect_io *c)
{
    if (connect(c->fd, &c->addr.sa, c->addr.len) == 0) {
        set_state(c, CONNECT_CONNECTED, 0);
    } else if (errno == EINPROGRESS || errno == EINTR) { /* interrupted, it goes on by itself */
        set_state(c, CONNECT_WAITING, 0);
    } else if (errno == EAGAIN && c->addr.sa.sa_family == AF_UNIX) {
        set_state(c, CONNECT_FULL, 0);
    } else {
        /* for an IP address EAGAIN says that there is no free local port; a caller would take it for "wait" */
        set_state(c, CONNECT_FAILED, errno == EAGAIN ? EADDRNOTAVAIL : errno);
    }
}

/* WAITING: has the kernel come to an end? */
static void
look(struct connect_io *c)
{
    struct pollfd p = { .fd = c->fd, .events = POLLOUT };
    int err = 0;
    socklen_t len = sizeof err;
    if (poll(&p, 1, 0) <= 0) {
        return;
    }
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0) {
        err = errno;
    }
    set_state(c, err == 0 ? CONNECT_CONNECTED : CONNECT_FAILED, err);
}

/* 0 when the connection stands, or errno. */
static int
ready(struct connect_io *c)
{
    if (c->state == CONNECT_WAITING) {
        look(c);
    } else if (c->state == CONNECT_FULL) {
        try_connect(c);
    }
    return c->state == CONNECT_CONNECTED ? 0 : c->state == CONNECT_FAILED ? c->err : EAGAIN;
}

static ssize_t
connect_read(io_object *io, void *buf, size_t n)
{
    struct connect_io *c = (struct connect_io *)io;
    int err = ready(c);
    if (err != 0) {
        errno = err;
        return -1;
    }
    ssize_t r;
    do {
        r = recv(c->fd, buf, n, 0);
    } while (r < 0 && errno == EINTR);
    return r;
}

static ssize_t
connect_writev(io_object *io, const struct iovec *iov, int iovcnt)
{
    struct connect_io *c = (struct connect_io *)io;
    struct msghdr msg = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)iovcnt };
    int err = ready(c);
    if (err != 0) {
        errno = err;
        return -1;
    }
    ssize_t r;
    do {
        r = sendmsg(c->fd, &msg, MSG_NOSIGNAL);
    } while (r < 0 && errno == EINTR);
    return r;
}

static int
connect_wait(io_object *io, int what, io_wrapper_wait_func fn, void *arg)
{
    (void)arg;
    struct connect_io *c = (struct connect_io *)io;
    if (fn == NULL) {
        return 0;
    }
    switch (c->state) {
    case CONNECT_WAITING:
        return hs_io_wait_fd(&c->x, c->fd, HS_WRITE);
    case CONNECT_FULL:
        return hs_io_wait_timer(&c->x, HS_IO_RETRY);
    case CONNECT_FAILED:
        hs_io_wake(&c->x);
        return 0;
    case CONNECT_CONNECTED:
        break;
    }
    return hs_io_wait_fd(&c->x, c->fd,
                         (what & IO_WAIT_READ ? HS_READ : 0u) | (what & IO_WAIT_WRITE ? HS_WRITE : 0u));
}

static int
connect_supports_nonblocking(io_object *io)
{
    (void)io;
    return 1;
}

/* An unconnected socket says that it is ready, which would be untrue: then there is none, and it is tried again. */
static int
connect_pollable_fd(io_object *io)
{
    struct connect_io *c = (struct connect_io *)io;
    return c->state == CONNECT_WAITING || c->state == CONNECT_CONNECTED ? c->fd : -1;
}

static int
connect_close(io_object *io)
{
    struct connect_io *c = (struct connect_io *)io;
    int r = close(c->fd);
    c->fd = -1;
    return r;
}

static const struct hs_io_kind connect_kind = {
    .w = {
        .sizeof_self = sizeof(io_wrapper),
        .writev = connect_writev,
        .read = connect_read,
        .close = connect_close,
        .supports_nonblocking = connect_supports_nonblocking,
        .pollable_fd = connect_pollable_fd,
        .scheme = "connect",
        .wait = connect_wait,
    },
};

/* 0 or EINVAL. To listen a port alone is enough, and may be 0; to connect it is not. */
static int
parse(const char *address, ec_sockaddr *addr)
{
    if (address == NULL || strchr(address, ':') == NULL || ec_sockaddr_parse(addr, address) != 0) {
        return EINVAL;
    }
    return addr->sa.sa_family != AF_UNIX && ec_sockaddr_port(addr) == 0 ? EINVAL : 0;
}

io_object *
hs_io_connect(const char *address)
{
    ec_sockaddr addr;
    int err = parse(address, &addr);
    if (err != 0) {
        errno = err;
        return NULL;
    }
    int fd = socket(addr.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return NULL;
    }
    struct connect_io *c = hs_io_alloc(sizeof *c, &connect_kind, NULL);
    if (c == NULL) {
        close(fd);
        errno = ENOMEM;
        return NULL;
    }
    c->fd = fd;
    c->addr = addr;
    c->x.pub.io.fd = fd;
    c->x.pub.options = O_RDWR;
    if (addr.sa.sa_family != AF_UNIX) {
        int on = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    try_connect(c);
    return &c->x.pub;
}
