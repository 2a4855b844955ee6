/* shows: io_wrapper_open_memory, io_wrapper_copy_memory, io_wrapper_clone, io_wrapper_is_memory_based, io_wrapper_copy_to_buffer,
 *   io_wrapper_open_tmpspool
 * Ios on memory, and one on a temporary file. */
#include <io_wrapper.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int
main(void)
{
    char buf[32] = "", *p;
    size_t n;
    io_object *io = io_wrapper_open_memory(strdup("our bytes"), 9, MEMTYPE_IS_MALLOC_3C); /* given away */

    io_wrapper_read(io, buf, 4);
    io_object *other = io_wrapper_clone(io); /* begins at the start */
    printf("%d ", io_wrapper_copy_to_buffer(io, buf, sizeof buf, 100));
    printf("%.5s\n", buf); //> 5 bytes
    printf("%d ", io_wrapper_copy_to_buffer(other, buf, sizeof buf, 3));
    printf("%.3s\n", buf); //> 3 our
    io_wrapper_delref(other);
    io_wrapper_delref(io);

    memcpy(buf, "copied", 7);
    io = io_wrapper_copy_memory(buf, 6, MEMTYPE_IS_MALLOC_3C); /* buf is free again */
    memset(buf, 0, sizeof buf);
    if (io_wrapper_is_memory_based(io, &p, &n) != 0) {
        printf("%.*s\n", (int)n, p); //> copied
    }
    io_wrapper_delref(io);

    io = io_wrapper_open_tmpspool();
    printf("%d\n", io_wrapper_is_memory_based(io, NULL, NULL)); //> 0
    io_wrapper_delref(io);
    return 0;
}
