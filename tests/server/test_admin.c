/* test_admin.c - server/admin.h, admin_events.h: the admin listener of a server in one process. Masters, browsers and bounds are in tests/acceptance/admin.py. */
#include "server/admin.h"

#include <sys/stat.h>
#include <sys/un.h>

#include "server/admin_events.h"
#include "server/lifecycle.h"
#include "server_world.h"

static char dir[] = "/tmp/test_admin_XXXXXX";
static char address[96];

static int
connect_admin(void)
{
    ec_sockaddr a;
    assert_int_equal(ec_sockaddr_parse(&a, address), 0);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(connect(fd, &a.sa, a.len), 0);
    return fd;
}

static void
admin_world(struct world *w)
{
    world_new(w);
    assert_int_equal(httpsrv_server_set(w->server, "admin", address), 0);
    start(w);
}

static void
every_path_has_its_answer(void **state)
{
    (void)state;
    struct world w;
    struct stat st;
    admin_world(&w);
    assert_int_equal(stat(address + 5, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    int fd = client(&w), a = connect_admin();
    assert_non_null(strstr(get(&w, fd, "/hello"), "hello"));
    assert_non_null(strstr(get(&w, fd, "/metrics"), "404"));
    assert_non_null(strstr(get(&w, a, "/health"), "alive"));
    const char *text = get(&w, a, "/ready");
    assert_non_null(strstr(text, "HTTP/1.1 200 "));
    assert_non_null(strstr(text, "Cache-Control: no-store\r\n"));
    assert_non_null(strstr(get(&w, a, "/status"), "\"2xx\":1,\"3xx\":0,\"4xx\":1,"));
    text = get(&w, a, "/metrics");
    assert_non_null(strstr(text, "Content-Type: text/plain; version=0.0.4"));
    assert_non_null(strstr(text, "httpsrv_requests_total{class=\"4xx\"} 1\n"));
    (void)close(a);
    a = connect_admin();
    assert_non_null(strstr(get(&w, a, "/"), "Content-Security-Policy: default-src 'none'; "));
    (void)close(a);
    a = connect_admin();
    assert_non_null(strstr(get(&w, a, "/other"), "404"));
    httpsrv_server_stop(w.server, 0);
    turn(&w);
    assert_non_null(strstr(get(&w, a, "/ready"), "503"));
    assert_non_null(strstr(get(&w, a, "/health"), "alive"));
    (void)close(a);
    (void)close(fd);
    world_free(&w);
    assert_int_equal(access(address + 5, F_OK), -1);
}

static void
events_come_once_a_second_to_so_many(void **state)
{
    (void)state;
    struct world w;
    int fds[HS_ADMIN_STREAMS_MAX];
    admin_world(&w);
    for (int i = 0; i < HS_ADMIN_STREAMS_MAX; i++) {
        fds[i] = connect_admin();
        assert_non_null(strstr(get(&w, fds[i], "/events"), "\r\nretry: 2000\ndata: {\"version\""));
    }
    int more = connect_admin();
    const char *text = get(&w, more, "/events");
    assert_non_null(strstr(text, "HTTP/1.1 503 "));
    assert_non_null(strstr(text, "Retry-After: "));
    char event[65536];
    while (read(fds[0], event, sizeof event) > 0) {
    }
    advance(&w, HS_SEC);
    ssize_t n = read(fds[0], event, sizeof event - 1);
    assert_true(n > 0);
    event[n] = '\0';
    assert_non_null(strstr(event, "data: {\"version\""));
    assert_non_null(strstr(event, "\"sessions\":[]}\n\n"));
    assert_true(read(fds[0], event, sizeof event) < 0);
    (void)close(fds[1]);
    turn(&w);
    (void)close(more);
    more = connect_admin();
    assert_non_null(strstr(get(&w, more, "/events"), "HTTP/1.1 200 "));
    (void)close(more);
    world_free(&w); /* with all of them open */
    for (int i = 0; i < HS_ADMIN_STREAMS_MAX; i++) {
        if (i != 1) {
            assert_true(read(fds[i], event, sizeof event) >= 0 || errno == ECONNRESET);
            (void)close(fds[i]);
        }
    }
}

static void
who_does_not_read_misses_events(void **state)
{
    (void)state;
    struct world w;
    admin_world(&w);
    int fd = connect_admin(), size = 4096;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    (void)get(&w, fd, "/events");
    for (int i = 0; i < 20; i++) {
        advance(&w, HS_SEC);
    }
    assert_int_equal(hs_live_get(HS_LIVE_CONN), 1); /* it is in no hurry yet */
    for (int i = 0; i < 3000 && hs_live_get(HS_LIVE_CONN) != 0; i++) {
        advance(&w, HS_SEC);
    }
    assert_int_equal(hs_live_get(HS_LIVE_CONN), 0); /* the write time-out has struck */
    (void)close(fd);
    world_free(&w);
}

static void
hosts_are_judged(void **state)
{
    (void)state;
    static const char *const good[] = { "127.0.0.1", "127.0.0.1:9180", "[::1]", "[::1]:80", "10.1.2.3:1", "localhost", "LOCALHOST:80", "me.example", "Me.Example:1" };
    static const char *const bad[] = { "evil.example", "", ":80", "127.0.0.1.evil.example", "localhost.evil.example", "[::1", "[evil]:80", "1", "me.example.org",
                                       "127.0.0.1x:80", "unix:/x" };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(hs_admin_host_allowed(hs_view_of(good[i]), HS_VIEW("me.example")));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(hs_admin_host_allowed(hs_view_of(bad[i]), HS_VIEW("me.example")));
    }
    assert_false(hs_admin_host_allowed(HS_VIEW("me.example"), HS_VIEW("")));
}

static void
bad_addresses_are_refused_with_a_reason(void **state)
{
    (void)state;
    static const struct {
        const char *value, *why;
    } cases[] = {
        { "nowhere", "admin: cannot listen at 'nowhere'" },
        { "127.0.0.1:0,allow=127.0.0.1", "of the options only mode and backlog" },
        { "unix:/tmp/x.admin", "admin: the directory of unix:/tmp/x.admin must be one's own" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world w;
        world_new(&w);
        assert_int_equal(httpsrv_server_set(w.server, "listen", w.address), 0);
        assert_int_equal(httpsrv_server_set(w.server, "admin", cases[i].value), 0);
        assert_int_not_equal(httpsrv_server_start(w.server, NULL), 0);
        if (strstr(httpsrv_server_error(w.server), cases[i].why) == NULL) {
            fail_msg("%s", httpsrv_server_error(w.server));
        }
        world_free(&w);
    }
}

static int
make_dir(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL) {
        return -1;
    }
    (void)snprintf(address, sizeof address, "unix:%s/admin", dir);
    return 0;
}

static int
remove_dir(void **state)
{
    (void)state;
    return rmdir(dir);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_path_has_its_answer),
        cmocka_unit_test(events_come_once_a_second_to_so_many),
        cmocka_unit_test(who_does_not_read_misses_events),
        cmocka_unit_test(hosts_are_judged),
        cmocka_unit_test(bad_addresses_are_refused_with_a_reason),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
