/* test_nearest.c - server/nearest.h: what was probably meant. */
#include "server/nearest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
the_nearest_word_is_found_if_it_is_near(void **state)
{
    (void)state;
    static const char *const words[] = { "listen", NULL, "log-level", "load-timeout", "dev" };
    const size_t n = sizeof words / sizeof *words;
    assert_string_equal(hs_nearest("lisen", words, n), "listen");
    assert_string_equal(hs_nearest("listten", words, n), "listen");
    assert_string_equal(hs_nearest("log_levle", words, n), "log-level");
    assert_string_equal(hs_nearest("load_timeout", words, n), "load-timeout");
    assert_string_equal(hs_nearest("de", words, n), "dev");
    assert_null(hs_nearest("banana", words, n));
    assert_null(hs_nearest("listen", words, 0));
    char big[100];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    assert_null(hs_nearest(big, words, n));
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_nearest_word_is_found_if_it_is_near) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
