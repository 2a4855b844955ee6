/* test_xml.c - session/xml.c: what is read, where what is refused is refused, and the limits. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libxml/tree.h>

#include "session/xml.h"

static void
a_document_is_read(void **state)
{
    xmlDocPtr doc;

    (void)state;
    assert_int_equal(hs_xml_read(HS_VIEW("<a b='c'>d<!-- e --><f/></a>"), 0, &doc, NULL), 0);
    xmlNodePtr root = xmlDocGetRootElement(doc);
    assert_string_equal((const char *)root->name, "a");
    assert_int_equal(root->children->type, XML_TEXT_NODE);
    assert_int_equal(root->children->next->type, XML_COMMENT_NODE);
    assert_string_equal((const char *)root->last->name, "f");
    xmlFreeDoc(doc);
}

static void
a_refusal_says_where_and_why(void **state)
{
    static const struct {
        const char *text;
        int line;
        const char *why;
    } refused[] = {
        { "", 1, "" },
        { "<a>\n</b>", 2, "mismatch" },
        { "<a>\n\n&no;</a>", 3, "no" },
        { "\n<!DOCTYPE a [<!ENTITY x 'y'>]><a/>", 2, "entities must not be declared" },
        { "<!DOCTYPE a [<!ENTITY % p 'y'>]><a/>", 1, "entities must not be declared" },
        { "<!DOCTYPE a [\n<!ATTLIST a b CDATA 'c'>]><a/>", 2, "attributes must have no defaults" },
        { "<!DOCTYPE a [<!ATTLIST a b (c|d) 'c'>]><a/>", 1, "attributes must have no defaults" },
        { "<!DOCTYPE a [<!ATTLIST a b CDATA #FIXED 'c'>]><a/>", 1, "attributes must have no defaults" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct hs_xml_error error = { .line = 0 };
        xmlDocPtr doc = (xmlDocPtr)1;
        assert_int_equal(hs_xml_read(hs_view_of(refused[i].text), 0, &doc, &error), EINVAL);
        assert_null(doc);
        if (error.line != refused[i].line || !strstr(error.message, refused[i].why) || strchr(error.message, '\n')) {
            fail_msg("%s: line %d: %s", refused[i].text, error.line, error.message);
        }
        assert_int_equal(hs_xml_read(hs_view_of(refused[i].text), 0, &doc, NULL), EINVAL);
    }
}

static void
declarations_that_add_nothing_are_let_through(void **state)
{
    xmlDocPtr doc;

    (void)state;
    assert_int_equal(hs_xml_read(HS_VIEW("<!DOCTYPE a [<!ELEMENT a ANY><!ATTLIST a b (c|d) #IMPLIED>]><a b='c'/>"), 0, &doc, NULL), 0);
    xmlFreeDoc(doc);
}

/* <a> with n times what. */
static int
read_many(const char *what, size_t n, struct hs_xml_error *error)
{
    size_t len = strlen(what);
    char *text = malloc(n * len + 16);
    xmlDocPtr doc;

    assert_non_null(text);
    memcpy(text, "<a>", 3);
    for (size_t i = 0; i < n; i++) {
        memcpy(text + 3 + i * len, what, len);
    }
    memcpy(text + 3 + n * len, "</a>", 4);
    int err = hs_xml_read((struct hs_view){ text, n * len + 7 }, 0, &doc, error);
    assert_int_equal(doc != NULL, err == 0);
    xmlFreeDoc(doc);
    free(text);
    return err;
}

static void
nodes_of_every_kind_are_counted(void **state)
{
    static const struct {
        const char *what;
        size_t nodes;
    } kinds[] = { { "<b/>", 1 }, { "<!---->", 1 }, { "<?p?>", 1 }, { "<b c=''/>", 2 }, { "<b xmlns='u'/>", 2 } };
    struct hs_xml_error error;

    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t most = (HS_XML_NODES_MAX - 1) / kinds[i].nodes;
        assert_int_equal(read_many(kinds[i].what, most, NULL), 0);
        assert_int_equal(read_many(kinds[i].what, most + 1, &error), EMSGSIZE);
        assert_string_equal(error.message, "too many nodes");
    }
}

static void
what_is_too_long_is_not_looked_at(void **state)
{
    struct hs_xml_error error;
    xmlDocPtr doc;

    (void)state;
    assert_int_equal(hs_xml_read((struct hs_view){ "<a/>", (size_t)1 << 32 }, 0, &doc, &error), EMSGSIZE);
    assert_string_equal(error.message, "too long");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_is_read),
        cmocka_unit_test(a_refusal_says_where_and_why),
        cmocka_unit_test(declarations_that_add_nothing_are_let_through),
        cmocka_unit_test(nodes_of_every_kind_are_counted),
        cmocka_unit_test(what_is_too_long_is_not_looked_at),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
