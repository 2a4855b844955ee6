/* xml.h - XML read with libxml2 as text from a stranger has to be: no network, no external entities, no declarations of entities or of
 * attributes' defaults, and no more nodes than HS_XML_NODES_MAX (libxml2 itself stops at 256 levels). Any thread. */
#ifndef HS_SESSION_XML_H
#define HS_SESSION_XML_H

#include "base/view.h"

/* Elements, attributes, comments and processing instructions of one document. Each takes some hundred bytes of memory, and as few as four of
 * what the peer sends. */
enum { HS_XML_NODES_MAX = 1 << 18, HS_XML_MESSAGE_SIZE = 160 };

struct _xmlDoc;

struct hs_xml_error {
    int line; /* from 1 */
    char message[HS_XML_MESSAGE_SIZE];
};

/* Reads a document, to be freed by xmlFreeDoc. 0; EINVAL: it is not well formed or declares entities; EMSGSIZE: too long or too many nodes; ENOMEM.
 * *doc is NULL then, and error (which may be NULL) says where and what. flags: XML_PARSE_* beyond those that are always set. */
int hs_xml_read(struct hs_view text, int flags, struct _xmlDoc **doc, struct hs_xml_error *error);

#endif
