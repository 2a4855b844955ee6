/* chunk.c - a script's file as a function.
 * It is read into a userdata, so that nothing is held by C alone when Lua throws; one with the word "msys" in it is given to the translator, which knows whether
 * it is one of the manual's. What the home state of a generation has read is what its pool threads load, whatever has become of the file. */
#include "bindings/chunk.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bindings/pool_unit.h"

#define TEXT_MAX ((off_t)16 * 1024 * 1024) /* larger files are data */
#define WORD "msys"

/* The size of a regular file that can be looked at; 0: it is left alone. */
static size_t
size_of(const char *path)
{
    struct stat st;

    if (path == NULL || stat(path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > TEXT_MAX) {
        return 0;
    }
    return (size_t)st.st_size;
}

/* Reads up to size bytes. How many there were; 0 when it cannot be read, which whoever loads it will say. */
static size_t
read_text(const char *path, char *buf, size_t size)
{
    size_t n = 0;
    ssize_t r = 1;

    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    while (n < size && r > 0) {
        r = read(fd, buf + n, size - n);
        n += r > 0 ? (size_t)r : 0;
    }
    (void)close(fd);
    return r >= 0 ? n : 0;
}

/* Has the translator look at the text at the top of the stack, which is replaced by its answer: (text | nil[, line, message]). */
static void
translate(lua_State *L, struct hs_lua_runtime *rt)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, rt->ref_core);
    lua_getfield(L, -1, "translate");
    lua_remove(L, -2);
    lua_insert(L, -2);
    lua_call(L, 1, 3);
}

/* Loads a text that needs no translation. */
static int
load_text(lua_State *L, const char *path, const char *text, size_t n, const char *mode)
{
    lua_pushfstring(L, "@%s", path);
    const int status = luaL_loadbufferx(L, text, n, lua_tostring(L, -1), mode);
    lua_remove(L, -2);
    return status;
}

/* Whether the state loads what pool threads will load as well. */
static bool
is_home(const struct hs_lua_runtime *rt)
{
    return !rt->pooled && rt->phase == HS_LUA_LOAD && rt->generation != NULL;
}

int
hs_chunk_load_file(lua_State *L, struct hs_lua_runtime *rt, const char *path, const char *mode)
{
    const int top = lua_gettop(L);
    size_t n = 0;
    const char *buf = rt->pooled && path != NULL ? hs_pool_unit_source(rt->unit, path, &n) : NULL;

    luaL_checkstack(L, 8, NULL);
    if (buf == NULL) {
        const size_t size = size_of(path);
        if (size == 0) {
            return luaL_loadfilex(L, path, mode);
        }
        buf = lua_newuserdata(L, size);
        n = read_text(path, (char *)(uintptr_t)buf, size);
        if (n == 0 || *buf == LUA_SIGNATURE[0]) {
            lua_settop(L, top);
            return luaL_loadfilex(L, path, mode);
        }
        if (is_home(rt)) {
            hs_pool_unit_keep_source(rt->unit, path, buf, n);
        }
    } else {
        lua_pushnil(L); /* in the place of the userdata */
    }
    if (memmem(buf, n, WORD, strlen(WORD)) != NULL) {
        lua_pushlstring(L, buf, n);
        translate(L, rt);
        if (lua_isstring(L, top + 2)) {
            buf = lua_tolstring(L, top + 2, &n);
        } else if (lua_isnumber(L, top + 3)) {
            lua_pushfstring(L, "%s:%d: %s", path, (int)lua_tointeger(L, top + 3), lua_tostring(L, top + 4));
            lua_replace(L, top + 1);
            lua_settop(L, top + 1);
            return LUA_ERRSYNTAX;
        }
    }
    const int status = load_text(L, path, buf, n, mode);
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
    return status;
}
