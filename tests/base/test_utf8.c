/* test_utf8.c - base/utf8.h. */
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* As RFC 3629, 3 writes a code point, whether it is one or not. */
static size_t
encode(uint32_t c, size_t length, unsigned char *dst)
{
    static const unsigned char first[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

    for (size_t i = length; i-- > 1; c >>= 6) {
        dst[i] = (unsigned char)(0x80 | (c & 0x3f));
    }
    dst[0] = (unsigned char)(first[length] | c);
    return length;
}

static size_t
length_of(uint32_t c)
{
    return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

static bool
is_scalar(uint32_t c)
{
    return c < 0xd800 || (c > 0xdfff && c <= 0x10ffff);
}

/* Of n bytes that end where their memory does. */
static size_t
sequence(const unsigned char *p, size_t n)
{
    char *exact = malloc(n);

    assert_non_null(exact);
    memcpy(exact, p, n);
    size_t length = hs_utf8_sequence(exact, n);
    free(exact);
    return length;
}

static void
every_code_point_in_every_length(void **state)
{
    static const uint32_t beyond[] = { 0, 0, 0x800, 0x10000, 0x200000 };
    unsigned char text[4];

    (void)state;
    for (size_t n = 2; n <= 4; n++) {
        for (uint32_t c = 0; c < beyond[n]; c++) {
            bool good = length_of(c) == n && is_scalar(c);
            (void)encode(c, n, text);
            assert_int_equal(hs_utf8_sequence((const char *)text, n), good ? n : 0);
        }
    }
}

static void
first_bytes_that_begin_nothing(void **state)
{
    unsigned char text[4] = { 0, 0x80, 0x80, 0x80 };

    (void)state;
    for (int c = 0; c < 256; c++) {
        if (c < 0xc2 || c > 0xf4) {
            text[0] = (unsigned char)c;
            assert_int_equal(hs_utf8_sequence((const char *)text, sizeof text), 0);
        }
    }
}

static void
each_byte_must_be_one_of_a_sequence(void **state)
{
    static const uint32_t points[] = { 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xffff, 0x10000, 0x10ffff };
    unsigned char text[4];

    (void)state;
    for (size_t k = 0; k < sizeof points / sizeof *points; k++) {
        size_t n = encode(points[k], length_of(points[k]), text);
        for (size_t i = 1; i < n; i++) {
            const unsigned char kept = text[i];
            for (int c = 0; c < 256; c++) {
                if ((c & 0xc0) != 0x80) {
                    text[i] = (unsigned char)c;
                    assert_int_equal(hs_utf8_sequence((const char *)text, n), 0);
                }
            }
            text[i] = kept;
        }
    }
}

static void
what_is_cut_is_none_and_nothing_behind_it_is_read(void **state)
{
    static const uint32_t points[] = { 0x80, 0x7ff, 0x800, 0xffff, 0x10000, 0x10ffff };
    unsigned char text[5];

    (void)state;
    for (size_t k = 0; k < sizeof points / sizeof *points; k++) {
        size_t n = encode(points[k], length_of(points[k]), text);
        for (size_t cut = 1; cut < n; cut++) {
            assert_int_equal(sequence(text, cut), 0);
        }
        assert_int_equal(sequence(text, n), n);
        text[n] = 0x80; /* what follows is another's */
        assert_int_equal(sequence(text, n + 1), n);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point_in_every_length),
        cmocka_unit_test(first_bytes_that_begin_nothing),
        cmocka_unit_test(each_byte_must_be_one_of_a_sequence),
        cmocka_unit_test(what_is_cut_is_none_and_nothing_behind_it_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
