/* transport_socket.c - a transport over a connected stream socket, TCP or unix.
 * Owns the descriptor and its watch, and keeps no bytes: what the kernel does not take is the caller's to offer again.
 * sendfile(2) has no MSG_NOSIGNAL, so the process must ignore SIGPIPE; nothing else here raises it. */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io/transport.h"

/* At most this much in one sendfile, so that one fast peer does not hold the loop. */
#define SENDFILE_MAX ((size_t)2 << 20)

struct socket_transport {
    struct hs_transport base;
    struct hs_watch watch;
};

/* One of which more is known. Most connections have no need of it, and no room for it. */
struct known_transport {
    struct socket_transport socket;
    hs_callback *closed;
    void *closed_arg;
    bool named;
    ec_sockaddr peer, local;
};

static int
fd_of(struct hs_transport *t)
{
    return ((struct socket_transport *)t)->watch.fd;
}

/* recv(3) and send(3) are cancellation points: in a process with threads each costs 40 instructions to become one and not to be one any more, and
 * no thread here is ever cancelled. */
static ssize_t
recv_some(int fd, void *buf, size_t n)
{
    return syscall(SYS_recvfrom, fd, buf, n, 0, NULL, NULL);
}

static ssize_t
send_some(int fd, const void *buf, size_t n, int flags)
{
    return syscall(SYS_sendto, fd, buf, n, flags, NULL, 0);
}

static ssize_t
socket_read(struct hs_transport *t, void *buf, size_t n)
{
    ssize_t got;
    do {
        got = recv_some(fd_of(t), buf, n);
    } while (got < 0 && errno == EINTR);
    return got;
}

static __attribute__((noinline)) ssize_t
send_many(struct hs_transport *t, const struct iovec *iov, int iovcnt, int flags)
{
    struct msghdr msg = {
        .msg_iov = (struct iovec *)iov, /* sendmsg(2) only reads it */
        .msg_iovlen = iovcnt > IOV_MAX ? IOV_MAX : (size_t)iovcnt,
    };
    ssize_t sent;
    do {
        sent = sendmsg(fd_of(t), &msg, flags);
    } while (sent < 0 && errno == EINTR);
    return sent;
}

static ssize_t
socket_writev(struct hs_transport *t, const struct iovec *iov, int iovcnt, bool more)
{
    int flags = MSG_NOSIGNAL | (more ? MSG_MORE : 0);
    if (__builtin_expect(iovcnt != 1, 0)) {
        return send_many(t, iov, iovcnt, flags);
    }
    ssize_t sent;
    do {
        sent = send_some(fd_of(t), iov->iov_base, iov->iov_len, flags);
    } while (sent < 0 && errno == EINTR);
    return sent;
}

static ssize_t
socket_sendfile(struct hs_transport *t, int fd, off_t *off, size_t n)
{
    ssize_t sent;
    do {
        sent = sendfile(fd_of(t), fd, off, n < SENDFILE_MAX ? n : SENDFILE_MAX);
    } while (sent < 0 && errno == EINTR);
    return sent;
}

static int
socket_shutdown_write(struct hs_transport *t)
{
    return shutdown(fd_of(t), SHUT_WR) == 0 ? 0 : errno;
}

static int
socket_set_interest(struct hs_transport *t, unsigned mask)
{
    struct hs_watch *watch = &((struct socket_transport *)t)->watch;
    int err = hs_watch_set(watch, mask);
    t->interest = watch->mask;
    return err;
}

static void
socket_close(struct hs_transport *t, bool reset)
{
    struct hs_watch *watch = &((struct socket_transport *)t)->watch;

    (void)hs_watch_set(watch, 0); /* stopping cannot fail */
    if (reset) {
        /* Fails only for a socket that is no longer connected, which needs no reset. */
        struct linger linger = { .l_onoff = 1, .l_linger = 0 };
        (void)setsockopt(watch->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    }
    close(watch->fd);
    free(t);
}

static int
socket_addr(struct hs_transport *t, bool peer, struct sockaddr_storage *ss, socklen_t *len)
{
    *len = sizeof *ss;
    int (*name)(int, struct sockaddr *, socklen_t *) = peer ? getpeername : getsockname;
    return name(fd_of(t), (struct sockaddr *)ss, len) == 0 ? 0 : errno;
}

static const struct hs_transport_ops socket_ops = {
    .read = socket_read,
    .writev = socket_writev,
    .sendfile = socket_sendfile,
    .shutdown_write = socket_shutdown_write,
    .set_interest = socket_set_interest,
    .close = socket_close,
    .addr = socket_addr,
    .fd = fd_of,
};

static void
on_ready(void *arg, unsigned events)
{
    struct hs_transport *t = arg;
    t->on_event(t->arg, events);
    /* t may be gone */
}

int
hs_socket_transport_new(struct hs_loop *loop, int fd, struct hs_transport **out)
{
    struct socket_transport *s = malloc(sizeof *s);
    if (s == NULL) {
        close(fd);
        return ENOMEM;
    }
    s->base = (struct hs_transport){ .ops = &socket_ops, .loop = loop };
    hs_watch_init(&s->watch, loop, fd, on_ready, s);
    *out = &s->base;
    return 0;
}

/* --- of which more is known --- */

static void
known_close(struct hs_transport *t, bool reset)
{
    struct known_transport *k = (struct known_transport *)t;
    hs_callback *closed = k->closed;
    void *arg = k->closed_arg;

    socket_close(t, reset);
    if (closed != NULL) {
        closed(arg);
    }
}

static int
known_addr(struct hs_transport *t, bool peer, struct sockaddr_storage *ss, socklen_t *len)
{
    const struct known_transport *k = (const struct known_transport *)t;

    if (!k->named) {
        return socket_addr(t, peer, ss, len);
    }
    const ec_sockaddr *a = peer ? &k->peer : &k->local;
    *ss = a->storage;
    *len = a->len;
    return 0;
}

static const struct hs_transport_ops known_ops = {
    .read = socket_read,
    .writev = socket_writev,
    .sendfile = socket_sendfile,
    .shutdown_write = socket_shutdown_write,
    .set_interest = socket_set_interest,
    .close = known_close,
    .addr = known_addr,
    .fd = fd_of,
};

int
hs_socket_transport_new_known(struct hs_loop *loop, int fd, const struct hs_socket_known *known, struct hs_transport **out)
{
    struct known_transport *k = malloc(sizeof *k);

    if (k == NULL) {
        close(fd);
        if (known->closed != NULL) {
            known->closed(known->arg);
        }
        return ENOMEM;
    }
    k->socket.base = (struct hs_transport){ .ops = &known_ops, .loop = loop };
    hs_watch_init(&k->socket.watch, loop, fd, on_ready, k);
    k->closed = known->closed;
    k->closed_arg = known->arg;
    k->named = known->peer != NULL;
    if (k->named) {
        k->peer = *known->peer;
        k->local = *known->local;
    }
    *out = &k->socket.base;
    return 0;
}
