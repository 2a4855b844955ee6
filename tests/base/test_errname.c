/* test_errname.c - base/errname.h. */
#include "base/errname.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void
names_what_the_api_names(void **state)
{
    (void)state;
    static const struct {
        int err;
        const char *name;
    } known[] = {
        { ENOENT, "ENOENT" },   { EBADF, "EBADF" },         { EAGAIN, "EAGAIN" },         { ENOMEM, "ENOMEM" },
        { EINVAL, "EINVAL" },   { EBUSY, "EBUSY" },         { EMSGSIZE, "EMSGSIZE" },     { ECONNABORTED, "ECONNABORTED" },
        { EALREADY, "EALREADY" }, { ETIMEDOUT, "ETIMEDOUT" }, { ECONNRESET, "ECONNRESET" }, { EPIPE, "EPIPE" },
        { EPROTO, "EPROTO" },   { ECANCELED, "ECANCELED" },
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        assert_string_equal(hs_errname(known[i].err), known[i].name);
    }
}

static void
shared_values_have_one_name(void **state)
{
    (void)state;
    assert_string_equal(hs_errname(EWOULDBLOCK), "EAGAIN");
    assert_string_equal(hs_errname(EDEADLOCK), "EDEADLK");
    assert_string_equal(hs_errname(ENOTSUP), "EOPNOTSUPP");
}

static void
unknown_values(void **state)
{
    (void)state;
    static const int unknown[] = { 0, -1, INT_MIN, INT_MAX, 41, 4096 };
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        assert_string_equal(hs_errname(unknown[i]), "E?");
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_what_the_api_names),
        cmocka_unit_test(shared_values_have_one_name),
        cmocka_unit_test(unknown_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
