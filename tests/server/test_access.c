/* test_access.c - server/access.h: a line for each request. */
#include "server/access.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *
line(const struct hs_access *a, size_t size)
{
    static char out[2048];
    char *exact = malloc(size); /* what is written past the end is found */
    assert_non_null(exact);
    size_t n = hs_access_format(exact, size, a);
    assert_true(n <= size);
    memcpy(out, exact, n);
    out[n] = '\0';
    free(exact);
    return out;
}

static void
method_path_status_bytes_time(void **state)
{
    (void)state;
    struct hs_access a = { HS_VIEW("GET"), HS_VIEW("/a/b?c=d"), 200, 1234, 1500000 };
    assert_string_equal(line(&a, 1024), "GET /a/b?c=d 200 1234 1.5ms\n");
    a = (struct hs_access){ HS_VIEW("POST"), HS_VIEW("/"), 0, 0, -5 };
    assert_string_equal(line(&a, 1024), "POST / - 0 0.0ms\n");
    a = (struct hs_access){ HS_VIEW("GET"), HS_VIEW("/"), 404, UINT64_MAX, INT64_MAX };
    assert_string_equal(line(&a, 1024), "GET / 404 18446744073709551615 9223372036854.7ms\n");
}

static void
threat_32_what_a_peer_sent_is_escaped(void **state)
{
    (void)state;
    struct hs_access a = { HS_VIEW("G\x1b[31m"), HS_VIEW("/\r\n\\\x7f\xc2\x9b"), 200, 0, 0 };
    assert_string_equal(line(&a, 1024), "G\\x1b[31m /\\x0d\\x0a\\x5c\\x7f\\xc2\\x9b 200 0 0.0ms\n");
}

static void
long_targets_are_cut_but_the_line_ends(void **state)
{
    (void)state;
    char target[4000], method[100];
    memset(target, '\n', sizeof target);
    memset(method, 'M', sizeof method);
    struct hs_access a = { { method, sizeof method }, { target, sizeof target }, 200, 7, 0 };
    for (size_t size = 64; size < 600; size++) {
        const char *text = line(&a, size);
        size_t n = strlen(text);
        assert_true(n >= 12);
        assert_string_equal(text + n - 13, " 200 7 0.0ms\n");
    }
}

static void
a_request_that_has_ended(void **state)
{
    static const char head[] = "GET /a?b HTTP/1.1\r\n\r\n";
    struct hs_request req = { .base = head, .method = { 0, 3 }, .target = { 4, 4 } };
    struct hs_request_end e = { .req = &req, .status = 200, .bytes = 5, .started = 1000000, .ended = 3600000 };
    char out[256];

    (void)state;
    out[hs_access_show(out, sizeof out, &e)] = '\0';
    assert_string_equal(out, "GET /a?b 200 5 2.6ms\n");
    e = (struct hs_request_end){ .line = HS_VIEW("GET  /\n HTTP/1.1, a line of any length"), .status = 400, .bytes = 12 };
    out[hs_access_show(out, sizeof out, &e)] = '\0';
    assert_string_equal(out, "GET  /\\x0a HTTP/1.1, a line of any length 400 12 0.0ms\n");
    e.line.n = 0;
    out[hs_access_show(out, sizeof out, &e)] = '\0';
    assert_string_equal(out, " 400 12 0.0ms\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(method_path_status_bytes_time),
        cmocka_unit_test(threat_32_what_a_peer_sent_is_escaped),
        cmocka_unit_test(long_targets_are_cut_but_the_line_ends),
        cmocka_unit_test(a_request_that_has_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
