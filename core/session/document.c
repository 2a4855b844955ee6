/* document.c - bodies as JSON (json-c) and XML (libxml2) documents, read and sent.
 * What a peer sends is limited before it is parsed (max_body) and while it is (nesting; see xml.h for XML). */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include <json-c/json.h>
#include <libxml/tree.h>

#include "session/session_int.h"
#include "session/xml.h"

enum { JSON_DEPTH = 128 };

/* The whole body with the NUL behind it, at most INT_MAX bytes. 0, EAGAIN and what get_string gives. */
static int
whole(ec_httpsrv_session *s, struct hs_view *text)
{
    string *str;
    int err = ec_httpsrv_request_data_get_string(s, &str);

    if (!err) {
        *text = (struct hs_view){ str->buffer, (size_t)str->len };
        err = text->n >= INT_MAX ? EMSGSIZE : 0;
    }
    return err;
}

/* --- JSON --- */

/* What json-c lets through and RFC 8259 does not: control characters in strings, numbers such as 01 and 1., NaN and Infinity. */

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The end of the digits at p, NULL when there are none. */
static const char *
digits(const char *p)
{
    const char *q = p;

    while (is_digit(*q)) {
        q++;
    }
    return q != p ? q : NULL;
}

/* The end of the number at p (RFC 8259 6), NULL when it is none. The text ends with a NUL. */
static const char *
number(const char *p)
{
    p += *p == '-';
    p = *p == '0' ? p + 1 : digits(p);
    if (p && *p == '.') {
        p = digits(p + 1);
    }
    if (p && (*p == 'e' || *p == 'E')) {
        p++;
        p = digits(p + (*p == '+' || *p == '-'));
    }
    return p && !is_digit(*p) ? p : NULL;
}

/* The end of the string whose first quote is at p, NULL when it has control characters or no end. */
static const char *
quoted(const char *p)
{
    for (p++; *p != '"'; p++) {
        if ((unsigned char)*p < 0x20) {
            return NULL;
        }
        if (*p == '\\' && (unsigned char)*++p < 0x20) {
            return NULL;
        }
    }
    return p + 1;
}

static bool
strictly_json(const char *p)
{
    while (p && *p) {
        if (*p == '"') {
            p = quoted(p);
        } else if (*p == '-' || is_digit(*p)) {
            p = number(p);
        } else if (strchr("{}[]:, \t\r\ntruefalsn", *p)) {
            p++;
        } else {
            return false;
        }
    }
    return p != NULL;
}

int
ec_httpsrv_request_data_get_json(ec_httpsrv_session *s, struct json_object **json)
{
    struct hs_view text;

    if (!json) {
        return EINVAL;
    }
    *json = NULL;
    int err = whole(s, &text);
    if (err) {
        return err;
    }
    struct json_tokener *tok = json_tokener_new_ex(JSON_DEPTH);
    if (!tok) {
        return ENOMEM;
    }
    json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *o = json_tokener_parse_ex(tok, text.p, (int)text.n + 1); /* the NUL ends a number */
    if (json_tokener_get_error(tok) != json_tokener_success || memchr(text.p, '\0', text.n) || !strictly_json(text.p)) {
        json_object_put(o);
        o = NULL;
    }
    json_tokener_free(tok);
    *json = o;
    return 0;
}

int
ec_httpsrv_response_json(ec_httpsrv_session *s, struct json_object *json)
{
    size_t n = 0;
    const char *text = json_object_to_json_string_length(json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &n);

    if (!text) {
        return ENOMEM;
    }
    n = n ? n : strlen(text); /* NULL is "null", of which json-c says no length */
    return hs_session_payload_put(s, (struct hs_view){ text, n }, HS_VIEW("application/json"));
}

/* --- XML --- */

int
ec_httpsrv_request_data_get_xml(ec_httpsrv_session *s, struct _xmlDoc **doc)
{
    struct hs_view text;

    if (!doc) {
        return EINVAL;
    }
    *doc = NULL;
    int err = whole(s, &text);
    if (!err) {
        err = hs_xml_read(text, 0, doc, NULL);
        err = err == EINVAL ? 0 : err; /* not well formed is no failure: NULL says it */
    }
    return err;
}

int
ec_httpsrv_response_xml(ec_httpsrv_session *s, struct _xmlDoc *doc)
{
    xmlChar *text = NULL;
    int n = 0;

    if (!doc) {
        return EINVAL;
    }
    xmlDocDumpMemoryEnc(doc, &text, &n, "UTF-8");
    if (!text) {
        return ENOMEM;
    }
    int err = hs_session_payload_put(s, (struct hs_view){ (const char *)text, (size_t)n }, HS_VIEW("application/xml"));
    xmlFree(text);
    return err;
}
