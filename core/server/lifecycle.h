/* lifecycle.h - the inside of a server, shared by server.c, which makes and frees it, and lifecycle.c, which moves it from state to state.
 * httpsrv/server.h draws the states. Thread of the server only. */
#ifndef HS_SERVER_LIFECYCLE_H
#define HS_SERVER_LIFECYCLE_H

#include "dispatch/dispatch.h"
#include "http/h1.h"
#include "server/admin.h"
#include "server/entrance.h"
#include "server/listeners.h"
#include "server/logs.h"
#include "server/publish.h"
#include "server/reload.h"
#include "server/renew.h"
#include "server/request_ends.h"
#include "server/server_int.h"

enum server_state { SERVER_NEW, SERVER_LOADING, SERVER_SERVING, SERVER_DRAINING, SERVER_ENDING, SERVER_UNLOADING, SERVER_STOPPED };

struct httpsrv_server {
    enum server_state state;
    struct hs_settings settings;
    struct event_base *base; /* the caller's, or NULL */
    char *path;              /* of the scripts; NULL: none */

    struct hs_loop *loop;
    struct hs_session_env *env;
    struct hs_dispatch *dispatch;
    struct hs_request_ends ends;    /* who is told of requests that have ended */
    struct server_logs logs;
    struct hs_h1 *h1;
    struct hs_listeners *listeners; /* NULL once closed */
    struct server_entrance entrance;
    struct hs_control *control;     /* NULL: none */
    struct hs_admin *admin;         /* NULL: none */
    bool default_control;           /* these are opened without the setting */
    struct hs_oversight oversight;  /* what they see */
    struct hs_scripts scripts;      /* the current ones */
    struct server_reload reload;    /* those before and after */
    struct server_renewal renewal;  /* and the settings with the next */
    struct hs_lua_memory *memory;   /* that their Lua states may have */
    int64_t worn_at;                /* when it was last used up; loop time, 0: never */
    struct server_publisher publisher;

    int (*on_load)(void *arg);
    void *on_load_arg;
    void (*ready)(void *arg, int err);
    void (*stopped)(void *arg);
    void *on_state_arg;
    void (*reloaded)(void *arg, int err);
    void *on_reload_arg;
    void (*worn)(void *arg);
    void *on_worn_arg;

    struct hs_timer timer;      /* the next step, later */
    struct hs_deferred soon;    /* or now */
    bool loaded, unloaded, stop, at_once, test_clock;
    bool watched;  /* its loop is, by hs_stall_watch */
    bool adopted;  /* its sockets were opened by somebody else */
    bool released; /* and others have them when it stops */
    int load_err;
    int64_t since; /* when the present state began */
    int request_fd;
    char error[8192];
};

/* Notes what went wrong, for httpsrv_server_error, and returns err. */
int server_fail(struct httpsrv_server *s, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* What the settings say for the floors below. */
struct hs_limits server_session_limits(const struct hs_settings *settings);
struct hs_h1_limits server_h1_limits(const struct hs_settings *settings);

/* Notes a problem, of several the first. Whether it was that. */
bool server_note_problem(struct httpsrv_server *s, const char *message);

/* Makes the timers of a server that has a loop ready. */
void server_lifecycle_init(struct httpsrv_server *s);
/* Enters a later state. */
void server_set_state(struct httpsrv_server *s, enum server_state state);
/* The first scripts have been loaded, or not: hs_lua_done_func. */
void server_on_loaded(void *server, int err);
/* The next step of its life is due: in the next turn of the loop. */
void server_step_soon(struct httpsrv_server *s);
/* Stops it at once and turns the loop until it has stopped and its sessions have ended, for 5 s at most. */
void server_settle(struct httpsrv_server *s);

#endif
