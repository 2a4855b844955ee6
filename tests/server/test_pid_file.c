/* test_pid_file.c - server/pid_file.h: written whole, removed when ours, handed on. */
#include "server/pid_file.h"

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
#include <unistd.h>

#include <cmocka.h>

#include "alloc_fail.h"

static char dir[64], path[96];

static int
set_up(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/test-pid-file-XXXXXX");
    if (mkdtemp(dir) == NULL) {
        return 1;
    }
    (void)snprintf(path, sizeof path, "%s/pid", dir);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(dir); /* nothing else was left in it */
}

static const char *
content(void)
{
    static char text[64];
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    assert_int_equal(fclose(f), 0);
    return text;
}

static const char *
number(void)
{
    static char text[32];
    (void)snprintf(text, sizeof text, "%ld\n", (long)getpid());
    return text;
}

static void
put(const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void
it_says_our_number_and_goes_with_us(void **state)
{
    (void)state;
    struct hs_pid_file p;
    put("an old one, longer than any number is");
    assert_int_equal(hs_pid_file_write(path, &p), 0);
    assert_string_equal(content(), number());
    assert_true((fcntl(p.fd, F_GETFD) & FD_CLOEXEC) != 0);
    hs_pid_file_remove(&p);
    assert_null(p.path);
    assert_int_equal(access(path, F_OK), -1);
    hs_pid_file_remove(&p); /* nothing to do */
    hs_pid_file_forget(&p);
}

static void
a_link_is_replaced_not_followed(void **state)
{
    (void)state;
    struct hs_pid_file p;
    struct stat st;
    assert_int_equal(symlink("/nowhere", path), 0);
    assert_int_equal(hs_pid_file_write(path, &p), 0);
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISREG(st.st_mode));
    hs_pid_file_remove(&p);
}

static void
what_is_not_ours_any_more_stays(void **state)
{
    (void)state;
    struct hs_pid_file p;
    assert_int_equal(hs_pid_file_write(path, &p), 0);
    put("1\n"); /* in the same file */
    hs_pid_file_remove(&p);
    assert_string_equal(content(), "1\n");
    assert_int_equal(hs_pid_file_write(path, &p), 0);
    assert_int_equal(unlink(path), 0);
    put(number()); /* another file, and who knows whose */
    hs_pid_file_remove(&p);
    assert_string_equal(content(), number());
}

static void
a_successor_writes_into_it(void **state)
{
    (void)state;
    struct hs_pid_file p, next;
    assert_int_equal(hs_pid_file_write(path, &p), 0);
    assert_int_equal(hs_pid_file_adopt(path, dup(p.fd), &next), 0);
    put("123456789012\n"); /* longer than ours */
    assert_int_equal(hs_pid_file_rewrite(&next), 0);
    assert_string_equal(content(), number());
    hs_pid_file_forget(&p);
    assert_string_equal(content(), number());
    hs_pid_file_remove(&next);
    assert_int_equal(access(path, F_OK), -1);
}

static void
it_is_emptied_where_it_cannot_be_removed(void **state)
{
    (void)state;
    struct hs_pid_file p;
    assert_int_equal(hs_pid_file_write(path, &p), 0);
    assert_int_equal(chmod(dir, 0500), 0);
    if (geteuid() == 0) {
        assert_int_equal(seteuid(65534), 0);
    }
    hs_pid_file_remove(&p);
    assert_int_equal(seteuid(getuid()), 0);
    assert_int_equal(chmod(dir, 0700), 0);
    assert_string_equal(content(), "");
}

static void
errors_leave_nothing(void **state)
{
    (void)state;
    struct hs_pid_file p;
    assert_int_equal(hs_pid_file_write("/no/such/directory/pid", &p), ENOENT);
    assert_null(p.path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(hs_pid_file_write(path, &p), EISDIR);
    assert_null(p.path);
    assert_int_equal(rmdir(path), 0);
}

static void
scenario(void *arg)
{
    struct hs_pid_file p;
    (void)arg;
    int err = hs_pid_file_write(path, &p);
    assert_true(err == 0 || err == ENOMEM);
    hs_pid_file_remove(&p);
}

static void
threat_38_each_allocation_fails_once(void **state)
{
    (void)state;
    assert_true(alloc_fail_each(scenario, NULL) >= 1);
}

#define with_directory(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        with_directory(it_says_our_number_and_goes_with_us),
        with_directory(a_link_is_replaced_not_followed),
        with_directory(what_is_not_ours_any_more_stays),
        with_directory(a_successor_writes_into_it),
        with_directory(it_is_emptied_where_it_cannot_be_removed),
        with_directory(errors_leave_nothing),
        with_directory(threat_38_each_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
