/* test_publish.c - server/publish.h: what a server counts, and where it goes. */
#include "server/publish.h"

#include "server/lifecycle.h"
#include "server/times.h"
#include "server_world.h"

static uint64_t
count_of(struct hs_page *p, int which)
{
    return hs_page_total(p, (enum hs_count)which);
}

static uint64_t
timed(struct hs_page *p)
{
    struct hs_times t;
    hs_times_gather(p, &t);
    return t.n;
}

static void
every_request_is_counted_and_timed_once(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    start(&w);
    struct hs_page *p = hs_server_page(w.server);
    int fd = client(&w);
    (void)get(&w, fd, "/hello");
    (void)get(&w, fd, "/nowhere");
    assert_int_equal(count_of(p, HS_COUNT_REQUESTS + 2), 1); /* as they end, not at a beat */
    assert_int_equal(count_of(p, HS_COUNT_REQUESTS + 4), 1);
    assert_int_equal(timed(p), 2);
    static const char burst[] = "GET /hello HTTP/1.1\r\nHost: h\r\n\r\nGET /hello HTTP/1.1\r\nHost: h\r\n\r\nGET /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    assert_int_equal(send(fd, burst, sizeof burst - 1, MSG_NOSIGNAL), sizeof burst - 1);
    turn(&w);
    assert_int_equal(count_of(p, HS_COUNT_REQUESTS + 2), 4);
    assert_int_equal(timed(p), 5);
    (void)close(fd);
    fd = client(&w);
    (void)get(&w, fd, "/hold"); /* for 3 s */
    hs_server_publish(w.server);
    assert_int_equal(count_of(p, HS_COUNT_SUSPENDED), 1);
    assert_int_equal(count_of(p, HS_COUNT_OPEN_REQUESTS), 1);
    assert_int_equal(count_of(p, HS_COUNT_OPEN_CONNECTIONS), 1);
    assert_int_equal(timed(p), 5);
    uint64_t before = count_of(p, HS_COUNT_REQUEST_TIME);
    advance(&w, 3 * HS_SEC);
    assert_int_equal(ec_httpsrv_session_resume(held, 0), 0);
    turn(&w);
    assert_int_equal(count_of(p, HS_COUNT_REQUESTS + 2), 5);
    assert_int_equal(timed(p), 6);
    assert_int_equal(count_of(p, HS_COUNT_REQUEST_TIME) - before, 3 * HS_SEC);
    assert_int_equal(count_of(p, HS_COUNT_CUT_SHORT), 0);
    hs_server_publish(w.server);
    assert_int_equal(count_of(p, HS_COUNT_SUSPENDED), 0);
    assert_int_equal(count_of(p, HS_COUNT_CONNECTIONS), 2);
    assert_true(count_of(p, HS_COUNT_RECEIVED) > sizeof burst);
    assert_true(count_of(p, HS_COUNT_SENT) > 200);
    (void)close(fd);
    world_free(&w);
}

static void
a_client_that_goes_away_cuts_its_request_short(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    start(&w);
    struct hs_page *p = hs_server_page(w.server);
    int fd = client(&w);
    (void)get(&w, fd, "/hold/abort");
    (void)close(fd);
    turn(&w);
    assert_int_equal(count_of(p, HS_COUNT_CUT_SHORT), 1);
    assert_int_equal(count_of(p, HS_COUNT_REQUESTS), 1); /* without an answer */
    assert_int_equal(timed(p), 1);
    fd = client(&w);
    assert_int_equal(send(fd, "nonsense\r\n\r\n", 12, MSG_NOSIGNAL), 12);
    turn(&w);
    hs_server_publish(w.server);
    assert_int_equal(count_of(p, HS_COUNT_REFUSED), 1);
    (void)close(fd);
    world_free(&w);
}

static void
counters_go_on_in_the_slot_of_a_former_process(void **state)
{
    (void)state;
    struct world w;
    struct hs_page *p;
    assert_int_equal(hs_page_new(1, &p), 0);
    struct hs_page_slot *s = hs_page_slot(p, 0);
    hs_page_set(&s->counts[HS_COUNT_REQUESTS + 2], 100);
    hs_page_set(&s->counts[HS_COUNT_CONNECTIONS], 50);
    strcpy(s->pools[0].name, "CPU");
    hs_page_set(&s->pools[0].done, 7);
    atomic_store(&s->npools, 1);
    world_new(&w);
    hs_server_use_slot(w.server, s);
    start(&w);
    assert_null(hs_server_page(w.server));
    int fd = client(&w);
    (void)get(&w, fd, "/hello");
    hs_server_publish(w.server);
    hs_server_publish(w.server); /* adds nothing */
    assert_int_equal(count_of(p, HS_COUNT_REQUESTS + 2), 101);
    assert_int_equal(count_of(p, HS_COUNT_CONNECTIONS), 51);
    assert_int_equal(hs_page_get(&s->pools[0].done), 7);
    assert_string_equal(s->pools[0].name, "CPU");
    assert_string_equal(s->pools[1].name, "IO");
    assert_int_equal(atomic_load(&s->generation), 1);
    assert_int_equal(atomic_load(&s->ngenerations), 1);
    /* it leaves its place to another, and goes on elsewhere */
    hs_server_change_slot(w.server, hs_page_leaving_slot(p, 0));
    (void)get(&w, fd, "/hello");
    hs_server_publish(w.server);
    assert_int_equal(hs_page_get(&s->counts[HS_COUNT_REQUESTS + 2]), 101);
    assert_int_equal(count_of(p, HS_COUNT_REQUESTS + 2), 102);
    assert_int_equal(count_of(p, HS_COUNT_CONNECTIONS), 51);
    assert_int_equal(hs_page_get(&hs_page_leaving_slot(p, 0)->counts[HS_COUNT_OPEN_CONNECTIONS]), 1);
    hs_page_left(p, 0);
    assert_int_equal(hs_page_get(&hs_page_leaving_slot(p, 0)->counts[HS_COUNT_OPEN_CONNECTIONS]), 0);
    assert_int_equal(count_of(p, HS_COUNT_REQUESTS + 2), 102);
    (void)close(fd);
    world_free(&w);
    hs_page_free(p);
}

/* A worker that dies while it writes a pool's name has not counted the pool in. */
static void
half_a_name_of_a_pool_is_written_anew(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    struct hs_page *p;
    assert_int_equal(hs_page_new(1, &p), 0);
    struct hs_page_slot *s = hs_page_slot(p, 0);
    strcpy(s->pools[0].name, "CPU");
    atomic_store(&s->npools, 1);
    strcpy(s->pools[1].name, "I");
    hs_server_use_slot(w.server, s);
    start(&w);
    hs_server_publish(w.server);
    assert_int_equal(atomic_load(&s->npools), 2);
    assert_string_equal(s->pools[0].name, "CPU");
    assert_string_equal(s->pools[1].name, "IO");
    world_free(&w);
    hs_page_free(p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_request_is_counted_and_timed_once),
        cmocka_unit_test(a_client_that_goes_away_cuts_its_request_short),
        cmocka_unit_test(counters_go_on_in_the_slot_of_a_former_process),
        cmocka_unit_test(half_a_name_of_a_pool_is_written_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
