/* test_chunk.c - bindings/chunk.h: which files are translated, and what is said of those that do not compile. */
#include "bindings/chunk.h"

#include "lua_rig.h"

static const char *
load(struct lua_rig *l, const char *script)
{
    lua_rig_begin(l, NULL, HS_LUA_LOAD);
    lua_rig_load(l, script);
    return l->problems;
}

static void
a_file_of_the_manuals_is_translated(void **state)
{
    (void)state;
    struct lua_rig l;
    assert_string_equal(load(&l, "#!/usr/bin/env httpsrv\nlocal m = require 'msys.operators'\nassert(5 | 2 != 6 and 0644 == 420)\n"), "");
    assert_int_equal(l.err, 0);
    lua_rig_close(&l);
}

static void
other_files_are_left_alone(void **state)
{
    (void)state;
    struct lua_rig l;
    assert_contains(load(&l, "-- require 'msys.core'\nlocal x = 5 | 2\n"), "lua:2: unexpected symbol near '|'");
    lua_rig_close(&l);
    assert_contains(load(&l, "local x = 5 != 2\n"), "lua:1: ");
    lua_rig_close(&l);
    assert_string_equal(load(&l, "assert(0644 == 644 and 'msys' == \"msys\")\n"), "");
    lua_rig_close(&l);
    assert_contains(load(&l, "\033LJ\2msys require 'msys.core'"), "attempt to load chunk with wrong mode");
    lua_rig_close(&l);
    assert_string_equal(load(&l, ""), "");
    lua_rig_close(&l);
}

static void
errors_have_their_line(void **state)
{
    (void)state;
    struct lua_rig l;
    assert_contains(load(&l, "require 'msys.operators'\nlocal x = 1 | 2\n\nlocal y = x |\n"), "lua:4: unexpected symbol near '|'");
    lua_rig_close(&l);
    assert_contains(load(&l, "require 'msys.operators'\n\nlocal x = 089\n"), "lua:3: malformed number near '089'");
    assert_contains(l.problems, "0 /tmp/"); /* HS_LUA_PROBLEM_SYNTAX */
    lua_rig_close(&l);
    assert_contains(load(&l, "require 'msys.operators'\n\nlocal x = 1 |\nnil\n"), "lua:3: attempt to perform a bitwise operation on a nil value");
    lua_rig_close(&l);
}

static void
so_are_modules_and_files_that_scripts_load(void **state)
{
    (void)state;
    struct lua_rig l;
    char script[1024];
    char module[64];
    (void)snprintf(module, sizeof module, "%s", lua_rig_file("local ops = require 'msys.operators'\nreturn 1 << 4, 010"));
    (void)snprintf(script, sizeof script,
                   "local a, b = dofile('%s') assert(a == 16 and b == 8)\n"
                   "local name = ('%s'):match('([^/]+)%%.lua$')\n"
                   "package.path = '/tmp/?.lua;' .. package.path assert(require(name) == 16)\n"
                   "local f = assert(loadfile('%s')) assert(f() == 16)\n"
                   "assert(010 == 10)\n",
                   module, module, module);
    assert_string_equal(load(&l, script), "");
    lua_rig_close(&l);
    (void)unlink(module);
}

static void
a_check_looks_at_the_translation(void **state)
{
    (void)state;
    struct lua_rig l;
    lua_rig_begin(&l, NULL, HS_LUA_CHECK);
    lua_rig_load(&l, "require 'msys.operators'\nlocal x = 1 | 2\ny = x != 3\n");
    assert_contains(l.problems, "lua:3: assigns to the global variable 'y'");
    lua_rig_close(&l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_of_the_manuals_is_translated),
        cmocka_unit_test(other_files_are_left_alone),
        cmocka_unit_test(errors_have_their_line),
        cmocka_unit_test(so_are_modules_and_files_that_scripts_load),
        cmocka_unit_test(a_check_looks_at_the_translation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
