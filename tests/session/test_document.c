/* test_document.c - session/document.c: bodies as JSON and XML, and what a session says of where it came from. */
#include <event2/event.h>
#include <json-c/json.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdio.h>

#include "session_test.h"

static int last_err;
static char last[4096]; /* what was read, as text; "NULL" */

static int
json_back(ec_httpsrv_session *s)
{
    struct json_object *o = (struct json_object *)1;

    last_err = ec_httpsrv_request_data_get_json(s, &o);
    if (last_err == EAGAIN) {
        assert_int_equal(ec_httpsrv_session_suspend(s), 0);
        return ASYNC;
    }
    (void)snprintf(last, sizeof last, "%s", o != NULL ? json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN) : "NULL");
    assert_int_equal(ec_httpsrv_response_append(s, "gone", 4), 0); /* the payload is replaced */
    assert_int_equal(ec_httpsrv_response_json(s, o), 0);
    json_object_put(o);
    assert_int_equal(ec_httpsrv_request_data_get_json(s, NULL), EINVAL);
    return DONE;
}

static const char *
post(struct rig *r, const char *body)
{
    static char text[8192];

    (void)snprintf(text, sizeof text, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
    last[0] = '\0';
    return rig_exchange(r, text);
}

/* proves: ec_httpsrv_request_data_get_json, ec_httpsrv_response_json */
static void
json_comes_and_goes(void **state)
{
    struct rig r;

    (void)state;
    open_one(&r, json_back);
    const char *reply = post(&r, " {\"a\": [1, 2.5, \"\\u00e9/\", null, true]} \n");
    assert_int_equal(last_err, 0);
    assert_non_null(strstr(reply, "HTTP/1.1 200 "));
    assert_non_null(strstr(reply, "Content-Type: application/json\r\n"));
    assert_non_null(strstr(reply, "\r\n\r\n{\"a\":[1,2.5,\"\xc3\xa9/\",null,true]}"));
    assert_null(strstr(reply, "gone"));
    assert_non_null(strstr(post(&r, "42"), "\r\n\r\n42"));
    assert_non_null(strstr(post(&r, "\"x\""), "\r\n\r\n\"x\""));
    assert_non_null(strstr(post(&r, "null"), "\r\n\r\nnull"));
    rig_close(&r);
}

static void
what_is_no_json_is_null(void **state)
{
    static const char *const bad[] = { "", " ", "{", "{\"a\":1,}", "[1,]", "[1", "{} x", "{}{}", "nul", "'a'", "{a:1}", "01", "-", "1.", ".5", "+1", "1e", "-Infinity", "\"a\tb\"", "\"a", "\"a\\", "[1.5e+]", "\"\xff\"", "\"\x01\"", "NaN", "[1 2]", "//x\n1" };
    struct rig r;
    char deep[600];

    (void)state;
    open_one(&r, json_back);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        (void)post(&r, bad[i]);
        if (last_err != 0 || strcmp(last, "NULL") != 0) {
            fail_msg("%s: %d %s", bad[i], last_err, last);
        }
    }
    memset(deep, '[', 299);
    memset(deep + 299, ']', 299);
    deep[598] = '\0';
    (void)post(&r, deep);
    assert_string_equal(last, "NULL");
    (void)rig_exchange(&r, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
    assert_string_equal(last, "NULL");
    rig_close(&r);
}

static void
json_waits_for_all_of_the_body(void **state)
{
    struct rig r;
    struct rig_client c;

    (void)state;
    open_one(&r, json_back);
    rig_connect(&r, &c);
    rig_sends(&c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\n\r\n[1,");
    rig_settle(&r);
    assert_int_equal(last_err, EAGAIN);
    rig_sends(&c, "2,3]");
    rig_settle(&r);
    assert_string_equal(last, "[1,2,3]");
    rig_disconnect(&c, false);
    rig_close(&r);
}

static int
xml_back(ec_httpsrv_session *s)
{
    xmlDocPtr doc = (xmlDocPtr)1;

    last_err = ec_httpsrv_request_data_get_xml(s, &doc);
    if (last_err == EAGAIN) {
        assert_int_equal(ec_httpsrv_session_suspend(s), 0);
        return ASYNC;
    }
    assert_int_equal(ec_httpsrv_request_data_get_xml(s, NULL), EINVAL);
    assert_int_equal(ec_httpsrv_response_xml(s, NULL), EINVAL);
    if (doc == NULL) {
        strcpy(last, "NULL");
        return DONE;
    }
    xmlChar *content = xmlNodeGetContent(xmlDocGetRootElement(doc));
    (void)snprintf(last, sizeof last, "%s", (const char *)content);
    xmlFree(content);
    assert_int_equal(ec_httpsrv_response_xml(s, doc), 0);
    xmlFreeDoc(doc);
    return DONE;
}

/* proves: ec_httpsrv_request_data_get_xml, ec_httpsrv_response_xml */
static void
xml_comes_and_goes(void **state)
{
    struct rig r;

    (void)state;
    open_one(&r, xml_back);
    const char *reply = post(&r, "<?xml version=\"1.0\"?>\n<a b=\"c\">x &amp; <d>y</d></a>");
    assert_int_equal(last_err, 0);
    assert_string_equal(last, "x & y");
    assert_non_null(strstr(reply, "Content-Type: application/xml\r\n"));
    assert_non_null(strstr(reply, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a b=\"c\">x &amp; <d>y</d></a>"));
    (void)post(&r, "<!DOCTYPE a SYSTEM \"http://127.0.0.1:9/a.dtd\"><a>z</a>"); /* asked of nobody */
    assert_string_equal(last, "z");
    rig_close(&r);
}

static void
what_is_no_xml_or_declares_entities_is_null(void **state)
{
    static const char *const bad[] = {
        "", "x", "<a>", "<a></b>", "<a/><b/>", "<a b=c/>", "<a>&no;</a>", "<a>\x01</a>",
        "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>",
        "<!DOCTYPE a [<!ENTITY % p SYSTEM \"file:///etc/passwd\"> %p;]><a>y</a>",
        "<!DOCTYPE a [<!ENTITY x \"xxxxxxxxxx\"><!ENTITY y \"&x;&x;&x;&x;&x;&x;\"><!ENTITY z \"&y;&y;&y;&y;&y;&y;\">]><a>&z;</a>",
        "<!DOCTYPE a [<!ENTITY x \"quiet\">]><a>y</a>",
        "<!DOCTYPE a [<!ATTLIST a b CDATA \"as long as it likes\">]><a/>",
    };
    struct rig r;

    (void)state;
    open_one(&r, xml_back);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        (void)post(&r, bad[i]);
        if (last_err != 0 || strcmp(last, "NULL") != 0) {
            fail_msg("%s: %d %s", bad[i], last_err, last);
        }
    }
    rig_close(&r);
}

/* --- where a session came from --- */

static ec_httpsrv_session *held;

static int
looks(ec_httpsrv_session *s)
{
    accept_construct *a = ec_httpsrv_request_accept_construct_get(s);
    Event *e = ec_httpsrv_request_event_get(s);
    struct event_base *base = ec_httpsrv_request_event_get_scheduler_inst(s);

    assert_non_null(a);
    assert_ptr_equal(a->address, ec_httpsrv_request_local_address(s));
    assert_non_null(e);
    assert_ptr_equal(e->inst, base);
    assert_non_null(base);
    assert_true(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED) >= 0);
    (void)snprintf(last, sizeof last, "%d %s", e->fd >= 0, a->name);
    held = s;
    ec_httpsrv_session_addref(s);
    return DONE;
}

/* proves: ec_httpsrv_request_accept_construct_get, ec_httpsrv_request_event_get, ec_httpsrv_request_event_get_scheduler_inst */
static void
a_session_says_where_it_came_from(void **state)
{
    struct rig r;
    struct rig_client c;

    (void)state;
    open_one(&r, looks);
    rig_connect_socket(&r, &c);
    rig_sends(&c, GET("/"));
    rig_settle(&r);
    assert_true(last[0] == '1');
    assert_true(strlen(last) > 2);
    rig_disconnect(&c, false);
    rig_settle(&r);
    errno = 0;
    assert_null(ec_httpsrv_request_accept_construct_get(held));
    assert_int_equal(errno, EBADF);
    assert_null(ec_httpsrv_request_event_get(held));
    assert_null(ec_httpsrv_request_event_get_scheduler_inst(held));
    ec_httpsrv_session_delref(held);
    rig_close(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_comes_and_goes),
        cmocka_unit_test(what_is_no_json_is_null),
        cmocka_unit_test(json_waits_for_all_of_the_body),
        cmocka_unit_test(xml_comes_and_goes),
        cmocka_unit_test(what_is_no_xml_or_declares_entities_is_null),
        cmocka_unit_test(a_session_says_where_it_came_from),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
