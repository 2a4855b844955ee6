/* lua_response.c - what a handler says, as methods of the session handle.
 * What can never be right (a control character in a field, a status out of range) raises; a session that cannot take it any more is
 * nil, message, code. Appending past the high mark waits for the client, and where it cannot wait it raises before anything is taken. */
#include <errno.h>
#include <string.h>

#include "base/ascii.h"
#include "bindings/io_box.h"
#include "bindings/lua_session.h"
#include "bindings/req.h"
#include "bindings/wait.h"
#include "io/io.h"

static int
succeed(lua_State *L)
{
    lua_pushboolean(L, 1);
    return 1;
}

/* The result of a function that changes the head. */
static int
head_result(lua_State *L, ec_httpsrv_session *sess, int err)
{
    if (err == 0) {
        return succeed(L);
    }
    if (err == EBADF) {
        return hs_lua_fail_as(L, err, hs_session_head_sent(sess) ? "the response head has been sent" : "the response has failed");
    }
    return hs_lua_fail(L, err);
}

/* The result of a function that adds content. A task of the session itself learns that its client is gone as at a wait, so that its loops end. */
static int
body_result(lua_State *L, struct hs_lua_runtime *rt, ec_httpsrv_session *sess, int err)
{
    if (err == 0) {
        return succeed(L);
    }
    if (err == ECONNABORTED && hs_req_is_own(rt, sess)) {
        return hs_wait_abandoned(L, rt);
    }
    return err == EBADF ? hs_lua_fail_as(L, err, "the response has ended") : hs_lua_fail(L, err);
}

/* Raises for a value that no field can have. */
static void
check_value(lua_State *L, struct hs_view v, int n, const char *fname)
{
    for (size_t i = 0; i < v.n; i++) {
        if (!hs_ascii_is_field_vchar(v.p[i])) {
            hs_lua_arg_error(L, n, fname, "value contains a control character");
        }
    }
}

/* --- status --- */

static int
put_status(lua_State *L, const char *fname, bool std)
{
    const int code = (int)hs_lua_arg_integer(L, 2, 1, fname, INT32_MIN, INT32_MAX);
    struct hs_view message = hs_lua_arg_bytes_or_nil(L, 3, 2, fname);
    struct hs_view type = std ? hs_lua_arg_bytes_or_nil(L, 4, 3, fname) : (struct hs_view){ NULL, 0 };
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    ec_httpsrv_session *sess = hs_lua_session(L, rt, fname);
    if (code < 200 || code > 599) {
        hs_lua_arg_error(L, 1, fname, "status from 200 to 599 expected");
    }
    if (sess == NULL) {
        return hs_lua_stale(L);
    }
    int err = hs_session_status_put(sess, code, message, type);
    if (err == EINVAL) {
        check_value(L, message, 2, fname);
        hs_lua_arg_error(L, 3, fname, "value contains a control character");
    }
    if (err == 0 && std) {
        hs_session_set_message_body(sess, message.p != NULL);
    }
    return head_result(L, sess, err);
}

static int
l_status_set(lua_State *L)
{
    return put_status(L, "response_status_set", false);
}

static int
l_status_set_std(lua_State *L)
{
    return put_status(L, "response_status_set_std", true);
}

static int
status_as(lua_State *L, const char *fname, int (*fn)(ec_httpsrv_session *, const char *))
{
    const char *type = hs_lua_arg_cstring(L, 2, 1, fname, true);
    ec_httpsrv_session *sess = hs_lua_session(L, hs_lua_rt(L), fname);
    if (sess == NULL) {
        return hs_lua_stale(L);
    }
    int err = fn(sess, type);
    if (err == EINVAL) {
        hs_lua_arg_error(L, 1, fname, "value contains a control character");
    }
    return head_result(L, sess, err);
}

static int
l_status_ok(lua_State *L)
{
    return status_as(L, "response_status_ok", ec_httpsrv_response_status_ok);
}

static int
l_status_denied(lua_State *L)
{
    return status_as(L, "response_status_denied", ec_httpsrv_response_status_denied);
}

static int
l_status_not_found(lua_State *L)
{
    return status_as(L, "response_status_not_found", ec_httpsrv_response_status_not_found);
}

static int
l_status_error(lua_State *L)
{
    return status_as(L, "response_status_error", ec_httpsrv_response_status_error);
}

/* --- fields --- */

/* Raises the reason why the core will not have this field. */
static void
throw_field(lua_State *L, struct hs_view name, struct hs_view value, const char *fname)
{
    bool token = name.n != 0;
    for (size_t i = 0; i < name.n; i++) {
        token = token && hs_ascii_is_tchar(name.p[i]);
    }
    if (!token) {
        hs_lua_arg_error(L, 1, fname, "name is no token");
    }
    check_value(L, value, 2, fname);
    if (hs_ascii_ieq(name, HS_VIEW("content-length"))) {
        hs_lua_arg_error(L, 2, fname, "Content-Length is a number of bytes");
    }
    if (hs_ascii_ieq(name, HS_VIEW("connection"))) {
        hs_lua_arg_error(L, 2, fname, "of Connection only \"close\" is the handler's");
    }
    hs_lua_arg_error(L, 1, fname, "this field is the server's");
}

static int
put_field(lua_State *L, const char *fname, bool replace)
{
    struct hs_view name = hs_lua_arg_bytes(L, 2, 1, fname);
    struct hs_view value =
        replace ? hs_lua_arg_bytes_or_nil(L, 3, 2, fname) : hs_lua_arg_bytes(L, 3, 2, fname);
    ec_httpsrv_session *sess = hs_lua_session(L, hs_lua_rt(L), fname);
    if (sess == NULL) {
        return hs_lua_stale(L);
    }
    int err;
    if (value.p == NULL) {
        err = memchr(name.p, '\0', name.n) != NULL ? EINVAL : ec_httpsrv_response_header_set(sess, name.p, NULL);
    } else {
        err = hs_session_header_put(sess, name, value, replace);
    }
    if (err == EINVAL) {
        throw_field(L, name, value, fname);
    }
    return head_result(L, sess, err);
}

static int
l_header_set(lua_State *L)
{
    return put_field(L, "response_header_set", true);
}

static int
l_header_add(lua_State *L)
{
    return put_field(L, "response_header_add", false);
}

/* --- content --- */

/* response_append(session, data, n, fname). Waits: past the high mark before and after it has taken the data (again, 0). */
static int
l_append(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    struct hs_view v = hs_lua_arg_bytes(L, 2, 1, "response_append");
    ec_httpsrv_session *sess = hs_lua_session(L, rt, "response_append");
    if (sess == NULL) {
        return hs_lua_stale(L);
    }
    if (!hs_session_has_room(sess) && !hs_wait_possible(L, rt)) {
        (void)hs_wait_begin(L, rt); /* raises, and says where */
    }
    int err = ec_httpsrv_response_append(sess, v.p, v.n);
    if (err != 0) {
        return body_result(L, rt, sess, err);
    }
    if (!hs_session_has_room(sess) && hs_wait_possible(L, rt)) {
        return hs_wait_session(L, rt, sess, HS_WAIT_ROOM);
    }
    return succeed(L);
}

/* payload(session, bytes, content type, fname): response_string and _json */
static int
l_payload(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    const char *fname = luaL_checkstring(L, 4);
    struct hs_view v = hs_lua_arg_bytes(L, 2, 1, fname);
    struct hs_view type = hs_lua_arg_bytes(L, 3, 2, fname);
    ec_httpsrv_session *sess = hs_lua_session(L, rt, fname);
    if (sess == NULL) {
        return hs_lua_stale(L);
    }
    int err = hs_session_payload_put(sess, v, type);
    return err == EBADF ? head_result(L, sess, err) : body_result(L, rt, sess, err);
}

/* response_io(session, io, immediate) -> true. Waits when immediate. */
static int
l_io(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    struct hs_io_box *box = hs_io_box_check(L, rt, 2, 1, "response_io");
    const bool immediate = hs_lua_flag(L, 3);
    ec_httpsrv_session *sess = hs_lua_session(L, rt, "response_io");
    if (sess == NULL) {
        return hs_lua_stale(L);
    }
    io_object *io = hs_io_box_source(box);
    if (io == NULL) {
        return errno == EBADF ? hs_lua_fail_as(L, EBADF, "io is closed") : hs_lua_fail(L, errno);
    }
    int err = ec_httpsrv_response_io(sess, io, immediate);
    io_wrapper_delref(io);
    if (err == EAGAIN && immediate) {
        return hs_io_box_wait(L, box, IO_WAIT_READ);
    }
    if (err == EBUSY) {
        return hs_lua_fail_as(L, err, "io is in use");
    }
    if (err == 0 && !immediate) {
        box->with_session = true;
    }
    return body_result(L, rt, sess, err);
}

/* response_flush(session, final) -> true. Waits until the client has taken everything. */
static int
l_flush(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    ec_httpsrv_session *sess = hs_lua_session(L, rt, "response_flush");
    if (sess == NULL) {
        return hs_lua_stale(L);
    }
    int err = ec_httpsrv_response_flush(sess, hs_lua_flag(L, 2));
    if (err == EAGAIN) {
        return hs_wait_session(L, rt, sess, HS_WAIT_FLUSHED);
    }
    return body_result(L, rt, sess, err);
}

void
hs_lua_open_response(lua_State *L, struct hs_lua_runtime *rt)
{
    static const luaL_Reg methods[] = {
        { "response_status_set", l_status_set },
        { "response_status_set_std", l_status_set_std },
        { "response_status_ok", l_status_ok },
        { "response_status_denied", l_status_denied },
        { "response_status_not_found", l_status_not_found },
        { "response_status_error", l_status_error },
        { "response_header_set", l_header_set },
        { "response_header_add", l_header_add },
        { "response_append", l_append },
        { "response_io", l_io },
        { "response_flush", l_flush },
        { "payload", l_payload },
        { NULL, NULL },
    };
    lua_getfield(L, -1, "session_methods");
    hs_lua_functions(L, rt, methods);
    lua_pop(L, 1);
}
