/* test_notify.c - server/notify.h: what a service manager hears; a socket of the test's stands for it. */
#include "server/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"

static int manager = -1;
static char heard[2048];

/* A manager at an abstract name, and the variables for it. */
static void
manage(const char *usec, const char *pid)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    char name[64];
    (void)snprintf(name, sizeof name, "@test-notify-%ld", (long)getpid());
    memcpy(a.sun_path, name, strlen(name));
    a.sun_path[0] = '\0';
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(manager, (struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
    assert_int_equal(usec != NULL ? setenv("WATCHDOG_USEC", usec, 1) : unsetenv("WATCHDOG_USEC"), 0);
    assert_int_equal(pid != NULL ? setenv("WATCHDOG_PID", pid, 1) : unsetenv("WATCHDOG_PID"), 0);
    hs_notify_begin();
    assert_null(getenv("NOTIFY_SOCKET"));
    assert_null(getenv("WATCHDOG_USEC"));
    assert_null(getenv("WATCHDOG_PID"));
}

static const char *
hear(void)
{
    ssize_t n = recv(manager, heard, sizeof heard - 1, 0);
    heard[n > 0 ? n : 0] = '\0';
    return heard;
}

static int
tear_down(void **state)
{
    (void)state;
    hs_notify_end();
    if (manager >= 0) {
        (void)close(manager);
        manager = -1;
    }
    return 0;
}

static void
without_a_manager_nothing_happens(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "/", "@", "relative", "vsock:2:1", NULL };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (bad[i] != NULL) {
            assert_int_equal(setenv("NOTIFY_SOCKET", bad[i], 1), 0);
        }
        hs_notify_begin();
        hs_notify("READY=1");
        hs_notify_reloading();
        assert_int_equal(hs_notify_interval(), 0);
        assert_int_equal(hs_notify_hand_on(), 0);
        assert_null(getenv("NOTIFY_SOCKET"));
    }
}

static void
lines_are_sent(void **state)
{
    (void)state;
    char expected[64];
    struct timespec ts;
    manage(NULL, NULL);
    hs_notify("READY=1\nSTATUS=serves %d", 7);
    assert_string_equal(hear(), "READY=1\nSTATUS=serves 7");
    hs_notify_reloading();
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    (void)snprintf(expected, sizeof expected, "RELOADING=1\nMONOTONIC_USEC=");
    assert_int_equal(strncmp(hear(), expected, strlen(expected)), 0);
    assert_in_range(strtoll(heard + strlen(expected), NULL, 10), 1, (long long)ts.tv_sec * 1000000 + ts.tv_nsec / 1000);
    hs_notify_end();
    hs_notify("READY=1");
    assert_string_equal(hear(), "");
}

static void
the_watchdog_is_fed_twice_in_its_interval(void **state)
{
    (void)state;
    struct hs_loop *loop;
    char self[32];
    (void)snprintf(self, sizeof self, "%ld", (long)getpid());
    manage("3000000", self);
    assert_int_equal(hs_notify_interval(), 3 * HS_SEC);
    assert_int_equal(hs_loop_new(&(struct hs_loop_options){ .test_clock = true }, &loop), 0);
    assert_int_equal(hs_notify_watch(loop), 0);
    assert_int_equal(hs_notify_watch(loop), 0); /* once is enough */
    hs_loop_advance(loop, 0);
    assert_string_equal(hear(), "WATCHDOG=1");
    assert_string_equal(hear(), "");
    hs_loop_advance(loop, HS_SEC);
    assert_string_equal(hear(), "");
    hs_loop_advance(loop, HS_SEC / 2);
    assert_string_equal(hear(), "WATCHDOG=1");
    hs_loop_advance(loop, 3 * HS_SEC);
    assert_string_equal(hear(), "WATCHDOG=1");
    assert_string_equal(hear(), "WATCHDOG=1");
    assert_string_equal(hear(), "");
    hs_notify_unwatch();
    hs_loop_advance(loop, 30 * HS_SEC);
    assert_string_equal(hear(), "");
    hs_loop_free(loop);
}

static void
a_watchdog_of_others_is_none(void **state)
{
    (void)state;
    struct hs_loop *loop;
    static const char *const cases[][2] = { { "3000000", "1" }, { "0", NULL }, { "-5", NULL }, { "nonsense", NULL }, { "9999999999999999", NULL }, { NULL, NULL } };
    assert_int_equal(hs_loop_new(&(struct hs_loop_options){ .test_clock = true }, &loop), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        manage(cases[i][0], cases[i][1]);
        assert_int_equal(hs_notify_interval(), 0);
        assert_int_equal(hs_notify_watch(loop), 0);
        hs_loop_advance(loop, 10 * HS_SEC);
        assert_string_equal(hear(), "");
        (void)tear_down(NULL);
    }
    hs_loop_free(loop);
}

static void
a_successor_gets_the_variables(void **state)
{
    (void)state;
    char self[32], name[64];
    manage("3000000", NULL);
    assert_int_equal(hs_notify_hand_on(), 0);
    (void)snprintf(self, sizeof self, "%ld", (long)getpid());
    (void)snprintf(name, sizeof name, "@test-notify-%ld", (long)getpid());
    assert_string_equal(getenv("NOTIFY_SOCKET"), name);
    assert_string_equal(getenv("WATCHDOG_USEC"), "3000000");
    assert_string_equal(getenv("WATCHDOG_PID"), self);
}

static void
a_manager_that_is_gone_is_survived(void **state)
{
    (void)state;
    manage(NULL, NULL);
    (void)close(manager);
    manager = -1;
    hs_log_set_level(HS_LOG_ERROR);
    hs_notify("READY=1");
    hs_log_set_level(HS_LOG_INFO);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(without_a_manager_nothing_happens, tear_down),
        cmocka_unit_test_teardown(lines_are_sent, tear_down),
        cmocka_unit_test_teardown(the_watchdog_is_fed_twice_in_its_interval, tear_down),
        cmocka_unit_test_teardown(a_watchdog_of_others_is_none, tear_down),
        cmocka_unit_test_teardown(a_successor_gets_the_variables, tear_down),
        cmocka_unit_test_teardown(a_manager_that_is_gone_is_survived, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
