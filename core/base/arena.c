/* arena.c - a chain of blocks from which memory is only ever taken, and given back all at once.
 * Owns its blocks. An allocation that leaves more room in the current block than in the block made for it
 * does not replace the current one, so that a large piece wastes nothing. */
#include "base/arena.h"

#include <errno.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

struct hs_arena_block {
    struct hs_arena_block *next;
    size_t size; /* bytes from malloc, this header included */
    alignas(HS_ARENA_ALIGN) char data[];
};

#define HEADER sizeof(struct hs_arena_block)

void
hs_arena_init(struct hs_arena *a, size_t max)
{
    *a = (struct hs_arena){ .max = max };
}

static void
free_chain(struct hs_arena_block *b)
{
    while (b != NULL) {
        struct hs_arena_block *next = b->next;
        HS_ARENA_UNPOISON(b->data, b->size - HEADER);
        free(b);
        b = next;
    }
}

static void
make_current(struct hs_arena *a, struct hs_arena_block *b)
{
    size_t room = (b->size - HEADER) & ~(size_t)(HS_ARENA_ALIGN - 1);
    a->current = b;
    a->next = b->data;
    a->end = b->data + room;
}

/* Frees all blocks but one. */
static __attribute__((noinline)) void
keep_one(struct hs_arena *a)
{
    struct hs_arena_block *kept = NULL;
    struct hs_arena_block *b = a->first;
    while (b != NULL) {
        struct hs_arena_block *next = b->next;
        bool better = b->size <= HS_ARENA_KEEP && (kept == NULL || b->size > kept->size);
        struct hs_arena_block *other = better ? kept : b;
        kept = better ? b : kept;
        if (other != NULL) {
            other->next = NULL;
            free_chain(other);
        }
        b = next;
    }
    hs_arena_init(a, a->max);
    if (kept != NULL) {
        kept->next = NULL;
        a->first = kept;
        a->total = kept->size;
        HS_ARENA_POISON(kept->data, kept->size - HEADER);
        make_current(a, kept);
    }
}

void
hs_arena_reset(struct hs_arena *a)
{
    struct hs_arena_block *b = a->first;
    if (b == NULL) {
        return;
    }
    if (b->next != NULL || b->size > HS_ARENA_KEEP) {
        keep_one(a);
    } else if (a->next != b->data) {
        HS_ARENA_POISON(b->data, b->size - HEADER);
        make_current(a, b);
    }
}

void
hs_arena_fini(struct hs_arena *a)
{
    free_chain(a->first);
    hs_arena_init(a, a->max);
}

/* Bytes to ask malloc for so that need bytes (header included) fit, or 0 past the limit. */
static size_t
block_size(const struct hs_arena *a, size_t need)
{
    size_t left = a->max - a->total;
    if (need > left) {
        return 0;
    }
    size_t size = HS_ARENA_FIRST;
    if (a->current != NULL) {
        size = a->current->size > HS_ARENA_BLOCK_MAX / 2 ? HS_ARENA_BLOCK_MAX : a->current->size * 2;
    }
    if (size < need) {
        size = need;
    }
    return size > left ? left : size;
}

static struct hs_arena_block *
add_block(struct hs_arena *a, size_t need)
{
    size_t size = block_size(a, need);
    struct hs_arena_block *b = size == 0 ? NULL : malloc(size);
    if (b == NULL) {
        return NULL;
    }
    b->size = size;
    b->next = NULL;
    a->total += size;
    if (a->first == NULL) {
        a->first = b;
    } else {
        b->next = a->first->next;
        a->first->next = b;
    }
    HS_ARENA_POISON(b->data, size - HEADER);
    return b;
}

void *
hs_arena_alloc_slow(struct hs_arena *a, size_t n)
{
    if (n > PTRDIFF_MAX - HEADER - HS_ARENA_ALIGN) {
        errno = ENOMEM;
        return NULL;
    }
    size_t size = n == 0 ? HS_ARENA_ALIGN : (n + HS_ARENA_ALIGN - 1) & ~(size_t)(HS_ARENA_ALIGN - 1);
    if (size <= (size_t)(a->end - a->next)) { /* only n 0 comes here with room left */
        char *p = a->next;
        a->next = p + size;
        return p;
    }
    struct hs_arena_block *b = add_block(a, HEADER + size);
    if (b == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    char *p = b->data;
    HS_ARENA_UNPOISON(p, n);
    if (b->size - HEADER - size >= (size_t)(a->end - a->next)) {
        make_current(a, b);
        a->next = p + size;
    }
    return p;
}

void *
hs_arena_zalloc(struct hs_arena *a, size_t n)
{
    void *p = hs_arena_alloc(a, n);
    return p == NULL ? NULL : memset(p, 0, n);
}

char *
hs_arena_copy(struct hs_arena *a, struct hs_view v)
{
    char *p = v.n == SIZE_MAX ? NULL : hs_arena_alloc(a, v.n + 1);
    if (p == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    if (v.n != 0) {
        memcpy(p, v.p, v.n);
    }
    p[v.n] = '\0';
    return p;
}
