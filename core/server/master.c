/* master.c - the process that supervises workers.
 *
 * Forking happens between turns of the loop, never within a callback: the child takes its copy of everything apart (master_leave) without a trace in the
 * parent, and then is a worker. The first worker loads alone; when it fails, so does the start. Later ones are
 * replaced whatever happens, with a growing pause when they do not live. */
#include "server/master_int.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/region.h"
#include "bindings/secret.h"
#include "httpsrv/server.h"
#include "server/command.h"
#include "server/notify.h"
#include "server/status.h"

#define LOOK (500 * HS_MSEC)
#define LIVED (250 * HS_MSEC)        /* who dies sooner is given a pause before the next */
#define FIRST_PAUSE (100 * HS_MSEC)
#define LONGEST_PAUSE (5 * HS_SEC)
#define KILL_GRACE (15 * HS_SEC)     /* beyond drain-timeout, for workers that do not end */
#define KILL_GRACE_AT_ONCE (5 * HS_SEC)
#define CLOSE_AFTER (20 * HS_MSEC)   /* draining: our copies of the sockets go a little before the workers', who accept what waits */

/* --- telling workers --- */

void
master_tell(struct slot *s, enum hs_message type)
{
    if (s->ipc != NULL) {
        (void)hs_ipc_send(s->ipc, type, 0, (struct hs_view){ NULL, 0 }); /* one that is gone is told by the channel */
    }
}

static size_t
count_workers(const struct master *m)
{
    size_t n = 0;

    for (size_t i = 0; i < m->nslots; i++) {
        n += m->slots[i].pid != 0;
    }
    return n + master_leaving(m);
}

static void
kill_all(struct master *m)
{
    for (size_t i = 0; i < m->nslots; i++) {
        if (m->slots[i].pid != 0) {
            (void)kill(m->slots[i].pid, SIGKILL);
        }
    }
    master_replace_kill(m, true);
}

static void
stop(struct master *m, bool at_once)
{
    int64_t grace = at_once ? KILL_GRACE_AT_ONCE : KILL_GRACE + m->settings->drain_timeout;

    if (m->at_once || (m->draining && !at_once)) {
        return;
    }
    if (!m->draining && !m->upgrade.handed_over && !m->upgrade.joining) { /* who has not taken over is not the service */
        hs_notify("STOPPING=1\nSTATUS=finishes what runs");
    }
    m->draining = true;
    m->at_once = at_once;
    m->kill_at = hs_loop_now(m->loop) + grace;
    for (size_t i = 0; i < m->nslots; i++) {
        hs_timer_cancel(&m->slots[i].again);
        m->slots[i].due = false;
    }
    master_reload_end(m);
    master_upgrade_cancel(m);
    for (size_t i = 0; i < m->nslots; i++) {
        master_tell(&m->slots[i], at_once ? HS_MESSAGE_STOP : m->upgrade.handed_over ? HS_MESSAGE_RELEASE : HS_MESSAGE_DRAIN);
    }
    if (at_once) {
        master_replace_stop(m);
    }
    if (at_once || m->upgrade.handed_over || hs_timer_set(&m->close_later, CLOSE_AFTER) != 0) {
        hs_startup_close_sockets(&m->startup, true);
    }
}

static void
on_close_later(void *arg)
{
    struct master *m = arg;

    hs_startup_close_sockets(&m->startup, true);
}

/* --- workers come and go --- */

static void
on_again(void *arg)
{
    struct slot *s = arg;

    s->due = true;
}

static bool
all_are_ready(const struct master *m)
{
    for (size_t i = 0; i < m->nslots; i++) {
        if (!m->slots[i].ready) {
            return false;
        }
    }
    return true;
}

static void
worker_is_ready(struct slot *s, struct hs_view routes)
{
    struct master *m = s->m;
    char count[24] = "";

    hs_log(m->announced ? HS_LOG_NOTICE : HS_LOG_DEBUG, "worker %zu (%d) serves", s->index, (int)s->pid);
    s->ready = true;
    m->routes = strtoul(routes.n != 0 && routes.n < sizeof count ? memcpy(count, routes.p, routes.n) : "0", NULL, 10);
    if (!m->serving) {
        m->serving = true;
        for (size_t i = 0; i < m->nslots; i++) {
            m->slots[i].due = m->slots[i].pid == 0 && !m->draining;
        }
    }
    if (!m->announced && all_are_ready(m)) {
        m->announced = true;
        hs_status_announce(master_oversight(m), m->path);
        master_upgrade_ready(m);
        if (m->reload.wanted) {
            master_reload_begin(m);
        }
    }
}

static void
worker_failed(struct slot *s, struct hs_view why)
{
    struct master *m = s->m;

    if (m->serving) {
        hs_log(HS_LOG_ERROR, "worker %zu cannot load: %.*s", s->index, (int)why.n, why.p);
        return;
    }
    hs_command_complain("%.*s", (int)why.n, why.p);
    m->status = HS_EXIT_FAILED;
    stop(m, true);
}

static void
on_message(void *arg, uint32_t type, uint32_t number, struct hs_view text)
{
    struct slot *s = arg;

    switch (type) {
    case HS_MESSAGE_READY:
        worker_is_ready(s, text);
        break;
    case HS_MESSAGE_FAILED:
        worker_failed(s, text);
        break;
    case HS_MESSAGE_PREPARED:
        master_reload_answer(s, true, NULL);
        break;
    case HS_MESSAGE_UNPREPARED:
        master_reload_answer(s, false, &text);
        break;
    case HS_MESSAGE_OUTPUT:
    case HS_MESSAGE_ENDED:
        master_control_message(s, (enum hs_message)type, number, text);
        break;
    case HS_MESSAGE_WORN:
        master_replace(s);
        break;
    case HS_MESSAGE_SESSION_LIST:
        master_sessions_message(s, number, text);
        break;
    default: /* a master's to say */
        break;
    }
}

static void
on_ipc_closed(void *arg)
{
    struct slot *s = arg;

    hs_ipc_free(s->ipc); /* the process follows, and is waited for */
    s->ipc = NULL;
}

static const struct hs_ipc_calls ipc_calls = { on_message, on_ipc_closed };

static void
log_death(const struct slot *s, int wait_status, uint64_t connections)
{
    if (WIFSIGNALED(wait_status)) {
        hs_log(HS_LOG_ERROR, "worker %zu (%d) died of signal %d (%s), and %" PRIu64 " connections with it", s->index, (int)s->pid,
               WTERMSIG(wait_status), strsignal(WTERMSIG(wait_status)), connections);
    } else {
        hs_log(HS_LOG_ERROR, "worker %zu (%d) ended with status %d", s->index, (int)s->pid, WEXITSTATUS(wait_status));
    }
}

/* A pause that doubles while workers of a slot do not live. */
static int64_t
next_pause(struct slot *s, int64_t lived, bool served)
{
    if (served && lived >= LIVED) {
        s->pause = 0;
    } else if (s->pause == 0) {
        s->pause = FIRST_PAUSE;
    } else {
        s->pause = s->pause * 2 < LONGEST_PAUSE ? s->pause * 2 : LONGEST_PAUSE;
    }
    return s->pause;
}

static void
worker_is_gone(struct slot *s, int wait_status)
{
    struct master *m = s->m;
    struct hs_page_slot *p = hs_page_slot(m->page, s->index);
    bool served = atomic_load(&p->state) != HS_WORKER_STARTING;
    int64_t pause = next_pause(s, hs_page_now() - atomic_load(&p->started), served);

    hs_ipc_free(s->ipc);
    s->ipc = NULL;
    s->ready = s->worn = s->prepares = false;
    hs_quota_leave(m->quota, s->row);
    master_reload_answer(s, false, NULL);
    master_control_gone(s);
    master_sessions_gone(s);
    if (m->draining) {
        s->pid = 0;
        hs_page_leave(m->page, s->index);
        return;
    }
    log_death(s, wait_status, atomic_load(&p->counts[HS_COUNT_OPEN_CONNECTIONS]));
    s->pid = 0;
    atomic_fetch_add(&p->deaths, 1);
    hs_page_leave(m->page, s->index);
    if (!m->serving) {
        hs_command_complain("the first worker has ended before it could serve");
        m->status = HS_EXIT_FAILED;
        stop(m, true);
    } else if (pause == 0 || hs_timer_set(&s->again, pause) != 0) {
        s->due = true;
    }
}

static void
reap(struct master *m)
{
    int status;

    for (size_t i = 0; i < m->nslots; i++) {
        struct slot *s = &m->slots[i];
        if (s->pid != 0 && waitpid(s->pid, &status, WNOHANG) == s->pid) {
            worker_is_gone(s, status);
        }
    }
    master_replace_reap(m);
    master_reload_reap(m);
    master_upgrade_reap(m);
}

int64_t
master_still(const struct master *m, const struct hs_page_slot *p)
{
    int64_t limit = m->settings->watchdog + m->settings->watchdog / 4 + HS_SEC; /* a worker that can says first what it does */
    int64_t still = hs_page_now() - atomic_load(&p->beat);

    return m->settings->watchdog > 0 && still > limit ? still : 0;
}

/* Workers whose loop has stood still for too long, and have not ended by themselves; and those that do not end when told to. */
static void
on_look(void *arg)
{
    struct master *m = arg;

    reap(m); /* signals may be merged */
    for (size_t i = 0; i < m->nslots; i++) {
        struct hs_page_slot *p = hs_page_slot(m->page, i);
        int64_t still = master_still(m, p);
        if (m->slots[i].pid != 0 && atomic_load(&p->state) != HS_WORKER_STARTING && still != 0) {
            hs_log(HS_LOG_ERROR, "worker %zu (%d) has not come round its loop for %.1f s: it is killed", i, (int)m->slots[i].pid, (double)still / 1e9);
            (void)kill(m->slots[i].pid, SIGKILL);
        }
    }
    master_replace_worn(m);
    master_replace_kill(m, false);
    if (m->kill_at != 0 && !m->killed && hs_loop_now(m->loop) >= m->kill_at) {
        hs_log(HS_LOG_ERROR, "%zu workers do not end: they are killed", count_workers(m));
        m->killed = true;
        kill_all(m);
    }
    (void)hs_timer_set(&m->look, LOOK); /* it was pending: cannot fail for memory twice in a row without a signal to look again */
}

/* --- signals --- */

static void
on_child(evutil_socket_t number, short what, void *arg)
{
    (void)number;
    (void)what;
    reap(arg);
}

static bool
is_stopping(void *arg)
{
    struct master *m = arg;

    return m->draining;
}

static void
drain(void *arg, const char *why)
{
    struct master *m = arg;
    uint64_t connections = hs_page_total(m->page, HS_COUNT_OPEN_CONNECTIONS);

    if (connections != 0) {
        hs_log(HS_LOG_NOTICE, "%s: stopping when all connections (%" PRIu64 ") have ended, or after drain-timeout; a second signal stops at once",
               why, connections);
    }
    stop(m, false);
}

void
master_drain(struct master *m)
{
    stop(m, false);
}

static void
stop_at_once(void *arg)
{
    stop(arg, true);
}

static void
reload(void *arg)
{
    master_reload_begin(arg);
}

static void
upgrade(void *arg)
{
    master_upgrade_begin(arg);
}

static void
reopen(void *arg)
{
    char why[512];

    if (master_logs_reopen(arg, why, sizeof why) != 0) {
        hs_log(HS_LOG_ERROR, "SIGUSR1: %s", why);
    } else {
        hs_log(HS_LOG_NOTICE, "SIGUSR1: log files were opened anew");
    }
}

static const struct hs_process_calls process_calls = { is_stopping, drain, stop_at_once, reload, reopen, upgrade };

static int
watch_signals(struct master *m)
{
    m->child = event_new(hs_loop_base(m->loop), SIGCHLD, EV_SIGNAL | EV_PERSIST, on_child, m);
    if (m->child == NULL || event_add(m->child, NULL) != 0) {
        return ENOMEM;
    }
    return hs_process_watch(m->loop, &process_calls, m, &m->process);
}

/* The loop and all that is on it, but the control socket. */
static void
free_loop(struct master *m)
{
    if (m->child != NULL) {
        event_free(m->child);
    }
    hs_process_unwatch(m->process);
    hs_dev_watch_free(m->dev_watch);
    master_reload_end(m);
    master_upgrade_end(m);
    hs_notify_unwatch();
    hs_timer_cancel(&m->look);
    hs_timer_cancel(&m->close_later);
    for (size_t i = 0; i < m->nslots; i++) {
        hs_timer_cancel(&m->slots[i].again);
    }
    hs_loop_free(m->loop);
    m->loop = NULL;
}

static void
free_ipcs(struct master *m)
{
    for (size_t i = 0; i < m->nslots; i++) {
        hs_ipc_free(m->slots[i].ipc);
        m->slots[i].ipc = NULL;
    }
    master_replace_forget(m);
}

/* --- forking --- */

int
master_leave(struct master *m)
{
    int err = hs_loop_after_fork(m->loop);
    if (err != 0) {
        return err;
    }
    m->reload.trial = m->upgrade.child = 0; /* the master's to kill */
    for (size_t i = 0; i < m->startup.nsockets; i++) {
        m->startup.sockets[i].file.path[0] = '\0'; /* and to remove */
    }
    hs_pid_file_forget(&m->startup.pid_file);
    hs_inherited_fini(&m->startup.inherited); /* or who comes to an address that is given up would wait there */
    hs_notify_end();
    free_ipcs(m); /* first: nobody can be told anything from here */
    master_control_leave(m);
    master_oversight_free(m, false);
    free_loop(m);
    return 0;
}

/* The life of a worker. Its exit status. */
static int
be_worker(struct master *m, size_t index, int channel)
{
    struct hs_worker_start start = {
        .index = index,
        .settings = m->settings,
        .path = m->path,
        .sockets = m->startup.sockets,
        .nsockets = m->startup.nsockets,
        .workers = m->nslots,
        .page = m->page,
        .quota = m->quota,
        .row = m->slots[index].row,
        .channel = channel,
        .access_fd = m->access_fd,
    };

    atomic_store(&hs_page_slot(m->page, index)->pid, getpid());
    int err = master_leave(m);
    if (err != 0) {
        hs_log(HS_LOG_ERROR, "worker %zu cannot begin: %s", index, strerror(err));
        _exit(HS_EXIT_FAILED);
    }
    return hs_worker_run(&start);
}

/* The parent's part. 0 or errno, and then the child is killed. */
static int
adopt_worker(struct slot *s, pid_t pid, int channel)
{
    s->pid = pid;
    atomic_store(&hs_page_slot(s->m->page, s->index)->pid, pid);
    int err = hs_ipc_new(s->m->loop, channel, &ipc_calls, s, &s->ipc);
    if (err != 0) {
        (void)close(channel);
        (void)kill(pid, SIGKILL);
    }
    return err;
}

/* A worker for a slot. In the child *in_child is set and m->status is what it exits with. */
static void
fork_worker(struct slot *s, bool *in_child)
{
    struct master *m = s->m;
    int ends[2];
    int err = hs_ipc_pair(ends);

    s->due = false;
    if (err == 0) {
        hs_page_enter(m->page, s->index);
        (void)fflush(NULL); /* or what is buffered would be written twice */
        pid_t pid = fork();
        if (pid == 0) {
            (void)close(ends[0]);
            *in_child = true;
            m->status = be_worker(m, s->index, ends[1]);
            return;
        }
        err = pid < 0 ? errno : adopt_worker(s, pid, ends[0]);
        (void)close(ends[1]);
        if (pid < 0) {
            (void)close(ends[0]);
            hs_page_leave(m->page, s->index);
        }
    }
    if (err != 0) {
        hs_log(HS_LOG_ERROR, "cannot start worker %zu: %s", s->index, strerror(err));
        if (s->pid == 0 && !m->serving) {
            m->status = HS_EXIT_FAILED;
            stop(m, true);
        } else if (s->pid == 0) {
            (void)next_pause(s, 0, false);
            s->due = hs_timer_set(&s->again, s->pause) != 0;
        }
    }
}

/* --- running --- */

static void
supervise(struct master *m)
{
    bool in_child = false;

    m->slots[0].due = true;
    while (!m->draining || count_workers(m) != 0) {
        for (size_t i = 0; i < m->nslots; i++) {
            if (m->slots[i].due) {
                fork_worker(&m->slots[i], &in_child);
            }
            if (in_child) {
                return;
            }
        }
        if (master_reload_fork(m)) {
            return;
        }
        master_upgrade_fork(m);
        if ((!m->draining || count_workers(m) != 0) && hs_loop_turn(m->loop, true) != 0) {
            hs_log(HS_LOG_ERROR, "the event loop failed");
            m->status = HS_EXIT_FAILED;
            kill_all(m);
            return;
        }
    }
}

static int
make(struct master *m)
{
    m->slots = calloc(m->nslots, sizeof *m->slots);
    int err = m->slots != NULL ? hs_page_new(m->nslots, &m->page) : ENOMEM;
    if (err == 0) {
        err = hs_loop_new(NULL, &m->loop);
    }
    if (err != 0) {
        return err;
    }
    hs_timer_init(&m->look, m->loop, on_look, m);
    hs_timer_init(&m->close_later, m->loop, on_close_later, m);
    master_reload_init(m);
    master_upgrade_init(m);
    for (size_t i = 0; i < m->nslots; i++) {
        m->slots[i] = (struct slot){ .m = m, .index = i, .row = i };
        hs_timer_init(&m->slots[i].again, m->loop, on_again, &m->slots[i]);
    }
    err = master_oversight_new(m);
    err = err != 0 ? err : watch_signals(m);
    return err != 0 ? err : hs_timer_set(&m->look, LOOK);
}

static void
unmake(struct master *m)
{
    if (m->loop != NULL) {
        free_ipcs(m);
        master_control_close(m);
        master_oversight_free(m, true);
        free_loop(m);
    }
    hs_page_free(m->page);
    hs_quota_free(m->quota);
    free(m->slots);
}

/* What comes before the first worker. 0; an errno value, which has been complained about. */
static int
begin(struct master *m)
{
    int err = hs_startup_begin(&m->startup, m->settings, m->nslots);

    if (err == 0) {
        err = hs_quota_new(MASTER_ROWS * m->nslots, m->startup.nsockets + 1, &m->quota);
    }
    if (err == 0) {
        err = hs_notify_watch(m->loop);
    }
    if (err == ENOMEM) {
        hs_command_complain("out of memory");
    }
    if (err != 0 || m->startup.predecessor >= 0) {
        return err != 0 ? err : master_upgrade_join(m);
    }
    err = master_control_open(m);
    return err != 0 ? err : master_oversight_open(m);
}

int
hs_master_run(struct hs_settings *settings, const char *path)
{
    struct master m = { .settings = settings, .path = path, .nslots = hs_settings_workers(settings), .access_fd = -1, .reload.renewal = { .fd = -1, .access_fd = -1 } };
    pid_t self = getpid();

    int err = make(&m);
    if (err != 0) {
        hs_command_complain("cannot start: %s", strerror(err));
        m.status = HS_EXIT_FAILED;
    } else if (hs_region_open(hs_settings_shared(settings)) != 0) { /* as well */
        hs_command_complain("cannot start: no shared memory is to be had");
        m.status = HS_EXIT_FAILED;
    } else if (hs_secret() == NULL) { /* made here, so that all workers have the same */
        hs_command_complain("cannot start: no random bytes are to be had");
        m.status = HS_EXIT_FAILED;
    } else if (master_logs_open(&m) != 0 || begin(&m) != 0) {
        m.status = HS_EXIT_FAILED;
    } else {
        if (settings->dev) {
            hs_dev_watch_try(m.loop, path, reload, &m, &m.dev_watch);
        }
        supervise(&m);
    }
    hs_startup_end(&m.startup, getpid() == self && !m.upgrade.handed_over);
    unmake(&m);
    return m.status;
}
