/* test_session_suspend.c - suspend and resume: who may, when, from where, and what a call that gave EAGAIN has armed. */
#include <pthread.h>

#include "session_test.h"

static ec_httpsrv_session *held;
static int calls, depth;

static void
reset(void)
{
    held = NULL;
    calls = depth = 0;
}

static int
suspends_once(ec_httpsrv_session *s)
{
    held = s;
    if (calls++ == 0) {
        assert_int_equal(ec_httpsrv_session_suspend(s), 0);
        return ASYNC;
    }
    assert_int_equal(ec_httpsrv_response_append(s, "again", 5), 0);
    return DONE;
}

static void
ruling_02_a_suspended_handler_is_called_again(void **state)
{
    struct rig r;
    struct rig_client c;

    (void)state;
    reset();
    open_one(&r, suspends_once);
    rig_connect(&r, &c);
    rig_sends(&c, GET("/"));
    rig_advance(&r, 3600 * HS_SEC); /* as long as it likes */
    expect_nothing(&c);
    assert_int_equal(calls, 1);
    assert_int_equal(ec_httpsrv_session_resume(held, 0), 0);
    assert_int_equal(calls, 1); /* from the loop, not from within resume */
    rig_settle(&r);
    assert_int_equal(calls, 2);
    expect_reply(&c, 200, "again");
    rig_disconnect(&c, false);
    rig_close(&r);
}

static void
ruling_02_resume_may_end_the_request(void **state)
{
    struct rig r;
    struct rig_client c;

    (void)state;
    reset();
    open_one(&r, suspends_once);
    rig_connect(&r, &c);
    rig_sends(&c, GET("/"));
    assert_int_equal(ec_httpsrv_response_append(held, "from outside", 12), 0);
    expect_nothing(&c);
    assert_int_equal(ec_httpsrv_session_resume(held, 1), 0);
    rig_settle(&r);
    assert_int_equal(calls, 1);
    expect_reply(&c, 200, "from outside");
    assert_int_equal(r.requests_ended, 1);
    rig_disconnect(&c, false);
    rig_close(&r);
}

static int
resumes_early(ec_httpsrv_session *s)
{
    assert_int_equal(depth++, 0);
    if (calls++ == 0) {
        assert_int_equal(ec_httpsrv_session_suspend(s), 0);
        assert_int_equal(ec_httpsrv_session_resume(s, 0), 0);
        assert_int_equal(calls, 1);
        assert_int_equal(ec_httpsrv_session_resume(s, 0), EBADF);
        depth--;
        return ASYNC;
    }
    assert_int_equal(ec_httpsrv_response_append(s, "again", 5), 0);
    depth--;
    return DONE;
}

static void
ruling_02_resume_before_the_return_takes_effect_after_it(void **state)
{
    struct rig r;

    (void)state;
    reset();
    open_one(&r, resumes_early);
    assert_non_null(strstr(rig_exchange(&r, GET("/")), "\r\n\r\nagain"));
    assert_int_equal(calls, 2);
    rig_close(&r);
}

static int
finishes_early(ec_httpsrv_session *s)
{
    calls++;
    assert_int_equal(ec_httpsrv_session_suspend(s), 0);
    assert_int_equal(ec_httpsrv_session_resume(s, 1), 0);
    assert_int_equal(ec_httpsrv_response_append(s, "still mine", 10), 0);
    return ASYNC;
}

static void
ruling_02_an_early_resume_may_end_the_request_too(void **state)
{
    struct rig r;

    (void)state;
    reset();
    open_one(&r, finishes_early);
    assert_non_null(strstr(rig_exchange(&r, GET("/")), "\r\n\r\nstill mine"));
    assert_int_equal(calls, 1);
    rig_close(&r);
}

static int
checks_order(ec_httpsrv_session *s)
{
    held = s;
    if (calls++ > 0) {
        return DONE;
    }
    assert_int_equal(ec_httpsrv_session_resume(s, 0), EBADF); /* not suspended */
    assert_int_equal(ec_httpsrv_session_suspend(s), 0);
    assert_int_equal(ec_httpsrv_session_suspend(s), EBADF);
    return ASYNC;
}

static void
ruling_02_what_comes_twice_gives_EBADF(void **state)
{
    struct rig r;
    struct rig_client c;

    (void)state;
    reset();
    open_one(&r, checks_order);
    rig_connect(&r, &c);
    rig_sends(&c, GET("/"));
    assert_int_equal(ec_httpsrv_session_suspend(held), EBADF); /* not from outside its handler */
    assert_int_equal(ec_httpsrv_session_resume(held, 0), 0);
    assert_int_equal(ec_httpsrv_session_resume(held, 0), EBADF);
    assert_int_equal(ec_httpsrv_session_resume(held, 1), EBADF);
    rig_settle(&r);
    assert_int_equal(calls, 2);
    expect_reply(&c, 200, "");
    rig_disconnect(&c, false);
    rig_close(&r);
}

/* --- from other threads --- */

enum { THREADS = 8 };
static pthread_t threads[THREADS];
static _Atomic int accepted, refused;

static void *
resume_from_thread(void *arg)
{
    int err = ec_httpsrv_session_resume(arg, 0);

    if (err == 0) {
        accepted++;
    } else if (err == EBADF) {
        refused++;
    }
    ec_httpsrv_session_delref(arg);
    return NULL;
}

static int
suspends_for_threads(ec_httpsrv_session *s)
{
    if (calls++ == 0) {
        assert_int_equal(ec_httpsrv_session_suspend(s), 0);
        for (int i = 0; i < THREADS; i++) {
            ec_httpsrv_session_addref(s);
            assert_int_equal(pthread_create(&threads[i], NULL, resume_from_thread, s), 0);
        }
        return ASYNC;
    }
    assert_int_equal(ec_httpsrv_response_append(s, "woken", 5), 0);
    return DONE;
}

static void
ruling_02_any_thread_may_resume_and_one_of_them_does(void **state)
{
    struct rig r;

    (void)state;
    open_one(&r, suspends_for_threads);
    for (unsigned i = 0; i < 20; i++) {
        struct rig_client c;
        reset();
        accepted = refused = 0;
        rig_connect(&r, &c);
        rig_sends(&c, GET("/"));
        rig_await_ended(&r, i + 1);
        for (int t = 0; t < THREADS; t++) {
            pthread_join(threads[t], NULL);
        }
        assert_int_equal(accepted, 1);
        assert_int_equal(refused, THREADS - 1);
        assert_int_equal(calls, 2);
        expect_reply(&c, 200, "woken");
        rig_disconnect(&c, false);
    }
    rig_close(&r);
}

static int
says_done_though_suspended(ec_httpsrv_session *s)
{
    if (calls++ == 0) {
        assert_int_equal(ec_httpsrv_session_suspend(s), 0);
        ec_httpsrv_session_addref(s);
        assert_int_equal(pthread_create(&threads[0], NULL, resume_from_thread, s), 0);
        pthread_join(threads[0], NULL);
        return DONE;
    }
    assert_int_equal(calls, 2); /* nobody resumes it */
    held = s;
    assert_int_equal(ec_httpsrv_session_suspend(s), 0);
    return ASYNC;
}

/* The wake-up is under way when the request ends: it must not find the next one. */
static void
ruling_02_a_wake_up_that_comes_late_wakes_nobody_else(void **state)
{
    struct rig r;
    struct rig_client c;

    (void)state;
    reset();
    open_one(&r, says_done_though_suspended);
    rig_connect(&r, &c);
    const struct iovec iov = { (void *)(uintptr_t)GET("/") GET("/"), 2 * (sizeof GET("/") - 1) };
    assert_int_equal(c.t->ops->writev(c.t, &iov, 1, false), iov.iov_len);
    rig_settle(&r);
    expect_reply(&c, 200, "");
    assert_int_equal(calls, 2);
    assert_int_equal(r.requests_ended, 1);
    assert_int_equal(ec_httpsrv_session_resume(held, 1), 0);
    rig_disconnect(&c, true);
    rig_close(&r);
}

/* --- what EAGAIN arms --- */

static struct source src;
static io_object *src_io;
static int (*try_it)(ec_httpsrv_session *s);

static int
try_string(ec_httpsrv_session *s)
{
    string *str;
    int err = ec_httpsrv_request_data_get_string(s, &str);

    return err ? err : ec_httpsrv_response_string(s, str);
}

static int
try_trailers(ec_httpsrv_session *s)
{
    const char *name, *value;
    size_t iter = 0;
    string *str;
    int err = ec_httpsrv_request_trailer_next(s, &iter, &name, &value);

    if (err == EAGAIN) {
        assert_int_equal(ec_httpsrv_request_data_get_string(s, &str), EAGAIN);
    }
    assert_true(err == EAGAIN || err == ENOENT);
    return err == ENOENT ? ec_httpsrv_response_append(s, "12345", 5) : err;
}

static int
try_spool(ec_httpsrv_session *s)
{
    io_object *io;
    int err = ec_httpsrv_request_data_spool(s);

    err = err ? err : ec_httpsrv_request_data_get(s, &io);
    if (!err) {
        err = ec_httpsrv_response_io(s, io, 0);
        io_wrapper_delref(io);
    }
    return err;
}

static int
try_immediate(ec_httpsrv_session *s)
{
    return ec_httpsrv_response_io(s, src_io, 1);
}

static int
tries(ec_httpsrv_session *s)
{
    held = s;
    calls++;
    int err = try_it(s);
    if (err == EAGAIN) {
        assert_int_equal(ec_httpsrv_session_suspend(s), 0);
        return ASYNC;
    }
    assert_int_equal(err, 0);
    return DONE;
}

static void
ruling_02_EAGAIN_of_a_body_function_arms_a_wake_up(void **state)
{
    int (*const each[])(ec_httpsrv_session *) = { try_string, try_trailers, try_spool };
    struct rig r;

    (void)state;
    open_one(&r, tries);
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        struct rig_client c;
        reset();
        try_it = each[i];
        rig_connect(&r, &c);
        rig_sends(&c, POST("/", 5, "12"));
        assert_int_equal(calls, 1);
        rig_sends(&c, "34");
        assert_int_equal(calls, 1); /* not before it is all there */
        rig_sends(&c, "5");
        assert_int_equal(calls, 2);
        expect_reply(&c, 200, "12345");
        rig_disconnect(&c, false);
    }
    rig_close(&r);
}

static void
ruling_02_EAGAIN_of_an_immediate_io_arms_a_wake_up(void **state)
{
    struct rig r;
    struct rig_client c;

    (void)state;
    reset();
    try_it = try_immediate;
    open_one(&r, tries);
    src_io = source_open(&src, r.loop, "12345");
    rig_connect(&r, &c);
    rig_sends(&c, GET("/"));
    for (int i = 1; i <= 5; i++) {
        assert_int_equal(calls, i);
        source_allow(&src, 1);
        rig_settle(&r);
    }
    source_end(&src, 0);
    rig_settle(&r);
    assert_int_equal(calls, 7);
    expect_reply(&c, 200, "12345");
    io_wrapper_delref(src_io);
    assert_true(src.closed);
    rig_disconnect(&c, false);
    rig_close(&r);
}

/* Gets EAGAIN once, then waits on its own. */
static int
tries_once(ec_httpsrv_session *s)
{
    held = s;
    if (calls++ == 0) {
        assert_int_equal(try_it(s), EAGAIN);
    }
    if (calls == 3) {
        int err = try_it(s);
        if (err != EAGAIN) {
            assert_int_equal(err, 0);
            return DONE;
        }
    }
    if (calls == 4) {
        assert_int_equal(try_it(s), 0);
        return DONE;
    }
    assert_int_equal(ec_httpsrv_session_suspend(s), 0);
    return ASYNC;
}

static void
ruling_02_a_resume_of_ones_own_disarms_it(void **state)
{
    struct rig r;
    struct rig_client c;

    (void)state;
    reset();
    try_it = try_string;
    open_one(&r, tries_once);
    rig_connect(&r, &c);
    rig_sends(&c, POST("/", 5, "12"));
    assert_int_equal(ec_httpsrv_session_resume(held, 0), 0);
    rig_settle(&r);
    assert_int_equal(calls, 2);
    rig_sends(&c, "345"); /* the body is there, but the handler now waits for something else */
    assert_int_equal(calls, 2);
    assert_int_equal(ec_httpsrv_session_resume(held, 0), 0);
    rig_settle(&r);
    assert_int_equal(calls, 3);
    expect_reply(&c, 200, "12345");
    rig_disconnect(&c, false);
    rig_close(&r);
}

static void
ruling_02_an_immediate_io_is_disarmed_and_armed_again(void **state)
{
    struct rig r;
    struct rig_client c;

    (void)state;
    reset();
    try_it = try_immediate;
    open_one(&r, tries_once);
    src_io = source_open(&src, r.loop, "12345");
    rig_connect(&r, &c);
    rig_sends(&c, GET("/"));
    assert_non_null(src.wait_fn);
    assert_int_equal(ec_httpsrv_session_resume(held, 0), 0);
    rig_settle(&r);
    assert_int_equal(calls, 2);
    assert_null(src.wait_fn); /* somebody else may wait for it now */
    source_allow(&src, 2);
    rig_settle(&r);
    assert_int_equal(calls, 2);
    assert_int_equal(ec_httpsrv_session_resume(held, 0), 0);
    rig_settle(&r);
    assert_int_equal(calls, 3); /* has read "12" and waits for the io again */
    source_allow(&src, 3);
    source_end(&src, 0);
    rig_settle(&r);
    assert_int_equal(calls, 4);
    expect_reply(&c, 200, "12345");
    io_wrapper_delref(src_io);
    rig_disconnect(&c, false);
    rig_close(&r);
}

static void
an_immediate_io_is_let_go_when_the_client_goes(void **state)
{
    struct rig r;
    struct rig_client c;

    (void)state;
    reset();
    try_it = try_immediate;
    open_one(&r, tries);
    src_io = source_open(&src, r.loop, "12345");
    rig_connect(&r, &c);
    rig_sends(&c, GET("/"));
    io_wrapper_delref(src_io);
    assert_false(src.closed);
    rig_disconnect(&c, true);
    assert_int_equal(calls, 1);
    assert_int_equal(r.requests_ended, 1);
    assert_true(src.closed);
    rig_close(&r);
}

static struct rig_client *peer;

/* The client takes everything between the call that gave EAGAIN and the suspension. */
static int
flushes_and_is_overtaken(ec_httpsrv_session *s)
{
    static char bytes[60000];

    switch (calls++) {
    case 0: /* from the second call on, what is given is sent at once */
        assert_int_equal(ec_httpsrv_session_suspend(s), 0);
        assert_int_equal(ec_httpsrv_session_resume(s, 0), 0);
        return ASYNC;
    case 1: break;
    default: return DONE;
    }
    memset(bytes, 'x', sizeof bytes);
    assert_int_equal(ec_httpsrv_response_append(s, bytes, sizeof bytes), 0);
    assert_int_equal(ec_httpsrv_response_flush(s, 0), EAGAIN);
    for (int i = 0; i < 6; i++) { /* each append pushes what now has room, until nothing is unsent */
        char buf[20000];
        assert_true(peer->t->ops->read(peer->t, buf, sizeof buf) > 0);
        assert_int_equal(ec_httpsrv_response_append(s, bytes, 1001), 0);
    }
    assert_int_equal(ec_httpsrv_session_suspend(s), 0);
    return ASYNC;
}

static void
ruling_02_a_wake_up_before_the_suspension_is_not_lost(void **state)
{
    struct rig r;
    struct rig_client c;
    struct hs_limits l;

    (void)state;
    reset();
    hs_limits_default(&l);
    l.response_high = 1000;
    l.response_low = 500;
    open_one_with(&r, flushes_and_is_overtaken, &l, NULL);
    r.pair.capacity = 20000;
    rig_connect(&r, &c);
    peer = &c;
    rig_read_on(&c, false);
    rig_sends(&c, GET("/"));
    rig_settle(&r);
    assert_int_equal(calls, 3);
    rig_disconnect(&c, false);
    rig_close(&r);
}

static int
flushes(ec_httpsrv_session *s)
{
    static char bytes[100000];

    if (calls++ == 0) {
        memset(bytes, 'x', sizeof bytes);
        assert_int_equal(ec_httpsrv_response_append(s, bytes, sizeof bytes), 0);
    }
    int err = ec_httpsrv_response_flush(s, 0);
    if (err == EAGAIN) {
        assert_int_equal(ec_httpsrv_session_suspend(s), 0);
        return ASYNC;
    }
    assert_int_equal(err, 0);
    return DONE;
}

static void
ruling_02_EAGAIN_of_flush_arms_a_wake_up(void **state)
{
    struct rig r;
    struct rig_client c;

    (void)state;
    reset();
    open_one(&r, flushes);
    r.pair.capacity = 20000;
    rig_connect(&r, &c);
    rig_read_on(&c, false);
    rig_sends(&c, GET("/"));
    assert_int_equal(calls, 1);
    assert_int_equal(rig_read(&c, 40000), 40000);
    rig_settle(&r);
    assert_int_equal(calls, 1); /* there is more */
    rig_read_on(&c, true);
    assert_int_equal(calls, 2);
    struct reply reply;
    take_reply(&c, &reply);
    assert_int_equal(reply.body.len, 100000);
    reply_free(&reply);
    rig_disconnect(&c, false);
    rig_close(&r);
}

/* --- many, and mistakes --- */

enum { MANY = 1000 };
static ec_httpsrv_session *many[MANY];

static int
one_of_many(ec_httpsrv_session *s)
{
    ec_blobject *seen = ec_httpsrv_ctx_get(s);
    static ec_blobject_class cls = { .objectType = "mark" };

    if (seen) {
        ec_blobject_delref(seen);
        assert_int_equal(ec_httpsrv_response_append(s, ec_httpsrv_request_path_rest(s), strlen(ec_httpsrv_request_path_rest(s))), 0);
        return DONE;
    }
    many[calls++] = s;
    seen = ec_blobject_wrap(&cls, s);
    ec_httpsrv_ctx_set(s, seen);
    ec_blobject_delref(seen);
    assert_int_equal(ec_httpsrv_session_suspend(s), 0);
    return ASYNC;
}

static void
a_thousand_suspended_at_once_are_resumed_in_any_order(void **state)
{
    static struct rig_client c[MANY];
    char request[64], want[16];
    struct rig r;

    (void)state;
    reset();
    open_one(&r, one_of_many);
    r.pair.capacity = 1024;
    for (int i = 0; i < MANY; i++) {
        rig_connect(&r, &c[i]);
        snprintf(request, sizeof request, "GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", i);
        rig_sends(&c[i], request);
    }
    assert_int_equal(calls, MANY);
    assert_int_equal(hs_session_env_live(r.env), MANY);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(ec_httpsrv_session_resume(many[(i * 7919) % MANY], 0), 0);
    }
    rig_settle(&r);
    for (int i = 0; i < MANY; i++) {
        snprintf(want, sizeof want, "%d", i);
        expect_reply(&c[i], 200, want);
        c[i].t->ops->close(c[i].t, false);
        hs_buf_fini(&c[i].in);
    }
    rig_close(&r);
}

static int
forgets_to_suspend(ec_httpsrv_session *s)
{
    (void)s;
    return ASYNC;
}

static int
returns_nonsense(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_append(s, "x", 1), 0);
    return 17;
}

static void
a_handler_that_returns_what_it_may_not_gives_500(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_route(&r, NULL, "/a", forgets_to_suspend, NULL);
    rig_route(&r, NULL, "/b", returns_nonsense, NULL);
    rig_start(&r);
    assert_memory_equal(rig_exchange(&r, GET("/a")), "HTTP/1.1 500 ", 13);
    assert_memory_equal(rig_exchange(&r, GET("/b")), "HTTP/1.1 500 ", 13);
    assert_int_equal(r.requests_ended, 2);
    rig_close(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ruling_02_a_suspended_handler_is_called_again),
        cmocka_unit_test(ruling_02_resume_may_end_the_request),
        cmocka_unit_test(ruling_02_resume_before_the_return_takes_effect_after_it),
        cmocka_unit_test(ruling_02_an_early_resume_may_end_the_request_too),
        cmocka_unit_test(ruling_02_what_comes_twice_gives_EBADF),
        cmocka_unit_test(ruling_02_any_thread_may_resume_and_one_of_them_does),
        cmocka_unit_test(ruling_02_a_wake_up_that_comes_late_wakes_nobody_else),
        cmocka_unit_test(ruling_02_EAGAIN_of_a_body_function_arms_a_wake_up),
        cmocka_unit_test(ruling_02_EAGAIN_of_an_immediate_io_arms_a_wake_up),
        cmocka_unit_test(ruling_02_a_resume_of_ones_own_disarms_it),
        cmocka_unit_test(ruling_02_an_immediate_io_is_disarmed_and_armed_again),
        cmocka_unit_test(an_immediate_io_is_let_go_when_the_client_goes),
        cmocka_unit_test(ruling_02_a_wake_up_before_the_suspension_is_not_lost),
        cmocka_unit_test(ruling_02_EAGAIN_of_flush_arms_a_wake_up),
        cmocka_unit_test(a_thousand_suspended_at_once_are_resumed_in_any_order),
        cmocka_unit_test(a_handler_that_returns_what_it_may_not_gives_500),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
