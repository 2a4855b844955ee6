/* test_open_files.c - open_files.c: files that are opened again and again stay open, and are never another's, changed or kept for long. */
#include "io/io_kind.h"

#include "io_test.h"

#include "alloc_fail.h"

static char dir[64], file[128], other[128];

static void
put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static int
make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "%s/httpsrv-test-XXXXXX", disk_folder());
    assert_non_null(mkdtemp(dir));
    snprintf(file, sizeof file, "%s/file", dir);
    snprintf(other, sizeof other, "%s/other", dir);
    return 0;
}

static int
remove_dir(void **state)
{
    (void)state;
    return rmdir(dir);
}

/* What is opened at once; NULL with errno, also when the pool would have to do it. */
static io_object *
get(const char *path, int options)
{
    struct hs_io_open_job *job;
    io_object *io = NULL;
    int err = hs_io_open_start(path, options, 0600, NULL, NULL, &job, &io);

    assert_int_not_equal(err, EINPROGRESS);
    errno = err;
    return err == 0 ? io : NULL;
}

/* Opens it and closes it again: the number of its descriptor. */
static int
touch(const char *path)
{
    io_object *io = get(path, O_RDONLY);
    assert_non_null(io);
    int fd = io->io.fd;
    io_wrapper_delref(io);
    return fd;
}

static bool
is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* Opens a path often enough for it to be kept. */
static int
keep(const char *path)
{
    (void)touch(path);
    int fd = touch(path);
    assert_true(is_open(fd));
    return fd;
}

static void
assert_reads(io_object *io, const char *text)
{
    char buf[100];
    ssize_t n = io_wrapper_read(io, buf, sizeof buf - 1);

    assert_true(n >= 0);
    buf[n] = '\0';
    assert_string_equal(buf, text);
}

static void
what_is_opened_again_stays_open(void **state)
{
    (void)state;
    put(file, "hello");
    int first = touch(file);
    assert_false(is_open(first)); /* once is not again */
    int fd = keep(file);
    io_object *a = get(file, O_RDONLY), *b = get(file, O_RDONLY);
    assert_int_equal(a->io.fd, fd);
    assert_int_equal(b->io.fd, fd);
    assert_string_equal(io_wrapper_get_path(a), file);
    assert_int_equal(io_wrapper_get_size(a), 5);
    assert_reads(a, "hello");
    assert_reads(b, "hello"); /* each at a place of its own */
    io_wrapper_delref(a);
    assert_int_equal(io_wrapper_lseek(b, 1, SEEK_SET), 1);
    assert_reads(b, "ello");
    io_wrapper_delref(b);
    unlink(file);
}

static void
it_is_closed_when_nobody_has_opened_it_for_a_while(void **state)
{
    (void)state;
    put(file, "hello");
    int fd = keep(file);
    for (int i = 0; i < 5; i++) {
        hs_loop_advance(loop, HS_SEC / 2);
        assert_int_equal(touch(file), fd);
    }
    io_object *io = get(file, O_RDONLY);
    hs_loop_advance(loop, 3 * HS_SEC);
    assert_reads(io, "hello"); /* who has it goes on */
    io_wrapper_delref(io);
    assert_false(is_open(fd));
    (void)touch(file);
    hs_loop_advance(loop, 2 * HS_SEC);
    assert_false(is_open(touch(file))); /* twice, but not within a second */
    unlink(file);
}

static void
another_file_in_its_place_is_opened(void **state)
{
    (void)state;
    put(file, "old");
    int fd = keep(file);
    io_object *old = get(file, O_RDONLY);
    put(other, "new one");
    assert_int_equal(rename(other, file), 0);
    io_object *new = get(file, O_RDONLY);
    assert_int_not_equal(new->io.fd, fd);
    assert_int_equal(io_wrapper_get_size(new), 7);
    assert_reads(new, "new one");
    assert_reads(old, "old");
    io_wrapper_delref(old);
    io_wrapper_delref(new);
    assert_false(is_open(fd));
    unlink(file);
}

static void
a_file_that_has_gone_is_not_there(void **state)
{
    (void)state;
    put(file, "hello");
    int fd = keep(file);
    unlink(file);
    assert_null(get(file, O_RDONLY));
    assert_int_equal(errno, ENOENT);
    assert_false(is_open(fd));
    put(file, "again"); /* maybe with the same number */
    io_object *io = get(file, O_RDONLY);
    assert_reads(io, "again");
    io_wrapper_delref(io);
    assert_int_equal(unlink(file) | mkdir(file, 0700), 0);
    assert_null(get(file, O_RDWR));
    assert_int_equal(errno, EISDIR);
    rmdir(file);
}

static void
what_is_written_to_it_is_there_at_once(void **state)
{
    (void)state;
    put(file, "one");
    (void)keep(file);
    for (int i = 0; i < 3; i++) {
        put(file, ".");
        io_object *io = get(file, O_RDONLY);
        assert_int_equal(io_wrapper_get_size(io), 4 + i);
        io_wrapper_delref(io);
    }
    unlink(file);
}

static void
who_may_read_it_is_asked_anew_when_that_has_changed(void **state)
{
    (void)state;
    put(file, "hello");
    int fd = keep(file);
    io_object *held = get(file, O_RDONLY); /* so that the number is not given to the next */
    assert_int_equal(chmod(file, 0), 0);
    io_object *io = get(file, O_RDONLY); /* root may */
    assert_true(io != NULL ? io->io.fd != fd : errno == EACCES);
    io_wrapper_delref(io);
    io_wrapper_delref(held);
    unlink(file);
}

static void
only_mere_reading_shares_it(void **state)
{
    static const int options[] = { O_RDWR, O_WRONLY, O_RDONLY | O_NOFOLLOW, O_RDONLY | O_NOATIME, O_RDWR | O_APPEND };

    (void)state;
    put(file, "hello");
    int fd = keep(file);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        for (int j = 0; j < 3; j++) {
            io_object *io = get(file, options[i]);
            assert_non_null(io);
            assert_int_not_equal(io->io.fd, fd);
            io_wrapper_delref(io);
        }
    }
    assert_int_equal(touch(file), fd);
    unlink(file);
}

static void
a_symbolic_link_that_is_turned_leads_elsewhere(void **state)
{
    char link[140];

    (void)state;
    snprintf(link, sizeof link, "%s/link", dir);
    put(file, "one");
    put(other, "two");
    assert_int_equal(symlink(file, link), 0);
    (void)keep(link);
    assert_int_equal(unlink(link) | symlink(other, link), 0);
    io_object *io = get(link, O_RDONLY);
    assert_reads(io, "two");
    io_wrapper_delref(io);
    unlink(link);
    unlink(file);
    unlink(other);
}

static void
many_files_are_not_all_kept(void **state)
{
    char name[140];
    const int before = count_fds();

    (void)state;
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "%s/%d", dir, i);
        put(name, "x");
        (void)touch(name);
        (void)touch(name);
    }
    assert_true(count_fds() - before <= 64);
    assert_true(count_fds() > before);
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "%s/%d", dir, i);
        unlink(name);
    }
    hs_loop_advance(loop, 3 * HS_SEC);
    assert_int_equal(count_fds(), before);
}

static void
open_four_times(void *arg)
{
    size_t had = 0;
    io_object *io[4];

    for (size_t i = 0; i < 4; i++) {
        io[i] = get(arg, O_RDONLY);
        had += io[i] != NULL;
    }
    bool hit = alloc_fail_hit();
    alloc_fail_off();
    for (size_t i = 0; i < 4; i++) {
        io_wrapper_delref(io[i]);
    }
    assert_true(had == 4 || (hit && had == 3));
    hs_loop_advance(loop, 3 * HS_SEC);
    loop_anew();
}

static void
opening_survives_each_failed_allocation(void **state)
{
    (void)state;
    put(file, "hello");
    assert_true(alloc_fail_each(open_four_times, file) >= 8);
    unlink(file);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        io_test_clock(what_is_opened_again_stays_open),
        io_test_clock(it_is_closed_when_nobody_has_opened_it_for_a_while),
        io_test_clock(another_file_in_its_place_is_opened),
        io_test_clock(a_file_that_has_gone_is_not_there),
        io_test_clock(what_is_written_to_it_is_there_at_once),
        io_test_clock(who_may_read_it_is_asked_anew_when_that_has_changed),
        io_test_clock(only_mere_reading_shares_it),
        io_test_clock(a_symbolic_link_that_is_turned_leads_elsewhere),
        io_test_clock(many_files_are_not_all_kept),
        io_test_clock(opening_survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
