/* test_pool.c - io/pool.h. */
#include "io/pool.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_fail.h"

static struct hs_loop *loop;

static int
set_up(void **state)
{
    (void)state;
    return hs_loop_new(NULL, &loop);
}

static int
tear_down(void **state)
{
    (void)state;
    hs_pools_stop();
    hs_loop_free(loop);
    return 0;
}

static struct hs_pool *
new_pool(const char *name, unsigned threads, size_t queue)
{
    struct hs_pool *pool = NULL;
    assert_int_equal(hs_pool_new(name, threads, queue, &pool), 0);
    assert_non_null(pool);
    return pool;
}

static struct hs_pool_stat
stat_of(struct hs_pool *pool)
{
    struct hs_pool_stat st;
    hs_pool_get_stat(pool, &st);
    return st;
}

/* A job that can be held at a gate while it runs. */
struct task {
    struct hs_job job;
    pthread_t ran_in, done_in;
    int runs, dones;
    sigset_t mask;
};

static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_moved = PTHREAD_COND_INITIALIZER;
static bool gate_closed;
static unsigned at_gate;

static void
set_gate(bool closed)
{
    pthread_mutex_lock(&gate_lock);
    gate_closed = closed;
    pthread_cond_broadcast(&gate_moved);
    pthread_mutex_unlock(&gate_lock);
}

static void
pass_gate(void)
{
    pthread_mutex_lock(&gate_lock);
    at_gate++;
    pthread_cond_broadcast(&gate_moved);
    while (gate_closed) {
        pthread_cond_wait(&gate_moved, &gate_lock);
    }
    at_gate--;
    pthread_mutex_unlock(&gate_lock);
}

static void
await_at_gate(unsigned n)
{
    pthread_mutex_lock(&gate_lock);
    while (at_gate < n) {
        pthread_cond_wait(&gate_moved, &gate_lock);
    }
    pthread_mutex_unlock(&gate_lock);
}

static void
run_task(struct hs_job *job)
{
    struct task *t = (struct task *)job;
    t->ran_in = pthread_self();
    pthread_sigmask(SIG_SETMASK, NULL, &t->mask);
    t->runs++;
    pass_gate();
}

static void
task_done(struct hs_job *job)
{
    struct task *t = (struct task *)job;
    t->done_in = pthread_self();
    t->dones++;
}

static struct task
task(void)
{
    return (struct task){ .job = { .run = run_task, .done = task_done } };
}

static void
await(const struct task *t, int dones)
{
    while (t->dones < dones) {
        assert_int_equal(hs_loop_turn(loop, true), 0);
    }
}

/* --- pools --- */

static void
pools_have_names(void **state)
{
    (void)state;
    struct hs_pool *pool;
    assert_non_null(hs_pool_io());
    assert_ptr_equal(hs_pool_find("IO"), hs_pool_io());
    assert_ptr_equal(hs_pool_find("CPU"), hs_pool_cpu());
    assert_null(hs_pool_find("io"));
    assert_null(hs_pool_find("mine"));
    pool = new_pool("mine", 1, 0);
    assert_ptr_equal(hs_pool_find("mine"), pool);

    struct hs_pool *none = NULL;
    assert_int_equal(hs_pool_new("mine", 2, 0, &none), EEXIST);
    assert_int_equal(hs_pool_new("CPU", 2, 0, &none), EEXIST);
    assert_int_equal(hs_pool_new("", 2, 0, &none), EINVAL);
    assert_int_equal(hs_pool_new(NULL, 2, 0, &none), EINVAL);
    assert_int_equal(hs_pool_new("other", 0, 0, &none), EINVAL);
    assert_int_equal(hs_pool_new("other", 1025, 0, &none), EINVAL);
    assert_null(none);
    new_pool("a name much longer than the kernel keeps of it", 1, 0);
    hs_pools_stop();
    assert_null(hs_pool_find("mine"));
}

static void
run_nothing(struct hs_job *job)
{
    (void)job;
}

static void
make_pools(void *arg)
{
    struct hs_pool *pool;
    struct hs_job jobs[2] = { { .run = run_nothing }, { .run = run_nothing } };
    (void)arg;
    for (int i = 0; i < 2; i++) {
        char name[2] = { (char)('a' + i), '\0' };
        int err = hs_pool_new(name, 4, 0, &pool);
        assert_true(err == 0 || err == ENOMEM);
        assert_ptr_equal(hs_pool_find(name), err == 0 ? pool : NULL);
        if (err == 0) { /* the first thread is another allocation */
            err = hs_pool_submit(pool, &jobs[i]);
            assert_true(err == 0 || err == ENOMEM || err == EAGAIN);
        }
    }
    hs_pools_stop();
}

static void
new_survives_each_failed_allocation(void **state)
{
    (void)state;
    assert_true(alloc_fail_each(make_pools, NULL) > 4);
}

/* --- jobs --- */

static void
a_job_runs_in_a_thread_and_is_done_on_the_loop(void **state)
{
    (void)state;
    struct task t = task();
    assert_int_equal(hs_pool_submit(hs_pool_io(), &t.job), 0);
    assert_int_equal(t.dones, 0);
    await(&t, 1);
    assert_int_equal(t.runs, 1);
    assert_false(pthread_equal(t.ran_in, pthread_self()));
    assert_true(pthread_equal(t.done_in, pthread_self()));
}

static void
run_and_free(struct hs_job *job)
{
    free(job);
    pass_gate();
}

static void
a_job_without_done_may_free_itself(void **state)
{
    (void)state;
    struct hs_pool *pool = new_pool("free", 2, 0);
    for (int i = 0; i < 20; i++) {
        struct hs_job *job = calloc(1, sizeof *job);
        assert_non_null(job);
        job->run = run_and_free;
        assert_int_equal(hs_pool_submit(pool, job), 0);
    }
    hs_pools_stop();
}

static void
threads_start_on_demand_and_stay(void **state)
{
    (void)state;
    struct hs_pool *pool = new_pool("demand", 3, 0);
    struct task t[5];
    assert_int_equal(stat_of(pool).threads, 0);

    t[0] = task();
    for (int i = 1; i <= 5; i++) { /* one after the other: one thread will do */
        assert_int_equal(hs_pool_submit(pool, &t[0].job), 0);
        await(&t[0], i);
        assert_int_equal(stat_of(pool).threads, 1);
        assert_int_equal(stat_of(pool).active, 0);
        assert_int_equal(stat_of(pool).done, i);
    }

    set_gate(true);
    for (unsigned i = 0; i < 5; i++) { /* at the same time */
        t[i] = task();
        assert_int_equal(hs_pool_submit(pool, &t[i].job), 0);
        if (i < 3) {
            await_at_gate(i + 1);
            assert_int_equal(stat_of(pool).threads, i + 1);
        }
    }
    struct hs_pool_stat st = stat_of(pool);
    assert_int_equal(st.threads, 3);
    assert_int_equal(st.active, 3);
    assert_int_equal(st.queued, 2);
    set_gate(false);
    for (int i = 0; i < 5; i++) {
        await(&t[i], 1);
    }
    st = stat_of(pool);
    assert_int_equal(st.threads, 3);
    assert_int_equal(st.active, 0);
    assert_int_equal(st.queued, 0);
    assert_int_equal(st.done, 10);
    assert_true(st.wait_avg > 0 && st.wait_avg < 10);
    assert_true(st.run_avg > 0 && st.run_avg < 10);
}

static void
when_nobody_is_telling_all_ends_are_at_the_loop(void **state)
{
    (void)state;
    struct hs_pool *pool = new_pool("telling", 1, 0);
    struct hs_pool_stat st;
    for (int i = 0; i < 500; i++) {
        struct task t = task();
        assert_int_equal(hs_pool_submit(pool, &t.job), 0);
        do {
            (void)sched_yield();
            st = stat_of(pool);
        } while (st.queued != 0 || st.active != 0 || st.telling != 0);
        assert_int_equal(hs_loop_turn(loop, false), 0);
        assert_int_equal(t.dones, 1);
    }
}

static void
a_full_queue_refuses(void **state)
{
    (void)state;
    for (int round = 0; round < 2; round++) {
        struct hs_pool *pool = new_pool("full", 2, 3);
        struct task t[6];
        set_gate(true);
        for (unsigned i = 0; i < 6; i++) {
            t[i] = task();
            if (round == 1 && i < 2) {
                assert_int_equal(hs_pool_submit(pool, &t[i].job), 0);
                await_at_gate(i + 1); /* else the threads may not have come to it when the rest is submitted */
            } else {
                assert_int_equal(hs_pool_submit(pool, &t[i].job), i < 5 ? 0 : EAGAIN);
            }
        }
        await_at_gate(2);
        assert_int_equal(stat_of(pool).queued, 3);
        assert_int_equal(hs_pool_submit(pool, &t[5].job), EAGAIN);
        assert_true(hs_pool_cancel(pool, &t[4].job));
        assert_int_equal(hs_pool_submit(pool, &t[5].job), 0);
        set_gate(false);
        hs_pools_stop();
        hs_loop_turn(loop, false);
        for (int i = 0; i < 6; i++) {
            assert_int_equal(t[i].dones, i == 4 ? 0 : 1);
        }
    }
}

static void
a_job_is_cancelled_until_it_runs(void **state)
{
    (void)state;
    struct hs_pool *pool = new_pool("cancel", 1, 0);
    struct task t[4];
    set_gate(true);
    for (int i = 0; i < 4; i++) {
        t[i] = task();
        assert_int_equal(hs_pool_submit(pool, &t[i].job), 0);
    }
    await_at_gate(1);
    assert_false(hs_pool_cancel(pool, &t[0].job)); /* runs */
    assert_true(hs_pool_cancel(pool, &t[3].job));  /* last of the queue */
    assert_true(hs_pool_cancel(pool, &t[1].job));
    assert_false(hs_pool_cancel(pool, &t[1].job));
    assert_int_equal(hs_pool_submit(pool, &t[3].job), 0); /* the queue is whole */
    set_gate(false);
    await(&t[3], 1);
    assert_int_equal(t[0].dones + t[2].dones, 2);
    assert_int_equal(t[1].runs + t[1].dones, 0);
    assert_int_equal(t[3].runs, 1);
    assert_false(hs_pool_cancel(pool, &t[0].job)); /* has run */
}

static void
pool_threads_take_no_signals(void **state)
{
    (void)state;
    static const int blocked[] = { SIGPIPE, SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD, SIGALRM, SIGPROF };
    static const int open[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL };
    sigset_t before, after;
    sigemptyset(&before);
    sigaddset(&before, SIGUSR2);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
    struct task t = task();
    assert_int_equal(hs_pool_submit(new_pool("signals", 1, 0), &t.job), 0);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    await(&t, 1);
    for (size_t i = 0; i < sizeof blocked / sizeof *blocked; i++) {
        assert_true(sigismember(&t.mask, blocked[i]));
        assert_int_equal(sigismember(&after, blocked[i]), blocked[i] == SIGUSR2);
    }
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
        assert_false(sigismember(&t.mask, open[i]));
    }
}

static void
stop_runs_what_is_queued(void **state)
{
    (void)state;
    struct hs_pool *pool = new_pool("stop", 1, 0);
    struct task t[4];
    for (int i = 0; i < 4; i++) {
        t[i] = task();
        assert_int_equal(hs_pool_submit(pool, &t[i].job), 0);
    }
    struct task io = task();
    assert_int_equal(hs_pool_submit(hs_pool_io(), &io.job), 0);
    hs_pools_stop();
    assert_int_equal(stat_of(hs_pool_io()).threads, 0);
    assert_int_equal(stat_of(hs_pool_io()).done, 0);
    hs_loop_turn(loop, false);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(t[i].runs, 1);
        assert_int_equal(t[i].dones, 1);
    }
    assert_int_equal(io.dones, 1);

    assert_int_equal(hs_pool_submit(hs_pool_io(), &io.job), 0); /* and starts again */
    await(&io, 2);
}

/* Done is called even when the loop is freed without another turn. */
static void
free_of_the_loop_takes_what_is_done(void **state)
{
    (void)state;
    struct task t = task();
    assert_int_equal(hs_pool_submit(hs_pool_cpu(), &t.job), 0);
    hs_pools_stop();
    assert_int_equal(t.dones, 0);
    hs_loop_free(loop);
    assert_int_equal(t.dones, 1);
    assert_int_equal(set_up(state), 0);
}

/* A stack that no machine has room for. */
#define NO_STACK ((size_t)1 << 47)

static void
threads_that_do_not_start(void **state)
{
    (void)state;
    struct hs_pool *pool = new_pool("starved", 2, 0);
    pthread_attr_t saved, huge;
    assert_int_equal(pthread_getattr_default_np(&saved), 0);
    assert_int_equal(pthread_attr_init(&huge), 0);
    assert_int_equal(pthread_attr_setstacksize(&huge, NO_STACK), 0);

    struct task a = task(), b = task();
    assert_int_equal(pthread_setattr_default_np(&huge), 0);
    int err = hs_pool_submit(pool, &a.job);
    assert_true(err == EAGAIN || err == ENOMEM);
    assert_int_equal(stat_of(pool).queued, 0);
    assert_int_equal(stat_of(pool).threads, 0);
    assert_int_equal(pthread_setattr_default_np(&saved), 0);

    set_gate(true);
    assert_int_equal(hs_pool_submit(pool, &a.job), 0);
    await_at_gate(1);
    assert_int_equal(pthread_setattr_default_np(&huge), 0);
    assert_int_equal(hs_pool_submit(pool, &b.job), 0); /* the thread that is there will come to it */
    assert_int_equal(stat_of(pool).threads, 1);
    assert_int_equal(pthread_setattr_default_np(&saved), 0);
    set_gate(false);
    await(&b, 1);
    assert_int_equal(a.dones, 1);
    pthread_attr_destroy(&huge);
    pthread_attr_destroy(&saved);
}

/* --- ids, other limits, mail --- */

static void
pools_have_ids_and_an_order(void **state)
{
    (void)state;
    assert_int_equal(hs_pool_count(), 2);
    struct hs_pool *a = new_pool("a", 1, 0), *b = new_pool("b", 1, 0);
    assert_int_equal(hs_pool_count(), 4);
    assert_ptr_equal(hs_pool_at(0), hs_pool_io());
    assert_ptr_equal(hs_pool_at(1), hs_pool_cpu());
    assert_ptr_equal(hs_pool_at(2), a);
    assert_ptr_equal(hs_pool_at(3), b);
    assert_null(hs_pool_at(4));
    assert_int_equal(hs_pool_id(a), HS_POOL_FIRST);
    assert_ptr_equal(hs_pool_by_id(hs_pool_id(b)), b);
    assert_ptr_equal(hs_pool_by_id(HS_POOL_IO), hs_pool_io());
    assert_ptr_equal(hs_pool_by_id(HS_POOL_CPU), hs_pool_cpu());
    assert_null(hs_pool_by_id(HS_POOL_FIRST + 2));
    assert_null(hs_pool_by_id(7));
    assert_string_equal(hs_pool_name(b), "b");
    for (int i = 0; i < 254; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "n%d", i);
        new_pool(name, 1, 0);
    }
    struct hs_pool *none = NULL;
    assert_int_equal(hs_pool_new("too many", 1, 0, &none), ENOSPC);
    assert_null(none);
}

static void
limits_can_be_changed(void **state)
{
    (void)state;
    struct hs_pool *pool = new_pool("changing", 1, 1);
    struct task a = task(), b = task(), c = task(), d = task();
    assert_int_equal(hs_pool_set(pool, 0, 0), EINVAL);
    assert_int_equal(hs_pool_set(hs_pool_io(), 1, 0), EINVAL);
    set_gate(true);
    assert_int_equal(hs_pool_submit(pool, &a.job), 0);
    await_at_gate(1);
    assert_int_equal(hs_pool_submit(pool, &b.job), 0);
    assert_int_equal(hs_pool_submit(pool, &c.job), EAGAIN);
    /* More threads: what waits is begun at once. */
    assert_int_equal(hs_pool_set(pool, 2, 2), 0);
    await_at_gate(2);
    assert_int_equal(stat_of(pool).threads_max, 2);
    assert_int_equal(stat_of(pool).queue_max, 2);
    /* Fewer: one of the two threads stays idle from now on. */
    assert_int_equal(hs_pool_set(pool, 1, 2), 0);
    assert_int_equal(hs_pool_submit(pool, &c.job), 0);
    assert_int_equal(hs_pool_submit(pool, &d.job), 0);
    assert_int_equal(stat_of(pool).queued, 2);
    set_gate(false);
    await(&a, 1);
    await(&b, 1);
    await(&c, 1);
    await(&d, 1);
    assert_int_equal(stat_of(pool).threads, 2);
}

static struct hs_pool_thread *mailed;

static void
run_who(struct hs_job *job)
{
    struct task *t = (struct task *)job;
    t->ran_in = pthread_self();
    mailed = hs_pool_thread();
    pass_gate();
    t->runs++;
}

static pthread_mutex_t mail_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t mail_read = PTHREAD_COND_INITIALIZER;
static bool mail_came;
static pthread_t mail_in;

static void
run_mail(struct hs_job *job)
{
    (void)job;
    pthread_mutex_lock(&mail_lock);
    mail_in = pthread_self();
    mail_came = true;
    pthread_cond_signal(&mail_read);
    pthread_mutex_unlock(&mail_lock);
}

static void
mail_reaches_its_thread(void **state)
{
    (void)state;
    struct hs_pool *pool = new_pool("mailed", 3, 0);
    struct task a = task(), b = task();
    struct hs_job mail = { .run = run_mail };
    assert_null(hs_pool_thread());
    set_gate(true);
    assert_int_equal(hs_pool_submit(pool, &b.job), 0);
    await_at_gate(1);
    a.job.run = run_who;
    assert_int_equal(hs_pool_submit(pool, &a.job), 0);
    await_at_gate(2);
    set_gate(false);
    await(&a, 1);
    await(&b, 1);
    assert_ptr_equal(hs_pool_of_thread(mailed), pool);
    const unsigned long long done = stat_of(pool).done;
    hs_pool_thread_send(mailed, &mail);
    pthread_mutex_lock(&mail_lock);
    while (!mail_came) {
        pthread_cond_wait(&mail_read, &mail_lock);
    }
    pthread_mutex_unlock(&mail_lock);
    assert_true(pthread_equal(mail_in, a.ran_in));
    assert_int_equal(stat_of(pool).done, done); /* no job */
    /* Also what was sent just before the end is read. */
    mail_came = false;
    hs_pool_thread_send(mailed, &mail);
    hs_pools_stop();
    assert_true(mail_came);
}

/* --- many at once: what a thread sanitizer looks at --- */

#define SUBMITTERS 4
#define JOBS 500

static struct hs_pool *busy;
static atomic_int counted;

static void
run_count(struct hs_job *job)
{
    atomic_fetch_add(&counted, 1);
    free(job);
}

static void *
submit_many(void *arg)
{
    atomic_int *failed = arg;
    for (int i = 0; i < JOBS; i++) {
        struct hs_job *job = calloc(1, sizeof *job);
        if (job == NULL) {
            atomic_fetch_add(failed, 1);
            continue;
        }
        job->run = run_count;
        if (hs_pool_submit(busy, job) != 0) {
            atomic_fetch_add(failed, 1);
            free(job);
        } else if (i % 50 == 0) {
            struct hs_pool_stat st;
            hs_pool_get_stat(hs_pool_find("busy"), &st);
        }
    }
    return NULL;
}

static void
jobs_from_many_threads(void **state)
{
    (void)state;
    pthread_t threads[SUBMITTERS];
    atomic_int failed = 0;
    struct task mine[JOBS];
    busy = new_pool("busy", 3, 0);
    atomic_store(&counted, 0);
    for (int i = 0; i < SUBMITTERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, submit_many, &failed), 0);
    }
    for (int i = 0; i < JOBS; i++) {
        mine[i] = task();
        assert_int_equal(hs_pool_submit(busy, &mine[i].job), 0);
        if (i % 3 == 0 && hs_pool_cancel(busy, &mine[i].job)) {
            mine[i].dones = 1;
        }
        hs_loop_turn(loop, false);
    }
    for (int i = 0; i < JOBS; i++) {
        await(&mine[i], 1);
        assert_int_equal(mine[i].dones, 1);
    }
    for (int i = 0; i < SUBMITTERS; i++) {
        pthread_join(threads[i], NULL);
    }
    hs_pools_stop();
    assert_int_equal(atomic_load(&failed), 0);
    assert_int_equal(atomic_load(&counted), SUBMITTERS * JOBS);
}

#define with_loop(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        with_loop(pools_have_names),
        cmocka_unit_test(new_survives_each_failed_allocation),
        with_loop(a_job_runs_in_a_thread_and_is_done_on_the_loop),
        with_loop(a_job_without_done_may_free_itself),
        with_loop(threads_start_on_demand_and_stay),
        with_loop(when_nobody_is_telling_all_ends_are_at_the_loop),
        with_loop(a_full_queue_refuses),
        with_loop(a_job_is_cancelled_until_it_runs),
        with_loop(pool_threads_take_no_signals),
        with_loop(stop_runs_what_is_queued),
        with_loop(free_of_the_loop_takes_what_is_done),
        with_loop(threads_that_do_not_start),
        with_loop(pools_have_ids_and_an_order),
        with_loop(limits_can_be_changed),
        with_loop(mail_reaches_its_thread),
        with_loop(jobs_from_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
