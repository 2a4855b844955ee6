/* errname.c - errno values by their names, as the C library knows them. */
#include "base/errname.h"

#include <string.h>

const char *
hs_errname(int err)
{
    const char *name = err > 0 ? strerrorname_np(err) : NULL;
    return name != NULL ? name : "E?";
}
