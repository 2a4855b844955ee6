/* test_io_channel.c - io_channel.c: one cursor, marks, ends, and who may read. */
#include "io/io_kind.h"

#include <pthread.h>

#include "io_test.h"

#include "alloc_fail.h"

static char trace[64];

static void
note(char c)
{
    size_t n = strlen(trace);
    assert_true(n + 1 < sizeof trace);
    trace[n] = c;
    trace[n + 1] = '\0';
}

#define assert_trace(s)                  \
    do {                                 \
        assert_string_equal(trace, (s)); \
        trace[0] = '\0';                 \
    } while (0)

static struct hs_channel *chan;
static bool write_at_start, free_at_close;

static void
on_started(void *arg)
{
    (void)arg;
    note('s');
    if (write_at_start) {
        assert_int_equal(hs_channel_write(chan, "first", 5), 0);
    }
}

static void
on_room(void *arg)
{
    (void)arg;
    note('r');
}

static void
on_closed(void *arg)
{
    (void)arg;
    note('c');
    if (free_at_close) {
        hs_channel_free(chan);
    }
}

static void
on_waiting(void *arg, bool on)
{
    (void)arg;
    note(on ? 'w' : 'n');
}

static const struct hs_channel_events events = {
    .started = on_started, .room = on_room, .closed = on_closed, .waiting = on_waiting
};

static io_object *
open_channel(size_t high, size_t low)
{
    trace[0] = '\0';
    write_at_start = free_at_close = false;
    assert_int_equal(hs_channel_new(high, low, &events, NULL, &chan), 0);
    io_object *io = hs_channel_reader(chan);
    assert_non_null(io);
    return io;
}

/* proves: io_wrapper_read */
static void
bytes_go_through_in_order(void **state)
{
    (void)state;
    char b[8];
    io_object *io = open_channel(100, 50);
    assert_trace("");
    assert_int_equal(io_wrapper_read(io, b, 8), -1);
    assert_int_equal(errno, EAGAIN);
    assert_trace("s");
    assert_int_equal(hs_channel_write(chan, "abc", 3), 0);
    assert_int_equal(hs_channel_write(chan, "", 0), 0);
    assert_int_equal(hs_channel_write(chan, "def", 3), 0);
    assert_int_equal(hs_channel_queued(chan), 6);
    assert_int_equal(io_wrapper_read(io, b, 4), 4);
    assert_memory_equal(b, "abcd", 4);
    assert_int_equal(io_wrapper_read(io, b, 0), 0);
    assert_int_equal(io_wrapper_read(io, b, 8), 2);
    assert_memory_equal(b, "ef", 2);
    hs_channel_end(chan, 0, false);
    assert_int_equal(io_wrapper_read(io, b, 8), 0);
    assert_int_equal(io_wrapper_read(io, b, 8), 0);
    assert_int_equal(hs_channel_write(chan, "x", 1), EPIPE);
    assert_int_equal(io_wrapper_write(io, "x", 1), -1);
    assert_int_equal(errno, ENOTSUP);
    assert_int_equal(hs_io_remaining(io), -1);
    assert_trace("rr");
    io_wrapper_delref(io);
    assert_trace("c");
    hs_channel_free(chan);
}

static void
bytes_can_be_lent(void **state)
{
    (void)state;
    const char *p;
    size_t n;
    io_object *io = open_channel(100, 50);
    assert_int_equal(hs_io_peek(io, &p, &n), EAGAIN);
    assert_int_equal(n, 0);
    hs_channel_write(chan, "abcdef", 6);
    assert_int_equal(hs_io_peek(io, &p, &n), 0);
    assert_int_equal(n, 6);
    assert_memory_equal(p, "abcdef", 6);
    hs_io_consume(io, 4);
    assert_int_equal(hs_channel_peek_all(chan, &p, &n), 0);
    assert_int_equal(n, 2);
    assert_memory_equal(p, "ef", 2);
    hs_io_consume(io, 100);
    assert_int_equal(hs_channel_queued(chan), 0);
    assert_int_equal(hs_channel_peek_all(chan, &p, &n), 0);
    assert_int_equal(n, 0);
    hs_channel_end(chan, EIO, false);
    assert_int_equal(hs_io_peek(io, &p, &n), EIO);
    io_wrapper_delref(io);
    hs_channel_free(chan);
}

static void
room_is_told_below_the_low_mark(void **state)
{
    (void)state;
    char b[100];
    io_object *io = open_channel(10, 5);
    assert_int_equal(hs_channel_room(chan), 10);
    assert_int_equal(hs_channel_write(chan, "0123456", 7), 0);
    assert_int_equal(hs_channel_room(chan), 3);
    assert_int_equal(hs_channel_write(chan, "0123456", 7), 0); /* past the mark by one call */
    assert_int_equal(hs_channel_room(chan), 0);
    assert_int_equal(io_wrapper_read(io, b, 9), 9);
    assert_trace("s"); /* five are left */
    assert_int_equal(hs_channel_room(chan), 5);
    assert_int_equal(io_wrapper_read(io, b, 1), 1);
    assert_trace("r");
    hs_channel_set_marks(chan, 100, 0);
    assert_int_equal(hs_channel_room(chan), 96);
    assert_int_equal(io_wrapper_read(io, b, 100), 4);
    assert_trace("");
    io_wrapper_delref(io);
    hs_channel_free(chan);
}

/* Compares what is read with what was written, through all the moves of the buffer. */
static void
large_streams_keep_their_order(void **state)
{
    (void)state;
    static char data[200000], b[4096];
    fill(data, sizeof data, 3);
    io_object *io = open_channel(SIZE_MAX, 0);
    size_t in = 0, out = 0;
    for (size_t i = 0; out < sizeof data; i++) {
        size_t put = (i * 7919) % 5000, get = 1 + (i * 104729) % sizeof b;
        put = put < sizeof data - in ? put : sizeof data - in;
        assert_int_equal(hs_channel_write(chan, data + in, put), 0);
        in += put;
        ssize_t n = io_wrapper_read(io, b, get);
        if (n > 0) {
            assert_memory_equal(b, data + out, (size_t)n);
            out += (size_t)n;
        }
    }
    io_wrapper_delref(io);
    hs_channel_free(chan);
}

static void
readers_share_one_cursor(void **state)
{
    (void)state;
    char b[4];
    io_object *a = open_channel(100, 0), *z = hs_channel_reader(chan);
    hs_channel_write(chan, "abcd", 4);
    assert_int_equal(io_wrapper_read(a, b, 2), 2);
    assert_int_equal(io_wrapper_read(z, b, 2), 2);
    assert_memory_equal(b, "cd", 2);
    io_wrapper_delref(a);
    assert_trace("s");
    io_wrapper_delref(z);
    assert_trace("c"); /* with the last */
    hs_channel_free(chan);
}

static void
ruling_13_a_second_reader_is_busy(void **state)
{
    (void)state;
    char b[4];
    const char *p;
    size_t n;
    struct waited w = { 0 };
    io_object *a = open_channel(100, 0), *z = hs_channel_reader(chan);
    assert_int_equal(io_wrapper_wait(a, IO_WAIT_READ, on_wait, &w), 0);
    assert_int_equal(io_wrapper_read(z, b, 4), -1);
    assert_int_equal(errno, EBUSY);
    assert_int_equal(io_wrapper_wait(z, IO_WAIT_READ, on_wait, &w), -1);
    assert_int_equal(errno, EBUSY);
    assert_int_equal(hs_io_claim(z), EBUSY);
    assert_int_equal(hs_io_peek(z, &p, &n), EBUSY);
    assert_int_equal(io_wrapper_wait(a, 0, NULL, NULL), 0);
    assert_int_equal(hs_io_claim(a), 0);
    assert_int_equal(hs_io_claim(z), EBUSY);
    assert_int_equal(io_wrapper_read(z, b, 4), -1);
    assert_int_equal(errno, EBUSY);
    hs_io_release(a);
    assert_int_equal(io_wrapper_read(z, b, 4), -1);
    assert_int_equal(errno, EAGAIN);
    io_wrapper_delref(a);
    io_wrapper_delref(z);
    hs_channel_free(chan);
}

/* proves: io_wrapper_wait */
static void
a_waiting_reader_is_woken_from_the_loop(void **state)
{
    (void)state;
    struct waited w = { 0 };
    char b[8];
    io_object *io = open_channel(100, 0);
    assert_int_equal(io_wrapper_wait(io, IO_WAIT_READ, on_wait, &w), 0);
    assert_trace("sw");
    hs_loop_turn(loop, false);
    assert_int_equal(w.calls, 0);
    hs_channel_write(chan, "abc", 3);
    hs_channel_write(chan, "def", 3);
    assert_int_equal(w.calls, 0);
    hs_loop_turn(loop, false);
    assert_int_equal(w.calls, 1);
    assert_int_equal(io_wrapper_wait(io, IO_WAIT_READ, on_wait, &w), 0); /* there is something */
    hs_loop_turn(loop, false);
    assert_int_equal(w.calls, 2);
    assert_int_equal(io_wrapper_read(io, b, 8), 6);
    assert_int_equal(io_wrapper_wait(io, IO_WAIT_READ, on_wait, &w), 0);
    assert_int_equal(io_wrapper_wait(io, 0, NULL, NULL), 0);
    assert_trace("wn");
    hs_channel_write(chan, "x", 1);
    hs_loop_turn(loop, false);
    assert_int_equal(w.calls, 2);
    hs_io_consume(io, 1);
    assert_int_equal(io_wrapper_wait(io, IO_WAIT_READ, on_wait, &w), 0);
    hs_channel_end(chan, 0, false);
    hs_loop_turn(loop, false);
    assert_int_equal(w.calls, 3);
    io_wrapper_delref(io);
    hs_channel_free(chan);
}

static void
an_error_comes_after_what_is_queued_or_at_once(void **state)
{
    (void)state;
    char b[8];
    io_object *io = open_channel(100, 0);
    hs_channel_write(chan, "abc", 3);
    hs_channel_end(chan, ECONNRESET, false);
    assert_int_equal(io_wrapper_read(io, b, 8), 3);
    assert_int_equal(io_wrapper_read(io, b, 8), -1);
    assert_int_equal(errno, ECONNRESET);
    io_wrapper_delref(io);
    hs_channel_free(chan);
    io = open_channel(100, 0);
    hs_channel_write(chan, "abc", 3);
    hs_channel_end(chan, 0, false);
    hs_channel_end(chan, ETIMEDOUT, true); /* may still come after the end */
    assert_int_equal(io_wrapper_read(io, b, 8), -1);
    assert_int_equal(errno, ETIMEDOUT);
    io_wrapper_delref(io);
    hs_channel_free(chan);
}

static void
readers_outlive_the_writer(void **state)
{
    (void)state;
    struct waited w = { 0 };
    char b[8];
    io_object *io = open_channel(100, 0);
    hs_channel_write(chan, "abc", 3);
    hs_channel_free(chan); /* without an end */
    assert_int_equal(io_wrapper_read(io, b, 8), 3);
    assert_int_equal(io_wrapper_read(io, b, 8), -1);
    assert_int_equal(errno, ECONNABORTED);
    io_wrapper_delref(io);
    assert_trace(""); /* nobody to tell */
    io = open_channel(100, 0);
    assert_int_equal(io_wrapper_wait(io, IO_WAIT_READ, on_wait, &w), 0);
    hs_channel_end(chan, 0, false);
    hs_channel_free(chan);
    hs_loop_turn(loop, false);
    assert_int_equal(w.calls, 1);
    assert_int_equal(io_wrapper_read(io, b, 8), 0);
    io_wrapper_delref(io);
    hs_channel_free(NULL);
}

static void
upcalls_may_write_and_free(void **state)
{
    (void)state;
    char b[8];
    io_object *io = open_channel(100, 0);
    write_at_start = free_at_close = true;
    assert_int_equal(io_wrapper_read(io, b, 8), 5);
    assert_memory_equal(b, "first", 5);
    io_wrapper_delref(io);
    assert_trace("sc");
}

static void *
drop_reference(void *arg)
{
    io_wrapper_delref(arg);
    return NULL;
}

static void
the_last_reference_may_go_in_another_thread(void **state)
{
    (void)state;
    pthread_t thread;
    io_object *io = open_channel(100, 0);
    assert_int_equal(pthread_create(&thread, NULL, drop_reference, io), 0);
    pthread_join(thread, NULL);
    assert_trace("");
    while (trace[0] == '\0') {
        hs_loop_turn(loop, true);
    }
    assert_trace("c"); /* on the loop */
    hs_channel_free(chan);
}

static void
channel_scenario(void *arg)
{
    (void)arg;
    struct hs_channel *c;
    if (hs_channel_new(100, 0, NULL, NULL, &c) != 0) {
        return;
    }
    io_object *io = hs_channel_reader(c);
    if (io == NULL) {
        assert_int_equal(errno, ENOMEM);
        hs_channel_free(c);
        return;
    }
    static const char data[5000];
    char b[100];
    int first = hs_channel_write(c, "x", 1), second = hs_channel_write(c, data, sizeof data);
    assert_true(first == 0 || first == ENOMEM);
    assert_true(second == 0 || second == ENOMEM);
    assert_int_equal(hs_channel_queued(c), (first == 0) + (second == 0 ? sizeof data : 0)); /* all or nothing */
    if (first == 0) {
        assert_true(io_wrapper_read(io, b, 100) > 0);
        assert_int_equal(b[0], 'x');
    }
    io_wrapper_delref(io);
    hs_channel_free(c);
}

static void
threat_38_each_allocation_may_fail(void **state)
{
    (void)state;
    assert_true(alloc_fail_each(channel_scenario, NULL) >= 5);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        io_test(bytes_go_through_in_order),
        io_test(bytes_can_be_lent),
        io_test(room_is_told_below_the_low_mark),
        io_test(large_streams_keep_their_order),
        io_test(readers_share_one_cursor),
        io_test(ruling_13_a_second_reader_is_busy),
        io_test(a_waiting_reader_is_woken_from_the_loop),
        io_test(an_error_comes_after_what_is_queued_or_at_once),
        io_test(readers_outlive_the_writer),
        io_test(upcalls_may_write_and_free),
        io_test(the_last_reference_may_go_in_another_thread),
        io_test(threat_38_each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
