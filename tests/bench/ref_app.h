/* ref_app.h - what the two reference servers answer, without their event loops.
 *
 * The reference servers are the limit that a server in Lua is compared with: they read requests, look at no more of
 * them than they must, and write answers. No Lua, no routing table, no header parsing beyond Content-Length. They are
 * for the benchmark on loopback and trust their peer to speak HTTP/1.1; they are not servers to be put anywhere else.
 *
 * An idle connection owns no buffer: requests are read into one scratch buffer of the process, and what could not be
 * finished (half a head, an answer that the kernel did not take whole) is kept in memory that exists only until then.
 *
 * Everything here belongs to the one thread of the loop.
 */
#ifndef HTTPSRV_BENCH_REF_APP_H
#define HTTPSRV_BENCH_REF_APP_H

#include <stdint.h>

/* What a connection wants of its loop next. */
enum ref_want {
    REF_CLOSE, /* the connection is over: call ref_conn_fini() and forget it */
    REF_READ,  /* tell when it is readable */
    REF_WRITE, /* tell when it is writable, and do not read meanwhile */
};

struct ref_pending;

struct ref_conn {
    int fd;                      /* the connected, non-blocking socket; owned */
    unsigned body_total;         /* bytes in the request body being read */
    unsigned body_left;          /* of these, still to come */
    struct ref_pending *pending; /* what could not be finished, or NULL */
};

/* The options that both servers take. */
struct ref_options {
    int port;          /* TCP port on 127.0.0.1 */
    const char *files; /* the directory served under /files/, or NULL */
    unsigned gather;   /* 16 KiB pieces of a stream that one write carries, 1 to 64 */
};

/* Reads the command line: PORT [-d DIR] [-g PIECES]. Ends the process with a usage text when it makes no sense. */
void ref_options_read(struct ref_options *options, int argc, char **argv);

/* Prepares the answers. Returns 0 or the errno of opening the files' directory or of allocating. */
int ref_app_init(const struct ref_options *options);

/* Renews the Date field when the second has changed; call once per turn of the loop. */
void ref_app_tick(void);

/* A non-blocking listening socket on 127.0.0.1:port with TCP_NODELAY for what it accepts (tcp(7)); -1 with errno. */
int ref_listen(int port);

/* Starts a connection on fd, which it owns from here on. */
void ref_conn_init(struct ref_conn *conn, int fd);

/* The socket is readable, or writable: does what can be done now and says what to wait for. */
enum ref_want ref_conn_readable(struct ref_conn *conn);
enum ref_want ref_conn_writable(struct ref_conn *conn);

/* Closes the socket and frees what was pending. */
void ref_conn_fini(struct ref_conn *conn);

#endif
