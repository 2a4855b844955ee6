/* test_sockaddr.c - misc/ec_sockaddr.h. */
#include "misc/ec_sockaddr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* proves: ec_sockaddr_parse, ec_sockaddr_format, ec_sockaddr_format_ip, ec_sockaddr_port */
static void
parses_and_formats(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *back;
        const char *ip;
        int family;
        int port;
    } good[] = {
        { "8080", "127.0.0.1:8080", "127.0.0.1", AF_INET, 8080 },
        { "0", "127.0.0.1:0", "127.0.0.1", AF_INET, 0 },
        { "65535", "127.0.0.1:65535", "127.0.0.1", AF_INET, 65535 },
        { "00080", "127.0.0.1:80", "127.0.0.1", AF_INET, 80 },
        { "1.2.3.4:80", "1.2.3.4:80", "1.2.3.4", AF_INET, 80 },
        { "255.255.255.255:1", "255.255.255.255:1", "255.255.255.255", AF_INET, 1 },
        { "[::]:80", "[::]:80", "::", AF_INET6, 80 },
        { "[::1]:8080", "[::1]:8080", "::1", AF_INET6, 8080 },
        { "[2001:DB8:0:0::1]:443", "[2001:db8::1]:443", "2001:db8::1", AF_INET6, 443 },
        { "[::ffff:1.2.3.4]:1", "[::ffff:1.2.3.4]:1", "::ffff:1.2.3.4", AF_INET6, 1 },
        { "[fe80::1%7]:9", "[fe80::1%7]:9", "fe80::1%7", AF_INET6, 9 },
        { "[fe80::1%4294967295]:9", "[fe80::1%4294967295]:9", "fe80::1%4294967295", AF_INET6, 9 },
        { "[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255%lo]:65535",
          "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%1]:65535", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%1", AF_INET6, 65535 },
        { "unix:/run/x.sock", "unix:/run/x.sock", "", AF_UNIX, 0 },
        { "unix:relative", "unix:relative", "", AF_UNIX, 0 },
        { "unix:@abstract", "unix:@abstract", "", AF_UNIX, 0 },
        { "unix:/a\nb\\", "unix:/a\\x0ab\\x5c", "", AF_UNIX, 0 },
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        ec_sockaddr a;
        char text[EC_SOCKADDR_TEXT_MAX];
        assert_int_equal(ec_sockaddr_parse(&a, good[i].text), 0);
        assert_int_equal(a.sa.sa_family, good[i].family);
        assert_int_equal(ec_sockaddr_port(&a), good[i].port);
        assert_int_equal(ec_sockaddr_format(&a, text, sizeof text), 0);
        assert_string_equal(text, good[i].back);
        assert_int_equal(ec_sockaddr_format_ip(&a, text, sizeof text), 0);
        assert_string_equal(text, good[i].ip);
    }
}

static void
refuses_what_is_no_address(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", ":", ":80", "65536", "99999999999999999999", "-1", "+80", " 80", "80 ", "0x50", "000080", "localhost:80", "localhost", "1.2.3:80",
        "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:80x", "1.2.3.256:80", "01.2.3.4.5:80", "::1:80", "::1", "[::1]", "[::1]80", "[::1]:",
        "[]:80", "[:80", "]:80", "[::1:80", "[1.2.3.4]:80", "[::g]:80", "[fe80::1%]:80", "[fe80::1%0]:80", "[fe80::1%4294967296]:80",
        "[0000:0000:0000:0000:0000:0000:255.255.255.2555555555555555555555555555]:80", "unix:", "unix:@", "UNIX:/x", "[::1]:80:80",
        "111111111111111111111111111111.2.3.4:80",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ec_sockaddr a;
        memset(&a, 0x5a, sizeof a);
        ec_sockaddr before = a;
        assert_int_equal(ec_sockaddr_parse(&a, bad[i]), EINVAL);
        assert_memory_equal(&a, &before, sizeof a);
    }
    ec_sockaddr a;
    assert_int_equal(ec_sockaddr_parse(&a, NULL), EINVAL);
    assert_int_equal(ec_sockaddr_parse(&a, "[fe80::1%nosuch]:80"), ENODEV);
}

static void
unix_names_of_every_length(void **state)
{
    (void)state;
    size_t room = sizeof((struct sockaddr_un *)NULL)->sun_path;
    for (size_t n = 1; n < room + 3; n++) {
        for (int abstract = 0; abstract < 2; abstract++) {
            char text[200] = "unix:";
            memset(text + 5, 'x', n);
            text[5] = abstract ? '@' : '/';
            text[5 + n] = '\0';
            ec_sockaddr a;
            char back[EC_SOCKADDR_TEXT_MAX];
            int err = ec_sockaddr_parse(&a, text);
            if (abstract && n == 1) {
                assert_int_equal(err, EINVAL);
            } else if (n > (abstract ? room : room - 1)) {
                assert_int_equal(err, ENAMETOOLONG);
            } else {
                assert_int_equal(err, 0);
                assert_int_equal(a.len, offsetof(struct sockaddr_un, sun_path) + n + !abstract);
                assert_int_equal(ec_sockaddr_format(&a, back, sizeof back), 0);
                assert_string_equal(back, text);
            }
        }
    }
}

/* proves: ec_sockaddr_set */
static void
an_abstract_name_as_the_kernel_knows_it(void **state)
{
    (void)state;
    ec_sockaddr a;
    ec_sockaddr b;
    char text[EC_SOCKADDR_TEXT_MAX];
    char back[EC_SOCKADDR_TEXT_MAX];
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;
    snprintf(text, sizeof text, "unix:@httpsrv-test-%d", (int)getpid());
    assert_int_equal(ec_sockaddr_parse(&a, text), 0);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, &a.sa, a.len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
    assert_int_equal(ec_sockaddr_set(&b, (struct sockaddr *)&ss, len), 0);
    assert_int_equal(b.len, a.len);
    assert_int_equal(ec_sockaddr_format(&b, back, sizeof back), 0);
    assert_string_equal(back, text);
    close(fd);
}

static void
a_unix_peer_without_a_name(void **state)
{
    (void)state;
    int fds[2];
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;
    ec_sockaddr a;
    char text[EC_SOCKADDR_TEXT_MAX];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(getpeername(fds[0], (struct sockaddr *)&ss, &len), 0);
    assert_int_equal(ec_sockaddr_set(&a, (struct sockaddr *)&ss, len), 0);
    assert_int_equal(a.len, sizeof(sa_family_t));
    assert_int_equal(ec_sockaddr_format(&a, text, sizeof text), 0);
    assert_string_equal(text, "unix:");
    assert_int_equal(ec_sockaddr_format_ip(&a, text, sizeof text), 0);
    assert_string_equal(text, "");
    close(fds[0]);
    close(fds[1]);
}

static void
set_checks_the_length(void **state)
{
    (void)state;
    ec_sockaddr a;
    /* On the heap and no longer than said, so that reading past it is seen. */
    for (socklen_t len = 0; len < sizeof(struct sockaddr_in6) + 1; len++) {
        struct sockaddr_storage ss = { .ss_family = AF_INET6 };
        char *exact = malloc(len != 0 ? len : 1);
        memcpy(exact, &ss, len);
        assert_int_equal(ec_sockaddr_set(&a, (struct sockaddr *)exact, len), len >= sizeof(struct sockaddr_in6) ? 0 : EINVAL);
        free(exact);
    }
    struct sockaddr_storage ss = { .ss_family = AF_INET };
    assert_int_equal(ec_sockaddr_set(&a, (struct sockaddr *)&ss, sizeof(struct sockaddr_in) - 1), EINVAL);
    assert_int_equal(ec_sockaddr_set(&a, (struct sockaddr *)&ss, sizeof ss), 0);
    assert_int_equal(a.len, sizeof(struct sockaddr_in));
    assert_int_equal(ec_sockaddr_set(&a, (struct sockaddr *)&ss, sizeof ss + 1), EINVAL);
    ss.ss_family = AF_UNIX;
    assert_int_equal(ec_sockaddr_set(&a, (struct sockaddr *)&ss, sizeof(struct sockaddr_un) + 1), EINVAL);
    ss.ss_family = AF_NETLINK;
    assert_int_equal(ec_sockaddr_set(&a, (struct sockaddr *)&ss, sizeof ss), EAFNOSUPPORT);
    assert_int_equal(ec_sockaddr_set(&a, NULL, 16), EINVAL);
}

static void
formats_into_room_of_every_size(void **state)
{
    (void)state;
    static const char *const texts[] = { "1.2.3.4:80", "[2001:db8::1]:443", "unix:/run/x.sock" };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        ec_sockaddr a;
        assert_int_equal(ec_sockaddr_parse(&a, texts[i]), 0);
        for (size_t size = 0; size < 30; size++) {
            char *exact = malloc(size != 0 ? size : 1);
            int err = ec_sockaddr_format(&a, exact, size);
            assert_int_equal(err, size > strlen(texts[i]) ? 0 : ENOSPC);
            if (size != 0) {
                assert_string_equal(exact, err == 0 ? texts[i] : "");
            }
            free(exact);
        }
    }
}

static void
no_address(void **state)
{
    (void)state;
    ec_sockaddr a;
    char text[EC_SOCKADDR_TEXT_MAX] = "x";
    memset(&a, 0, sizeof a);
    assert_int_equal(ec_sockaddr_format(&a, text, sizeof text), EAFNOSUPPORT);
    assert_string_equal(text, "");
    assert_int_equal(ec_sockaddr_format_ip(&a, text, 0), EAFNOSUPPORT);
    assert_int_equal(ec_sockaddr_port(&a), 0);
}

static void
the_longest_text_fits(void **state)
{
    (void)state;
    ec_sockaddr a;
    char text[EC_SOCKADDR_TEXT_MAX];
    memset(&a, 0, sizeof a);
    a.unixaddr.sun_family = AF_UNIX;
    memset(a.unixaddr.sun_path, 1, sizeof a.unixaddr.sun_path); /* no NUL at all, as the kernel may give it */
    a.len = sizeof a.unixaddr;
    assert_int_equal(ec_sockaddr_format(&a, text, sizeof text), 0);
    assert_int_equal(strlen(text), 5 + 4 * sizeof a.unixaddr.sun_path);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_and_formats),
        cmocka_unit_test(refuses_what_is_no_address),
        cmocka_unit_test(unix_names_of_every_length),
        cmocka_unit_test(an_abstract_name_as_the_kernel_knows_it),
        cmocka_unit_test(a_unix_peer_without_a_name),
        cmocka_unit_test(set_checks_the_length),
        cmocka_unit_test(formats_into_room_of_every_size),
        cmocka_unit_test(no_address),
        cmocka_unit_test(the_longest_text_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
