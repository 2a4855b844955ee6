/* process.c - the process around a server, or a master, that the command runs: signals, the terminal, limits.
 * Signals come through libevent, whose handlers run in the loop, not in signal context; children get the default actions back at exec.
 * HUP means two things: reload, and, from a controlling terminal that goes away, that the user has left. Which one it is shows in whether the
 * terminal is still there. A terminal that is merely open sends nothing as it goes, so it is looked at once a second. */
#include "server/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "server/notify.h"
#include "server/server_int.h"

enum { N_SIGNALS = 5 };
static const int watched[N_SIGNALS] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2 };

struct hs_process {
    const struct hs_process_calls *calls;
    void *arg;
    struct event *events[N_SIGNALS];
    struct hs_timer look; /* at the terminal */
    int terminal;         /* descriptor, -1: none */
    bool controlled;      /* there was a controlling terminal at the start, and nohup(1) was not asked to do without */
};

void
hs_process_raise_limits(void)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur != r.rlim_max) {
        r.rlim_cur = r.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &r);
    }
}

static void
do_nothing(int number)
{
    (void)number;
}

void
hs_process_survive_writes(void)
{
    static const int numbers[] = { SIGPIPE, SIGXFSZ };
    struct sigaction sa;

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (sigaction(numbers[i], NULL, &sa) == 0 && (sa.sa_flags & SA_SIGINFO) == 0 && sa.sa_handler == SIG_DFL) {
            sa = (struct sigaction){ .sa_handler = do_nothing, .sa_flags = SA_RESTART };
            (void)sigemptyset(&sa.sa_mask);
            (void)sigaction(numbers[i], &sa, NULL);
        }
    }
}

static void
drain(struct hs_process *p, const char *why)
{
    if (!p->calls->stopping(p->arg)) {
        p->calls->drain(p->arg, why);
    }
}

/* --- the terminal --- */

static bool
has_hung_up(int terminal)
{
    struct pollfd fd = { .fd = terminal };

    return poll(&fd, 1, 0) > 0 && (fd.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

static bool
is_controlled(void)
{
    int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

    if (fd >= 0) {
        (void)close(fd);
    }
    return fd >= 0 || (errno != ENXIO && errno != EIO);
}

static bool
has_lost_terminal(const struct hs_process *p)
{
    return (p->terminal >= 0 && has_hung_up(p->terminal)) || (p->controlled && !is_controlled());
}

static void
look_at_terminal(void *arg)
{
    struct hs_process *p = arg;

    if (has_hung_up(p->terminal)) {
        drain(p, "the terminal is gone");
        return;
    }
    (void)hs_timer_set(&p->look, HS_SEC);
}

/* --- signals --- */

static void
on_hangup(struct hs_process *p)
{
    if (has_lost_terminal(p)) { /* which may send several as it goes */
        drain(p, "SIGHUP");
    } else {
        p->calls->reload(p->arg);
    }
}

static void
upgrade(struct hs_process *p)
{
    if (p->calls->upgrade != NULL) {
        p->calls->upgrade(p->arg);
    } else {
        hs_log(HS_LOG_WARN, "SIGUSR2: a server without workers cannot be replaced while it runs");
    }
}

static void
on_signal(evutil_socket_t number, short what, void *arg)
{
    struct hs_process *p = arg;

    (void)what;
    if (number == SIGHUP) {
        on_hangup(p);
    } else if (number == SIGUSR1) {
        p->calls->reopen(p->arg);
    } else if (number == SIGUSR2) {
        upgrade(p);
    } else if (p->calls->stopping(p->arg)) {
        p->calls->stop(p->arg);
    } else {
        drain(p, number == SIGINT ? "SIGINT" : "SIGTERM");
    }
}

static bool
is_ignored(int number)
{
    struct sigaction sa;

    return sigaction(number, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN;
}

int
hs_process_watch(struct hs_loop *loop, const struct hs_process_calls *calls, void *arg, struct hs_process **out)
{
    struct hs_process *p = calloc(1, sizeof *p);

    if (p == NULL) {
        return ENOMEM;
    }
    p->calls = calls;
    p->arg = arg;
    p->terminal = -1;
    if (!is_ignored(SIGHUP)) { /* else the terminal may go, and a hang-up is somebody's wish to reload */
        p->terminal = isatty(STDIN_FILENO) ? STDIN_FILENO : isatty(STDERR_FILENO) ? STDERR_FILENO : -1;
        p->controlled = is_controlled();
    }
    hs_timer_init(&p->look, loop, look_at_terminal, p);
    for (int i = 0; i < N_SIGNALS; i++) {
        p->events[i] = event_new(hs_loop_base(loop), watched[i], EV_SIGNAL | EV_PERSIST, on_signal, p);
        if (p->events[i] == NULL || event_add(p->events[i], NULL) != 0) {
            hs_process_unwatch(p);
            return ENOMEM;
        }
    }
    if (p->terminal >= 0 && hs_timer_set(&p->look, HS_SEC) != 0) {
        hs_process_unwatch(p);
        return ENOMEM;
    }
    *out = p;
    return 0;
}

void
hs_process_unwatch(struct hs_process *p)
{
    if (p == NULL) {
        return;
    }
    for (int i = 0; i < N_SIGNALS; i++) {
        if (p->events[i] != NULL) {
            event_free(p->events[i]);
        }
    }
    hs_timer_cancel(&p->look);
    free(p);
}

/* --- a server in the process --- */

static bool
server_is_stopping(void *server)
{
    return hs_server_stopping(server);
}

static void
drain_server(void *server, const char *why)
{
    size_t connections, requests;

    hs_notify("STOPPING=1\nSTATUS=finishes what runs");

    hs_server_live(server, &connections, &requests);
    if (connections != 0) {
        hs_log(HS_LOG_NOTICE, "%s: stopping when all connections (%zu) have ended, or after drain-timeout; a second signal stops at once",
               why, connections);
    }
    httpsrv_server_stop(server, 0);
}

static void
stop_server(void *server)
{
    httpsrv_server_stop(server, 1);
}

static void
reload_server(void *server)
{
    hs_notify_reloading();
    if (httpsrv_server_reload(server) != 0) {
        hs_notify("READY=1");
        hs_log(HS_LOG_NOTICE, "SIGHUP: no reload: %s", httpsrv_server_error(server));
    }
}

static void
reopen_server_logs(void *server)
{
    char why[512];

    if (hs_server_reopen_logs(server, why, sizeof why) != 0) {
        hs_log(HS_LOG_ERROR, "SIGUSR1: %s", why);
    } else {
        hs_log(HS_LOG_NOTICE, "SIGUSR1: log files were opened anew");
    }
}

const struct hs_process_calls hs_process_server = {
    server_is_stopping, drain_server, stop_server, reload_server, reopen_server_logs, NULL,
};
