/* admin.h - the admin listener: metrics, status, health and the live page, over HTTP, apart from what the server serves.
 * It is the project's own HTTP core once more, with C handlers, on the loop of whoever opens it: a master, or the one process. Nothing that it is asked changes
 * anything, nothing waits for a worker, and what clients can make grow is bounded (HS_ADMIN_CONNECTIONS_MAX, admin_events.h).
 *
 *   GET /metrics   what is counted, for Prometheus            GET /health   200 as long as the process lives
 *   GET /status    the same and more, as JSON                 GET /ready    200 while requests are welcome, else 503
 *   GET /          the live page                              GET /events   its stream of events
 *
 * Who may ask: over a unix socket, which only its owner can connect to, whoever can connect. Over TCP whoever can reach the address; pages of other sites
 * in a browser cannot: the request must name an address, "localhost" or this machine in Host (so no name of the site's own leads here), and is refused when
 * the browser says that it comes from another site. The thread of the loop. */
#ifndef HS_SERVER_ADMIN_H
#define HS_SERVER_ADMIN_H

#include "io/loop.h"
#include "server/inherited.h"
#include "server/oversight.h"

enum { HS_ADMIN_CONNECTIONS_MAX = 128 };

struct hs_admin;

/* Listens at an address (as hs_listen_options_parse takes it, with no option but mode and backlog); the file of a unix socket has mode 0600 when none is
 * named. o and what it points to stay as long. 0; EPERM: the directory of
 * the unix socket belongs to another user or others can write to it; EINVAL, EADDRINUSE, EEXIST and other errors as hs_listen_socket_open; ENOMEM. */
int hs_admin_new(struct hs_loop *loop, const char *address, const struct hs_oversight *o, struct hs_admin **out);
/* Closes everything. ours: removes the file of the unix socket, which is the opener's to do, not its children's. NULL is ignored. Not from within a handler
 * of its own. */
void hs_admin_free(struct hs_admin *a, bool ours);
/* Another process has taken over the same socket (hs_admin_socket): what waits in its queue is that one's, its file too. Connections that there are get answers still
 * and are closed then; streams of events end. Not from within a handler of its own. */
void hs_admin_retire(struct hs_admin *a);
/* The socket that it listens at, for a process that is to take its place, and the key under which that one finds it. Borrowed; -1 after hs_admin_retire. */
int hs_admin_socket(const struct hs_admin *a, char *key, size_t size);
/* Where it listens, with the port that it really has. Borrowed. */
const char *hs_admin_address(const struct hs_admin *a);
/* Whether a value of Host may be answered over TCP: an IP address, "localhost", or hostname, each with or without a port. Any thread. */
bool hs_admin_host_allowed(struct hs_view host, struct hs_view hostname);

/* Opens the admin listener of a server. setting: "admin"; "none" (or "false"): there shall be none, *out is NULL; NULL: beside the control socket
 * (control: its path, NULL: where that would be) when use_default, which does without if that cannot be had. inherited: where the socket may be that a former process has had
 * there; NULL: nowhere. 0; an errno value, with why (size bytes) for people. */
int hs_admin_open(struct hs_loop *loop, const char *setting, const char *control, bool use_default, struct hs_inherited *inherited,
                  const struct hs_oversight *o, struct hs_admin **out, char *why, size_t size);

#endif
