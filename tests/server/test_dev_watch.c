/* test_dev_watch.c - server/dev_watch.c: changes of scripts are told, each once, and those of other files are not. */
#include "server/dev_watch.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct hs_loop *loop;
static struct hs_dev_watch *watch;
static char dir[64];
static unsigned told;

static void
on_changed(void *arg)
{
    assert_ptr_equal(arg, &told);
    told++;
}

static char *
in_dir(const char *name)
{
    static char path[2][256];
    static unsigned turn;
    char *p = path[turn++ % 2];

    snprintf(p, sizeof path[0], "%s/%s", dir, name);
    return p;
}

static void
put(const char *name)
{
    int fd = open(in_dir(name), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, "--\n", 3), 3);
    close(fd);
}

static int
set_up(void **state)
{
    struct hs_loop_options options = { .test_clock = true };

    (void)state;
    strcpy(dir, "/tmp/httpsrv-test-XXXXXX");
    assert_non_null(mkdtemp(dir));
    put("a.lua");
    assert_int_equal(mkdir(in_dir("lib"), 0700), 0);
    told = 0;
    return hs_loop_new(&options, &loop);
}

static int
tear_down(void **state)
{
    char command[128];

    (void)state;
    hs_dev_watch_free(watch);
    watch = NULL;
    hs_loop_free(loop);
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command);
}

static void
begin(const char *path)
{
    assert_int_equal(hs_dev_watch_new(loop, path, on_changed, &told, &watch), 0);
}

/* Lets the kernel's news come, and time pass. */
static void
pass(int64_t ns)
{
    assert_int_equal(hs_loop_turn(loop, false), 0);
    hs_loop_advance(loop, ns);
}

/* Whether what has been done since the last call was told, once. */
static bool
was_told(void)
{
    unsigned before = told;

    pass(HS_SEC / 20);
    assert_int_equal(told, before); /* not yet */
    pass(HS_SEC / 10);
    pass(HS_SEC);
    assert_true(told <= before + 1);
    return told != before;
}

static void
a_script_that_is_written_is_told(void **state)
{
    (void)state;
    begin(dir);
    assert_false(was_told());
    put("a.lua");
    assert_true(was_told());
    put("new.lua");
    assert_true(was_told());
    put("config.lua");
    assert_true(was_told());
    put("lib/module.lua");
    assert_true(was_told());
    assert_false(was_told());
}

static void
so_are_scripts_that_come_and_go_as_a_whole(void **state)
{
    (void)state;
    begin(dir);
    put("a.lua~");
    assert_false(was_told());
    assert_int_equal(rename(in_dir("a.lua~"), in_dir("a.lua")), 0); /* as editors do */
    assert_true(was_told());
    assert_int_equal(rename(in_dir("a.lua"), in_dir("a.txt")), 0);
    assert_true(was_told());
    assert_int_equal(symlink(in_dir("a.txt"), in_dir("b.lua")), 0);
    assert_true(was_told());
    assert_int_equal(unlink(in_dir("b.lua")), 0);
    assert_true(was_told());
}

static void
other_files_are_not(void **state)
{
    (void)state;
    begin(dir);
    put("notes.txt");
    put(".a.lua.swp");
    put(".#a.lua");
    put("4913");
    put("lua");
    assert_int_equal(mkdir(in_dir(".git"), 0700), 0);
    put(".git/x.lua");
    assert_false(was_told());
}

static void
new_directories_are_watched_too(void **state)
{
    (void)state;
    begin(dir);
    assert_int_equal(mkdir(in_dir("lib/deep"), 0700), 0);
    assert_true(was_told());
    put("lib/deep/x.lua");
    assert_true(was_told());
    assert_int_equal(rename(in_dir("lib/deep"), in_dir("lib/other")), 0);
    assert_true(was_told());
    put("lib/other/x.lua");
    assert_true(was_told());
    unlink(in_dir("lib/other/x.lua"));
    rmdir(in_dir("lib/other"));
    assert_true(was_told());
}

static void
many_changes_are_told_once_but_not_for_ever_later(void **state)
{
    (void)state;
    begin(dir);
    for (int i = 0; i < 9; i++) {
        put("a.lua");
        put("b.lua");
        pass(HS_SEC / 11);
        assert_int_equal(told, 0);
    }
    pass(HS_SEC / 10);
    assert_int_equal(told, 1);
    for (int i = 0; i < 22; i++) { /* two seconds without rest */
        put("a.lua");
        pass(HS_SEC / 11);
    }
    assert_in_range(told, 2, 3);
}

static void
beside_a_single_script_no_deeper_than_its_lib(void **state)
{
    (void)state;
    assert_int_equal(mkdir(in_dir("lib/deep"), 0700), 0);
    assert_int_equal(mkdir(in_dir("other"), 0700), 0);
    begin(in_dir("a.lua"));
    put("a.lua");
    assert_true(was_told());
    put("lib/x.lua");
    assert_true(was_told());
    put("lib/deep/x.lua");
    put("other/x.lua");
    assert_false(was_told());
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_script_that_is_written_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(so_are_scripts_that_come_and_go_as_a_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_files_are_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(new_directories_are_watched_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_changes_are_told_once_but_not_for_ever_later, set_up, tear_down),
        cmocka_unit_test_setup_teardown(beside_a_single_script_no_deeper_than_its_lib, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
