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

/* What is counted. From LIVE on: how many there are now, which end with the worker. */
enum hs_count {
    HS_COUNT_REQUESTS,
    HS_COUNT_BYTES,
    HS_COUNT_LIVE,
    HS_COUNT_OPEN_CONNECTIONS = HS_COUNT_LIVE,
    HS_COUNT_OPEN_REQUESTS,
    HS_COUNTS,
};

struct hs_page_slot {
    _Atomic pid_t pid;
    _Atomic unsigned state;         /* enum hs_worker_state */
    _Atomic int64_t beat;           /* CLOCK_MONOTONIC, ns: when the worker's loop last came round */
    _Atomic int64_t started;        /* CLOCK_MONOTONIC, ns */
    _Atomic uint64_t generation;    /* of the scripts that new requests get */
    _Atomic uint64_t deaths;        /* workers of this slot that ended unasked */
    _Atomic uint64_t counts[HS_COUNTS];
};

struct hs_page;

/* A page for so many workers (at least 1). 0; ENOMEM. */
int hs_page_new(size_t workers, struct hs_page **out);
/* Unmaps it in this process. NULL is ignored. */
void hs_page_free(struct hs_page *p);
size_t hs_page_workers(const struct hs_page *p);
struct hs_page_slot *hs_page_slot(struct hs_page *p, size_t i);
/* CLOCK_MONOTONIC in ns: one clock for all processes. */
int64_t hs_page_now(void);

/* Whether a worker answers: it serves, and its loop came round less than late ns ago. */
bool hs_page_is_well(struct hs_page *p, size_t i, int64_t now, int64_t late);
/* Who accepts for a worker that is not well: the next one, going round, that is. The worker itself when it is well, or when nobody is. */
size_t hs_page_stand_in(struct hs_page *p, size_t i, int64_t now, int64_t late);
/* The sum of a count over all slots. */
uint64_t hs_page_total(struct hs_page *p, enum hs_count which);
/* A new worker enters slot i: what there is now starts at none, what was counted goes on. The master calls it, before it forks. */
void hs_page_enter(struct hs_page *p, size_t i);
/* The worker of slot i has gone. */
void hs_page_leave(struct hs_page *p, size_t i);

#endif
