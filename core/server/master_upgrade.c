/* master_upgrade.c - one master in place of another, on the same sockets: USR2.
 *
 *   the old one                                  the new one
 *   forks, executes its own file   --sockets-->  takes them, loads, has its workers serve
 *   hands over, drains, ends      <--READY---    opens its control socket
 *                                 --TAKE_OVER->  is the master
 *
 * Both accept from the same queues for a while; the old one's workers then leave theirs to the others, so nobody who waits in one is lost. When the new one
 * ends before it is ready, or takes too long, nothing has changed. Each way that ends: tests/acceptance/upgrade.py; what the new one finds: tests/server/test_upgrade.c. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "server/command.h"
#include "server/master_int.h"
#include "server/notify.h"
#include "server/program.h"
#include "server/unix_socket.h"
#include "server/upgrade.h"

#define GRACE (10 * HS_SEC)       /* beyond load-timeout: once for the first worker, once for the others */
#define LONGEST (600 * HS_SEC)    /* without one */

/* --- the end of an attempt --- */

static void
forget_successor(struct master *m)
{
    hs_timer_cancel(&m->upgrade.late);
    hs_ipc_free(m->upgrade.ipc);
    m->upgrade.ipc = NULL;
}

static void
fail(struct master *m, const char *why)
{
    hs_log(HS_LOG_ERROR, "the program cannot be replaced, this one goes on: %s", why);
    if (m->announced && !m->draining) {
        hs_notify("READY=1\nSTATUS=serves; could not be replaced");
    }
}

void
master_upgrade_cancel(struct master *m)
{
    m->upgrade.due = false;
    if (m->upgrade.child != 0 && !m->upgrade.handed_over) {
        (void)kill(m->upgrade.child, SIGTERM);
    }
    hs_timer_cancel(&m->upgrade.late);
}

static void
on_late(void *arg)
{
    struct master *m = arg;

    if (m->upgrade.child != 0 && !m->upgrade.given_up) {
        fail(m, "the new one takes too long, and is killed");
        (void)kill(m->upgrade.child, SIGKILL);
        m->upgrade.given_up = true; /* its end is nothing to tell of */
        forget_successor(m);
    }
}

void
master_upgrade_reap(struct master *m)
{
    char why[128];
    int status;

    if (m->upgrade.child == 0 || waitpid(m->upgrade.child, &status, WNOHANG) != m->upgrade.child) {
        return;
    }
    m->upgrade.child = 0; /* first: whatever it says, there is nobody to hand over to */
    if (m->upgrade.ipc != NULL) {
        hs_ipc_deliver(m->upgrade.ipc); /* its last words */
    }
    forget_successor(m);
    if (m->upgrade.handed_over) {
        hs_log(HS_LOG_ERROR, "the new program has ended already");
        return;
    }
    if (m->upgrade.given_up) {
        return;
    }
    if (WIFSIGNALED(status)) {
        (void)snprintf(why, sizeof why, "the new one died of signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    } else {
        (void)snprintf(why, sizeof why, "the new one ended with status %d, and has said why", WEXITSTATUS(status));
    }
    fail(m, why);
}

/* --- handing over --- */

/* Whether the successor has ended, and only has not been waited for. */
static bool
has_ended(const struct master *m)
{
    siginfo_t info = { .si_pid = 0 };

    return m->upgrade.child == 0 || waitid(P_PID, (id_t)m->upgrade.child, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != 0;
}

static void
hand_over(struct master *m)
{
    struct hs_startup *su = &m->startup;

    hs_log(HS_LOG_NOTICE, "process %d has taken over: this one finishes what it has begun", (int)m->upgrade.child);
    hs_timer_cancel(&m->upgrade.late);
    m->upgrade.handed_over = true;
    for (size_t i = 0; i < su->nsockets; i++) {
        su->sockets[i].file.path[0] = '\0'; /* the successor's now */
    }
    hs_pid_file_forget(&su->pid_file);
    master_control_retire(m);
    hs_notify("MAINPID=%ld\nSTATUS=process %ld has taken over", (long)m->upgrade.child, (long)m->upgrade.child);
    hs_notify_unwatch();
    (void)hs_ipc_send(m->upgrade.ipc, HS_MESSAGE_TAKE_OVER, 0, (struct hs_view){ NULL, 0 });
    master_drain(m);
}

static void
on_successor(void *arg, uint32_t type, uint32_t number, struct hs_view text)
{
    struct master *m = arg;

    (void)number;
    if (type == HS_MESSAGE_READY && !m->draining && !has_ended(m)) {
        hand_over(m);
    } else if (type == HS_MESSAGE_FAILED) {
        hs_log(HS_LOG_ERROR, "%s: %.*s", hs_program_path(), (int)text.n, text.p);
    }
}

static void
on_successor_gone(void *arg)
{
    forget_successor(arg); /* its end is seen by waiting for it */
}

static const struct hs_ipc_calls successor_calls = { on_successor, on_successor_gone };

/* --- starting the successor --- */

static int
tell_socket(struct hs_ipc *ipc, const char *key, int fd)
{
    return hs_ipc_send(ipc, HS_MESSAGE_SOCKET, (uint32_t)fd, hs_view_of(key));
}

/* Says which descriptors there will be: more than the kernel keeps for one who does not read yet. 0 or errno. */
static int
tell_sockets(struct master *m, struct hs_ipc *ipc)
{
    const struct hs_startup *su = &m->startup;
    char key[4096];
    int err = 0;

    for (size_t i = 0; i < su->nsockets; i++) {
        const struct hs_listen_socket *s = &su->sockets[i];
        hs_upgrade_socket_key(su->sockets, i, s->options.address, key, sizeof key);
        for (size_t k = 0; k < s->lanes && err == 0; k++) {
            err = tell_socket(ipc, key, s->fds[k]);
        }
    }
    int admin = master_oversight_socket(m, key, sizeof key);
    if (err == 0 && admin >= 0) {
        err = tell_socket(ipc, key, admin);
    }
    if (err == 0 && su->pid_file.path != NULL) {
        hs_upgrade_pid_key(su->pid_file.path, key, sizeof key);
        err = tell_socket(ipc, key, su->pid_file.fd);
    }
    return err != 0 ? err : hs_ipc_send(ipc, HS_MESSAGE_SOCKETS_END, 0, (struct hs_view){ NULL, 0 });
}

static bool
keep_open(int fd)
{
    return fcntl(fd, F_SETFD, 0) == 0;
}

/* In the child: what the new program is to find open. */
static bool
keep_all_open(const struct master *m, int channel)
{
    const struct hs_startup *su = &m->startup;
    char key[4096];
    int admin = master_oversight_socket(m, key, sizeof key);
    bool well = keep_open(channel) && (su->pid_file.path == NULL || keep_open(su->pid_file.fd)) && (admin < 0 || keep_open(admin));

    for (size_t i = 0; i < su->nsockets; i++) {
        for (size_t k = 0; k < su->sockets[i].lanes; k++) {
            well = well && keep_open(su->sockets[i].fds[k]);
        }
    }
    return well;
}

/* The child's part: does not return. All signals are blocked, so that none reaches a handler of the master's. */
static void
become_successor(struct master *m, int channel, const sigset_t *mask)
{
    static const int numbers[] = { SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGCHLD };
    char variable[64];
    struct sigaction sa;

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        (void)signal(numbers[i], SIG_DFL);
    }
    if (sigaction(SIGHUP, NULL, &sa) == 0 && sa.sa_handler != SIG_IGN) {
        (void)signal(SIGHUP, SIG_DFL);
    }
    (void)snprintf(variable, sizeof variable, "%d:%ld", channel, (long)getpid());
    int err = ENOMEM;
    if (!keep_all_open(m, channel)) {
        err = errno;
    } else if (setenv(HS_UPGRADE_VARIABLE, variable, 1) == 0 && hs_notify_hand_on() == 0) {
        (void)sigprocmask(SIG_SETMASK, mask, NULL);
        err = hs_program_execute();
    }
    (void)hs_ipc_write(channel, HS_MESSAGE_FAILED, 0, hs_view_of(strerror(err)));
    _exit(HS_EXIT_FAILED);
}

/* 0 or errno. ends: as hs_ipc_pair; ends[0] is taken on success. */
static int
start_successor(struct master *m, const int ends[2])
{
    int64_t limit = m->settings->load_timeout > 0 ? 2 * m->settings->load_timeout + GRACE : LONGEST;
    sigset_t all, before;

    int err = hs_timer_set(&m->upgrade.late, limit);
    if (err == 0) {
        err = hs_ipc_new(m->loop, ends[0], &successor_calls, m, &m->upgrade.ipc);
    }
    if (err == 0) {
        err = tell_sockets(m, m->upgrade.ipc);
    }
    if (err != 0) {
        return err;
    }
    (void)fflush(NULL);
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    if (pid == 0) {
        become_successor(m, ends[1], &before);
    }
    err = pid < 0 ? errno : 0;
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    m->upgrade.child = pid > 0 ? pid : 0;
    m->upgrade.given_up = false;
    return err;
}

void
master_upgrade_fork(struct master *m)
{
    int ends[2];

    if (!m->upgrade.due || m->draining) {
        return;
    }
    m->upgrade.due = false;
    int err = hs_ipc_pair(ends);
    if (err == 0) {
        err = start_successor(m, ends);
        (void)close(ends[1]);
        if (err != 0 && m->upgrade.ipc == NULL) {
            (void)close(ends[0]);
        }
    }
    if (err != 0) {
        forget_successor(m);
        fail(m, strerror(err));
    }
}

void
master_upgrade_begin(struct master *m)
{
    const struct master_upgrade *u = &m->upgrade;

    if (m->draining || u->child != 0 || u->due) {
        hs_log(HS_LOG_WARN, "SIGUSR2: %s already", m->draining ? "this process is stopping" : "a new program is being started");
    } else if (!m->announced || u->joining) {
        hs_log(HS_LOG_WARN, "SIGUSR2: this process is still starting");
    } else if (getpid() == 1) {
        hs_log(HS_LOG_WARN, "SIGUSR2: process 1 of a container cannot be replaced: the container ends with it");
    } else {
        hs_log(HS_LOG_NOTICE, "starting %s anew", hs_program_path());
        m->upgrade.due = true;
    }
}

/* --- the successor's side --- */

static void
take_over(struct master *m)
{
    if (!m->upgrade.joining || m->draining) {
        return;
    }
    m->upgrade.joining = false;
    (void)master_oversight_open(m); /* the predecessor has left it; without it all goes on. Before what nobody has taken is closed */
    hs_startup_take_over(&m->startup, m->settings);
    hs_notify("READY=1\nMAINPID=%ld\nSTATUS=serves", (long)getpid());
    forget_successor(m);
}

static void
on_predecessor(void *arg, uint32_t type, uint32_t number, struct hs_view text)
{
    (void)number;
    (void)text;
    if (type == HS_MESSAGE_TAKE_OVER) {
        take_over(arg);
    }
}

/* It is gone without a word: there is nobody but us. */
static void
on_predecessor_gone(void *arg)
{
    struct master *m = arg;

    if (m->announced) {
        take_over(m);
    } else {
        hs_log(HS_LOG_WARN, "the process that this one was to replace is gone");
        forget_successor(m);
    }
}

static const struct hs_ipc_calls predecessor_calls = { on_predecessor, on_predecessor_gone };

int
master_upgrade_join(struct master *m)
{
    int err = hs_ipc_new(m->loop, m->startup.predecessor, &predecessor_calls, m, &m->upgrade.ipc);

    if (err != 0) {
        hs_command_complain("%s", strerror(err));
        return err;
    }
    m->startup.predecessor = -1;
    m->upgrade.joining = true;
    return 0;
}

void
master_upgrade_ready(struct master *m)
{
    if (!m->upgrade.joining) {
        hs_notify("READY=1\nSTATUS=serves");
        return;
    }
    hs_unix_succeed();
    if (master_control_open(m) != 0) {
        m->status = HS_EXIT_FAILED;
        master_drain(m);
    } else if (m->upgrade.ipc == NULL) {
        take_over(m);
    } else {
        (void)hs_ipc_send(m->upgrade.ipc, HS_MESSAGE_READY, 0, (struct hs_view){ NULL, 0 });
    }
}

/* --- life --- */

void
master_upgrade_init(struct master *m)
{
    hs_timer_init(&m->upgrade.late, m->loop, on_late, m);
}

void
master_upgrade_end(struct master *m)
{
    forget_successor(m);
}
