/* shows: io_wrapper_addref, io_wrapper_destroy, io_wrapper_async_destroy, io_wrapper_get_app_context, io_wrapper_set_app_context_and_dtor
 * Who holds an io, and what goes with it. */
#include <io_wrapper.h>
#include <stdio.h>

static void
gone(io_object *io)
{
    printf("with it goes %s\n", (const char *)io_wrapper_get_app_context(io));
}

int
main(void)
{
    static char ours[] = "our context";
    io_object *io = io_wrapper_open_memory("x", 1, MEMTYPE_DONTCARE);

    io_wrapper_set_app_context_and_dtor(io, ours, gone);
    io_wrapper_addref(io);
    io_wrapper_delref(io);
    io_wrapper_destroy(io); /* the older name of io_wrapper_delref */
    //> with it goes our context

    io = io_wrapper_open("/dev/null", O_WRONLY, 0);
    io_wrapper_async_destroy(io); /* closed by a thread, should that take its time */
    return 0;
}
