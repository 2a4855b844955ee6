/* test_times.c - server/times.h: durations in buckets, and what is read from them. */
#include "server/times.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/loop.h"

static void
buckets_follow_each_other_without_a_gap(void **state)
{
    (void)state;
    int64_t begin = (int64_t)1 << HS_TIMES_FIRST;
    for (size_t i = 0; i < HS_PAGE_TIMES; i++) {
        int64_t end = hs_times_end(i);
        assert_true(end > begin);
        assert_true((double)(end - begin) / (double)begin <= 0.0625);
        assert_int_equal(hs_times_place(hs_times_clamp(begin)), i);
        assert_int_equal(hs_times_place(hs_times_clamp(end - 1)), i);
        begin = end;
    }
    assert_int_equal(begin, (int64_t)1 << HS_TIMES_LAST);
}

static void
what_is_too_short_or_too_long_is_at_the_edge(void **state)
{
    (void)state;
    assert_int_equal(hs_times_place(hs_times_clamp(0)), 0);
    assert_int_equal(hs_times_place(hs_times_clamp(-5)), 0);
    assert_int_equal(hs_times_place(hs_times_clamp(INT64_MIN)), 0);
    assert_int_equal(hs_times_place(hs_times_clamp(hs_times_end(HS_PAGE_TIMES - 1))), HS_PAGE_TIMES - 1);
    assert_int_equal(hs_times_place(hs_times_clamp(INT64_MAX)), HS_PAGE_TIMES - 1);
}

static void
count(struct hs_page *p, size_t worker, int64_t ns, uint64_t n)
{
    hs_page_add(&hs_page_slot(p, worker)->times[hs_times_place(hs_times_clamp(ns))], n);
}

static void
quantiles_are_within_a_bucket(void **state)
{
    (void)state;
    struct hs_page *p;
    struct hs_times t;
    assert_int_equal(hs_page_new(2, &p), 0);
    hs_times_gather(p, &t);
    assert_int_equal(t.n, 0);
    assert_int_equal(hs_times_quantile(&t, 0.99), 0);
    for (int64_t ms = 1; ms <= 1000; ms++) {
        count(p, (size_t)(ms & 1), ms * HS_MSEC, 1);
    }
    hs_times_gather(p, &t);
    assert_int_equal(t.n, 1000);
    for (int k = 1; k <= 100; k++) {
        double exact = k * 10 * (double)HS_MSEC, got = (double)hs_times_quantile(&t, k / 100.0);
        assert_true(got > exact * 0.93 && got < exact * 1.07);
    }
    assert_true(hs_times_quantile(&t, 0) < 2 * HS_MSEC);
    hs_page_free(p);
}

static void
what_came_since_is_the_difference(void **state)
{
    (void)state;
    struct hs_page *p;
    struct hs_times before, now;
    assert_int_equal(hs_page_new(1, &p), 0);
    count(p, 0, HS_SEC, 90);
    hs_times_gather(p, &before);
    count(p, 0, HS_MSEC, 10);
    hs_times_gather(p, &now);
    hs_times_subtract(&now, &before);
    assert_int_equal(now.n, 10);
    assert_true(hs_times_quantile(&now, 1) < 2 * HS_MSEC);
    hs_page_free(p);
}

static void
the_ends_of_doublings_divide_exactly(void **state)
{
    (void)state;
    struct hs_page *p;
    struct hs_times t;
    assert_int_equal(hs_page_new(1, &p), 0);
    count(p, 0, ((int64_t)1 << 20) - 1, 3);
    count(p, 0, (int64_t)1 << 20, 5);
    count(p, 0, (int64_t)1 << 62, 7);
    hs_times_gather(p, &t);
    assert_int_equal(hs_times_below(&t, 5), 0);
    assert_int_equal(hs_times_below(&t, 19), 0);
    assert_int_equal(hs_times_below(&t, 20), 3);
    assert_int_equal(hs_times_below(&t, 21), 8);
    assert_int_equal(hs_times_below(&t, 63), 15);
    hs_page_free(p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_follow_each_other_without_a_gap),
        cmocka_unit_test(what_is_too_short_or_too_long_is_at_the_edge),
        cmocka_unit_test(quantiles_are_within_a_bucket),
        cmocka_unit_test(what_came_since_is_the_difference),
        cmocka_unit_test(the_ends_of_doublings_divide_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
