/* master_int.h - the inside of a master, for the files that it is made of: master.c, which keeps workers alive, master_reload.c, which has them
 * load scripts anew, and master_upgrade.c, which puts another master in its place. Main thread. */
#ifndef HS_SERVER_MASTER_INT_H
#define HS_SERVER_MASTER_INT_H

#include <sys/queue.h>

#include "base/log.h"
#include "server/control.h"
#include "server/dev_watch.h"
#include "server/ipc.h"
#include "server/master.h"
#include "server/master_control.h"
#include "server/message.h"
#include "server/oversight.h"
#include "server/process.h"
#include "server/settings_change.h"
#include "server/startup.h"
#include "server/worker.h"

enum { MASTER_ROWS = 2 }; /* of the quota, for each slot: its worker's, and that of the one that is leaving */

struct slot {
    struct master *m;
    size_t index;
    size_t row; /* of the quota: its worker's */
    pid_t pid; /* 0: none */
    struct hs_ipc *ipc;
    struct hs_timer again; /* the pause before a new worker */
    int64_t pause;
    bool due; /* to be forked */
    bool ready;
    bool asked; /* to prepare a reload, and has not answered */
    bool prepares; /* has been, for the reload under way */
    bool worn;  /* has asked to be replaced, and has to wait for it */
    int64_t replace_at, replace_pause; /* not before; hs_page_now */
    bool listing; /* asked for its requests, and has not answered */
};

/* How far a reload is. */
enum reload_state {
    RELOAD_NONE,
    RELOAD_TRIAL,     /* a process that can be thrown away loads the scripts */
    RELOAD_PREPARING, /* every worker loads them, beside what it serves */
};

/* The settings that the reload under way brings. */
struct master_renewal {
    int fd;        /* what the trial writes them to, and workers read them from: a file in memory; -1: none */
    int access_fd; /* what the access log of workers is to write to */
    bool has_access_log; /* it is another one; access_fd -1: it needs none */
    bool has_error_log;
    struct hs_settings next;
    struct hs_settings_change change;
};

struct master_reload {
    enum reload_state state;
    bool wanted;    /* one more after this */
    bool trial_due; /* to be forked */
    bool failed;
    pid_t trial; /* 0: none */
    struct hs_timer late;
    struct master_renewal renewal;
    struct hs_control_call *call; /* who waits for the end; NULL: nobody */
};

/* The master that is to replace this one, or the one that this one is to replace. */
struct master_upgrade {
    bool due;          /* the successor is to be forked */
    pid_t child;       /* it, while it has not taken over; 0: none */
    struct hs_ipc *ipc;
    struct hs_timer late;
    bool given_up;     /* it has been killed */
    bool joining;      /* this one is a successor that has not taken over */
    bool handed_over;  /* this one has been replaced */
};

LIST_HEAD(leavers, leaver); /* master_replace.c */

struct master {
    struct hs_settings *settings; /* those that hold now */
    const char *path;
    struct hs_loop *loop;
    struct hs_page *page;
    struct hs_quota *quota;
    struct hs_startup startup;
    struct slot *slots;
    size_t nslots;
    struct event *child; /* SIGCHLD */
    struct hs_process *process;
    struct hs_dev_watch *dev_watch; /* NULL: without --dev */
    struct hs_timer look, close_later;
    struct master_reload reload;
    struct master_upgrade upgrade;
    struct leavers leavers;
    int access_fd; /* what the access log of workers writes to; -1: there is none, or it needs none */
    struct hs_master_control *control; /* NULL: closed */
    struct hs_master_oversight *oversight; /* NULL: not yet, or in a child */
    size_t routes; /* as the last worker that began to serve says */
    bool serving; /* the first worker has been ready */
    bool announced, draining, at_once, killed;
    int64_t kill_at; /* loop time; 0: not yet */
    int status;
};

/* --- master.c --- */
/* In the child after fork(2): gives up all that is the master's, but the sockets and the page. 0 or errno. */
int master_leave(struct master *m);
/* TERM has come, or the like: finish what runs, then end. */
void master_drain(struct master *m);
/* For how long the loop of a worker that counts there has not come round, when that is longer than the watchdog allows; else 0. ns. */
int64_t master_still(const struct master *m, const struct hs_page_slot *p);
/* A message without text to a worker that is there. */
void master_tell(struct slot *s, enum hs_message type);

/* --- master_replace.c: workers that leave in good order, each while another takes its place --- */
/* A worker asks to be replaced. */
void master_replace(struct slot *s);
/* Those that have asked, and whose time has come, are. */
void master_replace_worn(struct master *m);
/* How many are leaving. */
size_t master_leaving(const struct master *m);
/* Has those that are leaving end at once. */
void master_replace_stop(struct master *m);
/* Kills those that do not end, or whose loop stands still; all: those whose time is not over, too. */
void master_replace_kill(struct master *m, bool all);
/* Waits for those that have ended. */
void master_replace_reap(struct master *m);
/* The master ends, or is in a child: they are forgotten. */
void master_replace_forget(struct master *m);
/* --- master_logs.c --- */
/* Opens what workers are handed for their access log. 0 or errno, which has been told. */
int master_logs_open(struct master *m);
/* USR1 has come, or the like: opens log files anew, here and in all workers. 0; errno, and why says so: what could not be opened goes on. */
int master_logs_reopen(struct master *m, char *why, size_t size);
/* What the access log of workers by these settings writes to. 0, also when there is nothing to be opened, and then *fd is -1; or errno. */
int master_logs_open_access(const struct hs_settings *settings, int *fd);
/* Messages below that level are dropped from now on, here and in all workers. */
void master_logs_set_level(struct master *m, enum hs_log_level level);

/* --- master_oversight.c --- */
/* Needs the page and the loop. 0 or ENOMEM. */
int master_oversight_new(struct master *m);
/* Opens the admin listener, after the control socket, beside which it is by default; at the socket that a predecessor has had there, if there is one. 0; an errno value, which has been complained about. */
int master_oversight_open(struct master *m);
/* What the control socket and the admin listener see. */
const struct hs_oversight *master_oversight(const struct master *m);
/* Closes the admin listener. ours: its file is removed, as a child must not. */
void master_oversight_free(struct master *m, bool ours);
/* The socket of the admin listener, and the key under which a successor finds it; -1: there is none. Borrowed. */
int master_oversight_socket(const struct master *m, char *key, size_t size);
/* Another master takes over: the admin listener is its own now; what it has begun here is finished. */
void master_oversight_retire(struct master *m);
/* A worker says what requests are under way. */
void master_sessions_message(struct slot *s, uint32_t round, struct hs_view text);
/* A worker is gone, and will not. */
void master_sessions_gone(struct slot *s);

/* --- master_reload.c --- */
void master_reload_init(struct master *m);
/* A reload is asked for. */
void master_reload_begin(struct master *m);
/* Ends a control command, when the reload that has begun is over, with how it went. */
void master_reload_wait(struct master *m, struct hs_control_call *call);
/* Forks the trial when it is due. Outside of turns; true in the child, whose exit status is m->status. */
bool master_reload_fork(struct master *m);
/* A child that is no worker has ended. */
void master_reload_reap(struct master *m);
/* A worker has answered, or is gone (why: NULL) and does not count any more. */
void master_reload_answer(struct slot *s, bool prepared, const struct hs_view *why);
/* The master stops, or is in a child: nothing more is loaded. */
void master_reload_end(struct master *m);

/* --- master_settings.c --- */
/* A trial is about to be forked, which is to read the settings again and write them to the renewal's fd. 0 or errno. */
int master_settings_begin(struct master *m);
/* The trial has written them: what they change is made ready. 0; errno, which has been told in the log. */
int master_settings_gather(struct master *m);
/* Has a worker prepare to go by them. 0 or errno. */
int master_settings_prepare(struct slot *s);
/* They hold from now on, here and in all workers. */
void master_settings_commit(struct master *m);
/* The reload is over, or the master is in a child. */
void master_settings_end(struct master *m);

/* --- master_upgrade.c --- */
void master_upgrade_init(struct master *m);
/* USR2 has come: the program is started anew, on the same sockets. */
void master_upgrade_begin(struct master *m);
/* Forks it when it is due. Outside of turns. */
void master_upgrade_fork(struct master *m);
/* A child that is no worker has ended. */
void master_upgrade_reap(struct master *m);
/* This master stops, or fails: its successor, if it has not taken over, is not to live. */
void master_upgrade_cancel(struct master *m);
/* This master is a successor: it talks to its predecessor from now on. 0; an errno value, which has been complained about. */
int master_upgrade_join(struct master *m);
/* All workers serve. A successor opens what only one can have, and asks for its place. */
void master_upgrade_ready(struct master *m);
/* The master ends, or is in a child. */
void master_upgrade_end(struct master *m);

#endif
