/* inherited.h - sockets that were open when the process began: handed in by systemd (LISTEN_FDS, sd_listen_fds(3)), or by the master that this one is to
 * replace. Each has a key: "fd:NAME" of systemd's, else what it was opened for. Who wants one takes it. Start of the process, one thread. */
#ifndef HS_SERVER_INHERITED_H
#define HS_SERVER_INHERITED_H

#include <stdbool.h>
#include <stddef.h>

struct hs_inherited_item {
    char *key;
    int fd; /* close-on-exec; -1: taken */
};

/* All zeros is an empty list. */
struct hs_inherited {
    struct hs_inherited_item *items;
    size_t n;
};

/* Adds a descriptor, which is the list's from then on. 0; ENOMEM, and it is still the caller's. */
int hs_inherited_add(struct hs_inherited *list, const char *key, int fd);
/* How many of a key there are that nobody has taken. */
size_t hs_inherited_count(const struct hs_inherited *list, const char *key);
/* Takes the next one of a key, which is the caller's then; -1: there is none. */
int hs_inherited_take(struct hs_inherited *list, const char *key);
/* The key of the first of systemd's sockets that nobody has taken; NULL: there is none. Borrowed. */
const char *hs_inherited_next_activated(const struct hs_inherited *list);
/* Closes those that nobody has taken, and frees the list. */
void hs_inherited_fini(struct hs_inherited *list);

/* Adds what systemd has handed in, if it is for this process, and takes the variables out of the environment either way. 0; EINVAL: the variables
 * are not what they should be; EBADF: a descriptor is not open; ENOMEM. */
int hs_inherited_from_systemd(struct hs_inherited *list);

#endif
