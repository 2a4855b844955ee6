/* config_file.h - reads settings from a Lua file that returns a table.
 * The file runs in a Lua state of its own, with the standard libraries only: it computes values, it has no server. One thread at a time. */
#ifndef HS_SERVER_CONFIG_FILE_H
#define HS_SERVER_CONFIG_FILE_H

#include "server/scripts.h"
#include "server/settings.h"

/* Seconds that a configuration file may run for. */
enum { HS_CONFIG_SECONDS = 10 };

/* Told for each problem: "config.lua:3: unknown setting 'kep_alive' (did you mean keep_alive?)". Borrowed for the call. */
typedef void hs_config_problem_func(void *arg, const char *message);

/* Runs the file and sets what it returns, as from HS_SOURCE_FILE; what is right is set even where other values are wrong. Values are strings
 * as on the command line, numbers, booleans, and lists of strings for settings that may be repeated.
 * 0; ENOENT: there is no such file (problem is not told); EINVAL: problems were told (unreadable, syntax, an error, bytecode, longer
 * than load_seconds, not a table, unknown names, bad values); ENOMEM (told too). */
int hs_config_file_read(struct hs_settings *s, const char *path, int load_seconds, hs_config_problem_func *problem, void *arg);

/* Reads the configuration of what is served: the file that s->config names, or config.lua in the directory of place, where there is one; then checks what
 * holds between settings (hs_settings_check). 0; EDOM: what does not go together is on the command line; ENOENT, EINVAL, ENOMEM as above. All problems
 * are told. */
int hs_config_read(struct hs_settings *s, const struct hs_scripts_place *place, hs_config_problem_func *problem, void *arg);

#endif
