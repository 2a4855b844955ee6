/* test_lua_io_define.c - io_objects whose methods are Lua functions. */
#include "lua_rig.h"

#define HTTPSRV "local httpsrv = require 'httpsrv'\n"

static void
an_io_defined_in_lua_streams_and_is_closed(void **state)
{
    struct lua_rig l;
    struct rig_client c;
    (void)state;
    lua_rig_open(&l, HTTPSRV
                 "httpsrv.io.define { scheme = 'count',\n"
                 "  open = function(name) httpsrv.sleep(1) return { n = tonumber(name:match('%d+')) } end,\n"
                 "  read = function(s) httpsrv.sleep(1) if s.n == 0 then return nil end s.n = s.n - 1 return s.n .. ' ' end,\n"
                 "  write = function(s, data) httpsrv.sleep(1) print('write', data) return true end,\n"
                 "  close = function(s) print('close') end }\n"
                 "httpsrv.register('GET', '/', function(sess)\n"
                 "  local io = assert(httpsrv.io.open('count://3'))\n"
                 "  assert(io:write('hello')) assert(io:flush())\n"
                 "  sess:response_io(io)\n"
                 "end)\n"
                 "httpsrv.register('GET', '/bad', function(sess) error(tostring(select(3, httpsrv.io.open('none://x')))) end)");
    lua_rig_ask(&l, &c, "/");
    rig_advance(&l.rig, 8 * HS_SEC);
    assert_contains(l.log, "write hello");
    assert_contains(rig_received(&c), "2\r\n2 \r\n2\r\n1 \r\n2\r\n0 \r\n0\r\n\r\n");
    assert_contains(l.log, "close");
    rig_disconnect(&c, false);
    /* The client goes while a read waits. */
    l.log[0] = '\0';
    lua_rig_ask(&l, &c, "/");
    rig_advance(&l.rig, 3 * HS_SEC);
    rig_disconnect(&c, true);
    rig_advance(&l.rig, 8 * HS_SEC);
    assert_contains(l.log, "close");
    assert_int_equal(hs_lua_runtime_tasks(l.rt), 0);
    assert_int_equal(hs_live_get(HS_LIVE_IO), 0);
    lua_rig_close(&l);
}

/* Trying again is for the core's own EAGAIN, which comes with a wake-up. */
static void
a_script_that_fails_with_eagain_does_not_make_the_loop_spin(void **state)
{
    struct lua_rig l;
    (void)state;
    lua_rig_open(&l, "local httpsrv = require 'httpsrv'\n"
                     "httpsrv.io.define { scheme = 'again', open = function() return {} end,\n"
                     "  read = function() return nil, 'not now', 'EAGAIN' end, write = function() return nil, 'not now', 'EAGAIN' end }\n"
                     "httpsrv.register('GET', '/', function(sess)\n"
                     "  local io = httpsrv.io.open('again://x')\n"
                     "  local _, _, read = io:read(1)\n"
                     "  io:write('x')\n"
                     "  local _, _, written = io:flush()\n"
                     "  sess:response_append(tostring(read) .. ' ' .. tostring(written))\n"
                     "end)");
    assert_contains(rig_exchange(&l.rig, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"), "EIO EIO");
    lua_rig_close(&l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_io_defined_in_lua_streams_and_is_closed),
        cmocka_unit_test(a_script_that_fails_with_eagain_does_not_make_the_loop_spin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
