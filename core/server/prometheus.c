/* prometheus.c - what is counted, in the text format of Prometheus.
 * A table says what there is of each count in the page; only what has labels of its own is written by hand. Base units are seconds and bytes. */
#include "server/prometheus.h"

#include <inttypes.h>

#include "httpsrv/server.h"
#include "server/session_list.h"
#include "server/times.h"

enum unit { UNIT_ONE, UNIT_SECONDS }; /* seconds are counted in ns */

struct metric {
    const char *name, *type, *help;
    enum hs_count count;
    enum unit unit;
    bool by_worker;
};

static const struct metric metrics[] = {
    { "httpsrv_requests_cut_short_total", "counter", "Requests whose response did not reach its end.", HS_COUNT_CUT_SHORT, UNIT_ONE, false },
    { "httpsrv_requests_refused_total", "counter", "Requests that were malformed, too large or too late to become one.", HS_COUNT_REFUSED, UNIT_ONE, false },
    { "httpsrv_requests_open", "gauge", "Requests under way.", HS_COUNT_OPEN_REQUESTS, UNIT_ONE, true },
    { "httpsrv_requests_waiting", "gauge", "Requests under way whose handler is suspended.", HS_COUNT_SUSPENDED, UNIT_ONE, true },
    { "httpsrv_connections_accepted_total", "counter", "Connections accepted.", HS_COUNT_CONNECTIONS, UNIT_ONE, false },
    { "httpsrv_connections_turned_away_total", "counter", "Connections answered with 503 for want of descriptors.", HS_COUNT_TURNED_AWAY, UNIT_ONE, false },
    { "httpsrv_connections_timed_out_total", "counter", "Connections ended because the client was too slow.", HS_COUNT_TIMEOUTS, UNIT_ONE, false },
    { "httpsrv_connections_unsent_total", "counter", "Connections that ended before the kernel had taken all of their answers.", HS_COUNT_UNSENT, UNIT_ONE,
      false },
    { "httpsrv_connections_open", "gauge", "Connections open.", HS_COUNT_OPEN_CONNECTIONS, UNIT_ONE, true },
    { "httpsrv_received_bytes_total", "counter", "Bytes read from clients.", HS_COUNT_RECEIVED, UNIT_ONE, false },
    { "httpsrv_sent_bytes_total", "counter", "Bytes given to the kernel for clients.", HS_COUNT_SENT, UNIT_ONE, false },
    { "httpsrv_lua_errors_total", "counter", "Errors in Lua that no script has caught.", HS_COUNT_LUA_ERRORS, UNIT_ONE, false },
    { "httpsrv_lua_memory_bytes", "gauge", "Memory of the Lua states of the event loop, garbage included.", HS_COUNT_LUA_MEMORY, UNIT_ONE, true },
    { "httpsrv_lua_tasks", "gauge", "Lua tasks that have not ended.", HS_COUNT_TASKS, UNIT_ONE, true },
    { "httpsrv_lua_timers", "gauge", "Timers of scripts that are set.", HS_COUNT_TIMERS, UNIT_ONE, true },
    { "httpsrv_log_lines_lost_total", "counter", "Lines that the log could not take.", HS_COUNT_LOG_LOST, UNIT_ONE, false },
    { "httpsrv_loop_longest_turn_seconds", "gauge", "The longest that the event loop was away, in the last half minute to minute.", HS_COUNT_LONGEST_TURN,
      UNIT_SECONDS, true },
};

static int
head(struct hs_buf *out, const char *name, const char *type, const char *help)
{
    return hs_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* The end of a sample: its value and the end of line. Exact, whatever its size. */
static int
value(struct hs_buf *out, uint64_t n, enum unit unit)
{
    return unit == UNIT_ONE ? hs_buf_printf(out, " %" PRIu64 "\n", n)
                            : hs_buf_printf(out, " %" PRIu64 ".%09" PRIu64 "\n", n / 1000000000, n % 1000000000);
}

static int
by_worker(struct hs_buf *out, const char *name, size_t worker, uint64_t n, enum unit unit)
{
    int err = hs_buf_printf(out, "%s{worker=\"%zu\"}", name, worker);

    return err != 0 ? err : value(out, n, unit);
}

static int
write_metric(const struct hs_oversight *o, const struct metric *m, struct hs_buf *out)
{
    int err = head(out, m->name, m->type, m->help);

    if (!m->by_worker) {
        err = err != 0 ? err : hs_buf_append(out, m->name, strlen(m->name));
        return err != 0 ? err : value(out, hs_page_total(o->page, m->count), m->unit);
    }
    for (size_t i = 0; i < hs_page_workers(o->page) && err == 0; i++) {
        err = by_worker(out, m->name, i, hs_page_get(&hs_page_slot(o->page, i)->counts[m->count]), m->unit);
    }
    return err;
}

/* --- the server --- */

static int
write_server(const struct hs_oversight *o, struct hs_buf *out)
{
    struct hs_page_own *own = hs_page_own(o->page);

    int err = head(out, "httpsrv_build_info", "gauge", "The version; always 1.");
    err = err != 0 ? err : hs_buf_printf(out, "httpsrv_build_info{version=\"%s\"} 1\n", httpsrv_version());
    err = err != 0 ? err : head(out, "httpsrv_ready", "gauge", "1 while requests are welcome, 0 while starting and draining.");
    err = err != 0 ? err : hs_buf_printf(out, "httpsrv_ready %d\n", o->ops->ready(o->arg));
    err = err != 0 ? err : head(out, "httpsrv_uptime_seconds", "gauge", "Time since the server was started.");
    err = err != 0 ? err : hs_buf_printf(out, "httpsrv_uptime_seconds");
    err = err != 0 ? err : value(out, (uint64_t)(hs_page_now() - atomic_load(&own->started)), UNIT_SECONDS);
    err = err != 0 ? err : head(out, "httpsrv_reloads_total", "counter", "Reloads of the scripts, by how they ended.");
    err = err != 0 ? err
                   : hs_buf_printf(out, "httpsrv_reloads_total{result=\"done\"} %" PRIu64 "\nhttpsrv_reloads_total{result=\"failed\"} %" PRIu64 "\n",
                                   hs_page_get(&own->reloads), hs_page_get(&own->failed_reloads));
    return err;
}

/* --- requests --- */

static int
write_classes(const struct hs_oversight *o, struct hs_buf *out)
{
    int err = head(out, "httpsrv_requests_total", "counter", "Requests that have ended, by the class of their status; none: without any.");
    for (int c = 0; c < HS_COUNT_CLASSES && err == 0; c++) {
        if (hs_page_class_names[c] != NULL) {
            err = hs_buf_printf(out, "httpsrv_requests_total{class=\"%s\"} %" PRIu64 "\n", hs_page_class_names[c],
                                hs_page_total(o->page, (enum hs_count)(HS_COUNT_REQUESTS + c)));
        }
    }
    return err;
}

/* Each doubling is a bucket, from 16 microseconds to a minute: their ends are ends of the buckets that are counted in, so nothing is estimated. */
static int
write_times(const struct hs_oversight *o, struct hs_buf *out)
{
    enum { FIRST = 14, LAST = 36 };
    struct hs_times t;

    hs_times_gather(o->page, &t);
    int err = head(out, "httpsrv_request_duration_seconds", "histogram", "Time from the head of a request to the end of its response.");
    for (unsigned e = FIRST; e <= LAST && err == 0; e++) {
        uint64_t end = (uint64_t)1 << e;
        err = hs_buf_printf(out, "httpsrv_request_duration_seconds_bucket{le=\"%" PRIu64 ".%09" PRIu64 "\"} %" PRIu64 "\n", end / 1000000000,
                            end % 1000000000, hs_times_below(&t, e));
    }
    err = err != 0 ? err : hs_buf_printf(out, "httpsrv_request_duration_seconds_bucket{le=\"+Inf\"} %" PRIu64 "\nhttpsrv_request_duration_seconds_sum", t.n);
    err = err != 0 ? err : value(out, hs_page_total(o->page, HS_COUNT_REQUEST_TIME), UNIT_SECONDS);
    return err != 0 ? err : hs_buf_printf(out, "httpsrv_request_duration_seconds_count %" PRIu64 "\n", t.n);
}

/* --- workers --- */

static uint64_t
is_up(const struct hs_page_slot *s)
{
    return atomic_load(&s->state) == HS_WORKER_SERVING;
}

static uint64_t
restarts(const struct hs_page_slot *s)
{
    return hs_page_get(&s->deaths);
}

static uint64_t
generation(const struct hs_page_slot *s)
{
    return hs_page_get(&s->generation);
}

static uint64_t
generations(const struct hs_page_slot *s)
{
    return atomic_load(&s->ngenerations);
}

static int
write_workers(const struct hs_oversight *o, struct hs_buf *out)
{
    static const struct {
        const char *name, *type, *help;
        uint64_t (*get)(const struct hs_page_slot *s);
    } list[] = {
        { "httpsrv_worker_up", "gauge", "1 while the worker serves.", is_up },
        { "httpsrv_worker_restarts_total", "counter", "Workers in this place that ended unasked and were replaced.", restarts },
        { "httpsrv_worker_requests_total", "counter", "Requests that have ended, by worker.", hs_page_requests },
        { "httpsrv_worker_generation", "gauge", "The generation of the scripts that new requests get.", generation },
        { "httpsrv_generations", "gauge", "Generations of the scripts that are alive.", generations },
    };
    int err = 0;

    for (size_t k = 0; k < sizeof list / sizeof *list && err == 0; k++) {
        err = head(out, list[k].name, list[k].type, list[k].help);
        for (size_t i = 0; i < hs_page_workers(o->page) && err == 0; i++) {
            err = by_worker(out, list[k].name, i, list[k].get(hs_page_slot(o->page, i)), UNIT_ONE);
        }
    }
    return err;
}

static int
write_generations(const struct hs_oversight *o, struct hs_buf *out)
{
    int err = head(out, "httpsrv_lua_generation_memory_bytes", "gauge", "Memory of the Lua state of one generation, garbage included.");

    for (size_t i = 0; i < hs_page_workers(o->page); i++) {
        const struct hs_page_slot *s = hs_page_slot(o->page, i);
        unsigned n = atomic_load(&s->ngenerations);
        for (unsigned k = 0; k < n && k < HS_PAGE_GENERATIONS && err == 0; k++) {
            err = hs_buf_printf(out, "httpsrv_lua_generation_memory_bytes{worker=\"%zu\",generation=\"%" PRIu64 "\"} %" PRIu64 "\n", i,
                                hs_page_get(&s->generations[k].id), hs_page_get(&s->generations[k].memory));
        }
    }
    return err;
}

/* --- pools --- */

/* The name as a label's value: backslashes, quotes and ends of line are escaped; other control bytes and what is no UTF-8 become question marks. */
static void
label(char *dst, size_t size, const struct hs_page_pool *p)
{
    char clean[HS_PAGE_NAME_MAX];
    size_t n = hs_clean_text(clean, sizeof clean, (struct hs_view){ p->name, strnlen(p->name, sizeof p->name) }), out = 0;

    for (size_t i = 0; i < n && out + 3 < size; i++) {
        if (clean[i] == '\\' || clean[i] == '"') {
            dst[out++] = '\\';
        }
        dst[out++] = clean[i];
    }
    dst[out] = '\0';
}

static int
write_pools(const struct hs_oversight *o, struct hs_buf *out)
{
    static const struct {
        const char *name, *type, *help;
        size_t offset;
        enum unit unit;
    } list[] = {
        { "httpsrv_pool_threads", "gauge", "Threads that the pool has started.", offsetof(struct hs_page_pool, threads), UNIT_ONE },
        { "httpsrv_pool_active", "gauge", "Threads that are busy.", offsetof(struct hs_page_pool, active), UNIT_ONE },
        { "httpsrv_pool_queued", "gauge", "Jobs that wait for a thread.", offsetof(struct hs_page_pool, queued), UNIT_ONE },
        { "httpsrv_pool_jobs_total", "counter", "Jobs done.", offsetof(struct hs_page_pool, done), UNIT_ONE },
        { "httpsrv_pool_wait_seconds_total", "counter", "Time that jobs waited for a thread.", offsetof(struct hs_page_pool, wait_time), UNIT_SECONDS },
        { "httpsrv_pool_run_seconds_total", "counter", "Time that jobs ran.", offsetof(struct hs_page_pool, run_time), UNIT_SECONDS },
    };
    char name[2 * HS_PAGE_NAME_MAX];
    int err = 0;

    for (size_t k = 0; k < sizeof list / sizeof *list && err == 0; k++) {
        err = head(out, list[k].name, list[k].type, list[k].help);
        for (size_t i = 0; i < hs_page_workers(o->page); i++) {
            const struct hs_page_slot *s = hs_page_slot(o->page, i);
            unsigned n = atomic_load(&s->npools);
            for (unsigned p = 0; p < n && p < HS_PAGE_POOLS && err == 0; p++) {
                label(name, sizeof name, &s->pools[p]);
                err = hs_buf_printf(out, "%s{worker=\"%zu\",pool=\"%s\"}", list[k].name, i, name);
                const char *at = (const char *)&s->pools[p] + list[k].offset;
                err = err != 0 ? err : value(out, hs_page_get((const _Atomic uint64_t *)(const void *)at), list[k].unit);
            }
        }
    }
    return err;
}

int
hs_prometheus_write(const struct hs_oversight *o, struct hs_buf *out)
{
    int err = write_server(o, out);

    err = err != 0 ? err : write_classes(o, out);
    err = err != 0 ? err : write_times(o, out);
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics && err == 0; i++) {
        err = write_metric(o, &metrics[i], out);
    }
    err = err != 0 ? err : write_workers(o, out);
    err = err != 0 ? err : write_generations(o, out);
    return err != 0 ? err : write_pools(o, out);
}
