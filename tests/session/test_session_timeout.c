/* test_session_timeout.c - a handler's own time: unlimited, unless its route says otherwise (ruling 12). */
#include "alloc_fail.h"
#include "session_test.h"

static int (*act)(ec_httpsrv_session *s);
static ec_httpsrv_session *held;
static int calls, told;

static void
on_abort(ec_httpsrv_session *s, void *arg)
{
    (void)arg;
    told++;
    assert_int_equal(ec_httpsrv_response_append(s, "x", 1), ECONNABORTED);
}

static int
acts(ec_httpsrv_session *s)
{
    held = s;
    calls++;
    return act(s);
}

static int
waits(ec_httpsrv_session *s)
{
    (void)ec_httpsrv_session_on_abort(s, on_abort, NULL);
    assert_int_equal(ec_httpsrv_session_suspend(s), 0);
    return ASYNC;
}

static int
begins_and_waits(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_append(s, "begun", 5), 0);
    (void)ec_httpsrv_response_flush(s, 0);
    return waits(s);
}

static struct source src;

static int
streams(ec_httpsrv_session *s)
{
    io_object *io = source_open(&src, hs_loop_current(), NULL);

    assert_int_equal(ec_httpsrv_response_io(s, io, 0), 0);
    io_wrapper_delref(io);
    return calls == 1 ? waits(s) : DONE;
}

static int
answers(ec_httpsrv_session *s)
{
    return ec_httpsrv_response_append(s, "in time", 7);
}

static void
open_timed(struct rig *r)
{
    struct hs_route_options o;

    hs_route_options_default(&o);
    o.handler_timeout = 5 * HS_SEC;
    open_one_with(r, acts, NULL, &o);
    calls = told = 0;
}

static void
ruling_12_a_handler_that_takes_too_long_is_answered_for(void **state)
{
    struct rig r;
    struct rig_client c;

    (void)state;
    open_timed(&r);
    act = waits;
    rig_connect(&r, &c);
    rig_sends(&c, GET("/"));
    rig_advance(&r, 4 * HS_SEC);
    expect_nothing(&c);
    assert_int_equal(ec_httpsrv_session_resume(held, 0), 0); /* to wait again does not win time */
    rig_settle(&r);
    assert_int_equal(calls, 2);
    rig_advance(&r, 2 * HS_SEC);
    expect_reply(&c, 503, "Service Unavailable\n");
    assert_int_equal(told, 1);
    assert_int_equal(r.requests_ended, 0); /* its handler is still there */
    act = answers;
    rig_advance(&r, 3600 * HS_SEC);
    assert_int_equal(ec_httpsrv_session_resume(held, 0), 0);
    rig_settle(&r);
    assert_int_equal(calls, 2);
    assert_int_equal(r.requests_ended, 1);
    rig_disconnect(&c, false);
    rig_close(&r);
}

/* Opens a route that says something of its own, or nothing, where the server has a limit of 3 s. */
static void
open_limited(struct rig *r, int64_t of_route)
{
    struct hs_route_options o;
    struct hs_limits limits;

    hs_route_options_default(&o);
    o.handler_timeout = of_route;
    hs_limits_default(&limits);
    limits.handler_timeout = 3 * HS_SEC;
    open_one_with(r, acts, &limits, &o);
    calls = told = 0;
    act = waits;
}

static void
ruling_12_the_servers_limit_holds_where_the_route_has_none(void **state)
{
    static const struct {
        int64_t of_route;
        int64_t answered; /* seconds; 0: never */
    } cases[] = { { 0, 3 }, { 5 * HS_SEC, 5 }, { -1, 0 } };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rig r;
        struct rig_client c;
        open_limited(&r, cases[i].of_route);
        rig_connect(&r, &c);
        rig_sends(&c, GET("/"));
        rig_advance(&r, (cases[i].answered != 0 ? cases[i].answered - 1 : 3600) * HS_SEC);
        expect_nothing(&c);
        if (cases[i].answered != 0) {
            rig_advance(&r, 2 * HS_SEC);
            expect_reply(&c, 503, "Service Unavailable\n");
        }
        assert_int_equal(ec_httpsrv_session_resume(held, 1), 0);
        rig_settle(&r);
        rig_disconnect(&c, false);
        rig_close(&r);
    }
}

static void
ruling_12_a_late_answer_that_has_begun_is_aborted(void **state)
{
    struct rig r;
    struct rig_client c;
    struct reply reply;

    (void)state;
    open_timed(&r);
    act = begins_and_waits;
    rig_connect(&r, &c);
    rig_sends(&c, GET("/"));
    rig_advance(&r, 6 * HS_SEC);
    assert_true(reply_parse(&reply, rig_received(&c), c.in.len, false));
    assert_int_equal(reply.status, 200);
    assert_false(reply.complete);
    assert_true(c.eof || c.reset);
    assert_int_equal(told, 1);
    reply_free(&reply);
    assert_int_equal(ec_httpsrv_session_resume(held, 1), 0);
    rig_settle(&r);
    assert_int_equal(r.requests_ended, 1);
    rig_disconnect(&c, false);
    rig_close(&r);
}

static void
ruling_12_what_ends_in_time_is_left_alone(void **state)
{
    struct rig r;
    struct rig_client c;

    (void)state;
    open_timed(&r);
    act = waits;
    rig_connect(&r, &c);
    rig_sends(&c, GET("/"));
    rig_advance(&r, 4 * HS_SEC);
    act = answers;
    assert_int_equal(ec_httpsrv_session_resume(held, 0), 0);
    rig_settle(&r);
    expect_reply(&c, 200, "in time");
    rig_advance(&r, 10 * HS_SEC);
    assert_false(c.eof || c.reset);
    calls = 0;
    act = streams; /* the handler ends in time, what it has given goes on for hours */
    rig_sends(&c, GET("/"));
    rig_advance(&r, 4 * HS_SEC);
    assert_int_equal(ec_httpsrv_session_resume(held, 1), 0);
    rig_advance(&r, 3600 * HS_SEC);
    source_allow(&src, 3);
    source_end(&src, 0);
    rig_settle(&r);
    expect_reply(&c, 200, "abc");
    assert_int_equal(told, 0);
    rig_disconnect(&c, false);
    rig_close(&r);
}

static void
an_abort_stops_the_clock_and_so_does_a_lack_of_memory_for_it(void **state)
{
    struct rig r;
    struct rig_client c;
    bool hit = true;

    (void)state;
    open_timed(&r);
    act = waits;
    rig_connect(&r, &c);
    rig_sends(&c, GET("/"));
    rig_disconnect(&c, true);
    assert_int_equal(told, 1);
    rig_advance(&r, 10 * HS_SEC);
    assert_int_equal(told, 1);
    assert_int_equal(ec_httpsrv_session_resume(held, 0), 0);
    rig_settle(&r);
    assert_int_equal(r.requests_ended, 1);
    for (unsigned long nth = 1; hit; nth++) {
        calls = told = 0;
        rig_connect(&r, &c);
        alloc_fail_at(nth);
        rig_sends(&c, GET("/"));
        alloc_fail_off();
        hit = alloc_fail_hit();
        rig_advance(&r, 6 * HS_SEC);
        assert_memory_equal(rig_received(&c), "HTTP/1.1 503", 12); /* now or then */
        if (calls) {
            assert_int_equal(ec_httpsrv_session_resume(held, 0), 0);
            rig_settle(&r);
        }
        assert_int_equal(hs_session_env_live(r.env), 0);
        rig_disconnect(&c, false);
    }
    rig_close(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ruling_12_a_handler_that_takes_too_long_is_answered_for),
        cmocka_unit_test(ruling_12_the_servers_limit_holds_where_the_route_has_none),
        cmocka_unit_test(ruling_12_a_late_answer_that_has_begun_is_aborted),
        cmocka_unit_test(ruling_12_what_ends_in_time_is_left_alone),
        cmocka_unit_test(an_abort_stops_the_clock_and_so_does_a_lack_of_memory_for_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
