/* lease.h - what one process of a server does for all: a name that one thread holds at a time, until it gives it back or dies.
 * A lease lies in the region (base/region.h), as a lock that outlives its holder, so nobody has to guess who is alive. With it goes the time at which what is
 * leased was last done. Any thread; a lease is given back by the thread that has taken it. */
#ifndef HS_BASE_LEASE_H
#define HS_BASE_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/view.h"

struct hs_lease;

/* Takes the lease of a name, of up to HS_LEASE_NAME_MAX bytes. 0; EBUSY: another has it, or this thread; ENOSPC: there are too many; as hs_region_piece. */
enum { HS_LEASE_NAME_MAX = 250 };
int hs_lease_take(struct hs_view name, struct hs_lease **out);
/* Gives it back. */
void hs_lease_give(struct hs_lease *l);
/* CLOCK_MONOTONIC, ns, as the last holder has left it; 0: never. Its holder only. */
int64_t hs_lease_last(const struct hs_lease *l);
void hs_lease_set_last(struct hs_lease *l, int64_t when);

#endif
