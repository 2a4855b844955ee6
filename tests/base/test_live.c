/* test_live.c - base/live.h. */
#include "base/live.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void
kinds_are_counted_apart(void **state)
{
    (void)state;
    for (int k = 0; k < HS_LIVE_KINDS; k++) {
        assert_int_equal(hs_live_get((enum hs_live_kind)k), 0);
    }
    hs_live_add(HS_LIVE_IO, 3);
    hs_live_add(HS_LIVE_TIMER, 1);
    hs_live_add(HS_LIVE_IO, -1);
    assert_int_equal(hs_live_get(HS_LIVE_IO), 2);
    assert_int_equal(hs_live_get(HS_LIVE_TIMER), 1);
    assert_int_equal(hs_live_get(HS_LIVE_SESSION), 0);
    hs_live_add(HS_LIVE_IO, -2);
    hs_live_add(HS_LIVE_TIMER, -1);
    assert_int_equal(hs_live_get(HS_LIVE_IO), 0);
}

static void *
count_up(void *arg)
{
    for (int i = 0; i < 100000; i++) {
        hs_live_add(HS_LIVE_CONN, 1);
    }
    return arg;
}

static void
no_count_of_two_threads_is_lost(void **state)
{
    (void)state;
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, NULL), 0);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(hs_live_get(HS_LIVE_CONN), 200000);
    hs_live_add(HS_LIVE_CONN, -200000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_are_counted_apart),
        cmocka_unit_test(no_count_of_two_threads_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
