/* test_session_lent.c - content that came with its head: given to the handler where the protocol has read it, and kept for later only if the
 * handler stays. */
#include "alloc_fail.h"
#include "session_test.h"

enum { KB = 1024, MANY = 3 };

#define H "Host: a\r\n"

static int (*act)(ec_httpsrv_session *s);
static ec_httpsrv_session *held;
static int calls, other_calls, other_err;
static bool stays;
static char *want;
static size_t want_n;

static int
acts(ec_httpsrv_session *s)
{
    held = s;
    calls++;
    return act(s);
}

/* The other requests meanwhile, whose content lies where the first one's did. */
static int
other(ec_httpsrv_session *s)
{
    struct hs_view v;

    other_calls++;
    other_err = hs_session_body_view(s, &v);
    return DONE;
}

static void
open_both(struct rig *r)
{
    rig_open(r);
    rig_route(r, NULL, "/", acts, NULL);
    rig_route(r, NULL, "/other", other, NULL);
    rig_start(r);
}

static int
suspend(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_session_suspend(s), 0);
    return ASYNC;
}

static void
make_want(size_t n)
{
    want = malloc(n + 1);
    want_n = n;
    for (size_t i = 0; i < n; i++) {
        want[i] = source_byte(i);
    }
    want[n] = '\0';
}

static void
expect_view(ec_httpsrv_session *s)
{
    struct hs_view v;

    assert_int_equal(hs_session_body_view(s, &v), 0);
    assert_int_equal(v.n, want_n);
    assert_memory_equal(v.p, want, v.n);
}

/* --- what a handler does with it --- */

static int
looks_twice(ec_httpsrv_session *s)
{
    struct hs_view v;
    int err = hs_session_body_view(s, &v);

    if (err == EAGAIN) {
        return suspend(s);
    }
    assert_int_equal(err, 0);
    expect_view(s);
    expect_view(s);
    return DONE;
}

static int
looks_then_makes_string(ec_httpsrv_session *s)
{
    string *str;

    if (looks_twice(s) == ASYNC) {
        return ASYNC;
    }
    assert_int_equal(ec_httpsrv_request_data_get_string(s, &str), 0);
    assert_int_equal(str->len, want_n);
    assert_memory_equal(str->buffer, want, want_n);
    return DONE;
}

static int
looks_then_streams(ec_httpsrv_session *s)
{
    io_object *io;

    if (looks_twice(s) == ASYNC) {
        return ASYNC;
    }
    assert_int_equal(ec_httpsrv_request_data_get(s, &io), 0);
    expect_view(s); /* nothing has been taken yet */
    assert_int_equal(ec_httpsrv_response_io(s, io, 0), 0);
    io_wrapper_delref(io);
    return DONE;
}

static int
looks_then_spools(ec_httpsrv_session *s)
{
    io_object *io;

    if (looks_twice(s) == ASYNC) {
        return ASYNC;
    }
    assert_int_equal(ec_httpsrv_request_data_spool(s), 0);
    expect_view(s);
    assert_int_equal(ec_httpsrv_request_data_get(s, &io), 0);
    assert_int_equal(ec_httpsrv_response_io(s, io, 0), 0);
    io_wrapper_delref(io);
    return DONE;
}

static int
looks_and_stays(ec_httpsrv_session *s)
{
    if (looks_twice(s) == ASYNC) {
        return ASYNC;
    }
    stays = !stays;
    return stays ? suspend(s) : DONE;
}

static int
stays_and_looks(ec_httpsrv_session *s)
{
    stays = stays || calls == 1;
    return calls == 1 ? suspend(s) : looks_twice(s);
}

static const struct {
    int (*act)(ec_httpsrv_session *s);
    bool echoes, stays;
} ways[] = {
    { looks_twice, false, false },    { looks_then_makes_string, false, false }, { looks_then_streams, true, false },
    { looks_then_spools, true, false }, { looks_and_stays, false, true },          { stays_and_looks, false, true },
};

/* --- how it comes --- */

/* Head, content and the beginning of what follows, in one write. */
static void
send_at_once(struct rig_client *c, const char *path, char *body, size_t len, const char *behind)
{
    char head[200];
    int n = snprintf(head, sizeof head, "POST %s HTTP/1.1\r\n" H "Content-Length: %zu\r\n\r\n", path, len);
    const struct iovec iov[3] = { { head, (size_t)n }, { body, len }, { (void *)(uintptr_t)behind, strlen(behind) } };

    assert_int_equal(c->t->ops->writev(c->t, iov, 3, false), (ssize_t)((size_t)n + len + strlen(behind)));
    rig_settle(c->rig);
}

/* Fills the protocol's buffer with something else. */
static void
disturb(struct rig *r)
{
    struct rig_client c;
    char *x = malloc(60 * KB);

    memset(x, 'x', 60 * KB);
    rig_connect(r, &c);
    for (int i = 0; i < MANY; i++) {
        send_at_once(&c, "/other", x, 60 * KB, "");
        expect_reply(&c, 200, "");
        assert_int_equal(other_err, 0);
    }
    rig_disconnect(&c, false);
    free(x);
}

static void
content_that_came_with_its_head_is_what_it_was_whatever_is_done_with_it(void **state)
{
    static const size_t sizes[] = { 1, 1000, 60 * KB, 64 * KB - 60, 64 * KB, 80 * KB, 90 * KB, 96 * KB, 97 * KB, 300 * KB };
    static const size_t read_max[] = { 0, 50 * KB, 1000 };
    struct rig r;

    (void)state;
    open_both(&r);
    r.pair.capacity = 400 * KB;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
            for (size_t m = 0; m < 3; m++) {
                struct rig_client c;
                struct reply reply;
                r.pair.read_max = read_max[m];
                make_want(sizes[i]);
                act = ways[w].act;
                calls = other_calls = 0;
                stays = false;
                rig_connect(&r, &c);
                send_at_once(&c, "/", want, want_n, POST("/other", 3, "abc") "GET /other HTTP/1.1\r\n");
                if (ways[w].stays) {
                    assert_int_equal(hs_session_env_live(r.env), 1);
                    r.pair.read_max = 0;
                    disturb(&r);
                    other_calls = 0;
                    assert_int_equal(ec_httpsrv_session_resume(held, 0), 0);
                    rig_settle(&r);
                }
                take_reply(&c, &reply);
                assert_int_equal(reply.status, 200);
                assert_int_equal(reply.body.len, ways[w].echoes ? want_n : 0);
                assert_memory_equal(reply.body.p, want, reply.body.len);
                reply_free(&reply);
                expect_reply(&c, 200, ""); /* what followed is whole */
                assert_int_equal(other_calls, 1);
                assert_int_equal(other_err, 0);
                rig_sends(&c, H "\r\n");
                expect_reply(&c, 200, "");
                assert_int_equal(hs_session_env_live(r.env), 0);
                rig_disconnect(&c, false);
                free(want);
            }
        }
    }
    rig_close(&r);
}

static void
content_of_which_a_part_came_with_the_head_is_waited_for(void **state)
{
    struct rig r;
    struct rig_client c;

    (void)state;
    open_both(&r);
    for (size_t n = 0; n < 10; n++) {
        make_want(10);
        act = looks_then_makes_string;
        calls = 0;
        rig_connect(&r, &c);
        rig_sends(&c, POST("/", 10, ""));
        assert_int_equal(calls, 1);
        assert_int_equal(rig_send(&c, want, n), n);
        expect_nothing(&c);
        assert_int_equal(rig_send(&c, want + n, 10 - n), 10 - n);
        expect_reply(&c, 200, "");
        rig_disconnect(&c, false);
        free(want);
    }
    rig_close(&r);
}

/* RFC 9110 10.1.1: who has sent its content has not waited. */
static void
nobody_is_told_to_go_on_who_has(void **state)
{
    struct rig r;
    struct rig_client c;

    (void)state;
    open_both(&r);
    make_want(3);
    act = looks_twice;
    calls = 0;
    char request[200];
    snprintf(request, sizeof request, "POST / HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n%s", want);
    rig_connect(&r, &c);
    rig_sends(&c, request);
    expect_reply(&c, 200, "");
    rig_sends(&c, request); /* and its connection is kept */
    expect_reply(&c, 200, "");
    request[strlen(request) - 3] = '\0';
    calls = 0;
    rig_sends(&c, request);
    assert_string_equal(rig_received(&c), "HTTP/1.1 100 Continue\r\n\r\n");
    rig_forget(&c);
    assert_int_equal(rig_send(&c, want, 3), 3);
    expect_reply(&c, 200, "");
    rig_disconnect(&c, false);
    free(want);
    rig_close(&r);
}

/* The read for the rest finds the connection reset: the handler, which waits, is told. */
static void
a_connection_that_breaks_at_the_rest_ends_the_request(void **state)
{
    struct rig r;
    struct rig_client c;

    (void)state;
    open_both(&r);
    r.pair.read_max = 64 * KB;
    r.pair.capacity = 400 * KB;
    make_want(80 * KB);
    act = looks_twice;
    calls = 0;
    rig_connect(&r, &c);
    hs_memory_transport_fail(c.server, false, 2, ECONNRESET);
    send_at_once(&c, "/", want, want_n, "");
    assert_int_equal(calls, 1);
    assert_int_equal(ec_httpsrv_session_resume(held, 1), EBADF);
    assert_int_equal(r.requests_ended, 1);
    assert_int_equal(hs_session_env_live(r.env), 0);
    rig_disconnect(&c, false);
    free(want);
    rig_close(&r);
}

static unsigned long failing;

static int
looks_and_wants_it_again(ec_httpsrv_session *s)
{
    struct hs_view v;

    if (calls == 1) {
        expect_view(s);
        alloc_fail_at(failing); /* from when it returns */
        return suspend(s);
    }
    other_err = hs_session_body_view(s, &v);
    return DONE;
}

static void
without_memory_to_keep_it_who_asks_again_is_told(void **state)
{
    struct rig r;
    struct rig_client c;
    int told = 0;

    (void)state;
    open_both(&r);
    make_want(1000);
    act = looks_and_wants_it_again;
    for (failing = 1; failing < 5; failing++) {
        calls = other_err = 0;
        rig_connect(&r, &c);
        send_at_once(&c, "/", want, want_n, "");
        alloc_fail_off();
        assert_int_equal(ec_httpsrv_session_resume(held, 0), 0);
        rig_settle(&r);
        told += other_err == ENOMEM;
        assert_true(other_err == 0 || other_err == ENOMEM);
        expect_reply(&c, calls == 2 ? 200 : 503, calls == 2 ? "" : "Service Unavailable\n");
        rig_disconnect(&c, true);
        assert_int_equal(hs_session_env_live(r.env), 0);
    }
    assert_int_equal(told, 1);
    free(want);
    rig_close(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_that_came_with_its_head_is_what_it_was_whatever_is_done_with_it),
        cmocka_unit_test(content_of_which_a_part_came_with_the_head_is_waited_for),
        cmocka_unit_test(nobody_is_told_to_go_on_who_has),
        cmocka_unit_test(a_connection_that_breaks_at_the_rest_ends_the_request),
        cmocka_unit_test(without_memory_to_keep_it_who_asks_again_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
