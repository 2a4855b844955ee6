/* test_log_target.c - server/log_target.h: where a log goes, and whole lines on their way there. */
#include "server/log_target.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include <cmocka.h>

static void
kinds(void **state)
{
    static const struct {
        const char *text;
        enum hs_log_kind kind;
        int facility;
    } good[] = {
        { "none", HS_LOG_TO_NONE, LOG_DAEMON },
        { "-", HS_LOG_TO_STDOUT, LOG_DAEMON },
        { "stdout", HS_LOG_TO_STDOUT, LOG_DAEMON },
        { "stderr", HS_LOG_TO_STDERR, LOG_DAEMON },
        { "syslog", HS_LOG_TO_SYSLOG, LOG_DAEMON },
        { "syslog:local7", HS_LOG_TO_SYSLOG, LOG_LOCAL7 },
        { "syslog:authpriv", HS_LOG_TO_SYSLOG, LOG_AUTHPRIV },
        { "access.log", HS_LOG_TO_FILE, LOG_DAEMON },
        { "./none", HS_LOG_TO_FILE, LOG_DAEMON },
        { "syslogd", HS_LOG_TO_FILE, LOG_DAEMON },
    };
    struct hs_log_target t;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(hs_log_target_parse(good[i].text, &t), 0);
        assert_int_equal(t.kind, good[i].kind);
        assert_int_equal(t.facility, good[i].facility);
        assert_true(t.kind == HS_LOG_TO_FILE ? strcmp(t.path, good[i].text) == 0 : t.path == NULL);
    }
    assert_int_equal(hs_log_target_parse("", &t), EINVAL);
    assert_int_equal(hs_log_target_parse("syslog:", &t), EINVAL);
    assert_int_equal(hs_log_target_parse("syslog:local8", &t), EINVAL);
    assert_int_equal(hs_log_target_parse("syslog:Local7", &t), EINVAL);
}

static char dir[] = "/tmp/test_log_target.XXXXXX";

static const char *
path(const char *name)
{
    static char text[128];

    snprintf(text, sizeof text, "%s/%s", dir, name);
    return text;
}

static const char *
content(const char *name)
{
    static char text[65536];
    int fd = open(path(name), O_RDONLY);

    assert_true(fd >= 0);
    ssize_t n = read(fd, text, sizeof text - 1);
    assert_true(n >= 0);
    text[n] = '\0';
    (void)close(fd);
    return text;
}

static void
open_output(struct hs_log_output *o, const char *name)
{
    struct hs_log_target t;
    int fd;

    assert_int_equal(hs_log_target_parse(name, &t), 0);
    assert_int_equal(hs_log_target_open(&t, &fd), 0);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    hs_log_output_init(o, &t, fd, NULL);
}

static int
put(struct hs_log_output *o, const char *text)
{
    size_t at = 0;

    int err = hs_log_output_write(o, hs_view_of(text), &at, LOG_INFO);
    assert_true(at <= strlen(text));
    return err;
}

static void
a_file_is_appended_to_by_all(void **state)
{
    struct hs_log_output a, b;
    struct stat st;
    char name[128];

    (void)state;
    (void)umask(0);
    snprintf(name, sizeof name, "%s", path("shared"));
    open_output(&a, name);
    open_output(&b, name);
    assert_int_equal(put(&a, "one\n"), 0);
    assert_int_equal(put(&b, "two\nthree\n"), 0);
    assert_int_equal(put(&a, "four\n"), 0);
    assert_string_equal(content("shared"), "one\ntwo\nthree\nfour\n");
    assert_int_equal(stat(name, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640); /* others have no business with what users ask for */
    hs_log_output_replace(&a, open(path("other"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    assert_int_equal(put(&a, "five\n"), 0);
    assert_string_equal(content("other"), "five\n");
    assert_string_equal(content("shared"), "one\ntwo\nthree\nfour\n");
    hs_log_output_fini(&a);
    hs_log_output_fini(&b);
}

static void
what_cannot_be_opened(void **state)
{
    struct hs_log_target t;
    int fd;

    (void)state;
    assert_int_equal(hs_log_target_parse(path("none/there"), &t), 0);
    assert_int_equal(hs_log_target_open(&t, &fd), ENOENT);
    assert_int_equal(hs_log_target_parse(dir, &t), 0);
    assert_int_equal(hs_log_target_open(&t, &fd), EISDIR);
    assert_int_equal(mkfifo(path("fifo"), 0600), 0);
    assert_int_equal(hs_log_target_parse(path("fifo"), &t), 0);
    assert_int_equal(hs_log_target_open(&t, &fd), ENXIO); /* it does not wait for a reader */
    t = (struct hs_log_target){ .kind = HS_LOG_TO_SYSLOG };
    assert_int_equal(hs_log_target_open(&t, &fd), EINVAL);
}

static void
threat_23_a_full_disk_is_an_error_and_no_more(void **state)
{
    struct hs_log_output o;

    (void)state;
    open_output(&o, "/dev/full");
    assert_int_equal(put(&o, "one\n"), ENOSPC);
    assert_int_equal(put(&o, "one\n"), ENOSPC);
    hs_log_output_fini(&o);
}

static void
nothing(int number)
{
    (void)number;
}

/* The size of a file is limited, so that a write ends within a line. */
static void
threat_23_a_line_that_was_cut_is_written_anew(void **state)
{
    static const char text[] = "first line\nsecond line\nthird line\n";
    struct sigaction sa = { .sa_handler = nothing };
    struct rlimit before, small;
    struct hs_log_output o;
    size_t at = 0;

    (void)state;
    open_output(&o, path("limited"));
    assert_int_equal(sigaction(SIGXFSZ, &sa, NULL), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    for (rlim_t limit = 1; limit < sizeof text - 1; limit++) {
        at = 0;
        assert_int_equal(ftruncate(o.fd, 0), 0);
        small = before;
        small.rlim_cur = limit;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        int err = hs_log_output_write(&o, hs_view_of(text), &at, LOG_INFO);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_int_equal(err, EFBIG);
        assert_true(at <= limit && (at == 0 || text[at - 1] == '\n'));
        assert_int_equal(write(o.fd, "other\n", 6), 6); /* somebody else's */
        assert_int_equal(hs_log_output_write(&o, hs_view_of(text), &at, LOG_INFO), 0);
        const char *got = content("limited");
        const char *second = strstr(got, "other\n");
        assert_non_null(second);
        if (text[limit - 1] == '\n') { /* nothing was cut */
            assert_string_equal(second, limit == 11 ? "other\nsecond line\nthird line\n" : "other\nthird line\n");
        } else { /* the rest of the torn line, and all that comes after it whole */
            static const char *const all[] = { "\nfirst line\n", "\nsecond line\n", "\nthird line\n" };
            for (size_t i = limit < 11 ? 0 : limit < 23 ? 1 : 2; i < 3; i++) {
                assert_non_null(strstr(second, all[i]));
            }
        }
    }
    hs_log_output_fini(&o);
}

static void
pipes_are_not_waited_for(void **state)
{
    static char text[400 * 1024];
    static char got[sizeof text + 1];
    struct hs_log_output o;
    struct hs_log_target t = { .kind = HS_LOG_TO_STDOUT };
    int ends[2], saved, fd;
    size_t at = 0, n = 0;
    unsigned again = 0;

    (void)state;
    for (size_t i = 0, line = 0; i < sizeof text - 1; i++, line++) {
        bool is_end = line > 90 + i % 13;
        text[i] = is_end || i == sizeof text - 2 ? '\n' : (char)('a' + i % 26);
        line = is_end ? 0 : line;
    }
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    saved = dup(STDOUT_FILENO);
    (void)fflush(stdout);
    assert_int_equal(dup2(ends[1], STDOUT_FILENO), STDOUT_FILENO);
    int err = hs_log_target_open(&t, &fd);
    assert_int_equal(dup2(saved, STDOUT_FILENO), STDOUT_FILENO);
    (void)close(saved);
    assert_int_equal(err, 0);
    assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(ends[1], F_GETFL) & O_NONBLOCK) == 0); /* that of others is as it was */
    hs_log_output_init(&o, &t, fd, NULL);
    assert_true(o.is_pipe);
    while ((err = hs_log_output_write(&o, (struct hs_view){ text, sizeof text - 1 }, &at, LOG_INFO)) == EAGAIN) {
        assert_true(at > 0 && text[at - 1] == '\n'); /* whole lines */
        ssize_t r = read(ends[0], got + n, 30000);
        assert_true(r > 0);
        n += (size_t)r;
        again++;
    }
    assert_int_equal(err, 0);
    assert_true(again > 3);
    (void)close(ends[1]);
    hs_log_output_fini(&o);
    for (ssize_t r; (r = read(ends[0], got + n, sizeof got - n)) > 0;) {
        n += (size_t)r;
    }
    assert_int_equal(n, sizeof text - 1);
    assert_memory_equal(got, text, n);
    (void)close(ends[0]);
}

static void
a_pipe_without_a_reader_is_an_error(void **state)
{
    struct hs_log_output o;
    struct hs_log_target t = { .kind = HS_LOG_TO_STDERR };
    int ends[2];

    (void)state;
    assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    hs_log_output_init(&o, &t, ends[1], NULL);
    (void)close(ends[0]);
    assert_int_equal(put(&o, "line\n"), EPIPE);
    hs_log_output_fini(&o);
}

static void
a_stream_socket_is_not_waited_for(void **state)
{
    static char line[4001];
    struct hs_log_output o;
    struct hs_log_target t = { .kind = HS_LOG_TO_STDERR };
    int ends[2], err = 0;
    unsigned n = 0;

    (void)state;
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 2] = '\n';
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    hs_log_output_init(&o, &t, ends[1], NULL);
    while (n < 100000 && (err = put(&o, line)) == 0) {
        n++;
    }
    assert_int_equal(err, EAGAIN);
    (void)close(ends[0]);
    assert_int_equal(put(&o, line), EPIPE); /* and no signal */
    hs_log_output_fini(&o);
}

/* --- syslog --- */

static int
syslogd(const char *name)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_true(fd >= 0);
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path(name));
    (void)unlink(a.sun_path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static const char *
datagram(int fd)
{
    static char text[65536];
    ssize_t n = recv(fd, text, sizeof text - 1, 0);

    if (n < 0) {
        return NULL;
    }
    text[n] = '\0';
    return text;
}

static void
syslog_gets_a_datagram_for_each_line(void **state)
{
    struct hs_log_target t = { .kind = HS_LOG_TO_SYSLOG, .facility = LOG_LOCAL3 };
    struct hs_log_output o;
    char name[128], end[64], month[4];
    int pri, day, hour, minute, second;
    long pid;

    (void)state;
    snprintf(name, sizeof name, "%s", path("log"));
    hs_log_output_init(&o, &t, -1, name);
    int n = put(&o, "nobody there\n");
    assert_true(n == ENOENT || n == ECONNREFUSED);
    int fd = syslogd("log");
    assert_int_equal(put(&o, "one line\nanother\n"), 0);
    const char *text = datagram(fd);
    assert_non_null(text);
    assert_int_equal(sscanf(text, "<%d>%3s %d %d:%d:%d httpsrv[%ld]: %31[^\n]", &pri, month, &day, &hour, &minute, &second, &pid, end), 8);
    assert_int_equal(pri, LOG_LOCAL3 | LOG_INFO);
    assert_int_equal(pid, getpid());
    assert_string_equal(end, "one line");
    assert_null(strchr(text, '\n'));
    text = datagram(fd);
    assert_non_null(text);
    assert_non_null(strstr(text, "]: another"));
    assert_null(datagram(fd));
    (void)close(fd); /* the daemon is started anew */
    fd = syslogd("log");
    assert_int_equal(put(&o, "again\n"), 0);
    text = datagram(fd);
    assert_non_null(text);
    assert_non_null(strstr(text, "]: again"));
    unsigned sent = 0;
    while (sent < 100000 && (n = put(&o, "x\n")) == 0) {
        sent++;
    }
    assert_int_equal(n, EAGAIN); /* it does not read: it is not waited for */
    assert_non_null(datagram(fd));
    assert_int_equal(put(&o, "x\n"), 0);
    (void)close(fd);
    n = put(&o, "nobody there\n");
    assert_int_equal(n, ECONNREFUSED);
    hs_log_output_fini(&o);
}

static int
set_up(void **state)
{
    (void)state;
    return mkdtemp(dir) == NULL;
}

static int
tear_down(void **state)
{
    static const char *const names[] = { "shared", "other", "fifo", "limited", "log" };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        (void)unlink(path(names[i]));
    }
    return rmdir(dir);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds),
        cmocka_unit_test(a_file_is_appended_to_by_all),
        cmocka_unit_test(what_cannot_be_opened),
        cmocka_unit_test(threat_23_a_full_disk_is_an_error_and_no_more),
        cmocka_unit_test(threat_23_a_line_that_was_cut_is_written_anew),
        cmocka_unit_test(pipes_are_not_waited_for),
        cmocka_unit_test(a_pipe_without_a_reader_is_an_error),
        cmocka_unit_test(a_stream_socket_is_not_waited_for),
        cmocka_unit_test(syslog_gets_a_datagram_for_each_line),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
