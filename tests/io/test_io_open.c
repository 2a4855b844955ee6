/* test_io_open.c - io_open.c: schemes, paths, temporary files. */
#include "io/io_kind.h"

#include <pthread.h>

#include "io_test.h"

#include "alloc_fail.h"

static char dir[64];

static int
make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/httpsrv-test-XXXXXX");
    assert_non_null(mkdtemp(dir));
    return 0;
}

static int
remove_dir(void **state)
{
    (void)state;
    return rmdir(dir);
}

static const char *
in_dir(const char *name)
{
    static char path[2][256];
    static int turn;
    turn ^= 1;
    snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
    return path[turn];
}

/* proves: io_wrapper_open, io_wrapper_get_path, io_wrapper_get_scheme, io_wrapper_get_mode, io_wrapper_get_options, io_wrapper_write, io_wrapper_delref */
static void
files_are_made_and_opened(void **state)
{
    (void)state;
    const char *path = in_dir("a");
    assert_null(io_wrapper_open(path, O_RDONLY, 0));
    assert_int_equal(errno, ENOENT);
    assert_null(io_wrapper_open("", O_RDONLY, 0));
    assert_int_equal(errno, ENOENT);
    assert_null(io_wrapper_open(NULL, O_RDONLY, 0));
    assert_int_equal(errno, EINVAL);
    assert_null(io_wrapper_open(dir, O_RDONLY, 0));
    assert_int_equal(errno, EISDIR);

    io_object *io = io_wrapper_open(path, O_WRONLY | O_CREAT | O_EXCL, 0640);
    assert_non_null(io);
    assert_string_equal(io_wrapper_get_path(io), path);
    assert_string_equal(io_wrapper_get_scheme(io), "file");
    assert_int_equal(io_wrapper_get_mode(io), 0640);
    assert_int_equal(io_wrapper_get_options(io), O_WRONLY | O_CREAT | O_EXCL);
    assert_int_equal(fcntl(io->io.fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(io_wrapper_write(io, "hello", 5), 5);
    io_wrapper_delref(io);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_null(io_wrapper_open(path, O_WRONLY | O_CREAT | O_EXCL, 0640));
    assert_int_equal(errno, EEXIST);

    char name[300];
    snprintf(name, sizeof name, "file://%s", path);
    io = io_wrapper_open(name, O_RDONLY, 0);
    assert_non_null(io);
    assert_string_equal(io_wrapper_get_path(io), name);
    assert_content(io, "hello");
    io_wrapper_delref(io);
    unlink(path);
}

/* proves: io_wrapper_open2, io_wrapper_get_context, dict_blank, dict_drop, dict_key_exists, dict_add_key_value */
static void
a_context_is_there_and_referenced(void **state)
{
    (void)state;
    ECDict d = dict_blank();
    assert_int_equal(dict_add_key_value(d, "k", "v"), 0);
    io_object *io = io_wrapper_open2("/dev/null", O_RDONLY, 0, d);
    assert_non_null(io);
    dict_drop(d);
    assert_int_equal(dict_key_exists(io_wrapper_get_context(io), "k"), 1);
    io_wrapper_delref(io);
}

/* proves: io_wrapper_mkpath_and_open */
static void
missing_directories_are_made_to_create(void **state)
{
    (void)state;
    assert_null(io_wrapper_mkpath_and_open(in_dir("x/y/z"), O_WRONLY, 0700, 0600));
    assert_int_equal(errno, ENOENT);
    assert_int_equal(access(in_dir("x"), F_OK), -1);
    io_object *io = io_wrapper_mkpath_and_open(in_dir("x/y/z"), O_WRONLY | O_CREAT, 0700, 0600);
    assert_non_null(io);
    io_wrapper_delref(io);
    io = io_wrapper_mkpath_and_open(in_dir("x/y//w"), O_WRONLY | O_CREAT, 0700, 0600);
    assert_non_null(io);
    io_wrapper_delref(io);
    assert_null(io_wrapper_mkpath_and_open(in_dir("x/y/z/more"), O_WRONLY | O_CREAT, 0700, 0600));
    assert_int_equal(errno, ENOTDIR);
    assert_null(io_wrapper_mkpath_and_open("", O_WRONLY | O_CREAT, 0700, 0600));
    assert_int_equal(errno, ENOENT);
    struct stat st;
    assert_int_equal(stat(in_dir("x/y"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    unlink(in_dir("x/y/z"));
    unlink(in_dir("x/y/w"));
    rmdir(in_dir("x/y"));
    rmdir(in_dir("x"));
}

/* proves: io_wrapper_open_tmpspool */
static void
temporary_files_have_no_name(void **state)
{
    (void)state;
    io_object *io = io_wrapper_open_tmpspool();
    assert_non_null(io);
    struct stat st;
    assert_int_equal(fstat(io->io.fd, &st), 0);
    assert_int_equal(st.st_nlink, 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(fcntl(io->io.fd, F_GETFD), FD_CLOEXEC);
    io_wrapper_delref(io);
    assert_int_equal(setenv("TMPDIR", "/nowhere/at/all", 1), 0);
    assert_null(io_wrapper_open_tmpspool());
    assert_int_equal(errno, ENOENT);
    assert_int_equal(setenv("TMPDIR", "", 1), 0);
    io = io_wrapper_open_tmpspool();
    assert_non_null(io);
    io_wrapper_delref(io);
    assert_int_equal(setenv("TMPDIR", "/proc", 1), 0); /* no O_TMPFILE, and no names either */
    assert_null(io_wrapper_open_tmpspool());
    assert_int_equal(setenv("TMPDIR", "/dev/shm", 1), 0);
    io = io_wrapper_open_tmpspool();
    assert_non_null(io);
    io_wrapper_delref(io);
    unsetenv("TMPDIR");
}

/* --- schemes --- */

static int open_result;
static int closed;

static int
spell_open(io_object *io, const char *filename, int options, int mode)
{
    assert_int_equal(options, O_RDONLY);
    assert_int_equal(mode, 7);
    assert_int_equal(io_wrapper_get_options(io), options);
    if (open_result != 0) {
        errno = open_result > 0 ? open_result : 0;
        return -1;
    }
    io_wrapper_set_handle(io, strdup(filename));
    return 0;
}

static ssize_t
spell_read(io_object *io, void *buf, size_t n)
{
    char *text = io_wrapper_get_handle(io);
    size_t len = strlen(text);
    n = n < len ? n : len;
    memcpy(buf, text, n);
    memmove(text, text + n, len - n + 1);
    return (ssize_t)n;
}

static int
spell_close(io_object *io)
{
    free(io_wrapper_get_handle(io));
    closed++;
    return 0;
}

static const io_wrapper spell = {
    .sizeof_self = sizeof(io_wrapper), .open = spell_open, .read = spell_read, .close = spell_close, .scheme = "x-Spell"
};

/* proves: io_wrapper_lookup, io_wrapper_define */
static void
ruling_17_schemes_look_like_names(void **state)
{
    (void)state;
    io_wrapper bad = spell;
    const char *const names[] = { "", "1a", "a b", "a://", "a/b", "-a" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        bad.scheme = names[i];
        assert_int_equal(io_wrapper_define(&bad), EINVAL);
    }
    bad.scheme = NULL;
    assert_int_equal(io_wrapper_define(&bad), EINVAL);
    bad = spell;
    bad.sizeof_self = offsetof(io_wrapper, scheme);
    assert_int_equal(io_wrapper_define(&bad), EINVAL);
    assert_int_equal(io_wrapper_define(NULL), EINVAL);
    bad = spell;
    bad.scheme = "FILE";
    assert_int_equal(io_wrapper_define(&bad), EEXIST);

    assert_null(io_wrapper_lookup("x-spell"));
    assert_int_equal(errno, ENOENT);
    assert_null(io_wrapper_lookup(NULL));
    alloc_fail_at(1);
    assert_int_equal(io_wrapper_define(&spell), ENOMEM);
    alloc_fail_off();
    assert_int_equal(io_wrapper_define(&spell), 0);
    assert_int_equal(io_wrapper_define(&spell), EEXIST);
    assert_ptr_equal(io_wrapper_lookup("X-SPELL"), &spell);
    assert_non_null(io_wrapper_lookup("file"));
    assert_non_null(io_wrapper_lookup("memory"));
    assert_string_equal(io_wrapper_lookup("fd")->scheme, "fd");
}

static void
ruling_17_a_scheme_opens_by_its_wrapper(void **state)
{
    (void)state;
    closed = 0;
    open_result = 0;
    io_object *io = io_wrapper_open("x-spell://hello/there", O_RDONLY, 7);
    assert_non_null(io);
    assert_string_equal(io_wrapper_get_path(io), "x-spell://hello/there");
    assert_content(io, "hello/there");
    io_wrapper_delref(io);
    assert_int_equal(closed, 1);
    open_result = EACCES;
    assert_null(io_wrapper_open("X-Spell://hello", O_RDONLY, 7));
    assert_int_equal(errno, EACCES);
    open_result = -1; /* forgot to say why */
    assert_null(io_wrapper_open("x-spell://hello", O_RDONLY, 7));
    assert_int_equal(errno, EIO);
    assert_int_equal(closed, 1); /* what did not open is not closed */
    assert_null(io_wrapper_open("nosuch://hello", O_RDONLY, 7));
    assert_int_equal(errno, EPROTONOSUPPORT);
    assert_null(io_wrapper_open("memory://hello", O_RDONLY, 7)); /* nothing to open by name */
    assert_int_equal(errno, ENOTSUP);
    assert_null(io_wrapper_open("./nosuch://hello", O_RDONLY, 7)); /* a path */
    assert_int_equal(errno, ENOENT);
    assert_null(io_wrapper_open("nosuch:/hello", O_RDONLY, 7));
    assert_int_equal(errno, ENOENT);
}

static void *
open_writer(void *arg)
{
    io_object *io = io_wrapper_open(arg, O_WRONLY, 0);
    assert_non_null(io);
    assert_int_equal(io_wrapper_write(io, "through", 7), 7);
    io_wrapper_delref(io);
    return NULL;
}

static void
ruling_18_a_fifo_waits_for_its_other_end_and_is_non_blocking_then(void **state)
{
    (void)state;
    static char path[256];
    snprintf(path, sizeof path, "%s", in_dir("fifo"));
    assert_int_equal(mkfifo(path, 0600), 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, open_writer, path), 0);
    io_object *io = io_wrapper_open(path, O_RDONLY, 0);
    assert_non_null(io);
    assert_int_equal(fcntl(io->io.fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    assert_content(io, "through");
    pthread_join(thread, NULL);
    io_wrapper_delref(io);
    unlink(path);
}

static void
open_scenario(void *arg)
{
    (void)arg;
    open_result = 0;
    ECDict d = dict_blank();
    const char *names[] = { "/dev/null", "/proc/self/exe", "x-spell://a" };
    for (size_t i = 0; i < 3; i++) {
        io_object *io = io_wrapper_open2(names[i], O_RDONLY, 7, d);
        assert_true(io != NULL || errno == ENOMEM);
        io_wrapper_delref(io);
    }
    io_object *io = io_wrapper_open_tmpspool();
    assert_true(io != NULL || errno == ENOMEM);
    io_wrapper_delref(io);
    io = io_wrapper_mkpath_and_open(in_dir("n/m"), O_CREAT | O_WRONLY, 0700, 0600);
    assert_true(io != NULL || errno == ENOMEM);
    io_wrapper_delref(io);
    unlink(in_dir("n/m"));
    rmdir(in_dir("n"));
    dict_drop(d);
}

static void
threat_38_each_allocation_may_fail(void **state)
{
    (void)state;
    assert_true(alloc_fail_each(open_scenario, NULL) >= 12);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        io_test(files_are_made_and_opened),
        io_test(a_context_is_there_and_referenced),
        io_test(missing_directories_are_made_to_create),
        io_test(temporary_files_have_no_name),
        io_test(ruling_17_schemes_look_like_names),
        io_test(ruling_17_a_scheme_opens_by_its_wrapper),
        io_test(ruling_18_a_fifo_waits_for_its_other_end_and_is_non_blocking_then),
        io_test(threat_38_each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
