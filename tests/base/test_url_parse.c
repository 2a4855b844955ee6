/* test_url_parse.c - misc/ec_url_parse.h and base/url.h. */
#include "base/url.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_fail.h"

#define NONE ((struct hs_view){ NULL, 0 })

/* Parses from a block of exactly that size, so that reading past its end is seen. */
static ec_url_details *
parse_bytes(const char *bytes, size_t n)
{
    char *exact = malloc(n != 0 ? n : 1);
    assert_non_null(exact);
    memcpy(exact, bytes, n);
    errno = 0;
    ec_url_details *d = ec_parse_url(exact, n);
    int err = errno;
    free(exact);
    errno = err;
    return d;
}

static ec_url_details *
parse(const char *url)
{
    return parse_bytes(url, strlen(url));
}

static void
assert_same(const char *got, const char *want)
{
    if (got == NULL || want == NULL) {
        assert_ptr_equal(got, want);
    } else {
        assert_string_equal(got, want);
    }
}

struct expected {
    const char *url;
    const char *scheme;
    const char *user;
    const char *pass;
    const char *host;
    int port;
    const char *path;
    const char *raw_query;
    const char *query;
    const char *fragment;
};

static void
check(const ec_url_details *d, const struct expected *e)
{
    assert_non_null(d);
    assert_same(d->url, e->url);
    assert_same(d->scheme, e->scheme);
    assert_same(d->userinfo.user, e->user);
    assert_same(d->userinfo.pass, e->pass);
    assert_same(d->host, e->host);
    assert_int_equal(d->port, e->port);
    assert_same(d->path, e->path);
    assert_same(d->raw_query, e->raw_query);
    assert_same(d->query, e->query);
    assert_same(d->fragment, e->fragment);
}

static void
splits_by_rfc_3986(void **state)
{
    (void)state;
    static const struct expected all[] = {
        { .url = "", .path = "" },
        { .url = "/", .path = "/" },
        { .url = "/a/b;c=1,2/d", .path = "/a/b;c=1,2/d" },
        { .url = "a/b", .path = "a/b" },
        { .url = "?", .path = "", .raw_query = "", .query = "" },
        { .url = "#", .path = "", .fragment = "" },
        { .url = "?#", .path = "", .raw_query = "", .query = "", .fragment = "" },
        { .url = "/p?q?r/s#f?g/h#i", .path = "/p", .raw_query = "q?r/s", .query = "q?r/s", .fragment = "f?g/h#i" },
        { .url = "//h", .host = "h", .path = "" },
        { .url = "//h/p", .host = "h", .path = "/p" },
        { .url = "//", .host = "", .path = "" },
        { .url = "///p", .host = "", .path = "/p" },
        { .url = "file:///etc/hosts", .scheme = "file", .host = "", .path = "/etc/hosts" },
        { .url = "http://example.com", .scheme = "http", .host = "example.com", .path = "" },
        { .url = "HTTP://Example.COM:80?x", .scheme = "HTTP", .host = "Example.COM", .port = 80, .path = "", .raw_query = "x", .query = "x" },
        { .url = "http://h:/p", .scheme = "http", .host = "h", .path = "/p" },
        { .url = "http://h:0", .scheme = "http", .host = "h", .path = "" },
        { .url = "http://h:65535", .scheme = "http", .host = "h", .port = 65535, .path = "" },
        { .url = "http://h:0000000000000000000000000000080", .scheme = "http", .host = "h", .port = 80, .path = "" },
        { .url = "http://user@h", .scheme = "http", .user = "user", .host = "h", .path = "" },
        { .url = "http://user:@h", .scheme = "http", .user = "user", .pass = "", .host = "h", .path = "" },
        { .url = "http://:pw@h", .scheme = "http", .user = "", .pass = "pw", .host = "h", .path = "" },
        { .url = "http://@h", .scheme = "http", .user = "", .host = "h", .path = "" },
        { .url = "http://u%40:p%3a:q@h:1/", .scheme = "http", .user = "u@", .pass = "p::q", .host = "h", .port = 1, .path = "/" },
        { .url = "http://[::1]", .scheme = "http", .host = "[::1]", .path = "" },
        { .url = "http://[2001:db8::7]:8080/", .scheme = "http", .host = "[2001:db8::7]", .port = 8080, .path = "/" },
        { .url = "http://[::ffff:1.2.3.4]:/", .scheme = "http", .host = "[::ffff:1.2.3.4]", .path = "/" },
        { .url = "http://[v1.a:b]/", .scheme = "http", .host = "[v1.a:b]", .path = "/" },
        { .url = "http://[VfF.+]/", .scheme = "http", .host = "[VfF.+]", .path = "/" },
        { .url = "mailto:a@b", .scheme = "mailto", .path = "a@b" },
        { .url = "urn:a:b", .scheme = "urn", .path = "a:b" },
        { .url = "a+1-2.3:", .scheme = "a+1-2.3", .path = "" },
        { .url = "./a:b", .path = "./a:b" },
        { .url = "a?b:c", .path = "a", .raw_query = "b:c", .query = "b:c" },
        { .url = "http://b%C3%BCcher.de/", .scheme = "http", .host = "b\xc3\xbc" "cher.de", .path = "/" },
        { .url = "http://1.2.3.4:5/", .scheme = "http", .host = "1.2.3.4", .port = 5, .path = "/" },
        { .url = "/a%20b%2Fc%2fd", .path = "/a b/c/d" },
        { .url = "/%25%32%35", .path = "/%25" }, /* decoded once */
        { .url = "/%7F%0a%ff", .path = "/\x7f\n\xff" },
        { .url = "/../a/./b//c", .path = "/../a/./b//c" }, /* split, not normalised */
        { .url = "/[x]|{y}^\"<>\\`\xc3\xbc?[]=|#{}", .path = "/[x]|{y}^\"<>\\`\xc3\xbc", .raw_query = "[]=|", .query = "[]=|", .fragment = "{}" },
        { .url = "/a+b?a+b#a+b", .path = "/a+b", .raw_query = "a+b", .query = "a b", .fragment = "a+b" },
        { .url = "/?a%2Bb", .path = "/", .raw_query = "a%2Bb", .query = "a+b" },
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        ec_url_details *d = parse(all[i].url);
        check(d, &all[i]);
        ec_url_details_free(d);
    }
}

static void
refuses_what_is_no_url(void **state)
{
    (void)state;
    static const char *const bad[] = {
        ":", ":a", "1a:b", "a_b:c", "a%41:b", "+a:", "\xc3\xa4:b",          /* schemes */
        "http://h:80x", "http://h:-1", "http://h:65536", "http://h:99999999999999999999", "http://h:80:80", "http://h:%38", /* ports */
        "http://a@b@c", "http://a b", "http://h\\", "http://h|", "http://h\xc3\xbc", "http://<h>", "http://a[b]", "http://\"",
        "http://h%2Fx", "http://h%40x", "http://h%3a1", "http://h%5c", "http://h%20", "http://h%0a", "http://h%25", "http://h%5B", /* hosts */
        "http://a^b@h", "http://a[@h", "http://\xc3\xbc@h", "http://%@h", "http://%4@h", /* userinfo */
        "http://[", "http://[]", "http://[::1", "http://::1", "http://[::1]x", "http://[::1]80", "http://[::g]", "http://[1.2.3.4]", "http://[h]",
        "http://[fe80::1%25eth0]", "http://[v]", "http://[v.]", "http://[v1.]", "http://[v1]", "http://[vg.a]", "http://[v.a]", "http://[v1.a%41]", "http://[v1.[]",
        "http://[:::::::::::::::::::::::::::::::::::::::::::::::::::::::::::::::::::]", "http://[::1%00]", /* IP literals */
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_null(parse(bad[i]));
        assert_int_equal(errno, EINVAL);
    }
    assert_null(ec_parse_url(NULL, 0));
    assert_int_equal(errno, EINVAL);
}

static void
threat_28_bad_percent_encoding(void **state)
{
    (void)state;
    static const char *const bad[] = { "%", "%4", "%4%", "%%41", "%4g", "%g4", "%00", "a%", "a%00b", "%-1", "%+1", "% 1", "%u0041", "%0x", "%4\x80" };
    static const char *const places[] = { "/%s", "/?%s", "/#%s", "http://u%s@h/", "http://u:%s@h/", "http://%s/", "/?k=%s", "/?%s=v", "x%s" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        for (size_t k = 0; k < sizeof places / sizeof places[0]; k++) {
            char url[100];
            const char *at = strstr(places[k], "%s");
            snprintf(url, sizeof url, "%.*s%s%s", (int)(at - places[k]), places[k], bad[i], at + 2);
            assert_null(parse(url));
            assert_int_equal(errno, EINVAL);
        }
    }
}

static void
threat_09_controls_and_blanks_anywhere(void **state)
{
    (void)state;
    static const char good[] = "http://u:p@h:1/p?k=v&l=w#f";
    for (size_t at = 0; at < sizeof good; at++) {
        for (int c = 0; c < 256; c++) {
            char url[sizeof good + 1];
            memcpy(url, good, at);
            url[at] = (char)c;
            memcpy(url + at + 1, good + at, sizeof good - 1 - at);
            ec_url_details *d = parse_bytes(url, sizeof good);
            if (c <= 0x20 || c == 0x7f) {
                assert_null(d);
            }
            assert_int_equal(d == NULL, errno == EINVAL);
            ec_url_details_free(d);
        }
    }
}

static const char *
attr(const ec_url_details *d, const char *key)
{
    const char *val = NULL;
    return dict_key_exists_and_fetch(d->attrs, key, &val) ? val : NULL;
}

static void
ruling_15_attrs_of_a_query(void **state)
{
    (void)state;
    ec_url_details *d = parse("/?a=1&b=x+y%2bz&a=2&e=&f=g=h&%26%3D=%41&_=%c3%bc");
    assert_non_null(d);
    assert_int_equal(ec_dict_count(d->attrs), 6);
    assert_string_equal(attr(d, "a"), "2"); /* the last one */
    assert_string_equal(attr(d, "b"), "x y+z");
    assert_string_equal(attr(d, "e"), "");
    assert_string_equal(attr(d, "f"), "g=h");
    assert_string_equal(attr(d, "&="), "A");
    assert_string_equal(attr(d, "_"), "\xc3\xbc");
    ec_url_details_free(d);
}

static void
ruling_15_no_attrs_without_pairs(void **state)
{
    (void)state;
    static const char *const others[] = { "/", "/?", "/?a", "/?a&b=1", "/?b=1&a", "/?a=1&", "/?&a=1", "/?a=1&&b=2", "/?=1", "/?a=1&=2", "/?&", "/#a=1", "/?a;b" };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        ec_url_details *d = parse(others[i]);
        assert_non_null(d);
        assert_null(d->attrs);
        ec_url_details_free(d);
    }
}

/* proves: ec_parse_url */
static void
many_attrs(void **state)
{
    (void)state;
    char *url = malloc(300000);
    size_t n = (size_t)sprintf(url, "/?");
    for (int i = 0; i < 20000; i++) {
        n += (size_t)sprintf(url + n, "%sk%d=%d", i != 0 ? "&" : "", i, i);
    }
    ec_url_details *d = ec_parse_url(url, n);
    assert_non_null(d);
    assert_int_equal(ec_dict_count(d->attrs), 20000);
    assert_string_equal(attr(d, "k19999"), "19999");
    ec_url_details_free(d);
    free(url);
}

static void
too_long_is_refused_unread(void **state)
{
    (void)state;
    static const size_t lengths[] = { (128u << 20) + 1, (size_t)INT32_MAX + 1, SIZE_MAX, (size_t)-1 };
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        errno = 0;
        assert_null(ec_parse_url("/", lengths[i]));
        assert_int_equal(errno, EINVAL);
    }
}

static void
every_prefix_is_parsed_or_refused(void **state)
{
    (void)state;
    static const char url[] = "http://us%65r:pa%73s@[2001:db8::1]:8080/p%61th;a=b/x?k%65y=v+%61l&k2=v%32#fr%61g";
    for (size_t n = 0; n < sizeof url; n++) {
        ec_url_details *d = parse_bytes(url, n);
        if (d != NULL) {
            assert_int_equal(strlen(d->url), n);
            assert_non_null(d->path);
        } else {
            assert_int_equal(errno, EINVAL);
        }
        ec_url_details_free(d);
    }
}

static int
request(const char *target, const char *authority, const char *path, ec_url_details **d)
{
    *d = NULL;
    return hs_url_parse_request(hs_view_of(target), HS_VIEW("https"), hs_view_of(authority), hs_view_of(path), d);
}

/* proves: ec_url_details_free */
static void
requests_get_what_the_target_does_not_say(void **state)
{
    (void)state;
    ec_url_details *d;
    assert_int_equal(request("/a%20b?x=1", "example.com:8443", NULL, &d), 0);
    check(d, &(struct expected){ .url = "/a%20b?x=1", .scheme = "https", .host = "example.com", .port = 8443, .path = "/a b", .raw_query = "x=1", .query = "x=1" });
    assert_string_equal(attr(d, "x"), "1");
    ec_url_details_free(d);

    assert_int_equal(request("/", "[::1]", NULL, &d), 0);
    check(d, &(struct expected){ .url = "/", .scheme = "https", .host = "[::1]", .path = "/" });
    ec_url_details_free(d);

    assert_int_equal(request("*", NULL, NULL, &d), 0);
    check(d, &(struct expected){ .url = "*", .scheme = "https", .path = "*" });
    ec_url_details_free(d);

    assert_int_equal(request("http://a:1/p", "b:2", NULL, &d), 0);
    check(d, &(struct expected){ .url = "http://a:1/p", .scheme = "http", .host = "a", .port = 1, .path = "/p" });
    ec_url_details_free(d);

    assert_int_equal(hs_url_parse_request(HS_VIEW("/"), NONE, NONE, NONE, &d), 0);
    check(d, &(struct expected){ .url = "/", .path = "/" });
    ec_url_details_free(d);
}

static void
a_path_of_two_slashes_is_no_authority(void **state)
{
    (void)state;
    ec_url_details *d;
    assert_int_equal(request("//evil.example/x", "good.example", NULL, &d), 0);
    check(d, &(struct expected){ .url = "//evil.example/x", .scheme = "https", .host = "good.example", .path = "//evil.example/x" });
    ec_url_details_free(d);
}

static void
ruling_15_the_normalised_path_is_reported(void **state)
{
    (void)state;
    ec_url_details *d;
    assert_int_equal(request("/a/../b//c%2541?q", "h", "/b/c%41", &d), 0);
    check(d, &(struct expected){ .url = "/a/../b//c%2541?q", .scheme = "https", .host = "h", .path = "/b/c%41", .raw_query = "q", .query = "q" });
    ec_url_details_free(d);
    assert_int_equal(request("/x", "h", "", &d), 0);
    assert_string_equal(d->path, "");
    ec_url_details_free(d);
}

static void
bad_requests(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        const char *authority;
    } bad[] = {
        { "", "h" },        { "/ x", "h" },   { "/\n", "h" },  { "/%", "h" },       { "a/b", "h" },     { "example.com:80", "h" },
        { "/", "u@h" },     { "/", "h:x" },   { "/", "h h" },  { "/", "[::1" },     { "/", "h/p" },     { "/", "h:65536" },
        { "/", "h?" },      { "/", "h\t" },   { "**", "h" },   { "?x", "h" },       { "://h/", "h" },
        { "http:///x", "h" }, { "http:/x", "h" }, { "//", "h y" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ec_url_details *d;
        int err = request(bad[i].target, bad[i].authority, NULL, &d);
        assert_int_equal(err, EINVAL);
        assert_null(d);
    }
    ec_url_details *d;
    assert_int_equal(hs_url_parse_request(HS_VIEW("/"), HS_VIEW("1x"), NONE, NONE, &d), EINVAL);
}

static void
decodes_in_place(void **state)
{
    (void)state;
    char text[] = "a%20b+c%2B";
    size_t len;
    assert_int_equal(hs_url_decode(hs_view_of(text), true, text, &len), 0);
    assert_string_equal(text, "a b c+");
    assert_int_equal(len, 6);
    char plain[] = "a+b";
    assert_int_equal(hs_url_decode(hs_view_of(plain), false, plain, &len), 0);
    assert_string_equal(plain, "a+b");
    assert_int_equal(hs_url_decode(NONE, false, plain, &len), 0);
    assert_string_equal(plain, "");
    assert_int_equal(len, 0);
    assert_int_equal(hs_url_decode(HS_VIEW("a\0b"), false, plain, &len), EINVAL);
    for (int c = 1; c < 256; c++) {
        char enc[4];
        char dec[4];
        snprintf(enc, sizeof enc, c % 2 ? "%%%02x" : "%%%02X", (unsigned)c);
        assert_int_equal(hs_url_decode(hs_view_of(enc), false, dec, &len), 0);
        assert_int_equal(len, 1);
        assert_int_equal((unsigned char)dec[0], c);
    }
}

static void
scenario(void *arg)
{
    (void)arg;
    ec_url_details *d = ec_parse_url("http://u:p@h:1/p?a=1&b=2&a=3#f", 30);
    if (d == NULL) {
        assert_int_equal(errno, ENOMEM);
    } else {
        assert_string_equal(attr(d, "a"), "3");
    }
    ec_url_details_free(d);
    ec_url_details_free(NULL);
}

static void
threat_38_each_allocation_fails_once(void **state)
{
    (void)state;
    assert_int_equal(alloc_fail_each(scenario, NULL), 8);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits_by_rfc_3986),
        cmocka_unit_test(refuses_what_is_no_url),
        cmocka_unit_test(threat_28_bad_percent_encoding),
        cmocka_unit_test(threat_09_controls_and_blanks_anywhere),
        cmocka_unit_test(ruling_15_attrs_of_a_query),
        cmocka_unit_test(ruling_15_no_attrs_without_pairs),
        cmocka_unit_test(many_attrs),
        cmocka_unit_test(too_long_is_refused_unread),
        cmocka_unit_test(every_prefix_is_parsed_or_refused),
        cmocka_unit_test(requests_get_what_the_target_does_not_say),
        cmocka_unit_test(a_path_of_two_slashes_is_no_authority),
        cmocka_unit_test(ruling_15_the_normalised_path_is_reported),
        cmocka_unit_test(bad_requests),
        cmocka_unit_test(decodes_in_place),
        cmocka_unit_test(threat_38_each_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
