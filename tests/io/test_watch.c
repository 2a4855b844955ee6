/* test_watch.c - io/loop.h: watches. */
#include "io/loop.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc_fail.h"

static struct hs_loop *loop;
static int pair[2];
static struct hs_watch watch;
static unsigned calls, seen; /* what came since the last look */

static void
on_events(void *arg, unsigned events)
{
    assert_ptr_equal(arg, &watch);
    calls++;
    seen |= events;
}

static int
set_up(void **state)
{
    (void)state;
    assert_int_equal(hs_loop_new(NULL, &loop), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    hs_watch_init(&watch, loop, pair[0], on_events, &watch);
    calls = seen = 0;
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    hs_watch_set(&watch, 0);
    close(pair[0]);
    if (pair[1] >= 0) {
        close(pair[1]);
    }
    hs_loop_free(loop);
    return 0;
}

static void
hang_up(void)
{
    close(pair[1]);
    pair[1] = -1;
}

static void
set(unsigned mask)
{
    assert_int_equal(hs_watch_set(&watch, mask), 0);
    assert_int_equal(watch.mask, mask);
}

/* The events of one turn. */
static unsigned
turn(void)
{
    calls = seen = 0;
    assert_int_equal(hs_loop_turn(loop, false), 0);
    assert_true(calls <= 1);
    assert_true((calls == 0) == (seen == 0));
    return seen;
}

/* A socket with bytes to read and room to write reports just what is asked for, whatever was asked for before. */
static void
every_mask_follows_every_other(void **state)
{
    (void)state;
    assert_int_equal(write(pair[1], "x", 1), 1);
    for (unsigned from = 0; from < 8; from++) {
        for (unsigned to = 0; to < 8; to++) {
            set(from);
            assert_int_equal(turn(), from & (HS_READ | HS_WRITE));
            set(to);
            set(to);
            assert_int_equal(turn(), to & (HS_READ | HS_WRITE));
            assert_int_equal(turn(), to & (HS_READ | HS_WRITE)); /* level-triggered */
        }
    }
}

/* The same after the peer has gone: what is asked for comes, at least once. */
static void
every_mask_sees_the_end(void **state)
{
    (void)state;
    hang_up();
    for (unsigned from = 0; from < 8; from++) {
        for (unsigned to = 0; to < 8; to++) {
            set(from);
            turn();
            set(to);
            assert_int_equal(turn(), from == HS_CLOSED && to == HS_CLOSED ? 0 : to);
        }
    }
}

/* What epoll_ctl(2) is asked for in the end, as the kernel shows it. */
static unsigned
kernel_mask(void)
{
    char path[64];
    int epoll = -1;
    for (int fd = 3; fd < 64 && epoll < 0; fd++) {
        char target[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(path, target, sizeof target - 1);
        if (n > 0) {
            target[n] = '\0';
            epoll = strcmp(target, "anon_inode:[eventpoll]") == 0 ? fd : -1;
        }
    }
    assert_true(epoll >= 0);
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", epoll);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    char line[256];
    unsigned mask = 0;
    while (fgets(line, sizeof line, f) != NULL) {
        int fd;
        unsigned events;
        if (sscanf(line, "tfd: %d events: %x", &fd, &events) == 2 && fd == pair[0]) {
            mask = events;
        }
    }
    fclose(f);
    return mask;
}

#define IN 0x1u
#define OUT 0x4u
#define ERR_HUP 0x18u /* always on */
#define RDHUP 0x2000u
#define ET 0x80000000u

static void
the_kernel_is_asked_for_the_mask_and_no_more(void **state)
{
    (void)state;
    static const unsigned wanted[8] = {
        [0] = 0,
        [HS_READ] = IN | ERR_HUP,
        [HS_WRITE] = OUT | ERR_HUP,
        [HS_READ | HS_WRITE] = IN | OUT | ERR_HUP,
        [HS_CLOSED] = IN | RDHUP | ET | ERR_HUP,
        [HS_READ | HS_CLOSED] = IN | RDHUP | ERR_HUP,
        [HS_WRITE | HS_CLOSED] = OUT | RDHUP | ERR_HUP,
        [HS_READ | HS_WRITE | HS_CLOSED] = IN | OUT | RDHUP | ERR_HUP,
    };
    for (unsigned from = 0; from < 8; from++) {
        for (unsigned to = 0; to < 8; to++) {
            set(from);
            set(to);
            assert_int_equal(kernel_mask(), wanted[to]);
        }
    }
}

/* Ruling 3: a client that goes away is seen with pipelined data unread. */
static void
ruling_03_closed_is_seen_behind_unread_data(void **state)
{
    (void)state;
    set(HS_CLOSED);
    assert_int_equal(turn(), 0);
    assert_int_equal(write(pair[1], "data", 4), 4);
    assert_int_equal(turn(), 0);
    assert_int_equal(write(pair[1], "more", 4), 4);
    assert_int_equal(turn(), 0);
    assert_int_equal(shutdown(pair[1], SHUT_WR), 0);
    assert_int_equal(turn(), HS_CLOSED);

    set(HS_READ | HS_CLOSED);
    assert_int_equal(turn(), HS_READ | HS_CLOSED);
    set(HS_WRITE | HS_CLOSED);
    assert_int_equal(turn(), HS_WRITE | HS_CLOSED);
}

/* A reset comes as EPOLLERR, which libevent gives to nobody who waits for EV_CLOSED alone. */
static void
ruling_03_a_reset_is_seen_by_closed_alone(void **state)
{
    (void)state;
    assert_int_equal(write(pair[0], "unread", 6), 6);
    set(HS_CLOSED);
    assert_int_equal(turn(), 0);
    hang_up(); /* with data unread: the other side gets ECONNRESET */
    assert_int_equal(turn(), HS_CLOSED);
    char c;
    assert_int_equal(read(pair[0], &c, 1), -1);
    assert_int_equal(errno, ECONNRESET);
}

static void
a_reset_before_closed_is_asked_for_is_seen(void **state)
{
    (void)state;
    assert_int_equal(write(pair[0], "unread", 6), 6);
    set(HS_READ);
    hang_up();
    set(HS_CLOSED);
    assert_int_equal(turn(), HS_CLOSED);
}

static void
errors_reach_readers_and_writers(void **state)
{
    (void)state;
    assert_int_equal(write(pair[0], "unread", 6), 6);
    hang_up();
    set(HS_READ);
    assert_int_equal(turn(), HS_READ);
    set(HS_WRITE);
    assert_int_equal(turn(), HS_WRITE);
}

static void
closed_alone_works_on_pipes(void **state)
{
    (void)state;
    int p[2];
    assert_int_equal(pipe(p), 0);
    struct hs_watch reader, writer;
    hs_watch_init(&reader, loop, p[0], on_events, &watch);
    hs_watch_init(&writer, loop, p[1], on_events, &watch);
    assert_int_equal(hs_watch_set(&writer, HS_CLOSED), 0);
    assert_int_equal(turn(), 0);
    close(p[0]);
    assert_int_equal(turn(), HS_CLOSED);
    assert_int_equal(hs_watch_set(&writer, 0), 0);
    close(p[1]);

    assert_int_equal(pipe(p), 0);
    hs_watch_init(&reader, loop, p[0], on_events, &watch);
    assert_int_equal(hs_watch_set(&reader, HS_CLOSED), 0);
    assert_int_equal(write(p[1], "x", 1), 1);
    assert_int_equal(turn(), 0);
    close(p[1]);
    assert_int_equal(turn(), HS_CLOSED);
    assert_int_equal(hs_watch_set(&reader, 0), 0);
    close(p[0]);
}

static void
a_file_cannot_be_watched(void **state)
{
    (void)state;
    FILE *f = tmpfile();
    assert_non_null(f);
    struct hs_watch w;
    hs_watch_init(&w, loop, fileno(f), on_events, &watch);
    assert_int_equal(hs_watch_set(&w, HS_READ), EPERM);
    assert_int_equal(w.mask, 0);
    assert_int_equal(hs_watch_set(&w, 0), 0);
    fclose(f);
}

static void
a_closed_descriptor_is_refused(void **state)
{
    (void)state;
    struct hs_watch w;
    hs_watch_init(&w, loop, 200, on_events, &watch);
    assert_int_equal(hs_watch_set(&w, HS_READ), EBADF);
    assert_int_equal(w.mask, 0);
}

/* A descriptor number that comes again is a new descriptor. */
static void
reused_descriptors_start_afresh(void **state)
{
    (void)state;
    for (unsigned mask = 1; mask < 8; mask++) {
        assert_int_equal(write(pair[1], "x", 1), 1);
        set(mask);
        turn();
        set(0);
        int fd = pair[0];
        close(pair[0]);
        close(pair[1]);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
        assert_true(pair[0] == fd || pair[1] == fd);
        hs_watch_init(&watch, loop, pair[0], on_events, &watch);
        set(HS_READ);
        assert_int_equal(turn(), 0);
        assert_int_equal(write(pair[1], "x", 1), 1);
        assert_int_equal(turn(), HS_READ);
        set(0);
    }
}

static void
on_event_free(void *arg, unsigned events)
{
    struct hs_watch *w = arg;
    (void)events;
    calls++;
    hs_watch_set(w, 0);
    free(w);
}

static void
a_callback_may_free_its_watch(void **state)
{
    (void)state;
    static const unsigned masks[] = { HS_READ, HS_READ | HS_CLOSED, HS_CLOSED };
    assert_int_equal(write(pair[1], "x", 1), 1);
    hang_up();
    for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
        struct hs_watch *w = malloc(sizeof *w);
        assert_non_null(w);
        hs_watch_init(w, loop, pair[0], on_event_free, w);
        assert_int_equal(hs_watch_set(w, masks[i]), 0);
        calls = 0;
        hs_loop_turn(loop, true);
        assert_int_equal(calls, 1);
    }
}

static struct hs_watch other;

static void
on_event_stop_other(void *arg, unsigned events)
{
    (void)events;
    struct hs_watch *w = arg;
    calls++;
    hs_watch_set(w == &other ? &watch : &other, 0);
}

/* Both are ready in the same turn; the one that comes first stops the other. */
static void
a_stopped_watch_is_not_called_in_the_same_turn(void **state)
{
    (void)state;
    hs_watch_init(&watch, loop, pair[0], on_event_stop_other, &watch);
    hs_watch_init(&other, loop, pair[1], on_event_stop_other, &other);
    set(HS_WRITE);
    assert_int_equal(hs_watch_set(&other, HS_WRITE), 0);
    calls = 0;
    hs_loop_turn(loop, true);
    assert_int_equal(calls, 1);
    assert_int_equal(hs_watch_set(&other, 0), 0);
}

static void
set_masks(void *arg)
{
    static const unsigned masks[] = { HS_READ, HS_READ | HS_WRITE, HS_CLOSED, HS_WRITE, HS_READ };
    (void)arg;
    struct hs_loop *l;
    struct hs_watch w;
    int err = hs_loop_new(NULL, &l);
    if (err != 0) {
        return;
    }
    /* a number past what libevent has room for at first */
    int fd = dup2(pair[0], 100);
    hs_watch_init(&w, l, fd, on_events, &watch);
    for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
        unsigned before = w.mask;
        err = hs_watch_set(&w, masks[i]);
        assert_true(err == 0 || err == ENOMEM);
        assert_true(w.mask == (err == 0 ? masks[i] : before) || (err != 0 && w.mask == 0));
    }
    assert_int_equal(hs_watch_set(&w, 0), 0);
    close(fd);
    hs_loop_free(l);
}

static void
set_survives_each_failed_allocation(void **state)
{
    (void)state;
    int p[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p), 0);
    pair[0] = p[0];
    set_masks(NULL);
    assert_true(alloc_fail_each(set_masks, NULL) > 2);
    close(p[0]);
    close(p[1]);
}

#define with_watch(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
    event_set_mem_functions(malloc, realloc, free); /* the wrapped ones: libevent's allocations can fail too */
    const struct CMUnitTest tests[] = {
        with_watch(every_mask_follows_every_other),
        with_watch(every_mask_sees_the_end),
        with_watch(the_kernel_is_asked_for_the_mask_and_no_more),
        with_watch(ruling_03_closed_is_seen_behind_unread_data),
        with_watch(ruling_03_a_reset_is_seen_by_closed_alone),
        with_watch(a_reset_before_closed_is_asked_for_is_seen),
        with_watch(errors_reach_readers_and_writers),
        with_watch(closed_alone_works_on_pipes),
        with_watch(a_file_cannot_be_watched),
        with_watch(a_closed_descriptor_is_refused),
        with_watch(reused_descriptors_start_afresh),
        with_watch(a_callback_may_free_its_watch),
        with_watch(a_stopped_watch_is_not_called_in_the_same_turn),
        cmocka_unit_test(set_survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
