/* entrance.h - how connections come into a server: from its listeners through their gates to the protocol.
 * Part of struct httpsrv_server; thread of the server only. */
#ifndef HS_SERVER_ENTRANCE_H
#define HS_SERVER_ENTRANCE_H

#include "server/admit.h"
#include "server/gate.h"
#include "server/settings.h"

struct httpsrv_server;

struct server_entrance {
    struct hs_gates gates;
    struct hs_quota *own; /* the quota of a server that shares none; NULL */
    struct hs_admit *admit; /* NULL: not open */
};

/* Other rules, made ready for when the settings have changed. All zeros: none. */
struct server_entrance_change {
    struct hs_gates rules; /* allow, deny, trusted and max of it */
};

/* Begins to accept from the listeners, if there are any. 0 or ENOMEM. */
int server_entrance_open(struct httpsrv_server *s);
/* Makes ready what next says of who is let in. 0 or ENOMEM, and then the change is empty. */
int server_entrance_prepare(struct httpsrv_server *s, const struct hs_settings *next, struct server_entrance_change *c);
/* It holds from now on; of connections that are there only the number counts. The settings are those that were next. */
void server_entrance_commit(struct httpsrv_server *s, struct server_entrance_change *c);
/* It is not to be. */
void server_entrance_drop(struct server_entrance_change *c);
/* Connections that have come but not been handed to the protocol. */
size_t server_entrance_waiting(const struct httpsrv_server *s);
/* Closes those. */
void server_entrance_close(struct httpsrv_server *s);
/* Frees what gates need, when no connection is left. */
void server_entrance_fini(struct httpsrv_server *s);

#endif
