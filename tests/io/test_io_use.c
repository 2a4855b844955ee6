/* test_io_use.c - io_use.c: the public calls arranged over whatever methods a wrapper has. */
#include "io/io_kind.h"

#include <limits.h>

#include "io_test.h"

#include "alloc_fail.h"

/* Takes at most `most` bytes a call, `total` in all, then gives err. */
static struct {
    char taken[4096];
    size_t len, most, total;
    int err, calls;
} sink;

static ssize_t
sink_write(io_object *io, const char *buf, size_t n)
{
    (void)io;
    sink.calls++;
    if (sink.len >= sink.total) {
        errno = sink.err;
        return -1;
    }
    n = n < sink.most ? n : sink.most;
    n = n < sink.total - sink.len ? n : sink.total - sink.len;
    memcpy(sink.taken + sink.len, buf, n);
    sink.len += n;
    return (ssize_t)n;
}

static ssize_t
sink_writev(io_object *io, const struct iovec *iov, int iovcnt)
{
    assert_true(iovcnt > 0);
    return sink_write(io, iov[0].iov_base, iov[0].iov_len);
}

static ssize_t
half_read(io_object *io, void *buf, size_t n)
{
    (void)io;
    if (sink.err != 0 && sink.calls > 1) {
        errno = sink.err;
        return -1;
    }
    sink.calls++;
    n = n > 3 ? 3 : n;
    memset(buf, 'r', n);
    return (ssize_t)n;
}

static int
flush_fails(io_object *io)
{
    (void)io;
    errno = ENOSPC;
    return -1;
}

static int
yes(io_object *io)
{
    (void)io;
    return 1;
}

static const io_wrapper with_write = { .sizeof_self = sizeof(io_wrapper), .write = sink_write };
static const io_wrapper with_writev = { .sizeof_self = sizeof(io_wrapper), .writev = sink_writev };
static const io_wrapper with_read = {
    .sizeof_self = sizeof(io_wrapper), .read = half_read, .flush = flush_fails, .supports_nonblocking = yes
};

static io_object *
open_sink(const io_wrapper *w, size_t most, size_t total, int err)
{
    memset(&sink, 0, sizeof sink);
    sink.most = most;
    sink.total = total;
    sink.err = err;
    return io_wrapper_create_object(w, NULL);
}

#define IOV(s) { (void *)(uintptr_t)(s), sizeof(s) - 1 }

static void
write_and_writev_stand_in_for_each_other(void **state)
{
    (void)state;
    const struct iovec iov[4] = { IOV("ab"), IOV(""), IOV("cde"), IOV("f") };
    io_object *io = open_sink(&with_write, 100, 100, 0);
    assert_int_equal(io_wrapper_writev(io, iov, 4), 6);
    assert_int_equal(io_wrapper_write(io, "gh", 2), 2);
    assert_memory_equal(sink.taken, "abcdefgh", 8);
    io_wrapper_delref(io);
    io = open_sink(&with_writev, 100, 100, 0);
    assert_int_equal(io_wrapper_write(io, "gh", 2), 2);
    assert_int_equal(io_wrapper_writev(io, iov, 4), 2); /* as much as it takes */
    assert_memory_equal(sink.taken, "ghab", 4);
    io_wrapper_delref(io);
    io = open_sink(&with_read, 0, 0, 0);
    assert_int_equal(io_wrapper_write(io, "gh", 2), -1);
    assert_int_equal(errno, ENOTSUP);
    io_wrapper_delref(io);
}

static void
threat_39_short_writes_are_reported(void **state)
{
    (void)state;
    const struct iovec iov[3] = { IOV("ab"), IOV("cde"), IOV("f") };
    io_object *io = open_sink(&with_write, 2, 100, 0);
    assert_int_equal(io_wrapper_writev(io, iov, 3), 4); /* stops where one was not taken whole */
    assert_memory_equal(sink.taken, "abcd", 4);
    io_wrapper_delref(io);
    io = open_sink(&with_write, 100, 2, ENOSPC);
    assert_int_equal(io_wrapper_writev(io, iov, 3), 2);
    assert_int_equal(io_wrapper_writev(io, iov, 3), -1);
    assert_int_equal(errno, ENOSPC);
    io_wrapper_delref(io);
}

/* proves: io_wrapper_writev */
static void
vectors_are_checked(void **state)
{
    (void)state;
    const struct iovec huge[2] = { { sink.taken, SSIZE_MAX }, { sink.taken, 1 } };
    const struct iovec wraps[2] = { { sink.taken, SIZE_MAX }, { sink.taken, 2 } };
    io_object *io = open_sink(&with_write, 1, 100, 0);
    assert_int_equal(io_wrapper_writev(io, huge, 2), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(io_wrapper_writev(io, wraps, 2), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(io_wrapper_writev(io, huge, -1), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(io_wrapper_writev(io, huge, IOV_MAX + 1), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(io_wrapper_writev(io, huge, 0), 0);
    assert_int_equal(sink.calls, 0);
    io_wrapper_delref(io);
}

static ssize_t __attribute__((format(printf, 2, 3)))
say(io_object *io, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    ssize_t n = io_wrapper_vprintf(io, format, ap);
    va_end(ap);
    return n;
}

/* proves: io_wrapper_vprintf */
static void
vprintf_does_the_same(void **state)
{
    (void)state;
    io_object *io = open_sink(&with_write, 7, 4096, 0);
    assert_int_equal(say(io, "%d and %s", 42, "more"), 11);
    assert_int_equal(sink.len, 11);
    assert_memory_equal(sink.taken, "42 and more", 11);
    io_wrapper_delref(io);
}

/* proves: io_wrapper_printf */
static void
printf_writes_all_it_can(void **state)
{
    (void)state;
    char longer[1000];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    io_object *io = open_sink(&with_write, 7, 4096, 0);
    assert_int_equal(io_wrapper_printf(io, "%s-%d", longer, 42), 1002);
    assert_int_equal(sink.len, 1002);
    assert_memory_equal(sink.taken + 990, "xxxxxxxxx-42", 12);
    assert_int_equal(io_wrapper_printf(io, "%s", ""), 0);
    alloc_fail_at(1);
    assert_int_equal(io_wrapper_printf(io, "%s", longer), -1);
    alloc_fail_off();
    assert_int_equal(errno, ENOMEM);
    io_wrapper_delref(io);
    io = open_sink(&with_write, 7, 10, ENOSPC);
    assert_int_equal(io_wrapper_printf(io, "%s", longer), 999); /* attempted */
    assert_int_equal(sink.len, 10);
    assert_int_equal(io_wrapper_printf(io, "%s", longer), -1);
    assert_int_equal(errno, ENOSPC);
    io_wrapper_delref(io);
}

/* proves: io_wrapper_copy_to_buffer */
static void
copy_to_buffer_reads_on(void **state)
{
    (void)state;
    char b[16];
    io_object *io = io_wrapper_open_memory("hello world", 11, MEMTYPE_DONTCARE);
    assert_int_equal(io_wrapper_copy_to_buffer(io, b, 16, 5), 5);
    assert_memory_equal(b, "hello", 5);
    assert_int_equal(io_wrapper_copy_to_buffer(io, b, 2, 5), 2);
    assert_int_equal(io_wrapper_copy_to_buffer(io, b, 16, 16), 4);
    assert_int_equal(io_wrapper_copy_to_buffer(io, b, 16, 16), 0);
    assert_int_equal(io_wrapper_copy_to_buffer(io, b, -1, 5), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(io_wrapper_copy_to_buffer(io, b, 5, -1), -1);
    assert_int_equal(errno, EINVAL);
    io_wrapper_delref(io);
    io = open_sink(&with_read, 0, 0, EIO);
    assert_int_equal(io_wrapper_copy_to_buffer(io, b, 16, 10), 6); /* what came before the error */
    assert_int_equal(io_wrapper_copy_to_buffer(io, b, 16, 10), -1);
    assert_int_equal(errno, EIO);
    io_wrapper_delref(io);
}

static ssize_t
boasting_read(io_object *io, void *buf, size_t n)
{
    (void)io;
    (void)buf;
    return (ssize_t)n + 1;
}

static const io_wrapper boasting = { .sizeof_self = sizeof(io_wrapper), .read = boasting_read };

static void
a_wrapper_that_has_lost_count_is_not_believed(void **state)
{
    (void)state;
    char b[4];
    io_object *io = io_wrapper_create_object(&boasting, NULL);
    assert_int_equal(loop != NULL ? read_all(io, b, 4, 4) : io_wrapper_read(io, b, 4), -1);
    assert_int_equal(errno, EIO);
    io_wrapper_delref(io);
}

/* proves: io_wrapper_flush */
static void
what_is_missing_says_so(void **state)
{
    (void)state;
    char b[4];
    struct hs_io_window w;
    const char *p;
    size_t n;
    io_object *io = open_sink(&with_write, 1, 1, 0);
    assert_int_equal(io_wrapper_read(io, b, 4), -1);
    assert_int_equal(errno, ENOTSUP);
    assert_int_equal(io_wrapper_lseek(io, 0, SEEK_SET), -1);
    assert_int_equal(errno, ESPIPE);
    assert_int_equal(io_wrapper_supports_lseek(io), 0);
    assert_int_equal(io_wrapper_get_size(io), -1);
    assert_int_equal(errno, ENOTSUP);
    assert_int_equal(io_wrapper_flush(io), 0);
    assert_int_equal(hs_io_window(io, 1, &w), ENOTSUP);
    assert_int_equal(hs_io_peek(io, &p, &n), ENOTSUP);
    hs_io_consume(io, 1);
    io_wrapper_delref(io);
    io = open_sink(&with_read, 1, 1, 0);
    assert_int_equal(io_wrapper_flush(io), -1);
    assert_int_equal(errno, ENOSPC);
    io_wrapper_delref(io);
}

static void
seeking_is_computed_without_overflow(void **state)
{
    (void)state;
    assert_int_equal(hs_io_seek_to(10, 20, 5, SEEK_SET), 5);
    assert_int_equal(hs_io_seek_to(10, 20, -5, SEEK_CUR), 5);
    assert_int_equal(hs_io_seek_to(10, 20, -5, SEEK_END), 15);
    assert_int_equal(hs_io_seek_to(10, 20, 5, SEEK_END), 25);
    assert_int_equal(hs_io_seek_to(10, -1, -5, SEEK_END), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(hs_io_seek_to(10, 20, -11, SEEK_CUR), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(hs_io_seek_to(INT64_MAX, 20, 1, SEEK_CUR), -1);
    assert_int_equal(errno, EOVERFLOW);
    assert_int_equal(hs_io_seek_to(0, INT64_MAX, INT64_MAX, SEEK_END), -1);
    assert_int_equal(errno, EOVERFLOW);
    assert_int_equal(hs_io_seek_to(0, 0, INT64_MIN, SEEK_SET), -1);
    assert_int_equal(errno, EINVAL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        io_test(write_and_writev_stand_in_for_each_other),
        io_test(threat_39_short_writes_are_reported),
        io_test(vectors_are_checked),
        io_test(printf_writes_all_it_can),
        io_test(vprintf_does_the_same),
        io_test(copy_to_buffer_reads_on),
        io_test(a_wrapper_that_has_lost_count_is_not_believed),
        io_test_no_loop(a_wrapper_that_has_lost_count_is_not_believed),
        io_test(what_is_missing_says_so),
        io_test(seeking_is_computed_without_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
