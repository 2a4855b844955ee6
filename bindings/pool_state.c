/* pool_state.c - the Lua states of a pool thread, one for each generation that has work for it, and the loop that they share.
 * Made at first use, in the thread; closed in the thread, by mail from the unit's end or when the thread ends. The loop is the thread's only
 * while a state is in use: a C handler in the same thread finds none, and blocks. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "bindings/enter.h"
#include "bindings/pool_unit_int.h"
#include "io/io.h"

#define IDLE_TURNS 100 /* most turns after a job for what it has left to be buried */

/* What a pool thread has of its own; freed when it ends. */
struct own {
    struct hs_loop *loop;
    LIST_HEAD(, hs_pool_state) states;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool have_key;

static struct hs_pool_state *
of_mail(struct hs_job *job)
{
    return (struct hs_pool_state *)((char *)job - offsetof(struct hs_pool_state, mail));
}

/* --- the thread's own --- */

static void
close_state(struct own *own, struct hs_pool_state *s)
{
    struct hs_pool_unit *u = s->unit;
    hs_loop_set_current(own->loop);
    hs_lua_runtime_close(s->rt);
    for (int i = 0; i < 2; i++) {
        (void)hs_loop_turn(own->loop, false);
    }
    hs_loop_set_current(NULL);
    LIST_REMOVE(s, thread_link);
    pthread_mutex_lock(&u->lock);
    LIST_REMOVE(s, unit_link);
    pthread_cond_broadcast(&u->changed);
    pthread_mutex_unlock(&u->lock);
    hs_pool_unit_delref(u);
    free(s);
}

static void
own_free(void *arg)
{
    struct own *own = arg;
    struct hs_pool_state *s;
    while ((s = LIST_FIRST(&own->states)) != NULL) {
        close_state(own, s);
    }
    hs_loop_set_current(own->loop);
    hs_loop_free(own->loop);
    free(own);
}

static void
make_key(void)
{
    have_key = pthread_key_create(&key, own_free) == 0;
}

/* NULL with the reason in text. */
static struct own *
own_get(struct hs_buf *text)
{
    (void)pthread_once(&once, make_key);
    struct own *own = have_key ? pthread_getspecific(key) : NULL;
    if (own != NULL) {
        return own;
    }
    own = have_key ? calloc(1, sizeof(*own)) : NULL;
    int err = own == NULL ? ENOMEM : hs_loop_new(NULL, &own->loop);
    if (err == 0) {
        LIST_INIT(&own->states);
        hs_loop_set_current(NULL);
        err = pthread_setspecific(key, own);
        if (err != 0) {
            hs_loop_set_current(own->loop);
            hs_loop_free(own->loop);
        }
    }
    if (err != 0) {
        free(own);
        (void)hs_buf_printf(text, "a pool thread's loop: %s", strerror(err));
        return NULL;
    }
    return own;
}

/* --- a state --- */

static void
close_by_mail(struct hs_job *job)
{
    close_state(pthread_getspecific(key), of_mail(job));
}

/* Values that come from other states may be of any of its kinds. */
static int
require_httpsrv(lua_State *L)
{
    lua_getglobal(L, "require");
    lua_pushliteral(L, "httpsrv");
    lua_call(L, 1, 0);
    return 0;
}

static struct hs_pool_state *
state_new(struct own *own, struct hs_pool_unit *u, struct hs_buf *text)
{
    struct hs_pool_state *s = calloc(1, sizeof(*s));
    const struct hs_lua_options options = {
        .loop = own->loop,
        .dir = u->dir,
        .phase = HS_LUA_LOAD,
        .dev = u->dev,
        .load_timeout = u->load_timeout,
        .modules = u->modules,
        .memory = u->memory,
        .unit = u,
    };
    int err = s != NULL ? hs_lua_runtime_new(&options, &s->rt) : ENOMEM;
    if (err == 0) {
        err = hs_enter_protected(s->rt, require_httpsrv, NULL, "pool");
        if (err != 0) {
            hs_lua_runtime_close(s->rt);
        }
    }
    if (err != 0) {
        free(s);
        (void)hs_buf_printf(text, "a pool thread's Lua state: %s", strerror(err));
        return NULL;
    }
    s->unit = hs_pool_unit_addref(u);
    s->thread = hs_pool_thread();
    s->mail.run = close_by_mail;
    LIST_INSERT_HEAD(&own->states, s, thread_link);
    pthread_mutex_lock(&u->lock);
    LIST_INSERT_HEAD(&u->states, s, unit_link);
    if (u->closed) { /* in the moment between */
        s->told = true;
        hs_pool_thread_send(s->thread, &s->mail);
    }
    pthread_mutex_unlock(&u->lock);
    return s;
}

/* A load in progress. */
struct loading {
    struct hs_buf *text;
    bool done;
    int err;
};

static void
on_problem(void *arg, enum hs_lua_problem kind, const char *message)
{
    struct loading *l = arg;
    (void)kind;
    (void)hs_buf_printf(l->text, "the scripts do not load in a pool thread: %s", message);
}

static void
on_loaded(void *arg, int err)
{
    struct loading *l = arg;
    l->done = true;
    l->err = err;
}

/* 0, or EINVAL and text names what home has registered and this state has not. */
static int
check_all_registered(struct hs_lua_runtime *rt, const struct hs_pool_unit *u, struct hs_buf *text)
{
    int err = 0;
    lua_rawgeti(rt->L, LUA_REGISTRYINDEX, rt->ref_pool_handlers);
    for (size_t n = 0; n < u->nroutes && err == 0; n++) {
        lua_rawgeti(rt->L, -1, (int)n + 1);
        if (lua_isnil(rt->L, -1)) {
            hs_pool_unit_print_missing(u, n, text);
            err = EINVAL;
        }
        lua_pop(rt->L, 1);
    }
    lua_pop(rt->L, 1);
    return err;
}

static int
load(struct hs_pool_state *s, struct hs_buf *text)
{
    struct hs_pool_unit *u = s->unit;
    struct loading l = { .text = text };
    int err = u->is_dir ? hs_lua_runtime_load_dir(s->rt, u->path, on_problem, on_loaded, &l)
                        : hs_lua_runtime_load_file(s->rt, u->path, on_problem, on_loaded, &l);
    while (err == 0 && !l.done) {
        err = hs_loop_turn(s->rt->loop, true);
    }
    if (err == 0) {
        err = l.err;
    }
    if (err == 0) {
        err = check_all_registered(s->rt, u, text);
    }
    if (err != 0 && text->len == 0) {
        (void)hs_buf_printf(text, "the scripts do not load in a pool thread: %s", strerror(err));
    }
    return err;
}

struct hs_lua_runtime *
hs_pool_state_enter(struct hs_pool_unit *u, bool scripts, struct hs_buf *text)
{
    struct hs_pool_state *s;
    struct own *own = own_get(text);
    if (own == NULL) {
        return NULL;
    }
    LIST_FOREACH (s, &own->states, thread_link) {
        if (s->unit == u) {
            break;
        }
    }
    hs_loop_set_current(own->loop);
    hs_io_set_disk_blocking(true);
    if (s == NULL) {
        s = state_new(own, u, text);
    }
    if (s != NULL && scripts && !s->loaded) {
        if (u->path != NULL && load(s, text) != 0) {
            hs_pool_state_leave(s->rt);
            pthread_mutex_lock(&u->lock);
            const bool told = s->told;
            pthread_mutex_unlock(&u->lock);
            if (!told) { /* else by mail */
                close_state(own, s);
            }
            return NULL;
        }
        s->loaded = true;
        hs_runtime_settle(s->rt);
    }
    if (s == NULL) {
        hs_io_set_disk_blocking(false);
        hs_loop_set_current(NULL);
        return NULL;
    }
    return s->rt;
}

void
hs_pool_state_leave(struct hs_lua_runtime *rt)
{
    /* What the job has left to be buried is, so that an idle thread holds no more than its states. */
    for (int i = 0; i < IDLE_TURNS && (!TAILQ_EMPTY(&rt->dead) || !TAILQ_EMPTY(&rt->ready)); i++) {
        (void)hs_loop_turn(rt->loop, false);
    }
    hs_io_set_disk_blocking(false);
    hs_loop_set_current(NULL);
}
