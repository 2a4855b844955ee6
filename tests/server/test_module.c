/* test_module.c - server/module.h and httpsrv/module.h: shared objects that register handlers, and such as are none. */
#include "server/module.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "dispatch/dispatch.h"
#include "httpsrv/module.h"

static char dir[] = "/tmp/test_module_XXXXXX";
static char cwd[1024];
static char why[HS_MODULE_WHY];

/* Compiles dir/NAME.so from text. */
static void
build(const char *name, const char *text)
{
    char path[1200], command[4096];

    (void)snprintf(path, sizeof path, "%s/%s.c", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
    const char *cc = getenv("CC");
    (void)snprintf(command, sizeof command, "%s -shared -fPIC -I%s/core/include -o %s/%s.so %s", cc != NULL ? cc : "cc", cwd, dir, name, path);
    assert_int_equal(system(command), 0);
}

static int
group_setup(void **state)
{
    (void)state;
    return mkdtemp(dir) != NULL && getcwd(cwd, sizeof cwd) != NULL ? 0 : -1;
}

static int
group_teardown(void **state)
{
    char command[64];

    (void)state;
    (void)snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

static int
load(const char *name, unsigned long generation, bool check)
{
    char path[64];

    (void)snprintf(path, sizeof path, "%s/%s.so", dir, name);
    return hs_module_load(path, generation, check, why, sizeof why);
}

#define MODULE(body)                                                                                                                                 \
    "#include <httpsrv/module.h>\n"                                                                                                                  \
    "#include <string.h>\n"                                                                                                                          \
    "static int hello(ec_httpsrv_session *sess) { return ec_httpsrv_response_append(sess, \"x\", 1); }\n"                                            \
    "int httpsrv_module_init(const struct httpsrv_module *m)\n"                                                                                      \
    "{\n"                                                                                                                                            \
    "    static unsigned calls;\n"                                                                                                                   \
    "    (void)hello; (void)calls;\n"                                                                                                                \
    "    int err = httpsrv_module_check(m);\n"                                                                                                       \
    "    if (err != 0) return err;\n" body "}\n"

static void
a_module_registers_in_the_generation_that_is_built(void **state)
{
    (void)state;
    struct hs_generation *g;
    build("good", MODULE("return ec_httpsrv_register(NULL, \"GET\", \"/m\", ECTP_CLASS_SHORT_LIVED, NULL, hello);\n"));
    assert_int_equal(load("good", 1, false), EINVAL); /* none is being built */
    assert_non_null(strstr(why, "good.so: httpsrv_module_init gave "));
    for (unsigned long id = 1; id <= 3; id++) {
        assert_int_equal(hs_generation_new(id, &g), 0);
        hs_generation_set_building(g);
        assert_int_equal(load("good", id, false), 0);
        assert_int_equal(hs_generation_count(g), 1);
        assert_int_equal(load("good", id, false), EEXIST);
        hs_generation_set_building(NULL);
        hs_generation_delref(g);
    }
}

static void
it_is_told_who_loads_it(void **state)
{
    (void)state;
    build("told", MODULE("if (m->size != sizeof *m || strcmp(m->version, HTTPSRV_VERSION) != 0) return 1001;\n"
                         "if (strstr(m->file, \"/told.so\") == NULL) return 1002;\n"
                         "if (m->generation != 7 + calls || m->check != (int)calls) return 1003;\n"
                         "calls++;\n" /* it stays loaded */
                         "return 0;\n"));
    assert_int_equal(load("told", 7, false), 0);
    assert_int_equal(load("told", 8, true), 0);
    assert_int_equal(load("told", 8, true), 1003);
}

static void
one_for_another_version_is_refused(void **state)
{
    (void)state;
    build("older", "#include <httpsrv/server.h>\n#undef HTTPSRV_ABI\n#define HTTPSRV_ABI 77\n" MODULE("return 0;\n"));
    assert_int_equal(load("older", 1, false), ENOTSUP);
    assert_non_null(strstr(why, "older.so: was built for another version, not for " HTTPSRV_VERSION));

    struct httpsrv_module m = { .size = sizeof m, .abi = HTTPSRV_ABI };
    assert_int_equal(httpsrv_module_check(&m), 0);
    m.size = sizeof m + 8; /* a later one of the same binary interface */
    assert_int_equal(httpsrv_module_check(&m), 0);
    m.size = sizeof m - 1;
    assert_int_equal(httpsrv_module_check(&m), ENOTSUP);
}

static void
what_is_no_module_is_told(void **state)
{
    (void)state;
    assert_int_equal(load("absent", 1, false), ELIBACC);
    assert_non_null(strstr(why, "absent.so"));
    build("other", "int something_else(void) { return 0; }\n");
    assert_int_equal(load("other", 1, false), ENOEXEC);
    assert_non_null(strstr(why, "other.so: has no httpsrv_module_init"));
    build("missing", "#include <httpsrv/module.h>\nint no_such_function(void);\n"
                     "int httpsrv_module_init(const struct httpsrv_module *m) { (void)m; return no_such_function(); }\n");
    assert_int_equal(load("missing", 1, false), ELIBACC); /* now, not in the midst of a request */
    assert_non_null(strstr(why, "no_such_function"));
    char *longest = malloc(8192);
    assert_non_null(longest);
    memset(longest, 'a', 8191);
    longest[8191] = '\0';
    assert_int_equal(hs_module_load(longest, 1, false, why, sizeof why), ENAMETOOLONG);
    free(longest);
}

static void
a_name_without_a_slash_is_of_the_working_directory(void **state)
{
    (void)state;
    build("here", MODULE("return 0;\n"));
    assert_int_equal(chdir(dir), 0);
    assert_int_equal(hs_module_load("here.so", 1, false, why, sizeof why), 0);
    assert_int_equal(hs_module_load("libc.so.6", 1, false, why, sizeof why), ELIBACC);
    assert_int_equal(chdir(cwd), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_module_registers_in_the_generation_that_is_built),
        cmocka_unit_test(it_is_told_who_loads_it),
        cmocka_unit_test(one_for_another_version_is_refused),
        cmocka_unit_test(what_is_no_module_is_told),
        cmocka_unit_test(a_name_without_a_slash_is_of_the_working_directory),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
