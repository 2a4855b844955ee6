/* lua_xml.c - XML as Lua tables, in the form that LuaExpat calls its object model (LOM): an element is
 * { tag = "name", attr = { "a", "b", a = "1", b = "2" }, "text", { tag = … }, … }, attr listing the names in their order. Names are as written,
 * with their prefixes; declarations of namespaces are attributes; comments and processing instructions are passed over.
 * libxml2 reads and writes; a document is in a box meanwhile, so that it ends whatever Lua raises. */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <libxml/chvalid.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <libxml/xmlstring.h>

#include "bindings/arg.h"
#include "bindings/internal.h"
#include "session/xml.h"

enum { DEPTH_MAX = 256 };

static const char box_type[] = "httpsrv.xml.box";

struct box {
    xmlDocPtr doc;
    xmlChar *text;
};

static void
box_empty(struct box *box)
{
    xmlFreeDoc(box->doc);
    xmlFree(box->text);
    *box = (struct box){ NULL, NULL };
}

static int
box_gc(lua_State *L)
{
    box_empty(lua_touserdata(L, 1));
    return 0;
}

/* Pushes an empty box; what is put in ends with it. */
static struct box *
box_push(lua_State *L)
{
    struct box *box = lua_newuserdata(L, sizeof *box);

    *box = (struct box){ NULL, NULL };
    if (luaL_newmetatable(L, box_type)) {
        lua_pushcfunction(L, box_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return box;
}

/* --- from a document to tables --- */

/* prefix:name as it was written; prefix may be NULL. */
static void
push_name(lua_State *L, const xmlNs *ns, const xmlChar *name)
{
    if (ns && ns->prefix) {
        lua_pushfstring(L, "%s:%s", (const char *)ns->prefix, (const char *)name);
    } else {
        lua_pushstring(L, (const char *)name);
    }
}

/* attr[n] = name; attr[name] = value; pops both. The table is below them. */
static void
set_attribute(lua_State *L, int n)
{
    lua_pushvalue(L, -2);
    lua_rawseti(L, -4, n);
    lua_rawset(L, -3);
}

/* The text of an attribute; references to entities that nobody declared leave nothing. */
static void
push_value(lua_State *L, const xmlAttr *a)
{
    luaL_Buffer b;

    luaL_buffinit(L, &b);
    for (const xmlNode *n = a->children; n; n = n->next) {
        if (n->type == XML_TEXT_NODE && n->content) {
            luaL_addstring(&b, (const char *)n->content);
        }
    }
    luaL_pushresult(&b);
}

static void
push_attributes(lua_State *L, const xmlNode *e)
{
    int n = 0;

    lua_newtable(L);
    for (const xmlNs *ns = e->nsDef; ns; ns = ns->next) {
        if (ns->prefix) {
            lua_pushfstring(L, "xmlns:%s", (const char *)ns->prefix);
        } else {
            lua_pushliteral(L, "xmlns");
        }
        lua_pushstring(L, ns->href ? (const char *)ns->href : "");
        set_attribute(L, ++n);
    }
    for (const xmlAttr *a = e->properties; a; a = a->next) {
        push_name(L, a->ns, a->name);
        push_value(L, a);
        set_attribute(L, ++n);
    }
}

static bool
is_text(const xmlNode *n)
{
    return n->type == XML_TEXT_NODE || n->type == XML_CDATA_SECTION_NODE;
}

static bool
is_passed_over(const xmlNode *n)
{
    return n->type == XML_COMMENT_NODE || n->type == XML_PI_NODE;
}

/* Pushes the text that begins at n as one string. The node behind it. */
static const xmlNode *
push_text(lua_State *L, const xmlNode *n)
{
    luaL_Buffer b;

    luaL_buffinit(L, &b);
    for (; n && (is_text(n) || is_passed_over(n)); n = n->next) {
        if (is_text(n) && n->content) {
            luaL_addstring(&b, (const char *)n->content);
        }
    }
    luaL_pushresult(&b);
    return n;
}

/* Pushes an element's table; libxml2 limits how deep they go. */
static void
push_element(lua_State *L, const xmlNode *e)
{
    int n = 0;

    luaL_checkstack(L, LUA_MINSTACK, "XML nests too deeply");
    lua_newtable(L);
    push_name(L, e->ns, e->name);
    lua_setfield(L, -2, "tag");
    push_attributes(L, e);
    lua_setfield(L, -2, "attr");
    for (const xmlNode *c = e->children; c;) {
        if (is_text(c)) {
            c = push_text(L, c);
        } else if (c->type == XML_ELEMENT_NODE) {
            push_element(L, c);
            c = c->next;
        } else {
            c = c->next;
            continue;
        }
        lua_rawseti(L, -2, ++n);
    }
}

/* xml_decode(text) -> element; nil, "… at line N", code */
static int
l_decode(lua_State *L)
{
    struct hs_view text = hs_lua_arg_bytes(L, 1, 1, "xml_decode");
    struct hs_xml_error error;
    struct box *box = box_push(L);
    int err = hs_xml_read(text, XML_PARSE_NOCDATA, &box->doc, &error);

    if (err) {
        lua_pushfstring(L, "%s at line %d", error.message, error.line);
        return hs_lua_fail_as(L, err, lua_tostring(L, -1));
    }
    push_element(L, xmlDocGetRootElement(box->doc));
    box_empty(box);
    return 1;
}

/* --- from tables to a document --- */

/* Raises what is wrong with the tree, without a place: lua/httpsrv/xml.lua takes it up. Does not return. */
static int __attribute__((noreturn))
raise(lua_State *L, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    lua_pushvfstring(L, fmt, ap);
    va_end(ap);
    lua_error(L);
    abort(); /* lua_error does not return */
}

/* A string or number at idx that XML can say (XML 1.0, 2.2: no controls, valid UTF-8). Borrowed while it is on the stack. */
static const xmlChar *
checked_text(lua_State *L, int idx, const char *what)
{
    size_t n;
    const char *p = lua_type(L, idx) == LUA_TSTRING || lua_type(L, idx) == LUA_TNUMBER ? lua_tolstring(L, idx, &n) : NULL;

    if (!p) {
        raise(L, "%s must be a string, not %s", what, luaL_typename(L, idx));
    }
    for (size_t i = 0; i < n;) {
        int len = n - i < INT_MAX ? (int)(n - i) : INT_MAX;
        int c = xmlGetUTF8Char((const unsigned char *)p + i, &len);
        if (c < 0 || !xmlIsCharQ(c)) {
            raise(L, "%s has a character that XML cannot say, at byte %d", what, (int)(i + 1));
        }
        i += (size_t)len;
    }
    return (const xmlChar *)p;
}

/* The same for a name with or without a prefix. */
static const xmlChar *
checked_name(lua_State *L, int idx, const char *what)
{
    const xmlChar *name = lua_type(L, idx) == LUA_TSTRING ? checked_text(L, idx, what) : NULL;

    if (!name || xmlValidateQName(name, 0) != 0) {
        raise(L, "%s is no name in XML: %s", what, name ? (const char *)name : luaL_typename(L, idx));
    }
    return name;
}

static void *
made(lua_State *L, void *p)
{
    if (!p) {
        raise(L, "not enough memory");
    }
    return p;
}

/* The attribute whose name is on the top and whose value is below it, unless it is there already. Pops both. */
static void
add_attribute(lua_State *L, xmlNodePtr e)
{
    const xmlChar *name = checked_name(L, -1, "the name of an attribute");
    const xmlChar *value = checked_text(L, -2, "the value of an attribute");

    if (!xmlHasProp(e, name)) {
        made(L, xmlNewProp(e, name, value));
    }
    lua_pop(L, 2);
}

static int
by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of attr (at the top) that are not in its list, sorted: the same table gives the same text. */
static void
add_unlisted(lua_State *L, xmlNodePtr e)
{
    size_t n = 0, k = 0;

    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        n += lua_type(L, -2) != LUA_TNUMBER;
    }
    const char **names = lua_newuserdata(L, n * sizeof *names + 1);
    for (lua_pushnil(L); lua_next(L, -3); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TNUMBER && k < n) {
            names[k++] = (const char *)checked_name(L, -2, "the name of an attribute");
        }
    }
    qsort(names, k, sizeof *names, by_bytes);
    for (size_t i = 0; i < k; i++) {
        lua_getfield(L, -2, names[i]);
        lua_pushstring(L, names[i]);
        add_attribute(L, e);
    }
    lua_pop(L, 1);
}

/* The attributes of the element's table at the top. */
static void
add_attributes(lua_State *L, xmlNodePtr e)
{
    lua_getfield(L, -1, "attr");
    if (lua_istable(L, -1)) {
        for (int i = 1, n = (int)lua_objlen(L, -1); i <= n; i++) {
            lua_rawgeti(L, -1, i);
            lua_pushvalue(L, -1);
            lua_rawget(L, -3);
            lua_insert(L, -2);
            add_attribute(L, e);
        }
        add_unlisted(L, e);
    } else if (!lua_isnil(L, -1)) {
        raise(L, "attr must be a table");
    }
    lua_pop(L, 1);
}

/* The text at the top. */
static void
add_text(lua_State *L, xmlNodePtr e)
{
    xmlNodePtr text = made(L, xmlNewDocText(e->doc, checked_text(L, -1, "a child")));

    if (!xmlAddChild(e, text)) {
        xmlFreeNode(text);
        made(L, NULL);
    }
}

/* Makes the element of the table at the top, below parent or, without one, as the document's root. */
static void
add_element(lua_State *L, xmlDocPtr doc, xmlNodePtr parent, int depth)
{
    if (depth > DEPTH_MAX) {
        raise(L, "nested too deeply, or in itself");
    }
    luaL_checkstack(L, LUA_MINSTACK, "XML nests too deeply");
    lua_getfield(L, -1, "tag");
    const xmlChar *name = checked_name(L, -1, "tag");
    xmlNodePtr e = made(L, parent ? xmlNewChild(parent, NULL, name, NULL) : xmlNewDocNode(doc, NULL, name, NULL));
    if (!parent) {
        xmlDocSetRootElement(doc, e);
    }
    lua_pop(L, 1);
    add_attributes(L, e);
    for (int i = 1, n = (int)lua_objlen(L, -1); i <= n; i++) {
        lua_rawgeti(L, -1, i);
        if (lua_istable(L, -1)) {
            add_element(L, doc, e, depth + 1);
        } else {
            add_text(L, e);
        }
        lua_pop(L, 1);
    }
}

/* xml_encode(element) -> text; raises what XML cannot say */
static int
l_encode(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    struct box *box = box_push(L);
    box->doc = made(L, xmlNewDoc((const xmlChar *)"1.0"));
    lua_pushvalue(L, 1);
    add_element(L, box->doc, NULL, 1);

    int n = 0;
    xmlDocDumpMemoryEnc(box->doc, &box->text, &n, "UTF-8");
    lua_pushlstring(L, made(L, box->text), (size_t)n);
    box_empty(box);
    return 1;
}

void
hs_lua_open_xml(lua_State *L, struct hs_lua_runtime *rt)
{
    static const luaL_Reg functions[] = { { "xml_decode", l_decode }, { "xml_encode", l_encode }, { NULL, NULL } };

    hs_lua_functions(L, rt, functions);
}
