/* test_server.c - httpsrv/server.h: configuring and starting a server in a C program. */
#include "httpsrv/server.h"

#include <signal.h>

#include "alloc_fail.h"
#include "base/log.h"
#include "server_world.h"

/* proves: httpsrv_server_on_load, httpsrv_server_address */
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

/* proves: httpsrv_server_address */
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

/* proves: httpsrv_server_set, httpsrv_server_start, httpsrv_server_error */
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
    assert_int_equal(httpsrv_server_set(w.server, "workers", "2"), EINVAL);
    assert_non_null(strstr(httpsrv_server_error(w.server), "workers: must be 0"));
    assert_int_equal(httpsrv_server_set(w.server, "workers", "0"), 0);
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
the_log_level_is_in_force_from_the_start(void **state)
{
    (void)state;
    enum hs_log_level before = hs_log_get_level();
    struct world w;
    world_new(&w);
    assert_int_equal(httpsrv_server_set(w.server, "log-level", "error"), 0);
    start(&w);
    assert_int_equal(hs_log_get_level(), HS_LOG_ERROR);
    world_free(&w);
    hs_log_set_level(before);
}

/* proves: httpsrv_server_new, httpsrv_server_listen */
static void
errors_at_start_say_what_is_wrong(void **state)
{
    (void)state;
    struct world w, other;
    world_new(&w);
    assert_int_equal(httpsrv_server_new(&other.server), EBUSY);
    assert_int_equal(httpsrv_server_run(w.server), EINVAL);
    assert_int_equal(httpsrv_server_listen(w.server, "nonsense"), EINVAL);
    assert_non_null(strstr(httpsrv_server_error(w.server), "'nonsense': it must be an address"));
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

static struct httpsrv_server *stop_when_ready;

static void
stop_it(void *arg, int err)
{
    on_ready(arg, err);
    httpsrv_server_stop(stop_when_ready, 0);
}

/* proves: httpsrv_server_run */
static void
runs_until_it_has_stopped(void **state)
{
    (void)state;
    struct world w;
    memset(&w, 0, sizeof w);
    (void)snprintf(w.address, sizeof w.address, "unix:@test-server-%d-run", (int)getpid());
    assert_int_equal(httpsrv_server_new(&w.server), 0);
    httpsrv_server_on_load(w.server, routes, NULL);
    httpsrv_server_on_state(w.server, stop_it, on_stopped, &w);
    assert_int_equal(httpsrv_server_listen(w.server, w.address), 0);
    assert_int_equal(httpsrv_server_run(w.server), EINVAL); /* not started */
    assert_int_equal(httpsrv_server_start(w.server, NULL), 0);
    stop_when_ready = w.server;
    assert_int_equal(httpsrv_server_run(w.server), 0);
    assert_int_equal(w.ready, 1);
    assert_int_equal(w.stopped, 1);
    world_free(&w);
}

/* proves: httpsrv_server_config */
static void
a_configuration_file_is_read(void **state)
{
    (void)state;
    static const char text[] = "return { max_body = '2K' }\n";
    char path[] = "/tmp/test_server_XXXXXX";
    struct world w;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    (void)close(fd);
    world_new(&w);
    assert_int_equal(httpsrv_server_config(w.server, path), 0);
    assert_int_equal(hs_server_settings(w.server)->max_body, 2048);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(httpsrv_server_config(w.server, path), ENOENT);
    world_free(&w);
}

static int
refuse_to_load(void *arg)
{
    (void)arg;
    return EPERM;
}

/* proves: httpsrv_server_on_load */
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
        cmocka_unit_test(the_log_level_is_in_force_from_the_start),
        cmocka_unit_test(errors_at_start_say_what_is_wrong),
        cmocka_unit_test(runs_until_it_has_stopped),
        cmocka_unit_test(a_configuration_file_is_read),
        cmocka_unit_test(what_on_load_gives_fails_the_start),
        cmocka_unit_test(requests_are_shown),
        cmocka_unit_test(sigpipe_is_ignored_unless_handled),
        cmocka_unit_test(threat_38_each_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
