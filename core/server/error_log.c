/* error_log.c - where the messages of this process go: a file, a standard stream, syslog.
 * A file has one descriptor for good, onto which others are put when it is opened anew (dup3(2)): a thread that is about to write finds it or the new
 * one, nothing in between. */
#include "server/error_log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <syslog.h>
#include <unistd.h>

#include "base/log.h"
#include "server/log_target.h"

static struct hs_log_target target = { .kind = HS_LOG_TO_STDERR };
static char *path; /* of a file */
static int fd = -1; /* of a file or a stream, ours */
static struct hs_log_output syslog_output = { .fd = -1 };
static pthread_mutex_t syslog_lock = PTHREAD_MUTEX_INITIALIZER; /* of syslog_output */

static int
severity_of(enum hs_log_level level)
{
    static const int severities[] = { LOG_DEBUG, LOG_INFO, LOG_NOTICE, LOG_WARNING, LOG_ERR };

    return (size_t)level < sizeof severities / sizeof *severities ? severities[level] : LOG_ERR;
}

static void
syslog_sink(enum hs_log_level level, const char *line, void *arg)
{
    char named[4096];
    struct hs_view v = hs_view_of(line);
    size_t at = 0;

    (void)arg;
    if (hs_log_name()[0] != '\0') { /* a longer line is cut */
        int n = snprintf(named, sizeof named, "%s: %s", hs_log_name(), line);
        v = (struct hs_view){ named, n < 0 ? 0 : (size_t)n < sizeof named ? (size_t)n : sizeof named - 1 };
    }
    pthread_mutex_lock(&syslog_lock);
    (void)hs_log_output_write(&syslog_output, v, &at, severity_of(level)); /* what the daemon does not take is lost: nobody waits for it */
    pthread_mutex_unlock(&syslog_lock);
}

static void
null_sink(enum hs_log_level level, const char *line, void *arg)
{
    (void)level;
    (void)line;
    (void)arg;
}

/* From now on the log is t, written through opened (-1: it has none), which is taken over. What it was before is closed when nobody writes through it any
 * more: hs_log_set_sink waits for that. */
static void
put_in_place(const struct hs_log_target *t, char *own_path, int opened, const char *syslog_path)
{
    int former = fd;

    free(path);
    target = *t;
    target.path = path = own_path;
    fd = opened;
    pthread_mutex_lock(&syslog_lock);
    hs_log_output_fini(&syslog_output);
    if (t->kind == HS_LOG_TO_SYSLOG) {
        hs_log_output_init(&syslog_output, t, -1, syslog_path);
    }
    pthread_mutex_unlock(&syslog_lock);
    if (t->kind == HS_LOG_TO_SYSLOG || t->kind == HS_LOG_TO_NONE) {
        hs_log_set_sink(t->kind == HS_LOG_TO_SYSLOG ? syslog_sink : null_sink, NULL);
        hs_log_set_fd(STDERR_FILENO);
    } else {
        hs_log_set_fd(opened >= 0 ? opened : STDERR_FILENO);
        hs_log_set_sink(NULL, NULL);
    }
    if (former >= 0) {
        (void)close(former);
    }
}

void
hs_error_log_close(void)
{
    put_in_place(&(struct hs_log_target){ .kind = HS_LOG_TO_STDERR }, NULL, -1, NULL);
}

/* Opens what the target is written through, when that is a file or stdout. 0 or errno; *opened -1: nothing was opened. */
static int
open_target(const struct hs_log_target *t, int *opened)
{
    *opened = -1;
    return t->kind == HS_LOG_TO_FILE || t->kind == HS_LOG_TO_STDOUT ? hs_log_target_open(t, opened) : 0;
}

/* 0 or ENOMEM, and then opened is closed. */
static int
replace(const struct hs_log_target *t, int opened, const char *syslog_path)
{
    char *copy = t->path != NULL ? strdup(t->path) : NULL;

    if (t->path != NULL && copy == NULL) {
        (void)close(opened);
        return ENOMEM;
    }
    put_in_place(t, copy, opened, syslog_path);
    return 0;
}

static bool
stays_stderr(const struct hs_log_target *t)
{
    return t->kind == HS_LOG_TO_STDERR && target.kind == HS_LOG_TO_STDERR; /* with whatever sink the program has set */
}

int
hs_error_log_open(const char *text, const char *syslog_path)
{
    struct hs_log_target t;
    int opened = -1;

    int err = hs_log_target_parse(text, &t);
    if (err != 0 || stays_stderr(&t)) {
        return err;
    }
    err = open_target(&t, &opened);
    return err != 0 ? err : replace(&t, opened, syslog_path);
}

int
hs_error_log_adopt(const char *text, int new_fd)
{
    struct hs_log_target t;

    int err = hs_log_target_parse(text, &t);
    if (err == 0 && t.kind == HS_LOG_TO_FILE && new_fd < 0) {
        return EINVAL;
    }
    if (err == 0 && t.kind != HS_LOG_TO_FILE) {
        if (new_fd >= 0) {
            (void)close(new_fd);
        }
        return hs_error_log_open(text, NULL);
    }
    if (err != 0) {
        (void)close(new_fd);
        return err;
    }
    return replace(&t, new_fd, NULL);
}

int
hs_error_log_try(const char *text)
{
    struct hs_log_target t;
    int opened = -1;

    int err = hs_log_target_parse(text, &t);
    if (err == 0) {
        err = open_target(&t, &opened);
    }
    if (opened >= 0) {
        (void)close(opened);
    }
    return err;
}

void
hs_error_log_switch(int new_fd)
{
    if (target.kind == HS_LOG_TO_FILE) {
        (void)dup3(new_fd, fd, O_CLOEXEC); /* both are there: it cannot fail */
    }
    (void)close(new_fd);
}

int
hs_error_log_reopen(void)
{
    int opened, err = 0;

    if (target.kind == HS_LOG_TO_FILE) {
        err = hs_log_target_open(&target, &opened);
        if (err == 0) {
            hs_error_log_switch(opened);
        }
    }
    return err;
}

int
hs_error_log_fd(void)
{
    return target.kind == HS_LOG_TO_FILE ? fd : -1;
}
