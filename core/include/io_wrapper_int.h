/* io_wrapper_int.h - the documented fields of an io_object, for authors of wrappers.
 * An io_object is only ever made by the io_wrapper_* constructors: what they allocate is larger than this struct.
 * A wrapper may use the union io for its own; everything else is read through the io_wrapper_get_* functions and
 * changed through the io_wrapper_set_* functions, or left alone. */
#ifndef IO_WRAPPER_INT_H
#define IO_WRAPPER_INT_H

#include "io_wrapper.h"
#include "misc/ec_atomic.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Memory shared by an io on memory and its clones. */
struct _io_mem {
    char *buf;
    size_t len;
    int memtype; /* MEMTYPE_* */
    ec_atomic_t ref;
};

struct _io_object {
    const io_wrapper *methods;
    ec_atomic_t ref;
    char *scheme; /* set by io_wrapper_set_scheme; NULL: that of the methods */
    char *path;
    int mode;
    int options;
    union {
        int fd;
        void *handle;
        struct {
            struct _io_mem *memory;
            off_t pos;
            int fd_for_sendfile; /* always -1 */
        } mem;
    } io;
    void (*on_destroy)(io_object *io);
    void *app_closure; /* the application's; wrappers keep away from it */
    string *readbuf;   /* a wrapper's, not used by the core */
    int readbufpos;
    ECDict context;
};

#ifdef __cplusplus
}
#endif

#endif
