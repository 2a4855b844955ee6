/* response_head.h - writes HTTP/1.1 response heads (RFC 9112 4) into memory. No I/O, no allocation, no printf.
 * What stands in the fields is the caller's; what frames the message (Content-Length, Transfer-Encoding, Connection) and the Date are
 * written from the numbers and flags of the head, once each. Any thread. */
#ifndef HS_HTTP_RESPONSE_HEAD_H
#define HS_HTTP_RESPONSE_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/view.h"
#include "http/date.h"
#include "http/field.h"
#include "http/status.h"

/* One response field, name and value already checked (hs_field_name_ok, hs_field_value_ok). */
struct hs_out_field {
    struct hs_view name;
    struct hs_view value;
    enum hs_field_id id;
};

/* How heads begin that are sent over and over: the status line and the first field lines, written once. */
enum { HS_HEAD_START_MAX = 124 };
struct hs_head_start {
    uint16_t len;
    uint16_t nfields; /* field lines in text */
    char text[HS_HEAD_START_MAX];
};

struct hs_response_head {
    int status;            /* 100..599 */
    struct hs_view reason; /* n == 0: the standard phrase; else checked with hs_field_value_ok */
    const struct hs_out_field *fields;
    unsigned nfields;
    const struct hs_head_start *start; /* what status, reason and the first fields are in text; NULL: not written yet */
    int64_t content_length; /* -1: none is written; never written with 1xx and 204 (RFC 9110 8.6) */
    bool chunked;           /* "Transfer-Encoding: chunked" is written, not with 1xx and 204 (RFC 9112 6.1); not together with a length */
    bool close;             /* "Connection: close" is written */
    bool keep_alive;        /* "Connection: keep-alive" is written (for HTTP/1.0 peers), unless close is set too */
    bool date;              /* a Date field is written (not when a script has set one) */
    int64_t now;            /* with date: the wall clock in seconds since 1970; 0: the second is asked of time(2) */
};

/* An upper bound of what hs_response_head_write will write. */
size_t hs_response_head_bound(const struct hs_response_head *h);
/* Writes the status line, the fields in order, the framing fields, Date and the empty line; returns the end. dst has bound bytes. */
char *hs_response_head_write(char *dst, const struct hs_response_head *h);
/* Writes the status line and all fields of a head to *start. False: they are too long. */
bool hs_head_start_write(struct hs_head_start *start, const struct hs_response_head *h);

/* True when name is a token / value has only what RFC 9110 5.5 allows (no CR, LF, NUL, other controls but HTAB). The empty name is none,
 * the empty value is one. Reads nothing outside the view. */
bool hs_field_name_ok(struct hs_view name);
bool hs_field_value_ok(struct hs_view value);

#endif
