/* test_lua_handler.c - handlers in Lua: their run, their end, and whatever goes wrong with them. */
#include "lua_rig.h"

#include <sys/wait.h>

#include "alloc_fail.h"
#include "bindings/internal.h"

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
a_changed_environment_does_not_reach_the_next_request(void **state)
{
    struct lua_rig l;
    (void)state;
    lua_rig_open(&l, HTTPSRV
                 "httpsrv.register('GET', '/set', function(sess)\n"
                 "  setfenv(0, { print = 'other' }) assert(loadstring('return print')() == 'other')\n"
                 "  setfenv(1, setmetatable({ here = 'mine' }, { __index = _G })) sess:response_append(here)\n"
                 "end)\n"
                 "httpsrv.register('GET', '/get', function(sess) sess:response_append(type(loadstring('return print')())) end)");
    assert_string_equal(lua_rig_get(&l, "/set"), "mine");
    assert_string_equal(lua_rig_get(&l, "/get"), "function");
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
a_handler_timeout_ends_the_request_and_cancels_the_handler(void **state)
{
    struct lua_rig l;
    struct rig_client c;
    (void)state;
    lua_rig_open(&l, HTTPSRV "httpsrv.register('GET', '/', function(sess) print('timeout', pcall(httpsrv.sleep, 100)) end,\n"
                             "  { handler_timeout = 2 })");
    lua_rig_ask(&l, &c, "/");
    rig_advance(&l.rig, 4 * HS_SEC);
    assert_contains(rig_received(&c), "HTTP/1.1 503 ");
    assert_contains(l.log, "timeout false cancelled");
    rig_disconnect(&c, false);
    lua_rig_close(&l);
}

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

/* The allocator of the Lua state, one of whose calls for more memory fails. */
struct failing {
    lua_Alloc fn;
    void *ud;
    unsigned long left; /* calls until it fails, 0: never */
    bool hit;
};

static void *
failing_alloc(void *ud, void *p, size_t old, size_t n)
{
    struct failing *f = ud;
    if (n > old && f->left != 0 && --f->left == 0) {
        f->hit = true;
        return NULL;
    }
    return f->fn(f->ud, p, old, n);
}

static void
threat_33_each_allocation_of_lua_fails_once(void **state)
{
    struct lua_rig l;
    struct failing f = { .hit = true };
    unsigned long n = 0;
    (void)state;
    lua_rig_open(&l, busy_script);
    f.fn = lua_getallocf(l.rt->L, &f.ud);
    lua_setallocf(l.rt->L, failing_alloc, &f);
    while (f.hit) {
        struct rig_client c;
        f.hit = false;
        f.left = ++n;
        rig_connect(&l.rig, &c);
        (void)rig_sends(&c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        rig_settle(&l.rig);
        rig_advance(&l.rig, 6 * HS_SEC);
        f.left = 0;
        rig_disconnect(&c, true);
        rig_advance(&l.rig, 6 * HS_SEC);
        assert_string_equal(lua_rig_get(&l, "/alive"), "alive");
        lua_gc(l.rt->L, LUA_GCCOLLECT, 0);
        lua_gc(l.rt->L, LUA_GCCOLLECT, 0);
        rig_settle(&l.rig);
        assert_int_equal(hs_live_get(HS_LIVE_TASK), 0);
        assert_int_equal(hs_live_get(HS_LIVE_TIMER), 0);
        assert_int_equal(hs_live_get(HS_LIVE_IO), 0);
        assert_int_equal(hs_session_env_live(l.rig.env), 0);
    }
    assert_true(n > 20);
    lua_setallocf(l.rt->L, f.fn, f.ud);
    lua_rig_close(&l);
}

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

/* A body that is refused while its handler runs leaves the next request to the loop: Lua is not entered twice. */
static void
a_request_behind_a_refused_body_is_not_begun_within_its_handler(void **state)
{
    struct lua_rig l;
    (void)state;
    lua_rig_open(&l, "local httpsrv = require 'httpsrv'\n"
                     "httpsrv.register('POST', '/', function(sess)\n"
                     "  httpsrv.sleep(0)\n"
                     "  print('first', sess:request_data_get_string())\n"
                     "end, { max_body = 4 })\n"
                     "httpsrv.register('GET', '/', function(sess) sess:response_append('second') end)");
    struct rig_client c;
    rig_connect(&l.rig, &c);
    (void)rig_sends(&c, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n01234567\r\n0\r\n\r\n"
                       "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    rig_advance(&l.rig, HS_SEC);
    const char *got = rig_received(&c);
    assert_contains(got, "HTTP/1.1 413 ");
    assert_contains(got, "HTTP/1.1 200 ");
    assert_contains(got, "second");
    rig_disconnect(&c, false);
    lua_rig_close(&l);
}

/* A handler's task is not among the live ones before it waits: what looks at those must find it all the same. */
static void
ruling_28_os_exit_within_a_handler(void **state)
{
    static const char *const exits[] = { "os.exit(7)", "coroutine.wrap(function() os.exit(7) end)()", "httpsrv.sleep(0) os.exit(7)" };
    (void)state;
    for (size_t i = 0; i < sizeof(exits) / sizeof(exits[0]); i++) {
        struct lua_rig l;
        char script[512];
        int status;
        (void)snprintf(script, sizeof(script), HTTPSRV "httpsrv.register('GET', '/', function(sess) %s end)", exits[i]);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            struct rig_client c;
            lua_rig_open(&l, script);
            lua_rig_ask(&l, &c, "/");
            rig_advance(&l.rig, HS_SEC);
            _exit(99); /* os.exit has returned */
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 7);
    }
}

/* What a handler leaves behind (results, a shield, a cancellation that it swallowed) does not reach the next one on its coroutine. */
static void
a_coroutine_comes_back_clean(void **state)
{
    struct lua_rig l;
    (void)state;
    lua_rig_open(&l, HTTPSRV
                 "httpsrv.register('GET', '/results', function(sess) sess:response_append('r') return 1, {}, sess end)\n"
                 "httpsrv.register('GET', '/shield', function(sess) httpsrv.shield(function() sess:response_append('s') end, 5) end)\n"
                 "httpsrv.register('GET', '/spawn', function(sess) httpsrv.spawn_detached(function() end) sess:response_append('t') end)\n"
                 "httpsrv.register('GET', '/ctx', function(sess) sess:ctx().x = 1 sess:response_append('c') end)\n"
                 "httpsrv.register('GET', '/wait', function(sess) httpsrv.spawn(function() end):wait() sess:response_append('w') end)\n"
                 "httpsrv.register('GET', '/fail', function(sess) error('x') end)\n"
                 "httpsrv.register('GET', '/count', function(sess, ...) sess:response_append(select('#', ...)) end)");
    for (int round = 0; round < 3; round++) {
        assert_string_equal(lua_rig_get(&l, "/results"), "r");
        assert_string_equal(lua_rig_get(&l, "/count"), "0");
        assert_string_equal(lua_rig_get(&l, "/shield"), "s");
        assert_string_equal(lua_rig_get(&l, "/count"), "0");
        assert_string_equal(lua_rig_get(&l, "/spawn"), "t");
        assert_string_equal(lua_rig_get(&l, "/ctx"), "c");
        assert_string_equal(lua_rig_get(&l, "/wait"), "w");
        assert_contains(lua_rig_get(&l, "/fail"), "Internal Server Error");
        assert_string_equal(lua_rig_get(&l, "/count"), "0");
        rig_settle(&l.rig);
        assert_int_equal(hs_lua_runtime_tasks(l.rt), 0);
    }
    lua_rig_close(&l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handler_answers),
        cmocka_unit_test(a_changed_environment_does_not_reach_the_next_request),
        cmocka_unit_test(a_handler_that_sets_nothing_gives_200_and_an_empty_body),
        cmocka_unit_test(a_handler_waits_and_others_are_served),
        cmocka_unit_test(threat_33_an_error_is_a_500_with_an_id_that_the_log_repeats),
        cmocka_unit_test(threat_33_the_traceback_goes_to_the_client_only_when_developing),
        cmocka_unit_test(ruling_07_an_error_after_the_head_aborts),
        cmocka_unit_test(threat_33_errors_of_timers_tasks_and_generators_are_logged),
        cmocka_unit_test(ruling_01_what_a_handler_has_read_survives_a_thousand_requests),
        cmocka_unit_test(append_waits_past_the_high_mark),
        cmocka_unit_test(a_handler_timeout_ends_the_request_and_cancels_the_handler),
        cmocka_unit_test(threat_38_each_allocation_of_an_exchange_fails_once),
        cmocka_unit_test(threat_33_each_allocation_of_lua_fails_once),
        cmocka_unit_test(threat_34_the_runtime_closes_under_everything),
        cmocka_unit_test(a_request_behind_a_refused_body_is_not_begun_within_its_handler),
        cmocka_unit_test(ruling_28_os_exit_within_a_handler),
        cmocka_unit_test(a_coroutine_comes_back_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
