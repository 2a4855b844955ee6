/* test_settings_check.c - server/settings.h: settings that do not go together. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/settings.h"

static char why[256];
static const struct hs_setting *which;

static int
set(struct hs_settings *s, const char *name, const char *text)
{
    return hs_setting_set(s, hs_setting_find(name), text, HS_SOURCE_COMMAND, why, sizeof why);
}

static void
values_that_contradict_each_other(void **state)
{
    (void)state;
    struct hs_settings settings, *s = &settings;
    assert_int_equal(hs_settings_init(s), 0);
    assert_int_equal(hs_settings_check(s, &which, why, sizeof why), 0);
    assert_int_equal(set(s, "response-low", "1M"), 0);
    assert_int_equal(hs_settings_check(s, &which, why, sizeof why), EINVAL);
    assert_int_equal(set(s, "response-low", "1K"), 0);
    assert_int_equal(set(s, "head-size", "1K"), 0);
    assert_int_equal(hs_settings_check(s, &which, why, sizeof why), EINVAL);
    assert_int_equal(set(s, "target-size", "1K"), 0);
    assert_int_equal(hs_settings_check(s, &which, why, sizeof why), 0);
    assert_int_equal(set(s, "listen", "unix:/x,proxy"), 0);
    assert_int_equal(hs_settings_check(s, &which, why, sizeof why), 0);
    assert_int_equal(set(s, "listen", "fd:web,proxy"), 0);
    assert_int_equal(hs_settings_check(s, &which, why, sizeof why), 0); /* may be a unix socket */
    assert_int_equal(set(s, "listen", "80,proxy"), 0);
    assert_int_equal(hs_settings_check(s, &which, why, sizeof why), EINVAL); /* from nobody */
    assert_string_equal(which->name, "listen");
    assert_int_equal(set(s, "trusted", "127.0.0.1"), 0);
    assert_int_equal(hs_settings_check(s, &which, why, sizeof why), 0);
    hs_settings_fini(s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_that_contradict_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
