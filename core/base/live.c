/* live.c - the counters behind live.h. */
#include "base/live.h"

_Atomic long hs_live_counts[HS_LIVE_KINDS];
