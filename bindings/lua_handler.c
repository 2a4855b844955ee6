/* lua_handler.c - Lua functions as handlers: registration, the run of a handler on a task, its end, its errors.
 * The registration's closure owns the reference on the function. A handler that runs straight through costs a recycled task and nothing
 * else; one that waits gets a req and suspends its session, which is resumed exactly once, when the handler has ended (after detach: at
 * finish). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/tally.h"
#include "bindings/arg.h"
#include "bindings/enter.h"
#include "bindings/lua_handler.h"
#include "bindings/lua_session.h"
#include "bindings/pool_unit.h"
#include "bindings/req.h"
#include "bindings/task.h"
#include "http/status.h"

/* Where a handler that has not waited yet tells how it ended. */
struct outcome {
    bool ended;
    int rc;
};

static void
handler_free(void *self)
{
    struct hs_lua_handler *h = self;
    hs_lua_unref(h->rt, &h->fn_ref);
    hs_runtime_delref(h->rt);
    free(h);
}

static ec_blobject_class handler_class = { .objectType = "httpsrv.lua.handler", .dtor = handler_free };

/* --- errors --- */

/* The response to an error: 500 with the id, and with the traceback when developing; an abort when the head is out. */
static void
error_response(struct hs_lua_runtime *rt, ec_httpsrv_session *sess, const char *id, struct hs_view text)
{
    struct hs_buf body;
    hs_buf_init(&body, HS_LUA_TRACEBACK_MAX * 2);
    int err = hs_buf_printf(&body, "Internal Server Error (id %s)\n", id);
    if (err == 0 && rt->dev) {
        err = hs_buf_printf(&body, "\n%.*s\n", (int)text.n, text.p);
    }
    if (err == 0) {
        err = hs_session_response_reset(sess);
    }
    if (err == 0) {
        err = hs_session_status_put(sess, 500, (struct hs_view){ NULL, 0 }, HS_VIEW("text/plain"));
    }
    if (err == 0) {
        err = hs_session_payload_put(sess, hs_buf_peek(&body), HS_VIEW("text/plain"));
    }
    if (err != 0 && err != ECONNABORTED) {
        hs_session_fail(sess, 500);
    }
    hs_buf_fini(&body);
}

static void
make_id(char id[9])
{
    static uint32_t fallback;
    uint32_t n;
    if (getrandom(&n, sizeof(n), GRND_NONBLOCK) != (ssize_t)sizeof(n)) {
        n = ++fallback;
    }
    for (int i = 0; i < 8; i++) {
        id[i] = "0123456789abcdef"[(n >> (4 * i)) & 15];
    }
    id[8] = '\0';
}

/* Logs a handler's error and makes the response to it, unless there is nobody to have it. */
static void
tell_error(struct hs_lua_runtime *rt, ec_httpsrv_session *sess, bool aborted, struct hs_view text, char id[9])
{
    const struct hs_view method = hs_session_method_view(sess);
    const struct hs_view path = hs_session_path(sess);
    make_id(id);
    const char *request = hs_session_named_id(sess);
    hs_log(HS_LOG_ERROR, "%.*s %.*s: error id %s%s%s: %.*s", (int)method.n, method.p, (int)path.n, path.p, id, request != NULL ? ", request " : "",
           request != NULL ? request : "", (int)text.n, text.p);
    hs_tally(HS_TALLY_LUA_ERRORS);
    if (!aborted) {
        error_response(rt, sess, id, text);
    }
}

void
hs_lua_handler_failed(struct hs_task *t, ec_httpsrv_session *sess, int status)
{
    char id[9];
    struct hs_buf text;
    hs_buf_init(&text, HS_LUA_TRACEBACK_MAX);
    if (status == HS_TASK_DROPPED) {
        (void)hs_buf_append_view(&text, HS_VIEW("the handler was dropped"));
    } else {
        hs_enter_describe(t->rt, t->co, status, &text);
    }
    const struct hs_view v = { text.p != NULL ? text.p : "", text.len };
    tell_error(t->rt, sess, t->req != NULL && t->req->aborted, v, id);
    hs_buf_fini(&text);
}

/* --- running --- */

static void
handler_ended(struct hs_task *t, int status)
{
    struct outcome *o = t->data;
    struct hs_req *req = t->req;
    ec_httpsrv_session *sess = t->sess;
    t->sess = NULL;
    if (req != NULL) {
        req->handler = NULL;
    }
    if (status == HS_TASK_CLOSED || sess == NULL) {
        if (o != NULL) {
            *o = (struct outcome){ true, EC_HTTPSRV_HANDLER_DONE };
        }
        if (sess == NULL) {
            hs_task_log_error(t, status);
        }
        return; /* hs_req_close_all resumes the session */
    }
    const bool aborted = req != NULL && req->aborted;
    if (status != 0 && status != HS_TASK_CANCELLED && !(status == HS_TASK_DROPPED && aborted)) {
        hs_lua_handler_failed(t, sess, status);
    } else if (status == HS_TASK_DROPPED) {
        hs_task_log_error(t, status);
    }
    const bool goes_on = status == 0 && req != NULL && req->detached && !req->finished && !aborted;
    if (o != NULL) {
        *o = (struct outcome){ true, goes_on ? EC_HTTPSRV_HANDLER_ASYNC : EC_HTTPSRV_HANDLER_DONE };
    } else if (!goes_on && req != NULL && req->suspended) {
        req->suspended = false;
        (void)ec_httpsrv_session_resume(sess, 1);
    }
}

static const struct hs_task_ops handler_ops = { "handler", handler_ended };

/* Suspends for a handler that waits, or that has detached. */
static int
suspend(struct hs_req *req, ec_httpsrv_session *sess)
{
    if (ec_httpsrv_session_suspend(sess) != 0) {
        hs_session_fail(sess, 500);
        return EC_HTTPSRV_HANDLER_DONE;
    }
    req->suspended = true;
    return EC_HTTPSRV_HANDLER_ASYNC;
}

/* Sees to what the first run has led to; o is the task's only while it may end here. */
static int
settle_telling(struct hs_task *t, ec_httpsrv_session *sess, int status, struct outcome *o)
{
    t->data = o;
    hs_task_settle(t, status);
    if (o->ended) {
        return o->rc == EC_HTTPSRV_HANDLER_DONE ? o->rc : suspend(hs_session_binding_data(sess), sess);
    }
    t->data = NULL;
    struct hs_req *req = hs_req_of_handler(t);
    if (req == NULL) {
        t->data = o;
        hs_task_drop(t);
        hs_session_fail(sess, 503);
        return EC_HTTPSRV_HANDLER_DONE;
    }
    return suspend(req, sess);
}

/* The first run has led to something else than a mere end. Out of line: a mere end needs no outcome. */
static __attribute__((noinline)) int
settle(struct hs_task *t, ec_httpsrv_session *sess, int status)
{
    struct outcome o = { false, EC_HTTPSRV_HANDLER_DONE };

    return settle_telling(t, sess, status, &o);
}

static int
run_handler(struct hs_lua_handler *h, ec_httpsrv_session *sess)
{
    struct hs_lua_runtime *rt = h->rt;
    struct hs_task *t = rt->entered == 0 ? hs_task_take(rt, &handler_ops, NULL) : NULL;
    if (t == NULL) {
        hs_session_fail(sess, 503);
        return EC_HTTPSRV_HANDLER_DONE;
    }
    hs_session_set_self_waiting(sess, true);
    t->sess = sess;
    t->continues = h->continues;
    lua_rawgeti(t->co, LUA_REGISTRYINDEX, h->fn_ref);
    lua_pushnumber(t->co, hs_session_handle(sess));
    int status = hs_task_run_taken(t, 1);
    return __builtin_expect(status == HS_TASK_OVER, 1) ? EC_HTTPSRV_HANDLER_DONE : settle(t, sess, status);
}

static int
handle(ec_httpsrv_session *sess)
{
    return run_handler(hs_session_closure(sess)->self, sess); /* stays: a request does not end while its handler runs */
}

/* --- registration --- */

static double
number_field(lua_State *L, int idx, const char *name, double otherwise)
{
    lua_getfield(L, idx, name);
    const double d = lua_isnumber(L, -1) ? lua_tonumber(L, -1) : otherwise;
    lua_pop(L, 1);
    return d;
}

bool
hs_lua_flag_field(lua_State *L, int idx, const char *name)
{
    lua_getfield(L, idx, name);
    const bool on = lua_toboolean(L, -1) != 0;
    lua_pop(L, 1);
    return on;
}

const char *
hs_lua_string_field(lua_State *L, int idx, const char *name)
{
    lua_getfield(L, idx, name);
    const char *s = lua_tostring(L, -1);
    lua_pop(L, 1); /* the table keeps it */
    return s;
}

ec_blobject *
hs_lua_handler_closure(struct hs_lua_runtime *rt, int fn_ref, bool continues)
{
    struct hs_lua_handler *h = malloc(sizeof(*h));
    ec_blobject *closure = h != NULL ? ec_blobject_wrap(&handler_class, h) : NULL;
    if (closure == NULL) {
        free(h);
        luaL_unref(rt->L, LUA_REGISTRYINDEX, fn_ref);
        return NULL;
    }
    h->rt = rt;
    h->fn_ref = fn_ref;
    h->continues = continues;
    hs_runtime_addref(rt);
    return closure;
}

int
hs_lua_handler_ref(lua_State *L, int idx)
{
    lua_pushvalue(L, idx);
    return luaL_ref(L, LUA_REGISTRYINDEX);
}

int
hs_lua_not_registered(lua_State *L, int err, const char *fname, const char *what, const char *other)
{
    switch (err) {
    case EEXIST:
        lua_pushnil(L);
        lua_pushfstring(L, "%s is registered already at %s", what, other != NULL ? other : "?");
        return 2;
    case EINVAL:
        hs_lua_throw(L, "bad argument to '%s' (method a token or nil, path beginning with '/' and normalised expected, got %s)", fname, what);
    default: hs_lua_throw(L, "not enough memory");
    }
}

const char *
hs_lua_route_name(lua_State *L, int err, const struct hs_registration *r)
{
    return lua_pushfstring(L, "%s %s%s", r->method != NULL ? r->method : err == EEXIST ? "every method of" : "nil", r->host != NULL ? r->host : "",
                           r->path);
}

void
hs_lua_check_loading(lua_State *L, const struct hs_lua_runtime *rt, const char *fname)
{
    if (rt->generation == NULL || rt->phase == HS_LUA_RUN) {
        hs_lua_throw(L, "%s is possible only while the scripts of a server are loaded", fname);
    }
}

/* In a pool thread's state: the registration has been made by the loop's; the handler is kept when it is the pool's. */
static int
register_pooled(lua_State *L, struct hs_lua_runtime *rt, const char *method, const char *path)
{
    if (rt->loader == NULL) {
        hs_lua_throw(L, "register is possible only while the scripts of a server are loaded");
    }
    const char *pool = hs_lua_string_field(L, 4, "pool");
    char why[512];
    struct hs_buf text;
    hs_buf_init(&text, sizeof(why) - 1);
    const int n = hs_pool_unit_find_route(rt->unit, rt->nroutes, hs_lua_string_field(L, 4, "host"), method, path, pool, &text);
    (void)snprintf(why, sizeof(why), "%.*s", (int)text.len, text.p != NULL ? text.p : "");
    hs_buf_fini(&text);
    if (n < 0) {
        hs_lua_throw(L, "%s", why[0] != '\0' ? why : "scripts have to register the same in all threads");
    }
    rt->nroutes = (size_t)n + 1;
    lua_rawgeti(L, LUA_REGISTRYINDEX, rt->ref_pool_handlers);
    if (pool != NULL) {
        lua_pushvalue(L, 3);
    } else {
        lua_pushboolean(L, 0);
    }
    lua_rawseti(L, -2, n + 1);
    lua_pushboolean(L, 1);
    return 1;
}

/* register(method | nil, path, function, options, where) -> true, entry, number | nil, message. entry stands for the function, which route_entry
 * replaces; in a pool thread's state there is none. The options have been looked at in lua/httpsrv/route.lua:
 * host, exact, max_body (bytes, -1), handler_timeout (s, -1), half_close, abort_continue, encoded_slash, auth (function, false), pool. */
static int
l_register(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    const char *method = hs_lua_arg_cstring(L, 1, 1, "register", true);
    const char *path = hs_lua_arg_cstring(L, 2, 2, "register", false);
    const char *where = luaL_checkstring(L, 5);
    if (rt->pooled) {
        return register_pooled(L, rt, method, path);
    }
    hs_lua_check_loading(L, rt, "register");
    struct hs_registration r = {
        .host = hs_lua_string_field(L, 4, "host"),
        .method = method,
        .path = path,
        .exact = hs_lua_flag_field(L, 4, "exact"),
        .job_class = ECTP_CLASS_SHORT_LIVED,
        .handler = handle,
        .where = where,
    };
    hs_route_options_default(&r.options);
    const double max_body = number_field(L, 4, "max_body", -2);
    if (max_body > -2) {
        r.options.max_body = (int64_t)max_body;
    }
    r.options.handler_timeout = (int64_t)(number_field(L, 4, "handler_timeout", 0) * (double)HS_SEC);
    r.options.half_close_allowed = hs_lua_flag_field(L, 4, "half_close");
    r.options.abort_continue = hs_lua_flag_field(L, 4, "abort_continue");
    r.options.encoded_slash = hs_lua_flag_field(L, 4, "encoded_slash");
    lua_getfield(L, 4, "auth");
    r.open = lua_type(L, -1) == LUA_TBOOLEAN;
    r.auth = lua_isfunction(L, -1) ? hs_lua_auth_handle : NULL;
    const int auth_ref = r.auth != NULL ? hs_lua_handler_ref(L, lua_gettop(L)) : LUA_NOREF;
    const int entry = hs_lua_handler_ref(L, 3); /* nothing that throws between this and hs_generation_register */
    r.closure = hs_lua_handler_closure(rt, entry, r.options.abort_continue);
    r.auth_closure = r.auth != NULL ? hs_lua_handler_closure(rt, auth_ref, false) : NULL;
    const char *other = NULL;
    int err = ENOMEM;
    if (r.closure != NULL && (r.auth == NULL || r.auth_closure != NULL)) {
        err = hs_generation_register(rt->generation, &r, &other);
    }
    ec_blobject_delref(r.closure);
    ec_blobject_delref(r.auth_closure);
    if (err != 0) {
        return hs_lua_not_registered(L, err, "register", hs_lua_route_name(L, err, &r), other);
    }
    const int number = hs_pool_unit_add_route(rt->unit, r.host, method, path, hs_lua_string_field(L, 4, "pool"));
    if (number < 0) {
        hs_lua_throw(L, "not enough memory");
    }
    lua_pushboolean(L, 1);
    lua_pushinteger(L, entry);
    lua_pushinteger(L, number);
    return 3;
}

/* route_entry(entry, function): what is called for a route from now on */
static int
l_route_entry(lua_State *L)
{
    const int entry = (int)luaL_checkinteger(L, 1);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    hs_lua_check_loading(L, hs_lua_rt(L), "route_entry");
    lua_settop(L, 2);
    lua_rawseti(L, LUA_REGISTRYINDEX, entry);
    return 0;
}

/* --- answers with an error's status --- */

/* register_error(status, function, where) -> true | nil, message */
static int
l_register_error(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    const int status = (int)hs_lua_arg_integer(L, 1, 1, "register_error", 400, 599);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    struct hs_registration r = {
        .path = "/", .job_class = ECTP_CLASS_SHORT_LIVED, .handler = handle, .where = luaL_checkstring(L, 3),
    };
    hs_lua_check_loading(L, rt, "register_error");
    hs_route_options_default(&r.options);
    r.closure = hs_lua_handler_closure(rt, hs_lua_handler_ref(L, 2), false);
    const char *other = NULL;
    int err = r.closure != NULL ? hs_generation_register_error(rt->generation, status, &r, &other) : ENOMEM;
    ec_blobject_delref(r.closure);
    if (err != 0) {
        return hs_lua_not_registered(L, err, "register_error", lua_pushfstring(L, "error %d", status), other);
    }
    lua_pushboolean(L, 1);
    return 1;
}

/* handler_failed(session, text) -> id, whether the response can be another than the built-in one, text for developers or nil | nil. What
 * an error of a handler does that nothing catches: it is logged, and 500 becomes the response. */
static int
l_handler_failed(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    struct hs_view text = hs_lua_arg_bytes(L, 2, 2, "handler_failed");
    ec_httpsrv_session *sess = hs_lua_session(L, rt, "handler_failed");
    if (sess == NULL) {
        return 0;
    }
    const struct hs_req *req = hs_session_binding_data(sess);
    const bool aborted = req != NULL && req->aborted;
    const bool open = !aborted && !hs_session_head_sent(sess);
    char id[9];
    text.n = text.n < HS_LUA_TRACEBACK_MAX ? text.n : HS_LUA_TRACEBACK_MAX;
    tell_error(rt, sess, aborted, text, id);
    lua_pushstring(L, id);
    lua_pushboolean(L, open);
    if (rt->dev) {
        lua_pushvalue(L, 2);
    } else {
        lua_pushnil(L);
    }
    return 3;
}

/* error_begin(session, status) -> true | nil, message, code: an empty response with that status and what goes with it */
static int
l_error_begin(lua_State *L)
{
    ec_httpsrv_session *sess = hs_lua_session(L, hs_lua_rt(L), "error_begin");
    const int status = (int)luaL_checkinteger(L, 2);
    if (sess == NULL) {
        return hs_lua_stale(L);
    }
    int err = hs_session_response_restart(sess);
    if (err == 0) {
        err = hs_session_status_put(sess, status, (struct hs_view){ NULL, 0 }, (struct hs_view){ NULL, 0 });
    }
    if (err != 0) {
        return hs_lua_fail(L, err);
    }
    lua_pushboolean(L, 1);
    return 1;
}

/* error_plain(session, status): the built-in answer; an abort when the head is out */
static int
l_error_plain(lua_State *L)
{
    ec_httpsrv_session *sess = hs_lua_session(L, hs_lua_rt(L), "error_plain");
    const int status = (int)luaL_checkinteger(L, 2);
    if (sess == NULL) {
        return 0;
    }
    struct hs_view reason = hs_status_reason(status);
    lua_pushlstring(L, reason.p, reason.n);
    lua_pushliteral(L, "\n");
    lua_concat(L, 2);
    struct hs_view text = { lua_tostring(L, -1), reason.n + 1 };
    int err = hs_session_response_restart(sess);
    if (err == 0) {
        err = hs_session_status_put(sess, status, (struct hs_view){ NULL, 0 }, HS_VIEW("text/plain"));
    }
    if (err == 0) {
        err = hs_session_payload_put(sess, text, HS_VIEW("text/plain"));
    }
    if (err != 0 && err != ECONNABORTED) {
        hs_session_fail(sess, status);
    }
    return 0;
}

/* status_reason(status) -> phrase, "" for one without */
static int
l_status_reason(lua_State *L)
{
    struct hs_view reason = hs_status_reason((int)luaL_checkinteger(L, 1));
    lua_pushlstring(L, reason.p != NULL ? reason.p : "", reason.n);
    return 1;
}

/* status(session) -> the response's status as set so far | nil */
static int
l_status(lua_State *L)
{
    ec_httpsrv_session *sess = hs_lua_session(L, hs_lua_rt(L), "status");
    if (sess == NULL) {
        return hs_lua_stale(L);
    }
    lua_pushinteger(L, hs_session_status(sess));
    return 1;
}

/* --- the life of a request --- */

/* ctx(session) -> the request's own table */
static int
l_ctx(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    ec_httpsrv_session *sess = hs_lua_session(L, rt, "ctx");
    if (sess == NULL) {
        return hs_lua_stale(L);
    }
    struct hs_req *req = hs_req_get(rt, sess);
    if (req == NULL) {
        hs_lua_throw(L, "not enough memory");
    }
    if (req->ctx_ref == LUA_NOREF) {
        lua_newtable(L);
        req->ctx_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, req->ctx_ref);
    return 1;
}

/* detach(session): the response ends at finish, not when the handler returns */
static int
l_detach(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    ec_httpsrv_session *sess = hs_lua_session(L, rt, "detach");
    struct hs_req *req = sess != NULL ? hs_req_get(rt, sess) : NULL;
    if (sess == NULL) {
        return hs_lua_stale(L);
    }
    if (req == NULL) {
        hs_lua_throw(L, "not enough memory");
    }
    if (hs_session_guard(sess) != NULL) {
        return hs_lua_fail_as(L, EBADF, "an auth handler decides");
    }
    if (rt->current != NULL && rt->current->sess == sess) {
        (void)hs_req_of_handler(rt->current);
    }
    if (req->handler == NULL && !req->detached) {
        return hs_lua_fail_as(L, EBADF, "the handler has returned");
    }
    req->detached = true;
    lua_pushboolean(L, 1);
    return 1;
}

/* finish(session): no more will be added; after detach this ends the response */
static int
l_finish(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    ec_httpsrv_session *sess = hs_lua_session(L, rt, "finish");
    if (sess == NULL) {
        return hs_lua_stale(L);
    }
    struct hs_req *req = hs_session_binding_data(sess);
    if (req == NULL || !req->detached) {
        return hs_lua_fail_as(L, EBADF, "session is not detached");
    }
    if (req->finished) {
        return hs_lua_fail_as(L, EBADF, "session has finished");
    }
    req->finished = true;
    int err = ec_httpsrv_response_flush(sess, 1);
    if (req->handler == NULL && req->sess != NULL) {
        hs_req_finish_later(req); /* else when it returns */
    }
    if (err != 0 && err != EAGAIN) {
        return hs_lua_fail(L, err);
    }
    lua_pushboolean(L, 1);
    return 1;
}

void
hs_lua_open_handler(lua_State *L, struct hs_lua_runtime *rt)
{
    static const luaL_Reg functions[] = {
        { "register", l_register },
        { "route_entry", l_route_entry },
        { "register_error", l_register_error },
        { "handler_failed", l_handler_failed },
        { "error_begin", l_error_begin },
        { "error_plain", l_error_plain },
        { "status_reason", l_status_reason },
        { NULL, NULL },
    };
    static const luaL_Reg methods[] = { { "ctx", l_ctx }, { "detach", l_detach }, { "finish", l_finish }, { "status", l_status }, { NULL, NULL } };
    hs_lua_functions(L, rt, functions);
    lua_newtable(L);
    hs_lua_functions(L, rt, methods);
    lua_setfield(L, -2, "session_methods");
}
