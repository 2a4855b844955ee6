/* man.c - writes httpsrv(1) and httpsrv.conf(5) from the tables of commands and settings: man 1|5 >FILE
 * mdoc(7). What a command or a setting does is said in its table only; what is said here is what the tables cannot know. */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "server/command.h"
#include "server/settings.h"

enum { COLUMNS = 76 };

/* A word of running text: nothing in it is taken for a request or an escape. */
static void
word(const char *p, size_t n)
{
    if (*p == '.' || *p == '\'') {
        fputs("\\&", stdout);
    }
    for (; n != 0; n--, p++) {
        if (*p == '\\') {
            fputs("\\e", stdout);
        } else if (*p == '-') {
            fputs("\\-", stdout);
        } else {
            putchar(*p);
        }
    }
}

/* Running text, in lines of its own; after a sentence a new one, as mdoc wants it. */
static void
text(const char *s)
{
    size_t column = 0;
    bool ended = false;

    for (s += strspn(s, " \n"); *s != '\0'; s += strspn(s, " \n")) {
        size_t n = strcspn(s, " \n");
        if (column != 0) {
            bool breaks = column + n > COLUMNS || (ended && isupper((unsigned char)*s));
            putchar(breaks ? '\n' : ' ');
            column = breaks ? 0 : column + 1;
        }
        word(s, n);
        column += n;
        ended = s[n - 1] == '.';
        s += n;
    }
}

/* A text of a table as a sentence on a line of its own. */
static void
sentence(const char *s)
{
    char line[512];

    int n = snprintf(line, sizeof line, "%c%s", toupper((unsigned char)*s), s + 1);
    text(line);
    puts(n > 0 && line[strlen(line) - 1] == '.' ? "" : ".");
}

/* The words of a macro line, quoted so that none is taken for a macro: .Fl, .Nm and their like know two and three letters. */
static void
words(const char *macro, const char *s)
{
    printf(".%s ", macro);
    for (const char *p = s; *p != '\0'; p += strspn(p, " ")) {
        size_t n = strcspn(p, " ");
        printf("%s\\&", p == s ? "" : " ");
        for (size_t i = 0; i < n; i++) {
            fputs(p[i] == '-' ? "\\-" : (char[]){ p[i], '\0' }, stdout);
        }
        p += n;
    }
    putchar('\n');
}

/* The head of a page. It bears no date of its own, since builds are to be repeatable. */
static void
opening(const char *title, const char *section, const char *name, const char *what)
{
    printf(".\\\" Made from the tables of the sources by docs/man/man.c.\n.Dd $Mdocdate$\n.Dt %s %s\n.Os\n"
           ".Sh NAME\n.Nm %s\n.Nd %s\n",
           title, section, name, what);
}

/* What a value may be, in the words of the errors; "" where everything may. */
static void
range_of(const struct hs_setting *s, char *why, size_t size)
{
    struct hs_settings scratch;

    why[0] = '\0';
    if (hs_settings_init(&scratch) == 0) {
        if (hs_setting_set(&scratch, s, "\x01", HS_SOURCE_COMMAND, why, size) == 0) {
            why[0] = '\0';
        }
        hs_settings_fini(&scratch);
    }
}

static void
setting_text(const struct hs_setting *s)
{
    char why[256];

    sentence(s->help);
    range_of(s, why, sizeof why);
    if (why[0] != '\0') {
        char line[sizeof why + 4];
        (void)snprintf(line, sizeof line, "It %s", why);
        sentence(line);
    }
    if (s->def != NULL) {
        fputs("The default is ", stdout);
        text(s->def);
        puts(".");
    }
    if ((s->flags & HS_SETTING_COMMAND_ONLY) != 0) {
        puts("It cannot stand in a configuration file.");
    }
    if (!hs_setting_is_live(s)) {
        puts("It changes with a restart only.");
    }
}

static void
options_of(const struct hs_command *c)
{
    if (c->options == HS_OPTIONS_NONE) {
        return;
    }
    puts(".Pp\nOf the options below it takes");
    bool all = true;
    for (size_t i = 0; hs_setting_at(i) != NULL; i++) {
        all = all && hs_command_takes(c, hs_setting_at(i));
    }
    if (all) {
        puts("all.");
        return;
    }
    for (size_t i = 0; hs_setting_at(i) != NULL; i++) {
        if (hs_command_takes(c, hs_setting_at(i))) {
            printf(".Fl \\-%s ,\n", hs_setting_at(i)->name);
        }
    }
    puts(".Fl \\-help .");
}

static void
commands(void)
{
    puts(".Sh SYNOPSIS");
    for (size_t i = 0; hs_command_at(i) != NULL; i++) {
        const struct hs_command *c = hs_command_at(i);
        printf(".Nm\n");
        words("Cm", c->name);
        if (c->synopsis[0] != '\0') {
            words("Ar", c->synopsis);
        }
    }
    puts(".Sh DESCRIPTION\n.Nm\nis an HTTP server whose handlers are written in Lua.\nThe commands are:\n.Bl -tag -width Ds");
    for (size_t i = 0; hs_command_at(i) != NULL; i++) {
        const struct hs_command *c = hs_command_at(i);
        printf(".It Xo\n");
        words("Cm", c->name);
        if (c->synopsis[0] != '\0') {
            words("Ar", c->synopsis);
        }
        puts(".Xc");
        sentence(c->summary);
        if (c->text != NULL) {
            puts(".Pp");
            text(c->text);
            putchar('\n');
        }
        options_of(c);
    }
    puts(".El");
}

static void
page_1(void)
{
    opening("HTTPSRV", "1", "httpsrv", "Lua-scriptable HTTP server");
    commands();
    puts(".Sh OPTIONS\nAn option is written\n.Fl \\-name Ar value\nor\n.Fl \\-name\\&= Ns Ar value ;\n"
         "one that takes no value is switched off by\n.Fl \\-no\\-name .\n"
         "BYTES may end in K, M or G, SECONDS in ms, s, m or h.\nThe same settings can stand in a file, see\n.Xr httpsrv.conf 5 .\n"
         ".Bl -tag -width Ds");
    for (size_t i = 0; hs_setting_at(i) != NULL; i++) {
        const struct hs_setting *s = hs_setting_at(i);
        printf(".It Fl \\-%s", s->name);
        if (s->value != NULL) {
            printf(" Ar %s", s->value);
        }
        putchar('\n');
        setting_text(s);
    }
    puts(".It Fl \\-help\nShow the help of a command.\n.El\n"
         ".Sh EXIT STATUS\n.Bl -tag -width Ds\n.It 0\nAll went well; of\n.Cm check :\nthere are no problems.\n"
         ".It 1\nIt failed, and said why.\n.It 2\nThe command line was wrong.\n.El\n"
         ".Sh EXAMPLES\nServe the scripts in a directory at port 8080 of the loopback address:\n"
         ".Pp\n.Dl $ httpsrv serve site\n.Pp\nThe same at a unix socket, with larger uploads:\n"
         ".Pp\n.Dl $ httpsrv serve site \\-\\-listen unix:/run/site.sock \\-\\-max\\-body 64M\n"
         ".Sh SEE ALSO\n.Xr httpsrv.conf 5");
}

static void
page_5(void)
{
    opening("HTTPSRV.CONF", "5", "httpsrv.conf", "settings of httpsrv");
    puts(".Sh DESCRIPTION\nThe settings of\n.Xr httpsrv 1\nare read from\n.Pa config.lua\nin the directory that is served, or from the file that\n"
         ".Fl \\-config\nnames.\nThe file is written in Lua and returns a table;\nnames are those of the options, with _ for \\-.\n"
         "A number of bytes or seconds is a number,\nor a string with one of the suffixes of the command line.\n"
         "A list of addresses is a string or a table of strings.\n"
         "An option of the command line goes before the file,\nand the file before the default.\n"
         "An unknown name and a value that cannot be are errors.\n"
         ".Pp\nThe file is read again at each reload.\nSettings change then, but for those that say otherwise,\n"
         "and none does when the file has errors.\n"
         ".Sh SETTINGS\n.Bl -tag -width Ds");
    for (size_t i = 0; hs_setting_at(i) != NULL; i++) {
        const struct hs_setting *s = hs_setting_at(i);
        if ((s->flags & HS_SETTING_COMMAND_ONLY) != 0) {
            continue;
        }
        fputs(".It Va ", stdout);
        for (const char *p = s->name; *p != '\0'; p++) {
            putchar(*p == '-' ? '_' : *p);
        }
        putchar('\n');
        setting_text(s);
    }
    puts(".El\n.Sh FILES\n.Bl -tag -width Ds\n.It Pa DIR/config.lua\nread when the scripts of DIR are served and\n.Fl \\-config\n"
         "names no other file.\n.El\n"
         ".Sh EXAMPLES\n.Bd -literal -offset indent\nreturn {\n  listen = { \"127.0.0.1:8080\", \"unix:/run/site.sock\" },\n"
         "  max_body = \"64M\",\n  keep_alive = 15,\n  dev = true,\n}\n.Ed\n"
         ".Sh SEE ALSO\n.Xr httpsrv 1");
}

int
main(int argc, char **argv)
{
    const char *page = argc == 2 ? argv[1] : "";

    if (strcmp(page, "1") == 0) {
        page_1();
    } else if (strcmp(page, "5") == 0) {
        page_5();
    } else {
        fputs("usage: man 1|5\n", stderr);
        return 2;
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
