/* io_file_int.h - what io_file.c, io_file_cache.c and open_files.c share: the body of an io over a file. For these and no others. */
#ifndef HS_IO_IO_FILE_INT_H
#define HS_IO_IO_FILE_INT_H

#include <stdatomic.h>

#include "io/io_kind.h"

#define HS_FILE_READ_MAX ((size_t)65536) /* bytes that the pool reads ahead of a reader */

/* The descriptor, shared by clones and jobs. */
struct hs_file {
    int ref; /* atomic */
    int fd;
    dev_t dev; /* by which ios share what they know of the page cache; ino 0: they do not */
    ino_t ino;
    bool temporary;
    bool append;
    /* Found out on the way, in any clone's thread; never cleared. */
    _Atomic bool no_nowait;    /* RWF_NOWAIT is not supported */
    _Atomic bool in_memory;    /* the file system has no disk behind it */
    _Atomic bool no_readahead; /* windows are fetched, in place of the kernel's read-ahead */
    _Atomic bool unsized;      /* of the kind of /proc: says size 0, has content all the same */
};

/* One read in the pool at a time. */
struct hs_file_fetch {
    struct hs_job job;
    struct hs_file_io *f;
    struct hs_file *file;
    off_t off;
    size_t want; /* bytes asked for */
    size_t got;
    int err;
    char *data; /* NULL: only brings the bytes into the page cache */
    bool busy;  /* holds references of f and file */
    bool ready; /* data or err waits for a reader at off */
};

struct hs_file_io {
    struct hs_io x;
    struct hs_file *file;
    off_t pos;
    off_t size;                       /* as last seen */
    off_t resident_from, resident_to; /* known to be in the page cache... */
    int64_t resident_at;              /* ...at this time */
    size_t next_window;               /* bytes to fetch next; 0: nothing was ever missing */
    struct hs_file_fetch *fetch;      /* made at the first miss */
    bool refused;                     /* the pool did not take the last one */
};

/* --- the descriptor (io_file.c) --- */
/* Drops a reference, the last one closes. 0, or -1 with close(2)'s error. */
int hs_file_drop(struct hs_file *file);
struct hs_file *hs_file_take(struct hs_file *file);
/* Bytes, or -1 with errno (ENOTSUP: the file system does not say). */
off_t hs_file_size(const struct hs_file *file);

/* --- the page cache and the pool (io_file_cache.c) --- */
/* Looks at the file system when something about the file is odd: fills in in_memory and unsized. */
void hs_file_look_at_fs(struct hs_file *file);
/* All of the n bytes (n > 0) at off have pages in the cache, some of which may still be on their way from the disk. False when not known. */
bool hs_file_all_cached(const struct hs_file *file, off_t off, size_t n);
/* Has want bytes at off read by the pool, to be kept (keep) or only cached. 0; ENOMEM, EAGAIN. Nothing may be under way. */
int hs_file_fetch(struct hs_file_io *f, off_t off, size_t want, bool keep);
void hs_file_fetch_forget(struct hs_file_fetch *t);
static inline bool
hs_file_fetching(const struct hs_file_io *f)
{
    return f->fetch != NULL && f->fetch->busy;
}
int hs_file_window(struct hs_io *x, size_t max, struct hs_io_window *w);

#endif
