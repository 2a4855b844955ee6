/* pack_int.h - what the two halves of packing share: the letters.
 *   z nil   t true   f false   n httpsrv.null   d number   s string   R what has been met, by number
 *   M module, or its field, by name   S session   I io, by its place   A io that is on loan, by its place
 *   T table: key value … then E, or W and the metatable
 *   L function: bytecode, for each upvalue V and its value or J and whose it shares, then E, or W and the environment */
#ifndef HS_BINDINGS_PACK_INT_H
#define HS_BINDINGS_PACK_INT_H

#include <stddef.h>

#define HS_PACK_MAX ((size_t)256 * 1024 * 1024)

#endif
