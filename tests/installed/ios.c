/* ios.c - io_wrapper.h, io_wrapper_int.h, ec_growbuf.h: what makes io_objects and what is done with them, outside of any server. */
#include "installed.h"

#include <ec_growbuf.h>
#include <io_wrapper.h>
#include <io_wrapper_int.h>
#include <unistd.h>

/* What is left to read, as text. */
static const char *
rest(io_object *io)
{
    static char text[256];
    size_t n = 0;
    ssize_t got;

    while ((got = io_wrapper_read(io, text + n, sizeof text - 1 - n)) > 0) {
        n += (size_t)got;
    }
    CHECK(got == 0);
    text[n] = '\0';
    return text;
}

static ssize_t
formatted(io_object *io, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    ssize_t n = io_wrapper_vprintf(io, format, ap);
    va_end(ap);
    return n;
}

static void
files(void)
{
    char dir[] = "/tmp/httpsrv-installed-XXXXXX", path[128], buf[8];
    struct iovec iov[2] = { { .iov_base = (char[]){ "two " }, .iov_len = 4 }, { .iov_base = (char[]){ "three " }, .iov_len = 6 } };

    CHECK(mkdtemp(dir) != NULL);
    (void)snprintf(path, sizeof path, "%s/deep/file", dir);
    CHECK(io_wrapper_open(path, O_RDONLY, 0) == NULL && errno == ENOENT);
    io_object *io = io_wrapper_mkpath_and_open(path, O_RDWR | O_CREAT, 0700, 0600);
    CHECK(io != NULL && io_wrapper_write(io, "one ", 4) == 4 && io_wrapper_writev(io, iov, 2) == 10);
    CHECK(io_wrapper_printf(io, "%d", 4) == 1 && formatted(io, " %s", "five") == 5 && io_wrapper_flush(io) == 0);
    CHECK(io_wrapper_get_size(io) == 20 && io_wrapper_supports_lseek(io) == 1);
    CHECK(io_wrapper_lseek(io, 4, SEEK_SET) == 4 && strcmp(rest(io), "two three 4 five") == 0);
    CHECK(io_wrapper_lseek(io, 0, SEEK_SET) == 0 && io_wrapper_copy_to_buffer(io, buf, sizeof buf, 3) == 3 && memcmp(buf, "one", 3) == 0);
    io_object *other = io_wrapper_clone(io);
    CHECK(other != NULL && strcmp(rest(other), "one two three 4 five") == 0); /* a position of its own */
    CHECK(strcmp(io_wrapper_get_path(io), path) == 0 && strcmp(io_wrapper_get_scheme(io), "file") == 0);
    CHECK((io_wrapper_get_options(io) & O_RDWR) != 0 && io_wrapper_get_mode(io) == 0600);
    io_wrapper_delref(other);
    io_wrapper_async_destroy(io);

    ECDict context = dict_blank();
    CHECK(dict_add_key_value(context, "who", "we") == 0);
    io = io_wrapper_open2(path, O_RDONLY, 0, context);
    CHECK(io != NULL && dict_key_exists(io_wrapper_get_context(io), "who"));
    io_wrapper_set_context(io, NULL);
    CHECK(io_wrapper_get_context(io) == NULL);
    dict_drop(context);
    io_wrapper_set_path(io, "elsewhere");
    io_wrapper_set_scheme(io, "mine");
    CHECK(strcmp(io_wrapper_get_path(io), "elsewhere") == 0 && strcmp(io_wrapper_get_scheme(io), "mine") == 0);
    io_wrapper_destroy(io);

    CHECK(unlink(path) == 0);
    (void)snprintf(path, sizeof path, "%s/deep", dir);
    CHECK(rmdir(path) == 0 && rmdir(dir) == 0);
}

static void
memory(void)
{
    static const char text[] = "from memory";
    char *p;
    size_t n;

    io_object *io = io_wrapper_open_memory(text, sizeof text - 1, MEMTYPE_DONTCARE);
    CHECK(io != NULL && io_wrapper_is_memory_based(io, &p, &n) == MEMTYPE_DONTCARE && p == text && n == sizeof text - 1);
    CHECK(strcmp(rest(io), text) == 0);
    CHECK(io_wrapper_write(io, "x", 1) == -1 && errno == ENOTSUP);
    io_wrapper_delref(io);
    io = io_wrapper_copy_memory(text, 4, MEMTYPE_IS_MALLOC_3C);
    CHECK(io != NULL && io_wrapper_is_memory_based(io, &p, NULL) == MEMTYPE_IS_MALLOC_3C && p != text && strcmp(rest(io), "from") == 0);
    io_wrapper_addref(io);
    io_wrapper_delref(io);
    io_wrapper_delref(io);
    io = io_wrapper_open_tmpspool();
    CHECK(io != NULL && io_wrapper_write(io, "spool", 5) == 5 && io_wrapper_lseek(io, 1, SEEK_SET) == 1 && strcmp(rest(io), "pool") == 0);
    io_wrapper_delref(io);
}

static void
pipes(void)
{
    int ends[2];
    char c;

    CHECK(pipe(ends) == 0);
    io_object *in = io_wrapper_fdopen(ends[0]), *out = io_wrapper_fdopen(ends[1]);
    CHECK(in != NULL && out != NULL && io_wrapper_supports_lseek(in) == 0);
    CHECK(io_wrapper_wait(in, IO_WAIT_READ, NULL, NULL) == 0); /* cancels nothing */
    CHECK(io_wrapper_write(out, "p", 1) == 1 && io_wrapper_read(in, &c, 1) == 1 && c == 'p');
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    CHECK(io_wrapper_close(out) == 0 && io_wrapper_write(out, "p", 1) == -1 && errno == EBADF);
    CHECK(io_wrapper_read(in, &c, 1) == 0);
    io_wrapper_async_close(in);
#pragma GCC diagnostic pop
    io_wrapper_delref(in);
    io_wrapper_delref(out);
}

static void
growbufs(void)
{
    char *chunk;

    io_object *io = ec_growbuf_io_open(8);
    CHECK(io != NULL && io_wrapper_write(io, "0123456789", 10) == 10 && io_wrapper_lseek(io, 2, SEEK_SET) == 2);
    int n = ec_growbuf_io_cur_chunk(io, &chunk);
    CHECK(n == 5 && strcmp(chunk, "23456") == 0);
    n = ec_growbuf_io_next_chunk(io, &chunk);
    CHECK(n == 3 && strcmp(chunk, "789") == 0);
    CHECK(ec_growbuf_io_next_chunk(io, &chunk) == 0 && chunk == NULL);
    io_wrapper_delref(io);
}

/* --- a kind of one's own --- */

static int opened, closed, freed;

static int
count_open(io_object *io, const char *filename, int options, int mode)
{
    (void)options;
    (void)mode;
    io->io.handle = calloc(1, sizeof(int));
    opened += strcmp(filename, "here") == 0;
    return io->io.handle != NULL ? 0 : -1;
}

static ssize_t
count_read(io_object *io, void *buf, size_t nbytes)
{
    int *n = io_wrapper_get_handle(io);

    if (*n == 3 || nbytes == 0) {
        return 0;
    }
    *(char *)buf = (char)('0' + (*n)++);
    return 1;
}

static int
count_close(io_object *io)
{
    free(io_wrapper_get_handle(io));
    closed++;
    return 0;
}

static void
on_free(io_object *io)
{
    CHECK(io_wrapper_get_app_context(io) == &freed);
    freed++;
}

static void
own_kinds(void)
{
    static const io_wrapper counting = {
        .sizeof_self = sizeof counting,
        .scheme = "installed-count",
        .open = count_open,
        .read = count_read,
        .close = count_close,
    };

    CHECK(io_wrapper_lookup("installed-count") == NULL && errno == ENOENT);
    CHECK(io_wrapper_define(&counting) == 0 && io_wrapper_define(&counting) == EEXIST);
    CHECK(io_wrapper_lookup("installed-count") != NULL);
    io_object *io = io_wrapper_open("installed-count://here", O_RDONLY, 0);
    CHECK(io != NULL && opened == 1 && strcmp(rest(io), "012") == 0);
    io_wrapper_set_app_context_and_dtor(io, &freed, on_free);
    io_wrapper_delref(io);
    CHECK(closed == 1 && freed == 1);

    int *n = calloc(1, sizeof *n);
    io = io_wrapper_create_object(&counting, NULL);
    CHECK(io != NULL && io_wrapper_get_handle(io) == NULL);
    *n = 1;
    io_wrapper_set_handle(io, n);
    CHECK(strcmp(rest(io), "12") == 0);
    io_wrapper_delref(io);
    CHECK(closed == 2);
}

void
test_ios(void)
{
    files();
    memory();
    pipes();
    growbufs();
    own_kinds();
}
