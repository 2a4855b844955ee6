/* view.h - a borrowed run of bytes: pointer and length, never owned, never NUL-terminated.
 * p may be NULL when n is 0. Whoever hands a view out says how long it lives. Any thread. */
#ifndef HS_BASE_VIEW_H
#define HS_BASE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct hs_view {
    const char *p;
    size_t n; /* bytes */
};

/* The view of a string literal, as an expression. */
#define HS_VIEW(literal) ((struct hs_view){ (literal), sizeof(literal) - 1 })
/* The same as an initialiser, for static tables. */
#define HS_VIEW_INIT(literal) { (literal), sizeof(literal) - 1 }

/* A view of a NUL-terminated string, without its NUL; NULL gives the empty view. */
static inline struct hs_view
hs_view_of(const char *s)
{
    return (struct hs_view){ s, s ? strlen(s) : 0 };
}

/* True when both hold the same bytes; case counts. */
static inline bool
hs_view_eq(struct hs_view a, struct hs_view b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

#endif
