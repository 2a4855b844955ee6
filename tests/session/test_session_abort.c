/* test_session_abort.c - the client goes away: what counts as that, who is told, what is still sent. */
#include "session_test.h"

static ec_httpsrv_session *held;
static int calls, told;
static void *told_arg;
static int resume_when_told = -1; /* what on_abort resumes with; -1: it does not */

static void
reset(void)
{
    held = NULL;
    calls = told = 0;
    told_arg = NULL;
    resume_when_told = 1;
}

static void
on_abort(ec_httpsrv_session *s, void *arg)
{
    told++;
    told_arg = arg;
    assert_int_equal(ec_httpsrv_response_append(s, "x", 1), ECONNABORTED);
    if (resume_when_told >= 0) {
        assert_int_equal(ec_httpsrv_session_resume(s, resume_when_told), 0);
    }
}

/* Waits for something that never comes. */
static int
waits(ec_httpsrv_session *s)
{
    calls++;
    held = s;
    assert_int_equal(ec_httpsrv_session_on_abort(s, on_abort, &calls), 0);
    assert_int_equal(ec_httpsrv_session_suspend(s), 0);
    return ASYNC;
}

enum way { RESET, FIN, STOP, N_WAYS };

static void
go_away(struct rig *r, struct rig_client *c, enum way way)
{
    switch (way) {
    case RESET: rig_disconnect(c, true); break;
    case FIN: rig_shutdown(c); break;
    case STOP:
        hs_h1_close_all(r->h1);
        rig_settle(r);
        break;
    case N_WAYS: break;
    }
}

static void
ruling_03_a_reset_a_FIN_or_a_stop_aborts_a_suspended_handler(void **state)
{
    struct rig r;

    (void)state;
    open_one(&r, waits);
    for (int socket = 0; socket < 2; socket++) {
        for (enum way way = 0; way < N_WAYS; way++) {
            struct rig_client c;
            reset();
            (socket ? rig_connect_socket : rig_connect)(&r, &c);
            rig_sends(&c, GET("/"));
            assert_int_equal(told, 0);
            unsigned ended = r.requests_ended;
            go_away(&r, &c, way);
            assert_int_equal(told, 1);
            assert_ptr_equal(told_arg, &calls);
            assert_int_equal(calls, 1);
            assert_int_equal(r.requests_ended, ended + 1);
            rig_disconnect(&c, false);
        }
    }
    rig_close(&r);
}

/* Between the abort and its own resume a session is there, and says what has happened. */
static void
ruling_02_an_aborted_session_is_valid_until_it_is_resumed(void **state)
{
    struct rig r;
    struct rig_client c;
    const char *value;
    string *str;
    io_object *io = NULL;

    (void)state;
    open_one(&r, waits);
    reset();
    resume_when_told = -1;
    rig_connect(&r, &c);
    rig_sends(&c, "POST / HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nContent-Length: 5\r\n\r\n");
    rig_disconnect(&c, true);
    assert_int_equal(told, 1);
    rig_advance(&r, 3600 * HS_SEC);
    assert_int_equal(r.requests_ended, 0);
    assert_int_equal(ec_httpsrv_request_header_get(held, "x-one", &value), 0);
    assert_string_equal(value, "1");
    assert_string_equal(ec_httpsrv_request_method_get(held), "POST");
    assert_int_equal(ec_httpsrv_response_status_set(held, 200, NULL), ECONNABORTED);
    assert_int_equal(ec_httpsrv_response_header_set(held, "X-A", "b"), ECONNABORTED);
    assert_int_equal(ec_httpsrv_response_append(held, "x", 1), ECONNABORTED);
    assert_int_equal(ec_httpsrv_response_printf(held, "x"), ECONNABORTED);
    assert_int_equal(ec_httpsrv_response_flush(held, 0), ECONNABORTED);
    assert_int_equal(ec_httpsrv_request_data_get_string(held, &str), ECONNABORTED);
    assert_int_equal(ec_httpsrv_session_on_abort(held, NULL, NULL), ECONNABORTED);
    assert_int_equal(ec_httpsrv_request_data_get(held, &io), 0);
    char byte;
    assert_int_equal(io_wrapper_read(io, &byte, 1), -1);
    assert_int_equal(errno, ECONNABORTED);
    assert_int_equal(ec_httpsrv_response_io(held, io, 0), ECONNABORTED);
    assert_int_equal(ec_httpsrv_response_io(held, io, 1), ECONNABORTED);
    io_wrapper_delref(io);
    assert_int_equal(ec_httpsrv_session_resume(held, 0), 0);
    rig_settle(&r);
    assert_int_equal(calls, 1); /* not called again */
    assert_int_equal(r.requests_ended, 1);
    rig_close(&r);
}

/* --- who is told when the core itself wakes the handler --- */

static struct source src;
static io_object *src_io;
static int what;

static int
waits_for_the_core(ec_httpsrv_session *s)
{
    string *str;

    calls++;
    held = s;
    assert_int_equal(ec_httpsrv_session_on_abort(s, on_abort, &calls), 0);
    if (what == 0) {
        assert_int_equal(ec_httpsrv_request_data_get_string(s, &str), EAGAIN);
    } else if (what == 1) {
        assert_int_equal(ec_httpsrv_response_io(s, src_io, 1), EAGAIN);
    } else {
        static char much[300000];
        assert_int_equal(ec_httpsrv_response_append(s, much, sizeof much), 0);
        assert_int_equal(ec_httpsrv_response_flush(s, 0), EAGAIN);
    }
    assert_int_equal(ec_httpsrv_session_suspend(s), 0);
    return ASYNC;
}

static void
ruling_03_on_abort_is_told_before_an_armed_wake_up_ends_the_handler(void **state)
{
    struct rig r;

    (void)state;
    open_one(&r, waits_for_the_core);
    for (what = 0; what < 3; what++) {
        struct rig_client c;
        reset();
        resume_when_told = -1;
        src_io = source_open(&src, r.loop, "");
        rig_connect(&r, &c);
        rig_read_on(&c, false);
        rig_sends(&c, POST("/", 5, ""));
        rig_disconnect(&c, true);
        assert_int_equal(told, 1);
        assert_int_equal(calls, 1);
        assert_int_equal(r.requests_ended, what + 1);
        io_wrapper_delref(src_io);
        assert_true(src.closed);
    }
    rig_close(&r);
}

static void
told_only(ec_httpsrv_session *s, void *arg)
{
    (void)s;
    (void)arg;
    told++;
}

static int
wants_to_know_until_the_end(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_session_on_abort(s, told_only, NULL), 0);
    if (calls++ == 0) {
        held = s;
        assert_int_equal(ec_httpsrv_session_suspend(s), 0);
        return ASYNC;
    }
    return DONE;
}

static void
on_abort_is_called_for_no_other_end(void **state)
{
    struct rig r;
    struct rig_client c;

    (void)state;
    open_one(&r, wants_to_know_until_the_end);
    reset();
    rig_connect(&r, &c);
    rig_sends(&c, GET("/"));
    assert_int_equal(ec_httpsrv_session_resume(held, 0), 0);
    rig_settle(&r);
    expect_reply(&c, 200, "");
    rig_disconnect(&c, true);
    assert_int_equal(told, 0);
    rig_close(&r);
}

/* --- options of a route --- */

static int
answers_when_resumed(ec_httpsrv_session *s)
{
    held = s;
    if (calls++ == 0) {
        assert_int_equal(ec_httpsrv_session_on_abort(s, told_only, NULL), 0);
        assert_int_equal(ec_httpsrv_session_suspend(s), 0);
        return ASYNC;
    }
    assert_int_equal(ec_httpsrv_response_status_set_std(s, 200, "OK", "text/plain"), 0);
    assert_int_equal(ec_httpsrv_response_append(s, "to the end", 10), 0);
    int err = ec_httpsrv_response_flush(s, 0);
    assert_true(err == 0 || err == EAGAIN);
    return DONE;
}

static void
ruling_03_half_close_may_be_allowed(void **state)
{
    struct hs_route_options o;
    struct rig r;

    (void)state;
    hs_route_options_default(&o);
    o.half_close_allowed = true;
    open_one_with(&r, answers_when_resumed, NULL, &o);
    for (int socket = 0; socket < 2; socket++) {
        struct rig_client c;
        reset();
        (socket ? rig_connect_socket : rig_connect)(&r, &c);
        rig_sends(&c, GET("/"));
        rig_shutdown(&c);
        rig_advance(&r, 100 * HS_SEC);
        assert_int_equal(told, 0);
        assert_int_equal(ec_httpsrv_session_resume(held, 0), 0);
        rig_settle(&r);
        assert_int_equal(calls, 2);
        expect_reply(&c, 200, "to the end");
        assert_true(c.eof);
        rig_disconnect(&c, false);
    }
    rig_close(&r);
}

static void
ruling_03_abort_continue_runs_the_handler_to_its_end(void **state)
{
    struct hs_route_options o;
    struct rig r;

    (void)state;
    hs_route_options_default(&o);
    o.abort_continue = true;
    open_one_with(&r, answers_when_resumed, NULL, &o);
    for (enum way way = 0; way < N_WAYS - 1; way++) {
        struct rig_client c;
        reset();
        rig_connect(&r, &c);
        rig_sends(&c, GET("/"));
        go_away(&r, &c, way);
        assert_int_equal(told, 1);
        assert_int_equal(calls, 1);
        assert_int_equal(r.requests_ended, way);
        assert_int_equal(ec_httpsrv_session_resume(held, 0), 0);
        rig_settle(&r);
        assert_int_equal(calls, 2);
        assert_int_equal(r.requests_ended, way + 1);
        if (c.t) {
            expect_nothing(&c);
        }
        rig_disconnect(&c, false);
    }
    rig_close(&r);
}

/* Everything that a handler can do once its output is discarded. */
static int
does_everything(ec_httpsrv_session *s)
{
    if (calls++ == 0) {
        held = s;
        assert_int_equal(ec_httpsrv_session_suspend(s), 0);
        return ASYNC;
    }
    string *str = ec_string_new();
    assert_int_equal(ec_httpsrv_response_status_set_std(s, 201, "Created", "text/html"), 0);
    assert_int_equal(ec_httpsrv_response_header_set(s, "X-A", "b"), 0);
    assert_int_equal(ec_httpsrv_response_append(s, "x", 1), 0);
    assert_int_equal(ec_httpsrv_response_printf(s, "%d", 1), 0);
    assert_int_equal(ec_httpsrv_response_string(s, str), 0);
    assert_int_equal(ec_httpsrv_response_io(s, src_io, 0), 0);
    assert_int_equal(ec_httpsrv_response_io(s, src_io, 1), 0);
    assert_int_equal(ec_httpsrv_response_flush(s, 0), 0);
    assert_true(hs_session_has_room(s));
    assert_int_equal(ec_httpsrv_response_flush(s, 1), 0);
    ec_string_free(str);
    return DONE;
}

static void
ruling_03_discarded_output_costs_nothing_and_fails_nowhere(void **state)
{
    struct hs_route_options o;
    struct rig r;
    struct rig_client c;

    (void)state;
    hs_route_options_default(&o);
    o.abort_continue = true;
    open_one_with(&r, does_everything, NULL, &o);
    reset();
    src_io = source_open(&src, r.loop, "");
    rig_connect(&r, &c);
    rig_sends(&c, GET("/"));
    rig_disconnect(&c, true);
    assert_int_equal(ec_httpsrv_session_resume(held, 0), 0);
    rig_settle(&r);
    assert_int_equal(calls, 2);
    assert_int_equal(src.reads, 0);
    io_wrapper_delref(src_io);
    assert_true(src.closed);
    assert_int_equal(r.requests_ended, 1);
    rig_close(&r);
}

/* --- what is still sent --- */

static int
answers_much(ec_httpsrv_session *s)
{
    static char much[100000];

    memset(much, 'm', sizeof much);
    assert_int_equal(ec_httpsrv_response_append(s, much, sizeof much), 0);
    return DONE;
}

static int
streams(ec_httpsrv_session *s)
{
    src_io = source_open(&src, hs_loop_current(), NULL);
    source_allow(&src, 1000);
    assert_int_equal(ec_httpsrv_response_io(s, src_io, 0), 0);
    io_wrapper_delref(src_io);
    return DONE;
}

static void
ruling_03_queued_output_is_sent_after_a_FIN(void **state)
{
    struct rig r;
    struct rig_client c;
    struct reply reply;

    (void)state;
    open_one(&r, answers_much);
    r.pair.capacity = 3000;
    for (size_t read_before = 0; read_before < 100000; read_before += 9000) {
        rig_connect(&r, &c);
        rig_read_on(&c, false);
        rig_sends(&c, GET("/"));
        (void)rig_read(&c, read_before);
        rig_shutdown(&c);
        rig_read_on(&c, true);
        take_reply(&c, &reply);
        assert_int_equal(reply.body.len, 100000);
        assert_true(c.eof);
        reply_free(&reply);
        rig_disconnect(&c, false);
    }
    rig_close(&r);
}

static void
ruling_03_a_running_stream_is_sent_after_a_FIN(void **state)
{
    struct rig r;
    struct rig_client c;
    struct reply reply;

    (void)state;
    open_one(&r, streams);
    rig_connect(&r, &c);
    rig_sends(&c, GET("/"));
    rig_shutdown(&c);
    source_allow(&src, 5000);
    rig_settle(&r);
    assert_int_equal(src.pos, 6000);
    source_end(&src, 0);
    rig_settle(&r);
    take_reply(&c, &reply);
    assert_int_equal(reply.body.len, 6000);
    assert_true(c.eof && src.closed);
    reply_free(&reply);
    rig_disconnect(&c, false);
    rig_close(&r);
}

static void
ruling_03_a_reset_aborts_what_a_FIN_would_not(void **state)
{
    struct hs_route_options o;
    struct rig r;

    (void)state;
    hs_route_options_default(&o);
    o.half_close_allowed = true;
    rig_open(&r);
    rig_route(&r, NULL, "/stream", streams, NULL);
    rig_route(&r, NULL, "/wait", waits, &o);
    rig_start(&r);
    for (int how = 0; how < 8; how++) {
        struct rig_client c;
        reset();
        (how & 1 ? rig_connect_socket : rig_connect)(&r, &c);
        rig_read_on(&c, false);
        rig_sends(&c, how & 2 ? GET("/stream") : GET("/wait"));
        if (how & 4) {
            rig_sends(&c, GET("/stream")); /* what is unread does not hide it */
        }
        unsigned ended = r.requests_ended;
        if ((how & 1) && !(how & 2)) {
            /* a unix socket resets when it is closed with something unread */
            assert_int_equal(ec_httpsrv_response_append(held, "x", 1), 0);
            (void)ec_httpsrv_response_flush(held, 0);
        }
        rig_disconnect(&c, true);
        assert_int_equal(r.requests_ended, ended + 1);
        assert_int_equal(told, how & 2 ? 0 : 1);
        assert_true(!(how & 2) || src.closed);
    }
    rig_close(&r);
}

/* The answer to the first of two pipelined requests is complete but unsent when the second is given up. */
static void
ruling_03_an_earlier_answer_is_sent_when_the_next_is_given_up(void **state)
{
    struct rig r;
    struct rig_client c;
    struct reply reply;

    (void)state;
    rig_open(&r);
    rig_route(&r, NULL, "/much", answers_much, NULL);
    rig_route(&r, NULL, "/wait", waits, NULL);
    rig_start(&r);
    r.pair.capacity = 90000;
    reset();
    rig_connect(&r, &c);
    rig_read_on(&c, false);
    rig_sends(&c, GET("/much") GET("/wait"));
    (void)rig_read(&c, 1000); /* the rest is with the driver now, and the second handler waits */
    rig_settle(&r);
    if (calls == 0) {
        (void)rig_read(&c, 10000);
        rig_settle(&r);
    }
    assert_int_equal(calls, 1);
    rig_shutdown(&c);
    assert_int_equal(told, 1);
    rig_read_on(&c, true);
    take_reply(&c, &reply);
    assert_int_equal(reply.body.len, 100000);
    expect_nothing(&c);
    assert_true(c.eof);
    reply_free(&reply);
    rig_disconnect(&c, false);
    rig_close(&r);
}

/* --- FIN that came before --- */

static void
ruling_03_a_FIN_behind_pipelined_requests_reaches_the_last(void **state)
{
    struct hs_h1_limits h;
    struct rig r;
    struct rig_client c;

    (void)state;
    hs_h1_limits_default(&h);
    h.pipeline_output = 1000;
    rig_open_with(&r, NULL, &h);
    rig_route(&r, NULL, "/much", answers_much, NULL);
    rig_route(&r, NULL, "/wait", waits, NULL);
    rig_start(&r);
    r.pair.capacity = 90000;
    reset();
    rig_connect(&r, &c);
    rig_read_on(&c, false);
    rig_sends(&c, GET("/much") GET("/wait"));
    while (r.requests_ended == 0) { /* until the driver has all of the first answer */
        (void)rig_read(&c, 1000);
        rig_settle(&r);
    }
    rig_shutdown(&c); /* seen while the second request still waits for the output */
    assert_int_equal(calls, 0);
    rig_read_on(&c, true);
    assert_int_equal(calls, 1);
    assert_int_equal(told, 1);
    assert_true(c.eof);
    rig_disconnect(&c, false);
    rig_close(&r);
}

/* Reads its body as it comes, waking itself. */
static void
body_ready(io_object *io, void *arg)
{
    (void)io;
    assert_int_equal(ec_httpsrv_session_resume(arg, 0), 0);
}

static size_t body_bytes;
static bool body_ended;

static int
reads_a_body(ec_httpsrv_session *s)
{
    char buf[3];
    ssize_t n;

    if (calls++ == 0) {
        assert_int_equal(ec_httpsrv_session_on_abort(s, on_abort, &calls), 0);
        assert_int_equal(ec_httpsrv_request_data_get(s, &src_io), 0);
    }
    while ((n = io_wrapper_read(src_io, buf, sizeof buf)) > 0) {
        body_bytes += (size_t)n;
    }
    if (n < 0 && errno == EAGAIN) {
        assert_int_equal(io_wrapper_wait(src_io, IO_WAIT_READ, body_ready, s), 0);
        assert_int_equal(ec_httpsrv_session_suspend(s), 0);
        return ASYNC;
    }
    body_ended = n == 0;
    io_wrapper_delref(src_io);
    return DONE;
}

static void
ruling_03_a_FIN_right_behind_the_body_lets_the_reader_finish(void **state)
{
    static const char *const bodies[] = {
        POST("/", 5, "12345"), POST_CHUNKED("/", "5\r\n12345\r\n0\r\n\r\n"),
    };
    struct rig r;

    (void)state;
    open_one(&r, reads_a_body);
    for (int socket = 0; socket < 2; socket++) {
        for (size_t b = 0; b < 2; b++) {
            size_t len = strlen(bodies[b]);
            for (size_t at = 1; at <= len; at++) {
                struct rig_client c;
                reset();
                body_bytes = 0;
                body_ended = false;
                (socket ? rig_connect_socket : rig_connect)(&r, &c);
                rig_send(&c, bodies[b], at);
                const struct iovec iov = { (void *)(uintptr_t)(bodies[b] + at), len - at };
                if (len > at) {
                    assert_int_equal(c.t->ops->writev(c.t, &iov, 1, false), len - at);
                }
                rig_shutdown(&c);
                assert_int_equal(body_bytes, 5);
                assert_true(body_ended);
                assert_int_equal(told, 0);
                expect_reply(&c, 200, "");
                assert_true(c.eof);
                rig_disconnect(&c, false);
            }
        }
    }
    rig_close(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ruling_03_a_reset_a_FIN_or_a_stop_aborts_a_suspended_handler),
        cmocka_unit_test(ruling_02_an_aborted_session_is_valid_until_it_is_resumed),
        cmocka_unit_test(ruling_03_on_abort_is_told_before_an_armed_wake_up_ends_the_handler),
        cmocka_unit_test(on_abort_is_called_for_no_other_end),
        cmocka_unit_test(ruling_03_half_close_may_be_allowed),
        cmocka_unit_test(ruling_03_abort_continue_runs_the_handler_to_its_end),
        cmocka_unit_test(ruling_03_discarded_output_costs_nothing_and_fails_nowhere),
        cmocka_unit_test(ruling_03_queued_output_is_sent_after_a_FIN),
        cmocka_unit_test(ruling_03_a_running_stream_is_sent_after_a_FIN),
        cmocka_unit_test(ruling_03_a_reset_aborts_what_a_FIN_would_not),
        cmocka_unit_test(ruling_03_an_earlier_answer_is_sent_when_the_next_is_given_up),
        cmocka_unit_test(ruling_03_a_FIN_behind_pipelined_requests_reaches_the_last),
        cmocka_unit_test(ruling_03_a_FIN_right_behind_the_body_lets_the_reader_finish),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
