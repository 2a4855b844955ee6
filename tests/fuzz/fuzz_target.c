/* fuzz_target.c - any bytes as an encoded path, as a query and as an authority.
 * What must hold: a normalised path has no dot segment, no empty segment, no control byte and no more bytes than it came with; normalising
 * it once more changes nothing; what the parser calls plain is its own normalised form; decoding never grows; nothing outside is read. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/scan.h"
#include "http/target.h"
#include "require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Normalises into memory of exactly the promised size; NULL: refused. */
static char *
normalise(struct hs_view path, bool encoded_slash, size_t *len)
{
    char *dst = malloc(path.n + 1);
    REQUIRE(dst != NULL);
    int err = hs_path_normalise(path, encoded_slash, dst, len);
    REQUIRE(err == 0 || err == EINVAL);
    if (err != 0) {
        free(dst);
        return NULL;
    }
    REQUIRE(*len <= path.n && dst[*len] == '\0' && strlen(dst) == *len);
    return dst;
}

/* Without encoded_slash a '%' in the result is a byte of its own: written as %25 it comes back. */
static void
check_again(const char *out, size_t len, bool encoded_slash)
{
    char *coded = malloc(len * 3 + 1);
    size_t n = 0, again_len = 0;
    REQUIRE(coded != NULL);
    for (size_t i = 0; i < len; i++) {
        if (out[i] == '%' && !encoded_slash) {
            memcpy(coded + n, "%25", 3);
            n += 3;
        } else {
            coded[n++] = out[i];
        }
    }
    char *again = normalise((struct hs_view){ coded, n }, encoded_slash, &again_len);
    REQUIRE(again != NULL && again_len == len && memcmp(again, out, len) == 0);
    free(again);
    free(coded);
}

static void
check_path(struct hs_view path, bool encoded_slash)
{
    size_t len = 0;
    char *out = normalise(path, encoded_slash, &len);
    bool plain = path.n > 0 && path.p[0] == '/' && hs_scan_path_is_plain(path.p, path.p + path.n);
    if (out == NULL) {
        return;
    }
    REQUIRE(out[0] == '/' && strstr(out, "//") == NULL && strchr(out, '\\') == NULL);
    REQUIRE(strstr(out, "/./") == NULL && strstr(out, "/../") == NULL && strstr(out, "/..;") == NULL && strstr(out, "/.;") == NULL);
    REQUIRE(len < 2 || strcmp(out + len - 2, "/.") != 0);
    REQUIRE(len < 3 || strcmp(out + len - 3, "/..") != 0);
    for (size_t i = 0; i < len; i++) {
        REQUIRE((uint8_t)out[i] >= 0x20 && out[i] != 0x7F);
    }
    REQUIRE(!plain || (len == path.n && memcmp(out, path.p, len) == 0));
    check_again(out, len, encoded_slash);
    if (encoded_slash) { /* what the owner of the route decodes once more has no dot segment either */
        char *twice = malloc(len + 1);
        size_t n = 0;
        REQUIRE(twice != NULL);
        if (hs_percent_decode((struct hs_view){ out, len }, false, twice, &n) == 0) {
            REQUIRE(strstr(twice, "/../") == NULL && strstr(twice, "/./") == NULL);
            REQUIRE(n < 3 || strcmp(twice + n - 3, "/..") != 0);
        }
        free(twice);
    }
    free(out);
}

static void
check_decode(struct hs_view src, bool plus)
{
    char *dst = malloc(src.n + 1);
    size_t len = 0;
    REQUIRE(dst != NULL);
    int err = hs_percent_decode(src, plus, dst, &len);
    REQUIRE(err == 0 || err == EINVAL);
    REQUIRE(err != 0 || (len <= src.n && strlen(dst) == len));
    free(dst);
}

static void
check_authority(struct hs_view a)
{
    bool ok = hs_authority_ok(a);
    REQUIRE(hs_authority_same(a, a, 80) == ok);
    if (ok) {
        REQUIRE(a.n > 0 && a.n <= 261 && memchr(a.p, '@', a.n) == NULL && memchr(a.p, '/', a.n) == NULL && memchr(a.p, '%', a.n) == NULL);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1);
    REQUIRE(copy != NULL);
    copy[0] = '/';
    memcpy(copy + 1, data, size);
    for (int slash = 0; slash < 2; slash++) {
        check_path((struct hs_view){ copy, size + 1 }, slash != 0);
        check_path((struct hs_view){ copy + 1, size }, slash != 0);
        check_decode((struct hs_view){ copy + 1, size }, slash != 0);
    }
    check_authority((struct hs_view){ copy + 1, size });
    (void)hs_absolute_form((struct hs_view){ copy + 1, size });
    free(copy);
    return 0;
}
