/* fuzz_proxy_header.c - any bytes as the beginning of a connection that a proxy makes.
 * Beside the sanitizers it checks what must hold: what is wanted more of is never given up later without cause, and a verdict stays as bytes follow. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void
check(const struct hs_proxy_header *h, size_t n)
{
    char text[EC_SOCKADDR_TEXT_MAX];

    require(h->size >= 15 && h->size <= HS_PROXY_SIZE_MAX);
    require(n <= HS_PROXY_LOOK_MAX);
    if (h->known) {
        require(ec_sockaddr_format(&h->peer, text, sizeof text) == 0);
        require(ec_sockaddr_format(&h->local, text, sizeof text) == 0);
        require(h->peer.len <= sizeof h->peer.storage && h->local.len <= sizeof h->local.storage);
        require(h->peer.sa.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&h->peer.sin6.sin6_addr));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum hs_proxy_result before = HS_PROXY_MORE;
    struct hs_proxy_header first = { .size = 0 };

    size = size < 400 ? size : 400;
    for (size_t n = 0; n <= size; n++) {
        struct hs_proxy_header h;
        const char *why = NULL;
        char *copy = malloc(n + 1); /* of exactly its size, but for none at all */
        require(copy != NULL);
        memcpy(copy, data, n);
        copy = n != 0 ? realloc(copy, n) : copy;
        require(copy != NULL);
        enum hs_proxy_result r = hs_proxy_header_parse(copy, n, &h, &why);
        free(copy);
        require(before == HS_PROXY_MORE || r == before);
        require((why != NULL) == (r == HS_PROXY_REFUSED));
        require(r != HS_PROXY_MORE || n < HS_PROXY_LOOK_MAX);
        if (r == HS_PROXY_DONE && before == HS_PROXY_MORE) {
            first = h;
            check(&h, n);
        } else if (r == HS_PROXY_DONE) {
            require(h.size == first.size && h.known == first.known);
        }
        before = r;
    }
    return 0;
}
