/* io_concat.c - io_objects over several others, one after the other.
 * Owns its sources: claimed, referenced, and let go when it is closed. */
