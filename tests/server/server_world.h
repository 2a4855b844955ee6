/* server_world.h - what the tests of a server share: one with C handlers at an abstract unix socket, a clock that the test moves, clients. */
#ifndef TESTS_SERVER_SERVER_WORLD_H
#define TESTS_SERVER_SERVER_WORLD_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/live.h"
#include "httpsrv/server.h"
#include "modules/listeners/httpsrv.h"
#include "server/server_int.h"

struct world {
    struct httpsrv_server *server;
    char address[64];
    int ready, ready_err, stopped;
};

static unsigned names;
static ec_httpsrv_session *held; /* suspended by a handler */
static unsigned held_calls;
static struct httpsrv_server *stop_this;

static inline int
hello(ec_httpsrv_session *sess)
{
    return ec_httpsrv_response_append(sess, "hello", 5) == 0 ? EC_HTTPSRV_HANDLER_DONE : -1;
}

static inline int
hold(ec_httpsrv_session *sess)
{
    if (held_calls++ != 0) {
        return hello(sess);
    }
    held = sess;
    assert_int_equal(ec_httpsrv_session_suspend(sess), 0);
    return EC_HTTPSRV_HANDLER_ASYNC;
}

static inline void
let_go(ec_httpsrv_session *sess, void *arg)
{
    (void)arg;
    assert_int_equal(ec_httpsrv_session_resume(sess, 1), 0);
}

static inline int
hold_until_abort(ec_httpsrv_session *sess)
{
    assert_int_equal(ec_httpsrv_session_on_abort(sess, let_go, NULL), 0);
    return hold(sess);
}

static inline int
stop_server(ec_httpsrv_session *sess)
{
    httpsrv_server_stop(stop_this, 1);
    return hello(sess);
}

static inline int
routes(void *arg)
{
    (void)arg;
    int err = ec_httpsrv_register(NULL, "GET", "/hello", ECTP_CLASS_SHORT_LIVED, NULL, hello);
    err |= ec_httpsrv_register(NULL, "GET", "/hold", ECTP_CLASS_SHORT_LIVED, NULL, hold);
    err |= ec_httpsrv_register(NULL, "GET", "/hold/abort", ECTP_CLASS_SHORT_LIVED, NULL, hold_until_abort);
    err |= ec_httpsrv_register(NULL, "GET", "/stop", ECTP_CLASS_SHORT_LIVED, NULL, stop_server);
    return err != 0 ? ENOMEM : 0;
}

static inline void
on_ready(void *arg, int err)
{
    struct world *w = arg;
    w->ready++;
    w->ready_err = err;
}

static inline void
on_stopped(void *arg)
{
    struct world *w = arg;
    w->stopped++;
}

static inline void
world_new(struct world *w)
{
    memset(w, 0, sizeof *w);
    (void)snprintf(w->address, sizeof w->address, "unix:@test-server-%d-%u", (int)getpid(), names++);
    assert_int_equal(httpsrv_server_new(&w->server), 0);
    hs_server_use_test_clock(w->server);
    httpsrv_server_on_load(w->server, routes, NULL);
    httpsrv_server_on_state(w->server, on_ready, on_stopped, w);
    held_calls = 0;
    held = NULL;
}

static inline void
turn(struct world *w)
{
    for (int i = 0; i < 8; i++) {
        assert_int_equal(hs_loop_turn(hs_server_loop(w->server), false), 0);
    }
}

static inline void
advance(struct world *w, int64_t ns)
{
    hs_loop_advance(hs_server_loop(w->server), ns);
    turn(w);
}

static inline void
start(struct world *w)
{
    assert_int_equal(httpsrv_server_set(w->server, "listen", w->address), 0);
    assert_int_equal(httpsrv_server_start(w->server, NULL), 0);
    assert_int_equal(w->ready, 0); /* told from the loop only */
    turn(w);
    assert_int_equal(w->ready, 1);
    assert_int_equal(w->ready_err, 0);
}

static inline void
world_free(struct world *w)
{
    httpsrv_server_free(w->server);
    assert_int_equal(hs_live_get(HS_LIVE_SESSION), 0);
    assert_int_equal(hs_live_get(HS_LIVE_CONN), 0);
}

static inline int
client(const struct world *w)
{
    ec_sockaddr a;
    assert_int_equal(ec_sockaddr_parse(&a, w->address), 0);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    if (connect(fd, &a.sa, a.len) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* Sends a request and returns what has come back so far. */
static inline const char *
get(struct world *w, int fd, const char *path)
{
    static char text[4096];
    int n = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", path);
    assert_int_equal(send(fd, text, (size_t)n, MSG_NOSIGNAL), n);
    turn(w);
    ssize_t got = read(fd, text, sizeof text - 1);
    text[got > 0 ? got : 0] = '\0';
    return text;
}

static inline bool
at_end(int fd)
{
    char c;
    return read(fd, &c, 1) == 0;
}

static inline bool
is_open(int fd)
{
    char c;
    return read(fd, &c, 1) < 0 && errno == EAGAIN;
}

#endif
