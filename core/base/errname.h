/* errname.h - errno values by their names ("ENOENT"). */
#ifndef HS_BASE_ERRNAME_H
#define HS_BASE_ERRNAME_H

/* The name of an errno value, "E?" for an unknown one and for 0. Static string; any thread. Where two names share
 * a value it is EAGAIN, EDEADLK and EOPNOTSUPP. errno(3). */
const char *hs_errname(int err);

#endif
