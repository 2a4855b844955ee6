/* test_ip.c - base/ip.h. */
#include "base/ip.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* Of bytes that end where their memory does. */
static bool
parse(int family, const char *text, size_t n, void *out)
{
    char *exact = malloc(n != 0 ? n : 1);

    assert_non_null(exact);
    memcpy(exact, text, n);
    bool ok = hs_ip_parse(family, (struct hs_view){ exact, n }, out);
    free(exact);
    return ok;
}

static void
addresses_of_each_family(void **state)
{
    static const char *const v4[] = { "0.0.0.0", "192.0.2.1", "255.255.255.255" };
    static const char *const v6[] = { "::", "::1", "2001:db8::1", "::ffff:192.0.2.1", "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255" };
    unsigned char got[16], wanted[16];

    (void)state;
    for (size_t i = 0; i < sizeof v4 / sizeof *v4; i++) {
        assert_int_equal(inet_pton(AF_INET, v4[i], wanted), 1);
        assert_true(parse(AF_INET, v4[i], strlen(v4[i]), got));
        assert_memory_equal(got, wanted, 4);
        assert_false(parse(AF_INET6, v4[i], strlen(v4[i]), got));
    }
    for (size_t i = 0; i < sizeof v6 / sizeof *v6; i++) {
        assert_int_equal(inet_pton(AF_INET6, v6[i], wanted), 1);
        assert_true(parse(AF_INET6, v6[i], strlen(v6[i]), got));
        assert_memory_equal(got, wanted, 16);
        assert_false(parse(AF_INET, v6[i], strlen(v6[i]), got));
    }
}

static void
what_is_no_address(void **state)
{
    static const char *const bad[] = { "", " 1.1.1.1", "1.1.1.1 ", "1.1.1", "1.1.1.256", "01.1.1.1", "1.1.1.1:80", "[::1]", "::1%lo", ":::", "localhost",
                                       "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.2550" };
    unsigned char got[16];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(parse(AF_INET, bad[i], strlen(bad[i]), got));
        assert_false(parse(AF_INET6, bad[i], strlen(bad[i]), got));
    }
    assert_false(parse(AF_INET, "1.1.1.1\0", 8, got)); /* the NUL is one of its bytes */
    assert_false(parse(AF_INET, "1.1.1.1\0x", 9, got));
    assert_false(parse(AF_INET6, "::1\0", 4, got));
    assert_true(parse(AF_INET, "1.1.1.123", 8, got)); /* no further than it is told */
    assert_int_equal(got[3], 12);
}

static void
ports(void **state)
{
    static const struct {
        const char *text;
        int port;
    } all[] = {
        { "0", 0 },   { "80", 80 },   { "00080", 80 }, { "65535", 65535 }, { "65536", -1 }, { "99999", -1 }, { "000080", -1 },
        { "", -1 },   { "+80", -1 },  { "-1", -1 },    { " 80", -1 },      { "80 ", -1 },   { "0x50", -1 },  { "8a", -1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        in_port_t port = 4711;
        assert_int_equal(hs_port_parse(hs_view_of(all[i].text), &port), all[i].port >= 0);
        assert_int_equal(port, all[i].port >= 0 ? htons((uint16_t)all[i].port) : 4711);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_of_each_family),
        cmocka_unit_test(what_is_no_address),
        cmocka_unit_test(ports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
