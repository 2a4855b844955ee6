/* rig.c - the in-memory server of rig.h. Everything it makes it also ends, and counts what is left. */
#include "rig.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/live.h"
#include "base/log.h"
#include "io/loop_int.h"
#include "io/pool.h"

enum { RECEIVED_MAX = 512 * 1024 * 1024, RECEIVED_FIRST = 256 * 1024, TURNS_MAX = 2000000, QUIET_TURNS = 3, IDLE_TURNS = 12 };

static void
on_ended(void *arg, ec_httpsrv_session *sess)
{
    struct rig *r = arg;

    (void)sess;
    r->requests_ended++;
    r->moves++;
}

static void
quiet(enum hs_log_level level, const char *line, void *arg)
{
    (void)level;
    (void)line;
    (void)arg;
}

void
rig_open_with(struct rig *r, const struct hs_limits *limits, const struct hs_h1_limits *h1_limits)
{
    struct hs_limits l;
    struct hs_h1_limits h;

    memset(r, 0, sizeof *r);
    hs_log_set_sink(quiet, NULL);
    hs_limits_default(&l);
    hs_h1_limits_default(&h);
    assert_int_equal(hs_loop_new(&(struct hs_loop_options){ .test_clock = true }, &r->loop), 0);
    assert_int_equal(hs_dispatch_new(&r->dispatch), 0);
    assert_int_equal(hs_session_env_new(r->loop, limits ? limits : &l, &hs_dispatch_app, r->dispatch, &r->env), 0);
    assert_int_equal(hs_h1_new(r->loop, h1_limits ? h1_limits : &h, &hs_session_stream_user, r->env, &r->h1), 0);
    assert_int_equal(hs_generation_new(1, &r->generation), 0);
    struct hs_pool_stat st;
    hs_pool_get_stat(hs_pool_io(), &st);
    r->jobs_done = st.done;
    hs_dispatch_on_ended(r->dispatch, on_ended, r);
    hs_generation_set_building(r->generation);
}

void
rig_open(struct rig *r)
{
    rig_open_with(r, NULL, NULL);
}

void
rig_route(struct rig *r, const char *method, const char *path, ec_httpsrv_handler_func handler, const struct hs_route_options *options)
{
    struct hs_registration reg = { .method = method, .path = path, .job_class = ECTP_CLASS_SHORT_LIVED, .handler = handler };
    const char *other;

    hs_route_options_default(&reg.options);
    if (options) {
        reg.options = *options;
    }
    assert_int_equal(hs_generation_register(r->generation, &reg, &other), 0);
}

void
rig_start(struct rig *r)
{
    hs_generation_set_building(NULL);
    hs_dispatch_set_generation(r->dispatch, r->generation);
}

void
rig_turns(struct rig *r, unsigned n)
{
    while (n-- > 0) {
        assert_int_equal(hs_loop_turn(r->loop, false), 0);
    }
}

/* Jobs of the IO pool, such as bringing a file into the page cache: waits for their ends. True when there were any. */
static bool
wait_for_pool(struct rig *r)
{
    enum { LONG = 100000 }; /* a job may never end */
    struct hs_pool_stat st;

    hs_pool_get_stat(hs_pool_io(), &st);
    for (int i = 0; i < LONG && (st.queued || st.active || st.telling); i++) {
        sched_yield();
        rig_turns(r, 1);
        hs_pool_get_stat(hs_pool_io(), &st);
    }
    if (st.done == r->jobs_done) {
        return false;
    }
    r->jobs_done = st.done;
    rig_turns(r, 1); /* the last of them have been told of since the last turn */
    return true;
}

void
rig_settle(struct rig *r)
{
    unsigned long turns = 0;
    int quiet_turns = 0;

    /* A turn that finds nothing leaves everything as it was; several in a row, for what the kernel has to tell. */
    while (quiet_turns < QUIET_TURNS) {
        unsigned long before = r->moves;
        rig_turns(r, 1);
        bool moved = r->moves != before || !TAILQ_EMPTY(&r->loop->deferred);
        quiet_turns = moved || (quiet_turns == QUIET_TURNS - 1 && wait_for_pool(r)) ? 0 : quiet_turns + 1;
        assert_true(++turns < TURNS_MAX); /* something spins */
    }
}

void
rig_await_ended(struct rig *r, unsigned n)
{
    alarm(60); /* a wait that never ends is a failed test */
    while (r->requests_ended < n) {
        assert_int_equal(hs_loop_turn(r->loop, true), 0);
    }
    alarm(0);
    rig_settle(r);
}

void
rig_advance(struct rig *r, int64_t ns)
{
    while (ns > 0) {
        int64_t step = ns < HS_SEC ? ns : HS_SEC;
        hs_loop_advance(r->loop, step);
        rig_settle(r);
        ns -= step;
    }
}

void
rig_close(struct rig *r)
{
    hs_h1_close_all(r->h1);
    rig_settle(r);
    assert_int_equal(hs_session_env_live(r->env), 0);
    assert_int_equal(hs_live_get(HS_LIVE_SESSION), 0);
    assert_int_equal(hs_live_get(HS_LIVE_CONN), 0);
    hs_h1_free(r->h1);
    rig_settle(r);
    hs_session_env_free(r->env);
    hs_dispatch_free(r->dispatch);
    hs_generation_delref(r->generation);
    rig_settle(r);
    hs_loop_free(r->loop);
    assert_int_equal(hs_live_get(HS_LIVE_IO), 0);
    hs_log_set_sink(NULL, NULL);
}

/* --- clients --- */

/* Reads once. False: nothing more is to be had now. */
static bool
take(struct rig_client *c, size_t max)
{
    char buf[65536];
    ssize_t n = c->t->ops->read(c->t, buf, max < sizeof buf ? max : sizeof buf);

    if (n > 0) {
        assert_int_equal(hs_buf_append(&c->in, buf, (size_t)n), 0);
        c->rig->moves++;
        return true;
    }
    if (n < 0 && errno == EAGAIN) {
        return false;
    }
    c->eof = n == 0;
    c->reset = n < 0;
    c->rig->moves++;
    (void)c->t->ops->set_interest(c->t, 0);
    return false;
}

static void
client_event(void *arg, unsigned events)
{
    struct rig_client *c = arg;

    if (events & HS_READ && c->reading) {
        for (int i = 0; i < 16 && take(c, SIZE_MAX); i++) {
        }
    }
}

void
rig_read_on(struct rig_client *c, bool on)
{
    c->reading = on;
    if (!c->eof && !c->reset) {
        assert_int_equal(c->t->ops->set_interest(c->t, on ? HS_READ : 0), 0);
    }
    rig_settle(c->rig);
}

size_t
rig_read(struct rig_client *c, size_t n)
{
    size_t before = c->in.len;

    for (int i = 0; c->in.len - before < n && !c->eof && !c->reset && i < IDLE_TURNS; i++) {
        if (take(c, n - (c->in.len - before))) {
            i = 0;
        }
        rig_turns(c->rig, 1);
    }
    return c->in.len - before;
}

void
rig_client_init(struct rig *r, struct rig_client *c)
{
    memset(c, 0, sizeof *c);
    c->rig = r;
    c->reading = true;
    hs_buf_init(&c->in, RECEIVED_MAX);
    assert_int_equal(hs_buf_reserve(&c->in, RECEIVED_FIRST), 0);
}

/* Both transports are there. ns: the connection is that old. */
static void
go(struct rig_client *c, int64_t ns)
{
    struct rig *r = c->rig;

    c->t->on_event = client_event;
    c->t->arg = c;
    assert_int_equal(c->t->ops->set_interest(c->t, HS_READ), 0);
    int err = hs_h1_accept_since(r->h1, c->server, hs_loop_now(r->loop) - ns);
    assert_true(err == 0 || (err == ENOMEM && r->accept_may_fail));
}

void
rig_client_connect(struct rig_client *c)
{
    struct rig *r = c->rig;

    if (hs_memory_transport_pair(r->loop, &r->pair, &c->t, &c->server) != 0) {
        assert_true(r->accept_may_fail);
        c->t = NULL;
        c->reset = true;
        return;
    }
    go(c, 0);
}

void
rig_connect_since(struct rig *r, struct rig_client *c, int64_t ns)
{
    rig_client_init(r, c);
    assert_int_equal(hs_memory_transport_pair(r->loop, &r->pair, &c->t, &c->server), 0);
    go(c, ns);
}

void
rig_connect(struct rig *r, struct rig_client *c)
{
    rig_client_init(r, c);
    rig_client_connect(c);
}

void
rig_connect_socket(struct rig *r, struct rig_client *c)
{
    int fd[2];

    rig_client_init(r, c);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
    assert_int_equal(hs_socket_transport_new(r->loop, fd[0], &c->t), 0);
    assert_int_equal(hs_socket_transport_new(r->loop, fd[1], &c->server), 0);
    go(c, 0);
}

size_t
rig_send(struct rig_client *c, const void *p, size_t n)
{
    size_t sent = 0;

    for (int idle = 0; c->t && sent < n && idle < IDLE_TURNS;) {
        unsigned long before = c->rig->moves;
        const struct iovec iov = { (char *)(uintptr_t)p + sent, n - sent };
        ssize_t w = c->t->ops->writev(c->t, &iov, 1, false);
        if (w < 0 && errno != EAGAIN) {
            break;
        }
        sent += w > 0 ? (size_t)w : 0;
        if (sent < n) {
            rig_turns(c->rig, 1);
        }
        idle = w > 0 || c->rig->moves != before ? 0 : idle + 1;
    }
    rig_settle(c->rig);
    return sent;
}

size_t
rig_sends(struct rig_client *c, const char *s)
{
    return rig_send(c, s, strlen(s));
}

void
rig_shutdown(struct rig_client *c)
{
    if (c->t) {
        (void)c->t->ops->shutdown_write(c->t);
    }
    rig_settle(c->rig);
}

void
rig_disconnect(struct rig_client *c, bool reset)
{
    if (c->t) {
        c->t->ops->close(c->t, reset);
        c->t = NULL;
    }
    hs_buf_fini(&c->in);
    rig_settle(c->rig);
}

const char *
rig_received(struct rig_client *c)
{
    assert_int_equal(hs_buf_append(&c->in, "", 1), 0);
    c->in.len--;
    return c->in.p;
}

void
rig_forget(struct rig_client *c)
{
    hs_buf_clear(&c->in);
}

const char *
rig_exchange_split(struct rig *r, const char *request, size_t len, size_t at)
{
    static char last[RECEIVED_FIRST];
    struct rig_client c;

    rig_connect(r, &c);
    for (size_t i = 0; i < len; i += at) {
        (void)rig_send(&c, request + i, len - i < at ? len - i : at);
    }
    rig_settle(r);
    assert_true(c.in.len < sizeof last);
    memcpy(last, rig_received(&c), c.in.len + 1);
    rig_disconnect(&c, false);
    return last;
}

const char *
rig_exchange(struct rig *r, const char *request)
{
    return rig_exchange_split(r, request, strlen(request), strlen(request));
}
