/* test_session_spool.c - the request's content spooled: in memory, in a file, on a full disk, out of the page cache. */
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "session_test.h"

enum { KB = 1024, MB = 1024 * KB };

static int (*act)(ec_httpsrv_session *s);
static int calls, last_err;
static const char *want_string;

static int
acts(ec_httpsrv_session *s)
{
    calls++;
    return act(s);
}

static int
suspend(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_session_suspend(s), 0);
    return ASYNC;
}

static char *
pattern(size_t n)
{
    char *p = malloc(n + 1);

    for (size_t i = 0; i < n; i++) {
        p[i] = source_byte(i);
    }
    p[n] = '\0';
    return p;
}

static int
spools(ec_httpsrv_session *s)
{
    char buf[16];
    io_object *a, *b;
    string *str;

    last_err = ec_httpsrv_request_data_spool(s);
    if (last_err == EAGAIN) {
        assert_int_equal(ec_httpsrv_request_data_get(s, &a), EAGAIN);
        return suspend(s);
    }
    if (last_err) {
        return DONE;
    }
    assert_int_equal(ec_httpsrv_request_data_spool(s), 0);
    assert_int_equal(ec_httpsrv_request_data_get(s, &a), 0);
    assert_int_equal(ec_httpsrv_request_data_get(s, &b), 0);
    size_t n = strlen(want_string);
    assert_int_equal(io_wrapper_get_size(a), n);
    assert_int_equal(io_wrapper_lseek(a, (off_t)n - 3, SEEK_SET), n - 3);
    assert_int_equal(io_wrapper_copy_to_buffer(a, buf, sizeof buf, sizeof buf), 3);
    assert_memory_equal(buf, want_string + n - 3, 3);
    assert_int_equal(io_wrapper_lseek(a, 0, SEEK_SET), 0);
    assert_int_equal(io_wrapper_read(a, buf, 2), 2);
    assert_memory_equal(buf, want_string, 2);
    assert_int_equal(io_wrapper_copy_to_buffer(b, buf, sizeof buf, 3), 3); /* a position of its own */
    assert_memory_equal(buf, want_string, 3);
    io_wrapper_delref(b);
    assert_int_equal(ec_httpsrv_request_data_get_string(s, &str), 0);
    assert_int_equal(str->len, n);
    assert_memory_equal(str->buffer, want_string, n);
    assert_int_equal(io_wrapper_lseek(a, 0, SEEK_SET), 0);
    assert_int_equal(ec_httpsrv_response_io(s, a, 0), 0);
    io_wrapper_delref(a);
    return DONE;
}

static int
collects_then_spools(ec_httpsrv_session *s)
{
    string *str;
    int err = ec_httpsrv_request_data_get_string(s, &str);

    if (err == EAGAIN) {
        return suspend(s);
    }
    assert_int_equal(err, 0);
    return spools(s);
}

static void
ruling_10_a_spooled_body_is_seekable_in_memory_and_in_a_file(void **state)
{
    static const size_t sizes[] = { 10, 100 * KB, MB, MB + 1, 3 * MB };
    int (*const each[])(ec_httpsrv_session *) = { spools, collects_then_spools };
    struct rig r;
    struct rig_client c;
    struct reply reply;
    char head[100];

    (void)state;
    open_one(&r, acts);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (size_t k = 0; k < 2; k++) {
            char *body = pattern(sizes[i]);
            want_string = body;
            act = each[k];
            last_err = -1;
            unsigned ended = r.requests_ended;
            rig_connect(&r, &c);
            snprintf(head, sizeof head, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", sizes[i]);
            rig_sends(&c, head);
            assert_int_equal(rig_send(&c, body, sizes[i]), sizes[i]);
            rig_await_ended(&r, ended + 1); /* what is in a file may have to be fetched */
            take_reply(&c, &reply);
            assert_int_equal(reply.body.len, sizes[i]);
            assert_memory_equal(reply.body.p, body, sizes[i]);
            reply_free(&reply);
            rig_disconnect(&c, false);
            free(body);
        }
    }
    rig_close(&r);
}

/* Takes the bytes of unnamed temporary files out of the page cache, where the file system lets it. */
static void
forget_temporary_files(void)
{
    char name[64], target[256];

    for (int fd = 0; fd < 256; fd++) {
        snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(name, target, sizeof target - 1);
        if (n > 0 && (target[n] = '\0', strstr(target, "(deleted)"))) {
            (void)fdatasync(fd);
            (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        }
    }
}

static int
spools_and_gets_string(ec_httpsrv_session *s)
{
    string *str;
    int err = ec_httpsrv_request_data_spool(s);

    if (err == 0 && last_err != 1) {
        last_err = 1;
        forget_temporary_files();
    }
    err = err ? err : ec_httpsrv_request_data_get_string(s, &str);
    if (err == EAGAIN) {
        return suspend(s);
    }
    assert_int_equal(err, 0);
    assert_int_equal(str->len, strlen(want_string));
    assert_memory_equal(str->buffer, want_string, (size_t)str->len);
    return DONE;
}

static void
what_left_the_page_cache_is_fetched_and_the_handler_called_again(void **state)
{
    struct rig r;
    struct rig_client c;
    char *body = pattern(3 * MB);

    (void)state;
    want_string = body;
    open_one(&r, acts);
    act = spools_and_gets_string;
    calls = last_err = 0;
    rig_connect(&r, &c);
    rig_sends(&c, POST("/", 3145728, ""));
    assert_int_equal(rig_send(&c, body, 3 * MB), 3 * MB);
    rig_await_ended(&r, 1);
    print_message("called %d times\n", calls);
    expect_reply(&c, 200, "");
    rig_disconnect(&c, false);
    free(body);
    rig_close(&r);
}

static int string_err;

static int
spools_then_tries_string(ec_httpsrv_session *s)
{
    string *str;
    int err = ec_httpsrv_request_data_spool(s);

    if (err == 0) {
        err = string_err = ec_httpsrv_request_data_get_string(s, &str);
    }
    if (err == EAGAIN) {
        return suspend(s);
    }
    if (err == 0) {
        assert_int_equal(str->len, strlen(want_string));
        assert_memory_equal(str->buffer, want_string, (size_t)str->len);
    }
    return DONE;
}

/* A route may take more than the server's default, or everything: then what get_string puts together has the server's limit. */
static void
a_spooled_body_comes_back_within_the_limit_of_its_route(void **state)
{
    static const struct {
        int64_t of_route;
        int err;
    } cases[] = { { MB, 0 }, { -1, EMSGSIZE } };
    struct hs_route_options o;
    struct hs_limits l;
    struct rig r;
    struct rig_client c;
    char *body = pattern(MB);

    (void)state;
    want_string = body;
    hs_limits_default(&l);
    l.max_body = 1000;
    hs_route_options_default(&o);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int chunked = 0; chunked < 2; chunked++) {
            o.max_body = cases[i].of_route;
            open_one_with(&r, acts, &l, &o);
            act = spools_then_tries_string;
            string_err = -1;
            rig_connect(&r, &c);
            rig_sends(&c, chunked ? POST_CHUNKED("/", "100000\r\n") : POST("/", 1048576, ""));
            assert_int_equal(rig_send(&c, body, MB), MB);
            rig_sends(&c, chunked ? "\r\n0\r\n\r\n" : "");
            rig_await_ended(&r, 1);
            expect_reply(&c, 200, "");
            assert_int_equal(string_err, cases[i].err);
            rig_disconnect(&c, false);
            rig_close(&r);
        }
    }
    free(body);
}

static void
threat_23_a_full_disk_gives_507_and_leaves_nothing(void **state)
{
    struct rlimit old, small;
    struct rig r;
    struct rig_client c;
    char *body = pattern(3 * MB);

    (void)state;
    want_string = body;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 100 * KB;
    open_one(&r, acts);
    act = spools;
    rig_connect(&r, &c);
    rig_sends(&c, POST("/", 3145728, ""));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    (void)rig_send(&c, body, 3 * MB);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    expect_reply(&c, 507, "Insufficient Storage\n");
    rig_disconnect(&c, false);
    assert_int_equal(r.requests_ended, 1);
    free(body);
    rig_close(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ruling_10_a_spooled_body_is_seekable_in_memory_and_in_a_file),
        cmocka_unit_test(what_left_the_page_cache_is_fetched_and_the_handler_called_again),
        cmocka_unit_test(a_spooled_body_comes_back_within_the_limit_of_its_route),
        cmocka_unit_test(threat_23_a_full_disk_gives_507_and_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
