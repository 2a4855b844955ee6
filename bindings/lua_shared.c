/* lua_shared.c - dictionaries that all workers share (base/shared.h), for lua/httpsrv/shared.lua, which has the methods; and who this worker is.
 * A dictionary is a light userdata to our Lua, which has checked the arguments. Nothing of Lua's that may throw is called while one is locked. */
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/shared.h"
#include "bindings/arg.h"
#include "bindings/internal.h"
#include "bindings/worker_id.h"

enum { SHORT = 1024, KEYS_MAX_BYTES = 64 * 1024 * 1024 };

static int worker_id;

void
hs_lua_set_worker_id(int id)
{
    worker_id = id;
}

/* worker_id() -> the number of the worker, from 0 */
static int
l_worker_id(lua_State *L)
{
    lua_pushinteger(L, worker_id);
    return 1;
}

/* shared_open(name, bytes; 0: it has to be there) -> dictionary | nil, message, code */
static int
l_open(lua_State *L)
{
    struct hs_view name = hs_lua_arg_bytes(L, 1, 1, "shared");
    struct hs_shared *d;
    int err = hs_shared_open(name, (size_t)lua_tonumber(L, 2), &d);
    if (err == ENOSPC) {
        return hs_lua_fail_as(L, err, "no room for it: see the setting shared-memory");
    }
    if (err == ENOTSUP) {
        return hs_lua_fail_as(L, err, "there is no shared memory (setting shared-memory)");
    }
    if (err == ENOENT) {
        return hs_lua_fail_as(L, err, "there is none of that name, and no size was given");
    }
    if (err != 0) {
        return hs_lua_fail(L, err);
    }
    lua_pushlightuserdata(L, d);
    return 1;
}

static struct hs_shared *
dictionary(lua_State *L)
{
    return lua_touserdata(L, 1);
}

static struct hs_view
key_of(lua_State *L)
{
    struct hs_view v;
    v.p = lua_tolstring(L, 2, &v.n);
    return v;
}

/* Seconds as ns; not positive: no end. */
static int64_t
ttl_at(lua_State *L, int idx)
{
    const double s = lua_tonumber(L, idx);
    return s <= 0 ? 0 : s > 3e8 ? (int64_t)(3e8 * 1e9) : (int64_t)(s * 1e9) > 0 ? (int64_t)(s * 1e9) : 1;
}

static int
push_value(lua_State *L, const struct hs_shared_value *v)
{
    switch (v->type) {
    case HS_SHARED_STRING:
        lua_pushlstring(L, v->text.p, v->text.n);
        break;
    case HS_SHARED_NUMBER:
        lua_pushnumber(L, v->number);
        break;
    case HS_SHARED_BOOLEAN:
        lua_pushboolean(L, v->number != 0);
        break;
    }
    return 1;
}

/* shared_get(d, key) -> value | nil */
static int
l_get(lua_State *L)
{
    char text[SHORT];
    struct hs_shared_value v;
    int err = hs_shared_get(dictionary(L), key_of(L), text, sizeof text, &v);
    while (err == EMSGSIZE) { /* another may make it longer meanwhile */
        const size_t room = v.text.n;
        lua_settop(L, 2);
        char *longer = lua_newuserdata(L, room);
        err = hs_shared_get(dictionary(L), key_of(L), longer, room, &v);
    }
    if (err != 0) {
        lua_pushnil(L);
        return 1;
    }
    return push_value(L, &v);
}

/* What an operation has come to. */
static int
told(lua_State *L, int err)
{
    if (err == ENOENT || err == EEXIST) {
        return hs_lua_fail_as(L, err, err == ENOENT ? "not found" : "exists");
    }
    if (err == ENOSPC) {
        return hs_lua_fail_as(L, err, "larger than all of the memory");
    }
    if (err != 0) {
        return hs_lua_fail(L, err);
    }
    lua_pushboolean(L, 1);
    return 1;
}

/* shared_put(d, key, value, seconds, how: 0 set, 1 add, 2 replace) -> true | nil, message, code */
static int
l_put(lua_State *L)
{
    struct hs_shared_value v = { .type = HS_SHARED_STRING };
    if (lua_type(L, 3) == LUA_TNUMBER) {
        v = (struct hs_shared_value){ .type = HS_SHARED_NUMBER, .number = lua_tonumber(L, 3) };
    } else if (lua_type(L, 3) == LUA_TBOOLEAN) {
        v = (struct hs_shared_value){ .type = HS_SHARED_BOOLEAN, .number = lua_toboolean(L, 3) };
    } else {
        v.text.p = lua_tolstring(L, 3, &v.text.n);
    }
    return told(L, hs_shared_put(dictionary(L), key_of(L), &v, ttl_at(L, 4), (enum hs_shared_put)lua_tointeger(L, 5)));
}

/* shared_incr(d, key, by, init | nil, seconds) -> sum | nil, message, code */
static int
l_incr(lua_State *L)
{
    const double first = lua_tonumber(L, 4);
    double sum;
    int err = hs_shared_incr(dictionary(L), key_of(L), lua_tonumber(L, 3), lua_isnil(L, 4) ? NULL : &first, ttl_at(L, 5), &sum);
    if (err == EINVAL) {
        return hs_lua_fail_as(L, err, "not a number");
    }
    if (err != 0) {
        return told(L, err);
    }
    lua_pushnumber(L, sum);
    return 1;
}

/* shared_delete(d, key) -> whether there was something */
static int
l_delete(lua_State *L)
{
    lua_pushboolean(L, hs_shared_delete(dictionary(L), key_of(L)) == 0);
    return 1;
}

/* shared_ttl(d, key) -> seconds, 0: no end | nil, message, code */
static int
l_ttl(lua_State *L)
{
    int64_t ns;
    int err = hs_shared_ttl(dictionary(L), key_of(L), &ns);
    if (err != 0) {
        return told(L, err);
    }
    lua_pushnumber(L, (double)ns / 1e9);
    return 1;
}

/* shared_expire(d, key, seconds) -> true | nil, message, code */
static int
l_expire(lua_State *L)
{
    return told(L, hs_shared_expire(dictionary(L), key_of(L), ttl_at(L, 3)));
}

/* shared_flush(d) */
static int
l_flush(lua_State *L)
{
    hs_shared_flush(dictionary(L));
    return 0;
}

/* shared_flush_expired(d, max) -> how many */
static int
l_flush_expired(lua_State *L)
{
    lua_pushnumber(L, (double)hs_shared_flush_expired(dictionary(L), (size_t)lua_tonumber(L, 2)));
    return 1;
}

/* Keys one after the other: a length, then the bytes. */
struct gathered {
    struct hs_buf keys;
    size_t begun; /* where the length of the last one stands, plus one; 0: none is open */
    int err;
};

static bool
gather(void *arg, struct hs_view part, bool last)
{
    struct gathered *g = arg;
    size_t n = 0;
    if (g->begun == 0) {
        g->begun = g->keys.len + 1;
        g->err = hs_buf_append(&g->keys, (const char *)&n, sizeof n);
    }
    if (g->err == 0) {
        g->err = hs_buf_append(&g->keys, part.p, part.n);
    }
    if (g->err == 0 && last) {
        n = g->keys.len - (g->begun - 1) - sizeof n;
        memcpy(g->keys.p + g->begun - 1, &n, sizeof n);
        g->begun = 0;
    }
    return g->err == 0;
}

/* What was gathered, as a string; the buffer is freed. */
static int
push_bytes(lua_State *L)
{
    const struct gathered *g = lua_touserdata(L, 1);
    lua_pushlstring(L, g->keys.p != NULL ? g->keys.p : "", g->keys.len);
    return 1;
}

/* shared_keys(d, max; 0: all) -> { key... } | nil, message, code */
static int
l_keys(lua_State *L)
{
    struct gathered g = { .begun = 0 };
    hs_buf_init(&g.keys, KEYS_MAX_BYTES);
    hs_shared_keys(dictionary(L), (size_t)lua_tonumber(L, 2), gather, &g);
    if (g.err != 0) {
        hs_buf_fini(&g.keys);
        return hs_lua_fail(L, g.err);
    }
    lua_pushcfunction(L, push_bytes);
    lua_pushlightuserdata(L, &g);
    const int failed = lua_pcall(L, 1, 1, 0);
    hs_buf_fini(&g.keys);
    if (failed != 0) {
        return lua_error(L);
    }
    size_t len;
    const char *p = lua_tolstring(L, -1, &len);
    lua_newtable(L);
    for (size_t at = 0, i = 1; at < len; i++) {
        size_t n;
        memcpy(&n, p + at, sizeof n);
        lua_pushlstring(L, p + at + sizeof n, n);
        lua_rawseti(L, -2, (int)i);
        at += sizeof n + n;
    }
    return 1;
}

/* shared_stat(d) -> { size =, count =, free =, evicted =, repaired = } */
static int
l_stat(lua_State *L)
{
    struct hs_shared_stat st;
    hs_shared_get_stat(dictionary(L), &st);
    const struct {
        const char *name;
        double value;
    } fields[] = {
        { "size", (double)st.size },       { "count", (double)st.count },       { "free", (double)st.free },
        { "evicted", (double)st.evicted }, { "repaired", (double)st.repaired },
    };
    lua_createtable(L, 0, sizeof fields / sizeof *fields);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        lua_pushnumber(L, fields[i].value);
        lua_setfield(L, -2, fields[i].name);
    }
    return 1;
}

void
hs_lua_open_shared(lua_State *L, struct hs_lua_runtime *rt)
{
    static const luaL_Reg functions[] = {
        { "worker_id", l_worker_id },
        { "shared_open", l_open },
        { "shared_get", l_get },
        { "shared_put", l_put },
        { "shared_incr", l_incr },
        { "shared_delete", l_delete },
        { "shared_ttl", l_ttl },
        { "shared_expire", l_expire },
        { "shared_flush", l_flush },
        { "shared_flush_expired", l_flush_expired },
        { "shared_keys", l_keys },
        { "shared_stat", l_stat },
        { NULL, NULL },
    };
    hs_lua_functions(L, rt, functions);
}
