/* test_transport_memory.c - io/transport_memory.c: what the pair in memory has of its own. */
#include "io/transport.h"

#include "transport_test.h"

static int
set_up(void)
{
    in_memory = true;
    int err = hs_loop_new(NULL, &loop);
    return err != 0 ? err : make_pair();
}

static int
set_up_memory(void **state)
{
    (void)state;
    options = (struct hs_memory_pair_options){ 0 };
    return set_up();
}

static int
set_up_one_byte_memory(void **state)
{
    (void)state;
    options = (struct hs_memory_pair_options){ .capacity = 3, .read_max = 1, .write_max = 1 };
    return set_up();
}

static int
tear_down(void **state)
{
    (void)state;
    close_end(&a, false);
    close_end(&b, false);
    hs_loop_free(loop);
    return 0;
}

static void
reset_is_seen_once_and_after_the_data(void **state)
{
    (void)state;
    char buf[16];
    assert_int_equal(put(&a, "data", 4), 4);
    close_end(&a, true);
    want(&b, HS_READ | HS_WRITE | HS_CLOSED);
    assert_int_equal(turn(&b), HS_READ | HS_WRITE | HS_CLOSED);
    assert_int_equal(get(&b, buf, sizeof buf), 4);
    assert_fails(get(&b, buf, sizeof buf), ECONNRESET);
    assert_int_equal(get(&b, buf, sizeof buf), 0);
    assert_fails(put(&b, "x", 1), EPIPE);

    close_end(&b, false);
    assert_int_equal(make_pair(), 0);
    close_end(&a, true);
    assert_fails(put(&b, "x", 1), ECONNRESET);
    assert_fails(put(&b, "x", 1), EPIPE);
    assert_int_equal(get(&b, buf, sizeof buf), 0);
    assert_int_equal(b.t->ops->shutdown_write(b.t), ENOTCONN);
}

static void
one_byte_at_a_time(void **state)
{
    (void)state;
    static const char text[] = "abc";
    char buf[16];
    for (int round = 0; round < 5; round++) {
        assert_int_equal(put(&a, "-", 1), 1); /* so that each round begins elsewhere in the queue */
        assert_int_equal(get(&b, buf, sizeof buf), 1);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(put(&a, &text[i], 3 - (size_t)i), 1);
        }
        assert_fails(put(&a, "x", 1), EAGAIN);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(get(&b, buf, sizeof buf), 1);
            assert_int_equal(buf[0], text[i]);
        }
        assert_fails(get(&b, buf, sizeof buf), EAGAIN);
    }
    int fd = make_file(10);
    off_t off = 0;
    assert_int_equal(a.t->ops->sendfile(a.t, fd, &off, 10), 1);
    assert_int_equal(off, 1);
    close(fd);
}

static void
one_sendfile_is_at_most_2_mib(void **state)
{
    (void)state;
    close_end(&a, false);
    close_end(&b, false);
    options.capacity = (size_t)3 << 20;
    assert_int_equal(make_pair(), 0);
    int fd = make_file(0);
    assert_int_equal(ftruncate(fd, 3 << 20), 0);
    off_t off = 0;
    assert_int_equal(a.t->ops->sendfile(a.t, fd, &off, (size_t)3 << 20), 2 << 20);
    assert_int_equal(a.t->ops->sendfile(a.t, fd, &off, (size_t)3 << 20), 1 << 20);
    assert_int_equal(off, 3 << 20);
    assert_fails(a.t->ops->sendfile(a.t, fd, &off, 1), EAGAIN);
    assert_int_equal(empty(&b), 3 << 20);
    close(fd);
}

static void
threat_39_calls_fail_on_demand(void **state)
{
    (void)state;
    char buf[4];
    off_t off = 0;
    int fd = make_file(4);
    hs_memory_transport_fail(a.t, true, 2, ECONNRESET);
    hs_memory_transport_fail(b.t, false, 1, EIO);
    assert_int_equal(put(&a, "x", 1), 1);
    assert_fails(put(&a, "x", 1), ECONNRESET);
    assert_int_equal(put(&a, "y", 1), 1);
    assert_fails(get(&b, buf, sizeof buf), EIO);
    assert_int_equal(get(&b, buf, sizeof buf), 2);
    hs_memory_transport_fail(a.t, true, 1, EPIPE);
    assert_fails(a.t->ops->sendfile(a.t, fd, &off, 4), EPIPE);
    assert_int_equal(off, 0);
    hs_memory_transport_fail(a.t, true, 1, EPIPE);
    hs_memory_transport_fail(a.t, true, 0, 0);
    assert_int_equal(put(&a, "z", 1), 1);
    close(fd);
}

static void
a_queue_too_large_is_no_memory(void **state)
{
    (void)state;
    struct hs_transport *x, *y;
    struct hs_memory_pair_options huge = { .capacity = SIZE_MAX - 8 };
    assert_int_equal(hs_memory_transport_pair(loop, &huge, &x, &y), ENOMEM);
    assert_int_equal(hs_memory_transport_pair(loop, NULL, &x, &y), 0);
    x->ops->close(x, false);
    y->ops->close(y, false);
}

#define on_memory(f) cmocka_unit_test_setup_teardown(f, set_up_memory, tear_down)
#define on_one_byte(f) cmocka_unit_test_setup_teardown(f, set_up_one_byte_memory, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        on_memory(reset_is_seen_once_and_after_the_data),
        on_one_byte(one_byte_at_a_time),
        on_memory(one_sendfile_is_at_most_2_mib),
        on_memory(threat_39_calls_fail_on_demand),
        on_memory(a_queue_too_large_is_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
