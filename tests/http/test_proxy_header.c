/* test_proxy_header.c - http/proxy_header.h: both versions at every split, and what is refused. Every input lies in memory of exactly its size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/proxy_header.h"

#define V2 "\r\n\r\n\0\r\nQUIT\n"

/* A header with bytes in it: a literal less its NUL. */
#define BYTES(literal) literal, sizeof(literal) - 1

static enum hs_proxy_result
parse(const char *p, size_t n, struct hs_proxy_header *out)
{
    char *copy = malloc(n + (n == 0));
    const char *why = NULL;
    assert_non_null(copy);
    memcpy(copy, p, n);
    memset(out, 0xa5, sizeof *out);
    enum hs_proxy_result r = hs_proxy_header_parse(copy, n, out, &why);
    assert_int_equal(why != NULL, r == HS_PROXY_REFUSED);
    free(copy);
    return r;
}

/* Wants more at every split before the need-th byte, and is done from there on, whatever follows. */
static void
accepts(const char *p, size_t n, size_t need, const char *peer, const char *local)
{
    struct hs_proxy_header h;
    char *longer = malloc(n + 64), text[EC_SOCKADDR_TEXT_MAX];
    assert_non_null(longer);
    memcpy(longer, p, n);
    memset(longer + n, '\n', 64);
    for (size_t i = 0; i < need; i++) {
        if (parse(longer, i, &h) != HS_PROXY_MORE) {
            fail_msg("'%.*s' is not asked to go on after %zu bytes", (int)n, p, i);
        }
    }
    for (size_t i = need; i <= n + 64; i++) {
        if (parse(longer, i, &h) != HS_PROXY_DONE) {
            fail_msg("'%.*s' is not done after %zu bytes", (int)n, p, i);
        }
        assert_int_equal(h.size, n);
        assert_int_equal(h.known, peer != NULL);
        assert_int_equal(h.own, p[0] == '\r' && p[12] == 0x20);
        if (peer != NULL) {
            assert_int_equal(ec_sockaddr_format(&h.peer, text, sizeof text), 0);
            assert_string_equal(text, peer);
            assert_int_equal(ec_sockaddr_format(&h.local, text, sizeof text), 0);
            assert_string_equal(text, local);
        }
    }
    free(longer);
}

static void
line(const char *text, const char *peer, const char *local)
{
    accepts(text, strlen(text), strlen(text), peer, local);
}

/* Refused at the latest with its last byte, and never done on the way. */
static void
refuses(const char *p, size_t n)
{
    struct hs_proxy_header h;
    bool refused = false;
    for (size_t i = 0; i <= n; i++) {
        enum hs_proxy_result r = parse(p, i, &h);
        if (r == HS_PROXY_DONE || (refused && r != HS_PROXY_REFUSED)) {
            fail_msg("'%.*s' is taken after %zu bytes", (int)n, p, i);
        }
        refused = r == HS_PROXY_REFUSED;
    }
    if (!refused) {
        fail_msg("'%.*s' is not refused", (int)n, p);
    }
}

static void
version_1_at_every_split(void **state)
{
    (void)state;
    line("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", "192.168.0.1:56324", "192.168.0.11:443");
    line("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255:65535", "255.255.255.255:65535");
    line("PROXY TCP4 0.0.0.0 1.2.3.4 0 0\r\n", "0.0.0.0:0", "1.2.3.4:0");
    line("PROXY TCP6 2001:db8::1 2001:DB8::FFFF 1 80\r\n", "[2001:db8::1]:1", "[2001:db8::ffff]:80");
    line("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
         "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
    line("PROXY TCP6 ::ffff:10.1.2.3 ::1 9 80\r\n", "10.1.2.3:9", "[::1]:80"); /* no way around a list of IPv4 networks */
    line("PROXY UNKNOWN\r\n", NULL, NULL);
    line("PROXY UNKNOWN \r\n", NULL, NULL);
    line("PROXY UNKNOWN what ever\t\x01 it  is\r\n", NULL, NULL);
    line("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n", NULL, NULL); /* 107 */
}

static void
version_1_in_no_other_way(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "GET / HTTP/1.1\r\n", "proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n", "PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n", "PROXY\tTCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n", "PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n", "PROXY TCP4 1.2.3.4\r\n",
        "PROXY TCP4\r\n", "PROXY TCP4 \r\n", "PROXY \r\n", "PROXY\r\n", "PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n", "PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY UNKNOWNX\r\n", "PROXY UNKNOW\r\n", "PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n", "PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n", "PROXY TCP4 0x1.2.3.4 1.2.3.4 1 2\r\n", "PROXY TCP4 ::1 ::1 1 2\r\n", "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP6 ::1::2 ::1 1 2\r\n", "PROXY TCP6 ::12345 ::1 1 2\r\n", "PROXY TCP6 fe80::1%lo ::1 1 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 99999\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 00 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1a 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rX", "PROXY UNKNOWN\n",
        "PROXY UNKNOWN\n\r\n", "\n", "\rPROXY", "PRI * HTTP/2.0\r\n", " PROXY UNKNOWN\r\n",
        /* one byte too long */
        "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 655350\r\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        refuses(lines[i], strlen(lines[i]));
    }
    refuses(BYTES("PROXY TCP4 1.2.3.4\0 1.2.3.4 1 2\r\n"));
}

static void
version_2_at_every_split(void **state)
{
    (void)state;
    accepts(BYTES(V2 "\x21\x11\0\x0c\x0a\1\2\3\xc0\0\2\1\x30\x39\0\x50"), 28, "10.1.2.3:12345", "192.0.2.1:80");
    accepts(BYTES(V2 "\x21\x21\0\x24" "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1" "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2" "\0\1\xff\xff"), 52,
            "[2001:db8::1]:1", "[2001:db8::2]:65535");
    accepts(BYTES(V2 "\x21\x21\0\x24" "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\1\2\3" "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1" "\0\1\0\2"), 52, "10.1.2.3:1", "[::1]:2");
    /* no addresses, or none of ours: those of the connection hold */
    accepts(BYTES(V2 "\x20\0\0\0"), 16, NULL, NULL);
    accepts(BYTES(V2 "\x21\0\0\0"), 16, NULL, NULL);
    accepts(BYTES(V2 "\x21\1\0\0"), 16, NULL, NULL);
    accepts(BYTES(V2 "\x21\x10\0\0"), 16, NULL, NULL);
    accepts(BYTES(V2 "\x21\x12\0\x0c\x0a\1\2\3\xc0\0\2\1\x30\x39\0\x50"), 28, NULL, NULL);
    accepts(BYTES(V2 "\x20\x11\0\x0c\x0a\1\2\3\xc0\0\2\1\x30\x39\0\x50"), 16, NULL, NULL); /* LOCAL: whatever it says */
    accepts(BYTES(V2 "\x20\xff\0\3abc"), 16, NULL, NULL);
    /* what stands behind the addresses is part of it, and not waited for */
    accepts(BYTES(V2 "\x21\x11\0\x13\x0a\1\2\3\xc0\0\2\1\x30\x39\0\x50\x04\0\4abcd"), 28, "10.1.2.3:12345", "192.0.2.1:80");
    struct hs_proxy_header h;
    assert_int_equal(parse(BYTES(V2 "\x20\0\xff\xff"), &h), HS_PROXY_DONE);
    assert_int_equal(h.size, HS_PROXY_SIZE_MAX);
}

static void
version_2_with_unix_addresses(void **state)
{
    (void)state;
    char header[HS_PROXY_LOOK_MAX + 64] = V2 "\x21\x31\0\xd8";
    memset(header + 16, 0, sizeof header - 16);
    strcpy(header + 16, "/run/client");
    memset(header + 16 + 108, 'x', 108);
    struct hs_proxy_header h;
    char text[EC_SOCKADDR_TEXT_MAX];
    for (size_t i = 0; i < HS_PROXY_LOOK_MAX; i++) {
        assert_int_equal(parse(header, i, &h), HS_PROXY_MORE);
    }
    assert_int_equal(parse(header, HS_PROXY_LOOK_MAX, &h), HS_PROXY_DONE);
    assert_true(h.known);
    assert_int_equal(h.size, HS_PROXY_LOOK_MAX);
    assert_int_equal(ec_sockaddr_format(&h.peer, text, sizeof text), 0);
    assert_string_equal(text, "unix:/run/client");
    assert_int_equal(ec_sockaddr_format(&h.local, text, sizeof text), 0);
    assert_int_equal(strlen(text), 5 + 108);
    assert_true(h.local.len <= sizeof h.local.unixaddr);
    memset(header + 16, 0, 216); /* nameless */
    assert_int_equal(parse(header, HS_PROXY_LOOK_MAX, &h), HS_PROXY_DONE);
    assert_int_equal(ec_sockaddr_format(&h.peer, text, sizeof text), 0);
    assert_string_equal(text, "unix:");
}

static void
version_2_in_no_other_way(void **state)
{
    (void)state;
    refuses(BYTES("\r\n\r\n\0\r\nQUIT\r"));
    refuses(BYTES("\r\n\r\n\1"));
    refuses(BYTES("\r\n\r\nGET"));
    refuses(BYTES(V2 "\x11\x11\0\x0c\x0a\1\2\3\xc0\0\2\1\x30\x39\0\x50")); /* version 1 in the clothes of 2 */
    refuses(BYTES(V2 "\x31\x11"));
    refuses(BYTES(V2 "\x22\x11"));
    refuses(BYTES(V2 "\x21\x41"));
    refuses(BYTES(V2 "\x21\x13"));
    refuses(BYTES(V2 "\x21\x11\0\x0b\x0a\1\2\3\xc0\0\2\1\x30\x39\0"));
    refuses(BYTES(V2 "\x21\x21\0\x23"));
    refuses(BYTES(V2 "\x21\x31\0\xd7"));
    refuses(BYTES(V2 "\x21\x11\0\0"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_1_at_every_split),
        cmocka_unit_test(version_1_in_no_other_way),
        cmocka_unit_test(version_2_at_every_split),
        cmocka_unit_test(version_2_with_unix_addresses),
        cmocka_unit_test(version_2_in_no_other_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
