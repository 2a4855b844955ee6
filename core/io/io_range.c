/* io_range.c - an io_object over a part of another.
 * Owns its source: claimed, referenced, and let go when it is closed. */
