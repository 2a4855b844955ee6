/* test_inherited.c - server/inherited.h: descriptors that were open when the process began. Those that systemd hands in begin at 3, so that is tried in a
 * child. */
#include "server/inherited.h"

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

#include "alloc_fail.h"

static int
some_descriptor(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static bool
is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void
each_is_taken_once_or_closed(void **state)
{
    (void)state;
    struct hs_inherited list = { NULL, 0 };
    int fds[3] = { some_descriptor(), some_descriptor(), some_descriptor() };
    assert_int_equal(hs_inherited_add(&list, "a", fds[0]), 0);
    assert_int_equal(hs_inherited_add(&list, "fd:b", fds[1]), 0);
    assert_int_equal(hs_inherited_add(&list, "a", fds[2]), 0);
    assert_int_equal(hs_inherited_count(&list, "a"), 2);
    assert_int_equal(hs_inherited_take(&list, "c"), -1);
    assert_int_equal(hs_inherited_take(&list, "a"), fds[0]);
    assert_int_equal(hs_inherited_count(&list, "a"), 1);
    assert_string_equal(hs_inherited_next_activated(&list), "fd:b");
    assert_int_equal(hs_inherited_take(&list, "fd:b"), fds[1]);
    assert_null(hs_inherited_next_activated(&list));
    hs_inherited_fini(&list);
    assert_true(is_open(fds[0]) && is_open(fds[1]));
    assert_false(is_open(fds[2]));
    (void)close(fds[0]);
    (void)close(fds[1]);
}

/* In a child that has n descriptors from 3 on: what it makes of the variables. Exits 100 plus the error, or with a number of its own. */
static int
as_child(int n, const char *pid, const char *fds, const char *names, int (*look)(struct hs_inherited *list))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char self[32];
        struct hs_inherited list = { NULL, 0 };
        (void)snprintf(self, sizeof self, "%ld", (long)getpid());
        for (int i = 3; i < 40; i++) {
            (void)close(i);
        }
        for (int i = 0; i < n; i++) {
            if (open("/dev/null", O_RDONLY) != 3 + i) {
                _exit(90);
            }
        }
        (void)setenv("LISTEN_PID", pid != NULL ? pid : self, 1);
        (void)setenv("LISTEN_FDS", fds, 1);
        if (names != NULL) {
            (void)setenv("LISTEN_FDNAMES", names, 1);
        }
        int err = hs_inherited_from_systemd(&list);
        int status = err != 0 ? 100 + err : look != NULL ? look(&list) : (int)list.n;
        if (getenv("LISTEN_PID") != NULL || getenv("LISTEN_FDS") != NULL || getenv("LISTEN_FDNAMES") != NULL) {
            status = 91;
        }
        hs_inherited_fini(&list);
        _exit(status);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int
has_names(struct hs_inherited *list)
{
    static const char *const keys[] = { "fd:web", "fd:web", "fd:unknown", "fd:unknown" };
    for (size_t i = 0; i < list->n; i++) {
        if (i >= 4 || strcmp(list->items[i].key, keys[i]) != 0 || list->items[i].fd != 3 + (int)i || (fcntl(3 + (int)i, F_GETFD) & FD_CLOEXEC) == 0) {
            return 80 + (int)i;
        }
    }
    return (int)list->n;
}

static void
systemd_hands_in_what_it_names(void **state)
{
    (void)state;
    assert_int_equal(as_child(4, NULL, "4", "web:web::", has_names), 4);
    assert_int_equal(as_child(4, NULL, "4", "web:web", has_names), 4);
    assert_int_equal(as_child(1, NULL, "1", NULL, NULL), 1);
    assert_int_equal(as_child(0, NULL, "0", NULL, NULL), 0);
}

static int
leaves_them_alone(struct hs_inherited *list)
{
    return list->n == 0 && (fcntl(3, F_GETFD) & FD_CLOEXEC) == 0 ? 1 : 0;
}

static void
what_is_not_meant_for_us_is_left_alone(void **state)
{
    (void)state;
    assert_int_equal(as_child(1, "1", "1", "web", leaves_them_alone), 1);
}

static void
nonsense_is_an_error(void **state)
{
    (void)state;
    static const char *const numbers[] = { "", "x", "-1", "+1", " 1", "1x", "1025", "99999999999999999999" };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        assert_int_equal(as_child(1, NULL, numbers[i], NULL, NULL), 100 + EINVAL);
    }
    assert_int_equal(as_child(1, "nobody", "1", NULL, NULL), 100 + EINVAL);
    assert_int_equal(as_child(1, NULL, "2", NULL, NULL), 100 + EBADF);
    struct hs_inherited list = { NULL, 0 };
    assert_int_equal(hs_inherited_from_systemd(&list), 0); /* without the variables */
    assert_int_equal(list.n, 0);
}

static void
scenario(void *arg)
{
    struct hs_inherited list = { NULL, 0 };
    (void)arg;
    for (int i = 0; i < 3; i++) {
        int fd = some_descriptor();
        if (hs_inherited_add(&list, "key", fd) != 0) {
            (void)close(fd); /* still ours */
        }
    }
    hs_inherited_fini(&list);
}

static void
threat_38_each_allocation_fails_once(void **state)
{
    (void)state;
    assert_true(alloc_fail_each(scenario, NULL) >= 6);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_taken_once_or_closed),
        cmocka_unit_test(systemd_hands_in_what_it_names),
        cmocka_unit_test(what_is_not_meant_for_us_is_left_alone),
        cmocka_unit_test(nonsense_is_an_error),
        cmocka_unit_test(threat_38_each_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
