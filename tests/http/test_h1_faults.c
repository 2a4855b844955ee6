/* test_h1_faults.c - whole exchanges in which something breaks: an allocation, a read, a write, the client, at every place where it can.
 * Nothing may be left over, nothing may hang, and what is not cut off is right. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "base/live.h"
#include "handlers.h"
#include "reply.h"

enum { LARGE = 100000 };

static struct hs_buf got;

static void
open_rig(struct rig *r)
{
    rig_open(r);
    handlers_register(r);
    rig_start(r);
}

static size_t
connections(struct rig *r)
{
    struct hs_h1_stats st;

    hs_h1_get_stats(r->h1, &st);
    return st.live;
}

/* The client has gone: without any time passing nothing is left of it. */
static void
expect_nothing_left(struct rig *r, const char *name, size_t at)
{
    if (hs_session_env_live(r->env) || connections(r) || hs_live_get(HS_LIVE_IO)) {
        fail_msg("%s, %zu: %zu sessions, %zu connections, %ld ios are left", name, at, hs_session_env_live(r->env), connections(r),
                 hs_live_get(HS_LIVE_IO));
    }
}

/* --- threat 40 --- */

static void
threat_40_a_client_that_aborts_at_each_byte_of_its_request_leaves_nothing(void **state)
{
    struct rig r;

    (void)state;
    open_rig(&r);
    for (size_t i = 0; i < n_exchanges; i++) {
        const struct exchange *x = &exchanges[i];
        for (int how = 0; how < 4; how++) {
            for (size_t at = 0; at <= strlen(x->request); at++) {
                struct rig_client c;
                (how & 2 ? rig_connect_socket : rig_connect)(&r, &c);
                rig_read_on(&c, false); /* a unix socket resets when something is unread */
                (void)rig_send(&c, x->request, at);
                rig_disconnect(&c, how & 1);
                expect_nothing_left(&r, x->name, at);
            }
        }
    }
    rig_close(&r);
}

static void
threat_40_a_client_that_half_closes_at_each_byte_of_its_request_leaves_nothing(void **state)
{
    struct rig r;

    (void)state;
    open_rig(&r);
    for (size_t i = 0; i < n_exchanges; i++) {
        const struct exchange *x = &exchanges[i];
        for (size_t at = 0; at <= strlen(x->request); at++) {
            struct rig_client c;
            rig_connect(&r, &c);
            (void)rig_send(&c, x->request, at);
            rig_shutdown(&c);
            assert_true(c.eof || c.reset);
            expect_nothing_left(&r, x->name, at);
            rig_disconnect(&c, false);
        }
    }
    rig_close(&r);
}

static void
threat_40_a_client_that_aborts_at_each_byte_of_the_response_leaves_nothing(void **state)
{
    struct rig r;

    (void)state;
    open_rig(&r);
    for (size_t i = 0; i < n_exchanges; i++) {
        const struct exchange *x = &exchanges[i];
        for (int how = 0; how < 4; how++) {
            for (size_t at = 0, total = 1; at <= total; at++) {
                struct rig_client c;
                r.pair.capacity = 20; /* so that most of it is still with us */
                rig_connect(&r, &c);
                rig_read_on(&c, false);
                (void)rig_send(&c, x->request, strlen(x->request));
                size_t sent = rig_read(&c, at);
                total = sent < at ? sent : total + 1;
                if (how & 2) {
                    rig_shutdown(&c);
                }
                rig_disconnect(&c, how & 1);
                expect_nothing_left(&r, x->name, at);
            }
        }
    }
    rig_close(&r);
}

static void
threat_40_a_client_of_a_large_file_that_aborts_leaves_nothing(void **state)
{
    static const char request[] = "GET /large HTTP/1.1\r\nHost: a\r\n\r\n";
    struct rig r;

    (void)state;
    open_rig(&r);
    for (size_t at = 0; at < 200000; at += 7919) {
        struct rig_client c;
        r.pair.capacity = 5000;
        rig_connect(&r, &c);
        rig_read_on(&c, false);
        (void)rig_sends(&c, request);
        (void)rig_read(&c, at);
        rig_disconnect(&c, at & 1);
        expect_nothing_left(&r, "large", at);
    }
    rig_close(&r);
}

/* --- threat 39 --- */

static void
threat_39_an_error_at_each_read_or_write_ends_cleanly(void **state)
{
    static const int errors[] = { EAGAIN, ECONNRESET, EPIPE, ETIMEDOUT, ENOBUFS, EIO };
    static const struct hs_memory_pair_options pairs[] = { { 0 }, { .read_max = 9, .write_max = 9 } };
    struct rig r;

    (void)state;
    open_rig(&r);
    for (size_t i = 0; i < n_exchanges; i++) {
        const struct exchange *x = &exchanges[i];
        for (size_t p = 0; p < 2; p++) {
            for (size_t e = 0; e < sizeof errors / sizeof *errors; e++) {
                for (int on_write = 0; on_write < 2; on_write++) {
                    unsigned same = 0;
                    for (unsigned n = 1; same < 2 && n < 200; n++) { /* until the call that would fail is not made any more */
                        struct rig_client c;
                        r.pair = pairs[p];
                        rig_connect(&r, &c);
                        hs_memory_transport_fail(c.server, on_write, n, errors[e]);
                        (void)rig_send(&c, x->request, strlen(x->request));
                        exchange_result(x->request, &c, &got);
                        bool right = strcmp(got.p, x->result) == 0;
                        if (errors[e] == EAGAIN && !right) {
                            fail_msg("%s, EAGAIN at %s %u: %s", x->name, on_write ? "write" : "read", n, got.p);
                        }
                        if (!right && !c.eof && !c.reset) {
                            fail_msg("%s, error %d at %s %u hangs: %s", x->name, errors[e], on_write ? "write" : "read", n, got.p);
                        }
                        same = right ? same + 1 : 0;
                        rig_disconnect(&c, false);
                        expect_nothing_left(&r, x->name, n);
                    }
                }
            }
        }
    }
    rig_close(&r);
}

/* What the kernel has never taken of answers whose requests are over, nobody hears of any more: it is counted. */
static void
connections_that_end_with_answers_unsent_are_counted(void **state)
{
    static const char request[] = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
    struct rig rig, *r = &rig;
    struct rig_client c;
    (void)state;
    open_rig(r);
    const struct hs_h1_stats *st = hs_h1_stats(r->h1);
    rig_connect(r, &c); /* all was taken */
    (void)rig_sends(&c, request);
    rig_disconnect(&c, true);
    rig_settle(r);
    assert_int_equal(st->unsent, 0);
    rig_connect(r, &c); /* the only write fails: the request is over by then */
    hs_memory_transport_fail(c.server, true, 1, EPIPE);
    (void)rig_sends(&c, request);
    rig_settle(r);
    assert_int_equal(st->unsent, 1);
    rig_disconnect(&c, false);
    r->pair.capacity = 64; /* a part is taken, and then the client goes */
    rig_connect(r, &c);
    rig_read_on(&c, false);
    (void)rig_sends(&c, request);
    rig_settle(r);
    assert_int_equal(st->unsent, 1);
    rig_disconnect(&c, true);
    rig_settle(r);
    assert_int_equal(st->unsent, 2);
    rig_close(r);
}

static void
threat_39_an_error_in_the_middle_of_a_file_or_an_upload_ends_cleanly(void **state)
{
    static const int errors[] = { EAGAIN, ECONNRESET, EPIPE, EIO };
    static const char get[] = "GET /large HTTP/1.1\r\nHost: a\r\n\r\n";
    static const char post[] = "POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n";
    struct rig r;
    char *upload = malloc(sizeof post + LARGE);

    (void)state;
    strcpy(upload, post);
    memset(upload + sizeof post - 1, 'b', LARGE);
    open_rig(&r);
    for (size_t e = 0; e < sizeof errors / sizeof *errors; e++) {
        for (int what = 0; what < 4; what++) {
            for (unsigned n = 1; n < 60; n++) {
                struct rig_client c;
                struct reply reply = { .complete = false };
                bool up = what & 2;
                r.pair.capacity = 7000;
                rig_connect(&r, &c);
                hs_memory_transport_fail(c.server, what & 1, n, errors[e]);
                (void)rig_send(&c, up ? upload : get, up ? sizeof post - 1 + LARGE : sizeof get - 1);
                if (reply_parse(&reply, rig_received(&c), c.in.len, false)) {
                    assert_int_equal(reply.status, 200);
                    assert_int_equal(reply.length, up ? LARGE : 200000);
                    for (size_t i = 0; i < reply.body.len; i++) {
                        assert_true(reply.body.p[i] == (up ? 'b' : (char)('a' + i % 26)));
                    }
                }
                assert_true(reply.complete || (errors[e] != EAGAIN && (c.eof || c.reset)));
                reply_free(&reply);
                rig_disconnect(&c, false);
                expect_nothing_left(&r, up ? "upload" : "file", n);
            }
        }
    }
    free(upload);
    rig_close(&r);
}

/* --- threat 38 --- */

/* Every answer that is complete is the one that was to come, or an error of the server's. */
static void
expect_right_or_error(const struct exchange *x, unsigned long nth)
{
    const char *w = x->result, *g = got.p;

    while (*g && !strchr(".!~", *g)) {
        size_t n = strcspn(g, "|"), m = strcspn(w, "|");
        bool last = g[n] == '\0';
        if (*g == '5') {
            return;
        }
        if (last && g[n - 1] == '~') {
            return; /* cut off, and seen to be */
        }
        while (n > 0 && last && strchr(".!", g[n - 1])) {
            n--;
        }
        while (m > 0 && w[m] == '\0' && strchr(".~", w[m - 1])) {
            m--;
        }
        bool bare = n >= 4 && n < m && *g == '4' && memcmp(g, w, n) == 0; /* an error without all of its text */
        if (!bare && (n != m || memcmp(g, w, n) != 0)) {
            fail_msg("%s, allocation %lu: %s", x->name, nth, got.p);
        }
        g += n + (g[n] == '|');
        w += m + (w[m] == '|');
    }
}

static unsigned
responses(const char *result)
{
    unsigned n = *result != '\0';

    for (; (result = strchr(result, '|')) != NULL; result++) {
        n++;
    }
    return n;
}

/* One exchange with the nth allocation failing (from_on: and all after it). False when there were fewer. */
static bool
run_starved(const struct exchange *x, unsigned long nth, bool from_on, bool warm)
{
    struct rig r;
    struct rig_client c, d;
    struct hs_limits l;

    hs_limits_default(&l);
    l.body_memory = 1000; /* spooling goes to a file soon */
    rig_open_with(&r, &l, NULL);
    handlers_register(&r);
    rig_start(&r);
    r.accept_may_fail = true;
    if (warm) {
        rig_connect(&r, &d);
        (void)rig_send(&d, x->request, strlen(x->request));
        rig_disconnect(&d, false);
    }
    rig_client_init(&r, &c);
    (from_on ? alloc_fail_from : alloc_fail_at)(nth);
    rig_client_connect(&c);
    (void)rig_send(&c, x->request, strlen(x->request));
    alloc_fail_off();
    rig_settle(&r);
    bool hit = alloc_fail_hit();
    exchange_result(x->request, &c, &got);
    if (!hit && x->result) {
        assert_string_equal(got.p, x->result);
    } else if (!hit) {
        assert_true(got.len > LARGE && memcmp(got.p, "200", 3) == 0 && got.p[got.len - 1] != '~');
    } else if (hs_session_env_live(r.env) || (!c.eof && !c.reset && got.len && got.p[got.len - 1] == '~')) {
        fail_msg("%s, allocation %lu%s%s hangs: %s", x->name, nth, from_on ? " on" : "", warm ? ", warm" : "", got.p);
    }
    if (x->result) {
        expect_right_or_error(x, nth);
        if (!c.eof && !c.reset && responses(got.p) < responses(x->result)) {
            fail_msg("%s, allocation %lu: no answer: %s", x->name, nth, got.p);
        }
    }
    rig_disconnect(&c, false);
    expect_nothing_left(&r, x->name, nth);
    const char *after = rig_exchange(&r, "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_ptr_equal(strstr(after, "HTTP/1.1 200 OK\r\n"), after); /* it all works as before */
    rig_close(&r);
    return hit;
}

static void
starve(const struct exchange *x)
{
    for (int how = 0; how < 4; how++) {
        unsigned long nth = 1;
        while (run_starved(x, nth, how & 1, how & 2)) {
            nth++;
        }
        assert_true(nth > 1);
    }
}

static void
threat_38_each_allocation_of_an_exchange_fails_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_exchanges; i++) {
        starve(&exchanges[i]);
    }
}

static void
threat_38_each_allocation_of_a_large_exchange_fails_once(void **state)
{
    static const char *const heads[] = {
        "GET /large HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n",
        "POST /stream HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n",
        "POST /spool HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n",
        "POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n186a0\r\n",
        "POST /stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n186a0\r\n",
    };
    char *request = malloc(LARGE + 200);

    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        size_t n = strlen(heads[i]);
        strcpy(request, heads[i]);
        if (i > 0) {
            memset(request + n, 'b', LARGE);
            strcpy(request + n + LARGE, i > 4 ? "\r\n0\r\n\r\n" : "");
        }
        starve(&(struct exchange){ heads[i], request, NULL });
    }
    free(request);
}

static int
set_up(void **state)
{
    (void)state;
    hs_buf_init(&got, SIZE_MAX / 4);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    hs_buf_fini(&got);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_40_a_client_that_aborts_at_each_byte_of_its_request_leaves_nothing),
        cmocka_unit_test(threat_40_a_client_that_half_closes_at_each_byte_of_its_request_leaves_nothing),
        cmocka_unit_test(threat_40_a_client_that_aborts_at_each_byte_of_the_response_leaves_nothing),
        cmocka_unit_test(threat_40_a_client_of_a_large_file_that_aborts_leaves_nothing),
        cmocka_unit_test(threat_39_an_error_at_each_read_or_write_ends_cleanly),
        cmocka_unit_test(connections_that_end_with_answers_unsent_are_counted),
        cmocka_unit_test(threat_39_an_error_in_the_middle_of_a_file_or_an_upload_ends_cleanly),
        cmocka_unit_test(threat_38_each_allocation_of_an_exchange_fails_once),
        cmocka_unit_test(threat_38_each_allocation_of_a_large_exchange_fails_once),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
