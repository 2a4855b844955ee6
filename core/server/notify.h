/* notify.h - what a service manager is told: sd_notify(3), over its datagram socket.
 * The protocol is a datagram of lines to one unix address; libsystemd would be a library to load into every program that embeds this one. Without a manager
 * (NOTIFY_SOCKET) everything here does nothing. One thread; one state for the process. */
#ifndef HS_SERVER_NOTIFY_H
#define HS_SERVER_NOTIFY_H

#include <stdint.h>

#include "io/loop.h"

/* Notes the manager's address and takes it out of the environment: children are not to speak for us. Once, at the start. */
void hs_notify_begin(void);
/* Sends lines, formatted as printf(3): "READY=1\nSTATUS=serves". What cannot be sent is logged. */
void hs_notify(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* That a reload begins; READY=1 says that it has ended. */
void hs_notify_reloading(void);
/* From now on the manager, where it asks for that, hears twice in its interval that the loop turns. 0; ENOMEM. */
int hs_notify_watch(struct hs_loop *loop);
/* Ends that. */
void hs_notify_unwatch(void);
/* The interval that the manager asks of this process, ns; 0: none. */
int64_t hs_notify_interval(void);
/* From now on nothing is sent: in a child after fork(2). */
void hs_notify_end(void);
/* In a child that is about to execute our successor: puts the variables back, the process being the one that is watched. 0; ENOMEM. */
int hs_notify_hand_on(void);

#endif
