/* worker.h - a worker process: one server on sockets that its master opened. It obeys its master only: signals that a terminal sends to all of a
 * foreground group do nothing here, and it ends at once when the master is gone. */
#ifndef HS_SERVER_WORKER_H
#define HS_SERVER_WORKER_H

#include "server/listen_socket.h"
#include "server/page.h"
#include "server/quota.h"
#include "server/settings.h"

/* A worker that came round its loop this long ago is late: others accept for it. ns */
#define HS_WORKER_LATE ((int64_t)250 * 1000 * 1000)

struct hs_worker_start {
    size_t index; /* its slot in the page and its lane of the sockets */
    const struct hs_settings *settings;
    const char *path; /* of the scripts */
    struct hs_listen_socket *sockets; /* taken over; the files of unix sockets stay the master's */
    size_t nsockets;
    size_t workers; /* that share them */
    struct hs_page *page;
    struct hs_quota *quota;
    size_t row; /* in the quota: its own, also beside the worker that it replaces */
    int channel; /* descriptor, taken over */
    int access_fd; /* what the access log writes to, taken over; -1: there is none, or it needs none */
};

/* Serves until told to end. The exit status: 0, or 1 after an error, which has been reported. */
int hs_worker_run(const struct hs_worker_start *start);

#endif
