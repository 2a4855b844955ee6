/* admit.c - connections of listeners with a gate, between accept(2) and their protocol.
 * Bytes of a header are looked at first (MSG_PEEK) and then taken up to its end, never further: what follows is the protocol's, whichever that is. */
#include "server/admit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "http/proxy_header.h"

enum { SKIP_AT_ONCE = 4096, STEPS = 32 };

struct waiting {
    TAILQ_ENTRY(waiting) link;
    struct hs_admit *all;
    struct hs_gate *gate;
    struct hs_watch watch;
    struct hs_timeq_entry timer;
    ec_sockaddr from;
    struct hs_proxy_header header;
    bool parsed; /* header is set; the rest of it is skipped */
    size_t have; /* bytes taken */
    char bytes[HS_PROXY_LOOK_MAX];
};

struct hs_admit {
    struct hs_loop *loop;
    TAILQ_HEAD(, waiting) list;
    struct hs_timeq timers;
    size_t n;
    struct hs_admit_stats stats;
    hs_admitted_func *admitted;
    void *arg;
};

/* --- in, or not --- */

static void
drop(int fd, struct hs_gate *gate)
{
    (void)close(fd);
    hs_gate_leave(gate);
}

/* Whose address allow and deny look at; NULL: a client's that its proxy does not tell, or that is in no network. from: the connection's own. */
static const ec_sockaddr *
whom_to_judge(const ec_sockaddr *from, const struct hs_proxy_header *header)
{
    if (header == NULL || header->own) {
        return from;
    }
    return header->known && header->peer.sa.sa_family != AF_UNIX ? &header->peer : NULL;
}

static void
let_in(struct hs_admit *a, int fd, struct hs_gate *gate, const ec_sockaddr *from, const struct hs_proxy_header *header, int64_t begun)
{
    struct hs_socket_known known = { .closed = hs_gate_leave, .arg = gate };

    if (!hs_gate_admits(gate, whom_to_judge(from, header))) {
        a->stats.denied++;
        drop(fd, gate);
        return;
    }
    if (header != NULL && header->known) {
        known.peer = &header->peer;
        known.local = &header->local;
    }
    a->admitted(a->arg, fd, &known, begun);
}

/* Frees it; the descriptor and the place stay. */
static void
forget(struct waiting *w)
{
    struct hs_admit *a = w->all;

    (void)hs_watch_set(&w->watch, 0);
    hs_timeq_remove(&a->timers, &w->timer);
    TAILQ_REMOVE(&a->list, w, link);
    a->n--;
    free(w);
}

static void
refuse(struct hs_admit *a, int fd, struct hs_gate *gate, const ec_sockaddr *from, const char *why)
{
    char text[EC_SOCKADDR_TEXT_MAX] = "?";

    (void)ec_sockaddr_format(from, text, sizeof text);
    hs_log(HS_LOG_INFO, "closed a connection from %s: %s", text, why);
    a->stats.refused++;
    drop(fd, gate);
}

static void
give_up(struct waiting *w, const char *why)
{
    struct hs_admit *a = w->all;
    struct hs_gate *gate = w->gate;
    ec_sockaddr from = w->from;
    int fd = w->watch.fd;

    forget(w);
    refuse(a, fd, gate, &from, why);
}

static void
arrived(struct waiting *w)
{
    struct hs_admit *a = w->all;
    struct hs_gate *gate = w->gate;
    struct hs_proxy_header header = w->header;
    ec_sockaddr from = w->from;
    int64_t begun = w->timer.stamp;
    int fd = w->watch.fd;

    forget(w);
    let_in(a, fd, gate, &from, &header, begun);
}

/* --- reading --- */

/* As recv(2). */
static ssize_t
take(const struct waiting *w, void *to, size_t n, int flags)
{
    ssize_t r;

    do {
        r = recv(w->watch.fd, to, n, flags | MSG_DONTWAIT);
    } while (r < 0 && errno == EINTR);
    return r;
}

/* Looks at what has come, and takes what of it is the header's. 0: more may be had; EAGAIN; ECANCELED: w is gone. */
static int
read_header(struct waiting *w)
{
    const char *why = NULL;

    ssize_t r = take(w, w->bytes + w->have, sizeof w->bytes - w->have, MSG_PEEK);
    if (r < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        return EAGAIN;
    }
    if (r <= 0) {
        give_up(w, r == 0 ? "it ended before its PROXY header" : strerror(errno));
        return ECANCELED;
    }
    enum hs_proxy_result result = hs_proxy_header_parse(w->bytes, w->have + (size_t)r, &w->header, &why);
    if (result == HS_PROXY_REFUSED) {
        give_up(w, why);
        return ECANCELED;
    }
    size_t n = (size_t)r;
    if (result == HS_PROXY_DONE && w->header.size - w->have < n) {
        n = w->header.size - w->have;
    }
    if (take(w, w->bytes + w->have, n, 0) != (ssize_t)n) {
        give_up(w, "its PROXY header cannot be read");
        return ECANCELED;
    }
    w->have += n;
    w->parsed = result == HS_PROXY_DONE;
    return 0;
}

/* Nothing of the header is left: what comes next is no event of ours. */
static bool
is_whole(const struct waiting *w)
{
    return w->parsed && w->have == w->header.size;
}

/* As read_header: throws away what stands behind the addresses. */
static int
skip(struct waiting *w)
{
    char nowhere[SKIP_AT_ONCE];
    size_t left = w->header.size - w->have;

    ssize_t r = take(w, nowhere, left < sizeof nowhere ? left : sizeof nowhere, 0);
    if (r < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        return EAGAIN;
    }
    if (r <= 0) {
        give_up(w, "it ended within its PROXY header");
        return ECANCELED;
    }
    w->have += (size_t)r;
    return 0;
}

static void
on_readable(void *arg, unsigned events)
{
    struct waiting *w = arg;
    int err = 0;

    (void)events;
    for (int i = 0; i < STEPS && err == 0 && !is_whole(w); i++) { /* what is left then is an event of the next turn */
        err = w->parsed ? skip(w) : read_header(w);
    }
    if (err == 0 && is_whole(w)) {
        arrived(w);
    }
}

static void
on_late(struct hs_timeq_entry *e)
{
    struct waiting *w = (struct waiting *)(void *)((char *)e - offsetof(struct waiting, timer));

    give_up(w, "its PROXY header has not come in time");
}

/* --- beginning --- */

static void
wait_for_header(struct hs_admit *a, int fd, struct hs_gate *gate, const ec_sockaddr *from)
{
    struct waiting *w = calloc(1, sizeof *w);

    if (w == NULL) {
        drop(fd, gate);
        return;
    }
    w->all = a;
    w->gate = gate;
    w->from = *from;
    hs_watch_init(&w->watch, a->loop, fd, on_readable, w);
    if (hs_watch_set(&w->watch, HS_READ) != 0) {
        free(w);
        drop(fd, gate);
        return;
    }
    TAILQ_INSERT_TAIL(&a->list, w, link);
    a->n++;
    hs_timeq_touch(&a->timers, &w->timer);
    on_readable(w, HS_READ); /* it is often here already */
}

void
hs_admit_begin(struct hs_admit *a, int fd, struct hs_gate *gate)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;
    ec_sockaddr from;

    if (getpeername(fd, (struct sockaddr *)&ss, &len) != 0 || ec_sockaddr_set(&from, (struct sockaddr *)&ss, len) != 0) {
        drop(fd, gate); /* it has gone already */
    } else if (!hs_gate_reads_header(gate)) {
        let_in(a, fd, gate, &from, NULL, hs_loop_now(a->loop));
    } else if (!hs_gate_trusts(gate, fd, &from)) {
        refuse(a, fd, gate, &from, "the listener is for proxies, and this is none of the trusted ones");
    } else {
        wait_for_header(a, fd, gate, &from);
    }
}

/* --- life --- */

int
hs_admit_new(struct hs_loop *loop, int64_t timeout, hs_admitted_func *admitted, void *arg, struct hs_admit **out)
{
    struct hs_admit *a = calloc(1, sizeof *a);

    if (a == NULL) {
        return ENOMEM;
    }
    a->loop = loop;
    a->admitted = admitted;
    a->arg = arg;
    TAILQ_INIT(&a->list);
    hs_timeq_init(&a->timers, loop, timeout, on_late);
    *out = a;
    return 0;
}

void
hs_admit_set_timeout(struct hs_admit *a, int64_t timeout)
{
    hs_timeq_set_duration(&a->timers, timeout);
}

void
hs_admit_free(struct hs_admit *a)
{
    struct waiting *w;

    if (a == NULL) {
        return;
    }
    while ((w = TAILQ_FIRST(&a->list)) != NULL) {
        struct hs_gate *gate = w->gate;
        int fd = w->watch.fd;
        forget(w);
        drop(fd, gate);
    }
    hs_timeq_fini(&a->timers);
    free(a);
}

size_t
hs_admit_waiting(const struct hs_admit *a)
{
    return a->n;
}

void
hs_admit_get_stats(const struct hs_admit *a, struct hs_admit_stats *st)
{
    *st = a->stats;
}
