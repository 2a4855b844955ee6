/* oversight.h - a server as those see it who watch and steer it: the control socket and the admin listener.
 * One process that serves by itself fills in the table (server_oversight.c), and so does a master with its workers (master_oversight.c). What is counted is
 * in the page. The thread of the loop. */
#ifndef HS_SERVER_OVERSIGHT_H
#define HS_SERVER_OVERSIGHT_H

#include <stdbool.h>
#include <sys/queue.h>

#include "base/log.h"
#include "base/view.h"
#include "server/control.h"
#include "server/page.h"

/* Somebody who has asked for the requests under way (session_list.h). His; in no list any more when done is called. */
struct hs_session_query {
    TAILQ_ENTRY(hs_session_query) link;
    void (*done)(void *arg, struct hs_view list); /* list: borrowed for the call. It may ask again */
    void *arg;
    bool pending;
};

struct hs_oversight_ops {
    const char *(*state)(void *arg);             /* "serving", "draining", … */
    bool (*ready)(void *arg);                    /* requests are welcome: somebody serves, and does not stop */
    const char *(*address)(void *arg, size_t i); /* that is listened at; NULL past the last */
    size_t (*routes)(void *arg);                 /* 0 also when that is not known */
    size_t (*workers)(void *arg);                /* 0: everything is in this process, which is slot 0 of the page */
    void (*refresh)(void *arg);                  /* brings the page up to date, as far as this process writes it */
    /* Asks for the requests under way. done is called once, maybe from within, and in a second or so at the latest with what is known by then. */
    void (*ask_sessions)(void *arg, struct hs_session_query *q);
    void (*cancel_sessions)(void *arg, struct hs_session_query *q); /* done is not called; harmless when nothing was asked */
    void (*set_log_level)(void *arg, enum hs_log_level level);
    int (*reopen_logs)(void *arg, char *why, size_t size); /* opens the log files anew; 0, or errno and why says what was wrong */
    /* Each ends the command, before the return or later. */
    void (*reload)(void *arg, struct hs_control_call *call);
    void (*stop)(void *arg, struct hs_control_call *call);
    void (*script_names)(void *arg, struct hs_control_call *call); /* the rest of "help": what the scripts have registered */
};

struct hs_oversight {
    const struct hs_oversight_ops *ops;
    void *arg;
    struct hs_page *page;
};

#endif
