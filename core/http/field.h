/* field.h - field names that the core has business with, known by number. */
#ifndef HS_HTTP_FIELD_H
#define HS_HTTP_FIELD_H

#include "base/view.h"

enum hs_field_id {
    HS_FIELD_OTHER,
    HS_FIELD_ACCEPT,
    HS_FIELD_ACCEPT_ENCODING,
    HS_FIELD_ACCEPT_LANGUAGE,
    HS_FIELD_AUTHORIZATION,
    HS_FIELD_CACHE_CONTROL,
    HS_FIELD_CONNECTION,
    HS_FIELD_CONTENT_ENCODING,
    HS_FIELD_CONTENT_LENGTH,
    HS_FIELD_CONTENT_TYPE,
    HS_FIELD_COOKIE,
    HS_FIELD_DATE,
    HS_FIELD_EXPECT,
    HS_FIELD_HOST,
    HS_FIELD_IF_MODIFIED_SINCE,
    HS_FIELD_IF_NONE_MATCH,
    HS_FIELD_IF_RANGE,
    HS_FIELD_KEEP_ALIVE,
    HS_FIELD_LOCATION,
    HS_FIELD_PROXY_CONNECTION,
    HS_FIELD_RANGE,
    HS_FIELD_REFERER,
    HS_FIELD_SERVER,
    HS_FIELD_SET_COOKIE,
    HS_FIELD_TE,
    HS_FIELD_TRAILER,
    HS_FIELD_TRANSFER_ENCODING,
    HS_FIELD_UPGRADE,
    HS_FIELD_USER_AGENT,
    HS_FIELD_X_FORWARDED_FOR,
    HS_FIELD_IDS
};

/* The id of a field name, compared case-insensitively; HS_FIELD_OTHER when unknown. A switch on the length
 * and few compares: on the hot path. */
enum hs_field_id hs_field_lookup(struct hs_view name);

/* The name in the case it is usually written in ("Content-Type"). */
struct hs_view hs_field_canonical(enum hs_field_id id);

#endif
