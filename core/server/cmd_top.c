/* cmd_top.c - httpsrv ctl top: what a running server does, each second anew.
 * Asks for the status twice and shows the difference: a screen in a terminal, a line a second elsewhere. Everything is reckoned here; the server only answers
 * "status --json". Against real servers: tests/acceptance/admin.py. */
#include "server/cmd_top.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/command.h"
#include "server/control_client.h"

enum { BUCKETS_MAX = 1024 };

/* What of a status is shown. */
struct sample {
    double uptime, open, waiting, connections, total, failed, received, sent, memory, errors, workers;
    const char *state;
    json_object *whole; /* owns it all */
};

static volatile sig_atomic_t interrupted;

static void
on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

/* A number of an object inside the status; 0 when there is none. group NULL: of the status itself. */
static double
number(json_object *o, const char *group, const char *name)
{
    json_object *inner = o, *value;

    if (group != NULL && !json_object_object_get_ex(o, group, &inner)) {
        return 0;
    }
    return json_object_object_get_ex(inner, name, &value) ? json_object_get_double(value) : 0;
}

/* 0; an errno value; EPROTO: the answer is no status. */
static int
read_sample(const char *path, struct sample *s, int *status)
{
    char word[] = "status", option[] = "--json";
    char *words[] = { word, option, NULL };
    char *text = NULL;
    size_t n = 0;
    json_object *value;

    FILE *to = open_memstream(&text, &n);
    if (to == NULL) {
        return ENOMEM;
    }
    int err = hs_control_command(path, 2, words, to, stderr, status);
    if (fclose(to) != 0 && err == 0) {
        err = ENOMEM;
    }
    *s = (struct sample){ .whole = err == 0 && *status == 0 ? json_tokener_parse(text) : NULL };
    free(text);
    if (err != 0 || *status != 0) {
        return err;
    }
    if (s->whole == NULL || !json_object_object_get_ex(s->whole, "state", &value)) {
        json_object_put(s->whole);
        s->whole = NULL;
        return EPROTO;
    }
    s->state = json_object_get_string(value);
    s->uptime = number(s->whole, NULL, "uptime");
    s->open = number(s->whole, "requests", "open");
    s->waiting = number(s->whole, "requests", "waiting");
    s->total = number(s->whole, "requests", "total");
    s->failed = number(s->whole, "requests", "5xx");
    s->connections = number(s->whole, "connections", "open");
    s->received = number(s->whole, "connections", "received_bytes");
    s->sent = number(s->whole, "connections", "sent_bytes");
    s->memory = number(s->whole, "lua", "memory_bytes");
    s->errors = number(s->whole, "lua", "errors");
    s->workers = json_object_object_get_ex(s->whole, "workers", &value) ? (double)json_object_array_length(value) : 0;
    return 0;
}

/* --- percentiles of what came in between --- */

struct bucket {
    double end, count;
};

/* The buckets of a status, in order. How many. */
static size_t
buckets_of(const struct sample *s, struct bucket *b)
{
    json_object *latency, *list;
    size_t n = 0;

    if (!json_object_object_get_ex(s->whole, "latency", &latency) || !json_object_object_get_ex(latency, "histogram", &list)) {
        return 0;
    }
    for (size_t i = 0; i < json_object_array_length(list) && n < BUCKETS_MAX; i++) {
        json_object *pair = json_object_array_get_idx(list, i);
        if (json_object_is_type(pair, json_type_array) && json_object_array_length(pair) == 2) {
            b[n].end = json_object_get_double(json_object_array_get_idx(pair, 0));
            b[n++].count = json_object_get_double(json_object_array_get_idx(pair, 1));
        }
    }
    return n;
}

/* The time that a share of the requests between two samples did not exceed, in ms; -1: there were none. */
static double
percentile(const struct sample *before, const struct sample *now, double share)
{
    struct bucket old[BUCKETS_MAX], new[BUCKETS_MAX];
    size_t nold = buckets_of(before, old), nnew = buckets_of(now, new), k = 0;
    double all = 0, seen = 0;

    for (size_t i = 0; i < nnew; i++) {
        while (k < nold && old[k].end < new[i].end - 1e-12) {
            k++;
        }
        if (k < nold && old[k].end <= new[i].end + 1e-12) {
            new[i].count -= old[k].count;
        }
        all += new[i].count;
    }
    for (size_t i = 0; i < nnew && all > 0; i++) {
        seen += new[i].count;
        if (new[i].count > 0 && seen >= share * all) {
            return new[i].end * 1e3;
        }
    }
    return -1;
}

/* --- showing --- */

static void
show_time(double ms)
{
    if (ms < 0) {
        (void)printf("        -");
    } else {
        (void)printf(" %8.3f", ms);
    }
}

static void
show_line(const struct sample *before, const struct sample *now, unsigned long line)
{
    double s = now->uptime > before->uptime ? now->uptime - before->uptime : 1;

    if (line % 20 == 0) {
        (void)puts("  requests/s    5xx/s   p50 ms   p90 ms   p99 ms     open  waiting  connections  Lua MiB");
    }
    (void)printf("%12.0f %8.0f", (now->total - before->total) / s, (now->failed - before->failed) / s);
    show_time(percentile(before, now, 0.5));
    show_time(percentile(before, now, 0.9));
    show_time(percentile(before, now, 0.99));
    (void)printf(" %8.0f %8.0f %12.0f %8.1f\n", now->open, now->waiting, now->connections, now->memory / 1048576);
}

static void
show_workers(const struct sample *before, const struct sample *now)
{
    json_object *list, *old, *state;

    if (!json_object_object_get_ex(now->whole, "workers", &list) || !json_object_object_get_ex(before->whole, "workers", &old)) {
        return;
    }
    double s = now->uptime > before->uptime ? now->uptime - before->uptime : 1;
    (void)puts("\n  worker      pid  state      requests/s     open  waiting  connections  Lua MiB  restarts");
    for (size_t i = 0; i < json_object_array_length(list) && i < json_object_array_length(old); i++) {
        json_object *w = json_object_array_get_idx(list, i), *was = json_object_array_get_idx(old, i);
        const char *text = json_object_object_get_ex(w, "state", &state) ? json_object_get_string(state) : "?";
        (void)printf("%8zu %8.0f  %-9.9s %11.0f %8.0f %8.0f %12.0f %8.1f %9.0f\n", i, number(w, NULL, "pid"), text,
                     (number(w, NULL, "requests") - number(was, NULL, "requests")) / s, number(w, NULL, "open"), number(w, NULL, "waiting"),
                     number(w, NULL, "connections"), number(w, NULL, "lua_memory_bytes") / 1048576, number(w, NULL, "restarts"));
    }
}

/* The screen is written over, not cleared, so that it does not flicker. */
static void
show_screen(const struct sample *before, const struct sample *now)
{
    double s = now->uptime > before->uptime ? now->uptime - before->uptime : 1;

    (void)printf("\033[H\033[Jhttpsrv: %s, up %.0f s, %.0f requests so far, %.0f errors in Lua\n", now->state, now->uptime, now->total, now->errors);
    (void)printf("received %.1f KiB/s, sent %.1f KiB/s\n\n", (now->received - before->received) / s / 1024, (now->sent - before->sent) / s / 1024);
    show_line(before, now, 0);
    show_workers(before, now);
    (void)puts("\n(interrupt to leave)");
}

/* --- the command --- */

/* Sleeps a second; false: interrupted. */
static bool
pause_a_second(void)
{
    struct timespec ts = { .tv_sec = 1 };

    while (!interrupted && nanosleep(&ts, &ts) != 0 && errno == EINTR) {
    }
    return !interrupted;
}

static int
run(const char *path, unsigned long count, bool screen, int *status)
{
    struct sample before, now;

    int err = read_sample(path, &before, status);
    for (unsigned long i = 0; err == 0 && *status == 0 && (count == 0 || i < count) && pause_a_second(); i++) {
        err = read_sample(path, &now, status);
        if (err != 0 || *status != 0) {
            break;
        }
        if (screen) {
            show_screen(&before, &now);
        } else {
            show_line(&before, &now, i);
        }
        json_object_put(before.whole);
        before = now;
        if (fflush(stdout) != 0) {
            err = EIO;
        }
    }
    json_object_put(before.whole);
    return err;
}

/* How many times; 0: until it is interrupted. False: the words are wrong. */
static bool
parse(int argc, char *const *argv, unsigned long *count)
{
    char *end;

    *count = 0;
    if (argc == 2 && strcmp(argv[1], "--once") == 0) {
        *count = 1;
        return true;
    }
    if (argc == 3 && strcmp(argv[1], "--count") == 0 && argv[2][0] >= '0' && argv[2][0] <= '9') {
        *count = strtoul(argv[2], &end, 10);
        return *end == '\0' && *count > 0;
    }
    return argc == 1;
}

int
hs_command_top(const char *path, int argc, char *const *argv, int *status)
{
    struct sigaction sa = { .sa_handler = on_interrupt }, before;
    unsigned long count;

    if (!parse(argc, argv, &count)) {
        hs_command_complain("top takes --once, or --count N");
        *status = HS_EXIT_USAGE;
        return 0;
    }
    *status = 0;
    (void)sigemptyset(&sa.sa_mask);
    interrupted = 0;
    (void)sigaction(SIGINT, &sa, &before);
    int err = run(path, count, isatty(STDOUT_FILENO) && count != 1, status);
    (void)sigaction(SIGINT, &before, NULL);
    return err;
}
