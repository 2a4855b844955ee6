/* test_h1_linger.c - what becomes of a connection whose request was not read to its end: drained and kept, or answered,
 * half-closed and discarded (ruling 11, RFC 9112 9.3 and 9.6), and of requests that come without their answers being read. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/live.h"
#include "rig.h"

#define HEAD "Host: a\r\n\r\n"

static unsigned handled;

/* Does not look at the body. */
static int
answers(ec_httpsrv_session *s)
{
    handled++;
    assert_int_equal(ec_httpsrv_response_append(s, "early", 5), 0);
    return EC_HTTPSRV_HANDLER_DONE;
}

static int
large(ec_httpsrv_session *s)
{
    char block[1024];

    handled++;
    memset(block, 'x', sizeof block);
    assert_int_equal(ec_httpsrv_response_append(s, block, sizeof block), 0);
    return EC_HTTPSRV_HANDLER_DONE;
}

static int
set_up(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    struct hs_h1_limits limits;

    assert_non_null(r);
    hs_h1_limits_default(&limits);
    limits.linger_count = 3;
    limits.linger_max = 1024 * 1024;
    rig_open_with(r, NULL, &limits);
    rig_route(r, NULL, "/", answers, NULL);
    rig_route(r, "GET", "/large", large, NULL);
    rig_start(r);
    handled = 0;
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

static size_t
lingering(struct rig *r)
{
    struct hs_h1_stats st;

    hs_h1_get_stats(r->h1, &st);
    return st.lingering;
}

/* How often needle is in what came. */
static unsigned
occurrences(struct rig_client *c, const char *needle)
{
    unsigned n = 0;

    for (const char *p = rig_received(c); (p = strstr(p, needle)); p++) {
        n++;
    }
    return n;
}

static void
post(struct rig_client *c, size_t length)
{
    char head[128];

    (void)snprintf(head, sizeof head, "POST / HTTP/1.1\r\nContent-Length: %zu\r\n" HEAD, length);
    (void)rig_sends(c, head);
}

/* Sends n bytes of body that would be a request, were they read as one. */
static size_t
smuggle(struct rig_client *c, size_t n)
{
    static const char text[] = "GET /large HTTP/1.1\r\n" HEAD;
    char *body = malloc(n);

    assert_non_null(body);
    for (size_t i = 0; i < n; i++) {
        body[i] = text[i % (sizeof text - 1)];
    }
    size_t sent = rig_send(c, body, n);
    free(body);
    return sent;
}

static void
threat_13_an_unread_body_is_never_parsed_as_a_request(void **state)
{
    static const char *const methods[] = { "GET", "HEAD", "DELETE", "POST" };
    static const char body[] = "GET /large HTTP/1.1\r\nHost: a\r\n\r\n";
    const int size = (int)sizeof body - 1;
    char request[256];

    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        for (int chunked = 0; chunked < 2; chunked++) {
            struct rig_client c;
            handled = 0;
            if (chunked) {
                (void)snprintf(request, sizeof request, "%s / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" HEAD "%x\r\n%s\r\n0\r\n\r\n", methods[i],
                               (unsigned)size, body);
            } else {
                (void)snprintf(request, sizeof request, "%s / HTTP/1.1\r\nContent-Length: %d\r\n" HEAD "%s", methods[i], size, body);
            }
            rig_connect(*state, &c);
            (void)rig_sends(&c, request);
            assert_int_equal(handled, 1);
            assert_int_equal(occurrences(&c, "HTTP/1.1 200 OK"), 1);
            assert_false(over(&c)); /* drained: the connection is kept */
            (void)rig_sends(&c, "GET / HTTP/1.1\r\n" HEAD);
            assert_int_equal(handled, 2);
            assert_int_equal(occurrences(&c, "HTTP/1.1 200 OK"), 2);
            rig_disconnect(&c, false);
        }
    }
}

static void
ruling_11_up_to_64_kib_still_owed_are_drained(void **state)
{
    struct rig_client c;

    rig_connect(*state, &c);
    post(&c, 64 * 1024);
    assert_int_equal(occurrences(&c, "early"), 1);
    assert_int_equal(occurrences(&c, "Connection: close"), 0);
    assert_int_equal(smuggle(&c, 64 * 1024), 64 * 1024);
    (void)rig_sends(&c, "GET / HTTP/1.1\r\n" HEAD);
    assert_int_equal(occurrences(&c, "early"), 2);
    assert_int_equal(handled, 2);
    rig_disconnect(&c, false);
}

static void
ruling_11_a_chunked_body_is_drained_as_far(void **state)
{
    struct rig_client c;

    rig_connect(*state, &c);
    (void)rig_sends(&c, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" HEAD "20000\r\n");
    assert_int_equal(occurrences(&c, "early"), 1);
    (void)smuggle(&c, 60 * 1024);
    assert_false(over(&c));
    (void)smuggle(&c, 40 * 1024);
    assert_true(over(&c)); /* more than 64 KiB: half-closed */
    assert_int_equal(handled, 1);
    rig_disconnect(&c, false);
}

static void
threat_27a_more_than_that_closes_in_a_way_that_loses_nothing(void **state)
{
    struct rig_client c;

    rig_connect(*state, &c);
    post(&c, 500 * 1024);
    assert_int_equal(occurrences(&c, "early"), 1);
    assert_int_equal(occurrences(&c, "Connection: close\r\n"), 1);
    assert_true(c.eof); /* our FIN */
    assert_false(c.reset);
    assert_int_equal(lingering(*state), 1);
    assert_int_equal(smuggle(&c, 500 * 1024), 500 * 1024); /* all of it is taken, and thrown away */
    assert_false(c.reset);
    assert_int_equal(handled, 1);
    assert_int_equal(lingering(*state), 1);
    rig_shutdown(&c);
    assert_int_equal(lingering(*state), 0);
    rig_disconnect(&c, false);
}

static void
ruling_11_lingering_ends_after_two_seconds(void **state)
{
    struct rig_client c;

    rig_connect(*state, &c);
    post(&c, 500 * 1024);
    assert_int_equal(lingering(*state), 1);
    rig_advance(*state, HS_SEC);
    assert_int_equal(lingering(*state), 1);
    rig_advance(*state, 3 * HS_SEC);
    assert_int_equal(lingering(*state), 0);
    assert_int_equal(hs_live_get(HS_LIVE_CONN), 0);
    rig_disconnect(&c, false);
}

static void
ruling_11_lingering_discards_so_many_bytes_and_no_more(void **state)
{
    struct rig_client c;

    rig_connect(*state, &c);
    post(&c, 100 * 1024 * 1024 - 1);
    (void)smuggle(&c, 2 * 1024 * 1024);
    assert_int_equal(lingering(*state), 0);
    assert_int_equal(hs_live_get(HS_LIVE_CONN), 0);
    rig_disconnect(&c, false);
}

static void
ruling_11_lingering_connections_are_capped(void **state)
{
    struct rig_client c[6];

    for (size_t i = 0; i < 6; i++) {
        rig_connect(*state, &c[i]);
        post(&c[i], 500 * 1024);
        assert_int_equal(occurrences(&c[i], "early"), 1);
        assert_true(lingering(*state) <= 3);
    }
    assert_int_equal(lingering(*state), 3);
    assert_int_equal(hs_live_get(HS_LIVE_CONN), 3);
    for (size_t i = 0; i < 6; i++) {
        rig_disconnect(&c[i], false);
    }
    assert_int_equal(lingering(*state), 0);
}

static void
ruling_11_a_refusal_is_seen_though_the_body_still_comes(void **state)
{
    struct rig_client c;

    rig_connect(*state, &c);
    post(&c, 200 * 1024 * 1024); /* above the limit of the body */
    assert_ptr_equal(strstr(rig_received(&c), "HTTP/1.1 413 "), rig_received(&c));
    assert_int_equal(handled, 0);
    assert_true(c.eof && !c.reset);
    assert_int_equal(smuggle(&c, 512 * 1024), 512 * 1024);
    assert_false(c.reset);
    rig_disconnect(&c, false);
}

static void
ruling_11_who_waits_for_100_continue_gets_the_answer_and_the_close(void **state)
{
    struct rig_client c;

    rig_connect(*state, &c);
    (void)rig_sends(&c, "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n" HEAD);
    assert_ptr_equal(strstr(rig_received(&c), "HTTP/1.1 200 OK"), rig_received(&c));
    assert_int_equal(occurrences(&c, "100 Continue"), 0);
    assert_int_equal(occurrences(&c, "Connection: close\r\n"), 1);
    rig_disconnect(&c, false);
}

static void
threat_20_no_request_is_begun_above_the_mark_of_unread_answers(void **state)
{
    static const char request[] = "GET /large HTTP/1.1\r\n" HEAD;
    struct rig *r = *state;
    struct rig_client c;
    size_t sent = 0;

    rig_connect(r, &c);
    rig_read_on(&c, false);
    for (int i = 0; i < 20000; i++) {
        size_t n = rig_send(&c, request, sizeof request - 1);
        sent += n;
        if (n < sizeof request - 1) {
            break;
        }
    }
    assert_true(sent < 512 * 1024); /* we stopped reading */
    assert_in_range(handled, 100, 450); /* a good KiB each: what is in flight and the mark of 256 KiB */
    unsigned before = handled;
    rig_settle(r);
    assert_int_equal(handled, before);
    rig_read_on(&c, true);
    rig_settle(r);
    assert_int_equal(handled, sent / (sizeof request - 1)); /* all are answered once they are read */
    assert_int_equal(occurrences(&c, "HTTP/1.1 200 OK"), handled);
    rig_disconnect(&c, false);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(threat_13_an_unread_body_is_never_parsed_as_a_request),
        TEST(ruling_11_up_to_64_kib_still_owed_are_drained),
        TEST(ruling_11_a_chunked_body_is_drained_as_far),
        TEST(threat_27a_more_than_that_closes_in_a_way_that_loses_nothing),
        TEST(ruling_11_lingering_ends_after_two_seconds),
        TEST(ruling_11_lingering_discards_so_many_bytes_and_no_more),
        TEST(ruling_11_lingering_connections_are_capped),
        TEST(ruling_11_a_refusal_is_seen_though_the_body_still_comes),
        TEST(ruling_11_who_waits_for_100_continue_gets_the_answer_and_the_close),
        TEST(threat_20_no_request_is_begun_above_the_mark_of_unread_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
