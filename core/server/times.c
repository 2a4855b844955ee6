/* times.c - a histogram of durations in buckets of equal relative width. */
#include "server/times.h"

static int64_t
begin_of(size_t place)
{
    unsigned e = HS_TIMES_FIRST + (unsigned)(place >> HS_TIMES_STEP_BITS);
    int64_t step = (int64_t)1 << (e - HS_TIMES_STEP_BITS);

    return ((int64_t)1 << e) + step * (int64_t)(place & (HS_TIMES_STEPS - 1));
}

int64_t
hs_times_end(size_t place)
{
    return begin_of(place + 1);
}

void
hs_times_gather(struct hs_page *p, struct hs_times *t)
{
    const struct hs_page_slot *s;

    *t = (struct hs_times){ .n = 0 };
    for (size_t w = 0; (s = hs_page_line(p, w)) != NULL; w++) {
        for (size_t i = 0; i < HS_PAGE_TIMES; i++) {
            uint64_t n = hs_page_get(&s->times[i]);
            t->counts[i] += n;
            t->n += n;
        }
    }
}

void
hs_times_subtract(struct hs_times *t, const struct hs_times *before)
{
    t->n = 0;
    for (size_t i = 0; i < HS_PAGE_TIMES; i++) {
        t->counts[i] -= before->counts[i] < t->counts[i] ? before->counts[i] : t->counts[i];
        t->n += t->counts[i];
    }
}

uint64_t
hs_times_below(const struct hs_times *t, unsigned exponent)
{
    size_t end = exponent > HS_TIMES_FIRST ? (size_t)(exponent - HS_TIMES_FIRST) * HS_TIMES_STEPS : 0;
    uint64_t n = 0;

    for (size_t i = 0; i < end && i < HS_PAGE_TIMES; i++) {
        n += t->counts[i];
    }
    return n;
}

int64_t
hs_times_quantile(const struct hs_times *t, double share)
{
    double wanted = share * (double)t->n;
    uint64_t seen = 0;

    for (size_t i = 0; i < HS_PAGE_TIMES && t->n != 0; i++) {
        seen += t->counts[i];
        if (t->counts[i] != 0 && (double)seen >= wanted) {
            return begin_of(i) + (hs_times_end(i) - begin_of(i)) / 2;
        }
    }
    return 0;
}
