/* test_access_line.c - server/access_line.h: the formats, and that nothing forges a line. */
#include "server/access_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "access_check.h"
#include "http/request_parser.h"

#define SECOND ((int64_t)1000000000)

/* A request whose parts are any bytes. */
struct made {
    char bytes[65536];
    struct hs_field fields[4];
    struct hs_request req;
    struct hs_request_end e;
    struct hs_access_more more;
};

static struct hs_slice
add(struct made *m, struct hs_view v)
{
    struct hs_slice s = { m->req.size, (uint32_t)v.n };

    assert_true(m->req.size + v.n <= sizeof m->bytes);
    memcpy(m->bytes + s.off, v.p, v.n);
    m->req.size += (uint32_t)v.n;
    return s;
}

static void
add_field(struct made *m, enum hs_field_id id, struct hs_view value)
{
    struct hs_slice s = add(m, value);

    m->fields[m->req.nfields++] = (struct hs_field){ .value_off = s.off, .value_len = s.len, .id = (uint16_t)id };
}

static struct made *
make(struct hs_view method, struct hs_view target)
{
    static struct made m;

    memset(&m, 0, sizeof m);
    m.req.base = m.bytes;
    m.req.fields = m.fields;
    m.req.version_major = 1;
    m.req.version_minor = 1;
    m.req.method = add(&m, method);
    (void)add(&m, HS_VIEW(" "));
    m.req.target = add(&m, target);
    (void)add(&m, HS_VIEW(" HTTP/1.1\r\n"));
    m.e = (struct hs_request_end){ .req = &m.req, .status = 200, .bytes = 1234 };
    m.more = (struct hs_access_more){ .client = HS_VIEW("192.0.2.1"), .wallclock = 784111777 * SECOND + 987654321 };
    return &m;
}

/* The line, in memory of just its room, so that what is written past it is found. */
static const char *
line_of(enum hs_access_format format, const struct made *m, size_t *n)
{
    static char out[HS_ACCESS_LINE_MAX + 1];
    struct hs_access_clock clock = { 0 };
    char *exact = malloc(HS_ACCESS_LINE_MAX);

    assert_non_null(exact);
    memset(exact, '#', HS_ACCESS_LINE_MAX);
    *n = hs_access_line(format, exact, &clock, &m->e, &m->more);
    assert_true(*n <= HS_ACCESS_LINE_MAX);
    memcpy(out, exact, *n);
    out[*n] = '\0';
    free(exact);
    return out;
}

static const char *
text(enum hs_access_format format, const struct made *m)
{
    size_t n;

    return line_of(format, m, &n);
}

static void
combined_as_apache_and_nginx_write_it(void **state)
{
    struct made *m = make(HS_VIEW("GET"), HS_VIEW("/a?b=c"));

    (void)state;
    assert_string_equal(text(HS_ACCESS_COMBINED, m), "192.0.2.1 - - [06/Nov/1994:08:49:37 +0000] \"GET /a?b=c HTTP/1.1\" 200 1234 \"-\" \"-\"\n");
    add_field(m, HS_FIELD_OTHER, HS_VIEW("nothing"));
    add_field(m, HS_FIELD_USER_AGENT, HS_VIEW("curl/8.0 (a browser, \"quoted\")"));
    add_field(m, HS_FIELD_REFERER, HS_VIEW("http://example.org/start.html"));
    add_field(m, HS_FIELD_USER_AGENT, HS_VIEW("second"));
    m->e.username = "joe bloggs";
    m->e.status = 0;
    m->e.aborted = true;
    m->req.version_minor = 0;
    m->req.size = 0; /* its head has been forgotten but for these */
    assert_string_equal(text(HS_ACCESS_COMBINED, m),
                        "192.0.2.1 - joe\\x20bloggs [06/Nov/1994:08:49:37 +0000] \"GET /a?b=c HTTP/1.0\" 499 1234 "
                        "\"http://example.org/start.html\" \"curl/8.0 (a browser, \\x22quoted\\x22)\"\n");
    m->e = (struct hs_request_end){ .line = HS_VIEW("\x16\x03\x01 TLS"), .status = 400, .bytes = 12 };
    m->more.client = (struct hs_view){ NULL, 0 };
    assert_string_equal(text(HS_ACCESS_COMBINED, m), "- - - [06/Nov/1994:08:49:37 +0000] \"\\x16\\x03\\x01 TLS\" 400 12 \"-\" \"-\"\n");
    m->e.line.n = 0;
    assert_string_equal(text(HS_ACCESS_COMBINED, m), "- - - [06/Nov/1994:08:49:37 +0000] \"-\" 400 12 \"-\" \"-\"\n");
}

static void
json_with_all_that_is_known(void **state)
{
    struct made *m = make(HS_VIEW("GET"), HS_VIEW("/a?b=c"));
    struct hs_peer peer = { .address = HS_VIEW("192.0.2.1"), .local = HS_VIEW("127.0.0.1:8080") };

    (void)state;
    m->e.started = 5 * SECOND;
    m->e.ended = 6 * SECOND + 1999;
    assert_string_equal(text(HS_ACCESS_JSON, m),
                        "{\"time\":\"1994-11-06T08:49:37.987Z\",\"id\":null,\"client\":\"192.0.2.1\",\"listener\":null,\"worker\":0,"
                        "\"method\":\"GET\",\"target\":\"/a?b=c\",\"protocol\":\"HTTP/1.1\",\"host\":null,\"referer\":null,\"user_agent\":null,"
                        "\"user\":null,\"status\":200,\"bytes\":1234,\"first_byte\":null,\"total\":1.000001,\"aborted\":false}\n");
    m->e.peer = &peer;
    m->req.host = add(m, HS_VIEW("example.org:8080"));
    add_field(m, HS_FIELD_REFERER, HS_VIEW("http://a/"));
    add_field(m, HS_FIELD_USER_AGENT, HS_VIEW(""));
    m->e.username = "joe";
    m->e.status = 0;
    m->e.aborted = true;
    m->e.first_byte = 5 * SECOND + 250000000;
    m->more.request_id = HS_VIEW("0123");
    m->more.worker = 7;
    assert_string_equal(text(HS_ACCESS_JSON, m),
                        "{\"time\":\"1994-11-06T08:49:37.987Z\",\"id\":\"0123\",\"client\":\"192.0.2.1\",\"listener\":\"127.0.0.1:8080\",\"worker\":7,"
                        "\"method\":\"GET\",\"target\":\"/a?b=c\",\"protocol\":\"HTTP/1.1\",\"host\":\"example.org:8080\",\"referer\":\"http://a/\","
                        "\"user_agent\":\"\",\"user\":\"joe\",\"status\":null,\"bytes\":1234,\"first_byte\":0.250000,\"total\":1.000001,\"aborted\":true}\n");
    peer.address = HS_VIEW("10.0.0.7");
    assert_non_null(strstr(text(HS_ACCESS_JSON, m), ",\"client\":\"192.0.2.1\",\"peer\":\"10.0.0.7\",\"listener\":"));
    m->e = (struct hs_request_end){ .line = HS_VIEW("GET / HTTP/1.1\xff"), .status = 408, .peer = &peer };
    assert_non_null(strstr(text(HS_ACCESS_JSON, m), ",\"line\":\"GET / HTTP/1.1\\u00FF\",\"method\":null,\"target\":null,\"protocol\":null,"));
}

static void
times_and_numbers_at_their_ends(void **state)
{
    struct made *m = make(HS_VIEW("GET"), HS_VIEW("/"));
    size_t n;

    (void)state;
    m->e.bytes = UINT64_MAX;
    m->e.ended = INT64_MAX;
    m->e.first_byte = -1; /* a clock that went back cannot be, and does not hurt */
    m->more.worker = UINT32_MAX;
    m->more.wallclock = INT64_MAX;
    const char *line = line_of(HS_ACCESS_JSON, m, &n);
    struct json_object *o = read_json(line, n);
    assert_non_null(o);
    json_object_put(o);
    assert_non_null(strstr(line, "\"time\":\"2262-04-11T23:47:16.854Z\""));
    assert_non_null(strstr(line, "\"bytes\":18446744073709551615,\"first_byte\":0.000000,\"total\":9223372036.854775,"));
    assert_non_null(strstr(text(HS_ACCESS_COMBINED, m), "[11/Apr/2262:23:47:16 +0000]"));
    m->more.wallclock = 0;
    assert_non_null(strstr(text(HS_ACCESS_COMBINED, m), "[01/Jan/1970:00:00:00 +0000]"));
}

/* One text for many lines of the same second; it changes with the second. */
static void
the_clock_moves(void **state)
{
    struct made *m = make(HS_VIEW("GET"), HS_VIEW("/"));
    struct hs_access_clock clock = { 0 };
    char line[HS_ACCESS_LINE_MAX];

    (void)state;
    for (int i = 0; i < 200; i++) {
        char expected[40];
        m->more.wallclock = (784111770 + i) * SECOND + (i % 3) * 333333333;
        line[hs_access_line(HS_ACCESS_JSON, line, &clock, &m->e, &m->more)] = '\0';
        snprintf(expected, sizeof expected, "T08:%02d:%02d.%03dZ\"", 49 + (30 + i) / 60, (30 + i) % 60, i % 3 * 333);
        assert_non_null(strstr(line, expected));
    }
}

static void
threat_32_no_byte_forges_a_combined_line(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        for (size_t len = 1; len < 70; len += 3) {
            for (size_t at = 0; at < len; at += 5) {
                char bytes[80];
                static struct combined got;
                size_t n;
                memset(bytes, 'a', len);
                bytes[at] = (char)c;
                struct hs_view v = { bytes, len };
                struct made *m = make(v, v);
                add_field(m, HS_FIELD_REFERER, v);
                add_field(m, HS_FIELD_USER_AGENT, v);
                const char *line = line_of(HS_ACCESS_COMBINED, m, &n);
                assert_true(read_combined(line, n, &got));
                assert_int_equal(got.request_len, 2 * len + 10);
                assert_memory_equal(got.request, bytes, len);
                assert_memory_equal(got.request + len + 1, bytes, len);
                assert_memory_equal(got.referer, bytes, len);
                assert_memory_equal(got.agent, bytes, len);
                if (c != 0) {
                    bytes[len] = '\0';
                    m->e.username = bytes;
                    m->more.client = v;
                    m->e.req = NULL;
                    m->e.line = v;
                    line = line_of(HS_ACCESS_COMBINED, m, &n);
                    if (c != ' ') { /* an address has none */
                        assert_true(read_combined(line, n, &got));
                        assert_string_equal(got.client, bytes);
                        assert_string_equal(got.user, bytes);
                        assert_string_equal(got.request, bytes);
                    }
                }
            }
        }
    }
}

/* A line that the parser has let through is copied without being looked at, where the request says that its path is plain: no byte may get there that
 * would have to be escaped. */
static void
threat_32_what_the_parser_lets_through_is_escaped_where_it_must_be(void **state)
{
    static const char *const forms[] = { "GET /aaaaaaaaaaaaaaaaaaaaaa%c HTTP/1.1", "GET %caaaa HTTP/1.1", "GET /aa%ca?b HTTP/1.1",
                                         "GET /a?b%c HTTP/1.1", "G%cT /aaaa HTTP/1.1", "GET http://a/b%c HTTP/1.1", "GET http://a%cb/ HTTP/1.1",
                                         "OPTIONS * HTTP/1.%c" };
    static const struct hs_head_limits limits = { .head_size = 16384, .target_size = 8192, .method_size = 32, .fields = HS_MAX_FIELDS };
    unsigned plain = 0;

    (void)state;
    for (int c = 0; c < 256; c++) {
        for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
            struct made *m = make(HS_VIEW(""), HS_VIEW(""));
            static struct combined got;
            struct hs_refusal why;
            char line[64];
            size_t n = (size_t)snprintf(line, sizeof line, forms[i], c);
            size_t size = (size_t)snprintf(m->bytes, sizeof m->bytes, "%s\r\nHost: a\r\n\r\n", line);
            if (c == 0) { /* where a string would end */
                size = n + sizeof "\r\nHost: a\r\n\r\n" - 1;
                memcpy(m->bytes, line, n);
                memcpy(m->bytes + n, "\r\nHost: a\r\n\r\n", size - n);
            }
            if (hs_request_parse(m->bytes, size, 0, &limits, &m->req, &why) != HS_PARSE_DONE) {
                continue;
            }
            plain += m->req.plain_path && !m->req.has_query;
            const char *text = line_of(HS_ACCESS_COMBINED, m, &size);
            assert_true(read_combined(text, size, &got));
            assert_int_equal(got.request_len, n);
            assert_memory_equal(got.request, line, n);
        }
    }
    assert_in_range(plain, 100, 1000); /* most of them were not looked at */
}

/* The text of a status is kept from line to line, and is made anew for another. */
static void
statuses_change_from_line_to_line(void **state)
{
    static const int statuses[] = { 200, 200, 0, 404, 0, 200, 7, INT32_MAX, 200 };
    struct made *m = make(HS_VIEW("GET"), HS_VIEW("/"));
    struct hs_access_clock clock = { 0 };
    char line[HS_ACCESS_LINE_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        char expected[40];
        m->e.status = statuses[i];
        line[hs_access_line(HS_ACCESS_COMBINED, line, &clock, &m->e, &m->more)] = '\0';
        snprintf(expected, sizeof expected, "/ HTTP/1.1\" %d 1234 \"", statuses[i] != 0 ? statuses[i] : 499);
        assert_non_null(strstr(line, expected));
    }
}

/* Who is not named is the peer, where that one is noted. */
static void
without_a_client_it_is_the_peer(void **state)
{
    struct made *m = make(HS_VIEW("GET"), HS_VIEW("/"));
    struct hs_peer peer = { .address = HS_VIEW("10.0.0.7"), .local = HS_VIEW("127.0.0.1:8080") };

    (void)state;
    m->e.peer = &peer;
    m->more.client = (struct hs_view){ NULL, 0 };
    assert_int_equal(strncmp(text(HS_ACCESS_COMBINED, m), "10.0.0.7 - - [", 14), 0);
    assert_non_null(strstr(text(HS_ACCESS_JSON, m), ",\"client\":\"10.0.0.7\",\"listener\":\"127.0.0.1:8080\""));
    m->more.client = HS_VIEW("192.0.2.9");
    m->e.username = "joe";
    assert_int_equal(strncmp(text(HS_ACCESS_COMBINED, m), "192.0.2.9 - joe [06/Nov/1994:08:49:37 +0000] \"GET", 49), 0);
}

static const char *
member(struct json_object *o, const char *name)
{
    struct json_object *v;

    assert_true(json_object_object_get_ex(o, name, &v));
    return json_object_get_string(v);
}

static void
threat_32_json_is_json_whatever_comes(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        for (size_t len = 1; len < 40; len += 3) {
            for (size_t at = 0; at < len; at += 2) {
                char bytes[48], expected[64];
                size_t n;
                memset(bytes, 'a', len);
                bytes[at] = (char)c;
                struct hs_view v = { bytes, len };
                struct made *m = make(v, v);
                m->req.host = add(m, v);
                add_field(m, HS_FIELD_REFERER, v);
                add_field(m, HS_FIELD_USER_AGENT, v);
                m->more.client = m->more.request_id = v;
                const char *line = line_of(HS_ACCESS_JSON, m, &n);
                struct json_object *o = read_json(line, n);
                assert_non_null(o);
                for (size_t i = 0; i < n - 1; i++) { /* no control of any kind, and none that UTF-8 would hide */
                    assert_true((unsigned char)line[i] >= 0x20 && (unsigned char)line[i] < 0x7f);
                }
                /* what is no UTF-8 is read as Latin-1 */
                snprintf(expected, sizeof expected, "%.*s%c%c%.*s", (int)at, bytes, c < 0x80 ? c : 0xc0 | c >> 6, c < 0x80 ? 0 : 0x80 | (c & 0x3f),
                         (int)(len - at - 1), bytes + at + 1);
                if (c != 0 && c >= 0x80) {
                    static const char *const names[] = { "method", "target", "host", "referer", "user_agent", "client", "id" };
                    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
                        assert_string_equal(member(o, names[k]), expected);
                    }
                } else if (c != 0) {
                    bytes[len] = '\0';
                    assert_string_equal(member(o, "target"), bytes);
                    assert_string_equal(member(o, "user_agent"), bytes);
                }
                json_object_put(o);
            }
        }
    }
}

static void
json_keeps_utf8_and_nothing_like_it(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
        { "\xe2\x82\xac", "\xe2\x82\xac" },
        { "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
        { "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf" },
        { "\xef\xbf\xbd", "\xef\xbf\xbd" },
        { "\xc2\xa0", "\xc2\xa0" },
        { "\xc2\x85", "\\u0085" },         /* next line */
        { "\xc2\x9b", "\\u009B" },         /* control sequence */
        { "\xe2\x80\xa8", "\\u2028" },     /* line separator */
        { "\xe2\x80\xa9", "\\u2029" },     /* paragraph separator */
        { "\xe2\x80\xaa", "\xe2\x80\xaa" },
        { "\xc0\x8a", "\\u00C0\\u008A" },  /* an overlong newline */
        { "\xe0\x80\x8a", "\\u00E0\\u0080\\u008A" },
        { "\xed\xa0\x80", "\\u00ED\\u00A0\\u0080" }, /* a surrogate */
        { "\xf4\x90\x80\x80", "\\u00F4\\u0090\\u0080\\u0080" }, /* above U+10FFFF */
        { "\xf8\x88\x80\x80\x80", "\\u00F8\\u0088\\u0080\\u0080\\u0080" },
        { "\xe2\x82", "\\u00E2\\u0082" },  /* cut */
        { "\xf0\x9f\x98", "\\u00F0\\u009F\\u0098" },
        { "\xc3", "\\u00C3" },
        { "\xbf", "\\u00BF" },
        { "\xc3\"", "\\u00C3\\\"" },
        { "\x1b\x7f\\", "\\u001B\\u007F\\\\" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct made *m = make(HS_VIEW("GET"), hs_view_of(cases[i].in));
        char expected[128];
        size_t n;
        snprintf(expected, sizeof expected, "\"target\":\"%s\",", cases[i].out);
        const char *line = line_of(HS_ACCESS_JSON, m, &n);
        assert_non_null(strstr(line, expected));
        struct json_object *o = read_json(line, n);
        assert_non_null(o);
        json_object_put(o);
    }
}

/* All fields at once as long as can be, of every kind of byte: cut between characters, and the line is whole. */
static void
long_fields_are_cut_and_the_line_is_whole(void **state)
{
    static const char *const fills[] = { "a", "\"", "\\", "\n", "\xff", "\xc3\xbc", "\xf0\x9f\x98\x80", "aaaaaaa\xe2\x82\xac", "\xe2\x80\xa8" };
    static char much[9000], shifted[9000];

    (void)state;
    for (size_t k = 0; k < sizeof fills / sizeof *fills; k++) {
        for (size_t shift = 0; shift < 20; shift++) {
            static struct combined got;
            size_t n, fill = strlen(fills[k]);
            for (size_t i = 0; i < sizeof much - 1; i++) {
                much[i] = i < shift ? 'x' : fills[k][(i - shift) % fill];
            }
            memcpy(shifted, much, sizeof much);
            struct hs_view v = { much, sizeof much - 1 };
            struct hs_peer peer = { .address = v, .local = v };
            struct made *m = make(v, v);
            m->req.host = add(m, v);
            add_field(m, HS_FIELD_REFERER, v);
            add_field(m, HS_FIELD_USER_AGENT, v);
            m->e.username = much;
            m->e.bytes = UINT64_MAX;
            m->e.ended = INT64_MAX;
            m->e.first_byte = INT64_MAX;
            m->e.peer = &peer;
            m->more.client = m->more.request_id = v;
            m->more.worker = UINT32_MAX;
            const char *line = line_of(HS_ACCESS_COMBINED, m, &n);
            assert_true(read_combined(line, n, &got));
            assert_memory_equal(got.agent, much, strlen(got.agent));
            assert_memory_equal(got.user, much, strlen(got.user));
            if (k == 0) {
                assert_int_equal(strlen(got.referer), 2048);
                assert_int_equal(strlen(got.agent), 1024);
            }
            line = line_of(HS_ACCESS_JSON, m, &n);
            struct json_object *o = read_json(line, n);
            assert_non_null(o);
            if (k == 0) {
                assert_int_equal(strlen(member(o, "target")), HS_ACCESS_TARGET_MAX);
            }
            json_object_put(o);
            m->e.req = NULL;
            m->e.line = v;
            line = line_of(HS_ACCESS_JSON, m, &n);
            o = read_json(line, n);
            assert_non_null(o);
            json_object_put(o);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(combined_as_apache_and_nginx_write_it),
        cmocka_unit_test(json_with_all_that_is_known),
        cmocka_unit_test(times_and_numbers_at_their_ends),
        cmocka_unit_test(the_clock_moves),
        cmocka_unit_test(threat_32_no_byte_forges_a_combined_line),
        cmocka_unit_test(threat_32_what_the_parser_lets_through_is_escaped_where_it_must_be),
        cmocka_unit_test(statuses_change_from_line_to_line),
        cmocka_unit_test(without_a_client_it_is_the_peer),
        cmocka_unit_test(threat_32_json_is_json_whatever_comes),
        cmocka_unit_test(json_keeps_utf8_and_nothing_like_it),
        cmocka_unit_test(long_fields_are_cut_and_the_line_is_whole),
    };
    setenv("TZ", "UTC", 1);
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
