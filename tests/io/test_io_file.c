/* test_io_file.c - io_file.c: reading with and without the page cache, files that change, writing, faults. */
#include "io/io_kind.h"

#include "file_test.h"

#include "alloc_fail.h"

/* --- positions --- */

/* proves: io_wrapper_clone, io_wrapper_lseek, io_wrapper_supports_lseek */
static void
each_clone_has_its_position(void **state)
{
    (void)state;
    char b[16];
    io_object *io = open_warm();
    assert_int_equal(io_wrapper_get_size(io), BIG);
    assert_int_equal(io_wrapper_supports_lseek(io), 1);
    assert_string_equal(io_wrapper_get_path(io), big_path);
    assert_int_equal(io_wrapper_lseek(io, 100, SEEK_SET), 100);
    assert_int_equal(io_wrapper_read(io, b, 16), 16);
    assert_memory_equal(b, big + 100, 16);
    assert_int_equal(hs_io_remaining(io), BIG - 116);

    io_object *clone = io_wrapper_clone(io);
    assert_non_null(clone);
    assert_string_equal(io_wrapper_get_path(clone), big_path);
    assert_int_equal(io_wrapper_read(clone, b, 16), 16);
    assert_memory_equal(b, big, 16);
    assert_int_equal(io_wrapper_lseek(io, 0, SEEK_CUR), 116);
    io_wrapper_delref(io);
    assert_int_equal(io_wrapper_read(clone, b, 16), 16); /* the descriptor lives on */
    assert_memory_equal(b, big + 16, 16);
    io_wrapper_delref(clone);
}

static void
positions_do_not_overflow(void **state)
{
    (void)state;
    char b;
    const off_t end = INT64_MAX;
    io_object *io = open_warm();
    assert_int_equal(io_wrapper_lseek(io, end, SEEK_SET), end);
    assert_int_equal(io_wrapper_lseek(io, 1, SEEK_CUR), -1);
    assert_int_equal(errno, EOVERFLOW);
    assert_int_equal(io_wrapper_lseek(io, end, SEEK_END), -1);
    assert_int_equal(errno, EOVERFLOW);
    assert_int_equal(io_wrapper_lseek(io, -1, SEEK_SET), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(io_wrapper_lseek(io, INT64_MIN, SEEK_CUR), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(io_wrapper_lseek(io, 0, 77), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(io_wrapper_lseek(io, 0, SEEK_CUR), end);
    assert_int_equal(hs_io_remaining(io), 0);
    assert_true(io_wrapper_read(io, &b, 1) <= 0);
    struct hs_io_window w;
    assert_int_equal(hs_io_window(io, 1, &w), 0);
    assert_int_equal(w.len, 0);
    io_wrapper_delref(io);
}

/* --- reading on a loop --- */

static void
ruling_18_what_is_cached_is_read_at_once(void **state)
{
    (void)state;
    char *buf = malloc(BIG);
    io_object *io = open_warm();
    assert_int_equal(io_wrapper_read(io, buf, BIG), BIG);
    assert_memory_equal(buf, big, BIG);
    assert_int_equal(io_wrapper_read(io, buf, 1), 0);
    assert_int_equal(preads, 0);
    free(buf);
    io_wrapper_delref(io);
}

static void
ruling_18_what_is_not_cached_is_read_in_the_pool(void **state)
{
    (void)state;
    char b[1000];
    io_object *io = open_cold();
    assert_int_equal(io_wrapper_read(io, b, sizeof b), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(io_wrapper_read(io, b, sizeof b), -1); /* under way */
    assert_int_equal(errno, EAGAIN);
    wait_for(io, IO_WAIT_READ);
    assert_int_equal(io_wrapper_read(io, b, 600), 600);
    assert_memory_equal(b, big, 600);
    assert_int_equal(io_wrapper_read(io, b, 600), 400); /* what the pool has read */
    assert_memory_equal(b, big + 600, 400);
    assert_int_equal(io_wrapper_lseek(io, 0, SEEK_SET), 0);
    assert_big(io, 100000);
    io_wrapper_delref(io);
}

static void
ruling_18_seeking_leaves_what_the_pool_has_read(void **state)
{
    (void)state;
    char b[100];
    io_object *io = open_cold();
    assert_int_equal(io_wrapper_read(io, b, 100), -1);
    wait_for(io, IO_WAIT_READ);
    assert_int_equal(io_wrapper_lseek(io, 50, SEEK_SET), 50);
    assert_int_equal(io_wrapper_read(io, b, 100), 50);
    assert_memory_equal(b, big + 50, 50);
    nowait_misses = 1;
    assert_int_equal(io_wrapper_lseek(io, 1000000, SEEK_SET), 1000000);
    assert_int_equal(io_wrapper_read(io, b, 100), -1);
    assert_int_equal(io_wrapper_lseek(io, 3000000, SEEK_SET), 3000000); /* while it is being read */
    wait_for(io, IO_WAIT_READ);
    assert_int_equal(read_all(io, b, 100, 100), 100);
    assert_memory_equal(b, big + 3000000, 100);
    io_wrapper_delref(io);
}

static void
ruling_18_a_short_read_is_used(void **state)
{
    (void)state;
    char b[100];
    io_object *io = open_warm();
    nowait_most = 7;
    assert_int_equal(io_wrapper_read(io, b, 100), 7);
    assert_int_equal(io_wrapper_read(io, b + 7, 93), 7);
    assert_memory_equal(b, big, 14);
    assert_int_equal(preads, 0);
    io_wrapper_delref(io);
}

static void
ruling_18_tmpfs_without_nowait_is_read_directly(void **state)
{
    (void)state;
    char *b = malloc(100001);
    io_object *io = open_file(shm_path, O_RDONLY);
    nowait_err = EOPNOTSUPP;
    assert_int_equal(io_wrapper_read(io, b, 100001), 100000);
    assert_memory_equal(b, big, 100000);
    assert_int_equal(nowaits, 1);
    assert_int_equal(io_wrapper_read(io, b, 1), 0);
    assert_int_equal(nowaits, 1); /* it does not ask again */
    io_wrapper_delref(io);
    free(b);
}

static void
ruling_18_a_disk_without_nowait_goes_to_the_pool_when_cold(void **state)
{
    (void)state;
    char b[100];
    nowait_err = EOPNOTSUPP;
    io_object *io = open_warm();
    assert_int_equal(io_wrapper_read(io, b, 100), 100); /* its pages can be seen */
    io_wrapper_delref(io);
    io = open_cold();
    assert_int_equal(io_wrapper_read(io, b, 100), -1);
    assert_int_equal(errno, EAGAIN);
    assert_big(io, 65536);
    io_wrapper_delref(io);
}

/* --- files that change --- */

static void
threat_30_a_file_that_shrinks_ends_early(void **state)
{
    (void)state;
    char path[64], b[65536];
    struct hs_io_window w;
    make_file(path, "/tmp", big, 100000);
    io_object *io = open_file(path, O_RDONLY);
    assert_int_equal(hs_io_remaining(io), 100000);
    assert_int_equal(io_wrapper_read(io, b, 10000), 10000);
    assert_int_equal(truncate(path, 15000), 0);
    assert_int_equal(read_all(io, b, sizeof b, sizeof b), 5000); /* not a byte more */
    assert_memory_equal(b, big + 10000, 5000);
    assert_int_equal(io_wrapper_lseek(io, 10000, SEEK_SET), 10000);
    int err;
    size_t got = 0;
    for (;;) {
        while ((err = hs_io_window(io, 65536, &w)) == EAGAIN) {
            wait_for(io, IO_WAIT_READ);
        }
        assert_int_equal(err, 0);
        ssize_t n = w.len != 0 ? syscall(SYS_pread64, w.fd, b, w.len, w.off) : 0;
        if (n <= 0) {
            break;
        }
        hs_io_consume(io, (size_t)n);
        got += (size_t)n;
    }
    assert_int_equal(got, 5000);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(hs_io_remaining(io), 0);
    io_wrapper_delref(io);
    unlink(path);
}

static void
threat_30_a_file_that_is_replaced_stays_the_one_that_was_opened(void **state)
{
    (void)state;
    char path[64], other[64];
    make_file(path, "/tmp", "first", 5);
    make_file(other, "/tmp", "second", 6);
    io_object *io = open_file(path, O_RDONLY);
    assert_int_equal(rename(other, path), 0);
    assert_int_equal(io_wrapper_get_size(io), 5);
    assert_content(io, "first");
    io_wrapper_delref(io);
    unlink(path);
}

static void
a_file_that_grows_is_read_on(void **state)
{
    (void)state;
    char path[64];
    struct hs_io_window w;
    make_file(path, "/tmp", "first", 5);
    io_object *io = open_file(path, O_RDONLY);
    io_object *log = open_file(path, O_WRONLY | O_APPEND);
    assert_content(io, "first");
    assert_int_equal(hs_io_window(io, 100, &w), 0);
    assert_int_equal(w.len, 0);
    assert_int_equal(io_wrapper_printf(log, " and %s", "second"), 11);
    assert_int_equal(io_wrapper_lseek(log, 0, SEEK_CUR), 16);
    assert_int_equal(hs_io_window(io, 100, &w), 0);
    assert_int_equal(w.len, 11);
    assert_content(io, " and second");
    io_wrapper_delref(io);
    io_wrapper_delref(log);
    unlink(path);
}

/* --- writing --- */

static void
writes_are_read_back(void **state)
{
    (void)state;
    char b[16];
    io_object *io = io_wrapper_open_tmpspool();
    assert_non_null(io);
    assert_int_equal(io_wrapper_write(io, "hello", 5), 5);
    struct iovec iov[2] = { { (void *)(uintptr_t) " wor", 4 }, { (void *)(uintptr_t) "ld", 2 } };
    eintr = 2;
    assert_int_equal(io_wrapper_writev(io, iov, 2), 6);
    assert_int_equal(eintr, 0);
    assert_int_equal(io_wrapper_get_size(io), 11);
    assert_int_equal(io_wrapper_flush(io), 0);
    assert_int_equal(io_wrapper_read(io, b, 16), 0);
    assert_int_equal(io_wrapper_lseek(io, 0, SEEK_SET), 0);
    assert_content(io, "hello world");
    assert_int_equal(io_wrapper_lseek(io, 6, SEEK_SET), 6);
    assert_int_equal(io_wrapper_write(io, "there", 5), 5);
    assert_int_equal(io_wrapper_lseek(io, 0, SEEK_SET), 0);
    assert_content(io, "hello there");
    io_wrapper_delref(io);
}

static void
a_large_temporary_file_is_closed_in_the_pool(void **state)
{
    (void)state;
    struct hs_pool_stat before, after;
    hs_pool_get_stat(hs_pool_io(), &before);
    io_object *io = io_wrapper_open_tmpspool();
    assert_int_equal(io_wrapper_write(io, big, BIG), BIG);
    io_object *clone = io_wrapper_clone(io);
    io_wrapper_delref(io);
    hs_pool_get_stat(hs_pool_io(), &after);
    assert_int_equal(after.done + after.active + after.queued, before.done);
    io_wrapper_delref(clone);
    do {
        hs_pool_get_stat(hs_pool_io(), &after);
    } while (after.done == before.done);
    assert_int_equal(after.done, before.done + 1);
}

/* --- faults --- */

static void
threat_39_interrupted_calls_are_repeated(void **state)
{
    (void)state;
    char b[100];
    io_object *io = open_warm();
    eintr = 3;
    assert_int_equal(io_wrapper_read(io, b, 100), 100);
    assert_int_equal(eintr, 0);
    io_wrapper_delref(io);
    io = open_cold();
    assert_int_equal(io_wrapper_read(io, b, 100), -1);
    eintr = 3;
    wait_for(io, IO_WAIT_READ);
    assert_int_equal(io_wrapper_read(io, b, 100), 100);
    io_wrapper_delref(io);
}

static void
threat_39_an_error_of_the_disk_comes_to_the_reader(void **state)
{
    (void)state;
    char b[100];
    struct hs_io_window w;
    io_object *io = open_cold();
    pread_err = EIO;
    assert_int_equal(read_all(io, b, 100, 100), -1);
    assert_int_equal(errno, EIO);
    io_wrapper_delref(io);
    io = open_cold();
    assert_int_equal(hs_io_window(io, 100, &w), EAGAIN);
    wait_for(io, IO_WAIT_READ);
    assert_int_equal(hs_io_window(io, 100, &w), EIO);
    pread_err = 0;
    nowait_misses = 0;
    nowait_err = EIO;
    assert_int_equal(io_wrapper_read(io, b, 100), -1);
    assert_int_equal(errno, EIO);
    io_wrapper_delref(io);
}

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static void
an_io_may_go_while_the_pool_reads_for_it(void **state)
{
    (void)state;
    char b[100];
    struct waited a = { 0 };
    for (int how = 0; how < 5; how++) {
        io_object *io = open_cold();
        pthread_mutex_lock(&gate);
        if (how == 3) {
            struct hs_io_window w;
            assert_int_equal(hs_io_window(io, SIZE_MAX, &w), EAGAIN);
        } else {
            assert_int_equal(io_wrapper_read(io, b, 100), -1);
        }
        if (how == 1) { /* closed under a waiter */
            a.calls = 0;
            assert_int_equal(io_wrapper_wait(io, IO_WAIT_READ, on_wait, &a), 0);
            io_wrapper_close(io);
            while (a.calls == 0) {
                hs_loop_turn(loop, true);
            }
        } else if (how == 2) { /* cancelled */
            assert_int_equal(io_wrapper_wait(io, IO_WAIT_READ, on_wait, &a), 0);
            assert_int_equal(io_wrapper_wait(io, IO_WAIT_READ, NULL, NULL), 0);
        } else if (how == 4) {
            io_wrapper_async_close(io);
        }
        io_wrapper_delref(io);
        pthread_mutex_unlock(&gate);
        hs_pools_stop();
        hs_loop_turn(loop, false);
        assert_int_equal(hs_live_get(HS_LIVE_IO), live_before);
    }
    assert_int_equal(a.calls, 1);
}

static void
cold_scenario(void *arg)
{
    (void)arg;
    char b[100];
    drop_cache(big_path);
    nowait_misses = 1;
    io_object *io = io_wrapper_open(big_path, O_RDONLY, 0);
    if (io == NULL) {
        assert_int_equal(errno, ENOMEM);
        return;
    }
    ssize_t n = read_all(io, b, 100, 100);
    assert_true(n == 100 || errno == ENOMEM);
    struct hs_io_window w;
    io_wrapper_lseek(io, 1 << 20, SEEK_SET);
    nowait_err = EAGAIN;
    int err = hs_io_window(io, 100, &w);
    nowait_err = 0;
    assert_true(err == EAGAIN || err == ENOMEM);
    io_wrapper_delref(io);
    hs_pools_stop();
    hs_loop_turn(loop, false);
}

static void
large_scenario(void *arg)
{
    (void)arg;
    io_object *io = io_wrapper_open_tmpspool();
    if (io == NULL) {
        assert_int_equal(errno, ENOMEM);
        return;
    }
    assert_int_equal(io_wrapper_write(io, big, 2 << 20), 2 << 20);
    io_wrapper_delref(io); /* in the pool or not, the descriptor goes */
    hs_pools_stop();
}

static void
threat_38_each_allocation_may_fail(void **state)
{
    (void)state;
    /* a thread of the pool that is there saves its allocations, which are not ours */
    assert_true(alloc_fail_each(cold_scenario, NULL) >= 5);
    assert_true(alloc_fail_each(large_scenario, NULL) >= 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        file_test(each_clone_has_its_position),
        file_test(positions_do_not_overflow),
        file_test(ruling_18_what_is_cached_is_read_at_once),
        file_test(ruling_18_what_is_not_cached_is_read_in_the_pool),
        file_test(ruling_18_seeking_leaves_what_the_pool_has_read),
        file_test(ruling_18_a_short_read_is_used),
        file_test(ruling_18_tmpfs_without_nowait_is_read_directly),
        file_test(ruling_18_a_disk_without_nowait_goes_to_the_pool_when_cold),
        file_test(threat_30_a_file_that_shrinks_ends_early),
        file_test(threat_30_a_file_that_is_replaced_stays_the_one_that_was_opened),
        file_test(a_file_that_grows_is_read_on),
        file_test(writes_are_read_back),
        file_test(a_large_temporary_file_is_closed_in_the_pool),
        file_test(threat_39_interrupted_calls_are_repeated),
        file_test(threat_39_an_error_of_the_disk_comes_to_the_reader),
        file_test(an_io_may_go_while_the_pool_reads_for_it),
        file_test(threat_38_each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
