/* test_memory.c - bindings/memory.h: what Lua states hold is counted; at the limit an allocation fails, and the server goes on. */
#include "bindings/memory.h"

#include <errno.h>

#include "io/pool.h"
#include "lua_rig.h"

#define MIB ((int64_t)1024 * 1024)
#define LIMIT (16 * MIB)

static struct hs_lua_memory *memory;
static int64_t limit;
static unsigned told;

static void
on_exhausted(void *arg)
{
    assert_ptr_equal(arg, &memory);
    told++;
}

static struct hs_lua_memory *
make(struct hs_loop *loop)
{
    assert_int_equal(hs_lua_memory_new(loop, limit, on_exhausted, &memory, &memory), 0);
    return memory;
}

#define EATS(path, step) "httpsrv.register('GET', '" path "', function(sess) local t = {} " \
    "for i = 1, math.huge do t[i] = " step " end end)\n"

static const char script[] =
    "local httpsrv = require 'httpsrv'\n"
    "httpsrv.register('GET', '/hello', function(sess) sess:response_append('hello') end)\n"
    EATS("/tables", "{ i }")
    EATS("/strings", "'some text of some length' .. i")
    EATS("/rep", "('x'):rep(1e6 + i)")
    EATS("/coroutines", "coroutine.create(function() coroutine.yield() end)")
    EATS("/closures", "function() return i end")
    EATS("/cdata", "require('ffi').new('char[?]', 100000)")
    EATS("/buffers", "require('string.buffer').new(100000)")
    EATS("/ios", "httpsrv.io.memory('abc')") /* which have finalizers: freed by the collection after the one that finds them */
    "httpsrv.register('GET', '/once', function(sess) sess:response_append(('x'):rep(1e9)) end)\n"
    "httpsrv.register('GET', '/grow', function(sess) local s = 'x' while true do s = s .. s end end)\n"
    "httpsrv.register('GET', '/caught', function(sess)\n"
    "  local t = {}\n"
    "  local ok, err = pcall(function() for i = 1, math.huge do t[i] = { i } end end)\n"
    "  sess:response_append(tostring(ok) .. ' ' .. tostring(err))\n"
    "end)\n"
    "httpsrv.register('GET', '/waits', function(sess)\n"
    "  local t = {}\n"
    "  for i = 1, math.huge do t[i] = ('x'):rep(1e6 + i) httpsrv.sleep(0.001) end\n"
    "end)\n"
    "local cycles = 0\n"
    "local function count()\n" /* is called once in each cycle of the collector, from then on */
    "  getmetatable(newproxy(true)).__gc = function() cycles = cycles + 1 count() end\n"
    "end\n"
    "httpsrv.register('GET', '/count', function(sess) cycles = 0 count() sess:response_append('counts') end)\n"
    "httpsrv.register('GET', '/cycles', function(sess) sess:response_append(tostring(cycles)) end)\n"
    "kept = {}\n"
    "httpsrv.register('GET', '/keep', function(sess) kept[#kept + 1] = ('x'):rep(1e6 + #kept) sess:response_append('kept') end)\n"
    "httpsrv.register('GET', '/release', function(sess) kept = {} sess:response_append('released') end)\n"
    "httpsrv.register('GET', '/garbage', function(sess) local s = ('y'):rep(5e5 + #kept) kept = {} sess:response_append(#s .. '') end)\n"
    "httpsrv.register('GET', '/pooled', function(sess)\n"
    "  local ok, err = httpsrv.run_in_pool('CPU', function() local t = {} for i = 1, math.huge do t[i] = { i } end end)\n"
    "  sess:response_append(tostring(ok) .. ' ' .. tostring(err))\n"
    "end)\n";

static void
begin(struct lua_rig *l, int64_t bytes)
{
    limit = bytes;
    told = 0;
    lua_rig_memory = make;
    lua_rig_open(l, script);
}

static void
end(struct lua_rig *l)
{
    hs_pools_stop(); /* a thread closes its state when it gets round to it */
    rig_settle(&l->rig);
    lua_rig_close(l);
    assert_int_equal(hs_lua_memory_used(memory), 0); /* all has been given back */
    hs_lua_memory_free(memory);
    lua_rig_memory = NULL;
}

/* THREATS 36: whatever a script eats memory with, its request fails and others do not. */
static void
threat_36_what_eats_memory_fails(void **state)
{
    (void)state;
    static const char *const ways[] = { "/tables", "/strings", "/rep", "/coroutines", "/closures", "/cdata", "/buffers", "/ios", "/once", "/grow" };
    struct lua_rig l;
    begin(&l, LIMIT);
    for (size_t i = 0; i < 3 * sizeof ways / sizeof *ways; i++) {
        const char *path = ways[i % (sizeof ways / sizeof *ways)];
        const unsigned before = told;
        l.log[0] = '\0';
        hs_lua_memory_again(memory);
        const char *got = rig_exchange(&l.rig, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_contains(got, "\r\n\r\nhello");
        char request[64];
        (void)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
        got = rig_exchange(&l.rig, request);
        assert_contains(got, "HTTP/1.1 500 ");
        assert_contains(l.log, "not enough memory");
        assert_contains(l.log, path); /* and a traceback */
        assert_contains(l.log, "stack traceback");
        assert_int_equal(told, before + 1);
        assert_true(hs_lua_memory_used(memory) < LIMIT / 2); /* collected at once */
    }
    end(&l);
}

/* The collector has to make a smaller table for strings, before it can give back a large one: that must not fail for want of memory. */
static void
threat_36_what_is_left_of_many_strings(void **state)
{
    (void)state;
    struct lua_rig l;
    begin(&l, LIMIT);
    for (int i = 0; i < 5; i++) {
        assert_contains(lua_rig_get(&l, "/strings"), "Internal Server Error");
        assert_string_equal(lua_rig_get(&l, "/hello"), "hello");
        assert_contains(lua_rig_get(&l, "/rep"), "Internal Server Error");
        assert_string_equal(lua_rig_get(&l, "/hello"), "hello");
        assert_true(hs_lua_memory_used(memory) < LIMIT / 2);
    }
    assert_null(strstr(l.log, "collecting the garbage"));
    end(&l);
}

/* Compiled code that calls functions in C is not stopped at the limit, but where there is no more; the collector must not go over all of it at each step
 * on that way. */
static void
threat_36_the_collector_does_not_run_all_the_time(void **state)
{
    (void)state;
    struct lua_rig l;
    begin(&l, LIMIT);
    assert_string_equal(lua_rig_get(&l, "/count"), "counts");
    assert_contains(lua_rig_get(&l, "/ios"), "Internal Server Error");
    const int cycles = atoi(lua_rig_get(&l, "/cycles"));
    assert_true(cycles > 1);
    assert_true(cycles < 100);
    end(&l);
}

/* Ruling 25: the owner is told once, until it wants to hear more. */
static void
ruling_25_the_owner_is_told(void **state)
{
    (void)state;
    struct lua_rig l;
    begin(&l, LIMIT);
    assert_int_equal(hs_lua_memory_limit(memory), LIMIT);
    (void)lua_rig_get(&l, "/tables");
    (void)lua_rig_get(&l, "/tables");
    assert_int_equal(told, 1);
    hs_lua_memory_again(memory);
    assert_string_equal(lua_rig_get(&l, "/hello"), "hello");
    assert_int_equal(told, 1);
    (void)lua_rig_get(&l, "/tables");
    assert_int_equal(told, 2);
    end(&l);
}

/* Ruling 25: the script's own handling of the error has the reserve. */
static void
ruling_25_the_reserve_serves_who_handles_the_error(void **state)
{
    (void)state;
    struct lua_rig l;
    begin(&l, LIMIT);
    assert_string_equal(lua_rig_get(&l, "/caught"), "false not enough memory");
    assert_int_equal(told, 1);
    end(&l);
}

/* A handler that waits meanwhile, beside others. */
static void
threat_36_a_handler_that_waits(void **state)
{
    (void)state;
    struct lua_rig l;
    struct rig_client c;
    begin(&l, LIMIT);
    lua_rig_ask(&l, &c, "/waits");
    for (int i = 0; i < 100 && strlen(rig_received(&c)) == 0; i++) {
        rig_advance(&l.rig, HS_MSEC);
        assert_string_equal(lua_rig_get(&l, "/hello"), "hello");
    }
    assert_contains(rig_received(&c), "HTTP/1.1 500 ");
    rig_disconnect(&c, false);
    rig_settle(&l.rig);
    assert_true(hs_lua_memory_used(memory) < LIMIT / 2);
    end(&l);
}

/* Ruling 25: at four fifths all garbage is collected, between resumes; not again at each while it does not grow. */
static void
ruling_25_garbage_is_collected_before_the_limit(void **state)
{
    (void)state;
    struct lua_rig l;
    begin(&l, LIMIT);
    hs_log_set_level(HS_LOG_DEBUG);
    int kept = 0;
    for (; hs_lua_memory_used(memory) < LIMIT * 4 / 5; kept++) {
        assert_string_equal(lua_rig_get(&l, "/keep"), "kept");
    }
    const char *first = strstr(l.log, "all garbage");
    assert_non_null(first);
    l.log[0] = '\0';
    for (int i = 0; i < 10; i++) {
        assert_string_equal(lua_rig_get(&l, "/hello"), "hello");
    }
    assert_null(strstr(l.log, "all garbage")); /* nothing has grown */
    assert_int_equal(told, 0);
    char length[16];
    (void)snprintf(length, sizeof length, "%d", 500000 + kept);
    assert_string_equal(lua_rig_get(&l, "/garbage"), length);
    hs_log_set_level(HS_LOG_INFO);
    assert_string_equal(lua_rig_get(&l, "/release"), "released");
    assert_int_equal(told, 0);
    end(&l);
}

/* The state of a pool's thread counts too. */
static void
ruling_25_pool_threads_count(void **state)
{
    (void)state;
    struct lua_rig l;
    struct rig_client c;
    limit = LIMIT;
    told = 0;
    lua_rig_memory = make;
    lua_rig_begin(&l, NULL, HS_LUA_LOAD);
    const char *path = lua_rig_file(script); /* which the thread loads as well */
    assert_int_equal(hs_lua_runtime_load_file(l.rt, path, lua_rig_problem, lua_rig_done, &l), 0);
    rig_settle(&l.rig);
    assert_true(l.loaded && l.err == 0);
    hs_lua_runtime_go_live(l.rt);
    rig_start(&l.rig);
    lua_rig_ask(&l, &c, "/pooled");
    rig_await_ended(&l.rig, 1);
    rig_settle(&l.rig);
    (void)unlink(path);
    assert_contains(rig_received(&c), "false not enough memory");
    assert_int_equal(told, 1);
    assert_true(hs_lua_memory_used(memory) < LIMIT / 2);
    assert_string_equal(lua_rig_get(&l, "/hello"), "hello");
    rig_disconnect(&c, false);
    end(&l);
}

/* A limit that comes later, and goes, holds for states that are counted. */
static void
the_limit_can_be_changed(void **state)
{
    (void)state;
    struct lua_rig l;
    begin(&l, 1024 * MIB);
    hs_lua_memory_set_limit(memory, LIMIT);
    assert_contains(lua_rig_get(&l, "/tables"), "Internal Server Error");
    hs_lua_memory_set_limit(memory, -1);
    assert_int_equal(hs_lua_memory_limit(memory), -1);
    assert_contains(lua_rig_get(&l, "/hello"), "hello");
    for (int i = 0; i < 20; i++) {
        assert_string_equal(lua_rig_get(&l, "/keep"), "kept"); /* past the former limit */
    }
    assert_int_equal(told, 1);
    end(&l);
}

static void
without_a_limit_nothing_is_counted(void **state)
{
    (void)state;
    struct lua_rig l;
    begin(&l, -1);
    assert_string_equal(lua_rig_get(&l, "/keep"), "kept");
    assert_int_equal(hs_lua_memory_used(memory), 0);
    assert_int_equal(hs_lua_memory_limit(memory), -1);
    end(&l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_36_what_eats_memory_fails),
        cmocka_unit_test(threat_36_what_is_left_of_many_strings),
        cmocka_unit_test(threat_36_the_collector_does_not_run_all_the_time),
        cmocka_unit_test(ruling_25_the_owner_is_told),
        cmocka_unit_test(ruling_25_the_reserve_serves_who_handles_the_error),
        cmocka_unit_test(threat_36_a_handler_that_waits),
        cmocka_unit_test(ruling_25_garbage_is_collected_before_the_limit),
        cmocka_unit_test(ruling_25_pool_threads_count),
        cmocka_unit_test(the_limit_can_be_changed),
        cmocka_unit_test(without_a_limit_nothing_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
