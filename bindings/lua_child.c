/* lua_child.c - child processes: httpsrv.io.popen.
 * The userdata owns a reference on the child; its stdin and stdout are ios like any other, which own it too. When the session in whose
 * handler it was started ends, both are closed, the child's process group is killed, and the child given up. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "bindings/arg.h"
#include "bindings/child.h"
#include "bindings/io_box.h"
#include "bindings/req.h"
#include "bindings/wait.h"

#define MAX_ARGS 4096

static void
leave_session(struct hs_lua_child *c)
{
    if (c->req != NULL) {
        LIST_REMOVE(c, link);
        c->req = NULL;
    }
}

void
hs_lua_child_session_ended(struct hs_lua_child *c)
{
    leave_session(c);
    if (c->child == NULL || c->reaped) {
        return;
    }
    hs_child_kill(c->child, SIGKILL);
    if (c->waiting == NULL) { /* not kept until the userdata is collected, as a process that nobody has waited for */
        c->reaped = hs_child_wait(c->child, &c->status, NULL, NULL) == 0;
        hs_child_delref(c->child);
        c->child = NULL;
    }
}

static struct hs_lua_child *
check(lua_State *L, const char *fname)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    bool ok = lua_type(L, 1) == LUA_TUSERDATA && lua_getmetatable(L, 1) != 0;
    if (ok) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, rt->ref_child);
        ok = lua_rawequal(L, -1, -2) != 0;
        lua_pop(L, 2);
    }
    if (!ok) {
        hs_lua_throw(L, "calling '%s' on bad self (child expected, got %s)", fname, luaL_typename(L, 1));
    }
    return lua_touserdata(L, 1);
}

/* Pushes a NULL-terminated argv, in memory of the state, made of the table at 1, whose strings the table keeps. */
static char **
push_argv(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    const size_t n = lua_objlen(L, 1);
    if (n == 0 || n > MAX_ARGS) {
        hs_lua_arg_error(L, 1, "popen", "list of a program and its arguments expected");
    }
    char **argv = lua_newuserdata(L, (n + 1) * sizeof(*argv));
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(L, 1, (int)i + 1);
        if (lua_type(L, -1) != LUA_TSTRING || strlen(lua_tostring(L, -1)) != lua_objlen(L, -1)) {
            hs_lua_arg_error(L, 1, "popen", "arguments are strings without NUL");
        }
        argv[i] = (char *)(uintptr_t)lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    argv[n] = NULL;
    return argv;
}

/* popen(argv) -> child, stdin, stdout */
static int
l_popen(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    char **argv = push_argv(L);
    struct hs_req *req = hs_req_current(rt, L);
    lua_rawgeti(L, LUA_REGISTRYINDEX, rt->ref_child);
    struct hs_lua_child *c = lua_newuserdata(L, sizeof(*c));
    memset(c, 0, sizeof(*c));
    c->rt = rt;
    lua_insert(L, -2);
    lua_setmetatable(L, -2);
    struct hs_io_box *in = hs_io_box_new(L, rt);
    struct hs_io_box *out = hs_io_box_new(L, rt);
    int err = hs_io_popen(argv, &in->io, &out->io, &c->child);
    if (err != 0) {
        in->io = out->io = NULL;
        c->child = NULL;
        return hs_lua_fail(L, err);
    }
    if (req != NULL && req->sess != NULL) {
        c->req = req;
        in->with_session = out->with_session = true;
        LIST_INSERT_HEAD(&req->children, c, link);
        in->with_session = out->with_session = true;
    }
    return 3;
}

static int
push_status(lua_State *L, int status)
{
    if (WIFEXITED(status)) {
        lua_pushinteger(L, WEXITSTATUS(status));
        return 1;
    }
    lua_pushnil(L);
    lua_pushfstring(L, "killed by signal %d", WTERMSIG(status));
    lua_pushinteger(L, WTERMSIG(status));
    return 3;
}

static void
child_ended(void *arg)
{
    struct hs_lua_child *c = arg;
    if (c->waiting != NULL) {
        hs_task_wake(c->waiting, 0);
    }
}

static void
disarm_wait(struct hs_task *t)
{
    struct hs_lua_child *c = t->w.ptr;
    c->waiting = NULL;
    int status;
    if (c->child != NULL) {
        (void)hs_child_wait(c->child, &status, NULL, NULL);
    }
}

/* child_wait(child) -> exit status, or nil, "killed by signal N", N. Waits. */
static int
l_wait(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    struct hs_lua_child *c = check(L, "wait");
    if (c->reaped) {
        return push_status(L, c->status);
    }
    if (c->child == NULL) {
        return hs_lua_fail(L, EBADF);
    }
    if (c->waiting != NULL) {
        return hs_lua_fail_as(L, EBUSY, "another task waits for the child");
    }
    int err = hs_child_wait(c->child, &c->status, NULL, NULL);
    if (err == EAGAIN) {
        struct hs_task *t = hs_wait_begin(L, rt);
        if (t == NULL) {
            return hs_wait_refuse(L, rt);
        }
        err = hs_child_wait(c->child, &c->status, child_ended, c);
        if (err == EAGAIN) {
            c->waiting = t;
            t->w.ptr = c;
            return hs_wait_yield(L, t, disarm_wait);
        }
    }
    if (err != 0) {
        return hs_lua_fail(L, err);
    }
    c->reaped = true;
    leave_session(c);
    return push_status(L, c->status);
}

/* child_kill(child, signal) -> true */
static int
l_kill(lua_State *L)
{
    struct hs_lua_child *c = check(L, "kill");
    const int sig = lua_isnoneornil(L, 2) ? SIGTERM : (int)hs_lua_arg_integer(L, 2, 1, "kill", 0, 64);
    if (c->reaped || c->child == NULL) {
        return hs_lua_fail(L, ESRCH);
    }
    hs_child_kill(c->child, sig);
    lua_pushboolean(L, 1);
    return 1;
}

static int
l_gc(lua_State *L)
{
    struct hs_lua_child *c = check(L, "gc");
    struct hs_child *child = c->child;
    leave_session(c);
    c->child = NULL;
    hs_child_delref(child);
    return 0;
}

void
hs_lua_open_child(lua_State *L, struct hs_lua_runtime *rt)
{
    static const luaL_Reg functions[] = {
        { "popen", l_popen },
        { "child_wait", l_wait },
        { "child_kill", l_kill },
        { NULL, NULL },
    };
    static const luaL_Reg meta[] = { { "__gc", l_gc }, { NULL, NULL } };
    hs_lua_functions(L, rt, functions);
    lua_newtable(L);
    hs_lua_functions(L, rt, meta);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    rt->ref_child = luaL_ref(L, LUA_REGISTRYINDEX);
}
