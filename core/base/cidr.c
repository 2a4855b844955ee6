/* cidr.c - networks in CIDR notation, and lists of them.
 * Everything is compared as sixteen bytes at most, of one family: what is IPv4 in IPv6's clothes is undressed first. */
#include "base/cidr.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/ip.h"

enum { IPV4_BITS = 32, IPV6_BITS = 128, MAPPED_BITS = 96 };

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

/* Makes IPv4 of an IPv6 address, or network, that is a mapped one. */
static void
undress(struct hs_cidr *c)
{
    if (c->family == AF_INET6 && c->bits >= MAPPED_BITS && memcmp(c->addr, mapped, sizeof mapped) == 0) {
        memmove(c->addr, c->addr + sizeof mapped, 4);
        memset(c->addr + 4, 0, sizeof c->addr - 4);
        c->family = AF_INET;
        c->bits = (uint8_t)(c->bits - MAPPED_BITS);
    }
}

/* Whether the first bits of both are the same. */
static bool
same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;

    if (memcmp(a, b, whole) != 0) {
        return false;
    }
    return rest == 0 || ((a[whole] ^ b[whole]) & (0xff << (8 - rest)) & 0xff) == 0;
}

/* --- one network --- */

/* The number behind the slash: decimal, without sign or leading zeros. */
static bool
parse_bits(struct hs_view text, unsigned max, uint8_t *out)
{
    long long n;

    if ((text.n > 1 && text.p[0] == '0') || hs_ascii_to_int64(text, &n) != 0 || n > max) {
        return false;
    }
    *out = (uint8_t)n;
    return true;
}

/* The address before the slash. */
static bool
parse_address(struct hs_view text, struct hs_cidr *c)
{
    if (hs_ip_parse(AF_INET, text, c->addr)) {
        c->family = AF_INET;
        c->bits = IPV4_BITS;
    } else if (hs_ip_parse(AF_INET6, text, c->addr)) {
        c->family = AF_INET6;
        c->bits = IPV6_BITS;
    } else {
        return false;
    }
    return true;
}

/* Whether nothing is set beyond the prefix. */
static bool
is_clean(const struct hs_cidr *c)
{
    unsigned max = c->family == AF_INET ? IPV4_BITS : IPV6_BITS;

    for (unsigned i = c->bits; i < max; i++) {
        if ((c->addr[i / 8] & (0x80 >> (i % 8))) != 0) {
            return false;
        }
    }
    return true;
}

int
hs_cidr_parse(const char *text, struct hs_cidr *out)
{
    struct hs_cidr c = { .family = AF_UNIX };

    if (strcmp(text, "unix:") == 0) {
        *out = c;
        return 0;
    }
    const char *slash = strchr(text, '/');
    struct hs_view address = { text, slash != NULL ? (size_t)(slash - text) : strlen(text) };
    if (!parse_address(address, &c) || (slash != NULL && !parse_bits(hs_view_of(slash + 1), c.bits, &c.bits))) {
        return EINVAL;
    }
    if (!is_clean(&c)) {
        return EDOM;
    }
    undress(&c);
    *out = c;
    return 0;
}

/* An address as the network of it alone; false for a family that has none. */
static bool
of_address(const struct sockaddr *sa, struct hs_cidr *out)
{
    *out = (struct hs_cidr){ .family = sa->sa_family };
    switch (sa->sa_family) {
    case AF_INET:
        memcpy(out->addr, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
        out->bits = IPV4_BITS;
        return true;
    case AF_INET6:
        memcpy(out->addr, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16);
        out->bits = IPV6_BITS;
        undress(out);
        return true;
    default:
        return sa->sa_family == AF_UNIX;
    }
}

static bool
contains(const struct hs_cidr *c, const struct hs_cidr *address)
{
    return c->family == address->family && same_prefix(c->addr, address->addr, c->bits);
}

bool
hs_cidr_contains(const struct hs_cidr *c, const struct sockaddr *sa)
{
    struct hs_cidr address;

    return of_address(sa, &address) && contains(c, &address);
}

/* --- lists --- */

int
hs_cidr_list_add(struct hs_cidr_list *list, const char *text)
{
    struct hs_cidr c;

    int err = hs_cidr_parse(text, &c);
    if (err != 0) {
        return err;
    }
    struct hs_cidr *items = realloc(list->items, (list->n + 1) * sizeof *items);
    if (items == NULL) {
        return ENOMEM;
    }
    items[list->n++] = c;
    list->items = items;
    return 0;
}

bool
hs_cidr_list_contains(const struct hs_cidr_list *list, const struct sockaddr *sa)
{
    struct hs_cidr address;

    if (list->n == 0 || !of_address(sa, &address)) {
        return false;
    }
    for (size_t i = 0; i < list->n; i++) {
        if (contains(&list->items[i], &address)) {
            return true;
        }
    }
    return false;
}

void
hs_cidr_list_fini(struct hs_cidr_list *list)
{
    free(list->items);
    *list = (struct hs_cidr_list){ NULL, 0 };
}
