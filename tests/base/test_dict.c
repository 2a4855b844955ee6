/* test_dict.c - misc/ec_dict.h and base/dict.h. */
#include "base/dict.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "alloc_fail.h"

static void
set_number(ECDict d, int key, int val)
{
    char k[20];
    char v[20];
    snprintf(k, sizeof k, "key%d", key);
    snprintf(v, sizeof v, "%d", val);
    assert_int_equal(dict_add_key_value(d, k, v), 0);
}

static const char *
get(ECDict d, const char *key)
{
    const char *val = NULL;
    return dict_key_exists_and_fetch(d, key, &val) == 1 ? val : NULL;
}

/* proves: dict_key_exists_and_fetch */
static void
sets_gets_and_replaces(void **state)
{
    (void)state;
    ECDict d = dict_blank();
    assert_non_null(d);
    assert_null(get(d, "a"));
    assert_int_equal(dict_add_key_value(d, "a", "1"), 0);
    assert_int_equal(dict_add_key_value(d, "", "empty"), 0);
    assert_string_equal(get(d, "a"), "1");
    assert_string_equal(get(d, ""), "empty");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(dict_add_key_value(d, "a", "a longer value"), 0);
        assert_string_equal(get(d, "a"), "a longer value");
    }
    assert_int_equal(ec_dict_count(d), 2);
    assert_int_equal(dict_key_exists(d, "a"), 1);
    assert_int_equal(dict_key_exists(d, "A"), 0);
    dict_drop(d);
}

static void
copies_what_it_is_given(void **state)
{
    (void)state;
    ECDict d = dict_blank();
    char key[] = "key";
    char val[] = "val";
    assert_int_equal(dict_add_key_value(d, key, val), 0);
    memset(key, 'x', 3);
    memset(val, 'x', 3);
    assert_string_equal(get(d, "key"), "val");
    dict_drop(d);
}

static void
a_value_can_be_set_from_itself(void **state)
{
    (void)state;
    ECDict d = dict_blank();
    assert_int_equal(dict_add_key_value(d, "k", "value"), 0);
    assert_int_equal(dict_add_key_value(d, "k", get(d, "k") + 2), 0);
    assert_string_equal(get(d, "k"), "lue");
    assert_int_equal(dict_add_key_value(d, "k", get(d, "k") + 1), 0);
    assert_string_equal(get(d, "k"), "ue");
    dict_drop(d);
}

static void
null_and_nul(void **state)
{
    (void)state;
    ECDict d = dict_blank();
    const char *key = "untouched";
    assert_int_equal(dict_add_key_value(d, NULL, "v"), EINVAL);
    assert_int_equal(dict_add_key_value(d, "k", NULL), EINVAL);
    assert_int_equal(dict_add_key_value(NULL, "k", "v"), EINVAL);
    assert_int_equal(hs_dict_set(d, HS_VIEW("a\0b"), HS_VIEW("v")), EINVAL);
    assert_int_equal(hs_dict_set(d, HS_VIEW("k"), HS_VIEW("a\0b")), EINVAL);
    assert_int_equal(ec_dict_count(d), 0);
    assert_int_equal(dict_key_exists(d, NULL), 0);
    assert_int_equal(dict_key_delete(d, NULL), 0);
    assert_int_equal(dict_key_exists(NULL, "k"), 0);
    assert_int_equal(dict_key_delete(NULL, "k"), 0);
    assert_int_equal(ec_dict_count(NULL), 0);
    assert_int_equal(dict_next(d, NULL, &key, NULL), 0);
    ECDict_Iterator i = dict_iter(NULL);
    assert_int_equal(dict_next(NULL, &i, &key, NULL), 0);
    assert_string_equal(key, "untouched");
    dict_iter2_free(d, NULL);
    dict_drop(d);
    dict_drop(NULL);
    echash_addref(NULL);
    echash_delref(NULL);
}

/* proves: dict_iter2 */
static void
walks_in_the_order_of_first_adding(void **state)
{
    (void)state;
    ECDict d = dict_blank();
    for (int i = 0; i < 1000; i++) {
        set_number(d, i, i);
    }
    for (int i = 0; i < 1000; i += 3) {
        set_number(d, i, -i);
    }
    ECDict_Iterator *it = NULL;
    const char *key;
    const char *val;
    int n = 0;
    dict_iter2(d, &it);
    assert_non_null(it);
    for (; dict_next(d, it, &key, &val) == 1; n++) {
        char want[20];
        snprintf(want, sizeof want, "key%d", n);
        assert_string_equal(key, want);
        snprintf(want, sizeof want, "%d", n % 3 == 0 ? -n : n);
        assert_string_equal(val, want);
    }
    assert_int_equal(n, 1000);
    assert_int_equal(dict_next(d, it, NULL, NULL), 0);
    dict_iter2_free(d, it);
    dict_drop(d);
}

/* proves: dict_key_delete, ec_dict_count, dict_iter */
static void
deletes_and_fills_again(void **state)
{
    (void)state;
    ECDict d = dict_blank();
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 200; i++) {
            set_number(d, i, i + round);
        }
        assert_int_equal(ec_dict_count(d), 200);
        for (int i = 0; i < 200; i++) {
            char k[20];
            snprintf(k, sizeof k, "key%d", i);
            if (i % 7 != round % 7) {
                assert_int_equal(dict_key_delete(d, k), 1);
                assert_int_equal(dict_key_delete(d, k), 0);
                assert_null(get(d, k));
            }
        }
    }
    int n = 0;
    ECDict_Iterator it = dict_iter(d);
    while (dict_next(d, &it, NULL, NULL)) {
        n++;
    }
    assert_int_equal(n, ec_dict_count(d));
    dict_drop(d);
}

/* proves: dict_next */
static void
changing_while_walking_is_safe(void **state)
{
    (void)state;
    ECDict d = dict_blank();
    for (int i = 0; i < 100; i++) {
        set_number(d, i, i);
    }
    ECDict_Iterator it = dict_iter(d);
    const char *key;
    int met = 0;
    while (dict_next(d, &it, &key, NULL)) {
        char copy[20];
        snprintf(copy, sizeof copy, "%s", key);
        assert_int_equal(dict_key_delete(d, copy), 1);
        met++;
        if (met < 300) {
            set_number(d, 1000 + met, met);
        }
    }
    assert_in_range(met, 100, 400);
    it.p1 = -5;
    assert_int_equal(dict_next(d, &it, NULL, NULL), 0);
    dict_drop(d);
}

/* proves: dict_iter2_free */
static void
an_iterator_may_outlive_the_dictionary(void **state)
{
    (void)state;
    ECDict d = dict_blank();
    ECDict_Iterator *it;
    dict_iter2(d, &it);
    dict_drop(d);
    dict_iter2_free(d, it);
}

static void *
churn_references(void *arg)
{
    for (int i = 0; i < 20000; i++) {
        echash_addref(arg);
        echash_delref(arg);
    }
    return NULL;
}

/* proves: echash_addref, echash_delref */
static void
references_are_counted_from_any_thread(void **state)
{
    (void)state;
    ECDict d = dict_blank();
    pthread_t threads[2];
    assert_int_equal(dict_add_key_value(d, "k", "v"), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, churn_references, d), 0);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    echash_addref(d);
    dict_drop(d);
    assert_string_equal(get(d, "k"), "v");
    echash_delref(d);
}

static void
scenario(void *arg)
{
    (void)arg;
    ECDict d = dict_blank();
    if (d == NULL) {
        assert_int_equal(errno, ENOMEM);
        return;
    }
    size_t added = 0;
    for (int i = 0; i < 20; i++) {
        char k[20];
        snprintf(k, sizeof k, "key%d", i % 15);
        int there = dict_key_exists(d, k);
        int err = dict_add_key_value(d, k, "value");
        assert_true(err == 0 || err == ENOMEM);
        assert_int_equal(dict_key_exists(d, k), there || err == 0);
        added += err == 0 && !there;
        assert_int_equal(ec_dict_count(d), added);
    }
    assert_in_range(ec_dict_count(d), 14, 15);
    ECDict_Iterator *it;
    dict_iter2(d, &it);
    size_t met = 0;
    while (dict_next(d, it, NULL, NULL)) {
        met++;
    }
    assert_true(met == (it != NULL ? ec_dict_count(d) : 0));
    dict_iter2_free(d, it);
    dict_drop(d);
}

static void
threat_38_each_allocation_fails_once(void **state)
{
    (void)state;
    assert_in_range(alloc_fail_each(scenario, NULL), 20, 40);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_gets_and_replaces),
        cmocka_unit_test(copies_what_it_is_given),
        cmocka_unit_test(a_value_can_be_set_from_itself),
        cmocka_unit_test(null_and_nul),
        cmocka_unit_test(walks_in_the_order_of_first_adding),
        cmocka_unit_test(deletes_and_fills_again),
        cmocka_unit_test(changing_while_walking_is_safe),
        cmocka_unit_test(an_iterator_may_outlive_the_dictionary),
        cmocka_unit_test(references_are_counted_from_any_thread),
        cmocka_unit_test(threat_38_each_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
