/* test_reload_hold.c - server/reload.h: a reload that waits for somebody's decision, as in a worker. */
#include "server/reload.h"

#include "scripts_world.h"

static int prepared, prepared_err;

static void
on_prepared(void *arg, int err)
{
    (void)arg;
    prepared++;
    prepared_err = err;
}

static int
prepare(struct world *w)
{
    int before = prepared;
    assert_int_equal(httpsrv_server_reload(w->server), 0);
    for (int i = 0; i < 20 && prepared == before; i++) {
        turn(w);
    }
    assert_int_equal(prepared, before + 1);
    return prepared_err;
}

static void
ruling_19_a_held_reload_waits_for_the_decision(void **state)
{
    (void)state;
    struct world w;
    script("a.lua", SAYS("one"));
    world_of(&w, dir, NULL);
    hs_server_hold_reloads(w.server, on_prepared, NULL);
    hs_server_decide_reload(w.server, true); /* nothing waits */
    int kept = client(&w);
    script("a.lua", SAYS("two"));
    assert_int_equal(prepare(&w), 0);
    assert_non_null(strstr(get(&w, kept, "/say"), "one"));
    assert_int_equal(httpsrv_server_reload(w.server), 0); /* asked for meanwhile: comes after */
    turn(&w);
    assert_int_equal(prepared, 1);
    hs_server_decide_reload(w.server, false);
    assert_int_equal(reload_err, ECANCELED);
    turn(&w);
    turn(&w);
    assert_int_equal(prepared, 2);
    assert_non_null(strstr(get(&w, kept, "/say"), "one"));
    hs_server_decide_reload(w.server, true);
    assert_non_null(strstr(get(&w, kept, "/say"), "two"));
    assert_int_equal(reload_err, 0);
    turn(&w);
    assert_int_equal(hs_live_get(HS_LIVE_GENERATION), 1);

    script("a.lua", "nonsense here");
    assert_int_equal(prepare(&w), EINVAL);
    hs_server_decide_reload(w.server, true); /* nothing waits */
    assert_non_null(strstr(get(&w, kept, "/say"), "two"));
    script("a.lua", SAYS("three"));
    assert_int_equal(prepare(&w), 0);
    (void)close(kept);
    world_end(&w); /* while one waits */
    drop_script("a.lua");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ruling_19_a_held_reload_waits_for_the_decision),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
