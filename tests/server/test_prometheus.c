/* test_prometheus.c - server/prometheus.h: samples. That the format is kept to is checked in tests/acceptance/admin.py. */
#include "server/prometheus.h"

#include "oversight_world.h"

static void
has(const char *text, const char *line)
{
    if (strstr(text, line) == NULL) {
        fail_msg("no %s in:\n%s", line, text);
    }
}

static void
what_is_counted_is_shown(void **state)
{
    (void)state;
    struct paper p;
    struct hs_buf b;
    paper_new(&p, 2);
    hs_buf_init(&b, 1024 * 1024);
    assert_int_equal(hs_prometheus_write(&p.o, &b), 0);
    const char *text = paper_text(&b);
    has(text, "\nhttpsrv_ready 1\n");
    has(text, "\nhttpsrv_requests_total{class=\"2xx\"} 6\n"); /* with that of the worker who has left */
    has(text, "\nhttpsrv_requests_total{class=\"4xx\"} 2\n");
    has(text, "\nhttpsrv_request_duration_seconds_bucket{le=\"0.000016384\"} 4\n");
    has(text, "\nhttpsrv_request_duration_seconds_bucket{le=\"0.001048576\"} 4\n");
    has(text, "\nhttpsrv_request_duration_seconds_bucket{le=\"0.002097152\"} 7\n");
    has(text, "\nhttpsrv_request_duration_seconds_bucket{le=\"+Inf\"} 7\n");
    has(text, "\nhttpsrv_request_duration_seconds_sum 1.500000001\n");
    has(text, "\nhttpsrv_request_duration_seconds_count 7\n");
    has(text, "\nhttpsrv_requests_waiting{worker=\"0\"} 2\nhttpsrv_requests_waiting{worker=\"1\"} 0\n");
    has(text, "\nhttpsrv_worker_up{worker=\"0\"} 1\nhttpsrv_worker_up{worker=\"1\"} 0\n");
    has(text, "\nhttpsrv_lua_generation_memory_bytes{worker=\"0\",generation=\"4\"} 123456\n");
    has(text, "\nhttpsrv_pool_jobs_total{worker=\"0\",pool=\"a\\\"b\\\\?\"} 8\n");
    has(text, "\nhttpsrv_pool_run_seconds_total{worker=\"0\",pool=\"a\\\"b\\\\?\"} 2.000000000\n");
    has(text, "\nhttpsrv_reloads_total{result=\"done\"} 1\n");
    hs_buf_fini(&b);
    p.ready = false;
    hs_buf_init(&b, 1024 * 1024);
    assert_int_equal(hs_prometheus_write(&p.o, &b), 0);
    has(paper_text(&b), "\nhttpsrv_ready 0\n");
    hs_buf_fini(&b);
    paper_free(&p);
}

static void
what_does_not_fit_is_an_error_at_each_place(void **state)
{
    (void)state;
    struct paper p;
    struct hs_buf b;
    paper_new(&p, 1);
    hs_buf_init(&b, 1024 * 1024);
    assert_int_equal(hs_prometheus_write(&p.o, &b), 0);
    size_t whole = b.len;
    hs_buf_fini(&b);
    for (size_t room = 1; room < whole - 40; room += 37) { /* the time since the start may be longer then */
        hs_buf_init(&b, room);
        assert_int_not_equal(hs_prometheus_write(&p.o, &b), 0);
        hs_buf_fini(&b);
    }
    paper_free(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_counted_is_shown),
        cmocka_unit_test(what_does_not_fit_is_an_error_at_each_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
