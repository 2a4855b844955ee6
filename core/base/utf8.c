/* utf8.c - sequences of UTF-8: what the second byte may be says all that RFC 3629 forbids. */
#include "base/utf8.h"

#include <stdint.h>

size_t
hs_utf8_sequence(const char *p, size_t n)
{
    const uint8_t *u = (const uint8_t *)p;
    uint8_t low = 0x80; /* what the second byte may be */
    uint8_t high = 0xBF;
    size_t length;

    if (*u >= 0xC2 && *u <= 0xDF) {
        length = 2;
    } else if (*u >= 0xE0 && *u <= 0xEF) {
        length = 3;
        low = *u == 0xE0 ? 0xA0 : 0x80;
        high = *u == 0xED ? 0x9F : 0xBF;
    } else if (*u >= 0xF0 && *u <= 0xF4) {
        length = 4;
        low = *u == 0xF0 ? 0x90 : 0x80;
        high = *u == 0xF4 ? 0x8F : 0xBF;
    } else {
        return 0;
    }
    if (n < length || u[1] < low || u[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < length; i++) {
        if ((u[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return length;
}
