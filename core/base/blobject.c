/* blobject.c - a counted pointer with a class.
 * The count is the only thing shared between threads: the drop that reaches zero sees everything that the other
 * holders did before they let go, and runs the destructor. */
#include "misc/ec_blobject.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

ec_blobject *
ec_blobject_wrap(ec_blobject_class *cls, void *object)
{
    if (cls == NULL) {
        errno = EINVAL;
        return NULL;
    }
    ec_blobject *obj = malloc(sizeof *obj);
    if (obj == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    *obj = (ec_blobject){ .cls = cls, .ref = 1, .self = object };
    return obj;
}

void
ec_blobject_addref(ec_blobject *obj)
{
    if (obj != NULL) {
        int before = __atomic_fetch_add(&obj->ref, 1, __ATOMIC_RELAXED);
        assert(before > 0);
        (void)before;
    }
}

void
ec_blobject_delref(ec_blobject *obj)
{
    if (obj == NULL) {
        return;
    }
    int before = __atomic_fetch_sub(&obj->ref, 1, __ATOMIC_ACQ_REL);
    assert(before > 0);
    if (before != 1) {
        return;
    }
    if (obj->cls->dtor != NULL) {
        obj->cls->dtor(obj->self);
    }
    free(obj);
}

void
ec_blobject_delref_typeunsafe(void *blobject)
{
    ec_blobject_delref(blobject);
}

int
ec_blobject_print(ec_blobject *obj, string *output)
{
    if (obj == NULL || output == NULL) {
        return EINVAL;
    }
    if (obj->cls->printer != NULL) {
        obj->cls->printer(obj->self, output);
        return 0;
    }
    const char *type = obj->cls->objectType != NULL ? obj->cls->objectType : "?";
    return stringprintf(output, "%s(%p)", type, obj->self) != NULL ? 0 : errno;
}
