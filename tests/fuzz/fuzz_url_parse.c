/* fuzz_url_parse.c - any bytes as a URL, as a request target and as a Host field.
 * Beside the sanitizers it checks what must hold for whatever is accepted: the parts are those of the input. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static bool
has_only(const char *s, bool (*good)(unsigned char c))
{
    for (; *s != '\0'; s++) {
        if (!good((unsigned char)*s)) {
            return false;
        }
    }
    return true;
}

static bool
is_host_byte(unsigned char c)
{
    return c > 0x20 && c != 0x7f && strchr("/?#@\\<>\"^`{}|%", c) == NULL;
}

static void
check(const ec_url_details *d, const char *input, size_t n)
{
    require(strlen(d->url) == n && (n == 0 || memcmp(d->url, input, n) == 0));
    require(d->path != NULL);
    require(d->port >= 0 && d->port <= 65535);
    require(d->host != NULL || d->userinfo.user == NULL);
    require(d->userinfo.user != NULL || d->userinfo.pass == NULL);
    require((d->raw_query != NULL) == (d->query != NULL));
    require(d->host == NULL || has_only(d->host, is_host_byte));
    size_t sum = strlen(d->path);
    sum += d->query != NULL ? strlen(d->query) : 0;
    sum += d->fragment != NULL ? strlen(d->fragment) : 0;
    require(sum <= n);
    if (d->attrs != NULL) {
        require(d->raw_query != NULL && strchr(d->raw_query, '=') != NULL);
        ECDict_Iterator i = dict_iter(d->attrs);
        const char *key;
        const char *val;
        size_t pairs = 0;
        while (dict_next(d->attrs, &i, &key, &val)) {
            const char *found = NULL;
            require(dict_key_exists_and_fetch(d->attrs, key, &found) && found == val);
            pairs++;
        }
        require(pairs == ec_dict_count(d->attrs) && pairs >= 1 && pairs <= n);
    }
}

static void
as_request(struct hs_view target, struct hs_view authority)
{
    ec_url_details *d = NULL;
    int err = hs_url_parse_request(target, HS_VIEW("http"), authority, (struct hs_view){ NULL, 0 }, &d);
    require(err == 0 ? d != NULL : err == EINVAL && d == NULL);
    if (d != NULL) {
        check(d, target.p, target.n);
        require(d->scheme != NULL);
        require(target.p[0] != '/' || (d->userinfo.user == NULL && d->path[0] == '/'));
    }
    ec_url_details_free(d);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hs_view v = { (const char *)data, size };
    errno = 0;
    ec_url_details *d = size != 0 ? ec_parse_url(v.p, v.n) : NULL;
    if (d != NULL) {
        check(d, v.p, v.n);
    } else {
        require(size == 0 || errno == EINVAL);
    }
    ec_url_details_free(d);
    as_request(v, HS_VIEW("example.com"));
    as_request(HS_VIEW("/"), v);
    return 0;
}
