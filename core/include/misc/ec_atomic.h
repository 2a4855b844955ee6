/* ec_atomic.h - the type of the reference counts in public structs.
 * A plain int, so that headers also compile as C++; only the functions that own a count change it, with atomic
 * operations. */
#ifndef MISC_EC_ATOMIC_H
#define MISC_EC_ATOMIC_H

typedef int ec_atomic_t;

#endif
