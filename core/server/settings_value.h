/* settings_value.h - values of settings from text and as text, by their type. Any thread. */
#ifndef HS_SERVER_SETTINGS_VALUE_H
#define HS_SERVER_SETTINGS_VALUE_H

#include "server/settings.h"

/* The number that a text means for a setting that is kept as one. False: it is none, or out of range. */
bool hs_setting_parse_number(const struct hs_setting *which, const char *text, int64_t *out);
/* The other way, as snprintf(3). */
int hs_setting_format_number(const struct hs_setting *which, int64_t v, char *dst, size_t size);
/* What a value must be: "must be a whole number from 1 to 100". */
void hs_setting_describe(const struct hs_setting *which, char *why, size_t size);

#endif
