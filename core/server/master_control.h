/* master_control.h - a master's control socket: commands of its own, and those of scripts, which every worker carries out (or one: --worker N).
 * Main thread. */
#ifndef HS_SERVER_MASTER_CONTROL_H
#define HS_SERVER_MASTER_CONTROL_H

#include <stdint.h>

#include "base/view.h"
#include "server/message.h"

struct hs_control_call;
struct master;
struct slot;

/* Opens the socket. 0; an errno value, which has been complained about. */
int master_control_open(struct master *m);
/* A successor has a socket of its own: only what has begun is still carried out. */
void master_control_retire(struct master *m);
/* Closes it, and the connections of commands that are being carried out, of which nobody hears any more. */
void master_control_close(struct master *m);
/* The same in a child after fork(2), where all that was the master's stays untouched. */
void master_control_leave(struct master *m);
/* Where the socket is; NULL: there is none. Borrowed. */
const char *master_control_path(const struct master *m);
/* Writes the names of the commands that the scripts have registered, and ends the call. */
void master_control_names(struct master *m, struct hs_control_call *call);
/* A worker has written for a command, or has ended it. */
void master_control_message(struct slot *s, enum hs_message type, uint32_t number, struct hs_view text);
/* A worker is gone, and with it what it carried out. */
void master_control_gone(struct slot *s);

#endif
