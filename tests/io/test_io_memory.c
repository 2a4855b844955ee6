/* test_io_memory.c - io_memory.c: blocks of memory, shared by clones, released as they came. */
#include "io/io_kind.h"

#include <sys/mman.h>

#include "io_test.h"

#include "alloc_fail.h"

static void
memory_is_read_in_pieces(void **state)
{
    (void)state;
    char b[8];
    io_object *io = io_wrapper_open_memory("hello world", 11, MEMTYPE_DONTCARE);
    assert_non_null(io);
    assert_int_equal(io_wrapper_get_size(io), 11);
    assert_int_equal(hs_io_remaining(io), 11);
    assert_int_equal(io_wrapper_read(io, b, 5), 5);
    assert_memory_equal(b, "hello", 5);
    assert_int_equal(io_wrapper_read(io, b, 8), 6);
    assert_memory_equal(b, " world", 6);
    assert_int_equal(io_wrapper_read(io, b, 8), 0);
    assert_int_equal(io_wrapper_read(io, b, 0), 0);
    assert_int_equal(io_wrapper_lseek(io, -5, SEEK_END), 6);
    assert_int_equal(hs_io_remaining(io), 5);
    assert_content(io, "world");
    assert_int_equal(io_wrapper_lseek(io, 100, SEEK_SET), 100); /* as in a file */
    assert_int_equal(io_wrapper_read(io, b, 8), 0);
    assert_int_equal(hs_io_remaining(io), 0);
    assert_int_equal(io_wrapper_write(io, "x", 1), -1);
    assert_int_equal(errno, ENOTSUP);
    wait_for(io, IO_WAIT_READ);
    assert_string_equal(io_wrapper_get_scheme(io), "memory");
    io_wrapper_delref(io);
}

static void
memory_is_lent(void **state)
{
    (void)state;
    const char text[] = "hello world", *p;
    size_t n;
    struct hs_io_window w;
    io_object *io = io_wrapper_open_memory(text, 11, MEMTYPE_DONTCARE);
    assert_int_equal(hs_io_window(io, 5, &w), ENOTSUP);
    assert_int_equal(hs_io_peek(io, &p, &n), 0);
    assert_ptr_equal(p, text);
    assert_int_equal(n, 11);
    hs_io_consume(io, 6);
    assert_int_equal(hs_io_peek(io, &p, &n), 0);
    assert_ptr_equal(p, text + 6);
    assert_int_equal(n, 5);
    hs_io_consume(io, 100); /* no further than the end */
    assert_int_equal(hs_io_peek(io, &p, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(io_wrapper_lseek(io, 0, SEEK_CUR), 11);
    io_wrapper_delref(io);
}

static void
clones_share_the_block(void **state)
{
    (void)state;
    char b[4], *buf;
    size_t n;
    io_object *io = io_wrapper_open_memory(strdup("abcd"), 4, MEMTYPE_IS_MALLOC_3C);
    assert_int_equal(io_wrapper_read(io, b, 2), 2);
    io_object *clone = io_wrapper_clone(io);
    io_wrapper_delref(io);
    assert_int_equal(io_wrapper_is_memory_based(clone, &buf, &n), MEMTYPE_IS_MALLOC_3C);
    assert_int_equal(n, 4);
    assert_memory_equal(buf, "abcd", 4);
    assert_content(clone, "abcd"); /* from its beginning */
    io_wrapper_delref(clone);
}

/* proves: io_wrapper_open_memory, io_wrapper_copy_memory, io_wrapper_is_memory_based */
static void
each_memtype_is_released_its_way(void **state)
{
    (void)state;
    char *buf;
    size_t n;
    char *map = mmap(NULL, 5000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(map, MAP_FAILED);
    memcpy(map, "mapped", 6);
    io_object *io = io_wrapper_open_memory(map, 5000, MEMTYPE_IS_MMAP);
    assert_int_equal(io_wrapper_is_memory_based(io, NULL, NULL), MEMTYPE_IS_MMAP);
    assert_int_equal(msync(map, 5000, MS_ASYNC), 0);
    io_wrapper_delref(io);
    assert_int_equal(msync(map, 5000, MS_ASYNC), -1); /* gone */
    assert_int_equal(errno, ENOMEM);

    assert_null(io_wrapper_open_memory("x", 1, 77));
    assert_int_equal(errno, EINVAL);
    assert_null(io_wrapper_open_memory("x", 1, 0));
    assert_int_equal(errno, EINVAL);
    assert_null(io_wrapper_open_memory(NULL, 1, MEMTYPE_DONTCARE));
    assert_int_equal(errno, EINVAL);
    assert_null(io_wrapper_open_memory("x", SIZE_MAX, MEMTYPE_DONTCARE));
    assert_int_equal(errno, EINVAL);

    const int types[] = { MEMTYPE_DONTCARE, MEMTYPE_IS_MALLOC_3C, MEMTYPE_IS_MMAP };
    for (size_t i = 0; i < 3; i++) {
        for (size_t len = 0; len <= 3; len += 3) {
            char text[] = "abc";
            io = io_wrapper_copy_memory(text, len, types[i]);
            assert_non_null(io);
            memset(text, 'x', 3);
            assert_int_not_equal(io_wrapper_is_memory_based(io, &buf, &n), 0);
            assert_ptr_not_equal(buf, text);
            assert_int_equal(n, len);
            assert_memory_equal(buf, "abc", len);
            io_wrapper_delref(io);
        }
    }
    assert_null(io_wrapper_copy_memory("abc", 3, 77));
    assert_int_equal(errno, EINVAL);
    assert_null(io_wrapper_copy_memory(NULL, 3, MEMTYPE_DONTCARE));
    assert_int_equal(errno, EINVAL);
}

static void
other_ios_are_not_memory(void **state)
{
    (void)state;
    char *buf = (char *)state;
    size_t n = 7;
    io_object *r, *w;
    assert_int_equal(hs_io_pipe(&r, &w), 0);
    assert_int_equal(io_wrapper_is_memory_based(r, &buf, &n), 0);
    assert_null(buf);
    assert_int_equal(n, 0);
    io_wrapper_delref(r);
    io_wrapper_delref(w);
}

static void
memory_scenario(void *arg)
{
    (void)arg;
    static const char text[] = "static";
    io_object *io = io_wrapper_open_memory(text, 6, MEMTYPE_DONTCARE);
    assert_true(io != NULL || errno == ENOMEM);
    io_wrapper_delref(io);
    io = io_wrapper_copy_memory(text, 6, MEMTYPE_IS_MMAP);
    assert_true(io != NULL || errno == ENOMEM);
    io_wrapper_delref(io);
}

static void
threat_38_each_allocation_may_fail(void **state)
{
    (void)state;
    assert_true(alloc_fail_each(memory_scenario, NULL) >= 5);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        io_test(memory_is_read_in_pieces),
        io_test(memory_is_lent),
        io_test(clones_share_the_block),
        io_test(each_memtype_is_released_its_way),
        io_test(other_ios_are_not_memory),
        io_test(threat_38_each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
