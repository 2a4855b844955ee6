/* lua_control.c - a command that a script has registered runs as a task; what that prints goes to whoever has sent it.
 * Owns the command until its task has ended. */
#include "bindings/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/tally.h"
#include "bindings/arg.h"
#include "bindings/enter.h"
#include "bindings/internal.h"
#include "bindings/task.h"

struct hs_lua_command {
    struct hs_lua_runtime *rt;
    struct hs_task *task;
    const struct hs_lua_command_ops *ops;
    void *arg;
    int argc;
    char *const *argv; /* while it is being made */
};

/* What the function returned, as an exit status. */
static int
status_of(lua_State *co)
{
    if (lua_gettop(co) == 0 || lua_isnil(co, 1)) {
        return 0;
    }
    if (lua_type(co, 1) == LUA_TBOOLEAN) {
        return lua_toboolean(co, 1) ? 0 : 1;
    }
    const double n = lua_tonumber(co, 1);
    return lua_type(co, 1) == LUA_TNUMBER && n >= 0 && n <= 255 ? (int)n : 1;
}

/* Tells whoever has sent it the first line, and logs all. */
static void
tell_error(struct hs_lua_command *c, struct hs_task *t, int status)
{
    struct hs_buf text;

    hs_buf_init(&text, HS_LUA_TRACEBACK_MAX);
    hs_enter_describe(c->rt, t->co, status, &text);
    hs_tally(HS_TALLY_LUA_ERRORS);
    const char *end = text.p != NULL ? memchr(text.p, '\n', text.len) : NULL;
    const size_t n = end != NULL ? (size_t)(end - text.p) : text.len;
    if (text.p != NULL) {
        hs_log(HS_LOG_ERROR, "command: %.*s", (int)text.len, text.p);
        c->ops->write(c->arg, true, (struct hs_view){ text.p, n });
        c->ops->write(c->arg, true, HS_VIEW("\n"));
    }
    hs_buf_fini(&text);
}

static void
command_ended(struct hs_task *t, int status)
{
    struct hs_lua_command *c = t->data;
    int result = 1;

    if (status == 0) {
        result = status_of(t->co);
    } else if (status < HS_TASK_CANCELLED) {
        tell_error(c, t, status);
    }
    c->ops->ended(c->arg, result);
    free(c);
}

static const struct hs_task_ops command_ops = { "command", command_ended };

/* Looks the command up and puts its function on a new task's stack. */
static int
prepare(lua_State *L) /* throws; c->task is set last */
{
    struct hs_lua_command *c = lua_touserdata(L, 1);
    struct hs_lua_runtime *rt = c->rt;

    lua_rawgeti(L, LUA_REGISTRYINDEX, rt->ref_core);
    lua_getfield(L, -1, "control_find");
    lua_createtable(L, c->argc, 1);
    for (int i = 0; i < c->argc; i++) {
        lua_pushstring(L, c->argv[i]);
        lua_rawseti(L, -2, i);
    }
    lua_pushinteger(L, c->argc);
    lua_call(L, 2, 1);
    if (lua_isfunction(L, -1)) {
        c->task = hs_task_new(rt, L, &command_ops, c);
        if (c->task != NULL) {
            lua_xmove(L, c->task->co, 1);
        }
    }
    return 0;
}

int
hs_lua_command_new(struct hs_lua_runtime *rt, int argc, char *const *argv, const struct hs_lua_command_ops *ops, void *arg,
                   struct hs_lua_command **out)
{
    if (!hs_lua_open(rt)) {
        return EBADF;
    }
    struct hs_lua_command *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return ENOMEM;
    }
    *c = (struct hs_lua_command){ .rt = rt, .ops = ops, .arg = arg, .argc = argc, .argv = argv };
    int err = hs_enter_protected(rt, prepare, c, "command");
    if (err == 0 && c->task == NULL) {
        err = ENOENT;
    }
    if (err != 0) {
        free(c);
        return err;
    }
    *out = c;
    return 0;
}

void
hs_lua_command_start(struct hs_lua_command *c)
{
    hs_task_start(c->task, 0);
}

void
hs_lua_command_cancel(struct hs_lua_command *c)
{
    hs_task_cancel(c->task);
}

/* --- the names --- */

struct listing {
    struct hs_lua_runtime *rt;
    void (*fn)(void *arg, const char *name);
    void *arg;
};

static int
list(lua_State *L)
{
    struct listing *l = lua_touserdata(L, 1);

    lua_rawgeti(L, LUA_REGISTRYINDEX, l->rt->ref_core);
    lua_getfield(L, -1, "control_names");
    lua_call(L, 0, 1);
    for (int i = 1;; i++) {
        lua_rawgeti(L, -1, i);
        if (!lua_isstring(L, -1)) {
            return 0;
        }
        l->fn(l->arg, lua_tostring(L, -1));
        lua_pop(L, 1);
    }
}

int
hs_lua_commands_each(struct hs_lua_runtime *rt, void (*fn)(void *arg, const char *name), void *arg)
{
    struct listing l = { rt, fn, arg };

    return hs_lua_open(rt) ? hs_enter_protected(rt, list, &l, "commands") : EBADF;
}

/* --- for Lua --- */

static bool
write_text(struct hs_lua_runtime *rt, bool to_err, struct hs_view text)
{
    const struct hs_task *t = rt->current;

    if (t == NULL || t->ops != &command_ops) {
        return false;
    }
    const struct hs_lua_command *c = t->data;
    c->ops->write(c->arg, to_err, text);
    return true;
}

bool
hs_lua_command_print(struct hs_lua_runtime *rt, struct hs_view text)
{
    return write_text(rt, false, text);
}

/* control_write(text, to_err): of the command that the running task carries out; else to the log */
static int
l_control_write(lua_State *L)
{
    struct hs_view v = hs_lua_arg_bytes(L, 1, 1, "print");

    if (!write_text(hs_lua_rt(L), lua_toboolean(L, 2) != 0, v)) {
        hs_log(HS_LOG_INFO, "%.*s", v.n > HS_LOG_MAX ? HS_LOG_MAX : (int)v.n, v.p);
    }
    return 0;
}

void
hs_lua_open_control(lua_State *L, struct hs_lua_runtime *rt)
{
    static const luaL_Reg functions[] = { { "control_write", l_control_write }, { NULL, NULL } };

    hs_lua_functions(L, rt, functions);
}
