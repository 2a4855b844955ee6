/* test_h1_refuse.c - what the driver refuses, when, and that nothing behind it is read a second way; trailers; 100 Continue. */
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
#define SMUGGLED "GET /hello HTTP/1.1\r\n" H "\r\n"

static unsigned refused;
static int refused_status;

static char refused_line[256];
static int64_t refused_after;

static void
on_refused(void *arg, const struct hs_h1_refused *r)
{
    (void)arg;
    assert_non_null(r->why->reason);
    assert_non_null(r->from);
    assert_null(r->peer);
    refused++;
    refused_status = r->why->status;
    assert_true(r->bytes > 1);
    size_t n = r->line.n < sizeof refused_line ? r->line.n : sizeof refused_line - 1;
    memcpy(refused_line, n != 0 ? r->line.p : "", n);
    refused_line[n] = '\0';
    refused_after = hs_loop_now(hs_loop_current()) - r->started;
}

static void
open_rig(struct rig *r)
{
    rig_open(r);
    handlers_register(r);
    rig_start(r);
    hs_h1_on_refused(r->h1, on_refused, NULL);
    refused = 0;
}

/* One response with that status and the end of the connection, and nothing else. */
static void
expect_refusal(struct rig *r, struct rig_client *c, int status)
{
    struct reply reply;

    assert_true(reply_parse(&reply, rig_received(c), c->in.len, false));
    assert_int_equal(reply.status, status);
    assert_true(reply.complete && reply.close);
    assert_int_equal(reply.size, c->in.len);
    assert_true(c->eof);
    reply_free(&reply);
    (void)r;
}

static void
a_malformed_head_is_refused_and_ends_the_connection(void **state)
{
    static const struct {
        const char *request;
        int status;
    } cases[] = {
        { "GET /hello HTTP/1.1\r\n" H "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n" SMUGGLED, 400 }, /* threat 1 */
        { "GET /hello HTTP/1.1\r\n" H "Content-Length: 3\r\nContent-Length: 3\r\n\r\n" SMUGGLED, 400 },         /* 2 */
        { "GET /hello HTTP/1.1\r\n" H "Content-Length: +3\r\n\r\n" SMUGGLED, 400 },                             /* 3 */
        { "GET /hello HTTP/1.1\r\n" H "Transfer-Encoding: chunked, chunked\r\n\r\n" SMUGGLED, 400 },            /* 5 */
        { "GET /hello HTTP/1.1\r\n" H "Transfer-Encoding: gzip\r\n\r\n" SMUGGLED, 501 },
        { "GET /hello HTTP/1.1\n" H "\r\n" SMUGGLED, 400 },                                                     /* 8 */
        { "GET /hel\001lo HTTP/1.1\r\n" H "\r\n" SMUGGLED, 400 },                                               /* 9 */
        { "GET /hello HTTP/1.1\r\n\r\n" SMUGGLED, 400 },                                                        /* 10 */
        { "CONNECT a:80 HTTP/1.1\r\n" H "\r\n" SMUGGLED, 501 },                                                 /* 11 */
        { "GET /hello HTTP/2.0\r\n" H "\r\n" SMUGGLED, 505 },                                                   /* 12 */
        { "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505 },
        { "GET /hello HTTP/1.1\r\n" H "Expect: tea\r\n\r\n" SMUGGLED, 417 },                                    /* 16 */
    };
    struct rig r;
    struct rig_client c;

    (void)state;
    open_rig(&r);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int kept = 0; kept < 2; kept++) {
            refused = 0;
            rig_connect(&r, &c);
            if (kept) { /* not the first request */
                rig_sends(&c, SMUGGLED);
                rig_forget(&c);
            }
            unsigned ended = r.requests_ended;
            rig_sends(&c, cases[i].request);
            if (cases[i].status == 505 && c.in.len && memcmp(c.in.p, "HTTP/1.1 400", 12) == 0) {
                expect_refusal(&r, &c, 400); /* the preface of HTTP/2, which is not spoken here */
            } else {
                expect_refusal(&r, &c, cases[i].status);
            }
            assert_int_equal(refused, 1);
            assert_int_equal(r.requests_ended, ended); /* nobody was asked */
            rig_sends(&c, SMUGGLED);
            assert_int_equal(r.requests_ended, ended);
            rig_disconnect(&c, false);
        }
    }
    rig_close(&r);
}

static void
threat_15_heads_over_their_limits_are_refused_at_the_limit(void **state)
{
    enum { MUCH = 200000 };
    static const struct {
        const char *head, *fill;
        int status;
        size_t at_most; /* bytes read before the refusal */
    } cases[] = {
        { "GET /", "a", 414, 8192 + 200 },
        { "", "M", 501, 32 + 200 },
        { "GET / HTTP/1.1\r\nX: ", "v", 431, 16384 + 200 },
        { "GET / HTTP/1.1\r\n", "n", 431, 16384 + 200 },
        { "GET / HTTP/1.1\r\n", "a: b\r\n", 431, 16384 + 200 },
    };
    struct rig r;
    struct rig_client c;
    char *fill = malloc(MUCH);

    (void)state;
    open_rig(&r);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = strlen(cases[i].fill), sent = 0;
        for (size_t k = 0; k < MUCH; k++) {
            fill[k] = cases[i].fill[k % n];
        }
        refused = 0;
        r.pair.capacity = 100;
        rig_connect(&r, &c);
        rig_sends(&c, cases[i].head);
        while (!refused && sent < MUCH) {
            sent += rig_send(&c, fill + sent, 50);
        }
        assert_true(sent <= cases[i].at_most);
        assert_int_equal(refused_status, cases[i].status);
        (void)rig_send(&c, fill, MUCH); /* goes nowhere, for a while */
        expect_refusal(&r, &c, cases[i].status);
        assert_int_equal(refused, 1);
        assert_int_equal(r.requests_ended, 0);
        rig_disconnect(&c, false);
    }
    free(fill);
    rig_close(&r);
}

static void
bad_chunks_are_refused_when_they_come(void **state)
{
    static const char *const bodies[] = {
        "x\r\n", "-1\r\n", "0x1\r\n", "1 \r\na\r\n", "1\r\nab\r\n", "1\na\r\n", "11111111111111111\r\n", "1;\r\na\r\n", "\r\n",
    };
    static const char *const paths[] = { "/collect", "/stream", "/spool", "/echo", "/ignore" };
    struct rig r;
    struct rig_client c;
    char head[200];

    (void)state;
    open_rig(&r);
    for (size_t p = 0; p < sizeof paths / sizeof *paths; p++) {
        for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
            for (int late = 0; late < 2; late++) {
                rig_connect(&r, &c);
                unsigned ended = r.requests_ended;
                snprintf(head, sizeof head, "POST %s HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n%s%s", paths[p], late ? "1\r\nz\r\n" : "",
                         bodies[i]);
                rig_sends(&c, head);
                rig_sends(&c, SMUGGLED);
                struct reply reply;
                assert_true(reply_parse(&reply, rig_received(&c), c.in.len, false));
                if (strcmp(paths[p], "/ignore") == 0) {
                    assert_int_equal(reply.status, 200); /* answered before it was looked at */
                } else if (reply.status == 200) {
                    assert_false(reply.complete); /* an echo had begun */
                    assert_int_equal(p, 3);
                } else {
                    assert_int_equal(reply.status, 400);
                    assert_true(reply.complete && reply.close);
                }
                assert_int_equal(reply.size, c.in.len);
                assert_true(c.eof || c.reset);
                assert_int_equal(r.requests_ended, ended + 1);
                reply_free(&reply);
                rig_disconnect(&c, false);
            }
        }
    }
    rig_close(&r);
}

/* --- trailers --- */

static void
threat_14_trailers_are_delivered_apart_or_refused(void **state)
{
    static const struct {
        const char *trailers, *body; /* NULL: refused */
        int status;
    } cases[] = {
        { "X-One: 1\r\n", "ab;X-One=1", 200 },
        { "X-One: 1\r\nX-One: 2\r\n", "ab;X-One=1;X-One=2", 200 },
        { "X-Checksum:\r\n", "ab;X-Checksum=", 200 },
        { "Content-Length: 5\r\n", NULL, 400 },
        { "Transfer-Encoding: chunked\r\n", NULL, 400 },
        { "Host: b\r\n", NULL, 400 },
        { "bad line\r\n", NULL, 400 },
        { " X: folded\r\n", NULL, 400 },
    };
    struct rig r;
    struct rig_client c;
    char request[500];

    (void)state;
    open_rig(&r);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int n = snprintf(request, sizeof request, "POST /trailers HTTP/1.1\r\n" H "X-One: head\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n%s\r\n",
                         cases[i].trailers);
        for (int at = 0; at <= n; at += 1 + at / 40 * 3) {
            struct reply reply;
            rig_connect(&r, &c);
            rig_send(&c, request, (size_t)(n - at));
            rig_send(&c, request + n - at, (size_t)at);
            assert_true(reply_parse(&reply, rig_received(&c), c.in.len, false));
            assert_int_equal(reply.status, cases[i].status);
            if (cases[i].body) {
                assert_string_equal(reply.body.p, cases[i].body);
                assert_false(c.eof);
            } else {
                assert_true(c.eof && reply.close);
            }
            reply_free(&reply);
            rig_disconnect(&c, false);
        }
    }
    rig_close(&r);
}

static const char *seen_header;

static int
merges_nothing(ec_httpsrv_session *s)
{
    string *str;
    const char *value;
    int err = ec_httpsrv_request_data_get_string(s, &str);

    if (err == EAGAIN) {
        assert_int_equal(ec_httpsrv_session_suspend(s), 0);
        return EC_HTTPSRV_HANDLER_ASYNC;
    }
    assert_int_equal(ec_httpsrv_request_header_get(s, "X-Trailer", &value), ENOENT);
    assert_int_equal(ec_httpsrv_request_header_get(s, "X-One", &seen_header), 0);
    assert_string_equal(seen_header, "head");
    return EC_HTTPSRV_HANDLER_DONE;
}

static void
threat_14_trailers_are_never_header_fields(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_route(&r, NULL, "/", merges_nothing, NULL);
    rig_start(&r);
    seen_header = NULL;
    (void)rig_exchange(&r, "POST / HTTP/1.1\r\n" H "X-One: head\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Trailer: x\r\nX-One: trailer\r\n\r\n");
    assert_non_null(seen_header);
    rig_close(&r);
}

/* --- 100 Continue --- */

#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"

static void
threat_16_100_continue_comes_when_the_body_is_asked_for(void **state)
{
    static const char *const paths[] = { "/collect", "/stream", "/spool", "/echo", "/trailers" };
    struct rig r;
    struct rig_client c;
    char head[200];

    (void)state;
    open_rig(&r);
    for (size_t p = 0; p < sizeof paths / sizeof *paths; p++) {
        rig_connect(&r, &c);
        snprintf(head, sizeof head, "POST %s HTTP/1.1\r\n" H "Expect: 100-Continue\r\nContent-Length: 2\r\n\r\n", paths[p]);
        rig_sends(&c, head);
        assert_ptr_equal(strstr(rig_received(&c), CONTINUE), rig_received(&c));
        hs_buf_consume(&c.in, sizeof CONTINUE - 1);
        assert_null(strstr(rig_received(&c), CONTINUE));
        rig_sends(&c, "ab");
        struct reply reply;
        assert_true(reply_parse(&reply, rig_received(&c), c.in.len, false));
        assert_int_equal(reply.status, 200);
        assert_true(strncasecmp(reply.body.p, "ab", 2) == 0);
        assert_true(reply.complete);
        assert_int_equal(reply.size, c.in.len);
        reply_free(&reply);
        rig_disconnect(&c, false);
    }
    rig_close(&r);
}

static void
threat_16_100_continue_is_not_sent_where_nobody_waits_for_it(void **state)
{
    static const char *const requests[] = {
        /* the body has come already */
        "POST /collect HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nab",
        "POST /stream HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 2\r\n\r\na",
        /* there is none */
        "POST /collect HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n",
        "POST /collect HTTP/1.1\r\n" H "Expect: 100-continue\r\n\r\n",
        /* HTTP/1.0 knows of none */
        "POST /collect HTTP/1.0\r\n" H "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n",
        /* nobody reads it, or it is refused */
        "POST /ignore HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n",
        "POST /none HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n",
        "POST /collect HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n",
    };
    struct rig r;

    (void)state;
    open_rig(&r);
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        struct rig_client c;
        rig_connect(&r, &c);
        rig_sends(&c, requests[i]);
        assert_null(strstr(rig_received(&c), "100 Continue"));
        rig_disconnect(&c, false);
    }
    rig_close(&r);
}

/* The head is out, then the body is asked for: what would come now would stand in the middle of the answer. */
static int
answers_then_reads(ec_httpsrv_session *s)
{
    string *str;

    if (!hs_session_head_sent(s)) {
        assert_int_equal(ec_httpsrv_response_append(s, "early,", 6), 0);
        (void)ec_httpsrv_response_flush(s, 0);
    }
    int err = ec_httpsrv_request_data_get_string(s, &str);
    if (err == EAGAIN) {
        assert_int_equal(ec_httpsrv_session_suspend(s), 0);
        return EC_HTTPSRV_HANDLER_ASYNC;
    }
    assert_int_equal(ec_httpsrv_response_append(s, str->buffer, (size_t)str->len), 0);
    return EC_HTTPSRV_HANDLER_DONE;
}

static void
threat_16_no_100_continue_behind_the_head_of_the_answer(void **state)
{
    struct rig r;
    struct rig_client c;
    struct reply reply;

    (void)state;
    rig_open(&r);
    rig_route(&r, NULL, "/", answers_then_reads, NULL);
    rig_start(&r);
    rig_connect(&r, &c);
    rig_sends(&c, "POST / HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_null(strstr(rig_received(&c), "100 Continue"));
    rig_sends(&c, "ab");
    assert_true(reply_parse(&reply, rig_received(&c), c.in.len, false));
    assert_string_equal(reply.body.p, "early,ab");
    assert_true(reply.complete && reply.close);
    reply_free(&reply);
    rig_disconnect(&c, false);
    rig_close(&r);
}

static void
what_is_told_of_a_refused_request(void **state)
{
    static const struct {
        const char *sent, *line;
    } cases[] = {
        { "GET /hel\001lo HTTP/1.1\r\n" H "\r\n", "GET /hel\001lo HTTP/1.1" },
        { "\r\n\r\nGET /hello HTTP/9.9\r\n" H "\r\n", "GET /hello HTTP/9.9" },
        { "\x16\x03\x01", "\x16\x03\x01" },
        { "GET /hello\nHost: a\n\n", "GET /hello" },
        { "G@T / HTTP/1.1\r\n" H "\r\n", "G@T / HTTP/1.1" },
    };
    struct rig r;
    struct rig_client c;

    (void)state;
    open_rig(&r);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        refused = 0;
        rig_connect(&r, &c);
        rig_sends(&c, cases[i].sent);
        assert_int_equal(refused, 1);
        assert_string_equal(refused_line, cases[i].line);
        assert_int_equal(refused_after, 0);
        rig_disconnect(&c, false);
    }
    rig_connect(&r, &c); /* a head that never comes to its end: its time began with the connection */
    rig_sends(&c, "GET /slow HTTP/1.1\r\nHo");
    refused = 0;
    rig_advance(&r, 12 * HS_SEC);
    assert_int_equal(refused, 1);
    assert_int_equal(refused_status, 408);
    assert_string_equal(refused_line, "GET /slow HTTP/1.1");
    assert_int_equal(refused_after, 10 * HS_SEC);
    rig_disconnect(&c, false);
    rig_close(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_told_of_a_refused_request),
        cmocka_unit_test(a_malformed_head_is_refused_and_ends_the_connection),
        cmocka_unit_test(threat_15_heads_over_their_limits_are_refused_at_the_limit),
        cmocka_unit_test(bad_chunks_are_refused_when_they_come),
        cmocka_unit_test(threat_14_trailers_are_delivered_apart_or_refused),
        cmocka_unit_test(threat_14_trailers_are_never_header_fields),
        cmocka_unit_test(threat_16_100_continue_comes_when_the_body_is_asked_for),
        cmocka_unit_test(threat_16_100_continue_is_not_sent_where_nobody_waits_for_it),
        cmocka_unit_test(threat_16_no_100_continue_behind_the_head_of_the_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
