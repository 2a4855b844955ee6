/* file_test.h - what the tests of files share: two files, and the system calls, caught so that they can be counted and made to fail.
 * Include it last. */
#ifndef TESTS_IO_FILE_TEST_H
#define TESTS_IO_FILE_TEST_H

#include <pthread.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "caught_syscall.h"
#include "io_test.h"

#define BIG ((size_t)5 << 20)

/* --- the calls, caught --- */

static int nowait_err;        /* preadv2 gives this */
static int nowait_misses;     /* so many times preadv2 gives EAGAIN first: a real miss may be filled before it is noticed */
static size_t nowait_most;    /* preadv2 reads at most this; 0: no limit */
static _Atomic int eintr;     /* this many calls are interrupted first */
static _Atomic int pread_err; /* pread gives this */
static _Atomic int preads, nowaits;
static pthread_t test_thread; /* which turns the loop */
static int waits_here;        /* calls by it that may wait for a disk */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER; /* held: pread in other threads waits */

/* A call that may wait for a disk. Whether it is the test's thread that makes it. */
static inline bool
note_wait(void)
{
    const bool here = pthread_equal(pthread_self(), test_thread) != 0;
    waits_here += here;
    return here;
}

static inline bool
interrupted(void)
{
    if (eintr > 0) {
        eintr--;
        errno = EINTR;
        return true;
    }
    return false;
}

ssize_t
preadv2(int fd, const struct iovec *iov, int iovcnt, off_t off, int flags)
{
    nowaits++;
    if (!(flags & RWF_NOWAIT)) {
        (void)note_wait();
    }
    if (interrupted()) {
        return -1;
    }
    if (nowait_misses > 0 || nowait_err != 0) {
        errno = nowait_misses > 0 ? EAGAIN : nowait_err;
        nowait_misses -= nowait_misses > 0;
        return -1;
    }
    struct iovec one = *iov;
    if (nowait_most != 0 && one.iov_len > nowait_most) {
        one.iov_len = nowait_most;
    }
    return syscall(SYS_preadv2, fd, iovcnt == 1 ? &one : iov, iovcnt, off, 0L, flags);
}

ssize_t
pread(int fd, void *buf, size_t n, off_t off)
{
    preads++;
    if (!note_wait()) {
        pthread_mutex_lock(&gate);
        pthread_mutex_unlock(&gate);
    }
    if (interrupted()) {
        return -1;
    }
    if (pread_err != 0) {
        errno = pread_err;
        return -1;
    }
    return syscall(SYS_pread64, fd, buf, n, off);
}

ssize_t
readahead(int fd, off_t off, size_t n)
{
    (void)note_wait();
    return syscall(SYS_readahead, fd, off, n);
}

ssize_t
pwritev(int fd, const struct iovec *iov, int iovcnt, off_t off)
{
    return interrupted() ? -1 : syscall(SYS_pwritev, fd, iov, iovcnt, off, 0L);
}

static bool no_cachestat_here; /* cachestat(2) is not there */

static bool
answered(long number, const long args[6], long *result)
{
    (void)args;
    if (number != 451 || !no_cachestat_here) {
        return false;
    }
    errno = ENOSYS;
    *result = -1;
    return true;
}

/* --- files --- */

static char *big;
static char big_path[64], shm_path[64];
static bool can_be_cold;

static inline int
make_files(void **state)
{
    (void)state;
    big = malloc(BIG);
    assert_non_null(big);
    fill(big, BIG, 1);
    make_file(big_path, disk_folder(), big, BIG);
    can_be_cold = drop_cache(big_path);
    make_file(shm_path, "/dev/shm", big, 100000);
    return 0;
}

static inline int
remove_files(void **state)
{
    (void)state;
    unlink(big_path);
    unlink(shm_path);
    free(big);
    return 0;
}

static inline void
calls_set_up(void)
{
    nowait_err = 0;
    nowait_misses = 0;
    nowait_most = 0;
    eintr = 0;
    pread_err = 0;
    preads = nowaits = 0;
    test_thread = pthread_self();
    waits_here = 0;
}

static inline int
file_set_up(void **state)
{
    calls_set_up();
    return io_set_up(state);
}

static inline int
file_set_up_test_clock(void **state)
{
    calls_set_up();
    return io_set_up_test_clock(state);
}

static inline int
file_set_up_no_loop(void **state)
{
    file_set_up(state);
    hs_loop_free(loop);
    loop = NULL;
    return 0;
}

static inline io_object *
open_file(const char *path, int options)
{
    io_object *io = io_wrapper_open(path, options, 0600);
    assert_non_null(io);
    return io;
}

/* A file that is in the page cache. */
static inline io_object *
open_warm(void)
{
    int fd = open(big_path, O_RDONLY | O_CLOEXEC);
    char *buf = malloc(BIG);
    assert_int_equal(syscall(SYS_pread64, fd, buf, BIG, 0), BIG);
    free(buf);
    close(fd);
    return open_file(big_path, O_RDONLY);
}

static inline io_object *
open_cold(void)
{
    if (!can_be_cold) {
        print_message("no file system here whose cache can be emptied\n");
        skip();
    }
    assert_true(drop_cache(big_path));
    nowait_misses = 1;
    return open_file(big_path, O_RDONLY);
}

static inline void
assert_big(io_object *io, size_t step)
{
    char *buf = malloc(BIG + 1);
    assert_non_null(buf);
    assert_int_equal(read_all(io, buf, BIG + 1, step), BIG);
    assert_memory_equal(buf, big, BIG);
    free(buf);
}

#define file_test(f) cmocka_unit_test_setup_teardown(f, file_set_up, io_tear_down)
#define file_test_clock(f) cmocka_unit_test_setup_teardown(f, file_set_up_test_clock, io_tear_down)
#define file_test_no_loop(f) cmocka_unit_test_setup_teardown(f, file_set_up_no_loop, io_tear_down)

#endif
