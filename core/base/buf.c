/* buf.c - a growable run of bytes.
 * Doubles while it grows, never past its limit. One byte more than cap is always allocated, so that
 * printf and take have room for their NUL even when the buffer is full to its limit. */
#include "base/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_CAP 63

void
hs_buf_init(struct hs_buf *b, size_t max)
{
    *b = (struct hs_buf){ .max = max };
}

void
hs_buf_fini(struct hs_buf *b)
{
    free(b->p);
    hs_buf_init(b, b->max);
}

/* The capacity to take for need bytes: at least double, at most the limit. need <= max. */
static size_t
next_cap(const struct hs_buf *b, size_t need)
{
    size_t cap = b->cap == 0 ? FIRST_CAP : b->cap;
    if (b->cap != 0) {
        cap = cap > SIZE_MAX / 2 - 1 ? SIZE_MAX : cap * 2 + 1;
    }
    if (cap < need) {
        cap = need;
    }
    return cap > b->max ? b->max : cap;
}

int
hs_buf_reserve(struct hs_buf *b, size_t n)
{
    if (n <= b->cap - b->len && b->p != NULL) {
        return 0;
    }
    if (n > b->max - b->len) {
        return EMSGSIZE;
    }
    size_t cap = next_cap(b, b->len + n);
    if (cap >= PTRDIFF_MAX) {
        return ENOMEM;
    }
    char *p = realloc(b->p, cap + 1);
    if (p == NULL) {
        return ENOMEM;
    }
    b->p = p;
    b->cap = cap;
    return 0;
}

int
hs_buf_vprintf(struct hs_buf *b, const char *fmt, va_list ap)
{
    int err = hs_buf_reserve(b, 0);
    if (err != 0) {
        return err;
    }
    va_list again;
    va_copy(again, ap);
    size_t room = b->cap - b->len;
    int n = vsnprintf(b->p + b->len, room + 1, fmt, ap);
    if (n < 0) {
        err = EINVAL;
    } else if ((size_t)n > room) {
        err = hs_buf_reserve(b, (size_t)n);
        if (err == 0) {
            n = vsnprintf(b->p + b->len, (size_t)n + 1, fmt, again);
            err = n < 0 ? EINVAL : 0;
        }
    }
    va_end(again);
    if (err == 0) {
        b->len += (size_t)n;
    }
    return err;
}

int
hs_buf_printf(struct hs_buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int err = hs_buf_vprintf(b, fmt, ap);
    va_end(ap);
    return err;
}

void
hs_buf_consume(struct hs_buf *b, size_t n)
{
    assert(n <= b->len);
    b->len -= n;
    if (n != 0 && b->len != 0) {
        memmove(b->p, b->p + n, b->len);
    }
}

char *
hs_buf_take(struct hs_buf *b, size_t *len)
{
    if (hs_buf_reserve(b, 0) != 0) {
        errno = ENOMEM;
        return NULL;
    }
    char *p = b->p;
    p[b->len] = '\0';
    if (len != NULL) {
        *len = b->len;
    }
    hs_buf_init(b, b->max);
    return p;
}
