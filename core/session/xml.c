/* xml.c - see xml.h. */
#include "session/xml.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <libxml/tree.h>

/* One reading; the parser's context has it as its private data. */
struct reading {
    int nodes;
    const char *refused; /* why it goes no further; NULL: nothing has been refused */
    int err;
};

static bool
refuse(xmlParserCtxtPtr ctxt, int err, const char *why)
{
    struct reading *r = ctxt->_private;

    if (!r->refused) {
        r->refused = why;
        r->err = err;
        xmlStopParser(ctxt);
    }
    return false;
}

/* Whether there may be n nodes more. */
static bool
count(xmlParserCtxtPtr ctxt, int n)
{
    struct reading *r = ctxt->_private;

    if (r->refused) {
        return false;
    }
    if (n > HS_XML_NODES_MAX - r->nodes) {
        return refuse(ctxt, EMSGSIZE, "too many nodes");
    }
    r->nodes += n;
    return true;
}

static void
refuse_entity(void *arg, const xmlChar *name, int type, const xmlChar *public_id, const xmlChar *system_id, xmlChar *content)
{
    (void)name;
    (void)type;
    (void)public_id;
    (void)system_id;
    (void)content;
    refuse(arg, EINVAL, "entities must not be declared");
}

/* A default would make each element as long as one declaration. */
static void
attribute_declaration(void *arg, const xmlChar *element, const xmlChar *name, int type, int def, const xmlChar *value, xmlEnumerationPtr tree)
{
    if (value) {
        xmlFreeEnumeration(tree);
        refuse(arg, EINVAL, "attributes must have no defaults");
    } else {
        xmlSAX2AttributeDecl(arg, element, name, type, def, value, tree);
    }
}

static void
start_element(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri, int n_namespaces, const xmlChar **namespaces,
              int n_attributes, int n_defaulted, const xmlChar **attributes)
{
    if (count(arg, 1 + n_namespaces + n_attributes)) {
        xmlSAX2StartElementNs(arg, name, prefix, uri, n_namespaces, namespaces, n_attributes, n_defaulted, attributes);
    }
}

static void
end_element(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    if (count(arg, 0)) {
        xmlSAX2EndElementNs(arg, name, prefix, uri);
    }
}

static void
comment(void *arg, const xmlChar *text)
{
    if (count(arg, 1)) {
        xmlSAX2Comment(arg, text);
    }
}

static void
processing_instruction(void *arg, const xmlChar *target, const xmlChar *data)
{
    if (count(arg, 1)) {
        xmlSAX2ProcessingInstruction(arg, target, data);
    }
}

static void
explain(struct hs_xml_error *error, const struct reading *r, const xmlError *last, int line)
{
    const char *message = r->refused ? r->refused : last && last->message ? last->message : "not well formed";

    error->line = !r->refused && last && last->line > 0 ? last->line : line > 0 ? line : 1;
    (void)snprintf(error->message, sizeof error->message, "%.*s", (int)strcspn(message, "\n"), message);
}

int
hs_xml_read(struct hs_view text, int flags, struct _xmlDoc **doc, struct hs_xml_error *error)
{
    struct reading r = { .nodes = 0 };

    *doc = NULL;
    xmlParserCtxtPtr ctxt = xmlNewParserCtxt();
    if (!ctxt) {
        r.err = ENOMEM;
        r.refused = "out of memory";
    } else if (text.n >= INT_MAX) {
        r.err = EMSGSIZE;
        r.refused = "too long";
    }
    int line = 1;
    if (!r.refused) {
        ctxt->_private = &r;
        ctxt->sax->entityDecl = refuse_entity;
        ctxt->sax->attributeDecl = attribute_declaration;
        ctxt->sax->startElementNs = start_element;
        ctxt->sax->endElementNs = end_element;
        ctxt->sax->comment = comment;
        ctxt->sax->processingInstruction = processing_instruction;
        *doc = xmlCtxtReadMemory(ctxt, text.p, (int)text.n, NULL, NULL, flags | XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
        line = ctxt->input ? ctxt->input->line : 1;
        if (!r.refused && (ctxt->errNo == XML_ERR_NO_MEMORY || !*doc || !ctxt->wellFormed || ctxt->disableSAX)) {
            r.err = ctxt->errNo == XML_ERR_NO_MEMORY ? ENOMEM : EINVAL;
        }
    }
    if (r.err) {
        xmlFreeDoc(*doc);
        *doc = NULL;
        if (error) {
            explain(error, &r, ctxt ? xmlCtxtGetLastError(ctxt) : NULL, line);
        }
    }
    xmlFreeParserCtxt(ctxt);
    return r.err;
}
