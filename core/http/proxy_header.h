/* proxy_header.h - the header by which a proxy in front says who its client is: the PROXY protocol, versions 1 and 2 (haproxy's
 * doc/proxy-protocol.txt). Bytes in, addresses out: no I/O, no memory. Nothing is guessed: whatever is no such header is refused. Any thread. */
#ifndef HS_HTTP_PROXY_HEADER_H
#define HS_HTTP_PROXY_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "misc/ec_sockaddr.h"

enum {
    HS_PROXY_V1_MAX = 107,                   /* bytes of a line of version 1, its CRLF included */
    HS_PROXY_LOOK_MAX = 16 + 2 * 108,        /* no more bytes than these are ever looked at: those of version 2 with two unix addresses */
    HS_PROXY_SIZE_MAX = 16 + 65535,          /* bytes of a header of version 2, what is to be skipped included */
};

enum hs_proxy_result {
    HS_PROXY_MORE,    /* all bytes so far belong to the header, and it is longer */
    HS_PROXY_DONE,
    HS_PROXY_REFUSED, /* this is no header, or a wrong one */
};

struct hs_proxy_header {
    bool known;              /* the addresses are those of client and proxy; false (UNKNOWN, LOCAL, families that are none of ours): those of the
                              * connection itself hold */
    bool own;                /* LOCAL: the proxy speaks for itself, no client is behind it */
    ec_sockaddr peer, local; /* where known. IPv4 that comes as IPv6 is IPv4 */
    size_t size;             /* of the whole header; may be more than n: what stands behind the addresses (TLVs) is to be skipped */
};

/* Looks at the first n bytes of a connection. *out is set with DONE; *why with REFUSED, a static text. */
enum hs_proxy_result hs_proxy_header_parse(const char *p, size_t n, struct hs_proxy_header *out, const char **why);

#endif
