/* cmd_top.h - httpsrv ctl top: what a running server does, each second anew. Uses stdout, stderr and SIGINT; main thread. */
#ifndef HS_SERVER_CMD_TOP_H
#define HS_SERVER_CMD_TOP_H

/* argv[0] is "top"; then nothing, "--once", or "--count" and a number. Asks the server with a control socket at path. 0 with the exit status; errors as
 * hs_control_command; EPROTO also when its answer is no status. */
int hs_command_top(const char *path, int argc, char *const *argv, int *status);

#endif
