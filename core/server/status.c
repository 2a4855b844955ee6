/* status.c - what a server is and does, as text. */
#include "server/status.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "httpsrv/server.h"
#include "server/session_list.h"

static const char *const worker_states[] = { "none", "starting", "serving", "draining" };
static const struct {
    const char *name;
    double share;
} quantiles[] = { { "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 }, { "p999", 0.999 } };

enum { ADDRESSES_MAX = 64 * 1024 };
enum { N_QUANTILES = sizeof quantiles / sizeof *quantiles };

static uint64_t
total(const struct hs_oversight *o, enum hs_count which)
{
    return hs_page_total(o->page, which);
}

static uint64_t
all_requests(const struct hs_oversight *o)
{
    uint64_t n = 0;

    for (int c = 0; c < HS_COUNT_CLASSES; c++) {
        n += total(o, (enum hs_count)(HS_COUNT_REQUESTS + c));
    }
    return n;
}

/* --- at the start --- */

static const char *
plural(size_t n)
{
    return n == 1 ? "" : "s";
}

void
hs_status_announce(const struct hs_oversight *o, const char *path)
{
    const size_t workers = o->ops->workers(o->arg), routes = o->ops->routes(o->arg);
    char with[48] = "";
    struct hs_buf b;
    const char *address;
    int err = 0;

    hs_buf_init(&b, ADDRESSES_MAX);
    for (size_t i = 0; (address = o->ops->address(o->arg, i)) != NULL && err == 0; i++) {
        const bool is_unix = strncmp(address, "unix:", 5) == 0;
        err = hs_buf_printf(&b, "%s%s%s%s", i != 0 ? ", " : "", is_unix ? "" : "http://", address, is_unix ? "" : "/");
    }
    if (workers != 0) {
        (void)snprintf(with, sizeof with, " with %zu worker%s", workers, plural(workers));
    }
    hs_log(HS_LOG_NOTICE, "httpsrv %s serves %s (%zu route%s)%s at %.*s", httpsrv_version(), path, routes, plural(routes), with, (int)b.len,
           b.p != NULL ? b.p : "");
    hs_buf_fini(&b);
}

/* --- JSON: objects that know whether memory has been short --- */

struct json {
    json_object *o;
    bool *failed;
};

static void
put(struct json j, const char *name, json_object *value)
{
    if (value == NULL || j.o == NULL || json_object_object_add(j.o, name, value) != 0) {
        json_object_put(value);
        *j.failed = true;
    }
}

static void
put_count(struct json j, const char *name, uint64_t n)
{
    put(j, name, json_object_new_int64(n < INT64_MAX ? (int64_t)n : INT64_MAX));
}

static void
put_text(struct json j, const char *name, struct hs_view text)
{
    char clean[512];
    size_t n = hs_clean_text(clean, sizeof clean, text);

    put(j, name, json_object_new_string_len(clean, (int)n));
}

static json_object *
seconds(int64_t ns)
{
    char text[32];

    (void)snprintf(text, sizeof text, "%.9g", (double)ns / 1e9);
    return json_object_new_double_s((double)ns / 1e9, text);
}

static struct json
put_object(struct json j, const char *name)
{
    struct json inner = { json_object_new_object(), j.failed };

    put(j, name, inner.o);
    return inner;
}

static json_object *
put_array(struct json j, const char *name)
{
    json_object *array = json_object_new_array();

    put(j, name, array);
    return array;
}

/* An object that is the next of an array. */
static struct json
add_object(json_object *array, bool *failed)
{
    struct json j = { json_object_new_object(), failed };

    if (j.o == NULL || array == NULL || json_object_array_add(array, j.o) != 0) {
        json_object_put(j.o);
        j.o = NULL;
        *failed = true;
    }
    return j;
}

/* Writes the object as one line and frees it. */
static int
write_out(json_object *o, bool failed, struct hs_buf *out)
{
    size_t n = 0;
    const char *text = o != NULL && !failed ? json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &n) : NULL;
    int err = text != NULL ? hs_buf_append(out, text, n) : ENOMEM;

    if (err == 0) {
        err = hs_buf_append_char(out, '\n');
    }
    json_object_put(o);
    return err;
}

/* --- the parts --- */

static void
put_requests(struct json top, const struct hs_oversight *o)
{
    struct json j = put_object(top, "requests");

    put_count(j, "total", all_requests(o));
    for (int c = 0; c < HS_COUNT_CLASSES; c++) {
        if (hs_page_class_names[c] != NULL) {
            put_count(j, hs_page_class_names[c], total(o, (enum hs_count)(HS_COUNT_REQUESTS + c)));
        }
    }
    put_count(j, "open", total(o, HS_COUNT_OPEN_REQUESTS));
    put_count(j, "waiting", total(o, HS_COUNT_SUSPENDED));
    put_count(j, "cut_short", total(o, HS_COUNT_CUT_SHORT));
    put_count(j, "refused", total(o, HS_COUNT_REFUSED));
}

static void
put_connections(struct json top, const struct hs_oversight *o)
{
    struct json j = put_object(top, "connections");

    put_count(j, "open", total(o, HS_COUNT_OPEN_CONNECTIONS));
    put_count(j, "accepted", total(o, HS_COUNT_CONNECTIONS));
    put_count(j, "timeouts", total(o, HS_COUNT_TIMEOUTS));
    put_count(j, "turned_away", total(o, HS_COUNT_TURNED_AWAY));
    put_count(j, "unsent", total(o, HS_COUNT_UNSENT));
    put_count(j, "received_bytes", total(o, HS_COUNT_RECEIVED));
    put_count(j, "sent_bytes", total(o, HS_COUNT_SENT));
}

/* Pairs of the end of a bucket, in seconds, and how many are in it; those that are empty are left out. */
static void
put_histogram(struct json j, const struct hs_times *t)
{
    json_object *all = put_array(j, "histogram");

    for (size_t i = 0; all != NULL && i < HS_PAGE_TIMES && !*j.failed; i++) {
        json_object *pair = t->counts[i] != 0 ? json_object_new_array() : NULL;
        if (t->counts[i] == 0) {
            continue;
        }
        if (pair == NULL || json_object_array_add(pair, seconds(hs_times_end(i))) != 0 ||
            json_object_array_add(pair, json_object_new_int64((int64_t)t->counts[i])) != 0 || json_object_array_add(all, pair) != 0) {
            json_object_put(pair);
            *j.failed = true;
        }
    }
}

static void
put_latency(struct json top, const struct hs_times *t, uint64_t sum, bool histogram)
{
    struct json j = put_object(top, "latency");

    for (size_t i = 0; i < N_QUANTILES; i++) {
        put(j, quantiles[i].name, t->n != 0 ? seconds(hs_times_quantile(t, quantiles[i].share)) : seconds(0));
    }
    put_count(j, "count", t->n);
    if (histogram) {
        put(j, "sum", seconds((int64_t)sum));
        put_histogram(j, t);
    }
}

static void
put_lua(struct json top, const struct hs_oversight *o)
{
    struct json j = put_object(top, "lua");

    put_count(j, "memory_bytes", total(o, HS_COUNT_LUA_MEMORY));
    put_count(j, "errors", total(o, HS_COUNT_LUA_ERRORS));
    put_count(j, "tasks", total(o, HS_COUNT_TASKS));
    put_count(j, "timers", total(o, HS_COUNT_TIMERS));
}

static void
put_generations(struct json worker, const struct hs_page_slot *s)
{
    json_object *all = put_array(worker, "generations");
    unsigned n = atomic_load(&s->ngenerations);

    for (unsigned i = 0; i < n && i < HS_PAGE_GENERATIONS; i++) {
        struct json j = add_object(all, worker.failed);
        put_count(j, "id", hs_page_get(&s->generations[i].id));
        put_count(j, "memory_bytes", hs_page_get(&s->generations[i].memory));
    }
}

static void
put_pools(struct json worker, const struct hs_page_slot *s)
{
    json_object *all = put_array(worker, "pools");
    unsigned n = atomic_load(&s->npools);

    for (unsigned i = 0; i < n && i < HS_PAGE_POOLS; i++) {
        const struct hs_page_pool *p = &s->pools[i];
        struct json j = add_object(all, worker.failed);
        put_text(j, "name", (struct hs_view){ p->name, strnlen(p->name, sizeof p->name) });
        put_count(j, "threads", hs_page_get(&p->threads));
        put_count(j, "active", hs_page_get(&p->active));
        put_count(j, "queued", hs_page_get(&p->queued));
        put_count(j, "done", hs_page_get(&p->done));
        put(j, "wait", seconds((int64_t)hs_page_get(&p->wait_time)));
        put(j, "run", seconds((int64_t)hs_page_get(&p->run_time)));
    }
}

static void
put_worker(json_object *workers, bool *failed, const struct hs_oversight *o, size_t i)
{
    struct hs_page_slot *s = hs_page_slot(o->page, i);
    unsigned state = atomic_load(&s->state) & 3;
    struct json j = add_object(workers, failed);

    put_count(j, "worker", i);
    put_count(j, "pid", (uint64_t)atomic_load(&s->pid));
    put_text(j, "state", hs_view_of(worker_states[state]));
    put(j, "uptime", seconds(state != HS_WORKER_EMPTY ? hs_page_now() - atomic_load(&s->started) : 0));
    put_count(j, "restarts", atomic_load(&s->deaths));
    put_count(j, "generation", atomic_load(&s->generation));
    put_count(j, "requests", hs_page_requests(s));
    put_count(j, "open", hs_page_get(&s->counts[HS_COUNT_OPEN_REQUESTS]));
    put_count(j, "waiting", hs_page_get(&s->counts[HS_COUNT_SUSPENDED]));
    put_count(j, "connections", hs_page_get(&s->counts[HS_COUNT_OPEN_CONNECTIONS]));
    put_count(j, "lua_memory_bytes", hs_page_get(&s->counts[HS_COUNT_LUA_MEMORY]));
    put(j, "longest_turn", seconds((int64_t)hs_page_get(&s->counts[HS_COUNT_LONGEST_TURN])));
    put_generations(j, s);
    put_pools(j, s);
}

/* All but the requests under way. */
static void
put_server(struct json j, const struct hs_oversight *o, const struct hs_times *t, bool histogram)
{
    struct hs_page_own *own = hs_page_own(o->page);
    const char *address;

    put_text(j, "version", hs_view_of(httpsrv_version()));
    put_count(j, "pid", (uint64_t)getpid());
    put_text(j, "state", hs_view_of(o->ops->state(o->arg)));
    put(j, "ready", json_object_new_boolean(o->ops->ready(o->arg)));
    put(j, "uptime", seconds(hs_page_now() - atomic_load(&own->started)));
    json_object *addresses = put_array(j, "addresses");
    for (size_t i = 0; (address = o->ops->address(o->arg, i)) != NULL && !*j.failed; i++) {
        *j.failed = json_object_array_add(addresses, json_object_new_string(address)) != 0;
    }
    put_count(j, "routes", o->ops->routes(o->arg));
    put_requests(j, o);
    put_connections(j, o);
    put_latency(j, t, total(o, HS_COUNT_REQUEST_TIME), histogram);
    put_lua(j, o);
    put(j, "longest_turn", seconds((int64_t)total(o, HS_COUNT_LONGEST_TURN)));
    put_count(j, "log_lines_lost", total(o, HS_COUNT_LOG_LOST));
    put_count(j, "reloads", hs_page_get(&own->reloads));
    put_count(j, "failed_reloads", hs_page_get(&own->failed_reloads));
    json_object *workers = put_array(j, "workers");
    for (size_t i = 0; i < hs_page_workers(o->page) && !*j.failed; i++) {
        put_worker(workers, j.failed, o, i);
    }
}

int
hs_status_json(const struct hs_oversight *o, struct hs_buf *out)
{
    bool failed = false;
    struct json j = { json_object_new_object(), &failed };
    struct hs_times t;

    hs_times_gather(o->page, &t);
    put_server(j, o, &t, true);
    return write_out(j.o, failed, out);
}

/* --- the requests under way --- */

static void
put_sessions(json_object *array, bool *failed, struct hs_view list, size_t max)
{
    size_t n;
    struct hs_session_line *lines = hs_session_list_parse(list, &n);

    for (size_t i = 0; i < n && i < max && !*failed; i++) {
        struct json j = add_object(array, failed);
        put_count(j, "worker", lines[i].worker);
        put_count(j, "id", lines[i].serial);
        put_count(j, "generation", lines[i].generation);
        put(j, "age", seconds(lines[i].age));
        put_text(j, "doing", lines[i].doing);
        put_text(j, "method", lines[i].method);
        put_text(j, "route", lines[i].route);
        put_text(j, "place", lines[i].place);
        put_text(j, "call", lines[i].call);
        put_text(j, "registered", lines[i].registered);
    }
    free(lines);
}

int
hs_status_sessions_json(struct hs_view list, struct hs_buf *out)
{
    bool failed = false;
    json_object *array = json_object_new_array();

    put_sessions(array, &failed, list, SIZE_MAX);
    return write_out(array, failed, out);
}

int
hs_status_live(const struct hs_oversight *o, const struct hs_times *recent, struct hs_view sessions, struct hs_buf *out)
{
    bool failed = false;
    struct json j = { json_object_new_object(), &failed };
    struct hs_times all;

    if (recent == NULL) {
        hs_times_gather(o->page, &all);
    }
    put_server(j, o, recent != NULL ? recent : &all, false);
    put_sessions(put_array(j, "sessions"), &failed, sessions, HS_STATUS_LIVE_SESSIONS);
    return write_out(j.o, failed, out);
}

/* --- for people --- */

static int
text_head(const struct hs_oversight *o, struct hs_buf *out)
{
    struct hs_page_own *own = hs_page_own(o->page);
    const char *address;

    int err = hs_buf_printf(out, "version %s\npid %ld\nstate %s\nseconds %" PRId64 "\n", httpsrv_version(), (long)getpid(), o->ops->state(o->arg),
                            (hs_page_now() - atomic_load(&own->started)) / HS_SEC);
    for (size_t i = 0; err == 0 && (address = o->ops->address(o->arg, i)) != NULL; i++) {
        err = hs_buf_printf(out, "listen %s\n", address);
    }
    if (err == 0 && o->ops->routes(o->arg) != 0) {
        err = hs_buf_printf(out, "routes %zu\n", o->ops->routes(o->arg));
    }
    return err;
}

static int
text_requests(const struct hs_oversight *o, struct hs_buf *out)
{
    struct hs_times t;

    int err = hs_buf_printf(out, "connections %" PRIu64 "\nrequests %" PRIu64 "\nwaiting %" PRIu64 "\nanswered %" PRIu64 "\n",
                            total(o, HS_COUNT_OPEN_CONNECTIONS), total(o, HS_COUNT_OPEN_REQUESTS), total(o, HS_COUNT_SUSPENDED), all_requests(o));
    for (int c = 0; c < HS_COUNT_CLASSES && err == 0; c++) {
        if (hs_page_class_names[c] != NULL) {
            err = hs_buf_printf(out, "answered_%s %" PRIu64 "\n", hs_page_class_names[c], total(o, (enum hs_count)(HS_COUNT_REQUESTS + c)));
        }
    }
    if (err == 0) {
        err = hs_buf_printf(out, "cut_short %" PRIu64 "\nrefused %" PRIu64 "\nreceived_bytes %" PRIu64 "\nsent_bytes %" PRIu64 "\n", total(o, HS_COUNT_CUT_SHORT),
                            total(o, HS_COUNT_REFUSED), total(o, HS_COUNT_RECEIVED), total(o, HS_COUNT_SENT));
    }
    hs_times_gather(o->page, &t);
    for (size_t i = 0; i < N_QUANTILES && err == 0; i++) {
        err = hs_buf_printf(out, "latency_%s %.3f ms\n", quantiles[i].name, (double)hs_times_quantile(&t, quantiles[i].share) / 1e6);
    }
    return err;
}

static int
text_worker(const struct hs_oversight *o, size_t i, struct hs_buf *out)
{
    struct hs_page_slot *s = hs_page_slot(o->page, i);

    return hs_buf_printf(out, "worker %zu pid %d state %s seconds %" PRId64 " generation %" PRIu64 " deaths %" PRIu64 " answered %" PRIu64
                              " lua_memory_bytes %" PRIu64 "\n",
                         i, (int)atomic_load(&s->pid), worker_states[atomic_load(&s->state) & 3],
                         (hs_page_now() - atomic_load(&s->started)) / HS_SEC, (uint64_t)atomic_load(&s->generation),
                         (uint64_t)atomic_load(&s->deaths), hs_page_requests(s), hs_page_get(&s->counts[HS_COUNT_LUA_MEMORY]));
}

static int
text_generations(const struct hs_oversight *o, struct hs_buf *out)
{
    struct hs_page_slot *s = hs_page_slot(o->page, 0);

    return hs_buf_printf(out, "generation %" PRIu64 "\ngenerations %u\n", (uint64_t)atomic_load(&s->generation), atomic_load(&s->ngenerations));
}

int
hs_status_text(const struct hs_oversight *o, struct hs_buf *out)
{
    struct hs_page_own *own = hs_page_own(o->page);
    bool alone = o->ops->workers(o->arg) == 0;

    int err = text_head(o, out);
    if (err == 0) {
        err = text_requests(o, out);
    }
    if (err == 0) {
        err = hs_buf_printf(out, "lua_memory_bytes %" PRIu64 "\nlua_errors %" PRIu64 "\nlongest_turn %.1f ms\nreloads %" PRIu64 "\nfailed_reloads %" PRIu64
                                 "\n",
                            total(o, HS_COUNT_LUA_MEMORY), total(o, HS_COUNT_LUA_ERRORS), (double)total(o, HS_COUNT_LONGEST_TURN) / 1e6,
                            hs_page_get(&own->reloads), hs_page_get(&own->failed_reloads));
    }
    if (err == 0 && alone) {
        err = text_generations(o, out);
    }
    for (size_t i = 0; i < hs_page_workers(o->page) && err == 0 && !alone; i++) {
        err = text_worker(o, i, out);
    }
    return err;
}
