/* test_cidr.c - base/cidr.h. */
#include "base/cidr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "misc/ec_sockaddr.h"

/* "" is a unix address without a name. */
static ec_sockaddr
address(const char *text)
{
    ec_sockaddr a;

    memset(&a, 0, sizeof a);
    if (*text == '\0') {
        a.sa.sa_family = AF_UNIX;
    } else if (inet_pton(AF_INET, text, &a.sin.sin_addr) == 1) {
        a.sa.sa_family = AF_INET;
        a.sin.sin_port = 0xffff;
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &a.sin6.sin6_addr), 1);
        a.sa.sa_family = AF_INET6;
        a.sin6.sin6_port = 0xffff;
    }
    return a;
}

static bool
is_in(const char *network, const char *text)
{
    struct hs_cidr c;
    ec_sockaddr a = address(text);

    assert_int_equal(hs_cidr_parse(network, &c), 0);
    return hs_cidr_contains(&c, &a.sa);
}

static void
what_a_network_contains(void **state)
{
    static const struct {
        const char *network, *in, *out;
    } cases[] = {
        { "192.0.2.0/24", "192.0.2.0", "192.0.1.255" },
        { "192.0.2.0/24", "192.0.2.255", "192.0.3.0" },
        { "192.0.2.0/25", "192.0.2.127", "192.0.2.128" },
        { "192.0.2.128/25", "192.0.2.128", "192.0.2.127" },
        { "192.0.2.4/31", "192.0.2.5", "192.0.2.6" },
        { "192.0.2.7/32", "192.0.2.7", "192.0.2.6" },
        { "192.0.2.7", "192.0.2.7", "192.0.2.135" },
        { "128.0.0.0/1", "255.0.0.0", "127.255.255.255" },
        { "0.0.0.0/0", "255.255.255.255", "::" },
        { "0.0.0.0/0", "0.0.0.0", "" },
        { "2001:db8::/32", "2001:db8:ffff::1", "2001:db9::" },
        { "2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::" },
        { "2001:db8::1", "2001:db8::1", "2001:db8::2" },
        { "2001:db8::1/128", "2001:db8::1", "2001:db8::1:1" },
        { "::/0", "ffff::", "255.255.255.255" },
        { "::1", "::1", "0.0.0.1" },
        { "unix:", "", "127.0.0.1" },
        { "unix:", "", "::1" },
        { "127.0.0.0/8", "127.1.2.3", "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(is_in(cases[i].network, cases[i].in));
        assert_false(is_in(cases[i].network, cases[i].out));
    }
}

static void
ipv4_in_ipv6_is_ipv4(void **state)
{
    (void)state;
    assert_true(is_in("10.0.0.0/8", "::ffff:10.1.2.3"));
    assert_false(is_in("10.0.0.0/8", "::ffff:11.0.0.0"));
    assert_true(is_in("::ffff:10.0.0.0/104", "10.1.2.3"));
    assert_false(is_in("::ffff:10.0.0.0/104", "11.0.0.0"));
    assert_true(is_in("::ffff:10.0.0.7", "10.0.0.7"));
    assert_true(is_in("::ffff:0:0/96", "255.1.2.3"));
    assert_false(is_in("::ffff:0:0/96", "::fffe:1:1"));
    assert_false(is_in("::/0", "::ffff:10.0.0.7"));
    assert_false(is_in("::/64", "::ffff:10.0.0.7"));
    assert_true(is_in("::/64", "::1"));
}

static void
every_prefix_length(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits <= 128; bits++) {
        uint8_t base[16], other[16];
        char network[INET6_ADDRSTRLEN], text[INET6_ADDRSTRLEN + 5], in[INET6_ADDRSTRLEN], out[INET6_ADDRSTRLEN];
        for (unsigned i = 0; i < 128; i++) {
            base[i / 8] = (uint8_t)((i % 8 == 0 ? 0 : base[i / 8]) | (i < bits ? 0x80 >> (i % 8) : 0));
        }
        memcpy(other, base, 16);
        assert_non_null(inet_ntop(AF_INET6, base, network, sizeof network));
        snprintf(text, sizeof text, "%s/%u", network, bits);
        if (bits < 128) { /* all beyond the prefix may differ */
            for (unsigned i = bits; i < 128; i++) {
                other[i / 8] |= (uint8_t)(0x80 >> (i % 8));
            }
        }
        assert_non_null(inet_ntop(AF_INET6, other, in, sizeof in));
        assert_true(is_in(text, in));
        if (bits > 0) { /* the last of the prefix may not */
            other[(bits - 1) / 8] ^= (uint8_t)(0x80 >> ((bits - 1) % 8));
            assert_non_null(inet_ntop(AF_INET6, other, out, sizeof out));
            assert_false(is_in(text, out));
        }
    }
}

static void
refuses_what_is_no_network(void **state)
{
    static const struct {
        const char *text;
        int err;
    } cases[] = {
        { "", EINVAL },
        { "/8", EINVAL },
        { "10.0.0.0/", EINVAL },
        { "10.0.0.0/33", EINVAL },
        { "10.0.0.0/08", EINVAL },
        { "10.0.0.0/+8", EINVAL },
        { "10.0.0.0/-1", EINVAL },
        { "10.0.0.0/8 ", EINVAL },
        { " 10.0.0.0/8", EINVAL },
        { "10.0.0.0/8/8", EINVAL },
        { "10.0.0.0/4294967304", EINVAL },
        { "10.0.0/8", EINVAL },
        { "10/8", EINVAL },
        { "010.0.0.0/8", EINVAL },
        { "10.0.0.0:80", EINVAL },
        { "::1/129", EINVAL },
        { "[::1]/128", EINVAL },
        { "fe80::1%eth0", EINVAL },
        { "localhost", EINVAL },
        { "unix", EINVAL },
        { "unix:/run/x", EINVAL },
        { "UNIX:", EINVAL },
        { "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255.255.255.255.255", EINVAL },
        { "10.0.0.1/8", EDOM },
        { "192.0.2.1/31", EDOM },
        { "2001:db8::1/64", EDOM },
        { "::ffff:10.0.0.1/104", EDOM },
        { "0.0.0.1/0", EDOM },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hs_cidr c, before;
        memset(&c, 0xa5, sizeof c);
        before = c;
        assert_int_equal(hs_cidr_parse(cases[i].text, &c), cases[i].err);
        assert_memory_equal(&c, &before, sizeof c);
    }
}

static bool
list_has(const struct hs_cidr_list *list, const char *text)
{
    ec_sockaddr a = address(text);

    return hs_cidr_list_contains(list, &a.sa);
}

static void
a_list(void **state)
{
    struct hs_cidr_list list = { NULL, 0 };
    struct sockaddr none = { .sa_family = AF_UNSPEC };

    (void)state;
    assert_false(list_has(&list, "10.0.0.1"));
    assert_int_equal(hs_cidr_list_add(&list, "10.0.0.0/8"), 0);
    assert_int_equal(hs_cidr_list_add(&list, "192.0.2.1"), 0);
    assert_int_equal(hs_cidr_list_add(&list, "::1"), 0);
    assert_int_equal(hs_cidr_list_add(&list, "unix:"), 0);
    assert_int_equal(list.n, 4);
    assert_true(list_has(&list, "10.255.0.1"));
    assert_true(list_has(&list, "192.0.2.1"));
    assert_true(list_has(&list, "::ffff:192.0.2.1"));
    assert_true(list_has(&list, "::1"));
    assert_true(list_has(&list, ""));
    assert_false(list_has(&list, "192.0.2.2"));
    assert_false(list_has(&list, "::2"));
    assert_false(hs_cidr_list_contains(&list, &none));

    assert_int_equal(hs_cidr_list_add(&list, "12.0.0.1/8"), EDOM);
    assert_int_equal(list.n, 4);
    assert_false(list_has(&list, "12.0.0.1"));
    static const char *const bad[] = { "", ",", "1.1.1.1,", ",1.1.1.1", "1.1.1.1,,2.2.2.2", "1.1.1.1 2.2.2.2", " 1.1.1.1", "1.1.1.1 ", "1.1.1.1,2.2.2.2",
                                       "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/1284567890" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(hs_cidr_list_add(&list, bad[i]), EINVAL);
        assert_int_equal(list.n, 4);
    }
    hs_cidr_list_fini(&list);
    assert_int_equal(list.n, 0);
    assert_false(list_has(&list, "10.0.0.1"));
}

static void
grow(void *arg)
{
    struct hs_cidr_list list = { NULL, 0 };

    (void)arg;
    int err = hs_cidr_list_add(&list, "10.0.0.0/8");
    assert_int_equal(list.n, err == 0);
    int err2 = hs_cidr_list_add(&list, "::1");
    assert_true((err == 0 || err == ENOMEM) && (err2 == 0 || err2 == ENOMEM));
    assert_int_equal(list.n, (err == 0) + (err2 == 0));
    hs_cidr_list_fini(&list);
}

static void
a_list_survives_each_failed_allocation(void **state)
{
    (void)state;
    assert_int_equal(alloc_fail_each(grow, NULL), 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_network_contains),
        cmocka_unit_test(ipv4_in_ipv6_is_ipv4),
        cmocka_unit_test(every_prefix_length),
        cmocka_unit_test(refuses_what_is_no_network),
        cmocka_unit_test(a_list),
        cmocka_unit_test(a_list_survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
