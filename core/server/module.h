/* module.h - C modules: shared objects that register handlers when a generation is built. Loop thread only. */
#ifndef HS_SERVER_MODULE_H
#define HS_SERVER_MODULE_H

#include <stdbool.h>
#include <stddef.h>

enum { HS_MODULE_WHY = 1024 };

/* Opens the shared object (once in the process, for good; a name without a slash is one of the working directory) and calls its
 * httpsrv_module_init for the generation that this thread is building. 0; ELIBACC: it cannot be opened; ENOEXEC: it is no module; ENOTSUP: it was built
 * for another version; what it gave else. why (size bytes) then says what was wrong, with the file's name. */
int hs_module_load(const char *file, unsigned long generation, bool check, char *why, size_t size);

#endif
