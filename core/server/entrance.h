/* entrance.h - how connections come into a server: from its listeners through their gates to the protocol.
 * Part of struct httpsrv_server; thread of the server only. */
#ifndef HS_SERVER_ENTRANCE_H
#define HS_SERVER_ENTRANCE_H

#include "server/admit.h"
#include "server/gate.h"

struct httpsrv_server;

struct server_entrance {
    struct hs_gates gates;
    struct hs_quota *own; /* the quota of a server that shares none; NULL */
    struct hs_admit *admit; /* NULL: not open */
};

/* Begins to accept from the listeners, if there are any. 0 or ENOMEM. */
int server_entrance_open(struct httpsrv_server *s);
/* Connections that have come but not been handed to the protocol. */
size_t server_entrance_waiting(const struct httpsrv_server *s);
/* Closes those. */
void server_entrance_close(struct httpsrv_server *s);
/* Frees what gates need, when no connection is left. */
void server_entrance_fini(struct httpsrv_server *s);

#endif
