/* test_ready_head.c - session/ready_head.c: a status that was set before must come out as if it were set for the first time. */
#include "session_test.h"

#include "alloc_fail.h"

static int (*act)(ec_httpsrv_session *s);

static int
acts(ec_httpsrv_session *s)
{
    return act(s);
}

static char head[4096];

/* The head of the answer, without its Date. */
static const char *
head_of(struct rig *r)
{
    (void)snprintf(head, sizeof head, "%s", rig_exchange(r, GET("/")));
    char *end = strstr(head, "\r\n\r\n");
    assert_non_null(end);
    end[2] = '\0';
    char *date = strstr(head, "Date: ");
    assert_non_null(date);
    char *next = strstr(date, "\r\n") + 2;
    memmove(date, next, strlen(next) + 1);
    return head;
}

static int
plain(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_status_set_std(s, 200, "OK", "text/plain"), 0);
    assert_string_equal(hs_session_response_header(s, "content-type"), "text/plain");
    return DONE;
}

static int
own_message(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_status_set_std(s, 200, "Ok", "text/plain"), 0);
    return DONE;
}

static int
no_message(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_status_set_std(s, 200, NULL, "text/plain"), 0);
    return DONE;
}

static int
other_status(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_status_set_std(s, 201, "OK", "text/plain"), 0);
    return DONE;
}

static int
with_fields(ec_httpsrv_session *s)
{
    (void)plain(s);
    assert_int_equal(ec_httpsrv_response_header_set(s, "X-A", "1"), 0);
    assert_int_equal(ec_httpsrv_response_header_add(s, "X-A", "2"), 0);
    return DONE;
}

static int
another_type(ec_httpsrv_session *s)
{
    (void)plain(s);
    assert_int_equal(ec_httpsrv_response_header_set(s, "Content-Type", "text/html"), 0);
    return DONE;
}

static int
no_type(ec_httpsrv_session *s)
{
    (void)plain(s);
    assert_int_equal(ec_httpsrv_response_header_set(s, "Content-Type", NULL), 0);
    assert_int_equal(ec_httpsrv_response_append(s, "x", 1), 0);
    return DONE;
}

static int
only_the_status_again(ec_httpsrv_session *s)
{
    (void)plain(s);
    assert_int_equal(ec_httpsrv_response_status_set(s, 404, "Nowhere"), 0);
    return DONE;
}

static int
set_twice(ec_httpsrv_session *s)
{
    (void)plain(s);
    return plain(s);
}

static int
reset(ec_httpsrv_session *s)
{
    (void)plain(s);
    assert_int_equal(hs_session_response_reset(s), 0);
    return DONE;
}

static int
failed(ec_httpsrv_session *s)
{
    (void)plain(s);
    hs_session_fail(s, 503);
    return DONE;
}

static int
behind_a_field(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_header_set(s, "X-A", "1"), 0);
    return plain(s);
}

static int
bad_bytes(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_status_set_std(s, 200, "OK", "text/plain\n"), EINVAL);
    assert_int_equal(ec_httpsrv_response_status_set_std(s, 200, "O\rK", "text/plain"), EINVAL);
    assert_int_equal(ec_httpsrv_response_status_set_std(s, 199, "OK", "text/plain"), EINVAL);
    return plain(s);
}

#define TEXT "Content-Type: text/plain\r\n"

static void
a_status_set_again_is_as_the_first(void **state)
{
    static const struct {
        int (*act)(ec_httpsrv_session *);
        const char *head;
    } cases[] = {
        { plain, "HTTP/1.1 200 OK\r\n" TEXT "Content-Length: 2\r\n" },
        { own_message, "HTTP/1.1 200 Ok\r\n" TEXT "Content-Length: 2\r\n" },
        { no_message, "HTTP/1.1 200 OK\r\n" TEXT "Content-Length: 0\r\n" },
        { other_status, "HTTP/1.1 201 OK\r\n" TEXT "Content-Length: 2\r\n" },
        { with_fields, "HTTP/1.1 200 OK\r\n" TEXT "X-A: 1\r\nX-A: 2\r\nContent-Length: 2\r\n" },
        { another_type, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n" },
        { no_type, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n" },
        { only_the_status_again, "HTTP/1.1 404 Nowhere\r\n" TEXT "Content-Length: 7\r\n" },
        { set_twice, "HTTP/1.1 200 OK\r\n" TEXT "Content-Length: 2\r\n" },
        { reset, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" },
        { failed, "HTTP/1.1 503 Service Unavailable\r\n" TEXT "Content-Length: 20\r\n" },
        { behind_a_field, "HTTP/1.1 200 OK\r\nX-A: 1\r\n" TEXT "Content-Length: 2\r\n" },
        { bad_bytes, "HTTP/1.1 200 OK\r\n" TEXT "Content-Length: 2\r\n" },
    };
    struct rig r;

    (void)state;
    open_one(&r, acts);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            act = cases[i].act;
            assert_string_equal(head_of(&r), cases[i].head);
        }
    }
    rig_close(&r);
}

static char type[200];
static char message[200];

static int
made_up(ec_httpsrv_session *s)
{
    assert_int_equal(ec_httpsrv_response_status_set_std(s, 200, message, type), 0);
    assert_int_equal(ec_httpsrv_response_append(s, "x", 1), 0);
    return DONE;
}

/* More types than there are places, and texts around the longest that is kept. */
static void
any_number_of_types_and_lengths(void **state)
{
    struct rig r;
    char expected[1000];

    (void)state;
    open_one(&r, acts);
    act = made_up;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 300; i++) {
            (void)snprintf(type, sizeof type, "text/x-%0*d", 1 + i % 120, i);
            (void)snprintf(message, sizeof message, "m%0*d", 1 + i % 70, i);
            (void)snprintf(expected, sizeof expected, "HTTP/1.1 200 %s\r\nContent-Type: %s\r\nContent-Length: 1\r\n", message, type);
            assert_string_equal(head_of(&r), expected);
        }
    }
    rig_close(&r);
}

static unsigned long failing;

static int
fails_at_an_allocation(ec_httpsrv_session *s)
{
    alloc_fail_at(failing);
    int err = ec_httpsrv_response_status_set_std(s, 200, "Fine", "text/plain");
    alloc_fail_off();
    if (err) {
        assert_int_equal(err, ENOMEM);
        hs_session_fail(s, 503);
    }
    return DONE;
}

static void
threat_38_each_allocation_fails_once(void **state)
{
    (void)state;
    act = fails_at_an_allocation;
    for (failing = 1; failing < 8; failing++) {
        struct rig r;
        open_one(&r, acts);
        for (int round = 0; round < 3; round++) {
            const char *got = head_of(&r);
            assert_string_equal(got, strncmp(got, "HTTP/1.1 200", 12) == 0
                                         ? "HTTP/1.1 200 Fine\r\n" TEXT "Content-Length: 4\r\n"
                                         : "HTTP/1.1 503 Service Unavailable\r\n" TEXT "Content-Length: 20\r\n");
        }
        rig_close(&r);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_status_set_again_is_as_the_first),
        cmocka_unit_test(any_number_of_types_and_lengths),
        cmocka_unit_test(threat_38_each_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
