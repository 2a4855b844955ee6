/* test_program.c - server/program.h: executing again what was executed. Each case in a child, since the state is the process's. */
#include "server/program.h"

#include <errno.h>
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

static int
set_up(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/test-program-XXXXXX");
    return mkdtemp(dir) == NULL;
}

static int
tear_down(void **state)
{
    char command[128];
    (void)state;
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static void
write_script(const char *name, const char *text)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "#!/bin/sh\n%s\n", text);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0755), 0);
}

/* Notes argv in dir, then lets change happen, goes elsewhere and executes; what that exits with, or 100 plus the error. */
static int
execute(char *const *argv, void (*change)(void))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int argc = 0;
        while (argv[argc] != NULL) {
            argc++;
        }
        if (chdir(dir) != 0) {
            _exit(90);
        }
        char *copy[8] = { NULL };
        memcpy(copy, argv, ((size_t)argc + 1) * sizeof *copy);
        hs_program_note(argc, copy);
        copy[0] = copy[1] = NULL; /* as whoever parses it may do */
        hs_program_note(0, copy);
        if (change != NULL) {
            change();
        }
        if (chdir("/") != 0) {
            _exit(91);
        }
        _exit(100 + hs_program_execute());
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void
replace_it(void)
{
    write_script("new", "exit 8");
    char from[128], to[128];
    (void)snprintf(from, sizeof from, "%s/new", dir);
    (void)snprintf(to, sizeof to, "%s/prog", dir);
    (void)rename(from, to);
}

static void
the_file_that_is_there_now_is_executed(void **state)
{
    (void)state;
    char path[128];
    write_script("prog", "[ \"$1\" = one ] && [ \"$2\" = 'two words' ] && [ $# = 2 ] && exit 7");
    (void)snprintf(path, sizeof path, "%s/prog", dir);
    assert_int_equal(execute((char *[]){ path, (char[]){ "one" }, (char[]){ "two words" }, NULL }, NULL), 7);
    assert_int_equal(execute((char *[]){ path, NULL }, replace_it), 8);
    assert_int_equal(execute((char *[]){ (char[]){ "./prog" }, NULL }, NULL), 8); /* relative to where it was started */
}

static void
a_name_without_a_slash_is_looked_for(void **state)
{
    (void)state;
    char path[256];
    write_script("prog-of-this-test", "exit 9");
    (void)snprintf(path, sizeof path, "relative:/no/such/place:%s:/usr/bin:/bin", dir);
    assert_int_equal(setenv("PATH", path, 1), 0);
    assert_int_equal(execute((char *[]){ (char[]){ "prog-of-this-test" }, NULL }, NULL), 9);
    assert_int_equal(execute((char *[]){ (char[]){ "no-such-prog" }, NULL }, NULL), 100 + ENOENT);
}

static void
move_directory(void)
{
    char away[96];
    (void)snprintf(away, sizeof away, "%s-away", dir);
    if (rename(dir, away) != 0 || mkdir(dir, 0755) != 0) {
        _exit(92);
    }
    write_script("prog", "[ -e here ] && exit 10");
    write_script("here", "");
}

static void
a_directory_that_was_replaced_is_the_new_one(void **state)
{
    (void)state;
    char command[128];
    write_script("prog", "exit 1");
    assert_int_equal(execute((char *[]){ (char[]){ "./prog" }, NULL }, move_directory), 10);
    (void)snprintf(command, sizeof command, "rm -rf %s-away", dir);
    assert_int_equal(system(command), 0);
}

static void
what_cannot_be_executed_says_why(void **state)
{
    (void)state;
    assert_int_equal(execute((char *[]){ (char[]){ "./none" }, NULL }, NULL), 100 + ENOENT);
    assert_int_equal(execute((char *[]){ dir, NULL }, NULL), 100 + EACCES);
}

#define with_directory(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        with_directory(the_file_that_is_there_now_is_executed),
        with_directory(a_name_without_a_slash_is_looked_for),
        with_directory(a_directory_that_was_replaced_is_the_new_one),
        with_directory(what_cannot_be_executed_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
