/* load.c - loading scripts, running the one script of httpsrv lua, and unloading.
 * Each file is a task of its own, begun when the one before has ended, so a file may wait while it loads; the time-out cancels it.
 * Reports leave only from the loop: what comes up while Lua runs (a duplicate route when checking) is kept until its file has ended. */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "bindings/arg.h"
#include "bindings/chunk.h"
#include "bindings/enter.h"
#include "bindings/internal.h"
#include "bindings/pool_unit.h"
#include "bindings/task.h"

#define MESSAGE_MAX ((size_t)64 * 1024)

struct report {
    STAILQ_ENTRY(report) link;
    enum hs_lua_problem kind;
    char text[];
};

struct hs_loader {
    struct hs_lua_runtime *rt;
    char **files;
    size_t nfiles, next;
    struct hs_task *task;
    struct hs_timer timer;
    struct hs_deferred step;
    STAILQ_HEAD(, report) reports;
    int err;
    bool timed_out, initialised;
    hs_lua_problem_func *problem;
    hs_lua_done_func *done;
    /* httpsrv lua */
    int argc, first;
    char *const *argv;
    int status;
    void (*exited)(void *arg, int status);
    void *arg;
};

/* --- reports --- */

static void
report(struct hs_loader *l, enum hs_lua_problem kind, const char *text, size_t n)
{
    struct report *r = malloc(sizeof(*r) + n + 1);
    if (kind != HS_LUA_PROBLEM_GLOBAL && l->err == 0) {
        l->err = EINVAL;
    }
    if (r == NULL) {
        l->err = ENOMEM;
        return;
    }
    r->kind = kind;
    memcpy(r->text, text, n);
    r->text[n] = '\0';
    STAILQ_INSERT_TAIL(&l->reports, r, link);
}

static void __attribute__((format(printf, 3, 4)))
report_f(struct hs_loader *l, enum hs_lua_problem kind, const char *fmt, ...)
{
    struct hs_buf b;
    hs_buf_init(&b, MESSAGE_MAX);
    va_list ap;
    va_start(ap, fmt);
    if (hs_buf_vprintf(&b, fmt, ap) == 0 && b.len != 0) {
        report(l, kind, b.p, b.len);
    } else {
        l->err = ENOMEM;
    }
    va_end(ap);
    hs_buf_fini(&b);
}

/* False when the receiver has closed the runtime, and l is gone. */
static bool
deliver_reports(struct hs_loader *l)
{
    struct hs_lua_runtime *rt = l->rt;
    struct report *r;
    while ((r = STAILQ_FIRST(&l->reports)) != NULL) {
        STAILQ_REMOVE_HEAD(&l->reports, link);
        if (l->problem != NULL) {
            l->problem(l->arg, r->kind, r->text);
        }
        free(r);
        if (!hs_lua_open(rt)) {
            return false;
        }
    }
    return true;
}

static void
loader_free(struct hs_loader *l)
{
    struct report *r;
    while ((r = STAILQ_FIRST(&l->reports)) != NULL) {
        STAILQ_REMOVE_HEAD(&l->reports, link);
        free(r);
    }
    for (size_t i = 0; i < l->nfiles; i++) {
        free(l->files[i]);
    }
    free(l->files);
    free(l);
}

/* --- a file --- */

/* True when the first line of text says "name:12: " somewhere. */
static bool
has_place(const char *text)
{
    for (const char *p = text; *p != '\0' && *p != '\n'; p++) {
        if (*p == ':' && p > text) {
            size_t digits = strspn(p + 1, "0123456789");
            if (digits > 0 && p[1 + digits] == ':') {
                return true;
            }
        }
    }
    return false;
}

static void
script_ended(struct hs_loader *l, struct hs_task *t, int status, struct hs_buf *text)
{
    l->status = status == 0 && lua_isnumber(t->co, -1) ? (int)lua_tointeger(t->co, -1) : status != 0;
    const bool silent = status != 0 && status < HS_TASK_CANCELLED && lua_isnil(t->co, -1); /* as lua(1): error() */
    if (status != 0 && !silent) {
        fprintf(stderr, "httpsrv: %s\n", text->p != NULL && text->len != 0 ? text->p : "the script was cancelled");
    }
}

static void
file_ended(struct hs_task *t, int status)
{
    struct hs_loader *l = t->data;
    l->task = NULL;
    if (status == HS_TASK_CLOSED) {
        return;
    }
    struct hs_buf text;
    hs_buf_init(&text, MESSAGE_MAX);
    if (status != 0 && status < HS_TASK_CANCELLED) {
        hs_enter_describe(l->rt, t->co, status, &text);
        (void)hs_buf_append_char(&text, '\0');
    }
    if (l->exited != NULL) {
        script_ended(l, t, status, &text);
    } else if (l->timed_out) {
        report_f(l, HS_LUA_PROBLEM_LOAD, "%s: still loading after %g s", l->files[l->next - 1],
                 (double)l->rt->load_timeout / (double)HS_SEC);
        l->err = ETIMEDOUT;
    } else if (status != 0) {
        const char *s = text.len != 0 ? text.p : "cancelled";
        if (has_place(s)) {
            report_f(l, HS_LUA_PROBLEM_LOAD, "%s", s);
        } else {
            report_f(l, HS_LUA_PROBLEM_LOAD, "%s: %s", l->files[l->next - 1], s);
        }
    }
    hs_buf_fini(&text);
    hs_defer(l->rt->loop, &l->step);
}

static const struct hs_task_ops load_ops = { "load", file_ended };

/* Compiles the next file onto a new task's stack, on top of the function that runs it. */
static int
compile_file(lua_State *L) /* throws; l->task is set last */
{
    struct hs_loader *l = lua_touserdata(L, 1);
    struct hs_lua_runtime *rt = l->rt;
    const char *path = l->files[l->next];
    int status = hs_chunk_load_file(L, rt, path, "t");
    if (status != 0) {
        size_t n;
        const char *text = lua_tolstring(L, -1, &n);
        const enum hs_lua_problem kind = status == LUA_ERRSYNTAX ? HS_LUA_PROBLEM_SYNTAX : HS_LUA_PROBLEM_LOAD;
        if (has_place(text) || status != LUA_ERRSYNTAX) {
            report(l, kind, text, n);
        } else {
            report_f(l, kind, "%s: %s", path, text); /* bytecode: "attempt to load chunk with wrong mode" */
        }
        return 0;
    }
    if (rt->phase == HS_LUA_CHECK) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, rt->ref_core);
        lua_getfield(L, -1, "check_chunk");
        lua_pushvalue(L, -3);
        lua_call(L, 1, 0);
        lua_pop(L, 1);
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, rt->ref_core);
    lua_getfield(L, -1, "run_file");
    lua_replace(L, -2);
    lua_insert(L, -2);
    l->task = hs_task_new(rt, L, &load_ops, l);
    if (l->task == NULL) {
        return luaL_error(L, "the runtime is closing");
    }
    lua_xmove(L, l->task->co, 2);
    return 0;
}

/* Puts the standalone interpreter and its arguments onto a new task's stack. */
static int
prepare_script(lua_State *L)
{
    struct hs_loader *l = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, l->rt->ref_core);
    lua_getfield(L, -1, "standalone");
    lua_createtable(L, l->argc, 0);
    for (int i = 0; i < l->argc; i++) {
        lua_pushstring(L, l->argv[i]);
        lua_rawseti(L, -2, i);
    }
    lua_pushinteger(L, l->argc);
    lua_pushinteger(L, l->first);
    l->task = hs_task_new(l->rt, L, &load_ops, l);
    if (l->task == NULL) {
        return luaL_error(L, "the runtime is closing");
    }
    lua_xmove(L, l->task->co, 4);
    return 0;
}

static void
finish(struct hs_loader *l)
{
    struct hs_lua_runtime *rt = l->rt;
    hs_timer_cancel(&l->timer);
    hs_deferred_cancel(rt->loop, &l->step);
    hs_lua_done_func *done = l->done;
    void (*exited)(void *, int) = l->exited;
    void *arg = l->arg;
    const int err = l->err;
    const int status = l->status;
    rt->loader = NULL;
    loader_free(l);
    if (exited != NULL) {
        exited(arg, status);
    } else {
        done(arg, err);
    }
}

/* All files are loaded: what they have registered for all routes is put around these. */
static int
seal(lua_State *L) /* throws */
{
    const struct hs_loader *l = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, l->rt->ref_core);
    lua_getfield(L, -1, "seal");
    if (lua_isfunction(L, -1)) { /* else nobody has asked for httpsrv */
        lua_call(L, 0, 0);
    }
    return 0;
}

/* Puts the call of the worker_init functions, when there are any, onto a new task's stack. */
static int
prepare_init(lua_State *L)
{
    struct hs_loader *l = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, l->rt->ref_core);
    lua_getfield(L, -1, "run_worker_init");
    if (!lua_isfunction(L, -1)) {
        return 0;
    }
    l->task = hs_task_new(l->rt, L, &load_ops, l);
    if (l->task == NULL) {
        return luaL_error(L, "the runtime is closing");
    }
    lua_xmove(L, l->task->co, 1);
    return 0;
}

/* All files of a server's scripts are loaded, and are to serve: what they want done before that. True: it has begun. */
static bool
begin_init(struct hs_loader *l)
{
    struct hs_lua_runtime *rt = l->rt;
    if (l->initialised || l->next < l->nfiles || l->err != 0 || l->exited != NULL || rt->phase != HS_LUA_LOAD || rt->pooled) {
        return false;
    }
    l->initialised = true;
    l->err = hs_enter_protected(rt, prepare_init, l, "worker_init");
    if (l->task == NULL) {
        return false;
    }
    hs_task_start(l->task, 0);
    return true;
}

static void
step(void *arg)
{
    struct hs_loader *l = arg;
    struct hs_lua_runtime *rt = l->rt;
    hs_runtime_addref(rt);
    if (!deliver_reports(l)) {
        hs_runtime_delref(rt);
        return;
    }
    if (begin_init(l)) {
        hs_runtime_delref(rt);
        return;
    }
    const bool stop = l->err != 0 && (rt->phase != HS_LUA_CHECK || l->timed_out || l->err == ENOMEM);
    if (l->next >= l->nfiles && l->err == 0 && l->exited == NULL) {
        l->err = hs_enter_protected(rt, seal, l, "load");
    }
    if (l->next >= l->nfiles || stop) {
        finish(l);
    } else {
        int err = hs_enter_protected(rt, l->exited != NULL ? prepare_script : compile_file, l, "load");
        l->next++;
        if (l->task != NULL) {
            hs_task_start(l->task, l->exited != NULL ? 3 : 1);
        } else {
            if (err != 0 && l->err == 0) {
                l->err = err;
                l->status = 1;
            }
            hs_defer(rt->loop, &l->step);
        }
    }
    hs_runtime_delref(rt);
}

static void
timed_out(void *arg)
{
    struct hs_loader *l = arg;
    l->timed_out = true;
    if (l->task != NULL) {
        hs_task_cancel(l->task);
    } else if (l->err == 0) {
        l->err = ETIMEDOUT;
    }
}

/* --- starting --- */

static int
loader_new(struct hs_lua_runtime *rt, void *arg, struct hs_loader **out)
{
    if (rt->loader != NULL || !hs_lua_open(rt)) {
        return EBUSY;
    }
    struct hs_loader *l = calloc(1, sizeof(*l));
    if (l == NULL) {
        return ENOMEM;
    }
    l->rt = rt;
    l->arg = arg;
    STAILQ_INIT(&l->reports);
    hs_timer_init(&l->timer, rt->loop, timed_out, l);
    hs_deferred_init(&l->step, step, l);
    *out = l;
    return 0;
}

static int
add_file(struct hs_loader *l, const char *dir, const char *name)
{
    char **files = realloc(l->files, (l->nfiles + 1) * sizeof(*files));
    if (files == NULL) {
        return ENOMEM;
    }
    l->files = files;
    char *path = NULL;
    if (dir == NULL) {
        path = strdup(name);
    } else if (asprintf(&path, "%s/%s", dir, name) < 0) {
        path = NULL;
    }
    if (path == NULL) {
        return ENOMEM;
    }
    l->files[l->nfiles++] = path;
    return 0;
}

static int
begin(struct hs_loader *l)
{
    struct hs_lua_runtime *rt = l->rt;
    int err = rt->load_timeout > 0 && l->exited == NULL ? hs_timer_set(&l->timer, rt->load_timeout) : 0;
    if (err != 0) {
        loader_free(l);
        return err;
    }
    rt->loader = l;
    hs_defer(rt->loop, &l->step);
    return 0;
}

int
hs_lua_runtime_load_file(struct hs_lua_runtime *rt, const char *path, hs_lua_problem_func *problem, hs_lua_done_func *done, void *arg)
{
    struct hs_loader *l;
    int err = loader_new(rt, arg, &l);
    if (err != 0) {
        return err;
    }
    l->problem = problem;
    l->done = done;
    if (!rt->pooled) {
        hs_pool_unit_set_scripts(rt->unit, path, false);
    }
    err = add_file(l, NULL, path);
    if (err != 0) {
        loader_free(l);
        return err;
    }
    return begin(l);
}

static int
is_script(const struct dirent *e)
{
    const size_t n = strlen(e->d_name);
    return n > 4 && e->d_name[0] != '.' && strcmp(e->d_name + n - 4, ".lua") == 0 && strcmp(e->d_name, "config.lua") != 0;
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

int
hs_lua_runtime_load_dir(struct hs_lua_runtime *rt, const char *dir, hs_lua_problem_func *problem, hs_lua_done_func *done, void *arg)
{
    struct hs_loader *l;
    int err = loader_new(rt, arg, &l);
    if (err != 0) {
        return err;
    }
    l->problem = problem;
    l->done = done;
    if (!rt->pooled) {
        hs_pool_unit_set_scripts(rt->unit, dir, true);
    }
    struct dirent **entries = NULL;
    const int n = scandir(dir, &entries, is_script, by_name);
    if (n < 0) {
        const int why = errno;
        report_f(l, HS_LUA_PROBLEM_LOAD, "%s: %s", dir, strerror(why));
        l->err = why;
    }
    for (int i = 0; i < n; i++) {
        if (err == 0) {
            err = add_file(l, dir, entries[i]->d_name);
        }
        free(entries[i]);
    }
    free(entries);
    if (err != 0) {
        loader_free(l);
        return err;
    }
    return begin(l);
}

int
hs_lua_runtime_main(struct hs_lua_runtime *rt, int argc, char *const argv[], int first, void (*done)(void *arg, int status), void *arg)
{
    struct hs_loader *l;
    int err = loader_new(rt, arg, &l);
    if (err != 0) {
        return err;
    }
    l->argc = argc;
    l->argv = argv;
    l->first = first;
    l->exited = done;
    l->nfiles = 0;
    err = add_file(l, NULL, "(script)");
    if (err != 0) {
        loader_free(l);
        return err;
    }
    rt->to_stdout = true;
    return begin(l);
}

void
hs_load_close(struct hs_lua_runtime *rt)
{
    struct hs_loader *l = rt->loader;
    if (l != NULL) {
        rt->loader = NULL;
        hs_timer_cancel(&l->timer);
        hs_deferred_cancel(rt->loop, &l->step);
        loader_free(l);
    }
}

/* --- for Lua --- */

/* report(kind, message): a problem found while checking; kind: "duplicate" or "global" */
static int
l_report(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    const char *kind = luaL_checkstring(L, 1);
    size_t n;
    const char *text = luaL_checklstring(L, 2, &n);
    if (rt->loader != NULL) {
        report(rt->loader, strcmp(kind, "global") == 0 ? HS_LUA_PROBLEM_GLOBAL : HS_LUA_PROBLEM_DUPLICATE, text, n);
    }
    return 0;
}

void
hs_lua_open_load(lua_State *L, struct hs_lua_runtime *rt)
{
    static const luaL_Reg functions[] = { { "report", l_report }, { NULL, NULL } };
    hs_lua_functions(L, rt, functions);
}
