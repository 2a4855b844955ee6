/* test_log.c - base/log.h. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc_fail.h"

/* What the sink got: all lines, each with a newline. */
struct seen {
    char text[400000];
    size_t len;
    int lines;
    enum hs_log_level level;
};

static struct seen seen;

static void
collect(enum hs_log_level level, const char *line, void *arg)
{
    struct seen *s = arg;
    size_t n = strlen(line);
    assert_true(s->len + n + 2 < sizeof s->text);
    memcpy(s->text + s->len, line, n);
    s->len += n;
    s->text[s->len++] = '\n';
    s->text[s->len] = '\0';
    s->lines++;
    s->level = level;
}

static int
setup(void **state)
{
    (void)state;
    seen.len = 0;
    seen.lines = 0;
    seen.text[0] = '\0';
    hs_log_set_level(HS_LOG_INFO);
    hs_log_set_sink(collect, &seen);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    hs_log_set_sink(NULL, NULL);
    hs_log_set_level(HS_LOG_INFO);
    return 0;
}

static void
drops_what_is_below_the_level(void **state)
{
    (void)state;
    assert_int_equal(hs_log_get_level(), HS_LOG_INFO);
    hs_log(HS_LOG_DEBUG, "no");
    assert_int_equal(seen.lines, 0);
    hs_log(HS_LOG_INFO, "yes %d", 1);
    assert_string_equal(seen.text, "yes 1\n");
    hs_log_set_level(HS_LOG_ERROR);
    hs_log(HS_LOG_WARN, "no");
    hs_log(HS_LOG_ERROR, "yes");
    assert_string_equal(seen.text, "yes 1\nyes\n");
    assert_int_equal(seen.level, HS_LOG_ERROR);
    hs_log_set_level(HS_LOG_DEBUG);
    hs_log(HS_LOG_DEBUG, "now");
    assert_int_equal(seen.lines, 3);
}

static void
levels_have_names(void **state)
{
    (void)state;
    for (int i = HS_LOG_DEBUG; i <= HS_LOG_ERROR; i++) {
        enum hs_log_level back = HS_LOG_DEBUG;
        assert_int_equal(hs_log_level_parse(hs_log_level_name((enum hs_log_level)i), &back), 0);
        assert_int_equal(back, i);
    }
    enum hs_log_level level = HS_LOG_WARN;
    assert_int_equal(hs_log_level_parse("loud", &level), EINVAL);
    assert_int_equal(hs_log_level_parse("", &level), EINVAL);
    assert_int_equal(hs_log_level_parse(NULL, &level), EINVAL);
    assert_int_equal(level, HS_LOG_WARN);
    assert_string_equal(hs_log_level_name((enum hs_log_level)77), "?");
}

static void
threat_32_log_lines_hold_no_control_bytes(void **state)
{
    (void)state;
    char all[256];
    for (int c = 1; c < 256; c++) {
        all[c - 1] = (char)(c == '\n' ? ' ' : c);
    }
    all[255] = '\0';
    hs_log(HS_LOG_INFO, "%s", all);
    assert_int_equal(seen.lines, 1);
    for (size_t i = 0; i + 1 < seen.len; i++) {
        unsigned char c = (unsigned char)seen.text[i];
        assert_true(c >= 0x20 && c != 0x7f);
    }
    assert_non_null(strstr(seen.text, "\\x01\\x02"));
    assert_non_null(strstr(seen.text, "\\x0d"));
    assert_non_null(strstr(seen.text, "[\\x5c]"));
    assert_non_null(strstr(seen.text, "~\\x7f"));
}

static void
c1_controls_are_escaped_other_utf8_is_not(void **state)
{
    (void)state;
    hs_log(HS_LOG_INFO, "\xc2\x9b" "31m \xc3\xbc \xe2\x80\x93 \xc2\xa0 \xc2");
    assert_string_equal(seen.text, "\\xc2\\x9b31m \xc3\xbc \xe2\x80\x93 \xc2\xa0 \xc2\n");
}

static void
newlines_start_lines_with_a_tab(void **state)
{
    (void)state;
    hs_log(HS_LOG_ERROR, "boom\nstack traceback:\n\t[C]: in function\n\n   deeper\r\n\t\n");
    assert_string_equal(seen.text, "boom\n\tstack traceback:\n\t[C]: in function\n\tdeeper\n");
    setup(NULL);
    hs_log(HS_LOG_ERROR, "%s", "");
    assert_string_equal(seen.text, "\n");
    setup(NULL);
    hs_log(HS_LOG_ERROR, "\n");
    assert_string_equal(seen.text, "\n");
}

static void
long_messages_are_whole_up_to_the_limit(void **state)
{
    (void)state;
    static const size_t sizes[] = { 1022, 1023, 1024, 1025, 5000, HS_LOG_MAX - 1, HS_LOG_MAX };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        setup(NULL);
        hs_log(HS_LOG_INFO, "%*s", (int)sizes[i], "x");
        assert_int_equal(seen.len, sizes[i] + 1);
        assert_int_equal(seen.text[sizes[i] - 1], 'x');
    }
    setup(NULL);
    hs_log(HS_LOG_INFO, "%*s", HS_LOG_MAX + 1, "x");
    assert_int_equal(seen.len, HS_LOG_MAX + 1);
    setup(NULL);
    char *controls = malloc(HS_LOG_MAX + 1);
    memset(controls, 1, HS_LOG_MAX);
    controls[HS_LOG_MAX] = '\0';
    hs_log(HS_LOG_INFO, "%s", controls);
    assert_int_equal(seen.len, HS_LOG_MAX * 4 + 1);
    free(controls);
}

static void
without_memory_a_long_message_is_cut(void **state)
{
    (void)state;
    alloc_fail_at(1);
    hs_log(HS_LOG_INFO, "%*s", 5000, "x");
    alloc_fail_off();
    assert_true(alloc_fail_hit());
    assert_int_equal(seen.lines, 1);
    assert_int_equal(seen.len, 1024);
    alloc_fail_at(1);
    hs_log(HS_LOG_INFO, "short");
    alloc_fail_off();
    assert_false(alloc_fail_hit());
    assert_string_equal(seen.text + 1024, "short\n");
}

static void
errno_is_kept_and_can_be_printed(void **state)
{
    (void)state;
    errno = ENOENT;
    hs_log(HS_LOG_INFO, "%m and %5000s", "");
    assert_int_equal(errno, ENOENT);
    assert_memory_equal(seen.text, "No such file or directory and ", 30);
    setup(NULL);
    wchar_t bad[] = { 0x7fffffff, 0 };
    errno = EBUSY;
    hs_log(HS_LOG_INFO, "abc %ls", bad);
    assert_int_equal(errno, EBUSY);
    assert_int_equal(seen.lines, 1);
}

static void
escape_cuts_before_what_does_not_fit(void **state)
{
    (void)state;
    char out[16];
    assert_int_equal(hs_log_escape(out, 1, HS_VIEW("abc")), 0);
    assert_string_equal(out, "");
    assert_int_equal(hs_log_escape(out, 5, HS_VIEW("abcdef")), 4);
    assert_string_equal(out, "abcd");
    assert_int_equal(hs_log_escape(out, 5, HS_VIEW("a\n")), 1);
    assert_string_equal(out, "a");
    assert_int_equal(hs_log_escape(out, 6, HS_VIEW("a\n")), 5);
    assert_string_equal(out, "a\\x0a");
    assert_int_equal(hs_log_escape(out, sizeof out, HS_VIEW("a\0b")), 6);
    assert_string_equal(out, "a\\x00b");
    assert_int_equal(hs_log_escape(out, sizeof out, (struct hs_view){ NULL, 0 }), 0);
}

/* Sends stderr elsewhere between redirect and restore. */
struct redirected {
    int saved;
};

static void
redirect(struct redirected *r, int to)
{
    fflush(stderr);
    r->saved = dup(STDERR_FILENO);
    assert_true(r->saved >= 0);
    assert_int_equal(dup2(to, STDERR_FILENO), STDERR_FILENO);
}

static void
restore(struct redirected *r)
{
    assert_int_equal(dup2(r->saved, STDERR_FILENO), STDERR_FILENO);
    close(r->saved);
}

static void
the_default_sink_writes_dated_lines(void **state)
{
    (void)state;
    int fds[2];
    struct redirected r;
    char got[200] = "";
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    hs_log_set_sink(NULL, NULL);
    redirect(&r, fds[1]);
    hs_log(HS_LOG_WARN, "hello\nthere");
    restore(&r);
    close(fds[1]);
    assert_true(read(fds[0], got, sizeof got - 1) > 0);
    close(fds[0]);
    regex_t re;
    assert_int_equal(regcomp(&re,
                             "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z warn hello\n"
                             "[0-9T:.-]+Z warn \tthere\n$",
                             REG_EXTENDED | REG_NOSUB),
                     0);
    int found = regexec(&re, got, 0, NULL, 0);
    regfree(&re);
    assert_int_equal(found, 0);
}

static void
threat_23_lines_that_cannot_be_written_are_counted(void **state)
{
    (void)state;
    struct redirected r;
    unsigned long long before = hs_log_lost();
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(full >= 0);
    hs_log_set_sink(NULL, NULL);
    redirect(&r, full);
    errno = EBUSY;
    hs_log(HS_LOG_ERROR, "one\ntwo");
    assert_int_equal(errno, EBUSY);
    close(STDERR_FILENO);
    hs_log(HS_LOG_ERROR, "three");
    restore(&r);
    close(full);
    assert_int_equal(hs_log_lost() - before, 3);
}

static void
a_short_write_is_carried_on(void **state)
{
    (void)state;
    int fds[2];
    struct redirected r;
    static char got[200000];
    size_t len = 0;
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    unsigned long long before = hs_log_lost();
    hs_log_set_sink(NULL, NULL);
    redirect(&r, fds[1]);
    hs_log(HS_LOG_INFO, "%*s", 60000, "x");
    hs_log(HS_LOG_INFO, "%*s", 60000, "y"); /* a pipe holds 64 KiB: a part of it goes in, the rest cannot */
    restore(&r);
    close(fds[1]);
    for (ssize_t n; (n = read(fds[0], got + len, sizeof got - len)) > 0;) {
        len += (size_t)n;
    }
    close(fds[0]);
    assert_int_equal(hs_log_lost() - before, 1);
    assert_in_range(len, 60000, 65536);
    assert_null(memchr(got, 'y', len));
}

static void *
log_much(void *arg)
{
    for (int i = 0; i < 10000; i++) {
        hs_log(HS_LOG_INFO, "line %s", (const char *)arg);
    }
    return NULL;
}

static atomic_ulong counted;

/* arg is freed as soon as the sink is replaced: a call that came later would be seen. */
static void
count(enum hs_log_level level, const char *line, void *arg)
{
    (void)level;
    (void)line;
    sched_yield(); /* a chance for the other side to come in between */
    counted += *(int *)arg == 1;
}

static int *
new_one(void)
{
    int *one = malloc(sizeof *one);
    assert_non_null(one);
    *one = 1;
    return one;
}

static void
the_sink_can_be_replaced_while_threads_log(void **state)
{
    (void)state;
    pthread_t threads[2];
    int *now = new_one();
    hs_log_set_sink(count, now);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, log_much, "from a thread"), 0);
    }
    for (int i = 0; i < 10000; i++) {
        int *next = new_one();
        hs_log_set_sink(count, next);
        *now = 0;
        free(now);
        now = next;
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    hs_log_set_sink(NULL, NULL);
    free(now);
    assert_int_equal(counted, 20000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(drops_what_is_below_the_level, setup, teardown),
        cmocka_unit_test(levels_have_names),
        cmocka_unit_test_setup_teardown(threat_32_log_lines_hold_no_control_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(c1_controls_are_escaped_other_utf8_is_not, setup, teardown),
        cmocka_unit_test_setup_teardown(newlines_start_lines_with_a_tab, setup, teardown),
        cmocka_unit_test_setup_teardown(long_messages_are_whole_up_to_the_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(without_memory_a_long_message_is_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(errno_is_kept_and_can_be_printed, setup, teardown),
        cmocka_unit_test(escape_cuts_before_what_does_not_fit),
        cmocka_unit_test_setup_teardown(the_default_sink_writes_dated_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(threat_23_lines_that_cannot_be_written_are_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(a_short_write_is_carried_on, setup, teardown),
        cmocka_unit_test_setup_teardown(the_sink_can_be_replaced_while_threads_log, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
