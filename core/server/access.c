/* access.c - one line for each request, for a person who watches a terminal. */
#include "server/access.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"

enum { METHOD_MAX = 33, TAIL_MAX = 64 };

size_t
hs_access_format(char *dst, size_t size, const struct hs_access *a)
{
    char status[16] = "-", tail[TAIL_MAX];

    if (a->status != 0) {
        (void)snprintf(status, sizeof status, "%d", a->status);
    }
    int64_t us = (a->ns > 0 ? a->ns : 0) / 1000;
    int n = snprintf(tail, sizeof tail, " %s %" PRIu64 " %" PRId64 ".%01" PRId64 "ms\n", status, a->bytes, us / 1000, us / 100 % 10);
    size_t tail_len = n > 0 && n < TAIL_MAX ? (size_t)n : 0;
    size_t room = size > tail_len ? size - tail_len : 1;
    size_t len = hs_log_escape(dst, room < METHOD_MAX || a->target.n == 0 ? room : METHOD_MAX, a->method);
    if (len + 1 < room && a->target.n != 0) {
        dst[len++] = ' ';
        len += hs_log_escape(dst + len, room - len, a->target);
    }
    if (len + tail_len <= size) {
        memcpy(dst + len, tail, tail_len);
        len += tail_len;
    }
    return len;
}

size_t
hs_access_show(char *dst, size_t size, const struct hs_request_end *e)
{
    struct hs_access a = { .method = e->line, .status = e->status, .bytes = e->bytes, .ns = e->ended - e->started };

    if (e->req != NULL) {
        a.method = hs_request_view(e->req, e->req->method);
        a.target = hs_request_view(e->req, e->req->target);
    }
    return hs_access_format(dst, size, &a);
}
