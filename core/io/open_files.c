/* open_files.c - see open_files.h. Each path has one place in a table; two that share it push each other out. */
#include "io/open_files.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "io/loop_int.h"

#define OPEN_FILES_MAX 64 /* a power of two */
#define KEPT_FOR HS_SEC   /* unused: at least this long, at most twice */

struct entry {
    uint64_t hash;        /* of the path that was opened last, or is kept */
    int64_t asked_at;     /* loop time */
    struct hs_file *file; /* NULL: none is kept here */
    char *path;
    struct stat st; /* when it was opened */
    bool used;      /* since the last look */
};

struct hs_open_files {
    struct hs_timer timer; /* runs while there is something to close */
    struct entry entries[OPEN_FILES_MAX];
};

static void
entry_drop(struct entry *e)
{
    if (e->file != NULL) {
        (void)hs_file_drop(e->file);
        free(e->path);
        e->file = NULL;
        e->path = NULL;
    }
}

static void
drop_unused(void *arg)
{
    struct hs_open_files *o = arg;
    bool any = false;

    for (size_t i = 0; i < OPEN_FILES_MAX; i++) {
        struct entry *e = &o->entries[i];
        if (!e->used) {
            entry_drop(e);
        }
        e->used = false;
        any |= e->file != NULL;
    }
    if (any && hs_timer_set(&o->timer, KEPT_FOR) != 0) {
        for (size_t i = 0; i < OPEN_FILES_MAX; i++) {
            entry_drop(&o->entries[i]);
        }
    }
}

void
hs_open_files_free(struct hs_open_files *o)
{
    if (o == NULL) {
        return;
    }
    hs_timer_cancel(&o->timer);
    for (size_t i = 0; i < OPEN_FILES_MAX; i++) {
        entry_drop(&o->entries[i]);
    }
    free(o);
}

static bool
same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* Nothing has happened to the file but reading and writing: its place, its owner and who may read it are as they were. */
static bool
is_same(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_mode == b->st_mode && a->st_uid == b->st_uid && a->st_gid == b->st_gid &&
           same_time(a->st_ctim, b->st_ctim);
}

struct hs_file *
hs_open_files_find(struct hs_loop *loop, const char *path, struct stat *st)
{
    if (loop->open_files == NULL) {
        return NULL;
    }
    const uint64_t hash = hs_hash(hs_view_of(path));
    struct entry *e = &loop->open_files->entries[hash & (OPEN_FILES_MAX - 1)];
    if (e->file == NULL || e->hash != hash || strcmp(e->path, path) != 0) {
        return NULL;
    }
    if (stat(path, st) != 0 || !is_same(st, &e->st)) {
        entry_drop(e);
        return NULL;
    }
    e->used = true;
    return hs_file_take(e->file);
}

static struct hs_open_files *
of_loop(struct hs_loop *loop)
{
    if (loop->open_files == NULL && (loop->open_files = calloc(1, sizeof *loop->open_files)) != NULL) {
        hs_timer_init(&loop->open_files->timer, loop, drop_unused, loop->open_files);
    }
    return loop->open_files;
}

void
hs_open_files_note(struct hs_loop *loop, const char *path, struct hs_file *file, const struct stat *st)
{
    struct hs_open_files *o = of_loop(loop);
    if (o == NULL) {
        return;
    }
    const uint64_t hash = hs_hash(hs_view_of(path));
    const int64_t now = hs_loop_now(loop);
    struct entry *e = &o->entries[hash & (OPEN_FILES_MAX - 1)];
    const bool again = e->hash == hash && now - e->asked_at <= KEPT_FOR;

    if (e->file != NULL && e->used && e->hash != hash) {
        return; /* the place is wanted */
    }
    entry_drop(e);
    e->hash = hash;
    e->asked_at = now;
    if (!again || (!hs_timer_pending(&o->timer) && hs_timer_set(&o->timer, KEPT_FOR) != 0) || (e->path = strdup(path)) == NULL) {
        return;
    }
    e->file = hs_file_take(file);
    e->st = *st;
    e->used = true;
}
