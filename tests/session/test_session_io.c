/* test_session_io.c - io_objects in responses: whose they are meanwhile, when they are let go, and what their reads may lead to. */
#include "session_test.h"

static int (*act)(ec_httpsrv_session *s);
static ec_httpsrv_session *held;
static struct source src;
static io_object *io;
static int calls, last_err;

static int
acts(ec_httpsrv_session *s)
{
    return act(s);
}

/* Streams src to the client; the caller's reference is dropped at once. */
static int
streams(ec_httpsrv_session *s)
{
    io_object *o = source_open(&src, hs_loop_current(), NULL);

    source_allow(&src, 1000);
    held = s;
    assert_int_equal(ec_httpsrv_response_io(s, o, 0), 0);
    io_wrapper_delref(o);
    return DONE;
}

/* --- ruling 5 --- */

static void
ready(io_object *o, void *arg)
{
    (void)o;
    (void)arg;
}

static void
is_busy(ec_httpsrv_session *s)
{
    char byte;

    assert_int_equal(io_wrapper_read(io, &byte, 1), -1);
    assert_int_equal(errno, EBUSY);
    assert_int_equal(io_wrapper_lseek(io, 0, SEEK_SET), -1);
    assert_int_equal(errno, EBUSY);
    assert_int_equal(io_wrapper_wait(io, IO_WAIT_READ, ready, NULL), -1);
    assert_int_equal(errno, EBUSY);
    if (s) {
        assert_int_equal(ec_httpsrv_response_io(s, io, 0), EBUSY);
        assert_int_equal(ec_httpsrv_response_io(s, io, 1), EBUSY);
    }
}

static int
gives_from_the_middle(ec_httpsrv_session *s)
{
    char buf[4];

    assert_int_equal(io_wrapper_read(io, buf, 3), 3);
    assert_int_equal(ec_httpsrv_response_io(s, io, 0), 0);
    is_busy(s);
    io_object *twin = io_wrapper_clone(io);
    assert_non_null(twin);
    assert_int_equal(ec_httpsrv_response_io(s, twin, 0), 0);
    io_wrapper_delref(twin);
    held = s;
    return DONE;
}

static void
ruling_05_a_response_owns_its_io_until_it_is_drained(void **state)
{
    struct rig r;
    struct rig_client c;
    char byte;

    (void)state;
    open_one(&r, acts);
    act = gives_from_the_middle;
    io = io_wrapper_open_memory("0123456789", 10, MEMTYPE_DONTCARE);
    r.pair.capacity = 20;
    rig_connect(&r, &c);
    rig_read_on(&c, false);
    rig_sends(&c, GET("/"));
    rig_read_on(&c, true);
    struct reply reply;
    take_reply(&c, &reply);
    assert_int_equal(reply.length, 17);
    assert_string_equal(reply.body.p, "34567890123456789");
    reply_free(&reply);
    assert_int_equal(io_wrapper_read(io, &byte, 1), 0); /* ours again, at its end */
    assert_int_equal(io_wrapper_lseek(io, 0, SEEK_SET), 0);
    io_wrapper_delref(io);
    rig_disconnect(&c, false);
    rig_close(&r);
}

static void
ruling_05_a_stream_is_claimed_as_long_as_it_runs(void **state)
{
    struct rig r;
    struct rig_client c;

    (void)state;
    open_one(&r, acts);
    act = streams;
    rig_connect(&r, &c);
    rig_sends(&c, GET("/"));
    io = src.io;
    io_wrapper_addref(io);
    is_busy(NULL);
    assert_int_equal(ec_httpsrv_response_io(held, io, 0), EBADF);
    source_end(&src, 0);
    rig_settle(&r);
    assert_false(hs_io_is_claimed(io));
    assert_false(src.closed);
    io_wrapper_delref(io);
    assert_true(src.closed);
    rig_disconnect(&c, false);
    rig_close(&r);
}

static int
streams_and_waits(ec_httpsrv_session *s)
{
    (void)streams(s);
    assert_int_equal(ec_httpsrv_session_suspend(s), 0);
    return ASYNC;
}

static int
streams_and_fails(ec_httpsrv_session *s)
{
    (void)streams(s);
    hs_session_fail(s, 503);
    assert_true(src.closed && src.reads == 0);
    assert_int_equal(ec_httpsrv_response_header_set(s, "X-A", "b"), EBADF); /* the error is not the handler's to change */
    assert_int_equal(ec_httpsrv_response_append(s, "x", 1), EBADF);
    return DONE;
}

static int
streams_and_resets(ec_httpsrv_session *s)
{
    (void)streams(s);
    assert_int_equal(hs_session_response_reset(s), 0);
    return DONE;
}

static int
streams_cut_short(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_header_set(s, "Content-Length", "10"), 0);
    return streams(s);
}

static void
ruling_05_the_reference_is_dropped_however_the_request_ends(void **state)
{
    enum { COMPLETE, ERROR, RESET, STOP, WRITE_ERROR, WRITE_TIMEOUT, N_ENDS };
    struct rig r;
    struct rig_client c;

    (void)state;
    open_one(&r, acts);
    for (int suspended = 0; suspended < 2; suspended++) {
        for (int end = 0; end < N_ENDS; end++) {
            act = suspended ? streams_and_waits : streams;
            rig_connect(&r, &c);
            unsigned ended = r.requests_ended;
            if (end == WRITE_TIMEOUT) {
                rig_read_on(&c, false);
            }
            rig_sends(&c, GET("/"));
            assert_false(src.closed);
            switch (end) {
            case COMPLETE: source_end(&src, 0); break;
            case ERROR: source_end(&src, EIO); break;
            case RESET: rig_disconnect(&c, true); break;
            case STOP: hs_h1_close_all(r.h1); break;
            case WRITE_ERROR:
                hs_memory_transport_fail(c.server, true, 1, EPIPE);
                source_allow(&src, 1);
                break;
            case WRITE_TIMEOUT:
                source_allow(&src, 1000000);
                rig_settle(&r);
                rig_advance(&r, 32 * HS_SEC);
                break;
            default: break;
            }
            rig_settle(&r);
            assert_true(src.closed);
            if (suspended) {
                assert_int_equal(r.requests_ended, ended);
                assert_int_equal(ec_httpsrv_session_resume(held, 1), 0);
                rig_settle(&r);
            }
            assert_int_equal(r.requests_ended, ended + 1);
            rig_disconnect(&c, false);
        }
    }
    int (*const others[])(ec_httpsrv_session *) = { streams_and_fails, streams_and_resets, streams_cut_short };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        act = others[i];
        (void)rig_exchange(&r, GET("/"));
        assert_true(src.closed);
    }
    rig_close(&r);
}

/* --- the request's body as response --- */

static int
echoes(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_request_data_get(s, &io), 0);
    last_err = ec_httpsrv_response_io(s, io, 0);
    io_wrapper_delref(io);
    return DONE;
}

static int
echoes_in_between(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_append(s, "<", 1), 0);
    (void)echoes(s);
    assert_int_equal(ec_httpsrv_response_append(s, ">", 1), 0);
    return DONE;
}

static void
ruling_05_the_body_of_the_request_may_be_the_response(void **state)
{
    enum { SIZE = 1 << 20 };
    struct rig r;
    struct rig_client c;
    struct reply reply;
    char *body = malloc(SIZE);

    (void)state;
    for (int i = 0; i < SIZE; i++) {
        body[i] = source_byte((size_t)i);
    }
    open_one(&r, acts);
    act = echoes_in_between;
    r.pair.capacity = 10000;
    rig_connect(&r, &c);
    rig_read_on(&c, false);
    rig_sends(&c, POST("/", 1048576, ""));
    size_t sent = rig_send(&c, body, SIZE);
    assert_true(sent < 400000); /* a client that does not read is not read from */
    rig_read_on(&c, true);
    assert_int_equal(sent + rig_send(&c, body + sent, SIZE - sent), SIZE);
    take_reply(&c, &reply);
    assert_int_equal(reply.body.len, SIZE + 2);
    assert_memory_equal(reply.body.p + 1, body, SIZE);
    assert_true(reply.body.p[0] == '<' && reply.body.p[SIZE + 1] == '>');
    reply_free(&reply);
    rig_disconnect(&c, false);
    free(body);
    rig_close(&r);
}

static void
an_echo_of_too_much_is_refused_or_aborted(void **state)
{
    struct hs_limits l;
    struct rig r;
    struct rig_client c;

    (void)state;
    hs_limits_default(&l);
    l.max_body = 10;
    open_one_with(&r, acts, &l, NULL);
    for (int in_between = 0; in_between < 2; in_between++) {
        act = in_between ? echoes_in_between : echoes;
        /* all at once, from within the handler or the pump */
        rig_connect(&r, &c);
        rig_sends(&c, POST_CHUNKED("/", "5\r\n12345\r\n6\r\n678901\r\n0\r\n\r\n"));
        assert_int_equal(r.requests_ended, 1 + 4 * (unsigned)in_between);
        struct reply reply;
        assert_true(reply_parse(&reply, rig_received(&c), c.in.len, false));
        assert_int_equal(reply.status, in_between ? 200 : 413);
        assert_int_equal(reply.complete, !in_between);
        reply_free(&reply);
        rig_disconnect(&c, false);
        /* later, when the head is out */
        rig_connect(&r, &c);
        rig_sends(&c, POST_CHUNKED("/", "5\r\n12345\r\n"));
        rig_sends(&c, "6\r\n678901\r\n0\r\n\r\n");
        assert_true(reply_parse(&reply, rig_received(&c), c.in.len, false));
        assert_int_equal(reply.status, 200);
        assert_false(reply.complete);
        assert_true(c.eof || c.reset);
        reply_free(&reply);
        rig_disconnect(&c, false);
        /* said before */
        rig_connect(&r, &c);
        rig_sends(&c, POST("/", 11, "12345678901"));
        expect_reply(&c, 413, "Content Too Large\n");
        rig_disconnect(&c, false);
        /* just so much */
        rig_connect(&r, &c);
        rig_sends(&c, POST("/", 10, "1234567890"));
        expect_reply(&c, 200, in_between ? "<1234567890>" : "1234567890");
        rig_disconnect(&c, false);
    }
    rig_close(&r);
}

static void
an_echo_whose_client_breaks_off_ends(void **state)
{
    struct rig r;
    struct rig_client c;

    (void)state;
    open_one(&r, acts);
    act = echoes;
    for (int how = 0; how < 4; how++) {
        rig_connect(&r, &c);
        rig_sends(&c, how & 1 ? POST("/", 10, "12345") : POST_CHUNKED("/", "5\r\n12345\r\n"));
        if (how & 2) {
            rig_disconnect(&c, true);
        } else {
            rig_shutdown(&c);
            struct reply reply;
            assert_true(reply_parse(&reply, rig_received(&c), c.in.len, false));
            assert_string_equal(reply.body.p, "12345");
            assert_false(reply.complete);
            assert_true(c.eof || c.reset);
            reply_free(&reply);
        }
        assert_int_equal(r.requests_ended, how + 1);
        rig_disconnect(&c, false);
    }
    rig_close(&r);
}

/* --- immediate --- */

static int
reads_now(ec_httpsrv_session *s)
{
    calls++;
    last_err = ec_httpsrv_response_io(s, io, 1);
    if (last_err == EAGAIN) {
        assert_int_equal(ec_httpsrv_session_suspend(s), 0);
        return ASYNC;
    }
    return DONE;
}

static void
immediate_on_a_pipe_that_delivers_in_pieces(void **state)
{
    struct rig r;
    struct rig_client c;
    io_object *writer;

    (void)state;
    open_one(&r, acts);
    act = reads_now;
    calls = 0;
    assert_int_equal(hs_io_pipe(&io, &writer), 0);
    rig_connect(&r, &c);
    rig_sends(&c, GET("/"));
    for (int i = 1; i < 6; i++) {
        assert_int_equal(calls, i);
        assert_int_equal(last_err, EAGAIN);
        assert_int_equal(io_wrapper_write(writer, "piece ", 6), 6);
        rig_settle(&r);
        expect_nothing(&c); /* suspending sends nothing */
    }
    io_wrapper_delref(writer);
    rig_settle(&r);
    assert_int_equal(last_err, 0);
    expect_reply(&c, 200, "piece piece piece piece piece ");
    io_wrapper_delref(io);
    rig_disconnect(&c, false);
    rig_close(&r);
}

static int
reads_now_and_says(ec_httpsrv_session *s)
{
    (void)reads_now(s);
    return last_err == EAGAIN ? ASYNC : DONE;
}

static void
ruling_05_immediate_past_the_limit_gives_EMSGSIZE(void **state)
{
    struct hs_limits l;
    struct rig r;

    (void)state;
    hs_limits_default(&l);
    l.response_buffer_max = 100000;
    open_one_with(&r, acts, &l, NULL);
    act = reads_now_and_says;
    static const struct {
        size_t size;
        int err;
    } cases[] = { { 99999, 0 }, { 100000, 0 }, { 100001, EMSGSIZE }, { 500000, EMSGSIZE } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        io = source_open(&src, r.loop, NULL);
        source_allow(&src, cases[i].size);
        source_end(&src, 0);
        (void)rig_exchange(&r, GET("/"));
        assert_int_equal(last_err, cases[i].err);
        assert_true(src.pos <= 100001);
        io_wrapper_delref(io);
    }
    rig_close(&r);
}

static void
immediate_gives_the_errors_of_its_io(void **state)
{
    struct rig r;

    (void)state;
    open_one(&r, acts);
    act = reads_now_and_says;
    io = source_open(&src, r.loop, "some");
    source_allow(&src, 4);
    source_end(&src, EIO);
    assert_non_null(strstr(rig_exchange(&r, GET("/")), "\r\n\r\nsome"));
    assert_int_equal(last_err, EIO);
    assert_int_equal(hs_io_claim(io), 0);
    (void)rig_exchange(&r, GET("/"));
    assert_int_equal(last_err, EBUSY);
    hs_io_release(io);
    io_wrapper_delref(io);
    /* somebody else waits for the io: there is no waking, so there is no EAGAIN either */
    io = source_open(&src, r.loop, "");
    assert_int_equal(io_wrapper_wait(io, IO_WAIT_READ, ready, NULL), 0);
    (void)rig_exchange(&r, GET("/"));
    assert_int_equal(last_err, EBUSY);
    assert_int_equal(io_wrapper_wait(io, IO_WAIT_READ, NULL, NULL), 0);
    io_wrapper_delref(io);
    rig_close(&r);
}

/* --- an io whose reads come back to the session --- */

static int what;

static void
comes_back(struct source *s)
{
    string *str;

    if (s->reads != 2) {
        return;
    }
    switch (what) {
    case 0: (void)ec_httpsrv_response_append(held, "+", 1); break;
    case 1: (void)ec_httpsrv_response_flush(held, 0); break;
    case 2: (void)ec_httpsrv_response_flush(held, 1); break;
    case 3:
        str = ec_string_new();
        (void)ec_httpsrv_response_string(held, str);
        ec_string_free(str);
        break;
    case 4: (void)hs_session_response_reset(held); break;
    case 5: hs_session_fail(held, 503); break;
    case 6: (void)ec_httpsrv_session_resume(held, 0); break;
    case 7: (void)ec_httpsrv_session_resume(held, 1); break;
    case 8: (void)ec_httpsrv_response_io(held, s->io, 1); break;
    default: break;
    }
}

static int
streams_what_comes_back(ec_httpsrv_session *s)
{
    if (calls++ > 0) {
        return DONE;
    }
    io_object *o = source_open(&src, hs_loop_current(), NULL);
    src.on_read = comes_back;
    src.step = 100;
    held = s;
    assert_int_equal(ec_httpsrv_response_append(s, "first,", 6), 0);
    assert_int_equal(ec_httpsrv_response_io(s, o, 0), 0);
    io_wrapper_delref(o);
    if (last_err) {
        (void)ec_httpsrv_response_flush(s, 0);
    }
    assert_int_equal(ec_httpsrv_session_suspend(s), 0);
    return ASYNC;
}

static void
an_io_may_come_back_to_the_session_from_its_reads(void **state)
{
    struct rig r;

    (void)state;
    open_one(&r, acts);
    act = streams_what_comes_back;
    for (last_err = 0; last_err < 2; last_err++) { /* before the head, after it */
        for (what = 0; what < 9; what++) {
            struct rig_client c;
            unsigned ended = r.requests_ended;
            calls = 0;
            rig_connect(&r, &c);
            rig_sends(&c, GET("/"));
            source_allow(&src, 1000);
            rig_settle(&r);
            (void)ec_httpsrv_session_resume(held, 1);
            rig_settle(&r);
            if (!src.closed) {
                source_end(&src, 0);
                rig_settle(&r);
            }
            assert_true(src.closed);
            assert_int_equal(r.requests_ended, ended + 1);
            struct reply reply;
            assert_true(reply_parse(&reply, rig_received(&c), c.in.len, false));
            assert_true(reply.complete || c.eof || c.reset);
            reply_free(&reply);
            rig_disconnect(&c, false);
        }
    }
    rig_close(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ruling_05_a_response_owns_its_io_until_it_is_drained),
        cmocka_unit_test(ruling_05_a_stream_is_claimed_as_long_as_it_runs),
        cmocka_unit_test(ruling_05_the_reference_is_dropped_however_the_request_ends),
        cmocka_unit_test(ruling_05_the_body_of_the_request_may_be_the_response),
        cmocka_unit_test(an_echo_of_too_much_is_refused_or_aborted),
        cmocka_unit_test(an_echo_whose_client_breaks_off_ends),
        cmocka_unit_test(immediate_on_a_pipe_that_delivers_in_pieces),
        cmocka_unit_test(ruling_05_immediate_past_the_limit_gives_EMSGSIZE),
        cmocka_unit_test(immediate_gives_the_errors_of_its_io),
        cmocka_unit_test(an_io_may_come_back_to_the_session_from_its_reads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
