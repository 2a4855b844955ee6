/* test_identity.c - server/identity.h: looking users up, and becoming one, in a child. What only root can do is tried when root runs the tests. */
#include "server/identity.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
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

static char why[256];

static void
names_and_numbers_are_looked_up(void **state)
{
    (void)state;
    struct hs_identity id;
    char number[32];
    const struct passwd *p = getpwnam("nobody");
    assert_non_null(p);
    uid_t uid = p->pw_uid;
    gid_t gid = p->pw_gid;
    assert_int_equal(hs_identity_find("nobody", NULL, &id, why, sizeof why), 0);
    assert_true(id.user && id.group);
    assert_int_equal(id.uid, uid);
    assert_int_equal(id.gid, gid);
    assert_string_equal(id.name, "nobody");
    (void)snprintf(number, sizeof number, "%u", (unsigned)uid);
    assert_int_equal(hs_identity_find(number, NULL, &id, why, sizeof why), 0);
    assert_string_equal(id.name, "nobody");
    assert_int_equal(hs_identity_find("nobody", "root", &id, why, sizeof why), 0);
    assert_int_equal(id.gid, 0);
    assert_int_equal(hs_identity_find(NULL, "77", &id, why, sizeof why), 0);
    assert_true(!id.user && id.group);
    assert_int_equal(id.gid, 77);
    assert_int_equal(hs_identity_find("123456789", "77", &id, why, sizeof why), 0); /* nobody's number, as containers have them */
    assert_string_equal(id.name, "");
    assert_int_equal(id.uid, 123456789);
    assert_int_equal(hs_identity_find(NULL, NULL, &id, why, sizeof why), 0);
    assert_true(!id.user && !id.group);
    assert_int_equal(hs_identity_become(&id, why, sizeof why), 0);
    assert_int_equal(hs_identity_give(&id, "/no/such/file"), 0); /* nothing was asked for */
}

static void
what_there_is_not_is_refused(void **state)
{
    (void)state;
    static const char *const cases[][2] = { { "no-such-user", NULL }, { "", NULL },        { "-1", NULL }, { "4294967295", "0" }, { "99999999999", "0" },
                                            { "123456789", NULL },    { NULL, "no-group" }, { NULL, "-1" }, { NULL, "4294967295" }, { "0x0", NULL } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hs_identity id;
        why[0] = '\0';
        assert_int_equal(hs_identity_find(cases[i][0], cases[i][1], &id, why, sizeof why), ENOENT);
        assert_true(why[0] != '\0');
        assert_true(!id.user && !id.group);
    }
}

/* In a child: becomes it, and gives 0 when everything is as it should be. */
static int
become(const char *user, const char *group)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct hs_identity id;
        uid_t u[3];
        gid_t g[3], groups[64];
        if (hs_identity_find(user, group, &id, why, sizeof why) != 0) {
            _exit(20);
        }
        int err = hs_identity_become(&id, why, sizeof why);
        if (err != 0) {
            _exit(100 + err);
        }
        if (getresuid(&u[0], &u[1], &u[2]) != 0 || getresgid(&g[0], &g[1], &g[2]) != 0) {
            _exit(21);
        }
        for (int i = 0; i < 3; i++) {
            if (u[i] != id.uid || g[i] != id.gid) {
                _exit(22);
            }
        }
        if (id.uid != 0 && (setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0)) {
            _exit(23);
        }
        int n = getgroups(64, groups);
        for (int i = 0; i < n; i++) {
            if (groups[i] == 0 && id.gid != 0) {
                _exit(24); /* root's */
            }
        }
        _exit(hs_identity_become(&id, why, sizeof why) == 0 ? 0 : 25); /* once more: it is that already */
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void
root_becomes_anybody_for_good(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    assert_int_equal(become("nobody", NULL), 0);
    assert_int_equal(become("nobody", "77"), 0);
    assert_int_equal(become("123456789", "123456789"), 0);
    assert_int_equal(become(NULL, "77"), 0);
}

static void
others_become_only_themselves(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct hs_identity id;
        if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0)) {
            _exit(20);
        }
        if (hs_identity_find("root", NULL, &id, why, sizeof why) != 0) {
            _exit(21);
        }
        int err = hs_identity_become(&id, why, sizeof why);
        _exit(err == EPERM && strstr(why, "only root may") != NULL ? 0 : 22);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void
files_are_given_without_following_links(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    char dir[] = "/tmp/test-identity-XXXXXX", file[64], link[64];
    struct hs_identity id;
    struct stat st;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(file, sizeof file, "%s/f", dir);
    (void)snprintf(link, sizeof link, "%s/l", dir);
    assert_int_equal(mkdir(file, 0700), 0);
    assert_int_equal(symlink(file, link), 0);
    assert_int_equal(hs_identity_find("nobody", NULL, &id, why, sizeof why), 0);
    assert_int_equal(hs_identity_give(&id, link), 0);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_uid, 0);
    assert_int_equal(hs_identity_give(&id, file), 0);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_uid, id.uid);
    assert_int_equal(hs_identity_give(&id, "/no/such/file"), ENOENT);
    (void)unlink(link);
    (void)rmdir(file);
    (void)rmdir(dir);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_numbers_are_looked_up),
        cmocka_unit_test(what_there_is_not_is_refused),
        cmocka_unit_test(root_becomes_anybody_for_good),
        cmocka_unit_test(others_become_only_themselves),
        cmocka_unit_test(files_are_given_without_following_links),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
