/* master.h - the process that supervises workers: it opens the sockets, forks, restarts what dies, and passes on when to stop.
 * It never touches traffic and runs no script. Main thread; no other thread may exist, since it forks. */
#ifndef HS_SERVER_MASTER_H
#define HS_SERVER_MASTER_H

#include "server/settings.h"

/* Serves path with as many worker processes as the settings say (at least 1) until TERM or INT; a second one of them stops at once. Each TCP address has a socket for
 * each worker, kept while a dead worker is replaced. The exit status, also of the workers, in which this returns as well: 0, or 1 after an error,
 * which has been reported. */
int hs_master_run(struct hs_settings *settings, const char *path);

#endif
