/* dispatch.h - the registrations of one generation: who handles which host, method and path.
 * Built once, at load, then only read. Reference counted by the sessions that run on it. */
#ifndef HS_DISPATCH_DISPATCH_H
#define HS_DISPATCH_DISPATCH_H

#include "session/session.h"

struct hs_generation;

struct hs_registration {
    const char *host;   /* NULL: any */
    const char *method; /* NULL: any */
    const char *path;   /* base path */
    bool exact;         /* matches the path alone */
    int job_class;      /* ECTP_CLASS_SHORT_LIVED, or a pool's id */
    struct hs_route_options options;
    ec_blobject *closure; /* a reference is taken */
    ec_httpsrv_handler_func handler; /* of an auth registration: an ec_httpsrv_auth_handler_func */
    /* The route's own auth handler, as if registered for its path alone; NULL: none of its own. */
    ec_httpsrv_auth_handler_func auth;
    ec_blobject *auth_closure;
    bool open; /* its own auth is that none is needed, where none is registered for a longer path */
    const char *where;  /* "file.lua:12", for listings and duplicates; copied */
};

/* Default options: everything as the server says. */
void hs_route_options_default(struct hs_route_options *o);

int hs_generation_new(unsigned long id, struct hs_generation **out); /* 0, ENOMEM */
void hs_generation_addref(struct hs_generation *g);
void hs_generation_delref(struct hs_generation *g);
unsigned long hs_generation_id(const struct hs_generation *g);
/* Called when the last reference goes, before the registrations are freed (the binding closes its Lua state there). */
void hs_generation_on_free(struct hs_generation *g, void (*fn)(void *arg), void *arg);
/* Called when nothing is left of the generation (whoever keeps account of generations learns it there). fn NULL: no more. */
void hs_generation_on_gone(struct hs_generation *g, void (*fn)(void *arg), void *arg);

/* The generation that ec_httpsrv_register in the calling thread adds to; NULL: none. */
void hs_generation_set_building(struct hs_generation *g);
struct hs_generation *hs_generation_building(void);
/* 0; EINVAL (path without leading '/', not in normalised form, NUL/controls; bad method token; sealed); EEXIST (*other: where the first one was
 * registered); ENOMEM. */
int hs_generation_register(struct hs_generation *g, const struct hs_registration *r, const char **other);
/* Has r's handler make the answers with a status, from 400 to 599, that the dispatcher would give by itself. Of r only closure, handler,
 * options and where count; path is "/". The status and Allow are set when the handler is called. 0; EINVAL; EEXIST (*other as above); ENOMEM. */
int hs_generation_register_error(struct hs_generation *g, int status, const struct hs_registration *r, const char **other);
/* The same for an auth handler: host, method, path, closure, handler and where of r count. */
int hs_generation_register_auth(struct hs_generation *g, const struct hs_registration *r, const char **other);
/* No registration after this. */
void hs_generation_seal(struct hs_generation *g);
/* All registrations in matching order (hosts first, longest path first, named methods first, then order of registration). */
void hs_generation_each(struct hs_generation *g, void (*fn)(const struct hs_registration *r, void *arg), void *arg);
size_t hs_generation_count(const struct hs_generation *g);
/* The auth registrations, in the same order. */
size_t hs_generation_count_auth(const struct hs_generation *g);
void hs_generation_each_auth(struct hs_generation *g, void (*fn)(const struct hs_registration *r, void *arg), void *arg);

/* The dispatcher of one worker: implements struct hs_session_app over the current generation. */
struct hs_dispatch;
int hs_dispatch_new(struct hs_dispatch **out);
void hs_dispatch_free(struct hs_dispatch *d);
/* New requests use g from now on (a reference is taken, that on the former dropped); NULL: none, all answered 503. */
void hs_dispatch_set_generation(struct hs_dispatch *d, struct hs_generation *g);
struct hs_generation *hs_dispatch_generation(struct hs_dispatch *d);
extern const struct hs_session_app hs_dispatch_app; /* its arg is a struct hs_dispatch */
/* Called for every request that has ended (access log, metrics). */
void hs_dispatch_on_ended(struct hs_dispatch *d, void (*fn)(void *arg, ec_httpsrv_session *sess), void *arg);

/* Answers in the place of a handler that is not to be called: by what is registered for the status in the session's generation, or else with
 * the status and its phrase as text. Fields that were set stay. Called while the session's handler is to run (begin, again); returns what
 * that is to return. */
int hs_dispatch_answer(ec_httpsrv_session *sess, int status);

/* What the session was matched with; NULL: nothing yet. Borrowed until its request ends. */
const struct hs_registration *hs_session_registration(ec_httpsrv_session *sess);
/* The running session's generation; NULL before it was matched. */
struct hs_generation *hs_session_generation(ec_httpsrv_session *sess);
/* Where its route was registered, "file.lua:12"; NULL before it was matched, and for routes of C. Borrowed from the generation; also from a signal handler. */
const char *hs_session_where(ec_httpsrv_session *sess);

#endif
