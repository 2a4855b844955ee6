/* io_file.c - io_objects over regular files and block devices.
 * Reads what the page cache has (RWF_NOWAIT); a miss is read in the IO pool and answered EAGAIN, so the loop never waits
 * for a disk. The descriptor is shared by clones, each with its own position, and closed with the last; what is under
 * way in the pool holds on to both. Nothing is mapped, so a file that shrinks ends reads early and does no more.
 *
 * Writes go to the page cache from the calling thread. In a thread without a loop everything is done directly. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "io/io_file_int.h"
#include "io/open_files.h"

#define SLOW_CLOSE ((off_t)1 << 20) /* a temporary file above this is closed in the pool */

static const struct hs_io_kind file_kind;

/* --- the descriptor --- */

struct fd_close_job {
    struct hs_job job;
    int fd;
};

static void
fd_close_run(struct hs_job *job)
{
    close(((struct fd_close_job *)job)->fd);
    free(job);
}

/* Freeing the blocks of a large file takes its time. True when the pool does it. */
static bool
fd_close_in_pool(int fd)
{
    struct stat st;
    if (hs_io_disk_loop() == NULL || fstat(fd, &st) != 0 || st.st_size < SLOW_CLOSE) {
        return false;
    }
    struct fd_close_job *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return false;
    }
    c->job.run = fd_close_run;
    c->fd = fd;
    if (hs_pool_io() == NULL || hs_pool_submit(hs_pool_io(), &c->job) != 0) {
        free(c);
        return false;
    }
    return true;
}

int
hs_file_drop(struct hs_file *file)
{
    if (__atomic_sub_fetch(&file->ref, 1, __ATOMIC_ACQ_REL) != 0) {
        return 0;
    }
    int r = 0;
    if (!file->temporary || !fd_close_in_pool(file->fd)) {
        r = close(file->fd);
    }
    free(file);
    return r;
}

struct hs_file *
hs_file_take(struct hs_file *file)
{
    __atomic_add_fetch(&file->ref, 1, __ATOMIC_RELAXED);
    return file;
}

off_t
hs_file_size(const struct hs_file *file)
{
    struct stat st;
    if (file->unsized) {
        errno = ENOTSUP;
        return -1;
    }
    if (fstat(file->fd, &st) != 0) {
        return -1;
    }
    return S_ISBLK(st.st_mode) ? lseek(file->fd, 0, SEEK_END) : st.st_size;
}

/* --- reading --- */

/* What the pool has read for this position: true, and *r is the result. */
static bool
read_fetched(struct hs_file_io *f, void *buf, size_t n, ssize_t *r)
{
    struct hs_file_fetch *t = f->fetch;
    if (t == NULL || t->busy || !t->ready) {
        return false;
    }
    if (f->pos < t->off || f->pos > t->off + (off_t)t->got || (f->pos == t->off + (off_t)t->got && t->got != 0)) {
        hs_file_fetch_forget(t); /* the reader has gone elsewhere, or is past it */
        return false;
    }
    size_t skip = (size_t)(f->pos - t->off);
    size_t take = t->got - skip < n ? t->got - skip : n;
    if (take == 0) { /* the end, or an error */
        int err = t->err;
        hs_file_fetch_forget(t);
        errno = err;
        *r = err != 0 ? -1 : 0;
        return true;
    }
    memcpy(buf, t->data + skip, take);
    f->pos += (off_t)take;
    if (skip + take == t->got) {
        hs_file_fetch_forget(t);
    }
    *r = (ssize_t)take;
    return true;
}

static ssize_t
read_direct(struct hs_file_io *f, void *buf, size_t n)
{
    ssize_t r;
    do {
        r = pread(f->file->fd, buf, n, f->pos);
    } while (r < 0 && errno == EINTR);
    if (r > 0) {
        f->pos += r;
    }
    return r;
}

/* The page cache's answer: a read's result, or -1 with EAGAIN where the pool has to be asked. */
static ssize_t
read_cached(struct hs_file_io *f, void *buf, size_t n)
{
    struct hs_file *file = f->file;
    if (!file->no_nowait) {
        struct iovec iov = { buf, n };
        ssize_t r;
        do {
            r = preadv2(file->fd, &iov, 1, f->pos, RWF_NOWAIT);
        } while (r < 0 && errno == EINTR);
        if (r >= 0) {
            f->pos += r;
            return r;
        }
        if (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL) {
            return -1;
        }
        file->no_nowait = true;
        hs_file_look_at_fs(file);
    }
    if (file->in_memory) {
        return read_direct(f, buf, n);
    }
    /* Some other file system: are its pages there to be seen? */
    off_t size = hs_file_size(file);
    if (size > f->pos) {
        n = n > HS_FILE_READ_MAX ? HS_FILE_READ_MAX : n;
        n = (off_t)n > size - f->pos ? (size_t)(size - f->pos) : n;
        if (hs_file_all_cached(file, f->pos, n)) {
            return read_direct(f, buf, n);
        }
    }
    errno = EAGAIN;
    return -1;
}

static ssize_t
file_read(io_object *io, void *buf, size_t n)
{
    struct hs_file_io *f = (struct hs_file_io *)io;
    ssize_t r;
    if (n == 0) {
        return 0;
    }
    if (hs_file_fetching(f)) {
        errno = EAGAIN;
        return -1;
    }
    if (read_fetched(f, buf, n, &r)) {
        return r;
    }
    if (hs_io_disk_loop() == NULL) {
        return read_direct(f, buf, n);
    }
    r = read_cached(f, buf, n);
    if (r >= 0 || errno != EAGAIN) {
        return r;
    }
    int err = hs_file_fetch(f, f->pos, n > HS_FILE_READ_MAX ? HS_FILE_READ_MAX : n, true);
    errno = err != 0 ? err : EAGAIN;
    return -1;
}

/* EAGAIN was said because the pool is at it, or because it took no more work. */
static int
file_wait(io_object *io, int what, io_wrapper_wait_func fn, void *arg)
{
    (void)arg;
    struct hs_file_io *f = (struct hs_file_io *)io;
    if (fn == NULL || hs_file_fetching(f)) {
        return 0;
    }
    if (f->refused && (what & IO_WAIT_WRITE) == 0) {
        return hs_io_wait_timer(&f->x, HS_IO_RETRY);
    }
    hs_io_wake(&f->x);
    return 0;
}

static void
file_consume(struct hs_io *x, size_t n)
{
    ((struct hs_file_io *)x)->pos += (off_t)n;
}

/* --- writing --- */

static ssize_t
file_writev(io_object *io, const struct iovec *iov, int iovcnt)
{
    struct hs_file_io *f = (struct hs_file_io *)io;
    if (hs_file_fetching(f)) {
        errno = EAGAIN;
        return -1;
    }
    if (f->fetch != NULL) {
        hs_file_fetch_forget(f->fetch);
    }
    ssize_t r;
    do {
        r = pwritev(f->file->fd, iov, iovcnt, f->pos);
    } while (r < 0 && errno == EINTR);
    if (r > 0) {
        off_t end = f->file->append ? hs_file_size(f->file) : -1;
        f->pos = end >= 0 ? end : f->pos + r;
        if (f->pos > f->size) {
            f->size = f->pos;
        }
    }
    return r;
}

/* --- where --- */

static off_t
file_get_size(io_object *io)
{
    struct hs_file_io *f = (struct hs_file_io *)io;
    off_t size = hs_file_size(f->file);
    if (size >= 0) {
        f->size = size;
    }
    return size;
}

static off_t
file_lseek(io_object *io, off_t offset, int whence)
{
    struct hs_file_io *f = (struct hs_file_io *)io;
    off_t end = whence == SEEK_END ? file_get_size(io) : 0;
    if (end < 0) {
        return -1;
    }
    off_t to = hs_io_seek_to(f->pos, end, offset, whence);
    if (to >= 0) {
        f->pos = to;
    }
    return to;
}

/* --- life --- */

static int
file_close(io_object *io)
{
    struct hs_file_io *f = (struct hs_file_io *)io;
    if (hs_file_fetching(f)) {
        /* Its end drops the last reference and comes back to free; see file_last. */
        int r = hs_file_drop(f->file);
        f->file = NULL;
        return r;
    }
    if (f->fetch != NULL) {
        hs_file_fetch_forget(f->fetch);
        free(f->fetch);
        f->fetch = NULL;
    }
    int r = f->file != NULL ? hs_file_drop(f->file) : 0;
    f->file = NULL;
    return r;
}

/* What was closed while the pool was at it still has its fetch. */
static void
file_last(struct hs_io *x)
{
    struct hs_file_io *f = (struct hs_file_io *)x;
    if (x->closed && f->fetch != NULL) {
        hs_file_fetch_forget(f->fetch);
        free(f->fetch);
        f->fetch = NULL;
    }
    hs_io_finish(x);
}

static io_object *
file_clone(io_object *io)
{
    struct hs_file_io *f = (struct hs_file_io *)io;
    struct hs_file_io *copy = hs_io_alloc(sizeof *copy, &file_kind, NULL);
    if (copy == NULL) {
        return NULL;
    }
    copy->file = hs_file_take(f->file);
    copy->size = f->size;
    copy->x.pub.io.fd = f->file->fd;
    return &copy->x.pub;
}

static int
file_travels(struct hs_io *x)
{
    return hs_file_fetching((const struct hs_file_io *)x) ? EBUSY : 0;
}

static const struct hs_io_kind file_kind = {
    .travels = file_travels,
    .w = {
        .sizeof_self = sizeof(io_wrapper),
        .writev = file_writev,
        .read = file_read,
        .close = file_close,
        .lseek = file_lseek,
        .scheme = "file",
        .get_size = file_get_size,
        .cloner = file_clone,
        .wait = file_wait,
    },
    .window = hs_file_window,
    .consume = file_consume,
    .last = file_last,
    .slow_close = true,
};

const io_wrapper *
hs_io_file_methods(void)
{
    return &file_kind.w;
}

/* An io on the file, with its reference. NULL with errno; the reference stays the caller's. */
static io_object *
file_io_new(struct hs_file *file, off_t size, int options)
{
    struct hs_file_io *f = hs_io_alloc(sizeof *f, &file_kind, NULL);
    if (f == NULL) {
        return NULL;
    }
    f->file = file;
    f->size = size;
    f->x.pub.options = options;
    f->x.pub.io.fd = file->fd;
    return &f->x.pub;
}

io_object *
hs_io_file_new(int fd, const struct stat *st, int options, bool temporary)
{
    struct hs_file *file = calloc(1, sizeof *file);
    if (file == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    *file = (struct hs_file){ .ref = 1, .fd = fd, .temporary = temporary, .append = (options & O_APPEND) != 0 };
    off_t size = st != NULL && S_ISREG(st->st_mode) ? st->st_size : hs_file_size(file);
    if (size == 0) {
        hs_file_look_at_fs(file);
    }
    io_object *io = size < 0 ? NULL : file_io_new(file, size, options);
    if (io == NULL) {
        free(file);
    }
    return io;
}

/* --- files that are kept open --- */

/* What the name alone stands for: the file, whoever opens it for reading. */
static bool
is_plain(const char *path, int options)
{
    return path[0] == '/' && (options & ~(O_CLOEXEC | O_NOCTTY)) == O_RDONLY && hs_io_disk_loop() != NULL;
}

io_object *
hs_io_file_kept(const char *path, int options)
{
    struct stat st;
    struct hs_file *file = is_plain(path, options) ? hs_open_files_find(hs_loop_current(), path, &st) : NULL;
    if (file == NULL) {
        return NULL;
    }
    io_object *io = file_io_new(file, st.st_size, options);
    if (io == NULL) {
        (void)hs_file_drop(file);
    }
    return io;
}

void
hs_io_file_keep(io_object *io, const char *path, const struct stat *st)
{
    if (is_plain(path, io->options) && st->st_size != 0) { /* 0: of the kind of /proc, maybe */
        hs_open_files_note(hs_loop_current(), path, ((struct hs_file_io *)io)->file, st);
    }
}

void
hs_io_file_share(io_object *io, const struct stat *st)
{
    struct hs_file *file = ((struct hs_file_io *)io)->file;
    file->dev = st->st_dev;
    file->ino = st->st_ino;
}
