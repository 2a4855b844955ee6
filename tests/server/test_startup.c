/* test_startup.c - server/startup.h: sockets and the file of the pid, from settings and from what was handed in. */
#include "server/startup.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];
static struct hs_settings settings;

static int
set_up(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/test-startup-XXXXXX");
    return mkdtemp(dir) == NULL || hs_settings_init(&settings) != 0;
}

static int
tear_down(void **state)
{
    (void)state;
    hs_settings_fini(&settings);
    return rmdir(dir); /* nothing was left */
}

/* Of a path its directory is the test's. */
static void
set(const char *name, const char *text)
{
    char value[160], why[256];
    const struct hs_setting *which = hs_setting_find(name);
    assert_non_null(which);
    size_t scheme = strncmp(text, "unix:/", 6) == 0 ? 5 : 0;
    (void)snprintf(value, sizeof value, "%.*s%s%s", (int)scheme, text, text[scheme] == '/' ? dir : "", text + scheme);
    assert_int_equal(hs_setting_set(&settings, which, value, HS_SOURCE_COMMAND, why, sizeof why), 0);
}

static bool
exists(const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

static void
sockets_and_pid_file_come_and_go(void **state)
{
    (void)state;
    struct hs_startup su;
    set("listen", "127.0.0.1:0");
    set("listen", "127.0.0.1:0,backlog=7"); /* another one */
    set("listen", "unix:/s,mode=0600");
    set("pid-file", "/pid");
    assert_int_equal(hs_startup_begin(&su, &settings, 3), 0);
    assert_int_equal(su.nsockets, 3);
    assert_int_equal(su.sockets[0].lanes, 3);
    assert_int_equal(su.sockets[1].lanes, 3);
    assert_string_not_equal(su.sockets[0].address, su.sockets[1].address);
    assert_int_equal(su.sockets[2].lanes, 1);
    assert_int_equal(su.predecessor, -1);
    assert_true(exists("s") && exists("pid"));
    hs_startup_end(&su, true);
    assert_false(exists("s") || exists("pid"));
}

static void
a_child_leaves_the_files(void **state)
{
    (void)state;
    struct hs_startup su;
    set("listen", "unix:/s");
    set("pid-file", "/pid");
    assert_int_equal(hs_startup_begin(&su, &settings, 1), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        su.sockets[0].file.path[0] = '\0';
        hs_startup_end(&su, false);
        _exit(0);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(exists("s") && exists("pid"));
    hs_startup_end(&su, true);
}

static void
what_cannot_be_opened_ends_it(void **state)
{
    (void)state;
    struct hs_startup su, other;
    set("listen", "unix:/s");
    assert_int_equal(hs_startup_begin(&su, &settings, 1), 0);
    set("pid-file", "/pid");
    assert_int_equal(hs_startup_begin(&other, &settings, 1), EADDRINUSE);
    hs_startup_end(&other, true);
    assert_true(exists("s")); /* the first one's */
    assert_false(exists("pid"));
    hs_startup_end(&su, true);
    set("pid-file", "/nowhere/pid");
    assert_int_equal(hs_startup_begin(&su, &settings, 1), ENOENT);
    hs_startup_end(&su, true);
    assert_false(exists("s"));
    set("user", "no-such-user");
    assert_int_equal(hs_startup_begin(&su, &settings, 1), ENOENT);
    assert_int_equal(su.nsockets, 0); /* before anything was opened */
    hs_startup_end(&su, true);
}

static void
a_name_needs_a_socket(void **state)
{
    (void)state;
    struct hs_startup su;
    set("listen", "fd:web");
    assert_int_equal(hs_startup_begin(&su, &settings, 1), ENOENT);
    hs_startup_end(&su, true);
}

static void
none_is_no_file(void **state)
{
    (void)state;
    struct hs_startup su;
    set("listen", "unix:/s");
    set("pid-file", "none");
    assert_int_equal(hs_startup_begin(&su, &settings, 1), 0);
    assert_null(su.pid_file.path);
    hs_startup_take_over(&su, &settings);
    assert_null(su.pid_file.path);
    hs_startup_end(&su, true);
    assert_int_equal(access("none", F_OK), -1);
}

static void
who_takes_over_writes_into_the_same_file(void **state)
{
    (void)state;
    struct hs_startup su, next;
    char key[200], path[128], text[32] = "";
    set("listen", "unix:/s");
    assert_int_equal(hs_startup_begin(&next, &settings, 1), 0);
    set("pid-file", "/pid");
    (void)snprintf(path, sizeof path, "%s/pid", dir);
    (void)snprintf(key, sizeof key, "pid:%s", path);
    FILE *f = fopen(path, "w+");
    assert_non_null(f);
    fputs("1\n", f);
    assert_int_equal(fflush(f), 0);
    assert_int_equal(hs_inherited_add(&next.inherited, key, dup(fileno(f))), 0);
    struct hs_listen_socket former;
    char address[128];
    (void)snprintf(address, sizeof address, "unix:%s/former", dir);
    assert_int_equal(hs_listen_socket_open(address, 1, 5, &former), 0);
    strcat(address, "#0");
    assert_int_equal(hs_inherited_add(&next.inherited, address, dup(former.fds[0])), 0);
    hs_startup_take_over(&next, &settings);
    assert_false(exists("former")); /* the settings do not name it any more */
    assert_int_equal(next.inherited.n, 0);
    hs_listen_socket_close(&former, false);
    assert_true(pread(fileno(f), text, sizeof text - 1, 0) > 0);
    assert_int_equal(strtol(text, NULL, 10), getpid());
    assert_int_equal(fclose(f), 0);
    hs_startup_end(&next, true);
    assert_false(exists("pid"));
    assert_int_equal(hs_startup_begin(&su, &settings, 1), 0); /* one that was not handed in is written anew */
    hs_pid_file_forget(&su.pid_file);
    hs_startup_take_over(&su, &settings);
    assert_true(exists("pid"));
    hs_startup_end(&su, true);
}

#define with_settings(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        with_settings(sockets_and_pid_file_come_and_go),
        with_settings(a_child_leaves_the_files),
        with_settings(what_cannot_be_opened_ends_it),
        with_settings(a_name_needs_a_socket),
        with_settings(none_is_no_file),
        with_settings(who_takes_over_writes_into_the_same_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
