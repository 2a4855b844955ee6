/* pool_world.h - what the tests of handlers in pools share: a rig with one handler that a thread calls, and ways to wait for it. */
#ifndef TESTS_DISPATCH_POOL_WORLD_H
#define TESTS_DISPATCH_POOL_WORLD_H

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/live.h"
#include "io/io.h"
#include "io/pool.h"
#include "rig.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"

static struct rig rig;
static int pool; /* one thread, and one job that waits for it */
static sem_t entered, go_on, left;
static atomic_int calls, seen_err;
static pthread_t loop_thread;
static _Atomic(ec_httpsrv_session *) kept;

static inline int
set_up(void **state)
{
    (void)state;
    pool = httpsrv_pool_new("handlers", 1, 1);
    calls = 0;
    seen_err = -1;
    kept = NULL;
    loop_thread = pthread_self();
    return pool < 0 || sem_init(&entered, 0, 0) != 0 || sem_init(&go_on, 0, 0) != 0 || sem_init(&left, 0, 0) != 0;
}

static inline int
tear_down(void **state)
{
    (void)state;
    hs_pools_stop();
    return 0;
}

/* A rig with one handler of the pool at "/". */
static inline void
open_pooled(ec_httpsrv_handler_func fn)
{
    rig_open(&rig);
    assert_int_equal(ec_httpsrv_register(NULL, NULL, "/", pool, NULL, fn), 0);
    rig_start(&rig);
}

/* Turns the loop until a thread has posted. */
static inline void
await(sem_t *sem)
{
    alarm(60);
    while (sem_trywait(sem) != 0) {
        rig_turns(&rig, 1);
        sched_yield();
    }
    alarm(0);
}

/* Turns the loop for a while, in which what must not happen could. */
static inline void
linger(void)
{
    for (int i = 0; i < 200; i++) {
        rig_turns(&rig, 1);
        sched_yield();
    }
}

static inline const char *
ask(struct rig_client *c, const char *request)
{
    unsigned n = rig.requests_ended + 1;

    rig_connect(&rig, c);
    rig_sends(c, request);
    rig_await_ended(&rig, n);
    return rig_received(c);
}

static inline void
expect(const char *request, const char *has)
{
    struct rig_client c;
    const char *got = ask(&c, request);

    if (strstr(got, has) == NULL) {
        fail_msg("'%s' is not in: %s", has, got);
    }
    rig_disconnect(&c, false);
}

static atomic_int told;

static inline void
on_abort(ec_httpsrv_session *s, void *arg)
{
    (void)s;
    *(atomic_int *)arg += 1;
}

#endif
