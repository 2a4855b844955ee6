/* test_h1_deadlines.c - time-outs where one thing follows another: pipelined heads, slow output before idleness, bodies behind answers. */
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
#include "source.h"

#define H "Host: a\r\n"

static struct source src;

static bool
over(const struct rig_client *c)
{
    return c->eof || c->reset;
}

static int
large(ec_httpsrv_session *s)
{
    static char block[100000];

    assert_int_equal(ec_httpsrv_response_append(s, block, sizeof block), 0);
    return EC_HTTPSRV_HANDLER_DONE;
}

static int
streams(ec_httpsrv_session *s)
{
    io_object *io = source_open(&src, hs_loop_current(), NULL);

    assert_int_equal(ec_httpsrv_response_io(s, io, 0), 0);
    io_wrapper_delref(io);
    return EC_HTTPSRV_HANDLER_DONE;
}

/* An answer before the body has been read, which it is then all the same. */
static int
answers_then_collects(ec_httpsrv_session *s)
{
    string *str;

    if (!hs_session_head_sent(s)) {
        (void)ec_httpsrv_response_flush(s, 0);
    }
    int err = ec_httpsrv_request_data_get_string(s, &str);
    if (err == EAGAIN) {
        assert_int_equal(ec_httpsrv_session_suspend(s), 0);
        return EC_HTTPSRV_HANDLER_ASYNC;
    }
    return EC_HTTPSRV_HANDLER_DONE;
}

/* get_string behind an io that nothing was read from. */
static int
collects_through_a_stream(ec_httpsrv_session *s)
{
    io_object *io;
    string *str;

    int err = ec_httpsrv_request_data_get_string(s, &str);
    if (err == EAGAIN) {
        assert_int_equal(ec_httpsrv_session_suspend(s), 0);
        return EC_HTTPSRV_HANDLER_ASYNC;
    }
    if (err == 0 && ec_httpsrv_request_data_get(s, &io) == 0) {
        io_wrapper_delref(io);
    }
    return EC_HTTPSRV_HANDLER_DONE;
}

static int
opens_then_collects(ec_httpsrv_session *s)
{
    io_object *io;
    ec_blobject *seen = ec_httpsrv_ctx_get(s);
    static ec_blobject_class cls = { .objectType = "mark" };

    if (!seen) {
        seen = ec_blobject_wrap(&cls, s);
        ec_httpsrv_ctx_set(s, seen);
        assert_int_equal(ec_httpsrv_request_data_get(s, &io), 0);
        io_wrapper_delref(io);
    }
    ec_blobject_delref(seen);
    return collects_through_a_stream(s);
}

static int
set_up(void **state)
{
    struct rig *r = calloc(1, sizeof *r);

    assert_non_null(r);
    rig_open(r);
    handlers_register(r);
    rig_route(r, NULL, "/big", large, NULL);
    rig_route(r, NULL, "/endless", streams, NULL);
    rig_route(r, NULL, "/early", answers_then_collects, NULL);
    rig_route(r, NULL, "/opened", opens_then_collects, NULL);
    rig_start(r);
    *state = r;
    return 0;
}

static int
tear_down(void **state)
{
    rig_close(*state);
    free(*state);
    return 0;
}

static void
ruling_12_a_head_behind_another_has_a_deadline_of_its_own(void **state)
{
    struct rig *r = *state;
    struct rig_client c;

    rig_connect(r, &c);
    rig_sends(&c, "GET /hello HTTP/1.1\r\n");
    rig_advance(r, 8 * HS_SEC);
    rig_sends(&c, H "\r\nGET /hello HTTP/1.1\r\n"); /* one read ends the first head and begins the second */
    assert_non_null(strstr(rig_received(&c), "Hello"));
    rig_forget(&c);
    rig_advance(r, 8 * HS_SEC);
    assert_false(over(&c));
    rig_sends(&c, H "\r\n");
    assert_non_null(strstr(rig_received(&c), "Hello"));
    rig_disconnect(&c, false);
}

static void
ruling_12_a_head_behind_a_drained_body_has_a_deadline_of_its_own(void **state)
{
    struct rig *r = *state;
    struct rig_client c;

    rig_connect(r, &c);
    rig_sends(&c, "POST /ignore HTTP/1.1\r\n" H "Content-Length: 10\r\n\r\n");
    rig_forget(&c);
    rig_advance(r, 8 * HS_SEC);
    rig_sends(&c, "1234567890GET /hello HTTP/1.1\r\n");
    rig_advance(r, 8 * HS_SEC);
    assert_false(over(&c));
    rig_sends(&c, H "\r\n");
    assert_non_null(strstr(rig_received(&c), "Hello"));
    rig_disconnect(&c, false);
}

static void
ruling_11_a_body_to_be_drained_has_a_deadline(void **state)
{
    struct rig *r = *state;
    struct rig_client c;

    rig_connect(r, &c);
    rig_sends(&c, "POST /ignore HTTP/1.1\r\n" H "Content-Length: 100\r\n\r\n");
    assert_non_null(strstr(rig_received(&c), "ignored"));
    for (int i = 0; i < 8; i++) {
        rig_advance(r, HS_SEC);
        rig_sends(&c, "x");
    }
    assert_false(over(&c));
    rig_advance(r, 4 * HS_SEC);
    assert_true(c.eof);
    rig_advance(r, 4 * HS_SEC); /* it lingered */
    struct hs_h1_stats st;
    hs_h1_get_stats(r->h1, &st);
    assert_int_equal(st.live, 0);
    rig_disconnect(&c, false);
}

static void
ruling_12_idle_begins_when_the_answer_is_out(void **state)
{
    struct rig *r = *state;
    struct rig_client c;
    struct hs_h1_stats st;

    r->pair.capacity = 1000;
    rig_connect(r, &c);
    rig_read_on(&c, false);
    rig_sends(&c, "GET /big HTTP/1.1\r\n" H "\r\n");
    while (r->requests_ended == 0) { /* until the driver has the rest */
        (void)rig_read(&c, 1000);
        rig_settle(r);
    }
    for (int i = 0; i < 12; i++) { /* two minutes of slow reading */
        assert_int_equal(rig_read(&c, 100), 100);
        rig_advance(r, 10 * HS_SEC);
        assert_false(over(&c));
    }
    rig_read_on(&c, true);
    assert_true(c.in.len > 100000);
    rig_advance(r, 130 * HS_SEC);
    assert_true(c.eof); /* and the connection is not there for ever */
    hs_h1_get_stats(r->h1, &st);
    assert_int_equal(st.live, 0);
    rig_disconnect(&c, false);
}

static void
threat_18_a_body_behind_the_head_of_its_answer_is_watched_too(void **state)
{
    struct rig *r = *state;
    struct rig_client c;
    unsigned seconds = 0;

    rig_connect(r, &c);
    rig_sends(&c, "POST /early HTTP/1.1\r\n" H "Content-Length: 1000\r\n\r\n");
    assert_ptr_equal(strstr(rig_received(&c), "HTTP/1.1 200"), rig_received(&c));
    for (; seconds < 100 && !over(&c); seconds++) {
        rig_sends(&c, "x");
        rig_advance(r, HS_SEC);
    }
    assert_in_range(seconds, 29, 33);
    struct reply reply;
    assert_true(reply_parse(&reply, rig_received(&c), c.in.len, false));
    assert_false(reply.complete); /* it is too late for another status */
    assert_int_equal(reply.size, c.in.len);
    reply_free(&reply);
    assert_int_equal(r->requests_ended, 1);
    rig_disconnect(&c, false);
}

static void
threat_18_every_way_of_reading_is_watched(void **state)
{
    static const char *const paths[] = { "/collect", "/spool", "/stream", "/opened", "/trailers" };
    struct rig *r = *state;
    char head[200];

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        for (int chunked = 0; chunked < 2; chunked++) {
            struct rig_client c;
            unsigned seconds = 0;
            rig_connect(r, &c);
            snprintf(head, sizeof head, "POST %s HTTP/1.1\r\n" H "%s\r\n\r\n", paths[i],
                     chunked ? "Transfer-Encoding: chunked" : "Content-Length: 100000");
            rig_sends(&c, head);
            for (; seconds < 100 && !over(&c); seconds++) {
                rig_sends(&c, chunked ? "1\r\nx\r\n" : "x");
                rig_advance(r, HS_SEC);
            }
            assert_in_range(seconds, 29, 64);
            assert_ptr_equal(strstr(rig_received(&c), "HTTP/1.1 408 "), rig_received(&c));
            rig_disconnect(&c, false);
        }
    }
}

/* A reader that takes its time and then waits a little is not the client's fault. */
static ec_httpsrv_session *slow;
static io_object *slow_io;

static int
reads_now_and_then(ec_httpsrv_session *s)
{
    char buf[100];

    slow = s;
    if (!slow_io) {
        assert_int_equal(ec_httpsrv_request_data_get(s, &slow_io), 0);
    }
    (void)io_wrapper_read(slow_io, buf, sizeof buf);
    assert_int_equal(ec_httpsrv_session_suspend(s), 0);
    return EC_HTTPSRV_HANDLER_ASYNC;
}

static void
never(io_object *io, void *arg)
{
    (void)io;
    (void)arg;
}

static void
ruling_12_only_the_time_that_a_reader_waits_counts(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    struct rig_client c;

    (void)state;
    rig_open(r);
    rig_route(r, NULL, "/", reads_now_and_then, NULL);
    rig_start(r);
    slow_io = NULL;
    rig_connect(r, &c);
    rig_sends(&c, "POST / HTTP/1.1\r\n" H "Content-Length: 100000\r\n\r\n");
    for (int i = 0; i < 60; i++) { /* of ten minutes it waits for ten seconds */
        rig_sends(&c, "x");
        assert_int_equal(ec_httpsrv_session_resume(slow, 0), 0);
        rig_settle(r);
        rig_advance(r, 10 * HS_SEC - HS_SEC / 6);
        assert_int_equal(io_wrapper_wait(slow_io, IO_WAIT_READ, never, NULL), 0);
        rig_advance(r, HS_SEC / 6);
        assert_int_equal(io_wrapper_wait(slow_io, IO_WAIT_READ, NULL, NULL), 0);
        assert_false(over(&c));
    }
    assert_int_equal(io_wrapper_wait(slow_io, IO_WAIT_READ, never, NULL), 0);
    rig_advance(r, 70 * HS_SEC);
    assert_ptr_equal(strstr(rig_received(&c), "HTTP/1.1 408 "), rig_received(&c));
    io_wrapper_delref(slow_io);
    assert_int_equal(ec_httpsrv_session_resume(slow, 1), 0);
    rig_settle(r);
    rig_disconnect(&c, false);
    rig_close(r);
    free(r);
}

static void
ruling_12_a_stream_that_has_nothing_to_say_lives_for_hours(void **state)
{
    struct rig *r = *state;
    struct rig_client c;

    for (int fin = 0; fin < 2; fin++) {
        rig_connect(r, &c);
        rig_sends(&c, "GET /endless HTTP/1.1\r\n" H "\r\n");
        if (fin) {
            rig_shutdown(&c);
        }
        for (int i = 0; i < 5; i++) {
            rig_advance(r, 3600 * HS_SEC);
            size_t before = c.in.len;
            source_allow(&src, 1);
            rig_settle(r);
            assert_true(c.in.len > before && !over(&c));
        }
        source_end(&src, 0);
        rig_settle(r);
        rig_disconnect(&c, false);
    }
}

static void
threat_19_a_stalled_client_is_reset_whatever_its_answer_is_made_of(void **state)
{
    static const char *const paths[] = { "/big", "/endless", "/large", "/big" };
    struct rig *r = *state;
    char request[100];

    r->pair.capacity = 2000;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct rig_client c;
        unsigned ended = r->requests_ended;
        rig_connect(r, &c);
        rig_read_on(&c, false);
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\n" H "\r\n", paths[i]);
        rig_sends(&c, request);
        if (i == 1) {
            source_allow(&src, 1000000);
            rig_settle(r);
        }
        if (i == 3) { /* what the driver alone has left */
            while (r->requests_ended == ended) {
                (void)rig_read(&c, 1000);
                rig_settle(r);
            }
        }
        rig_advance(r, 28 * HS_SEC);
        (void)rig_read(&c, 1); /* a byte is enough to go on */
        rig_advance(r, 28 * HS_SEC);
        struct hs_h1_stats st;
        hs_h1_get_stats(r->h1, &st);
        assert_int_equal(st.live, 1);
        rig_advance(r, 4 * HS_SEC);
        hs_h1_get_stats(r->h1, &st);
        assert_int_equal(st.live, 0);
        assert_int_equal(r->requests_ended, ended + 1);
        rig_read_on(&c, true);
        assert_true(c.reset);
        rig_disconnect(&c, false);
    }
}

static void
draining_says_close_to_the_next_request_and_closes_nothing_by_itself(void **state)
{
    struct rig *r = *state;
    struct rig_client c;
    struct reply reply;

    rig_connect(r, &c);
    rig_sends(&c, "GET /hello HTTP/1.1\r\n" H "\r\n");
    rig_forget(&c);
    hs_h1_drain(r->h1);
    rig_advance(r, 30 * HS_SEC);
    assert_false(over(&c));
    rig_sends(&c, "GET /hello HTTP/1.1\r\n" H "\r\n");
    assert_true(reply_parse(&reply, rig_received(&c), c.in.len, false));
    assert_true(reply.complete && reply.close && c.eof);
    reply_free(&reply);
    rig_disconnect(&c, false);
    rig_connect(r, &c);
    rig_sends(&c, "GET /hel");
    hs_h1_close_idle(r->h1);
    rig_settle(r);
    assert_false(over(&c)); /* it is about to say something */
    rig_disconnect(&c, false);
    rig_connect(r, &c);
    hs_h1_close_idle(r->h1);
    rig_settle(r);
    assert_true(c.eof);
    rig_disconnect(&c, false);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(ruling_12_a_head_behind_another_has_a_deadline_of_its_own),
        TEST(ruling_12_a_head_behind_a_drained_body_has_a_deadline_of_its_own),
        TEST(ruling_11_a_body_to_be_drained_has_a_deadline),
        TEST(ruling_12_idle_begins_when_the_answer_is_out),
        TEST(threat_18_a_body_behind_the_head_of_its_answer_is_watched_too),
        TEST(threat_18_every_way_of_reading_is_watched),
        cmocka_unit_test(ruling_12_only_the_time_that_a_reader_waits_counts),
        TEST(ruling_12_a_stream_that_has_nothing_to_say_lives_for_hours),
        TEST(threat_19_a_stalled_client_is_reset_whatever_its_answer_is_made_of),
        TEST(draining_says_close_to_the_next_request_and_closes_nothing_by_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
