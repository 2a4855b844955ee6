/* io_popen.c - a child process with io_objects as its standard input and output.
 * The two ios and the handle own the child together; with the last of them it is killed if it still runs, and always reaped. */
