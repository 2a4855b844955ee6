/* generation.c - the registrations of one generation: checked, kept in order, entered into the route tree.
 * Owns the routes with their strings and a reference on each closure. A session holds a reference on the generation from the moment it
 * is matched until its request has ended, so a route outlives whoever runs on it. Loop thread only, but for the "building" generation,
 * which each thread has its own of. */
#include "dispatch/generation.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/live.h"
#include "http/response_head.h"
#include "http/target.h"
#include "io/pool.h"

static _Thread_local struct hs_generation *building;

void
hs_route_options_default(struct hs_route_options *o)
{
    *o = (struct hs_route_options){ .max_body = INT64_MIN };
}

int
hs_generation_new(unsigned long id, struct hs_generation **out)
{
    struct hs_generation *g = calloc(1, sizeof *g);

    if (g == NULL || hs_route_tree_init(&g->tree) != 0) {
        free(g);
        return ENOMEM;
    }
    if (hs_route_tree_init(&g->auth_tree) != 0) {
        hs_route_tree_fini(&g->tree);
        free(g);
        return ENOMEM;
    }
    g->id = id;
    g->refs = 1;
    hs_live_add(HS_LIVE_GENERATION, 1);
    *out = g;
    return 0;
}

void
hs_generation_addref(struct hs_generation *g)
{
    generation_addref(g);
}

static void
route_free(struct hs_route *route)
{
    if (route == NULL) {
        return;
    }
    route_free(route->auth);
    ec_blobject_delref(route->reg.closure);
    free((char *)route->reg.host);
    free((char *)route->reg.method);
    free((char *)route->reg.path);
    free((char *)route->reg.where);
    free(route);
}

static void
routes_free(struct hs_routes *routes)
{
    for (size_t i = 0; i < routes->n; i++) {
        route_free(routes->list[i]);
    }
    free(routes->list);
}

void
generation_free(struct hs_generation *g)
{
    assert(building != g);
    if (g->on_free != NULL) {
        g->on_free(g->on_free_arg);
    }
    hs_route_tree_fini(&g->tree);
    hs_route_tree_fini(&g->auth_tree);
    routes_free(&g->routes);
    routes_free(&g->auths);
    for (int i = 0; g->errors != NULL && i <= HS_ERROR_LAST - HS_ERROR_FIRST; i++) {
        route_free(g->errors[i]);
    }
    free(g->errors);
    void (*gone)(void *arg) = g->on_gone;
    void *arg = g->on_gone_arg;
    free(g);
    hs_live_add(HS_LIVE_GENERATION, -1);
    if (gone != NULL) {
        gone(arg);
    }
}

void
hs_generation_delref(struct hs_generation *g)
{
    generation_delref(g);
}

unsigned long
hs_generation_id(const struct hs_generation *g)
{
    return g->id;
}

void
hs_generation_on_free(struct hs_generation *g, void (*fn)(void *arg), void *arg)
{
    g->on_free = fn;
    g->on_free_arg = arg;
}

void
hs_generation_on_gone(struct hs_generation *g, void (*fn)(void *arg), void *arg)
{
    g->on_gone = fn;
    g->on_gone_arg = arg;
}

void
hs_generation_set_building(struct hs_generation *g)
{
    building = g;
}

struct hs_generation *
hs_generation_building(void)
{
    return building;
}

void
hs_generation_seal(struct hs_generation *g)
{
    g->sealed = true;
}

size_t
hs_generation_count(const struct hs_generation *g)
{
    return g->routes.n;
}

size_t
hs_generation_count_auth(const struct hs_generation *g)
{
    return g->auths.n;
}

/* --- registering --- */

/* A base path is one that a request's path can be: absolute and its own normalised form. 0, EINVAL, ENOMEM. */
static int
check_path(const char *path)
{
    struct hs_view v = hs_view_of(path);
    size_t n = 0;

    if (v.n == 0) {
        return EINVAL;
    }
    char *normal = malloc(v.n + 1);
    if (normal == NULL) {
        return ENOMEM;
    }
    int err = hs_path_normalise(v, false, normal, &n);
    if (err == 0 && !hs_view_eq(v, (struct hs_view){ normal, n })) {
        err = EINVAL;
    }
    free(normal);
    return err;
}

/* A host is a name or an address without a port. */
static bool
host_ok(const char *host)
{
    struct hs_view v = hs_view_of(host);
    const char *bracket = v.n != 0 ? strrchr(host, ']') : NULL;

    return hs_authority_ok(v) && strchr(bracket != NULL ? bracket : host, ':') == NULL;
}

static int
check(const struct hs_registration *r)
{
    if (r->handler == NULL || r->path == NULL || (r->job_class != ECTP_CLASS_SHORT_LIVED && hs_pool_of_class(r->job_class) == NULL) ||
        (r->host != NULL && !host_ok(r->host)) || (r->method != NULL && !hs_field_name_ok(hs_view_of(r->method)))) {
        return EINVAL;
    }
    return check_path(r->path);
}

/* Copies s, which may be NULL. 0 or ENOMEM. */
static int
copy(const char *s, const char **out)
{
    *out = s != NULL ? strdup(s) : NULL;
    return s == NULL || *out != NULL ? 0 : ENOMEM;
}

/* A route with copies of everything in r; NULL: out of memory. */
static struct hs_route *
route_new(struct hs_generation *g, const struct hs_registration *r)
{
    struct hs_route *route = calloc(1, sizeof *route);

    if (route == NULL) {
        return NULL;
    }
    route->reg = *r;
    route->reg.auth_closure = NULL; /* route->auth has them */
    route->reg.auth = NULL;
    ec_blobject_addref(route->reg.closure);
    int err = copy(r->host, &route->reg.host);
    err |= copy(r->method, &route->reg.method);
    err |= copy(r->path, &route->reg.path);
    err |= copy(r->where, &route->reg.where);
    if (err != 0) {
        route_free(route);
        return NULL;
    }
    char *host = (char *)route->reg.host;
    size_t n = host != NULL ? strlen(host) : 0;
    for (size_t i = 0; i < n; i++) {
        host[i] = hs_ascii_lower(host[i]);
    }
    if (n > 1 && host[n - 1] == '.') {
        host[n - 1] = '\0';
    }
    char *path = (char *)route->reg.path;
    route->path_len = strlen(path);
    if (route->path_len > 1 && path[route->path_len - 1] == '/') {
        path[--route->path_len] = '\0';
    }
    route->method = hs_view_of(route->reg.method);
    route->method_id = hs_route_method_id(route->method);
    route->generation = g;
    if (r->job_class != ECTP_CLASS_SHORT_LIVED) {
        route->pool = hs_pool_of_class(r->job_class);
        route->blocking = r->handler;
        route->reg.handler = hs_pool_handler;
    }
    return route;
}

/* The auth handler of route itself, as a registration of its own that stands in no tree. NULL: out of memory. */
static struct hs_route *
own_auth(struct hs_generation *g, const struct hs_registration *r)
{
    struct hs_registration auth = *r;

    auth.handler = r->auth;
    auth.job_class = ECTP_CLASS_SHORT_LIVED;
    auth.closure = r->auth_closure;
    return route_new(g, &auth);
}

/* Room for one more. 0 or ENOMEM. */
static int
routes_reserve(struct hs_routes *routes)
{
    if (routes->n < routes->room) {
        return 0;
    }
    size_t room = routes->room != 0 ? routes->room * 2 : 16;
    struct hs_route **list = realloc(routes->list, room * sizeof *list);
    if (list == NULL) {
        return ENOMEM;
    }
    routes->list = list;
    routes->room = room;
    return 0;
}

/* Enters r into a tree and its list. */
static int
enter(struct hs_generation *g, struct hs_route_tree *tree, struct hs_routes *routes, const struct hs_registration *r, const char **other)
{
    if (other != NULL) {
        *other = NULL;
    }
    int err = g->sealed ? EINVAL : check(r);
    if (err == 0) {
        err = routes_reserve(routes);
    }
    if (err != 0) {
        return err;
    }
    struct hs_route *route = route_new(g, r);
    if (route == NULL) {
        return ENOMEM;
    }
    if (r->auth != NULL && (route->auth = own_auth(g, r)) == NULL) {
        route_free(route);
        return ENOMEM;
    }
    route->order = routes->n;
    struct hs_route *first = NULL;
    err = hs_route_tree_add(tree, route, &first);
    if (err != 0) {
        route_free(route);
        if (err == EEXIST && other != NULL) {
            *other = first->reg.where;
        }
        return err;
    }
    routes->list[routes->n++] = route;
    routes->sorted = false;
    g->guarded = g->guarded || tree == &g->auth_tree || r->auth != NULL || r->open;
    return 0;
}

int
hs_generation_register(struct hs_generation *g, const struct hs_registration *r, const char **other)
{
    return enter(g, &g->tree, &g->routes, r, other);
}

int
hs_generation_register_auth(struct hs_generation *g, const struct hs_registration *r, const char **other)
{
    struct hs_registration plain = *r;

    plain.job_class = ECTP_CLASS_SHORT_LIVED;
    plain.auth = NULL;
    plain.open = false;
    return enter(g, &g->auth_tree, &g->auths, &plain, other);
}

int
hs_generation_register_error(struct hs_generation *g, int status, const struct hs_registration *r, const char **other)
{
    if (other != NULL) {
        *other = NULL;
    }
    int err = g->sealed || status < HS_ERROR_FIRST || status > HS_ERROR_LAST ? EINVAL : check(r);
    if (err != 0) {
        return err;
    }
    if (g->errors == NULL) {
        g->errors = calloc(HS_ERROR_LAST - HS_ERROR_FIRST + 1, sizeof *g->errors);
    }
    if (g->errors == NULL) {
        return ENOMEM;
    }
    struct hs_route **slot = &g->errors[status - HS_ERROR_FIRST];
    if (*slot != NULL) {
        if (other != NULL) {
            *other = (*slot)->reg.where;
        }
        return EEXIST;
    }
    *slot = route_new(g, r);
    return *slot != NULL ? 0 : ENOMEM;
}

int
ec_httpsrv_register(const char *instance, const char *method, const char *path, int job_class, ec_blobject *closure,
                    ec_httpsrv_handler_func handler)
{
    if (building == NULL) {
        return EINVAL;
    }
    struct hs_registration r = {
        .host = instance,
        .method = method,
        .path = path,
        .job_class = job_class,
        .closure = closure,
        .handler = handler,
    };
    hs_route_options_default(&r.options);
    return hs_generation_register(building, &r, NULL);
}

int
ec_httpsrv_register_auth(const char *instance, const char *method, const char *path, ec_blobject *closure,
                         ec_httpsrv_auth_handler_func handler)
{
    if (building == NULL) {
        return EINVAL;
    }
    struct hs_registration r = { .host = instance, .method = method, .path = path, .closure = closure, .handler = handler };
    hs_route_options_default(&r.options);
    return hs_generation_register_auth(building, &r, NULL);
}

/* --- listing --- */

static int
compare_strings(const char *a, const char *b)
{
    return a != NULL && b != NULL ? strcmp(a, b) : (a == NULL) - (b == NULL);
}

static int
compare(const void *pa, const void *pb)
{
    const struct hs_route *a = *(struct hs_route *const *)pa;
    const struct hs_route *b = *(struct hs_route *const *)pb;
    int c = compare_strings(a->reg.host, b->reg.host);

    if (c == 0 && a->path_len != b->path_len) {
        c = a->path_len > b->path_len ? -1 : 1;
    }
    if (c == 0) { /* paths of one length do not compete: keep those of one path together */
        c = strcmp(a->reg.path, b->reg.path);
    }
    if (c == 0) {
        c = (a->reg.method == NULL) - (b->reg.method == NULL);
    }
    if (c == 0) {
        c = (a->order > b->order) - (a->order < b->order);
    }
    return c;
}

static void
each(struct hs_routes *routes, void (*fn)(const struct hs_registration *r, void *arg), void *arg)
{
    if (!routes->sorted && routes->n != 0) {
        qsort(routes->list, routes->n, sizeof *routes->list, compare);
        routes->sorted = true;
    }
    for (size_t i = 0; i < routes->n; i++) {
        fn(&routes->list[i]->reg, arg);
    }
}

void
hs_generation_each(struct hs_generation *g, void (*fn)(const struct hs_registration *r, void *arg), void *arg)
{
    each(&g->routes, fn, arg);
}

void
hs_generation_each_auth(struct hs_generation *g, void (*fn)(const struct hs_registration *r, void *arg), void *arg)
{
    each(&g->auths, fn, arg);
}
