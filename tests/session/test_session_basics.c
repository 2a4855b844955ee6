/* test_session_basics.c - what each function of a session does in the plainest case; the edges have files of their own. */
#include "session_test.h"

static int (*act)(ec_httpsrv_session *s);
static int calls;
static ec_httpsrv_session *held;

static int
acts(ec_httpsrv_session *s)
{
    calls++;
    return act(s);
}

/* What a client gets from a server whose only handler is fn. */
static const char *
answer_of(int (*fn)(ec_httpsrv_session *), const char *request)
{
    static char text[4096];
    struct rig r;

    act = fn;
    calls = 0;
    open_one(&r, acts);
    snprintf(text, sizeof text, "%s", rig_exchange(&r, request));
    rig_close(&r);
    return text;
}

static bool
has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

/* --- the response --- */

static int
sets_the_status(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_status_set(s, 404, "Gone Fishing"), 0);
    return DONE;
}

/* proves: ec_httpsrv_response_status_set */
static void
a_status_has_its_code_and_message(void **state)
{
    (void)state;
    assert_true(has(answer_of(sets_the_status, GET("/")), "HTTP/1.1 404 Gone Fishing\r\n"));
}

static int
sets_the_status_std(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_status_set_std(s, 503, "Closed on Sundays", "text/x-note"), 0);
    return DONE;
}

/* proves: ec_httpsrv_response_status_set_std */
static void
a_standard_status_has_a_type_and_its_message_as_content(void **state)
{
    (void)state;
    const char *text = answer_of(sets_the_status_std, GET("/"));
    assert_true(has(text, "HTTP/1.1 503 Closed on Sundays\r\n"));
    assert_true(has(text, "Content-Type: text/x-note\r\n"));
    assert_true(has(text, "\r\n\r\nClosed on Sundays"));
}

static int
sets_one_of_the_four(ec_httpsrv_session *s)
{
    const char *which = ec_httpsrv_request_path_rest(s);
    int err = EINVAL;

    if (strcmp(which, "200") == 0) {
        err = ec_httpsrv_response_status_ok(s, "text/x-ok");
    } else if (strcmp(which, "403") == 0) {
        err = ec_httpsrv_response_status_denied(s, "text/x-denied");
    } else if (strcmp(which, "404") == 0) {
        err = ec_httpsrv_response_status_not_found(s, "text/x-not-found");
    } else if (strcmp(which, "500") == 0) {
        err = ec_httpsrv_response_status_error(s, "text/x-error");
    }
    assert_int_equal(err, 0);
    return DONE;
}

/* proves: ec_httpsrv_response_status_ok, ec_httpsrv_response_status_denied, ec_httpsrv_response_status_not_found, ec_httpsrv_response_status_error,
 * ec_httpsrv_request_path_rest */
static void
four_statuses_have_functions_of_their_own(void **state)
{
    (void)state;
    const char *text = answer_of(sets_one_of_the_four, GET("/200"));
    assert_true(has(text, "HTTP/1.1 200 ") && has(text, "Content-Type: text/x-ok\r\n"));
    text = answer_of(sets_one_of_the_four, GET("/403"));
    assert_true(has(text, "HTTP/1.1 403 ") && has(text, "Content-Type: text/x-denied\r\n"));
    text = answer_of(sets_one_of_the_four, GET("/404"));
    assert_true(has(text, "HTTP/1.1 404 ") && has(text, "Content-Type: text/x-not-found\r\n"));
    text = answer_of(sets_one_of_the_four, GET("/500"));
    assert_true(has(text, "HTTP/1.1 500 ") && has(text, "Content-Type: text/x-error\r\n"));
}

static int
sets_fields(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_header_set(s, "X-One", "first"), 0);
    assert_int_equal(ec_httpsrv_response_header_set(s, "x-one", "second"), 0);
    assert_int_equal(ec_httpsrv_response_header_set(s, "X-None", "here"), 0);
    assert_int_equal(ec_httpsrv_response_header_set(s, "X-None", NULL), 0);
    assert_int_equal(ec_httpsrv_response_header_add(s, "X-Many", "first"), 0);
    assert_int_equal(ec_httpsrv_response_header_add(s, "X-Many", "second"), 0);
    return DONE;
}

/* proves: ec_httpsrv_response_header_set, ec_httpsrv_response_header_add */
static void
fields_are_replaced_removed_and_added(void **state)
{
    (void)state;
    const char *text = answer_of(sets_fields, GET("/"));
    assert_true(has(text, "ne: second\r\n"));
    assert_false(has(text, "One: first") || has(text, "X-None"));
    assert_true(has(text, "X-Many: first\r\n") && has(text, "X-Many: second\r\n"));
}

static int __attribute__((format(printf, 2, 3)))
says(ec_httpsrv_session *s, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int err = ec_httpsrv_response_vprintf(s, format, ap);
    va_end(ap);
    return err;
}

static int
adds_content(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_append(s, "one,", 4), 0);
    assert_int_equal(ec_httpsrv_response_printf(s, "%s %d,", "two", 2), 0);
    assert_int_equal(says(s, "%s %d", "three", 3), 0);
    return DONE;
}

/* proves: ec_httpsrv_response_append, ec_httpsrv_response_printf, ec_httpsrv_response_vprintf */
static void
content_is_added_in_its_order(void **state)
{
    (void)state;
    assert_true(has(answer_of(adds_content, GET("/")), "\r\n\r\none,two 2,three 3"));
}

static int
sets_the_payload(ec_httpsrv_session *s)
{
    string *text = ec_string_new();

    assert_non_null(stringprintf(text, "the payload"));
    assert_int_equal(ec_httpsrv_response_append(s, "forgotten", 9), 0);
    assert_int_equal(ec_httpsrv_response_string(s, text), 0);
    ec_string_free(text);
    return DONE;
}

/* proves: ec_httpsrv_response_string */
static void
a_payload_replaces_what_was_added(void **state)
{
    (void)state;
    const char *text = answer_of(sets_the_payload, GET("/"));
    assert_true(has(text, "\r\n\r\nthe payload") && has(text, "Content-Type: text/plain"));
}

static int
streams(ec_httpsrv_session *s)
{
    io_object *io = io_wrapper_open_memory("from an io", 10, MEMTYPE_DONTCARE);

    assert_int_equal(ec_httpsrv_response_io(s, io, 0), 0);
    io_wrapper_delref(io);
    return DONE;
}

/* proves: ec_httpsrv_response_io */
static void
an_io_is_streamed(void **state)
{
    (void)state;
    assert_true(has(answer_of(streams, GET("/")), "\r\n\r\nfrom an io"));
}

static int
flushes(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_append(s, "sent", 4), 0);
    assert_int_equal(ec_httpsrv_response_flush(s, 0), 0);
    assert_int_equal(ec_httpsrv_response_header_set(s, "X-Late", "yes"), EBADF); /* the head has gone */
    assert_int_equal(ec_httpsrv_response_flush(s, 1), 0);
    assert_int_equal(ec_httpsrv_response_append(s, "more", 4), EBADF);
    return DONE;
}

/* proves: ec_httpsrv_response_flush */
static void
what_is_flushed_has_gone(void **state)
{
    (void)state;
    assert_true(has(answer_of(flushes, GET("/")), "sent"));
    assert_int_equal(calls, 1);
}

/* --- the request --- */

static int
looks_at_the_request(ec_httpsrv_session *s)
{
    const char *value = NULL, *name = NULL, *type = NULL, *charset = NULL;
    size_t iter = 0, fields = 0;

    assert_string_equal(ec_httpsrv_request_method_get(s), "POST");
    assert_string_equal(ec_httpsrv_request_protocol_get(s), "HTTP/1.1");
    const ec_url_details *url = ec_httpsrv_request_url_get(s);
    assert_non_null(url);
    assert_string_equal(url->path, "/a b");
    assert_string_equal(url->raw_query, "x=1");
    assert_int_equal(ec_httpsrv_request_header_get(s, "x-colour", &value), 0);
    assert_string_equal(value, "red, blue");
    while (ec_httpsrv_request_header_next(s, &iter, &name, &value) == 0) {
        fields++;
    }
    assert_int_equal(fields, 5);
    assert_int_equal(ec_httpsrv_request_content_type_get(s, &type, &charset), 0);
    assert_string_equal(type, "text/csv");
    assert_string_equal(charset, "utf-8");
    return DONE;
}

/* proves: ec_httpsrv_request_method_get, ec_httpsrv_request_protocol_get, ec_httpsrv_request_url_get, ec_httpsrv_request_header_get,
 * ec_httpsrv_request_header_next, ec_httpsrv_request_content_type_get */
static void
a_request_is_what_was_sent(void **state)
{
    (void)state;
    assert_true(has(answer_of(looks_at_the_request, "POST /a%20b?x=1 HTTP/1.1\r\nHost: a\r\nX-Colour: red\r\nX-Colour: blue\r\n"
                                                    "Content-Type: Text/CSV; charset=utf-8\r\nContent-Length: 0\r\n\r\n"),
                    "HTTP/1.1 200"));
    assert_int_equal(calls, 1);
}

static int
reads_the_body(ec_httpsrv_session *s)
{
    char buf[16];
    io_object *io = NULL;

    assert_int_equal(ec_httpsrv_request_data_get(s, &io), 0);
    assert_int_equal(io_wrapper_read(io, buf, sizeof buf), 4);
    assert_memory_equal(buf, "body", 4);
    io_wrapper_delref(io);
    return DONE;
}

/* proves: ec_httpsrv_request_data_get */
static void
a_body_is_an_io(void **state)
{
    (void)state;
    assert_true(has(answer_of(reads_the_body, POST("/", 4, "body")), "HTTP/1.1 200"));
    assert_int_equal(calls, 1);
}

static int
takes_the_body_and_its_trailers(ec_httpsrv_session *s)
{
    const char *name = NULL, *value = NULL;
    size_t iter = 0;
    string *body = NULL;

    int err = ec_httpsrv_request_data_get_string(s, &body);
    if (err == EAGAIN) {
        assert_int_equal(ec_httpsrv_session_suspend(s), 0);
        return ASYNC;
    }
    assert_int_equal(err, 0);
    assert_string_equal(body->buffer, "body");
    assert_int_equal(ec_httpsrv_request_trailer_next(s, &iter, &name, &value), 0);
    assert_string_equal(name, "X-Sum");
    assert_string_equal(value, "42");
    assert_int_equal(ec_httpsrv_request_trailer_next(s, &iter, &name, &value), ENOENT);
    held = s;
    return DONE;
}

/* proves: ec_httpsrv_request_data_get_string, ec_httpsrv_request_trailer_next */
static void
a_body_is_a_string_and_its_trailers_follow(void **state)
{
    (void)state;
    held = NULL;
    assert_true(has(answer_of(takes_the_body_and_its_trailers, POST_CHUNKED("/", "4\r\nbody\r\n0\r\nX-Sum: 42\r\n\r\n")), "HTTP/1.1 200"));
    assert_non_null(held);
}

static int
spools(ec_httpsrv_session *s)
{
    char buf[8];
    io_object *io = NULL;

    int err = ec_httpsrv_request_data_spool(s);
    if (err == EAGAIN) {
        assert_int_equal(ec_httpsrv_session_suspend(s), 0);
        return ASYNC;
    }
    assert_int_equal(err, 0);
    for (int i = 0; i < 2; i++) { /* each has its own position */
        assert_int_equal(ec_httpsrv_request_data_get(s, &io), 0);
        assert_int_equal(io_wrapper_supports_lseek(io), 1);
        assert_int_equal(io_wrapper_read(io, buf, sizeof buf), 4);
        io_wrapper_delref(io);
    }
    held = s;
    return DONE;
}

/* proves: ec_httpsrv_request_data_spool */
static void
a_spooled_body_is_read_twice(void **state)
{
    (void)state;
    held = NULL;
    assert_true(has(answer_of(spools, POST("/", 4, "body")), "HTTP/1.1 200"));
    assert_non_null(held);
}

static int
looks_at_the_ends(ec_httpsrv_session *s)
{
    ec_sockaddr *peer = ec_httpsrv_request_peer_address(s), *here = ec_httpsrv_request_local_address(s);

    assert_non_null(peer);
    assert_non_null(here);
    assert_int_equal(peer->sa.sa_family, AF_UNIX);
    assert_int_equal(here->sa.sa_family, AF_UNIX);
    assert_null(ec_httpsrv_request_subject_cn_get(s)); /* nobody has shown a certificate */
    return DONE;
}

/* proves: ec_httpsrv_request_peer_address, ec_httpsrv_request_local_address, ec_httpsrv_request_subject_cn_get */
static void
a_connection_has_two_ends(void **state)
{
    struct rig r;
    struct rig_client c;

    (void)state;
    act = looks_at_the_ends;
    calls = 0;
    open_one(&r, acts);
    rig_connect_socket(&r, &c);
    rig_sends(&c, GET("/"));
    rig_settle(&r);
    expect_reply(&c, 200, "");
    assert_int_equal(calls, 1);
    rig_disconnect(&c, false);
    rig_close(&r);
}

/* --- what belongs to a request, and to a registration --- */

static int dropped;

static void
drops(void *self)
{
    (void)self;
    dropped++;
}

static ec_blobject_class thing_class = { "thing", drops, NULL };

static int
keeps_a_thing(ec_httpsrv_session *s)
{
    ec_blobject *thing = ec_blobject_wrap(&thing_class, &dropped);

    assert_non_null(thing);
    assert_null(ec_httpsrv_ctx_get(s));
    ec_httpsrv_ctx_set(s, thing);
    ec_blobject_delref(thing);
    assert_int_equal(dropped, 0); /* the session has a reference */
    ec_blobject *same = ec_httpsrv_ctx_get(s);
    assert_ptr_equal(same, thing);
    ec_blobject_delref(same);
    return DONE;
}

/* proves: ec_httpsrv_ctx_get, ec_httpsrv_ctx_set */
static void
a_request_keeps_what_it_is_given_to_its_end(void **state)
{
    (void)state;
    dropped = 0;
    assert_true(has(answer_of(keeps_a_thing, GET("/")), "HTTP/1.1 200"));
    assert_int_equal(calls, 1);
    assert_int_equal(dropped, 1);
}

static int
has_its_closure(ec_httpsrv_session *s)
{
    ec_blobject *closure = ec_httpsrv_service_ctx_get(s);

    assert_non_null(closure);
    assert_ptr_equal(closure->self, &dropped);
    ec_blobject_delref(closure);
    return ec_httpsrv_response_append(s, "registered", 10) == 0 ? DONE : -1;
}

/* proves: ec_httpsrv_register, ec_httpsrv_service_ctx_get */
static void
a_handler_has_what_it_was_registered_with(void **state)
{
    struct rig r;

    (void)state;
    dropped = 0;
    rig_open(&r);
    ec_blobject *closure = ec_blobject_wrap(&thing_class, &dropped);
    assert_int_equal(ec_httpsrv_register(NULL, "GET", "/here", ECTP_CLASS_SHORT_LIVED, closure, has_its_closure), 0);
    ec_blobject_delref(closure);
    rig_start(&r);
    assert_true(has(rig_exchange(&r, GET("/here")), "registered"));
    assert_true(has(rig_exchange(&r, GET("/there")), "HTTP/1.1 404"));
    assert_int_equal(dropped, 0);
    rig_close(&r);
    assert_int_equal(dropped, 1);
}

/* --- suspend and resume --- */

static int
comes_twice(ec_httpsrv_session *s)
{
    if (calls == 2) {
        return ec_httpsrv_response_append(s, "again", 5) == 0 ? DONE : -1;
    }
    assert_int_equal(ec_httpsrv_session_suspend(s), 0);
    held = s;
    return ASYNC;
}

/* proves: ec_httpsrv_session_suspend, ec_httpsrv_session_resume */
static void
a_resumed_session_has_its_handler_called_again(void **state)
{
    struct rig r;
    struct rig_client c;

    (void)state;
    act = comes_twice;
    calls = 0;
    open_one(&r, acts);
    rig_connect(&r, &c);
    rig_sends(&c, GET("/"));
    rig_settle(&r);
    assert_int_equal(calls, 1);
    assert_string_equal(rig_received(&c), "");
    assert_int_equal(ec_httpsrv_session_resume(held, 0), 0);
    rig_settle(&r);
    expect_reply(&c, 200, "again");
    assert_int_equal(calls, 2);
    rig_disconnect(&c, false);
    rig_close(&r);
}

static int aborted;

static void
on_abort(ec_httpsrv_session *s, void *arg)
{
    assert_ptr_equal(arg, &aborted);
    aborted++;
    assert_int_equal(ec_httpsrv_session_resume(s, 1), 0);
}

static int
waits_for_the_abort(ec_httpsrv_session *s)
{
    held = s;
    ec_httpsrv_session_addref(s);
    assert_int_equal(ec_httpsrv_session_on_abort(s, on_abort, &aborted), 0);
    assert_int_equal(ec_httpsrv_session_suspend(s), 0);
    return ASYNC;
}

/* proves: ec_httpsrv_session_on_abort, ec_httpsrv_session_addref */
static void
an_abort_is_told_and_a_reference_outlives_it(void **state)
{
    struct rig r;
    struct rig_client c;

    (void)state;
    act = waits_for_the_abort;
    aborted = 0;
    open_one(&r, acts);
    rig_connect(&r, &c);
    rig_sends(&c, GET("/"));
    rig_settle(&r);
    rig_disconnect(&c, true);
    rig_settle(&r);
    assert_int_equal(aborted, 1);
    assert_int_equal(ec_httpsrv_response_append(held, "x", 1), EBADF); /* it is over, and still there */
    ec_httpsrv_session_delref(held);
    rig_close(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_status_has_its_code_and_message),
        cmocka_unit_test(a_standard_status_has_a_type_and_its_message_as_content),
        cmocka_unit_test(four_statuses_have_functions_of_their_own),
        cmocka_unit_test(fields_are_replaced_removed_and_added),
        cmocka_unit_test(content_is_added_in_its_order),
        cmocka_unit_test(a_payload_replaces_what_was_added),
        cmocka_unit_test(an_io_is_streamed),
        cmocka_unit_test(what_is_flushed_has_gone),
        cmocka_unit_test(a_request_is_what_was_sent),
        cmocka_unit_test(a_body_is_an_io),
        cmocka_unit_test(a_body_is_a_string_and_its_trailers_follow),
        cmocka_unit_test(a_spooled_body_is_read_twice),
        cmocka_unit_test(a_connection_has_two_ends),
        cmocka_unit_test(a_request_keeps_what_it_is_given_to_its_end),
        cmocka_unit_test(a_handler_has_what_it_was_registered_with),
        cmocka_unit_test(a_resumed_session_has_its_handler_called_again),
        cmocka_unit_test(an_abort_is_told_and_a_reference_outlives_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
