/* crossing.c - calls from a pool thread into a loop, waited for.
 * A call has two holders, the thread that waits and the loop; the last one frees it. Who closes a group may do so from within a call of it:
 * the caller then goes on waiting until the loop is out of what the caller has lent it, which never waits itself. */
#include "io/crossing.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct hs_crossing_group {
    pthread_mutex_t lock;
    LIST_HEAD(, hs_crossing) calls; /* those that are waited for */
    unsigned refs;
    bool closed;
};

static _Thread_local struct hs_crossing_group *current;

/* --- groups --- */

struct hs_crossing_group *
hs_crossing_group_new(void)
{
    struct hs_crossing_group *g = calloc(1, sizeof *g);
    if (g == NULL || pthread_mutex_init(&g->lock, NULL) != 0) {
        free(g);
        return NULL;
    }
    LIST_INIT(&g->calls);
    g->refs = 1;
    return g;
}

void
hs_crossing_group_addref(struct hs_crossing_group *g)
{
    pthread_mutex_lock(&g->lock);
    g->refs++;
    pthread_mutex_unlock(&g->lock);
}

void
hs_crossing_group_delref(struct hs_crossing_group *g)
{
    if (g == NULL) {
        return;
    }
    pthread_mutex_lock(&g->lock);
    const bool last = --g->refs == 0;
    pthread_mutex_unlock(&g->lock);
    if (last) {
        assert(LIST_EMPTY(&g->calls));
        pthread_mutex_destroy(&g->lock);
        free(g);
    }
}

void
hs_crossing_group_close(struct hs_crossing_group *g)
{
    struct hs_crossing *c;
    pthread_mutex_lock(&g->lock);
    g->closed = true;
    LIST_FOREACH (c, &g->calls, link) {
        pthread_cond_signal(&c->changed);
    }
    pthread_mutex_unlock(&g->lock);
}

struct hs_crossing_group *
hs_crossing_group_current(void)
{
    return current;
}

void
hs_crossing_group_set_current(struct hs_crossing_group *g)
{
    current = g;
}

/* --- the caller's side --- */

int
hs_crossing_init(struct hs_crossing *c, void (*run)(struct hs_crossing *), void (*free_call)(struct hs_crossing *))
{
    *c = (struct hs_crossing){ .run = run, .free = free_call };
    return pthread_cond_init(&c->changed, NULL) == 0 ? 0 : ENOMEM;
}

/* Gives up one hold; with the lock held, which it lets go. */
static void
release(struct hs_crossing *c)
{
    struct hs_crossing_group *g = c->group;
    const bool last = --c->refs == 0;
    pthread_mutex_unlock(&g->lock);
    if (last) {
        pthread_cond_destroy(&c->changed);
        c->free(c);
        hs_crossing_group_delref(g);
    }
}

static void
arrive(void *arg)
{
    struct hs_crossing *c = arg;
    if (hs_crossing_enter(c)) {
        c->run(c);
    } else {
        hs_crossing_reply(c);
    }
}

int
hs_crossing_call(struct hs_crossing *c, struct hs_crossing_group *g, struct hs_loop *loop)
{
    hs_crossing_group_addref(g);
    c->group = g;
    c->refs = 1;
    pthread_mutex_lock(&g->lock);
    if (g->closed) {
        c->dead = true;
        pthread_mutex_unlock(&g->lock);
        return ECANCELED;
    }
    c->refs = 2;
    LIST_INSERT_HEAD(&g->calls, c, link);
    hs_loop_post(loop, &c->post, arrive, c);
    while (!c->replied && (!g->closed || c->inside)) {
        pthread_cond_wait(&c->changed, &g->lock);
    }
    LIST_REMOVE(c, link);
    c->dead = !c->replied;
    const int err = c->dead ? ECANCELED : 0;
    pthread_mutex_unlock(&g->lock);
    return err;
}

void
hs_crossing_drop(struct hs_crossing *c)
{
    pthread_mutex_lock(&c->group->lock);
    release(c);
}

/* --- the loop's side --- */

bool
hs_crossing_enter(struct hs_crossing *c)
{
    pthread_mutex_lock(&c->group->lock);
    /* A group that is closed: its caller may be about to go. */
    const bool alive = !c->dead && !c->group->closed;
    c->inside = alive;
    pthread_mutex_unlock(&c->group->lock);
    return alive;
}

void
hs_crossing_leave(struct hs_crossing *c)
{
    pthread_mutex_lock(&c->group->lock);
    c->inside = false;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->group->lock);
}

void
hs_crossing_reply(struct hs_crossing *c)
{
    pthread_mutex_lock(&c->group->lock);
    c->replied = c->inside; /* else nobody has been promised anything */
    c->inside = false;
    pthread_cond_signal(&c->changed);
    release(c);
}
