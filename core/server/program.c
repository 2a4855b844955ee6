/* program.c - how this process was started.
 * The name is kept as it was given, made absolute: a link that points to another version tomorrow is followed tomorrow. */
#include "server/program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    char *path, *directory;
    char **argv;
} program;

/* The first of the directories of PATH that has the name as a file to be executed; malloc'ed. NULL: none. */
static char *
search(const char *name)
{
    const char *path = getenv("PATH");

    for (const char *p = path != NULL ? path : "/usr/local/bin:/usr/bin:/bin"; *p != '\0';) {
        size_t n = strcspn(p, ":");
        char *file = NULL;
        if (n != 0 && p[0] == '/' && asprintf(&file, "%.*s/%s", (int)n, p, name) > 0) {
            if (access(file, X_OK) == 0) {
                return file;
            }
            free(file);
        }
        p += n + (p[n] == ':');
    }
    return NULL;
}

static char *
make_absolute(const char *name, const char *directory)
{
    char *file = NULL;

    if (name[0] == '/') {
        return strdup(name);
    }
    if (strchr(name, '/') == NULL) {
        return search(name);
    }
    return directory != NULL && asprintf(&file, "%s/%s", directory, name) > 0 ? file : NULL;
}

void
hs_program_note(int argc, char **argv)
{
    if (program.argv != NULL || argc < 1) {
        return;
    }
    program.argv = calloc((size_t)argc + 1, sizeof *program.argv);
    for (int i = 0; i < argc && program.argv != NULL; i++) {
        program.argv[i] = strdup(argv[i]);
        if (program.argv[i] == NULL) {
            program.argv = NULL; /* what was copied is given up: there is no memory, and no process for long */
        }
    }
    program.directory = getcwd(NULL, 0);
    program.path = make_absolute(argv[0], program.directory);
}

const char *
hs_program_path(void)
{
    return program.path != NULL ? program.path : "";
}

int
hs_program_execute(void)
{
    if (program.path == NULL || program.argv == NULL) {
        return program.argv == NULL ? ENOMEM : ENOENT;
    }
    if (program.directory != NULL) {
        (void)!chdir(program.directory); /* which may be another one of that name by now */
    }
    (void)execv(program.path, program.argv);
    return errno;
}
