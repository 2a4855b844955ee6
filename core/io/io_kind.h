/* io_kind.h - what the kinds of io_object share, for the files that define one.
 * Every io_object is a struct hs_io; a kind of the core embeds it at the front of a larger struct and adds the calls
 * that the public table has no room for. An application's wrapper is a bare struct hs_io with kind NULL.
 *
 * A kind never calls its waiter itself: it calls hs_io_wake or hs_io_deliver, and the core keeps the rest straight: one
 * waiter, a reference held while it waits, nothing called from within wait or after it was cancelled. */
#ifndef HS_IO_IO_KIND_H
#define HS_IO_IO_KIND_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "io/io.h"
#include "io_wrapper_int.h"

/* Most bytes that one system call moves (read(2), "On Linux ... at most 0x7ffff000 bytes"). */
#define HS_IO_MAX ((size_t)0x7ffff000)
/* How often what cannot be waited for is tried again. */
#define HS_IO_RETRY (10 * HS_MSEC)

struct hs_io;
struct hs_io_backup;

struct hs_io_kind {
    io_wrapper w; /* wait: fn is only to be compared with NULL; a 0 return obliges to hs_io_wake or hs_io_deliver */
    /* The calls of io.h; NULL: not supported. x is open. */
    int (*window)(struct hs_io *x, size_t max, struct hs_io_window *w);
    int (*peek)(struct hs_io *x, const char **p, size_t *len);
    void (*consume)(struct hs_io *x, size_t n);
    off_t (*remaining)(struct hs_io *x); /* NULL: get_size minus lseek */
    int (*claim)(struct hs_io *x);       /* NULL: whoever comes first. 0 or errno */
    int (*travels)(struct hs_io *x);     /* as hs_io_travels, of what it is made of; NULL: 0 */
    /* The last reference has gone, in any thread: to call hs_io_finish, now or later. NULL: now. */
    void (*last)(struct hs_io *x);
    bool slow_close; /* io_wrapper_async_destroy goes to the IO pool */
};

/* What the core waits with; kept until the wake-up or its cancelling. */
enum hs_io_armed { HS_IO_IDLE, HS_IO_BY_METHOD, HS_IO_BY_CORE };

struct hs_io {
    io_object pub; /* first */
    const struct hs_io_kind *kind;
    io_wrapper_wait_func wait_fn; /* the waiter, NULL: none */
    void *wait_arg;
    struct hs_loop *loop; /* where it waits */
    struct hs_deferred wake;
    struct hs_io_backup *backup; /* descriptor watch, timer, reads in the pool; made when first needed */
    enum hs_io_armed armed;
    bool arming; /* inside the wrapper's wait */
    bool claimed;
    bool closed;
    bool bound; /* works only in its thread */
};

/* Set while the calling thread is to block, although it has a loop. */
extern _Thread_local bool hs_io_blocking;

/* Set while the calling thread has a loop that only disks may hold up: files are then read at once, not by way of the IO pool. */
extern _Thread_local bool hs_io_disk_blocking;

/* The loop that must not be held up here; NULL: none, and EAGAIN is waited out where that can be done. */
static inline struct hs_loop *
hs_io_loop(void)
{
    return hs_io_blocking ? NULL : hs_loop_current();
}

/* The same for what waits for disks. */
static inline struct hs_loop *
hs_io_disk_loop(void)
{
    return hs_io_disk_blocking ? NULL : hs_io_loop();
}

static inline struct hs_io *
hs_io_of(io_object *io)
{
    return (struct hs_io *)io;
}

/* A method of a wrapper, NULL when its table is too short to have it. */
#define HS_IO_METHOD(w, name) \
    ((w)->sizeof_self >= offsetof(io_wrapper, name) + sizeof((w)->name) ? (w)->name : NULL)

/* --- life (io_object.c) --- */
/* An open io of size bytes (at least sizeof(struct hs_io)), zeroed but for its head; one reference. kind NULL: then methods are the
 * application's. NULL with errno ENOMEM. */
void *hs_io_alloc(size_t size, const struct hs_io_kind *kind, const io_wrapper *methods);
/* Frees what hs_io_alloc made without closing it, for constructors that fail. */
void hs_io_discard(struct hs_io *x);
/* Destroys, after the last reference has gone. */
void hs_io_finish(struct hs_io *x);
/* Closes: no more calls of the kind's methods but those under way in the pool. A waiter is woken. Harmless when closed. 0, or -1 with errno. */
int hs_io_close(struct hs_io *x);
/* The io's pollable descriptor or -1; whether its reads may give EAGAIN without one. */
int hs_io_pollable_fd(struct hs_io *x);
bool hs_io_nonblocking(struct hs_io *x);

/* As hs_io_travels, for an io that has been claimed by who asks. NULL: 0. */
int hs_io_source_travels(io_object *source);

/* --- waiting (io_wait.c) --- */
/* On the loop: has the waiter, if there is one, called in the next turn. May be called from within the io's own methods. */
void hs_io_wake(struct hs_io *x);
/* On the loop, from an event only: calls the waiter now. x may be gone afterwards. */
void hs_io_deliver(struct hs_io *x);
/* From a kind's wait: wake when fd is ready (mask: HS_READ, HS_WRITE; at once when it cannot be polled) or ns from now. 0, or -1 with ENOMEM. */
int hs_io_wait_fd(struct hs_io *x, int fd, unsigned mask);
int hs_io_wait_timer(struct hs_io *x, int64_t ns);
/* Closing: stops what would wake, keeps the waiter. */
void hs_io_wait_stop(struct hs_io *x);
void hs_io_backup_free(struct hs_io *x);
/* Blocks until the io is worth another try; false when there is no telling. For threads without a loop. */
bool hs_io_block(struct hs_io *x, int what);

/* --- reading in the pool what knows no other way (io_wait.c) --- */
/* True when on this thread the io is read through the pool. */
bool hs_io_through_pool(struct hs_io *x);
ssize_t hs_io_pool_read(struct hs_io *x, void *buf, size_t n);
/* True while the pool is inside the wrapper: it must not be entered from here. */
bool hs_io_pool_busy(const struct hs_io *x);
/* Takes back what was read ahead: the number of bytes, which are then gone. */
size_t hs_io_pool_unread(struct hs_io *x);

/* --- arithmetic --- */
/* Where lseek(offset, whence) leads from pos with that end (-1: unknown). The new position, or -1 with errno EINVAL or EOVERFLOW. */
off_t hs_io_seek_to(off_t pos, off_t end, off_t offset, int whence);

/* --- files and descriptors --- */
/* An io on fd, which it owns from then on: of the kind that its type asks for. st: fstat's of it, or NULL. fd stays the caller's on failure: NULL with
 * errno. */
io_object *hs_io_from_fd(int fd, const struct stat *st, int options);
/* The tables of the schemes that are built in. */
const io_wrapper *hs_io_memory_methods(void);
const io_wrapper *hs_io_fd_methods(void);
const io_wrapper *hs_io_file_methods(void);
/* Files: fd is a regular file or block device; st: fstat's of it, or NULL. temporary: its bytes go with the last close. */
io_object *hs_io_file_new(int fd, const struct stat *st, int options, bool temporary);
/* Lets an io of these, over a regular file, use what was just seen of the same file's pages through others, and tell them. */
void hs_io_file_share(io_object *io, const struct stat *st);
/* An io on a file that the loop has kept open at that path, when it is still there and the same; NULL: it has to be opened (or no memory). */
io_object *hs_io_file_kept(const char *path, int options);
/* Has the file of an io that was opened so perhaps kept open for the next. st: fstat's of it. */
void hs_io_file_keep(io_object *io, const char *path, const struct stat *st);
/* Descriptors: pipes, sockets, terminals, other devices. fd has to be non-blocking already. release(owner), when not NULL, is called after it is closed. */
io_object *hs_io_fd_new(int fd, int options, void (*release)(void *owner), void *owner);
/* Opens a file by its path. wait: a FIFO waits for its other end. NULL with errno; without wait ENXIO: nobody reads this FIFO yet. */
io_object *hs_io_open_path(const char *path, int options, int mode, bool wait);

/* Gives a fresh io what it was opened with. The io; NULL with errno ENOMEM, and then it is closed. */
io_object *hs_io_opened(io_object *io, const char *name, int options, int mode, ECDict context);
/* "scheme://...", whether or not there is such a scheme. Any thread. */
bool hs_io_name_has_scheme(const char *name);
/* The same for any name, with the path, mode, options and context set; io_wrapper_open2 is this with wait. */
io_object *hs_io_open_any(const char *name, int options, int mode, ECDict context, bool wait);

#endif
