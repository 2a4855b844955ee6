/* lua_io_define.c - io_objects whose methods are Lua functions (httpsrv.io.define).
 * Towards the core such an io says EAGAIN while one of its functions runs; each call runs on a task of its own, begun from the loop, so the
 * functions may wait and are never entered from within the core. One call at a time: a read's bytes are kept until they are asked for, a
 * write is taken whole and carried out after, its error is told to the next write or flush. When the last reference goes, the call in
 * progress is cancelled and close is called.
 * The io belongs to the session in whose handler it was made. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/errname.h"
#include "base/log.h"
#include "bindings/arg.h"
#include "bindings/enter.h"
#include "bindings/io_box.h"
#include "bindings/lua_session.h"
#include "bindings/req.h"
#include "io/io.h"

#define READ_MAX ((size_t)64 * 1024)
#define WRITE_MAX ((size_t)64 * 1024)
#define CHUNK_MAX ((size_t)16 * 1024 * 1024) /* most that one read function may return */

enum call { CALL_NONE, CALL_READ, CALL_WRITE, CALL_CLOSE };

struct lua_io {
    struct hs_resource res;
    struct hs_lua_runtime *rt;
    io_object *io; /* borrowed: us; NULL once it has been closed */
    int def_ref;   /* { methods = …, state = … } */
    uint64_t serial;
    off_t size; /* -1: not known */
    enum call wanted, running;
    struct hs_task *task;
    struct hs_deferred begin;
    struct hs_deferred ready; /* wakes a waiter that need not wait */
    struct hs_buf in, out;
    size_t taken;
    bool ended; /* read gave its end */
    int read_err, write_err;
    io_wrapper_wait_func wait_fn;
    void *wait_arg;
};

static struct lua_io *
of_resource(struct hs_resource *r)
{
    return (struct lua_io *)((char *)r - offsetof(struct lua_io, res));
}

static void
lua_io_reap(struct hs_resource *r)
{
    struct lua_io *w = of_resource(r);
    hs_lua_unref(w->rt, &w->def_ref);
    hs_buf_fini(&w->in);
    hs_buf_fini(&w->out);
    hs_runtime_delref(w->rt);
    free(w);
}

static void
bury(struct lua_io *w)
{
    TAILQ_REMOVE(&w->rt->resources, &w->res, link);
    hs_lua_bury(w->rt, &w->res);
}

static void
wake(struct lua_io *w)
{
    io_wrapper_wait_func fn = w->wait_fn;
    w->wait_fn = NULL;
    if (fn != NULL && w->io != NULL) {
        fn(w->io, w->wait_arg);
    }
}

static void
wake_now(void *arg)
{
    wake(arg);
}

/* The runtime closes: what still holds the io gets errors from now on. */
static void
lua_io_close(struct hs_resource *r)
{
    struct lua_io *w = of_resource(r);
    hs_deferred_cancel(w->rt->loop, &w->begin);
    hs_deferred_cancel(w->rt->loop, &w->ready);
    hs_lua_unref(w->rt, &w->def_ref);
    w->read_err = w->write_err = ECANCELED;
    w->wanted = w->running = CALL_NONE;
    if (w->io == NULL) {
        lua_io_reap(r);
        return;
    }
    w->res.close = NULL; /* out of the list */
    if (w->wait_fn != NULL) {
        hs_defer(w->rt->loop, &w->ready);
    }
}

/* --- a call --- */

/* The errno of its name, also where a value has two; EIO for another. */
static int
errno_of(const char *name)
{
    if (name != NULL && strcmp(name, "ENOTSUP") == 0) {
        return ENOTSUP;
    }
    if (name != NULL && strcmp(name, "EWOULDBLOCK") == 0) {
        return EWOULDBLOCK;
    }
    for (int err = 1; name != NULL && err < 134; err++) {
        if (strcmp(hs_errname(err), name) == 0) {
            return err;
        }
    }
    return EIO;
}

/* What the function returned: a value, or nil, message, code. 0 or an errno. */
static int
result_error(struct hs_task *t)
{
    lua_State *co = t->co;
    if (lua_gettop(co) < 2 || lua_toboolean(co, 1)) {
        return 0;
    }
    const int err = lua_type(co, 3) == LUA_TSTRING ? errno_of(lua_tostring(co, 3)) : EIO;
    return err == EAGAIN ? EIO : err; /* it would be tried again without end */
}

static void
read_done(struct lua_io *w, struct hs_task *t)
{
    size_t n = 0;
    const char *p = lua_type(t->co, 1) == LUA_TSTRING ? lua_tolstring(t->co, 1, &n) : NULL;
    w->read_err = result_error(t);
    if (p != NULL && n != 0) {
        w->read_err = hs_buf_append(&w->in, p, n);
    } else if (w->read_err == 0) {
        w->ended = true;
    }
}

static void
call_ended(struct hs_task *t, int status)
{
    struct lua_io *w = t->data;
    const enum call was = w->running;
    w->task = NULL;
    w->running = CALL_NONE;
    if (status == HS_TASK_CLOSED) {
        return;
    }
    hs_task_log_error(t, status);
    const int err = status == 0 ? 0 : status < HS_TASK_CANCELLED ? EIO : ECANCELED;
    switch (was) {
    case CALL_READ:
        if (err != 0) {
            w->read_err = err;
        } else {
            read_done(w, t);
        }
        break;
    case CALL_WRITE:
        hs_buf_clear(&w->out);
        w->write_err = err != 0 ? err : result_error(t);
        break;
    case CALL_CLOSE: bury(w); return;
    case CALL_NONE: break;
    }
    if (w->io == NULL) {
        hs_defer(w->rt->loop, &w->begin); /* closed meanwhile */
    } else {
        wake(w);
    }
}

static const struct hs_task_ops call_ops = { "io.define", call_ended };

static int
prepare(lua_State *L)
{
    static const char *const names[] = { [CALL_READ] = "read", [CALL_WRITE] = "write", [CALL_CLOSE] = "close" };
    struct lua_io *w = lua_touserdata(L, 1);
    struct hs_lua_runtime *rt = w->rt;
    lua_rawgeti(L, LUA_REGISTRYINDEX, rt->ref_core);
    lua_getfield(L, -1, "define_call");
    lua_rawgeti(L, LUA_REGISTRYINDEX, w->def_ref);
    lua_pushstring(L, names[w->wanted]);
    if (w->wanted == CALL_WRITE) {
        lua_pushlstring(L, w->out.p, w->out.len);
    } else {
        lua_pushinteger(L, (lua_Integer)READ_MAX);
    }
    struct hs_task *t = hs_task_new(rt, L, &call_ops, w);
    if (t != NULL) {
        lua_xmove(L, t->co, 4);
        w->task = t;
    }
    return 0;
}

static void
begin(void *arg)
{
    struct lua_io *w = arg;
    struct hs_lua_runtime *rt = w->rt;
    if (w->task != NULL) {
        return;
    }
    if (w->io == NULL) {
        w->wanted = w->out.len != 0 && w->write_err == 0 ? CALL_WRITE : CALL_CLOSE;
    }
    if (w->wanted == CALL_NONE) {
        return;
    }
    int err = hs_enter_protected(rt, prepare, w, "io.define");
    const enum call call = w->wanted;
    w->wanted = CALL_NONE;
    if (w->task == NULL) {
        if (w->io == NULL) {
            bury(w);
            return;
        }
        w->read_err = w->write_err = err != 0 ? err : ENOMEM;
        wake(w);
        return;
    }
    w->running = call;
    ec_httpsrv_session *sess = w->serial != 0 && call != CALL_CLOSE ? hs_session_by_serial(rt->env, w->serial) : NULL;
    struct hs_req *req = sess != NULL ? hs_req_get(rt, sess) : NULL;
    if (req != NULL) {
        hs_req_add_task(req, w->task);
    }
    hs_task_start(w->task, 3);
}

static void
want(struct lua_io *w, enum call call)
{
    if (w->running == CALL_NONE && w->wanted == CALL_NONE) {
        w->wanted = call;
        hs_defer(w->rt->loop, &w->begin);
    }
}

/* --- the wrapper --- */

static ssize_t
fail(int err)
{
    errno = err;
    return -1;
}

static ssize_t
method_read(io_object *io, void *buf, size_t nbytes)
{
    struct lua_io *w = io_wrapper_get_handle(io);
    const size_t have = w->in.len - w->taken;
    if (have != 0) {
        const size_t n = nbytes < have ? nbytes : have;
        memcpy(buf, w->in.p + w->taken, n);
        w->taken += n;
        if (w->taken == w->in.len) {
            hs_buf_clear(&w->in);
            w->taken = 0;
        }
        return (ssize_t)n;
    }
    if (w->read_err != 0) {
        return fail(w->read_err);
    }
    if (w->ended) {
        return 0;
    }
    want(w, CALL_READ);
    return fail(EAGAIN);
}

static ssize_t
method_write(io_object *io, const char *buf, size_t nbytes)
{
    struct lua_io *w = io_wrapper_get_handle(io);
    if (w->write_err != 0) {
        return fail(w->write_err);
    }
    if (w->out.len != 0 || w->running != CALL_NONE || w->wanted != CALL_NONE) {
        return fail(EAGAIN);
    }
    const size_t n = nbytes < WRITE_MAX ? nbytes : WRITE_MAX;
    int err = hs_buf_append(&w->out, buf, n);
    if (err != 0) {
        return fail(err);
    }
    if (n != 0) {
        want(w, CALL_WRITE);
    }
    return (ssize_t)n;
}

static int
method_flush(io_object *io)
{
    struct lua_io *w = io_wrapper_get_handle(io);
    if (w->write_err != 0) {
        return (int)fail(w->write_err);
    }
    return w->out.len != 0 ? (int)fail(EAGAIN) : 0;
}

static off_t
method_size(io_object *io)
{
    struct lua_io *w = io_wrapper_get_handle(io);
    return w->size >= 0 ? w->size : (off_t)fail(ENOTSUP);
}

static int
method_nonblocking(io_object *io)
{
    (void)io;
    return 1;
}

static int
method_close(io_object *io)
{
    struct lua_io *w = io_wrapper_get_handle(io);
    w->io = NULL;
    w->wait_fn = NULL;
    hs_deferred_cancel(w->rt->loop, &w->ready);
    if (w->res.close == NULL) {
        lua_io_reap(&w->res); /* the runtime has closed */
        return 0;
    }
    if (w->task != NULL && w->running == CALL_READ) {
        hs_task_cancel(w->task);
    } else if (w->task == NULL) {
        w->wanted = CALL_NONE;
        hs_defer(w->rt->loop, &w->begin);
    }
    return 0;
}

static int
method_wait(io_object *io, int what, io_wrapper_wait_func fn, void *arg)
{
    struct lua_io *w = io_wrapper_get_handle(io);
    w->wait_fn = fn;
    w->wait_arg = arg;
    if (fn == NULL) {
        hs_deferred_cancel(w->rt->loop, &w->ready);
        return 0;
    }
    if ((what & IO_WAIT_READ) != 0 && w->in.len == w->taken && !w->ended && w->read_err == 0) {
        want(w, CALL_READ);
    }
    if (w->running == CALL_NONE && w->wanted == CALL_NONE) {
        hs_defer(w->rt->loop, &w->ready);
    }
    return 0;
}

static const io_wrapper wrapper = {
    .sizeof_self = sizeof(io_wrapper),
    .write = method_write,
    .read = method_read,
    .close = method_close,
    .flush = method_flush,
    .supports_nonblocking = method_nonblocking,
    .scheme = "lua",
    .get_size = method_size,
    .wait = method_wait,
};

/* io_wrap(definition, size | nil) -> io. definition: { methods = …, state = … } */
static int
l_wrap(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    luaL_checktype(L, 1, LUA_TTABLE);
    const off_t size = lua_isnumber(L, 2) ? (off_t)lua_tonumber(L, 2) : -1;
    struct hs_io_box *box = hs_io_box_new(L, rt);
    lua_pushvalue(L, 1);
    int ref = luaL_ref(L, LUA_REGISTRYINDEX);
    struct lua_io *w = hs_lua_open(rt) ? calloc(1, sizeof(*w)) : NULL;
    io_object *io = w != NULL ? io_wrapper_create_object(&wrapper, w) : NULL;
    if (io != NULL) {
        hs_io_bind(io);
    }
    if (io == NULL) {
        free(w);
        luaL_unref(L, LUA_REGISTRYINDEX, ref);
        return hs_lua_fail(L, ENOMEM);
    }
    w->res.close = lua_io_close;
    w->res.reap = lua_io_reap;
    w->rt = rt;
    hs_runtime_addref(rt);
    w->io = io;
    w->def_ref = ref;
    w->size = size;
    w->serial = box->req != NULL ? hs_session_serial(box->req->sess) : 0;
    hs_buf_init(&w->in, CHUNK_MAX);
    hs_buf_init(&w->out, WRITE_MAX);
    hs_deferred_init(&w->begin, begin, w);
    hs_deferred_init(&w->ready, wake_now, w);
    TAILQ_INSERT_TAIL(&rt->resources, &w->res, link);
    box->io = io;
    return 1;
}

void
hs_lua_open_io_define(lua_State *L, struct hs_lua_runtime *rt)
{
    static const luaL_Reg functions[] = { { "io_wrap", l_wrap }, { NULL, NULL } };
    hs_lua_functions(L, rt, functions);
}
