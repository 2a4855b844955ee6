/* shared.c - dictionaries that all processes of a server share.
 *
 * The memory behind the buckets is cut into blocks of one size. An entry is a head block, with the key's and the value's first bytes, and as many more as these
 * need, in a list; so nothing is ever in pieces too small to use. Blocks that were never used are taken in order, others from a list.
 *
 * Dying: an entry is written whole in blocks that nobody can reach, then one store of 32 bits makes it the bucket's. So what can be reached
 * from the buckets is whole at every moment; everything else (the order of use, the list of free blocks, the counts) can be made anew from it, which
 * whoever locks next does (repair). A number is changed in its place by one store. */
#include "base/shared.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/region.h"

enum { BLOCK = 128, HEAD_DATA = 85, MORE_DATA = 124, BLOCKS_PER_BUCKET = 2 };

/* A block by its number, from 1; 0: none. */
typedef uint32_t block_no;

struct entry {
    _Atomic block_no next; /* in its bucket */
    block_no more;         /* the rest of its bytes */
    block_no newer, older; /* by last use */
    uint32_t hash;
    uint32_t value_len;
    _Atomic int64_t expires; /* CLOCK_MONOTONIC, ns; 0: never */
    _Atomic uint64_t number; /* the bits of a double */
    uint16_t key_len;
    uint8_t type;
    char data[HEAD_DATA];
};

struct more {
    block_no next;
    char data[MORE_DATA];
};

union block {
    struct entry e;
    struct more m;
};
_Static_assert(sizeof(union block) == BLOCK, "one size");

struct hs_shared {
    pthread_mutex_t lock;
    char name[HS_REGION_NAME_MAX + 1];
    uint64_t key[2]; /* of the hash */
    size_t size;
    uint32_t nbuckets, nblocks;
    uint32_t fresh; /* the first block that was never used */
    block_no free;  /* by m.next */
    uint32_t nfree; /* in that list */
    block_no newest, oldest;
    size_t count;
    uint64_t evicted, repaired;
    _Atomic block_no buckets[];
};

/* --- places --- */

static union block *
block_at(struct hs_shared *d, block_no n)
{
    union block *blocks = (union block *)(void *)((char *)d + ((sizeof *d + d->nbuckets * sizeof d->buckets[0] + BLOCK - 1) & ~(size_t)(BLOCK - 1)));
    return &blocks[n - 1];
}

static struct entry *
entry_at(struct hs_shared *d, block_no n)
{
    return &block_at(d, n)->e;
}

static int64_t
now_ns(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int64_t
end_of(int64_t ttl)
{
    return ttl <= 0 ? 0 : now_ns() + ttl;
}

static bool
is_over(struct entry *e)
{
    const int64_t expires = atomic_load_explicit(&e->expires, memory_order_relaxed);
    return expires != 0 && expires <= now_ns();
}

/* How many blocks so many bytes take. */
static uint32_t
blocks_for(size_t bytes)
{
    return bytes <= HEAD_DATA ? 1 : 1 + (uint32_t)((bytes - HEAD_DATA + MORE_DATA - 1) / MORE_DATA);
}

/* --- making --- */

static void
init(void *p, size_t size, void *arg)
{
    struct hs_shared *d = p;
    const struct hs_view *name = arg;
    memcpy(d->name, name->p, name->n);
    d->size = size;
    d->key[0] = hs_hash(HS_VIEW("shared 0"));
    d->key[1] = hs_hash(HS_VIEW("shared 1"));
    const size_t room = size - sizeof *d - BLOCK;
    d->nblocks = (uint32_t)(room / (BLOCK + sizeof d->buckets[0] / BLOCKS_PER_BUCKET));
    d->nbuckets = d->nblocks / BLOCKS_PER_BUCKET;
    d->fresh = 1;
    (void)hs_robust_init(&d->lock); /* fails for attributes that are not to be had only: the region has some */
}

int
hs_shared_open(struct hs_view name, size_t size, struct hs_shared **out)
{
    size_t got;
    void *p;
    if (size != 0 && size < HS_SHARED_SIZE_MIN) {
        return EINVAL;
    }
    const int err = hs_region_piece(name, size, init, &name, &p, &got);
    if (err == 0) {
        *out = p;
    }
    return err;
}

/* --- order of use, free blocks --- */

static void
leave_order(struct hs_shared *d, struct entry *e)
{
    *(e->newer != 0 ? &entry_at(d, e->newer)->older : &d->newest) = e->older;
    *(e->older != 0 ? &entry_at(d, e->older)->newer : &d->oldest) = e->newer;
}

static void
enter_order(struct hs_shared *d, block_no n)
{
    struct entry *e = entry_at(d, n);
    e->newer = 0;
    e->older = d->newest;
    *(d->newest != 0 ? &entry_at(d, d->newest)->newer : &d->oldest) = n;
    d->newest = n;
}

static void
touch(struct hs_shared *d, block_no n)
{
    if (d->newest != n) {
        leave_order(d, entry_at(d, n));
        enter_order(d, n);
    }
}

static uint32_t
available(const struct hs_shared *d)
{
    return d->nfree + (d->nblocks + 1 - d->fresh);
}

/* There is one. */
static block_no
take_block(struct hs_shared *d)
{
    const block_no n = d->free;
    if (n == 0) {
        return d->fresh++;
    }
    d->free = block_at(d, n)->m.next;
    d->nfree--;
    return n;
}

static void
give_block(struct hs_shared *d, block_no n)
{
    block_at(d, n)->m.next = d->free;
    d->free = n;
    d->nfree++;
}

static void
give_entry(struct hs_shared *d, block_no n)
{
    block_no more = entry_at(d, n)->more, next;
    give_block(d, n);
    for (; more != 0; more = next) {
        next = block_at(d, more)->m.next;
        give_block(d, more);
    }
}

/* --- bytes over several blocks --- */

/* Copies between the bytes of an entry, from one of them on, and p. */
static void
copy_bytes(struct hs_shared *d, struct entry *e, size_t from, char *p, size_t n, bool in)
{
    char *data = e->data;
    size_t room = HEAD_DATA;
    block_no more = e->more;
    for (;;) {
        if (from < room) {
            const size_t part = n < room - from ? n : room - from;
            (void)memcpy(in ? data + from : p, in ? p : data + from, part);
            p += part;
            n -= part;
            from += part;
        }
        if (n == 0) {
            return;
        }
        from -= room;
        data = block_at(d, more)->m.data;
        more = block_at(d, more)->m.next;
        room = MORE_DATA;
    }
}

static bool
has_key(struct hs_shared *d, struct entry *e, struct hs_view key)
{
    const char *p = key.p, *data = e->data;
    size_t n = key.n, room = HEAD_DATA;
    block_no more = e->more;
    while (n > room) {
        if (memcmp(p, data, room) != 0) {
            return false;
        }
        p += room;
        n -= room;
        data = block_at(d, more)->m.data;
        more = block_at(d, more)->m.next;
        room = MORE_DATA;
    }
    return memcmp(p, data, n) == 0;
}

/* --- repairing --- */

/* Whether block n may be one of an entry that has not been met yet, and notes it. */
static bool
claim(const struct hs_shared *d, unsigned char *met, block_no n)
{
    if (n == 0 || n >= d->fresh || (met[n / 8] & (1u << n % 8)) != 0) {
        return false;
    }
    met[n / 8] |= (unsigned char)(1u << n % 8);
    return true;
}

static bool
claim_entry(struct hs_shared *d, unsigned char *met, block_no n)
{
    if (!claim(d, met, n)) {
        return false;
    }
    struct entry *e = entry_at(d, n);
    block_no more = e->more;
    for (uint32_t left = blocks_for((size_t)e->key_len + e->value_len) - 1; left != 0; left--) {
        if (!claim(d, met, more)) {
            return false;
        }
        more = block_at(d, more)->m.next;
    }
    return true;
}

/* Somebody has died while writing: all but the buckets' lists is made anew. */
static void
repair(struct hs_shared *d)
{
    unsigned char *met = calloc(1, (size_t)d->fresh / 8 + 1);
    d->repaired++;
    d->newest = d->oldest = d->free = 0;
    d->nfree = 0;
    d->count = 0;
    for (uint32_t i = 0; i < d->nbuckets; i++) {
        _Atomic block_no *link = &d->buckets[i];
        block_no n;
        while ((n = atomic_load(link)) != 0) {
            if (met == NULL || !claim_entry(d, met, n)) {
                atomic_store(link, 0);
                break;
            }
            enter_order(d, n);
            d->count++;
            link = &entry_at(d, n)->next;
        }
    }
    if (met == NULL) {
        d->fresh = 1; /* no memory to repair with: it is empty */
    }
    for (block_no n = 1; n < d->fresh; n++) {
        if ((met[n / 8] & (1u << n % 8)) == 0) {
            give_block(d, n);
        }
    }
    free(met);
    hs_log(HS_LOG_WARN, "a process has died while it was writing to the shared memory '%s': %zu entries are there", d->name, d->count);
}

static void
lock(struct hs_shared *d)
{
    if (hs_robust_lock(&d->lock)) {
        repair(d);
    }
}

static void
unlock(struct hs_shared *d)
{
    hs_robust_unlock(&d->lock);
}

void
hs_shared_lock_for_ever(struct hs_shared *d)
{
    lock(d);
    d->newest = d->oldest = d->free = 0; /* in the midst of something */
    d->nfree = 77;
    d->count = 12345;
}

/* --- under the lock --- */

/* Makes a link lead to another entry. What is done next to the one that it led to must not come before: whoever dies in between must leave it whole. */
static void
relink(_Atomic block_no *link, block_no n)
{
    atomic_store_explicit(link, n, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst);
}

/* Takes the entry that link leads to out of everything. */
static void
take_out(struct hs_shared *d, _Atomic block_no *link)
{
    const block_no n = atomic_load(link);
    struct entry *e = entry_at(d, n);
    relink(link, atomic_load(&e->next));
    leave_order(d, e);
    give_entry(d, n);
    d->count--;
}

static _Atomic block_no *
bucket(struct hs_shared *d, uint32_t hash)
{
    return &d->buckets[hash % d->nbuckets];
}

/* What leads to the entry of a key; NULL: there is none. One whose time is over is taken out. */
static _Atomic block_no *
find(struct hs_shared *d, struct hs_view key, uint32_t hash)
{
    _Atomic block_no *link = bucket(d, hash);
    block_no n;
    while ((n = atomic_load_explicit(link, memory_order_relaxed)) != 0) {
        struct entry *e = entry_at(d, n);
        if (e->hash == hash && e->key_len == key.n && has_key(d, e, key)) {
            if (!is_over(e)) {
                return link;
            }
            take_out(d, link);
            return NULL;
        }
        link = &e->next;
    }
    return NULL;
}

/* Takes out an entry that is known by its number. */
static void
take_out_number(struct hs_shared *d, block_no n)
{
    _Atomic block_no *link = bucket(d, entry_at(d, n)->hash);
    while (atomic_load_explicit(link, memory_order_relaxed) != n) {
        link = &entry_at(d, atomic_load_explicit(link, memory_order_relaxed))->next;
    }
    take_out(d, link);
}

static uint32_t
hash_of(const struct hs_shared *d, struct hs_view key)
{
    return (uint32_t)hs_siphash13(d->key, key);
}

/* Makes room. 0; ENOSPC: it would never fit. */
static int
make_room(struct hs_shared *d, uint32_t need)
{
    if (need > d->nblocks) {
        return ENOSPC;
    }
    while (available(d) < need) {
        d->evicted += !is_over(entry_at(d, d->oldest));
        take_out_number(d, d->oldest);
    }
    return 0;
}

static uint64_t
bits_of(double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}

static double
number_of(struct entry *e)
{
    const uint64_t bits = atomic_load_explicit(&e->number, memory_order_relaxed);
    double number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

/* Writes an entry in blocks that nobody can reach; there are enough. */
static block_no
write_entry(struct hs_shared *d, struct hs_view key, uint32_t hash, const struct hs_shared_value *v, int64_t expires)
{
    const struct hs_view text = v->type == HS_SHARED_STRING ? v->text : (struct hs_view){ NULL, 0 };
    const block_no n = take_block(d);
    struct entry *e = entry_at(d, n);
    block_no *more = &e->more;
    for (uint32_t left = blocks_for(key.n + text.n) - 1; left != 0; left--) {
        *more = take_block(d);
        more = &block_at(d, *more)->m.next;
    }
    *more = 0;
    e->hash = hash;
    e->key_len = (uint16_t)key.n;
    e->value_len = (uint32_t)text.n;
    e->type = (uint8_t)v->type;
    atomic_store_explicit(&e->number, bits_of(v->number), memory_order_relaxed);
    atomic_store_explicit(&e->expires, expires, memory_order_relaxed);
    copy_bytes(d, e, 0, (char *)(uintptr_t)key.p, key.n, true);
    if (text.n != 0) {
        copy_bytes(d, e, key.n, (char *)(uintptr_t)text.p, text.n, true);
    }
    return n;
}

static int
put(struct hs_shared *d, struct hs_view key, uint32_t hash, const struct hs_shared_value *v, int64_t expires)
{
    const size_t bytes = key.n + (v->type == HS_SHARED_STRING ? v->text.n : 0);
    const int err = bytes > UINT32_MAX / 2 ? ENOSPC : make_room(d, blocks_for(bytes)); /* it may be its former value that makes room */
    if (err != 0) {
        return err;
    }
    const block_no n = write_entry(d, key, hash, v, expires);
    _Atomic block_no *link = find(d, key, hash);
    const block_no old = link != NULL ? atomic_load(link) : 0;
    if (old == 0) {
        link = bucket(d, hash);
    }
    atomic_store_explicit(&entry_at(d, n)->next, old != 0 ? atomic_load(&entry_at(d, old)->next) : atomic_load(link), memory_order_relaxed);
    relink(link, n); /* from here on it is there */
    enter_order(d, n);
    if (old != 0) {
        leave_order(d, entry_at(d, old));
        give_entry(d, old);
    } else {
        d->count++;
    }
    return 0;
}

/* --- for all --- */

int
hs_shared_get(struct hs_shared *d, struct hs_view key, char *buf, size_t room, struct hs_shared_value *out)
{
    const uint32_t hash = hash_of(d, key);
    int err = ENOENT;
    lock(d);
    _Atomic block_no *link = find(d, key, hash);
    if (link != NULL) {
        const block_no n = atomic_load(link);
        struct entry *e = entry_at(d, n);
        *out = (struct hs_shared_value){ (enum hs_shared_type)e->type, number_of(e), { buf, e->value_len } };
        err = e->value_len > room ? EMSGSIZE : 0;
        if (err == 0 && e->value_len != 0) {
            copy_bytes(d, e, e->key_len, buf, e->value_len, false);
        }
        touch(d, n);
    }
    unlock(d);
    return err;
}

int
hs_shared_put(struct hs_shared *d, struct hs_view key, const struct hs_shared_value *v, int64_t ttl, enum hs_shared_put how)
{
    const uint32_t hash = hash_of(d, key);
    const int64_t expires = end_of(ttl);
    int err = 0;
    lock(d);
    if (how != HS_SHARED_SET) {
        const bool there = find(d, key, hash) != NULL;
        err = how == HS_SHARED_ADD && there ? EEXIST : how == HS_SHARED_REPLACE && !there ? ENOENT : 0;
    }
    if (err == 0) {
        err = put(d, key, hash, v, expires);
    }
    unlock(d);
    return err;
}

int
hs_shared_incr(struct hs_shared *d, struct hs_view key, double by, const double *first, int64_t ttl, double *sum)
{
    const uint32_t hash = hash_of(d, key);
    int err = 0;
    lock(d);
    _Atomic block_no *link = find(d, key, hash);
    if (link != NULL) {
        const block_no n = atomic_load(link);
        struct entry *e = entry_at(d, n);
        if (e->type == HS_SHARED_NUMBER) {
            *sum = number_of(e) + by;
            atomic_store_explicit(&e->number, bits_of(*sum), memory_order_relaxed);
            touch(d, n);
        } else {
            err = EINVAL;
        }
    } else if (first != NULL) {
        *sum = *first + by;
        err = put(d, key, hash, &(struct hs_shared_value){ .type = HS_SHARED_NUMBER, .number = *sum }, end_of(ttl));
    } else {
        err = ENOENT;
    }
    unlock(d);
    return err;
}

int
hs_shared_delete(struct hs_shared *d, struct hs_view key)
{
    const uint32_t hash = hash_of(d, key);
    lock(d);
    _Atomic block_no *link = find(d, key, hash);
    if (link != NULL) {
        take_out(d, link);
    }
    unlock(d);
    return link != NULL ? 0 : ENOENT;
}

int
hs_shared_ttl(struct hs_shared *d, struct hs_view key, int64_t *ttl)
{
    const uint32_t hash = hash_of(d, key);
    lock(d);
    _Atomic block_no *link = find(d, key, hash);
    if (link != NULL) {
        const int64_t expires = atomic_load(&entry_at(d, atomic_load(link))->expires);
        const int64_t left = expires - now_ns();
        *ttl = expires == 0 ? 0 : left > 0 ? left : 1;
    }
    unlock(d);
    return link != NULL ? 0 : ENOENT;
}

int
hs_shared_expire(struct hs_shared *d, struct hs_view key, int64_t ttl)
{
    const uint32_t hash = hash_of(d, key);
    lock(d);
    _Atomic block_no *link = find(d, key, hash);
    if (link != NULL) {
        atomic_store(&entry_at(d, atomic_load(link))->expires, end_of(ttl));
    }
    unlock(d);
    return link != NULL ? 0 : ENOENT;
}

void
hs_shared_flush(struct hs_shared *d)
{
    lock(d);
    while (d->oldest != 0) {
        take_out_number(d, d->oldest);
    }
    unlock(d);
}

size_t
hs_shared_flush_expired(struct hs_shared *d, size_t max)
{
    size_t n = 0;
    block_no it, next;
    lock(d);
    for (it = d->oldest; it != 0 && (max == 0 || n < max); it = next) {
        next = entry_at(d, it)->newer;
        if (is_over(entry_at(d, it))) {
            take_out_number(d, it);
            n++;
        }
    }
    unlock(d);
    return n;
}

/* Gives the bytes of a key in the parts that they lie in. */
static bool
give_key(struct hs_shared *d, struct entry *e, bool (*fn)(void *arg, struct hs_view part, bool last), void *arg)
{
    const char *data = e->data;
    size_t n = e->key_len, room = HEAD_DATA;
    block_no more = e->more;
    while (n > room) {
        if (!fn(arg, (struct hs_view){ data, room }, false)) {
            return false;
        }
        n -= room;
        data = block_at(d, more)->m.data;
        more = block_at(d, more)->m.next;
        room = MORE_DATA;
    }
    return fn(arg, (struct hs_view){ data, n }, true);
}

void
hs_shared_keys(struct hs_shared *d, size_t max, bool (*fn)(void *arg, struct hs_view part, bool last), void *arg)
{
    size_t n = 0;
    lock(d);
    for (block_no it = d->newest; it != 0 && (max == 0 || n < max); it = entry_at(d, it)->older) {
        if (!is_over(entry_at(d, it))) {
            n++;
            if (!give_key(d, entry_at(d, it), fn, arg)) {
                break;
            }
        }
    }
    unlock(d);
}

void
hs_shared_get_stat(struct hs_shared *d, struct hs_shared_stat *st)
{
    lock(d);
    *st = (struct hs_shared_stat){ d->size, d->count, (size_t)available(d) * BLOCK, d->evicted, d->repaired };
    unlock(d);
}
