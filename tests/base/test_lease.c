/* test_lease.c - base/lease.h: what one of several processes does for all. */
#include "base/lease.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/region.h"

static int
leave(void **state)
{
    (void)state;
    hs_region_leave();
    return 0;
}

/* Whether a child can take the lease; it dies with it. */
static bool
child_takes(const char *name)
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct hs_lease *l;
        int err = hs_lease_take(hs_view_of(name), &l);
        if (err == 0) {
            hs_lease_set_last(l, 42);
        }
        _exit(err);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == EBUSY);
    return WEXITSTATUS(status) == 0;
}

static void
one_has_it_at_a_time(void **state)
{
    (void)state;
    struct hs_lease *l, *other;
    assert_int_equal(hs_region_open(HS_REGION_DEFAULT), 0);
    assert_int_equal(hs_lease_take(HS_VIEW("a"), &l), 0);
    assert_int_equal(hs_lease_last(l), 0);
    assert_int_equal(hs_lease_take(HS_VIEW("a"), &other), EBUSY);
    assert_null(other);
    assert_false(child_takes("a"));
    assert_true(child_takes("b"));
    hs_lease_set_last(l, 7);
    hs_lease_give(l);
    assert_int_equal(hs_lease_take(HS_VIEW("a"), &l), 0);
    assert_int_equal(hs_lease_last(l), 7); /* as the last one has left it */
    hs_lease_give(l);
}

static void
who_dies_gives_it_back(void **state)
{
    (void)state;
    struct hs_lease *l;
    assert_int_equal(hs_region_open(HS_REGION_DEFAULT), 0);
    assert_true(child_takes("a"));
    assert_true(child_takes("a"));
    assert_int_equal(hs_lease_take(HS_VIEW("a"), &l), 0);
    assert_int_equal(hs_lease_last(l), 42);
    hs_lease_give(l);
}

static void
names_that_nobody_holds_make_room(void **state)
{
    (void)state;
    static struct hs_lease *held[512];
    struct hs_lease *l;
    char name[HS_LEASE_NAME_MAX + 1];
    assert_int_equal(hs_region_open(HS_REGION_DEFAULT), 0);
    memset(name, 'x', sizeof name);
    assert_int_equal(hs_lease_take((struct hs_view){ name, sizeof name }, &l), ENAMETOOLONG);
    assert_int_equal(hs_lease_take(HS_VIEW(""), &l), ENAMETOOLONG);
    for (int i = 0; i < 2000; i++) {
        (void)snprintf(name, sizeof name, "name %d", i);
        assert_int_equal(hs_lease_take(hs_view_of(name), &l), 0);
        hs_lease_give(l);
    }
    for (int i = 0; i < 512; i++) {
        (void)snprintf(name, sizeof name, "held %d", i);
        assert_int_equal(hs_lease_take(hs_view_of(name), &held[i]), 0);
    }
    assert_int_equal(hs_lease_take(HS_VIEW("one more"), &l), ENOSPC);
    for (int i = 0; i < 512; i++) {
        hs_lease_give(held[i]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(one_has_it_at_a_time, leave),
        cmocka_unit_test_teardown(who_dies_gives_it_back, leave),
        cmocka_unit_test_teardown(names_that_nobody_holds_make_room, leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
