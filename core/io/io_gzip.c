/* io_gzip.c - an io_object that gives the bytes of another in gzip format (RFC 1952).
 * Owns its source: claimed, referenced, and let go when it is closed. */
