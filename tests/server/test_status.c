/* test_status.c - server/status.h: what a server is and does, as JSON and for people. */
#include "server/status.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>

#include "httpsrv/server.h"
#include "oversight_world.h"
#include "server/session_list.h"

#define LINE "1\t5000000000\t7\t2\twaiting\tGET\t/<script>\"\ta.lua:12\tsleep\ta.lua:3\n"

static char announced[256];

static void
keep_line(enum hs_log_level level, const char *line, void *arg)
{
    (void)arg;
    assert_int_equal(level, HS_LOG_NOTICE);
    assert_int_equal(announced[0], '\0'); /* one line */
    (void)snprintf(announced, sizeof announced, "%s", line);
}

/* What is logged at the start of a server with so many workers. */
static const char *
announcement(size_t workers)
{
    struct paper p;

    paper_new(&p, 1);
    p.workers = workers;
    announced[0] = '\0';
    hs_log_set_sink(keep_line, NULL);
    hs_status_announce(&p.o, "app/a.lua");
    hs_log_set_sink(NULL, NULL);
    paper_free(&p);
    return announced;
}

static void
one_line_says_what_is_served_and_where(void **state)
{
    static const char *const with[] = { "", " with 1 worker", " with 2 workers" };
    char expected[256];

    (void)state;
    for (size_t workers = 0; workers < sizeof with / sizeof *with; workers++) {
        (void)snprintf(expected, sizeof expected, "httpsrv %s serves app/a.lua (12 routes)%s at http://127.0.0.1:80/, unix:/a\"b\\x5cc",
                       httpsrv_version(), with[workers]);
        assert_string_equal(announcement(workers), expected);
    }
}

/* The number at a path of names and places: "workers.0.requests". */
static double
at(json_object *o, const char *path)
{
    char copy[128], *rest = copy, *name;
    strcpy(copy, path);
    while ((name = strsep(&rest, ".")) != NULL) {
        if (json_object_is_type(o, json_type_array)) {
            o = json_object_array_get_idx(o, (size_t)atoi(name));
        } else if (!json_object_object_get_ex(o, name, &o)) {
            fail_msg("no %s in %s", name, path);
        }
        assert_non_null(o);
    }
    return json_object_get_double(o);
}

static json_object *
parsed(struct hs_buf *b)
{
    assert_int_equal(b->p[b->len - 1], '\n');
    assert_null(memchr(b->p, '\n', b->len - 1)); /* one line */
    json_object *o = json_tokener_parse(paper_text(b));
    assert_non_null(o);
    hs_buf_fini(b);
    return o;
}

static void
the_status_is_json(void **state)
{
    (void)state;
    struct paper p;
    struct hs_buf b;
    json_object *value;
    paper_new(&p, 2);
    hs_buf_init(&b, 1024 * 1024);
    assert_int_equal(hs_status_json(&p.o, &b), 0);
    json_object *o = parsed(&b);
    assert_true(json_object_object_get_ex(o, "state", &value));
    assert_string_equal(json_object_get_string(value), "serving");
    assert_true(json_object_object_get_ex(o, "ready", &value) && json_object_get_boolean(value));
    assert_true(json_object_object_get_ex(o, "addresses", &value));
    assert_string_equal(json_object_get_string(json_object_array_get_idx(value, 1)), "unix:/a\"b\\c");
    assert_true(at(o, "routes") == 12 && at(o, "requests.total") == 8 && at(o, "requests.2xx") == 6 && at(o, "requests.waiting") == 2);
    assert_true(at(o, "latency.count") == 7 && at(o, "latency.sum") > 1.499 && at(o, "latency.sum") < 1.501);
    assert_true(at(o, "latency.p50") > 1e-6 && at(o, "latency.p50") < 1.1e-6);
    assert_true(at(o, "latency.p99") > 1.04e-3 && at(o, "latency.p99") < 1.12e-3);
    assert_true(at(o, "latency.histogram.0.1") == 4 && at(o, "latency.histogram.1.1") == 3);
    assert_true(at(o, "workers.0.requests") == 7 && at(o, "workers.0.generations.0.id") == 4 && at(o, "workers.1.requests") == 0);
    assert_true(at(o, "workers.0.pools.0.done") == 8 && at(o, "workers.0.pools.0.run") == 2 && at(o, "reloads") == 1);
    json_object_put(o);
    paper_free(&p);
}

static void
the_live_page_is_told_of_recent_times_and_requests(void **state)
{
    (void)state;
    struct paper p;
    struct hs_buf b;
    struct hs_times recent = { .n = 1 };
    json_object *value;
    recent.counts[160] = 1;
    paper_new(&p, 1);
    hs_buf_init(&b, 1024 * 1024);
    assert_int_equal(hs_status_live(&p.o, &recent, HS_VIEW(LINE), &b), 0);
    json_object *o = parsed(&b);
    assert_true(at(o, "latency.count") == 1 && at(o, "latency.p50") > 1e-3 && at(o, "sessions.0.age") == 5 && at(o, "sessions.0.worker") == 1);
    assert_true(json_object_object_get_ex(json_object_array_get_idx(json_object_object_get(o, "sessions"), 0), "route", &value));
    assert_string_equal(json_object_get_string(value), "/<script>\"");
    assert_false(json_object_object_get_ex(json_object_object_get(o, "latency"), "histogram", &value));
    json_object_put(o);
    hs_buf_init(&b, 1024 * 1024);
    assert_int_equal(hs_status_live(&p.o, NULL, (struct hs_view){ NULL, 0 }, &b), 0);
    o = parsed(&b);
    assert_true(at(o, "latency.count") == 7);
    json_object_put(o);
    paper_free(&p);
}

static void
requests_are_an_array(void **state)
{
    (void)state;
    struct hs_buf b;
    hs_buf_init(&b, 4096);
    assert_int_equal(hs_status_sessions_json(HS_VIEW(LINE LINE), &b), 0);
    json_object *o = parsed(&b);
    assert_int_equal(json_object_array_length(o), 2);
    json_object_put(o);
    hs_buf_init(&b, 4096);
    assert_int_equal(hs_status_sessions_json((struct hs_view){ NULL, 0 }, &b), 0);
    assert_string_equal(paper_text(&b), "[]\n");
    hs_buf_fini(&b);
    hs_buf_init(&b, 100);
    assert_int_equal(hs_status_sessions_json(HS_VIEW(LINE LINE), &b), EMSGSIZE);
    hs_buf_fini(&b);
}

static void
people_get_a_name_and_a_value_on_each_line(void **state)
{
    (void)state;
    struct paper p;
    struct hs_buf b;
    paper_new(&p, 2);
    hs_buf_init(&b, 8192);
    assert_int_equal(hs_status_text(&p.o, &b), 0);
    const char *text = paper_text(&b);
    assert_non_null(strstr(text, "\nstate serving\n"));
    assert_non_null(strstr(text, "\nanswered 8\nanswered_none 0\nanswered_2xx 6\n"));
    assert_non_null(strstr(text, "\nworker 0 pid 0 state serving seconds 0 generation 0 deaths 0 answered 7 lua_memory_bytes 123456\nworker 1 "));
    hs_buf_fini(&b);
    hs_buf_init(&b, 60);
    assert_int_equal(hs_status_text(&p.o, &b), EMSGSIZE);
    hs_buf_fini(&b);
    paper_free(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_line_says_what_is_served_and_where),
        cmocka_unit_test(the_status_is_json),
        cmocka_unit_test(the_live_page_is_told_of_recent_times_and_requests),
        cmocka_unit_test(requests_are_an_array),
        cmocka_unit_test(people_get_a_name_and_a_value_on_each_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
