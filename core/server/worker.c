/* worker.c - a worker process: one server on sockets that its master opened.
 * A beat ten times a second tells the others that its loop comes round, publishes its counts, and looks whether a sibling needs somebody to
 * accept for it. */
#include "server/worker.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "bindings/worker_id.h"
#include "server/error_log.h"
#include "server/ipc.h"
#include "server/message.h"
#include "server/publish.h"
#include "server/server_int.h"
#include "server/session_list.h"
#include "server/worker_control.h"

#define BEAT (100 * HS_MSEC)

struct worker {
    const struct hs_worker_start *start;
    struct httpsrv_server *server;
    struct hs_ipc *ipc;
    struct hs_worker_control *control;
    struct hs_page_slot *slot;
    struct hs_timer beat;
    bool preparing; /* the master has not been told how that went */
    bool overtaken; /* it has given up the one that is being loaded, and asked again */
};

/* --- signals --- */

static void
do_nothing(int number)
{
    (void)number;
}

/* Not SIG_IGN, which children would inherit through exec(3). */
static void
obey_the_master_only(void)
{
    static const int numbers[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2 };
    struct sigaction sa = { .sa_handler = do_nothing, .sa_flags = SA_RESTART };

    (void)sigemptyset(&sa.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        (void)sigaction(numbers[i], &sa, NULL);
    }
}

/* --- the beat --- */

static void
help_siblings(struct worker *w, int64_t now)
{
    struct hs_page *page = w->start->page;
    struct hs_listeners *ls = hs_server_listeners(w->server);

    if (ls == NULL) {
        return;
    }
    for (size_t i = 0; i < hs_page_workers(page); i++) {
        if (i != w->start->index) {
            hs_listeners_help(ls, i, hs_page_stand_in(page, i, now, HS_WORKER_LATE) == w->start->index);
        }
    }
}

static void
on_beat(void *arg)
{
    struct worker *w = arg;
    int64_t now = hs_page_now();

    atomic_store(&w->slot->beat, now);
    hs_server_publish(w->server);
    if (atomic_load(&w->slot->state) == HS_WORKER_SERVING) {
        help_siblings(w, now);
    }
    if (hs_timer_set(&w->beat, BEAT) != 0) {
        hs_log(HS_LOG_ERROR, "out of memory: this worker ends");
        hs_server_release(w->server); /* the next one in this place has the same sockets */
    }
}

/* --- the master --- */

static void
tell(struct worker *w, enum hs_message type, const char *text)
{
    (void)hs_ipc_send(w->ipc, type, 0, hs_view_of(text)); /* a master that is gone is told by the channel */
}

/* The master has opened log files anew. */
static void
switch_logs(struct worker *w, struct hs_view which)
{
    for (size_t i = 0; i < which.n; i++) {
        int fd = hs_ipc_take_fd(w->ipc, i);
        if (fd < 0) {
            hs_log(HS_LOG_ERROR, "a log file was opened anew, but there was no descriptor left for it: the former goes on");
        } else if (which.p[i] == 'a') {
            hs_server_switch_access_log(w->server, fd);
        } else {
            hs_error_log_switch(fd);
        }
    }
}

/* Whole lines, as many messages as that takes; a master that does not take them gives this worker up after a moment. */
static void
tell_sessions(struct worker *w, uint32_t number)
{
    char piece[HS_IPC_TEXT_MAX];
    struct hs_buf list;

    hs_buf_init(&list, HS_SESSION_LIST_BYTES);
    (void)hs_server_list_sessions(w->server, w->start->index, &list); /* what there is room for */
    for (struct hs_view rest = hs_buf_peek(&list);;) {
        size_t n = rest.n < sizeof piece - 1 ? rest.n : sizeof piece - 1;
        while (n != 0 && rest.p[n - 1] != '\n') {
            n--;
        }
        piece[0] = n == rest.n ? HS_SESSIONS_LAST : HS_SESSIONS_MORE;
        if (n != 0) {
            memcpy(piece + 1, rest.p, n);
        }
        if (hs_ipc_send(w->ipc, HS_MESSAGE_SESSION_LIST, number, (struct hs_view){ piece, n + 1 }) != 0 || n == rest.n || n == 0) {
            break;
        }
        rest.p += n;
        rest.n -= n;
    }
    hs_buf_fini(&list);
}

/* Descriptors that came with a message, by their letters. */
static int
take(struct worker *w, struct hs_view letters, char which)
{
    const char *p = letters.n != 0 ? memchr(letters.p, which, letters.n) : NULL;

    return p != NULL ? hs_ipc_take_fd(w->ipc, (size_t)(p - letters.p)) : -1;
}

/* The settings of the next reload. 0 or errno. */
static int
take_settings(struct worker *w, struct hs_view letters)
{
    struct hs_buf packed;
    int fd = take(w, letters, 's');

    hs_buf_init(&packed, SIZE_MAX);
    int err = fd >= 0 ? hs_settings_read(fd, &packed) : EMFILE;
    if (err == 0) {
        err = hs_server_hand_settings(w->server, hs_buf_peek(&packed), take(w, letters, 'a'));
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    hs_buf_fini(&packed);
    return err;
}

/* The settings hold: the error log goes by them. */
static void
switch_error_log(struct worker *w, struct hs_view letters)
{
    int fd = take(w, letters, 'e');
    bool is_other = fd >= 0 || (letters.n != 0 && memchr(letters.p, 'E', letters.n) != NULL);
    int err = is_other ? hs_error_log_adopt(hs_server_settings(w->server)->error_log, fd) : 0;

    if (err != 0) {
        hs_log(HS_LOG_ERROR, "the error log is another now, but this worker goes on with the former: %s", strerror(err));
    }
}

static void
prepare(struct worker *w, struct hs_view letters)
{
    int err = take_settings(w, letters);
    const char *why = strerror(err);

    hs_server_decide_reload(w->server, false); /* one that is held was given up before this worker had loaded it */
    if (err == 0) {
        err = httpsrv_server_reload(w->server);
        why = httpsrv_server_error(w->server);
    }
    if (err != 0) {
        tell(w, HS_MESSAGE_UNPREPARED, why);
        return;
    }
    w->overtaken = w->preparing && hs_server_is_reloading(w->server);
    w->preparing = true;
}

/* This worker began while the others were reloading: it has the new scripts, and the former settings. */
static void
renew(struct worker *w, struct hs_view letters)
{
    int err = take_settings(w, letters);

    if (err == 0) {
        err = hs_server_renew(w->server);
    }
    if (err != 0) {
        hs_log(HS_LOG_ERROR, "this worker goes on with the former settings: %s", strerror(err));
    }
    switch_error_log(w, letters);
}

static void
on_message(void *arg, uint32_t type, uint32_t number, struct hs_view text)
{
    struct worker *w = arg;

    switch (type) {
    case HS_MESSAGE_DRAIN:
        atomic_store(&w->slot->state, HS_WORKER_DRAINING);
        httpsrv_server_stop(w->server, 0);
        break;
    case HS_MESSAGE_RELEASE:
        atomic_store(&w->slot->state, HS_WORKER_DRAINING);
        hs_server_release(w->server);
        break;
    case HS_MESSAGE_LEAVE:
        w->slot = hs_page_leaving_slot(w->start->page, w->start->index);
        hs_server_change_slot(w->server, w->slot);
        atomic_store(&w->slot->state, HS_WORKER_DRAINING);
        hs_server_release(w->server);
        break;
    case HS_MESSAGE_STOP:
        httpsrv_server_stop(w->server, 1);
        break;
    case HS_MESSAGE_PREPARE:
        prepare(w, text);
        break;
    case HS_MESSAGE_COMMIT:
        hs_server_decide_reload(w->server, true);
        switch_error_log(w, text);
        hs_server_publish(w->server);
        break;
    case HS_MESSAGE_SETTINGS:
        renew(w, text);
        break;
    case HS_MESSAGE_ABANDON:
        hs_server_decide_reload(w->server, false);
        break;
    case HS_MESSAGE_REOPEN:
        switch_logs(w, text);
        break;
    case HS_MESSAGE_LOG_LEVEL:
        hs_log_set_level((enum hs_log_level)number);
        break;
    case HS_MESSAGE_COMMAND:
        hs_worker_control_run(w->control, number, text);
        break;
    case HS_MESSAGE_CANCEL:
        hs_worker_control_cancel(w->control, number);
        break;
    case HS_MESSAGE_SESSIONS:
        tell_sessions(w, number);
        break;
    default: /* a worker's to say */
        break;
    }
}

static void
on_prepared(void *arg, int err)
{
    struct worker *w = arg;

    if (w->overtaken) { /* the one that is wanted comes next */
        w->overtaken = false;
        hs_server_decide_reload(w->server, false);
        return;
    }
    w->preparing = false;
    if (err == 0) {
        tell(w, HS_MESSAGE_PREPARED, "");
    } else {
        tell(w, HS_MESSAGE_UNPREPARED, httpsrv_server_error(w->server));
    }
}

static void
on_worn(void *arg)
{
    struct worker *w = arg;

    tell(w, HS_MESSAGE_WORN, "");
}

static void
on_master_gone(void *arg)
{
    struct worker *w = arg;

    if (!hs_server_stopping(w->server)) {
        hs_log(HS_LOG_ERROR, "the master is gone: this worker ends");
    }
    httpsrv_server_stop(w->server, 1);
}

static const struct hs_ipc_calls ipc_calls = { on_message, on_master_gone };

/* --- the server --- */

static void
on_ready(void *arg, int err)
{
    struct worker *w = arg;
    char routes[24];

    if (err != 0) {
        tell(w, HS_MESSAGE_FAILED, httpsrv_server_error(w->server));
        return;
    }
    hs_server_publish(w->server);
    atomic_store(&w->slot->state, HS_WORKER_SERVING);
    hs_server_hold_reloads(w->server, on_prepared, w);
    on_beat(w);
    (void)snprintf(routes, sizeof routes, "%zu", hs_server_routes(w->server));
    tell(w, HS_MESSAGE_READY, routes);
}

static int
start_server(struct worker *w)
{
    const struct hs_worker_start *start = w->start;

    struct hs_settings *settings = hs_server_settings(w->server);

    hs_server_use_slot(w->server, w->slot);
    int err = hs_settings_copy(settings, start->settings);
    free(settings->control); /* the socket is the master's; without the setting a server has none */
    settings->control = NULL;
    for (size_t i = 0; i < start->nsockets && err == 0; i++) {
        err = hs_server_adopt(w->server, &start->sockets[i], start->index, start->workers);
    }
    hs_server_share_quota(w->server, start->quota, start->row);
    if (err != 0) {
        return err;
    }
    settings->log_level = (int64_t)hs_log_get_level(); /* the master's, who may have been told another than it began with */
    hs_server_use_logs(w->server, start->access_fd, (unsigned)start->index);
    if (isatty(STDERR_FILENO)) {
        hs_server_show_requests(w->server, STDERR_FILENO);
    }
    httpsrv_server_on_state(w->server, on_ready, NULL, w);
    hs_server_on_worn(w->server, on_worn, w);
    hs_server_use_watchdog(w->server);
    return httpsrv_server_start(w->server, start->path);
}

static int
run_server(struct worker *w)
{
    int err = start_server(w);
    if (err != 0) {
        const char *why = httpsrv_server_error(w->server);
        hs_log(HS_LOG_ERROR, "%s", why[0] != '\0' ? why : strerror(err));
        return err;
    }
    struct hs_loop *loop = hs_server_loop(w->server);
    err = hs_ipc_new(loop, w->start->channel, &ipc_calls, w, &w->ipc);
    if (err == 0) {
        err = hs_worker_control_new(w->server, w->ipc, &w->control);
    }
    if (err != 0) {
        hs_log(HS_LOG_ERROR, "%s", strerror(err));
        return err;
    }
    hs_timer_init(&w->beat, loop, on_beat, w);
    err = httpsrv_server_run(w->server);
    hs_server_publish(w->server);
    hs_timer_cancel(&w->beat);
    hs_worker_control_detach(w->control);
    hs_ipc_free(w->ipc);
    return err;
}

int
hs_worker_run(const struct hs_worker_start *start)
{
    struct worker w = { .start = start, .slot = hs_page_slot(start->page, start->index) };
    char name[32];

    obey_the_master_only();
    (void)snprintf(name, sizeof name, "worker %zu", start->index);
    hs_log_set_name(name);
    hs_lua_set_worker_id((int)start->index);
    int err = httpsrv_server_new(&w.server);
    if (err != 0) {
        hs_log(HS_LOG_ERROR, "%s", strerror(err));
        return 1;
    }
    err = run_server(&w);
    httpsrv_server_free(w.server);
    hs_worker_control_free(w.control);
    return err != 0 ? 1 : 0;
}
