/* page.c - the shared page: what the master and its workers know of each other without asking. */
#include "server/page.h"

#include <errno.h>
#include <sys/mman.h>
#include <time.h>

enum { CACHE_LINE = 64 };

/* Workers write their slots all the time: no two share a cache line. */
struct slot {
    _Alignas(CACHE_LINE) struct hs_page_slot s;
};

struct hs_page {
    size_t workers;
    struct slot slots[];
};

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2, "shared between processes");

static size_t
size_of(size_t workers)
{
    return sizeof(struct hs_page) + workers * sizeof(struct slot);
}

int
hs_page_new(size_t workers, struct hs_page **out)
{
    void *p = mmap(NULL, size_of(workers), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED) {
        return ENOMEM;
    }
    *out = p;
    (*out)->workers = workers;
    return 0;
}

void
hs_page_free(struct hs_page *p)
{
    if (p != NULL) {
        (void)munmap(p, size_of(p->workers));
    }
}

size_t
hs_page_workers(const struct hs_page *p)
{
    return p->workers;
}

struct hs_page_slot *
hs_page_slot(struct hs_page *p, size_t i)
{
    return &p->slots[i].s;
}

int64_t
hs_page_now(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

bool
hs_page_is_well(struct hs_page *p, size_t i, int64_t now, int64_t late)
{
    struct hs_page_slot *s = hs_page_slot(p, i);

    return atomic_load(&s->state) == HS_WORKER_SERVING && now - atomic_load(&s->beat) < late;
}

size_t
hs_page_stand_in(struct hs_page *p, size_t i, int64_t now, int64_t late)
{
    for (size_t k = 0; k < p->workers; k++) {
        size_t candidate = (i + k) % p->workers;
        if (hs_page_is_well(p, candidate, now, late)) {
            return candidate;
        }
    }
    return i;
}

uint64_t
hs_page_total(struct hs_page *p, enum hs_count which)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < p->workers; i++) {
        sum += atomic_load_explicit(&p->slots[i].s.counts[which], memory_order_relaxed);
    }
    return sum;
}

static void
clear_live(struct hs_page_slot *s)
{
    for (int c = HS_COUNT_LIVE; c < HS_COUNTS; c++) {
        atomic_store(&s->counts[c], 0);
    }
}

void
hs_page_enter(struct hs_page *p, size_t i)
{
    struct hs_page_slot *s = hs_page_slot(p, i);
    int64_t now = hs_page_now();

    clear_live(s);
    atomic_store(&s->started, now);
    atomic_store(&s->beat, now);
    atomic_store(&s->generation, 0);
    atomic_store(&s->state, HS_WORKER_STARTING);
}

void
hs_page_leave(struct hs_page *p, size_t i)
{
    struct hs_page_slot *s = hs_page_slot(p, i);

    clear_live(s);
    atomic_store(&s->state, HS_WORKER_EMPTY);
    atomic_store(&s->pid, 0);
}
