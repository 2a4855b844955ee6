/* test_req.c - a request under its tasks: abort, the several users of a session, and what is kept past its end. */
#include "lua_rig.h"

#define HTTPSRV "local httpsrv = require 'httpsrv'\n"

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

static void
threat_34_a_kept_session_is_harmless(void **state)
{
    static const char script[] = HTTPSRV
        "local kept, body\n"
        "httpsrv.register('POST', '/keep', function(sess) kept = sess body = sess:request_data_get() end)\n"
        "local calls = { response_append = { 'x' }, response_status_set = { 200 }, response_header_set = { 'A', 'b' },\n"
        "  response_header_add = { 'A', 'b' }, response_string = { 'x' }, response_json = { 1 }, redirect = { '/' }, cookie_set = { 'a', 'b' }, response_printf = { 'x' },\n"
        "  response_xml = { { tag = 'a' } },\n"
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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ruling_03_an_abort_raises_cancelled_at_the_wait),
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
