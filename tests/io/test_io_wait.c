/* test_io_wait.c - io_wait.c: one waiter, its reference, and the ways to wait for wrappers that have none (ruling 17). */
#include "io/io_kind.h"

#include <pthread.h>
#include <sys/socket.h>

#include "io_test.h"

#include "alloc_fail.h"

/* An application's source that can be told to block, to give EAGAIN, or to fail. */
struct source {
    const char *text;
    size_t pos;
    int again; /* this many EAGAINs first */
    int err;
    int fd;
    int closed;
    _Atomic int reads;
    pthread_t reader;
    pthread_mutex_t gate; /* held: reads block */
};

static ssize_t
source_read(io_object *io, void *buf, size_t n)
{
    struct source *s = io_wrapper_get_handle(io);
    s->reads++;
    s->reader = pthread_self();
    pthread_mutex_lock(&s->gate);
    pthread_mutex_unlock(&s->gate);
    if (s->again > 0 || s->err != 0) {
        errno = s->again-- > 0 ? EAGAIN : s->err;
        return -1;
    }
    size_t left = strlen(s->text) - s->pos;
    n = n < left ? n : left;
    memcpy(buf, s->text + s->pos, n);
    s->pos += n;
    return (ssize_t)n;
}

static ssize_t
source_readv(io_object *io, const struct iovec *iov, int iovcnt)
{
    assert_int_equal(iovcnt, 1);
    return source_read(io, iov->iov_base, iov->iov_len);
}

static ssize_t
source_write(io_object *io, const char *buf, size_t n)
{
    (void)buf;
    struct source *s = io_wrapper_get_handle(io);
    s->pos += n;
    return (ssize_t)n;
}

static int
source_close(io_object *io)
{
    ((struct source *)io_wrapper_get_handle(io))->closed++;
    return 0;
}

static off_t
source_lseek(io_object *io, off_t offset, int whence)
{
    struct source *s = io_wrapper_get_handle(io);
    off_t to = hs_io_seek_to((off_t)s->pos, (off_t)strlen(s->text), offset, whence);
    s->pos = to >= 0 ? (size_t)to : s->pos;
    return to;
}

static off_t
source_get_size(io_object *io)
{
    return (off_t)strlen(((struct source *)io_wrapper_get_handle(io))->text);
}

static int
yes(io_object *io)
{
    (void)io;
    return 1;
}

static int
source_fd(io_object *io)
{
    return ((struct source *)io_wrapper_get_handle(io))->fd;
}

#define SOURCE_BASE                                                                                                        \
    .sizeof_self = sizeof(io_wrapper), .read = source_read, .close = source_close, .lseek = source_lseek,                 \
    .get_size = source_get_size, .write = source_write

static const io_wrapper blocking = { SOURCE_BASE };
static const io_wrapper retried = { SOURCE_BASE, .supports_nonblocking = yes };
static const io_wrapper polled = { SOURCE_BASE, .supports_nonblocking = yes, .pollable_fd = source_fd };
static const io_wrapper blocking_readv = { .sizeof_self = sizeof(io_wrapper), .readv = source_readv };

static io_object *
open_source(const io_wrapper *w, struct source *s, const char *text)
{
    *s = (struct source){ .text = text, .fd = -1, .gate = PTHREAD_MUTEX_INITIALIZER };
    io_object *io = io_wrapper_create_object(w, s);
    assert_non_null(io);
    return io;
}

static void
turns(int n)
{
    while (n-- > 0) {
        assert_int_equal(hs_loop_turn(loop, false), 0);
    }
}

/* --- the waiter --- */

static void
ruling_17_one_waiter_an_io(void **state)
{
    (void)state;
    struct waited a = { 0 }, b = { 0 };
    io_object *r, *w;
    assert_int_equal(hs_io_pipe(&r, &w), 0);
    assert_int_equal(io_wrapper_wait(r, IO_WAIT_READ, on_wait, &a), 0);
    assert_int_equal(io_wrapper_wait(r, IO_WAIT_READ, on_wait, &b), -1);
    assert_int_equal(errno, EBUSY);
    assert_int_equal(hs_io_wait(r, IO_WAIT_READ, on_wait, &b), EBUSY);
    assert_int_equal(io_wrapper_write(w, "x", 1), 1);
    assert_int_equal(a.calls, 0);
    turns(3);
    assert_int_equal(a.calls, 1); /* once */
    assert_int_equal(b.calls, 0);
    assert_ptr_equal(a.io, r);
    assert_int_equal(io_wrapper_wait(r, IO_WAIT_READ, on_wait, &b), 0);
    turns(2);
    assert_int_equal(b.calls, 1);
    io_wrapper_delref(r);
    io_wrapper_delref(w);
}

static void
ruling_17_wait_with_null_cancels(void **state)
{
    (void)state;
    struct waited a = { 0 };
    io_object *r, *w;
    assert_int_equal(hs_io_pipe(&r, &w), 0);
    assert_int_equal(io_wrapper_wait(r, IO_WAIT_READ, NULL, NULL), 0); /* nothing to cancel */
    assert_int_equal(io_wrapper_wait(r, IO_WAIT_READ, on_wait, &a), 0);
    assert_int_equal(io_wrapper_write(w, "x", 1), 1);
    assert_int_equal(io_wrapper_wait(r, IO_WAIT_READ, NULL, NULL), 0);
    turns(3);
    assert_int_equal(a.calls, 0);
    /* a wake-up that is on its way is called back too */
    io_object *m = io_wrapper_open_memory("abc", 3, MEMTYPE_DONTCARE);
    assert_int_equal(io_wrapper_wait(m, IO_WAIT_READ, on_wait, &a), 0);
    assert_int_equal(io_wrapper_wait(m, IO_WAIT_READ, NULL, NULL), 0);
    io_wrapper_delref(m); /* and finds nothing to come to */
    turns(3);
    assert_int_equal(a.calls, 0);
    io_wrapper_delref(r);
    io_wrapper_delref(w);
}

static void
a_waiter_holds_a_reference(void **state)
{
    (void)state;
    struct waited a = { 0 };
    io_object *r, *w;
    assert_int_equal(hs_io_pipe(&r, &w), 0);
    assert_int_equal(io_wrapper_wait(r, IO_WAIT_READ, on_wait, &a), 0);
    io_wrapper_delref(r);
    assert_int_equal(hs_live_get(HS_LIVE_IO), live_before + 2);
    io_wrapper_delref(w); /* the end of the stream wakes */
    while (a.calls == 0) {
        hs_loop_turn(loop, true);
    }
    assert_int_equal(hs_live_get(HS_LIVE_IO), live_before);
    /* cancelling drops it as well */
    assert_int_equal(hs_io_pipe(&r, &w), 0);
    assert_int_equal(io_wrapper_wait(r, IO_WAIT_READ, on_wait, &a), 0);
    io_wrapper_delref(r);
    io_wrapper_wait(r, 0, NULL, NULL);
    assert_int_equal(hs_live_get(HS_LIVE_IO), live_before + 1);
    io_wrapper_delref(w);
}

static void
rearm(io_object *io, void *arg)
{
    struct waited *w = arg;
    if (++w->calls < 5) {
        assert_int_equal(hs_io_wait(io, IO_WAIT_READ, rearm, arg), 0);
    }
}

static void
a_waiter_may_wait_again_when_it_is_called(void **state)
{
    (void)state;
    struct waited a = { 0 };
    io_object *m = io_wrapper_open_memory("abc", 3, MEMTYPE_DONTCARE);
    assert_int_equal(hs_io_wait(m, IO_WAIT_READ, rearm, &a), 0);
    assert_int_equal(a.calls, 0);
    turns(10);
    assert_int_equal(a.calls, 5);
    io_wrapper_delref(m);
}

static void
waiting_wants_a_loop_and_a_direction(void **state)
{
    (void)state;
    struct waited a = { 0 };
    io_object *m = io_wrapper_open_memory("abc", 3, MEMTYPE_DONTCARE);
    if (loop == NULL) {
        assert_int_equal(hs_io_wait(m, IO_WAIT_READ, on_wait, &a), EDEADLK);
    } else {
        assert_int_equal(hs_io_wait(m, 0, on_wait, &a), EINVAL);
        assert_int_equal(hs_io_wait(m, 4, on_wait, &a), EINVAL);
    }
    assert_int_equal(a.calls, 0);
    io_wrapper_delref(m);
}

/* --- a wrapper's own wait --- */

static io_wrapper_wait_func own_fn;
static void *own_arg;
static int own_cancels;
static bool own_at_once; /* wrong, but survived: it calls from within wait */

static int
own_wait(io_object *io, int what, io_wrapper_wait_func fn, void *arg)
{
    (void)what;
    own_cancels += fn == NULL;
    own_fn = fn;
    own_arg = arg;
    if (own_at_once && fn != NULL) {
        fn(io, arg);
    }
    return 0;
}

static const io_wrapper own = { SOURCE_BASE, .wait = own_wait };

static void
ruling_17_a_wrappers_own_wait_is_used(void **state)
{
    (void)state;
    struct source s;
    struct waited a = { 0 };
    io_object *io = open_source(&own, &s, "abc");
    own_cancels = 0;
    own_at_once = false;
    assert_int_equal(io_wrapper_wait(io, IO_WAIT_READ, on_wait, &a), 0);
    own_fn(io, own_arg);
    assert_int_equal(a.calls, 1);
    own_at_once = true;
    assert_int_equal(io_wrapper_wait(io, IO_WAIT_READ, on_wait, &a), 0);
    assert_int_equal(a.calls, 1);
    turns(2);
    assert_int_equal(a.calls, 2);
    own_at_once = false;
    assert_int_equal(io_wrapper_wait(io, IO_WAIT_READ, on_wait, &a), 0);
    assert_int_equal(own_cancels, 0);
    assert_int_equal(io_wrapper_wait(io, IO_WAIT_READ, NULL, NULL), 0);
    assert_int_equal(own_cancels, 1);
    own_fn = NULL;
    io_wrapper_delref(io);
}

/* --- the ways of ruling 17 --- */

static void
ruling_17_a_pollable_fd_is_polled(void **state)
{
    (void)state;
    struct source s;
    struct waited a = { 0 };
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    io_object *io = open_source(&polled, &s, "abc");
    s.fd = fds[0];
    s.again = 1;
    char b[8];
    assert_int_equal(io_wrapper_read(io, b, 8), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(io_wrapper_wait(io, IO_WAIT_READ, on_wait, &a), 0);
    turns(3);
    assert_int_equal(a.calls, 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    turns(2);
    assert_int_equal(a.calls, 1);
    assert_int_equal(io_wrapper_read(io, b, 8), 3);
    assert_int_equal(io_wrapper_wait(io, IO_WAIT_WRITE, on_wait, &a), 0);
    turns(2);
    assert_int_equal(a.calls, 2);
    io_wrapper_delref(io);
    close(fds[0]);
    close(fds[1]);
}

static void
ruling_17_a_descriptor_that_cannot_be_polled_is_ready(void **state)
{
    (void)state;
    struct source s;
    io_object *io = open_source(&polled, &s, "abc");
    s.fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_true(s.fd >= 0);
    wait_for(io, IO_WAIT_READ);
    close(s.fd);
    io_wrapper_delref(io);
}

static void
ruling_17_a_non_blocking_wrapper_is_tried_each_10_ms(void **state)
{
    (void)state;
    struct source s;
    struct waited a = { 0 };
    io_object *io = open_source(&retried, &s, "abc");
    assert_int_equal(io_wrapper_wait(io, IO_WAIT_READ, on_wait, &a), 0);
    hs_loop_advance(loop, 9 * HS_MSEC);
    assert_int_equal(a.calls, 0);
    hs_loop_advance(loop, 1 * HS_MSEC);
    assert_int_equal(a.calls, 1);
    hs_loop_advance(loop, 100 * HS_MSEC);
    assert_int_equal(a.calls, 1);
    assert_int_equal(io_wrapper_wait(io, IO_WAIT_READ, on_wait, &a), 0);
    assert_int_equal(io_wrapper_wait(io, IO_WAIT_READ, NULL, NULL), 0);
    hs_loop_advance(loop, 100 * HS_MSEC);
    assert_int_equal(a.calls, 1);
    io_wrapper_delref(io);
}

static void
ruling_17_a_blocking_wrapper_is_read_in_the_pool(void **state)
{
    (void)state;
    struct source s;
    char b[8];
    const io_wrapper *kinds[] = { &blocking, &blocking_readv };
    for (size_t i = 0; i < 2; i++) {
        io_object *io = open_source(kinds[i], &s, "abcdef");
        assert_int_equal(io_wrapper_read(io, b, 4), -1);
        assert_int_equal(errno, EAGAIN);
        wait_for(io, IO_WAIT_READ);
        assert_false(pthread_equal(s.reader, pthread_self()));
        assert_int_equal(io_wrapper_read(io, b, 4), 4);
        assert_memory_equal(b, "abcd", 4);
        assert_int_equal(io_wrapper_read(io, b, 4), 2);
        assert_int_equal(s.reads, 1);
        assert_int_equal(read_all(io, b, 4, 4), 0);
        assert_int_equal(s.reads, 2);
        io_wrapper_delref(io);
    }
}

static void
ruling_17_nothing_enters_a_wrapper_that_the_pool_is_in(void **state)
{
    (void)state;
    struct source s;
    char b[8];
    io_object *io = open_source(&blocking, &s, "abcdef");
    pthread_mutex_lock(&s.gate);
    assert_int_equal(io_wrapper_read(io, b, 4), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(io_wrapper_read(io, b, 4), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(io_wrapper_write(io, b, 4), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(io_wrapper_lseek(io, 0, SEEK_SET), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(io_wrapper_get_size(io), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(io_wrapper_flush(io), -1);
    assert_int_equal(errno, EAGAIN);
    pthread_mutex_unlock(&s.gate);
    wait_for(io, IO_WAIT_READ);
    /* positions are those of the reader, whatever was read ahead */
    assert_int_equal(io_wrapper_read(io, b, 2), 2);
    assert_int_equal(s.pos, 6);
    assert_int_equal(io_wrapper_lseek(io, 1, SEEK_CUR), 3);
    assert_int_equal(s.pos, 3);
    assert_int_equal(read_all(io, b, 1, 1), 1);
    assert_memory_equal(b, "d", 1);
    assert_int_equal(io_wrapper_write(io, "x", 1), 1);
    assert_int_equal(s.pos, 5); /* behind the d */
    assert_int_equal(hs_io_remaining(io), 1);
    io_wrapper_delref(io);
}

static void
ruling_17_an_error_in_the_pool_comes_to_the_reader(void **state)
{
    (void)state;
    struct source s;
    char b[8];
    io_object *io = open_source(&blocking, &s, "abcdef");
    s.err = EIO;
    s.again = 1;
    assert_int_equal(read_all(io, b, 4, 4), -1);
    assert_int_equal(errno, EIO);
    s.err = 0;
    assert_int_equal(read_all(io, b, 8, 8), 6);
    io_wrapper_delref(io);
}

static void
an_io_given_up_during_a_read_in_the_pool_goes_with_its_end(void **state)
{
    (void)state;
    struct source s;
    char b[8];
    io_object *io = open_source(&blocking, &s, "abcdef");
    pthread_mutex_lock(&s.gate);
    assert_int_equal(io_wrapper_read(io, b, 4), -1);
    io_wrapper_delref(io);
    assert_int_equal(s.closed, 0);
    pthread_mutex_unlock(&s.gate);
    while (s.closed == 0) {
        hs_loop_turn(loop, true);
    }
    assert_int_equal(hs_live_get(HS_LIVE_IO), live_before);
}

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static void
an_io_closed_during_a_read_in_the_pool_is_closed_at_its_end(void **state)
{
    (void)state;
    struct source s;
    struct waited a = { 0 };
    char b[8];
    io_object *io = open_source(&blocking, &s, "abcdef");
    pthread_mutex_lock(&s.gate);
    assert_int_equal(io_wrapper_read(io, b, 4), -1);
    assert_int_equal(io_wrapper_wait(io, IO_WAIT_READ, on_wait, &a), 0);
    io_wrapper_close(io);
    io_wrapper_async_close(io);
    assert_int_equal(s.closed, 0);
    pthread_mutex_unlock(&s.gate);
    while (s.closed == 0 || a.calls == 0) {
        hs_loop_turn(loop, true);
    }
    assert_int_equal(a.calls, 1);
    assert_int_equal(io_wrapper_read(io, b, 4), -1);
    assert_int_equal(errno, EBADF);
    io_wrapper_delref(io);
    assert_int_equal(s.closed, 1);
}

/* --- a thread without a loop --- */

static void *
write_later(void *arg)
{
    usleep(1000); /* orders nothing: either way the reader gets the byte */
    io_wrapper_write(arg, "x", 1);
    return NULL;
}

static void
without_a_loop_reads_block(void **state)
{
    (void)state;
    char b[8];
    struct source s;
    io_object *r, *w;
    pthread_t thread;
    assert_int_equal(hs_io_pipe(&r, &w), 0);
    assert_int_equal(pthread_create(&thread, NULL, write_later, w), 0);
    assert_int_equal(io_wrapper_read(r, b, 8), 1);
    pthread_join(thread, NULL);
    io_wrapper_delref(r);
    io_wrapper_delref(w);
    /* what cannot be polled is tried again */
    io_object *io = open_source(&retried, &s, "abc");
    s.again = 2;
    assert_int_equal(io_wrapper_read(io, b, 8), 3);
    assert_int_equal(s.reads, 3);
    io_wrapper_delref(io);
    /* and a blocking wrapper is called directly */
    io = open_source(&blocking, &s, "abc");
    assert_int_equal(io_wrapper_read(io, b, 8), 3);
    assert_true(pthread_equal(s.reader, pthread_self()));
    s.again = 1; /* no telling when: this one is passed on */
    assert_int_equal(io_wrapper_read(io, b, 8), -1);
    assert_int_equal(errno, EAGAIN);
    io_wrapper_delref(io);
}

/* --- memory --- */

static void
pool_scenario(void *arg)
{
    (void)arg;
    struct source s;
    char b[8];
    *(&s) = (struct source){ .text = "abcdef", .fd = -1, .gate = PTHREAD_MUTEX_INITIALIZER };
    io_object *io = io_wrapper_create_object(&blocking, &s);
    if (io == NULL) {
        assert_int_equal(errno, ENOMEM);
        return;
    }
    struct waited w = { 0 };
    assert_int_equal(io_wrapper_read(io, b, 8), -1);
    if (errno == EAGAIN && io_wrapper_wait(io, IO_WAIT_READ, on_wait, &w) == 0) {
        while (w.calls == 0) {
            hs_loop_turn(loop, true);
        }
        if (io_wrapper_read(io, b, 8) != 6) {
            assert_int_equal(errno, ENOMEM);
        }
    }
    io_wrapper_delref(io);
    hs_pools_stop();
    hs_loop_turn(loop, false);
}

static void
wait_scenario(void *arg)
{
    (void)arg;
    struct waited a = { 0 };
    io_object *r, *w;
    int err = hs_io_pipe(&r, &w);
    if (err != 0) {
        assert_int_equal(err, ENOMEM);
        return;
    }
    err = hs_io_wait(r, IO_WAIT_READ, on_wait, &a);
    if (err == 0) {
        assert_int_equal(hs_io_wait(r, 0, NULL, NULL), 0);
    } else {
        assert_int_equal(err, ENOMEM);
    }
    io_wrapper_delref(r);
    io_wrapper_delref(w);
}

static void
threat_38_each_allocation_may_fail(void **state)
{
    (void)state;
    assert_true(alloc_fail_each(wait_scenario, NULL) >= 4);
    assert_true(alloc_fail_each(pool_scenario, NULL) >= 4);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        io_test(ruling_17_one_waiter_an_io),
        io_test(ruling_17_wait_with_null_cancels),
        io_test(a_waiter_holds_a_reference),
        io_test(a_waiter_may_wait_again_when_it_is_called),
        io_test(waiting_wants_a_loop_and_a_direction),
        io_test_no_loop(waiting_wants_a_loop_and_a_direction),
        io_test(ruling_17_a_wrappers_own_wait_is_used),
        io_test(ruling_17_a_pollable_fd_is_polled),
        io_test(ruling_17_a_descriptor_that_cannot_be_polled_is_ready),
        io_test_clock(ruling_17_a_non_blocking_wrapper_is_tried_each_10_ms),
        io_test(ruling_17_a_blocking_wrapper_is_read_in_the_pool),
        io_test(ruling_17_nothing_enters_a_wrapper_that_the_pool_is_in),
        io_test(ruling_17_an_error_in_the_pool_comes_to_the_reader),
        io_test(an_io_given_up_during_a_read_in_the_pool_goes_with_its_end),
        io_test(an_io_closed_during_a_read_in_the_pool_is_closed_at_its_end),
        io_test_no_loop(without_a_loop_reads_block),
        io_test(threat_38_each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
