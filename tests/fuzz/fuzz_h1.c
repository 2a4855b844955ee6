/* fuzz_h1.c - whole HTTP/1 connections: any bytes from a client, in any pieces, against handlers in C.
 *
 * The first byte says how the client and the transport behave, the second in what pieces the rest is sent. Beside the sanitizers and
 * what the rig counts at its end (sessions, connections, ios), what comes back must not depend on the pieces: with handlers whose
 * output is framed in one way only the same bytes are sent whole and in pieces, and must give the same bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "handlers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    TRANSPORT = 3, /* whole; one byte a read; one byte a write; a small capacity */
    DEAF = 4,      /* reads nothing before it has sent everything */
    FIN = 8,       /* half-closes, and takes what still comes */
    RESET = 16,    /* resets in the end */
    TIME = 32,     /* lets time pass between pieces */
    COMPARE = 64   /* sends it whole as well */
};

static void
require(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "fuzz_h1: %s\n", what);
        abort();
    }
}

static void
open_rig(struct rig *r, unsigned flags)
{
    static const struct hs_memory_pair_options pairs[] = { { 0 }, { .read_max = 1 }, { .write_max = 1 }, { .capacity = 50 } };

    rig_open(r);
    handlers_register(r);
    rig_start(r);
    r->pair = pairs[flags & TRANSPORT];
}

/* A byte at a time takes its time. */
static bool
is_slow(unsigned flags, const char *p, size_t n)
{
    return (flags & TRANSPORT) > 1 && memmem(p, n, "/large", 6);
}

/* Plays the client; what came is in c->in. */
static void
play(struct rig *r, struct rig_client *c, unsigned flags, unsigned pieces, const char *p, size_t n)
{
    rig_connect(r, c);
    if (flags & DEAF) {
        rig_read_on(c, false);
    }
    for (size_t at = 0; at < n;) {
        size_t step = n - at;
        if (pieces) {
            size_t want = pieces % 7 == 0 ? 1 : pieces % 61 + 1;
            step = step < want ? step : want;
            pieces = (pieces * 1103515245U + 12345U) & 0x7fffffffU;
            pieces += pieces == 0;
        }
        (void)rig_send(c, p + at, step);
        at += step;
        if (flags & TIME) {
            rig_advance(r, HS_SEC);
        }
    }
    if (flags & DEAF) {
        rig_read_on(c, true);
    }
    if (flags & FIN) {
        rig_shutdown(c);
    }
}

/* Interim responses come or not as the client seems to wait. */
static void
forget_interim(struct hs_buf *b)
{
    static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const size_t n = sizeof interim - 1;
    char *p;

    while (b->len && (p = memmem(b->p, b->len, interim, n)) != NULL) {
        memmove(p, p + n, b->len - (size_t)(p - b->p) - n);
        b->len -= n;
    }
}

/* What names a handler whose output is cut in chunks as it happens to come cannot be compared byte by byte. */
static bool
is_comparable(const char *p, size_t n)
{
    static const char *const others[] = { "stream", "echo", "parts", "generator", "broken", "spool", "large", "%" };

    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (memmem(p, n, others[i], strlen(others[i]))) {
            return false;
        }
    }
    return true;
}

static void
compare(unsigned flags, unsigned pieces, const char *p, size_t n)
{
    struct rig r;
    struct rig_client c, d;

    open_rig(&r, flags);
    play(&r, &c, flags & (DEAF | FIN), pieces, p, n);
    r.pair = (struct hs_memory_pair_options){ 0 };
    play(&r, &d, 0, 0, p, n);
    if (flags & FIN) {
        rig_shutdown(&d);
    }
    forget_interim(&c.in);
    forget_interim(&d.in);
    require(c.in.len == d.in.len && (c.in.len == 0 || memcmp(c.in.p, d.in.p, c.in.len) == 0), "other bytes when sent in other pieces");
    require((c.eof || c.reset) == (d.eof || d.reset), "another end when sent in other pieces");
    rig_disconnect(&c, false);
    rig_disconnect(&d, false);
    rig_close(&r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rig r;
    struct rig_client c;

    if (size < 2 || size > 20000) {
        return 0;
    }
    const char *p = (const char *)data + 2;
    size_t n = size - 2;
    unsigned flags = is_slow(data[0], p, n) ? data[0] & ~(unsigned)TRANSPORT : data[0];
    unsigned pieces = data[1];
    if (flags & COMPARE && is_comparable(p, n)) {
        /* A head that is not complete is looked at more or less closely, as it comes; two empty lines decide it. */
        char *all = malloc(n + 4);
        require(all != NULL, "no memory");
        memcpy(all, p, n);
        memcpy(all + n, "\r\n\r\n", 4);
        compare(flags, pieces, all, n + 4);
        free(all);
        return 0;
    }
    open_rig(&r, flags);
    play(&r, &c, flags, pieces, p, n);
    require(c.in.len == 0 || memcmp(c.in.p, "HTTP/1.1 ", c.in.len < 9 ? c.in.len : 9) == 0, "something else than a response");
    if (flags & FIN) { /* whatever the client owed, it will not come */
        require(hs_session_env_live(r.env) == 0 && (c.eof || c.reset), "a session outlives its client");
    }
    rig_disconnect(&c, flags & RESET);
    require(hs_session_env_live(r.env) == 0, "a session outlives its client");
    rig_close(&r);
    return 0;
}
