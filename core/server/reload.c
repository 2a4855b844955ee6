/* reload.c - generations come and go: the next one is built beside the current one, takes over when it is complete, and the former one ends when its last
 * request has.
 *
 *   wanted --begin--> loading --succeeded--> current --the next one succeeded--> former: unloading --> finishing --last request ended--> gone
 *                        `----failed: dropped, nothing has changed                  `---beyond the limit: ending --time over--> given up
 *
 * A former generation is held until its on_unload functions have run; from then on only its requests hold it. Beyond the limit the oldest one's
 * requests are ended; what does not end by itself within a moment loses its Lua state, and C handlers that still hold sessions are left
 * to themselves. While that goes on the next generation has to wait, so their number is bounded however often a reload is asked for.
 *
 * Everything happens in step(), from the loop: reload may be called by a handler or a timer, whose generation must not change under it. */
#include "server/reload.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "server/lifecycle.h"
#include "server/memory.h"

#define END_GRACE (200 * HS_MSEC) /* for handlers of a generation that is ended */

struct former {
    TAILQ_ENTRY(former) link;
    struct httpsrv_server *server;
    struct hs_scripts scripts; /* valid until the generation is gone; runtime NULL: none, or closed */
    bool held;                 /* we have a reference, until it has been unloaded */
    bool ending;
    bool given_up;
    int64_t since; /* when ending began */
};

/* --- loading --- */

static void
on_problem(void *arg, enum hs_lua_problem kind, const char *message)
{
    (void)kind;
    (void)server_note_problem(arg, message);
}

int
server_load(struct httpsrv_server *s, hs_lua_done_func *done, struct hs_scripts *out)
{
    struct hs_scripts_place place = { .path = NULL };
    const struct hs_settings *settings = server_renewal_settings(s);
    const struct hs_scripts_options options = {
        .loop = s->loop,
        .env = s->env,
        .phase = HS_LUA_LOAD,
        .dev = settings->dev != 0,
        .memory = s->memory,
        .load_timeout = settings->load_timeout,
        .unload_timeout = settings->unload_timeout,
        .id = ++s->reload.last_id,
        .on_load = s->on_load,
        .on_load_arg = s->on_load_arg,
        .modules = &settings->module,
    };

    s->error[0] = '\0';
    int err = s->path != NULL ? hs_scripts_find(s->path, &place) : 0;
    if (err != 0) {
        return server_fail(s, err, "cannot serve %s: %s", s->path, err == EINVAL ? "not a directory or a file" : strerror(err));
    }
    err = hs_scripts_load(&options, s->path != NULL ? &place : NULL, on_problem, done, s, out);
    hs_scripts_place_fini(&place);
    if (err != 0 && s->error[0] == '\0') {
        (void)server_fail(s, err, "cannot load: %s", strerror(err));
    }
    return err;
}

void
server_make_current(struct httpsrv_server *s)
{
    hs_dispatch_set_generation(s->dispatch, s->scripts.generation);
    if (s->scripts.runtime != NULL) {
        hs_lua_runtime_go_live(s->scripts.runtime);
    }
}

/* --- former generations --- */

static void
forget(struct former *f)
{
    struct server_reload *r = &f->server->reload;

    r->live -= !f->given_up;
    r->ending -= f->ending && !f->given_up;
    TAILQ_REMOVE(&r->formers, f, link);
    free(f);
}

/* Nothing is left of a former generation. */
static void
on_gone(void *arg)
{
    struct former *f = arg;
    struct httpsrv_server *s = f->server;

    forget(f);
    hs_defer(s->loop, &s->reload.soon);
}

/* Its on_unload functions have run, its timers and tasks have ended. */
static void
on_unloaded(void *arg, int err)
{
    struct former *f = arg;
    struct httpsrv_server *s = f->server;

    if (err != 0) {
        hs_log(HS_LOG_WARN, "unloading generation %lu: %s", hs_generation_id(f->scripts.generation), strerror(err));
    }
    if (f->held) {
        f->held = false;
        hs_generation_delref(f->scripts.generation); /* f may be gone */
    }
    server_step_soon(s);
}

/* The generation that was current until now is to end. */
static void
retire(struct httpsrv_server *s, struct former *f, struct hs_scripts scripts)
{
    *f = (struct former){ .server = s, .scripts = scripts, .held = true };
    TAILQ_INSERT_TAIL(&s->reload.formers, f, link);
    s->reload.live++;
    hs_generation_on_gone(scripts.generation, on_gone, f);
    if (scripts.runtime == NULL) {
        on_unloaded(f, 0);
    } else if (hs_lua_runtime_unload(scripts.runtime, on_unloaded, f) != 0) {
        on_unloaded(f, ENOMEM);
    }
}

static bool
is_of(void *arg, ec_httpsrv_session *sess)
{
    return hs_session_generation(sess) == arg;
}

static void
end_requests(struct httpsrv_server *s, struct former *f)
{
    struct hs_generation *g = f->scripts.generation;
    unsigned long id = hs_generation_id(g);

    f->ending = true;
    f->since = hs_loop_now(s->loop);
    s->reload.ending++;
    hs_generation_addref(g);
    size_t n = hs_session_env_refuse(s->env, is_of, g);
    hs_generation_delref(g); /* f may be gone */
    hs_log(HS_LOG_WARN, "generation %lu is one too many (generations is %lld): %zu requests of it are ended", id,
           (long long)s->settings.generations, n);
}

static void
give_up(struct httpsrv_server *s, struct former *f)
{
    struct hs_generation *g = f->scripts.generation;
    struct hs_lua_runtime *rt = f->scripts.runtime;

    f->given_up = true;
    s->reload.live--;
    s->reload.ending--;
    hs_generation_addref(g);
    if (rt != NULL) {
        f->scripts.runtime = NULL;
        hs_lua_runtime_close(rt);
    }
    if (f->held) {
        f->held = false;
        hs_generation_delref(g);
    }
    hs_generation_delref(g); /* f may be gone */
}

/* The one after f that is still being ended; f NULL: the first. */
static struct former *
next_ending(struct httpsrv_server *s, struct former *f)
{
    f = f == NULL ? TAILQ_FIRST(&s->reload.formers) : TAILQ_NEXT(f, link);
    while (f != NULL && (!f->ending || f->given_up)) {
        f = TAILQ_NEXT(f, link);
    }
    return f;
}

static struct former *
oldest_quiet(struct httpsrv_server *s)
{
    struct former *f = TAILQ_FIRST(&s->reload.formers);

    while (f != NULL && f->ending) {
        f = TAILQ_NEXT(f, link);
    }
    return f;
}

/* Ends generations beyond the limit, and gives up those that do not end. */
static void
keep_limit(struct httpsrv_server *s)
{
    struct server_reload *r = &s->reload;
    struct former *f, *next;

    while (1 + r->live - r->ending > (size_t)s->settings.generations && (f = oldest_quiet(s)) != NULL) {
        end_requests(s, f);
    }
    for (f = next_ending(s, NULL); f != NULL; f = next) {
        next = next_ending(s, f);
        if (hs_loop_now(s->loop) - f->since >= END_GRACE) {
            give_up(s, f);
        }
    }
    if (r->ending != 0 && !hs_timer_pending(&r->timer) && hs_timer_set(&r->timer, END_GRACE) != 0) {
        hs_defer(s->loop, &r->soon);
    }
}

/* --- from one to the next --- */

/* The reload under way has ended. */
static void
tell(struct httpsrv_server *s, int err)
{
    struct server_reload_waiter *w;

    while ((w = TAILQ_FIRST(&s->reload.current)) != NULL) {
        TAILQ_REMOVE(&s->reload.current, w, link);
        w->fn(w->arg, err);
    }
    server_memory_reloaded(s);
    if (s->reloaded != NULL) {
        s->reloaded(s->on_reload_arg, err);
    }
}

/* In the page of a server on its own; a master counts those of its workers. */
static void
count(struct httpsrv_server *s, bool well)
{
    struct hs_page *page = hs_server_page(s);

    if (page != NULL) {
        hs_page_add(well ? &hs_page_own(page)->reloads : &hs_page_own(page)->failed_reloads, 1);
    }
}

static void
fail(struct httpsrv_server *s, int err)
{
    server_renewal_drop(s);
    free(s->reload.place);
    s->reload.place = NULL;
    if (s->error[0] == '\0') {
        (void)server_fail(s, 0, "cannot load the scripts: %s", strerror(err));
    }
    hs_log(HS_LOG_ERROR, "reload failed, everything stays as it was: %s", s->error);
    count(s, false);
    tell(s, err);
    if (s->reload.prepared != NULL) {
        s->reload.prepared(s->reload.prepared_arg, err);
    }
}

static void
on_loaded(void *arg, int err)
{
    struct httpsrv_server *s = arg;

    s->reload.loaded = true;
    s->reload.err = err;
    hs_defer(s->loop, &s->reload.soon);
}

static void
begin(struct httpsrv_server *s)
{
    struct server_reload *r = &s->reload;

    r->wanted = false;
    r->loaded = false;
    TAILQ_CONCAT(&r->current, &r->later, link);
    r->place = calloc(1, sizeof *r->place);
    if (r->place == NULL) {
        s->error[0] = '\0';
        fail(s, ENOMEM);
        return;
    }
    int err = server_renewal_prepare(s);
    if (err == 0) {
        err = server_load(s, on_loaded, &r->next);
    }
    if (err != 0) {
        fail(s, err);
        return;
    }
    r->loading = true;
    if (r->next.runtime == NULL) {
        on_loaded(s, 0);
    }
}

/* What has been loaded becomes current. */
static void
take_over(struct httpsrv_server *s)
{
    struct server_reload *r = &s->reload;
    struct hs_scripts before = s->scripts;
    struct former *place = r->place;

    s->scripts = r->next;
    r->next = (struct hs_scripts){ .generation = NULL };
    r->place = NULL;
    server_renewal_commit(s);
    server_make_current(s);
    hs_log(HS_LOG_NOTICE, "reloaded: generation %lu, %zu routes", hs_generation_id(s->scripts.generation), hs_generation_count(s->scripts.generation));
    count(s, true);
    retire(s, place, before);
    tell(s, 0);
}

/* What was loading has been loaded, or has failed. */
static void
complete(struct httpsrv_server *s)
{
    struct server_reload *r = &s->reload;
    int err = r->err;

    r->loaded = false;
    r->loading = r->held = err == 0 && r->prepared != NULL;
    if (err != 0) {
        hs_scripts_drop(&r->next, true);
        fail(s, err);
    } else if (r->held) {
        r->prepared(r->prepared_arg, 0);
    } else {
        take_over(s);
    }
}

void
hs_server_hold_reloads(struct httpsrv_server *s, void (*prepared)(void *arg, int err), void *arg)
{
    s->reload.prepared = prepared;
    s->reload.prepared_arg = arg;
}

void
hs_server_decide_reload(struct httpsrv_server *s, bool goes_live)
{
    struct server_reload *r = &s->reload;

    if (!r->held) {
        return;
    }
    r->held = r->loading = false;
    if (goes_live) {
        take_over(s);
    } else {
        hs_scripts_drop(&r->next, true);
        server_renewal_drop(s);
        free(r->place);
        r->place = NULL;
        tell(s, ECANCELED);
    }
    hs_defer(s->loop, &r->soon);
}

bool
hs_server_is_reloading(const struct httpsrv_server *s)
{
    return s->reload.loading;
}

static void
step(void *arg)
{
    struct httpsrv_server *s = arg;
    struct server_reload *r = &s->reload;

    if (r->loading && r->loaded) {
        complete(s);
    }
    keep_limit(s);
    if (r->wanted && !r->loading && r->ending == 0 && s->state == SERVER_SERVING && !s->stop) {
        begin(s);
    }
}

int
httpsrv_server_reload(struct httpsrv_server *s)
{
    if ((s->state != SERVER_LOADING && s->state != SERVER_SERVING) || s->stop) {
        return server_fail(s, EBUSY, s->state == SERVER_NEW ? "the server was not started" : "the server stops");
    }
    s->reload.wanted = true;
    hs_defer(s->loop, &s->reload.soon);
    return 0;
}

int
server_reload_ask(struct httpsrv_server *s, struct server_reload_waiter *w)
{
    int err = httpsrv_server_reload(s);

    if (err == 0) {
        TAILQ_INSERT_TAIL(&s->reload.later, w, link);
    }
    return err;
}

unsigned long
httpsrv_server_generation(const struct httpsrv_server *s)
{
    return s->state >= SERVER_SERVING && s->scripts.generation != NULL ? hs_generation_id(s->scripts.generation) : 0;
}

void
server_each_generation(struct httpsrv_server *s, void (*fn)(void *arg, unsigned long id, const struct hs_lua_runtime *runtime), void *arg)
{
    const struct former *f;

    if (s->scripts.generation != NULL) {
        fn(arg, hs_generation_id(s->scripts.generation), s->scripts.runtime);
    }
    TAILQ_FOREACH (f, &s->reload.formers, link) {
        fn(arg, hs_generation_id(f->scripts.generation), f->scripts.runtime);
    }
}

size_t
hs_server_generations(const struct httpsrv_server *s)
{
    return s->reload.live + (s->scripts.generation != NULL);
}

/* --- for the rest of the server --- */

void
server_reload_init(struct httpsrv_server *s)
{
    TAILQ_INIT(&s->reload.formers);
    TAILQ_INIT(&s->reload.current);
    TAILQ_INIT(&s->reload.later);
    hs_deferred_init(&s->reload.soon, step, s);
    hs_timer_init(&s->reload.timer, s->loop, step, s);
}

void
server_reload_resume(struct httpsrv_server *s)
{
    if (s->reload.wanted) {
        hs_defer(s->loop, &s->reload.soon);
    }
}

void
server_reload_cancel(struct httpsrv_server *s)
{
    struct server_reload *r = &s->reload;
    bool told = r->loading || r->wanted;

    hs_scripts_drop(&r->next, true);
    free(r->place);
    r->place = NULL;
    r->loading = r->loaded = r->held = r->wanted = false;
    server_renewal_drop(s);
    TAILQ_CONCAT(&r->current, &r->later, link);
    if (told) {
        tell(s, ECANCELED);
    }
}

bool
server_reload_unloading(const struct httpsrv_server *s)
{
    const struct former *f;

    TAILQ_FOREACH (f, &s->reload.formers, link) {
        if (f->held) {
            return true;
        }
    }
    return false;
}

void
server_reload_end(struct httpsrv_server *s)
{
    struct server_reload *r = &s->reload;
    struct former *f;

    if (s->loop == NULL || r->formers.tqh_last == NULL) {
        return;
    }
    server_reload_cancel(s);
    while ((f = TAILQ_FIRST(&r->formers)) != NULL) {
        struct hs_generation *g = f->scripts.generation;
        hs_generation_on_gone(g, NULL, NULL);
        if (f->scripts.runtime != NULL) {
            hs_lua_runtime_close(f->scripts.runtime);
        }
        if (f->held) {
            hs_generation_delref(g);
        }
        forget(f);
    }
    hs_timer_cancel(&r->timer);
    hs_deferred_cancel(s->loop, &r->soon);
}
