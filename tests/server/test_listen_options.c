/* test_listen_options.c - server/listen_options.h: addresses with options, and what is refused. */
#include "server/listen_options.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_fail.h"

static void
an_address_alone_has_the_defaults(void **state)
{
    (void)state;
    struct hs_listen_options o;
    char why[256];
    assert_int_equal(hs_listen_options_parse("[::1]:8080", &o, why, sizeof why), 0);
    assert_string_equal(o.address, "[::1]:8080");
    assert_false(o.inherited || o.is_unix || o.proxy);
    assert_int_equal(o.mode, -1);
    assert_int_equal(o.backlog, -1);
    assert_int_equal(o.defer, 1);
    assert_int_equal(o.probe, 60);
    assert_int_equal(o.max_connections, 0);
    assert_int_equal(o.allow.n + o.deny.n, 0);
    hs_listen_options_fini(&o);
}

static void
options_follow_the_address(void **state)
{
    (void)state;
    struct hs_listen_options o;
    char why[256];
    assert_int_equal(hs_listen_options_parse("0.0.0.0:80,backlog=7,defer=none,probe=5,max_connections=100,proxy,allow=10.0.0.0/8,allow=::1,deny=10.1.2.3", &o,
                                             why, sizeof why),
                     0);
    assert_string_equal(o.address, "0.0.0.0:80");
    assert_int_equal(o.backlog, 7);
    assert_int_equal(o.defer, 0);
    assert_int_equal(o.probe, 5);
    assert_int_equal(o.max_connections, 100);
    assert_true(o.proxy);
    assert_int_equal(o.allow.n, 2);
    assert_int_equal(o.deny.n, 1);
    hs_listen_options_fini(&o);
    assert_int_equal(hs_listen_options_parse("unix:/run/x,mode=0660,proxy=no", &o, why, sizeof why), 0);
    assert_true(o.is_unix);
    assert_false(o.proxy);
    assert_int_equal(o.mode, 0660);
    hs_listen_options_fini(&o);
    assert_int_equal(hs_listen_options_parse("fd:web,proxy=true,probe=none", &o, why, sizeof why), 0);
    assert_true(o.inherited && o.proxy);
    assert_int_equal(o.probe, 0);
    hs_listen_options_fini(&o);
}

static void
what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } cases[] = {
        { "", "must be an address" },
        { "nonsense", "must be an address" },
        { ",proxy", "must be an address" },
        { "fd:", "must be an address" },
        { "8080,", "no option ''" },
        { "8080,nothing=1", "no option 'nothing'" },
        { "8080,prox", "no option 'prox'" },
        { "8080,proxyy", "no option 'proxyy'" },
        { "8080,proxy=maybe", "proxy that is true or false" },
        { "8080,backlog", "value for its option backlog" },
        { "8080,backlog=0", "backlog that is a whole number from 1 to 65535" },
        { "8080,backlog=65536", "backlog that is" },
        { "8080,backlog=-1", "backlog that is" },
        { "8080,defer=soon", "defer that is" },
        { "8080,probe=99999", "probe that is" },
        { "8080,max-connections=0", "max-connections that is" },
        { "8080,allow=10.0.0.1/8", "allow that is" },
        { "8080,deny=everybody", "deny that is" },
        { "8080,deny=unix:", "deny that is" }, /* nobody would be kept out by it */
        { "8080,allow=false", "allow that is" },
        { "8080,mode=0660", "only for the file of a unix socket" },
        { "unix:@abstract,mode=0660", "only for the file of a unix socket" },
        { "unix:/x,mode=0888", "mode that is" },
        { "unix:/x,mode=1777", "mode that is" },
        { "unix:/x,mode=00660", "mode that is" },
        { "unix:/x,mode=", "mode that is" },
        { "unix:/x,mode=0660,mode=0600", "option mode only once" }, /* nobody can tell which is meant */
        { "8080,max-connections=5,max_connections=5", "option max-connections only once" },
        { "8080,proxy,allow=10.0.0.0/8,proxy=false", "option proxy only once" },
        { "8080,backlog=1,defer=1,defer=none", "option defer only once" },
        { "unix:/x,allow=10.0.0.0/8", "only where clients have addresses" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hs_listen_options o;
        char why[256] = "";
        assert_int_equal(hs_listen_options_parse(cases[i].text, &o, why, sizeof why), EINVAL);
        if (strstr(why, cases[i].why) == NULL) {
            fail_msg("'%s': %s", cases[i].text, why);
        }
    }
}

static void
scenario(void *arg)
{
    struct hs_listen_options o;
    char why[256];
    (void)arg;
    int err = hs_listen_options_parse("80,allow=10.0.0.0/8,deny=10.1.0.0/16", &o, why, sizeof why);
    assert_true(err == 0 || err == ENOMEM);
    if (err == 0) {
        hs_listen_options_fini(&o);
    }
}

static void
threat_38_each_allocation_fails_once(void **state)
{
    (void)state;
    assert_in_range(alloc_fail_each(scenario, NULL), 2, 4);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_alone_has_the_defaults),
        cmocka_unit_test(options_follow_the_address),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(threat_38_each_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
