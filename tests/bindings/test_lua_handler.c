/* test_lua_handler.c - handlers in Lua: their run, their waits, their end, and whatever goes wrong with them. */
#include "lua_rig.h"

#include <errno.h>

#include "alloc_fail.h"

#define HTTPSRV "local httpsrv = require 'httpsrv'\n"

static void
a_handler_answers(void **state)
{
    struct lua_rig l;
    (void)state;
    lua_rig_open(&l, HTTPSRV "httpsrv.register('GET', '/', function(sess)\n"
                             "  sess:response_status_set_std(200, 'OK', 'text/plain')\n"
                             "  sess:response_append('Hello ') sess:response_append(42)\n"
                             "end)");
    const char *got = rig_exchange(&l.rig, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_contains(got, "HTTP/1.1 200 OK\r\n");
    assert_contains(got, "Content-Type: text/plain\r\n");
    assert_contains(got, "Content-Length: 8\r\n");
    assert_contains(got, "\r\n\r\nHello 42");
    assert_int_equal(hs_lua_runtime_tasks(l.rt), 0);
    lua_rig_close(&l);
}

static void
a_handler_that_sets_nothing_gives_200_and_an_empty_body(void **state)
{
    struct lua_rig l;
    (void)state;
    lua_rig_open(&l, HTTPSRV "httpsrv.register(nil, '/', function() end)");
    const char *got = rig_exchange(&l.rig, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_contains(got, "HTTP/1.1 200 OK\r\n");
    assert_contains(got, "Content-Length: 0\r\n");
    lua_rig_close(&l);
}

static void
a_handler_waits_and_others_are_served(void **state)
{
    struct lua_rig l;
    struct rig_client c;
    (void)state;
    lua_rig_open(&l, HTTPSRV "httpsrv.register('GET', '/slow', function(sess) httpsrv.sleep(2) sess:response_append('slow') end)\n"
                             "httpsrv.register('GET', '/quick', function(sess) sess:response_append('quick') end)");
    lua_rig_ask(&l, &c, "/slow");
    assert_string_equal(lua_rig_body(&c), "(none)");
    assert_string_equal(lua_rig_get(&l, "/quick"), "quick");
    rig_advance(&l.rig, HS_SEC);
    assert_string_equal(lua_rig_body(&c), "(none)");
    rig_advance(&l.rig, HS_SEC);
    assert_string_equal(lua_rig_body(&c), "slow");
    rig_disconnect(&c, false);
    lua_rig_close(&l);
}

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

/* --- errors --- */

static void
threat_33_an_error_is_a_500_with_an_id_that_the_log_repeats(void **state)
{
    static const char *const errors[] = {
        "error('boom')", "error({})", "error(nil)", "error(setmetatable({}, { __tostring = function() error('again') end }))",
        "local function f() return f() + 1 end f()", "error(httpsrv.cancelled)", "coroutine.yield(1)", "httpsrv.sleep(0) error('late')",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        struct lua_rig l;
        struct rig_client c;
        char script[512], id[16];
        (void)snprintf(script, sizeof(script), HTTPSRV "httpsrv.register('GET', '/x', function(sess) sess:response_append('lost') %s end)",
                       errors[i]);
        lua_rig_open(&l, script);
        lua_rig_ask(&l, &c, "/x");
        rig_advance(&l.rig, HS_SEC);
        assert_contains(rig_received(&c), "HTTP/1.1 500 Internal Server Error\r\n");
        assert_null(strstr(rig_received(&c), "lost"));
        assert_int_equal(sscanf(lua_rig_body(&c), "Internal Server Error (id %8[0-9a-f])", id), 1);
        assert_contains(l.log, id);
        assert_contains(l.log, "error GET /x: error id ");
        rig_disconnect(&c, false);
        lua_rig_close(&l);
    }
}

static void
threat_33_the_traceback_goes_to_the_client_only_when_developing(void **state)
{
    struct lua_rig l = { .dev = true };
    (void)state;
    lua_rig_open_with(&l, NULL, HTTPSRV "local function inner() error('boom') end\n"
                                        "httpsrv.register('GET', '/', function(sess) inner() end)");
    const char *body = lua_rig_get(&l, "/");
    assert_contains(body, "boom");
    assert_contains(body, "in function 'inner'");
    lua_rig_close(&l);
    lua_rig_open(&l, HTTPSRV "httpsrv.register('GET', '/', function(sess) error('boom') end)");
    assert_null(strstr(lua_rig_get(&l, "/"), "boom"));
    assert_contains(l.log, "stack traceback:");
    lua_rig_close(&l);
}

static void
ruling_07_an_error_after_the_head_aborts(void **state)
{
    struct lua_rig l;
    struct rig_client c;
    (void)state;
    lua_rig_open(&l, HTTPSRV "httpsrv.register('GET', '/', function(sess)\n"
                             "  sess:response_append('begun') sess:response_flush() error('boom') end)");
    lua_rig_ask(&l, &c, "/");
    assert_contains(rig_received(&c), "begun");
    assert_null(strstr(rig_received(&c), "0\r\n\r\n"));
    assert_true(c.eof || c.reset);
    assert_contains(l.log, "boom");
    rig_disconnect(&c, false);
    lua_rig_close(&l);
}

static void
threat_33_errors_of_timers_tasks_and_generators_are_logged(void **state)
{
    struct lua_rig l;
    struct rig_client c;
    (void)state;
    lua_rig_open(&l, HTTPSRV
                 "httpsrv.timer.after(1, function() error('in a timer') end, 'tick')\n"
                 "httpsrv.spawn(function() error('in a task') end)\n"
                 "httpsrv.spawn(function() error(setmetatable({}, { __tostring = function() error('x') end })) end)\n"
                 "httpsrv.register('GET', '/', function(sess)\n"
                 "  sess:response_io(httpsrv.io.generator(function(write) error('in a generator') end)) httpsrv.sleep(1)\n"
                 "end)\n"
                 "httpsrv.register('GET', '/late', function(sess)\n"
                 "  sess:response_io(httpsrv.io.generator(function(write) write('begun') httpsrv.sleep(1) error('late') end))\n"
                 "end)");
    assert_contains(l.log, "task: ");
    assert_contains(l.log, "in a task");
    assert_contains(l.log, "(error object is a table value)");
    rig_advance(&l.rig, HS_SEC);
    assert_contains(l.log, "timer tick failed:");
    assert_contains(l.log, "in a timer");
    lua_rig_ask(&l, &c, "/");
    rig_advance(&l.rig, HS_SEC);
    assert_contains(rig_received(&c), "HTTP/1.1 500 "); /* ruling 7: the head was not out */
    assert_contains(l.log, "generator: ");
    assert_contains(l.log, "in a generator");
    rig_disconnect(&c, false);
    lua_rig_ask(&l, &c, "/late");
    assert_contains(rig_received(&c), "begun");
    rig_advance(&l.rig, HS_SEC);
    assert_true(c.eof || c.reset);
    assert_null(strstr(rig_received(&c), "0\r\n\r\n"));
    rig_disconnect(&c, false);
    lua_rig_close(&l);
}

/* --- abort and cancellation --- */

static void
ruling_03_an_abort_raises_cancelled_at_the_wait(void **state)
{
    struct lua_rig l;
    struct rig_client c;
    (void)state;
    lua_rig_open(&l, HTTPSRV
                 "httpsrv.register('GET', '/', function(sess)\n"
                 "  local ok, e = pcall(httpsrv.sleep, 100)\n"
                 "  print('raised', ok, e == httpsrv.cancelled, tostring(e))\n"
                 "  print('again', pcall(httpsrv.sleep, 1))\n"
                 "  print('append', pcall(sess.response_append, sess, 'x'))\n"
                 "end)");
    lua_rig_ask(&l, &c, "/");
    assert_int_equal(hs_lua_runtime_tasks(l.rt), 1);
    rig_disconnect(&c, true);
    rig_settle(&l.rig);
    assert_contains(l.log, "raised false true cancelled");
    assert_contains(l.log, "again false cancelled");
    assert_contains(l.log, "append false cancelled");
    assert_null(strstr(l.log, "error id"));
    assert_int_equal(hs_lua_runtime_tasks(l.rt), 0);
    assert_int_equal(hs_session_env_live(l.rig.env), 0);
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
                 "  httpsrv.shield(function() print('over', pcall(httpsrv.sleep, 10)) end, 2)\n"
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
    lua_rig_ask(&l, &c, "/after");
    rig_disconnect(&c, true);
    rig_advance(&l.rig, 2 * HS_SEC);
    assert_contains(l.log, "after true shielded");
    assert_int_equal(hs_lua_runtime_tasks(l.rt), 0);
    lua_rig_close(&l);
}

static void
ruling_03_on_abort_continue_runs_to_the_end(void **state)
{
    struct lua_rig l;
    struct rig_client c;
    (void)state;
    lua_rig_open(&l, HTTPSRV "httpsrv.register('GET', '/', function(sess)\n"
                             "  httpsrv.sleep(1) print('append', sess:response_append('x')) httpsrv.sleep(1) print('ended')\n"
                             "end, { on_abort = 'continue' })");
    lua_rig_ask(&l, &c, "/");
    rig_disconnect(&c, true);
    rig_advance(&l.rig, HS_SEC);
    assert_contains(l.log, "append true");
    rig_advance(&l.rig, HS_SEC);
    assert_contains(l.log, "ended");
    assert_int_equal(hs_session_env_live(l.rig.env), 0);
    lua_rig_close(&l);
}

static void
ruling_03_ios_of_an_aborted_request_are_closed(void **state)
{
    struct lua_rig l;
    struct rig_client c;
    (void)state;
    lua_rig_open(&l, HTTPSRV "local kept\n"
                             "httpsrv.register('GET', '/', function(sess) kept = httpsrv.io.memory('x') httpsrv.sleep(100) end)\n"
                             "httpsrv.register('GET', '/kept', function(sess) sess:response_append(tostring(select(3, kept:read(1)))) end)");
    lua_rig_ask(&l, &c, "/");
    assert_int_equal(hs_live_get(HS_LIVE_IO), 1);
    rig_disconnect(&c, true);
    rig_settle(&l.rig);
    assert_int_equal(hs_live_get(HS_LIVE_IO), 0);
    assert_string_equal(lua_rig_get(&l, "/kept"), "EBADF");
    lua_rig_close(&l);
}

static void
a_reader_of_an_upload_that_breaks_off_is_cancelled(void **state)
{
    struct lua_rig l;
    struct rig_client c;
    (void)state;
    lua_rig_open(&l, HTTPSRV "httpsrv.register('POST', '/', function(sess)\n"
                             "  local body = sess:request_data_get()\n"
                             "  print('body', pcall(function() for chunk in body:chunks() do print('chunk', chunk) end end))\n"
                             "  print('string', pcall(sess.request_data_get_string, sess))\n"
                             "end)");
    rig_connect(&l.rig, &c);
    (void)rig_sends(&c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    rig_settle(&l.rig);
    assert_contains(l.log, "chunk abc");
    rig_disconnect(&c, true);
    rig_settle(&l.rig);
    assert_contains(l.log, "body false cancelled");
    assert_int_equal(hs_lua_runtime_tasks(l.rt), 0);
    assert_null(strstr(l.log, "error id"));
    lua_rig_close(&l);
}

static void
a_body_past_its_limit_is_a_413_and_cancels_the_reader(void **state)
{
    struct lua_rig l;
    struct rig_client c;
    (void)state;
    lua_rig_open(&l, HTTPSRV "httpsrv.register('POST', '/', function(sess)\n"
                             "  for chunk in sess:request_data_get():chunks() do sess:response_append(chunk) end\n"
                             "end, { max_body = 4 })");
    rig_connect(&l.rig, &c);
    (void)rig_sends(&c, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    rig_settle(&l.rig);
    (void)rig_sends(&c, "3\r\nabc\r\n0\r\n\r\n");
    rig_settle(&l.rig);
    assert_contains(rig_received(&c), "HTTP/1.1 413 ");
    assert_null(strstr(l.log, "error id"));
    assert_int_equal(hs_lua_runtime_tasks(l.rt), 0);
    rig_disconnect(&c, false);
    lua_rig_close(&l);
}

/* --- several users of a session --- */

static void
ruling_13_a_detached_response_ends_at_finish(void **state)
{
    struct lua_rig l;
    struct rig_client c;
    (void)state;
    lua_rig_open(&l, HTTPSRV
                 "httpsrv.register('GET', '/', function(sess)\n"
                 "  sess:detach()\n"
                 "  httpsrv.spawn(function()\n"
                 "    for i = 1, 3 do httpsrv.sleep(1) sess:response_append(i) sess:response_flush() end\n"
                 "    print('finish', sess:finish()) print('again', sess:finish()) print('append', sess:response_append('x'))\n"
                 "  end)\n"
                 "end)\n"
                 "httpsrv.register('GET', '/no', function(sess) print('undetached', sess:finish()) end)");
    lua_rig_ask(&l, &c, "/");
    rig_advance(&l.rig, 2 * HS_SEC);
    assert_contains(rig_received(&c), "1\r\n1\r\n1\r\n2\r\n");
    assert_null(strstr(rig_received(&c), "0\r\n\r\n"));
    rig_advance(&l.rig, HS_SEC);
    assert_contains(rig_received(&c), "1\r\n3\r\n0\r\n\r\n");
    assert_contains(l.log, "finish true");
    assert_contains(l.log, "again nil session has finished EBADF");
    assert_contains(l.log, "append nil the response has ended EBADF");
    (void)lua_rig_get(&l, "/no");
    assert_contains(l.log, "undetached nil session is not detached EBADF");
    rig_disconnect(&c, false);
    lua_rig_close(&l);
}

static void
ruling_13_a_detached_session_without_tasks_ends_with_its_client(void **state)
{
    struct lua_rig l;
    struct rig_client c;
    (void)state;
    lua_rig_open(&l, HTTPSRV "httpsrv.register('GET', '/', function(sess) sess:detach() end)");
    lua_rig_ask(&l, &c, "/");
    assert_int_equal(hs_session_env_live(l.rig.env), 1);
    rig_disconnect(&c, true);
    rig_settle(&l.rig);
    assert_int_equal(hs_session_env_live(l.rig.env), 0);
    lua_rig_close(&l);
}

static void
ruling_13_a_spawned_task_is_the_sessions_and_a_detached_one_is_not(void **state)
{
    struct lua_rig l;
    (void)state;
    lua_rig_open(&l, HTTPSRV
                 "httpsrv.register('GET', '/', function(sess)\n"
                 "  httpsrv.spawn(function() print('session', pcall(httpsrv.sleep, 1)) end)\n"
                 "  httpsrv.spawn_detached(function() print('generation', pcall(httpsrv.sleep, 1)) end)\n"
                 "  httpsrv.sleep(0)\n"
                 "  sess:response_append('x')\n"
                 "end)");
    struct rig_client c;
    lua_rig_ask(&l, &c, "/");
    rig_advance(&l.rig, 2 * HS_SEC);
    assert_string_equal(lua_rig_body(&c), "x");
    assert_contains(l.log, "session false cancelled");
    assert_contains(l.log, "generation true");
    rig_disconnect(&c, false);
    lua_rig_close(&l);
}

static void
ruling_13_appends_of_several_tasks_queue_in_call_order(void **state)
{
    struct lua_rig l;
    struct rig_client c;
    (void)state;
    lua_rig_open(&l, HTTPSRV
                 "httpsrv.register('GET', '/', function(sess)\n"
                 "  local tasks = {}\n"
                 "  for i = 1, 3 do tasks[i] = httpsrv.spawn(function() httpsrv.sleep(4 - i) sess:response_append(i) end) end\n"
                 "  for i = 1, 3 do tasks[i]:wait() end\n"
                 "end)");
    lua_rig_ask(&l, &c, "/");
    rig_advance(&l.rig, 4 * HS_SEC);
    assert_string_equal(lua_rig_body(&c), "321");
    rig_disconnect(&c, false);
    lua_rig_close(&l);
}

static void
ruling_13_a_second_reader_of_a_body_gets_ebusy(void **state)
{
    struct lua_rig l;
    struct rig_client c;
    (void)state;
    lua_rig_open(&l, HTTPSRV
                 "httpsrv.register('POST', '/', function(sess)\n"
                 "  local body = sess:request_data_get()\n"
                 "  local t = httpsrv.spawn(function() return body:read(6) end)\n"
                 "  httpsrv.sleep(0)\n"
                 "  local _, _, code = body:read(6)\n"
                 "  local _, text = t:wait()\n"
                 "  sess:response_append(code .. ' ' .. text)\n"
                 "end)");
    rig_connect(&l.rig, &c);
    (void)rig_sends(&c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc");
    rig_advance(&l.rig, HS_SEC);
    (void)rig_sends(&c, "def");
    rig_settle(&l.rig);
    assert_string_equal(lua_rig_body(&c), "EBUSY abcdef");
    rig_disconnect(&c, false);
    lua_rig_close(&l);
}

/* --- kept sessions --- */

static void
threat_34_a_kept_session_is_harmless(void **state)
{
    static const char script[] = HTTPSRV
        "local kept, body\n"
        "httpsrv.register('POST', '/keep', function(sess) kept = sess body = sess:request_data_get() end)\n"
        "local calls = { response_append = { 'x' }, response_status_set = { 200 }, response_header_set = { 'A', 'b' },\n"
        "  response_header_add = { 'A', 'b' }, response_string = { 'x' }, response_json = { 1 }, redirect = { '/' }, response_printf = { 'x' },\n"
        "  response_status_set_std = { 200, 'OK' }, response_io = { httpsrv.io.memory('x') }, request_header_get = { 'a' } }\n"
        "httpsrv.register('GET', '/all', function(sess)\n"
        "  local n = 0\n"
        "  for name, method in pairs(getmetatable(newproxy(false)) or require('httpsrv.session').methods) do\n"
        "    local r, msg, code = method(kept, unpack(calls[name] or {}))\n"
        "    assert(r == nil and msg == 'session has finished' and code == 'EBADF', name .. ': ' .. tostring(r) .. tostring(msg))\n"
        "    n = n + 1\n"
        "  end\n"
        "  assert(tostring(kept):match('finished'))\n"
        "  assert(select(3, body:read(1)) == 'EBADF')\n"
        "  assert(n > 30)\n"
        "  sess:response_append('all')\n"
        "end)";
    struct lua_rig l;
    (void)state;
    lua_rig_open(&l, script);
    (void)rig_exchange(&l.rig, "POST /keep HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
    assert_string_equal(lua_rig_get(&l, "/all"), "all");
    lua_rig_close(&l);
}

static void
ruling_01_what_a_handler_has_read_survives_a_thousand_requests(void **state)
{
    struct lua_rig l;
    struct rig_client c;
    (void)state;
    lua_rig_open(&l, HTTPSRV
                 "httpsrv.register('GET', '/keep', function(sess)\n"
                 "  local a, b = sess:request_header_get('X-Value'), sess:request_url_get()\n"
                 "  httpsrv.sleep(1)\n"
                 "  sess:response_append(a .. b.url .. sess:request_header_get('x-value') .. sess:request_method_get())\n"
                 "end)\n"
                 "httpsrv.register('GET', '/', function(sess) sess:response_append(sess:request_header_get('X-Value')) end)");
    rig_connect(&l.rig, &c);
    (void)rig_sends(&c, "GET /keep?q HTTP/1.1\r\nHost: a\r\nX-Value: precious\r\n\r\n");
    rig_settle(&l.rig);
    for (int i = 0; i < 1000; i++) {
        (void)rig_exchange(&l.rig, "GET /aaaaaaaaaaaaaaaaaaaaaaa HTTP/1.1\r\nHost: a\r\nX-Value: worthless\r\n\r\n");
    }
    rig_advance(&l.rig, HS_SEC);
    assert_string_equal(lua_rig_body(&c), "precious/keep?qpreciousGET");
    rig_disconnect(&c, false);
    lua_rig_close(&l);
}

/* --- back-pressure --- */

static void
append_waits_past_the_high_mark(void **state)
{
    struct lua_rig l;
    struct rig_client c;
    struct hs_limits limits;
    (void)state;
    hs_limits_default(&limits);
    lua_rig_open_with(&l, &limits, HTTPSRV
                      "local appended = 0\n"
                      "httpsrv.register('GET', '/', function(sess)\n"
                      "  for i = 1, 64 do sess:response_append(('x'):rep(65536)) appended = i end\n"
                      "end)\n"
                      "httpsrv.register('GET', '/n', function(sess) sess:response_append(appended) end)");
    l.rig.pair.capacity = 65536;
    rig_connect(&l.rig, &c);
    rig_read_on(&c, false);
    (void)rig_sends(&c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    rig_settle(&l.rig);
    const int before = atoi(lua_rig_get(&l, "/n"));
    assert_true(before > 0 && before < 32);
    rig_read_on(&c, true);
    rig_settle(&l.rig);
    assert_int_equal(atoi(lua_rig_get(&l, "/n")), 64);
    assert_true(c.in.len > 64 * 65536);
    rig_disconnect(&c, false);
    lua_rig_close(&l);
}

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

/* --- memory --- */

static const char busy_script[] = HTTPSRV
    "httpsrv.register('GET', '/', function(sess)\n"
    "  local t = httpsrv.spawn(function() httpsrv.sleep(1) end)\n"
    "  sess:ctx().x = 1\n"
    "  local r, w = httpsrv.io.pipe()\n"
    "  httpsrv.timer.after(1, function() if w then w:close() end end)\n"
    "  if r then r:read(1) end\n"
    "  httpsrv.shield(function() httpsrv.sleep(1) end, 1)\n"
    "  t:wait()\n"
    "  local io = httpsrv.io.generator(function(write) write('x') end)\n"
    "  if io then sess:response_io(io) end\n"
    "end)\n"
    "httpsrv.register('GET', '/alive', function(sess) sess:response_append('alive') end)";

static void
threat_38_each_allocation_of_an_exchange_fails_once(void **state)
{
    struct lua_rig l;
    unsigned long n = 0;
    bool hit = true;
    (void)state;
    while (hit) {
        struct rig_client c;
        n++;
        lua_rig_open(&l, busy_script);
        rig_connect(&l.rig, &c);
        alloc_fail_at(n);
        (void)rig_sends(&c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        rig_settle(&l.rig);
        rig_advance(&l.rig, 6 * HS_SEC);
        hit = alloc_fail_hit();
        alloc_fail_off();
        rig_disconnect(&c, true);
        rig_settle(&l.rig);
        rig_advance(&l.rig, 6 * HS_SEC);
        assert_string_equal(lua_rig_get(&l, "/alive"), "alive");
        lua_rig_close(&l);
    }
    assert_true(n > 10);
}

/* --- closing --- */

static void
threat_34_the_runtime_closes_under_everything(void **state)
{
    struct lua_rig l;
    struct rig_client c[4];
    (void)state;
    lua_rig_open(&l, HTTPSRV
                 "httpsrv.timer.every(1, function() end)\n"
                 "httpsrv.spawn(function() httpsrv.queue():get() end)\n"
                 "httpsrv.io.define { scheme = 'slow', open = function() return {} end, read = function() httpsrv.sleep(9) end }\n"
                 "httpsrv.register('GET', '/sleep', function(sess) sess:ctx() httpsrv.sleep(100) end)\n"
                 "httpsrv.register('GET', '/detached', function(sess) sess:detach() end)\n"
                 "httpsrv.register('GET', '/generator', function(sess)\n"
                 "  sess:response_io(httpsrv.io.generator(function(write) write('x') httpsrv.sleep(100) end)) end)\n"
                 "httpsrv.register('GET', '/defined', function(sess) sess:response_io(httpsrv.io.open('slow://')) end)");
    lua_rig_ask(&l, &c[0], "/sleep");
    lua_rig_ask(&l, &c[1], "/detached");
    lua_rig_ask(&l, &c[2], "/generator");
    lua_rig_ask(&l, &c[3], "/defined");
    assert_int_equal(hs_session_env_live(l.rig.env), 4);
    hs_lua_runtime_close(l.rt);
    rig_settle(&l.rig);
    assert_contains(rig_received(&c[0]), "HTTP/1.1 503 ");
    assert_contains(rig_received(&c[1]), "HTTP/1.1 503 ");
    assert_int_equal(hs_live_get(HS_LIVE_TASK), 0);
    assert_int_equal(hs_live_get(HS_LIVE_TIMER), 0);
    /* Its handlers are still registered, and say that they are gone. */
    assert_contains(rig_exchange(&l.rig, "GET /sleep HTTP/1.1\r\nHost: a\r\n\r\n"), "HTTP/1.1 503 ");
    for (int i = 0; i < 4; i++) {
        rig_disconnect(&c[i], true);
    }
    lua_rig_close(&l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handler_answers),
        cmocka_unit_test(a_handler_that_sets_nothing_gives_200_and_an_empty_body),
        cmocka_unit_test(a_handler_waits_and_others_are_served),
        cmocka_unit_test(waits_work_from_everywhere),
        cmocka_unit_test(ruling_28_where_nothing_can_wait_the_error_names_the_function),
        cmocka_unit_test(a_coroutine_that_waits_can_be_resumed_by_nobody_else),
        cmocka_unit_test(threat_33_an_error_is_a_500_with_an_id_that_the_log_repeats),
        cmocka_unit_test(threat_33_the_traceback_goes_to_the_client_only_when_developing),
        cmocka_unit_test(ruling_07_an_error_after_the_head_aborts),
        cmocka_unit_test(threat_33_errors_of_timers_tasks_and_generators_are_logged),
        cmocka_unit_test(ruling_03_an_abort_raises_cancelled_at_the_wait),
        cmocka_unit_test(ruling_03_after_16_further_waits_the_coroutine_is_dropped),
        cmocka_unit_test(ruling_03_a_shield_lets_clean_up_wait_for_its_time),
        cmocka_unit_test(ruling_03_on_abort_continue_runs_to_the_end),
        cmocka_unit_test(ruling_03_ios_of_an_aborted_request_are_closed),
        cmocka_unit_test(a_reader_of_an_upload_that_breaks_off_is_cancelled),
        cmocka_unit_test(a_body_past_its_limit_is_a_413_and_cancels_the_reader),
        cmocka_unit_test(ruling_13_a_detached_response_ends_at_finish),
        cmocka_unit_test(ruling_13_a_detached_session_without_tasks_ends_with_its_client),
        cmocka_unit_test(ruling_13_a_spawned_task_is_the_sessions_and_a_detached_one_is_not),
        cmocka_unit_test(ruling_13_appends_of_several_tasks_queue_in_call_order),
        cmocka_unit_test(ruling_13_a_second_reader_of_a_body_gets_ebusy),
        cmocka_unit_test(threat_34_a_kept_session_is_harmless),
        cmocka_unit_test(ruling_01_what_a_handler_has_read_survives_a_thousand_requests),
        cmocka_unit_test(append_waits_past_the_high_mark),
        cmocka_unit_test(a_generator_is_held_back_and_cancelled_with_its_client),
        cmocka_unit_test(ruling_09_a_generator_is_not_started_for_head),
        cmocka_unit_test(an_io_defined_in_lua_streams_and_is_closed),
        cmocka_unit_test(threat_38_each_allocation_of_an_exchange_fails_once),
        cmocka_unit_test(threat_34_the_runtime_closes_under_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
