/* ascii.h - ASCII character classes and case-insensitive compares, independent of the locale. */
#ifndef HS_BASE_ASCII_H
#define HS_BASE_ASCII_H

#include <stdbool.h>
#include <stddef.h>

#include "base/view.h"

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
bool hs_ascii_is_tchar(char c);

/* True for bytes that a field value may hold: HTAB, SP, VCHAR and obs-text (RFC 9110 5.5). */
bool hs_ascii_is_field_vchar(char c);

/* Case-insensitive equality of two runs of bytes. */
bool hs_ascii_ieq(struct hs_view a, struct hs_view b);

/* Parses 1..19 decimal digits (leading zeros allowed) into *out.
 * Returns 0, EINVAL when it is not all digits or empty, ERANGE above INT64_MAX. */
int hs_ascii_to_int64(struct hs_view digits, long long *out);

/* Writes the decimal digits of v without a NUL; returns how many (at most 20). */
size_t hs_ascii_from_uint64(char *dst, unsigned long long v);

#endif
