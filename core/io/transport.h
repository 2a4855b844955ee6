/* transport.h - a two-way byte stream to one peer: a plain socket, TLS over one, or memory in tests.
 * All calls on the loop's thread. A transport reports readiness; it never reads or writes by itself. */
#ifndef HS_IO_TRANSPORT_H
#define HS_IO_TRANSPORT_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "io/loop.h"
#include "misc/ec_sockaddr.h"

struct hs_transport;

struct hs_transport_ops {
    /* As read(2): bytes, 0 at the peer's end of stream, -1 with errno (EAGAIN; EINTR is handled inside). */
    ssize_t (*read)(struct hs_transport *t, void *buf, size_t n);
    /* As writev(2); more: further bytes follow at once (MSG_MORE). Never raises SIGPIPE. */
    ssize_t (*writev)(struct hs_transport *t, const struct iovec *iov, int iovcnt, bool more);
    /* Sends n bytes of fd from *off on, which moves; at most 2 MiB a call. 0: the file ends there. -1 with errno. The process must
     * ignore SIGPIPE (sendfile(2) cannot be told not to raise it). NULL in the table when the transport cannot (TLS): read and
     * write instead. */
    ssize_t (*sendfile)(struct hs_transport *t, int fd, off_t *off, size_t n);
    int (*shutdown_write)(struct hs_transport *t); /* half-close: FIN after what is written. 0 or errno */
    int (*set_interest)(struct hs_transport *t, unsigned mask); /* HS_READ|HS_WRITE|HS_CLOSED, or HS_RESET */
    /* Closes and frees; reset: with RST (SO_LINGER 0). No event comes after. */
    void (*close)(struct hs_transport *t, bool reset);
    int (*addr)(struct hs_transport *t, bool peer, struct sockaddr_storage *ss, socklen_t *len); /* 0 or errno */
    int (*fd)(struct hs_transport *t); /* the descriptor, to look at; NULL: there is none */
};

struct hs_transport {
    const struct hs_transport_ops *ops;
    struct hs_loop *loop;
    void (*on_event)(void *arg, unsigned events); /* what has come of it; may close the transport */
    void *arg;
    unsigned interest;
};

/* Takes the connected, non-blocking socket fd over (closed on error as well). 0 or ENOMEM. */
int hs_socket_transport_new(struct hs_loop *loop, int fd, struct hs_transport **out);

/* What is known of a connection beside its socket. */
struct hs_socket_known {
    const ec_sockaddr *peer, *local; /* both, or neither: these are its addresses, whatever the kernel says. Copied */
    hs_callback *closed;             /* called with arg when the transport closes; NULL: nobody is told */
    void *arg;
};
/* The same for a connection of which more is known. On error too closed is called. */
int hs_socket_transport_new_known(struct hs_loop *loop, int fd, const struct hs_socket_known *known, struct hs_transport **out);

/* A pair of connected in-memory transports for tests: what one writes the other reads. */
struct hs_memory_pair_options {
    size_t capacity;  /* bytes in flight each way before writev gives EAGAIN (default 65536) */
    size_t read_max;  /* at most this many bytes per read (0: no limit; 1: one-byte I/O) */
    size_t write_max; /* at most this many per writev */
};
int hs_memory_transport_pair(struct hs_loop *loop, const struct hs_memory_pair_options *o, struct hs_transport **a, struct hs_transport **b);
/* Fault injection on one end: its n-th read/write from now (1 = next) fails with err; n = 0 clears. */
void hs_memory_transport_fail(struct hs_transport *t, bool on_write, unsigned n, int err);

#endif
