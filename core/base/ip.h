/* ip.h - addresses and ports as they are written, in text that goes on behind them. Any thread. */
#ifndef HS_BASE_IP_H
#define HS_BASE_IP_H

#include <netinet/in.h>
#include <stdbool.h>

#include "base/view.h"

/* The whole of v as an address of the family, AF_INET or AF_INET6, into out, which has room for one; as inet_pton(3) has them: no brackets, no scope. */
bool hs_ip_parse(int family, struct hs_view v, void *out);
/* 1 to 5 digits up to 65535, in network order. On failure *port is untouched. */
bool hs_port_parse(struct hs_view v, in_port_t *port);

#endif
