/* test_pool_handler.c - dispatch/pool_handler.c: handlers in threads of a pool: waiting, leaving, ending. */
#include "pool_world.h"

/* --- waiting --- */

static int
wants_body(ec_httpsrv_session *s)
{
    string *str = NULL;

    calls++;
    sem_post(&entered);
    seen_err = ec_httpsrv_request_data_get_string(s, &str);
    if (seen_err == 0) {
        (void)ec_httpsrv_response_append(s, str->buffer, (size_t)str->len);
    }
    sem_post(&left);
    return EC_HTTPSRV_HANDLER_DONE;
}

#define HALF_A_BODY "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nab"

static void
what_is_not_there_is_waited_for(void **state)
{
    struct rig_client c;

    (void)state;
    open_pooled(wants_body);
    rig_connect(&rig, &c);
    rig_sends(&c, HALF_A_BODY);
    await(&entered);
    linger();
    assert_int_equal(seen_err, -1);
    assert_int_equal(c.in.len, 0);
    rig_sends(&c, "cd");
    rig_await_ended(&rig, 1);
    assert_int_equal(seen_err, 0);
    assert_non_null(strstr(rig_received(&c), "\r\n\r\nabcd"));
    rig_disconnect(&c, false);
    rig_close(&rig);
}

enum { PIECE = 64 * 1024, PIECES = 64 };

static atomic_int appended;

static int
appends_much(ec_httpsrv_session *s)
{
    static char piece[PIECE];

    for (int i = 0; i < PIECES && ec_httpsrv_response_append(s, piece, sizeof piece) == 0; i++) {
        appended++;
    }
    seen_err = ec_httpsrv_response_flush(s, 1);
    return EC_HTTPSRV_HANDLER_DONE;
}

static void
a_client_that_takes_nothing_holds_the_handler_up(void **state)
{
    struct rig_client c;
    struct hs_limits limits;

    (void)state;
    hs_limits_default(&limits);
    appended = 0;
    open_pooled(appends_much);
    rig_connect(&rig, &c);
    rig_read_on(&c, false);
    rig_sends(&c, GET("/"));
    for (int i = 0; i < 10; i++) {
        linger();
    }
    assert_true((size_t)appended * PIECE < limits.response_high + 1024 * 1024); /* of 4 MiB; the rest is the pipe's */
    assert_int_equal(seen_err, -1);
    rig_read_on(&c, true);
    rig_await_ended(&rig, 1);
    assert_int_equal(appended, PIECES);
    assert_int_equal(seen_err, 0);
    assert_true(c.in.len > (size_t)PIECE * PIECES);
    rig_disconnect(&c, false);
    rig_close(&rig);
}

/* --- ends that come early --- */

static void
a_client_that_leaves_frees_the_handler(void **state)
{
    struct rig_client c;

    (void)state;
    open_pooled(wants_body);
    rig_connect(&rig, &c);
    rig_sends(&c, HALF_A_BODY);
    await(&entered);
    linger();
    rig_disconnect(&c, true);
    rig_await_ended(&rig, 1);
    assert_int_equal(seen_err, ECONNABORTED);
    rig_close(&rig);
}

static io_object *never; /* a channel's, which nobody writes to */

static int
wants_io(ec_httpsrv_session *s)
{
    sem_post(&entered);
    seen_err = ec_httpsrv_session_on_abort(s, on_abort, &told);
    seen_err = seen_err != 0 ? seen_err : ec_httpsrv_response_io(s, never, 1);
    if (ec_httpsrv_request_method_get(s) != NULL || errno != ECONNABORTED) {
        seen_err = -2;
    }
    return EC_HTTPSRV_HANDLER_DONE;
}

static void
so_does_one_while_an_io_is_waited_for(void **state)
{
    static const struct hs_channel_events events = { 0 };
    struct hs_channel *channel;
    struct rig_client c;

    (void)state;
    told = 0;
    open_pooled(wants_io);
    assert_int_equal(hs_channel_new(100, 10, &events, NULL, &channel), 0);
    never = hs_channel_reader(channel);
    rig_connect(&rig, &c);
    rig_sends(&c, GET("/"));
    await(&entered);
    alarm(60);
    while (seen_err != 0) { /* on_abort has been said */
        rig_turns(&rig, 1);
        sched_yield();
    }
    alarm(0);
    linger();
    rig_disconnect(&c, true);
    rig_await_ended(&rig, 1);
    assert_int_equal(seen_err, ECONNABORTED);
    assert_int_equal(told, 1);
    hs_channel_end(channel, 0, false);
    io_wrapper_delref(never);
    hs_channel_free(channel);
    rig_close(&rig);
}

static int
holds(ec_httpsrv_session *s)
{
    calls++;
    sem_post(&entered);
    while (sem_wait(&go_on) != 0) {
    }
    seen_err = ec_httpsrv_response_append(s, "held", 4);
    return EC_HTTPSRV_HANDLER_DONE;
}

static void
a_full_queue_is_503(void **state)
{
    struct rig_client c[3];

    (void)state;
    open_pooled(holds);
    rig_connect(&rig, &c[0]);
    rig_sends(&c[0], GET("/"));
    await(&entered);
    rig_connect(&rig, &c[1]);
    rig_sends(&c[1], GET("/"));
    linger();
    assert_int_equal(rig.requests_ended, 0);
    const char *got = ask(&c[2], GET("/"));
    assert_non_null(strstr(got, "HTTP/1.1 503 "));
    assert_non_null(strstr(got, "Retry-After: 1\r\n"));
    rig_disconnect(&c[1], true); /* while its job waits: it is never run */
    rig_await_ended(&rig, 2);
    sem_post(&go_on);
    rig_await_ended(&rig, 3);
    assert_non_null(strstr(rig_received(&c[0]), "\r\n\r\nheld"));
    assert_int_equal(calls, 1);
    rig_disconnect(&c[0], false);
    rig_disconnect(&c[2], false);
    rig_close(&rig);
}

static void
a_handler_that_takes_too_long_is_503_at_once(void **state)
{
    struct hs_registration reg = { .path = "/", .job_class = pool, .handler = holds };
    struct rig_client c;

    (void)state;
    hs_route_options_default(&reg.options);
    reg.options.handler_timeout = 2 * HS_SEC;
    rig_open(&rig);
    assert_int_equal(hs_generation_register(rig.generation, &reg, NULL), 0);
    rig_start(&rig);
    rig_connect(&rig, &c);
    rig_sends(&c, GET("/"));
    await(&entered);
    rig_advance(&rig, 3 * HS_SEC);
    assert_non_null(strstr(rig_received(&c), "HTTP/1.1 503 "));
    assert_int_equal(rig.requests_ended, 0);
    sem_post(&go_on);
    rig_await_ended(&rig, 1);
    assert_int_equal(seen_err, ECONNABORTED);
    rig_disconnect(&c, false);
    rig_close(&rig);
}

/* The loop does not turn any more: the thread is freed all the same, or this hangs. */
static void
the_end_of_the_server_frees_handlers(void **state)
{
    struct rig_client c;

    (void)state;
    open_pooled(wants_body);
    rig_connect(&rig, &c);
    rig_sends(&c, HALF_A_BODY);
    alarm(60);
    rig_turns(&rig, 2);
    while (sem_wait(&entered) != 0) {
    }
    hs_session_env_shut_runs(rig.env);
    while (sem_wait(&left) != 0) {
    }
    alarm(0);
    assert_int_equal(seen_err, ECONNABORTED);
    rig_await_ended(&rig, 1);
    rig_disconnect(&c, false);
    rig_close(&rig);
}

/* --- what a handler leaves --- */

static int
keeps(ec_httpsrv_session *s)
{
    ec_httpsrv_session_addref(s);
    kept = s;
    return EC_HTTPSRV_HANDLER_DONE;
}

static void *
use_kept(void *arg)
{
    const char *v;

    seen_err = ec_httpsrv_request_header_get(kept, "host", &v);
    if (ec_httpsrv_response_append(kept, "x", 1) != EBADF || ec_httpsrv_request_url_get(kept) != NULL || errno != EBADF) {
        seen_err = -2;
    }
    ec_httpsrv_session_delref(kept);
    return arg;
}

/* proves: ec_httpsrv_session_addref */
static void
a_session_kept_past_its_end_is_harmless(void **state)
{
    pthread_t thread;

    (void)state;
    open_pooled(keeps);
    expect(GET("/"), "200 OK");
    assert_int_equal(ec_httpsrv_response_append(kept, "x", 1), EBADF);
    assert_null(ec_httpsrv_request_method_get(kept));
    assert_int_equal(pthread_create(&thread, NULL, use_kept, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(seen_err, EBADF);
    rig_settle(&rig);
    rig_close(&rig);
}

static int
returns_async(ec_httpsrv_session *s)
{
    (void)ec_httpsrv_response_append(s, "lost", 4);
    return EC_HTTPSRV_HANDLER_ASYNC;
}

static int
returns_nonsense(ec_httpsrv_session *s)
{
    (void)s;
    return 7;
}

static void
only_done_is_an_end(void **state)
{
    (void)state;
    open_pooled(returns_async);
    expect(GET("/"), "HTTP/1.1 500 ");
    rig_close(&rig);
    open_pooled(returns_nonsense);
    expect(GET("/"), "HTTP/1.1 500 ");
    rig_close(&rig);
}

/* --- who may --- */

static atomic_int verdict;

static int
auth(ec_httpsrv_session *s)
{
    if (!pthread_equal(pthread_self(), loop_thread) || ec_httpsrv_request_username_set(s, "ann") != 0) {
        return -1;
    }
    return verdict;
}

static int
greets(ec_httpsrv_session *s)
{
    calls++;
    (void)ec_httpsrv_response_printf(s, "hello %s", ec_httpsrv_request_username_get(s));
    return EC_HTTPSRV_HANDLER_DONE;
}

static void
authentication_comes_first_on_the_loop(void **state)
{
    (void)state;
    for (int own = 0; own < 2; own++) {
        struct hs_registration reg = { .path = "/", .job_class = pool, .handler = greets, .auth = own ? auth : NULL };
        calls = 0;
        hs_route_options_default(&reg.options);
        rig_open(&rig);
        assert_int_equal(hs_generation_register(rig.generation, &reg, NULL), 0);
        assert_int_equal(own ? 0 : ec_httpsrv_register_auth(NULL, NULL, "/", NULL, auth), 0);
        rig_start(&rig);
        verdict = EC_HTTPSRV_AUTH_DENIED;
        expect(GET("/"), "HTTP/1.1 403 ");
        assert_int_equal(calls, 0);
        verdict = EC_HTTPSRV_AUTH_ALLOWED;
        expect(GET("/"), "hello ann");
        rig_close(&rig);
    }
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_is_not_there_is_waited_for),
        TEST(a_client_that_takes_nothing_holds_the_handler_up),
        TEST(a_client_that_leaves_frees_the_handler),
        TEST(so_does_one_while_an_io_is_waited_for),
        TEST(a_full_queue_is_503),
        TEST(a_handler_that_takes_too_long_is_503_at_once),
        TEST(the_end_of_the_server_frees_handlers),
        TEST(a_session_kept_past_its_end_is_harmless),
        TEST(only_done_is_an_end),
        TEST(authentication_comes_first_on_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
