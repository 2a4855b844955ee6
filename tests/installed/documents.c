/* documents.c - modules/listeners/httpsrv.h: JSON and XML, and what the session stands on: its listener, its connection, its loop. */
#include "installed.h"

#include <event2/event.h>
#include <json-c/json.h>
#include <libxml/tree.h>
#include <modules/listeners/httpsrv.h>

static int
finish(int err)
{
    CHECK(err == 0);
    return EC_HTTPSRV_HANDLER_DONE;
}

static int
wait_for_body(ec_httpsrv_session *sess)
{
    CHECK(ec_httpsrv_session_suspend(sess) == 0);
    return EC_HTTPSRV_HANDLER_ASYNC;
}

/* {"a":[1,2]} comes back with one number more. */
static int
json(ec_httpsrv_session *sess)
{
    struct json_object *doc = NULL, *list = NULL;

    int err = ec_httpsrv_request_data_get_json(sess, &doc);
    if (err == EAGAIN) {
        return wait_for_body(sess);
    }
    if (doc == NULL) {
        return finish(ec_httpsrv_response_append(sess, "not JSON", 8));
    }
    CHECK(err == 0 && json_object_object_get_ex(doc, "a", &list) && json_object_array_length(list) == 2);
    (void)json_object_array_add(list, json_object_new_int(3));
    err = ec_httpsrv_response_json(sess, doc);
    (void)json_object_put(doc);
    return finish(err);
}

static int
xml(ec_httpsrv_session *sess)
{
    xmlDocPtr doc = NULL;

    int err = ec_httpsrv_request_data_get_xml(sess, &doc);
    if (err == EAGAIN) {
        return wait_for_body(sess);
    }
    if (doc == NULL) {
        return finish(ec_httpsrv_response_append(sess, "not XML", 7));
    }
    xmlNodePtr root = xmlDocGetRootElement(doc);
    CHECK(err == 0 && strcmp((const char *)root->name, "a") == 0);
    (void)xmlNewProp(root, (const xmlChar *)"b", (const xmlChar *)"1");
    err = ec_httpsrv_response_xml(sess, doc);
    xmlFreeDoc(doc);
    return finish(err);
}

static int
place(ec_httpsrv_session *sess)
{
    const accept_construct *listener = ec_httpsrv_request_accept_construct_get(sess);
    const Event *event = ec_httpsrv_request_event_get(sess);
    ec_scheduler_inst *loop = ec_httpsrv_request_event_get_scheduler_inst(sess);

    CHECK(listener != NULL && strncmp(listener->name, "unix:@", 6) == 0 && listener->address->sa.sa_family == AF_UNIX);
    CHECK(event != NULL && event->fd >= 0 && event->inst == loop);
    CHECK(loop != NULL && event_base_get_method(loop) != NULL); /* a libevent base */
    return finish(ec_httpsrv_response_append(sess, "checked", 7));
}

static int
routes(void *arg)
{
    int err = ec_httpsrv_register(NULL, NULL, "/json", ECTP_CLASS_SHORT_LIVED, NULL, json);

    (void)arg;
    err = err != 0 ? err : ec_httpsrv_register(NULL, NULL, "/xml", ECTP_CLASS_SHORT_LIVED, NULL, xml);
    return err != 0 ? err : ec_httpsrv_register(NULL, NULL, "/place", ECTP_CLASS_SHORT_LIVED, NULL, place);
}

static void
client(void)
{
    const char *r = exchange("POST /json HTTP/1.1", "{\"a\": [1, 2]}");
    const char *body = strstr(r, "\r\n\r\n");
    struct json_object *doc = body != NULL ? json_tokener_parse(body + 4) : NULL, *list = NULL;

    CHECK(strstr(r, "Content-Type: application/json") != NULL);
    CHECK(doc != NULL && json_object_object_get_ex(doc, "a", &list) && json_object_array_length(list) == 3);
    (void)json_object_put(doc);
    CHECK(has_body(exchange("POST /json HTTP/1.1", "{"), "not JSON"));
    r = exchange("POST /xml HTTP/1.1", "<a/>");
    CHECK(strstr(r, "Content-Type: application/xml") != NULL && strstr(r, "<a b=\"1\"/>") != NULL);
    CHECK(has_body(exchange("POST /xml HTTP/1.1", "<a>"), "not XML"));
    CHECK(has_body(exchange("GET /place HTTP/1.1", NULL), "checked"));
}

void
test_documents(void)
{
    serve(routes, client);
    xmlCleanupParser();
}
