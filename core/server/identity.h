/* identity.h - as whom the process runs: the settings user and group, given up for good once what needs more has been opened.
 * passwd(5), setuid(2), initgroups(3). Start of the process, one thread. */
#ifndef HS_SERVER_IDENTITY_H
#define HS_SERVER_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct hs_identity {
    bool user, group; /* which of the two are asked for */
    uid_t uid;
    gid_t gid;
    char name[256]; /* whose supplementary groups are taken; "": those of a number without a name: none */
};

/* Looks names or numbers up; NULL: not asked for. Without a group it is the user's own. 0; ENOENT, with why (size bytes): there is no such user or group,
 * or a user that is only a number needs a group. */
int hs_identity_find(const char *user, const char *group, struct hs_identity *out, char *why, size_t size);
/* Becomes it, all ids and supplementary groups, and makes sure that there is no way back. Nothing happens when it is asked for nothing, or is that already.
 * 0; an errno value with why; the process must not go on then. */
int hs_identity_become(const struct hs_identity *id, char *why, size_t size);
/* Gives it a file, not following a link. 0; errno. Nothing happens when it is asked for nothing. */
int hs_identity_give(const struct hs_identity *id, const char *path);

#endif
