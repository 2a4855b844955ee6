/* pid_file.c - a file with the number of the process in it. */
#include "server/pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_MAX = 24 };

static int
write_number(int fd)
{
    char text[TEXT_MAX];

    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    ssize_t r = pwrite(fd, text, (size_t)n, 0);
    if (r < 0) {
        return errno;
    }
    return r != n ? ENOSPC : ftruncate(fd, n) == 0 ? 0 : errno;
}

int
hs_pid_file_write(const char *path, struct hs_pid_file *out)
{
    char *temporary = NULL;

    out->fd = -1;
    out->path = strdup(path);
    if (out->path == NULL || asprintf(&temporary, "%s.%ld", path, (long)getpid()) < 0) {
        free(out->path);
        out->path = NULL;
        return ENOMEM;
    }
    (void)unlink(temporary); /* a file of that name cannot be anybody's who lives: it is our number */
    int err = 0;
    out->fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (out->fd < 0) {
        err = errno;
    }
    if (err == 0) {
        err = write_number(out->fd);
    }
    if (err == 0 && rename(temporary, path) != 0) {
        err = errno;
    }
    if (err != 0) {
        if (out->fd >= 0) {
            (void)unlink(temporary);
        }
        hs_pid_file_forget(out);
    }
    free(temporary);
    return err;
}

int
hs_pid_file_adopt(const char *path, int fd, struct hs_pid_file *out)
{
    out->path = strdup(path);
    if (out->path == NULL) {
        return ENOMEM;
    }
    out->fd = fd;
    return 0;
}

int
hs_pid_file_rewrite(struct hs_pid_file *p)
{
    return write_number(p->fd);
}

/* Whether it says our number. */
static int
is_ours(int fd)
{
    char text[TEXT_MAX] = "";

    return pread(fd, text, sizeof text - 1, 0) > 0 && strtol(text, NULL, 10) == (long)getpid();
}

void
hs_pid_file_remove(struct hs_pid_file *p)
{
    struct stat ours, there;

    if (p->path != NULL && is_ours(p->fd)) {
        bool same = fstat(p->fd, &ours) == 0 && lstat(p->path, &there) == 0 && ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
        if (!same || unlink(p->path) != 0) {
            (void)!ftruncate(p->fd, 0); /* of what is ours in any case */
        }
    }
    hs_pid_file_forget(p);
}

void
hs_pid_file_forget(struct hs_pid_file *p)
{
    if (p->path != NULL && p->fd >= 0) {
        (void)close(p->fd);
    }
    free(p->path);
    p->path = NULL;
    p->fd = -1;
}
