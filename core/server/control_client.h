/* control_client.h - the other end of the control socket: finds a server and has it carry out a command. Blocks; any thread. */
#ifndef HS_SERVER_CONTROL_CLIENT_H
#define HS_SERVER_CONTROL_CLIENT_H

#include <stdio.h>

#include "server/unix_socket.h"

enum { HS_CONTROL_PATH_MAX = sizeof(((struct hs_unix_file *)0)->path) };

/* The ending of an admin listener's unix socket, in place of that of the control socket beside it. */
#define HS_ADMIN_SUFFIX ".admin"

/* The directory where servers of this user listen when nothing else is said: $XDG_RUNTIME_DIR/httpsrv, or else /tmp/httpsrv-UID. 0; EINVAL: it
 * is too long. dir has HS_CONTROL_PATH_MAX bytes. */
int hs_control_dir(char *dir);
/* The path of this process in that directory, which is made if need be, and from which sockets that nobody listens on are removed. 0; EPERM: it belongs to another user or others can get at it; EINVAL; errors of
 * mkdir(2). path has HS_CONTROL_PATH_MAX bytes. */
int hs_control_default_path(char *path);
/* Finds the one server that answers in that directory. 0 with path; ENOENT: there is none; EEXIST: several, path is one of them;
 * EPERM, EINVAL. found is called for each that answers; it may be NULL. */
int hs_control_find(char *path, void (*found)(void *arg, const char *path), void *arg);

/* Has the server at path carry out a command, and copies what it writes. 0 with the exit status; errors of connect(2) (ENOENT, ECONNREFUSED,
 * EACCES); EPERM: the server is another user's; E2BIG: too many or too long words; EINVAL: no word, or path too long; ECONNRESET: the server
 * went away before the end; EPROTO: that is no control socket; EIO: out or err cannot be written. */
int hs_control_command(const char *path, int argc, char *const *argv, FILE *out, FILE *err, int *status);

#endif
