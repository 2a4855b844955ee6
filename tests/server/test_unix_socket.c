/* test_unix_socket.c - server/unix_socket.h: whose socket files are taken over, and whose are not. */
#include "server/unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/test_unix_XXXXXX";
static struct sockaddr_un address = { .sun_family = AF_UNIX };
#define PATH address.sun_path

static int
group_setup(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL) {
        return -1;
    }
    (void)snprintf(PATH, sizeof PATH, "%s/s", dir);
    return 0;
}

static int
group_teardown(void **state)
{
    (void)state;
    return rmdir(dir); /* every test has removed its files */
}

static int
new_socket(int type)
{
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    return fd;
}

static int
try_listen(int fd, struct hs_unix_file *file)
{
    return hs_unix_listen(fd, &address, sizeof address, 5, -1, file);
}

static bool
answers(void)
{
    int fd = new_socket(SOCK_STREAM);
    int result = connect(fd, (struct sockaddr *)&address, sizeof address);
    (void)close(fd);
    return result == 0;
}

static bool
exists(void)
{
    struct stat st;
    return lstat(PATH, &st) == 0;
}

static void
listens_and_removes_its_file(void **state)
{
    (void)state;
    struct hs_unix_file file;
    int fd = new_socket(SOCK_STREAM);
    assert_int_equal(try_listen(fd, &file), 0);
    assert_string_equal(file.path, PATH);
    assert_true(answers());
    (void)close(fd);
    assert_true(exists());
    hs_unix_remove(&file);
    assert_false(exists());
    hs_unix_remove(&file); /* harmless */
}

static void
a_live_socket_is_in_use(void **state)
{
    (void)state;
    struct hs_unix_file file, other;
    int fd = new_socket(SOCK_STREAM), second = new_socket(SOCK_STREAM);
    assert_int_equal(try_listen(fd, &file), 0);
    assert_int_equal(try_listen(second, &other), EADDRINUSE);
    assert_string_equal(other.path, "");
    hs_unix_remove(&other);
    assert_true(answers());
    (void)close(fd);
    (void)close(second);
    hs_unix_remove(&file);
}

static void
a_live_socket_with_a_full_backlog_is_in_use(void **state)
{
    (void)state;
    struct hs_unix_file file, other;
    int fd = new_socket(SOCK_STREAM), second = new_socket(SOCK_STREAM);
    int clients[16];
    assert_int_equal(hs_unix_listen(fd, &address, sizeof address, 0, -1, &file), 0);
    for (int i = 0; i < 16; i++) {
        clients[i] = new_socket(SOCK_STREAM | SOCK_NONBLOCK);
        (void)connect(clients[i], (struct sockaddr *)&address, sizeof address);
    }
    assert_int_equal(try_listen(second, &other), EADDRINUSE);
    for (int i = 0; i < 16; i++) {
        (void)close(clients[i]);
    }
    (void)close(fd);
    (void)close(second);
    hs_unix_remove(&file);
}

static void
a_dead_socket_is_replaced(void **state)
{
    (void)state;
    struct hs_unix_file file;
    int dead = new_socket(SOCK_STREAM);
    assert_int_equal(bind(dead, (struct sockaddr *)&address, sizeof address), 0);
    (void)close(dead);
    assert_true(exists());
    assert_false(answers());
    int fd = new_socket(SOCK_STREAM);
    assert_int_equal(try_listen(fd, &file), 0);
    assert_true(answers());
    (void)close(fd);
    hs_unix_remove(&file);
}

static void
what_is_no_socket_is_left_alone(void **state)
{
    (void)state;
    struct hs_unix_file file;
    int fd = new_socket(SOCK_STREAM);
    int plain = open(PATH, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(plain >= 0);
    assert_int_equal(write(plain, "keep", 4), 4);
    (void)close(plain);
    assert_int_equal(try_listen(fd, &file), EEXIST);
    struct stat st;
    assert_int_equal(stat(PATH, &st), 0);
    assert_int_equal(st.st_size, 4);
    assert_int_equal(unlink(PATH), 0);
    /* nor a symbolic link, wherever it leads */
    assert_int_equal(symlink("/nowhere", PATH), 0);
    assert_int_equal(try_listen(fd, &file), EEXIST);
    assert_true(exists());
    assert_int_equal(unlink(PATH), 0);
    /* nor a socket of another kind */
    int datagram = new_socket(SOCK_DGRAM);
    assert_int_equal(bind(datagram, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(try_listen(fd, &file), EADDRINUSE);
    assert_true(exists());
    (void)close(datagram);
    (void)close(fd);
    assert_int_equal(unlink(PATH), 0);
}

static void
only_its_own_file_is_removed(void **state)
{
    (void)state;
    struct hs_unix_file file, other;
    int fd = new_socket(SOCK_STREAM), second = new_socket(SOCK_STREAM);
    assert_int_equal(try_listen(fd, &file), 0);
    assert_int_equal(unlink(PATH), 0); /* by hand, and another server takes the name */
    assert_int_equal(try_listen(second, &other), 0);
    hs_unix_remove(&file);
    assert_true(answers());
    (void)close(fd);
    (void)close(second);
    hs_unix_remove(&other);
    assert_false(exists());
}

static void
abstract_names_have_no_file(void **state)
{
    (void)state;
    struct hs_unix_file file;
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int n = snprintf(a.sun_path + 1, sizeof a.sun_path - 1, "httpsrv-test-%d", (int)getpid());
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
    int fd = new_socket(SOCK_STREAM), second = new_socket(SOCK_STREAM);
    assert_int_equal(hs_unix_listen(fd, &a, len, 5, -1, &file), 0);
    assert_string_equal(file.path, "");
    assert_int_equal(hs_unix_listen(second, &a, len, 5, -1, &file), EADDRINUSE);
    (void)close(fd);
    (void)close(second);
}

static void
errors_of_the_path(void **state)
{
    (void)state;
    struct hs_unix_file file;
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    (void)snprintf(a.sun_path, sizeof a.sun_path, "%s/none/s", dir);
    int fd = new_socket(SOCK_STREAM);
    assert_int_equal(hs_unix_listen(fd, &a, sizeof a, 5, -1, &file), ENOENT);
    (void)close(fd);
    /* a path that fills the address has no NUL in it */
    memset(a.sun_path, 'x', sizeof a.sun_path);
    memcpy(a.sun_path, dir, strlen(dir));
    a.sun_path[strlen(dir)] = '/';
    fd = new_socket(SOCK_STREAM);
    assert_int_equal(hs_unix_listen(fd, &a, sizeof a, 5, -1, &file), 0);
    (void)close(fd);
    assert_int_equal(strlen(file.path), sizeof a.sun_path);
    hs_unix_remove(&file);
}

/* The last one: from then on it holds for the process. */
static void
a_successor_replaces_a_live_socket(void **state)
{
    (void)state;
    struct hs_unix_file first, second;
    struct stat st;
    int old = new_socket(SOCK_STREAM), next = new_socket(SOCK_STREAM);
    assert_int_equal(try_listen(old, &first), 0);
    assert_int_equal(try_listen(next, &second), EADDRINUSE);
    hs_unix_succeed();
    assert_int_equal(hs_unix_listen(next, &address, sizeof address, 5, 0640, &second), 0);
    assert_true(answers());
    assert_int_equal(stat(PATH, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    hs_unix_remove(&first); /* not its own any more */
    hs_unix_adopt(PATH, &first);
    assert_true(first.dev == second.dev && first.ino == second.ino);
    assert_string_equal(first.path, PATH);
    hs_unix_adopt("/no/such/socket", &first);
    assert_string_equal(first.path, "");
    hs_unix_adopt("/", &first);
    assert_string_equal(first.path, "");
    (void)close(old);
    assert_true(answers());
    hs_unix_remove(&second);
    assert_false(exists());
    (void)close(next);
    /* what is no socket is left alone all the same */
    int fd = open(PATH, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
    next = new_socket(SOCK_STREAM);
    assert_int_equal(try_listen(next, &second), EEXIST);
    (void)close(next);
    assert_int_equal(unlink(PATH), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listens_and_removes_its_file),
        cmocka_unit_test(a_live_socket_is_in_use),
        cmocka_unit_test(a_live_socket_with_a_full_backlog_is_in_use),
        cmocka_unit_test(a_dead_socket_is_replaced),
        cmocka_unit_test(what_is_no_socket_is_left_alone),
        cmocka_unit_test(only_its_own_file_is_removed),
        cmocka_unit_test(abstract_names_have_no_file),
        cmocka_unit_test(errors_of_the_path),
        cmocka_unit_test(a_successor_replaces_a_live_socket),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
