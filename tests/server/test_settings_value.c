/* test_settings_value.c - server/settings_value.h: each type's own way of writing numbers, and its range. */
#include "server/settings_value.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "io/loop.h"

static const struct hs_setting flag = { .name = "flag", .type = HS_SETTING_FLAG, .max = 1 };
static const struct hs_setting count = { .name = "count", .type = HS_SETTING_COUNT, .min = 1, .max = 100, .flags = HS_SETTING_OR_NONE };
static const struct hs_setting workers = { .name = "workers", .type = HS_SETTING_WORKERS, .min = 0, .max = 8 };
static const struct hs_setting bytes = { .name = "bytes", .type = HS_SETTING_SIZE, .min = 1, .max = INT64_MAX };
static const struct hs_setting span = { .name = "span", .type = HS_SETTING_TIME, .min = 0, .max = INT64_MAX };
static const struct hs_setting level = { .name = "level", .type = HS_SETTING_LOG_LEVEL };
static const struct hs_setting choice = { .name = "choice", .type = HS_SETTING_CHOICE, .max = 2, .value = "one|three|four" };
static const struct hs_setting path = { .name = "path", .type = HS_SETTING_PATH };

static void
texts_mean_numbers(void **state)
{
    (void)state;
    static const struct {
        const struct hs_setting *which;
        const char *text;
        int64_t n;
    } cases[] = {
        { &flag, "true", 1 }, { &flag, "off", 0 }, { &flag, "1", 1 },
        { &count, "1", 1 }, { &count, "100", 100 }, { &count, "007", 7 }, { &count, "none", -1 }, { &count, "false", -1 },
        { &workers, "auto", -1 }, { &workers, "0", 0 }, { &workers, "8", 8 },
        { &bytes, "1", 1 }, { &bytes, "2k", 2048 }, { &bytes, "2K", 2048 }, { &bytes, "3MiB", 3 << 20 }, { &bytes, "1T", (int64_t)1 << 40 },
        { &bytes, "9223372036854775807", INT64_MAX }, { &bytes, "8388607T", (int64_t)8388607 << 40 },
        { &span, "10", 10 * HS_SEC }, { &span, "0.5", HS_SEC / 2 }, { &span, "1.5m", 90 * HS_SEC }, { &span, "250ms", 250 * HS_MSEC },
        { &span, "2h", 7200 * HS_SEC }, { &span, "3s", 3 * HS_SEC }, { &span, "0.000000001", 1 }, { &span, "0.000001ms", 1 },
        { &choice, "one", 0 }, { &choice, "three", 1 }, { &choice, "four", 2 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t n = 77;
        if (!hs_setting_parse_number(cases[i].which, cases[i].text, &n) || n != cases[i].n) {
            fail_msg("%s '%s': %" PRId64, cases[i].which->name, cases[i].text, n);
        }
    }
}

static void
others_mean_none(void **state)
{
    (void)state;
    static const struct {
        const struct hs_setting *which;
        const char *text;
    } cases[] = {
        { &flag, "" }, { &flag, "TRUE" }, { &flag, "2" }, { &flag, "truee" },
        { &count, "" }, { &count, "0" }, { &count, "101" }, { &count, "-1" }, { &count, "+1" }, { &count, "1 " }, { &count, " 1" }, { &count, "1.0" },
        { &count, "0x1" }, { &count, "99999999999999999999" }, { &count, "auto" },
        { &workers, "none" }, { &workers, "9" }, { &workers, "-1" }, { &workers, "automatic" },
        { &bytes, "0" }, { &bytes, "K" }, { &bytes, "1KB" }, { &bytes, "1P" }, { &bytes, "1.5K" }, { &bytes, "8388608T" }, { &bytes, "9223372036854775808" },
        { &bytes, "1Kx" }, { &bytes, "none" },
        { &span, "" }, { &span, "." }, { &span, "1." }, { &span, ".5" }, { &span, "1.0000000001" }, { &span, "1d" }, { &span, "1 s" }, { &span, "-1" },
        { &span, "1e3" }, { &span, "9223372037" }, { &span, "2562048h" },
        { &level, "loud" }, { &level, "" },
        { &choice, "" }, { &choice, "on" }, { &choice, "two" }, { &choice, "one|three" }, { &choice, "ones" }, { &choice, "|" },
        { &path, "1" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t n;
        if (hs_setting_parse_number(cases[i].which, cases[i].text, &n)) {
            fail_msg("%s '%s': %" PRId64, cases[i].which->name, cases[i].text, n);
        }
    }
}

static void
what_is_written_means_the_same(void **state)
{
    (void)state;
    static const struct {
        const struct hs_setting *which;
        int64_t n;
        const char *text;
    } cases[] = {
        { &flag, 1, "true" }, { &flag, 0, "false" }, { &count, 12, "12" }, { &count, -1, "none" }, { &workers, -1, "auto" }, { &workers, 3, "3" },
        { &bytes, 1, "1" }, { &bytes, 1024, "1K" }, { &bytes, 1025, "1025" }, { &bytes, 3 << 20, "3M" }, { &bytes, (int64_t)5 << 40, "5T" },
        { &bytes, (int64_t)5 << 50, "5120T" }, { &bytes, INT64_MAX, "9223372036854775807" },
        { &span, 0, "0" }, { &span, HS_SEC, "1" }, { &span, 90 * HS_SEC, "90" }, { &span, HS_SEC / 4, "0.25" }, { &span, 1, "0.000000001" },
        { &choice, 0, "one" }, { &choice, 2, "four" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[64];
        int64_t n;
        assert_int_equal(hs_setting_format_number(cases[i].which, cases[i].n, text, sizeof text), strlen(cases[i].text));
        assert_string_equal(text, cases[i].text);
        assert_true(hs_setting_parse_number(cases[i].which, text, &n));
        assert_int_equal(n, cases[i].n);
    }
    for (int64_t l = 0; l < 5; l++) {
        char text[64];
        int64_t n;
        (void)hs_setting_format_number(&level, l, text, sizeof text);
        assert_true(hs_setting_parse_number(&level, text, &n));
        assert_int_equal(n, l);
    }
}

/* Whatever the table has: the ends of a range are in it, what is beyond is not, and what it must be is told. */
static void
ranges_of_all_settings(void **state)
{
    (void)state;
    const struct hs_setting *s;
    size_t numbers = 0;
    for (size_t i = 0; (s = hs_setting_at(i)) != NULL; i++) {
        char text[64], why[256];
        int64_t n;
        hs_setting_describe(s, why, sizeof why);
        assert_int_equal(strncmp(why, "must be ", 8), 0);
        if (s->type != HS_SETTING_COUNT && s->type != HS_SETTING_SIZE && s->type != HS_SETTING_TIME) {
            continue;
        }
        numbers++;
        (void)hs_setting_format_number(s, s->min, text, sizeof text);
        assert_true(hs_setting_parse_number(s, text, &n) && n == s->min);
        assert_non_null(strstr(why, text));
        (void)hs_setting_format_number(s, s->max, text, sizeof text);
        assert_true(hs_setting_parse_number(s, text, &n) && n == s->max);
        if (s->max != INT64_MAX) {
            (void)hs_setting_format_number(s, s->max + 1, text, sizeof text);
            assert_false(hs_setting_parse_number(s, text, &n));
        }
        if (s->min > 0) {
            (void)hs_setting_format_number(s, s->min - 1, text, sizeof text);
            assert_false(hs_setting_parse_number(s, text, &n));
        }
    }
    assert_true(numbers > 20);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_mean_numbers),
        cmocka_unit_test(others_mean_none),
        cmocka_unit_test(what_is_written_means_the_same),
        cmocka_unit_test(ranges_of_all_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
