/* env.c - the sessions of one loop: where they come from, how they are found, what the protocols call.
 * Structs are recycled through a free list together with the first block of their arena; serials are never reused, so a
 * handle that a script has kept never means another request. */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/live.h"
#include "session/remote.h"
#include "session/session_int.h"

static _Thread_local struct hs_session_env *current_env;

void
hs_limits_default(struct hs_limits *l)
{
    *l = (struct hs_limits){
        .max_body = 16 * 1024 * 1024,
        .body_memory = 1024 * 1024,
        .body_ahead = 64 * 1024,
        .response_high = 256 * 1024,
        .response_low = 64 * 1024,
        .response_buffer_max = 16 * 1024 * 1024,
        .turn_bytes = 4 * 1024 * 1024,
    };
}

int
hs_session_env_new(struct hs_loop *loop, const struct hs_limits *limits, const struct hs_session_app *app, void *arg,
                   struct hs_session_env **out)
{
    struct hs_session_env *env = calloc(1, sizeof *env);

    if (!env) {
        return ENOMEM;
    }
    env->nbuckets = 64;
    env->buckets = calloc(env->nbuckets, sizeof(ec_httpsrv_session *));
    env->scratch = malloc(PUMP_SCRATCH);
    if (!env->buckets || !env->scratch) {
        free(env->buckets);
        free(env->scratch);
        free(env);
        return ENOMEM;
    }
    env->loop = loop;
    env->limits = *limits;
    env->app = app;
    env->app_arg = arg;
    TAILQ_INIT(&env->retained);
    LIST_INIT(&env->runs);
    if (!current_env) {
        current_env = env;
    }
    *out = env;
    return 0;
}

void
hs_session_env_free(struct hs_session_env *env)
{
    assert(env->nlive == 0);
    while (env->free) {
        ec_httpsrv_session *s = env->free;
        env->free = s->hash_next;
        hs_arena_fini(&s->arena);
        free(s);
    }
    segments_env_fini(env);
    ready_heads_fini(env);
    free(env->buckets);
    free(env->scratch);
    if (current_env == env) {
        current_env = NULL;
    }
    free(env);
}

void
hs_session_env_set_limits(struct hs_session_env *env, const struct hs_limits *limits)
{
    env->limits = *limits;
}

struct hs_session_env *
hs_session_env_current(void)
{
    return current_env;
}

size_t
hs_session_env_live(const struct hs_session_env *env)
{
    return env->nlive;
}

size_t
hs_session_env_suspended(const struct hs_session_env *env)
{
    return env->nsuspended;
}

void
hs_session_env_each(struct hs_session_env *env, size_t max, void (*fn)(void *arg, ec_httpsrv_session *sess), void *arg)
{
    ec_httpsrv_session *s = TAILQ_FIRST(&env->retained);

    for (size_t n = 0; s && n < max; n++, s = TAILQ_NEXT(s, retained_link)) {
        fn(arg, s);
    }
}

/* --- for those who look on --- */

const char *
hs_session_doing(ec_httpsrv_session *s)
{
    return s->state == SESSION_SUSPENDED ? "waiting" : s->state == SESSION_SENDING ? "sending" : "running";
}

bool
hs_session_find_where(ec_httpsrv_session *s, struct hs_session_where *w)
{
    w->place[0] = w->call[0] = '\0';
    return s->binding && s->binding->where && s->binding->where(s, s->binding_data, w);
}

/* --- by serial --- */

static inline void
set_current(struct hs_session_env *env, ec_httpsrv_session *s)
{
    env->current = s;
    env->current_handle = s ? hs_session_handle(s) : 0;
}

uint64_t
hs_session_serial(ec_httpsrv_session *s)
{
    return s->serial;
}

static void
rehash(struct hs_session_env *env)
{
    size_t n = env->nbuckets * 2;
    ec_httpsrv_session **b = calloc(n, sizeof *b);

    if (!b) {
        return; /* longer chains then */
    }
    for (size_t i = 0; i < env->nbuckets; i++) {
        while (env->buckets[i]) {
            ec_httpsrv_session *s = env->buckets[i];
            env->buckets[i] = s->hash_next;
            s->hash_next = b[s->serial & (n - 1)];
            b[s->serial & (n - 1)] = s;
        }
    }
    free(env->buckets);
    env->buckets = b;
    env->nbuckets = n;
}

static void
index_session(ec_httpsrv_session *s)
{
    struct hs_session_env *env = s->env;

    if (env->nhashed >= env->nbuckets) {
        rehash(env);
    }
    ec_httpsrv_session **b = &env->buckets[s->serial & (env->nbuckets - 1)];
    s->hash_next = *b;
    *b = s;
    s->hashed = true;
    TAILQ_INSERT_TAIL(&env->retained, s, retained_link);
    env->nhashed++;
}

void
session_unindex(ec_httpsrv_session *s)
{
    struct hs_session_env *env = s->env;

    if (env->current == s) {
        set_current(env, NULL);
    }
    if (!s->hashed) {
        return;
    }
    ec_httpsrv_session **p = &env->buckets[s->serial & (env->nbuckets - 1)];
    while (*p != s) {
        p = &(*p)->hash_next;
    }
    *p = s->hash_next;
    s->hashed = false;
    TAILQ_REMOVE(&env->retained, s, retained_link);
    env->nhashed--;
}

ec_httpsrv_session *
hs_session_by_serial(struct hs_session_env *env, uint64_t serial)
{
    if (env->current && env->current->serial == serial) {
        return env->current;
    }
    ec_httpsrv_session *s = env->buckets[serial & (env->nbuckets - 1)];
    while (s && s->serial != serial) {
        s = s->hash_next;
    }
    if (!s && env->beginning && env->beginning->serial == serial && env->beginning->state != SESSION_ENDED) {
        s = env->beginning;
    }
    if (s) {
        set_current(env, s);
    }
    return s;
}

double
hs_session_handle(ec_httpsrv_session *s)
{
    return (double)(int64_t)s->serial;
}

static __attribute__((noinline)) ec_httpsrv_session *
look_up_handle(double handle)
{
    /* Up to 2^53 every integer is a double of its own. */
    return current_env && handle >= 1 && handle <= 9007199254740992.0 ? hs_session_by_serial(current_env, (uint64_t)(int64_t)handle) : NULL;
}

ec_httpsrv_session *
hs_session_by_handle(double handle)
{
    const struct hs_session_env *env = current_env;

    return env && env->current_handle == handle && env->current ? env->current : look_up_handle(handle);
}

/* --- making and retaining --- */

/* In pieces whose size is known and small: one long memset of this size costs more to start than to do. */
static inline void
clear(ec_httpsrv_session *s)
{
    enum { SIZE = offsetof(ec_httpsrv_session, zero_end) - offsetof(ec_httpsrv_session, zero_begin), PIECE = 64 };
    char *p = (char *)&s->zero_begin;

#pragma GCC unroll 16
    for (int i = 0; i < SIZE / PIECE; i++) {
        memset(p, 0, PIECE);
        p += PIECE;
    }
    memset(p, 0, SIZE % PIECE);
}

ec_httpsrv_session *
session_new(struct hs_session_env *env, struct hs_stream *st, const struct hs_request *req)
{
    ec_httpsrv_session *s = env->free;

    if (s) {
        env->free = s->hash_next;
        env->nfree--;
        clear(s);
    } else {
        s = calloc(1, sizeof *s);
        if (!s) {
            return NULL;
        }
        hs_arena_init(&s->arena, SESSION_ARENA_MAX);
    }
    atomic_init(&s->refs, 1);
    atomic_init(&s->suspend, NOT_SUSPENDED);
    s->state = SESSION_RUNNING;
    s->env = env;
    s->st = st;
    s->serial = ++env->next_serial;
    s->req = *req;
    s->started = hs_loop_now(env->loop);
    s->who = st->peer;
    s->status = 200;
    s->script_length = -1;
    s->length_left = -1;
    TAILQ_INIT(&s->segments);
    TAILQ_INIT(&s->waiters);
    env->nlive++;
    hs_live_add(HS_LIVE_SESSION, 1);
    return s;
}

int
session_retain(ec_httpsrv_session *s)
{
    if (s->retained) {
        return 0;
    }
    size_t nf = s->req.nfields * sizeof(struct hs_field);
    char *head = hs_arena_alloc(&s->arena, s->req.size);
    struct hs_field *fields = hs_arena_alloc(&s->arena, nf ? nf : 1);
    if (!head || !fields) {
        return ENOMEM;
    }
    memcpy(head, s->req.base, s->req.size);
    memcpy(fields, s->req.fields, nf);
    const char *p = s->path.p;
    if (p >= s->req.base && p < s->req.base + s->req.size) {
        s->path.p = head + (p - s->req.base);
    }
    s->req.base = head;
    s->req.fields = fields;
    s->retained = true;
    index_session(s);
    return 0;
}

void
ec_httpsrv_session_addref(ec_httpsrv_session *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
}

static __attribute__((noinline)) void
session_free(ec_httpsrv_session *s)
{
    hs_arena_fini(&s->arena);
    free(s);
}

/* On the loop: the struct goes back to the free list. */
void
session_recycle(void *arg)
{
    ec_httpsrv_session *s = arg;
    struct hs_session_env *env = s->env;

    if (__builtin_expect(env->nfree == SESSION_FREE_MAX, 0)) {
        session_free(s);
        return;
    }
    s->hash_next = env->free;
    env->free = s;
    env->nfree++;
}

void
ec_httpsrv_session_delref(ec_httpsrv_session *s)
{
    if (!s || !session_unref(s)) {
        return;
    }
    if (s->state == SESSION_REMOTE) {
        session_remote_free(s);
        return;
    }
    assert(s->state == SESSION_ENDED);
    if (hs_loop_current() == s->env->loop) {
        session_recycle(s);
    } else {
        hs_loop_post(s->env->loop, &s->resume_post, session_recycle, s);
    }
}

/* --- what the protocols call --- */

/* There is no memory to keep what the request said: nothing, rather than what the protocol's buffers will hold next. */
static void
forget_request(ec_httpsrv_session *s)
{
    s->req = (struct hs_request){
        .base = "", .version_major = s->req.version_major, .version_minor = s->req.version_minor, .method_id = s->req.method_id,
        .content_length = s->req.content_length,
    };
    s->path = (struct hs_view){ "", 0 };
    s->base_len = 0;
}

/* The request goes on after the protocol's call has returned: what it needs of the protocol's buffers is copied. */
static __attribute__((noinline)) void
keep(ec_httpsrv_session *s)
{
    if (s->who) {
        hs_peer_addref(s->who); /* so far the connection's was enough */
    }
    body_keep(s);
    if (session_retain(s) != 0) {
        forget_request(s);
        session_refuse(s, 503, ENOMEM); /* s may be gone */
    }
}

static bool
user_begin(void *arg, struct hs_stream *st, const struct hs_request *req)
{
    struct hs_session_env *env = arg;
    ec_httpsrv_session *s = session_new(env, st, req);

    if (!s) {
        return false;
    }
    st->user = s;
    set_current(env, s);
    env->beginning = s;
    body_init(s);
    s->in_begin = true;
    session_returned(s, env->app->begin(env->app_arg, s));
    s->in_begin = false;
    env->beginning = NULL;
    if (__builtin_expect(s->state == SESSION_ENDED, 1)) {
        session_delref(s); /* the request's, left to us by session_end */
    } else {
        keep(s);
    }
    return true;
}

static bool
user_peer_closed(void *sess)
{
    ec_httpsrv_session *s = sess;

    s->peer_fin = true;
    return session_gives_up(s);
}

static void
user_aborted(void *sess, int err)
{
    ec_httpsrv_session *s = sess;

    s->st = NULL;
    session_abort(s, err);
}

static void
user_refuse(void *sess, int status)
{
    session_refuse(sess, status, status == 408 ? ETIMEDOUT : EPROTO);
}

const struct hs_stream_user hs_session_stream_user = {
    .begin = user_begin,
    .body_space = body_space,
    .body = body_data,
    .body_end = body_end,
    .writable = pump_on_writable,
    .peer_closed = user_peer_closed,
    .aborted = user_aborted,
    .refuse = user_refuse,
};
