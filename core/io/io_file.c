/* io_file.c - io_objects over regular files and block devices.
 * Reads what the page cache has (RWF_NOWAIT); a miss is read in the IO pool and answered EAGAIN, so the loop never waits
 * for a disk. sendfile is offered only windows that are in the page cache (cachestat(2), checked with one-byte reads,
 * or just read by the pool). The descriptor is shared by clones, each with its own position, and closed with the last;
 * what is under way in the pool holds on to both. Nothing is mapped, so a file that shrinks ends reads early and does
 * no more.
 *
 * Writes go to the page cache from the calling thread. In a thread without a loop everything is done directly. */
#include <errno.h>
#include <linux/magic.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "io/io_kind.h"

#define READ_MAX ((size_t)65536)          /* bytes that the pool reads ahead of a reader */
#define WINDOW_MAX ((size_t)2 << 20)      /* bytes of a sendfile window */
#define WINDOW_FIRST ((size_t)256 * 1024) /* the first window that is fetched for an io; later ones double */
#define PROBE_STEP ((size_t)128 * 1024)   /* a window is probed at each of these steps: the kernel's default read-ahead */
#define RESIDENT_FOR HS_SEC               /* how long a window is believed to have stayed in the page cache */
#define SLOW_CLOSE ((off_t)1 << 20)       /* a temporary file above this is closed in the pool */
#define SCRATCH 32768                     /* stack of pool threads used while fetching */

/* cachestat(2), Linux 6.5; not in every libc. */
#define CACHESTAT_NR 451
struct cachestat_range {
    uint64_t off, len;
};
struct cachestat_result {
    uint64_t cached, dirty, writeback, evicted, recently_evicted; /* pages */
};

/* The descriptor, shared by clones and jobs. */
struct hs_file {
    int ref; /* atomic */
    int fd;
    bool temporary;
    bool append;
    /* Found out on the way, in any clone's thread; never cleared. */
    _Atomic bool no_nowait;    /* RWF_NOWAIT is not supported */
    _Atomic bool in_memory;    /* the file system has no disk behind it */
    _Atomic bool no_readahead; /* windows are fetched, in place of the kernel's read-ahead */
    _Atomic bool unsized;      /* of the kind of /proc: says size 0, has content all the same */
};

/* One read in the pool at a time. */
struct fetch {
    struct hs_job job;
    struct file_io *f;
    struct hs_file *file;
    off_t off;
    size_t want; /* bytes asked for */
    size_t got;
    int err;
    char *data; /* NULL: only brings the bytes into the page cache */
    bool busy;  /* holds references of f and file */
    bool ready; /* data or err waits for a reader at off */
};

struct file_io {
    struct hs_io x;
    struct hs_file *file;
    off_t pos;
    off_t size;                       /* as last seen */
    off_t resident_from, resident_to; /* known to be in the page cache... */
    int64_t resident_at;              /* ...at this time */
    size_t next_window;               /* bytes to fetch next; 0: nothing was ever missing */
    struct fetch *fetch;              /* made at the first miss */
    bool refused;                     /* the pool did not take the last one */
};

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
    if (hs_io_loop() == NULL || fstat(fd, &st) != 0 || st.st_size < SLOW_CLOSE) {
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

/* 0, or -1 with close(2)'s error. */
static int
file_drop(struct hs_file *file)
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

static struct hs_file *
file_take(struct hs_file *file)
{
    __atomic_add_fetch(&file->ref, 1, __ATOMIC_RELAXED);
    return file;
}

/* Looks at the file system when something about the file is odd. */
static void
look_at_fs(struct hs_file *file)
{
    struct statfs fs;
    if (fstatfs(file->fd, &fs) != 0) {
        return;
    }
    switch ((unsigned long)fs.f_type) {
    case PROC_SUPER_MAGIC:
    case SYSFS_MAGIC:
    case DEBUGFS_MAGIC:
    case TRACEFS_MAGIC:
    case CGROUP_SUPER_MAGIC:
    case CGROUP2_SUPER_MAGIC:
    case SECURITYFS_MAGIC:
    case BPF_FS_MAGIC:
        file->unsized = true;
        file->in_memory = true;
        break;
    case TMPFS_MAGIC:
    case RAMFS_MAGIC:
    case HUGETLBFS_MAGIC:
        file->in_memory = true;
        break;
    default:
        break;
    }
}

static off_t
file_size(const struct hs_file *file)
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

/* --- fetching in the pool --- */

/* In the pool: into memory, or into the page cache. */
static void
fetch_run(struct hs_job *job)
{
    struct fetch *t = (struct fetch *)job;
    char scratch[SCRATCH];
    if (t->data == NULL) {
        /* From here on the kernel is to do as it is told: read-ahead of its own would be started by whoever sends, on the loop. */
        if (!t->file->no_readahead) {
            t->file->no_readahead = posix_fadvise(t->file->fd, 0, 0, POSIX_FADV_RANDOM) == 0;
        }
        (void)readahead(t->file->fd, t->off, t->want);
    }
    t->got = 0;
    t->err = 0;
    while (t->got < t->want) {
        char *to = t->data != NULL ? t->data + t->got : scratch;
        size_t n = t->want - t->got;
        n = t->data == NULL && n > sizeof scratch ? sizeof scratch : n;
        ssize_t r = pread(t->file->fd, to, n, t->off + (off_t)t->got);
        if (r < 0 && errno == EINTR) {
            continue;
        }
        if (r < 0) {
            t->err = errno == EAGAIN ? EIO : errno;
        }
        if (r <= 0) {
            break;
        }
        t->got += (size_t)r;
    }
}

/* The window that was read is where the known ones end, or a new one. */
static void
note_resident(struct file_io *f, off_t from, size_t n)
{
    if (from != f->resident_to || f->resident_from >= f->resident_to) {
        f->resident_from = from;
    }
    f->resident_to = from + (off_t)n;
    f->resident_at = hs_loop_now(hs_loop_current());
}

static void
fetch_done(struct hs_job *job)
{
    struct fetch *t = (struct fetch *)job;
    struct file_io *f = t->f;
    t->busy = false;
    file_drop(t->file);
    t->file = NULL;
    t->ready = t->data != NULL || t->got == 0;
    if (t->data == NULL && t->got != 0) {
        note_resident(f, t->off, t->got);
    }
    hs_io_deliver(&f->x);
    io_wrapper_delref(&f->x.pub);
}

static void
fetch_forget(struct fetch *t)
{
    free(t->data);
    t->data = NULL;
    t->ready = false;
    t->got = 0;
    t->err = 0;
}

/* Has want bytes at off read by the pool, to be kept (keep) or only cached. 0 or errno. */
static int
fetch_start(struct file_io *f, off_t off, size_t want, bool keep)
{
    struct hs_pool *pool = hs_pool_io();
    if (f->fetch == NULL) {
        f->fetch = calloc(1, sizeof *f->fetch);
    }
    struct fetch *t = f->fetch;
    if (t == NULL || pool == NULL) {
        return ENOMEM;
    }
    fetch_forget(t);
    if (keep && (t->data = malloc(want)) == NULL) {
        return ENOMEM;
    }
    t->job = (struct hs_job){ .run = fetch_run, .done = fetch_done };
    t->f = f;
    t->file = file_take(f->file);
    t->off = off;
    t->want = want;
    t->busy = true;
    io_wrapper_addref(&f->x.pub);
    int err = hs_pool_submit(pool, &t->job);
    f->refused = err != 0;
    if (err != 0) {
        t->busy = false;
        t->file = NULL;
        file_drop(f->file);
        fetch_forget(t);
        io_wrapper_delref(&f->x.pub);
    }
    return err;
}

static bool
fetch_busy(const struct file_io *f)
{
    return f->fetch != NULL && f->fetch->busy;
}

/* --- reading --- */

/* What the pool has read for this position: true, and *r is the result. */
static bool
read_fetched(struct file_io *f, void *buf, size_t n, ssize_t *r)
{
    struct fetch *t = f->fetch;
    if (t == NULL || t->busy || !t->ready) {
        return false;
    }
    if (f->pos < t->off || f->pos > t->off + (off_t)t->got || (f->pos == t->off + (off_t)t->got && t->got != 0)) {
        fetch_forget(t); /* the reader has gone elsewhere, or is past it */
        return false;
    }
    size_t skip = (size_t)(f->pos - t->off);
    size_t take = t->got - skip < n ? t->got - skip : n;
    if (take == 0) { /* the end, or an error */
        int err = t->err;
        fetch_forget(t);
        errno = err;
        *r = err != 0 ? -1 : 0;
        return true;
    }
    memcpy(buf, t->data + skip, take);
    f->pos += (off_t)take;
    if (skip + take == t->got) {
        fetch_forget(t);
    }
    *r = (ssize_t)take;
    return true;
}

static ssize_t
read_direct(struct file_io *f, void *buf, size_t n)
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

/* All of the n bytes at off have pages in the cache, some of which may still be on their way from the disk. */
static bool
all_cached(const struct hs_file *file, off_t off, size_t n)
{
    static int page;
    if (page == 0) {
        page = (int)sysconf(_SC_PAGESIZE);
    }
    struct cachestat_range range = { (uint64_t)off, n };
    struct cachestat_result result = { 0 };
    if (syscall(CACHESTAT_NR, file->fd, &range, &result, 0u) != 0) {
        return false; /* ENOSYS, or a kind of file that has no cache of its own: not known */
    }
    off_t first = off / page;
    off_t last = (off + (off_t)n - 1) / page;
    return result.cached >= (uint64_t)(last - first + 1);
}

/* The page cache's answer: a read's result, or -1 with EAGAIN where the pool has to be asked. */
static ssize_t
read_cached(struct file_io *f, void *buf, size_t n)
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
        look_at_fs(file);
    }
    if (file->in_memory) {
        return read_direct(f, buf, n);
    }
    /* Some other file system: are its pages there to be seen? */
    off_t size = file_size(file);
    if (size > f->pos) {
        n = n > READ_MAX ? READ_MAX : n;
        n = (off_t)n > size - f->pos ? (size_t)(size - f->pos) : n;
        if (all_cached(file, f->pos, n)) {
            return read_direct(f, buf, n);
        }
    }
    errno = EAGAIN;
    return -1;
}

static ssize_t
file_read(io_object *io, void *buf, size_t n)
{
    struct file_io *f = (struct file_io *)io;
    ssize_t r;
    if (n == 0) {
        return 0;
    }
    if (fetch_busy(f)) {
        errno = EAGAIN;
        return -1;
    }
    if (read_fetched(f, buf, n, &r)) {
        return r;
    }
    if (hs_io_loop() == NULL) {
        return read_direct(f, buf, n);
    }
    r = read_cached(f, buf, n);
    if (r >= 0 || errno != EAGAIN) {
        return r;
    }
    int err = fetch_start(f, f->pos, n > READ_MAX ? READ_MAX : n, true);
    errno = err != 0 ? err : EAGAIN;
    return -1;
}

/* EAGAIN was said because the pool is at it, or because it took no more work. */
static int
file_wait(io_object *io, int what, io_wrapper_wait_func fn, void *arg)
{
    (void)arg;
    struct file_io *f = (struct file_io *)io;
    if (fn == NULL || fetch_busy(f)) {
        return 0;
    }
    if (f->refused && (what & IO_WAIT_WRITE) == 0) {
        return hs_io_wait_timer(&f->x, HS_IO_RETRY);
    }
    hs_io_wake(&f->x);
    return 0;
}

/* --- sendfile --- */

/* How many of the n bytes at off can be sent without waiting for the disk. */
static size_t
resident_prefix(struct hs_file *file, off_t off, size_t n)
{
    while (!all_cached(file, off, n)) {
        if (n <= PROBE_STEP / 2) {
            return 0;
        }
        n /= 2;
    }
    if (file->no_nowait) {
        return n;
    }
    /* Pages under read-ahead are counted as cached. They are read in order, so looking at the end of each stretch finds them. */
    for (size_t done = 0; done < n;) {
        size_t step = n - done < PROBE_STEP ? n - done : PROBE_STEP;
        char byte;
        struct iovec iov = { &byte, 1 };
        if (preadv2(file->fd, &iov, 1, off + (off_t)(done + step) - 1, RWF_NOWAIT) < 0) {
            if (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL) {
                file->no_nowait = true;
                look_at_fs(file);
                return n;
            }
            return done;
        }
        done += step;
    }
    return n;
}

/* Once something was missing: has the window after the known ones read while those are being sent. */
static void
fetch_ahead(struct file_io *f)
{
    if (f->next_window != 0 && !fetch_busy(f) && f->resident_to < f->size &&
        f->resident_to - f->pos < (off_t)f->next_window) {
        size_t want = f->next_window;
        if ((off_t)want > f->size - f->resident_to) {
            want = (size_t)(f->size - f->resident_to);
        }
        f->next_window = f->next_window * 2 > WINDOW_MAX ? WINDOW_MAX : f->next_window * 2;
        (void)fetch_start(f, f->resident_to, want, false); /* if not now, then when it is needed */
    }
}

/* The next n bytes (n > 0) on a loop: 0 and the bytes in *len, or errno. */
static int
window_resident(struct file_io *f, size_t n, size_t *len)
{
    int64_t now = hs_loop_now(hs_loop_current());
    if (f->pos >= f->resident_from && f->pos < f->resident_to && now - f->resident_at <= RESIDENT_FOR) {
        off_t known = f->resident_to - f->pos;
        *len = known < (off_t)n ? (size_t)known : n;
        fetch_ahead(f);
        return 0;
    }
    if (fetch_busy(f)) {
        return EAGAIN;
    }
    struct fetch *t = f->fetch;
    if (t != NULL && t->ready && t->off == f->pos && t->got == 0) { /* nothing there: it shrank, or cannot be read */
        int err = t->err;
        fetch_forget(t);
        *len = 0;
        return err;
    }
    *len = resident_prefix(f->file, f->pos, n);
    if (*len != 0) {
        f->resident_from = f->pos;
        f->resident_to = f->pos + (off_t)*len;
        f->resident_at = now;
        return 0;
    }
    f->next_window = f->next_window == 0 ? WINDOW_FIRST : f->next_window;
    int err = fetch_start(f, f->pos, n < f->next_window ? n : f->next_window, false);
    return err != 0 ? err : EAGAIN;
}

static int
file_window(struct hs_io *x, size_t max, struct hs_io_window *w)
{
    struct file_io *f = (struct file_io *)x;
    if (f->file->unsized || (f->x.pub.options & O_ACCMODE) == O_WRONLY) {
        return ENOTSUP;
    }
    if (f->pos >= f->size) {
        f->size = file_size(f->file);
        if (f->size < 0) {
            return errno;
        }
    }
    *w = (struct hs_io_window){ .fd = f->file->fd, .off = f->pos };
    if (f->pos >= f->size || max == 0) {
        return 0;
    }
    size_t n = max < WINDOW_MAX ? max : WINDOW_MAX;
    if ((off_t)n > f->size - f->pos) {
        n = (size_t)(f->size - f->pos);
    }
    if (hs_io_loop() == NULL) {
        w->len = n;
        return 0;
    }
    return window_resident(f, n, &w->len);
}

static void
file_consume(struct hs_io *x, size_t n)
{
    ((struct file_io *)x)->pos += (off_t)n;
}

/* --- writing --- */

static ssize_t
file_writev(io_object *io, const struct iovec *iov, int iovcnt)
{
    struct file_io *f = (struct file_io *)io;
    if (fetch_busy(f)) {
        errno = EAGAIN;
        return -1;
    }
    if (f->fetch != NULL) {
        fetch_forget(f->fetch);
    }
    ssize_t r;
    do {
        r = pwritev(f->file->fd, iov, iovcnt, f->pos);
    } while (r < 0 && errno == EINTR);
    if (r > 0) {
        off_t end = f->file->append ? file_size(f->file) : -1;
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
    struct file_io *f = (struct file_io *)io;
    off_t size = file_size(f->file);
    if (size >= 0) {
        f->size = size;
    }
    return size;
}

static off_t
file_lseek(io_object *io, off_t offset, int whence)
{
    struct file_io *f = (struct file_io *)io;
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
    struct file_io *f = (struct file_io *)io;
    if (fetch_busy(f)) {
        /* Its end drops the last reference and comes back to free; see file_last. */
        int r = file_drop(f->file);
        f->file = NULL;
        return r;
    }
    if (f->fetch != NULL) {
        fetch_forget(f->fetch);
        free(f->fetch);
        f->fetch = NULL;
    }
    int r = f->file != NULL ? file_drop(f->file) : 0;
    f->file = NULL;
    return r;
}

/* What was closed while the pool was at it still has its fetch. */
static void
file_last(struct hs_io *x)
{
    struct file_io *f = (struct file_io *)x;
    if (x->closed && f->fetch != NULL) {
        fetch_forget(f->fetch);
        free(f->fetch);
        f->fetch = NULL;
    }
    hs_io_finish(x);
}

static io_object *
file_clone(io_object *io)
{
    struct file_io *f = (struct file_io *)io;
    struct file_io *copy = hs_io_alloc(sizeof *copy, &file_kind, NULL);
    if (copy == NULL) {
        return NULL;
    }
    copy->file = file_take(f->file);
    copy->size = f->size;
    copy->x.pub.io.fd = f->file->fd;
    return &copy->x.pub;
}

static const struct hs_io_kind file_kind = {
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
    .window = file_window,
    .consume = file_consume,
    .last = file_last,
    .slow_close = true,
};

const io_wrapper *
hs_io_file_methods(void)
{
    return &file_kind.w;
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
    off_t size = st != NULL && S_ISREG(st->st_mode) ? st->st_size : file_size(file);
    if (size == 0) {
        look_at_fs(file);
    }
    struct file_io *f = size < 0 ? NULL : hs_io_alloc(sizeof *f, &file_kind, NULL);
    if (f == NULL) {
        free(file);
        return NULL;
    }
    f->file = file;
    f->size = size;
    f->x.pub.options = options;
    f->x.pub.io.fd = fd;
    return &f->x.pub;
}
