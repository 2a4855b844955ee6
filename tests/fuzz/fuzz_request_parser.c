/* fuzz_request_parser.c - any bytes as a request head.
 * The first byte chooses the limits and the padding, the rest is what a peer sends. What must hold: the build with SSE2 and the one
 * without agree; the answer does not depend on the padding nor on how the head was split; every slice is inside the head; nothing that
 * was accepted holds a byte or a framing that should have been refused. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"

/* The parser once more, without SSE2, beside the library's own. */
#define HS_SCAN_PORTABLE 1
#define hs_request_parse portable_request_parse
#include "../../core/http/request_parser.c"
#include "require.h"
#undef hs_request_parse
enum hs_parse hs_request_parse(const char *buf, size_t len, size_t seen, const struct hs_head_limits *limits, struct hs_request *r,
                               struct hs_refusal *why);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef enum hs_parse parse_function(const char *, size_t, size_t, const struct hs_head_limits *, struct hs_request *, struct hs_refusal *);

struct outcome {
    enum hs_parse result;
    int status; /* 0: more, 200: done */
    struct hs_request r;
    struct hs_field fields[HS_MAX_FIELDS];
};

/* Parses a copy in memory that ends with its padding. */
static void
parse(parse_function *f, struct outcome *o, const uint8_t *bytes, size_t len, size_t seen, const struct hs_head_limits *limits, uint8_t pad)
{
    char *copy = malloc(len + HS_PARSE_PAD);
    REQUIRE(copy != NULL);
    memcpy(copy, bytes, len);
    for (size_t i = 0; i < HS_PARSE_PAD; i++) {
        copy[len + i] = pad == '\n' ? "\n\r"[i % 2] : (char)pad;
    }
    struct hs_refusal why = { 0, NULL };
    memset(o, 0, sizeof *o);
    o->r.fields = o->fields;
    o->result = f(copy, len, seen, limits, &o->r, &why);
    o->status = o->result == HS_PARSE_DONE ? 200 : o->result == HS_PARSE_MORE ? 0 : why.status;
    REQUIRE(o->result != HS_PARSE_REFUSED || (why.status >= 400 && why.reason != NULL));
    REQUIRE(o->result != HS_PARSE_DONE || o->r.base == copy);
    o->r.base = NULL; /* the copy goes; the offsets stay */
    o->r.fields = NULL;
    free(copy);
}

static void
require_inside(const struct hs_request *r, uint32_t off, uint32_t len)
{
    REQUIRE(off <= r->size && len <= r->size - off);
}

static void
check_done(const struct outcome *o, const uint8_t *bytes, size_t len, const struct hs_head_limits *limits)
{
    const struct hs_request *r = &o->r;
    unsigned hosts = 0, lengths = 0, codings = 0;
    REQUIRE(r->size >= 4 && r->size <= len && r->size <= limits->head_size && r->nfields <= limits->fields);
    REQUIRE(memcmp(bytes + r->size - 2, "\r\n", 2) == 0);
    require_inside(r, r->method.off, r->method.len);
    require_inside(r, r->target.off, r->target.len);
    require_inside(r, r->path.off, r->path.len);
    require_inside(r, r->query.off, r->query.len);
    require_inside(r, r->host.off, r->host.len);
    REQUIRE(r->method.len > 0 && r->target.len > 0 && r->target.len <= limits->target_size);
    for (uint32_t i = 0; i < r->size; i++) { /* every LF follows a CR, every CR is followed by an LF, no other control byte but HTAB */
        REQUIRE(bytes[i] != '\n' || (i > 0 && bytes[i - 1] == '\r'));
        REQUIRE(bytes[i] != '\r' || bytes[i + 1] == '\n');
        REQUIRE(bytes[i] >= 0x20 || bytes[i] == '\r' || bytes[i] == '\n' || bytes[i] == '\t');
        REQUIRE(bytes[i] != 0x7F);
    }
    for (unsigned i = 0; i < r->nfields; i++) {
        const struct hs_field *f = &o->fields[i];
        require_inside(r, f->name_off, f->name_len);
        require_inside(r, f->value_off, f->value_len);
        REQUIRE(f->name_len > 0);
        for (unsigned k = 0; k < f->name_len; k++) {
            REQUIRE(hs_ascii_is_tchar((char)bytes[f->name_off + k]));
        }
        REQUIRE(f->value_len == 0 || (bytes[f->value_off] != ' ' && bytes[f->value_off + f->value_len - 1] != ' '));
        hosts += f->id == HS_FIELD_HOST;
        lengths += f->id == HS_FIELD_CONTENT_LENGTH;
        codings += f->id == HS_FIELD_TRANSFER_ENCODING;
    }
    REQUIRE(hosts <= 1 && lengths + codings <= 1 && (hosts == 1 || r->version_minor == 0));
    REQUIRE(r->chunked == (codings == 1) && (r->content_length >= 0) == (lengths == 1));
    REQUIRE(r->version_major == 1 && r->version_minor <= 1 && !(r->chunked && r->version_minor == 0));
    if (r->plain_path) {
        const char *path = (const char *)bytes + r->path.off;
        REQUIRE(memmem(path, r->path.len, "//", 2) == NULL && memmem(path, r->path.len, "/.", 2) == NULL);
        REQUIRE(memchr(path, '%', r->path.len) == NULL && memchr(path, '\\', r->path.len) == NULL);
    }
}

static void
require_same(const struct outcome *a, const struct outcome *b)
{
    REQUIRE(a->status == b->status);
    if (a->status == 200) {
        REQUIRE(a->r.size == b->r.size && a->r.nfields == b->r.nfields && a->r.content_length == b->r.content_length);
        REQUIRE(memcmp(&a->r.method, &b->r.method, sizeof a->r.method) == 0 && a->r.method_id == b->r.method_id);
        REQUIRE(memcmp(&a->r.target, &b->r.target, sizeof a->r.target) == 0 && a->r.target_form == b->r.target_form);
        REQUIRE(memcmp(&a->r.path, &b->r.path, sizeof a->r.path) == 0 && a->r.plain_path == b->r.plain_path);
        REQUIRE(memcmp(&a->r.query, &b->r.query, sizeof a->r.query) == 0 && a->r.has_query == b->r.has_query);
        REQUIRE(memcmp(&a->r.host, &b->r.host, sizeof a->r.host) == 0 && a->r.version_minor == b->r.version_minor);
        REQUIRE(a->r.chunked == b->r.chunked && a->r.keep_alive == b->r.keep_alive && a->r.upgrade == b->r.upgrade);
        REQUIRE(a->r.expect_continue == b->r.expect_continue);
        REQUIRE(memcmp(a->fields, b->fields, a->r.nfields * sizeof *a->fields) == 0);
    }
}

/* A first look at a prefix never says what the whole denies. */
static void
check_prefix(const struct outcome *whole, const uint8_t *bytes, size_t k, const struct hs_head_limits *limits, uint8_t pad)
{
    static struct outcome o, portable;
    parse(hs_request_parse, &o, bytes, k, 0, limits, pad);
    parse(portable_request_parse, &portable, bytes, k, 0, limits, pad);
    require_same(&o, &portable);
    if (whole->status == 200) {
        REQUIRE(o.status == (k >= whole->r.size ? 200 : 0));
    } else {
        REQUIRE(o.status == 0 || o.status == whole->status);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct hs_head_limits all[] = {
        { 16384, 8192, 32, 100 }, { 64, 16, 4, 2 }, { 16384, 8192, 32, 3 }, { 200, 8192, 16, 100 }, { 1, 1, 1, 1 }, { 100000, 20, 8, 50 },
    };
    static const uint8_t pads[] = { 0, '\n', ' ', 'x', ':', 0xFF };
    static struct outcome whole, other;
    if (size == 0 || size > 4096) {
        return 0;
    }
    const struct hs_head_limits *limits = &all[data[0] % 6];
    uint8_t pad = pads[data[0] / 6 % 6];
    data++;
    size--;

    parse(hs_request_parse, &whole, data, size, 0, limits, pad);
    parse(portable_request_parse, &other, data, size, 0, limits, pad);
    require_same(&whole, &other);
    for (size_t i = 0; i < sizeof pads; i++) {
        parse(hs_request_parse, &other, data, size, 0, limits, pads[i]);
        require_same(&whole, &other);
    }
    if (whole.status == 200) {
        check_done(&whole, data, size, limits);
        parse(hs_request_parse, &other, data, whole.r.size, 0, limits, pad); /* what follows does not count */
        require_same(&whole, &other);
    }

    size_t step = size > 64 ? size / 24 + data[size / 2] % 3u : 1; /* each byte of a short head, a sample of a long one */
    for (size_t k = 0; k < size; k += size - k < 8 ? 1 : step) {
        check_prefix(&whole, data, k, limits, pad);
    }
    static const size_t pieces[] = { 1, 2, 17, 100 };
    for (size_t i = size > 128 ? 2 : 0; i < sizeof pieces / sizeof *pieces; i++) {
        size_t seen = 0;
        do {
            size_t k = size - seen < pieces[i] ? size : seen + pieces[i];
            parse(hs_request_parse, &other, data, k, seen, limits, pad);
            seen = k;
        } while (other.status == 0 && seen < size);
        if (other.status == 0) { /* a refusal may wait for the end of its line */
            parse(hs_request_parse, &other, data, size, 0, limits, pad);
        }
        require_same(&whole, &other);
    }
    return 0;
}
