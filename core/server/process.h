/* process.h - the process around a server that the command runs: signals, the terminal, limits. One server, its thread. */
#ifndef HS_SERVER_PROCESS_H
#define HS_SERVER_PROCESS_H

#include "httpsrv/server.h"

struct hs_process;

/* Raises the soft limit of open files to the hard one (getrlimit(2)). What cannot be had is done without. */
void hs_process_raise_limits(void);

/* From now on TERM and INT drain the server, a second one of them stops it at once, and HUP reloads it. When stdin or stderr is a terminal and that goes away,
 * or when HUP comes because the controlling terminal has gone, the server is drained, unless HUP was ignored when the process started (nohup(1)). The
 * server has been started. 0 or ENOMEM. */
int hs_process_watch(struct httpsrv_server *server, struct hs_process **out);
/* Back to before. NULL is ignored. */
void hs_process_unwatch(struct hs_process *p);

#endif
