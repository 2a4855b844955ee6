/* test_io_growbuf.c - io_growbuf.c: chunks of memory, the file past the threshold, clones, lending. */
#include "ec_growbuf.h"

#include <pthread.h>

#include "io/io_kind.h"

#include "io_test.h"

#include "alloc_fail.h"

/* The io's bytes from its position on are these n. */
static void
assert_bytes(io_object *io, const char *want, size_t n, size_t step)
{
    char *buf = malloc(n + 1);
    assert_non_null(buf);
    assert_int_equal(read_all(io, buf, n + 1, step), n);
    assert_memory_equal(buf, want, n);
    free(buf);
}

static void
write_all(io_object *io, const char *p, size_t n, size_t step)
{
    while (n != 0) {
        ssize_t r = io_wrapper_write(io, p, n < step ? n : step);
        assert_true(r > 0);
        p += r;
        n -= (size_t)r;
    }
}

/* proves: ec_growbuf_io_open, io_wrapper_get_size */
static void
it_is_written_read_and_sought_like_a_file(void **state)
{
    (void)state;
    char b[16];
    io_object *io = ec_growbuf_io_open(0);
    assert_non_null(io);
    assert_string_equal(io_wrapper_get_scheme(io), "growbuf");
    assert_int_equal(io_wrapper_get_options(io), O_RDWR);
    assert_int_equal(io_wrapper_get_size(io), 0);
    assert_int_equal(io_wrapper_read(io, b, sizeof b), 0);
    assert_int_equal(io_wrapper_write(io, "hello", 5), 5);
    assert_int_equal(io_wrapper_printf(io, " %s", "world"), 6);
    assert_int_equal(io_wrapper_write(io, "", 0), 0);
    assert_int_equal(io_wrapper_get_size(io), 11);
    assert_int_equal(io_wrapper_read(io, b, sizeof b), 0); /* one position for both */
    assert_int_equal(io_wrapper_supports_lseek(io), 1);
    assert_int_equal(io_wrapper_lseek(io, -5, SEEK_END), 6);
    assert_int_equal(hs_io_remaining(io), 5);
    assert_content(io, "world");
    assert_int_equal(io_wrapper_lseek(io, 0, SEEK_SET), 0);
    assert_int_equal(io_wrapper_write(io, "J", 1), 1);
    assert_content(io, "ello world");
    assert_int_equal(io_wrapper_lseek(io, -1, SEEK_SET), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(io_wrapper_get_size(io), 11);
    wait_for(io, IO_WAIT_READ);
    io_wrapper_delref(io);
}

/* Thresholds, first chunks and pieces that meet in all ways. */
static void
content_is_the_same_whatever_the_sizes(void **state)
{
    (void)state;
    enum { N = 30000 };
    static char data[N];
    fill(data, N, 7);
    const size_t firsts[] = { 0, 1, 2, 100, 1 << 20 };
    const size_t maxima[] = { 0, 1, 5000, 9999, N - 1, N, N + 1, SIZE_MAX };
    const size_t steps[] = { 7, 4096, N };
    for (size_t i = 0; i < 5 * 8 * 3; i++) {
        size_t step = steps[i / 40];
        io_object *io = hs_io_growbuf(firsts[i % 5], maxima[i / 5 % 8]);
        assert_non_null(io);
        write_all(io, data, N, step);
        assert_int_equal(io_wrapper_get_size(io), N);
        assert_int_equal(io_wrapper_lseek(io, 0, SEEK_SET), 0);
        assert_bytes(io, data, N, steps[2 - i / 40]);
        assert_int_equal(io_wrapper_lseek(io, 4990, SEEK_SET), 4990);
        assert_bytes(io, data + 4990, N - 4990, step);
        io_wrapper_delref(io);
    }
}

static void
threat_38_memory_stays_below_the_threshold(void **state)
{
    (void)state;
    enum { N = 300000 };
    static char data[N];
    fill(data, N, 3);
    io_object *io = hs_io_growbuf(0, 65536);
    write_all(io, data, 65536, N);
    int fds = count_fds();
    unsigned long before = alloc_fail_count();
    assert_int_equal(io_wrapper_write(io, data + 65536, 1), 1); /* opens the file */
    assert_int_equal(count_fds(), fds + 1);
    assert_true(alloc_fail_count() > before);
    before = alloc_fail_count();
    write_all(io, data + 65537, N - 65537, 1000);
    assert_int_equal(alloc_fail_count(), before); /* and needs no more from then on */
    io_wrapper_lseek(io, 0, SEEK_SET);
    assert_bytes(io, data, N, 65536);
    io_wrapper_delref(io);
}

static void
gaps_are_zero(void **state)
{
    (void)state;
    static char want[20000], zero[20000];
    for (off_t at = 10; at < 20000; at += 4997) {
        for (size_t threshold = 0; threshold <= 12000; threshold += 4000) {
            memset(want, 0, sizeof want);
            memcpy(want, "ab", 2);
            memcpy(want + at, "cd", 2);
            io_object *io = hs_io_growbuf(100, threshold);
            assert_int_equal(io_wrapper_lseek(io, at + 1, SEEK_SET), at + 1);
            assert_int_equal(io_wrapper_read(io, zero, 1), 0);
            assert_int_equal(io_wrapper_get_size(io), 0); /* seeking alone does nothing */
            assert_int_equal(io_wrapper_write(io, "d", 1), 1);
            assert_int_equal(io_wrapper_lseek(io, at, SEEK_SET), at);
            assert_int_equal(io_wrapper_write(io, "c", 1), 1);
            io_wrapper_lseek(io, 0, SEEK_SET);
            write_all(io, "ab", 2, 2);
            io_wrapper_lseek(io, 0, SEEK_SET);
            assert_bytes(io, want, (size_t)at + 2, 4096);
            io_wrapper_delref(io);
        }
    }
    io_object *io = hs_io_growbuf(0, 10);
    assert_int_equal(io_wrapper_lseek(io, INT64_MAX, SEEK_SET), INT64_MAX);
    assert_int_equal(io_wrapper_write(io, "x", 1), -1);
    assert_int_equal(errno, EFBIG);
    assert_int_equal(io_wrapper_lseek(io, INT64_MAX - 1, SEEK_SET), INT64_MAX - 1);
    assert_int_equal(io_wrapper_write(io, "x", 1), -1); /* no file can be that large */
    assert_int_equal(errno, EFBIG);
    assert_int_equal(io_wrapper_get_size(io), 0);
    io_wrapper_delref(io);
}

static void
clones_share_the_content_not_the_position(void **state)
{
    (void)state;
    io_object *io = hs_io_growbuf(4, 6);
    write_all(io, "abcdef", 6, 6);
    io_object *clone = io_wrapper_clone(io);
    assert_non_null(clone);
    assert_int_equal(io_wrapper_get_options(clone), O_RDWR);
    assert_content(clone, "abcdef");
    write_all(io, "ghij", 4, 4); /* the first in the file */
    assert_int_equal(io_wrapper_get_size(clone), 10);
    assert_content(clone, "ghij");
    write_all(clone, "kl", 2, 2);
    assert_content(io, "kl");
    io_wrapper_delref(io);
    assert_int_equal(io_wrapper_lseek(clone, 0, SEEK_SET), 0);
    assert_content(clone, "abcdefghijkl");
    assert_int_equal(io_wrapper_lseek(clone, 5, SEEK_SET), 5);
    write_all(clone, "FG", 2, 2); /* on both sides of the threshold */
    io_object *other = io_wrapper_clone(clone);
    io_wrapper_delref(clone);
    assert_content(other, "abcdeFGhijkl");
    io_wrapper_delref(other);
}

static void
memory_is_peeked_and_the_file_windowed(void **state)
{
    (void)state;
    enum { N = 20000, THRESHOLD = 10000 };
    static char data[N];
    fill(data, N, 11);
    const char *p;
    size_t n;
    struct hs_io_window w;
    io_object *io = hs_io_growbuf(0, THRESHOLD);
    write_all(io, data, N, N);
    assert_int_equal(hs_io_peek(io, &p, &n), 0); /* at the end */
    assert_int_equal(n, 0);
    assert_int_equal(hs_io_window(io, 100, &w), ENOTSUP);
    io_wrapper_lseek(io, 0, SEEK_SET);
    size_t at = 0;
    while (at < THRESHOLD) {
        assert_int_equal(hs_io_window(io, 100, &w), ENOTSUP);
        assert_int_equal(hs_io_peek(io, &p, &n), 0);
        assert_true(n != 0 && at + n <= THRESHOLD);
        assert_memory_equal(p, data + at, n);
        n = n > 1000 ? 1000 : n;
        hs_io_consume(io, n);
        at += n;
        assert_int_equal(hs_io_remaining(io), N - at);
    }
    while (at < N) {
        char b[6000];
        assert_int_equal(hs_io_peek(io, &p, &n), ENOTSUP);
        int err = hs_io_window(io, sizeof b, &w);
        if (err == EAGAIN) {
            wait_for(io, IO_WAIT_READ);
            continue;
        }
        assert_int_equal(err, 0);
        assert_int_equal(w.off, at - THRESHOLD);
        assert_true(w.len != 0 && w.len <= sizeof b);
        assert_int_equal(pread(w.fd, b, w.len, w.off), w.len);
        assert_memory_equal(b, data + at, w.len);
        hs_io_consume(io, w.len);
        at += w.len;
    }
    hs_io_consume(io, 100); /* no further than the end */
    assert_int_equal(io_wrapper_lseek(io, 0, SEEK_CUR), N);
    io_wrapper_delref(io);
}

/* What was lent stays although the content grows past the threshold. */
static void
lent_memory_stays_where_it_is(void **state)
{
    (void)state;
    enum { N = 100000 };
    static char data[N];
    char *chunk;
    fill(data, N, 13);
    io_object *io = hs_io_growbuf(0, N / 2), *clone = io_wrapper_clone(io);
    write_all(io, data, 1000, 1000);
    assert_int_equal(ec_growbuf_io_cur_chunk(clone, &chunk), 1000);
    assert_int_equal(chunk[1000], '\0');
    write_all(io, data + 1000, N - 1000, N);
    assert_memory_equal(chunk, data, 1000);
    io_wrapper_delref(io);
    assert_memory_equal(chunk, data, 1000);
    io_wrapper_delref(clone);
}

/* Walks all chunks from the position on; returns their number. */
static int
walk(io_object *io, const char *want, size_t n)
{
    char *chunk;
    int chunks = 0;
    size_t at = 0;
    int len = ec_growbuf_io_cur_chunk(io, &chunk);
    for (;;) {
        if (len < 0) {
            assert_int_equal(errno, EAGAIN);
            assert_null(chunk);
            wait_for(io, IO_WAIT_READ);
            len = ec_growbuf_io_cur_chunk(io, &chunk);
            continue;
        }
        if (len == 0) {
            break;
        }
        assert_non_null(chunk);
        assert_true(at + (size_t)len <= n);
        assert_memory_equal(chunk, want + at, (size_t)len);
        at += (size_t)len;
        chunks++;
        len = ec_growbuf_io_next_chunk(io, &chunk);
    }
    assert_null(chunk);
    assert_int_equal(at, n);
    return chunks;
}

/* proves: ec_growbuf_io_cur_chunk, ec_growbuf_io_next_chunk */
static void
it_is_walked_chunk_by_chunk(void **state)
{
    (void)state;
    enum { N = 300000, THRESHOLD = 100000 };
    static char data[N];
    char *chunk;
    fill(data, N, 17);
    io_object *io = ec_growbuf_io_open(11);
    assert_int_equal(walk(io, "", 0), 0);
    write_all(io, "0123456789", 10, 3);
    assert_int_equal(ec_growbuf_io_cur_chunk(io, &chunk), 0); /* the position is at the end */
    io_wrapper_lseek(io, 0, SEEK_SET);
    assert_int_equal(ec_growbuf_io_cur_chunk(io, &chunk), 10); /* size counts the NUL */
    assert_string_equal(chunk, "0123456789");
    assert_int_equal(ec_growbuf_io_cur_chunk(io, &chunk), 10); /* stays */
    assert_int_equal(ec_growbuf_io_next_chunk(io, &chunk), 0);
    io_wrapper_lseek(io, 0, SEEK_SET);
    assert_int_equal(walk(io, "0123456789", 10), 1);
    write_all(io, "abc", 3, 3);
    io_wrapper_lseek(io, 8, SEEK_SET);
    assert_int_equal(walk(io, "89abc", 5), 2);
    io_wrapper_delref(io);

    io = hs_io_growbuf(0, THRESHOLD);
    write_all(io, data, N, N);
    io_wrapper_lseek(io, 0, SEEK_SET);
    assert_true(walk(io, data, N) > 4);
    io_wrapper_lseek(io, THRESHOLD + 70000, SEEK_SET);
    walk(io, data + THRESHOLD + 70000, N - THRESHOLD - 70000);
    io_wrapper_lseek(io, THRESHOLD, SEEK_SET);
    int n;
    while ((n = ec_growbuf_io_next_chunk(io, &chunk)) < 0) { /* without having looked at this one */
        assert_int_equal(errno, EAGAIN);
        wait_for(io, IO_WAIT_READ);
    }
    assert_memory_equal(chunk, data + io_wrapper_lseek(io, 0, SEEK_CUR), (size_t)n);
    assert_true(io_wrapper_lseek(io, 0, SEEK_CUR) > THRESHOLD);

    assert_int_equal(hs_io_claim(io), 0);
    assert_int_equal(ec_growbuf_io_cur_chunk(io, &chunk), -1);
    assert_int_equal(errno, EBUSY);
    hs_io_release(io);
    assert_int_equal(hs_io_close(hs_io_of(io)), 0);
    assert_int_equal(ec_growbuf_io_next_chunk(io, &chunk), -1);
    assert_int_equal(errno, EBADF);
    io_wrapper_delref(io);
    io = io_wrapper_open_memory("x", 1, MEMTYPE_DONTCARE);
    assert_int_equal(ec_growbuf_io_cur_chunk(io, &chunk), -1);
    assert_int_equal(errno, EINVAL);
    assert_null(chunk);
    io_wrapper_delref(io);
}

/* The path of the io's file, through /proc: it has no name of its own. */
static void
cold_path(io_object *io, char path[64])
{
    struct hs_io_window w;
    int err;
    while ((err = hs_io_window(io, 1, &w)) == EAGAIN) {
        wait_for(io, IO_WAIT_READ);
    }
    assert_int_equal(err, 0);
    snprintf(path, 64, "/proc/self/fd/%d", w.fd);
}

static void
a_cold_file_is_waited_for(void **state)
{
    (void)state;
    enum { N = 1 << 20 };
    static char data[N], got[N + 1];
    char path[64];
    fill(data, N, 19);
    setenv("TMPDIR", disk_folder(), 1);
    io_object *io = hs_io_growbuf(0, 4096);
    write_all(io, data, N, N);
    unsetenv("TMPDIR");
    io_wrapper_lseek(io, 4096, SEEK_SET);
    cold_path(io, path);
    io_object *reader = io_wrapper_clone(io);
    bool cold = false;
    for (int i = 0; i < 20 && !cold; i++) { /* a quick disk may be there before the read is */
        io_wrapper_lseek(reader, 4096, SEEK_SET);
        cold = drop_cache(path) && hs_io_read(reader, got, 4096) < 0;
    }
    if (!cold) {
        io_wrapper_delref(reader);
        io_wrapper_delref(io);
        skip();
    }
    assert_int_equal(errno, EAGAIN);
    struct waited w = { 0 };
    assert_int_equal(hs_io_wait(reader, IO_WAIT_READ, on_wait, &w), 0);
    assert_int_equal(hs_io_wait(reader, IO_WAIT_READ, NULL, NULL), 0); /* cancelled */
    io_wrapper_lseek(reader, 0, SEEK_SET);
    assert_int_equal(read_all(reader, got, N + 1, 100000), N);
    assert_memory_equal(got, data, N);
    assert_int_equal(w.calls, 0);
    io_wrapper_delref(reader);

    /* Closed, and given up, while it is being waited for. */
    if (drop_cache(path)) {
        reader = io_wrapper_clone(io);
        io_wrapper_lseek(reader, 500000, SEEK_SET);
        if (hs_io_read(reader, got, 4096) < 0) {
            assert_int_equal(hs_io_wait(reader, IO_WAIT_READ, on_wait, &w), 0);
            hs_io_close(hs_io_of(reader));
            io_wrapper_delref(reader);
            while (w.calls == 0) {
                assert_int_equal(hs_loop_turn(loop, true), 0);
            }
        } else {
            io_wrapper_delref(reader);
        }
    }
    io_wrapper_delref(io);
}

static void
without_a_folder_for_the_file_writes_fail(void **state)
{
    (void)state;
    io_object *io = hs_io_growbuf(0, 10);
    setenv("TMPDIR", "/nonexistent/folder", 1);
    assert_int_equal(io_wrapper_write(io, "0123456789abc", 13), 10); /* what memory takes */
    assert_int_equal(io_wrapper_write(io, "abc", 3), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(io_wrapper_get_size(io), 10);
    unsetenv("TMPDIR");
    assert_int_equal(io_wrapper_write(io, "abc", 3), 3);
    io_wrapper_lseek(io, 0, SEEK_SET);
    assert_content(io, "0123456789abc");
    io_wrapper_delref(io);
}

enum { THREADED = 400000 };

static void *
read_in_thread(void *arg)
{
    io_object *io = arg;
    char b[1000];
    off_t at = 0;
    while (at < THREADED) {
        ssize_t n = io_wrapper_read(io, b, sizeof b);
        if (n < 0) {
            return "read failed";
        }
        for (ssize_t i = 0; i < n; i++) {
            if (b[i] != (char)((at + i) * 7)) {
                return "wrong byte";
            }
        }
        at += n;
    }
    return NULL;
}

static void
clones_in_threads_follow_the_writer(void **state)
{
    (void)state;
    static char data[THREADED];
    pthread_t threads[2];
    for (off_t i = 0; i < THREADED; i++) {
        data[i] = (char)(i * 7);
    }
    io_object *io = hs_io_growbuf(0, THREADED / 2);
    io_object *clones[2] = { io_wrapper_clone(io), io_wrapper_clone(io) };
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, read_in_thread, clones[i]), 0);
    }
    write_all(io, data, THREADED, 1500);
    for (int i = 0; i < 2; i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
        io_wrapper_async_destroy(clones[i]);
    }
    io_wrapper_async_destroy(io);
}

static void
growbuf_scenario(void *arg)
{
    (void)arg;
    static char data[20000], got[20000];
    char *chunk;
    io_object *io = hs_io_growbuf(0, 8000);
    io_object *clone = io != NULL ? io_wrapper_clone(io) : NULL;
    if (clone == NULL) {
        assert_int_equal(errno, ENOMEM);
        io_wrapper_delref(io);
        return;
    }
    ssize_t n = io_wrapper_write(io, data, sizeof data);
    assert_true(n > 0 || errno == ENOMEM);
    n = n > 0 ? n : 0;
    assert_int_equal(io_wrapper_get_size(io), n);
    ssize_t r = read_all(clone, got, sizeof got, sizeof got);
    assert_true(r == n || errno == ENOMEM);
    io_wrapper_lseek(clone, 9000, SEEK_SET);
    r = ec_growbuf_io_cur_chunk(clone, &chunk);
    assert_true(r > 0 || n <= 9000 || errno == ENOMEM);
    io_wrapper_delref(io);
    io_wrapper_delref(clone);
}

static void
threat_38_each_allocation_may_fail(void **state)
{
    (void)state;
    assert_true(alloc_fail_each(growbuf_scenario, NULL) >= 8);
    assert_true(alloc_fail_each_from(growbuf_scenario, NULL) >= 8);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        io_test(it_is_written_read_and_sought_like_a_file),
        io_test(content_is_the_same_whatever_the_sizes),
        io_test(threat_38_memory_stays_below_the_threshold),
        io_test(gaps_are_zero),
        io_test(clones_share_the_content_not_the_position),
        io_test(memory_is_peeked_and_the_file_windowed),
        io_test(lent_memory_stays_where_it_is),
        io_test(it_is_walked_chunk_by_chunk),
        io_test(a_cold_file_is_waited_for),
        io_test_no_loop(without_a_folder_for_the_file_writes_fail),
        io_test_no_loop(clones_in_threads_follow_the_writer),
        io_test(threat_38_each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
