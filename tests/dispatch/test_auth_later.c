/* test_auth_later.c - dispatch/auth.c: auth handlers that suspend, and what they leave behind. */
#include "auth_test.h"

static unsigned n_later;

static int
decides_later(ec_httpsrv_session *s)
{
    if (n_later++ == 0) {
        held = s;
        ec_httpsrv_session_addref(s);
        assert_int_equal(ec_httpsrv_session_suspend(s), 0);
        return EC_HTTPSRV_AUTH_LATER;
    }
    return verdict;
}

static void
a_suspended_one_is_asked_again(void **state)
{
    struct rig r;
    struct rig_client c;

    (void)state;
    for (int finished = 0; finished < 2; finished++) {
        for (int v = EC_HTTPSRV_AUTH_NOT_AUTHENTICATED; v <= EC_HTTPSRV_AUTH_ALLOWED; v++) {
            if (v == EC_HTTPSRV_AUTH_LATER) {
                continue;
            }
            open_rig(&r);
            route(NULL, NULL, "/", "h");
            guard(NULL, NULL, "/", "g", decides_later);
            rig_start(&r);
            verdict = v;
            n_later = 0;
            rig_connect(&r, &c);
            rig_sends(&c, GET("/x"));
            rig_advance(&r, 3600 * HS_SEC);
            assert_string_equal(rig_received(&c), "");
            assert_int_equal(n_later, 1);
            assert_int_equal(ec_httpsrv_session_resume(held, finished), 0);
            assert_int_equal(n_later, 1); /* from the loop */
            rig_settle(&r);
            assert_int_equal(n_later, 2);
            assert_int_equal(status_of(rig_received(&c)), v == EC_HTTPSRV_AUTH_ALLOWED ? 200 : 403);
            assert_string_equal(handled, v == EC_HTTPSRV_AUTH_ALLOWED ? "h:/x[x] " : "");
            ec_httpsrv_session_delref(held);
            rig_disconnect(&c, false);
            rig_close(&r);
        }
    }
}

static int
suspends_and_allows(ec_httpsrv_session *s)
{
    if (n_later++ == 0) {
        assert_int_equal(ec_httpsrv_session_suspend(s), 0);
    }
    return verdict;
}

static void
a_verdict_of_one_that_has_suspended(void **state)
{
    struct rig r;

    (void)state;
    open_rig(&r);
    route(NULL, NULL, "/", "h");
    guard(NULL, NULL, "/", "g", suspends_and_allows);
    rig_start(&r);
    n_later = 0;
    assert_int_equal(status_of(rig_exchange(&r, GET("/"))), 500);
    n_later = 0;
    verdict = EC_HTTPSRV_AUTH_DENIED;
    assert_int_equal(status_of(rig_exchange(&r, GET("/"))), 500);
    assert_string_equal(handled, "");
    rig_close(&r);
}

static int
never_decides(ec_httpsrv_session *s)
{
    n_later++;
    held = s;
    assert_int_equal(ec_httpsrv_session_suspend(s), 0);
    return EC_HTTPSRV_AUTH_LATER;
}

static unsigned n_aborts;

static void
told(ec_httpsrv_session *s, void *arg)
{
    (void)arg;
    n_aborts++;
    assert_int_equal(ec_httpsrv_session_resume(s, 0), 0);
}

static int
wants_to_know(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_session_on_abort(s, told, NULL), 0);
    return never_decides(s);
}

static void
the_client_goes_away_while_it_waits(void **state)
{
    struct rig r;
    struct rig_client c;

    (void)state;
    for (int reset = 0; reset < 2; reset++) {
        open_rig(&r);
        route(NULL, NULL, "/", "h");
        guard(NULL, NULL, "/", "g", wants_to_know);
        rig_start(&r);
        n_later = n_aborts = 0;
        rig_connect(&r, &c);
        rig_sends(&c, GET("/"));
        rig_settle(&r);
        assert_int_equal(n_later, 1);
        rig_disconnect(&c, reset == 1);
        rig_settle(&r);
        assert_int_equal(n_aborts, 1);
        assert_int_equal(n_later, 1); /* there is nobody left to decide about */
        assert_int_equal(r.requests_ended, 1);
        assert_string_equal(handled, "");
        rig_close(&r);
    }
}

static int
reads_the_body(ec_httpsrv_session *s)
{
    string *str;
    int err = ec_httpsrv_request_data_get_string(s, &str);

    n_later++;
    if (err == EAGAIN) {
        assert_int_equal(ec_httpsrv_session_suspend(s), 0);
        return EC_HTTPSRV_AUTH_LATER;
    }
    assert_int_equal(err, 0);
    return str->len == 6 && memcmp(str->buffer, "please", 6) == 0 ? EC_HTTPSRV_AUTH_ALLOWED : EC_HTTPSRV_AUTH_DENIED;
}

static void
what_gave_eagain_has_it_asked_again(void **state)
{
    struct rig r;
    struct rig_client c;

    (void)state;
    open_rig(&r);
    route(NULL, NULL, "/", "h");
    guard(NULL, NULL, "/", "g", reads_the_body);
    rig_start(&r);
    for (int i = 0; i < 2; i++) {
        n_later = 0;
        forget();
        rig_connect(&r, &c);
        rig_sends(&c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nple");
        rig_settle(&r);
        assert_int_equal(n_later, 1);
        rig_sends(&c, i == 0 ? "ase" : "ade");
        rig_settle(&r);
        assert_int_equal(n_later, 2);
        assert_int_equal(status_of(rig_received(&c)), i == 0 ? 200 : 403);
        assert_int_equal(handled[0] != '\0', i == 0);
        rig_disconnect(&c, false);
    }
    rig_close(&r);
}

static int
leaves_things_armed(ec_httpsrv_session *s)
{
    string *str;

    hs_session_set_self_waiting(s, true); /* as a binding does */
    hs_session_set_self_waiting(s, false);
    assert_int_equal(ec_httpsrv_request_data_get_string(s, &str), EAGAIN);
    assert_int_equal(ec_httpsrv_session_on_abort(s, told, NULL), 0);
    hs_session_set_self_waiting(s, true);
    return EC_HTTPSRV_AUTH_ALLOWED;
}

static unsigned n_runs;

static int
waits_for_nothing(ec_httpsrv_session *s)
{
    n_runs++;
    held = s;
    assert_int_equal(ec_httpsrv_session_suspend(s), 0);
    return EC_HTTPSRV_HANDLER_ASYNC;
}

static int
upper(ec_httpsrv_session *s)
{
    string *str;
    int err = ec_httpsrv_request_data_get_string(s, &str);

    n_runs++;
    if (err == EAGAIN) {
        assert_int_equal(ec_httpsrv_session_suspend(s), 0);
        return EC_HTTPSRV_HANDLER_ASYNC;
    }
    assert_int_equal(ec_httpsrv_response_append(s, str->buffer, (size_t)str->len), 0);
    return EC_HTTPSRV_HANDLER_DONE;
}

static void
the_handler_starts_with_nothing_armed(void **state)
{
    struct rig r;
    struct rig_client c;

    (void)state;
    open_rig(&r);
    rig_route(&r, NULL, "/", waits_for_nothing, NULL);
    rig_route(&r, NULL, "/up", upper, NULL);
    guard(NULL, NULL, "/", "g", leaves_things_armed);
    rig_start(&r);
    n_runs = n_aborts = 0;
    rig_connect(&r, &c);
    rig_sends(&c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n");
    rig_settle(&r);
    rig_sends(&c, "ab");
    rig_settle(&r);
    assert_int_equal(n_runs, 1); /* what the auth handler waited for does not wake it */
    rig_disconnect(&c, true);
    rig_settle(&r);
    assert_int_equal(n_aborts, 0);
    assert_int_equal(ec_httpsrv_session_resume(held, 0), 0);
    rig_settle(&r);
    n_runs = 0;
    rig_connect(&r, &c); /* and its own waiting works */
    rig_sends(&c, "POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n");
    rig_settle(&r);
    rig_sends(&c, "ab");
    rig_settle(&r);
    assert_int_equal(n_runs, 2);
    assert_int_equal(status_of(rig_received(&c)), 200);
    rig_disconnect(&c, false);
    rig_close(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_suspended_one_is_asked_again),
        cmocka_unit_test(a_verdict_of_one_that_has_suspended),
        cmocka_unit_test(the_client_goes_away_while_it_waits),
        cmocka_unit_test(what_gave_eagain_has_it_asked_again),
        cmocka_unit_test(the_handler_starts_with_nothing_armed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
