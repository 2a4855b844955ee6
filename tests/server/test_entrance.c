/* test_entrance.c - server/entrance.h: connections of a server with and without gates, from accepting to their end. */
#include "server/entrance.h"

#include "server/lifecycle.h"

#include "server_world.h"

/* A server at an address with options; settings as pairs of names and values, NULL at the end. */
static void
begin(struct world *w, const char *options, const char *const *settings)
{
    char text[160];
    world_new(w);
    (void)snprintf(text, sizeof text, "%s%s", w->address, options);
    for (; settings != NULL && *settings != NULL; settings += 2) {
        assert_int_equal(httpsrv_server_set(w->server, settings[0], settings[1]), 0);
    }
    assert_int_equal(httpsrv_server_listen(w->server, text), 0);
    assert_int_equal(httpsrv_server_start(w->server, NULL), 0);
    turn(w);
    assert_int_equal(w->ready, 1);
}

static bool
is_hello(const char *text)
{
    return strncmp(text, "HTTP/1.1 200 ", 13) == 0 && strstr(text, "\r\n\r\nhello") != NULL;
}

static void
a_limit_is_kept_until_connections_end(void **state)
{
    (void)state;
    struct world w;
    for (int whole = 0; whole <= 1; whole++) {
        begin(&w, whole ? "" : ",max-connections=2", whole ? (const char *const[]){ "max-connections", "2", NULL } : NULL);
        int fds[3] = { client(&w), client(&w), client(&w) };
        assert_true(is_hello(get(&w, fds[0], "/hello")));
        assert_true(is_hello(get(&w, fds[1], "/hello")));
        assert_string_equal(get(&w, fds[2], "/hello"), ""); /* waits */
        advance(&w, HS_SEC);
        assert_true(is_open(fds[2]));
        (void)close(fds[0]);
        turn(&w);
        turn(&w);
        char text[512];
        ssize_t n = read(fds[2], text, sizeof text - 1);
        assert_true(n > 0);
        text[n] = '\0';
        assert_true(is_hello(text));
        (void)close(fds[1]);
        (void)close(fds[2]);
        world_free(&w);
    }
}

static void
a_header_comes_before_the_protocol_and_counts_while_it_is_waited_for(void **state)
{
    (void)state;
    struct world w;
    size_t connections, requests;
    begin(&w, ",proxy", NULL);
    int fd = client(&w);
    turn(&w);
    assert_int_equal(server_entrance_waiting(w.server), 1);
    hs_server_live(w.server, &connections, &requests);
    assert_int_equal(connections, 1);
    assert_int_equal(send(fd, "PROXY TCP4 10.1.2.3 192.0.2.1 1 80\r\n", 36, 0), 36);
    assert_true(is_hello(get(&w, fd, "/hello")));
    assert_int_equal(server_entrance_waiting(w.server), 0);
    hs_server_live(w.server, &connections, &requests);
    assert_int_equal(connections, 1);
    (void)close(fd);
    world_free(&w);
}

static void
draining_waits_for_headers_and_stopping_does_not(void **state)
{
    (void)state;
    struct world w;
    for (int at_once = 0; at_once <= 1; at_once++) {
        begin(&w, ",proxy", NULL);
        int fd = client(&w);
        turn(&w);
        httpsrv_server_stop(w.server, at_once);
        advance(&w, HS_SEC);
        assert_int_equal(w.stopped, at_once);
        if (!at_once) {
            assert_int_equal(send(fd, "PROXY UNKNOWN\r\n", 15, 0), 15);
            const char *text = get(&w, fd, "/hello");
            assert_true(is_hello(text));
            assert_non_null(strstr(text, "Connection: close"));
            turn(&w);
            advance(&w, HS_SEC);
            assert_int_equal(w.stopped, 1);
        }
        assert_true(at_end(fd));
        (void)close(fd);
        world_free(&w);
    }
}

static void
released_listeners_are_closed_and_connections_drained(void **state)
{
    (void)state;
    struct world w;
    begin(&w, "", NULL);
    int before = client(&w);
    assert_true(is_hello(get(&w, before, "/hello")));
    hs_server_release(w.server);
    advance(&w, HS_MSEC);
    assert_int_equal(client(&w), -1); /* nobody else has this one's socket */
    const char *text = get(&w, before, "/hello");
    assert_true(is_hello(text) && strstr(text, "Connection: close") != NULL);
    advance(&w, HS_SEC);
    assert_int_equal(w.stopped, 1);
    (void)close(before);
    world_free(&w);
}

static void
settings_of_the_process_are_not_for_programs(void **state)
{
    (void)state;
    struct httpsrv_server *s;
    assert_int_equal(httpsrv_server_new(&s), 0);
    assert_int_equal(httpsrv_server_set(s, "user", "nobody"), EINVAL);
    assert_non_null(strstr(httpsrv_server_error(s), "httpsrv serve"));
    assert_int_equal(httpsrv_server_set(s, "group", "nogroup"), EINVAL);
    assert_int_equal(httpsrv_server_set(s, "pid-file", "/tmp/pid"), EINVAL);
    assert_int_equal(httpsrv_server_set(s, "deny", "10.0.0.0/8"), 0);
    httpsrv_server_free(s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_limit_is_kept_until_connections_end),
        cmocka_unit_test(a_header_comes_before_the_protocol_and_counts_while_it_is_waited_for),
        cmocka_unit_test(draining_waits_for_headers_and_stopping_does_not),
        cmocka_unit_test(released_listeners_are_closed_and_connections_drained),
        cmocka_unit_test(settings_of_the_process_are_not_for_programs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
