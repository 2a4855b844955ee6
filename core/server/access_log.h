/* access_log.h - the access log of one process: a line for each request that ends, gathered and written by a thread of the IO pool.
 *
 * Lines are made into a buffer and handed over when it is full or a second after its first line, so a process that is killed loses a second of them at
 * most. The loop never waits: what cannot be written yet (a disk that is full or stands still, a reader of a pipe that is slow) is kept, up to 1 MiB,
 * and tried again; what comes beyond that is counted as lost. Trouble and its end are told in the error log, once a minute at most.
 * Loop thread only. */
#ifndef HS_SERVER_ACCESS_LOG_H
#define HS_SERVER_ACCESS_LOG_H

#include "server/access_line.h"
#include "server/log_target.h"

struct hs_access_log;
struct hs_access_change;

struct hs_access_log_options {
    struct hs_log_target target; /* not NONE; its path is copied */
    enum hs_access_format format;
    unsigned worker;
    const char *syslog_path; /* NULL: /dev/log */
};

struct hs_access_log_stats {
    unsigned long long lines, lost; /* made; not written and never will be */
    unsigned long long errors;      /* of write(2) and the like */
    size_t waiting;                 /* bytes made and not yet written */
};

/* fd: what hs_log_target_open gave for the target (-1 for syslog); taken over when it succeeds. 0; ENOMEM. */
int hs_access_log_new(struct hs_loop *loop, const struct hs_access_log_options *options, int fd, struct hs_access_log **out);
/* A request has ended; client is its address as far as it can be trusted (NULL: that of its peer). JSON asks the session for the request's id. */
void hs_access_log_add(struct hs_access_log *log, const struct hs_request_end *e, struct hs_view client);
/* What comes from now on, and maybe some of what came before, goes to fd, which is taken over. */
void hs_access_log_switch(struct hs_access_log *log, int fd);
/* Makes ready to write elsewhere, in another format or not at all: fd as for hs_access_log_new, taken over when it succeeds; the target may be NONE, with
 * -1. 0; ENOMEM. */
int hs_access_change_new(const struct hs_access_log_options *options, int fd, struct hs_access_change **out);
/* It is not to be; closes its fd. NULL is ignored. */
void hs_access_change_free(struct hs_access_change *c);
/* Lines made from now on go to where the change says, those before to where they went; if these cannot be written there, they go with the others. The
 * change is taken over. */
void hs_access_log_apply(struct hs_access_log *log, struct hs_access_change *c);
/* Has a file opened anew by its name. 0; errors of open(2), and then the former goes on. Nothing for other kinds. */
int hs_access_log_reopen(struct hs_access_log *log);
/* Has what there is written now. */
void hs_access_log_flush(struct hs_access_log *log);
void hs_access_log_get_stats(const struct hs_access_log *log, struct hs_access_log_stats *st);
/* Writes what is left, for a second at most where that must wait, and closes. The pools must have been stopped and the loop turned since
 * (hs_pools_stop). NULL is ignored. */
void hs_access_log_free(struct hs_access_log *log);

#endif
