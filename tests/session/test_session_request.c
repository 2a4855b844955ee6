/* test_session_request.c - what the request said: strings that last, joined fields, and EBADF for whoever comes too late. */
#include "alloc_fail.h"
#include "session_test.h"

static ec_httpsrv_session *held;
static struct {
    const char *method, *header, *joined, *cookie, *type, *charset, *next_name, *next_value, *path;
} got;
static int calls;

static int
keeps_strings(ec_httpsrv_session *s)
{
    size_t iter = 0;

    if (ec_httpsrv_request_header_get(s, "X-Other", &got.header) == 0) {
        return DONE;
    }
    if (calls++ > 0) {
        return DONE;
    }
    held = s;
    got.method = ec_httpsrv_request_method_get(s);
    assert_int_equal(ec_httpsrv_request_header_get(s, "x-one", &got.header), 0);
    assert_int_equal(ec_httpsrv_request_header_get(s, "X-Many", &got.joined), 0);
    assert_int_equal(ec_httpsrv_request_header_get(s, "cookie", &got.cookie), 0);
    assert_int_equal(ec_httpsrv_request_content_type_get(s, &got.type, &got.charset), 0);
    assert_int_equal(ec_httpsrv_request_header_next(s, &iter, &got.next_name, &got.next_value), 0);
    got.path = ec_httpsrv_request_url_get(s)->path;
    assert_int_equal(ec_httpsrv_session_suspend(s), 0);
    return ASYNC;
}

static void
ruling_01_borrowed_strings_survive_a_thousand_other_requests(void **state)
{
    struct rig r;
    struct rig_client c;
    const char *value;
    char request[200];

    (void)state;
    calls = 0;
    open_one(&r, keeps_strings);
    rig_connect(&r, &c);
    rig_sends(&c, "FETCH /some/path?a=b HTTP/1.1\r\nHost: example.com\r\nX-One: the first\r\nX-Late: asked for late\r\nx-many: 1\r\nX-Many: 2\r\nCookie: a=1\r\n"
                  "X-MANY: 3\r\nCookie: b=2\r\nContent-Type: Text/HTML; Charset=\"utf-8\"\r\n\r\n");
    for (int i = 0; i < 1000; i++) {
        snprintf(request, sizeof request, "PUT /%d HTTP/1.1\r\nHost: host-%d\r\nX-Other: %d\r\nX-One: ------\r\nConnection: close\r\n\r\n", i, i, i);
        assert_memory_equal(rig_exchange(&r, request), "HTTP/1.1 200", 12);
    }
    assert_string_equal(got.method, "FETCH");
    assert_ptr_equal(ec_httpsrv_request_method_get(held), got.method); /* made once */
    assert_string_equal(got.joined, "1, 2, 3");
    assert_string_equal(got.cookie, "a=1; b=2");
    assert_string_equal(got.type, "text/html");
    assert_string_equal(got.charset, "utf-8");
    assert_string_equal(got.next_name, "Host");
    assert_string_equal(got.next_value, "example.com");
    assert_string_equal(got.path, "/some/path");
    assert_int_equal(ec_httpsrv_request_header_get(held, "x-one", &value), 0);
    assert_string_equal(value, "the first");
    assert_int_equal(ec_httpsrv_request_header_get(held, "x-many", &value), 0);
    assert_ptr_equal(value, got.joined);
    assert_string_equal(ec_httpsrv_request_url_get(held)->raw_query, "a=b");
    assert_int_equal(ec_httpsrv_request_header_get(held, "x-late", &value), 0); /* for the first time */
    assert_string_equal(value, "asked for late");
    assert_string_equal(ec_httpsrv_request_path_rest(held), "some/path");
    assert_int_equal(ec_httpsrv_session_resume(held, 0), 0);
    rig_settle(&r);
    expect_reply(&c, 200, "");
    rig_disconnect(&c, false);
    rig_close(&r);
}

/* Says what it has been asked, when it has waited. */
static int
says_late(ec_httpsrv_session *s)
{
    const char *value;

    if (ec_httpsrv_request_header_get(s, "X-Other", &value) == 0) {
        return DONE;
    }
    if (calls++ == 0) {
        held = s;
        return ec_httpsrv_session_suspend(s) == 0 ? ASYNC : DONE;
    }
    int err = ec_httpsrv_request_header_get(s, "X-One", &value);
    if (err == 0) {
        err = ec_httpsrv_response_append(s, value, strlen(value));
    }
    if (err) {
        hs_session_fail(s, 503);
    }
    return DONE;
}

static void
ruling_01_without_memory_for_them_there_are_no_strings_of_others(void **state)
{
    bool hit = true;

    (void)state;
    for (unsigned long nth = 1; hit; nth++) {
        struct rig r;
        struct rig_client c;
        struct reply reply;
        open_one(&r, says_late);
        calls = 0;
        rig_connect(&r, &c);
        alloc_fail_at(nth);
        rig_sends(&c, "GET /path HTTP/1.1\r\nHost: a\r\nX-One: mine\r\n\r\n");
        alloc_fail_off();
        hit = alloc_fail_hit();
        (void)rig_exchange(&r, "GET /---- HTTP/1.1\r\nHost: b\r\nX-One: ====\r\nX-Other: 1\r\n\r\n");
        if (calls) {
            assert_string_not_equal(ec_httpsrv_request_path_rest(held), "----");
            (void)ec_httpsrv_session_resume(held, 0);
            rig_settle(&r);
        }
        assert_true(reply_parse(&reply, rig_received(&c), c.in.len, false));
        assert_true(reply.status == 503 || (reply.status == 200 && strcmp(reply.body.p, "mine") == 0));
        assert_true(hit || reply.status == 200);
        reply_free(&reply);
        rig_disconnect(&c, false);
        rig_close(&r);
    }
}

static int
looks_around(ec_httpsrv_session *s)
{
    const char *name, *value;
    size_t iter = 0;
    unsigned n = 0;

    assert_int_equal(ec_httpsrv_request_header_get(s, "X-None", &value), ENOENT);
    assert_int_equal(ec_httpsrv_request_header_get(s, NULL, &value), EINVAL);
    assert_int_equal(ec_httpsrv_request_header_get(s, "Host", NULL), EINVAL);
    assert_int_equal(ec_httpsrv_request_content_type_get(s, &name, &value), ENOENT);
    while (ec_httpsrv_request_header_next(s, &iter, &name, &value) == 0) {
        n++;
    }
    assert_int_equal(n, 2);
    assert_int_equal(ec_httpsrv_request_trailer_next(s, &iter, NULL, &value), EINVAL);
    iter = 0;
    assert_int_equal(ec_httpsrv_request_trailer_next(s, &iter, &name, &value), ENOENT); /* no body: it is all there */
    assert_null(ec_httpsrv_request_username_get(s));
    assert_null(ec_httpsrv_request_subject_cn_get(s));
    assert_non_null(ec_httpsrv_request_peer_address(s));
    assert_ptr_equal(ec_httpsrv_request_peer_address(s), ec_httpsrv_request_peer_address(s));
    assert_non_null(ec_httpsrv_request_local_address(s));
    assert_string_equal(ec_httpsrv_request_protocol_get(s), "HTTP/1.0");
    assert_string_equal(ec_httpsrv_request_path_rest(s), "");
    assert_null(ec_httpsrv_service_ctx_get(s));
    assert_null(ec_httpsrv_ctx_get(s));
    assert_int_equal(ec_httpsrv_request_data_get(s, NULL), EINVAL);
    assert_int_equal(ec_httpsrv_request_data_get_string(s, NULL), EINVAL);
    return DONE;
}

static void
what_is_not_there_is_said_so(void **state)
{
    struct rig r;

    (void)state;
    open_one(&r, looks_around);
    assert_memory_equal(rig_exchange(&r, "GET / HTTP/1.0\r\nHost: a\r\nX-A: b\r\n\r\n"), "HTTP/1.1 200", 12);
    rig_close(&r);
}

/* --- too late --- */

static bool suspends;
static int destroyed;

static void
dtor(void *self)
{
    (void)self;
    destroyed++;
}

static int
is_kept(ec_httpsrv_session *s)
{
    static ec_blobject_class cls = { .objectType = "mark", .dtor = dtor };
    const char *value;

    if (calls++ == 0) {
        ec_blobject *b = ec_blobject_wrap(&cls, s);
        ec_httpsrv_ctx_set(s, b);
        ec_blobject_delref(b);
        held = s;
        ec_httpsrv_session_addref(s);
        assert_non_null(ec_httpsrv_request_method_get(s)); /* cached: must not be given out later */
        assert_int_equal(ec_httpsrv_request_header_get(s, "Host", &value), 0);
        assert_non_null(ec_httpsrv_request_peer_address(s));
        assert_int_equal(ec_httpsrv_request_username_set(s, "user"), 0);
        assert_int_equal(ec_httpsrv_response_header_set(s, "X-A", "b"), 0);
        if (suspends) {
            assert_int_equal(ec_httpsrv_session_suspend(s), 0);
            return ASYNC;
        }
    }
    return DONE;
}

static void
waiter_called(void *arg, int err)
{
    *(int *)arg = err;
}

static void
everything_gives_EBADF(struct rig *r, ec_httpsrv_session *s)
{
    const char *name, *value;
    size_t iter = 0;
    string *str = ec_string_new();
    io_object *io = io_wrapper_open_memory("x", 1, MEMTYPE_DONTCARE), *body = NULL;
    struct hs_view view;
    int told = -1;
    struct hs_session_waiter w = { .fn = waiter_called, .arg = &told };

    assert_null(ec_httpsrv_request_method_get(s));
    errno = 0;
    assert_null(ec_httpsrv_request_url_get(s));
    assert_int_equal(errno, EBADF);
    assert_null(ec_httpsrv_request_path_rest(s));
    assert_int_equal(ec_httpsrv_request_header_get(s, "Host", &value), EBADF);
    assert_int_equal(ec_httpsrv_request_header_next(s, &iter, &name, &value), EBADF);
    assert_int_equal(ec_httpsrv_request_trailer_next(s, &iter, &name, &value), EBADF);
    assert_int_equal(ec_httpsrv_request_content_type_get(s, &name, &value), EBADF);
    assert_int_equal(ec_httpsrv_request_data_get(s, &body), EBADF);
    assert_int_equal(ec_httpsrv_request_data_get_string(s, &str), EBADF);
    assert_int_equal(ec_httpsrv_request_data_spool(s), EBADF);
    assert_null(ec_httpsrv_request_username_get(s));
    assert_null(ec_httpsrv_request_subject_cn_get(s));
    assert_null(ec_httpsrv_request_peer_address(s));
    assert_null(ec_httpsrv_request_local_address(s));
    assert_null(ec_httpsrv_service_ctx_get(s));
    assert_null(ec_httpsrv_ctx_get(s));
    assert_int_equal(ec_httpsrv_response_status_set(s, 200, "OK"), EBADF);
    assert_int_equal(ec_httpsrv_response_status_set_std(s, 200, "OK", "text/plain"), EBADF);
    assert_int_equal(ec_httpsrv_response_status_ok(s, NULL), EBADF);
    assert_int_equal(ec_httpsrv_response_header_set(s, "X-A", "b"), EBADF);
    assert_int_equal(ec_httpsrv_response_header_set(s, "X-A", NULL), EBADF);
    assert_int_equal(ec_httpsrv_response_header_add(s, "X-A", "b"), EBADF);
    assert_int_equal(ec_httpsrv_response_append(s, "x", 1), EBADF);
    assert_int_equal(ec_httpsrv_response_printf(s, "x"), EBADF);
    assert_int_equal(ec_httpsrv_response_string(s, str), EBADF);
    assert_int_equal(ec_httpsrv_response_io(s, io, 0), EBADF);
    assert_int_equal(ec_httpsrv_response_io(s, io, 1), EBADF);
    assert_int_equal(ec_httpsrv_response_flush(s, 0), EBADF);
    assert_int_equal(ec_httpsrv_session_suspend(s), EBADF);
    assert_int_equal(ec_httpsrv_session_resume(s, 0), EBADF);
    assert_int_equal(ec_httpsrv_session_on_abort(s, NULL, NULL), EBADF);
    assert_int_equal(hs_session_response_reset(s), EBADF);
    assert_int_equal(hs_session_header_view(s, HS_VIEW("Host"), &view), EBADF);
    assert_int_equal(hs_session_body_view(s, &view), EBADF);
    assert_null(hs_session_response_header(s, "X-A"));
    assert_true(hs_session_has_room(s));
    ec_httpsrv_ctx_set(s, NULL);
    hs_session_fail(s, 500);
    for (enum hs_session_wait_for what = HS_WAIT_BODY; what <= HS_WAIT_FLUSHED; what++) {
        told = -1;
        hs_session_wait(s, what, &w);
        rig_settle(r);
        assert_int_equal(told, EBADF);
    }
    io_wrapper_delref(io);
    ec_string_free(str);
}

/* proves: ec_httpsrv_session_delref */
static void
ruling_02_a_reference_past_the_end_gives_EBADF_everywhere(void **state)
{
    struct hs_route_options o;
    struct rig r;

    (void)state;
    hs_route_options_default(&o);
    for (int how = 0; how < 4; how++) { /* done at once; suspended and resumed; aborted; aborted but continued */
        struct rig_client c;
        o.abort_continue = how == 3;
        open_one_with(&r, is_kept, NULL, &o);
        calls = destroyed = 0;
        suspends = how > 0;
        rig_connect(&r, &c);
        rig_sends(&c, POST("/", 2, "ab"));
        if (how > 1) {
            rig_disconnect(&c, true);
        }
        if (how > 0) {
            assert_int_equal(ec_httpsrv_session_resume(held, 0), 0);
            rig_settle(&r);
        }
        assert_int_equal(r.requests_ended, 1);
        assert_int_equal(destroyed, 1);
        everything_gives_EBADF(&r, held);
        assert_memory_equal(rig_exchange(&r, GET("/")), "HTTP/1.1 200", 12); /* another one meanwhile */
        everything_gives_EBADF(&r, held);
        ec_httpsrv_session_delref(held);
        rig_disconnect(&c, false);
        rig_close(&r);
    }
}

/* --- serials --- */

static uint64_t serial;

static int
has_a_serial(ec_httpsrv_session *s)
{
    struct hs_session_env *env = hs_session_env_current();

    assert_true(hs_session_serial(s) > serial);
    assert_null(hs_session_by_serial(env, 0));
    assert_null(hs_session_by_serial(env, hs_session_serial(s) + 1));
    if (serial) {
        assert_ptr_equal(hs_session_by_serial(env, serial), held);
    }
    assert_ptr_equal(hs_session_by_serial(env, hs_session_serial(s)), s);
    if (!serial) {
        serial = hs_session_serial(s);
        held = s;
    }
    if (serial == hs_session_serial(s) && calls++ == 0) {
        assert_int_equal(ec_httpsrv_session_suspend(s), 0);
        return ASYNC;
    }
    return DONE;
}

static void
a_serial_finds_its_session_and_no_other(void **state)
{
    struct rig r;
    struct rig_client c, d[200];

    (void)state;
    calls = 0;
    serial = 0;
    open_one(&r, has_a_serial);
    rig_connect(&r, &c);
    rig_sends(&c, GET("/"));
    for (size_t i = 0; i < sizeof d / sizeof *d; i++) { /* more than there are buckets at first */
        rig_connect(&r, &d[i]);
        rig_sends(&d[i], GET("/"));
        assert_ptr_equal(hs_session_by_serial(r.env, serial), held);
    }
    assert_int_equal(ec_httpsrv_session_resume(held, 1), 0);
    rig_settle(&r);
    assert_null(hs_session_by_serial(r.env, serial));
    for (size_t i = 0; i < sizeof d / sizeof *d; i++) {
        rig_disconnect(&d[i], false);
    }
    rig_disconnect(&c, false);
    rig_close(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ruling_01_borrowed_strings_survive_a_thousand_other_requests),
        cmocka_unit_test(ruling_01_without_memory_for_them_there_are_no_strings_of_others),
        cmocka_unit_test(what_is_not_there_is_said_so),
        cmocka_unit_test(ruling_02_a_reference_past_the_end_gives_EBADF_everywhere),
        cmocka_unit_test(a_serial_finds_its_session_and_no_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
