/* live.h - counts of live objects by kind, so that tests and status pages can see what is left over.
 * Any thread; the counts of different kinds are not one snapshot. */
#ifndef HS_BASE_LIVE_H
#define HS_BASE_LIVE_H

#include <stdatomic.h>

enum hs_live_kind { HS_LIVE_IO, HS_LIVE_SESSION, HS_LIVE_CONN, HS_LIVE_TASK, HS_LIVE_TIMER, HS_LIVE_STATE, HS_LIVE_GENERATION, HS_LIVE_KINDS };

/* One counter a kind; read with hs_live_get. */
extern _Atomic long hs_live_counts[HS_LIVE_KINDS];

/* Counts n more objects of a kind; n is negative when they go. */
static inline void
hs_live_add(enum hs_live_kind kind, long n)
{
    atomic_fetch_add_explicit(&hs_live_counts[kind], n, memory_order_relaxed);
}

/* How many objects of a kind there are. */
static inline long
hs_live_get(enum hs_live_kind kind)
{
    return atomic_load_explicit(&hs_live_counts[kind], memory_order_relaxed);
}

#endif
