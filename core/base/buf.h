/* buf.h - a growable run of bytes with a limit given when it is made.
 * Owns its memory. Refuses to grow past its limit (EMSGSIZE), so that nothing a peer sends
 * can make it grow without bound. Not thread safe. */
#ifndef HS_BASE_BUF_H
#define HS_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>

#include "base/view.h"

struct hs_buf {
    char *p;
    size_t len; /* bytes in use */
    size_t cap; /* bytes allocated */
    size_t max; /* never grows past this */
};

/* Makes an empty buffer that may hold up to max bytes; allocates nothing. */
void hs_buf_init(struct hs_buf *b, size_t max);
/* Frees the memory and leaves an empty buffer of the same limit. */
void hs_buf_fini(struct hs_buf *b);
/* Empties, keeps the memory. */
static inline void
hs_buf_clear(struct hs_buf *b)
{
    b->len = 0;
}
/* Makes room for n more bytes. 0, EMSGSIZE past the limit, ENOMEM. */
int hs_buf_reserve(struct hs_buf *b, size_t n);
/* Appends n bytes. 0, EMSGSIZE, ENOMEM; on error nothing is changed. */
int hs_buf_append(struct hs_buf *b, const void *data, size_t n);
/* Formatted append, as printf(3). 0, EMSGSIZE, ENOMEM, EINVAL for a bad format. */
int hs_buf_printf(struct hs_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int hs_buf_vprintf(struct hs_buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/* Drops the first n bytes (n <= len). */
void hs_buf_consume(struct hs_buf *b, size_t n);
/* Takes the memory out (NUL-terminated, malloc'ed; the caller frees); the buffer is empty after. NULL on ENOMEM. */
char *hs_buf_take(struct hs_buf *b, size_t *len);

#endif
