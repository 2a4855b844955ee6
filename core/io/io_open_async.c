/* io_open_async.c - opening on a loop: in the IO pool, or at once where the kernel has all it needs in memory. */
