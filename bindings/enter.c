/* enter.c - the one door from C into Lua.
 * A task is entered by a plain lua_resume: its coroutine is its own protected call, and after an error its stack is still there
 * for the traceback. Everything else that C needs of Lua and that may throw runs in a protected C function.
 * An error value can be anything: it is turned into text in a protected call of its own. */
#include "bindings/enter.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "bindings/task.h"

static inline __attribute__((always_inline)) int
resume(struct hs_lua_runtime *rt, struct hs_task *t, int nargs)
{
    rt->entered = 1;
    rt->current = t;
    int status = lua_resume(t->co, nargs);
    rt->current = NULL;
    rt->entered = 0;
    return status;
}

/* Before the runtime serves, when what registers itself belongs to its generation. */
static __attribute__((noinline)) int
resume_loading(struct hs_lua_runtime *rt, struct hs_task *t, int nargs)
{
    if (rt->generation == NULL) {
        return resume(rt, t, nargs);
    }
    hs_generation_set_building(rt->generation);
    int status = resume(rt, t, nargs);
    hs_generation_set_building(NULL);
    return status;
}

int
hs_enter_resume(struct hs_task *t, int nargs)
{
    struct hs_lua_runtime *rt = t->rt;
    assert(rt->entered == 0 && rt->current == NULL);
    return __builtin_expect(rt->phase == HS_LUA_RUN, 1) ? resume(rt, t, nargs) : resume_loading(rt, t, nargs);
}

struct protected_call {
    lua_CFunction fn;
    void *ud;
};

static int
protected_fn(lua_State *L)
{
    struct protected_call *c = lua_touserdata(L, 1);
    lua_settop(L, 0);
    lua_pushlightuserdata(L, c->ud);
    (void)c->fn(L);
    return 0;
}

int
hs_enter_protected(struct hs_lua_runtime *rt, lua_CFunction fn, void *ud, const char *what)
{
    lua_State *L = rt->L;
    assert(rt->entered == 0);
    const int top = lua_gettop(L);
    struct protected_call c = { fn, ud };
    rt->entered = 1;
    rt->share.in_c = true;
    int status = lua_cpcall(L, protected_fn, &c);
    rt->share.in_c = false;
    rt->entered = 0;
    int err = 0;
    if (status != 0) {
        err = status == LUA_ERRMEM ? ENOMEM : EINVAL;
        if (what != NULL) {
            const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "(error object)";
            hs_log(HS_LOG_ERROR, "%s: %s", what, text);
        }
        lua_settop(L, top);
    }
    assert(lua_gettop(L) == top);
    if (err == ENOMEM && rt->share.due && rt->busy == 0) {
        hs_lua_share_collect(rt);
    }
    return err;
}

struct describe {
    struct hs_lua_runtime *rt;
    lua_State *co;
    int status;
    struct hs_buf *out;
};

/* What is to be logged ends at a NUL: it is shown as ^@. */
static void
append_top(lua_State *L, struct hs_buf *out, size_t most)
{
    size_t n = 0;
    const char *s = lua_tolstring(L, -1, &n);
    if (s == NULL) {
        return;
    }
    n = n < most ? n : most;
    for (const char *end = s + n, *p; (p = memchr(s, '\0', (size_t)(end - s))) != NULL; s = p + 1, n = (size_t)(end - s)) {
        (void)hs_buf_append(out, s, (size_t)(p - s));
        (void)hs_buf_append_view(out, HS_VIEW("^@"));
    }
    (void)hs_buf_append(out, s, n);
}

static int
describe_value(lua_State *L)
{
    struct describe *d = lua_touserdata(L, 1);
    if (lua_gettop(d->co) == 0) {
        lua_pushnil(L);
    } else {
        if (lua_checkstack(d->co, 1) != 0) {
            lua_pushvalue(d->co, -1);
        } /* else moved: after a stack overflow there is no room for a copy */
        lua_xmove(d->co, L, 1);
    }
    if (!lua_isstring(L, -1)) {
        const char *type = luaL_typename(L, -1);
        bool told = false;
        if (luaL_getmetafield(L, -1, "__tostring") != 0) {
            lua_pop(L, 1);
            lua_rawgeti(L, LUA_REGISTRYINDEX, d->rt->ref_tostring);
            lua_insert(L, -2);
            told = lua_pcall(L, 1, 1, 0) == 0 && lua_isstring(L, -1);
        }
        if (!told) {
            lua_pushfstring(L, "(error object is a %s value)", type);
        }
    }
    append_top(L, d->out, (d->out->max - d->out->len) / 2); /* a long message leaves room for the traceback */
    return 0;
}

static int
describe_traceback(lua_State *L)
{
    struct describe *d = lua_touserdata(L, 1);
    luaL_traceback(L, d->co, NULL, 0);
    (void)hs_buf_append_char(d->out, '\n');
    append_top(L, d->out, d->out->max - d->out->len);
    return 0;
}

void
hs_enter_describe(struct hs_lua_runtime *rt, lua_State *co, int status, struct hs_buf *out)
{
    struct describe d = { rt, co, status, out };
    const size_t before = out->len;
    (void)hs_enter_protected(rt, describe_value, &d, NULL);
    if (out->len == before) {
        (void)hs_buf_append_view(out, status == LUA_ERRMEM ? HS_VIEW("not enough memory") : HS_VIEW("(error)"));
    }
    (void)hs_enter_protected(rt, describe_traceback, &d, NULL);
}
