/* sockaddr.c - socket addresses and their text form.
 * Plain values, no memory. Parses addresses only, never names, so it never waits for a resolver. */
#include "misc/ec_sockaddr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/ascii.h"
#include "base/ip.h"
#include "base/log.h"
#include "base/view.h"

#define UNIX_PATH_AT offsetof(struct sockaddr_un, sun_path)

int
ec_sockaddr_set(ec_sockaddr *addr, const struct sockaddr *sa, socklen_t len)
{
    if (sa == NULL || len < sizeof(sa_family_t) || len > sizeof addr->storage) {
        return EINVAL;
    }
    sa_family_t family;
    memcpy(&family, (const char *)sa + offsetof(struct sockaddr, sa_family), sizeof family);
    socklen_t need = 0;
    switch (family) {
    case AF_INET:
        need = sizeof(struct sockaddr_in);
        break;
    case AF_INET6:
        need = sizeof(struct sockaddr_in6);
        break;
    case AF_UNIX:
        need = sizeof(sa_family_t);
        break;
    default:
        return EAFNOSUPPORT;
    }
    if (len < need || (family == AF_UNIX && len > sizeof addr->unixaddr)) {
        return EINVAL;
    }
    ec_sockaddr copy;
    memset(&copy, 0, sizeof copy);
    memcpy(&copy.storage, sa, len);
    copy.len = family == AF_UNIX ? len : need;
    *addr = copy;
    return 0;
}

static int
parse_unix(ec_sockaddr *a, struct hs_view name)
{
    size_t room = sizeof a->unixaddr.sun_path;
    bool abstract = name.n != 0 && name.p[0] == '@';
    if (name.n < 1 + (size_t)abstract) {
        return EINVAL;
    }
    if (name.n > (abstract ? room : room - 1)) {
        return ENAMETOOLONG;
    }
    a->unixaddr.sun_family = AF_UNIX;
    memcpy(a->unixaddr.sun_path, name.p, name.n);
    if (abstract) {
        a->unixaddr.sun_path[0] = '\0';
    }
    a->len = (socklen_t)(UNIX_PATH_AT + name.n + (abstract ? 0 : 1));
    return 0;
}

/* A scope id: the name of an interface, or its number. */
static int
parse_scope(const char *text, uint32_t *scope)
{
    long long n;
    if (hs_ascii_to_int64(hs_view_of(text), &n) == 0) {
        *scope = (uint32_t)n;
        return n >= 1 && n <= UINT32_MAX ? 0 : EINVAL;
    }
    *scope = if_nametoindex(text);
    return *scope != 0 ? 0 : text[0] != '\0' ? ENODEV : EINVAL;
}

/* What is between the brackets. */
static int
parse_ipv6(ec_sockaddr *a, struct hs_view v)
{
    char text[INET6_ADDRSTRLEN + 1 + IF_NAMESIZE];
    if (v.n >= sizeof text) {
        return EINVAL;
    }
    memcpy(text, v.p, v.n);
    text[v.n] = '\0';
    char *percent = strchr(text, '%');
    if (percent != NULL) {
        *percent = '\0';
    }
    a->sin6.sin6_family = AF_INET6;
    a->len = sizeof a->sin6;
    if (inet_pton(AF_INET6, text, &a->sin6.sin6_addr) != 1) {
        return EINVAL;
    }
    return percent != NULL ? parse_scope(percent + 1, &a->sin6.sin6_scope_id) : 0;
}

static int
parse_ipv4(ec_sockaddr *a, struct hs_view v)
{
    a->sin.sin_family = AF_INET;
    a->len = sizeof a->sin;
    return hs_ip_parse(AF_INET, v, &a->sin.sin_addr) ? 0 : EINVAL;
}

static int
parse_ip(ec_sockaddr *a, const char *text)
{
    const char *colon = strrchr(text, ':');
    struct hs_view host = colon != NULL ? (struct hs_view){ text, (size_t)(colon - text) } : HS_VIEW("127.0.0.1");
    in_port_t port;
    if (!hs_port_parse(hs_view_of(colon != NULL ? colon + 1 : text), &port)) {
        return EINVAL;
    }
    int err;
    if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']') {
        err = parse_ipv6(a, (struct hs_view){ host.p + 1, host.n - 2 });
        a->sin6.sin6_port = port;
    } else {
        err = parse_ipv4(a, host);
        a->sin.sin_port = port;
    }
    return err;
}

int
ec_sockaddr_parse(ec_sockaddr *addr, const char *text)
{
    static const struct hs_view prefix = HS_VIEW_INIT("unix:");
    if (text == NULL) {
        return EINVAL;
    }
    ec_sockaddr a;
    memset(&a, 0, sizeof a);
    int err;
    if (strncmp(text, prefix.p, prefix.n) == 0) {
        err = parse_unix(&a, hs_view_of(text + prefix.n));
    } else {
        err = parse_ip(&a, text);
    }
    if (err == 0) {
        *addr = a;
    }
    return err;
}

/* The name of a unix address, abstract ones with their NULs as '@'. */
static void
format_unix(const ec_sockaddr *addr, char *buf, size_t size)
{
    const char *path = addr->unixaddr.sun_path;
    char name[sizeof addr->unixaddr.sun_path];
    size_t n = addr->len > UNIX_PATH_AT ? addr->len - UNIX_PATH_AT : 0;
    n = n < sizeof name ? n : sizeof name;
    if (n != 0 && path[0] != '\0') {
        n = strnlen(path, n);
    }
    memcpy(name, path, n);
    for (size_t i = 0; i < n; i++) {
        name[i] = name[i] == '\0' ? '@' : name[i];
    }
    hs_log_escape(buf, size, (struct hs_view){ name, n });
}

/* Puts text into buf, or nothing when it does not fit. */
static int
give_text(const char *text, char *buf, size_t size)
{
    size_t n = strlen(text) + 1;
    if (n > size) {
        return ENOSPC;
    }
    memcpy(buf, text, n);
    return 0;
}

int
ec_sockaddr_format_ip(const ec_sockaddr *addr, char *buf, size_t size)
{
    char text[INET6_ADDRSTRLEN + 1 + 10] = "";
    if (size != 0) {
        buf[0] = '\0';
    }
    switch (addr->sa.sa_family) {
    case AF_INET:
        inet_ntop(AF_INET, &addr->sin.sin_addr, text, sizeof text);
        break;
    case AF_INET6:
        inet_ntop(AF_INET6, &addr->sin6.sin6_addr, text, sizeof text);
        if (addr->sin6.sin6_scope_id != 0) {
            size_t n = strlen(text);
            snprintf(text + n, sizeof text - n, "%%%u", (unsigned)addr->sin6.sin6_scope_id);
        }
        break;
    case AF_UNIX:
        break;
    default:
        return EAFNOSUPPORT;
    }
    return give_text(text, buf, size);
}

int
ec_sockaddr_format(const ec_sockaddr *addr, char *buf, size_t size)
{
    char part[EC_SOCKADDR_TEXT_MAX];
    char text[EC_SOCKADDR_TEXT_MAX + sizeof "[]:65535"];
    int err = ec_sockaddr_format_ip(addr, part, sizeof part);
    if (size != 0) {
        buf[0] = '\0';
    }
    if (err != 0) {
        return err;
    }
    if (addr->sa.sa_family == AF_UNIX) {
        format_unix(addr, part, sizeof part);
        snprintf(text, sizeof text, "unix:%s", part);
    } else {
        bool v6 = addr->sa.sa_family == AF_INET6;
        snprintf(text, sizeof text, v6 ? "[%s]:%d" : "%s:%d", part, ec_sockaddr_port(addr));
    }
    return give_text(text, buf, size);
}

int
ec_sockaddr_port(const ec_sockaddr *addr)
{
    switch (addr->sa.sa_family) {
    case AF_INET:
        return ntohs(addr->sin.sin_port);
    case AF_INET6:
        return ntohs(addr->sin6.sin6_port);
    default:
        return 0;
    }
}
