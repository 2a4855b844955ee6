/* test_listen_socket.c - server/listen_socket.h: binding, sharing, errors. Ports are the kernel's to choose. */
#include "server/listen_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int
option(int fd, int level, int name)
{
    int value = -1;
    socklen_t n = sizeof value;
    assert_int_equal(getsockopt(fd, level, name, &value, &n), 0);
    return value;
}

static void
a_socket_has_what_accepted_ones_inherit(void **state)
{
    (void)state;
    struct hs_listen_socket s;
    assert_int_equal(hs_listen_socket_open("127.0.0.1:0", 1, 16, &s), 0);
    assert_int_equal(s.lanes, 1);
    assert_true(s.tcp);
    assert_null(strstr(s.address, ":0"));
    assert_int_equal(option(s.fds[0], SOL_SOCKET, SO_ACCEPTCONN), 1);
    assert_int_equal(option(s.fds[0], SOL_SOCKET, SO_REUSEPORT), 0);
    assert_int_equal(option(s.fds[0], IPPROTO_TCP, TCP_NODELAY), 1);
    assert_int_equal(option(s.fds[0], SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_true((fcntl(s.fds[0], F_GETFD) & FD_CLOEXEC) != 0);
    assert_true((fcntl(s.fds[0], F_GETFL) & O_NONBLOCK) != 0);
    hs_listen_socket_close(&s, true);
    assert_null(s.fds);
}

static void
options_go_to_the_socket(void **state)
{
    (void)state;
    struct hs_listen_socket s;
    assert_int_equal(hs_listen_socket_open("127.0.0.1:0,defer=7,probe=33", 2, 16, &s), 0);
    for (size_t i = 0; i < 2; i++) {
        assert_in_range(option(s.fds[i], IPPROTO_TCP, TCP_DEFER_ACCEPT), 7, 15); /* the kernel rounds it up to whole retransmissions */
        assert_int_equal(option(s.fds[i], SOL_SOCKET, SO_KEEPALIVE), 1);
        assert_int_equal(option(s.fds[i], IPPROTO_TCP, TCP_KEEPIDLE), 33);
        assert_int_equal(option(s.fds[i], IPPROTO_TCP, TCP_KEEPINTVL), 10);
        assert_int_equal(option(s.fds[i], IPPROTO_TCP, TCP_KEEPCNT), 6);
    }
    hs_listen_socket_close(&s, true);
    assert_int_equal(hs_listen_socket_open("[::1]:0,defer=none,probe=none", 1, 16, &s), 0);
    assert_int_equal(option(s.fds[0], IPPROTO_TCP, TCP_DEFER_ACCEPT), 0);
    assert_int_equal(option(s.fds[0], SOL_SOCKET, SO_KEEPALIVE), 0);
    assert_int_equal(option(s.fds[0], IPPROTO_IPV6, IPV6_V6ONLY), 1); /* "[::]:80" and "0.0.0.0:80" are two listeners */
    hs_listen_socket_close(&s, true);
    assert_int_equal(hs_listen_socket_open("fd:web", 1, 16, &s), EINVAL);
}

static void
accepted_sockets_inherit_the_probes(void **state)
{
    (void)state;
    struct hs_listen_socket s;
    ec_sockaddr a;
    assert_int_equal(hs_listen_socket_open("127.0.0.1:0,defer=0,probe=44", 1, 16, &s), 0);
    assert_int_equal(ec_sockaddr_parse(&a, s.address), 0);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client, &a.sa, a.len), 0);
    int fd = accept(s.fds[0], NULL, NULL);
    assert_true(fd >= 0);
    assert_int_equal(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 44);
    assert_int_equal(option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
    (void)close(fd);
    (void)close(client);
    hs_listen_socket_close(&s, true);
}

static void
a_unix_socket_has_its_mode(void **state)
{
    (void)state;
    struct hs_listen_socket s;
    char dir[] = "/tmp/test-listen-socket-XXXXXX", address[80];
    struct stat st;
    assert_non_null(mkdtemp(dir));
    static const unsigned modes[] = { 0600, 0660, 0666, 0777 };
    mode_t before = umask(027);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        (void)snprintf(address, sizeof address, "unix:%s/s,mode=%04o", dir, modes[i]);
        assert_int_equal(hs_listen_socket_open(address, 1, 16, &s), 0);
        assert_int_equal(stat(s.address + 5, &st), 0);
        assert_int_equal(st.st_mode & 07777, modes[i]);
        hs_listen_socket_close(&s, true);
    }
    (void)umask(before);
    assert_int_equal(rmdir(dir), 0);
}

static void
lanes_share_one_address(void **state)
{
    (void)state;
    struct hs_listen_socket s;
    assert_int_equal(hs_listen_socket_open("[::1]:0", 3, 16, &s), 0);
    assert_int_equal(s.lanes, 3);
    for (size_t i = 0; i < 3; i++) {
        struct sockaddr_in6 a;
        socklen_t n = sizeof a;
        char text[80];
        assert_int_equal(getsockname(s.fds[i], (struct sockaddr *)&a, &n), 0);
        (void)snprintf(text, sizeof text, "[::1]:%u", ntohs(a.sin6_port));
        assert_string_equal(text, s.address);
        assert_int_equal(option(s.fds[i], SOL_SOCKET, SO_ACCEPTCONN), 1);
    }
    hs_listen_socket_close(&s, true);
}

static void
ruling_22_an_address_in_use_is_an_error_shared_or_not(void **state)
{
    (void)state;
    struct hs_listen_socket first, second;
    for (size_t lanes = 1; lanes <= 2; lanes++) {
        assert_int_equal(hs_listen_socket_open("127.0.0.1:0", lanes, 16, &first), 0);
        assert_int_equal(hs_listen_socket_open(first.address, 1, 16, &second), EADDRINUSE);
        assert_int_equal(hs_listen_socket_open(first.address, 2, 16, &second), EADDRINUSE);
        hs_listen_socket_close(&first, true);
    }
}

static void
a_unix_socket_is_one_lane_with_a_file(void **state)
{
    (void)state;
    struct hs_listen_socket s;
    char dir[] = "/tmp/test-listen-socket-XXXXXX", address[64];
    struct stat st;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(address, sizeof address, "unix:%s/s", dir);
    assert_int_equal(hs_listen_socket_open(address, 4, 16, &s), 0);
    assert_int_equal(s.lanes, 1);
    assert_false(s.tcp);
    assert_string_equal(s.address, address);
    struct hs_listen_socket copy = s; /* as a forked worker has it */
    copy.fds = malloc(sizeof *copy.fds);
    assert_non_null(copy.fds);
    copy.fds[0] = dup(s.fds[0]);
    hs_listen_socket_close(&copy, false);
    assert_int_equal(stat(address + 5, &st), 0);
    hs_listen_socket_close(&s, true);
    assert_int_equal(stat(address + 5, &st), -1);
    assert_int_equal(rmdir(dir), 0);
}

static void
sockets_that_were_open_are_taken(void **state)
{
    (void)state;
    struct hs_listen_socket s, taken;
    assert_int_equal(hs_listen_socket_open("127.0.0.1:0,defer=none", 2, 16, &s), 0);
    int *fds = calloc(2, sizeof *fds);
    assert_non_null(fds);
    fds[0] = dup(s.fds[0]);
    fds[1] = dup(s.fds[1]);
    assert_int_equal(fcntl(fds[0], F_SETFL, 0), 0); /* as systemd has them */
    assert_int_equal(hs_listen_socket_take("fd:web,probe=77,max-connections=3", fds, 2, &taken), 0);
    assert_string_equal(taken.address, s.address);
    assert_true(taken.tcp && taken.lanes == 2 && !taken.options.is_unix && !taken.options.is_abstract);
    assert_int_equal(taken.options.max_connections, 3);
    assert_true((fcntl(taken.fds[0], F_GETFL) & O_NONBLOCK) != 0 && (fcntl(taken.fds[0], F_GETFD) & FD_CLOEXEC) != 0);
    assert_int_equal(option(taken.fds[1], IPPROTO_TCP, TCP_KEEPIDLE), 77);
    assert_string_equal(taken.file.path, "");
    hs_listen_socket_close(&taken, true);
    hs_listen_socket_close(&s, true);
}

/* A unix socket's clients have no addresses, whatever its name in the settings was. */
static void
allow_and_deny_are_not_for_unix_sockets_that_were_open(void **state)
{
    (void)state;
    static const char *const texts[] = { "fd:web", "fd:web,allow=10.0.0.0/8,proxy", "fd:web,allow=10.0.0.0/8", "fd:web,deny=::1" };
    char text[200];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct hs_listen_socket taken;
        int *fds = calloc(1, sizeof *fds);
        assert_non_null(fds);
        fds[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(fds[0], &(struct sockaddr){ .sa_family = AF_UNIX }, sizeof(sa_family_t)), 0);
        assert_int_equal(listen(fds[0], 5), 0);
        assert_int_equal(hs_listen_socket_take(texts[i], fds, 1, &taken), i < 2 ? 0 : EPROTOTYPE);
        if (i < 2) {
            assert_true(taken.options.is_unix && taken.options.is_abstract); /* the kernel has named it so */
            hs_listen_socket_close(&taken, true);
        }
    }
    hs_listen_socket_explain("fd:web,deny=::1", EPROTOTYPE, text, sizeof text);
    assert_non_null(strstr(text, "where clients have no addresses"));
}

static void
what_does_not_listen_for_streams_is_not(void **state)
{
    (void)state;
    struct hs_listen_socket taken;
    int bad[4] = { socket(AF_INET, SOCK_STREAM, 0), socket(AF_INET, SOCK_DGRAM, 0), open("/dev/null", O_RDONLY), socket(AF_NETLINK, SOCK_RAW, 0) };
    for (size_t i = 0; i < 4; i++) {
        int *fds = calloc(1, sizeof *fds);
        assert_non_null(fds);
        fds[0] = bad[i];
        assert_int_not_equal(hs_listen_socket_take("fd:web", fds, 1, &taken), 0);
        assert_int_equal(fcntl(bad[i], F_GETFD), -1); /* closed */
    }
    int *fds = calloc(1, sizeof *fds);
    assert_non_null(fds);
    fds[0] = open("/dev/null", O_RDONLY);
    assert_int_equal(hs_listen_socket_take("nonsense", fds, 1, &taken), EINVAL);
}

static void
errors_are_explained(void **state)
{
    (void)state;
    struct hs_listen_socket s;
    char text[200];
    assert_int_equal(hs_listen_socket_open("nonsense", 1, 16, &s), EINVAL);
    hs_listen_socket_explain("nonsense", EINVAL, text, sizeof text);
    assert_string_equal(text, "cannot listen at 'nonsense': it must be an address: PORT, IP:PORT, [IPv6]:PORT or unix:/PATH");
    hs_listen_socket_explain("80", EADDRINUSE, text, sizeof text);
    assert_string_equal(text, "cannot listen at 80: the address is in use by another server");
    hs_listen_socket_explain("unix:/x", EEXIST, text, sizeof text);
    assert_string_equal(text, "cannot listen at unix:/x: the file exists and is not a socket");
    hs_listen_socket_explain("80", EACCES, text, sizeof text);
    assert_string_equal(text, "cannot listen at 80: Permission denied");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_socket_has_what_accepted_ones_inherit),
        cmocka_unit_test(options_go_to_the_socket),
        cmocka_unit_test(accepted_sockets_inherit_the_probes),
        cmocka_unit_test(a_unix_socket_has_its_mode),
        cmocka_unit_test(lanes_share_one_address),
        cmocka_unit_test(ruling_22_an_address_in_use_is_an_error_shared_or_not),
        cmocka_unit_test(a_unix_socket_is_one_lane_with_a_file),
        cmocka_unit_test(sockets_that_were_open_are_taken),
        cmocka_unit_test(allow_and_deny_are_not_for_unix_sockets_that_were_open),
        cmocka_unit_test(what_does_not_listen_for_streams_is_not),
        cmocka_unit_test(errors_are_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
