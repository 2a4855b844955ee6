/* test_wait.c - where tasks can wait and where not, and how long a cancelled one may. */
#include "lua_rig.h"

#define HTTPSRV "local httpsrv = require 'httpsrv'\n"

static void
waits_work_from_everywhere(void **state)
{
    struct lua_rig l;
    struct rig_client c;
    (void)state;
    lua_rig_open(&l, HTTPSRV
                 "local function nap() httpsrv.sleep(1) end\n"
                 "httpsrv.register('GET', '/', function(sess)\n"
                 "  local said = {}\n"
                 "  local function say(x) said[#said + 1] = tostring(x) end\n"
                 "  say(pcall(nap))\n"
                 "  say(xpcall(nap, print))\n"
                 "  for x in function(_, x) nap() if not x then return 'iterator' end end do say(x) end\n"
                 "  say(setmetatable({}, { __index = function(_, k) nap() return k end }).index)\n"
                 "  say(setmetatable({}, { __add = function() nap() return 'add' end }) + 1)\n"
                 "  say(setmetatable({}, { __tostring = function() nap() return 'tostring' end }))\n"
                 "  local inner = coroutine.wrap(function(a)\n"
                 "    nap() local b = coroutine.yield(a .. 1)\n"
                 "    local deeper = coroutine.create(function() nap() say(coroutine.yield('deep')) nap() return 'end' end)\n"
                 "    say(select(2, coroutine.resume(deeper))) say(select(2, coroutine.resume(deeper, 'down')))\n"
                 "    say(coroutine.status(deeper))\n"
                 "    return b .. 2\n"
                 "  end)\n"
                 "  say(inner('a')) say(inner('b'))\n"
                 "  sess:response_append(table.concat(said, ' '))\n"
                 "end)");
    lua_rig_ask(&l, &c, "/");
    assert_string_equal(lua_rig_body(&c), "(none)");
    rig_advance(&l.rig, 20 * HS_SEC);
    assert_string_equal(lua_rig_body(&c), "true true iterator index add tostring a1 deep down end dead b2");
    rig_disconnect(&c, false);
    lua_rig_close(&l);
}

static void
ruling_28_where_nothing_can_wait_the_error_names_the_function(void **state)
{
    struct lua_rig l;
    (void)state;
    lua_rig_open(&l, HTTPSRV
                 "local function nap() httpsrv.sleep(1) end\n"
                 "httpsrv.register('GET', '/', function(sess)\n"
                 "  local function try(f, ...) local _, e = pcall(f, ...) sess:response_append(e:match('cannot.*') .. '\\n') end\n"
                 "  try(table.sort, { 2, 1 }, function(a, b) nap() return a < b end)\n"
                 "  try(string.gsub, 'x', 'x', nap)\n"
                 "  try(string.format, '%s', setmetatable({}, { __tostring = nap }))\n"
                 "  try(table.sort, { 2, 1 }, function(a, b) coroutine.wrap(nap)() return a < b end)\n"
                 "  local p = newproxy(true)\n"
                 "  getmetatable(p).__gc = function() try(nap) end\n"
                 "  p = nil collectgarbage()\n"
                 "  sess:response_append(tostring(httpsrv.async_ok()))\n"
                 "  table.sort({ 2, 1 }, function() sess:response_append(' ' .. tostring(httpsrv.async_ok())) return false end)\n"
                 "end)");
    assert_string_equal(lua_rig_get(&l, "/"), "cannot wait inside table.sort\ncannot wait inside string.gsub\n"
                                              "cannot wait inside string.format\n"
                                              "cannot wait inside table.sort\ncannot wait inside collectgarbage\ntrue false");
    lua_rig_close(&l);
}

static void
a_coroutine_that_waits_can_be_resumed_by_nobody_else(void **state)
{
    struct lua_rig l;
    struct rig_client c;
    (void)state;
    lua_rig_open(&l, HTTPSRV
                 "local co, task\n"
                 "httpsrv.register('GET', '/wait', function(sess)\n"
                 "  task = coroutine.running()\n"
                 "  co = coroutine.create(function() httpsrv.sleep(1) return 'mine' end)\n"
                 "  sess:response_append(tostring(select(2, coroutine.resume(co))))\n"
                 "end)\n"
                 "httpsrv.register('GET', '/look', function(sess)\n"
                 "  sess:response_append(table.concat({ coroutine.status(co), tostring(coroutine.resume(co)),\n"
                 "    coroutine.status(task), (select(2, coroutine.resume(task))), coroutine.status(coroutine.running()) }, ' '))\n"
                 "end)");
    lua_rig_ask(&l, &c, "/wait");
    assert_string_equal(lua_rig_get(&l, "/look"), "normal false normal cannot resume non-suspended coroutine running");
    rig_advance(&l.rig, HS_SEC);
    assert_string_equal(lua_rig_body(&c), "mine");
    rig_disconnect(&c, false);
    lua_rig_close(&l);
}

static void
ruling_03_after_16_further_waits_the_coroutine_is_dropped(void **state)
{
    struct lua_rig l;
    struct rig_client c;
    (void)state;
    lua_rig_open(&l, HTTPSRV "local n = 0\n"
                             "httpsrv.register('GET', '/', function(sess) while true do pcall(httpsrv.sleep, 9) n = n + 1 end end)\n"
                             "httpsrv.register('GET', '/n', function(sess) sess:response_append(n) end)");
    lua_rig_ask(&l, &c, "/");
    rig_disconnect(&c, true);
    rig_settle(&l.rig);
    assert_string_equal(lua_rig_get(&l, "/n"), "17");
    assert_int_equal(hs_lua_runtime_tasks(l.rt), 0);
    assert_contains(l.log, "dropped");
    lua_rig_close(&l);
}

static void
ruling_03_a_shield_lets_clean_up_wait_for_its_time(void **state)
{
    struct lua_rig l;
    struct rig_client c;
    (void)state;
    lua_rig_open(&l, HTTPSRV
                 "httpsrv.register('GET', '/in', function(sess)\n"
                 "  httpsrv.shield(function() httpsrv.sleep(3) print('cleaned') end, 5)\n"
                 "  print('unreached', httpsrv.sleep(1))\n"
                 "end)\n"
                 "httpsrv.register('GET', '/over', function(sess)\n"
                 "  httpsrv.shield(function() print('over', pcall(httpsrv.sleep, 10)) print('past', pcall(httpsrv.sleep, 10)) end, 2)\n"
                 "end)\n"
                 "httpsrv.register('GET', '/after', function(sess)\n"
                 "  pcall(httpsrv.sleep, 100)\n"
                 "  print('after', pcall(httpsrv.shield, function() httpsrv.sleep(1) return 'shielded' end, 5))\n"
                 "end)");
    lua_rig_ask(&l, &c, "/in");
    rig_advance(&l.rig, HS_SEC);
    rig_disconnect(&c, true);
    rig_advance(&l.rig, HS_SEC);
    assert_null(strstr(l.log, "cleaned"));
    rig_advance(&l.rig, 2 * HS_SEC);
    assert_contains(l.log, "cleaned");
    assert_null(strstr(l.log, "unreached"));
    lua_rig_ask(&l, &c, "/over");
    rig_disconnect(&c, true);
    rig_advance(&l.rig, HS_SEC);
    assert_null(strstr(l.log, "over"));
    rig_advance(&l.rig, HS_SEC);
    assert_contains(l.log, "over false cancelled");
    assert_contains(l.log, "past false cancelled"); /* it does not come up again */
    lua_rig_ask(&l, &c, "/after");
    rig_disconnect(&c, true);
    rig_advance(&l.rig, 2 * HS_SEC);
    assert_contains(l.log, "after true shielded");
    assert_int_equal(hs_lua_runtime_tasks(l.rt), 0);
    lua_rig_close(&l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_work_from_everywhere),
        cmocka_unit_test(ruling_28_where_nothing_can_wait_the_error_names_the_function),
        cmocka_unit_test(a_coroutine_that_waits_can_be_resumed_by_nobody_else),
        cmocka_unit_test(ruling_03_after_16_further_waits_the_coroutine_is_dropped),
        cmocka_unit_test(ruling_03_a_shield_lets_clean_up_wait_for_its_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
