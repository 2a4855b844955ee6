/* lua_io.c - io_objects in the hands of scripts: reading, writing and seeking.
 * Whatever meets EAGAIN waits and leaves trying again to its wrapper in lua/httpsrv/io.lua. Reads for lines, numbers and fixed counts
 * gather in the box, so nothing is lost when a wait is cancelled half-way. A read that never has to wait gives the others a turn after
 * TURN_BYTES. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bindings/arg.h"
#include "bindings/io_box.h"
#include "bindings/wait.h"
#include "io/io.h"

#define READ_SIZE ((size_t)16 * 1024)
#define TURN_BYTES ((size_t)1024 * 1024)
#define MAX_NUMERAL ((size_t)200)
#define KEEP_BUFFER ((size_t)64 * 1024)

static struct hs_io_box *
self(lua_State *L, const char *fname)
{
    return hs_io_box_check(L, hs_lua_rt(L), 1, 0, fname);
}

static int
fail_closed(lua_State *L)
{
    const struct hs_io_box *box = hs_io_box_test(L, hs_lua_rt(L), 1);
    if (box != NULL && box->lent) {
        return hs_lua_fail_as(L, EBUSY, "io is in use by another thread");
    }
    return hs_lua_fail_as(L, EBADF, "io is closed");
}

/* A failed call on the io: errno says why. */
static int
fail_io(lua_State *L, int err)
{
    return err == EBUSY ? hs_lua_fail_as(L, err, "io is in use") : hs_lua_fail(L, err);
}

/* A failed read. When the body of the task's own request broke off, the request is over. */
static int
fail_read(lua_State *L, const struct hs_io_box *box, int err)
{
    if (box->is_body && err != EBUSY && err != EBADF && box->req != NULL && hs_req_is_own(box->rt, box->req->sess)) {
        return hs_wait_abandoned(L, box->rt);
    }
    return fail_io(L, err);
}

/* --- reading --- */

static size_t
buffered(const struct hs_io_box *box)
{
    return box->ahead.len - box->taken;
}

/* Forgets what the script has taken. */
static void
compact(struct hs_io_box *box)
{
    if (box->taken == box->ahead.len) {
        box->taken = 0;
        if (box->ahead.cap > KEEP_BUFFER) {
            hs_buf_fini(&box->ahead);
        } else {
            hs_buf_clear(&box->ahead);
        }
    } else if (box->taken > box->ahead.len / 2) {
        hs_buf_consume(&box->ahead, box->taken);
        box->taken = 0;
    }
}

/* One read into the buffer, of at most n bytes. As io_wrapper_read. */
static ssize_t
read_ahead(struct hs_io_box *box, size_t n)
{
    int err = hs_buf_reserve(&box->ahead, n);
    if (err != 0) {
        errno = err;
        return -1;
    }
    ssize_t r = io_wrapper_read(box->io, box->ahead.p + box->ahead.len, n);
    if (r > 0) {
        box->ahead.len += (size_t)r;
    }
    return r;
}

/* Lets the others have a turn. */
static int
wait_turn(lua_State *L, struct hs_lua_runtime *rt)
{
    struct hs_task *t = hs_wait_begin(L, rt);
    if (t == NULL) {
        return hs_wait_refuse(L, rt);
    }
    int err = hs_task_set_timer(t, 0);
    if (err != 0) {
        return hs_lua_fail(L, err);
    }
    return hs_wait_yield(L, t, NULL);
}

/* io_fill(io, n, exact) -> true: n bytes are buffered; false: the io ended before. exact: no more than n are taken from the io. Waits. */
static int
l_fill(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    struct hs_io_box *box = self(L, "read");
    const double want = lua_tonumber(L, 2);
    const bool exact = lua_toboolean(L, 3) != 0;
    size_t done = 0;
    while ((double)buffered(box) < want) {
        if (box->io == NULL) {
            return fail_closed(L);
        }
        if (done >= TURN_BYTES && hs_wait_possible(L, rt)) {
            return wait_turn(L, rt);
        }
        compact(box);
        const double missing = want - (double)buffered(box);
        size_t n = done == 0 ? READ_SIZE : 4 * READ_SIZE;
        if (exact && missing < (double)n) {
            n = (size_t)missing;
        }
        ssize_t r = read_ahead(box, n);
        if (r == 0) {
            lua_pushboolean(L, 0);
            return 1;
        }
        if (r < 0) {
            return errno == EAGAIN ? hs_io_box_wait(L, box, IO_WAIT_READ) : fail_read(L, box, errno);
        }
        done += (size_t)r;
    }
    lua_pushboolean(L, 1);
    return 1;
}

/* io_take(io, n) -> up to n buffered bytes, "" when there are none */
static int
l_take(lua_State *L)
{
    struct hs_io_box *box = self(L, "read");
    const double want = lua_tonumber(L, 2);
    const size_t n = want < (double)buffered(box) ? (size_t)want : buffered(box);
    lua_pushlstring(L, n != 0 ? box->ahead.p + box->taken : "", n);
    box->taken += n;
    compact(box);
    return 1;
}

/* io_buffered(io) -> bytes that were read ahead */
static int
l_buffered(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)buffered(self(L, "read")));
    return 1;
}

/* io_at_end(io) -> whether it has ended, as far as can be told without waiting */
static int
l_at_end(lua_State *L)
{
    struct hs_io_box *box = self(L, "read");
    if (box->io == NULL) {
        return fail_closed(L);
    }
    ssize_t r = 1;
    if (buffered(box) == 0) {
        compact(box);
        r = read_ahead(box, READ_SIZE);
    }
    if (r < 0 && errno != EAGAIN) {
        return fail_read(L, box, errno);
    }
    lua_pushboolean(L, r == 0);
    return 1;
}

/* io_line(io, ended, keep) -> a buffered line without its newline (keep: with it); nil when there is none yet; ended: the rest counts as one */
static int
l_line(lua_State *L)
{
    struct hs_io_box *box = self(L, "read");
    const char *p = box->ahead.p + box->taken;
    const size_t have = buffered(box);
    const char *newline = have != 0 ? memchr(p, '\n', have) : NULL;
    if (newline == NULL && (!lua_toboolean(L, 2) || have == 0)) {
        lua_pushnil(L);
        return 1;
    }
    const size_t n = newline != NULL ? (size_t)(newline - p) : have;
    const size_t whole = n + (newline != NULL);
    lua_pushlstring(L, p, lua_toboolean(L, 3) ? whole : n);
    box->taken += whole;
    compact(box);
    return 1;
}

static bool
is_numeral(char c)
{
    return (c >= '0' && c <= '9') || (c != '\0' && strchr("+-.xXpPabcdefABCDEF", c) != NULL);
}

/* io_number(io, ended) -> number; false: what is there is none (and it is skipped, as file:read does); nil: more bytes are needed */
static int
l_number(lua_State *L)
{
    struct hs_io_box *box = self(L, "read");
    const bool ended = lua_toboolean(L, 2) != 0;
    while (buffered(box) != 0 && strchr(" \t\n\v\f\r", box->ahead.p[box->taken]) != NULL && box->ahead.p[box->taken] != '\0') {
        box->taken++;
    }
    size_t n = 0;
    char numeral[MAX_NUMERAL + 1];
    while (n < buffered(box) && n < MAX_NUMERAL && is_numeral(box->ahead.p[box->taken + n])) {
        numeral[n] = box->ahead.p[box->taken + n];
        n++;
    }
    numeral[n] = '\0';
    if (n == buffered(box) && !ended && n < MAX_NUMERAL) {
        lua_pushnil(L);
        return 1;
    }
    char *end;
    const double d = strtod(numeral, &end);
    if (end == numeral) {
        box->taken += n;
        lua_pushboolean(L, 0);
    } else {
        box->taken += (size_t)(end - numeral);
        lua_pushnumber(L, d);
    }
    compact(box);
    return 1;
}

/* io_some(io, n) -> 1 to n bytes, nil at the end. Waits. */
static int
l_some(lua_State *L)
{
    struct hs_io_box *box = self(L, "chunks");
    if (buffered(box) != 0) {
        return l_take(L);
    }
    if (box->io == NULL) {
        return fail_closed(L);
    }
    compact(box);
    ssize_t r = read_ahead(box, (size_t)lua_tonumber(L, 2));
    if (r > 0) {
        return l_take(L);
    }
    if (r == 0) {
        lua_pushnil(L);
        return 1;
    }
    return errno == EAGAIN ? hs_io_box_wait(L, box, IO_WAIT_READ) : fail_read(L, box, errno);
}

/* --- writing --- */

/* io_write(io, string, offset, n) -> the offset behind what was written. n: the argument's number. Waits. */
static int
l_write(lua_State *L)
{
    struct hs_io_box *box = self(L, "write");
    struct hs_view v = hs_lua_arg_bytes(L, 2, (int)lua_tointeger(L, 4), "write");
    const double offset = lua_tonumber(L, 3);
    if (box->io == NULL) {
        return fail_closed(L);
    }
    const size_t from = offset < (double)v.n ? (size_t)offset : v.n;
    /* What was read ahead has moved the position of a file. */
    const size_t ahead = buffered(box);
    if (ahead != 0 && io_wrapper_lseek(box->io, -(off_t)ahead, SEEK_CUR) >= 0) {
        hs_buf_clear(&box->ahead);
        box->taken = 0;
    }
    if (from == v.n) {
        lua_pushnumber(L, (lua_Number)from);
        return 1;
    }
    ssize_t r = io_wrapper_write(box->io, v.p + from, v.n - from);
    if (r < 0) {
        return errno == EAGAIN ? hs_io_box_wait(L, box, IO_WAIT_WRITE) : fail_io(L, errno);
    }
    lua_pushnumber(L, (lua_Number)(from + (size_t)r));
    return 1;
}

/* io_flush(io) -> true. Waits. */
static int
l_flush(lua_State *L)
{
    struct hs_io_box *box = self(L, "flush");
    if (box->io == NULL) {
        return fail_closed(L);
    }
    if (io_wrapper_flush(box->io) != 0 && errno != ENOTSUP) {
        return errno == EAGAIN ? hs_io_box_wait(L, box, IO_WAIT_WRITE) : fail_io(L, errno);
    }
    lua_pushboolean(L, 1);
    return 1;
}

/* --- the rest --- */

/* io_seek(io, whence, offset) -> position. Waits. */
static int
l_seek(lua_State *L)
{
    static const char *const names[] = { "set", "cur", "end" };
    static const int whences[] = { SEEK_SET, SEEK_CUR, SEEK_END };
    struct hs_io_box *box = self(L, "seek");
    const char *name = hs_lua_arg_cstring(L, 2, 1, "seek", true);
    int which = name == NULL ? 1 : 0;
    while (name != NULL && strcmp(name, names[which]) != 0) {
        if (++which == 3) {
            hs_lua_arg_error(L, 1, "seek", "\"set\", \"cur\" or \"end\" expected");
        }
    }
    off_t offset = lua_isnoneornil(L, 3) ? 0 : (off_t)hs_lua_arg_integer(L, 3, 2, "seek", INT64_MIN, INT64_MAX);
    if (box->io == NULL) {
        return fail_closed(L);
    }
    const off_t ahead = (off_t)buffered(box);
    if (which == 1) {
        offset -= ahead;
    }
    off_t pos = io_wrapper_lseek(box->io, offset, whences[which]);
    if (pos < 0) {
        return errno == EAGAIN ? hs_io_box_wait(L, box, IO_WAIT_READ) : fail_io(L, errno);
    }
    hs_buf_clear(&box->ahead);
    box->taken = 0;
    lua_pushnumber(L, (lua_Number)pos);
    return 1;
}

/* io_size(io) -> bytes */
static int
l_size(lua_State *L)
{
    struct hs_io_box *box = self(L, "size");
    if (box->io == NULL) {
        return fail_closed(L);
    }
    off_t size = io_wrapper_get_size(box->io);
    if (size < 0) {
        return fail_io(L, errno);
    }
    lua_pushnumber(L, (lua_Number)size);
    return 1;
}

/* close(io) -> true */
static int
l_close(lua_State *L)
{
    struct hs_io_box *box = self(L, "close");
    if (box->io == NULL) {
        return fail_closed(L);
    }
    hs_io_box_close(box);
    lua_pushboolean(L, 1);
    return 1;
}

/* clone(io) -> io on the same bytes, at the start */
static int
l_clone(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    struct hs_io_box *box = self(L, "clone");
    struct hs_io_box *copy = hs_io_box_new(L, rt);
    if (box->io == NULL) {
        return fail_closed(L);
    }
    copy->io = io_wrapper_clone(box->io);
    return copy->io != NULL ? 1 : fail_io(L, errno);
}

/* io_closed(io): for io.type and the like */
static int
l_closed(lua_State *L)
{
    struct hs_io_box *box = hs_io_box_test(L, hs_lua_rt(L), 1);
    if (box == NULL) {
        lua_pushnil(L);
    } else {
        lua_pushboolean(L, box->io == NULL && !box->lent);
    }
    return 1;
}

static int
l_gc(lua_State *L)
{
    struct hs_io_box *box = hs_io_box_test(L, hs_lua_rt(L), 1);
    if (box != NULL) {
        hs_io_box_close(box);
    }
    return 0;
}

static int
l_tostring(lua_State *L)
{
    struct hs_io_box *box = self(L, "tostring");
    if (box->io == NULL) {
        lua_pushstring(L, box->lent ? "io (in another thread)" : "io (closed)");
        return 1;
    }
    const char *scheme = io_wrapper_get_scheme(box->io);
    const char *path = io_wrapper_get_path(box->io);
    lua_pushfstring(L, "io (%s%s%s%s)", scheme != NULL ? scheme : "?", path != NULL ? " " : "", path != NULL ? path : "",
                    hs_io_is_claimed(box->io) ? ", in use" : "");
    return 1;
}

void
hs_lua_open_io(lua_State *L, struct hs_lua_runtime *rt)
{
    static const luaL_Reg functions[] = {
        { "io_fill", l_fill },   { "io_take", l_take },     { "io_line", l_line },   { "io_number", l_number },
        { "io_some", l_some },   { "io_write", l_write },   { "io_flush", l_flush }, { "io_seek", l_seek },
        { "io_size", l_size },   { "io_close", l_close },   { "io_clone", l_clone }, { "io_closed", l_closed },
        { "io_buffered", l_buffered },
        { "io_at_end", l_at_end },
        { NULL, NULL },
    };
    static const luaL_Reg meta[] = { { "__gc", l_gc }, { "__tostring", l_tostring }, { NULL, NULL } };
    hs_lua_functions(L, rt, functions);
    lua_newtable(L);
    hs_lua_functions(L, rt, meta);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "io_meta");
    rt->ref_box = luaL_ref(L, LUA_REGISTRYINDEX);
}
