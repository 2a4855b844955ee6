/* test_io_object.c - io_object.c: references, closing, claims, what can be looked up. */
#include "io/io_kind.h"

#include <pthread.h>

#include "io_test.h"

#include "alloc_fail.h"

/* A wrapper of an application's own that only counts. */
struct counted {
    int closed, destroyed, reads;
};

static ssize_t
counted_read(io_object *io, void *buf, size_t n)
{
    struct counted *c = io_wrapper_get_handle(io);
    c->reads++;
    memset(buf, 'x', n);
    return (ssize_t)n;
}

static int
counted_close(io_object *io)
{
    struct counted *c = io_wrapper_get_handle(io);
    c->closed++;
    return 0;
}

static int
counted_nonblocking(io_object *io)
{
    (void)io;
    return 1;
}

static const io_wrapper counted_wrapper = {
    .sizeof_self = sizeof(io_wrapper),
    .read = counted_read,
    .close = counted_close,
    .supports_nonblocking = counted_nonblocking,
    .scheme = "counted",
};

static void
on_destroy(io_object *io)
{
    struct counted *c = io_wrapper_get_app_context(io);
    assert_int_equal(c->closed, 0); /* its handle can still be used */
    c->destroyed++;
    io_wrapper_addref(io); /* harmless in there */
    io_wrapper_delref(io);
}

/* proves: io_wrapper_destroy, io_wrapper_set_app_context_and_dtor */
static void
the_last_reference_closes_and_frees(void **state)
{
    (void)state;
    struct counted c = { 0 };
    io_object *io = io_wrapper_create_object(&counted_wrapper, &c);
    assert_non_null(io);
    assert_int_equal(hs_live_get(HS_LIVE_IO), live_before + 1);
    io_wrapper_set_app_context_and_dtor(io, &c, on_destroy);
    io_wrapper_addref(io);
    io_wrapper_delref(io);
    assert_int_equal(c.closed, 0);
    io_wrapper_destroy(io);
    assert_int_equal(c.closed, 1);
    assert_int_equal(c.destroyed, 1);
    io_wrapper_delref(NULL);
    io_wrapper_async_destroy(NULL);
}

static void *
add_and_drop(void *arg)
{
    for (int i = 0; i < 20000; i++) {
        io_wrapper_addref(arg);
        io_wrapper_delref(arg);
    }
    io_wrapper_delref(arg);
    return NULL;
}

/* proves: io_wrapper_addref */
static void
references_may_be_dropped_in_any_thread(void **state)
{
    (void)state;
    struct counted c = { 0 };
    io_object *io = io_wrapper_create_object(&counted_wrapper, &c);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        io_wrapper_addref(io);
        assert_int_equal(pthread_create(&threads[i], NULL, add_and_drop, io), 0);
    }
    io_wrapper_delref(io);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(c.closed, 1);
}

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/* proves: io_wrapper_close */
static void
a_closed_io_is_a_shell_that_answers_ebadf(void **state)
{
    (void)state;
    struct counted c = { 0 };
    char b;
    io_object *io = io_wrapper_create_object(&counted_wrapper, &c);
    assert_int_equal(io_wrapper_close(io), 0);
    assert_int_equal(io_wrapper_close(io), 0);
    io_wrapper_async_close(io);
    assert_int_equal(c.closed, 1);
    assert_int_equal(io_wrapper_read(io, &b, 1), -1);
    assert_int_equal(errno, EBADF);
    assert_int_equal(io_wrapper_write(io, "x", 1), -1);
    assert_int_equal(errno, EBADF);
    assert_int_equal(io_wrapper_lseek(io, 0, SEEK_SET), -1);
    assert_int_equal(errno, EBADF);
    assert_int_equal(io_wrapper_flush(io), -1);
    assert_int_equal(errno, EBADF);
    assert_int_equal(io_wrapper_get_size(io), -1);
    assert_int_equal(errno, EBADF);
    assert_null(io_wrapper_clone(io));
    assert_int_equal(errno, EBADF);
    assert_int_equal(io_wrapper_wait(io, IO_WAIT_READ, on_wait, NULL), -1);
    assert_int_equal(errno, EBADF);
    assert_int_equal(io_wrapper_printf(io, "%d", 1), -1);
    assert_int_equal(io_wrapper_supports_lseek(io), 0);
    assert_int_equal(hs_io_claim(io), EBADF);
    assert_int_equal(hs_io_remaining(io), -1);
    struct hs_io_window w;
    const char *p;
    size_t n;
    assert_int_equal(hs_io_window(io, 1, &w), EBADF);
    assert_int_equal(hs_io_peek(io, &p, &n), EBADF);
    hs_io_consume(io, 1);
    assert_int_equal(c.reads, 0);
    io_wrapper_delref(io);
    assert_int_equal(c.closed, 1);
}

/* proves: io_wrapper_async_destroy */
static void
async_destroy_closes_in_the_pool(void **state)
{
    (void)state;
    struct counted c = { 0 };
    io_object *io = io_wrapper_create_object(&counted_wrapper, &c);
    io_wrapper_addref(io);
    io_wrapper_async_destroy(io);
    assert_int_equal(c.closed, 0);
    io_wrapper_async_destroy(io);
    hs_pools_stop();
    assert_int_equal(c.closed, 1);

    io = io_wrapper_create_object(&counted_wrapper, &c);
    io_wrapper_async_close(io);
    hs_pools_stop();
    assert_int_equal(c.closed, 2);
    io_wrapper_delref(io);
    assert_int_equal(c.closed, 2);
}

/* proves: io_wrapper_async_close */
static void
async_destroy_without_memory_closes_here(void **state)
{
    (void)state;
    struct counted c = { 0 };
    io_object *io = io_wrapper_create_object(&counted_wrapper, &c);
    alloc_fail_from(1);
    io_wrapper_async_destroy(io);
    alloc_fail_off();
    assert_int_equal(c.closed, 1);
    io = io_wrapper_create_object(&counted_wrapper, &c);
    alloc_fail_from(1);
    io_wrapper_async_close(io);
    alloc_fail_off();
    assert_int_equal(c.closed, 2);
    io_wrapper_delref(io);
}

static void
closing_wakes_who_waits(void **state)
{
    (void)state;
    struct counted c = { 0 };
    struct waited w = { 0 };
    io_object *io = io_wrapper_create_object(&counted_wrapper, &c);
    assert_int_equal(io_wrapper_wait(io, IO_WAIT_READ, on_wait, &w), 0);
    io_wrapper_close(io);
    assert_int_equal(w.calls, 0); /* from the loop, not from in here */
    while (w.calls == 0) {
        hs_loop_turn(loop, true);
    }
    hs_loop_advance(loop, HS_SEC);
    assert_int_equal(w.calls, 1);
    io_wrapper_delref(io);
}

#pragma GCC diagnostic warning "-Wdeprecated-declarations"

static void
ruling_05_a_claimed_io_is_busy_for_everybody_else(void **state)
{
    (void)state;
    struct waited w = { 0 };
    char b[3];
    io_object *io = io_wrapper_open_memory("abc", 3, MEMTYPE_DONTCARE);
    assert_int_equal(hs_io_claim(io), 0);
    assert_true(hs_io_is_claimed(io));
    assert_int_equal(hs_io_claim(io), EBUSY);
    assert_int_equal(io_wrapper_read(io, b, 1), -1);
    assert_int_equal(errno, EBUSY);
    assert_int_equal(io_wrapper_lseek(io, 0, SEEK_SET), -1);
    assert_int_equal(errno, EBUSY);
    assert_int_equal(io_wrapper_copy_to_buffer(io, b, 3, 3), -1);
    assert_int_equal(errno, EBUSY);
    assert_int_equal(io_wrapper_wait(io, IO_WAIT_READ, on_wait, &w), -1);
    assert_int_equal(errno, EBUSY);
    assert_int_equal(io_wrapper_wait(io, 0, NULL, NULL), -1); /* the waiter is the owner's */
    /* its owner reads on, and a clone goes its own way */
    assert_int_equal(hs_io_read(io, b, 2), 2);
    io_object *clone = io_wrapper_clone(io);
    assert_non_null(clone);
    assert_false(hs_io_is_claimed(clone));
    assert_int_equal(io_wrapper_read(clone, b, 3), 3);
    io_wrapper_delref(clone);
    hs_io_release(io);
    assert_int_equal(io_wrapper_read(io, b, 3), 1);
    io_wrapper_delref(io);
}

static void
ruling_05_an_io_that_is_waited_on_cannot_be_claimed(void **state)
{
    (void)state;
    struct waited w = { 0 };
    io_object *r, *s;
    assert_int_equal(hs_io_pipe(&r, &s), 0);
    assert_int_equal(io_wrapper_wait(r, IO_WAIT_READ, on_wait, &w), 0);
    assert_int_equal(hs_io_claim(r), EBUSY);
    assert_int_equal(io_wrapper_wait(r, 0, NULL, NULL), 0);
    assert_int_equal(hs_io_claim(r), 0);
    hs_io_release(r);
    io_wrapper_delref(r);
    io_wrapper_delref(s);
}

/* proves: io_wrapper_get_app_context, io_wrapper_set_path, io_wrapper_set_scheme, io_wrapper_get_handle, io_wrapper_set_handle, io_wrapper_set_context */
static void
what_is_set_can_be_got(void **state)
{
    (void)state;
    struct counted c = { 0 }, d = { 0 };
    io_object *io = io_wrapper_create_object(&counted_wrapper, &c);
    assert_null(io_wrapper_get_path(io));
    assert_string_equal(io_wrapper_get_scheme(io), "counted");
    io_wrapper_set_path(io, "a/b");
    io_wrapper_set_path(io, "c");
    assert_string_equal(io_wrapper_get_path(io), "c");
    alloc_fail_at(1);
    io_wrapper_set_path(io, "d"); /* stays what it was */
    alloc_fail_off();
    assert_string_equal(io_wrapper_get_path(io), "c");
    io_wrapper_set_path(io, NULL);
    assert_null(io_wrapper_get_path(io));
    io_wrapper_set_scheme(io, "other");
    assert_string_equal(io_wrapper_get_scheme(io), "other");
    io_wrapper_set_handle(io, &d);
    assert_ptr_equal(io_wrapper_get_handle(io), &d);
    assert_null(io_wrapper_get_app_context(io));
    io_wrapper_set_app_context_and_dtor(io, &c, NULL);
    assert_ptr_equal(io_wrapper_get_app_context(io), &c);
    assert_int_equal(io_wrapper_get_mode(io), 0);
    assert_int_equal(io_wrapper_get_options(io), 0);

    ECDict dict = dict_blank();
    assert_int_equal(dict_add_key_value(dict, "k", "v"), 0);
    io_wrapper_set_context(io, dict);
    io_wrapper_set_context(io, dict);
    dict_drop(dict);
    assert_ptr_equal(io_wrapper_get_context(io), dict);
    assert_int_equal(dict_key_exists(io_wrapper_get_context(io), "k"), 1);
    io_wrapper_delref(io);
    assert_int_equal(d.closed, 1);

    io = io_wrapper_open_memory("", 0, MEMTYPE_DONTCARE);
    io_wrapper_set_handle(io, &d); /* the core's kinds keep theirs */
    assert_null(io_wrapper_get_handle(io));
    io_wrapper_delref(io);
}

/* proves: io_wrapper_create_object */
static void
a_short_table_has_no_methods_behind_its_end(void **state)
{
    (void)state;
    struct counted c = { 0 };
    char b[4];
    io_wrapper shorter = counted_wrapper;
    shorter.sizeof_self = offsetof(io_wrapper, close);
    io_object *io = io_wrapper_create_object(&shorter, &c);
    assert_null(io_wrapper_get_scheme(io));
    io_wrapper_delref(io);
    assert_int_equal(c.closed, 0);
    shorter.sizeof_self = offsetof(io_wrapper, read);
    io = io_wrapper_create_object(&shorter, &c);
    assert_int_equal(io_wrapper_read(io, b, 1), -1);
    assert_int_equal(errno, ENOTSUP);
    assert_null(io_wrapper_clone(io));
    assert_int_equal(errno, ENOTSUP);
    io_wrapper_delref(io);
    shorter.sizeof_self = 0;
    assert_null(io_wrapper_create_object(&shorter, &c));
    assert_int_equal(errno, EINVAL);
    assert_null(io_wrapper_create_object(NULL, &c));
    assert_int_equal(errno, EINVAL);
}

static void
object_scenario(void *arg)
{
    (void)arg;
    io_object *io = io_wrapper_copy_memory("abc", 3, MEMTYPE_DONTCARE);
    if (io == NULL) {
        assert_int_equal(errno, ENOMEM);
        return;
    }
    io_wrapper_set_path(io, "name");
    io_object *copy = io_wrapper_clone(io);
    if (copy == NULL) {
        assert_int_equal(errno, ENOMEM);
    }
    io_wrapper_delref(copy);
    io_wrapper_delref(io);
}

static void
threat_38_each_allocation_may_fail(void **state)
{
    (void)state;
    assert_true(alloc_fail_each(object_scenario, NULL) >= 6);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        io_test(the_last_reference_closes_and_frees),
        io_test(references_may_be_dropped_in_any_thread),
        io_test(a_closed_io_is_a_shell_that_answers_ebadf),
        io_test(async_destroy_closes_in_the_pool),
        io_test(async_destroy_without_memory_closes_here),
        io_test_clock(closing_wakes_who_waits),
        io_test(ruling_05_a_claimed_io_is_busy_for_everybody_else),
        io_test(ruling_05_an_io_that_is_waited_on_cannot_be_claimed),
        io_test(what_is_set_can_be_got),
        io_test(a_short_table_has_no_methods_behind_its_end),
        io_test(threat_38_each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
