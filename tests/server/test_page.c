/* test_page.c - server/page.h: what master and workers know of each other. */
#include "server/page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { LATE = 100 };

static struct hs_page *
page_of(size_t workers)
{
    struct hs_page *p;
    assert_int_equal(hs_page_new(workers, &p), 0);
    assert_int_equal(hs_page_workers(p), workers);
    return p;
}

static void
serve(struct hs_page *p, size_t i, int64_t beat)
{
    atomic_store(&hs_page_slot(p, i)->state, HS_WORKER_SERVING);
    atomic_store(&hs_page_slot(p, i)->beat, beat);
}

static void
a_child_writes_what_the_parent_reads(void **state)
{
    (void)state;
    struct hs_page *p = page_of(2);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        hs_page_add(&hs_page_slot(p, 1)->counts[HS_COUNT_REQUESTS + 2], 41);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    hs_page_add(&hs_page_slot(p, 0)->counts[HS_COUNT_REQUESTS + 2], 1);
    assert_int_equal(hs_page_total(p, (enum hs_count)(HS_COUNT_REQUESTS + 2)), 42);
    assert_int_equal(hs_page_total(p, HS_COUNT_SENT), 0);
    hs_page_free(p);
}

static void
who_serves_and_beats_is_well(void **state)
{
    (void)state;
    struct hs_page *p = page_of(1);
    assert_false(hs_page_is_well(p, 0, 0, LATE));
    serve(p, 0, 1000);
    assert_true(hs_page_is_well(p, 0, 1000, LATE));
    assert_true(hs_page_is_well(p, 0, 1099, LATE));
    assert_false(hs_page_is_well(p, 0, 1100, LATE));
    atomic_store(&hs_page_slot(p, 0)->state, HS_WORKER_DRAINING);
    assert_false(hs_page_is_well(p, 0, 1000, LATE));
    hs_page_free(p);
}

static void
the_next_one_that_is_well_stands_in(void **state)
{
    (void)state;
    struct hs_page *p = page_of(4);
    for (size_t i = 0; i < 4; i++) {
        serve(p, i, 1000);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(hs_page_stand_in(p, i, 1000, LATE), i);
    }
    atomic_store(&hs_page_slot(p, 3)->beat, 0);
    assert_int_equal(hs_page_stand_in(p, 3, 1000, LATE), 0);
    atomic_store(&hs_page_slot(p, 0)->state, HS_WORKER_EMPTY);
    assert_int_equal(hs_page_stand_in(p, 3, 1000, LATE), 1);
    assert_int_equal(hs_page_stand_in(p, 0, 1000, LATE), 1);
    serve(p, 1, 0);
    serve(p, 2, 0);
    assert_int_equal(hs_page_stand_in(p, 2, 1000, LATE), 2); /* nobody is */
    hs_page_free(p);
}

static void
counters_outlive_a_worker_and_gauges_do_not(void **state)
{
    (void)state;
    struct hs_page *p = page_of(2);
    struct hs_page_slot *s = hs_page_slot(p, 1);
    hs_page_enter(p, 1);
    assert_int_equal(atomic_load(&s->state), HS_WORKER_STARTING);
    assert_true(atomic_load(&s->beat) > 0);
    hs_page_set(&s->counts[HS_COUNT_REQUESTS], 7);
    hs_page_set(&s->counts[HS_COUNT_OPEN_CONNECTIONS], 3);
    hs_page_add(&s->times[5], 7);
    hs_page_set(&s->pools[0].done, 9);
    hs_page_set(&s->pools[0].active, 2);
    atomic_store(&s->ngenerations, 2);
    atomic_store(&s->pid, 1234);
    hs_page_leave(p, 1);
    assert_int_equal(atomic_load(&s->state), HS_WORKER_EMPTY);
    assert_int_equal(atomic_load(&s->pid), 0);
    assert_int_equal(hs_page_total(p, HS_COUNT_OPEN_CONNECTIONS), 0);
    hs_page_enter(p, 1);
    assert_int_equal(hs_page_total(p, HS_COUNT_REQUESTS), 7);
    assert_int_equal(hs_page_get(&s->times[5]), 7);
    assert_int_equal(hs_page_get(&s->pools[0].done), 9);
    assert_int_equal(hs_page_get(&s->pools[0].active), 0);
    assert_int_equal(atomic_load(&s->ngenerations), 0);
    hs_page_free(p);
    hs_page_free(NULL);
}

static void
of_the_longest_turns_the_longest_counts(void **state)
{
    (void)state;
    struct hs_page *p = page_of(3);
    hs_page_set(&hs_page_slot(p, 0)->counts[HS_COUNT_LONGEST_TURN], 5);
    hs_page_set(&hs_page_slot(p, 1)->counts[HS_COUNT_LONGEST_TURN], 8);
    hs_page_set(&hs_page_slot(p, 2)->counts[HS_COUNT_LONGEST_TURN], 2);
    assert_int_equal(hs_page_total(p, HS_COUNT_LONGEST_TURN), 8);
    hs_page_free(p);
}

static void
the_process_that_supervises_counts_apart(void **state)
{
    (void)state;
    struct hs_page *p = page_of(1);
    int64_t now = hs_page_now();
    assert_true(atomic_load(&hs_page_own(p)->started) <= now);
    assert_true(atomic_load(&hs_page_own(p)->started) > 0);
    hs_page_add(&hs_page_own(p)->reloads, 2);
    hs_page_leave(p, 0);
    assert_int_equal(hs_page_get(&hs_page_own(p)->reloads), 2);
    hs_page_free(p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_writes_what_the_parent_reads),
        cmocka_unit_test(who_serves_and_beats_is_well),
        cmocka_unit_test(the_next_one_that_is_well_stands_in),
        cmocka_unit_test(counters_outlive_a_worker_and_gauges_do_not),
        cmocka_unit_test(of_the_longest_turns_the_longest_counts),
        cmocka_unit_test(the_process_that_supervises_counts_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
