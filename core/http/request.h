/* request.h - one parsed request head, whatever protocol it came by.
 * Slices are offsets from base, so that the bytes can be moved (scratch buffer -> arena) by changing base.
 * Nothing here owns memory. */
#ifndef HS_HTTP_REQUEST_H
#define HS_HTTP_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/view.h"
#include "http/field.h"

enum { HS_MAX_FIELDS = 100 };

struct hs_slice {
    uint32_t off;
    uint32_t len;
};

/* One field line. value is without leading and trailing white space. */
struct hs_field {
    uint32_t name_off;
    uint32_t value_off;
    uint32_t value_len;
    uint16_t name_len;
    uint16_t id; /* enum hs_field_id, HS_FIELD_OTHER when it is none that the core knows */
};

/* Methods are case-sensitive: "get" is OTHER. */
enum hs_method { HS_METHOD_OTHER, HS_METHOD_GET, HS_METHOD_HEAD, HS_METHOD_POST, HS_METHOD_PUT,
                 HS_METHOD_DELETE, HS_METHOD_OPTIONS, HS_METHOD_PATCH, HS_METHOD_TRACE };

enum hs_target_form { HS_TARGET_ORIGIN, HS_TARGET_ABSOLUTE, HS_TARGET_ASTERISK }; /* RFC 9112 3.2 */

struct hs_request {
    const char *base;
    uint32_t size;          /* bytes of the head, the empty line included */
    struct hs_slice method; /* as sent; case-sensitive */
    struct hs_slice target; /* request target as sent */
    struct hs_slice path;   /* path part of the target, still encoded; empty for '*' and for an absolute-form without path */
    struct hs_slice query;  /* what follows '?', without it; see has_query */
    struct hs_slice host;   /* authority of the absolute-form, else the Host value; empty if neither. Valid as hs_authority_ok says:
                             * a name in any case or an address, a port or none */
    uint8_t method_id;      /* enum hs_method */
    uint8_t target_form;    /* enum hs_target_form */
    uint8_t version_major;  /* 1 (2 for HTTP/2) */
    uint8_t version_minor;
    bool has_query;
    bool chunked;           /* Transfer-Encoding: chunked */
    bool keep_alive;        /* what the peer asked for, the version's default considered (RFC 9112 9.3) */
    bool expect_continue;   /* Expect: 100-continue, from a peer that is not HTTP/1.0 (RFC 9110 10.1.1) */
    bool upgrade;           /* Connection: upgrade and an Upgrade field are there, not in HTTP/1.0 (RFC 9110 7.8) */
    bool plain_path;        /* path has no '%', no '\\', no "//", no "/.": it is its own normalised form (also when it is empty) */
    uint16_t nfields;
    int64_t content_length; /* -1 when there is none */
    struct hs_field *fields; /* nfields of them */
};

static inline struct hs_view
hs_request_view(const struct hs_request *r, struct hs_slice s)
{
    return (struct hs_view){ r->base + s.off, s.len };
}

static inline struct hs_view
hs_field_name(const struct hs_request *r, const struct hs_field *f)
{
    return (struct hs_view){ r->base + f->name_off, f->name_len };
}

static inline struct hs_view
hs_field_value(const struct hs_request *r, const struct hs_field *f)
{
    return (struct hs_view){ r->base + f->value_off, f->value_len };
}

/* The id of a method name, HS_METHOD_OTHER when it is none of the enum. Any bytes may be given; any thread. */
enum hs_method hs_method_lookup(struct hs_view method);

/* First field of that name (case-insensitive) at or after index *i; NULL when there is none. *i becomes the index after it. */
const struct hs_field *hs_request_find(const struct hs_request *r, struct hs_view name, unsigned *i);
/* The same by the id of a known name: no string is compared. Both only read *r; any thread that may read it. */
const struct hs_field *hs_request_find_id(const struct hs_request *r, enum hs_field_id id, unsigned *i);

#endif
