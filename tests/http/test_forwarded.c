/* test_forwarded.c - http/forwarded.h: the client behind proxies, and what liars get. */
#include "http/forwarded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct hs_cidr_list trusted;

/* The client that the field lines make of a request from a trusted peer, as text; "-": the peer. Lines are parted by '|'. Each is at the end of
 * memory of its own. */
static const char *
client(enum hs_forwarded_field field, const char *lines)
{
    static char text[EC_SOCKADDR_TEXT_MAX];
    const char *name = field == HS_FORWARDED_FORWARDED ? "forwarded" : "x-FORWARDED-for";
    struct hs_field fields[8];
    size_t name_len = strlen(name), n = strlen(lines);
    char *base = malloc(name_len + n);
    struct hs_request req = { .fields = fields };
    ec_sockaddr a;

    assert_non_null(base);
    memcpy(base, name, name_len);
    memcpy(base + name_len, lines, n);
    req.base = base;
    for (size_t at = 0; at <= n; req.nfields++) {
        size_t len = strcspn(lines + at, "|");
        assert_true(req.nfields < 8);
        fields[req.nfields] = (struct hs_field){ .name_len = (uint16_t)name_len, .value_off = (uint32_t)(name_len + at), .value_len = (uint32_t)len,
                                                 .id = (uint16_t)hs_field_lookup(hs_view_of(name)) };
        at += len + 1;
    }
    bool found = hs_forwarded_client(&req, field, &trusted, &a);
    free(base);
    if (!found) {
        return "-";
    }
    assert_int_equal(ec_sockaddr_format(&a, text, sizeof text), 0);
    return text;
}

struct expectation {
    const char *lines, *client;
};

static void
expect(enum hs_forwarded_field field, const struct expectation *e, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(client(field, e[i].lines), e[i].client);
    }
}

static void
x_forwarded_for(void **state)
{
    static const struct expectation e[] = {
        { "192.0.2.1", "192.0.2.1:0" },
        { "  192.0.2.1\t", "192.0.2.1:0" },
        { "192.0.2.1:4711", "192.0.2.1:4711" },
        { "2001:db8::1", "[2001:db8::1]:0" },
        { "[2001:db8::1]", "[2001:db8::1]:0" },
        { "[2001:db8::1]:4711", "[2001:db8::1]:4711" },
        { "::ffff:192.0.2.1", "[::ffff:192.0.2.1]:0" },
        { "6.6.6.6, 192.0.2.1", "192.0.2.1:0" },             /* the client has made up the first */
        { "6.6.6.6, 192.0.2.1, 10.0.0.1", "192.0.2.1:0" },   /* 10.0.0.1 is a proxy of ours */
        { "192.0.2.1|10.0.0.1|10.0.0.2", "192.0.2.1:0" },    /* three lines are one list */
        { "192.0.2.1, 10.0.0.1|192.0.2.2, 10.0.0.2", "192.0.2.2:0" },
        { "10.0.0.3, 10.0.0.1", "10.0.0.3:0" },              /* only proxies: the first of them asks */
        { "::ffff:10.0.0.3,10.0.0.1", "[::ffff:10.0.0.3]:0" },
        { "6.6.6.6, ::ffff:10.0.0.3, 10.0.0.1", "6.6.6.6:0" },
        { ",, 192.0.2.1 ,,", "192.0.2.1:0" },
        { "", "-" },
        { ",", "-" },
        { "unknown", "-" },
        { "192.0.2.1, unknown", "-" },
        { "192.0.2.1, unknown, 10.0.0.1", "10.0.0.1:0" },    /* whom the last that can be believed has named */
        { "192.0.2.1, garbage, 192.0.2.2", "192.0.2.2:0" },
        { "192.0.2.1, 192.0.2.300", "-" },
        { "192.0.2.1 192.0.2.2", "-" },
        { "\"192.0.2.1\"", "-" },
        { "192.0.2.1:", "-" },
        { "192.0.2.1:99999", "-" },
        { "192.0.2.1:-1", "-" },
        { "192.0.2.1:080", "192.0.2.1:80" },
        { "192.0.2.01", "-" },
        { "0x7f.1", "-" },
        { "127.1", "-" },
        { "fe80::1%eth0", "-" },
        { "[fe80::1%25eth0]", "-" },
        { "[2001:db8::1", "-" },
        { "[2001:db8::1]4711", "-" },
        { "[192.0.2.1]", "-" },
        { "[]", "-" },
        { ":", "-" },
        { "::", "[::]:0" },
        { "unix:", "-" },
        { "localhost", "-" },
        { "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:0" },
        { "1111111111111111111111111111111111111111111111111111111111111111", "-" },
    };

    (void)state;
    expect(HS_FORWARDED_X_FORWARDED_FOR, e, sizeof e / sizeof *e);
}

static void
forwarded(void **state)
{
    static const struct expectation e[] = {
        { "for=192.0.2.1", "192.0.2.1:0" },
        { "For=192.0.2.1", "192.0.2.1:0" },
        { "for=\"192.0.2.1:4711\"", "192.0.2.1:4711" },
        { "for=\"[2001:db8:cafe::17]:4711\"", "[2001:db8:cafe::17]:4711" },
        { "for=\"[2001:db8::1]\"", "[2001:db8::1]:0" },
        { "for=\"\\1\\9\\2.0.2.1\"", "192.0.2.1:0" },
        { "for=192.0.2.1;proto=http;by=203.0.113.43", "192.0.2.1:0" },
        { "proto=https; for=192.0.2.1 ;host=\"a, for=6.6.6.6\"", "192.0.2.1:0" },
        { "for=6.6.6.6, for=192.0.2.1", "192.0.2.1:0" },
        { "for=6.6.6.6, for=192.0.2.1, for=10.0.0.1;by=\"10.0.0.2\"", "192.0.2.1:0" },
        { "for=192.0.2.1|for=10.0.0.1", "192.0.2.1:0" },
        { "for=10.0.0.2, for=10.0.0.1", "10.0.0.2:0" },
        { "for=192.0.2.1;", "192.0.2.1:0" },
        { ";for=192.0.2.1", "192.0.2.1:0" },
        { "for=\"192.0.2.1:_port\"", "192.0.2.1:0" },
        { "for=_hidden", "-" },
        { "for=unknown", "-" },
        { "for=192.0.2.1, for=_hidden, for=10.0.0.1", "10.0.0.1:0" },
        { "for=192.0.2.1, by=10.0.0.1", "-" }, /* it does not say for whom */
        { "for=192.0.2.1;for=192.0.2.2", "-" },
        { "for=192.0.2.1;FOR=192.0.2.1", "-" },
        { "for=2001:db8::1", "-" },
        { "for=\"2001:db8::1\"", "-" },
        { "for=[2001:db8::1]", "-" },
        { "for=192.0.2.1:80", "-" }, /* a colon must be quoted */
        { "for= 192.0.2.1", "-" },
        { "for =192.0.2.1", "-" },
        { "for=", "-" },
        { "for", "-" },
        { "=192.0.2.1", "-" },
        { "for=\"", "-" },
        { "for=\"192.0.2.1", "-" },
        { "for=\"192.0.2.1\\", "-" },
        { "for=\"\"", "-" },
        { "for=\"192.0.2.1\"x", "-" },
        { "", "-" },
        { " , ,", "-" },
        /* quotes that a client leaves open do not hide what comes from a proxy */
        { "for=\"x, for=192.0.2.1", "192.0.2.1:0" },
        { "for=\"x, for=\"[2001:db8::1]\"", "[2001:db8::1]:0" },
        { "for=\"x\\, for=\"[2001:db8::1]:1\";by=\"_a\"", "[2001:db8::1]:1" },
        { "for=6.6.6.6;x=\"|for=192.0.2.1", "192.0.2.1:0" },
        { "\", for=192.0.2.1", "192.0.2.1:0" },
    };

    (void)state;
    expect(HS_FORWARDED_FORWARDED, e, sizeof e / sizeof *e);
}

static void
lists_of_a_hundred(void **state)
{
    static char text[8192];
    size_t n = 0;

    (void)state;
    for (int i = 0; i < 100; i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, "%s6.6.6.%d", i != 0 ? ", " : "", i);
    }
    assert_string_equal(client(HS_FORWARDED_X_FORWARDED_FOR, text), "6.6.6.99:0");
    n = 0;
    for (int i = 0; i < 100; i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, "%sfor=10.0.0.%d", i != 0 ? "," : "", i);
    }
    assert_string_equal(client(HS_FORWARDED_FORWARDED, text), "10.0.0.0:0");
    memset(text, ',', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_string_equal(client(HS_FORWARDED_FORWARDED, text), "-");
    assert_string_equal(client(HS_FORWARDED_X_FORWARDED_FOR, text), "-");
    memset(text, '"', sizeof text - 1);
    assert_string_equal(client(HS_FORWARDED_FORWARDED, text), "-");
    memset(text, 'a', sizeof text - 1);
    memcpy(text, "for=", 4);
    assert_string_equal(client(HS_FORWARDED_FORWARDED, text), "-");
    memcpy(text, "for=\"", 5);
    memcpy(text + sizeof text - 1 - 10, "\",for=1.1.", 10);
    assert_string_equal(client(HS_FORWARDED_FORWARDED, text), "-");
}

/* Whatever a client puts before what a proxy adds, it is not believed, and does not hide it. */
static void
nothing_before_the_proxys_entry_counts(void **state)
{
    static const char alphabet[] = "\",;=\\ for.1:[]_x";
    char text[128];
    uint32_t seed = 1;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        size_t n = (size_t)round % 40;
        for (size_t i = 0; i < n; i++) {
            seed = seed * 1664525 + 1013904223;
            text[i] = alphabet[(seed >> 16) % (sizeof alphabet - 1)];
        }
        snprintf(text + n, sizeof text - n, ", for=192.0.2.1;by=10.0.0.1");
        assert_string_equal(client(HS_FORWARDED_FORWARDED, text), "192.0.2.1:0");
        snprintf(text + n, sizeof text - n, ", for=\"[2001:db8::1]:80\";by=\"[::1]\"");
        assert_string_equal(client(HS_FORWARDED_FORWARDED, text), "[2001:db8::1]:80");
        snprintf(text + n, sizeof text - n, ", 192.0.2.1");
        assert_string_equal(client(HS_FORWARDED_X_FORWARDED_FOR, text), "192.0.2.1:0");
    }
}

static int
set_up(void **state)
{
    (void)state;
    return hs_cidr_list_add(&trusted, "10.0.0.0/8");
}

static int
tear_down(void **state)
{
    (void)state;
    hs_cidr_list_fini(&trusted);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(x_forwarded_for),
        cmocka_unit_test(forwarded),
        cmocka_unit_test(lists_of_a_hundred),
        cmocka_unit_test(nothing_before_the_proxys_entry_counts),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
