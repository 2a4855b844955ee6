/* test_tally.c - base/tally.h: what happens is counted, whoever sees it. */
#include "base/tally.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void *
count_up(void *arg)
{
    for (int i = 0; i < 100000; i++) {
        hs_tally(HS_TALLY_LUA_ERRORS);
    }
    return arg;
}

static void
no_event_of_two_threads_is_lost(void **state)
{
    (void)state;
    pthread_t threads[2];
    uint64_t before = hs_tally_get(HS_TALLY_LUA_ERRORS);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, NULL), 0);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(hs_tally_get(HS_TALLY_LUA_ERRORS) - before, 200000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(no_event_of_two_threads_is_lost) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
