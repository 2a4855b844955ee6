/* test_access_log.c - server/access_log.h: when lines are written, and what becomes of them when they cannot be. */
#include "server/access_log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "access_check.h"
#include "alloc_fail.h"
#include "base/log.h"
#include "io/pool.h"

static struct hs_loop *loop;
static struct hs_access_log *opened; /* of the test; a failed one leaves it */
static char dir[32];
static char told[4096];
static unsigned ntold;

static void
sink(enum hs_log_level level, const char *line, void *arg)
{
    (void)level;
    (void)arg;
    snprintf(told, sizeof told, "%s", line);
    ntold++;
}

static const char *
path(const char *name)
{
    static char text[4][128];
    static unsigned k;
    char *p = text[k++ % 4];

    snprintf(p, sizeof text[0], "%s/%s", dir, name);
    return p;
}

static char *
content(const char *name, size_t *n)
{
    static char text[4 << 20];
    int fd = open(path(name), O_RDONLY);

    assert_true(fd >= 0);
    ssize_t r = read(fd, text, sizeof text - 1);
    assert_true(r >= 0);
    text[r] = '\0';
    *n = (size_t)r;
    (void)close(fd);
    return text;
}

static size_t
size_of(const char *name)
{
    struct stat st;

    return stat(path(name), &st) == 0 ? (size_t)st.st_size : 0;
}

/* The jobs of the IO pool so far, and whether the ends of all have been told. */
static unsigned long long
jobs(bool *all_told)
{
    struct hs_pool_stat st;

    hs_pool_get_stat(hs_pool_io(), &st);
    *all_told = st.queued == 0 && st.active == 0 && st.telling == 0;
    return st.queued + st.active + st.done;
}

/* Turns the loop until no job is under way: what it is told of may begin another. */
static void
settle(void)
{
    unsigned long long before;
    bool all_told;

    do {
        (void)sched_yield();
        before = jobs(&all_told);
        assert_int_equal(hs_loop_turn(loop, false), 0);
    } while (!all_told || jobs(&all_told) != before);
}

static void
advance(int64_t ns)
{
    hs_loop_advance(loop, ns);
    settle();
}

static struct hs_access_log *
open_log(const char *name, int fd)
{
    struct hs_access_log_options o = { .format = HS_ACCESS_COMBINED, .worker = 3 };
    struct hs_access_log *log;

    assert_int_equal(hs_log_target_parse(name, &o.target), 0);
    if (fd < 0) {
        assert_int_equal(hs_log_target_open(&o.target, &fd), 0);
    }
    assert_int_equal(hs_access_log_new(loop, &o, fd, &log), 0);
    opened = log;
    return log;
}

static unsigned number;

/* A line with a number of its own. */
static void
add(struct hs_access_log *log)
{
    char target[32];
    int n = snprintf(target, sizeof target, "GET /%u HTTP/1.1\r\n", number++);
    struct hs_request req = { .base = target, .size = (uint32_t)n, .method = { 0, 3 }, .target = { 4, (uint32_t)n - 15 }, .version_major = 1,
                              .version_minor = 1 };
    struct hs_request_end e = { .req = &req, .status = 200, .bytes = 5, .ended = hs_loop_clock(loop) };

    hs_access_log_add(log, &e, HS_VIEW("192.0.2.1"));
}

/* Reads lines that must have the numbers from first on. Returns how many there are. */
static unsigned
expect_lines(const char *text, size_t n, unsigned first)
{
    static struct combined got;
    const char *end = text + n;
    unsigned count = 0;

    for (const char *nl; text < end; text = nl + 1) {
        char request[64];
        nl = memchr(text, '\n', (size_t)(end - text));
        assert_non_null(nl);
        assert_true(read_combined(text, (size_t)(nl - text) + 1, &got));
        snprintf(request, sizeof request, "GET /%u HTTP/1.1", first + count++);
        assert_string_equal(got.request, request);
    }
    return count;
}

static void
close_log(struct hs_access_log *log)
{
    hs_pools_stop();
    settle();
    opened = NULL;
    hs_access_log_free(log);
}

static void
written_a_second_after_the_first_line(void **state)
{
    struct hs_access_log *log = open_log(path("log"), -1);
    struct hs_access_log_stats st;
    size_t n;

    (void)state;
    add(log);
    advance(HS_SEC / 2);
    add(log);
    assert_int_equal(size_of("log"), 0);
    hs_access_log_get_stats(log, &st);
    assert_int_equal(st.lines, 2);
    assert_true(st.waiting > 100);
    advance(HS_SEC / 2);
    char *text = content("log", &n);
    assert_int_equal(expect_lines(text, n, 0), 2);
    assert_non_null(strstr(text, "[06/Nov/1994:08:49:"));
    hs_access_log_get_stats(log, &st);
    assert_int_equal(st.waiting, 0);
    assert_int_equal(st.lost, 0);
    advance(10 * HS_SEC); /* nothing is due */
    add(log);
    hs_access_log_flush(log);
    settle();
    text = content("log", &n);
    assert_int_equal(expect_lines(text, n, 0), 3);
    add(log);
    close_log(log); /* the rest goes at the end */
    text = content("log", &n);
    assert_int_equal(expect_lines(text, n, 0), 4);
}

static void
written_when_a_buffer_is_full(void **state)
{
    struct hs_access_log *log = open_log(path("log"), -1);
    size_t n;

    (void)state;
    for (int i = 0; i < 5000; i++) {
        add(log);
        if (i % 500 == 0) {
            settle();
        }
    }
    settle();
    assert_true(size_of("log") > 200000); /* though no time has passed */
    close_log(log);
    char *text = content("log", &n);
    assert_int_equal(expect_lines(text, n, 0), 5000);
}

static void
another_file_takes_over_without_a_lost_line(void **state)
{
    struct hs_access_log *log = open_log(path("log"), -1);
    size_t n;

    (void)state;
    for (int i = 0; i < 10; i++) {
        add(log);
    }
    advance(HS_SEC);
    for (int round = 0; round < 5; round++) {
        char name[16];
        snprintf(name, sizeof name, "old.%d", round);
        assert_int_equal(rename(path("log"), path(name)), 0);
        for (int i = 0; i < 10; i++) {
            add(log);
        }
        assert_int_equal(hs_access_log_reopen(log), 0);
        if (round % 2 == 0) {
            assert_int_equal(hs_access_log_reopen(log), 0); /* again, before it was looked at */
        }
        add(log);
        settle();
    }
    close_log(log);
    unsigned first = 0;
    for (int round = 0; round < 5; round++) {
        char name[16];
        snprintf(name, sizeof name, "old.%d", round);
        char *old = content(name, &n);
        first += expect_lines(old, n, first);
    }
    char *text = content("log", &n);
    first += expect_lines(text, n, first);
    assert_int_equal(first, 65);
}

static void
a_name_that_cannot_be_opened_leaves_the_former(void **state)
{
    struct hs_access_log *log = open_log(path("log"), -1);
    size_t n;

    (void)state;
    assert_int_equal(rename(path("log"), path("old.0")), 0);
    assert_int_equal(mkdir(path("log"), 0700), 0);
    assert_int_equal(hs_access_log_reopen(log), EISDIR);
    add(log);
    close_log(log);
    char *text = content("old.0", &n);
    assert_int_equal(expect_lines(text, n, 0), 1);
}

static void
threat_23_a_full_disk_is_counted_and_told_now_and_then(void **state)
{
    struct hs_access_log *log = open_log("/dev/full", -1);
    struct hs_access_log_stats st;
    size_t n;

    (void)state;
    ntold = 0;
    for (int i = 0; i < 100; i++) {
        add(log);
    }
    advance(HS_SEC);
    assert_int_equal(ntold, 1);
    assert_non_null(strstr(told, "/dev/full: No space left on device"));
    advance(30 * HS_SEC);
    assert_int_equal(ntold, 1);
    hs_access_log_get_stats(log, &st);
    assert_int_equal(st.lost, 0); /* kept: there may be room soon */
    assert_true(st.errors >= 2);
    for (int i = 0; i < 40000; i++) {
        add(log);
    }
    hs_access_log_get_stats(log, &st);
    assert_true(st.lost > 10000 && st.waiting <= 1 << 20);
    assert_int_equal(st.lines + st.lost, 40100);
    for (int i = 0; i < 45; i++) {
        advance(HS_SEC);
    }
    assert_int_equal(ntold, 2); /* once a minute */
    unsigned long long lost = st.lost;
    char text[64];
    snprintf(text, sizeof text, "lines lost so far: %llu", lost);
    assert_non_null(strstr(told, text));
    number = 1000000;
    int fd = open(path("log"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    hs_access_log_switch(log, fd); /* there is room now */
    settle();
    add(log);
    advance(HS_SEC);
    hs_access_log_get_stats(log, &st);
    assert_int_equal(st.lost, lost);
    assert_int_equal(st.waiting, 0);
    char *all = content("log", &n);
    assert_non_null(strstr(all, "GET /0 HTTP"));
    assert_non_null(strstr(all, "GET /1000000 HTTP"));
    for (int i = 0; i < 70; i++) {
        add(log);
        advance(HS_SEC);
    }
    assert_int_equal(ntold, 3);
    assert_non_null(strstr(told, "is written to; lines lost so far"));
    close_log(log);
}

static void
what_a_full_disk_has_kept_is_told_at_the_end(void **state)
{
    struct hs_access_log *log = open_log("/dev/full", -1);

    (void)state;
    for (int i = 0; i < 7; i++) {
        add(log);
    }
    ntold = 0;
    close_log(log);
    assert_int_equal(ntold, 1);
    assert_non_null(strstr(told, "the last 7 lines could not be written: No space left on device"));
}

static void
a_slow_reader_of_a_pipe(void **state)
{
    struct hs_access_log_stats st;
    static char got[1 << 20];
    int ends[2];
    size_t n = 0;

    (void)state;
    ntold = 0;
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    struct hs_access_log *log = open_log("stdout", ends[1]);
    for (int i = 0; i < 4000; i++) {
        add(log);
    }
    advance(HS_SEC);
    hs_access_log_get_stats(log, &st);
    assert_true(st.waiting > 0);
    assert_int_equal(st.lost, 0);
    assert_int_equal(ntold, 0); /* that is not trouble */
    for (int i = 0; i < 100 && st.waiting > 0; i++) {
        for (ssize_t r; (r = read(ends[0], got + n, sizeof got - n)) > 0;) {
            n += (size_t)r;
        }
        advance(HS_SEC / 10);
        hs_access_log_get_stats(log, &st);
    }
    assert_int_equal(st.waiting, 0);
    for (ssize_t r; (r = read(ends[0], got + n, sizeof got - n)) > 0;) {
        n += (size_t)r;
    }
    assert_int_equal(expect_lines(got, n, 0), 4000);
    (void)close(ends[0]);
    close_log(log);
}

static void
scenario(void *arg)
{
    struct hs_access_log_options o = { .format = HS_ACCESS_JSON };
    struct hs_access_log_stats st;
    struct hs_access_log *log;
    int fd;

    (void)arg;
    assert_int_equal(hs_log_target_parse(path("log"), &o.target), 0);
    assert_int_equal(hs_log_target_open(&o.target, &fd), 0);
    int err = hs_access_log_new(loop, &o, fd, &log);
    if (err != 0) {
        assert_int_equal(err, ENOMEM);
        (void)close(fd);
        return;
    }
    opened = log;
    for (int i = 0; i < 1000; i++) {
        add(log);
    }
    hs_access_log_get_stats(log, &st);
    assert_int_equal(st.lines + st.lost, 1000);
    close_log(log);
    alloc_fail_off();
    size_t n, lines = 0;
    char *text = content("log", &n);
    for (size_t i = 0; i < n; i++) {
        lines += text[i] == '\n';
    }
    assert_int_equal(lines, st.lines);
    assert_int_equal(unlink(path("log")), 0);
}

static void
each_failed_allocation_costs_lines_at_most(void **state)
{
    (void)state;
    assert_true(alloc_fail_each(scenario, NULL) > 3);
}

static struct hs_access_change *
change_to(const char *name, enum hs_access_format format)
{
    struct hs_access_log_options o = { .format = format, .worker = 3 };
    struct hs_access_change *c;
    int fd = -1;

    assert_int_equal(hs_log_target_parse(name, &o.target), 0);
    if (o.target.kind != HS_LOG_TO_NONE) {
        assert_int_equal(hs_log_target_open(&o.target, &fd), 0);
    }
    assert_int_equal(hs_access_change_new(&o, fd, &c), 0);
    return c;
}

/* Whether the lines of a file have the numbers from first on, n of them. */
static bool
has_lines(const char *name, unsigned first, unsigned n)
{
    char what[32];
    size_t size;
    const char *p = content(name, &size);

    for (unsigned i = 0; i < n; i++) {
        snprintf(what, sizeof what, "GET /%u HTTP", first + i);
        const char *nl = strchr(p, '\n');
        const char *hit = strstr(p, what);
        if (nl == NULL || hit == NULL || hit > nl) {
            return false;
        }
        p = nl + 1;
    }
    return *p == '\0';
}

static void
elsewhere_line_by_line(void **state)
{
    struct hs_access_log *log = open_log(path("log"), -1);

    (void)state;
    number = 0;
    hs_access_change_free(change_to(path("other"), HS_ACCESS_COMBINED)); /* is not to be */
    add(log);
    hs_access_log_apply(log, change_to(path("other"), HS_ACCESS_COMBINED));
    add(log);
    add(log);
    hs_access_log_apply(log, change_to(path("third"), HS_ACCESS_COMBINED)); /* while the first is on its way */
    add(log);
    assert_int_equal(rename(path("third"), path("rotated")), 0);
    assert_int_equal(hs_access_log_reopen(log), 0); /* of the last */
    advance(2 * HS_SEC);
    assert_true(has_lines("log", 0, 1));
    assert_true(has_lines("other", 1, 2));
    assert_true(has_lines("third", 3, 1));
    assert_int_equal(size_of("rotated"), 0);
    hs_access_log_apply(log, change_to("none", HS_ACCESS_COMBINED));
    add(log); /* goes nowhere */
    advance(2 * HS_SEC);
    hs_access_log_apply(log, change_to(path("log"), HS_ACCESS_COMBINED));
    add(log);
    close_log(log); /* on its way at the end */
    assert_true(has_lines("third", 3, 1));
    size_t n;
    assert_non_null(strstr(content("log", &n), "GET /5 HTTP"));
    static const char *const names[] = { "log", "other", "third", "rotated" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        (void)unlink(path(names[i]));
    }
}

static void
lines_that_a_full_disk_has_refused_go_elsewhere(void **state)
{
    struct hs_access_log *log;
    struct hs_access_log_stats st;
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

    (void)state;
    number = 0;
    hs_log_set_sink(sink, NULL);
    log = open_log(path("log"), full);
    add(log);
    add(log);
    advance(2 * HS_SEC);
    hs_access_log_get_stats(log, &st);
    assert_true(st.errors > 0);
    hs_access_log_apply(log, change_to(path("other"), HS_ACCESS_COMBINED));
    settle();
    assert_true(has_lines("other", 0, 2));
    add(log);
    close_log(log);
    hs_log_set_sink(NULL, NULL);
    assert_true(has_lines("other", 0, 3));
    (void)unlink(path("log"));
    (void)unlink(path("other"));
}

static int
set_up(void **state)
{
    (void)state;
    hs_log_set_sink(sink, NULL);
    setenv("TZ", "UTC", 1);
    number = ntold = 0;
    strcpy(dir, "/tmp/test_access_log.XXXXXX");
    return mkdtemp(dir) == NULL || hs_loop_new(&(struct hs_loop_options){ .test_clock = true }, &loop) != 0;
}

static int
tear_down(void **state)
{
    struct dirent *entry;

    (void)state;
    alloc_fail_off();
    if (opened != NULL) {
        close_log(opened);
    }
    hs_loop_free(loop);
    DIR *d = opendir(dir);
    while (d != NULL && (entry = readdir(d)) != NULL) {
        if (entry->d_name[0] != '.') {
            (void)remove(path(entry->d_name));
        }
    }
    return d == NULL || closedir(d) != 0 || rmdir(dir) != 0;
}

#define log_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        log_test(written_a_second_after_the_first_line),
        log_test(written_when_a_buffer_is_full),
        log_test(another_file_takes_over_without_a_lost_line),
        log_test(a_name_that_cannot_be_opened_leaves_the_former),
        log_test(threat_23_a_full_disk_is_counted_and_told_now_and_then),
        log_test(what_a_full_disk_has_kept_is_told_at_the_end),
        log_test(a_slow_reader_of_a_pipe),
        log_test(each_failed_allocation_costs_lines_at_most),
        log_test(elsewhere_line_by_line),
        log_test(lines_that_a_full_disk_has_refused_go_elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
