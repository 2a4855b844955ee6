/* renew.h - the settings of a server that runs are read again, at each reload: what may change without a restart does when the next generation takes over.
 * Part of struct httpsrv_server; thread of the server only. */
#ifndef HS_SERVER_RENEW_H
#define HS_SERVER_RENEW_H

#include "server/entrance.h"
#include "server/logs.h"
#include "server/settings_change.h"

struct httpsrv_server;

/* Embedded in a server; all zeros but access_fd, which is -1, at first. */
struct server_renewal {
    bool reads;     /* settings come from the configuration, which is read again; and the logs of the process go by them */
    bool handed;    /* they came from whoever runs the process */
    struct hs_buf packed; /* handed: these (hs_settings_pack) */
    int access_fd;        /* and what the access log is to write to; -1: nothing was opened */

    bool ready; /* what follows has been made ready */
    struct hs_settings next;
    struct hs_settings_change change; /* of the last that was made ready */
    struct server_entrance_change entrance;
    struct server_logs_change logs;
};

/* Reads the settings again, if they come from anywhere, and makes ready what they change. Until then nothing has changed. 0; EINVAL and others, and what is
 * wrong is noted (server_fail). */
int server_renewal_prepare(struct httpsrv_server *s);
/* The settings that the next generation is loaded by. */
const struct hs_settings *server_renewal_settings(const struct httpsrv_server *s);
/* What was made ready holds from now on. Does nothing when nothing was. */
void server_renewal_commit(struct httpsrv_server *s);
/* It is not to be. */
void server_renewal_drop(struct httpsrv_server *s);
/* The server is freed. */
void server_renewal_fini(struct httpsrv_server *s);

#endif
