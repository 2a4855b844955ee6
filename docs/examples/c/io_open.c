/* shows: io_wrapper_open, io_wrapper_write, io_wrapper_writev, io_wrapper_printf, io_wrapper_vprintf, io_wrapper_flush, io_wrapper_get_size,
 *   io_wrapper_read, io_wrapper_lseek, io_wrapper_supports_lseek, io_wrapper_delref
 * Writes a file and reads it. */
#include <errno.h>
#include <io_wrapper.h>
#include <stdio.h>

static void __attribute__((format(printf, 2, 3)))
say(io_object *io, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    io_wrapper_vprintf(io, format, ap);
    va_end(ap);
}

int
main(void)
{
    char buf[64], a[] = "b", b[] = "c\n";
    io_object *io = io_wrapper_open("letters.txt", O_RDWR | O_CREAT | O_TRUNC, 0644);

    if (io == NULL) {
        return errno;
    }
    io_wrapper_write(io, "a", 1);
    io_wrapper_writev(io, (struct iovec[]){ { a, 1 }, { b, 2 } }, 2);
    io_wrapper_printf(io, "%d\n", 42);
    say(io, "%s\n", "end");
    io_wrapper_flush(io);
    printf("%d bytes\n", (int)io_wrapper_get_size(io)); //> 11 bytes

    printf("%d\n", io_wrapper_supports_lseek(io)); //> 1
    io_wrapper_lseek(io, 4, SEEK_SET);
    ssize_t n = io_wrapper_read(io, buf, sizeof buf);
    printf("%.*s", (int)n, buf);
    //> 42
    //> end
    printf("%d\n", (int)io_wrapper_read(io, buf, sizeof buf)); //> 0
    io_wrapper_delref(io); /* the last reference closes it */
    return 0;
}
