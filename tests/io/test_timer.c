/* test_timer.c - io/loop.h: timers, on the real clock and on one that the test moves. */
#include "io/loop.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc_fail.h"

/* These stand in front of libc's, for libevent as well: the wall clock jumps when a test says so. */
static int64_t wall_jump;

int
clock_gettime(clockid_t id, struct timespec *ts)
{
    int ret = (int)syscall(SYS_clock_gettime, id, ts);
    if (ret == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        ts->tv_sec += wall_jump;
    }
    return ret;
}

time_t
time(time_t *out)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME_COARSE, &ts);
    if (out != NULL) {
        *out = ts.tv_sec;
    }
    return ts.tv_sec;
}

static struct hs_loop *loop;

static int
set_up(void **state)
{
    (void)state;
    return hs_loop_new(NULL, &loop);
}

static int
set_up_test_clock(void **state)
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

/* A timer that notes its letter and the time, and may do something more. */
struct probe {
    struct hs_timer timer;
    char letter;
    int calls;
    int64_t fired;
    void (*more)(struct probe *p);
};

static char trace[64];

static void
on_probe(void *arg)
{
    struct probe *p = arg;
    size_t n = strlen(trace);
    assert_true(n + 1 < sizeof trace);
    trace[n] = p->letter;
    trace[n + 1] = '\0';
    assert_false(hs_timer_pending(&p->timer));
    p->calls++;
    p->fired = hs_loop_now(loop);
    if (p->more != NULL) {
        p->more(p);
    }
}

#define assert_trace(s)                  \
    do {                                 \
        assert_string_equal(trace, (s)); \
        trace[0] = '\0';                 \
    } while (0)

static void
init(struct probe *p, char letter)
{
    *p = (struct probe){ .letter = letter };
    hs_timer_init(&p->timer, loop, on_probe, p);
    assert_false(hs_timer_pending(&p->timer));
}

/* --- the test clock --- */

static void
timers_fire_in_order_of_their_deadlines(void **state)
{
    (void)state;
    struct probe a, b, c, d;
    init(&a, 'a');
    init(&b, 'b');
    init(&c, 'c');
    init(&d, 'd');
    int64_t start = hs_loop_now(loop);
    hs_timer_set(&c.timer, 30);
    hs_timer_set(&a.timer, 10);
    hs_timer_set(&b.timer, 20);
    hs_timer_set(&d.timer, 20);
    hs_loop_advance(loop, 9);
    assert_trace("");
    hs_loop_advance(loop, 1);
    assert_trace("a");
    assert_int_equal(hs_loop_now(loop), start + 10);
    hs_loop_advance(loop, HS_SEC);
    assert_trace("bdc");
    assert_int_equal(b.fired, start + 20);
    assert_int_equal(c.fired, start + 30);
    assert_int_equal(hs_loop_now(loop), start + 10 + HS_SEC);
}

static void
turns_alone_fire_no_test_timers(void **state)
{
    (void)state;
    struct probe a;
    init(&a, 'a');
    hs_timer_set(&a.timer, 0);
    hs_loop_turn(loop, false);
    assert_trace("");
    assert_true(hs_timer_pending(&a.timer));
    hs_loop_advance(loop, 0);
    assert_trace("a");
}

static void
set_again_and_cancel(void **state)
{
    (void)state;
    struct probe a;
    init(&a, 'a');
    hs_timer_cancel(&a.timer);
    hs_timer_set(&a.timer, 10);
    hs_timer_set(&a.timer, 20);
    hs_loop_advance(loop, 15);
    assert_trace("");
    hs_loop_advance(loop, 5);
    assert_trace("a");
    hs_timer_set(&a.timer, 10);
    hs_timer_cancel(&a.timer);
    assert_false(hs_timer_pending(&a.timer));
    hs_timer_cancel(&a.timer);
    hs_loop_advance(loop, HS_SEC);
    assert_trace("");
}

static void
every_ten(struct probe *p)
{
    hs_timer_set(&p->timer, 10);
}

static void
at_once(struct probe *p)
{
    hs_timer_set(&p->timer, 0);
}

static void
a_callback_sets_its_timer_again(void **state)
{
    (void)state;
    struct probe a, z;
    init(&a, 'a');
    a.more = every_ten;
    hs_timer_set(&a.timer, 10);
    hs_loop_advance(loop, 35);
    assert_trace("aaa");
    hs_timer_cancel(&a.timer);

    init(&z, 'z');
    z.more = at_once;
    hs_timer_set(&z.timer, 0);
    hs_loop_advance(loop, HS_SEC);
    assert_trace("z"); /* 0 is the next turn, not this one for ever */
    hs_loop_advance(loop, 1);
    assert_trace("z");
    hs_timer_cancel(&z.timer);
}

static struct probe *victim;

static void
cancel_victim(struct probe *p)
{
    (void)p;
    hs_timer_cancel(&victim->timer);
}

static void
a_callback_cancels_a_timer_that_is_due(void **state)
{
    (void)state;
    struct probe a, b;
    init(&a, 'a');
    init(&b, 'b');
    victim = &b;
    a.more = cancel_victim;
    hs_timer_set(&a.timer, 10);
    hs_timer_set(&b.timer, 10);
    hs_loop_advance(loop, 10);
    assert_trace("a");
}

static void
free_probe(struct probe *p)
{
    free(p);
}

static void
a_callback_may_free_its_timer(void **state)
{
    (void)state;
    struct probe *p = malloc(sizeof *p);
    assert_non_null(p);
    init(p, 'p');
    p->more = free_probe;
    hs_timer_set(&p->timer, 1);
    hs_loop_advance(loop, 1);
    assert_trace("p");
}

static void
far_away_is_not_over_the_edge(void **state)
{
    (void)state;
    struct probe a;
    init(&a, 'a');
    assert_int_equal(hs_timer_set(&a.timer, INT64_MAX), 0);
    assert_true(a.timer.deadline > hs_loop_now(loop));
    hs_loop_advance(loop, HS_SEC * 86400 * 366);
    assert_trace("");
    hs_timer_cancel(&a.timer);
    assert_int_equal(hs_timer_set(&a.timer, -5), 0);
    hs_loop_advance(loop, 0);
    assert_trace("a");
}

static void
test_timers_need_no_memory(void **state)
{
    (void)state;
    struct probe a;
    init(&a, 'a');
    alloc_fail_from(1);
    int err = hs_timer_set(&a.timer, 1);
    hs_loop_advance(loop, 1);
    alloc_fail_off();
    assert_int_equal(err, 0);
    assert_trace("a");
}

/* --- the real clock --- */

static int64_t
clock_now(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return ts.tv_sec * HS_SEC + ts.tv_nsec;
}

/* Spins until the kernel's coarse clock goes on; what it shows then. */
static int64_t
await_tick(void)
{
    int64_t before = clock_now(CLOCK_MONOTONIC_COARSE), now;
    do {
        now = clock_now(CLOCK_MONOTONIC_COARSE);
    } while (now == before);
    return now;
}

static void
set_half_a_tick(void *arg)
{
    struct probe *p = arg;
    struct timespec tick;
    clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
    assert_int_equal(hs_timer_set(&p->timer, tick.tv_nsec / 2), 0);
    await_tick();
}

/* libevent's clock is the coarse one. A timer that is set shortly before it goes on would fire at once. */
static void
a_timer_is_never_early(void **state)
{
    (void)state;
    struct timespec tick;
    clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
    for (int i = 0; i < 5; i++) {
        struct probe a;
        struct hs_deferred set;
        init(&a, 'a');
        hs_deferred_init(&set, set_half_a_tick, &a);
        for (int64_t until = await_tick() + tick.tv_nsec * 7 / 8; clock_now(CLOCK_MONOTONIC) < until;) {
        }
        hs_defer(loop, &set);
        hs_loop_turn(loop, true);
        int64_t deadline = a.timer.deadline;
        while (a.calls == 0) {
            hs_loop_turn(loop, true);
        }
        assert_true(a.fired >= deadline);
        assert_true(a.fired < deadline + HS_SEC);
        assert_trace("a");
    }
}

static void
zero_fires_the_next_turn(void **state)
{
    (void)state;
    struct probe a;
    init(&a, 'a');
    a.more = at_once;
    hs_timer_set(&a.timer, 0);
    for (int i = 1; i <= 3; i++) {
        hs_loop_turn(loop, true);
        assert_int_equal(a.calls, i);
    }
    hs_timer_cancel(&a.timer);
    trace[0] = '\0';
}

static void
real_timers_are_set_again_and_cancelled(void **state)
{
    (void)state;
    struct probe a, b, c;
    init(&a, 'a');
    init(&b, 'b');
    init(&c, 'c');
    victim = &b;
    a.more = cancel_victim;
    hs_timer_set(&c.timer, INT64_MAX);
    hs_timer_set(&c.timer, 3 * HS_MSEC);
    hs_timer_set(&a.timer, 0);
    hs_timer_set(&b.timer, 0);
    while (c.calls == 0) {
        hs_loop_turn(loop, true);
    }
    assert_trace("ac");
    assert_int_equal(hs_timer_set(&c.timer, INT64_MAX), 0);
    hs_loop_turn(loop, false);
    assert_trace("");
    hs_timer_cancel(&c.timer);

    struct probe *p = malloc(sizeof *p);
    assert_non_null(p);
    init(p, 'p');
    p->more = free_probe;
    hs_timer_set(&p->timer, 0);
    hs_loop_turn(loop, true);
    assert_trace("p");
}

/* Threat 43: the clock jumps, timers are monotonic. */
static void
threat_43_the_wall_clock_jumps(void **state)
{
    (void)state;
    struct probe soon, late;
    init(&soon, 's');
    init(&late, 'l');
    static const int64_t jumps[] = { 86400 * 365, -86400 * 365 };
    for (size_t i = 0; i < sizeof jumps / sizeof *jumps; i++) {
        soon.calls = 0;
        hs_timer_set(&late.timer, 3600 * HS_SEC);
        hs_timer_set(&soon.timer, 2 * HS_MSEC);
        int64_t now = hs_loop_now(loop), wall = hs_loop_walltime(loop);
        wall_jump = jumps[i];
        while (soon.calls == 0) {
            hs_loop_turn(loop, true);
        }
        assert_trace("s");
        assert_true(llabs(soon.fired - now) < 10 * HS_SEC); /* within the turn */
        assert_true(llabs(hs_loop_now(loop) - now) < 10 * HS_SEC);
        assert_true(llabs(hs_loop_walltime(loop) - wall) > 86400); /* the jump was seen where it should be */
        wall_jump = 0;
    }
    hs_timer_cancel(&late.timer);
}

static void
set_many(void *arg)
{
    (void)arg;
    struct probe probes[40];
    if (hs_loop_new(NULL, &loop) != 0) {
        return;
    }
    int pending = 0;
    for (size_t i = 0; i < sizeof probes / sizeof *probes; i++) {
        init(&probes[i], 'p');
        int err = hs_timer_set(&probes[i].timer, 0);
        assert_true(err == 0 || err == ENOMEM);
        assert_int_equal(hs_timer_pending(&probes[i].timer), err == 0);
        if (err == 0) {
            assert_int_equal(hs_timer_set(&probes[i].timer, HS_SEC), 0);
            assert_int_equal(hs_timer_set(&probes[i].timer, 0), 0);
            pending++;
        }
    }
    hs_loop_turn(loop, true);
    assert_int_equal(strlen(trace), pending);
    trace[0] = '\0';
    hs_loop_free(loop);
}

static void
set_survives_each_failed_allocation(void **state)
{
    (void)state;
    set_many(NULL);
    assert_true(alloc_fail_each(set_many, NULL) > 2);
}

#define on_test_clock(f) cmocka_unit_test_setup_teardown(f, set_up_test_clock, tear_down)
#define on_real_clock(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
    event_set_mem_functions(malloc, realloc, free); /* the wrapped ones: libevent's allocations can fail too */
    const struct CMUnitTest tests[] = {
        on_test_clock(timers_fire_in_order_of_their_deadlines),
        on_test_clock(turns_alone_fire_no_test_timers),
        on_test_clock(set_again_and_cancel),
        on_test_clock(a_callback_sets_its_timer_again),
        on_test_clock(a_callback_cancels_a_timer_that_is_due),
        on_test_clock(a_callback_may_free_its_timer),
        on_test_clock(far_away_is_not_over_the_edge),
        on_test_clock(test_timers_need_no_memory),
        on_real_clock(a_timer_is_never_early),
        on_real_clock(zero_fires_the_next_turn),
        on_real_clock(real_timers_are_set_again_and_cancelled),
        on_real_clock(threat_43_the_wall_clock_jumps),
        cmocka_unit_test(set_survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
