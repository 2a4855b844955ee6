/* master_settings.c - a master's settings are read again with each reload.
 * The trial reads the configuration, which may be any Lua, and writes what it says to a file in memory. Master and workers read it there and set it, each by
 * itself, as if it stood on their command line; so no Lua runs in the master. Log files are opened here, and workers are handed them. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "server/error_log.h"
#include "server/master_int.h"

int
master_settings_begin(struct master *m)
{
    struct master_renewal *r = &m->reload.renewal;

    r->change = (struct hs_settings_change){ .changed = "" };
    r->fd = memfd_create("settings", MFD_CLOEXEC);
    return r->fd >= 0 ? 0 : errno;
}

/* What the trial has written, as settings. 0 or errno. */
static int
read_next(struct master *m)
{
    struct master_renewal *r = &m->reload.renewal;
    struct hs_buf packed;

    hs_buf_init(&packed, SIZE_MAX);
    int err = hs_settings_read(r->fd, &packed);
    if (err == 0) {
        err = hs_settings_copy(&r->next, m->settings);
    }
    if (err == 0) {
        err = hs_settings_unpack(&r->next, hs_buf_peek(&packed));
    }
    if (err == 0) {
        err = hs_settings_settle(&r->next, m->settings, &r->change);
    }
    hs_buf_fini(&packed);
    return err;
}

/* Opens what is to be written to. 0 or errno, which has been told. */
static int
open_logs(struct master *m)
{
    struct master_renewal *r = &m->reload.renewal;

    r->has_access_log = !hs_settings_same_access_log(&r->next, m->settings);
    r->has_error_log = strcmp(r->next.error_log, m->settings->error_log) != 0;
    int err = r->has_access_log ? master_logs_open_access(&r->next, &r->access_fd) : 0;
    if (err != 0) {
        hs_log(HS_LOG_ERROR, "access-log: cannot open %s: %s", r->next.access_log, strerror(err));
        return err;
    }
    err = r->has_error_log ? hs_error_log_try(r->next.error_log) : 0;
    if (err != 0) {
        hs_log(HS_LOG_ERROR, "error-log: cannot open %s: %s", r->next.error_log, strerror(err));
    }
    return err;
}

int
master_settings_gather(struct master *m)
{
    const struct hs_setting *which;
    char why[256];

    int err = read_next(m);
    if (err != 0) {
        hs_log(HS_LOG_ERROR, "settings: %s", strerror(err));
        return err;
    }
    err = hs_settings_check(&m->reload.renewal.next, &which, why, sizeof why); /* what needs a restart is as it was */
    if (err != 0) {
        hs_log(HS_LOG_ERROR, "%s: %s", which->name, why);
        return err;
    }
    return open_logs(m);
}

/* Sends letters and the descriptors that go with them. 0 or errno. */
static int
send_to(struct slot *s, enum hs_message type, bool with_error_log)
{
    const struct master_renewal *r = &s->m->reload.renewal;
    char letters[HS_IPC_FDS_MAX + 1] = "";
    int fds[HS_IPC_FDS_MAX];
    size_t n = 0, nfds;

    if (type != HS_MESSAGE_COMMIT) {
        fds[n] = r->fd;
        letters[n++] = 's';
        if (r->has_access_log && r->access_fd >= 0) {
            fds[n] = r->access_fd;
            letters[n++] = 'a';
        }
    }
    nfds = n;
    if (with_error_log && hs_error_log_fd() >= 0) {
        fds[nfds++] = hs_error_log_fd();
        letters[n++] = 'e';
    } else if (with_error_log) {
        letters[n++] = 'E';
    }
    return hs_ipc_send_fds(s->ipc, type, 0, (struct hs_view){ letters, n }, fds, nfds);
}

int
master_settings_prepare(struct slot *s)
{
    return send_to(s, HS_MESSAGE_PREPARE, false);
}

/* The master's own error log. Whether it is another one now. */
static bool
change_error_log(struct master *m, const struct hs_settings *former)
{
    int err = hs_error_log_open(m->settings->error_log, NULL);

    if (err != 0) { /* it could be opened a moment ago */
        hs_log(HS_LOG_ERROR, "error-log: cannot open %s: %s; the former goes on", m->settings->error_log, strerror(err));
        (void)hs_setting_assign(m->settings, former, hs_setting_find("error-log"));
    }
    return err == 0;
}

void
master_settings_commit(struct master *m)
{
    struct master_renewal *r = &m->reload.renewal;
    struct hs_settings former = *m->settings;

    *m->settings = r->next;
    memset(&r->next, 0, sizeof r->next);
    bool with_error_log = r->has_error_log && change_error_log(m, &former);
    for (size_t i = 0; i < m->nslots; i++) {
        struct slot *s = &m->slots[i];
        int err = s->ipc != NULL ? send_to(s, s->prepares ? HS_MESSAGE_COMMIT : HS_MESSAGE_SETTINGS, with_error_log) : 0;
        if (err != 0 && err != EPIPE) { /* one that is gone begins with them when it comes again */
            hs_log(HS_LOG_ERROR, "worker %zu cannot be told of the reload: %s", i, strerror(err));
        }
    }
    if (r->has_access_log) {
        if (m->access_fd >= 0) {
            (void)close(m->access_fd);
        }
        m->access_fd = r->access_fd;
        r->access_fd = -1;
    }
    if (former.log_level != m->settings->log_level) { /* else what was set by a command stays */
        master_logs_set_level(m, (enum hs_log_level)m->settings->log_level);
    }
    hs_settings_change_log(&r->change);
    hs_settings_fini(&former);
}

void
master_settings_end(struct master *m)
{
    struct master_renewal *r = &m->reload.renewal;

    if (r->fd >= 0) {
        (void)close(r->fd);
    }
    if (r->access_fd >= 0) {
        (void)close(r->access_fd);
    }
    r->fd = r->access_fd = -1;
    r->has_access_log = r->has_error_log = false;
    hs_settings_fini(&r->next);
    memset(&r->next, 0, sizeof r->next);
}
