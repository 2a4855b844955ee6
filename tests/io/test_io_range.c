/* test_io_range.c - io_range.c: a part of another io. */
#include "io/io_kind.h"

#include "io_test.h"

#include "alloc_fail.h"

static io_object *
range_of(io_object *source, off_t first, off_t last)
{
    io_object *io = hs_io_range(source, first, last);
    assert_non_null(io);
    io_wrapper_delref(source);
    return io;
}

static io_object *
memory(const char *text)
{
    return io_wrapper_open_memory(text, strlen(text), MEMTYPE_DONTCARE);
}

static void
a_range_is_what_was_asked_for(void **state)
{
    (void)state;
    const char text[] = "0123456789";
    char want[16], b[16];
    for (off_t first = 0; first < 12; first++) {
        for (off_t last = -1; last < 14; last++) {
            if (last >= 0 && last < first) {
                continue;
            }
            off_t end = last < 0 || last > 9 ? 9 : last;
            off_t len = first <= 9 ? end - first + 1 : 0;
            memcpy(want, text + (first <= 9 ? first : 0), (size_t)len);
            io_object *io = range_of(memory(text), first, last);
            assert_int_equal(io_wrapper_get_size(io), len);
            assert_int_equal(hs_io_remaining(io), len);
            assert_int_equal(read_all(io, b, 16, 3), len);
            assert_memory_equal(b, want, (size_t)len);
            assert_int_equal(hs_io_remaining(io), 0);
            io_wrapper_delref(io);
        }
    }
}

static void
bad_ranges_are_refused(void **state)
{
    (void)state;
    io_object *m = memory("0123"), *r, *w;
    assert_null(hs_io_range(m, 3, 2));
    assert_int_equal(errno, EINVAL);
    assert_null(hs_io_range(m, -1, 2));
    assert_int_equal(errno, EINVAL);
    assert_null(hs_io_range(m, 0, -2));
    assert_int_equal(errno, EINVAL);
    assert_null(hs_io_range(NULL, 0, 2));
    assert_int_equal(errno, EINVAL);
    assert_int_equal(hs_io_pipe(&r, &w), 0);
    assert_null(hs_io_range(r, 0, 2));
    assert_int_equal(errno, ESPIPE);
    assert_false(hs_io_is_claimed(r));
    io_wrapper_delref(r);
    io_wrapper_delref(w);
    io_object *whole = hs_io_range(m, 0, INT64_MAX); /* no overflow */
    assert_int_equal(io_wrapper_get_size(whole), 4);
    io_wrapper_delref(whole);
    whole = hs_io_range(m, INT64_MAX, INT64_MAX);
    assert_int_equal(io_wrapper_get_size(whole), 0);
    assert_int_equal(io_wrapper_lseek(whole, 1, SEEK_SET), -1);
    assert_int_equal(errno, EOVERFLOW);
    io_wrapper_delref(whole);
    io_wrapper_delref(m);
}

static void
a_range_can_be_sought_and_cloned(void **state)
{
    (void)state;
    io_object *io = range_of(memory("0123456789"), 2, 7);
    assert_int_equal(io_wrapper_lseek(io, 3, SEEK_SET), 3);
    assert_content(io, "567");
    assert_int_equal(io_wrapper_lseek(io, -2, SEEK_END), 4);
    io_object *clone = io_wrapper_clone(io);
    assert_content(io, "67");
    assert_content(clone, "234567");
    assert_int_equal(io_wrapper_lseek(io, 100, SEEK_SET), 100);
    assert_content(io, "");
    assert_int_equal(hs_io_remaining(io), 0);
    assert_int_equal(io_wrapper_lseek(io, -101, SEEK_CUR), -1);
    io_wrapper_delref(clone);
    io_wrapper_delref(io);
    /* of a range, and of a concatenation */
    io_object *parts[2] = { memory("0123"), memory("4567") };
    io = hs_io_concat(parts, 2);
    io_wrapper_delref(parts[0]);
    io_wrapper_delref(parts[1]);
    io = range_of(range_of(io, 1, 6), 2, 4);
    assert_content(io, "345");
    io_wrapper_delref(io);
}

static void
ruling_05_the_source_is_taken_over_and_let_go(void **state)
{
    (void)state;
    io_object *m = memory("0123456789");
    io_object *io = hs_io_range(m, 2, 4);
    assert_true(hs_io_is_claimed(m));
    assert_null(hs_io_range(m, 2, 4));
    assert_int_equal(errno, EBUSY);
    io_wrapper_delref(io);
    assert_false(hs_io_is_claimed(m));
    io_wrapper_delref(m);
}

static void
memory_and_windows_are_lent(void **state)
{
    (void)state;
    char path[64];
    const char *p;
    size_t n;
    struct hs_io_window w;
    io_object *io = range_of(memory("0123456789"), 2, 5);
    assert_int_equal(hs_io_peek(io, &p, &n), 0);
    assert_int_equal(n, 4);
    assert_memory_equal(p, "2345", 4);
    hs_io_consume(io, 3);
    assert_int_equal(hs_io_peek(io, &p, &n), 0);
    assert_int_equal(n, 1);
    hs_io_consume(io, 10);
    assert_int_equal(hs_io_remaining(io), 0);
    assert_int_equal(hs_io_peek(io, &p, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(hs_io_window(io, 5, &w), ENOTSUP);
    io_wrapper_delref(io);

    make_file(path, "/tmp", "0123456789", 10);
    io_object *f = io_wrapper_open(path, O_RDONLY, 0);
    int fd = f->io.fd;
    io = range_of(f, 2, 5);
    assert_int_equal(hs_io_window(io, 100, &w), 0);
    assert_int_equal(w.fd, fd);
    assert_int_equal(w.off, 2);
    assert_int_equal(w.len, 4);
    hs_io_consume(io, 3);
    assert_int_equal(hs_io_window(io, 100, &w), 0);
    assert_int_equal(w.off, 5);
    assert_int_equal(w.len, 1);
    hs_io_consume(io, 1);
    assert_int_equal(hs_io_window(io, 100, &w), 0);
    assert_int_equal(w.len, 0);
    wait_for(io, IO_WAIT_READ);
    io_wrapper_delref(io);
    unlink(path);
}

static void
ruling_18_a_range_of_a_cold_file_waits_for_the_pool(void **state)
{
    (void)state;
    char path[64], *data = malloc(1 << 20), *b = malloc(1 << 20);
    struct waited w = { 0 };
    struct hs_io_window win;
    fill(data, 1 << 20, 5);
    make_file(path, disk_folder(), data, 1 << 20);
    if (drop_cache(path)) {
        io_object *io = range_of(io_wrapper_open(path, O_RDONLY, 0), 100000, 899999);
        assert_int_equal(hs_io_window(io, SIZE_MAX, &win), EAGAIN);
        assert_int_equal(io_wrapper_wait(io, IO_WAIT_READ, on_wait, &w), 0);
        assert_int_equal(io_wrapper_wait(io, IO_WAIT_READ, NULL, NULL), 0);
        wait_for(io, IO_WAIT_READ);
        assert_int_equal(w.calls, 0);
        assert_int_equal(hs_io_window(io, SIZE_MAX, &win), 0);
        assert_int_equal(win.off, 100000);
        assert_int_equal(read_all(io, b, 1 << 20, 100000), 800000);
        assert_memory_equal(b, data + 100000, 800000);
        io_wrapper_delref(io);
    } else {
        print_message("no file system here whose cache can be emptied\n");
    }
    unlink(path);
    free(data);
    free(b);
}

static void
threat_30_a_source_that_shrinks_ends_early(void **state)
{
    (void)state;
    char path[64], b[16];
    make_file(path, "/tmp", "0123456789", 10);
    io_object *io = range_of(io_wrapper_open(path, O_RDONLY, 0), 2, 8);
    assert_int_equal(hs_io_remaining(io), 7);
    assert_int_equal(truncate(path, 5), 0);
    assert_int_equal(read_all(io, b, 16, 16), 3);
    assert_int_equal(io_wrapper_read(io, b, 16), 0);
    assert_int_equal(hs_io_remaining(io), 4); /* which is how the consumer knows */
    io_wrapper_delref(io);
    unlink(path);
}

static void
a_source_without_a_size_has_ranges_all_the_same(void **state)
{
    (void)state;
    char b[16], whole[4096];
    io_object *f = io_wrapper_open("/proc/self/status", O_RDONLY, 0);
    assert_true(read_all(f, whole, sizeof whole, sizeof whole) > 20);
    io_object *io = range_of(f, 2, 5);
    assert_int_equal(io_wrapper_get_size(io), -1);
    assert_int_equal(errno, ENOTSUP);
    assert_int_equal(hs_io_remaining(io), -1);
    assert_int_equal(read_all(io, b, 16, 16), 4);
    assert_memory_equal(b, whole + 2, 4);
    assert_int_equal(io_wrapper_lseek(io, 0, SEEK_END), -1);
    io_object *clone = io_wrapper_clone(io);
    assert_int_equal(read_all(clone, b, 16, 16), 4);
    io_wrapper_delref(clone);
    io_wrapper_delref(io);
}

static void
range_scenario(void *arg)
{
    (void)arg;
    io_object *m = io_wrapper_open_memory("0123", 4, MEMTYPE_DONTCARE);
    io_object *io = m != NULL ? hs_io_range(m, 1, 2) : NULL;
    io_object *clone = io != NULL ? io_wrapper_clone(io) : NULL;
    if (clone == NULL) {
        assert_int_equal(errno, ENOMEM);
    } else {
        assert_content(clone, "12");
    }
    if (m != NULL && io == NULL) {
        assert_false(hs_io_is_claimed(m));
    }
    io_wrapper_delref(clone);
    io_wrapper_delref(io);
    io_wrapper_delref(m);
}

static void
threat_38_each_allocation_may_fail(void **state)
{
    (void)state;
    assert_true(alloc_fail_each(range_scenario, NULL) >= 6);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        io_test(a_range_is_what_was_asked_for),
        io_test(bad_ranges_are_refused),
        io_test(a_range_can_be_sought_and_cloned),
        io_test(ruling_05_the_source_is_taken_over_and_let_go),
        io_test(memory_and_windows_are_lent),
        io_test(ruling_18_a_range_of_a_cold_file_waits_for_the_pool),
        io_test(threat_30_a_source_that_shrinks_ends_early),
        io_test(a_source_without_a_size_has_ranges_all_the_same),
        io_test(threat_38_each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
