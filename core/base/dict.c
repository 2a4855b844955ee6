/* dict.c - a dictionary of strings: an array of pairs in the order of their coming, and a hash index over it.
 * Array and index are one block, replaced by a larger one as a whole, so a failed allocation changes nothing.
 * Key and value of a pair are one block too; a value that is set later gets a block of its own. A removed pair
 * stays as a hole (key NULL) until the next block is made, so iterators, which are only places in the
 * array, survive everything. */
#include "base/dict.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/hash.h"
#include "misc/ec_atomic.h"

#define FIRST_CAP 8
#define MAX_CAP (1u << 26) /* what a block of pairs and index can hold with 32-bit sizes too */

struct pair {
    char *key; /* NULL: a hole */
    char *val;
    uint32_t key_len;
    uint32_t hash;
};

struct _ec_hash_table {
    struct pair *pairs; /* cap of them, then the index */
    uint32_t *index;    /* 2 * cap slots: 0 free, else a place in pairs plus 1 */
    uint32_t cap;       /* a power of two, or 0 */
    uint32_t used;      /* places taken, holes included */
    uint32_t live;
    ec_atomic_t ref;
};

ECDict
dict_blank(void)
{
    ECDict a = calloc(1, sizeof *a);
    if (a == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    a->ref = 1;
    return a;
}

void
echash_addref(ec_hash_table *ht)
{
    if (ht != NULL) {
        int before = __atomic_fetch_add(&ht->ref, 1, __ATOMIC_RELAXED);
        assert(before > 0);
        (void)before;
    }
}

static bool
val_is_separate(const struct pair *p)
{
    return p->val != p->key + p->key_len + 1;
}

static void
free_pair(struct pair *p)
{
    if (p->key != NULL && val_is_separate(p)) {
        free(p->val);
    }
    free(p->key);
}

void
echash_delref(ec_hash_table *ht)
{
    if (ht == NULL) {
        return;
    }
    int before = __atomic_fetch_sub(&ht->ref, 1, __ATOMIC_ACQ_REL);
    assert(before > 0);
    if (before != 1) {
        return;
    }
    for (uint32_t i = 0; i < ht->used; i++) {
        free_pair(&ht->pairs[i]);
    }
    free(ht->pairs);
    free(ht);
}

void
dict_drop(ECDict a)
{
    echash_delref(a);
}

static void
index_pair(uint32_t *index, uint32_t cap, uint32_t hash, uint32_t place)
{
    uint32_t mask = cap * 2 - 1;
    uint32_t slot = hash & mask;
    while (index[slot] != 0) {
        slot = (slot + 1) & mask;
    }
    index[slot] = place + 1;
}

static struct pair *
find(ECDict a, struct hs_view key, uint32_t hash)
{
    if (a == NULL || a->cap == 0) {
        return NULL;
    }
    uint32_t mask = a->cap * 2 - 1;
    for (uint32_t slot = hash & mask; a->index[slot] != 0; slot = (slot + 1) & mask) {
        struct pair *p = &a->pairs[a->index[slot] - 1];
        if (p->key != NULL && p->hash == hash && hs_view_eq(key, (struct hs_view){ p->key, p->key_len })) {
            return p;
        }
    }
    return NULL;
}

/* Makes room for one more pair: a new block without the holes, larger unless holes were half of it. */
static int
make_room(ECDict a)
{
    if (a->used < a->cap) {
        return 0;
    }
    uint32_t cap = a->cap == 0 ? FIRST_CAP : a->cap;
    if (a->cap != 0 && a->live > a->cap / 2) {
        cap *= 2;
    }
    if (cap > MAX_CAP) {
        return ENOMEM;
    }
    struct pair *pairs = malloc(cap * (sizeof *pairs + 2 * sizeof *a->index));
    if (pairs == NULL) {
        return ENOMEM;
    }
    uint32_t *index = (uint32_t *)(pairs + cap);
    memset(index, 0, 2 * (size_t)cap * sizeof *index);
    uint32_t used = 0;
    for (uint32_t i = 0; i < a->used; i++) {
        if (a->pairs[i].key != NULL) {
            index_pair(index, cap, a->pairs[i].hash, used);
            pairs[used++] = a->pairs[i];
        }
    }
    free(a->pairs);
    a->pairs = pairs;
    a->index = index;
    a->cap = cap;
    a->used = used;
    return 0;
}

static void
copy_bytes(char *dst, struct hs_view v)
{
    if (v.n != 0) {
        memcpy(dst, v.p, v.n);
    }
    dst[v.n] = '\0';
}

static int
replace_value(struct pair *p, struct hs_view val)
{
    char *copy = malloc(val.n + 1);
    if (copy == NULL) {
        return ENOMEM;
    }
    copy_bytes(copy, val);
    if (val_is_separate(p)) {
        free(p->val);
    }
    p->val = copy;
    return 0;
}

static bool
has_nul(struct hs_view v)
{
    return v.n != 0 && memchr(v.p, '\0', v.n) != NULL;
}

int
hs_dict_set(ECDict a, struct hs_view key, struct hs_view val)
{
    if (a == NULL || has_nul(key) || has_nul(val)) {
        return EINVAL;
    }
    if (key.n > INT_MAX || val.n > INT_MAX) {
        return ENOMEM;
    }
    uint32_t hash = (uint32_t)hs_hash(key);
    struct pair *there = find(a, key, hash);
    if (there != NULL) {
        return replace_value(there, val);
    }
    int err = make_room(a);
    if (err != 0) {
        return err;
    }
    char *p = malloc(key.n + 1 + val.n + 1);
    if (p == NULL) {
        return ENOMEM;
    }
    copy_bytes(p, key);
    copy_bytes(p + key.n + 1, val);
    a->pairs[a->used] = (struct pair){ .key = p, .val = p + key.n + 1, .key_len = (uint32_t)key.n, .hash = hash };
    index_pair(a->index, a->cap, hash, a->used);
    a->used++;
    a->live++;
    return 0;
}

int
dict_add_key_value(ECDict a, const char *key, const char *val)
{
    if (key == NULL || val == NULL) {
        return EINVAL;
    }
    return hs_dict_set(a, hs_view_of(key), hs_view_of(val));
}

int
dict_key_exists_and_fetch(ECDict a, const char *key, const char **value)
{
    struct hs_view k = hs_view_of(key);
    struct pair *p = key != NULL && a != NULL && a->live != 0 ? find(a, k, (uint32_t)hs_hash(k)) : NULL;
    if (p != NULL && value != NULL) {
        *value = p->val;
    }
    return p != NULL;
}

int
dict_key_exists(ECDict a, const char *key)
{
    return dict_key_exists_and_fetch(a, key, NULL);
}

int
dict_key_delete(ECDict a, const char *key)
{
    struct hs_view k = hs_view_of(key);
    struct pair *p = key != NULL && a != NULL ? find(a, k, (uint32_t)hs_hash(k)) : NULL;
    if (p == NULL) {
        return 0;
    }
    free_pair(p);
    p->key = NULL;
    p->val = NULL;
    a->live--;
    return 1;
}

size_t
ec_dict_count(ECDict a)
{
    return a == NULL ? 0 : a->live;
}

ECDict_Iterator
dict_iter(ECDict a)
{
    (void)a;
    return (ECDict_Iterator){ .p1 = 0 };
}

void
dict_iter2(ECDict a, ECDict_Iterator **i)
{
    *i = malloc(sizeof **i);
    if (*i != NULL) {
        **i = dict_iter(a);
    }
}

void
dict_iter2_free(ECDict a, ECDict_Iterator *i)
{
    (void)a;
    free(i);
}

int
dict_next(ECDict a, ECDict_Iterator *i, const char **key, const char **val)
{
    if (a == NULL || i == NULL || i->p1 < 0) {
        return 0;
    }
    while ((uint32_t)i->p1 < a->used) {
        const struct pair *p = &a->pairs[i->p1++];
        if (p->key == NULL) {
            continue;
        }
        if (key != NULL) {
            *key = p->key;
        }
        if (val != NULL) {
            *val = p->val;
        }
        return 1;
    }
    return 0;
}
