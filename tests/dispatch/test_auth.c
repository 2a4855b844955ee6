/* test_auth.c - dispatch/auth.c: who is asked, when, and what comes of each verdict. */
#include "auth_test.h"

static int
auth(ec_httpsrv_session *s)
{
    n_asked++;
    note(asked, s);
    return verdict;
}

/* --- verdicts --- */

/* proves: ec_httpsrv_register_auth */
static void
who_is_allowed_gets_to_the_handler(void **state)
{
    struct rig r;

    (void)state;
    open_rig(&r);
    route(NULL, NULL, "/a", "h");
    guard(NULL, NULL, "/a", "g", auth);
    rig_start(&r);
    const char *reply = rig_exchange(&r, GET("/a/b"));
    assert_int_equal(status_of(reply), 200);
    assert_non_null(strstr(reply, "content for nobody"));
    assert_string_equal(asked, "g:/a/b[b] ");
    assert_string_equal(handled, "h:/a/b[b] ");
    forget();
    verdict = EC_HTTPSRV_AUTH_DENIED;
    assert_int_equal(status_of(rig_exchange(&r, GET("/a/b"))), 403);
    assert_string_equal(asked, "g:/a/b[b] ");
    assert_string_equal(handled, "");
    rig_close(&r);
}

static void
who_is_denied_gets_403(void **state)
{
    struct rig r;

    (void)state;
    open_rig(&r);
    route(NULL, NULL, "/", "h");
    guard(NULL, NULL, "/", "g", auth);
    rig_start(&r);
    verdict = EC_HTTPSRV_AUTH_DENIED;
    const char *reply = rig_exchange(&r, GET("/"));
    assert_int_equal(status_of(reply), 403);
    assert_non_null(strstr(reply, "Content-Type: text/plain\r\n"));
    assert_non_null(strstr(reply, "\r\n\r\nForbidden\n"));
    assert_string_equal(handled, "");
    rig_close(&r);
}

static int
challenges(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_header_add(s, "WWW-Authenticate", "Basic realm=\"a\""), 0);
    assert_int_equal(ec_httpsrv_response_header_add(s, "WWW-Authenticate", "Digest realm=\"a\""), 0);
    return EC_HTTPSRV_AUTH_NOT_AUTHENTICATED;
}

static void
a_challenge_makes_it_401(void **state)
{
    struct rig r;

    (void)state;
    open_rig(&r);
    route(NULL, NULL, "/", "h");
    guard(NULL, NULL, "/", "g", challenges);
    guard(NULL, NULL, "/none", "g", auth);
    rig_start(&r);
    const char *reply = rig_exchange(&r, GET("/"));
    assert_int_equal(status_of(reply), 401);
    assert_non_null(strstr(reply, "WWW-Authenticate: Basic realm=\"a\"\r\n"));
    assert_non_null(strstr(reply, "WWW-Authenticate: Digest realm=\"a\"\r\n"));
    assert_non_null(strstr(reply, "\r\n\r\nUnauthorized\n"));
    verdict = EC_HTTPSRV_AUTH_NOT_AUTHENTICATED; /* of which a client can make nothing */
    assert_int_equal(status_of(rig_exchange(&r, GET("/none"))), 403);
    assert_string_equal(handled, "");
    rig_close(&r);
}

static int
answers_itself(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_status_set(s, 303, NULL), 0);
    assert_int_equal(ec_httpsrv_response_header_set(s, "Location", "/login"), 0);
    return verdict;
}

static int
page_of_its_own(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_header_set(s, "Content-Type", "text/html"), 0);
    assert_int_equal(ec_httpsrv_response_append(s, "<p>no", 5), 0);
    return EC_HTTPSRV_AUTH_DENIED;
}

static int
sends_its_head(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_append(s, "sent", 4), 0);
    (void)ec_httpsrv_response_flush(s, 1);
    return EC_HTTPSRV_AUTH_DENIED;
}

static void
a_response_of_the_auth_handlers_own_is_left_alone(void **state)
{
    struct rig r;

    (void)state;
    open_rig(&r);
    route(NULL, NULL, "/", "h");
    guard(NULL, NULL, "/", "g", answers_itself);
    guard(NULL, NULL, "/page", "g", page_of_its_own);
    guard(NULL, NULL, "/sent", "g", sends_its_head);
    rig_start(&r);
    for (int i = 0; i < 2; i++) {
        verdict = i == 0 ? EC_HTTPSRV_AUTH_DENIED : EC_HTTPSRV_AUTH_NOT_AUTHENTICATED;
        const char *reply = rig_exchange(&r, GET("/"));
        assert_int_equal(status_of(reply), 303);
        assert_non_null(strstr(reply, "Location: /login\r\n"));
        assert_null(strstr(reply, "Forbidden"));
    }
    const char *reply = rig_exchange(&r, GET("/page"));
    assert_int_equal(status_of(reply), 403);
    assert_non_null(strstr(reply, "Content-Type: text/html\r\n"));
    assert_non_null(strstr(reply, "\r\n\r\n<p>no"));
    assert_null(strstr(reply, "Forbidden\n"));
    reply = rig_exchange(&r, GET("/sent"));
    assert_int_equal(status_of(reply), 200);
    assert_non_null(strstr(reply, "sent"));
    assert_string_equal(handled, "");
    rig_close(&r);
}

static void
what_is_no_verdict_is_500(void **state)
{
    static const int odd[] = { 4, -1, 200, EACCES };
    struct rig r;

    (void)state;
    open_rig(&r);
    route(NULL, NULL, "/", "h");
    guard(NULL, NULL, "/", "g", auth);
    rig_start(&r);
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        verdict = odd[i];
        assert_int_equal(status_of(rig_exchange(&r, GET("/"))), 500);
    }
    verdict = EC_HTTPSRV_AUTH_LATER; /* without a suspension */
    assert_int_equal(status_of(rig_exchange(&r, GET("/"))), 500);
    verdict = EC_HTTPSRV_HANDLER_DONE; /* a handler that is none for auth lets nobody in */
    assert_int_equal(status_of(rig_exchange(&r, GET("/"))), 403);
    assert_string_equal(handled, "");
    rig_close(&r);
}

static int
sets_a_field(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_header_set(s, "Authentication-Info", "nextnonce=\"x\""), 0);
    assert_int_equal(ec_httpsrv_request_username_set(s, "ann"), 0);
    return EC_HTTPSRV_AUTH_ALLOWED;
}

/* proves: ec_httpsrv_request_username_get, ec_httpsrv_request_username_set */
static void
the_user_and_the_fields_reach_the_handler(void **state)
{
    struct rig r;

    (void)state;
    open_rig(&r);
    route(NULL, NULL, "/", "h");
    guard(NULL, NULL, "/u", "g", sets_a_field);
    rig_start(&r);
    const char *reply = rig_exchange(&r, GET("/u"));
    assert_non_null(strstr(reply, "Authentication-Info: nextnonce=\"x\"\r\n"));
    assert_non_null(strstr(reply, "content for ann"));
    assert_non_null(strstr(rig_exchange(&r, GET("/")), "content for nobody"));
    rig_close(&r);
}

static int
bad_users(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_request_username_set(s, "a\nb"), EINVAL);
    assert_int_equal(ec_httpsrv_request_username_set(s, "a\r"), EINVAL);
    assert_null(ec_httpsrv_request_username_get(s));
    assert_int_equal(ec_httpsrv_request_username_set(s, "J\xc3\xbcrgen"), 0);
    assert_string_equal(ec_httpsrv_request_username_get(s), "J\xc3\xbcrgen");
    assert_int_equal(ec_httpsrv_request_username_set(s, NULL), 0);
    assert_null(ec_httpsrv_request_username_get(s));
    ec_httpsrv_session_addref(s);
    held = s;
    return EC_HTTPSRV_AUTH_ALLOWED;
}

static void
user_names_hold_no_control_characters(void **state)
{
    struct rig r;

    (void)state;
    open_rig(&r);
    route(NULL, NULL, "/", "h");
    guard(NULL, NULL, "/", "g", bad_users);
    rig_start(&r);
    assert_int_equal(status_of(rig_exchange(&r, GET("/"))), 200);
    assert_int_equal(ec_httpsrv_request_username_set(held, "late"), EBADF);
    ec_httpsrv_session_delref(held);
    rig_close(&r);
}

/* --- who is asked --- */

static void
expect_asked(struct rig *r, const char *method, const char *path, const char *host, const char *who)
{
    char text[512];

    forget();
    (void)snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: %s\r\n\r\n", method, path, host);
    (void)status_of(rig_exchange(r, text));
    if ((who == NULL) != (n_asked == 0) || n_asked > 1 || (who != NULL && (strncmp(asked, who, strlen(who)) != 0 || asked[strlen(who)] != ':'))) {
        fail_msg("%s %s%s: asked %s, not %s", method, host, path, asked, who != NULL ? who : "nobody");
    }
}

static void
the_longest_base_path_decides(void **state)
{
    struct rig r;

    (void)state;
    open_rig(&r);
    route(NULL, NULL, "/", "h");
    guard(NULL, NULL, "/a/b/", "ab", auth);
    guard(NULL, NULL, "/a", "a", auth);
    guard(NULL, "POST", "/a/post", "ap", auth);
    guard(NULL, NULL, "/m", "m", auth);
    guard(NULL, "GET", "/m", "mget", auth);
    guard(NULL, "PURGE", "/m", "mpurge", auth);
    rig_start(&r);
    expect_asked(&r, "GET", "/", "h", NULL);
    expect_asked(&r, "GET", "/ab", "h", NULL);
    expect_asked(&r, "GET", "/a", "h", "a");
    expect_asked(&r, "GET", "/a/", "h", "a");
    expect_asked(&r, "GET", "/a/bc", "h", "a");
    expect_asked(&r, "GET", "/a/b", "h", "ab");
    expect_asked(&r, "GET", "/a/b/c/d", "h", "ab");
    expect_asked(&r, "POST", "/a/post", "h", "ap");
    expect_asked(&r, "POST", "/a/post/x", "h", "ap");
    expect_asked(&r, "GET", "/a/post", "h", "a"); /* a longer path for other methods opens nothing */
    expect_asked(&r, "GET", "/a/post/x", "h", "a");
    expect_asked(&r, "GET", "/m", "h", "mget");
    expect_asked(&r, "HEAD", "/m", "h", "mget");
    expect_asked(&r, "PUT", "/m", "h", "m");
    expect_asked(&r, "PURGE", "/m", "h", "mpurge");
    expect_asked(&r, "OPTIONS", "/m", "h", "m");
    rig_close(&r);
}

static void
those_of_a_host_come_first(void **state)
{
    struct rig r;

    (void)state;
    open_rig(&r);
    route(NULL, NULL, "/", "h");
    route("v.example", NULL, "/", "vh");
    guard(NULL, NULL, "/a", "a", auth);
    guard("v.example", NULL, "/a/v", "v", auth);
    guard("v.example", "POST", "/a", "vpost", auth);
    rig_start(&r);
    expect_asked(&r, "GET", "/a", "other", "a");
    expect_asked(&r, "GET", "/a/v", "other", "a");
    expect_asked(&r, "GET", "/a/v", "V.example:8080", "v");
    expect_asked(&r, "POST", "/a", "v.example", "vpost");
    expect_asked(&r, "GET", "/a", "v.example", "a"); /* one without a host where the host has none */
    expect_asked(&r, "GET", "/", "v.example", NULL);
    rig_close(&r);
}

static void
it_is_asked_before_answers_without_a_handler(void **state)
{
    struct rig r;

    (void)state;
    open_rig(&r);
    route(NULL, "GET", "/a", "h");
    guard(NULL, NULL, "/a", "g", auth);
    guard(NULL, NULL, "/none", "g", auth);
    rig_start(&r);
    verdict = EC_HTTPSRV_AUTH_DENIED;
    assert_int_equal(status_of(rig_exchange(&r, GET("/none/there"))), 403);
    assert_int_equal(status_of(rig_exchange(&r, "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")), 403);
    assert_int_equal(status_of(rig_exchange(&r, "OPTIONS /a HTTP/1.1\r\nHost: h\r\n\r\n")), 403);
    assert_int_equal(status_of(rig_exchange(&r, "HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n")), 403);
    assert_int_equal(n_asked, 4);
    assert_string_equal(handled, "");
    verdict = EC_HTTPSRV_AUTH_ALLOWED;
    assert_int_equal(status_of(rig_exchange(&r, GET("/none/there"))), 404);
    const char *reply = rig_exchange(&r, "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(status_of(reply), 405);
    assert_non_null(strstr(reply, "Allow: GET, HEAD, OPTIONS\r\n"));
    assert_int_equal(status_of(rig_exchange(&r, "OPTIONS /a HTTP/1.1\r\nHost: h\r\n\r\n")), 204);
    assert_int_equal(status_of(rig_exchange(&r, "HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n")), 200);
    assert_int_equal(n_asked, 8);
    assert_int_equal(status_of(rig_exchange(&r, "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n")), 204);
    assert_int_equal(n_asked, 8);
    rig_close(&r);
}

static void
own(struct rig *r, const char *path, const char *name, bool open, bool exact)
{
    struct hs_registration reg = { .path = path, .exact = exact, .job_class = ECTP_CLASS_SHORT_LIVED, .handler = handler, .open = open };

    hs_route_options_default(&reg.options);
    if (!open) {
        reg.auth = auth;
        reg.auth_closure = ec_blobject_wrap(&name_class, (void *)(uintptr_t)name);
    }
    assert_int_equal(hs_generation_register(r->generation, &reg, NULL), 0);
    ec_blobject_delref(reg.auth_closure);
}

static void
a_routes_own_auth_counts_as_registered_at_its_path(void **state)
{
    struct rig r;

    (void)state;
    open_rig(&r);
    own(&r, "/", "root", false, false);
    own(&r, "/a/b", "own", false, false);
    own(&r, "/login", NULL, true, false);
    own(&r, "/x", "exact", false, true);
    route(NULL, NULL, "/a/b/plain", "h");
    guard(NULL, NULL, "/a", "a", auth);
    guard(NULL, NULL, "/a/b", "ab", auth);
    guard(NULL, NULL, "/a/b/c", "abc", auth);
    guard(NULL, NULL, "/login/admin", "la", auth);
    guard("v.example", NULL, "/", "v", auth);
    rig_start(&r);
    expect_asked(&r, "GET", "/", "h", "root");
    expect_asked(&r, "GET", "/a", "h", "a");          /* the longer one, of two that are not the route's */
    expect_asked(&r, "GET", "/a/b", "h", "own");      /* the route's own among equals */
    expect_asked(&r, "GET", "/a/b/x", "h", "own");
    expect_asked(&r, "GET", "/a/b/c", "h", "abc");
    expect_asked(&r, "GET", "/a/b/plain", "h", "ab"); /* another route's own is not its */
    expect_asked(&r, "GET", "/login", "h", NULL);
    expect_asked(&r, "GET", "/login/x", "h", NULL);
    expect_asked(&r, "GET", "/login/admin", "h", "la");
    expect_asked(&r, "GET", "/x", "h", "exact");
    expect_asked(&r, "GET", "/x/y", "h", "root");
    expect_asked(&r, "GET", "/a/b", "v.example", "own");
    expect_asked(&r, "GET", "/none", "v.example", "root");
    rig_close(&r);
}

/* --- the path --- */

/* The paths of the corpus with which one gets past checks of names, over routes that do not keep encoded slashes and one that does. */
static void
threat_28_auth_and_handler_see_the_same_path(void **state)
{
    static const char *const corpus[] = {
        "/secret", "/secret/", "/secret/x", "//secret", "///secret///x", "/./secret", "/x/../secret", "/x/%2e%2e/secret", "/x/.%2e/secret", "/%2e/secret",
        "/%73ecret", "/secre%74", "/%73%65%63%72%65%74", "/secret%2f", "/secret%2Fx", "/x%2f..%2fsecret", "/x/..%2fsecret", "/secret%5cx",
        "/x%5c..%5csecret", "/x\\..\\secret", "/secret\\", "/secret%00", "/secret%00.txt", "/%2573ecret", "/%252e%252e/secret", "/x/%252e%252e/secret",
        "/secret;a=b", "/secret;/x", "/x/..;/secret", "/secret%3b", "/secret%20", "/secret%09", "/secret.", "/secret%2e", "/secret/.", "/secret/..",
        "/secret/../secret", "/secret/x/../..", "/SECRET", "/secret?x", "/secret%3fx", "/secret%23x", "/%c0%ae%c0%ae/secret", "/%c0%afsecret",
        "/%e0%80%afsecret", "/x/../../secret", "/..%2fsecret", "/%2fsecret", "/%2f%2fsecret", "/%5csecret", "/enc/a%2fb", "/enc%2f..%2fsecret",
        "/enc/..%2fsecret", "/enc/%2e%2e%2fsecret", "/enc/../secret", "/enc/%2e%2e/secret", "/enc/..%5csecret", "/enc/%252e%252e%252fsecret", "/enc//x",
        "/enc/./x", "/%65nc/a%2Fb", "/enc/%2F", "/enc/%5C", "/secret/%2e%2e/enc/a%2Fb", "/secret%2f..%2fenc/x", "http://h/secret", "http://h//secret",
        "http://h/x/../secret", "http://h", "/", "//", "/.", "/%2e", "/%", "/%7", "/%zz", "/secret%", "/secret%zz",
    };
    struct rig r;
    unsigned reached = 0;

    (void)state;
    for (int slashes = 0; slashes < 2; slashes++) {
        open_rig(&r);
        guard(NULL, NULL, "/", "", auth);
        guard(NULL, NULL, "/secret", "s", auth);
        struct hs_registration reg = { .path = "/enc", .job_class = ECTP_CLASS_SHORT_LIVED, .handler = handler, .options.max_body = INT64_MIN };
        reg.options.encoded_slash = true;
        assert_int_equal(hs_generation_register(r.generation, &reg, NULL), 0);
        reg.path = "/";
        reg.options.encoded_slash = slashes == 1;
        assert_int_equal(hs_generation_register(r.generation, &reg, NULL), 0);
        route(NULL, NULL, "/secret", "secret");
        rig_start(&r);
        for (size_t i = 0; i < sizeof corpus / sizeof *corpus; i++) {
            char text[512];
            forget();
            verdict = EC_HTTPSRV_AUTH_ALLOWED;
            (void)snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", corpus[i]);
            int status = status_of(rig_exchange(&r, text));
            if (status == 400) {
                assert_string_equal(handled, "");
                continue;
            }
            assert_int_equal(status, 200);
            assert_int_equal(n_asked, 1);
            const char *a = strchr(asked, ':'), *h = strchr(handled, ':');
            assert_memory_equal(a, h, strcspn(a, "[")); /* the whole path */
            /* What the handler below /secret gets is what the guard of /secret was asked about, and nothing else. */
            assert_int_equal(asked[0] == 's', strncmp(handled, "secret:", 7) == 0);
            reached++;
            verdict = EC_HTTPSRV_AUTH_DENIED;
            forget();
            assert_int_equal(status_of(rig_exchange(&r, text)), 403);
            assert_string_equal(handled, "");
        }
        rig_close(&r);
    }
    assert_true(reached > 80);
}

/* --- registering, limits, memory --- */

/* proves: ec_httpsrv_register_auth */
static void
bad_registrations_are_refused(void **state)
{
    struct rig r;

    (void)state;
    open_rig(&r);
    assert_int_equal(ec_httpsrv_register_auth(NULL, NULL, "/a", NULL, auth), 0);
    assert_int_equal(ec_httpsrv_register_auth(NULL, NULL, "/a/", NULL, auth), EEXIST);
    assert_int_equal(ec_httpsrv_register_auth(NULL, "GET", "/a", NULL, auth), 0);
    assert_int_equal(ec_httpsrv_register_auth(NULL, NULL, "a", NULL, auth), EINVAL);
    assert_int_equal(ec_httpsrv_register_auth(NULL, NULL, "/a/../b", NULL, auth), EINVAL);
    assert_int_equal(ec_httpsrv_register_auth(NULL, "G T", "/b", NULL, auth), EINVAL);
    assert_int_equal(ec_httpsrv_register_auth("h:80", NULL, "/b", NULL, auth), EINVAL);
    assert_int_equal(ec_httpsrv_register_auth(NULL, NULL, NULL, NULL, auth), EINVAL);
    assert_int_equal(ec_httpsrv_register_auth(NULL, NULL, "/b", NULL, NULL), EINVAL);
    rig_start(&r);
    assert_int_equal(ec_httpsrv_register_auth(NULL, NULL, "/b", NULL, auth), EINVAL); /* nothing is being built */
    rig_close(&r);
}

static void
count(const struct hs_registration *reg, void *arg)
{
    strcat(arg, reg->path);
    strcat(arg, " ");
}

static void
auth_registrations_are_listed_apart(void **state)
{
    struct rig r;
    char text[64] = "";

    (void)state;
    open_rig(&r);
    route(NULL, NULL, "/h", "h");
    guard(NULL, NULL, "/", "g", auth);
    guard(NULL, NULL, "/longer/", "g", auth);
    rig_start(&r);
    hs_generation_each_auth(r.generation, count, text);
    assert_string_equal(text, "/longer / ");
    assert_int_equal(hs_generation_count(r.generation), 1);
    rig_close(&r);
}

static void
a_body_above_the_routes_limit_is_413_for_who_is_allowed(void **state)
{
    struct hs_route_options o;
    struct rig r;

    (void)state;
    open_rig(&r);
    hs_route_options_default(&o);
    o.max_body = 3;
    rig_route(&r, NULL, "/", handler, &o);
    guard(NULL, NULL, "/", "g", auth);
    rig_start(&r);
    assert_int_equal(status_of(rig_exchange(&r, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nabcd")), 413);
    assert_int_equal(n_asked, 1);
    assert_string_equal(handled, "");
    verdict = EC_HTTPSRV_AUTH_DENIED;
    assert_int_equal(status_of(rig_exchange(&r, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nabcd")), 403);
    verdict = EC_HTTPSRV_AUTH_ALLOWED;
    assert_int_equal(status_of(rig_exchange(&r, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc")), 200);
    rig_close(&r);
}

static int
error_page(ec_httpsrv_session *s)
{
    if (held == NULL) {
        held = s;
        assert_int_equal(ec_httpsrv_session_suspend(s), 0);
        assert_int_equal(ec_httpsrv_session_resume(s, 0), 0);
        return EC_HTTPSRV_HANDLER_ASYNC;
    }
    assert_int_equal(ec_httpsrv_response_append(s, "my page", 7), 0);
    return EC_HTTPSRV_HANDLER_DONE;
}

static void
what_is_registered_for_the_status_answers(void **state)
{
    struct hs_registration page = { .path = "/", .job_class = ECTP_CLASS_SHORT_LIVED, .handler = error_page };
    struct rig r;

    (void)state;
    open_rig(&r);
    route(NULL, NULL, "/", "h");
    guard(NULL, NULL, "/", "g", challenges);
    guard(NULL, NULL, "/page", "g", page_of_its_own);
    hs_route_options_default(&page.options);
    assert_int_equal(hs_generation_register_error(r.generation, 401, &page, NULL), 0);
    assert_int_equal(hs_generation_register_error(r.generation, 403, &page, NULL), 0);
    rig_start(&r);
    const char *reply = rig_exchange(&r, GET("/"));
    assert_int_equal(status_of(reply), 401);
    assert_non_null(strstr(reply, "WWW-Authenticate: Digest realm=\"a\"\r\n"));
    assert_non_null(strstr(reply, "my page"));
    assert_null(strstr(rig_exchange(&r, GET("/page")), "my page"));
    assert_string_equal(handled, "");
    rig_close(&r);
}

static void
denied_with_a_failure(struct rig *r, unsigned long n)
{
    struct rig_client c;

    verdict = EC_HTTPSRV_AUTH_DENIED;
    forget();
    rig_client_init(r, &c);
    alloc_fail_at(n);
    rig_client_connect(&c);
    rig_sends(&c, "GET /%61/x HTTP/1.1\r\nHost: h\r\n\r\n");
    rig_settle(r);
    assert_string_equal(handled, "");
    alloc_fail_off();
    rig_disconnect(&c, false);
    rig_settle(r);
}

static void
want_of_memory_lets_nobody_in(void **state)
{
    struct rig r;

    (void)state;
    open_rig(&r);
    r.accept_may_fail = true;
    route(NULL, NULL, "/", "h");
    guard(NULL, NULL, "/a", "g", auth);
    rig_start(&r);
    denied_with_a_failure(&r, 100000);
    assert_int_equal(n_asked, 1);
    for (unsigned long n = 1; n == 1 || alloc_fail_hit(); n++) {
        denied_with_a_failure(&r, n);
    }
    rig_close(&r);
}

static void
registering(void *arg)
{
    struct hs_generation *g;
    struct hs_registration reg = { .path = "/a/b", .host = "h", .method = "GET", .job_class = ECTP_CLASS_SHORT_LIVED, .handler = handler, .auth = auth };

    (void)arg;
    hs_route_options_default(&reg.options);
    if (hs_generation_new(1, &g) != 0) {
        return;
    }
    int err = hs_generation_register(g, &reg, NULL);
    assert_true(err == 0 || err == ENOMEM);
    err = hs_generation_register_auth(g, &reg, NULL);
    assert_true(err == 0 || err == ENOMEM);
    hs_generation_delref(g);
}

static void
registering_survives_each_failed_allocation(void **state)
{
    (void)state;
    assert_true(alloc_fail_each(registering, NULL) > 10);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_allowed_gets_to_the_handler),
        cmocka_unit_test(who_is_denied_gets_403),
        cmocka_unit_test(a_challenge_makes_it_401),
        cmocka_unit_test(a_response_of_the_auth_handlers_own_is_left_alone),
        cmocka_unit_test(what_is_no_verdict_is_500),
        cmocka_unit_test(the_user_and_the_fields_reach_the_handler),
        cmocka_unit_test(user_names_hold_no_control_characters),
        cmocka_unit_test(the_longest_base_path_decides),
        cmocka_unit_test(those_of_a_host_come_first),
        cmocka_unit_test(it_is_asked_before_answers_without_a_handler),
        cmocka_unit_test(a_routes_own_auth_counts_as_registered_at_its_path),
        cmocka_unit_test(threat_28_auth_and_handler_see_the_same_path),
        cmocka_unit_test(bad_registrations_are_refused),
        cmocka_unit_test(auth_registrations_are_listed_apart),
        cmocka_unit_test(a_body_above_the_routes_limit_is_413_for_who_is_allowed),
        cmocka_unit_test(what_is_registered_for_the_status_answers),
        cmocka_unit_test(want_of_memory_lets_nobody_in),
        cmocka_unit_test(registering_survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
