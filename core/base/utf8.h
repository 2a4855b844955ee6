/* utf8.h - sequences of UTF-8 as RFC 3629 has them. Any thread. */
#ifndef HS_BASE_UTF8_H
#define HS_BASE_UTF8_H

#include <stddef.h>

/* The length of the sequence of two to four bytes at p, of which there are n (at least 1); 0 when it is none: no overlong form, no surrogate, nothing above
 * U+10FFFF. ASCII, which needs no looking at, is 0 too. */
size_t hs_utf8_sequence(const char *p, size_t n);

#endif
