/* test_io_concat.c - io_concat.c: several ios one after the other. */
#include "io/io_kind.h"

#include "io_test.h"

#include "alloc_fail.h"

static io_object *
memory(const char *text)
{
    io_object *io = io_wrapper_open_memory(text, strlen(text), MEMTYPE_DONTCARE);
    assert_non_null(io);
    return io;
}

/* Takes the references of the sources over. */
static io_object *
concat(size_t n, io_object **sources)
{
    io_object *io = hs_io_concat(sources, n);
    assert_non_null(io);
    for (size_t i = 0; i < n; i++) {
        io_wrapper_delref(sources[i]);
    }
    return io;
}

static void
parts_are_read_in_order(void **state)
{
    (void)state;
    char b[8];
    for (size_t step = 1; step < 8; step++) {
        io_object *io = concat(5, (io_object *[]){ memory("ab"), memory(""), memory("cde"), memory("f"), memory("") });
        assert_int_equal(io_wrapper_get_size(io), 6);
        assert_int_equal(hs_io_remaining(io), 6);
        assert_int_equal(read_all(io, b, 8, step), 6);
        assert_memory_equal(b, "abcdef", 6);
        assert_int_equal(hs_io_remaining(io), 0);
        assert_int_equal(io_wrapper_read(io, b, 8), 0);
        wait_for(io, IO_WAIT_READ);
        io_wrapper_delref(io);
    }
    io_object *io = hs_io_concat(NULL, 0);
    assert_int_equal(io_wrapper_get_size(io), 0);
    assert_int_equal(io_wrapper_read(io, b, 8), 0);
    io_wrapper_delref(io);
}

static void
parts_begin_where_they_stood(void **state)
{
    (void)state;
    char b[8];
    io_object *a = memory("xxab"), *z = memory("ycd");
    assert_int_equal(io_wrapper_lseek(a, 2, SEEK_SET), 2);
    assert_int_equal(io_wrapper_read(z, b, 1), 1);
    io_object *io = concat(2, (io_object *[]){ a, z });
    assert_int_equal(io_wrapper_get_size(io), 4);
    assert_content(io, "abcd");
    /* and from there on it can be sought */
    for (off_t at = 0; at <= 5; at++) {
        assert_int_equal(io_wrapper_lseek(io, at, SEEK_SET), at);
        assert_content(io, at < 4 ? &"abcd"[at] : "");
    }
    assert_int_equal(io_wrapper_lseek(io, -3, SEEK_END), 1);
    assert_int_equal(hs_io_remaining(io), 3);
    assert_int_equal(io_wrapper_lseek(io, -2, SEEK_CUR), -1);
    assert_int_equal(errno, EINVAL);
    io_object *clone = io_wrapper_clone(io);
    assert_non_null(clone);
    assert_content(clone, "abcd"); /* from the beginning of the whole */
    assert_content(io, "bcd");
    io_wrapper_delref(clone);
    io_wrapper_delref(io);
}

static void
ruling_05_sources_are_taken_over_and_let_go(void **state)
{
    (void)state;
    io_object *a = memory("ab"), *z = memory("cd");
    assert_null(hs_io_concat((io_object *[]){ a, z, a }, 3));
    assert_int_equal(errno, EBUSY);
    assert_null(hs_io_concat((io_object *[]){ a, NULL }, 2));
    assert_int_equal(errno, EINVAL);
    assert_false(hs_io_is_claimed(a));
    assert_false(hs_io_is_claimed(z));
    io_object *io = hs_io_concat((io_object *[]){ a, z }, 2);
    assert_true(hs_io_is_claimed(a));
    assert_true(hs_io_is_claimed(z));
    io_wrapper_delref(io);
    assert_false(hs_io_is_claimed(a));
    assert_false(hs_io_is_claimed(z));
    io_wrapper_delref(a);
    io_wrapper_delref(z);
}

static void
eagain_and_waits_pass_through(void **state)
{
    (void)state;
    char b[8];
    struct waited w = { 0 };
    io_object *r, *p;
    assert_int_equal(hs_io_pipe(&r, &p), 0);
    io_object *io = concat(3, (io_object *[]){ memory("<"), r, memory(">") });
    assert_int_equal(io_wrapper_get_size(io), -1);
    assert_int_equal(errno, ENOTSUP);
    assert_int_equal(hs_io_remaining(io), -1);
    assert_int_equal(io_wrapper_supports_lseek(io), 0);
    assert_null(io_wrapper_clone(io));
    assert_int_equal(errno, ENOTSUP);
    assert_int_equal(io_wrapper_read(io, b, 8), 1);
    assert_int_equal(io_wrapper_read(io, b, 8), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(io_wrapper_wait(io, IO_WAIT_READ, on_wait, &w), 0);
    hs_loop_turn(loop, false);
    assert_int_equal(w.calls, 0);
    assert_int_equal(io_wrapper_wait(io, 0, NULL, NULL), 0);
    assert_int_equal(io_wrapper_write(p, "ab", 2), 2);
    hs_loop_turn(loop, false);
    assert_int_equal(w.calls, 0); /* cancelled all the way down */
    wait_for(io, IO_WAIT_READ);
    assert_int_equal(io_wrapper_read(io, b, 8), 2);
    io_wrapper_delref(p);
    assert_content(io, ">");
    io_wrapper_delref(io);
}

static void
errors_pass_through(void **state)
{
    (void)state;
    char b[8];
    struct hs_channel *c;
    assert_int_equal(hs_channel_new(100, 0, NULL, NULL, &c), 0);
    io_object *io = concat(2, (io_object *[]){ hs_channel_reader(c), memory("never") });
    hs_channel_write(c, "abc", 3);
    hs_channel_end(c, ECONNRESET, false);
    assert_int_equal(io_wrapper_read(io, b, 8), 3);
    assert_int_equal(io_wrapper_read(io, b, 8), -1);
    assert_int_equal(errno, ECONNRESET);
    io_wrapper_delref(io);
    hs_channel_free(c);
}

static void
memory_and_windows_are_lent(void **state)
{
    (void)state;
    char path[64];
    const char *p;
    size_t n;
    struct hs_io_window w;
    make_file(path, "/tmp", "file", 4);
    io_object *f = io_wrapper_open(path, O_RDONLY, 0);
    unlink(path);
    int fd = f->io.fd;
    io_object *io = concat(3, (io_object *[]){ memory("ab"), f, memory("cd") });
    assert_int_equal(hs_io_remaining(io), 8);
    assert_int_equal(hs_io_window(io, 100, &w), ENOTSUP);
    assert_int_equal(hs_io_peek(io, &p, &n), 0);
    assert_int_equal(n, 2);
    assert_memory_equal(p, "ab", 2);
    hs_io_consume(io, 1);
    assert_int_equal(hs_io_peek(io, &p, &n), 0);
    assert_memory_equal(p, "b", n);
    hs_io_consume(io, 1);
    assert_int_equal(hs_io_peek(io, &p, &n), ENOTSUP);
    assert_int_equal(hs_io_window(io, 100, &w), 0);
    assert_int_equal(w.fd, fd);
    assert_int_equal(w.off, 0);
    assert_int_equal(w.len, 4);
    assert_int_equal(hs_io_window(io, 3, &w), 0);
    assert_int_equal(w.len, 3);
    hs_io_consume(io, 3);
    assert_int_equal(hs_io_remaining(io), 3);
    assert_int_equal(hs_io_window(io, 100, &w), 0);
    assert_int_equal(w.off, 3);
    assert_int_equal(w.len, 1);
    hs_io_consume(io, 1);
    assert_int_equal(hs_io_window(io, 100, &w), ENOTSUP);
    assert_int_equal(hs_io_peek(io, &p, &n), 0);
    assert_memory_equal(p, "cd", n);
    hs_io_consume(io, 100);
    assert_int_equal(hs_io_peek(io, &p, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(hs_io_window(io, 100, &w), 0);
    assert_int_equal(w.len, 0);
    hs_io_consume(io, 1);
    assert_int_equal(hs_io_remaining(io), 0);
    io_wrapper_delref(io);
}

static void
threat_30_a_part_that_shrinks_ends_the_whole(void **state)
{
    (void)state;
    char path[64], b[16];
    struct hs_io_window w;
    make_file(path, "/tmp", "0123456789", 10);
    for (int windows = 0; windows < 2; windows++) {
        assert_int_equal(truncate(path, 10), 0);
        io_object *io = concat(2, (io_object *[]){ io_wrapper_open(path, O_RDONLY, 0), memory("tail") });
        assert_int_equal(hs_io_remaining(io), 14);
        assert_int_equal(truncate(path, 4), 0);
        if (windows) {
            assert_int_equal(io_wrapper_lseek(io, 4, SEEK_SET), 4);
            int err;
            while ((err = hs_io_window(io, 100, &w)) == EAGAIN) {
                wait_for(io, IO_WAIT_READ);
            }
            assert_int_equal(err, 0);
            assert_int_equal(w.len != 0 && pread(w.fd, b, w.len, w.off) != 0, false);
        }
        assert_int_equal(read_all(io, b, 16, 16), windows ? 0 : 4); /* and not the tail at the wrong place */
        assert_int_equal(io_wrapper_read(io, b, 16), 0);
        assert_true(hs_io_remaining(io) > 0); /* which is how the consumer knows */
        io_wrapper_delref(io);
    }
    unlink(path);
}

static void
a_part_that_grows_is_cut(void **state)
{
    (void)state;
    char path[64];
    make_file(path, "/tmp", "0123", 4);
    io_object *io = concat(2, (io_object *[]){ io_wrapper_open(path, O_RDONLY, 0), memory("tail") });
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(write(fd, "more", 4), 4);
    close(fd);
    assert_content(io, "0123tail");
    io_wrapper_delref(io);
    unlink(path);
}

static off_t
endless_size(io_object *io)
{
    (void)io;
    return INT64_MAX;
}

static off_t
endless_lseek(io_object *io, off_t offset, int whence)
{
    (void)io;
    return hs_io_seek_to(0, INT64_MAX, offset, whence);
}

static const io_wrapper endless = {
    .sizeof_self = sizeof(io_wrapper), .get_size = endless_size, .lseek = endless_lseek
};

static void
sizes_do_not_overflow(void **state)
{
    (void)state;
    io_object *a = io_wrapper_create_object(&endless, NULL), *m = memory("x");
    assert_null(hs_io_concat((io_object *[]){ a, m }, 2));
    assert_int_equal(errno, EOVERFLOW);
    assert_false(hs_io_is_claimed(a));
    assert_false(hs_io_is_claimed(m));
    io_object *io = hs_io_concat((io_object *[]){ a }, 1);
    assert_int_equal(io_wrapper_get_size(io), INT64_MAX);
    assert_int_equal(io_wrapper_lseek(io, 1, SEEK_END), -1);
    assert_int_equal(errno, EOVERFLOW);
    io_wrapper_delref(io);
    assert_null(hs_io_concat(NULL, SIZE_MAX));
    assert_int_equal(errno, ENOMEM);
    io_wrapper_delref(a);
    io_wrapper_delref(m);
}

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static void
closing_under_a_waiter_lets_the_sources_go(void **state)
{
    (void)state;
    struct waited w = { 0 };
    io_object *r, *p;
    assert_int_equal(hs_io_pipe(&r, &p), 0);
    io_object *io = hs_io_concat(&r, 1);
    assert_int_equal(io_wrapper_wait(io, IO_WAIT_READ, on_wait, &w), 0);
    io_wrapper_close(io);
    assert_false(hs_io_is_claimed(r));
    assert_int_equal(hs_io_claim(r), 0); /* and nothing waits on it */
    hs_loop_turn(loop, false);
    assert_int_equal(w.calls, 1);
    io_wrapper_delref(io);
    io_wrapper_delref(r);
    io_wrapper_delref(p);
}

static void
concat_scenario(void *arg)
{
    (void)arg;
    io_object *s[2] = { io_wrapper_open_memory("ab", 2, MEMTYPE_DONTCARE), io_wrapper_open_memory("cd", 2, MEMTYPE_DONTCARE) };
    io_object *io = s[0] != NULL && s[1] != NULL ? hs_io_concat(s, 2) : NULL;
    io_object *clone = io != NULL ? io_wrapper_clone(io) : NULL;
    if (clone == NULL) {
        assert_int_equal(errno, ENOMEM);
    }
    io_wrapper_delref(io);
    io_wrapper_delref(s[0]);
    io_wrapper_delref(s[1]);
    if (clone != NULL) {
        assert_content(clone, "abcd");
    }
    io_wrapper_delref(clone);
}

static void
threat_38_each_allocation_may_fail(void **state)
{
    (void)state;
    assert_true(alloc_fail_each(concat_scenario, NULL) >= 9);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        io_test(parts_are_read_in_order),
        io_test(parts_begin_where_they_stood),
        io_test(ruling_05_sources_are_taken_over_and_let_go),
        io_test(eagain_and_waits_pass_through),
        io_test(errors_pass_through),
        io_test(memory_and_windows_are_lent),
        io_test(threat_30_a_part_that_shrinks_ends_the_whole),
        io_test(a_part_that_grows_is_cut),
        io_test(sizes_do_not_overflow),
        io_test(closing_under_a_waiter_lets_the_sources_go),
        io_test(threat_38_each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
