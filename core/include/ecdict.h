/* ecdict.h - the documented place of ECDict. */
#include "misc/ec_dict.h"
