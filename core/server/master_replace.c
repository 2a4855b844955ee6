/* master_replace.c - workers that leave in good order.
 * A worker that asks for it (its memory is used up) stops accepting and finishes what it has, as when the server drains, while another is started in its
 * place at once. The process that leaves has no slot any more: it is known by its entry here until it has been waited for. Each slot has one at a
 * time, so that workers that wear out quickly do not pile up; the next one to ask goes on until the one before it has ended. It also goes on for a
 * pause, which grows with each that asks again soon: scripts that have used up everything as soon as they run would have workers made without end. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/log.h"
#include "server/master_int.h"

#define GRACE (15 * HS_SEC) /* beyond drain-timeout */
#define SOON HS_SEC         /* between two in the place of one slot; doubled each time, */
#define SELDOM (8 * HS_SEC)
#define UNUSUAL (60 * HS_SEC) /* but not when it has been well for so long */

struct leaver {
    LIST_ENTRY(leaver) link;
    struct master *m;
    size_t index; /* of the slot that it has left */
    size_t row;   /* where it counts its connections until its end */
    pid_t pid;
    struct hs_ipc *ipc; /* NULL: closed by the worker */
    int64_t kill_at;    /* loop time */
};

static void
on_message(void *arg, uint32_t type, uint32_t number, struct hs_view text)
{
    (void)arg; /* who had asked it has been told that it is gone */
    (void)type;
    (void)number;
    (void)text;
}

static void
on_closed(void *arg)
{
    struct leaver *l = arg;

    hs_ipc_free(l->ipc);
    l->ipc = NULL;
}

static const struct hs_ipc_calls calls = { on_message, on_closed };

static bool
has_leaver(const struct slot *s)
{
    const struct leaver *l;

    LIST_FOREACH (l, &s->m->leavers, link) {
        if (l->index == s->index) {
            return true;
        }
    }
    return false;
}

void
master_replace(struct slot *s)
{
    struct master *m = s->m;

    s->worn = true;
    if (!s->ready || m->draining || s->ipc == NULL || has_leaver(s)) {
        return; /* what wears out while it loads may get no further: that is told otherwise */
    }
    int64_t now = hs_page_now();
    if (now < s->replace_at) {
        return;
    }
    s->replace_pause = s->replace_pause == 0 || now - s->replace_at >= UNUSUAL ? SOON : s->replace_pause * 2 < SELDOM ? s->replace_pause * 2 : SELDOM;
    s->replace_at = now + s->replace_pause;
    struct leaver *l = calloc(1, sizeof *l);
    if (l == NULL) {
        hs_log(HS_LOG_ERROR, "worker %zu cannot be replaced: %s", s->index, strerror(ENOMEM));
        return;
    }
    hs_log(HS_LOG_NOTICE, "worker %zu (%d) finishes what it has; another takes its place", s->index, (int)s->pid);
    atomic_store(&hs_page_leaving_slot(m->page, s->index)->beat, hs_page_now()); /* it beats there when it has been told */
    master_tell(s, HS_MESSAGE_LEAVE);
    *l = (struct leaver){ .m = m, .index = s->index, .row = s->row, .pid = s->pid, .ipc = s->ipc,
                          .kill_at = hs_loop_now(m->loop) + m->settings->drain_timeout + GRACE };
    LIST_INSERT_HEAD(&m->leavers, l, link);
    hs_ipc_rebind(l->ipc, &calls, l);
    s->ipc = NULL;
    s->pid = 0;
    s->row = (s->row + m->nslots) % (MASTER_ROWS * m->nslots); /* the other one of the slot's: it is free, as nobody else is leaving */
    s->ready = s->worn = s->prepares = false;
    hs_page_leave(m->page, s->index);
    s->due = true;
    master_reload_answer(s, false, NULL);
    master_control_gone(s);
    master_sessions_gone(s);
}

void
master_replace_worn(struct master *m)
{
    for (size_t i = 0; i < m->nslots; i++) {
        if (m->slots[i].worn) {
            master_replace(&m->slots[i]);
        }
    }
}

size_t
master_leaving(const struct master *m)
{
    const struct leaver *l;
    size_t n = 0;

    LIST_FOREACH (l, &m->leavers, link) {
        n++;
    }
    return n;
}

void
master_replace_stop(struct master *m)
{
    struct leaver *l;

    LIST_FOREACH (l, &m->leavers, link) {
        if (l->ipc != NULL) {
            (void)hs_ipc_send(l->ipc, HS_MESSAGE_STOP, 0, (struct hs_view){ NULL, 0 });
        }
    }
}

void
master_replace_kill(struct master *m, bool all)
{
    struct leaver *l;

    LIST_FOREACH (l, &m->leavers, link) {
        int64_t still = master_still(m, hs_page_leaving_slot(m->page, l->index));
        if (still != 0 && !all) {
            hs_log(HS_LOG_ERROR, "process %d, which was worker %zu, has not come round its loop for %.1f s: it is killed", (int)l->pid, l->index,
                   (double)still / 1e9);
            (void)kill(l->pid, SIGKILL);
        } else if (all || hs_loop_now(m->loop) >= l->kill_at) {
            hs_log(HS_LOG_ERROR, "process %d, which was worker %zu, does not end: it is killed", (int)l->pid, l->index);
            (void)kill(l->pid, SIGKILL);
        }
    }
}

static void
drop(struct leaver *l)
{
    LIST_REMOVE(l, link);
    hs_ipc_free(l->ipc);
    free(l);
}

void
master_replace_reap(struct master *m)
{
    struct leaver *l, *next;
    int status;

    for (l = LIST_FIRST(&m->leavers); l != NULL; l = next) {
        next = LIST_NEXT(l, link);
        if (waitpid(l->pid, &status, WNOHANG) != l->pid) {
            continue;
        }
        if (WIFSIGNALED(status)) {
            hs_log(HS_LOG_ERROR, "process %d, which was worker %zu, died of signal %d (%s)", (int)l->pid, l->index, WTERMSIG(status),
                   strsignal(WTERMSIG(status)));
        }
        struct slot *s = &m->slots[l->index];
        hs_quota_leave(m->quota, l->row);
        hs_page_left(m->page, l->index);
        drop(l);
        if (s->worn) {
            master_replace(s);
        }
    }
}

void
master_replace_forget(struct master *m)
{
    struct leaver *l;

    while ((l = LIST_FIRST(&m->leavers)) != NULL) {
        drop(l);
    }
}
