/* rig.h - a whole server in memory for tests: loop with a moved clock, sessions, dispatcher, HTTP/1 driver, and clients
 * that speak raw bytes. No descriptors (but for the clients that ask for sockets), no ports, no sleeps. */
#ifndef TESTS_SUPPORT_RIG_H
#define TESTS_SUPPORT_RIG_H

#include "base/buf.h"
#include "dispatch/dispatch.h"
#include "http/h1.h"
#include "io/loop.h"
#include "io/transport.h"

struct rig {
    struct hs_loop *loop;
    struct hs_session_env *env;
    struct hs_dispatch *dispatch;
    struct hs_generation *generation;
    struct hs_h1 *h1;
    struct hs_memory_pair_options pair; /* for the clients made next */
    unsigned requests_ended;
    unsigned long moves; /* grows when bytes reach a client or a request ends */
    unsigned long long jobs_done; /* of the IO pool, as far as it has been waited for */
    bool accept_may_fail; /* rig_connect: for want of memory; the client finds its connection reset */
};

/* One connection as the client sees it. */
struct rig_client {
    struct rig *rig;
    struct hs_transport *t;      /* NULL once closed by us */
    struct hs_transport *server; /* the other end, borrowed: for faults; dead once the server has closed it */
    struct hs_buf in;            /* all that came; 256 KiB of it are there from the start */
    bool reading;                /* takes what comes (default); rig_read_on and rig_read change it */
    bool eof, reset;             /* the server's end */
};

/* Makes everything; while the generation is being built register handlers with ec_httpsrv_register or rig_route. */
void rig_open(struct rig *r);
/* The same with other limits (NULL: the defaults). */
void rig_open_with(struct rig *r, const struct hs_limits *limits, const struct hs_h1_limits *h1_limits);
/* Registers for all methods. options NULL: the defaults. */
void rig_route(struct rig *r, const char *method, const char *path, ec_httpsrv_handler_func handler, const struct hs_route_options *options);
/* Requests can come from now on. */
void rig_start(struct rig *r);
/* Ends everything; asserts that no session, connection or io is left. */
void rig_close(struct rig *r);
/* Turns the loop until nothing moves any more, in the IO pool either. Fails the test when that never comes: something spins. */
void rig_settle(struct rig *r);
/* n turns of the loop, no more. */
void rig_turns(struct rig *r, unsigned n);
/* Turns the loop, waiting for what comes from other threads, until n requests have ended in all. */
void rig_await_ended(struct rig *r, unsigned n);
/* Moves the clock and settles, a second at a time. */
void rig_advance(struct rig *r, int64_t ns);

/* A connection over a pair of memory transports, as r->pair says. */
void rig_connect(struct rig *r, struct rig_client *c);
/* The same, of a connection that was made that long ago. */
void rig_connect_since(struct rig *r, struct rig_client *c, int64_t ns);
/* Its two halves: what allocates for the test's own sake, and what allocates in the code under test. */
void rig_client_init(struct rig *r, struct rig_client *c);
void rig_client_connect(struct rig_client *c);
/* The same over socketpair(2): what the kernel has to say about FIN and reset. */
void rig_connect_socket(struct rig *r, struct rig_client *c);
/* Writes all n bytes (turning the loop as needed, up to what the server takes); returns how many went. */
size_t rig_send(struct rig_client *c, const void *p, size_t n);
size_t rig_sends(struct rig_client *c, const char *s);
void rig_shutdown(struct rig_client *c); /* FIN */
void rig_disconnect(struct rig_client *c, bool reset);
/* Stops taking what comes, or goes on. */
void rig_read_on(struct rig_client *c, bool on);
/* Takes up to n bytes, then stops again; returns how many came. */
size_t rig_read(struct rig_client *c, size_t n);
/* What came, as a C string; emptied by the next rig_forget. */
const char *rig_received(struct rig_client *c);
void rig_forget(struct rig_client *c);
/* One whole exchange on a connection of its own: sends, settles, returns what came (static until the next call). */
const char *rig_exchange(struct rig *r, const char *request);
/* The same, the request split after each n bytes with a settle between. */
const char *rig_exchange_split(struct rig *r, const char *request, size_t len, size_t at);

#endif
