/* test_server_control.c - server/server_control.h: the control socket of a server, from its opening to its end. */
#include "server/server_control.h"

#include <sys/stat.h>
#include <sys/un.h>

#include "server/control.h"
#include "server/control_client.h"
#include "server/control_frame.h"
#include "server_world.h"

static char dir[] = "/tmp/test_sctl_XXXXXX";
static char path[64];

/* Sends one word and turns the server until it has answered; all frames' bytes, "#status" at the end. */
static const char *
ask(struct world *w, const char *word)
{
    static char raw[8192], text[8192];
    char request[128];
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    const size_t n = strlen(word) + 1;
    size_t out = 0;

    strcpy(a.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    memcpy(request, HS_CONTROL_MAGIC, 4);
    hs_control_put32(request + 4, (uint32_t)n);
    memcpy(request + HS_CONTROL_HEAD, word, n);
    assert_int_equal(send(fd, request, HS_CONTROL_HEAD + n, MSG_NOSIGNAL), (ssize_t)(HS_CONTROL_HEAD + n));
    turn(w);
    ssize_t got = recv(fd, raw, sizeof raw, 0);
    for (ssize_t at = 0; at + HS_CONTROL_FRAME_HEAD <= got;) {
        const uint32_t size = hs_control_get32(raw + at + 1);
        if (raw[at] == 'X') {
            out += (size_t)snprintf(text + out, sizeof text - out, "#%d", raw[at + HS_CONTROL_FRAME_HEAD]);
        } else {
            memcpy(text + out, raw + at + HS_CONTROL_FRAME_HEAD, size);
            out += size;
        }
        at += HS_CONTROL_FRAME_HEAD + (ssize_t)size;
    }
    text[out] = '\0';
    (void)close(fd);
    return text;
}

static void
set_control(struct world *w, const char *value)
{
    assert_int_equal(httpsrv_server_set(w->server, "control", value), 0);
}

static void
answers_for_itself(void **state)
{
    (void)state;
    struct world w;
    char line[300];
    world_new(&w);
    set_control(&w, path);
    start(&w);
    int fd = client(&w);
    assert_non_null(strstr(get(&w, fd, "/hello"), "hello"));
    const char *text = ask(&w, "status");
    (void)snprintf(line, sizeof line, "version %s\npid %ld\nstate serving\nseconds 0\nlisten %s\nroutes 4\nconnections 1\nrequests 0\nwaiting 0\n"
                   "answered 1\nanswered_none 0\nanswered_2xx 1\n", httpsrv_version(), (long)getpid(), w.address);
    assert_memory_equal(text, line, strlen(line));
    assert_non_null(strstr(text, "\ngeneration 1\ngenerations 1\n#0"));
    assert_non_null(strstr(ask(&w, "help"), "  stop       "));
    assert_string_equal(ask(&w, "nope"), "httpsrv: there is no command 'nope' ('httpsrv ctl help' lists them)\n#2");
    (void)close(fd);
    world_free(&w);
    assert_int_equal(access(path, F_OK), -1);
}

static void
stops(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    set_control(&w, path);
    start(&w);
    int fd = client(&w);
    assert_non_null(strstr(get(&w, fd, "/hello"), "hello"));
    assert_string_equal(ask(&w, "stop"), "#0");
    assert_non_null(strstr(ask(&w, "status"), "state draining\n")); /* it answers as long as it runs */
    assert_string_equal(ask(&w, "stop"), "#0"); /* again: no more than that */
    assert_int_equal(w.stopped, 0);
    assert_non_null(strstr(get(&w, fd, "/hello"), "hello"));
    (void)close(fd);
    turn(&w);
    for (int i = 0; i < 20; i++) {
        advance(&w, 10 * HS_MSEC);
    }
    assert_int_equal(w.stopped, 1);
    assert_int_equal(access(path, F_OK), -1);
    world_free(&w);
}

static int
fail_to_load(void *arg)
{
    (void)arg;
    return EPERM;
}

static void
reloads(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    set_control(&w, path);
    start(&w);
    assert_string_equal(ask(&w, "reload"), "generation 2, 4 routes\n#0");
    httpsrv_server_on_load(w.server, fail_to_load, NULL);
    assert_string_equal(ask(&w, "reload"),
                        "httpsrv: reload failed, everything stays as it was: cannot load: Operation not permitted\n#1");
    assert_non_null(strstr(ask(&w, "status"), "generation 2\ngenerations 1\n"));
    int fd = client(&w);
    assert_non_null(strstr(get(&w, fd, "/hello"), "hello"));
    assert_string_equal(ask(&w, "stop"), "#0");
    assert_string_equal(ask(&w, "reload"), "httpsrv: reload: the server stops\n#1");
    (void)close(fd);
    world_free(&w);
}

static void
there_is_none_unless_one_is_wanted(void **state)
{
    (void)state;
    struct world w;
    char own[HS_CONTROL_PATH_MAX];
    assert_int_equal(setenv("XDG_RUNTIME_DIR", dir, 1), 0);
    assert_int_equal(hs_control_default_path(own), 0);
    for (int i = 0; i < 4; i++) { /* embedded; by default; with the default, but not wanted, in either spelling */
        world_new(&w);
        if (i != 0) {
            hs_server_use_default_control(w.server);
        }
        if (i > 1) {
            set_control(&w, i == 2 ? "none" : "false");
        }
        start(&w);
        assert_int_equal(access(own, F_OK), i == 1 ? 0 : -1);
        world_free(&w);
        assert_int_equal(access(own, F_OK), -1);
    }
    /* A default that cannot be had is no reason not to serve. */
    (void)snprintf(own, sizeof own, "%s/httpsrv", dir);
    assert_int_equal(chmod(own, 0755), 0);
    world_new(&w);
    hs_server_use_default_control(w.server);
    start(&w);
    world_free(&w);
    assert_int_equal(rmdir(own), 0);
    assert_int_equal(unsetenv("XDG_RUNTIME_DIR"), 0);
}

static void
fails(const char *value, int err, const char *part)
{
    struct world w;
    world_new(&w);
    set_control(&w, value);
    assert_int_equal(httpsrv_server_set(w.server, "listen", w.address), 0);
    assert_int_equal(httpsrv_server_start(w.server, NULL), err);
    if (strstr(httpsrv_server_error(w.server), part) == NULL) {
        print_message("%s\n", httpsrv_server_error(w.server));
    }
    assert_non_null(strstr(httpsrv_server_error(w.server), part));
    world_free(&w);
}

static void
a_place_that_was_asked_for_must_be_had(void **state)
{
    (void)state;
    char name[200];
    assert_int_equal(chmod(dir, 0777), 0);
    fails(path, EPERM, "must be one's own, and not writable by others");
    assert_int_equal(chmod(dir, 0700), 0);
    (void)snprintf(name, sizeof name, "%s/%0150d", dir, 1);
    fails(name, EINVAL, "too long");
    fails("/no/such/place", ENOENT, "control: cannot listen at /no/such/place: No such file");
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
    fails(path, EEXIST, "exists and is not a socket");
    assert_int_equal(unlink(path), 0);
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    strcpy(a.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 1), 0);
    fails(path, EADDRINUSE, "another server listens at");
    (void)close(fd);
    assert_int_equal(unlink(path), 0);
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
        cmocka_unit_test(answers_for_itself),
        cmocka_unit_test(stops),
        cmocka_unit_test(reloads),
        cmocka_unit_test(there_is_none_unless_one_is_wanted),
        cmocka_unit_test(a_place_that_was_asked_for_must_be_had),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
