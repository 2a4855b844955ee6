/* lifecycle.c - a server from state to state: loading, serving, draining, ending.
 *
 * All changes of state but the first happen in step(), which runs from the loop: stop may be called from a handler, which must not
 * find its session, its scripts or its listener gone when it returns.
 *
 * Draining ends when nothing is left or when its time is over. Idle connections are not closed before: a client may be about to send on
 * one, and cannot tell a request that was lost from one that was served. */
#include "server/lifecycle.h"

#include <assert.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "server/server_control.h"

#define STEP (10 * HS_MSEC)         /* between two looks while stopping */
#define ACCEPT_GRACE (50 * HS_MSEC) /* the listeners stay open so long after the first accepting dry */
#define END_GRACE (5 * HS_SEC)      /* for handlers whose client was cut off */
#define END_GRACE_AT_ONCE (200 * HS_MSEC)

/* The next step is due: now, or after ns. */
static void
step_in(struct httpsrv_server *s, int64_t ns)
{
    if (ns == 0 || hs_timer_set(&s->timer, ns) != 0) {
        hs_defer(s->loop, &s->soon);
    }
}

void
server_step_soon(struct httpsrv_server *s)
{
    step_in(s, 0);
}

void
server_set_state(struct httpsrv_server *s, enum server_state state)
{
    assert(state > s->state); /* there is no way back */
    s->state = state;
    s->since = hs_loop_now(s->loop);
}

void
server_on_loaded(void *arg, int err)
{
    struct httpsrv_server *s = arg;

    s->loaded = true;
    s->load_err = err;
    step_in(s, 0);
}

/* --- the states --- */

/* Scripts are loaded: the generation becomes current and connections are accepted. */
static void
begin_serving(struct httpsrv_server *s)
{
    server_make_current(s);
    server_set_state(s, SERVER_SERVING);
    int err = server_entrance_open(s);
    server_logs_trust(s);
    if (err != 0) {
        s->load_err = server_fail(s, err, "cannot accept: %s", strerror(err));
        s->stop = s->at_once = true;
        step_in(s, 0);
    }
    server_reload_resume(s);
    if (s->ready != NULL) {
        s->ready(s->on_state_arg, err);
    }
}

static void
begin_draining(struct httpsrv_server *s)
{
    server_set_state(s, SERVER_DRAINING);
    server_reload_cancel(s);
    hs_h1_drain(s->h1);
    if (s->listeners != NULL && s->released) {
        hs_listeners_release(s->listeners);
    } else if (s->listeners != NULL) {
        hs_listeners_drain(s->listeners);
    }
}

/* The time to drain is over, or nothing is left: cuts off what is. */
static void
begin_ending(struct httpsrv_server *s)
{
    size_t connections, requests;

    hs_server_live(s, &connections, &requests);
    if (connections != 0 || requests != 0) {
        hs_log(HS_LOG_NOTICE, "stopping now; connections still open: %zu, requests under way: %zu", connections, requests);
    }
    server_set_state(s, SERVER_ENDING);
    hs_listeners_free(s->listeners);
    s->listeners = NULL;
    server_entrance_close(s);
    hs_h1_close_idle(s->h1);
    hs_h1_close_all(s->h1);
}

static void
on_unloaded(void *arg, int err)
{
    struct httpsrv_server *s = arg;

    if (err != 0) {
        hs_log(HS_LOG_WARN, "unloading the scripts: %s", strerror(err));
    }
    s->unloaded = true;
    step_in(s, 0);
}

static void
begin_unloading(struct httpsrv_server *s)
{
    server_set_state(s, SERVER_UNLOADING);
    if (s->scripts.runtime != NULL) {
        hs_lua_runtime_set_last(s->scripts.runtime);
    }
    if (s->at_once || s->scripts.runtime == NULL || hs_lua_runtime_unload(s->scripts.runtime, on_unloaded, s) != 0) {
        s->unloaded = true;
    }
}

static void
become_stopped(struct httpsrv_server *s)
{
    hs_listeners_free(s->listeners); /* after a failed load they are still there */
    s->listeners = NULL;
    server_control_close(s);
    hs_dispatch_set_generation(s->dispatch, NULL);
    hs_scripts_drop(&s->scripts, s->at_once || s->load_err != 0 || hs_session_env_live(s->env) != 0);
    server_reload_end(s);
    server_set_state(s, SERVER_STOPPED);
    hs_timer_cancel(&s->timer);
    hs_deferred_cancel(s->loop, &s->soon);
    if (s->base == NULL) {
        hs_loop_stop(s->loop);
    }
    if (s->stopped != NULL) {
        s->stopped(s->on_state_arg);
    }
}

static void
step_loading(struct httpsrv_server *s)
{
    if (s->stop) {
        s->at_once = true;
        become_stopped(s);
    } else if (s->loaded && s->load_err == 0) {
        begin_serving(s);
    } else if (s->loaded) {
        if (s->error[0] == '\0') {
            (void)server_fail(s, 0, "cannot load the scripts: %s", strerror(s->load_err));
        }
        if (s->ready != NULL) {
            s->ready(s->on_state_arg, s->load_err);
        }
        become_stopped(s);
    }
}

static void
step_draining(struct httpsrv_server *s)
{
    int64_t passed = hs_loop_now(s->loop) - s->since;
    size_t connections, requests;

    if (s->at_once || passed >= s->settings.drain_timeout) {
        begin_ending(s);
        step_in(s, 0);
        return;
    }
    if (s->listeners != NULL && passed >= ACCEPT_GRACE) {
        hs_listeners_close(s->listeners);
        hs_listeners_free(s->listeners);
        s->listeners = NULL;
    }
    hs_server_live(s, &connections, &requests);
    if (s->listeners == NULL && connections == 0 && requests == 0) {
        begin_ending(s);
        step_in(s, 0);
        return;
    }
    step_in(s, STEP);
}

static void
step_ending(struct httpsrv_server *s)
{
    int64_t grace = s->at_once ? END_GRACE_AT_ONCE : END_GRACE;

    if (hs_session_env_live(s->env) != 0 && hs_loop_now(s->loop) - s->since < grace) {
        step_in(s, STEP);
        return;
    }
    begin_unloading(s);
    if (s->unloaded) {
        step_in(s, 0);
    }
}

static void
step(void *arg)
{
    struct httpsrv_server *s = arg;

    hs_timer_cancel(&s->timer);
    switch (s->state) {
    case SERVER_LOADING:
        step_loading(s);
        break;
    case SERVER_SERVING:
        if (s->stop) {
            begin_draining(s);
            step_in(s, 0);
        }
        break;
    case SERVER_DRAINING:
        step_draining(s);
        break;
    case SERVER_ENDING:
        step_ending(s);
        break;
    case SERVER_UNLOADING:
        if ((s->unloaded && !server_reload_unloading(s)) || s->at_once) {
            become_stopped(s);
        }
        break;
    case SERVER_NEW:
    case SERVER_STOPPED:
        break;
    }
}

void
httpsrv_server_stop(struct httpsrv_server *s, int at_once)
{
    if (s->state == SERVER_NEW || s->state == SERVER_STOPPED) {
        return;
    }
    s->stop = true;
    s->at_once = s->at_once || at_once != 0;
    step_in(s, 0);
}

/* --- for server.c --- */

void
server_lifecycle_init(struct httpsrv_server *s)
{
    hs_timer_init(&s->timer, s->loop, step, s);
    hs_deferred_init(&s->soon, step, s);
}

void
server_settle(struct httpsrv_server *s)
{
    const struct timespec pause = { .tv_nsec = HS_MSEC };

    httpsrv_server_stop(s, 1);
    for (int64_t left = END_GRACE; left > 0; left -= HS_MSEC) {
        for (int i = 0; i < 8; i++) {
            if (hs_loop_turn(s->loop, false) != 0) {
                return;
            }
        }
        if ((s->state == SERVER_NEW || s->state == SERVER_STOPPED) && (s->env == NULL || hs_session_env_live(s->env) == 0)) {
            return;
        }
        if (s->test_clock) {
            hs_loop_advance(s->loop, HS_MSEC);
        } else {
            (void)nanosleep(&pause, NULL);
        }
    }
}
