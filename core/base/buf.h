/* buf.h - a growable run of bytes with a limit given when it is made.
 * Owns its memory. Refuses to grow past its limit (EMSGSIZE), so that nothing a peer sends
 * can make it grow without bound. Not thread safe: one buffer, one thread at a time.
 * What p points to moves when the buffer grows; keep offsets, not pointers, across an append. */
#ifndef HS_BASE_BUF_H
#define HS_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include "base/view.h"

struct hs_buf {
    char *p;    /* NULL until something was reserved */
    size_t len; /* bytes in use */
    size_t cap; /* bytes that fit; one more is allocated for the NUL of hs_buf_take */
    size_t max; /* never holds more than this */
};

/* Makes an empty buffer that may hold up to max bytes; allocates nothing. */
void hs_buf_init(struct hs_buf *b, size_t max);
/* Frees the memory and leaves an empty buffer of the same limit, ready for use again. */
void hs_buf_fini(struct hs_buf *b);
/* Empties, keeps the memory. */
static inline void
hs_buf_clear(struct hs_buf *b)
{
    b->len = 0;
}
/* Makes room for n more bytes: after it, n bytes may be stored at p + len and len be raised by them.
 * 0; EMSGSIZE past the limit; ENOMEM. On error nothing is changed. */
int hs_buf_reserve(struct hs_buf *b, size_t n);
/* Appends n bytes, which must not lie in the buffer itself. 0, EMSGSIZE, ENOMEM; on error nothing is changed. */
static inline int
hs_buf_append(struct hs_buf *b, const void *data, size_t n)
{
    if (n > b->cap - b->len) {
        int err = hs_buf_reserve(b, n);
        if (err != 0) {
            return err;
        }
    }
    if (n != 0) {
        memcpy(b->p + b->len, data, n);
        b->len += n;
    }
    return 0;
}
/* Appends the bytes of a view; as hs_buf_append. */
static inline int
hs_buf_append_view(struct hs_buf *b, struct hs_view v)
{
    return hs_buf_append(b, v.p, v.n);
}
/* Appends one byte; as hs_buf_append. */
static inline int
hs_buf_append_char(struct hs_buf *b, char c)
{
    return hs_buf_append(b, &c, 1);
}
/* Formatted append, as printf(3). 0, EMSGSIZE, ENOMEM, EINVAL for a bad format; on error nothing is changed.
 * No argument may point into the buffer itself. */
int hs_buf_printf(struct hs_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int hs_buf_vprintf(struct hs_buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/* Drops the first n bytes (n <= len, asserted); the rest moves to the front, so the cost is what is left. */
void hs_buf_consume(struct hs_buf *b, size_t n);
/* Takes the memory out: NUL-terminated, from malloc, freed by the caller; *len (may be NULL) is the length without the NUL.
 * The buffer is empty after. NULL with errno ENOMEM, which only an empty buffer can give; then nothing is changed. */
char *hs_buf_take(struct hs_buf *b, size_t *len);
/* What is in the buffer; valid until the next change. */
static inline struct hs_view
hs_buf_peek(const struct hs_buf *b)
{
    return (struct hs_view){ b->p, b->len };
}

#endif
