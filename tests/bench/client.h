/* client.h - the HTTP/1.1 client that the benchmark's load generators share.
 *
 * A client holds a number of connections to 127.0.0.1:port and sends requests that were written down in a file, byte
 * for byte, in rotation. Answers are parsed for their end (Content-Length or chunked) and their status; bodies are
 * counted and thrown away. A connection that the server closes between answers is opened again and what it left
 * unanswered sent again; one that it closes in the middle of an answer, or before any, ends the process, as does every
 * other failure: a measurement with errors is none.
 *
 * One thread. The memory lives as long as the process.
 */
#ifndef HTTPSRV_BENCH_CLIENT_H
#define HTTPSRV_BENCH_CLIENT_H

#include <stddef.h>
#include <stdint.h>

struct client;

/* Where in an answer a connection is. */
enum reply_state { REPLY_HEAD, REPLY_LENGTH, REPLY_CHUNK_SIZE, REPLY_CHUNK_DATA, REPLY_TRAILER };

struct client_conn {
    int fd;
    uint8_t want_write; /* registered for EPOLLOUT */
    uint8_t reply;      /* enum reply_state */
    uint8_t closing;    /* the answer being read said Connection: close */
    uint8_t answered;   /* an answer has come since the connection was opened */
    uint16_t status;    /* of the answer being read */
    unsigned next;      /* the request of the rotation that comes next */
    unsigned in_flight; /* requests sent whose answers have not ended */
    const char *out;    /* bytes still to be sent, within the client's requests */
    size_t out_left;
    uint64_t left; /* bytes of the body or chunk still to come */
    char *held;    /* part of a head, or of a chunked framing line, read so far */
    size_t held_len;
    uint64_t started; /* free for the user: when the request was sent, or should have been */
};

struct client_options {
    int port;
    unsigned connections;
    unsigned pipeline;    /* requests sent at once, 1 and more */
    const char *requests; /* file with the requests of the rotation, one after another */
    const char *first;    /* file with the request that opens each connection, or NULL for the rotation's first */
};

struct client {
    struct client_options options;
    struct client_conn *conns;
    int loop; /* the epoll descriptor */
    uint64_t replies, not_ok, reconnects;
    uint64_t head_bytes, body_bytes;
    void *arg; /* for the callback */
    /* One answer has ended on conn at now (ns); may call client_send(). */
    void (*on_reply)(struct client *client, struct client_conn *conn, uint64_t now);
};

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t client_now(void);

/* Reads "-c CONNECTIONS -p PIPELINE -r REQUESTS -f FIRST PORT" and the letters in `more`, which `other` is told of
 * with their arguments. Ends the process with `usage` when it makes no sense. */
void client_options_read(struct client_options *options, int argc, char **argv, const char *more,
                         void (*other)(int letter, const char *value), const char *usage);

/* Loads the requests, opens the connections and sees one answer on each. */
void client_open(struct client *client, const struct client_options *options);

/* Sends the next `count` requests of the rotation, at most options.pipeline; none may be in flight on conn. */
void client_send(struct client *client, struct client_conn *conn, unsigned count);

/* Handles what happens within timeout_ns (0: only what already has; negative: whatever comes first). */
void client_poll(struct client *client, int64_t timeout_ns);

/* Sets the counters to zero. */
void client_counters_reset(struct client *client);

/* Prints the counters as members of a JSON object, without a comma at either end. */
void client_print_json(const struct client *client);

/* Prints a message for the failure of `what` and ends the process with status 1. */
_Noreturn void client_die(const char *what);

#endif
