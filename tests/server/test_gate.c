/* test_gate.c - server/gate.h: places, and addresses. */
#include "server/gate.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc_fail.h"

static struct hs_gate *
make(struct hs_gates *all, const char *text, size_t kind)
{
    struct hs_listen_options o;
    struct hs_gate *g;
    char why[256];
    assert_int_equal(hs_listen_options_parse(text, &o, why, sizeof why), 0);
    if (!hs_gate_is_needed(all, &o)) {
        hs_listen_options_fini(&o);
        return NULL;
    }
    assert_int_equal(hs_gate_new(all, &o, kind, &g), 0);
    hs_listen_options_fini(&o);
    return g;
}

static bool
admits(const struct hs_gate *g, const char *address)
{
    ec_sockaddr a;
    assert_int_equal(ec_sockaddr_parse(&a, address), 0);
    return hs_gate_admits(g, &a);
}

static void
who_lets_everybody_in_has_none(void **state)
{
    (void)state;
    struct hs_gates all = { .max = 0 };
    assert_null(make(&all, "80", 1));
    assert_null(make(&all, "unix:/x,mode=0600", 1));
    assert_int_equal(hs_cidr_list_add(&all.deny, "10.0.0.0/8"), 0);
    assert_null(make(&all, "unix:/x", 1)); /* has no addresses */
    struct hs_gate *g = make(&all, "80", 1);
    assert_non_null(g);
    hs_gate_delref(g);
    g = make(&all, "unix:/x,proxy", 1);
    assert_non_null(g);
    hs_gate_delref(g);
    hs_cidr_list_fini(&all.deny);
    hs_gate_delref(NULL);
}

static void
deny_goes_before_allow_here_and_everywhere(void **state)
{
    (void)state;
    struct hs_gates all = { .max = 0 };
    assert_int_equal(hs_cidr_list_add(&all.deny, "10.9.0.0/16"), 0);
    assert_int_equal(hs_cidr_list_add(&all.allow, "10.0.0.0/8"), 0);
    assert_int_equal(hs_cidr_list_add(&all.allow, "::1"), 0);
    struct hs_gate *g = make(&all, "80,deny=10.1.2.0/24,allow=10.1.0.0/16,allow=10.9.0.0/16,allow=::1,allow=192.0.2.1", 1);
    assert_true(admits(g, "10.1.1.1:5"));
    assert_true(admits(g, "[::1]:5"));
    assert_true(admits(g, "[::ffff:10.1.1.1]:5"));
    assert_false(admits(g, "10.1.2.1:5"));
    assert_false(admits(g, "[::ffff:10.1.2.1]:5"));
    assert_false(admits(g, "10.9.1.1:5"));
    assert_false(admits(g, "10.2.1.1:5"));
    assert_false(admits(g, "192.0.2.1:5"));
    assert_false(admits(g, "[::2]:5"));
    assert_true(admits(g, "unix:/somebody"));
    hs_gate_delref(g);
    g = make(&all, "80,proxy,allow=10.1.0.0/16", 1);
    assert_true(admits(g, "10.1.1.1:5"));
    assert_true(admits(g, "unix:/somebody")); /* a proxy for itself, through a unix socket whose mode lets it */
    assert_false(hs_gate_admits(g, NULL));    /* behind a proxy, without an address: no allow names it */
    hs_gate_delref(g);
    g = make(&all, "81", 1);
    assert_true(admits(g, "10.2.1.1:5"));
    assert_false(admits(g, "10.9.1.1:5"));
    assert_false(hs_gate_admits(g, NULL)); /* the one of all listeners does not either */
    hs_gate_delref(g);
    hs_cidr_list_fini(&all.allow);
    g = make(&all, "unix:/x,proxy,deny=10.1.0.0/16", 1);
    assert_true(hs_gate_admits(g, NULL)); /* and no deny */
    hs_gate_delref(g);
    hs_cidr_list_fini(&all.deny);
}

static void
proxies_are_trusted_by_address_or_by_their_socket(void **state)
{
    (void)state;
    struct hs_gates all = { .max = 0 };
    ec_sockaddr a;
    assert_int_equal(hs_cidr_list_add(&all.trusted, "192.0.2.0/24"), 0);
    struct hs_gate *tcp = make(&all, "80,proxy", 1), *file = make(&all, "unix:/x,proxy", 2), *plain = make(&all, "81,max-connections=none,deny=::1", 3);
    assert_true(hs_gate_reads_header(tcp) && hs_gate_reads_header(file));
    assert_false(hs_gate_reads_header(plain));
    assert_int_equal(ec_sockaddr_parse(&a, "192.0.2.7:1"), 0);
    assert_true(hs_gate_trusts(tcp, -1, &a));
    assert_int_equal(ec_sockaddr_parse(&a, "127.0.0.1:1"), 0);
    assert_false(hs_gate_trusts(tcp, -1, &a));
    assert_int_equal(ec_sockaddr_parse(&a, "unix:/y"), 0);
    assert_true(hs_gate_trusts(file, -1, &a)); /* its mode has let it connect */
    hs_gate_delref(tcp);
    hs_gate_delref(file);
    hs_gate_delref(plain);
    hs_cidr_list_fini(&all.trusted);
}

/* Both ends of a connection are the work of a process that acts for a user. */
static bool
trusts_process_of(const struct hs_gate *g, uid_t user)
{
    uid_t own = geteuid();
    const ec_sockaddr unnamed = { .len = sizeof(sa_family_t), .sa.sa_family = AF_UNIX };
    int ends[2];
    assert_int_equal(seteuid(user), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(seteuid(own), 0);
    bool trusts = hs_gate_trusts(g, ends[0], &unnamed);
    (void)close(ends[0]);
    (void)close(ends[1]);
    return trusts;
}

static void
of_an_abstract_socket_only_ones_own_processes_are_trusted(void **state)
{
    (void)state;
    struct hs_gates all = { .max = 0 };
    struct hs_gate *abstract = make(&all, "unix:@x,proxy", 1), *file = make(&all, "unix:/x,proxy", 2);
    assert_true(trusts_process_of(abstract, geteuid()));
    assert_false(hs_gate_trusts(abstract, -1, &(ec_sockaddr){ .sa.sa_family = AF_UNIX })); /* nobody knows whose it is */
    if (geteuid() == 0) { /* who else can be somebody else? */
        assert_false(trusts_process_of(abstract, 65534));
        assert_true(trusts_process_of(file, 65534));
        assert_int_equal(seteuid(65534), 0);
        assert_true(trusts_process_of(abstract, 65534));
        assert_int_equal(seteuid(0), 0);
    }
    hs_gate_delref(abstract);
    hs_gate_delref(file);
}

static void
count(void *arg)
{
    ++*(unsigned *)arg;
}

static void
places_are_limited_for_one_and_for_all(void **state)
{
    (void)state;
    unsigned told = 0;
    struct hs_gates all = { .max = 3, .room = count, .room_arg = &told };
    assert_int_equal(hs_quota_new(1, 3, &all.quota), 0);
    struct hs_gate *a = make(&all, "80,max-connections=2", 1), *b = make(&all, "81", 2);
    assert_true(hs_gate_enter(a));
    assert_true(hs_gate_enter(a));
    hs_gate_leave(a);
    assert_int_equal(told, 0); /* nobody waited */
    assert_true(hs_gate_enter(a));
    assert_false(hs_gate_enter(a)); /* its own limit */
    assert_true(hs_gate_enter(b));
    assert_int_equal(hs_quota_total(all.quota, 0), 3);
    assert_false(hs_gate_enter(b)); /* that of all */
    assert_int_equal(hs_quota_total(all.quota, 0), 3);
    assert_int_equal(hs_quota_total(all.quota, 1), 2);
    hs_gate_leave(a);
    assert_int_equal(told, 1);
    assert_true(hs_gate_enter(b));
    hs_gate_delref(a); /* the listener is gone, a connection is left */
    hs_gate_leave(a);
    hs_gate_leave(b);
    hs_gate_leave(b);
    assert_int_equal(hs_quota_total(all.quota, 0), 0);
    hs_gate_delref(b);
    hs_quota_free(all.quota);
}

static void
scenario(void *arg)
{
    struct hs_gates *all = arg;
    struct hs_listen_options o;
    struct hs_gate *g;
    char why[256];
    if (hs_listen_options_parse("80,proxy,deny=::1", &o, why, sizeof why) != 0) {
        return;
    }
    if (hs_gate_new(all, &o, 1, &g) == 0) {
        assert_int_equal(o.deny.n, 0);
        hs_gate_delref(g);
    } else {
        assert_int_equal(o.deny.n, 1);
    }
    hs_listen_options_fini(&o);
}

static void
threat_38_each_allocation_fails_once(void **state)
{
    (void)state;
    struct hs_gates all = { .max = 0 };
    assert_in_range(alloc_fail_each(scenario, &all), 2, 4);
}

static void
places_are_counted_where_there_is_no_limit_yet(void **state)
{
    (void)state;
    struct hs_gates all = { .max = 0 };
    assert_int_equal(hs_quota_new(1, 2, &all.quota), 0);
    struct hs_gate *g = make(&all, "80,deny=10.0.0.0/8", 1);
    assert_true(hs_gate_enter(g));
    assert_true(hs_gate_enter(g));
    all.max = 2; /* from now on */
    assert_false(hs_gate_enter(g));
    hs_gate_leave(g);
    assert_true(hs_gate_enter(g));
    all.max = 0;
    hs_gate_leave(g);
    hs_gate_leave(g);
    assert_int_equal(hs_quota_total(all.quota, 0), 0);
    assert_int_equal(hs_quota_total(all.quota, 1), 0);
    hs_gate_delref(g);
    hs_quota_free(all.quota);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_lets_everybody_in_has_none),
        cmocka_unit_test(deny_goes_before_allow_here_and_everywhere),
        cmocka_unit_test(proxies_are_trusted_by_address_or_by_their_socket),
        cmocka_unit_test(of_an_abstract_socket_only_ones_own_processes_are_trusted),
        cmocka_unit_test(places_are_limited_for_one_and_for_all),
        cmocka_unit_test(threat_38_each_allocation_fails_once),
        cmocka_unit_test(places_are_counted_where_there_is_no_limit_yet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
