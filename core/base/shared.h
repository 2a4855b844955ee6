/* shared.h - dictionaries that all processes of a server share: keys are bytes, values are bytes, numbers or booleans, each with an end if it is to have one.
 * One lies in a piece of the region (base/region.h), under one lock that outlives whoever dies with it. When it is full, what has not been used for longest makes
 * room. Whatever moment a process dies at, the others find every value whole: the old one or the new one. Any thread. */
#ifndef HS_BASE_SHARED_H
#define HS_BASE_SHARED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/view.h"

struct hs_shared;

enum hs_shared_type { HS_SHARED_STRING, HS_SHARED_NUMBER, HS_SHARED_BOOLEAN };
enum { HS_SHARED_SIZE_MIN = 16 * 1024, HS_SHARED_KEY_MAX = 65535 };

struct hs_shared_value {
    enum hs_shared_type type;
    double number;       /* a boolean: 0 or 1 */
    struct hs_view text; /* a string */
};

/* Whether a value may be there already. */
enum hs_shared_put { HS_SHARED_SET, HS_SHARED_ADD, HS_SHARED_REPLACE };

struct hs_shared_stat {
    size_t size;        /* bytes, as it was made */
    size_t count;       /* entries, those included whose time is over and that nobody has asked for since */
    size_t free;        /* bytes that can be written without anything making room */
    uint64_t evicted;   /* entries that have made room */
    uint64_t repaired;  /* times that a process has died while it was writing */
};

/* The dictionary of that name, made with so many bytes if it is not there (with others, when it is: they stay). size 0: it has to be there. 0; EINVAL: less
 * than HS_SHARED_SIZE_MIN; as hs_region_piece. Nothing is to be given back. */
int hs_shared_open(struct hs_view name, size_t size, struct hs_shared **out);

/* Every key has from 1 to HS_SHARED_KEY_MAX bytes. Times are in ns; 0: no end. */

/* Copies the value: a string into buf, if it has room. 0; ENOENT; EMSGSIZE: out->text.n is how many bytes it has. */
int hs_shared_get(struct hs_shared *d, struct hs_view key, char *buf, size_t room, struct hs_shared_value *out);
/* 0; EEXIST (add), ENOENT (replace); ENOSPC: it is larger than all of the dictionary. */
int hs_shared_put(struct hs_shared *d, struct hs_view key, const struct hs_shared_value *v, int64_t ttl, enum hs_shared_put how);
/* Adds to a number; where there is nothing init, if not NULL, is taken for it, which then has an end after ttl. 0 and the sum; ENOENT; EINVAL: no
 * number; ENOSPC. */
int hs_shared_incr(struct hs_shared *d, struct hs_view key, double by, const double *init, int64_t ttl, double *sum);
/* 0; ENOENT. */
int hs_shared_delete(struct hs_shared *d, struct hs_view key);
/* What is left of its time, 0: it has no end. 0; ENOENT. */
int hs_shared_ttl(struct hs_shared *d, struct hs_view key, int64_t *ttl);
/* Gives it another end. 0; ENOENT. */
int hs_shared_expire(struct hs_shared *d, struct hs_view key, int64_t ttl);
/* Deletes all. */
void hs_shared_flush(struct hs_shared *d);
/* Deletes up to max (0: all) of those whose time is over. How many. */
size_t hs_shared_flush_expired(struct hs_shared *d, size_t max);
/* Calls fn for up to max keys (0: all), those used last first, until it returns false. It must not call others of these. */
void hs_shared_keys(struct hs_shared *d, size_t max, bool (*fn)(void *arg, struct hs_view part, bool last), void *arg);
void hs_shared_get_stat(struct hs_shared *d, struct hs_shared_stat *st);

/* For tests: locks, and never unlocks; as whoever dies at this moment. */
void hs_shared_lock_for_ever(struct hs_shared *d);

#endif
