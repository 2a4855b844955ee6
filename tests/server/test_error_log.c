/* test_error_log.c - server/error_log.h: where messages go, and that none is lost when that changes. */
#include "server/error_log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"

static char dir[] = "/tmp/test_error_log.XXXXXX";

static const char *
path(const char *name)
{
    static char text[4][128];
    static unsigned k;
    char *p = text[k++ % 4];

    snprintf(p, sizeof text[0], "%s/%s", dir, name);
    return p;
}

/* How often a text stands in a file. */
static unsigned
count(const char *name, const char *what)
{
    static char text[16 << 20];
    int fd = open(path(name), O_RDONLY);
    unsigned n = 0;

    if (fd < 0) {
        return 0;
    }
    ssize_t r = read(fd, text, sizeof text - 1);
    (void)close(fd);
    text[r > 0 ? r : 0] = '\0';
    for (const char *p = text; (p = strstr(p, what)) != NULL; p++) {
        n++;
    }
    return n;
}

static void
a_file_and_its_successors(void **state)
{
    (void)state;
    assert_int_equal(hs_error_log_fd(), -1);
    assert_int_equal(hs_error_log_reopen(), 0); /* stderr: nothing to do */
    assert_int_equal(hs_error_log_open(path("log"), NULL), 0);
    int fd = hs_error_log_fd();
    assert_true(fd > STDERR_FILENO);
    hs_log(HS_LOG_ERROR, "first");
    assert_int_equal(rename(path("log"), path("old")), 0);
    hs_log(HS_LOG_ERROR, "second");
    assert_int_equal(hs_error_log_reopen(), 0);
    assert_int_equal(hs_error_log_fd(), fd);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    hs_log(HS_LOG_ERROR, "third");
    assert_int_equal(count("old", "first") + count("old", "second"), 2);
    assert_int_equal(count("log", " error third\n"), 1);
    int other = open(path("given"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    hs_error_log_switch(other);
    hs_log(HS_LOG_ERROR, "fourth");
    assert_int_equal(count("given", "fourth"), 1);
    assert_int_equal(fcntl(other, F_GETFD), -1); /* it was taken over */
    hs_error_log_close();
    assert_int_equal(hs_error_log_fd(), -1);
}

static void
what_cannot_be_opened_leaves_the_former(void **state)
{
    (void)state;
    assert_int_equal(hs_error_log_open(path("log"), NULL), 0);
    assert_int_equal(hs_error_log_open(path("none/log"), NULL), ENOENT);
    assert_int_equal(hs_error_log_open("syslog:none", NULL), EINVAL);
    hs_log(HS_LOG_ERROR, "still here");
    assert_int_equal(count("log", "still here"), 1);
    assert_int_equal(rename(path("log"), path("old")), 0);
    assert_int_equal(mkdir(path("log"), 0700), 0);
    assert_int_equal(hs_error_log_reopen(), EISDIR);
    hs_log(HS_LOG_ERROR, "and here");
    assert_int_equal(count("old", "and here"), 1);
    assert_int_equal(rmdir(path("log")), 0);
    assert_int_equal(hs_error_log_open("none", NULL), 0);
    hs_log(HS_LOG_ERROR, "nowhere");
    hs_error_log_close();
}

static atomic_bool over;

static void *
write_all(void *arg)
{
    unsigned *n = arg;

    while (!atomic_load(&over)) {
        hs_log(HS_LOG_ERROR, "one of many");
        (*n)++;
    }
    return NULL;
}

static void
threads_lose_nothing_while_it_is_opened_anew(void **state)
{
    pthread_t threads[3];
    unsigned written[3] = { 0 }, found = 0;

    (void)state;
    atomic_store(&over, false);
    assert_int_equal(hs_error_log_open(path("log"), NULL), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, write_all, &written[i]), 0);
    }
    for (int round = 0; round < 20; round++) {
        char name[16];
        snprintf(name, sizeof name, "log.%d", round);
        assert_int_equal(rename(path("log"), path(name)), 0);
        assert_int_equal(hs_error_log_reopen(), 0);
        for (int i = 0; i < 10; i++) {
            hs_log(HS_LOG_ERROR, "between");
        }
    }
    atomic_store(&over, true);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    for (int round = 0; round < 20; round++) {
        char name[16];
        snprintf(name, sizeof name, "log.%d", round);
        found += count(name, "one of many\n");
        (void)unlink(path(name));
    }
    found += count("log", "one of many\n");
    assert_int_equal(found, written[0] + written[1] + written[2]);
    assert_int_equal(hs_log_lost(), 0);
    hs_error_log_close();
}

static void
syslog_has_level_and_process(void **state)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    char text[8192];
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    (void)state;
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path("syslog"));
    assert_int_equal(bind(fd, (const struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(hs_error_log_open("syslog:local0", a.sun_path), 0);
    hs_log(HS_LOG_WARN, "a\nb");
    hs_log_set_name("worker 1");
    hs_log(HS_LOG_ERROR, "named");
    hs_log_set_name(NULL);
    static const char *const expected[][2] = { { "<132>", "]: a" }, { "<132>", "]: \tb" }, { "<131>", "]: worker 1: named" } };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        ssize_t n = recv(fd, text, sizeof text - 1, 0);
        assert_true(n > 0);
        text[n] = '\0';
        assert_int_equal(strncmp(text, expected[i][0], 5), 0);
        assert_non_null(strstr(text, expected[i][1]));
        assert_null(strchr(text, '\n'));
    }
    (void)close(fd);
    hs_log(HS_LOG_ERROR, "nobody there"); /* is lost, and no harm */
    hs_error_log_close();
}

static void
what_somebody_else_has_opened(void **state)
{
    (void)state;
    int fd = open(path("given"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_int_equal(hs_error_log_adopt(path("given"), fd), 0);
    assert_int_equal(hs_error_log_fd(), fd);
    hs_log(HS_LOG_ERROR, "adopted");
    assert_int_equal(count("given", "adopted"), 1);
    assert_int_equal(rename(path("given"), path("old")), 0);
    assert_int_equal(hs_error_log_reopen(), 0); /* by its name */
    hs_log(HS_LOG_ERROR, "again");
    assert_int_equal(count("given", "again"), 1);
    assert_int_equal(hs_error_log_adopt(path("log"), -1), EINVAL);
    fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    assert_int_equal(hs_error_log_adopt("syslog:none", fd), EINVAL);
    assert_int_equal(fcntl(fd, F_GETFD), -1); /* taken over all the same */
    hs_log(HS_LOG_ERROR, "still");
    assert_int_equal(count("given", "still"), 1);
    assert_int_equal(hs_error_log_adopt("none", -1), 0);
    hs_log(HS_LOG_ERROR, "nowhere");
    assert_int_equal(hs_error_log_fd(), -1);
    assert_int_equal(count("given", "nowhere"), 0);
    hs_error_log_close();
    assert_int_equal(hs_error_log_try(path("log")), 0);
    assert_int_equal(hs_error_log_try(path("none/log")), ENOENT);
    assert_int_equal(hs_error_log_try("syslog:none"), EINVAL);
    assert_int_equal(hs_error_log_try("syslog"), 0);
    assert_int_equal(hs_error_log_fd(), -1); /* nothing has changed */
    (void)unlink(path("given"));
    (void)unlink(path("old"));
}

static void
threads_lose_nothing_while_it_moves(void **state)
{
    pthread_t threads[3];
    unsigned written[3] = { 0 };

    (void)state;
    atomic_store(&over, false);
    (void)unlink(path("log"));
    assert_int_equal(hs_error_log_open(path("log"), NULL), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, write_all, &written[i]), 0);
    }
    for (int round = 0; round < 60; round++) {
        assert_int_equal(hs_error_log_open(path(round % 2 == 0 ? "given" : "log"), NULL), 0);
        for (int i = 0; i < 10; i++) {
            hs_log(HS_LOG_ERROR, "between");
        }
    }
    atomic_store(&over, true);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(count("log", "one of many\n") + count("given", "one of many\n"), written[0] + written[1] + written[2]);
    assert_int_equal(count("log", "between\n") + count("given", "between\n"), 600);
    hs_error_log_close();
    (void)unlink(path("given"));
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
    static const char *const names[] = { "log", "old", "given", "syslog" };

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
        cmocka_unit_test(a_file_and_its_successors),
        cmocka_unit_test(what_cannot_be_opened_leaves_the_former),
        cmocka_unit_test(threads_lose_nothing_while_it_is_opened_anew),
        cmocka_unit_test(syslog_has_level_and_process),
        cmocka_unit_test(what_somebody_else_has_opened),
        cmocka_unit_test(threads_lose_nothing_while_it_moves),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
