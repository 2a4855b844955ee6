/* admit.h - connections of listeners with a gate, between accept(2) and their protocol: their PROXY header is read, their address looked at.
 * Owns the descriptors meanwhile. Nothing is ever answered here: who is not let in is closed. Loop thread only. */
#ifndef HS_SERVER_ADMIT_H
#define HS_SERVER_ADMIT_H

#include "io/transport.h"
#include "server/gate.h"

struct hs_admit;

struct hs_admit_stats {
    unsigned long long denied;  /* by allow or deny */
    unsigned long long refused; /* at listeners with PROXY headers: came from somewhere else, sent something else, or too late */
};

/* Gets each connection that comes in, as hs_socket_transport_new_known takes it. begun: the loop time of its accept(2). */
typedef void hs_admitted_func(void *arg, int fd, const struct hs_socket_known *known, int64_t begun);

/* timeout: for the whole header, ns. 0; ENOMEM. */
int hs_admit_new(struct hs_loop *loop, int64_t timeout, hs_admitted_func *admitted, void *arg, struct hs_admit **out);
/* Another timeout from now on, also for those that wait. */
void hs_admit_set_timeout(struct hs_admit *a, int64_t timeout);
/* Closes those that still wait. NULL is ignored. */
void hs_admit_free(struct hs_admit *a);
/* Takes a connection over that has a place at the gate. admitted may be called before this returns. */
void hs_admit_begin(struct hs_admit *a, int fd, struct hs_gate *gate);
/* How many wait for their header. */
size_t hs_admit_waiting(const struct hs_admit *a);
void hs_admit_get_stats(const struct hs_admit *a, struct hs_admit_stats *st);

#endif
