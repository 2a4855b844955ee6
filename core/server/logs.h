/* logs.h - the logs of a server: its access log, request ids and whom it trusts to speak for others, as its settings say. Thread of the server only. */
#ifndef HS_SERVER_LOGS_H
#define HS_SERVER_LOGS_H

#include "http/peer.h"
#include "server/access_log.h"

struct httpsrv_server;

/* Embedded in a server; all zeros but fd, which is -1, at first. */
struct server_logs {
    struct hs_access_log *access; /* NULL: none */
    bool wants_ids;               /* its lines have the requests' ids */
    bool are_open;                /* whoever runs the process has opened its error log, and fd */
    int fd;                       /* what the access log is to write to; -1: none has been opened */
    unsigned worker;
};

/* Opens the logs of a server whose floors have been made. 0 or errno, and the reason is noted (server_fail). */
int server_logs_open(struct httpsrv_server *s);
/* Connections are about to come: who is trusted has been worked out (server_entrance_open). */
void server_logs_trust(struct httpsrv_server *s);
/* Writes what is left; sessions have ended and the pools have been stopped. */
void server_logs_close(struct httpsrv_server *s);

#endif
