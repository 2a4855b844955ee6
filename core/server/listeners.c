/* listeners.c - accepting from the sockets that a server listens on.
 * One reserve descriptor for all: when there are no others left it is given up for the moment in which a waiting client is told so.
 * A listener whose connections have reached their limit is not looked at until one of them has ended; who connects meanwhile waits in its queue. */
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
#include "server/listen_socket.h"

enum {
    ACCEPT_BUDGET = 64,     /* connections from one listener in one turn */
    ACCEPT_DRY_MAX = 70000, /* more than any backlog */
    TURN_AWAY_BUDGET = 32,
};
#define PAUSE (100 * HS_MSEC)
#define LOOK_FOR_ROOM (50 * HS_MSEC) /* when connections of other processes count too, of whose end nobody tells us */

/* One address: what its lanes share. */
struct place {
    struct place *next;
    struct hs_listen_options options;
    size_t kind;          /* in the quota */
    struct hs_gate *gate; /* NULL: everybody is let in */
};

struct listener {
    struct hs_listeners *all;
    struct listener *next;
    struct place *place;
    int fd;
    size_t owner; /* the worker that accepts from it when all is well; of a lane with several: one of them */
    bool tcp;
    bool ours;      /* a worker's own lane, or everybody's */
    bool accepting; /* ours, or one that is helped out with */
    bool full;      /* there was no room for one more */
    struct hs_watch watch;
    struct hs_unix_file file;
    char address[EC_SOCKADDR_TEXT_MAX];
};

struct hs_listeners {
    struct listener *first, **last;
    struct place *places;
    size_t nplaces;
    struct hs_loop *loop; /* NULL until started */
    struct hs_gates *gates;
    void (*accepted)(void *arg, int fd, struct hs_gate *gate);
    void *arg;
    struct hs_timer look;       /* for room */
    struct hs_deferred room;    /* there is some */
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

static void
free_places(struct hs_listeners *ls)
{
    while (ls->places != NULL) {
        struct place *p = ls->places;
        ls->places = p->next;
        hs_gate_delref(p->gate);
        hs_listen_options_fini(&p->options);
        free(p);
    }
}

static void
free_chain(struct listener *l)
{
    while (l != NULL) {
        struct listener *next = l->next;
        free(l);
        l = next;
    }
}

/* Stops and closes all. */
static void
close_all(struct hs_listeners *ls)
{
    if (ls->loop != NULL) {
        hs_timer_cancel(&ls->pause);
        hs_timer_cancel(&ls->look);
        hs_deferred_cancel(ls->loop, &ls->room);
        if (ls->gates != NULL) {
            ls->gates->room = NULL;
        }
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
    free_places(ls);
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

static void
add_lane(struct hs_listeners *ls, struct listener *l, struct place *p, const struct hs_listen_socket *s, size_t lane, bool ours)
{
    *l = (struct listener){ .all = ls, .place = p, .fd = s->fds[lane], .tcp = s->tcp, .ours = ours, .accepting = ours };
    memcpy(l->address, s->address, sizeof l->address);
    *ls->last = l;
    ls->last = &l->next;
}

int
hs_listeners_adopt(struct hs_listeners *ls, struct hs_listen_socket *s, size_t worker, size_t workers)
{
    struct listener *made = NULL;
    struct place *p = calloc(1, sizeof *p);

    for (size_t i = 0; i < s->lanes && p != NULL; i++) { /* all memory first: after that nothing can fail */
        struct listener *l = calloc(1, sizeof *l);
        if (l == NULL) {
            free(p);
            p = NULL;
            break;
        }
        l->next = made;
        made = l;
    }
    if (p == NULL) {
        free_chain(made);
        return ENOMEM;
    }
    p->options = s->options;
    memset(&s->options, 0, sizeof s->options);
    p->kind = ++ls->nplaces;
    p->next = ls->places;
    ls->places = p;
    for (size_t i = 0; i < s->lanes; i++) {
        struct listener *l = made;
        made = l->next;
        add_lane(ls, l, p, s, i, i % workers == worker || worker % s->lanes == i);
        l->owner = i % workers;
        l->file = s->file;
        s->file.path[0] = '\0'; /* there is one lane when there is a file */
    }
    s->lanes = 0;
    hs_listen_socket_close(s, false);
    return 0;
}

int
hs_listeners_add(struct hs_listeners *ls, const char *address, int backlog)
{
    struct hs_listen_socket s;

    int err = hs_listen_socket_open(address, 1, backlog, &s);
    if (err != 0) {
        return err;
    }
    err = hs_listeners_adopt(ls, &s, 0, 1);
    if (err != 0) {
        hs_listen_socket_close(&s, true);
    }
    return err;
}

size_t
hs_listeners_places(const struct hs_listeners *ls)
{
    return ls->nplaces;
}

size_t
hs_listeners_count(const struct hs_listeners *ls)
{
    size_t n = 0;

    for (const struct listener *l = ls->first; l != NULL; l = l->next) {
        n += l->ours;
    }
    return n;
}

const char *
hs_listeners_address(const struct hs_listeners *ls, size_t i)
{
    for (const struct listener *l = ls->first; l != NULL; l = l->next) {
        if (l->ours && i-- == 0) {
            return l->address;
        }
    }
    return NULL;
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

/* There is no room for one more: not looked at until there may be. */
static void
hold(struct listener *l)
{
    struct hs_listeners *ls = l->all;

    l->full = true;
    (void)hs_watch_set(&l->watch, 0);
    if (hs_quota_is_shared(ls->gates->quota) && !hs_timer_pending(&ls->look) && hs_timer_set(&ls->look, LOOK_FOR_ROOM) != 0) {
        hs_defer(ls->loop, &ls->room); /* no memory for a timer: better busy than deaf */
    }
}

/* Accepts up to budget connections. 0: none are left, there is no room, or the budget is used up; else the errno that stopped it. */
static int
accept_some(struct listener *l, unsigned budget)
{
    struct hs_gate *gate = l->place->gate;

    while (budget-- != 0) {
        if (gate != NULL && !hs_gate_enter(gate)) {
            hold(l);
            return 0;
        }
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            l->all->stats.accepted++;
            l->all->accepted(l->all->arg, fd, gate);
            continue;
        }
        int err = errno;
        if (gate != NULL) {
            hs_gate_leave(gate);
        }
        if (err == EAGAIN || err == EWOULDBLOCK) {
            return 0;
        }
        if (!is_transient(err)) {
            return err;
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
        int err = hs_watch_set(&l->watch, l->accepting && !l->full ? mask : 0);
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
        l->full = false;
        int e = l->accepting ? accept_some(l, ACCEPT_BUDGET) : 0;
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

/* Connections have ended, here or perhaps elsewhere. */
static void
on_room(void *arg)
{
    struct hs_listeners *ls = arg;
    int err = 0;

    for (struct listener *l = ls->first; l != NULL && !ls->paused; l = l->next) {
        if (!l->full) {
            continue;
        }
        l->full = false;
        err = l->accepting ? accept_some(l, ACCEPT_BUDGET) : 0;
        if (err == 0 && l->accepting && !l->full) {
            err = hs_watch_set(&l->watch, HS_READ);
        }
        if (err != 0) {
            pause_accepting(ls, err);
        }
        if (err != 0 && !ls->paused) { /* no memory for a timer: better busy than deaf */
            l->full = true;
            hs_defer(ls->loop, &ls->room);
        }
    }
}

static void
on_place_given_back(void *arg)
{
    struct hs_listeners *ls = arg;

    hs_defer(ls->loop, &ls->room); /* called from wherever a connection ended */
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
hs_listeners_need_gates(struct hs_listeners *ls, const struct hs_gates *rules)
{
    int err = 0;

    for (struct place *p = ls->places; p != NULL && err == 0; p = p->next) {
        if (p->gate == NULL && hs_gate_is_needed(rules, &p->options)) {
            err = hs_gate_new(ls->gates, &p->options, p->kind, &p->gate);
        }
    }
    return err;
}

int
hs_listeners_start(struct hs_listeners *ls, struct hs_loop *loop, struct hs_gates *gates, void (*accepted)(void *arg, int fd, struct hs_gate *gate),
                   void *arg)
{
    ls->loop = loop;
    ls->gates = gates;
    ls->accepted = accepted;
    ls->arg = arg;
    hs_timer_init(&ls->pause, loop, on_pause_over, ls);
    hs_timer_init(&ls->look, loop, on_room, ls);
    hs_deferred_init(&ls->room, on_room, ls);
    for (struct listener *l = ls->first; l != NULL; l = l->next) {
        hs_watch_init(&l->watch, loop, l->fd, on_readable, l);
    }
    int err = gates != NULL ? hs_listeners_need_gates(ls, gates) : 0;
    if (gates != NULL) {
        gates->room = on_place_given_back;
        gates->room_arg = ls;
    }
    for (struct listener *l = ls->first; l != NULL && err == 0; l = l->next) {
        err = hs_watch_set(&l->watch, l->accepting ? HS_READ : 0);
    }
    return err;
}

void
hs_listeners_help(struct hs_listeners *ls, size_t worker, bool on)
{
    for (struct listener *l = ls->first; l != NULL; l = l->next) {
        if (!l->ours && l->owner == worker && l->accepting != on) {
            l->accepting = on;
            l->full = l->full && on;
            if (!ls->paused && hs_watch_set(&l->watch, on && !l->full ? HS_READ : 0) != 0) {
                l->accepting = !on; /* tried again at the next look */
            }
        }
    }
}

static void
let_all_through(struct listener *l)
{
    const int none = 0;

    if (l->tcp) {
        (void)setsockopt(l->fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &none, sizeof none);
    }
}

void
hs_listeners_drain(struct hs_listeners *ls)
{
    for (struct listener *l = ls->first; l != NULL; l = l->next) {
        let_all_through(l);
        if (ls->loop != NULL && accept_some(l, ACCEPT_DRY_MAX) != 0) {
            use_reserve(l);
        }
    }
}

/* There is no room for those who still wait, and there will not be. */
static void
turn_all_away(struct listener *l)
{
    for (unsigned i = 0; i < ACCEPT_DRY_MAX; i++) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            break;
        }
        l->all->stats.turned_away++;
        turn_away(fd);
    }
}

void
hs_listeners_close(struct hs_listeners *ls)
{
    hs_listeners_drain(ls);
    for (struct listener *l = ls->first; l != NULL; l = l->next) {
        if (l->full && !l->place->options.inherited) {
            turn_all_away(l);
        }
    }
    close_all(ls);
}

void
hs_listeners_release(struct hs_listeners *ls)
{
    close_all(ls);
}
