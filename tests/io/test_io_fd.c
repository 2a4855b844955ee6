/* test_io_fd.c - io_fd.c: pipes, sockets, terminals and what fdopen makes of a descriptor. */
#include "io/io_kind.h"

#include <signal.h>
#include <sys/socket.h>

#include "io_test.h"

#include "alloc_fail.h"

/* The calls it makes, caught so that they can be interrupted. */
static int eintr;

static bool
interrupted(void)
{
    if (eintr > 0) {
        eintr--;
        errno = EINTR;
        return true;
    }
    return false;
}

ssize_t
read(int fd, void *buf, size_t n)
{
    return interrupted() ? -1 : readv(fd, &(struct iovec){ buf, n }, 1);
}

ssize_t
sendmsg(int fd, const struct msghdr *msg, int flags)
{
    if (interrupted()) {
        return -1;
    }
    assert_true(flags & MSG_NOSIGNAL);
    return msg->msg_iovlen == 1 ? sendto(fd, msg->msg_iov->iov_base, msg->msg_iov->iov_len, flags, NULL, 0)
                                : sendmmsg(fd, &(struct mmsghdr){ .msg_hdr = *msg }, 1, flags);
}

static void
a_pipe_gives_eagain_then_bytes_then_its_end(void **state)
{
    (void)state;
    char b[8];
    io_object *r, *w;
    assert_int_equal(hs_io_pipe(&r, &w), 0);
    assert_int_equal(io_wrapper_read(r, b, 8), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(io_wrapper_printf(w, "%s %d", "abc", 7), 5);
    wait_for(r, IO_WAIT_READ);
    assert_int_equal(io_wrapper_read(r, b, 3), 3);
    assert_int_equal(io_wrapper_read(r, b, 8), 2);
    assert_int_equal(io_wrapper_lseek(r, 0, SEEK_CUR), -1);
    assert_int_equal(errno, ESPIPE);
    assert_int_equal(io_wrapper_supports_lseek(r), 0);
    assert_int_equal(io_wrapper_get_size(r), -1);
    assert_int_equal(errno, ENOTSUP);
    assert_int_equal(hs_io_remaining(r), -1);
    assert_null(io_wrapper_clone(r));
    assert_int_equal(errno, ENOTSUP);
    assert_int_equal(fcntl(hs_io_pollable_fd(hs_io_of(r)), F_GETFD), FD_CLOEXEC);
    assert_int_equal(io_wrapper_read(w, b, 8), -1);
    assert_int_equal(errno, EBADF);
    io_wrapper_delref(w);
    wait_for(r, IO_WAIT_READ);
    assert_int_equal(io_wrapper_read(r, b, 8), 0);
    io_wrapper_delref(r);
}

static void
a_full_pipe_gives_eagain_and_waits_for_room(void **state)
{
    (void)state;
    static char b[65536];
    io_object *r, *w;
    struct waited a = { 0 };
    assert_int_equal(hs_io_pipe(&r, &w), 0);
    while (io_wrapper_write(w, b, sizeof b) > 0) {
    }
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(io_wrapper_wait(w, IO_WAIT_WRITE, on_wait, &a), 0);
    hs_loop_turn(loop, false);
    assert_int_equal(a.calls, 0);
    assert_true(io_wrapper_read(r, b, sizeof b) > 0);
    while (a.calls == 0) {
        hs_loop_turn(loop, true);
    }
    assert_true(io_wrapper_write(w, b, 1) == 1);
    io_wrapper_delref(r);
    io_wrapper_delref(w);
}

static int sigpipes;

static void
on_sigpipe(int sig)
{
    (void)sig;
    sigpipes++;
}

static void
threat_39_a_reader_that_is_gone_gives_epipe_and_no_signal(void **state)
{
    (void)state;
    struct sigaction sa = { .sa_handler = on_sigpipe }, old;
    sigaction(SIGPIPE, &sa, &old);
    sigpipes = 0;
    io_object *r, *w;
    assert_int_equal(hs_io_pipe(&r, &w), 0);
    io_wrapper_delref(r);
    assert_int_equal(io_wrapper_write(w, "x", 1), -1);
    assert_int_equal(errno, EPIPE);
    io_wrapper_delref(w);
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    io_object *s = io_wrapper_fdopen(fds[0]);
    assert_non_null(s);
    close(fds[1]);
    assert_int_equal(io_wrapper_write(s, "x", 1), -1);
    assert_int_equal(errno, EPIPE);
    io_wrapper_delref(s);
    assert_int_equal(sigpipes, 0);
    raise(SIGPIPE); /* and others still come through */
    assert_int_equal(sigpipes, 1);
    sigaction(SIGPIPE, &old, NULL);
}

static void
threat_39_interrupted_calls_are_repeated(void **state)
{
    (void)state;
    char b[8];
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    io_object *s = io_wrapper_fdopen(fds[0]), *t = io_wrapper_fdopen(fds[1]);
    eintr = 3;
    assert_int_equal(io_wrapper_write(s, "abc", 3), 3);
    assert_int_equal(eintr, 0);
    eintr = 3;
    assert_int_equal(io_wrapper_read(t, b, 8), 3);
    assert_int_equal(eintr, 0);
    io_wrapper_delref(s);
    io_wrapper_delref(t);
}

static void
threat_39_a_reset_comes_to_the_reader(void **state)
{
    (void)state;
    char b[8];
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    io_object *s = io_wrapper_fdopen(fds[0]);
    assert_int_equal(io_wrapper_write(s, "abc", 3), 3);
    close(fds[1]); /* with bytes unread: a reset, also on unix sockets */
    wait_for(s, IO_WAIT_READ);
    assert_int_equal(io_wrapper_read(s, b, 8), -1);
    assert_int_equal(errno, ECONNRESET);
    io_wrapper_delref(s);
}

static void
a_socket_goes_both_ways(void **state)
{
    (void)state;
    char b[8];
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    io_object *s = io_wrapper_fdopen(fds[0]), *t = io_wrapper_fdopen(fds[1]);
    struct iovec iov[3] = { { (void *)(uintptr_t) "ab", 2 }, { NULL, 0 }, { (void *)(uintptr_t) "c", 1 } };
    assert_int_equal(hs_io_claim(s), 0); /* a claim is for reading */
    assert_true(io_wrapper_writev(s, iov, 1) == 2);
    hs_io_release(s);
    assert_int_equal(io_wrapper_read(t, b, 8), 2);
    assert_int_equal(io_wrapper_write(t, "yes", 3), 3);
    assert_int_equal(io_wrapper_read(s, b, 8), 3);
    assert_memory_equal(b, "yes", 3);
    io_wrapper_delref(t);
    io_wrapper_delref(s);
}

/* proves: io_wrapper_fdopen */
static void
fdopen_takes_what_it_is_given(void **state)
{
    (void)state;
    char path[64], b[8];
    int fds[2];
    assert_null(io_wrapper_fdopen(-1));
    assert_int_equal(errno, EBADF);
    int dir = open("/tmp", O_RDONLY | O_CLOEXEC);
    assert_null(io_wrapper_fdopen(dir));
    assert_int_equal(errno, EISDIR);
    assert_int_equal(close(dir), 0); /* still ours */

    make_file(path, "/tmp", "hello world", 11);
    int fd = open(path, O_RDONLY);
    assert_int_equal(lseek(fd, 6, SEEK_SET), 6);
    io_object *io = io_wrapper_fdopen(fd);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(io_wrapper_get_options(io) & O_ACCMODE, O_RDONLY);
    assert_int_equal(hs_io_remaining(io), 5); /* from where it stood */
    assert_content(io, "world");
    io_wrapper_delref(io);
    assert_int_equal(fcntl(fd, F_GETFD), -1); /* closed */
    unlink(path);

    io = io_wrapper_fdopen(open("/dev/null", O_RDWR));
    wait_for(io, IO_WAIT_READ);
    assert_int_equal(io_wrapper_read(io, b, 8), 0);
    assert_int_equal(io_wrapper_write(io, b, 8), 8);
    io_wrapper_delref(io);
    io = io_wrapper_fdopen(open("/dev/zero", O_RDONLY));
    assert_int_equal(io_wrapper_read(io, b, 8), 8);
    io_wrapper_delref(io);

    /* others may share its flags: they come back */
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    int copy = dup(fds[0]);
    io = io_wrapper_fdopen(fds[0]);
    assert_int_equal(fcntl(copy, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    io_wrapper_delref(io);
    assert_int_equal(fcntl(copy, F_GETFL) & O_NONBLOCK, 0);
    close(copy);
    close(fds[1]);
}

static void
a_terminal_is_read(void **state)
{
    (void)state;
    char b[16];
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(master >= 0);
    assert_int_equal(grantpt(master), 0);
    assert_int_equal(unlockpt(master), 0);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(slave >= 0);
    io_object *io = io_wrapper_fdopen(slave);
    assert_int_equal(io_wrapper_read(io, b, 16), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(write(master, "line\n", 5), 5);
    wait_for(io, IO_WAIT_READ);
    assert_int_equal(io_wrapper_read(io, b, 16), 5);
    io_wrapper_delref(io);
    close(master);
}

static void
fd_scenario(void *arg)
{
    (void)arg;
    io_object *r = NULL, *w = NULL;
    int err = hs_io_pipe(&r, &w);
    if (err != 0) {
        assert_int_equal(err, ENOMEM);
        assert_null(r);
        assert_null(w);
        return;
    }
    int fd = dup(hs_io_pollable_fd(hs_io_of(r)));
    io_object *io = io_wrapper_fdopen(fd);
    if (io == NULL) {
        assert_int_equal(errno, ENOMEM);
        close(fd);
    }
    io_wrapper_delref(io);
    io_wrapper_delref(r);
    io_wrapper_delref(w);
}

static void
threat_38_each_allocation_may_fail(void **state)
{
    (void)state;
    assert_true(alloc_fail_each(fd_scenario, NULL) >= 4);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        io_test(a_pipe_gives_eagain_then_bytes_then_its_end),
        io_test(a_full_pipe_gives_eagain_and_waits_for_room),
        io_test(threat_39_a_reader_that_is_gone_gives_epipe_and_no_signal),
        io_test(threat_39_interrupted_calls_are_repeated),
        io_test(threat_39_a_reset_comes_to_the_reader),
        io_test(a_socket_goes_both_ways),
        io_test(fdopen_takes_what_it_is_given),
        io_test(a_terminal_is_read),
        io_test(threat_38_each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
