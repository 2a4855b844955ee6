/* tally.c - the counters of tally.h. */
#include "base/tally.h"

_Atomic uint64_t hs_tally_counts[HS_TALLY_KINDS];
