/* test_upgrade.c - server/upgrade.h: what a successor finds. The test is the predecessor, a child the successor. */
#include "server/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/ipc.h"
#include "server/message.h"

static int ends[2];

static void
tell(enum hs_message type, int fd, const char *key)
{
    assert_int_equal(hs_ipc_write(ends[0], type, (uint32_t)fd, hs_view_of(key)), 0);
}

/* In a child: what it finds, 100 plus the error. whose: what the variable says; 0: the truth. */
static int
as_successor(long whose, int (*look)(struct hs_inherited *list, int channel))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct hs_inherited list = { NULL, 0 };
        char variable[64];
        int channel = 77;
        (void)close(ends[0]);
        (void)fcntl(ends[1], F_SETFD, 0);
        (void)snprintf(variable, sizeof variable, "%d:%ld", ends[1], whose != 0 ? whose : (long)getpid());
        (void)setenv(HS_UPGRADE_VARIABLE, variable, 1);
        int err = hs_upgrade_begin(&list, &channel);
        int status = getenv(HS_UPGRADE_VARIABLE) != NULL ? 90 : err != 0 ? 100 + err : look(&list, channel);
        hs_inherited_fini(&list);
        _exit(status);
    }
    (void)close(ends[1]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    (void)close(ends[0]);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int
has_all(struct hs_inherited *list, int channel)
{
    if (list->n != 2 || strcmp(list->items[0].key, "127.0.0.1:80#0") != 0 || strcmp(list->items[1].key, "pid:/run/x") != 0) {
        return 10;
    }
    if ((fcntl(list->items[0].fd, F_GETFD) & FD_CLOEXEC) == 0 || channel != ends[1] || (fcntl(channel, F_GETFD) & FD_CLOEXEC) == 0) {
        return 11;
    }
    return hs_ipc_write(channel, HS_MESSAGE_READY, 0, (struct hs_view){ NULL, 0 }) == 0 ? 2 : 12;
}

static void
a_successor_finds_what_was_left(void **state)
{
    (void)state;
    assert_int_equal(hs_ipc_pair(ends), 0);
    int a = open("/dev/null", O_RDONLY), b = open("/dev/null", O_RDONLY);
    tell(HS_MESSAGE_SOCKET, a, "127.0.0.1:80#0");
    tell(HS_MESSAGE_SOCKET, b, "pid:/run/x");
    tell(HS_MESSAGE_SOCKETS_END, 0, "");
    assert_int_equal(as_successor(0, has_all), 2); /* the channel works both ways */
    (void)close(a);
    (void)close(b);
}

/* It dies between its fork(2) and our first look. */
static void
a_predecessor_need_not_live_that_long(void **state)
{
    (void)state;
    assert_int_equal(hs_ipc_pair(ends), 0);
    int a = open("/dev/null", O_RDONLY), b = open("/dev/null", O_RDONLY);
    tell(HS_MESSAGE_SOCKET, a, "127.0.0.1:80#0");
    tell(HS_MESSAGE_SOCKET, b, "pid:/run/x");
    tell(HS_MESSAGE_SOCKETS_END, 0, "");
    (void)close(ends[0]);
    ends[0] = open("/dev/null", O_RDONLY); /* as_successor closes it */
    assert_int_equal(as_successor(0, has_all), 12); /* all but somebody to tell */
    (void)close(a);
    (void)close(b);
}

static int
has_none(struct hs_inherited *list, int channel)
{
    return list->n == 0 && channel == -1 ? 1 : 0;
}

static void
what_is_meant_for_another_process_is_left(void **state)
{
    (void)state;
    assert_int_equal(hs_ipc_pair(ends), 0);
    assert_int_equal(as_successor((long)getpid(), has_none), 1);
    struct hs_inherited list = { NULL, 0 };
    int channel;
    static const char *const bad[] = { "", "x", "3", "0:1", "-1:1", NULL };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "%s%ld", bad[i] != NULL ? bad[i] : "9999:", (long)getpid());
        assert_int_equal(setenv(HS_UPGRADE_VARIABLE, text, 1), 0);
        assert_int_equal(hs_upgrade_begin(&list, &channel), 0);
        assert_int_equal(channel, -1);
    }
    assert_int_equal(hs_upgrade_begin(&list, &channel), 0); /* without the variable */
    assert_int_equal(channel, -1);
}

static void
nonsense_and_silence_are_errors(void **state)
{
    (void)state;
    assert_int_equal(hs_ipc_pair(ends), 0);
    tell(HS_MESSAGE_SOCKET, 9999, "a");
    assert_int_equal(as_successor(0, has_none), 100 + EPROTO);
    assert_int_equal(hs_ipc_pair(ends), 0);
    tell(HS_MESSAGE_READY, 0, "a");
    assert_int_equal(as_successor(0, has_none), 100 + EPROTO);
}

static void
sockets_of_one_address_have_keys_of_their_own(void **state)
{
    (void)state;
    struct hs_listen_socket s[3];
    char key[64];
    memset(s, 0, sizeof s);
    strcpy(s[0].options.address, "127.0.0.1:0");
    strcpy(s[1].options.address, "unix:/x");
    strcpy(s[2].options.address, "127.0.0.1:0");
    hs_upgrade_socket_key(s, 0, s[0].options.address, key, sizeof key);
    assert_string_equal(key, "127.0.0.1:0#0");
    hs_upgrade_socket_key(s, 2, s[2].options.address, key, sizeof key);
    assert_string_equal(key, "127.0.0.1:0#1");
    hs_upgrade_socket_key(s, 3, "fd:web", key, sizeof key);
    assert_string_equal(key, "fd:web");
    hs_upgrade_pid_key("/run/x", key, sizeof key);
    assert_string_equal(key, "pid:/run/x");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_successor_finds_what_was_left),
        cmocka_unit_test(a_predecessor_need_not_live_that_long),
        cmocka_unit_test(what_is_meant_for_another_process_is_left),
        cmocka_unit_test(nonsense_and_silence_are_errors),
        cmocka_unit_test(sockets_of_one_address_have_keys_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
