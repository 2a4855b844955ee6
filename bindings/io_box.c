/* io_box.c - the userdata by which scripts hold an io_object, and waiting through it.
 * An io has one waiter; the box is it for both a task that waits to read and one that waits to write, and wakes both when something can be
 * tried again. */
#include "bindings/io_box.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bindings/arg.h"
#include "bindings/wait.h"
#include "io/io.h"

#define MAX_AHEAD ((size_t)1 << 30)

struct hs_io_box *
hs_io_box_new(lua_State *L, struct hs_lua_runtime *rt)
{
    struct hs_req *req = hs_req_current(rt, L);
    lua_rawgeti(L, LUA_REGISTRYINDEX, rt->ref_box);
    struct hs_io_box *box = lua_newuserdata(L, sizeof(*box));
    memset(box, 0, sizeof(*box));
    box->rt = rt;
    hs_buf_init(&box->ahead, MAX_AHEAD);
    lua_insert(L, -2);
    lua_setmetatable(L, -2);
    if (req != NULL && req->sess != NULL) {
        box->req = req;
        LIST_INSERT_HEAD(&req->boxes, box, link);
    }
    return box;
}

struct hs_io_box *
hs_io_box_test(lua_State *L, struct hs_lua_runtime *rt, int idx)
{
    if (lua_type(L, idx) != LUA_TUSERDATA || lua_getmetatable(L, idx) == 0) {
        return NULL;
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, rt->ref_box);
    const bool same = lua_rawequal(L, -1, -2) != 0;
    lua_pop(L, 2);
    return same ? lua_touserdata(L, idx) : NULL;
}

struct hs_io_box *
hs_io_box_check(lua_State *L, struct hs_lua_runtime *rt, int idx, int n, const char *fname)
{
    struct hs_io_box *box = hs_io_box_test(L, rt, idx);
    if (box != NULL) {
        return box;
    }
    if (n == 0) {
        hs_lua_throw(L, "calling '%s' on bad self (io expected, got %s)", fname, luaL_typename(L, idx));
    }
    hs_lua_type_error(L, idx, n, fname, "io");
}

void
hs_io_box_close(struct hs_io_box *box)
{
    if (box->req != NULL) {
        LIST_REMOVE(box, link);
        box->req = NULL;
    }
    hs_buf_fini(&box->ahead);
    box->taken = 0;
    box->lent = false;
    io_object *io = box->io;
    box->io = NULL;
    if (box->reader != NULL) {
        hs_task_wake_later(box->reader, EBADF);
    }
    if (box->writer != NULL) {
        hs_task_wake_later(box->writer, EBADF);
    }
    io_wrapper_delref(io);
}

io_object *
hs_io_box_source(struct hs_io_box *box)
{
    if (box->io == NULL) {
        errno = box->lent ? EBUSY : EBADF;
        return NULL;
    }
    const size_t n = box->ahead.len - box->taken;
    if (n != 0 && io_wrapper_lseek(box->io, -(off_t)n, SEEK_CUR) < 0) {
        io_object *sources[2] = { io_wrapper_copy_memory(box->ahead.p + box->taken, n, MEMTYPE_DONTCARE), box->io };
        io_object *both = sources[0] != NULL ? hs_io_concat(sources, 2) : NULL;
        const int err = errno;
        io_wrapper_delref(sources[0]);
        if (both == NULL) {
            errno = err;
            return NULL;
        }
        io_wrapper_delref(box->io);
        box->io = both;
    }
    hs_buf_clear(&box->ahead);
    box->taken = 0;
    io_wrapper_addref(box->io);
    return box->io;
}

io_object *
hs_io_box_lend(struct hs_io_box *box)
{
    io_object *io = hs_io_box_source(box);
    if (io != NULL) {
        io_wrapper_delref(box->io);
        box->io = NULL;
        box->lent = true;
    }
    return io;
}

void
hs_io_box_take_back(struct hs_io_box *box, io_object *io)
{
    if (box->lent) {
        box->lent = false;
        box->io = io;
    } else {
        io_wrapper_delref(io);
    }
}

/* --- waiting --- */

static void
stop_waiting(struct hs_io_box *box)
{
    if (box->armed != NULL) {
        io_object *io = box->armed;
        box->armed = NULL;
        (void)io_wrapper_wait(io, IO_WAIT_READ, NULL, NULL);
        io_wrapper_delref(io);
    }
}

/* Something can be tried again: whoever waits does. */
static void
ready(io_object *io, void *arg)
{
    struct hs_io_box *box = arg;
    struct hs_task *reader = box->reader, *writer = box->writer;
    box->armed = NULL;
    if (reader != NULL && writer != NULL) {
        hs_task_wake_later(writer, 0);
    }
    /* What runs now may collect the box. */
    if (reader != NULL || writer != NULL) {
        hs_task_wake(reader != NULL ? reader : writer, 0);
    }
    io_wrapper_delref(io);
}

/* Arms the io's one waiter for all who wait through the box. 0 or errno. */
static int
arm(struct hs_io_box *box, io_object *io)
{
    const int what = (box->reader != NULL ? IO_WAIT_READ : 0) | (box->writer != NULL ? IO_WAIT_WRITE : 0);
    stop_waiting(box);
    if (what == 0) {
        return 0;
    }
    if (io_wrapper_wait(io, what, ready, box) != 0) {
        return errno;
    }
    io_wrapper_addref(io);
    box->armed = io;
    return 0;
}

static void
disarm(struct hs_task *t)
{
    struct hs_io_box *box = t->w.io.box;
    if (box->reader == t) {
        box->reader = NULL;
    } else {
        box->writer = NULL;
    }
    struct hs_task *other = box->reader != NULL ? box->reader : box->writer;
    if (box->armed != NULL && arm(box, t->w.io.io) != 0 && other != NULL) {
        hs_task_wake_later(other, 0); /* tries again, and fails for itself */
    }
    io_wrapper_delref(t->w.io.io);
}

int
hs_io_box_wait(lua_State *L, struct hs_io_box *box, int what)
{
    struct hs_lua_runtime *rt = box->rt;
    struct hs_task *t = hs_wait_begin(L, rt);
    if (t == NULL) {
        return hs_wait_refuse(L, rt);
    }
    struct hs_task **slot = what == IO_WAIT_READ ? &box->reader : &box->writer;
    if (*slot != NULL) {
        return hs_lua_fail_as(L, EBUSY, "another task waits for this io");
    }
    *slot = t;
    int err = arm(box, box->io);
    if (err != 0) {
        *slot = NULL;
        struct hs_task *other = box->reader != NULL ? box->reader : box->writer;
        if (other != NULL) {
            hs_task_wake_later(other, 0);
        }
        return err == EBUSY ? hs_lua_fail_as(L, EBUSY, "io is in use") : hs_lua_fail(L, err);
    }
    io_wrapper_addref(box->io);
    t->w.io.io = box->io;
    t->w.io.box = box;
    return hs_wait_yield(L, t, disarm);
}
