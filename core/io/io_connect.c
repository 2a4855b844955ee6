/* io_connect.c - io_objects over a stream socket that is being connected.
 * Addresses are numeric or paths, no name is looked up. Errors of connecting are those of the first read or write. */
