/* lua_fast.c - leaf functions that compiled Lua code calls through the FFI: the methods that most handlers use.
 * Each does the whole of a simple case or nothing at all: any result but 0 sends the caller to the C function of the same
 * method, which repeats the attempt and sees to errors, waits and odd arguments. None raises, calls Lua, or makes the core
 * call anything that might. lua/httpsrv/fast.lua declares them. */
#include <errno.h>

#include "io_wrapper.h"
#include "session/session.h"

HTTPSRV_API int hs_ffi_append(double serial, const char *p, size_t n);
HTTPSRV_API int hs_ffi_status_std(double serial, int code, const char *message, size_t message_len, const char *type, size_t type_len);
HTTPSRV_API int hs_ffi_header_set(double serial, const char *name, size_t name_len, const char *value, size_t value_len);
HTTPSRV_API int hs_ffi_header_get(double serial, const char *name, size_t name_len, struct hs_view *value);
HTTPSRV_API int hs_ffi_method(double serial);

int
hs_ffi_append(double serial, const char *p, size_t n)
{
    ec_httpsrv_session *sess = hs_session_by_handle(serial);

    return sess != NULL ? hs_session_append_now(sess, p, n) : EBADF;
}

int
hs_ffi_status_std(double serial, int code, const char *message, size_t message_len, const char *type, size_t type_len)
{
    ec_httpsrv_session *sess = hs_session_by_handle(serial);

    if (sess == NULL) {
        return EBADF;
    }
    int err = hs_session_status_put(sess, code, (struct hs_view){ message, message_len }, (struct hs_view){ type, type_len });
    if (err == 0) {
        hs_session_set_message_body(sess, true);
    }
    return err;
}

int
hs_ffi_header_set(double serial, const char *name, size_t name_len, const char *value, size_t value_len)
{
    ec_httpsrv_session *sess = hs_session_by_handle(serial);

    return sess != NULL ? hs_session_header_put(sess, (struct hs_view){ name, name_len }, (struct hs_view){ value, value_len }, true)
                        : EBADF;
}

int
hs_ffi_header_get(double serial, const char *name, size_t name_len, struct hs_view *value)
{
    ec_httpsrv_session *sess = hs_session_by_handle(serial);

    return sess != NULL ? hs_session_header_view(sess, (struct hs_view){ name, name_len }, value) : EBADF;
}

/* enum hs_method; HS_METHOD_OTHER also when the session has ended */
int
hs_ffi_method(double serial)
{
    ec_httpsrv_session *sess = hs_session_by_handle(serial);

    return sess != NULL ? hs_session_request(sess)->method_id : HS_METHOD_OTHER;
}
