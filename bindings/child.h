/* child.h - the userdata of a child process started by httpsrv.io.popen. */
#ifndef HS_BINDINGS_CHILD_H
#define HS_BINDINGS_CHILD_H

#include "bindings/internal.h"
#include "io/io.h"

struct hs_lua_child {
    LIST_ENTRY(hs_lua_child) link; /* its session's */
    struct hs_req *req;            /* NULL: of no session */
    struct hs_lua_runtime *rt;
    struct hs_child *child; /* a reference; NULL: given up */
    bool reaped;            /* status is known */
    int status;             /* as waitpid(2) gives it */
    struct hs_task *waiting;
};

/* The session has ended: the child is killed. */
void hs_lua_child_session_ended(struct hs_lua_child *c);

#endif
