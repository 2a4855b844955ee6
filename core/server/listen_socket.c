/* listen_socket.c - sockets that listen: bound, named, and with the options that accepted sockets inherit.
 *
 * SO_REUSEPORT lets any process of the same user join an address without an error, and half of the connections then go to a server that
 * was forgotten somewhere. So an address is first bound without it, which fails while anybody listens there, and only then shared. */
#include "server/listen_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A peer that has been silent for so long as its listener says is asked so often and so many times before its connection is given up. */
enum { PROBE_SECONDS = 10, PROBES = 6 };

static int
set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value) == 0 ? 0 : errno;
}

/* A new TCP socket bound to the address. SO_REUSEADDR: connections of a former server in TIME_WAIT are not in the way. */
static int
bind_tcp(const ec_sockaddr *a, bool shared, int *out)
{
    int fd = socket(a->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return errno;
    }
    int err = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (err == 0 && shared) {
        err = set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    }
    if (err == 0 && a->sa.sa_family == AF_INET6) {
        err = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1); /* "[::]:80" and "0.0.0.0:80" side by side */
    }
    if (err == 0) {
        err = bind(fd, &a->sa, a->len) == 0 ? 0 : errno;
    }
    if (err != 0) {
        (void)close(fd);
        return err;
    }
    *out = fd;
    return 0;
}

/* What accepted sockets inherit. What a kernel cannot do of it is done without. */
static void
set_tcp_options(int fd, const struct hs_listen_options *o)
{
    (void)set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    (void)set_option(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, o->defer);
    (void)set_option(fd, SOL_SOCKET, SO_KEEPALIVE, o->probe != 0);
    if (o->probe != 0) {
        (void)set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, o->probe);
        (void)set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, PROBE_SECONDS);
        (void)set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, PROBES);
    }
}

static int
listen_tcp(int fd, const struct hs_listen_options *o, int backlog)
{
    if (listen(fd, backlog) != 0) {
        return errno;
    }
    set_tcp_options(fd, o);
    return 0;
}

/* The address that a socket really has. */
static int
name_of(int fd, ec_sockaddr *a)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;

    if (getsockname(fd, (struct sockaddr *)&ss, &len) != 0) {
        return errno;
    }
    return ec_sockaddr_set(a, (struct sockaddr *)&ss, len);
}

/* Binds alone, and gives that up for lanes sockets which share the address. Nobody can connect to what goes: it was not listened on. */
static int
open_shared(struct hs_listen_socket *s, const ec_sockaddr *a, size_t lanes, int backlog)
{
    ec_sockaddr real;
    int alone;

    int err = bind_tcp(a, false, &alone);
    if (err != 0) {
        return err;
    }
    err = name_of(alone, &real);
    (void)close(alone);
    while (err == 0 && s->lanes < lanes) {
        err = bind_tcp(&real, true, &s->fds[s->lanes]);
        if (err == 0) {
            s->lanes++;
        }
    }
    for (size_t i = 0; err == 0 && i < lanes; i++) { /* all are bound before the first takes a connection */
        err = listen_tcp(s->fds[i], &s->options, backlog);
    }
    return err;
}

static int
open_alone(struct hs_listen_socket *s, const ec_sockaddr *a, int backlog)
{
    int err = bind_tcp(a, false, &s->fds[0]);
    if (err != 0) {
        return err;
    }
    s->lanes = 1;
    return listen_tcp(s->fds[0], &s->options, backlog);
}

static int
open_unix(struct hs_listen_socket *s, const ec_sockaddr *a, int backlog)
{
    s->fds[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fds[0] < 0) {
        return errno;
    }
    s->lanes = 1;
    return hs_unix_listen(s->fds[0], &a->unixaddr, a->len, backlog, s->options.mode, &s->file);
}

int
hs_listen_socket_open(const char *address, size_t lanes, int backlog, struct hs_listen_socket *out)
{
    char why[256];
    ec_sockaddr a;

    memset(out, 0, sizeof *out);
    int err = hs_listen_options_parse(address, &out->options, why, sizeof why);
    if (err != 0 || out->options.inherited || ec_sockaddr_parse(&a, out->options.address) != 0) {
        hs_listen_options_fini(&out->options);
        return err != 0 ? err : EINVAL;
    }
    backlog = out->options.backlog > 0 ? out->options.backlog : backlog;
    out->tcp = !out->options.is_unix;
    out->fds = calloc(lanes, sizeof *out->fds);
    if (out->fds == NULL) {
        hs_listen_options_fini(&out->options);
        return ENOMEM;
    }
    err = !out->tcp ? open_unix(out, &a, backlog) : lanes > 1 ? open_shared(out, &a, lanes, backlog) : open_alone(out, &a, backlog);
    if (err == 0) {
        err = name_of(out->fds[0], &a);
    }
    if (err == 0) {
        err = ec_sockaddr_format(&a, out->address, sizeof out->address);
    }
    if (err != 0) {
        hs_listen_socket_close(out, true);
    }
    return err;
}

/* 0; ENOTSOCK or EOPNOTSUPP when it is not what can be accepted from. */
static int
check_listening(int fd)
{
    int type = 0, listening = 0;
    socklen_t n = sizeof type;

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) != 0) {
        return errno;
    }
    n = sizeof listening;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &n) != 0) {
        return errno;
    }
    return type == SOCK_STREAM && listening ? 0 : EOPNOTSUPP;
}

static int
take_lane(struct hs_listen_socket *s, int fd)
{
    int err = check_listening(fd);
    int flags = err == 0 ? fcntl(fd, F_GETFL) : 0;

    if (err != 0) {
        return err;
    }
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
        return errno;
    }
    if (s->tcp) {
        set_tcp_options(fd, &s->options);
    }
    return 0;
}

int
hs_listen_socket_take(const char *text, int *fds, size_t n, struct hs_listen_socket *out)
{
    char why[256];
    ec_sockaddr a;

    memset(out, 0, sizeof *out);
    int err = hs_listen_options_parse(text, &out->options, why, sizeof why);
    out->fds = fds;
    out->lanes = n;
    if (err == 0) {
        err = name_of(fds[0], &a);
    }
    if (err == 0) {
        err = ec_sockaddr_format(&a, out->address, sizeof out->address);
        out->tcp = a.sa.sa_family != AF_UNIX;
        out->options.is_unix = !out->tcp;
        out->options.is_abstract = !out->tcp && a.unixaddr.sun_path[0] == '\0';
    }
    if (err == 0 && out->options.is_unix && !out->options.proxy && out->options.allow.n + out->options.deny.n != 0) {
        err = EPROTOTYPE; /* nobody who comes has an address that they could look at */
    }
    for (size_t i = 0; err == 0 && i < n; i++) {
        err = take_lane(out, fds[i]);
    }
    if (err != 0) {
        hs_listen_socket_close(out, false);
    }
    return err;
}

void
hs_listen_socket_close(struct hs_listen_socket *s, bool ours)
{
    for (size_t i = 0; i < s->lanes; i++) {
        (void)close(s->fds[i]);
    }
    free(s->fds);
    if (ours) {
        hs_unix_remove(&s->file);
    }
    hs_listen_options_fini(&s->options);
    memset(s, 0, sizeof *s);
}

void
hs_listen_socket_explain(const char *address, int err, char *dst, size_t size)
{
    struct hs_listen_options o;
    char why[256] = "is not what can be listened at";

    switch (err) {
    case EINVAL:
        if (hs_listen_options_parse(address, &o, why, sizeof why) == 0) {
            hs_listen_options_fini(&o);
        }
        (void)snprintf(dst, size, "cannot listen at '%s': it %s", address, why);
        break;
    case EADDRINUSE:
        (void)snprintf(dst, size, "cannot listen at %s: the address is in use by another server", address);
        break;
    case ENOTSOCK:
    case EOPNOTSUPP:
        (void)snprintf(dst, size, "cannot listen at %s: what was handed in is not a socket that listens for streams", address);
        break;
    case EPROTOTYPE:
        (void)snprintf(dst, size, "cannot listen at %s: it has allow or deny, but what was handed in is a unix socket, where clients have no addresses", address);
        break;
    case EEXIST:
        (void)snprintf(dst, size, "cannot listen at %s: the file exists and is not a socket", address);
        break;
    default:
        (void)snprintf(dst, size, "cannot listen at %s: %s", address, strerror(err));
        break;
    }
}
