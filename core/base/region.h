/* region.h - memory that all processes of one server share: one anonymous mapping, made before they are forked, at the same address in all.
 * It costs nothing until it is used. Pieces of it are had by name and stay as long as the mapping; what lies in them outlives the processes that write it, so
 * every piece needs locks that outlive their holders, too (hs_robust_*). Any thread. */
#ifndef HS_BASE_REGION_H
#define HS_BASE_REGION_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/view.h"

enum { HS_REGION_NAME_MAX = 128, HS_REGION_PIECES = 256 };

/* Makes the mapping of this process and of those that it will fork; size 0: there is none, and nobody gets a piece. Without this call the first who needs it
 * makes one of HS_REGION_DEFAULT bytes. 0; EBUSY: there is one already; ENOMEM. */
int hs_region_open(size_t size);
#define HS_REGION_DEFAULT ((size_t)64 * 1024 * 1024)
/* Unmaps it in this process, which has its own from now on, when it needs one. Nobody uses a piece any more. */
void hs_region_leave(void);

/* The piece of that name: the one that is there, of whatever size, or a new one of so many bytes, zeroed, on which init(p, size, arg) is called before anybody
 * else sees it. size 0: only one that is there. 0; ENOENT; ENOSPC: no room, or too many; ENAMETOOLONG; ENOTSUP: there is no mapping; ENOMEM. */
int hs_region_piece(struct hs_view name, size_t size, void (*init)(void *p, size_t size, void *arg), void *arg, void **out, size_t *got);

/* A mutex for processes. init: 0 or an errno of pthread_mutex_init(3). */
int hs_robust_init(pthread_mutex_t *m);
/* Locks. True: whoever had it died with it, and what it protects is to be looked at before hs_robust_unlock. */
bool hs_robust_lock(pthread_mutex_t *m);
void hs_robust_unlock(pthread_mutex_t *m);
/* Locks when nobody has it, or when its holder is dead. */
bool hs_robust_try(pthread_mutex_t *m);

#endif
