/* dev_watch.c - see dev_watch.h.
 * Which directories there are is found out anew after each change: adding a watch that is there already is harmless, and one whose directory
 * has gone ends by itself. */
#include "server/dev_watch.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

#define QUIET (HS_SEC / 10) /* after the last change */
#define LATEST HS_SEC       /* after the first */

enum { DEPTH_MAX = 16, DIRECTORIES_MAX = 4096 };

#define EVENTS (IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

struct hs_dev_watch {
    struct hs_watch watch;
    struct hs_timer timer;
    hs_callback *changed;
    void *arg;
    int64_t first; /* loop time of the first change that has not been told; 0: none */
    bool single;   /* a file is served: no deeper than its lib */
    bool refused;  /* a directory could not be watched; said once */
    char path[];   /* the directory */
};

/* --- what is watched --- */

static void add_below(struct hs_dev_watch *w, const char *dir, unsigned depth, unsigned *left);

static bool
is_directory(const char *path, const struct dirent *d)
{
    struct stat st;

    return d->d_type == DT_DIR || ((d->d_type == DT_UNKNOWN || d->d_type == DT_LNK) && stat(path, &st) == 0 && S_ISDIR(st.st_mode));
}

static bool
is_wanted(const struct hs_dev_watch *w, const struct dirent *d)
{
    return w->single ? strcmp(d->d_name, "lib") == 0 : d->d_name[0] != '.'; /* not into .git */
}

static void
add_children(struct hs_dev_watch *w, const char *dir, unsigned depth, unsigned *left)
{
    char child[PATH_MAX];
    const struct dirent *d;
    DIR *all = opendir(dir);

    if (all == NULL) {
        return; /* it has gone */
    }
    while ((d = readdir(all)) != NULL) {
        int n = is_wanted(w, d) ? snprintf(child, sizeof child, "%s/%s", dir, d->d_name) : 0;
        if (n > 0 && (size_t)n < sizeof child && is_directory(child, d)) {
            add_below(w, child, depth + 1, left);
        }
    }
    closedir(all);
}

static void
add_below(struct hs_dev_watch *w, const char *dir, unsigned depth, unsigned *left)
{
    if (*left == 0 || depth > DEPTH_MAX) {
        return;
    }
    (*left)--;
    if (inotify_add_watch(w->watch.fd, dir, EVENTS) < 0 && errno != ENOENT && !w->refused) {
        w->refused = true;
        hs_log(HS_LOG_WARN, "changes in %s are not noticed: %s", dir, strerror(errno));
    }
    if (!w->single || depth == 0) {
        add_children(w, dir, depth, left);
    }
}

static void
add_all(struct hs_dev_watch *w)
{
    unsigned left = DIRECTORIES_MAX;

    add_below(w, w->path, 0, &left);
}

/* --- what has changed --- */

static bool
is_script(const char *name)
{
    size_t n = strlen(name);

    return n > 4 && name[0] != '.' && strcmp(name + n - 4, ".lua") == 0;
}

static bool
counts(const struct inotify_event *e)
{
    return (e->mask & (IN_Q_OVERFLOW | IN_DELETE_SELF | IN_MOVE_SELF)) != 0 ||
           (e->len != 0 && (is_script(e->name) || ((e->mask & IN_ISDIR) != 0 && e->name[0] != '.')));
}

/* Reads what there is: whether any of it counts. */
static bool
read_events(int fd)
{
    char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    bool any = false;
    ssize_t n;

    while ((n = read(fd, buf, sizeof buf)) > 0) {
        const struct inotify_event *e;
        for (const char *p = buf; p < buf + n; p += sizeof *e + e->len) {
            e = (const struct inotify_event *)p;
            any |= counts(e);
        }
    }
    return any;
}

static void
on_readable(void *arg, unsigned events)
{
    struct hs_dev_watch *w = arg;

    (void)events;
    if (!read_events(w->watch.fd)) {
        return;
    }
    add_all(w); /* soon, so that nothing in a new directory is missed */
    const int64_t now = hs_loop_now(w->watch.loop);
    w->first = w->first != 0 ? w->first : now;
    const int64_t latest = w->first + LATEST - now;
    (void)hs_timer_set(&w->timer, latest < QUIET ? (latest > 0 ? latest : 0) : QUIET); /* no memory: at the next change */
}

static void
on_quiet(void *arg)
{
    struct hs_dev_watch *w = arg;

    w->first = 0;
    add_all(w);
    w->changed(w->arg);
}

/* --- life --- */

/* The directory of a file, as part of its path; "." when it has none. */
static size_t
directory_length(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
}

int
hs_dev_watch_new(struct hs_loop *loop, const char *path, hs_callback *changed, void *arg, struct hs_dev_watch **out)
{
    struct stat st;
    const bool single = stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
    const size_t n = single ? directory_length(path) : strlen(path);
    struct hs_dev_watch *w = calloc(1, sizeof *w + n + 2);

    if (w == NULL) {
        return ENOMEM;
    }
    memcpy(w->path, n != 0 ? path : ".", n != 0 ? n : 1);
    w->single = single;
    w->changed = changed;
    w->arg = arg;
    hs_timer_init(&w->timer, loop, on_quiet, w);
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    int err = fd < 0 ? errno : 0;
    if (err == 0) {
        hs_watch_init(&w->watch, loop, fd, on_readable, w);
        err = hs_watch_set(&w->watch, HS_READ);
    }
    if (err != 0) {
        if (fd >= 0) {
            close(fd);
        }
        free(w);
        return err;
    }
    add_all(w);
    *out = w;
    return 0;
}

void
hs_dev_watch_try(struct hs_loop *loop, const char *path, hs_callback *changed, void *arg, struct hs_dev_watch **out)
{
    *out = NULL;
    int err = hs_dev_watch_new(loop, path, changed, arg, out);

    if (err != 0) {
        hs_log(HS_LOG_WARN, "changes of scripts are not noticed: %s", strerror(err));
    }
}

void
hs_dev_watch_free(struct hs_dev_watch *w)
{
    if (w == NULL) {
        return;
    }
    hs_timer_cancel(&w->timer);
    (void)hs_watch_set(&w->watch, 0); /* stopping cannot fail */
    close(w->watch.fd);
    free(w);
}
