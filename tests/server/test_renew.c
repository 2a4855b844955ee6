/* test_renew.c - server/renew.h: a server whose settings are read again when it reloads. */
#include "server/renew.h"

#include "alloc_fail.h"
#include "base/log.h"
#include "bindings/memory.h"
#include "scripts_world.h"
#include "server/error_log.h"
#include "server/lifecycle.h"

static const char *
path(const char *name)
{
    static char text[4][256];
    static unsigned k;
    char *p = text[k++ % 4];

    snprintf(p, sizeof text[0], "%s/%s", dir, name);
    return p;
}

static void
config(const char *text)
{
    FILE *f = fopen(path("config.lua"), "we");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static const char *
content(const char *name)
{
    static char text[65536];
    FILE *f = fopen(path(name), "re");
    size_t n = f != NULL ? fread(text, 1, sizeof text - 1, f) : 0;

    text[n] = '\0';
    if (f != NULL) {
        (void)fclose(f);
    }
    return text;
}

static int
read_body(ec_httpsrv_session *sess)
{
    string *body = NULL;
    int err = ec_httpsrv_request_data_get_string(sess, &body);

    if (err == EAGAIN) {
        return EC_HTTPSRV_HANDLER_ASYNC;
    }
    return err != 0 ? -1 : hello(sess);
}

static int
more_routes(void *arg)
{
    return routes(arg) != 0 || ec_httpsrv_register(NULL, "POST", "/body", ECTP_CLASS_SHORT_LIVED, NULL, read_body) != 0 ? ENOMEM : 0;
}

/* A server that has read config.lua; text NULL: none. */
static void
make(struct world *w, const char *text)
{
    world_new(w);
    httpsrv_server_on_load(w->server, more_routes, NULL);
    httpsrv_server_on_reload(w->server, on_reloaded, NULL);
    if (text != NULL) {
        config(text);
        assert_int_equal(httpsrv_server_config(w->server, path("config.lua")), 0);
    }
    assert_int_equal(httpsrv_server_listen(w->server, w->address), 0);
}

static void
begin_serving(struct world *w, const char *scripts)
{
    assert_int_equal(httpsrv_server_start(w->server, scripts), 0);
    turn(w);
    turn(w);
    assert_int_equal(w->ready, 1);
    assert_int_equal(w->ready_err, 0);
}

static void
begin(struct world *w, const char *text)
{
    make(w, text);
    begin_serving(w, NULL);
}

static void
end(struct world *w)
{
    world_end(w);
    (void)unlink(path("config.lua"));
}

static const char *
post(struct world *w, int fd, size_t n)
{
    static char text[65536];
    int head = snprintf(text, sizeof text, "POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", n);

    memset(text + head, 'x', n);
    assert_int_equal(send(fd, text, (size_t)head + n, 0), head + (ssize_t)n);
    turn(w);
    turn(w);
    ssize_t got = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
    text[got > 0 ? got : 0] = '\0';
    return text;
}

/* proves: httpsrv_server_config */
static void
limits_change_for_connections_that_are_there(void **state)
{
    (void)state;
    struct world w;
    char target[600];
    memset(target, 'a', sizeof target);
    memcpy(target, "/hello/", 7);
    target[sizeof target - 1] = '\0';
    begin(&w, "return { target_size = '1K' }");
    int fd = client(&w), idle = client(&w);
    assert_non_null(strstr(get(&w, fd, target), "HTTP/1.1 200"));
    assert_non_null(strstr(get(&w, idle, "/hello"), "hello"));

    config("return { target_size = 512, keep_alive = 3, max_requests = 9 }");
    assert_int_equal(reload(&w), 0);
    assert_string_equal(hs_server_settings_change(w.server)->changed, "target-size, keep-alive, max-requests");
    assert_non_null(strstr(get(&w, fd, "/hello"), "HTTP/1.1 200")); /* nothing was closed */
    assert_non_null(strstr(get(&w, fd, target), "HTTP/1.1 414"));
    advance(&w, 5 * HS_SEC); /* it was 60 s when this one fell idle */
    assert_true(at_end(idle));
    (void)close(fd);
    (void)close(idle);

    config("return {}"); /* what is not said any more is the default again */
    assert_int_equal(reload(&w), 0);
    fd = client(&w);
    assert_non_null(strstr(get(&w, fd, target), "HTTP/1.1 200"));
    advance(&w, 30 * HS_SEC);
    assert_true(is_open(fd));
    (void)close(fd);
    end(&w);
}

static void
max_body_and_the_command_line(void **state)
{
    (void)state;
    struct world w;
    make(&w, "return { max_body = 100, head_fields = 20 }");
    assert_int_equal(httpsrv_server_set(w.server, "head-fields", "10"), 0);
    begin_serving(&w, NULL);
    int fd = client(&w);
    assert_non_null(strstr(post(&w, fd, 101), "HTTP/1.1 413"));
    (void)close(fd);
    config("return { max_body = 1000, head_fields = 30 }");
    assert_int_equal(reload(&w), 0);
    assert_string_equal(hs_server_settings_change(w.server)->changed, "max-body");
    assert_int_equal(hs_server_settings(w.server)->head_fields, 10); /* it was set by the program */
    fd = client(&w);
    assert_non_null(strstr(post(&w, fd, 101), "HTTP/1.1 200"));
    (void)close(fd);
    end(&w);
}

static void
a_bad_file_changes_nothing(void **state)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        { "return { kep_alive = 1 }", "config.lua:1: unknown setting 'kep_alive' (did you mean keep_alive?)" },
        { "return { max_body = 1,\n keep_alive = 'x' }", "config.lua:2: keep_alive: must be " },
        { "return { max_body = = 1 }", "config.lua:1: " },
        { "return { max_body = 1, head_size = 256 }", "target-size: must not be more than head-size" },
        { "return { max_body = 1, access_log = '/nowhere/at/all' }", "access-log: cannot open /nowhere/at/all: No such file" },
        { "return { max_body = 1, error_log = '/nowhere/at/all' }", "error-log: cannot open /nowhere/at/all: No such file" },
        { NULL, "config.lua: No such file" },
    };
    struct world w;
    (void)state;
    begin(&w, "return { max_body = 100 }");
    int fd = client(&w);
    hs_log_set_level(HS_LOG_ERROR + 1);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (bad[i].text != NULL) {
            config(bad[i].text);
        } else {
            (void)unlink(path("config.lua"));
        }
        assert_int_not_equal(reload(&w), 0);
        assert_non_null(strstr(httpsrv_server_error(w.server), bad[i].says));
        assert_int_equal(hs_server_settings(w.server)->max_body, 100);
        assert_int_equal(httpsrv_server_generation(w.server), 1);
        assert_non_null(strstr(get(&w, fd, "/hello"), "hello"));
    }
    hs_log_set_level(HS_LOG_INFO);
    (void)close(fd);
    end(&w);
}

static void
what_needs_a_restart_is_named_and_stays(void **state)
{
    (void)state;
    struct world w;
    begin(&w, "return { backlog = 10 }");
    for (int round = 0; round < 2; round++) { /* it is said as long as it is so */
        config("return { backlog = 20, shared_memory = '1M', max_body = 7 }");
        assert_int_equal(reload(&w), 0);
        assert_string_equal(hs_server_settings_change(w.server)->changed, round == 0 ? "max-body" : "");
        assert_string_equal(hs_server_settings_change(w.server)->fixed, "shared-memory, backlog");
        assert_int_equal(hs_server_settings(w.server)->backlog, 10);
    }
    end(&w);
}

static void
what_cannot_change_and_what_does_have_to_go_together(void **state)
{
    (void)state;
    struct world w;
    begin(&w, "return { listen = '127.0.0.1:0,proxy', trusted = '10.0.0.1' }");
    config("return { listen = '127.0.0.1:0' }"); /* the listener stays, so whom it trusts must */
    assert_int_not_equal(reload(&w), 0);
    assert_non_null(strstr(httpsrv_server_error(w.server), "listen: has an address with proxy, but no proxy is trusted"));
    assert_int_equal(w.server->entrance.gates.trusted.n, 1);
    end(&w);
}

static void
who_is_let_in_changes(void **state)
{
    (void)state;
    struct world w;
    begin(&w, "return {}");
    int first = client(&w);
    assert_non_null(strstr(get(&w, first, "/hello"), "hello"));
    config("return { max_connections = 1 }");
    assert_int_equal(reload(&w), 0);
    int a = client(&w), b = client(&w); /* the first came when nobody counted */
    assert_non_null(strstr(get(&w, a, "/hello"), "hello"));
    assert_string_equal(get(&w, b, "/hello"), "");
    config("return { max_connections = 2 }");
    assert_int_equal(reload(&w), 0); /* makes room for who waits */
    turn(&w);
    char text[512];
    ssize_t n = recv(b, text, sizeof text - 1, MSG_DONTWAIT);
    assert_true(n > 0);
    config("return {}");
    assert_int_equal(reload(&w), 0);
    int c = client(&w), d = client(&w);
    assert_non_null(strstr(get(&w, c, "/hello"), "hello"));
    assert_non_null(strstr(get(&w, d, "/hello"), "hello"));
    config("return { max_connections = 4 }"); /* those without a limit were counted */
    assert_int_equal(reload(&w), 0);
    int e = client(&w);
    assert_string_equal(get(&w, e, "/hello"), "");
    (void)close(a);
    turn(&w);
    turn(&w);
    assert_true(recv(e, text, sizeof text - 1, MSG_DONTWAIT) > 0);
    const int all[] = { first, b, c, d, e };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        (void)close(all[i]);
    }
    turn(&w);
    assert_int_equal(hs_quota_total(w.server->entrance.gates.quota, 0), 0);
    end(&w);
}

static void
the_access_log_comes_goes_and_moves(void **state)
{
    (void)state;
    struct world w;
    char text[256];
    begin(&w, "return {}");
    int fd = client(&w);
    static const struct {
        const char *file, *format;
    } steps[] = { { NULL, "combined" }, { "one", "combined" }, { "two", "json" }, { "two", "combined" }, { NULL, "json" }, { "one", "json" } };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        snprintf(text, sizeof text, "return { access_log = '%s', access_log_format = '%s' }", steps[i].file != NULL ? path(steps[i].file) : "none", steps[i].format);
        config(text);
        assert_int_equal(reload(&w), 0);
        snprintf(text, sizeof text, "/hello/%zu", i);
        assert_non_null(strstr(get(&w, fd, text), "hello"));
    }
    (void)close(fd);
    end(&w); /* writes the rest */
    const char *one = content("one");
    assert_non_null(strstr(one, "\"GET /hello/1 HTTP/1.1\" 200"));
    assert_non_null(strstr(one, "{\"time\":"));
    assert_non_null(strstr(one, "/hello/5"));
    assert_null(strstr(one, "/hello/2"));
    assert_null(strstr(one, "/hello/4"));
    const char *two = content("two");
    const char *json = strstr(two, "/hello/2"), *combined = strstr(two, "\"GET /hello/3 ");
    assert_true(json != NULL && combined != NULL && two[0] == '{' && json < combined);
    assert_null(strstr(two, "/hello/1"));
    assert_null(strstr(two, "/hello/4"));
    (void)unlink(path("one"));
    (void)unlink(path("two"));
}

static void
the_error_log_and_its_level(void **state)
{
    (void)state;
    struct world w;
    char text[256];
    begin(&w, "return {}");
    snprintf(text, sizeof text, "return { error_log = '%s', log_level = 'warn' }", path("errors"));
    config(text);
    assert_int_equal(reload(&w), 0);
    assert_int_equal(hs_log_get_level(), HS_LOG_WARN);
    hs_log(HS_LOG_ERROR, "planted");
    assert_non_null(strstr(content("errors"), "planted"));
    hs_log_set_level(HS_LOG_DEBUG); /* by a command */
    assert_int_equal(reload(&w), 0);
    assert_int_equal(hs_log_get_level(), HS_LOG_DEBUG); /* as the file says nothing else than it did */
    config("return {}");
    assert_int_equal(reload(&w), 0);
    assert_int_equal(hs_log_get_level(), HS_LOG_INFO);
    assert_int_equal(hs_error_log_fd(), -1);
    end(&w);
    (void)unlink(path("errors"));
}

static void
memory_is_counted_from_the_generation_on_that_has_a_limit(void **state)
{
    (void)state;
    struct world w;
    script("a.lua", SAYS("one"));
    make(&w, "return { memory_limit = 'none' }");
    begin_serving(&w, path("a.lua"));
    assert_int_equal(hs_lua_memory_used(w.server->memory), 0);
    config("return { memory_limit = '64M' }");
    script("a.lua", "this is no Lua");
    hs_log_set_level(HS_LOG_ERROR + 1);
    assert_int_not_equal(reload(&w), 0);
    hs_log_set_level(HS_LOG_INFO);
    assert_int_equal(hs_lua_memory_limit(w.server->memory), -1); /* as it was */
    script("a.lua", SAYS("two"));
    assert_int_equal(reload(&w), 0);
    assert_int_equal(hs_lua_memory_limit(w.server->memory), 64 * 1024 * 1024);
    assert_true(hs_lua_memory_used(w.server->memory) > 0);
    end(&w);
    drop_script("a.lua");
}

/* --- handed in by whoever runs the process --- */

static void
note_prepared(void *arg, int err)
{
    *(int *)arg = err;
}

static void
handed_settings_wait_for_the_decision(void **state)
{
    (void)state;
    struct world w;
    int fds[2];
    begin(&w, NULL);
    int prepared = -1;
    hs_server_hold_reloads(w.server, note_prepared, &prepared);
    for (int goes_live = 0; goes_live <= 1; goes_live++) {
        assert_int_equal(pipe(fds), 0);
        prepared = -1;
        assert_int_equal(hs_server_hand_settings(w.server, HS_VIEW("keep-alive=7\0access-log=/nowhere/at/all\0control=/tmp/x\0"), fds[1]), 0);
        assert_int_equal(httpsrv_server_reload(w.server), 0);
        turn(&w);
        assert_int_equal(prepared, 0);
        assert_int_equal(hs_server_settings(w.server)->keep_alive, 60 * HS_SEC);
        hs_server_decide_reload(w.server, goes_live != 0);
        assert_int_equal(hs_server_settings(w.server)->keep_alive, (goes_live ? 7 : 60) * HS_SEC);
        assert_null(hs_server_settings(w.server)->control);
        assert_int_equal(hs_server_has_access_log(w.server), goes_live);
        char c;
        assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
        assert_int_equal(read(fds[0], &c, 1), goes_live ? -1 : 0); /* else it was closed */
        (void)close(fds[0]);
    }
    /* At once, for who has the scripts already. */
    assert_int_equal(hs_server_hand_settings(w.server, HS_VIEW("keep-alive=8\0"), -1), 0);
    assert_int_equal(hs_server_renew(w.server), 0);
    assert_int_equal(hs_server_settings(w.server)->keep_alive, 8 * HS_SEC);
    assert_false(hs_server_has_access_log(w.server));
    assert_int_equal(hs_server_hand_settings(w.server, HS_VIEW("keep-alive=x\0"), -1), 0);
    assert_int_equal(hs_server_renew(w.server), EINVAL);
    assert_int_equal(hs_server_settings(w.server)->keep_alive, 8 * HS_SEC);
    world_free(&w);
}

static void
try_once(void *arg)
{
    struct world *w = arg;
    int err = hs_server_hand_settings(w->server, HS_VIEW("keep-alive=9\0deny=10.0.0.0/8\0max-connections=5\0"), -1);

    if (err == 0) {
        err = hs_server_renew(w->server);
    }
    assert_true(err == 0 || err == ENOMEM);
    const struct hs_settings *s = hs_server_settings(w->server);
    assert_int_equal(s->keep_alive, (err == 0 ? 9 : 60) * HS_SEC);
    assert_int_equal(w->server->entrance.gates.deny.n, err == 0);
    assert_int_equal(w->server->entrance.gates.max, err == 0 ? 5 : 0);
}

static void
threat_38_each_allocation_fails_once(void **state)
{
    (void)state;
    struct world w;
    begin(&w, NULL);
    assert_true(alloc_fail_each(try_once, &w) > 5);
    world_free(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_change_for_connections_that_are_there),
        cmocka_unit_test(max_body_and_the_command_line),
        cmocka_unit_test(a_bad_file_changes_nothing),
        cmocka_unit_test(what_needs_a_restart_is_named_and_stays),
        cmocka_unit_test(what_cannot_change_and_what_does_have_to_go_together),
        cmocka_unit_test(who_is_let_in_changes),
        cmocka_unit_test(the_access_log_comes_goes_and_moves),
        cmocka_unit_test(the_error_log_and_its_level),
        cmocka_unit_test(memory_is_counted_from_the_generation_on_that_has_a_limit),
        cmocka_unit_test(handed_settings_wait_for_the_decision),
        cmocka_unit_test(threat_38_each_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
