/* pool_unit.c - what the Lua states of one generation have in common.
 * Written by the home state while it loads, read by pool threads afterwards; the job that takes them here orders the two. Only the reference
 * count, the list of states and whether the unit is closed change later, under the lock. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "bindings/pool_unit_int.h"

struct hs_pool_unit *
hs_pool_unit_new(struct hs_lua_runtime *home, struct hs_lua_memory *memory)
{
    pthread_condattr_t attr;
    struct hs_pool_unit *u = calloc(1, sizeof(*u));
    if (u == NULL) {
        return NULL;
    }
    u->dir = home->dir != NULL ? strdup(home->dir) : NULL;
    if (u->dir == NULL || pthread_mutex_init(&u->lock, NULL) != 0) {
        goto fail_lock;
    }
    if (pthread_condattr_init(&attr) != 0) {
        goto fail_cond;
    }
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC); /* fails for an unknown clock only */
    const int err = pthread_cond_init(&u->changed, &attr);
    pthread_condattr_destroy(&attr);
    if (err != 0) {
        goto fail_cond;
    }
    u->home = home;
    u->loop = home->loop;
    u->dev = home->dev;
    u->modules = home->modules;
    u->memory = memory;
    u->load_timeout = home->load_timeout;
    u->refs = 1;
    LIST_INIT(&u->states);
    SLIST_INIT(&u->sources);
    return u;

fail_cond:
    pthread_mutex_destroy(&u->lock);
fail_lock:
    free(u->dir);
    free(u);
    return NULL;
}

struct hs_pool_unit *
hs_pool_unit_addref(struct hs_pool_unit *u)
{
    pthread_mutex_lock(&u->lock);
    u->refs++;
    pthread_mutex_unlock(&u->lock);
    return u;
}

static void
route_fini(struct unit_route *r)
{
    free(r->host);
    free(r->method);
    free(r->path);
    free(r->pool);
}

void
hs_pool_unit_delref(struct hs_pool_unit *u)
{
    pthread_mutex_lock(&u->lock);
    const bool last = --u->refs == 0;
    pthread_mutex_unlock(&u->lock);
    if (!last) {
        return;
    }
    assert(LIST_EMPTY(&u->states));
    for (size_t i = 0; i < u->nroutes; i++) {
        route_fini(&u->routes[i]);
    }
    struct unit_source *s;
    while ((s = SLIST_FIRST(&u->sources)) != NULL) {
        SLIST_REMOVE_HEAD(&u->sources, link);
        free(s->text);
        free(s);
    }
    pthread_cond_destroy(&u->changed);
    pthread_mutex_destroy(&u->lock);
    free(u->routes);
    free(u->path);
    free(u->dir);
    free(u);
}

/* --- home --- */

void
hs_pool_unit_set_scripts(struct hs_pool_unit *u, const char *path, bool is_dir)
{
    free(u->path);
    u->path = strdup(path);
    u->is_dir = is_dir;
}

static struct unit_source *
find_source(struct hs_pool_unit *u, const char *path)
{
    struct unit_source *s;
    SLIST_FOREACH (s, &u->sources, link) {
        if (strcmp(s->path, path) == 0) {
            break;
        }
    }
    return s;
}

void
hs_pool_unit_keep_source(struct hs_pool_unit *u, const char *path, const char *text, size_t n)
{
    const size_t len = strlen(path) + 1;
    struct unit_source *s = malloc(sizeof *s + len);
    if (s == NULL) {
        return;
    }
    *s = (struct unit_source){ .n = n, .text = malloc(n) };
    memcpy(s->path, path, len);
    pthread_mutex_lock(&u->lock);
    const bool keep = s->text != NULL && find_source(u, path) == NULL;
    if (keep) {
        memcpy(s->text, text, n);
        SLIST_INSERT_HEAD(&u->sources, s, link);
    }
    pthread_mutex_unlock(&u->lock);
    if (!keep) {
        free(s->text);
        free(s);
    }
}

const char *
hs_pool_unit_source(struct hs_pool_unit *u, const char *path, size_t *n)
{
    pthread_mutex_lock(&u->lock);
    const struct unit_source *s = find_source(u, path);
    pthread_mutex_unlock(&u->lock);
    *n = s != NULL ? s->n : 0;
    return s != NULL ? s->text : NULL;
}

/* 0 or ENOMEM. */
static int
copy(char **to, const char *from)
{
    *to = from != NULL ? strdup(from) : NULL;
    return from == NULL || *to != NULL ? 0 : ENOMEM;
}

int
hs_pool_unit_add_route(struct hs_pool_unit *u, const char *host, const char *method, const char *path, const char *pool)
{
    struct unit_route r = { .host = NULL };
    if (u->nroutes == u->room) {
        const size_t room = u->room != 0 ? u->room * 2 : 16;
        struct unit_route *routes = realloc(u->routes, room * sizeof(*routes));
        if (routes == NULL) {
            return -1;
        }
        u->routes = routes;
        u->room = room;
    }
    int err = copy(&r.host, host);
    err |= copy(&r.method, method);
    err |= copy(&r.path, path);
    err |= copy(&r.pool, pool);
    if (err != 0) {
        route_fini(&r);
        return -1;
    }
    u->routes[u->nroutes] = r;
    return (int)u->nroutes++;
}

void
hs_pool_unit_close(struct hs_pool_unit *u)
{
    struct hs_pool_state *s;
    u->home = NULL;
    pthread_mutex_lock(&u->lock);
    u->closed = true;
    LIST_FOREACH (s, &u->states, unit_link) {
        if (!s->told) {
            s->told = true;
            hs_pool_thread_send(s->thread, &s->mail);
        }
    }
    pthread_mutex_unlock(&u->lock);
}

void
hs_pool_unit_await(struct hs_pool_unit *u, int64_t ns)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ns / HS_SEC);
    int err = 0;
    pthread_mutex_lock(&u->lock);
    while (!LIST_EMPTY(&u->states) && err == 0) {
        err = pthread_cond_timedwait(&u->changed, &u->lock, &until);
    }
    pthread_mutex_unlock(&u->lock);
    if (err != 0) {
        hs_log(HS_LOG_WARN, "a pool thread is still busy: its Lua state is not closed");
    }
}

struct hs_lua_runtime *
hs_pool_unit_home(struct hs_pool_unit *u)
{
    return u->home;
}

/* --- all --- */

struct hs_loop *
hs_pool_unit_loop(const struct hs_pool_unit *u)
{
    return u->loop;
}

static bool
same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static const char *
shown(const char *s, const char *otherwise)
{
    return s != NULL ? s : otherwise;
}

static bool
is_named(const struct unit_route *r, const char *host, const char *method, const char *path)
{
    return same(r->path, path) && same(r->method, method) && same(r->host, host);
}

static void
print_route(struct hs_buf *text, const char *host, const char *method, const char *path, const char *pool)
{
    (void)hs_buf_printf(text, "%s %s%s (pool %s)", shown(method, "*"), shown(host, ""), path, shown(pool, "none"));
}

static void
print_rule(struct hs_buf *text)
{
    (void)hs_buf_printf(text, ": scripts have to register the same in all threads");
}

int
hs_pool_unit_find_route(const struct hs_pool_unit *u, size_t near, const char *host, const char *method, const char *path, const char *pool,
                        struct hs_buf *text)
{
    const struct unit_route *other = NULL;
    for (size_t i = 0; i < u->nroutes && other == NULL; i++) {
        const size_t n = (near + i) % u->nroutes;
        if (is_named(&u->routes[n], host, method, path)) {
            if (same(u->routes[n].pool, pool)) {
                return (int)n;
            }
            other = &u->routes[n];
        }
    }
    print_route(text, host, method, path, pool);
    (void)hs_buf_printf(text, " is registered in a pool thread, but on the loop ");
    if (other != NULL) {
        (void)hs_buf_printf(text, "its pool is %s", shown(other->pool, "none"));
    } else {
        (void)hs_buf_printf(text, "there is none such");
    }
    print_rule(text);
    return -1;
}

void
hs_pool_unit_print_missing(const struct hs_pool_unit *u, size_t n, struct hs_buf *text)
{
    const struct unit_route *r = &u->routes[n];
    print_route(text, r->host, r->method, r->path, r->pool);
    (void)hs_buf_printf(text, " is registered on the loop, but not in a pool thread");
    print_rule(text);
}

struct exit_post {
    struct hs_post post;
    struct hs_pool_unit *unit;
    int status;
};

static void
exit_home(void *arg)
{
    struct exit_post *e = arg;
    struct hs_lua_runtime *home = e->unit->home;
    const int status = e->status;
    hs_pool_unit_delref(e->unit);
    free(e);
    if (home != NULL) {
        hs_runtime_exit(home, status);
    }
}

void
hs_pool_unit_exit(struct hs_pool_unit *u, int status)
{
    struct exit_post *e = malloc(sizeof(*e));
    if (e == NULL) {
        hs_log(HS_LOG_ERROR, "os.exit in a pool thread: out of memory");
        return;
    }
    e->unit = hs_pool_unit_addref(u);
    e->status = status;
    hs_loop_post(u->loop, &e->post, exit_home, e);
}
