/* proxy_header.c - parses the header of the PROXY protocol, versions 1 and 2.
 * Refuses as early as the bytes so far allow. As long as it wants more, every byte that it has seen is the header's, so that who reads for it can
 * take them off the connection and never takes what is not its. */
#include "http/proxy_header.h"

#include <string.h>

#include "base/ip.h"

static const char v1_start[] = { 'P', 'R', 'O', 'X', 'Y', ' ' };
static const char v2_start[] = { '\r', '\n', '\r', '\n', '\0', '\r', '\n', 'Q', 'U', 'I', 'T', '\n' };

enum { V2_HEAD = 16, UNIX_SIZE = 108 };

static enum hs_proxy_result
refuse(const char **why, const char *text)
{
    *why = text;
    return HS_PROXY_REFUSED;
}

static bool
begins_like(const char *p, size_t n, const char *start, size_t size)
{
    return memcmp(p, start, n < size ? n : size) == 0;
}

static void
set_ipv4(ec_sockaddr *a, const void *address, in_port_t port)
{
    memset(a, 0, sizeof *a);
    a->sin.sin_family = AF_INET;
    memcpy(&a->sin.sin_addr, address, sizeof a->sin.sin_addr);
    a->sin.sin_port = port;
    a->len = sizeof a->sin;
}

static void
set_ipv6(ec_sockaddr *a, const struct in6_addr *address, in_port_t port)
{
    if (IN6_IS_ADDR_V4MAPPED(address)) {
        set_ipv4(a, &address->s6_addr[12], port);
        return;
    }
    memset(a, 0, sizeof *a);
    a->sin6.sin6_family = AF_INET6;
    a->sin6.sin6_addr = *address;
    a->sin6.sin6_port = port;
    a->len = sizeof a->sin6;
}

/* --- version 1: a line of text --- */

/* Takes the word before the next blank, or all that is left. False: there is none, or two blanks. */
static bool
take_word(struct hs_view *line, struct hs_view *word)
{
    const char *blank = line->n != 0 ? memchr(line->p, ' ', line->n) : NULL;

    *word = (struct hs_view){ line->p, blank != NULL ? (size_t)(blank - line->p) : line->n };
    size_t used = word->n + (blank != NULL);
    *line = (struct hs_view){ line->p + used, line->n - used };
    return word->n != 0 && (blank == NULL || line->n != 0);
}

/* Without leading zeros. */
static bool
parse_port(struct hs_view v, in_port_t *port)
{
    return (v.n < 2 || v.p[0] != '0') && hs_port_parse(v, port);
}

static void
set_address(ec_sockaddr *a, bool v6, const struct in6_addr *address, in_port_t port)
{
    if (v6) {
        set_ipv6(a, address, port);
    } else {
        set_ipv4(a, address, port);
    }
}

/* What follows "PROXY TCP4 " or "PROXY TCP6 ". */
static bool
parse_v1_addresses(struct hs_view line, bool v6, struct hs_proxy_header *out)
{
    struct hs_view words[4];
    struct in6_addr peer, local;
    in_port_t peer_port, local_port;
    const int family = v6 ? AF_INET6 : AF_INET;

    for (size_t i = 0; i < 4; i++) {
        if (!take_word(&line, &words[i])) {
            return false;
        }
    }
    if (line.n != 0 || !hs_ip_parse(family, words[0], &peer) || !hs_ip_parse(family, words[1], &local) || !parse_port(words[2], &peer_port) ||
        !parse_port(words[3], &local_port)) {
        return false;
    }
    set_address(&out->peer, v6, &peer, peer_port);
    set_address(&out->local, v6, &local, local_port);
    out->known = true;
    return true;
}

/* The line without its CRLF and what it began with. */
static enum hs_proxy_result
parse_v1_line(struct hs_view line, struct hs_proxy_header *out, const char **why)
{
    struct hs_view word;

    bool more = take_word(&line, &word);
    if (hs_view_eq(word, HS_VIEW("UNKNOWN"))) {
        return HS_PROXY_DONE; /* what follows is to be ignored */
    }
    bool v6 = hs_view_eq(word, HS_VIEW("TCP6"));
    if (!v6 && !hs_view_eq(word, HS_VIEW("TCP4"))) {
        return refuse(why, "PROXY line of an unknown family");
    }
    return more && parse_v1_addresses(line, v6, out) ? HS_PROXY_DONE : refuse(why, "bad PROXY line");
}

static enum hs_proxy_result
parse_v1(const char *p, size_t n, struct hs_proxy_header *out, const char **why)
{
    size_t looked = n < HS_PROXY_V1_MAX ? n : HS_PROXY_V1_MAX;

    if (n <= sizeof v1_start) {
        return HS_PROXY_MORE;
    }
    for (size_t i = sizeof v1_start; i < looked; i++) {
        if (p[i] == '\n') {
            return refuse(why, "bare LF in a PROXY line");
        }
        if (p[i] != '\r') {
            continue;
        }
        if (i + 1 == looked) {
            break; /* its LF is still to come, if there is room for it */
        }
        if (p[i + 1] != '\n') {
            return refuse(why, "bare CR in a PROXY line");
        }
        out->size = i + 2;
        return parse_v1_line((struct hs_view){ p + sizeof v1_start, i - sizeof v1_start }, out, why);
    }
    return n < HS_PROXY_V1_MAX ? HS_PROXY_MORE : refuse(why, "PROXY line too long");
}

/* --- version 2: bytes --- */

static void
set_unix(ec_sockaddr *a, const char *path)
{
    memset(a, 0, sizeof *a);
    a->unixaddr.sun_family = AF_UNIX;
    memcpy(a->unixaddr.sun_path, path, UNIX_SIZE);
    /* An abstract name would end where only its sender knows; it is taken up to its trailing NULs. */
    size_t used = UNIX_SIZE;
    while (used != 0 && path[used - 1] == '\0') {
        used--;
    }
    a->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + used + (used != 0 && used < UNIX_SIZE && path[0] != '\0'));
}

static void
set_v2_addresses(const char *p, unsigned family, struct hs_proxy_header *out)
{
    in_port_t ports[2];
    struct in6_addr address[2];

    out->known = true;
    if (family == 3) {
        set_unix(&out->peer, p);
        set_unix(&out->local, p + UNIX_SIZE);
    } else if (family == 2) {
        memcpy(address, p, sizeof address);
        memcpy(ports, p + sizeof address, sizeof ports);
        set_ipv6(&out->peer, &address[0], ports[0]);
        set_ipv6(&out->local, &address[1], ports[1]);
    } else {
        memcpy(ports, p + 8, sizeof ports);
        set_ipv4(&out->peer, p, ports[0]);
        set_ipv4(&out->local, p + 4, ports[1]);
    }
}

static enum hs_proxy_result
parse_v2(const char *p, size_t n, struct hs_proxy_header *out, const char **why)
{
    static const size_t sizes[] = { 0, 12, 36, 2 * UNIX_SIZE };
    const unsigned char *u = (const unsigned char *)p;

    if (n > 12 && u[12] != 0x20 && u[12] != 0x21) {
        return refuse(why, "PROXY header of an unknown version or command");
    }
    bool local = n > 12 && u[12] == 0x20;
    if (n > 13 && !local && (u[13] >> 4 > 3 || (u[13] & 15) > 2)) {
        return refuse(why, "PROXY header of an unknown family");
    }
    if (n < V2_HEAD) {
        return HS_PROXY_MORE;
    }
    size_t length = (size_t)u[14] << 8 | u[15];
    out->size = V2_HEAD + length;
    out->own = local;
    unsigned family = u[13] >> 4;
    if (local || family == 0 || (u[13] & 15) == 0) {
        return HS_PROXY_DONE;
    }
    if (length < sizes[family]) {
        return refuse(why, "PROXY header too short for its addresses");
    }
    if (n < V2_HEAD + sizes[family]) {
        return HS_PROXY_MORE;
    }
    if ((u[13] & 15) == 1) { /* a stream */
        set_v2_addresses(p + V2_HEAD, family, out);
    }
    return HS_PROXY_DONE;
}

enum hs_proxy_result
hs_proxy_header_parse(const char *p, size_t n, struct hs_proxy_header *out, const char **why)
{
    out->known = out->own = false;
    out->size = 0;
    if (n == 0) {
        return HS_PROXY_MORE;
    }
    if (begins_like(p, n, v1_start, sizeof v1_start)) {
        return parse_v1(p, n, out, why);
    }
    if (begins_like(p, n, v2_start, sizeof v2_start)) {
        return parse_v2(p, n, out, why);
    }
    return refuse(why, "no PROXY header");
}
