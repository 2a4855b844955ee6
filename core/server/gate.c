/* gate.c - who is let in at a listener. */
#include "server/gate.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct hs_gate {
    unsigned refs;
    struct hs_gates *all;
    struct hs_cidr_list allow, deny; /* moved here: connections may outlive their listener */
    int64_t max;
    size_t kind;
    bool header, is_unix, is_abstract;
};

bool
hs_gate_is_needed(const struct hs_gates *all, const struct hs_listen_options *o)
{
    bool filters = o->allow.n + o->deny.n != 0 || (!o->is_unix && all->allow.n + all->deny.n != 0);

    return filters || o->proxy || o->max_connections != 0 || all->max != 0;
}

int
hs_gate_new(struct hs_gates *all, struct hs_listen_options *o, size_t kind, struct hs_gate **out)
{
    struct hs_gate *g = calloc(1, sizeof *g);

    *out = NULL;
    if (g == NULL) {
        return ENOMEM;
    }
    assert(all->quota != NULL || (o->max_connections == 0 && all->max == 0));
    g->refs = 1;
    g->all = all;
    g->allow = o->allow;
    g->deny = o->deny;
    o->allow = o->deny = (struct hs_cidr_list){ NULL, 0 };
    g->max = o->max_connections;
    g->kind = kind;
    g->header = o->proxy;
    g->is_unix = o->is_unix;
    g->is_abstract = o->is_abstract;
    *out = g;
    return 0;
}

void
hs_gate_delref(struct hs_gate *g)
{
    if (g != NULL && --g->refs == 0) {
        hs_cidr_list_fini(&g->allow);
        hs_cidr_list_fini(&g->deny);
        free(g);
    }
}

/* --- places --- */

/* Counted also where there is no limit: there may be one before the place is given back. */
static bool
take(struct hs_gates *all, size_t kind, int64_t max)
{
    return all->quota == NULL || hs_quota_take(all->quota, all->worker, kind, max != 0 ? (uint32_t)max : UINT32_MAX);
}

static void
give(struct hs_gates *all, size_t kind)
{
    if (all->quota != NULL) {
        hs_quota_give(all->quota, all->worker, kind);
    }
}

bool
hs_gate_enter(struct hs_gate *g)
{
    if (!take(g->all, 0, g->all->max)) {
        g->all->full = true;
        return false;
    }
    if (!take(g->all, g->kind, g->max)) {
        give(g->all, 0);
        g->all->full = true;
        return false;
    }
    g->refs++;
    return true;
}

void
hs_gate_leave(void *gate)
{
    struct hs_gate *g = gate;
    struct hs_gates *all = g->all;

    give(all, g->kind);
    give(all, 0);
    hs_gate_delref(g);
    if (all->full && all->room != NULL) {
        all->full = false;
        all->room(all->room_arg);
    }
}

/* --- addresses --- */

bool
hs_gate_reads_header(const struct hs_gate *g)
{
    return g->header;
}

/* Whether the process at the other end of a unix socket was, when it connected, root's or of our own user: SO_PEERCRED of unix(7). */
static bool
is_our_own(int fd)
{
    struct ucred who;
    socklen_t n = sizeof who;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0 && (who.uid == 0 || who.uid == geteuid());
}

bool
hs_gate_trusts(const struct hs_gate *g, int fd, const ec_sockaddr *peer)
{
    if (g->is_abstract) {
        return is_our_own(fd);
    }
    return g->is_unix || hs_cidr_list_contains(&g->all->trusted, &peer->sa);
}

static bool
allows(const struct hs_cidr_list *allow, const struct hs_cidr_list *deny, const struct sockaddr *sa)
{
    return !hs_cidr_list_contains(deny, sa) && (allow->n == 0 || hs_cidr_list_contains(allow, sa));
}

bool
hs_gate_admits(const struct hs_gate *g, const ec_sockaddr *peer)
{
    if (peer == NULL) {
        return g->all->allow.n == 0 && g->allow.n == 0;
    }
    if (peer->sa.sa_family != AF_INET && peer->sa.sa_family != AF_INET6) {
        return true;
    }
    return allows(&g->all->allow, &g->all->deny, &peer->sa) && allows(&g->allow, &g->deny, &peer->sa);
}
