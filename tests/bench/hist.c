/* hist.c - the histogram of hist.h. */
#include "hist.h"

#include <stdio.h>
#include <string.h>

enum { SPLIT = 1 << HIST_SPLIT_BITS };

void
hist_reset(struct hist *hist)
{
    memset(hist, 0, sizeof *hist);
}

static unsigned
bucket_of(uint64_t ns)
{
    unsigned shift;

    if (ns < SPLIT) {
        return (unsigned)ns;
    }
    shift = 63U - (unsigned)__builtin_clzll(ns) - HIST_SPLIT_BITS;
    return ((shift + 1) << HIST_SPLIT_BITS) + (unsigned)((ns >> shift) - SPLIT);
}

static uint64_t
bucket_end(unsigned bucket)
{
    unsigned shift;

    if (bucket < SPLIT) {
        return bucket;
    }
    shift = (bucket >> HIST_SPLIT_BITS) - 1;
    return ((((uint64_t)bucket & (SPLIT - 1)) + SPLIT + 1) << shift) - 1;
}

void
hist_add(struct hist *hist, uint64_t ns)
{
    hist->buckets[bucket_of(ns)]++;
    hist->count++;
    hist->sum += ns;
    if (ns > hist->max) {
        hist->max = ns;
    }
}

uint64_t
hist_quantile(const struct hist *hist, double share)
{
    uint64_t wanted = (uint64_t)((double)hist->count * share);
    uint64_t seen = 0;

    if ((double)wanted < (double)hist->count * share) {
        wanted++;
    }
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        seen += hist->buckets[i];
        if (seen >= wanted && seen > 0) {
            uint64_t end = bucket_end(i);

            return end < hist->max ? end : hist->max;
        }
    }
    return 0;
}

void
hist_print_json(const struct hist *hist, const char *prefix)
{
    static const struct {
        const char *name;
        double share;
    } quantiles[] = {{"p50_us", 0.5}, {"p90_us", 0.9}, {"p99_us", 0.99}, {"p999_us", 0.999}};

    for (unsigned i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++) {
        printf("\"%s%s\": %.3f, ", prefix, quantiles[i].name, (double)hist_quantile(hist, quantiles[i].share) / 1e3);
    }
    printf("\"%smax_us\": %.3f, \"%smean_us\": %.3f", prefix, (double)hist->max / 1e3, prefix,
           hist->count > 0 ? (double)hist->sum / (double)hist->count / 1e3 : 0.0);
}
