/* ec_growbuf.h - io_objects over a growing buffer.
 * What is written is kept in a chain of chunks of memory; past a threshold the rest goes to an unnamed temporary file. Reads,
 * writes and seeks as in a file; clones share the content and have a position each. A chunk never moves and lives as long
 * as the content. */
#ifndef EC_GROWBUF_H
#define EC_GROWBUF_H

#include "io_wrapper.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A new, empty growing buffer with the caller's reference. size: bytes of the first chunk, with the terminating NUL that
 * follows each chunk's bytes; 0: 4096. The threshold is 1 MiB, also for the first chunk. NULL with errno ENOMEM. Any thread. */
HTTPSRV_API io_object *ec_growbuf_io_open(size_t size);
/* The bytes from the position of the io to the end of the chunk that it is in: *outbuf points to them, the result is their number. In
 * memory they are followed by a NUL (which is not counted) where the chunk or the content ends, and may be looked at as long as the
 * content lives; bytes of the temporary file only until the next call on the io. At the end: 0 and *outbuf NULL. -1 and *outbuf NULL
 * with errno: EAGAIN, use io_wrapper_wait; EINVAL for another kind of io; EBADF, EBUSY, ENOMEM, EIO. Any thread, one at a time. */
HTTPSRV_API int ec_growbuf_io_cur_chunk(io_object *io, char **outbuf);
/* Moves the position to the beginning of the next chunk and gives that, as ec_growbuf_io_cur_chunk does; 0 and *outbuf NULL when there
 * is none. After EAGAIN wait, and ask ec_growbuf_io_cur_chunk: what it then gives is the first that was not given yet. */
HTTPSRV_API int ec_growbuf_io_next_chunk(io_object *io, char **outbuf);

#ifdef __cplusplus
}
#endif

#endif
