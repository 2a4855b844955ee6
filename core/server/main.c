/* main.c - the command httpsrv. Knows only that there are commands. */
#include "server/command.h"

int
main(int argc, char **argv)
{
    return hs_command_main(argc, argv);
}
