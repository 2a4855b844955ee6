/* shows: ec_httpsrv_register_auth, ec_httpsrv_request_username_set, ec_httpsrv_request_username_get
 * Who may come in: a token says who it is. */
#include <modules/listeners/httpsrv.h>
#include <string.h>

static int
decide(ec_httpsrv_session *sess)
{
    const char *value;

    if (ec_httpsrv_request_header_get(sess, "Authorization", &value) != 0) {
        ec_httpsrv_response_header_add(sess, "WWW-Authenticate", "Bearer realm=\"private\"");
        return EC_HTTPSRV_AUTH_NOT_AUTHENTICATED; /* 401 */
    }
    if (strcmp(value, "Bearer sesame") != 0 || ec_httpsrv_request_username_set(sess, "ann") != 0) {
        return EC_HTTPSRV_AUTH_DENIED; /* 403 */
    }
    return EC_HTTPSRV_AUTH_ALLOWED;
}

static int
hello(ec_httpsrv_session *sess)
{
    ec_httpsrv_response_printf(sess, "Hello, %s!\n", ec_httpsrv_request_username_get(sess));
    return EC_HTTPSRV_HANDLER_DONE;
}

int
routes(void *arg)
{
    (void)arg;
    int err = ec_httpsrv_register_auth(NULL, NULL, "/private", NULL, decide);
    return err != 0 ? err : ec_httpsrv_register(NULL, "GET", "/private", ECTP_CLASS_SHORT_LIVED, NULL, hello);
}
//$ curl -i http://127.0.0.1:8080/private | grep -E '^(HTTP|WWW)'
//> HTTP/1.1 401 Unauthorized
//> WWW-Authenticate: Bearer realm="private"
//$ curl -o /dev/null -w '%{http_code}\n' -H 'Authorization: Bearer plugh' http://127.0.0.1:8080/private
//> 403
//$ curl -H 'Authorization: Bearer sesame' http://127.0.0.1:8080/private
//> Hello, ann!
