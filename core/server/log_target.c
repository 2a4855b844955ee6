/* log_target.c - where a log goes, and whole lines on their way there without waiting. */
#include "server/log_target.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

enum { MODE = 0640 };

/* --- targets --- */

static const struct {
    const char *name;
    int value;
} facilities[] = {
    { "kern", LOG_KERN },     { "user", LOG_USER },     { "mail", LOG_MAIL },         { "daemon", LOG_DAEMON }, { "auth", LOG_AUTH },
    { "syslog", LOG_SYSLOG }, { "lpr", LOG_LPR },       { "news", LOG_NEWS },         { "uucp", LOG_UUCP },     { "cron", LOG_CRON },
    { "ftp", LOG_FTP },       { "local0", LOG_LOCAL0 }, { "authpriv", LOG_AUTHPRIV }, { "local1", LOG_LOCAL1 }, { "local2", LOG_LOCAL2 },
    { "local3", LOG_LOCAL3 }, { "local4", LOG_LOCAL4 }, { "local5", LOG_LOCAL5 },     { "local6", LOG_LOCAL6 }, { "local7", LOG_LOCAL7 },
};

static int
parse_facility(const char *name, int *out)
{
    for (size_t i = 0; i < sizeof facilities / sizeof *facilities; i++) {
        if (strcmp(facilities[i].name, name) == 0) {
            *out = facilities[i].value;
            return 0;
        }
    }
    return EINVAL;
}

int
hs_log_target_parse(const char *text, struct hs_log_target *out)
{
    struct hs_log_target t = { .kind = HS_LOG_TO_FILE, .path = text, .facility = LOG_DAEMON };

    if (*text == '\0') {
        return EINVAL;
    }
    if (strcmp(text, "none") == 0) {
        t.kind = HS_LOG_TO_NONE;
    } else if (strcmp(text, "-") == 0 || strcmp(text, "stdout") == 0) {
        t.kind = HS_LOG_TO_STDOUT;
    } else if (strcmp(text, "stderr") == 0) {
        t.kind = HS_LOG_TO_STDERR;
    } else if (strcmp(text, "syslog") == 0) {
        t.kind = HS_LOG_TO_SYSLOG;
    } else if (strncmp(text, "syslog:", 7) == 0) {
        t.kind = HS_LOG_TO_SYSLOG;
        if (parse_facility(text + 7, &t.facility) != 0) {
            return EINVAL;
        }
    }
    if (t.kind != HS_LOG_TO_FILE) {
        t.path = NULL;
    }
    *out = t;
    return 0;
}

/* A way of our own to a standard stream: not to wait for it must not change how others, who have the same description, write to it. Sockets cannot
 * be opened anew, and can be told each time; of what is not ours to open we share the description. */
static int
open_stream(int stream, int *out)
{
    struct stat st;
    char name[32];
    int fd = -1;

    if (fstat(stream, &st) != 0) {
        return errno;
    }
    if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)) {
        (void)snprintf(name, sizeof name, "/proc/self/fd/%d", stream);
        fd = open(name, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    }
    if (fd < 0) {
        fd = fcntl(stream, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    }
    *out = fd;
    return fd >= 0 ? 0 : errno;
}

int
hs_log_target_open(const struct hs_log_target *target, int *out)
{
    switch (target->kind) {
    case HS_LOG_TO_FILE:
        *out = open(target->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, MODE);
        return *out >= 0 ? 0 : errno;
    case HS_LOG_TO_STDOUT:
        return open_stream(STDOUT_FILENO, out);
    case HS_LOG_TO_STDERR:
        return open_stream(STDERR_FILENO, out);
    case HS_LOG_TO_NONE:
    case HS_LOG_TO_SYSLOG:
        break;
    }
    return EINVAL;
}

/* --- outputs --- */

static void
take(struct hs_log_output *o, int fd)
{
    struct stat st;

    o->fd = fd;
    o->torn = false;
    o->is_pipe = o->is_socket = false;
    if (fd >= 0 && fstat(fd, &st) == 0) {
        o->is_socket = S_ISSOCK(st.st_mode);
        o->is_pipe = o->is_socket || S_ISFIFO(st.st_mode) || isatty(fd);
    }
}

void
hs_log_output_init(struct hs_log_output *o, const struct hs_log_target *target, int fd, const char *syslog_path)
{
    *o = (struct hs_log_output){ .kind = target->kind, .facility = target->facility, .syslog_path = syslog_path != NULL ? syslog_path : "/dev/log" };
    take(o, fd);
}

void
hs_log_output_fini(struct hs_log_output *o)
{
    if (o->fd >= 0) {
        (void)close(o->fd);
        o->fd = -1;
    }
}

void
hs_log_output_replace(struct hs_log_output *o, int fd)
{
    hs_log_output_fini(o);
    take(o, fd);
}

/* The end of the last whole line in the first max bytes; where there is none, that of the first line. */
static size_t
whole_lines(const char *p, size_t n, size_t max)
{
    const char *nl = n > max ? memrchr(p, '\n', max) : p + n - 1;

    if (nl == NULL) {
        nl = memchr(p, '\n', n);
    }
    return nl != NULL ? (size_t)(nl - p) + 1 : n;
}

static ssize_t
write_piece(const struct hs_log_output *o, const char *p, size_t n)
{
    static char newline[] = "\n";
    struct iovec iov[2] = { { newline, o->torn ? 1 : 0 }, { (void *)(uintptr_t)p, n } };
    struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };
    ssize_t w;

    do {
        w = o->is_socket ? sendmsg(o->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) : writev(o->fd, iov, 2);
    } while (w < 0 && errno == EINTR);
    return w;
}

/* After a part of a piece: back to where the line began that it has cut, so that it is written anew, behind a newline. */
static void
tear(struct hs_log_output *o, struct hs_view text, size_t *at)
{
    while (*at > 0 && text.p[*at - 1] != '\n') {
        (*at)--;
        o->torn = true;
    }
}

static int
write_stream(struct hs_log_output *o, struct hs_view text, size_t *at)
{
    while (*at < text.n) {
        size_t n = text.n - *at;
        n = o->is_pipe ? whole_lines(text.p + *at, n, PIPE_BUF) : n;
        ssize_t w = write_piece(o, text.p + *at, n);
        if (w < 0) {
            int err = errno == EWOULDBLOCK ? EAGAIN : errno;
            if (err != EAGAIN) {
                tear(o, text, at);
            }
            return err;
        }
        if (o->torn && w > 0) {
            o->torn = false;
            w--;
        }
        *at += (size_t)w;
        if ((size_t)w < n && !o->is_pipe) {
            tear(o, text, at); /* a full disk: somebody else's line may come before the rest of ours */
        }
    }
    return 0;
}

/* --- syslog --- */

static int
connect_syslog(struct hs_log_output *o)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    size_t n = strlen(o->syslog_path);

    if (n >= sizeof a.sun_path) {
        return ENAMETOOLONG;
    }
    memcpy(a.sun_path, o->syslog_path, n);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return errno;
    }
    if (connect(fd, (const struct sockaddr *)&a, sizeof a) != 0) {
        int err = errno;
        (void)close(fd);
        return err;
    }
    o->fd = fd;
    return 0;
}

static int
send_line(const struct hs_log_output *o, struct hs_view line, int severity)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char head[128];
    struct tm tm = { 0 };
    time_t now = time(NULL);

    (void)localtime_r(&now, &tm);
    int n = snprintf(head, sizeof head, "<%d>%.3s %2d %02d:%02d:%02d httpsrv[%ld]: ", o->facility | severity, months + (size_t)tm.tm_mon * 3, tm.tm_mday,
                     tm.tm_hour, tm.tm_min, tm.tm_sec, (long)getpid());
    struct iovec iov[2] = { { head, n > 0 ? (size_t)n : 0 }, { (void *)(uintptr_t)line.p, line.n } };
    struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };

    while (sendmsg(o->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        if (errno != EINTR) {
            return errno == EWOULDBLOCK || errno == ENOBUFS ? EAGAIN : errno;
        }
    }
    return 0;
}

/* The daemon may have been started anew since the last line: one more try then. */
static int
write_syslog(struct hs_log_output *o, struct hs_view text, size_t *at, int severity)
{
    while (*at < text.n) {
        size_t n = whole_lines(text.p + *at, text.n - *at, 0);
        struct hs_view line = { text.p + *at, n - (text.p[*at + n - 1] == '\n') };
        bool is_fresh = o->fd < 0;
        int err = is_fresh ? connect_syslog(o) : 0;
        err = err == 0 ? send_line(o, line, severity) : err;
        if (err == EMSGSIZE) {
            line.n = line.n < 1024 ? line.n : 1024;
            err = send_line(o, line, severity);
        }
        if (err == EAGAIN) {
            return err;
        }
        if (err != 0) {
            hs_log_output_fini(o);
            if (is_fresh) {
                return err;
            }
            continue;
        }
        *at += n;
    }
    return 0;
}

int
hs_log_output_write(struct hs_log_output *o, struct hs_view text, size_t *at, int severity)
{
    if (o->kind == HS_LOG_TO_NONE) {
        *at = text.n;
        return 0;
    }
    return o->kind == HS_LOG_TO_SYSLOG ? write_syslog(o, text, at, severity) : write_stream(o, text, at);
}
