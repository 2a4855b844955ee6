/* master_oversight.c - a master with its workers, as those see it who watch and steer it: fills in oversight.h, and opens the admin listener.
 *
 * What requests are under way every worker is asked at once, in rounds: whoever asks while a round is under way gets its outcome. A round ends when all
 * have answered, or after a moment with what has come: a worker that stands still holds up nobody. It takes real workers: tests/acceptance/admin.py. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "server/admin.h"
#include "server/command.h"
#include "server/master_int.h"
#include "server/session_list.h"

#define ROUND_TIME (1000 * HS_MSEC)

TAILQ_HEAD(queries, hs_session_query);

struct hs_master_oversight {
    struct hs_oversight o;
    struct hs_admin *admin; /* NULL: none */
    struct queries queries;
    bool asking; /* a round is under way */
    uint32_t round;
    size_t missing;     /* answers */
    struct hs_buf list; /* what has come */
    struct hs_timer late;
};

/* --- how it stands --- */

static const char *
state(void *arg)
{
    const struct master *m = arg;

    return m->draining ? "draining" : m->announced ? "serving" : "starting";
}

static bool
ready(void *arg)
{
    struct master *m = arg;

    for (size_t i = 0; i < m->nslots && !m->draining; i++) {
        if (m->slots[i].ready && atomic_load(&hs_page_slot(m->page, i)->state) == HS_WORKER_SERVING) {
            return true;
        }
    }
    return false;
}

static const char *
address(void *arg, size_t i)
{
    const struct master *m = arg;

    return i < m->startup.nsockets ? m->startup.sockets[i].address : NULL;
}

static size_t
routes(void *arg)
{
    const struct master *m = arg;

    return m->routes;
}

static size_t
workers(void *arg)
{
    const struct master *m = arg;

    return m->nslots;
}

static void
refresh(void *arg)
{
    (void)arg; /* the workers write */
}

/* --- requests under way --- */

static void
end_round(struct master *m)
{
    struct hs_master_oversight *v = m->oversight;
    struct queries all = TAILQ_HEAD_INITIALIZER(all);
    struct hs_session_query *q;

    v->asking = false;
    hs_timer_cancel(&v->late);
    TAILQ_CONCAT(&all, &v->queries, link); /* who asks again from within waits for the next round */
    while ((q = TAILQ_FIRST(&all)) != NULL) {
        TAILQ_REMOVE(&all, q, link);
        q->pending = false;
        q->done(q->arg, hs_buf_peek(&v->list));
    }
}

static void
on_late(void *arg)
{
    end_round(arg);
}

static void
begin_round(struct master *m)
{
    struct hs_master_oversight *v = m->oversight;

    v->asking = true;
    v->round++;
    v->missing = 0;
    hs_buf_clear(&v->list);
    for (size_t i = 0; i < m->nslots; i++) {
        struct slot *s = &m->slots[i];
        s->listing = s->ready && s->ipc != NULL && hs_ipc_send(s->ipc, HS_MESSAGE_SESSIONS, v->round, (struct hs_view){ NULL, 0 }) == 0;
        v->missing += s->listing;
    }
    if (v->missing == 0 || hs_timer_set(&v->late, ROUND_TIME) != 0) {
        end_round(m);
    }
}

static void
ask_sessions(void *arg, struct hs_session_query *q)
{
    struct master *m = arg;

    q->pending = true;
    TAILQ_INSERT_TAIL(&m->oversight->queries, q, link);
    if (!m->oversight->asking) {
        begin_round(m);
    }
}

static void
cancel_sessions(void *arg, struct hs_session_query *q)
{
    struct master *m = arg;

    if (q->pending) {
        TAILQ_REMOVE(&m->oversight->queries, q, link);
        q->pending = false;
    }
}

static void
answered(struct slot *s)
{
    s->listing = false;
    if (--s->m->oversight->missing == 0) {
        end_round(s->m);
    }
}

void
master_sessions_message(struct slot *s, uint32_t round, struct hs_view text)
{
    struct hs_master_oversight *v = s->m->oversight;

    if (v == NULL || !v->asking || round != v->round || !s->listing || text.n == 0) {
        return; /* too late */
    }
    bool last = text.p[0] == HS_SESSIONS_LAST;
    if (hs_buf_append(&v->list, text.p + 1, text.n - 1) != 0) {
        last = true; /* no room for more of it */
    }
    if (last) {
        answered(s);
    }
}

void
master_sessions_gone(struct slot *s)
{
    if (s->m->oversight != NULL && s->m->oversight->asking && s->listing) {
        answered(s);
    }
}

/* --- commands --- */

static void
reload(void *arg, struct hs_control_call *call)
{
    master_reload_begin(arg);
    master_reload_wait(arg, call);
}

static void
stop(void *arg, struct hs_control_call *call)
{
    struct master *m = arg;

    if (!m->draining) {
        hs_log(HS_LOG_NOTICE, "told to stop by a control command");
    }
    master_drain(m);
    hs_control_end(call, HS_EXIT_OK);
}

static void
set_log_level(void *arg, enum hs_log_level level)
{
    master_logs_set_level(arg, level);
}

static int
reopen_logs(void *arg, char *why, size_t size)
{
    return master_logs_reopen(arg, why, size);
}

static void
script_names(void *arg, struct hs_control_call *call)
{
    master_control_names(arg, call);
}

static const struct hs_oversight_ops ops = {
    .state = state,
    .ready = ready,
    .address = address,
    .routes = routes,
    .workers = workers,
    .refresh = refresh,
    .ask_sessions = ask_sessions,
    .cancel_sessions = cancel_sessions,
    .set_log_level = set_log_level,
    .reopen_logs = reopen_logs,
    .reload = reload,
    .stop = stop,
    .script_names = script_names,
};

/* --- life --- */

int
master_oversight_open(struct master *m)
{
    const char *control = master_control_path(m);
    struct hs_master_oversight *v = m->oversight;
    char why[512];

    int err = hs_admin_open(m->loop, m->settings->admin, control != NULL ? control : m->settings->control, true,
                            &m->startup.inherited, &v->o, &v->admin, why, sizeof why);
    if (err != 0) {
        hs_command_complain("%s", why);
    }
    return err;
}

int
master_oversight_new(struct master *m)
{
    struct hs_master_oversight *v = calloc(1, sizeof *v);

    if (v == NULL) {
        return ENOMEM;
    }
    v->o = (struct hs_oversight){ &ops, m, m->page };
    TAILQ_INIT(&v->queries);
    hs_buf_init(&v->list, HS_SESSION_LIST_BYTES);
    hs_timer_init(&v->late, m->loop, on_late, m);
    m->oversight = v;
    return 0;
}

void
master_oversight_retire(struct master *m)
{
    if (m->oversight->admin != NULL) {
        hs_admin_retire(m->oversight->admin);
    }
}

int
master_oversight_socket(const struct master *m, char *key, size_t size)
{
    return m->oversight->admin != NULL ? hs_admin_socket(m->oversight->admin, key, size) : -1;
}

const struct hs_oversight *
master_oversight(const struct master *m)
{
    return &m->oversight->o;
}

void
master_oversight_free(struct master *m, bool ours)
{
    struct hs_master_oversight *v = m->oversight;

    if (v == NULL) {
        return;
    }
    hs_admin_free(v->admin, ours);
    hs_timer_cancel(&v->late);
    hs_buf_fini(&v->list);
    free(v);
    m->oversight = NULL;
}
