/* page.c - the shared page: what the master and its workers know of each other without asking. */
#include "server/page.h"

#include <errno.h>
#include <sys/mman.h>
#include <time.h>

enum { CACHE_LINE = 64 };

const char *const hs_page_class_names[HS_COUNT_CLASSES] = { "none", NULL, "2xx", "3xx", "4xx", "5xx" };

/* Workers write their slots all the time: no two share a cache line. */
struct slot {
    _Alignas(CACHE_LINE) struct hs_page_slot s;
};

struct hs_page {
    size_t workers;
    struct hs_page_own own;
    struct slot slots[]; /* of the workers, then of those who are leaving */
};

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2, "shared between processes");

static size_t
size_of(size_t workers)
{
    return sizeof(struct hs_page) + 2 * workers * sizeof(struct slot);
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
    atomic_store(&(*out)->own.started, hs_page_now());
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

struct hs_page_slot *
hs_page_leaving_slot(struct hs_page *p, size_t i)
{
    return &p->slots[p->workers + i].s;
}

struct hs_page_slot *
hs_page_line(struct hs_page *p, size_t i)
{
    return i < 2 * p->workers ? &p->slots[i].s : NULL;
}

struct hs_page_own *
hs_page_own(struct hs_page *p)
{
    return &p->own;
}

uint64_t
hs_page_requests(const struct hs_page_slot *s)
{
    uint64_t n = 0;

    for (int c = 0; c < HS_COUNT_CLASSES; c++) {
        n += hs_page_get(&s->counts[HS_COUNT_REQUESTS + c]);
    }
    return n;
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

    const struct hs_page_slot *s;

    for (size_t i = 0; (s = hs_page_line(p, i)) != NULL; i++) {
        uint64_t n = hs_page_get(&s->counts[which]);
        if (which != HS_COUNT_LONGEST_TURN) {
            sum += n;
        } else if (n > sum) {
            sum = n;
        }
    }
    return sum;
}

/* The names and counts of pools stay, for the next worker to go on from. */
static void
clear_live(struct hs_page_slot *s)
{
    for (int c = HS_COUNT_LIVE; c < HS_COUNTS; c++) {
        atomic_store(&s->counts[c], 0);
    }
    atomic_store(&s->ngenerations, 0);
    for (int i = 0; i < HS_PAGE_POOLS; i++) {
        hs_page_set(&s->pools[i].threads, 0);
        hs_page_set(&s->pools[i].active, 0);
        hs_page_set(&s->pools[i].queued, 0);
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

void
hs_page_left(struct hs_page *p, size_t i)
{
    clear_live(hs_page_leaving_slot(p, i));
}
