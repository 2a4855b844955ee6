/* test_scripts.c - server/scripts.h: finding scripts, and loading them into a generation. */
#include "server/scripts.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/live.h"
#include "io/pool.h"

static char dir[] = "/tmp/test_scripts_XXXXXX";
static char path[256];

struct world {
    struct hs_loop *loop;
    struct hs_dispatch *dispatch;
    struct hs_session_env *env;
    struct hs_scripts scripts;
    char told[4096];
    unsigned problems, done;
    int err;
    int on_load_err;
};

static void
script(const char *name, const char *text)
{
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void
drop_script(const char *name)
{
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(unlink(path), 0);
}

static int
group_setup(void **state)
{
    (void)state;
    return mkdtemp(dir) != NULL ? 0 : -1;
}

static int
group_teardown(void **state)
{
    (void)state;
    return rmdir(dir);
}

static void
on_problem(void *arg, enum hs_lua_problem kind, const char *message)
{
    struct world *w = arg;
    (void)kind;
    w->problems++;
    (void)snprintf(w->told, sizeof w->told, "%s", message);
}

static void
on_done(void *arg, int err)
{
    struct world *w = arg;
    w->done++;
    w->err = err;
}

static int
c_handler(ec_httpsrv_session *sess)
{
    (void)sess;
    return EC_HTTPSRV_HANDLER_DONE;
}

static int
on_load(void *arg)
{
    struct world *w = arg;
    assert_non_null(hs_generation_building());
    int err = ec_httpsrv_register(NULL, "GET", "/c", ECTP_CLASS_SHORT_LIVED, NULL, c_handler);
    return err != 0 ? err : w->on_load_err;
}

static void
world_new(struct world *w)
{
    struct hs_limits limits;
    memset(w, 0, sizeof *w);
    hs_limits_default(&limits);
    assert_int_equal(hs_loop_new(&(struct hs_loop_options){ .base = NULL }, &w->loop), 0);
    assert_int_equal(hs_dispatch_new(&w->dispatch), 0);
    assert_int_equal(hs_session_env_new(w->loop, &limits, &hs_dispatch_app, w->dispatch, &w->env), 0);
}

static int
load(struct world *w, const char *what)
{
    struct hs_scripts_place place;
    const struct hs_scripts_options options = {
        .loop = w->loop, .env = w->env, .phase = HS_LUA_LOAD, .id = 3, .on_load = on_load, .on_load_arg = w,
    };
    assert_int_equal(hs_scripts_find(what, &place), 0);
    int err = hs_scripts_load(&options, &place, on_problem, on_done, w, &w->scripts);
    hs_scripts_place_fini(&place);
    assert_int_equal(w->done, 0); /* only ever from the loop */
    assert_null(hs_generation_building());
    return err;
}

static void
wait_done(struct world *w)
{
    while (w->done == 0) {
        assert_int_equal(hs_loop_turn(w->loop, true), 0);
    }
    assert_int_equal(hs_loop_turn(w->loop, false), 0);
    assert_int_equal(w->done, 1);
}

static void
world_free(struct world *w)
{
    hs_scripts_drop(&w->scripts, true);
    hs_pools_stop();
    assert_int_equal(hs_loop_turn(w->loop, false), 0);
    hs_session_env_free(w->env);
    hs_dispatch_free(w->dispatch);
    hs_loop_free(w->loop);
    assert_int_equal(hs_live_get(HS_LIVE_IO), 0);
    assert_int_equal(hs_live_get(HS_LIVE_TASK), 0);
    assert_int_equal(hs_live_get(HS_LIVE_TIMER), 0);
}

static void
places(void **state)
{
    (void)state;
    struct hs_scripts_place p;
    assert_int_equal(hs_scripts_find(dir, &p), 0);
    assert_true(p.is_dir);
    assert_string_equal(p.dir, dir);
    char *config = hs_scripts_config(&p);
    assert_non_null(config);
    assert_int_equal(strncmp(config, dir, strlen(dir)), 0);
    assert_string_equal(config + strlen(dir), "/config.lua");
    free(config);
    hs_scripts_place_fini(&p);

    script("one.lua", "");
    assert_int_equal(hs_scripts_find(path, &p), 0);
    assert_false(p.is_dir);
    assert_string_equal(p.path, path);
    assert_string_equal(p.dir, dir);
    assert_null(hs_scripts_config(&p));
    assert_int_equal(errno, ENOENT);
    hs_scripts_place_fini(&p);
    drop_script("one.lua");

    assert_int_equal(hs_scripts_find("/no/such/place", &p), ENOENT);
    assert_int_equal(hs_scripts_find("/dev/null", &p), EINVAL);
    assert_int_equal(hs_scripts_find("", &p), ENOENT);
}

static void
a_directory_becomes_a_generation(void **state)
{
    (void)state;
    struct world w;
    script("b.lua", "require('httpsrv').register('GET', '/b', print)");
    script("a.lua", "require('httpsrv').register('GET', '/a', print)");
    script("config.lua", "error('not a handler script')");
    world_new(&w);
    assert_int_equal(load(&w, dir), 0);
    wait_done(&w);
    assert_int_equal(w.err, 0);
    assert_int_equal(w.problems, 0);
    assert_int_equal(hs_generation_count(w.scripts.generation), 3);
    assert_int_equal(hs_generation_id(w.scripts.generation), 3);
    world_free(&w);
    drop_script("a.lua");
    drop_script("b.lua");
    drop_script("config.lua");
}

static void
problems_are_told(void **state)
{
    (void)state;
    struct world w;
    script("bad.lua", "\nlocal x = = 1");
    world_new(&w);
    assert_int_equal(load(&w, path), 0);
    wait_done(&w);
    assert_int_equal(w.err, EINVAL);
    assert_int_equal(w.problems, 1);
    assert_non_null(strstr(w.told, "bad.lua:2: "));
    world_free(&w);
    drop_script("bad.lua");
}

static void
dropped_while_it_loads(void **state)
{
    (void)state;
    struct world w;
    script("slow.lua", "require('httpsrv').sleep(100)");
    world_new(&w);
    assert_int_equal(load(&w, dir), 0);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(hs_loop_turn(w.loop, false), 0);
    }
    hs_scripts_drop(&w.scripts, true);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(hs_loop_turn(w.loop, false), 0);
    }
    assert_int_equal(w.done, 0);
    world_free(&w);
    drop_script("slow.lua");
}

static void
c_handlers_come_first_and_may_refuse(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    w.on_load_err = EPERM;
    assert_int_equal(load(&w, dir), EPERM);
    assert_null(w.scripts.generation);
    assert_null(w.scripts.runtime);
    w.on_load_err = 0;
    script("same.lua", "require('httpsrv').register('GET', '/c', print)");
    assert_int_equal(load(&w, dir), 0);
    wait_done(&w);
    assert_int_equal(w.err, EINVAL); /* registered already */
    assert_non_null(strstr(w.told, "same.lua:1: "));
    world_free(&w);
    drop_script("same.lua");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places),
        cmocka_unit_test(a_directory_becomes_a_generation),
        cmocka_unit_test(problems_are_told),
        cmocka_unit_test(dropped_while_it_loads),
        cmocka_unit_test(c_handlers_come_first_and_may_refuse),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
