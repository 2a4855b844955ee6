/* lua_modules.h - the Lua modules of lua/ as they were built into the library.
 * Read-only and there for the life of the process; any thread may read it. The definition is
 * generated at build time by bindings/embed.sh. */
#ifndef HS_BINDINGS_LUA_MODULES_H
#define HS_BINDINGS_LUA_MODULES_H

#include <stddef.h>

struct hs_lua_module {
    const char *name;      /* as require() takes it: "httpsrv.io" */
    const char *chunkname; /* the file it was made from: "lua/httpsrv/io.lua" */
    const char *text;      /* Lua source, followed by a NUL that len does not count */
    size_t len;            /* bytes */
};

/* In the order of their paths; the entry after the last has a NULL name. */
extern const struct hs_lua_module hs_lua_modules[];

#endif
