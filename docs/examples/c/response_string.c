/* shows: ec_httpsrv_response_string, ec_string_new, ec_string_free
 * A body made beforehand, in the place of what there was. */
#include <modules/listeners/httpsrv.h>

static int
answer(ec_httpsrv_session *sess)
{
    string *text = ec_string_new();

    ec_httpsrv_response_append(sess, "a first attempt", 15);
    if (text != NULL && stringprintf(text, "what is %s\n", "sent") != NULL) {
        ec_httpsrv_response_string(sess, text);
    }
    ec_string_free(text);
    return EC_HTTPSRV_HANDLER_DONE;
}

int
routes(void *arg)
{
    (void)arg;
    return ec_httpsrv_register(NULL, "GET", "/", ECTP_CLASS_SHORT_LIVED, NULL, answer);
}
//$ curl http://127.0.0.1:8080/
//> what is sent
