/* oversight_world.h - what the tests of those share that show a server: one of paper, with a page that they fill. */
#ifndef TESTS_SERVER_OVERSIGHT_WORLD_H
#define TESTS_SERVER_OVERSIGHT_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "io/loop.h"
#include "server/oversight.h"

struct paper {
    struct hs_oversight o;
    const char *state;
    bool ready;
    size_t workers;
};

static inline const char *
paper_state(void *arg)
{
    return ((struct paper *)arg)->state;
}

static inline bool
paper_ready(void *arg)
{
    return ((struct paper *)arg)->ready;
}

static inline const char *
paper_address(void *arg, size_t i)
{
    (void)arg;
    return i == 0 ? "127.0.0.1:80" : i == 1 ? "unix:/a\"b\\c" : NULL;
}

static inline size_t
paper_routes(void *arg)
{
    (void)arg;
    return 12;
}

static inline size_t
paper_workers(void *arg)
{
    return ((struct paper *)arg)->workers;
}

static const struct hs_oversight_ops paper_ops = {
    .state = paper_state, .ready = paper_ready, .address = paper_address, .routes = paper_routes, .workers = paper_workers,
};

/* A server of so many workers, of which the first has done something. */
static inline void
paper_new(struct paper *p, size_t workers)
{
    *p = (struct paper){ .state = "serving", .ready = true, .workers = workers };
    p->o = (struct hs_oversight){ &paper_ops, p, NULL };
    assert_int_equal(hs_page_new(workers, &p->o.page), 0);
    struct hs_page_slot *s = hs_page_slot(p->o.page, 0);
    hs_page_enter(p->o.page, 0);
    atomic_store(&s->state, HS_WORKER_SERVING);
    hs_page_set(&s->counts[HS_COUNT_REQUESTS + 2], 5);
    hs_page_set(&s->counts[HS_COUNT_REQUESTS + 4], 2);
    hs_page_set(&s->counts[HS_COUNT_REQUEST_TIME], 1500000001);
    hs_page_set(&s->counts[HS_COUNT_LUA_MEMORY], 123456);
    hs_page_set(&s->counts[HS_COUNT_OPEN_REQUESTS], 3);
    hs_page_set(&s->counts[HS_COUNT_SUSPENDED], 2);
    hs_page_set(&s->times[0], 4);
    hs_page_set(&s->times[160], 3); /* 2^20 ns */
    atomic_store(&s->ngenerations, 1);
    hs_page_set(&s->generations[0].id, 4);
    hs_page_set(&s->generations[0].memory, 123456);
    strcpy(s->pools[0].name, "a\"b\\\n");
    hs_page_set(&s->pools[0].done, 8);
    hs_page_set(&s->pools[0].run_time, 2000000000);
    atomic_store(&s->npools, 1);
    hs_page_add(&hs_page_own(p->o.page)->reloads, 1);
    hs_page_set(&hs_page_leaving_slot(p->o.page, 0)->counts[HS_COUNT_REQUESTS + 2], 1); /* of one that has left */
}

static inline void
paper_free(struct paper *p)
{
    hs_page_free(p->o.page);
}

/* Makes the text a string. */
static inline const char *
paper_text(struct hs_buf *b)
{
    assert_int_equal(hs_buf_append_char(b, '\0'), 0);
    return b->p;
}

#endif
