/* lua_rig.h - a rig whose handlers are Lua: a script text is loaded and goes live. What is logged is kept. */
#ifndef TESTS_BINDINGS_LUA_RIG_H
#define TESTS_BINDINGS_LUA_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/live.h"
#include "base/log.h"
#include "bindings/runtime.h"
#include "bindings/stall.h"
#include "rig.h"

struct lua_rig {
    struct rig rig;
    struct hs_lua_runtime *rt;
    bool loaded, dev;
    int err;
    char log[65536];
    char problems[8192];
};

/* What the state is counted with; NULL: nothing. */
static struct hs_lua_memory *(*lua_rig_memory)(struct hs_loop *loop);

/* ns after which a loop that stands still is reported; 0: it is not watched. */
static int64_t lua_rig_watch;

static inline void
lua_rig_keep_log(enum hs_log_level level, const char *line, void *arg)
{
    struct lua_rig *l = arg;
    const size_t n = strlen(l->log);
    (void)snprintf(l->log + n, sizeof(l->log) - n, "%s %s\n", hs_log_level_name(level), line);
}

static inline void
lua_rig_problem(void *arg, enum hs_lua_problem kind, const char *message)
{
    struct lua_rig *l = arg;
    const size_t n = strlen(l->problems);
    (void)snprintf(l->problems + n, sizeof(l->problems) - n, "%d %s\n", (int)kind, message);
}

static inline void
lua_rig_done(void *arg, int err)
{
    struct lua_rig *l = arg;
    assert_false(l->loaded);
    l->loaded = true;
    l->err = err;
}

/* A file of a directory of its own with the script; the name is static until the next call. */
static inline const char *
lua_rig_file(const char *script)
{
    static char path[64];
    (void)snprintf(path, sizeof(path), "/tmp/httpsrv-test-XXXXXX.lua");
    int fd = mkstemps(path, 4);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, script, strlen(script)), (ssize_t)strlen(script));
    assert_int_equal(close(fd), 0);
    return path;
}

/* The rig and an empty runtime on its generation. */
static inline void
lua_rig_begin(struct lua_rig *l, const struct hs_limits *limits, enum hs_lua_phase phase)
{
    memset(l->log, 0, sizeof(l->log));
    memset(l->problems, 0, sizeof(l->problems));
    l->loaded = false;
    l->err = -1;
    l->rt = NULL;
    rig_open_with(&l->rig, limits, NULL);
    hs_generation_set_building(NULL);
    hs_log_set_sink(lua_rig_keep_log, l);
    if (lua_rig_watch != 0) {
        assert_int_equal(hs_stall_watch(l->rig.loop, lua_rig_watch), 0);
    }
    const struct hs_lua_options options = {
        .loop = l->rig.loop,
        .env = l->rig.env,
        .generation = l->rig.generation,
        .dir = "/tmp",
        .phase = phase,
        .dev = l->dev,
        .memory = lua_rig_memory != NULL ? lua_rig_memory(l->rig.loop) : NULL,
    };
    int err = hs_lua_runtime_new(&options, &l->rt);
    if (err != 0) {
        l->rt = NULL;
        l->err = err;
    }
}

/* Loads the script; l->err is 0 when it has loaded. */
static inline void
lua_rig_load(struct lua_rig *l, const char *script)
{
    const char *path = lua_rig_file(script);
    int err = hs_lua_runtime_load_file(l->rt, path, lua_rig_problem, lua_rig_done, l);
    if (err != 0) {
        l->err = err;
    } else {
        rig_settle(&l->rig);
    }
    (void)unlink(path);
}

/* All of it: the script is served. Fails the test when it does not load. */
static inline void
lua_rig_open_with(struct lua_rig *l, const struct hs_limits *limits, const char *script)
{
    lua_rig_begin(l, limits, HS_LUA_LOAD);
    assert_non_null(l->rt);
    lua_rig_load(l, script);
    if (!l->loaded || l->err != 0) {
        print_message("%s", l->problems);
    }
    assert_true(l->loaded);
    assert_int_equal(l->err, 0);
    hs_lua_runtime_go_live(l->rt);
    rig_start(&l->rig);
    rig_settle(&l->rig);
}

static inline void
lua_rig_open(struct lua_rig *l, const char *script)
{
    l->dev = false;
    lua_rig_open_with(l, NULL, script);
}

/* Ends all; nothing may be left. */
static inline void
lua_rig_close(struct lua_rig *l)
{
    hs_stall_unwatch();
    rig_close(&l->rig);
    assert_int_equal(hs_live_get(HS_LIVE_TASK), 0);
    assert_int_equal(hs_live_get(HS_LIVE_TIMER), 0);
}

/* One exchange; the body of the response, or "(none)". */
static inline const char *
lua_rig_get(struct lua_rig *l, const char *path)
{
    char request[512];
    (void)snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
    const char *got = rig_exchange(&l->rig, request);
    const char *body = strstr(got, "\r\n\r\n");
    return body != NULL ? body + 4 : "(none)";
}

/* Sends a request on a connection that stays. */
static inline void
lua_rig_ask(struct lua_rig *l, struct rig_client *c, const char *path)
{
    char request[512];
    (void)snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
    rig_connect(&l->rig, c);
    (void)rig_sends(c, request);
    rig_settle(&l->rig);
}

/* What came after the head. */
static inline const char *
lua_rig_body(struct rig_client *c)
{
    const char *body = strstr(rig_received(c), "\r\n\r\n");
    return body != NULL ? body + 4 : "(none)";
}

#define assert_contains(text, part) \
    do { \
        const char *text_ = (text); \
        if (strstr(text_, (part)) == NULL) { \
            print_message("not in it: %s\n%s\n", (part), text_); \
        } \
        assert_non_null(strstr(text_, (part))); \
    } while (0)

#endif
