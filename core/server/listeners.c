/* listeners.c - the sockets that a server listens on, and accepting from them.
 * One reserve descriptor for all: when there are no others left it is given up for the moment in which a waiting client is told so.
 * TCP options that accepted sockets inherit are set on the listener, once.
 *
 * No socket here has SO_REUSEPORT: binding then fails while anybody else listens at the address, also one who does share. */
#include "server/listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/errname.h"
#include "base/log.h"
#include "misc/ec_sockaddr.h"
#include "server/unix_socket.h"

enum {
    ACCEPT_BUDGET = 64,     /* connections from one listener in one turn */
    ACCEPT_DRY_MAX = 70000, /* more than any backlog */
    TURN_AWAY_BUDGET = 32,
    DEFER_SECONDS = 1, /* a client that sends nothing is handed over after this, and its head deadline begins */
};
#define PAUSE (100 * HS_MSEC)

struct listener {
    struct hs_listeners *all;
    struct listener *next;
    int fd;
    bool tcp;
    struct hs_watch watch;
    struct hs_unix_file file;
    char address[EC_SOCKADDR_TEXT_MAX];
};

struct hs_listeners {
    struct listener *first, **last;
    struct hs_loop *loop; /* NULL until started */
    void (*accepted)(void *arg, int fd);
    void *arg;
    int reserve; /* -1: lost for now */
    struct hs_timer pause;
    bool paused;
    bool starved; /* the last pause was not enough */
    struct hs_listeners_stats stats;
};

static int
open_reserve(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

int
hs_listeners_new(struct hs_listeners **out)
{
    struct hs_listeners *ls = calloc(1, sizeof *ls);

    if (ls == NULL) {
        return ENOMEM;
    }
    ls->last = &ls->first;
    ls->reserve = open_reserve();
    if (ls->reserve < 0) {
        int err = errno;
        free(ls);
        return err;
    }
    *out = ls;
    return 0;
}

/* Stops and closes all. */
static void
close_all(struct hs_listeners *ls)
{
    if (ls->loop != NULL) {
        hs_timer_cancel(&ls->pause);
        ls->paused = false;
    }
    while (ls->first != NULL) {
        struct listener *l = ls->first;
        ls->first = l->next;
        if (ls->loop != NULL) {
            (void)hs_watch_set(&l->watch, 0);
        }
        (void)close(l->fd);
        hs_unix_remove(&l->file);
        free(l);
    }
    ls->last = &ls->first;
}

void
hs_listeners_free(struct hs_listeners *ls)
{
    if (ls == NULL) {
        return;
    }
    close_all(ls);
    if (ls->reserve >= 0) {
        (void)close(ls->reserve);
    }
    free(ls);
}

/* --- opening --- */

static int
set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value) == 0 ? 0 : errno;
}

/* Binds a TCP socket and listens. SO_REUSEADDR: connections of a former server in TIME_WAIT are not in the way. */
static int
listen_tcp(int fd, const ec_sockaddr *a, int backlog)
{
    int err = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);

    if (err == 0 && a->sa.sa_family == AF_INET6) {
        err = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1); /* "[::]:80" and "0.0.0.0:80" side by side */
    }
    if (err == 0) {
        err = bind(fd, &a->sa, a->len) == 0 && listen(fd, backlog) == 0 ? 0 : errno;
    }
    if (err == 0) { /* what a kernel cannot do of these is done without */
        (void)set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
        (void)set_option(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, DEFER_SECONDS);
        (void)set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    }
    return err;
}

/* The address that the socket really has. */
static int
name_listener(struct listener *l)
{
    ec_sockaddr a;
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;

    if (getsockname(l->fd, (struct sockaddr *)&ss, &len) != 0) {
        return errno;
    }
    int err = ec_sockaddr_set(&a, (struct sockaddr *)&ss, len);
    return err != 0 ? err : ec_sockaddr_format(&a, l->address, sizeof l->address);
}

int
hs_listeners_add(struct hs_listeners *ls, const char *address, int backlog)
{
    ec_sockaddr a;

    int err = ec_sockaddr_parse(&a, address);
    if (err != 0) {
        return err == ENAMETOOLONG ? err : EINVAL;
    }
    struct listener *l = calloc(1, sizeof *l);
    if (l == NULL) {
        return ENOMEM;
    }
    l->all = ls;
    l->tcp = a.sa.sa_family != AF_UNIX;
    l->fd = socket(a.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0) {
        err = errno;
        free(l);
        return err;
    }
    err = l->tcp ? listen_tcp(l->fd, &a, backlog) : hs_unix_listen(l->fd, &a.unixaddr, a.len, backlog, &l->file);
    if (err == 0) {
        err = name_listener(l);
    }
    if (err != 0) {
        (void)close(l->fd);
        hs_unix_remove(&l->file);
        free(l);
        return err;
    }
    *ls->last = l;
    ls->last = &l->next;
    return 0;
}

size_t
hs_listeners_count(const struct hs_listeners *ls)
{
    size_t n = 0;

    for (const struct listener *l = ls->first; l != NULL; l = l->next) {
        n++;
    }
    return n;
}

const char *
hs_listeners_address(const struct hs_listeners *ls, size_t i)
{
    const struct listener *l = ls->first;

    while (l != NULL && i-- != 0) {
        l = l->next;
    }
    return l != NULL ? l->address : NULL;
}

bool
hs_listeners_paused(const struct hs_listeners *ls)
{
    return ls->paused;
}

void
hs_listeners_get_stats(const struct hs_listeners *ls, struct hs_listeners_stats *st)
{
    *st = ls->stats;
}

/* --- accepting --- */

/* What accept(2) may say of one connection only; the next may be fine. */
static bool
is_transient(int err)
{
    switch (err) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case EPERM: /* a firewall rule */
        return true;
    default:
        return false;
    }
}

/* Accepts up to budget connections. 0: none are left, or the budget is used up; else the errno that stopped it. */
static int
accept_some(struct listener *l, unsigned budget)
{
    while (budget-- != 0) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            l->all->stats.accepted++;
            l->all->accepted(l->all->arg, fd);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return 0;
        } else if (!is_transient(errno)) {
            return errno;
        }
    }
    return 0;
}

static void
discard_input(int fd)
{
    char buf[8192];

    for (int i = 0; i < 8 && recv(fd, buf, sizeof buf, MSG_DONTWAIT) > 0; i++) {
    }
}

/* Tells one client that there is no room. What it has sent is read first: closing with bytes unread would send a reset, which may overtake
 * the answer. */
static void
turn_away(int fd)
{
    static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n"
                                 "Content-Type: text/plain\r\nContent-Length: 20\r\n\r\nService Unavailable\n";

    discard_input(fd);
    (void)send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)shutdown(fd, SHUT_WR);
    discard_input(fd);
    (void)close(fd);
}

/* Gives the reserve up for as long as it takes to answer some of those who wait. */
static void
use_reserve(struct listener *l)
{
    struct hs_listeners *ls = l->all;

    for (unsigned i = 0; i < TURN_AWAY_BUDGET && ls->reserve >= 0; i++) {
        (void)close(ls->reserve);
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            ls->stats.turned_away++;
            turn_away(fd);
        }
        ls->reserve = open_reserve();
        if (fd < 0) {
            break;
        }
    }
}

static void
set_watches(struct hs_listeners *ls, unsigned mask)
{
    for (struct listener *l = ls->first; l != NULL; l = l->next) {
        int err = hs_watch_set(&l->watch, mask);
        if (err != 0) {
            hs_log(HS_LOG_ERROR, "cannot wait for connections at %s: %s", l->address, strerror(err));
        }
    }
}

static void
pause_accepting(struct hs_listeners *ls, int err)
{
    if (hs_timer_set(&ls->pause, PAUSE) != 0) {
        return; /* no memory even for that: tried again at the next event */
    }
    if (!ls->starved) {
        hs_log(HS_LOG_WARN, "accepting pauses: %s (%s)", strerror(err), hs_errname(err));
        ls->stats.pauses++;
    }
    ls->paused = true;
    set_watches(ls, 0);
}

static void
on_pause_over(void *arg)
{
    struct hs_listeners *ls = arg;
    int err = 0;

    if (ls->reserve < 0) {
        ls->reserve = open_reserve();
    }
    ls->paused = false;
    ls->starved = true;
    for (struct listener *l = ls->first; l != NULL; l = l->next) {
        int e = accept_some(l, ACCEPT_BUDGET);
        if (e != 0) {
            use_reserve(l);
            err = e;
        }
    }
    if (err != 0) {
        pause_accepting(ls, err);
    }
    if (!ls->paused) {
        ls->starved = false;
        set_watches(ls, HS_READ);
        hs_log(HS_LOG_NOTICE, "accepting goes on (%llu turned away so far)", ls->stats.turned_away);
    }
}

static void
on_readable(void *arg, unsigned events)
{
    struct listener *l = arg;

    (void)events;
    int err = accept_some(l, ACCEPT_BUDGET);
    if (err != 0) {
        pause_accepting(l->all, err);
    }
}

int
hs_listeners_start(struct hs_listeners *ls, struct hs_loop *loop, void (*accepted)(void *arg, int fd), void *arg)
{
    int err = 0;

    ls->loop = loop;
    ls->accepted = accepted;
    ls->arg = arg;
    hs_timer_init(&ls->pause, loop, on_pause_over, ls);
    for (struct listener *l = ls->first; l != NULL; l = l->next) {
        hs_watch_init(&l->watch, loop, l->fd, on_readable, l);
    }
    for (struct listener *l = ls->first; l != NULL && err == 0; l = l->next) {
        err = hs_watch_set(&l->watch, HS_READ);
    }
    return err;
}

void
hs_listeners_drain(struct hs_listeners *ls)
{
    for (struct listener *l = ls->first; l != NULL; l = l->next) {
        if (l->tcp) {
            (void)set_option(l->fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 0);
        }
        if (ls->loop != NULL && accept_some(l, ACCEPT_DRY_MAX) != 0) {
            use_reserve(l);
        }
    }
}

void
hs_listeners_close(struct hs_listeners *ls)
{
    hs_listeners_drain(ls);
    close_all(ls);
}
