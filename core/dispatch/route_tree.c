/* route_tree.c - base paths by segments: which registrations a host and a path lead to.
 * Owns its nodes and the tables in them. Hashes need no key: only scripts enter names, and the names that a peer sends are
 * compared with what one chain holds. The walk stops at the first segment that no base path has. */
#include "dispatch/route_tree.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/buf.h"
#include "base/short.h"

enum { FIRST_BUCKETS = 16, ALLOW_MAX = 1024 * 1024 };

struct hs_route_node {
    struct hs_route_node *chain; /* in the bucket */
    const struct hs_route_node *parent;
    uint32_t hash;
    uint32_t seed; /* what hashing a child's name starts from */
    size_t name_len;
    struct hs_route_set whole; /* for the base path itself */
    struct hs_route_set below; /* for what is below it: without the exact ones */
    struct hs_route *routes;   /* all, in order of registration */
    struct hs_route_node *all;
    char name[];
};

static const struct hs_view method_names[HS_METHODS] = {
    [HS_METHOD_OTHER] = HS_VIEW_INIT(""),         [HS_METHOD_GET] = HS_VIEW_INIT("GET"),
    [HS_METHOD_HEAD] = HS_VIEW_INIT("HEAD"),      [HS_METHOD_POST] = HS_VIEW_INIT("POST"),
    [HS_METHOD_PUT] = HS_VIEW_INIT("PUT"),        [HS_METHOD_DELETE] = HS_VIEW_INIT("DELETE"),
    [HS_METHOD_OPTIONS] = HS_VIEW_INIT("OPTIONS"), [HS_METHOD_PATCH] = HS_VIEW_INIT("PATCH"),
    [HS_METHOD_TRACE] = HS_VIEW_INIT("TRACE"),
};

enum hs_method
hs_route_method_id(struct hs_view method)
{
    for (unsigned id = HS_METHOD_OTHER + 1; id < HS_METHODS; id++) {
        if (hs_view_eq(method_names[id], method)) {
            return (enum hs_method)id;
        }
    }
    return HS_METHOD_OTHER;
}

/* --- nodes --- */

/* One step of FNV-1a (Fowler, Noll, Vo). */
static inline uint32_t
hash_byte(uint32_t h, char c)
{
    return (h ^ (unsigned char)c) * 16777619u;
}

/* The low bits choose the bucket: let the high ones have a say in them. */
static inline uint32_t
hash_end(uint32_t h)
{
    return h ^ h >> 15;
}

static inline struct hs_route_node *
look_up(const struct hs_route_tree *t, const struct hs_route_node *parent, uint32_t hash, const char *name, size_t n)
{
    struct hs_route_node *node = t->buckets[hash & (t->nbuckets - 1)];

    while (node != NULL &&
           (node->hash != hash || node->parent != parent || node->name_len != n || !hs_short_equal(node->name, name, n))) {
        node = node->chain;
    }
    return node;
}

/* More buckets; without memory for them the chains get longer. */
static void
grow(struct hs_route_tree *t)
{
    size_t n = t->nbuckets * 2;
    struct hs_route_node **buckets = calloc(n, sizeof *buckets);

    if (buckets == NULL) {
        return;
    }
    for (size_t i = 0; i < t->nbuckets; i++) {
        struct hs_route_node *node = t->buckets[i];
        while (node != NULL) {
            struct hs_route_node *next = node->chain;
            node->chain = buckets[node->hash & (n - 1)];
            buckets[node->hash & (n - 1)] = node;
            node = next;
        }
    }
    free(t->buckets);
    t->buckets = buckets;
    t->nbuckets = n;
}

/* A node outside the table. */
static struct hs_route_node *
node_new(struct hs_route_tree *t, const struct hs_route_node *parent, struct hs_view name)
{
    struct hs_route_node *node = calloc(1, sizeof *node + name.n);

    if (node == NULL) {
        return NULL;
    }
    node->parent = parent;
    node->seed = ++t->next_id * 2654435761u; /* Knuth's multiplicative hash: seeds far apart */
    node->name_len = name.n;
    if (name.n != 0) {
        memcpy(node->name, name.p, name.n);
    }
    node->all = t->all;
    t->all = node;
    t->nnodes++;
    return node;
}

/* The child of parent by that name, made when it is not there. NULL: out of memory. */
static struct hs_route_node *
child_get(struct hs_route_tree *t, const struct hs_route_node *parent, struct hs_view name)
{
    uint32_t hash = parent->seed;

    for (size_t i = 0; i < name.n; i++) {
        hash = hash_byte(hash, name.p[i]);
    }
    hash = hash_end(hash);
    struct hs_route_node *node = look_up(t, parent, hash, name.p, name.n);
    if (node != NULL) {
        return node;
    }
    node = node_new(t, parent, name);
    if (node == NULL) {
        return NULL;
    }
    if (t->nnodes > t->nbuckets / 2) {
        grow(t);
    }
    node->hash = hash;
    node->chain = t->buckets[hash & (t->nbuckets - 1)];
    t->buckets[hash & (t->nbuckets - 1)] = node;
    if (name.n > t->name_max) {
        t->name_max = name.n;
    }
    return node;
}

int
hs_route_tree_init(struct hs_route_tree *t)
{
    *t = (struct hs_route_tree){ .nbuckets = FIRST_BUCKETS };
    t->buckets = calloc(t->nbuckets, sizeof *t->buckets);
    if (t->buckets == NULL) {
        return ENOMEM;
    }
    t->hosts = node_new(t, NULL, HS_VIEW(""));
    t->any = node_new(t, NULL, HS_VIEW(""));
    if (t->hosts == NULL || t->any == NULL) {
        hs_route_tree_fini(t);
        return ENOMEM;
    }
    return 0;
}

static void
set_fini(struct hs_route_set *set)
{
    free(set->others);
    free(set->allow);
}

void
hs_route_tree_fini(struct hs_route_tree *t)
{
    while (t->all != NULL) {
        struct hs_route_node *node = t->all;
        t->all = node->all;
        set_fini(&node->whole);
        set_fini(&node->below);
        free(node);
    }
    free(t->buckets);
    t->buckets = NULL;
}

/* --- entering --- */

/* The node of a base path ("/", or without a final slash), made when it is not there. NULL: out of memory. */
static struct hs_route_node *
path_get(struct hs_route_tree *t, struct hs_route_node *root, struct hs_view path)
{
    struct hs_route_node *node = root;
    size_t at = 1;

    while (node != NULL && at < path.n) {
        const char *slash = memchr(path.p + at, '/', path.n - at);
        size_t end = slash != NULL ? (size_t)(slash - path.p) : path.n;
        node = child_get(t, node, (struct hs_view){ path.p + at, end - at });
        at = end + 1;
    }
    return node;
}

/* Adds one name to a list. */
static int
allow_add(struct hs_buf *b, struct hs_view name)
{
    int err = b->len != 0 ? hs_buf_append_view(b, HS_VIEW(", ")) : 0;

    return err != 0 ? err : hs_buf_append_view(b, name);
}

/* What Allow says of a set once route is in it. NULL: out of memory. */
static char *
allow_text(const struct hs_route_set *set, const struct hs_route *route, size_t *len)
{
    struct hs_buf b;
    int err = 0;

    hs_buf_init(&b, ALLOW_MAX);
    for (unsigned id = HS_METHOD_OTHER + 1; id < HS_METHODS && err == 0; id++) {
        bool there = set->by_id[id] != NULL || route->method_id == id || id == HS_METHOD_OPTIONS ||
                     (id == HS_METHOD_HEAD && (set->by_id[HS_METHOD_GET] != NULL || route->method_id == HS_METHOD_GET));
        err = there ? allow_add(&b, method_names[id]) : 0;
    }
    for (size_t i = 0; i < set->nothers && err == 0; i++) {
        err = allow_add(&b, set->others[i]->method);
    }
    if (route->method_id == HS_METHOD_OTHER && route->method.n != 0 && err == 0) {
        err = allow_add(&b, route->method);
    }
    char *text = err == 0 ? hs_buf_take(&b, len) : NULL;
    hs_buf_fini(&b);
    return text;
}

/* Makes everything that taking route into set needs; changes nothing that matching sees. 0 or ENOMEM. */
static int
set_prepare(struct hs_route_set *set, const struct hs_route *route, char **allow, size_t *allow_len)
{
    if (route->method_id == HS_METHOD_OTHER && route->method.n != 0) {
        struct hs_route **others = realloc(set->others, (set->nothers + 1) * sizeof *others);
        if (others == NULL) {
            return ENOMEM;
        }
        set->others = others;
    }
    *allow = allow_text(set, route, allow_len);
    return *allow != NULL ? 0 : ENOMEM;
}

static void
set_take(struct hs_route_set *set, struct hs_route *route, char *allow, size_t allow_len)
{
    if (route->method.n == 0) {
        set->any = route;
    } else if (route->method_id != HS_METHOD_OTHER) {
        set->by_id[route->method_id] = route;
    } else {
        set->others[set->nothers++] = route;
    }
    set->n++;
    free(set->allow);
    set->allow = allow;
    set->allow_len = allow_len;
}

/* The link that the next route of a node goes to; *other is the route of the same method, if there is one. */
static struct hs_route **
last_link(struct hs_route_node *node, const struct hs_route *route, struct hs_route **other)
{
    struct hs_route **link = &node->routes;

    *other = NULL;
    for (; *link != NULL; link = &(*link)->next) {
        if (hs_view_eq((*link)->method, route->method)) {
            *other = *link;
        }
    }
    return link;
}

int
hs_route_tree_add(struct hs_route_tree *t, struct hs_route *route, struct hs_route **other)
{
    struct hs_route_node *root = t->any;
    char *whole = NULL, *below = NULL;
    size_t whole_len = 0, below_len = 0;

    if (route->reg.host != NULL) {
        root = child_get(t, t->hosts, hs_view_of(route->reg.host));
    }
    struct hs_route_node *node = path_get(t, root, (struct hs_view){ route->reg.path, route->path_len });
    if (node == NULL) {
        return ENOMEM;
    }
    struct hs_route **link = last_link(node, route, other);
    if (*other != NULL) {
        return EEXIST;
    }
    if (set_prepare(&node->whole, route, &whole, &whole_len) != 0) {
        return ENOMEM;
    }
    if (!route->reg.exact && set_prepare(&node->below, route, &below, &below_len) != 0) {
        free(whole);
        return ENOMEM;
    }
    set_take(&node->whole, route, whole, whole_len);
    if (!route->reg.exact) {
        set_take(&node->below, route, below, below_len);
    }
    route->next = NULL;
    *link = route;
    if (route->reg.host != NULL) {
        t->nhosts++;
    }
    return 0;
}

/* --- matching --- */

/* The child that the segment at *p names; *p moves to the slash after it or to end. NULL: there is none. */
static inline const struct hs_route_node *
step(const struct hs_route_tree *t, const struct hs_route_node *node, const char **p, const char *end)
{
    const char *name = *p;
    const char *q = name;
    const char *stop = (size_t)(end - name) > t->name_max ? name + t->name_max + 1 : end;
    uint32_t hash = node->seed;

    while (q < stop && *q != '/') {
        hash = hash_byte(hash, *q++);
    }
    *p = q;
    return look_up(t, node, hash_end(hash), name, (size_t)(q - name));
}

/* The set of the longest base path below root that matches. */
static inline const struct hs_route_set *
walk(const struct hs_route_tree *t, const struct hs_route_node *root, struct hs_view path)
{
    const char *p = path.p + 1;
    const char *end = path.p + path.n;
    const struct hs_route_set *best = root->below.n != 0 ? &root->below : NULL;

    if (p == end) {
        return root->whole.n != 0 ? &root->whole : NULL;
    }
    for (const struct hs_route_node *node = step(t, root, &p, end); node != NULL; node = step(t, node, &p, end)) {
        if (p == end || p + 1 == end) { /* also with a final slash */
            return node->whole.n != 0 ? &node->whole : best;
        }
        if (node->below.n != 0) {
            best = &node->below;
        }
        p++;
    }
    return best;
}

/* The root of the registrations for a host; NULL: there are none. */
static const struct hs_route_node *
host_root(const struct hs_route_tree *t, struct hs_view authority)
{
    const char *end = authority.p + authority.n;
    const char *bracket = authority.n != 0 && authority.p[0] == '[' ? memchr(authority.p, ']', authority.n) : NULL;
    const char *from = bracket != NULL ? bracket : authority.p;
    const char *colon = memchr(from, ':', (size_t)(end - from));
    size_t n = (size_t)((colon != NULL ? colon : end) - authority.p);
    char name[256]; /* a host name is at most 255 bytes long, so t->name_max may be more */
    uint32_t hash = t->hosts->seed;

    if (n > 1 && authority.p[n - 1] == '.') { /* "example.com." is example.com, fully qualified (RFC 1034 3.1) */
        n--;
    }
    if (n == 0 || n > sizeof name) {
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        name[i] = hs_ascii_lower(authority.p[i]);
        hash = hash_byte(hash, name[i]);
    }
    return look_up(t, t->hosts, hash_end(hash), name, n);
}

/* Among the registrations for the host that was asked for. */
static __attribute__((noinline)) const struct hs_route_set *
find_in_host(const struct hs_route_tree *t, struct hs_view authority, struct hs_view path)
{
    const struct hs_route_node *root = host_root(t, authority);

    return root != NULL ? walk(t, root, path) : NULL;
}

const struct hs_route_set *
hs_route_tree_find(const struct hs_route_tree *t, struct hs_view authority, struct hs_view path)
{
    assert(path.n != 0 && path.p[0] == '/');
    if (__builtin_expect(t->nhosts != 0 && authority.n != 0, 0)) {
        const struct hs_route_set *set = find_in_host(t, authority, path);
        if (set != NULL) {
            return set;
        }
    }
    return walk(t, t->any, path);
}

/* --- matching with the method --- */

static struct hs_route *
pick_or(const struct hs_route_set *set, unsigned id, struct hs_view method, struct hs_route *otherwise)
{
    struct hs_route *route = set->n != 0 ? hs_route_set_pick(set, id, method) : NULL;

    return route != NULL ? route : otherwise;
}

/* As walk, but a set counts only when it has a route for the method. */
static struct hs_route *
walk_for(const struct hs_route_tree *t, const struct hs_route_node *root, struct hs_view path, unsigned id, struct hs_view method)
{
    const char *p = path.p + 1;
    const char *end = path.p + path.n;

    if (p == end) {
        return pick_or(&root->whole, id, method, NULL);
    }
    struct hs_route *best = pick_or(&root->below, id, method, NULL);
    for (const struct hs_route_node *node = step(t, root, &p, end); node != NULL; node = step(t, node, &p, end)) {
        if (p == end || p + 1 == end) { /* also with a final slash */
            return pick_or(&node->whole, id, method, best);
        }
        best = pick_or(&node->below, id, method, best);
        p++;
    }
    return best;
}

struct hs_route *
hs_route_tree_find_for(const struct hs_route_tree *t, struct hs_view authority, struct hs_view path, unsigned id, struct hs_view method)
{
    assert(path.n != 0 && path.p[0] == '/');
    const struct hs_route_node *root = t->nhosts != 0 && authority.n != 0 ? host_root(t, authority) : NULL;
    struct hs_route *route = root != NULL ? walk_for(t, root, path, id, method) : NULL;

    return route != NULL ? route : walk_for(t, t->any, path, id, method);
}
