/* fuzz_xml.c - any bytes as XML (session/xml.c).
 * What must hold: a document or an error that says where and why, never both; what was read has one root, no declared entity and no more nodes
 * than allowed; it can be written and read again. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/parser.h>
#include <libxml/tree.h>

#include "session/xml.h"
#include "require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
nodes(const xmlNode *n)
{
    int found = 0;

    for (; n; n = n->next) {
        REQUIRE(n->type != XML_ENTITY_DECL);
        found += n->type == XML_ELEMENT_NODE || n->type == XML_COMMENT_NODE || n->type == XML_PI_NODE;
        if (n->type == XML_ELEMENT_NODE || n->type == XML_DTD_NODE) {
            found += nodes(n->children);
        }
    }
    return found;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hs_xml_error error = { .line = -1 };
    xmlDocPtr doc;
    int err = hs_xml_read((struct hs_view){ (const char *)data, size }, 0, &doc, &error);

    REQUIRE((err == 0) == (doc != NULL));
    if (err) {
        REQUIRE(err == EINVAL || err == EMSGSIZE);
        REQUIRE(error.line >= 1 && error.message[0] && !strchr(error.message, '\n'));
        return 0;
    }
    REQUIRE(xmlDocGetRootElement(doc) != NULL);
    REQUIRE(nodes(doc->children) <= HS_XML_NODES_MAX);

    xmlChar *text = NULL;
    int n = 0;
    xmlDocDumpMemoryEnc(doc, &text, &n, "UTF-8");
    xmlFreeDoc(doc);
    REQUIRE(text != NULL);
    err = hs_xml_read((struct hs_view){ (const char *)text, (size_t)n }, 0, &doc, NULL);
    xmlFreeDoc(doc);
    xmlFree(text);
    REQUIRE(err == 0 || err == EMSGSIZE || err == EINVAL); /* EINVAL: libxml2 writes what it would not read, undeclared prefixes among it */
    return 0;
}
