/* io.h - what the core itself does with io_objects, beyond the public io_wrapper.h.
 * Constructors of the kinds that have no C name in the manual, and the owner's view: who has claimed an io
 * (a response that streams it, a filter over it) reads it through hs_io_* while io_wrapper_* give EBUSY. */
#ifndef HS_IO_IO_H
#define HS_IO_IO_H

#include <stdbool.h>

#include "io/loop.h"
#include "io/pool.h"
#include "io_wrapper.h"

/* --- ownership --- */
/* Claims the io for one reader: 0, EBUSY when claimed or waited on already, EBADF when closed. */
int hs_io_claim(io_object *io);
void hs_io_release(io_object *io);
bool hs_io_is_claimed(const io_object *io);
/* Whether another thread may have it: 0; EBUSY: something waits for it, has claimed it or is under way for it; ENOTSUP: it, or something it reads,
 * works only in the thread that made it (a channel; hs_io_bind); EBADF: closed. Who hands it over uses it no more. */
int hs_io_travels(io_object *io);
/* Says that the io works only in its thread. */
void hs_io_bind(io_object *io);

/* --- the owner's calls: as their io_wrapper_* counterparts, without the EBUSY check --- */
ssize_t hs_io_read(io_object *io, void *buf, size_t n);
int hs_io_wait(io_object *io, int what, io_wrapper_wait_func fn, void *arg); /* 0 or errno */
off_t hs_io_lseek(io_object *io, off_t offset, int whence);
/* Bytes from the current position to the end: size minus position; -1 when that is not known. */
off_t hs_io_remaining(io_object *io);

/* --- sendfile --- */
struct hs_io_window {
    int fd;     /* borrowed */
    off_t off;  /* file offset of the io's current position */
    size_t len; /* bytes that are in the page cache now, at most what was asked for; 0 at the end */
};
/* For io_objects over regular files (and ranges of them): the next bytes that sendfile(2) can send without waiting for a disk.
 * 0; EAGAIN: being fetched by the IO pool, use hs_io_wait; ENOTSUP: not such an io, read it; EIO. */
int hs_io_window(io_object *io, size_t max, struct hs_io_window *w);
/* Moves the position on after n bytes of a window, or (memory) n peeked bytes, were used. */
void hs_io_consume(io_object *io, size_t n);
/* For io_objects whose next bytes lie in memory already (memory, growbuf, channel): borrows them until the next call on the io. 0 with *len == 0
 * at the end; EAGAIN; ENOTSUP: read it. */
int hs_io_peek(io_object *io, const char **p, size_t *len);

/* Whether disks may hold up the calling thread although it has a loop: on in pool threads while they run scripts. False at first. */
void hs_io_set_disk_blocking(bool on);

/* --- kinds --- */
/* Opening blocks on the file system (io_wrapper_open); on a loop: */
struct hs_io_open_job;
/* Opens in the IO pool; done is called on the loop, never from within this call, with the io (the callee's; or NULL and err an errno). A FIFO
 * waits there for its other end, as open(2) does unless options has O_NONBLOCK, without a thread of the pool. *job is valid until done is
 * called, and can be cancelled: then done is not called and a late io is closed. 0; ENOMEM; EDEADLK in a thread without a loop; EAGAIN when
 * the pool takes no more work. */
int hs_io_open_async(const char *name, int options, int mode, void (*done)(void *arg, io_object *io, int err), void *arg,
                     struct hs_io_open_job **job);
/* The same, but what the kernel can open without waiting (openat2(2), RESOLVE_CACHED) is opened at once: 0 and *io, *job NULL, done is not
 * called. EINPROGRESS: *io NULL, done will be called. Other errors: of open(2), or as above. */
int hs_io_open_start(const char *name, int options, int mode, void (*done)(void *arg, io_object *io, int err), void *arg,
                     struct hs_io_open_job **job, io_object **io);
void hs_io_open_cancel(struct hs_io_open_job *job);

/* An empty growing buffer (ec_growbuf.h): content up to memory_max bytes is kept in memory, what lies past that in an unnamed temporary
 * file (memory_max 0: all of it). first: bytes of the first chunk with its NUL, 0: 4096; never more than memory_max. NULL with ENOMEM.
 * hs_io_peek lends the bytes in memory, hs_io_window those in the file; each gives ENOTSUP for the other's. Any thread. */
io_object *hs_io_growbuf(size_t first, size_t memory_max);

/* Two ends of pipe(2). 0 or errno. */
int hs_io_pipe(io_object **reader, io_object **writer);
/* Starts connecting to "host:port" (an address, no name look-up), "[v6]:port" or "unix:/path"; reads and writes give EAGAIN until connected, then
 * the connect error if there was one. NULL with errno EINVAL for a bad address. */
io_object *hs_io_connect(const char *address);
/* Runs argv (NULL-terminated, argv[0] looked for as execvp(3) does; a file without a "#!" line is no program) with pipes as its stdin and
 * stdout and our stderr, in a process group of its own, with no signal blocked or ignored and no other descriptor open. Both ios are
 * non-blocking on our side alone. 0, and the caller's are two ios and the handle, which own the child together: once the last of them is gone
 * its group gets SIGKILL if it still runs, and it is reaped in any case. Else errno, also of exec: ENOENT, EACCES, ENOEXEC, E2BIG; EINVAL: no
 * argv; EMFILE, ENFILE, EAGAIN, ENOMEM; then nothing is set. Any thread; blocks until the program has been loaded. */
struct hs_child;
int hs_io_popen(char *const argv[], io_object **to_stdin, io_object **from_stdout, struct hs_child **child);
/* Sends a signal to the child's process group, unless the child has been seen to have ended. Any thread. */
void hs_child_kill(struct hs_child *c, int sig);
/* Exit status as waitpid(2) gives it: 0 and *status, as often as asked; EAGAIN while it runs: fn, when not NULL, is called once on this thread's
 * loop when it has ended (ask again then). fn NULL cancels an earlier one, and so does a 0. EBUSY: an earlier fn has not been called yet; EDEADLK:
 * fn in a thread without a loop; ECHILD: something else in this process has reaped it, or ignores SIGCHLD; ENOMEM. One thread at a time, and
 * while fn is to be called that of its loop. */
int hs_child_wait(struct hs_child *c, int *status, void (*fn)(void *arg), void *arg);
/* Gives up the handle, and with it an fn that was not called yet. NULL is fine. */
void hs_child_delref(struct hs_child *c);

/* These take their sources over: claimed until the result is closed, and a reference of their own is taken. NULL with errno (EBUSY: a source is claimed). */
io_object *hs_io_concat(io_object *const *sources, size_t n);
/* Bytes first..last (inclusive, from the source's start; last -1: to its end). ESPIPE unless seekable, EINVAL for first > last or negative. */
io_object *hs_io_range(io_object *source, off_t first, off_t last);
/* gzip format (RFC 1952) of the source's bytes from its position on; level 1..9, -1 default; flushes (Z_SYNC_FLUSH) when the source says EAGAIN. */
io_object *hs_io_gzip(io_object *source, int level);

/* The io, which works only in the thread of the calling thread's loop, as one that pool threads may read: each read blocks there until the loop has
 * bytes, and gives ECONNABORTED when the job is freed from it (crossing.h). Takes a reference of its own. In the loop's thread it is the io itself.
 * NULL with ENOMEM. */
io_object *hs_io_remote(io_object *inner);

/* --- channel: bytes handed from one side of the program to another, with a limit ---
 * Several reader ios share one cursor (they see the bytes once). The writer's side is a plain struct. Loop thread only. */
struct hs_channel;
struct hs_channel_events {
    void (*started)(void *arg); /* before the first read or wait of any reader, once; NULL: none */
    void (*room)(void *arg);    /* bytes were taken and less than the low mark is left; called from reads: defer what is more than a flag */
    void (*closed)(void *arg);  /* the last reader is gone, nobody will read any more */
    void (*waiting)(void *arg, bool on); /* a reader that found nothing has armed its wake-up (on), or has cancelled it */
};
/* high: bytes past which hs_channel_room is 0; low: see room. The channel lives until hs_channel_free by its writer; readers left get end/err. */
int hs_channel_new(size_t high, size_t low, const struct hs_channel_events *ev, void *arg, struct hs_channel **out);
/* A new reader io on the shared cursor. NULL with ENOMEM. */
io_object *hs_channel_reader(struct hs_channel *c);
size_t hs_channel_room(const struct hs_channel *c);
size_t hs_channel_queued(const struct hs_channel *c);
/* Queues a copy of all n bytes, even past the high mark (by at most what one call gives). 0, ENOMEM; EPIPE after the end was given. */
int hs_channel_write(struct hs_channel *c, const void *data, size_t n);
/* Gives the end: err 0: end of stream; else reads give -1/err once what is queued has been read (at once when discard). */
void hs_channel_end(struct hs_channel *c, int err, bool discard);
/* The queued bytes as one run (made contiguous), without taking them. */
int hs_channel_peek_all(struct hs_channel *c, const char **p, size_t *n);
void hs_channel_set_marks(struct hs_channel *c, size_t high, size_t low);
void hs_channel_free(struct hs_channel *c);

#endif
