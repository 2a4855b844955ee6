/* region.c - memory that all processes of one server share.
 * The directory at its start is only added to: an entry counts when their number does, so whoever dies in between leaves nothing half done. */
#include "base/region.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGN = 64 };

struct piece {
    char name[HS_REGION_NAME_MAX];
    size_t name_len;
    size_t at, size;
};

struct region {
    pthread_mutex_t lock;
    size_t size;
    size_t used; /* bytes from the start */
    size_t n;
    struct piece pieces[HS_REGION_PIECES];
};

static pthread_mutex_t own_lock = PTHREAD_MUTEX_INITIALIZER; /* of this process: for the three below */
static struct region *region;
static size_t region_size;
static bool off;

int
hs_robust_init(pthread_mutex_t *m)
{
    pthread_mutexattr_t a;
    int err = pthread_mutexattr_init(&a);
    if (err != 0) {
        return err;
    }
    err = pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
    err = err != 0 ? err : pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
    err = err != 0 ? err : pthread_mutex_init(m, &a);
    (void)pthread_mutexattr_destroy(&a);
    return err;
}

bool
hs_robust_lock(pthread_mutex_t *m)
{
    if (pthread_mutex_lock(m) != EOWNERDEAD) {
        return false;
    }
    (void)pthread_mutex_consistent(m);
    return true;
}

void
hs_robust_unlock(pthread_mutex_t *m)
{
    (void)pthread_mutex_unlock(m);
}

bool
hs_robust_try(pthread_mutex_t *m)
{
    int err = pthread_mutex_trylock(m);
    if (err == EOWNERDEAD) {
        (void)pthread_mutex_consistent(m);
        err = 0;
    }
    return err == 0;
}

static size_t
aligned(size_t n)
{
    return (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

/* Under own_lock. */
static int
map(size_t size)
{
    const size_t total = aligned(sizeof(struct region)) + size;
    void *p = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        return ENOMEM;
    }
    struct region *r = p;
    const int err = hs_robust_init(&r->lock);
    if (err != 0) {
        (void)munmap(p, total);
        return ENOMEM;
    }
    r->size = region_size = total;
    r->used = aligned(sizeof *r);
    region = r;
    return 0;
}

int
hs_region_open(size_t size)
{
    pthread_mutex_lock(&own_lock);
    int err = region != NULL || off ? EBUSY : 0;
    if (err == 0 && size == 0) {
        off = true;
    } else if (err == 0) {
        err = map(size);
    }
    pthread_mutex_unlock(&own_lock);
    return err;
}

void
hs_region_leave(void)
{
    pthread_mutex_lock(&own_lock);
    if (region != NULL) {
        (void)munmap(region, region_size);
        region = NULL;
    }
    off = false;
    pthread_mutex_unlock(&own_lock);
}

static int
get_region(struct region **out)
{
    int err = 0;
    pthread_mutex_lock(&own_lock);
    if (off) {
        err = ENOTSUP;
    } else if (region == NULL) {
        err = map(HS_REGION_DEFAULT);
    }
    *out = region;
    pthread_mutex_unlock(&own_lock);
    return err;
}

static struct piece *
find(struct region *r, struct hs_view name)
{
    for (size_t i = 0; i < r->n; i++) {
        if (hs_view_eq(name, (struct hs_view){ r->pieces[i].name, r->pieces[i].name_len })) {
            return &r->pieces[i];
        }
    }
    return NULL;
}

/* Under the region's lock. */
static int
carve(struct region *r, struct hs_view name, size_t size, void (*init)(void *p, size_t size, void *arg), void *arg)
{
    struct piece *p = &r->pieces[r->n];
    if (r->n == HS_REGION_PIECES || size > r->size || aligned(size) > r->size - r->used) {
        return ENOSPC;
    }
    memcpy(p->name, name.p, name.n);
    p->name_len = name.n;
    p->at = r->used;
    p->size = size;
    init((char *)r + p->at, size, arg);
    /* Who dies here is seen as far as it came, in this order: the lock's next holder has the memory as the dead one's instructions left it. */
    atomic_signal_fence(memory_order_seq_cst);
    r->used += aligned(size); /* first: who dies after this has lost the piece, and no more */
    atomic_signal_fence(memory_order_seq_cst);
    r->n++;
    return 0;
}

int
hs_region_piece(struct hs_view name, size_t size, void (*init)(void *p, size_t size, void *arg), void *arg, void **out, size_t *got)
{
    struct region *r;
    if (name.n > HS_REGION_NAME_MAX) {
        return ENAMETOOLONG;
    }
    int err = get_region(&r);
    if (err != 0) {
        return err;
    }
    (void)hs_robust_lock(&r->lock); /* see above: nothing to be put right */
    struct piece *p = find(r, name);
    if (p == NULL) {
        err = size == 0 ? ENOENT : carve(r, name, size, init, arg);
        p = err == 0 ? find(r, name) : NULL;
    }
    if (p != NULL) {
        *out = (char *)r + p->at;
        *got = p->size;
    }
    hs_robust_unlock(&r->lock);
    return err;
}
