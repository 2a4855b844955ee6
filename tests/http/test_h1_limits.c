/* test_h1_limits.c - what is large or many: pipelined requests, answers, fields, pieces, requests on one connection. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "handlers.h"
#include "reply.h"

#define H "Host: a\r\n"
#define HELLO "GET /hello HTTP/1.1\r\n" H "\r\n"

enum { MANY = 1000 };

static void
open_limited(struct rig *r, const struct hs_h1_limits *h)
{
    rig_open_with(r, NULL, h);
    handlers_register(r);
    rig_start(r);
}

/* n times the request, in one run. */
static char *
repeat(const char *request, size_t n)
{
    size_t len = strlen(request);
    char *all = malloc(n * len + 1);

    assert_non_null(all);
    for (size_t i = 0; i < n; i++) {
        memcpy(all + i * len, request, len + 1);
    }
    return all;
}

/* Takes n complete responses with that body off what came. */
static void
expect_replies(struct rig_client *c, unsigned n, const char *body)
{
    size_t at = 0;

    for (unsigned i = 0; i < n; i++) {
        struct reply reply;
        assert_true(reply_parse(&reply, rig_received(c) + at, c->in.len - at, false));
        assert_int_equal(reply.status, 200);
        assert_true(reply.complete);
        assert_string_equal(reply.body.p, body);
        at += reply.size;
        reply_free(&reply);
    }
    assert_int_equal(at, c->in.len);
}

static void
threat_20_requests_that_came_at_once_wait_for_the_output_too(void **state)
{
    struct hs_h1_limits h;
    struct rig r;
    struct rig_client c;
    char *all = repeat(HELLO, MANY);

    (void)state;
    hs_h1_limits_default(&h);
    h.pipeline_output = 5000;
    open_limited(&r, &h);
    r.pair.capacity = 50000; /* all requests are in one read */
    rig_connect(&r, &c);
    rig_read_on(&c, false);
    assert_int_equal(rig_sends(&c, all), strlen(all));
    unsigned begun = r.requests_ended;
    assert_true(begun < (50000 + 5000) / 100 + 10); /* a hundred bytes each are more than what an answer takes */
    assert_true(begun > 50000 / 200);
    rig_read_on(&c, true);
    expect_replies(&c, MANY, "Hello");
    rig_disconnect(&c, false);
    free(all);
    rig_close(&r);
}

static void
a_burst_that_is_over_the_mark_but_leaves_at_once_goes_on(void **state)
{
    struct hs_h1_limits h;
    struct rig r;
    struct rig_client c;
    char *all = repeat(HELLO, MANY);

    (void)state;
    hs_h1_limits_default(&h);
    h.pipeline_output = 1000;
    open_limited(&r, &h);
    rig_connect(&r, &c);
    const struct iovec iov = { all, strlen(all) };
    assert_int_equal(c.t->ops->writev(c.t, &iov, 1, false), iov.iov_len); /* and nothing after it that would wake anybody */
    rig_settle(&r);
    expect_replies(&c, MANY, "Hello");
    rig_disconnect(&c, false);
    free(all);
    rig_close(&r);
}

static void
a_burst_is_answered_in_few_writes(void **state)
{
    struct rig r;
    struct rig_client c;
    char *all = repeat(HELLO, 16);

    (void)state;
    open_limited(&r, NULL);
    rig_connect(&r, &c);
    hs_memory_transport_fail(c.server, true, 2, ECONNRESET); /* there is one */
    rig_sends(&c, all);
    expect_replies(&c, 16, "Hello");
    assert_false(c.eof || c.reset);
    rig_disconnect(&c, false);
    free(all);
    rig_close(&r);
}

static void
a_connection_has_so_many_requests(void **state)
{
    struct hs_h1_limits h;
    struct rig r;
    struct rig_client c;
    char *all = repeat(HELLO, 5);

    (void)state;
    hs_h1_limits_default(&h);
    h.max_requests = 3;
    open_limited(&r, &h);
    rig_connect(&r, &c);
    rig_sends(&c, all);
    expect_replies(&c, 3, "Hello");
    assert_true(c.eof);
    assert_int_equal(r.requests_ended, 3);
    const char *close = strstr(rig_received(&c), "Connection: close\r\n");
    assert_non_null(close);
    assert_true(close > c.in.p + c.in.len / 2); /* the last of them says so */
    rig_disconnect(&c, false);
    free(all);
    rig_close(&r);
}

/* --- large answers --- */

static size_t n_fields, n_pieces, piece;

static int
says_much(ec_httpsrv_session *s)
{
    static char value[2001];
    char name[32];
    char *p = malloc(piece + 1);

    memset(value, 'v', sizeof value - 1);
    for (size_t i = 0; i < n_fields; i++) {
        snprintf(name, sizeof name, "X-%zu", i);
        assert_int_equal(ec_httpsrv_response_header_set(s, name, value), 0);
    }
    for (size_t i = 0; i < n_pieces; i++) {
        memset(p, 'a' + (int)(i % 26), piece);
        io_object *io = io_wrapper_copy_memory(p, piece, MEMTYPE_DONTCARE); /* so that each stays a piece */
        assert_int_equal(ec_httpsrv_response_append(s, p, piece), 0);
        assert_int_equal(ec_httpsrv_response_io(s, io, 0), 0);
        io_wrapper_delref(io);
    }
    free(p);
    return EC_HTTPSRV_HANDLER_DONE;
}

static void
answers_of_any_shape_arrive_whole_and_in_order(void **state)
{
    static const struct {
        size_t fields, pieces, piece;
    } cases[] = {
        { 0, 0, 0 }, { 1, 300, 1 }, { 3, 100, 100 }, { 2, 3, 16384 }, { 2, 3, 16385 }, { 2, 3, 65536 }, { 1, 2, 300000 },
        { 3, 1, 1000000 }, { 30, 1, 5000 }, { 3, 40, 20000 },
    };
    struct rig r;
    struct rig_client c;

    (void)state;
    rig_open(&r);
    rig_route(&r, NULL, "/", says_much, NULL);
    rig_start(&r);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int slow = 0; slow < 2; slow++) {
            struct reply reply;
            n_fields = cases[i].fields;
            n_pieces = cases[i].pieces;
            piece = cases[i].piece;
            r.pair = (struct hs_memory_pair_options){ .capacity = slow ? 3000 : 0, .write_max = slow ? 777 : 0 };
            rig_connect(&r, &c);
            rig_sends(&c, "GET / HTTP/1.1\r\n" H "\r\n");
            if (n_fields == 30) { /* more than reply_parse takes */
                const char *body = strstr(rig_received(&c), "\r\n\r\n");
                assert_non_null(body);
                assert_int_equal(body - c.in.p > 60000, 1);
                assert_int_equal(c.in.len - (size_t)(body + 4 - c.in.p), 10000);
                rig_disconnect(&c, false);
                continue;
            }
            assert_true(reply_parse(&reply, rig_received(&c), c.in.len, false));
            assert_true(reply.complete);
            assert_int_equal(reply.size, c.in.len);
            assert_int_equal(reply.body.len, 2 * n_pieces * piece);
            for (size_t k = 0; k < reply.body.len; k++) {
                if (reply.body.p[k] != (char)('a' + k / (2 * piece) % 26)) {
                    fail_msg("case %zu: byte %zu", i, k);
                }
            }
            reply_free(&reply);
            rig_disconnect(&c, false);
        }
    }
    rig_close(&r);
}

static void
a_head_larger_than_the_burst_keeps_its_place(void **state)
{
    struct rig r;
    struct rig_client c;

    (void)state;
    rig_open(&r);
    handlers_register(&r);
    rig_route(&r, NULL, "/", says_much, NULL);
    rig_start(&r);
    n_fields = 40; /* 80,000 bytes */
    n_pieces = 1;
    piece = 10;
    rig_connect(&r, &c);
    rig_sends(&c, HELLO "GET / HTTP/1.1\r\n" H "\r\n" HELLO);
    const char *p = rig_received(&c);
    const char *first = strstr(p, "\r\n\r\nHello");
    assert_non_null(first);
    const char *large = strstr(first, "\r\nX-39: ");
    assert_true(large != NULL && large - first > 70000);
    const char *last = strstr(large, "\r\n\r\naaaaaaaaaaaaaaaaaaaaHTTP/1.1 200 OK\r\n");
    assert_non_null(last);
    assert_non_null(strstr(last, "\r\n\r\nHello"));
    rig_disconnect(&c, false);
    rig_close(&r);
}

static void
what_comes_behind_the_last_request_does_not_cost_its_answer(void **state)
{
    struct rig r;
    struct rig_client c;
    struct reply reply;

    (void)state;
    rig_open(&r);
    rig_route(&r, NULL, "/", says_much, NULL);
    rig_start(&r);
    n_fields = 0;
    n_pieces = 1;
    piece = 50000;
    r.pair.capacity = 5000;
    rig_connect(&r, &c);
    rig_read_on(&c, false);
    rig_sends(&c, "GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n");
    while (r.requests_ended == 0) { /* until the driver has the rest */
        (void)rig_read(&c, 1000);
        rig_settle(&r);
    }
    (void)rig_sends(&c, HELLO);
    rig_read_on(&c, true);
    assert_true(reply_parse(&reply, rig_received(&c), c.in.len, false));
    assert_true(reply.complete && reply.close);
    assert_int_equal(reply.body.len, 100000);
    assert_true(c.eof && !c.reset);
    reply_free(&reply);
    rig_disconnect(&c, false);
    rig_close(&r);
}

/* --- limits that cannot be --- */

static void
a_head_limit_beyond_the_buffer_is_the_buffer_s(void **state)
{
    struct hs_h1_limits h;
    struct rig r;
    struct rig_client c;
    char fill[1000];

    (void)state;
    hs_h1_limits_default(&h);
    h.head.head_size = 10 * 1024 * 1024;
    open_limited(&r, &h);
    memset(fill, 'a', sizeof fill);
    rig_connect(&r, &c);
    rig_sends(&c, "GET /hello HTTP/1.1\r\nX: ");
    for (int i = 0; i < 200 && !c.eof; i++) {
        (void)rig_send(&c, fill, sizeof fill);
    }
    assert_memory_equal(rig_received(&c), "HTTP/1.1 431 ", 13);
    rig_disconnect(&c, true);
    rig_close(&r);
}

static void
the_numbers_are_right(void **state)
{
    struct hs_h1_stats st;
    struct rig r;
    struct rig_client c, d, e;

    (void)state;
    open_limited(&r, NULL);
    rig_connect(&r, &c);
    rig_connect(&r, &d);
    rig_connect(&r, &e);
    rig_sends(&c, HELLO HELLO);
    rig_sends(&d, "GET /stuck HTTP/1.1\r\n" H "\r\n");
    rig_sends(&e, "garbage\r\n\r\n");
    hs_h1_get_stats(r.h1, &st);
    assert_int_equal(st.connections, 3);
    assert_int_equal(st.requests, 3);
    assert_int_equal(st.refused, 1);
    assert_int_equal(st.live, 3);
    assert_int_equal(st.idle, 1);
    assert_int_equal(st.lingering, 1);
    rig_advance(&r, 100 * HS_SEC);
    hs_h1_get_stats(r.h1, &st);
    assert_int_equal(st.live, 1);
    assert_int_equal(st.idle, 0);
    assert_int_equal(st.lingering, 0);
    rig_disconnect(&c, false);
    rig_disconnect(&d, false);
    rig_disconnect(&e, false);
    hs_h1_get_stats(r.h1, &st);
    assert_int_equal(st.live, 0);
    rig_close(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_20_requests_that_came_at_once_wait_for_the_output_too),
        cmocka_unit_test(a_burst_that_is_over_the_mark_but_leaves_at_once_goes_on),
        cmocka_unit_test(a_burst_is_answered_in_few_writes),
        cmocka_unit_test(a_connection_has_so_many_requests),
        cmocka_unit_test(answers_of_any_shape_arrive_whole_and_in_order),
        cmocka_unit_test(a_head_larger_than_the_burst_keeps_its_place),
        cmocka_unit_test(what_comes_behind_the_last_request_does_not_cost_its_answer),
        cmocka_unit_test(a_head_limit_beyond_the_buffer_is_the_buffer_s),
        cmocka_unit_test(the_numbers_are_right),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
