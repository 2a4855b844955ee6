/* cmd_ctl.c - httpsrv ctl: has a running server carry out a command, and shows what it answers. */
#include <errno.h>
#include <string.h>

#include "server/cmd_top.h"
#include "server/command.h"
#include "server/control_client.h"

static void
show_server(void *arg, const char *path)
{
    (void)arg;
    hs_command_complain("  --control %s", path);
}

/* The server that is meant when none is named. 0 or an exit status. */
static int
find_server(const struct hs_command *self, char *path)
{
    char dir[HS_CONTROL_PATH_MAX] = "";

    int err = hs_control_find(path, NULL, NULL);
    (void)hs_control_dir(dir);
    switch (err) {
    case 0:
        return 0;
    case ENOENT:
        hs_command_complain("%s: no server of yours listens in %s; name its socket: --control PATH", self->name, dir);
        return HS_EXIT_FAILED;
    case EEXIST:
        hs_command_complain("%s: several servers listen; which one?", self->name);
        (void)hs_control_find(path, show_server, NULL);
        return HS_EXIT_USAGE;
    case EPERM:
        hs_command_complain("%s: %s is not yours alone; name a socket: --control PATH", self->name, dir);
        return HS_EXIT_FAILED;
    default:
        hs_command_complain("%s: %s: %s", self->name, dir, strerror(err));
        return HS_EXIT_FAILED;
    }
}

static int
complain(const struct hs_command *self, const char *path, int err)
{
    switch (err) {
    case EPERM:
        hs_command_complain("%s: the server at %s is another user's", self->name, path);
        break;
    case EPROTO:
        hs_command_complain("%s: what listens at %s is no httpsrv", self->name, path);
        break;
    case E2BIG:
        hs_command_complain("%s: the command is too long", self->name);
        break;
    case ECONNRESET:
        hs_command_complain("%s: the server at %s went away before the command had ended", self->name, path);
        break;
    default:
        hs_command_complain("%s: %s: %s", self->name, path, strerror(err));
        break;
    }
    return HS_EXIT_FAILED;
}

int
hs_command_ctl(const struct hs_command *self, int argc, char **argv)
{
    char found[HS_CONTROL_PATH_MAX];
    const char *path = NULL;
    int status = 0;
    int i = 0;

    /* Options come first: what follows the command's name is its own. */
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        if (strncmp(argv[i], "--control=", 10) == 0) {
            path = argv[i] + 10;
        } else if (strcmp(argv[i], "--control") == 0 && i + 1 < argc) {
            path = argv[++i];
        } else if (strcmp(argv[i], "--control") == 0) {
            hs_command_complain("%s: --control needs a value: PATH", self->name);
            return HS_EXIT_USAGE;
        } else if (strcmp(argv[i], "--worker") == 0) {
            break; /* the server's to look at */
        } else {
            hs_command_complain("%s: unknown option %s; there are --control PATH and, after it, --worker N", self->name, argv[i]);
            return HS_EXIT_USAGE;
        }
    }
    if (i == argc) {
        hs_command_complain("%s: which command? Usage: httpsrv %s %s ('httpsrv ctl help' lists them)", self->name, self->name, self->synopsis);
        return HS_EXIT_USAGE;
    }
    if (path == NULL) {
        status = find_server(self, found);
        path = found;
    }
    if (status != 0) {
        return status;
    }
    int err = strcmp(argv[i], "top") == 0 ? hs_command_top(path, argc - i, argv + i, &status)
                                           : hs_control_command(path, argc - i, argv + i, stdout, stderr, &status);
    return err != 0 ? complain(self, path, err) : status;
}
