/* source.h - an io_object that a test plays: it gives bytes when told to, says EAGAIN meanwhile, and ends or fails when told to. */
#ifndef TESTS_SUPPORT_SOURCE_H
#define TESTS_SUPPORT_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "io/loop.h"
#include "io_wrapper.h"

struct source {
    /* set by the test */
    const char *data;  /* NULL: the byte at offset i is source_byte(i), without end */
    size_t allowed;    /* bytes that may be read so far */
    size_t step;       /* at most this many in one read; 0: no limit */
    bool ended;        /* behind the allowed bytes: the end, */
    int err;           /* or this error; else EAGAIN */
    off_t size;        /* what get_size says; 0: it has none */
    int read_err;      /* non-zero: the next read fails with it, once */
    void (*on_read)(struct source *s); /* called at each read */
    /* what happened */
    size_t pos;        /* bytes given */
    unsigned reads;
    bool closed;
    /* its own */
    io_wrapper_wait_func wait_fn;
    void *wait_arg;
    io_object *io;
    struct hs_loop *loop;
    struct hs_deferred wake;
};

/* What is at an offset of a source without data of its own. */
char source_byte(size_t at);
/* Zeroes s and makes an io of it, the caller's to delref; s must outlive it. data NULL: see above. */
io_object *source_open(struct source *s, struct hs_loop *loop, const char *data);
/* n more bytes; the waiter is called from the loop. */
void source_allow(struct source *s, size_t n);
/* No more bytes than allowed: err 0 is the end. */
void source_end(struct source *s, int err);

#endif
