/* test_peer.c - http/peer.h: with whom a connection is, and how long that is known. */
#include "http/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "handlers.h"
#include "misc/ec_sockaddr.h"

/* A transport that knows nothing but addresses. */
struct addressed {
    struct hs_transport t; /* first */
    const char *ends[2];   /* local, peer: as ec_sockaddr_parse takes them; NULL: it fails */
};

static int
addr(struct hs_transport *t, bool peer, struct sockaddr_storage *ss, socklen_t *len)
{
    const char *text = ((struct addressed *)t)->ends[peer];
    ec_sockaddr a;

    if (text == NULL) {
        return ENOTCONN;
    }
    if (strcmp(text, "unix:") == 0) {
        ss->ss_family = AF_UNIX;
        *len = sizeof(sa_family_t);
        return 0;
    }
    assert_int_equal(ec_sockaddr_parse(&a, text), 0);
    memcpy(ss, &a.storage, sizeof *ss);
    *len = a.len;
    return 0;
}

static const struct hs_transport_ops ops = { .addr = addr };

static void
expect(const char *peer, const char *local, const char *address, const char *local_text)
{
    struct addressed a = { .t = { .ops = &ops }, .ends = { local, peer } };
    struct hs_peer *p = hs_peer_new(&a.t, NULL);

    assert_non_null(p);
    assert_int_equal(p->refs, 1);
    assert_false(p->trusted);
    assert_true(hs_view_eq(p->address, hs_view_of(address)));
    assert_true(hs_view_eq(p->local, hs_view_of(local_text)));
    hs_peer_delref(p);
}

static void
both_ends_as_text(void **state)
{
    (void)state;
    expect("192.0.2.1:4711", "127.0.0.1:8080", "192.0.2.1", "127.0.0.1:8080");
    expect("[2001:db8::1]:4711", "[::1]:80", "2001:db8::1", "[::1]:80");
    expect("unix:", "unix:/run/x.sock", "unix:", "unix:/run/x.sock");
    expect("unix:/client", "unix:@x", "unix:", "unix:@x");
    expect(NULL, NULL, "-", "-");
}

/* Who is trusted, of those of a list. */
static bool
is_trusted(const char *peer, const struct hs_cidr_list *trusted)
{
    struct addressed a = { .t = { .ops = &ops }, .ends = { "127.0.0.1:8080", peer } };
    struct hs_peer *p = hs_peer_new(&a.t, trusted);

    assert_non_null(p);
    bool yes = p->trusted;
    hs_peer_delref(p);
    return yes;
}

static void
those_of_a_list_are_trusted(void **state)
{
    struct hs_cidr_list list = { NULL, 0 };

    (void)state;
    assert_false(is_trusted("192.0.2.1:4711", &list));
    assert_int_equal(hs_cidr_list_add(&list, "192.0.2.0/24"), 0);
    assert_true(is_trusted("192.0.2.1:4711", &list));
    assert_true(is_trusted("[::ffff:192.0.2.1]:4711", &list));
    assert_false(is_trusted("192.0.3.1:4711", &list));
    assert_false(is_trusted("unix:/client", &list));
    assert_false(is_trusted(NULL, &list)); /* nobody knows who that is */
    assert_false(is_trusted("192.0.2.1:4711", NULL));
    assert_int_equal(hs_cidr_list_add(&list, "unix:"), 0);
    assert_true(is_trusted("unix:/client", &list));
    hs_cidr_list_fini(&list);
}

static void
no_memory(void **state)
{
    struct addressed a = { .t = { .ops = &ops }, .ends = { "127.0.0.1:1", "127.0.0.1:2" } };

    (void)state;
    alloc_fail_at(1);
    assert_null(hs_peer_new(&a.t, NULL));
    alloc_fail_off();
    hs_peer_delref(NULL);
}

static unsigned noted;

static struct hs_peer *
note(void *arg, struct hs_transport *t)
{
    noted++;
    return *(bool *)arg ? hs_peer_new(t, NULL) : NULL;
}

static void
a_connection_keeps_it_until_its_sessions_have_ended(void **state)
{
    struct rig r;
    struct rig_client c, d;
    bool on = true;

    (void)state;
    rig_open(&r);
    handlers_register(&r);
    rig_start(&r);
    hs_h1_note_peers(r.h1, note, &on);
    noted = 0;
    rig_connect(&r, &c);
    rig_sends(&c, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(noted, 1); /* not at each request */
    rig_sends(&c, "GET /stuck HTTP/1.1\r\nHost: a\r\n\r\n");
    rig_disconnect(&c, true); /* the session hears of it when the connection has gone */
    rig_settle(&r);
    on = false;
    rig_connect(&r, &d); /* there was no memory for it */
    rig_sends(&d, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_non_null(strstr(rig_received(&d), "200 OK"));
    rig_disconnect(&d, false);
    assert_int_equal(noted, 2);
    rig_close(&r); /* what is left over is LeakSanitizer's to find */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ends_as_text),
        cmocka_unit_test(those_of_a_list_are_trusted),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(a_connection_keeps_it_until_its_sessions_have_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
