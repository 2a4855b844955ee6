/* pack.h - values on their way from one Lua state to another, in another thread.
 * Copied: nil, booleans, numbers, strings, tables with their metatables (cycles and shared tables kept) and Lua functions with their upvalues
 * (shared ones kept). By name: values found in package.loaded and fields of such modules, which the other state requires. By reference: ios,
 * which leave the boxes that held them, and session handles. Anything else cannot travel.
 * Packing and unpacking each touch their own state only; the packet between them belongs to one thread at a time. */
#ifndef HS_BINDINGS_PACK_H
#define HS_BINDINGS_PACK_H

#include "base/buf.h"
#include "bindings/internal.h"

struct hs_pack_io {
    io_object *io; /* a reference, until it is unpacked or returned; NULL: it does not come back... */
    bool closed;   /* ...because it has been closed */
};

struct hs_pack {
    struct hs_buf data;
    struct hs_pack_io *ios;
    size_t nios;
    char why[256]; /* of the last error */
};

/* An empty packet. */
void hs_pack_init(struct hs_pack *p);
/* Drops what is in it, ios that nobody took too. */
void hs_pack_fini(struct hs_pack *p);

/* Packs the n values at first… of L. what names them in errors: "argument" or "result", numbered. known: index of a table of boxes whose ios
 * are on loan from the receiver and travel as their places there, or 0. Pushes a table of the boxes that the ios were taken from, each in the
 * place of its io, for hs_pack_return. Does not throw.
 * 0; EINVAL: something cannot travel, p->why says what and where; ENOMEM; EMSGSIZE: too large. With an error nothing is pushed and the ios stay
 * where they were. */
int hs_pack_values(lua_State *L, struct hs_lua_runtime *rt, int first, int n, const char *what, int known,
                   struct hs_pack *p);
/* Pushes the values; below them a table of the new boxes of the ios, each in the place of its io. known: index of the table of boxes that the
 * sender's "known" came from, or 0. Their number, without the table. Throws: memory, a module that cannot be found. */
int hs_pack_push(lua_State *L, struct hs_lua_runtime *rt, int known, struct hs_pack *p);
/* The receiver has done with the ios: takes those of the boxes of the table at idx that still hold one out of them and back into the packet. */
void hs_pack_collect(lua_State *L, struct hs_lua_runtime *rt, int idx, struct hs_pack *p);
/* At the sender: gives them back to the boxes of the table at idx; those of ios that have been closed are closed. */
void hs_pack_return(lua_State *L, struct hs_lua_runtime *rt, int idx, struct hs_pack *p);

#endif
