/* test_loop.c - io/loop.h: turns, the clock, deferred calls, posts, a borrowed base. */
#include "io/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc_fail.h"

static struct hs_loop *loop;

static struct hs_loop *
new_loop(struct event_base *base, bool test_clock)
{
    struct hs_loop_options options = { .base = base, .test_clock = test_clock };
    struct hs_loop *l = NULL;
    assert_int_equal(hs_loop_new(&options, &l), 0);
    return l;
}

static int
set_up(void **state)
{
    (void)state;
    loop = new_loop(NULL, false);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    hs_loop_free(loop);
    loop = NULL;
    return 0;
}

/* What happened, one letter each. */
static char trace[64];

static void
note(char c)
{
    size_t n = strlen(trace);
    assert_true(n + 1 < sizeof trace);
    trace[n] = c;
    trace[n + 1] = '\0';
}

#define assert_trace(s)                   \
    do {                                  \
        assert_string_equal(trace, (s));  \
        trace[0] = '\0';                  \
    } while (0)

static void
note_arg(void *arg)
{
    note(*(const char *)arg);
}

/* --- life --- */

static void
one_loop_a_thread(void **state)
{
    (void)state;
    assert_null(hs_loop_current());
    struct hs_loop *first = new_loop(NULL, false), *second = NULL;
    assert_ptr_equal(hs_loop_current(), first);
    assert_int_equal(hs_loop_new(NULL, &second), EBUSY);
    assert_null(second);
    hs_loop_free(first);
    assert_null(hs_loop_current());
    hs_loop_free(NULL);
}

/* How many descriptors are open. */
static int
open_fds(void)
{
    int n = 0;
    for (int fd = 0; fd < 256; fd++) {
        n += fcntl(fd, F_GETFD) != -1;
    }
    return n;
}

static void
closes_its_descriptors(void **state)
{
    (void)state;
    int before = open_fds();
    for (int i = 0; i < 3; i++) {
        hs_loop_free(new_loop(NULL, false));
    }
    assert_int_equal(open_fds(), before);
}

static void
new_and_free(void *arg)
{
    (void)arg;
    struct hs_loop *l;
    int err = hs_loop_new(NULL, &l);
    if (err != 0) {
        assert_int_equal(err, ENOMEM);
        assert_null(hs_loop_current());
        return;
    }
    hs_loop_free(l);
}

static void
new_survives_each_failed_allocation(void **state)
{
    (void)state;
    new_and_free(NULL);
    assert_true(alloc_fail_each(new_and_free, NULL) > 2);
}

static void
refuses_a_base_without_what_watches_need(void **state)
{
    (void)state;
    struct event_config *config = event_config_new();
    assert_int_equal(event_config_avoid_method(config, "epoll"), 0);
    struct event_base *base = event_base_new_with_config(config);
    assert_non_null(base);
    struct hs_loop_options options = { .base = base };
    struct hs_loop *l;
    assert_int_equal(hs_loop_new(&options, &l), ENOTSUP);
    assert_null(hs_loop_current());
    event_base_free(base);
    event_config_free(config);
}

/* --- deferred calls --- */

struct again {
    struct hs_deferred deferred;
    int calls, wanted;
};

static void
defer_again(void *arg)
{
    struct again *a = arg;
    note('a');
    if (++a->calls < a->wanted) {
        hs_defer(loop, &a->deferred);
    }
}

static void
deferred_run_in_order_and_once(void **state)
{
    (void)state;
    struct hs_deferred x, y;
    hs_deferred_init(&x, note_arg, "x");
    hs_deferred_init(&y, note_arg, "y");
    hs_defer(loop, &x);
    hs_defer(loop, &y);
    hs_defer(loop, &x);
    assert_trace("");
    assert_int_equal(hs_loop_turn(loop, true), 0);
    assert_trace("xy");
    assert_int_equal(hs_loop_turn(loop, false), 0);
    assert_trace("");
}

static void
what_a_deferred_call_defers_runs_the_next_turn(void **state)
{
    (void)state;
    struct again a = { .wanted = 3 };
    hs_deferred_init(&a.deferred, defer_again, &a);
    hs_defer(loop, &a.deferred);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(hs_loop_turn(loop, true), 0);
        assert_int_equal(a.calls, i);
    }
    hs_loop_turn(loop, false);
    assert_trace("aaa");
}

static struct hs_deferred victim, killer;

static void
cancel_victim(void *arg)
{
    note('k');
    hs_deferred_cancel(loop, &victim);
    hs_defer(loop, arg);
}

static void
a_deferred_call_cancels_the_next(void **state)
{
    (void)state;
    struct hs_deferred later;
    hs_deferred_init(&later, note_arg, "l");
    hs_deferred_init(&killer, cancel_victim, &later);
    hs_deferred_init(&victim, note_arg, "v");
    hs_defer(loop, &killer);
    hs_defer(loop, &victim);
    hs_loop_turn(loop, true);
    assert_trace("k");
    assert_false(hs_deferred_is_queued(&victim));
    hs_loop_turn(loop, true);
    assert_trace("l");
    hs_deferred_cancel(loop, &victim);

    hs_defer(loop, &victim);
    hs_deferred_cancel(loop, &victim);
    hs_loop_turn(loop, false);
    assert_trace("");
}

static void
readable(void *arg, unsigned events)
{
    struct hs_watch *w = arg;
    (void)events;
    note('r');
    hs_watch_set(w, 0);
    hs_defer(loop, &victim);
}

static void
deferred_from_io_runs_after_the_next_poll(void **state)
{
    (void)state;
    int p[2];
    assert_int_equal(pipe(p), 0);
    assert_int_equal(write(p[1], "x", 1), 1);
    struct hs_watch w;
    hs_watch_init(&w, loop, p[0], readable, &w);
    assert_int_equal(hs_watch_set(&w, HS_READ), 0);
    struct hs_deferred before;
    hs_deferred_init(&before, note_arg, "b");
    hs_deferred_init(&victim, note_arg, "v");
    hs_defer(loop, &before);
    hs_loop_turn(loop, true);
    assert_trace("rb"); /* I/O first, and what it deferred not yet */
    hs_loop_turn(loop, true);
    assert_trace("v");
    close(p[0]);
    close(p[1]);
}

static void
free_runs_what_is_left(void **state)
{
    (void)state;
    loop = new_loop(NULL, false);
    struct again a = { .wanted = 3 };
    hs_deferred_init(&a.deferred, defer_again, &a);
    hs_defer(loop, &a.deferred);
    struct hs_post p;
    hs_loop_post(loop, &p, note_arg, "p");
    hs_loop_free(loop);
    loop = NULL;
    assert_trace("paaa");
}

/* --- running --- */

static void
call_stop(void *arg)
{
    note_arg(arg);
    hs_loop_stop(loop);
}

static void
stop_ends_the_run_after_the_turn(void **state)
{
    (void)state;
    struct hs_deferred x, y;
    hs_deferred_init(&x, call_stop, "x");
    hs_deferred_init(&y, note_arg, "y");
    hs_defer(loop, &x);
    hs_defer(loop, &y);
    assert_int_equal(hs_loop_run(loop), 0);
    assert_trace("xy");

    hs_loop_stop(loop);
    assert_int_equal(hs_loop_run(loop), 0); /* at once */

    hs_defer(loop, &x);
    assert_int_equal(hs_loop_run(loop), 0);
    assert_trace("x");
}

static void
turn_inside(void *arg)
{
    *(int *)arg = hs_loop_turn(loop, false);
}

static void
a_turn_within_a_turn_is_refused(void **state)
{
    (void)state;
    int err = 0;
    struct hs_deferred d;
    hs_deferred_init(&d, turn_inside, &err);
    hs_defer(loop, &d);
    assert_int_equal(hs_loop_turn(loop, false), 0);
    assert_int_equal(err, EIO);
}

/* --- the clock --- */

static int64_t
real_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * HS_SEC + ts.tv_nsec;
}

static void
spin(int64_t ns)
{
    int64_t until = real_now() + ns;
    while (real_now() < until) {
    }
}

static int64_t turn_times[3], turn_walls[2], clocks[2], wallclocks[2];

static void
look_twice(void *arg)
{
    (void)arg;
    turn_times[0] = hs_loop_now(loop);
    turn_walls[0] = hs_loop_walltime(loop);
    clocks[0] = hs_loop_clock(loop);
    wallclocks[0] = hs_loop_wallclock(loop);
    spin(3 * HS_MSEC);
    clocks[1] = hs_loop_clock(loop);
    wallclocks[1] = hs_loop_wallclock(loop);
    turn_times[1] = hs_loop_now(loop);
    turn_walls[1] = hs_loop_walltime(loop);
}

static void
time_stands_still_within_a_turn(void **state)
{
    (void)state;
    int64_t a = hs_loop_now(loop);
    struct hs_deferred d;
    hs_deferred_init(&d, look_twice, NULL);
    hs_defer(loop, &d);
    hs_loop_turn(loop, false);
    assert_true(turn_times[0] >= a);
    assert_int_equal(turn_times[0], turn_times[1]);
    assert_true(llabs(turn_walls[0] - (int64_t)time(NULL)) <= 1);
    assert_int_equal(turn_walls[0], turn_walls[1]);
    assert_true(clocks[0] >= turn_times[0] && clocks[1] >= clocks[0] + 3 * HS_MSEC); /* these go on */
    assert_true(wallclocks[1] > wallclocks[0] && llabs(wallclocks[0] / HS_SEC - turn_walls[0]) <= 1);
    int64_t b = hs_loop_now(loop);
    assert_true(b >= turn_times[0] + 3 * HS_MSEC);
    assert_true(llabs(hs_loop_walltime(loop) - (int64_t)time(NULL)) <= 1);

    hs_defer(loop, &d);
    hs_loop_turn(loop, false);
    assert_true(turn_times[0] >= b);
}

static void
the_longest_turn_is_measured(void **state)
{
    (void)state;
    struct hs_deferred d;
    hs_deferred_init(&d, look_twice, NULL);
    hs_loop_turn(loop, false);
    hs_loop_longest_turn(loop, true);
    assert_int_equal(hs_loop_longest_turn(loop, false), 0);
    hs_defer(loop, &d);
    hs_loop_turn(loop, false);
    int64_t longest = hs_loop_longest_turn(loop, false);
    assert_true(longest >= 3 * HS_MSEC && longest < 10 * HS_SEC);
    hs_loop_turn(loop, false);
    assert_int_equal(hs_loop_longest_turn(loop, true), longest);
    assert_int_equal(hs_loop_longest_turn(loop, true), 0);
}

static void
a_test_clock_moves_only_when_told(void **state)
{
    (void)state;
    struct hs_loop *l = new_loop(NULL, true);
    int64_t start = hs_loop_now(l);
    assert_true(start > 0);
    assert_int_equal(hs_loop_walltime(l), 784111777);
    hs_loop_turn(l, false);
    assert_int_equal(hs_loop_now(l), start);
    hs_loop_advance(l, 2 * HS_SEC + 1);
    assert_int_equal(hs_loop_now(l), start + 2 * HS_SEC + 1);
    assert_int_equal(hs_loop_walltime(l), 784111779);
    assert_int_equal(hs_loop_clock(l), hs_loop_now(l));
    assert_int_equal(hs_loop_wallclock(l), 784111779 * HS_SEC + 1);
    hs_loop_free(l);
}

/* --- from other threads --- */

#define POSTERS 4
#define POSTS 2000

static struct hs_post posts[POSTERS][POSTS];
static int next_post[POSTERS], posts_left, out_of_order;

static void
on_post(void *arg)
{
    struct hs_post *p = arg;
    int i = (int)((p - posts[0]) / POSTS), k = (int)((p - posts[0]) % POSTS);
    out_of_order += next_post[i]++ != k;
    if (--posts_left == 0) {
        hs_loop_stop(loop);
    }
}

static void *
post_many(void *arg)
{
    struct hs_post *mine = arg;
    for (int k = 0; k < POSTS; k++) {
        hs_loop_post(loop, &mine[k], on_post, &mine[k]);
    }
    return NULL;
}

static void
posts_from_threads_all_arrive_in_order(void **state)
{
    (void)state;
    pthread_t threads[POSTERS];
    posts_left = POSTERS * POSTS;
    for (int i = 0; i < POSTERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, posts[i]), 0);
    }
    assert_int_equal(hs_loop_run(loop), 0);
    assert_int_equal(out_of_order, 0);
    for (int i = 0; i < POSTERS; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void *
post_one(void *arg)
{
    hs_loop_post(loop, arg, call_stop, "p");
    return NULL;
}

/* Once is not enough to see a wake-up that is only good once, nor a loop that goes before the poster. */
static void
a_post_wakes_a_blocked_loop_each_time(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        loop = new_loop(NULL, false);
        for (int k = 0; k < 3; k++) {
            struct hs_post p;
            pthread_t thread;
            assert_int_equal(pthread_create(&thread, NULL, post_one, &p), 0);
            assert_int_equal(hs_loop_run(loop), 0);
            assert_trace("p");
            if (k == 2) {
                hs_loop_free(loop);
            }
            pthread_join(thread, NULL);
        }
    }
    loop = NULL;
}

static void
post_again(void *arg)
{
    note('p');
    hs_loop_post(loop, arg, note_arg, "q");
}

static void
what_a_post_posts_arrives(void **state)
{
    (void)state;
    struct hs_post p;
    hs_loop_post(loop, &p, post_again, &p);
    assert_trace("");
    hs_loop_turn(loop, true);
    assert_trace("p");
    hs_loop_turn(loop, true);
    assert_trace("q");
}

/* --- a base that somebody else dispatches --- */

static void
foreign_turn(struct event_base *base)
{
    assert_true(event_base_loop(base, EVLOOP_ONCE) >= 0);
}

static void
a_borrowed_base_runs_deferred_calls(void **state)
{
    (void)state;
    struct event_base *base = event_base_new();
    loop = new_loop(base, false);
    assert_ptr_equal(hs_loop_base(loop), base);
    struct again a = { .wanted = 3 };
    hs_deferred_init(&a.deferred, defer_again, &a);
    hs_defer(loop, &a.deferred);
    for (int i = 1; i <= 3; i++) {
        foreign_turn(base); /* blocks, so each call must bring the next turn about */
        assert_int_equal(a.calls, i);
    }
    trace[0] = '\0';
    struct hs_post p;
    hs_loop_post(loop, &p, note_arg, "p");
    foreign_turn(base);
    assert_trace("p");
    hs_loop_free(loop);
    event_base_free(base);
    loop = NULL;
}

static void
a_borrowed_base_runs_io_before_deferred_calls(void **state)
{
    (void)state;
    struct event_base *base = event_base_new();
    loop = new_loop(base, false);
    int p[2];
    assert_int_equal(pipe(p), 0);
    assert_int_equal(write(p[1], "x", 1), 1);
    struct hs_watch w;
    hs_watch_init(&w, loop, p[0], readable, &w);
    assert_int_equal(hs_watch_set(&w, HS_READ), 0);
    struct hs_deferred before;
    hs_deferred_init(&before, note_arg, "b");
    hs_deferred_init(&victim, note_arg, "v");
    hs_defer(loop, &before);
    foreign_turn(base);
    assert_trace("rb");
    foreign_turn(base);
    assert_trace("v");
    close(p[0]);
    close(p[1]);
    hs_loop_free(loop);
    event_base_free(base);
    loop = NULL;
}

static void
a_borrowed_base_has_turns(void **state)
{
    (void)state;
    struct event_base *base = event_base_new();
    loop = new_loop(base, false);
    struct hs_deferred d;
    hs_deferred_init(&d, look_twice, NULL);
    hs_defer(loop, &d);
    foreign_turn(base);
    assert_int_equal(turn_times[0], turn_times[1]);
    assert_true(hs_loop_now(loop) >= turn_times[0] + 3 * HS_MSEC); /* the turn is over */
    int64_t longest = hs_loop_longest_turn(loop, true);
    assert_true(longest >= 3 * HS_MSEC && longest < 10 * HS_SEC);

    /* and may be driven by us as well, deferred calls running once a turn still */
    struct again a = { .wanted = 3 };
    hs_deferred_init(&a.deferred, defer_again, &a);
    hs_defer(loop, &a.deferred);
    hs_loop_turn(loop, true);
    assert_int_equal(a.calls, 1);
    foreign_turn(base);
    assert_int_equal(a.calls, 2);
    hs_loop_turn(loop, true);
    assert_int_equal(a.calls, 3);
    trace[0] = '\0';
    hs_loop_free(loop);
    event_base_free(base);
    loop = NULL;
}

static void
deferred_calls_run_without_memory(void **state)
{
    (void)state;
    struct event_base *base = event_base_new();
    loop = new_loop(base, false);
    struct hs_deferred d;
    hs_deferred_init(&d, note_arg, "d");
    alloc_fail_from(1); /* the base has no room for time-outs yet */
    hs_defer(loop, &d);
    foreign_turn(base);
    assert_true(alloc_fail_hit());
    alloc_fail_off();
    assert_trace("d");
    hs_loop_free(loop);
    event_base_free(base);
    loop = NULL;
}

int
main(void)
{
    event_set_mem_functions(malloc, realloc, free); /* the wrapped ones: libevent's allocations can fail too */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_loop_a_thread),
        cmocka_unit_test(closes_its_descriptors),
        cmocka_unit_test(new_survives_each_failed_allocation),
        cmocka_unit_test(refuses_a_base_without_what_watches_need),
        cmocka_unit_test_setup_teardown(deferred_run_in_order_and_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_deferred_call_defers_runs_the_next_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_deferred_call_cancels_the_next, set_up, tear_down),
        cmocka_unit_test_setup_teardown(deferred_from_io_runs_after_the_next_poll, set_up, tear_down),
        cmocka_unit_test(free_runs_what_is_left),
        cmocka_unit_test_setup_teardown(stop_ends_the_run_after_the_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_turn_within_a_turn_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(time_stands_still_within_a_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_longest_turn_is_measured, set_up, tear_down),
        cmocka_unit_test(a_test_clock_moves_only_when_told),
        cmocka_unit_test_setup_teardown(posts_from_threads_all_arrive_in_order, set_up, tear_down),
        cmocka_unit_test(a_post_wakes_a_blocked_loop_each_time),
        cmocka_unit_test_setup_teardown(what_a_post_posts_arrives, set_up, tear_down),
        cmocka_unit_test(a_borrowed_base_runs_deferred_calls),
        cmocka_unit_test(a_borrowed_base_runs_io_before_deferred_calls),
        cmocka_unit_test(a_borrowed_base_has_turns),
        cmocka_unit_test(deferred_calls_run_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
