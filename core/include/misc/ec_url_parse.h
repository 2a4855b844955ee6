/* ec_url_parse.h - ec_url_details: the parts of a URL, RFC 3986.
 * Every string is the struct's own memory, NUL-terminated, and NULL when the URL does not have that part. All of it is one block:
 * only ec_url_details_free frees, and no member may be freed or replaced.
 * Total on any input: a URL is split or refused, never guessed at. */
#ifndef MISC_EC_URL_PARSE_H
#define MISC_EC_URL_PARSE_H

#include <stddef.h>

#include "misc/ec_dict.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifndef HTTPSRV_API
#define HTTPSRV_API __attribute__((visibility("default")))
#endif

typedef struct _ec_url_details {
    char *url;    /* as given */
    char *scheme; /* as given, without its colon */
    struct _ec_url_details_userinfo {
        char *user; /* decoded */
        char *pass; /* decoded; NULL when there is no colon */
    } userinfo;
    char *host;      /* decoded; an IP literal keeps its brackets, as in RFC 3986 3.2.2; "" in "file:///x" */
    int port;        /* 0 when none is given */
    char *path;      /* percent-decoded; never NULL, but may be "" */
    char *raw_query; /* as given, without its question mark */
    char *query;     /* decoded; '+' is a blank */
    char *fragment;  /* decoded */
    ECDict attrs;    /* the decoded pairs of a query key=value(&key=value)*, the last of equal keys; NULL when it is not of that form */
} ec_url_details;

/* Parses len bytes as a URI reference (RFC 3986 4.1). Within path, query and fragment it takes every byte above 0x20 but
 * 0x7f, since clients send [ ] | and raw UTF-8 there; scheme and authority are taken strictly.
 * NULL with errno EINVAL (url NULL, more than 128 MiB, blanks or control bytes, a bad or cut %XX, %00, a bad scheme, host, IP
 * literal or port, a colon in the first segment of a relative path) or ENOMEM. Any thread. */
HTTPSRV_API ec_url_details *ec_parse_url(const char *url, size_t len);
/* Ours: frees it with all its parts. NULL is ignored. Any thread. */
HTTPSRV_API void ec_url_details_free(ec_url_details *details);

#ifdef __cplusplus
}
#endif

#endif
