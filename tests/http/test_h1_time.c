/* test_h1_time.c - the time-outs of a connection: each runs only while the peer owes us something (ruling 12).
 * The clock is moved, nothing sleeps. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rig.h"

#define HEAD "Host: a\r\n\r\n"

static ec_httpsrv_session *suspended;

static int
hello(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_append(s, "Hello", 5), 0);
    return EC_HTTPSRV_HANDLER_DONE;
}

/* Never asks for anything: its own time is unlimited. */
static int
waits(ec_httpsrv_session *s)
{
    suspended = s;
    assert_int_equal(ec_httpsrv_session_suspend(s), 0);
    return EC_HTTPSRV_HANDLER_ASYNC;
}

/* Wants the whole body. */
static int
collects(ec_httpsrv_session *s)
{
    string *body;
    int err = ec_httpsrv_request_data_get_string(s, &body);

    if (err == EAGAIN) {
        return ec_httpsrv_session_suspend(s) == 0 ? EC_HTTPSRV_HANDLER_ASYNC : EC_HTTPSRV_HANDLER_DONE;
    }
    assert_int_equal(err, 0);
    assert_int_equal(ec_httpsrv_response_printf(s, "%d", body->len), 0);
    return EC_HTTPSRV_HANDLER_DONE;
}

/* More than the kernel and the marks take. */
static int
large(ec_httpsrv_session *s)
{
    static char block[64 * 1024];

    for (int i = 0; i < 16; i++) {
        assert_int_equal(ec_httpsrv_response_append(s, block, sizeof block), 0);
    }
    return EC_HTTPSRV_HANDLER_DONE;
}

static int
set_up(void **state)
{
    struct rig *r = calloc(1, sizeof *r);

    assert_non_null(r);
    rig_open(r);
    rig_route(r, "GET", "/hello", hello, NULL);
    rig_route(r, "GET", "/waits", waits, NULL);
    rig_route(r, "POST", "/waits", waits, NULL);
    rig_route(r, "POST", "/collects", collects, NULL);
    rig_route(r, "GET", "/large", large, NULL);
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

static bool
over(const struct rig_client *c)
{
    return c->eof || c->reset;
}

/* --- the head --- */

static void
threat_17_a_head_sent_byte_by_byte_has_one_deadline(void **state)
{
    static const char request[] = "GET /hello HTTP/1.1\r\nX-Long: aaaaaaaaaaaaaaaa";
    struct rig_client c;
    unsigned seconds = 0;

    rig_connect(*state, &c);
    for (const char *p = request; *p && !over(&c); p++, seconds++) {
        (void)rig_send(&c, p, 1);
        rig_advance(*state, HS_SEC);
    }
    assert_true(over(&c));
    assert_in_range(seconds, 9, 12); /* the bytes that came did not move it */
    assert_ptr_equal(strstr(rig_received(&c), "HTTP/1.1 408 "), rig_received(&c));
    rig_disconnect(&c, false);
}

static void
threat_17_a_silent_connection_is_closed_without_a_word(void **state)
{
    struct rig_client c;

    rig_connect(*state, &c);
    rig_advance(*state, 8 * HS_SEC);
    assert_false(over(&c));
    rig_advance(*state, 4 * HS_SEC);
    assert_true(over(&c));
    assert_string_equal(rig_received(&c), "");
    rig_disconnect(&c, false);
}

/* One that had to be waited for before it became ours: a PROXY header was read. */
static void
threat_17_what_came_before_the_head_is_in_its_deadline(void **state)
{
    struct rig_client c;

    rig_connect_since(*state, &c, 7 * HS_SEC);
    (void)rig_sends(&c, "GET /hel");
    rig_advance(*state, 2 * HS_SEC);
    assert_false(over(&c));
    rig_advance(*state, 2 * HS_SEC);
    assert_true(over(&c));
    assert_ptr_equal(strstr(rig_received(&c), "HTTP/1.1 408 "), rig_received(&c));
    rig_disconnect(&c, false);

    rig_connect_since(*state, &c, 7 * HS_SEC); /* and silence wins nothing */
    rig_advance(*state, 4 * HS_SEC);
    assert_true(over(&c));
    assert_string_equal(rig_received(&c), "");
    rig_disconnect(&c, false);
}

static void
ruling_12_the_second_head_has_its_deadline_too(void **state)
{
    struct rig_client c;

    rig_connect(*state, &c);
    (void)rig_sends(&c, "GET /hello HTTP/1.1\r\n" HEAD);
    rig_advance(*state, 30 * HS_SEC); /* idle: another time-out */
    assert_false(over(&c));
    rig_forget(&c);
    (void)rig_sends(&c, "GET /hel");
    rig_advance(*state, 8 * HS_SEC);
    assert_false(over(&c));
    rig_advance(*state, 4 * HS_SEC);
    assert_true(over(&c));
    assert_ptr_equal(strstr(rig_received(&c), "HTTP/1.1 408 "), rig_received(&c));
    rig_disconnect(&c, false);
}

/* --- between requests --- */

static void
ruling_12_an_idle_connection_lives_for_a_minute(void **state)
{
    struct rig_client c;

    rig_connect(*state, &c);
    for (int i = 0; i < 3; i++) {
        (void)rig_sends(&c, "GET /hello HTTP/1.1\r\n" HEAD);
        assert_non_null(strstr(rig_received(&c), "\r\n\r\nHello"));
        rig_forget(&c);
        rig_advance(*state, 58 * HS_SEC);
        assert_false(over(&c));
    }
    rig_advance(*state, 4 * HS_SEC);
    assert_true(over(&c));
    assert_string_equal(rig_received(&c), "");
    rig_disconnect(&c, false);
}

static void
ruling_12_a_long_poll_lives_for_hours(void **state)
{
    struct rig_client c;

    rig_connect(*state, &c);
    (void)rig_sends(&c, "GET /waits HTTP/1.1\r\n" HEAD);
    rig_advance(*state, 3 * 3600 * HS_SEC);
    assert_false(over(&c));
    assert_int_equal(ec_httpsrv_response_append(suspended, "at last", 7), 0);
    assert_int_equal(ec_httpsrv_session_resume(suspended, 1), 0);
    rig_settle(*state);
    assert_non_null(strstr(rig_received(&c), "\r\n\r\nat last"));
    rig_disconnect(&c, false);
}

/* --- the body --- */

static void
threat_18_a_trickled_body_is_refused_after_its_window(void **state)
{
    struct rig_client c;
    unsigned seconds = 0;

    rig_connect(*state, &c);
    (void)rig_sends(&c, "POST /collects HTTP/1.1\r\nContent-Length: 100000\r\n" HEAD);
    for (; seconds < 100 && !over(&c); seconds++) {
        (void)rig_sends(&c, "x");
        rig_advance(*state, HS_SEC);
    }
    assert_in_range(seconds, 29, 33);
    assert_ptr_equal(strstr(rig_received(&c), "HTTP/1.1 408 "), rig_received(&c));
    rig_disconnect(&c, false);
}

static void
threat_18_a_slow_body_that_keeps_the_rate_is_read_to_its_end(void **state)
{
    char kib[1100];
    struct rig_client c;

    memset(kib, 'x', sizeof kib);
    rig_connect(*state, &c);
    (void)rig_sends(&c, "POST /collects HTTP/1.1\r\nContent-Length: 110000\r\n" HEAD);
    for (int i = 0; i < 100; i++) {
        assert_false(over(&c));
        (void)rig_send(&c, kib, sizeof kib);
        rig_advance(*state, HS_SEC);
    }
    assert_non_null(strstr(rig_received(&c), "\r\n\r\n110000"));
    rig_disconnect(&c, false);
}

static void
ruling_12_the_rate_is_watched_only_while_a_reader_waits(void **state)
{
    struct rig_client c;

    rig_connect(*state, &c);
    (void)rig_sends(&c, "POST /waits HTTP/1.1\r\nContent-Length: 100000\r\n" HEAD);
    rig_advance(*state, 3600 * HS_SEC);
    assert_false(over(&c));
    assert_int_equal(ec_httpsrv_session_resume(suspended, 1), 0);
    rig_settle(*state);
    rig_disconnect(&c, false);
}

/* --- output --- */

static void
threat_19_a_client_that_does_not_read_is_given_up(void **state)
{
    struct rig *r = *state;
    struct rig_client c;

    rig_connect(r, &c);
    rig_read_on(&c, false);
    (void)rig_sends(&c, "GET /large HTTP/1.1\r\n" HEAD);
    assert_int_equal(r->requests_ended, 0);
    rig_advance(r, 28 * HS_SEC);
    assert_int_equal(r->requests_ended, 0);
    rig_advance(r, 5 * HS_SEC);
    assert_int_equal(r->requests_ended, 1);
    rig_disconnect(&c, false);
}

static void
ruling_12_a_client_that_reads_slowly_is_served(void **state)
{
    struct rig *r = *state;
    struct rig_client c;

    rig_connect(r, &c);
    rig_read_on(&c, false);
    (void)rig_sends(&c, "GET /large HTTP/1.1\r\n" HEAD);
    for (int i = 0; i < 200 && r->requests_ended == 0; i++) {
        rig_advance(r, 20 * HS_SEC);
        (void)rig_read(&c, 32 * 1024);
    }
    assert_int_equal(r->requests_ended, 1);
    assert_false(c.reset);
    rig_read_on(&c, true);
    rig_settle(r);
    assert_in_range(c.in.len, 1024 * 1024, 1024 * 1024 + 1024);
    rig_disconnect(&c, false);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(threat_17_a_head_sent_byte_by_byte_has_one_deadline),
        TEST(threat_17_what_came_before_the_head_is_in_its_deadline),
        TEST(threat_17_a_silent_connection_is_closed_without_a_word),
        TEST(ruling_12_the_second_head_has_its_deadline_too),
        TEST(ruling_12_an_idle_connection_lives_for_a_minute),
        TEST(ruling_12_a_long_poll_lives_for_hours),
        TEST(threat_18_a_trickled_body_is_refused_after_its_window),
        TEST(threat_18_a_slow_body_that_keeps_the_rate_is_read_to_its_end),
        TEST(ruling_12_the_rate_is_watched_only_while_a_reader_waits),
        TEST(threat_19_a_client_that_does_not_read_is_given_up),
        TEST(ruling_12_a_client_that_reads_slowly_is_served),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
