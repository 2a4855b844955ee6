/* test_date.c - HTTP dates, written and read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "http/date.h"

/* 2026-01-01 00:00:00 */
static const int64_t now = 1767225600;

static int
parse(const char *text, int64_t *t)
{
    size_t n = strlen(text);
    char *copy = malloc(n + (n == 0));
    assert_non_null(copy);
    memcpy(copy, text, n);
    int err = hs_http_date_parse_at((struct hs_view){ copy, n }, now, t);
    free(copy);
    return err;
}

static void
dates_are_written(void **state)
{
    (void)state;
    static const struct {
        int64_t t;
        const char *text;
    } cases[] = {
        { 0, "Thu, 01 Jan 1970 00:00:00 GMT" },           { 784111777, "Sun, 06 Nov 1994 08:49:37 GMT" },
        { 951782399, "Mon, 28 Feb 2000 23:59:59 GMT" },   { 951782400, "Tue, 29 Feb 2000 00:00:00 GMT" },
        { 951868800, "Wed, 01 Mar 2000 00:00:00 GMT" },   { 1709251199, "Thu, 29 Feb 2024 23:59:59 GMT" },
        { 2147483647, "Tue, 19 Jan 2038 03:14:07 GMT" },  { 2147483648, "Tue, 19 Jan 2038 03:14:08 GMT" },
        { 4107542399, "Sun, 28 Feb 2100 23:59:59 GMT" },  { 4107542400, "Mon, 01 Mar 2100 00:00:00 GMT" },
        { 253402300799, "Fri, 31 Dec 9999 23:59:59 GMT" }, { 253402300800, "Fri, 31 Dec 9999 23:59:59 GMT" },
        { INT64_MAX, "Fri, 31 Dec 9999 23:59:59 GMT" },   { -1, "Thu, 01 Jan 1970 00:00:00 GMT" },
        { INT64_MIN, "Thu, 01 Jan 1970 00:00:00 GMT" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[HS_HTTP_DATE_SIZE];
        hs_http_date_write(text, cases[i].t);
        assert_memory_equal(text, cases[i].text, HS_HTTP_DATE_SIZE);
        assert_string_equal(hs_http_date(cases[i].t), cases[i].text);
    }
}

/* Against libc, over all months of some centuries. */
static void
dates_agree_with_libc(void **state)
{
    (void)state;
    for (int64_t t = 0; t < 253402300799; t += 86400LL * 13 + 12345) {
        char expected[64], text[HS_HTTP_DATE_SIZE];
        time_t seconds = (time_t)t;
        struct tm tm;
        assert_non_null(gmtime_r(&seconds, &tm));
        assert_int_equal(strftime(expected, sizeof expected, "%a, %d %b %Y %H:%M:%S GMT", &tm), HS_HTTP_DATE_SIZE);
        hs_http_date_write(text, t);
        assert_memory_equal(text, expected, HS_HTTP_DATE_SIZE);
        int64_t back = -1;
        assert_int_equal(hs_http_date_parse((struct hs_view){ text, HS_HTTP_DATE_SIZE }, &back), 0);
        assert_int_equal(back, t);
        strftime(expected, sizeof expected, "%a %b %e %H:%M:%S %Y", &tm);
        assert_int_equal(parse(expected, &back), 0);
        assert_int_equal(back, t);
    }
}

static void
the_date_line_is_kept_for_a_second(void **state)
{
    (void)state;
    struct hs_view line = hs_http_date_line(784111777);
    assert_int_equal(line.n, 37);
    assert_memory_equal(line.p, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 37);
    assert_ptr_equal(hs_http_date_line(784111777).p, line.p);
    line = hs_http_date_line(784111778);
    assert_memory_equal(line.p, "Date: Sun, 06 Nov 1994 08:49:38 GMT\r\n", 37);
    line = hs_http_date_line(784111776); /* the clock was set back */
    assert_memory_equal(line.p, "Date: Sun, 06 Nov 1994 08:49:36 GMT\r\n", 37);
}

static void *
other_thread(void *arg)
{
    (void)arg;
    return strcmp(hs_http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT") == 0 ? NULL : "wrong";
}

static void
each_thread_has_its_own(void **state)
{
    (void)state;
    const char *mine = hs_http_date(784111777);
    pthread_t thread;
    void *result = "none";
    assert_int_equal(pthread_create(&thread, NULL, other_thread, NULL), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_null(result);
    assert_string_equal(mine, "Sun, 06 Nov 1994 08:49:37 GMT");
}

/* A new thread's first date is right even for the second that an unset one would claim. */
static void *
first_date(void *arg)
{
    (void)arg;
    return strcmp(hs_http_date(-1), "Thu, 01 Jan 1970 00:00:00 GMT") == 0 ? NULL : "wrong";
}

static void
the_first_date_of_a_thread_is_made(void **state)
{
    (void)state;
    pthread_t thread;
    void *result = "none";
    assert_int_equal(pthread_create(&thread, NULL, first_date, NULL), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_null(result);
}

static void
three_forms_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t t;
    } cases[] = {
        { "Sun, 06 Nov 1994 08:49:37 GMT", 784111777 },
        { "Sunday, 06-Nov-94 08:49:37 GMT", 784111777 },
        { "Sun Nov  6 08:49:37 1994", 784111777 },
        { "Sun Nov 06 08:49:37 1994", 784111777 },
        { "Wed Nov 16 08:49:37 1994", 784975777 },
        { "Monday, 06-Nov-94 08:49:37 GMT", 784111777 }, /* the name of the day is not counted */
        { "Tuesday, 06-Nov-94 08:49:37 GMT", 784111777 },
        { "Wednesday, 06-Nov-94 08:49:37 GMT", 784111777 },
        { "Thursday, 06-Nov-94 08:49:37 GMT", 784111777 },
        { "Friday, 06-Nov-94 08:49:37 GMT", 784111777 },
        { "Saturday, 06-Nov-94 08:49:37 GMT", 784111777 },
        { "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
        { "Wed, 31 Dec 1969 23:59:59 GMT", -1 },
        { "Mon, 01 Jan 1900 00:00:00 GMT", -2208988800 },
        { "Sat, 01 Jan 0000 00:00:00 GMT", -62167219200 },
        { "Fri, 31 Dec 9999 23:59:59 GMT", 253402300799 },
        { "Tue, 29 Feb 2000 12:00:00 GMT", 951825600 },
        { "Thu, 29 Feb 2024 12:00:00 GMT", 1709208000 },
        { "Fri, 30 Jun 2017 23:59:60 GMT", 1498867200 }, /* a leap second is the second after it */
        { "Thursday, 01-Jan-26 00:00:00 GMT", 1767225600 },
        { "Thursday, 01-Jan-76 00:00:00 GMT", 3345062400 },  /* 50 years ahead */
        { "Thursday, 01-Jan-77 00:00:00 GMT", 220924800 },   /* more than 50: 1977 */
        { "Thursday, 01-Jan-00 00:00:00 GMT", 946684800 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t t = 12345;
        if (parse(cases[i].text, &t) != 0 || t != cases[i].t) {
            fail_msg("%s: %lld", cases[i].text, (long long)t);
        }
    }
}

static void
two_digit_years_follow_the_clock(void **state)
{
    (void)state;
    int64_t t;
    static const struct hs_view y01 = { "Monday, 01-Jan-01 00:00:00 GMT", 30 };
    static const struct hs_view y99 = { "Monday, 01-Jan-99 00:00:00 GMT", 30 };
    assert_int_equal(hs_http_date_parse_at(y01, 4070908800, &t), 0); /* in 2099 it is 2101 */
    assert_int_equal(t, 4133980800);
    assert_int_equal(hs_http_date_parse_at(y99, 4133980800, &t), 0); /* in 2101 it is 2099 */
    assert_int_equal(t, 4070908800);
    assert_int_equal(hs_http_date_parse_at(y99, -5, &t), 0); /* no clock: 1970 */
    assert_int_equal(t, 915148800);
    assert_int_equal(hs_http_date_parse_at(y99, INT64_MAX, &t), 0);
    assert_int_equal(hs_http_date_parse(y99, &t), 0);
    assert_int_equal(t, 915148800);
}

static void
anything_else_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", " ", "0", "now", "Sun", "Sun,", "Sun, ", "Sun ",
        "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 ", "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Nov 1994 08:49:37 gmt",
        "Sun, 06 Nov 1994 08:49:37 GMT ", " Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMTx",
        "Sun, 06 Nov 1994 08:49:37 +0000", "sun, 06 Nov 1994 08:49:37 GMT", "SUN, 06 Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT", "Sun,  6 Nov 1994 08:49:37 GMT", "Sun, 006 Nov 1994 08:49:37 GMT", "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT", "Sun, 06 Nov 19940 08:49:37 GMT", "Sun, 06-Nov-1994 08:49:37 GMT", "Sun, 06 Foo 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 31 Nov 1994 08:49:37 GMT", "Sun, 32 Dec 1994 08:49:37 GMT", "Tue, 29 Feb 2023 08:49:37 GMT",
        "Tue, 29 Feb 1900 08:49:37 GMT", "Tue, 30 Feb 2000 08:49:37 GMT", "Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT", "Sun, 06 Nov 1994 8:49:37 GMT", "Sun, 06 Nov 1994 08:49 GMT", "Sun, 06 Nov 1994 -1:49:37 GMT",
        "Sun, +6 Nov 1994 08:49:37 GMT", "Xyz, 06 Nov 1994 08:49:37 GMT", "Sun; 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT", "Sunday 06-Nov-94 08:49:37 GMT", "Sundays, 06-Nov-94 08:49:37 GMT", "Sunday, 06 Nov 94 08:49:37 GMT",
        "Monsday, 06-Nov-94 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37", "Sun Nov  6 08:49:37 94", "Sun Nov 6 08:49:37 1994",
        "Sun Nov  6 08:49:37 1994 GMT", "Sun Nov   6 08:49:37 1994", "Sun Nov  0 08:49:37 1994", "Sun, 06 Nov 1994\0 08:49:37 GMT",
        "1994-11-06T08:49:37Z", "784111777",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t t = 12345;
        if (parse(bad[i], &t) != EINVAL || t != 12345) {
            fail_msg("%s is taken", bad[i]);
        }
    }
    int64_t t;
    assert_int_equal(hs_http_date_parse((struct hs_view){ NULL, 0 }, &t), EINVAL);
    static const char *const good[] = { "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994" };
    for (size_t i = 0; i < 3; i++) { /* every prefix, and every byte made another */
        char text[40];
        size_t n = strlen(good[i]);
        for (size_t k = 0; k < n; k++) {
            memcpy(text, good[i], n + 1);
            text[k] = '\0';
            assert_int_equal(parse(text, &t), EINVAL);
            memcpy(text, good[i], n + 1);
            text[k] = '!';
            assert_int_equal(parse(text, &t), EINVAL);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_are_written),
        cmocka_unit_test(dates_agree_with_libc),
        cmocka_unit_test(the_date_line_is_kept_for_a_second),
        cmocka_unit_test(each_thread_has_its_own),
        cmocka_unit_test(the_first_date_of_a_thread_is_made),
        cmocka_unit_test(three_forms_are_read),
        cmocka_unit_test(two_digit_years_follow_the_clock),
        cmocka_unit_test(anything_else_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
