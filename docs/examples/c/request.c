/* shows: ec_httpsrv_request_method_get, ec_httpsrv_request_url_get, ec_httpsrv_request_protocol_get, ec_httpsrv_request_path_rest,
 *   ec_httpsrv_request_subject_cn_get
 * The request line in its parts, and who asks. */
#include <modules/listeners/httpsrv.h>

static int
tell(ec_httpsrv_session *sess)
{
    const ec_url_details *url = ec_httpsrv_request_url_get(sess);
    const char *q = "none";

    dict_key_exists_and_fetch(url->attrs, "q", &q);
    ec_httpsrv_response_printf(sess, "%s %s %s\n", ec_httpsrv_request_method_get(sess), url->path, ec_httpsrv_request_protocol_get(sess));
    ec_httpsrv_response_printf(sess, "below the base path: %s; q: %s\n", ec_httpsrv_request_path_rest(sess), q);
    const char *cn = ec_httpsrv_request_subject_cn_get(sess);
    ec_httpsrv_response_printf(sess, "%s\n", cn != NULL ? cn : "no certificate");
    return EC_HTTPSRV_HANDLER_DONE;
}

int
routes(void *arg)
{
    (void)arg;
    return ec_httpsrv_register(NULL, NULL, "/base", ECTP_CLASS_SHORT_LIVED, NULL, tell);
}
//$ curl 'http://127.0.0.1:8080/base/a%20b?q=1%2B1'
//> GET /base/a b HTTP/1.1
//> below the base path: a b; q: 1+1
//> no certificate
