/* test_server.c - httpsrv/server.h: a server in a C program, from start to free. Unix sockets with abstract names, a clock that
 * the test moves. */
#include "httpsrv/server.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "base/live.h"
#include "modules/listeners/httpsrv.h"
#include "server/server_int.h"

struct world {
    struct httpsrv_server *server;
    char address[64];
    int ready, ready_err, stopped;
};

static unsigned names;
static ec_httpsrv_session *held; /* suspended by a handler */
static unsigned held_calls;
static struct httpsrv_server *stop_this;

static int
hello(ec_httpsrv_session *sess)
{
    return ec_httpsrv_response_append(sess, "hello", 5) == 0 ? EC_HTTPSRV_HANDLER_DONE : -1;
}

static int
hold(ec_httpsrv_session *sess)
{
    if (held_calls++ != 0) {
        return hello(sess);
    }
    held = sess;
    assert_int_equal(ec_httpsrv_session_suspend(sess), 0);
    return EC_HTTPSRV_HANDLER_ASYNC;
}

static void
let_go(ec_httpsrv_session *sess, void *arg)
{
    (void)arg;
    assert_int_equal(ec_httpsrv_session_resume(sess, 1), 0);
}

static int
hold_until_abort(ec_httpsrv_session *sess)
{
    assert_int_equal(ec_httpsrv_session_on_abort(sess, let_go, NULL), 0);
    return hold(sess);
}

static int
stop_server(ec_httpsrv_session *sess)
{
    httpsrv_server_stop(stop_this, 1);
    return hello(sess);
}

static int
routes(void *arg)
{
    (void)arg;
    int err = ec_httpsrv_register(NULL, "GET", "/hello", ECTP_CLASS_SHORT_LIVED, NULL, hello);
    err |= ec_httpsrv_register(NULL, "GET", "/hold", ECTP_CLASS_SHORT_LIVED, NULL, hold);
    err |= ec_httpsrv_register(NULL, "GET", "/hold/abort", ECTP_CLASS_SHORT_LIVED, NULL, hold_until_abort);
    err |= ec_httpsrv_register(NULL, "GET", "/stop", ECTP_CLASS_SHORT_LIVED, NULL, stop_server);
    return err != 0 ? ENOMEM : 0;
}

static void
on_ready(void *arg, int err)
{
    struct world *w = arg;
    w->ready++;
    w->ready_err = err;
}

static void
on_stopped(void *arg)
{
    struct world *w = arg;
    w->stopped++;
}

static void
world_new(struct world *w)
{
    memset(w, 0, sizeof *w);
    (void)snprintf(w->address, sizeof w->address, "unix:@test-server-%d-%u", (int)getpid(), names++);
    assert_int_equal(httpsrv_server_new(&w->server), 0);
    hs_server_use_test_clock(w->server);
    httpsrv_server_on_load(w->server, routes, NULL);
    httpsrv_server_on_state(w->server, on_ready, on_stopped, w);
    held_calls = 0;
    held = NULL;
}

static void
turn(struct world *w)
{
    for (int i = 0; i < 8; i++) {
        assert_int_equal(hs_loop_turn(hs_server_loop(w->server), false), 0);
    }
}

static void
advance(struct world *w, int64_t ns)
{
    hs_loop_advance(hs_server_loop(w->server), ns);
    turn(w);
}

static void
start(struct world *w)
{
    assert_int_equal(httpsrv_server_set(w->server, "listen", w->address), 0);
    assert_int_equal(httpsrv_server_start(w->server, NULL), 0);
    assert_int_equal(w->ready, 0); /* told from the loop only */
    turn(w);
    assert_int_equal(w->ready, 1);
    assert_int_equal(w->ready_err, 0);
}

static void
world_free(struct world *w)
{
    httpsrv_server_free(w->server);
    assert_int_equal(hs_live_get(HS_LIVE_SESSION), 0);
    assert_int_equal(hs_live_get(HS_LIVE_CONN), 0);
}

static int
client(const struct world *w)
{
    ec_sockaddr a;
    assert_int_equal(ec_sockaddr_parse(&a, w->address), 0);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    if (connect(fd, &a.sa, a.len) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* Sends a request and returns what has come back so far. */
static const char *
get(struct world *w, int fd, const char *path)
{
    static char text[4096];
    int n = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", path);
    assert_int_equal(send(fd, text, (size_t)n, MSG_NOSIGNAL), n);
    turn(w);
    ssize_t got = read(fd, text, sizeof text - 1);
    text[got > 0 ? got : 0] = '\0';
    return text;
}

static bool
at_end(int fd)
{
    char c;
    return read(fd, &c, 1) == 0;
}

static bool
is_open(int fd)
{
    char c;
    return read(fd, &c, 1) < 0 && errno == EAGAIN;
}

static void
serves_c_handlers(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    start(&w);
    assert_string_equal(httpsrv_server_address(w.server, 0), w.address);
    assert_null(httpsrv_server_address(w.server, 1));
    assert_int_equal(hs_server_routes(w.server), 4);
    int fd = client(&w);
    const char *r = get(&w, fd, "/hello");
    assert_int_equal(strncmp(r, "HTTP/1.1 200 OK\r\n", 17), 0);
    assert_non_null(strstr(r, "\r\n\r\nhello"));
    assert_int_equal(strncmp(get(&w, fd, "/none"), "HTTP/1.1 404 ", 13), 0);
    (void)close(fd);
    world_free(&w);
}

static void
connections_wait_until_it_is_started(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    assert_int_equal(httpsrv_server_listen(w.server, w.address), 0);
    assert_string_equal(httpsrv_server_address(w.server, 0), w.address);
    int fd = client(&w);
    assert_true(fd >= 0);
    assert_int_equal(httpsrv_server_start(w.server, NULL), 0);
    assert_null(httpsrv_server_address(w.server, 1)); /* the default was not opened as well */
    turn(&w);
    assert_non_null(strstr(get(&w, fd, "/hello"), "hello"));
    (void)close(fd);
    world_free(&w);
}

static void
settings_by_name(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    assert_string_equal(httpsrv_server_error(w.server), "");
    assert_int_equal(httpsrv_server_set(w.server, "max_body", "1K"), 0);
    assert_int_equal(hs_server_settings(w.server)->max_body, 1024);
    assert_int_equal(httpsrv_server_set(w.server, "max-bodi", "1K"), ENOENT);
    assert_string_equal(httpsrv_server_error(w.server), "unknown setting 'max-bodi' (did you mean max-body?)");
    assert_int_equal(httpsrv_server_set(w.server, "max-body", "lots"), EINVAL);
    assert_string_equal(httpsrv_server_error(w.server),
                        "max-body: must be a number of bytes (suffixes K, M, G) from 0 on, or none, not 'lots'");
    assert_int_equal(httpsrv_server_config(w.server, "/no/such/config.lua"), ENOENT);
    assert_string_equal(httpsrv_server_error(w.server), "/no/such/config.lua: No such file or directory");
    assert_int_equal(httpsrv_server_set(w.server, "workers", "2"), 0);
    assert_int_equal(httpsrv_server_start(w.server, NULL), EINVAL);
    assert_non_null(strstr(httpsrv_server_error(w.server), "workers must be 0"));
    world_free(&w);
    world_new(&w);
    start(&w);
    assert_int_equal(httpsrv_server_set(w.server, "max-body", "1K"), EBUSY);
    assert_int_equal(httpsrv_server_listen(w.server, w.address), EBUSY);
    assert_int_equal(httpsrv_server_config(w.server, "x"), EBUSY);
    assert_int_equal(httpsrv_server_attach(w.server, NULL), EBUSY);
    assert_int_equal(httpsrv_server_start(w.server, NULL), EBUSY);
    world_free(&w);
}

static void
errors_at_start_say_what_is_wrong(void **state)
{
    (void)state;
    struct world w, other;
    world_new(&w);
    assert_int_equal(httpsrv_server_new(&other.server), EBUSY);
    assert_int_equal(httpsrv_server_run(w.server), EINVAL);
    assert_int_equal(httpsrv_server_listen(w.server, "nonsense"), EINVAL);
    assert_non_null(strstr(httpsrv_server_error(w.server), "'nonsense': not an address"));
    assert_int_equal(httpsrv_server_listen(w.server, w.address), 0);
    assert_int_equal(httpsrv_server_listen(w.server, w.address), EADDRINUSE);
    char text[200];
    (void)snprintf(text, sizeof text, "cannot listen at %s: the address is in use by another server", w.address);
    assert_string_equal(httpsrv_server_error(w.server), text);
    assert_int_equal(httpsrv_server_start(w.server, "/no/such/folder"), ENOENT);
    assert_string_equal(httpsrv_server_error(w.server), "cannot serve /no/such/folder: No such file or directory");
    world_free(&w);
    world_new(&w);
    assert_int_equal(httpsrv_server_listen(w.server, w.address), 0);
    assert_int_equal(httpsrv_server_start(w.server, "/dev/null"), EINVAL);
    assert_string_equal(httpsrv_server_error(w.server), "cannot serve /dev/null: not a directory or a file");
    world_free(&w);
}

static int
refuse_to_load(void *arg)
{
    (void)arg;
    return EPERM;
}

static void
what_on_load_gives_fails_the_start(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    httpsrv_server_on_load(w.server, refuse_to_load, NULL);
    assert_int_equal(httpsrv_server_set(w.server, "listen", w.address), 0);
    assert_int_equal(httpsrv_server_start(w.server, NULL), EPERM);
    assert_non_null(strstr(httpsrv_server_error(w.server), "cannot load"));
    world_free(&w);
}

static void
ruling_23_nothing_to_drain_stops_soon(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    start(&w);
    httpsrv_server_stop(w.server, 0);
    assert_int_equal(w.stopped, 0);
    turn(&w);
    assert_int_equal(w.stopped, 0);
    int fd = client(&w); /* in the grace that listeners have */
    assert_true(fd >= 0);
    const char *r = get(&w, fd, "/hello");
    assert_non_null(strstr(r, "Connection: close\r\n"));
    assert_non_null(strstr(r, "hello"));
    (void)close(fd);
    for (int i = 0; i < 20 && w.stopped == 0; i++) {
        advance(&w, 10 * HS_MSEC);
    }
    assert_int_equal(w.stopped, 1);
    assert_int_equal(client(&w), -1);
    assert_int_equal(httpsrv_server_run(w.server), 0);
    world_free(&w);
}

static void
ruling_23_idle_connections_live_until_drain_timeout(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    assert_int_equal(httpsrv_server_set(w.server, "drain-timeout", "5"), 0);
    start(&w);
    int idle = client(&w), busy = client(&w);
    assert_non_null(strstr(get(&w, idle, "/hello"), "hello"));
    assert_null(strstr(get(&w, busy, "/hello"), "Connection: close"));
    httpsrv_server_stop(w.server, 0);
    turn(&w);
    for (int i = 0; i < 100; i++) {
        advance(&w, 20 * HS_MSEC);
    }
    assert_int_equal(client(&w), -1); /* no new ones */
    assert_true(is_open(idle));
    const char *r = get(&w, busy, "/hello");
    assert_non_null(strstr(r, "Connection: close\r\n"));
    assert_non_null(strstr(r, "hello"));
    turn(&w);
    assert_true(at_end(busy));
    for (int i = 0; i < 280; i++) {
        advance(&w, 10 * HS_MSEC);
    }
    assert_true(is_open(idle));
    assert_int_equal(w.stopped, 0);
    for (int i = 0; i < 30; i++) {
        advance(&w, 10 * HS_MSEC);
    }
    assert_true(at_end(idle));
    assert_int_equal(w.stopped, 1);
    (void)close(idle);
    (void)close(busy);
    world_free(&w);
}

static void
ruling_23_requests_in_flight_are_finished(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    start(&w);
    int fd = client(&w);
    assert_string_equal(get(&w, fd, "/hold"), "");
    httpsrv_server_stop(w.server, 0);
    for (int i = 0; i < 200; i++) {
        advance(&w, 10 * HS_MSEC);
    }
    assert_int_equal(w.stopped, 0);
    assert_int_equal(ec_httpsrv_session_resume(held, 0), 0);
    turn(&w);
    char text[512];
    ssize_t n = read(fd, text, sizeof text - 1);
    assert_true(n > 0);
    text[n] = '\0';
    assert_non_null(strstr(text, "Connection: close\r\n"));
    assert_non_null(strstr(text, "hello"));
    for (int i = 0; i < 20; i++) {
        advance(&w, 10 * HS_MSEC);
    }
    assert_true(at_end(fd));
    assert_int_equal(w.stopped, 1);
    (void)close(fd);
    world_free(&w);
}

static void
ruling_23_a_second_stop_is_at_once(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    start(&w);
    int idle = client(&w), held_fd = client(&w);
    assert_non_null(strstr(get(&w, idle, "/hello"), "hello"));
    assert_string_equal(get(&w, held_fd, "/hold/abort"), "");
    httpsrv_server_stop(w.server, 0);
    advance(&w, HS_SEC);
    assert_int_equal(w.stopped, 0);
    httpsrv_server_stop(w.server, 1);
    turn(&w);
    advance(&w, 10 * HS_MSEC);
    assert_int_equal(w.stopped, 1);
    assert_true(at_end(idle));
    (void)close(idle);
    (void)close(held_fd);
    world_free(&w);
}

static void
a_handler_may_stop_the_server(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    start(&w);
    stop_this = w.server;
    int fd = client(&w);
    assert_non_null(strstr(get(&w, fd, "/stop"), "hello"));
    advance(&w, 10 * HS_MSEC);
    assert_int_equal(w.stopped, 1);
    (void)close(fd);
    world_free(&w);
}

static void
freed_in_every_state(void **state)
{
    (void)state;
    struct world w;
    world_new(&w); /* new */
    world_free(&w);
    world_new(&w); /* listening */
    assert_int_equal(httpsrv_server_listen(w.server, w.address), 0);
    world_free(&w);
    world_new(&w); /* loading */
    assert_int_equal(httpsrv_server_listen(w.server, w.address), 0);
    assert_int_equal(httpsrv_server_start(w.server, NULL), 0);
    world_free(&w);
    assert_int_equal(w.ready + w.stopped, 0);
    world_new(&w); /* serving, with a connection and a suspended handler */
    start(&w);
    int fd = client(&w);
    assert_string_equal(get(&w, fd, "/hold/abort"), "");
    world_free(&w);
    (void)close(fd);
    world_new(&w); /* draining */
    start(&w);
    fd = client(&w);
    assert_string_equal(get(&w, fd, "/hold/abort"), "");
    httpsrv_server_stop(w.server, 0);
    turn(&w);
    world_free(&w);
    (void)close(fd);
    httpsrv_server_free(NULL);
}

static void
on_attached_ready(void *arg, int err)
{
    struct world *w = arg;
    on_ready(arg, err);
    httpsrv_server_stop(w->server, 0);
}

static void
on_attached_stopped(void *arg)
{
    struct world *w = arg;
    on_stopped(arg);
    (void)event_base_loopbreak(hs_loop_base(hs_server_loop(w->server)));
}

static void
attached_to_a_base_of_the_callers(void **state)
{
    (void)state;
    struct world w;
    struct event_base *base = event_base_new();
    assert_non_null(base);
    memset(&w, 0, sizeof w);
    (void)snprintf(w.address, sizeof w.address, "unix:@test-server-%d-a", (int)getpid());
    assert_int_equal(httpsrv_server_new(&w.server), 0);
    httpsrv_server_on_load(w.server, routes, NULL);
    httpsrv_server_on_state(w.server, on_attached_ready, on_attached_stopped, &w);
    assert_int_equal(httpsrv_server_attach(w.server, base), 0);
    assert_int_equal(httpsrv_server_listen(w.server, w.address), 0);
    assert_int_equal(httpsrv_server_start(w.server, NULL), 0);
    assert_int_equal(httpsrv_server_run(w.server), EINVAL);
    assert_int_equal(event_base_dispatch(base), 0);
    assert_int_equal(w.ready, 1);
    assert_int_equal(w.stopped, 1);
    world_free(&w);
    event_base_free(base);
}

static void
requests_are_shown(void **state)
{
    (void)state;
    struct world w;
    int ends[2];
    char text[512];
    world_new(&w);
    start(&w);
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    hs_server_show_requests(w.server, ends[1]);
    int fd = client(&w);
    (void)get(&w, fd, "/hello?x=%1b");
    (void)get(&w, fd, "/none");
    ssize_t n = read(ends[0], text, sizeof text - 1);
    assert_true(n > 0);
    text[n] = '\0';
    assert_int_equal(strncmp(text, "GET /hello?x=%1b 200 5 ", 23), 0);
    char *second = strchr(text, '\n');
    assert_non_null(second);
    assert_int_equal(strncmp(second + 1, "GET /none 404 10 ", 17), 0);
    (void)close(fd);
    (void)close(ends[0]);
    world_free(&w);
    (void)close(ends[1]);
}

static void
sigpipe_is_ignored_unless_handled(void **state)
{
    (void)state;
    struct sigaction sa;
    struct world w;
    assert_true(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    world_new(&w);
    start(&w);
    assert_int_equal(sigaction(SIGPIPE, NULL, &sa), 0);
    assert_true(sa.sa_handler == SIG_IGN);
    world_free(&w);
}

static void
scenario(void *arg)
{
    const char *address = arg;
    struct httpsrv_server *s;
    int err = httpsrv_server_new(&s);
    if (err != 0) {
        assert_int_equal(err, ENOMEM);
        return;
    }
    hs_server_use_test_clock(s);
    httpsrv_server_on_load(s, routes, NULL);
    err = httpsrv_server_set(s, "listen", address);
    if (err == 0) {
        err = httpsrv_server_start(s, NULL);
    }
    assert_true(err == 0 || (err == ENOMEM && httpsrv_server_error(s)[0] != '\0'));
    if (err == 0) {
        for (int i = 0; i < 4; i++) {
            assert_int_equal(hs_loop_turn(hs_server_loop(s), false), 0);
        }
    }
    httpsrv_server_free(s);
}

static void
threat_38_each_allocation_fails_once(void **state)
{
    (void)state;
    char address[64];
    (void)snprintf(address, sizeof address, "unix:@test-server-%d-oom", (int)getpid());
    scenario(address); /* what is made once and kept */
    assert_in_range(alloc_fail_each(scenario, address), 40, 400);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(serves_c_handlers),
        cmocka_unit_test(connections_wait_until_it_is_started),
        cmocka_unit_test(settings_by_name),
        cmocka_unit_test(errors_at_start_say_what_is_wrong),
        cmocka_unit_test(what_on_load_gives_fails_the_start),
        cmocka_unit_test(ruling_23_nothing_to_drain_stops_soon),
        cmocka_unit_test(ruling_23_idle_connections_live_until_drain_timeout),
        cmocka_unit_test(ruling_23_requests_in_flight_are_finished),
        cmocka_unit_test(ruling_23_a_second_stop_is_at_once),
        cmocka_unit_test(a_handler_may_stop_the_server),
        cmocka_unit_test(freed_in_every_state),
        cmocka_unit_test(attached_to_a_base_of_the_callers),
        cmocka_unit_test(requests_are_shown),
        cmocka_unit_test(sigpipe_is_ignored_unless_handled),
        cmocka_unit_test(threat_38_each_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
