/* cidr.h - networks in CIDR notation, and lists of them: who is trusted, who may connect.
 * A network is a plain value; a list owns its items. An IPv4 address that comes as IPv6 (::ffff:1.2.3.4) is that IPv4 address, in networks and in what
 * is compared with them: a dual-stack socket must not be a way around a list. Only looking is for any thread. */
#ifndef HS_BASE_CIDR_H
#define HS_BASE_CIDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct hs_cidr {
    uint8_t addr[16]; /* in network order; IPv4: the first four */
    uint16_t family;  /* AF_INET, AF_INET6, AF_UNIX (every unix socket) */
    uint8_t bits;     /* of the prefix */
};

/* All zeros is an empty list. */
struct hs_cidr_list {
    struct hs_cidr *items;
    size_t n;
};

/* Parses "192.0.2.0/24", "2001:db8::/32", an address alone (all its bits count), or "unix:". 0; EINVAL: not one of these; EDOM: bits beyond the
 * prefix are set ("192.0.2.7/24"), so that it is not clear what is meant. On error *out is untouched. */
int hs_cidr_parse(const char *text, struct hs_cidr *out);
/* Whether the address is in the network. */
bool hs_cidr_contains(const struct hs_cidr *c, const struct sockaddr *sa);

/* Adds a network. 0; EINVAL, EDOM as above; ENOMEM. On error nothing is changed. */
int hs_cidr_list_add(struct hs_cidr_list *list, const char *text);
/* Whether the address is in any of the networks. */
bool hs_cidr_list_contains(const struct hs_cidr_list *list, const struct sockaddr *sa);
/* Frees the items and leaves an empty list. */
void hs_cidr_list_fini(struct hs_cidr_list *list);

#endif
