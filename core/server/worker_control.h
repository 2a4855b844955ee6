/* worker_control.h - control commands that a master hands on to a worker: those of its scripts. Loop thread only. */
#ifndef HS_SERVER_WORKER_CONTROL_H
#define HS_SERVER_WORKER_CONTROL_H

#include "base/view.h"
#include "httpsrv/server.h"
#include "server/ipc.h"

struct hs_worker_control;

/* 0; ENOMEM. ipc: where output goes; it and the server outlive this. */
int hs_worker_control_new(struct httpsrv_server *server, struct hs_ipc *ipc, struct hs_worker_control **out);
/* The master is not talked to any more; ipc can go. NULL is ignored. */
void hs_worker_control_detach(struct hs_worker_control *c);
/* After the server has been freed, and all commands have ended with it. NULL is ignored. */
void hs_worker_control_free(struct hs_worker_control *c);
/* HS_MESSAGE_COMMAND: begins. What cannot begin is answered at once. */
void hs_worker_control_run(struct hs_worker_control *c, uint32_t number, struct hs_view words);
/* HS_MESSAGE_CANCEL: gives up a command; one that has ended is ignored. */
void hs_worker_control_cancel(struct hs_worker_control *c, uint32_t number);

#endif
