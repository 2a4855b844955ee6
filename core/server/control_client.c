/* control_client.c - the other end of the control socket: where servers are, and one command.
 * Owns a descriptor for the length of one call. The server is asked for its user just as it asks for ours: a directory in /tmp may
 * have been made by anybody. */
#include "server/control_client.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "server/control.h"
#include "server/control_frame.h"

#define SUFFIX ".sock"

/* --- places --- */

/* Whether a directory is ours alone. 0, EPERM, errors of lstat(2). */
static int
check_own(const char *dir)
{
    struct stat st;

    if (lstat(dir, &st) != 0) {
        return errno;
    }
    return S_ISDIR(st.st_mode) && st.st_uid == geteuid() && (st.st_mode & (S_IRWXG | S_IRWXO)) == 0 ? 0 : EPERM;
}

int
hs_control_dir(char *dir)
{
    const char *xdg = getenv("XDG_RUNTIME_DIR");
    int n;

    if (xdg != NULL && *xdg == '/') {
        n = snprintf(dir, HS_CONTROL_PATH_MAX, "%s/httpsrv", xdg);
    } else {
        n = snprintf(dir, HS_CONTROL_PATH_MAX, "/tmp/httpsrv-%lu", (unsigned long)geteuid());
    }
    return n < 0 || n >= HS_CONTROL_PATH_MAX ? EINVAL : 0;
}

static bool
has_ending(const char *name, const char *ending)
{
    const size_t n = strlen(name), m = strlen(ending);

    return n > m && strcmp(name + n - m, ending) == 0;
}

/* Whether the name of a file is that of a control socket. */
static bool
is_socket_name(const char *name)
{
    return has_ending(name, SUFFIX);
}

/* Removes the socket at a path that nobody listens on. */
static void
remove_dead(const char *path)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    struct stat st;

    if (strlen(path) >= sizeof a.sun_path || lstat(path, &st) != 0 || !S_ISSOCK(st.st_mode)) {
        return;
    }
    strcpy(a.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        if (connect(fd, (const struct sockaddr *)&a, sizeof a) != 0 && errno == ECONNREFUSED) {
            (void)unlink(path);
        }
        (void)close(fd);
    }
}

/* Removes what servers that were killed have left behind. Under the directory's lock, which whoever binds a socket there holds until it
 * listens (hs_unix_listen); somebody else's turn is as good. */
static void
sweep(const char *dir)
{
    char name[HS_CONTROL_PATH_MAX];
    const struct dirent *e;

    DIR *d = opendir(dir);
    if (d == NULL) {
        return;
    }
    if (flock(dirfd(d), LOCK_EX | LOCK_NB) == 0) {
        while ((e = readdir(d)) != NULL) {
            if ((is_socket_name(e->d_name) || has_ending(e->d_name, HS_ADMIN_SUFFIX)) && snprintf(name, sizeof name, "%s/%s", dir, e->d_name) < (int)sizeof name) {
                remove_dead(name);
            }
        }
    }
    (void)closedir(d); /* and lets go of the lock */
}

int
hs_control_default_path(char *path)
{
    char dir[HS_CONTROL_PATH_MAX];

    int err = hs_control_dir(dir);
    if (err == 0 && mkdir(dir, S_IRWXU) != 0 && errno != EEXIST) {
        err = errno;
    }
    if (err == 0) {
        err = check_own(dir);
    }
    if (err != 0) {
        return err;
    }
    sweep(dir);
    int n = snprintf(path, HS_CONTROL_PATH_MAX, "%s/%ld" SUFFIX, dir, (long)getpid());
    return n < 0 || n >= HS_CONTROL_PATH_MAX ? EINVAL : 0;
}

/* --- connecting --- */

/* Connects to a server of this user, or root's. A descriptor, or -1 with errno. */
static int
open_connection(const char *path)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    struct ucred peer;
    socklen_t len = sizeof peer;

    if (*path == '\0' || strlen(path) >= sizeof a.sun_path) {
        errno = EINVAL;
        return -1;
    }
    strcpy(a.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    int err = connect(fd, (const struct sockaddr *)&a, sizeof a) != 0 ? errno : 0;
    if (err == 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0) {
        err = errno;
    }
    if (err == 0 && peer.uid != 0 && peer.uid != geteuid() && geteuid() != 0) {
        err = EPERM;
    }
    if (err != 0) {
        (void)close(fd);
        errno = err;
        return -1;
    }
    return fd;
}

int
hs_control_find(char *path, void (*found)(void *arg, const char *path), void *arg)
{
    char dir[HS_CONTROL_PATH_MAX], name[HS_CONTROL_PATH_MAX];
    const struct dirent *e;
    size_t servers = 0;

    int err = hs_control_dir(dir);
    if (err == 0) {
        err = check_own(dir);
    }
    if (err != 0) {
        return err;
    }
    DIR *d = opendir(dir);
    if (d == NULL) {
        return errno;
    }
    while ((e = readdir(d)) != NULL) {
        if (!is_socket_name(e->d_name) || snprintf(name, sizeof name, "%s/%s", dir, e->d_name) >= (int)sizeof name) {
            continue;
        }
        int fd = open_connection(name);
        if (fd < 0) {
            continue; /* left behind by one that is dead */
        }
        (void)close(fd);
        memcpy(path, name, sizeof name);
        servers++;
        if (found != NULL) {
            found(arg, name);
        }
    }
    (void)closedir(d);
    return servers == 0 ? ENOENT : servers == 1 ? 0 : EEXIST;
}

/* --- a command --- */

/* Makes the request. 0, EINVAL, E2BIG, ENOMEM. */
static int
make_request(struct hs_buf *b, int argc, char *const *argv)
{
    char head[HS_CONTROL_HEAD] = HS_CONTROL_MAGIC;

    if (argc < 1) {
        return EINVAL;
    }
    if (argc > HS_CONTROL_WORDS_MAX) {
        return E2BIG;
    }
    int err = hs_buf_append(b, head, sizeof head);
    for (int i = 0; i < argc && err == 0; i++) {
        err = hs_buf_append(b, argv[i], strlen(argv[i]) + 1);
    }
    if (err == 0) {
        hs_control_put32(b->p + strlen(HS_CONTROL_MAGIC), (uint32_t)(b->len - sizeof head));
    }
    return err == EMSGSIZE ? E2BIG : err;
}

static int
send_all(int fd, const char *p, size_t n)
{
    while (n != 0) {
        ssize_t r = send(fd, p, n, MSG_NOSIGNAL);
        if (r < 0 && errno != EINTR) {
            return errno == EPIPE ? ECONNRESET : errno;
        }
        p += r > 0 ? r : 0;
        n -= r > 0 ? (size_t)r : 0;
    }
    return 0;
}

/* Reads n bytes. 0; ECONNRESET: the connection ends before; errors of recv(2). */
static int
read_all(int fd, char *p, size_t n)
{
    while (n != 0) {
        ssize_t r = recv(fd, p, n, 0);
        if (r < 0 && errno != EINTR) {
            return errno;
        }
        if (r == 0) {
            return ECONNRESET;
        }
        p += r > 0 ? r : 0;
        n -= r > 0 ? (size_t)r : 0;
    }
    return 0;
}

/* Copies the bytes of a frame. 0, EIO, errors of the connection. */
static int
copy_frame(int fd, uint32_t n, FILE *to)
{
    char piece[4096];

    while (n != 0) {
        const size_t want = n < sizeof piece ? n : sizeof piece;
        int err = read_all(fd, piece, want);
        if (err != 0) {
            return err;
        }
        if (fwrite(piece, 1, want, to) != want) {
            return EIO;
        }
        n -= (uint32_t)want;
    }
    return fflush(to) != 0 ? EIO : 0;
}

/* Reads frames up to the end of the command. 0 or errno. */
static int
read_answer(int fd, FILE *out, FILE *err_to, int *status)
{
    char head[HS_CONTROL_FRAME_HEAD], byte;

    for (;;) {
        int err = read_all(fd, head, sizeof head);
        if (err != 0) {
            return err;
        }
        const uint32_t n = hs_control_get32(head + 1);
        if (n > HS_CONTROL_OUTPUT_MAX) {
            return EPROTO;
        }
        switch (head[0]) {
        case HS_CONTROL_OUT:
        case HS_CONTROL_ERR:
            err = copy_frame(fd, n, head[0] == HS_CONTROL_OUT ? out : err_to);
            break;
        case 'X':
            err = n == 1 ? read_all(fd, &byte, 1) : EPROTO;
            if (err == 0) {
                *status = (unsigned char)byte;
            }
            return err;
        default:
            return EPROTO;
        }
        if (err != 0) {
            return err;
        }
    }
}

int
hs_control_command(const char *path, int argc, char *const *argv, FILE *out, FILE *err_to, int *status)
{
    struct hs_buf request;

    hs_buf_init(&request, HS_CONTROL_HEAD + HS_CONTROL_REQUEST_MAX);
    int err = make_request(&request, argc, argv);
    int fd = err == 0 ? open_connection(path) : -1;
    if (err == 0 && fd < 0) {
        err = errno;
    }
    if (err == 0) {
        err = send_all(fd, request.p, request.len);
    }
    if (err == 0) {
        err = read_answer(fd, out, err_to, status);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    hs_buf_fini(&request);
    return err;
}
