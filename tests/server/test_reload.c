/* test_reload.c - server/reload.h: generations that follow each other, and those that do not come to be. */
#include "server/reload.h"

#include <errno.h>
#include <malloc.h>
#include <sys/stat.h>

#include "alloc_fail.h"
#include "base/log.h"
#include "scripts_world.h"

/* What has come since, as text. */
static const char *
more(int fd)
{
    static char text[65536];
    ssize_t n = read(fd, text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

/* proves: httpsrv_server_reload, httpsrv_server_on_reload, httpsrv_server_generation */
static void
new_requests_use_the_new_handlers(void **state)
{
    (void)state;
    struct world w;
    script("a.lua", SAYS("one"));
    world_of(&w, dir, NULL);
    int kept = client(&w);
    assert_non_null(strstr(get(&w, kept, "/say"), "\r\n\r\none"));
    script("a.lua", SAYS("two") "httpsrv.register('GET', '/new', function(sess) sess:response_append('new') end)");
    assert_int_equal(reload(&w), 0);
    assert_int_equal(httpsrv_server_generation(w.server), 2);
    assert_int_equal(hs_server_routes(w.server), 6);
    const char *r = get(&w, kept, "/say"); /* on the same connection */
    assert_non_null(strstr(r, "\r\n\r\ntwo"));
    assert_null(strstr(r, "Connection: close"));
    assert_non_null(strstr(get(&w, kept, "/new"), "new"));
    assert_non_null(strstr(get(&w, kept, "/hello"), "hello")); /* on_load was called again */
    assert_int_equal(hs_server_generations(w.server), 1);
    assert_int_equal(hs_live_get(HS_LIVE_STATE), 1);
    assert_int_equal(hs_live_get(HS_LIVE_GENERATION), 1);
    (void)close(kept);
    world_end(&w);
    drop_script("a.lua");
}

static void
a_failed_reload_changes_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } bad[] = {
        { "local x = = 1", "a.lua:1: " },
        { SAYS("two") "error('on purpose')", "on purpose" },
        { SAYS("two") "httpsrv.register('GET', '/hello', print)", "a.lua:3: " }, /* on_load has it */
    };
    struct world w;
    script("a.lua", SAYS("one"));
    world_of(&w, dir, NULL);
    int kept = client(&w);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        script("a.lua", bad[i].text);
        assert_int_equal(reload(&w), EINVAL);
        assert_non_null(strstr(httpsrv_server_error(w.server), bad[i].says));
        assert_int_equal(httpsrv_server_generation(w.server), 1);
        assert_non_null(strstr(get(&w, kept, "/say"), "one"));
        assert_int_equal(hs_live_get(HS_LIVE_STATE), 1);
        assert_int_equal(hs_live_get(HS_LIVE_GENERATION), 1);
    }
    on_load_err = EPERM;
    assert_int_equal(reload(&w), EPERM);
    on_load_err = 0;
    drop_script("a.lua");
    assert_int_equal(rmdir(dir), 0);
    assert_int_equal(reload(&w), ENOENT);
    assert_non_null(strstr(httpsrv_server_error(w.server), dir));
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_non_null(strstr(get(&w, kept, "/say"), "one"));
    script("a.lua", SAYS("three"));
    assert_int_equal(reload(&w), 0); /* and it still can */
    assert_non_null(strstr(get(&w, kept, "/say"), "three"));
    (void)close(kept);
    world_end(&w);
    drop_script("a.lua");
}

static void
a_load_that_takes_too_long_fails(void **state)
{
    (void)state;
    struct world w;
    script("a.lua", SAYS("one"));
    world_of(&w, dir, NULL);
    script("a.lua", SAYS("two") "httpsrv.sleep(1000)");
    assert_int_equal(httpsrv_server_reload(w.server), 0);
    turn(&w);
    int fd = client(&w);
    assert_non_null(strstr(get(&w, fd, "/say"), "one")); /* meanwhile */
    for (int i = 0; i < 12; i++) {
        advance(&w, HS_SEC);
    }
    assert_int_equal(reloads, 1);
    assert_int_equal(reload_err, ETIMEDOUT);
    assert_non_null(strstr(get(&w, fd, "/say"), "one"));
    (void)close(fd);
    world_end(&w);
    drop_script("a.lua");
}

static void
streams_in_flight_finish_on_their_generation(void **state)
{
    (void)state;
    static const char text[] = "local httpsrv = require 'httpsrv'\n"
                               "httpsrv.register('GET', '/stream', function(sess)\n"
                               "  sess:response_io(httpsrv.io.generator(function(write)\n"
                               "    for i = 1, 5 do write('%d:' .. i .. ';'); httpsrv.sleep(1) end\n"
                               "  end))\n"
                               "end)\n"
                               "httpsrv.register('GET', '/late', function(sess) httpsrv.sleep(3) sess:response_append('late %d') end)\n";
    char now[1024];
    struct world w;
    int stream[3], late[3];
    for (int g = 0; g < 3; g++) {
        (void)snprintf(now, sizeof now, text, g, g);
        script("a.lua", now);
        if (g == 0) {
            world_of(&w, dir, NULL);
        } else {
            assert_int_equal(reload(&w), 0);
        }
        stream[g] = client(&w);
        late[g] = client(&w);
        const char *r = get(&w, stream[g], "/stream");
        (void)snprintf(now, sizeof now, "%d:1;", g);
        assert_non_null(strstr(r, now));
        assert_string_equal(get(&w, late[g], "/late"), "");
        assert_int_equal(hs_server_generations(w.server), g + 1);
        assert_int_equal(hs_live_get(HS_LIVE_STATE), g + 1);
    }
    for (int i = 0; i < 70; i++) {
        advance(&w, 100 * HS_MSEC);
    }
    for (int g = 0; g < 3; g++) {
        const char *r = more(stream[g]);
        (void)snprintf(now, sizeof now, "%d:5;", g);
        assert_non_null(strstr(r, now));
        assert_non_null(strstr(r, "\r\n0\r\n\r\n")); /* complete */
        (void)snprintf(now, sizeof now, "\r\n\r\nlate %d", g);
        assert_non_null(strstr(more(late[g]), now));
        assert_true(is_open(stream[g])); /* connections stay */
        assert_non_null(strstr(get(&w, stream[g], "/hello"), "hello"));
        (void)close(stream[g]);
        (void)close(late[g]);
    }
    assert_int_equal(hs_server_generations(w.server), 1);
    assert_int_equal(hs_live_get(HS_LIVE_STATE), 1);
    assert_int_equal(hs_live_get(HS_LIVE_GENERATION), 1);
    world_end(&w);
    drop_script("a.lua");
}

static void
ruling_19_the_former_generation_unloads(void **state)
{
    (void)state;
    struct world w;
    script("a.lua", "local httpsrv = require 'httpsrv'\n"
                    "httpsrv.timer.every(1, function() end)\n"
                    "httpsrv.spawn_detached(function() httpsrv.sleep(1000) end)\n"
                    "httpsrv.on_unload(function() httpsrv.sleep(2) local f = io.open('" "/tmp/test_reload_unloaded" "', 'a') f:write('x') f:close() end)\n");
    (void)unlink("/tmp/test_reload_unloaded");
    world_of(&w, dir, NULL);
    script("a.lua", "require('httpsrv').on_unload(function() require('httpsrv').sleep(1000) end)");
    assert_int_equal(reload(&w), 0);
    assert_int_equal(hs_server_generations(w.server), 2);
    advance(&w, HS_SEC);
    assert_int_equal(hs_live_get(HS_LIVE_TIMER), 1); /* they go on while it unloads */
    assert_int_equal(access("/tmp/test_reload_unloaded", F_OK), -1);
    advance(&w, HS_SEC);
    turn(&w);
    assert_int_equal(access("/tmp/test_reload_unloaded", F_OK), 0);
    assert_int_equal(unlink("/tmp/test_reload_unloaded"), 0);
    assert_int_equal(hs_live_get(HS_LIVE_TIMER), 0);
    assert_int_equal(hs_live_get(HS_LIVE_TASK), 0);
    assert_int_equal(hs_server_generations(w.server), 1);

    script("a.lua", ""); /* the time for on_unload is limited */
    assert_int_equal(reload(&w), 0);
    advance(&w, 4 * HS_SEC);
    assert_int_equal(hs_server_generations(w.server), 2);
    advance(&w, 2 * HS_SEC);
    turn(&w);
    assert_int_equal(hs_server_generations(w.server), 1);
    world_end(&w);
    drop_script("a.lua");
}

#define STREAM_FOREVER                                                                                                                               \
    "local httpsrv = require 'httpsrv'\n"                                                                                                            \
    "httpsrv.register('GET', '/stream', function(sess)\n"                                                                                            \
    "  sess:response_append('begun') sess:response_flush() httpsrv.sleep(100000)\n"                                                                  \
    "end)\n"                                                                                                                                         \
    "httpsrv.register('GET', '/quiet', function(sess) httpsrv.sleep(100000) end)\n"                                                                  \
    "httpsrv.register('GET', '/stubborn', function(sess)\n"                                                                                          \
    "  httpsrv.shield(function() httpsrv.sleep(100000) end, 100000)\n"                                                                               \
    "end)\n"

static void
ruling_19_the_oldest_beyond_the_limit_is_ended(void **state)
{
    (void)state;
    struct world w;
    int stream[4], quiet[4], stubborn[4];
    script("a.lua", STREAM_FOREVER);
    world_of(&w, dir, "3");
    for (int g = 0; g < 4; g++) {
        if (g != 0) {
            assert_int_equal(reload(&w), 0);
        }
        stream[g] = client(&w);
        quiet[g] = client(&w);
        stubborn[g] = client(&w);
        if (g < 3) {
            assert_int_equal(hs_server_generations(w.server), g + 1);
            assert_non_null(strstr(get(&w, stream[g], "/stream"), "begun"));
            assert_string_equal(get(&w, quiet[g], "/quiet"), "");
            assert_string_equal(get(&w, stubborn[g], "/stubborn"), "");
        }
    }
    assert_int_equal(httpsrv_server_generation(w.server), 4);
    char c;
    assert_true(read(stream[0], &c, 1) == 0 || errno == ECONNRESET); /* what has begun is cut off */
    assert_null(strstr(more(stream[0]), "0\r\n\r\n"));
    assert_int_equal(strncmp(more(quiet[0]), "HTTP/1.1 503 ", 13), 0);
    assert_int_equal(strncmp(more(stubborn[0]), "HTTP/1.1 503 ", 13), 0);
    assert_int_equal(hs_server_generations(w.server), 4);
    /* Its handler does not heed it: another reload waits until it has been given up. */
    assert_int_equal(httpsrv_server_reload(w.server), 0);
    turn(&w);
    assert_int_equal(reloads, 3);
    advance(&w, 250 * HS_MSEC);
    advance(&w, 10 * HS_MSEC);
    assert_int_equal(reloads, 4);
    assert_int_equal(httpsrv_server_generation(w.server), 5);
    advance(&w, 250 * HS_MSEC);
    turn(&w);
    assert_int_equal(hs_server_generations(w.server), 2); /* the third has requests, the fourth had none, the fifth is current */
    assert_int_equal(hs_live_get(HS_LIVE_STATE), 2);
    assert_true(is_open(stream[2]));
    for (int g = 0; g < 4; g++) {
        (void)close(stream[g]);
        (void)close(quiet[g]);
        (void)close(stubborn[g]);
    }
    world_end(&w);
    drop_script("a.lua");
}

static void
c_handlers_that_keep_their_sessions(void **state)
{
    (void)state;
    struct world w;
    world_of(&w, NULL, "1");
    int fd = client(&w), other = client(&w);
    assert_string_equal(get(&w, fd, "/hold"), "");
    ec_httpsrv_session *first = held;
    assert_int_equal(reload(&w), 0);
    assert_int_equal(strncmp(more(fd), "HTTP/1.1 503 ", 13), 0); /* and its handler has not noticed yet */
    assert_int_equal(hs_server_generations(w.server), 2);
    advance(&w, 250 * HS_MSEC);
    assert_int_equal(hs_server_generations(w.server), 1); /* it does not count any more */
    assert_int_equal(reload(&w), 0);
    assert_int_equal(hs_live_get(HS_LIVE_GENERATION), 2); /* but lives until it is resumed */
    assert_non_null(strstr(get(&w, other, "/hello"), "hello"));
    assert_int_equal(ec_httpsrv_response_append(first, "x", 1), ECONNABORTED);
    assert_int_equal(ec_httpsrv_session_resume(first, 1), 0);
    turn(&w);
    assert_int_equal(hs_live_get(HS_LIVE_GENERATION), 1);
    (void)close(fd);
    (void)close(other);
    world_end(&w);
}

static struct httpsrv_server *reload_this;

static int
reload_server(ec_httpsrv_session *sess)
{
    assert_int_equal(httpsrv_server_reload(reload_this), 0);
    return hello(sess);
}

static int
reloading_route(void *arg)
{
    (void)arg;
    return ec_httpsrv_register(NULL, "GET", "/reload", ECTP_CLASS_SHORT_LIVED, NULL, reload_server);
}

static void
a_handler_may_reload(void **state)
{
    (void)state;
    struct world w;
    script("a.lua", SAYS("one"));
    world_of(&w, dir, NULL);
    httpsrv_server_on_load(w.server, reloading_route, NULL);
    assert_int_equal(reload(&w), 0);
    reload_this = w.server;
    int fd = client(&w);
    assert_non_null(strstr(get(&w, fd, "/reload"), "hello"));
    turn(&w);
    assert_int_equal(httpsrv_server_generation(w.server), 3);
    (void)close(fd);
    world_end(&w);
    drop_script("a.lua");
}

static void
asked_for_while_one_is_built_another_follows(void **state)
{
    (void)state;
    struct world w;
    script("a.lua", SAYS("one"));
    world_of(&w, dir, NULL);
    script("a.lua", SAYS("two") "httpsrv.sleep(1)");
    assert_int_equal(httpsrv_server_reload(w.server), 0);
    turn(&w);
    script("a.lua", SAYS("three")); /* the one that is being loaded has been read already */
    for (int i = 0; i < 5; i++) {
        assert_int_equal(httpsrv_server_reload(w.server), 0);
    }
    turn(&w);
    assert_int_equal(reloads, 0);
    advance(&w, HS_SEC);
    turn(&w);
    assert_int_equal(reloads, 2);
    assert_int_equal(httpsrv_server_generation(w.server), 3);
    int fd = client(&w);
    assert_non_null(strstr(get(&w, fd, "/say"), "three"));
    (void)close(fd);
    world_end(&w);
    drop_script("a.lua");
}

static void
only_a_server_that_runs_reloads(void **state)
{
    (void)state;
    struct world w;
    script("a.lua", SAYS("one"));
    world_new(&w);
    assert_int_equal(httpsrv_server_reload(w.server), EBUSY);
    assert_string_equal(httpsrv_server_error(w.server), "the server was not started");
    reloads = 0;
    on_load_err = 0;
    httpsrv_server_on_reload(w.server, on_reloaded, NULL);
    assert_int_equal(httpsrv_server_listen(w.server, w.address), 0);
    assert_int_equal(httpsrv_server_start(w.server, dir), 0);
    assert_int_equal(httpsrv_server_reload(w.server), 0); /* while it loads: afterwards */
    turn(&w);
    turn(&w);
    turn(&w);
    assert_int_equal(reloads, 1);
    assert_int_equal(reload_err, 0);
    assert_int_equal(httpsrv_server_generation(w.server), 2);
    script("a.lua", SAYS("two") "httpsrv.sleep(1000)");
    assert_int_equal(httpsrv_server_reload(w.server), 0);
    turn(&w);
    httpsrv_server_stop(w.server, 0);
    turn(&w);
    assert_int_equal(reloads, 2);
    assert_int_equal(reload_err, ECANCELED);
    assert_int_equal(hs_live_get(HS_LIVE_STATE), 1); /* it is not loaded to its end */
    assert_int_equal(httpsrv_server_reload(w.server), EBUSY);
    for (int i = 0; i < 20; i++) {
        advance(&w, 10 * HS_MSEC);
    }
    assert_int_equal(w.stopped, 1);
    world_end(&w);
    drop_script("a.lua");
}

static void
stopping_waits_for_former_generations(void **state)
{
    (void)state;
    struct world w;
    script("a.lua", "local httpsrv = require 'httpsrv'\n"
                    "httpsrv.on_unload(function() httpsrv.sleep(3) end)\n"
                    "httpsrv.register('GET', '/late', function(sess) httpsrv.sleep(1) sess:response_append('late') end)");
    world_of(&w, dir, NULL);
    int fd = client(&w);
    assert_string_equal(get(&w, fd, "/late"), "");
    script("a.lua", "");
    assert_int_equal(reload(&w), 0);
    httpsrv_server_stop(w.server, 0);
    for (int i = 0; i < 110; i++) {
        advance(&w, 10 * HS_MSEC);
    }
    const char *r = more(fd);
    assert_non_null(strstr(r, "late"));
    assert_non_null(strstr(r, "Connection: close"));
    assert_int_equal(w.stopped, 0);
    (void)close(fd);
    for (int i = 0; i < 210; i++) {
        advance(&w, 10 * HS_MSEC);
    }
    assert_int_equal(w.stopped, 1);
    world_end(&w);
    drop_script("a.lua");
}

static void
freed_in_the_midst_of_it(void **state)
{
    (void)state;
    struct world w;
    script("a.lua", STREAM_FOREVER "httpsrv.on_unload(function() httpsrv.sleep(1000) end)\n");
    for (int when = 0; when < 3; when++) {
        world_of(&w, dir, "2");
        int fd = client(&w), second = client(&w);
        assert_non_null(strstr(get(&w, fd, "/stream"), "begun"));
        assert_int_equal(reload(&w), 0);
        assert_string_equal(get(&w, second, "/stubborn"), "");
        if (when > 0) {
            assert_int_equal(reload(&w), 0); /* one is ending */
        }
        if (when > 1) {
            assert_int_equal(httpsrv_server_reload(w.server), 0); /* and one waits */
            turn(&w);
        }
        world_end(&w);
        (void)close(fd);
        (void)close(second);
    }
    drop_script("a.lua");
}

/* Bytes that are allocated, LuaJIT's own apart, which count as states. */
#if defined(__SANITIZE_ADDRESS__)
size_t __sanitizer_get_current_allocated_bytes(void);
#define allocated __sanitizer_get_current_allocated_bytes
#else
static size_t
allocated(void)
{
    return mallinfo2().uordblks;
}
#endif

static void
a_thousand_reloads_leave_nothing(void **state)
{
    (void)state;
    struct world w;
    size_t early = 0;
    script("a.lua", SAYS("one") "httpsrv.timer.every(1, print)\n"
                                "httpsrv.spawn_detached(function() httpsrv.sleep(1000) end)\n"
                                "httpsrv.on_unload(function() end)\n"
                                "httpsrv.register('GET', '/slow', function(sess) httpsrv.sleep(0.05) sess:response_append('slow') end)\n");
    world_of(&w, dir, NULL);
    int fd = client(&w), slow = client(&w);
    for (int i = 0; i < 1000; i++) {
        assert_string_equal(get(&w, slow, "/slow"), "");
        if (i % 10 == 3) {
            script("b.lua", "error('on purpose')");
            assert_int_equal(reload(&w), EINVAL);
            drop_script("b.lua");
        }
        assert_int_equal(reload(&w), 0);
        assert_non_null(strstr(get(&w, fd, "/say"), "one"));
        advance(&w, 50 * HS_MSEC);
        assert_non_null(strstr(more(slow), "slow"));
        turn(&w);
        assert_int_equal(hs_server_generations(w.server), 1);
        assert_int_equal(hs_live_get(HS_LIVE_STATE), 1);
        assert_int_equal(hs_live_get(HS_LIVE_GENERATION), 1);
        assert_int_equal(hs_live_get(HS_LIVE_TIMER), 1);
        assert_int_equal(hs_live_get(HS_LIVE_TASK), 1);
        if (i == 100) {
            early = allocated();
        }
    }
    assert_int_equal(httpsrv_server_generation(w.server), 1101);
    assert_true(early != 0 && allocated() <= early + 16 * 1024);
    (void)close(fd);
    (void)close(slow);
    world_end(&w);
    drop_script("a.lua");
}

static void
reload_once(void *arg)
{
    struct world *w = arg;
    int before = reloads;
    unsigned long generation = httpsrv_server_generation(w->server);
    assert_int_equal(httpsrv_server_reload(w->server), 0);
    for (int i = 0; i < 40 && reloads == before; i++) {
        assert_int_equal(hs_loop_turn(hs_server_loop(w->server), false), 0);
    }
    assert_int_equal(reloads, before + 1);
    assert_true((reload_err == 0) == (httpsrv_server_generation(w->server) != generation));
    for (int i = 0; i < 8; i++) {
        assert_int_equal(hs_loop_turn(hs_server_loop(w->server), false), 0);
    }
}

static void
threat_38_each_allocation_of_a_reload_fails_once(void **state)
{
    (void)state;
    struct world w;
    script("a.lua", SAYS("one") "httpsrv.on_unload(function() end)");
    world_of(&w, dir, NULL);
    reload_once(&w);
    assert_in_range(alloc_fail_each(reload_once, &w), 20, 400);
    assert_int_equal(hs_server_generations(w.server), 1);
    int fd = client(&w);
    assert_non_null(strstr(get(&w, fd, "/say"), "one"));
    (void)close(fd);
    world_end(&w);
    drop_script("a.lua");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_requests_use_the_new_handlers),
        cmocka_unit_test(a_failed_reload_changes_nothing),
        cmocka_unit_test(a_load_that_takes_too_long_fails),
        cmocka_unit_test(streams_in_flight_finish_on_their_generation),
        cmocka_unit_test(ruling_19_the_former_generation_unloads),
        cmocka_unit_test(ruling_19_the_oldest_beyond_the_limit_is_ended),
        cmocka_unit_test(c_handlers_that_keep_their_sessions),
        cmocka_unit_test(a_handler_may_reload),
        cmocka_unit_test(asked_for_while_one_is_built_another_follows),
        cmocka_unit_test(only_a_server_that_runs_reloads),
        cmocka_unit_test(stopping_waits_for_former_generations),
        cmocka_unit_test(freed_in_the_midst_of_it),
        cmocka_unit_test(a_thousand_reloads_leave_nothing),
        cmocka_unit_test(threat_38_each_allocation_of_a_reload_fails_once),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
