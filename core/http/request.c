/* request.c - looking things up in a parsed request head, and the table of methods.
 * Owns nothing: views and pointers are the request's, valid as long as its bytes and its field array stay. */
#include "http/request.h"

#include "base/ascii.h"
#include "http/scan.h"

enum hs_method
hs_method_lookup(struct hs_view m)
{
    static const struct hs_view names[] = {
        [HS_METHOD_OTHER] = { "", 0 },          [HS_METHOD_GET] = { "GET", 3 },     [HS_METHOD_HEAD] = { "HEAD", 4 },
        [HS_METHOD_POST] = { "POST", 4 },       [HS_METHOD_PUT] = { "PUT", 3 },     [HS_METHOD_DELETE] = { "DELETE", 6 },
        [HS_METHOD_OPTIONS] = { "OPTIONS", 7 }, [HS_METHOD_PATCH] = { "PATCH", 5 }, [HS_METHOD_TRACE] = { "TRACE", 5 },
    };
    enum hs_method id = HS_METHOD_OTHER;
    if (m.n == 3) {
        id = m.p[0] == 'G' ? HS_METHOD_GET : HS_METHOD_PUT;
    } else if (m.n == 4) {
        id = m.p[0] == 'P' ? HS_METHOD_POST : HS_METHOD_HEAD;
    } else if (m.n == 5) {
        id = m.p[0] == 'P' ? HS_METHOD_PATCH : HS_METHOD_TRACE;
    } else if (m.n == 6) {
        id = HS_METHOD_DELETE;
    } else if (m.n == 7) {
        id = HS_METHOD_OPTIONS;
    }
    return hs_view_eq(m, names[id]) ? id : HS_METHOD_OTHER;
}

const struct hs_field *
hs_request_find(const struct hs_request *r, struct hs_view name, unsigned *i)
{
    enum hs_field_id id = hs_field_lookup(name);
    if (id != HS_FIELD_OTHER) {
        return hs_request_find_id(r, id, i);
    }
    for (unsigned k = *i; k < r->nfields; k++) {
        const struct hs_field *f = &r->fields[k];
        if (f->id == HS_FIELD_OTHER && f->name_len == name.n && hs_ascii_ieq(hs_field_name(r, f), name)) {
            *i = k + 1;
            return f;
        }
    }
    *i = r->nfields;
    return NULL;
}

const struct hs_field *
hs_request_find_id(const struct hs_request *r, enum hs_field_id id, unsigned *i)
{
    for (unsigned k = *i; k < r->nfields; k++) {
        if (r->fields[k].id == id) {
            *i = k + 1;
            return &r->fields[k];
        }
    }
    *i = r->nfields;
    return NULL;
}
