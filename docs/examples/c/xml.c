/* shows: ec_httpsrv_request_data_get_xml, ec_httpsrv_response_xml
 * XML in, XML out: the same document under another name. */
#include <errno.h>
#include <libxml/tree.h>
#include <modules/listeners/httpsrv.h>

static int
rename_root(ec_httpsrv_session *sess)
{
    xmlDocPtr doc;

    int err = ec_httpsrv_request_data_get_xml(sess, &doc);
    if (err == EAGAIN) {
        ec_httpsrv_session_suspend(sess);
        return EC_HTTPSRV_HANDLER_ASYNC;
    }
    if (err != 0 || doc == NULL) { /* NULL: it is not well formed */
        ec_httpsrv_response_status_set_std(sess, 400, "XML, please", "text/plain");
        return EC_HTTPSRV_HANDLER_DONE;
    }
    xmlNodeSetName(xmlDocGetRootElement(doc), (const xmlChar *)"renamed");
    ec_httpsrv_response_xml(sess, doc);
    xmlFreeDoc(doc);
    return EC_HTTPSRV_HANDLER_DONE;
}

int
routes(void *arg)
{
    (void)arg;
    return ec_httpsrv_register(NULL, "POST", "/", ECTP_CLASS_SHORT_LIVED, NULL, rename_root);
}
//$ curl -d '<a>text</a>' http://127.0.0.1:8080/ | tail -n 1
//> <renamed>text</renamed>
//$ curl -d '<a>text' http://127.0.0.1:8080/
//> XML, please
