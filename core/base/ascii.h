/* ascii.h - ASCII character classes, case-insensitive compares and decimal numbers, independent of the locale.
 * No state; any thread. */
#ifndef HS_BASE_ASCII_H
#define HS_BASE_ASCII_H

#include <stdbool.h>
#include <stddef.h>

#include "base/view.h"

/* Bits of hs_ascii_class[byte], for parsers that walk bytes themselves. */
enum {
    HS_ASCII_TCHAR = 1,      /* RFC 9110 5.6.2 */
    HS_ASCII_FIELD = 2,      /* HTAB, SP, VCHAR, obs-text: RFC 9110 5.5 */
    HS_ASCII_UNRESERVED = 4, /* RFC 3986 2.3 */
    HS_ASCII_SUB_DELIM = 8,  /* RFC 3986 2.2 */
    HS_ASCII_CTL = 16,       /* 0x00-0x1f and 0x7f */
};

extern const unsigned char hs_ascii_class[256];

static inline char
hs_ascii_lower(char c)
{
    return (c >= 'A' && c <= 'Z') ? (char)(c | 0x20) : c;
}

static inline bool
hs_ascii_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool
hs_ascii_is_alpha(char c)
{
    char l = (char)(c | 0x20);
    return l >= 'a' && l <= 'z';
}

/* Value of a hexadecimal digit, or -1. */
static inline int
hs_ascii_hex(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char l = (char)(c | 0x20);
    return (l >= 'a' && l <= 'f') ? l - 'a' + 10 : -1;
}

/* True for a tchar of RFC 9110 5.6.2. */
static inline bool
hs_ascii_is_tchar(char c)
{
    return (hs_ascii_class[(unsigned char)c] & HS_ASCII_TCHAR) != 0;
}

/* True for bytes that a field value may hold: HTAB, SP, VCHAR and obs-text (RFC 9110 5.5). */
static inline bool
hs_ascii_is_field_vchar(char c)
{
    return (hs_ascii_class[(unsigned char)c] & HS_ASCII_FIELD) != 0;
}

/* Case-insensitive equality of two runs of bytes; only A-Z and a-z are the same. */
bool hs_ascii_ieq(struct hs_view a, struct hs_view b);

/* Parses 1..19 decimal digits (leading zeros allowed, decimal all the same) into *out.
 * Returns 0, EINVAL when it is not all digits or empty, ERANGE above INT64_MAX or with more than 19 digits.
 * *out is untouched on error. */
int hs_ascii_to_int64(struct hs_view digits, long long *out);

/* "00" to "99". */
extern const char hs_ascii_pairs[201];

/* Writes the decimal digits of v without a NUL; returns how many (at most 20, dst has room for them). */
size_t hs_ascii_from_uint64(char *dst, unsigned long long v);

#endif
