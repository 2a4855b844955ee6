/* test_shared.c - base/shared.h: dictionaries that processes share, also with one that dies while it writes. */
#include "base/shared.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/region.h"

#define SECOND ((int64_t)1000000000)

static int
leave(void **state)
{
    (void)state;
    hs_region_leave();
    return 0;
}

static struct hs_shared *
open_one(size_t size)
{
    struct hs_shared *d;
    assert_int_equal(hs_shared_open(HS_VIEW("test"), size, &d), 0);
    return d;
}

static struct hs_shared_value
text(struct hs_view v)
{
    return (struct hs_shared_value){ .type = HS_SHARED_STRING, .text = v };
}

static int
set(struct hs_shared *d, const char *key, const char *value)
{
    struct hs_shared_value v = text(hs_view_of(value));
    return hs_shared_put(d, hs_view_of(key), &v, 0, HS_SHARED_SET);
}

static const char *
get(struct hs_shared *d, const char *key)
{
    static char buf[1024];
    struct hs_shared_value v;
    int err = hs_shared_get(d, hs_view_of(key), buf, sizeof buf - 1, &v);
    if (err != 0) {
        return err == ENOENT ? "(none)" : "(error)";
    }
    buf[v.text.n] = '\0';
    return buf;
}

static size_t
count(struct hs_shared *d)
{
    struct hs_shared_stat st;
    hs_shared_get_stat(d, &st);
    return st.count;
}

static void
values_of_every_kind(void **state)
{
    (void)state;
    struct hs_shared *d = open_one(64 * 1024), *other;
    struct hs_shared_value v = { .type = HS_SHARED_NUMBER, .number = 1.5 };
    char buf[8];
    assert_int_equal(hs_shared_open(HS_VIEW("none"), 0, &other), ENOENT);
    assert_int_equal(hs_shared_open(HS_VIEW("small"), 100, &other), EINVAL);
    assert_int_equal(hs_shared_open(HS_VIEW("test"), 0, &other), 0);
    assert_ptr_equal(d, other);
    assert_string_equal(get(d, "a"), "(none)");
    assert_int_equal(set(d, "a", "one"), 0);
    assert_string_equal(get(d, "a"), "one");
    assert_int_equal(set(d, "a", ""), 0);
    assert_string_equal(get(d, "a"), "");
    assert_int_equal(hs_shared_put(d, HS_VIEW("a"), &v, 0, HS_SHARED_SET), 0);
    assert_int_equal(hs_shared_get(d, HS_VIEW("a"), NULL, 0, &v), 0);
    assert_int_equal(v.type, HS_SHARED_NUMBER);
    assert_true(v.number == 1.5);
    v = (struct hs_shared_value){ .type = HS_SHARED_BOOLEAN, .number = 1 };
    assert_int_equal(hs_shared_put(d, HS_VIEW("b"), &v, 0, HS_SHARED_ADD), 0);
    assert_int_equal(hs_shared_put(d, HS_VIEW("b"), &v, 0, HS_SHARED_ADD), EEXIST);
    assert_int_equal(hs_shared_put(d, HS_VIEW("c"), &v, 0, HS_SHARED_REPLACE), ENOENT);
    v.number = 0;
    assert_int_equal(hs_shared_put(d, HS_VIEW("b"), &v, 0, HS_SHARED_REPLACE), 0);
    assert_int_equal(hs_shared_get(d, HS_VIEW("b"), NULL, 0, &v), 0);
    assert_true(v.type == HS_SHARED_BOOLEAN && v.number == 0);
    assert_int_equal(set(d, "long", "more than eight bytes"), 0);
    assert_int_equal(hs_shared_get(d, HS_VIEW("long"), buf, sizeof buf, &v), EMSGSIZE);
    assert_int_equal(v.text.n, 21);
    assert_int_equal(count(d), 3);
    assert_int_equal(hs_shared_delete(d, HS_VIEW("a")), 0);
    assert_int_equal(hs_shared_delete(d, HS_VIEW("a")), ENOENT);
    assert_int_equal(count(d), 2);
    hs_shared_flush(d);
    assert_int_equal(count(d), 0);
    assert_string_equal(get(d, "long"), "(none)");
}

static void
keys_and_values_of_every_length(void **state)
{
    (void)state;
    struct hs_shared *d = open_one(8 * 1024 * 1024);
    static char key[700], value[700], back[700];
    struct hs_shared_stat before, after;
    hs_shared_get_stat(d, &before);
    for (size_t n = 1; n < sizeof key; n++) {
        for (size_t i = 0; i < n; i++) {
            key[i] = (char)(n + i * 7);
            value[i] = (char)(n * 3 + i * 11);
        }
        struct hs_shared_value v = text((struct hs_view){ value, n - 1 });
        assert_int_equal(hs_shared_put(d, (struct hs_view){ key, n }, &v, 0, HS_SHARED_ADD), 0);
        assert_int_equal(hs_shared_get(d, (struct hs_view){ key, n }, back, sizeof back, &v), 0);
        assert_int_equal(v.text.n, n - 1);
        assert_memory_equal(back, value, n - 1);
        key[n - 1]++;
        assert_int_equal(hs_shared_get(d, (struct hs_view){ key, n }, back, sizeof back, &v), ENOENT);
    }
    assert_int_equal(count(d), sizeof key - 1);
    hs_shared_flush(d);
    hs_shared_get_stat(d, &after);
    assert_int_equal(after.free, before.free); /* all blocks are back */
}

static void
numbers_are_added_up(void **state)
{
    (void)state;
    struct hs_shared *d = open_one(64 * 1024);
    const double zero = 10;
    double sum;
    assert_int_equal(hs_shared_incr(d, HS_VIEW("n"), 1, NULL, 0, &sum), ENOENT);
    assert_int_equal(hs_shared_incr(d, HS_VIEW("n"), 1, &zero, 0, &sum), 0);
    assert_true(sum == 11);
    assert_int_equal(hs_shared_incr(d, HS_VIEW("n"), -0.5, &zero, 0, &sum), 0);
    assert_true(sum == 10.5);
    assert_int_equal(set(d, "s", "text"), 0);
    assert_int_equal(hs_shared_incr(d, HS_VIEW("s"), 1, &zero, 0, &sum), EINVAL);
}

static void
wait_a_little(int64_t ns)
{
    const struct timespec ts = { .tv_nsec = (long)ns };
    (void)nanosleep(&ts, NULL);
}

static void
times_end(void **state)
{
    (void)state;
    struct hs_shared *d = open_one(64 * 1024);
    struct hs_shared_value v = text(HS_VIEW("x"));
    int64_t left;
    assert_int_equal(hs_shared_ttl(d, HS_VIEW("a"), &left), ENOENT);
    assert_int_equal(set(d, "a", "x"), 0);
    assert_int_equal(hs_shared_ttl(d, HS_VIEW("a"), &left), 0);
    assert_int_equal(left, 0);
    assert_int_equal(hs_shared_expire(d, HS_VIEW("b"), SECOND), ENOENT);
    assert_int_equal(hs_shared_expire(d, HS_VIEW("a"), 1000 * SECOND), 0);
    assert_int_equal(hs_shared_ttl(d, HS_VIEW("a"), &left), 0);
    assert_in_range(left, 900 * SECOND, 1000 * SECOND);
    for (int i = 0; i < 3; i++) {
        char key[] = { 'x', (char)('0' + i), 0 };
        assert_int_equal(hs_shared_put(d, hs_view_of(key), &v, 1, HS_SHARED_SET), 0);
    }
    wait_a_little(1000);
    assert_int_equal(count(d), 4); /* nobody has asked */
    assert_string_equal(get(d, "x0"), "(none)");
    assert_int_equal(count(d), 3);
    assert_int_equal(hs_shared_put(d, HS_VIEW("x1"), &v, 0, HS_SHARED_ADD), 0); /* as if it were not there */
    assert_int_equal(hs_shared_flush_expired(d, 0), 1);
    assert_int_equal(hs_shared_flush_expired(d, 0), 0);
    assert_string_equal(get(d, "a"), "x");
    assert_string_equal(get(d, "x1"), "x");
    assert_int_equal(hs_shared_expire(d, HS_VIEW("a"), 0), 0);
    assert_int_equal(hs_shared_ttl(d, HS_VIEW("a"), &left), 0);
    assert_int_equal(left, 0);
}

static void
what_is_not_used_makes_room(void **state)
{
    (void)state;
    struct hs_shared *d = open_one(HS_SHARED_SIZE_MIN);
    static char large[64 * 1024];
    struct hs_shared_stat st;
    char key[16];
    int n = 0;
    assert_int_equal(set(d, "kept", "x"), 0);
    do {
        (void)snprintf(key, sizeof key, "k%d", n++);
        assert_int_equal(set(d, key, "some value"), 0);
        assert_string_equal(get(d, "kept"), "x");
        hs_shared_get_stat(d, &st);
    } while (st.evicted == 0);
    assert_true(n > 50);
    assert_string_equal(get(d, "k0"), "(none)");
    assert_string_equal(get(d, "k1"), "some value");
    struct hs_shared_value v = text((struct hs_view){ large, sizeof large });
    assert_int_equal(hs_shared_put(d, HS_VIEW("large"), &v, 0, HS_SHARED_SET), ENOSPC);
    assert_string_equal(get(d, "k1"), "some value"); /* for nothing, nothing goes */
    v = text((struct hs_view){ large, 8000 });
    for (int i = 0; i < 10; i++) { /* not room enough for the former and the next */
        assert_int_equal(hs_shared_put(d, HS_VIEW("large"), &v, 0, HS_SHARED_SET), 0);
    }
    assert_int_equal(hs_shared_get(d, HS_VIEW("large"), large, sizeof large, &v), 0);
}

struct seen {
    char text[256];
    int limit;
};

static bool
see(void *arg, struct hs_view part, bool last)
{
    struct seen *s = arg;
    (void)strncat(s->text, part.p, part.n);
    if (last) {
        (void)strcat(s->text, " ");
    }
    return !last || --s->limit != 0;
}

static void
keys_are_given_in_the_order_of_use(void **state)
{
    (void)state;
    struct hs_shared *d = open_one(64 * 1024);
    static const char *const keys[] = { "a", "b", "c" };
    struct seen s = { .limit = -1 };
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(set(d, keys[i], "x"), 0);
    }
    (void)get(d, "a");
    hs_shared_keys(d, 0, see, &s);
    assert_string_equal(s.text, "a c b ");
    s = (struct seen){ .limit = -1 };
    hs_shared_keys(d, 2, see, &s);
    assert_string_equal(s.text, "a c ");
    s = (struct seen){ .limit = 1 };
    hs_shared_keys(d, 0, see, &s);
    assert_string_equal(s.text, "a ");
}

/* Random operations against a plain table. */
static void
it_is_as_a_table(void **state)
{
    (void)state;
    enum { KEYS = 64, ROUNDS = 20000 };
    struct hs_shared *d = open_one(1024 * 1024);
    static int lengths[KEYS]; /* of the value plus one; 0: none */
    unsigned seed = 12345;
    memset(lengths, 0, sizeof lengths);
    for (int i = 0; i < ROUNDS; i++) {
        seed = seed * 1103515245 + 12345;
        const unsigned k = seed >> 16 & (KEYS - 1);
        char key[300], value[600], back[600];
        memset(key, 'k', sizeof key);
        const size_t nkey = 1 + k * 4;
        key[0] = (char)k;
        seed = seed * 1103515245 + 12345;
        const size_t n = seed >> 16 & 511;
        struct hs_shared_value v = text((struct hs_view){ memset(value, (int)n, sizeof value), n });
        const struct hs_view kv = { key, nkey };
        switch (seed >> 8 & 3) {
        case 0:
            assert_int_equal(hs_shared_put(d, kv, &v, 0, HS_SHARED_SET), 0);
            lengths[k] = (int)n + 1;
            break;
        case 1:
            assert_int_equal(hs_shared_delete(d, kv), lengths[k] != 0 ? 0 : ENOENT);
            lengths[k] = 0;
            break;
        default:
            assert_int_equal(hs_shared_get(d, kv, back, sizeof back, &v), lengths[k] != 0 ? 0 : ENOENT);
            if (lengths[k] != 0) {
                assert_int_equal(v.text.n, lengths[k] - 1);
                memset(value, lengths[k] - 1, sizeof value);
                assert_memory_equal(back, value, v.text.n);
            }
        }
    }
}

/* --- several processes --- */

static pid_t
child_that(void (*fn)(struct hs_shared *d, unsigned n), struct hs_shared *d, unsigned n)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        fn(d, n);
        _exit(0);
    }
    return pid;
}

static void
add_up(struct hs_shared *d, unsigned n)
{
    const double zero = 0;
    double sum;
    (void)n;
    for (int i = 0; i < 20000; i++) {
        (void)hs_shared_incr(d, HS_VIEW("sum"), 1, &zero, 0, &sum);
    }
}

static void
ruling_26_sums_are_exact(void **state)
{
    (void)state;
    struct hs_shared *d = open_one(64 * 1024);
    pid_t pids[4];
    const double zero = 0;
    double sum;
    int status;
    for (unsigned i = 0; i < 4; i++) {
        pids[i] = child_that(add_up, d, i);
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(hs_shared_incr(d, HS_VIEW("sum"), 0, &zero, 0, &sum), 0);
    assert_true(sum == 80000);
}

/* Whole values: one byte, n times, n being that byte's value and more. */
static void
write_for_ever(struct hs_shared *d, unsigned n)
{
    char value[800];
    for (unsigned i = n;; i = i * 1103515245 + 12345) {
        const unsigned k = i >> 16 & 31, len = 100 + (i >> 20 & 511);
        char key[8];
        const int nkey = snprintf(key, sizeof key, "key %u", k);
        struct hs_shared_value v = text((struct hs_view){ memset(value, (int)len, len), len });
        (void)hs_shared_put(d, (struct hs_view){ key, (size_t)nkey }, &v, 0, HS_SHARED_SET);
        if ((i & 7) == 0) {
            (void)hs_shared_delete(d, (struct hs_view){ key, (size_t)nkey });
        }
    }
}

static void
ruling_26_who_dies_while_writing_leaves_whole_values(void **state)
{
    (void)state;
    struct hs_shared *d = open_one(32 * 1024); /* small: room is made all the time */
    struct hs_shared_stat st;
    char back[1024];
    hs_log_set_level(HS_LOG_ERROR);
    for (unsigned round = 0; round < 300; round++) {
        pid_t pid = child_that(write_for_ever, d, round * 7919 + 1);
        wait_a_little((round % 17) * 100000);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        size_t found = 0;
        for (unsigned k = 0; k < 32; k++) {
            struct hs_shared_value v;
            char key[8];
            const int nkey = snprintf(key, sizeof key, "key %u", k);
            const int err = hs_shared_get(d, (struct hs_view){ key, (size_t)nkey }, back, sizeof back, &v);
            if (err == 0) {
                found++;
                for (size_t i = 0; i < v.text.n; i++) {
                    assert_int_equal((unsigned char)back[i], v.text.n & 255);
                }
            } else {
                assert_int_equal(err, ENOENT);
            }
        }
        hs_shared_get_stat(d, &st);
        assert_int_equal(st.count, found);
    }
    hs_shared_flush(d);
    hs_shared_get_stat(d, &st);
    assert_true(st.free > 28 * 1024); /* nothing is lost */
    hs_log_set_level(HS_LOG_INFO);
}

static void
hold(struct hs_shared *d, unsigned n)
{
    (void)n;
    hs_shared_lock_for_ever(d);
}

static void
ruling_26_what_is_left_locked_is_put_right(void **state)
{
    (void)state;
    struct hs_shared *d = open_one(64 * 1024);
    struct hs_shared_stat st;
    hs_log_set_level(HS_LOG_ERROR);
    assert_int_equal(set(d, "a", "one"), 0);
    assert_int_equal(set(d, "b", "two"), 0);
    pid_t pid = child_that(hold, d, 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_string_equal(get(d, "a"), "one");
    assert_string_equal(get(d, "b"), "two");
    hs_shared_get_stat(d, &st);
    assert_int_equal(st.count, 2);
    assert_int_equal(st.repaired, 1);
    assert_int_equal(set(d, "c", "three"), 0);
    assert_string_equal(get(d, "c"), "three");
    hs_log_set_level(HS_LOG_INFO);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(values_of_every_kind, leave),
        cmocka_unit_test_teardown(keys_and_values_of_every_length, leave),
        cmocka_unit_test_teardown(numbers_are_added_up, leave),
        cmocka_unit_test_teardown(times_end, leave),
        cmocka_unit_test_teardown(what_is_not_used_makes_room, leave),
        cmocka_unit_test_teardown(keys_are_given_in_the_order_of_use, leave),
        cmocka_unit_test_teardown(it_is_as_a_table, leave),
        cmocka_unit_test_teardown(ruling_26_sums_are_exact, leave),
        cmocka_unit_test_teardown(ruling_26_who_dies_while_writing_leaves_whole_values, leave),
        cmocka_unit_test_teardown(ruling_26_what_is_left_locked_is_put_right, leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
