/* ascii.c - the class table, case-insensitive compares and decimal numbers.
 * Written out rather than taken from ctype.h, strtoll and printf: those follow the locale, accept blanks and signs,
 * and are slow on the path of every request. */
#include "base/ascii.h"

#include <errno.h>
#include <stdint.h>

/* clang-format off */
const unsigned char hs_ascii_class[256] = {
    16, 16, 16, 16, 16, 16, 16, 16, 16, 18, 16, 16, 16, 16, 16, 16, /* 00 */
    16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, /* 10 */
     2, 11,  2,  3, 11,  3, 11, 11, 10, 10, 11, 11, 10,  7,  7,  2, /* 20 */
     7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  2, 10,  2, 10,  2,  2, /* 30 */
     2,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7, /* 40 */
     7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  2,  2,  2,  3,  7, /* 50 */
     3,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7, /* 60 */
     7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  2,  3,  2,  7, 16, /* 70 */
     2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2, /* 80 */
     2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2, /* 90 */
     2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2, /* a0 */
     2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2, /* b0 */
     2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2, /* c0 */
     2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2, /* d0 */
     2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2, /* e0 */
     2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2, /* f0 */
};
/* clang-format on */

bool
hs_ascii_ieq(struct hs_view a, struct hs_view b)
{
    if (a.n != b.n) {
        return false;
    }
    for (size_t i = 0; i < a.n; i++) {
        if (hs_ascii_lower(a.p[i]) != hs_ascii_lower(b.p[i])) {
            return false;
        }
    }
    return true;
}

int
hs_ascii_to_int64(struct hs_view digits, long long *out)
{
    if (digits.n == 0) {
        return EINVAL;
    }
    for (size_t i = 0; i < digits.n; i++) {
        if (!hs_ascii_is_digit(digits.p[i])) {
            return EINVAL;
        }
    }
    if (digits.n > 19) {
        return ERANGE;
    }
    uint64_t v = 0; /* 19 digits are below 10^19, which fits */
    for (size_t i = 0; i < digits.n; i++) {
        v = v * 10 + (uint64_t)(digits.p[i] - '0');
    }
    if (v > INT64_MAX) {
        return ERANGE;
    }
    *out = (long long)v;
    return 0;
}

const char hs_ascii_pairs[201] = "00010203040506070809"
                            "10111213141516171819"
                            "20212223242526272829"
                            "30313233343536373839"
                            "40414243444546474849"
                            "50515253545556575859"
                            "60616263646566676869"
                            "70717273747576777879"
                            "80818283848586878889"
                            "90919293949596979899";

size_t
hs_ascii_from_uint64(char *dst, unsigned long long v)
{
    char tmp[20];
    size_t at = sizeof tmp;
    while (v >= 100) {
        at -= 2;
        memcpy(tmp + at, hs_ascii_pairs + v % 100 * 2, 2);
        v /= 100;
    }
    if (v >= 10) {
        at -= 2;
        memcpy(tmp + at, hs_ascii_pairs + v * 2, 2);
    } else {
        tmp[--at] = (char)('0' + v);
    }
    memcpy(dst, tmp + at, sizeof tmp - at);
    return sizeof tmp - at;
}
