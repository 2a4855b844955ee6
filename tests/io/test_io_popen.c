/* test_io_popen.c - io_popen.c: children that are talked to, waited for, killed, and always reaped. */
#include "io/io_kind.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "io_test.h"

#include "alloc_fail.h"

struct running {
    io_object *in, *out;
    struct hs_child *child;
};

static struct running
run(const char *const argv[])
{
    struct running r;
    assert_int_equal(hs_io_popen((char *const *)(uintptr_t)argv, &r.in, &r.out, &r.child), 0);
    assert_non_null(r.in);
    assert_non_null(r.out);
    assert_non_null(r.child);
    return r;
}

static struct running
run_shell(const char *script)
{
    const char *const argv[] = { "sh", "-c", script, NULL };
    return run(argv);
}

static void
give_up(struct running *r)
{
    io_wrapper_delref(r->in);
    io_wrapper_delref(r->out);
    hs_child_delref(r->child);
}

static void
on_end(void *arg)
{
    ++*(int *)arg;
}

/* Its status, once it has ended. */
static int
wait_child(struct hs_child *c)
{
    int status = -1, calls = 0;
    int err = hs_child_wait(c, &status, on_end, &calls);
    if (err == EAGAIN) {
        while (calls == 0) {
            assert_int_equal(hs_loop_turn(loop, true), 0);
        }
        err = hs_child_wait(c, &status, on_end, &calls);
        assert_int_equal(calls, 1);
    }
    assert_int_equal(err, 0);
    return status;
}

/* The output of a child that is then given up. */
static void
output_of(struct running r, char *buf, size_t size)
{
    ssize_t n = read_all(r.out, buf, size - 1, size);
    assert_true(n >= 0);
    buf[n] = '\0';
    assert_int_equal(wait_child(r.child), 0);
    give_up(&r);
}

static void
it_is_talked_to_and_waited_for(void **state)
{
    (void)state;
    char b[16];
    int status;
    const char *const argv[] = { "cat", NULL };
    struct running r = run(argv);
    assert_int_equal(io_wrapper_get_options(r.in), O_WRONLY);
    assert_int_equal(io_wrapper_get_options(r.out), O_RDONLY);
    assert_int_equal(hs_io_read(r.out, b, sizeof b), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(io_wrapper_write(r.in, "hello", 5), 5);
    wait_for(r.out, IO_WAIT_READ);
    assert_int_equal(hs_io_read(r.out, b, sizeof b), 5);
    assert_memory_equal(b, "hello", 5);
    assert_int_equal(hs_child_wait(r.child, &status, NULL, NULL), EAGAIN);
    io_wrapper_delref(r.in);
    r.in = NULL;
    assert_content(r.out, "");
    assert_int_equal(wait_child(r.child), 0);
    assert_int_equal(hs_child_wait(r.child, &status, on_end, NULL), 0); /* as often as asked */
    give_up(&r);
}

static void
much_goes_through_it(void **state)
{
    (void)state;
    enum { N = 1 << 20 };
    static char data[N], got[N];
    const char *const argv[] = { "cat", NULL };
    fill(data, N, 5);
    struct running r = run(argv);
    size_t sent = 0, have = 0;
    while (have < N) {
        ssize_t w = sent < N ? io_wrapper_write(r.in, data + sent, N - sent) : 0;
        assert_true(w >= 0 || errno == EAGAIN);
        sent += w > 0 ? (size_t)w : 0;
        ssize_t n = hs_io_read(r.out, got + have, N - have);
        assert_true(n > 0 || errno == EAGAIN);
        have += n > 0 ? (size_t)n : 0;
        if (n < 0 && (w < 0 || sent == N)) {
            wait_for(r.out, IO_WAIT_READ);
        }
    }
    assert_memory_equal(got, data, N);
    give_up(&r);
}

static void
the_status_says_how_it_ended(void **state)
{
    (void)state;
    struct running r = run_shell("exit 7");
    int status = wait_child(r.child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    hs_child_kill(r.child, SIGKILL); /* too late, and harmless */
    give_up(&r);

    r = run_shell("echo; read line");
    wait_for(r.out, IO_WAIT_READ);
    hs_child_kill(r.child, SIGTERM);
    status = wait_child(r.child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    assert_int_equal(io_wrapper_write(r.in, "x", 1), -1); /* and no SIGPIPE */
    assert_int_equal(errno, EPIPE);
    give_up(&r);
}

static void
the_wake_up_is_one_and_can_be_cancelled(void **state)
{
    (void)state;
    int status, calls = 0, other = 0;
    struct running r = run_shell("read line");
    assert_int_equal(hs_child_wait(r.child, &status, on_end, &calls), EAGAIN);
    assert_int_equal(hs_child_wait(r.child, &status, on_end, &other), EBUSY);
    assert_int_equal(hs_child_wait(r.child, &status, NULL, NULL), EAGAIN);
    io_wrapper_delref(r.in);
    r.in = NULL;
    status = wait_child(r.child); /* with a wake-up of its own */
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    assert_int_equal(calls + other, 0);
    give_up(&r);

    r = run_shell("read line");
    assert_int_equal(hs_child_wait(r.child, &status, on_end, &calls), EAGAIN);
    give_up(&r); /* the wake-up goes with the handle */
    hs_loop_turn(loop, false);
    assert_int_equal(calls, 0);

    r = run_shell("read line");
    io_object *in = r.in, *out = r.out;
    assert_int_equal(hs_child_wait(r.child, &status, on_end, &calls), EAGAIN);
    hs_child_delref(r.child); /* the ios own it too */
    assert_int_equal(io_wrapper_write(in, "x\n", 2), 2);
    assert_content(out, "");
    io_wrapper_delref(in);
    io_wrapper_delref(out);
    assert_int_equal(calls, 0);
}

static void
without_a_loop_it_can_be_asked(void **state)
{
    (void)state;
    int status, err;
    struct running r = run_shell("read line; exit 3");
    assert_int_equal(hs_child_wait(r.child, &status, on_end, NULL), EDEADLK);
    assert_int_equal(io_wrapper_write(r.in, "x\n", 2), 2);
    char b;
    assert_int_equal(io_wrapper_read(r.out, &b, 1), 0); /* blocks until it ends */
    while ((err = hs_child_wait(r.child, &status, NULL, NULL)) == EAGAIN) {
    }
    assert_int_equal(err, 0);
    assert_int_equal(WEXITSTATUS(status), 3);
    give_up(&r);
}

/* True when the process is gone, or only waits for whoever has to reap it. */
static bool
is_dead(long pid)
{
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return true;
    }
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    const char *paren = n > 0 ? strrchr(text, ')') : NULL;
    return paren == NULL || paren[2] == 'Z' || paren[2] == 'X';
}

static void
the_last_reference_kills_the_group(void **state)
{
    (void)state;
    for (int order = 0; order < 6; order++) {
        char line[64] = "";
        long leader, follower;
        struct running r = run_shell("trap '' TERM; sleep 1000 & echo $$ $!; wait");
        size_t n = 0;
        while (strchr(line, '\n') == NULL) {
            wait_for(r.out, IO_WAIT_READ);
            ssize_t got = hs_io_read(r.out, line + n, sizeof line - 1 - n);
            assert_true(got > 0);
            n += (size_t)got;
        }
        assert_int_equal(sscanf(line, "%ld %ld", &leader, &follower), 2);
        assert_int_equal(getpgid((pid_t)leader), leader);
        assert_int_equal(getpgid((pid_t)follower), leader);
        for (int i = 0; i < 3; i++) {
            assert_false(is_dead(leader));
            switch ((order + (order < 3 ? i : 3 - i)) % 3) {
            case 0:
                io_wrapper_delref(r.in);
                break;
            case 1:
                io_wrapper_delref(r.out);
                break;
            default:
                hs_child_delref(r.child);
                break;
            }
        }
        hs_pools_stop(); /* where it is reaped */
        assert_int_equal(kill((pid_t)leader, 0), -1);
        assert_int_equal(errno, ESRCH);
        while (!is_dead(follower)) { /* was sent SIGKILL already */
            usleep(1000);
        }
    }
}

/* The program of the next test: goes over to its parent's group. */
static int
leave_group(void)
{
    char line[32];
    int n = setpgid(0, getpgid(getppid())) == 0 ? snprintf(line, sizeof line, "%ld\n", (long)getpid()) : 0;
    if (write(STDOUT_FILENO, line, (size_t)n) == n) {
        pause();
    }
    return 1;
}

static void
a_child_that_has_left_its_group_is_killed(void **state)
{
    (void)state;
    const char *const argv[] = { "/proc/self/exe", "leave", NULL };
    char line[32] = "";
    struct running r = run(argv);
    wait_for(r.out, IO_WAIT_READ);
    assert_true(hs_io_read(r.out, line, sizeof line - 1) > 0);
    pid_t pid = (pid_t)strtol(line, NULL, 10);
    assert_int_equal(getpgid(pid), getpgrp());
    hs_child_kill(r.child, SIGTERM);
    int status = wait_child(r.child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    give_up(&r);
}

static void
errors_of_exec_are_returned(void **state)
{
    (void)state;
    struct running r;
    char path[64];
    make_file(path, "/tmp", "true\n", 5);
    const struct {
        const char *name;
        int err;
    } bad[] = { { "/nonexistent/program", ENOENT }, { "httpsrv-no-such-program", ENOENT }, { "", ENOENT }, { "/", EACCES }, { path, EACCES } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *argv[] = { (char *)(uintptr_t)bad[i].name, NULL };
        assert_int_equal(hs_io_popen(argv, &r.in, &r.out, &r.child), bad[i].err);
        assert_null(r.in);
        assert_null(r.out);
        assert_null(r.child);
    }
    assert_int_equal(chmod(path, 0755), 0);
    char *script[] = { path, NULL }, *none[] = { NULL };
    assert_int_equal(hs_io_popen(script, &r.in, &r.out, &r.child), ENOEXEC);
    unlink(path);
    assert_int_equal(hs_io_popen(none, &r.in, &r.out, &r.child), EINVAL);
    assert_int_equal(hs_io_popen(NULL, &r.in, &r.out, &r.child), EINVAL);
}

/* --- what the child finds --- */

static void
arguments_arrive_as_they_are(void **state)
{
    (void)state;
    char out[64];
    const char *const argv[] = { "printf", "[%s]", "a b", "$HOME;\"'`", "", NULL };
    output_of(run(argv), out, sizeof out);
    assert_string_equal(out, "[a b][$HOME;\"'`][]");
}

static void
no_descriptor_is_passed_on(void **state)
{
    (void)state;
    char out[512];
    int fd = open("/dev/null", O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(dup2(fd, 200), 200);
    struct running other = run_shell("read line"); /* nor those of another child */
    output_of(run_shell("cd /proc/$$/fd && echo *"), out, sizeof out);
    close(200);
    close(fd);
    give_up(&other);
    char *rest;
    for (char *word = strtok_r(out, " \n", &rest); word != NULL; word = strtok_r(NULL, " \n", &rest)) {
        char *end;
        long n = strtol(word, &end, 10);
        assert_true(*end == '\0' && n <= 3); /* 3 is the folder that it reads */
    }
}

static void
its_side_of_the_pipes_blocks(void **state)
{
    (void)state;
    char out[512];
    output_of(run_shell("cat /proc/self/fdinfo/0 /proc/self/fdinfo/1"), out, sizeof out);
    int found = 0;
    for (const char *p = strstr(out, "flags:"); p != NULL; p = strstr(p + 6, "flags:")) {
        assert_int_equal(strtol(p + 6, NULL, 8) & O_NONBLOCK, 0);
        found++;
    }
    assert_int_equal(found, 2);
}

static void
signals_are_as_new(void **state)
{
    (void)state;
    char out[512];
    sigset_t all, old;
    sigfillset(&all);
    void (*pipe_was)(int) = signal(SIGPIPE, SIG_IGN);
    void (*hup_was)(int) = signal(SIGHUP, SIG_IGN);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    const char *const argv[] = { "grep", "-E", "Sig(Blk|Ign)", "/proc/self/status", NULL };
    output_of(run(argv), out, sizeof out);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    signal(SIGPIPE, pipe_was);
    signal(SIGHUP, hup_was);
    unsigned long blocked, ignored;
    assert_int_equal(sscanf(out, "SigBlk: %lx SigIgn: %lx", &blocked, &ignored), 2);
    assert_int_equal(blocked, 0);
    assert_int_equal(ignored & ~(3UL << 31), 0); /* two are libc's own */
}

/* A process that has closed its standard descriptors gets them from pipe(2). */
static void
it_works_without_standard_descriptors(void **state)
{
    (void)state;
    char out[16];
    int saved[3];
    fflush(stdout);
    for (int i = 0; i < 3; i++) {
        saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 300);
        assert_true(saved[i] >= 0);
    }
    for (int i = 0; i < 3; i++) {
        close(i);
    }
    struct running r;
    char *argv[] = { (char[]){ "cat" }, NULL };
    int err = hs_io_popen(argv, &r.in, &r.out, &r.child);
    for (int i = 0; i < 3; i++) {
        dup2(saved[i], i);
        close(saved[i]);
    }
    assert_int_equal(err, 0);
    assert_int_equal(io_wrapper_write(r.in, "hello", 5), 5);
    io_wrapper_delref(r.in);
    r.in = NULL;
    output_of(r, out, sizeof out);
    assert_string_equal(out, "hello");
}

/* --- want --- */

static void
threat_38_no_descriptors_left(void **state)
{
    (void)state;
    struct rlimit was, low;
    int failures = 0, err;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    low = was;
    int fd = dup(0); /* the lowest that is free */
    assert_true(fd >= 0);
    close(fd);
    for (int n = 0;; n++) {
        struct running r;
        char *argv[] = { (char[]){ "cat" }, NULL };
        int before = count_fds();
        low.rlim_cur = (rlim_t)(fd + n);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
        err = hs_io_popen(argv, &r.in, &r.out, &r.child);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
        if (err == 0) {
            give_up(&r);
            break;
        }
        assert_int_equal(err, EMFILE);
        hs_pools_stop();
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nothing was left behind */
        assert_int_equal(errno, ECHILD);
        assert_int_equal(count_fds(), before);
        failures++;
    }
    assert_true(failures >= 4);
}

static void
a_child_that_others_reap_is_no_one_elses(void **state)
{
    (void)state;
    int status = 77;
    void (*was)(int) = signal(SIGCHLD, SIG_IGN);
    struct running r = run_shell("exit 1");
    assert_content(r.out, "");
    int err;
    while ((err = hs_child_wait(r.child, &status, NULL, NULL)) == EAGAIN) {
    }
    assert_int_equal(err, ECHILD);
    assert_int_equal(status, 77);
    hs_child_kill(r.child, SIGKILL);
    give_up(&r);

    r = run_shell("exit 1");
    assert_content(r.out, "");
    hs_child_kill(r.child, SIGCONT);
    give_up(&r);
    signal(SIGCHLD, was);
}

static void
popen_scenario(void *arg)
{
    (void)arg;
    struct running r;
    char *argv[] = { (char[]){ "cat" }, NULL };
    int status, err = hs_io_popen(argv, &r.in, &r.out, &r.child);
    if (err != 0) {
        assert_int_equal(err, ENOMEM);
        assert_null(r.in);
        assert_null(r.out);
        assert_null(r.child);
        return;
    }
    err = hs_child_wait(r.child, &status, on_end, NULL);
    assert_true(err == EAGAIN || err == ENOMEM);
    give_up(&r);
    hs_pools_stop();
}

static void
threat_38_each_allocation_may_fail(void **state)
{
    (void)state;
    assert_true(alloc_fail_each(popen_scenario, NULL) >= 4);
    assert_true(alloc_fail_each_from(popen_scenario, NULL) >= 4);
}

/* No child is left, not even a zombie. */
static int
tear_down(void **state)
{
    int r = io_tear_down(state);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    return r;
}

#define popen_test(f) cmocka_unit_test_setup_teardown(f, io_set_up, tear_down)

int
main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "leave") == 0) {
        return leave_group();
    }
    const struct CMUnitTest tests[] = {
        popen_test(it_is_talked_to_and_waited_for),
        popen_test(much_goes_through_it),
        popen_test(the_status_says_how_it_ended),
        popen_test(the_wake_up_is_one_and_can_be_cancelled),
        cmocka_unit_test_setup_teardown(without_a_loop_it_can_be_asked, io_set_up_no_loop, tear_down),
        popen_test(the_last_reference_kills_the_group),
        popen_test(a_child_that_has_left_its_group_is_killed),
        popen_test(errors_of_exec_are_returned),
        popen_test(arguments_arrive_as_they_are),
        popen_test(no_descriptor_is_passed_on),
        popen_test(its_side_of_the_pipes_blocks),
        popen_test(signals_are_as_new),
        popen_test(it_works_without_standard_descriptors),
        popen_test(threat_38_no_descriptors_left),
        popen_test(a_child_that_others_reap_is_no_one_elses),
        popen_test(threat_38_each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
