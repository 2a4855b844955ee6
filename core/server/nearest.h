/* nearest.h - the word that was probably meant, for "did you mean". Any thread. */
#ifndef HS_SERVER_NEAREST_H
#define HS_SERVER_NEAREST_H

#include <stddef.h>

/* The word among n (NULL entries are skipped) that is nearest to an unknown one, dashes and underscores being one; NULL when none is near. */
const char *hs_nearest(const char *word, const char *const *words, size_t n);

#endif
