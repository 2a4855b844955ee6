/* runtime.c - makes and closes a generation's Lua state.
 * Owns the state, the registry references of the runtime's own tables, and the order in which everything ends: loads, tasks, requests,
 * resources, then the state itself, whose __gc methods drop what scripts still held.
 * The standard libraries are opened whole; lua/httpsrv/base.lua then replaces what must be able to wait. */
#include "bindings/runtime.h"

#include <assert.h>
#include <errno.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/live.h"
#include "base/log.h"
#include "bindings/enter.h"
#include "bindings/internal.h"
#include "bindings/pool_unit.h"
#include "bindings/req.h"
#include "bindings/stall.h"
#include "bindings/task.h"

#define DEFAULT_LOAD_TIMEOUT (10 * HS_SEC)
#define DEFAULT_UNLOAD_TIMEOUT (5 * HS_SEC)
#define EXIT_TIMEOUT (5 * HS_SEC)

static void bury_now(void *arg);
static void close_later(void *arg);
static void close_now(struct hs_lua_runtime *rt);

/* --- making --- */

static int
on_panic(lua_State *L)
{
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "(error object)";
    hs_log(HS_LOG_ERROR, "Lua error outside a protected call: %s", text);
    return 0; /* aborts */
}

void
hs_lua_functions(lua_State *L, struct hs_lua_runtime *rt, const luaL_Reg *list)
{
    lua_pushlightuserdata(L, rt);
    luaL_setfuncs(L, list, 1);
}

/* The loader of an embedded module: (name) -> what the module returns. Upvalues: runtime, the module. */
static int
load_embedded(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    const struct hs_lua_module *m = lua_touserdata(L, lua_upvalueindex(2));
    lua_settop(L, 0);
    lua_pushfstring(L, "=[%s]", m->name);
    if (luaL_loadbufferx(L, m->text, m->len, lua_tostring(L, 1), "t") != 0) {
        return lua_error(L);
    }
    lua_pushstring(L, m->name);
    lua_rawgeti(L, LUA_REGISTRYINDEX, rt->ref_core);
    lua_call(L, 2, 1);
    return 1;
}

static void
preload_embedded(lua_State *L, struct hs_lua_runtime *rt)
{
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "preload");
    for (const struct hs_lua_module *m = rt->modules; m->name != NULL; m++) {
        lua_pushlightuserdata(L, rt);
        lua_pushlightuserdata(L, (void *)m);
        lua_pushcclosure(L, load_embedded, 2);
        lua_setfield(L, -2, m->name);
    }
    lua_pop(L, 2);
}

/* Prepends the script directory to package.path. */
static void
set_path(lua_State *L, struct hs_lua_runtime *rt)
{
    const char *d = rt->dir;
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "path");
    lua_pushfstring(L, "%s/?.lua;%s/?/init.lua;%s/lib/?.lua;%s/lib/?/init.lua;%s", d, d, d, d, lua_tostring(L, -1));
    lua_setfield(L, -3, "path");
    lua_pop(L, 2);
}

static int
new_table_ref(lua_State *L, const char *weak)
{
    lua_newtable(L);
    if (weak != NULL) {
        lua_newtable(L);
        lua_pushstring(L, weak);
        lua_setfield(L, -2, "__mode");
        lua_setmetatable(L, -2);
    }
    return luaL_ref(L, LUA_REGISTRYINDEX);
}

static void
share_table(lua_State *L, int ref, const char *name)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, ref);
    lua_setfield(L, -2, name);
}

static int
open_state(lua_State *L)
{
    struct hs_lua_runtime *rt = lua_touserdata(L, 1);
    luaL_openlibs(L);
    /* From here on dropping a reference never allocates. */
    lua_pushboolean(L, 1);
    luaL_unref(L, LUA_REGISTRYINDEX, luaL_ref(L, LUA_REGISTRYINDEX));
    rt->ref_parents = new_table_ref(L, "kv");
    rt->ref_blocked = new_table_ref(L, "k");
    rt->ref_safe = new_table_ref(L, "k");
    rt->ref_parked = new_table_ref(L, NULL);
    rt->ref_tasks = new_table_ref(L, NULL);
    rt->ref_pool_handlers = new_table_ref(L, NULL);
    lua_newuserdata(L, 1);
    lua_pushvalue(L, -1);
    rt->ref_cancelled = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    rt->ref_core = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_insert(L, -2);
    lua_setfield(L, -2, "cancelled");
    lua_getglobal(L, "tostring");
    rt->ref_tostring = luaL_ref(L, LUA_REGISTRYINDEX);
    share_table(L, rt->ref_parents, "parents");
    share_table(L, rt->ref_blocked, "blocked");
    share_table(L, rt->ref_safe, "safe");
    hs_lua_open_base(L, rt);
    hs_lua_open_wait(L, rt);
    hs_lua_open_task(L, rt);
    hs_lua_open_load(L, rt);
    hs_lua_open_timer(L, rt);
    hs_lua_open_handler(L, rt);
    hs_lua_open_auth(L, rt);
    hs_lua_open_crypto(L, rt);
    hs_lua_open_xml(L, rt);
    hs_lua_open_request(L, rt);
    hs_lua_open_response(L, rt);
    hs_lua_open_io(L, rt);
    hs_lua_open_io_make(L, rt);
    hs_lua_open_io_define(L, rt);
    hs_lua_open_generator(L, rt);
    hs_lua_open_child(L, rt);
    hs_lua_open_control(L, rt);
    hs_lua_open_lock(L, rt);
    hs_lua_open_shared(L, rt);
    hs_lua_open_msys(L, rt);
    hs_lua_open_pool(L, rt);
    hs_lua_open_pool_call(L, rt);
    preload_embedded(L, rt);
    set_path(L, rt);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "httpsrv.base");
    lua_call(L, 1, 0);
    return 0;
}

static void
generation_freed(void *arg)
{
    struct hs_lua_runtime *rt = arg;
    rt->generation = NULL;
    hs_lua_runtime_close(rt);
}

static char *
copy_dir(const char *dir)
{
    char *d = strdup(dir != NULL && *dir != '\0' ? dir : ".");
    if (d != NULL) {
        size_t n = strlen(d);
        while (n > 0 && d[n - 1] == '/') {
            d[--n] = '\0';
        }
    }
    return d;
}

static void
init(struct hs_lua_runtime *rt, const struct hs_lua_options *o)
{
    rt->refs = 1;
    rt->loop = o->loop;
    rt->env = o->env;
    rt->generation = o->generation;
    rt->phase = o->phase;
    rt->dev = o->dev;
    rt->load_timeout = o->load_timeout != 0 ? o->load_timeout : DEFAULT_LOAD_TIMEOUT;
    rt->unload_timeout = o->unload_timeout != 0 ? o->unload_timeout : DEFAULT_UNLOAD_TIMEOUT;
    rt->modules = o->modules != NULL ? o->modules : hs_lua_modules;
    rt->exit = o->exit;
    rt->exit_arg = o->exit_arg;
    rt->pooled = o->unit != NULL;
    TAILQ_INIT(&rt->tasks);
    TAILQ_INIT(&rt->ready);
    TAILQ_INIT(&rt->turn);
    TAILQ_INIT(&rt->resources);
    TAILQ_INIT(&rt->dead);
    TAILQ_INIT(&rt->reqs);
    hs_deferred_init(&rt->run, hs_task_run_ready, rt);
    hs_deferred_init(&rt->bury, bury_now, rt);
    hs_deferred_init(&rt->close_later, close_later, rt);
}

int
hs_lua_runtime_new(const struct hs_lua_options *o, struct hs_lua_runtime **out)
{
    if (o->loop == NULL) {
        return EINVAL;
    }
    struct hs_lua_runtime *rt = calloc(1, sizeof(*rt));
    if (rt == NULL) {
        return ENOMEM;
    }
    init(rt, o);
    rt->dir = copy_dir(o->dir);
    rt->unit = rt->pooled ? hs_pool_unit_addref(o->unit) : hs_pool_unit_new(rt, o->memory);
    rt->L = rt->dir != NULL && rt->unit != NULL ? luaL_newstate() : NULL;
    int err = ENOMEM;
    if (rt->L != NULL) {
        hs_live_add(HS_LIVE_STATE, 1);
        lua_atpanic(rt->L, on_panic);
        hs_lua_share_begin(&rt->share, rt->L, o->memory);
        hs_stall_add(rt);
        err = hs_enter_protected(rt, open_state, rt, "Lua state");
    }
    if (err != 0) {
        close_now(rt);
        return err;
    }
    if (rt->generation != NULL) {
        hs_generation_on_free(rt->generation, generation_freed, rt);
    }
    *out = rt;
    return 0;
}

/* --- life --- */

void
hs_runtime_addref(struct hs_lua_runtime *rt)
{
    rt->refs++;
}

void
hs_runtime_delref(struct hs_lua_runtime *rt)
{
    assert(rt->refs > 0);
    if (--rt->refs == 0) {
        assert(rt->L == NULL);
        if (rt->unit != NULL) {
            hs_pool_unit_delref(rt->unit);
        }
        free(rt->dir);
        free(rt);
    }
}

enum hs_lua_phase
hs_lua_runtime_phase(const struct hs_lua_runtime *rt)
{
    return rt->phase;
}

size_t
hs_lua_runtime_memory(const struct hs_lua_runtime *rt)
{
    return rt->L != NULL ? (size_t)lua_gc(rt->L, LUA_GCCOUNT, 0) * 1024 + (size_t)lua_gc(rt->L, LUA_GCCOUNTB, 0) : 0;
}

size_t
hs_lua_runtime_tasks(const struct hs_lua_runtime *rt)
{
    return rt->ntasks;
}

void
hs_lua_runtime_go_live(struct hs_lua_runtime *rt)
{
    if (rt->phase != HS_LUA_LOAD || !hs_lua_open(rt)) {
        return;
    }
    rt->phase = HS_LUA_RUN;
    hs_stall_set_current(rt);
    hs_task_release_held(rt);
    hs_timers_go_live(rt);
}

void
hs_lua_runtime_set_last(struct hs_lua_runtime *rt)
{
    rt->last = true;
}

void
hs_runtime_settle(struct hs_lua_runtime *rt)
{
    assert(rt->pooled);
    rt->phase = HS_LUA_RUN;
}

/* --- burying --- */

static void
bury_now(void *arg)
{
    struct hs_lua_runtime *rt = arg;
    hs_runtime_addref(rt);
    struct hs_resource *r;
    while ((r = TAILQ_FIRST(&rt->dead)) != NULL) {
        TAILQ_REMOVE(&rt->dead, r, link);
        r->reap(r);
    }
    hs_runtime_delref(rt);
}

void
hs_lua_bury(struct hs_lua_runtime *rt, struct hs_resource *r)
{
    if (rt->L == NULL) {
        r->reap(r);
        return;
    }
    TAILQ_INSERT_TAIL(&rt->dead, r, link);
    hs_defer(rt->loop, &rt->bury);
}

void
hs_lua_unref(struct hs_lua_runtime *rt, int *ref)
{
    if (rt->L != NULL && *ref != LUA_NOREF) {
        luaL_unref(rt->L, LUA_REGISTRYINDEX, *ref);
    }
    *ref = LUA_NOREF;
}

/* --- closing --- */

static void
close_now(struct hs_lua_runtime *rt)
{
    if (rt->closing) {
        return;
    }
    rt->closing = true;
    if (rt->generation != NULL) {
        hs_generation_on_free(rt->generation, NULL, NULL);
        rt->generation = NULL;
    }
    if (rt->unit != NULL && !rt->pooled) {
        hs_pool_unit_close(rt->unit);
    }
    hs_task_close_all(rt);
    hs_load_close(rt);
    hs_unload_close(rt);
    hs_req_close_all(rt);
    struct hs_resource *r;
    while ((r = TAILQ_FIRST(&rt->resources)) != NULL) {
        TAILQ_REMOVE(&rt->resources, r, link);
        r->close(r);
    }
    hs_deferred_cancel(rt->loop, &rt->run);
    hs_deferred_cancel(rt->loop, &rt->bury);
    hs_deferred_cancel(rt->loop, &rt->close_later);
    bury_now(rt);
    lua_State *L = rt->L;
    if (L != NULL) {
        hs_stall_remove(rt);
    }
    rt->L = NULL;
    if (L != NULL) {
        hs_lua_share_end(&rt->share, L);
        lua_close(L);
        hs_live_add(HS_LIVE_STATE, -1);
    }
    hs_runtime_delref(rt);
}

static void
close_later(void *arg)
{
    close_now(arg);
}

void
hs_lua_runtime_close(struct hs_lua_runtime *rt)
{
    if (rt->busy != 0 || rt->entered != 0) {
        rt->close_wanted = true;
        return;
    }
    close_now(rt);
}

void
hs_runtime_left(struct hs_lua_runtime *rt)
{
    if (rt->share.due && !rt->close_wanted) {
        hs_lua_share_collect(rt);
    }
    if (rt->close_wanted) {
        hs_defer(rt->loop, &rt->close_later);
    }
}

void
hs_runtime_exit(struct hs_lua_runtime *rt, int status)
{
    void (*fn)(void *, int) = rt->exit;
    void *arg = rt->exit_arg;
    hs_runtime_addref(rt);
    if (rt->current != NULL) {
        hs_task_enlist(rt->current);
    }
    rt->current = NULL;
    close_now(rt);
    hs_pool_unit_await(rt->unit, EXIT_TIMEOUT);
    if (fn != NULL) {
        fn(arg, status);
    }
    fflush(NULL);
    exit(status);
}
