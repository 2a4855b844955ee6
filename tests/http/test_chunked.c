/* test_chunked.c - the chunked decoder over the tables of chunked_cases.h, at every split; its budgets; trailer sections. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/chunked.h"

#include "chunked_cases.h"

struct outcome {
    int status; /* 200: complete, 0: goes on, else refused */
    struct hs_buf data;
    struct hs_buf trailers;
    size_t used;
    struct hs_refusal why;
};

static void
outcome_init(struct outcome *o, size_t trailer_max)
{
    memset(o, 0, sizeof *o);
    hs_buf_init(&o->data, 64 * 1024 * 1024);
    hs_buf_init(&o->trailers, trailer_max);
}

static void
outcome_fini(struct outcome *o)
{
    hs_buf_fini(&o->data);
    hs_buf_fini(&o->trailers);
}

/* Gives one piece to the decoder, copied to memory of exactly its size. */
static void
feed(struct hs_chunked *c, struct outcome *o, const char *bytes, size_t len)
{
    char *copy = malloc(len + (len == 0));
    assert_non_null(copy);
    memcpy(copy, bytes, len);
    size_t at = 0;
    enum hs_chunked_result result;
    do {
        size_t used = SIZE_MAX;
        struct hs_view data = { NULL, 0 };
        result = hs_chunked_decode(c, (struct hs_view){ copy + at, len - at }, &used, &data, &o->trailers, &o->why);
        assert_true(used <= len - at);
        if (result == HS_CHUNKED_DATA) {
            assert_true(data.n > 0 && data.p >= copy + at && data.p + data.n == copy + at + used);
            assert_int_equal(hs_buf_append(&o->data, data.p, data.n), 0);
        }
        at += used;
    } while (result == HS_CHUNKED_DATA);
    assert_true(result != HS_CHUNKED_MORE || at == len);
    o->used += at;
    o->status = result == HS_CHUNKED_MORE ? 0 : result == HS_CHUNKED_END ? 200 : o->why.status;
    if (result == HS_CHUNKED_REFUSED) {
        assert_non_null(o->why.reason);
    }
    free(copy);
}

/* Decodes in pieces; cut 0 < n: first piece n bytes, the rest at once; piece: all pieces of that size. */
static void
decode(struct outcome *o, const char *bytes, size_t len, size_t cut, size_t piece)
{
    struct hs_chunked c;
    hs_chunked_init(&c);
    size_t at = 0;
    do {
        size_t n = at == 0 && cut != 0 ? cut : piece;
        n = n < len - at ? n : len - at;
        feed(&c, o, bytes + at, n);
        at += n;
    } while (o->status == 0 && at < len);
}

static void
check_outcome(const char *name, const struct outcome *o, const struct chunked_case *k)
{
    if (o->status != k->status) {
        fail_msg("%s: %d, not %d (%s)", name, o->status, k->status, o->why.reason ? o->why.reason : "-");
    }
    if (o->data.len != strlen(k->data) || (o->data.len != 0 && memcmp(o->data.p, k->data, o->data.len) != 0)) {
        fail_msg("%s: data %.*s", name, (int)o->data.len, o->data.p);
    }
    if (k->status == 200) {
        assert_int_equal(o->used, k->len - k->rest);
        assert_int_equal(o->trailers.len, strlen(k->trailers));
        assert_true(o->trailers.len == 0 || memcmp(o->trailers.p, k->trailers, o->trailers.len) == 0);
    }
}

static void
check_table(const struct chunked_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct chunked_case *k = &cases[i];
        for (size_t cut = 0; cut <= k->len; cut++) { /* 0: in one piece */
            struct outcome o;
            outcome_init(&o, 1024);
            decode(&o, k->bytes, k->len, cut, k->len);
            check_outcome(k->name, &o, k);
            outcome_fini(&o);
        }
        for (size_t piece = 1; piece <= 3; piece++) {
            struct outcome o;
            outcome_init(&o, 1024);
            decode(&o, k->bytes, k->len, 0, piece);
            check_outcome(k->name, &o, k);
            outcome_fini(&o);
        }
    }
}
#define CHECK_TABLE(table) check_table((table), sizeof(table) / sizeof *(table))

static void
good_bodies(void **state)
{
    (void)state;
    CHECK_TABLE(chunked_good_cases);
}

static void
threat_06_chunk_sizes(void **state)
{
    (void)state;
    CHECK_TABLE(threat_06_cases);
    for (int byte = 0; byte < 256; byte++) {
        char bytes[] = "@1\r\nx";
        bool hex = byte < 128 && strchr("0123456789abcdefABCDEF", byte) != NULL && byte != 0;
        struct outcome o;
        bytes[0] = (char)byte;
        outcome_init(&o, 0);
        decode(&o, bytes, 5, 0, 5);
        assert_int_equal(o.status, hex ? 0 : 400);
        outcome_fini(&o);
        bytes[0] = '1';
        bytes[1] = (char)byte;
        outcome_init(&o, 0);
        decode(&o, bytes, 5, 0, 5);
        /* a CR is followed by CR; a semicolon by an extension without a name */
        assert_int_equal(o.status, hex ? 0 : 400);
        outcome_fini(&o);
    }
}

static void
threat_07_extensions(void **state)
{
    (void)state;
    CHECK_TABLE(threat_07_cases);
}

static void
threat_07_long_line(void **state)
{
    (void)state;
    for (size_t n = HS_CHUNK_LINE_MAX - 3; n < HS_CHUNK_LINE_MAX + 3; n++) {
        char bytes[600];
        memset(bytes, 'e', sizeof bytes);
        bytes[0] = '1';
        bytes[1] = ';';
        memcpy(bytes + n - 2, "\r\nx\r\n0\r\n\r\n", 10);
        for (size_t piece = 1; piece < 600; piece += 599) {
            for (size_t cut = 0; cut < 5; cut++) {
                struct outcome o;
                outcome_init(&o, 0);
                decode(&o, bytes, n + 8, cut, piece == 1 ? 1 : 600);
                assert_int_equal(o.status, n <= HS_CHUNK_LINE_MAX ? 200 : 400);
                assert_true(n <= HS_CHUNK_LINE_MAX || o.used <= HS_CHUNK_LINE_MAX + 1);
                outcome_fini(&o);
            }
        }
    }
}

/* Feeds the same chunk again and again; returns how many were taken before it was refused, or max. */
static size_t
repeat(const char *chunk, size_t max)
{
    struct hs_chunked c;
    struct outcome o;
    size_t n = 0;
    hs_chunked_init(&c);
    outcome_init(&o, 0);
    for (; n < max; n++) {
        feed(&c, &o, chunk, strlen(chunk));
        if (o.status != 0) {
            assert_int_equal(o.status, 400);
            break;
        }
    }
    outcome_fini(&o);
    return n;
}

static void
threat_07_framing_budget(void **state)
{
    (void)state;
    assert_int_equal(repeat("1\r\nx\r\n", 200000), 200000);
    assert_int_equal(repeat("0001\r\nx\r\n", 200000), 200000);
    assert_int_equal(repeat("10;name=value\r\n0123456789abcdef\r\n", 50000), 50000);
    size_t n = repeat("1;a=b\r\nx\r\n", 200000); /* 9 bytes of framing for each one of data */
    assert_true(n > 10000 && n < 20000);
    char big[300];
    memset(big, 'e', sizeof big);
    memcpy(big, "1;", 2);
    memcpy(big + 250, "\r\nx\r\n", 6);
    n = repeat(big, 200000);
    assert_true(n > 50 && n < 100);
}

static void
threat_07_budget_is_the_same_at_every_split(void **state)
{
    (void)state;
    char chunk[] = "1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n";
    size_t n = sizeof chunk - 1, len = n * 400;
    char *bytes = malloc(len);
    assert_non_null(bytes);
    for (size_t i = 0; i < 400; i++) {
        memcpy(bytes + i * n, chunk, n);
    }
    size_t expected = 0;
    for (size_t piece = len; piece > 0; piece = piece > 1000 ? 1000 : piece > 7 ? 7 : piece > 1 ? 1 : 0) {
        struct outcome o;
        outcome_init(&o, 0);
        decode(&o, bytes, len, 0, piece);
        assert_int_equal(o.status, 400);
        expected = expected != 0 ? expected : o.data.len;
        assert_int_equal(o.data.len, expected);
        outcome_fini(&o);
    }
    free(bytes);
}

static void
threat_14_trailer_framing(void **state)
{
    (void)state;
    CHECK_TABLE(threat_14_framing_cases);
}

static void
threat_14_trailer_section_is_bounded(void **state)
{
    (void)state;
    char bytes[600] = "0\r\nX: ";
    size_t n = strlen(bytes);
    memset(bytes + n, 'v', 500);
    memcpy(bytes + n + 500, "\r\n\r\n", 4);
    for (size_t piece = 1; piece < 600; piece += 100) {
        struct outcome o;
        outcome_init(&o, 505); /* "X: ", 500 bytes, CRLF */
        decode(&o, bytes, n + 504, 0, piece);
        assert_int_equal(o.status, 200);
        outcome_fini(&o);
        outcome_init(&o, 504);
        decode(&o, bytes, n + 504, 0, piece);
        assert_int_equal(o.status, 431);
        outcome_fini(&o);
    }
}

/* A section that is over its limit before it is malformed is too large, at every split. */
static void
threat_14_too_large_comes_first(void **state)
{
    (void)state;
    static const char *const ends[] = { "\n", "\x01", "\rX", "\r\r" };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char bytes[200];
        int n = snprintf(bytes, sizeof bytes, "0\r\nA: %0100d%s", 0, ends[i]);
        for (size_t piece = (size_t)n; piece > 0; piece /= 2) {
            struct outcome o;
            outcome_init(&o, 50);
            decode(&o, bytes, (size_t)n, 0, piece);
            assert_int_equal(o.status, 431);
            outcome_fini(&o);
            outcome_init(&o, 104);
            decode(&o, bytes, (size_t)n, 0, piece);
            assert_int_equal(o.status, 400);
            outcome_fini(&o);
        }
    }
}

static void
nothing_is_read_after_the_end(void **state)
{
    (void)state;
    struct hs_chunked c;
    struct outcome o;
    hs_chunked_init(&c);
    outcome_init(&o, 100);
    feed(&c, &o, "0\r\n\r\n", 5);
    assert_int_equal(o.status, 200);
    o.used = 0;
    feed(&c, &o, "5\r\nhello\r\n", 10);
    assert_int_equal(o.status, 200);
    assert_int_equal(o.used, 0);
    outcome_fini(&o);
    hs_chunked_init(&c);
    outcome_init(&o, 100);
    feed(&c, &o, "x", 1);
    assert_int_equal(o.status, 400);
    feed(&c, &o, "0\r\n\r\n", 5);
    assert_int_equal(o.status, 400);
    feed(&c, &o, "", 0);
    assert_int_equal(o.status, 400);
    outcome_fini(&o);
}

static const struct {
    const char *section;
    int status;
    unsigned n;
} trailer_cases[] = {
    { "", 200, 0 },
    { "A: b\r\n", 200, 1 },
    { "A:b\r\nX-Checksum: 12 \t\r\ngrpc-status:0\r\n", 200, 3 },
    { "A:\r\n", 200, 1 },
    { "A: b", 400, 0 },
    { "A: b\r", 400, 0 },
    { "A: b\n", 400, 0 },
    { "A b\r\n", 400, 0 },
    { "A\r\n", 400, 0 },
    { ": b\r\n", 400, 0 },
    { " A: b\r\n", 400, 0 },
    { "A : b\r\n", 400, 0 },
    { "A: b\r\n c\r\n", 400, 0 },
    { "A: b\rc\r\n", 400, 0 },
    { "A: \x01\r\n", 400, 0 },
    { "\xC3\xA4: b\r\n", 400, 0 },
    { "Content-Length: 5\r\n", 400, 0 },
    { "A: b\r\ncontent-length: 5\r\n", 400, 0 },
    { "Transfer-Encoding: chunked\r\n", 400, 0 },
    { "transfer-encoding:\r\n", 400, 0 },
    { "Host: a\r\n", 400, 0 },
    { "Forwarded: for=1\r\n", 400, 0 },
    { "X-Forwarded-For: a\r\n", 400, 0 },
    { "X-Forwarded-Host: a\r\n", 400, 0 },
    { "Via: a\r\n", 400, 0 },
    { "Connection: close\r\n", 400, 0 },
    { "Keep-Alive: 1\r\n", 400, 0 },
    { "Upgrade: x\r\n", 400, 0 },
    { "TE: x\r\n", 400, 0 },
    { "Trailer: x\r\n", 400, 0 },
    { "Authorization: x\r\n", 400, 0 },
    { "Proxy-Authorization: x\r\n", 400, 0 },
    { "WWW-Authenticate: x\r\n", 400, 0 },
    { "Cookie: x\r\n", 400, 0 },
    { "Set-Cookie: x\r\n", 400, 0 },
    { "Content-Type: x\r\n", 400, 0 },
    { "Content-Encoding: x\r\n", 400, 0 },
    { "Content-Range: x\r\n", 400, 0 },
    { "Expect: 100-continue\r\n", 400, 0 },
    { "Range: x\r\n", 400, 0 },
    { "If-Match: x\r\n", 400, 0 },
    { "Cache-Control: x\r\n", 400, 0 },
    { "PRAGMA: x\r\n", 400, 0 },
    { "Max-Forwards: x\r\n", 400, 0 },
    { "Vary: x\r\n", 400, 0 },
    { "Sec-Fetch-Site: x\r\n", 400, 0 },
    { "Contents: x\r\n", 200, 1 },
    { "Iffy: x\r\n", 200, 1 },
};

static void
threat_14_trailer_fields(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof trailer_cases / sizeof *trailer_cases; i++) {
        size_t len = strlen(trailer_cases[i].section);
        char *copy = malloc(len + (len == 0));
        assert_non_null(copy);
        memcpy(copy, trailer_cases[i].section, len);
        struct hs_field fields[4];
        struct hs_refusal why = { 200, NULL };
        unsigned n = 99;
        bool ok = hs_trailers_parse((struct hs_view){ copy, len }, fields, 4, &n, &why);
        if (ok != (why.status == 200) || why.status != trailer_cases[i].status || (ok && n != trailer_cases[i].n)) {
            fail_msg("%s: %d, %u fields", trailer_cases[i].section, why.status, n);
        }
        free(copy);
    }
    static const char section[] = "A:b\r\nX-Checksum: 12 34 \t\r\n";
    struct hs_field fields[2];
    struct hs_refusal why;
    unsigned n;
    assert_true(hs_trailers_parse(HS_VIEW(section), fields, 2, &n, &why));
    assert_int_equal(n, 2);
    assert_memory_equal(section + fields[1].name_off, "X-Checksum", fields[1].name_len);
    assert_int_equal(fields[1].name_len, 10);
    assert_int_equal(fields[1].value_len, 5);
    assert_memory_equal(section + fields[1].value_off, "12 34", 5);
    assert_int_equal(fields[1].id, HS_FIELD_OTHER);
    assert_false(hs_trailers_parse(HS_VIEW(section), fields, 1, &n, &why));
    assert_int_equal(why.status, 431);
    assert_true(hs_trailers_parse((struct hs_view){ NULL, 0 }, NULL, 0, &n, &why));
    assert_int_equal(n, 0);
}

static void
chunk_headers(void **state)
{
    (void)state;
    static const struct {
        uint64_t n;
        const char *text;
    } cases[] = { { 1, "1\r\n" },       { 9, "9\r\n" },         { 10, "a\r\n" },           { 15, "f\r\n" },
                  { 16, "10\r\n" },     { 255, "ff\r\n" },      { 256, "100\r\n" },        { 65536, "10000\r\n" },
                  { 0xABCDEF, "abcdef\r\n" }, { UINT64_MAX, "ffffffffffffffff\r\n" }, { 1ull << 60, "1000000000000000\r\n" } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *dst = malloc(HS_CHUNK_HEADER_MAX);
        assert_non_null(dst);
        size_t n = hs_chunk_header(dst, cases[i].n);
        assert_int_equal(n, strlen(cases[i].text));
        assert_memory_equal(dst, cases[i].text, n);
        free(dst);
    }
}

static void
what_is_encoded_is_decoded(void **state)
{
    (void)state;
    char data[5000], bytes[20000];
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (char)(i * 7 + i / 256);
    }
    size_t len = 0;
    for (size_t at = 0, n = 1; at < sizeof data; at += n, n = n * 3 % 997) {
        n = n < sizeof data - at ? n : sizeof data - at;
        len += hs_chunk_header(bytes + len, n);
        memcpy(bytes + len, data + at, n);
        memcpy(bytes + len + n, "\r\n", 2);
        len += n + 2;
    }
    memcpy(bytes + len, "0\r\n\r\n", 5);
    len += 5;
    for (size_t piece = 1; piece < len; piece = piece * 2 + 1) {
        struct outcome o;
        outcome_init(&o, 0);
        decode(&o, bytes, len, 0, piece);
        assert_int_equal(o.status, 200);
        assert_int_equal(o.used, len);
        assert_int_equal(o.data.len, sizeof data);
        assert_memory_equal(o.data.p, data, sizeof data);
        outcome_fini(&o);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_bodies),
        cmocka_unit_test(threat_06_chunk_sizes),
        cmocka_unit_test(threat_07_extensions),
        cmocka_unit_test(threat_07_long_line),
        cmocka_unit_test(threat_07_framing_budget),
        cmocka_unit_test(threat_07_budget_is_the_same_at_every_split),
        cmocka_unit_test(threat_14_trailer_framing),
        cmocka_unit_test(threat_14_trailer_section_is_bounded),
        cmocka_unit_test(threat_14_too_large_comes_first),
        cmocka_unit_test(nothing_is_read_after_the_end),
        cmocka_unit_test(threat_14_trailer_fields),
        cmocka_unit_test(chunk_headers),
        cmocka_unit_test(what_is_encoded_is_decoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
