/* hist.h - a histogram of times: fixed memory, any range, under 1% error at each quantile.
 * Log-linear buckets: each power of two of nanoseconds is split into 128 equal parts. One thread.
 */
#ifndef HTTPSRV_BENCH_HIST_H
#define HTTPSRV_BENCH_HIST_H

#include <stdint.h>

enum { HIST_SPLIT_BITS = 7, HIST_BUCKETS = (64 - HIST_SPLIT_BITS + 1) << HIST_SPLIT_BITS };

struct hist {
    uint64_t count, max, sum;
    uint64_t buckets[HIST_BUCKETS];
};

/* Forgets everything. */
void hist_reset(struct hist *hist);

/* Adds one time in nanoseconds. */
void hist_add(struct hist *hist, uint64_t ns);

/* The time in nanoseconds that `share` (0 to 1) of those added did not exceed, rounded up to its bucket's end but
 * never above the largest; 0 when nothing was added. */
uint64_t hist_quantile(const struct hist *hist, double share);

/* Prints `"p50_us": …, "p90_us": …, "p99_us": …, "p999_us": …, "max_us": …, "mean_us": …` with `prefix` before each
 * name, without a comma at either end. */
void hist_print_json(const struct hist *hist, const char *prefix);

#endif
