/* segments.c - the ordered queue of what a response's content is made of: bytes and io_objects.
 * Owns the blocks, which are kept for reuse, and, through claims and references, the io_objects. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/short.h"
#include "session/session_int.h"

struct segment *
segment_new(struct hs_session_env *env, size_t want, bool first)
{
    bool small = first && want <= SEGMENT_SMALL;
    struct segment **list = small ? &env->small : &env->large;
    size_t cap = small ? SEGMENT_SMALL : want <= SEGMENT_LARGE ? SEGMENT_LARGE : want;
    struct segment *g = cap == want && cap > SEGMENT_LARGE ? NULL : *list;

    if (g) {
        *list = TAILQ_NEXT(g, link);
        *(small ? &env->nsmall : &env->nlarge) -= 1;
    } else {
        g = malloc(sizeof *g + cap);
        if (!g) {
            return NULL;
        }
        g->cap = (uint32_t)cap;
    }
    g->io = NULL;
    g->off = g->len = 0;
    return g;
}

void
segment_free(struct hs_session_env *env, struct segment *g)
{
    if (g->io) {
        hs_io_release(g->io);
        io_wrapper_delref(g->io);
        free(g);
    } else if (g->cap == SEGMENT_SMALL && env->nsmall < SEGMENT_FREE_MAX) {
        TAILQ_NEXT(g, link) = env->small;
        env->small = g;
        env->nsmall++;
    } else if (g->cap == SEGMENT_LARGE && env->nlarge < SEGMENT_FREE_MAX) {
        TAILQ_NEXT(g, link) = env->large;
        env->large = g;
        env->nlarge++;
    } else {
        free(g);
    }
}

void
segments_env_fini(struct hs_session_env *env)
{
    struct segment *lists[2] = { env->small, env->large };

    for (int i = 0; i < 2; i++) {
        while (lists[i]) {
            struct segment *g = lists[i];
            lists[i] = TAILQ_NEXT(g, link);
            free(g);
        }
    }
}

/* Copies as much as fits behind what g has; returns how much. */
static inline __attribute__((always_inline)) size_t
fill(ec_httpsrv_session *s, struct segment *g, const char *p, size_t n)
{
    size_t use = n < g->cap - g->len ? n : g->cap - g->len;

    (void)hs_short_copy(g->data + g->len, p, use);
    g->len += (uint32_t)use;
    s->queued += use;
    return use;
}

static __attribute__((noinline)) int
append_anywhere(ec_httpsrv_session *s, const void *p, size_t n)
{
    struct segment *last = TAILQ_LAST(&s->segments, segments);
    size_t room = last && !last->io ? last->cap - last->len : 0;
    struct segment *next = NULL;

    if (n > room) {
        if (n - room > UINT32_MAX / 2 || !(next = segment_new(s->env, n - room, !last))) {
            return ENOMEM;
        }
    }
    size_t used = room ? fill(s, last, p, n) : 0;
    if (next) {
        TAILQ_INSERT_TAIL(&s->segments, next, link);
        (void)fill(s, next, (const char *)p + used, n - used);
    }
    return 0;
}

int
segments_append(ec_httpsrv_session *s, const void *p, size_t n)
{
    struct hs_session_env *env = s->env;
    struct segment *g = TAILQ_LAST(&s->segments, segments);

    if (!g && env->small && n <= SEGMENT_SMALL && n) { /* the first bytes of most responses */
        g = env->small;
        env->small = TAILQ_NEXT(g, link);
        env->nsmall--;
        g->io = NULL;
        g->off = g->len = 0;
        TAILQ_INSERT_HEAD(&s->segments, g, link);
    } else if (!g || g->io || n > g->cap - g->len) {
        return append_anywhere(s, p, n);
    }
    (void)fill(s, g, p, n);
    return 0;
}

int
segments_append_io(ec_httpsrv_session *s, io_object *io)
{
    int err = hs_io_claim(io);

    if (err) {
        return err;
    }
    struct segment *g = calloc(1, sizeof *g);
    if (!g) {
        hs_io_release(io);
        return ENOMEM;
    }
    io_wrapper_addref(io);
    g->io = io;
    g->left = -1;
    TAILQ_INSERT_TAIL(&s->segments, g, link);
    return 0;
}

void
segments_unwait(ec_httpsrv_session *s)
{
    if (s->io_waited) {
        (void)hs_io_wait(s->io_waited, IO_WAIT_READ, NULL, NULL);
        s->io_waited = NULL;
        ec_httpsrv_session_delref(s);
    }
}

void
segments_pop(ec_httpsrv_session *s)
{
    struct segment *g = TAILQ_FIRST(&s->segments);

    TAILQ_REMOVE(&s->segments, g, link);
    if (!g->io) {
        s->queued -= g->len - g->off;
    } else if (g->io == s->io_waited) {
        segments_unwait(s);
    }
    if (g == s->pinned) {
        s->pinned_gone = true; /* the pump is inside its io */
    } else {
        segment_free(s->env, g);
    }
}

void
segments_drop(ec_httpsrv_session *s)
{
    if (s->io_waited) {
        segments_unwait(s);
    }
    while (!TAILQ_EMPTY(&s->segments)) {
        segments_pop(s);
    }
}
