/* memory.h - how much the Lua states of a server may hold together: those of its generations and of its pools' threads.
 * A state that is counted has an allocator around LuaJIT's own, which adds up what it holds, and from time to time tells the sum to all. At four fifths of the
 * limit a state collects all its garbage as soon as no Lua runs in it; at the limit the script ends with the Lua error "not enough memory"; an allocation of more than the limit once more fails at once. A reserve
 * beyond the limit serves whoever handles that error. Then the state collects at once, and the owner is told.
 * What is not Lua's (the bytes of responses, ios, what ffi.C.malloc gave) does not count. */
#ifndef HS_BINDINGS_MEMORY_H
#define HS_BINDINGS_MEMORY_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#include "io/loop.h"

/* Allowed beyond the limit while an error is handled: half of it to scripts, the rest to C. */
enum { HS_LUA_RESERVE = 256 * 1024 };

struct hs_lua_memory;
struct hs_lua_runtime;

/* The share of one state; part of it. Its thread only. */
struct hs_lua_share {
    struct hs_lua_memory *memory; /* NULL: the state is not counted */
    lua_State *L;           /* the main one */
    lua_Alloc inner;
    void *inner_ud;
    int64_t local;      /* bytes that the others have not been told of */
    int64_t told;       /* bytes that they have */
    int64_t collect_at; /* bytes of all, at which to collect again; 0: at four fifths */
    int64_t stuck;      /* loop time of a collection at the limit that has brought little; 0: it has brought enough */
    int64_t hurry_at;    /* overdrawn: bytes of all, at which the collector is made due again */
    int step_multiplier; /* overdrawn: the collector's, to be set again */
    bool overdrawn;     /* the running script ends at its next instruction */
    bool due;           /* to be collected when no Lua runs */
    bool failed;        /* the limit has been reached: the reserve is open */
    bool in_c;          /* and all of it */
    bool collecting;    /* the collector itself may have more */
};

/* A limit in bytes, -1: none. exhausted(arg) is called from the loop when a state has reached it; then not before hs_lua_memory_again. 0; ENOMEM. */
int hs_lua_memory_new(struct hs_loop *loop, int64_t limit, void (*exhausted)(void *arg), void *arg, struct hs_lua_memory **out);
/* After the last state has been closed, and the loop freed. NULL is ignored. */
void hs_lua_memory_free(struct hs_lua_memory *m);
/* Another limit, from now on; where there was none, states that are there already stay uncounted. Loop thread. */
void hs_lua_memory_set_limit(struct hs_lua_memory *m, int64_t limit);
/* Whether there is a limit. Any thread. */
int64_t hs_lua_memory_limit(const struct hs_lua_memory *m);
/* Bytes that counted states hold, less what each has not told yet (64 KiB at most). Any thread. */
int64_t hs_lua_memory_used(const struct hs_lua_memory *m);
/* The owner wants to be told again. */
void hs_lua_memory_again(struct hs_lua_memory *m);

/* Counts a state from now on, when there is a limit. m NULL: does nothing. */
void hs_lua_share_begin(struct hs_lua_share *s, lua_State *L, struct hs_lua_memory *m);
/* Before lua_close: LuaJIT has to find its own allocator. */
void hs_lua_share_end(struct hs_lua_share *s, lua_State *L);
/* Collects the garbage of a state that is due. No Lua runs. */
void hs_lua_share_collect(struct hs_lua_runtime *rt);

#endif
