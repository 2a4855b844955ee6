/* test_lua_control.c - bindings/control.h: commands of scripts, what they print, how they end. */
#include "bindings/control.h"

#include <errno.h>

#include "alloc_fail.h"
#include "lua_rig.h"

static const char script[] =
    "local httpsrv = require 'httpsrv'\n"
    "httpsrv.register_control('say', function(cc)\n"
    "  print(cc.argc, cc.argv[0], cc.argv[1], cc.argv[2], cc.argv[-1])\n"
    "  cc:complain('to', 'stderr')\n"
    "end)\n"
    "httpsrv.register_control('wait', function() httpsrv.sleep(1) print 'woken' return 9 end)\n"
    "httpsrv.register_control('forever', function() httpsrv.sleep(1e6) end)\n"
    "httpsrv.register_control('fail', function() error('boom') end)\n"
    "httpsrv.register_control('fail table', function() error({}) end)\n"
    "for i, v in ipairs { true, false, 255, 256, -1, 'x' } do httpsrv.register_control('give ' .. i, function() return v end) end\n"
    "httpsrv.register_control('beside', function() httpsrv.spawn(function() print 'beside' end):wait() end)\n";

struct seen {
    char out[1024], err[1024];
    int status, ended;
};

static void
on_write(void *arg, bool to_err, struct hs_view text)
{
    struct seen *s = arg;
    char *to = to_err ? s->err : s->out;
    const size_t n = strlen(to);
    assert_int_equal(s->ended, 0);
    assert_true(n + text.n < sizeof s->out);
    memcpy(to + n, text.p, text.n);
    to[n + text.n] = '\0';
}

static void
on_ended(void *arg, int status)
{
    struct seen *s = arg;
    s->status = status;
    s->ended++;
}

static const struct hs_lua_command_ops ops = { on_write, on_ended };

/* Makes the words of a command that is written with blanks and starts it; the command, or NULL with *err. */
static struct hs_lua_command *
begin(struct lua_rig *l, const char *words, struct seen *s, int *err)
{
    static char copy[256];
    char *argv[16];
    int argc = 0;
    struct hs_lua_command *c = NULL;
    memset(s, 0, sizeof *s);
    (void)snprintf(copy, sizeof copy, "%s", words);
    for (char *p = strtok(copy, " "); p != NULL; p = strtok(NULL, " ")) {
        argv[argc++] = p;
    }
    *err = hs_lua_command_new(l->rt, argc, argv, &ops, s, &c);
    if (*err == 0) {
        hs_lua_command_start(c);
    }
    return c;
}

static void
run(struct lua_rig *l, const char *words, struct seen *s)
{
    int err;
    assert_non_null(begin(l, words, s, &err));
    rig_settle(&l->rig);
}

static void
prints_go_to_who_has_sent_it(void **state)
{
    (void)state;
    struct lua_rig l;
    struct seen s;
    lua_rig_open(&l, script);
    run(&l, "say something", &s);
    assert_string_equal(s.out, "2\tsay\tsomething\tnil\tnil\n");
    assert_string_equal(s.err, "to\tstderr\n");
    assert_int_equal(s.status, 0);
    assert_int_equal(s.ended, 1);
    run(&l, "beside", &s); /* other tasks print where they always do */
    assert_string_equal(s.out, "");
    assert_contains(l.log, "beside");
    lua_rig_close(&l);
}

static void
results_are_statuses(void **state)
{
    (void)state;
    static const int expected[] = { 0, 1, 255, 1, 1, 1 };
    struct lua_rig l;
    struct seen s;
    char words[32];
    lua_rig_open(&l, script);
    for (int i = 0; i < 6; i++) {
        (void)snprintf(words, sizeof words, "give %d", i + 1);
        run(&l, words, &s);
        assert_int_equal(s.ended, 1);
        assert_int_equal(s.status, expected[i]);
    }
    lua_rig_close(&l);
}

static void
an_error_is_told_and_logged(void **state)
{
    (void)state;
    struct lua_rig l;
    struct seen s;
    lua_rig_open(&l, script);
    run(&l, "fail", &s);
    assert_int_equal(s.status, 1);
    assert_contains(s.err, ": boom\n");
    assert_null(strstr(s.err, "traceback"));
    assert_contains(l.log, "stack traceback");
    run(&l, "fail table", &s); /* the longer name */
    assert_string_equal(s.err, "(error object is a table value)\n");
    assert_int_equal(s.status, 1);
    lua_rig_close(&l);
}

static void
waits_and_is_cancelled(void **state)
{
    (void)state;
    struct lua_rig l;
    struct seen s;
    int err;
    lua_rig_open(&l, script);
    assert_non_null(begin(&l, "wait", &s, &err));
    rig_settle(&l.rig);
    assert_int_equal(s.ended, 0);
    rig_advance(&l.rig, 2 * HS_SEC);
    assert_int_equal(s.status, 9);
    assert_string_equal(s.out, "woken\n");
    struct hs_lua_command *c = begin(&l, "forever", &s, &err);
    rig_settle(&l.rig);
    hs_lua_command_cancel(c);
    assert_int_equal(s.ended, 0); /* not from within */
    rig_settle(&l.rig);
    assert_int_equal(s.ended, 1);
    assert_int_equal(s.status, 1);
    assert_string_equal(s.err, "");
    lua_rig_close(&l);
}

static void
ends_with_its_runtime(void **state)
{
    (void)state;
    struct lua_rig l;
    struct seen s;
    int err;
    lua_rig_open(&l, script);
    assert_non_null(begin(&l, "forever", &s, &err));
    hs_lua_runtime_close(l.rt);
    assert_int_equal(s.ended, 1);
    assert_int_equal(s.status, 1);
    lua_rig_close(&l);
}

static void
only_what_was_registered(void **state)
{
    (void)state;
    struct lua_rig l;
    struct seen s;
    int err;
    lua_rig_open(&l, script);
    static const char *const none[] = { "nope", "give", "give 7", "gives 1", "Say", "fai" };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        assert_null(begin(&l, none[i], &s, &err));
        assert_int_equal(err, ENOENT);
    }
    lua_rig_close(&l);
}

static void
collect(void *arg, const char *name)
{
    char *to = arg;
    const size_t n = strlen(to);
    (void)snprintf(to + n, 512 - n, "%s,", name);
}

static void
names_are_listed(void **state)
{
    (void)state;
    struct lua_rig l;
    char names[512] = "";
    lua_rig_open(&l, script);
    assert_int_equal(hs_lua_commands_each(l.rt, collect, names), 0);
    assert_string_equal(names, "beside,fail,fail table,forever,give 1,give 2,give 3,give 4,give 5,give 6,say,wait,");
    lua_rig_close(&l);
}

static void
scenario(void *arg)
{
    struct lua_rig *l = arg;
    struct seen s;
    int err;
    if (begin(l, "fail", &s, &err) == NULL) {
        assert_int_equal(err, ENOMEM);
        return;
    }
    rig_settle(&l->rig);
    assert_int_equal(s.ended, 1);
    assert_int_equal(s.status, 1);
}

static void
threat_38_each_allocation_fails_once(void **state)
{
    (void)state;
    struct lua_rig l;
    lua_rig_open(&l, script);
    assert_true(alloc_fail_each(scenario, &l) > 1);
    lua_rig_close(&l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_go_to_who_has_sent_it),
        cmocka_unit_test(results_are_statuses),
        cmocka_unit_test(an_error_is_told_and_logged),
        cmocka_unit_test(waits_and_is_cancelled),
        cmocka_unit_test(ends_with_its_runtime),
        cmocka_unit_test(only_what_was_registered),
        cmocka_unit_test(names_are_listed),
        cmocka_unit_test(threat_38_each_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
