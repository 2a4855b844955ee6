/* publish.c - what a server counts, written to its slot of the page.
 *
 * A request that ends where it began, in the turn that read it, is only counted; the time that such requests took is known when their answers have left,
 * which is once for a burst of pipelined ones. So the clock is read once a burst. All others have waited for something, and are timed one by one. */
#include "server/publish.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/live.h"
#include "base/log.h"
#include "base/tally.h"
#include "io/pool.h"
#include "server/lifecycle.h"
#include "server/times.h"

#define HALF_MINUTE (30 * HS_SEC)

/* --- requests --- */

static inline void
add_time(struct hs_page_slot *slot, int64_t ns, uint64_t requests)
{
    uint64_t time = hs_times_clamp(ns);

    hs_page_add(&slot->times[hs_times_place(time)], requests);
    hs_page_add(&slot->counts[HS_COUNT_REQUEST_TIME], time * requests);
}

/* A request that has outlived its handler's first run, or whose response did not reach its end. */
static __attribute__((noinline)) void
count_slowly(struct httpsrv_server *s, ec_httpsrv_session *sess)
{
    struct hs_page_slot *slot = s->publisher.slot;

    if (hs_session_is_cut(sess)) {
        hs_page_add(&slot->counts[HS_COUNT_CUT_SHORT], 1);
    }
    add_time(slot, hs_loop_clock(s->loop) - hs_session_started(sess), 1);
}

/* A request has ended. */
static void
count_request(void *arg, ec_httpsrv_session *sess)
{
    struct httpsrv_server *s = arg;
    struct server_publisher *p = &s->publisher;
    size_t class = __builtin_expect(hs_session_head_sent(sess), 1) ? (unsigned)hs_session_status(sess) / 100 : 0;

    hs_page_add(&p->slot->counts[HS_COUNT_REQUESTS + class], 1); /* none is above 599 */
    if (__builtin_expect(hs_session_is_kept(sess) || hs_session_is_cut(sess), 0)) {
        count_slowly(s, sess);
    } else {
        p->burst++;
    }
}

/* The answers of a connection have left, or wait only for the client. */
static void
on_burst(void *arg)
{
    struct httpsrv_server *s = arg;
    struct server_publisher *p = &s->publisher;

    if (p->burst != 0) {
        add_time(p->slot, hs_loop_elapsed(s->loop), p->burst);
        p->burst = 0;
    }
}

/* --- everything else --- */

/* Adds what has come since the last time; what seems to go back (two clocks, a sum of fractions) waits. */
static void
add_since(_Atomic uint64_t *counter, uint64_t *told, uint64_t now)
{
    if (now > *told) {
        hs_page_add(counter, now - *told);
        *told = now;
    }
}

static void
set_counter(struct server_publisher *p, enum hs_count which, uint64_t own)
{
    add_since(&p->slot->counts[which], &p->told[which], own);
}

static void
set_live(struct server_publisher *p, enum hs_count which, int64_t n)
{
    hs_page_set(&p->slot->counts[which], n > 0 ? (uint64_t)n : 0);
}

static void
publish_connections(struct httpsrv_server *s)
{
    struct server_publisher *p = &s->publisher;
    const struct hs_h1_stats *st = hs_h1_stats(s->h1);
    struct hs_listeners_stats ls;

    set_counter(p, HS_COUNT_CONNECTIONS, st->connections);
    set_counter(p, HS_COUNT_RECEIVED, st->received);
    set_counter(p, HS_COUNT_SENT, st->sent);
    set_counter(p, HS_COUNT_REFUSED, st->refused);
    set_counter(p, HS_COUNT_TIMEOUTS, st->timeouts);
    set_counter(p, HS_COUNT_UNSENT, st->unsent);
    set_live(p, HS_COUNT_OPEN_CONNECTIONS, (int64_t)st->live);
    if (s->listeners != NULL) { /* else what was there last stays */
        hs_listeners_get_stats(s->listeners, &ls);
        set_counter(p, HS_COUNT_TURNED_AWAY, ls.turned_away);
    }
}

struct states {
    struct hs_page_slot *slot;
    unsigned n;
    uint64_t memory;
};

static void
publish_generation(void *arg, unsigned long id, const struct hs_lua_runtime *runtime)
{
    struct states *st = arg;
    uint64_t memory = runtime != NULL ? hs_lua_runtime_memory(runtime) : 0;

    st->memory += memory;
    if (st->n < HS_PAGE_GENERATIONS) {
        hs_page_set(&st->slot->generations[st->n].id, id);
        hs_page_set(&st->slot->generations[st->n].memory, memory);
        st->n++;
    }
}

static void
publish_lua(struct httpsrv_server *s)
{
    struct server_publisher *p = &s->publisher;
    struct states st = { p->slot, 0, 0 };

    server_each_generation(s, publish_generation, &st);
    atomic_store(&p->slot->ngenerations, st.n);
    atomic_store(&p->slot->generation, httpsrv_server_generation(s));
    set_live(p, HS_COUNT_LUA_MEMORY, (int64_t)st.memory);
    set_live(p, HS_COUNT_TASKS, hs_live_get(HS_LIVE_TASK));
    set_live(p, HS_COUNT_TIMERS, hs_live_get(HS_LIVE_TIMER));
    set_counter(p, HS_COUNT_LUA_ERRORS, hs_tally_get(HS_TALLY_LUA_ERRORS));
}

/* The place of a pool in the slot: where a former process had one of that name, else the first that is free. NULL: there is no room. */
static struct hs_page_pool *
pool_place(struct hs_page_slot *slot, const char *name)
{
    for (size_t i = 0; i < HS_PAGE_POOLS; i++) {
        struct hs_page_pool *p = &slot->pools[i];
        if (i >= atomic_load(&slot->npools)) { /* whatever stands there: who wrote it has died before it was counted */
            (void)snprintf(p->name, sizeof p->name, "%s", name);
            atomic_store(&slot->npools, (unsigned)i + 1);
        }
        if (strncmp(p->name, name, sizeof p->name - 1) == 0) {
            return p;
        }
    }
    return NULL;
}

static void
publish_pools(struct server_publisher *p)
{
    struct hs_pool_stat st;
    struct hs_pool *pool;

    for (size_t i = 0; i < HS_PAGE_POOLS && (pool = hs_pool_at(i)) != NULL; i++) {
        struct hs_page_pool *to = pool_place(p->slot, hs_pool_name(pool));
        if (to == NULL) {
            continue;
        }
        hs_pool_get_stat(pool, &st);
        hs_page_set(&to->threads, st.threads);
        hs_page_set(&to->active, st.active);
        hs_page_set(&to->queued, st.queued);
        add_since(&to->done, &p->pools_told[i].done, st.done);
        add_since(&to->wait_time, &p->pools_told[i].wait_time, (uint64_t)(st.wait_avg * (double)(st.done + st.active) * 1e9));
        add_since(&to->run_time, &p->pools_told[i].run_time, (uint64_t)(st.run_avg * (double)st.done * 1e9));
    }
}

/* The longest turn of the last half minute to minute. */
static void
publish_turns(struct httpsrv_server *s)
{
    struct server_publisher *p = &s->publisher;
    int64_t now = hs_loop_now(s->loop), longest = hs_loop_longest_turn(s->loop, true);

    if (now - p->half_since >= HALF_MINUTE) {
        p->longest[1] = now - p->half_since < 2 * HALF_MINUTE ? p->longest[0] : 0;
        p->longest[0] = 0;
        p->half_since = now;
    }
    if (longest > p->longest[0]) {
        p->longest[0] = longest;
    }
    set_live(p, HS_COUNT_LONGEST_TURN, p->longest[0] > p->longest[1] ? p->longest[0] : p->longest[1]);
}

/* Of the error log, and of the access log. */
static uint64_t
lost_lines(const struct httpsrv_server *s)
{
    struct hs_access_log_stats st = { .lost = 0 };

    if (s->logs.access != NULL) {
        hs_access_log_get_stats(s->logs.access, &st);
    }
    return hs_log_lost() + st.lost;
}

void
hs_server_publish(struct httpsrv_server *s)
{
    struct server_publisher *p = &s->publisher;

    if (p->slot == NULL || s->env == NULL || s->h1 == NULL) {
        return;
    }
    publish_connections(s);
    set_live(p, HS_COUNT_OPEN_REQUESTS, (int64_t)hs_session_env_live(s->env));
    set_live(p, HS_COUNT_SUSPENDED, (int64_t)hs_session_env_suspended(s->env));
    set_counter(p, HS_COUNT_LOG_LOST, lost_lines(s));
    publish_lua(s);
    publish_pools(p);
    publish_turns(s);
}

/* --- life --- */

void
hs_server_use_slot(struct httpsrv_server *s, struct hs_page_slot *slot)
{
    s->publisher.slot = slot;
}

struct hs_page *
hs_server_page(struct httpsrv_server *s)
{
    return s->publisher.page;
}

void
hs_server_change_slot(struct httpsrv_server *s, struct hs_page_slot *slot)
{
    hs_server_publish(s);
    s->publisher.slot = slot;
    hs_server_publish(s);
}

int
server_publisher_start(struct httpsrv_server *s)
{
    struct server_publisher *p = &s->publisher;

    if (p->slot == NULL) {
        int err = hs_page_new(1, &p->page);
        if (err != 0) {
            return err;
        }
        p->slot = hs_page_slot(p->page, 0);
        hs_page_enter(p->page, 0);
        atomic_store(&p->slot->pid, getpid());
    }
    p->half_since = hs_loop_now(s->loop);
    hs_h1_on_burst(s->h1, on_burst, s);
    hs_request_ends_count(&s->ends, count_request, s);
    return 0;
}

void
server_publisher_fini(struct httpsrv_server *s)
{
    hs_page_free(s->publisher.page);
    s->publisher.page = NULL;
    s->publisher.slot = NULL;
}
