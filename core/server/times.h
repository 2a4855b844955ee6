/* times.h - a histogram of durations in buckets of equal relative width (after HdrHistogram): sixteen to each doubling, from a microsecond to a quarter
 * of an hour, so that a value is known to within 6.25 percent, wherever it lies. Nothing is owned; any thread may read. */
#ifndef HS_SERVER_TIMES_H
#define HS_SERVER_TIMES_H

#include <stddef.h>
#include <stdint.h>

#include "server/page.h"

enum {
    HS_TIMES_FIRST = 10, /* shorter than 2^10 ns are counted as that */
    HS_TIMES_STEP_BITS = 4,
    HS_TIMES_STEPS = 1 << HS_TIMES_STEP_BITS,
    HS_TIMES_LAST = HS_TIMES_FIRST + HS_PAGE_TIMES / HS_TIMES_STEPS, /* longer than 2^40 ns are counted as just below it */
};

/* A duration as it is counted: none is shorter than the first bucket. */
static inline uint64_t
hs_times_clamp(int64_t ns)
{
    return ns < (int64_t)1 << HS_TIMES_FIRST ? (uint64_t)1 << HS_TIMES_FIRST : (uint64_t)ns;
}

/* Its bucket: its highest bit says which doubling it lies in, the four bits below that say where. */
static inline size_t
hs_times_place(uint64_t clamped)
{
    size_t e = (size_t)(__builtin_clzll(clamped) ^ 63);
    size_t i = (size_t)(clamped >> (e - HS_TIMES_STEP_BITS)) + (e << HS_TIMES_STEP_BITS) - (((size_t)HS_TIMES_FIRST + 1) << HS_TIMES_STEP_BITS);

    return __builtin_expect(i < HS_PAGE_TIMES, 1) ? i : HS_PAGE_TIMES - 1;
}

/* The first duration, in ns, that lies beyond a bucket. */
int64_t hs_times_end(size_t place);

/* All slots of a page together. */
struct hs_times {
    uint64_t counts[HS_PAGE_TIMES];
    uint64_t n; /* all of these */
};
void hs_times_gather(struct hs_page *p, struct hs_times *t);
/* What came since: t less before, which is an earlier state of the same page. */
void hs_times_subtract(struct hs_times *t, const struct hs_times *before);
/* How many were shorter than 2^exponent ns. */
uint64_t hs_times_below(const struct hs_times *t, unsigned exponent);
/* The duration that a share of all (0 to 1) did not exceed, in ns: the middle of its bucket. 0 when there is none at all. */
int64_t hs_times_quantile(const struct hs_times *t, double share);

#endif
