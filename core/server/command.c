/* command.c - the command httpsrv: finds the subcommand, reads its options, writes help.
 * Everything that it says of settings comes from their table. */
#include "server/command.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "httpsrv/server.h"
#include "server/program.h"

static int command_version(const struct hs_command *self, int argc, char **argv);
static int command_help(const struct hs_command *self, int argc, char **argv);

static const struct hs_command commands[] = {
    { "serve", "DIR|FILE [OPTION]...", "serve the handlers that the scripts register",
      "DIR/*.lua are loaded in the order of their names. DIR and DIR/lib are searched by require.\n"
      "DIR/config.lua, when it is there, returns a table of settings: the options below, with _ for -,\n"
      "as in { listen = \"8080\", max_body = \"32M\" }. The command line goes before it.\n"
      "TERM and INT drain and stop; a second one stops at once. HUP loads the scripts anew; when that\n"
      "fails, everything stays as it is. USR2 starts the program anew on the same sockets; when it\n"
      "serves, this one finishes what it has begun and ends.\n",
      HS_OPTIONS_ALL, hs_command_serve },
    { "check", "DIR|FILE [OPTION]...", "load everything, list problems; the exit status says whether there are any", NULL, HS_OPTIONS_LOADING,
      hs_command_check },
    { "routes", "DIR|FILE [OPTION]...", "list what is registered, in the order in which it is matched", NULL, HS_OPTIONS_LOADING,
      hs_command_routes },
    { "lua", "FILE|- [ARG]...", "run a script on the event loop",
      "As lua(1): options -e CODE, -l NAME and -v come before FILE, which may be left out after them;\n"
      "- reads the script from stdin. The arguments are in the global table arg.\n",
      HS_OPTIONS_NONE, hs_command_lua },
    { "ctl", "[--control PATH] [--worker N] COMMAND [ARG]...", "have a running server carry out a command",
      "'httpsrv ctl help' lists the commands that a server knows, those of its scripts among them:\n"
      "status says what it is and does, sessions where requests wait (each with --json for programs),\n"
      "top shows what happens, each second anew (--once, --count N), reload and stop do what they say.\n"
      "Without --control the server of this user is asked that listens in $XDG_RUNTIME_DIR/httpsrv,\n"
      "or else in /tmp/httpsrv-UID; when there are several, one must be named.\n"
      "The exit status is the command's.\n",
      HS_OPTIONS_NONE, hs_command_ctl },
    { "version", "", "say which version this is", NULL, HS_OPTIONS_NONE, command_version },
    { "help", "[COMMAND]", "explain a command", NULL, HS_OPTIONS_NONE, command_help },
};

enum { N_COMMANDS = sizeof commands / sizeof *commands };

const struct hs_command *
hs_command_at(size_t i)
{
    return i < N_COMMANDS ? &commands[i] : NULL;
}

void
hs_command_complain(const char *fmt, ...)
{
    va_list ap;

    fflush(stdout);
    fputs("httpsrv: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

static const struct hs_command *
find_command(const char *name)
{
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static int
unknown_command(const char *name)
{
    const char *names[N_COMMANDS];

    for (size_t i = 0; i < N_COMMANDS; i++) {
        names[i] = commands[i].name;
    }
    const char *like = hs_nearest(name, names, N_COMMANDS);
    if (like != NULL) {
        hs_command_complain("unknown command '%s' (did you mean %s?)", name, like);
    } else {
        hs_command_complain("unknown command '%s' (httpsrv help lists them)", name);
    }
    return HS_EXIT_USAGE;
}

/* --- help --- */

bool
hs_command_takes(const struct hs_command *c, const struct hs_setting *s)
{
    return c->options == HS_OPTIONS_ALL ||
           (c->options == HS_OPTIONS_LOADING &&
            (s->type == HS_SETTING_FILE || s->type == HS_SETTING_FILES || s->type == HS_SETTING_LOG_LEVEL));
}

static void
help_options(const struct hs_command *c, FILE *to)
{
    char left[64];

    fputs("\nOptions\n", to);
    for (size_t i = 0; hs_setting_at(i) != NULL; i++) {
        const struct hs_setting *s = hs_setting_at(i);
        if (!hs_command_takes(c, s)) {
            continue;
        }
        (void)snprintf(left, sizeof left, "--%s%s%s", s->name, s->value != NULL ? " " : "", s->value != NULL ? s->value : "");
        bool has_default = s->def != NULL && s->type != HS_SETTING_FLAG;
        fprintf(to, " %c%-29s %s%s%s%s\n", c->options == HS_OPTIONS_ALL && !hs_setting_is_live(s) ? '*' : ' ', left, s->help, has_default ? " (" : "",
                has_default ? s->def : "", has_default ? ")" : "");
    }
    fprintf(to, "  %-29s %s\n", "--help", "show this");
    if (c->options == HS_OPTIONS_ALL) {
        fputs("\nBYTES may end in K, M or G, SECONDS in ms, s, m or h. In parentheses: the default.\n"
              "A reload reads the settings again; those with a * change with a restart only.\n", to);
    }
}

void
hs_command_help(const struct hs_command *c, FILE *to)
{
    if (c != NULL) {
        fprintf(to, "Usage: httpsrv %s%s%s\n\n%c%s.\n", c->name, c->synopsis[0] != '\0' ? " " : "", c->synopsis,
                c->summary[0] - 'a' + 'A', c->summary + 1);
        if (c->text != NULL) {
            fprintf(to, "\n%s", c->text);
        }
        if (c->options != HS_OPTIONS_NONE) {
            help_options(c, to);
        }
        return;
    }
    fputs("Usage: httpsrv COMMAND [ARGUMENT]...\n\nAn HTTP server whose handlers are written in Lua.\n\nCommands\n", to);
    for (size_t i = 0; i < N_COMMANDS; i++) {
        char left[64];
        (void)snprintf(left, sizeof left, "%s %s", commands[i].name, commands[i].synopsis);
        fprintf(to, "  %-29s %s\n", left, commands[i].summary);
    }
    fputs("\nhttpsrv help COMMAND says more, also of the settings.\n", to);
}

/* Whether everything that was printed has gone out. */
static int
printed(void)
{
    if (fflush(stdout) != 0) {
        hs_command_complain("cannot write: %s", strerror(errno));
        return HS_EXIT_FAILED;
    }
    return HS_EXIT_OK;
}

static int
command_help(const struct hs_command *self, int argc, char **argv)
{
    const struct hs_command *c = argc != 0 ? find_command(argv[0]) : NULL;

    if (argc > 1) {
        hs_command_complain("%s: takes one command", self->name);
        return HS_EXIT_USAGE;
    }
    if (argc == 1 && c == NULL) {
        return unknown_command(argv[0]);
    }
    hs_command_help(c, stdout);
    return printed();
}

static int
command_version(const struct hs_command *self, int argc, char **argv)
{
    if (argc != 0) {
        hs_command_complain("%s: unknown argument '%s'", self->name, argv[0]);
        return HS_EXIT_USAGE;
    }
    printf("httpsrv %s\n", httpsrv_version());
    return printed();
}

/* --- options --- */

static int
unknown_option(const struct hs_command *self, const char *name, int n)
{
    const char *names[HS_SETTINGS_MAX + 1] = { "help" };
    char word[64];

    for (size_t i = 0; hs_setting_at(i) != NULL; i++) {
        names[i + 1] = hs_command_takes(self, hs_setting_at(i)) ? hs_setting_at(i)->name : NULL;
    }
    (void)snprintf(word, sizeof word, "%.*s", n, name);
    const char *like = hs_nearest(word, names, HS_SETTINGS_MAX + 1);
    if (like != NULL) {
        hs_command_complain("%s: unknown option --%.*s (did you mean --%s?)", self->name, n, name, like);
    } else {
        hs_command_complain("%s: unknown option --%.*s (httpsrv help %s lists them)", self->name, n, name, self->name);
    }
    return HS_EXIT_USAGE;
}

/* The setting that an option of n bytes names; *off: it was --no-NAME of a flag. */
static const struct hs_setting *
find_option(const struct hs_command *self, const char *name, size_t n, bool *off)
{
    char word[64];

    *off = false;
    if (n == 0 || n >= sizeof word) {
        return NULL;
    }
    memcpy(word, name, n);
    word[n] = '\0';
    const struct hs_setting *s = hs_setting_find(word);
    if (s == NULL && strncmp(word, "no-", 3) == 0) {
        s = hs_setting_find(word + 3);
        *off = true;
        s = s != NULL && s->type == HS_SETTING_FLAG ? s : NULL;
    }
    return s != NULL && hs_command_takes(self, s) ? s : NULL;
}

/* One option at argv[*i], which moves to its value when that is the next word. */
static int
parse_option(const struct hs_command *self, int argc, char **argv, int *i, struct hs_settings *settings)
{
    const char *name = argv[*i] + 2;
    const char *value = strchr(name, '=');
    int n = value != NULL ? (int)(value - name) : (int)strlen(name);
    char why[512];
    bool off;

    const struct hs_setting *s = find_option(self, name, (size_t)n, &off);
    if (s == NULL) {
        return unknown_option(self, name, n);
    }
    if (value != NULL && !off) {
        value++;
    } else if (s->type == HS_SETTING_FLAG) {
        if (value != NULL) {
            hs_command_complain("%s: --%.*s takes no value", self->name, n, name);
            return HS_EXIT_USAGE;
        }
        value = off ? "false" : "true";
    } else if (*i + 1 < argc) {
        value = argv[++*i];
    } else {
        hs_command_complain("%s: --%s needs a value: %s", self->name, s->name, s->value);
        return HS_EXIT_USAGE;
    }
    int err = hs_setting_set(settings, s, value, HS_SOURCE_COMMAND, why, sizeof why);
    if (err != 0) {
        hs_command_complain("%s: --%s: %s, not '%s'", self->name, s->name, why, value);
    }
    return err == 0 ? 0 : err == ENOMEM ? HS_EXIT_FAILED : HS_EXIT_USAGE;
}

int
hs_command_parse(const struct hs_command *self, int argc, char **argv, struct hs_settings *settings, struct hs_command_line *line)
{
    bool options = true;

    *line = (struct hs_command_line){ .operands = argv };
    for (int i = 0; i < argc; i++) {
        if (!options || argv[i][0] != '-' || argv[i][1] == '\0') {
            argv[line->n++] = argv[i];
        } else if (strcmp(argv[i], "--") == 0) {
            options = false;
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            line->help = true;
        } else if (argv[i][1] != '-') {
            hs_command_complain("%s: unknown option %s (httpsrv help %s lists them)", self->name, argv[i], self->name);
            return HS_EXIT_USAGE;
        } else {
            int status = parse_option(self, argc, argv, &i, settings);
            if (status != 0) {
                return status;
            }
        }
    }
    return 0;
}

const char *
hs_command_path(const struct hs_command *self, const struct hs_command_line *line)
{
    if (line->n == 1) {
        return line->operands[0];
    }
    if (line->n == 0) {
        hs_command_complain("%s: which directory or file? Usage: httpsrv %s %s", self->name, self->name, self->synopsis);
    } else {
        hs_command_complain("%s: takes one directory or file, not %d; '%s' is one too many", self->name, line->n, line->operands[1]);
    }
    return NULL;
}

int
hs_command_main(int argc, char **argv)
{
    hs_program_note(argc, argv);
    if (argc < 2) {
        hs_command_help(NULL, stderr);
        return HS_EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        name = "help";
    } else if (strcmp(name, "--version") == 0 || strcmp(name, "-v") == 0) {
        name = "version";
    } else if (name[0] == '-') {
        hs_command_complain("options come after the command; '%s' is none (httpsrv help lists them)", name);
        return HS_EXIT_USAGE;
    }
    const struct hs_command *c = find_command(name);
    if (c == NULL) {
        return unknown_command(name);
    }
    if (c->options == HS_OPTIONS_NONE && argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0)) {
        hs_command_help(c, stdout);
        return printed();
    }
    return c->run(c, argc - 2, argv + 2);
}
