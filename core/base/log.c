/* log.c - one message in, one or more escaped lines out to the sink.
 * Owns the sink and the level, both process-wide. A line is built on the stack, or on the heap when it is long,
 * and never shared, so threads meet only at the lock that keeps a sink from being replaced under a call. */
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define SMALL 1024 /* messages up to this length need no memory from malloc */
#define WIDEST 4   /* "\xNN": an escaped byte is at most this long */

static _Atomic int threshold = HS_LOG_INFO;
static _Atomic unsigned long long lost;
static _Atomic int log_fd = STDERR_FILENO;
static char process_name[48]; /* "worker 1", or "" */

static pthread_rwlock_t sink_lock = PTHREAD_RWLOCK_INITIALIZER;
static hs_log_sink *sink; /* NULL: the default */
static void *sink_arg;

static const char *const names[] = { "debug", "info", "notice", "warn", "error" };
#define NAMES (sizeof names / sizeof names[0])

void
hs_log_set_level(enum hs_log_level level)
{
    atomic_store_explicit(&threshold, (int)level, memory_order_relaxed);
}

enum hs_log_level
hs_log_get_level(void)
{
    return (enum hs_log_level)atomic_load_explicit(&threshold, memory_order_relaxed);
}

void
hs_log_set_name(const char *who)
{
    process_name[0] = '\0';
    if (who != NULL) {
        (void)snprintf(process_name, sizeof process_name, "%.32s", who);
    }
}

const char *
hs_log_name(void)
{
    return process_name;
}

void
hs_log_set_fd(int fd)
{
    atomic_store(&log_fd, fd);
}

int
hs_log_level_parse(const char *name, enum hs_log_level *out)
{
    if (name != NULL && strcmp(name, "warning") == 0) { /* what syslog calls it */
        *out = HS_LOG_WARN;
        return 0;
    }
    for (size_t i = 0; name != NULL && i < NAMES; i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = (enum hs_log_level)i;
            return 0;
        }
    }
    return EINVAL;
}

const char *
hs_log_level_name(enum hs_log_level level)
{
    return (size_t)level < NAMES ? names[level] : "?";
}

void
hs_log_set_sink(hs_log_sink *new_sink, void *arg)
{
    pthread_rwlock_wrlock(&sink_lock);
    sink = new_sink;
    sink_arg = arg;
    pthread_rwlock_unlock(&sink_lock);
}

unsigned long long
hs_log_lost(void)
{
    return atomic_load_explicit(&lost, memory_order_relaxed);
}

static size_t
escape_byte(char *dst, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    dst[0] = '\\';
    dst[1] = 'x';
    dst[2] = hex[c >> 4];
    dst[3] = hex[c & 15];
    return 4;
}

size_t
hs_log_escape(char *dst, size_t size, struct hs_view src)
{
    size_t len = 0;
    bool c1 = false; /* the byte before was an escaped 0xc2 */
    for (size_t i = 0; i < src.n; i++) {
        unsigned char c = (unsigned char)src.p[i];
        unsigned char after = i + 1 < src.n ? (unsigned char)src.p[i + 1] : 0;
        bool starts_c1 = c == 0xc2 && after >= 0x80 && after < 0xa0;
        char out[WIDEST];
        size_t n = 1;
        if (c < 0x20 || c == 0x7f || c == '\\' || starts_c1 || c1) {
            n = escape_byte(out, c);
        } else {
            out[0] = (char)c;
        }
        c1 = starts_c1;
        if (n >= size - len) {
            break;
        }
        memcpy(dst + len, out, n);
        len += n;
    }
    dst[len] = '\0';
    return len;
}

/* Writes all of it with as few calls as possible: one, unless the kernel takes only a part. */
static void
write_line(struct iovec iov[3])
{
    int at = 0;
    while (at < 3) {
        ssize_t n = writev(atomic_load(&log_fd), iov + at, 3 - at);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            atomic_fetch_add_explicit(&lost, 1, memory_order_relaxed);
            return;
        }
        size_t done = (size_t)n;
        while (at < 3 && done >= iov[at].iov_len) {
            done -= iov[at++].iov_len;
        }
        if (at < 3) {
            iov[at].iov_base = (char *)iov[at].iov_base + done;
            iov[at].iov_len -= done;
        }
    }
}

static void
default_sink(enum hs_log_level level, const char *line)
{
    struct timespec now = { 0 };
    struct tm tm = { 0 };
    char head[96];
    char nl[] = "\n";
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size_t n = strftime(head, sizeof head, "%Y-%m-%dT%H:%M:%S", &tm);
    int m = snprintf(head + n, sizeof head - n, ".%03dZ %s%s%s%s ", (int)(now.tv_nsec / 1000000), hs_log_level_name(level),
                     process_name[0] != '\0' ? " " : "", process_name, process_name[0] != '\0' ? ":" : "");
    struct iovec iov[3] = {
        { head, n + (size_t)m },
        { (char *)(uintptr_t)line, strlen(line) },
        { nl, 1 },
    };
    write_line(iov);
}

/* Gives the sink one line of a message; line has room for size bytes of what escaping makes of it. */
static void
emit(enum hs_log_level level, struct hs_view text, bool first, char *line, size_t size)
{
    size_t at = 0;
    if (!first) {
        while (text.n != 0 && (*text.p == '\t' || *text.p == ' ')) {
            text.p++;
            text.n--;
        }
        line[at++] = '\t';
    }
    if (text.n != 0 && text.p[text.n - 1] == '\r') {
        text.n--;
    }
    if (text.n == 0 && !first) {
        return;
    }
    hs_log_escape(line + at, size - at, text);
    pthread_rwlock_rdlock(&sink_lock);
    if (sink != NULL) {
        sink(level, line, sink_arg);
    } else {
        default_sink(level, line);
    }
    pthread_rwlock_unlock(&sink_lock);
}

static void
emit_lines(enum hs_log_level level, struct hs_view text, char *line, size_t size)
{
    bool first = true;
    while (first || text.n != 0) {
        const char *nl = text.n != 0 ? memchr(text.p, '\n', text.n) : NULL;
        struct hs_view one = { text.p, nl != NULL ? (size_t)(nl - text.p) : text.n };
        emit(level, one, first, line, size);
        size_t used = one.n + (nl != NULL);
        text.p += used;
        text.n -= used;
        first = false;
    }
}

void
hs_vlog(enum hs_log_level level, const char *fmt, va_list ap)
{
    if (level < hs_log_get_level()) {
        return;
    }
    int saved = errno;
    char text[SMALL];
    char line[SMALL * WIDEST + 2];
    va_list again;
    va_copy(again, ap);
    text[0] = '\0';
    int n = vsnprintf(text, sizeof text, fmt, ap);
    size_t len = n < 0 ? strlen(text) : (size_t)n;
    char *big = NULL;
    if (len >= sizeof text) {
        len = len > HS_LOG_MAX ? HS_LOG_MAX : len;
        big = malloc(len + 1 + len * WIDEST + 2); /* the text, then its lines */
        errno = saved;
        if (big != NULL && vsnprintf(big, len + 1, fmt, again) < 0) {
            free(big);
            big = NULL;
        }
    }
    va_end(again);
    if (big != NULL) {
        emit_lines(level, (struct hs_view){ big, len }, big + len + 1, len * WIDEST + 2);
    } else {
        len = len < sizeof text ? len : sizeof text - 1;
        emit_lines(level, (struct hs_view){ text, len }, line, sizeof line);
    }
    free(big);
    errno = saved;
}

void
hs_log(enum hs_log_level level, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    hs_vlog(level, fmt, ap);
    va_end(ap);
}
