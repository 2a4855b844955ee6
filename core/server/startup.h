/* startup.h - what a server process does between its settings and its scripts: takes or opens its sockets, writes the file of its pid, becomes the user that it
 * is to run as. The same for a master and for a server alone in its process. One thread. */
#ifndef HS_SERVER_STARTUP_H
#define HS_SERVER_STARTUP_H

#include "server/identity.h"
#include "server/inherited.h"
#include "server/listen_socket.h"
#include "server/pid_file.h"
#include "server/settings.h"

struct hs_startup {
    struct hs_listen_socket *sockets;
    size_t nsockets;
    struct hs_pid_file pid_file;
    struct hs_identity identity;
    struct hs_inherited inherited;
    int predecessor; /* the channel to the master that this process is to replace; -1: there is none */
};

/* lanes: for each TCP address that is opened here. With a predecessor its sockets are taken instead, and it keeps the file of the pid until
 * hs_startup_take_over. 0; an errno value, which has been complained about; hs_startup_end is due in both cases. */
int hs_startup_begin(struct hs_startup *su, const struct hs_settings *settings, size_t lanes);
/* The predecessor has given way: the file of the pid is ours, and so are sockets that the settings do not name any more, to be closed. */
void hs_startup_take_over(struct hs_startup *su, const struct hs_settings *settings);
/* Closes and frees. ours: the files are removed too, for this is the process that began it, and it has no successor. */
void hs_startup_end(struct hs_startup *su, bool ours);
/* Closes the sockets; files of unix sockets are removed where ours says so. */
void hs_startup_close_sockets(struct hs_startup *su, bool ours);

#endif
