/* quota.c - how many connections the workers of a server have together. */
#include "server/quota.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>

struct hs_quota {
    size_t workers, kinds;
    _Atomic uint32_t cells[]; /* kinds of each worker */
};

_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "shared between processes");

static size_t
size_of(size_t workers, size_t kinds)
{
    return sizeof(struct hs_quota) + workers * kinds * sizeof(_Atomic uint32_t);
}

int
hs_quota_new(size_t workers, size_t kinds, struct hs_quota **out)
{
    void *p = mmap(NULL, size_of(workers, kinds), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED) {
        return ENOMEM;
    }
    *out = p;
    (*out)->workers = workers;
    (*out)->kinds = kinds;
    return 0;
}

void
hs_quota_free(struct hs_quota *q)
{
    if (q != NULL) {
        (void)munmap(q, size_of(q->workers, q->kinds));
    }
}

static _Atomic uint32_t *
cell(struct hs_quota *q, size_t worker, size_t kind)
{
    return &q->cells[worker * q->kinds + kind];
}

uint32_t
hs_quota_total(const struct hs_quota *q, size_t kind)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < q->workers; i++) {
        sum += atomic_load(&q->cells[i * q->kinds + kind]);
    }
    return sum;
}

/* Taken first and counted then: whoever counts last sees all that were taken before. */
bool
hs_quota_take(struct hs_quota *q, size_t worker, size_t kind, uint32_t max)
{
    atomic_fetch_add(cell(q, worker, kind), 1);
    if (hs_quota_total(q, kind) <= max) {
        return true;
    }
    atomic_fetch_sub(cell(q, worker, kind), 1);
    return false;
}

void
hs_quota_give(struct hs_quota *q, size_t worker, size_t kind)
{
    atomic_fetch_sub(cell(q, worker, kind), 1);
}

void
hs_quota_leave(struct hs_quota *q, size_t worker)
{
    for (size_t k = 0; k < q->kinds; k++) {
        atomic_store(cell(q, worker, k), 0);
    }
}

bool
hs_quota_is_shared(const struct hs_quota *q)
{
    return q->workers > 1;
}
