/* shows: ec_httpsrv_request_data_get_json, ec_httpsrv_response_json
 * JSON in, JSON out. */
#include <errno.h>
#include <json-c/json.h>
#include <modules/listeners/httpsrv.h>

static int
sum(ec_httpsrv_session *sess)
{
    struct json_object *numbers;

    int err = ec_httpsrv_request_data_get_json(sess, &numbers);
    if (err == EAGAIN) {
        ec_httpsrv_session_suspend(sess);
        return EC_HTTPSRV_HANDLER_ASYNC;
    }
    if (err != 0 || !json_object_is_type(numbers, json_type_array)) { /* NULL: it is no JSON */
        ec_httpsrv_response_status_set_std(sess, 400, "An array of numbers, please", "text/plain");
    } else {
        int64_t total = 0;
        for (size_t i = 0; i < json_object_array_length(numbers); i++) {
            total += json_object_get_int64(json_object_array_get_idx(numbers, i));
        }
        struct json_object *answer = json_object_new_object();
        json_object_object_add(answer, "sum", json_object_new_int64(total));
        ec_httpsrv_response_json(sess, answer);
        json_object_put(answer);
    }
    json_object_put(numbers);
    return EC_HTTPSRV_HANDLER_DONE;
}

int
routes(void *arg)
{
    (void)arg;
    return ec_httpsrv_register(NULL, "POST", "/sum", ECTP_CLASS_SHORT_LIVED, NULL, sum);
}
//$ curl -d '[1, 2, 39]' http://127.0.0.1:8080/sum | tr -d ' '
//> {"sum":42}
//$ curl -d '[1, 2' http://127.0.0.1:8080/sum
//> An array of numbers, please
