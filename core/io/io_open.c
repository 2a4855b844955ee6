/* io_open.c - opening by name: schemes, paths, temporary files.
 * A name that begins with a scheme and "://" goes to the wrapper of that scheme with what follows; everything else is a
 * path. All of this may block on a file system. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ascii.h"
#include "io/io_kind.h"

/* --- schemes --- */

struct scheme {
    const io_wrapper *w;
    struct scheme *next;
};

static pthread_mutex_t schemes_lock = PTHREAD_MUTEX_INITIALIZER;
static struct scheme *schemes; /* under the lock; never removed */

/* RFC 3986 3.1: how many bytes of the name are a scheme; 0: none. */
static size_t
scheme_length(const char *name)
{
    size_t n = 0;
    if (!hs_ascii_is_alpha(name[0])) {
        return 0;
    }
    while (hs_ascii_is_alpha(name[n]) || hs_ascii_is_digit(name[n]) || name[n] == '+' || name[n] == '-' || name[n] == '.') {
        n++;
    }
    return n;
}

static bool
is_scheme(const io_wrapper *w, struct hs_view name)
{
    return hs_ascii_ieq(hs_view_of(w->scheme), name);
}

static const io_wrapper *
find_scheme(struct hs_view name)
{
    const io_wrapper *built_in[] = { hs_io_file_methods(), hs_io_memory_methods(), hs_io_fd_methods() };
    for (size_t i = 0; i < sizeof built_in / sizeof *built_in; i++) {
        if (is_scheme(built_in[i], name)) {
            return built_in[i];
        }
    }
    pthread_mutex_lock(&schemes_lock);
    const struct scheme *s = schemes;
    while (s != NULL && !is_scheme(s->w, name)) {
        s = s->next;
    }
    pthread_mutex_unlock(&schemes_lock);
    return s != NULL ? s->w : NULL;
}

io_wrapper *
io_wrapper_lookup(const char *scheme)
{
    const io_wrapper *w = scheme != NULL ? find_scheme(hs_view_of(scheme)) : NULL;
    if (w == NULL) {
        errno = ENOENT;
    }
    return (io_wrapper *)(uintptr_t)w; /* as documented; nobody is to write there */
}

int
io_wrapper_define(const io_wrapper *wrapper)
{
    if (wrapper == NULL || wrapper->sizeof_self < offsetof(io_wrapper, scheme) + sizeof wrapper->scheme ||
        wrapper->scheme == NULL || wrapper->scheme[0] == '\0' || wrapper->scheme[scheme_length(wrapper->scheme)] != '\0') {
        return EINVAL;
    }
    struct scheme *s = malloc(sizeof *s);
    if (s == NULL) {
        return ENOMEM;
    }
    s->w = wrapper;
    /* Two threads that define the same scheme at once: the first one wins. */
    static pthread_mutex_t define_lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&define_lock);
    int err = EEXIST;
    if (find_scheme(hs_view_of(wrapper->scheme)) == NULL) {
        pthread_mutex_lock(&schemes_lock);
        s->next = schemes;
        schemes = s;
        pthread_mutex_unlock(&schemes_lock);
        s = NULL;
        err = 0;
    }
    pthread_mutex_unlock(&define_lock);
    free(s);
    return err;
}

/* --- paths --- */

io_object *
hs_io_open_path(const char *path, int options, int mode, bool wait)
{
    int fd = -1;
    int flags = options | O_CLOEXEC | O_NOCTTY;
    do {
        fd = open(path, wait ? flags : flags | O_NONBLOCK, (mode_t)mode);
        if (fd < 0 && errno == EWOULDBLOCK && !wait) {
            fd = open(path, flags, (mode_t)mode); /* somebody has a lease on the file */
        }
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        return NULL;
    }
    io_object *io = hs_io_from_fd(fd, NULL, options);
    if (io == NULL) {
        int saved = errno;
        close(fd);
        errno = saved;
    }
    return io;
}

/* Opens a scheme's resource. */
static io_object *
open_scheme(const io_wrapper *w, const char *rest, int options, int mode, ECDict context)
{
    int (*open_method)(io_object *, const char *, int, int) = HS_IO_METHOD(w, open);
    if (open_method == NULL) {
        errno = ENOTSUP;
        return NULL;
    }
    struct hs_io *x = hs_io_alloc(sizeof *x, NULL, w);
    if (x == NULL) {
        return NULL;
    }
    x->pub.options = options;
    x->pub.mode = mode;
    io_wrapper_set_context(&x->pub, context);
    errno = 0;
    if (open_method(&x->pub, rest, options, mode) < 0) {
        errno = errno != 0 ? errno : EIO;
        hs_io_discard(x);
        return NULL;
    }
    return &x->pub;
}

/* What follows "scheme://"; NULL when the name does not begin like that. *n: the length of the scheme. */
static const char *
after_scheme(const char *name, size_t *n)
{
    *n = scheme_length(name);
    return *n != 0 && strncmp(name + *n, "://", 3) == 0 ? name + *n + 3 : NULL;
}

io_object *
hs_io_opened(io_object *io, const char *name, int options, int mode, ECDict context)
{
    io->mode = mode;
    io->options = options;
    if (io->context == NULL) {
        io_wrapper_set_context(io, context);
    }
    if (io->path == NULL && (io->path = strdup(name)) == NULL) {
        io_wrapper_delref(io);
        errno = ENOMEM;
        return NULL;
    }
    return io;
}

bool
hs_io_name_has_scheme(const char *name)
{
    size_t n;
    return after_scheme(name, &n) != NULL;
}

io_object *
hs_io_open_any(const char *name, int options, int mode, ECDict context, bool wait)
{
    size_t n;
    const char *rest = after_scheme(name, &n);
    const io_wrapper *w = rest != NULL ? find_scheme((struct hs_view){ name, n }) : hs_io_file_methods();
    if (w == NULL) {
        errno = EPROTONOSUPPORT;
        return NULL;
    }
    io_object *io = w == hs_io_file_methods() ? hs_io_open_path(rest != NULL ? rest : name, options, mode, wait)
                                              : open_scheme(w, rest, options, mode, context);
    return io != NULL ? hs_io_opened(io, name, options, mode, context) : NULL;
}

io_object *
io_wrapper_open2(const char *name, int options, int mode, ECDict context)
{
    if (name == NULL) {
        errno = EINVAL;
        return NULL;
    }
    return hs_io_open_any(name, options, mode, context, true);
}

io_object *
io_wrapper_open(const char *name, int options, int mode)
{
    return io_wrapper_open2(name, options, mode, NULL);
}

/* Makes the directories that lead to path. 0, or -1 with errno. */
static int
make_directories(char *path, int mode)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int r = mkdir(path, (mode_t)mode);
        *slash = '/';
        if (r != 0 && errno != EEXIST) {
            return -1;
        }
    }
    return 0;
}

io_object *
io_wrapper_mkpath_and_open(const char *name, int options, int dirmode, int filemode)
{
    io_object *io = io_wrapper_open(name, options, filemode);
    if (io != NULL || errno != ENOENT || (options & O_CREAT) == 0 || name[0] == '\0') {
        return io;
    }
    size_t n;
    const char *rest = after_scheme(name, &n);
    char *path = strdup(rest != NULL ? rest : name);
    if (path == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    int r = path[0] != '\0' ? make_directories(path, dirmode) : 0;
    int saved = errno;
    free(path);
    errno = saved;
    return r == 0 ? io_wrapper_open(name, options, filemode) : NULL;
}

/* --- temporary files --- */

/* A file without a name in dir; where the file system has no O_TMPFILE, a name that goes at once. */
static int
open_unnamed(const char *dir)
{
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) {
        return fd;
    }
    static const char name[] = "/httpsrv-XXXXXX";
    size_t n = strlen(dir);
    char *path = malloc(n + sizeof name);
    if (path == NULL) {
        errno = ENOMEM;
        return -1;
    }
    memcpy(path, dir, n);
    memcpy(path + n, name, sizeof name);
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0) {
        unlink(path);
    }
    int saved = errno;
    free(path);
    errno = saved;
    return fd;
}

io_object *
io_wrapper_open_tmpspool(void)
{
    const char *dir = secure_getenv("TMPDIR");
    int fd = open_unnamed(dir != NULL && dir[0] != '\0' ? dir : "/tmp");
    if (fd < 0) {
        return NULL;
    }
    io_object *io = hs_io_file_new(fd, NULL, O_RDWR, true);
    if (io == NULL) {
        int saved = errno;
        close(fd);
        errno = saved;
        return NULL;
    }
    io->mode = 0600;
    return io;
}
