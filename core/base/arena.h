/* arena.h - memory that is given back all at once, when the request ends.
 * Blocks come from malloc; hs_arena_reset keeps the first block for the next use. Not thread safe.
 * An arena has a limit, like everything a peer can grow. */
#ifndef HS_BASE_ARENA_H
#define HS_BASE_ARENA_H

#include <stddef.h>

#include "base/view.h"

struct hs_arena_block;

struct hs_arena {
    char *next;                   /* free space of the current block */
    char *end;
    struct hs_arena_block *first; /* NULL until the first allocation */
    struct hs_arena_block *current;
    size_t total; /* bytes taken from malloc */
    size_t max;
};

void hs_arena_init(struct hs_arena *a, size_t max);
/* Frees everything but the first block (kept when it is of the standard size). */
void hs_arena_reset(struct hs_arena *a);
void hs_arena_fini(struct hs_arena *a);
/* n bytes aligned to 16, uninitialised; NULL with errno ENOMEM (also past the limit). */
void *hs_arena_alloc(struct hs_arena *a, size_t n);
void *hs_arena_zalloc(struct hs_arena *a, size_t n);
/* A NUL-terminated copy; NULL with errno ENOMEM. */
char *hs_arena_copy(struct hs_arena *a, struct hs_view v);

#endif
