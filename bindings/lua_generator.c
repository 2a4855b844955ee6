/* lua_generator.c - httpsrv.io.generator: a Lua function as a source of bytes.
 * The function runs on a task of its own, begun at the first read (for a HEAD request never), and writes into a channel whose marks hold it
 * back. It belongs to the session in whose handler it was made, and is cancelled when the last reader has gone. Its error is logged and
 * becomes the channel's.
 * Everything that a reader sets off is done from the loop: readers read from within the core. */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "bindings/arg.h"
#include "bindings/enter.h"
#include "bindings/io_box.h"
#include "bindings/lua_session.h"
#include "bindings/req.h"
#include "bindings/wait.h"
#include "io/io.h"

#define HIGH_MARK ((size_t)64 * 1024)
#define LOW_MARK ((size_t)16 * 1024)

/* What the function write holds; emptied when the generator ends. */
struct writer {
    struct generator *gen;
};

struct generator {
    struct hs_resource res;
    struct hs_lua_runtime *rt;
    struct hs_channel *channel; /* NULL: ended */
    int fn_ref;
    uint64_t serial; /* of the session, 0: none */
    struct hs_task *task;
    struct writer *writer;
    struct hs_task_list waiting; /* for room; by run_link */
    struct hs_deferred begin;
    struct hs_deferred room;
    bool closed; /* nobody reads any more */
};

static struct generator *
gen_of(struct hs_resource *r)
{
    return (struct generator *)((char *)r - offsetof(struct generator, res));
}

static void
gen_reap(struct hs_resource *r)
{
    struct generator *g = gen_of(r);
    hs_lua_unref(g->rt, &g->fn_ref);
    free(g);
}

/* The end of the stream, for good or bad. */
static void
end_channel(struct generator *g, int err)
{
    struct hs_task *t;
    if (g->writer != NULL) {
        g->writer->gen = NULL;
        g->writer = NULL;
    }
    hs_deferred_cancel(g->rt->loop, &g->begin);
    hs_deferred_cancel(g->rt->loop, &g->room);
    while ((t = TAILQ_FIRST(&g->waiting)) != NULL) {
        hs_task_wake_later(t, EPIPE); /* leaves the list */
    }
    if (g->channel != NULL) {
        struct hs_channel *c = g->channel;
        g->channel = NULL;
        hs_channel_end(c, err, false);
        hs_channel_free(c);
    }
}

static void
bury(struct generator *g)
{
    TAILQ_REMOVE(&g->rt->resources, &g->res, link);
    hs_lua_bury(g->rt, &g->res);
}

static void
gen_close(struct hs_resource *r)
{
    struct generator *g = gen_of(r);
    end_channel(g, ECANCELED);
    gen_reap(r);
}

/* --- the task --- */

static void
gen_ended(struct hs_task *t, int status)
{
    struct generator *g = t->data;
    g->task = NULL;
    if (status == HS_TASK_CLOSED) {
        return; /* gen_close comes */
    }
    hs_task_log_error(t, status);
    end_channel(g, status == 0 ? 0 : status < HS_TASK_CANCELLED ? EIO : ECANCELED);
    bury(g);
}

static const struct hs_task_ops gen_ops = { "generator", gen_ended };

/* Puts generator_run(function, writer) onto a new task's stack. */
static int
prepare(lua_State *L)
{
    struct generator *g = lua_touserdata(L, 1);
    struct hs_lua_runtime *rt = g->rt;
    lua_rawgeti(L, LUA_REGISTRYINDEX, rt->ref_core);
    lua_getfield(L, -1, "generator_run");
    lua_rawgeti(L, LUA_REGISTRYINDEX, g->fn_ref);
    lua_getfield(L, -3, "writer_meta");
    struct writer *w = lua_newuserdata(L, sizeof(*w));
    w->gen = NULL;
    lua_insert(L, -2);
    lua_setmetatable(L, -2);
    g->task = hs_task_new(rt, L, &gen_ops, g);
    if (g->task != NULL) {
        w->gen = g;
        g->writer = w;
        lua_xmove(L, g->task->co, 3);
    }
    return 0;
}

static void
begin(void *arg)
{
    struct generator *g = arg;
    struct hs_lua_runtime *rt = g->rt;
    ec_httpsrv_session *sess = g->serial != 0 ? hs_session_by_serial(rt->env, g->serial) : NULL;
    struct hs_req *req = sess != NULL ? hs_req_get(rt, sess) : NULL;
    if (g->serial != 0 && req == NULL) {
        end_channel(g, ECANCELED); /* its session is over */
        bury(g);
        return;
    }
    (void)hs_enter_protected(rt, prepare, g, "generator");
    if (g->task == NULL) {
        end_channel(g, ENOMEM);
        bury(g);
        return;
    }
    if (req != NULL) {
        hs_req_add_task(req, g->task);
    }
    hs_task_start(g->task, 2);
}

/* --- the channel's events --- */

static void
on_started(void *arg)
{
    struct generator *g = arg;
    hs_defer(g->rt->loop, &g->begin);
}

static void
on_room(void *arg)
{
    struct generator *g = arg;
    if (!TAILQ_EMPTY(&g->waiting)) {
        hs_defer(g->rt->loop, &g->room);
    }
}

static void
wake_writers(void *arg)
{
    struct generator *g = arg;
    struct hs_lua_runtime *rt = g->rt;
    struct hs_task *first = TAILQ_FIRST(&g->waiting);
    struct hs_task *t;
    hs_runtime_addref(rt);
    /* All but the first from the run list: a writer that runs may end the generator. */
    while (first != NULL && (t = TAILQ_NEXT(first, run_link)) != NULL) {
        hs_task_wake_later(t, 0);
    }
    if (first != NULL) {
        hs_task_wake(first, 0);
    }
    hs_runtime_delref(rt);
}

static void
on_closed(void *arg)
{
    struct generator *g = arg;
    g->closed = true;
    if (g->task != NULL) {
        hs_task_cancel(g->task);
    } else {
        end_channel(g, ECANCELED);
        bury(g);
    }
}

/* --- for Lua --- */

/* generator(function) -> io */
static int
l_generator(lua_State *L)
{
    static const struct hs_channel_events events = { .started = on_started, .room = on_room, .closed = on_closed };
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    if (!lua_isfunction(L, 1)) {
        hs_lua_type_error(L, 1, 1, "generator", "function");
    }
    struct hs_io_box *box = hs_io_box_new(L, rt);
    lua_pushvalue(L, 1);
    int ref = luaL_ref(L, LUA_REGISTRYINDEX);
    struct generator *g = hs_lua_open(rt) ? calloc(1, sizeof(*g)) : NULL;
    if (g != NULL && hs_channel_new(HIGH_MARK, LOW_MARK, &events, g, &g->channel) != 0) {
        free(g);
        g = NULL;
    }
    if (g == NULL) {
        luaL_unref(L, LUA_REGISTRYINDEX, ref);
        return hs_lua_fail(L, ENOMEM);
    }
    g->res.close = gen_close;
    g->res.reap = gen_reap;
    g->rt = rt;
    g->fn_ref = ref;
    g->serial = box->req != NULL ? hs_session_serial(box->req->sess) : 0;
    TAILQ_INIT(&g->waiting);
    hs_deferred_init(&g->begin, begin, g);
    hs_deferred_init(&g->room, wake_writers, g);
    TAILQ_INSERT_TAIL(&rt->resources, &g->res, link);
    box->io = hs_channel_reader(g->channel);
    if (box->io == NULL) {
        end_channel(g, ENOMEM);
        bury(g);
        return hs_lua_fail(L, ENOMEM);
    }
    return 1;
}

static void
disarm_room(struct hs_task *t)
{
    struct generator *g = t->w.ptr;
    TAILQ_REMOVE(&g->waiting, t, run_link);
}

/* generator_write(writer, string): waits past the high mark, when the bytes have been taken */
static int
l_write(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    struct hs_view v = hs_lua_arg_bytes(L, 2, (int)lua_tointeger(L, 3), "write");
    struct generator *g = ((struct writer *)lua_touserdata(L, 1))->gen;
    if (g == NULL) {
        return hs_lua_fail_as(L, EBADF, "the generator has ended");
    }
    if (g->closed) {
        return rt->current != NULL && g->task == rt->current ? hs_wait_abandoned(L, rt) : hs_lua_fail(L, EPIPE);
    }
    if (hs_channel_room(g->channel) == 0 && !hs_wait_possible(L, rt)) {
        (void)hs_wait_begin(L, rt); /* raises */
    }
    int err = hs_channel_write(g->channel, v.p, v.n);
    if (err != 0) {
        return hs_lua_fail(L, err);
    }
    if (hs_channel_room(g->channel) != 0 || !hs_wait_possible(L, rt)) {
        lua_pushboolean(L, 1);
        return 1;
    }
    struct hs_task *t = hs_wait_begin(L, rt);
    if (t == NULL) {
        return hs_wait_refuse(L, rt);
    }
    t->w.ptr = g;
    TAILQ_INSERT_TAIL(&g->waiting, t, run_link);
    return hs_wait_yield(L, t, disarm_room);
}

static int
l_writer_gc(lua_State *L)
{
    struct writer *w = lua_touserdata(L, 1);
    if (w->gen != NULL) {
        w->gen->writer = NULL;
        w->gen = NULL;
    }
    return 0;
}

void
hs_lua_open_generator(lua_State *L, struct hs_lua_runtime *rt)
{
    static const luaL_Reg functions[] = { { "io_generator", l_generator }, { "generator_write", l_write }, { NULL, NULL } };
    static const luaL_Reg meta[] = { { "__gc", l_writer_gc }, { NULL, NULL } };
    hs_lua_functions(L, rt, functions);
    lua_newtable(L);
    hs_lua_functions(L, rt, meta);
    lua_setfield(L, -2, "writer_meta");
}
