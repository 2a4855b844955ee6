/* test_session_waiters.c - who waits on a session besides its C handler: told once, from the loop, whatever comes. */
#include "session_test.h"

static int (*act)(ec_httpsrv_session *s);
static ec_httpsrv_session *held;
static bool inside; /* a session function is running */

static int
acts(ec_httpsrv_session *s)
{
    held = s;
    return act ? act(s) : (assert_int_equal(ec_httpsrv_session_suspend(s), 0), ASYNC);
}

struct waiter {
    struct hs_session_waiter w;
    int calls, err;
    int again; /* so often it waits for the same at once */
};

static void
called(void *arg, int err)
{
    struct waiter *w = arg;

    assert_false(inside);
    w->calls++;
    w->err = err;
    if (w->again-- > 0) {
        hs_session_wait(held, w->w.what, &w->w);
    }
}

static void
wait_for(struct waiter *w, enum hs_session_wait_for what)
{
    memset(w, 0, sizeof *w);
    w->w.fn = called;
    w->w.arg = w;
    inside = true;
    hs_session_wait(held, what, &w->w);
    inside = false;
    assert_int_equal(w->calls, 0);
}

#define TOLD(w, n, e)                                                                                                                      \
    do {                                                                                                                                   \
        assert_int_equal((w).calls, n);                                                                                                    \
        assert_int_equal((w).err, e);                                                                                                      \
    } while (0)

static void
end_held(struct rig *r)
{
    assert_int_equal(ec_httpsrv_session_resume(held, 1), 0);
    rig_settle(r);
}

static void
all_who_wait_for_the_body_are_told(void **state)
{
    struct rig r;
    struct rig_client c;
    struct waiter a, b, late;
    struct hs_view view;

    (void)state;
    act = NULL;
    open_one(&r, acts);
    rig_connect(&r, &c);
    rig_sends(&c, POST("/", 5, "12"));
    hs_session_set_self_waiting(held, true);
    assert_int_equal(hs_session_body_view(held, &view), EAGAIN);
    wait_for(&a, HS_WAIT_BODY);
    wait_for(&b, HS_WAIT_BODY);
    rig_settle(&r);
    TOLD(a, 0, 0);
    rig_sends(&c, "345");
    TOLD(a, 1, 0);
    TOLD(b, 1, 0);
    assert_int_equal(hs_session_body_view(held, &view), 0);
    assert_int_equal(view.n, 5);
    wait_for(&late, HS_WAIT_BODY); /* has come already */
    rig_settle(&r);
    TOLD(late, 1, 0);
    assert_int_equal(r.requests_ended, 0); /* nobody has resumed the C handler */
    end_held(&r);
    rig_disconnect(&c, false);
    rig_close(&r);
}

static void
append_n(size_t n)
{
    static char much[1 << 20];

    inside = true;
    assert_int_equal(ec_httpsrv_response_append(held, much, n), 0);
    inside = false;
}

static void
room_is_told_below_the_low_mark(void **state)
{
    struct hs_limits l;
    struct rig r;
    struct rig_client c;
    struct waiter a;

    (void)state;
    act = NULL;
    hs_limits_default(&l);
    l.response_high = 100000;
    l.response_low = 20000;
    open_one_with(&r, acts, &l, NULL);
    r.pair.capacity = 5000;
    rig_connect(&r, &c);
    rig_read_on(&c, false);
    rig_sends(&c, GET("/"));
    assert_true(hs_session_has_room(held));
    append_n(100000);
    assert_true(hs_session_has_room(held));
    append_n(60000);
    assert_false(hs_session_has_room(held));
    wait_for(&a, HS_WAIT_ROOM);
    rig_settle(&r);
    TOLD(a, 0, 0);
    while (rig_read(&c, 1000) == 1000 && c.in.len < 110000) {
        rig_settle(&r);
        TOLD(a, 0, 0);
    }
    while (a.calls == 0 && rig_read(&c, 1000) == 1000) {
        rig_settle(&r);
    }
    TOLD(a, 1, 0);
    assert_true(c.in.len >= 160000 - 20000 - 5000);
    assert_true(hs_session_has_room(held));
    end_held(&r);
    rig_disconnect(&c, true);
    rig_close(&r);
}

/* Output that is below the high mark is nobody's to watch, unless somebody waits; other appends must not make the pump forget. */
static void
what_is_waited_for_comes_though_others_append(void **state)
{
    static const enum hs_session_wait_for each[] = { HS_WAIT_ROOM, HS_WAIT_FLUSHED };
    struct hs_limits l;
    struct rig r;
    struct rig_client c;
    struct waiter a;

    (void)state;
    act = NULL;
    hs_limits_default(&l);
    l.response_high = 10000;
    l.response_low = 2000;
    open_one_with(&r, acts, &l, NULL);
    r.pair.capacity = 1000;
    for (size_t i = 0; i < 2; i++) {
        for (int order = 0; order < 2; order++) { /* appends after the waiting, before it */
            rig_connect(&r, &c);
            rig_read_on(&c, false);
            rig_sends(&c, GET("/"));
            append_n(10001);
            rig_settle(&r);
            if (order) {
                append_n(1);
                rig_settle(&r);
            }
            wait_for(&a, each[i]);
            if (!order) {
                append_n(1);
            }
            rig_settle(&r);
            TOLD(a, each[i] == HS_WAIT_ROOM && hs_session_has_room(held) && a.calls, 0);
            rig_read_on(&c, true);
            TOLD(a, 1, 0);
            end_held(&r);
            rig_disconnect(&c, true);
        }
    }
    rig_close(&r);
}

/* A little that is left over while there was nobody to wait for it. */
static void
who_comes_later_to_what_is_unsent_is_told_too(void **state)
{
    static char some[9000];
    struct rig r;
    struct rig_client c;
    struct waiter a;

    (void)state;
    act = NULL;
    open_one(&r, acts);
    r.pair.capacity = 1000;
    rig_connect(&r, &c);
    rig_read_on(&c, false);
    rig_sends(&c, GET("/"));
    hs_session_set_self_waiting(held, true);
    io_object *io = io_wrapper_open_memory(some, sizeof some, MEMTYPE_DONTCARE);
    assert_int_equal(ec_httpsrv_response_io(held, io, 0), 0);
    io_wrapper_delref(io);
    rig_settle(&r);
    wait_for(&a, HS_WAIT_FLUSHED);
    rig_settle(&r);
    TOLD(a, 0, 0);
    rig_read_on(&c, true);
    assert_true(c.in.len > sizeof some);
    TOLD(a, 1, 0);
    end_held(&r);
    rig_disconnect(&c, true);
    rig_close(&r);
}

static void
everything_flushed_is_told(void **state)
{
    struct rig r;
    struct rig_client c;
    struct waiter a, b;

    (void)state;
    act = NULL;
    open_one(&r, acts);
    r.pair.capacity = 1000;
    rig_connect(&r, &c);
    rig_read_on(&c, false);
    rig_sends(&c, GET("/"));
    hs_session_set_self_waiting(held, true);
    append_n(50000);
    assert_int_equal(ec_httpsrv_response_flush(held, 0), EAGAIN);
    wait_for(&a, HS_WAIT_FLUSHED);
    rig_read(&c, 45000);
    rig_settle(&r);
    TOLD(a, 0, 0);
    wait_for(&b, HS_WAIT_FLUSHED);
    rig_read_on(&c, true);
    TOLD(a, 1, 0);
    TOLD(b, 1, 0);
    assert_int_equal(ec_httpsrv_response_flush(held, 0), 0);
    wait_for(&b, HS_WAIT_FLUSHED);
    rig_settle(&r);
    TOLD(b, 1, 0);
    end_held(&r);
    rig_disconnect(&c, true);
    rig_close(&r);
}

static void
an_abort_and_the_end_are_told(void **state)
{
    struct hs_route_options o;
    struct rig r;
    struct rig_client c;
    struct waiter w[3], late;

    (void)state;
    act = NULL;
    for (int how = 0; how < 3; how++) { /* aborted; ended; aborted but continued */
        hs_route_options_default(&o);
        o.abort_continue = how == 2;
        open_one_with(&r, acts, NULL, &o);
        r.pair.capacity = 1000;
        rig_connect(&r, &c);
        rig_read_on(&c, false);
        rig_sends(&c, POST("/", 5, "12"));
        ec_httpsrv_session_addref(held);
        append_n(400000);
        for (enum hs_session_wait_for what = HS_WAIT_BODY; what <= HS_WAIT_FLUSHED; what++) {
            wait_for(&w[what], what);
        }
        rig_settle(&r);
        if (how == 1) {
            rig_read_on(&c, true); /* or it would go on sending */
            for (int i = 1; i < 3; i++) {
                TOLD(w[i], 1, 0);
            }
            end_held(&r);
            TOLD(w[0], 1, EBADF);
        } else {
            rig_disconnect(&c, true);
            for (int i = 0; i < 3; i++) {
                TOLD(w[i], 1, how == 2 ? 0 : ECONNABORTED);
            }
            for (enum hs_session_wait_for what = HS_WAIT_BODY; what <= HS_WAIT_FLUSHED; what++) {
                wait_for(&late, what);
                rig_settle(&r);
                TOLD(late, 1, how == 2 ? 0 : ECONNABORTED);
            }
            end_held(&r);
        }
        wait_for(&late, HS_WAIT_BODY);
        rig_settle(&r);
        TOLD(late, 1, EBADF);
        ec_httpsrv_session_delref(held);
        rig_disconnect(&c, false);
        rig_close(&r);
    }
}

static void
a_cancelled_waiter_is_not_told(void **state)
{
    struct rig r;
    struct rig_client c;
    struct waiter a, b;

    (void)state;
    act = NULL;
    open_one(&r, acts);
    rig_connect(&r, &c);
    rig_sends(&c, GET("/"));
    wait_for(&a, HS_WAIT_BODY); /* ready at once */
    wait_for(&b, HS_WAIT_BODY);
    hs_session_wait_cancel(held, &a.w);
    hs_session_wait_cancel(held, &a.w); /* harmless */
    rig_settle(&r);
    TOLD(a, 0, 0);
    TOLD(b, 1, 0);
    end_held(&r);
    rig_disconnect(&c, false);
    rig_close(&r);
}

/* Whoever waits again at once for what is there has its next turn, not this one. */
static void
a_waiter_that_waits_again_does_not_hold_the_loop(void **state)
{
    struct rig r;
    struct rig_client c;
    struct waiter a;

    (void)state;
    act = NULL;
    open_one(&r, acts);
    rig_connect(&r, &c);
    rig_sends(&c, GET("/"));
    wait_for(&a, HS_WAIT_BODY);
    a.again = 100;
    for (int i = 1; i <= 50; i++) {
        rig_turns(&r, 1);
        assert_int_equal(a.calls, i);
    }
    rig_settle(&r);
    assert_int_equal(a.calls, 101);
    end_held(&r);
    rig_disconnect(&c, false);
    rig_close(&r);
}

/* --- a binding --- */

static int aborted, aborted_err, ended;

static void
on_aborted(ec_httpsrv_session *s, void *data, int err)
{
    assert_ptr_equal(data, &aborted);
    assert_false(inside);
    aborted++;
    aborted_err = err;
    assert_int_equal(ec_httpsrv_session_resume(s, 1), 0);
}

static void
on_ended(ec_httpsrv_session *s, void *data)
{
    assert_ptr_equal(data, &aborted);
    ended++;
    assert_string_equal(ec_httpsrv_request_method_get(s), "GET"); /* still works */
    assert_ptr_equal(hs_session_binding_data(s), &aborted);
}

static int
is_bound(ec_httpsrv_session *s)
{
    static const struct hs_session_binding ops = { .aborted = on_aborted, .ended = on_ended };

    hs_session_bind(s, &ops, &aborted);
    assert_int_equal(ec_httpsrv_session_suspend(s), 0);
    return ASYNC;
}

static void
a_binding_hears_of_an_abort_and_of_the_end(void **state)
{
    struct rig r;
    struct rig_client c;

    (void)state;
    act = is_bound;
    open_one(&r, acts);
    for (int abort = 0; abort < 2; abort++) {
        aborted = aborted_err = ended = 0;
        rig_connect(&r, &c);
        rig_sends(&c, GET("/"));
        if (abort) {
            rig_disconnect(&c, true);
        } else {
            end_held(&r);
        }
        assert_int_equal(aborted, abort);
        assert_int_equal(aborted_err, abort ? ECONNABORTED : 0);
        assert_int_equal(ended, 1);
        rig_disconnect(&c, false);
    }
    rig_close(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_who_wait_for_the_body_are_told),
        cmocka_unit_test(room_is_told_below_the_low_mark),
        cmocka_unit_test(what_is_waited_for_comes_though_others_append),
        cmocka_unit_test(who_comes_later_to_what_is_unsent_is_told_too),
        cmocka_unit_test(everything_flushed_is_told),
        cmocka_unit_test(an_abort_and_the_end_are_told),
        cmocka_unit_test(a_cancelled_waiter_is_not_told),
        cmocka_unit_test(a_waiter_that_waits_again_does_not_hold_the_loop),
        cmocka_unit_test(a_binding_hears_of_an_abort_and_of_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
