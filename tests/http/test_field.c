/* test_field.c - field names and their numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "http/field.h"

/* Looks a name up in memory of exactly its size. */
static enum hs_field_id
lookup(const char *name, size_t n)
{
    char *copy = malloc(n + (n == 0));
    assert_non_null(copy);
    memcpy(copy, name, n);
    enum hs_field_id id = hs_field_lookup((struct hs_view){ copy, n });
    free(copy);
    return id;
}

static void
every_id_has_one_name(void **state)
{
    (void)state;
    for (int id = HS_FIELD_OTHER + 1; id < HS_FIELD_IDS; id++) {
        struct hs_view name = hs_field_canonical((enum hs_field_id)id);
        assert_true(name.n > 0 && name.n == strlen(name.p));
        assert_int_equal(lookup(name.p, name.n), id);
        for (int other = id + 1; other < HS_FIELD_IDS; other++) {
            assert_false(hs_view_eq(name, hs_field_canonical((enum hs_field_id)other)));
        }
    }
    assert_int_equal(hs_field_canonical(HS_FIELD_OTHER).n, 0);
    assert_int_equal(hs_field_canonical((enum hs_field_id)1000).n, 0);
}

static void
case_does_not_count(void **state)
{
    (void)state;
    char name[32];
    for (int id = HS_FIELD_OTHER + 1; id < HS_FIELD_IDS; id++) {
        struct hs_view v = hs_field_canonical((enum hs_field_id)id);
        for (unsigned pattern = 0; pattern < 4; pattern++) {
            for (size_t i = 0; i < v.n; i++) {
                bool upper = pattern == 0 || (pattern == 1 && i % 2 == 0) || (pattern == 2 && i % 2 != 0);
                name[i] = (char)(upper ? toupper((unsigned char)v.p[i]) : tolower((unsigned char)v.p[i]));
            }
            assert_int_equal(lookup(name, v.n), id);
        }
    }
}

/* One byte changed to any other, one dropped, one more: no longer that name. */
static void
neighbours_are_other_names(void **state)
{
    (void)state;
    char name[32];
    for (int id = HS_FIELD_OTHER + 1; id < HS_FIELD_IDS; id++) {
        struct hs_view v = hs_field_canonical((enum hs_field_id)id);
        for (size_t i = 0; i < v.n; i++) {
            for (int byte = 0; byte < 256; byte++) {
                memcpy(name, v.p, v.n);
                name[i] = (char)byte;
                bool same = tolower(byte) == tolower((unsigned char)v.p[i]) && byte < 128;
                enum hs_field_id found = lookup(name, v.n);
                if (same) {
                    assert_int_equal(found, id);
                } else {
                    assert_int_not_equal(found, id);
                }
            }
        }
        memcpy(name, v.p, v.n);
        name[v.n] = 'x';
        assert_int_equal(lookup(name, v.n + 1), HS_FIELD_OTHER);
        assert_int_not_equal(lookup(name, v.n - 1), id);
        assert_int_not_equal(lookup(name + 1, v.n - 1), id);
    }
}

static void
other_names(void **state)
{
    (void)state;
    static const char *const names[] = { "", "x", "X-Custom", "Content-Lengths", "Content_Length", "sec-ch-ua", "Upgrade-Insecure-Requests",
                                         "a-name-that-is-longer-than-any-that-is-known", "Content-Disposition", "Transfer-Encodinh" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(lookup(names[i], strlen(names[i])), HS_FIELD_OTHER);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_id_has_one_name),
        cmocka_unit_test(case_does_not_count),
        cmocka_unit_test(neighbours_are_other_names),
        cmocka_unit_test(other_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
