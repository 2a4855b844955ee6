/* test_session_list.c - server/session_list.h: lists of requests as text. What a server gathers is in test_admin.c and tests/acceptance/admin.py. */
#include "server/session_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *
clean(struct hs_view v)
{
    static char text[64];
    size_t n = hs_clean_text(text, sizeof text, v);
    assert_int_equal(n, strlen(text));
    return text;
}

static void
text_becomes_clean(void **state)
{
    (void)state;
    assert_string_equal(clean(HS_VIEW("/a b/<script>\"\\")), "/a b/<script>\"\\");
    assert_string_equal(clean(HS_VIEW("a\tb\nc\x7f\x1b[0m")), "a?b?c??[0m");
    assert_string_equal(clean(HS_VIEW("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80")), "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
    assert_string_equal(clean(HS_VIEW("\xc2\x85")), "??");             /* C1 */
    assert_string_equal(clean(HS_VIEW("\xc0\xaf\xe0\x80\xaf")), "?????"); /* longer than need be */
    assert_string_equal(clean(HS_VIEW("\xed\xa0\x80")), "???");        /* half of a pair */
    assert_string_equal(clean(HS_VIEW("\xf4\x90\x80\x80")), "????");   /* past the last */
    assert_string_equal(clean(HS_VIEW("x\xe2\x82")), "x??");           /* cut */
    assert_string_equal(clean((struct hs_view){ NULL, 0 }), "");
    char small[4];
    assert_int_equal(hs_clean_text(small, sizeof small, HS_VIEW("ab\xc3\xa4")), 2); /* no half character */
    assert_string_equal(small, "ab");
    assert_int_equal(hs_clean_text(small, 1, HS_VIEW("abc")), 0);
}

#define OLD "1\t5000000000\t7\t2\twaiting\tGET\t/slow\ta.lua:12\tsleep\ta.lua:3\n"
#define NEW "0\t1000000\t9\t3\tsending\tPOST\t/up\t\t\tb.lua:1\n"

static void
lines_are_read_oldest_first(void **state)
{
    (void)state;
    size_t n;
    struct hs_session_line *l = hs_session_list_parse(HS_VIEW(NEW OLD), &n);
    assert_int_equal(n, 2);
    assert_int_equal(l[0].worker, 1);
    assert_int_equal(l[0].age, 5000000000);
    assert_int_equal(l[0].serial, 7);
    assert_int_equal(l[0].generation, 2);
    assert_true(hs_view_eq(l[0].doing, HS_VIEW("waiting")) && hs_view_eq(l[0].method, HS_VIEW("GET")));
    assert_true(hs_view_eq(l[0].route, HS_VIEW("/slow")) && hs_view_eq(l[0].place, HS_VIEW("a.lua:12")));
    assert_true(hs_view_eq(l[0].call, HS_VIEW("sleep")) && hs_view_eq(l[0].registered, HS_VIEW("a.lua:3")));
    assert_true(hs_view_eq(l[1].method, HS_VIEW("POST")) && l[1].place.n == 0 && hs_view_eq(l[1].registered, HS_VIEW("b.lua:1")));
    free(l);
}

static void
what_is_no_line_is_left_out(void **state)
{
    (void)state;
    size_t n;
    struct hs_session_line *l = hs_session_list_parse(HS_VIEW("nonsense\n\n-1\t2\t3\t4\ta\n" NEW "1\t2"), &n);
    assert_int_equal(n, 1);
    assert_int_equal(l[0].serial, 9);
    free(l);
    assert_null(hs_session_list_parse((struct hs_view){ NULL, 0 }, &n));
    assert_int_equal(n, 0);
}

static void
people_see_a_line_for_each(void **state)
{
    (void)state;
    struct hs_buf b;
    hs_buf_init(&b, 4096);
    assert_int_equal(hs_session_list_show(HS_VIEW(NEW OLD), true, &b), 0);
    assert_int_equal(hs_buf_append_char(&b, '\0'), 0);
    assert_string_equal(b.p, "   5.0 s    worker 1  waiting  GET /slow  at a.lua:12 in sleep\n   0.0 s    worker 0  sending  POST /up  of b.lua:1\n");
    hs_buf_fini(&b);
    hs_buf_init(&b, 20);
    assert_int_not_equal(hs_session_list_show(HS_VIEW(NEW OLD), false, &b), 0);
    hs_buf_fini(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_becomes_clean),
        cmocka_unit_test(lines_are_read_oldest_first),
        cmocka_unit_test(what_is_no_line_is_left_out),
        cmocka_unit_test(people_see_a_line_for_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
