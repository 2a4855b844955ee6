/* shows: ec_growbuf_io_open, ec_growbuf_io_cur_chunk, ec_growbuf_io_next_chunk
 * Collects bytes and looks at them where they lie. */
#include <ec_growbuf.h>
#include <stdio.h>

int
main(void)
{
    char *p;
    io_object *io = ec_growbuf_io_open(8); /* a first chunk of seven bytes and a NUL */

    io_wrapper_printf(io, "0123456789");
    io_wrapper_lseek(io, 0, SEEK_SET);
    int n = ec_growbuf_io_cur_chunk(io, &p);
    printf("%d: %s\n", n, p); //> 7: 0123456
    n = ec_growbuf_io_next_chunk(io, &p);
    printf("%d: %s\n", n, p); //> 3: 789
    printf("%d\n", ec_growbuf_io_next_chunk(io, &p)); //> 0
    io_wrapper_delref(io);
    return 0;
}
