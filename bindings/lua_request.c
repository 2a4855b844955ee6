/* lua_request.c - what a request said, as methods of the session handle.
 * Strings are made straight from the core's views. A body that is not there yet is waited for; the wrappers in
 * lua/httpsrv/session.lua try again. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/url.h"
#include "bindings/io_box.h"
#include "bindings/lua_session.h"
#include "bindings/req.h"
#include "bindings/wait.h"

#define QUERY_MAX ((size_t)1024 * 1024)

/* The session of the handle at 1, or a return from the function. */
#define SESSION_OR_RETURN(sess, fname) \
    struct hs_lua_runtime *rt = hs_lua_rt(L); \
    ec_httpsrv_session *sess = hs_lua_session(L, rt, fname); \
    if (sess == NULL) { \
        return hs_lua_stale(L); \
    }

static void
push_view(lua_State *L, struct hs_view v)
{
    lua_pushlstring(L, v.p != NULL ? v.p : "", v.n);
}

/* Sets a string field of the table at the top, unless s is NULL. */
static void
set_string(lua_State *L, const char *key, const char *s)
{
    if (s != NULL) {
        lua_pushstring(L, s);
        lua_setfield(L, -2, key);
    }
}

static int
l_method(lua_State *L)
{
    SESSION_OR_RETURN(sess, "request_method_get");
    push_view(L, hs_session_method_view(sess));
    return 1;
}

static int
l_protocol(lua_State *L)
{
    SESSION_OR_RETURN(sess, "request_protocol_get");
    lua_pushstring(L, ec_httpsrv_request_protocol_get(sess));
    return 1;
}

static int
l_path_rest(lua_State *L)
{
    SESSION_OR_RETURN(sess, "path_rest");
    const char *rest = ec_httpsrv_request_path_rest(sess);
    if (rest == NULL) {
        return hs_lua_fail(L, ENOMEM);
    }
    lua_pushstring(L, rest);
    return 1;
}

static int
l_path(lua_State *L)
{
    SESSION_OR_RETURN(sess, "request_path_get");
    push_view(L, hs_session_path(sess));
    return 1;
}

static int
l_username(lua_State *L)
{
    SESSION_OR_RETURN(sess, "request_username_get");
    lua_pushstring(L, ec_httpsrv_request_username_get(sess)); /* NULL pushes nil */
    return 1;
}

static int
l_subject_cn(lua_State *L)
{
    SESSION_OR_RETURN(sess, "request_subject_cn_get");
    lua_pushstring(L, ec_httpsrv_request_subject_cn_get(sess));
    return 1;
}

/* --- target --- */

static void
push_dict(lua_State *L, ECDict dict)
{
    const char *key, *value;
    ECDict_Iterator it = dict_iter(dict);
    lua_newtable(L);
    while (dict_next(dict, &it, &key, &value) != 0) {
        set_string(L, key, value);
    }
}

static int
l_url(lua_State *L)
{
    SESSION_OR_RETURN(sess, "request_url_get");
    const ec_url_details *u = ec_httpsrv_request_url_get(sess);
    if (u == NULL) {
        return hs_lua_fail(L, errno);
    }
    lua_createtable(L, 0, 10);
    set_string(L, "url", u->url);
    set_string(L, "scheme", u->scheme);
    set_string(L, "host", u->host);
    set_string(L, "path", u->path);
    set_string(L, "raw_query", u->raw_query);
    set_string(L, "query", u->query);
    set_string(L, "fragment", u->fragment);
    if (u->port != 0) {
        lua_pushinteger(L, u->port);
        lua_setfield(L, -2, "port");
    }
    lua_createtable(L, 0, 2);
    set_string(L, "user", u->userinfo.user);
    set_string(L, "pass", u->userinfo.pass);
    lua_setfield(L, -2, "userinfo");
    if (u->attrs != NULL) {
        push_dict(L, u->attrs);
        lua_setfield(L, -2, "attrs");
    }
    return 1;
}

/* Pushes the decoded form of v; scratch has room for v.n + 1 bytes. A bad %XX leaves it as it is. */
static void
push_decoded(lua_State *L, struct hs_view v, char *scratch)
{
    size_t n;
    if (hs_url_decode(v, true, scratch, &n) == 0) {
        lua_pushlstring(L, scratch, n);
    } else {
        push_view(L, v);
    }
}

/* Appends the value at the top to the list under the key below it, in the table at idx; pops both. */
static void
append_to_list(lua_State *L, int idx)
{
    lua_pushvalue(L, -2);
    lua_rawget(L, idx);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_createtable(L, 1, 0);
        lua_pushvalue(L, -3);
        lua_pushvalue(L, -2);
        lua_rawset(L, idx);
    }
    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, (int)lua_objlen(L, -2) + 1);
    lua_pop(L, 3);
}

/* Pushes { key = { value, … }, … } of pairs as queries and forms have them; a key without '=' has the value "". False, and nothing was
 * pushed: there are more than most. */
static bool
push_pairs(lua_State *L, struct hs_view q, double most)
{
    lua_newtable(L);
    const int table = lua_gettop(L);
    char *scratch = lua_newuserdata(L, q.n + 1);
    double count = 0;
    while (q.n != 0) {
        const char *amp = memchr(q.p, '&', q.n);
        const size_t n = amp != NULL ? (size_t)(amp - q.p) : q.n;
        const char *eq = memchr(q.p, '=', n);
        const size_t klen = eq != NULL ? (size_t)(eq - q.p) : n;
        if (n != 0 && ++count > most) {
            lua_settop(L, table - 1);
            return false;
        }
        if (n != 0) {
            push_decoded(L, (struct hs_view){ q.p, klen }, scratch);
            push_decoded(L, eq != NULL ? (struct hs_view){ eq + 1, n - klen - 1 } : HS_VIEW(""), scratch);
            append_to_list(L, table);
        }
        q.p += n + (amp != NULL);
        q.n -= n + (amp != NULL);
    }
    lua_settop(L, table);
    return true;
}

/* request_args() -> { key = { value, … }, … } */
static int
l_args(lua_State *L)
{
    SESSION_OR_RETURN(sess, "request_args");
    const struct hs_request *r = hs_session_request(sess);
    struct hs_view q = hs_request_view(r, r->query);
    if (q.n > QUERY_MAX) {
        return hs_lua_fail(L, EMSGSIZE);
    }
    (void)push_pairs(L, q, HUGE_VAL);
    return 1;
}

/* --- fields --- */

static int
l_header(lua_State *L)
{
    struct hs_view name = hs_lua_arg_bytes(L, 2, 1, "request_header_get");
    SESSION_OR_RETURN(sess, "request_header_get");
    struct hs_view v;
    int err = hs_session_header_view(sess, name, &v);
    if (err == 0) {
        push_view(L, v);
    } else if (err == ENOENT) {
        lua_pushnil(L);
    } else if (err == E2BIG) {
        const char *joined;
        err = ec_httpsrv_request_header_get(sess, name.p, &joined);
        if (err != 0) {
            return hs_lua_fail(L, err);
        }
        lua_pushstring(L, joined);
    } else {
        return hs_lua_fail(L, err);
    }
    return 1;
}

/* Pushes the lower-case form of a field name. */
static void
push_lower(lua_State *L, const char *name)
{
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (; *name != '\0'; name++) {
        luaL_addchar(&b, (char)(*name >= 'A' && *name <= 'Z' ? *name | 0x20 : *name));
    }
    luaL_pushresult(&b);
}

/* Sets table[lower-case name] = value, joined to what is there. */
static void
join_field(lua_State *L, int table, const char *name, const char *value)
{
    push_lower(L, name);
    lua_pushvalue(L, -1);
    lua_rawget(L, table);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_pushstring(L, value);
    } else {
        lua_pushstring(L, strcmp(lua_tostring(L, -2), "cookie") == 0 ? "; " : ", ");
        lua_pushstring(L, value);
        lua_concat(L, 3);
    }
    lua_rawset(L, table);
}

/* request_headers() -> { [name in lower case] = value }; repeated fields are joined */
static int
l_headers(lua_State *L)
{
    SESSION_OR_RETURN(sess, "request_headers");
    const char *name, *value;
    size_t iter = 0;
    int err;
    lua_newtable(L);
    const int table = lua_gettop(L);
    while ((err = ec_httpsrv_request_header_next(sess, &iter, &name, &value)) == 0) {
        join_field(L, table, name, value);
    }
    return err == ENOENT ? 1 : hs_lua_fail(L, err);
}

/* request_trailers() -> the same of the trailer section. Waits for the end of the body, which it reads when nobody has begun to. */
static int
l_trailers(lua_State *L)
{
    SESSION_OR_RETURN(sess, "request_trailers");
    const char *name, *value;
    struct hs_view body;
    size_t iter = 0;
    int err = hs_session_body_view(sess, &body);
    if (err == EAGAIN) {
        return hs_wait_session(L, rt, sess, HS_WAIT_BODY);
    }
    if (err != 0 && err != EALREADY) {
        return hs_lua_fail(L, err);
    }
    lua_newtable(L);
    const int table = lua_gettop(L);
    while ((err = ec_httpsrv_request_trailer_next(sess, &iter, &name, &value)) == 0) {
        join_field(L, table, name, value);
    }
    if (err == EAGAIN) {
        return hs_wait_session(L, rt, sess, HS_WAIT_BODY);
    }
    return err == ENOENT ? 1 : hs_lua_fail(L, err);
}

/* request_content_type_get() -> type, charset | nil; nil when there is no such field */
static int
l_content_type(lua_State *L)
{
    SESSION_OR_RETURN(sess, "request_content_type_get");
    const char *type, *charset;
    int err = ec_httpsrv_request_content_type_get(sess, &type, &charset);
    if (err == ENOENT) {
        lua_pushnil(L);
        return 1;
    }
    if (err != 0) {
        return hs_lua_fail(L, err);
    }
    lua_pushstring(L, type);
    lua_pushstring(L, charset);
    return 2;
}

/* --- body --- */

/* request_data_get() -> io */
static int
l_data(lua_State *L)
{
    SESSION_OR_RETURN(sess, "request_data_get");
    struct hs_io_box *box = hs_io_box_new(L, rt);
    int err = ec_httpsrv_request_data_get(sess, &box->io);
    if (err != 0) {
        box->io = NULL;
        return err == EAGAIN ? hs_wait_session(L, rt, sess, HS_WAIT_BODY) : hs_lua_fail(L, err);
    }
    box->with_session = box->is_body = true;
    return 1;
}

/* request_data_get_string() -> string. Waits. */
static int
l_data_string(lua_State *L)
{
    SESSION_OR_RETURN(sess, "request_data_get_string");
    struct hs_view body;
    int err = hs_session_body_view(sess, &body);
    if (err == EAGAIN) {
        return hs_wait_session(L, rt, sess, HS_WAIT_BODY);
    }
    if (err != 0) {
        return hs_lua_fail(L, err);
    }
    push_view(L, body);
    return 1;
}

/* request_form(session, most bytes, most fields) -> the body's pairs, whatever its type is. Waits. */
static int
l_form(lua_State *L)
{
    const double bytes = luaL_checknumber(L, 2), fields = luaL_checknumber(L, 3);
    SESSION_OR_RETURN(sess, "request_form");
    struct hs_view body;
    int err = hs_session_body_view(sess, &body);
    if (err == EAGAIN) {
        return hs_wait_session(L, rt, sess, HS_WAIT_BODY);
    }
    if (err != 0) {
        return hs_lua_fail(L, err);
    }
    if ((double)body.n > bytes) {
        return hs_lua_fail_as(L, EMSGSIZE, "the form has too many bytes");
    }
    return push_pairs(L, body, fields) ? 1 : hs_lua_fail_as(L, EMSGSIZE, "the form has too many fields");
}

/* request_data_spool() -> true. Waits. */
static int
l_data_spool(lua_State *L)
{
    SESSION_OR_RETURN(sess, "request_data_spool");
    int err = ec_httpsrv_request_data_spool(sess);
    if (err == EAGAIN) {
        return hs_wait_session(L, rt, sess, HS_WAIT_BODY);
    }
    if (err != 0) {
        return hs_lua_fail(L, err);
    }
    lua_pushboolean(L, 1);
    return 1;
}

/* --- addresses --- */

static int
push_address(lua_State *L, const ec_sockaddr *a)
{
    char ip[EC_SOCKADDR_TEXT_MAX];
    if (a == NULL) {
        lua_pushnil(L);
        return 1;
    }
    lua_createtable(L, 0, 4);
    switch (a->sa.sa_family) {
    case AF_INET:
    case AF_INET6:
        set_string(L, "family", a->sa.sa_family == AF_INET ? "inet" : "inet6");
        if (ec_sockaddr_format_ip(a, ip, sizeof(ip)) == 0) {
            set_string(L, "ip", ip);
        }
        lua_pushinteger(L, ec_sockaddr_port(a));
        lua_setfield(L, -2, "port");
        break;
    case AF_UNIX:
        set_string(L, "family", "unix");
        if (a->len > offsetof(struct sockaddr_un, sun_path) && a->unixaddr.sun_path[0] != '\0') {
            const size_t room = (size_t)a->len - offsetof(struct sockaddr_un, sun_path);
            lua_pushlstring(L, a->unixaddr.sun_path, strnlen(a->unixaddr.sun_path, room));
            lua_setfield(L, -2, "path");
        }
        break;
    default: break;
    }
    return 1;
}

static int
l_peer(lua_State *L)
{
    SESSION_OR_RETURN(sess, "request_peer_address");
    return push_address(L, ec_httpsrv_request_peer_address(sess));
}

static int
l_local(lua_State *L)
{
    SESSION_OR_RETURN(sess, "request_local_address");
    return push_address(L, ec_httpsrv_request_local_address(sess));
}

static int
l_client(lua_State *L)
{
    SESSION_OR_RETURN(sess, "client_address");
    return push_address(L, ec_httpsrv_request_client_address(sess));
}

static int
l_request_id(lua_State *L)
{
    SESSION_OR_RETURN(sess, "request_id");
    const char *id = ec_httpsrv_session_request_id(sess);
    if (id == NULL) {
        return hs_lua_fail(L, errno);
    }
    lua_pushstring(L, id);
    return 1;
}

/* session_state(session) -> "finished", "sending" (its head is out) or "live" */
static int
l_state(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    ec_httpsrv_session *sess = hs_lua_session(L, rt, "tostring");
    lua_pushstring(L, sess == NULL ? "finished" : hs_session_head_sent(sess) ? "sending" : "live");
    return 1;
}

void
hs_lua_open_request(lua_State *L, struct hs_lua_runtime *rt)
{
    static const luaL_Reg methods[] = {
        { "request_method_get", l_method },
        { "request_protocol_get", l_protocol },
        { "request_path_get", l_path },
        { "path_rest", l_path_rest },
        { "request_username_get", l_username },
        { "request_subject_cn_get", l_subject_cn },
        { "request_url_get", l_url },
        { "request_args", l_args },
        { "request_header_get", l_header },
        { "request_headers", l_headers },
        { "request_trailers", l_trailers },
        { "request_content_type_get", l_content_type },
        { "request_data_get", l_data },
        { "request_data_get_string", l_data_string },
        { "request_data_spool", l_data_spool },
        { "request_form", l_form },
        { "request_peer_address", l_peer },
        { "request_local_address", l_local },
        { "client_address", l_client },
        { "request_id", l_request_id },
        { "state", l_state },
        { NULL, NULL },
    };
    lua_getfield(L, -1, "session_methods");
    hs_lua_functions(L, rt, methods);
    lua_pop(L, 1);
}
