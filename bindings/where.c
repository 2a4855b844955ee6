/* where.c - where in a script a task stands: lua_getinfo on its suspended coroutine.
 * Nothing is kept for it while scripts run. What is looked at is only read: no Lua is entered, nothing is allocated. */
#include "bindings/where.h"

#include <stdio.h>
#include <string.h>

#include "bindings/req.h"

enum {
    DEPTH_MAX = 64,       /* coroutines inside one another that are followed */
    COROUTINES_MAX = 2000, /* that are looked at for it */
    LEVELS_MAX = 200,
};

/* Frames of our own files are named "=[httpsrv.wait]"; of C code, "=[C]". */
static bool
is_script(const lua_Debug *ar)
{
    return *ar->what != 'C' && ar->source[0] != '\0' && !(ar->source[0] == '=' && ar->source[1] == '[');
}

/* "file.lua:12", the file as seen from the scripts' directory. */
static void
write_place(const struct hs_lua_runtime *rt, const lua_Debug *ar, struct hs_session_where *w)
{
    const char *name = ar->source[0] == '@' ? ar->source + 1 : ar->short_src;
    size_t n = strlen(rt->dir);

    if (strncmp(name, rt->dir, n) == 0 && name[n] == '/') {
        name += n + 1;
    }
    size_t len = strlen(name);
    const size_t room = sizeof w->place - 16;
    (void)snprintf(w->place, sizeof w->place, "%s%s:%d", len > room ? "..." : "", len > room ? name + len - room + 3 : name, ar->currentline);
}

/* The innermost frame of a script's on one coroutine. */
static bool
find_frame(const struct hs_lua_runtime *rt, lua_State *co, struct hs_session_where *w)
{
    lua_Debug ar, called;
    bool has_called = false;

    for (int level = 0; level < LEVELS_MAX && lua_getstack(co, level, &ar) == 1; level++) {
        if (lua_getinfo(co, "Sl", &ar) == 0) {
            return false;
        }
        if (is_script(&ar)) {
            write_place(rt, &ar, w);
            if (has_called && lua_getinfo(co, "n", &called) != 0 && called.name != NULL) {
                (void)snprintf(w->call, sizeof w->call, "%s", called.name);
            }
            return true;
        }
        called = ar;
        has_called = true;
    }
    return false;
}

/* The coroutine that a coroutine has resumed, and that waits: those of scripts are noted with the one that resumed them. NULL: none is found. */
static lua_State *
find_child(struct hs_lua_runtime *rt, lua_State *parent, unsigned *budget)
{
    lua_State *L = rt->L, *found = NULL;
    const int top = lua_gettop(L);

    lua_rawgeti(L, LUA_REGISTRYINDEX, rt->ref_blocked);
    lua_rawgeti(L, LUA_REGISTRYINDEX, rt->ref_parents);
    lua_pushnil(L);
    while (found == NULL && *budget > 0 && lua_next(L, -2) != 0) {
        (*budget)--;
        if (lua_tothread(L, -1) == parent) {
            lua_pushvalue(L, -2);
            lua_rawget(L, top + 1);
            found = lua_toboolean(L, -1) ? lua_tothread(L, -3) : NULL;
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    }
    lua_settop(L, top);
    return found;
}

/* Whether a coroutine is inside one that it has resumed: our coroutine.resume is on its stack. */
static bool
has_child(lua_State *co)
{
    lua_Debug ar;

    for (int level = 0; level < 8 && lua_getstack(co, level, &ar) == 1; level++) {
        if (lua_getinfo(co, "S", &ar) != 0 && strcmp(ar.source, "=[httpsrv.coroutine]") == 0) {
            return true;
        }
    }
    return false;
}

bool
hs_task_where(struct hs_task *t, struct hs_session_where *w)
{
    struct hs_lua_runtime *rt = t->rt;
    unsigned budget = COROUTINES_MAX;
    lua_State *co = t->co;
    bool found;

    w->place[0] = w->call[0] = '\0';
    if (!hs_lua_open(rt) || co == NULL || !t->started || (t->state != HS_TASK_WAITING && t->state != HS_TASK_READY)) {
        return false;
    }
    found = find_frame(rt, co, w);
    for (int depth = 0; depth < DEPTH_MAX && co != NULL && has_child(co); depth++) {
        co = find_child(rt, co, &budget);
        found = (co != NULL && find_frame(rt, co, w)) || found;
    }
    return found;
}

bool
hs_req_where(const struct hs_req *req, struct hs_session_where *w)
{
    struct hs_task *t;

    if (req->handler != NULL) {
        return hs_task_where(req->handler, w);
    }
    LIST_FOREACH (t, &req->tasks, req_link) {
        if (hs_task_where(t, w)) {
            return true;
        }
    }
    return false;
}
