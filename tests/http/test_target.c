/* test_target.c - normalised paths, percent-decoding, authorities. Every output goes to memory of exactly the promised size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/scan.h"
#include "http/target.h"

#include "target_cases.h"

/* Copies to memory of exactly its size, so that a byte read outside is seen. */
static char *
copy_of(const char *p, size_t n)
{
    char *copy = malloc(n + (n == 0));
    assert_non_null(copy);
    memcpy(copy, p, n);
    return copy;
}

/* The normalised path, malloc'ed, or NULL. */
static char *
normalise(const char *in, size_t n, bool encoded_slash)
{
    char *src = copy_of(in, n);
    char *dst = malloc(n + 1);
    assert_non_null(dst);
    size_t len = SIZE_MAX;
    int err = hs_path_normalise((struct hs_view){ src, n }, encoded_slash, dst, &len);
    free(src);
    if (err != 0) {
        assert_int_equal(err, EINVAL);
        free(dst);
        return NULL;
    }
    assert_true(len <= n);
    assert_int_equal(dst[len], '\0');
    assert_int_equal(strlen(dst), len);
    return dst;
}

static void
check(const struct path_case *c, bool encoded_slash)
{
    const char *expected = encoded_slash ? c->kept : c->out;
    char *out = normalise(c->in, c->len, encoded_slash);
    if ((out == NULL) != (expected == NULL) || (out != NULL && strcmp(out, expected) != 0)) {
        fail_msg("%s (encoded_slash %d): %s, not %s", c->in, encoded_slash, out ? out : "refused", expected ? expected : "refused");
    }
    free(out);
}

static void
check_table(const struct path_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        check(&cases[i], false);
        check(&cases[i], true);
        if (cases[i].len > 0 && cases[i].in[0] == '/' && hs_scan_path_is_plain(cases[i].in, cases[i].in + cases[i].len) &&
            cases[i].out != NULL) {
            assert_string_equal(cases[i].in, cases[i].out); /* what the parser calls plain is its own normalised form */
        }
    }
}
#define CHECK_TABLE(table) check_table((table), sizeof(table) / sizeof *(table))

static void
ruling_15_one_normalised_path(void **state)
{
    (void)state;
    CHECK_TABLE(ruling_15_cases);
}

static void
threat_28_paths(void **state)
{
    (void)state;
    CHECK_TABLE(threat_28_cases);
}

/* Every byte, as it is and encoded: either refused in both, or the same in both. */
static void
threat_28_every_byte(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        char raw[] = "/a.b", coded[8];
        raw[2] = (char)byte;
        snprintf(coded, sizeof coded, "/a%%%02xb", (unsigned)byte);
        char *a = normalise(raw, 4, false);
        char *b = normalise(coded, 6, false);
        bool good = byte >= 0x20 && byte < 0x7F && byte != '/' && byte != '\\';
        assert_int_equal(b != NULL, good);
        if (byte != '/' && byte != '%') {
            assert_int_equal(a != NULL, good);
        }
        if (a != NULL && b != NULL && byte != '%') {
            assert_string_equal(a, b);
        }
        free(a);
        free(b);
    }
}

/* Every pair of a lead byte and a continuation, against the ranges of RFC 3629. */
static void
threat_28_utf8(void **state)
{
    (void)state;
    for (unsigned a = 0x80; a < 0x100; a++) {
        for (unsigned b = 0; b < 0x100; b++) {
            char path[] = { '/', (char)a, (char)b, '\x80', '\x80', '\0' };
            bool control = b < 0x20 || b == 0x7F || b == '\\' || b == '/';
            for (unsigned n = 2; n <= 4; n++) {
                bool good = !control && b >= 0x80 && b <= 0xBF;
                if (n == 2) {
                    good = good && a >= 0xC2 && a <= 0xDF;
                } else if (n == 3) {
                    good = good && a >= 0xE0 && a <= 0xEF && (a != 0xE0 || b >= 0xA0) && (a != 0xED || b < 0xA0);
                } else {
                    good = good && a >= 0xF0 && a <= 0xF4 && (a != 0xF0 || b >= 0x90) && (a != 0xF4 || b < 0x90);
                }
                char *out = normalise(path, n + 1, false);
                if ((out != NULL) != good) {
                    fail_msg("%02X %02X and %u more", a, b, n - 2);
                }
                free(out);
            }
        }
    }
}

/* All short paths over the bytes that mean something: the result is never anything but clean. */
static void
threat_28_all_short_paths(void **state)
{
    (void)state;
    static const char *const parts[] = { "/", ".", "%2e", "%2F", "a", ";", "%5c" };
    enum { PARTS = sizeof parts / sizeof *parts, LENGTH = 6 };
    unsigned total = 1;
    for (int i = 0; i < LENGTH; i++) {
        total *= PARTS;
    }
    for (unsigned n = 0; n < total; n++) {
        char path[LENGTH * 3 + 2] = "/";
        for (unsigned rest = n, i = 0; i < LENGTH; i++, rest /= PARTS) {
            strcat(path, parts[rest % PARTS]);
        }
        for (int kept = 0; kept < 2; kept++) {
            char *out = normalise(path, strlen(path), kept != 0);
            if (out == NULL) {
                continue;
            }
            char *again = normalise(out, strlen(out), kept != 0);
            if (out[0] != '/' || strstr(out, "//") != NULL || strstr(out, "/./") != NULL || strstr(out, "/../") != NULL || again == NULL ||
                strcmp(out, again) != 0 || (!kept && strchr(out, '%') != NULL) || strstr(out, "/..;") != NULL ||
                strstr(out, "..%2F") == out + 1) {
                fail_msg("%s becomes %s", path, out);
            }
            free(again);
            free(out);
        }
    }
}

static void
percent_decoding(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out, *plus; /* NULL: refused */
    } cases[] = {
        { "", "", "" },
        { "abc", "abc", "abc" },
        { "a+b", "a+b", "a b" },
        { "a%2Bb", "a+b", "a+b" },
        { "%20%0a%ff", " \n\xFF", " \n\xFF" },
        { "%25%32%35", "%25", "%25" },
        { "%2525", "%25", "%25" },
        { "a=b&c", "a=b&c", "a=b&c" },
        { "%C3%a4", "\xC3\xA4", "\xC3\xA4" },
        { "%00", NULL, NULL },
        { "a%00b", NULL, NULL },
        { "%", NULL, NULL },
        { "%4", NULL, NULL },
        { "a%", NULL, NULL },
        { "%4g", NULL, NULL },
        { "%g4", NULL, NULL },
        { "%%41", NULL, NULL },
        { "%u0041", NULL, NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int plus = 0; plus < 2; plus++) {
            size_t n = strlen(cases[i].in), len = SIZE_MAX;
            const char *expected = plus ? cases[i].plus : cases[i].out;
            char *src = copy_of(cases[i].in, n);
            char *dst = malloc(n + 1);
            assert_non_null(dst);
            int err = hs_percent_decode((struct hs_view){ src, n }, plus != 0, dst, &len);
            assert_int_equal(err, expected != NULL ? 0 : EINVAL);
            if (expected != NULL) {
                assert_string_equal(dst, expected);
                assert_int_equal(len, strlen(expected));
            }
            free(src);
            free(dst);
        }
    }
    size_t len;
    char both[] = "a%41+%42";
    assert_int_equal(hs_percent_decode((struct hs_view){ both, 8 }, true, both, &len), 0);
    assert_string_equal(both, "aA B");
    assert_int_equal(hs_percent_decode((struct hs_view){ "a\0b", 3 }, false, both, &len), EINVAL);
    assert_int_equal(hs_percent_decode((struct hs_view){ NULL, 0 }, false, both, &len), 0);
    assert_int_equal(len, 0);
}

static void
threat_10_authorities(void **state)
{
    (void)state;
    static const char *const good[] = { "a",           "a.b",     "a.b.",      "127.0.0.1", "a:0",           "a:1",         "a:65535",
                                        "a:00080",     "[::1]",   "[::1]:80",  "[fe80::1]", "A-b_C.9:80",    "[::1.2.3.4]", "1",
                                        "xn--a.b.c:1", "0x7f.1",  "-a",        "a-",        "_x._tcp.a" };
    static const char *const bad[] = { "",      ".",      "..",     ".a",    "a..b",   "a..",     "a:",     "a:b",       ":80",     "a:65536",
                                       "a:-1",  "a:+1",   "a: 1",   "a:1 ",  "a:1:2",  "a:999999", "u@a",   "a b",       "a/",      "[",
                                       "[]",    "[::1",   "::1",    "[::1]a", "[::1]:", "[::1]:x", "[1]",   "[1.2.3.4]", "[::1%1]", "[v1.a]",
                                       "a%41",  "a\x80",  "a,b",    "a;b",   "a~b",    "a!b",     "a$b",    "a&b",       "a'b",     "a(b)",
                                       "a*b",   "a+b",    "a=b",    "a[b]",  "[::1]]", "[[::1]]", "[::1]:65536", "[12345::1]" };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char *copy = copy_of(good[i], strlen(good[i]));
        if (!hs_authority_ok((struct hs_view){ copy, strlen(good[i]) })) {
            fail_msg("%s is refused", good[i]);
        }
        free(copy);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *copy = copy_of(bad[i], strlen(bad[i]));
        if (hs_authority_ok((struct hs_view){ copy, strlen(bad[i]) })) {
            fail_msg("%s is taken", bad[i]);
        }
        free(copy);
    }
    assert_false(hs_authority_ok((struct hs_view){ "a\0b", 3 }));
    assert_false(hs_authority_ok((struct hs_view){ "[::1\0]", 6 }));
    assert_false(hs_authority_ok((struct hs_view){ NULL, 0 }));
}

static void
threat_11_same_authority(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool same;
    } cases[] = { { "a", "a", true },         { "a", "A", true },         { "a", "b", false },      { "a", "a:80", true },
                  { "a:80", "a", true },      { "a:080", "a:80", true },  { "a:81", "a", false },   { "a:81", "a:81", true },
                  { "a", "a.", false },       { "", "", false },          { "a", "", false },       { "a", "a:", false },
                  { "[::1]", "[::1]:80", true }, { "[::A]", "[::a]", true }, { "a", "ab", false },  { "a@", "a@", false } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(hs_authority_same(hs_view_of(cases[i].a), hs_view_of(cases[i].b), 80), cases[i].same);
    }
}

static void
absolute_forms(void **state)
{
    (void)state;
    assert_int_equal(hs_absolute_form(HS_VIEW("http://a")), 7);
    assert_int_equal(hs_absolute_form(HS_VIEW("HTTPS://a")), 8);
    assert_int_equal(hs_absolute_form(HS_VIEW("http://")), 7);
    assert_int_equal(hs_absolute_form(HS_VIEW("http:/")), 0);
    assert_int_equal(hs_absolute_form(HS_VIEW("https:/")), 0);
    assert_int_equal(hs_absolute_form(HS_VIEW("ftp://a")), 0);
    assert_int_equal(hs_absolute_form(HS_VIEW("/http://a")), 0);
    assert_int_equal(hs_absolute_form((struct hs_view){ NULL, 0 }), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ruling_15_one_normalised_path),
        cmocka_unit_test(threat_28_paths),
        cmocka_unit_test(threat_28_every_byte),
        cmocka_unit_test(threat_28_utf8),
        cmocka_unit_test(threat_28_all_short_paths),
        cmocka_unit_test(percent_decoding),
        cmocka_unit_test(threat_10_authorities),
        cmocka_unit_test(threat_11_same_authority),
        cmocka_unit_test(absolute_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
