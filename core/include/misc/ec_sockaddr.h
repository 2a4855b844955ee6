/* ec_sockaddr.h - ec_sockaddr: the address of a socket, IPv4, IPv6 or unix, and its text form.
 * A plain value: copied by assignment, nothing to free. Any thread. */
#ifndef MISC_EC_SOCKADDR_H
#define MISC_EC_SOCKADDR_H

#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef HTTPSRV_API
#define HTTPSRV_API __attribute__((visibility("default")))
#endif

typedef struct _ec_sockaddr {
    union {
        struct sockaddr sa; /* sa.sa_family says which: AF_INET, AF_INET6, AF_UNIX; AF_UNSPEC: no address */
        struct sockaddr_in sin;
        struct sockaddr_in6 sin6;
        struct sockaddr_un unixaddr;
        struct sockaddr_storage storage;
    };
    socklen_t len; /* as connect(2) and bind(2) want it; a unix address without a name is 2 long */
} ec_sockaddr;

/* Bytes that the longest text takes, its NUL included ("unix:" and a path whose bytes are all escaped). */
#define EC_SOCKADDR_TEXT_MAX 512

/* Copies what accept(2), getpeername(2) and their like gave. 0; EINVAL (too short for its family), EAFNOSUPPORT. */
HTTPSRV_API int ec_sockaddr_set(ec_sockaddr *addr, const struct sockaddr *sa, socklen_t len);
/* Parses "PORT" (at 127.0.0.1), "1.2.3.4:PORT", "[::1]:PORT" ("[fe80::1%eth0]:PORT" too), "unix:/path" or "unix:@name" (abstract,
 * unix(7)). Names are not looked up. 0; EINVAL; ENAMETOOLONG for a unix path; ENODEV for an unknown interface. On error *addr is
 * untouched. */
HTTPSRV_API int ec_sockaddr_parse(ec_sockaddr *addr, const char *text);
/* The text that ec_sockaddr_parse takes, "unix:" for a unix address without a name. Control bytes and backslashes in unix
 * paths are written as \xNN. 0; ENOSPC, EAFNOSUPPORT (then buf is "" when it has any room). */
HTTPSRV_API int ec_sockaddr_format(const ec_sockaddr *addr, char *buf, size_t size);
/* The address alone: "1.2.3.4", "::1", "fe80::1%2", "" for unix. 0; ENOSPC, EAFNOSUPPORT as above. */
HTTPSRV_API int ec_sockaddr_format_ip(const ec_sockaddr *addr, char *buf, size_t size);
/* The port in host byte order; 0 for unix and no address. */
HTTPSRV_API int ec_sockaddr_port(const ec_sockaddr *addr);

#ifdef __cplusplus
}
#endif

#endif
