/* test_io_open_async.c - io_open_async.c: opening on a loop, at once or in the pool, and FIFOs (ruling 18). */
#include "io/io_kind.h"

#include <pthread.h>

#include "io_test.h"

#include "alloc_fail.h"

static char dir[64], file[128], fifo[128];

static int
make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "%s/httpsrv-test-XXXXXX", disk_folder());
    assert_non_null(mkdtemp(dir));
    snprintf(file, sizeof file, "%s/file", dir);
    snprintf(fifo, sizeof fifo, "%s/fifo", dir);
    int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "hello", 5), 5);
    close(fd);
    return mkfifo(fifo, 0600);
}

static int
remove_dir(void **state)
{
    (void)state;
    unlink(file);
    unlink(fifo);
    return rmdir(dir);
}

/* What done was called with. */
static struct {
    int calls, err;
    io_object *io;
    struct hs_io_open_job *job;
} opened;

static void
on_open(void *arg, io_object *io, int err)
{
    assert_ptr_equal(arg, &opened);
    opened.calls++;
    opened.io = io;
    opened.err = err;
}

static int
start(const char *name, int options)
{
    memset(&opened, 0, sizeof opened);
    return hs_io_open_async(name, options, 0600, on_open, &opened, &opened.job);
}

static void
turn_until_opened(void)
{
    while (opened.calls == 0) {
        assert_int_equal(hs_loop_turn(loop, true), 0);
    }
    assert_int_equal(opened.calls, 1);
}

/* Time for a FIFO to be looked after, twice. Stopping the pools ends what they are at. */
static void
let_time_pass(void)
{
    for (int i = 0; i < 3 && opened.calls == 0; i++) {
        hs_pools_stop();
        hs_loop_turn(loop, false);
        hs_loop_advance(loop, HS_IO_RETRY);
    }
}

/* A scheme that knows the thread it was opened in. */
static pthread_t opened_by;

static int
where_open(io_object *io, const char *filename, int options, int mode)
{
    (void)io;
    (void)filename;
    (void)options;
    (void)mode;
    opened_by = pthread_self();
    return 0;
}

static const io_wrapper where = { .sizeof_self = sizeof(io_wrapper), .open = where_open, .scheme = "where" };

static void
ruling_18_a_file_is_opened_in_the_pool(void **state)
{
    (void)state;
    assert_int_equal(start(file, O_RDONLY), 0);
    assert_int_equal(opened.calls, 0);
    turn_until_opened();
    assert_int_equal(opened.err, 0);
    assert_non_null(opened.io);
    assert_string_equal(io_wrapper_get_path(opened.io), file);
    assert_content(opened.io, "hello");
    io_wrapper_delref(opened.io);

    assert_int_equal(start("/nowhere/at/all", O_RDONLY), 0);
    turn_until_opened();
    assert_null(opened.io);
    assert_int_equal(opened.err, ENOENT);
    assert_int_equal(start(dir, O_RDONLY), 0);
    turn_until_opened();
    assert_int_equal(opened.err, EISDIR);
    assert_int_equal(io_wrapper_define(&where), 0);
    assert_int_equal(start("where://x", O_RDONLY), 0);
    turn_until_opened();
    assert_non_null(opened.io);
    assert_false(pthread_equal(opened_by, pthread_self()));
    io_wrapper_delref(opened.io);
    assert_int_equal(start("nosuch://x", O_RDONLY), 0);
    turn_until_opened();
    assert_int_equal(opened.err, EPROTONOSUPPORT);
    assert_int_equal(start(NULL, O_RDONLY), EINVAL);
    assert_null(opened.job);
}

static void
ruling_18_what_is_in_memory_is_opened_at_once(void **state)
{
    (void)state;
    io_object *io;
    close(open(file, O_RDONLY | O_CLOEXEC)); /* its name is known now */
    memset(&opened, 0, sizeof opened);
    int err = hs_io_open_start(file, O_RDONLY, 0, on_open, &opened, &opened.job, &io);
    if (err == EINPROGRESS) {
        print_message("no openat2 here\n");
        turn_until_opened();
        io_wrapper_delref(opened.io);
        skip();
    }
    assert_int_equal(err, 0);
    assert_null(opened.job);
    assert_int_equal(fcntl(io->io.fd, F_GETFD), FD_CLOEXEC);
    assert_string_equal(io_wrapper_get_path(io), file);
    assert_int_equal(io_wrapper_get_options(io), O_RDONLY);
    assert_content(io, "hello");
    io_wrapper_delref(io);
    assert_int_equal(hs_io_open_start(dir, O_RDONLY, 0, on_open, &opened, &opened.job, &io), EISDIR);
    assert_null(io);
    hs_loop_turn(loop, false);
    assert_int_equal(opened.calls, 0);
}

static void
what_cannot_be_opened_at_once_goes_to_the_pool(void **state)
{
    (void)state;
    io_object *io;
    char other[160];
    snprintf(other, sizeof other, "%s/made", dir);
    memset(&opened, 0, sizeof opened);
    assert_int_equal(hs_io_open_start(other, O_RDWR | O_CREAT, 0600, on_open, &opened, &opened.job, &io), EINPROGRESS);
    assert_null(io);
    turn_until_opened();
    assert_non_null(opened.io);
    io_wrapper_delref(opened.io);
    unlink(other);
    memset(&opened, 0, sizeof opened);
    snprintf(other, sizeof other, "file://%s", file);
    assert_int_equal(hs_io_open_start(other, O_RDONLY, 0, on_open, &opened, &opened.job, &io), EINPROGRESS);
    turn_until_opened();
    assert_content(opened.io, "hello");
    io_wrapper_delref(opened.io);
}

static void
ruling_18_a_fifo_for_reading_waits_for_a_writer(void **state)
{
    (void)state;
    for (int at_once = 0; at_once < 2; at_once++) {
        io_object *none = NULL;
        if (at_once) {
            memset(&opened, 0, sizeof opened);
            assert_int_equal(hs_io_open_start(fifo, O_RDONLY, 0, on_open, &opened, &opened.job, &none), EINPROGRESS);
            assert_null(none);
        } else {
            assert_int_equal(start(fifo, O_RDONLY), 0);
        }
        let_time_pass();
        assert_int_equal(opened.calls, 0);
        int writer = open(fifo, O_WRONLY | O_CLOEXEC); /* does not block: the other end is open */
        assert_true(writer >= 0);
        let_time_pass();
        assert_int_equal(opened.calls, 1); /* before it has written anything */
        assert_non_null(opened.io);
        char b[8];
        assert_int_equal(io_wrapper_read(opened.io, b, 8), -1);
        assert_int_equal(errno, EAGAIN);
        assert_int_equal(write(writer, "slow", 4), 4);
        wait_for(opened.io, IO_WAIT_READ);
        assert_int_equal(io_wrapper_read(opened.io, b, 8), 4);
        close(writer);
        assert_int_equal(io_wrapper_read(opened.io, b, 8), 0);
        io_wrapper_delref(opened.io);
    }
}

static void
a_writer_that_came_and_went_is_the_end(void **state)
{
    (void)state;
    char b[8];
    assert_int_equal(start(fifo, O_RDONLY), 0);
    let_time_pass();
    assert_int_equal(opened.calls, 0);
    close(open(fifo, O_WRONLY | O_CLOEXEC));
    let_time_pass();
    assert_int_equal(opened.calls, 1);
    assert_int_equal(io_wrapper_read(opened.io, b, 8), 0);
    io_wrapper_delref(opened.io);
}

static void
ruling_18_a_fifo_for_writing_waits_for_a_reader(void **state)
{
    (void)state;
    char b[8];
    assert_int_equal(start(fifo, O_WRONLY), 0);
    let_time_pass();
    assert_int_equal(opened.calls, 0);
    int reader = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    let_time_pass();
    assert_int_equal(opened.calls, 1);
    assert_non_null(opened.io);
    assert_int_equal(io_wrapper_write(opened.io, "hi", 2), 2);
    assert_int_equal(read(reader, b, 8), 2);
    io_wrapper_delref(opened.io);
    close(reader);
}

static void
o_nonblock_waits_for_nobody(void **state)
{
    (void)state;
    assert_int_equal(start(fifo, O_WRONLY | O_NONBLOCK), 0);
    turn_until_opened();
    assert_int_equal(opened.err, ENXIO);
    assert_int_equal(start(fifo, O_RDONLY | O_NONBLOCK), 0);
    turn_until_opened();
    assert_non_null(opened.io);
    io_wrapper_delref(opened.io);
    assert_int_equal(start(fifo, O_RDWR), 0);
    turn_until_opened();
    assert_non_null(opened.io);
    io_wrapper_delref(opened.io);
}

static void
cancelling_calls_nobody_and_leaves_nothing(void **state)
{
    (void)state;
    hs_io_open_cancel(NULL);
    const char *names[] = { file, fifo, fifo };
    const int options[] = { O_RDONLY, O_RDONLY, O_WRONLY };
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(start(names[i], options[i]), 0); /* in the pool, before, in or after its turn */
        hs_io_open_cancel(opened.job);
        opened.job = NULL;
        assert_int_equal(start(names[i], options[i]), 0); /* its end is on its way */
        hs_pools_stop();
        hs_io_open_cancel(opened.job);
        opened.job = NULL;
        hs_loop_turn(loop, false);
        assert_int_equal(opened.calls, 0);
        if (i > 0) { /* waiting for the other end */
            assert_int_equal(start(names[i], options[i]), 0);
            let_time_pass();
            hs_io_open_cancel(opened.job);
            opened.job = NULL;
            hs_loop_advance(loop, HS_SEC);
            assert_int_equal(opened.calls, 0);
        }
    }
}

static void
a_thread_without_a_loop_is_refused(void **state)
{
    (void)state;
    io_object *io;
    assert_int_equal(start(file, O_RDONLY), EDEADLK);
    assert_int_equal(hs_io_open_start(file, O_RDONLY, 0, on_open, &opened, &opened.job, &io), EDEADLK);
}

static void
open_scenario(void *arg)
{
    int err = start(arg, O_RDONLY);
    if (err != 0) {
        assert_int_equal(err, ENOMEM);
        assert_null(opened.job);
    } else {
        let_time_pass();
        if (opened.calls == 0) {
            hs_io_open_cancel(opened.job);
        }
        assert_true(opened.io != NULL || opened.err == ENOMEM || opened.calls == 0);
        io_wrapper_delref(opened.io);
    }
    io_object *io = NULL;
    memset(&opened, 0, sizeof opened);
    err = hs_io_open_start(arg, O_RDONLY, 0, on_open, &opened, &opened.job, &io);
    assert_true(err == 0 || err == EINPROGRESS || err == ENOMEM);
    if (err == EINPROGRESS) {
        hs_io_open_cancel(opened.job);
    }
    io_wrapper_delref(io);
    hs_pools_stop();
    hs_loop_turn(loop, false);
    alloc_fail_off();
    loop_anew();
}

static void
threat_38_each_allocation_may_fail(void **state)
{
    (void)state;
    assert_true(alloc_fail_each(open_scenario, file) >= 8);
    assert_true(alloc_fail_each(open_scenario, fifo) >= 6);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        io_test(ruling_18_a_file_is_opened_in_the_pool),
        io_test(ruling_18_what_is_in_memory_is_opened_at_once),
        io_test(what_cannot_be_opened_at_once_goes_to_the_pool),
        io_test_clock(ruling_18_a_fifo_for_reading_waits_for_a_writer),
        io_test_clock(a_writer_that_came_and_went_is_the_end),
        io_test_clock(ruling_18_a_fifo_for_writing_waits_for_a_reader),
        io_test(o_nonblock_waits_for_nobody),
        io_test_clock(cancelling_calls_nobody_and_leaves_nothing),
        io_test_no_loop(a_thread_without_a_loop_is_refused),
        io_test_clock(threat_38_each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
