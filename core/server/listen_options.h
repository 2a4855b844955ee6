/* listen_options.h - what the setting "listen" says of one address: "8080,backlog=100", "unix:/run/app,mode=0660", "[::]:80,proxy,deny=fe80::/10".
 * Options follow the address, commas between them, so that no path of a socket can have one in it. Any thread. */
#ifndef HS_SERVER_LISTEN_OPTIONS_H
#define HS_SERVER_LISTEN_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cidr.h"
#include "misc/ec_sockaddr.h"

struct hs_listen_options {
    char address[EC_SOCKADDR_TEXT_MAX]; /* as ec_sockaddr_parse takes it, or "fd:NAME": a socket that was open when the process began */
    bool inherited;                     /* it is fd:NAME */
    bool is_unix;
    bool is_abstract;                   /* a unix socket without a file */
    int mode;                /* of the file of a unix socket; -1: as umask(2) has it */
    int backlog;             /* connections that may wait; -1: as the setting says */
    int defer;               /* seconds in which a client that sends nothing is not even handed over (TCP_DEFER_ACCEPT); 0: not at all */
    int probe;               /* seconds of silence after which a peer is asked whether it is there (TCP_KEEPIDLE); 0: never */
    int64_t max_connections; /* at a time, over all workers; 0: no limit */
    bool proxy;              /* connections begin with a PROXY header */
    struct hs_cidr_list allow, deny; /* who may connect */
};

/* Takes a text apart. 0; EINVAL with why (at most size bytes); ENOMEM, why says so. On error there is nothing to free. */
int hs_listen_options_parse(const char *text, struct hs_listen_options *out, char *why, size_t size);
void hs_listen_options_fini(struct hs_listen_options *o);

#endif
