/* test_ipc.c - server/ipc.h: messages between master and worker. */
#include "server/ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc_fail.h"

struct side {
    struct hs_ipc *ipc;
    unsigned messages, closed;
    uint32_t type, number;
    size_t n;
    char text[HS_IPC_TEXT_MAX];
    bool free_in_message;
};

struct world {
    struct hs_loop *loop;
    struct side a;
    int fd; /* the other side, by hand */
};

static void
on_message(void *arg, uint32_t type, uint32_t number, struct hs_view text)
{
    struct side *s = arg;
    s->messages++;
    s->type = type;
    s->number = number;
    s->n = text.n;
    memcpy(s->text, text.p, text.n);
    if (s->free_in_message) {
        hs_ipc_free(s->ipc);
        s->ipc = NULL;
    }
}

static void
on_closed(void *arg)
{
    struct side *s = arg;
    s->closed++;
}

static const struct hs_ipc_calls calls = { on_message, on_closed };

static void
world_new(struct world *w)
{
    int fds[2];
    memset(w, 0, sizeof *w);
    assert_int_equal(hs_loop_new(&(struct hs_loop_options){ .test_clock = true }, &w->loop), 0);
    assert_int_equal(hs_ipc_pair(fds), 0);
    assert_int_equal(hs_ipc_new(w->loop, fds[0], &calls, &w->a, &w->a.ipc), 0);
    w->fd = fds[1];
}

static void
turn(struct world *w)
{
    for (int i = 0; i < 3; i++) {
        assert_int_equal(hs_loop_turn(w->loop, false), 0);
    }
}

static void
world_free(struct world *w)
{
    hs_ipc_free(w->a.ipc);
    (void)close(w->fd);
    hs_loop_free(w->loop);
}

static void
before_there_is_a_loop_messages_are_read_by_hand(void **state)
{
    (void)state;
    int fds[2];
    uint32_t type, number;
    char text[8];
    assert_int_equal(hs_ipc_pair(fds), 0);
    assert_int_equal(hs_ipc_read(fds[1], 0, &type, &number, text, sizeof text), ETIMEDOUT);
    assert_int_equal(hs_ipc_write(fds[0], 5, 77, HS_VIEW("hello")), 0);
    assert_int_equal(hs_ipc_write(fds[0], 6, 78, HS_VIEW("1234567")), 0);
    assert_int_equal(hs_ipc_write(fds[0], 7, 79, HS_VIEW("12345678")), 0);
    assert_int_equal(hs_ipc_read(fds[1], 1000, &type, &number, text, sizeof text), 0);
    assert_int_equal(type, 5);
    assert_int_equal(number, 77);
    assert_string_equal(text, "hello");
    assert_int_equal(hs_ipc_read(fds[1], 1000, &type, &number, text, sizeof text), 0);
    assert_string_equal(text, "1234567");
    assert_int_equal(hs_ipc_read(fds[1], 1000, &type, &number, text, sizeof text), EMSGSIZE); /* no room for the NUL */
    assert_int_equal(send(fds[0], "abc", 3, 0), 3);
    assert_int_equal(hs_ipc_read(fds[1], 1000, &type, &number, text, sizeof text), EMSGSIZE);
    int err = 0;
    for (int i = 0; i < 100000 && err == 0; i++) {
        err = hs_ipc_write(fds[0], 1, 1, HS_VIEW("more and more"));
    }
    assert_int_equal(err, EAGAIN);
    (void)close(fds[0]);
    while ((err = hs_ipc_read(fds[1], 1000, &type, &number, text, sizeof text)) == EMSGSIZE) {
    }
    assert_int_equal(err, EPIPE);
    (void)close(fds[1]);
}

static void
last_words_are_delivered_without_a_turn(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    assert_int_equal(hs_ipc_write(w.fd, 9, 1, HS_VIEW("a")), 0);
    assert_int_equal(hs_ipc_write(w.fd, 9, 2, HS_VIEW("b")), 0);
    hs_ipc_deliver(w.a.ipc);
    assert_int_equal(w.a.messages, 2);
    assert_int_equal(w.a.number, 2);
    hs_ipc_deliver(w.a.ipc);
    assert_int_equal(w.a.messages, 2);
    (void)close(w.fd);
    hs_ipc_deliver(w.a.ipc);
    hs_ipc_deliver(w.a.ipc);
    w.fd = -1;
    world_free(&w);
}

static void
what_was_said_before_an_end_with_messages_unread_arrives(void **state)
{
    (void)state;
    for (int by_loop = 0; by_loop <= 1; by_loop++) {
        struct world w;
        world_new(&w);
        assert_int_equal(hs_ipc_send(w.a.ipc, 1, 1, HS_VIEW("never read")), 0);
        assert_int_equal(hs_ipc_write(w.fd, 9, 7, HS_VIEW("last words")), 0);
        (void)close(w.fd);
        w.fd = -1;
        if (by_loop) {
            turn(&w);
            turn(&w);
        } else {
            hs_ipc_deliver(w.a.ipc);
        }
        assert_int_equal(w.a.messages, 1);
        assert_int_equal(w.a.number, 7);
        turn(&w);
        assert_int_equal(w.a.closed, 1);
        world_free(&w);
    }
}

static void
messages_arrive_whole_and_in_order(void **state)
{
    (void)state;
    struct world w;
    struct side b = { .messages = 0 };
    world_new(&w);
    assert_int_equal(hs_ipc_new(w.loop, w.fd, &calls, &b, &b.ipc), 0);
    assert_int_equal(hs_ipc_send(w.a.ipc, 5, 77, HS_VIEW("hello")), 0);
    assert_int_equal(hs_ipc_send(w.a.ipc, 6, 78, (struct hs_view){ NULL, 0 }), 0);
    turn(&w);
    assert_int_equal(b.messages, 2);
    assert_int_equal(b.type, 6);
    assert_int_equal(b.number, 78);
    assert_int_equal(b.n, 0);
    static char big[HS_IPC_TEXT_MAX];
    memset(big, 'x', sizeof big);
    assert_int_equal(hs_ipc_send(b.ipc, 7, 1, (struct hs_view){ big, sizeof big }), 0);
    turn(&w);
    assert_int_equal(w.a.n, sizeof big);
    assert_memory_equal(w.a.text, big, sizeof big);
    assert_int_equal(hs_ipc_send(b.ipc, 7, 1, (struct hs_view){ big, sizeof big + 1 }), EMSGSIZE);
    hs_ipc_free(b.ipc);
    w.fd = -1;
    turn(&w);
    assert_int_equal(w.a.closed, 1);
    assert_int_equal(hs_ipc_send(w.a.ipc, 1, 1, HS_VIEW("x")), EPIPE);
    world_free(&w);
}

static void
what_the_kernel_does_not_take_waits_up_to_a_limit(void **state)
{
    (void)state;
    struct world w;
    static char big[HS_IPC_TEXT_MAX], got[HS_IPC_TEXT_MAX + 8];
    unsigned sent = 0, received = 0;
    int err;
    world_new(&w);
    while ((err = hs_ipc_send(w.a.ipc, 1, sent, (struct hs_view){ big, sizeof big })) == 0) {
        sent++;
        assert_true(sent < 10000);
    }
    assert_int_equal(err, ENOBUFS);
    assert_true(sent > HS_IPC_QUEUE_MAX / (HS_IPC_TEXT_MAX + 8));
    while (received < sent) {
        uint32_t number;
        ssize_t n = recv(w.fd, got, sizeof got, MSG_DONTWAIT);
        if (n < 0) {
            assert_int_equal(errno, EAGAIN);
            turn(&w);
            continue;
        }
        assert_int_equal(n, sizeof got);
        memcpy(&number, got + 4, 4);
        assert_int_equal(number, received);
        received++;
    }
    assert_int_equal(hs_ipc_send(w.a.ipc, 1, 0, HS_VIEW("again")), 0);
    assert_int_equal(recv(w.fd, got, sizeof got, MSG_DONTWAIT), 8 + 5);
    world_free(&w);
}

static void
the_other_sides_end_is_told_once(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    (void)close(w.fd);
    w.fd = -1;
    turn(&w);
    turn(&w);
    assert_int_equal(w.a.closed, 1);
    assert_int_equal(w.a.messages, 0);
    world_free(&w);
}

static void
what_is_no_message_ends_it(void **state)
{
    (void)state;
    struct world w;
    static const char garbage[3];
    world_new(&w);
    assert_int_equal(send(w.fd, garbage, sizeof garbage, 0), sizeof garbage);
    turn(&w);
    assert_int_equal(w.a.messages, 0);
    assert_int_equal(w.a.closed, 1);
    world_free(&w);

    static char cut[HS_IPC_TEXT_MAX + 9];
    world_new(&w);
    assert_int_equal(send(w.fd, cut, sizeof cut, 0), sizeof cut);
    turn(&w);
    assert_int_equal(w.a.messages, 0);
    assert_int_equal(w.a.closed, 1);
    world_free(&w);
}

static void
it_may_be_freed_in_its_own_call(void **state)
{
    (void)state;
    struct world w;
    static const char two[16];
    world_new(&w);
    w.a.free_in_message = true;
    assert_int_equal(send(w.fd, two, sizeof two, 0), sizeof two);
    assert_int_equal(send(w.fd, two, sizeof two, 0), sizeof two);
    turn(&w);
    assert_int_equal(w.a.messages, 1);
    assert_int_equal(w.a.closed, 0);
    hs_ipc_free(NULL);
    world_free(&w);
}

/* What comes with a message: the first descriptor is taken, others are not. */
struct taker {
    struct hs_ipc *ipc;
    unsigned messages;
    int fd;
};

static void
take(void *arg, uint32_t type, uint32_t number, struct hs_view text)
{
    struct taker *t = arg;
    (void)type;
    (void)number;
    (void)text;
    t->messages++;
    t->fd = hs_ipc_take_fd(t->ipc, 0);
    assert_int_equal(hs_ipc_take_fd(t->ipc, 0), -1); /* once */
    assert_int_equal(hs_ipc_take_fd(t->ipc, 2), -1);
}

static void
never_closed(void *arg)
{
    (void)arg;
    fail();
}

static unsigned
count_fds(void)
{
    unsigned n = 0;
    for (int fd = 0; fd < 256; fd++) {
        n += fcntl(fd, F_GETFD) >= 0;
    }
    return n;
}

static void
descriptors_go_with_messages(void **state)
{
    static const struct hs_ipc_calls taking = { take, never_closed };
    static const char big[HS_IPC_TEXT_MAX];
    struct taker a = { .fd = -1 }, b = { .fd = -1 };
    struct hs_loop *loop;
    int ends[2], files[2];
    char text[8] = "";
    unsigned start = count_fds();
    (void)state;
    assert_int_equal(hs_loop_new(NULL, &loop), 0);
    assert_int_equal(hs_ipc_pair(ends), 0);
    assert_int_equal(hs_ipc_new(loop, ends[0], &taking, &a, &a.ipc), 0);
    assert_int_equal(hs_ipc_new(loop, ends[1], &taking, &b, &b.ipc), 0);
    assert_int_equal(pipe2(files, O_CLOEXEC), 0);
    unsigned before = count_fds();
    assert_int_equal(hs_ipc_send_fds(a.ipc, 1, 2, HS_VIEW("x"), files, 2), 0);
    while (b.messages < 1) {
        assert_int_equal(hs_loop_turn(loop, true), 0);
    }
    assert_true(b.fd >= 0 && b.fd != files[0]);
    assert_true((fcntl(b.fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_int_equal(count_fds(), before + 1); /* the other one was closed */
    assert_int_equal(write(files[1], "hello", 5), 5);
    assert_int_equal(read(b.fd, text, sizeof text), 5);
    (void)close(b.fd);
    unsigned sent = 1; /* and behind messages that wait */
    for (int i = 0; i < 40; i++, sent++) {
        assert_int_equal(hs_ipc_send(a.ipc, 1, 1, (struct hs_view){ big, sizeof big }), 0);
    }
    assert_int_equal(hs_ipc_send_fds(a.ipc, 1, 2, HS_VIEW("x"), files, 1), 0);
    sent++;
    while (b.messages < sent) {
        assert_int_equal(hs_loop_turn(loop, true), 0);
    }
    assert_true(b.fd >= 0);
    (void)close(b.fd);
    assert_int_equal(count_fds(), before);
    for (int i = 0; i < 40; i++) { /* one that is never sent */
        assert_int_equal(hs_ipc_send_fds(a.ipc, 1, 1, (struct hs_view){ big, sizeof big }, files, 1), 0);
    }
    hs_ipc_free(a.ipc);
    hs_ipc_free(b.ipc);
    (void)close(files[0]);
    (void)close(files[1]);
    hs_loop_free(loop);
    assert_int_equal(count_fds(), start);
}

static void
scenario(void *arg)
{
    int *fds = arg;
    struct side a = { .messages = 0 };
    struct hs_loop *loop;
    if (hs_loop_new(NULL, &loop) != 0) {
        return;
    }
    if (hs_ipc_pair(fds) == 0) {
        int err = hs_ipc_new(loop, fds[0], &calls, &a, &a.ipc);
        for (int i = 0; i < 50 && err == 0; i++) {
            static const char big[HS_IPC_TEXT_MAX];
            err = hs_ipc_send(a.ipc, 1, 1, (struct hs_view){ big, sizeof big });
        }
        assert_true(err == 0 || err == ENOMEM);
        if (a.ipc == NULL) {
            (void)close(fds[0]);
        }
        hs_ipc_free(a.ipc);
        (void)close(fds[1]);
    }
    hs_loop_free(loop);
}

static void
threat_38_each_allocation_fails_once(void **state)
{
    (void)state;
    int fds[2];
    assert_true(alloc_fail_each(scenario, fds) > 10);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_there_is_a_loop_messages_are_read_by_hand),
        cmocka_unit_test(last_words_are_delivered_without_a_turn),
        cmocka_unit_test(what_was_said_before_an_end_with_messages_unread_arrives),
        cmocka_unit_test(messages_arrive_whole_and_in_order),
        cmocka_unit_test(what_the_kernel_does_not_take_waits_up_to_a_limit),
        cmocka_unit_test(the_other_sides_end_is_told_once),
        cmocka_unit_test(what_is_no_message_ends_it),
        cmocka_unit_test(it_may_be_freed_in_its_own_call),
        cmocka_unit_test(descriptors_go_with_messages),
        cmocka_unit_test(threat_38_each_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
