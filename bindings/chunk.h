/* chunk.h - a script's file as a function: compiled as it stands or, when it is written in the reference manual's Lua, translated first
 * (lua/msys/translate.lua says what that is and which files are). */
#ifndef HS_BINDINGS_CHUNK_H
#define HS_BINDINGS_CHUNK_H

#include "bindings/internal.h"

/* As luaL_loadfilex: 0 with the function on the stack, else a status with a message. May throw. */
int hs_chunk_load_file(lua_State *L, struct hs_lua_runtime *rt, const char *path, const char *mode);

#endif
