/* io_fd.c - io_objects over descriptors that can be polled: pipes, FIFOs, sockets, terminals, other devices.
 * Non-blocking; readiness comes from the loop. Owns its descriptor. Writing to a pipe that nobody reads gives EPIPE and
 * never a signal. A terminal or an inherited pipe that was made non-blocking here is put back when it is closed, since
 * other processes share its flags. */
#include "io/io_kind.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct fd_io {
    struct hs_io x;
    int fd;
    bool is_socket;
    bool make_blocking; /* at the end */
    void (*release)(void *owner);
    void *owner;
};

static ssize_t
fd_read(io_object *io, void *buf, size_t n)
{
    struct fd_io *f = (struct fd_io *)io;
    ssize_t r;
    do {
        r = read(f->fd, buf, n);
    } while (r < 0 && errno == EINTR);
    return r;
}

/* writev(2) without SIGPIPE: it is blocked for the call, and taken away if the call raised it. */
static ssize_t
writev_quietly(int fd, const struct iovec *iov, int iovcnt)
{
    sigset_t pipe_set, old, pending;
    sigemptyset(&pipe_set);
    sigaddset(&pipe_set, SIGPIPE);
    sigemptyset(&pending);
    sigpending(&pending);
    bool was_pending = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_set, &old);
    ssize_t r;
    do {
        r = writev(fd, iov, iovcnt);
    } while (r < 0 && errno == EINTR);
    int err = errno;
    if (r < 0 && err == EPIPE && !was_pending) {
        struct timespec none = { 0, 0 };
        while (sigtimedwait(&pipe_set, NULL, &none) < 0 && errno == EINTR) {
        }
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = err;
    return r;
}

static ssize_t
fd_writev(io_object *io, const struct iovec *iov, int iovcnt)
{
    struct fd_io *f = (struct fd_io *)io;
    if (!f->is_socket) {
        return writev_quietly(f->fd, iov, iovcnt);
    }
    struct msghdr msg = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)iovcnt };
    ssize_t r;
    do {
        r = sendmsg(f->fd, &msg, MSG_NOSIGNAL);
    } while (r < 0 && errno == EINTR);
    return r;
}

static int
fd_close(io_object *io)
{
    struct fd_io *f = (struct fd_io *)io;
    if (f->make_blocking) {
        int flags = fcntl(f->fd, F_GETFL);
        if (flags >= 0) {
            fcntl(f->fd, F_SETFL, flags & ~O_NONBLOCK);
        }
    }
    int r = close(f->fd);
    f->fd = -1;
    if (f->release != NULL) {
        f->release(f->owner);
    }
    return r;
}

static int
fd_supports_nonblocking(io_object *io)
{
    (void)io;
    return 1;
}

static int
fd_pollable_fd(io_object *io)
{
    return ((struct fd_io *)io)->fd;
}

static const struct hs_io_kind fd_kind = {
    .w = {
        .sizeof_self = sizeof(io_wrapper),
        .writev = fd_writev,
        .read = fd_read,
        .close = fd_close,
        .supports_nonblocking = fd_supports_nonblocking,
        .pollable_fd = fd_pollable_fd,
        .scheme = "fd",
    },
};

const io_wrapper *
hs_io_fd_methods(void)
{
    return &fd_kind.w;
}

io_object *
hs_io_fd_new(int fd, int options, void (*release)(void *owner), void *owner)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return NULL;
    }
    struct fd_io *f = hs_io_alloc(sizeof *f, &fd_kind, NULL);
    if (f == NULL) {
        return NULL;
    }
    f->fd = fd;
    f->is_socket = S_ISSOCK(st.st_mode);
    f->release = release;
    f->owner = owner;
    f->x.pub.io.fd = fd;
    f->x.pub.options = options;
    return &f->x.pub;
}

int
hs_io_pipe(io_object **reader, io_object **writer)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0) {
        return errno;
    }
    *reader = hs_io_fd_new(fds[0], O_RDONLY, NULL, NULL);
    *writer = *reader != NULL ? hs_io_fd_new(fds[1], O_WRONLY, NULL, NULL) : NULL;
    if (*writer != NULL) {
        return 0;
    }
    int err = errno;
    close(fds[1]);
    if (*reader != NULL) {
        io_wrapper_delref(*reader);
        *reader = NULL;
    } else {
        close(fds[0]);
    }
    return err;
}

io_object *
hs_io_from_fd(int fd, const struct stat *st, int options)
{
    struct stat own;
    if (st == NULL) {
        if (fstat(fd, &own) != 0) {
            return NULL;
        }
        st = &own;
    }
    if (S_ISREG(st->st_mode) || S_ISBLK(st->st_mode)) {
        return hs_io_file_new(fd, st, options, false);
    }
    if (S_ISDIR(st->st_mode)) {
        errno = EISDIR;
        return NULL;
    }
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || ((flags & O_NONBLOCK) == 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)) {
        return NULL;
    }
    io_object *io = hs_io_fd_new(fd, options, NULL, NULL);
    if (io == NULL && (flags & O_NONBLOCK) == 0) {
        int saved = errno;
        fcntl(fd, F_SETFL, flags);
        errno = saved;
    }
    return io;
}

io_object *
io_wrapper_fdopen(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    int fd_flags = flags < 0 ? -1 : fcntl(fd, F_GETFD);
    if (fd_flags < 0) {
        return NULL;
    }
    io_object *io = hs_io_from_fd(fd, NULL, flags);
    if (io == NULL) {
        return NULL;
    }
    fcntl(fd, F_SETFD, fd_flags | FD_CLOEXEC);
    if (hs_io_of(io)->kind == &fd_kind) {
        ((struct fd_io *)io)->make_blocking = (flags & O_NONBLOCK) == 0;
    }
    off_t pos = lseek(fd, 0, SEEK_CUR);
    if (pos > 0) {
        (void)hs_io_lseek(io, pos, SEEK_SET);
    }
    return io;
}
