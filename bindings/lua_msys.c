/* lua_msys.c - what the modules of the manual's Lua need of C: which ios are written to in its way, whose session a
 * task works for, how old the process is. */
#include <time.h>

#include "bindings/arg.h"
#include "bindings/internal.h"
#include "bindings/io_box.h"
#include "bindings/lua_session.h"
#include "bindings/req.h"
#include "io_wrapper.h"

/* The application's context of an io that msys.core.io_wrapper_open has made: it travels with the io, also to pool threads. */
static char manual_io;

/* When the process began, as far as we can tell. */
static struct timespec begun;

static void __attribute__((constructor))
note_begin(void)
{
    (void)clock_gettime(CLOCK_MONOTONIC, &begun);
}

/* process_age() -> seconds */
static int
l_process_age(lua_State *L)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    lua_pushnumber(L, (lua_Number)(now.tv_sec - begun.tv_sec) + (lua_Number)(now.tv_nsec - begun.tv_nsec) / 1e9);
    return 1;
}

/* io_mark_manual(io): its write takes (buf[, len]) from now on */
static int
l_io_mark_manual(lua_State *L)
{
    struct hs_io_box *box = hs_io_box_check(L, hs_lua_rt(L), 1, 1, "io_wrapper_open");

    if (box->io != NULL) {
        io_wrapper_set_app_context_and_dtor(box->io, &manual_io, NULL);
    }
    return 0;
}

/* io_is_manual(value) */
static int
l_io_is_manual(lua_State *L)
{
    const struct hs_io_box *box = hs_io_box_test(L, hs_lua_rt(L), 1);

    lua_pushboolean(L, box != NULL && box->io != NULL && io_wrapper_get_app_context(box->io) == &manual_io);
    return 1;
}

/* task_session() -> serial of the session that the running task works for; nil: none that lives */
static int
l_task_session(lua_State *L)
{
    const struct hs_task *t = hs_lua_rt(L)->current;
    ec_httpsrv_session *sess = t == NULL ? NULL : t->req != NULL ? t->req->sess : t->sess;

    if (sess == NULL) {
        lua_pushnil(L);
    } else {
        lua_pushnumber(L, (lua_Number)hs_session_serial(sess));
    }
    return 1;
}

void
hs_lua_open_msys(lua_State *L, struct hs_lua_runtime *rt)
{
    static const luaL_Reg functions[] = {
        { "io_mark_manual", l_io_mark_manual },
        { "io_is_manual", l_io_is_manual },
        { "task_session", l_task_session },
        { "process_age", l_process_age },
        { NULL, NULL },
    };

    hs_lua_functions(L, rt, functions);
}
