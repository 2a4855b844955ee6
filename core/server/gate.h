/* gate.h - who is let in: how many connections at a time, from where, and behind which proxies. One gate is one listener's; all gates of a server
 * share what holds for all. A listener that lets in everybody has no gate, and its connections pay for none.
 * Reference counted by the listener and by each connection that came in. Loop thread only. */
#ifndef HS_SERVER_GATE_H
#define HS_SERVER_GATE_H

#include "io/loop.h"
#include "server/listen_options.h"
#include "server/quota.h"

struct hs_gate;

/* What all gates of a server have in common; outlives them. The lists are its owner's to fill and to free. */
struct hs_gates {
    struct hs_cidr_list allow, deny, trusted;
    int64_t max;             /* connections at all listeners together; 0: no limit */
    struct hs_quota *quota;  /* kind 0: all connections that came through a gate; the others: those of one. NULL: none is limited, ever */
    size_t worker;           /* the row in it that is ours */
    bool full;               /* somebody found no place */
    hs_callback *room;       /* called with room_arg when a place has been given back after that; NULL: nobody waits */
    void *room_arg;
};

/* Whether there is anything to look at for a listener with these options, by the rules of all. */
bool hs_gate_is_needed(const struct hs_gates *all, const struct hs_listen_options *o);
/* Makes the gate that o asks for, with its own kind in the quota; its lists are moved out of o. The rules of all may change later. 0; ENOMEM. */
int hs_gate_new(struct hs_gates *all, struct hs_listen_options *o, size_t kind, struct hs_gate **out);
/* NULL is ignored. */
void hs_gate_delref(struct hs_gate *g);

/* Takes a place for one connection, to be given back by hs_gate_leave, and a reference. False: there is none. */
bool hs_gate_enter(struct hs_gate *g);
/* hs_callback: gives the place back. */
void hs_gate_leave(void *gate);
/* Whether connections begin with a PROXY header, which is believed only of those that are trusted: those of a unix socket, and of TCP the proxies
 * that the setting names. An abstract unix socket has no mode that says who may connect: only processes of root and of our own user are trusted there. */
bool hs_gate_reads_header(const struct hs_gate *g);
bool hs_gate_trusts(const struct hs_gate *g, int fd, const ec_sockaddr *peer);
/* Whether a client of that address may come in: no deny names it, and where there is an allow, one does. From a unix socket it may.
 * NULL: a client behind a proxy that has no address there, and so is in no network: it may where there is no allow. */
bool hs_gate_admits(const struct hs_gate *g, const ec_sockaddr *peer);

#endif
