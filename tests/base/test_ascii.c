/* test_ascii.c - base/ascii.h. */
#include "base/ascii.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static bool
among(int c, const char *set)
{
    return c != 0 && strchr(set, c) != NULL;
}

static void
classes_are_those_of_the_rfcs(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        int cls = hs_ascii_class[c];
        assert_int_equal((cls & HS_ASCII_TCHAR) != 0, alnum || among(c, "!#$%&'*+-.^_`|~"));
        assert_int_equal((cls & HS_ASCII_FIELD) != 0, c == '\t' || (c >= ' ' && c != 0x7f));
        assert_int_equal((cls & HS_ASCII_UNRESERVED) != 0, alnum || among(c, "-._~"));
        assert_int_equal((cls & HS_ASCII_SUB_DELIM) != 0, among(c, "!$&'()*+,;="));
        assert_int_equal((cls & HS_ASCII_CTL) != 0, c < ' ' || c == 0x7f);
        assert_int_equal(hs_ascii_is_tchar((char)c), (cls & HS_ASCII_TCHAR) != 0);
        assert_int_equal(hs_ascii_is_field_vchar((char)c), (cls & HS_ASCII_FIELD) != 0);
    }
}

static void
letters_and_digits(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        bool upper = c >= 'A' && c <= 'Z';
        bool lower = c >= 'a' && c <= 'z';
        bool digit = c >= '0' && c <= '9';
        assert_int_equal((unsigned char)hs_ascii_lower((char)c), upper ? c + 32 : c);
        assert_int_equal(hs_ascii_is_alpha((char)c), upper || lower);
        assert_int_equal(hs_ascii_is_digit((char)c), digit);
        int hex = digit ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        assert_int_equal(hs_ascii_hex((char)c), hex);
    }
}

static void
compares_without_case(void **state)
{
    (void)state;
    assert_true(hs_ascii_ieq(HS_VIEW("Content-Length"), HS_VIEW("cOnTENT-lENGTH")));
    assert_true(hs_ascii_ieq((struct hs_view){ NULL, 0 }, HS_VIEW("")));
    assert_false(hs_ascii_ieq(HS_VIEW("ab"), HS_VIEW("abc")));
    assert_false(hs_ascii_ieq(HS_VIEW("@"), HS_VIEW("`"))); /* 0x40 and 0x60 differ in the case bit alone */
    assert_false(hs_ascii_ieq(HS_VIEW("["), HS_VIEW("{")));
    assert_false(hs_ascii_ieq(HS_VIEW("\xc4"), HS_VIEW("\xe4")));
    assert_true(hs_ascii_ieq(HS_VIEW("a\0B"), HS_VIEW("A\0b")));
    assert_false(hs_ascii_ieq(HS_VIEW("a\0B"), HS_VIEW("A\0c")));
}

static void
views(void **state)
{
    (void)state;
    static const struct hs_view table[] = { HS_VIEW_INIT("one"), HS_VIEW_INIT("") };
    assert_true(hs_view_eq(table[0], hs_view_of("one")));
    assert_true(hs_view_eq(table[1], hs_view_of(NULL)));
    assert_false(hs_view_eq(table[0], hs_view_of("One")));
    assert_false(hs_view_eq(table[0], hs_view_of("on")));
    assert_int_equal(HS_VIEW("a\0b").n, 3);
}

static int
parse(const char *text, long long *out)
{
    *out = -7;
    return hs_ascii_to_int64(hs_view_of(text), out);
}

static void
threat_03_numbers_that_are_no_plain_digits(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "-5", "+5", "0x5", "5e0", "5.0", " 5", "5 ", "5\t", "5a", "a", "\xb2", "99999999999999999999x" };
    long long v;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(parse(bad[i], &v), EINVAL);
        assert_int_equal(v, -7);
    }
    v = -7;
    assert_int_equal(hs_ascii_to_int64(HS_VIEW("5\0"), &v), EINVAL);
    assert_int_equal(hs_ascii_to_int64((struct hs_view){ NULL, 0 }, &v), EINVAL);
    assert_int_equal(v, -7);
}

static void
threat_04_leading_zeros_are_decimal(void **state)
{
    (void)state;
    long long v;
    assert_int_equal(parse("010", &v), 0);
    assert_int_equal(v, 10);
    assert_int_equal(parse("0000000000000000008", &v), 0);
    assert_int_equal(v, 8);
    assert_int_equal(parse("00000000000000000008", &v), ERANGE); /* 20 digits */
    assert_int_equal(v, -7);
}

static void
numbers_to_the_end_of_their_range(void **state)
{
    (void)state;
    long long v;
    assert_int_equal(parse("0", &v), 0);
    assert_int_equal(v, 0);
    assert_int_equal(parse("9223372036854775807", &v), 0);
    assert_true(v == INT64_MAX);
    assert_int_equal(parse("9223372036854775808", &v), ERANGE);
    assert_int_equal(parse("9999999999999999999", &v), ERANGE);
    assert_int_equal(parse("18446744073709551616", &v), ERANGE);
    assert_int_equal(v, -7);
}

static void
writes_numbers_as_printf_does(void **state)
{
    (void)state;
    unsigned long long v = 1;
    for (int i = 0; i < 70; i++) {
        unsigned long long all[] = { v, v - 1, v + 1, v * 9, ~v };
        for (size_t k = 0; k < sizeof all / sizeof all[0]; k++) {
            char want[24];
            char got[24];
            memset(got, 'x', sizeof got);
            int n = snprintf(want, sizeof want, "%llu", all[k]);
            assert_int_equal(hs_ascii_from_uint64(got, all[k]), n);
            assert_memory_equal(got, want, (size_t)n);
            assert_int_equal(got[n], 'x');
        }
        v = i < 19 ? v * 10 : (ULLONG_MAX >> (i - 19));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_are_those_of_the_rfcs),
        cmocka_unit_test(letters_and_digits),
        cmocka_unit_test(compares_without_case),
        cmocka_unit_test(views),
        cmocka_unit_test(threat_03_numbers_that_are_no_plain_digits),
        cmocka_unit_test(threat_04_leading_zeros_are_decimal),
        cmocka_unit_test(numbers_to_the_end_of_their_range),
        cmocka_unit_test(writes_numbers_as_printf_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
