/* test_client.c - session/client.c: who asks, behind proxies too, and what the request is called. */
#include "session_test.h"

#include "alloc_fail.h"
#include "base/cidr.h"

static struct hs_cidr_list trusted;
static char client[EC_SOCKADDR_TEXT_MAX], text[EC_SOCKADDR_TEXT_MAX], id[160];
static bool is_named;

static int
tell(ec_httpsrv_session *s)
{
    const ec_sockaddr *a = ec_httpsrv_request_client_address(s);

    assert_non_null(a);
    assert_ptr_equal(ec_httpsrv_request_client_address(s), a);
    assert_int_equal(ec_sockaddr_format(a, client, sizeof client), 0);
    is_named = hs_session_named_id(s) != NULL;
    const char *i = ec_httpsrv_session_request_id(s);
    assert_non_null(i);
    assert_ptr_equal(ec_httpsrv_session_request_id(s), i);
    assert_ptr_equal(hs_session_named_id(s), i);
    snprintf(id, sizeof id, "%s", i);
    return DONE;
}

static void
on_ended(void *arg, ec_httpsrv_session *s)
{
    struct hs_view v = hs_session_client_text(s);

    (void)arg;
    snprintf(text, sizeof text, "%.*s", (int)v.n, v.n != 0 ? v.p : "");
}

static void
ask(struct rig *r, const char *fields)
{
    char request[4096];

    snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", fields);
    client[0] = text[0] = id[0] = '\0';
    assert_memory_equal(rig_exchange(r, request), "HTTP/1.1 200", 12);
}

static void
open_telling(struct rig *r)
{
    open_one(r, tell);
    hs_dispatch_on_ended(r->dispatch, on_ended, NULL);
}

static bool
is_made(const char *s)
{
    return strlen(s) == 32 && strspn(s, "0123456789abcdef") == 32;
}

/* proves: ec_httpsrv_request_client_address */
static void
a_peer_that_is_not_trusted_is_the_client_itself(void **state)
{
    struct rig r;

    (void)state;
    open_telling(&r);
    ask(&r, "X-Forwarded-For: 192.0.2.1\r\nForwarded: for=192.0.2.1\r\nX-Request-Id: theirs\r\n");
    assert_string_equal(client, "unix:");
    assert_true(is_made(id));
    assert_int_equal(hs_cidr_list_add(&trusted, "10.0.0.0/8"), 0); /* the peer is none of these */
    hs_session_env_set_trust(r.env, &trusted, HS_FORWARDED_X_FORWARDED_FOR);
    ask(&r, "X-Forwarded-For: 192.0.2.1\r\nX-Request-Id: theirs\r\n");
    assert_string_equal(client, "unix:");
    assert_true(is_made(id));
    hs_cidr_list_fini(&trusted);
    hs_session_env_set_trust(r.env, &trusted, HS_FORWARDED_X_FORWARDED_FOR); /* an empty list */
    ask(&r, "X-Forwarded-For: 192.0.2.1\r\n");
    assert_string_equal(client, "unix:");
    rig_close(&r);
}

static void
a_trusted_peer_says_who_the_client_is(void **state)
{
    struct rig r;

    (void)state;
    open_telling(&r);
    assert_int_equal(hs_cidr_list_add(&trusted, "unix:"), 0);
    assert_int_equal(hs_cidr_list_add(&trusted, "10.0.0.0/8"), 0);
    hs_session_env_set_trust(r.env, &trusted, HS_FORWARDED_X_FORWARDED_FOR);
    ask(&r, "X-Forwarded-For: 6.6.6.6, 192.0.2.1:99, 10.0.0.1\r\nForwarded: for=6.6.6.6\r\n");
    assert_string_equal(client, "192.0.2.1:99");
    assert_string_equal(text, "192.0.2.1");
    ask(&r, "X-Forwarded-For: 6.6.6.6\r\nx-forwarded-for: 2001:db8::1\r\n");
    assert_string_equal(client, "[2001:db8::1]:0");
    assert_string_equal(text, "2001:db8::1");
    ask(&r, "Forwarded: for=6.6.6.6\r\n"); /* the proxy does not touch this one: it is the client's */
    assert_string_equal(client, "unix:");
    ask(&r, "X-Forwarded-For: nonsense\r\n");
    assert_string_equal(client, "unix:");
    hs_session_env_set_trust(r.env, &trusted, HS_FORWARDED_FORWARDED);
    ask(&r, "X-Forwarded-For: 6.6.6.6\r\nForwarded: for=\"[2001:db8::2]\"\r\n");
    assert_string_equal(client, "[2001:db8::2]:0");
    hs_cidr_list_fini(&trusted);
    rig_close(&r);
}

static struct hs_peer *
note(void *arg, struct hs_transport *t)
{
    struct hs_peer *p = hs_peer_new(t, NULL);

    p->trusted = *(bool *)arg;
    return p;
}

/* Where peers are noted, that says who is trusted, and the text comes from there. */
static void
peers_that_are_noted(void **state)
{
    struct rig r;
    bool trust = false;

    (void)state;
    open_telling(&r);
    hs_h1_note_peers(r.h1, note, &trust);
    assert_int_equal(hs_cidr_list_add(&trusted, "unix:"), 0);
    hs_session_env_set_trust(r.env, &trusted, HS_FORWARDED_X_FORWARDED_FOR);
    ask(&r, "X-Forwarded-For: 192.0.2.1\r\nX-Request-Id: theirs\r\n");
    assert_string_equal(client, "unix:");
    assert_string_equal(text, "unix:");
    assert_true(is_made(id));
    trust = true;
    ask(&r, "X-Forwarded-For: 192.0.2.1\r\nX-Request-Id: theirs\r\n");
    assert_string_equal(client, "192.0.2.1:0");
    assert_string_equal(text, "192.0.2.1");
    assert_string_equal(id, "theirs");
    ask(&r, "");
    assert_string_equal(text, "unix:");
    hs_cidr_list_fini(&trusted);
    rig_close(&r);
}

/* proves: ec_httpsrv_session_request_id */
static void
ids_are_new_each_time(void **state)
{
    static char seen[100][33];
    struct rig r;
    size_t digits[16] = { 0 };

    (void)state;
    open_telling(&r);
    for (size_t i = 0; i < 100; i++) {
        ask(&r, "");
        assert_true(is_made(id));
        assert_false(is_named);
        memcpy(seen[i], id, 33);
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(seen[k], id);
        }
        for (const char *p = id; *p != '\0'; p++) {
            digits[(*p >= 'a' ? *p - 'a' + 10 : *p - '0')]++;
        }
    }
    for (size_t d = 0; d < 16; d++) { /* 200 of each are to be expected; that one is so far off happens to nobody */
        assert_true(digits[d] > 80 && digits[d] < 320);
    }
    rig_close(&r);
}

static void
ids_of_a_trusted_peer(void **state)
{
    static const struct {
        const char *fields, *id; /* NULL: one is made */
    } cases[] = {
        { "X-Request-Id: a\r\n", "a" },
        { "x-request-ID:   0123-abc.DEF~!#$%&'*+^_`|\r\n", "0123-abc.DEF~!#$%&'*+^_`|" },
        { "X-Request-Id: a\r\nX-Request-Id: b\r\n", NULL },
        { "X-Request-Id: a b\r\n", NULL },
        { "X-Request-Id: a\"b\r\n", NULL },
        { "X-Request-Id: a,b\r\n", NULL },
        { "X-Request-Id: a\xff\r\n", NULL },
        { "X-Request-Id: a\\b\r\n", NULL },
        { "X-Request-Id:\r\n", NULL },
        { "X-Request-Id: 00000000001111111111222222222233333333334444444444555555555566666666667777777777888888888899999999990000000000111111111122222222\r\n",
          "00000000001111111111222222222233333333334444444444555555555566666666667777777777888888888899999999990000000000111111111122222222" },
        { "X-Request-Id: 000000000011111111112222222222333333333344444444445555555555666666666677777777778888888888999999999900000000001111111111222222223\r\n",
          NULL },
    };
    struct rig r;

    (void)state;
    open_telling(&r);
    assert_int_equal(hs_cidr_list_add(&trusted, "unix:"), 0);
    hs_session_env_set_trust(r.env, &trusted, HS_FORWARDED_X_FORWARDED_FOR);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ask(&r, cases[i].fields);
        assert_true(cases[i].id != NULL ? strcmp(id, cases[i].id) == 0 : is_made(id));
    }
    hs_cidr_list_fini(&trusted);
    rig_close(&r);
}

static int
sets_its_own(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_header_set(s, "x-request-id", "mine"), 0);
    return DONE;
}

static int
fails(ec_httpsrv_session *s)
{
    (void)tell(s);
    hs_session_fail(s, 500);
    return DONE;
}

static int
streams(ec_httpsrv_session *s)
{
    (void)tell(s);
    assert_int_equal(ec_httpsrv_response_append(s, "a", 1), 0);
    (void)ec_httpsrv_response_flush(s, 0);
    assert_int_equal(ec_httpsrv_response_append(s, "b", 1), 0);
    return DONE;
}

static unsigned
count(const char *all, const char *part)
{
    unsigned n = 0;

    for (const char *p = all; (p = strcasestr(p, part)) != NULL; p++) {
        n++;
    }
    return n;
}

static void
every_response_has_the_id_where_that_is_wanted(void **state)
{
    struct rig r;
    char field[200];

    (void)state;
    rig_open(&r);
    rig_route(&r, NULL, "/tell", tell, NULL);
    rig_route(&r, NULL, "/own", sets_its_own, NULL);
    rig_route(&r, NULL, "/fails", fails, NULL);
    rig_route(&r, NULL, "/streams", streams, NULL);
    rig_start(&r);
    assert_int_equal(count(rig_exchange(&r, GET("/tell")), "x-request-id"), 0);
    hs_session_env_set_request_ids(r.env, true, false);
    assert_int_equal(count(rig_exchange(&r, GET("/tell")), "x-request-id"), 0);
    assert_true(is_named);
    hs_session_env_set_request_ids(r.env, false, true);
    static const char *const requests[] = { GET("/tell"), HEAD("/tell"), GET("/fails"), GET("/streams") };
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        const char *got = rig_exchange(&r, requests[i]);
        snprintf(field, sizeof field, "\r\nX-Request-Id: %s\r\n", id);
        assert_int_equal(count(got, field), 1);
        assert_int_equal(count(got, "x-request-id"), 1);
    }
    const char *got = rig_exchange(&r, GET("/own"));
    assert_int_equal(count(got, "x-request-id: mine"), 1);
    assert_int_equal(count(got, "x-request-id"), 1);
    got = rig_exchange(&r, GET("/none")); /* nobody's handler */
    assert_int_equal(count(got, "404 Not Found"), 1);
    assert_int_equal(count(got, "x-request-id"), 1);
    rig_close(&r);
}

static ec_httpsrv_session *kept;

static int
keep(ec_httpsrv_session *s)
{
    ec_httpsrv_session_addref(s);
    kept = s;
    return DONE;
}

static void
nothing_of_what_has_ended(void **state)
{
    struct rig r;

    (void)state;
    open_one(&r, keep);
    (void)rig_exchange(&r, GET("/"));
    errno = 0;
    assert_null(ec_httpsrv_request_client_address(kept));
    assert_int_equal(errno, EBADF);
    errno = 0;
    assert_null(ec_httpsrv_session_request_id(kept));
    assert_int_equal(errno, EBADF);
    ec_httpsrv_session_delref(kept);
    rig_close(&r);
}

static int
with_little_memory(ec_httpsrv_session *s)
{
    for (unsigned long nth = 1; nth < 4; nth++) {
        alloc_fail_at(nth);
        const char *i = ec_httpsrv_session_request_id(s);
        const ec_sockaddr *a = ec_httpsrv_request_client_address(s);
        alloc_fail_off();
        assert_true(i != NULL || errno == ENOMEM);
        (void)a; /* NULL or there */
    }
    return tell(s);
}

static void
memory_that_is_out_is_no_harm(void **state)
{
    struct rig r;

    (void)state;
    open_one(&r, with_little_memory);
    assert_int_equal(hs_cidr_list_add(&trusted, "unix:"), 0);
    hs_session_env_set_trust(r.env, &trusted, HS_FORWARDED_X_FORWARDED_FOR);
    hs_session_env_set_request_ids(r.env, true, true);
    ask(&r, "X-Forwarded-For: 192.0.2.1\r\n");
    assert_true(is_made(id));
    hs_cidr_list_fini(&trusted);
    rig_close(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_that_is_not_trusted_is_the_client_itself),
        cmocka_unit_test(a_trusted_peer_says_who_the_client_is),
        cmocka_unit_test(peers_that_are_noted),
        cmocka_unit_test(ids_are_new_each_time),
        cmocka_unit_test(ids_of_a_trusted_peer),
        cmocka_unit_test(every_response_has_the_id_where_that_is_wanted),
        cmocka_unit_test(nothing_of_what_has_ended),
        cmocka_unit_test(memory_that_is_out_is_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
