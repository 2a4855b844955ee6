/* test_dispatch.c - dispatch/dispatch.c: from bytes on a connection to a handler, and the answers without one. */
#include "dispatch/dispatch.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "base/live.h"
#include "http/h1.h"

struct world {
    struct hs_loop *loop;
    struct hs_dispatch *dispatch;
    struct hs_session_env *env;
    struct hs_h1 *h1;
    struct hs_transport *client;
    char response[16384];
};

static char seen[512];     /* what handlers saw */
static unsigned n_ended;
static char ended_path[256];

static void
on_ended(void *arg, ec_httpsrv_session *sess)
{
    assert_string_equal(arg, "arg");
    n_ended++;
    struct hs_view p = hs_session_path(sess);
    (void)snprintf(ended_path, sizeof ended_path, "%.*s %d", (int)p.n, p.p != NULL ? p.p : "", hs_session_status(sess));
}

static void
world_new(struct world *w)
{
    struct hs_limits limits;
    struct hs_h1_limits h1;

    memset(w, 0, sizeof *w);
    hs_limits_default(&limits);
    hs_h1_limits_default(&h1);
    assert_int_equal(hs_loop_new(&(struct hs_loop_options){ .test_clock = true }, &w->loop), 0);
    assert_int_equal(hs_dispatch_new(&w->dispatch), 0);
    hs_dispatch_on_ended(w->dispatch, on_ended, (void *)(uintptr_t) "arg");
    assert_int_equal(hs_session_env_new(w->loop, &limits, &hs_dispatch_app, w->dispatch, &w->env), 0);
    assert_int_equal(hs_h1_new(w->loop, &h1, &hs_session_stream_user, w->env, &w->h1), 0);
    seen[0] = '\0';
    n_ended = 0;
}

static void
turn(struct world *w)
{
    for (int i = 0; i < 8; i++) {
        assert_int_equal(hs_loop_turn(w->loop, false), 0);
    }
}

static void
hang_up(struct world *w)
{
    if (w->client != NULL) {
        w->client->ops->close(w->client, false);
        w->client = NULL;
    }
    turn(w);
}

static void
world_free(struct world *w)
{
    hang_up(w);
    hs_h1_close_all(w->h1);
    turn(w);
    hs_h1_free(w->h1);
    hs_dispatch_set_generation(w->dispatch, NULL);
    hs_session_env_free(w->env);
    hs_dispatch_free(w->dispatch);
    hs_loop_free(w->loop);
    assert_int_equal(hs_live_get(HS_LIVE_SESSION), 0);
    assert_int_equal(hs_live_get(HS_LIVE_CONN), 0);
}

static void
no_event(void *arg, unsigned events)
{
    (void)arg;
    (void)events;
}

/* What the server answers to some bytes. */
static const char *
ask(struct world *w, const char *request)
{
    struct hs_transport *server;
    size_t n = strlen(request);

    hang_up(w);
    assert_int_equal(hs_memory_transport_pair(w->loop, &(struct hs_memory_pair_options){ .capacity = 1 << 20 }, &w->client, &server), 0);
    w->client->on_event = no_event;
    assert_int_equal(hs_h1_accept(w->h1, server), 0);
    struct iovec iov = { (void *)(uintptr_t)request, n };
    assert_int_equal(w->client->ops->writev(w->client, &iov, 1, false), n);
    turn(w);
    ssize_t got = w->client->ops->read(w->client, w->response, sizeof w->response - 1);
    w->response[got > 0 ? got : 0] = '\0';
    return w->response;
}

static const char *
request(struct world *w, const char *method, const char *target, const char *host)
{
    char text[4096];
    (void)snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: %s\r\n\r\n", method, target, host);
    return ask(w, text);
}

static int
status_of(const char *response)
{
    int status = 0;
    assert_int_equal(sscanf(response, "HTTP/1.1 %d ", &status), 1);
    return status;
}

static int
get(struct world *w, const char *target)
{
    return status_of(request(w, "GET", target, "h"));
}

/* A handler that answers with what it was called for. */
static int
echo(ec_httpsrv_session *sess)
{
    ec_url_details *url = ec_httpsrv_request_url_get(sess);
    assert_non_null(url);
    (void)snprintf(seen, sizeof seen, "%s %s [%s]", ec_httpsrv_request_method_get(sess), url->path, ec_httpsrv_request_path_rest(sess));
    assert_int_equal(ec_httpsrv_response_append(sess, seen, strlen(seen)), 0);
    return EC_HTTPSRV_HANDLER_DONE;
}

static struct hs_generation *
serve(struct world *w, const struct hs_registration *regs, size_t n)
{
    struct hs_generation *g;
    assert_int_equal(hs_generation_new(1, &g), 0);
    for (size_t i = 0; i < n; i++) {
        struct hs_registration r = regs[i];
        r.job_class = ECTP_CLASS_SHORT_LIVED;
        if (r.handler == NULL) {
            r.handler = echo;
        }
        if (r.options.max_body == 0) {
            r.options.max_body = INT64_MIN;
        }
        assert_int_equal(hs_generation_register(g, &r, NULL), 0);
    }
    hs_dispatch_set_generation(w->dispatch, g);
    hs_generation_delref(g);
    return hs_dispatch_generation(w->dispatch);
}

static void
a_request_finds_its_handler(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    serve(&w, (struct hs_registration[]){ { .path = "/" }, { .path = "/a/b" }, { .host = "v.example", .path = "/" } }, 3);
    assert_int_equal(get(&w, "/"), 200);
    assert_string_equal(seen, "GET / []");
    assert_int_equal(get(&w, "/x/y"), 200);
    assert_string_equal(seen, "GET /x/y [x/y]");
    assert_int_equal(get(&w, "/a/b/c?q=1"), 200);
    assert_string_equal(seen, "GET /a/b/c [c]");
    assert_int_equal(get(&w, "/a/b"), 200);
    assert_string_equal(seen, "GET /a/b []");
    assert_int_equal(status_of(request(&w, "GET", "/a/b", "V.example:80")), 200);
    assert_string_equal(seen, "GET /a/b [a/b]");
    assert_int_equal(status_of(request(&w, "GET", "http://v.example/a/b", "v.example")), 200);
    assert_string_equal(seen, "GET /a/b [a/b]");
    assert_int_equal(status_of(request(&w, "GET", "http://v.example", "v.example")), 200);
    assert_string_equal(seen, "GET / []");
    assert_int_equal(n_ended, 7);
    world_free(&w);
}

static void
no_match_is_404(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    serve(&w, (struct hs_registration[]){ { .path = "/a" } }, 1);
    const char *r = request(&w, "GET", "/b", "h");
    assert_int_equal(status_of(r), 404);
    assert_non_null(strstr(r, "Content-Type: text/plain\r\n"));
    assert_non_null(strstr(r, "Content-Length: 10\r\n"));
    assert_non_null(strstr(r, "\r\n\r\nNot Found\n"));
    assert_null(strstr(r, "Connection: close"));
    assert_string_equal(ended_path, "/b 404");
    assert_int_equal(status_of(request(&w, "OPTIONS", "/b", "h")), 404);
    assert_int_equal(get(&w, "/aa"), 404);
    assert_string_equal(seen, "");
    world_free(&w);
}

static void
a_wrong_method_is_405_with_allow(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    serve(&w, (struct hs_registration[]){ { .path = "/", .method = "DELETE" }, { .path = "/a", .method = "GET" }, { .path = "/a", .method = "POST" } },
          3);
    const char *r = request(&w, "PUT", "/a/x", "h");
    assert_int_equal(status_of(r), 405);
    assert_non_null(strstr(r, "Allow: GET, HEAD, POST, OPTIONS\r\n"));
    assert_non_null(strstr(r, "\r\n\r\nMethod Not Allowed\n"));
    assert_int_equal(status_of(request(&w, "DELETE", "/a", "h")), 405);
    assert_int_equal(status_of(request(&w, "BREW", "/a", "h")), 405);
    assert_string_equal(seen, "");
    world_free(&w);
}

static void
ruling_09_options_without_a_handler(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    serve(&w, (struct hs_registration[]){ { .path = "/a", .method = "POST" }, { .path = "/b" }, { .path = "/c", .method = "OPTIONS" } }, 3);
    const char *r = request(&w, "OPTIONS", "/a", "h");
    assert_int_equal(status_of(r), 204);
    assert_non_null(strstr(r, "Allow: POST, OPTIONS\r\n"));
    assert_null(strstr(r, "Content-Length"));
    r = request(&w, "OPTIONS", "*", "h");
    assert_int_equal(status_of(r), 204);
    assert_non_null(strstr(r, "Allow: GET, "));
    assert_string_equal(seen, "");
    assert_int_equal(status_of(request(&w, "OPTIONS", "/b", "h")), 200);
    assert_string_equal(seen, "OPTIONS /b []");
    assert_int_equal(status_of(request(&w, "OPTIONS", "/c/d", "h")), 200);
    assert_string_equal(seen, "OPTIONS /c/d [d]");
    world_free(&w);
}

static void
ruling_09_head_goes_to_the_get_handler_without_its_body(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    serve(&w, (struct hs_registration[]){ { .path = "/a", .method = "GET" } }, 1);
    const char *r = request(&w, "HEAD", "/a", "h");
    assert_int_equal(status_of(r), 200);
    assert_string_equal(seen, "HEAD /a []");
    assert_non_null(strstr(r, "Content-Length: 10\r\n"));
    assert_string_equal(strstr(r, "\r\n\r\n"), "\r\n\r\n");
    r = request(&w, "HEAD", "/none", "h");
    assert_int_equal(status_of(r), 404);
    assert_string_equal(strstr(r, "\r\n\r\n"), "\r\n\r\n");
    world_free(&w);
}

static void
ruling_15_one_normalised_path(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    serve(&w, (struct hs_registration[]){ { .path = "/a b" }, { .path = "/x" } }, 2);
    assert_int_equal(get(&w, "/a%20b/c%41"), 200);
    assert_string_equal(seen, "GET /a b/cA [cA]");
    assert_int_equal(get(&w, "//y/..//x//./z/"), 200);
    assert_string_equal(seen, "GET /x/z/ [z/]");
    assert_int_equal(get(&w, "/y/%2e%2E/x"), 200);
    assert_string_equal(seen, "GET /x []");
    assert_int_equal(get(&w, "/x/%2541"), 200); /* decoded once */
    assert_string_equal(seen, "GET /x/%41 [%41]");
    assert_int_equal(get(&w, "/%78"), 200);
    assert_string_equal(seen, "GET /x []");
    assert_string_equal(ended_path, "/x 200");
    world_free(&w);
}

static void
threat_28_paths_that_can_be_read_two_ways_are_400(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "/x/..%2f..%2fetc", "/x%2fy", "/x%5cy", "/x%00", "/..", "/x/../../y", "/%2e%2e/", "/x/%zz", "/x/%4", "/x/..;/y", "/%c0%ae%c0%ae/", "/x/%0a",
    };
    struct world w;
    world_new(&w);
    serve(&w, (struct hs_registration[]){ { .path = "/" } }, 1);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(get(&w, bad[i]), 400);
    }
    assert_string_equal(seen, "");
    assert_non_null(strstr(request(&w, "GET", "/x%00", "h"), "\r\n\r\nBad Request\n"));
    world_free(&w);
}

static void
ruling_15_encoded_slashes_where_the_route_allows_them(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    serve(&w,
          (struct hs_registration[]){ { .path = "/f", .options.encoded_slash = true }, { .path = "/f/strict" }, { .path = "/" } }, 3);
    assert_int_equal(get(&w, "/f/a%2Fb"), 200);
    assert_string_equal(seen, "GET /f/a%2Fb [a%2Fb]");
    assert_int_equal(get(&w, "/f/a%5Cb%20c"), 200);
    assert_string_equal(seen, "GET /f/a%5Cb c [a%5Cb c]");
    assert_int_equal(get(&w, "/f/a%252Fb"), 200); /* its owner decodes it once more, and must not get a slash */
    assert_string_equal(seen, "GET /f/a%252Fb [a%252Fb]");
    assert_int_equal(get(&w, "/f/plain"), 200);
    assert_string_equal(seen, "GET /f/plain [plain]");
    assert_int_equal(get(&w, "/f/%70lain"), 200);
    assert_string_equal(seen, "GET /f/plain [plain]");
    seen[0] = '\0';
    assert_int_equal(get(&w, "/f/strict/a%2Fb"), 400);
    assert_int_equal(get(&w, "/g/a%2Fb"), 400);
    assert_int_equal(get(&w, "/f/a%2F..%2Fb"), 400);
    assert_int_equal(get(&w, "/f%2Fa"), 400);
    assert_string_equal(seen, "");
    world_free(&w);
}

static int
too_large_handler(ec_httpsrv_session *sess)
{
    (void)sess;
    fail();
    return EC_HTTPSRV_HANDLER_DONE;
}

static void
ruling_10_a_body_above_the_routes_limit_never_reaches_the_handler(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    serve(&w, (struct hs_registration[]){ { .path = "/s", .handler = too_large_handler, .options.max_body = 3 }, { .path = "/l" } }, 2);
    const char *r = ask(&w, "POST /s HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n1234");
    assert_int_equal(status_of(r), 413);
    assert_string_equal(ended_path, "/s 413");
    assert_int_equal(status_of(ask(&w, "POST /l HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n1234")), 200);
    assert_int_equal(status_of(ask(&w, "POST /l HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999\r\n\r\n1234")), 413);
    world_free(&w);
}

/* --- pages for errors --- */

static unsigned page_calls;

/* Waits once, then tells what it stands for. */
static int
page(ec_httpsrv_session *sess)
{
    char text[256];

    if (page_calls++ == 0) {
        assert_int_equal(ec_httpsrv_session_suspend(sess), 0);
        assert_int_equal(ec_httpsrv_session_resume(sess, 0), 0);
        return EC_HTTPSRV_HANDLER_ASYNC;
    }
    (void)snprintf(text, sizeof text, "page %d [%s]", hs_session_status(sess), ec_httpsrv_request_path_rest(sess));
    assert_int_equal(ec_httpsrv_response_string(sess, &(string){ .buffer = text, .len = (int)strlen(text) }), 0);
    return EC_HTTPSRV_HANDLER_DONE;
}

static int
no_room(ec_httpsrv_session *sess)
{
    assert_int_equal(ec_httpsrv_response_header_set(sess, "Retry-After", "7"), 0);
    return hs_dispatch_answer(sess, 503);
}

/* Begins, then begins anew with what belongs to the status alone. */
static int
restart(ec_httpsrv_session *sess)
{
    assert_int_equal(ec_httpsrv_response_header_set(sess, "X-Lost", "1"), 0);
    assert_int_equal(ec_httpsrv_response_header_set(sess, "WWW-Authenticate", "Basic"), 0);
    assert_int_equal(ec_httpsrv_response_append(sess, "lost", 4), 0);
    assert_int_equal(hs_session_response_restart(sess), 0);
    assert_int_equal(hs_session_status(sess), 200);
    return hs_dispatch_answer(sess, 401);
}

static const char *
page_for(struct world *w, const char *request_bytes)
{
    page_calls = 0;
    return ask(w, request_bytes);
}

static void
pages_for_errors_answer_in_the_place_of_the_core(void **state)
{
    (void)state;
    struct world w;
    struct hs_generation *g;
    world_new(&w);
    struct hs_registration error = { .path = "/", .job_class = ECTP_CLASS_SHORT_LIVED, .handler = page };
    struct hs_registration routes[] = {
        { .path = "/s", .method = "POST", .handler = too_large_handler, .options.max_body = 3 },
        { .path = "/full", .handler = no_room, .options.max_body = INT64_MIN },
        { .path = "/auth", .handler = restart, .options.max_body = INT64_MIN },
    };
    hs_route_options_default(&error.options);
    assert_int_equal(hs_generation_new(1, &g), 0);
    for (size_t i = 0; i < 3; i++) {
        routes[i].job_class = ECTP_CLASS_SHORT_LIVED;
        assert_int_equal(hs_generation_register(g, &routes[i], NULL), 0);
    }
    static const int pages[] = { 400, 404, 405, 413, 503 };
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        assert_int_equal(hs_generation_register_error(g, pages[i], &error, NULL), 0);
    }
    hs_dispatch_set_generation(w.dispatch, g);
    hs_generation_delref(g);

    const char *r = page_for(&w, "GET /none/x HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(status_of(r), 404);
    assert_non_null(strstr(r, "\r\n\r\npage 404 [none/x]"));
    assert_int_equal(page_calls, 2);
    r = page_for(&w, "GET /s HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(status_of(r), 405);
    assert_non_null(strstr(r, "Allow: POST, OPTIONS\r\n"));
    assert_non_null(strstr(r, "\r\n\r\npage 405 [s]"));
    r = page_for(&w, "POST /s HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n1234");
    assert_int_equal(status_of(r), 413);
    assert_non_null(strstr(r, "\r\n\r\npage 413 [s]"));
    assert_string_equal(ended_path, "/s 413");
    r = page_for(&w, "GET /%00 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(status_of(r), 400);
    assert_non_null(strstr(r, "\r\n\r\npage 400 []"));
    r = page_for(&w, "GET /full HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(status_of(r), 503);
    assert_non_null(strstr(r, "Retry-After: 7\r\n"));
    assert_non_null(strstr(r, "\r\n\r\npage 503 [full]"));
    r = page_for(&w, "GET /auth HTTP/1.1\r\nHost: h\r\n\r\n"); /* there is none for 401 */
    assert_int_equal(status_of(r), 401);
    assert_non_null(strstr(r, "WWW-Authenticate: Basic\r\n"));
    assert_null(strstr(r, "X-Lost"));
    assert_non_null(strstr(r, "\r\n\r\nUnauthorized\n"));
    assert_int_equal(page_calls, 0);
    hs_dispatch_set_generation(w.dispatch, NULL); /* no generation, no pages */
    r = page_for(&w, "GET /none HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(status_of(r), 503);
    assert_non_null(strstr(r, "\r\n\r\nService Unavailable\n"));
    world_free(&w);
}

static int returned;

static int
odd_handler(ec_httpsrv_session *sess)
{
    (void)ec_httpsrv_response_append(sess, "x", 1);
    return returned;
}

static void
a_handler_that_returns_nonsense_is_500(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    serve(&w, (struct hs_registration[]){ { .path = "/", .handler = odd_handler } }, 1);
    returned = EC_HTTPSRV_HANDLER_DONE;
    assert_int_equal(get(&w, "/"), 200);
    returned = 7;
    assert_int_equal(get(&w, "/"), 500);
    returned = -1;
    assert_int_equal(get(&w, "/"), 500);
    returned = EC_HTTPSRV_HANDLER_ASYNC; /* without a suspend */
    assert_int_equal(get(&w, "/"), 500);
    world_free(&w);
}

static ec_httpsrv_session *suspended;
static unsigned calls;

static int
late_handler(ec_httpsrv_session *sess)
{
    if (calls++ == 0) {
        suspended = sess;
        assert_int_equal(ec_httpsrv_session_suspend(sess), 0);
        return EC_HTTPSRV_HANDLER_ASYNC;
    }
    if (returned != 0) {
        return returned;
    }
    return echo(sess);
}

static void
ruling_02_a_resumed_handler_is_called_again(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    serve(&w, (struct hs_registration[]){ { .path = "/" } , { .path = "/late", .handler = late_handler } }, 2);
    for (returned = 0; returned < 10; returned += 9) {
        calls = 0;
        assert_string_equal(request(&w, "GET", "/late/%41", "h"), "");
        assert_int_equal(calls, 1);
        assert_int_equal(ec_httpsrv_session_resume(suspended, 0), 0);
        turn(&w);
        assert_int_equal(calls, 2);
        ssize_t n = w.client->ops->read(w.client, w.response, sizeof w.response - 1);
        assert_true(n > 0);
        w.response[n] = '\0';
        assert_int_equal(status_of(w.response), returned == 0 ? 200 : 500);
    }
    assert_string_equal(seen, "GET /late/A [A]");
    world_free(&w);
}

static void
without_a_generation_everything_is_503(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    assert_null(hs_dispatch_generation(w.dispatch));
    assert_int_equal(get(&w, "/"), 503);
    serve(&w, (struct hs_registration[]){ { .path = "/" } }, 1);
    assert_int_equal(get(&w, "/"), 200);
    hs_dispatch_set_generation(w.dispatch, NULL);
    assert_int_equal(get(&w, "/"), 503);
    world_free(&w);
}

static int frees;

static void
count_free(void *arg)
{
    (void)arg;
    frees++;
}

static void
ruling_19_a_request_in_flight_keeps_its_generation(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    struct hs_generation *old = serve(&w, (struct hs_registration[]){ { .path = "/late", .handler = late_handler } }, 1);
    hs_generation_on_free(old, count_free, NULL);
    frees = 0;
    calls = 0;
    returned = 0;
    assert_string_equal(request(&w, "GET", "/late", "h"), "");
    assert_ptr_equal(hs_session_generation(suspended), old);
    struct hs_generation *new = serve(&w, (struct hs_registration[]){ { .path = "/new" } }, 1);
    assert_ptr_not_equal(new, old);
    assert_int_equal(frees, 0);
    assert_int_equal(ec_httpsrv_session_resume(suspended, 0), 0);
    turn(&w);
    assert_string_equal(seen, "GET /late []");
    assert_int_equal(frees, 1);
    assert_int_equal(get(&w, "/late"), 404);
    assert_int_equal(get(&w, "/new"), 200);
    world_free(&w);
}

static void
a_sealed_generation_takes_no_more(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    struct hs_generation *g = serve(&w, (struct hs_registration[]){ { .path = "/" } }, 1);
    hs_generation_set_building(g);
    assert_int_equal(ec_httpsrv_register(NULL, NULL, "/x", ECTP_CLASS_SHORT_LIVED, NULL, echo), EINVAL);
    hs_generation_set_building(NULL);
    world_free(&w);
}

/* What the tree has found for a path is kept; it must never answer for another path, host or method. */
static void
a_path_seen_before_is_matched_the_same(void **state)
{
    (void)state;
    struct world w;
    char target[128];
    world_new(&w);
    serve(&w, (struct hs_registration[]){ { .path = "/" }, { .path = "/item", .method = "GET" }, { .path = "/item/7/x" } }, 3);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 200; i++) { /* more than places, of all lengths around what is kept */
            (void)snprintf(target, sizeof target, "/item/%d/%.*s", i, i % 60, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
            assert_int_equal(get(&w, target), 200);
            (void)snprintf(w.response, sizeof w.response, "GET %s [%s]", target, target + sizeof "/item/" - 1);
            assert_string_equal(seen, w.response);
        }
        assert_int_equal(get(&w, "/item/7/x"), 200);
        assert_string_equal(seen, "GET /item/7/x []");
        assert_int_equal(status_of(request(&w, "POST", "/item/7/xx", "h")), 405);
        assert_int_equal(get(&w, "/itex"), 200);
        assert_string_equal(seen, "GET /itex [itex]");
    }
    serve(&w, (struct hs_registration[]){ { .path = "/item", .host = "v.example" }, { .path = "/" } }, 2);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(get(&w, "/item/7/x"), 200);
        assert_string_equal(seen, "GET /item/7/x [item/7/x]");
        assert_int_equal(status_of(request(&w, "GET", "/item/7/x", "v.example")), 200);
        assert_string_equal(seen, "GET /item/7/x [7/x]");
    }
    world_free(&w);
}

static unsigned statuses[600];

static void
scenario(void *arg)
{
    struct world *w = arg;
    struct hs_transport *server;
    static const char text[] = "GET /a%20b/c HTTP/1.1\r\nHost: h\r\n\r\nPUT /g HTTP/1.1\r\nHost: h\r\n\r\nGET /z HTTP/1.1\r\nHost: h\r\n\r\n";

    if (hs_memory_transport_pair(w->loop, &(struct hs_memory_pair_options){ .capacity = 1 << 20 }, &w->client, &server) != 0) {
        return;
    }
    w->client->on_event = no_event;
    if (hs_h1_accept(w->h1, server) == 0) {
        struct iovec iov = { (void *)(uintptr_t)text, sizeof text - 1 };
        (void)!w->client->ops->writev(w->client, &iov, 1, false);
        (void)hs_loop_turn(w->loop, false);
        (void)hs_loop_turn(w->loop, false);
        ssize_t n = w->client->ops->read(w->client, w->response, sizeof w->response - 1);
        w->response[n > 0 ? n : 0] = '\0';
        for (char *p = w->response; (p = strstr(p, "HTTP/1.1 ")) != NULL; p++) {
            int status = atoi(p + 9);
            assert_in_range(status, 200, 503);
            statuses[status]++;
        }
    }
    alloc_fail_off();
    hang_up(w);
}

static void
threat_38_each_allocation_fails_once(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    serve(&w, (struct hs_registration[]){ { .path = "/a b" }, { .path = "/g", .method = "GET" } }, 2);
    for (unsigned long n = 1; n < 200; n++) {
        alloc_fail_at(n);
        scenario(&w);
        assert_int_equal(hs_session_env_live(w.env), 0);
    }
    assert_true(statuses[200] > 100 && statuses[405] > 100 && statuses[404] > 100);
    world_free(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_finds_its_handler),
        cmocka_unit_test(no_match_is_404),
        cmocka_unit_test(a_wrong_method_is_405_with_allow),
        cmocka_unit_test(ruling_09_options_without_a_handler),
        cmocka_unit_test(ruling_09_head_goes_to_the_get_handler_without_its_body),
        cmocka_unit_test(ruling_15_one_normalised_path),
        cmocka_unit_test(threat_28_paths_that_can_be_read_two_ways_are_400),
        cmocka_unit_test(ruling_15_encoded_slashes_where_the_route_allows_them),
        cmocka_unit_test(ruling_10_a_body_above_the_routes_limit_never_reaches_the_handler),
        cmocka_unit_test(pages_for_errors_answer_in_the_place_of_the_core),
        cmocka_unit_test(a_handler_that_returns_nonsense_is_500),
        cmocka_unit_test(ruling_02_a_resumed_handler_is_called_again),
        cmocka_unit_test(without_a_generation_everything_is_503),
        cmocka_unit_test(ruling_19_a_request_in_flight_keeps_its_generation),
        cmocka_unit_test(a_sealed_generation_takes_no_more),
        cmocka_unit_test(a_path_seen_before_is_matched_the_same),
        cmocka_unit_test(threat_38_each_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
