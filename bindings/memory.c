/* memory.c - counts what Lua states hold, and ends it at a limit.
 * The way of an allocation is a few instructions longer than without: what a state has gained since it last told the others stays in its own struct,
 * and only past STEP the shared sum, an atomic, is touched and compared with the limit. So the limit is exact to STEP for each state. */
#include "bindings/memory.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "bindings/enter.h"

#define STEP (64 * 1024)
#define OVERDRAFT (16 * 1024 * 1024) /* granted beyond twice the limit, rather than failing */
#define ALL_AT_ONCE 100000000        /* a step of the collector does all that is to be done */
#define HURRIES 16                   /* so many times in a limit's worth of growth */
#define RARELY (HS_SEC / 4) /* between two collections when the first has brought little */

struct hs_lua_memory {
    struct hs_loop *loop;
    _Atomic int64_t limit; /* INT64_MAX: none */
    _Atomic int64_t used;
    atomic_bool told; /* exhausted has been called, or will be */
    struct hs_post post;
    void (*exhausted)(void *arg);
    void *arg;
};

static int64_t
as_limit(int64_t limit)
{
    return limit < 0 ? INT64_MAX : limit;
}

int
hs_lua_memory_new(struct hs_loop *loop, int64_t limit, void (*exhausted)(void *arg), void *arg, struct hs_lua_memory **out)
{
    struct hs_lua_memory *m = calloc(1, sizeof *m);

    if (m == NULL) {
        return ENOMEM;
    }
    m->loop = loop;
    m->exhausted = exhausted;
    m->arg = arg;
    atomic_init(&m->limit, as_limit(limit));
    *out = m;
    return 0;
}

void
hs_lua_memory_free(struct hs_lua_memory *m)
{
    free(m);
}

void
hs_lua_memory_set_limit(struct hs_lua_memory *m, int64_t limit)
{
    atomic_store(&m->limit, as_limit(limit));
}

int64_t
hs_lua_memory_limit(const struct hs_lua_memory *m)
{
    int64_t limit = atomic_load(&m->limit);

    return limit == INT64_MAX ? -1 : limit;
}

int64_t
hs_lua_memory_used(const struct hs_lua_memory *m)
{
    return atomic_load(&m->used);
}

static void
on_exhausted(void *arg)
{
    struct hs_lua_memory *m = arg;

    m->exhausted(m->arg);
}

void
hs_lua_memory_again(struct hs_lua_memory *m)
{
    atomic_store(&m->told, false);
}

/* --- the allocator --- */

/* Tells the others what this state has gained or given back. Their sum. */
static int64_t
tell(struct hs_lua_share *s)
{
    int64_t gained = s->local;

    s->local = 0;
    s->told += gained;
    return atomic_fetch_add_explicit(&s->memory->used, gained, memory_order_relaxed) + gained;
}

static void
fail(struct hs_lua_share *s)
{
    struct hs_lua_memory *m = s->memory;

    s->failed = s->due = true;
    if (!atomic_exchange(&m->told, true)) {
        hs_loop_post(m->loop, &m->post, on_exhausted, m);
    }
}

/* --- ending who wants too much ---
 * LuaJIT before July 2023 does not survive an allocation that fails inside compiled code (it unwinds from a frame that is not the current one; its
 * issues 906 and 1034). So what goes a little beyond the limit is granted, and the script ended at its next instruction, by a hook. Compiled code looks at
 * no hook, but the collector takes it back to the interpreter before its atomic phase; so that is made due. Where it does not help (compiled code that
 * calls a function in C which allocates, and goes on behind it, is not taken back) the script ends at the last when it gets no more; until then the
 * collector, which goes over all that there is, is not made due at each step. */

static void
let_go(struct hs_lua_share *s)
{
    if (s->overdrawn) {
        s->overdrawn = false;
        (void)lua_sethook(s->L, NULL, 0, 0);
        (void)lua_gc(s->L, LUA_GCSETSTEPMUL, s->step_multiplier);
    }
}

static struct hs_lua_share *share_of(lua_State *L);

static void
end_script(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    let_go(share_of(L));
    lua_pushliteral(L, "not enough memory");
    (void)lua_error(L);
}

/* May be called wherever something is allocated: lua_sethook(3) may be called from a signal handler, and lua_gc(3) only sets two numbers here. */
static void
overdraw(struct hs_lua_share *s, int64_t total, int64_t limit)
{
    if (!s->overdrawn) {
        s->overdrawn = true;
        s->hurry_at = 0;
        s->step_multiplier = lua_gc(s->L, LUA_GCSETSTEPMUL, ALL_AT_ONCE);
        (void)lua_sethook(s->L, end_script, LUA_MASKCOUNT, 1);
    }
    if (total >= s->hurry_at) {
        s->hurry_at = total + limit / HURRIES;
        (void)lua_gc(s->L, LUA_GCRESTART, 0);
    }
}

/* Whether the state may have so many bytes more. */
static __attribute__((noinline)) bool
may_grow(struct hs_lua_share *s, int64_t more)
{
    int64_t limit = atomic_load_explicit(&s->memory->limit, memory_order_relaxed);
    int64_t total = tell(s);

    if (limit == INT64_MAX) {
        return true;
    }
    int64_t reserve = s->collecting ? limit / 4 : !s->failed ? 0 : s->in_c ? HS_LUA_RESERVE : HS_LUA_RESERVE / 2;
    if (total > limit + reserve - more) {
        fail(s);
        if (total > 2 * limit + OVERDRAFT - more) {
            return false;
        }
        overdraw(s, total, limit);
        return true;
    }
    int64_t collect_at = s->collect_at != 0 ? s->collect_at : limit - limit / 5;
    s->due = s->due || total + more >= collect_at;
    return true;
}

static void *
allocate(void *ud, void *p, size_t old_size, size_t size)
{
    struct hs_lua_share *s = ud;
    int64_t gained = (int64_t)size - (int64_t)old_size;

    if (__builtin_expect(s->local + gained > STEP, 0) && gained > 0 && !may_grow(s, gained)) {
        return NULL;
    }
    void *got = s->inner(s->inner_ud, p, old_size, size);
    if (__builtin_expect(got == NULL && size != 0, 0)) {
        fail(s);
        return NULL;
    }
    s->local += gained;
    if (__builtin_expect(s->local < -STEP, 0)) {
        (void)tell(s);
    }
    return got;
}

/* Whose allocator it is, is whose share. */
static struct hs_lua_share *
share_of(lua_State *L)
{
    void *ud;

    (void)lua_getallocf(L, &ud);
    return ud;
}

/* --- a state --- */

void
hs_lua_share_begin(struct hs_lua_share *s, lua_State *L, struct hs_lua_memory *m)
{
    if (m == NULL || hs_lua_memory_limit(m) < 0) {
        return;
    }
    s->memory = m;
    s->L = L;
    s->inner = lua_getallocf(L, &s->inner_ud);
    s->local = (int64_t)lua_gc(L, LUA_GCCOUNT, 0) * 1024 + lua_gc(L, LUA_GCCOUNTB, 0);
    (void)tell(s);
    lua_setallocf(L, allocate, s);
}

void
hs_lua_share_end(struct hs_lua_share *s, lua_State *L)
{
    if (s->memory == NULL) {
        return;
    }
    let_go(s);
    lua_setallocf(L, s->inner, s->inner_ud);
    s->local = -s->told;
    (void)tell(s);
    s->memory = NULL;
    s->due = false;
}

static int
collect_all(lua_State *L)
{
    (void)lua_gc(L, LUA_GCCOLLECT, 0);
    return 0;
}

void
hs_lua_share_collect(struct hs_lua_runtime *rt)
{
    struct hs_lua_share *s = &rt->share;
    int64_t now = hs_loop_now(rt->loop);
    int64_t limit = atomic_load(&s->memory->limit);

    const bool failed = s->failed;
    s->failed = false;
    if (s->stuck != 0 && now - s->stuck < RARELY) {
        return; /* it stays due */
    }
    s->due = false;
    let_go(s);
    s->collecting = true; /* it makes a table for the strings anew, before it can give back the larger one */
    rt->busy++;
    (void)hs_enter_protected(rt, collect_all, NULL, "collecting the garbage");
    int64_t total = tell(s);
    if (failed && total > limit / 2) { /* what has finalizers has been finalized, and goes now */
        (void)hs_enter_protected(rt, collect_all, NULL, "collecting the garbage");
        total = tell(s);
    }
    rt->busy--;
    s->collecting = false;
    s->failed = s->due = false;
    s->stuck = failed && total > limit - limit / 10 ? now : 0;
    s->collect_at = total + (limit - total) / 2;
    if (s->collect_at < limit - limit / 5) {
        s->collect_at = 0;
    }
    hs_log(HS_LOG_DEBUG, "all garbage of a Lua state was collected: %lld KiB are in use", (long long)(total / 1024));
}
