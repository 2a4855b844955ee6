/* control.c - the control socket: accepts, reads one command from each connection, writes frames.
 *
 * A call is in one of these states; its connection may be gone (fd -1) in RUNNING only.
 *
 *   READING --words--> RUNNING --end--> ENDING --all written--> (freed)
 *      `--bad, late, closed--> (freed)      `--client takes nothing--> (freed)
 *
 * Nothing is freed within a call of its own watch but at its very end, and hs_control_end never closes a connection that still has output: the
 * watch does that. */
#include "server/control.h"

#include <assert.h>
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "server/control_frame.h"
#include "server/unix_socket.h"

enum { BACKLOG = 64 };
#define ACCEPT_PAUSE (100 * HS_MSEC)

enum call_state { CALL_READING, CALL_RUNNING, CALL_ENDING };

struct hs_control_call {
    TAILQ_ENTRY(hs_control_call) link;
    struct hs_control *control; /* NULL once that has been freed */
    enum call_state state;
    int fd; /* -1: the client is gone */
    struct hs_watch watch;
    struct hs_timer timer;
    struct hs_buf in, out;
    size_t written; /* of out */
    char **argv;    /* point into in */
    int argc;
    bool busy; /* run is on the stack */
    bool over; /* to be freed when it has returned */
    hs_callback *gone;
    void *gone_arg;
};

struct hs_control {
    struct hs_loop *loop;
    int fd;
    struct hs_unix_file file;
    struct hs_watch watch;
    struct hs_timer pause; /* accepting, for want of descriptors */
    TAILQ_HEAD(, hs_control_call) calls;
    size_t n;
    hs_control_func *run;
    void *arg;
};

static void look_for_more(struct hs_control *c);

/* --- the end of a connection --- */

static void
close_connection(struct hs_control_call *call)
{
    if (call->fd >= 0) {
        (void)hs_watch_set(&call->watch, 0);
        hs_timer_cancel(&call->timer);
        (void)close(call->fd);
        call->fd = -1;
    }
}

static void
call_free(struct hs_control_call *call)
{
    struct hs_control *c = call->control;

    close_connection(call);
    if (c != NULL) {
        TAILQ_REMOVE(&c->calls, call, link);
        c->n--;
        look_for_more(c);
    }
    hs_buf_fini(&call->in);
    hs_buf_fini(&call->out);
    free(call->argv);
    free(call);
}

/* Nobody is there any more. The call may be freed on return. */
static void
client_gone(struct hs_control_call *call)
{
    close_connection(call);
    if (call->state != CALL_RUNNING) {
        call_free(call);
        return;
    }
    hs_callback *fn = call->gone;
    call->gone = NULL;
    hs_buf_fini(&call->out);
    call->written = 0;
    if (fn != NULL) {
        fn(call->gone_arg);
    }
}

static void
too_late(void *arg)
{
    client_gone(arg);
}

/* --- writing --- */

/* Sends what it can. 0, EAGAIN: something is left, or another error of the connection. */
static int
send_out(struct hs_control_call *call)
{
    while (call->written < call->out.len) {
        ssize_t r = send(call->fd, call->out.p + call->written, call->out.len - call->written, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (r < 0 && errno == EINTR) {
            continue;
        }
        if (r < 0) {
            return errno;
        }
        call->written += (size_t)r;
    }
    hs_buf_clear(&call->out);
    call->written = 0;
    return 0;
}

/* What the watch is to look for now. False: out of memory. */
static bool
arm(struct hs_control_call *call)
{
    const unsigned reading = call->state == CALL_ENDING ? 0 : HS_READ;
    const unsigned writing = call->written < call->out.len ? HS_WRITE : 0;

    return hs_watch_set(&call->watch, reading | writing) == 0;
}

/* Appends a frame. 0 or ENOMEM, EMSGSIZE. */
static int
append_frame(struct hs_control_call *call, char kind, const void *data, size_t n)
{
    char head[HS_CONTROL_FRAME_HEAD];

    if (call->written != 0 && call->written == call->out.len) {
        hs_buf_clear(&call->out);
        call->written = 0;
    } else if (call->written > HS_CONTROL_REQUEST_MAX) {
        hs_buf_consume(&call->out, call->written);
        call->written = 0;
    }
    hs_control_frame_head(head, kind, (uint32_t)n);
    int err = hs_buf_reserve(&call->out, sizeof head + n);
    if (err == 0) {
        (void)hs_buf_append(&call->out, head, sizeof head);
        (void)hs_buf_append(&call->out, data, n);
    }
    return err;
}

void
hs_control_write(struct hs_control_call *call, enum hs_control_stream stream, const void *data, size_t n)
{
    if (call->fd < 0 || n == 0) {
        return;
    }
    assert(call->state == CALL_RUNNING);
    int err = n > HS_CONTROL_OUTPUT_MAX ? EMSGSIZE : append_frame(call, (char)stream, data, n);
    if (err == 0) {
        err = send_out(call);
    }
    if ((err != 0 && err != EAGAIN) || !arm(call)) {
        /* The watch finds it closed and tells the command, which is on the stack now. */
        hs_log(HS_LOG_DEBUG, "control: a client is cut off: %s", err != 0 ? strerror(err) : "out of memory");
        (void)shutdown(call->fd, SHUT_RDWR);
        hs_buf_clear(&call->out);
        call->written = 0;
    }
}

void
hs_control_printf(struct hs_control_call *call, enum hs_control_stream stream, const char *fmt, ...)
{
    struct hs_buf b;
    va_list ap;

    hs_buf_init(&b, HS_CONTROL_OUTPUT_MAX);
    va_start(ap, fmt);
    if (hs_buf_vprintf(&b, fmt, ap) == 0) {
        hs_control_write(call, stream, b.p, b.len);
    }
    va_end(ap);
    hs_buf_fini(&b);
}

void
hs_control_end(struct hs_control_call *call, int status)
{
    const unsigned char byte = (unsigned char)status;

    assert(call->state == CALL_RUNNING && !call->over);
    call->gone = NULL;
    if (call->fd >= 0) {
        int err = append_frame(call, 'X', &byte, 1);
        call->state = CALL_ENDING;
        if (err == 0) {
            err = send_out(call);
        }
        if (err == EAGAIN && hs_timer_set(&call->timer, HS_CONTROL_ENDING_TIME) == 0 && arm(call)) {
            return;
        }
    }
    call->over = call->busy;
    if (!call->busy) {
        call_free(call);
    }
}

/* --- reading --- */

/* Splits the words. 0; EBADMSG: there are none, or the last has no end; E2BIG; ENOMEM. */
static int
split_words(struct hs_control_call *call)
{
    char *p = call->in.p + HS_CONTROL_HEAD;
    char *end = call->in.p + call->in.len;
    size_t n = 0;

    if (p == end || end[-1] != '\0') {
        return EBADMSG;
    }
    for (char *q = p; q < end; q++) {
        n += *q == '\0';
    }
    if (n > HS_CONTROL_WORDS_MAX) {
        return E2BIG;
    }
    call->argv = calloc(n + 1, sizeof *call->argv);
    if (call->argv == NULL) {
        return ENOMEM;
    }
    for (; p < end; p += strlen(p) + 1) {
        call->argv[call->argc++] = p;
    }
    return 0;
}

/* How many bytes the request has that has come so far; 0: it is none of ours. */
static size_t
request_size(const struct hs_buf *in)
{
    const size_t magic = strlen(HS_CONTROL_MAGIC);

    if (in->len != 0 && memcmp(in->p, HS_CONTROL_MAGIC, in->len < magic ? in->len : magic) != 0) {
        return 0;
    }
    if (in->len < HS_CONTROL_HEAD) {
        return HS_CONTROL_HEAD;
    }
    const uint32_t n = hs_control_get32(in->p + magic);
    return n == 0 || n > HS_CONTROL_REQUEST_MAX ? 0 : HS_CONTROL_HEAD + n;
}

/* Reads what is missing of the request, and no more. 0: it is complete; EAGAIN; else the connection is over. */
static int
read_request(struct hs_control_call *call)
{
    for (;;) {
        const size_t size = request_size(&call->in);
        if (size == 0) {
            return EBADMSG;
        }
        if (call->in.len == size && size > HS_CONTROL_HEAD) {
            return 0;
        }
        int err = hs_buf_reserve(&call->in, size - call->in.len);
        if (err != 0) {
            return err;
        }
        ssize_t r = recv(call->fd, call->in.p + call->in.len, size - call->in.len, MSG_DONTWAIT);
        if (r == 0) {
            return ECONNRESET;
        }
        if (r < 0 && errno != EINTR) {
            return errno;
        }
        call->in.len += r > 0 ? (size_t)r : 0;
    }
}

static void
run(struct hs_control_call *call)
{
    struct hs_control *c = call->control;

    hs_timer_cancel(&call->timer);
    call->state = CALL_RUNNING;
    call->busy = true;
    c->run(c->arg, call);
    call->busy = false;
    if (call->over) {
        call_free(call);
    }
}

static void
on_readable(struct hs_control_call *call)
{
    char c;

    if (call->state == CALL_RUNNING) {
        ssize_t r = recv(call->fd, &c, 1, MSG_DONTWAIT);
        if (r >= 0 || (errno != EAGAIN && errno != EINTR)) {
            client_gone(call);
        }
        return;
    }
    int err = read_request(call);
    if (err == 0) {
        err = split_words(call);
    }
    if (err == 0) {
        run(call);
    } else if (err != EAGAIN) {
        client_gone(call);
    }
}

static void
on_event(void *arg, unsigned events)
{
    struct hs_control_call *call = arg;

    if ((events & HS_WRITE) != 0) {
        int err = send_out(call);
        if (call->state == CALL_ENDING && err == 0) {
            call_free(call);
            return;
        }
        if ((err != 0 && err != EAGAIN) || !arm(call)) {
            client_gone(call);
            return;
        }
        if (call->state == CALL_ENDING) {
            (void)hs_timer_set(&call->timer, HS_CONTROL_ENDING_TIME); /* it is pending: nothing is allocated */
        }
    }
    if ((events & HS_READ) != 0 && call->state != CALL_ENDING) {
        on_readable(call);
    }
}

/* --- accepting --- */

/* Whether the peer is our own user, or root. */
static bool
is_trusted(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0) {
        return false;
    }
    if (peer.uid != 0 && peer.uid != geteuid()) {
        hs_log(HS_LOG_WARN, "control: refused process %ld of user %ld", (long)peer.pid, (long)peer.uid);
        return false;
    }
    return true;
}

static void
take(struct hs_control *c, int fd)
{
    struct hs_control_call *call = is_trusted(fd) ? calloc(1, sizeof *call) : NULL;

    if (call == NULL) {
        (void)close(fd);
        return;
    }
    call->control = c;
    call->fd = fd;
    hs_buf_init(&call->in, HS_CONTROL_HEAD + HS_CONTROL_REQUEST_MAX);
    hs_buf_init(&call->out, HS_CONTROL_OUTPUT_MAX + 2 * (size_t)HS_CONTROL_REQUEST_MAX);
    hs_watch_init(&call->watch, c->loop, fd, on_event, call);
    hs_timer_init(&call->timer, c->loop, too_late, call);
    TAILQ_INSERT_TAIL(&c->calls, call, link);
    c->n++;
    if (hs_timer_set(&call->timer, HS_CONTROL_REQUEST_TIME) != 0 || !arm(call)) {
        call_free(call);
    }
}

static void
pause_over(void *arg)
{
    look_for_more(arg);
}

static void
on_connection(void *arg, unsigned events)
{
    struct hs_control *c = arg;

    (void)events;
    int fd = accept4(c->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        take(c, fd);
    } else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
        hs_log(HS_LOG_WARN, "control: cannot accept: %s", strerror(errno));
        (void)hs_watch_set(&c->watch, 0);
        (void)hs_timer_set(&c->pause, ACCEPT_PAUSE);
        return;
    }
    look_for_more(c);
}

/* Accepts while there is room. */
static void
look_for_more(struct hs_control *c)
{
    if (c->fd >= 0 && hs_watch_set(&c->watch, c->n < HS_CONTROL_CALLS_MAX ? HS_READ : 0) != 0) {
        (void)hs_timer_set(&c->pause, ACCEPT_PAUSE);
    }
}

/* --- making --- */

/* Whether nobody else can put something else in the place of the socket. 0, EPERM, errors of stat(2). */
static int
check_directory(const char *path)
{
    char copy[sizeof((struct hs_unix_file){ 0 }.path)];
    struct stat st;

    strcpy(copy, path);
    if (stat(dirname(copy), &st) != 0) {
        return errno;
    }
    return st.st_uid == geteuid() && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0 ? 0 : EPERM;
}

/* Binds and listens. 0 or errno. */
static int
open_socket(struct hs_control *c, const char *path)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };

    strcpy(a.sun_path, path);
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) {
        return errno;
    }
    /* The file gets the mode that its socket has: it is never open to others. */
    if (fchmod(c->fd, S_IRUSR | S_IWUSR) != 0) {
        return errno;
    }
    return hs_unix_listen(c->fd, &a, sizeof a, BACKLOG, 0600, &c->file);
}

int
hs_control_new(struct hs_loop *loop, const char *path, hs_control_func *fn, void *arg, struct hs_control **out)
{
    if (*path == '\0' || strlen(path) >= sizeof((struct sockaddr_un){ 0 }).sun_path) {
        return EINVAL;
    }
    int err = check_directory(path);
    if (err != 0) {
        return err;
    }
    struct hs_control *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return ENOMEM;
    }
    c->loop = loop;
    c->run = fn;
    c->arg = arg;
    TAILQ_INIT(&c->calls);
    hs_timer_init(&c->pause, loop, pause_over, c);
    err = open_socket(c, path);
    hs_watch_init(&c->watch, loop, c->fd, on_connection, c);
    if (err == 0) {
        err = hs_watch_set(&c->watch, HS_READ);
    }
    if (err != 0) {
        hs_control_free(c);
        return err;
    }
    *out = c;
    return 0;
}

void
hs_control_retire(struct hs_control *c)
{
    hs_unix_remove(&c->file);
    (void)hs_watch_set(&c->watch, 0);
    hs_timer_cancel(&c->pause);
    if (c->fd >= 0) {
        (void)close(c->fd);
        c->fd = -1;
    }
}

void
hs_control_free(struct hs_control *c)
{
    struct hs_control_call *call;

    if (c == NULL) {
        return;
    }
    hs_control_retire(c);
    while ((call = TAILQ_FIRST(&c->calls)) != NULL) {
        TAILQ_REMOVE(&c->calls, call, link);
        call->control = NULL;
        client_gone(call);
    }
    free(c);
}

void
hs_control_disown(struct hs_control *c)
{
    c->file.path[0] = '\0';
}

const char *
hs_control_path(const struct hs_control *c)
{
    return c->file.path;
}

size_t
hs_control_connections(const struct hs_control *c)
{
    return c->n;
}

int
hs_control_argc(const struct hs_control_call *call)
{
    return call->argc;
}

char *const *
hs_control_argv(const struct hs_control_call *call)
{
    return call->argv;
}

void
hs_control_on_gone(struct hs_control_call *call, hs_callback *fn, void *arg)
{
    call->gone = fn;
    call->gone_arg = arg;
}

bool
hs_control_is_gone(const struct hs_control_call *call)
{
    return call->fd < 0;
}
