/* ec_string.h - string: a growable run of bytes, always NUL-terminated behind its length.
 * Owns its memory unless it is of a static type. Holds less than 2 GiB (len is an int, as documented). One string,
 * one thread at a time. */
#ifndef MISC_EC_STRING_H
#define MISC_EC_STRING_H

#include <stdarg.h>
#include <stddef.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef HTTPSRV_API
#define HTTPSRV_API __attribute__((visibility("default")))
#endif

struct _io_object;

/* These four keep their bytes in memory from malloc(3). */
#define STRING_TYPE_MALLOC 1 /* MEMTYPE_IS_MALLOC_3C */
#define STRING_TYPE_ECSTRING 2
#define STRING_TYPE_MESSAGE_BODY 3
#define STRING_TYPE_SIEVE 4
/* The caller's memory, which cannot grow: fill in buffer, allocd (its size) and type, len 0. */
#define STRING_TYPE_STATIC -100
/* These need an io_object behind the string; string_init_type refuses them. */
#define STRING_TYPE_DISK_BACKED -101
#define STRING_TYPE_IO_OBJECT -102
#define STRING_TYPE_GROWBUF -103
/* The caller's memory until it is full, then STRING_TYPE_ECSTRING. Filled in like STRING_TYPE_STATIC. */
#define STRING_TYPE_GROWABLE_STATIC -104

typedef struct _ec_string {
    int len;      /* bytes, without the NUL */
    int allocd;   /* bytes that buffer has room for, with the NUL */
    char *buffer; /* NULL only before string_init_type and after string_destroy */
    int type;     /* STRING_TYPE_* */
    struct _io_object *backing;
} string;

/* Makes an empty string with room for size bytes, the NUL included (at least 1). type: one of the four that use malloc.
 * 1; 0 with errno EINVAL (another type, size 0 or above INT_MAX) or ENOMEM. Any thread. */
HTTPSRV_API int string_init_type(string *str, size_t size, int type);
/* Frees what string_init_type and growing took, and empties the struct; a static buffer stays the caller's. NULL is ignored.
 * Always 0. Any thread. */
HTTPSRV_API int string_destroy(string *str);
/* Appends iolen bytes. iolen; -1 with errno ENOMEM, ENOSPC (a static string is full), EMSGSIZE (past 2 GiB), EINVAL (not
 * initialised); on error nothing is changed. The bytes may lie in the string itself. Any thread. */
HTTPSRV_API ssize_t stringwrite2(string *str, const char *iobuf, size_t iolen);
/* Appends as printf(3). str; NULL with errno as stringwrite2, or EINVAL for a bad format; on error nothing is changed.
 * No argument may point into the string. Any thread. */
HTTPSRV_API string *stringprintf(string *str, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same with a va_list (ours). */
HTTPSRV_API string *stringvprintf(string *str, const char *format, va_list ap) __attribute__((format(printf, 2, 0)));

/* Ours: a string on the heap, empty, of STRING_TYPE_MALLOC; NULL with errno ENOMEM. Any thread. */
HTTPSRV_API string *ec_string_new(void);
/* Ours: string_destroy and frees the struct that ec_string_new made. NULL is ignored. Any thread. */
HTTPSRV_API void ec_string_free(string *str);
/* Ours: replaces the content of an initialised string by len bytes at buf, memory from malloc(3) that belongs to the string from then on; buf[len] must
 * be NUL. 0; EMSGSIZE above INT_MAX - 1, and then buf stays the caller's. Any thread. */
HTTPSRV_API int ec_string_give(string *str, char *buf, size_t len);

#ifdef __cplusplus
}
#endif

#endif
