/* test_session_pump.c - content at the client's pace: shares of a turn, marks, memory, files that change under way. */
#include <sys/mman.h>
#include <unistd.h>

#include "session_test.h"

enum { KB = 1024, MB = 1024 * KB };

/* There under AddressSanitizer only. */
extern size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static int (*act)(ec_httpsrv_session *s);
static ec_httpsrv_session *held;
static struct source src;
static io_object *file;
static int fd;

static int
acts(ec_httpsrv_session *s)
{
    held = s;
    return act(s);
}

/* A file in memory of n bytes as source_byte says, and an io on it. */
static void
make_file(size_t n)
{
    fd = memfd_create("test", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)n), 0);
    char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(p, MAP_FAILED);
    for (size_t i = 0; i < n; i++) {
        p[i] = source_byte(i);
    }
    munmap(p, n);
    file = io_wrapper_fdopen(dup(fd));
    assert_non_null(file);
}

static void
drop_file(void)
{
    io_wrapper_delref(file);
    close(fd);
}

static int
gives_source(ec_httpsrv_session *s)
{
    io_object *io = source_open(&src, hs_loop_current(), NULL);

    source_allow(&src, SIZE_MAX / 2);
    assert_int_equal(ec_httpsrv_response_io(s, io, 0), 0);
    io_wrapper_delref(io);
    return DONE;
}

static int
gives_a_silent_source(ec_httpsrv_session *s)
{
    io_object *io = source_open(&src, hs_loop_current(), "");

    assert_int_equal(ec_httpsrv_response_io(s, io, 0), 0);
    io_wrapper_delref(io);
    return DONE;
}

static int
suspends(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_session_suspend(s), 0);
    return ASYNC;
}

static int
gives_file(ec_httpsrv_session *s)
{
    io_object *io = io_wrapper_clone(file);

    assert_non_null(io);
    assert_int_equal(ec_httpsrv_response_io(s, io, 0), 0);
    io_wrapper_delref(io);
    return DONE;
}

static int
gives_file_chunked(ec_httpsrv_session *s)
{
    (void)ec_httpsrv_response_flush(s, 0);
    return gives_file(s);
}

static int
gives_what_shrinks(ec_httpsrv_session *s)
{
    io_object *io = source_open(&src, hs_loop_current(), NULL);

    src.size = MB;
    source_allow(&src, 500000);
    source_end(&src, 0);
    assert_int_equal(ec_httpsrv_response_io(s, io, 0), 0);
    io_wrapper_delref(io);
    return DONE;
}

static int
gives_what_shrinks_chunked(ec_httpsrv_session *s)
{
    (void)ec_httpsrv_response_flush(s, 0);
    return gives_what_shrinks(s);
}

static int
gives_memory(ec_httpsrv_session *s)
{
    static char much[MB];
    io_object *io = io_wrapper_open_memory(much, sizeof much, MEMTYPE_DONTCARE);

    assert_int_equal(ec_httpsrv_response_io(s, io, 0), 0);
    io_wrapper_delref(io);
    return DONE;
}

static int
gives_bytes(ec_httpsrv_session *s)
{
    static char much[MB];

    assert_int_equal(ec_httpsrv_response_append(s, much, sizeof much), 0);
    return DONE;
}

static int
gives_a_word(ec_httpsrv_session *s)
{
    return ec_httpsrv_response_append(s, "word", 4);
}

/* --- shares of a turn --- */

static void
no_session_sends_more_in_a_turn_than_its_share(void **state)
{
    enum { SHARE = 20000 };
    int (*const each[])(ec_httpsrv_session *) = { gives_source, gives_memory, gives_bytes, gives_file };
    struct hs_limits l;
    struct rig r;
    struct rig_client c, d;

    (void)state;
    make_file(MB);
    hs_limits_default(&l);
    l.turn_bytes = SHARE;
    rig_open_with(&r, &l, NULL);
    rig_route(&r, NULL, "/much", acts, NULL);
    rig_route(&r, NULL, "/word", gives_a_word, NULL);
    rig_start(&r);
    r.pair.capacity = 2 * MB;
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        act = each[i];
        rig_connect(&r, &c);
        rig_connect(&r, &d);
        const struct iovec much = { (void *)(uintptr_t)GET("/much"), sizeof GET("/much") - 1 };
        const struct iovec word = { (void *)(uintptr_t)GET("/word"), sizeof GET("/word") - 1 };
        assert_int_equal(c.t->ops->writev(c.t, &much, 1, false), much.iov_len);
        assert_int_equal(d.t->ops->writev(d.t, &word, 1, false), word.iov_len);
        size_t before = 0;
        unsigned turns = 0;
        while (c.in.len < MB / 2 && turns < 1000) {
            rig_turns(&r, 1);
            /* each turn of the client's takes what came in the one before; the content is framed in chunks at most once a share */
            assert_true(c.in.len - before <= 2 * SHARE + 1000);
            before = c.in.len;
            turns++;
            if (turns == 5) {
                expect_reply(&d, 200, "word"); /* served meanwhile */
            }
        }
        assert_true(turns >= MB / 2 / (2 * SHARE) && turns < 1000);
        rig_disconnect(&c, true);
        rig_disconnect(&d, false);
    }
    drop_file();
    rig_close(&r);
}

/* --- marks --- */

static void
threat_19_a_source_is_not_read_past_the_mark(void **state)
{
    enum { CAPACITY = 10000, HIGH = 100000, READ = 64 * KB };
    struct hs_limits l;
    struct rig r;
    struct rig_client c;

    (void)state;
    hs_limits_default(&l);
    l.response_high = HIGH;
    l.response_low = HIGH / 4;
    open_one_with(&r, acts, &l, NULL);
    r.pair.capacity = CAPACITY;
    act = gives_source;
    rig_connect(&r, &c);
    rig_read_on(&c, false);
    rig_sends(&c, GET("/"));
    assert_true(src.pos <= CAPACITY + HIGH + READ);
    size_t stalled = src.pos;
    for (int i = 0; i < 100; i++) {
        size_t before = c.in.len;
        assert_int_equal(rig_read(&c, 50000), 50000);
        rig_settle(&r);
        assert_true(src.pos <= c.in.len + CAPACITY + HIGH + READ);
        assert_true(src.pos >= before); /* and it goes on */
    }
    assert_true(src.pos > stalled + 4000000);
    rig_disconnect(&c, true);
    assert_true(src.closed);
    rig_close(&r);
}

static void
threat_19_stalled_clients_cost_little(void **state)
{
    enum { CLIENTS = 500 };
    static struct rig_client c[CLIENTS];
    static const struct {
        int (*act)(ec_httpsrv_session *s);
        size_t each; /* bytes that one may cost */
    } cases[] = { { gives_file, 8 * KB }, { gives_memory, 24 * KB } };
    struct rig r;

    (void)state;
    if (!__sanitizer_get_current_allocated_bytes) {
        skip();
    }
    make_file(4 * MB);
    open_one(&r, acts);
    r.pair.capacity = 4096;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        act = cases[i].act;
        for (int k = 0; k < CLIENTS; k++) {
            rig_connect(&r, &c[k]);
            rig_read_on(&c[k], false);
        }
        size_t before = __sanitizer_get_current_allocated_bytes();
        for (int k = 0; k < CLIENTS; k++) {
            rig_sends(&c[k], GET("/"));
        }
        size_t after = __sanitizer_get_current_allocated_bytes();
        print_message("%zu bytes for a stalled client\n", (after - before) / CLIENTS);
        assert_true(after - before < CLIENTS * cases[i].each);
        assert_int_equal(hs_session_env_live(r.env), CLIENTS);
        for (int k = 0; k < CLIENTS; k++) {
            rig_disconnect(&c[k], true);
        }
    }
    drop_file();
    rig_close(&r);
}

/* --- files that change --- */

static void
threat_30_a_file_that_shrinks_aborts_its_response(void **state)
{
    static const struct {
        size_t size, left;
        int (*act)(ec_httpsrv_session *s);
        const char *request;
    } cases[] = {
        { MB, 100, gives_file, GET("/") },
        { MB, 0, gives_file, GET("/") },
        { MB, 500000, gives_file, GET("/") },
        { MB, 500000, gives_file, "GET / HTTP/1.0\r\n\r\n" },
        { MB, 100, gives_file_chunked, GET("/") },
        { MB, 500000, gives_file_chunked, GET("/") },
        { MB, 500000, gives_file_chunked, "GET / HTTP/1.0\r\n\r\n" },
        { MB, 500000, gives_what_shrinks, GET("/") }, /* read, not sent by sendfile */
        { MB, 500000, gives_what_shrinks_chunked, GET("/") },
    };
    struct rig r;
    struct rig_client c;
    struct reply reply;

    (void)state;
    open_one(&r, acts);
    r.pair.capacity = 5000;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        make_file(cases[i].size);
        act = cases[i].act;
        unsigned ended = r.requests_ended;
        rig_connect(&r, &c);
        rig_read_on(&c, false);
        rig_sends(&c, cases[i].request);
        (void)rig_read(&c, 3000);
        assert_int_equal(ftruncate(fd, (off_t)cases[i].left), 0);
        rig_read_on(&c, true);
        rig_await_ended(&r, ended + 1);
        assert_true(reply_parse(&reply, rig_received(&c), c.in.len, false));
        assert_false(reply.complete);
        assert_true(c.reset || (c.eof && reply.end != REPLY_CLOSE));
        assert_true(reply.body.len < cases[i].size);
        for (size_t k = 0; k < reply.body.len; k++) {
            assert_int_equal(reply.body.p[k], source_byte(k));
        }
        reply_free(&reply);
        rig_disconnect(&c, false);
        drop_file();
    }
    rig_close(&r);
}

static void
a_file_that_grows_is_sent_as_it_was(void **state)
{
    int (*const each[])(ec_httpsrv_session *) = { gives_file, gives_file_chunked };
    static const size_t sizes[] = { 30000, MB };
    struct rig r;
    struct rig_client c;
    struct reply reply;

    (void)state;
    open_one(&r, acts);
    r.pair.capacity = 5000;
    for (size_t i = 0; i < 4; i++) {
        make_file(sizes[i & 1]);
        act = each[i >> 1];
        unsigned ended = r.requests_ended;
        rig_connect(&r, &c);
        rig_read_on(&c, false);
        rig_sends(&c, GET("/"));
        (void)rig_read(&c, 3000);
        assert_int_equal(ftruncate(fd, 2 * MB), 0);
        rig_read_on(&c, true);
        rig_await_ended(&r, ended + 1);
        take_reply(&c, &reply);
        assert_int_equal(reply.body.len, sizes[i & 1]);
        reply_free(&reply);
        rig_disconnect(&c, false);
        drop_file();
    }
    rig_close(&r);
}

static void
a_file_arrives_whole_over_a_socket_and_in_pieces(void **state)
{
    struct rig r;
    struct rig_client c;
    struct reply reply;

    (void)state;
    make_file(3 * MB + 17);
    open_one(&r, acts);
    for (int how = 0; how < 6; how++) {
        act = how & 1 ? gives_file_chunked : gives_file;
        unsigned ended = r.requests_ended;
        r.pair = (struct hs_memory_pair_options){ .write_max = how & 2 ? 999 : 0 };
        (how & 4 ? rig_connect_socket : rig_connect)(&r, &c);
        rig_sends(&c, GET("/"));
        rig_await_ended(&r, ended + 1);
        take_reply(&c, &reply);
        assert_int_equal(reply.body.len, 3 * MB + 17);
        for (size_t k = 0; k < reply.body.len; k++) {
            if (reply.body.p[k] != source_byte(k)) {
                fail_msg("byte %zu", k);
            }
        }
        reply_free(&reply);
        rig_disconnect(&c, false);
    }
    drop_file();
    rig_close(&r);
}

/* --- two sources behind each other, of which the first has a wake-up under way when it ends --- */

static struct source second;

static int
gives_two(ec_httpsrv_session *s)
{
    io_object *a = source_open(&src, hs_loop_current(), NULL), *b = source_open(&second, hs_loop_current(), NULL);

    assert_int_equal(ec_httpsrv_response_io(s, a, 0), 0);
    assert_int_equal(ec_httpsrv_response_io(s, b, 0), 0);
    io_wrapper_delref(a);
    io_wrapper_delref(b);
    assert_int_equal(ec_httpsrv_session_suspend(s), 0);
    return ASYNC;
}

static int
is_woken(ec_httpsrv_session *s)
{
    return ec_httpsrv_response_append(s, "!", 1);
}

static void
a_source_that_has_left_the_queue_is_not_waited_for(void **state)
{
    struct rig r;
    struct rig_client c;

    (void)state;
    open_one(&r, acts);
    act = gives_two;
    rig_connect(&r, &c);
    rig_sends(&c, GET("/"));
    assert_non_null(src.wait_fn);
    src.allowed = 5; /* there, but nobody has been told */
    src.ended = true;
    assert_int_equal(ec_httpsrv_response_flush(held, 0), EAGAIN); /* finds it by itself */
    rig_settle(&r);
    assert_true(src.closed);
    assert_null(src.wait_fn);
    assert_non_null(second.wait_fn);
    act = is_woken; /* by the flush, when all is sent */
    source_allow(&second, 3);
    source_end(&second, 0);
    rig_settle(&r);
    expect_reply(&c, 200, "abcdeabc!");
    rig_disconnect(&c, false);
    rig_close(&r);
}

/* A flush finds the end of a response whose handler has returned; as many structs are kept for reuse already as will be. */
static void
a_flush_that_ends_the_request_leaves_its_session_alone(void **state)
{
    enum { MANY = 1025 };
    static ec_httpsrv_session *waiting[MANY];
    static struct rig_client others[MANY];
    struct rig r;
    struct rig_client c;

    (void)state;
    open_one(&r, acts);
    rig_connect(&r, &c);
    act = gives_a_silent_source;
    (void)rig_sends(&c, GET("/"));
    rig_settle(&r);
    ec_httpsrv_session *sending = held;
    act = suspends;
    for (unsigned i = 0; i < MANY; i++) {
        rig_connect(&r, &others[i]);
        (void)rig_sends(&others[i], GET("/"));
        rig_turns(&r, 2);
        waiting[i] = held;
    }
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(ec_httpsrv_session_resume(waiting[i], 1), 0);
    }
    rig_settle(&r);
    src.ended = true;
    assert_int_equal(ec_httpsrv_response_flush(sending, 0), 0);
    rig_settle(&r);
    for (unsigned i = 0; i < MANY; i++) {
        rig_disconnect(&others[i], false);
    }
    rig_disconnect(&c, false);
    rig_close(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_session_sends_more_in_a_turn_than_its_share),
        cmocka_unit_test(threat_19_a_source_is_not_read_past_the_mark),
        cmocka_unit_test(threat_19_stalled_clients_cost_little),
        cmocka_unit_test(threat_30_a_file_that_shrinks_aborts_its_response),
        cmocka_unit_test(a_file_that_grows_is_sent_as_it_was),
        cmocka_unit_test(a_file_arrives_whole_over_a_socket_and_in_pieces),
        cmocka_unit_test(a_source_that_has_left_the_queue_is_not_waited_for),
        cmocka_unit_test(a_flush_that_ends_the_request_leaves_its_session_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
