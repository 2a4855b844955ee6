/* ipc.c - messages between the master and one worker.
 * The kernel keeps messages apart (SOCK_SEQPACKET), so nothing is parsed here; what it does not take waits in a list. A message that is cut, or
 * shorter than its head, ends the channel: the other side is the same program, so it is broken or is not what it should be. */
#include "server/ipc.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

struct head {
    uint32_t type, number;
};

struct waiting {
    STAILQ_ENTRY(waiting) link;
    int fds[HS_IPC_FDS_MAX]; /* ours */
    size_t nfds, n;
    char bytes[];
};

struct hs_ipc {
    struct hs_watch watch;
    const struct hs_ipc_calls *calls;
    void *arg;
    STAILQ_HEAD(, waiting) queue;
    size_t queued;
    struct hs_deferred end; /* the other side is gone, and has not been told */
    bool broken;
    unsigned busy; /* frames of ours on the stack */
    int fds[HS_IPC_FDS_MAX]; /* of the message that is being told, -1: taken */
    size_t nfds;
    bool freed;
};

enum { MESSAGES_A_TURN = 64 };

/* Room for descriptors beside a message. */
union control {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(int) * HS_IPC_FDS_MAX)];
};

int
hs_ipc_pair(int fds[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0 ? 0 : errno;
}

static void
close_all(const int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (fds[i] >= 0) {
            (void)close(fds[i]);
        }
    }
}

static void
free_waiting(struct waiting *w)
{
    close_all(w->fds, w->nfds);
    free(w);
}

static void
drop_queue(struct hs_ipc *c)
{
    struct waiting *w;

    while ((w = STAILQ_FIRST(&c->queue)) != NULL) {
        STAILQ_REMOVE_HEAD(&c->queue, link);
        free_waiting(w);
    }
    c->queued = 0;
}

static void
on_end(void *arg)
{
    struct hs_ipc *c = arg;

    c->calls->closed(c->arg);
}

static void
break_off(struct hs_ipc *c)
{
    if (!c->broken) {
        c->broken = true;
        (void)hs_watch_set(&c->watch, 0);
        drop_queue(c);
        hs_defer(c->watch.loop, &c->end);
    }
}

/* --- sending --- */

/* 0; EAGAIN; what broke it. */
static int
send_now(int fd, struct iovec *iov, size_t niov, const int *fds, size_t nfds)
{
    union control control;
    struct msghdr m = { .msg_iov = iov, .msg_iovlen = niov };

    if (nfds != 0) {
        memset(&control, 0, sizeof control);
        m.msg_control = control.bytes;
        m.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
        struct cmsghdr *h = CMSG_FIRSTHDR(&m);
        *h = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int) * nfds) };
        memcpy(CMSG_DATA(h), fds, sizeof(int) * nfds);
    }
    while (sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        if (errno != EINTR) {
            return errno == EWOULDBLOCK || errno == ENOBUFS ? EAGAIN : errno;
        }
    }
    return 0;
}

static int
enqueue(struct hs_ipc *c, const struct head *head, struct hs_view text, const int *fds, size_t nfds)
{
    size_t n = sizeof *head + text.n;

    if (c->queued + n > HS_IPC_QUEUE_MAX) {
        return ENOBUFS;
    }
    struct waiting *w = malloc(sizeof *w + n);
    if (w == NULL) {
        return ENOMEM;
    }
    w->n = n;
    memcpy(w->bytes, head, sizeof *head);
    if (text.n != 0) {
        memcpy(w->bytes + sizeof *head, text.p, text.n);
    }
    int err = 0;
    for (w->nfds = 0; w->nfds < nfds && err == 0; w->nfds++) {
        w->fds[w->nfds] = fcntl(fds[w->nfds], F_DUPFD_CLOEXEC, 0);
        err = w->fds[w->nfds] < 0 ? errno : 0;
    }
    if (err == 0 && hs_watch_set(&c->watch, HS_READ | HS_WRITE) != 0) {
        err = ENOMEM;
    }
    if (err != 0) {
        free_waiting(w);
        return err;
    }
    STAILQ_INSERT_TAIL(&c->queue, w, link);
    c->queued += n;
    return 0;
}

int
hs_ipc_send_fds(struct hs_ipc *c, uint32_t type, uint32_t number, struct hs_view text, const int *fds, size_t nfds)
{
    struct head head = { type, number };
    struct iovec iov[2] = { { &head, sizeof head }, { (void *)(uintptr_t)text.p, text.n } };

    assert(nfds <= HS_IPC_FDS_MAX);
    if (text.n > HS_IPC_TEXT_MAX) {
        return EMSGSIZE;
    }
    if (c->broken) {
        return EPIPE;
    }
    int err = STAILQ_EMPTY(&c->queue) ? send_now(c->watch.fd, iov, 2, fds, nfds) : EAGAIN;
    if (err == EAGAIN) {
        return enqueue(c, &head, text, fds, nfds);
    }
    if (err != 0) {
        break_off(c);
        return EPIPE;
    }
    return 0;
}

int
hs_ipc_send(struct hs_ipc *c, uint32_t type, uint32_t number, struct hs_view text)
{
    return hs_ipc_send_fds(c, type, number, text, NULL, 0);
}

static void
send_queued(struct hs_ipc *c)
{
    struct waiting *w;

    while ((w = STAILQ_FIRST(&c->queue)) != NULL) {
        struct iovec iov = { w->bytes, w->n };
        int err = send_now(c->watch.fd, &iov, 1, w->fds, w->nfds);
        if (err == EAGAIN) {
            return;
        }
        if (err != 0) {
            break_off(c);
            return;
        }
        STAILQ_REMOVE_HEAD(&c->queue, link);
        c->queued -= w->n;
        free_waiting(w);
    }
    (void)hs_watch_set(&c->watch, HS_READ);
}

/* --- receiving --- */

/* Those that came with a message. */
static void
keep_fds(struct hs_ipc *c, struct msghdr *m)
{
    c->nfds = 0;
    for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h != NULL; h = CMSG_NXTHDR(m, h)) {
        if (h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS) { /* there is one at most, and room for all of it */
            c->nfds = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            memcpy(c->fds, CMSG_DATA(h), c->nfds * sizeof(int));
        }
    }
}

int
hs_ipc_take_fd(struct hs_ipc *c, size_t i)
{
    int fd = i < c->nfds ? c->fds[i] : -1;

    if (i < c->nfds) {
        c->fds[i] = -1;
    }
    return fd;
}

/* Whether there may be more. */
static bool
receive_one(struct hs_ipc *c)
{
    char buf[sizeof(struct head) + HS_IPC_TEXT_MAX];
    struct iovec iov = { buf, sizeof buf };
    union control control;
    struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes };
    struct head head;

    ssize_t n = recvmsg(c->watch.fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0 && (errno == EINTR || errno == ECONNRESET)) { /* a reset, told once: it ended with messages of ours unread. What it said is here still */
        return true;
    }
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        return false;
    }
    if (n >= 0) {
        keep_fds(c, &m);
    }
    if (n < (ssize_t)sizeof head || (m.msg_flags & MSG_TRUNC) != 0) {
        break_off(c);
    } else {
        memcpy(&head, buf, sizeof head);
        c->calls->message(c->arg, head.type, head.number, (struct hs_view){ buf + sizeof head, (size_t)n - sizeof head });
    }
    close_all(c->fds, c->nfds);
    c->nfds = 0;
    return !c->broken;
}

static void
on_ready(void *arg, unsigned events)
{
    struct hs_ipc *c = arg;

    c->busy++;
    if ((events & HS_WRITE) != 0) {
        send_queued(c);
    }
    if ((events & HS_READ) != 0) {
        for (int i = 0; i < MESSAGES_A_TURN && !c->broken && !c->freed && receive_one(c); i++) {
        }
    }
    if (--c->busy == 0 && c->freed) {
        free(c);
    }
}

void
hs_ipc_deliver(struct hs_ipc *c)
{
    if (!c->broken) {
        on_ready(c, HS_READ);
    }
}

/* --- before there is a loop --- */

int
hs_ipc_write(int fd, uint32_t type, uint32_t number, struct hs_view text)
{
    struct head head = { type, number };
    struct iovec iov[2] = { { &head, sizeof head }, { (void *)(uintptr_t)text.p, text.n } };

    return send_now(fd, iov, 2, NULL, 0);
}

int
hs_ipc_read(int fd, int ms, uint32_t *type, uint32_t *number, char *text, size_t size)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    struct head head;
    struct iovec iov[2] = { { &head, sizeof head }, { text, size - 1 } };
    struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };
    ssize_t n;
    int r;

    while ((r = poll(&p, 1, ms)) < 0 && errno == EINTR) {
    }
    if (r <= 0) {
        return r == 0 ? ETIMEDOUT : errno;
    }
    while ((n = recvmsg(fd, &m, MSG_DONTWAIT)) < 0 && errno == EINTR) {
    }
    if (n <= 0) {
        return n == 0 ? EPIPE : errno;
    }
    if (n < (ssize_t)sizeof head || (m.msg_flags & MSG_TRUNC) != 0) {
        return EMSGSIZE;
    }
    text[(size_t)n - sizeof head] = '\0';
    *type = head.type;
    *number = head.number;
    return 0;
}

/* --- life --- */

int
hs_ipc_new(struct hs_loop *loop, int fd, const struct hs_ipc_calls *calls, void *arg, struct hs_ipc **out)
{
    struct hs_ipc *c = calloc(1, sizeof *c);

    if (c == NULL) {
        return ENOMEM;
    }
    c->calls = calls;
    c->arg = arg;
    STAILQ_INIT(&c->queue);
    hs_deferred_init(&c->end, on_end, c);
    hs_watch_init(&c->watch, loop, fd, on_ready, c);
    if (hs_watch_set(&c->watch, HS_READ) != 0) {
        free(c);
        return ENOMEM;
    }
    *out = c;
    return 0;
}

void
hs_ipc_rebind(struct hs_ipc *c, const struct hs_ipc_calls *calls, void *arg)
{
    c->calls = calls;
    c->arg = arg;
}

void
hs_ipc_free(struct hs_ipc *c)
{
    if (c == NULL) {
        return;
    }
    hs_deferred_cancel(c->watch.loop, &c->end);
    (void)hs_watch_set(&c->watch, 0);
    (void)close(c->watch.fd);
    drop_queue(c);
    c->broken = c->freed = true;
    if (c->busy == 0) {
        free(c);
    }
}
