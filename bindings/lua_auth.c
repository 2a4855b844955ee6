/* lua_auth.c - Lua functions as auth handlers: they run on tasks as handlers do, and give a verdict.
 * What the script's function returns is made a number by lua/httpsrv/route.lua. A verdict that came after a wait is kept in the req until the
 * dispatcher asks again; it asks for nothing else than that. Whatever goes wrong ends in a response that lets nobody in. */
#include <errno.h>
#include <string.h>

#include "bindings/arg.h"
#include "bindings/lua_handler.h"
#include "bindings/lua_session.h"
#include "bindings/req.h"

enum { NO_VERDICT = -1 };

/* Where an auth handler that has not waited yet tells how it ended. */
struct outcome {
    bool ended;
    int verdict;
};

/* The verdict on the coroutine's stack, put there by our own Lua. */
static int
verdict_of(struct hs_task *t)
{
    return lua_type(t->co, 1) == LUA_TNUMBER ? (int)lua_tonumber(t->co, 1) : NO_VERDICT;
}

static void
auth_ended(struct hs_task *t, int status)
{
    struct outcome *o = t->data;
    struct hs_req *req = t->req;
    ec_httpsrv_session *sess = t->sess;
    int verdict = EC_HTTPSRV_AUTH_DENIED;

    t->sess = NULL;
    if (req != NULL) {
        req->handler = NULL;
    }
    if (status == HS_TASK_CLOSED || sess == NULL) {
        if (o != NULL) {
            *o = (struct outcome){ true, verdict };
        }
        if (sess == NULL) {
            hs_task_log_error(t, status);
        }
        return; /* hs_req_close_all sees to the session */
    }
    const bool aborted = req != NULL && req->aborted;
    if (status == 0) {
        verdict = verdict_of(t);
    } else if (status == HS_TASK_CANCELLED || (status == HS_TASK_DROPPED && aborted)) {
        hs_session_fail(sess, 503);
    } else {
        hs_lua_handler_failed(t, sess, status);
        if (hs_session_status(sess) == 200) {
            hs_session_fail(sess, 500);
        }
    }
    if (o != NULL) {
        *o = (struct outcome){ true, verdict };
    } else if (req != NULL && req->suspended) {
        req->suspended = false;
        req->verdict = verdict;
        req->has_verdict = true;
        (void)ec_httpsrv_session_resume(sess, 0);
    }
}

static const struct hs_task_ops auth_ops = { "auth handler", auth_ended };

/* The task has begun to wait. */
static int
wait_for(struct hs_task *t, ec_httpsrv_session *sess, struct outcome *o)
{
    struct hs_req *req;

    t->data = NULL;
    req = hs_req_of_handler(t);
    if (req != NULL && ec_httpsrv_session_suspend(sess) == 0) {
        req->suspended = true;
        return EC_HTTPSRV_AUTH_LATER;
    }
    t->data = o;
    hs_task_drop(t);
    hs_session_fail(sess, 503);
    return EC_HTTPSRV_AUTH_DENIED;
}

int
hs_lua_auth_handle(ec_httpsrv_session *sess)
{
    struct hs_lua_handler *h = hs_session_closure(sess)->self;
    struct hs_lua_runtime *rt = h->rt;
    struct hs_req *req = hs_session_binding_data(sess);
    struct outcome o = { false, EC_HTTPSRV_AUTH_DENIED };

    if (req != NULL && req->has_verdict) {
        req->has_verdict = false;
        return req->verdict;
    }
    struct hs_task *t = rt->entered == 0 ? hs_task_new(rt, NULL, &auth_ops, &o) : NULL;
    if (t == NULL) {
        hs_session_fail(sess, 503);
        return EC_HTTPSRV_AUTH_DENIED;
    }
    hs_session_set_self_waiting(sess, true);
    t->sess = sess;
    lua_rawgeti(t->co, LUA_REGISTRYINDEX, h->fn_ref);
    lua_pushnumber(t->co, (lua_Number)hs_session_serial(sess));
    hs_task_run(t, 1);
    return o.ended ? o.verdict : wait_for(t, sess, &o);
}

/* register_auth(method | nil, path, function, options, where) -> true | nil, message. Options: host, exact. */
static int
l_register_auth(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    const char *method = hs_lua_arg_cstring(L, 1, 1, "register_auth", true);
    const char *path = hs_lua_arg_cstring(L, 2, 2, "register_auth", false);
    const char *where = luaL_checkstring(L, 5);
    const char *other = NULL;
    int err = ENOMEM;

    hs_lua_check_loading(L, rt, "register_auth");
    struct hs_registration r = {
        .host = hs_lua_string_field(L, 4, "host"),
        .method = method,
        .path = path,
        .exact = hs_lua_flag_field(L, 4, "exact"),
        .handler = hs_lua_auth_handle,
        .where = where,
    };
    hs_route_options_default(&r.options);
    r.closure = hs_lua_handler_closure(rt, hs_lua_handler_ref(L, 3), false);
    if (r.closure != NULL) {
        err = hs_generation_register_auth(rt->generation, &r, &other);
        ec_blobject_delref(r.closure);
    }
    if (err != 0) {
        return hs_lua_not_registered(L, err, "register_auth", hs_lua_route_name(L, err, &r), other);
    }
    lua_pushboolean(L, 1);
    return 1;
}

/* username_set(session, user | nil) */
static int
l_username_set(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    ec_httpsrv_session *sess = hs_lua_session(L, rt, "request_username_set");
    const char *user = hs_lua_arg_cstring(L, 2, 1, "request_username_set", true);

    if (sess == NULL) {
        return hs_lua_stale(L);
    }
    int err = ec_httpsrv_request_username_set(sess, user);
    if (err == EINVAL) {
        hs_lua_arg_error(L, 1, "request_username_set", "control characters");
    }
    if (err != 0) {
        return hs_lua_fail(L, err);
    }
    lua_pushboolean(L, 1);
    return 1;
}

void
hs_lua_open_auth(lua_State *L, struct hs_lua_runtime *rt)
{
    static const luaL_Reg functions[] = { { "register_auth", l_register_auth }, { NULL, NULL } };
    static const luaL_Reg methods[] = { { "request_username_set", l_username_set }, { NULL, NULL } };
    hs_lua_functions(L, rt, functions);
    lua_getfield(L, -1, "session_methods");
    hs_lua_functions(L, rt, methods);
    lua_pop(L, 1);
}
