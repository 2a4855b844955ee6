/* test_request_end.c - session/request_end.h: what a session says of itself when its request is over. Ways to end are tested where all of them come
 * together, in server/test_request_ends.c. */
#include "session/request_end.h"

#include "session_test.h"

static struct hs_request_end seen;
static unsigned n;

static void
on_ended(void *arg, ec_httpsrv_session *sess)
{
    assert_null(arg);
    hs_session_get_end(sess, &seen);
    n++;
}

static int
answer(ec_httpsrv_session *sess)
{
    assert_int_equal(ec_httpsrv_request_username_set(sess, "joe"), 0);
    assert_int_equal(ec_httpsrv_response_status_set(sess, 404, NULL), 0);
    assert_int_equal(ec_httpsrv_response_append(sess, "gone", 4), 0);
    if (hs_session_method_view(sess).n == 3) { /* GET: in one go */
        return DONE;
    }
    (void)ec_httpsrv_response_flush(sess, 0);
    assert_int_equal(ec_httpsrv_response_append(sess, "gone", 4), 0);
    return DONE;
}

static void
status_bytes_and_user(void **state)
{
    struct rig r;

    (void)state;
    n = 0;
    open_one(&r, answer);
    hs_dispatch_on_ended(r.dispatch, on_ended, NULL);
    (void)rig_exchange(&r, GET("/"));
    assert_int_equal(n, 1);
    assert_int_equal(seen.status, 404);
    assert_int_equal(seen.bytes, 4);
    assert_false(seen.aborted);
    assert_null(seen.peer);
    assert_int_equal(seen.line.n, 0);
    assert_int_equal(seen.started, hs_loop_now(r.loop));
    assert_int_equal(seen.first_byte, seen.ended);
    (void)rig_exchange(&r, POST("/", 0, ""));
    assert_int_equal(n, 2);
    assert_int_equal(seen.bytes, 8);
    assert_true(seen.first_byte != 0);
    rig_close(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_bytes_and_user),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
