/* lua_io_make.c - the io_objects that scripts can make: files, memory, pipes, connections, and such as are made of others.
 * Each function makes the box first and fills it last, so that nothing is held while Lua allocates. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "bindings/arg.h"
#include "bindings/io_box.h"
#include "bindings/wait.h"
#include "io/io.h"

#define MAX_SOURCES 1000

/* Puts io, whose reference is taken over, into the box at the top of the stack; NULL: fails with errno. */
static int
filled(lua_State *L, struct hs_io_box *box, io_object *io)
{
    if (io == NULL) {
        return errno == EBUSY ? hs_lua_fail_as(L, EBUSY, "io is in use") : hs_lua_fail(L, errno);
    }
    box->io = io;
    return 1;
}

/* --- opening --- */

static void
opened(void *arg, io_object *io, int err)
{
    struct hs_task *t = arg;
    t->w.open.box->io = io;
    t->w.open.job = NULL;
    hs_task_wake(t, err);
}

static void
disarm_open(struct hs_task *t)
{
    if (t->w.open.job != NULL) {
        hs_io_open_cancel(t->w.open.job);
    }
}

/* io_open(box, name, flags, perm): waits where the kernel would; (again, 0) with the io in the box, (again, errno) */
static int
l_open(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    struct hs_io_box *box = hs_io_box_check(L, rt, 1, 0, "open");
    const char *name = hs_lua_arg_cstring(L, 2, 1, "open", false);
    const int flags = (int)hs_lua_arg_integer(L, 3, 2, "open", 0, INT_MAX);
    const int perm = (int)hs_lua_arg_integer(L, 4, 3, "open", 0, 07777);
    struct hs_task *t = hs_wait_begin(L, rt);
    if (t == NULL) {
        return hs_wait_refuse(L, rt);
    }
    t->w.open.box = box;
    t->w.open.job = NULL;
    int err = hs_io_open_start(name, flags, perm, opened, t, &t->w.open.job, &box->io);
    if (err == 0) { /* nothing to wait for */
        lua_pushlightuserdata(L, (void *)&hs_lua_again);
        lua_pushinteger(L, 0);
        return 2;
    }
    if (err != EINPROGRESS) {
        return hs_lua_fail(L, err);
    }
    return hs_wait_yield(L, t, disarm_open);
}

/* io_box() -> a closed io, to be opened */
static int
l_box(lua_State *L)
{
    (void)hs_io_box_new(L, hs_lua_rt(L));
    return 1;
}

/* io_path(name) -> name, below the script directory when it is relative and no URL */
static int
l_path(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    const char *name = hs_lua_arg_cstring(L, 1, 1, "open", false);
    size_t n = strcspn(name, ":/");
    if (name[0] == '/' || (n > 0 && strncmp(name + n, "://", 3) == 0) || strcmp(rt->dir, ".") == 0) {
        lua_settop(L, 1);
    } else {
        lua_pushfstring(L, "%s/%s", rt->dir, name);
    }
    return 1;
}

/* io_scheme_known(name): the core has it */
static int
l_scheme_known(lua_State *L)
{
    lua_pushboolean(L, io_wrapper_lookup(luaL_checkstring(L, 1)) != NULL);
    return 1;
}

/* memory(string) -> io */
static int
l_memory(lua_State *L)
{
    struct hs_view v = hs_lua_arg_bytes(L, 1, 1, "memory");
    struct hs_io_box *box = hs_io_box_new(L, hs_lua_rt(L));
    return filled(L, box, io_wrapper_copy_memory(v.p, v.n, MEMTYPE_IS_MALLOC_3C));
}

/* pipe() -> reader, writer */
static int
l_pipe(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    struct hs_io_box *reader = hs_io_box_new(L, rt);
    struct hs_io_box *writer = hs_io_box_new(L, rt);
    int err = hs_io_pipe(&reader->io, &writer->io);
    if (err != 0) {
        reader->io = writer->io = NULL;
        return hs_lua_fail(L, err);
    }
    return 2;
}

/* io_connect(address) -> io, which may still be connecting */
static int
l_connect(lua_State *L)
{
    const char *address = hs_lua_arg_cstring(L, 1, 1, "connect", false);
    struct hs_io_box *box = hs_io_box_new(L, hs_lua_rt(L));
    io_object *io = hs_io_connect(address);
    if (io == NULL && errno == EINVAL) {
        return hs_lua_fail_as(L, EINVAL, "\"host:port\", \"[v6]:port\" or \"unix:/path\" expected, with an address as host");
    }
    return filled(L, box, io);
}

/* io_connected(io) -> true, once the connection stands. Waits. */
static int
l_connected(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    struct hs_io_box *box = hs_io_box_check(L, rt, 1, 0, "connect");
    if (box->io == NULL) {
        return hs_lua_fail_as(L, EBADF, "io is closed");
    }
    if (io_wrapper_write(box->io, "", 0) >= 0) {
        lua_pushboolean(L, 1);
        return 1;
    }
    return errno == EAGAIN ? hs_io_box_wait(L, box, IO_WAIT_WRITE) : hs_lua_fail(L, errno);
}

/* fdopen(fd) -> io, which owns the descriptor */
static int
l_fdopen(lua_State *L)
{
    const int fd = (int)hs_lua_arg_integer(L, 1, 1, "fdopen", 0, INT_MAX);
    struct hs_io_box *box = hs_io_box_new(L, hs_lua_rt(L));
    return filled(L, box, io_wrapper_fdopen(fd));
}

/* tmpfile() -> io */
static int
l_tmpfile(lua_State *L)
{
    struct hs_io_box *box = hs_io_box_new(L, hs_lua_rt(L));
    return filled(L, box, io_wrapper_open_tmpspool());
}

/* --- of others --- */

/* concat(io, …) -> io */
static int
l_concat(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    const int n = lua_gettop(L);
    if (n > MAX_SOURCES) {
        hs_lua_arg_error(L, MAX_SOURCES + 1, "concat", "too many sources");
    }
    for (int i = 1; i <= n; i++) {
        (void)hs_io_box_check(L, rt, i, i, "concat");
    }
    luaL_checkstack(L, 8, NULL);
    struct hs_io_box *box = hs_io_box_new(L, rt);
    io_object **sources = lua_newuserdata(L, ((size_t)n + 1) * sizeof(*sources));
    lua_insert(L, -2);
    /* From here nothing throws. */
    int have = 0;
    io_object *io = NULL;
    while (have < n && (sources[have] = hs_io_box_source(lua_touserdata(L, have + 1))) != NULL) {
        have++;
    }
    if (have == n) {
        io = hs_io_concat(sources, (size_t)n);
    }
    const int err = errno;
    while (have > 0) {
        io_wrapper_delref(sources[--have]);
    }
    errno = err;
    return filled(L, box, io);
}

/* Fills the box with what make gives for the io of the first argument. */
static int
of_source(lua_State *L, struct hs_io_box *box, io_object *source, io_object *made)
{
    const int err = errno;
    io_wrapper_delref(source);
    errno = err;
    return filled(L, box, made);
}

/* range(io, first[, last]) -> io */
static int
l_range(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    struct hs_io_box *from = hs_io_box_check(L, rt, 1, 1, "range");
    const off_t first = (off_t)hs_lua_arg_integer(L, 2, 2, "range", 0, INT64_MAX);
    const off_t last = lua_isnoneornil(L, 3) ? -1 : (off_t)hs_lua_arg_integer(L, 3, 3, "range", 0, INT64_MAX);
    struct hs_io_box *box = hs_io_box_new(L, rt);
    io_object *source = hs_io_box_source(from);
    return of_source(L, box, source, source != NULL ? hs_io_range(source, first, last) : NULL);
}

/* gzip(io[, level]) -> io */
static int
l_gzip(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    struct hs_io_box *from = hs_io_box_check(L, rt, 1, 1, "gzip");
    const int level = lua_isnoneornil(L, 2) ? -1 : (int)hs_lua_arg_integer(L, 2, 2, "gzip", 1, 9);
    struct hs_io_box *box = hs_io_box_new(L, rt);
    io_object *source = hs_io_box_source(from);
    return of_source(L, box, source, source != NULL ? hs_io_gzip(source, level) : NULL);
}

/* --- constants --- */

static void
set_constants(lua_State *L)
{
    static const struct {
        const char *name;
        int value;
    } constants[] = {
        { "O_RDONLY", O_RDONLY }, { "O_WRONLY", O_WRONLY },     { "O_RDWR", O_RDWR },         { "O_CREAT", O_CREAT },
        { "O_EXCL", O_EXCL },     { "O_TRUNC", O_TRUNC },       { "O_APPEND", O_APPEND },     { "O_NONBLOCK", O_NONBLOCK },
        { "O_SYNC", O_SYNC },     { "O_NOFOLLOW", O_NOFOLLOW }, { "O_DIRECTORY", O_DIRECTORY }, { "O_CLOEXEC", O_CLOEXEC },
    };
    lua_newtable(L);
    for (size_t i = 0; i < sizeof(constants) / sizeof(constants[0]); i++) {
        lua_pushinteger(L, constants[i].value);
        lua_setfield(L, -2, constants[i].name);
    }
    lua_setfield(L, -2, "io_constants");
}

void
hs_lua_open_io_make(lua_State *L, struct hs_lua_runtime *rt)
{
    static const luaL_Reg functions[] = {
        { "io_open", l_open },       { "io_box", l_box },           { "io_path", l_path },   { "io_memory", l_memory },
        { "io_pipe", l_pipe },       { "io_connect", l_connect },   { "io_connected", l_connected },
        { "io_fdopen", l_fdopen },   { "io_tmpfile", l_tmpfile },   { "io_concat", l_concat },
        { "io_range", l_range },     { "io_gzip", l_gzip },         { "io_scheme_known", l_scheme_known },
        { NULL, NULL },
    };
    hs_lua_functions(L, rt, functions);
    set_constants(L);
}
