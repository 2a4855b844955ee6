/* test_io_connect.c - io_connect.c: connections as they come about, stand, and fail.
 * Unix sockets, and loopback addresses at ports that the kernel chooses. */
#include "io/io_kind.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "misc/ec_sockaddr.h"

#include "io_test.h"

#include "alloc_fail.h"

/* A socket bound to at, with its whole address in text; listening when backlog is not negative. -1 where there is no such family. */
static int
listener(const char *at, char text[EC_SOCKADDR_TEXT_MAX], int backlog)
{
    ec_sockaddr a;
    assert_int_equal(ec_sockaddr_parse(&a, at), 0);
    int fd = socket(a.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, &a.sa, a.len) != 0) {
        close(fd);
        return -1;
    }
    if (backlog >= 0) {
        assert_int_equal(listen(fd, backlog), 0);
    }
    struct sockaddr_storage ss = { 0 };
    socklen_t len = sizeof ss;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
    assert_int_equal(ec_sockaddr_set(&a, (struct sockaddr *)&ss, len), 0);
    assert_int_equal(ec_sockaddr_format(&a, text, EC_SOCKADDR_TEXT_MAX), 0);
    return fd;
}

/* A name of this process for a unix socket that leaves no file behind. */
static const char *
abstract_name(char name[64], const char *what)
{
    snprintf(name, 64, "unix:@httpsrv-test-%ld-%s", (long)getpid(), what);
    return name;
}

/* Waits until an empty write is taken; 0 or errno. */
static int
connected(io_object *io)
{
    while (io_wrapper_write(io, "", 0) < 0) {
        if (errno != EAGAIN) {
            return errno;
        }
        wait_for(io, IO_WAIT_WRITE);
    }
    return 0;
}

static void
goes_both_ways(int lfd, const char *address)
{
    char b[16];
    assert_true(lfd >= 0);
    io_object *io = hs_io_connect(address);
    assert_non_null(io);
    assert_string_equal(io_wrapper_get_scheme(io), "connect");
    assert_int_equal(io_wrapper_get_options(io), O_RDWR);
    assert_int_equal(connected(io), 0);
    int peer = accept4(lfd, NULL, NULL, SOCK_CLOEXEC);
    assert_true(peer >= 0);
    assert_int_equal(hs_io_read(io, b, sizeof b), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(io_wrapper_write(io, "hello", 5), 5);
    assert_int_equal(read(peer, b, sizeof b), 5);
    assert_memory_equal(b, "hello", 5);
    assert_int_equal(write(peer, "world", 5), 5);
    wait_for(io, IO_WAIT_READ);
    assert_int_equal(hs_io_read(io, b, sizeof b), 5);
    assert_memory_equal(b, "world", 5);
    assert_int_equal(io_wrapper_supports_lseek(io), 0);
    assert_int_equal(io_wrapper_get_size(io), -1);
    close(peer);
    assert_content(io, ""); /* its end */
    ssize_t r;
    while ((r = io_wrapper_write(io, "x", 1)) >= 0) { /* until the peer's reset is here; and no SIGPIPE */
    }
    assert_true(errno == EPIPE || errno == ECONNRESET);
    io_wrapper_delref(io);
    close(lfd);
}

static void
a_unix_socket_is_connected(void **state)
{
    (void)state;
    char name[64], text[EC_SOCKADDR_TEXT_MAX];
    goes_both_ways(listener(abstract_name(name, "both"), text, 5), name);
    char address[64] = "unix:/tmp/httpsrv-test-XXXXXX";
    int fd = mkstemp(address + 5); /* a name that is free */
    assert_true(fd >= 0);
    close(fd);
    unlink(address + 5);
    goes_both_ways(listener(address, text, 5), address);
    unlink(address + 5);
}

static void
tcp_is_connected(void **state)
{
    (void)state;
    char text[EC_SOCKADDR_TEXT_MAX];
    int fd = listener("127.0.0.1:0", text, 5);
    if (fd < 0) {
        skip();
    }
    goes_both_ways(fd, text);
    fd = listener("[::1]:0", text, 5);
    if (fd >= 0) {
        assert_int_equal(text[0], '[');
        goes_both_ways(fd, text);
    }
}

/* Reading first works as well, and in a thread without a loop it waits. */
static void
without_a_loop_it_blocks(void **state)
{
    (void)state;
    char text[EC_SOCKADDR_TEXT_MAX], b[8];
    int fd = listener("127.0.0.1:0", text, 5);
    if (fd < 0) {
        skip();
    }
    io_object *io = hs_io_connect(text);
    assert_int_equal(io_wrapper_write(io, "ping", 4), 4);
    int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    assert_int_equal(read(peer, b, sizeof b), 4);
    assert_int_equal(write(peer, "pong", 4), 4);
    assert_int_equal(io_wrapper_read(io, b, sizeof b), 4);
    assert_memory_equal(b, "pong", 4);
    io_wrapper_delref(io);
    close(peer);
    close(fd);
}

/* Read and write say what is wrong, each time. */
static void
fails_with(const char *address, int want)
{
    char b;
    io_object *io = hs_io_connect(address);
    assert_non_null(io);
    assert_int_equal(connected(io), want);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(io_wrapper_read(io, &b, 1), -1);
        assert_int_equal(errno, want);
        assert_int_equal(io_wrapper_write(io, "x", 1), -1);
        assert_int_equal(errno, want);
        wait_for(io, IO_WAIT_READ);
    }
    io_wrapper_delref(io);
}

static void
the_error_comes_from_reads_and_writes(void **state)
{
    (void)state;
    char name[64], text[EC_SOCKADDR_TEXT_MAX];
    fails_with("unix:/nonexistent/socket", ENOENT);
    fails_with(abstract_name(name, "nobody"), ECONNREFUSED);
    int fd = listener("127.0.0.1:0", text, -1); /* bound, so nobody else's, and not listening */
    if (fd >= 0) {
        fails_with(text, ECONNREFUSED);
        close(fd);
    }
}

static void
what_is_no_address_is_refused(void **state)
{
    (void)state;
    const char *const bad[] = { "",          ":",         "80",           ":80",          "127.0.0.1",  "127.0.0.1:",
                                "localhost:80", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:8o",
                                "::1:80",    "[::1]",     "[::1]:0",      "[::1:80",      "unix:",      "unix:@",
                                "1.2.3:80",  "http://127.0.0.1:80" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        errno = 0;
        assert_null(hs_io_connect(bad[i]));
        assert_int_equal(errno, EINVAL);
    }
    assert_null(hs_io_connect(NULL));
    assert_int_equal(errno, EINVAL);
    char longest[200] = "unix:/";
    memset(longest + 6, 'x', sizeof longest - 7);
    assert_null(hs_io_connect(longest));
    assert_int_equal(errno, EINVAL);
}

/* Where the listener's queue is full a unix connect has to be tried again. */
static void
a_full_unix_queue_is_tried_again(void **state)
{
    (void)state;
    enum { MANY = 10 };
    char name[64], text[EC_SOCKADDR_TEXT_MAX], b[4];
    int lfd = listener(abstract_name(name, "full"), text, 0);
    io_object *io[MANY];
    int n = 0, err = 0;
    while (n < MANY && err == 0) {
        io[n] = hs_io_connect(name);
        assert_non_null(io[n]);
        err = io_wrapper_write(io[n], "", 0) < 0 ? errno : 0;
        n++;
    }
    assert_int_equal(err, EAGAIN);
    io_object *last = io[n - 1];
    assert_int_equal(io_wrapper_read(last, b, 4), -1);
    assert_int_equal(errno, EAGAIN);

    struct waited w = { 0 };
    assert_int_equal(hs_io_wait(last, IO_WAIT_READ, on_wait, &w), 0);
    hs_loop_turn(loop, false);
    assert_int_equal(w.calls, 0);
    hs_loop_advance(loop, 10 * HS_MSEC);
    assert_int_equal(w.calls, 1);
    assert_int_equal(io_wrapper_write(last, "x", 1), -1);
    assert_int_equal(errno, EAGAIN);

    int peer = accept4(lfd, NULL, NULL, SOCK_CLOEXEC);
    assert_true(peer >= 0);
    assert_int_equal(hs_io_wait(last, IO_WAIT_WRITE, on_wait, &w), 0);
    hs_loop_advance(loop, 10 * HS_MSEC);
    assert_int_equal(w.calls, 2);
    assert_int_equal(io_wrapper_write(last, "made", 4), 4);
    close(peer);
    for (int i = 1; i < n; i++) {
        peer = accept4(lfd, NULL, NULL, SOCK_CLOEXEC);
        assert_true(peer >= 0);
        if (i == n - 1) {
            assert_int_equal(read(peer, b, 4), 4);
            assert_memory_equal(b, "made", 4);
        }
        close(peer);
    }
    for (int i = 0; i < n; i++) {
        io_wrapper_delref(io[i]);
    }
    close(lfd);
}

/* A listener that is gone while it is tried again. */
static void
a_full_queue_may_end_in_an_error(void **state)
{
    (void)state;
    char name[64], text[EC_SOCKADDR_TEXT_MAX];
    int lfd = listener(abstract_name(name, "gone"), text, 0);
    io_object *first = hs_io_connect(name), *second = hs_io_connect(name), *io = hs_io_connect(name);
    assert_int_equal(io_wrapper_write(io, "", 0), -1);
    assert_int_equal(errno, EAGAIN);
    close(lfd);
    assert_int_equal(io_wrapper_write(io, "", 0), -1);
    assert_int_equal(errno, ECONNREFUSED);
    io_wrapper_delref(first);
    io_wrapper_delref(second);
    io_wrapper_delref(io);
}

/* A connection that does not come about: a full queue drops what would begin it. */
static void
it_can_be_given_up_while_connecting(void **state)
{
    (void)state;
    enum { MANY = 8 };
    char text[EC_SOCKADDR_TEXT_MAX], b;
    io_object *io[MANY], *waiting = NULL;
    int n, lfd = listener("127.0.0.1:0", text, 0);
    if (lfd < 0) {
        skip();
    }
    for (n = 0; n < MANY && waiting == NULL; n++) {
        io[n] = hs_io_connect(text);
        assert_non_null(io[n]);
        if (io_wrapper_write(io[n], "", 0) < 0) {
            assert_int_equal(errno, EAGAIN);
            waiting = io[n];
        }
    }
    if (waiting != NULL) {
        struct waited w = { 0 };
        assert_int_equal(io_wrapper_read(waiting, &b, 1), -1);
        assert_int_equal(errno, EAGAIN);
        assert_int_equal(hs_io_wait(waiting, IO_WAIT_READ, on_wait, &w), 0);
        hs_loop_turn(loop, false);
        assert_int_equal(w.calls, 0);
        assert_int_equal(hs_io_wait(waiting, IO_WAIT_READ, NULL, NULL), 0);
        assert_int_equal(hs_io_wait(waiting, IO_WAIT_READ, on_wait, &w), 0);
        hs_io_close(hs_io_of(waiting));
        hs_loop_turn(loop, false);
        assert_int_equal(w.calls, 1);
    }
    while (n > 0) {
        io_wrapper_delref(io[--n]);
    }
    close(lfd);
    if (waiting == NULL) {
        skip();
    }
}

static void
connect_scenario(void *arg)
{
    io_object *io = hs_io_connect(arg);
    if (io == NULL) {
        assert_int_equal(errno, ENOMEM);
        return;
    }
    struct waited w = { 0 };
    int err = hs_io_wait(io, IO_WAIT_READ, on_wait, &w);
    assert_true(err == 0 || err == ENOMEM);
    hs_io_wait(io, IO_WAIT_READ, NULL, NULL);
    io_wrapper_delref(io);
}

static void
threat_38_each_allocation_may_fail(void **state)
{
    (void)state;
    char name[64], text[EC_SOCKADDR_TEXT_MAX];
    int fd = listener(abstract_name(name, "memory"), text, 20);
    assert_true(alloc_fail_each(connect_scenario, name) >= 2);
    close(fd);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        io_test(a_unix_socket_is_connected),
        io_test(tcp_is_connected),
        io_test_no_loop(without_a_loop_it_blocks),
        io_test(the_error_comes_from_reads_and_writes),
        io_test(what_is_no_address_is_refused),
        io_test_clock(a_full_unix_queue_is_tried_again),
        io_test(a_full_queue_may_end_in_an_error),
        io_test(it_can_be_given_up_while_connecting),
        io_test(threat_38_each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
