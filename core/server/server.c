/* server.c - one server in one process: configured, its floors put together, taken apart. What happens in between is in lifecycle.c.
 * Owns the loop, the sessions' environment, the protocol drivers, the dispatcher, the listeners and the current scripts. */
#include "httpsrv/server.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/region.h"
#include "bindings/stall.h"
#include "io/pool.h"
#include "misc/ec_sockaddr.h"
#include "server/access.h"
#include "server/config_file.h"
#include "server/entrance.h"
#include "server/lifecycle.h"
#include "server/memory.h"
#include "server/server_control.h"

static atomic_flag taken = ATOMIC_FLAG_INIT;

const char *
httpsrv_version(void)
{
    return HTTPSRV_VERSION;
}

/* --- errors --- */

int
server_fail(struct httpsrv_server *s, int err, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(s->error, sizeof s->error, fmt, ap);
    va_end(ap);
    return err;
}

const char *
httpsrv_server_error(const struct httpsrv_server *s)
{
    return s->error;
}

/* --- making and configuring --- */

int
httpsrv_server_new(struct httpsrv_server **out)
{
    if (atomic_flag_test_and_set(&taken)) {
        return EBUSY;
    }
    struct httpsrv_server *s = calloc(1, sizeof *s);
    if (s == NULL || hs_settings_init(&s->settings) != 0) {
        free(s);
        atomic_flag_clear(&taken);
        return ENOMEM;
    }
    s->request_fd = s->logs.fd = s->renewal.access_fd = -1;
    *out = s;
    return 0;
}

static int
check_new(struct httpsrv_server *s)
{
    return s->state == SERVER_NEW && s->loop == NULL ? 0 : server_fail(s, EBUSY, "the server was started already");
}

int
httpsrv_server_set(struct httpsrv_server *s, const char *name, const char *value)
{
    char why[512];

    int err = check_new(s);
    if (err != 0) {
        return err;
    }
    const struct hs_setting *which = hs_setting_find(name);
    if (which == NULL || which->type == HS_SETTING_FILE) {
        const struct hs_setting *like = hs_setting_like(name);
        return server_fail(s, ENOENT, "unknown setting '%s'%s%s%s", name, like != NULL ? " (did you mean " : "", like != NULL ? like->name : "",
                    like != NULL ? "?)" : "");
    }
    if (which->type == HS_SETTING_WORKERS && strcmp(value, "0") != 0) {
        return server_fail(s, EINVAL, "workers: must be 0: a server inside a program is one process");
    }
    if (hs_setting_is_process(which)) {
        return server_fail(s, EINVAL, "%s: is for the command httpsrv serve; a process is its program's", which->name);
    }
    err = hs_setting_set(&s->settings, which, value, HS_SOURCE_COMMAND, why, sizeof why);
    return err != 0 ? server_fail(s, err, "%s: %s, not '%s'", which->name, why, value) : 0;
}

bool
server_note_problem(struct httpsrv_server *s, const char *message)
{
    bool is_first = s->error[0] == '\0';

    if (is_first) {
        (void)server_fail(s, 0, "%s", message);
    }
    return is_first;
}

static void
note_problem(void *arg, const char *message)
{
    (void)server_note_problem(arg, message);
}

int
httpsrv_server_config(struct httpsrv_server *s, const char *file)
{
    char why[64];

    int err = check_new(s);
    if (err != 0) {
        return err;
    }
    s->error[0] = '\0';
    err = hs_config_file_read(&s->settings, file, HS_CONFIG_SECONDS, note_problem, s);
    if (err == ENOENT) {
        return server_fail(s, ENOENT, "%s: %s", file, strerror(ENOENT));
    }
    if (err == 0) {
        err = hs_setting_set(&s->settings, hs_setting_find("config"), file, HS_SOURCE_COMMAND, why, sizeof why);
        s->renewal.reads = err == 0;
    }
    return err;
}

void
httpsrv_server_on_load(struct httpsrv_server *s, int (*fn)(void *arg), void *arg)
{
    s->on_load = fn;
    s->on_load_arg = arg;
}

void
httpsrv_server_on_state(struct httpsrv_server *s, void (*ready)(void *arg, int err), void (*stopped)(void *arg), void *arg)
{
    s->ready = ready;
    s->stopped = stopped;
    s->on_state_arg = arg;
}

void
httpsrv_server_on_reload(struct httpsrv_server *s, void (*reloaded)(void *arg, int err), void *arg)
{
    s->reloaded = reloaded;
    s->on_reload_arg = arg;
}

int
httpsrv_server_attach(struct httpsrv_server *s, struct event_base *base)
{
    int err = check_new(s);

    if (err == 0) {
        s->base = base;
    }
    return err;
}

/* --- listening --- */

static int
add_listener(struct httpsrv_server *s, const char *address)
{
    int err = s->listeners == NULL ? hs_listeners_new(&s->listeners) : 0;
    if (err == 0) {
        err = hs_listeners_add(s->listeners, address, (int)s->settings.backlog);
    }
    if (err != 0) {
        hs_listen_socket_explain(address, err, s->error, sizeof s->error);
    }
    return err;
}

int
httpsrv_server_listen(struct httpsrv_server *s, const char *address)
{
    int err = check_new(s);

    return err != 0 ? err : add_listener(s, address);
}

const char *
httpsrv_server_address(const struct httpsrv_server *s, size_t i)
{
    return s->listeners != NULL ? hs_listeners_address(s->listeners, i) : NULL;
}

/* Opens the addresses of the setting, unless sockets were handed in; its default only when none were opened before. */
static int
open_listeners(struct httpsrv_server *s)
{
    enum hs_setting_source source = hs_setting_source_of(&s->settings, hs_setting_find("listen"));
    int err = 0;

    if (s->adopted || (s->listeners != NULL && hs_listeners_count(s->listeners) != 0 && source == HS_SOURCE_DEFAULT)) {
        return 0;
    }
    for (size_t i = 0; i < s->settings.listen.n && err == 0; i++) {
        err = add_listener(s, s->settings.listen.items[i]);
    }
    return err;
}

/* --- what is told of requests --- */

/* A person watches a terminal. */
static void
show_request(void *arg, const struct hs_request_end *e)
{
    struct httpsrv_server *s = arg;
    char line[1024];

    if (hs_server_has_access_log(s)) {
        return;
    }
    (void)!write(s->request_fd, line, hs_access_show(line, sizeof line, e));
}

static void
on_refused(void *arg, const struct hs_h1_refused *r)
{
    struct httpsrv_server *s = arg;
    ec_sockaddr a;
    char from[EC_SOCKADDR_TEXT_MAX] = "unix:";
    socklen_t len = r->from->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);

    if (r->from->ss_family != AF_UNIX && ec_sockaddr_set(&a, (const struct sockaddr *)r->from, len) == 0) {
        (void)ec_sockaddr_format(&a, from, sizeof from);
    }
    hs_log(HS_LOG_INFO, "refused a request from %s: %d, %s", from, r->why->status, r->why->reason);
    hs_request_ends_refused(&s->ends, r);
}

/* --- starting --- */

struct hs_limits
server_session_limits(const struct hs_settings *c)
{
    struct hs_limits l;

    hs_limits_default(&l);
    l.handler_timeout = c->handler_timeout;
    l.max_body = c->max_body;
    l.body_memory = (size_t)c->body_memory;
    l.body_ahead = (size_t)c->body_ahead;
    l.response_high = (size_t)c->response_high;
    l.response_low = (size_t)c->response_low;
    l.response_buffer_max = (size_t)c->response_buffer_max;
    l.turn_bytes = (size_t)c->turn_bytes;
    return l;
}

struct hs_h1_limits
server_h1_limits(const struct hs_settings *c)
{
    struct hs_h1_limits l;

    hs_h1_limits_default(&l);
    l.head.head_size = (uint32_t)c->head_size;
    l.head.target_size = (uint32_t)c->target_size;
    l.head.fields = (uint16_t)c->head_fields;
    l.head_timeout = c->head_timeout;
    l.idle_timeout = c->keep_alive;
    l.write_timeout = c->write_timeout;
    l.body_window = c->body_window;
    l.body_rate = (uint32_t)c->body_rate;
    l.max_requests = (uint32_t)c->max_requests;
    l.drain_max = (size_t)c->drain_max;
    l.linger_max = (size_t)c->linger_max;
    l.linger_timeout = c->linger_timeout;
    l.linger_count = (unsigned)c->linger_count;
    l.pipeline_output = (size_t)c->pipeline_output;
    return l;
}

/* Makes the floors below. 0 or errno. */
static int
make_floors(struct httpsrv_server *s)
{
    const struct hs_loop_options options = { .base = s->base, .test_clock = s->test_clock };
    const struct hs_limits limits = server_session_limits(&s->settings);
    const struct hs_h1_limits h1 = server_h1_limits(&s->settings);

    int err = hs_loop_new(&options, &s->loop);
    if (err != 0) {
        return err;
    }
    server_lifecycle_init(s);
    server_reload_init(s);
    err = hs_region_open(hs_settings_shared(&s->settings));
    if (err == 0 || err == EBUSY) { /* inherited */
        err = server_memory_new(s);
    }
    if (err == 0 && s->watched && s->settings.watchdog > 0) {
        err = hs_stall_watch(s->loop, s->settings.watchdog);
    }
    if (err == 0) {
        err = hs_dispatch_new(&s->dispatch);
    }
    if (err == 0) {
        hs_request_ends_attach(&s->ends, s->dispatch, s->loop);
        err = hs_session_env_new(s->loop, &limits, &hs_dispatch_app, s->dispatch, &s->env);
    }
    if (err == 0) {
        err = hs_h1_new(s->loop, &h1, &hs_session_stream_user, s->env, &s->h1);
    }
    if (err == 0) {
        hs_h1_on_refused(s->h1, on_refused, s);
        err = server_publisher_start(s);
    }
    return err;
}

static void
ignore_sigpipe(void)
{
    struct sigaction sa;

    if (sigaction(SIGPIPE, NULL, &sa) == 0 && sa.sa_handler == SIG_DFL && (sa.sa_flags & SA_SIGINFO) == 0) {
        sa.sa_handler = SIG_IGN;
        (void)sigaction(SIGPIPE, &sa, NULL);
    }
}

/* Begins to load. 0 or errno. */
static int
load(struct httpsrv_server *s, const char *path)
{
    if (path != NULL) {
        s->path = strdup(path);
        if (s->path == NULL) {
            return server_fail(s, ENOMEM, "cannot start: %s", strerror(ENOMEM));
        }
    }
    int err = server_load(s, server_on_loaded, &s->scripts);
    if (err != 0) {
        return err;
    }
    server_set_state(s, SERVER_LOADING);
    if (path == NULL) {
        server_on_loaded(s, 0);
    }
    return 0;
}

int
httpsrv_server_start(struct httpsrv_server *s, const char *scripts)
{
    const struct hs_setting *which;
    char why[256];

    int err = check_new(s);
    if (err != 0) {
        return err;
    }
    s->error[0] = '\0';
    err = hs_settings_check(&s->settings, &which, why, sizeof why);
    if (err != 0) {
        return server_fail(s, err, "%s: %s", which->name, why);
    }
    hs_log_set_level((enum hs_log_level)s->settings.log_level);
    ignore_sigpipe();
    err = make_floors(s);
    if (err != 0) {
        return server_fail(s, err, "cannot start: %s", strerror(err));
    }
    err = server_logs_open(s);
    if (err == 0) {
        err = open_listeners(s);
    }
    if (err == 0) {
        err = server_control_open(s);
    }
    return err != 0 ? err : load(s, scripts);
}

int
httpsrv_server_run(struct httpsrv_server *s)
{
    if (s->base != NULL || s->state == SERVER_NEW) {
        return server_fail(s, EINVAL, s->base != NULL ? "the server is attached to another loop" : "the server was not started");
    }
    int err = s->state != SERVER_STOPPED ? hs_loop_run(s->loop) : 0;
    return err != 0 ? server_fail(s, err, "the event loop failed: %s", strerror(err)) : s->load_err;
}

/* --- the end --- */

/* Frees the floors, upper ones first. */
static void
free_floors(struct httpsrv_server *s)
{
    if (s->h1 != NULL) {
        hs_h1_close_all(s->h1);
        hs_h1_free(s->h1);
    }
    if (s->env != NULL) {
        hs_session_env_shut_runs(s->env);
    }
    hs_pools_stop();
    (void)hs_loop_turn(s->loop, false); /* what the pools have posted, and what that defers */
    (void)hs_loop_turn(s->loop, false);
    server_logs_close(s);
    if (s->env != NULL && hs_session_env_live(s->env) != 0) {
        hs_log(HS_LOG_ERROR, "%zu suspended sessions were not resumed: their memory is given up", hs_session_env_live(s->env));
        return;
    }
    if (s->env != NULL) {
        hs_session_env_free(s->env);
    }
    hs_dispatch_free(s->dispatch);
    hs_loop_free(s->loop);
    server_publisher_fini(s);
}

void
httpsrv_server_free(struct httpsrv_server *s)
{
    if (s == NULL) {
        return;
    }
    s->ready = NULL;
    s->stopped = NULL;
    s->reloaded = NULL;
    server_control_close(s);
    if (s->loop != NULL) {
        server_settle(s);
        hs_timer_cancel(&s->timer);
        hs_deferred_cancel(s->loop, &s->soon);
        hs_scripts_drop(&s->scripts, true);
        server_reload_end(s);
        if (s->dispatch != NULL) {
            hs_dispatch_set_generation(s->dispatch, NULL);
        }
    }
    hs_listeners_free(s->listeners);
    if (s->loop != NULL) {
        server_entrance_close(s);
        if (s->watched) {
            hs_stall_unwatch();
        }
        free_floors(s);
    }
    server_renewal_fini(s);
    server_entrance_fini(s);
    hs_lua_memory_free(s->memory);
    hs_settings_fini(&s->settings);
    free(s->path);
    free(s);
    atomic_flag_clear(&taken);
}

/* --- for the command --- */

struct hs_settings *
hs_server_settings(struct httpsrv_server *s)
{
    return &s->settings;
}

struct hs_loop *
hs_server_loop(struct httpsrv_server *s)
{
    return s->loop;
}

int
hs_server_adopt(struct httpsrv_server *s, struct hs_listen_socket *socket, size_t worker, size_t workers)
{
    int err = s->listeners == NULL ? hs_listeners_new(&s->listeners) : 0;

    s->adopted = true;
    return err != 0 ? err : hs_listeners_adopt(s->listeners, socket, worker, workers);
}

void
hs_server_share_quota(struct httpsrv_server *s, struct hs_quota *quota, size_t worker)
{
    s->entrance.gates.quota = quota;
    s->entrance.gates.worker = worker;
}

void
hs_server_release(struct httpsrv_server *s)
{
    s->released = true;
    httpsrv_server_stop(s, 0);
}

struct hs_listeners *
hs_server_listeners(struct httpsrv_server *s)
{
    return s->state == SERVER_SERVING ? s->listeners : NULL;
}

void
hs_server_use_test_clock(struct httpsrv_server *s)
{
    s->test_clock = true;
}

void
hs_server_use_default_control(struct httpsrv_server *s)
{
    s->default_control = true;
}

void
hs_server_use_watchdog(struct httpsrv_server *s)
{
    s->watched = true;
}

void
hs_server_show_requests(struct httpsrv_server *s, int fd)
{
    s->request_fd = fd;
    hs_request_ends_remove(&s->ends, show_request, s);
    if (fd >= 0) {
        (void)hs_request_ends_add(&s->ends, show_request, s); /* there is room: it is one of few */
    }
}

struct hs_lua_runtime *
hs_server_runtime(struct httpsrv_server *s)
{
    return s->state >= SERVER_SERVING && s->state < SERVER_STOPPED ? s->scripts.runtime : NULL;
}

size_t
hs_server_routes(struct httpsrv_server *s)
{
    return s->scripts.generation != NULL ? hs_generation_count(s->scripts.generation) : 0;
}

void
hs_server_live(struct httpsrv_server *s, size_t *connections, size_t *requests)
{
    struct hs_h1_stats st;

    hs_h1_get_stats(s->h1, &st);
    *connections = st.live + server_entrance_waiting(s);
    *requests = hs_session_env_live(s->env);
}

bool
hs_server_stopping(const struct httpsrv_server *s)
{
    return s->stop || s->state == SERVER_STOPPED;
}
