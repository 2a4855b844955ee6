/* identity.c - as whom the process runs.
 * The whole process changes, the master too: none of it keeps a privilege that it could be talked into using. What would need one later (the file of the
 * pid, sockets that a successor is to have) is opened before and kept open. */
#include "server/identity.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/ascii.h"

/* A whole decimal number that is an id; (uid_t)-1 means "leave it" to the system, and is none. */
static bool
parse_id(const char *text, unsigned *out)
{
    long long n;

    if (hs_ascii_to_int64(hs_view_of(text), &n) != 0 || n >= UINT32_MAX) {
        return false;
    }
    *out = (unsigned)n;
    return true;
}

static int
find_user(const char *user, struct hs_identity *id, bool needs_group, char *why, size_t size)
{
    unsigned number;
    const struct passwd *p = getpwnam(user);

    if (p == NULL && parse_id(user, &number)) {
        p = getpwuid(number);
        if (p == NULL) { /* a number without a name, as containers have them */
            id->uid = number;
            if (needs_group) {
                (void)snprintf(why, size, "there is no user %s, so a group must be named too", user);
                return ENOENT;
            }
            return 0;
        }
    }
    if (p == NULL || strlen(p->pw_name) >= sizeof id->name) {
        (void)snprintf(why, size, "there is no user '%s'", user);
        return ENOENT;
    }
    id->uid = p->pw_uid;
    id->gid = p->pw_gid;
    strcpy(id->name, p->pw_name);
    return 0;
}

static int
find_group(const char *group, struct hs_identity *id, char *why, size_t size)
{
    unsigned number;
    const struct group *g = getgrnam(group);

    if (g == NULL && !parse_id(group, &number)) {
        (void)snprintf(why, size, "there is no group '%s'", group);
        return ENOENT;
    }
    id->gid = g != NULL ? g->gr_gid : (gid_t)number;
    return 0;
}

int
hs_identity_find(const char *user, const char *group, struct hs_identity *out, char *why, size_t size)
{
    memset(out, 0, sizeof *out);
    out->uid = geteuid();
    out->gid = getegid();
    int err = user != NULL ? find_user(user, out, group == NULL, why, size) : 0;
    if (err == 0 && group != NULL) {
        err = find_group(group, out, why, size);
    }
    out->user = err == 0 && user != NULL;
    out->group = err == 0 && (user != NULL || group != NULL);
    return err;
}

/* --- becoming --- */

static bool
is_already(const struct hs_identity *id)
{
    uid_t r, e, s;
    gid_t rg, eg, sg;

    return getresuid(&r, &e, &s) == 0 && getresgid(&rg, &eg, &sg) == 0 && (!id->user || (r == id->uid && e == id->uid && s == id->uid)) &&
           rg == id->gid && eg == id->gid && sg == id->gid;
}

static int
take_groups(const struct hs_identity *id)
{
    if (!id->user) {
        return setgroups(1, &id->gid) == 0 ? 0 : errno;
    }
    return (id->name[0] != '\0' ? initgroups(id->name, id->gid) : setgroups(1, &id->gid)) == 0 ? 0 : errno;
}

/* No way back: asked for, it must be refused. */
static bool
can_return(const struct hs_identity *id)
{
    return id->user && id->uid != 0 && (setuid(0) == 0 || seteuid(0) == 0);
}

int
hs_identity_become(const struct hs_identity *id, char *why, size_t size)
{
    if (!id->group || (geteuid() != 0 && is_already(id))) {
        return 0;
    }
    int err = take_groups(id);
    if (err == 0 && setresgid(id->gid, id->gid, id->gid) != 0) {
        err = errno;
    }
    if (err == 0 && id->user && setresuid(id->uid, id->uid, id->uid) != 0) {
        err = errno;
    }
    if (err == 0 && (!is_already(id) || can_return(id))) {
        err = EPERM;
    }
    if (err != 0) {
        (void)snprintf(why, size, "cannot become user %ld, group %ld: %s%s", (long)id->uid, (long)id->gid, strerror(err),
                       geteuid() != 0 ? " (only root may)" : "");
    }
    return err;
}

int
hs_identity_give(const struct hs_identity *id, const char *path)
{
    if (!id->group) {
        return 0;
    }
    return lchown(path, id->user ? id->uid : (uid_t)-1, id->gid) == 0 ? 0 : errno;
}
