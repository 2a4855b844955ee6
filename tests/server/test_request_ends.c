/* test_request_ends.c - server/request_ends.h: each request that ends is told of once, however it ends. */
#include "server/request_ends.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "io/pool.h"
#include "modules/listeners/httpsrv.h"
#include "rig.h"

#define DONE EC_HTTPSRV_HANDLER_DONE
#define ASYNC EC_HTTPSRV_HANDLER_ASYNC
#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\nUser-Agent: x\r\n\r\n"

static struct rig rig;
static struct hs_request_ends ends;

/* The last record, with what it borrows copied. */
static struct {
    unsigned n;
    struct hs_request_end e;
    char method[64], target[256], line[256], username[32], peer[32];
} last;

static void
copy(char *dst, size_t size, struct hs_view v)
{
    assert_true(v.n < size);
    memcpy(dst, v.n != 0 ? v.p : "", v.n);
    dst[v.n] = '\0';
}

static void
on_end(void *arg, const struct hs_request_end *e)
{
    assert_ptr_equal(arg, &last);
    last.n++;
    last.e = *e;
    last.method[0] = last.target[0] = '\0';
    if (e->req != NULL) {
        copy(last.method, sizeof last.method, hs_request_view(e->req, e->req->method));
        copy(last.target, sizeof last.target, hs_request_view(e->req, e->req->target));
    }
    copy(last.line, sizeof last.line, e->line);
    copy(last.username, sizeof last.username, hs_view_of(e->username));
    copy(last.peer, sizeof last.peer, e->peer != NULL ? e->peer->address : (struct hs_view){ NULL, 0 });
    assert_true(e->started <= e->ended && e->first_byte <= e->ended);
}

static void
on_refused(void *arg, const struct hs_h1_refused *r)
{
    hs_request_ends_refused(arg, r);
}

static ec_httpsrv_session *held;

static int
hello(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_request_username_set(s, "joe"), 0);
    return ec_httpsrv_response_append(s, "hello", 5) == 0 ? DONE : -1;
}

static int
hold(ec_httpsrv_session *s)
{
    if (held != NULL) {
        held = NULL;
        return hello(s);
    }
    held = s;
    assert_int_equal(ec_httpsrv_session_suspend(s), 0);
    return ASYNC;
}

static void
let_go(ec_httpsrv_session *s, void *arg)
{
    (void)arg;
    held = NULL;
    assert_int_equal(ec_httpsrv_session_resume(s, 1), 0);
}

static int
hold_until_abort(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_session_on_abort(s, let_go, NULL), 0);
    return hold(s);
}

/* Sends its head and some of its content, and then waits. */
static int
begin(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_append(s, "some", 4), 0);
    (void)ec_httpsrv_response_flush(s, 0);
    return hold_until_abort(s);
}

static int
fail_late(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_append(s, "some", 4), 0);
    (void)ec_httpsrv_response_flush(s, 0);
    hs_session_fail(s, 500);
    return DONE;
}

static int
read_all(ec_httpsrv_session *s)
{
    string *body;

    int err = ec_httpsrv_request_data_get_string(s, &body);
    if (err == EAGAIN) {
        assert_int_equal(ec_httpsrv_session_suspend(s), 0);
        return ASYNC;
    }
    return hello(s);
}

static int
in_a_pool(ec_httpsrv_session *s)
{
    return ec_httpsrv_response_append(s, "pooled", 6) == 0 ? DONE : -1;
}

static int
set_up(void **state)
{
    struct hs_route_options quick;

    (void)state;
    rig_open(&rig);
    hs_route_options_default(&quick);
    quick.handler_timeout = 2 * HS_SEC;
    rig_route(&rig, NULL, "/hello", hello, NULL);
    rig_route(&rig, NULL, "/hold", hold, NULL);
    rig_route(&rig, NULL, "/hold/abort", hold_until_abort, NULL);
    rig_route(&rig, NULL, "/hold/quick", hold_until_abort, &quick);
    rig_route(&rig, NULL, "/begin", begin, NULL);
    rig_route(&rig, NULL, "/fail", fail_late, NULL);
    rig_route(&rig, NULL, "/read", read_all, NULL);
    assert_int_equal(ec_httpsrv_register(NULL, NULL, "/pool", ECTP_CLASS_CPU, NULL, in_a_pool), 0);
    rig_start(&rig);
    ends = (struct hs_request_ends){ .n = 0 };
    memset(&last, 0, sizeof last);
    held = NULL;
    hs_request_ends_attach(&ends, rig.dispatch, rig.loop);
    hs_h1_on_refused(rig.h1, on_refused, &ends);
    assert_int_equal(hs_request_ends_add(&ends, on_end, &last), 0);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    rig_close(&rig);
    return 0;
}

/* One exchange, and what was told of it, once. */
static void
expect(const char *request, int status, uint64_t bytes)
{
    unsigned before = last.n;

    (void)rig_exchange(&rig, request);
    assert_int_equal(last.n, before + 1);
    assert_int_equal(last.e.status, status);
    assert_int_equal(last.e.bytes, bytes);
    assert_false(last.e.aborted);
}

static void
answered(void **state)
{
    (void)state;
    expect(GET("/hello?a=b"), 200, 5);
    assert_non_null(last.e.sess);
    assert_string_equal(last.method, "GET");
    assert_string_equal(last.target, "/hello?a=b");
    assert_string_equal(last.username, "joe");
    assert_string_equal(last.line, "");
    assert_null(last.e.peer);
    assert_int_equal(last.e.req->version_minor, 1);
    assert_int_equal(last.e.first_byte, last.e.ended);
    expect("HEAD /hello HTTP/1.0\r\n\r\n", 200, 0);
    assert_int_equal(last.e.req->version_minor, 0);
    expect(GET("/none"), 404, 10);
    assert_null(last.e.username);
    expect("POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 200, 5);
}

static void
pipelined_requests_are_told_in_their_order(void **state)
{
    struct rig_client c;

    (void)state;
    rig_connect(&rig, &c);
    rig_sends(&c, GET("/hello?1") GET("/none?2") GET("/hello?3"));
    assert_int_equal(last.n, 3);
    assert_string_equal(last.target, "/hello?3");
    rig_disconnect(&c, false);
}

static void
times(void **state)
{
    struct rig_client c;

    (void)state;
    rig_connect(&rig, &c);
    rig_sends(&c, GET("/begin"));
    assert_int_equal(last.n, 0);
    int64_t started = hs_loop_now(rig.loop);
    rig_advance(&rig, 3 * HS_SEC);
    rig_sends(&c, ""); /* nothing */
    assert_int_equal(ec_httpsrv_session_resume(held, 1), 0);
    rig_settle(&rig);
    assert_int_equal(last.n, 1);
    assert_int_equal(last.e.started, started);
    assert_int_equal(last.e.first_byte, started);
    assert_int_equal(last.e.ended - started, 3 * HS_SEC);
    assert_int_equal(last.e.bytes, 4);
    assert_false(last.e.aborted);
    rig_disconnect(&c, false);
}

static void
refused_by_the_driver(void **state)
{
    struct rig_client c;

    (void)state;
    expect("GET /a b HTTP/1.1\r\n\r\n", 400, 12);
    assert_null(last.e.sess);
    assert_null(last.e.req);
    assert_string_equal(last.line, "GET /a b HTTP/1.1");
    expect("GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505, 27);
    rig_connect(&rig, &c);
    rig_sends(&c, "GET / HTTP/1.1\r\nHo");
    rig_advance(&rig, 12 * HS_SEC);
    assert_int_equal(last.n, 3);
    assert_int_equal(last.e.status, 408);
    assert_string_equal(last.line, "GET / HTTP/1.1");
    assert_true(last.e.ended - last.e.started >= 10 * HS_SEC);
    rig_disconnect(&c, false);
}

static void
refused_within_a_session(void **state)
{
    (void)state;
    expect("POST /read HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, 12);
    assert_non_null(last.e.sess);
    expect("POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n", 413, 18);
}

static void
timed_out(void **state)
{
    struct rig_client c;

    (void)state;
    rig_connect(&rig, &c);
    rig_sends(&c, GET("/hold/quick"));
    rig_advance(&rig, 5 * HS_SEC);
    assert_int_equal(last.n, 1);
    assert_int_equal(last.e.status, 503);
    assert_false(last.e.aborted);
    rig_disconnect(&c, false);
    rig_connect(&rig, &c);
    rig_sends(&c, "POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\nabc");
    rig_advance(&rig, 70 * HS_SEC);
    assert_int_equal(last.n, 2);
    assert_int_equal(last.e.status, 408);
    assert_false(last.e.aborted);
    rig_disconnect(&c, false);
}

static void
aborted(void **state)
{
    struct rig_client c;

    (void)state;
    rig_connect(&rig, &c);
    rig_sends(&c, GET("/hold/abort"));
    rig_disconnect(&c, true);
    rig_settle(&rig);
    assert_int_equal(last.n, 1);
    assert_true(last.e.aborted);
    assert_int_equal(last.e.status, 0);
    assert_int_equal(last.e.first_byte, 0);
    assert_string_equal(last.target, "/hold/abort");
    rig_connect(&rig, &c);
    rig_sends(&c, GET("/begin"));
    rig_disconnect(&c, true);
    rig_settle(&rig);
    assert_int_equal(last.n, 2);
    assert_true(last.e.aborted);
    assert_int_equal(last.e.status, 200);
    assert_int_equal(last.e.bytes, 4);
    (void)rig_exchange(&rig, GET("/fail")); /* by us */
    assert_int_equal(last.n, 3);
    assert_true(last.e.aborted);
    assert_int_equal(last.e.status, 200);
}

/* The handler has ended, its response has not been taken. */
static void
aborted_while_it_was_sent(void **state)
{
    struct rig_client c;

    (void)state;
    rig.pair.capacity = 16;
    rig_connect(&rig, &c);
    rig_read_on(&c, false);
    rig_sends(&c, GET("/hello"));
    rig_disconnect(&c, true);
    rig_settle(&rig);
    assert_int_equal(last.n, 1);
    assert_int_equal(last.e.status, 200);
    assert_int_equal(last.e.bytes, 5); /* the driver had taken all of it */
}

static void
in_a_thread_of_a_pool(void **state)
{
    struct rig_client c;

    (void)state;
    rig_connect(&rig, &c);
    rig_sends(&c, GET("/pool"));
    for (int i = 0; i < 10000000 && last.n == 0; i++) {
        rig_turns(&rig, 1);
        (void)sched_yield();
    }
    assert_int_equal(last.n, 1);
    assert_int_equal(last.e.status, 200);
    assert_int_equal(last.e.bytes, 6);
    rig_disconnect(&c, false);
    hs_pools_stop();
}

static struct hs_peer *
note(void *arg, struct hs_transport *t)
{
    (void)arg;
    return hs_peer_new(t, NULL);
}

static void
peers_where_they_are_noted(void **state)
{
    struct rig_client c;

    (void)state;
    hs_h1_note_peers(rig.h1, note, NULL);
    rig_connect_socket(&rig, &c);
    rig_sends(&c, GET("/hello"));
    assert_string_equal(last.peer, "unix:");
    rig_sends(&c, GET("/hold/abort"));
    rig_disconnect(&c, true);
    rig_settle(&rig);
    assert_int_equal(last.n, 2);
    assert_true(last.e.aborted);
    assert_string_equal(last.peer, "unix:"); /* the connection had gone */
    rig_connect_socket(&rig, &c);
    rig_sends(&c, "nonsense\r\n\r\n");
    assert_string_equal(last.peer, "unix:");
    rig_disconnect(&c, false);
}

static unsigned others;

static void
count(void *arg, const struct hs_request_end *e)
{
    (void)e;
    assert_int_equal(last.n, others); /* not yet told */
    others += *(unsigned *)arg;
}

static void
several_are_told_in_turn(void **state)
{
    unsigned one = 1;

    (void)state;
    others = 0;
    hs_request_ends_remove(&ends, on_end, &last);
    (void)rig_exchange(&rig, GET("/hello")); /* nobody */
    assert_int_equal(hs_request_ends_add(&ends, count, &one), 0);
    assert_int_equal(hs_request_ends_add(&ends, on_end, &last), 0);
    (void)rig_exchange(&rig, GET("/hello"));
    (void)rig_exchange(&rig, "bad\r\n\r\n");
    assert_int_equal(last.n, 2);
    assert_int_equal(others, 2);
    hs_request_ends_remove(&ends, count, &others); /* not there */
    assert_int_equal(ends.n, 2);
    hs_request_ends_remove(&ends, count, &one);
    (void)rig_exchange(&rig, GET("/hello"));
    assert_int_equal(last.n, 3);
    assert_int_equal(others, 2);
    for (size_t i = ends.n; i < HS_REQUEST_END_USERS; i++) {
        assert_int_equal(hs_request_ends_add(&ends, count, &one), 0);
    }
    assert_int_equal(hs_request_ends_add(&ends, count, &one), ENOSPC);
}

/* Whichever allocation fails, a request that gets an answer has been told of once. */
static void
once_when_memory_is_out(void **state)
{
    (void)state;
    for (unsigned long nth = 1; nth < 40; nth++) {
        struct rig_client c;
        unsigned before = last.n;
        rig_connect(&rig, &c);
        alloc_fail_at(nth);
        rig_sends(&c, "POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n");
        rig_sends(&c, "abc");
        rig_settle(&rig);
        alloc_fail_off();
        const char *text = rig_received(&c);
        bool is_answered = strncmp(text, "HTTP/1.1 ", 9) == 0;
        assert_true(last.n - before <= 1);
        if (is_answered) {
            assert_int_equal(last.n, before + 1);
            assert_int_equal(last.e.status, atoi(text + 9));
        }
        rig_disconnect(&c, false);
        rig_settle(&rig);
        assert_true(last.n - before <= 1);
    }
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(answered),
        TEST(pipelined_requests_are_told_in_their_order),
        TEST(times),
        TEST(refused_by_the_driver),
        TEST(refused_within_a_session),
        TEST(timed_out),
        TEST(aborted),
        TEST(aborted_while_it_was_sent),
        TEST(in_a_thread_of_a_pool),
        TEST(peers_where_they_are_noted),
        TEST(several_are_told_in_turn),
        TEST(once_when_memory_is_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
