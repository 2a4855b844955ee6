/* inherited.c - sockets that were open when the process began.
 * systemd says in LISTEN_PID for whom they are: a child that got the variables by accident leaves the descriptors alone. */
#include "server/inherited.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/ascii.h"

enum { FIRST_FD = 3, FDS_MAX = 1024 };

int
hs_inherited_add(struct hs_inherited *list, const char *key, int fd)
{
    char *copy = strdup(key);
    struct hs_inherited_item *items = copy != NULL ? realloc(list->items, (list->n + 1) * sizeof *items) : NULL;

    if (items == NULL) {
        free(copy);
        return ENOMEM;
    }
    items[list->n].key = copy;
    items[list->n++].fd = fd;
    list->items = items;
    return 0;
}

size_t
hs_inherited_count(const struct hs_inherited *list, const char *key)
{
    size_t n = 0;

    for (size_t i = 0; i < list->n; i++) {
        n += list->items[i].fd >= 0 && strcmp(list->items[i].key, key) == 0;
    }
    return n;
}

int
hs_inherited_take(struct hs_inherited *list, const char *key)
{
    for (size_t i = 0; i < list->n; i++) {
        int fd = list->items[i].fd;
        if (fd >= 0 && strcmp(list->items[i].key, key) == 0) {
            list->items[i].fd = -1;
            return fd;
        }
    }
    return -1;
}

const char *
hs_inherited_next_activated(const struct hs_inherited *list)
{
    for (size_t i = 0; i < list->n; i++) {
        if (list->items[i].fd >= 0 && strncmp(list->items[i].key, "fd:", 3) == 0) {
            return list->items[i].key;
        }
    }
    return NULL;
}

void
hs_inherited_fini(struct hs_inherited *list)
{
    for (size_t i = 0; i < list->n; i++) {
        if (list->items[i].fd >= 0) {
            (void)close(list->items[i].fd);
        }
        free(list->items[i].key);
    }
    free(list->items);
    *list = (struct hs_inherited){ NULL, 0 };
}

/* --- systemd --- */

/* A decimal number from 1 to max. */
static bool
parse(const char *text, long max, long *out)
{
    long long n;

    if (hs_ascii_to_int64(hs_view_of(text), &n) != 0 || n < 1 || n > max) {
        return false;
    }
    *out = (long)n;
    return true;
}

/* Adds n descriptors with the names, which have colons between them; names that are missing are "unknown". */
static int
add_all(struct hs_inherited *list, long n, const char *names)
{
    for (long i = 0; i < n; i++) {
        size_t length = names != NULL ? strcspn(names, ":") : 0;
        char key[300];
        int fd = FIRST_FD + (int)i;
        int flags = fcntl(fd, F_GETFD);

        if (flags < 0 || fcntl(fd, F_SETFD, flags | FD_CLOEXEC) != 0) {
            return EBADF;
        }
        (void)snprintf(key, sizeof key, "fd:%.*s", length != 0 ? (int)(length < 255 ? length : 255) : 7, length != 0 ? names : "unknown");
        int err = hs_inherited_add(list, key, fd);
        if (err != 0) {
            return err;
        }
        names = names != NULL && names[length] == ':' ? names + length + 1 : NULL;
    }
    return 0;
}

int
hs_inherited_from_systemd(struct hs_inherited *list)
{
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS"), *names = getenv("LISTEN_FDNAMES");
    long whose, n = 0;
    int err = 0;

    if (pid != NULL && fds != NULL) {
        if (!parse(pid, INT32_MAX, &whose) || (strcmp(fds, "0") != 0 && !parse(fds, FDS_MAX, &n))) {
            err = EINVAL;
        } else if (whose == (long)getpid() && strcmp(fds, "0") != 0) {
            err = add_all(list, n, names);
        }
    }
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
    return err;
}
