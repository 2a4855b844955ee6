/* arena.h - memory that is given back all at once, when the request ends.
 * Blocks come from malloc; hs_arena_reset keeps one block for the next use. Not thread safe.
 * An arena has a limit, like everything a peer can grow. Under AddressSanitizer what is not allocated,
 * or was given back, is poisoned, so that a pointer kept past a reset is found at its first use. */
#ifndef HS_BASE_ARENA_H
#define HS_BASE_ARENA_H

#include <stddef.h>

#include "base/view.h"

#if defined(__SANITIZE_ADDRESS__)
#define HS_ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HS_ARENA_ASAN 1
#endif
#endif
#ifdef HS_ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define HS_ARENA_POISON(p, n) ASAN_POISON_MEMORY_REGION((p), (n))
#define HS_ARENA_UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#else
#define HS_ARENA_POISON(p, n) ((void)(p), (void)(n))
#define HS_ARENA_UNPOISON(p, n) ((void)(p), (void)(n))
#endif

/* Bytes of a first block, malloc's and our own header included; the following ones double up to HS_ARENA_BLOCK_MAX. */
#define HS_ARENA_FIRST (240 - 16)
/* The largest block that a reset keeps: an arena that is used again and again soon has one that is large enough for most. */
#define HS_ARENA_KEEP (1024 - 64)
#define HS_ARENA_BLOCK_MAX (64 * 1024 - 64)
#define HS_ARENA_ALIGN 16

struct hs_arena_block;

struct hs_arena {
    char *next;                   /* free space of the current block, aligned */
    char *end;
    struct hs_arena_block *first; /* NULL until the first allocation */
    struct hs_arena_block *current;
    size_t total; /* bytes taken from malloc */
    size_t max;
};

/* Makes an empty arena that takes at most max bytes from malloc (block headers included); allocates nothing. */
void hs_arena_init(struct hs_arena *a, size_t max);
/* Gives everything back: all pointers from it are dead. Frees all blocks but the largest of up to HS_ARENA_KEEP bytes. */
void hs_arena_reset(struct hs_arena *a);
/* As reset, and frees the first block too; the arena is as after init. */
void hs_arena_fini(struct hs_arena *a);
/* The slow path of hs_arena_alloc: not for callers. */
void *hs_arena_alloc_slow(struct hs_arena *a, size_t n);
/* n bytes aligned to 16, uninitialised, valid until reset or fini; n 0 gives a pointer too, to nothing.
 * NULL with errno ENOMEM (also past the limit). */
static inline void *
hs_arena_alloc(struct hs_arena *a, size_t n)
{
    size_t size = (n + (HS_ARENA_ALIGN - 1)) & ~(size_t)(HS_ARENA_ALIGN - 1);
    /* size is 0 for n 0 and where n + 15 wraps around; 0 - 1 is larger than any room, so both go the slow way. */
    if (__builtin_expect(size - 1 < (size_t)(a->end - a->next), 1)) {
        char *p = a->next;
        a->next = p + size;
        HS_ARENA_UNPOISON(p, n);
        return p;
    }
    return hs_arena_alloc_slow(a, n);
}
/* As hs_arena_alloc, filled with zeros. */
void *hs_arena_zalloc(struct hs_arena *a, size_t n);
/* A NUL-terminated copy of the view's bytes; NULL with errno ENOMEM. */
char *hs_arena_copy(struct hs_arena *a, struct hs_view v);

#endif
