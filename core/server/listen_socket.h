/* listen_socket.h - sockets that listen: bound, named, and with the options that accepted sockets inherit. socket(7), tcp(7), unix(7).
 * One struct is one address; its descriptors are lanes. A TCP address that several processes share has a socket for each (SO_REUSEPORT), so that the
 * kernel deals the connections out; a unix socket is one lane for all. */
#ifndef HS_SERVER_LISTEN_SOCKET_H
#define HS_SERVER_LISTEN_SOCKET_H

#include <stdbool.h>
#include <stddef.h>

#include "misc/ec_sockaddr.h"
#include "server/listen_options.h"
#include "server/unix_socket.h"

struct hs_listen_socket {
    int *fds; /* non-blocking, close-on-exec */
    size_t lanes;
    bool tcp;
    char address[EC_SOCKADDR_TEXT_MAX]; /* with the port that it really has */
    struct hs_unix_file file;           /* of a unix socket: removed with it */
    struct hs_listen_options options;
};

/* Binds and listens; connections wait from now on. address: as hs_listen_options_parse takes it, but no fd:NAME. lanes: how many sockets share a TCP address; 1:
 * one that shares with nobody. backlog: where the options do not say another.
 * 0; EINVAL: it is none; EADDRINUSE (also when the other server shares its port by SO_REUSEPORT), EEXIST (a file that is no socket) and other errors
 * of socket(2), bind(2), listen(2); ENOMEM. */
int hs_listen_socket_open(const char *address, size_t lanes, int backlog, struct hs_listen_socket *out);
/* Takes over n sockets that listen already, all at one address, as lanes; fds, of malloc(3), and what is in it belong to *out then, and are closed and
 * freed on error. text: as hs_listen_options_parse takes it; its mode and backlog come too late. 0; EINVAL; EPROTOTYPE: allow or
 * deny for a unix socket, whose clients have no addresses; ENOTSOCK, EOPNOTSUPP: it is no socket that
 * listens for streams; ENOMEM. */
int hs_listen_socket_take(const char *text, int *fds, size_t n, struct hs_listen_socket *out);
/* What an error of open means, for people: "cannot listen at 80: Permission denied". */
void hs_listen_socket_explain(const char *address, int err, char *dst, size_t size);
/* Closes the descriptors. The file of a unix socket is removed when ours says so: it belongs to the process that opened it. */
void hs_listen_socket_close(struct hs_listen_socket *s, bool ours);

#endif
