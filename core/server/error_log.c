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

void
hs_error_log_close(void)
{
    hs_log_set_fd(STDERR_FILENO);
    hs_log_set_sink(NULL, NULL);
    if (fd >= 0) {
        (void)close(fd);
        fd = -1;
    }
    hs_log_output_fini(&syslog_output);
    free(path);
    path = NULL;
    target = (struct hs_log_target){ .kind = HS_LOG_TO_STDERR };
}

int
hs_error_log_open(const char *text, const char *syslog_path)
{
    struct hs_log_target t;
    int opened = -1;

    int err = hs_log_target_parse(text, &t);
    if (err == 0 && t.kind == HS_LOG_TO_STDERR && target.kind == HS_LOG_TO_STDERR) {
        return 0; /* with whatever sink the program has set */
    }
    if (err == 0 && (t.kind == HS_LOG_TO_FILE || t.kind == HS_LOG_TO_STDOUT)) {
        err = hs_log_target_open(&t, &opened);
    }
    char *copy = err == 0 && t.path != NULL ? strdup(t.path) : NULL;
    if (err == 0 && t.path != NULL && copy == NULL) {
        (void)close(opened);
        err = ENOMEM;
    }
    if (err != 0) {
        return err;
    }
    hs_error_log_close();
    target = t;
    target.path = path = copy;
    fd = opened;
    if (fd >= 0) {
        hs_log_set_fd(fd);
    } else if (t.kind == HS_LOG_TO_SYSLOG) {
        hs_log_output_init(&syslog_output, &t, -1, syslog_path);
        hs_log_set_sink(syslog_sink, NULL);
    } else if (t.kind == HS_LOG_TO_NONE) {
        hs_log_set_sink(null_sink, NULL);
    }
    return 0;
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
