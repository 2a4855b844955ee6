/* test_config_file.c - server/config_file.h: settings from a Lua file. */
#include "server/config_file.h"

#include <errno.h>
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
#include "base/log.h"
#include "io/loop.h"

static char dir[] = "/tmp/test_config_XXXXXX";
static char path[256];
static struct hs_settings settings;
static char told[256 * 1024];

static int
group_setup(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL) {
        return -1;
    }
    (void)snprintf(path, sizeof path, "%s/config.lua", dir);
    return 0;
}

static int
group_teardown(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(dir);
}

static void
note(void *arg, const char *message)
{
    assert_string_equal(arg, "arg");
    /* without the folder, which differs from run to run */
    assert_int_equal(strncmp(message, path, strlen(path)), 0);
    strcat(strcat(told, message + strlen(dir) + 1), "\n");
}

static int
read_bytes(const char *text, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
    hs_settings_fini(&settings);
    assert_int_equal(hs_settings_init(&settings), 0);
    told[0] = '\0';
    return hs_config_file_read(&settings, path, 1, note, (void *)(uintptr_t) "arg");
}

static int
read_text(const char *text)
{
    return read_bytes(text, strlen(text));
}

static void
values_of_all_kinds(void **state)
{
    (void)state;
    assert_int_equal(read_text("return { listen = { '81', 82, 'unix:/tmp/x' }, max_body = '32M', ['keep-alive'] = 0.5,\n"
                               "  dev = true, head_fields = 20, log_level = 'warn', drain_timeout = 2 * 60 }"),
                     0);
    assert_string_equal(told, "");
    assert_int_equal(settings.listen.n, 3);
    assert_string_equal(settings.listen.items[1], "82");
    assert_int_equal(settings.max_body, 32 << 20);
    assert_int_equal(settings.keep_alive, HS_SEC / 2);
    assert_int_equal(settings.dev, 1);
    assert_int_equal(settings.head_fields, 20);
    assert_int_equal(settings.drain_timeout, 120 * HS_SEC);
    assert_int_equal(read_text("#!/usr/bin/env lua\nreturn { max_body = false, load_timeout = false }"), 0);
    assert_int_equal(settings.max_body, -1);
    assert_int_equal(settings.load_timeout, -1);
    assert_int_equal(read_text("return {}"), 0);
    assert_int_equal(read_text("return { listen = os.getenv('NO_SUCH_THING') or 8088 }"), 0);
    assert_string_equal(settings.listen.items[0], "8088");
}

static void
addresses_with_options_may_be_tables(void **state)
{
    (void)state;
    assert_int_equal(read_text("return { trusted = '10.0.0.0/8', deny = { '192.0.2.0/24', '::1' }, max_connections = 9,\n"
                               "  listen = { 81, { address = 'unix:/x', mode = '0660', proxy = true }, { address = 82, backlog = 5, proxy = false } } }"),
                     0);
    assert_string_equal(told, "");
    assert_int_equal(settings.listen.n, 3);
    assert_true(strcmp(settings.listen.items[1], "unix:/x,mode=0660,proxy") == 0 || strcmp(settings.listen.items[1], "unix:/x,proxy,mode=0660") == 0);
    assert_true(strcmp(settings.listen.items[2], "82,backlog=5,proxy=false") == 0 || strcmp(settings.listen.items[2], "82,proxy=false,backlog=5") == 0);
    assert_int_equal(settings.trusted.n, 1);
    assert_int_equal(settings.deny.n, 2);
    assert_int_equal(settings.max_connections, 9);
    assert_int_equal(read_text("return { listen = { address = '83', allow = { '10.0.0.0/8', '::1' } } }"), 0); /* a single one */
    assert_string_equal(settings.listen.items[0], "83,allow=10.0.0.0/8,allow=::1");
    static const char *const bad[] = { "{ address = '83,proxy' }", "{ mode = '0660' }", "{ address = '83', proxy = 'a,b' }", "{ address = '83', proxy = print }",
                                       "{ address = '83', [1.5] = 2 }", "{ address = '83', allow = { {} } }", "{ address = '83', nothing = 1 }" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[128];
        (void)snprintf(text, sizeof text, "return { listen = { %s } }", bad[i]);
        assert_int_equal(read_text(text), EINVAL);
        assert_non_null(strstr(told, "config.lua:1: listen: "));
    }
}

/* What is passed over could be what keeps a door shut. */
static void
nothing_in_a_list_is_passed_over(void **state)
{
    (void)state;
    static const char *const bad[] = { "listen = { '83', allow = '10.0.0.0/8' }", "listen = { address = '83', '84' }",
                                       "listen = { address = '83', allow = {} }", "listen = { address = '83', allow = { net = '10.0.0.0/8' } }",
                                       "listen = { address = '83', allow = { '::1', nil, '::2' } }", "listen = { address = '83', allow = false }",
                                       "deny = { '::1', net = '::2' }", "deny = { [2] = '::1' }", "deny = { '::1', nil, '::2' }" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[128];
        (void)snprintf(text, sizeof text, "return { %s }", bad[i]);
        assert_int_equal(read_text(text), EINVAL);
        assert_non_null(strstr(told, "config.lua:1: "));
    }
    assert_int_equal(read_text("return { listen = { address = '83', defer = false } }"), 0);
    assert_string_equal(settings.listen.items[0], "83,defer=false");
    assert_int_equal(read_text("local t = {} for i = 1, 1000 do t[i] = '::1' end return { deny = t }"), 0);
    assert_int_equal(settings.deny.n, 1000);
    assert_int_equal(read_text("local t = {} for i = 1, 1001 do t[i] = '::1' end return { deny = t }"), EINVAL);
}

static void
the_command_line_comes_first(void **state)
{
    (void)state;
    char why[128];
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs("return { max_body = 1, listen = 99 }", f);
    assert_int_equal(fclose(f), 0);
    hs_settings_fini(&settings);
    assert_int_equal(hs_settings_init(&settings), 0);
    assert_int_equal(hs_setting_set(&settings, hs_setting_find("max-body"), "2", HS_SOURCE_COMMAND, why, sizeof why), 0);
    assert_int_equal(hs_config_file_read(&settings, path, 1, note, (void *)(uintptr_t) "arg"), 0);
    assert_int_equal(settings.max_body, 2);
    assert_string_equal(settings.listen.items[0], "99");
}

static void
all_problems_are_told_with_their_lines(void **state)
{
    (void)state;
    assert_int_equal(read_text("return {\n  drain_timout = 3,\n  max_body = 'much',\n  listen = { 'localhost' },\n  head_fields = {},\n"
                               "  config = 'x',\n  keep_alive = 7,\n  banana = 1,\n  [1] = 2,\n  listen_ = '',\n  dev = print,\n}\n"),
                     EINVAL);
    assert_string_equal(told, "config.lua: settings have names; there is an entry with a number as its key\n"
                              "config.lua:8: unknown setting 'banana'\n"
                              "config.lua:6: config can only be given on the command line\n"
                              "config.lua:11: dev: cannot be a function\n"
                              "config.lua:2: unknown setting 'drain_timout' (did you mean drain_timeout?)\n"
                              "config.lua:5: head_fields: cannot be a table\n"
                              "config.lua:4: listen: must be an address: PORT, IP:PORT, [IPv6]:PORT or unix:/PATH, not 'localhost'\n"
                              "config.lua:10: unknown setting 'listen_' (did you mean listen?)\n"
                              "config.lua:3: max_body: must be a number of bytes (suffixes K, M, G) from 0 on, or none, not 'much'\n");
    assert_int_equal(settings.keep_alive, 7 * HS_SEC); /* what is right is set */
}

static void
files_that_do_not_run(void **state)
{
    (void)state;
    assert_int_equal(read_text("return {\n x = = 1 }"), EINVAL);
    assert_string_equal(told, "config.lua:2: unexpected symbol near '='\n");
    assert_int_equal(read_text("local x\nlocal y = x.z\nreturn {}"), EINVAL);
    assert_string_equal(told, "config.lua:2: attempt to index local 'x' (a nil value)\n");
    assert_int_equal(read_text("error({})"), EINVAL);
    assert_string_equal(told, "config.lua: (error object is not a string)\n");
    assert_int_equal(read_text("x = 1"), EINVAL);
    assert_string_equal(told, "config.lua: must return a table of settings, not a nil (is there a return?)\n");
    assert_int_equal(read_text("return 'listen'"), EINVAL);
    assert_string_equal(told, "config.lua: must return a table of settings, not a string\n");
    assert_int_equal(read_text("return { listen = '1\\0' , max_body = {}, dev = {} }"), EINVAL);
    assert_int_equal(read_text("return { listen = {} }"), EINVAL);
    assert_int_equal(read_text("return { listen = { {} } }"), EINVAL);
    assert_string_equal(told, "config.lua:1: listen: an entry that is a table must have an address without a comma\n");
    assert_int_equal(read_text(""), EINVAL);
    /* hostile tables */
    assert_int_equal(read_text("return setmetatable({}, { __index = error, __pairs = error })"), 0);
    assert_int_equal(read_text("local t = {} for i = 1, 2000 do t['k' .. i] = i end return t"), EINVAL);
}

static void
there_is_no_server_in_it(void **state)
{
    (void)state;
    assert_int_equal(read_text("return require 'httpsrv'"), EINVAL);
    assert_non_null(strstr(told, "module 'httpsrv' not found"));
    assert_int_equal(read_text("assert(string.format and math.floor and table.concat and os.getenv and io.open) return {}"), 0);
}

static void
threat_37_bytecode_is_refused(void **state)
{
    (void)state;
    static const char bytecode[] = "\x1bLJ\x02\x02\x0f\x02\0\x01\0\0\0\x01K\0\x01\0\0";
    assert_int_equal(read_bytes(bytecode, sizeof bytecode - 1), EINVAL);
    assert_non_null(strstr(told, "bytecode"));
}

static void
threat_35_a_file_without_an_end_is_ended(void **state)
{
    (void)state;
    assert_int_equal(read_text("while true do end"), EINVAL);
    assert_string_equal(told, "config.lua:1: took too long\n");
    assert_int_equal(read_text("while true do pcall(function() while true do end end) end"), EINVAL);
    assert_string_equal(told, "config.lua:1: took too long\n");
}

static void
files_that_cannot_be_read(void **state)
{
    (void)state;
    (void)unlink(path);
    told[0] = '\0';
    assert_int_equal(hs_config_file_read(&settings, path, 1, note, (void *)(uintptr_t) "arg"), ENOENT);
    assert_string_equal(told, "");
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(hs_config_file_read(&settings, path, 1, note, (void *)(uintptr_t) "arg"), EINVAL);
    assert_string_equal(told, "config.lua: Is a directory\n");
    assert_int_equal(rmdir(path), 0);
}

static void
scenario(void *arg)
{
    (void)arg;
    struct hs_settings s;
    if (hs_settings_init(&s) != 0) {
        return;
    }
    told[0] = '\0';
    int err = hs_config_file_read(&s, path, 1, note, (void *)(uintptr_t) "arg");
    assert_true(err == 0 || ((err == ENOMEM || err == EINVAL) && told[0] != '\0'));
    hs_settings_fini(&s);
}

static void
threat_38_each_allocation_fails_once(void **state)
{
    (void)state;
    assert_int_equal(read_text("return { listen = { '81', '82' }, max_body = 3 }"), 0);
    assert_in_range(alloc_fail_each(scenario, NULL), 6, 40);
    hs_settings_fini(&settings);
}

static char warned[4096];

static void
keep_warning(enum hs_log_level level, const char *line, void *arg)
{
    (void)level;
    (void)arg;
    (void)snprintf(warned, sizeof warned, "%s", line);
}

/* Whether root is warned of a file, and a directory, with such owners and modes. */
static bool
is_warned_of(uid_t owner, mode_t mode, uid_t dir_owner, mode_t dir_mode)
{
    warned[0] = '\0';
    assert_int_equal(read_text("return {}"), 0);
    assert_int_equal(chown(path, owner, owner), 0);
    assert_int_equal(chmod(path, mode), 0);
    assert_int_equal(chown(dir, dir_owner, dir_owner), 0);
    assert_int_equal(chmod(dir, dir_mode), 0);
    hs_log_set_sink(keep_warning, NULL);
    assert_int_equal(hs_config_file_read(&settings, path, 1, note, (void *)(uintptr_t) "arg"), 0);
    hs_log_set_sink(NULL, NULL);
    assert_int_equal(chown(dir, geteuid(), getegid()), 0);
    assert_int_equal(chmod(dir, 0700), 0);
    (void)unlink(path);
    return strstr(warned, "others than root can write to") != NULL;
}

/* Who can write it can do what root can. */
static void
root_is_warned_of_what_others_can_write(void **state)
{
    (void)state;
    if (geteuid() != 0) { /* it is no more than the one who has started it */
        assert_false(is_warned_of(geteuid(), 0666, geteuid(), 0777));
        return;
    }
    assert_false(is_warned_of(0, 0644, 0, 0755));
    assert_false(is_warned_of(0, 0664, 0, 0775)); /* root's group */
    assert_true(is_warned_of(0, 0646, 0, 0755));
    assert_true(is_warned_of(1000, 0644, 0, 0755));
    assert_true(is_warned_of(0, 0644, 1000, 0755));
    assert_true(is_warned_of(0, 0644, 0, 0757));
    assert_false(is_warned_of(0, 0644, 0, 01777)); /* nobody can put another in the place of root's there */
}

static void
note_any(void *arg, const char *message)
{
    (void)arg;
    strcat(strcat(told, message), "\n");
}

static int
read_place(const char *where, const char *config)
{
    struct hs_scripts_place place;
    char why[64];

    told[0] = '\0';
    hs_settings_fini(&settings);
    assert_int_equal(hs_settings_init(&settings), 0);
    if (config != NULL) {
        assert_int_equal(hs_setting_set(&settings, hs_setting_find("config"), config, HS_SOURCE_COMMAND, why, sizeof why), 0);
    }
    assert_int_equal(hs_scripts_find(where, &place), 0);
    int err = hs_config_read(&settings, &place, note_any, NULL);
    hs_scripts_place_fini(&place);
    return err;
}

static void
what_is_served_brings_its_own_file(void **state)
{
    char other[300], why[64];

    (void)state;
    assert_int_equal(read_text("return { max_body = 7 }"), 0);
    snprintf(other, sizeof other, "%s/other.lua", dir);
    assert_int_equal(read_place(dir, NULL), 0);
    assert_int_equal(settings.max_body, 7);
    assert_int_equal(read_place(path, NULL), 0); /* a single script has none */
    assert_int_equal(settings.max_body, 16 * 1024 * 1024);
    assert_int_equal(read_place(dir, other), ENOENT);
    assert_non_null(strstr(told, "other.lua: No such file"));
    assert_int_equal(rename(path, other), 0);
    assert_int_equal(read_place(dir, NULL), 0);
    assert_int_equal(settings.max_body, 16 * 1024 * 1024);
    assert_int_equal(read_place(dir, other), 0);
    assert_int_equal(settings.max_body, 7);
    assert_int_equal(rename(other, path), 0);

    assert_int_equal(read_text("return { response_low = '1M', keep_alive = 'x' }"), EINVAL);
    assert_int_equal(read_place(dir, NULL), EINVAL); /* all of it is told */
    assert_non_null(strstr(told, "keep_alive: must be "));
    assert_non_null(strstr(told, "config.lua: response-low: must not be more than response-high\n"));
    assert_int_equal(read_text("return {}"), 0);
    assert_int_equal(hs_setting_set(&settings, hs_setting_find("target-size"), "17K", HS_SOURCE_COMMAND, why, sizeof why), 0);
    struct hs_scripts_place place;
    assert_int_equal(hs_scripts_find(dir, &place), 0);
    told[0] = '\0';
    assert_int_equal(hs_config_read(&settings, &place, note_any, NULL), EDOM); /* the command line is to blame */
    assert_string_equal(told, "--target-size: must not be more than head-size\n");
    hs_scripts_place_fini(&place);
    hs_settings_fini(&settings);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_all_kinds),
        cmocka_unit_test(addresses_with_options_may_be_tables),
        cmocka_unit_test(nothing_in_a_list_is_passed_over),
        cmocka_unit_test(the_command_line_comes_first),
        cmocka_unit_test(all_problems_are_told_with_their_lines),
        cmocka_unit_test(files_that_do_not_run),
        cmocka_unit_test(there_is_no_server_in_it),
        cmocka_unit_test(threat_37_bytecode_is_refused),
        cmocka_unit_test(threat_35_a_file_without_an_end_is_ended),
        cmocka_unit_test(files_that_cannot_be_read),
        cmocka_unit_test(threat_38_each_allocation_fails_once),
        cmocka_unit_test(root_is_warned_of_what_others_can_write),
        cmocka_unit_test(what_is_served_brings_its_own_file),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
