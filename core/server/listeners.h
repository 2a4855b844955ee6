/* listeners.h - the sockets that a server listens on, and accepting from them.
 * Owns the descriptors and, for unix sockets, their files. Loop thread only once started. accept4(2), tcp(7), unix(7). */
#ifndef HS_SERVER_LISTENERS_H
#define HS_SERVER_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>

#include "io/loop.h"
#include "server/gate.h"
#include "server/listen_socket.h"

struct hs_listeners;

struct hs_listeners_stats {
    unsigned long long accepted;    /* connections handed over */
    unsigned long long turned_away; /* answered with 503 for want of descriptors */
    unsigned long long pauses;      /* times that accepting paused for want of something */
};

/* Makes an empty set. It keeps one descriptor in reserve. 0, ENOMEM, EMFILE, ENFILE. */
int hs_listeners_new(struct hs_listeners **out);
/* Stops and closes what is still open, and frees. NULL is ignored. */
void hs_listeners_free(struct hs_listeners *ls);

/* Binds and listens; connections wait from now on. address: as hs_listen_options_parse takes it. 0; EINVAL: it does not; EADDRINUSE (also when the other
 * server shares its port by SO_REUSEPORT), EEXIST (a file that is no socket) and other errors of socket(2), bind(2), listen(2); ENOMEM. */
int hs_listeners_add(struct hs_listeners *ls, const char *address, int backlog);
/* Takes over sockets that were opened before, also for others: of several lanes, a worker's own are accepted from, the others only when told to help.
 * Each worker has the lane of its number; where there are more lanes or more workers, every lane has at least one worker and every worker a lane.
 * The descriptors, and the file of a unix socket, are closed and removed with the set; *s is empty then. 0; ENOMEM, and nothing has been taken. */
int hs_listeners_adopt(struct hs_listeners *ls, struct hs_listen_socket *s, size_t worker, size_t workers);
/* How many addresses have been added or adopted: in the quota of gates they are the kinds from 1 on, in that order. */
size_t hs_listeners_places(const struct hs_listeners *ls);
/* How many are open, lanes of others not counted. */
size_t hs_listeners_count(const struct hs_listeners *ls);
/* The address of the i-th with the port that it really has; NULL past the last. Borrowed until it is closed. */
const char *hs_listeners_address(const struct hs_listeners *ls, size_t i);

/* Makes gates for those listeners that have none and need one by these rules, if they were the ones that hold (gate.h). After start, with gates. 0; ENOMEM:
 * some may have one already, which lets in everybody as long as no rule is against it. */
int hs_listeners_need_gates(struct hs_listeners *ls, const struct hs_gates *rules);
/* Begins to accept: accepted gets each connected socket, non-blocking and close-on-exec, which is its to close. gates: what holds for all listeners,
 * which have gates then where their options or it ask for one; NULL: everybody is let in everywhere. gate: a place in it was taken
 * (hs_gate_enter); NULL: there is none. At most 64 from one listener in one turn of the loop. When there is no place, connections wait in the
 * kernel's queue. When descriptors or memory run out, accepting pauses for 100 ms; when that was not enough, those who wait
 * are answered with 503 with the help of the reserve. 0 or ENOMEM. */
int hs_listeners_start(struct hs_listeners *ls, struct hs_loop *loop, struct hs_gates *gates, void (*accepted)(void *arg, int fd, struct hs_gate *gate),
                       void *arg);
/* Whether to accept from another worker's lanes as well, because that one is late or gone. After start. */
void hs_listeners_help(struct hs_listeners *ls, size_t worker, bool on);
/* Draining: connections that wait for their first bytes (TCP_DEFER_ACCEPT) are let through, and all that wait are accepted now. */
void hs_listeners_drain(struct hs_listeners *ls);
/* Accepts what waits, then closes all of them. Those for whom there is no place are answered with 503; those at a socket that was
 * handed in (fd:NAME) are left in its queue, which others keep. */
void hs_listeners_close(struct hs_listeners *ls);
/* Closes our descriptors of all of them, and leaves what waits to others who have the same sockets. Files of unix sockets that are ours are removed. */
void hs_listeners_release(struct hs_listeners *ls);
/* Whether accepting pauses for want of descriptors or memory. */
bool hs_listeners_paused(const struct hs_listeners *ls);
/* Copies the counts so far. */
void hs_listeners_get_stats(const struct hs_listeners *ls, struct hs_listeners_stats *st);

#endif
