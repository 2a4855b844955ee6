/* tally.h - counts of what has happened in the process since it began, by kind: rare events that several floors and threads see. Any thread; for what
 * happens at every request this is too dear. */
#ifndef HS_BASE_TALLY_H
#define HS_BASE_TALLY_H

#include <stdatomic.h>
#include <stdint.h>

enum hs_tally_kind {
    HS_TALLY_LUA_ERRORS, /* that no script has caught */
    HS_TALLY_KINDS,
};

/* One counter a kind; read with hs_tally_get. */
extern _Atomic uint64_t hs_tally_counts[HS_TALLY_KINDS];

/* One more has happened. */
static inline void
hs_tally(enum hs_tally_kind kind)
{
    atomic_fetch_add_explicit(&hs_tally_counts[kind], 1, memory_order_relaxed);
}

/* How many have happened. */
static inline uint64_t
hs_tally_get(enum hs_tally_kind kind)
{
    return atomic_load_explicit(&hs_tally_counts[kind], memory_order_relaxed);
}

#endif
