/* test_session_head.c - when the head goes, when bytes follow it, and what an error becomes before and after. */
#include "session_test.h"

static int (*act)(ec_httpsrv_session *s);
static ec_httpsrv_session *held;
static struct source src;
static char *much;

enum { HIGH = 256 * 1024 };

static int
acts(ec_httpsrv_session *s)
{
    held = s;
    return act(s);
}

static int
suspend(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_session_suspend(s), 0);
    return ASYNC;
}

static void
add_source(ec_httpsrv_session *s)
{
    io_object *io = source_open(&src, hs_loop_current(), NULL);

    assert_int_equal(ec_httpsrv_response_io(s, io, 0), 0);
    io_wrapper_delref(io);
}

/* --- ruling 6: moments --- */

static int
says_but_adds_nothing(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_status_set_std(s, 202, "Accepted", "text/plain"), 0);
    assert_int_equal(ec_httpsrv_response_header_set(s, "X-A", "b"), 0);
    return suspend(s);
}

static int
appends_a_little(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_append(s, "abc", 3), 0);
    return suspend(s);
}

static int
sets_a_payload(ec_httpsrv_session *s)
{
    string *str = ec_string_new();

    assert_non_null(stringprintf(str, "payload"));
    assert_int_equal(ec_httpsrv_response_string(s, str), 0);
    ec_string_free(str);
    return suspend(s);
}

static int
appends_up_to_the_mark(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_append(s, much, HIGH), 0);
    return suspend(s);
}

static int
gives_a_stream_without_bytes(ec_httpsrv_session *s)
{
    add_source(s);
    return suspend(s);
}

static int
gives_a_stream_behind_bytes(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_append(s, "abc", 3), 0);
    add_source(s);
    source_allow(&src, 10);
    return suspend(s);
}

static int
reads_now_without_end(ec_httpsrv_session *s)
{
    io_object *io = source_open(&src, hs_loop_current(), NULL);

    source_allow(&src, 10);
    assert_int_equal(ec_httpsrv_response_io(s, io, 1), EAGAIN);
    io_wrapper_delref(io);
    return suspend(s);
}

static void
ruling_06_the_head_stays_while_there_is_no_reason(void **state)
{
    int (*const each[])(ec_httpsrv_session *) = {
        says_but_adds_nothing,        appends_a_little,            sets_a_payload,       appends_up_to_the_mark,
        gives_a_stream_without_bytes, gives_a_stream_behind_bytes, reads_now_without_end,
    };
    struct rig r;
    struct rig_client c;

    (void)state;
    open_one(&r, acts);
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        act = each[i];
        src.closed = true;
        rig_connect(&r, &c);
        rig_sends(&c, GET("/"));
        rig_advance(&r, 100 * HS_SEC);
        expect_nothing(&c);
        assert_false(hs_session_head_sent(held));
        assert_int_equal(ec_httpsrv_response_header_set(held, "X-Late", "yes"), 0); /* it can still be changed */
        assert_int_equal(ec_httpsrv_session_resume(held, 1), 0); /* and the end is a reason */
        rig_settle(&r);
        assert_non_null(strstr(rig_received(&c), "\r\nX-Late: yes\r\n"));
        if (!src.closed) {
            source_end(&src, 0);
            rig_settle(&r);
        }
        rig_disconnect(&c, false);
    }
    rig_close(&r);
}

static int
flushes_nothing(ec_httpsrv_session *s)
{
    int err = ec_httpsrv_response_flush(s, 0);

    assert_true(err == 0 || err == EAGAIN);
    return suspend(s);
}

static int
appends_past_the_mark(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_append(s, much, HIGH), 0);
    assert_false(hs_session_head_sent(s));
    assert_int_equal(ec_httpsrv_response_append(s, "x", 1), 0);
    assert_true(hs_session_head_sent(s));
    return suspend(s);
}

static int
gives_a_stream_with_bytes(ec_httpsrv_session *s)
{
    add_source(s);
    source_allow(&src, 10);
    return suspend(s);
}

static int
gives_an_empty_stream(ec_httpsrv_session *s)
{
    add_source(s);
    source_end(&src, 0);
    return suspend(s);
}

static int
gives_what_has_a_size(ec_httpsrv_session *s)
{
    io_object *io = io_wrapper_open_memory("0123456789", 10, MEMTYPE_DONTCARE);

    assert_int_equal(ec_httpsrv_response_io(s, io, 0), 0);
    io_wrapper_delref(io);
    return suspend(s);
}

static void
ruling_06_the_head_goes_at_each_of_its_moments(void **state)
{
    static const struct {
        int (*act)(ec_httpsrv_session *s);
        size_t content;
    } each[] = {
        { flushes_nothing, 0 },
        { appends_past_the_mark, HIGH + 1 },
        { gives_a_stream_with_bytes, 10 },
        { gives_an_empty_stream, 0 },
        { gives_what_has_a_size, 10 },
    };
    struct rig r;
    struct rig_client c;

    (void)state;
    open_one(&r, acts);
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        struct reply reply;
        act = each[i].act;
        src.closed = true;
        rig_connect(&r, &c);
        rig_sends(&c, GET("/"));
        assert_true(hs_session_head_sent(held));
        assert_true(reply_parse(&reply, rig_received(&c), c.in.len, false));
        assert_int_equal(reply.body.len, each[i].content);
        assert_false(reply.complete);
        assert_int_equal(reply.end, REPLY_CHUNKED);
        reply_free(&reply);
        assert_int_equal(ec_httpsrv_session_resume(held, 1), 0);
        rig_settle(&r);
        if (!src.closed) {
            source_end(&src, 0);
            rig_settle(&r);
        }
        take_reply(&c, &reply);
        assert_int_equal(reply.body.len, each[i].content);
        reply_free(&reply);
        rig_disconnect(&c, false);
    }
    rig_close(&r);
}

static void
ruling_06_a_stream_s_first_bytes_bring_the_head(void **state)
{
    struct rig r;
    struct rig_client c;

    (void)state;
    open_one(&r, acts);
    for (int bytes = 0; bytes < 2; bytes++) { /* or its end */
        act = gives_a_stream_without_bytes;
        rig_connect(&r, &c);
        rig_sends(&c, GET("/"));
        expect_nothing(&c);
        if (bytes) {
            source_allow(&src, 3);
        } else {
            source_end(&src, 0);
        }
        rig_settle(&r);
        assert_memory_equal(rig_received(&c), "HTTP/1.1 200", 12);
        assert_int_equal(ec_httpsrv_session_resume(held, 1), 0);
        source_end(&src, 0);
        rig_settle(&r);
        expect_reply(&c, 200, bytes ? "abc" : "");
        rig_disconnect(&c, false);
    }
    rig_close(&r);
}

static int
streams(ec_httpsrv_session *s)
{
    add_source(s);
    return DONE;
}

static void
ruling_06_bytes_leave_as_soon_as_their_source_says_EAGAIN(void **state)
{
    struct rig r;
    struct rig_client c;
    struct reply reply;
    size_t total = 0;

    (void)state;
    open_one(&r, acts);
    act = streams;
    rig_connect(&r, &c);
    rig_sends(&c, GET("/"));
    for (size_t n = 1; n < 100000; n = n * 3 + 1) {
        source_allow(&src, n);
        rig_settle(&r);
        total += n;
        assert_true(reply_parse(&reply, rig_received(&c), c.in.len, false));
        assert_int_equal(reply.body.len, total);
        for (size_t i = 0; i < total; i++) {
            assert_int_equal(reply.body.p[i], source_byte(i));
        }
        reply_free(&reply);
    }
    source_end(&src, 0);
    rig_settle(&r);
    take_reply(&c, &reply);
    reply_free(&reply);
    rig_disconnect(&c, false);
    rig_close(&r);
}

static int
answers(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_append(s, "done", 4), 0);
    return DONE;
}

static int
waits_for_its_body(ec_httpsrv_session *s)
{
    string *str;

    assert_int_equal(ec_httpsrv_request_data_get_string(s, &str), EAGAIN);
    return suspend(s);
}

static int
streams_its_body(ec_httpsrv_session *s)
{
    io_object *io;

    assert_int_equal(ec_httpsrv_request_data_get(s, &io), 0);
    assert_int_equal(ec_httpsrv_response_io(s, io, 0), 0);
    io_wrapper_delref(io);
    return DONE;
}

static void
ruling_06_a_finished_answer_does_not_wait_for_the_next(void **state)
{
    int (*const each[])(ec_httpsrv_session *) = {
        says_but_adds_nothing, appends_a_little, streams, gives_a_stream_without_bytes, waits_for_its_body, streams_its_body,
    };
    struct rig r;
    struct rig_client c;

    (void)state;
    rig_open(&r);
    rig_route(&r, NULL, "/first", answers, NULL);
    rig_route(&r, NULL, "/next", acts, NULL);
    rig_start(&r);
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        act = each[i];
        rig_connect(&r, &c);
        rig_sends(&c, GET("/first") GET("/first") POST("/next", 5, "12"));
        expect_reply(&c, 200, "done");
        expect_reply(&c, 200, "done");
        rig_disconnect(&c, true);
        if (hs_session_env_live(r.env)) {
            (void)ec_httpsrv_session_resume(held, 1);
            rig_settle(&r);
        }
        assert_int_equal(hs_session_env_live(r.env), 0);
    }
    rig_close(&r);
}

/* --- ruling 7 --- */

static void
ruling_07_a_stream_that_fails_before_the_head_gives_500(void **state)
{
    struct rig r;
    struct rig_client c;

    (void)state;
    open_one(&r, acts);
    for (int late = 0; late < 2; late++) {
        act = gives_a_stream_without_bytes;
        rig_connect(&r, &c);
        rig_sends(&c, GET("/"));
        source_end(&src, EIO);
        if (late) {
            rig_settle(&r);
        }
        assert_int_equal(ec_httpsrv_session_resume(held, 1), 0);
        rig_settle(&r);
        expect_reply(&c, 500, "Internal Server Error\n");
        assert_true(src.closed);
        act = answers;
        rig_sends(&c, GET("/"));
        expect_reply(&c, 200, "done");
        rig_disconnect(&c, false);
    }
    rig_close(&r);
}

static int
streams_known_length(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_header_set(s, "Content-Length", "100"), 0);
    return streams(s);
}

static void
ruling_07_what_fails_after_the_head_never_looks_complete(void **state)
{
    static const struct {
        const char *request;
        int (*act)(ec_httpsrv_session *s);
        enum reply_end end;
    } each[] = {
        { GET("/"), streams, REPLY_CHUNKED },
        { GET("/"), streams_known_length, REPLY_LENGTH },
        { "GET / HTTP/1.0\r\n\r\n", streams, REPLY_CLOSE },
        { "GET / HTTP/1.0\r\n\r\n", streams_known_length, REPLY_LENGTH },
        { "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", streams, REPLY_CLOSE },
    };
    struct rig r;
    struct rig_client c;
    struct reply reply;

    (void)state;
    open_one(&r, acts);
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        for (int socket = 0; socket < 2; socket++) {
            act = each[i].act;
            (socket ? rig_connect_socket : rig_connect)(&r, &c);
            rig_sends(&c, each[i].request);
            source_allow(&src, 10);
            rig_settle(&r);
            source_end(&src, EIO);
            rig_settle(&r);
            assert_true(reply_parse(&reply, rig_received(&c), c.in.len, false));
            assert_int_equal(reply.end, each[i].end);
            assert_int_equal(reply.body.len, 10);
            assert_false(reply.complete);
            assert_true(c.eof || c.reset);
            if (each[i].end == REPLY_CLOSE && !socket) {
                assert_true(c.reset); /* a FIN would look complete (a unix socket has no reset to give here) */
            }
            reply_free(&reply);
            rig_disconnect(&c, false);
        }
    }
    assert_int_equal(r.requests_ended, 10);
    rig_close(&r);
}

/* hs_session_fail, in each state. */
static int
fails_at_once(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_append(s, "not this", 8), 0);
    assert_int_equal(ec_httpsrv_response_header_set(s, "X-Not", "this"), 0);
    hs_session_fail(s, 507);
    return DONE;
}

static int
fails_after_the_head(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_append(s, "begun", 5), 0);
    (void)ec_httpsrv_response_flush(s, 0);
    hs_session_fail(s, 500);
    assert_int_equal(ec_httpsrv_response_append(s, "x", 1), ECONNABORTED);
    return DONE;
}

static int
learns_of_it(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_append(s, "x", 1), EBADF);
    assert_int_equal(ec_httpsrv_response_status_set(s, 200, "OK"), EBADF);
    return DONE;
}

static void
a_session_that_is_failed_answers_or_aborts_in_each_state(void **state)
{
    static const struct {
        int (*act)(ec_httpsrv_session *s);
        bool suspended, complete;
        int status;
    } each[] = {
        { fails_at_once, false, true, 507 },          { fails_after_the_head, false, false, 200 },      { appends_a_little, true, true, 507 },
        { gives_a_stream_with_bytes, true, false, 200 }, { streams, false, false, 200 },
    };
    struct rig r;
    struct rig_client c;
    struct reply reply;

    (void)state;
    open_one(&r, acts);
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        act = each[i].act;
        rig_connect(&r, &c);
        rig_sends(&c, GET("/"));
        if (each[i].suspended) {
            hs_session_fail(held, 507);
            assert_int_equal(ec_httpsrv_session_resume(held, 0), 0);
        } else if (each[i].act == streams) {
            hs_session_fail(held, 507); /* sending */
            assert_true(src.closed);
        }
        act = learns_of_it;
        rig_settle(&r);
        assert_true(reply_parse(&reply, rig_received(&c), c.in.len, false));
        assert_int_equal(reply.status, each[i].status);
        assert_int_equal(reply.complete, each[i].complete);
        if (each[i].complete) {
            assert_string_equal(reply.body.p, "Insufficient Storage\n");
            assert_int_equal(reply_count(&reply, "X-Not"), 0);
            assert_int_equal(reply.size, c.in.len);
            rig_forget(&c);
            act = answers;
            rig_sends(&c, GET("/"));
            expect_reply(&c, 200, "done");
        } else {
            assert_true(c.eof || c.reset);
        }
        reply_free(&reply);
        assert_int_equal(hs_session_env_live(r.env), 0);
        rig_disconnect(&c, false);
    }
    rig_close(&r);
}

static int
set_up(void **state)
{
    (void)state;
    much = malloc(HIGH);
    memset(much, 'm', HIGH);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    free(much);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ruling_06_the_head_stays_while_there_is_no_reason),
        cmocka_unit_test(ruling_06_the_head_goes_at_each_of_its_moments),
        cmocka_unit_test(ruling_06_a_stream_s_first_bytes_bring_the_head),
        cmocka_unit_test(ruling_06_bytes_leave_as_soon_as_their_source_says_EAGAIN),
        cmocka_unit_test(ruling_06_a_finished_answer_does_not_wait_for_the_next),
        cmocka_unit_test(ruling_07_a_stream_that_fails_before_the_head_gives_500),
        cmocka_unit_test(ruling_07_what_fails_after_the_head_never_looks_complete),
        cmocka_unit_test(a_session_that_is_failed_answers_or_aborts_in_each_state),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
