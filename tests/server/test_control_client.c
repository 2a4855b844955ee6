/* test_control_client.c - server/control_client.h: where servers are found, and commands from the client's side. */
#include "server/control_client.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/control.h"

static char dir[] = "/tmp/test_ctl_XXXXXX";
static char path[HS_CONTROL_PATH_MAX];

/* A server that takes one connection, reads a request and answers with what it is given. */
struct fake {
    int fd;
    const char *bytes;
    size_t n;
    char request[256];
    size_t got;
    pthread_t thread;
};

static void *
serve(void *arg)
{
    struct fake *f = arg;
    int fd = accept(f->fd, NULL, NULL);
    ssize_t r = fd >= 0 ? recv(fd, f->request, sizeof f->request, 0) : -1;

    f->got = r > 0 ? (size_t)r : 0;
    if (fd >= 0) {
        for (size_t i = 0; i < f->n; i++) { /* one byte at a time */
            (void)!send(fd, f->bytes + i, 1, MSG_NOSIGNAL);
        }
        (void)close(fd);
    }
    return NULL;
}

static int
listen_at(const char *name)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };

    strcpy(a.sun_path, name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

/* One command against such a server. out and err_text get what was written. */
static int
command(const char *bytes, size_t n, int argc, char *const *argv, char *out, char *err_text, int *status, struct fake *seen)
{
    struct fake f = { .bytes = bytes, .n = n };

    f.fd = listen_at(path);
    assert_int_equal(pthread_create(&f.thread, NULL, serve, &f), 0);
    FILE *o = fmemopen(out, 1000, "w"), *e = fmemopen(err_text, 1000, "w");
    assert_non_null(o);
    assert_non_null(e);
    *status = -1;
    int err = hs_control_command(path, argc, argv, o, e, status);
    assert_int_equal(fclose(o), 0);
    assert_int_equal(fclose(e), 0);
    assert_int_equal(pthread_join(f.thread, NULL), 0);
    (void)close(f.fd);
    assert_int_equal(unlink(path), 0);
    if (seen != NULL) {
        *seen = f;
    }
    return err;
}

static char out[1000], err_text[1000];
static char *const words[] = { "say", "a b", "", NULL };

static void
sends_words_and_copies_what_comes(void **state)
{
    (void)state;
    static const char bytes[] = "O\0\0\0\5hello" "E\0\0\0\3bad" "O\0\0\0\0" "O\0\0\0\1!" "X\0\0\0\1\7";
    struct fake seen;
    int status;
    memset(out, 0, sizeof out);
    memset(err_text, 0, sizeof err_text);
    assert_int_equal(command(bytes, sizeof bytes - 1, 3, words, out, err_text, &status, &seen), 0);
    assert_int_equal(status, 7);
    assert_string_equal(out, "hello!");
    assert_string_equal(err_text, "bad");
    assert_int_equal(seen.got, 17);
    assert_memory_equal(seen.request, "HSC1\0\0\0\x09say\0a b\0", 17);
}

static void
what_a_server_may_do_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        int err;
    } bad[] = {
        { "", 0, ECONNRESET },
        { "O\0\0", 3, ECONNRESET },
        { "O\0\0\0\5hel", 8, ECONNRESET },
        { "X\0\0\0\1", 5, ECONNRESET },
        { "X\0\0\0\2\0\0", 7, EPROTO },
        { "HTTP/1.1 400 Bad Request", 24, EPROTO },
        { "O\xff\xff\xff\xff", 5, EPROTO },
        { "Z\0\0\0\0", 5, EPROTO },
    };
    int status;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const int err = command(bad[i].bytes, bad[i].n, 3, words, out, err_text, &status, NULL);
        assert_int_equal(err, bad[i].err);
        assert_int_equal(status, -1);
    }
}

static void
what_cannot_be_sent(void **state)
{
    (void)state;
    int status;
    static char *many[HS_CONTROL_WORDS_MAX + 2];
    static char large[HS_CONTROL_REQUEST_MAX + 1];
    char *one[] = { large, NULL };
    char name[200];
    assert_int_equal(hs_control_command(path, 0, words, stdout, stderr, &status), EINVAL);
    for (int i = 0; i <= HS_CONTROL_WORDS_MAX; i++) {
        many[i] = "x";
    }
    assert_int_equal(hs_control_command(path, HS_CONTROL_WORDS_MAX + 1, many, stdout, stderr, &status), E2BIG);
    memset(large, 'x', sizeof large - 1);
    assert_int_equal(hs_control_command(path, 1, one, stdout, stderr, &status), E2BIG);
    assert_int_equal(hs_control_command(path, 1, words, stdout, stderr, &status), ENOENT);
    assert_int_equal(hs_control_command("", 1, words, stdout, stderr, &status), EINVAL);
    (void)snprintf(name, sizeof name, "%s/%0150d", dir, 1);
    assert_int_equal(hs_control_command(name, 1, words, stdout, stderr, &status), EINVAL);
    int fd = listen_at(path);
    (void)close(fd); /* dead */
    assert_int_equal(hs_control_command(path, 1, words, stdout, stderr, &status), ECONNREFUSED);
    assert_int_equal(unlink(path), 0);
}

static void
output_that_cannot_be_written(void **state)
{
    (void)state;
    static const char bytes[] = "O\0\0\0\5hello" "X\0\0\0\1\0";
    int status = -1;
    struct fake f = { .bytes = bytes, .n = sizeof bytes - 1 };
    f.fd = listen_at(path);
    assert_int_equal(pthread_create(&f.thread, NULL, serve, &f), 0);
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    assert_int_equal(hs_control_command(path, 3, words, full, full, &status), EIO);
    (void)fclose(full);
    assert_int_equal(pthread_join(f.thread, NULL), 0);
    (void)close(f.fd);
    assert_int_equal(unlink(path), 0);
}

static unsigned told;

static void
tell(void *arg, const char *name)
{
    assert_ptr_equal(arg, dir);
    assert_int_equal(access(name, F_OK), 0);
    told++;
}

static void
servers_are_found_where_they_listen(void **state)
{
    (void)state;
    char own[HS_CONTROL_PATH_MAX], found[HS_CONTROL_PATH_MAX], name[HS_CONTROL_PATH_MAX], expected[HS_CONTROL_PATH_MAX];
    struct stat st;
    assert_int_equal(setenv("XDG_RUNTIME_DIR", dir, 1), 0);
    assert_int_equal(hs_control_find(found, NULL, NULL), ENOENT); /* not even the directory */
    assert_int_equal(hs_control_default_path(own), 0);
    (void)snprintf(expected, sizeof expected, "%s/httpsrv/%ld.sock", dir, (long)getpid());
    assert_string_equal(own, expected);
    (void)snprintf(name, sizeof name, "%s/httpsrv", dir);
    assert_int_equal(lstat(name, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(hs_control_default_path(own), 0); /* it is there already */
    assert_int_equal(hs_control_find(found, NULL, NULL), ENOENT);

    int fd = listen_at(own);
    assert_int_equal(hs_control_find(found, tell, dir), 0);
    assert_string_equal(found, own);
    assert_int_equal(told, 1);
    (void)snprintf(name, sizeof name, "%s/httpsrv/1.sock", dir);
    int second = listen_at(name);
    told = 0;
    assert_int_equal(hs_control_find(found, tell, dir), EEXIST);
    assert_int_equal(told, 2);
    (void)close(second); /* left behind */
    assert_int_equal(hs_control_find(found, NULL, NULL), 0);
    assert_string_equal(found, own);
    assert_int_equal(access(name, F_OK), 0); /* looking changes nothing */
    assert_int_equal(hs_control_default_path(found), 0);
    assert_int_equal(access(name, F_OK), -1); /* a server that starts clears away */
    assert_int_equal(access(own, F_OK), 0);   /* but not what lives, */
    char plain[HS_CONTROL_PATH_MAX];
    (void)snprintf(plain, sizeof plain, "%s/httpsrv/x.sock", dir);
    int file = open(plain, O_CREAT | O_WRONLY, 0600);
    assert_true(file >= 0);
    (void)close(file);
    (void)close(fd);
    assert_int_equal(hs_control_default_path(found), 0);
    assert_int_equal(access(own, F_OK), -1);
    assert_int_equal(unlink(plain), 0); /* nor what is no socket */

    /* Others can look into it, or it is something else. */
    (void)snprintf(name, sizeof name, "%s/httpsrv", dir);
    assert_int_equal(chmod(name, 0755), 0);
    assert_int_equal(hs_control_default_path(own), EPERM);
    assert_int_equal(hs_control_find(found, NULL, NULL), EPERM);
    assert_int_equal(rmdir(name), 0);
    assert_int_equal(symlink("/tmp", name), 0);
    assert_int_equal(hs_control_default_path(own), EPERM);
    assert_int_equal(unlink(name), 0);
}

static void
the_place_is_the_users(void **state)
{
    (void)state;
    char name[HS_CONTROL_PATH_MAX], expected[HS_CONTROL_PATH_MAX], large[300];
    (void)snprintf(expected, sizeof expected, "/tmp/httpsrv-%lu", (unsigned long)geteuid());
    assert_int_equal(unsetenv("XDG_RUNTIME_DIR"), 0);
    assert_int_equal(hs_control_dir(name), 0);
    assert_string_equal(name, expected);
    assert_int_equal(setenv("XDG_RUNTIME_DIR", "relative", 1), 0);
    assert_int_equal(hs_control_dir(name), 0);
    assert_string_equal(name, expected);
    (void)snprintf(large, sizeof large, "/%0200d", 1);
    assert_int_equal(setenv("XDG_RUNTIME_DIR", large, 1), 0);
    assert_int_equal(hs_control_dir(name), EINVAL);
    assert_int_equal(hs_control_default_path(name), EINVAL);
    assert_int_equal(unsetenv("XDG_RUNTIME_DIR"), 0);
}

static int
group_setup(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL) {
        return -1;
    }
    (void)snprintf(path, sizeof path, "%s/s", dir);
    return 0;
}

static int
group_teardown(void **state)
{
    (void)state;
    return rmdir(dir);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sends_words_and_copies_what_comes),
        cmocka_unit_test(what_a_server_may_do_wrong),
        cmocka_unit_test(what_cannot_be_sent),
        cmocka_unit_test(output_that_cannot_be_written),
        cmocka_unit_test(servers_are_found_where_they_listen),
        cmocka_unit_test(the_place_is_the_users),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
