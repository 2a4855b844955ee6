/* test_pool_handler_api.c - session/remote.c: every function of a session, called in a thread of a pool. */
#include <json-c/json.h>
#include <libxml/parser.h>

#include "pool_world.h"

/* --- every function --- */

static ec_blobject_class class = { .objectType = "test" };
static ec_blobject *closure;

/* Each gives whether it did what it should. Requests are POST /base/rest?k=v with fields "X-A: 1" (twice), a chunked body and a trailer. */

static bool
call_service_ctx(ec_httpsrv_session *s)
{
    ec_blobject *b = ec_httpsrv_service_ctx_get(s);
    bool ok = b == closure;

    ec_blobject_delref(b);
    return ok;
}

static bool
call_ctx(ec_httpsrv_session *s)
{
    ec_blobject *b = ec_blobject_wrap(&class, NULL);
    ec_blobject *none = ec_httpsrv_ctx_get(s);

    ec_httpsrv_ctx_set(s, b);
    ec_blobject *again = ec_httpsrv_ctx_get(s);
    bool ok = none == NULL && again == b;
    ec_blobject_delref(again);
    ec_blobject_delref(b);
    return ok;
}

static bool
call_method(ec_httpsrv_session *s)
{
    const char *m = ec_httpsrv_request_method_get(s);
    return m != NULL && strcmp(m, "POST") == 0 && ec_httpsrv_request_method_get(s) == m;
}

static bool
call_url(ec_httpsrv_session *s)
{
    ec_url_details *u = ec_httpsrv_request_url_get(s);
    return u != NULL && strcmp(u->path, "/base/rest") == 0 && strcmp(u->raw_query, "k=v") == 0 && ec_httpsrv_request_url_get(s) == u;
}

static bool
call_header(ec_httpsrv_session *s)
{
    const char *v = NULL;
    return ec_httpsrv_request_header_get(s, "x-a", &v) == 0 && strcmp(v, "1, 2") == 0 && ec_httpsrv_request_header_get(s, "x-b", &v) == ENOENT &&
           ec_httpsrv_request_header_get(s, NULL, &v) == EINVAL;
}

static bool
call_header_next(ec_httpsrv_session *s)
{
    const char *n = NULL, *v = NULL;
    size_t i = 0;
    unsigned count = 0;
    bool first = true, ok = false;

    while (ec_httpsrv_request_header_next(s, &i, &n, &v) == 0) {
        ok = first ? strcmp(n, "Host") == 0 && strcmp(v, "h") == 0 : ok;
        first = false;
        count++;
    }
    return ok && count == 5 && ec_httpsrv_request_header_next(s, NULL, &n, &v) == EINVAL;
}

static bool
call_trailer_next(ec_httpsrv_session *s)
{
    const char *n = NULL, *v = NULL;
    string *str;
    size_t i = 0;

    return ec_httpsrv_request_data_get_string(s, &str) == 0 && ec_httpsrv_request_trailer_next(s, &i, &n, &v) == 0 && strcmp(n, "X-T") == 0 &&
           strcmp(v, "end") == 0 && ec_httpsrv_request_trailer_next(s, &i, &n, &v) == ENOENT;
}

static bool
call_content_type(ec_httpsrv_session *s)
{
    const char *t = NULL, *c = NULL;
    return ec_httpsrv_request_content_type_get(s, &t, &c) == 0 && strcmp(t, "application/json") == 0 && strcmp(c, "utf-8") == 0;
}

static bool
call_data(ec_httpsrv_session *s)
{
    char buf[64];
    size_t got = 0;
    ssize_t n;
    io_object *io = NULL;

    if (ec_httpsrv_request_data_get(s, &io) != 0) {
        return false;
    }
    while ((n = io_wrapper_read(io, buf + got, sizeof buf - got)) > 0) {
        got += (size_t)n;
    }
    io_wrapper_delref(io);
    return n == 0 && got == 7 && memcmp(buf, "{\"a\":1}", 7) == 0 && ec_httpsrv_request_data_get(s, NULL) == EINVAL;
}

static bool
call_string(ec_httpsrv_session *s)
{
    string *str = NULL;
    return ec_httpsrv_request_data_get_string(s, &str) == 0 && str->len == 7 && memcmp(str->buffer, "{\"a\":1}", 7) == 0;
}

static bool
call_spool(ec_httpsrv_session *s)
{
    char buf[64];
    io_object *io = NULL;

    if (ec_httpsrv_request_data_spool(s) != 0 || ec_httpsrv_request_data_get(s, &io) != 0) {
        return false;
    }
    bool ok = io_wrapper_lseek(io, 2, SEEK_SET) == 2 && io_wrapper_read(io, buf, sizeof buf) == 5 && memcmp(buf, "a\":1}", 5) == 0;
    io_wrapper_delref(io);
    return ok && call_string(s);
}

static bool
call_json(ec_httpsrv_session *s)
{
    struct json_object *o = NULL, *a = NULL;
    bool ok = ec_httpsrv_request_data_get_json(s, &o) == 0 && json_object_object_get_ex(o, "a", &a) && json_object_get_int(a) == 1;

    json_object_put(o);
    return ok;
}

static bool
call_xml(ec_httpsrv_session *s)
{
    xmlDocPtr doc = (xmlDocPtr)&closure;
    return ec_httpsrv_request_data_get_xml(s, &doc) == 0 && doc == NULL; /* JSON is none */
}

static bool
call_accept(ec_httpsrv_session *s)
{
    accept_construct *a = ec_httpsrv_request_accept_construct_get(s);
    return a != NULL && a->address == ec_httpsrv_request_local_address(s) && a->name[0] != '\0';
}

static bool
call_event(ec_httpsrv_session *s)
{
    Event *e = ec_httpsrv_request_event_get(s);
    return e != NULL && e->inst == hs_loop_base(rig.loop);
}

static bool
call_scheduler(ec_httpsrv_session *s)
{
    return ec_httpsrv_request_event_get_scheduler_inst(s) == hs_loop_base(rig.loop);
}

static bool
call_names(ec_httpsrv_session *s)
{
    return ec_httpsrv_request_username_get(s) == NULL && ec_httpsrv_request_username_set(s, "a\n") == EINVAL &&
           ec_httpsrv_request_username_set(s, "joe") == 0 && strcmp(ec_httpsrv_request_username_get(s), "joe") == 0 &&
           ec_httpsrv_request_subject_cn_get(s) == NULL;
}

static bool
call_peer(ec_httpsrv_session *s)
{
    ec_sockaddr *peer = ec_httpsrv_request_peer_address(s);
    return peer != NULL && peer == ec_httpsrv_request_peer_address(s) && peer != ec_httpsrv_request_local_address(s);
}

static bool
call_path_rest(ec_httpsrv_session *s)
{
    const char *rest = ec_httpsrv_request_path_rest(s);
    return rest != NULL && strcmp(rest, "rest") == 0;
}

static bool
call_protocol(ec_httpsrv_session *s)
{
    return strcmp(ec_httpsrv_request_protocol_get(s), "HTTP/1.1") == 0;
}

static bool
call_status(ec_httpsrv_session *s)
{
    return ec_httpsrv_response_status_set(s, 99, NULL) == EINVAL && ec_httpsrv_response_status_set(s, 299, "Strange") == 0;
}

static bool
call_status_std(ec_httpsrv_session *s)
{
    return ec_httpsrv_response_status_set_std(s, 298, "Said so", "text/css") == 0;
}

static bool
call_ok(ec_httpsrv_session *s)
{
    return ec_httpsrv_response_status_ok(s, "text/x-ok") == 0;
}

static bool
call_denied(ec_httpsrv_session *s)
{
    return ec_httpsrv_response_status_denied(s, "text/plain") == 0;
}

static bool
call_not_found(ec_httpsrv_session *s)
{
    return ec_httpsrv_response_status_not_found(s, "text/plain") == 0;
}

static bool
call_error(ec_httpsrv_session *s)
{
    return ec_httpsrv_response_status_error(s, "text/plain") == 0;
}

static bool
call_fields(ec_httpsrv_session *s)
{
    return ec_httpsrv_response_header_set(s, "X-Gone", "1") == 0 && ec_httpsrv_response_header_set(s, "X-Gone", NULL) == 0 &&
           ec_httpsrv_response_header_set(s, "X-R", "one") == 0 && ec_httpsrv_response_header_set(s, "X-R", "\r\n") == EINVAL;
}

static bool
call_field_add(ec_httpsrv_session *s)
{
    return ec_httpsrv_response_header_add(s, "X-R", "1") == 0 && ec_httpsrv_response_header_add(s, "X-R", "2") == 0;
}

static bool
call_append(ec_httpsrv_session *s)
{
    return ec_httpsrv_response_append(s, "appended", 8) == 0 && ec_httpsrv_response_append(s, NULL, 8) == EINVAL;
}

static bool
call_printf(ec_httpsrv_session *s)
{
    return ec_httpsrv_response_printf(s, "%d and %600s", 7, "x") == 0;
}

static bool
va(ec_httpsrv_session *s, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    bool ok = ec_httpsrv_response_vprintf(s, fmt, ap) == 0;
    va_end(ap);
    return ok;
}

static bool
call_vprintf(ec_httpsrv_session *s)
{
    return va(s, "<%s>", "v");
}

static bool
call_payload(ec_httpsrv_session *s)
{
    string *str = ec_string_new();
    bool ok = ec_httpsrv_response_append(s, "dropped", 7) == 0 && stringwrite2(str, "payload", 7) >= 0 && ec_httpsrv_response_string(s, str) == 0;

    ec_string_free(str);
    return ok;
}

static bool
call_payload_json(ec_httpsrv_session *s)
{
    struct json_object *o = json_object_new_int(42);
    bool ok = ec_httpsrv_response_json(s, o) == 0;

    json_object_put(o);
    return ok;
}

static bool
call_payload_xml(ec_httpsrv_session *s)
{
    xmlDocPtr doc = xmlReadMemory("<a/>", 4, NULL, NULL, 0);
    bool ok = ec_httpsrv_response_xml(s, doc) == 0;

    xmlFreeDoc(doc);
    return ok;
}

static bool
call_io(ec_httpsrv_session *s)
{
    io_object *io = io_wrapper_copy_memory("from io", 7, MEMTYPE_IS_MALLOC_3C);
    bool ok = ec_httpsrv_response_io(s, io, 0) == 0 && ec_httpsrv_response_io(s, io, 0) == EBUSY;

    io_wrapper_delref(io);
    return ok;
}

/* The body comes as the client sends it, and is waited for. */
static bool
call_io_now(ec_httpsrv_session *s)
{
    io_object *io = NULL;
    bool ok = ec_httpsrv_request_data_get(s, &io) == 0 && ec_httpsrv_response_io(s, io, 1) == 0 && ec_httpsrv_response_append(s, ".", 1) == 0;

    io_wrapper_delref(io);
    return ok;
}

static bool
call_flush(ec_httpsrv_session *s)
{
    return ec_httpsrv_response_append(s, "a", 1) == 0 && ec_httpsrv_response_flush(s, 0) == 0 && ec_httpsrv_response_status_ok(s, NULL) == EBADF &&
           ec_httpsrv_response_append(s, "b", 1) == 0 && ec_httpsrv_response_flush(s, 1) == 0 && ec_httpsrv_response_append(s, "c", 1) == EBADF;
}

static bool
call_suspend(ec_httpsrv_session *s)
{
    return ec_httpsrv_session_suspend(s) == EBADF && ec_httpsrv_session_resume(s, 0) == EBADF && ec_httpsrv_session_resume(s, 1) == EBADF;
}

static bool
call_refs(ec_httpsrv_session *s)
{
    ec_httpsrv_session_addref(s);
    ec_httpsrv_session_delref(s);
    return ec_httpsrv_session_on_abort(s, on_abort, &told) == 0;
}

static const struct row {
    const char *name;
    bool (*call)(ec_httpsrv_session *s);
    const char *answer; /* found in the response */
} rows[] = {
    { "service_ctx_get", call_service_ctx, "200 OK" },
    { "ctx_get, ctx_set", call_ctx, "200 OK" },
    { "request_method_get", call_method, "200 OK" },
    { "request_url_get", call_url, "200 OK" },
    { "request_header_get", call_header, "200 OK" },
    { "request_header_next", call_header_next, "200 OK" },
    { "request_trailer_next", call_trailer_next, "200 OK" },
    { "request_content_type_get", call_content_type, "200 OK" },
    { "request_data_get", call_data, "200 OK" },
    { "request_data_get_string", call_string, "200 OK" },
    { "request_data_spool", call_spool, "200 OK" },
    { "request_data_get_json", call_json, "200 OK" },
    { "request_data_get_xml", call_xml, "200 OK" },
    { "request_accept_construct_get", call_accept, "200 OK" },
    { "request_event_get", call_event, "200 OK" },
    { "request_event_get_scheduler_inst", call_scheduler, "200 OK" },
    { "request_username_get and _set, subject_cn_get", call_names, "200 OK" },
    { "request_peer_address, _local_address", call_peer, "200 OK" },
    { "request_path_rest", call_path_rest, "200 OK" },
    { "request_protocol_get", call_protocol, "200 OK" },
    { "response_status_set", call_status, "299 Strange" },
    { "response_status_set_std", call_status_std, "\r\n\r\nSaid so" },
    { "response_status_ok", call_ok, "text/x-ok" },
    { "response_status_denied", call_denied, "403 Forbidden" },
    { "response_status_not_found", call_not_found, "404 Not Found" },
    { "response_status_error", call_error, "500 Internal" },
    { "response_header_set", call_fields, "X-R: one\r\n" },
    { "response_header_add", call_field_add, "X-R: 1\r\nX-R: 2\r\n" },
    { "response_append", call_append, "\r\n\r\nappended" },
    { "response_printf", call_printf, "7 and    " },
    { "response_vprintf", call_vprintf, "<v>" },
    { "response_string", call_payload, "\r\n\r\npayload" },
    { "response_json", call_payload_json, "\r\n\r\n42" },
    { "response_xml", call_payload_xml, "<a/>" },
    { "response_io", call_io, "\r\n\r\nfrom io" },
    { "response_io, immediate", call_io_now, "{\"a\":1}." },
    { "response_flush", call_flush, "1\r\na\r\n1\r\nb\r\n0\r\n" },
    { "session_suspend, session_resume", call_suspend, "200 OK" },
    { "session_addref, _delref, _on_abort", call_refs, "200 OK" },
};

static const struct row *current;
static atomic_bool went_well;

static int
calls_row(ec_httpsrv_session *s)
{
    calls++;
    went_well = !pthread_equal(pthread_self(), loop_thread) && hs_pool_thread() != NULL && current->call(s);
    return EC_HTTPSRV_HANDLER_DONE;
}

/* proves: ec_httpsrv_register */
static void
every_function_works_in_the_pool(void **state)
{
    struct rig_client c;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        current = &rows[i];
        went_well = false;
        closure = ec_blobject_wrap(&class, NULL);
        rig_open(&rig);
        assert_int_equal(ec_httpsrv_register(NULL, "POST", "/base", pool, closure, calls_row), 0);
        rig_start(&rig);
        rig_connect(&rig, &c);
        rig_sends(&c, "POST /base/rest?k=v HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nX-A: 2\r\nContent-Type: Application/JSON; charset=utf-8\r\n"
                      "Transfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n");
        linger(); /* what asks for the body waits */
        rig_sends(&c, "4\r\n\":1}\r\n0\r\nX-T: end\r\n\r\n");
        rig_await_ended(&rig, 1);
        if (!went_well || strstr(rig_received(&c), rows[i].answer) == NULL) {
            fail_msg("%s: %s", rows[i].name, rig_received(&c));
        }
        rig_disconnect(&c, false);
        rig_close(&rig);
        ec_blobject_delref(closure);
    }
    assert_int_equal(calls, sizeof rows / sizeof *rows);
    assert_int_equal(told, 0);
}

static void
the_standing_pools_are_job_classes(void **state)
{
    static const int classes[] = { ECTP_CLASS_IO, ECTP_CLASS_CPU, ECTP_CLASS_SPOOL_IN };

    (void)state;
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        rig_open(&rig);
        assert_int_equal(ec_httpsrv_register(NULL, NULL, "/", classes[i], NULL, calls_row), 0);
        assert_int_equal(ec_httpsrv_register(NULL, NULL, "/x", 4711, NULL, calls_row), EINVAL);
        rig_start(&rig);
        current = &rows[19];
        went_well = false;
        expect(GET("/"), "200 OK");
        assert_true(went_well);
        rig_close(&rig);
    }
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(every_function_works_in_the_pool),
        TEST(the_standing_pools_are_job_classes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
