/* peer.c - with whom a connection is, as text, noted when it begins.
 * One piece of memory for the addresses of both ends; a unix socket's client mostly has none, and its user is not looked at. */
#include "http/peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "misc/ec_sockaddr.h"

/* The address of one end. False: it is not known. */
static bool
ask(struct hs_transport *t, bool peer, ec_sockaddr *a)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;

    return t->ops->addr(t, peer, &ss, &len) == 0 && ec_sockaddr_set(a, (const struct sockaddr *)&ss, len) == 0;
}

struct hs_peer *
hs_peer_new(struct hs_transport *t, const struct hs_cidr_list *trusted)
{
    char peer[EC_SOCKADDR_TEXT_MAX] = "-", local[EC_SOCKADDR_TEXT_MAX] = "-";
    bool is_trusted = false;
    ec_sockaddr a;

    if (ask(t, true, &a)) {
        is_trusted = trusted != NULL && hs_cidr_list_contains(trusted, &a.sa);
        if (ec_sockaddr_format_ip(&a, peer, sizeof peer) == 0 && peer[0] == '\0') {
            memcpy(peer, "unix:", sizeof "unix:");
        }
    }
    if (ask(t, false, &a)) {
        (void)ec_sockaddr_format(&a, local, sizeof local);
    }
    size_t n = strlen(peer), m = strlen(local);
    struct hs_peer *p = malloc(sizeof *p + n + m);
    if (p == NULL) {
        return NULL;
    }
    *p = (struct hs_peer){ .refs = 1, .trusted = is_trusted, .address = { p->text, n }, .local = { p->text + n, m } };
    memcpy(p->text, peer, n);
    memcpy(p->text + n, local, m);
    return p;
}

void
hs_peer_free(struct hs_peer *p)
{
    free(p);
}
