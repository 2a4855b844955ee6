/* ip.c - addresses and ports as they are written. */
#include "base/ip.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/ascii.h"

bool
hs_ip_parse(int family, struct hs_view v, void *out)
{
    char text[INET6_ADDRSTRLEN];

    if (v.n == 0 || v.n >= sizeof text || memchr(v.p, '\0', v.n) != NULL) {
        return false;
    }
    memcpy(text, v.p, v.n);
    text[v.n] = '\0';
    return inet_pton(family, text, out) == 1;
}

bool
hs_port_parse(struct hs_view v, in_port_t *port)
{
    long long n;

    if (v.n > 5 || hs_ascii_to_int64(v, &n) != 0 || n > 65535) {
        return false;
    }
    *port = htons((in_port_t)n);
    return true;
}
