/* test_session_body.c - the request's content: one cursor, bounded read-ahead, collected, limited. */
#include "session_test.h"

enum { KB = 1024, MB = 1024 * KB };

static int (*act)(ec_httpsrv_session *s);
static ec_httpsrv_session *held;
static io_object *io;
static int calls, last_err;

static int
acts(ec_httpsrv_session *s)
{
    held = s;
    calls++;
    return act(s);
}

static int
suspend(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_session_suspend(s), 0);
    return ASYNC;
}

static void
end_held(struct rig *r)
{
    assert_int_equal(ec_httpsrv_session_resume(held, 1), 0);
    rig_settle(r);
}

static char *
pattern(size_t n)
{
    char *p = malloc(n + 1);

    for (size_t i = 0; i < n; i++) {
        p[i] = source_byte(i);
    }
    p[n] = '\0';
    return p;
}

/* --- one cursor --- */

static void
ready(io_object *o, void *arg)
{
    (void)o;
    (void)arg;
}

static int
reads_through_two(ec_httpsrv_session *s)
{
    io_object *a, *b;
    char buf[8];

    assert_int_equal(ec_httpsrv_request_data_get(s, &a), 0);
    assert_int_equal(ec_httpsrv_request_data_get(s, &b), 0);
    assert_ptr_not_equal(a, b);
    assert_int_equal(io_wrapper_lseek(a, 0, SEEK_CUR), -1);
    assert_int_equal(errno, ESPIPE);
    assert_int_equal(io_wrapper_read(a, buf, 2), 2);
    assert_memory_equal(buf, "12", 2);
    assert_int_equal(io_wrapper_read(b, buf, 2), 2);
    assert_memory_equal(buf, "34", 2);
    assert_int_equal(io_wrapper_read(a, buf, sizeof buf), 1);
    assert_memory_equal(buf, "5", 1);
    assert_int_equal(io_wrapper_read(b, buf, 1), 0);
    assert_int_equal(io_wrapper_read(a, buf, 1), 0);
    io_wrapper_delref(a);
    io_wrapper_delref(b);
    return DONE;
}

static int
waits_with_one(ec_httpsrv_session *s)
{
    io_object *a, *b;
    char buf[8];

    assert_int_equal(ec_httpsrv_request_data_get(s, &a), 0);
    assert_int_equal(ec_httpsrv_request_data_get(s, &b), 0);
    assert_int_equal(io_wrapper_read(a, buf, sizeof buf), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(io_wrapper_wait(a, IO_WAIT_READ, ready, NULL), 0);
    assert_int_equal(io_wrapper_read(b, buf, sizeof buf), -1); /* another reader is waiting */
    assert_int_equal(errno, EBUSY);
    assert_int_equal(io_wrapper_wait(b, IO_WAIT_READ, ready, NULL), -1);
    assert_int_equal(errno, EBUSY);
    assert_int_equal(io_wrapper_wait(a, IO_WAIT_READ, NULL, NULL), 0);
    io_wrapper_delref(a);
    io_wrapper_delref(b);
    return DONE;
}

static void
ruling_10_all_readers_share_one_cursor(void **state)
{
    struct rig r;
    struct rig_client c;

    (void)state;
    open_one(&r, acts);
    act = reads_through_two;
    rig_connect(&r, &c);
    rig_sends(&c, POST("/", 5, "12345"));
    expect_reply(&c, 200, "");
    act = waits_with_one;
    rig_sends(&c, POST("/", 5, ""));
    expect_reply(&c, 200, "");
    rig_disconnect(&c, false);
    rig_close(&r);
}

/* --- read-ahead --- */

static int
asks_and_reads_a_byte(ec_httpsrv_session *s)
{
    char byte;

    if (calls == 1) {
        assert_int_equal(ec_httpsrv_request_data_get(s, &io), 0);
    }
    (void)io_wrapper_read(io, &byte, 1);
    return suspend(s);
}

static void
ruling_10_no_more_than_64_KiB_are_read_ahead(void **state)
{
    enum { CAPACITY = 1000, AHEAD = 64 * KB };
    struct rig r;
    struct rig_client c;
    char *body = pattern(MB), *buf = malloc(MB);

    (void)state;
    open_one(&r, acts);
    r.pair.capacity = CAPACITY;
    for (int chunked = 0; chunked < 2; chunked++) {
        for (int asks = 0; asks < 2; asks++) {
            act = asks ? asks_and_reads_a_byte : suspend;
            calls = 0;
            rig_connect(&r, &c);
            rig_sends(&c, chunked ? POST_CHUNKED("/", "100000\r\n") : POST("/", 1048576, ""));
            size_t sent = rig_send(&c, body, MB);
            assert_true(sent <= AHEAD + CAPACITY);
            assert_true(!asks || sent >= AHEAD / 2);
            if (asks) { /* taking it lets as much come */
                size_t got = 0; /* nothing had come when it asked */
                while (got < MB) {
                    ssize_t n = io_wrapper_read(io, buf, (size_t)rand() % 100000 + 1);
                    assert_true(n > 0 || errno == EAGAIN);
                    assert_true(n <= 0 || memcmp(buf, body + got, (size_t)n) == 0);
                    got += n > 0 ? (size_t)n : 0;
                    sent += rig_send(&c, body + sent, MB - sent);
                    assert_true(sent <= got + AHEAD + CAPACITY);
                }
                io_wrapper_delref(io);
            }
            end_held(&r);
            rig_disconnect(&c, true);
        }
    }
    free(body);
    free(buf);
    rig_close(&r);
}

/* Head and content lie ready together: the read that brings the one may not bring too much of the other. */
static void
ruling_10_nor_with_the_head(void **state)
{
    enum { CAPACITY = 256 * KB, AHEAD = 64 * KB };
    static const char *const heads[] = { POST("/", 1048576, ""), POST_CHUNKED("/", "100000\r\n") };
    struct rig r;
    struct rig_client c;
    char *body = pattern(MB);

    (void)state;
    open_one(&r, acts);
    r.pair.capacity = CAPACITY;
    for (int i = 0; i < 4; i++) {
        const char *head = heads[i % 2];
        act = i < 2 ? suspend : asks_and_reads_a_byte;
        calls = 0;
        rig_connect(&r, &c);
        const struct iovec iov[2] = { { (void *)(uintptr_t)head, strlen(head) }, { body, MB } };
        ssize_t first = c.t->ops->writev(c.t, iov, 2, false);
        assert_int_equal(first, CAPACITY);
        rig_settle(&r);
        assert_int_equal(calls, 1);
        size_t sent = (size_t)first - strlen(head);
        sent += rig_send(&c, body + sent, MB - sent);
        print_message("%zu bytes were taken\n", sent - CAPACITY);
        assert_true(sent <= (size_t)AHEAD + CAPACITY + (i < 2 ? 0 : 1));
        if (i >= 2) {
            io_wrapper_delref(io);
        }
        end_held(&r);
        rig_disconnect(&c, true);
    }
    free(body);
    rig_close(&r);
}

static int
waits_and_gives_up(ec_httpsrv_session *s)
{
    for (int i = 0; i < 100; i++) {
        assert_int_equal(io_wrapper_wait(io, IO_WAIT_READ, ready, NULL), 0);
        assert_int_equal(io_wrapper_wait(io, IO_WAIT_READ, NULL, NULL), 0);
    }
    return suspend(s);
}

static void
a_reader_that_waits_but_does_not_read_gets_no_more(void **state)
{
    struct rig r;
    struct rig_client c;
    char *body = pattern(MB);

    (void)state;
    open_one(&r, acts);
    r.pair.capacity = 1000;
    act = asks_and_reads_a_byte;
    calls = 0;
    rig_connect(&r, &c);
    rig_sends(&c, POST("/", 1048576, ""));
    size_t sent = rig_send(&c, body, MB);
    act = waits_and_gives_up;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(ec_httpsrv_session_resume(held, 0), 0);
        rig_settle(&r);
        sent += rig_send(&c, body + sent, MB - sent);
    }
    assert_true(sent <= 64 * KB + 1000);
    io_wrapper_delref(io);
    end_held(&r);
    rig_disconnect(&c, true);
    free(body);
    rig_close(&r);
}

/* --- all of it --- */

static const char *want_string;

static int
gets_string_twice(ec_httpsrv_session *s)
{
    string *a, *b;
    struct hs_view view;

    last_err = ec_httpsrv_request_data_get_string(s, &a);
    if (last_err == EAGAIN) {
        return suspend(s);
    }
    assert_int_equal(last_err, 0);
    assert_int_equal(ec_httpsrv_request_data_get_string(s, &b), 0);
    assert_ptr_equal(a, b);
    assert_int_equal(a->len, strlen(want_string));
    assert_memory_equal(a->buffer, want_string, (size_t)a->len);
    assert_int_equal(hs_session_body_view(s, &view), 0);
    assert_int_equal(view.n, a->len);
    return DONE;
}

static int
gets_string_then_streams(ec_httpsrv_session *s)
{
    char buf[4];
    string *str;

    if (gets_string_twice(s) == ASYNC) {
        assert_int_equal(ec_httpsrv_request_data_get(s, &io), EALREADY); /* it is being collected */
        assert_int_equal(ec_httpsrv_request_data_spool(s), EALREADY);
        return ASYNC;
    }
    assert_int_equal(ec_httpsrv_request_data_get(s, &io), 0);
    assert_int_equal(ec_httpsrv_request_data_get_string(s, &str), 0); /* nothing has been taken yet */
    assert_int_equal(io_wrapper_read(io, buf, 2), 2);
    assert_memory_equal(buf, want_string, 2);
    assert_int_equal(ec_httpsrv_request_data_get_string(s, &str), EALREADY);
    assert_int_equal(ec_httpsrv_request_data_spool(s), EALREADY);
    io_wrapper_delref(io);
    return DONE;
}

/* An io that nothing was read from does not stand in the way. */
static int
gets_io_then_string(ec_httpsrv_session *s)
{
    if (calls == 1) {
        assert_int_equal(ec_httpsrv_request_data_get(s, &io), 0);
        io_wrapper_delref(io);
    }
    return gets_string_twice(s);
}

static int
reads_then_gets_string(ec_httpsrv_session *s)
{
    char byte;
    string *str;

    assert_int_equal(ec_httpsrv_request_data_get(s, &io), 0);
    assert_int_equal(io_wrapper_read(io, &byte, 1), 1);
    io_wrapper_delref(io);
    assert_int_equal(ec_httpsrv_request_data_get_string(s, &str), EALREADY);
    return DONE;
}

static void
ruling_10_get_string_may_be_repeated_and_comes_before_reading(void **state)
{
    int (*const each[])(ec_httpsrv_session *) = {
        gets_string_twice, gets_string_then_streams, gets_io_then_string, reads_then_gets_string,
    };
    static const char *const requests[] = {
        POST("/", 10, "1234567890"), POST_CHUNKED("/", "4\r\n1234\r\n6\r\n567890\r\n0\r\n\r\n"),
    };
    struct rig r;
    struct rig_client c;

    (void)state;
    want_string = "1234567890";
    open_one(&r, acts);
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        for (size_t k = 0; k < 2; k++) {
            size_t len = strlen(requests[k]);
            size_t late = i == 3 ? (k ? 15 : 10) : len; /* the last one needs a byte at once, and no more */
            for (size_t split = 0; split < late; split += 3) {
                act = each[i];
                calls = 0;
                rig_connect(&r, &c);
                rig_send(&c, requests[k], len - split);
                rig_send(&c, requests[k] + len - split, split);
                expect_reply(&c, 200, "");
                rig_disconnect(&c, false);
            }
        }
    }
    rig_close(&r);
}

static void
a_large_body_is_collected(void **state)
{
    struct rig r;
    struct rig_client c;
    char *body = pattern(3 * MB);

    (void)state;
    want_string = body;
    open_one(&r, acts);
    act = gets_string_twice;
    rig_connect(&r, &c);
    rig_sends(&c, POST("/", 3145728, ""));
    assert_int_equal(rig_send(&c, body, 3 * MB), 3 * MB);
    expect_reply(&c, 200, "");
    act = gets_io_then_string; /* through the channel */
    calls = 0;
    rig_sends(&c, POST_CHUNKED("/", "300000\r\n"));
    assert_int_equal(rig_send(&c, body, 3 * MB), 3 * MB);
    rig_sends(&c, "\r\n0\r\n\r\n");
    expect_reply(&c, 200, "");
    rig_disconnect(&c, false);
    free(body);
    rig_close(&r);
}

/* Eight MiB lie ready; taking them all at once would keep everybody else waiting. */
static void
a_fast_upload_is_not_read_all_in_one_turn(void **state)
{
    int (*const each[])(ec_httpsrv_session *) = { gets_string_twice, gets_io_then_string };
    struct rig r;
    struct rig_client c;
    char *body = pattern(8 * MB);

    (void)state;
    want_string = body;
    open_one(&r, acts);
    r.pair.capacity = 9 * MB;
    for (size_t i = 0; i < 2; i++) {
        act = each[i];
        calls = 0;
        rig_connect(&r, &c);
        const struct iovec iov[2] = { { (void *)(uintptr_t)POST("/", 8388608, ""), sizeof POST("/", 8388608, "") - 1 }, { body, 8 * MB } };
        assert_int_equal(c.t->ops->writev(c.t, iov, 2, false), (ssize_t)(iov[0].iov_len + iov[1].iov_len));
        for (int turns = 0; turns < 3; turns++) {
            rig_turns(&r, 1);
            assert_int_equal(r.requests_ended, i);
        }
        rig_settle(&r);
        expect_reply(&c, 200, "");
        rig_disconnect(&c, false);
    }
    free(body);
    rig_close(&r);
}

/* --- limits --- */

static int
spools(ec_httpsrv_session *s)
{
    last_err = ec_httpsrv_request_data_spool(s);
    return last_err == EAGAIN ? suspend(s) : DONE;
}

static int
streams_all(ec_httpsrv_session *s)
{
    char buf[1000];
    ssize_t n;

    if (calls == 1) {
        assert_int_equal(ec_httpsrv_request_data_get(s, &io), 0);
    }
    while ((n = io_wrapper_read(io, buf, sizeof buf)) > 0) {
    }
    last_err = n == 0 ? 0 : errno;
    if (last_err == EAGAIN) {
        return suspend(s);
    }
    io_wrapper_delref(io);
    return DONE;
}

static void
ruling_10_max_body_limits_every_way_of_reading(void **state)
{
    int (*const each[])(ec_httpsrv_session *) = { gets_string_twice, spools, streams_all };
    struct hs_route_options o;
    struct rig r;
    struct rig_client c;

    (void)state;
    want_string = "1234567890";
    hs_route_options_default(&o);
    o.max_body = 10;
    open_one_with(&r, acts, NULL, &o);
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        for (int late = 0; late < 2; late++) {
            act = each[i];
            calls = 0;
            rig_connect(&r, &c);
            rig_sends(&c, POST("/", 11, "12345678901")); /* said to be too much: nobody is asked */
            expect_reply(&c, 413, "Content Too Large\n");
            assert_int_equal(calls, 0);
            rig_disconnect(&c, false);

            rig_connect(&r, &c);
            last_err = -1;
            rig_sends(&c, POST_CHUNKED("/", "5\r\n12345\r\n"));
            assert_int_equal(calls, 1);
            assert_int_equal(last_err, EAGAIN);
            rig_sends(&c, "6\r\n678901\r\n0\r\n\r\n");
            expect_reply(&c, 413, "Content Too Large\n");
            if (i == 2) { /* it had a wake-up of its own, if any */
                io_wrapper_delref(io);
                end_held(&r);
            }
            assert_int_equal(calls, 1); /* told by on_abort, not called again */
            rig_disconnect(&c, false);
            assert_int_equal(hs_session_env_live(r.env), 0);
        }
    }
    rig_close(&r);
}

static void
ruling_10_a_route_may_lift_the_limit_for_streams(void **state)
{
    struct hs_route_options o;
    struct hs_limits l;
    struct rig r;
    struct rig_client c;
    string *str;

    (void)state;
    hs_limits_default(&l);
    l.max_body = 1000;
    hs_route_options_default(&o);
    o.max_body = -1;
    open_one_with(&r, acts, &l, &o);
    char *body = pattern(MB);
    act = streams_all;
    calls = 0;
    rig_connect(&r, &c);
    rig_sends(&c, POST("/", 1048576, ""));
    assert_int_equal(ec_httpsrv_request_data_get_string(held, &str), EMSGSIZE); /* but not for this */
    for (size_t sent = 0; sent < MB;) {
        sent += rig_send(&c, body + sent, MB - sent);
        assert_int_equal(ec_httpsrv_session_resume(held, 0), 0);
        rig_settle(&r);
    }
    expect_reply(&c, 200, "");
    assert_int_equal(last_err, 0);
    rig_disconnect(&c, false);

    /* nor where the length is not known before */
    for (int through = 0; through < 2; through++) {
        act = through ? gets_io_then_string : gets_string_twice;
        calls = 0;
        rig_connect(&r, &c);
        rig_sends(&c, POST_CHUNKED("/", "100000\r\n"));
        (void)rig_send(&c, body, MB);
        expect_reply(&c, 413, "Content Too Large\n");
        rig_disconnect(&c, false);
    }
    free(body);
    rig_close(&r);
}

/* The response is over, its handler is not: there is no more to come of the body. */
static int
answers_then_wants_the_body(ec_httpsrv_session *s)
{
    string *str;

    if (calls == 1) {
        assert_int_equal(ec_httpsrv_response_append(s, "early", 5), 0);
        assert_int_equal(ec_httpsrv_response_flush(s, 1), 0);
        last_err = ec_httpsrv_request_data_get_string(s, &str);
        if (last_err == EAGAIN) {
            return suspend(s);
        }
    }
    return DONE;
}

static void
a_body_behind_the_whole_answer_does_not_come(void **state)
{
    struct rig r;
    struct rig_client c;

    (void)state;
    open_one(&r, acts);
    act = answers_then_wants_the_body;
    calls = 0;
    rig_connect(&r, &c);
    rig_sends(&c, POST("/", 10, "12345"));
    expect_reply(&c, 200, "early");
    assert_int_equal(last_err, ECONNABORTED);
    assert_int_equal(r.requests_ended, 1);
    rig_sends(&c, "67890"); /* drained */
    act = gets_string_twice;
    want_string = "ab";
    rig_sends(&c, POST("/", 2, "ab"));
    expect_reply(&c, 200, "");
    rig_disconnect(&c, false);
    rig_close(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ruling_10_all_readers_share_one_cursor),
        cmocka_unit_test(ruling_10_no_more_than_64_KiB_are_read_ahead),
        cmocka_unit_test(ruling_10_nor_with_the_head),
        cmocka_unit_test(a_reader_that_waits_but_does_not_read_gets_no_more),
        cmocka_unit_test(ruling_10_get_string_may_be_repeated_and_comes_before_reading),
        cmocka_unit_test(a_large_body_is_collected),
        cmocka_unit_test(a_fast_upload_is_not_read_all_in_one_turn),
        cmocka_unit_test(ruling_10_max_body_limits_every_way_of_reading),
        cmocka_unit_test(ruling_10_a_route_may_lift_the_limit_for_streams),
        cmocka_unit_test(a_body_behind_the_whole_answer_does_not_come),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
