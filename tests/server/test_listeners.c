/* test_listeners.c - server/listeners.h: accepting, running out of descriptors, closing. */
#include "server/listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "misc/ec_sockaddr.h"

enum { MANY = 300 };

struct world {
    struct hs_loop *loop;
    struct hs_listeners *ls;
    char address[64]; /* an abstract unix socket: no port, no file */
    int clients[MANY];
    size_t nclients;
    int accepted[MANY];
    size_t naccepted;
    struct hs_gates gates;
    struct hs_gate *gate; /* of the last */
};

static unsigned names;

static void
on_accepted(void *arg, int fd, struct hs_gate *gate)
{
    struct world *w = arg;
    w->gate = gate;
    assert_true(w->naccepted < MANY);
    assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    w->accepted[w->naccepted++] = fd;
}

static void
world_new(struct world *w)
{
    memset(w, 0, sizeof *w);
    assert_int_equal(hs_loop_new(&(struct hs_loop_options){ .test_clock = true }, &w->loop), 0);
    assert_int_equal(hs_listeners_new(&w->ls), 0);
    (void)snprintf(w->address, sizeof w->address, "unix:@test-listeners-%d-%u", (int)getpid(), names++);
    assert_int_equal(hs_listeners_add(w->ls, w->address, 4096), 0);
}

static void
start(struct world *w)
{
    assert_int_equal(hs_listeners_start(w->ls, w->loop, NULL, on_accepted, w), 0);
}

static void
world_free(struct world *w)
{
    hs_listeners_free(w->ls);
    for (size_t i = 0; i < w->nclients; i++) {
        (void)close(w->clients[i]);
    }
    for (size_t i = 0; i < w->naccepted; i++) {
        (void)close(w->accepted[i]);
    }
    hs_loop_free(w->loop);
}

static bool
connect_one(struct world *w)
{
    ec_sockaddr a;
    assert_int_equal(ec_sockaddr_parse(&a, w->address), 0);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    w->clients[w->nclients++] = fd;
    return connect(fd, &a.sa, a.len) == 0;
}

static void
turn(struct world *w)
{
    assert_int_equal(hs_loop_turn(w->loop, false), 0);
}

static size_t
descriptors(void)
{
    size_t n = 0;
    for (int fd = 0; fd < 4096; fd++) {
        n += fcntl(fd, F_GETFD) >= 0;
    }
    return n;
}

/* Leaves room for n more descriptors. */
static struct rlimit
limit(int n)
{
    struct rlimit before, r;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    (void)close(fd); /* the lowest free one: all below are taken */
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    r = before;
    r.rlim_cur = (rlim_t)(fd + n);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &r), 0);
    return before;
}

static void
connections_are_handed_over(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    assert_true(connect_one(&w)); /* waits until accepting begins */
    turn(&w);
    assert_int_equal(w.naccepted, 0);
    start(&w);
    turn(&w);
    assert_int_equal(w.naccepted, 1);
    assert_true(connect_one(&w));
    assert_true(connect_one(&w));
    turn(&w);
    assert_int_equal(w.naccepted, 3);
    assert_int_equal(write(w.clients[2], "hi", 2), 2);
    char buf[4];
    assert_int_equal(read(w.accepted[2], buf, sizeof buf), 2);
    world_free(&w);
}

static void
one_turn_accepts_a_budget(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    start(&w);
    for (int i = 0; i < 200; i++) {
        assert_true(connect_one(&w));
    }
    turn(&w);
    assert_int_equal(w.naccepted, 64);
    turn(&w);
    assert_int_equal(w.naccepted, 128);
    turn(&w);
    turn(&w);
    assert_int_equal(w.naccepted, 200);
    struct hs_listeners_stats st;
    hs_listeners_get_stats(w.ls, &st);
    assert_int_equal(st.accepted, 200);
    assert_int_equal(st.pauses, 0);
    world_free(&w);
}

static void
threat_21_out_of_descriptors_pauses_and_recovers(void **state)
{
    (void)state;
    struct world w;
    struct hs_listeners_stats st;
    world_new(&w);
    start(&w);
    for (int i = 0; i < 5; i++) {
        assert_true(connect_one(&w));
    }
    int watched = event_base_get_num_events(hs_loop_base(w.loop), EVENT_BASE_COUNT_ADDED);
    struct rlimit before = limit(2);
    turn(&w);
    assert_int_equal(w.naccepted, 2);
    assert_true(hs_listeners_paused(w.ls));
    hs_listeners_get_stats(w.ls, &st);
    assert_int_equal(st.pauses, 1);
    assert_int_equal(st.turned_away, 0);
    /* no spinning: the loop does not look at the listener though clients wait */
    assert_int_equal(event_base_get_num_events(hs_loop_base(w.loop), EVENT_BASE_COUNT_ADDED), watched - 1);
    for (int i = 0; i < 10; i++) {
        turn(&w);
    }
    hs_listeners_get_stats(w.ls, &st);
    assert_int_equal(st.accepted, 2);
    /* a short shortage: descriptors are back when the pause is over, and nobody was turned away */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    hs_loop_advance(w.loop, 99 * HS_MSEC);
    turn(&w);
    assert_int_equal(w.naccepted, 2);
    hs_loop_advance(w.loop, HS_MSEC);
    turn(&w);
    assert_int_equal(w.naccepted, 5);
    assert_false(hs_listeners_paused(w.ls));
    hs_listeners_get_stats(w.ls, &st);
    assert_int_equal(st.turned_away, 0);
    assert_true(connect_one(&w));
    turn(&w);
    assert_int_equal(w.naccepted, 6);
    world_free(&w);
}

static void
threat_21_a_reserve_descriptor_closes_politely(void **state)
{
    (void)state;
    struct world w;
    struct hs_listeners_stats st;
    char answer[512];
    world_new(&w);
    start(&w);
    for (int i = 0; i < 40; i++) {
        assert_true(connect_one(&w));
        assert_int_equal(write(w.clients[i], "GET / HTTP/1.1\r\n", 16), 16);
    }
    size_t open_before = descriptors();
    struct rlimit before = limit(1);
    turn(&w);
    assert_int_equal(w.naccepted, 1);
    hs_loop_advance(w.loop, 100 * HS_MSEC); /* still nothing: those who wait are told, a budget at a time */
    hs_listeners_get_stats(w.ls, &st);
    assert_int_equal(st.turned_away, 32);
    assert_true(hs_listeners_paused(w.ls));
    assert_int_equal(descriptors(), open_before + 1);
    ssize_t n = read(w.clients[1], answer, sizeof answer - 1);
    assert_true(n > 0);
    answer[n] = '\0';
    assert_int_equal(strncmp(answer, "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n", 53), 0);
    char *body = strstr(answer, "\r\n\r\n");
    assert_non_null(body);
    assert_int_equal(strlen(body + 4), 20);
    assert_int_equal(read(w.clients[1], answer, sizeof answer), 0); /* and then the end, no reset */
    hs_loop_advance(w.loop, 100 * HS_MSEC);
    hs_listeners_get_stats(w.ls, &st);
    assert_int_equal(st.turned_away, 39);
    assert_int_equal(st.pauses, 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    hs_loop_advance(w.loop, 100 * HS_MSEC);
    assert_false(hs_listeners_paused(w.ls));
    assert_true(connect_one(&w));
    turn(&w);
    assert_int_equal(w.naccepted, 2);
    world_free(&w);
}

static void
ruling_23_accepted_dry_before_closing(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    start(&w);
    for (int i = 0; i < 150; i++) {
        assert_true(connect_one(&w));
    }
    hs_listeners_drain(w.ls);
    assert_int_equal(w.naccepted, 150);
    for (int i = 0; i < 70; i++) {
        assert_true(connect_one(&w));
    }
    hs_listeners_close(w.ls);
    assert_int_equal(w.naccepted, 220);
    assert_int_equal(hs_listeners_count(w.ls), 0);
    assert_false(connect_one(&w));
    world_free(&w);
}

static void
closing_in_a_pause_is_clean(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    start(&w);
    assert_true(connect_one(&w));
    struct rlimit before = limit(0);
    turn(&w);
    assert_true(hs_listeners_paused(w.ls));
    hs_listeners_close(w.ls);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    hs_loop_advance(w.loop, HS_SEC);
    turn(&w);
    char answer[64];
    assert_true(read(w.clients[0], answer, sizeof answer) > 0); /* told, not dropped */
    world_free(&w);
}

static void
addresses_in_use_and_bad_ones(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    assert_int_equal(hs_listeners_add(w.ls, w.address, 5), EADDRINUSE);
    assert_int_equal(hs_listeners_add(w.ls, "nonsense", 5), EINVAL);
    assert_int_equal(hs_listeners_add(w.ls, "", 5), EINVAL);
    assert_int_equal(hs_listeners_add(w.ls, "unix:/no/such/folder/s", 5), ENOENT);
    assert_int_equal(hs_listeners_count(w.ls), 1);
    assert_string_equal(hs_listeners_address(w.ls, 0), w.address);
    assert_null(hs_listeners_address(w.ls, 1));
    world_free(&w);
}

static void
files_of_unix_sockets_go_with_their_listener(void **state)
{
    (void)state;
    char dir[] = "/tmp/test_listen_XXXXXX", address[80];
    struct stat st;
    struct world w;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(address, sizeof address, "unix:%s/s", dir);
    world_new(&w);
    assert_int_equal(hs_listeners_add(w.ls, address, 5), 0);
    assert_string_equal(hs_listeners_address(w.ls, 1), address);
    assert_int_equal(lstat(address + 5, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    hs_listeners_close(w.ls); /* never started */
    assert_int_equal(lstat(address + 5, &st), -1);
    assert_int_equal(rmdir(dir), 0);
    world_free(&w);
}

static void
scenario(void *arg)
{
    const char *address = arg;
    struct hs_listeners *ls;
    int err = hs_listeners_new(&ls);
    if (err != 0) {
        assert_int_equal(err, ENOMEM);
        return;
    }
    err = hs_listeners_add(ls, address, 5);
    assert_true(err == 0 || err == ENOMEM);
    hs_listeners_free(ls);
}

static void
threat_38_each_allocation_fails_once(void **state)
{
    (void)state;
    char address[64];
    (void)snprintf(address, sizeof address, "unix:@test-listeners-%d-oom", (int)getpid());
    size_t before = descriptors();
    assert_in_range(alloc_fail_each(scenario, address), 2, 10);
    assert_int_equal(descriptors(), before);
}

/* --- lanes --- */

static bool
connect_tcp(struct world *w, const char *address)
{
    ec_sockaddr a;
    assert_int_equal(ec_sockaddr_parse(&a, address), 0);
    int fd = socket(a.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    w->clients[w->nclients++] = fd;
    return connect(fd, &a.sa, a.len) == 0;
}

static void
ruling_22_others_lanes_are_accepted_from_only_to_help(void **state)
{
    (void)state;
    struct world w;
    struct hs_listen_socket s;
    world_new(&w);
    assert_int_equal(hs_listen_socket_open("127.0.0.1:0", 2, 128, &s), 0);
    char address[EC_SOCKADDR_TEXT_MAX];
    strcpy(address, s.address);
    const int none = 0; /* hand connections over before they have sent something */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(setsockopt(s.fds[i], IPPROTO_TCP, TCP_DEFER_ACCEPT, &none, sizeof none), 0);
    }
    assert_int_equal(hs_listeners_adopt(w.ls, &s, 1, 2), 0);
    assert_null(s.fds);
    assert_int_equal(hs_listeners_count(w.ls), 2); /* the unix socket and our lane */
    assert_string_equal(hs_listeners_address(w.ls, 1), address);
    start(&w);
    for (int i = 0; i < 64; i++) {
        assert_true(connect_tcp(&w, address));
    }
    turn(&w);
    size_t ours = w.naccepted;
    assert_in_range(ours, 1, 63); /* the kernel deals them out; 2^-63 for all on one side */
    hs_listeners_help(w.ls, 1, false); /* our own: no matter */
    hs_listeners_help(w.ls, 0, true);
    turn(&w);
    assert_int_equal(w.naccepted, 64);
    hs_listeners_help(w.ls, 0, false);
    for (int i = 0; i < 64; i++) {
        assert_true(connect_tcp(&w, address));
    }
    turn(&w);
    turn(&w);
    assert_in_range(w.naccepted, 65, 127);
    hs_listeners_close(w.ls); /* all lanes are accepted dry */
    assert_int_equal(w.naccepted, 128);
    world_free(&w);
}

static void
adopt_scenario(void *arg)
{
    struct hs_listeners *ls;
    struct hs_listen_socket s;
    (void)arg;
    if (hs_listeners_new(&ls) != 0) {
        return;
    }
    if (hs_listen_socket_open("127.0.0.1:0", 3, 16, &s) == 0 && hs_listeners_adopt(ls, &s, 0, 3) != 0) {
        assert_int_equal(s.lanes, 3); /* still the caller's */
        hs_listen_socket_close(&s, true);
    }
    hs_listeners_free(ls);
}

static void
threat_38_adopting_takes_all_or_nothing(void **state)
{
    (void)state;
    size_t before = descriptors();
    assert_true(alloc_fail_each(adopt_scenario, NULL) > 4);
    assert_int_equal(descriptors(), before);
}

/* --- limits --- */

static void
limited(struct world *w, size_t workers)
{
    char address[80];
    world_new(w);
    (void)snprintf(address, sizeof address, "%.40s-limited,max-connections=3", w->address);
    assert_int_equal(hs_listeners_add(w->ls, address, 4096), 0);
    assert_int_equal(hs_listeners_places(w->ls), 2);
    assert_int_equal(hs_quota_new(workers, 3, &w->gates.quota), 0);
    *strchr(address, ',') = '\0';
    strcpy(w->address, address);
    assert_int_equal(hs_listeners_start(w->ls, w->loop, &w->gates, on_accepted, w), 0);
}

/* One of those that were let in ends. */
static void
end_one(struct world *w)
{
    assert_non_null(w->gate);
    (void)close(w->accepted[--w->naccepted]);
    hs_gate_leave(w->gate);
}

static void
beyond_the_limit_nobody_is_accepted_until_one_ends(void **state)
{
    (void)state;
    struct world w;
    limited(&w, 1);
    int watched = event_base_get_num_events(hs_loop_base(w.loop), EVENT_BASE_COUNT_ADDED);
    for (int i = 0; i < 6; i++) {
        assert_true(connect_one(&w));
    }
    turn(&w);
    assert_int_equal(w.naccepted, 3);
    /* no spinning: nothing looks at the listener, and no timer runs */
    assert_int_equal(event_base_get_num_events(hs_loop_base(w.loop), EVENT_BASE_COUNT_ADDED), watched - 1);
    hs_loop_advance(w.loop, HS_SEC);
    turn(&w);
    assert_int_equal(w.naccepted, 3);
    end_one(&w);
    assert_int_equal(w.naccepted, 2); /* never from within the end of another */
    turn(&w);
    assert_int_equal(w.naccepted, 3);
    end_one(&w);
    end_one(&w);
    turn(&w);
    assert_int_equal(w.naccepted, 3);
    for (int i = 0; i < 3; i++) {
        end_one(&w);
    }
    turn(&w);
    assert_int_equal(event_base_get_num_events(hs_loop_base(w.loop), EVENT_BASE_COUNT_ADDED), watched);
    assert_true(connect_one(&w));
    turn(&w);
    assert_int_equal(w.naccepted, 1);
    end_one(&w);
    world_free(&w);
    hs_quota_free(w.gates.quota);
}

static void
room_that_others_make_is_found(void **state)
{
    (void)state;
    struct world w;
    limited(&w, 2);
    for (int i = 0; i < 3; i++) {
        assert_true(hs_quota_take(w.gates.quota, 1, 2, 3)); /* the other worker's */
    }
    assert_true(connect_one(&w));
    turn(&w);
    assert_int_equal(w.naccepted, 0);
    hs_loop_advance(w.loop, 200 * HS_MSEC);
    turn(&w);
    assert_int_equal(w.naccepted, 0);
    hs_quota_leave(w.gates.quota, 1); /* which dies */
    hs_loop_advance(w.loop, 50 * HS_MSEC);
    turn(&w);
    assert_int_equal(w.naccepted, 1);
    end_one(&w);
    world_free(&w);
    hs_quota_free(w.gates.quota);
}

static void
who_finds_no_place_before_the_end_is_told(void **state)
{
    (void)state;
    struct world w;
    char answer[64];
    limited(&w, 1);
    for (int i = 0; i < 5; i++) {
        assert_true(connect_one(&w));
    }
    turn(&w);
    hs_listeners_drain(w.ls);
    assert_int_equal(w.naccepted, 3);
    end_one(&w);
    hs_listeners_close(w.ls); /* one more gets the place, the other is told */
    assert_int_equal(w.naccepted, 3);
    assert_true(read(w.clients[4], answer, sizeof answer) > 12);
    assert_memory_equal(answer, "HTTP/1.1 503", 12);
    for (int i = 0; i < 3; i++) {
        end_one(&w); /* after the listeners */
    }
    world_free(&w);
    hs_quota_free(w.gates.quota);
}

/* systemd keeps its sockets open, for the server that it starts next. */
static void
who_waits_at_a_socket_that_was_handed_in_is_left_there(void **state)
{
    (void)state;
    struct world w;
    struct hs_listen_socket s;
    world_new(&w);
    assert_int_equal(hs_listen_socket_open("127.0.0.1:0,defer=0", 1, 16, &s), 0);
    char address[EC_SOCKADDR_TEXT_MAX];
    strcpy(address, s.address);
    int *fds = malloc(sizeof *fds);
    assert_non_null(fds);
    fds[0] = dup(s.fds[0]);
    assert_int_equal(fcntl(s.fds[0], F_SETFL, O_NONBLOCK), 0);
    struct hs_listen_socket handed;
    assert_int_equal(hs_listen_socket_take("fd:web,max-connections=1,defer=none", fds, 1, &handed), 0);
    assert_int_equal(hs_listeners_adopt(w.ls, &handed, 0, 1), 0);
    assert_int_equal(hs_quota_new(1, 3, &w.gates.quota), 0);
    assert_int_equal(hs_listeners_start(w.ls, w.loop, &w.gates, on_accepted, &w), 0);
    assert_true(connect_tcp(&w, address));
    assert_true(connect_tcp(&w, address));
    turn(&w);
    assert_int_equal(w.naccepted, 1);
    hs_listeners_close(w.ls);
    struct hs_listeners_stats st;
    hs_listeners_get_stats(w.ls, &st);
    assert_int_equal(st.turned_away, 0);
    int fd = accept4(s.fds[0], NULL, NULL, SOCK_CLOEXEC);
    assert_true(fd >= 0);
    (void)close(fd);
    hs_listen_socket_close(&s, true);
    end_one(&w);
    world_free(&w);
    hs_quota_free(w.gates.quota);
}

static void
released_sockets_keep_who_waits(void **state)
{
    (void)state;
    struct world w;
    struct hs_listen_socket s, copy;
    world_new(&w);
    assert_int_equal(hs_listen_socket_open("127.0.0.1:0,defer=0", 2, 16, &s), 0);
    char address[EC_SOCKADDR_TEXT_MAX];
    strcpy(address, s.address);
    copy = s; /* as another process has it */
    copy.fds = calloc(2, sizeof *copy.fds);
    assert_non_null(copy.fds);
    copy.fds[0] = dup(s.fds[0]);
    copy.fds[1] = dup(s.fds[1]);
    assert_int_equal(hs_listeners_adopt(w.ls, &s, 0, 2), 0);
    start(&w);
    assert_true(connect_tcp(&w, address));
    hs_listeners_release(w.ls);
    assert_int_equal(w.naccepted, 0);
    int fd = accept4(copy.fds[0], NULL, NULL, SOCK_CLOEXEC);
    fd = fd >= 0 ? fd : accept4(copy.fds[1], NULL, NULL, SOCK_CLOEXEC);
    assert_true(fd >= 0);
    (void)close(fd);
    hs_listen_socket_close(&copy, false);
    world_free(&w);
}

static void
every_lane_has_a_worker_and_every_worker_a_lane(void **state)
{
    (void)state;
    static const struct {
        size_t lanes, worker, workers, ours;
    } cases[] = { { 4, 0, 2, 2 }, { 4, 1, 2, 2 }, { 3, 0, 2, 2 }, { 3, 1, 2, 1 }, { 2, 0, 4, 1 }, { 2, 3, 4, 1 }, { 2, 1, 2, 1 }, { 1, 5, 8, 1 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hs_listeners *ls;
        struct hs_listen_socket s;
        assert_int_equal(hs_listeners_new(&ls), 0);
        assert_int_equal(hs_listen_socket_open("127.0.0.1:0", cases[i].lanes, 16, &s), 0);
        assert_int_equal(hs_listeners_adopt(ls, &s, cases[i].worker, cases[i].workers), 0);
        assert_int_equal(hs_listeners_count(ls), cases[i].ours);
        hs_listeners_free(ls);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_are_handed_over),
        cmocka_unit_test(one_turn_accepts_a_budget),
        cmocka_unit_test(threat_21_out_of_descriptors_pauses_and_recovers),
        cmocka_unit_test(threat_21_a_reserve_descriptor_closes_politely),
        cmocka_unit_test(ruling_23_accepted_dry_before_closing),
        cmocka_unit_test(closing_in_a_pause_is_clean),
        cmocka_unit_test(addresses_in_use_and_bad_ones),
        cmocka_unit_test(files_of_unix_sockets_go_with_their_listener),
        cmocka_unit_test(threat_38_each_allocation_fails_once),
        cmocka_unit_test(ruling_22_others_lanes_are_accepted_from_only_to_help),
        cmocka_unit_test(threat_38_adopting_takes_all_or_nothing),
        cmocka_unit_test(beyond_the_limit_nobody_is_accepted_until_one_ends),
        cmocka_unit_test(room_that_others_make_is_found),
        cmocka_unit_test(who_finds_no_place_before_the_end_is_told),
        cmocka_unit_test(who_waits_at_a_socket_that_was_handed_in_is_left_there),
        cmocka_unit_test(released_sockets_keep_who_waits),
        cmocka_unit_test(every_lane_has_a_worker_and_every_worker_a_lane),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
