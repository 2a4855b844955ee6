/* logs.h - the logs of a server: its access log, request ids and whom it trusts to speak for others, as its settings say. Thread of the server only. */
#ifndef HS_SERVER_LOGS_H
#define HS_SERVER_LOGS_H

#include "http/peer.h"
#include "server/access_log.h"
#include "server/settings.h"

struct httpsrv_server;

/* Embedded in a server; all zeros but fd, which is -1, at first. */
struct server_logs {
    struct hs_access_log *access; /* NULL: there has been none yet */
    bool is_on;                   /* it has a line for each request */
    bool wants_ids;               /* its lines have the requests' ids */
    bool are_open;                /* whoever runs the process has opened its error log, and fd */
    int fd;                       /* what the access log is to write to; -1: none has been opened */
    unsigned worker;
};

/* Another access log, made ready for when the settings have changed. All zeros: it stays as it is. */
struct server_logs_change {
    bool differs;
    struct hs_access_log *first;     /* the one that there is to be; NULL */
    struct hs_access_change *change; /* of the one that there is; NULL */
};

/* Opens the logs of a server whose floors have been made. 0 or errno, and the reason is noted (server_fail). */
int server_logs_open(struct httpsrv_server *s);
/* Connections are about to come: who is trusted has been worked out (server_entrance_open). */
void server_logs_trust(struct httpsrv_server *s);
/* Makes ready what next says of the access log. fd, taken over in any case: what it is to write to, where whoever runs the process has opened that; else
 * -1. 0 or errno, and the reason is noted. */
int server_logs_prepare(struct httpsrv_server *s, const struct hs_settings *next, int fd, struct server_logs_change *c);
/* The settings are those that were next: logs, request ids and trust go by them. */
void server_logs_commit(struct httpsrv_server *s, struct server_logs_change *c);
/* It is not to be. */
void server_logs_drop(struct server_logs_change *c);
/* Writes what is left; sessions have ended and the pools have been stopped. */
void server_logs_close(struct httpsrv_server *s);

#endif
