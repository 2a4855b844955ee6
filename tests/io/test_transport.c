/* test_transport.c - io/transport.h: sockets and the pair in memory, which must behave alike. */
#include "io/transport.h"

#include <limits.h>

#include "alloc_fail.h"
#include "transport_test.h"

static int
set_up(void)
{
    int err = hs_loop_new(NULL, &loop);
    return err != 0 ? err : make_pair();
}

static int
set_up_sockets(void **state)
{
    (void)state;
    in_memory = false;
    return set_up();
}

static int
set_up_memory(void **state)
{
    (void)state;
    in_memory = true;
    options = (struct hs_memory_pair_options){ 0 };
    return set_up();
}

static int
set_up_one_byte_memory(void **state)
{
    (void)state;
    in_memory = true;
    options = (struct hs_memory_pair_options){ .capacity = 3, .read_max = 1, .write_max = 1 };
    return set_up();
}

static int
tear_down(void **state)
{
    (void)state;
    close_end(&a, false);
    close_end(&b, false);
    hs_loop_free(loop);
    return 0;
}

static void
bytes_go_both_ways(void **state)
{
    (void)state;
    char buf[16];
    assert_fails(get(&a, buf, sizeof buf), EAGAIN);
    assert_int_equal(put(&a, "ping", 4), 4);
    assert_int_equal(put(&b, "pong!", 5), 5);
    assert_int_equal(get(&b, buf, sizeof buf), 4);
    assert_memory_equal(buf, "ping", 4);
    assert_int_equal(get(&a, buf, 2), 2);
    assert_int_equal(get(&a, buf + 2, sizeof buf), 3);
    assert_memory_equal(buf, "pong!", 5);
    assert_fails(get(&a, buf, sizeof buf), EAGAIN);
}

static void
readiness_is_level_triggered(void **state)
{
    (void)state;
    char buf[4];
    assert_int_equal(put(&a, "xy", 2), 2);
    assert_int_equal(turn(&b), 0); /* nothing was asked for */
    want(&b, HS_READ);
    assert_int_equal(turn(&b), HS_READ);
    assert_int_equal(get(&b, buf, 1), 1);
    assert_int_equal(turn(&b), HS_READ); /* again, since a byte is left */
    assert_int_equal(get(&b, buf, 1), 1);
    assert_int_equal(turn(&b), 0);
    assert_int_equal(put(&a, "z", 1), 1);
    assert_int_equal(turn(&b), HS_READ);
    want(&b, 0);
    assert_int_equal(turn(&b), 0);
    want(&b, HS_READ | HS_WRITE | HS_CLOSED);
    assert_int_equal(turn(&b), HS_READ | HS_WRITE);
}

/* Gives until nothing more goes; how much that was. */
static size_t
fill(struct end *e)
{
    static const char zeros[8192];
    size_t total = 0;
    ssize_t n;
    while ((n = put(e, zeros, sizeof zeros)) > 0) {
        total += (size_t)n;
    }
    assert_int_equal(n, -1);
    assert_int_equal(errno, EAGAIN);
    return total;
}

static void
a_full_peer_is_not_writable(void **state)
{
    (void)state;
    want(&a, HS_WRITE);
    assert_int_equal(turn(&a), HS_WRITE);
    size_t n = fill(&a);
    assert_true(n > 0);
    assert_int_equal(turn(&a), 0);
    assert_int_equal(empty(&b), n);
    assert_int_equal(turn(&a), HS_WRITE);
}

static void
a_half_close_ends_one_way(void **state)
{
    (void)state;
    char buf[16];
    assert_int_equal(put(&a, "last", 4), 4);
    want(&b, HS_READ | HS_CLOSED);
    assert_int_equal(turn(&b), HS_READ);
    assert_int_equal(a.t->ops->shutdown_write(a.t), 0);
    assert_int_equal(turn(&b), HS_READ | HS_CLOSED);
    assert_fails(put(&a, "x", 1), EPIPE);
    assert_int_equal(get(&b, buf, sizeof buf), 4);
    assert_int_equal(get(&b, buf, sizeof buf), 0);
    assert_int_equal(get(&b, buf, sizeof buf), 0);
    assert_int_equal(turn(&b), HS_READ | HS_CLOSED);
    assert_int_equal(put(&b, "answer", 6), 6);
    assert_int_equal(get(&a, buf, sizeof buf), 6);
    assert_fails(get(&a, buf, sizeof buf), EAGAIN);
}

/* Ruling 3: seen with data unread, and by those who ask for nothing else. */
static void
ruling_03_closed_is_seen_alone(void **state)
{
    (void)state;
    want(&b, HS_CLOSED);
    assert_int_equal(turn(&b), 0);
    assert_int_equal(put(&a, "unread", 6), 6);
    assert_int_equal(turn(&b), 0);
    close_end(&a, false);
    assert_int_equal(turn(&b), HS_CLOSED);
    want(&b, 0);
    assert_int_equal(turn(&b), 0);
    want(&b, HS_CLOSED); /* and by those who ask late */
    assert_int_equal(turn(&b), HS_CLOSED);
}

static void
a_closed_peer_gives_its_last_bytes(void **state)
{
    (void)state;
    char buf[16];
    assert_int_equal(put(&a, "last", 4), 4);
    close_end(&a, false);
    want(&b, HS_READ | HS_WRITE);
    assert_int_equal(turn(&b), HS_READ | HS_WRITE);
    assert_fails(put(&b, "x", 1), EPIPE); /* and no SIGPIPE, which would end the test */
    assert_int_equal(get(&b, buf, sizeof buf), 4);
    assert_int_equal(get(&b, buf, sizeof buf), 0);
    assert_int_equal(turn(&b), HS_READ | HS_WRITE);
}

static void
closing_with_data_unread_resets(void **state)
{
    (void)state;
    char buf[16];
    assert_int_equal(put(&b, "unread", 6), 6);
    want(&b, HS_CLOSED);
    assert_int_equal(turn(&b), 0);
    close_end(&a, false);
    assert_int_equal(turn(&b), HS_CLOSED);
    want(&b, HS_READ);
    assert_int_equal(turn(&b), HS_READ);
    assert_fails(get(&b, buf, sizeof buf), ECONNRESET);
    assert_int_equal(get(&b, buf, sizeof buf), 0);
    assert_fails(put(&b, "x", 1), EPIPE);
}

static void
no_event_comes_after_close(void **state)
{
    (void)state;
    assert_int_equal(put(&a, "x", 1), 1);
    want(&b, HS_READ | HS_WRITE | HS_CLOSED);
    want(&a, HS_WRITE);
    close_end(&b, false); /* on_event asserts that it is not called */
    turn(&a);
    close_end(&a, true);
    turn(&a);
}

static void
an_event_may_close_its_transport(void **state)
{
    (void)state;
    b.close_in_event = true;
    want(&b, HS_WRITE);
    turn(&b);
    assert_null(b.t);
    a.close_in_event = true;
    want(&a, HS_CLOSED);
    turn(&a);
    assert_null(a.t);
}

static void
writev_gathers(void **state)
{
    (void)state;
    struct iovec iov[] = {
        { .iov_base = "one ", .iov_len = 4 },
        { .iov_base = NULL, .iov_len = 0 },
        { .iov_base = "two ", .iov_len = 4 },
        { .iov_base = "three", .iov_len = 5 },
    };
    char buf[32];
    assert_int_equal(a.t->ops->writev(a.t, iov, 4, true), 13);
    assert_int_equal(a.t->ops->writev(a.t, iov, 1, false), 4);
    assert_int_equal(get(&b, buf, sizeof buf), 17);
    assert_memory_equal(buf, "one two threeone ", 17);
}

static void
writev_takes_more_pieces_than_the_kernel(void **state)
{
    (void)state;
    struct iovec iov[IOV_MAX + 10];
    for (size_t i = 0; i < IOV_MAX + 10; i++) {
        iov[i] = (struct iovec){ .iov_base = "x", .iov_len = 1 };
    }
    ssize_t n = a.t->ops->writev(a.t, iov, IOV_MAX + 10, false);
    assert_true(n >= IOV_MAX);
    assert_int_equal(empty(&b), n);
}

#define STREAM ((size_t)300000)

/* All of a stream through whatever partial reads and writes there are, driven by events alone. */
static struct {
    size_t sent, got;
    bool wrong;
} stream;

static void
on_stream_event(void *arg, unsigned events)
{
    (void)arg;
    if (events & HS_WRITE) {
        char chunk[3][700];
        struct iovec iov[3];
        size_t at = stream.sent;
        for (size_t i = 0; i < 3; i++) {
            size_t n = (at + 131 * i) % sizeof chunk[i] + 1;
            n = n < STREAM - at ? n : STREAM - at;
            for (size_t k = 0; k < n; k++) {
                chunk[i][k] = byte_at(at++);
            }
            iov[i] = (struct iovec){ .iov_base = chunk[i], .iov_len = n };
        }
        ssize_t n = a.t->ops->writev(a.t, iov, 3, true);
        stream.sent += n > 0 ? (size_t)n : 0;
        if (stream.sent == STREAM) {
            a.t->ops->set_interest(a.t, 0);
            a.t->ops->shutdown_write(a.t);
        }
    }
    if (events & HS_READ) {
        char buf[1000];
        ssize_t n = b.t->ops->read(b.t, buf, stream.got % sizeof buf + 1);
        for (ssize_t i = 0; i < n; i++) {
            stream.wrong = stream.wrong || buf[i] != byte_at(stream.got++);
        }
        if (n == 0) {
            hs_loop_stop(loop);
        }
    }
}

static void
threat_39_a_stream_in_pieces_arrives_whole(void **state)
{
    (void)state;
    memset(&stream, 0, sizeof stream);
    a.t->on_event = b.t->on_event = on_stream_event;
    want(&a, HS_WRITE);
    want(&b, HS_READ);
    assert_int_equal(hs_loop_run(loop), 0);
    assert_int_equal(stream.sent, STREAM);
    assert_int_equal(stream.got, STREAM);
    assert_false(stream.wrong);
}

static void
sendfile_sends_from_an_offset(void **state)
{
    (void)state;
    int fd = make_file(50000);
    off_t off = 100;
    size_t got = 0;
    bool right = true;
    while (off < 50000) {
        off_t before = off;
        ssize_t n = a.t->ops->sendfile(a.t, fd, &off, (size_t)(50000 - off));
        assert_true(n > 0 || (n == -1 && errno == EAGAIN));
        assert_int_equal(off - before, n > 0 ? n : 0);
        char buf[4096];
        while ((n = get(&b, buf, sizeof buf)) > 0) {
            for (ssize_t i = 0; i < n; i++) {
                right = right && buf[i] == byte_at(100 + got++);
            }
        }
    }
    assert_int_equal(got, 50000 - 100);
    assert_true(right);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 50000); /* the file's own position was not used */
    off = 50000;
    assert_int_equal(a.t->ops->sendfile(a.t, fd, &off, 10), 0); /* the file ends here */
    assert_fails(a.t->ops->sendfile(a.t, -1, &off, 10), EBADF);
    assert_int_equal(off, 50000);
    close(fd);
}

static void
addresses_are_unnamed(void **state)
{
    (void)state;
    for (int peer = 0; peer < 2; peer++) {
        struct sockaddr_storage ss;
        socklen_t len = 0;
        assert_int_equal(a.t->ops->addr(a.t, peer == 1, &ss, &len), 0);
        assert_int_equal(ss.ss_family, AF_UNIX);
        assert_int_equal(len, sizeof ss.ss_family);
    }
    close_end(&b, false);
    struct sockaddr_storage ss;
    socklen_t len;
    int err = a.t->ops->addr(a.t, true, &ss, &len);
    assert_int_equal(err, in_memory ? ENOTCONN : 0);
}

static void
make_and_close(void *arg)
{
    (void)arg;
    if (make_pair() == 0) {
        close_end(&a, false);
        close_end(&b, true);
    }
}

static void
new_survives_each_failed_allocation(void **state)
{
    close_end(&a, false);
    close_end(&b, false);
    make_and_close(state);
    int before = open_fds();
    assert_int_equal(alloc_fail_each(make_and_close, NULL), 3);
    assert_int_equal(open_fds(), before); /* the socket is taken over on failure as well */
}

#define on_sockets(f) { #f " (sockets)", f, set_up_sockets, tear_down, NULL }
#define on_memory(f) { #f " (memory)", f, set_up_memory, tear_down, NULL }
#define on_one_byte(f) { #f " (one byte)", f, set_up_one_byte_memory, tear_down, NULL }
#define on_both(f) on_sockets(f), on_memory(f)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        on_both(bytes_go_both_ways),
        on_both(readiness_is_level_triggered),
        on_both(a_full_peer_is_not_writable),
        on_both(a_half_close_ends_one_way),
        on_both(ruling_03_closed_is_seen_alone),
        on_both(a_closed_peer_gives_its_last_bytes),
        on_both(closing_with_data_unread_resets),
        on_both(no_event_comes_after_close),
        on_both(an_event_may_close_its_transport),
        on_both(writev_gathers),
        on_both(writev_takes_more_pieces_than_the_kernel),
        on_both(threat_39_a_stream_in_pieces_arrives_whole),
        on_one_byte(threat_39_a_stream_in_pieces_arrives_whole),
        on_both(sendfile_sends_from_an_offset),
        on_one_byte(sendfile_sends_from_an_offset),
        on_both(addresses_are_unnamed),
        on_both(new_survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
