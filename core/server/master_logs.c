/* master_logs.c - the logs of a master and its workers.
 * The master opens the files: workers may have given up the right to, and a worker that is replaced must not be the one that finds out. At the start
 * they inherit what is open; when files are opened anew they are sent the descriptors. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "server/command.h"
#include "server/error_log.h"
#include "server/log_target.h"
#include "server/master_int.h"

int
master_logs_open_access(const struct hs_settings *settings, int *fd)
{
    struct hs_log_target target;

    *fd = -1;
    if (hs_log_target_parse(settings->access_log, &target) != 0 || target.kind == HS_LOG_TO_NONE || target.kind == HS_LOG_TO_SYSLOG) {
        return 0;
    }
    return hs_log_target_open(&target, fd);
}

int
master_logs_open(struct master *m)
{
    int err = master_logs_open_access(m->settings, &m->access_fd);

    if (err != 0) {
        hs_command_complain("access-log: cannot open %s: %s", m->settings->access_log, strerror(err));
    }
    return err;
}

/* Hands to every worker what was opened anew. */
static void
send_all(struct master *m, const char *which, const int *fds)
{
    for (size_t i = 0; i < m->nslots; i++) {
        struct slot *s = &m->slots[i];
        int err = s->ipc != NULL ? hs_ipc_send_fds(s->ipc, HS_MESSAGE_REOPEN, 0, hs_view_of(which), fds, strlen(which)) : 0;
        if (err != 0 && err != EPIPE) { /* one that is gone finds the new files when it comes again */
            hs_log(HS_LOG_ERROR, "worker %zu goes on with the former log files: %s", i, strerror(err));
        }
    }
}

int
master_logs_reopen(struct master *m, char *why, size_t size)
{
    char which[HS_IPC_FDS_MAX + 1] = "";
    int fds[HS_IPC_FDS_MAX], fd = -1;
    size_t n = 0;

    int access_err = master_logs_open_access(m->settings, &fd);
    if (access_err == 0 && fd >= 0) {
        if (m->access_fd >= 0) {
            (void)close(m->access_fd);
        }
        m->access_fd = fds[n] = fd;
        which[n++] = 'a';
    }
    int error_err = hs_error_log_reopen();
    if (error_err == 0 && hs_error_log_fd() >= 0) {
        fds[n] = hs_error_log_fd();
        which[n++] = 'e';
    }
    if (n != 0) {
        send_all(m, which, fds);
    }
    int err = access_err != 0 ? access_err : error_err;
    if (err != 0) {
        (void)snprintf(why, size, "the %s log cannot be opened anew, the former goes on: %s", access_err != 0 ? "access" : "error", strerror(err));
    }
    return err;
}

void
master_logs_set_level(struct master *m, enum hs_log_level level)
{
    hs_log_set_level(level);
    for (size_t i = 0; i < m->nslots; i++) {
        if (m->slots[i].ipc != NULL) {
            (void)hs_ipc_send(m->slots[i].ipc, HS_MESSAGE_LOG_LEVEL, (uint32_t)level, (struct hs_view){ NULL, 0 });
        }
    }
}
