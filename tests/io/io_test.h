/* io_test.h - what the tests of io_objects share: a loop for each test, and nothing left over after it.
 * Include it last: cmocka.h wants its own headers before it. */
#ifndef TESTS_IO_IO_TEST_H
#define TESTS_IO_IO_TEST_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/live.h"
#include "io/io.h"
#include "io/loop.h"
#include "io/pool.h"

static struct hs_loop *loop;
static long live_before;
static int fds_before;

static inline int
count_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    int n = 0;
    while (readdir(d) != NULL) {
        n++;
    }
    closedir(d);
    return n;
}

static inline int
begin(bool with_loop, bool test_clock)
{
    live_before = hs_live_get(HS_LIVE_IO);
    fds_before = count_fds();
    loop = NULL;
    struct hs_loop_options options = { .test_clock = test_clock };
    return with_loop ? hs_loop_new(&options, &loop) : 0;
}

/* Another loop with a test clock in the place of this one: what that kept is gone. */
static inline void
loop_anew(void)
{
    struct hs_loop_options options = { .test_clock = true };
    hs_loop_free(loop);
    loop = NULL;
    assert_int_equal(hs_loop_new(&options, &loop), 0);
}

static inline int
io_set_up(void **state)
{
    (void)state;
    return begin(true, false);
}

static inline int
io_set_up_test_clock(void **state)
{
    (void)state;
    return begin(true, true);
}

static inline int
io_set_up_no_loop(void **state)
{
    (void)state;
    return begin(false, false);
}

/* Whatever the test made must be gone. */
static inline int
io_tear_down(void **state)
{
    (void)state;
    hs_pools_stop();
    if (loop != NULL) {
        hs_loop_free(loop);
        loop = NULL;
    }
    assert_int_equal(hs_live_get(HS_LIVE_IO), live_before);
    assert_int_equal(count_fds(), fds_before);
    return 0;
}

#define io_test(f) cmocka_unit_test_setup_teardown(f, io_set_up, io_tear_down)
#define io_test_clock(f) cmocka_unit_test_setup_teardown(f, io_set_up_test_clock, io_tear_down)
#define io_test_no_loop(f) cmocka_unit_test_setup_teardown(f, io_set_up_no_loop, io_tear_down)

/* A waiter that counts. */
struct waited {
    int calls;
    io_object *io;
};

static inline void
on_wait(io_object *io, void *arg)
{
    struct waited *w = arg;
    w->calls++;
    w->io = io;
}

/* Waits for the io, turning the loop until it is woken. */
static inline void
wait_for(io_object *io, int what)
{
    struct waited w = { 0 };
    assert_int_equal(hs_io_wait(io, what, on_wait, &w), 0);
    while (w.calls == 0) {
        assert_int_equal(hs_loop_turn(loop, true), 0);
    }
    assert_ptr_equal(w.io, io);
}

/* Reads to the end in pieces of at most step bytes, waiting where it has to; bytes read, or -1 with errno. */
static inline ssize_t
read_all(io_object *io, char *buf, size_t size, size_t step)
{
    size_t n = 0;
    while (n < size) {
        ssize_t r = hs_io_read(io, buf + n, size - n < step ? size - n : step);
        if (r == 0) {
            break;
        }
        if (r < 0 && errno != EAGAIN) {
            return -1;
        }
        if (r < 0) {
            wait_for(io, IO_WAIT_READ);
        } else {
            n += (size_t)r;
        }
    }
    return (ssize_t)n;
}

/* The io's bytes are those of the text, read to the end. */
static inline void
assert_content(io_object *io, const char *text)
{
    char buf[4096];
    ssize_t n = read_all(io, buf, sizeof buf, sizeof buf);
    assert_int_equal(n, strlen(text));
    assert_memory_equal(buf, text, (size_t)n);
}

/* Bytes that differ wherever one looks. */
static inline void
fill(char *p, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1103515245u + 12345u;
        p[i] = (char)(seed >> 16);
    }
}

/* A file with those bytes; the name is in path, which the caller unlinks. dir: "/tmp" or "/dev/shm". */
static inline void
make_file(char path[64], const char *dir, const void *data, size_t n)
{
    snprintf(path, 64, "%s/httpsrv-test-XXXXXX", dir);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    size_t done = 0;
    while (done < n) {
        ssize_t r = write(fd, (const char *)data + done, n - done);
        assert_true(r > 0);
        done += (size_t)r;
    }
    close(fd);
}

/* A folder on a disk, where there is one: a file system that keeps everything in memory cannot be cold. */
static inline const char *
disk_folder(void)
{
    const char *const folders[] = { "/tmp", "/var/tmp", "." };
    struct statfs fs;
    for (size_t i = 0; i < 3; i++) {
        if (statfs(folders[i], &fs) == 0 && fs.f_type != TMPFS_MAGIC && access(folders[i], W_OK) == 0) {
            return folders[i];
        }
    }
    return "/tmp";
}

/* Takes the file out of the page cache: false when that cannot be done here. Pages that are just being read stay at
 * the first attempt. */
static inline bool
drop_cache(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fsync(fd), 0);
    bool gone = false;
    for (int i = 0; i < 1000 && !gone; i++) {
        assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
        uint64_t range[2] = { 0, 0 }, counts[5] = { 1 }; /* cachestat(2) */
        char b;
        struct iovec iov = { &b, 1 };
        gone = syscall(451, fd, range, counts, 0u) == 0
                   ? counts[0] == 0
                   : syscall(SYS_preadv2, fd, &iov, 1, 0L, 0L, RWF_NOWAIT) < 0 && errno == EAGAIN;
        if (!gone && i > 10) {
            usleep(1000);
        }
    }
    close(fd);
    return gone;
}

#endif
