/* io_popen.c - a child process with io_objects as its standard input and output.
 * The two ios and the handle own the child together; with the last of them it is killed if it still runs, and always
 * reaped: at once when it has ended, else in the IO pool, so that no loop waits for it. Nobody else's children are
 * touched: only this process id is ever waited for, and no SIGCHLD handler is needed.
 *
 * The id stays the child's, and its group's, until it has been reaped; signals are sent under the same lock. Its end is
 * seen through a pidfd. The handle's wake-up belongs to the handle: it is gone when the handle is. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/io_kind.h"

struct hs_child {
    int ref; /* atomic: the handle, the ios */
    pthread_mutex_t lock;
    pid_t pid; /* and its process group; 0: not started */
    int pidfd; /* -1: none */
    /* Under the lock: */
    bool reaped;
    int status; /* as waitpid(2) gave it */
    int err;    /* instead of a status */
    /* The handle's, on its loop: */
    struct hs_watch watch;
    void (*fn)(void *arg); /* NULL: nobody waits */
    void *arg;
    /* The end of one that was given up: */
    struct hs_job job;
};

/* --- its end --- */

/* Locked. How it has ended, when it has; block: waits for that. */
static void
reap(struct hs_child *c, bool block)
{
    pid_t r;
    if (c->reaped) {
        return;
    }
    do {
        r = waitpid(c->pid, &c->status, block ? 0 : WNOHANG);
    } while (r < 0 && errno == EINTR);
    if (r != 0) {
        c->reaped = true;
        c->err = r < 0 ? errno : 0;
    }
}

/* Locked. To the group, and to the child itself if it has left that. With SIGCHLD ignored the kernel reaps, and the id may be another's. */
static void
send_signal(struct hs_child *c, int sig)
{
    if (c->reaped || (pidfd_send_signal(c->pidfd, 0, NULL, 0) != 0 && errno == ESRCH)) {
        return;
    }
    kill(-c->pid, sig);
    if (getpgid(c->pid) != c->pid) {
        kill(c->pid, sig);
    }
}

static void
child_free(struct hs_child *c)
{
    if (c->pidfd >= 0) {
        close(c->pidfd);
    }
    pthread_mutex_destroy(&c->lock);
    free(c);
}

/* In the pool: it was killed and is about to end. */
static void
reap_run(struct hs_job *job)
{
    struct hs_child *c = (struct hs_child *)((char *)job - offsetof(struct hs_child, job));
    reap(c, true);
    child_free(c);
}

static void
child_drop(void *owner)
{
    struct hs_child *c = owner;
    if (__atomic_sub_fetch(&c->ref, 1, __ATOMIC_ACQ_REL) != 0) {
        return;
    }
    if (c->pid > 0) { /* nobody else is left: no lock */
        reap(c, false);
        send_signal(c, SIGKILL);
        reap(c, false);
        if (!c->reaped) {
            c->job = (struct hs_job){ .run = reap_run };
            if (hs_pool_submit(hs_pool_io(), &c->job) == 0) {
                return;
            }
            reap(c, true);
        }
    }
    child_free(c);
}

/* --- its beginning --- */

/* Moves a new descriptor away from the standard ones, which it could be when this process has closed its own. 0 or errno, then it is closed
 * and -1. */
static int
above_standard(int *fd)
{
    if (*fd > STDERR_FILENO) {
        return 0;
    }
    int moved = fcntl(*fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    int err = moved < 0 ? errno : 0;
    close(*fd);
    *fd = moved;
    return err;
}

static void
close_pipe(const int fds[2])
{
    for (int i = 0; i < 2; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
}

/* A pipe; fds[ours] does not block. 0 or errno. */
static int
make_pipe(int fds[2], int ours)
{
    if (pipe2(fds, O_CLOEXEC) != 0) {
        return errno;
    }
    int err = above_standard(&fds[0]);
    err = err != 0 ? err : above_standard(&fds[1]);
    if (err == 0 && fcntl(fds[ours], F_SETFL, O_NONBLOCK) != 0) {
        err = errno;
    }
    if (err != 0) {
        close_pipe(fds);
    }
    return err;
}

/* No handler and no mask of ours, a group of its own. 0 or errno. */
static int
set_attributes(posix_spawnattr_t *attr)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int err = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    err = err != 0 ? err : posix_spawnattr_setpgroup(attr, 0);
    err = err != 0 ? err : posix_spawnattr_setsigmask(attr, &none);
    return err != 0 ? err : posix_spawnattr_setsigdefault(attr, &all);
}

static int
set_files(posix_spawn_file_actions_t *files, int in, int out)
{
    int err = posix_spawn_file_actions_adddup2(files, in, STDIN_FILENO);
    err = err != 0 ? err : posix_spawn_file_actions_adddup2(files, out, STDOUT_FILENO);
    return err != 0 ? err : posix_spawn_file_actions_addclosefrom_np(files, STDERR_FILENO + 1);
}

/* Starts the program; errors of exec come back too. 0 or errno. */
static int
spawn(pid_t *pid, char *const argv[], int in, int out)
{
    posix_spawnattr_t attr;
    posix_spawn_file_actions_t files;
    int err = posix_spawnattr_init(&attr);
    if (err != 0) {
        return err;
    }
    err = posix_spawn_file_actions_init(&files);
    if (err == 0) {
        err = set_attributes(&attr);
        err = err != 0 ? err : set_files(&files, in, out);
        err = err != 0 ? err : posix_spawnp(pid, argv[0], &files, &attr, argv, environ);
        posix_spawn_file_actions_destroy(&files);
    }
    posix_spawnattr_destroy(&attr);
    return err;
}

/* Without a pidfd the child is of no use: dropping it kills it. But where SIGCHLD is ignored it may have come and gone. */
static int
start(struct hs_child *c, char *const argv[], int in, int out)
{
    pid_t pid = 0;
    int err = spawn(&pid, argv, in, out);
    if (err != 0) {
        return err;
    }
    c->pid = pid;
    c->pidfd = pidfd_open(pid, 0); /* close-on-exec by itself */
    if (c->pidfd >= 0) {
        return above_standard(&c->pidfd);
    }
    c->reaped = errno == ESRCH;
    c->err = c->reaped ? ECHILD : 0;
    return c->reaped ? 0 : errno;
}

static struct hs_child *
child_new(void)
{
    struct hs_child *c = calloc(1, sizeof *c);
    if (c != NULL) {
        c->ref = 1;
        c->pidfd = -1;
        pthread_mutex_init(&c->lock, NULL);
    }
    return c;
}

/* An io on fd, which owns the child too; fd is closed on failure. NULL with errno. */
static io_object *
end_of_pipe(struct hs_child *c, int fd, int options)
{
    io_object *io = hs_io_fd_new(fd, options, child_drop, c);
    if (io == NULL) {
        int saved = errno;
        close(fd);
        errno = saved;
        return NULL;
    }
    __atomic_add_fetch(&c->ref, 1, __ATOMIC_RELAXED);
    return io;
}

/* With both pipes, of which ours are taken over and the child's closed. 0 or errno. */
static int
popen_over(char *const argv[], int in[2], int out[2], io_object **to_stdin, io_object **from_stdout, struct hs_child **child)
{
    struct hs_child *c = child_new();
    io_object *to = NULL, *from = NULL;
    int err = c == NULL ? ENOMEM : 0;
    if (c == NULL) {
        close(in[1]);
        close(out[0]);
    } else {
        to = end_of_pipe(c, in[1], O_WRONLY);
        err = to == NULL ? errno : 0;
        from = end_of_pipe(c, out[0], O_RDONLY);
        err = from == NULL ? errno : err;
    }
    err = err != 0 ? err : start(c, argv, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    if (err != 0) {
        io_wrapper_delref(to);
        io_wrapper_delref(from);
        hs_child_delref(c);
        return err;
    }
    *to_stdin = to;
    *from_stdout = from;
    *child = c;
    return 0;
}

int
hs_io_popen(char *const argv[], io_object **to_stdin, io_object **from_stdout, struct hs_child **child)
{
    int in[2], out[2];
    *to_stdin = NULL;
    *from_stdout = NULL;
    *child = NULL;
    if (argv == NULL || argv[0] == NULL) {
        return EINVAL;
    }
    int err = make_pipe(in, 1);
    if (err != 0) {
        return err;
    }
    err = make_pipe(out, 0);
    if (err != 0) {
        close_pipe(in);
        return err;
    }
    return popen_over(argv, in, out, to_stdin, from_stdout, child);
}

/* --- the handle --- */

static void
unwait(struct hs_child *c)
{
    if (c->fn != NULL) {
        c->fn = NULL;
        hs_watch_set(&c->watch, 0);
    }
}

static void
on_pidfd(void *arg, unsigned events)
{
    (void)events;
    struct hs_child *c = arg;
    void (*fn)(void *) = c->fn;
    void *fn_arg = c->arg;
    unwait(c);
    fn(fn_arg);
    /* c may be gone */
}

void
hs_child_kill(struct hs_child *c, int sig)
{
    pthread_mutex_lock(&c->lock);
    send_signal(c, sig);
    pthread_mutex_unlock(&c->lock);
}

/* 0 or errno. */
static int
arm(struct hs_child *c, void (*fn)(void *arg), void *arg)
{
    struct hs_loop *loop = hs_loop_current();
    if (c->fn != NULL) {
        return EBUSY;
    }
    if (loop == NULL) {
        return EDEADLK;
    }
    hs_watch_init(&c->watch, loop, c->pidfd, on_pidfd, c);
    int err = hs_watch_set(&c->watch, HS_READ);
    if (err == 0) {
        c->fn = fn;
        c->arg = arg;
    }
    return err;
}

int
hs_child_wait(struct hs_child *c, int *status, void (*fn)(void *arg), void *arg)
{
    pthread_mutex_lock(&c->lock);
    reap(c, false);
    bool ended = c->reaped;
    int err = c->err;
    if (ended && err == 0) {
        *status = c->status;
    }
    pthread_mutex_unlock(&c->lock);
    if (ended || fn == NULL) {
        unwait(c);
        return ended ? err : EAGAIN;
    }
    err = arm(c, fn, arg);
    return err != 0 ? err : EAGAIN;
}

void
hs_child_delref(struct hs_child *c)
{
    if (c != NULL) {
        unwait(c);
        child_drop(c);
    }
}
