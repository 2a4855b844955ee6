/* test_timeq.c - io/loop.h: time-out queues. */
#include "io/loop_int.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_fail.h"

static struct hs_loop *loop;

static int
set_up(void **state)
{
    (void)state;
    return hs_loop_new(&(struct hs_loop_options){ .test_clock = true }, &loop);
}

static int
tear_down(void **state)
{
    (void)state;
    hs_loop_free(loop);
    return 0;
}

struct item {
    struct hs_timeq_entry entry;
    char letter;
};

static char trace[64];

static void
expired(struct hs_timeq_entry *e)
{
    assert_int_equal(e->stamp, 0); /* out of the queue */
    size_t n = strlen(trace);
    assert_true(n + 1 < sizeof trace);
    trace[n] = ((struct item *)e)->letter;
    trace[n + 1] = '\0';
}

#define assert_trace(s)                  \
    do {                                 \
        assert_string_equal(trace, (s)); \
        trace[0] = '\0';                 \
    } while (0)

static void
coarse_touches_expire_late_never_early(void **state)
{
    (void)state;
    struct hs_timeq q;
    struct item a = { .letter = 'a' }, b = { .letter = 'b' };
    trace[0] = '\0';
    hs_timeq_init(&q, loop, 10 * HS_SEC, expired);
    hs_timeq_touch_coarse(&q, &a.entry);
    hs_timeq_touch_coarse(&q, &b.entry);
    hs_loop_advance(loop, HS_SEC / 10);
    hs_timeq_touch_coarse(&q, &a.entry); /* stays where it is */
    hs_loop_advance(loop, 5 * HS_SEC);
    hs_timeq_touch_coarse(&q, &a.entry); /* moves behind b */
    assert_ptr_equal(TAILQ_FIRST(&q.list), &b.entry);
    hs_loop_advance(loop, 10 * HS_SEC - HS_SEC / 10);
    assert_trace("b");
    hs_loop_advance(loop, 2 * HS_SEC);
    assert_trace("a");
    hs_timeq_fini(&q);
}

static void
who_has_begun_before_is_before_those_who_came_since(void **state)
{
    (void)state;
    struct hs_timeq q;
    struct item a = { .letter = 'a' }, b = { .letter = 'b' }, c = { .letter = 'c' }, d = { .letter = 'd' };
    trace[0] = '\0';
    hs_timeq_init(&q, loop, 10 * HS_SEC, expired);
    int64_t begun = hs_loop_now(loop);
    hs_loop_advance(loop, HS_SEC);
    hs_timeq_touch(&q, &a.entry);
    hs_loop_advance(loop, 2 * HS_SEC);
    hs_timeq_touch(&q, &b.entry);
    hs_timeq_touch_since(&q, &c.entry, begun + 2 * HS_SEC); /* between the two */
    hs_timeq_touch_since(&q, &d.entry, begun);              /* before all */
    assert_ptr_equal(TAILQ_FIRST(&q.list), &d.entry);
    assert_ptr_equal(TAILQ_NEXT(&a.entry, link), &c.entry);
    hs_loop_advance(loop, 7 * HS_SEC);
    assert_trace("d");
    hs_loop_advance(loop, HS_SEC);
    assert_trace("a");
    hs_loop_advance(loop, HS_SEC);
    assert_trace("c");
    hs_timeq_touch_since(&q, &a.entry, hs_loop_now(loop)); /* as touch */
    hs_loop_advance(loop, HS_SEC);
    assert_trace("b");
    hs_timeq_touch_since(&q, &a.entry, begun); /* moved, and long over */
    hs_loop_advance(loop, HS_SEC);
    assert_trace("a");
    hs_timeq_fini(&q);
}

static void
entries_expire_after_their_last_touch(void **state)
{
    (void)state;
    struct hs_timeq q;
    hs_timeq_init(&q, loop, 10 * HS_SEC, expired);
    struct item a = { .letter = 'a' }, b = { .letter = 'b' }, c = { .letter = 'c' };
    hs_timeq_touch(&q, &a.entry);
    hs_timeq_touch(&q, &b.entry);
    hs_loop_advance(loop, 5 * HS_SEC);
    hs_timeq_touch(&q, &a.entry);
    hs_timeq_touch(&q, &c.entry);
    hs_loop_advance(loop, 5 * HS_SEC - 1);
    assert_trace("");
    hs_loop_advance(loop, 1 + HS_SEC);
    assert_trace("b");
    hs_timeq_remove(&q, &c.entry);
    hs_timeq_remove(&q, &c.entry);
    hs_loop_advance(loop, 5 * HS_SEC);
    assert_trace("a");
    hs_loop_advance(loop, 100 * HS_SEC);
    assert_trace("");
    hs_timeq_fini(&q);
}

/* Never early, and at most a second late, wherever the touch falls between two ticks. */
static void
expiry_is_within_a_second(void **state)
{
    (void)state;
    struct hs_timeq q;
    hs_timeq_init(&q, loop, 3 * HS_SEC + HS_SEC / 2, expired);
    struct item ticker = { .letter = 't' };
    for (int64_t offset = 0; offset < HS_SEC; offset += 100 * HS_MSEC) {
        struct item a = { .letter = 'a' };
        hs_timeq_touch(&q, &ticker.entry);
        hs_loop_advance(loop, offset);
        hs_timeq_remove(&q, &ticker.entry);
        hs_timeq_touch(&q, &a.entry);
        hs_loop_advance(loop, q.duration - 1);
        assert_trace("");
        hs_loop_advance(loop, HS_SEC + 1);
        assert_trace("a");
        hs_loop_advance(loop, 2 * HS_SEC);
    }
    hs_timeq_fini(&q);
}

static void
duration_0_never_expires(void **state)
{
    (void)state;
    struct hs_timeq q;
    hs_timeq_init(&q, loop, 0, expired);
    struct item a = { .letter = 'a' };
    hs_timeq_touch(&q, &a.entry);
    hs_loop_advance(loop, 86400 * HS_SEC);
    assert_trace("");
    assert_int_not_equal(a.entry.stamp, 0);
    hs_timeq_remove(&q, &a.entry);
    hs_timeq_fini(&q);
}

static void
queues_have_durations_of_their_own(void **state)
{
    (void)state;
    struct hs_timeq slow, fast;
    hs_timeq_init(&slow, loop, 30 * HS_SEC, expired);
    hs_timeq_init(&fast, loop, 2 * HS_SEC, expired);
    struct item a = { .letter = 'a' }, b = { .letter = 'b' };
    hs_timeq_touch(&slow, &a.entry);
    hs_timeq_touch(&fast, &b.entry);
    hs_loop_advance(loop, 3 * HS_SEC);
    assert_trace("b");
    hs_timeq_fini(&fast);
    hs_loop_advance(loop, 28 * HS_SEC);
    assert_trace("a");
    hs_timeq_fini(&slow);
}

/* --- callbacks that do as they like --- */

static struct hs_timeq *queue, *other_queue;
static struct item items[4];

static void
init_items(void)
{
    for (size_t i = 0; i < 4; i++) {
        items[i] = (struct item){ .letter = (char)('a' + i) };
    }
}

static void
touch_again(struct hs_timeq_entry *e)
{
    expired(e);
    hs_timeq_touch(queue, e);
}

static void
a_callback_touches_its_entry_again(void **state)
{
    (void)state;
    struct hs_timeq q;
    queue = &q;
    init_items();
    hs_timeq_init(&q, loop, 2 * HS_SEC, touch_again);
    hs_timeq_touch(&q, &items[0].entry);
    hs_loop_advance(loop, 7 * HS_SEC);
    assert_trace("aaa");
    hs_timeq_remove(&q, &items[0].entry);
    hs_timeq_fini(&q);
}

static void
remove_others(struct hs_timeq_entry *e)
{
    expired(e);
    hs_timeq_remove(queue, &items[1].entry);
    hs_timeq_remove(queue, &items[3].entry);
}

static void
a_callback_removes_other_entries_that_are_due(void **state)
{
    (void)state;
    struct hs_timeq q;
    queue = &q;
    init_items();
    hs_timeq_init(&q, loop, HS_SEC, remove_others);
    for (size_t i = 0; i < 4; i++) {
        hs_timeq_touch(&q, &items[i].entry);
    }
    hs_loop_advance(loop, 3 * HS_SEC);
    assert_trace("ac");
    hs_timeq_fini(&q);
}

/* Ends both queues, and the memory of the one that is being looked at. */
static void
end_queues(struct hs_timeq_entry *e)
{
    expired(e);
    for (size_t i = 0; i < 2; i++) {
        hs_timeq_remove(queue, &items[i].entry);
        hs_timeq_remove(other_queue, &items[2 + i].entry);
    }
    hs_timeq_fini(queue);
    hs_timeq_fini(other_queue);
    free(queue);
    free(other_queue);
}

static void
a_callback_ends_the_queues(void **state)
{
    (void)state;
    for (int swapped = 0; swapped < 2; swapped++) {
        queue = malloc(sizeof *queue);
        other_queue = malloc(sizeof *other_queue);
        assert_true(queue != NULL && other_queue != NULL);
        init_items();
        hs_timeq_init(swapped ? other_queue : queue, loop, HS_SEC, end_queues);
        hs_timeq_init(swapped ? queue : other_queue, loop, HS_SEC, end_queues);
        struct hs_timeq last;
        struct item z = { .letter = 'z' };
        hs_timeq_init(&last, loop, HS_SEC, expired);
        for (size_t i = 0; i < 2; i++) {
            hs_timeq_touch(queue, &items[i].entry);
            hs_timeq_touch(other_queue, &items[2 + i].entry);
        }
        hs_timeq_touch(&last, &z.entry);
        hs_loop_advance(loop, HS_SEC);
        assert_trace(swapped ? "cz" : "az");
        hs_timeq_fini(&last);
    }
}

/* --- the tick --- */

/* A loop whose queues are empty is not woken each second. */
static void
the_tick_runs_only_while_something_waits(void **state)
{
    (void)state;
    struct hs_timeq q, never;
    struct item a = { .letter = 'a' }, b = { .letter = 'b' };
    hs_timeq_init(&q, loop, 5 * HS_SEC, expired);
    hs_timeq_init(&never, loop, 0, expired);
    hs_timeq_touch(&never, &b.entry);
    assert_false(hs_timer_pending(&loop->tick));
    hs_timeq_touch(&q, &a.entry);
    assert_true(hs_timer_pending(&loop->tick));
    hs_timeq_remove(&q, &a.entry);
    hs_loop_advance(loop, HS_SEC);
    assert_false(hs_timer_pending(&loop->tick));

    hs_timeq_touch(&q, &a.entry);
    hs_loop_advance(loop, 4 * HS_SEC);
    assert_true(hs_timer_pending(&loop->tick));
    hs_loop_advance(loop, 2 * HS_SEC);
    assert_trace("a");
    assert_false(hs_timer_pending(&loop->tick));
    hs_timeq_remove(&never, &b.entry);
    hs_timeq_fini(&never);
    hs_timeq_fini(&q);
}

static void
do_nothing(void *arg)
{
    (void)arg;
}

static void
a_tick_that_found_no_memory_is_armed_after_the_turn(void **state)
{
    (void)state;
    struct hs_loop *l;
    assert_int_equal(hs_loop_new(NULL, &l), 0); /* a test clock needs no memory */
    struct hs_timeq q;
    struct item a = { .letter = 'a' };
    hs_timeq_init(&q, l, HS_SEC, expired);
    struct hs_deferred turn;
    hs_deferred_init(&turn, do_nothing, NULL);

    alloc_fail_from(1);
    hs_timeq_touch(&q, &a.entry);
    assert_true(alloc_fail_hit());
    assert_false(hs_timer_pending(&l->tick));
    hs_defer(l, &turn);
    hs_loop_turn(l, false); /* memory is short still */
    assert_false(hs_timer_pending(&l->tick));
    alloc_fail_off();
    hs_defer(l, &turn);
    hs_loop_turn(l, false);
    assert_true(hs_timer_pending(&l->tick));

    hs_timeq_remove(&q, &a.entry);
    hs_timeq_fini(&q);
    hs_loop_free(l);
}

#define on_test_clock(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

static void
another_duration_holds_for_those_that_wait(void **state)
{
    (void)state;
    struct hs_timeq q;
    struct item a = { .letter = 'a' }, b = { .letter = 'b' };
    trace[0] = '\0';
    hs_timeq_init(&q, loop, 60 * HS_SEC, expired);
    hs_timeq_touch(&q, &a.entry);
    hs_loop_advance(loop, 5 * HS_SEC);
    hs_timeq_set_duration(&q, 10 * HS_SEC);
    hs_timeq_touch(&q, &b.entry);
    assert_trace("");
    hs_loop_advance(loop, 6 * HS_SEC);
    assert_trace("a");
    hs_timeq_set_duration(&q, 0); /* for ever */
    hs_loop_advance(loop, 1000 * HS_SEC);
    assert_trace("");
    assert_false(hs_timer_pending(&loop->tick));
    hs_timeq_set_duration(&q, HS_SEC); /* looked at again */
    assert_true(hs_timer_pending(&loop->tick));
    hs_loop_advance(loop, 2 * HS_SEC);
    assert_trace("b");
    hs_timeq_set_duration(&q, 5 * HS_SEC); /* nobody is there */
    hs_timeq_fini(&q);
}

int
main(void)
{
    event_set_mem_functions(malloc, realloc, free); /* the wrapped ones: libevent's allocations can fail too */
    const struct CMUnitTest tests[] = {
        on_test_clock(coarse_touches_expire_late_never_early),
        on_test_clock(entries_expire_after_their_last_touch),
        on_test_clock(expiry_is_within_a_second),
        on_test_clock(duration_0_never_expires),
        on_test_clock(queues_have_durations_of_their_own),
        on_test_clock(a_callback_touches_its_entry_again),
        on_test_clock(a_callback_removes_other_entries_that_are_due),
        on_test_clock(a_callback_ends_the_queues),
        on_test_clock(the_tick_runs_only_while_something_waits),
        on_test_clock(who_has_begun_before_is_before_those_who_came_since),
        cmocka_unit_test(a_tick_that_found_no_memory_is_armed_after_the_turn),
        on_test_clock(another_duration_holds_for_those_that_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
