/* test_crossing.c - io/crossing.h, and the ios that are read by it (io_remote.c). */
#include "io/crossing.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/io.h"

static struct hs_loop *loop;
static struct hs_crossing_group *group;

static int
set_up(void **state)
{
    (void)state;
    group = hs_crossing_group_new();
    return group == NULL || hs_loop_new(NULL, &loop) != 0;
}

static int
tear_down(void **state)
{
    (void)state;
    hs_crossing_group_delref(group);
    hs_loop_free(loop);
    return 0;
}

struct call {
    struct hs_crossing c;
    int value;
};

static struct call *kept; /* whose reply is put off */
static atomic_int freed;
static bool put_off;

static void
run(struct hs_crossing *c)
{
    struct call *k = (struct call *)c;
    k->value++;
    if (put_off) {
        kept = k;
        hs_crossing_leave(c);
    } else {
        hs_crossing_reply(c);
    }
}

static void
free_call(struct hs_crossing *c)
{
    freed++;
    free(c);
}

static int value_seen;
static atomic_bool ended;

static void *
caller(void *arg)
{
    (void)arg;
    struct call *k = calloc(1, sizeof *k);
    if (k == NULL || hs_crossing_init(&k->c, run, free_call) != 0) {
        abort();
    }
    k->value = 41;
    const int err = hs_crossing_call(&k->c, group, loop);
    value_seen = err == 0 ? k->value : 0;
    hs_crossing_drop(&k->c);
    ended = true;
    return (void *)(intptr_t)err;
}

static int
join(pthread_t thread)
{
    void *result;
    assert_int_equal(pthread_join(thread, &result), 0);
    return (int)(intptr_t)result;
}

static pthread_t
begin(bool later)
{
    pthread_t thread;
    put_off = later;
    kept = NULL;
    freed = 0;
    ended = false;
    value_seen = -1;
    assert_int_equal(pthread_create(&thread, NULL, caller, NULL), 0);
    return thread;
}

static void
a_call_is_answered(void **state)
{
    (void)state;
    pthread_t thread = begin(false);
    while (!ended) {
        hs_loop_turn(loop, false);
    }
    assert_int_equal(join(thread), 0);
    assert_int_equal(value_seen, 42);
    assert_int_equal(freed, 1);
}

static void
an_answer_may_come_later(void **state)
{
    (void)state;
    pthread_t thread = begin(true);
    while (kept == NULL) {
        hs_loop_turn(loop, true);
    }
    assert_false(ended);
    assert_true(hs_crossing_enter(&kept->c));
    kept->value = 7;
    hs_crossing_reply(&kept->c);
    assert_int_equal(join(thread), 0);
    assert_int_equal(value_seen, 7);
    assert_int_equal(freed, 1);
}

static void
closing_the_group_frees_who_waits(void **state)
{
    (void)state;
    pthread_t thread = begin(true);
    while (kept == NULL) {
        hs_loop_turn(loop, true);
    }
    hs_crossing_group_close(group);
    assert_int_equal(join(thread), ECANCELED);
    assert_int_equal(freed, 0); /* the loop has its hold */
    assert_false(hs_crossing_enter(&kept->c));
    hs_crossing_reply(&kept->c);
    assert_int_equal(freed, 1);
    /* Later calls fail at once, and never reach the loop. */
    assert_int_equal(join(begin(false)), ECANCELED);
    assert_int_equal(freed, 1);
    hs_loop_turn(loop, false);
    assert_int_equal(value_seen, 0);
}

static io_object *remote;
static char text[64];

static void *
reader(void *arg)
{
    (void)arg;
    hs_crossing_group_set_current(group);
    ssize_t n;
    size_t len = 0;
    while ((n = io_wrapper_read(remote, text + len, 4)) > 0) {
        len += (size_t)n;
    }
    const int err = n < 0 ? errno : 0;
    hs_crossing_group_set_current(NULL);
    ended = true;
    return (void *)(intptr_t)err;
}

static pthread_t
begin_reading(struct hs_channel *c)
{
    pthread_t thread;
    io_object *io = hs_channel_reader(c);
    assert_non_null(io);
    assert_int_equal(hs_io_travels(io), ENOTSUP);
    remote = hs_io_remote(io);
    assert_non_null(remote);
    assert_int_equal(hs_io_travels(remote), 0);
    io_wrapper_delref(io);
    memset(text, 0, sizeof text);
    ended = false;
    assert_int_equal(pthread_create(&thread, NULL, reader, NULL), 0);
    return thread;
}

static void
a_channel_is_read_from_afar(void **state)
{
    (void)state;
    struct hs_channel *c;
    assert_int_equal(hs_channel_new(100, 10, NULL, NULL, &c), 0);
    pthread_t thread = begin_reading(c);
    assert_int_equal(hs_channel_write(c, "through ", 8), 0);
    while (hs_channel_queued(c) != 0) {
        hs_loop_turn(loop, true);
    }
    assert_int_equal(hs_channel_write(c, "threads", 7), 0);
    hs_channel_end(c, 0, false);
    while (!ended) {
        hs_loop_turn(loop, false);
    }
    assert_int_equal(join(thread), 0);
    assert_string_equal(text, "through threads");
    io_wrapper_delref(remote);
    hs_channel_free(c);
}

static void
a_reader_is_freed_with_its_group(void **state)
{
    (void)state;
    struct hs_channel *c;
    assert_int_equal(hs_channel_new(100, 10, NULL, NULL, &c), 0);
    pthread_t thread = begin_reading(c);
    for (int i = 0; i < 3; i++) {
        hs_loop_turn(loop, false);
    }
    hs_crossing_group_close(group);
    assert_int_equal(join(thread), ECONNABORTED);
    io_wrapper_delref(remote);
    hs_channel_free(c); /* wakes what still waits on the loop */
    for (int i = 0; i < 3; i++) {
        hs_loop_turn(loop, false);
    }
}

int
main(void)
{
#define test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        test(a_call_is_answered),
        test(an_answer_may_come_later),
        test(closing_the_group_frees_who_waits),
        test(a_channel_is_read_from_afar),
        test(a_reader_is_freed_with_its_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
