/* quota.h - how many connections the workers of a server have together, by kind: all, and those of each listener that has a limit.
 * A shared mapping of atomics, made before the workers are forked. Each worker counts in cells of its own, so that a worker that dies takes nothing
 * with it: its cells are cleared. Any process that has the mapping. */
#ifndef HS_SERVER_QUOTA_H
#define HS_SERVER_QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hs_quota;

/* 0; ENOMEM. */
int hs_quota_new(size_t workers, size_t kinds, struct hs_quota **out);
/* Unmaps it in this process. NULL is ignored. */
void hs_quota_free(struct hs_quota *q);
/* Counts one more of a kind for a worker, unless there would then be more than max together: false. Two that ask for the last place in the same
 * moment may both be told no; there are never more than max. */
bool hs_quota_take(struct hs_quota *q, size_t worker, size_t kind, uint32_t max);
/* And one less. */
void hs_quota_give(struct hs_quota *q, size_t worker, size_t kind);
/* A worker is gone, and all that it had. */
void hs_quota_leave(struct hs_quota *q, size_t worker);
/* How many there are of a kind. */
uint32_t hs_quota_total(const struct hs_quota *q, size_t kind);
/* Whether others count too, so that there may be room without this process being told. */
bool hs_quota_is_shared(const struct hs_quota *q);

#endif
