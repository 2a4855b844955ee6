/* test_request_parser.c - the request parser over the tables of request_cases.h, at every split, at the edge of mapped memory, with
 * several contents of the padding, and in both builds of the inner loops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "request_cases.h"
#include "request_check.h"

/* A copy of the head with one byte put in at a mark ('@'). */
static void
check_byte_at_mark(const char *template, int byte, int status)
{
    char bytes[256], name[300];
    size_t len = strlen(template);
    memcpy(bytes, template, len + 1);
    char *mark = strchr(bytes, '@');
    assert_non_null(mark);
    *mark = (char)byte;
    snprintf(name, sizeof name, "byte %02X in %s", (unsigned)byte, template);
    check(name, bytes, len, status);
}

static void
accepted_heads(void **state)
{
    (void)state;
    CHECK_TABLE(accepted_cases);
}

static void
threat_01_both_lengths(void **state)
{
    (void)state;
    CHECK_TABLE(threat_01_cases);
}

static void
threat_02_two_content_lengths(void **state)
{
    (void)state;
    CHECK_TABLE(threat_02_cases);
}

static void
threat_03_content_length_is_digits(void **state)
{
    (void)state;
    CHECK_TABLE(threat_03_cases);
    for (int byte = 0; byte < 256; byte++) {
        bool good = (byte >= '0' && byte <= '9') || byte == ' ' || byte == '\t';
        check_byte_at_mark("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: @5\r\n\r\n", byte, good ? 200 : 400);
        check_byte_at_mark("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5@\r\n\r\n", byte, good ? 200 : 400);
    }
}

static void
threat_04_leading_zeros_are_decimal(void **state)
{
    (void)state;
    static const struct {
        const char *digits;
        int64_t value;
    } cases[] = { { "0", 0 },   { "00", 0 },       { "007", 7 },  { "010", 10 }, { "0777", 777 },
                  { "08", 8 },  { "0000000012", 12 }, { "0000000000000000010", 10 }, { "9223372036854775807", INT64_MAX } };
    static struct outcome o;
    char bytes[128];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int n = snprintf(bytes, sizeof bytes, POST "Content-Length: %s" END, cases[i].digits);
        check(cases[i].digits, bytes, (size_t)n, 200);
        parse(hs_request_parse, &o, bytes, (size_t)n, 0, &defaults, 0);
        assert_int_equal(o.r.content_length, cases[i].value);
    }
}

static void
threat_05_transfer_encoding_is_chunked(void **state)
{
    (void)state;
    CHECK_TABLE(threat_05_cases);
    for (int byte = 0; byte < 256; byte++) {
        check_byte_at_mark("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: @chunked\r\n\r\n", byte, 400);
        check_byte_at_mark("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked@\r\n\r\n", byte, 400);
        check_byte_at_mark("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: c@unked\r\n\r\n", byte, byte == 'h' || byte == 'H' ? 200 : 400);
    }
    static struct outcome o;
    static const char head[] = POST "Transfer-Encoding: Chunked" END;
    parse(hs_request_parse, &o, head, sizeof head - 1, 0, &defaults, 0);
    assert_true(o.r.chunked);
    assert_int_equal(o.r.content_length, -1);
}

static void
threat_08_lines_and_blanks(void **state)
{
    (void)state;
    CHECK_TABLE(threat_08_cases);
}

static void
threat_09_bytes_that_nothing_may_hold(void **state)
{
    (void)state;
    CHECK_TABLE(threat_09_cases);
    for (int byte = 0; byte < 256; byte++) {
        bool token = hs_ascii_is_tchar((char)byte);
        bool target = byte > 0x20 && byte < 0x7F && strchr("\"#<>", byte) == NULL;
        check_byte_at_mark("G@T / HTTP/1.1\r\nHost: a\r\n\r\n", byte, token ? 200 : 400);
        check_byte_at_mark("GET /a@ HTTP/1.1\r\nHost: a\r\n\r\n", byte, target ? 200 : 400);
        check_byte_at_mark("GET /abcdefghijklmnopqrstuvwx@yz HTTP/1.1\r\nHost: a\r\n\r\n", byte, target ? 200 : 400);
        check_byte_at_mark("GET /a?b@ HTTP/1.1\r\nHost: a\r\n\r\n", byte, target ? 200 : 400);
        check_byte_at_mark("GET / HTTP/1.1\r\nHost: a\r\nX@Y: z\r\n\r\n", byte, token || byte == ':' ? 200 : 400);
        check_byte_at_mark("GET / HTTP/1.1\r\nHost: a\r\nX-Name-Of-Twenty-Bytes@Y: z\r\n\r\n", byte, token || byte == ':' ? 200 : 400);
        check_byte_at_mark("GET / HTTP/1.1\r\nHost: a\r\n@: z\r\n\r\n", byte, token ? 200 : 400);
        check_byte_at_mark("GET / HTTP/1.1\r\nHost: a\r\nX: y@z\r\n\r\n", byte, hs_ascii_is_field_vchar((char)byte) ? 200 : 400);
        check_byte_at_mark("GET / HTTP/1.1\r\nHost: a\r\nX: a value of more than one block@z\r\n\r\n", byte,
                           hs_ascii_is_field_vchar((char)byte) ? 200 : 400);
    }
}

static void
threat_10_host(void **state)
{
    (void)state;
    CHECK_TABLE(threat_10_cases);
    for (int byte = 0; byte < 256; byte++) {
        bool good = (byte < 128 && (hs_ascii_is_alpha((char)byte) || hs_ascii_is_digit((char)byte))) || byte == '-' || byte == '_' || byte == '.';
        check_byte_at_mark("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", byte, good ? 200 : 400);
        check_byte_at_mark("GET / HTTP/1.1\r\nHost: www.example.test.a@b.example\r\n\r\n", byte, good ? 200 : 400);
    }
    char bytes[400];
    for (int n = 250; n < 262; n++) { /* the longest name */
        int len = snprintf(bytes, sizeof bytes, "GET / HTTP/1.1\r\nHost: %0*d:80\r\n\r\n", n, 0);
        check("long host", bytes, (size_t)len, n <= 255 ? 200 : 400);
    }
}

static void
threat_11_target_forms(void **state)
{
    (void)state;
    CHECK_TABLE(threat_11_cases);
}

static void
threat_12_versions(void **state)
{
    (void)state;
    CHECK_TABLE(threat_12_cases);
    for (int byte = 0; byte < 256; byte++) {
        check_byte_at_mark("GET / HTTP/1.@\r\nHost: a\r\n\r\n", byte, byte == '0' || byte == '1' ? 200 : byte >= '2' && byte <= '9' ? 505 : 400);
        check_byte_at_mark("GET / HTTP/@.1\r\nHost: a\r\n\r\n", byte, byte == '1' ? 200 : byte >= '0' && byte <= '9' ? 505 : 400);
        check_byte_at_mark("GET / HTTP/1@1\r\nHost: a\r\n\r\n", byte, byte == '.' ? 200 : 400);
        check_byte_at_mark("GET /@HTTP/1.1\r\nHost: a\r\n\r\n", byte, byte == ' ' ? 200 : 400);
        check_byte_at_mark("GET / HTTP/1.1@\nHost: a\r\n\r\n", byte, byte == '\r' ? 200 : 400);
        check_byte_at_mark("GET / HTTP/1.1\r@Host: a\r\n\r\n", byte, byte == '\n' ? 200 : 400);
    }
}

/* before, then n times fill, then after. */
static char *
filled(const char *before, char fill, size_t n, const char *after, size_t *len)
{
    size_t b = strlen(before), a = strlen(after);
    char *p = malloc(b + n + a + 1);
    assert_non_null(p);
    memcpy(p, before, b);
    memset(p + b, fill, n);
    memcpy(p + b + n, after, a + 1);
    *len = b + n + a;
    return p;
}

static void
check_filled(const char *before, char fill, size_t n, const char *after, int status, const struct hs_head_limits *limits)
{
    size_t len;
    char *bytes = filled(before, fill, n, after, &len);
    char name[100];
    snprintf(name, sizeof name, "%.30s + %zu times %c", before, n, fill);
    check_limited(name, bytes, len, status, limits);
    free(bytes);
}

static void
threat_15_target_too_long(void **state)
{
    (void)state;
    check_filled("GET /", 'a', 8191, " HTTP/1.1\r\nHost: a\r\n\r\n", 200, &defaults);
    check_filled("GET /", 'a', 8192, " HTTP/1.1\r\nHost: a\r\n\r\n", 414, &defaults);
    check_filled("GET /?", 'a', 8191, " HTTP/1.1\r\nHost: a\r\n\r\n", 414, &defaults);
    check_filled("GET http://a/", 'a', 8192 - 9, " HTTP/1.1\r\nHost: a\r\n\r\n", 200, &defaults);
    check_filled("GET http://a/", 'a', 8192 - 8, " HTTP/1.1\r\nHost: a\r\n\r\n", 414, &defaults);
    check_filled("GET /", 'a', 8192, "\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 414, &defaults);
    check_filled("GET /", 'a', 8191, "\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400, &defaults);
    check_filled("\r\n\r\nGET /", 'a', 100000, "", 414, &defaults);
    struct hs_head_limits low = { 16384, 16, 32, 100 };
    check_filled("GET /", 'a', 15, " HTTP/1.1\r\nHost: a\r\n\r\n", 200, &low);
    check_filled("GET /", 'a', 16, " HTTP/1.1\r\nHost: a\r\n\r\n", 414, &low);
}

static void
threat_15_method_too_long(void **state)
{
    (void)state;
    check_filled("", 'M', 32, " / HTTP/1.1\r\nHost: a\r\n\r\n", 200, &defaults);
    check_filled("", 'M', 33, " / HTTP/1.1\r\nHost: a\r\n\r\n", 501, &defaults);
    check_filled("", 'M', 32, "\x01/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, &defaults);
    check_filled("", 'M', 100000, "", 501, &defaults);
    check_filled("\r\n\r\n", 'M', 33, "", 501, &defaults);
}

static void
threat_15_head_too_large(void **state)
{
    (void)state;
    static const char before[] = GET "X: ";
    size_t rest = defaults.head_size - (sizeof before - 1) - 4;
    check_filled(before, 'v', rest, END, 200, &defaults);
    check_filled(before, 'v', rest + 1, END, 431, &defaults);
    check_filled(before, 'v', rest + 2, END, 431, &defaults);
    check_filled(before, 'v', rest + 100, END, 431, &defaults);
    check_filled(before, 'v', 100000, END, 431, &defaults);                   /* a value without end */
    check_filled(GET, 'n', 100000, ": x" END, 431, &defaults);                /* a name without end */
    check_filled(before, 'v', 20000, "\x01" END, 431, &defaults);             /* what is beyond the limit is not looked at */
    check_filled(before, 'v', rest - 10, "\x01" END, 400, &defaults);         /* what is before it is */
    check_filled("GET / HTTP/1.1\r\nHost: ", 'h', 100000, END, 431, &defaults);
    check_filled(GET "X: ", ' ', 100000, END, 431, &defaults);
    check_filled(before, 'v', rest + 4, "", 431, &defaults);                  /* not ended within the limit: it cannot be any more */
    check_filled(before, 'v', rest + 3, "", 0, &defaults);
    struct hs_head_limits low = { 64, 8192, 32, 100 };
    check_filled(before, 'v', 64 - (sizeof before - 1) - 4, END, 200, &low);
    check_filled(before, 'v', 64 - (sizeof before - 1) - 3, END, 431, &low);
    check_filled("GET /", 'a', 1000, " HTTP/1.1\r\nHost: a\r\n\r\n", 431, &low);
    struct hs_head_limits high = { 200000, 8192, 32, 100 };
    check_filled(GET, 'n', 65535, ": x" END, 200, &high);
    check_filled(GET, 'n', 65536, ": x" END, 431, &high);
    check_filled(GET, 'n', 65535, "\x01: x" END, 400, &high);
    check_filled(before, 'v', 100000, END, 200, &high);
}

static void
threat_15_too_many_fields(void **state)
{
    (void)state;
    char bytes[8192];
    for (unsigned n = 98; n < 103; n++) {
        size_t len = (size_t)snprintf(bytes, sizeof bytes, "GET / HTTP/1.1\r\nHost: a\r\n");
        for (unsigned i = 1; i < n; i++) {
            len += (size_t)snprintf(bytes + len, sizeof bytes - len, "X-%u: y\r\n", i);
        }
        size_t without_end = len;
        len += (size_t)snprintf(bytes + len, sizeof bytes - len, "\r\n");
        check("many fields", bytes, len, n <= 100 ? 200 : 431);
        check("many fields, one more is bad", bytes, without_end, n <= 100 ? 0 : 431);
    }
    struct hs_head_limits low = { 16384, 8192, 32, 2 };
    static const char two[] = GET "X: y" END;
    static const char three[] = GET "X: y\r\nZ: z" END;
    static const char bad[] = GET "X: y\r\n Z" END;
    check_limited("two fields", two, sizeof two - 1, 200, &low);
    check_limited("three fields", three, sizeof three - 1, 431, &low);
    check_limited("third is no field", bad, sizeof bad - 1, 431, &low);
}

/* A line without end, byte by byte: refused for what it is, where its limit is, not only where that of the head is. */
static void
threat_15_endless_lines_stop_at_their_limit(void **state)
{
    (void)state;
    static const struct {
        const char *before;
        char fill;
        int status;
        size_t limit;
    } cases[] = { { "", 'M', 501, 40 }, { "\r\n\r\n", 'M', 501, 40 }, { "GET /", 'a', 414, 8240 }, { "GET /?", 'a', 414, 8240 },
                  { "GET http://a/", 'a', 414, 8240 }, { "\r\nPOST /", 'a', 414, 8240 } };
    static struct outcome o;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t len, k = 0;
        char *bytes = filled(cases[i].before, cases[i].fill, 20000, "", &len);
        do {
            k++;
            parse(hs_request_parse, &o, bytes, k, k - 1, &defaults, 0);
        } while (o.result == HS_PARSE_MORE && k < len);
        assert_int_equal(status_of(&o), cases[i].status);
        assert_true(k <= cases[i].limit);
        free(bytes);
    }
}

/* A head sent byte by byte is not read again from its start for each byte: the work is bounded by its lines. */
static void
threat_15_byte_by_byte_is_cheap(void **state)
{
    (void)state;
    static struct outcome o;
    static const char before[] = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
    size_t n = sizeof before - 1;
    char bytes[1024];
    memset(bytes, 'v', sizeof bytes);
    memcpy(bytes, before, n);
    o.r.fields = o.fields;
    for (size_t k = n; k < sizeof bytes - 16; k++) {
        o.r.base = NULL;
        assert_int_equal(hs_request_parse(bytes, k, k - 1, &defaults, &o.r, &o.why), HS_PARSE_MORE);
        if (o.r.base != NULL && k != 37 && k != 38) { /* once where the longest method would end */
            fail_msg("parsed again at %zu", k);
        }
    }
}

static void
threat_16_expect(void **state)
{
    (void)state;
    CHECK_TABLE(threat_16_cases);
    static struct outcome o;
    static const struct {
        const char *head;
        bool expect;
    } cases[] = { { POST "Expect: 100-continue" END, true },
                  { "POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue" END, false },
                  { POST "X: 100-continue" END, false } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        parse(hs_request_parse, &o, cases[i].head, strlen(cases[i].head), 0, &defaults, 0);
        assert_int_equal(o.result, HS_PARSE_DONE);
        assert_int_equal(o.r.expect_continue, cases[i].expect);
    }
}

static void
assert_slice(const struct outcome *o, struct hs_slice s, const char *text)
{
    struct hs_view v = hs_request_view(&o->r, s);
    assert_int_equal(v.n, strlen(text));
    assert_memory_equal(v.p, text, v.n);
}

static void
targets_are_taken_apart(void **state)
{
    (void)state;
    static struct outcome o;
    static const struct {
        const char *line, *target, *path, *query, *host;
        enum hs_target_form form;
        bool has_query, plain;
    } cases[] = {
        { "GET / ", "/", "/", "", "h", HS_TARGET_ORIGIN, false, true },
        { "GET /a/b.c ", "/a/b.c", "/a/b.c", "", "h", HS_TARGET_ORIGIN, false, true },
        { "GET /a? ", "/a?", "/a", "", "h", HS_TARGET_ORIGIN, true, true },
        { "GET /a?b=%41&c ", "/a?b=%41&c", "/a", "b=%41&c", "h", HS_TARGET_ORIGIN, true, true },
        { "GET /a??b ", "/a??b", "/a", "?b", "h", HS_TARGET_ORIGIN, true, true },
        { "GET /a?//.. ", "/a?//..", "/a", "//..", "h", HS_TARGET_ORIGIN, true, true },
        { "GET /a%20b ", "/a%20b", "/a%20b", "", "h", HS_TARGET_ORIGIN, false, false },
        { "GET //a ", "//a", "//a", "", "h", HS_TARGET_ORIGIN, false, false },
        { "GET /a// ", "/a//", "/a//", "", "h", HS_TARGET_ORIGIN, false, false },
        { "GET /. ", "/.", "/.", "", "h", HS_TARGET_ORIGIN, false, false },
        { "GET /a/.. ", "/a/..", "/a/..", "", "h", HS_TARGET_ORIGIN, false, false },
        { "GET /.well-known ", "/.well-known", "/.well-known", "", "h", HS_TARGET_ORIGIN, false, false },
        { "GET /a.b./c ", "/a.b./c", "/a.b./c", "", "h", HS_TARGET_ORIGIN, false, true },
        { "GET /a\\b ", "/a\\b", "/a\\b", "", "h", HS_TARGET_ORIGIN, false, false },
        { "GET /aaaaaaaaaaaaaa/b ", "/aaaaaaaaaaaaaa/b", "/aaaaaaaaaaaaaa/b", "", "h", HS_TARGET_ORIGIN, false, true },
        { "GET /aaaaaaaaaaaaaa/.b ", "/aaaaaaaaaaaaaa/.b", "/aaaaaaaaaaaaaa/.b", "", "h", HS_TARGET_ORIGIN, false, false },
        { "GET /aaaaaaaaaaaaaa//b ", "/aaaaaaaaaaaaaa//b", "/aaaaaaaaaaaaaa//b", "", "h", HS_TARGET_ORIGIN, false, false },
        { "GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa%61 ", "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa%61",
          "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa%61", "", "h", HS_TARGET_ORIGIN, false, false },
        { "GET http://H:80/x?y ", "http://H:80/x?y", "/x", "y", "H:80", HS_TARGET_ABSOLUTE, true, true },
        { "GET http://h ", "http://h", "", "", "h", HS_TARGET_ABSOLUTE, false, true },
        { "GET http://h?y ", "http://h?y", "", "y", "h", HS_TARGET_ABSOLUTE, true, true },
        { "GET http://h/%41 ", "http://h/%41", "/%41", "", "h", HS_TARGET_ABSOLUTE, false, false },
        { "GET http://h/a/../b ", "http://h/a/../b", "/a/../b", "", "h", HS_TARGET_ABSOLUTE, false, false },
        { "OPTIONS * ", "*", "", "", "h", HS_TARGET_ASTERISK, false, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char head[200];
        int n = snprintf(head, sizeof head, "%sHTTP/1.1\r\nHost: h\r\n\r\n", cases[i].line);
        check(cases[i].line, head, (size_t)n, 200);
        for (size_t k = 0; k < 2; k++) {
            parse(parsers[k], &o, head, (size_t)n, 0, &defaults, 0);
            assert_slice(&o, o.r.target, cases[i].target);
            assert_slice(&o, o.r.path, cases[i].path);
            assert_slice(&o, o.r.query, cases[i].query);
            assert_slice(&o, o.r.host, cases[i].host);
            assert_int_equal(o.r.target_form, cases[i].form);
            assert_int_equal(o.r.has_query, cases[i].has_query);
            assert_int_equal(o.r.plain_path, cases[i].plain);
        }
    }
}

static void
methods_have_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum hs_method id;
    } cases[] = { { "GET", HS_METHOD_GET },         { "HEAD", HS_METHOD_HEAD },   { "POST", HS_METHOD_POST },   { "PUT", HS_METHOD_PUT },
                  { "DELETE", HS_METHOD_DELETE },   { "PATCH", HS_METHOD_PATCH }, { "TRACE", HS_METHOD_TRACE }, { "OPTIONS", HS_METHOD_OPTIONS },
                  { "GETX", HS_METHOD_OTHER },      { "GE", HS_METHOD_OTHER },    { "POSTX", HS_METHOD_OTHER }, { "PUX", HS_METHOD_OTHER },
                  { "HEAX", HS_METHOD_OTHER },      { "get", HS_METHOD_OTHER },   { "Post", HS_METHOD_OTHER },  { "PATCX", HS_METHOD_OTHER },
                  { "OPTIONX", HS_METHOD_OTHER },   { "DELETX", HS_METHOD_OTHER } };
    static struct outcome o;
    char head[100];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int n = snprintf(head, sizeof head, "%s / HTTP/1.1\r\nHost: h\r\n\r\n", cases[i].name);
        check(cases[i].name, head, (size_t)n, 200);
        parse(hs_request_parse, &o, head, (size_t)n, 0, &defaults, 0);
        assert_int_equal(o.r.method_id, cases[i].id);
        assert_slice(&o, o.r.method, cases[i].name);
    }
    assert_int_equal(hs_method_lookup((struct hs_view){ NULL, 0 }), HS_METHOD_OTHER);
}

static void
connection_says_what_comes_after(void **state)
{
    (void)state;
    static const struct {
        const char *version, *fields;
        bool keep_alive, upgrade;
    } cases[] = {
        { "1.1", "", true, false },
        { "1.0", "", false, false },
        { "1.1", "Connection: close\r\n", false, false },
        { "1.1", "Connection: CLOSE\r\n", false, false },
        { "1.1", "Connection: keep-alive\r\n", true, false },
        { "1.0", "Connection: keep-alive\r\n", true, false },
        { "1.0", "Connection: Keep-Alive\r\n", true, false },
        { "1.0", "Connection: x , keep-alive\t,y\r\n", true, false },
        { "1.0", "Connection: keep-alivf\r\n", false, false },
        { "1.0", "Connection: keep-alive, close\r\n", false, false },
        { "1.1", "Connection: close, keep-alive\r\n", false, false },
        { "1.1", "Connection: x\r\nConnection: close\r\n", false, false },
        { "1.1", "Connection: closed\r\n", true, false },
        { "1.1", "Connection: ,,,\r\n", true, false },
        { "1.1", "Connection:\r\n", true, false },
        { "1.1", "Connection: ,close\r\n", false, false },
        { "1.1", "Proxy-Connection: close\r\n", true, false },
        { "1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\n", true, true },
        { "1.1", "Upgrade: websocket\r\nConnection: keep-alive, upgrade\r\n", true, true },
        { "1.1", "Upgrade: websocket\r\n", true, false },
        { "1.1", "Connection: upgrade\r\n", true, false },
        { "1.0", "Connection: upgrade\r\nUpgrade: websocket\r\n", false, false },
    };
    static struct outcome o;
    char head[200];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int n = snprintf(head, sizeof head, "GET / HTTP/%s\r\nHost: h\r\n%s\r\n", cases[i].version, cases[i].fields);
        check(cases[i].fields, head, (size_t)n, 200);
        parse(hs_request_parse, &o, head, (size_t)n, 0, &defaults, 0);
        if (o.r.keep_alive != cases[i].keep_alive || o.r.upgrade != cases[i].upgrade) {
            fail_msg("HTTP/%s %s", cases[i].version, cases[i].fields);
        }
    }
}

static const char browser[] = "GET /static/app.js?v=12 HTTP/1.1\r\n"
                              "Host: www.example.com\r\n"
                              "Connection: keep-alive\r\n"
                              "sec-ch-ua: \"Chromium\";v=\"124\", \"Not-A.Brand\";v=\"99\"\r\n"
                              "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)\r\n"
                              "Accept: text/html,*/*;q=0.8  \r\n"
                              "Upgrade-Insecure-Requests: 1\r\n"
                              "Accept-Encoding: gzip, deflate, br\r\n"
                              "Cookie: session=0123456789abcdef; theme=dark\r\n"
                              "cookie: second=1\r\n"
                              "X-Empty:\r\n"
                              "\r\n";

static void
fields_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value;
        enum hs_field_id id;
    } expected[] = {
        { "Host", "www.example.com", HS_FIELD_HOST },
        { "Connection", "keep-alive", HS_FIELD_CONNECTION },
        { "sec-ch-ua", "\"Chromium\";v=\"124\", \"Not-A.Brand\";v=\"99\"", HS_FIELD_OTHER },
        { "User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)", HS_FIELD_USER_AGENT },
        { "Accept", "text/html,*/*;q=0.8", HS_FIELD_ACCEPT },
        { "Upgrade-Insecure-Requests", "1", HS_FIELD_OTHER },
        { "Accept-Encoding", "gzip, deflate, br", HS_FIELD_ACCEPT_ENCODING },
        { "Cookie", "session=0123456789abcdef; theme=dark", HS_FIELD_COOKIE },
        { "cookie", "second=1", HS_FIELD_COOKIE },
        { "X-Empty", "", HS_FIELD_OTHER },
    };
    static struct outcome o;
    check("browser", browser, sizeof browser - 1, 200);
    for (size_t k = 0; k < 2; k++) {
        parse(parsers[k], &o, browser, sizeof browser - 1, 0, &defaults, 0);
        assert_int_equal(o.r.nfields, sizeof expected / sizeof *expected);
        for (unsigned i = 0; i < o.r.nfields; i++) {
            struct hs_view name = hs_field_name(&o.r, &o.fields[i]), value = hs_field_value(&o.r, &o.fields[i]);
            assert_true(hs_view_eq(name, hs_view_of(expected[i].name)));
            assert_true(hs_view_eq(value, hs_view_of(expected[i].value)));
            assert_int_equal(o.fields[i].id, expected[i].id);
        }
    }
    unsigned i = 0;
    assert_ptr_equal(hs_request_find(&o.r, HS_VIEW("COOKIE"), &i), &o.fields[7]);
    assert_int_equal(i, 8);
    assert_ptr_equal(hs_request_find(&o.r, HS_VIEW("COOKIE"), &i), &o.fields[8]);
    assert_null(hs_request_find(&o.r, HS_VIEW("COOKIE"), &i));
    assert_int_equal(i, o.r.nfields);
    i = 0;
    assert_ptr_equal(hs_request_find(&o.r, HS_VIEW("SEC-CH-UA"), &i), &o.fields[2]);
    i = 0;
    assert_null(hs_request_find(&o.r, HS_VIEW("sec-ch-u"), &i));
    i = 0;
    assert_null(hs_request_find(&o.r, HS_VIEW(""), &i));
    i = 0;
    assert_ptr_equal(hs_request_find_id(&o.r, HS_FIELD_ACCEPT, &i), &o.fields[4]);
    i = 5;
    assert_null(hs_request_find_id(&o.r, HS_FIELD_ACCEPT, &i));
}

/* Every length of name and value around the block size, so that each stop falls on each place of a block. */
static void
every_alignment(void **state)
{
    (void)state;
    char head[300];
    static struct outcome o;
    for (int name = 1; name < 40; name++) {
        for (int value = 0; value < 40; value += name % 3 + 1) {
            int n = snprintf(head, sizeof head, "GET /%.*s HTTP/1.1\r\nHost: %.*s:1\r\n%.*s: %.*s\r\n\r\n", value,
                             "abcdefghijklmnopqrstuvwxyz0123456789abcd", name, "host.name.of.many.labels.that.goes.on.an", name,
                             "N-ame-Of-A-Field-That-Is-Longer-Than-Two-Blocks", value, "value of a field that is longer than two blo");
            for (size_t k = 0; k < 2; k++) {
                parse(parsers[k], &o, head, (size_t)n, 0, &defaults, (unsigned)(name + value));
                assert_int_equal(o.result, HS_PARSE_DONE);
                assert_int_equal(o.r.path.len, value + 1);
                assert_int_equal(o.fields[1].name_len, name);
                assert_true(o.r.plain_path);
                for (size_t cut = 0; cut < (size_t)n; cut++) {
                    parse(parsers[k], &o, head, cut, 0, &defaults, (unsigned)cut);
                    assert_int_equal(o.result, HS_PARSE_MORE);
                }
            }
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepted_heads),
        cmocka_unit_test(threat_01_both_lengths),
        cmocka_unit_test(threat_02_two_content_lengths),
        cmocka_unit_test(threat_03_content_length_is_digits),
        cmocka_unit_test(threat_04_leading_zeros_are_decimal),
        cmocka_unit_test(threat_05_transfer_encoding_is_chunked),
        cmocka_unit_test(threat_08_lines_and_blanks),
        cmocka_unit_test(threat_09_bytes_that_nothing_may_hold),
        cmocka_unit_test(threat_10_host),
        cmocka_unit_test(threat_11_target_forms),
        cmocka_unit_test(threat_12_versions),
        cmocka_unit_test(threat_15_target_too_long),
        cmocka_unit_test(threat_15_method_too_long),
        cmocka_unit_test(threat_15_head_too_large),
        cmocka_unit_test(threat_15_too_many_fields),
        cmocka_unit_test(threat_15_endless_lines_stop_at_their_limit),
        cmocka_unit_test(threat_15_byte_by_byte_is_cheap),
        cmocka_unit_test(threat_16_expect),
        cmocka_unit_test(targets_are_taken_apart),
        cmocka_unit_test(methods_have_numbers),
        cmocka_unit_test(connection_says_what_comes_after),
        cmocka_unit_test(fields_are_found),
        cmocka_unit_test(every_alignment),
    };
    return cmocka_run_group_tests(tests, map_area, NULL);
}
