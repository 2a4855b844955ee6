/* test_region.c - base/region.h: memory that processes share, and locks that outlive their holders. */
#include "base/region.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static unsigned inits;

static void
init(void *p, size_t size, void *arg)
{
    assert_int_equal(((char *)p)[size - 1], 0);
    memcpy(p, arg, 6);
    inits++;
}

static int
leave(void **state)
{
    (void)state;
    hs_region_leave();
    inits = 0;
    return 0;
}

static void
pieces_are_had_by_name(void **state)
{
    (void)state;
    void *a, *b;
    size_t n;
    assert_int_equal(hs_region_open(1024 * 1024), 0);
    assert_int_equal(hs_region_open(1024 * 1024), EBUSY);
    assert_int_equal(hs_region_piece(HS_VIEW("a"), 0, init, "first", &a, &n), ENOENT);
    assert_int_equal(hs_region_piece(HS_VIEW("a"), 1000, init, "first", &a, &n), 0);
    assert_int_equal(n, 1000);
    assert_string_equal(a, "first");
    assert_int_equal(hs_region_piece(HS_VIEW("b"), 2000, init, "other", &b, &n), 0);
    assert_true((char *)b >= (char *)a + 1000);
    assert_int_equal((uintptr_t)b % 64, 0);
    assert_int_equal(hs_region_piece(HS_VIEW("a"), 5000, init, "again", &b, &n), 0); /* as it is */
    assert_ptr_equal(a, b);
    assert_int_equal(n, 1000);
    assert_int_equal(inits, 2);
    assert_int_equal(hs_region_piece(HS_VIEW("a"), 0, init, "again", &b, &n), 0);
}

static void
it_has_limits(void **state)
{
    (void)state;
    char name[HS_REGION_NAME_MAX + 1];
    void *p;
    size_t n;
    memset(name, 'x', sizeof name);
    assert_int_equal(hs_region_open(1024 * 1024), 0);
    assert_int_equal(hs_region_piece((struct hs_view){ name, sizeof name }, 10, init, "first", &p, &n), ENAMETOOLONG);
    assert_int_equal(hs_region_piece(HS_VIEW("a"), 1024 * 1024 + 64, init, "first", &p, &n), ENOSPC);
    assert_int_equal(hs_region_piece(HS_VIEW("a"), SIZE_MAX - 5, init, "first", &p, &n), ENOSPC);
    assert_int_equal(hs_region_piece(HS_VIEW("a"), 1024 * 1024, init, "first", &p, &n), 0);
    assert_int_equal(hs_region_piece(HS_VIEW("b"), 64, init, "first", &p, &n), ENOSPC);
    hs_region_leave();
    for (int i = 0; i <= HS_REGION_PIECES; i++) { /* the first call makes one */
        name[0] = (char)(i & 127);
        name[1] = (char)(i >> 7);
        assert_int_equal(hs_region_piece((struct hs_view){ name, 2 }, 64, init, "first", &p, &n), i < HS_REGION_PIECES ? 0 : ENOSPC);
    }
    hs_region_leave();
    assert_int_equal(hs_region_open(0), 0);
    assert_int_equal(hs_region_piece(HS_VIEW("a"), 64, init, "first", &p, &n), ENOTSUP);
}

static void
children_share_it(void **state)
{
    (void)state;
    char *p;
    size_t n;
    int status;
    assert_int_equal(hs_region_open(1024 * 1024), 0);
    pid_t child = fork();
    if (child == 0) {
        _exit(hs_region_piece(HS_VIEW("a"), 64, init, "child", (void **)&p, &n));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(hs_region_piece(HS_VIEW("a"), 0, init, "parent", (void **)&p, &n), 0);
    assert_string_equal(p, "child");
}

static void
locks_outlive_their_holders(void **state)
{
    (void)state;
    pthread_mutex_t *m;
    size_t n;
    assert_int_equal(hs_region_open(1024 * 1024), 0);
    assert_int_equal(hs_region_piece(HS_VIEW("lock"), sizeof *m, init, "xxxxx", (void **)&m, &n), 0);
    memset(m, 0, sizeof *m);
    assert_int_equal(hs_robust_init(m), 0);
    assert_false(hs_robust_lock(m));
    assert_false(hs_robust_try(m));
    hs_robust_unlock(m);
    for (int i = 0; i < 4; i++) {
        pid_t child = fork();
        if (child == 0) {
            (void)hs_robust_lock(m);
            _exit(0); /* with it */
        }
        assert_int_equal(waitpid(child, NULL, 0), child);
        if (i & 1) {
            assert_true(hs_robust_try(m));
        } else {
            assert_true(hs_robust_lock(m));
        }
        hs_robust_unlock(m);
        assert_false(hs_robust_lock(m)); /* well again */
        hs_robust_unlock(m);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(pieces_are_had_by_name, leave),
        cmocka_unit_test_teardown(it_has_limits, leave),
        cmocka_unit_test_teardown(children_share_it, leave),
        cmocka_unit_test_teardown(locks_outlive_their_holders, leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
