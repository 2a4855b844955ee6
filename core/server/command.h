/* command.h - the command httpsrv: its subcommands, their options and help. Uses stdout, stderr and the process's signals; main thread. */
#ifndef HS_SERVER_COMMAND_H
#define HS_SERVER_COMMAND_H

#include <stdio.h>

#include "server/settings.h"

enum { HS_EXIT_OK = 0, HS_EXIT_FAILED = 1, HS_EXIT_USAGE = 2 };

/* Which options a command takes. */
enum hs_command_options { HS_OPTIONS_NONE, HS_OPTIONS_LOADING, HS_OPTIONS_ALL };

struct hs_command {
    const char *name;
    const char *synopsis; /* after "httpsrv NAME" */
    const char *summary;  /* one line */
    const char *text;     /* more lines for its own help; NULL: none */
    enum hs_command_options options;
    int (*run)(const struct hs_command *self, int argc, char **argv); /* argv[0] is the first word after the name; an exit status */
};

/* Runs the command: argv as main gets it. Returns the exit status. */
int hs_command_main(int argc, char **argv);

/* The i-th command, NULL past the last. */
const struct hs_command *hs_command_at(size_t i);
/* Whether a command takes a setting as an option. */
bool hs_command_takes(const struct hs_command *c, const struct hs_setting *s);
/* Writes the help of one command, or with NULL of all. */
void hs_command_help(const struct hs_command *c, FILE *to);
/* Writes "httpsrv: message" to stderr. */
void hs_command_complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* What a command line holds beside settings. */
struct hs_command_line {
    char **operands; /* points into argv, which is reordered */
    int n;
    bool help;
};
/* Takes the options of a command out of argv and sets them, as from HS_SOURCE_COMMAND. "--name value", "--name=value", "--flag", "--no-flag"; "--"
 * ends options. 0; HS_EXIT_USAGE: complained about, HS_EXIT_FAILED: out of memory. */
int hs_command_parse(const struct hs_command *self, int argc, char **argv, struct hs_settings *settings, struct hs_command_line *line);

/* The one operand that names a directory or file; NULL: complained about. */
const char *hs_command_path(const struct hs_command *self, const struct hs_command_line *line);

/* Reads the configuration anew, loads the scripts of path as the command check does, and logs the problems of both; for a process that can be thrown
 * away. What the configuration says is written to fd (hs_settings_write). An exit status. */
int hs_command_trial(const struct hs_settings *settings, const char *path, int fd);

/* The commands. */
int hs_command_serve(const struct hs_command *self, int argc, char **argv);
/* As above. */
int hs_command_check(const struct hs_command *self, int argc, char **argv);
/* As above. */
int hs_command_routes(const struct hs_command *self, int argc, char **argv);
/* As above. */
int hs_command_lua(const struct hs_command *self, int argc, char **argv);
/* As above. */
int hs_command_ctl(const struct hs_command *self, int argc, char **argv);

#endif
