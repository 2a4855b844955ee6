/* access_log.c - the access log of one process: a line for each request that ends, gathered and written by a thread of the IO pool.
 * Lines lie in chunks: one that is filled, those that wait for the thread, in their order. One job at a time takes all that wait; it alone touches the
 * output while it runs. What it could not write goes back to the front. */
#include "server/access_log.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/log.h"
#include "io/pool.h"

enum { CHUNK = 64 * 1024, CHUNKS_MAX = 16 };

#define FLUSH_AFTER HS_SEC
#define AGAIN_AFTER (100 * HS_MSEC) /* a reader is slow */
#define ERROR_AGAIN_AFTER HS_SEC
#define TELL_EVERY (60 * HS_SEC)
#define LAST_WAIT 1000 /* ms */

/* Another place to write to. */
struct hs_access_change {
    struct hs_log_output output;
    struct hs_log_target target;
    char *path; /* of the target */
    enum hs_access_format format;
    struct chunk *mark; /* stands in the queue where the lines that go there begin */
};

struct chunk {
    STAILQ_ENTRY(chunk) link;
    struct hs_access_change *change; /* NULL but in a mark, which has no lines */
    size_t len, at; /* at: written up to here */
    char data[];
};
STAILQ_HEAD(chunks, chunk);

struct hs_access_log {
    struct hs_loop *loop;
    enum hs_access_format format;
    unsigned worker;
    struct hs_access_clock clock;
    int64_t wall; /* from the loop's clock to the wall's */
    struct chunk *filling; /* NULL: none */
    struct chunks waiting;
    unsigned nchunks;
    struct hs_timer flush;
    struct hs_timer retry; /* pending: nothing is handed over before */
    char *path;            /* of the target */
    struct hs_log_target target;
    struct hs_access_log_stats stats;
    bool failing;     /* the last job has failed */
    int64_t told_at;  /* loop time: when trouble was told last; 0: never */
    unsigned long long told_lost;
    int next_fd;      /* to be written to from the next job on; -1: the same as before */

    bool job_runs;
    struct hs_job job;
    /* the job's: */
    struct hs_log_output output;
    struct chunks taken;
    int switch_to;
    int err;
};

static void hand_over(struct hs_access_log *log);

/* --- trouble --- */

/* The end of a job, for the error log. */
static void
tell(struct hs_access_log *log, int err)
{
    int64_t now = hs_loop_now(log->loop);
    const char *name = log->path != NULL ? log->path : log->target.kind == HS_LOG_TO_SYSLOG ? "syslog" : "the standard stream";

    if (err != 0 && err != EAGAIN) {
        log->stats.errors++;
        log->failing = true;
    }
    bool is_due = log->told_at == 0 || now - log->told_at >= TELL_EVERY;
    if (log->failing && err != 0 && is_due) {
        hs_log(HS_LOG_ERROR, "access log: cannot write to %s: %s; lines lost so far: %llu", name, strerror(err), log->stats.lost);
        log->told_at = now;
        log->told_lost = log->stats.lost;
    } else if (err == 0 && (log->failing || log->stats.lost != log->told_lost) && is_due) {
        hs_log(HS_LOG_WARN, "access log: %s is written to; lines lost so far: %llu", name, log->stats.lost);
        log->told_at = now;
        log->told_lost = log->stats.lost;
        log->failing = false;
    }
}

/* --- the job --- */

/* What comes behind the mark goes elsewhere. */
static void
pass_mark(struct hs_access_log *log, struct chunk *mark)
{
    hs_log_output_fini(&log->output);
    log->output = mark->change->output;
    free(mark->change);
    mark->change = NULL;
}

/* The first mark from c on that has not been passed; NULL: there is none. */
static struct chunk *
next_mark(struct chunk *c)
{
    while (c != NULL && c->change == NULL) {
        c = STAILQ_NEXT(c, link);
    }
    return c;
}

static void
run(struct hs_job *job)
{
    struct hs_access_log *log = (struct hs_access_log *)(void *)((char *)job - offsetof(struct hs_access_log, job));
    struct chunk *c = STAILQ_FIRST(&log->taken);

    if (log->switch_to >= 0) {
        hs_log_output_replace(&log->output, log->switch_to);
        log->switch_to = -1;
    }
    log->err = 0;
    while (c != NULL) {
        if (c->change != NULL) {
            pass_mark(log, c);
        }
        log->err = hs_log_output_write(&log->output, (struct hs_view){ c->data, c->len }, &c->at, LOG_INFO);
        if (log->err == 0) {
            c = STAILQ_NEXT(c, link);
            continue;
        }
        struct chunk *mark = next_mark(c);
        if (mark == NULL) {
            return;
        }
        pass_mark(log, mark); /* and once more */
    }
}

static void
free_chunk(struct hs_access_log *log, struct chunk *c)
{
    log->nchunks--;
    if (c->change != NULL) {
        hs_log_output_fini(&c->change->output);
        free(c->change);
    }
    free(c);
}

/* Frees what has been written; the rest is the first to wait again. */
static void
give_back(struct hs_access_log *log)
{
    struct chunk *c;

    while ((c = STAILQ_FIRST(&log->taken)) != NULL && c->at == c->len) {
        STAILQ_REMOVE_HEAD(&log->taken, link);
        free_chunk(log, c);
    }
    STAILQ_CONCAT(&log->taken, &log->waiting);
    STAILQ_CONCAT(&log->waiting, &log->taken);
}

static void
done(struct hs_job *job)
{
    struct hs_access_log *log = (struct hs_access_log *)(void *)((char *)job - offsetof(struct hs_access_log, job));

    log->job_runs = false;
    give_back(log);
    tell(log, log->err);
    if (log->err != 0 && hs_timer_set(&log->retry, log->err == EAGAIN ? AGAIN_AFTER : ERROR_AGAIN_AFTER) == 0) {
        return;
    }
    hand_over(log);
}

/* Has what waits written, if it is not being written. */
static void
hand_over(struct hs_access_log *log)
{
    if (log->job_runs || hs_timer_pending(&log->retry) || (STAILQ_EMPTY(&log->waiting) && log->next_fd < 0)) {
        return;
    }
    STAILQ_CONCAT(&log->taken, &log->waiting);
    log->switch_to = log->next_fd;
    log->next_fd = -1;
    log->job = (struct hs_job){ .run = run, .done = done };
    log->job_runs = hs_pool_submit(hs_pool_io(), &log->job) == 0;
    if (!log->job_runs) { /* the pools stop, or there is no memory for a thread: later, at the latest when the log is freed */
        give_back(log);
        log->next_fd = log->switch_to;
        log->switch_to = -1;
        (void)hs_timer_set(&log->retry, ERROR_AGAIN_AFTER);
    }
}

static void
on_retry(void *arg)
{
    hand_over(arg);
}

/* What is being filled waits with the rest. */
static void
queue_filling(struct hs_access_log *log)
{
    if (log->filling != NULL && log->filling->len != 0) {
        STAILQ_INSERT_TAIL(&log->waiting, log->filling, link);
        log->filling = NULL;
    }
    hs_timer_cancel(&log->flush);
}

static void
on_flush(void *arg)
{
    struct hs_access_log *log = arg;

    queue_filling(log);
    hand_over(log);
}

/* --- lines --- */

/* A chunk with room for a line; NULL: there are too many already, or there is no memory. Before its first line its time begins, and what the wall
 * clock shows is looked at. */
static __attribute__((noinline)) struct chunk *
prepare_chunk(struct hs_access_log *log)
{
    struct chunk *c = log->filling;

    if (c != NULL && c->len != 0) {
        queue_filling(log);
        hand_over(log);
        c = NULL;
    }
    if (c == NULL) {
        c = log->nchunks < CHUNKS_MAX ? malloc(sizeof *c + CHUNK) : NULL;
        if (c == NULL) {
            return NULL;
        }
        c->change = NULL;
        c->len = c->at = 0;
        log->nchunks++;
        log->filling = c;
    }
    log->wall = hs_loop_wallclock(log->loop) - hs_loop_clock(log->loop);
    (void)hs_timer_set(&log->flush, FLUSH_AFTER); /* without memory for it the chunk goes when it is full, or with the log */
    return c;
}

static __attribute__((noinline)) size_t
add_json(struct hs_access_log *log, char *dst, const struct hs_request_end *e, struct hs_view client)
{
    struct hs_view id = hs_view_of(e->sess != NULL ? ec_httpsrv_session_request_id(e->sess) : NULL);
    const struct hs_access_more more = { client, id, e->ended + log->wall, log->worker };

    return hs_access_line(HS_ACCESS_JSON, dst, &log->clock, e, &more);
}

void
hs_access_log_add(struct hs_access_log *log, const struct hs_request_end *e, struct hs_view client)
{
    struct chunk *c = log->filling;

    if (__builtin_expect(c == NULL || c->len - 1 >= CHUNK - HS_ACCESS_LINE_MAX, 0)) { /* none, empty or full */
        c = prepare_chunk(log);
        if (c == NULL) {
            log->stats.lost++;
            return;
        }
    }
    char *dst = c->data + c->len;
    if (__builtin_expect(log->format == HS_ACCESS_COMBINED, 1)) {
        c->len += hs_access_combined(dst, &log->clock, e, client, e->ended + log->wall);
    } else {
        c->len += add_json(log, dst, e, client);
    }
    log->stats.lines++;
}

void
hs_access_log_flush(struct hs_access_log *log)
{
    on_flush(log);
}

void
hs_access_log_switch(struct hs_access_log *log, int fd)
{
    struct chunk *mark = next_mark(STAILQ_FIRST(&log->waiting));

    if (mark != NULL) { /* the log goes elsewhere, and that is what has been opened anew */
        for (struct chunk *m = mark; m != NULL; m = next_mark(STAILQ_NEXT(m, link))) {
            mark = m;
        }
        hs_log_output_replace(&mark->change->output, fd);
        return;
    }
    if (log->next_fd >= 0) {
        (void)close(log->next_fd); /* nobody has begun to use it */
    }
    log->next_fd = fd;
    hs_timer_cancel(&log->retry); /* what was wrong with the former need not be wrong with this one */
    on_flush(log);
}

int
hs_access_change_new(const struct hs_access_log_options *options, int fd, struct hs_access_change **out)
{
    struct hs_access_change *c = calloc(1, sizeof *c);
    struct chunk *mark = calloc(1, sizeof *mark);
    char *path = options->target.path != NULL ? strdup(options->target.path) : NULL;

    if (c == NULL || mark == NULL || (path == NULL && options->target.path != NULL)) {
        free(c);
        free(mark);
        free(path);
        return ENOMEM;
    }
    *c = (struct hs_access_change){ .target = options->target, .path = path, .format = options->format, .mark = mark };
    c->target.path = path;
    hs_log_output_init(&c->output, &c->target, fd, options->syslog_path);
    *out = c;
    return 0;
}

void
hs_access_change_free(struct hs_access_change *c)
{
    if (c != NULL) {
        hs_log_output_fini(&c->output);
        free(c->mark);
        free(c->path);
        free(c);
    }
}

void
hs_access_log_apply(struct hs_access_log *log, struct hs_access_change *c)
{
    struct chunk *mark = c->mark;

    queue_filling(log);
    if (log->next_fd >= 0) { /* for the place that is left */
        (void)close(log->next_fd);
        log->next_fd = -1;
    }
    free(log->path);
    log->path = c->path;
    log->target = c->target;
    log->format = c->format;
    mark->change = c;
    log->nchunks++;
    STAILQ_INSERT_TAIL(&log->waiting, mark, link);
    hs_timer_cancel(&log->retry); /* as in hs_access_log_switch */
    hand_over(log);
}

int
hs_access_log_reopen(struct hs_access_log *log)
{
    int fd, err = 0;

    if (log->target.kind == HS_LOG_TO_FILE) {
        err = hs_log_target_open(&log->target, &fd);
        if (err == 0) {
            hs_access_log_switch(log, fd);
        }
    }
    return err;
}

void
hs_access_log_get_stats(const struct hs_access_log *log, struct hs_access_log_stats *st)
{
    const struct chunk *c;

    *st = log->stats;
    st->waiting = log->filling != NULL ? log->filling->len : 0;
    STAILQ_FOREACH (c, &log->waiting, link) {
        st->waiting += c->len - c->at;
    }
}

/* --- life --- */

int
hs_access_log_new(struct hs_loop *loop, const struct hs_access_log_options *options, int fd, struct hs_access_log **out)
{
    struct hs_access_log *log = calloc(1, sizeof *log);

    if (log == NULL) {
        return ENOMEM;
    }
    log->loop = loop;
    log->format = options->format;
    log->worker = options->worker;
    log->target = options->target;
    log->next_fd = log->switch_to = -1;
    if (options->target.path != NULL) {
        log->path = strdup(options->target.path);
        if (log->path == NULL) {
            free(log);
            return ENOMEM;
        }
        log->target.path = log->path;
    }
    STAILQ_INIT(&log->waiting);
    STAILQ_INIT(&log->taken);
    hs_timer_init(&log->flush, loop, on_flush, log);
    hs_timer_init(&log->retry, loop, on_retry, log);
    hs_log_output_init(&log->output, &log->target, fd, options->syslog_path);
    *out = log;
    return 0;
}

/* Writes all that waits, in this thread. */
static int
write_rest(struct hs_access_log *log)
{
    STAILQ_CONCAT(&log->taken, &log->waiting);
    run(&log->job);
    give_back(log);
    return log->err;
}

static void
drop(struct hs_access_log *log)
{
    struct chunk *c;

    while ((c = STAILQ_FIRST(&log->waiting)) != NULL) {
        STAILQ_REMOVE_HEAD(&log->waiting, link);
        for (size_t i = c->at; i < c->len; i++) {
            log->stats.lost += c->data[i] == '\n';
        }
        free_chunk(log, c);
    }
}

void
hs_access_log_free(struct hs_access_log *log)
{
    if (log == NULL) {
        return;
    }
    assert(!log->job_runs);
    queue_filling(log);
    hs_timer_cancel(&log->retry);
    log->switch_to = log->next_fd;
    for (int waited = 0; write_rest(log) == EAGAIN && waited < LAST_WAIT; waited += 20) {
        struct pollfd p = { .fd = log->output.fd, .events = POLLOUT };
        (void)poll(&p, 1, 20);
    }
    if (!STAILQ_EMPTY(&log->waiting)) {
        unsigned long long before = log->stats.lost;
        drop(log);
        hs_log(HS_LOG_ERROR, "access log: the last %llu lines could not be written: %s", log->stats.lost - before, strerror(log->err));
    }
    if (log->filling != NULL) {
        free_chunk(log, log->filling);
    }
    hs_log_output_fini(&log->output);
    free(log->path);
    free(log);
}
