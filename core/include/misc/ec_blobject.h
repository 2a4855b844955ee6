/* ec_blobject.h - ec_blobject: a pointer of any kind with a class and a reference count.
 * Owns self in that its class's dtor is called with it when the last reference goes. Any thread may add and drop
 * references; the dtor runs in the thread that drops the last one. */
#ifndef MISC_EC_BLOBJECT_H
#define MISC_EC_BLOBJECT_H

#include "misc/ec_atomic.h"
#include "misc/ec_string.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifndef HTTPSRV_API
#define HTTPSRV_API __attribute__((visibility("default")))
#endif

typedef struct _ec_blobject_class {
    const char *objectType;                      /* the name of the class; it must stay valid */
    void (*dtor)(void *self);                    /* called at the last release; NULL: nothing to do */
    void (*printer)(void *self, string *output); /* appends a description; NULL: there is none */
} ec_blobject_class;

typedef struct _ec_blobject {
    ec_blobject_class *cls;
    ec_atomic_t ref; /* changed by addref and delref only */
    void *self;
} ec_blobject;

/* Wraps object, with one reference, the caller's. cls must outlive the object.
 * NULL with errno ENOMEM, or EINVAL when cls is NULL; object then stays the caller's and dtor is not called. */
HTTPSRV_API ec_blobject *ec_blobject_wrap(ec_blobject_class *cls, void *object);
/* Adds a reference. NULL is ignored. */
HTTPSRV_API void ec_blobject_addref(ec_blobject *obj);
/* Drops a reference; at the last one dtor is called and the ec_blobject freed. NULL is ignored. */
HTTPSRV_API void ec_blobject_delref(ec_blobject *obj);
/* The same through a void pointer, to be handed where a void (*)(void *) is wanted. */
HTTPSRV_API void ec_blobject_delref_typeunsafe(void *blobject);
/* Ours: appends a description to output: what the class's printer says, else "objectType(address)".
 * 0; EINVAL for a NULL; errors of stringwrite2. Errors inside a printer are the printer's. */
HTTPSRV_API int ec_blobject_print(ec_blobject *obj, string *output);

#ifdef __cplusplus
}
#endif

#endif
