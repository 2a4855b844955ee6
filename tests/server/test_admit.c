/* test_admit.c - server/admit.h: connections until their protocol begins. Socket pairs stand for connections; a clock that the test moves. */
#include "server/admit.h"

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
#include "base/log.h"

#define LINE "PROXY TCP4 10.1.2.3 192.0.2.1 12345 80\r\n"
#define V2 "\r\n\r\n\0\r\nQUIT\n"
#define TCP4 V2 "\x21\x11\0\x0c\x0a\1\2\3\xc0\0\2\1\x30\x39\0\x50"
#define BYTES(literal) literal, sizeof(literal) - 1

struct world {
    struct hs_loop *loop;
    struct hs_gates all;
    struct hs_gate *gate;
    struct hs_admit *admit;
    int client;
    int fd; /* of a connection that was let in, -1 */
    bool named;
    int64_t begun;
    char peer[EC_SOCKADDR_TEXT_MAX], local[EC_SOCKADDR_TEXT_MAX];
};

static void
on_admitted(void *arg, int fd, const struct hs_socket_known *known, int64_t begun)
{
    struct world *w = arg;
    assert_int_equal(w->fd, -1);
    w->fd = fd;
    w->begun = begun;
    w->named = known->peer != NULL;
    if (w->named) {
        assert_int_equal(ec_sockaddr_format(known->peer, w->peer, sizeof w->peer), 0);
        assert_int_equal(ec_sockaddr_format(known->local, w->local, sizeof w->local), 0);
    }
    assert_ptr_equal(known->arg, w->gate);
    known->closed(known->arg);
}

static int
try_new(struct world *w, const char *options)
{
    struct hs_listen_options o;
    char why[256];
    memset(w, 0, sizeof *w);
    w->client = w->fd = -1;
    int err = hs_loop_new(&(struct hs_loop_options){ .test_clock = true }, &w->loop);
    if (err == 0) {
        err = hs_quota_new(1, 2, &w->all.quota);
    }
    if (err == 0) {
        err = hs_listen_options_parse(options, &o, why, sizeof why);
    }
    if (err == 0) {
        err = hs_gate_new(&w->all, &o, 1, &w->gate);
        hs_listen_options_fini(&o);
    }
    if (err == 0) {
        err = hs_admit_new(w->loop, 10 * HS_SEC, on_admitted, w, &w->admit);
    }
    return err;
}

static void
world_free(struct world *w)
{
    hs_admit_free(w->admit);
    hs_gate_delref(w->gate);
    if (w->all.quota != NULL) {
        assert_int_equal(hs_quota_total(w->all.quota, 1), 0); /* every place has been given back */
    }
    hs_quota_free(w->all.quota);
    hs_cidr_list_fini(&w->all.trusted);
    if (w->client >= 0) {
        (void)close(w->client);
    }
    if (w->fd >= 0) {
        (void)close(w->fd);
    }
    hs_loop_free(w->loop);
}

static void
world_new(struct world *w)
{
    assert_int_equal(try_new(w, "unix:/x,proxy,max-connections=5,deny=10.66.0.0/16"), 0);
}

/* A connection that has sent n bytes already. */
static void
come(struct world *w, const char *p, size_t n)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    w->client = ends[0];
    assert_int_equal(send(w->client, p, n, 0), n);
    assert_true(hs_gate_enter(w->gate));
    hs_admit_begin(w->admit, ends[1], w->gate);
}

static void
turn(struct world *w)
{
    assert_int_equal(hs_loop_turn(w->loop, false), 0);
}

/* What the protocol finds on the connection. */
static void
finds(struct world *w, const char *text)
{
    char buf[256];
    ssize_t n = recv(w->fd, buf, sizeof buf, MSG_DONTWAIT);
    assert_int_equal(n, text[0] != '\0' ? (ssize_t)strlen(text) : -1);
    if (n > 0) {
        assert_memory_equal(buf, text, (size_t)n);
    }
}

/* The connection was closed without a word. */
static void
is_closed(struct world *w)
{
    char c;
    assert_int_equal(w->fd, -1);
    assert_int_equal(hs_admit_waiting(w->admit), 0);
    ssize_t n = recv(w->client, &c, 1, MSG_DONTWAIT);
    assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
    assert_int_equal(hs_quota_total(w->all.quota, 1), 0);
}

static void
is_let_in(struct world *w, const char *peer, const char *local)
{
    assert_true(w->fd >= 0);
    assert_int_equal(w->named, peer != NULL);
    if (peer != NULL) {
        assert_string_equal(w->peer, peer);
        assert_string_equal(w->local, local);
    }
    assert_int_equal(hs_admit_waiting(w->admit), 0);
}

static void
a_header_is_taken_off_to_the_byte(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    come(&w, BYTES(LINE "GET / HTTP/1.1\r\n"));
    is_let_in(&w, "10.1.2.3:12345", "192.0.2.1:80");
    finds(&w, "GET / HTTP/1.1\r\n");
    world_free(&w);
    world_new(&w);
    come(&w, BYTES(TCP4 "\x16\3\1"));
    is_let_in(&w, "10.1.2.3:12345", "192.0.2.1:80");
    finds(&w, "\x16\3\1");
    world_free(&w);
    world_new(&w);
    come(&w, BYTES(V2 "\x20\0\0\0"));
    is_let_in(&w, NULL, NULL);
    finds(&w, "");
    world_free(&w);
}

static void
split_at_every_byte(const char *p, size_t n, const char *peer, const char *local)
{
    for (size_t at = 0; at <= n; at++) {
        struct world w;
        world_new(&w);
        come(&w, p, at);
        if (at < n) {
            assert_int_equal(w.fd, -1);
            assert_int_equal(hs_admit_waiting(w.admit), 1);
            turn(&w); /* nothing more is there: and nothing is looked at again */
            turn(&w);
            assert_int_equal(send(w.client, p + at, n - at, 0), n - at);
            assert_int_equal(send(w.client, "rest", 4, 0), 4);
            turn(&w);
        } else {
            assert_int_equal(send(w.client, "rest", 4, 0), 4);
        }
        is_let_in(&w, peer, local);
        finds(&w, "rest");
        world_free(&w);
    }
}

static void
headers_split_at_every_byte(void **state)
{
    (void)state;
    split_at_every_byte(BYTES(LINE), "10.1.2.3:12345", "192.0.2.1:80");
    split_at_every_byte(BYTES(TCP4), "10.1.2.3:12345", "192.0.2.1:80");
    split_at_every_byte(BYTES(V2 "\x21\x11\0\x13\x0a\1\2\3\xc0\0\2\1\x30\x39\0\x50\x04\0\4abcd"), "10.1.2.3:12345", "192.0.2.1:80");
    split_at_every_byte(BYTES("PROXY UNKNOWN\r\n"), NULL, NULL);
}

static void
one_byte_at_a_time(void **state)
{
    (void)state;
    static const char header[] = TCP4 "x";
    struct world w;
    world_new(&w);
    come(&w, header, 0);
    for (size_t i = 0; i < sizeof header - 1; i++) {
        assert_int_equal(send(w.client, header + i, 1, 0), 1);
        turn(&w);
    }
    is_let_in(&w, "10.1.2.3:12345", "192.0.2.1:80");
    finds(&w, "x");
    world_free(&w);
}

static void
the_longest_header_is_skipped(void **state)
{
    (void)state;
    struct world w;
    static char filling[8192];
    size_t left = 65535;
    world_new(&w);
    come(&w, BYTES(V2 "\x20\0\xff\xff"));
    while (left != 0) {
        size_t n = left < sizeof filling ? left : sizeof filling;
        assert_int_equal(send(w.client, filling, n, 0), n);
        left -= n;
        if (left == 0) {
            assert_int_equal(send(w.client, "rest", 4, 0), 4);
        }
        turn(&w);
    }
    is_let_in(&w, NULL, NULL);
    finds(&w, "rest");
    world_free(&w);
}

/* A byte that a descriptor comes with is given to recv(2) alone, however many wait behind it. */
static void
send_alone(int fd, const char *p)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = { .head = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) } };
    struct iovec iov = { (void *)(uintptr_t)p, 1 };
    const struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
    memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
    assert_int_equal(sendmsg(fd, &msg, 0), 1);
}

/* A turn has room for so many looks: the last one may be that at the header's last byte, behind which nothing comes. */
static void
a_header_of_many_pieces_is_not_waited_for_when_it_is_there(void **state)
{
    (void)state;
    for (int filling = 1; filling < 60; filling++) {
        struct world w;
        char header[100];
        int n = snprintf(header, sizeof header, "PROXY UNKNOWN %0*d\r\n", filling, 0);
        world_new(&w);
        come(&w, header, 0);
        for (int i = 0; i < n; i++) {
            send_alone(w.client, header + i);
        }
        for (int i = 0; i < 3; i++) {
            turn(&w);
        }
        is_let_in(&w, NULL, NULL);
        finds(&w, "");
        world_free(&w);
    }
}

static void
anything_else_is_closed_without_an_answer(void **state)
{
    (void)state;
    static const char *const cases[] = { "GET / HTTP/1.1\r\n\r\n", "PROXY TCP4 x\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", ("\r\n\r\n" "x") };
    struct world w;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        world_new(&w);
        come(&w, cases[i], strlen(cases[i]));
        is_closed(&w);
        world_free(&w);
    }
    world_new(&w); /* ended too early */
    come(&w, BYTES("PROXY TCP4 "));
    assert_int_equal(shutdown(w.client, SHUT_WR), 0);
    turn(&w);
    is_closed(&w);
    world_free(&w);
    world_new(&w); /* or while the rest is skipped */
    come(&w, BYTES(V2 "\x20\0\0\x09" "abc"));
    assert_int_equal(hs_admit_waiting(w.admit), 1);
    assert_int_equal(shutdown(w.client, SHUT_WR), 0);
    turn(&w);
    is_closed(&w);
    struct hs_admit_stats st;
    hs_admit_get_stats(w.admit, &st);
    assert_int_equal(st.refused, 1);
    world_free(&w);
}

static void
threat_17_a_header_has_its_time(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    come(&w, BYTES("PROXY"));
    for (int i = 0; i < 9; i++) { /* bytes that come meanwhile win nothing */
        hs_loop_advance(w.loop, HS_SEC);
        assert_int_equal(send(w.client, &" TCP4 1.2"[i], 1, 0), 1);
        turn(&w);
        assert_int_equal(hs_admit_waiting(w.admit), 1);
    }
    hs_loop_advance(w.loop, 2 * HS_SEC);
    is_closed(&w);
    world_free(&w);
}

/* The head that follows has what the header has left of it. */
static void
threat_17_header_and_head_have_one_deadline(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    int64_t begun = hs_loop_now(w.loop);
    come(&w, BYTES("PROXY UNKN"));
    hs_loop_advance(w.loop, 7 * HS_SEC);
    assert_int_equal(send(w.client, "OWN\r\n", 5, 0), 5);
    turn(&w);
    is_let_in(&w, NULL, NULL);
    assert_int_equal(w.begun, begun);
    world_free(&w);
}

static void
deny_sees_the_address_of_the_header(void **state)
{
    (void)state;
    struct world w;
    struct hs_admit_stats st;
    world_new(&w);
    come(&w, BYTES("PROXY TCP4 10.66.1.1 192.0.2.1 1 80\r\n"));
    is_closed(&w);
    hs_admit_get_stats(w.admit, &st);
    assert_int_equal(st.denied, 1);
    assert_int_equal(st.refused, 0);
    world_free(&w);
    world_new(&w);
    come(&w, BYTES("PROXY TCP6 ::ffff:10.66.1.1 ::1 1 80\r\n"));
    is_closed(&w);
    world_free(&w);
}

/* A client whose address its proxy does not tell is in no network; a proxy that speaks for itself is where its connection comes from. */
static void
an_allow_lets_in_only_whom_it_names(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        bool in;
    } cases[] = {
        { BYTES("PROXY TCP4 10.1.2.3 192.0.2.1 12345 80\r\n"), true },
        { BYTES("PROXY TCP4 10.77.2.3 192.0.2.1 12345 80\r\n"), false },
        { BYTES("PROXY UNKNOWN\r\n"), false },
        { BYTES(V2 "\x21\0\0\0"), false }, /* PROXY, no family */
        { BYTES(V2 "\x21\x12\0\x0c\x0a\1\2\3\xc0\0\2\1\x30\x39\0\x50"), false }, /* datagrams */
        { BYTES(V2 "\x20\0\0\0"), true }, /* LOCAL, and the unix socket's mode lets it */
        { BYTES(V2 "\x20\x11\0\x0c\x0a\x4d\2\3\xc0\0\2\1\x30\x39\0\x50"), true }, /* what it says is to be ignored */
    };
    static char of_unix[16 + 216] = V2 "\x21\x31\0\xd8/run/client";
    for (size_t i = 0; i <= sizeof cases / sizeof *cases; i++) {
        struct world w;
        bool in = i < sizeof cases / sizeof *cases && cases[i].in;
        assert_int_equal(try_new(&w, "unix:/x,proxy,max-connections=5,allow=10.1.0.0/16"), 0);
        if (i < sizeof cases / sizeof *cases) {
            come(&w, cases[i].bytes, cases[i].n);
        } else {
            come(&w, of_unix, sizeof of_unix);
        }
        if (in != (w.fd >= 0)) {
            fail_msg("case %zu", i);
        }
        if (!in) {
            is_closed(&w);
        }
        world_free(&w);
    }
}

static void
only_trusted_ones_may_send_a_header(void **state)
{
    (void)state;
    struct world w;
    ec_sockaddr a = { .len = 0 };
    for (int trusted = 0; trusted <= 1; trusted++) {
        assert_int_equal(try_new(&w, "127.0.0.1:80,proxy,max-connections=2"), 0);
        if (trusted) {
            assert_int_equal(hs_cidr_list_add(&w.all.trusted, "127.0.0.0/8"), 0);
        }
        int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(ec_sockaddr_parse(&a, "127.0.0.1:0"), 0);
        assert_int_equal(bind(listener, &a.sa, a.len), 0);
        assert_int_equal(listen(listener, 5), 0);
        socklen_t len = sizeof a.sin;
        assert_int_equal(getsockname(listener, &a.sa, &len), 0);
        w.client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(w.client, &a.sa, a.len), 0);
        assert_int_equal(send(w.client, LINE, sizeof LINE - 1, 0), sizeof LINE - 1);
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        assert_true(fd >= 0 && hs_gate_enter(w.gate));
        hs_admit_begin(w.admit, fd, w.gate);
        if (trusted) {
            assert_int_equal(hs_loop_turn(w.loop, w.fd < 0), 0);
            is_let_in(&w, "10.1.2.3:12345", "192.0.2.1:80");
        } else {
            is_closed(&w);
        }
        (void)close(listener);
        world_free(&w);
    }
}

static void
without_a_header_there_is_only_the_address(void **state)
{
    (void)state;
    struct world w;
    assert_int_equal(try_new(&w, "127.0.0.1:80,max-connections=2"), 0);
    come(&w, BYTES("GET"));
    is_let_in(&w, NULL, NULL);
    finds(&w, "GET");
    world_free(&w);
}

static void
those_who_wait_are_closed_at_the_end(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    come(&w, BYTES("PROXY"));
    assert_int_equal(hs_admit_waiting(w.admit), 1);
    hs_admit_free(w.admit);
    w.admit = NULL;
    char c;
    assert_true(recv(w.client, &c, 1, MSG_DONTWAIT) <= 0);
    world_free(&w);
    hs_admit_free(NULL);
}

static void
scenario(void *arg)
{
    struct world w;
    (void)arg;
    if (try_new(&w, "unix:/x,proxy,max-connections=5") == 0) {
        come(&w, BYTES("PROXY UNK"));
        if (hs_admit_waiting(w.admit) != 0) {
            assert_int_equal(send(w.client, "NOWN\r\n", 6, 0), 6);
            turn(&w);
            assert_true(w.fd >= 0);
        }
    }
    world_free(&w);
}

static void
threat_38_each_allocation_fails_once(void **state)
{
    (void)state;
    assert_true(alloc_fail_each(scenario, NULL) > 3);
}

static int
be_quiet(void **state)
{
    (void)state;
    hs_log_set_level(HS_LOG_WARN);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_is_taken_off_to_the_byte),
        cmocka_unit_test(headers_split_at_every_byte),
        cmocka_unit_test(one_byte_at_a_time),
        cmocka_unit_test(the_longest_header_is_skipped),
        cmocka_unit_test(a_header_of_many_pieces_is_not_waited_for_when_it_is_there),
        cmocka_unit_test(anything_else_is_closed_without_an_answer),
        cmocka_unit_test(threat_17_a_header_has_its_time),
        cmocka_unit_test(threat_17_header_and_head_have_one_deadline),
        cmocka_unit_test(deny_sees_the_address_of_the_header),
        cmocka_unit_test(an_allow_lets_in_only_whom_it_names),
        cmocka_unit_test(only_trusted_ones_may_send_a_header),
        cmocka_unit_test(without_a_header_there_is_only_the_address),
        cmocka_unit_test(those_who_wait_are_closed_at_the_end),
        cmocka_unit_test(threat_38_each_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, be_quiet, NULL);
}
