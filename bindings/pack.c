/* pack.c - values become a packet of bytes: the sender's half, and the packet itself; unpack.c is the other.
 * A value is a letter and what belongs to it. Tables, functions and ios are numbered as they are met, so what is met again is the number:
 * that keeps cycles, and what is shared stays shared. All that can throw runs in one protected call; the packet is the caller's. */
#include "bindings/pack.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bindings/io_box.h"
#include "bindings/pack_int.h"
#include "io/io.h"

#define DEPTH_MAX 180
#define IOS_MAX 1000

/* How a value was come by, for the error that names it. */
struct step {
    const struct step *up;
    enum { STEP_ARGUMENT, STEP_UPVALUE, STEP_FIELD, STEP_META, STEP_ENV } kind;
    const char *text; /* the kind of argument; the upvalue's name */
    int n;            /* which argument; field: where the key is on the stack */
};

struct packer {
    struct hs_lua_runtime *rt;
    struct hs_pack *p;
    const char *what;
    int first, n;
    int err;
    unsigned next_id;
    unsigned depth;
    /* stack indices of tables */
    int memo;   /* value -> number */
    int cells;  /* identity of an upvalue -> function's number * 256 + its own */
    int names;  /* value -> "module" or "module\0field" */
    int boxes;  /* place -> box */
    int known;  /* place -> box that is on loan; nil or a table */
};

void
hs_pack_init(struct hs_pack *p)
{
    *p = (struct hs_pack){ .ios = NULL };
    hs_buf_init(&p->data, HS_PACK_MAX);
}

void
hs_pack_fini(struct hs_pack *p)
{
    for (size_t i = 0; i < p->nios; i++) {
        if (p->ios[i].io != NULL) {
            io_wrapper_delref(p->ios[i].io);
        }
    }
    free(p->ios);
    p->ios = NULL;
    p->nios = 0;
    hs_buf_fini(&p->data);
}

/* --- errors --- */

static void
describe(lua_State *L, const struct step *s, char *out, size_t room)
{
    char before[160] = "";
    if (s->up != NULL) {
        describe(L, s->up, before, sizeof(before));
    }
    switch (s->kind) {
    case STEP_ARGUMENT:
        if (s->n != 0) {
            (void)snprintf(out, room, "%s %d", s->text, s->n);
        } else {
            *out = '\0';
        }
        break;
    case STEP_UPVALUE: (void)snprintf(out, room, "%s%supvalue '%s'", before, *before != '\0' ? ": " : "", s->text); break;
    case STEP_META: (void)snprintf(out, room, "the metatable of %s", before); break;
    case STEP_ENV: (void)snprintf(out, room, "%s%sthe environment", before, *before != '\0' ? ": " : ""); break;
    default:
        if (lua_type(L, s->n) == LUA_TSTRING) {
            (void)snprintf(out, room, "%s.%s", before, lua_tostring(L, s->n));
        } else if (lua_type(L, s->n) == LUA_TNUMBER) {
            (void)snprintf(out, room, "%s[%.14g]", before, lua_tonumber(L, s->n));
        } else {
            (void)snprintf(out, room, "%s[%s]", before, luaL_typename(L, s->n));
        }
    }
}

static void __attribute__((noreturn))
give_up(lua_State *L, struct packer *k, int err)
{
    k->err = err;
    lua_pushnil(L);
    lua_error(L);
    __builtin_unreachable();
}

static void __attribute__((noreturn))
refuse(lua_State *L, struct packer *k, const struct step *s, const char *why)
{
    char place[160];
    describe(L, s, place, sizeof(place));
    (void)snprintf(k->p->why, sizeof(k->p->why), "%s cannot travel to another thread: it is %s", *place != '\0' ? place : "the function",
                   why);
    give_up(L, k, EINVAL);
}

/* --- writing --- */

static void
put(lua_State *L, struct packer *k, const void *p, size_t n)
{
    int err = hs_buf_append(&k->p->data, p, n);
    if (err != 0) {
        give_up(L, k, err);
    }
}

static void
put_letter(lua_State *L, struct packer *k, char letter)
{
    put(L, k, &letter, 1);
}

static void
put_number(lua_State *L, struct packer *k, char letter, uint32_t n)
{
    put_letter(L, k, letter);
    put(L, k, &n, sizeof(n));
}

static void
put_bytes(lua_State *L, struct packer *k, char letter, const char *p, size_t n)
{
    if (n > UINT32_MAX) {
        give_up(L, k, EMSGSIZE);
    }
    put_number(L, k, letter, (uint32_t)n);
    put(L, k, p, n);
}

/* Gives the value at the top of the stack, which stays there, the next number. */
static unsigned
remember(lua_State *L, struct packer *k)
{
    lua_pushvalue(L, -1);
    lua_pushinteger(L, (lua_Integer)++k->next_id);
    lua_rawset(L, k->memo);
    return k->next_id;
}

/* --- names --- */

static bool
has_a_name(lua_State *L, int idx)
{
    const int type = lua_type(L, idx);
    return type == LUA_TTABLE || type == LUA_TFUNCTION || type == LUA_TUSERDATA;
}

/* names[value] = the string at the top, unless it has one; value below it. Pops the string. */
static void
set_name(lua_State *L, struct packer *k)
{
    lua_pushvalue(L, -2);
    lua_rawget(L, k->names);
    const bool known = !lua_isnil(L, -1);
    lua_pop(L, 1);
    if (known) {
        lua_pop(L, 1);
        return;
    }
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, k->names);
}

/* The fields of the module (its name, itself) at the top of the stack. */
static void
name_fields(lua_State *L, struct packer *k)
{
    if (!lua_istable(L, -1)) {
        return;
    }
    lua_pushnil(L);
    while (lua_next(L, -2) != 0) {
        if (lua_type(L, -2) == LUA_TSTRING && has_a_name(L, -1)) {
            lua_pushvalue(L, -4);
            lua_pushlstring(L, "", 1);
            lua_pushvalue(L, -4);
            lua_concat(L, 3);
            set_name(L, k);
        }
        lua_pop(L, 1);
    }
}

/* Gathers the names of everything in package.loaded: modules first, then their fields, those of _G last. */
static void
make_names(lua_State *L, struct packer *k)
{
    lua_getfield(L, LUA_REGISTRYINDEX, "_LOADED");
    const int loaded = lua_gettop(L);
    for (int pass = 0; pass < 3; pass++) {
        lua_pushnil(L);
        while (lua_next(L, loaded) != 0) {
            if (lua_type(L, -2) == LUA_TSTRING && has_a_name(L, -1)) {
                const bool globals = strcmp(lua_tostring(L, -2), "_G") == 0;
                if (pass == 0) {
                    lua_pushvalue(L, -2);
                    set_name(L, k);
                } else if (globals == (pass == 2)) {
                    name_fields(L, k);
                }
            }
            lua_pop(L, 1);
        }
    }
    lua_pop(L, 1);
}

/* Writes the name of the value at idx. False: it has none. */
static bool
put_name(lua_State *L, struct packer *k, int idx)
{
    lua_pushvalue(L, idx);
    lua_rawget(L, k->names);
    size_t n;
    const char *name = lua_tolstring(L, -1, &n);
    if (name != NULL) {
        put_bytes(L, k, 'M', name, n);
    }
    lua_pop(L, 1);
    return name != NULL;
}

/* --- values --- */

static void put_value(lua_State *L, struct packer *k, const struct step *s);

/* The table at the top. */
static void
put_table(lua_State *L, struct packer *k, const struct step *s)
{
    remember(L, k);
    put_letter(L, k, 'T');
    lua_pushnil(L);
    while (lua_next(L, -2) != 0) {
        const struct step field = { s, STEP_FIELD, NULL, lua_gettop(L) - 1 };
        lua_pushvalue(L, -2);
        put_value(L, k, &field);
        put_value(L, k, &field);
    }
    if (lua_getmetatable(L, -1) != 0) {
        const struct step meta = { s, STEP_META, NULL, 0 };
        put_letter(L, k, 'W');
        put_value(L, k, &meta);
    } else {
        put_letter(L, k, 'E');
    }
}

static int
dump_piece(lua_State *L, const void *p, size_t n, void *ud)
{
    (void)L;
    return hs_buf_append(ud, p, n);
}

/* Writes one upvalue of the function at the top, which has that number. */
static void
put_upvalue(lua_State *L, struct packer *k, const struct step *s, unsigned id, int i)
{
    void *cell = lua_upvalueid(L, -1, i);
    lua_pushlightuserdata(L, cell);
    lua_rawget(L, k->cells);
    if (!lua_isnil(L, -1)) {
        put_number(L, k, 'J', (uint32_t)lua_tonumber(L, -1));
        lua_pop(L, 1);
        return;
    }
    lua_pop(L, 1);
    lua_pushlightuserdata(L, cell);
    lua_pushnumber(L, (lua_Number)id * 256 + i);
    lua_rawset(L, k->cells);
    const struct step upvalue = { s, STEP_UPVALUE, lua_getupvalue(L, -1, i), 0 };
    put_letter(L, k, 'V');
    put_value(L, k, &upvalue);
}

/* The Lua function at the top. */
static void
put_function(lua_State *L, struct packer *k, const struct step *s)
{
    lua_Debug ar;
    lua_pushvalue(L, -1);
    lua_getinfo(L, ">u", &ar);
    const unsigned id = remember(L, k);
    put_letter(L, k, 'L');
    const size_t at = k->p->data.len;
    uint32_t n = 0;
    put(L, k, &n, sizeof(n));
    int err = lua_dump(L, dump_piece, &k->p->data);
    if (err != 0) {
        give_up(L, k, err == EMSGSIZE || err == ENOMEM ? err : EINVAL);
    }
    n = (uint32_t)(k->p->data.len - at - sizeof(n));
    memcpy(k->p->data.p + at, &n, sizeof(n));
    for (int i = 1; i <= ar.nups; i++) {
        put_upvalue(L, k, s, id, i);
    }
    lua_getfenv(L, -1);
    lua_pushvalue(L, LUA_GLOBALSINDEX);
    const bool plain = lua_rawequal(L, -1, -2) != 0;
    lua_pop(L, 1);
    if (plain) {
        lua_pop(L, 1);
        put_letter(L, k, 'E');
    } else {
        const struct step env = { s, STEP_ENV, NULL, 0 };
        put_letter(L, k, 'W');
        put_value(L, k, &env);
    }
}

/* Writes the io at the top as one on loan. False: it is none. */
static bool
put_known(lua_State *L, struct packer *k)
{
    const size_t n = lua_istable(L, k->known) ? lua_objlen(L, k->known) : 0;
    for (size_t i = 1; i <= n; i++) {
        lua_rawgeti(L, k->known, (int)i);
        const bool same = lua_rawequal(L, -1, -2) != 0;
        lua_pop(L, 1);
        if (same) {
            put_number(L, k, 'A', (uint32_t)i);
            return true;
        }
    }
    return false;
}

/* The userdata at the top: an io. */
static void
put_io(lua_State *L, struct packer *k, const struct step *s)
{
    const struct hs_io_box *box = hs_io_box_test(L, k->rt, -1);
    if (box == NULL) {
        refuse(L, k, s, "a userdata value");
    }
    if (put_known(L, k)) {
        return;
    }
    if (box->io == NULL) {
        refuse(L, k, s, box->lent ? "an io that another thread uses" : "an io that is closed");
    }
    int err = box->reader != NULL || box->writer != NULL || box->armed != NULL ? EBUSY : hs_io_travels(box->io);
    if (err == EBUSY) {
        refuse(L, k, s, "an io that is in use");
    }
    if (err == ENOTSUP && !k->rt->pooled) {
        err = 0; /* its thread is the loop's: it is read from afar */
    }
    if (err != 0) {
        refuse(L, k, s, "an io that works only in the thread that made it (a generator, a defined io, a body, or made of one)");
    }
    const size_t place = lua_objlen(L, k->boxes) + 1;
    if (place > IOS_MAX) {
        give_up(L, k, EMSGSIZE);
    }
    remember(L, k);
    put_number(L, k, 'I', (uint32_t)place);
    lua_pushvalue(L, -1);
    lua_rawseti(L, k->boxes, (int)place);
}

static bool
is_session(lua_State *L, struct packer *k)
{
    if (lua_getmetatable(L, -1) == 0) {
        return false;
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, k->rt->ref_core);
    lua_getfield(L, -1, "session_meta");
    const bool same = lua_istable(L, -1) && lua_rawequal(L, -1, -3) != 0;
    lua_pop(L, 3);
    return same;
}

/* What has an identity, at the top. */
static void
put_object(lua_State *L, struct packer *k, const struct step *s)
{
    lua_pushvalue(L, -1);
    lua_rawget(L, k->memo);
    const unsigned id = (unsigned)lua_tonumber(L, -1);
    lua_pop(L, 1);
    if (id != 0) {
        put_number(L, k, 'R', id);
        return;
    }
    if (put_name(L, k, -1)) {
        return;
    }
    switch (lua_type(L, -1)) {
    case LUA_TTABLE:
        if (is_session(L, k)) {
            lua_rawgeti(L, -1, 1);
            const double serial = lua_tonumber(L, -1);
            lua_pop(L, 1);
            put_letter(L, k, 'S');
            put(L, k, &serial, sizeof(serial));
        } else {
            put_table(L, k, s);
        }
        return;
    case LUA_TFUNCTION:
        if (lua_iscfunction(L, -1)) {
            refuse(L, k, s, "a C function that no module has");
        }
        put_function(L, k, s);
        return;
    case LUA_TUSERDATA: put_io(L, k, s); return;
    case LUA_TTHREAD: refuse(L, k, s, "a coroutine");
    default: refuse(L, k, s, "a cdata value");
    }
}

/* Writes the value at the top, and pops it. */
static void
put_value(lua_State *L, struct packer *k, const struct step *s)
{
    const int top = lua_gettop(L);
    if (++k->depth > DEPTH_MAX) {
        refuse(L, k, s->up != NULL && s->up->up != NULL ? s->up : s, "nested too deeply");
    }
    luaL_checkstack(L, 12, "too deep");
    switch (lua_type(L, -1)) {
    case LUA_TNIL: put_letter(L, k, 'z'); break;
    case LUA_TBOOLEAN: put_letter(L, k, lua_toboolean(L, -1) ? 't' : 'f'); break;
    case LUA_TNUMBER: {
        const double d = lua_tonumber(L, -1);
        put_letter(L, k, 'd');
        put(L, k, &d, sizeof(d));
        break;
    }
    case LUA_TSTRING: {
        size_t n;
        const char *p = lua_tolstring(L, -1, &n);
        put_bytes(L, k, 's', p, n);
        break;
    }
    case LUA_TLIGHTUSERDATA:
        if (lua_touserdata(L, -1) != NULL) {
            refuse(L, k, s, "a light userdata value");
        }
        put_letter(L, k, 'n');
        break;
    default: put_object(L, k, s);
    }
    lua_settop(L, top - 1);
    k->depth--;
}

/* --- the whole --- */

static bool
needs_names(lua_State *L, struct packer *k, int first)
{
    for (int i = first; i < first + k->n; i++) {
        if (has_a_name(L, i) && hs_io_box_test(L, k->rt, i) == NULL) {
            return true;
        }
    }
    return false;
}

/* An io that works only in this thread is replaced by one that crosses to it. False: out of memory. */
static bool
reach_from_afar(io_object **io)
{
    if (hs_io_travels(*io) != ENOTSUP) {
        return true;
    }
    io_object *remote = hs_io_remote(*io);
    if (remote == NULL) {
        return false;
    }
    io_wrapper_delref(*io);
    *io = remote;
    return true;
}

/* Takes the ios out of their boxes, when all else has been done. */
static void
take_ios(lua_State *L, struct packer *k)
{
    const size_t n = lua_objlen(L, k->boxes);
    struct hs_pack *p = k->p;
    if (n == 0) {
        return;
    }
    p->ios = calloc(n, sizeof(*p->ios));
    if (p->ios == NULL) {
        give_up(L, k, ENOMEM);
    }
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(L, k->boxes, (int)i + 1);
        struct hs_io_box *box = lua_touserdata(L, -1);
        lua_pop(L, 1);
        p->ios[i].io = hs_io_box_lend(box);
        p->nios = i + 1;
        if (p->ios[i].io == NULL || !reach_from_afar(&p->ios[i].io)) {
            hs_pack_return(L, k->rt, k->boxes, p);
            give_up(L, k, ENOMEM);
        }
    }
}

/* (packer, known, values…) -> table of boxes */
static int
pack_protected(lua_State *L)
{
    struct packer *k = lua_touserdata(L, 1);
    lua_remove(L, 1);
    luaL_checkstack(L, 12, NULL);
    lua_newtable(L);
    lua_insert(L, 1);
    lua_newtable(L);
    lua_insert(L, 2);
    lua_newtable(L);
    lua_insert(L, 3);
    k->memo = 1;
    k->cells = 2;
    k->boxes = 3;
    k->known = 4;
    k->names = 5;
    const int first = 6;
    const bool named = needs_names(L, k, 5);
    lua_newtable(L);
    lua_insert(L, k->names);
    if (named) {
        make_names(L, k);
    }
    for (int i = 0; i < k->n; i++) {
        const struct step s = { NULL, STEP_ARGUMENT, k->what, i + k->first };
        lua_pushvalue(L, first + i);
        put_value(L, k, &s);
    }
    take_ios(L, k);
    lua_pushvalue(L, k->boxes);
    return 1;
}

int
hs_pack_values(lua_State *L, struct hs_lua_runtime *rt, int first, int n, const char *what, int known, struct hs_pack *p)
{
    struct packer k = { .rt = rt, .p = p, .what = what, .n = n };
    /* The function of a call is nameless; what follows it is counted from 1. */
    k.first = n > 0 && lua_isfunction(L, first) ? 0 : 1;
    if (!lua_checkstack(L, n + 5)) {
        return ENOMEM;
    }
    lua_pushcfunction(L, pack_protected);
    lua_pushlightuserdata(L, &k);
    if (known != 0) {
        lua_pushvalue(L, known);
    } else {
        lua_pushnil(L);
    }
    for (int i = 0; i < n; i++) {
        lua_pushvalue(L, first + i);
    }
    int status = lua_pcall(L, n + 2, 1, 0);
    if (status == 0) {
        return 0;
    }
    if (k.err == 0) {
        k.err = status == LUA_ERRMEM ? ENOMEM : EINVAL;
        const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "?";
        (void)snprintf(p->why, sizeof(p->why), "%s", text);
    }
    lua_pop(L, 1);
    return k.err;
}

void
hs_pack_return(lua_State *L, struct hs_lua_runtime *rt, int idx, struct hs_pack *p)
{
    for (size_t i = 0; i < p->nios; i++) {
        lua_rawgeti(L, idx, (int)i + 1);
        struct hs_io_box *box = hs_io_box_test(L, rt, -1);
        lua_pop(L, 1);
        if (box != NULL && p->ios[i].io != NULL) {
            hs_io_box_take_back(box, p->ios[i].io);
            p->ios[i].io = NULL;
        } else if (box != NULL && box->lent && p->ios[i].closed) {
            hs_io_box_close(box);
        }
    }
}
