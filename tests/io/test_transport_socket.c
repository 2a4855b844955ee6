/* test_transport_socket.c - io/transport_socket.c: what sockets have of their own. */
#include "io/transport.h"

#include <sys/sendfile.h>
#include <sys/syscall.h>

#include "caught_syscall.h"
#include "transport_test.h"

/* --- system calls, which may be interrupted --- */

static unsigned interrupts; /* so many calls from now on give EINTR */
static unsigned calls_made;
static int last_flags;
static size_t last_count;

static bool
interrupted(void)
{
    calls_made++;
    if (interrupts == 0) {
        return false;
    }
    interrupts--;
    errno = EINTR;
    return true;
}

/* What the transport receives and sends with. */
static bool
answered(long number, const long args[6], long *result)
{
    if (number == SYS_sendto) {
        last_flags = (int)args[3];
    }
    *result = -1;
    return (number == SYS_sendto || number == SYS_recvfrom) && interrupted();
}

ssize_t
sendmsg(int fd, const struct msghdr *msg, int flags)
{
    last_flags = flags;
    return interrupted() ? -1 : syscall(SYS_sendmsg, fd, msg, flags);
}

ssize_t
sendfile(int out, int in, off_t *off, size_t n)
{
    last_count = n;
    return interrupted() ? -1 : syscall(SYS_sendfile, out, in, off, n);
}

static int
set_up(void)
{
    interrupts = 0;
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
tear_down(void **state)
{
    (void)state;
    close_end(&a, false);
    close_end(&b, false);
    hs_loop_free(loop);
    return 0;
}

static void
threat_39_interrupted_calls_are_made_again(void **state)
{
    (void)state;
    char buf[16];
    int fd = make_file(10);
    off_t off = 0;
    struct iovec iov[2] = { { .iov_base = "a", .iov_len = 1 }, { .iov_base = "b", .iov_len = 1 } };

    interrupts = 2, calls_made = 0;
    assert_int_equal(put(&a, "x", 1), 1);
    assert_int_equal(calls_made, 3);
    interrupts = 2, calls_made = 0;
    assert_int_equal(a.t->ops->writev(a.t, iov, 2, false), 2);
    assert_int_equal(calls_made, 3);
    interrupts = 2, calls_made = 0;
    assert_int_equal(a.t->ops->sendfile(a.t, fd, &off, 10), 10);
    assert_int_equal(calls_made, 3);
    interrupts = 2, calls_made = 0;
    assert_int_equal(get(&b, buf, sizeof buf), 13);
    assert_int_equal(calls_made, 3);
    close(fd);
}

static void
more_is_told_to_the_kernel(void **state)
{
    (void)state;
    struct iovec iov[2] = { { .iov_base = "a", .iov_len = 1 }, { .iov_base = "b", .iov_len = 1 } };
    for (int n = 1; n <= 2; n++) {
        assert_int_equal(a.t->ops->writev(a.t, iov, n, true), n);
        assert_int_equal(last_flags, MSG_NOSIGNAL | MSG_MORE);
        assert_int_equal(a.t->ops->writev(a.t, iov, n, false), n);
        assert_int_equal(last_flags, MSG_NOSIGNAL);
    }
}

static void
one_sendfile_is_at_most_2_mib(void **state)
{
    (void)state;
    int fd = make_file(10);
    off_t off = 0;
    assert_int_equal(a.t->ops->sendfile(a.t, fd, &off, (size_t)1 << 40), 10);
    assert_int_equal(last_count, 2 << 20);
    close(fd);
}

static void
close_closes_the_descriptor(void **state)
{
    (void)state;
    for (int reset = 0; reset < 2; reset++) {
        int fds[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
        struct hs_transport *t;
        assert_int_equal(hs_socket_transport_new(loop, fds[0], &t), 0);
        t->ops->close(t, reset == 1);
        assert_fails(fcntl(fds[0], F_GETFD), EBADF);
        close(fds[1]);
    }
}

#define on_sockets(f) cmocka_unit_test_setup_teardown(f, set_up_sockets, tear_down)

/* --- of which more is known --- */

static void
count_close(void *arg)
{
    ++*(int *)arg;
}

static void
what_is_known_is_told_and_the_close_too(void **state)
{
    (void)state;
    struct hs_transport *t;
    struct sockaddr_storage ss;
    socklen_t len;
    ec_sockaddr peer, local, got;
    int ends[2], closed = 0;
    assert_int_equal(ec_sockaddr_parse(&peer, "192.0.2.1:1234"), 0);
    assert_int_equal(ec_sockaddr_parse(&local, "[2001:db8::1]:80"), 0);
    for (int named = 0; named <= 1; named++) {
        const struct hs_socket_known known = { named ? &peer : NULL, named ? &local : NULL, count_close, &closed };
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
        assert_int_equal(hs_socket_transport_new_known(loop, ends[0], &known, &t), 0);
        for (int i = 0; i <= 1; i++) {
            assert_int_equal(t->ops->addr(t, i != 0, &ss, &len), 0);
            assert_int_equal(ec_sockaddr_set(&got, (struct sockaddr *)&ss, len), 0);
            assert_int_equal(got.sa.sa_family, !named ? AF_UNIX : i != 0 ? AF_INET : AF_INET6);
            assert_int_equal(ec_sockaddr_port(&got), !named ? 0 : i != 0 ? 1234 : 80);
        }
        assert_int_equal(t->ops->writev(t, &(struct iovec){ (void *)(uintptr_t) "hi", 2 }, 1, false), 2);
        char buf[4];
        assert_int_equal(read(ends[1], buf, sizeof buf), 2);
        assert_int_equal(closed, named);
        t->ops->close(t, named != 0);
        assert_int_equal(closed, named + 1);
        assert_int_equal(read(ends[1], buf, sizeof buf), 0);
        (void)close(ends[1]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        on_sockets(threat_39_interrupted_calls_are_made_again),
        on_sockets(more_is_told_to_the_kernel),
        on_sockets(one_sendfile_is_at_most_2_mib),
        on_sockets(close_closes_the_descriptor),
        on_sockets(what_is_known_is_told_and_the_close_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
