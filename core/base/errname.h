/* errname.h - errno values by their names ("ENOENT"). */
#ifndef HS_BASE_ERRNAME_H
#define HS_BASE_ERRNAME_H

/* The name of an errno value, "E?" for an unknown one. Static string. */
const char *hs_errname(int err);

#endif
