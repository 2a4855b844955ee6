/* test_h1_socket.c - what the kernel reports of real sockets, and the driver's answer: seen at once, and seen once.
 * A hang-up or a reset stays readable for ever; a driver that waits for the wrong thing turns round and round on it. */
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
#include "source.h"

#define H "Host: a\r\n"

static ec_httpsrv_session *held;
static struct source src;
static int aborts;

static void
on_abort(ec_httpsrv_session *s, void *arg)
{
    (void)arg;
    aborts++;
    assert_int_equal(ec_httpsrv_session_resume(s, 1), 0);
}

static int
waits(ec_httpsrv_session *s)
{
    held = s;
    assert_int_equal(ec_httpsrv_session_on_abort(s, on_abort, NULL), 0);
    assert_int_equal(ec_httpsrv_session_suspend(s), 0);
    return EC_HTTPSRV_HANDLER_ASYNC;
}

/* Something lies with the client, unread: when it closes, that is a reset. */
static int
says_something_and_waits(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_append(s, "x", 1), 0);
    (void)ec_httpsrv_response_flush(s, 0);
    return waits(s);
}

static int
streams(ec_httpsrv_session *s)
{
    io_object *io = source_open(&src, hs_loop_current(), NULL);

    source_allow(&src, 10);
    assert_int_equal(ec_httpsrv_response_io(s, io, 0), 0);
    io_wrapper_delref(io);
    return EC_HTTPSRV_HANDLER_DONE;
}

static int
streams_much(ec_httpsrv_session *s)
{
    (void)streams(s);
    source_allow(&src, 10000000);
    return EC_HTTPSRV_HANDLER_DONE;
}

static void
open_rig(struct rig *r, bool half_close)
{
    struct hs_route_options o;

    hs_route_options_default(&o);
    o.half_close_allowed = half_close;
    rig_open(r);
    rig_route(r, NULL, "/waits", waits, &o);
    rig_route(r, NULL, "/says", says_something_and_waits, &o);
    rig_route(r, NULL, "/streams", streams, &o);
    rig_route(r, NULL, "/much", streams_much, &o);
    rig_start(r);
    aborts = 0;
}

/* Counts the events of the driver's end of a connection. */
static void (*real_event)(void *arg, unsigned events);
static unsigned events_seen;

static void
count_event(void *arg, unsigned events)
{
    events_seen++;
    real_event(arg, events);
}

static void
watch(struct rig_client *c)
{
    real_event = c->server->on_event;
    c->server->on_event = count_event;
    events_seen = 0;
}

static const char *const paths[] = { "/waits", "/says", "/streams", "/much" };

static void
ask(struct rig *r, struct rig_client *c, const char *path, const char *more)
{
    char request[200];

    rig_connect_socket(r, c);
    rig_read_on(c, false);
    watch(c);
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\n" H "\r\n%s", path, more);
    rig_sends(c, request);
}

static void
a_close_or_a_reset_is_seen_at_once_in_every_state(void **state)
{
    static const char *const behind[] = { "", "GET /waits HTTP/1.1\r\n" H "\r\n", "POST /waits HTTP/1.1\r\n" H "Content-Length: 1000\r\n\r\nabc" };
    struct rig r;

    (void)state;
    open_rig(&r, false);
    for (size_t p = 0; p < sizeof paths / sizeof *paths; p++) {
        for (size_t b = 0; b < sizeof behind / sizeof *behind; b++) {
            struct rig_client c;
            unsigned ended = r.requests_ended;
            int before = aborts;
            ask(&r, &c, paths[p], behind[b]);
            assert_int_equal(r.requests_ended, ended);
            rig_disconnect(&c, true);
            if (p == 2 && r.requests_ended == ended) { /* a mere FIN lets a stream go on */
                source_end(&src, 0);
                rig_settle(&r);
            }
            assert_true(r.requests_ended > ended);
            assert_int_equal(hs_session_env_live(r.env), 0);
            assert_true(p > 1 || aborts > before);
        }
    }
    rig_close(&r);
}

static void
a_half_closed_peer_is_not_looked_at_again_and_again(void **state)
{
    struct rig r;

    (void)state;
    open_rig(&r, true); /* so that the handlers stay */
    for (size_t p = 0; p < sizeof paths / sizeof *paths; p++) {
        for (int more = 0; more < 2; more++) {
            struct rig_client c;
            ask(&r, &c, paths[p], more ? "GET /waits HTTP/1.1\r\n" H "\r\n" : "");
            rig_shutdown(&c);
            events_seen = 0;
            rig_turns(&r, 200);
            assert_true(events_seen <= 2);
            assert_int_equal(hs_session_env_live(r.env), 1);
            if (p < 2) {
                assert_int_equal(ec_httpsrv_session_resume(held, 1), 0);
            } else {
                src.ended = true;
                src.allowed = src.pos;
                source_end(&src, 0);
            }
            rig_settle(&r);
            rig_read_on(&c, true);
            if (more) { /* the next one waits, and may, too */
                assert_int_equal(hs_session_env_live(r.env), 1);
                assert_int_equal(ec_httpsrv_session_resume(held, 1), 0);
                rig_settle(&r);
            }
            assert_int_equal(hs_session_env_live(r.env), 0);
            assert_true(c.eof);
            rig_disconnect(&c, false);
        }
    }
    rig_close(&r);
}

static void
a_reset_after_a_fin_ends_those_who_stay(void **state)
{
    struct rig r;

    (void)state;
    open_rig(&r, true);
    for (size_t p = 0; p < 3; p++) { /* what is queued after the FIN is written, and told by that */
        struct rig_client c;
        int before = aborts;
        ask(&r, &c, paths[p], "");
        rig_shutdown(&c);
        rig_turns(&r, 10);
        assert_int_equal(hs_session_env_live(r.env), 1);
        rig_disconnect(&c, true);
        assert_int_equal(hs_session_env_live(r.env), 0);
        assert_true(p > 1 || aborts > before);
    }
    rig_close(&r);
}

static void
data_that_nobody_wants_yet_is_not_looked_at_again_and_again(void **state)
{
    struct rig r;

    (void)state;
    open_rig(&r, false);
    for (size_t p = 0; p < sizeof paths / sizeof *paths; p++) {
        struct rig_client c;
        ask(&r, &c, paths[p], "");
        rig_sends(&c, "POST /waits HTTP/1.1\r\n" H "Content-Length: 100000\r\n\r\n");
        for (int i = 0; i < 10; i++) {
            rig_sends(&c, "more of it");
        }
        events_seen = 0;
        rig_turns(&r, 200);
        assert_true(events_seen <= 2);
        rig_disconnect(&c, true);
        if (p == 2 && hs_session_env_live(r.env)) {
            source_end(&src, 0);
            rig_settle(&r);
        }
        assert_int_equal(hs_session_env_live(r.env), 0);
    }
    rig_close(&r);
}

static void
a_client_that_does_not_read_is_not_looked_at_again_and_again(void **state)
{
    struct rig r;
    struct rig_client c;

    (void)state;
    open_rig(&r, false);
    ask(&r, &c, "/much", "");
    events_seen = 0;
    rig_turns(&r, 200);
    assert_true(events_seen <= 2);
    assert_true(src.pos < 2000000);
    rig_disconnect(&c, true);
    assert_int_equal(hs_session_env_live(r.env), 0);
    rig_close(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_close_or_a_reset_is_seen_at_once_in_every_state),
        cmocka_unit_test(a_half_closed_peer_is_not_looked_at_again_and_again),
        cmocka_unit_test(a_reset_after_a_fin_ends_those_who_stay),
        cmocka_unit_test(data_that_nobody_wants_yet_is_not_looked_at_again_and_again),
        cmocka_unit_test(a_client_that_does_not_read_is_not_looked_at_again_and_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
