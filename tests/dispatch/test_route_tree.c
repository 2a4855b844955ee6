/* test_route_tree.c - dispatch/route_tree.h: what matches what. */
#include "dispatch/generation.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "base/ascii.h"

static int
handler(ec_httpsrv_session *sess)
{
    (void)sess;
    return EC_HTTPSRV_HANDLER_DONE;
}

static struct hs_generation *
generation(void)
{
    struct hs_generation *g;
    assert_int_equal(hs_generation_new(1, &g), 0);
    return g;
}

static int
try_add(struct hs_generation *g, const char *host, const char *method, const char *path, bool exact)
{
    struct hs_registration r = {
        .host = host,
        .method = method,
        .path = path,
        .exact = exact,
        .job_class = ECTP_CLASS_SHORT_LIVED,
        .handler = handler,
        .where = path,
    };
    hs_route_options_default(&r.options);
    return hs_generation_register(g, &r, NULL);
}

static void
add(struct hs_generation *g, const char *host, const char *method, const char *path)
{
    assert_int_equal(try_add(g, host, method, path, false), 0);
}

static const struct hs_route_set *
find(struct hs_generation *g, const char *authority, const char *path)
{
    /* no byte after the end is there to be read */
    size_t n = strlen(path), h = strlen(authority);
    char *copy = malloc(n);
    char *host = malloc(h + 1);
    assert_non_null(copy);
    assert_non_null(host);
    memcpy(copy, path, n);
    memcpy(host, authority, h);
    const struct hs_route_set *set =
        hs_route_tree_find(&g->tree, (struct hs_view){ host, h }, (struct hs_view){ copy, n });
    free(copy);
    free(host);
    return set;
}

/* The base path of the route for a request, "404", or what Allow says. */
static const char *
route_of(struct hs_generation *g, const char *authority, const char *method, const char *path)
{
    const struct hs_route_set *set = find(g, authority, path);
    if (set == NULL) {
        return "404";
    }
    struct hs_route *r = hs_route_set_pick(set, hs_route_method_id(hs_view_of(method)), hs_view_of(method));
    return r != NULL ? r->reg.path : set->allow;
}

static const char *
get(struct hs_generation *g, const char *path)
{
    return route_of(g, "", "GET", path);
}

static void
ruling_14_base_paths_match_themselves_and_all_below(void **state)
{
    (void)state;
    struct hs_generation *g = generation();
    add(g, NULL, NULL, "/foo/");
    assert_string_equal(get(g, "/foo"), "/foo");
    assert_string_equal(get(g, "/foo/"), "/foo");
    assert_string_equal(get(g, "/foo/bar"), "/foo");
    assert_string_equal(get(g, "/foo/bar/baz/"), "/foo");
    assert_string_equal(get(g, "/foobar"), "404");
    assert_string_equal(get(g, "/fo"), "404");
    assert_string_equal(get(g, "/"), "404");
    assert_string_equal(get(g, "/x/foo"), "404");
    hs_generation_delref(g);
}

static void
ruling_14_the_longest_base_path_wins(void **state)
{
    (void)state;
    struct hs_generation *g = generation();
    add(g, NULL, NULL, "/");
    add(g, NULL, NULL, "/a/b/c");
    add(g, NULL, NULL, "/a");
    assert_string_equal(get(g, "/"), "/");
    assert_string_equal(get(g, "/z"), "/");
    assert_string_equal(get(g, "/a"), "/a");
    assert_string_equal(get(g, "/a/b"), "/a");
    assert_string_equal(get(g, "/a/b/"), "/a");
    assert_string_equal(get(g, "/a/b/cc"), "/a");
    assert_string_equal(get(g, "/a/b/c"), "/a/b/c");
    assert_string_equal(get(g, "/a/b/c/d"), "/a/b/c");
    hs_generation_delref(g);
}

static void
ruling_14_a_named_method_before_every_method(void **state)
{
    (void)state;
    struct hs_generation *g = generation();
    add(g, NULL, NULL, "/a");
    assert_int_equal(try_add(g, NULL, "POST", "/a", true), 0);
    const struct hs_route_set *set = find(g, "", "/a");
    assert_non_null(hs_route_set_pick(set, HS_METHOD_POST, HS_VIEW("POST"))->reg.method);
    assert_null(hs_route_set_pick(set, HS_METHOD_GET, HS_VIEW("GET"))->reg.method);
    assert_null(hs_route_set_pick(set, HS_METHOD_OTHER, HS_VIEW("post"))->reg.method);
    set = find(g, "", "/a/b"); /* the named one is exact */
    assert_null(hs_route_set_pick(set, HS_METHOD_POST, HS_VIEW("POST"))->reg.method);
    hs_generation_delref(g);
}

static void
ruling_14_methods_are_compared_exactly(void **state)
{
    (void)state;
    struct hs_generation *g = generation();
    add(g, NULL, "GET", "/a");
    add(g, NULL, "PURGE", "/a");
    add(g, NULL, "PURGER", "/a");
    assert_string_equal(route_of(g, "", "GET", "/a"), "/a");
    assert_string_equal(route_of(g, "", "get", "/a"), "GET, HEAD, OPTIONS, PURGE, PURGER");
    assert_string_equal(route_of(g, "", "PURGE", "/a"), "/a");
    assert_string_equal(route_of(g, "", "PURG", "/a"), "GET, HEAD, OPTIONS, PURGE, PURGER");
    hs_generation_delref(g);
}

static void
ruling_14_exact_matches_the_path_alone(void **state)
{
    (void)state;
    struct hs_generation *g = generation();
    add(g, NULL, NULL, "/");
    assert_int_equal(try_add(g, NULL, NULL, "/a/b", true), 0);
    assert_int_equal(try_add(g, NULL, "GET", "/", true), 0);
    assert_string_equal(get(g, "/a/b"), "/a/b");
    assert_string_equal(get(g, "/a/b/"), "/a/b");
    assert_string_equal(get(g, "/a/b/c"), "/");
    assert_string_equal(get(g, "/a"), "/");
    const struct hs_route_set *set = find(g, "", "/");
    assert_true(hs_route_set_pick(set, HS_METHOD_GET, HS_VIEW("GET"))->reg.exact);
    set = find(g, "", "/x");
    assert_false(hs_route_set_pick(set, HS_METHOD_GET, HS_VIEW("GET"))->reg.exact);
    hs_generation_delref(g);
}

static void
ruling_14_hosts_first(void **state)
{
    (void)state;
    struct hs_generation *g = generation();
    add(g, NULL, NULL, "/long/path");
    add(g, "Example.COM", NULL, "/");
    add(g, "only.example", NULL, "/here");
    add(g, "[::1]", NULL, "/six");
    assert_string_equal(route_of(g, "example.com", "GET", "/long/path"), "/");
    assert_string_equal(route_of(g, "EXAMPLE.com:8080", "GET", "/long/path"), "/");
    assert_string_equal(route_of(g, "example.com.", "GET", "/long/path"), "/");
    assert_string_equal(route_of(g, "example.com.:80", "GET", "/long/path"), "/");
    assert_string_equal(route_of(g, "example.org", "GET", "/long/path"), "/long/path");
    assert_string_equal(route_of(g, "xexample.com", "GET", "/long/path"), "/long/path");
    assert_string_equal(route_of(g, "", "GET", "/long/path"), "/long/path");
    /* a host without a matching path does not hide the others */
    assert_string_equal(route_of(g, "only.example", "GET", "/long/path"), "/long/path");
    assert_string_equal(route_of(g, "only.example", "GET", "/here"), "/here");
    assert_string_equal(route_of(g, "only.example", "GET", "/x"), "404");
    assert_string_equal(route_of(g, "[::1]", "GET", "/six"), "/six");
    assert_string_equal(route_of(g, "[::1]:80", "GET", "/six"), "/six");
    assert_string_equal(route_of(g, "[::2]:80", "GET", "/six"), "404");
    assert_string_equal(route_of(g, ".", "GET", "/six"), "404");
    char host[600];
    memset(host, 'a', sizeof host - 1);
    host[sizeof host - 1] = '\0';
    assert_string_equal(route_of(g, host, "GET", "/long/path"), "/long/path");
    hs_generation_delref(g);
}

static void
ruling_09_head_goes_to_the_get_handler(void **state)
{
    (void)state;
    struct hs_generation *g = generation();
    add(g, NULL, NULL, "/a");
    add(g, NULL, "GET", "/a");
    const struct hs_route_set *set = find(g, "", "/a");
    assert_string_equal(hs_route_set_pick(set, HS_METHOD_HEAD, HS_VIEW("HEAD"))->reg.method, "GET");
    add(g, NULL, "HEAD", "/a");
    assert_string_equal(hs_route_set_pick(set, HS_METHOD_HEAD, HS_VIEW("HEAD"))->reg.method, "HEAD");
    hs_generation_delref(g);
}

static void
allow_names_the_methods_of_the_longest_path(void **state)
{
    (void)state;
    struct hs_generation *g = generation();
    add(g, NULL, "DELETE", "/");
    add(g, NULL, "POST", "/a");
    assert_string_equal(get(g, "/a"), "POST, OPTIONS");
    assert_int_equal(try_add(g, NULL, "GET", "/a", true), 0);
    assert_string_equal(route_of(g, "", "PUT", "/a"), "GET, HEAD, POST, OPTIONS");
    assert_string_equal(route_of(g, "", "PUT", "/a/b"), "POST, OPTIONS");
    assert_string_equal(route_of(g, "", "DELETE", "/a"), "GET, HEAD, POST, OPTIONS");
    assert_string_equal(route_of(g, "", "PUT", "/b"), "DELETE, OPTIONS");
    add(g, NULL, "OPTIONS", "/a");
    add(g, NULL, "HEAD", "/a");
    assert_string_equal(route_of(g, "", "PUT", "/a"), "GET, HEAD, POST, OPTIONS");
    hs_generation_delref(g);
}

static void
ruling_14_registered_twice_is_an_error(void **state)
{
    (void)state;
    struct hs_generation *g = generation();
    add(g, NULL, "GET", "/a");
    assert_int_equal(try_add(g, NULL, "GET", "/a", false), EEXIST);
    assert_int_equal(try_add(g, NULL, "GET", "/a/", false), EEXIST);
    assert_int_equal(try_add(g, NULL, "GET", "/a", true), EEXIST);
    assert_int_equal(try_add(g, NULL, "get", "/a", false), 0);
    assert_int_equal(try_add(g, "h", "GET", "/a", false), 0);
    assert_int_equal(try_add(g, "H.", "GET", "/a", false), EEXIST);
    assert_int_equal(try_add(g, NULL, NULL, "/a", false), 0);
    assert_int_equal(try_add(g, NULL, NULL, "/a", false), EEXIST);
    assert_int_equal(hs_generation_count(g), 4);
    hs_generation_delref(g);
}

static void
threat_15_a_long_path_costs_only_what_base_paths_share(void **state)
{
    (void)state;
    struct hs_generation *g = generation();
    enum { SIZE = 1 << 20 };
    char *path = malloc(SIZE + 1);
    assert_non_null(path);
    add(g, NULL, NULL, "/a");
    for (size_t i = 0; i < SIZE; i++) {
        path[i] = i % 2 == 0 ? '/' : 'a';
    }
    path[SIZE] = '\0';
    assert_string_equal(get(g, path), "/a");
    memset(path + 1, 'a', SIZE - 1);
    clock_t start = clock();
    for (int i = 0; i < 100000; i++) {
        assert_null(hs_route_tree_find(&g->tree, HS_VIEW(""), (struct hs_view){ path, SIZE }));
    }
    /* reading it each time would be 100 GB */
    assert_true(clock() - start < 5 * CLOCKS_PER_SEC);
    free(path);
    hs_generation_delref(g);
}

/* Seconds that look-ups of some of n routes take. */
static double
time_of(size_t n)
{
    struct hs_generation *g = generation();
    char path[64];
    for (size_t i = 0; i < n; i++) {
        snprintf(path, sizeof path, "/route-%zu/sub", i);
        add(g, NULL, "GET", path);
    }
    clock_t start = clock();
    for (size_t i = 0; i < 200000; i++) {
        struct hs_view v = { path, (size_t)snprintf(path, sizeof path, "/route-%zu/sub/below", i % n % 8) };
        const struct hs_route_set *set = hs_route_tree_find(&g->tree, HS_VIEW(""), v);
        assert_non_null(set);
    }
    double t = (double)(clock() - start);
    hs_generation_delref(g);
    return t;
}

static void
ruling_14_cost_does_not_grow_with_the_number_of_routes(void **state)
{
    (void)state;
    double few = time_of(10), many = time_of(10000);
    assert_true(many < 5 * few);
}

static void
ten_thousand_routes_are_told_apart(void **state)
{
    (void)state;
    struct hs_generation *g = generation();
    char path[64], below[80];
    for (unsigned i = 0; i < 10000; i++) {
        snprintf(path, sizeof path, "/%u/%u/x%u", i % 7, i % 100, i);
        add(g, NULL, i % 2 ? "GET" : "POST", path);
    }
    assert_int_equal(hs_generation_count(g), 10000);
    for (unsigned i = 0; i < 10000; i++) {
        snprintf(path, sizeof path, "/%u/%u/x%u", i % 7, i % 100, i);
        snprintf(below, sizeof below, "%s/b", path);
        assert_string_equal(route_of(g, "", i % 2 ? "GET" : "POST", path), path);
        assert_string_equal(route_of(g, "", i % 2 ? "GET" : "POST", below), path);
        assert_string_equal(route_of(g, "", "PUT", below), i % 2 ? "GET, HEAD, OPTIONS" : "POST, OPTIONS");
        snprintf(path, sizeof path, "/%u/%u/x%u", (i + 1) % 7, i % 100, i);
        assert_string_equal(route_of(g, "", "GET", path), "404");
    }
    hs_generation_delref(g);
}

/* --- against a matcher that looks at every registration --- */

struct plain {
    const char *host, *method;
    char path[64];
    bool exact;
};

static bool
plain_matches(const struct plain *r, const char *host, const char *path)
{
    size_t n = strcmp(r->path, "/") == 0 ? 0 : strlen(r->path);
    if ((r->host == NULL) != (host == NULL) || (host != NULL && strcmp(r->host, host) != 0) ||
        strncmp(r->path, path, n) != 0) {
        return false;
    }
    const char *rest = path + n;
    return strcmp(rest, "") == 0 || strcmp(rest, "/") == 0 || (rest[0] == '/' && !r->exact);
}

/* The route for a request; NULL with *found false: 404, true: 405. */
static const struct plain *
plain_find(const struct plain *all, size_t n, const char *host, const char *method, const char *path, bool *found)
{
    const char *const hosts[] = { host, NULL };
    size_t longest = 0;
    *found = false;
    for (size_t h = host != NULL ? 0 : 1; h < 2 && !*found; h++) {
        const struct plain *named = NULL, *head = NULL, *any = NULL;
        for (size_t i = 0; i < n; i++) {
            if (!plain_matches(&all[i], hosts[h], path) || strlen(all[i].path) < longest) {
                continue;
            }
            if (strlen(all[i].path) > longest) {
                longest = strlen(all[i].path);
                named = head = any = NULL;
            }
            *found = true;
            if (all[i].method == NULL) {
                any = &all[i];
            } else if (strcmp(all[i].method, method) == 0) {
                named = &all[i];
            } else if (strcmp(method, "HEAD") == 0 && strcmp(all[i].method, "GET") == 0) {
                head = &all[i];
            }
        }
        if (*found) {
            return named != NULL ? named : head != NULL ? head : any;
        }
    }
    return NULL;
}

static unsigned
below(unsigned *seed, unsigned n)
{
    *seed = *seed * 1103515245u + 12345u;
    return (*seed >> 16) % n;
}

static void
random_path(unsigned *seed, char *path, size_t max)
{
    static const char *const segments[] = { "a", "b", "ab", "a.b", "c", "%" };
    size_t n = below(seed, (unsigned)max + 1);
    path[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        strcat(strcat(path, "/"), segments[below(seed, 5)]);
    }
    if (n == 0) {
        strcpy(path, "/");
    }
}

static void
ruling_14_agrees_with_a_naive_matcher(void **state)
{
    (void)state;
    static const char *const hosts[] = { NULL, NULL, "h", "g.example" };
    static const char *const methods[] = { NULL, "GET", "HEAD", "POST", "PURGE", "BREW" };
    unsigned seed = 20261122, compared = 0, hits = 0;

    for (int round = 0; round < 300; round++) {
        struct plain all[48];
        size_t n = 0;
        struct hs_generation *g = generation();
        unsigned wanted = 1 + below(&seed, 48);
        for (unsigned i = 0; i < wanted; i++) {
            struct plain *r = &all[n];
            r->host = hosts[below(&seed, 4)];
            r->method = methods[below(&seed, 6)];
            r->exact = below(&seed, 4) == 0;
            random_path(&seed, r->path, 4);
            int err = try_add(g, r->host, r->method, r->path, r->exact);
            assert_true(err == 0 || err == EEXIST);
            n += err == 0;
        }
        for (int i = 0; i < 200; i++) {
            char path[80];
            bool found;
            const char *host = hosts[below(&seed, 4)];
            const char *method = methods[1 + below(&seed, 5)];
            random_path(&seed, path, 6);
            if (below(&seed, 5) == 0 && strlen(path) > 1) {
                strcat(path, "/");
            }
            const struct plain *want = plain_find(all, n, host, method, path, &found);
            const struct hs_route_set *set = find(g, host != NULL ? host : "", path);
            assert_int_equal(set != NULL, found);
            struct hs_route *got =
                set != NULL ? hs_route_set_pick(set, hs_route_method_id(hs_view_of(method)), hs_view_of(method)) : NULL;
            assert_int_equal(got != NULL, want != NULL);
            if (got != NULL) {
                assert_string_equal(got->reg.path, want->path);
                assert_int_equal(got->reg.method == NULL, want->method == NULL);
                assert_true(want->method == NULL || strcmp(got->reg.method, want->method) == 0);
                assert_int_equal(got->reg.host == NULL, want->host == NULL);
                assert_int_equal(got->reg.exact, want->exact);
                hits++;
            }
            compared++;
        }
        hs_generation_delref(g);
    }
    assert_int_equal(compared, 60000);
    assert_true(hits > 5000 && hits < 55000); /* both kinds of answer were compared */
}

static void
scenario(void *arg)
{
    (void)arg;
    struct hs_generation *g;
    int err = hs_generation_new(1, &g);
    if (err != 0) {
        assert_int_equal(err, ENOMEM);
        return;
    }
    static const struct {
        const char *host, *method, *path;
    } regs[] = { { NULL, "GET", "/a/b/c" }, { "h", NULL, "/" },         { NULL, "PURGE", "/a" }, { NULL, "BREW", "/a" },
                 { NULL, NULL, "/a" },      { "h", "POST", "/x/y/z/1" }, { "i", NULL, "/x" },     { NULL, "PUT", "/b" } };
    size_t n = 0;
    for (size_t i = 0; i < sizeof regs / sizeof *regs; i++) {
        err = try_add(g, regs[i].host, regs[i].method, regs[i].path, false);
        assert_true(err == 0 || err == ENOMEM);
        n += err == 0;
        /* what failed is not there, what was there still is */
        const struct hs_route_set *set =
            hs_route_tree_find(&g->tree, hs_view_of(regs[i].host), hs_view_of(regs[i].path));
        const char *m = regs[i].method != NULL ? regs[i].method : "GET";
        struct hs_route *r = set != NULL ? hs_route_set_pick(set, hs_route_method_id(hs_view_of(m)), hs_view_of(m)) : NULL;
        bool there = r != NULL && strcmp(r->reg.path, regs[i].path) == 0 &&
                     (r->reg.method == NULL) == (regs[i].method == NULL);
        assert_int_equal(there, err == 0);
    }
    assert_int_equal(hs_generation_count(g), n);
    hs_generation_delref(g);
}

static void
threat_38_each_allocation_fails_once(void **state)
{
    (void)state;
    assert_in_range(alloc_fail_each(scenario, NULL), 30, 300);
    assert_in_range(alloc_fail_each_from(scenario, NULL), 30, 300);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ruling_14_base_paths_match_themselves_and_all_below),
        cmocka_unit_test(ruling_14_the_longest_base_path_wins),
        cmocka_unit_test(ruling_14_a_named_method_before_every_method),
        cmocka_unit_test(ruling_14_methods_are_compared_exactly),
        cmocka_unit_test(ruling_14_exact_matches_the_path_alone),
        cmocka_unit_test(ruling_14_hosts_first),
        cmocka_unit_test(ruling_09_head_goes_to_the_get_handler),
        cmocka_unit_test(allow_names_the_methods_of_the_longest_path),
        cmocka_unit_test(ruling_14_registered_twice_is_an_error),
        cmocka_unit_test(threat_15_a_long_path_costs_only_what_base_paths_share),
        cmocka_unit_test(ruling_14_cost_does_not_grow_with_the_number_of_routes),
        cmocka_unit_test(ten_thousand_routes_are_told_apart),
        cmocka_unit_test(ruling_14_agrees_with_a_naive_matcher),
        cmocka_unit_test(threat_38_each_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
