/* module.h - handlers in C that `httpsrv serve --module x.so` loads.
 * A module is a shared object that defines httpsrv_module_init. It calls the functions of these headers, which the command has; it need not be linked with
 * the library:
 *
 *     static int hello(ec_httpsrv_session *sess) { ... }
 *
 *     int httpsrv_module_init(const struct httpsrv_module *module)
 *     {
 *         int err = httpsrv_module_check(module);
 *         return err != 0 ? err : ec_httpsrv_register(NULL, "GET", "/hello", ECTP_CLASS_SHORT_LIVED, NULL, hello);
 *     }
 *
 * It is loaded once and stays until the process ends, whatever becomes of its handlers: a new build of it takes a new process. */
#ifndef HTTPSRV_MODULE_H
#define HTTPSRV_MODULE_H

#include <errno.h>
#include <stddef.h>

#include "httpsrv/server.h"
#include "modules/listeners/httpsrv.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a module is told by whoever loads it. Members are only ever added at the end. */
struct httpsrv_module {
    size_t size;              /* sizeof(struct httpsrv_module) there */
    int abi;                  /* HTTPSRV_ABI there */
    const char *version;      /* httpsrv_version() there */
    const char *file;         /* what it was asked to load; valid during the call */
    unsigned long generation; /* the number of the set of handlers that is being built, from 1 */
    int check;                /* not 0: it is built only to be looked at (httpsrv check, httpsrv routes), nothing will be served */
};

/* Whether a module that was compiled with these headers can work there: 0, or ENOTSUP. */
static inline int
httpsrv_module_check(const struct httpsrv_module *module)
{
    return module->abi == HTTPSRV_ABI && module->size >= sizeof(struct httpsrv_module) ? 0 : ENOTSUP;
}

/* The module's own, called for each set of handlers that is built, at the start and at each reload, before the scripts are loaded: ec_httpsrv_register
 * works in it. It returns 0, or an errno value with which that load fails. Thread of the loop. */
typedef int httpsrv_module_init_func(const struct httpsrv_module *module);
HTTPSRV_API httpsrv_module_init_func httpsrv_module_init;

#ifdef __cplusplus
}
#endif

#endif
