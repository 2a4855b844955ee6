/* scan.h - where a run of allowed bytes ends: the inner loops of the HTTP/1 parser.
 * With SSE2 sixteen bytes are looked at in one step; elsewhere (or with HS_SCAN_PORTABLE) a byte table does the same work. Both give
 * the same answers, which a test and a fuzzer hold against each other.
 *
 * Functions that say "padded" may read up to 16 bytes at and past end, so the memory there must exist; what it holds never matters.
 * They give the first byte that ends the run, or, when there is none before end, some place at or past end: compare before use.
 * The others read nothing outside [p, end) and give end.
 * No state; any thread. */
#ifndef HS_HTTP_SCAN_H
#define HS_HTTP_SCAN_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/ascii.h"

#if defined(__SSE2__) && !defined(HS_SCAN_PORTABLE)
#define HS_SCAN_SSE2 1
#include <emmintrin.h>
#endif

/* Bits of hs_scan_class[byte]; those of base/ascii.h say the rest. */
enum {
    HS_SCAN_TARGET = 1, /* request target: VCHAR without " # < > (what a browser's URL serialiser leaves as it is) */
    HS_SCAN_HOST = 2    /* registered name or IPv4 address in an authority: ALPHA DIGIT - . _ */
};

extern const uint8_t hs_scan_class[256];

static inline bool
hs_scan_is_target(char c)
{
    return (hs_scan_class[(uint8_t)c] & HS_SCAN_TARGET) != 0;
}

static inline bool
hs_scan_is_host(char c)
{
    return (hs_scan_class[(uint8_t)c] & HS_SCAN_HOST) != 0;
}

/* OWS (RFC 9110 5.6.3). */
static inline bool
hs_scan_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static inline uint16_t
hs_scan_load16(const char *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint32_t
hs_scan_load32(const char *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint64_t
hs_scan_load64(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Whether the bytes at p are the literal's, upper and lower case letters taken as equal. lit comes from a literal of lower-case letters
 * and '-' read by the same load: bit 0x40 tells a letter from '-', and only letters may differ in bit 0x20, so no other byte passes. */
static inline bool
hs_scan_ieq32(const char *p, uint32_t lit)
{
    return (hs_scan_load32(p) | ((lit >> 1) & 0x20202020u)) == lit;
}

static inline bool
hs_scan_ieq64(const char *p, uint64_t lit)
{
    return (hs_scan_load64(p) | ((lit >> 1) & 0x2020202020202020u)) == lit;
}

/* First byte of [p, end) that no token may hold, or end. */
static inline const char *
hs_scan_token_bytes(const char *p, const char *end)
{
    while (p < end && hs_ascii_is_tchar(*p)) {
        p++;
    }
    return p;
}

/* First byte of [p, end) that no field value may hold, or end. */
static inline const char *
hs_scan_value_bytes(const char *p, const char *end)
{
    while (p < end && hs_ascii_is_field_vchar(*p)) {
        p++;
    }
    return p;
}

/* First byte of [p, end) that no request target may hold, or end. */
static inline const char *
hs_scan_target_bytes(const char *p, const char *end)
{
    while (p < end && hs_scan_is_target(*p)) {
        p++;
    }
    return p;
}

#ifdef HS_SCAN_SSE2

static inline __m128i
hs_scan_block(const char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static inline unsigned
hs_scan_mask(__m128i m)
{
    return (unsigned)_mm_movemask_epi8(m);
}

static inline const char *
hs_scan_at(const char *p, unsigned mask)
{
    return p + (unsigned)__builtin_ctz(mask);
}

/* The bits below the lowest one of mask. */
static inline unsigned
hs_scan_before(unsigned mask)
{
    return (mask & -mask) - 1;
}

/* Bytes of HS_SCAN_TARGET: not below 0x21, not DEL nor above (with one added both are at most 0x21 as signed numbers), and not in the pairs
 * "" #" and "< >", each told by one bit. */
static inline __m128i
hs_scan_in_target(__m128i x)
{
    __m128i graph = _mm_cmpgt_epi8(_mm_add_epi8(x, _mm_set1_epi8(1)), _mm_set1_epi8(0x21));
    __m128i quote = _mm_cmpeq_epi8(_mm_or_si128(x, _mm_set1_epi8(1)), _mm_set1_epi8('#'));
    __m128i angle = _mm_cmpeq_epi8(_mm_or_si128(x, _mm_set1_epi8(2)), _mm_set1_epi8('>'));
    return _mm_andnot_si128(_mm_or_si128(quote, angle), graph);
}

#endif

/* First ':' from p on. Padded; p <= end. */
static inline const char *
hs_scan_colon(const char *p, const char *end)
{
#ifdef HS_SCAN_SSE2
    do {
        unsigned m = hs_scan_mask(_mm_cmpeq_epi8(hs_scan_block(p), _mm_set1_epi8(':')));
        if (m != 0) {
            return hs_scan_at(p, m);
        }
        p += 16;
    } while (p < end);
    return p;
#else
    const char *q = p < end ? memchr(p, ':', (size_t)(end - p)) : NULL;
    return q != NULL ? q : end;
#endif
}

/* Whether [p, end), not empty, is a token. Padded.
 * Letters, digits and '-' pass in blocks; from the first other byte on it is gone through byte by byte. */
static inline bool
hs_scan_is_token(const char *p, const char *end)
{
#ifdef HS_SCAN_SSE2
    do {
        /* The byte ranges are moved to the bottom of the signed scale: one compare each. */
        __m128i x = hs_scan_block(p);
        __m128i letter = _mm_add_epi8(_mm_or_si128(x, _mm_set1_epi8(0x20)), _mm_set1_epi8((char)(0x80 - 'a')));
        __m128i digit = _mm_add_epi8(x, _mm_set1_epi8((char)(0x80 - '0')));
        __m128i is_letter = _mm_cmpgt_epi8(_mm_set1_epi8((char)(0x80 + 26)), letter);
        __m128i is_digit = _mm_cmpgt_epi8(_mm_set1_epi8((char)(0x80 + 10)), digit);
        __m128i dash = _mm_cmpeq_epi8(x, _mm_set1_epi8('-'));
        unsigned good = hs_scan_mask(_mm_or_si128(_mm_or_si128(is_letter, is_digit), dash));
        if (good != 0xFFFF) {
            p = hs_scan_at(p, ~good);
            break;
        }
        p += 16;
    } while (p < end);
    return p >= end || hs_scan_token_bytes(p, end) == end;
#else
    return hs_scan_token_bytes(p, end) == end;
#endif
}

/* First byte from p on that no field value may hold. Padded. */
static inline const char *
hs_scan_value(const char *p, const char *end)
{
#ifdef HS_SCAN_SSE2
    for (; p < end; p += 16) {
        __m128i x = hs_scan_block(p);
        __m128i ctl = _mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8(0x1F)), x);
        __m128i del = _mm_cmpeq_epi8(x, _mm_set1_epi8(0x7F));
        for (unsigned m = hs_scan_mask(_mm_or_si128(ctl, del)); m != 0; m &= m - 1) {
            if (p[__builtin_ctz(m)] != '\t') {
                return hs_scan_at(p, m);
            }
        }
    }
    return p;
#else
    return hs_scan_value_bytes(p, end);
#endif
}

/* Whether n bytes, which may be none, may all stand in a field value. Reads nothing outside them: the blocks overlap where they have to. */
static inline bool
hs_scan_is_value(const char *p, size_t n)
{
#ifdef HS_SCAN_SSE2
    const __m128i top = _mm_set1_epi8(0x1F), rubout = _mm_set1_epi8(0x7F);
    __m128i bad = _mm_setzero_si128();
    if (n > 16) {
        for (size_t i = 0; i < n - 16; i += 16) {
            __m128i x = hs_scan_block(p + i);
            bad = _mm_or_si128(bad, _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(x, top), x), _mm_cmpeq_epi8(x, rubout)));
        }
    }
    if (n >= 8) {
        __m128i x = n >= 16 ? hs_scan_block(p + n - 16)
                            : _mm_set_epi64x((long long)hs_scan_load64(p + n - 8), (long long)hs_scan_load64(p));
        bad = _mm_or_si128(bad, _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(x, top), x), _mm_cmpeq_epi8(x, rubout)));
        if (hs_scan_mask(bad) == 0) {
            return true;
        } /* else there may be a HTAB */
    }
#endif
    return hs_scan_value_bytes(p, p + n) == p + n;
}

/* First byte from p on that is no printable ASCII character: where most field values end, found with one compare a block. Padded; p <= end. */
static inline const char *
hs_scan_printable(const char *p, const char *end)
{
#ifdef HS_SCAN_SSE2
    do {
        /* With one added, 0x7F joins the bytes that are negative as signed numbers. */
        __m128i x = _mm_add_epi8(hs_scan_block(p), _mm_set1_epi8(1));
        unsigned good = hs_scan_mask(_mm_cmpgt_epi8(x, _mm_set1_epi8(0x20)));
        if (good != 0xFFFF) {
            return hs_scan_at(p, ~good);
        }
        p += 16;
    } while (p < end);
    return p;
#else
    while (p < end && *p >= 0x20 && *p < 0x7F) {
        p++;
    }
    return p;
#endif
}

/* First byte from p on that no request target may hold. Padded; p <= end. */
static inline const char *
hs_scan_target(const char *p, const char *end)
{
#ifdef HS_SCAN_SSE2
    do {
        unsigned good = hs_scan_mask(hs_scan_in_target(hs_scan_block(p)));
        if (good != 0xFFFF) {
            return hs_scan_at(p, ~good);
        }
        p += 16;
    } while (p < end);
    return p;
#else
    return hs_scan_target_bytes(p, end);
#endif
}

/* Whether the path [p, end) is its own normalised form: no '%', no '\', no "//", no "/.". */
static inline bool
hs_scan_path_is_plain(const char *p, const char *end)
{
    char before = 0;
    for (; p < end; p++) {
        if (*p == '%' || *p == '\\' || (before == '/' && (*p == '/' || *p == '.'))) {
            return false;
        }
        before = *p;
    }
    return true;
}

#ifdef HS_SCAN_SSE2

/* One block of a path: the bytes that may go on, as bits. *odd gets the bits of what makes it other than plain; *carry is 1 when the byte
 * before the block was a '/', and is made ready for the next block. */
static inline unsigned
hs_scan_path_block(const char *p, unsigned *odd, unsigned *carry)
{
    __m128i x = hs_scan_block(p);
    __m128i coded = _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('%')), _mm_cmpeq_epi8(x, _mm_set1_epi8('\\')));
    /* '.' and '/' differ in one bit only. */
    unsigned either = hs_scan_mask(_mm_cmpeq_epi8(_mm_or_si128(x, _mm_set1_epi8(1)), _mm_set1_epi8('/')));
    unsigned slash = hs_scan_mask(_mm_cmpeq_epi8(x, _mm_set1_epi8('/')));
    *odd = hs_scan_mask(coded) | ((slash << 1 | *carry) & either);
    *carry = slash >> 15;
    return hs_scan_mask(_mm_andnot_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('?')), hs_scan_in_target(x)));
}

/* The blocks of a path after its first one. */
static __attribute__((noinline, unused)) const char *
hs_scan_path_rest(const char *p, const char *end, unsigned carry, bool *plain)
{
    for (bool clean = *plain; p < end; p += 16) {
        unsigned odd;
        unsigned good = hs_scan_path_block(p, &odd, &carry);
        if (good != 0xFFFF) {
            *plain = clean && (odd & hs_scan_before(~good)) == 0;
            return hs_scan_at(p, ~good);
        }
        clean = clean && odd == 0;
    }
    return p;
}

/* One block of a host, in the same way: *empty gets the bits of dots after nothing, *carry is 1 when nothing or a dot came before. */
static inline unsigned
hs_scan_host_block(const char *p, unsigned *empty, unsigned *carry)
{
    __m128i x = hs_scan_block(p);
    __m128i letter = _mm_add_epi8(_mm_or_si128(x, _mm_set1_epi8(0x20)), _mm_set1_epi8((char)(0x80 - 'a')));
    __m128i other = _mm_add_epi8(x, _mm_set1_epi8((char)(0x80 - '-'))); /* '-', '.', '/' and the digits follow each other */
    __m128i is_letter = _mm_cmpgt_epi8(_mm_set1_epi8((char)(0x80 + 26)), letter);
    __m128i is_other = _mm_cmpgt_epi8(_mm_set1_epi8((char)(0x80 + 13)), other);
    __m128i slash = _mm_cmpeq_epi8(x, _mm_set1_epi8('/'));
    unsigned dot = hs_scan_mask(_mm_cmpeq_epi8(x, _mm_set1_epi8('.')));
    *empty = dot & (dot << 1 | *carry);
    *carry = dot >> 15;
    return hs_scan_mask(_mm_or_si128(is_letter, _mm_andnot_si128(slash, is_other)));
}

/* The blocks of a host after its first one. */
static __attribute__((noinline, unused)) const char *
hs_scan_host_rest(const char *p, const char *end, unsigned carry, bool *labels)
{
    for (bool clean = *labels; p < end; p += 16) {
        unsigned empty;
        unsigned good = hs_scan_host_block(p, &empty, &carry);
        if (good != 0xFFFF) {
            *labels = clean && (empty & hs_scan_before(~good)) == 0;
            return hs_scan_at(p, ~good);
        }
        clean = clean && empty == 0;
    }
    return p;
}

#endif

/* First byte from p on that is '?' or that no request target may hold. Padded; p <= end.
 * *plain: as hs_scan_path_is_plain of the bytes before it (any value when that is not before end). Most are over within one block. */
static inline const char *
hs_scan_path(const char *p, const char *end, bool *plain)
{
#ifdef HS_SCAN_SSE2
    unsigned odd, carry = 0;
    unsigned good = hs_scan_path_block(p, &odd, &carry);
    if (good != 0xFFFF) {
        *plain = (odd & hs_scan_before(~good)) == 0;
        return hs_scan_at(p, ~good);
    }
    *plain = odd == 0;
    return hs_scan_path_rest(p + 16, end, carry, plain);
#else
    const char *q = p;
    while (q < end && *q != '?' && hs_scan_is_target(*q)) {
        q++;
    }
    *plain = hs_scan_path_is_plain(p, q);
    return q;
#endif
}

/* The end of the host name or IPv4 address at p: the first byte that is no letter, digit, '-', '.' (an '_' ends it too).
 * *labels: no label before it is empty. Padded; p < end. */
static inline const char *
hs_scan_host(const char *p, const char *end, bool *labels)
{
#ifdef HS_SCAN_SSE2
    unsigned empty, carry = 1;
    unsigned good = hs_scan_host_block(p, &empty, &carry);
    if (good != 0xFFFF) {
        *labels = (empty & hs_scan_before(~good)) == 0;
        return hs_scan_at(p, ~good);
    }
    *labels = empty == 0;
    return hs_scan_host_rest(p + 16, end, carry, labels);
#else
    const char *q = p;
    *labels = true;
    for (; q < end && hs_scan_is_host(*q) && *q != '_'; q++) {
        if (*q == '.' && (q == p || q[-1] == '.')) {
            *labels = false;
        }
    }
    return q;
#endif
}

#endif
