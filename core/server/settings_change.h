/* settings_change.h - settings that are read again while a server runs: what has changed, what may, and how other processes are told. One thread at a
 * time. */
#ifndef HS_SERVER_SETTINGS_CHANGE_H
#define HS_SERVER_SETTINGS_CHANGE_H

#include "base/buf.h"
#include "base/view.h"
#include "server/settings.h"

/* Names of settings, with commas between; cut where there are more than fit. */
struct hs_settings_change {
    char changed[1024]; /* those that have another value now */
    char fixed[512];    /* those that would have, and need a restart */
};

/* next is what has been read anew. What needs a restart gets its value in now again, and both kinds are named. 0; ENOMEM. */
int hs_settings_settle(struct hs_settings *next, const struct hs_settings *now, struct hs_settings_change *change);

/* Says in the log what has changed and what has not. */
void hs_settings_change_log(const struct hs_settings_change *change);

/* Whether the access log is the same by both, and has the same lines. */
bool hs_settings_same_access_log(const struct hs_settings *a, const struct hs_settings *b);

/* Appends what a file has set, for another process with the same command line. 0; ENOMEM, EMSGSIZE. */
int hs_settings_pack(const struct hs_settings *s, struct hs_buf *out);
/* Sets what was packed, in place of all that a file has set before. 0; EINVAL: it is no such text; ENOMEM. On error some may be set already. */
int hs_settings_unpack(struct hs_settings *s, struct hs_view packed);
/* Packs to the start of a file. 0; ENOMEM; errors of write(2). */
int hs_settings_write(const struct hs_settings *s, int fd);
/* Appends what was written there, wherever in the file fd stands. 0; ENOMEM; EMSGSIZE: more than 64 MiB; errors of pread(2). */
int hs_settings_read(int fd, struct hs_buf *out);

#endif
