/* peer.h - with whom a connection is, as text, noted when it begins: for logs, which cannot ask the kernel at each request, nor when the connection
 * has gone before the request has ended. Nobody notes it unless somebody wants it (hs_h1_note_peers).
 * Reference counted by the connection and its sessions. Loop thread only. */
#ifndef HS_HTTP_PEER_H
#define HS_HTTP_PEER_H

#include <stdbool.h>

#include "base/cidr.h"
#include "base/view.h"
#include "io/transport.h"

struct hs_peer {
    unsigned refs;
    bool trusted;          /* what it says of whom it speaks for is believed */
    /* neither is longer than EC_SOCKADDR_TEXT_MAX */
    struct hs_view address; /* without the port; "unix:" for a unix socket. Where nothing is known "-" */
    struct hs_view local;  /* the end that it has connected to: "127.0.0.1:8080", "unix:/path" */
    char text[];           /* of the two */
};

/* Asks the transport, each end once. trusted: whose word is taken; NULL: nobody's. One reference, the caller's; NULL: no memory. */
struct hs_peer *hs_peer_new(struct hs_transport *t, const struct hs_cidr_list *trusted);
void hs_peer_free(struct hs_peer *p);

static inline void
hs_peer_addref(struct hs_peer *p)
{
    p->refs++;
}

/* NULL is ignored. */
static inline void
hs_peer_delref(struct hs_peer *p)
{
    if (p != NULL && --p->refs == 0) {
        hs_peer_free(p);
    }
}

#endif
