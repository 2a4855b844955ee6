/* test_session.c - handlers, suspend and resume, abort and end. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rig.h"

static int
hello(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_status_set_std(s, 200, "OK", "text/plain"), 0);
    assert_int_equal(ec_httpsrv_response_append(s, "Hello", 5), 0);
    return EC_HTTPSRV_HANDLER_DONE;
}

static void
a_handler_answers(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_route(&r, "GET", "/", hello, NULL);
    rig_start(&r);
    const char *got = rig_exchange(&r, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_ptr_equal(strstr(got, "HTTP/1.1 200 OK\r\n"), got);
    assert_non_null(strstr(got, "Content-Length: 5\r\n"));
    assert_string_equal(strstr(got, "\r\n\r\n"), "\r\n\r\nHello");
    assert_int_equal(r.requests_ended, 1);
    rig_close(&r);
}

static void
sixteen_pipelined_requests_are_answered_in_order(void **state)
{
    char request[4096] = "";
    struct rig r;
    int n = 0;

    (void)state;
    rig_open(&r);
    rig_route(&r, "GET", "/", hello, NULL);
    rig_start(&r);
    for (int i = 0; i < 16; i++) {
        strcat(request, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    for (const char *p = rig_exchange(&r, request); (p = strstr(p, "\r\n\r\nHello")); p++) {
        n++;
    }
    assert_int_equal(n, 16);
    rig_close(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handler_answers),
        cmocka_unit_test(sixteen_pipelined_requests_are_answered_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
