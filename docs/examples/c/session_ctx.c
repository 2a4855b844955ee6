/* shows: ec_httpsrv_ctx_get, ec_httpsrv_ctx_set, ec_httpsrv_session_suspend, ec_httpsrv_session_resume
 * A handler that is called again: what it keeps meanwhile belongs to the request. */
#include <modules/listeners/httpsrv.h>
#include <stdlib.h>

static ec_blobject_class count_class = { .objectType = "count", .dtor = free };

static int
thrice(ec_httpsrv_session *sess)
{
    ec_blobject *ctx = ec_httpsrv_ctx_get(sess); /* NULL at first */
    if (ctx == NULL) {
        ctx = ec_blobject_wrap(&count_class, calloc(1, sizeof(int)));
        ec_httpsrv_ctx_set(sess, ctx); /* dropped when the request ends */
    }
    int n = ++*(int *)ctx->self;
    ec_blobject_delref(ctx);

    ec_httpsrv_response_printf(sess, "call %d\n", n);
    if (n == 3) {
        return EC_HTTPSRV_HANDLER_DONE;
    }
    ec_httpsrv_session_suspend(sess);
    ec_httpsrv_session_resume(sess, 0); /* from any thread, now or later */
    return EC_HTTPSRV_HANDLER_ASYNC;
}

int
routes(void *arg)
{
    (void)arg;
    return ec_httpsrv_register(NULL, "GET", "/", ECTP_CLASS_SHORT_LIVED, NULL, thrice);
}
//$ curl http://127.0.0.1:8080/
//> call 1
//> call 2
//> call 3
