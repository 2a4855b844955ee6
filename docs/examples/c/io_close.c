/* shows: io_wrapper_close, io_wrapper_async_close
 * The deprecated calls: they close whatever the count, and free nothing. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#include <errno.h>
#include <io_wrapper.h>
#include <stdio.h>

int
main(void)
{
    char c;
    io_object *io = io_wrapper_open("/dev/zero", O_RDONLY, 0);

    printf("%d\n", io_wrapper_close(io)); //> 0
    if (io_wrapper_read(io, &c, 1) < 0 && errno == EBADF) {
        printf("closed\n"); //> closed
    }
    io_wrapper_delref(io);

    io = io_wrapper_open("/dev/zero", O_RDONLY, 0);
    io_wrapper_async_close(io); /* in the IO pool */
    io_wrapper_delref(io);
    return 0;
}
