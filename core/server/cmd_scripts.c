/* cmd_scripts.c - httpsrv check and httpsrv routes, and the trial before a reload: load scripts to look at them. Nothing is served and nothing
 * goes live. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "io/pool.h"
#include "server/command.h"
#include "server/config_file.h"
#include "server/scripts.h"
#include "server/settings_change.h"

struct look {
    struct hs_settings settings;
    struct hs_scripts_place place;
    struct hs_loop *loop;
    struct hs_session_env *env;
    struct hs_dispatch *dispatch;
    struct hs_scripts scripts;
    FILE *to;           /* where problems are written; NULL: the log */
    bool globals;       /* writes to globals are told as well */
    const char *prefix; /* before each problem */
    size_t problems;
    bool loaded;
};

static void
tell(struct look *k, const char *message)
{
    if (k->to == NULL) {
        hs_log(HS_LOG_ERROR, "%s%s", k->prefix, message);
    } else {
        fflush(stdout);
        fprintf(k->to, "%s%s\n", k->prefix, message);
    }
    k->problems++;
}

static void
on_config_problem(void *arg, const char *message)
{
    tell(arg, message);
}

static void
on_problem(void *arg, enum hs_lua_problem kind, const char *message)
{
    struct look *k = arg;

    if (kind != HS_LUA_PROBLEM_GLOBAL || k->globals) {
        tell(k, message);
    }
}

static void
on_loaded(void *arg, int err)
{
    struct look *k = arg;

    (void)err; /* what failed was told */
    k->loaded = true;
    hs_loop_stop(k->loop);
}

/* Loads everything; k->problems counts what was told. 0, or errno of what has nothing to do with the scripts. */
static int
load_all(struct look *k)
{
    struct hs_limits limits;

    hs_limits_default(&limits);
    int err = hs_loop_new(&(struct hs_loop_options){ .base = NULL }, &k->loop);
    if (err == 0) {
        err = hs_dispatch_new(&k->dispatch);
    }
    if (err == 0) {
        err = hs_session_env_new(k->loop, &limits, &hs_dispatch_app, k->dispatch, &k->env);
    }
    const struct hs_scripts_options options = {
        .loop = k->loop,
        .env = k->env,
        .phase = HS_LUA_CHECK,
        .load_timeout = k->settings.load_timeout,
        .unload_timeout = k->settings.unload_timeout,
        .id = 1,
        .modules = &k->settings.module,
    };
    if (err == 0) {
        err = hs_scripts_load(&options, &k->place, on_problem, on_loaded, k, &k->scripts);
    }
    while (err == 0 && !k->loaded) {
        err = hs_loop_run(k->loop);
    }
    return err;
}

static void
take_apart(struct look *k)
{
    hs_scripts_drop(&k->scripts, true);
    if (k->loop != NULL) {
        hs_pools_stop();
        (void)hs_loop_turn(k->loop, false);
    }
    if (k->env != NULL) {
        hs_session_env_free(k->env);
    }
    hs_dispatch_free(k->dispatch);
    if (k->loop != NULL) {
        hs_loop_free(k->loop);
    }
    hs_scripts_place_fini(&k->place);
    hs_settings_fini(&k->settings);
}

/* Reads the command line, the configuration and the scripts; then calls report. An exit status. */
static int
look(const struct hs_command *self, int argc, char **argv, struct look *k, void (*report)(struct look *k))
{
    struct hs_command_line line;

    if (hs_settings_init(&k->settings) != 0) {
        hs_command_complain("out of memory");
        return HS_EXIT_FAILED;
    }
    int status = hs_command_parse(self, argc, argv, &k->settings, &line);
    if (status != 0 || line.help) {
        if (status == 0) {
            hs_command_help(self, stdout);
        }
        take_apart(k);
        return status;
    }
    const char *path = hs_command_path(self, &line);
    int err = path != NULL ? hs_scripts_find(path, &k->place) : 0;
    if (path == NULL || err != 0) {
        if (err != 0) {
            hs_command_complain("cannot read %s: %s", path, err == EINVAL ? "not a directory or a file" : strerror(err));
        }
        take_apart(k);
        return path == NULL ? HS_EXIT_USAGE : HS_EXIT_FAILED;
    }
    hs_log_set_level((enum hs_log_level)k->settings.log_level);
    (void)hs_config_read(&k->settings, &k->place, on_config_problem, k);
    err = load_all(k);
    if (err != 0) {
        hs_command_complain("cannot load %s: %s", path, strerror(err));
    } else {
        report(k);
    }
    if (fflush(stdout) != 0) {
        hs_command_complain("cannot write: %s", strerror(errno));
        err = EIO;
    }
    status = err != 0 || k->problems != 0 ? HS_EXIT_FAILED : HS_EXIT_OK;
    take_apart(k);
    return status;
}

/* --- check --- */

static void
report_check(struct look *k)
{
    size_t n = hs_generation_count(k->scripts.generation);

    if (k->problems == 0) {
        printf("%s: %zu %s, no problems\n", k->place.path, n, n == 1 ? "route" : "routes");
    } else {
        printf("%s: %zu %s\n", k->place.path, k->problems, k->problems == 1 ? "problem" : "problems");
    }
}

int
hs_command_check(const struct hs_command *self, int argc, char **argv)
{
    struct look k = { .to = stdout, .globals = true, .prefix = "" };

    return look(self, argc, argv, &k, report_check);
}

/* --- routes --- */

struct widths {
    bool print;
    bool hosts;
    int method, host, path;
};

static void
widen(int *width, const char *text)
{
    int n = (int)strlen(text);

    if (n > *width) {
        *width = n;
    }
}

static void
route_line(const struct hs_registration *r, void *arg)
{
    struct widths *w = arg;
    const char *method = r->method != NULL ? r->method : "*";
    const char *host = r->host != NULL ? r->host : "*";
    char path[1024];

    (void)snprintf(path, sizeof path, "%s%s", r->path, r->exact ? " (exact)" : "");
    if (!w->print) {
        w->hosts = w->hosts || r->host != NULL;
        widen(&w->method, method);
        widen(&w->host, host);
        widen(&w->path, path);
        return;
    }
    printf("%-*s  ", w->method, method);
    if (w->hosts) {
        printf("%-*s  ", w->host, host);
    }
    printf("%-*s  %s\n", w->path, path, r->where != NULL ? r->where : "-");
}

static void
head_line(const struct widths *w, const char *first)
{
    printf("%-*s  ", w->method, first);
    if (w->hosts) {
        printf("%-*s  ", w->host, "HOST");
    }
    printf("%-*s  %s\n", w->path, "PATH", "WHERE");
}

static void
report_routes(struct look *k)
{
    struct hs_generation *g = k->scripts.generation;
    struct widths w = { .method = 6, .host = 4, .path = 4 };

    hs_generation_each(g, route_line, &w);
    hs_generation_each_auth(g, route_line, &w);
    w.print = true;
    head_line(&w, "METHOD");
    hs_generation_each(g, route_line, &w);
    if (hs_generation_count_auth(g) != 0) {
        printf("\n");
        head_line(&w, "AUTH");
        hs_generation_each_auth(g, route_line, &w);
    }
}

int
hs_command_routes(const struct hs_command *self, int argc, char **argv)
{
    struct look k = { .to = stderr, .globals = false, .prefix = "httpsrv: " };

    return look(self, argc, argv, &k, report_routes);
}

/* --- before a reload --- */

int
hs_command_trial(const struct hs_settings *settings, const char *path, int fd)
{
    struct look k = { .to = NULL, .globals = false, .prefix = "" };

    int err = hs_settings_copy(&k.settings, settings);
    if (err == 0) {
        err = hs_settings_forget_file(&k.settings);
    }
    if (err == 0) {
        err = hs_scripts_find(path, &k.place);
    }
    if (err == 0 && hs_config_read(&k.settings, &k.place, on_config_problem, &k) == 0) {
        err = hs_settings_write(&k.settings, fd);
        if (err == 0) {
            err = load_all(&k);
        }
    }
    if (err != 0) {
        hs_log(HS_LOG_ERROR, "cannot load %s: %s", path, strerror(err));
    }
    int status = err != 0 || k.problems != 0 ? HS_EXIT_FAILED : HS_EXIT_OK;
    take_apart(&k);
    return status;
}
