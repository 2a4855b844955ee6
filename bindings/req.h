/* req.h - what the Lua side keeps for one request: made when something needs it (the handler waits, spawns, opens an io, asks for ctx),
 * bound to the session, gone when the request has ended and its tasks too. A request whose handler runs straight through has none. */
#ifndef HS_BINDINGS_REQ_H
#define HS_BINDINGS_REQ_H

#include "bindings/internal.h"
#include "bindings/task.h"

struct hs_io_box;
struct hs_lua_child;

struct hs_req {
    struct hs_resource res; /* for burying; not in rt->resources */
    TAILQ_ENTRY(hs_req) link;
    struct hs_lua_runtime *rt;
    ec_httpsrv_session *sess; /* NULL once the request has ended */
    LIST_HEAD(, hs_task) tasks;
    LIST_HEAD(, hs_io_box) boxes;
    LIST_HEAD(, hs_lua_child) children;
    struct hs_task *handler; /* NULL once it has returned */
    struct hs_deferred finish;
    int ctx_ref;             /* LUA_NOREF: no table yet */
    bool suspended;          /* we owe the session a resume */
    bool detached; /* the handler's return does not end the response */
    bool finished; /* finish() was called */
    bool aborted;
    bool continues; /* on_abort = "continue" */
    bool buried;
    bool has_verdict; /* an auth handler has ended after a wait: verdict */
    int verdict;
};

/* The req of the running task's session, made when there is none. NULL when the task belongs to no session. Throws out of memory. */
struct hs_req *hs_req_current(struct hs_lua_runtime *rt, lua_State *L);
/* That of a handler's task, NULL: out of memory. */
struct hs_req *hs_req_of_handler(struct hs_task *t);
/* The req of a session, made when there is none. NULL: out of memory. */
struct hs_req *hs_req_get(struct hs_lua_runtime *rt, ec_httpsrv_session *sess);
void hs_req_add_task(struct hs_req *req, struct hs_task *t);
void hs_req_remove_task(struct hs_task *t);
/* Whether the running task works for this session and is cancelled with it. */
bool hs_req_is_own(struct hs_lua_runtime *rt, ec_httpsrv_session *sess);
/* Ends the request of a suspended session, from the loop. */
void hs_req_finish_later(struct hs_req *req);
/* The runtime closes: takes all reqs off their sessions and frees them. */
void hs_req_close_all(struct hs_lua_runtime *rt);

#endif
