/* test_arena.c - base/arena.h. */
#include "base/arena.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "alloc_fail.h"

#define MANY (1u << 20)

static void
pieces_are_aligned_and_apart(void **state)
{
    (void)state;
    struct hs_arena a;
    unsigned char *piece[600];
    hs_arena_init(&a, MANY);
    for (size_t n = 0; n < 600; n++) {
        piece[n] = hs_arena_alloc(&a, n);
        assert_non_null(piece[n]);
        assert_int_equal((uintptr_t)piece[n] % HS_ARENA_ALIGN, 0);
        memset(piece[n], (int)(n & 0xff), n);
    }
    for (size_t n = 0; n < 600; n++) {
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(piece[n][i], n & 0xff);
        }
    }
    hs_arena_fini(&a);
}

static void
empty_pieces_are_pointers_too(void **state)
{
    (void)state;
    struct hs_arena a;
    hs_arena_init(&a, MANY);
    void *first = hs_arena_alloc(&a, 0);
    void *second = hs_arena_alloc(&a, 0);
    assert_non_null(first);
    assert_non_null(second);
    assert_ptr_not_equal(first, second);
    assert_non_null(hs_arena_zalloc(&a, 0));
    hs_arena_fini(&a);
}

static void
small_requests_take_one_block(void **state)
{
    (void)state;
    struct hs_arena a;
    hs_arena_init(&a, MANY);
    assert_int_equal(a.total, 0);
    alloc_fail_off();
    for (int i = 0; i < (HS_ARENA_FIRST - 64) / 64; i++) {
        assert_non_null(hs_arena_alloc(&a, 64));
    }
    assert_int_equal(alloc_fail_count(), 1);
    assert_int_equal(a.total, HS_ARENA_FIRST);
    hs_arena_fini(&a);
    assert_int_equal(a.total, 0);
}

static void
blocks_double_up_to_the_largest(void **state)
{
    (void)state;
    struct hs_arena a;
    hs_arena_init(&a, 64 * MANY);
    alloc_fail_off();
    for (int i = 0; i < 10000; i++) {
        assert_non_null(hs_arena_alloc(&a, 100));
    }
    assert_in_range(alloc_fail_count(), 15, 30);
    assert_in_range(a.total, 1120000, 1300000);
    hs_arena_fini(&a);
}

static void
reset_keeps_the_largest_block_that_is_not_too_large(void **state)
{
    (void)state;
    struct hs_arena a;
    hs_arena_init(&a, MANY);
    char *first = NULL;
    for (int round = 0; round < 5; round++) {
        char *p = hs_arena_alloc(&a, 10);
        if (round == 2) {
            first = p;
        }
        assert_true(round < 3 || p == first);
        for (int i = 0; i < 1000; i++) {
            assert_non_null(hs_arena_alloc(&a, 100));
        }
        assert_true(a.total > 100000);
        hs_arena_reset(&a);
        assert_in_range(a.total, HS_ARENA_KEEP / 2 + 1, HS_ARENA_KEEP);
    }
    alloc_fail_off();
    hs_arena_reset(&a);
    assert_non_null(hs_arena_alloc(&a, HS_ARENA_KEEP / 2));
    assert_int_equal(alloc_fail_count(), 0);
    hs_arena_fini(&a);
}

static void
reset_keeps_a_first_block_that_was_enough(void **state)
{
    (void)state;
    struct hs_arena a;
    hs_arena_init(&a, MANY);
    char *first = hs_arena_alloc(&a, 10);
    for (int round = 0; round < 3; round++) {
        hs_arena_reset(&a);
        assert_int_equal(a.total, HS_ARENA_FIRST);
        hs_arena_reset(&a); /* of what was reset already */
        assert_ptr_equal(hs_arena_alloc(&a, 10), first);
    }
    hs_arena_fini(&a);
}

static void
reset_frees_a_first_block_that_is_large(void **state)
{
    (void)state;
    struct hs_arena a;
    hs_arena_init(&a, MANY);
    hs_arena_reset(&a);
    assert_non_null(hs_arena_alloc(&a, 100000));
    hs_arena_reset(&a);
    assert_int_equal(a.total, 0);
    assert_null(a.first);
    hs_arena_fini(&a);
    hs_arena_fini(&a);
}

static void
a_large_piece_does_not_waste_the_current_block(void **state)
{
    (void)state;
    struct hs_arena a;
    hs_arena_init(&a, MANY);
    char *before = hs_arena_alloc(&a, 16);
    assert_non_null(hs_arena_alloc(&a, 50000));
    assert_ptr_equal(hs_arena_alloc(&a, 16), before + 16);
    hs_arena_fini(&a);
}

static void
stops_at_its_limit(void **state)
{
    (void)state;
    struct hs_arena a;
    hs_arena_init(&a, 5000);
    size_t got = 0;
    errno = 0;
    while (hs_arena_alloc(&a, 100) != NULL) {
        got += 100;
    }
    assert_int_equal(errno, ENOMEM);
    assert_true(a.total <= 5000);
    assert_in_range(got, 4000, 5000);
    assert_null(hs_arena_alloc(&a, 5000));
    hs_arena_reset(&a);
    assert_non_null(hs_arena_alloc(&a, 100));
    hs_arena_fini(&a);
}

static void
tiny_limits(void **state)
{
    (void)state;
    for (size_t max = 0; max < 200; max++) {
        struct hs_arena a;
        hs_arena_init(&a, max);
        size_t got = 0;
        while (hs_arena_alloc(&a, 1) != NULL) {
            got += HS_ARENA_ALIGN;
        }
        assert_true(got <= max);
        assert_true(a.total <= max);
        hs_arena_reset(&a);
        assert_true((hs_arena_alloc(&a, 1) != NULL) == (got != 0));
        hs_arena_fini(&a);
    }
}

static void
huge_sizes_do_not_wrap(void **state)
{
    (void)state;
    struct hs_arena a;
    hs_arena_init(&a, SIZE_MAX);
    static const size_t huge[] = { SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 14, SIZE_MAX - 15, SIZE_MAX - 16, SIZE_MAX / 2, PTRDIFF_MAX };
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof huge / sizeof huge[0]; i++) {
            errno = 0;
            assert_null(hs_arena_alloc(&a, huge[i]));
            assert_int_equal(errno, ENOMEM);
            assert_null(hs_arena_zalloc(&a, huge[i]));
        }
        assert_non_null(hs_arena_alloc(&a, 1));
    }
    assert_null(hs_arena_copy(&a, (struct hs_view){ "x", SIZE_MAX }));
    hs_arena_fini(&a);
}

static void
zalloc_and_copy(void **state)
{
    (void)state;
    struct hs_arena a;
    hs_arena_init(&a, MANY);
    char *dirt = hs_arena_alloc(&a, 1000);
    memset(dirt, 0xff, 1000);
    hs_arena_reset(&a);
    char *zeros = hs_arena_zalloc(&a, 1000);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(zeros[i], 0);
    }
    assert_string_equal(hs_arena_copy(&a, HS_VIEW("hello")), "hello");
    assert_string_equal(hs_arena_copy(&a, (struct hs_view){ NULL, 0 }), "");
    char *with_nul = hs_arena_copy(&a, HS_VIEW("a\0b"));
    assert_memory_equal(with_nul, "a\0b", 4);
    hs_arena_fini(&a);
}

#ifdef HS_ARENA_ASAN
static void
what_is_not_allocated_is_poisoned(void **state)
{
    (void)state;
    struct hs_arena a;
    hs_arena_init(&a, MANY);
    char *p = hs_arena_alloc(&a, 5);
    assert_int_equal(__asan_address_is_poisoned(p + 4), 0);
    assert_int_equal(__asan_address_is_poisoned(p + 5), 1);
    char *large = hs_arena_alloc(&a, 5000);
    assert_int_equal(__asan_address_is_poisoned(large + 4999), 0);
    assert_int_equal(__asan_address_is_poisoned(large + 5000), 1);
    hs_arena_reset(&a);
    assert_int_equal(__asan_address_is_poisoned(p), 1);
    hs_arena_fini(&a);
}
#endif

static void
scenario(void *arg)
{
    (void)arg;
    struct hs_arena a;
    hs_arena_init(&a, MANY);
    for (int i = 0; i < 50; i++) {
        char *p = hs_arena_copy(&a, HS_VIEW("some text that is to be kept"));
        if (p == NULL) {
            assert_int_equal(errno, ENOMEM);
        }
        char *q = hs_arena_zalloc(&a, 1000);
        if (q != NULL) {
            q[999] = 1;
        }
    }
    hs_arena_reset(&a);
    assert_true(a.total <= HS_ARENA_KEEP);
    hs_arena_fini(&a);
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
        cmocka_unit_test(pieces_are_aligned_and_apart),
        cmocka_unit_test(empty_pieces_are_pointers_too),
        cmocka_unit_test(small_requests_take_one_block),
        cmocka_unit_test(blocks_double_up_to_the_largest),
        cmocka_unit_test(reset_keeps_the_largest_block_that_is_not_too_large),
        cmocka_unit_test(reset_keeps_a_first_block_that_was_enough),
        cmocka_unit_test(reset_frees_a_first_block_that_is_large),
        cmocka_unit_test(a_large_piece_does_not_waste_the_current_block),
        cmocka_unit_test(stops_at_its_limit),
        cmocka_unit_test(tiny_limits),
        cmocka_unit_test(huge_sizes_do_not_wrap),
        cmocka_unit_test(zalloc_and_copy),
#ifdef HS_ARENA_ASAN
        cmocka_unit_test(what_is_not_allocated_is_poisoned),
#endif
        cmocka_unit_test(threat_38_each_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
