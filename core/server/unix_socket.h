/* unix_socket.h - the file of a listening unix socket: made, taken over when its owner is dead, removed. unix(7).
 * Never removes a file that is not a socket, a socket that somebody answers on, or one that is no longer ours. */
#ifndef HS_SERVER_UNIX_SOCKET_H
#define HS_SERVER_UNIX_SOCKET_H

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

/* Which file was made, so that only that one is removed. */
struct hs_unix_file {
    char path[sizeof(((struct sockaddr_un *)0)->sun_path) + 1]; /* "": none (abstract names have none) */
    dev_t dev;
    ino_t ino;
};

/* Binds fd to an address and listens. mode: of the file, which is never wider than that for a moment; -1: as umask(2) has it. A socket file that nobody listens on is replaced; two processes that try at once do not
 * take each other's (they hold a lock on the directory meanwhile). 0 with *file set; EADDRINUSE: somebody answers there; EEXIST: a file that is no
 * socket; other errors of bind(2), listen(2). */
int hs_unix_listen(int fd, const struct sockaddr_un *address, socklen_t len, int backlog, int mode, struct hs_unix_file *file);
/* Notes the file of a socket that another process has made and handed on, so that it is removed by this one; nothing when there is no socket at path. */
void hs_unix_adopt(const char *path, struct hs_unix_file *file);
/* From now on a socket that somebody answers on is replaced too: it is that of the process which this one succeeds. */
void hs_unix_succeed(void);
/* Removes the file when it is still the one that was made. */
void hs_unix_remove(struct hs_unix_file *file);

#endif
