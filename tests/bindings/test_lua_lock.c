/* test_lua_lock.c - bindings/lua_lock.c: locks between tasks, between Lua states in their threads, and their end. */
#include <errno.h>
#include <pthread.h>

#include "alloc_fail.h"
#include "lua_rig.h"

/* One after the other adds to a number in a file; without the lock some additions are lost. */
static const char counting[] =
    "local httpsrv, lock = require 'httpsrv', require 'msys.lib.lock'\n"
    "local tasks = {}\n"
    "for i = 1, 3 do\n"
    "  tasks[i] = httpsrv.spawn(function()\n"
    "    for _ = 1, 20 do\n"
    "      lock.lock 'count'\n"
    "      local file = assert(io.open(COUNTER)) local n = file:read '*n' file:close()\n"
    "      httpsrv.sleep(0)\n"
    "      file = assert(io.open(COUNTER, 'w')) file:write(n + 1) file:close()\n"
    "      lock.unlock 'count'\n"
    "    end\n"
    "    lock.lock 'never let go'\n"
    "  end)\n"
    "end\n"
    "for i = 1, 3 do assert(tasks[i]:wait()) end\n";

struct runner {
    const char *path;
    pthread_t thread;
    struct hs_loop *loop;
    bool done;
    int err;
};

static void
complain(void *arg, enum hs_lua_problem kind, const char *message)
{
    (void)arg;
    (void)kind;
    print_message("%s\n", message);
}

static void
on_done(void *arg, int err)
{
    struct runner *r = arg;
    r->done = true;
    r->err = err;
}

static void *
run_state(void *arg)
{
    struct runner *r = arg;
    struct hs_lua_runtime *rt = NULL;
    r->err = hs_loop_new(&(struct hs_loop_options){ .base = NULL }, &r->loop);
    if (r->err == 0) {
        const struct hs_lua_options options = { .loop = r->loop, .dir = "/tmp", .phase = HS_LUA_RUN, .load_timeout = -1 };
        r->err = hs_lua_runtime_new(&options, &rt);
    }
    if (r->err == 0) {
        r->err = hs_lua_runtime_load_file(rt, r->path, complain, on_done, r);
    }
    while (r->err == 0 && !r->done) {
        r->err = hs_loop_turn(r->loop, true);
    }
    if (rt != NULL) {
        hs_lua_runtime_close(rt);
    }
    hs_loop_free(r->loop);
    return NULL;
}

static void
one_at_a_time_in_all_threads(void **state)
{
    (void)state;
    enum { N = 4 };
    struct runner runners[N];
    char path[64], counter[80], script[2048], text[16] = "";
    (void)snprintf(path, sizeof path, "%s", lua_rig_file(""));
    (void)snprintf(counter, sizeof counter, "%s.n", path);
    FILE *f = fopen(counter, "w");
    assert_non_null(f);
    assert_int_equal(fputs("0", f) >= 0, 1);
    assert_int_equal(fclose(f), 0);
    (void)snprintf(script, sizeof script, "local COUNTER = '%s'\n%s", counter, counting);
    f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(script, f) >= 0);
    assert_int_equal(fclose(f), 0);
    for (int i = 0; i < N; i++) {
        runners[i] = (struct runner){ .path = path };
        assert_int_equal(pthread_create(&runners[i].thread, NULL, run_state, &runners[i]), 0);
    }
    for (int i = 0; i < N; i++) {
        assert_int_equal(pthread_join(runners[i].thread, NULL), 0);
        assert_int_equal(runners[i].err, 0);
    }
    f = fopen(counter, "r");
    assert_non_null(f);
    assert_non_null(fgets(text, sizeof text, f));
    (void)fclose(f);
    assert_int_equal(atoi(text), N * 3 * 20);
    (void)unlink(path);
    (void)unlink(counter);
}

static const char handlers[] =
    "local httpsrv, lock = require 'httpsrv', require 'msys.lib.lock'\n"
    "local function on(path, fn) httpsrv.register('GET', path, fn) end\n"
    "on('/hold', function(sess) lock.lock 'a' lock.lock 'b' httpsrv.sleep(10) sess:response_append 'held' end)\n"
    "on('/take', function(sess) lock.lock 'a' lock.lock 'b' sess:response_append 'taken' end)\n"
    "on('/fail', function() lock.lock 'a' error 'on purpose' end)\n"
    "on('/try', function(sess) sess:response_append(tostring(lock.take('a', 'try', false))) end)\n";

static void
goes_with_the_session(void **state)
{
    (void)state;
    struct lua_rig l;
    struct rig_client holder, taker, gone;
    lua_rig_open(&l, handlers);
    lua_rig_ask(&l, &holder, "/hold");
    lua_rig_ask(&l, &gone, "/take");
    lua_rig_ask(&l, &taker, "/take");
    assert_string_equal(lua_rig_get(&l, "/try"), "false");
    rig_disconnect(&gone, true); /* gives up waiting */
    rig_settle(&l.rig);
    assert_string_equal(rig_received(&taker), "");
    rig_disconnect(&holder, true);
    rig_settle(&l.rig);
    assert_string_equal(lua_rig_body(&taker), "taken");
    rig_disconnect(&taker, false);
    (void)lua_rig_get(&l, "/fail");
    assert_string_equal(lua_rig_get(&l, "/try"), "true");
    assert_string_equal(lua_rig_get(&l, "/try"), "true");
    lua_rig_close(&l);
}

static void
goes_with_the_runtime(void **state)
{
    (void)state;
    struct lua_rig l;
    struct rig_client a, b;
    for (int i = 0; i < 2; i++) { /* what the first left behind would stop the second */
        lua_rig_open(&l, handlers);
        lua_rig_ask(&l, &a, "/hold");
        lua_rig_ask(&l, &b, "/take");
        assert_string_equal(rig_received(&b), "");
        hs_lua_runtime_close(l.rt);
        rig_settle(&l.rig);
        rig_disconnect(&a, false);
        rig_disconnect(&b, false);
        lua_rig_close(&l);
    }
}

static void
threat_38_each_allocation_fails_once(void **state)
{
    (void)state;
    struct lua_rig l;
    lua_rig_open(&l, handlers);
    l.rig.accept_may_fail = true;
    for (unsigned long n = 1; n < 40; n++) {
        struct rig_client holder, taker;
        lua_rig_ask(&l, &holder, "/hold");
        rig_connect(&l.rig, &taker);
        alloc_fail_at(n);
        (void)rig_sends(&taker, "GET /take HTTP/1.1\r\nHost: a\r\n\r\n");
        rig_settle(&l.rig);
        rig_disconnect(&holder, true);
        rig_settle(&l.rig);
        alloc_fail_off();
        rig_disconnect(&taker, true);
        rig_settle(&l.rig);
    }
    assert_string_equal(lua_rig_get(&l, "/try"), "true"); /* nobody has it */
    lua_rig_close(&l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_at_a_time_in_all_threads),
        cmocka_unit_test(goes_with_the_session),
        cmocka_unit_test(goes_with_the_runtime),
        cmocka_unit_test(threat_38_each_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
