/* io_growbuf.c - io_objects over a growing buffer: chunks of memory up to a threshold, an unnamed temporary file past it.
 * The content is shared by clones, which have a position each, and goes with the last of them. */
