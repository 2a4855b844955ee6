/* upgrade.h - how a master that is to replace another finds what that has left open for it. The other side is master_upgrade.c. One thread. */
#ifndef HS_SERVER_UPGRADE_H
#define HS_SERVER_UPGRADE_H

#include "server/inherited.h"
#include "server/listen_socket.h"

/* The variable that names the descriptor of the channel and the process that it is meant for, as LISTEN_PID does: "FD:PID". Not the one at the other end: that may have died,
 * and what it has left must be found all the same, or its sockets would stay open with nobody who knows of them. */
#define HS_UPGRADE_VARIABLE "HTTPSRV_UPGRADE"

/* Reads what the predecessor has left, if there is one, and takes the variable out of the environment. *channel: to it, the caller's; -1: there is none, and
 * nothing has been added. 0; EPROTO: it does not say what it should; errors of hs_ipc_read; ENOMEM. */
int hs_upgrade_begin(struct hs_inherited *list, int *channel);
/* The key of the next socket at an address, after the n that there are: one address may be listened at more than once (port 0). */
void hs_upgrade_socket_key(const struct hs_listen_socket *sockets, size_t n, const char *address, char *key, size_t size);
/* The key of the file of the pid. */
void hs_upgrade_pid_key(const char *path, char *key, size_t size);

#endif
