/* test_io_gzip.c - io_gzip.c: what it gives can be unpacked, at once and as it comes. */
#include "io/io_kind.h"

#include <zlib.h>

#include "io_test.h"

#include "alloc_fail.h"

/* Unpacks as it comes. */
struct unpacker {
    z_stream z;
    char *out;
    size_t len, size;
    bool ended;
};

static void
unpack_begin(struct unpacker *u, size_t size)
{
    memset(u, 0, sizeof *u);
    assert_int_equal(inflateInit2(&u->z, 15 + 16), Z_OK);
    u->out = malloc(size);
    u->size = size;
}

static void
unpack(struct unpacker *u, const void *data, size_t n)
{
    u->z.next_in = (Bytef *)(uintptr_t)data;
    u->z.avail_in = (uInt)n;
    while (u->z.avail_in != 0) {
        assert_false(u->ended);
        u->z.next_out = (Bytef *)u->out + u->len;
        u->z.avail_out = (uInt)(u->size - u->len);
        int r = inflate(&u->z, Z_NO_FLUSH);
        assert_true(r == Z_OK || r == Z_STREAM_END);
        u->len = u->size - u->z.avail_out;
        u->ended = r == Z_STREAM_END;
    }
}

static void
unpack_end(struct unpacker *u)
{
    inflateEnd(&u->z);
    free(u->out);
}

static io_object *
gzip_of(io_object *source, int level)
{
    io_object *io = hs_io_gzip(source, level);
    assert_non_null(io);
    io_wrapper_delref(source);
    return io;
}

/* Reads all in pieces of step bytes and compares. */
static size_t
assert_unpacks_to(io_object *io, const char *data, size_t n, size_t step)
{
    struct unpacker u;
    char *b = malloc(step);
    size_t packed = 0;
    unpack_begin(&u, n + 1);
    for (;;) {
        ssize_t r = hs_io_read(io, b, step);
        if (r < 0) {
            assert_int_equal(errno, EAGAIN);
            wait_for(io, IO_WAIT_READ);
            continue;
        }
        if (r == 0) {
            break;
        }
        unpack(&u, b, (size_t)r);
        packed += (size_t)r;
    }
    assert_true(u.ended);
    assert_int_equal(u.len, n);
    assert_memory_equal(u.out, data, n);
    assert_int_equal(hs_io_read(io, b, step), 0);
    unpack_end(&u);
    free(b);
    return packed;
}

static void
any_bytes_at_any_step_come_back(void **state)
{
    (void)state;
    static char data[300000];
    fill(data, sizeof data / 2, 9);
    memset(data + sizeof data / 2, 'x', sizeof data / 2);
    const size_t sizes[] = { 0, 1, 1000, sizeof data };
    const size_t steps[] = { 1, 5, 255, 256, 257, 65536, 1000000 };
    for (size_t i = 0; i < 4; i++) {
        for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) {
            io_object *io = gzip_of(io_wrapper_open_memory(data, sizes[i], MEMTYPE_DONTCARE), -1);
            assert_int_equal(io_wrapper_get_size(io), -1);
            assert_int_equal(errno, ENOTSUP);
            assert_int_equal(hs_io_remaining(io), -1);
            assert_unpacks_to(io, data, sizes[i], steps[k]);
            io_wrapper_delref(io);
        }
    }
}

static void
levels_are_1_to_9(void **state)
{
    (void)state;
    static char data[100000];
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (char)('a' + (i * i / 7) % 13);
    }
    io_object *m = io_wrapper_open_memory(data, sizeof data, MEMTYPE_DONTCARE);
    const int bad[] = { 0, 10, -2 };
    for (size_t i = 0; i < 3; i++) {
        assert_null(hs_io_gzip(m, bad[i]));
        assert_int_equal(errno, EINVAL);
    }
    assert_null(hs_io_gzip(NULL, 6));
    assert_int_equal(errno, EINVAL);
    assert_false(hs_io_is_claimed(m));
    size_t packed[10];
    for (int level = 1; level <= 9; level++) {
        assert_int_equal(hs_io_lseek(m, 0, SEEK_SET), 0);
        io_object *io = hs_io_gzip(m, level);
        packed[level] = assert_unpacks_to(io, data, sizeof data, 4096);
        io_wrapper_delref(io);
    }
    assert_true(packed[9] <= packed[1]);
    io_wrapper_delref(m);
}

static void
it_begins_where_the_source_stands_and_names_no_file(void **state)
{
    (void)state;
    unsigned char b[64];
    io_object *m = io_wrapper_open_memory("hello world", 11, MEMTYPE_DONTCARE);
    assert_int_equal(io_wrapper_lseek(m, 6, SEEK_SET), 6);
    io_object *io = gzip_of(m, -1);
    ssize_t n = hs_io_read(io, b, sizeof b);
    assert_true(n >= 18);
    const unsigned char header[10] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3 }; /* RFC 1952: no flags, no time, Unix */
    assert_memory_equal(b, header, sizeof header);
    struct unpacker u;
    unpack_begin(&u, 100);
    unpack(&u, b, (size_t)n);
    assert_true(u.ended);
    assert_int_equal(u.len, 5);
    assert_memory_equal(u.out, "world", 5);
    unpack_end(&u);
    io_wrapper_delref(io);
}

static void
what_a_slow_source_has_given_comes_out(void **state)
{
    (void)state;
    for (size_t step = 1; step < 500; step += 498) {
        char b[512];
        struct waited w = { 0 };
        struct unpacker u;
        io_object *r, *p;
        assert_int_equal(hs_io_pipe(&r, &p), 0);
        io_object *io = gzip_of(r, -1);
        unpack_begin(&u, 1000);
        assert_int_equal(hs_io_read(io, b, step), -1);
        assert_int_equal(errno, EAGAIN);
        for (int i = 1; i <= 5; i++) {
            assert_int_equal(hs_io_wait(io, IO_WAIT_READ, on_wait, &w), 0);
            hs_loop_turn(loop, false);
            assert_int_equal(w.calls, i - 1);
            assert_int_equal(io_wrapper_write(p, "tick\n", 5), 5);
            hs_loop_turn(loop, false);
            assert_int_equal(w.calls, i);
            ssize_t n;
            int reads = 0;
            while ((n = hs_io_read(io, b, step)) > 0) {
                unpack(&u, b, (size_t)n);
                assert_true(++reads < 100); /* flush markers do not go on for ever */
            }
            assert_int_equal(errno, EAGAIN);
            assert_int_equal(u.len, 5 * i); /* all of it is there */
        }
        io_wrapper_delref(p);
        assert_int_equal(u.ended, false);
        ssize_t n;
        while ((n = hs_io_read(io, b, step)) > 0) {
            unpack(&u, b, (size_t)n);
        }
        assert_int_equal(n, 0);
        assert_true(u.ended);
        assert_int_equal(u.len, 25);
        unpack_end(&u);
        io_wrapper_delref(io);
    }
}

static void
one_turn_takes_a_limited_amount_of_the_source(void **state)
{
    (void)state;
    const size_t n = 4 << 20;
    char *zeros = calloc(1, n), *b = malloc(65536);
    io_object *m = io_wrapper_open_memory(zeros, n, MEMTYPE_DONTCARE);
    io_object *io = hs_io_gzip(m, 1);
    while (hs_io_read(io, b, 65536) > 0) { /* all of it would fit */
    }
    assert_int_equal(errno, EAGAIN);
    assert_true(hs_io_remaining(m) >= (off_t)(n - 65536));
    io_wrapper_delref(io);
    assert_int_equal(hs_io_lseek(m, 0, SEEK_SET), 0);
    io = hs_io_gzip(m, 9);
    assert_unpacks_to(io, zeros, n, 65536); /* EAGAIN is followed by a wake-up */
    io_wrapper_delref(io);
    io_wrapper_delref(m);
    free(zeros);
    free(b);
}

static void
an_error_of_the_source_comes_after_what_was_read(void **state)
{
    (void)state;
    static char data[100000];
    fill(data, sizeof data, 11);
    char *b = malloc(200000);
    struct hs_channel *c;
    assert_int_equal(hs_channel_new(SIZE_MAX, 0, NULL, NULL, &c), 0);
    io_object *io = gzip_of(hs_channel_reader(c), -1);
    hs_channel_write(c, data, 30000);
    hs_channel_end(c, ECONNRESET, false);
    ssize_t n = hs_io_read(io, b, 200000);
    assert_true(n > 0);
    assert_int_equal(hs_io_read(io, b, 200000), -1);
    assert_int_equal(errno, ECONNRESET);
    assert_int_equal(hs_io_read(io, b, 200000), -1); /* never an end that looks whole */
    assert_int_equal(errno, ECONNRESET);
    io_wrapper_delref(io);
    hs_channel_free(c);
    free(b);
}

static void
ruling_05_the_source_is_taken_over_and_let_go(void **state)
{
    (void)state;
    io_object *m = io_wrapper_open_memory("abc", 3, MEMTYPE_DONTCARE);
    io_object *io = hs_io_gzip(m, -1);
    assert_true(hs_io_is_claimed(m));
    assert_null(hs_io_gzip(m, -1));
    assert_int_equal(errno, EBUSY);
    assert_null(io_wrapper_clone(io));
    assert_int_equal(errno, ENOTSUP);
    assert_int_equal(io_wrapper_lseek(io, 0, SEEK_SET), -1);
    assert_int_equal(errno, ESPIPE);
    io_wrapper_delref(io);
    assert_false(hs_io_is_claimed(m));
    io_wrapper_delref(m);
}

static void
without_a_loop_a_read_is_not_limited(void **state)
{
    (void)state;
    const size_t n = 1 << 20;
    char *zeros = calloc(1, n), b[4096];
    io_object *io = gzip_of(io_wrapper_open_memory(zeros, n, MEMTYPE_DONTCARE), 9);
    struct unpacker u;
    unpack_begin(&u, n);
    ssize_t r = io_wrapper_read(io, b, sizeof b);
    assert_true(r > 0);
    unpack(&u, b, (size_t)r);
    assert_true(u.ended);
    assert_int_equal(u.len, n);
    unpack_end(&u);
    io_wrapper_delref(io);
    free(zeros);
}

static void
gzip_scenario(void *arg)
{
    (void)arg;
    char b[100];
    io_object *m = io_wrapper_open_memory("0123", 4, MEMTYPE_DONTCARE);
    io_object *io = m != NULL ? hs_io_gzip(m, 1) : NULL;
    if (io == NULL) {
        assert_int_equal(errno, ENOMEM);
        assert_true(m == NULL || !hs_io_is_claimed(m));
    } else {
        assert_true(hs_io_read(io, b, sizeof b) > 0);
    }
    io_wrapper_delref(io);
    io_wrapper_delref(m);
}

static void
threat_38_each_allocation_may_fail(void **state)
{
    (void)state;
    assert_true(alloc_fail_each(gzip_scenario, NULL) >= 7); /* zlib's among them */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        io_test(any_bytes_at_any_step_come_back),
        io_test(levels_are_1_to_9),
        io_test(it_begins_where_the_source_stands_and_names_no_file),
        io_test(what_a_slow_source_has_given_comes_out),
        io_test(one_turn_takes_a_limited_amount_of_the_source),
        io_test(an_error_of_the_source_comes_after_what_was_read),
        io_test(ruling_05_the_source_is_taken_over_and_let_go),
        io_test_no_loop(without_a_loop_a_read_is_not_limited),
        io_test(threat_38_each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
