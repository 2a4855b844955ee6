/* page.h - the shared page: what the master and its workers know of each other without asking.
 * An anonymous shared mapping, made by the master before it forks. Each worker writes its own slot, everybody reads all; a slot's counters go on when
 * the worker in it is replaced. Every member is a lock-free atomic: a worker that dies in the middle of a write leaves nothing locked. */
#ifndef HS_SERVER_PAGE_H
#define HS_SERVER_PAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What a worker is doing. EMPTY: there is no process. */
enum hs_worker_state { HS_WORKER_EMPTY, HS_WORKER_STARTING, HS_WORKER_SERVING, HS_WORKER_DRAINING };

/* What is counted. The first six are requests by the class of their status, so that the place of one is its status / 100; what ended without the head of a
 * response stands at 0. From LIVE on: how much there is now, which ends with the worker. Times are in ns. */
enum hs_count {
    HS_COUNT_REQUESTS,
    HS_COUNT_CLASSES = 6,
    HS_COUNT_REQUEST_TIME = HS_COUNT_CLASSES, /* of all requests, from head to end */
    HS_COUNT_CUT_SHORT,    /* requests whose response did not reach its end */
    HS_COUNT_CONNECTIONS,  /* accepted */
    HS_COUNT_RECEIVED,     /* bytes */
    HS_COUNT_SENT,
    HS_COUNT_REFUSED,      /* before they were requests: malformed, too large, too late */
    HS_COUNT_TIMEOUTS,     /* of connections: head, body, write */
    HS_COUNT_TURNED_AWAY,  /* connections, for want of descriptors */
    HS_COUNT_UNSENT,       /* connections that ended before the kernel had taken all that was to be said */
    HS_COUNT_LUA_ERRORS,   /* that no script has caught */
    HS_COUNT_LOG_LOST,     /* lines */
    HS_COUNT_LIVE,
    HS_COUNT_OPEN_CONNECTIONS = HS_COUNT_LIVE,
    HS_COUNT_OPEN_REQUESTS,
    HS_COUNT_SUSPENDED,    /* of these: whose handler waits */
    HS_COUNT_TASKS,        /* Lua */
    HS_COUNT_TIMERS,       /* of scripts */
    HS_COUNT_LUA_MEMORY,   /* bytes, all generations */
    HS_COUNT_LONGEST_TURN, /* of the loop, in the last minute */
    HS_COUNTS,
};

enum {
    HS_PAGE_TIMES = 480, /* buckets of the times that requests took (times.h) */
    HS_PAGE_GENERATIONS = 16,
    HS_PAGE_POOLS = 16,
    HS_PAGE_NAME_MAX = 32,
};

/* A generation of scripts that lives in a worker. */
struct hs_page_generation {
    _Atomic uint64_t id;
    _Atomic uint64_t memory; /* of its Lua state, bytes */
};

/* A pool of threads of a worker. The counts go on as those of the slot do. */
struct hs_page_pool {
    char name[HS_PAGE_NAME_MAX]; /* "": none yet; written before the pool is counted in, and then left alone */
    _Atomic uint64_t threads, active, queued;
    _Atomic uint64_t done, wait_time, run_time; /* ns */
};

struct hs_page_slot {
    _Atomic pid_t pid;
    _Atomic unsigned state;         /* enum hs_worker_state */
    _Atomic int64_t beat;           /* CLOCK_MONOTONIC, ns: when the worker's loop last came round */
    _Atomic int64_t started;        /* CLOCK_MONOTONIC, ns */
    _Atomic uint64_t generation;    /* of the scripts that new requests get */
    _Atomic uint64_t deaths;        /* workers of this slot that ended unasked */
    _Atomic uint64_t counts[HS_COUNTS];
    _Atomic uint64_t times[HS_PAGE_TIMES]; /* requests by the time that they took */
    _Atomic unsigned ngenerations, npools; /* how many of these are valid */
    struct hs_page_generation generations[HS_PAGE_GENERATIONS]; /* the current one first, then the oldest */
    struct hs_page_pool pools[HS_PAGE_POOLS];
};

/* What the process that supervises counts itself. */
struct hs_page_own {
    _Atomic int64_t started; /* CLOCK_MONOTONIC, ns */
    _Atomic uint64_t reloads, failed_reloads;
};

struct hs_page;

/* The classes of statuses by name, where they stand among the counts; NULL: there is none. */
extern const char *const hs_page_class_names[HS_COUNT_CLASSES];

/* A page for so many workers (at least 1). 0; ENOMEM. */
int hs_page_new(size_t workers, struct hs_page **out);
/* Unmaps it in this process. NULL is ignored. */
void hs_page_free(struct hs_page *p);
size_t hs_page_workers(const struct hs_page *p);
struct hs_page_slot *hs_page_slot(struct hs_page *p, size_t i);
struct hs_page_own *hs_page_own(struct hs_page *p);
/* Where a worker counts that has left slot i to another, while it finishes what it has. */
struct hs_page_slot *hs_page_leaving_slot(struct hs_page *p, size_t i);
/* That worker has gone. */
void hs_page_left(struct hs_page *p, size_t i);
/* The i-th place where something is counted: the slots, then those of workers that are leaving. NULL past the last. */
struct hs_page_slot *hs_page_line(struct hs_page *p, size_t i);
/* CLOCK_MONOTONIC in ns: one clock for all processes. */
int64_t hs_page_now(void);

/* Whether a worker answers: it serves, and its loop came round less than late ns ago. */
bool hs_page_is_well(struct hs_page *p, size_t i, int64_t now, int64_t late);
/* Who accepts for a worker that is not well: the next one, going round, that is. The worker itself when it is well, or when nobody is. */
size_t hs_page_stand_in(struct hs_page *p, size_t i, int64_t now, int64_t late);
/* Counts n more. Of the one thread that writes the counter: two of them would lose counts. A plain addition, which the compiler makes one instruction of: other
 * processes read the word before it or after it, as they would an atomic one that is stored to. */
static inline void
hs_page_add(_Atomic uint64_t *counter, uint64_t n)
{
    *(uint64_t *)(void *)counter += n;
}
static inline uint64_t
hs_page_get(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}
static inline void
hs_page_set(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter, n, memory_order_relaxed);
}
/* The sum of a count over all lines; of the longest turn the longest of all. */
uint64_t hs_page_total(struct hs_page *p, enum hs_count which);
/* The requests of a slot that have ended, of all classes. */
uint64_t hs_page_requests(const struct hs_page_slot *s);
/* A new worker enters slot i: what there is now starts at none, what was counted goes on. The master calls it, before it forks. */
void hs_page_enter(struct hs_page *p, size_t i);
/* The worker of slot i has gone. */
void hs_page_leave(struct hs_page *p, size_t i);

#endif
