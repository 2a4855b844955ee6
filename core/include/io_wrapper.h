/* io_wrapper.h - io_objects: every source of bytes is one.
 * A reference-counted byte stream over a table of methods. Reads, writes and seeks return -1 with errno set;
 * constructors return NULL with errno set. EAGAIN means "not now": ask with io_wrapper_wait to be told when. */
#ifndef IO_WRAPPER_H
#define IO_WRAPPER_H

#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "ec_thread_pool.h"
#include "misc/ec_dict.h"
#include "misc/ec_string.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifndef HTTPSRV_API
#define HTTPSRV_API __attribute__((visibility("default")))
#endif

typedef struct _io_wrapper io_wrapper;
typedef struct _io_object io_object;
typedef struct _io_job io_job;

/* What becomes of memory at the end: nothing, free(3), munmap(2). None is 0, which io_wrapper_is_memory_based keeps for "not in memory". */
enum { MEMTYPE_DONTCARE = -1, MEMTYPE_IS_MALLOC_3C = 1, MEMTYPE_IS_MMAP = 2 };

enum { IO_WAIT_READ = 1, IO_WAIT_WRITE = 2 };
/* Called once, on the loop, when what gave EAGAIN is worth trying again. */
typedef void (*io_wrapper_wait_func)(io_object *io, void *arg);

/* The method table. Members that are NULL are not supported (ENOTSUP); reading through readv, and the other way round, is arranged. */
struct _io_wrapper {
    size_t sizeof_self; /* sizeof(io_wrapper); a smaller one, without the members at the end, is accepted */
    int (*open)(io_object *io, const char *filename, int options, int mode);
    ssize_t (*write)(io_object *io, const char *buf, size_t nbytes);
    ssize_t (*writev)(io_object *io, const struct iovec *iov, int iovcnt);
    ssize_t (*read)(io_object *io, void *buf, size_t nbytes);
    ssize_t (*readv)(io_object *io, const struct iovec *iov, int iovcnt);
    int (*close)(io_object *io);
    int (*reopen)(io_object *io);
    int (*flush)(io_object *io);
    off_t (*lseek)(io_object *io, off_t offset, int whence);
    int (*supports_nonblocking)(io_object *io);
    int (*pollable_fd)(io_object *io);
    const char *scheme; /* "name", used as name://… */
    off_t (*get_size)(io_object *io);
    io_object *(*cloner)(io_object *io);
    /* Ours: arm (fn != NULL) or cancel (fn == NULL) the one wake-up of this io. what: IO_WAIT_READ or IO_WAIT_WRITE.
     * fn must be called from the loop, never from within wait. 0, or -1 with EBUSY when another waiter is there, ENOMEM. */
    int (*wait)(io_object *io, int what, io_wrapper_wait_func fn, void *arg);
};

/* --- make: each returns an io with one reference, the caller's; NULL with errno --- */

/* Opens name: "scheme://…" by the registered scheme, anything else as a file path. options: open(2) flags; mode: permissions when created.
 * May block on the file system. Errors: as open(2), EPROTONOSUPPORT for an unknown scheme, ENOMEM. Any thread. */
HTTPSRV_API io_object *io_wrapper_open(const char *name, int options, int mode);
/* The same with a context set before the open; the io takes a reference on it. */
HTTPSRV_API io_object *io_wrapper_open2(const char *name, int options, int mode, ECDict context);
/* The same for files, making missing directories (mode dirmode) when options has O_CREAT. */
HTTPSRV_API io_object *io_wrapper_mkpath_and_open(const char *name, int options, int dirmode, int filemode);
/* An io on an open descriptor, which it owns and closes: regular file, pipe, FIFO, socket, terminal. Pollable ones are made non-blocking. */
HTTPSRV_API io_object *io_wrapper_fdopen(int fd);
/* Read-only io on memory. memtype says what happens with blob at the end: MEMTYPE_*. On failure (EINVAL: another memtype; ENOMEM) blob stays the caller's. */
HTTPSRV_API io_object *io_wrapper_open_memory(const char *blob, size_t len, int memtype);
/* The same on a copy of the memory. memtype: MEMTYPE_DONTCARE or MEMTYPE_IS_MALLOC_3C (both: malloc), MEMTYPE_IS_MMAP. */
HTTPSRV_API io_object *io_wrapper_copy_memory(const char *blob, size_t len, int memtype);
/* Readable and writable unnamed temporary file (O_TMPFILE in $TMPDIR or /tmp). */
HTTPSRV_API io_object *io_wrapper_open_tmpspool(void);
/* An io of wrapper's methods on an existing handle; open is not called. */
HTTPSRV_API io_object *io_wrapper_create_object(const io_wrapper *wrapper, void *handle);
/* A second io on the same bytes with its own position, at first at the start. ENOTSUP when the kind cannot. */
HTTPSRV_API io_object *io_wrapper_clone(io_object *io);
/* The wrapper of a scheme ("file", "memory", …) or NULL with ENOENT. */
HTTPSRV_API io_wrapper *io_wrapper_lookup(const char *scheme);
/* Ours: registers a scheme for all threads, for good. wrapper must stay valid. Its open gets what follows "://", and a 0 return keeps the io open.
 * 0; EEXIST (case does not count), EINVAL (bad scheme name or sizeof_self), ENOMEM. */
HTTPSRV_API int io_wrapper_define(const io_wrapper *wrapper);

/* --- use --- */

/* Up to nbytes bytes; 0 at the end; -1: EAGAIN, EBUSY while something else owns the io (a response that streams it), EBADF, EIO, …
 * In a thread without an event loop reads and writes do not give EAGAIN where the io can be polled or is worth retrying: they block. */
HTTPSRV_API ssize_t io_wrapper_read(io_object *io, void *buf, size_t nbytes);
/* As write(2) and writev(2), short writes included; -1: EAGAIN, EBADF, EPIPE (never a signal), ENOSPC, ENOTSUP for a read-only kind, EINVAL for a bad
 * vector. An io that something else reads can still be written to. */
HTTPSRV_API ssize_t io_wrapper_write(io_object *io, const void *buf, size_t nbytes);
HTTPSRV_API ssize_t io_wrapper_writev(io_object *io, const struct iovec *iov, int iovcnt);
/* Formatted write; the number of bytes attempted, as documented: what a full pipe or disk did not take is lost. -1 when nothing was written. */
HTTPSRV_API ssize_t io_wrapper_printf(io_object *io, const char *format, ...) __attribute__((format(printf, 2, 3)));
HTTPSRV_API ssize_t io_wrapper_vprintf(io_object *io, const char *format, va_list ap) __attribute__((format(printf, 2, 0)));
/* As lseek(2): the new position; -1: ESPIPE, EINVAL, EOVERFLOW, EBUSY, EBADF, EAGAIN while the IO pool reads for the io. */
HTTPSRV_API off_t io_wrapper_lseek(io_object *io, off_t offset, int whence);
HTTPSRV_API int io_wrapper_supports_lseek(io_object *io); /* 1 or 0 */
HTTPSRV_API int io_wrapper_flush(io_object *io);          /* 0, or -1 with errno */
/* Copies up to min(len, buflen) bytes from the current position on, over as many reads as it takes; bytes copied, or -1. */
HTTPSRV_API int io_wrapper_copy_to_buffer(io_object *io, char *buf, int buflen, int len);
/* The MEMTYPE_* when the whole content is one block of memory: *buf and *len (either may be NULL) are set, borrowed until the io goes.
 * 0 otherwise, and then they are NULL and 0. */
HTTPSRV_API int io_wrapper_is_memory_based(io_object *io, char **buf, size_t *len);
/* Total size in bytes, -1 with ENOTSUP when it is not known. */
HTTPSRV_API off_t io_wrapper_get_size(io_object *io);
/* Asks to be told, once, from the loop, when a read or write (what) is worth trying again; fn NULL cancels. Works for every io: a wrapper without wait is
 * polled by its pollable_fd, retried each 10 ms, or read in the IO pool. Until fn is called or the wait cancelled, the io keeps a reference of its own.
 * 0, or -1 with EBUSY (another waiter, or something else owns the io), EBADF, EINVAL, ENOMEM; EDEADLK in a thread without a loop. */
HTTPSRV_API int io_wrapper_wait(io_object *io, int what, io_wrapper_wait_func fn, void *arg);

/* --- life: any thread --- */
/* Adds a reference. */
HTTPSRV_API void io_wrapper_addref(io_object *io);
/* Drops a reference; the last one closes and frees. NULL is ignored. */
HTTPSRV_API void io_wrapper_delref(io_object *io);
HTTPSRV_API void io_wrapper_destroy(io_object *io); /* the same, older name */
/* The same, but a last reference is closed in the IO pool. */
HTTPSRV_API void io_wrapper_async_destroy(io_object *io);
/* Deprecated: closes whatever the reference count and does not free. Later calls give EBADF. */
HTTPSRV_API int io_wrapper_close(io_object *io) __attribute__((deprecated));
HTTPSRV_API void io_wrapper_async_close(io_object *io) __attribute__((deprecated));

/* --- jobs --- */

enum _io_job_status {
    IOJ_MISUSED = 0,   /* there was no buffer */
    IOJ_OPEN_FAILED,   /* errorcode says why, as for the next two */
    IOJ_READ_FAILED,
    IOJ_STORE_FAILED,  /* buffer could not take what was read */
    IOJ_COMPLETED,
};

struct _io_job {
    ec_async_job job;
    const char *filename;
    string *buffer; /* the caller's; set it before the job is queued */
    int errorcode;  /* an errno */
    enum _io_job_status status;
};

/* A job that reads the whole resource and appends it to buffer, in the IO pool. Only made: set buffer and how the job completes, then
 * ec_queue_async_job(job). Give it to free(3) when it has completed, or have that done (free_on_completion_memtype). NULL with errno ENOMEM, EINVAL.
 * Any thread. */
HTTPSRV_API io_job *io_wrapper_create_read_job(const char *filename);

/* --- look --- */
HTTPSRV_API const char *io_wrapper_get_path(io_object *io); /* borrowed until set_path or the end; NULL when there is none */
HTTPSRV_API void io_wrapper_set_path(io_object *io, const char *path); /* copied; without memory (errno ENOMEM) it stays what it was, also for set_scheme */
/* What set_scheme has set, else the scheme of its wrapper; borrowed until set_scheme or the end. */
HTTPSRV_API const char *io_wrapper_get_scheme(io_object *io);
HTTPSRV_API void io_wrapper_set_scheme(io_object *io, const char *scheme); /* copied, as by set_path */
HTTPSRV_API int io_wrapper_get_mode(io_object *io);    /* the permissions that it was opened with */
HTTPSRV_API int io_wrapper_get_options(io_object *io); /* the flags of open(2) that it was opened with */
/* Of an io on an application's wrapper; NULL, and setting does nothing, for the built-in kinds. */
HTTPSRV_API void *io_wrapper_get_handle(io_object *io);
HTTPSRV_API void io_wrapper_set_handle(io_object *io, void *handle);
HTTPSRV_API ECDict io_wrapper_get_context(io_object *io); /* borrowed */
HTTPSRV_API void io_wrapper_set_context(io_object *io, ECDict context);
HTTPSRV_API void *io_wrapper_get_app_context(io_object *io);
/* context for the application's use; dtor, when not NULL, is called just before the io is freed. */
HTTPSRV_API void io_wrapper_set_app_context_and_dtor(io_object *io, void *context, void (*dtor)(io_object *io));

#ifdef __cplusplus
}
#endif

#endif
