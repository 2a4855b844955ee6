/* test_session_response.c - status, fields and content: what may be said when, what frames it, and what has no content. */
#include "base/log.h"
#include "session_test.h"

static int (*act)(ec_httpsrv_session *s);
static struct source src;
static int logged;
static char last_error[256];

static void
count_errors(enum hs_log_level level, const char *line, void *arg)
{
    (void)arg;
    logged += level == HS_LOG_ERROR;
    if (level == HS_LOG_ERROR) {
        (void)snprintf(last_error, sizeof last_error, "%s", line);
    }
}

static int
acts(ec_httpsrv_session *s)
{
    return act(s);
}

/* One request on a connection of its own. */
static void
ask(struct rig *r, const char *request, struct reply *out)
{
    struct rig_client c;

    hs_log_set_sink(count_errors, NULL);
    logged = 0;
    rig_connect(r, &c);
    rig_sends(&c, request);
    assert_true(reply_parse(out, rig_received(&c), c.in.len, strncmp(request, "HEAD ", 5) == 0));
    assert_int_equal(out->size, c.in.len); /* not a byte more */
    rig_disconnect(&c, false);
}

/* act answers a GET with 200 and that body, of known size. */
static void
act_gives(struct rig *r, int (*fn)(ec_httpsrv_session *s), const char *body)
{
    struct reply reply;

    act = fn;
    ask(r, GET("/"), &reply);
    assert_int_equal(reply.status, 200);
    assert_true(reply.complete && reply.end == REPLY_LENGTH);
    assert_string_equal(reply.body.p, body);
    reply_free(&reply);
}

static void
add_io(ec_httpsrv_session *s, const char *text)
{
    io_object *io = io_wrapper_open_memory(text, strlen(text), MEMTYPE_DONTCARE);

    assert_int_equal(ec_httpsrv_response_io(s, io, 0), 0);
    io_wrapper_delref(io);
}

/* --- ruling 4 --- */

static int
mixes(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_append(s, "a", 1), 0);
    add_io(s, "b");
    assert_int_equal(ec_httpsrv_response_printf(s, "%s%d", "c", 1), 0);
    add_io(s, "");
    add_io(s, "d");
    add_io(s, "e");
    assert_int_equal(ec_httpsrv_response_append(s, "", 0), 0);
    assert_int_equal(ec_httpsrv_response_append(s, "f", 1), 0);
    assert_int_equal(ec_httpsrv_response_append(s, NULL, 1), EINVAL);
    assert_int_equal(ec_httpsrv_response_io(s, NULL, 0), EINVAL);
    assert_int_equal(ec_httpsrv_response_string(s, NULL), EINVAL);
    return DONE;
}

static int
prints_much(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_printf(s, "%600d|", 7), 0);
    return DONE;
}

static int
replaces(ec_httpsrv_session *s)
{
    string *str = ec_string_new();
    io_object *io = source_open(&src, hs_loop_current(), "unread");

    source_allow(&src, 6);
    assert_int_equal(ec_httpsrv_response_append(s, "a", 1), 0);
    assert_int_equal(ec_httpsrv_response_io(s, io, 0), 0);
    io_wrapper_delref(io);
    assert_non_null(stringprintf(str, "payload"));
    assert_int_equal(ec_httpsrv_response_string(s, str), 0);
    assert_true(src.closed && src.reads == 0);
    assert_int_equal(ec_httpsrv_response_append(s, "+", 1), 0);
    ec_string_free(str);
    return DONE;
}

static void
ruling_04_content_is_added_in_call_order_and_the_payload_replaces(void **state)
{
    struct rig r;

    (void)state;
    open_one(&r, acts);
    act_gives(&r, mixes, "abc1def");
    act_gives(&r, replaces, "payload+");
    struct reply reply;
    act = prints_much;
    ask(&r, GET("/"), &reply);
    assert_int_equal(reply.body.len, 601);
    reply_free(&reply);
    rig_close(&r);
}

static int
head_is_out(ec_httpsrv_session *s)
{
    string *str = ec_string_new();

    assert_int_equal(ec_httpsrv_response_append(s, "a", 1), 0);
    int err = ec_httpsrv_response_flush(s, 0);
    assert_true(err == 0 || err == EAGAIN);
    assert_true(hs_session_head_sent(s));
    assert_int_equal(ec_httpsrv_response_status_set(s, 404, NULL), EBADF);
    assert_int_equal(ec_httpsrv_response_status_set_std(s, 404, "x", NULL), EBADF);
    assert_int_equal(ec_httpsrv_response_header_set(s, "X-A", "b"), EBADF);
    assert_int_equal(ec_httpsrv_response_header_set(s, "X-A", NULL), EBADF);
    assert_int_equal(ec_httpsrv_response_header_add(s, "X-A", "b"), EBADF);
    assert_int_equal(ec_httpsrv_response_string(s, str), EBADF);
    assert_int_equal(hs_session_response_reset(s), EBADF);
    assert_int_equal(ec_httpsrv_response_append(s, "b", 1), 0);
    add_io(s, "c");
    ec_string_free(str);
    return DONE;
}

static int
is_final(ec_httpsrv_session *s)
{
    string *str = ec_string_new();
    io_object *io = io_wrapper_open_memory("x", 1, MEMTYPE_DONTCARE);

    assert_int_equal(ec_httpsrv_response_append(s, "all", 3), 0);
    assert_int_equal(ec_httpsrv_response_flush(s, 1), 0);
    assert_int_equal(ec_httpsrv_response_append(s, "b", 1), EBADF);
    assert_int_equal(ec_httpsrv_response_printf(s, "b"), EBADF);
    assert_int_equal(ec_httpsrv_response_string(s, str), EBADF);
    assert_int_equal(ec_httpsrv_response_io(s, io, 0), EBADF);
    assert_int_equal(ec_httpsrv_response_io(s, io, 1), EBADF);
    assert_int_equal(ec_httpsrv_response_status_set(s, 404, NULL), EBADF);
    io_wrapper_delref(io);
    ec_string_free(str);
    return DONE;
}

static ec_httpsrv_session *held;

static int
streams(ec_httpsrv_session *s)
{
    io_object *io = source_open(&src, hs_loop_current(), "abc");

    assert_int_equal(ec_httpsrv_response_io(s, io, 0), 0);
    io_wrapper_delref(io);
    held = s;
    return DONE;
}

static void
ruling_04_too_late_gives_EBADF(void **state)
{
    struct rig r;
    struct rig_client c;
    struct reply reply;

    (void)state;
    open_one(&r, acts);
    act = head_is_out;
    ask(&r, GET("/"), &reply);
    assert_string_equal(reply.body.p, "abc");
    assert_true(reply.complete && reply.end == REPLY_CHUNKED);
    reply_free(&reply);
    act_gives(&r, is_final, "all");

    act = streams; /* the handler has ended, its stream has not */
    rig_connect(&r, &c);
    rig_sends(&c, GET("/"));
    assert_int_equal(ec_httpsrv_response_append(held, "x", 1), EBADF);
    assert_int_equal(ec_httpsrv_response_printf(held, "x"), EBADF);
    assert_int_equal(ec_httpsrv_session_suspend(held), EBADF);
    source_allow(&src, 3);
    source_end(&src, 0);
    rig_settle(&r);
    expect_reply(&c, 200, "abc");
    rig_disconnect(&c, false);
    rig_close(&r);
}

/* --- ruling 8 --- */

static const char *script_length;

static int
says_a_length(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_header_set(s, "Content-Length", script_length), 0);
    assert_int_equal(ec_httpsrv_response_append(s, "12345", 5), 0);
    return DONE;
}

static int
says_a_length_of_a_stream(ec_httpsrv_session *s)
{
    io_object *io = source_open(&src, hs_loop_current(), "1234567890");

    assert_int_equal(ec_httpsrv_response_header_set(s, "content-length", script_length), 0);
    source_allow(&src, 5);
    source_end(&src, 0);
    assert_int_equal(ec_httpsrv_response_io(s, io, 0), 0);
    io_wrapper_delref(io);
    return DONE;
}

static int
says_a_length_and_flushes(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_header_set(s, "content-length", script_length), 0);
    (void)ec_httpsrv_response_flush(s, 0);
    for (int i = 0; i < 5; i++) {
        int err = ec_httpsrv_response_append(s, &"12345"[i], 1);
        assert_true(err == 0 || err == EBADF); /* all that was announced may be out */
        (void)ec_httpsrv_response_flush(s, 0);
    }
    return DONE;
}

static void
ruling_08_a_length_that_is_not_the_contents_is_an_error(void **state)
{
    struct rig r;
    struct reply reply;

    (void)state;
    open_one(&r, acts);
    script_length = "5";
    act_gives(&r, says_a_length, "12345");
    assert_int_equal(logged, 0);
    static const char *const wrong[] = { "4", "6", "0", "99999999999999" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        script_length = wrong[i];
        act = says_a_length;
        ask(&r, GET("/"), &reply);
        assert_int_equal(reply.status, 500);
        assert_true(reply.complete);
        assert_null(strstr(reply.body.p, "12345"));
        assert_int_equal(logged, 1);
        assert_non_null(strstr(last_error, i == 0 ? "GET /: Content-Length " : "GET /: request ")); /* whose it is */
        hs_session_env_set_request_ids(r.env, true, false);
        reply_free(&reply);
    }
    rig_close(&r);
}

static void
ruling_08_excess_of_a_stream_is_cut_and_shortage_aborts(void **state)
{
    int (*const ways[])(ec_httpsrv_session *) = { says_a_length_of_a_stream, says_a_length_and_flushes };
    struct rig r;
    struct rig_client c;
    struct reply reply;

    (void)state;
    open_one(&r, acts);
    for (size_t i = 0; i < 2; i++) {
        static const struct {
            const char *length, *body;
            bool complete;
        } cases[] = { { "3", "123", true }, { "5", "12345", true }, { "0", "", true }, { "6", "12345", false } };
        for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
            act = ways[i];
            script_length = cases[k].length;
            rig_connect(&r, &c);
            rig_sends(&c, GET("/"));
            assert_true(reply_parse(&reply, rig_received(&c), c.in.len, false));
            assert_int_equal(reply.status, 200);
            assert_int_equal(reply.length, atoi(cases[k].length));
            assert_string_equal(reply.body.p, cases[k].body);
            assert_int_equal(reply.complete, cases[k].complete);
            assert_int_equal(reply.size, c.in.len);
            assert_int_equal(c.eof || c.reset, !cases[k].complete);
            reply_free(&reply);
            if (cases[k].complete) { /* the connection goes on, in step */
                rig_forget(&c);
                script_length = "5";
                rig_sends(&c, GET("/"));
                expect_reply(&c, 200, "12345");
            }
            rig_disconnect(&c, false);
        }
    }
    rig_close(&r);
}

static int
sets_fields(ec_httpsrv_session *s)
{
    static const struct {
        const char *name, *value;
    } refused[] = {
        { "Transfer-Encoding", "chunked" }, { "transfer-encoding", "identity" }, { "Connection", "keep-alive" }, { "Connection", "upgrade" },
        { "Connection", "close, x" }, { "Keep-Alive", "1" }, { "Proxy-Connection", "close" }, { "TE", "trailers" }, { "Trailer", "X" },
        { "Upgrade", "x" }, { "Content-Length", "" }, { "Content-Length", "-1" }, { "Content-Length", "1x" }, { "Content-Length", "1, 1" },
        { "Content-Length", "99999999999999999999" }, { "X-A", "a\r\nB: c" }, { "X-A", "a\rb" }, { "X-A", "a\nb" }, { "X-A", "a\001b" },
        { "X-A", "a\177b" }, { "X-A:", "b" }, { "X A", "b" }, { "", "b" }, { "X-A\r\n", "b" }, { "X-\303\244", "b" },
    };

    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        assert_int_equal(ec_httpsrv_response_header_set(s, refused[i].name, refused[i].value), EINVAL);
        assert_int_equal(ec_httpsrv_response_header_add(s, refused[i].name, refused[i].value), EINVAL);
    }
    assert_int_equal(hs_session_header_put(s, HS_VIEW("X-A"), (struct hs_view){ "a\0b", 3 }, true), EINVAL);
    assert_int_equal(ec_httpsrv_response_header_set(s, NULL, "x"), EINVAL);
    assert_int_equal(ec_httpsrv_response_header_add(s, "X-A", NULL), EINVAL);
    assert_int_equal(ec_httpsrv_response_header_set(s, "X A", NULL), EINVAL);
    static const int codes[] = { 0, 99, 100, 101, 199, 600, -200, 1000 };
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        assert_int_equal(ec_httpsrv_response_status_set(s, codes[i], "x"), EINVAL);
    }
    assert_int_equal(ec_httpsrv_response_status_set(s, 200, "a\r\nb"), EINVAL);
    assert_int_equal(ec_httpsrv_response_status_set_std(s, 404, "a", "text/plain\r\nX: y"), EINVAL);
    assert_int_equal(hs_session_status(s), 200);
    assert_int_equal(ec_httpsrv_response_header_set(s, "X-A", "one"), 0);
    assert_int_equal(ec_httpsrv_response_header_set(s, "x-a", "two"), 0);
    assert_int_equal(ec_httpsrv_response_header_add(s, "X-B", "1"), 0);
    assert_int_equal(ec_httpsrv_response_header_add(s, "X-B", ""), 0);
    assert_int_equal(ec_httpsrv_response_header_set(s, "X-C", "gone"), 0);
    assert_int_equal(ec_httpsrv_response_header_set(s, "X-c", NULL), 0);
    assert_int_equal(ec_httpsrv_response_header_set(s, "Content-Length", "77"), 0);
    assert_int_equal(ec_httpsrv_response_header_set(s, "Content-Length", NULL), 0);
    assert_int_equal(ec_httpsrv_response_header_set(s, "Connection", "close"), 0);
    assert_int_equal(ec_httpsrv_response_header_set(s, "Connection", NULL), 0);
    assert_int_equal(ec_httpsrv_response_header_set(s, "Connection", "Close"), 0);
    assert_int_equal(ec_httpsrv_response_header_set(s, "Date", "Thu, 01 Jan 1970 00:00:00 GMT"), 0);
    assert_string_equal(hs_session_response_header(s, "X-A"), "two");
    assert_null(hs_session_response_header(s, "X-C"));
    assert_int_equal(ec_httpsrv_response_status_set(s, 299, "My Own"), 0);
    return DONE;
}

static void
ruling_08_framing_fields_and_control_bytes_are_refused(void **state)
{
    struct rig r;
    struct reply reply;

    (void)state;
    open_one(&r, acts);
    act = sets_fields;
    ask(&r, GET("/"), &reply);
    assert_memory_equal(reply.head, "HTTP/1.1 299 My Own\r\n", 21);
    assert_string_equal(reply_field(&reply, "X-A"), "two");
    assert_int_equal(reply_count(&reply, "X-B"), 2);
    assert_int_equal(reply_count(&reply, "X-C"), 0);
    assert_int_equal(reply_count(&reply, "Date"), 1);
    assert_string_equal(reply_field(&reply, "Date"), "Thu, 01 Jan 1970 00:00:00 GMT");
    assert_int_equal(reply.length, 0);
    assert_true(reply.close);
    reply_free(&reply);
    rig_close(&r);
}

static int
status_a(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_status_set(s, 404, NULL), 0);
    assert_int_equal(ec_httpsrv_response_header_set(s, "Content-Type", "text/plain"), 0);
    return ec_httpsrv_response_append(s, "x", 1);
}

static int
status_b(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_status_set_std(s, 404, "Not Found", "text/plain"), 0);
    return ec_httpsrv_response_append(s, "x", 1);
}

static int
status_c(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_status_not_found(s, "text/plain"), 0);
    return ec_httpsrv_response_append(s, "x", 1);
}

static void
ruling_08_whatever_sets_the_status_the_bytes_are_the_same(void **state)
{
    int (*const ways[])(ec_httpsrv_session *) = { status_a, status_b, status_c };
    struct rig r;
    char first[512];

    (void)state;
    open_one(&r, acts);
    for (size_t i = 0; i < 3; i++) {
        act = ways[i];
        const char *got = rig_exchange(&r, GET("/"));
        if (i == 0) {
            assert_true(strlen(got) < sizeof first);
            strcpy(first, got);
        }
        assert_string_equal(got, first);
    }
    rig_close(&r);
}

/* --- ruling 9 --- */

static int bodiless_status;

static int
gives_a_body(ec_httpsrv_session *s)
{
    io_object *io = source_open(&src, hs_loop_current(), "1234567890");

    src.size = 10;
    source_allow(&src, 10);
    source_end(&src, 0);
    assert_int_equal(ec_httpsrv_response_status_set(s, bodiless_status, NULL), 0);
    assert_int_equal(ec_httpsrv_response_append(s, "abc", 3), 0);
    assert_int_equal(ec_httpsrv_response_io(s, io, 0), 0);
    io_wrapper_delref(io);
    return DONE;
}

static int
flushes_a_body(ec_httpsrv_session *s)
{
    io_object *io = source_open(&src, hs_loop_current(), "1234567890");

    assert_int_equal(ec_httpsrv_response_status_set(s, bodiless_status, NULL), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ec_httpsrv_response_append(s, "abc", 3), 0);
        (void)ec_httpsrv_response_flush(s, 0);
    }
    assert_int_equal(ec_httpsrv_response_io(s, io, 0), 0);
    io_wrapper_delref(io);
    return DONE;
}

/* Begins when it is first read. */
static int
gives_a_generator(ec_httpsrv_session *s)
{
    io_object *io = source_open(&src, hs_loop_current(), "1234567890");

    assert_int_equal(ec_httpsrv_response_status_set(s, bodiless_status, NULL), 0);
    assert_int_equal(ec_httpsrv_response_io(s, io, 0), 0);
    io_wrapper_delref(io);
    return DONE;
}

static void
ruling_09_what_has_no_content_drops_it_unread(void **state)
{
    static const struct {
        bool head;
        int status;
        long long length;
    } cases[] = { { true, 200, 13 }, /* the length where it is known */ { true, 404, 13 }, { false, 204, -1 }, { true, 204, -1 }, { false, 205, 0 }, { false, 304, 13 } };
    int (*const ways[])(ec_httpsrv_session *) = { gives_a_body, flushes_a_body, gives_a_generator };
    struct rig r;
    struct rig_client c;

    (void)state;
    rig_open(&r);
    rig_route(&r, "GET", "/", acts, NULL); /* HEAD falls to it */
    rig_start(&r);
    for (size_t w = 0; w < 3; w++) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            struct reply reply;
            act = ways[w];
            bodiless_status = cases[i].status;
            rig_connect(&r, &c);
            rig_sends(&c, cases[i].head ? HEAD("/") : GET("/"));
            assert_true(reply_parse(&reply, rig_received(&c), c.in.len, cases[i].head));
            assert_int_equal(reply.status, cases[i].status);
            assert_int_equal(reply.size, c.in.len);
            assert_int_equal(reply.length, w == 0 || cases[i].status == 205 ? cases[i].length : -1);
            assert_int_equal(reply_count(&reply, "Transfer-Encoding"), 0);
            assert_int_equal(src.reads, 0);
            assert_true(src.closed);
            assert_false(c.eof);
            reply_free(&reply);
            rig_forget(&c);
            act = status_b; /* in step */
            rig_sends(&c, GET("/"));
            expect_reply(&c, 404, "x");
            rig_disconnect(&c, false);
        }
    }
    rig_close(&r);
}

static int
unsized_body(ec_httpsrv_session *s)
{
    return streams(s);
}

static void
ruling_09_HEAD_of_an_unknown_length_says_none(void **state)
{
    struct rig r;
    struct reply reply;

    (void)state;
    open_one(&r, acts);
    act = unsized_body;
    ask(&r, HEAD("/"), &reply);
    assert_int_equal(reply.length, -1);
    assert_int_equal(reply_count(&reply, "Transfer-Encoding"), 0);
    assert_int_equal(src.reads, 0);
    reply_free(&reply);
    script_length = "5";
    act = says_a_length;
    ask(&r, HEAD("/"), &reply);
    assert_int_equal(reply.length, 5);
    reply_free(&reply);
    rig_close(&r);
}

static void
ruling_09_OPTIONS_without_a_handler_says_what_there_is(void **state)
{
    struct rig r;
    struct reply reply;

    (void)state;
    rig_open(&r);
    rig_route(&r, "GET", "/", acts, NULL);
    rig_route(&r, "PUT", "/", acts, NULL);
    rig_start(&r);
    ask(&r, "OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n", &reply);
    assert_int_equal(reply.status, 204);
    const char *allow = reply_field(&reply, "Allow");
    assert_true(strstr(allow, "GET") && strstr(allow, "HEAD") && strstr(allow, "PUT") && strstr(allow, "OPTIONS"));
    reply_free(&reply);
    rig_close(&r);
}

/* What a handler that calls no body function has said. */
static struct {
    int status;
    const char *message, *type;
    int flush; /* 1: and flushes for good */
    const char *body;
} message;

static int
says_a_message(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_status_set_std(s, message.status, message.message, message.type), 0);
    if (message.flush) {
        (void)ec_httpsrv_response_flush(s, 1);
    }
    return DONE;
}

static int
says_a_message_and_nothing(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_status_set_std(s, 200, "OK", "text/plain"), 0);
    return ec_httpsrv_response_append(s, "", 0);
}

static void
ruling_09_the_message_is_the_body_where_no_other_was_given(void **state)
{
    static const struct {
        int status;
        const char *message, *type, *body;
    } cases[] = {
        { 200, "OK", NULL, "OK" },
        { 200, "OK", "text/plain", "OK" },
        { 200, "OK", "Text/HTML", "OK" },
        { 404, "No such thing", "text/plain; charset=utf-8", "No such thing" },
        { 200, "OK", "application/json", "" },
        { 500, NULL, "text/plain", "" },
    };
    struct rig r;
    struct reply reply;

    (void)state;
    open_one(&r, acts);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int flush = 0; flush < 2; flush++) {
            message.status = cases[i].status;
            message.message = cases[i].message;
            message.type = cases[i].type;
            message.flush = flush;
            act = says_a_message;
            ask(&r, GET("/"), &reply);
            assert_int_equal(reply.status, cases[i].status);
            assert_string_equal(reply.body.p, cases[i].body);
            assert_int_equal(reply.length, strlen(cases[i].body));
            if (!cases[i].type) {
                assert_string_equal(reply_field(&reply, "Content-Type"), "text/plain");
            }
            reply_free(&reply);
        }
    }
    act_gives(&r, says_a_message_and_nothing, "");
    rig_close(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ruling_04_content_is_added_in_call_order_and_the_payload_replaces),
        cmocka_unit_test(ruling_04_too_late_gives_EBADF),
        cmocka_unit_test(ruling_08_a_length_that_is_not_the_contents_is_an_error),
        cmocka_unit_test(ruling_08_excess_of_a_stream_is_cut_and_shortage_aborts),
        cmocka_unit_test(ruling_08_framing_fields_and_control_bytes_are_refused),
        cmocka_unit_test(ruling_08_whatever_sets_the_status_the_bytes_are_the_same),
        cmocka_unit_test(ruling_09_what_has_no_content_drops_it_unread),
        cmocka_unit_test(ruling_09_HEAD_of_an_unknown_length_says_none),
        cmocka_unit_test(ruling_09_OPTIONS_without_a_handler_says_what_there_is),
        cmocka_unit_test(ruling_09_the_message_is_the_body_where_no_other_was_given),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
