/* unpack.c - values out of a packet: the receiver's half of pack.c.
 * The bytes come from pack.c in the same process, so what does not fit is a mistake of ours and asserted. */
#include <assert.h>
#include <string.h>

#include "bindings/arg.h"
#include "bindings/io_box.h"
#include "bindings/pack.h"
#include "bindings/pack_int.h"
#include "io/io.h"

struct unpacker {
    struct hs_lua_runtime *rt;
    struct hs_pack *p;
    size_t at;
    unsigned next_id;
    int memo;  /* stack index: number -> value */
    int boxes; /* place -> box */
    int known; /* the same, of those that were on loan */
};

static char
get_letter(struct unpacker *u)
{
    assert(u->at < u->p->data.len);
    return u->p->data.p[u->at++];
}

static const char *
get(struct unpacker *u, size_t n)
{
    assert(n <= u->p->data.len - u->at);
    const char *p = u->p->data.p + u->at;
    u->at += n;
    return p;
}

static uint32_t
get_number(struct unpacker *u)
{
    uint32_t n;
    memcpy(&n, get(u, sizeof(n)), sizeof(n));
    return n;
}

static double
get_double(struct unpacker *u)
{
    double d;
    memcpy(&d, get(u, sizeof(d)), sizeof(d));
    return d;
}

/* Numbers the value at the top, which stays. */
static unsigned
remember(lua_State *L, struct unpacker *u)
{
    lua_pushvalue(L, -1);
    lua_rawseti(L, u->memo, (int)++u->next_id);
    return u->next_id;
}

static void get_value(lua_State *L, struct unpacker *u);

static void
get_table(lua_State *L, struct unpacker *u)
{
    lua_newtable(L);
    remember(L, u);
    while (u->p->data.p[u->at] != 'E' && u->p->data.p[u->at] != 'W') {
        get_value(L, u);
        get_value(L, u);
        lua_rawset(L, -3);
    }
    if (get_letter(u) == 'W') {
        get_value(L, u);
        lua_setmetatable(L, -2);
    }
}

static void
get_upvalue(lua_State *L, struct unpacker *u, int i)
{
    if (get_letter(u) == 'V') {
        get_value(L, u);
        (void)lua_setupvalue(L, -2, i);
        return;
    }
    const uint32_t cell = get_number(u);
    lua_rawgeti(L, u->memo, (int)(cell / 256));
    lua_upvaluejoin(L, -2, i, -1, (int)(cell % 256));
    lua_pop(L, 1);
}

static void
get_function(lua_State *L, struct unpacker *u)
{
    const uint32_t n = get_number(u);
    const char *p = get(u, n);
    if (luaL_loadbufferx(L, p, n, "=pool", "b") != 0) {
        lua_error(L);
    }
    lua_Debug ar;
    lua_pushvalue(L, -1);
    lua_getinfo(L, ">u", &ar);
    remember(L, u);
    for (int i = 1; i <= ar.nups; i++) {
        get_upvalue(L, u, i);
    }
    if (get_letter(u) == 'W') {
        get_value(L, u);
        lua_setfenv(L, -2);
    }
}

/* Pushes a module, or a field of one, by its name, and requires it where it is not there. */
static void
get_named(lua_State *L, struct unpacker *u)
{
    const uint32_t n = get_number(u);
    const char *name = get(u, n);
    const char *field = memchr(name, '\0', n);
    const size_t len = field != NULL ? (size_t)(field - name) : n;
    lua_getfield(L, LUA_REGISTRYINDEX, "_LOADED");
    lua_pushlstring(L, name, len);
    lua_rawget(L, -2);
    if (!lua_toboolean(L, -1)) {
        lua_getglobal(L, "require");
        lua_pushlstring(L, name, len);
        lua_call(L, 1, 1);
        lua_replace(L, -2);
    }
    lua_remove(L, -2);
    if (field == NULL) {
        return;
    }
    if (lua_istable(L, -1)) {
        lua_pushlstring(L, field + 1, n - len - 1);
        lua_rawget(L, -2);
        lua_remove(L, -2);
        if (!lua_isnil(L, -1)) {
            return;
        }
    }
    lua_pushlstring(L, name, len);
    lua_pushlstring(L, field + 1, n - len - 1);
    hs_lua_throw(L, "the module '%s' has no '%s' in this thread's state", lua_tostring(L, -2), lua_tostring(L, -1));
}

static void
get_session(lua_State *L, struct unpacker *u)
{
    lua_createtable(L, 1, 0);
    lua_pushnumber(L, get_double(u));
    lua_rawseti(L, -2, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, u->rt->ref_core);
    lua_getfield(L, -1, "session_meta");
    lua_remove(L, -2);
    lua_setmetatable(L, -2);
}

static void
get_value(lua_State *L, struct unpacker *u)
{
    luaL_checkstack(L, 8, "too deep");
    switch (get_letter(u)) {
    case 'z': lua_pushnil(L); return;
    case 't': lua_pushboolean(L, 1); return;
    case 'f': lua_pushboolean(L, 0); return;
    case 'n': lua_pushlightuserdata(L, NULL); return;
    case 'd': lua_pushnumber(L, get_double(u)); return;
    case 's': {
        const uint32_t n = get_number(u);
        lua_pushlstring(L, get(u, n), n);
        return;
    }
    case 'R': lua_rawgeti(L, u->memo, (int)get_number(u)); return;
    case 'M': get_named(L, u); return;
    case 'S': get_session(L, u); return;
    case 'I':
        lua_rawgeti(L, u->boxes, (int)get_number(u));
        remember(L, u);
        return;
    case 'A': lua_rawgeti(L, u->known, (int)get_number(u)); return;
    case 'T': get_table(L, u); return;
    case 'L': get_function(L, u); return;
    default: assert(false && "a letter that nobody has written");
    }
}

int
hs_pack_push(lua_State *L, struct hs_lua_runtime *rt, int known, struct hs_pack *p)
{
    luaL_checkstack(L, 8, NULL);
    struct unpacker u = { .rt = rt, .p = p, .known = known };
    lua_newtable(L);
    u.boxes = lua_gettop(L);
    for (size_t i = 0; i < p->nios; i++) {
        struct hs_io_box *box = hs_io_box_new(L, rt);
        lua_rawseti(L, u.boxes, (int)i + 1);
        box->io = p->ios[i].io;
        p->ios[i].io = NULL;
    }
    lua_newtable(L);
    u.memo = lua_gettop(L);
    int n = 0;
    while (u.at < p->data.len) {
        get_value(L, &u);
        n++;
    }
    lua_remove(L, u.memo);
    return n;
}

void
hs_pack_collect(lua_State *L, struct hs_lua_runtime *rt, int idx, struct hs_pack *p)
{
    for (size_t i = 0; i < p->nios; i++) {
        lua_rawgeti(L, idx, (int)i + 1);
        struct hs_io_box *box = hs_io_box_test(L, rt, -1);
        lua_pop(L, 1);
        if (box == NULL || box->io == NULL) {
            p->ios[i].closed = box == NULL || !box->lent;
            continue;
        }
        /* Drained by a response: gone. Waited for by a task of the receiver: that is being ended. */
        io_object *io = hs_io_is_claimed(box->io) ? NULL : hs_io_box_source(box);
        hs_io_box_close(box);
        p->ios[i].io = io;
    }
}
