/* response_head.h - writes HTTP/1.1 response heads (RFC 9112 4) into memory. No I/O, no allocation, no printf. */
#ifndef HS_HTTP_RESPONSE_HEAD_H
#define HS_HTTP_RESPONSE_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/view.h"
#include "http/field.h"

/* One response field, name and value already checked (hs_field_name_ok, hs_field_value_ok). */
struct hs_out_field {
    struct hs_view name;
    struct hs_view value;
    enum hs_field_id id;
};

struct hs_response_head {
    int status;            /* 100..599 */
    struct hs_view reason; /* n == 0: the standard phrase */
    const struct hs_out_field *fields;
    unsigned nfields;
    int64_t content_length; /* -1: none is written */
    bool chunked;           /* "Transfer-Encoding: chunked" is written */
    bool close;             /* "Connection: close" is written */
    bool keep_alive;        /* "Connection: keep-alive" is written (for HTTP/1.0 peers) */
    bool date;              /* a Date field is written (not when a script has set one) */
};

/* An upper bound of what hs_response_head_write will write. */
size_t hs_response_head_bound(const struct hs_response_head *h);
/* Writes the status line, the fields in order, the framing fields, Date and the empty line; returns the end. dst has bound bytes. */
char *hs_response_head_write(char *dst, const struct hs_response_head *h);

/* "200 OK"'s phrase; "" for an unknown code. */
struct hs_view hs_status_reason(int status);

/* True when name is a token / value has only what RFC 9110 5.5 allows (no CR, LF, NUL, other controls but HTAB). */
bool hs_field_name_ok(struct hs_view name);
bool hs_field_value_ok(struct hs_view value);

/* The current IMF-fixdate (RFC 9110 5.6.7), 29 bytes, made anew once a second: unix_seconds is the wall clock. Per thread. */
const char *hs_http_date(int64_t unix_seconds);
/* Any of the three date forms; EINVAL when it is none. */
int hs_http_date_parse(struct hs_view v, int64_t *unix_seconds);

#endif
