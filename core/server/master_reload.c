/* master_reload.c - all workers load the scripts anew, or none.
 *
 *   NONE --begin--> TRIAL --loads--> PREPARING --every worker has--> (commit) NONE
 *                     `--fails: logged       `--one cannot--> (abandon) NONE
 *
 * The trial keeps what crashes, hangs or eats memory while it loads away from the workers; it also writes the log of what is wrong, once. A worker
 * that dies meanwhile is replaced by one that loads the new scripts anyway, so it is not waited for; one that was forked before that is, though it
 * may not serve yet. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/region.h"
#include "server/command.h"
#include "server/master_int.h"
#include "server/notify.h"
#include "server/own_commands.h"

#define GRACE (5 * HS_SEC) /* beyond load-timeout, which those who load keep by themselves */

/* --- the end of it --- */

/* Whoever waits for it is told. */
static void
answer(struct master *m, bool well)
{
    struct hs_control_call *call = m->reload.call;

    if (call == NULL) {
        return;
    }
    m->reload.call = NULL;
    if (well) {
        hs_own_command_tell_change(call, &m->reload.renewal.change);
    } else {
        hs_control_printf(call, HS_CONTROL_ERR, "httpsrv: the reload has failed, everything stays as it was; the log says why\n");
    }
    hs_control_end(call, well ? HS_EXIT_OK : HS_EXIT_FAILED);
}

static void
finish(struct master *m, bool well)
{
    struct master_reload *r = &m->reload;

    hs_timer_cancel(&r->late);
    r->state = RELOAD_NONE;
    master_settings_end(m);
    hs_notify("READY=1\nSTATUS=%s", well ? "serves" : "serves; the last reload has failed");
    hs_page_add(well ? &hs_page_own(m->page)->reloads : &hs_page_own(m->page)->failed_reloads, 1);
    answer(m, well);
    if (r->wanted && !m->draining) {
        r->wanted = false;
        master_reload_begin(m);
    }
}

/* --- every worker --- */

/* Workers that could not begin wait for their next chance: with scripts that load it is there. */
static void
encourage(struct master *m)
{
    for (size_t i = 0; i < m->nslots; i++) {
        if (hs_timer_pending(&m->slots[i].again)) {
            (void)hs_timer_set(&m->slots[i].again, 0); /* it is pending: cannot fail */
        }
    }
}

static bool
is_waited_for(const struct master *m)
{
    for (size_t i = 0; i < m->nslots; i++) {
        if (m->slots[i].asked) {
            return true;
        }
    }
    return false;
}

static void
abandon(struct master *m)
{
    for (size_t i = 0; i < m->nslots; i++) {
        master_tell(&m->slots[i], HS_MESSAGE_ABANDON);
    }
}

static void
decide(struct master *m)
{
    if (m->reload.state != RELOAD_PREPARING || is_waited_for(m)) {
        return;
    }
    if (m->reload.failed) {
        hs_log(HS_LOG_ERROR, "reload failed, everything stays as it was");
        abandon(m);
    } else {
        hs_log(HS_LOG_NOTICE, "reloaded %s in all workers", m->path);
        master_settings_commit(m);
        encourage(m);
    }
    finish(m, !m->reload.failed);
}

static void
refuse(struct slot *s, struct hs_view why)
{
    hs_log(HS_LOG_ERROR, "worker %zu cannot reload: %.*s", s->index, (int)why.n, why.p);
    s->asked = false;
    s->m->reload.failed = true;
}

static void
prepare(struct master *m)
{
    m->reload.state = RELOAD_PREPARING;
    m->reload.failed = master_settings_gather(m) != 0;
    for (size_t i = 0; i < m->nslots; i++) {
        struct slot *s = &m->slots[i];
        s->prepares = s->ipc != NULL && !m->reload.failed; /* one that still begins may have read the former scripts: it loads again when it serves */
        int err = s->prepares ? master_settings_prepare(s) : 0;
        s->asked = s->prepares && err != EPIPE; /* one that is gone is told by the channel */
        if (s->asked && err != 0) {
            refuse(s, hs_view_of(strerror(err)));
        }
    }
    decide(m);
}

void
master_reload_answer(struct slot *s, bool prepared, const struct hs_view *why)
{
    if (!s->asked) {
        return;
    }
    if (!prepared && why != NULL && s->ready) { /* one that never came to serve ends anyway */
        refuse(s, *why);
    }
    s->asked = false; /* also of one that is gone */
    decide(s->m);
}

/* --- the trial --- */

void
master_reload_reap(struct master *m)
{
    struct master_reload *r = &m->reload;
    int status;

    if (r->trial == 0 || waitpid(r->trial, &status, WNOHANG) != r->trial) {
        return;
    }
    r->trial = 0;
    if (r->state != RELOAD_TRIAL) {
        return;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == HS_EXIT_OK) {
        prepare(m);
        return;
    }
    if (WIFSIGNALED(status)) {
        hs_log(HS_LOG_ERROR, "loading the scripts on trial: died of signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    }
    hs_log(HS_LOG_ERROR, "reload failed, everything stays as it was");
    finish(m, false);
}

static void
on_late(void *arg)
{
    struct master *m = arg;

    if (m->reload.trial != 0) {
        hs_log(HS_LOG_ERROR, "loading the scripts on trial does not end: it is killed");
        (void)kill(m->reload.trial, SIGKILL);
    } else if (m->reload.state == RELOAD_PREPARING) {
        hs_log(HS_LOG_ERROR, "a worker does not answer");
        m->reload.failed = true;
        for (size_t i = 0; i < m->nslots; i++) {
            m->slots[i].asked = false;
        }
        decide(m);
    }
}

/* The life of the trial. Its exit status. */
static int
be_trial(struct master *m)
{
    int fd = m->reload.renewal.fd;

    hs_log_set_name("reload");
    m->reload.renewal.fd = -1; /* ours */
    int err = master_leave(m);
    if (err != 0) {
        hs_log(HS_LOG_ERROR, "%s", strerror(err));
        _exit(HS_EXIT_FAILED);
    }
    hs_region_leave(); /* what scripts write to shared memory while they load is for their own eyes */
    (void)hs_region_open(hs_settings_shared(m->settings));
    return hs_command_trial(m->settings, m->path, fd);
}

bool
master_reload_fork(struct master *m)
{
    struct master_reload *r = &m->reload;

    if (!r->trial_due || m->draining) {
        return false;
    }
    r->trial_due = false;
    (void)fflush(NULL);
    int err = master_settings_begin(m);
    pid_t pid = err == 0 ? fork() : -1;
    if (pid == 0) {
        m->status = be_trial(m);
        return true;
    }
    if (pid < 0) {
        hs_log(HS_LOG_ERROR, "reload failed, everything stays as it was: %s", strerror(err != 0 ? err : errno));
        finish(m, false);
        return false;
    }
    r->trial = pid;
    return false;
}

/* --- asking --- */

void
master_reload_begin(struct master *m)
{
    struct master_reload *r = &m->reload;

    if (m->draining) {
        return;
    }
    r->wanted = r->state != RELOAD_NONE || !m->announced;
    if (r->wanted) {
        return;
    }
    /* On trial, by a worker that begins, and then by all. */
    int64_t limit = m->settings->load_timeout > 0 ? 3 * m->settings->load_timeout + GRACE : 0;
    if (limit != 0 && hs_timer_set(&r->late, limit) != 0) {
        hs_log(HS_LOG_ERROR, "reload failed, everything stays as it was: %s", strerror(ENOMEM));
        answer(m, false);
        return;
    }
    r->state = RELOAD_TRIAL;
    r->trial_due = true;
    hs_notify_reloading();
}

static void
forget_call(void *arg)
{
    struct master *m = arg;
    struct hs_control_call *call = m->reload.call;

    m->reload.call = NULL;
    hs_control_end(call, HS_EXIT_FAILED); /* nobody hears it */
}

void
master_reload_wait(struct master *m, struct hs_control_call *call)
{
    struct master_reload *r = &m->reload;

    if (r->call != NULL || m->draining || (r->state == RELOAD_NONE && !r->wanted)) {
        hs_control_printf(call, HS_CONTROL_ERR, "httpsrv: %s\n",
                          m->draining       ? "the server stops"
                          : r->call != NULL ? "a reload has been asked for already, and another after it"
                                            : "the reload cannot begin; the log says why");
        hs_control_end(call, HS_EXIT_FAILED);
        return;
    }
    r->call = call;
    hs_control_on_gone(call, forget_call, m);
}

void
master_reload_init(struct master *m)
{
    hs_timer_init(&m->reload.late, m->loop, on_late, m);
}

void
master_reload_end(struct master *m)
{
    struct master_reload *r = &m->reload;

    hs_timer_cancel(&r->late);
    if (r->trial != 0) {
        (void)kill(r->trial, SIGKILL);
    }
    r->state = RELOAD_NONE;
    r->wanted = r->trial_due = false;
    master_settings_end(m);
    answer(m, false);
}
