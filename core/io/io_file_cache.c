/* io_file_cache.c - files and the page cache: what of a file is in memory, having the rest read by the IO pool, windows for sendfile.
 * A window is offered when all its pages are counted (cachestat(2)) and its last byte can be read without waiting, or
 * when the pool has just read it. What was found is remembered for a moment by the file's number, so that a file that is
 * asked for many times a second is looked at a few times. A job holds references of the io and of the descriptor. */
#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "io/io_file_int.h"

#define WINDOW_MAX ((size_t)2 << 20)      /* bytes of a sendfile window */
#define WINDOW_FIRST ((size_t)256 * 1024) /* the first window that is fetched for an io; later ones double */
#define WINDOW_MIN ((size_t)64 * 1024)    /* the shortest beginning of a window that is looked for */
#define PROBE_STEP ((size_t)16 * 1024)
#define RESIDENT_FOR HS_SEC               /* how long a window is believed to have stayed in the page cache */
#define SHARED_FOR (HS_SEC / 10)          /* the same where another io has looked */
#define SHARED_MAX 64                     /* files of which that is remembered; a power of two */
#define SCRATCH 32768                     /* stack of pool threads used while fetching */

/* cachestat(2), Linux 6.5; not in every libc. */
#define CACHESTAT_NR 451
struct cachestat_range {
    uint64_t off, len;
};
struct cachestat_result {
    uint64_t cached, dirty, writeback, evicted, recently_evicted; /* pages */
};

/* --- what is in memory --- */

static _Atomic bool no_cachestat; /* found out at the first attempt */

/* Looks at the file system when something about the file is odd. */
void
hs_file_look_at_fs(struct hs_file *file)
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

bool
hs_file_all_cached(const struct hs_file *file, off_t off, size_t n)
{
    struct cachestat_range range = { (uint64_t)off, n };
    struct cachestat_result result = { 0 };
    if (no_cachestat || syscall(CACHESTAT_NR, file->fd, &range, &result, 0u) != 0) {
        no_cachestat = no_cachestat || errno == ENOSYS || errno == EPERM;
        return false; /* or a kind of file that has no cache of its own */
    }
    const int page = getpagesize();
    off_t first = off / page;
    off_t last = (off + (off_t)n - 1) / page;
    return result.cached >= (uint64_t)(last - first + 1);
}

/* --- fetching in the pool --- */

/* In the pool: the next bytes, into memory or only into the page cache. As pread(2). */
static ssize_t
fetch_some(struct hs_file_fetch *t)
{
    size_t n = t->want - t->got;
    off_t off = t->off + (off_t)t->got;
    if (t->data != NULL) {
        return pread(t->file->fd, t->data + t->got, n, off);
    }
    char scratch[SCRATCH];
    return pread(t->file->fd, scratch, n < sizeof scratch ? n : sizeof scratch, off);
}

static void
fetch_run(struct hs_job *job)
{
    struct hs_file_fetch *t = (struct hs_file_fetch *)job;
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
        ssize_t r = fetch_some(t);
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

/* What ios of this thread have found out, by file. A number that has been given to another file is told by its age alone: a file is not
 * deleted, another written in its place and thrown out of memory within SHARED_FOR. */
struct shared {
    dev_t dev;
    ino_t ino;
    off_t from, to;
    int64_t at; /* of the oldest part */
};

static _Thread_local struct shared shared_of[SHARED_MAX];

static struct shared *
shared_slot(const struct hs_file *file)
{
    return &shared_of[(file->ino ^ file->ino >> 8 ^ file->dev) & (SHARED_MAX - 1)];
}

static bool
is_shared(const struct shared *k, const struct hs_file *file, int64_t now)
{
    return k->ino == file->ino && k->dev == file->dev && now - k->at <= SHARED_FOR && now >= k->at;
}

/* from..to is in memory as of now. */
static void
share(const struct hs_file *file, off_t from, off_t to, int64_t now)
{
    struct shared *k = shared_slot(file);
    if (file->ino == 0) {
        return;
    }
    if (is_shared(k, file, now) && from <= k->to && to >= k->from) {
        k->from = from < k->from ? from : k->from;
        k->to = to > k->to ? to : k->to;
    } else {
        *k = (struct shared){ .dev = file->dev, .ino = file->ino, .from = from, .to = to, .at = now };
    }
}

/* Another io may have looked at what f is about to send. */
static bool
know_from_others(struct hs_file_io *f, int64_t now)
{
    const struct shared *k = shared_slot(f->file);
    if (f->file->ino == 0 || !is_shared(k, f->file, now) || f->pos < k->from || f->pos >= k->to) {
        return false;
    }
    f->resident_from = k->from;
    f->resident_to = k->to;
    f->resident_at = k->at;
    return true;
}

/* The window that was read is where the known ones end, or a new one. */
static void
note_resident(struct hs_file_io *f, off_t from, size_t n)
{
    if (from != f->resident_to || f->resident_from >= f->resident_to) {
        f->resident_from = from;
    }
    f->resident_to = from + (off_t)n;
    f->resident_at = hs_loop_now(hs_loop_current());
    share(f->file, from, f->resident_to, f->resident_at);
}

static void
fetch_done(struct hs_job *job)
{
    struct hs_file_fetch *t = (struct hs_file_fetch *)job;
    struct hs_file_io *f = t->f;
    t->busy = false;
    hs_file_drop(t->file);
    t->file = NULL;
    t->ready = t->data != NULL || t->got == 0;
    if (t->data == NULL && t->got != 0) {
        note_resident(f, t->off, t->got);
    }
    hs_io_deliver(&f->x);
    io_wrapper_delref(&f->x.pub);
}

void
hs_file_fetch_forget(struct hs_file_fetch *t)
{
    free(t->data);
    t->data = NULL;
    t->ready = false;
    t->got = 0;
    t->err = 0;
}

int
hs_file_fetch(struct hs_file_io *f, off_t off, size_t want, bool keep)
{
    struct hs_pool *pool = hs_pool_io();
    if (f->fetch == NULL) {
        f->fetch = calloc(1, sizeof *f->fetch);
    }
    struct hs_file_fetch *t = f->fetch;
    if (t == NULL || pool == NULL) {
        return ENOMEM;
    }
    hs_file_fetch_forget(t);
    if (keep && (t->data = malloc(want)) == NULL) {
        return ENOMEM;
    }
    t->job = (struct hs_job){ .run = fetch_run, .done = fetch_done };
    t->f = f;
    t->file = hs_file_take(f->file);
    t->off = off;
    t->want = want;
    t->busy = true;
    io_wrapper_addref(&f->x.pub);
    int err = hs_pool_submit(pool, &t->job);
    f->refused = err != 0;
    if (err != 0) {
        t->busy = false;
        t->file = NULL;
        hs_file_drop(f->file);
        hs_file_fetch_forget(t);
        io_wrapper_delref(&f->x.pub);
    }
    return err;
}

/* --- sendfile --- */

enum probe { READABLE, NOT_NOW, NOT_KNOWN };

/* Whether the byte at off can be read without waiting. */
static enum probe
probe(struct hs_file *file, off_t off)
{
    char byte;
    struct iovec iov = { &byte, 1 };
    if (file->no_nowait) {
        return NOT_KNOWN;
    }
    if (preadv2(file->fd, &iov, 1, off, RWF_NOWAIT) >= 0) {
        return READABLE;
    }
    if (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL) {
        return NOT_NOW;
    }
    file->no_nowait = true;
    hs_file_look_at_fs(file);
    return NOT_KNOWN;
}

/* Where cachestat is missing: looks at one byte of each stretch that is likely to have come and to go as a whole. */
static size_t
probed_prefix(struct hs_file *file, off_t off, size_t n)
{
    size_t done = 0;
    enum probe p = probe(file, off);
    while (p == READABLE && done < n) {
        size_t step = n - done < PROBE_STEP ? n - done : PROBE_STEP;
        p = probe(file, off + (off_t)(done + step) - 1);
        done += p == READABLE ? step : 0;
    }
    return p == NOT_KNOWN ? (file->in_memory ? n : 0) : done;
}

/* How many of the n bytes at off can be sent without waiting for the disk. */
static size_t
resident_prefix(struct hs_file *file, off_t off, size_t n)
{
    while (n != 0 && !no_cachestat) {
        /* Pages under read-ahead are counted as well. They are read in order, so the last one tells. */
        if (hs_file_all_cached(file, off, n) && probe(file, off + (off_t)n - 1) != NOT_NOW) {
            return n;
        }
        if (!no_cachestat) {
            n = n > WINDOW_MIN ? n / 2 : 0;
        }
    }
    return n != 0 ? probed_prefix(file, off, n) : 0;
}

/* Once something was missing: has the window after the known ones read while those are being sent. */
static void
fetch_ahead(struct hs_file_io *f)
{
    if (f->next_window != 0 && !hs_file_fetching(f) && f->resident_to < f->size &&
        f->resident_to - f->pos < (off_t)f->next_window) {
        size_t want = f->next_window;
        if ((off_t)want > f->size - f->resident_to) {
            want = (size_t)(f->size - f->resident_to);
        }
        f->next_window = f->next_window * 2 > WINDOW_MAX ? WINDOW_MAX : f->next_window * 2;
        (void)hs_file_fetch(f, f->resident_to, want, false); /* if not now, then when it is needed */
    }
}

/* The next n bytes (n > 0) on a loop: 0 and the bytes in *len, or errno. */
static int
window_resident(struct hs_file_io *f, size_t n, size_t *len)
{
    int64_t now = hs_loop_now(hs_loop_current());
    bool known_before = f->pos >= f->resident_from && f->pos < f->resident_to && now - f->resident_at <= RESIDENT_FOR;
    if (known_before || (!hs_file_fetching(f) && know_from_others(f, now))) {
        off_t known = f->resident_to - f->pos;
        *len = known < (off_t)n ? (size_t)known : n;
        fetch_ahead(f);
        return 0;
    }
    if (hs_file_fetching(f)) {
        return EAGAIN;
    }
    struct hs_file_fetch *t = f->fetch;
    if (t != NULL && t->ready && t->off == f->pos && t->got == 0) { /* nothing there: it shrank, or cannot be read */
        int err = t->err;
        hs_file_fetch_forget(t);
        *len = 0;
        return err;
    }
    *len = resident_prefix(f->file, f->pos, n);
    if (*len != 0) {
        f->resident_from = f->pos;
        f->resident_to = f->pos + (off_t)*len;
        f->resident_at = now;
        share(f->file, f->pos, f->resident_to, now);
        return 0;
    }
    f->next_window = f->next_window == 0 ? WINDOW_FIRST : f->next_window;
    int err = hs_file_fetch(f, f->pos, n < f->next_window ? n : f->next_window, false);
    return err != 0 ? err : EAGAIN;
}

int
hs_file_window(struct hs_io *x, size_t max, struct hs_io_window *w)
{
    struct hs_file_io *f = (struct hs_file_io *)x;
    if (f->file->unsized || (f->x.pub.options & O_ACCMODE) == O_WRONLY) {
        return ENOTSUP;
    }
    if (f->pos >= f->size) {
        f->size = hs_file_size(f->file);
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
    if (hs_io_disk_loop() == NULL) {
        w->len = n;
        return 0;
    }
    return window_resident(f, n, &w->len);
}
