/* test_generation.c - dispatch/generation.c: what may be registered, how it is kept and listed. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dispatch/generation.h"

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
    assert_int_equal(hs_generation_new(7, &g), 0);
    assert_int_equal(hs_generation_id(g), 7);
    return g;
}

static int
add(struct hs_generation *g, const char *host, const char *method, const char *path, const char *where)
{
    struct hs_registration r = {
        .host = host,
        .method = method,
        .path = path,
        .job_class = ECTP_CLASS_SHORT_LIVED,
        .handler = handler,
        .where = where,
    };
    hs_route_options_default(&r.options);
    return hs_generation_register(g, &r, NULL);
}

static void
ruling_15_only_normalised_paths_can_be_registered(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",      "foo",    "foo/",     "*",       "//",       "/a//b",  "/a//",    "/./a",   "/a/.",   "/a/..", "/../a",
        "/a/..", "/a%20b", "/a%2fb",   "/%",      "/a\\b",    "/a\nb",  "/a\x7f", "/\xff",  "/\xc0\xaf", "/..;x",
    };
    static const char *const good[] = { "/", "/a", "/a/", "/a b", "/caf\xc3\xa9", "/.well-known", "/a.b/..c", "/a;x=1", "/~u" };
    struct hs_generation *g = generation();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(add(g, NULL, "GET", bad[i], NULL), EINVAL);
    }
    assert_int_equal(add(g, NULL, "GET", NULL, NULL), EINVAL);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(add(g, NULL, i % 2 ? "GET" : "POST", good[i], NULL), 0);
    }
    assert_int_equal(hs_generation_count(g), sizeof good / sizeof *good);
    hs_generation_delref(g);
}

static void
bad_methods_hosts_classes_and_handlers_are_refused(void **state)
{
    (void)state;
    struct hs_generation *g = generation();
    assert_int_equal(add(g, NULL, "", "/", NULL), EINVAL);
    assert_int_equal(add(g, NULL, "GET ", "/", NULL), EINVAL);
    assert_int_equal(add(g, NULL, "G\nT", "/", NULL), EINVAL);
    assert_int_equal(add(g, "", "GET", "/", NULL), EINVAL);
    assert_int_equal(add(g, "a b", "GET", "/", NULL), EINVAL);
    assert_int_equal(add(g, "a:80", "GET", "/", NULL), EINVAL);
    assert_int_equal(add(g, "[::1]:80", "GET", "/", NULL), EINVAL);
    assert_int_equal(add(g, "[::1", "GET", "/", NULL), EINVAL);
    assert_int_equal(add(g, "u@h", "GET", "/", NULL), EINVAL);
    struct hs_registration r = { .path = "/", .job_class = 4711, .handler = handler }; /* no such pool */
    assert_int_equal(hs_generation_register(g, &r, NULL), EINVAL);
    r.job_class = -2;
    assert_int_equal(hs_generation_register(g, &r, NULL), EINVAL);
    r.job_class = ECTP_CLASS_SHORT_LIVED;
    r.handler = NULL;
    assert_int_equal(hs_generation_register(g, &r, NULL), EINVAL);
    assert_int_equal(hs_generation_count(g), 0);
    assert_int_equal(add(g, "[::1]", "GET", "/", NULL), 0);
    assert_int_equal(add(g, "a-b.example", "GET", "/", NULL), 0);
    hs_generation_delref(g);
}

static void
ruling_14_duplicates_name_the_first_place(void **state)
{
    (void)state;
    struct hs_generation *g = generation();
    const char *other = "unset";
    struct hs_registration r = { .path = "/a", .job_class = ECTP_CLASS_SHORT_LIVED, .handler = handler, .where = "one.lua:3" };
    assert_int_equal(hs_generation_register(g, &r, &other), 0);
    assert_null(other);
    r.where = "two.lua:4";
    assert_int_equal(hs_generation_register(g, &r, &other), EEXIST);
    assert_string_equal(other, "one.lua:3");
    hs_generation_delref(g);
}

static void
nothing_is_registered_after_sealing(void **state)
{
    (void)state;
    struct hs_generation *g = generation();
    assert_int_equal(add(g, NULL, NULL, "/", NULL), 0);
    hs_generation_seal(g);
    assert_int_equal(add(g, NULL, NULL, "/a", NULL), EINVAL);
    assert_int_equal(hs_generation_count(g), 1);
    hs_generation_delref(g);
}

static void
strings_are_copied(void **state)
{
    (void)state;
    struct hs_generation *g = generation();
    char host[] = "Host", method[] = "GET", path[] = "/abc/", where[] = "x.lua:1";
    assert_int_equal(add(g, host, method, path, where), 0);
    memset(host, 'x', 4);
    memset(method, 'x', 3);
    memset(path, 'x', 5);
    memset(where, 'x', 7);
    const struct hs_route_set *set = hs_route_tree_find(&g->tree, HS_VIEW("host"), HS_VIEW("/abc"));
    assert_non_null(set);
    const struct hs_route *r = set->by_id[HS_METHOD_GET];
    assert_string_equal(r->reg.host, "host");
    assert_string_equal(r->reg.method, "GET");
    assert_string_equal(r->reg.path, "/abc");
    assert_int_equal(r->path_len, 4);
    assert_string_equal(r->reg.where, "x.lua:1");
    hs_generation_delref(g);
}

static void
note(const struct hs_registration *r, void *arg)
{
    char *text = arg;
    strcat(strcat(strcat(text, r->host != NULL ? r->host : ""), r->method != NULL ? r->method : "*"), r->path);
    strcat(text, " ");
}

static void
ruling_14_listed_in_matching_order(void **state)
{
    (void)state;
    struct hs_generation *g = generation();
    char text[512] = "";
    hs_generation_each(g, note, text);
    assert_string_equal(text, "");
    assert_int_equal(add(g, NULL, NULL, "/", NULL), 0);
    assert_int_equal(add(g, NULL, NULL, "/b", NULL), 0);
    assert_int_equal(add(g, NULL, "POST", "/b", NULL), 0);
    assert_int_equal(add(g, NULL, "GET", "/b", NULL), 0);
    assert_int_equal(add(g, NULL, "GET", "/longer", NULL), 0);
    assert_int_equal(add(g, NULL, "GET", "/a", NULL), 0);
    assert_int_equal(add(g, "z", NULL, "/", NULL), 0);
    hs_generation_each(g, note, text);
    assert_string_equal(text, "z*/ GET/longer GET/a POST/b GET/b */b */ ");
    assert_int_equal(add(g, "y", NULL, "/", NULL), 0);
    text[0] = '\0';
    hs_generation_each(g, note, text);
    assert_string_equal(text, "y*/ z*/ GET/longer GET/a POST/b GET/b */b */ ");
    hs_generation_delref(g);
}

static void
pages_for_errors_are_one_for_each_status(void **state)
{
    (void)state;
    struct hs_generation *g = generation();
    struct hs_registration r = { .path = "/", .job_class = ECTP_CLASS_SHORT_LIVED, .handler = handler, .where = "a.lua:1" };
    const char *other = "";
    assert_int_equal(hs_generation_register_error(g, 399, &r, &other), EINVAL);
    assert_int_equal(hs_generation_register_error(g, 600, &r, &other), EINVAL);
    assert_null(other);
    assert_int_equal(hs_generation_register_error(g, 400, &r, &other), 0);
    assert_int_equal(hs_generation_register_error(g, 599, &r, &other), 0);
    assert_int_equal(hs_generation_register_error(g, 400, &r, &other), EEXIST);
    assert_string_equal(other, "a.lua:1");
    r.handler = NULL;
    assert_int_equal(hs_generation_register_error(g, 404, &r, NULL), EINVAL);
    r.handler = handler;
    assert_int_equal(hs_generation_count(g), 0); /* they are no routes */
    hs_generation_seal(g);
    assert_int_equal(hs_generation_register_error(g, 404, &r, NULL), EINVAL);
    hs_generation_delref(g);
}

static void *
other_thread(void *arg)
{
    (void)arg;
    assert_null(hs_generation_building());
    return (void *)(intptr_t)ec_httpsrv_register(NULL, NULL, "/t", ECTP_CLASS_SHORT_LIVED, NULL, handler);
}

static void
ruling_21_register_acts_on_the_generation_the_thread_builds(void **state)
{
    (void)state;
    struct hs_generation *g = generation();
    assert_int_equal(ec_httpsrv_register(NULL, "GET", "/a", ECTP_CLASS_SHORT_LIVED, NULL, handler), EINVAL);
    hs_generation_set_building(g);
    assert_ptr_equal(hs_generation_building(), g);
    assert_int_equal(ec_httpsrv_register(NULL, "GET", "/a", ECTP_CLASS_SHORT_LIVED, NULL, handler), 0);
    assert_int_equal(ec_httpsrv_register(NULL, "GET", "/a/", ECTP_CLASS_SHORT_LIVED, NULL, handler), EEXIST);
    assert_int_equal(ec_httpsrv_register("h", "GET", "/a/", ECTP_CLASS_SHORT_LIVED, NULL, handler), 0);
    assert_int_equal(ec_httpsrv_register(NULL, "GET", "/b", 99, NULL, handler), EINVAL);
    pthread_t thread;
    void *result = NULL;
    assert_int_equal(pthread_create(&thread, NULL, other_thread, NULL), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_int_equal((intptr_t)result, EINVAL);
    hs_generation_set_building(NULL);
    assert_int_equal(ec_httpsrv_register(NULL, "GET", "/c", ECTP_CLASS_SHORT_LIVED, NULL, handler), EINVAL);
    assert_int_equal(hs_generation_count(g), 2);
    hs_generation_delref(g);
}

static char events[64];

static void
closure_gone(void *self)
{
    (void)self;
    strcat(events, "closure ");
}

static void
generation_gone(void *arg)
{
    assert_string_equal(arg, "arg");
    strcat(events, "freed ");
}

static void
closures_go_after_the_owner_was_told(void **state)
{
    (void)state;
    static ec_blobject_class class = { "test", closure_gone, NULL };
    struct hs_generation *g = generation();
    ec_blobject *b = ec_blobject_wrap(&class, NULL);
    assert_non_null(b);
    struct hs_registration r = { .path = "/a", .job_class = ECTP_CLASS_SHORT_LIVED, .handler = handler, .closure = b };
    assert_int_equal(hs_generation_register(g, &r, NULL), 0);
    assert_int_equal(hs_generation_register(g, &r, NULL), EEXIST); /* takes no reference */
    ec_blobject_delref(b);
    hs_generation_on_free(g, generation_gone, (void *)(uintptr_t) "arg");
    hs_generation_addref(g);
    hs_generation_delref(g);
    assert_string_equal(events, "");
    hs_generation_delref(g);
    assert_string_equal(events, "freed closure ");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ruling_15_only_normalised_paths_can_be_registered),
        cmocka_unit_test(bad_methods_hosts_classes_and_handlers_are_refused),
        cmocka_unit_test(ruling_14_duplicates_name_the_first_place),
        cmocka_unit_test(nothing_is_registered_after_sealing),
        cmocka_unit_test(strings_are_copied),
        cmocka_unit_test(ruling_14_listed_in_matching_order),
        cmocka_unit_test(pages_for_errors_are_one_for_each_status),
        cmocka_unit_test(ruling_21_register_acts_on_the_generation_the_thread_builds),
        cmocka_unit_test(closures_go_after_the_owner_was_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
