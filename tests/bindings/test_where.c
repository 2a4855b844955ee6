/* test_where.c - bindings/where.h: where in a script the requests of a server stand. */
#include "bindings/where.h"

#include "lua_rig.h"

#define HTTPSRV "local httpsrv = require 'httpsrv'\n"

static struct hs_session_where found[8];
static size_t nfound;

static void
note(void *arg, ec_httpsrv_session *sess)
{
    (void)arg;
    if (!hs_session_find_where(sess, &found[nfound])) {
        assert_string_equal(found[nfound].place, "");
        assert_string_equal(found[nfound].call, "");
    }
    nfound++;
}

/* Asks for a path and looks where its request stands; the line, 0: not known. */
static int
line_of(struct lua_rig *l, const char *path)
{
    struct rig_client c;
    nfound = 0;
    lua_rig_ask(l, &c, path);
    hs_session_env_each(l->rig.env, 8, note, NULL);
    assert_int_equal(nfound, 1);
    rig_disconnect(&c, true);
    rig_advance(&l->rig, HS_SEC);
    assert_int_equal(hs_session_env_suspended(l->rig.env), 0);
    const char *colon = strrchr(found[0].place, ':');
    return colon != NULL ? atoi(colon + 1) : 0;
}

static void
the_innermost_line_of_the_script_is_found(void **state)
{
    struct lua_rig l;
    (void)state;
    lua_rig_open(&l, HTTPSRV
                 "local function inner()\n"
                 "  httpsrv.sleep(9)\n" /* 3 */
                 "end\n"
                 "httpsrv.register('GET', '/call', function() inner() end)\n"
                 "httpsrv.register('GET', '/protected', function() pcall(function()\n"
                 "  pcall(httpsrv.sleep, 9) error 'x'\n" /* 7 */
                 "end) end)\n"
                 "httpsrv.register('GET', '/coroutine', function()\n"
                 "  local other = coroutine.create(function() end) coroutine.resume(other)\n"
                 "  coroutine.wrap(function()\n"
                 "    coroutine.wrap(function()\n"
                 "      httpsrv.sleep(9)\n" /* 13 */
                 "    end)()\n"
                 "  end)()\n"
                 "end)\n"
                 "httpsrv.register('GET', '/generator', function(sess)\n"
                 "  sess:response_io(httpsrv.io.generator(function(write)\n"
                 "    write 'x' httpsrv.sleep(9)\n" /* 19 */
                 "  end))\n"
                 "end)\n"
                 "httpsrv.register('GET', '/spawned', function(sess)\n"
                 "  sess:detach()\n"
                 "  httpsrv.spawn(function()\n"
                 "    httpsrv.sleep(9)\n" /* 25 */
                 "  end)\n"
                 "end)\n");
    assert_int_equal(line_of(&l, "/call"), 3);
    assert_string_equal(found[0].call, "sleep");
    assert_null(strchr(found[0].place, '/')); /* as seen from the scripts' directory */
    assert_int_equal(line_of(&l, "/protected"), 7);
    assert_int_equal(line_of(&l, "/coroutine"), 13);
    assert_string_equal(found[0].call, "sleep");
    assert_int_equal(line_of(&l, "/generator"), 19);
    assert_int_equal(line_of(&l, "/spawned"), 25);
    lua_rig_close(&l);
}

static void
what_waits_is_counted_and_named(void **state)
{
    struct lua_rig l;
    struct rig_client c;
    (void)state;
    lua_rig_open(&l, HTTPSRV "httpsrv.register('GET', '/', function(sess) httpsrv.sleep(2) sess:response_append 'x' end)\n");
    assert_int_equal(hs_session_env_suspended(l.rig.env), 0);
    lua_rig_ask(&l, &c, "/");
    assert_int_equal(hs_session_env_suspended(l.rig.env), 1);
    rig_advance(&l.rig, 3 * HS_SEC);
    assert_string_equal(lua_rig_body(&c), "x");
    assert_int_equal(hs_session_env_suspended(l.rig.env), 0);
    rig_disconnect(&c, false);
    assert_true(hs_lua_runtime_memory(l.rt) > 10000);
    lua_rig_close(&l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_innermost_line_of_the_script_is_found),
        cmocka_unit_test(what_waits_is_counted_and_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
