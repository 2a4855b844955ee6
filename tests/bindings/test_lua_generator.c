/* test_lua_generator.c - responses that a function writes. */
#include "lua_rig.h"

#define HTTPSRV "local httpsrv = require 'httpsrv'\n"

static void
a_generator_is_held_back_and_cancelled_with_its_client(void **state)
{
    struct lua_rig l;
    struct rig_client c;
    (void)state;
    lua_rig_open(&l, HTTPSRV
                 "local n = 0\n"
                 "httpsrv.register('GET', '/', function(sess)\n"
                 "  sess:response_io(httpsrv.io.generator(function(write)\n"
                 "    local ok, e = pcall(function() while true do write(('x'):rep(10000)) n = n + 1 end end)\n"
                 "    print('generator', ok, e)\n"
                 "  end))\n"
                 "end)\n"
                 "httpsrv.register('GET', '/n', function(sess) sess:response_append(n) end)");
    rig_connect(&l.rig, &c);
    rig_read_on(&c, false);
    (void)rig_sends(&c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    rig_settle(&l.rig);
    const int n = atoi(lua_rig_get(&l, "/n"));
    assert_true(n > 0 && n < 200);
    (void)rig_read(&c, 300000);
    rig_settle(&l.rig);
    assert_true(atoi(lua_rig_get(&l, "/n")) > n);
    rig_disconnect(&c, true);
    rig_settle(&l.rig);
    assert_contains(l.log, "generator false cancelled");
    assert_int_equal(hs_lua_runtime_tasks(l.rt), 0);
    assert_int_equal(hs_live_get(HS_LIVE_IO), 0);
    lua_rig_close(&l);
}

static void
ruling_09_a_generator_is_not_started_for_head(void **state)
{
    struct lua_rig l;
    (void)state;
    lua_rig_open(&l, HTTPSRV "httpsrv.register('GET', '/', function(sess)\n"
                             "  sess:response_io(httpsrv.io.generator(function(write) print('started') write('x') end))\n"
                             "end)");
    const char *got = rig_exchange(&l.rig, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_contains(got, "HTTP/1.1 200 OK");
    assert_null(strstr(l.log, "started"));
    assert_int_equal(hs_live_get(HS_LIVE_IO), 0);
    lua_rig_close(&l);
}

/* The error of a generator that nobody reads any more is told when no task runs. */
static void
threat_33_an_error_that_writes_when_it_is_told(void **state)
{
    struct lua_rig l;
    struct rig_client c;
    (void)state;
    lua_rig_open(&l, HTTPSRV
                 "httpsrv.register('GET', '/', function(sess)\n"
                 "  sess:response_io(httpsrv.io.generator(function(write)\n"
                 "    pcall(function() while true do write(('x'):rep(10000)) end end)\n"
                 "    error(setmetatable({}, { __tostring = function() return 'told ' .. tostring(write('y')) end }))\n"
                 "  end))\n"
                 "end)");
    rig_connect(&l.rig, &c);
    rig_read_on(&c, false);
    (void)rig_sends(&c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    rig_settle(&l.rig);
    rig_disconnect(&c, true);
    rig_settle(&l.rig);
    assert_contains(l.log, "told nil");
    lua_rig_close(&l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_generator_is_held_back_and_cancelled_with_its_client),
        cmocka_unit_test(ruling_09_a_generator_is_not_started_for_head),
        cmocka_unit_test(threat_33_an_error_that_writes_when_it_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
