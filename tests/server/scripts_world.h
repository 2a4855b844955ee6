/* scripts_world.h - what the tests of generations share: a server of scripts that they write and have loaded anew. */
#ifndef TESTS_SERVER_SCRIPTS_WORLD_H
#define TESTS_SERVER_SCRIPTS_WORLD_H

#include <sys/stat.h>

#include "base/log.h"
#include "server_world.h"

static char dir[] = "/tmp/test_scripts_XXXXXX";
static int reloads, reload_err;
static int on_load_err;

static inline void
script(const char *name, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static inline void
drop_script(const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(unlink(path), 0);
}

static inline int
group_setup(void **state)
{
    (void)state;
    hs_log_set_level(HS_LOG_ERROR);
    return mkdtemp(dir) != NULL ? 0 : -1;
}

static inline int
group_teardown(void **state)
{
    (void)state;
    return rmdir(dir);
}

static inline void
on_reloaded(void *arg, int err)
{
    (void)arg;
    reloads++;
    reload_err = err;
}

static inline int
routes_or_not(void *arg)
{
    return on_load_err != 0 ? on_load_err : routes(arg);
}

/* A server of dir's scripts, or of C handlers only, that has started. */
static inline void
world_of(struct world *w, const char *scripts, const char *generations)
{
    world_new(w);
    reloads = 0;
    on_load_err = 0;
    httpsrv_server_on_load(w->server, routes_or_not, NULL);
    httpsrv_server_on_reload(w->server, on_reloaded, NULL);
    assert_int_equal(httpsrv_server_set(w->server, "listen", w->address), 0);
    if (generations != NULL) {
        assert_int_equal(httpsrv_server_set(w->server, "generations", generations), 0);
    }
    assert_int_equal(httpsrv_server_set(w->server, "log-level", "error"), 0);
    assert_int_equal(httpsrv_server_generation(w->server), 0);
    assert_int_equal(httpsrv_server_start(w->server, scripts), 0);
    turn(w);
    turn(w);
    assert_int_equal(w->ready, 1);
    assert_int_equal(w->ready_err, 0);
    assert_int_equal(httpsrv_server_generation(w->server), 1);
}

/* Also counts what is left. */
static inline void
world_end(struct world *w)
{
    world_free(w);
    assert_int_equal(hs_live_get(HS_LIVE_STATE), 0);
    assert_int_equal(hs_live_get(HS_LIVE_GENERATION), 0);
    assert_int_equal(hs_live_get(HS_LIVE_TASK), 0);
    assert_int_equal(hs_live_get(HS_LIVE_TIMER), 0);
    assert_int_equal(hs_live_get(HS_LIVE_IO), 0);
}

/* Reloads and gives what was told of it. */
static inline int
reload(struct world *w)
{
    int before = reloads;
    assert_int_equal(httpsrv_server_reload(w->server), 0);
    assert_int_equal(reloads, before); /* told from the loop only */
    for (int i = 0; i < 20 && reloads == before; i++) {
        turn(w);
    }
    assert_int_equal(reloads, before + 1);
    turn(w); /* on_unload functions that do not wait, and what they leave */
    return reload_err;
}

#define SAYS(word)                                                                                                                                   \
    "local httpsrv = require 'httpsrv'\n"                                                                                                            \
    "httpsrv.register('GET', '/say', function(sess) sess:response_append('" word "') end)\n"

#endif
