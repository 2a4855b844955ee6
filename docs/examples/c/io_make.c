/* shows: io_wrapper_mkpath_and_open, io_wrapper_open2, io_wrapper_fdopen, io_wrapper_get_path, io_wrapper_set_path, io_wrapper_get_scheme,
 *   io_wrapper_set_scheme, io_wrapper_get_mode, io_wrapper_get_options, io_wrapper_get_context, io_wrapper_set_context
 * Other ways to make an io, and what can be asked of it. */
#include <io_wrapper.h>
#include <stdio.h>
#include <unistd.h>

int
main(void)
{
    const char *value = "";
    io_object *io = io_wrapper_mkpath_and_open("deep/down/file", O_WRONLY | O_CREAT, 0755, 0640);
    printf("%s %s %o %d\n", io_wrapper_get_path(io), io_wrapper_get_scheme(io), (unsigned)io_wrapper_get_mode(io),
           io_wrapper_get_options(io) == (O_WRONLY | O_CREAT)); //> deep/down/file file 640 1
    io_wrapper_delref(io);

    ECDict context = dict_blank();
    dict_add_key_value(context, "owner", "ann");
    io = io_wrapper_open2("deep/down/file", O_RDONLY, 0, context); /* the io has a reference of its own */
    dict_drop(context);
    dict_key_exists_and_fetch(io_wrapper_get_context(io), "owner", &value);
    printf("%s\n", value); //> ann
    io_wrapper_set_context(io, NULL);
    io_wrapper_delref(io);

    int fds[2];
    if (pipe(fds) != 0) {
        return 1;
    }
    close(fds[1]);
    io = io_wrapper_fdopen(fds[0]); /* owns the descriptor */
    io_wrapper_set_path(io, "our end"); /* names for messages */
    io_wrapper_set_scheme(io, "pipe");
    printf("%s, %s\n", io_wrapper_get_path(io), io_wrapper_get_scheme(io)); //> our end, pipe
    io_wrapper_delref(io);
    return 0;
}
