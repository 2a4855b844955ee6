/* ec_string.c - the documented string: bytes in one block, a NUL always behind them.
 * Owns the block for the types that use malloc. Refuses to grow past what its int fields can say. */
#include "misc/ec_string.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ALLOC 64

static bool
is_malloced(int type)
{
    return type >= STRING_TYPE_MALLOC && type <= STRING_TYPE_SIEVE;
}

int
string_init_type(string *str, size_t size, int type)
{
    if (str == NULL || size == 0 || size > INT_MAX || !is_malloced(type)) {
        errno = EINVAL;
        return 0;
    }
    char *p = malloc(size);
    if (p == NULL) {
        errno = ENOMEM;
        return 0;
    }
    p[0] = '\0';
    *str = (string){ .buffer = p, .allocd = (int)size, .type = type };
    return 1;
}

int
string_destroy(string *str)
{
    if (str != NULL) {
        if (is_malloced(str->type)) {
            free(str->buffer);
        }
        *str = (string){ .type = STRING_TYPE_MALLOC };
    }
    return 0;
}

/* The block for need bytes, NUL included, moved to the heap if it has to be. need <= INT_MAX. */
static int
grow(string *str, size_t need)
{
    if (str->type == STRING_TYPE_STATIC) {
        return ENOSPC;
    }
    size_t size = str->allocd > INT_MAX / 2 ? INT_MAX : (size_t)str->allocd * 2;
    if (size < FIRST_ALLOC) {
        size = FIRST_ALLOC;
    }
    if (size < need) {
        size = need;
    }
    char *p = realloc(is_malloced(str->type) ? str->buffer : NULL, size);
    if (p == NULL) {
        return ENOMEM;
    }
    if (!is_malloced(str->type)) {
        memcpy(p, str->buffer, (size_t)str->len);
        p[str->len] = '\0';
        str->type = STRING_TYPE_ECSTRING;
    }
    str->buffer = p;
    str->allocd = (int)size;
    return 0;
}

/* Room for n more bytes and the NUL. 0, EINVAL, EMSGSIZE, ENOSPC, ENOMEM. */
static int
reserve(string *str, size_t n)
{
    if (str == NULL || str->buffer == NULL || str->len < 0 || str->allocd <= str->len) {
        return EINVAL;
    }
    if (!is_malloced(str->type) && str->type != STRING_TYPE_STATIC && str->type != STRING_TYPE_GROWABLE_STATIC) {
        return EINVAL;
    }
    if (n < (size_t)(str->allocd - str->len)) {
        return 0;
    }
    if (n >= (size_t)(INT_MAX - str->len)) {
        return EMSGSIZE;
    }
    return grow(str, (size_t)str->len + n + 1);
}

ssize_t
stringwrite2(string *str, const char *iobuf, size_t iolen)
{
    if (str == NULL || (iobuf == NULL && iolen != 0)) {
        errno = EINVAL;
        return -1;
    }
    uintptr_t from = (uintptr_t)iobuf - (uintptr_t)str->buffer; /* below len: the bytes are the string's own and move with it */
    bool own = str->buffer != NULL && iolen != 0 && str->len > 0 && from < (uintptr_t)str->len;
    int err = reserve(str, iolen);
    if (err != 0) {
        errno = err;
        return -1;
    }
    if (iolen != 0) {
        memmove(str->buffer + str->len, own ? str->buffer + from : iobuf, iolen);
    }
    str->len += (int)iolen;
    str->buffer[str->len] = '\0';
    return (ssize_t)iolen;
}

string *
stringvprintf(string *str, const char *format, va_list ap)
{
    int err = reserve(str, 0);
    if (err != 0) {
        errno = err;
        return NULL;
    }
    va_list again;
    va_copy(again, ap);
    size_t room = (size_t)(str->allocd - str->len);
    int n = vsnprintf(str->buffer + str->len, room, format, ap);
    if (n < 0) {
        err = EINVAL;
    } else if ((size_t)n >= room) {
        err = reserve(str, (size_t)n);
        if (err == 0 && vsnprintf(str->buffer + str->len, (size_t)n + 1, format, again) != n) {
            err = EINVAL;
        }
    }
    va_end(again);
    if (err != 0) {
        str->buffer[str->len] = '\0';
        errno = err;
        return NULL;
    }
    str->len += n;
    return str;
}

string *
stringprintf(string *str, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    string *result = stringvprintf(str, format, ap);
    va_end(ap);
    return result;
}

string *
ec_string_new(void)
{
    string *str = malloc(sizeof *str);
    if (str != NULL && !string_init_type(str, FIRST_ALLOC, STRING_TYPE_MALLOC)) {
        free(str);
        str = NULL;
    }
    if (str == NULL) {
        errno = ENOMEM;
    }
    return str;
}

void
ec_string_free(string *str)
{
    string_destroy(str);
    free(str);
}

int
ec_string_give(string *str, char *buf, size_t len)
{
    if (len > INT_MAX - 1) {
        return EMSGSIZE;
    }
    string_destroy(str);
    *str = (string){ .len = (int)len, .allocd = (int)len + 1, .buffer = buf, .type = STRING_TYPE_MALLOC };
    return 0;
}
