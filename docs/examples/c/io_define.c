/* shows: io_wrapper_define, io_wrapper_lookup, io_wrapper_create_object, io_wrapper_get_handle, io_wrapper_set_handle
 * A scheme of one's own: stars://N reads as N stars. */
#include <errno.h>
#include <io_wrapper.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
stars_open(io_object *io, const char *name, int options, int mode)
{
    (void)options;
    (void)mode;
    io_wrapper_set_handle(io, (void *)strtoul(name, NULL, 10)); /* how many are left */
    return 0;
}

static ssize_t
stars_read(io_object *io, void *buf, size_t n)
{
    size_t left = (size_t)io_wrapper_get_handle(io);

    n = n < left ? n : left;
    memset(buf, '*', n);
    io_wrapper_set_handle(io, (void *)(left - n));
    return (ssize_t)n;
}

static const io_wrapper stars = { .sizeof_self = sizeof stars, .scheme = "stars", .open = stars_open, .read = stars_read };

int
main(void)
{
    char buf[16];

    io_wrapper_define(&stars);
    printf("%s\n", io_wrapper_lookup("stars")->scheme); //> stars
    printf("%d\n", io_wrapper_lookup("moons") == NULL); //> 1

    io_object *io = io_wrapper_open("stars://5", O_RDONLY, 0);
    printf("%.*s\n", (int)io_wrapper_read(io, buf, sizeof buf), buf); //> *****
    io_wrapper_delref(io);

    io = io_wrapper_create_object(&stars, (void *)2); /* without open */
    printf("%.*s\n", (int)io_wrapper_read(io, buf, sizeof buf), buf); //> **
    io_wrapper_delref(io);
    return 0;
}
