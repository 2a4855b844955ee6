/* route_tree.h - base paths by segments: which registrations a host and a path lead to.
 * A tree whose edges all sit in one hash table keyed by (node, segment), so that a match costs one look-up for each segment of the path
 * that some base path shares, however many registrations there are and however long the path is. Nothing is allocated
 * while matching. Built by one thread, then only read. */
#ifndef HS_DISPATCH_ROUTE_TREE_H
#define HS_DISPATCH_ROUTE_TREE_H

#include <stddef.h>
#include <stdint.h>

#include "dispatch/dispatch.h"

enum { HS_METHODS = HS_METHOD_TRACE + 1 };

/* A registration as the generation keeps it: the strings of reg are its own. */
struct hs_route {
    struct hs_registration reg; /* path without its final slash, host in lower case */
    struct hs_view method;      /* of reg.method; empty: every method */
    enum hs_method method_id;
    size_t path_len;
    size_t order; /* of registration, from 0 */
    struct hs_generation *generation;
    struct hs_route *auth; /* its own; NULL: see reg.open */
    struct hs_pool *pool;  /* where blocking is called, by reg.handler; NULL: reg.handler is the registered one */
    ec_httpsrv_handler_func blocking;
    struct hs_route *next; /* at the same base path */
};

/* What is registered at one base path, as far as it applies to one kind of path: the base path itself, or one below it. */
struct hs_route_set {
    struct hs_route *by_id[HS_METHODS]; /* by enum hs_method; [HS_METHOD_OTHER] stays NULL */
    struct hs_route *any;
    struct hs_route **others; /* methods that the parser has no number for */
    size_t nothers;
    size_t n;        /* registrations; 0: the set does not match */
    char *allow;     /* the value of Allow (RFC 9110 10.2.1) */
    size_t allow_len;
};

struct hs_route_node;

struct hs_route_tree {
    struct hs_route_node **buckets;
    size_t nbuckets; /* a power of two */
    size_t nnodes;
    size_t name_max; /* bytes of the longest segment or host name */
    size_t nhosts;
    struct hs_route_node *hosts; /* its children are the roots of the hosts, by their names */
    struct hs_route_node *any;   /* root of the registrations without a host */
    struct hs_route_node *all;   /* every node, to free them */
    uint32_t next_id;
};

/* Makes an empty tree. 0 or ENOMEM (nothing to free then). */
int hs_route_tree_init(struct hs_route_tree *t);
/* Frees the tree, not the routes in it. */
void hs_route_tree_fini(struct hs_route_tree *t);

/* Enters a route, which must stay until the tree goes. 0; EEXIST with *other set to the one that has the same host, path and method; ENOMEM. On
 * error the tree matches as before. */
int hs_route_tree_add(struct hs_route_tree *t, struct hs_route *route, struct hs_route **other);

/* The set that a request is for: that of the longest base path matching path among the registrations for host; when none of these matches,
 * among those without a host. path is normalised and starts with '/'; authority is the request's, with or without port, and
 * may be empty. NULL: nothing matches. */
const struct hs_route_set *hs_route_tree_find(const struct hs_route_tree *t, struct hs_view authority, struct hs_view path);

/* The route for a method with the longest base path that matches, wherever a longer one is for other methods only: among those for host, then
 * among those without a host. NULL: there is none. Arguments as above. */
struct hs_route *hs_route_tree_find_for(const struct hs_route_tree *t, struct hs_view authority, struct hs_view path, unsigned id,
                                        struct hs_view method);

/* The route of a set for a method: a named one (GET's for HEAD, where HEAD has none) before one for every method; NULL when there is neither.
 * id and method are the request's. */
static inline struct hs_route *
hs_route_set_pick(const struct hs_route_set *set, unsigned id, struct hs_view method)
{
    struct hs_route *route = set->by_id[id];

    if (__builtin_expect(route != NULL, 1)) {
        return route;
    }
    if (id == HS_METHOD_HEAD && set->by_id[HS_METHOD_GET] != NULL) {
        return set->by_id[HS_METHOD_GET];
    }
    for (size_t i = 0; i < set->nothers && id == HS_METHOD_OTHER; i++) {
        if (hs_view_eq(set->others[i]->method, method)) {
            return set->others[i];
        }
    }
    return set->any;
}

/* The number of a method name, HS_METHOD_OTHER when it has none. */
enum hs_method hs_route_method_id(struct hs_view method);

#endif
