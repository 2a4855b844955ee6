/* transport_test.h - two connected transports for tests, sockets or in memory, and what was reported to their ends. */
#ifndef TESTS_IO_TRANSPORT_TEST_H
#define TESTS_IO_TRANSPORT_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/transport.h"

struct end {
    struct hs_transport *t;
    unsigned calls, seen;
    bool close_in_event;
};

static struct hs_loop *loop;
static struct end a, b;
static bool in_memory;
static bool calling; /* inside an operation: no event may come from there */
static struct hs_memory_pair_options options;

static inline void
on_event(void *arg, unsigned events)
{
    struct end *e = arg;
    assert_false(calling);
    assert_non_null(e->t);
    assert_int_equal(events & ~e->t->interest, 0);
    e->calls++;
    e->seen |= events;
    if (e->close_in_event) {
        e->t->ops->close(e->t, false);
        e->t = NULL;
    }
}

static inline int
make_pair(void)
{
    a = b = (struct end){ 0 };
    if (in_memory) {
        int err = hs_memory_transport_pair(loop, &options, &a.t, &b.t);
        if (err != 0) {
            return err;
        }
    } else {
        int fds[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0) {
            return errno;
        }
        int err = hs_socket_transport_new(loop, fds[0], &a.t);
        if (err != 0) {
            close(fds[1]);
            return err;
        }
        err = hs_socket_transport_new(loop, fds[1], &b.t);
        if (err != 0) {
            a.t->ops->close(a.t, false);
            return err;
        }
    }
    a.t->on_event = b.t->on_event = on_event;
    a.t->arg = &a;
    b.t->arg = &b;
    return 0;
}

static inline void
close_end(struct end *e, bool reset)
{
    if (e->t != NULL) {
        calling = true;
        e->t->ops->close(e->t, reset);
        calling = false;
        e->t = NULL;
    }
}

static inline ssize_t
put(struct end *e, const void *p, size_t n)
{
    struct iovec iov = { .iov_base = (void *)(uintptr_t)p, .iov_len = n };
    calling = true;
    ssize_t ret = e->t->ops->writev(e->t, &iov, 1, false);
    calling = false;
    return ret;
}

static inline ssize_t
get(struct end *e, void *p, size_t n)
{
    calling = true;
    ssize_t ret = e->t->ops->read(e->t, p, n);
    calling = false;
    return ret;
}

static inline void
want(struct end *e, unsigned mask)
{
    calling = true;
    assert_int_equal(e->t->ops->set_interest(e->t, mask), 0);
    calling = false;
    assert_int_equal(e->t->interest, mask);
}

/* The events that one turn brings to e. */
static inline unsigned
turn(struct end *e)
{
    a.calls = b.calls = a.seen = b.seen = 0;
    assert_int_equal(hs_loop_turn(loop, false), 0);
    assert_true(a.calls <= 1 && b.calls <= 1);
    return e->seen;
}

#define assert_fails(call, code)       \
    do {                               \
        errno = 0;                     \
        assert_int_equal((call), -1);  \
        assert_int_equal(errno, code); \
    } while (0)

/* Reads all there is; how much that was. */
static inline size_t
empty(struct end *e)
{
    static char sink[65536];
    size_t total = 0;
    ssize_t n;
    while ((n = get(e, sink, sizeof sink)) > 0) {
        total += (size_t)n;
    }
    return total;
}

/* The nth byte of what tests send. */
static inline char
byte_at(size_t n)
{
    return (char)((n * 2654435761u) >> 13);
}

/* A descriptor of an unnamed file with such bytes. */
static inline int
make_file(size_t size)
{
    FILE *f = tmpfile();
    assert_non_null(f);
    for (size_t i = 0; i < size; i++) {
        assert_int_not_equal(putc((unsigned char)byte_at(i), f), EOF);
    }
    assert_int_equal(fflush(f), 0);
    int fd = fcntl(fileno(f), F_DUPFD_CLOEXEC, 0);
    assert_true(fd >= 0);
    fclose(f);
    return fd;
}

/* How many descriptors are open. */
static inline int
open_fds(void)
{
    int n = 0;
    for (int fd = 0; fd < 256; fd++) {
        n += fcntl(fd, F_GETFD) != -1;
    }
    return n;
}

#endif
