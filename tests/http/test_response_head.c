/* test_response_head.c - response heads byte for byte, status lines, what may stand in a field. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "http/response_head.h"

#define DATE "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
enum { NOW = 784111777 };

/* Writes to memory of exactly the bound and compares. */
static void
check(const struct hs_response_head *h, const char *expected)
{
    size_t bound = hs_response_head_bound(h);
    char *dst = malloc(bound);
    assert_non_null(dst);
    char *end = hs_response_head_write(dst, h);
    assert_true((size_t)(end - dst) <= bound);
    if ((size_t)(end - dst) != strlen(expected) || memcmp(dst, expected, strlen(expected)) != 0) {
        fail_msg("%.*s", (int)(end - dst), dst);
    }
    free(dst);
}

static void
heads_byte_for_byte(void **state)
{
    (void)state;
    static const struct hs_out_field fields[] = {
        { { "Content-Type", 12 }, { "text/plain", 10 }, HS_FIELD_CONTENT_TYPE },
        { { "X", 1 }, { "", 0 }, HS_FIELD_OTHER },
        { { "X-Y", 3 }, { "a, b", 4 }, HS_FIELD_OTHER },
        { { "X-Seventeen-Bytes", 17 }, { "12345678901234567", 17 }, HS_FIELD_OTHER },
        { { "X-Sixteen-Bytes_", 16 }, { "1234567", 7 }, HS_FIELD_OTHER },
        { { "X-Eight_", 8 }, { "123", 3 }, HS_FIELD_OTHER },
    };
    check(&(struct hs_response_head){ .status = 200, .content_length = 13, .fields = fields, .nfields = 1, .date = true, .now = NOW },
          "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n" DATE "\r\n");
    check(&(struct hs_response_head){ .status = 200, .content_length = -1 }, "HTTP/1.1 200 OK\r\n\r\n");
    check(&(struct hs_response_head){ .status = 200, .content_length = 0, .close = true },
          "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    check(&(struct hs_response_head){ .status = 404, .content_length = -1, .chunked = true, .keep_alive = true },
          "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n");
    check(&(struct hs_response_head){ .status = 200, .content_length = INT64_MAX, .close = true, .keep_alive = true, .date = true, .now = NOW },
          "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\nConnection: close\r\n" DATE "\r\n");
    check(&(struct hs_response_head){ .status = 200, .content_length = -1, .fields = fields, .nfields = 6 },
          "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX: \r\nX-Y: a, b\r\nX-Seventeen-Bytes: 12345678901234567\r\n"
          "X-Sixteen-Bytes_: 1234567\r\nX-Eight_: 123\r\n\r\n");
}

/* A head that begins with a start written before is the same as one written from its parts. */
static void
a_start_stands_for_its_parts(void **state)
{
    static const struct hs_out_field fields[] = {
        { { "Content-Type", 12 }, { "text/plain", 10 }, HS_FIELD_CONTENT_TYPE },
        { { "X-Later", 7 }, { "more", 4 }, HS_FIELD_OTHER },
    };
    struct hs_head_start start;
    char long_type[128];

    (void)state;
    memset(long_type, 'x', sizeof long_type);
    for (size_t n = 1; n <= sizeof long_type; n++) {
        const struct hs_out_field type = { { "Content-Type", 12 }, { long_type, n }, HS_FIELD_CONTENT_TYPE };
        struct hs_response_head h = { .status = 203, .reason = HS_VIEW("Fine"), .fields = &type, .nfields = 1, .content_length = 7 };
        char expected[300];
        (void)snprintf(expected, sizeof expected, "HTTP/1.1 203 Fine\r\nContent-Type: %.*s\r\nContent-Length: 7\r\n\r\n", (int)n, long_type);
        check(&h, expected);
        const size_t len = sizeof "HTTP/1.1 203 Fine\r\nContent-Type: \r\n" - 1 + n;
        assert_int_equal(hs_head_start_write(&start, &h), len <= HS_HEAD_START_MAX);
        if (len <= HS_HEAD_START_MAX) {
            assert_int_equal(start.len, len);
            assert_int_equal(start.nfields, 1);
            h.start = &start;
            check(&h, expected);
        }
    }
    struct hs_response_head h = { .status = 200, .fields = fields, .nfields = 1, .content_length = -1 };
    assert_true(hs_head_start_write(&start, &h));
    h.start = &start;
    h.nfields = 2;
    check(&h, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Later: more\r\n\r\n");
}

static void
statuses_and_phrases(void **state)
{
    (void)state;
    check(&(struct hs_response_head){ .status = 200, .reason = HS_VIEW("Fine"), .content_length = -1 }, "HTTP/1.1 200 Fine\r\n\r\n");
    check(&(struct hs_response_head){ .status = 299, .content_length = -1 }, "HTTP/1.1 299 \r\n\r\n");
    check(&(struct hs_response_head){ .status = 599, .reason = HS_VIEW("x"), .content_length = -1 }, "HTTP/1.1 599 x\r\n\r\n");
    check(&(struct hs_response_head){ .status = 431, .content_length = -1 }, "HTTP/1.1 431 Request Header Fields Too Large\r\n\r\n");
    for (int status = -10; status < 1000; status++) {
        char expected[128];
        struct hs_view reason = hs_status_reason(status), line = hs_status_line(status);
        int n = snprintf(expected, sizeof expected, "HTTP/1.1 %d %.*s\r\n", status, (int)reason.n, reason.p);
        assert_int_equal(strlen(reason.p), reason.n);
        if (line.n != 0) {
            assert_int_equal(line.n, n);
            assert_memory_equal(line.p, expected, line.n);
            assert_true(reason.n != 0 && status >= 100 && status < 600);
        } else {
            assert_int_equal(reason.n, 0);
        }
        if (status >= 100 && status <= 599) {
            strcat(expected, "\r\n");
            check(&(struct hs_response_head){ .status = status, .content_length = -1 }, expected);
        }
    }
    assert_true(hs_view_eq(hs_status_reason(200), HS_VIEW("OK")));
    assert_true(hs_view_eq(hs_status_reason(413), HS_VIEW("Content Too Large")));
}

static void
ruling_09_no_framing_without_content(void **state)
{
    (void)state;
    static const int none[] = { 100, 101, 103, 204 };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        char expected[128];
        struct hs_view line = hs_status_line(none[i]);
        snprintf(expected, sizeof expected, "%.*s\r\n", (int)line.n, line.p);
        check(&(struct hs_response_head){ .status = none[i], .content_length = 5 }, expected);
        check(&(struct hs_response_head){ .status = none[i], .content_length = -1, .chunked = true }, expected);
    }
    check(&(struct hs_response_head){ .status = 304, .content_length = 5 }, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n");
    check(&(struct hs_response_head){ .status = 205, .content_length = 0 }, "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n");
    for (int status = 100; status < 600; status++) {
        assert_int_equal(hs_status_is_bodiless(status), status < 200 || status == 204 || status == 205 || status == 304);
    }
}

static void
date_is_asked_for_when_none_is_given(void **state)
{
    (void)state;
    char head[200], before[64], after[64];
    struct hs_response_head h = { .status = 200, .content_length = -1, .date = true };
    assert_true(hs_response_head_bound(&h) <= sizeof head);
    memcpy(before, hs_http_date((int64_t)time(NULL)), HS_HTTP_DATE_SIZE + 1);
    *hs_response_head_write(head, &h) = '\0';
    memcpy(after, hs_http_date((int64_t)time(NULL)), HS_HTTP_DATE_SIZE + 1);
    assert_true(strstr(head, before) != NULL || strstr(head, after) != NULL);
}

static void
threat_32_what_a_field_may_hold(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        char *text = malloc(3);
        assert_non_null(text);
        text[0] = 'a';
        text[1] = (char)byte;
        text[2] = 'b';
        bool token = byte > 0x20 && byte < 0x7F && strchr("\"(),/:;<=>?@[\\]{}", byte) == NULL;
        bool value = byte == '\t' || (byte >= 0x20 && byte != 0x7F);
        assert_int_equal(hs_field_name_ok((struct hs_view){ text, 3 }), token);
        assert_int_equal(hs_field_name_ok((struct hs_view){ text + 1, 1 }), token);
        assert_int_equal(hs_field_value_ok((struct hs_view){ text, 3 }), value);
        assert_int_equal(hs_field_value_ok((struct hs_view){ text + 1, 1 }), value);
        free(text);
    }
    assert_false(hs_field_name_ok(HS_VIEW("")));
    assert_false(hs_field_name_ok((struct hs_view){ NULL, 0 }));
    assert_true(hs_field_value_ok(HS_VIEW("")));
    assert_true(hs_field_value_ok((struct hs_view){ NULL, 0 }));
    assert_false(hs_field_value_ok(HS_VIEW("x\r\nSet-Cookie: a=b")));
    assert_false(hs_field_value_ok(HS_VIEW("a long value without anything wrong until its end\n")));
    assert_false(hs_field_name_ok(HS_VIEW("A-Long-Name-Without-Anything-Wrong-Until-Its-End:")));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_byte_for_byte),
        cmocka_unit_test(a_start_stands_for_its_parts),
        cmocka_unit_test(statuses_and_phrases),
        cmocka_unit_test(ruling_09_no_framing_without_content),
        cmocka_unit_test(date_is_asked_for_when_none_is_given),
        cmocka_unit_test(threat_32_what_a_field_may_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
