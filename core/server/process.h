/* process.h - the process around a server, or a master, that the command runs: signals, the terminal, limits. The loop's thread only. */
#ifndef HS_SERVER_PROCESS_H
#define HS_SERVER_PROCESS_H

#include <stdbool.h>

#include "io/loop.h"

struct hs_process;

/* Raises the soft limit of open files to the hard one (getrlimit(2)). What cannot be had is done without. */
void hs_process_raise_limits(void);

/* Writing to a pipe without a reader (SIGPIPE) or beyond the size that files may have (SIGXFSZ) is an error of the write from now on, and not the end,
 * unless the process has decided otherwise before. Programs that are executed get the default actions back. */
void hs_process_survive_writes(void);

/* What is asked of whoever runs in the process. */
struct hs_process_calls {
    bool (*stopping)(void *arg);                 /* whether it has begun to stop */
    void (*drain)(void *arg, const char *why);   /* finish what runs, then stop; why: "SIGTERM". Not while it is stopping */
    void (*stop)(void *arg);                     /* at once; a second signal asks for it */
    void (*reload)(void *arg);
    void (*reopen)(void *arg);  /* the log files */
    void (*upgrade)(void *arg); /* start the program anew in place of this one; NULL: it cannot be */
};
/* For a struct httpsrv_server, which is their arg, and has been started. */
extern const struct hs_process_calls hs_process_server;

/* From now on TERM and INT drain, a second one of them stops at once, HUP reloads, USR1 opens log files anew, and USR2 upgrades. When stdin or stderr is a terminal and that goes away, or when HUP comes
 * because the controlling terminal has gone, it is a drain too, unless HUP was ignored when the process started (nohup(1)). 0 or ENOMEM. */
int hs_process_watch(struct hs_loop *loop, const struct hs_process_calls *calls, void *arg, struct hs_process **out);
/* Back to before. NULL is ignored. */
void hs_process_unwatch(struct hs_process *p);

#endif
