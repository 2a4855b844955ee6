/* dict.h - what the core itself does with an ECDict, beyond the public misc/ec_dict.h: bytes without a NUL. */
#ifndef HS_BASE_DICT_H
#define HS_BASE_DICT_H

#include "base/view.h"
#include "misc/ec_dict.h"

/* As dict_add_key_value. EINVAL when either holds a NUL, which the readers of the dictionary would take for the end. */
int hs_dict_set(ECDict a, struct hs_view key, struct hs_view val);

#endif
