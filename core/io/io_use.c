/* io_use.c - reading, writing and seeking: from the public calls to a wrapper's methods.
 * The io_wrapper_* calls refuse an io that something else reads (EBUSY); the hs_io_* calls are for who has claimed it.
 * In a thread without a loop, EAGAIN is not passed on where the io can be polled or is worth retrying: the call blocks
 * instead. Ends and errors come once from the wrapper and are passed on as they are. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/io_kind.h"

_Thread_local bool hs_io_blocking;
_Thread_local bool hs_io_disk_blocking;

void
hs_io_set_disk_blocking(bool on)
{
    hs_io_disk_blocking = on;
}

static int
fail(int err)
{
    errno = err;
    return -1;
}

/* 0 when the io may be used by who has not claimed it, else errno. */
static int
check(const struct hs_io *x)
{
    if (x->closed) {
        return EBADF;
    }
    return x->claimed ? EBUSY : 0;
}

/* --- reading --- */

static ssize_t
call_read(struct hs_io *x, void *buf, size_t n)
{
    const io_wrapper *w = x->pub.methods;
    ssize_t (*read_method)(io_object *, void *, size_t) = HS_IO_METHOD(w, read);
    if (read_method != NULL) {
        return read_method(&x->pub, buf, n);
    }
    ssize_t (*readv_method)(io_object *, const struct iovec *, int) = HS_IO_METHOD(w, readv);
    if (readv_method != NULL) {
        struct iovec iov = { buf, n };
        return readv_method(&x->pub, &iov, 1);
    }
    return fail(ENOTSUP);
}

ssize_t
hs_io_read(io_object *io, void *buf, size_t n)
{
    struct hs_io *x = hs_io_of(io);
    n = n > HS_IO_MAX ? HS_IO_MAX : n;
    for (;;) {
        if (x->closed) {
            return fail(EBADF);
        }
        ssize_t r = hs_io_through_pool(x) ? hs_io_pool_read(x, buf, n) : call_read(x, buf, n);
        if (r > (ssize_t)n) {
            return fail(EIO); /* a wrapper that has lost count */
        }
        if (r >= 0 || errno != EAGAIN || hs_io_loop() != NULL || !hs_io_block(x, IO_WAIT_READ)) {
            return r;
        }
    }
}

ssize_t
io_wrapper_read(io_object *io, void *buf, size_t nbytes)
{
    int err = check(hs_io_of(io));
    return err != 0 ? fail(err) : hs_io_read(io, buf, nbytes);
}

int
io_wrapper_copy_to_buffer(io_object *io, char *buf, int buflen, int len)
{
    if (buflen < 0 || len < 0) {
        return fail(EINVAL);
    }
    int want = len < buflen ? len : buflen;
    int have = 0;
    while (have < want) {
        ssize_t r = io_wrapper_read(io, buf + have, (size_t)(want - have));
        if (r < 0 && have == 0) {
            return -1;
        }
        if (r <= 0) {
            break;
        }
        have += (int)r;
    }
    return have;
}

/* --- writing --- */

static ssize_t
call_write(struct hs_io *x, const void *buf, size_t n)
{
    const io_wrapper *w = x->pub.methods;
    ssize_t (*write_method)(io_object *, const char *, size_t) = HS_IO_METHOD(w, write);
    if (write_method != NULL) {
        return write_method(&x->pub, buf, n);
    }
    ssize_t (*writev_method)(io_object *, const struct iovec *, int) = HS_IO_METHOD(w, writev);
    if (writev_method != NULL) {
        struct iovec iov = { (void *)(uintptr_t)buf, n };
        return writev_method(&x->pub, &iov, 1);
    }
    return fail(ENOTSUP);
}

/* Piece by piece, until one is not taken whole. */
static ssize_t
write_pieces(struct hs_io *x, const struct iovec *iov, int iovcnt)
{
    ssize_t done = 0;
    for (int i = 0; i < iovcnt; i++) {
        if (iov[i].iov_len == 0) {
            continue;
        }
        ssize_t r = call_write(x, iov[i].iov_base, iov[i].iov_len);
        if (r < 0) {
            return done > 0 ? done : -1;
        }
        done += r;
        if ((size_t)r < iov[i].iov_len) {
            break;
        }
    }
    return done;
}

static ssize_t
call_writev(struct hs_io *x, const struct iovec *iov, int iovcnt)
{
    ssize_t (*writev_method)(io_object *, const struct iovec *, int) = HS_IO_METHOD(x->pub.methods, writev);
    return writev_method != NULL ? writev_method(&x->pub, iov, iovcnt) : write_pieces(x, iov, iovcnt);
}

/* Puts the wrapper's position, which is behind what the pool has read ahead, back to ours. 0, or -1 with errno. */
static int
give_back_ahead(struct hs_io *x)
{
    off_t (*lseek_method)(io_object *, off_t, int) = HS_IO_METHOD(x->pub.methods, lseek);
    if (lseek_method == NULL) {
        return 0; /* a stream: reading and writing have nothing to do with each other */
    }
    size_t ahead = hs_io_pool_unread(x);
    return ahead != 0 && lseek_method(&x->pub, -(off_t)ahead, SEEK_CUR) < 0 ? -1 : 0;
}

ssize_t
io_wrapper_writev(io_object *io, const struct iovec *iov, int iovcnt)
{
    struct hs_io *x = hs_io_of(io);
    if (iovcnt < 0 || iovcnt > IOV_MAX) {
        return fail(EINVAL);
    }
    size_t total = 0;
    for (int i = 0; i < iovcnt; i++) {
        if (__builtin_add_overflow(total, iov[i].iov_len, &total) || total > SSIZE_MAX) {
            return fail(EINVAL);
        }
    }
    for (;;) {
        if (x->closed) {
            return fail(EBADF);
        }
        if (hs_io_pool_busy(x)) {
            return fail(EAGAIN);
        }
        if (give_back_ahead(x) != 0) {
            return -1;
        }
        ssize_t r = call_writev(x, iov, iovcnt);
        if (r >= 0 || errno != EAGAIN || hs_io_loop() != NULL || !hs_io_block(x, IO_WAIT_WRITE)) {
            return r;
        }
    }
}

ssize_t
io_wrapper_write(io_object *io, const void *buf, size_t nbytes)
{
    struct iovec iov = { (void *)(uintptr_t)buf, nbytes > HS_IO_MAX ? HS_IO_MAX : nbytes };
    return io_wrapper_writev(io, &iov, 1);
}

/* Writes until all is taken or something stands in the way. True when anything was taken. */
static bool
write_all(io_object *io, const char *buf, size_t n)
{
    size_t done = 0;
    while (done < n) {
        ssize_t r = io_wrapper_write(io, buf + done, n - done);
        if (r <= 0) {
            return done > 0;
        }
        done += (size_t)r;
    }
    return true;
}

ssize_t
io_wrapper_vprintf(io_object *io, const char *format, va_list ap)
{
    char small[512];
    char *text = small;
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(small, sizeof small, format, ap);
    if (n >= (int)sizeof small) {
        text = malloc((size_t)n + 1);
        if (text != NULL) {
            n = vsnprintf(text, (size_t)n + 1, format, again);
        }
    }
    va_end(again);
    if (text == NULL) {
        return fail(ENOMEM);
    }
    bool ok = n >= 0 && write_all(io, text, (size_t)n);
    if (text != small) {
        int saved = errno;
        free(text);
        errno = saved;
    }
    return ok ? n : -1;
}

ssize_t
io_wrapper_printf(io_object *io, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    ssize_t r = io_wrapper_vprintf(io, format, ap);
    va_end(ap);
    return r;
}

int
io_wrapper_flush(io_object *io)
{
    struct hs_io *x = hs_io_of(io);
    if (x->closed) {
        return fail(EBADF);
    }
    if (hs_io_pool_busy(x)) {
        return fail(EAGAIN);
    }
    int (*flush)(io_object *) = HS_IO_METHOD(io->methods, flush);
    return flush != NULL ? flush(io) : 0;
}

/* --- where --- */

off_t
hs_io_seek_to(off_t pos, off_t end, off_t offset, int whence)
{
    off_t from = 0;
    if (whence == SEEK_CUR) {
        from = pos;
    } else if (whence == SEEK_END && end >= 0) {
        from = end;
    } else if (whence != SEEK_SET) {
        return fail(EINVAL);
    }
    off_t to;
    if (__builtin_add_overflow(from, offset, &to)) {
        return fail(EOVERFLOW);
    }
    return to >= 0 ? to : fail(EINVAL);
}

off_t
hs_io_lseek(io_object *io, off_t offset, int whence)
{
    struct hs_io *x = hs_io_of(io);
    if (x->closed) {
        return fail(EBADF);
    }
    off_t (*lseek_method)(io_object *, off_t, int) = HS_IO_METHOD(io->methods, lseek);
    if (lseek_method == NULL) {
        return fail(ESPIPE);
    }
    if (hs_io_pool_busy(x)) {
        return fail(EAGAIN);
    }
    if (give_back_ahead(x) != 0) {
        return -1;
    }
    return lseek_method(io, offset, whence);
}

off_t
io_wrapper_lseek(io_object *io, off_t offset, int whence)
{
    int err = check(hs_io_of(io));
    return err != 0 ? fail(err) : hs_io_lseek(io, offset, whence);
}

int
io_wrapper_supports_lseek(io_object *io)
{
    struct hs_io *x = hs_io_of(io);
    off_t (*lseek_method)(io_object *, off_t, int) = HS_IO_METHOD(io->methods, lseek);
    if (x->closed || lseek_method == NULL) {
        return 0;
    }
    if (x->kind == NULL) {
        return 1; /* an application's method is not called just to ask */
    }
    int saved = errno;
    off_t pos = lseek_method(io, 0, SEEK_CUR);
    errno = saved;
    return pos >= 0;
}

off_t
io_wrapper_get_size(io_object *io)
{
    struct hs_io *x = hs_io_of(io);
    if (x->closed) {
        return fail(EBADF);
    }
    off_t (*get_size)(io_object *) = HS_IO_METHOD(io->methods, get_size);
    if (get_size == NULL) {
        return fail(ENOTSUP);
    }
    return hs_io_pool_busy(x) ? fail(EAGAIN) : get_size(io);
}

off_t
hs_io_remaining(io_object *io)
{
    struct hs_io *x = hs_io_of(io);
    if (x->closed) {
        return -1;
    }
    if (x->kind != NULL && x->kind->remaining != NULL) {
        return x->kind->remaining(x);
    }
    off_t size = io_wrapper_get_size(io);
    off_t pos = size < 0 ? -1 : hs_io_lseek(io, 0, SEEK_CUR);
    if (pos < 0) {
        return -1;
    }
    return pos < size ? size - pos : 0;
}

/* --- without copies --- */

int
hs_io_window(io_object *io, size_t max, struct hs_io_window *w)
{
    struct hs_io *x = hs_io_of(io);
    if (x->closed) {
        return EBADF;
    }
    return x->kind != NULL && x->kind->window != NULL ? x->kind->window(x, max, w) : ENOTSUP;
}

int
hs_io_peek(io_object *io, const char **p, size_t *len)
{
    struct hs_io *x = hs_io_of(io);
    if (x->closed) {
        return EBADF;
    }
    return x->kind != NULL && x->kind->peek != NULL ? x->kind->peek(x, p, len) : ENOTSUP;
}

void
hs_io_consume(io_object *io, size_t n)
{
    struct hs_io *x = hs_io_of(io);
    if (n != 0 && !x->closed && x->kind != NULL && x->kind->consume != NULL) {
        x->kind->consume(x, n);
    }
}

int
hs_io_pollable_fd(struct hs_io *x)
{
    int (*pollable_fd)(io_object *) = HS_IO_METHOD(x->pub.methods, pollable_fd);
    return pollable_fd != NULL ? pollable_fd(&x->pub) : -1;
}

bool
hs_io_nonblocking(struct hs_io *x)
{
    int (*supports)(io_object *) = HS_IO_METHOD(x->pub.methods, supports_nonblocking);
    return supports != NULL && supports(&x->pub) != 0;
}

bool
hs_io_block(struct hs_io *x, int what)
{
    int fd = hs_io_pollable_fd(x);
    struct pollfd p = { fd, (short)((what & IO_WAIT_READ ? POLLIN : 0) | (what & IO_WAIT_WRITE ? POLLOUT : 0)), 0 };
    if (fd >= 0) {
        return poll(&p, 1, -1) >= 0 || errno == EINTR;
    }
    if (!hs_io_nonblocking(x)) {
        errno = EAGAIN;
        return false;
    }
    poll(NULL, 0, (int)(HS_IO_RETRY / HS_MSEC));
    return true;
}
