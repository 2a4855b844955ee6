/* lua_handler.h - what Lua functions that answer or judge requests have in common. */
#ifndef HS_BINDINGS_LUA_HANDLER_H
#define HS_BINDINGS_LUA_HANDLER_H

#include "bindings/task.h"

/* The closure of such a registration. */
struct hs_lua_handler {
    struct hs_lua_runtime *rt; /* a reference */
    int fn_ref;
    bool continues; /* on_abort = "continue" */
};

/* A registry reference on the function at idx. Throws out of memory. */
int hs_lua_handler_ref(lua_State *L, int idx);
/* A closure (self: a struct hs_lua_handler) that takes over the reference on its function; the caller's to delref. NULL: out of memory, the reference is
 * dropped. */
ec_blobject *hs_lua_handler_closure(struct hs_lua_runtime *rt, int fn_ref, bool continues);
/* The function of a task has failed (status as task_ops.ended is told): a log line with an id, and 500 with the id, or an abort when the head is out. */
void hs_lua_handler_failed(struct hs_task *t, ec_httpsrv_session *sess, int status);
/* Raises the reason why nothing was registered, or pushes nil, message for what is registered already; what: such as hs_lua_route_name. */
int hs_lua_not_registered(lua_State *L, int err, const char *fname, const char *what, const char *other);
/* Pushes "GET host/path" and gives it. */
const char *hs_lua_route_name(lua_State *L, int err, const struct hs_registration *r);
/* Raises when no scripts of a server are being loaded. */
void hs_lua_check_loading(lua_State *L, const struct hs_lua_runtime *rt, const char *fname);
/* A string in the table of options at idx, NULL where there is none; the table keeps it. */
const char *hs_lua_string_field(lua_State *L, int idx, const char *name);
/* A flag in it. */
bool hs_lua_flag_field(lua_State *L, int idx, const char *name);

/* The handler of auth registrations made in Lua. */
int hs_lua_auth_handle(ec_httpsrv_session *sess);

#endif
