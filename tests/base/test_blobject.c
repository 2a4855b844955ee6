/* test_blobject.c - misc/ec_blobject.h. */
#include "misc/ec_blobject.h"

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
count_end(void *self)
{
    ++*(int *)self;
}

static void
print_number(void *self, string *output)
{
    stringprintf(output, "<%d>", *(int *)self);
}

static ec_blobject_class counted = { .objectType = "counted", .dtor = count_end, .printer = print_number };
static ec_blobject_class bare = { .objectType = "bare" };

/* proves: ec_blobject_wrap, ec_blobject_addref, ec_blobject_delref, ec_blobject_delref_typeunsafe */
static void
the_last_reference_ends_it(void **state)
{
    (void)state;
    int ends = 0;
    ec_blobject *obj = ec_blobject_wrap(&counted, &ends);
    assert_non_null(obj);
    assert_ptr_equal(obj->self, &ends);
    assert_ptr_equal(obj->cls, &counted);
    ec_blobject_addref(obj);
    ec_blobject_addref(obj);
    ec_blobject_delref(obj);
    void (*drop)(void *) = ec_blobject_delref_typeunsafe;
    drop(obj);
    assert_int_equal(ends, 0);
    ec_blobject_delref(obj);
    assert_int_equal(ends, 1);
}

static void
null_is_ignored_or_refused(void **state)
{
    (void)state;
    ec_blobject_addref(NULL);
    ec_blobject_delref(NULL);
    ec_blobject_delref_typeunsafe(NULL);
    assert_null(ec_blobject_wrap(NULL, NULL));
    assert_int_equal(errno, EINVAL);
    ec_blobject *obj = ec_blobject_wrap(&bare, NULL); /* no destructor, no object: fine */
    assert_non_null(obj);
    assert_int_equal(ec_blobject_print(obj, NULL), EINVAL);
    assert_int_equal(ec_blobject_print(NULL, NULL), EINVAL);
    ec_blobject_delref(obj);
}

/* proves: ec_blobject_print */
static void
prints_itself(void **state)
{
    (void)state;
    int number = 42;
    string *out = ec_string_new();
    ec_blobject *obj = ec_blobject_wrap(&counted, &number);
    assert_int_equal(ec_blobject_print(obj, out), 0);
    assert_string_equal(out->buffer, "<42>");
    ec_blobject_delref(obj);
    char want[60];
    snprintf(want, sizeof want, "<42>bare(%p)", (void *)&number);
    obj = ec_blobject_wrap(&bare, &number);
    assert_int_equal(ec_blobject_print(obj, out), 0);
    assert_string_equal(out->buffer, want);
    ec_blobject_delref(obj);
    ec_string_free(out);
}

static void *
churn_references(void *arg)
{
    for (int i = 0; i < 20000; i++) {
        ec_blobject_addref(arg);
        ec_blobject_delref(arg);
    }
    ec_blobject_delref(arg);
    return NULL;
}

static void
references_are_counted_from_any_thread(void **state)
{
    (void)state;
    int ends = 0;
    pthread_t threads[2];
    ec_blobject *obj = ec_blobject_wrap(&counted, &ends);
    ec_blobject_addref(obj);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, churn_references, obj), 0);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(ends, 1);
}

static void
scenario(void *arg)
{
    int ends = 0;
    (void)arg;
    ec_blobject *obj = ec_blobject_wrap(&counted, &ends);
    if (obj == NULL) {
        assert_int_equal(errno, ENOMEM);
        assert_int_equal(ends, 0);
        return;
    }
    char memory[2] = "";
    string full = { .buffer = memory, .allocd = sizeof memory, .type = STRING_TYPE_STATIC };
    obj->cls = &bare;
    assert_int_equal(ec_blobject_print(obj, &full), ENOSPC);
    obj->cls = &counted;
    ec_blobject_delref(obj);
    assert_int_equal(ends, 1);
}

static void
threat_38_each_allocation_fails_once(void **state)
{
    (void)state;
    assert_int_equal(alloc_fail_each(scenario, NULL), 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_reference_ends_it),
        cmocka_unit_test(null_is_ignored_or_refused),
        cmocka_unit_test(prints_itself),
        cmocka_unit_test(references_are_counted_from_any_thread),
        cmocka_unit_test(threat_38_each_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
