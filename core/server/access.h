/* access.h - one line for each request, for a person who watches a terminal. */
#ifndef HS_SERVER_ACCESS_H
#define HS_SERVER_ACCESS_H

#include <stddef.h>
#include <stdint.h>

#include "base/view.h"
#include "session/request_end.h"

struct hs_access {
    struct hs_view method; /* or, without a target, all that came of the request's first line */
    struct hs_view target; /* as sent */
    int status;            /* 0: none was sent */
    uint64_t bytes;        /* of the body */
    int64_t ns;            /* from head to end */
};

/* Writes "GET /path 200 1234 0.8ms\n": what the peer sent is escaped as in a log line and cut where it is too long. size at least 64;
 * returns the length. Any thread. */
size_t hs_access_format(char *dst, size_t size, const struct hs_access *a);
/* The same line of a request that has ended. */
size_t hs_access_show(char *dst, size_t size, const struct hs_request_end *e);

#endif
