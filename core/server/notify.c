/* notify.c - what a service manager is told. */
#include "server/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

enum { MESSAGE_MAX = 1024 };
#define INTERVAL_MAX ((int64_t)86400 * 1000 * 1000) /* us: a day */

static struct {
    char address[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* as in the variable; "": there is no manager */
    int64_t interval;                                          /* us; 0: it does not watch us */
    bool watching;
    struct hs_timer beat;
} state;

/* The interval when it is this process that is watched. */
static int64_t
read_interval(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

    if (usec == NULL || (pid != NULL && strtol(pid, NULL, 10) != (long)getpid())) {
        return 0;
    }
    int64_t n = strtoll(usec, NULL, 10);
    return n > 0 && n <= INTERVAL_MAX ? n : 0;
}

void
hs_notify_begin(void)
{
    const char *address = getenv("NOTIFY_SOCKET");

    state.address[0] = '\0';
    state.interval = 0;
    if (address != NULL && (address[0] == '/' || address[0] == '@') && address[1] != '\0' && strlen(address) < sizeof state.address) {
        strcpy(state.address, address);
        state.interval = read_interval();
    }
    (void)unsetenv("NOTIFY_SOCKET");
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
}

static int
send_text(const char *text, size_t n)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    size_t length = strlen(state.address);
    int err = 0;

    memcpy(to.sun_path, state.address, length);
    if (to.sun_path[0] == '@') {
        to.sun_path[0] = '\0';
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return errno;
    }
    if (sendto(fd, text, n, MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&to, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) < 0) {
        err = errno;
    }
    (void)close(fd);
    return err;
}

void
hs_notify(const char *fmt, ...)
{
    char text[MESSAGE_MAX];
    va_list ap;

    if (state.address[0] == '\0') {
        return;
    }
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    int err = n > 0 ? send_text(text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1) : EINVAL;
    if (err != 0) {
        hs_log(HS_LOG_WARN, "the service manager cannot be told: %s", strerror(err));
    }
}

void
hs_notify_reloading(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    hs_notify("RELOADING=1\nMONOTONIC_USEC=%" PRId64, (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000);
}

/* --- the watchdog --- */

int64_t
hs_notify_interval(void)
{
    return state.interval * 1000;
}

static void
on_beat(void *arg)
{
    (void)arg;
    hs_notify("WATCHDOG=1");
    if (hs_timer_set(&state.beat, state.interval * 1000 / 2) != 0) {
        hs_log(HS_LOG_ERROR, "out of memory: the service manager will think that nobody is there");
    }
}

int
hs_notify_watch(struct hs_loop *loop)
{
    if (state.interval == 0 || state.watching) {
        return 0;
    }
    hs_timer_init(&state.beat, loop, on_beat, NULL);
    int err = hs_timer_set(&state.beat, 0);
    state.watching = err == 0;
    return err;
}

void
hs_notify_unwatch(void)
{
    if (state.watching) {
        hs_timer_cancel(&state.beat);
        state.watching = false;
    }
}

/* --- other processes --- */

void
hs_notify_end(void)
{
    state.address[0] = '\0';
}

int
hs_notify_hand_on(void)
{
    char number[32];

    if (state.address[0] == '\0') {
        return 0;
    }
    if (setenv("NOTIFY_SOCKET", state.address, 1) != 0) {
        return ENOMEM;
    }
    if (state.interval == 0) {
        return 0;
    }
    (void)snprintf(number, sizeof number, "%" PRId64, state.interval);
    int failed = setenv("WATCHDOG_USEC", number, 1);
    (void)snprintf(number, sizeof number, "%ld", (long)getpid());
    return failed != 0 || setenv("WATCHDOG_PID", number, 1) != 0 ? ENOMEM : 0;
}
