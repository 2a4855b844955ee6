/* test_runtime.c - a generation's Lua state: loading, checking, going live, unloading, closing; the script of httpsrv lua. */
#include "lua_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "alloc_fail.h"

#define HTTPSRV "local httpsrv = require 'httpsrv'\n"

/* A directory of scripts. */
struct scripts {
    char *dir;
    char names[16][128];
    int n;
};

static void
scripts_make(struct scripts *s)
{
    memset(s, 0, sizeof(*s));
    s->dir = strdup("/tmp/httpsrv-test-XXXXXX");
    assert_non_null(s->dir);
    assert_non_null(mkdtemp(s->dir));
}

static void
scripts_add(struct scripts *s, const char *name, const char *text, size_t n)
{
    char *path = s->names[s->n++];
    assert_true(snprintf(path, sizeof(s->names[0]), "%s/%s", s->dir, name) < (int)sizeof(s->names[0]));
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void
scripts_text(struct scripts *s, const char *name, const char *text)
{
    scripts_add(s, name, text, strlen(text));
}

static void
scripts_remove(struct scripts *s)
{
    char lib[80];
    for (int i = 0; i < s->n; i++) {
        assert_int_equal(unlink(s->names[i]), 0);
    }
    (void)snprintf(lib, sizeof(lib), "%s/lib", s->dir);
    (void)rmdir(lib);
    assert_int_equal(rmdir(s->dir), 0);
    free(s->dir);
}

/* Loads the directory into a fresh runtime whose script directory it is. */
static void
load_dir(struct lua_rig *l, const struct scripts *s, enum hs_lua_phase phase)
{
    memset(l, 0, sizeof(*l));
    rig_open(&l->rig);
    hs_generation_set_building(NULL);
    hs_log_set_sink(lua_rig_keep_log, l);
    const struct hs_lua_options options = {
        .loop = l->rig.loop, .env = l->rig.env, .generation = l->rig.generation, .dir = s->dir, .phase = phase, .load_timeout = 5 * HS_SEC,
    };
    assert_int_equal(hs_lua_runtime_new(&options, &l->rt), 0);
    assert_int_equal(hs_lua_runtime_load_dir(l->rt, s->dir, lua_rig_problem, lua_rig_done, l), 0);
    assert_false(l->loaded); /* told from the loop only */
    rig_settle(&l->rig);
}

static void
files_load_in_name_order_and_may_wait(void **state)
{
    struct scripts s;
    struct lua_rig l;
    char lib[80];
    (void)state;
    scripts_make(&s);
    (void)snprintf(lib, sizeof(lib), "%s/lib", s.dir);
    assert_int_equal(mkdir(lib, 0700), 0);
    scripts_text(&s, "b.lua", "order = order .. 'b' print(order, ...)");
    scripts_text(&s, "a.lua", HTTPSRV "order = 'a' httpsrv.sleep(1) order = order .. require('module')");
    scripts_text(&s, "c.txt", "error('not a script')");
    scripts_text(&s, "config.lua", "error('not a script either')");
    scripts_text(&s, ".hidden.lua", "error('nor this')");
    scripts_text(&s, "lib/module.lua", HTTPSRV "httpsrv.sleep(1) return 'm' .. ...");
    load_dir(&l, &s, HS_LUA_LOAD);
    assert_false(l.loaded);
    rig_advance(&l.rig, 2 * HS_SEC);
    assert_true(l.loaded);
    assert_int_equal(l.err, 0);
    assert_contains(l.log, "info ammoduleb\n");
    lua_rig_close(&l);
    scripts_remove(&s);
}

static void
the_first_problem_ends_a_load(void **state)
{
    static const struct {
        const char *script, *problem;
        int err;
    } cases[] = {
        { "local x = = 1", "a.lua:1: unexpected symbol near '='", EINVAL },
        { "\n\nerror('boom')", "a.lua:3: boom", EINVAL },
        { "error({})", "a.lua: (error object is a table value)", EINVAL },
        { "local h = require 'httpsrv' h.register('GET', 'x', print)", "register", EINVAL },
        { "local h = require 'httpsrv'\nh.register('GET', '/a', print)\nh.register('GET', '/a', print)", "a.lua:3: GET /a is registered already at ",
          EINVAL },
        { "local h = require 'httpsrv' h.register('GET', '/a', print, { hots = 'x' })", "unknown option 'hots'", EINVAL },
        { "require 'nowhere'", "a.lua:1: module 'nowhere' not found:", EINVAL },
        { "require('httpsrv').sleep(100)", "a.lua: still loading after 5 s", ETIMEDOUT },
        { "while true do pcall(require('httpsrv').sleep, 1) end", "a.lua: still loading after 5 s", ETIMEDOUT },
        { "coroutine.yield()", "a.lua: cancelled", EINVAL },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct scripts s;
        struct lua_rig l;
        scripts_make(&s);
        scripts_text(&s, "a.lua", cases[i].script);
        scripts_text(&s, "b.lua", "print('reached')");
        load_dir(&l, &s, HS_LUA_LOAD);
        rig_advance(&l.rig, 8 * HS_SEC);
        assert_true(l.loaded);
        assert_int_equal(l.err, cases[i].err);
        assert_contains(l.problems, cases[i].problem);
        assert_null(strstr(l.log, "reached"));
        assert_int_equal(hs_lua_runtime_tasks(l.rt), 0);
        lua_rig_close(&l);
        scripts_remove(&s);
    }
}

static void
threat_37_bytecode_is_refused(void **state)
{
    static const char dump[] = "\033LJ\002\010";
    struct scripts s;
    struct lua_rig l;
    (void)state;
    scripts_make(&s);
    scripts_add(&s, "a.lua", dump, sizeof(dump) - 1);
    load_dir(&l, &s, HS_LUA_LOAD);
    assert_int_equal(l.err, EINVAL);
    assert_contains(l.problems, "a.lua: attempt to load chunk with wrong mode");
    lua_rig_close(&l);
    scripts_remove(&s);
    scripts_make(&s);
    scripts_text(&s, "a.lua",
                 "local code = string.dump(function() return 1 end)\n"
                 "assert(not load(code)) assert(not loadstring(code)) assert(load(code, 'x', 'b')() == 1)\n"
                 "assert(not load(function() local c = code code = nil return c end))\n"
                 "assert(load('return 1')() == 1 and loadstring('return 2')() == 2)\n"
                 "assert(load('return x', 'y', 't', { x = 3 })() == 3)\n");
    load_dir(&l, &s, HS_LUA_LOAD);
    assert_string_equal(l.problems, "");
    assert_int_equal(l.err, 0);
    lua_rig_close(&l);
    scripts_remove(&s);
}

static void
checking_reports_all_problems_in_one_run(void **state)
{
    struct scripts s;
    struct lua_rig l;
    char lib[80];
    (void)state;
    scripts_make(&s);
    (void)snprintf(lib, sizeof(lib), "%s/lib", s.dir);
    assert_int_equal(mkdir(lib, 0700), 0);
    scripts_text(&s, "a.lua", "local x = = 1");
    scripts_text(&s, "b.lua", "error('boom')");
    scripts_text(&s, "c.lua", HTTPSRV "require 'module'\n"
                                      "httpsrv.register('GET', '/a', print)\nhttpsrv.register('GET', '/a', print)\n"
                                      "httpsrv.register('GET', '/b', function() oops = 1 end)\n");
    scripts_text(&s, "d.lua", HTTPSRV "httpsrv.register('GET', '/a', print) print(httpsrv.phase())");
    scripts_text(&s, "lib/module.lua", "return function() local function deep() in_module = 1 end return deep end");
    load_dir(&l, &s, HS_LUA_CHECK);
    assert_int_equal(l.err, EINVAL);
    assert_contains(l.problems, "0 ");
    assert_contains(l.problems, "a.lua:1: ");
    assert_contains(l.problems, "b.lua:1: boom");
    assert_contains(l.problems, "c.lua:4: GET /a is registered already at ");
    assert_contains(l.problems, "c.lua:5: assigns to the global variable 'oops'");
    assert_contains(l.problems, "d.lua:2: GET /a is registered already at ");
    assert_contains(l.problems, "lib/module.lua:1: assigns to the global variable 'in_module'");
    assert_contains(l.log, "info check\n");
    lua_rig_close(&l);
    scripts_remove(&s);
}

static void
a_missing_directory_and_a_missing_file_are_problems(void **state)
{
    struct lua_rig l;
    (void)state;
    memset(&l, 0, sizeof(l));
    lua_rig_begin(&l, NULL, HS_LUA_LOAD);
    assert_int_equal(hs_lua_runtime_load_dir(l.rt, "/nonexistent", lua_rig_problem, lua_rig_done, &l), 0);
    assert_int_equal(hs_lua_runtime_load_file(l.rt, "x", lua_rig_problem, lua_rig_done, &l), EBUSY);
    rig_settle(&l.rig);
    assert_int_equal(l.err, ENOENT);
    assert_contains(l.problems, "/nonexistent: No such file or directory");
    l.loaded = false;
    assert_int_equal(hs_lua_runtime_load_file(l.rt, "/nonexistent.lua", lua_rig_problem, lua_rig_done, &l), 0);
    rig_settle(&l.rig);
    assert_int_equal(l.err, EINVAL);
    assert_contains(l.problems, "cannot open /nonexistent.lua");
    lua_rig_close(&l);
}

static void
ruling_19_timers_and_tasks_made_while_loading_start_when_live(void **state)
{
    struct lua_rig l;
    (void)state;
    memset(&l, 0, sizeof(l));
    lua_rig_begin(&l, NULL, HS_LUA_LOAD);
    lua_rig_load(&l, HTTPSRV
                 "local t = httpsrv.spawn(function() print('task', httpsrv.phase()) end)\n"
                 "print('wait', pcall(t.wait, t))\n"
                 "httpsrv.timer.after(1, function() print('timer', httpsrv.phase()) end)\n"
                 "httpsrv.timer.every(2, function() print('every') end, 'name')\n"
                 "httpsrv.spawn(function() print('cancelled') end):cancel()\n"
                 "for line in httpsrv.io.generator(function(write) write('generators run') end):lines() do print(line) end\n"
                 "print(httpsrv.phase())");
    assert_int_equal(l.err, 0);
    assert_contains(l.log, "info load\n");
    assert_contains(l.log, "generators run");
    assert_contains(l.log, "it cannot be waited for while they are loaded");
    rig_advance(&l.rig, 10 * HS_SEC);
    assert_null(strstr(l.log, "task run"));
    assert_null(strstr(l.log, "timer run"));
    hs_lua_runtime_go_live(l.rt);
    rig_settle(&l.rig);
    assert_int_equal(hs_lua_runtime_phase(l.rt), HS_LUA_RUN);
    assert_contains(l.log, "task run");
    assert_null(strstr(l.log, "timer run"));
    rig_advance(&l.rig, HS_SEC);
    assert_contains(l.log, "timer run");
    assert_null(strstr(l.log, "every"));
    rig_advance(&l.rig, HS_SEC);
    assert_contains(l.log, "every");
    assert_null(strstr(l.log, "info cancelled"));
    lua_rig_close(&l);
}

static void
ruling_14_register_outside_loading_is_an_error(void **state)
{
    struct lua_rig l;
    (void)state;
    lua_rig_open(&l, HTTPSRV "httpsrv.register('GET', '/', function(sess)\n"
                             "  sess:response_append(select(2, pcall(httpsrv.register, 'GET', '/x', print)))\n"
                             "end)");
    assert_contains(lua_rig_get(&l, "/"), "register is possible only while the scripts of a server are loaded");
    lua_rig_close(&l);
}

static void
ruling_19_require_serialises(void **state)
{
    struct scripts s;
    struct lua_rig l;
    char lib[80];
    (void)state;
    scripts_make(&s);
    (void)snprintf(lib, sizeof(lib), "%s/lib", s.dir);
    assert_int_equal(mkdir(lib, 0700), 0);
    scripts_text(&s, "lib/slow.lua", HTTPSRV "print('loading') httpsrv.sleep(2) return { n = 1 }");
    scripts_text(&s, "lib/bad.lua", HTTPSRV "print('trying') httpsrv.sleep(2) error('bad module')");
    scripts_text(&s, "lib/self.lua", "return require 'self'");
    scripts_text(&s, "lib/one.lua", HTTPSRV "httpsrv.sleep(1) return require 'two'");
    scripts_text(&s, "lib/two.lua", HTTPSRV "httpsrv.sleep(1) return require 'one'");
    scripts_text(&s, "a.lua", HTTPSRV
                 "local first = {}\n"
                 "local function try(name)\n"
                 "  local ok, m = pcall(require, name)\n"
                 "  first[name] = first[name] or m\n"
                 "  print(name, ok, ok and m == first[name] or tostring(m):match('[^:]*$'))\n"
                 "end\n"
                 "for i = 1, 3 do httpsrv.spawn(try, 'slow') end\n"
                 "for i = 1, 2 do httpsrv.spawn(try, 'bad') end\n"
                 "httpsrv.spawn(try, 'one') httpsrv.spawn(try, 'two')\n"
                 "httpsrv.spawn(try, 'self')\n");
    load_dir(&l, &s, HS_LUA_LOAD);
    hs_lua_runtime_go_live(l.rt);
    rig_advance(&l.rig, 10 * HS_SEC);
    int loading = 0, loaded = 0, trying = 0, loops = 0;
    for (const char *p = l.log; (p = strstr(p, "info loading")) != NULL; p++) {
        loading++;
    }
    for (const char *p = l.log; (p = strstr(p, "info slow true true")) != NULL; p++) {
        loaded++;
    }
    for (const char *p = l.log; (p = strstr(p, "info trying")) != NULL; p++) {
        trying++;
    }
    for (const char *p = l.log; (p = strstr(p, "loop while loading module")) != NULL; p++) {
        loops++;
    }
    assert_int_equal(loading, 1);
    assert_int_equal(loaded, 3);
    assert_int_equal(trying, 2); /* who waited tries for himself */
    assert_true(loops >= 2);
    assert_int_equal(hs_lua_runtime_tasks(l.rt), 0);
    lua_rig_close(&l);
    scripts_remove(&s);
}

/* --- unloading --- */

static void
count(void *arg, int err)
{
    assert_int_equal(err, 0);
    ++*(int *)arg;
}

static void
ruling_19_unload_runs_its_functions_then_stops_everything(void **state)
{
    struct lua_rig l;
    struct rig_client c;
    int told = 0;
    (void)state;
    lua_rig_open(&l, HTTPSRV
                 "httpsrv.on_unload(function() httpsrv.sleep(1) print('first made, last run') end)\n"
                 "httpsrv.on_unload(function() error('broken') end)\n"
                 "httpsrv.timer.every(1, function() print('tick') end)\n"
                 "httpsrv.spawn(function() print('task', pcall(httpsrv.sleep, 100)) end)\n"
                 "httpsrv.spawn(function() httpsrv.shield(function() httpsrv.sleep(3) print('shielded') end, 5) end)\n"
                 "httpsrv.register('GET', '/', function(sess) httpsrv.sleep(10) sess:response_append('in flight') end)");
    lua_rig_ask(&l, &c, "/");
    assert_int_equal(hs_lua_runtime_unload(l.rt, count, &told), 0);
    assert_int_equal(hs_lua_runtime_unload(l.rt, count, &told), 0);
    rig_settle(&l.rig);
    assert_contains(l.log, "on_unload: ");
    assert_contains(l.log, "broken");
    assert_null(strstr(l.log, "first made"));
    rig_advance(&l.rig, HS_SEC);
    assert_contains(l.log, "first made, last run");
    assert_contains(l.log, "task false cancelled");
    assert_int_equal(told, 0); /* a task is still cleaning up */
    rig_advance(&l.rig, 3 * HS_SEC);
    assert_contains(l.log, "shielded");
    assert_int_equal(told, 2);
    l.log[0] = '\0';
    rig_advance(&l.rig, 10 * HS_SEC);
    assert_null(strstr(l.log, "tick"));
    assert_string_equal(lua_rig_body(&c), "in flight");
    assert_int_equal(hs_lua_runtime_unload(l.rt, count, &told), 0);
    rig_settle(&l.rig);
    assert_int_equal(told, 3);
    rig_disconnect(&c, false);
    lua_rig_close(&l);
}

static void
ruling_19_unload_functions_have_five_seconds(void **state)
{
    struct lua_rig l;
    int told = 0;
    (void)state;
    lua_rig_open(&l, HTTPSRV "httpsrv.on_unload(function() print('on_unload', pcall(httpsrv.sleep, 100)) end)");
    assert_int_equal(hs_lua_runtime_unload(l.rt, count, &told), 0);
    rig_advance(&l.rig, 4 * HS_SEC);
    assert_int_equal(told, 0);
    rig_advance(&l.rig, 2 * HS_SEC);
    assert_int_equal(told, 1);
    assert_contains(l.log, "on_unload false cancelled");
    lua_rig_close(&l);
}

/* --- httpsrv lua --- */

struct script_run {
    int status;
    bool done;
};

static void
script_done(void *arg, int status)
{
    struct script_run *r = arg;
    assert_false(r->done);
    *r = (struct script_run){ status, true };
}

/* Runs a script as httpsrv lua would, with two arguments. */
static int
run_script(struct lua_rig *l, const char *option, const char *script)
{
    struct script_run r = { -1, false };
    char program[] = "httpsrv", lua[] = "lua", one[] = "one", two[] = "two", opt[256];
    char path[128];
    memset(l, 0, sizeof(*l));
    rig_open(&l->rig);
    hs_generation_set_building(NULL);
    const struct hs_lua_options options = { .loop = l->rig.loop, .phase = HS_LUA_RUN };
    assert_int_equal(hs_lua_runtime_new(&options, &l->rt), 0);
    (void)snprintf(path, sizeof(path), "%s", lua_rig_file(script));
    (void)snprintf(opt, sizeof(opt), "%s", option != NULL ? option : "--");
    char *argv[] = { program, lua, opt, path, one, two };
    assert_int_equal(hs_lua_runtime_main(l->rt, 6, argv, 2, script_done, &r), 0);
    rig_advance(&l->rig, 5 * HS_SEC);
    assert_true(r.done);
    (void)unlink(path);
    hs_lua_runtime_close(l->rt);
    lua_rig_close(l);
    return r.status;
}

static void
a_script_gets_its_arguments_and_may_wait(void **state)
{
    struct lua_rig l;
    (void)state;
    assert_int_equal(run_script(&l, NULL,
                                HTTPSRV "assert(arg[1] == 'one' and arg[2] == 'two' and arg[0]:match('lua$'))\n"
                                        "assert(arg[-1] == '--' and arg[-2] == 'lua' and arg[-3] == 'httpsrv')\n"
                                        "assert(select('#', ...) == 2 and ... == 'one')\n"
                                        "httpsrv.sleep(1) assert(httpsrv.phase() == 'run')"), 0);
    assert_int_equal(run_script(&l, "-eX = 42", "assert(X == 42)"), 0);
    assert_int_equal(run_script(&l, "-lhttpsrv", "assert(httpsrv.sleep)"), 0);
}

static void
a_script_that_fails_has_status_1(void **state)
{
    struct lua_rig l;
    (void)state;
    assert_int_equal(run_script(&l, NULL, "error()"), 1); /* says nothing, as lua(1) */
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC), saved = dup(2);
    assert_true(null >= 0 && saved >= 0 && dup2(null, 2) == 2); /* what they say goes to stderr */
    assert_int_equal(run_script(&l, NULL, "error('boom')"), 1);
    assert_int_equal(run_script(&l, NULL, "x = = 1"), 1);
    assert_int_equal(run_script(&l, "-eerror('boom')", ""), 1);
    assert_int_equal(run_script(&l, "-q", ""), 1);
    assert_true(dup2(saved, 2) == 2);
    assert_int_equal(close(saved) + close(null), 0);
}

static void
what_a_script_leaves_is_ended(void **state)
{
    struct lua_rig l;
    (void)state;
    assert_int_equal(run_script(&l, NULL,
                                HTTPSRV "httpsrv.timer.every(1, function() end) httpsrv.spawn(function() httpsrv.sleep(100) end)\n"
                                        "io = httpsrv.io.memory('x') g = httpsrv.io.generator(function(w) w('x') httpsrv.sleep(9) end)\n"
                                        "g:read(1)"), 0);
}

/* --- os.exit --- */

/* In a process of its own, whose end the sanitizers look at too: leaks change its status. */
static int
exit_status(const char *text)
{
    struct lua_rig l;
    char script[512];
    int status;
    (void)snprintf(script, sizeof(script), HTTPSRV "%s", text);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)run_script(&l, NULL, script);
        _exit(99); /* os.exit has returned */
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void
ruling_28_os_exit_closes_the_state_wherever_it_is_called(void **state)
{
    static const char *const scripts[] = {
        "os.exit(7)",
        "pcall(os.exit, 7)",
        "coroutine.wrap(function() os.exit(7) end)()",
        "table.sort({ 1, 2 }, function() os.exit(7) end)",
        ("httpsrv.sleep(1) local io = httpsrv.io.memory('x') local r, w = httpsrv.io.pipe() httpsrv.spawn(function() r:read(1) end)\n"
         "httpsrv.timer.every(1, function() end) httpsrv.sleep(0) os.exit(7, true)"),
        "httpsrv.spawn(function() os.exit(7) end) httpsrv.sleep(9)",
        "httpsrv.timer.after(1, function() os.exit(7) end) httpsrv.sleep(9)",
        "local p = newproxy(true) getmetatable(p).__gc = function() pcall(httpsrv.sleep, 1) pcall(httpsrv.spawn, print) end os.exit(7)",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        assert_int_equal(exit_status(scripts[i]), 7);
    }
    assert_int_equal(exit_status("os.exit()"), 0);
    assert_int_equal(exit_status("os.exit(true)"), 0);
    assert_int_equal(exit_status("os.exit(false)"), 1);
}

/* --- memory --- */

static void
threat_38_each_allocation_of_making_and_loading_fails_once(void **state)
{
    unsigned long n = 0;
    bool hit = true;
    (void)state;
    while (hit) {
        struct lua_rig l;
        char *path = strdup(lua_rig_file(HTTPSRV "httpsrv.register('GET', '/', function() end) httpsrv.spawn(function() end) httpsrv.sleep(1)\n"
                                                "httpsrv.timer.after(1, function() end)"));
        int told = 0;
        n++;
        memset(&l, 0, sizeof(l));
        rig_open(&l.rig);
        hs_generation_set_building(NULL);
        hs_log_set_sink(lua_rig_keep_log, &l);
        const struct hs_lua_options options = {
            .loop = l.rig.loop, .env = l.rig.env, .generation = l.rig.generation, .phase = HS_LUA_LOAD
        };
        alloc_fail_at(n);
        int err = hs_lua_runtime_new(&options, &l.rt);
        if (err == 0) {
            err = hs_lua_runtime_load_file(l.rt, path, lua_rig_problem, lua_rig_done, &l);
            if (err == 0) {
                rig_advance(&l.rig, 2 * HS_SEC);
                assert_true(l.loaded);
            }
            hs_lua_runtime_go_live(l.rt);
            rig_advance(&l.rig, 2 * HS_SEC);
            if (hs_lua_runtime_unload(l.rt, count, &told) == 0) {
                rig_settle(&l.rig);
                assert_int_equal(told, 1);
            }
        } else {
            assert_int_equal(err, ENOMEM);
        }
        hit = alloc_fail_hit();
        alloc_fail_off();
        (void)unlink(path);
        free(path);
        lua_rig_close(&l);
    }
    assert_true(n > 10);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_load_in_name_order_and_may_wait),
        cmocka_unit_test(the_first_problem_ends_a_load),
        cmocka_unit_test(threat_37_bytecode_is_refused),
        cmocka_unit_test(checking_reports_all_problems_in_one_run),
        cmocka_unit_test(a_missing_directory_and_a_missing_file_are_problems),
        cmocka_unit_test(ruling_19_timers_and_tasks_made_while_loading_start_when_live),
        cmocka_unit_test(ruling_14_register_outside_loading_is_an_error),
        cmocka_unit_test(ruling_19_require_serialises),
        cmocka_unit_test(ruling_19_unload_runs_its_functions_then_stops_everything),
        cmocka_unit_test(ruling_19_unload_functions_have_five_seconds),
        cmocka_unit_test(a_script_gets_its_arguments_and_may_wait),
        cmocka_unit_test(a_script_that_fails_has_status_1),
        cmocka_unit_test(what_a_script_leaves_is_ended),
        cmocka_unit_test(ruling_28_os_exit_closes_the_state_wherever_it_is_called),
        cmocka_unit_test(threat_38_each_allocation_of_making_and_loading_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
