/* chunk.c - a script's file as a function.
 * A file without the word "msys" is left to luaL_loadfilex. Any other is read into a userdata, so that nothing is held by C alone when Lua
 * throws, and given to the translator, which knows whether it is one of the manual's. */
#include "bindings/chunk.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

int
hs_chunk_load_file(lua_State *L, struct hs_lua_runtime *rt, const char *path, const char *mode)
{
    const int top = lua_gettop(L);
    const size_t size = size_of(path);

    luaL_checkstack(L, 8, NULL);
    if (size == 0) {
        return luaL_loadfilex(L, path, mode);
    }
    char *buf = lua_newuserdata(L, size);
    const size_t n = read_text(path, buf, size);
    if (n == 0 || *buf == LUA_SIGNATURE[0] || memmem(buf, n, WORD, strlen(WORD)) == NULL) {
        lua_settop(L, top);
        return luaL_loadfilex(L, path, mode);
    }
    lua_pushlstring(L, buf, n);
    translate(L, rt);
    if (lua_isstring(L, top + 2)) {
        size_t len;
        const char *text = lua_tolstring(L, top + 2, &len);
        lua_pushfstring(L, "@%s", path);
        const int status = luaL_loadbufferx(L, text, len, lua_tostring(L, -1), mode);
        lua_replace(L, top + 1);
        lua_settop(L, top + 1);
        return status;
    }
    if (lua_isnumber(L, top + 3)) {
        lua_pushfstring(L, "%s:%d: %s", path, (int)lua_tointeger(L, top + 3), lua_tostring(L, top + 4));
        lua_replace(L, top + 1);
        lua_settop(L, top + 1);
        return LUA_ERRSYNTAX;
    }
    lua_settop(L, top);
    return luaL_loadfilex(L, path, mode);
}
