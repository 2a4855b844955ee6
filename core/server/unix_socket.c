/* unix_socket.c - the file of a listening unix socket: made, taken over when its owner is dead, removed.
 * A dead server leaves its file behind. It is told from a live one by connecting: only ECONNREFUSED means that nobody listens. Between that
 * look and the new bind no other server may do the same, so both happen under flock(2) on the directory; and a server
 * listens before it lets go of the lock, so that a bound socket on which nobody listens yet is never seen. */
#include "server/unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

enum { LOCK_TRIES = 200, LOCK_PAUSE_NS = 10 * 1000 * 1000 };

static bool succeeding;

void
hs_unix_succeed(void)
{
    succeeding = true;
}

/* Locks the directory of path. A descriptor to close; -1 when there is no lock to be had: others use the directory's lock for other ends. */
static int
lock_directory(const char *path)
{
    char copy[sizeof((struct hs_unix_file){ 0 }.path)];
    const struct timespec pause = { .tv_nsec = LOCK_PAUSE_NS };

    strcpy(copy, path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
            return fd;
        }
        if (errno != EWOULDBLOCK && errno != EINTR) {
            break;
        }
        (void)nanosleep(&pause, NULL);
    }
    hs_log(HS_LOG_WARN, "the directory of %s cannot be locked; going on without", path);
    (void)close(fd);
    return -1;
}

/* Whether the socket at an address may be replaced: 0, EADDRINUSE (somebody answers, or may), EEXIST (no socket), ENOENT. */
static int
check_stale(const struct sockaddr_un *address, socklen_t len, const char *path)
{
    struct stat st;

    if (lstat(path, &st) != 0) {
        return errno == ENOENT ? ENOENT : EADDRINUSE;
    }
    if (!S_ISSOCK(st.st_mode)) {
        return EEXIST;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return errno;
    }
    int err = connect(fd, (const struct sockaddr *)address, len) == 0 ? EADDRINUSE : errno;
    (void)close(fd);
    /* EAGAIN: its backlog is full; EPROTOTYPE: a datagram socket; EACCES: not for us to say. */
    return err == ECONNREFUSED ? 0 : err == ENOENT ? ENOENT : EADDRINUSE;
}

static int
try_bind(int fd, const struct sockaddr_un *address, socklen_t len)
{
    return bind(fd, (const struct sockaddr *)address, len) == 0 ? 0 : errno;
}

/* Binds beside a socket that is in use, and puts the new one in its place: at every moment somebody answers there. */
static int
replace(int fd, const char *path)
{
    struct sockaddr_un beside = { .sun_family = AF_UNIX };

    int n = snprintf(beside.sun_path, sizeof beside.sun_path, "%s.%ld", path, (long)getpid());
    if (n < 0 || (size_t)n >= sizeof beside.sun_path) {
        return ENAMETOOLONG;
    }
    int err = try_bind(fd, &beside, sizeof beside);
    if (err == 0 && rename(beside.sun_path, path) != 0) {
        err = errno;
        (void)unlink(beside.sun_path);
    }
    return err;
}

/* Binds fd to a path, in place of a dead socket if need be. */
static int
bind_path(int fd, const struct sockaddr_un *address, socklen_t len, const char *path)
{
    int err = try_bind(fd, address, len);

    if (err != EADDRINUSE) {
        return err;
    }
    err = check_stale(address, len, path);
    if (err == EADDRINUSE && succeeding) {
        return replace(fd, path);
    }
    if (err == 0) {
        if (unlink(path) != 0 && errno != ENOENT) {
            return errno;
        }
        hs_log(HS_LOG_INFO, "replacing %s, which nobody listens on", path);
        err = ENOENT;
    }
    return err == ENOENT ? try_bind(fd, address, len) : err;
}

/* The file gets the bits that the socket has, less those of umask(2), and then the exact ones: what is too much is never there. */
static int
bind_with_mode(int fd, const struct sockaddr_un *address, socklen_t len, const char *path, int mode)
{
    if (mode >= 0 && fchmod(fd, (mode_t)mode) != 0) {
        return errno;
    }
    int err = bind_path(fd, address, len, path);
    if (err == 0 && mode >= 0 && chmod(path, (mode_t)mode) != 0) {
        err = errno;
        (void)unlink(path);
    }
    return err;
}

int
hs_unix_listen(int fd, const struct sockaddr_un *address, socklen_t len, int backlog, int mode, struct hs_unix_file *file)
{
    size_t n = len - offsetof(struct sockaddr_un, sun_path);
    struct stat st;

    memset(file, 0, sizeof *file);
    if (n == 0 || address->sun_path[0] == '\0') { /* an abstract name goes with its socket */
        int err = try_bind(fd, address, len);
        return err != 0 ? err : listen(fd, backlog) == 0 ? 0 : errno;
    }
    char path[sizeof file->path] = "";
    memcpy(path, address->sun_path, n < sizeof path ? n : sizeof path - 1);
    int lock = lock_directory(path);
    int err = bind_with_mode(fd, address, len, path, mode);
    if (err == 0) {
        err = listen(fd, backlog) == 0 ? 0 : errno;
        if (lstat(path, &st) == 0) {
            memcpy(file->path, path, sizeof path);
            file->dev = st.st_dev;
            file->ino = st.st_ino;
        }
        if (err != 0) {
            hs_unix_remove(file);
        }
    }
    if (lock >= 0) {
        (void)close(lock);
    }
    return err;
}

void
hs_unix_adopt(const char *path, struct hs_unix_file *file)
{
    struct stat st;

    memset(file, 0, sizeof *file);
    if (strlen(path) < sizeof file->path && lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
        strcpy(file->path, path);
        file->dev = st.st_dev;
        file->ino = st.st_ino;
    }
}

void
hs_unix_remove(struct hs_unix_file *file)
{
    struct stat st;

    if (file->path[0] == '\0') {
        return;
    }
    int lock = lock_directory(file->path);
    if (lstat(file->path, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_dev == file->dev && st.st_ino == file->ino) {
        (void)unlink(file->path);
    }
    if (lock >= 0) {
        (void)close(lock);
    }
    file->path[0] = '\0';
}
