/* test_pool_api.c - the pools' public names (ec_thread_pool.h). */
#include "ec_thread_pool.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "io/pool.h"

static int
tear_down(void **state)
{
    (void)state;
    hs_pools_stop();
    return 0;
}

/* proves: httpsrv_pool_new, httpsrv_pool_find, httpsrv_pool_name */
static void
pools_are_made_and_found(void **state)
{
    (void)state;
    assert_string_equal(httpsrv_pool_name(0), "IO");
    assert_string_equal(httpsrv_pool_name(1), "CPU");
    assert_null(httpsrv_pool_name(2));
    assert_int_equal(httpsrv_pool_find("IO"), ECTP_CLASS_IO);
    assert_int_equal(httpsrv_pool_find("CPU"), ECTP_CLASS_CPU);
    errno = 0;
    assert_int_equal(httpsrv_pool_find("mine"), -1);
    assert_int_equal(errno, ENOENT);
    errno = 0;
    assert_int_equal(httpsrv_pool_find(NULL), -1);
    assert_int_equal(errno, EINVAL);

    const int id = httpsrv_pool_new("mine", 2, 5);
    assert_true(id >= 16);
    assert_int_equal(httpsrv_pool_find("mine"), id);
    assert_int_equal(httpsrv_pool_new("mine", 2, 5), id);
    assert_string_equal(httpsrv_pool_name(2), "mine");
    assert_int_equal(httpsrv_pool_new("second", 1, 0), id + 1);
    assert_string_equal(httpsrv_pool_name(3), "second");
    assert_null(httpsrv_pool_name(4));

    errno = 0;
    assert_int_equal(httpsrv_pool_new("mine", 3, 5), -1);
    assert_int_equal(errno, EEXIST);
    errno = 0;
    assert_int_equal(httpsrv_pool_new("IO", 3, 5), -1);
    assert_int_equal(errno, EEXIST);
    static const struct {
        const char *name;
        unsigned threads;
    } bad[] = { { NULL, 1 }, { "", 1 }, { "x", 0 }, { "x", 1025 } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        errno = 0;
        assert_int_equal(httpsrv_pool_new(bad[i].name, bad[i].threads, 0), -1);
        assert_int_equal(errno, EINVAL);
    }
}

static void
work(ec_async_job *job, void *closure)
{
    (void)job;
    const char **name = closure;
    *name = hs_pool_thread() != NULL ? hs_pool_name(hs_pool_of_thread(hs_pool_thread())) : "none";
}

/* proves: httpsrv_pool_stat, ec_queue_async_job_ */
static void
a_pool_is_a_job_class(void **state)
{
    (void)state;
    struct httpsrv_pool_stat st;
    const char *name = NULL;
    sem_t done;
    assert_int_equal(sem_init(&done, 0, 0), 0);
    const int id = httpsrv_pool_new("mine", 2, 5);
    ec_async_job job = { .job_class = id, .worker = work, .closure = &name, .completion = ECTP_COMPLETE_SEMAPHORE, .r.sema = &done };

    assert_int_equal(httpsrv_pool_stat(id, &st), 0);
    assert_int_equal(st.threads_max, 2);
    assert_int_equal(st.queue_max, 5);
    assert_int_equal(st.threads + st.active + st.queued + st.done, 0);
    assert_int_equal(ec_queue_async_job(&job), 1);
    assert_int_equal(sem_wait(&done), 0);
    assert_string_equal(name, "mine");
    assert_int_equal(httpsrv_pool_stat(id, &st), 0);
    assert_int_equal(st.threads, 1);
    assert_int_equal(st.active + st.done, 1); /* the job completes before its thread has counted it */

    assert_int_equal(httpsrv_pool_stat(id + 1, &st), ENOENT);
    assert_int_equal(httpsrv_pool_stat(ECTP_CLASS_IO, NULL), EINVAL);
    assert_int_equal(httpsrv_pool_stat(ECTP_CLASS_IO, &st), 0);
    job.job_class = id + 1;
    errno = 0;
    assert_int_equal(ec_queue_async_job(&job), 0);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(sem_destroy(&done), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(pools_are_made_and_found, tear_down),
        cmocka_unit_test_teardown(a_pool_is_a_job_class, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
