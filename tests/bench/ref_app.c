/* ref_app.c - parsing and answering for the reference servers; see ref_app.h for what they are and are not. */
#include "ref_app.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
    SCRATCH_SIZE = 256 * 1024, /* one read takes at most this much */
    OUT_SIZE = 64 * 1024,      /* answers gathered before they are sent */
    HEAD_MAX = 16 * 1024,      /* a longer request head ends the connection */
    ANSWER_MAX = 512,          /* room for one head and a small body */
    PIECE_SIZE = 16 * 1024,
    STREAM_DEFAULT = 1024 * 1024,
    DATE_LENGTH = 29,
};

/* What is left of a request or an answer that could not be finished at once. */
struct ref_pending {
    char *in; /* bytes read and not yet looked at */
    size_t in_len;
    char *out; /* bytes answered and not yet taken by the kernel */
    size_t out_len, out_off;
    uint64_t stream_left; /* bytes of /stream still to be written */
    int file;             /* the file being sent, or -1 */
    off_t file_off, file_end;
};

static char scratch[SCRATCH_SIZE];
static char out[OUT_SIZE + ANSWER_MAX];
static size_t out_used;
static char piece[PIECE_SIZE];
static struct iovec pieces[64];
static unsigned gather = 1;
static int files_dir = -1;

static char hello[ANSWER_MAX];
static size_t hello_len, hello_date_at;
static char date[DATE_LENGTH + 1] = "Thu, 01 Jan 1970 00:00:00 GMT";
static time_t date_second;

void
ref_options_read(struct ref_options *options, int argc, char **argv)
{
    int letter;

    *options = (struct ref_options){.gather = 1};
    while ((letter = getopt(argc, argv, "d:g:")) != -1) {
        if (letter == 'd') {
            options->files = optarg;
        } else if (letter == 'g') {
            options->gather = (unsigned)strtoul(optarg, NULL, 10);
        } else {
            options->port = -1;
        }
    }
    if (options->port == 0 && optind == argc - 1) {
        options->port = atoi(argv[optind]);
    }
    if (options->port < 1 || options->port > 65535 || options->gather < 1 || options->gather > 64) {
        fprintf(stderr, "usage: %s [-d FILES] [-g PIECES] PORT\n", argv[0]);
        exit(2);
    }
}

int
ref_app_init(const struct ref_options *options)
{
    int printed;

    if (options->files != NULL) {
        files_dir = open(options->files, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (files_dir < 0) {
            return errno;
        }
    }
    gather = options->gather;
    memset(piece, 'x', sizeof piece);
    for (size_t i = 0; i < 64; i++) {
        pieces[i] = (struct iovec){.iov_base = piece, .iov_len = sizeof piece};
    }
    printed = snprintf(
        hello, sizeof hello,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\nDate: %s\r\n\r\nHello, World!", date);
    hello_len = (size_t)printed;
    hello_date_at = hello_len - 13 - 4 - DATE_LENGTH;
    ref_app_tick();
    return 0;
}

void
ref_app_tick(void)
{
    struct timespec now;
    struct tm fields;

    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec == date_second) {
        return;
    }
    date_second = now.tv_sec;
    gmtime_r(&date_second, &fields);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &fields);
    memcpy(hello + hello_date_at, date, DATE_LENGTH);
}

int
ref_listen(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    address.sin_port = htons((uint16_t)port);
    if (fd < 0) {
        return -1;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 4096) != 0) {
        int saved = errno;

        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

void
ref_conn_init(struct ref_conn *conn, int fd)
{
    *conn = (struct ref_conn){.fd = fd};
}

static void
pending_free(struct ref_conn *conn)
{
    struct ref_pending *pending = conn->pending;

    if (pending == NULL) {
        return;
    }
    if (pending->file >= 0) {
        close(pending->file);
    }
    free(pending->in);
    free(pending->out);
    free(pending);
    conn->pending = NULL;
}

void
ref_conn_fini(struct ref_conn *conn)
{
    pending_free(conn);
    close(conn->fd);
}

static struct ref_pending *
pending_get(struct ref_conn *conn)
{
    if (conn->pending == NULL) {
        conn->pending = calloc(1, sizeof *conn->pending);
        if (conn->pending != NULL) {
            conn->pending->file = -1;
        }
    }
    return conn->pending;
}

static bool
busy(const struct ref_conn *conn)
{
    const struct ref_pending *pending = conn->pending;

    return pending != NULL && (pending->out != NULL || pending->stream_left != 0 || pending->file >= 0);
}

/* Keeps a copy of what was not used. Returns false when memory ran out. */
static bool
keep(char **where, size_t *where_len, const char *bytes, size_t len)
{
    *where = malloc(len);
    if (*where == NULL) {
        return false;
    }
    memcpy(*where, bytes, len);
    *where_len = len;
    return true;
}

/* Sends what was gathered; keeps what the kernel does not take. False: the connection is broken. */
static bool
flush(struct ref_conn *conn, int flags)
{
    struct ref_pending *pending;
    ssize_t sent = send(conn->fd, out, out_used, flags | MSG_NOSIGNAL);
    size_t len = out_used;

    out_used = 0;
    if (sent < 0) {
        if (errno != EAGAIN) {
            return false;
        }
        sent = 0;
    }
    if ((size_t)sent == len) {
        return true;
    }
    pending = pending_get(conn);
    if (pending == NULL) {
        return false;
    }
    pending->out_off = 0;
    return keep(&pending->out, &pending->out_len, out + sent, len - (size_t)sent);
}

static void
answer(int status, const char *reason, const char *type, unsigned long long length, const char *body)
{
    int printed = snprintf(out + out_used, ANSWER_MAX,
                           "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %llu\r\nDate: %s\r\n\r\n%s", status,
                           reason, type, length, date, body);

    out_used += (size_t)printed;
}

static void
answer_not_found(void)
{
    answer(404, "Not Found", "text/plain", 10, "not found\n");
}

static void
answer_upload(unsigned total)
{
    char text[16];
    int printed = snprintf(text, sizeof text, "%u", total);

    answer(200, "OK", "text/plain", (unsigned long long)printed, text);
}

/* "GET /stream" is 1 MiB; "GET /stream/N" is N bytes. */
static bool
start_stream(struct ref_conn *conn, const char *rest)
{
    uint64_t length = *rest == '/' ? strtoull(rest + 1, NULL, 10) : STREAM_DEFAULT;
    struct ref_pending *pending = pending_get(conn);

    if (pending == NULL) {
        return false;
    }
    pending->stream_left = length;
    answer(200, "OK", "application/octet-stream", length, "");
    return true;
}

static bool
start_file(struct ref_conn *conn, const char *name)
{
    struct ref_pending *pending = pending_get(conn);
    char path[64];
    struct stat info;
    size_t len = strcspn(name, " /");

    if (pending == NULL) {
        return false;
    }
    if (len == 0 || len >= sizeof path || name[len] != ' ' || name[0] == '.') {
        answer_not_found();
        return true;
    }
    memcpy(path, name, len);
    path[len] = '\0';
    pending->file = openat(files_dir, path, O_RDONLY | O_CLOEXEC);
    if (pending->file < 0 || fstat(pending->file, &info) != 0) {
        answer_not_found();
        return true;
    }
    pending->file_off = 0;
    pending->file_end = info.st_size;
    answer(200, "OK", "application/octet-stream", (unsigned long long)info.st_size, "");
    return true;
}

/* Answers one request whose head is at `head`. False: the connection cannot go on. */
static bool
dispatch(struct ref_conn *conn, const char *head, size_t len)
{
    if (memcmp(head, "GET /hello ", 11) == 0) {
        memcpy(out + out_used, hello, hello_len);
        out_used += hello_len;
        return true;
    }
    if (memcmp(head, "POST /upload ", 13) == 0) {
        const char *field = memmem(head, len, "\r\nContent-Length: ", 18);

        conn->body_total = field != NULL ? (unsigned)strtoul(field + 18, NULL, 10) : 0;
        conn->body_left = conn->body_total;
        if (conn->body_left == 0) {
            answer_upload(0);
        }
        return true;
    }
    if (memcmp(head, "GET /stream", 11) == 0) {
        return start_stream(conn, head + 11);
    }
    if (memcmp(head, "GET /files/", 11) == 0) {
        return start_file(conn, head + 11);
    }
    answer_not_found();
    return true;
}

/* The end of the head that starts at `at`, or NULL: a line feed, and an empty line after it. */
static const char *
head_end(const char *at, const char *end)
{
    while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL && end - ++at >= 2) {
        if (at[0] == '\r' && at[1] == '\n') {
            return at + 2;
        }
    }
    return NULL;
}

/* Looks at the `len` bytes in scratch: requests are answered into `out` until one needs more than that. */
static bool
consume(struct ref_conn *conn, size_t len)
{
    size_t at = 0;

    while (at < len && !busy(conn)) {
        const char *end;
        size_t head_len;

        if (conn->body_left > 0) {
            size_t take = len - at < conn->body_left ? len - at : conn->body_left;

            at += take;
            conn->body_left -= (unsigned)take;
            if (conn->body_left == 0) {
                answer_upload(conn->body_total);
            }
            continue;
        }
        end = head_end(scratch + at, scratch + len);
        if (end == NULL) {
            break;
        }
        head_len = (size_t)(end - (scratch + at));
        if (head_len < 16 || !dispatch(conn, scratch + at, head_len)) {
            return false;
        }
        at += head_len;
        if (out_used > OUT_SIZE - ANSWER_MAX && !flush(conn, 0)) {
            return false;
        }
    }
    if (at < len) {
        struct ref_pending *pending = pending_get(conn);

        if (pending == NULL || (!busy(conn) && len - at > HEAD_MAX)) {
            return false;
        }
        return keep(&pending->in, &pending->in_len, scratch + at, len - at);
    }
    return true;
}

/* Each of these goes on until done or until the kernel takes no more: 1 done, 0 wait, -1 broken. */
static int
go_on_out(struct ref_conn *conn, struct ref_pending *pending)
{
    while (pending->out_off < pending->out_len) {
        ssize_t sent =
            send(conn->fd, pending->out + pending->out_off, pending->out_len - pending->out_off, MSG_NOSIGNAL);

        if (sent < 0) {
            return errno == EAGAIN ? 0 : -1;
        }
        pending->out_off += (size_t)sent;
    }
    free(pending->out);
    pending->out = NULL;
    return 1;
}

static int
go_on_stream(struct ref_conn *conn, struct ref_pending *pending)
{
    while (pending->stream_left > 0) {
        uint64_t want = (uint64_t)gather * PIECE_SIZE;
        ssize_t sent;

        if (want > pending->stream_left) {
            want = pending->stream_left;
        }
        if (want <= PIECE_SIZE) {
            sent = send(conn->fd, piece, want, MSG_NOSIGNAL);
        } else {
            struct msghdr message = {.msg_iov = pieces, .msg_iovlen = want / PIECE_SIZE};

            sent = sendmsg(conn->fd, &message, MSG_NOSIGNAL);
        }
        if (sent < 0) {
            return errno == EAGAIN ? 0 : -1;
        }
        pending->stream_left -= (uint64_t)sent;
    }
    return 1;
}

static int
go_on_file(struct ref_conn *conn, struct ref_pending *pending)
{
    while (pending->file_off < pending->file_end) {
        ssize_t sent =
            sendfile(conn->fd, pending->file, &pending->file_off, (size_t)(pending->file_end - pending->file_off));

        if (sent < 0) {
            return errno == EAGAIN ? 0 : -1;
        }
        if (sent == 0) {
            return -1; /* the file has shrunk */
        }
    }
    close(pending->file);
    pending->file = -1;
    return 1;
}

static int
go_on(struct ref_conn *conn)
{
    struct ref_pending *pending = conn->pending;
    int state = 1;

    if (pending->out != NULL) {
        state = go_on_out(conn, pending);
    }
    if (state == 1 && pending->stream_left > 0) {
        state = go_on_stream(conn, pending);
    }
    if (state == 1 && pending->file >= 0) {
        state = go_on_file(conn, pending);
    }
    return state;
}

/* Moves what was kept of the input back into scratch; returns its length. */
static size_t
unkeep(struct ref_conn *conn)
{
    struct ref_pending *pending = conn->pending;
    size_t len = 0;

    if (pending != NULL && pending->in != NULL) {
        len = pending->in_len;
        memcpy(scratch, pending->in, len);
        free(pending->in);
        pending->in = NULL;
        pending->in_len = 0;
    }
    return len;
}

/* Answers from the `len` bytes in scratch, and again from what was kept behind a stream or file that ended. */
static enum ref_want
work(struct ref_conn *conn, size_t len)
{
    while (len > 0) {
        if (!consume(conn, len)) {
            return REF_CLOSE;
        }
        len = 0;
        if (out_used > 0 && !flush(conn, busy(conn) ? MSG_MORE : 0)) {
            return REF_CLOSE;
        }
        if (conn->pending == NULL) {
            break;
        }
        if (busy(conn)) {
            int state = go_on(conn);

            if (state <= 0) {
                return state < 0 ? REF_CLOSE : REF_WRITE;
            }
            len = unkeep(conn);
        }
    }
    if (conn->pending != NULL && conn->pending->in == NULL) {
        pending_free(conn);
    }
    return REF_READ;
}

enum ref_want
ref_conn_readable(struct ref_conn *conn)
{
    size_t have = unkeep(conn);
    ssize_t got = recv(conn->fd, scratch + have, sizeof scratch - have, 0);

    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
            return REF_CLOSE;
        }
        if (have == 0) {
            return REF_READ;
        }
        got = 0;
    }
    return work(conn, have + (size_t)got);
}

enum ref_want
ref_conn_writable(struct ref_conn *conn)
{
    int state = conn->pending != NULL ? go_on(conn) : 1;

    if (state <= 0) {
        return state < 0 ? REF_CLOSE : REF_WRITE;
    }
    return work(conn, unkeep(conn));
}
