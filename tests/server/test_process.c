/* test_process.c - server/process.h: signals, a terminal that goes away, limits. */
#include "server/process.h"

#include <fcntl.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "misc/ec_sockaddr.h"
#include "server/server_int.h"

struct world {
    struct httpsrv_server *server;
    struct hs_process *process;
    char address[64];
    int client; /* connected: a reason to drain */
    int stopped;
};

static void
on_stopped(void *arg)
{
    struct world *w = arg;
    w->stopped++;
}

static void
turn(struct world *w)
{
    for (int i = 0; i < 8; i++) {
        assert_int_equal(hs_loop_turn(hs_server_loop(w->server), false), 0);
    }
}

static void
world_new(struct world *w)
{
    static unsigned names;
    ec_sockaddr a;
    memset(w, 0, sizeof *w);
    (void)snprintf(w->address, sizeof w->address, "unix:@test-process-%d-%u", (int)getpid(), names++);
    assert_int_equal(httpsrv_server_new(&w->server), 0);
    hs_server_use_test_clock(w->server);
    httpsrv_server_on_state(w->server, NULL, on_stopped, w);
    assert_int_equal(httpsrv_server_listen(w->server, w->address), 0);
    assert_int_equal(httpsrv_server_start(w->server, NULL), 0);
    assert_int_equal(hs_process_watch(hs_server_loop(w->server), &hs_process_server, w->server, &w->process), 0);
    assert_int_equal(ec_sockaddr_parse(&a, w->address), 0);
    w->client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(w->client, &a.sa, a.len), 0);
    turn(w);
    assert_false(hs_server_stopping(w->server));
}

static void
world_free(struct world *w)
{
    hs_process_unwatch(w->process);
    httpsrv_server_free(w->server);
    (void)close(w->client);
}

static void
advance(struct world *w, int64_t ns)
{
    for (; ns > 0; ns -= 10 * HS_MSEC) {
        hs_loop_advance(hs_server_loop(w->server), 10 * HS_MSEC);
        turn(w);
    }
}

static void
ruling_23_the_first_signal_drains_the_second_stops(void **state)
{
    (void)state;
    static const int pairs[][2] = { { SIGTERM, SIGTERM }, { SIGINT, SIGINT }, { SIGTERM, SIGINT } };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct world w;
        world_new(&w);
        assert_int_equal(raise(pairs[i][0]), 0);
        turn(&w);
        assert_true(hs_server_stopping(w.server));
        advance(&w, HS_SEC);
        assert_int_equal(w.stopped, 0);
        assert_int_equal(raise(pairs[i][1]), 0);
        turn(&w);
        advance(&w, 500 * HS_MSEC);
        assert_int_equal(w.stopped, 1);
        world_free(&w);
    }
}

static void
a_hangup_reloads(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    for (unsigned long i = 1; i <= 3; i++) {
        assert_int_equal(httpsrv_server_generation(w.server), i);
        assert_int_equal(raise(SIGHUP), 0);
        turn(&w);
        assert_false(hs_server_stopping(w.server));
    }
    assert_int_equal(httpsrv_server_generation(w.server), 4);
    assert_int_equal(raise(SIGTERM), 0);
    turn(&w);
    assert_int_equal(raise(SIGHUP), 0); /* too late */
    turn(&w);
    assert_int_equal(httpsrv_server_generation(w.server), 4);
    world_free(&w);
}

static void
hangups_that_were_ignored_never_stop(void **state)
{
    (void)state;
    struct world w;
    int master, slave;
    int saved = dup(STDIN_FILENO);
    if (openpty(&master, &slave, NULL, NULL, NULL) != 0) {
        (void)close(saved);
        skip();
    }
    assert_true(dup2(slave, STDIN_FILENO) >= 0);
    (void)close(slave);
    assert_true(signal(SIGHUP, SIG_IGN) != SIG_ERR);
    world_new(&w);
    (void)close(master);
    assert_int_equal(raise(SIGHUP), 0);
    turn(&w);
    advance(&w, 3 * HS_SEC);
    assert_false(hs_server_stopping(w.server));
    assert_int_equal(httpsrv_server_generation(w.server), 2); /* it still can be reloaded */
    world_free(&w);
    assert_true(signal(SIGHUP, SIG_DFL) != SIG_ERR);
    assert_true(saved < 0 || dup2(saved, STDIN_FILENO) >= 0);
    (void)close(saved);
}

static void
several_hangups_of_a_terminal_that_goes_still_drain(void **state)
{
    (void)state;
    struct world w;
    int master, slave;
    int saved = dup(STDIN_FILENO);
    if (openpty(&master, &slave, NULL, NULL, NULL) != 0) {
        (void)close(saved);
        skip();
    }
    assert_true(dup2(slave, STDIN_FILENO) >= 0);
    (void)close(slave);
    world_new(&w);
    (void)close(master);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(raise(SIGHUP), 0);
        turn(&w);
    }
    assert_true(hs_server_stopping(w.server));
    assert_int_equal(httpsrv_server_generation(w.server), 1);
    advance(&w, HS_SEC);
    assert_int_equal(w.stopped, 0);
    (void)shutdown(w.client, SHUT_RDWR);
    turn(&w);
    advance(&w, HS_SEC);
    assert_int_equal(w.stopped, 1);
    world_free(&w);
    assert_true(saved < 0 || dup2(saved, STDIN_FILENO) >= 0);
    (void)close(saved);
}

static void
ruling_23_a_vanished_terminal_stops_the_server(void **state)
{
    (void)state;
    struct world w;
    int master, slave;
    int saved = dup(STDIN_FILENO);
    if (openpty(&master, &slave, NULL, NULL, NULL) != 0) {
        (void)close(saved);
        skip();
    }
    assert_true(dup2(slave, STDIN_FILENO) >= 0); /* not the controlling terminal: no signal will tell */
    (void)close(slave);
    world_new(&w);
    advance(&w, 5 * HS_SEC);
    assert_false(hs_server_stopping(w.server));
    assert_int_equal(write(master, "typed\n", 6), 6);
    advance(&w, 2 * HS_SEC);
    assert_false(hs_server_stopping(w.server));
    (void)close(master);
    advance(&w, HS_SEC);
    assert_true(hs_server_stopping(w.server));
    world_free(&w);
    assert_true(saved < 0 || dup2(saved, STDIN_FILENO) >= 0);
    (void)close(saved);
}

static void
actions_are_put_back(void **state)
{
    (void)state;
    struct world w;
    struct sigaction sa;
    world_new(&w);
    world_free(&w);
    assert_int_equal(sigaction(SIGTERM, NULL, &sa), 0);
    assert_true(sa.sa_handler == SIG_DFL);
    hs_process_unwatch(NULL);
}

static void
the_limit_of_open_files_is_raised(void **state)
{
    (void)state;
    struct rlimit before, r;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    r = before;
    r.rlim_cur = before.rlim_max / 2;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &r), 0);
    hs_process_raise_limits();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &r), 0);
    assert_true(r.rlim_cur == before.rlim_max);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ruling_23_the_first_signal_drains_the_second_stops),
        cmocka_unit_test(a_hangup_reloads),
        cmocka_unit_test(hangups_that_were_ignored_never_stop),
        cmocka_unit_test(several_hangups_of_a_terminal_that_goes_still_drain),
        cmocka_unit_test(ruling_23_a_vanished_terminal_stops_the_server),
        cmocka_unit_test(actions_are_put_back),
        cmocka_unit_test(the_limit_of_open_files_is_raised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
