/* ipc.h - messages between the master and one worker, over a pair of sockets: unix(7), SOCK_SEQPACKET.
 * A message has a type, a number that an answer repeats, and bytes. What the kernel does not take yet is queued, up to a limit; the other side's end
 * is told once. Loop thread only. */
#ifndef HS_SERVER_IPC_H
#define HS_SERVER_IPC_H

#include <stddef.h>
#include <stdint.h>

#include "base/view.h"
#include "io/loop.h"

enum { HS_IPC_TEXT_MAX = 32 * 1024, HS_IPC_QUEUE_MAX = 4 * 1024 * 1024, HS_IPC_FDS_MAX = 3 };

struct hs_ipc;

struct hs_ipc_calls {
    /* text is borrowed for the call. */
    void (*message)(void *arg, uint32_t type, uint32_t number, struct hs_view text);
    /* The other side is gone, or cannot be talked to. The last call. */
    void (*closed)(void *arg);
};

/* Two connected descriptors, close-on-exec. 0 or an errno of socketpair(2). */
int hs_ipc_pair(int fds[2]);
/* Takes fd over, when it succeeds. 0; ENOMEM. */
int hs_ipc_new(struct hs_loop *loop, int fd, const struct hs_ipc_calls *calls, void *arg, struct hs_ipc **out);
/* Others are called from now on; also from within its own calls. */
void hs_ipc_rebind(struct hs_ipc *c, const struct hs_ipc_calls *calls, void *arg);
/* Closes it, also from within its own calls; nothing is called any more, and what is still queued is lost. NULL is ignored. */
void hs_ipc_free(struct hs_ipc *c);
/* Sends a message with up to HS_IPC_FDS_MAX descriptors, which stay the caller's. As hs_ipc_send, and EMFILE. */
int hs_ipc_send_fds(struct hs_ipc *c, uint32_t type, uint32_t number, struct hs_view text, const int *fds, size_t nfds);
/* Within message(): takes the i-th descriptor that came with it over; those that nobody takes are closed. -1: there is none. */
int hs_ipc_take_fd(struct hs_ipc *c, size_t i);
/* Sends a message. 0; EMSGSIZE: more than HS_IPC_TEXT_MAX bytes; ENOBUFS: the other side does not read; EPIPE: it is gone; ENOMEM. */
int hs_ipc_send(struct hs_ipc *c, uint32_t type, uint32_t number, struct hs_view text);
/* Delivers the messages that are here now, without a turn of the loop: before somebody who has ended is forgotten. Not from within its own calls. */
void hs_ipc_deliver(struct hs_ipc *c);

/* --- before there is a loop --- */

/* Sends a message through a descriptor that is nobody's channel yet. 0; EAGAIN: there is no room; other errors of sendmsg(2). */
int hs_ipc_write(int fd, uint32_t type, uint32_t number, struct hs_view text);
/* Waits up to ms for a message, whose text then is in text, with a NUL behind it. 0; ETIMEDOUT; EPIPE: the other side is gone; EMSGSIZE: there is no
 * room for it, or it is none; errors of recvmsg(2). */
int hs_ipc_read(int fd, int ms, uint32_t *type, uint32_t *number, char *text, size_t size);

#endif
