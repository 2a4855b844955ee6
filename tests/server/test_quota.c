/* test_quota.c - server/quota.h: places that several processes share. */
#include "server/quota.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void
kinds_are_counted_apart_and_workers_together(void **state)
{
    (void)state;
    struct hs_quota *q;
    assert_int_equal(hs_quota_new(3, 2, &q), 0);
    assert_true(hs_quota_is_shared(q));
    assert_true(hs_quota_take(q, 0, 0, 2));
    assert_true(hs_quota_take(q, 2, 0, 2));
    assert_false(hs_quota_take(q, 1, 0, 2));
    assert_int_equal(hs_quota_total(q, 0), 2);
    assert_int_equal(hs_quota_total(q, 1), 0);
    assert_true(hs_quota_take(q, 1, 1, 1));
    assert_false(hs_quota_take(q, 1, 1, 1));
    hs_quota_give(q, 2, 0);
    assert_true(hs_quota_take(q, 1, 0, 2));
    hs_quota_leave(q, 1); /* with one of each kind */
    assert_int_equal(hs_quota_total(q, 0), 1);
    assert_int_equal(hs_quota_total(q, 1), 0);
    hs_quota_free(q);
    assert_int_equal(hs_quota_new(1, 1, &q), 0);
    assert_false(hs_quota_is_shared(q));
    hs_quota_free(q);
}

static void
processes_never_take_more_than_there_are(void **state)
{
    (void)state;
    enum { WORKERS = 4, MAX = 50, ROUNDS = 20000 };
    struct hs_quota *q;
    pid_t pids[WORKERS];
    assert_int_equal(hs_quota_new(WORKERS, 1, &q), 0);
    for (size_t i = 0; i < WORKERS; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0) {
            unsigned held = 0;
            for (int round = 0; round < ROUNDS; round++) {
                if (round % 3 != 2) {
                    held += hs_quota_take(q, i, 0, MAX);
                } else if (held != 0) {
                    hs_quota_give(q, i, 0);
                    held--;
                }
            }
            _exit((int)held);
        }
    }
    int held = 0;
    for (size_t i = 0; i < WORKERS; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(WIFEXITED(status));
        held += WEXITSTATUS(status);
    }
    assert_in_range(held, 1, MAX);
    assert_int_equal(hs_quota_total(q, 0), held);
    hs_quota_free(q);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_are_counted_apart_and_workers_together),
        cmocka_unit_test(processes_never_take_more_than_there_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
