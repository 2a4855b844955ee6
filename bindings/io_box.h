/* io_box.h - the userdata by which scripts hold an io_object.
 * Made empty, with its metatable, before the io is acquired. Owns one reference on the io and what was read ahead of the script;
 * emptied by close(), by __gc, and with its session: at the request's end when the io was the request's own body or had been given to
 * the response, at an abort whenever it was made for that request. */
#ifndef HS_BINDINGS_IO_BOX_H
#define HS_BINDINGS_IO_BOX_H

#include "base/buf.h"
#include "bindings/internal.h"
#include "bindings/req.h"

struct hs_io_box {
    io_object *io; /* NULL: closed */
    struct hs_lua_runtime *rt;
    struct hs_req *req; /* whose boxes it is among; NULL: none */
    LIST_ENTRY(hs_io_box) link;
    struct hs_task *reader;  /* waits to read through this box */
    struct hs_task *writer;
    io_object *armed; /* the io has one waiter: this box, for both */
    struct hs_buf ahead;     /* read from the io, not by the script */
    size_t taken;            /* bytes of ahead that the script has */
    bool with_session;       /* closed at the end of the request */
    bool is_body;            /* the request's content */
    bool lent;               /* io is NULL: another thread has it */
};

/* Pushes a new empty box, which belongs to the running task's session if there is one. Throws out of memory. */
struct hs_io_box *hs_io_box_new(lua_State *L, struct hs_lua_runtime *rt);
/* The box at idx, else NULL. */
struct hs_io_box *hs_io_box_test(lua_State *L, struct hs_lua_runtime *rt, int idx);
/* The box at idx; raises for another value. n 0: it is self. */
struct hs_io_box *hs_io_box_check(lua_State *L, struct hs_lua_runtime *rt, int idx, int n, const char *fname);
/* Empties it; a task that waits through it is woken with EBADF. */
void hs_io_box_close(struct hs_io_box *box);
/* The io, for something that takes it over, with what was read ahead given back: by seeking, or in front of it. A reference for the caller.
 * NULL with errno. */
io_object *hs_io_box_source(struct hs_io_box *box);
/* Takes the io out, with what was read ahead given back, for another thread. The caller's reference. NULL with errno, and the box is as before. */
io_object *hs_io_box_lend(struct hs_io_box *box);
/* Gives it back, with the reference; a box that has been closed meanwhile drops it. */
void hs_io_box_take_back(struct hs_io_box *box, io_object *io);
/* Lets the running task wait until the io is worth reading or writing (what) again, as the functions of wait.h. One task may wait to read and
 * another to write. */
int hs_io_box_wait(lua_State *L, struct hs_io_box *box, int what);

#endif
