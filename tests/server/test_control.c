/* test_control.c - server/control.h: the protocol from the server's side, and what hostile peers get. */
#include "server/control.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "server/control_frame.h"

static char dir[] = "/tmp/test_control_XXXXXX";
static char path[64];
static struct hs_loop *loop;
static struct hs_control *control;

/* What commands do, and what they saw. */
static unsigned calls, gone;
static struct hs_control_call *held;
static size_t big;

static void
on_gone(void *arg)
{
    assert_ptr_equal(arg, held);
    gone++;
}

static void
run(void *arg, struct hs_control_call *call)
{
    char *const *argv = hs_control_argv(call);
    const int argc = hs_control_argc(call);

    assert_ptr_equal(arg, dir);
    assert_null(argv[argc]);
    calls++;
    if (strcmp(argv[0], "echo") == 0) {
        for (int i = 1; i < argc; i++) {
            hs_control_printf(call, HS_CONTROL_OUT, "%s|", argv[i]);
        }
        hs_control_write(call, HS_CONTROL_ERR, "e", 1);
        hs_control_write(call, HS_CONTROL_ERR, "e", 0); /* nothing */
        hs_control_end(call, argc);
    } else if (strcmp(argv[0], "big") == 0) {
        char *text = malloc(big);
        if (text != NULL) {
            memset(text, 'x', big);
            hs_control_write(call, HS_CONTROL_OUT, text, big);
            free(text);
        }
        hs_control_end(call, 7);
    } else {
        held = call;
        hs_control_on_gone(call, on_gone, call);
    }
}

static int
setup(void **state)
{
    (void)state;
    calls = gone = 0;
    held = NULL;
    control = NULL;
    assert_int_equal(hs_loop_new(&(struct hs_loop_options){ .test_clock = true }, &loop), 0);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    hs_control_free(control);
    control = NULL;
    hs_loop_free(loop);
    assert_int_equal(access(path, F_OK), -1);
    return 0;
}

static void
begin(void)
{
    assert_int_equal(hs_control_new(loop, path, run, dir, &control), 0);
}

static void
turn(void)
{
    for (int i = 0; i < 6; i++) {
        assert_int_equal(hs_loop_turn(loop, false), 0);
    }
}

static int
client(void)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };

    strcpy(a.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static void
send_bytes(int fd, const void *p, size_t n)
{
    assert_int_equal(send(fd, p, n, MSG_NOSIGNAL), (ssize_t)n);
}

/* A request of n bytes of words. */
static size_t
make(char *to, const char *words, size_t n)
{
    memcpy(to, HS_CONTROL_MAGIC, 4);
    hs_control_put32(to + 4, (uint32_t)n);
    memcpy(to + HS_CONTROL_HEAD, words, n);
    return HS_CONTROL_HEAD + n;
}

static int
ask(const char *words, size_t n)
{
    static char request[HS_CONTROL_HEAD + 2 * HS_CONTROL_REQUEST_MAX];
    int fd = client();
    send_bytes(fd, request, make(request, words, n));
    turn();
    return fd;
}
#define ASK(words) ask((words), sizeof(words))

/* Everything that has come, as "Otext" "Etext" "X\status" put together; ends with '.' when the connection has ended. */
static const char *
answer(int fd)
{
    static char text[4096], raw[4096];
    size_t n = 0, at = 0, out = 0;
    ssize_t r;

    while ((r = recv(fd, raw + n, sizeof raw - n, 0)) > 0) {
        n += (size_t)r;
    }
    while (at + HS_CONTROL_FRAME_HEAD <= n) {
        const uint32_t size = hs_control_get32(raw + at + 1);
        assert_true(at + HS_CONTROL_FRAME_HEAD + size <= n);
        text[out++] = raw[at];
        for (uint32_t i = 0; i < size; i++) {
            const char c = raw[at + HS_CONTROL_FRAME_HEAD + i];
            text[out++] = raw[at] == 'X' ? (char)('0' + c) : c;
        }
        at += HS_CONTROL_FRAME_HEAD + size;
    }
    assert_int_equal(at, n);
    text[out++] = r == 0 || errno == ECONNRESET ? '.' : ' ';
    text[out] = '\0';
    return text;
}

static void
carries_out_a_command(void **state)
{
    (void)state;
    begin();
    assert_string_equal(hs_control_path(control), path);
    int fd = ASK("echo\0a b\0\0c");
    assert_string_equal(answer(fd), "Oa b|O|Oc|EeX4.");
    assert_int_equal(calls, 1);
    assert_int_equal(hs_control_connections(control), 0);
    (void)close(fd);
}

static void
reads_at_every_split(void **state)
{
    (void)state;
    char request[64];
    const size_t n = make(request, "echo\0ab", 8);
    begin();
    for (size_t at = 1; at < n; at++) {
        int fd = client();
        send_bytes(fd, request, at);
        turn();
        assert_int_equal(hs_control_connections(control), 1);
        send_bytes(fd, request + at, n - at);
        turn();
        assert_string_equal(answer(fd), "Oab|EeX2.");
        (void)close(fd);
    }
    int fd = client();
    for (size_t i = 0; i < n; i++) {
        send_bytes(fd, request + i, 1);
        turn();
    }
    assert_string_equal(answer(fd), "Oab|EeX2.");
    (void)close(fd);
}

static void
is_for_its_owner_alone(void **state)
{
    (void)state;
    struct stat st;
    const mode_t mask = umask(0);
    begin();
    (void)umask(mask);
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 07777, 0600);
    hs_control_free(control);
    control = NULL;
    for (int bit = 0; bit < 2; bit++) {
        assert_int_equal(chmod(dir, 0700 | (bit == 0 ? 0020 : 0002)), 0);
        assert_int_equal(hs_control_new(loop, path, run, dir, &control), EPERM);
    }
    assert_int_equal(chmod(dir, 0755), 0);
    begin();
    assert_int_equal(chmod(dir, 0700), 0);
}

/* The kernel's word counts, whatever the modes of file and directory have become. */
static void
refuses_other_users(void **state)
{
    (void)state;
    begin();
    if (geteuid() != 0) {
        return; /* nobody else can be played */
    }
    assert_int_equal(chmod(dir, 0755), 0);
    assert_int_equal(chmod(path, 0666), 0);
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char request[64];
        const size_t n = make(request, "echo", 5);
        struct sockaddr_un a = { .sun_family = AF_UNIX };
        strcpy(a.sun_path, path);
        int fd = setuid(65534) == 0 ? socket(AF_UNIX, SOCK_STREAM, 0) : -1;
        if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) != 0 || send(fd, request, n, 0) != (ssize_t)n || write(ready[1], "r", 1) != 1) {
            _exit(2);
        }
        char c;
        ssize_t r = recv(fd, &c, 1, 0);
        _exit(r == 0 || (r < 0 && errno == ECONNRESET) ? 0 : 1);
    }
    char c;
    assert_int_equal(read(ready[0], &c, 1), 1);
    turn();
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(calls, 0);
    (void)close(ready[0]);
    (void)close(ready[1]);
    assert_int_equal(chmod(dir, 0700), 0);
}

static void
refuses_what_is_no_request(void **state)
{
    (void)state;
    static char many[HS_CONTROL_REQUEST_MAX + 1];
    static const struct {
        const char *bytes;
        size_t n;
    } bad[] = {
        { "GET / HTTP/1.1\r\n\r\n", 18 }, { "H", 1 },       { "HSC2", 4 },           { "hsc1\0\0\0\1", 8 },
        { "HSC1\0\0\0\0", 8 },            { "HSC1\xff\xff\xff\xff", 8 }, { "HSC1\0\1\0\1", 8 }, { "HSC1\0\0\0\1x", 9 },
        { "HSC1\0\0\0\4echo", 12 },
    };
    begin();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int fd = client();
        send_bytes(fd, bad[i].bytes, bad[i].n);
        turn();
        if (bad[i].n == 1) { /* might still become one */
            assert_int_equal(hs_control_connections(control), 1);
            (void)shutdown(fd, SHUT_WR);
            turn();
        }
        assert_int_equal(hs_control_connections(control), 0);
        assert_string_equal(answer(fd), ".");
        (void)close(fd);
    }
    /* As many words as there may be, and one more; as many bytes as there may be. */
    int fd = ask(many, HS_CONTROL_WORDS_MAX + 1);
    assert_string_equal(answer(fd), ".");
    (void)close(fd);
    assert_int_equal(calls, 0);
    fd = ask(many, HS_CONTROL_WORDS_MAX);
    assert_int_equal(calls, 1);
    hs_control_end(held, 0);
    (void)close(fd);
    memset(many, 'x', HS_CONTROL_REQUEST_MAX);
    many[HS_CONTROL_REQUEST_MAX - 1] = '\0';
    fd = ask(many, HS_CONTROL_REQUEST_MAX);
    assert_int_equal(calls, 2);
    assert_int_equal(hs_control_argc(held), 1);
    assert_int_equal(strlen(hs_control_argv(held)[0]), HS_CONTROL_REQUEST_MAX - 1);
    hs_control_end(held, 0);
    (void)close(fd);
}

static void
waits_so_long_for_a_request(void **state)
{
    (void)state;
    begin();
    int fd = client();
    turn();
    for (int i = 0; i < 4; i++) {
        send_bytes(fd, &HS_CONTROL_MAGIC[i], 1);
        turn();
        hs_loop_advance(loop, HS_SEC);
    }
    assert_int_equal(hs_control_connections(control), 1);
    hs_loop_advance(loop, HS_SEC);
    turn();
    assert_int_equal(hs_control_connections(control), 0);
    assert_string_equal(answer(fd), ".");
    (void)close(fd);
    /* A command may take as long as it likes. */
    fd = ASK("hold");
    hs_loop_advance(loop, 3600 * HS_SEC);
    assert_int_equal(gone, 0);
    hs_control_end(held, 3);
    assert_string_equal(answer(fd), "X3.");
    (void)close(fd);
}

static void
tells_that_the_client_is_gone(void **state)
{
    (void)state;
    begin();
    for (int how = 0; how < 3; how++) {
        int fd = ASK("hold");
        assert_false(hs_control_is_gone(held));
        if (how == 0) {
            (void)close(fd);
        } else if (how == 1) {
            (void)shutdown(fd, SHUT_WR);
        } else {
            send_bytes(fd, "x", 1); /* nothing more was to come */
        }
        turn();
        assert_int_equal(gone, how + 1);
        assert_true(hs_control_is_gone(held));
        hs_control_write(held, HS_CONTROL_OUT, "nobody reads this", 17);
        assert_int_equal(hs_control_connections(control), 1);
        hs_control_end(held, 0);
        assert_int_equal(hs_control_connections(control), 0);
        if (how != 0) {
            (void)close(fd);
        }
    }
}

static void
a_retired_one_ends_what_has_begun(void **state)
{
    (void)state;
    begin();
    int fd = ASK("hold");
    hs_control_retire(control);
    assert_int_equal(access(path, F_OK), -1);
    hs_control_retire(control); /* nothing more to do */
    turn();
    hs_control_printf(held, HS_CONTROL_OUT, "late");
    hs_control_end(held, 3);
    turn();
    assert_string_equal(answer(fd), "OlateX3.");
    (void)close(fd);
    assert_int_equal(hs_control_connections(control), 0);
}

static void
output_waits_for_the_client(void **state)
{
    (void)state;
    static char piece[65536];
    size_t n = 0;
    ssize_t r;
    big = 4 * 1024 * 1024;
    begin();
    int fd = ASK("big");
    assert_int_equal(hs_control_connections(control), 1);
    for (int i = 0; i < 100000; i++) {
        while ((r = recv(fd, piece, sizeof piece, 0)) > 0) {
            n += (size_t)r;
        }
        if (r == 0) {
            break;
        }
        hs_loop_advance(loop, HS_CONTROL_ENDING_TIME / 2);
        turn();
    }
    assert_int_equal(n, HS_CONTROL_FRAME_HEAD + big + HS_CONTROL_FRAME_HEAD + 1);
    assert_int_equal(hs_control_connections(control), 0);
    (void)close(fd);
}

static void
a_client_that_does_not_read_is_cut_off(void **state)
{
    (void)state;
    begin();
    /* After the end: in time. */
    big = 4 * 1024 * 1024;
    int fd = ASK("big");
    hs_loop_advance(loop, HS_CONTROL_ENDING_TIME);
    turn();
    assert_int_equal(hs_control_connections(control), 0);
    (void)close(fd);
    /* Before it: by the amount. */
    fd = ASK("hold");
    static char piece[1024 * 1024];
    for (int i = 0; i < 20; i++) {
        hs_control_write(held, HS_CONTROL_OUT, piece, sizeof piece);
        turn();
    }
    assert_int_equal(gone, 1);
    hs_control_end(held, 0);
    (void)close(fd);
    /* By one write that is too large. */
    big = HS_CONTROL_OUTPUT_MAX + 1;
    fd = ASK("big");
    turn();
    assert_int_equal(hs_control_connections(control), 0);
    (void)close(fd);
}

static void
so_many_at_a_time(void **state)
{
    (void)state;
    struct hs_control_call *all[HS_CONTROL_CALLS_MAX + 1] = { NULL };
    int fds[HS_CONTROL_CALLS_MAX + 1];
    begin();
    for (int i = 0; i <= HS_CONTROL_CALLS_MAX; i++) {
        fds[i] = ASK("hold");
        all[i] = held;
    }
    assert_int_equal(calls, HS_CONTROL_CALLS_MAX);
    assert_int_equal(hs_control_connections(control), HS_CONTROL_CALLS_MAX);
    hs_control_end(all[0], 0);
    turn();
    assert_int_equal(calls, HS_CONTROL_CALLS_MAX + 1);
    all[HS_CONTROL_CALLS_MAX] = held;
    for (int i = 1; i <= HS_CONTROL_CALLS_MAX; i++) {
        hs_control_end(all[i], 0);
        assert_string_equal(answer(fds[i]), "X0.");
    }
    for (int i = 0; i <= HS_CONTROL_CALLS_MAX; i++) {
        (void)close(fds[i]);
    }
    assert_int_equal(hs_control_connections(control), 0);
}

static void
freed_with_a_command_under_way(void **state)
{
    (void)state;
    begin();
    int fd = ASK("hold");
    int reading = client();
    turn();
    hs_control_free(control);
    control = NULL;
    assert_int_equal(gone, 1);
    assert_string_equal(answer(fd), ".");
    assert_string_equal(answer(reading), ".");
    hs_control_write(held, HS_CONTROL_OUT, "x", 1);
    hs_control_end(held, 0);
    (void)close(fd);
    (void)close(reading);
}

static void
places_that_cannot_be(void **state)
{
    (void)state;
    struct hs_control *other;
    char name[200];
    begin();
    assert_int_equal(hs_control_new(loop, path, run, dir, &other), EADDRINUSE);
    assert_int_equal(hs_control_new(loop, "", run, dir, &other), EINVAL);
    (void)snprintf(name, sizeof name, "%s/%0150d", dir, 1);
    assert_int_equal(hs_control_new(loop, name, run, dir, &other), EINVAL);
    (void)snprintf(name, sizeof name, "%s/none/s", dir);
    assert_int_equal(hs_control_new(loop, name, run, dir, &other), ENOENT);
    (void)snprintf(name, sizeof name, "%s/file", dir);
    int fd = open(name, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
    assert_int_equal(hs_control_new(loop, name, run, dir, &other), EEXIST);
    assert_int_equal(unlink(name), 0);
}

static void
scenario(void *arg)
{
    (void)arg;
    gone = 0;
    if (hs_control_new(loop, path, run, dir, &control) != 0) {
        return;
    }
    int fd = ASK("echo\0a");
    (void)close(fd);
    fd = ASK("hold");
    if (held != NULL) {
        hs_control_write(held, HS_CONTROL_OUT, "text", 4);
        turn();
        hs_control_end(held, 0);
        held = NULL;
    }
    (void)close(fd);
    turn();
    hs_control_free(control);
    control = NULL;
}

static void
threat_38_each_allocation_fails_once(void **state)
{
    (void)state;
    assert_true(alloc_fail_each(scenario, NULL) > 5);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(carries_out_a_command),
        TEST(reads_at_every_split),
        TEST(is_for_its_owner_alone),
        TEST(refuses_other_users),
        TEST(refuses_what_is_no_request),
        TEST(waits_so_long_for_a_request),
        TEST(tells_that_the_client_is_gone),
        TEST(a_retired_one_ends_what_has_begun),
        TEST(output_waits_for_the_client),
        TEST(a_client_that_does_not_read_is_cut_off),
        TEST(so_many_at_a_time),
        TEST(freed_with_a_command_under_way),
        TEST(places_that_cannot_be),
        TEST(threat_38_each_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
