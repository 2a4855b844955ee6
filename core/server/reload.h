/* reload.h - the generations of a server: the one that is being built, and the former ones that still have something to do.
 * Part of struct httpsrv_server; thread of the server only. */
#ifndef HS_SERVER_RELOAD_H
#define HS_SERVER_RELOAD_H

#include <sys/queue.h>

#include "server/scripts.h"

struct httpsrv_server;
struct former;

/* Whoever waits for the end of a reload that begins after it has asked. Its owner's; in no list any more when fn is called, from the loop. */
struct server_reload_waiter {
    TAILQ_ENTRY(server_reload_waiter) link;
    void (*fn)(void *arg, int err); /* err as for httpsrv_server_on_reload */
    void *arg;
};
TAILQ_HEAD(server_reload_waiters, server_reload_waiter);

struct server_reload {
    struct hs_scripts next; /* being loaded */
    struct former *place;   /* for the current generation, once next takes over: made before anything is begun */
    bool loading;
    bool loaded; /* with err */
    bool held;   /* loaded well, and waits for the decision */
    void (*prepared)(void *arg, int err); /* NULL: what has loaded takes over by itself */
    void *prepared_arg;
    int err;
    bool wanted;                     /* one more, when nothing is in the way */
    struct server_reload_waiters current, later; /* for the one under way, for the one that is wanted */
    TAILQ_HEAD(, former) formers;    /* oldest first */
    size_t live;                     /* of them, but for those that have been given up */
    size_t ending;                   /* of these: their requests are being ended */
    unsigned long last_id;           /* of the generations so far */
    struct hs_deferred soon;
    struct hs_timer timer; /* until those that are ending are given up */
};

/* Makes the struct ready; the server has a loop. */
void server_reload_init(struct httpsrv_server *s);
/* Finds the scripts of s->path and begins to load the next generation. 0; an errno value, which has been noted for httpsrv_server_error. done as
 * hs_scripts_load calls it. */
int server_load(struct httpsrv_server *s, hs_lua_done_func *done, struct hs_scripts *out);
/* s->scripts, which have been loaded, serve new requests from now on. */
void server_make_current(struct httpsrv_server *s);
/* The server has begun to serve: a reload that was asked for before can begin. */
void server_reload_resume(struct httpsrv_server *s);
/* Asks for a reload and to be told of it, which happens in any case, at the latest when the server has stopped. 0; EBUSY as httpsrv_server_reload, and then fn
 * is not called. */
int server_reload_ask(struct httpsrv_server *s, struct server_reload_waiter *w);
/* No generation is built any more: the reload under way is given up, whoever waits for it is told. */
void server_reload_cancel(struct httpsrv_server *s);
/* Whether a former generation is still being unloaded; server_step_soon is called when none is any more. */
bool server_reload_unloading(const struct httpsrv_server *s);
/* Calls fn for each generation that lives, the current one first, then the oldest. runtime NULL: it has no Lua state, or none any more. */
void server_each_generation(struct httpsrv_server *s, void (*fn)(void *arg, unsigned long id, const struct hs_lua_runtime *runtime), void *arg);
/* Drops all but the current generation, closing their Lua states. */
void server_reload_end(struct httpsrv_server *s);

#endif
