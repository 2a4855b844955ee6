/* test_loop_fork.c - io/loop.h: what a child makes of its copy of a loop. */
#include "io/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct hs_loop *loop;

/* In the child: takes everything apart as a parent's leftovers are. The exit status. */
static int
take_apart(struct hs_watch *w, struct hs_timer *t)
{
    if (hs_loop_after_fork(loop) != 0) {
        return 1;
    }
    int err = hs_watch_set(w, 0);
    hs_timer_cancel(t);
    hs_loop_free(loop);
    return err;
}

static void
count_call(void *arg)
{
    unsigned *called = arg;
    ++*called;
}

static void
note_readable(void *arg, unsigned events)
{
    unsigned *seen = arg;
    *seen |= events;
}

static void
a_child_takes_the_loop_apart_unnoticed(void **state)
{
    (void)state;
    int ends[2], status;
    unsigned seen = 0;
    struct hs_watch w;
    struct hs_timer t;
    unsigned called = 0;
    assert_int_equal(hs_loop_new(NULL, &loop), 0);
    assert_int_equal(pipe(ends), 0);
    hs_watch_init(&w, loop, ends[0], note_readable, &seen);
    assert_int_equal(hs_watch_set(&w, HS_READ), 0);
    hs_timer_init(&t, loop, count_call, &called);
    assert_int_equal(hs_timer_set(&t, 3600 * HS_SEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        _exit(take_apart(&w, &t));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(hs_loop_turn(loop, true), 0); /* would wait for ever if the child had taken the registration along */
    assert_int_equal(seen, HS_READ);
    struct hs_post p;
    hs_loop_post(loop, &p, count_call, &called);
    assert_int_equal(hs_watch_set(&w, 0), 0);
    assert_int_equal(hs_loop_turn(loop, true), 0);
    assert_int_equal(called, 1);
    hs_timer_cancel(&t);
    hs_loop_free(loop);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_takes_the_loop_apart_unnoticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
