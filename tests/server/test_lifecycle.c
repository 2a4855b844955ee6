/* test_lifecycle.c - server/lifecycle.h: draining, stopping, freeing. */
#include "server/lifecycle.h"

#include <event2/event.h>

#include "server_world.h"

/* proves: httpsrv_server_stop */
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

/* proves: httpsrv_server_stop */
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

/* proves: httpsrv_server_free */
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

/* proves: httpsrv_server_run */
static void
it_runs_until_it_has_stopped(void **state)
{
    (void)state;
    struct world w;
    memset(&w, 0, sizeof w);
    (void)snprintf(w.address, sizeof w.address, "unix:@test-server-%d-r", (int)getpid());
    assert_int_equal(httpsrv_server_new(&w.server), 0);
    httpsrv_server_on_state(w.server, on_attached_ready, on_stopped, &w);
    assert_int_equal(httpsrv_server_listen(w.server, w.address), 0);
    assert_int_equal(httpsrv_server_start(w.server, NULL), 0);
    assert_int_equal(w.ready, 0);
    assert_int_equal(httpsrv_server_run(w.server), 0);
    assert_int_equal(w.ready, 1);
    assert_int_equal(w.stopped, 1);
    world_free(&w);
}

static void
on_attached_stopped(void *arg)
{
    struct world *w = arg;
    on_stopped(arg);
    (void)event_base_loopbreak(hs_loop_base(hs_server_loop(w->server)));
}

/* proves: httpsrv_server_attach, httpsrv_server_on_state */
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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ruling_23_nothing_to_drain_stops_soon),
        cmocka_unit_test(ruling_23_idle_connections_live_until_drain_timeout),
        cmocka_unit_test(ruling_23_requests_in_flight_are_finished),
        cmocka_unit_test(ruling_23_a_second_stop_is_at_once),
        cmocka_unit_test(a_handler_may_stop_the_server),
        cmocka_unit_test(freed_in_every_state),
        cmocka_unit_test(it_runs_until_it_has_stopped),
        cmocka_unit_test(attached_to_a_base_of_the_callers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
