/* short.h - copies and comparisons of what is mostly short: up to 32 bytes go in two steps that may overlap, without a call.
 * Nothing is read or written outside the runs that are given. No state; any thread. */
#ifndef HS_BASE_SHORT_H
#define HS_BASE_SHORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Copies n bytes, which may be none, between runs that do not overlap; returns dst + n. */
static inline __attribute__((always_inline)) char *
hs_short_copy(char *dst, const char *src, size_t n)
{
    if (n >= 8 && n <= 16) {
        uint64_t first, last;
        memcpy(&first, src, 8);
        memcpy(&last, src + n - 8, 8);
        memcpy(dst, &first, 8);
        memcpy(dst + n - 8, &last, 8);
    } else if (n > 16 && n <= 32) {
        char first[16], last[16];
        memcpy(first, src, 16);
        memcpy(last, src + n - 16, 16);
        memcpy(dst, first, 16);
        memcpy(dst + n - 16, last, 16);
    } else if (n >= 4 && n < 8) {
        uint32_t first, last;
        memcpy(&first, src, 4);
        memcpy(&last, src + n - 4, 4);
        memcpy(dst, &first, 4);
        memcpy(dst + n - 4, &last, 4);
    } else if (n != 0) {
        memcpy(dst, src, n);
    }
    return dst + n;
}

/* Whether n bytes, which may be none, are the same. */
static inline __attribute__((always_inline)) bool
hs_short_equal(const char *a, const char *b, size_t n)
{
    if (n >= 8 && n <= 16) {
        uint64_t a1, b1, a2, b2;
        memcpy(&a1, a, 8);
        memcpy(&b1, b, 8);
        memcpy(&a2, a + n - 8, 8);
        memcpy(&b2, b + n - 8, 8);
        return ((a1 ^ b1) | (a2 ^ b2)) == 0;
    }
    if (n >= 4 && n < 8) {
        uint32_t a1, b1, a2, b2;
        memcpy(&a1, a, 4);
        memcpy(&b1, b, 4);
        memcpy(&a2, a + n - 4, 4);
        memcpy(&b2, b + n - 4, 4);
        return ((a1 ^ b1) | (a2 ^ b2)) == 0;
    }
    if (n < 4) {
        return n == 0 || (a[0] == b[0] && a[n >> 1] == b[n >> 1] && a[n - 1] == b[n - 1]);
    }
    return memcmp(a, b, n) == 0;
}

#endif
