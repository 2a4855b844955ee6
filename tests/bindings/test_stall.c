/* test_stall.c - bindings/stall.h: a loop that stands still is reported with what it runs. The loop's clock is the test's, so the beat never comes, and the
 * watching thread sees a stall as soon as its limit is over; whoever stalls here does it until the report has come. */
#include "bindings/stall.h"

#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "lua_rig.h"

#define LIMIT (40 * HS_MSEC)

/* What scripts see of the test, through FFI. */
__attribute__((visibility("default"))) int test_stall_over(void);
__attribute__((visibility("default"))) void test_stall_block(void);
static sem_t blocked;
static char report[65536];
static _Atomic int reported;

int
test_stall_over(void)
{
    return reported;
}

void
test_stall_block(void)
{
    while (sem_wait(&blocked) != 0) { /* interrupted by the watch */
    }
}

static void
keep_report(enum hs_log_level level, const char *line, void *arg)
{
    static bool ours;
    (void)arg;
    if (level == HS_LOG_ERROR && line[0] != '\t') {
        ours = strstr(line, "has stood still for") != NULL;
    }
    if (ours) {
        const size_t n = strlen(report);
        (void)snprintf(report + n, sizeof(report) - n, "%s\n", line);
    }
    if (strchr(report, '\t') != NULL || strstr(report, "cannot be read") != NULL) { /* a stack has begun */
        reported = 1;
        (void)sem_post(&blocked);
    }
}

static const char script[] =
    "local httpsrv, ffi = require 'httpsrv', require 'ffi'\n"
    "ffi.cdef 'int test_stall_over(void); void test_stall_block(void);'\n"
    "local function spin() local n = 0 while ffi.C.test_stall_over() == 0 do n = n + 1 end return n end\n"
    "httpsrv.register('GET', '/compiled', function(sess) spin() sess:response_append('went on') end)\n"
    "local function slow() while ffi.C.test_stall_over() == 0 do end end\n"
    "jit.off(slow)\n"
    "httpsrv.register('GET', '/interpreted', function(sess) slow() sess:response_append('went on') end)\n"
    "httpsrv.register('GET', '/in/c', function(sess) ffi.C.test_stall_block() sess:response_append('went on') end)\n"
    "httpsrv.register('GET', '/task', function(sess) httpsrv.spawn(spin):wait() sess:response_append('went on') end)\n";

/* A rig whose loop is watched. */
static void
begin(struct lua_rig *l)
{
    report[0] = '\0';
    reported = 0;
    assert_int_equal(sem_init(&blocked, 0, 0), 0);
    lua_rig_watch = LIMIT;
    lua_rig_open(l, script);
    hs_log_set_sink(keep_report, NULL);
}

static void
end(struct lua_rig *l)
{
    lua_rig_close(l);
    lua_rig_watch = 0;
}

static void
check(const char *path, const char *where, const char *frame)
{
    struct lua_rig l;
    char expected[128];
    begin(&l);
    assert_string_equal(lua_rig_get(&l, path), "went on");
    hs_stall_unwatch(); /* all of the report has been written */
    (void)snprintf(expected, sizeof expected, "GET %s (registered at ", path);
    assert_contains(report, expected);
    assert_contains(report, where);
    assert_contains(report, frame);
    end(&l);
}

/* Ruling 24: loops of Lua, compiled or not, in the handler or in a task of its session. */
static void
ruling_24_compiled_loops(void **state)
{
    (void)state;
    check("/compiled", "a handler of", ".lua:3: in spin");
}

static void
ruling_24_interpreted_loops(void **state)
{
    (void)state;
    check("/interpreted", "a handler of", ".lua:5: in slow");
}

static void
ruling_24_loops_of_tasks(void **state)
{
    (void)state;
    check("/task", "a task of", ".lua:3: in ");
}

/* Ruling 24: what stands in C. */
static void
ruling_24_calls_into_c(void **state)
{
    (void)state;
    check("/in/c", "a handler of", "test_stall_block");
}

/* Ruling 24: the state of a former generation does not have the profiler; request and route are told all the same. */
static void
ruling_24_former_generations(void **state)
{
    (void)state;
    struct lua_rig l;
    struct hs_lua_runtime *next;
    begin(&l);
    const struct hs_lua_options options = { .loop = l.rig.loop, .dir = "/tmp", .phase = HS_LUA_LOAD };
    assert_int_equal(hs_lua_runtime_new(&options, &next), 0);
    hs_lua_runtime_go_live(next);
    assert_string_equal(lua_rig_get(&l, "/compiled"), "went on");
    hs_lua_runtime_close(next); /* the one that had the profiler */
    assert_string_equal(lua_rig_get(&l, "/compiled"), "went on");
    hs_stall_unwatch();
    assert_contains(report, "a handler of GET /compiled (registered at ");
    end(&l);
}

static void
one_watch_at_a_time(void **state)
{
    (void)state;
    struct lua_rig l;
    begin(&l);
    assert_int_equal(hs_stall_watch(l.rig.loop, LIMIT), EBUSY);
    end(&l);
    hs_stall_unwatch(); /* there is none any more */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ruling_24_compiled_loops),
        cmocka_unit_test(ruling_24_interpreted_loops),
        cmocka_unit_test(ruling_24_loops_of_tasks),
        cmocka_unit_test(ruling_24_calls_into_c),
        cmocka_unit_test(ruling_24_former_generations),
        cmocka_unit_test(one_watch_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
