/* pool_unit_int.h - the body of a unit, for pool_unit.c and pool_state.c and no others. */
#ifndef HS_BINDINGS_POOL_UNIT_INT_H
#define HS_BINDINGS_POOL_UNIT_INT_H

#include <pthread.h>

#include "bindings/pool_unit.h"

/* One state of one pool thread. */
struct hs_pool_state {
    LIST_ENTRY(hs_pool_state) unit_link;   /* under the unit's lock */
    LIST_ENTRY(hs_pool_state) thread_link; /* the thread's own */
    struct hs_pool_unit *unit;             /* a reference */
    struct hs_pool_thread *thread;
    struct hs_lua_runtime *rt;
    struct hs_job mail;
    bool told; /* mail has been sent; under the unit's lock */
    bool loaded;
};

/* A file as the home state has loaded it. */
struct unit_source {
    SLIST_ENTRY(unit_source) link;
    size_t n;
    char *text;
    char path[];
};

struct unit_route {
    char *host, *method, *path, *pool; /* NULL: any; pool NULL: the loop */
};

struct hs_pool_unit {
    struct hs_loop *loop;
    struct hs_lua_runtime *home; /* home thread only */
    /* Changed only while the home state loads, when no pool thread looks. */
    char *dir;
    char *path; /* NULL: no scripts */
    bool is_dir;
    struct unit_route *routes;
    size_t nroutes, room;
    int64_t load_timeout;
    bool dev;
    const struct hs_lua_module *modules;
    struct hs_lua_memory *memory;

    pthread_mutex_t lock; /* for all below */
    pthread_cond_t changed;
    unsigned refs;
    bool closed;
    LIST_HEAD(, hs_pool_state) states;
    SLIST_HEAD(, unit_source) sources; /* only added to */
};


#endif
