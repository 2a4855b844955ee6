/* server_control.h - a server's control socket: where it is, and which commands there are. Thread of the server only. */
#ifndef HS_SERVER_SERVER_CONTROL_H
#define HS_SERVER_SERVER_CONTROL_H

struct httpsrv_server;

/* Opens the socket that the setting "control" names; without it that of hs_server_use_default_control, or none. 0; an errno value, with
 * httpsrv_server_error saying what is wrong. */
int server_control_open(struct httpsrv_server *s);
/* Closes it. Commands that are being carried out are cancelled. */
void server_control_close(struct httpsrv_server *s);

#endif
