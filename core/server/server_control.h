/* server_control.h - a server's control socket and its admin listener: where they are, and who answers there. Thread of the server only. */
#ifndef HS_SERVER_SERVER_CONTROL_H
#define HS_SERVER_SERVER_CONTROL_H

#include <stdbool.h>

#include "server/control.h"
#include "server/oversight.h"

struct httpsrv_server;

/* Opens a control socket. path: of the setting "control"; "none": there shall be none, *out is NULL; NULL: one in the user's directory when use_default,
 * which does without if that cannot be had. run, arg: as hs_control_new. 0; an errno value, with why (size bytes) for people. */
int hs_server_control_listen(struct hs_loop *loop, const char *path, bool use_default, hs_control_func *run, void *arg, struct hs_control **out,
                             char *why, size_t size);

/* A server that is everything in one process; its arg is a struct httpsrv_server (server_oversight.c). */
extern const struct hs_oversight_ops server_oversight_ops;

/* Opens the socket that the setting "control" names; without it that of hs_server_use_default_control, or none. Likewise the admin listener. 0; an errno
 * value, with httpsrv_server_error saying what is wrong. */
int server_control_open(struct httpsrv_server *s);
/* Closes both. Commands that are being carried out are cancelled. */
void server_control_close(struct httpsrv_server *s);

#endif
