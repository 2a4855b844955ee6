/* module.c - C modules: opened with dlopen(3) and never closed, since handlers, closures and threads of theirs may live past any generation.
 * Their symbols are their own (RTLD_LOCAL); what they call is found in the command, or in the library that the program is linked with. */
#include "server/module.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "httpsrv/module.h"

int
hs_module_load(const char *file, unsigned long generation, bool check, char *why, size_t size)
{
    char here[4096];
    int n = snprintf(here, sizeof here, "%s%s", strchr(file, '/') != NULL ? "" : "./", file);

    if (n < 0 || (size_t)n >= sizeof here) {
        (void)snprintf(why, size, "%.64s…: %s", file, strerror(ENAMETOOLONG));
        return ENAMETOOLONG;
    }
    void *handle = dlopen(here, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (handle == NULL) {
        const char *text = dlerror();
        (void)snprintf(why, size, "module %s: %s", file, text != NULL ? text : "cannot be opened");
        return ELIBACC;
    }
    httpsrv_module_init_func *init = NULL;
    *(void **)(void *)&init = dlsym(handle, "httpsrv_module_init");
    if (init == NULL) {
        (void)snprintf(why, size, "module %s: has no httpsrv_module_init", file);
        (void)dlclose(handle);
        return ENOEXEC;
    }
    const struct httpsrv_module module = {
        .size = sizeof module,
        .abi = HTTPSRV_ABI,
        .version = httpsrv_version(),
        .file = file,
        .generation = generation,
        .check = check,
    };
    int err = init(&module);
    (void)dlclose(handle); /* the count of those who asked for it; it stays */
    if (err == ENOTSUP) {
        (void)snprintf(why, size, "module %s: was built for another version, not for %s", file, httpsrv_version());
    } else if (err != 0) {
        (void)snprintf(why, size, "module %s: httpsrv_module_init gave %d (%s)", file, err, strerror(err));
    }
    return err;
}
