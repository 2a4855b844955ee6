/* shows: ec_httpsrv_request_header_get, ec_httpsrv_request_header_next, ec_httpsrv_request_content_type_get
 * Header fields: one, all, and the one that has parts. */
#include <modules/listeners/httpsrv.h>
#include <strings.h>

static int
tell(ec_httpsrv_session *sess)
{
    const char *name, *value, *type, *charset;
    size_t iter = 0, count = 0;

    if (ec_httpsrv_request_header_get(sess, "x-colour", &value) == 0) { /* ENOENT: there is none */
        ec_httpsrv_response_printf(sess, "%s\n", value);
    }
    while (ec_httpsrv_request_header_next(sess, &iter, &name, &value) == 0) {
        count += strcasecmp(name, "X-Colour") == 0;
    }
    ec_httpsrv_response_printf(sess, "in %zu lines\n", count);
    if (ec_httpsrv_request_content_type_get(sess, &type, &charset) == 0) {
        ec_httpsrv_response_printf(sess, "%s, %s\n", type, charset != NULL ? charset : "no charset");
    }
    return EC_HTTPSRV_HANDLER_DONE;
}

int
routes(void *arg)
{
    (void)arg;
    return ec_httpsrv_register(NULL, "POST", "/", ECTP_CLASS_SHORT_LIVED, NULL, tell);
}
//$ curl -d x -H 'X-Colour: red' -H 'X-Colour: blue' -H 'Content-Type: TEXT/csv; charset=utf-8' http://127.0.0.1:8080/
//> red, blue
//> in 2 lines
//> text/csv, utf-8
