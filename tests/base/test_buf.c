/* test_buf.c - base/buf.h. */
#include "base/buf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "alloc_fail.h"

static void
appends_and_grows(void **state)
{
    (void)state;
    struct hs_buf b;
    hs_buf_init(&b, 100000);
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(hs_buf_append_char(&b, (char)('a' + i % 26)), 0);
    }
    assert_int_equal(b.len, 10000);
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(b.p[i], 'a' + i % 26);
    }
    assert_true(b.cap < 3 * b.len);
    hs_buf_fini(&b);
    assert_null(b.p);
    assert_int_equal(b.max, 100000);
}

static void
empty_appends_allocate_nothing(void **state)
{
    (void)state;
    struct hs_buf b;
    hs_buf_init(&b, 10);
    assert_int_equal(hs_buf_append(&b, NULL, 0), 0);
    assert_int_equal(hs_buf_append_view(&b, (struct hs_view){ NULL, 0 }), 0);
    assert_null(b.p);
    assert_int_equal(hs_buf_peek(&b).n, 0);
    hs_buf_fini(&b);
}

static void
stops_at_its_limit(void **state)
{
    (void)state;
    for (size_t max = 0; max < 200; max++) {
        struct hs_buf b;
        hs_buf_init(&b, max);
        for (size_t i = 0; i < max; i++) {
            assert_int_equal(hs_buf_append(&b, "x", 1), 0);
        }
        assert_int_equal(hs_buf_append(&b, "x", 1), EMSGSIZE);
        assert_int_equal(hs_buf_printf(&b, "%d", 1), EMSGSIZE);
        assert_int_equal(hs_buf_reserve(&b, SIZE_MAX), EMSGSIZE);
        assert_int_equal(b.len, max);
        hs_buf_fini(&b);
    }
}

static void
huge_sizes_do_not_wrap(void **state)
{
    (void)state;
    struct hs_buf b;
    hs_buf_init(&b, SIZE_MAX);
    assert_int_equal(hs_buf_append(&b, "abc", 3), 0);
    assert_int_equal(hs_buf_reserve(&b, SIZE_MAX - 2), EMSGSIZE);
    assert_int_equal(hs_buf_reserve(&b, SIZE_MAX - 3), ENOMEM);
    assert_int_equal(hs_buf_reserve(&b, PTRDIFF_MAX), ENOMEM);
    assert_int_equal(b.len, 3);
    assert_memory_equal(b.p, "abc", 3);
    hs_buf_fini(&b);
}

static void
reserve_gives_room_to_write(void **state)
{
    (void)state;
    struct hs_buf b;
    hs_buf_init(&b, 1000);
    assert_int_equal(hs_buf_reserve(&b, 1000), 0);
    char *p = b.p;
    memset(b.p, 'y', 1000);
    b.len = 1000;
    assert_int_equal(hs_buf_reserve(&b, 0), 0);
    assert_ptr_equal(b.p, p);
    hs_buf_clear(&b);
    assert_int_equal(b.len, 0);
    assert_ptr_equal(b.p, p);
    hs_buf_fini(&b);
}

static void
printf_at_every_fill(void **state)
{
    (void)state;
    for (size_t before = 0; before < 140; before++) {
        struct hs_buf b;
        hs_buf_init(&b, before + 10);
        for (size_t i = 0; i < before; i++) {
            assert_int_equal(hs_buf_append_char(&b, '.'), 0);
        }
        assert_int_equal(hs_buf_printf(&b, "%s-%05d", "abcd", 42), 0); /* 10 bytes: exactly full */
        assert_int_equal(b.len, before + 10);
        assert_memory_equal(b.p + before, "abcd-00042", 10);
        assert_int_equal(hs_buf_printf(&b, "%s", "z"), EMSGSIZE);
        assert_int_equal(b.len, before + 10);
        assert_int_equal(hs_buf_printf(&b, "%s", ""), 0);
        hs_buf_fini(&b);
    }
}

static void
printf_reports_a_bad_conversion(void **state)
{
    (void)state;
    struct hs_buf b;
    hs_buf_init(&b, 100);
    wchar_t bad[] = { 0x7fffffff, 0 }; /* no multibyte form in any locale */
    assert_int_equal(hs_buf_append(&b, "ab", 2), 0);
    assert_int_equal(hs_buf_printf(&b, "%ls", bad), EINVAL);
    assert_int_equal(b.len, 2);
    hs_buf_fini(&b);
}

static void
consume_moves_the_rest(void **state)
{
    (void)state;
    struct hs_buf b;
    hs_buf_init(&b, 100);
    hs_buf_consume(&b, 0);
    assert_int_equal(hs_buf_append(&b, "0123456789", 10), 0);
    hs_buf_consume(&b, 0);
    assert_int_equal(b.len, 10);
    hs_buf_consume(&b, 3);
    assert_int_equal(b.len, 7);
    assert_memory_equal(b.p, "3456789", 7);
    hs_buf_consume(&b, 7);
    assert_int_equal(b.len, 0);
    hs_buf_fini(&b);
}

static void
take_gives_the_memory_away(void **state)
{
    (void)state;
    struct hs_buf b;
    size_t len = 99;
    hs_buf_init(&b, 4);
    char *p = hs_buf_take(&b, &len);
    assert_non_null(p);
    assert_string_equal(p, "");
    assert_int_equal(len, 0);
    free(p);
    assert_int_equal(hs_buf_append(&b, "full", 4), 0);
    p = hs_buf_take(&b, NULL);
    assert_string_equal(p, "full");
    free(p);
    assert_null(b.p);
    assert_int_equal(b.max, 4);
    hs_buf_fini(&b);
}

static void
scenario(void *arg)
{
    (void)arg;
    struct hs_buf b;
    hs_buf_init(&b, 10000);
    size_t expect = 0;
    for (int i = 0; i < 40; i++) {
        int err = i % 2 ? hs_buf_printf(&b, "%0100d", i) : hs_buf_append(&b, "0123456789", 10);
        assert_true(err == 0 || err == ENOMEM);
        expect += err != 0 ? 0 : i % 2 ? 100 : 10;
        assert_int_equal(b.len, expect);
    }
    size_t len;
    char *p = hs_buf_take(&b, &len);
    assert_non_null(p);
    assert_int_equal(len, expect);
    free(p);
    p = hs_buf_take(&b, &len);
    assert_true(p != NULL || errno == ENOMEM);
    free(p);
    hs_buf_fini(&b);
}

static void
threat_38_each_allocation_fails_once(void **state)
{
    (void)state;
    assert_in_range(alloc_fail_each(scenario, NULL), 5, 50);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_and_grows),
        cmocka_unit_test(empty_appends_allocate_nothing),
        cmocka_unit_test(stops_at_its_limit),
        cmocka_unit_test(huge_sizes_do_not_wrap),
        cmocka_unit_test(reserve_gives_room_to_write),
        cmocka_unit_test(printf_at_every_fill),
        cmocka_unit_test(printf_reports_a_bad_conversion),
        cmocka_unit_test(consume_moves_the_rest),
        cmocka_unit_test(take_gives_the_memory_away),
        cmocka_unit_test(threat_38_each_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
