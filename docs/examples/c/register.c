/* shows: ec_httpsrv_register, ec_httpsrv_service_ctx_get, ec_httpsrv_response_printf
 * One handler registered twice, each time with something of its own. */
#include <modules/listeners/httpsrv.h>

static ec_blobject_class greeting_class = { .objectType = "greeting" };

static int
greet(ec_httpsrv_session *sess)
{
    ec_blobject *greeting = ec_httpsrv_service_ctx_get(sess); /* with a reference of ours */

    ec_httpsrv_response_printf(sess, "%s\n", (const char *)greeting->self);
    ec_blobject_delref(greeting);
    return EC_HTTPSRV_HANDLER_DONE;
}

static int
add(const char *path, char *text)
{
    ec_blobject *greeting = ec_blobject_wrap(&greeting_class, text);
    int err = ec_httpsrv_register(NULL, "GET", path, ECTP_CLASS_SHORT_LIVED, greeting, greet);

    ec_blobject_delref(greeting); /* the registration has taken its own reference */
    return err;
}

int
routes(void *arg)
{
    static char hello[] = "Hello!", hallo[] = "Hallo!";

    (void)arg;
    int err = add("/en", hello);
    return err != 0 ? err : add("/de", hallo);
}
//$ curl http://127.0.0.1:8080/en
//> Hello!
//$ curl http://127.0.0.1:8080/de/below
//> Hallo!
