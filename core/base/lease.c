/* lease.c - what one process of a server does for all.
 * A table of cells in the region. A cell keeps its name when nobody holds it, until the table is full: then one that nobody holds is given to another name.
 * Names change under the table's lock only, and under the cell's own, too; so whoever holds a cell finds its name again. */
#include "base/lease.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "base/region.h"

enum { CELLS = 512 };

struct hs_lease {
    pthread_mutex_t held;
    int64_t last;
    uint16_t n; /* 0: no name */
    char name[HS_LEASE_NAME_MAX];
};

struct table {
    pthread_mutex_t lock;
    struct hs_lease cells[CELLS];
};

static void
init(void *p, size_t size, void *arg)
{
    struct table *t = p;
    (void)size;
    (void)arg;
    (void)hs_robust_init(&t->lock); /* as hs_shared's */
    for (size_t i = 0; i < CELLS; i++) {
        (void)hs_robust_init(&t->cells[i].held);
    }
}

/* The cell of a name; NULL: it has none. */
static struct hs_lease *
find(struct table *t, struct hs_view name)
{
    for (size_t i = 0; i < CELLS; i++) {
        if (hs_view_eq(name, (struct hs_view){ t->cells[i].name, t->cells[i].n })) {
            return &t->cells[i];
        }
    }
    return NULL;
}

/* Gives the name a cell, and holds it. NULL: all are held. */
static struct hs_lease *
claim(struct table *t, struct hs_view name)
{
    for (int any = 0; any < 2; any++) {
        for (size_t i = 0; i < CELLS; i++) {
            struct hs_lease *l = &t->cells[i];
            if ((any || l->n == 0) && hs_robust_try(&l->held)) {
                l->n = 0; /* who dies here leaves no half of a name, for this comes first and the length last */
                atomic_signal_fence(memory_order_seq_cst);
                memcpy(l->name, name.p, name.n);
                l->last = 0;
                atomic_signal_fence(memory_order_seq_cst);
                l->n = (uint16_t)name.n;
                return l;
            }
        }
    }
    return NULL;
}

int
hs_lease_take(struct hs_view name, struct hs_lease **out)
{
    size_t size;
    void *p;
    if (name.n == 0 || name.n > HS_LEASE_NAME_MAX) {
        return ENAMETOOLONG;
    }
    int err = hs_region_piece(HS_VIEW("\1leases"), sizeof(struct table), init, NULL, &p, &size);
    if (err != 0) {
        return err;
    }
    struct table *t = p;
    (void)hs_robust_lock(&t->lock); /* nothing to put right: see claim() */
    struct hs_lease *l = find(t, name);
    if (l != NULL) {
        err = hs_robust_try(&l->held) ? 0 : EBUSY;
    } else {
        l = claim(t, name);
        err = l != NULL ? 0 : ENOSPC;
    }
    hs_robust_unlock(&t->lock);
    *out = err == 0 ? l : NULL;
    return err;
}

void
hs_lease_give(struct hs_lease *l)
{
    hs_robust_unlock(&l->held);
}

int64_t
hs_lease_last(const struct hs_lease *l)
{
    return l->last;
}

void
hs_lease_set_last(struct hs_lease *l, int64_t when)
{
    l->last = when;
}
