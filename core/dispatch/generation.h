/* generation.h - the inside of a generation, for the files of this floor: what each request does with it is inline. */
#ifndef HS_DISPATCH_GENERATION_H
#define HS_DISPATCH_GENERATION_H

#include <assert.h>

#include "dispatch/route_tree.h"

/* Registrations of one kind. */
struct hs_routes {
    struct hs_route **list; /* in matching order when sorted, else in some order */
    size_t n, room;
    bool sorted;
};

struct hs_generation {
    unsigned long id;
    unsigned refs;
    bool sealed;
    bool guarded; /* there is something to authenticate, or a route that says not to */
    struct hs_route_tree tree;
    struct hs_routes routes;
    struct hs_route_tree auth_tree;
    struct hs_routes auths;
    struct hs_route **errors; /* by status, from HS_ERROR_FIRST on; NULL: none at all */
    void (*on_free)(void *arg);
    void *on_free_arg;
    void (*on_gone)(void *arg);
    void *on_gone_arg;
};

/* Drops everything, when no reference is left. */
void generation_free(struct hs_generation *g);

/* The handler of a route with a pool: has the one that was registered called there, or answers 503. */
int hs_pool_handler(ec_httpsrv_session *sess);

enum { HS_ERROR_FIRST = 400, HS_ERROR_LAST = 599 };

/* What answers with that status in the place of the core; NULL: the core. */
static inline struct hs_route *
generation_error_route(const struct hs_generation *g, int status)
{
    return g->errors != NULL && status >= HS_ERROR_FIRST && status <= HS_ERROR_LAST ? g->errors[status - HS_ERROR_FIRST] : NULL;
}

static inline void
generation_addref(struct hs_generation *g)
{
    assert(g->refs != 0);
    g->refs++;
}

static inline void
generation_delref(struct hs_generation *g)
{
    assert(g->refs != 0);
    if (--g->refs == 0) {
        generation_free(g);
    }
}

#endif
