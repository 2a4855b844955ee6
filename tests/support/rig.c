/* rig.c - the in-memory server of rig.h. Everything it makes it also ends, and counts what is left. */
#include "rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/live.h"
#include "base/log.h"

enum { RECEIVED_MAX = 256 * 1024 * 1024, TURNS_MAX = 200000 };

static void
on_ended(void *arg, ec_httpsrv_session *sess)
{
    struct rig *r = arg;

    (void)sess;
    r->requests_ended++;
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
rig_settle(struct rig *r)
{
    /* A turn that cannot block and finds nothing leaves everything as it was; several in a row are quiet enough for calls that defer. */
    for (int i = 0; i < 12; i++) {
        assert_int_equal(hs_loop_turn(r->loop, false), 0);
    }
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

static void
client_event(void *arg, unsigned events)
{
    struct rig_client *c = arg;
    char buf[16384];

    if (!(events & HS_READ) || !c->reading) {
        return;
    }
    for (int i = 0; i < 16; i++) {
        ssize_t n = c->t->ops->read(c->t, buf, sizeof buf);
        if (n > 0) {
            assert_int_equal(hs_buf_append(&c->in, buf, (size_t)n), 0);
            continue;
        }
        if (n == 0) {
            c->eof = true;
        } else if (errno != EAGAIN) {
            c->reset = true;
        } else {
            return;
        }
        (void)c->t->ops->set_interest(c->t, 0);
        return;
    }
}

void
rig_connect(struct rig *r, struct rig_client *c)
{
    struct hs_transport *server;

    memset(c, 0, sizeof *c);
    c->rig = r;
    c->reading = true;
    hs_buf_init(&c->in, RECEIVED_MAX);
    assert_int_equal(hs_memory_transport_pair(r->loop, &r->pair, &c->t, &server), 0);
    c->t->on_event = client_event;
    c->t->arg = c;
    assert_int_equal(c->t->ops->set_interest(c->t, HS_READ), 0);
    assert_int_equal(hs_h1_accept(r->h1, server), 0);
}

size_t
rig_send(struct rig_client *c, const void *p, size_t n)
{
    size_t sent = 0;

    for (int i = 0; sent < n && i < TURNS_MAX; i++) {
        const struct iovec iov = { (char *)(uintptr_t)p + sent, n - sent };
        ssize_t w = c->t->ops->writev(c->t, &iov, 1, false);
        if (w > 0) {
            sent += (size_t)w;
            i = 0;
        } else if (w < 0 && errno != EAGAIN) {
            break;
        }
        if (sent < n) {
            size_t before = c->in.len;
            rig_settle(c->rig);
            if (w < 0 && i > 20 && before == c->in.len) {
                break; /* the server takes no more */
            }
        }
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
    (void)c->t->ops->shutdown_write(c->t);
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
    static char *last;
    struct rig_client c;

    rig_connect(r, &c);
    for (size_t i = 0; i < len; i += at) {
        (void)rig_send(&c, request + i, len - i < at ? len - i : at);
    }
    /* output may need many turns when transports are slow */
    for (size_t before = SIZE_MAX; before != c.in.len;) {
        before = c.in.len;
        rig_settle(r);
    }
    free(last);
    last = strdup(rig_received(&c));
    assert_non_null(last);
    rig_disconnect(&c, false);
    return last;
}

const char *
rig_exchange(struct rig *r, const char *request)
{
    return rig_exchange_split(r, request, strlen(request), strlen(request));
}
