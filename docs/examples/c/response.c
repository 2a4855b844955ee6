/* shows: ec_httpsrv_response_header_set, ec_httpsrv_response_header_add, ec_httpsrv_response_append, ec_httpsrv_response_vprintf,
 *   ec_httpsrv_response_flush
 * Fields and content; the first part is sent before the second is made. */
#include <modules/listeners/httpsrv.h>
#include <stdarg.h>

static int __attribute__((format(printf, 2, 3)))
line(ec_httpsrv_session *sess, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    int err = ec_httpsrv_response_vprintf(sess, format, ap);
    va_end(ap);
    return err != 0 ? err : ec_httpsrv_response_append(sess, "\n", 1);
}

static int
answer(ec_httpsrv_session *sess)
{
    ec_httpsrv_response_header_set(sess, "Cache-Control", "no-store");
    ec_httpsrv_response_header_add(sess, "Link", "</a>; rel=prev");
    ec_httpsrv_response_header_add(sess, "Link", "</c>; rel=next");
    line(sess, "%d of %d", 1, 2);
    ec_httpsrv_response_flush(sess, 0);
    line(sess, "%d of %d", 2, 2);
    ec_httpsrv_response_flush(sess, 1); /* no more will be added */
    return EC_HTTPSRV_HANDLER_DONE;
}

int
routes(void *arg)
{
    (void)arg;
    return ec_httpsrv_register(NULL, "GET", "/", ECTP_CLASS_SHORT_LIVED, NULL, answer);
}
//$ curl -i http://127.0.0.1:8080/ | grep -E '^(Cache|Link|[0-9])'
//> Cache-Control: no-store
//> Link: </a>; rel=prev
//> Link: </c>; rel=next
//> 1 of 2
//> 2 of 2
