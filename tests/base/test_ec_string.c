/* test_ec_string.c - misc/ec_string.h. */
#include "misc/ec_string.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_fail.h"

static void
every_malloc_type_works(void **state)
{
    (void)state;
    static const int types[] = { STRING_TYPE_MALLOC, STRING_TYPE_ECSTRING, STRING_TYPE_MESSAGE_BODY, STRING_TYPE_SIEVE };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        string s;
        assert_int_equal(string_init_type(&s, 1, types[i]), 1);
        assert_int_equal(s.len, 0);
        assert_string_equal(s.buffer, "");
        assert_int_equal(stringwrite2(&s, "hello", 5), 5);
        assert_ptr_equal(stringprintf(&s, " %s %d", "world", 42), &s);
        assert_string_equal(s.buffer, "hello world 42");
        assert_int_equal(s.len, 14);
        assert_int_equal(s.type, types[i]);
        assert_true(s.allocd > s.len);
        assert_int_equal(string_destroy(&s), 0);
        assert_null(s.buffer);
        string_destroy(&s);
    }
    string_destroy(NULL);
}

static void
other_types_and_sizes_are_refused(void **state)
{
    (void)state;
    string s;
    static const int types[] = { 0, 5, STRING_TYPE_STATIC, STRING_TYPE_DISK_BACKED, STRING_TYPE_IO_OBJECT, STRING_TYPE_GROWBUF, STRING_TYPE_GROWABLE_STATIC };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        errno = 0;
        assert_int_equal(string_init_type(&s, 10, types[i]), 0);
        assert_int_equal(errno, EINVAL);
    }
    assert_int_equal(string_init_type(&s, 0, STRING_TYPE_MALLOC), 0);
    assert_int_equal(string_init_type(&s, (size_t)INT_MAX + 1, STRING_TYPE_MALLOC), 0);
    assert_int_equal(string_init_type(NULL, 10, STRING_TYPE_MALLOC), 0);
}

static void
using_an_empty_struct_is_an_error(void **state)
{
    (void)state;
    string s = { .len = 0 };
    assert_int_equal(stringwrite2(&s, "a", 1), -1);
    assert_int_equal(errno, EINVAL);
    assert_null(stringprintf(&s, "a"));
    assert_int_equal(errno, EINVAL);
    assert_int_equal(stringwrite2(NULL, "a", 1), -1);
    assert_null(stringprintf(NULL, "a"));
    assert_int_equal(string_init_type(&s, 10, STRING_TYPE_MALLOC), 1);
    assert_int_equal(stringwrite2(&s, NULL, 1), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(stringwrite2(&s, NULL, 0), 0);
    string_destroy(&s);
}

static void
a_static_string_cannot_grow(void **state)
{
    (void)state;
    char memory[8] = "";
    string s = { .buffer = memory, .allocd = sizeof memory, .type = STRING_TYPE_STATIC };
    assert_int_equal(stringwrite2(&s, "1234", 4), 4);
    assert_int_equal(stringwrite2(&s, "5678", 4), -1);
    assert_int_equal(errno, ENOSPC);
    assert_string_equal(memory, "1234");
    assert_null(stringprintf(&s, "%d", 5678));
    assert_int_equal(errno, ENOSPC);
    assert_string_equal(memory, "1234");
    assert_int_equal(s.len, 4);
    assert_non_null(stringprintf(&s, "%d", 567));
    assert_string_equal(memory, "1234567");
    string_destroy(&s);
}

static void
a_growable_static_string_moves_to_the_heap(void **state)
{
    (void)state;
    char memory[8] = "";
    string s = { .buffer = memory, .allocd = sizeof memory, .type = STRING_TYPE_GROWABLE_STATIC };
    assert_int_equal(stringwrite2(&s, "1234567", 7), 7);
    assert_ptr_equal(s.buffer, memory);
    assert_int_equal(stringwrite2(&s, "8", 1), 1);
    assert_ptr_not_equal(s.buffer, memory);
    assert_int_equal(s.type, STRING_TYPE_ECSTRING);
    assert_string_equal(s.buffer, "12345678");
    assert_string_equal(memory, "1234567");
    string_destroy(&s);
}

/* proves: stringwrite2, ec_string_free */
static void
holds_any_bytes(void **state)
{
    (void)state;
    string *s = ec_string_new();
    assert_non_null(s);
    assert_int_equal(stringwrite2(s, "a\0b", 3), 3);
    assert_int_equal(stringwrite2(s, "c", 1), 1);
    assert_int_equal(s->len, 4);
    assert_memory_equal(s->buffer, "a\0bc", 5);
    ec_string_free(s);
    ec_string_free(NULL);
}

static void
writes_from_itself(void **state)
{
    (void)state;
    string *s = ec_string_new();
    assert_int_equal(stringwrite2(s, "abc", 3), 3);
    for (int i = 0; i < 8; i++) {
        int len = s->len;
        assert_int_equal(stringwrite2(s, s->buffer, (size_t)len), len);
    }
    assert_int_equal(s->len, 768);
    for (int i = 0; i < s->len; i++) {
        assert_int_equal(s->buffer[i], "abc"[i % 3]);
    }
    ec_string_free(s);
}

static string * __attribute__((format(printf, 2, 3)))
say(string *to, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    string *s = stringvprintf(to, format, ap);
    va_end(ap);
    return s;
}

/* proves: stringvprintf */
static void
vprintf_does_the_same(void **state)
{
    (void)state;
    string *s = ec_string_new();
    assert_ptr_equal(say(s, "%d", 1), s);
    assert_ptr_equal(say(s, "%s", " and more"), s);
    assert_string_equal(s->buffer, "1 and more");
    ec_string_free(s);
}

/* proves: string_init_type, string_destroy, stringprintf */
static void
printf_at_every_fill(void **state)
{
    (void)state;
    for (size_t before = 0; before < 140; before++) {
        string s;
        assert_int_equal(string_init_type(&s, 1, STRING_TYPE_MALLOC), 1);
        for (size_t i = 0; i < before; i++) {
            assert_int_equal(stringwrite2(&s, ".", 1), 1);
        }
        assert_non_null(stringprintf(&s, "%s-%05d", "abcd", 42));
        assert_int_equal(s.len, before + 10);
        assert_string_equal(s.buffer + before, "abcd-00042");
        string_destroy(&s);
    }
    string *s = ec_string_new();
    wchar_t bad[] = { 0x7fffffff, 0 };
    assert_non_null(stringprintf(s, "ab"));
    assert_null(stringprintf(s, "cd%ls", bad));
    assert_int_equal(errno, EINVAL);
    assert_string_equal(s->buffer, "ab");
    assert_int_equal(s->len, 2);
    ec_string_free(s);
}

static void
stops_below_two_gigabytes(void **state)
{
    (void)state;
    string *s = ec_string_new();
    static const size_t huge[] = { INT_MAX - 1, INT_MAX, (size_t)INT_MAX + 1, SIZE_MAX / 2, SIZE_MAX };
    assert_non_null(stringprintf(s, "x"));
    for (size_t i = 0; i < sizeof huge / sizeof huge[0]; i++) {
        assert_int_equal(stringwrite2(s, "y", huge[i]), -1);
        assert_int_equal(errno, EMSGSIZE);
    }
    assert_string_equal(s->buffer, "x");
    char *p = strdup("p");
    assert_int_equal(ec_string_give(s, p, INT_MAX), EMSGSIZE);
    assert_string_equal(s->buffer, "x");
    free(p);
    ec_string_free(s);
}

/* proves: ec_string_new, ec_string_give */
static void
takes_memory_over(void **state)
{
    (void)state;
    string *s = ec_string_new();
    char *p = strdup("given");
    assert_int_equal(ec_string_give(s, p, 5), 0);
    assert_ptr_equal(s->buffer, p);
    assert_int_equal(s->len, 5);
    assert_non_null(stringprintf(s, "+"));
    assert_string_equal(s->buffer, "given+");
    ec_string_free(s);
}

static void
scenario(void *arg)
{
    (void)arg;
    string *s = ec_string_new();
    if (s == NULL) {
        assert_int_equal(errno, ENOMEM);
        return;
    }
    int len = 0;
    for (int i = 0; i < 20; i++) {
        errno = 0;
        int ok = i % 2 ? stringprintf(s, "%0100d", i) != NULL : stringwrite2(s, "0123456789", 10) == 10;
        assert_int_equal(errno, ok ? 0 : ENOMEM);
        len += !ok ? 0 : i % 2 ? 100 : 10;
        assert_int_equal(s->len, len);
        assert_int_equal(strlen(s->buffer), len);
    }
    ec_string_free(s);
}

static void
threat_38_each_allocation_fails_once(void **state)
{
    (void)state;
    assert_in_range(alloc_fail_each(scenario, NULL), 5, 20);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_malloc_type_works),
        cmocka_unit_test(other_types_and_sizes_are_refused),
        cmocka_unit_test(using_an_empty_struct_is_an_error),
        cmocka_unit_test(a_static_string_cannot_grow),
        cmocka_unit_test(a_growable_static_string_moves_to_the_heap),
        cmocka_unit_test(holds_any_bytes),
        cmocka_unit_test(writes_from_itself),
        cmocka_unit_test(printf_at_every_fill),
        cmocka_unit_test(vprintf_does_the_same),
        cmocka_unit_test(stops_below_two_gigabytes),
        cmocka_unit_test(takes_memory_over),
        cmocka_unit_test(threat_38_each_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
