/* session_test.h - what the tests of the session floor share. */
#ifndef TESTS_SESSION_TEST_H
#define TESTS_SESSION_TEST_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/io.h"
#include "modules/listeners/httpsrv.h"
#include "reply.h"
#include "rig.h"
#include "session/session.h"
#include "source.h"

#define DONE EC_HTTPSRV_HANDLER_DONE
#define ASYNC EC_HTTPSRV_HANDLER_ASYNC
#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define HEAD(path) "HEAD " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST(path, length, body) "POST " path " HTTP/1.1\r\nHost: a\r\nContent-Length: " #length "\r\n\r\n" body
#define POST_CHUNKED(path, chunks) "POST " path " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" chunks

/* A rig with one handler for every method at "/". */
static inline void
open_one(struct rig *r, ec_httpsrv_handler_func fn)
{
    rig_open(r);
    rig_route(r, NULL, "/", fn, NULL);
    rig_start(r);
}

static inline void
open_one_with(struct rig *r, ec_httpsrv_handler_func fn, const struct hs_limits *limits, const struct hs_route_options *options)
{
    rig_open_with(r, limits, NULL);
    rig_route(r, NULL, "/", fn, options);
    rig_start(r);
}

/* The first response that came, which must be complete; the client's end is given back to the test empty. */
static inline void
take_reply(struct rig_client *c, struct reply *out)
{
    assert_true(reply_parse(out, rig_received(c), c->in.len, false));
    assert_true(out->complete || (out->end == REPLY_CLOSE && c->eof));
    hs_buf_consume(&c->in, out->size);
}

static inline void
expect_reply(struct rig_client *c, int status, const char *body)
{
    struct reply r;

    take_reply(c, &r);
    assert_int_equal(r.status, status);
    assert_string_equal(r.body.p, body);
    reply_free(&r);
}

/* No more has come than what was taken. */
static inline void
expect_nothing(const struct rig_client *c)
{
    assert_int_equal(c->in.len, 0);
}

#endif
