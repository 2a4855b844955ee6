/* fuzz_chunked.c - any bytes as a chunked body.
 * The first byte chooses how the rest is split. What must hold: data, trailers, end and refusal are the same in one piece, in pieces and
 * byte by byte; every run of data is inside its input; a complete body means the same when it is encoded anew. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "http/chunked.h"
#include "require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    enum hs_chunked_result result; /* MORE, END or REFUSED */
    struct hs_buf data;
    struct hs_buf trailers;
    size_t used;
    struct hs_refusal why;
    struct hs_chunked decoder;
};

static void
feed(struct outcome *o, const uint8_t *bytes, size_t len)
{
    char *copy = malloc(len + (len == 0));
    size_t at = 0;
    REQUIRE(copy != NULL);
    memcpy(copy, bytes, len);
    do {
        size_t used = SIZE_MAX;
        struct hs_view run = { NULL, 0 };
        o->result = hs_chunked_decode(&o->decoder, (struct hs_view){ copy + at, len - at }, &used, &run, &o->trailers, &o->why);
        REQUIRE(used <= len - at);
        if (o->result == HS_CHUNKED_DATA) {
            REQUIRE(run.n > 0 && run.p >= copy + at && run.p + run.n == copy + at + used);
            REQUIRE(hs_buf_append(&o->data, run.p, run.n) == 0);
        }
        at += used;
    } while (o->result == HS_CHUNKED_DATA);
    REQUIRE(o->result != HS_CHUNKED_MORE || at == len);
    REQUIRE(o->result != HS_CHUNKED_REFUSED || (o->why.status >= 400 && o->why.reason != NULL));
    REQUIRE(o->decoder.overhead <= HS_CHUNK_OVERHEAD_FREE + HS_CHUNK_OVERHEAD_PER_BYTE * o->decoder.data + 2 * HS_CHUNK_LINE_MAX);
    o->used += at;
    free(copy);
}

/* Decodes in pieces of growing size: first, then first + grow, ... */
static void
decode(struct outcome *o, const uint8_t *bytes, size_t len, size_t first, size_t grow)
{
    memset(o, 0, sizeof *o);
    hs_buf_init(&o->data, 1024 * 1024);
    hs_buf_init(&o->trailers, 200);
    hs_chunked_init(&o->decoder);
    size_t at = 0;
    do {
        size_t n = first < len - at ? first : len - at;
        feed(o, bytes + at, n);
        at += n;
        first += grow;
    } while (o->result == HS_CHUNKED_MORE && at < len);
}

static void
fini(struct outcome *o)
{
    hs_buf_fini(&o->data);
    hs_buf_fini(&o->trailers);
}

static bool
same_bytes(const struct hs_buf *a, const struct hs_buf *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->p, b->p, a->len) == 0);
}

static void
check_split(const struct outcome *whole, const uint8_t *bytes, size_t len, size_t first, size_t grow)
{
    struct outcome o;
    decode(&o, bytes, len, first, grow);
    REQUIRE(o.result == whole->result && same_bytes(&o.data, &whole->data));
    REQUIRE(o.result == HS_CHUNKED_REFUSED || same_bytes(&o.trailers, &whole->trailers));
    REQUIRE(o.result != HS_CHUNKED_END || o.used == whole->used);
    REQUIRE(o.result != HS_CHUNKED_REFUSED || o.why.status == whole->why.status);
    fini(&o);
}

static void
check_trailers(const struct outcome *o)
{
    struct hs_field fields[8];
    struct hs_refusal why = { 0, NULL };
    unsigned n = 0;
    struct hs_view raw = { o->trailers.p, o->trailers.len };
    if (!hs_trailers_parse(raw, fields, 8, &n, &why)) {
        REQUIRE(why.status == 400 || why.status == 431);
        return;
    }
    REQUIRE(n <= 8 && (n > 0) == (raw.n > 0));
    for (unsigned i = 0; i < n; i++) {
        const struct hs_field *f = &fields[i];
        REQUIRE(f->name_len > 0 && f->name_off <= raw.n && f->name_len <= raw.n - f->name_off);
        REQUIRE(f->value_off <= raw.n && f->value_len <= raw.n - f->value_off && f->id == HS_FIELD_OTHER);
        for (unsigned k = 0; k < f->value_len; k++) {
            REQUIRE(hs_ascii_is_field_vchar(raw.p[f->value_off + k]));
        }
    }
}

/* The same data in chunks of n bytes. */
static void
check_encoded_again(const struct outcome *o, size_t n)
{
    struct hs_buf b;
    struct outcome again;
    hs_buf_init(&b, 1024 * 1024);
    for (size_t at = 0; at < o->data.len; at += n) {
        char header[HS_CHUNK_HEADER_MAX];
        size_t run = o->data.len - at < n ? o->data.len - at : n;
        REQUIRE(hs_buf_append(&b, header, hs_chunk_header(header, run)) == 0);
        REQUIRE(hs_buf_append(&b, o->data.p + at, run) == 0 && hs_buf_append(&b, "\r\n", 2) == 0);
    }
    REQUIRE(hs_buf_append(&b, "0\r\n", 3) == 0 && hs_buf_append(&b, o->trailers.p, o->trailers.len) == 0);
    REQUIRE(hs_buf_append(&b, "\r\n", 2) == 0);
    decode(&again, (const uint8_t *)b.p, b.len, b.len, 0);
    REQUIRE(again.result == HS_CHUNKED_END && again.used == b.len);
    REQUIRE(same_bytes(&again.data, &o->data) && same_bytes(&again.trailers, &o->trailers));
    fini(&again);
    hs_buf_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome whole;
    if (size < 1 || size > 20000) {
        return 0;
    }
    uint8_t how = data[0];
    data++;
    size--;
    decode(&whole, data, size, size, 0);
    if (size <= 2000) {
        check_split(&whole, data, size, 1, 0);
    }
    check_split(&whole, data, size, how % 16 + 1u, how / 16);
    for (size_t cut = 1; cut < size && size <= 200; cut++) { /* every cut in two */
        check_split(&whole, data, size, cut, size);
    }
    if (whole.result == HS_CHUNKED_END) {
        check_trailers(&whole);
        check_encoded_again(&whole, how + 1u);
    }
    fini(&whole);
    return 0;
}
