/* test_io_file_cache.c - io_file_cache.c: windows for sendfile, and what the pool fetches for them (ruling 18). */
#include "io/io_kind.h"

#include <sys/resource.h>

#include "file_test.h"

static long
blocks_read_by_this_thread(void)
{
    struct rusage u;
    assert_int_equal(getrusage(RUSAGE_THREAD, &u), 0);
    return u.ru_inblock;
}

struct cold {
    io_object *io;
    size_t pos;
    bool done;
};

static size_t budget; /* bytes left in this turn of the loop */

/* Takes the next windows as sendfile would; what is missing would be read from the disk here. */
static void
go_on(io_object *io, void *arg)
{
    struct cold *c = arg;
    for (;;) {
        struct hs_io_window w;
        int err = budget != 0 ? hs_io_window(io, (size_t)2 << 20, &w) : EAGAIN;
        if (err == EAGAIN) {
            assert_int_equal(hs_io_wait(io, IO_WAIT_READ, go_on, c), 0);
            return;
        }
        assert_int_equal(err, 0);
        if (w.len == 0) {
            c->done = true;
            return;
        }
        assert_int_equal(w.off, c->pos);
        w.len = w.len < budget ? w.len : budget;
        for (size_t i = 0; i < w.len; i += 4096) {
            char b[16];
            assert_int_equal(syscall(SYS_pread64, w.fd, b, sizeof b, w.off + (off_t)i), sizeof b);
            assert_memory_equal(b, big + (c->pos + i) % 65536, sizeof b);
        }
        hs_io_consume(io, w.len);
        c->pos += w.len;
        budget -= w.len;
    }
}

#define COLD_FILES 100
#define COLD_SIZE ((size_t)1 << 20)
#define SHARE ((size_t)256 << 10) /* of a turn */

static char paths[COLD_FILES + 1][64]; /* the last one's is warm */
static struct cold files[COLD_FILES + 1];
static bool gate_is_held;

static int
end_of_cold_files(void **state)
{
    if (gate_is_held) { /* the test has failed meanwhile */
        gate_is_held = false;
        pthread_mutex_unlock(&gate);
    }
    for (int i = 0; i <= COLD_FILES; i++) {
        unlink(paths[i]);
    }
    return io_tear_down(state);
}

static void
begin_all(void)
{
    for (int i = 0; i <= COLD_FILES; i++) {
        files[i] = (struct cold){ .io = open_file(paths[i], O_RDONLY) };
        budget = i < COLD_FILES ? SHARE : 0;
        go_on(files[i].io, &files[i]);
    }
}

static int
count_done(void)
{
    int done = 0;
    for (int i = 0; i < COLD_FILES; i++) {
        done += files[i].done;
    }
    return done;
}

/* Turns the loop for as long as the disk stands still, which is read by nobody but the pool; the number of turns that a file in memory took. */
static int
turns_without_a_disk(void)
{
    int turns = 0;
    gate_is_held = true;
    pthread_mutex_lock(&gate);
    begin_all();
    for (; !files[COLD_FILES].done && turns < 1000; turns++) {
        budget = SHARE;
        hs_loop_turn(loop, false);
    }
    for (int i = 0; i < COLD_FILES; i++) {
        assert_int_equal(files[i].pos, 0);
    }
    gate_is_held = false;
    pthread_mutex_unlock(&gate);
    return turns;
}

/* Who waits for the disk is the pool: no call of the loop's thread may read from it, and while it stands still everything else goes on. */
static void
ruling_18_a_hundred_cold_files_do_not_hold_up_the_loop(void **state)
{
    (void)state;
    io_wrapper_delref(open_cold());
    nowait_misses = 0;
    char *data = malloc(COLD_SIZE);
    for (size_t i = 0; i < COLD_SIZE; i++) {
        data[i] = big[i % 65536];
    }
    for (int i = 0; i <= COLD_FILES; i++) {
        make_file(paths[i], disk_folder(), data, COLD_SIZE);
        assert_true(i == COLD_FILES || drop_cache(paths[i]));
    }
    free(data);

    hs_loop_turn(loop, false);
    const long before = blocks_read_by_this_thread();
    assert_true(turns_without_a_disk() < 20);
    while (count_done() < COLD_FILES) {
        budget = (size_t)1 << 20;
        hs_loop_turn(loop, true);
    }
    assert_int_equal(blocks_read_by_this_thread() - before, 0);
    assert_int_equal(waits_here, 0);
    assert_true(preads >= COLD_FILES);
    for (int i = 0; i <= COLD_FILES; i++) {
        assert_int_equal(files[i].pos, COLD_SIZE);
        io_wrapper_delref(files[i].io);
    }
}

static void
the_measure_of_disk_reads_works(void **state)
{
    (void)state;
    char b[4096];
    io_wrapper_delref(open_cold());
    nowait_misses = 0;
    int fd = open(big_path, O_RDONLY | O_CLOEXEC);
    long before = blocks_read_by_this_thread();
    assert_int_equal(pread(fd, b, sizeof b, 0), sizeof b);
    assert_true(blocks_read_by_this_thread() > before);
    assert_int_equal(waits_here, 1);
    struct iovec iov = { b, sizeof b };
    assert_int_equal(preadv2(fd, &iov, 1, 0, 0), sizeof b);
    assert_int_equal(readahead(fd, 0, sizeof b), 0);
    assert_int_equal(waits_here, 3);
    close(fd);
}

/* --- windows --- */

static void
ruling_18_windows_are_of_what_is_cached(void **state)
{
    (void)state;
    struct hs_io_window w;
    io_object *io = open_warm();
    assert_int_equal(hs_io_window(io, SIZE_MAX, &w), 0);
    assert_int_equal(w.off, 0);
    assert_int_equal(w.len, (size_t)2 << 20); /* never more */
    assert_int_equal(hs_io_window(io, 1000, &w), 0);
    assert_int_equal(w.len, 1000);
    hs_io_consume(io, 10);
    assert_int_equal(io_wrapper_lseek(io, 0, SEEK_CUR), 10);
    assert_int_equal(hs_io_window(io, 1000, &w), 0);
    assert_int_equal(w.off, 10);
    assert_int_equal(io_wrapper_lseek(io, -100, SEEK_END), BIG - 100);
    assert_int_equal(hs_io_window(io, SIZE_MAX, &w), 0);
    assert_int_equal(w.len, 100);
    hs_io_consume(io, 100);
    assert_int_equal(hs_io_window(io, SIZE_MAX, &w), 0);
    assert_int_equal(w.len, 0);
    assert_int_equal(hs_io_window(io, 0, &w), 0);
    assert_int_equal(w.len, 0);
    assert_int_equal(preads, 0);
    io_wrapper_delref(io);
}

static void
ruling_18_a_cold_window_is_fetched_by_the_pool(void **state)
{
    (void)state;
    struct hs_io_window w;
    io_object *io = open_cold();
    nowait_misses = 0;
    assert_int_equal(hs_io_window(io, SIZE_MAX, &w), EAGAIN);
    assert_int_equal(hs_io_window(io, SIZE_MAX, &w), EAGAIN);
    wait_for(io, IO_WAIT_READ);
    assert_int_equal(hs_io_window(io, SIZE_MAX, &w), 0);
    assert_true(w.len >= 65536);
    assert_int_equal(w.off, 0);
    /* a warm beginning is used at once */
    hs_io_consume(io, w.len);
    io_wrapper_delref(io);
    hs_pools_stop();
    drop_cache(big_path);
    int fd = open(big_path, O_RDONLY | O_CLOEXEC);
    char *b = malloc(400000);
    assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0);
    assert_int_equal(syscall(SYS_pread64, fd, b, 400000, 0), 400000);
    free(b);
    close(fd);
    io = open_file(big_path, O_RDONLY);
    assert_int_equal(hs_io_window(io, SIZE_MAX, &w), 0);
    assert_true(w.len >= 65536 && w.len <= 409600);
    io_wrapper_delref(io);
}

static void
ruling_18_pages_under_read_ahead_do_not_count(void **state)
{
    (void)state;
    struct hs_io_window w;
    io_object *io = open_warm();
    nowait_err = EAGAIN; /* all have pages, none can be read yet */
    assert_int_equal(hs_io_window(io, SIZE_MAX, &w), EAGAIN);
    wait_for(io, IO_WAIT_READ);
    assert_int_equal(hs_io_window(io, SIZE_MAX, &w), 0); /* the pool has waited for them */
    assert_true(w.len > 0);
    io_wrapper_delref(io);
}

/* As handlers open files; NULL when that cannot be had at once here. */
static io_object *
open_at_once(const char *path)
{
    struct hs_io_open_job *job;
    io_object *io;
    if (hs_io_open_start(path, O_RDONLY, 0, NULL, NULL, &job, &io) == 0) {
        return io;
    }
    hs_io_open_cancel(job);
    print_message("this kernel or file system does not open from memory alone\n");
    return NULL;
}

/* The length of the first window of a file that is opened now, and in *looks how often the page cache was asked. */
static size_t
first_window(const char *path, off_t pos, int *looks)
{
    struct hs_io_window w = { 0 };
    io_object *io = open_at_once(path);
    assert_non_null(io);
    assert_int_equal(io_wrapper_lseek(io, pos, SEEK_SET), pos);
    nowaits = 0;
    int err = hs_io_window(io, (size_t)1 << 20, &w);
    *looks = nowaits;
    assert_true(err == 0 || err == EAGAIN);
    io_wrapper_delref(io);
    return w.len;
}

static void
ruling_18_what_one_io_has_seen_another_believes_for_a_moment(void **state)
{
    const off_t mib = 1 << 20;
    int looks;
    (void)state;
    io_wrapper_delref(open_warm());
    io_object *io = open_at_once(big_path);
    if (io == NULL) {
        skip();
    }
    io_wrapper_delref(io);
    assert_int_equal(first_window(big_path, 0, &looks), mib);
    assert_int_equal(looks, 1);
    assert_int_equal(first_window(big_path, 0, &looks), mib);
    assert_int_equal(looks, 0);
    assert_int_equal(first_window(big_path, mib - 10, &looks), 10); /* as far as was seen */
    assert_int_equal(looks, 0);
    assert_int_equal(first_window(big_path, 3 * mib, &looks), mib); /* not what was not seen */
    assert_int_equal(looks, 1);
    assert_int_equal(first_window(big_path, 2 * mib, &looks), mib); /* before it, joined to it */
    assert_int_equal(looks, 1);
    assert_int_equal(first_window(big_path, 3 * mib + mib / 2, &looks), mib / 2);
    assert_int_equal(looks, 0);
    hs_loop_advance(loop, HS_SEC / 10 + 1);
    assert_int_equal(first_window(big_path, 2 * mib, &looks), mib); /* the moment is over */
    assert_int_equal(looks, 1);

    /* another file with the same bytes is another file; one that took its name is, too */
    char path[64];
    make_file(path, "/tmp", big, 100000);
    assert_int_equal(first_window(path, 0, &looks), 100000);
    assert_int_equal(looks, 1);
    char copy[64];
    make_file(copy, "/tmp", big, 200000);
    assert_int_equal(rename(copy, path), 0);
    assert_int_equal(first_window(path, 0, &looks), 200000);
    assert_int_equal(looks, 1);
    assert_int_equal(truncate(path, 1000), 0);
    assert_int_equal(first_window(path, 0, &looks), 1000);
    unlink(path);

    /* and what has left memory is not sent from the loop for longer than that */
    if (drop_cache(big_path)) {
        hs_loop_advance(loop, HS_SEC / 10 + 1);
        nowait_misses = 1;
        assert_int_equal(first_window(big_path, 2 * mib, &looks), 0);
    }
}

static void
ruling_18_without_cachestat_windows_are_probed(void **state)
{
    (void)state;
    struct hs_io_window w;
    no_cachestat_here = true; /* and from here on for good: the kernel is asked once */
    io_object *io = open_warm();
    nowaits = 0;
    assert_int_equal(hs_io_window(io, SIZE_MAX, &w), 0);
    assert_int_equal(w.len, (size_t)2 << 20);
    assert_true(nowaits > 32);
    assert_int_equal(hs_io_window(io, 1000, &w), 0);
    assert_int_equal(w.len, 1000);
    io_wrapper_delref(io);
    io = open_warm();
    nowait_misses = 1;
    assert_int_equal(hs_io_window(io, SIZE_MAX, &w), EAGAIN);
    wait_for(io, IO_WAIT_READ);
    assert_int_equal(hs_io_window(io, SIZE_MAX, &w), 0);
    assert_true(w.len > 0);
    io_wrapper_delref(io);
    io = open_warm(); /* nothing can be said */
    nowait_err = EOPNOTSUPP;
    assert_int_equal(hs_io_window(io, SIZE_MAX, &w), EAGAIN);
    io_wrapper_delref(io);
    io = open_file(shm_path, O_RDONLY); /* nothing has to be said */
    assert_int_equal(hs_io_window(io, SIZE_MAX, &w), 0);
    assert_int_equal(w.len, 100000);
    io_wrapper_delref(io);
}

static void
ruling_18_without_a_loop_windows_are_not_looked_at(void **state)
{
    (void)state;
    struct hs_io_window w;
    io_object *io = open_cold();
    assert_int_equal(hs_io_window(io, SIZE_MAX, &w), 0);
    assert_int_equal(w.len, (size_t)2 << 20);
    assert_big(io, 1 << 20);
    assert_int_equal(nowaits, 0);
    io_wrapper_delref(io);
}

static void
some_ios_have_no_windows(void **state)
{
    (void)state;
    struct hs_io_window w;
    io_object *io = open_file("/proc/self/status", O_RDONLY);
    assert_int_equal(hs_io_window(io, 10, &w), ENOTSUP);
    assert_int_equal(io_wrapper_get_size(io), -1);
    assert_int_equal(errno, ENOTSUP);
    assert_int_equal(hs_io_remaining(io), -1);
    char b[4096];
    assert_true(read_all(io, b, sizeof b, sizeof b) > 100);
    io_wrapper_delref(io);
    char path[64];
    make_file(path, "/tmp", "", 0);
    io = open_file(path, O_WRONLY);
    assert_int_equal(hs_io_window(io, 10, &w), ENOTSUP);
    assert_int_equal(io_wrapper_read(io, b, 1), -1);
    assert_int_equal(errno, EBADF);
    io_wrapper_delref(io);
    io = open_file(path, O_RDONLY); /* an empty file is just empty */
    assert_int_equal(io_wrapper_get_size(io), 0);
    assert_int_equal(hs_io_window(io, 10, &w), 0);
    assert_int_equal(w.len, 0);
    io_wrapper_delref(io);
    unlink(path);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ruling_18_a_hundred_cold_files_do_not_hold_up_the_loop, file_set_up, end_of_cold_files),
        file_test(the_measure_of_disk_reads_works),
        file_test(ruling_18_windows_are_of_what_is_cached),
        file_test(ruling_18_a_cold_window_is_fetched_by_the_pool),
        file_test(ruling_18_pages_under_read_ahead_do_not_count),
        file_test_no_loop(ruling_18_without_a_loop_windows_are_not_looked_at),
        file_test(some_ios_have_no_windows),
        file_test_clock(ruling_18_what_one_io_has_seen_another_believes_for_a_moment),
        file_test(ruling_18_without_cachestat_windows_are_probed), /* last */
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
