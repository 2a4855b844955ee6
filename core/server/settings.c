/* settings.c - what can be configured: the table, and values from text.
 * Owns the strings and lists in struct hs_settings. Every value is checked against its type and range before anything is changed. */
#include "server/settings.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "http/request.h"
#include "io/loop.h"
#include "server/listen_options.h"
#include "server/log_target.h"
#include "server/settings_value.h"

#define KIB ((int64_t)1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define YEAR (365 * 24 * 3600 * HS_SEC)
#define UNSIGNED_MAX 4294967295LL
#define HEAD_MAX (32 * KIB) /* what the protocol drivers have room for */

#define AT(member) offsetof(struct hs_settings, member)

/* Flags of the table. */
enum { NONE = HS_SETTING_OR_NONE, COMMAND = HS_SETTING_COMMAND_ONLY, LIVE = HS_SETTING_LIVE };

static const struct hs_setting table[] = {
    { "listen", HS_SETTING_ADDRESSES, AT(listen), 0, 0, 0, "127.0.0.1:8080", "ADDR",
      "listen at PORT (of 127.0.0.1), IP:PORT, [IPv6]:PORT or unix:/PATH, with options as in unix:/PATH,mode=0660; may be repeated" },
    { "workers", HS_SETTING_WORKERS, AT(workers), 0, 1024, 0, "auto", "N",
      "worker processes; auto: one per core; 0: everything in one process" },
    { "watchdog", HS_SETTING_TIME, AT(watchdog), HS_MSEC * 100, YEAR, NONE, "10", "SECONDS",
      "an event loop that stands still for longer is reported with what it runs, and a worker replaced" },
    { "memory-limit", HS_SETTING_SIZE, AT(memory_limit), 8 * MIB, INT64_MAX / 2, NONE | LIVE, "1G", "BYTES",
      "most that the Lua states of a worker may hold; what would need more fails, and the worker is replaced" },
    { "shared-memory", HS_SETTING_SIZE, AT(shared_memory), 64 * KIB, 1024 * GIB, NONE, "64M", "BYTES",
      "room for what httpsrv.shared keeps for all workers; costs nothing until it is used" },
    { "config", HS_SETTING_FILE, AT(config), 0, 0, COMMAND, NULL, "FILE", "read settings from FILE instead of DIR/config.lua" },
    { "control", HS_SETTING_PATH, AT(control), 0, 0, 0, NULL, "PATH",
      "listen for httpsrv ctl at this unix socket, in a directory of one's own; none: not at all" },
    { "user", HS_SETTING_NAME, AT(user), 0, 0, 0, NULL, "NAME",
      "run as this user, with its groups, once sockets and files have been opened" },
    { "group", HS_SETTING_NAME, AT(group), 0, 0, 0, NULL, "NAME", "and as this group; without it the user's own" },
    { "pid-file", HS_SETTING_PATH, AT(pid_file), 0, 0, 0, NULL, "PATH", "write the process's number to this file" },
    { "admin", HS_SETTING_PATH, AT(admin), 0, 0, 0, NULL, "ADDR",
      "serve metrics, status, health and a live page at this address (docs/observability.md), apart from what is served; none: not at all. "
      "Without it: at a unix socket beside that of control" },
    { "dev", HS_SETTING_FLAG, AT(dev), 0, 1, 0, "false", NULL,
      "show tracebacks of Lua errors to the client, and load the scripts anew when one changes" },
    { "log-level", HS_SETTING_LOG_LEVEL, AT(log_level), 0, 0, LIVE, "info", "LEVEL",
      "log messages from LEVEL on: debug, info, notice, warn, error" },
    { "error-log", HS_SETTING_LOG, AT(error_log), 0, 0, LIVE, "stderr", "WHERE",
      "where messages go: a file's name, stderr, stdout, syslog or syslog:FACILITY; USR1 has a file opened anew" },
    { "access-log", HS_SETTING_LOG, AT(access_log), 0, 0, LIVE, "none", "WHERE",
      "a line for each request: a file's name, - (stdout), stderr, syslog or syslog:FACILITY; without it a terminal shows requests" },
    { "access-log-format", HS_SETTING_CHOICE, AT(access_log_format), 0, 1, LIVE, "combined", "combined|json",
      "of those lines: as Apache and nginx write them, or a JSON object on each" },
    { "client-address-from", HS_SETTING_CHOICE, AT(client_address_from), 0, 1, LIVE, "x-forwarded-for", "x-forwarded-for|forwarded",
      "the field in which trusted proxies say who their client is" },
    { "request-id", HS_SETTING_FLAG, AT(request_id), 0, 1, LIVE, "false", NULL,
      "send an id with each response (X-Request-Id), that of a trusted proxy or a random one" },
    { "backlog", HS_SETTING_COUNT, AT(backlog), 1, 65535, 0, "4096", "N", "connections that may wait to be accepted" },
    { "max-connections", HS_SETTING_COUNT, AT(max_connections), 1, UNSIGNED_MAX / 2, NONE | LIVE, "none", "N",
      "connections at a time, over all listeners and workers; who comes beyond it waits to be accepted" },
    { "allow", HS_SETTING_NETWORKS, AT(allow), 0, 0, LIVE, NULL, "NETWORK",
      "only these networks (192.0.2.0/24) may connect; may be repeated" },
    { "deny", HS_SETTING_NETWORKS, AT(deny), 0, 0, LIVE, NULL, "NETWORK", "these may not, whatever allow says; may be repeated" },
    { "trusted", HS_SETTING_NETWORKS, AT(trusted), 0, 0, LIVE, NULL, "NETWORK",
      "proxies that are believed when they say who their client is; may be repeated" },
    { "drain-timeout", HS_SETTING_TIME, AT(drain_timeout), 0, YEAR, LIVE, "30", "SECONDS",
      "when stopping: wait so long for requests and connections to end" },
    { "load-timeout", HS_SETTING_TIME, AT(load_timeout), HS_MSEC, YEAR, NONE | LIVE, "10", "SECONDS", "time that loading the scripts may take" },
    { "unload-timeout", HS_SETTING_TIME, AT(unload_timeout), HS_MSEC, YEAR, LIVE, "5", "SECONDS",
      "time that the scripts' on_unload functions may take" },
    { "generations", HS_SETTING_COUNT, AT(generations), 1, 1000, LIVE, "8", "N",
      "sets of handlers that live at a time, former ones with requests in flight included; the oldest beyond it is ended" },
    { "module", HS_SETTING_FILES, AT(module), 0, 0, LIVE, NULL, "FILE", "load handlers in C from this shared object; may be repeated" },
    { "head-size", HS_SETTING_SIZE, AT(head_size), 256, HEAD_MAX, LIVE, "16K", "BYTES", "largest request head (431)" },
    { "head-fields", HS_SETTING_COUNT, AT(head_fields), 1, HS_MAX_FIELDS, LIVE, "100", "N", "most header fields (431)" },
    { "target-size", HS_SETTING_SIZE, AT(target_size), 64, HEAD_MAX, LIVE, "8K", "BYTES", "longest request target (414)" },
    { "head-timeout", HS_SETTING_TIME, AT(head_timeout), HS_MSEC, YEAR, LIVE, "10", "SECONDS", "time for the whole request head (408)" },
    { "handler-timeout", HS_SETTING_TIME, AT(handler_timeout), HS_MSEC, YEAR, NONE | LIVE, "none", "SECONDS",
      "time that a handler which waits may take (503); routes may differ" },
    { "max-body", HS_SETTING_SIZE, AT(max_body), 0, INT64_MAX, NONE | LIVE, "16M", "BYTES", "largest request body (413); routes may differ" },
    { "body-memory", HS_SETTING_SIZE, AT(body_memory), 0, GIB, LIVE, "1M", "BYTES",
      "a body that is read as a whole is kept in a temporary file past this" },
    { "body-ahead", HS_SETTING_SIZE, AT(body_ahead), KIB, GIB, LIVE, "64K", "BYTES", "body bytes read ahead of the handler" },
    { "body-rate", HS_SETTING_SIZE, AT(body_rate), 0, GIB, LIVE, "1K", "BYTES", "slowest upload, per second, while a handler waits for it (408)" },
    { "body-window", HS_SETTING_TIME, AT(body_window), HS_SEC, YEAR, LIVE, "30", "SECONDS", "time over which that rate is averaged" },
    { "drain-max", HS_SETTING_SIZE, AT(drain_max), 0, GIB, LIVE, "64K", "BYTES",
      "most of an unread body that is read to keep the connection" },
    { "keep-alive", HS_SETTING_TIME, AT(keep_alive), HS_MSEC, YEAR, LIVE, "60", "SECONDS", "time that a connection may stand idle" },
    { "max-requests", HS_SETTING_COUNT, AT(max_requests), 1, UNSIGNED_MAX, LIVE, "10000", "N", "requests per connection" },
    { "write-timeout", HS_SETTING_TIME, AT(write_timeout), HS_MSEC, YEAR, LIVE, "30", "SECONDS",
      "time in which a client must take some of the bytes that wait for it" },
    { "pipeline-output", HS_SETTING_SIZE, AT(pipeline_output), KIB, GIB, LIVE, "256K", "BYTES",
      "unsent bytes past which the next pipelined request waits" },
    { "linger-max", HS_SETTING_SIZE, AT(linger_max), 0, GIB, LIVE, "1G", "BYTES", "bytes discarded before a refused upload is closed" },
    { "linger-timeout", HS_SETTING_TIME, AT(linger_timeout), HS_MSEC, YEAR, LIVE, "2", "SECONDS", "time that this may take" },
    { "linger-count", HS_SETTING_COUNT, AT(linger_count), 0, UNSIGNED_MAX, LIVE, "1024", "N", "connections that may be in this state" },
    { "response-high", HS_SETTING_SIZE, AT(response_high), KIB, GIB, LIVE, "256K", "BYTES",
      "unsent bytes past which a handler that adds more waits" },
    { "response-low", HS_SETTING_SIZE, AT(response_low), 0, GIB, LIVE, "64K", "BYTES", "it goes on below this" },
    { "response-buffer-max", HS_SETTING_SIZE, AT(response_buffer_max), KIB, 1024 * GIB, LIVE, "16M", "BYTES",
      "most that a response made at once may hold" },
    { "turn-bytes", HS_SETTING_SIZE, AT(turn_bytes), KIB, GIB, LIVE, "4M", "BYTES",
      "most that one response sends before the others have their turn" },
};

enum { N_SETTINGS = sizeof table / sizeof *table };
_Static_assert((int)N_SETTINGS <= (int)HS_SETTINGS_MAX, "source[] has room for every setting");

const struct hs_setting *
hs_setting_at(size_t i)
{
    return i < N_SETTINGS ? &table[i] : NULL;
}

static int64_t *
number_of(const struct hs_settings *s, const struct hs_setting *which)
{
    return (int64_t *)(void *)((char *)(uintptr_t)s + which->offset);
}

static struct hs_setting_list *
list_of(const struct hs_settings *s, const struct hs_setting *which)
{
    return (struct hs_setting_list *)(void *)((char *)(uintptr_t)s + which->offset);
}

static char **
string_of(const struct hs_settings *s, const struct hs_setting *which)
{
    return (char **)(void *)((char *)(uintptr_t)s + which->offset);
}

static bool
is_string(const struct hs_setting *which)
{
    return which->type == HS_SETTING_FILE || which->type == HS_SETTING_PATH || which->type == HS_SETTING_NAME || which->type == HS_SETTING_LOG;
}

/* --- names --- */

static bool
same_name(const char *a, const char *b)
{
    for (; *a != '\0' && *b != '\0'; a++, b++) {
        if ((*a == '_' ? '-' : *a) != (*b == '_' ? '-' : *b)) {
            return false;
        }
    }
    return *a == *b;
}

const struct hs_setting *
hs_setting_find(const char *name)
{
    for (size_t i = 0; i < N_SETTINGS; i++) {
        if (same_name(table[i].name, name)) {
            return &table[i];
        }
    }
    return NULL;
}

bool
hs_setting_is_list(const struct hs_setting *which)
{
    return which->type == HS_SETTING_ADDRESSES || which->type == HS_SETTING_NETWORKS || which->type == HS_SETTING_FILES;
}

bool
hs_setting_is_live(const struct hs_setting *which)
{
    return (which->flags & HS_SETTING_LIVE) != 0;
}

bool
hs_setting_is_process(const struct hs_setting *which)
{
    return which->offset == AT(user) || which->offset == AT(group) || which->offset == AT(pid_file);
}

const struct hs_setting *
hs_setting_like(const char *name)
{
    const char *names[N_SETTINGS];

    for (size_t i = 0; i < N_SETTINGS; i++) {
        names[i] = table[i].name;
    }
    const char *best = hs_nearest(name, names, N_SETTINGS);
    return best != NULL ? hs_setting_find(best) : NULL;
}

/* --- values as text --- */

const char *
hs_setting_value(const struct hs_settings *s, const struct hs_setting *which, size_t i, char scratch[HS_SETTING_NUMBER_MAX])
{
    if (hs_setting_is_list(which)) {
        const struct hs_setting_list *list = list_of(s, which);
        return i < list->n ? list->items[i] : NULL;
    }
    if (i != 0 || is_string(which)) {
        return i == 0 ? *string_of(s, which) : NULL;
    }
    (void)hs_setting_format_number(which, *number_of(s, which), scratch, HS_SETTING_NUMBER_MAX);
    return scratch;
}

int
hs_setting_format(const struct hs_settings *s, const struct hs_setting *which, char *dst, size_t size)
{
    char scratch[HS_SETTING_NUMBER_MAX];
    const char *v;
    int total = 0;

    if (size != 0) {
        dst[0] = '\0';
    }
    for (size_t i = 0; (v = hs_setting_value(s, which, i, scratch)) != NULL; i++) {
        size_t at = (size_t)total < size ? (size_t)total : size;
        total += snprintf(dst + at, size - at, "%s%s", i != 0 ? " " : "", v);
    }
    return total;
}

/* The same of a value that is wrong. */
static void
describe_for(const struct hs_setting *which, const char *text, char *why, size_t size)
{
    struct hs_listen_options options;

    hs_setting_describe(which, why, size);
    if (which->type == HS_SETTING_ADDRESSES && hs_listen_options_parse(text, &options, why, size) == 0) {
        hs_listen_options_fini(&options);
    }
}

/* --- setting --- */

static void
list_clear(struct hs_setting_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        free(list->items[i]);
    }
    free(list->items);
    *list = (struct hs_setting_list){ NULL, 0 };
}

/* Adds to the list, or makes it anew. 0 or ENOMEM, and then nothing is changed. */
static int
list_add(struct hs_setting_list *list, const char *text, bool anew)
{
    struct hs_setting_list old = anew ? *list : (struct hs_setting_list){ NULL, 0 };
    size_t n = anew ? 0 : list->n;
    char *copy = strdup(text);
    char **items = copy != NULL ? realloc(anew ? NULL : list->items, (n + 1) * sizeof *items) : NULL;

    if (items == NULL) {
        free(copy);
        return ENOMEM;
    }
    items[n] = copy;
    *list = (struct hs_setting_list){ items, n + 1 };
    list_clear(&old);
    return 0;
}

static int
set_string(char **where, const char *text)
{
    char *copy = strdup(text);

    if (copy == NULL) {
        return ENOMEM;
    }
    free(*where);
    *where = copy;
    return 0;
}

/* Checks the text and stores it. 0, EINVAL, ENOMEM. */
static int
store(struct hs_settings *s, const struct hs_setting *which, const char *text, bool anew)
{
    int64_t number = 0;

    if (which->type == HS_SETTING_ADDRESSES) {
        struct hs_listen_options options;
        char why[8];
        int err = hs_listen_options_parse(text, &options, why, sizeof why);
        if (err == 0) {
            hs_listen_options_fini(&options);
            err = list_add(list_of(s, which), text, anew);
        }
        return err;
    }
    if (which->type == HS_SETTING_NETWORKS) {
        struct hs_cidr network;
        if (hs_cidr_parse(text, &network) != 0 || (network.family == AF_UNIX && which->offset != AT(trusted))) { /* allow and deny see addresses only */
            return EINVAL;
        }
        return list_add(list_of(s, which), text, anew);
    }
    if (which->type == HS_SETTING_FILES) {
        return *text == '\0' ? EINVAL : list_add(list_of(s, which), text, anew);
    }
    if (is_string(which)) {
        struct hs_log_target target;
        bool ok = which->type == HS_SETTING_LOG ? hs_log_target_parse(text, &target) == 0 : *text != '\0';
        return !ok ? EINVAL : set_string(string_of(s, which), text);
    }
    if (!hs_setting_parse_number(which, text, &number)) {
        return EINVAL;
    }
    *number_of(s, which) = number;
    return 0;
}

int
hs_setting_set(struct hs_settings *s, const struct hs_setting *which, const char *text, enum hs_setting_source source, char *why,
               size_t size)
{
    size_t i = (size_t)(which - table);
    assert(i < N_SETTINGS);
    if (s->source[i] > (unsigned char)source) {
        struct hs_settings scratch;
        memset(&scratch, 0, sizeof scratch);
        int err = store(&scratch, which, text, true); /* a bad value is an error all the same */
        hs_settings_fini(&scratch);
        if (err != 0) {
            describe_for(which, text, why, size);
        }
        return err;
    }
    int err = store(s, which, text, s->source[i] != (unsigned char)source);
    if (err == 0) {
        s->source[i] = (unsigned char)source;
    } else if (err == ENOMEM) {
        (void)snprintf(why, size, "out of memory");
    } else {
        describe_for(which, text, why, size);
    }
    return err;
}

enum hs_setting_source
hs_setting_source_of(const struct hs_settings *s, const struct hs_setting *which)
{
    return (enum hs_setting_source)s->source[which - table];
}

/* Back to its default. 0 or ENOMEM: the defaults are good, test_settings.c sets them all. */
static int
reset(struct hs_settings *s, const struct hs_setting *which)
{
    s->source[which - table] = HS_SOURCE_DEFAULT;
    if (which->def != NULL) {
        int err = store(s, which, which->def, true);
        return err != 0 ? ENOMEM : 0;
    }
    if (hs_setting_is_list(which)) {
        list_clear(list_of(s, which));
    } else {
        free(*string_of(s, which)); /* all numbers have a default */
        *string_of(s, which) = NULL;
    }
    return 0;
}

int
hs_settings_init(struct hs_settings *s)
{
    memset(s, 0, sizeof *s);
    for (size_t i = 0; i < N_SETTINGS; i++) {
        if (reset(s, &table[i]) != 0) {
            hs_settings_fini(s);
            return ENOMEM;
        }
    }
    return 0;
}

int
hs_settings_forget_file(struct hs_settings *s)
{
    int err = 0;

    for (size_t i = 0; i < N_SETTINGS && err == 0; i++) {
        if (s->source[i] == HS_SOURCE_FILE) {
            err = reset(s, &table[i]);
        }
    }
    return err;
}

size_t
hs_settings_workers(const struct hs_settings *s)
{
    cpu_set_t set;

    if (s->workers >= 0) {
        return (size_t)s->workers;
    }
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (size_t)CPU_COUNT(&set) : 1;
}

size_t
hs_settings_shared(const struct hs_settings *s)
{
    return s->shared_memory > 0 ? (size_t)s->shared_memory : 0;
}

static int
list_copy(struct hs_setting_list *to, const struct hs_setting_list *from)
{
    int err = 0;

    for (size_t i = 0; i < from->n && err == 0; i++) {
        err = list_add(to, from->items[i], false);
    }
    return err;
}

bool
hs_setting_equal(const struct hs_settings *a, const struct hs_settings *b, const struct hs_setting *which)
{
    char scratch_a[HS_SETTING_NUMBER_MAX], scratch_b[HS_SETTING_NUMBER_MAX];

    for (size_t i = 0;; i++) {
        const char *x = hs_setting_value(a, which, i, scratch_a), *y = hs_setting_value(b, which, i, scratch_b);
        if (x == NULL || y == NULL) {
            return x == y;
        }
        if (strcmp(x, y) != 0) {
            return false;
        }
    }
}

int
hs_setting_assign(struct hs_settings *to, const struct hs_settings *from, const struct hs_setting *which)
{
    struct hs_setting_list list = { NULL, 0 };
    char *string = NULL;
    int err = 0;

    if (hs_setting_is_list(which)) {
        err = list_copy(&list, list_of(from, which));
        if (err != 0) {
            list_clear(&list);
            return err;
        }
        list_clear(list_of(to, which));
        *list_of(to, which) = list;
    } else if (is_string(which)) {
        if (*string_of(from, which) != NULL) {
            err = set_string(&string, *string_of(from, which));
            if (err != 0) {
                return err;
            }
        }
        free(*string_of(to, which));
        *string_of(to, which) = string;
    } else {
        *number_of(to, which) = *number_of(from, which);
    }
    to->source[which - table] = from->source[which - table];
    return 0;
}

int
hs_settings_copy(struct hs_settings *to, const struct hs_settings *from)
{
    struct hs_settings copy;
    int err = 0;

    memset(&copy, 0, sizeof copy);
    for (size_t i = 0; i < N_SETTINGS && err == 0; i++) {
        err = hs_setting_assign(&copy, from, &table[i]);
    }
    if (err == 0) {
        hs_settings_fini(to);
        *to = copy;
    } else {
        hs_settings_fini(&copy);
    }
    return err;
}

void
hs_settings_fini(struct hs_settings *s)
{
    for (size_t i = 0; i < N_SETTINGS; i++) {
        if (hs_setting_is_list(&table[i])) {
            list_clear(list_of(s, &table[i]));
        } else if (is_string(&table[i])) {
            free(*string_of(s, &table[i]));
            *string_of(s, &table[i]) = NULL;
        }
    }
}
