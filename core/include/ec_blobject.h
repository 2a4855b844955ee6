/* ec_blobject.h - the documented place of ec_blobject. */
#include "misc/ec_blobject.h"
