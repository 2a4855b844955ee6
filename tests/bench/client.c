/* client.c - connections, requests in rotation and answers for the load generators; see client.h. */
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    SCRATCH_SIZE = 256 * 1024,
    HELD_MAX = 16 * 1024, /* a longer head in an answer is an error */
    OPEN_AT_ONCE = 64,    /* connections opened before their first answers are awaited */
    PER_SOURCE = 20000,   /* connections from one source address, below the number of ephemeral ports */
    EVENTS_PER_TURN = 512,
    EFFORTS = 60, /* seconds without any event before a wait is given up */
};

/* Requests one after another, then again the first of them, so that a pipeline is always one stretch of bytes. */
static char *rotation;
static size_t *starts; /* of request i; starts[count] is the end of the last */
static unsigned count;
static char *opening;
static size_t opening_len;
static char scratch[SCRATCH_SIZE];

_Noreturn void
client_die(const char *what)
{
    fprintf(stderr, "client: %s%s%s\n", what, errno != 0 ? ": " : "", errno != 0 ? strerror(errno) : "");
    exit(1);
}

_Noreturn static void
protocol_error(const char *what)
{
    errno = 0;
    client_die(what);
}

uint64_t
client_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

void
client_options_read(struct client_options *options, int argc, char **argv, const char *more,
                    void (*other)(int letter, const char *value), const char *usage)
{
    char letters[32];
    int letter;
    bool good = true;

    *options = (struct client_options){.connections = 1, .pipeline = 1};
    snprintf(letters, sizeof letters, "c:p:r:f:%s", more);
    while ((letter = getopt(argc, argv, letters)) != -1) {
        switch (letter) {
        case 'c':
            options->connections = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'p':
            options->pipeline = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'r':
            options->requests = optarg;
            break;
        case 'f':
            options->first = optarg;
            break;
        case '?':
            good = false;
            break;
        default:
            other(letter, optarg);
            break;
        }
    }
    if (optind == argc - 1) {
        options->port = atoi(argv[optind]);
    }
    if (!good || options->port < 1 || options->port > 65535 || options->connections < 1 || options->pipeline < 1 ||
        options->requests == NULL) {
        fprintf(stderr, "usage: %s -r REQUESTS [-f FIRST] [-c CONNECTIONS] [-p PIPELINE] %s PORT\n", argv[0], usage);
        exit(2);
    }
}

/* --- requests --------------------------------------------------------------------------------------------------- */

static char *
read_file(const char *path, size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    char *bytes;

    if (fd < 0 || fstat(fd, &info) != 0) {
        client_die(path);
    }
    bytes = malloc((size_t)info.st_size + 1);
    if (bytes == NULL || read(fd, bytes, (size_t)info.st_size) != info.st_size) {
        client_die(path);
    }
    close(fd);
    *len = (size_t)info.st_size;
    bytes[*len] = '\0';
    return bytes;
}

/* The value of a field in a head that ends with an empty line, or NULL. */
static const char *
field(const char *head, const char *end, const char *name, size_t name_len)
{
    const char *line = memchr(head, '\n', (size_t)(end - head));

    while (line != NULL && (size_t)(end - ++line) > name_len) {
        if (((line[0] ^ name[0]) & 0xdf) == 0 && line[name_len] == ':' && strncasecmp(line, name, name_len) == 0) {
            line += name_len + 1;
            return line + strspn(line, " \t");
        }
        line = memchr(line, '\n', (size_t)(end - line));
    }
    return NULL;
}

/* The length of the request at the start of the bytes. */
static size_t
request_length(const char *bytes, size_t len)
{
    const char *end = memmem(bytes, len, "\r\n\r\n", 4);
    const char *length;
    size_t total;

    if (end == NULL) {
        protocol_error("a request in the file has no end");
    }
    end += 4;
    length = field(bytes, end, "Content-Length", 14);
    total = (size_t)(end - bytes) + (length != NULL ? strtoul(length, NULL, 10) : 0);
    if (total > len) {
        protocol_error("a request in the file is cut short");
    }
    return total;
}

static void
load_requests(const struct client_options *options)
{
    size_t len, at = 0, used, need;
    char *bytes = read_file(options->requests, &len);

    starts = malloc((len / 16 + 2) * sizeof *starts);
    if (starts == NULL) {
        client_die("memory");
    }
    for (count = 0; at < len; count++) {
        starts[count] = at;
        at += request_length(bytes + at, len - at);
    }
    if (count == 0) {
        protocol_error("no request in the file");
    }
    starts[count] = len;
    need = len;
    for (unsigned i = 0; i < options->pipeline; i++) {
        need += starts[i % count + 1] - starts[i % count];
    }
    rotation = malloc(need);
    if (rotation == NULL) {
        client_die("memory");
    }
    for (used = 0; used < need; used += used + len <= need ? len : need - used) {
        memcpy(rotation + used, bytes, used + len <= need ? len : need - used);
    }
    free(bytes);
    opening = rotation;
    opening_len = starts[1];
    if (options->first != NULL) {
        opening = read_file(options->first, &opening_len);
    }
}

/* The length in bytes of `number` requests of the rotation from request `first` on. */
static size_t
rotation_length(unsigned first, unsigned number)
{
    size_t len = (size_t)(number / count) * starts[count];
    unsigned last = first + number % count;

    return len + (last <= count ? starts[last] : starts[count] + starts[last - count]) - starts[first];
}

/* --- connections ------------------------------------------------------------------------------------------------ */

static void
connect_one(struct client *client, unsigned index)
{
    struct client_conn *conn = &client->conns[index];
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
    struct linger abortive = {.l_onoff = 1, .l_linger = 0}; /* leaves no TIME_WAIT behind, so ports do not run out */
    int one = 1;

    to.sin_port = htons((uint16_t)client->options.port);
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + index / PER_SOURCE);
    memset(conn, 0, sizeof *conn);
    conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (conn->fd < 0 || setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0 ||
        setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &abortive, sizeof abortive) != 0 ||
        setsockopt(conn->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one) != 0 ||
        (index >= PER_SOURCE && bind(conn->fd, (struct sockaddr *)&from, sizeof from) != 0) ||
        connect(conn->fd, (struct sockaddr *)&to, sizeof to) != 0 || fcntl(conn->fd, F_SETFL, O_NONBLOCK) != 0 ||
        epoll_ctl(client->loop, EPOLL_CTL_ADD, conn->fd, &event) != 0) {
        client_die("connect");
    }
}

static void push(struct client *client, struct client_conn *conn);

/* Opens the connection again; what the server has not answered is sent again (RFC 9112 9.3.1, 9.6). */
static void
reconnect(struct client *client, struct client_conn *conn)
{
    struct client_conn old = *conn;

    if (!old.answered) {
        protocol_error("the server closes connections without an answer");
    }
    close(conn->fd);
    free(old.held);
    connect_one(client, (unsigned)(conn - client->conns));
    conn->next = (old.next + count - old.in_flight % count) % count;
    conn->started = old.started;
    client->reconnects++;
    if (old.in_flight > 0) {
        client_send(client, conn, old.in_flight);
    }
}

static void
push(struct client *client, struct client_conn *conn)
{
    struct epoll_event event = {.data.ptr = conn};
    bool want_write;

    while (conn->out_left > 0) {
        ssize_t sent = send(conn->fd, conn->out, conn->out_left, MSG_NOSIGNAL);

        if (sent < 0) {
            if (errno == EAGAIN) {
                break;
            }
            client_die("send");
        }
        conn->out += sent;
        conn->out_left -= (size_t)sent;
    }
    want_write = conn->out_left > 0;
    if (want_write != conn->want_write) {
        event.events = want_write ? EPOLLIN | EPOLLOUT : EPOLLIN;
        if (epoll_ctl(client->loop, EPOLL_CTL_MOD, conn->fd, &event) != 0) {
            client_die("epoll_ctl");
        }
        conn->want_write = want_write;
    }
}

void
client_send(struct client *client, struct client_conn *conn, unsigned number)
{
    conn->out = rotation + starts[conn->next];
    conn->out_left = rotation_length(conn->next, number);
    conn->next = (conn->next + number) % count;
    conn->in_flight = number;
    push(client, conn);
}

/* --- answers ---------------------------------------------------------------------------------------------------- */

/* Appends to what is held of an unfinished head or line; the whole of it is then in conn->held. */
static void
hold(struct client_conn *conn, const char *bytes, size_t len)
{
    if (conn->held == NULL && (conn->held = malloc(HELD_MAX + 1)) == NULL) {
        client_die("memory");
    }
    if (conn->held_len + len > HELD_MAX) {
        protocol_error("the head of an answer is too long");
    }
    memcpy(conn->held + conn->held_len, bytes, len);
    conn->held_len += len;
    conn->held[conn->held_len] = '\0';
}

static void
release(struct client_conn *conn)
{
    free(conn->held);
    conn->held = NULL;
    conn->held_len = 0;
}

/* Looks at a whole head: sets the status, and in which state the connection goes on. */
static void
read_head(struct client *client, struct client_conn *conn, const char *head, const char *end)
{
    const char *value;

    if (end - head < 16 || memcmp(head, "HTTP/1.", 7) != 0) {
        protocol_error("an answer does not start with HTTP/1.");
    }
    client->head_bytes += (uint64_t)(end - head);
    conn->status = (uint16_t)strtoul(head + 9, NULL, 10);
    value = field(head, end, "Connection", 10);
    conn->closing = value != NULL && strncasecmp(value, "close", 5) == 0;
    if ((value = field(head, end, "Content-Length", 14)) != NULL) {
        conn->reply = REPLY_LENGTH;
        conn->left = strtoull(value, NULL, 10);
    } else if ((value = field(head, end, "Transfer-Encoding", 17)) != NULL && strncasecmp(value, "chunked", 7) == 0) {
        conn->reply = REPLY_CHUNK_SIZE;
    } else if (conn->status == 204 || conn->status == 304) {
        conn->reply = REPLY_LENGTH;
        conn->left = 0;
    } else {
        protocol_error("an answer has neither Content-Length nor chunks");
    }
}

/* Takes the head of an answer; returns the bytes used. */
static size_t
feed_head(struct client *client, struct client_conn *conn, const char *bytes, size_t len)
{
    const char *end;
    size_t before = conn->held_len;

    if (before == 0) {
        end = memmem(bytes, len, "\r\n\r\n", 4);
        if (end != NULL) {
            read_head(client, conn, bytes, end + 4);
            return (size_t)(end - bytes) + 4;
        }
        hold(conn, bytes, len);
        return len;
    }
    hold(conn, bytes, len > HELD_MAX - before ? HELD_MAX - before : len);
    end = memmem(conn->held, conn->held_len, "\r\n\r\n", 4);
    if (end != NULL) {
        size_t total = (size_t)(end - conn->held) + 4;

        read_head(client, conn, conn->held, end + 4);
        release(conn);
        return total - before;
    }
    if (conn->held_len == HELD_MAX) {
        protocol_error("the head of an answer is too long");
    }
    return len;
}

/* Takes a line of chunked framing: the empty one after a chunk, a size, or a trailer; returns the bytes used. */
static size_t
feed_line(struct client_conn *conn, const char *bytes, size_t len, bool *ended)
{
    const char *end = memchr(bytes, '\n', len);
    size_t used = end != NULL ? (size_t)(end - bytes) + 1 : len;
    bool empty;

    hold(conn, bytes, used);
    if (end == NULL) {
        return used;
    }
    empty = conn->held[0] == '\r' || conn->held[0] == '\n';
    if (conn->reply == REPLY_TRAILER) {
        *ended = empty;
    } else if (!empty) {
        conn->left = strtoull(conn->held, NULL, 16);
        conn->reply = conn->left > 0 ? REPLY_CHUNK_DATA : REPLY_TRAILER;
    }
    release(conn);
    return used;
}

/* An answer is complete. Returns whether the connection is still the one that it came on. */
static bool
ended(struct client *client, struct client_conn *conn, uint64_t now)
{
    bool closing = conn->closing;

    conn->reply = REPLY_HEAD;
    conn->answered = 1;
    conn->in_flight--;
    client->replies++;
    client->not_ok += conn->status != 200;
    if (closing) {
        reconnect(client, conn);
    }
    client->on_reply(client, conn, now);
    return !closing;
}

static void
feed(struct client *client, struct client_conn *conn, const char *bytes, size_t len, uint64_t now)
{
    while (len > 0) {
        size_t used = 0;
        bool end = false;

        if (conn->in_flight == 0) {
            protocol_error("bytes came that nobody asked for");
        }
        switch ((enum reply_state)conn->reply) {
        case REPLY_HEAD:
            used = feed_head(client, conn, bytes, len);
            end = conn->reply == REPLY_LENGTH && conn->left == 0;
            break;
        case REPLY_LENGTH:
        case REPLY_CHUNK_DATA:
            used = len < conn->left ? len : conn->left;
            conn->left -= used;
            client->body_bytes += used;
            if (conn->left == 0 && conn->reply == REPLY_CHUNK_DATA) {
                conn->reply = REPLY_CHUNK_SIZE;
            } else {
                end = conn->left == 0;
            }
            break;
        case REPLY_CHUNK_SIZE:
        case REPLY_TRAILER:
            used = feed_line(conn, bytes, len, &end);
            break;
        }
        bytes += used;
        len -= used;
        if (end && !ended(client, conn, now)) {
            return;
        }
    }
}

static void
readable(struct client *client, struct client_conn *conn)
{
    ssize_t got = recv(conn->fd, scratch, sizeof scratch, 0);

    if (got > 0) {
        feed(client, conn, scratch, (size_t)got, client_now());
        return;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (conn->reply != REPLY_HEAD || conn->held_len > 0) {
        client_die("the server closed a connection in the middle of an answer");
    }
    reconnect(client, conn);
}

void
client_poll(struct client *client, int64_t timeout_ns)
{
    struct epoll_event events[EVENTS_PER_TURN];
    struct timespec limit = {.tv_sec = EFFORTS};
    int ready;

    if (timeout_ns >= 0) {
        limit = (struct timespec){.tv_sec = timeout_ns / 1000000000, .tv_nsec = timeout_ns % 1000000000};
    }
    ready = epoll_pwait2(client->loop, events, EVENTS_PER_TURN, &limit, NULL);
    if (ready < 0 && errno != EINTR) {
        client_die("epoll_wait");
    }
    if (ready == 0 && timeout_ns < 0) {
        protocol_error("no answer for a minute");
    }
    for (int i = 0; i < ready; i++) {
        struct client_conn *conn = events[i].data.ptr;

        if (conn->out_left > 0 && (events[i].events & EPOLLOUT) != 0) {
            push(client, conn);
        }
        if ((events[i].events & ~(uint32_t)EPOLLOUT) != 0) {
            readable(client, conn);
        }
    }
}

static void
on_first_reply(struct client *client, struct client_conn *conn, uint64_t now)
{
    (void)client;
    (void)conn;
    (void)now;
}

void
client_open(struct client *client, const struct client_options *options)
{
    void (*on_reply)(struct client *, struct client_conn *, uint64_t) = client->on_reply;

    load_requests(options);
    client->options = *options;
    client->conns = calloc(options->connections, sizeof *client->conns);
    client->loop = epoll_create1(EPOLL_CLOEXEC);
    if (client->conns == NULL || client->loop < 0) {
        client_die("open");
    }
    client->on_reply = on_first_reply;
    for (unsigned i = 0; i < options->connections; i++) {
        struct client_conn *conn = &client->conns[i];

        connect_one(client, i);
        conn->next = i % count;
        conn->out = opening;
        conn->out_left = opening_len;
        conn->in_flight = 1;
        push(client, conn);
        while (client->replies + OPEN_AT_ONCE < i + 1 || (i + 1 == options->connections && client->replies < i + 1)) {
            client_poll(client, -1);
        }
    }
    client->on_reply = on_reply;
}

void
client_counters_reset(struct client *client)
{
    client->replies = client->not_ok = client->reconnects = client->head_bytes = client->body_bytes = 0;
}

void
client_print_json(const struct client *client)
{
    printf("\"requests\": %llu, \"not_ok\": %llu, \"reconnects\": %llu, \"head_bytes\": %llu, \"body_bytes\": %llu",
           (unsigned long long)client->replies, (unsigned long long)client->not_ok,
           (unsigned long long)client->reconnects, (unsigned long long)client->head_bytes,
           (unsigned long long)client->body_bytes);
}
